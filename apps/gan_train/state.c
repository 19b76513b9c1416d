/* What a file of a training's state has: the networks under "G." and "D.", their label embeddings, the optimizers, and
 * in the metadata "run", with the data's hash, and "tuning", the table's, which must be the same to go on bit for bit,
 * and "step". Noise and order follow from seed and step. */
#include "state.h"
#include <inttypes.h>
#include <string.h>

/* Larger than any that can be trained. */
#define MAX_STEP_DIGITS 15

static void describe(const run_setup *setup, char *text, size_t size) {
  const model_spec *s = &setup->spec;
  snprintf(text, size,
           "%s, items %" PRId64 "x%" PRId64 "x%" PRId64 ", nz %" PRId64 ", hidden %" PRId64 ", ngf %" PRId64
           ", ndf %" PRId64 ", classes %" PRId64 ", critic steps %d, lambda %d, batch %" PRId64 ", seed %" PRIu64
           ", data %016" PRIx64,
           model_name(s->kind), s->channels, s->height, s->width, s->nz, s->hidden, s->ngf, s->ndf, s->classes,
           s->critic_steps, (int)s->lambda, s->batch, setup->seed, setup->data_hash);
  /* One shard is none, as before there were any. */
  size_t n = strlen(text);
  if (s->shards > 1 && n < size)
    snprintf(text + n, size - n, ", shards %" PRId64 "%s", s->shards,
             s->sync_batch_norm ? ", synchronised batch norm" : "");
}

static void describe_tuning(const gan *m, char text[24]) {
  uint64_t hash = clg_tuning_hash(m->ctx);
  if (hash)
    snprintf(text, 24, "%016" PRIx64, hash);
  else
    snprintf(text, 24, "none");
}

static bool library_fails(gan *m, message *why) { return fail(why, "%s", clg_last_error(m->ctx)); }

clg_status state_save(gan *m, const run_setup *setup, int64_t step) {
  char run[1024], number[24];
  describe(setup, run, sizeof run);
  snprintf(number, sizeof number, "%" PRId64, step);
  clg_saver *s = clg_saver_create(m->ctx, setup->out->save);
  if (!s) return clg_last_status(m->ctx);
  clg_saver_refuse_nonfinite(s);
  clg_saver_add_metadata(s, "run", run);
  clg_saver_add_metadata(s, "step", number);
  describe_tuning(m, number);
  clg_saver_add_metadata(s, "tuning", number);
  clg_saver_add_module(s, "G.", m->g);
  clg_saver_add_module(s, "D.", m->d);
  if (m->g_labels) clg_saver_add_module(s, "G_labels.", m->g_labels);
  if (m->d_labels) clg_saver_add_module(s, "D_labels.", m->d_labels);
  clg_saver_add_optim(s, "optim_G.", m->opt_g);
  clg_saver_add_optim(s, "optim_D.", m->opt_d);
  clg_status status = clg_saver_commit(s); /* says too what could not be added */
  clg_saver_unref(&s);
  return status;
}

static bool read_step(const char *text, int64_t *step) {
  size_t n = text ? strlen(text) : 0;
  *step = 0;
  if (!n || n > MAX_STEP_DIGITS || strspn(text, "0123456789") != n) return false;
  for (const char *c = text; *c; c++) *step = *step * 10 + (*c - '0');
  return true;
}

static bool check_run(const gan *m, const clg_loader *l, const run_setup *setup, int64_t *step, message *why) {
  char mine[1024], tuning[24];
  const char *run = clg_loader_metadata(l, "run");
  describe(setup, mine, sizeof mine);
  if (!run || !read_step(clg_loader_metadata(l, "step"), step))
    return fail(why, "%s: not a state that gan_train saved", setup->resume);
  if (strcmp(run, mine)) return fail(why, "%s is of another run: %.400s; this is %s", setup->resume, run, mine);
  const char *its = clg_loader_metadata(l, "tuning");
  if (!its) its = "none";
  describe_tuning(m, tuning);
  if (strcmp(its, tuning))
    return fail(why, "%s was trained with another tuning table: %.40s; this run's is %s", setup->resume, its, tuning);
  return true;
}

bool state_load(gan *m, const run_setup *setup, int64_t *step, message *why) {
  clg_loader *l = clg_loader_open(m->ctx, setup->resume);
  if (!l) return library_fails(m, why);
  bool ok = check_run(m, l, setup, step, why);
  if (ok)
    ok = (clg_loader_load_module(l, "G.", m->g) == CLG_OK && clg_loader_load_module(l, "D.", m->d) == CLG_OK &&
          (!m->g_labels || clg_loader_load_module(l, "G_labels.", m->g_labels) == CLG_OK) &&
          (!m->d_labels || clg_loader_load_module(l, "D_labels.", m->d_labels) == CLG_OK) &&
          clg_loader_load_optim(l, "optim_G.", m->opt_g) == CLG_OK &&
          clg_loader_load_optim(l, "optim_D.", m->opt_d) == CLG_OK) ||
         library_fails(m, why);
  clg_loader_unref(&l);
  return ok;
}
