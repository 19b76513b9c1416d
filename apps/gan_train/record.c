/* Records a step. */
#include "record.h"
#include "grown.h"
#include <stdlib.h>
#include <string.h>

/* Room for one more of n elements. */
static bool grow(record *r, void **array, size_t n, size_t *room, size_t size) {
  void *moved = grown(*array, n, room, size);
  r->failed = r->failed || !moved;
  if (moved) *array = moved;
  return moved;
}

/* The record's copy of a text, of which there are few. */
static const char *keep(record *r, const char *text) {
  for (size_t i = 0; i < r->n_texts; i++)
    if (!strcmp(r->texts[i], text)) return r->texts[i];
  if (!grow(r, (void **)&r->texts, r->n_texts, &r->texts_room, sizeof *r->texts)) return "";
  char *copy = strdup(text);
  r->failed = r->failed || !copy;
  if (!copy) return "";
  return r->texts[r->n_texts++] = copy;
}

static void add_item(record *r, const clg_memory_event *e) {
  if (!grow(r, (void **)&r->items, r->n_items, &r->items_room, sizeof *r->items)) return;
  record_item *item = &r->items[r->n_items++];
  *item = (record_item){.id = e->id, .bytes = e->bytes, .role = e->role, .ndim = e->ndim};
  item->op = keep(r, e->op), item->layer = keep(r, e->layer), item->made_in = keep(r, e->made_in);
  item->dtype = e->dtype == CLG_I32 ? "int32" : "float32";
  item->by_name = item->by_layer = item->released_in = "";
  item->begin = e->kind == CLG_MEMORY_HELD ? 0 : r->n_events + 1;
  if (e->ndim > 0) memcpy(item->shape, e->shape, (size_t)e->ndim * sizeof *e->shape);
  if (e->kind == CLG_MEMORY_HELD) r->n_held = r->n_items;
}

/* Ids ascend. */
static size_t find(const record *r, uint64_t id) {
  size_t low = 0, high = r->n_items;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (r->items[middle].id < id)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void add_event(record *r, const clg_memory_event *e) {
  size_t at = find(r, e->id);
  if (at == r->n_items || r->items[at].id != e->id) r->failed = true;
  if (r->failed || !grow(r, (void **)&r->events, r->n_events, &r->events_room, sizeof *r->events)) return;
  r->events[r->n_events++] = (record_event){e->kind, (uint32_t)at, e->role, e->was, keep(r, e->phase)};
  if (e->kind != CLG_MEMORY_RELEASE) return;
  record_item *item = &r->items[at];
  item->released = true;
  item->end = r->n_events - 1;
  item->by = e->by;
  item->by_name = keep(r, e->by_name), item->by_layer = keep(r, e->by_layer), item->released_in = keep(r, e->phase);
}

static void count(record *r, const clg_memory_event *e) {
  if (e->kind == CLG_MEMORY_ROLE)
    r->by_role[e->was] -= e->bytes, r->by_role[e->role] += e->bytes;
  else
    r->by_role[e->role] += e->kind == CLG_MEMORY_RELEASE ? -e->bytes : e->bytes;
  r->live = e->live;
  if (e->kind == CLG_MEMORY_HELD) r->first_bytes = r->live;
  if (r->live <= r->peak_bytes) return;
  r->peak_bytes = r->live, r->peak = r->n_events;
  memcpy(r->peak_by_role, r->by_role, sizeof r->by_role);
}

static void on_event(void *user, const clg_memory_event *e) {
  record *r = user;
  if (r->failed) return;
  if (e->kind == CLG_MEMORY_HELD || e->kind == CLG_MEMORY_ALLOC) add_item(r, e);
  if (e->kind != CLG_MEMORY_HELD && !r->failed) add_event(r, e);
  if (!r->failed) count(r, e);
}

void record_begin(record *r, clg_context *ctx) {
  r->n_items = r->n_held = r->n_events = r->peak = 0;
  r->live = r->peak_bytes = r->first_bytes = 0;
  memset(r->by_role, 0, sizeof r->by_role);
  memset(r->peak_by_role, 0, sizeof r->peak_by_role);
  clg_memory_trace(ctx, on_event, r);
}

static void settle_role(const record *r, size_t i) {
  const record_event *e = &r->events[i];
  record_item *item = &r->items[e->item];
  if (e->kind != CLG_MEMORY_ROLE) return;
  if (item->begin <= r->peak && r->peak <= item->end) {
    if (i < r->peak) item->role = e->role;
  } else if (item->role != CLG_ROLE_SAVED) {
    item->role = e->role;
  }
}

void record_end(record *r, clg_context *ctx) {
  clg_memory_trace(ctx, NULL, NULL);
  r->last_bytes = r->live;
  for (size_t i = 0; i < r->n_items; i++)
    if (!r->items[i].released) r->items[i].end = r->n_events;
  for (size_t i = 0; i < r->n_events; i++) settle_role(r, i);
}

const char *record_phase(const record *r, size_t instant) {
  if (!r->n_events) return "";
  return r->events[instant ? instant - 1 : 0].phase;
}

void record_by_role(const record *r, uint64_t (*to)[CLG_ROLE_COUNT]) {
  uint64_t now[CLG_ROLE_COUNT] = {0};
  /* Backwards from the end, whose roles are known. */
  memcpy(now, r->by_role, sizeof now);
  memcpy(to[r->n_events], now, sizeof now);
  for (size_t i = r->n_events; i-- > 0;) {
    const record_event *e = &r->events[i];
    uint64_t bytes = r->items[e->item].bytes;
    if (e->kind == CLG_MEMORY_ROLE)
      now[e->role] -= bytes, now[e->was] += bytes;
    else
      now[e->role] += e->kind == CLG_MEMORY_RELEASE ? bytes : -bytes;
    memcpy(to[i], now, sizeof now);
  }
}

void record_free(record *r) {
  if (!r) return;
  for (size_t i = 0; i < r->n_texts; i++) free(r->texts[i]);
  free(r->texts);
  free(r->items);
  free(r->events);
  graphs_free(&r->graphs);
  free(r);
}
