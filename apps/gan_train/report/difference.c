/* What is alive under a variant and not under detach. */
#include "align.h"
#include "memory_words.h"
#include "sections.h"
#include <stdlib.h>

/* Rows of a table, at most. */
#define ROWS 12

typedef struct extra {
  const record_item *item;
  size_t begin, end; /* instants at which its like is not alive */
  bool passing;
} extra;

/* What is alive when both steps are at the same place is drawn; what comes and goes between two such places, while the
 * variant does work that detach does not do, is told. */
typedef struct difference {
  const result *of;
  bool too_long; /* to be compared */
  extra *extras; /* [n] those that pass last */
  size_t n, n_passing;
  uint64_t *bytes;   /* [n_events + 1][CLG_ROLE_COUNT], roles in timeline_order; of those that are drawn */
  uint64_t *passing; /* [n_events + 1] of the others */
  uint64_t most, most_passing, at_peak;
  size_t passing_at; /* the instant of most_passing */
} difference;

static size_t place_of(clg_role role) {
  size_t k = 0;
  while (timeline_order[k] != role) k++;
  return k;
}

static void add_extra(difference *d, const record_item *item, aligned beside) {
  d->extras[d->n++] = (extra){item, beside.first, item->end, beside.passing};
  d->n_passing += beside.passing;
  for (size_t i = beside.first; i <= item->end; i++)
    if (beside.passing)
      d->passing[i] += item->bytes;
    else
      d->bytes[i * CLG_ROLE_COUNT + place_of(item->role)] += item->bytes;
}

static void note_instant(difference *d, size_t i, size_t peak) {
  uint64_t sum = 0;
  for (int k = 0; k < CLG_ROLE_COUNT; k++) sum += d->bytes[i * CLG_ROLE_COUNT + (size_t)k];
  if (sum > d->most) d->most = sum;
  if (d->passing[i] > d->most_passing) d->most_passing = d->passing[i], d->passing_at = i;
  if (i == peak) d->at_peak = sum + d->passing[i];
}

/* False: no memory. */
static bool make(difference *d, const result *of, const record *base) {
  const record *step = of->record;
  *d = (difference){.of = of, .too_long = !align_can(step, base)};
  if (d->too_long) return true;
  aligned *beside = align_records(step, base);
  *d = (difference){.of = of, .extras = calloc(step->n_items + 1, sizeof *d->extras)};
  d->bytes = calloc(step->n_events + 1, CLG_ROLE_COUNT * sizeof *d->bytes);
  d->passing = calloc(step->n_events + 1, sizeof *d->passing);
  bool ok = beside && d->extras && d->bytes && d->passing;
  for (size_t i = 0; ok && i < step->n_items; i++)
    if (beside[i].first <= step->items[i].end) add_extra(d, &step->items[i], beside[i]);
  for (size_t i = 0; ok && i <= step->n_events; i++) note_instant(d, i, step->peak);
  free(beside);
  return ok;
}

static void drop(difference *d) {
  free(d->extras);
  free(d->bytes);
  free(d->passing);
}

/* ---- what is shown ---- */

static double weight(const extra *e) { return (double)e->item->bytes * (double)(e->end - e->begin + 1); }

static int heavier_first(const void *a, const void *b) {
  const extra *one = a, *other = b;
  double x = weight(one), y = weight(other);
  if (one->passing != other->passing) return one->passing - other->passing;
  return (x < y) - (x > y);
}

static void put_extra(html *h, const record *step, const extra *e) {
  char words[WORDS_ROOM];
  words_of_item(e->item, words);
  html_put(h, "<tr><td class=\"words\">");
  html_text(h, words);
  words_of_shape(e->item, words);
  html_put(h, "</td><td class=\"words whole\">%s</td><td class=\"words\">%s</td><td class=\"words\">", words,
           clg_role_name(e->item->role));
  html_text(h, e->item->made_in);
  html_put(h, "%s</td><td class=\"words\">", e->item->begin ? "" : " of the step before");
  words_of_release(e->item, words);
  html_text(h, words);
  html_put(h, "</td><td class=\"words\">%s%s</td><td>%.1f</td></tr>", record_phase(step, e->begin),
           e->begin ? "" : ", from the start", (double)e->item->bytes / 1024);
}

static void put_list(html *h, const difference *d, const extra *extras, size_t n) {
  html_put(
      h,
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Alive under %s and not under detach\"><table>"
      "<caption>Those that weigh most, by bytes and time.</caption><thead><tr><th class=\"words\">made by</th>"
      "<th class=\"words\">shape</th><th class=\"words\">role</th><th class=\"words\">made in</th>"
      "<th class=\"words\">released by</th><th class=\"words\">here alone since</th><th>KiB</th></tr></thead><tbody>",
      variant_name(d->of->v));
  for (size_t i = 0; i < n && i < ROWS; i++) put_extra(h, d->of->record, &extras[i]);
  html_put(h, "</tbody></table></div>");
  if (n > ROWS) html_put(h, "<p class=\"note\">%zu more are not listed.</p>", n - ROWS);
}

