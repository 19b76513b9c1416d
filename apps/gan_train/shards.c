/* The loop of step.c with each of its halves once a shard, and sums of gradients before each step of an optimizer. What
 * a shard does follows from seed, step and shard; in lock step, from what shards tell each other too. Then each has
 * leaves of its own, the last one the model's. */
#include "shards.h"
#include "interrupt.h"
#include "random.h"
#include "step_parts.h"
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

typedef struct tensors {
  clg_tensor *const *at;
  size_t n;
} tensors;

static size_t list_buffers(const shards *s, clg_tensor **to) {
  clg_module *const networks[] = {s->m->g, s->m->d};
  clg_tensor *t;
  size_t n = 0;
  for (int k = 0; k < 2; k++)
    for (size_t i = 0; (t = clg_module_buffer(networks[k], i, NULL, 0)); i++, n++)
      if (to) to[n] = t;
  return n;
}

static bool make_sum(shards *s, shards_sum *sum, tensors params, tensors tracked, size_t n_host) {
  sum->mine = clg_shard_sum_create(s->m->ctx, params.at, params.n, (size_t)s->cut.mine);
  if (!sum->mine || clg_shard_sum_track(sum->mine, tracked.at, tracked.n) != CLG_OK) return false;
  return team_sum_make(&sum->all, s->team, sum->mine, n_host ? s->losses : NULL, n_host) == CLG_OK;
}

/* What D's half leaves in G's gradients where nobody drops it. */
static bool make_polluting(shards *s, tensors of_g) {
  s->kept = calloc(of_g.n, sizeof(clg_tensor *));
  if (!s->kept || !make_sum(s, &s->polluting, of_g, (tensors){NULL, 0}, 0)) return false;
  for (size_t i = 0; i < of_g.n; i++) {
    s->kept[i] = clg_tensor_create(s->m->ctx, clg_tensor_ndim(of_g.at[i]), clg_tensor_shape(of_g.at[i]), NULL);
    if (!s->kept[i]) return false;
  }
  return true;
}

/* Both halves move on the running statistics of both networks: in lock step, of every shard alike. */
static bool make_sums(shards *s, variant v, tensors statistics) {
  tensors of_d, of_g;
  if (s->together) statistics.n = 0;
  of_d.at = gan_d_parameters(s->m, &of_d.n);
  of_g.at = gan_g_parameters(s->m, &of_g.n);
  clg_set_phase(s->m->ctx, "setup");
  return make_sum(s, &s->of_d, of_d, statistics, 0) && make_sum(s, &s->of_g, of_g, statistics, s->n_losses) &&
         (!step_zeroes_top(v) || make_polluting(s, of_g));
}

static bool make_twins(shards *s, variant v, message *why) {
  const int mine = s->cut.mine;
  s->together = lockstep_open(s->m->ctx, s->team, mine, s->cut.n, why);
  s->twins = calloc((size_t)mine, sizeof *s->twins);
  if (!s->together) return false;
  if (!s->twins) return fail_no_memory(why);
  for (int k = 0; k < mine; k++) {
    const clg_meeting meeting = lockstep_meeting(s->together, k);
    bool last = k + 1 == mine;
    if (!last && !gan_make_twin(&s->twins[k], s->m, v == VARIANT_CHECKPOINT))
      return fail(why, "%s", clg_last_error(s->m->ctx));
    gan_meet(last ? s->m : &s->twins[k], &meeting);
  }
  return true;
}

/* What the k-th of this process's shards trains. */
static gan *model_of(const shards *s, int k) { return s->together && k + 1 < s->cut.mine ? &s->twins[k] : s->m; }

bool shards_open(shards *s, gan *m, variant v, shards_cut cut, team *t, message *why) {
  *s = (shards){.m = m, .cut = cut, .team = t, .n_losses = 4 * (size_t)cut.n};
  if (m->spec.sync_batch_norm && !make_twins(s, v, why)) return false;
  s->losses = calloc(s->n_losses, sizeof *s->losses);
  s->steps = calloc((size_t)cut.mine, sizeof *s->steps);
  s->positions = calloc((size_t)cut.mine, sizeof *s->positions);
  size_t n = list_buffers(s, NULL);
  clg_tensor **statistics = calloc(n + 1, sizeof(clg_tensor *));
  bool ok = s->losses && s->steps && s->positions && statistics;
  if (ok) list_buffers(s, statistics);
  if (ok)
    ok = make_sums(s, v, (tensors){statistics, n}) || fail(why, "%s", clg_last_error(m->ctx));
  else
    fail_no_memory(why);
  free(statistics);
  return ok;
}

