/* The loop over steps. */
#include "train.h"
#include "interrupt.h"
#include "numbered.h"
#include "progress.h"
#include "random.h"
#include "samples.h"
#include "state.h"
#include "step.h"
#include "together.h"
#include <math.h>
#include <stdlib.h>

/* Steps of a plan: the peaks of a step depend on what the step before left. */
#define SETTLE_STEPS 3

static bool in_shards(const training *t) { return t->setup->spec.shards > 1; }

/* Of a shard's batch, and the feed of those that are ours. */
static bool open_shards(training *t, message *why) {
  const model_spec *spec = &t->model.spec;
  int n = (int)spec->shards, mine = n / ranks_count();
  shards_cut cut = {.n = n, .first = ranks_rank() * mine, .mine = mine};
  if (!in_shards(t)) return true;
  feed_take_part(&t->feed, (size_t)(cut.first * spec->batch), (size_t)(cut.mine * spec->batch));
  return shards_open(&t->shards, &t->model, t->r->v, cut, t->team, why);
}

/* What needs no other rank. */
static bool open_alone(training *t, const run_setup *setup, result *r, clg_context *ctx, message *why) {
  model_spec spec = setup->spec;
  *t = (training){.setup = setup, .r = r, .ctx = ctx};
  r->losses = calloc((size_t)setup->steps + 1, 3 * sizeof *r->losses); /* one more for train_recover */
  t->step_ms = calloc((size_t)setup->steps, sizeof *t->step_ms);
  if (!r->losses || !t->step_ms) return fail_no_memory(why);
  if (!feed_open(&t->feed, setup->data, (size_t)spec.batch, (size_t)spec.critic_steps, setup->seed, why)) return false;
  if (in_shards(t)) spec.batch /= spec.shards;
  if (!gan_make(&t->model, ctx, &spec, r->v == VARIANT_CHECKPOINT, setup->seed)) {
    r->status = clg_last_status(ctx);
    return fail(why, "%s", clg_last_error(ctx));
  }
  if (r->record) t->model.watch = graphs_look, t->model.watch_user = &r->record->graphs;
  return !setup->resume || state_load(&t->model, setup, &t->first, why);
}

bool train_open(training *t, const run_setup *setup, result *r, clg_context *ctx, message *why) {
  bool ok = open_alone(t, setup, r, ctx, why);
  if (!clg_context_is_plan(ctx)) ok = ranks_agree(ok, why);
  if (!ok || !together_begin(t, why) || !open_shards(t, why)) return false;
  feed_seek(&t->feed, (uint64_t)t->first);
  t->batches = feed_next(&t->feed);
  return true;
}

void train_close(training *t) {
  clg_finish(t->ctx); /* it may still read our buffers */
  shards_close(&t->shards);
  team_leave(&t->team);
  gan_free(&t->model);
  feed_close(&t->feed);
  free(t->step_ms);
  t->step_ms = NULL;
}

static void note_error(result *r, clg_context *ctx, clg_status status) {
  const char *text = clg_last_error(ctx);
  r->failed = true;
  r->status = status;
  snprintf(r->error, sizeof r->error, "%s", text[0] ? text : clg_status_name(status));
}

/* One step, and the next batch made ready while the device works. */
static clg_status one_step(training *t, variant v, int64_t step) {
  float *losses = t->r->losses + 3 * step;
  uint64_t noise = random_mix(t->setup->seed, (uint64_t)(t->first + step));
  clg_status status =
      in_shards(t) ? shards_step(&t->shards, v, t->batches, noise) : gan_step(&t->model, v, t->batches, noise, losses);
  if (status == CLG_OK && step + 1 < t->setup->steps) t->batches = feed_next(&t->feed);
  clg_status finished = clg_finish(t->ctx);
  if (in_shards(t)) shards_losses(&t->shards, losses);
  return status != CLG_OK ? status : finished;
}

bool train_sample(training *t, size_t n, float **items, message *why) {
  *items = calloc(n, t->setup->data->features * sizeof **items);
  if (!*items) return fail_no_memory(why);
  uint64_t noise = random_mix(t->setup->seed, UINT64_MAX - 1); /* no step's */
  return gan_sample(&t->model, noise, (int64_t)n, *items) == CLG_OK || fail(why, "%s", clg_last_error(t->ctx));
}

/* A file that cannot be written is the output's failure, not the run's. */
void train_save(training *t) {
  message why = {""};
  clg_status status = state_save(&t->model, t->setup, t->first + t->r->steps_done);
  if (status == CLG_OK) return;
  if (status == CLG_ERR_STATE) {
    note_error(t->r, t->ctx, status);
    t->r->nonfinite = true;
    return;
  }
  fail(&why, "%s", clg_last_error(t->ctx));
  outputs_fail(t->setup->out, &why);
  clg_clear_error(t->ctx);
}

/* Whether pictures are due after `step` steps of this run. */
static bool samples_due(const training *t, int64_t step) {
  int64_t every = t->setup->samples_every;
  return every && (t->first + step) % every == 0;
}

static bool samples_ever_due(const training *t) {
  int64_t every = t->setup->samples_every;
  return every && (t->first + t->setup->steps) / every > t->first / every;
}

/* A picture on the way; a plan makes none, but needs what it needs. */
static bool show_samples(training *t, int64_t step, message *why) {
  char path[4096];
  float *items;
  message mine = {""};
  outputs *out = t->setup->out;
  size_t n = samples_wanted(t->setup->data);
  bool ok = train_sample(t, n, &items, why);
  bool show = ok && !clg_context_is_plan(t->ctx) &&
              result_check(t->r, "the samples", items, n * t->setup->data->features, t->first + step);
  if (show && !(numbered_path(path, sizeof path, out->samples, t->first + step, &mine) &&
                samples_save(out, path, t->setup->data, items, n, &mine)))
    outputs_fail(out, &mine);
  free(items);
  return ok;
}

