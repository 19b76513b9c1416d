/* Reads all weights after each step, which is why times are not taken here. */
#include "apart.h"
#include "../building.h"
#include "interrupt.h"
#include "progress.h"
#include "turns.h"
#include <stdlib.h>

/* A tenth of the run's steps, within these, where it has as many. */
#define FEWEST_STEPS 20
#define MOST_STEPS   100

/* detach is the first of the turns. */
typedef struct walk {
  run_setup setup;
  int n;
  turn turns[VARIANT_COUNT];
  result *of[VARIANT_COUNT];
  float *weights[2]; /* detach's and another's */
} walk;

static bool open_all(walk *w, message *why) {
  for (int i = 0; i < w->n; i++)
    if (!turn_open(&w->turns[i], &w->setup, why)) return false;
  size_t n = gan_numel(&w->turns[0].t.model);
  for (int i = 1; i < w->n; i++) {
    if (!w->of[i]->apart) w->of[i]->apart = calloc((size_t)w->setup.steps, sizeof *w->of[i]->apart);
    if (!w->of[i]->apart) return fail_no_memory(why);
  }
  for (int k = 0; k < 2; k++) w->weights[k] = malloc(n * sizeof *w->weights[k]);
  return (w->weights[0] && w->weights[1]) || fail_no_memory(why);
}

/* Takes a step of one, and reads its weights. */
static bool take_step(walk *w, int i, float *weights, message *why) {
  double unused;
  turn *t = &w->turns[i];
  if (!turn_steps(t, 1, &unused, why)) return false;
  return gan_read(&t->t.model, weights) == CLG_OK || fail(why, "%s", clg_last_error(t->ctx));
}

static bool take_steps(walk *w, int64_t step, message *why) {
  size_t n = gan_numel(&w->turns[0].t.model);
  if (!take_step(w, 0, w->weights[0], why)) return false;
  for (int i = 1; i < w->n; i++) {
    if (!take_step(w, i, w->weights[1], why)) return false;
    w->of[i]->apart[step] = largest_difference(w->weights[1], w->weights[0], n);
  }
  for (int i = 1; i < w->n; i++) w->of[i]->n_apart = step + 1;
  return true;
}

static bool take_all_steps(walk *w, message *why) {
  progress bar;
  bool ok = open_all(w, why);
  building_clear();
  progress_begin(&bar, !w->setup.quiet, "weights beside detach's", w->setup.steps);
  for (int64_t step = 0; ok && step < w->setup.steps && !interrupted(); step++) {
    ok = take_steps(w, step, why);
    progress_step(&bar, step + 1, NULL);
  }
  progress_end(&bar);
  return ok;
}

/* Of detach and n others, as long as the device has room for them at once. */
static bool walk_with(const run_setup *setup, comparison *c, result **others, int n) {
  walk *w = calloc(1, sizeof *w);
  message why = {""};
  if (!w) fail_no_memory(&why);
  if (w) {
    w->setup = *setup;
    w->turns[w->n++] = turn_of(c->base);
    for (int i = 0; i < n; i++) w->of[w->n] = others[i], w->turns[w->n++] = turn_of(others[i]);
    if (!turns_fit(w->turns, w->n, &c->base->device))
      fail(&why, "the device has no room for it and detach at once");
    else
      take_all_steps(w, &why);
    for (int i = 0; i < w->n; i++) turn_close(&w->turns[i]);
    free(w->weights[0]);
    free(w->weights[1]);
  }
  free(w);
  for (int i = 0; i < n; i++) snprintf(others[i]->apart_error, sizeof others[i]->apart_error, "%s", why.text);
  return !why.text[0];
}

void apart_run(comparison *c, const run_setup *setup) {
  run_setup mine = *setup;
  result *others[VARIANT_COUNT];
  int n = 0;
  mine.steps = setup->steps / 10;
  if (mine.steps < FEWEST_STEPS) mine.steps = setup->steps < FEWEST_STEPS ? setup->steps : FEWEST_STEPS;
  if (mine.steps > MOST_STEPS) mine.steps = MOST_STEPS;
  mine.n_samples = 0, mine.samples_every = 0;
  for (int i = 0; i < c->n; i++)
    if (&c->results[i] != c->base && c->results[i].compared) others[n++] = &c->results[i];
  if (!n || walk_with(&mine, c, others, n)) return;
  for (int i = 0; i < n && n > 1 && !interrupted(); i++) walk_with(&mine, c, &others[i], 1);
}
