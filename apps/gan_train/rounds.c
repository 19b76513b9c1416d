/* Opens a context for each of those that take turns, and closes them all. */
#include "rounds.h"
#include "../building.h"
#include "interrupt.h"
#include "progress.h"
#include "random.h"
#include "train.h"
#include <stdlib.h>
#include <string.h>

/* Not timed: the first compiles kernels and makes the optimizers' moments. */
#define WARM_STEPS 2
/* All variants and the control. */
#define MOST_MEMBERS (VARIANT_COUNT + 1)

typedef struct member {
  timing *to;
  variant v;
  uint64_t reserved; /* bytes that it will want of the device */
  clg_context *ctx;
  building compiling;
  result scratch;
  training t;
  bool training; /* t is to be closed */
} member;

/* The first is detach. */
typedef struct group {
  run_setup setup;
  int blocks, block_steps, n;
  member members[MOST_MEMBERS];
} group;

static void add(group *g, timing *to, const result *like) {
  g->members[g->n++] = (member){.to = to, .v = like->v, .reserved = like->predicted_reserved};
}

/* ---- a member ---- */

static bool take_steps(member *m, int n, double *ms, message *why) {
  return train_steps(&m->t, n, ms) || fail(why, "%s", m->scratch.error);
}

static bool open_member(member *m, const run_setup *setup, message *why) {
  double unused[WARM_STEPS];
  if (!run_open(setup, &m->compiling, &m->ctx, why)) return false;
  clg_set_remat(m->ctx, setup->remat);
  m->scratch.v = m->v;
  m->training = true;
  return train_open(&m->t, setup, &m->scratch, m->ctx, why) && take_steps(m, WARM_STEPS, unused, why);
}

static void close_member(member *m) {
  if (m->training) train_close(&m->t);
  result_free(&m->scratch);
  clg_context_unref(&m->ctx);
}

/* ---- a group ---- */

static bool fits(const group *g, const clg_device_info *device) {
  uint64_t all = 0;
  for (int i = 0; i < g->n; i++) all += g->members[i].reserved;
  return !device->global_bytes || all <= device->global_bytes;
}

/* Every member takes a block, in an order of its own each round. */
static bool run_round(group *g, int round, message *why) {
  uint32_t order[MOST_MEMBERS];
  random_order(random_mix(g->setup.seed, (uint64_t)round), order, (size_t)g->n);
  for (int k = 0; k < g->n; k++) {
    double ms[TIMING_BLOCK_STEPS];
    member *m = &g->members[order[k]];
    if (!take_steps(m, g->block_steps, ms, why)) return false;
    m->to->ms[round] = spread_of(ms, (size_t)g->block_steps).median;
  }
  return true;
}

/* How far each is from detach, which is the first. */
static bool note_differences(group *g, int round, message *why) {
  size_t n = gan_numel(&g->members[0].t.model);
  float *base = malloc(n * sizeof *base), *mine = malloc(n * sizeof *mine);
  bool ok = base && mine ? gan_read(&g->members[0].t.model, base) == CLG_OK : fail_no_memory(why);
  for (int i = 1; ok && i < g->n; i++) {
    ok = gan_read(&g->members[i].t.model, mine) == CLG_OK;
    g->members[i].to->n_differences = round + 1;
    g->members[i].to->difference[round] = largest_difference(mine, base, n);
  }
  free(base);
  free(mine);
  return ok || fail(why, "the weights cannot be read");
}

static bool run_rounds(group *g, message *why) {
  progress bar;
  bool ok = true;
  int done = 0;
  progress_begin(&bar, !g->setup.quiet, "timing round", g->blocks);
  for (int i = 0; ok && i < g->n; i++) ok = open_member(&g->members[i], &g->setup, why);
  building_clear();
  while (ok && done < g->blocks && !interrupted()) {
    ok = run_round(g, done, why) && (!g->setup.record || note_differences(g, done, why));
    done += ok;
    progress_step(&bar, done, NULL);
  }
  progress_end(&bar);
  for (int i = 0; ok && i < g->n; i++) {
    timing *to = g->members[i].to;
    to->blocks = done, to->block_steps = g->block_steps;
    memcpy(to->beside, g->members[0].to->ms, sizeof to->beside);
  }
  for (int i = 0; i < g->n; i++) close_member(&g->members[i]);
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
  *done = fits(g, &c->base->device) && run_rounds(g, &unused);
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
  if (!fits(g, &c->base->device))
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