/* Whether the state is due after `step` steps of this run; the last one is saved when all is done. */
static bool save_due(const training *t, int64_t step) {
  int64_t every = t->setup->save_every;
  return every && (t->first + step) % every == 0 && step < t->setup->steps && !clg_context_is_plan(t->ctx);
}

/* Pictures and the state on the way. `counters` are moved on: no step did this. */
static bool leave_files(training *t, int64_t step, bool pictures, bool state, clg_counters *counters, message *why) {
  clg_counters before = clg_context_counters(t->ctx);
  bool ok = !pictures || show_samples(t, step, why);
  if (ok && state && !t->r->failed) train_save(t);
  clg_counters after = clg_context_counters(t->ctx);
  counters->launches += after.launches - before.launches;
  counters->waits += after.waits - before.waits;
  return ok;
}

static bool settled(const training *t, int64_t step, uint64_t peaks[2], int *quiet_steps) {
  clg_memory_stats now = clg_memory(t->ctx);
  bool same = now.peak_live == peaks[0] && now.peak_reserved == peaks[1];
  *quiet_steps = same ? *quiet_steps + 1 : 0;
  peaks[0] = now.peak_live, peaks[1] = now.peak_reserved;
  return step >= SETTLE_STEPS && *quiet_steps >= 2;
}

static void count_per_step(result *r, clg_counters from, clg_counters to, int64_t steps) {
  r->launches = (double)(to.launches - from.launches) / (double)steps;
  r->waits = (double)(to.waits - from.waits) / (double)steps;
}

/* The 2-norm of what G's optimizer was given. */
static bool note_g_gradient(training *t, message *why) {
  size_t n = gan_g_numel(&t->model);
  float *gradient = malloc(n * sizeof *gradient);
  if (!gradient) return fail_no_memory(why);
  bool ok = gan_read_g_gradient(&t->model, gradient) == CLG_OK || fail(why, "%s", clg_last_error(t->ctx));
  double sum = 0;
  for (size_t i = 0; ok && i < n; i++) sum += (double)gradient[i] * (double)gradient[i];
  t->r->g_gradient = sqrt(sum);
  free(gradient);
  return ok;
}

/* What a step gave, but for its losses. */
static bool note_step(training *t, int64_t step, double ms, clg_counters *first, message *why) {
  t->step_ms[step] = ms;
  t->r->steps_done = step + 1;
  count_per_step(t->r, *first, clg_context_counters(t->ctx), step ? step : 1);
  if (step) return true;
  if (t->setup->steps > 1) together_count(t);
  bool ok = note_g_gradient(t, why);
  *first = clg_context_counters(t->ctx); /* the first of several sets up the optimizers too */
  return ok;
}

bool train_run(training *t, bool until_settled, bool show_progress, message *why) {
  result *r = t->r;
  progress bar;
  uint64_t peaks[2] = {0, 0};
  int quiet_steps = 0;
  bool ok = true, shown = !samples_ever_due(t);
  clg_counters first = clg_context_counters(t->ctx);
  progress_begin(&bar, show_progress, variant_name(r->v), t->setup->steps);
  double last = clock_ms();
  for (int64_t step = 0; ok && step < t->setup->steps; step++) {
    if (r->record) record_begin(r->record, t->ctx); /* the last one stays */
    clg_status status = one_step(t, r->v, step);
    if (r->record) record_end(r->record, t->ctx);
    if (status != CLG_OK) {
      note_error(r, t->ctx, status);
      if (t->team && !until_settled && !variant_must_fail(r->v)) ranks_give_up(status, r->error);
      break;
    }
    double now = clock_ms();
    ok = note_step(t, step, now - last, &first, why);
    if (!until_settled) interrupt_hold(true); /* from now on there is something to keep */
    /* Numbers do not come back. */
    if (!until_settled && !result_check(r, "the losses", r->losses + 3 * step, 3, t->first + step + 1)) break;
    progress_step(&bar, step + 1, r->losses + 3 * step);
    bool still = until_settled && settled(t, step + 1, peaks, &quiet_steps);
    bool due = samples_due(t, step + 1) || (still && !shown);
    bool save = save_due(t, step + 1);
    if (t->team && !until_settled) interrupt_agree(shards_signal(&t->shards));
    r->interrupted = !until_settled && interrupted() && step + 1 < t->setup->steps;
    if (due || save) progress_end(&bar);
    if (ok && (due || save)) ok = leave_files(t, step + 1, due, save, &first, why);
    if ((still && shown) || r->failed || r->interrupted) break;
    shown = shown || due;
    last = due || save || !step ? clock_ms() : now;
  }
  progress_end(&bar);
  bool several = r->steps_done > 1;
  r->step_ms = spread_of(t->step_ms + several, (size_t)(r->steps_done - several));
  return ok;
}

bool train_steps(training *t, int n, double *ms) {
  result *r = t->r;
  for (int i = 0; i < n; i++) {
    double begun = clock_ms();
    clg_status status = one_step(t, r->v, r->steps_done);
    ms[i] = clock_ms() - begun;
    if (status != CLG_OK) note_error(r, t->ctx, status);
    if (r->failed) return false;
    r->steps_done++;
  }
  return true;
}

void train_recover(training *t) {
  clg_clear_error(t->ctx);
  t->model.watch = NULL; /* what failed is kept */
  t->batches = feed_next(&t->feed);
  t->r->recovered = one_step(t, VARIANT_DETACH, t->r->steps_done) == CLG_OK;
  clg_clear_error(t->ctx);
}
