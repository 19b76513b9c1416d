/* The table of variants. */
#include "../table.h"
#include "sections.h"
#include <string.h>

typedef struct column {
  const char *title;
  void (*cell)(html *h, const report *r, const result *of);
  bool measured; /* not in a plan */
} column;

/* ---- cells ---- */

static void put_missing(html *h) { html_put(h, "<td>-</td>"); }

/* Below a figure, the bar that shows it against the largest. */
static void put_bar(html *h, double share) {
  html_put(
      h,
      "<svg class=\"bar\" viewBox=\"0 0 100 4\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
      "<rect class=\"track\" width=\"100\" height=\"4\"/><rect class=\"tone-0\" width=\"%.1f\" height=\"4\"/></svg>",
      100 * (share > 1 ? 1 : share));
}

static uint64_t largest_peak(const report *r) {
  const char *field;
  uint64_t largest = 1;
  for (int i = 0; i < r->c->n; i++) {
    uint64_t peak = report_peak(r, &r->c->results[i], &field);
    if (peak > largest) largest = peak;
  }
  return largest;
}

/* How it ended, unless it is as one expects. */
static void put_outcome(html *h, const result *of) {
  char text[TABLE_OUTCOME_ROOM];
  if (!of->failed && !of->interrupted) return;
  table_outcome(of, text, sizeof text);
  html_put(h, "<small class=\"fails\">");
  html_text(h, text);
  html_put(h, "</small>");
}

static void put_peak(html *h, const report *r, const result *of) {
  const char *field;
  uint64_t peak = report_peak(r, of, &field);
  html_put(h, "<td>");
  report_mib(h, r, of, field, peak);
  put_bar(h, (double)peak / (double)largest_peak(r));
  html_put(h, "</td>");
}

static void put_saved(html *h, const report *r, const result *of) {
  char from[POINTER_ROOM];
  uint64_t saved = of->memory.peak_by_role[CLG_ROLE_SAVED];
  double share = of->memory.peak_live ? (double)saved / (double)of->memory.peak_live : 0;
  html_put(h, "<td>");
  report_mib(h, r, of, r->c->plan ? "predicted_peak_by_role/saved" : "peak_by_role/saved", saved);
  report_pointer(from, r, of, r->c->plan ? "predicted_saved_share_of_peak" : "saved_share_of_peak");
  html_put(h, "<small>");
  html_figure(h, share, from, "%.0f%%", 100 * share);
  html_put(h, " of it</small></td>");
}

static void put_reserved(html *h, const report *r, const result *of) {
  html_put(h, "<td>");
  if (r->c->plan)
    report_mib(h, r, of, "predicted_peak_reserved_bytes", of->predicted_reserved);
  else
    report_mib(h, r, of, "peak_reserved_bytes", of->memory.peak_reserved);
  html_put(h, "</td>");
}

static void put_ms(html *h, const report *r, const result *of, const char *field, double ms) {
  char from[POINTER_ROOM];
  report_pointer(from, r, of, field);
  html_figure(h, ms, from, "%.2f", ms);
}

/* A single run has no blocks: its least and its 90th percentile stand there. */
static void put_time(html *h, const report *r, const result *of) {
  bool blocks = of->timing.blocks > 0;
  if (of->failed || !of->steps_done) {
    put_missing(h);
    return;
  }
  html_put(h, "<td>");
  put_ms(h, r, of, "step_ms/median", of->step_ms.median);
  html_put(h, "<small>");
  put_ms(h, r, of, blocks ? "step_ms/low" : "step_ms/min", blocks ? of->step_ms.low : of->step_ms.min);
  html_put(h, "&ndash;");
  put_ms(h, r, of, blocks ? "step_ms/high" : "step_ms/p90", blocks ? of->step_ms.high : of->step_ms.p90);
  html_put(h, "</small></td>");
}

static void put_beside(html *h, const report *r, const result *of) {
  char from[POINTER_ROOM];
  if (of == r->c->base || of->timing.verdict == VERDICT_NONE) {
    put_missing(h);
    return;
  }
  report_pointer(from, r, of, "timing/ratio");
  html_put(h, "<td>");
  html_figure(h, of->timing.ratio, from, "%.3f", of->timing.ratio);
  html_put(h, "<small class=\"wrapped\">%s</small></td>", verdict_name(of->timing.verdict));
}

static void put_number(html *h, const report *r, const result *of, const char *field, double value) {
  char from[POINTER_ROOM];
  report_pointer(from, r, of, field);
  html_figure(h, value, from, "%.4g", value);
}

static void put_launches(html *h, const report *r, const result *of) {
  if (of->failed || !of->steps_done) {
    put_missing(h);
    return;
  }
  html_put(h, "<td>");
  put_number(h, r, of, "launches_per_step", of->launches);
  html_put(h, "<small>");
  put_number(h, r, of, "waits_per_step", of->waits);
  html_put(h, " wait%s</small></td>", of->waits > 0 && of->waits <= 1 ? "" : "s");
}

static void put_gradient(html *h, const report *r, const result *of) {
  if (of->failed || !of->steps_done) {
    put_missing(h);
    return;
  }
  html_put(h, "<td>");
  put_number(h, r, of, "g_gradient_norm", of->g_gradient);
  html_put(h, "</td>");
}