static void drop_sum(shards_sum *sum) {
  team_sum_drop(&sum->all);
  clg_shard_sum_unref(&sum->mine);
}

void shards_close(shards *s) {
  size_t n = 0;
  if (s->kept) gan_g_parameters(s->m, &n);
  for (size_t i = 0; i < n; i++) clg_tensor_unref(&s->kept[i]);
  drop_sum(&s->of_d);
  drop_sum(&s->of_g);
  drop_sum(&s->polluting);
  for (int k = 0; s->twins && k < s->cut.mine; k++) gan_free(&s->twins[k]);
  lockstep_close(&s->together);
  free(s->twins);
  free(s->kept);
  free(s->losses);
  free(s->steps);
  free(s->positions);
  *s = (shards){0};
}

/* ---- a step ---- */

/* A shard's own noise, from where it was. */
static void turn_to(shards *s, int shard, uint64_t noise_seed) {
  s->running = shard;
  clg_set_seed(s->m->ctx, random_mix(noise_seed, (uint64_t)(s->cut.first + shard)), s->positions[shard]);
}

static void turn_from(shards *s, int shard) {
  uint64_t seed;
  clg_get_seed(s->m->ctx, &seed, &s->positions[shard]);
}

/* The last backward of a half of the last shard comes: gradients may go out while it runs. An error is the scope's. */
static void on_last_backward(void *user, bool of_g) {
  shards *s = user;
  if (s->running + 1 < s->cut.mine) return;
  if (of_g) s->losses[3 * s->cut.n + ranks_rank()] = (float)interrupt_noted();
  if (!s->together) team_sum_start(of_g ? s->of_g.all : s->of_d.all);
}

static bool finish(const shards *s, shards_sum *sum, const char *phase) {
  clg_set_phase(s->m->ctx, phase);
  return team_sum_finish(sum->all) == CLG_OK;
}

static bool add(const shards *s, shards_sum *sum, clg_tensor *const *params, const char *phase) {
  clg_set_phase(s->m->ctx, phase);
  return clg_shard_sum_add_of(sum->mine, params) == CLG_OK;
}

/* What a half of the k-th shard left in its leaves. */
static bool add_d_half(shards *s, int k) {
  const gan *m = model_of(s, k);
  bool ok = add(s, &s->of_d, m->d_parameters, "D sum");
  return ok && (!s->kept || add(s, &s->polluting, m->g_parameters, "G sum"));
}

static bool add_g_half(shards *s, int k) { return add(s, &s->of_g, model_of(s, k)->g_parameters, "G sum"); }

/* A half of the loop that every shard does. */
typedef struct half {
  shards *s;
  feed_batches batches;
  uint64_t noise_seed;
  int i; /* D's: the i-th time in this step, */
  bool last;
} half;

static bool one_d_half(void *user, int k) {
  const half *h = user;
  shards *s = h->s;
  turn_to(s, k, h->noise_seed);
  clg_scope *scope = clg_scope_open(s->m->ctx);
  bool ok = step_learn_d(&s->steps[k], h->batches, h->i * s->cut.mine + k, h->last);
  if (ok && !s->together) ok = add_d_half(s, k);
  ok = clg_scope_close(scope) == CLG_OK && ok;
  turn_from(s, k);
  return ok;
}

static bool one_g_half(void *user, int k) {
  const half *h = user;
  shards *s = h->s;
  turn_to(s, k, h->noise_seed);
  bool ok = step_learn_g(&s->steps[k]) && (s->together || add_g_half(s, k));
  step_end(&s->steps[k]);
  return ok;
}

/* One shard after the other; in lock step sums come when all are done. */
static bool run_half(half *h, bool (*work)(void *user, int k), bool (*add_half)(shards *s, int k)) {
  shards *s = h->s;
  bool ok = !s->together || lockstep_run(s->together, work, h);
  for (int k = 0; ok && k < s->cut.mine; k++) ok = s->together ? add_half(s, k) : work(h, k);
  return ok;
}

