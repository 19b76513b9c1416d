/* Times those that take turns. */
#include "rounds.h"
#include "../building.h"
#include "interrupt.h"
#include "progress.h"
#include "random.h"
#include "turns.h"
#include <stdlib.h>
#include <string.h>

/* Not timed: the first compiles kernels and makes the optimizers' moments. */
#define WARM_STEPS 2
/* All variants and the control. */
#define MOST_MEMBERS (VARIANT_COUNT + 1)

/* The first is detach. */
typedef struct group {
  run_setup setup;
  int blocks, block_steps, n;
  turn turns[MOST_MEMBERS];
  timing *to[MOST_MEMBERS];
} group;

static void add(group *g, timing *to, const result *like) {
  g->to[g->n] = to;
  g->turns[g->n++] = turn_of(like);
}

static bool open_all(group *g, message *why) {
  double unused[WARM_STEPS];
  for (int i = 0; i < g->n; i++)
    if (!turn_open(&g->turns[i], &g->setup, why) || !turn_steps(&g->turns[i], WARM_STEPS, unused, why)) return false;
  return true;
}

/* Every one takes a block, in an order of their own each round. */
static bool run_round(group *g, int round, message *why) {
  uint32_t order[MOST_MEMBERS];
  random_order(random_mix(g->setup.seed, (uint64_t)round), order, (size_t)g->n);
  for (int k = 0; k < g->n; k++) {
    double ms[TIMING_BLOCK_STEPS];
    if (!turn_steps(&g->turns[order[k]], g->block_steps, ms, why)) return false;
    g->to[order[k]]->ms[round] = spread_of(ms, (size_t)g->block_steps).median;
  }
  return true;
}

static bool run_rounds(group *g, message *why) {
  progress bar;
  int done = 0;
  progress_begin(&bar, !g->setup.quiet, "timing round", g->blocks);
  bool ok = open_all(g, why);
  building_clear();
  while (ok && done < g->blocks && !interrupted()) {
    ok = run_round(g, done, why);
    done += ok;
    progress_step(&bar, done, NULL);
  }
  progress_end(&bar);
  for (int i = 0; ok && i < g->n; i++) {
    g->to[i]->blocks = done, g->to[i]->block_steps = g->block_steps;
    memcpy(g->to[i]->beside, g->to[0]->ms, sizeof g->to[i]->beside);
  }
  for (int i = 0; i < g->n; i++) turn_close(&g->turns[i]);
  return ok;
}

/* ---- the comparison ---- */

static bool is_timed(const result *r) { return !r->failed && !r->interrupted && !variant_must_fail(r->v); }

/* As many blocks as the run has steps, and longer ones when it has more. */
static group *make_group(const run_setup *setup) {
  group *g = calloc(1, sizeof *g);
  if (!g) return NULL;
  int64_t steps = setup->steps / TIMING_BLOCKS;
  g->block_steps = steps < 1 ? 1 : steps > TIMING_BLOCK_STEPS ? TIMING_BLOCK_STEPS : (int)steps;
  g->blocks = setup->steps < TIMING_BLOCKS ? (int)setup->steps : TIMING_BLOCKS;
  g->setup = *setup;
  g->setup.steps = WARM_STEPS + g->blocks * g->block_steps;
  g->setup.n_samples = 0, g->setup.samples_every = 0;
  return g;
}

/* False when all at once is more than the device has. */
static bool time_together(comparison *c, const run_setup *setup, bool *done, message *why) {
  group *g = make_group(setup);
  message unused = {""};
  if (!g) return fail_no_memory(why);
  add(g, &c->base->timing, c->base);
  for (int i = 0; i < c->n; i++)
    if (&c->results[i] != c->base && is_timed(&c->results[i])) add(g, &c->results[i].timing, &c->results[i]);
  add(g, &c->control, c->base);
  *done = turns_fit(g->turns, g->n, &c->base->device) && run_rounds(g, &unused);
  free(g);
  return true;
}

/* One beside detach, whose times of these rounds nobody else needs. */
static bool time_pair(comparison *c, const run_setup *setup, timing *to, const result *like, message *why) {
  timing detach = {0};
  group *g = make_group(setup);
  message its = {""};
  if (!g) return fail_no_memory(why);
  add(g, &detach, c->base);
  add(g, to, like);
  if (!turns_fit(g->turns, g->n, &c->base->device))
    fail(&its, "the device has no room for it and detach at once");
  else
    run_rounds(g, &its);
  snprintf(to->error, sizeof to->error, "%s", its.text);
  if (to == &c->control) c->base->timing = detach;
  free(g);
  return true;
}

static bool time_in_pairs(comparison *c, const run_setup *setup, message *why) {
  c->in_pairs = true;
  if (!time_pair(c, setup, &c->control, c->base, why)) return false;
  for (int i = 0; i < c->n && !interrupted(); i++) {
    result *r = &c->results[i];
    if (r != c->base && is_timed(r) && !time_pair(c, setup, &r->timing, r, why)) return false;
  }
  return true;
}

/* Rounds took the place of the training's steps. */
static void judge(result *r, double floor) {
  double sorted[TIMING_BLOCKS];
  timing_judge(&r->timing, floor);
  if (!r->timing.blocks) return;
  memcpy(sorted, r->timing.ms, sizeof sorted);
  r->step_ms = spread_of(sorted, (size_t)r->timing.blocks);
}

bool rounds_run(comparison *c, const run_setup *setup, message *why) {
  bool done = false;
  if (!time_together(c, setup, &done, why)) return false;
  if (!done && !time_in_pairs(c, setup, why)) return false;
  timing_judge(&c->control, 1);
  double floor = c->control.blocks ? c->control.ratio : 1;
  judge(c->base, floor);
  for (int i = 0; i < c->n; i++)
    if (&c->results[i] != c->base) judge(&c->results[i], floor);
  return true;
}
