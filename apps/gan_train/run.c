/* One variant in a context of its own. Owns the contexts. */
#include "run.h"
#include "together.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void note_memory(result *r, const clg_context *ctx) {
  r->memory = clg_memory(ctx);
  clg_phase_row rows[RESULT_PHASES];
  size_t n = clg_memory_phases(ctx, rows, RESULT_PHASES);
  r->n_phases = n < RESULT_PHASES ? n : RESULT_PHASES;
  for (size_t i = 0; i < r->n_phases; i++) {
    result_phase *to = &r->phases[i];
    snprintf(to->name, sizeof to->name, "%s", rows[i].name);
    to->live = rows[i].live, to->saved = rows[i].saved, to->peak_live = rows[i].peak_live;
  }
}

static bool read_weights(training *t, message *why) {
  result *r = t->r;
  r->n_weights = gan_numel(&t->model);
  r->weights = malloc(r->n_weights * sizeof *r->weights);
  if (!r->weights) return fail_no_memory(why);
  return gan_read(&t->model, r->weights) == CLG_OK || fail(why, "%s", clg_last_error(t->ctx));
}

/* What follows the steps; the same in a plan, so that it reserves the same. */
static bool after_training(training *t, message *why) {
  result *r = t->r;
  note_memory(r, t->ctx);
  if (r->failed) {
    if (variant_must_fail(r->v)) train_recover(t);
    return true;
  }
  if (!read_weights(t, why)) return false;
  if (!clg_context_is_plan(t->ctx)) {
    if (t->setup->out->save) train_save(t);
    if (r->failed || !result_check(r, "the weights", r->weights, r->n_weights, t->first + r->steps_done)) return true;
  }
  r->n_samples = t->setup->n_samples;
  return !r->n_samples || train_sample(t, r->n_samples, &r->samples, why);
}

/* The build callback, with the ranks that wait. */
static void on_build(void *user, uint64_t done, const char *name) {
  ranks_compiling(name != NULL);
  building_note(user, done, name);
}

/* Trains in `ctx`, which is empty, and takes the figures. */
static bool train_in(clg_context *ctx, const run_setup *setup, variant v, result *r, bool predict, message *why) {
  training t;
  r->v = v;
  clg_set_remat(ctx, setup->remat);
  bool ok = train_open(&t, setup, r, ctx, why);
  if (ok) {
    ok = train_run(&t, predict, !predict && !setup->quiet, why) && after_training(&t, why);
    if (ok && !r->failed) ok = together_end(&t, why);
    if (!ok && t.team && !predict) ranks_give_up(clg_last_status(ctx), why->text);
  }
  r->programs = clg_context_counters(ctx).programs;
  r->memory.peak_reserved = clg_memory(ctx).peak_reserved; /* the context's whole life */
  r->device = *clg_context_device(ctx);
  r->tuning = clg_tuning_hash(ctx);
  train_close(&t);
  return ok;
}

/* A plan made like another context has its table already. */
static bool tune(clg_context *ctx, const run_setup *setup, message *why) {
  return !setup->tuning || clg_tuning_load(ctx, setup->tuning) == CLG_OK || fail(why, "%s", clg_last_error(ctx));
}

bool run_plan(const run_setup *setup, variant v, clg_context *like, result *r, message *why) {
  result plan = {.record = setup->record ? calloc(1, sizeof *plan.record) : NULL};
  char text[1024] = "";
  clg_context *ctx;
  clg_plan_options options = clg_plan_defaults();
  options.shape = setup->shape;
  options.like = like;
  options.message = text;
  options.message_size = sizeof text;
  if (setup->record && !plan.record) return fail_no_memory(why);
  if (clg_context_create_plan(&ctx, &options) != CLG_OK) {
    record_free(plan.record);
    return fail(why, "%s", text);
  }
  data sizes = *setup->data; /* a plan looks at no image */
  sizes.count = 0, sizes.pixels = NULL, sizes.values = NULL, sizes.labels = NULL, sizes.fit = NULL;
  run_setup without = *setup;
  without.data = &sizes;
  bool ok = (like || tune(ctx, setup, why)) && train_in(ctx, &without, v, &plan, true, why);
  if (ok && plan.record && (plan.record->failed || plan.record->graphs.failed)) ok = fail_no_memory(why);
  if (ok && plan.failed && !variant_must_fail(v)) ok = fail(why, "%s", plan.error);
  r->v = v;
  r->failed = plan.failed, r->recovered = plan.recovered, r->status = plan.status;
  memcpy(r->error, plan.error, sizeof r->error);
  r->memory = plan.memory;
  r->predicted_live = plan.memory.peak_live;
  r->predicted_reserved = plan.memory.peak_reserved;
  r->record = plan.record;
  plan.record = NULL;
  r->programs = plan.programs;
  r->device = plan.device, r->tuning = plan.tuning;
  result_free(&plan);
  clg_context_unref(&ctx);
  return ok;
}

