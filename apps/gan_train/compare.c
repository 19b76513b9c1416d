/* Runs variants and measures them against detach. */
#include "compare.h"
#include "../building.h"
#include "apart.h"
#include "interrupt.h"
#include "phases.h"
#include "rounds.h"
#include <string.h>

/* The peaks of a training are settled by then. */
#define ALONE_STEPS 6

/* The figures of memory from a run of its own: samples, which a comparison makes for the eye, leave them alone. */
static bool measure_alone(const run_setup *setup, result *r, message *why) {
  run_setup mine = *setup;
  result alone = {0};
  if (mine.steps > ALONE_STEPS) mine.steps = ALONE_STEPS;
  mine.n_samples = 0;
  mine.samples_every = 0;
  mine.record = false;
  bool ok = run_variant(&mine, r->v, &alone, why);
  if (ok && !alone.failed) {
    r->memory = alone.memory;
    r->n_phases = alone.n_phases;
    memcpy(r->phases, alone.phases, sizeof r->phases);
    r->predicted_live = alone.predicted_live;
    r->predicted_reserved = alone.predicted_reserved;
  }
  result_free(&alone);
  return ok;
}

static bool run_one(const options *o, const run_setup *setup, variant v, result *r, message *why) {
  run_setup mine = *setup;
  if (o->compare && v != VARIANT_DETACH) mine.samples_every = 0; /* the numbered pictures are detach's */
  if (o->compare && o->plan) mine.n_samples = 0;
  if (o->plan) return run_plan(&mine, v, NULL, r, why);
  if (!run_variant(&mine, v, r, why)) return false;
  bool seen = mine.n_samples || mine.samples_every;
  return !o->compare || !seen || r->failed || r->interrupted || measure_alone(&mine, r, why);
}

/* detach comes first: without it there is nothing to compare with. */
static bool run_reference(comparison *c, const options *o, const run_setup *setup, message *why) {
  result *r = &c->reference;
  for (int i = 0; i < c->n; i++)
    if (o->variants[i] == VARIANT_DETACH) r = &c->results[i];
  c->base = r;
  if (!run_one(o, setup, VARIANT_DETACH, r, why)) return false;
  return !r->failed || fail(why, "detach: %s", r->error);
}

static void keep_what_ran(comparison *c) {
  int n = 0;
  for (int i = 0; i < c->n; i++) {
    if (!c->results[i].steps_done && !c->results[i].failed) continue;
    if (c->base == &c->results[i]) c->base = &c->results[n];
    result moved = c->results[i];
    c->results[i] = (result){0};
    c->results[n++] = moved;
  }
  c->n = n;
}

static bool run_all(comparison *c, const options *o, const run_setup *setup, message *why) {
  bool with_reference = o->compare && !o->plan;
  if (with_reference && !run_reference(c, o, setup, why)) return false;
  for (int i = 0; i < c->n; i++) {
    result *r = &c->results[i];
    if (interrupted()) break;
    if (r != c->base && !run_one(o, setup, o->variants[i], r, why)) return false;
    if (c->base && !r->interrupted) result_compare(r, c->base);
  }
  if (interrupted()) keep_what_ran(c);
  if (with_reference && !interrupted() && !rounds_run(c, setup, why)) return false;
  if (with_reference && setup->record && !interrupted()) apart_run(c, setup);
  if (ranks_count() == 1 && setup->record && !c->plan && !interrupted()) phases_measure(c, setup);
  return true;
}

/* The contexts of a comparison have their programs in common, by way of one that stays open and makes nothing. */
bool compare_run(comparison *c, const options *o, const run_setup *setup, message *why) {
  run_setup mine = *setup;
  building unused;
  *c = (comparison){.n = o->n_variants, .plan = o->plan};
  for (int i = 0; i < c->n; i++) c->results[i].v = o->variants[i];
  bool ok = !o->compare || o->plan || run_open(setup, &unused, &mine.share, why);
  ok = ok && run_all(c, o, &mine, why);
  clg_context_unref(&mine.share);
  return ok;
}

void compare_free(comparison *c) {
  for (int i = 0; i < c->n; i++) result_free(&c->results[i]);
  result_free(&c->reference);
  c->base = NULL;
}

static bool as_expected(const result *r) { return r->failed == variant_must_fail(r->v) && !r->nonfinite; }

bool compare_as_expected(const comparison *c) {
  for (int i = 0; i < c->n; i++)
    if (!c->results[i].interrupted && !as_expected(&c->results[i])) return false;
  return true;
}

const result *compare_ok(const comparison *c, variant v) {
  for (int i = 0; i < c->n; i++)
    if (c->results[i].v == v && !c->results[i].failed && !c->results[i].interrupted) return &c->results[i];
  return NULL;
}

static bool same_losses(const result *a, const result *b) {
  return a->steps_done == b->steps_done && !a->failed && !b->failed &&
         !memcmp(a->losses, b->losses, 3 * (size_t)a->steps_done * sizeof *a->losses);
}

const result *compare_losses(const comparison *c, const result *r) {
  for (int i = 0; r != &c->reference && &c->results[i] != r; i++)
    if (same_losses(&c->results[i], r)) return &c->results[i];
  return r;
}

const result *compare_sampled(const comparison *c) { return c->base ? c->base : &c->results[0]; }