static void put_lists(html *h, const difference *d) {
  size_t drawn = d->n - d->n_passing;
  qsort(d->extras, d->n, sizeof *d->extras, heavier_first);
  if (drawn) put_list(h, d, d->extras, drawn);
  if (!d->n_passing) return;
  html_put(
      h,
      "<details class=\"passing\"><summary>Not drawn: what comes and goes while %s does work that detach does not do "
      "(%zu allocations, at most %.2f MiB at once, in %s)</summary>",
      variant_name(d->of->v), d->n_passing, (double)d->most_passing / 1048576,
      record_phase(d->of->record, d->passing_at));
  put_list(h, d, d->extras + drawn, d->n_passing);
  html_put(h, "</details>");
}

/* "At its peak ..." */
static void put_sentence(html *h, const report *r, const result *base, const difference *d) {
  const char *field;
  char one[POINTER_ROOM], other[POINTER_ROOM], from[2 * POINTER_ROOM + 4];
  const record *step = d->of->record;
  double more = (double)step->peak_bytes - (double)base->record->peak_bytes;
  report_peak(r, base, &field);
  report_pointer(one, r, d->of, field);
  report_pointer(other, r, base, field);
  snprintf(from, sizeof from, "%s - %s", one, other);
  html_put(h,
           "<p>At its peak, in %s, %s has <data id=\"more-%s\" value=\"%llu\">%.2f</data> MiB alive that is not alive "
           "under detach; ",
           record_phase(step, step->peak), variant_name(d->of->v), variant_name(d->of->v),
           (unsigned long long)d->at_peak, (double)d->at_peak / 1048576);
  if ((double)d->at_peak == more)
    html_put(h, "that is the difference of the two peaks, to the byte: ");
  else
    html_put(h, "detach&rsquo;s own peak lies in %s, and the difference of the two peaks is ",
             record_phase(base->record, base->record->peak));
  html_figure(h, more, from, "%.2f", more / 1048576);
  html_put(h, " MiB.</p>");
}

static void put_panel(html *h, const report *r, const result *base, difference *d, timeline_scale scale) {
  char alt[256];
  const record *step = d->of->record;
  html_put(h, "<div class=\"panel panel-%s\">", variant_name(d->of->v));
  if (d->too_long) {
    html_put(h, "<p>Not shown: a step of %zu allocations is too long to be laid beside detach&rsquo;s.</p></div>",
             step->n_items);
    return;
  }
  if (!d->n) {
    html_put(h, "<p>Nothing: whatever %s has alive, detach has alive beside it.</p></div>", variant_name(d->of->v));
    return;
  }
  put_sentence(h, r, base, d);
  snprintf(alt, sizeof alt, "Bytes alive under %s and not under detach over the step: at most %.2f MiB.",
           variant_name(d->of->v), (double)d->most / 1048576);
  if (d->n > d->n_passing) {
    html_put(h, "<figure class=\"timeline\">");
    timeline_begin(h, step, &(timeline_stack){d->bytes, step->n_events + 1, CLG_ROLE_COUNT, timeline_order}, scale,
                   alt);
    timeline_mark(h, scale, step->peak, d->at_peak);
    timeline_end(h);
    html_put(h, "</figure>");
  }
  put_lists(h, d);
  html_put(h, "</div>");
}

/* ---- the section ---- */

/* Buttons without a script: the panels follow what is checked. */
static void put_choices(html *h, const difference *all, size_t n) {
  for (size_t i = 0; i < n; i++)
    html_put(h, "<input type=\"radio\" name=\"difference\" id=\"choose-%s\"%s><label for=\"choose-%s\">%s</label>\n",
             variant_name(all[i].of->v), i ? "" : " checked", variant_name(all[i].of->v), variant_name(all[i].of->v));
}

static const result *find_base(const report *r) {
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].v == VARIANT_DETACH) return &r->c->results[i];
  return r->c->base;
}

void section_difference(html *h, const report *r) {
  const result *base = find_base(r);
  difference all[VARIANT_COUNT];
  size_t n = 0;
  timeline_scale scale = steps_scale(r);
  scale.bytes = 1;
  for (int i = 0; base && base->record && i < r->c->n && !h->failed; i++) {
    const result *of = &r->c->results[i];
    if (of == base || !of->record) continue;
    h->failed = !make(&all[n], of, base->record);
    if (all[n].most > scale.bytes) scale.bytes = all[n].most;
    n++;
  }
  scale.bytes += scale.bytes / 6;
  if (!n) {
    html_put(h, "<p>There is nothing to be compared: a comparison of detach with others (<code>--compare</code>) shows "
                "here what they keep alive beside it.</p>");
  } else {
    html_put(
        h,
        "<p class=\"note\">Bytes that are alive under a variant and not under detach when both steps have come to "
        "the same place: allocations are each other&rsquo;s like by op, layer, phase and shape, and a place is where "
        "both make the like of one. Each has the same axes.</p>"
        "<div class=\"choices\" role=\"radiogroup\" aria-label=\"Variant\">\n");
    put_choices(h, all, n);
    for (size_t i = 0; i < n; i++) put_panel(h, r, base, &all[i], scale);
    html_put(h, "</div>");
  }
  for (size_t i = 0; i < n; i++) drop(&all[i]);
}