/* Known before the first step, where the driver would only fail somewhere in it. */
static bool fits(const clg_context *ctx, const run_setup *setup, result *r) {
  const clg_device_info *device = clg_context_device(ctx);
  if (!device->global_bytes || r->predicted_reserved <= device->global_bytes) return true;
  r->failed = true;
  r->status = CLG_ERR_MEMORY;
  snprintf(r->error, sizeof r->error,
           "batch %" PRId64 " needs %.1f MiB with %s, but %s has %.1f MiB: use a smaller --batch", setup->spec.batch,
           (double)r->predicted_reserved / 1048576, variant_name(r->v), device->name,
           (double)device->global_bytes / 1048576);
  return false;
}

bool run_open(const run_setup *setup, building *compiling, clg_context **ctx, message *why) {
  char text[2048] = "";
  clg_context_options options = clg_context_defaults();
  options.device = setup->share ? NULL : setup->device;
  options.share = setup->share;
  options.nth = ranks_place();
  options.shape = setup->shape;
  options.profile = setup->profile;
  options.message = text;
  options.message_size = sizeof text;
  building_begin(compiling, !setup->quiet, 0);
  options.build = on_build;
  options.build_user = compiling;
  if (clg_context_create(ctx, &options) != CLG_OK) return fail(why, "%s", text);
  return tune(*ctx, setup, why);
}

bool run_variant(const run_setup *setup, variant v, result *r, message *why) {
  clg_context *ctx;
  building compiling;
  result plan = {0};
  bool ok = run_open(setup, &compiling, &ctx, why);
  if (!ctx) return ranks_agree(false, why);
  ok = ok && run_plan(setup, v, ctx, &plan, why);
  compiling.total = plan.programs;
  r->v = v;
  r->device = *clg_context_device(ctx);
  r->predicted_live = plan.predicted_live, r->predicted_reserved = plan.predicted_reserved;
  bool room = ok && fits(ctx, setup, r);
  if (ok && !room && ranks_count() > 1) ok = fail(why, "%s", r->error);
  ok = ranks_agree(ok, why);
  if (ok && room) ok = train_in(ctx, setup, v, r, false, why);
  r->record = plan.record;
  building_clear();
  clg_context_unref(&ctx);
  return ok;
}

/* Steps of a trace: what follows them is the same. */
#define TRACE_STEPS 10

/* A training that fails is the run's to tell. */
static bool trace_steps(clg_context *ctx, const run_setup *setup, variant v, const char *path, message *why) {
  result r = {.v = v};
  training t;
  message unused = {""};
  if (clg_trace_start(ctx, path) != CLG_OK) return fail(why, "%s", clg_last_error(ctx));
  if (train_open(&t, setup, &r, ctx, &unused)) train_run(&t, false, false, &unused);
  train_close(&t);
  result_free(&r);
  clg_clear_error(ctx);
  return clg_trace_stop(ctx) == CLG_OK || fail(why, "%s", clg_last_error(ctx));
}

bool run_traced(const run_setup *setup, variant v, const char *path, message *why) {
  run_setup few = *setup;
  if (few.steps > TRACE_STEPS) few.steps = TRACE_STEPS;
  few.samples_every = few.save_every = 0;
  few.profile = true;
  clg_context *ctx;
  building compiling;
  bool ok = run_open(&few, &compiling, &ctx, why);
  if (!ctx) return false;
  clg_set_remat(ctx, few.remat);
  ok = ok && trace_steps(ctx, &few, v, path, why);
  building_clear();
  clg_context_unref(&ctx);
  return ok;
}
