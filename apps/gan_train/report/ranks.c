/* What the ranks of a run took: memory, messages, and how much of their time lay behind the device's work. */
#include "sections.h"

static void put_cell(html *h, const report *r, const result *of, int rank, const char *field, const char *format,
                     double value, double unit) {
  char name[64], from[POINTER_ROOM];
  snprintf(name, sizeof name, "ranks/each/%d/%s", rank, field);
  report_pointer(from, r, of, name);
  html_put(h, "<td>");
  html_figure(h, value, from, format, value / unit);
  html_put(h, "</td>");
}

static void put_row(html *h, const report *r, const result *of, int rank) {
  const result_rank *k = &of->ranks[rank];
  html_put(h, "<tr><th scope=\"row\">%d</th>", rank);
  put_cell(h, r, of, rank, "step_ms", "%.2f", k->step_ms, 1);
  put_cell(h, r, of, rank, "gradient_bytes", "%.1f", k->gradient_bytes, 1024);
  put_cell(h, r, of, rank, "other_bytes", "%.1f", k->other_bytes, 1024);
  put_cell(h, r, of, rank, "communication_ms", "%.2f", k->ms, 1);
  put_cell(h, r, of, rank, "exposed_ms", "%.2f", k->exposed_ms, 1);
  put_cell(h, r, of, rank, "peak_live_bytes", "%.2f", (double)k->peak_live, 1048576);
  put_cell(h, r, of, rank, "predicted_peak_live_bytes", "%.2f", (double)k->predicted_live, 1048576);
  html_put(h, "</tr>");
}

static void put_whole(html *h, const report *r, const result *of) {
  const result_rank all = result_of_ranks(of);
  char from[POINTER_ROOM];
  html_put(h,
           "<p class=\"note\">One training on %d ranks, with %lld of the %lld shards each: the weights of one process, "
           "to the bit. Gradients are summed in the tree of shards; for that the ranks together sent ",
           of->n_ranks, (long long)(r->setup->spec.shards / of->n_ranks), (long long)r->setup->spec.shards);
  report_pointer(from, r, of, "ranks/gradient_bytes_per_step");
  html_figure(h, all.gradient_bytes, from, "%.1f", all.gradient_bytes / 1024);
  html_put(h, " KiB a step");
  if (all.ms > 0) {
    html_put(h, ", and ");
    report_pointer(from, r, of, "ranks/hidden_share");
    html_figure(h, 1 - all.exposed_ms / all.ms, from, "%.0f %%", 100 * (1 - all.exposed_ms / all.ms));
    html_put(h, " of the time that took was hidden behind the device&rsquo;s work");
  }
  html_put(h, ".</p>");
}

static void put_ranks(html *h, const report *r, const result *of) {
  static const char *const heads[] = {"rank",     "step, ms",       "gradients sent, KiB", "other, KiB",
                                      "sums, ms", "not hidden, ms", "peak, MiB",           "predicted"};
  html_put(h, "<h3>Ranks</h3>");
  put_whole(h, r, of);
  html_put(h, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Ranks\"><table id=\"ranks-table\" "
              "class=\"dense\"><caption>Of each rank, a step; memory, of the training.</caption><thead><tr>");
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) html_put(h, "<th scope=\"col\">%s</th>", heads[i]);
  html_put(h, "</tr></thead><tbody>");
  for (int k = 0; k < of->n_ranks; k++) put_row(h, r, of, k);
  html_put(h, "</tbody></table></div>");
}

/* Nothing of one process. */
void section_ranks(html *h, const report *r) {
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].ranks) put_ranks(h, r, &r->c->results[i]);
}
