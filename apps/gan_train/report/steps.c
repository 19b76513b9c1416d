/* One step of each variant: what is alive, by role, at each instant. */
#include "../../json_text.h"
#include "memory_words.h"
#include "sections.h"
#include "timeline.h"
#include <stdlib.h>

/* Rows of what is alive at a peak, at most. */
#define PEAK_ROWS 14

/* ---- the pictures ---- */

timeline_scale steps_scale(const report *r) {
  timeline_scale scale = {.bytes = 1, .instants = 1};
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].record) timeline_extend(&scale, r->c->results[i].record);
  scale.bytes += scale.bytes / 12; /* room for the peak's figure */
  return scale;
}

static double mib(uint64_t bytes) { return (double)bytes / 1048576; }

static void draw(html *h, const record *of, timeline_scale scale, const char *name) {
  uint64_t(*bytes)[CLG_ROLE_COUNT] = calloc(of->n_events + 1, 2 * sizeof *bytes);
  if (!bytes) {
    h->failed = true;
    return;
  }
  uint64_t *ordered = (uint64_t *)(bytes + of->n_events + 1);
  record_by_role(of, bytes);
  for (size_t i = 0; i <= of->n_events; i++)
    for (int k = 0; k < CLG_ROLE_COUNT; k++) ordered[i * CLG_ROLE_COUNT + k] = bytes[i][timeline_order[k]];
  char alt[256];
  snprintf(alt, sizeof alt,
           "Memory of a step of %s by role: from %.2f MiB up to %.2f MiB in %s, to %.2f MiB at its end.", name,
           mib(of->first_bytes), mib(of->peak_bytes), record_phase(of, of->peak), mib(of->last_bytes));
  timeline_begin(h, of, &(timeline_stack){ordered, of->n_events + 1, CLG_ROLE_COUNT, timeline_order}, scale, alt);
  timeline_mark(h, scale, of->peak, of->peak_bytes);
  timeline_end(h);
  free(bytes);
}

static void put_figure(html *h, const result *of, timeline_scale scale) {
  html_put(h, "<figure class=\"timeline\" data-record=\"%s\"><figcaption>%s ", variant_name(of->v),
           variant_name(of->v));
  html_put(h, "<small>peak in %s; ", record_phase(of->record, of->record->peak));
  if (of->record->first_bytes == of->record->last_bytes)
    html_put(h, "%.2f MiB before and after", mib(of->record->first_bytes));
  else
    html_put(h, "%.2f MiB, %s %.2f", mib(of->record->first_bytes), of->failed ? "at its error" : "after it",
             mib(of->record->last_bytes));
  html_put(h, "</small></figcaption>");
  draw(h, of->record, scale, variant_name(of->v));
  html_put(h, "<output></output></figure>");
}

/* ---- the peaks ---- */

static void put_role(html *h, const report *r, const result *of, clg_role role) {
  char field[64];
  snprintf(field, sizeof field, "%speak_by_role/%s", r->c->plan ? "predicted_" : "", clg_role_name(role));
  html_put(h, "<td>");
  report_mib(h, r, of, field, of->record->peak_by_role[role]);
  html_put(h, "</td>");
}

static void put_peaks(html *h, const report *r) {
  html_put(
      h, "<h3>At the peak, by role</h3><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Peaks by role\">"
         "<table id=\"peaks\"><caption>MiB alive at the peak of each variant; they add up to the peak, to the byte."
         "</caption><thead><tr><th scope=\"col\">variant</th>");
  for (int k = 0; k < CLG_ROLE_COUNT; k++) html_put(h, "<th scope=\"col\">%s</th>", clg_role_name(timeline_order[k]));
  html_put(h, "<th scope=\"col\">peak</th></tr></thead><tbody>");
  for (int i = 0; i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    const char *field;
    if (!of->record) continue;
    report_peak(r, of, &field);
    html_put(h, "<tr><th scope=\"row\">%s</th>", variant_name(of->v));
    for (int k = 0; k < CLG_ROLE_COUNT; k++) put_role(h, r, of, timeline_order[k]);
    html_put(h, "<td>");
    report_mib(h, r, of, field, of->record->peak_bytes);
    html_put(h, "</td></tr>");
  }
  html_put(h, "</tbody></table></div>");
}

static int larger_first(const void *a, const void *b) {
  const record_item *x = *(const record_item *const *)a, *y = *(const record_item *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x->id < y->id ? -1 : x->id > y->id;
}

static void put_item(html *h, const record_item *item) {
  char words[WORDS_ROOM];
  words_of_item(item, words);
  html_put(h, "<tr><td class=\"words\">");
  html_text(h, words);
  words_of_shape(item, words);
  html_put(h, "</td><td class=\"words whole\">%s</td><td class=\"words\">%s</td><td class=\"words\">", words,
           clg_role_name(item->role));
  html_text(h, item->made_in);
  words_of_release(item, words);
  html_put(h, "</td><td class=\"words\">");
  html_text(h, words);
  html_put(h, "</td><td>%.1f</td></tr>", (double)item->bytes / 1024);
}

static void put_alive(html *h, const result *of) {
  const record *step = of->record;
  const record_item **alive = calloc(step->n_items + 1, sizeof *alive);
  size_t n = 0;
  uint64_t rest = 0;
  if (!alive) {
    h->failed = true;
    return;
  }
  for (size_t i = 0; i < step->n_items; i++)
    if (step->items[i].begin <= step->peak && step->peak <= step->items[i].end) alive[n++] = &step->items[i];
  qsort(alive, n, sizeof *alive, larger_first);
  html_put(
      h,
      "<details class=\"alive\"><summary>%s: what is alive at its peak</summary><div class=\"wide\" tabindex=\"0\" "
      "role=\"region\" aria-label=\"Alive at the peak of %s\"><table><thead><tr><th class=\"words\">made by</th>"
      "<th class=\"words\">shape</th><th class=\"words\">role</th><th class=\"words\">made in</th>"
      "<th class=\"words\">released by</th><th>KiB</th></tr></thead><tbody>",
      variant_name(of->v), variant_name(of->v));
  for (size_t i = 0; i < n; i++) {
    if (i < PEAK_ROWS)
      put_item(h, alive[i]);
    else
      rest += alive[i]->bytes;
  }
  if (n > PEAK_ROWS)
    html_put(h, "<tr><td class=\"words\" colspan=\"5\">%zu smaller ones</td><td>%.1f</td></tr>", n - PEAK_ROWS,
             (double)rest / 1024);
  html_put(h, "</tbody></table></div></details>");
  free(alive);
}

void section_timeline(html *h, const report *r) {
  timeline_scale scale = steps_scale(r);
  html_put(h, "<p class=\"note\">Every byte of device memory over one settled step, by role, from left to right in the "
              "order of allocations and releases. All have the same axes.<span class=\"scripted\" hidden> Point at a "
              "picture, or focus it and use the arrow keys: it names what is alive there, where it was made, and the "
              "call that let it go.</span></p>");
  timeline_legend(h, scale);
  html_put(h, "<div class=\"timelines\">");
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].record) put_figure(h, &r->c->results[i], scale);
  html_put(h, "</div>");
  put_peaks(h, r);
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].record) put_alive(h, &r->c->results[i]);
}
