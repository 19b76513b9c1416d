/* Losses over the steps, and where the weights ended. Variants whose losses are the same to the bit share a curve. */
#include "chart.h"
#include "sections.h"
#include <stdlib.h>
#include <string.h>

typedef struct group {
  const result *members[VARIANT_COUNT];
  size_t n;
} group;

static size_t group_results(const comparison *c, group groups[VARIANT_COUNT]) {
  size_t n = 0;
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    if (!r->losses || !r->steps_done) continue;
    size_t k = 0;
    while (k < n && groups[k].members[0] != compare_losses(c, r)) k++;
    if (k == n) groups[n++].n = 0;
    groups[k].members[groups[k].n++] = r;
  }
  return n;
}

static void put_names(html *h, const group *g) {
  for (size_t i = 0; i < g->n; i++) html_put(h, "%s%s", i ? ", " : "", variant_name(g->members[i]->v));
}

static void put_legend(html *h, const group *groups, size_t n) {
  bool means = false;
  for (size_t k = 0; k < n; k++) means = means || chart_sums_up((size_t)groups[k].members[0]->steps_done);
  if (means)
    html_put(h,
             "<p class=\"note\">Lines are means of neighbouring steps; faint behind them are the least and the largest "
             "of those.</p>");
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

static void put_chart(html *h, const group *groups, size_t n, int which, const char *title) {
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
  chart_draw(h, &(chart){.title = title, .alt = alt, .curves = curves, .n = n, .first = 1, .unit = "step"});
}

/* ---- weights beside detach's, from steps that were taken again side by side ---- */

static bool leaves_detach(const result *of) {
  for (int64_t k = 0; k < of->n_apart; k++)
    if (of->apart[k] != 0) return true;
  return false;
}

static int64_t longest_apart(const report *r) {
  int64_t n = 0;
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].n_apart > n) n = r->c->results[i].n_apart;
  return n;
}

/* In the tone of its losses. */
static int tone_of(const group *groups, size_t n, const result *of) {
  for (size_t k = 0; k < n; k++)
    for (size_t i = 0; i < groups[k].n; i++)
      if (groups[k].members[i] == of) return (int)(k % CHART_TONES);
  return 0;
}

static void draw_apart(html *h, const report *r, const group *groups, size_t n) {
  size_t steps = (size_t)longest_apart(r), curves = 0;
  chart_curve all[VARIANT_COUNT];
  char alt[1024] = "Largest weight difference from detach by step.";
  float *values = calloc(VARIANT_COUNT * steps + 1, sizeof *values);
  h->failed = h->failed || !values;
  for (int i = 0; values && i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    size_t at = strlen(alt);
    if (!leaves_detach(of)) continue;
    float *mine = values + curves * steps;
    for (int64_t k = 0; k < of->n_apart; k++) mine[k] = (float)of->apart[k];
    all[curves++] = (chart_curve){mine, (size_t)of->n_apart, 1, tone_of(groups, n, of)};
    snprintf(alt + at, sizeof alt - at, " %s: %.2g in the end.", variant_name(of->v), of->apart[of->n_apart - 1]);
  }
  if (curves)
    chart_draw(h, &(chart){.title = "Largest weight difference from detach",
                           .alt = alt,
                           .curves = all,
                           .n = curves,
                           .first = 1,
                           .unit = "step"});
  free(values);
}

static void say_apart(html *h, const report *r) {
  int64_t steps = longest_apart(r);
  int zero = 0, others = 0;
  for (int i = 0; i < r->c->n; i++) zero += r->c->results[i].n_apart && !leaves_detach(&r->c->results[i]);
  if (steps) {
    html_put(
        h,
        "<p class=\"note\" id=\"differences\">Weights, compared behind each of the first %lld steps: %d other%s of "
        "the same algorithm ha%s detach&rsquo;s to the bit",
        (long long)steps, zero, zero == 1 ? "" : "s", zero == 1 ? "s" : "ve");
    for (int i = 0; i < r->c->n; i++)
      if (leaves_detach(&r->c->results[i]))
        html_put(h, "%s%s", others++ ? ", " : "; drawn: ", variant_name(r->c->results[i].v));
    html_put(h, ".</p>");
  }
  for (int i = 0; i < r->c->n; i++)
    report_reason(h, &r->c->results[i], "weights by step", r->c->results[i].apart_error);
}

/* ---- the section ---- */

static void put_loss(html *h, const report *r, const result *of, const char *name, int which) {
  char field[64], from[POINTER_ROOM];
  snprintf(field, sizeof field, "losses/%s/%lld", name, (long long)of->steps_done - 1);
  report_pointer(from, r, compare_losses(r->c, of), field);
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
  put_chart(h, groups, n, 0, "Loss of D on real images");
  put_chart(h, groups, n, 1, "Loss of D on fake images");
  put_chart(h, groups, n, 2, "Loss of G");
  draw_apart(h, r, groups, n);
  html_put(h, "</div>");
  say_apart(h, r);
  put_last(h, r);
}
