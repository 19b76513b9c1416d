/* The records for the script: what can be pointed at. */
#include "../../json_text.h"
#include "memory_words.h"
#include "sections.h"

/* Texts that many rows have: an index into a list. */
typedef struct texts {
  json_t *list, *index;
} texts;

static json_t *text_index(texts *t, const char *text) {
  json_t *known = json_object_get(t->index, text);
  if (known) return json_incref(known);
  json_t *index = json_integer((json_int_t)json_array_size(t->list));
  json_array_append_new(t->list, json_text(text));
  json_object_set(t->index, text, index);
  return index;
}

/* The role that an item has when it is first alive. */
static clg_role first_role(const record *of, size_t item) {
  for (size_t i = 0; i < of->n_events; i++)
    if (of->events[i].item == item)
      return of->events[i].kind == CLG_MEMORY_ROLE ? of->events[i].was : of->events[i].role;
  return of->items[item].role;
}

/* [bytes, name, shape, phase, release, role, begin, end] */
static json_t *item_json(texts *t, const record *of, size_t i) {
  const record_item *item = &of->items[i];
  char name[WORDS_ROOM], shape[WORDS_ROOM], release[WORDS_ROOM];
  words_of_item(item, name);
  words_of_shape(item, shape);
  words_of_release(item, release);
  return json_pack("[I, o, o, o, o, i, I, I]", (json_int_t)item->bytes, text_index(t, name), text_index(t, shape),
                   text_index(t, item->made_in), text_index(t, release), (int)first_role(of, i),
                   (json_int_t)item->begin, (json_int_t)item->end);
}

/* Its items, and its changes of role: [event, item, role]. */
static json_t *record_json(texts *t, const record *of) {
  json_t *items = json_array(), *roles = json_array();
  for (size_t i = 0; i < of->n_items; i++) json_array_append_new(items, item_json(t, of, i));
  for (size_t i = 0; i < of->n_events; i++)
    if (of->events[i].kind == CLG_MEMORY_ROLE)
      json_array_append_new(
          roles, json_pack("[I, I, i]", (json_int_t)i, (json_int_t)of->events[i].item, (int)of->events[i].role));
  return json_pack("{s:I, s:I, s:o, s:o}", "events", (json_int_t)of->n_events, "peak", (json_int_t)of->peak, "items",
                   items, "roles", roles);
}

static json_t *role_names(void) {
  json_t *names = json_array();
  for (int k = 0; k < CLG_ROLE_COUNT; k++) json_array_append_new(names, json_string(clg_role_name((clg_role)k)));
  return names;
}

static json_t *role_order(void) {
  json_t *order = json_array();
  for (int k = 0; k < CLG_ROLE_COUNT; k++) json_array_append_new(order, json_integer(timeline_order[k]));
  return order;
}

void section_timeline_data(html *h, const report *r) {
  texts t = {json_array(), json_object()};
  timeline_scale scale = steps_scale(r);
  json_t *records = json_object();
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].record)
      json_object_set_new(records, variant_name(r->c->results[i].v), record_json(&t, r->c->results[i].record));
  json_t *all =
      json_pack("{s:o, s:o, s:I, s:I, s:O, s:o}", "roles", role_names(), "order", role_order(), "bytes",
                (json_int_t)scale.bytes, "instants", (json_int_t)scale.instants, "texts", t.list, "records", records);
  char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
  if (!text) h->failed = true;
  /* No element ends within a script's text but by "</". */
  for (const char *c = text ? text : ""; *c; c++) html_add(h, *c == '<' ? "\\u003c" : c, *c == '<' ? 6 : 1);
  free(text);
  json_decref(all);
  json_decref(t.list);
  json_decref(t.index);
}