static void zero_grad(const shards *s, bool of_g) {
  clg_optim_zero_grad(of_g ? s->m->opt_g : s->m->opt_d);
  for (int k = 0; s->together && k + 1 < s->cut.mine; k++) gan_zero_grad(&s->twins[k], of_g);
}

/* kept += what is in G's gradients, which are dropped; or the other way round. */
static bool keep(shards *s, bool back) {
  size_t n;
  clg_tensor *const *params = gan_g_parameters(s->m, &n);
  bool before = clg_set_grad_mode(s->m->ctx, false), ok = true;
  for (size_t i = 0; ok && i < n; i++) {
    clg_tensor *grad = clg_tensor_grad(params[i]), *to = back ? grad : s->kept[i];
    const clg_map_input other = {"y", back ? s->kept[i] : grad, 0};
    ok = clg_map_(to, "x + y", &other, 1) == CLG_OK && (!back || clg_fill_(s->kept[i], 0) == CLG_OK);
  }
  clg_set_grad_mode(s->m->ctx, before);
  if (!back) clg_optim_zero_grad(s->m->opt_g);
  return ok;
}

static bool learn_discriminator(half *h) {
  shards *s = h->s;
  zero_grad(s, false);
  bool ok = clg_shard_sum_begin(s->of_d.mine) == CLG_OK;
  if (ok && s->kept) ok = clg_shard_sum_begin(s->polluting.mine) == CLG_OK;
  ok = ok && run_half(h, one_d_half, add_d_half) && finish(s, &s->of_d, "D sum");
  if (ok && s->kept) ok = finish(s, &s->polluting, "G sum") && keep(s, false);
  return ok && step_update(&s->steps[s->cut.mine - 1], "D step", s->m->opt_d);
}

static bool learn_generator(half *h) {
  shards *s = h->s;
  zero_grad(s, true);
  bool ok = clg_shard_sum_begin(s->of_g.mine) == CLG_OK && run_half(h, one_g_half, add_g_half);
  if (ok) ok = finish(s, &s->of_g, "G sum");
  if (ok && s->kept) ok = keep(s, true);
  return ok && step_update(&s->steps[s->cut.mine - 1], "G step", s->m->opt_g);
}

static bool run_loop_body(shards *s, feed_batches batches, uint64_t noise_seed) {
  half h = {.s = s, .batches = batches, .noise_seed = noise_seed};
  int times = s->m->spec.critic_steps;
  if (s->kept) zero_grad(s, true);
  for (h.i = 0; h.i < times; h.i++) {
    h.last = h.i + 1 == times;
    if (!learn_discriminator(&h)) return false;
  }
  return learn_generator(&h);
}

clg_status shards_step(shards *s, variant v, feed_batches batches, uint64_t noise_seed) {
  memset(s->losses, 0, s->n_losses * sizeof *s->losses);
  memset(s->positions, 0, (size_t)s->cut.mine * sizeof *s->positions);
  for (int k = 0; k < s->cut.mine; k++) {
    s->steps[k] = step_begin(model_of(s, k), v, s->losses + 3 * (s->cut.first + k));
    s->steps[k].announce = on_last_backward;
    s->steps[k].announce_user = s;
  }
  clg_scope *scope = clg_scope_open(s->m->ctx);
  bool ok = run_loop_body(s, batches, noise_seed);
  for (int k = 0; k < s->cut.mine; k++) step_end(&s->steps[k]);
  return step_close(s->m, scope, ok);
}

static float tree(const float *values, int n) {
  return n == 1 ? values[0] : tree(values, n / 2) + tree(values + 3 * (n / 2), n / 2);
}

void shards_losses(const shards *s, float losses[3]) {
  for (int k = 0; k < 3; k++) losses[k] = tree(s->losses + k, s->cut.n) / (float)s->cut.n;
}

int shards_signal(const shards *s) {
  float number = 0;
  for (int r = 0; r < s->cut.n && !(number > 0); r++) number = s->losses[3 * s->cut.n + r];
  return (int)number;
}
