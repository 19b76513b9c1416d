/* Sentences made from the figures of a comparison. */
#include "prose.h"
#include "table.h"
#include <math.h>

#define WIDTH 98

static double mib(double bytes) { return bytes / 1048576; }

static const result *find_failed(const comparison *c, variant v) {
  for (int i = 0; i < c->n; i++)
    if (c->results[i].v == v && c->results[i].failed) return &c->results[i];
  return NULL;
}

static bool is_twin(const comparison *c, const result *r) { return r != c->base && r->compared && r->bit_identical; }

static void say_weights(prose *t, const comparison *c) {
  int n = 0, k = 0, others = 0;
  for (int i = 0; i < c->n; i++) n += is_twin(c, &c->results[i]);
  for (int i = 0; i < c->n; i++)
    if (is_twin(c, &c->results[i])) say(t, "%s%s", prose_separator(k++, n), variant_name(c->results[i].v));
  if (n) say(t, "%s with weights bit-identical to detach's: ", n == 1 ? " ends" : " end");
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    if (r == c->base || r->v == VARIANT_POLLUTED || !r->compared || r->bit_identical) continue;
    say(t, "%s%s ends up to %.1e away from detach's weights", others++ ? ", " : "", variant_name(r->v),
        r->max_abs_diff);
  }
  if (n && !others)
    say(t, "detach() decides what a step costs, not where it leads. ");
  else if (others)
    say(t, ". ");
}

static void say_polluted(prose *t, const comparison *c) {
  const result *r = compare_ok(c, VARIANT_POLLUTED);
  if (!r || !r->compared) return;
  say(t,
      "polluted trains without an error by another gradient, the sum of what both losses say: its length in the first "
      "step is %.3g, detach's %.3g, and its weights end up to %.1e away. ",
      r->g_gradient, c->base->g_gradient, r->max_abs_diff);
}

static void say_retain(prose *t, const comparison *c) {
  const result *r = compare_ok(c, VARIANT_RETAIN_GRAPH);
  if (!r) return;
  double base = (double)c->base->memory.peak_by_role[CLG_ROLE_SAVED];
  double more = (double)r->memory.peak_by_role[CLG_ROLE_SAVED] - base;
  if (more > 0)
    say(t, "retain_graph holds %.2f MiB (%.0f%%) more saved tensors than detach at the peak, %.1f%% of detach's peak. ",
        mib(more), base > 0 ? 100 * more / base : 0, 100 * more / (double)c->base->memory.peak_live);
  else
    say(t, "retain_graph saves no more than detach at the peak here. ");
}

static void say_lowest(prose *t, const comparison *c) {
  const result *lowest = c->base;
  for (int i = 0; i < c->n; i++) {
    const result *r = compare_ok(c, c->results[i].v);
    if (r && r->memory.peak_live < lowest->memory.peak_live) lowest = r;
  }
  if (lowest == c->base)
    say(t, "No peak is lower than detach's. ");
  else
    say(t, "The lowest peak is %s's, %.3g MiB below detach's. ", variant_name(lowest->v),
        mib((double)(c->base->memory.peak_live - lowest->memory.peak_live)));
}

static bool is_timed(const comparison *c, const result *r) { return r != c->base && r->timing.blocks; }

static bool differs(const result *r) { return r->timing.verdict >= VERDICT_FASTER; }

/* Those with a measurable difference, or those without. */
static void say_verdicts(prose *t, const comparison *c, bool differ, const char *before, const char *each,
                         const char *behind) {
  int n = 0, k = 0;
  for (int i = 0; i < c->n; i++) n += is_timed(c, &c->results[i]) && differs(&c->results[i]) == differ;
  if (!n) return;
  say(t, "%s", before);
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    if (!is_timed(c, r) || differs(r) != differ) continue;
    say(t, "%s%s", prose_separator(k++, n), variant_name(r->v));
    if (differ) say(t, "%s%.2f", each, r->timing.ratio);
  }
  say(t, "%s", behind);
}

static void say_times(prose *t, const comparison *c) {
  if (!c->base->timing.blocks) return;
  bool few = c->base->timing.verdict == VERDICT_FEW;
  say_verdicts(t, c, true, "Beside detach's step ", " takes ", " times as long. ");
  say_verdicts(t, c, false,
               few ? "The blocks are too few to tell detach's step from that of "
                   : "There is no measurable difference between detach's step and that of ",
               "", ". ");
  say(t, "Times are medians of %d blocks of %d steps, in turns%s; a difference counts that a signed-rank test finds ",
      c->base->timing.blocks, c->base->timing.block_steps, c->in_pairs ? " with detach alone" : "");
  say(t, "(p < %.2g) and that is larger than detach's beside itself (%.1f%%). ", TIMING_P,
      100 * fabs(c->control.ratio - 1));
}

static void say_one_stage(prose *t, const comparison *c) {
  if (compare_ok(c, VARIANT_ONE_STAGE))
    say(t, "one_stage is another algorithm, whose weights are not compared: the generator learns from the "
           "discriminator's own backward, before the discriminator's step. ");
}

static void say_failures(prose *t, const comparison *c) {
  const result *naive = find_failed(c, VARIANT_NAIVE), *stale = find_failed(c, VARIANT_STALE);
  if (naive)
    say(t, "naive fails because the discriminator's plain backward released the graph that the generator still needs");
  if (naive && stale) say(t, "; ");
  if (stale)
    say(t, "stale fails because the discriminator's step changed weights that its old output's graph had saved");
  if (!naive && !stale) return;
  bool again = (!naive || naive->recovered) && (!stale || stale->recovered);
  say(t, ". ");
  if (again) say(t, "After %s the same context trained on. ", naive && stale ? "each error" : "the error");
}

/* Runs that did not end as they should. */
static void say_surprises(prose *t, const comparison *c) {
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    if (r->interrupted || (r->failed == variant_must_fail(r->v) && !r->nonfinite)) continue;
    if (r->failed)
      say(t, "%s could not be trained: %s. ", variant_name(r->v), result_short_error(r));
    else
      say(t, "%s should have failed, and did not. ", variant_name(r->v));
  }
}

void table_meaning(FILE *to, const comparison *c) {
  prose t = {.n = 0};
  say_weights(&t, c);
  say_polluted(&t, c);
  say_retain(&t, c);
  say_lowest(&t, c);
  say_times(&t, c);
  say_one_stage(&t, c);
  say_failures(&t, c);
  say_surprises(&t, c);
  if (t.n) fputc('\n', to);
  if (t.n) prose_print(to, t.words, 0, WIDTH);
  bool first = true;
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    if (!r->failed) continue;
    if (first) fputc('\n', to);
    first = false;
    fprintf(to, "%s: %s\n", variant_name(r->v), r->error);
  }
  for (int i = 0; i < c->n; i++)
    if (c->results[i].timing.error[0])
      fprintf(to, "%s was not timed beside detach: %s\n", variant_name(c->results[i].v), c->results[i].timing.error);
}
