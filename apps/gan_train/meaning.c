/* Sentences made from the figures of a comparison. */
#include "table.h"
#include <stdarg.h>
#include <string.h>

#define WIDTH 98
/* A peak that is lower by less is not worth a word. */
#define WORTH_BYTES 10240

typedef struct text {
  char words[4096];
  size_t n;
} text;

static void say(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->words + t->n, sizeof t->words - t->n, format, args);
  va_end(args);
  t->n = n < 0 || (size_t)n >= sizeof t->words - t->n ? sizeof t->words - 1 : t->n + (size_t)n;
}

/* Breaks lines between words. */
static void print_wrapped(FILE *to, const char *words) {
  int column = 0;
  while (*words) {
    int n = (int)strcspn(words, " ");
    if (column && column + 1 + n > WIDTH) column = 0, fputc('\n', to);
    column += fprintf(to, "%s%.*s", column ? " " : "", n, words);
    words += n + (words[n] == ' ');
  }
  fputc('\n', to);
}

static double mib(double bytes) { return bytes / 1048576; }

/* The result of v when it ran to its end. */
static const result *find_ok(const comparison *c, variant v) {
  for (int i = 0; i < c->n; i++)
    if (c->results[i].v == v && !c->results[i].failed && !c->results[i].interrupted) return &c->results[i];
  return NULL;
}

static const result *find_failed(const comparison *c, variant v) {
  for (int i = 0; i < c->n; i++)
    if (c->results[i].v == v && c->results[i].failed) return &c->results[i];
  return NULL;
}

/* "a", "a and b", "a, b and c": the separator before item i of n. */
static const char *separator(int i, int n) { return !i ? "" : i + 1 == n ? " and " : ", "; }

static bool is_twin(const comparison *c, const result *r) { return r != c->base && r->compared && r->bit_identical; }

static void say_weights(text *t, const comparison *c) {
  int n = 0, k = 0, others = 0;
  for (int i = 0; i < c->n; i++) n += is_twin(c, &c->results[i]);
  for (int i = 0; i < c->n; i++)
    if (is_twin(c, &c->results[i])) say(t, "%s%s", separator(k++, n), variant_name(c->results[i].v));
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

static void say_polluted(text *t, const comparison *c) {
  const result *r = find_ok(c, VARIANT_POLLUTED);
  if (!r || !r->compared) return;
  say(t,
      "polluted trains without an error by another gradient, the sum of what both losses say: its length in the first "
      "step is %.3g, detach's %.3g, and its weights end up to %.1e away. ",
      r->g_gradient, c->base->g_gradient, r->max_abs_diff);
}

/* "1.2 times detach's time a step" */
static double slower(const comparison *c, const result *r) {
  return c->base->step_ms.median > 0 ? r->step_ms.median / c->base->step_ms.median : 1;
}

static void say_one_stage(text *t, const comparison *c) {
  const result *r = find_ok(c, VARIANT_ONE_STAGE);
  if (!r) return;
  say(t,
      "one_stage is another algorithm, whose weights are not compared: the generator learns from the discriminator's "
      "own backward, before the discriminator's step; its step takes %.2f times as long as detach's. ",
      slower(c, r));
}

static void say_retain(text *t, const comparison *c) {
  const result *r = find_ok(c, VARIANT_RETAIN_GRAPH);
  if (!r) return;
  double base = (double)c->base->memory.peak_by_role[CLG_ROLE_SAVED];
  double more = (double)r->memory.peak_by_role[CLG_ROLE_SAVED] - base;
  if (more <= 0) {
    say(t, "retain_graph saves no more than detach at the peak here, and takes %.2f times as long a step. ",
        slower(c, r));
    return;
  }
  say(t,
      "retain_graph holds %.2f MiB (%.0f%%) more saved tensors than detach at the peak and takes %.2f times as long a "
      "step: ",
      mib(more), base > 0 ? 100 * more / base : 0, slower(c, r));
  say(t, "the discriminator's graph of the fake batch lives on until the next step's loss takes its name, and "
         "generator gradients are computed that zero_grad throws away. ");
}

static void say_others(text *t, const comparison *c) {
  static const variant others[] = {VARIANT_INPUTS, VARIANT_RECOMPUTE, VARIANT_NO_GRAD, VARIANT_FROZEN_D,
                                   VARIANT_CHECKPOINT};
  int total = (int)(sizeof others / sizeof *others), n = 0, k = 0;
  const result *lowest = c->base;
  for (int i = 0; i < total; i++) {
    const result *r = find_ok(c, others[i]);
    if (!r) continue;
    n++;
    if (r->memory.peak_live + WORTH_BYTES < lowest->memory.peak_live) lowest = r;
  }
  if (!n) return;
  say(t, "Beside detach's step ");
  for (int i = 0; i < total; i++) {
    const result *r = find_ok(c, others[i]);
    if (r) say(t, "%s%s takes %.2f", separator(k++, n), variant_name(r->v), slower(c, r));
  }
  say(t, " times as long; ");
  if (lowest == c->base)
    say(t, "%s a lower peak than detach. ", n == 1 ? "it has not" : "none of them has");
  else
    say(t, "the lowest peak is %s's, %.2f MiB below detach's. ", variant_name(lowest->v),
        mib((double)(c->base->memory.peak_live - lowest->memory.peak_live)));
}

static void say_failures(text *t, const comparison *c) {
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
static void say_surprises(text *t, const comparison *c) {
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
  text t = {.n = 0};
  say_weights(&t, c);
  say_polluted(&t, c);
  say_retain(&t, c);
  say_others(&t, c);
  say_one_stage(&t, c);
  say_failures(&t, c);
  say_surprises(&t, c);
  if (t.n) fputc('\n', to);
  if (t.n) print_wrapped(to, t.words);
  bool first = true;
  for (int i = 0; i < c->n; i++) {
    const result *r = &c->results[i];
    if (!r->failed) continue;
    if (first) fputc('\n', to);
    first = false;
    fprintf(to, "%s: %s\n", variant_name(r->v), r->error);
  }
}
