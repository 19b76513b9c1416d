/* The answer in two sentences, from the figures of this run. */
#include "../summary.h"
#include "sections.h"

static const result *find(const report *r, variant v) {
  for (int i = 0; i < r->c->n; i++)
    if (r->c->results[i].v == v) return &r->c->results[i];
  return NULL;
}

/* The difference of two results' figures, in MiB. */
static void put_difference(html *h, const report *r, const result *a, const result *b, const char *field,
                           double bytes) {
  char one[POINTER_ROOM], other[POINTER_ROOM], from[2 * POINTER_ROOM + 4];
  report_pointer(one, r, a, field);
  report_pointer(other, r, b, field);
  snprintf(from, sizeof from, "%s - %s", one, other);
  html_figure(h, bytes, from, "%.2f", bytes / 1048576);
  html_put(h, " MiB");
}

/* "takes 1.20 times as long a step", or that nobody can tell. */
static void put_time(html *h, const report *r, const result *of) {
  char from[POINTER_ROOM];
  report_pointer(from, r, of, "timing/ratio");
  if (of->timing.verdict >= VERDICT_FASTER) {
    html_put(h, "takes ");
    html_figure(h, of->timing.ratio, from, "%.2f", of->timing.ratio);
    html_put(h, " times as long a step");
  } else if (of->timing.verdict == VERDICT_SAME) {
    html_put(h, "takes as long a step, as far as can be measured");
  } else {
    html_put(h, "takes a time that was not measured often enough to be compared");
  }
}

/* ---- a comparison ---- */

/* Ways to write the step that are the same algorithm, other than detach. */
static int count(const report *r, bool identical) {
  int n = 0;
  for (int i = 0; i < r->c->n; i++) {
    const result *of = &r->c->results[i];
    n += of != r->c->base && of->compared && of->bit_identical == identical && !variant_other_algorithm(of->v);
  }
  return n;
}

static void say_polluted(html *h, const report *r) {
  char from[POINTER_ROOM];
  const result *of = compare_ok(r->c, VARIANT_POLLUTED);
  if (!of || !of->compared) return;
  report_pointer(from, r, of, "weights/max_abs_diff");
  html_put(
      h, "; only a gradient that <code>zero_grad</code> should have dropped leads elsewhere (polluted: weights up to ");
  html_figure(h, of->max_abs_diff, from, "%.2g", of->max_abs_diff);
  html_put(h, " away)");
}

static void say_weights(html *h, const report *r) {
  int twins = count(r, true), others = count(r, false), polluted = compare_ok(r->c, VARIANT_POLLUTED) != NULL;
  if (twins && others <= polluted) {
    html_put(
        h,
        "<code>detach()</code> decides what a step costs, not where it leads: %d other way%s to write the same step "
        "end%s with the same weights, to the bit",
        twins, twins > 1 ? "s" : "", twins > 1 ? "" : "s");
    say_polluted(h, r);
    html_put(h, ". ");
  } else if (twins) {
    html_put(h, "Of %d other ways to write the step %d end%s with detach&rsquo;s weights to the bit. ", twins + others,
             twins, twins > 1 ? "" : "s");
  } else if (others) {
    html_put(h, "None of the other ways to write the step ends with detach&rsquo;s weights to the bit. ");
  }
}

static void say_retain(html *h, const report *r, const result *base) {
  const result *of = compare_ok(r->c, VARIANT_RETAIN_GRAPH);
  if (!of) return;
  double more = (double)of->memory.peak_live - (double)base->memory.peak_live;
  html_put(h, "<code>retain_graph=True</code> instead ");
  if (more > 0) {
    html_put(h, "needs ");
    put_difference(h, r, of, base, "peak_live_bytes", more);
    html_put(h, " (%.0f%%) more memory at the peak", 100 * more / (double)base->memory.peak_live);
  } else {
    html_put(h, "needs no more memory at the peak");
  }
  html_put(h, " and ");
  put_time(h, r, of);
  html_put(h, ".");
}

/* ---- a plan ---- */

static void say_plan(html *h, const report *r) {
  const result *base = find(r, VARIANT_DETACH), *of = find(r, VARIANT_RETAIN_GRAPH);
  const result *shown = base ? base : &r->c->results[0];
  html_put(h, "A step of %s needs ", variant_name(shown->v));
  report_mib(h, r, shown, "predicted_peak_live_bytes", shown->predicted_live);
  html_put(h, " MiB of device memory at its peak, by a plan that opened no device. ");
  if (!base || !of) return;
  double more = (double)of->predicted_live - (double)base->predicted_live;
  html_put(h, "<code>retain_graph=True</code> in place of <code>detach()</code> needs ");
  put_difference(h, r, of, base, "predicted_peak_live_bytes", more);
  html_put(h, " more; how long it takes, and that the weights are the same, a run without <code>--plan</code> shows.");
}

/* ---- one variant ---- */

static void say_one(html *h, const report *r, const result *of) {
  if (of->failed) {
    html_put(h, "%s fails: <span class=\"fails\">", variant_name(of->v));
    html_text(h, of->error);
    html_put(h, "</span>");
    return;
  }
  char from[POINTER_ROOM];
  report_pointer(from, r, of, "step_ms/median");
  html_put(h, "%s took ", variant_name(of->v));
  html_figure(h, of->step_ms.median, from, "%.2f", of->step_ms.median);
  html_put(h, " ms a step and ");
  report_mib(h, r, of, "peak_live_bytes", of->memory.peak_live);
  html_put(h,
           " MiB of device memory at the peak, over %lld steps. What the alternatives cost, "
           "<code>--compare</code> shows.",
           (long long)of->steps_done);
}

/* For a hurried reader, as the program prints them. */
static void put_lines(html *h, const report *r) {
  summary s = summary_of(r->c);
  html_put(h, "<dl class=\"lines\">");
  for (int i = 0; i < SUMMARY_LINES; i++) {
    html_put(h, "<div><dt>%s</dt><dd>", summary_title(i));
    html_text(h, s.lines[i]);
    html_put(h, "</dd></div>");
  }
  html_put(h, "</dl>");
}

void section_verdict(html *h, const report *r) {
  const result *base = r->c->base;
  html_put(h, "<p class=\"lead\" id=\"answer\">");
  if (r->c->plan)
    say_plan(h, r);
  else if (!base)
    say_one(h, r, &r->c->results[0]);
  else if (base->interrupted)
    html_put(h, "The comparison was interrupted before it could say anything.");
  else
    say_weights(h, r), say_retain(h, r, base);
  html_put(h, "</p>");
  if (base && !base->interrupted) put_lines(h, r);
}
