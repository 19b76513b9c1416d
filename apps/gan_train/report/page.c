/* Puts the page together, and says what several of its parts say. */
#include "../report_json.h"
#include "report.h"
#include "sections.h"
#include <stdlib.h>
#include <string.h>

char *report_html(const comparison *c, const run_setup *setup, char *const *words, size_t *n, message *why) {
  char *json = report_json(c, setup, true);
  html h = {.failed = !json};
  report r = {.c = c, .setup = setup, .words = words, .json = json, .why = why};
  for (size_t i = 0; i < report_part_count && !h.failed; i++) {
    html_add(&h, report_parts[i].text, report_parts[i].n);
    if (report_parts[i].fill) report_parts[i].fill(&h, &r);
  }
  free(json);
  *n = h.n;
  if (!h.failed) return h.text;
  free(h.text);
  fail_no_memory(why);
  return NULL;
}

void report_pointer(char to[POINTER_ROOM], const report *r, const result *of, const char *field) {
  if (of == &r->c->reference)
    snprintf(to, POINTER_ROOM, "/detach/%s", field);
  else
    snprintf(to, POINTER_ROOM, "/variants/%d/%s", (int)(of - r->c->results), field);
}

void report_mib(html *h, const report *r, const result *of, const char *field, uint64_t bytes) {
  char from[POINTER_ROOM];
  report_pointer(from, r, of, field);
  html_figure(h, (double)bytes, from, "%.2f", (double)bytes / 1048576);
}

uint64_t report_peak(const report *r, const result *of, const char **field) {
  *field = r->c->plan ? "predicted_peak_live_bytes" : "peak_live_bytes";
  return r->c->plan ? of->predicted_live : of->memory.peak_live;
}

void report_reason(html *h, const result *of, const char *what, const char *error) {
  if (!*error) return;
  html_put(h, "<p class=\"note\">%s has no %s: ", variant_name(of->v), what);
  html_text(h, error);
  html_put(h, "</p>");
}

void section_title(html *h, const report *r) {
  html_put(h, "gan_train: %s on ", model_name(r->setup->spec.kind));
  html_text(h, r->setup->data->name);
}
