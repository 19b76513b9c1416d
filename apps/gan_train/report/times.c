/* Where the time of a step goes, by phases. */
#include "sections.h"
#include <string.h>

#define WIDTH 1000
#define BAR   26

static const result_time *find_time(const result *of, const char *name, size_t *at) {
  for (*at = 0; of && *at < of->n_times; ++*at)
    if (!strcmp(of->times[*at].name, name)) return &of->times[*at];
  return NULL;
}

static double total(const result *of) {
  double ms = 0;
  for (size_t i = 0; i < of->n_times; i++) ms += of->times[i].device_ms;
  return ms;
}

/* Gradients that the next zero_grad drops before anybody reads them. G's: D's backward of the fakes goes on into G.
 * D's: G's backward passes D, whose parameters ask for theirs. What they take is what the phase takes beyond that of
 * the variant that does not compute them. */
static double thrown_away(const report *r, const result *of, const char *phase) {
  bool into_g = of->v == VARIANT_RETAIN_GRAPH || of->v == VARIANT_RECOMPUTE;
  bool into_d = of->v != VARIANT_FROZEN_D && !variant_other_algorithm(of->v);
  const result *without = NULL;
  size_t at;
  if (into_g && !strcmp(phase, "D fake backward")) without = compare_ok(r->c, VARIANT_DETACH);
  if (into_d && !strcmp(phase, "G backward")) without = compare_ok(r->c, VARIANT_FROZEN_D);
  const result_time *mine = find_time(of, phase, &at), *other = find_time(without, phase, &at);
  if (!mine || !other || of->v == VARIANT_CHECKPOINT) return 0;
  return mine->device_ms > other->device_ms ? mine->device_ms - other->device_ms : 0;
}

static void put_part(html *h, const char *kind, const char *name, double x, double width, double ms) {
  html_put(h, "<rect class=\"%s\" x=\"%.1f\" width=\"%.1f\" height=\"%d\"><title>%s: %.3f ms</title></rect>", kind, x,
           width, BAR, name, ms);
}

static void put_bar(html *h, const report *r, const result *of, double most) {
  double x = 0, lost = 0;
  for (size_t i = 0; i < of->n_times; i++) lost += thrown_away(r, of, of->times[i].name);
  html_put(h,
           "<svg class=\"times\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s: %.2f "
           "ms on "
           "the device, of which %.2f ms are thrown away\">",
           WIDTH, BAR, variant_name(of->v), total(of), lost);
  for (size_t i = 0; i < of->n_times; i++) {
    const result_time *t = &of->times[i];
    double width = t->device_ms / most * WIDTH, away = thrown_away(r, of, t->name) / most * WIDTH;
    put_part(h, *t->name == 'G' ? "part-g" : "part-d", t->name, x, width, t->device_ms);
    if (away > 0) put_part(h, "part-away", "thrown away", x + width - away, away, away * most / WIDTH);
    x += width;
  }
  html_put(h, "</svg>");
}

static void put_cell(html *h, const report *r, const result *of, const char *phase) {
  char field[64], from[POINTER_ROOM];
  size_t at;
  const result_time *t = find_time(of, phase, &at);
  if (!t) {
    html_put(h, "<td>-</td>");
    return;
  }
  double away = thrown_away(r, of, phase);
  snprintf(field, sizeof field, "times/%zu/device_ms", at);
  report_pointer(from, r, of, field);
  html_put(h, "<td>");
  html_figure(h, t->device_ms, from, "%.3f", t->device_ms);
  html_put(h, "<small>%.4g launch%s</small>", t->launches, t->launches > 0 && t->launches <= 1 ? "" : "es");
  if (t->waits > 0) html_put(h, "<small>%.4g wait%s</small>", t->waits, t->waits <= 1 ? "" : "s");
  if (away > 0) html_put(h, "<small class=\"wrapped\">%.3f thrown&nbsp;away</small>", away);
  html_put(h, "</td>");
}

static const result *widest(const report *r) {
  const result *most = NULL;
  for (int i = 0; i < r->c->n; i++)
    if (!most || r->c->results[i].n_times > most->n_times) most = &r->c->results[i];
  return most;
}

static void put_table(html *h, const report *r, const result *phases) {
  html_put(
      h, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Times by phase\"><table id=\"times-table\" "
         "class=\"dense\">"
         "<caption>Milliseconds of kernels on the device, a step.</caption><thead><tr><th scope=\"col\">variant</th>");
  for (size_t k = 0; k < phases->n_times; k++) html_put(h, "<th scope=\"col\">%s</th>", phases->times[k].name);
  html_put(h, "<th scope=\"col\">all</th></tr></thead><tbody>");
  for (int i = 0; i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    if (!of->n_times) continue;
    html_put(h, "<tr><th scope=\"row\">%s</th>", variant_name(of->v));
    for (size_t k = 0; k < phases->n_times; k++) put_cell(h, r, of, phases->times[k].name);
    html_put(h, "<td>%.3f</td></tr>", total(of));
  }
  html_put(h, "</tbody></table></div>");
}

void section_times(html *h, const report *r) {
  const result *phases = widest(r);
  double most = 0;
  for (int i = 0; i < r->c->n; i++)
    if (total(&r->c->results[i]) > most) most = total(&r->c->results[i]);
  if (!phases->n_times || most <= 0) {
    html_put(h, "<p>%s</p>",
             r->c->plan ? "A plan runs nothing: there are no times." : "There are no times of a step that ended.");
    for (int i = 0; i < r->c->n; i++) report_reason(h, &r->c->results[i], "times", r->c->results[i].times_error);
    return;
  }
  html_put(
      h,
      "<p class=\"note\">Kernels by the device&rsquo;s own clock, from steps that were run again for this: recording "
      "costs time itself, so the table of variants has other, undisturbed figures. Hatched is work whose result is "
      "thrown away: gradients that <code>zero_grad</code> drops, measured as what the phase takes beyond "
      "detach&rsquo;s (of G, in D&rsquo;s backward of the fakes) or frozen_d&rsquo;s (of D, in G&rsquo;s backward).</p>"
      "<svg class=\"patterns\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs><pattern id=\"hatch\" width=\"7\" "
      "height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"hatch\" width=\"3\" "
      "height=\"7\"/></pattern></defs></svg><ul class=\"legend\">"
      "<li><svg viewBox=\"0 0 28 14\" aria-hidden=\"true\"><rect class=\"part-d\" width=\"28\" "
      "height=\"14\"/></svg>phases of D</li>"
      "<li><svg viewBox=\"0 0 28 14\" aria-hidden=\"true\"><rect class=\"part-g\" width=\"28\" "
      "height=\"14\"/></svg>phases of G</li>"
      "<li><svg viewBox=\"0 0 28 14\" aria-hidden=\"true\"><rect class=\"part-away\" width=\"28\" "
      "height=\"14\"/></svg>thrown away</li>"
      "</ul><div class=\"bars\">");
  for (int i = 0; i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    if (!of->n_times) continue;
    html_put(h, "<div class=\"bars-row\"><span>%s</span>", variant_name(of->v));
    put_bar(h, r, of, most);
    html_put(h, "<span>%.2f ms</span></div>", total(of));
  }
  html_put(h, "</div>");
  for (int i = 0; i < r->c->n; i++) report_reason(h, &r->c->results[i], "times", r->c->results[i].times_error);
  put_table(h, r, phases);
}
