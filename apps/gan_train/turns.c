/* Opens contexts for trainings that take turns. */
#include "turns.h"
#include "../building.h"

turn turn_of(const result *ran) { return (turn){.v = ran->v, .reserved = ran->predicted_reserved}; }

bool turns_fit(const turn *turns, int n, const clg_device_info *device) {
  uint64_t all = 0;
  for (int i = 0; i < n; i++) all += turns[i].reserved;
  return !device->global_bytes || all <= device->global_bytes;
}

bool turn_open(turn *t, const run_setup *setup, message *why) {
  if (!run_open(setup, &t->compiling, &t->ctx, why)) return false;
  clg_set_remat(t->ctx, setup->remat);
  t->scratch.v = t->v;
  t->training = true;
  return train_open(&t->t, setup, &t->scratch, t->ctx, why);
}

bool turn_steps(turn *t, int n, double *ms, message *why) {
  return train_steps(&t->t, n, ms) || fail(why, "%s", t->scratch.error);
}

void turn_close(turn *t) {
  if (t->training) train_close(&t->t);
  result_free(&t->scratch);
  clg_context_unref(&t->ctx);
}