static void put_difference(html *h, const report *r, const result *of) {
  char from[POINTER_ROOM];
  if (variant_other_algorithm(of->v)) {
    html_put(h, "<td><small class=\"wrapped\">another algorithm</small></td>");
    return;
  }
  if (!of->compared) {
    put_missing(h);
    return;
  }
  report_pointer(from, r, of, "weights/max_abs_diff");
  html_put(h, "<td>");
  html_figure(h, of->max_abs_diff, from, of->bit_identical ? "0" : "%.2g", of->max_abs_diff);
  html_put(h, "</td>");
}

static const column columns[] = {
    {"peak, MiB", put_peak, false},
    {"saved at it, MiB", put_saved, false},
    {"reserved, MiB", put_reserved, false},
    {"ms a step, middle half", put_time, true},
    {"beside detach", put_beside, true},
    {"kernels a step", put_launches, true},
    {"|G&nbsp;grad|, step&nbsp;1", put_gradient, true},
    {"weights differ by", put_difference, true},
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

static bool has(const report *r, const column *c) { return !(r->c->plan && c->measured); }

static void put_row(html *h, const report *r, const result *of) {
  html_put(h, "<tr%s><th scope=\"row\">%s<small>", of == r->c->base ? " class=\"base\"" : "", variant_name(of->v));
  html_text(h, variant_summary(of->v));
  html_put(h, "</small>");
  put_outcome(h, of);
  html_put(h, "</th>");
  for (size_t i = 0; i < N_COLUMNS; i++)
    if (has(r, &columns[i])) columns[i].cell(h, r, of);
  html_put(h, "</tr>\n");
}

/* ---- below the table ---- */

/* What the mistake does. */
static void put_pollution(html *h, const report *r) {
  char from[POINTER_ROOM];
  const result *of = compare_ok(r->c, VARIANT_POLLUTED);
  if (!r->c->base || !of || !of->compared) return;
  html_put(h,
           "<p id=\"pollution\">polluted trains without an error by another gradient, the sum of what both losses say: "
           "its length in the first step is ");
  put_number(h, r, of, "g_gradient_norm", of->g_gradient);
  html_put(h, ", detach&rsquo;s ");
  put_number(h, r, r->c->base, "g_gradient_norm", r->c->base->g_gradient);
  html_put(h, ", and its weights end up to ");
  report_pointer(from, r, of, "weights/max_abs_diff");
  html_figure(h, of->max_abs_diff, from, "%.2g", of->max_abs_diff);
  html_put(h, " away.</p>");
}

static const result_phase *find_phase(const result *of, const char *name, size_t *at) {
  for (*at = 0; *at < of->n_phases; ++*at)
    if (!strcmp(of->phases[*at].name, name)) return &of->phases[*at];
  return NULL;
}

/* "setup" is no phase of a step. */
static bool of_step(const result_phase *p) { return strchr(p->name, ' '); }

static void put_phase(html *h, const report *r, const result *of, const char *name) {
  char field[64];
  size_t at;
  const result_phase *p = find_phase(of, name, &at);
  if (!p) {
    put_missing(h);
    return;
  }
  snprintf(field, sizeof field, "phases/%zu/saved_bytes", at);
  html_put(h, "<td>");
  report_mib(h, r, of, field, p->saved);
  html_put(h, "</td>");
}

/* Where a variant saves little though its peak lies elsewhere. */
static void put_phases(html *h, const report *r) {
  const result *base = r->c->base ? r->c->base : &r->c->results[0];
  html_put(
      h, "<h3>Saved when each phase ends</h3><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Saved by "
         "phase\"><table id=\"phases\"><caption>MiB that the graph holds as the step goes on, also where the peak "
         "does not lie.</caption><thead><tr><th scope=\"col\">variant</th>");
  for (size_t k = 0; k < base->n_phases; k++)
    if (of_step(&base->phases[k])) html_put(h, "<th scope=\"col\">%s</th>", base->phases[k].name);
  html_put(h, "</tr></thead><tbody>");
  for (int i = 0; i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    html_put(h, "<tr><th scope=\"row\">%s</th>", variant_name(of->v));
    for (size_t k = 0; k < base->n_phases; k++)
      if (of_step(&base->phases[k])) put_phase(h, r, of, base->phases[k].name);
    html_put(h, "</tr>");
  }
  html_put(h, "</tbody></table></div>");
}

static void put_errors(html *h, const report *r) {
  bool any = false;
  for (int i = 0; i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    if (!of->failed) continue;
    html_put(h, "%s<dt>%s</dt><dd>", any ? "" : "<h3>Errors, in full</h3><dl class=\"errors\">", variant_name(of->v));
    html_text(h, of->error);
    html_put(h, "</dd>");
    any = true;
  }
  if (any) html_put(h, "</dl>");
}

void section_variants(html *h, const report *r) {
  html_put(
      h,
      "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Table of variants\">"
      "<table class=\"sortable dense\" id=\"table\"><caption>%s</caption><thead><tr><th scope=\"col\">variant</th>",
      r->c->plan ? "Predicted from shapes alone."
                 : "Each in a context of its own, from the same weights, data "
                   "and noise.");
  for (size_t i = 0; i < N_COLUMNS; i++)
    if (has(r, &columns[i])) html_put(h, "<th scope=\"col\">%s</th>", columns[i].title);
  html_put(h, "</tr></thead><tbody>\n");
  for (int i = 0; i < r->c->n; i++) put_row(h, r, &r->c->results[i]);
  html_put(h, "</tbody></table></div>");
  put_pollution(h, r);
  if (!r->c->plan) put_phases(h, r);
  put_errors(h, r);
}
