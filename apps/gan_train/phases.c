/* Trains a few steps under the device's profile. */
#include "phases.h"
#include "../building.h"
#include "train.h"

#define WARM_STEPS     3
#define PROFILED_STEPS 10

/* A step's times, phase by phase. */
typedef struct steps {
  clg_phase_time rows[PROFILED_STEPS][RESULT_PHASES];
  size_t n;
} steps;

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

static bool take_steps(training *t, clg_context *ctx, steps *s) {
  double unused[WARM_STEPS];
  bool ok = train_steps(t, WARM_STEPS, unused);
  for (int i = 0; ok && i < PROFILED_STEPS; i++) {
    ok = clg_profile_reset(ctx) == CLG_OK && train_steps(t, 1, unused);
    size_t n = clg_profile_phases(ctx, s->rows[i], RESULT_PHASES);
    s->n = n < RESULT_PHASES ? n : RESULT_PHASES;
  }
  return ok;
}

void phases_measure(const run_setup *setup, result *r) {
  run_setup mine = *setup;
  building compiling;
  clg_context *ctx;
  training t;
  steps s;
  message why = {""};
  result scratch = {.v = r->v};
  mine.profile = true;
  mine.steps = WARM_STEPS + PROFILED_STEPS;
  bool ok = run_open(&mine, &compiling, &ctx, &why);
  building_clear();
  if (ok) {
    clg_set_remat(ctx, mine.remat);
    ok = train_open(&t, &mine, &scratch, ctx, &why) && take_steps(&t, ctx, &s);
    if (ok) note_phases(r, &s);
    train_close(&t);
  }
  result_free(&scratch);
  if (ctx) clg_context_unref(&ctx);
}
