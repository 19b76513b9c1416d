/* Losses over the steps, and where the weights ended. Variants whose losses are the same to the bit share a curve. */
#include "chart.h"
#include "sections.h"
#include <string.h>

typedef struct group {
  const result *members[VARIANT_COUNT];
  size_t n;
} group;

static bool same_losses(const result *a, const result *b) {
  return a->steps_done == b->steps_done && !a->failed && !b->failed &&
         !memcmp(a->losses, b->losses, 3 * (size_t)a->steps_done * sizeof *a->losses);
}

static size_t group_results(const comparison *c, group groups[VARIANT_COUNT]) {
  size_t n = 0;
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    if (!r->losses || !r->steps_done) continue;
    size_t k = 0;
    while (k < n && !same_losses(groups[k].members[0], r)) k++;
    if (k == n) groups[n++].n = 0;
    groups[k].members[groups[k].n++] = r;
  }
  return n;
}

static void put_names(html *h, const group *g) {
  for (size_t i = 0; i < g->n; i++) html_put(h, "%s%s", i ? ", " : "", variant_name(g->members[i]->v));
}

static void put_legend(html *h, const group *groups, size_t n) {
  html_put(h, "<ul class=\"legend\">");
  for (size_t k = 0; k < n; k++) {
    html_put(h,
             "<li><svg viewBox=\"0 0 28 14\" aria-hidden=\"true\"><path class=\"curve tone-%zu\" d=\"M0 7H28\"/></svg>",
             k % CHART_TONES);
    put_names(h, &groups[k]);
    html_put(h, "%s</li>", groups[k].n > 1 ? " (the same to the bit)" : "");
  }
  html_put(h, "</ul>");
}

static void put_chart(html *h, const report *r, const group *groups, size_t n, int which, const char *title) {
  chart_curve curves[VARIANT_COUNT];
  char alt[512];
  size_t at = (size_t)snprintf(alt, sizeof alt, "%s over the steps.", title);
  for (size_t k = 0; k < n; k++) {
    const result *first = groups[k].members[0];
    curves[k] = (chart_curve){first->losses + which, (size_t)first->steps_done, 3, (int)(k % CHART_TONES)};
    if (at < sizeof alt)
      at += (size_t)snprintf(alt + at, sizeof alt - at, " %s: from %.3g to %.3g.", variant_name(first->v),
                             (double)first->losses[which], (double)first->losses[3 * (first->steps_done - 1) + which]);
  }
  (void)r;
  chart_draw(h, &(chart){.title = title, .alt = alt, .curves = curves, .n = n, .first = 1, .unit = "step"});
}

/* Behind each block of the timing rounds, which begin anew from the same weights: as far as they go. */
static void put_differences(html *h, const report *r) {
  float values[VARIANT_COUNT][TIMING_BLOCKS];
  chart_curve curves[VARIANT_COUNT];
  const char *names[VARIANT_COUNT];
  size_t n = 0;
  int zero = 0;
  double last = 0;
  for (int i = 0; i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    bool differs = false;
    if (of == r->c->base || !of->timing.n_differences || variant_other_algorithm(of->v)) continue;
    for (int k = 0; k < of->timing.n_differences; k++) differs = differs || of->timing.difference[k] != 0;
    zero += !differs;
    if (!differs) continue;
    for (int k = 0; k < of->timing.n_differences; k++) values[n][k] = (float)of->timing.difference[k];
    curves[n] = (chart_curve){values[n], (size_t)of->timing.n_differences, 1, (int)((n + 1) % CHART_TONES)};
    names[n++] = variant_name(of->v);
    last = of->timing.difference[of->timing.n_differences - 1];
  }
  if (!n && !zero) return;
  html_put(h,
           "<h3>The largest weight difference from detach</h3><p class=\"note\" id=\"differences\">%d of the same "
           "algorithm: 0 behind every block of the timing rounds, which begin anew from the same weights.",
           zero);
  for (size_t k = 0; k < n; k++) html_put(h, "%s%s", k ? ", " : " Not 0: ", names[k]);
  html_put(h, "%s</p>", n ? "." : "");
  if (!n) return;
  char alt[128];
  snprintf(alt, sizeof alt, "Largest weight difference from detach by block; the last is %.2g.", last);
  html_put(h, "<div class=\"charts\">");
  chart_draw(h, &(chart){.title = names[0], .alt = alt, .curves = curves, .n = n, .first = 1, .unit = "block"});
  html_put(h, "</div>");
}

static void put_loss(html *h, const report *r, const result *of, const char *name, int which) {
  char field[64], from[POINTER_ROOM];
  snprintf(field, sizeof field, "losses/%s/%lld", name, (long long)of->steps_done - 1);
  report_pointer(from, r, of, field);
  double value = (double)of->losses[3 * (of->steps_done - 1) + which];
  html_put(h, "<td>");
  html_figure(h, value, from, "%.4f", value);
  html_put(h, "</td>");
}

static void put_last(html *h, const report *r) {
  html_put(h, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Losses of the last step\"><table>"
              "<caption>The last step's losses.</caption><thead><tr><th scope=\"col\">variant</th>"
              "<th scope=\"col\">steps</th><th scope=\"col\">D, real</th><th scope=\"col\">D, fake</th>"
              "<th scope=\"col\">G</th></tr></thead><tbody>");
  for (int i = 0; i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    if (!of->steps_done) continue;
    html_put(h, "<tr><th scope=\"row\">%s</th><td>%lld</td>", variant_name(of->v), (long long)of->steps_done);
    put_loss(h, r, of, "d_real", 0);
    put_loss(h, r, of, "d_fake", 1);
    put_loss(h, r, of, "g", 2);
    html_put(h, "</tr>");
  }
  html_put(h, "</tbody></table></div>");
}

void section_losses(html *h, const report *r) {
  group groups[VARIANT_COUNT];
  size_t n = r->c->plan ? 0 : group_results(r->c, groups);
  if (!n) {
    html_put(h, "<p>%s</p>",
             r->c->plan ? "A plan trains nothing: there are no losses."
                        : "No step was finished: there are no losses to show.");
    return;
  }
  put_legend(h, groups, n);
  html_put(h, "<div class=\"charts\">");
  put_chart(h, r, groups, n, 0, "Loss of D on real images");
  put_chart(h, r, groups, n, 1, "Loss of D on fake images");
  put_chart(h, r, groups, n, 2, "Loss of G");
  html_put(h, "</div>");
  put_differences(h, r);
  put_last(h, r);
}
