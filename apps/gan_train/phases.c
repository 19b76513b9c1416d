/* Trains a few steps under the device's profile. */
#include "phases.h"
#include "../building.h"
#include "interrupt.h"
#include "turns.h"
#include <stdlib.h>

#define WARM_STEPS     3
#define PROFILED_STEPS 20

/* The phases of each of a variant's steps. */
typedef struct steps {
  clg_phase_time rows[PROFILED_STEPS][RESULT_PHASES];
  size_t n;
} steps;

typedef struct profiles {
  int n;
  turn turns[VARIANT_COUNT];
  result *of[VARIANT_COUNT];
  steps steps[VARIANT_COUNT];
} profiles;

static double median_ms(const steps *s, size_t phase) {
  double ms[PROFILED_STEPS];
  for (int i = 0; i < PROFILED_STEPS; i++) ms[i] = (double)s->rows[i][phase].nanoseconds * 1e-6;
  return spread_of(ms, PROFILED_STEPS).median;
}

/* All steps have the same phases, launches and waits. */
static void note_phases(result *r, const steps *s) {
  r->n_times = 0;
  for (size_t i = 0; i < s->n; i++) {
    const clg_phase_time *row = &s->rows[0][i];
    if (!row->launches && !row->waits) continue;
    result_time *to = &r->times[r->n_times++];
    snprintf(to->name, sizeof to->name, "%s", row->phase);
    to->launches = (double)row->launches, to->waits = (double)row->waits;
    to->device_ms = median_ms(s, i);
  }
}

static bool warm_up(profiles *p, const run_setup *setup, message *why) {
  double unused[WARM_STEPS];
  for (int k = 0; k < p->n; k++)
    if (!turn_open(&p->turns[k], setup, why) || !turn_steps(&p->turns[k], WARM_STEPS, unused, why)) return false;
  return true;
}

static bool take_step(profiles *p, int k, int i, message *why) {
  double unused;
  clg_context *ctx = p->turns[k].ctx;
  if (clg_profile_reset(ctx) != CLG_OK) return fail(why, "%s", clg_last_error(ctx));
  if (!turn_steps(&p->turns[k], 1, &unused, why)) return false;
  size_t n = clg_profile_phases(ctx, p->steps[k].rows[i], RESULT_PHASES);
  p->steps[k].n = n < RESULT_PHASES ? n : RESULT_PHASES;
  return true;
}

static bool take_steps(profiles *p, const run_setup *setup, message *why) {
  bool ok = warm_up(p, setup, why);
  building_clear();
  for (int i = 0; ok && i < PROFILED_STEPS; i++)
    for (int k = 0; ok && k < p->n; k++) ok = take_step(p, k, i, why);
  for (int k = 0; ok && k < p->n; k++) note_phases(p->of[k], &p->steps[k]);
  return ok;
}

/* n of them in turns. */
static bool profile(const run_setup *setup, result **of, int n) {
  profiles *p = calloc(1, sizeof *p);
  message why = {""};
  if (!p) fail_no_memory(&why);
  for (int k = 0; p && k < n; k++) p->of[k] = of[k], p->turns[p->n++] = turn_of(of[k]);
  if (p && n > 1 && !turns_fit(p->turns, n, &of[0]->device))
    fail(&why, "the device has no room for all at once");
  else if (p)
    take_steps(p, setup, &why);
  for (int k = 0; p && k < n; k++) turn_close(&p->turns[k]);
  free(p);
  for (int k = 0; k < n; k++) snprintf(of[k]->times_error, sizeof of[k]->times_error, "%s", why.text);
  return !why.text[0];
}

void phases_measure(comparison *c, const run_setup *setup) {
  run_setup mine = *setup;
  result *of[VARIANT_COUNT];
  int n = 0;
  mine.profile = true;
  mine.steps = WARM_STEPS + PROFILED_STEPS;
  mine.n_samples = 0, mine.samples_every = 0;
  for (int i = 0; i < c->n; i++)
    if (!c->results[i].failed) of[n++] = &c->results[i];
  if (!n || profile(&mine, of, n)) return;
  for (int i = 0; i < n && n > 1 && !interrupted(); i++) profile(&mine, &of[i], 1);
}
