/* Fills in what a run needs. */
#include "setup.h"
#include "samples.h"
#include <string.h>

/* What the losses of a run are kept for. */
#define MAX_STEPS 10000000
/* Of a batch that several ranks share. */
#define RANKS_SHARDS 8

data_options setup_data(const options *o) {
  return (data_options){.name = o->data,
                        .sizes_only = o->plan,
                        .seed = o->seed,
                        .image_size = (uint32_t)o->image_size,
                        .channels = (uint32_t)o->channels,
                        .labels = o->conditional,
                        .skip = o->skip_unreadable,
                        .low = model_low(o->model),
                        .point_scale = model_point_scale(o->model)};
}

static model_spec spec_of(const options *o, const data *d) {
  return (model_spec){.kind = o->model,
                      .batch = o->batch,
                      .shards = o->shards,
                      .sync_batch_norm = o->sync_batch_norm,
                      .channels = d->channels,
                      .height = d->height,
                      .width = d->width,
                      .points = d->is_ring,
                      .nz = o->nz ? o->nz : model_default_nz(o->model, d->is_ring),
                      .hidden = o->hidden,
                      .ngf = o->ngf,
                      .ndf = o->ndf,
                      .classes = d->classes,
                      .critic_steps = (int)o->critic_steps,
                      .lambda = (float)(o->lambda ? o->lambda : model_default_lambda())};
}

static bool choose_steps(run_setup *setup, const options *o, const data *d, message *why) {
  int64_t per_step = o->batch * o->critic_steps;
  int64_t epoch = d->count ? (int64_t)d->count / per_step : model_compare_steps(o->model, d->is_ring);
  if (epoch < 1) epoch = 1;
  setup->steps = o->epochs ? o->epochs * epoch : o->steps;
  bool of_comparison = o->compare || d->is_ring; /* passes over points say little */
  if (!setup->steps) setup->steps = of_comparison ? model_compare_steps(o->model, d->is_ring) : epoch;
  return setup->steps <= MAX_STEPS || fail(why, "%lld steps are more than %d", (long long)setup->steps, MAX_STEPS);
}

/* Of the batch, and for the ranks. */
static bool choose_shards(run_setup *setup, message *why) {
  model_spec *s = &setup->spec;
  int ranks = ranks_count();
  if (!s->shards) s->shards = ranks > 1 ? RANKS_SHARDS : 1;
  if (s->sync_batch_norm && s->shards < 2)
    return fail(why, "--sync-batch-norm is for a batch in several shards: give --shards N");
  if (s->shards % ranks)
    return fail(why, "%d ranks do not share %d shards evenly: give a number of ranks that divides --shards", ranks,
                (int)s->shards);
  return s->batch % s->shards == 0 || fail(why, "batch %lld does not divide into %lld shards of one size",
                                           (long long)s->batch, (long long)s->shards);
}

bool setup_make(run_setup *setup, const options *o, const data *d, outputs *out, message *why) {
  bool want_samples = o->samples || (o->report && !o->plan) || d->is_ring; /* points are judged */
  *setup = (run_setup){.data = d,
                       .data_hash = o->save || o->resume || ranks_count() > 1 ? data_hash(d) : 0,
                       .spec = spec_of(o, d),
                       .seed = o->seed,
                       .device = o->device,
                       .shape = o->shape,
                       .tuning = o->tuning,
                       .remat = o->remat,
                       .team = {.timeout = (double)o->rank_timeout, .bucket_bytes = (size_t)o->bucket << 10},
                       .quiet = o->quiet,
                       .record = o->report,
                       .out = out,
                       .samples_every = o->samples_every,
                       .save_every = o->save_every,
                       .resume = o->resume,
                       .n_samples = want_samples ? samples_wanted(d) : 0};
  if (d->count && (uint64_t)o->batch > d->count)
    return fail(why, "batch %lld is larger than the data: %s has %zu items", (long long)o->batch, d->name, d->count);
  return choose_shards(setup, why) && choose_steps(setup, o, d, why);
}
