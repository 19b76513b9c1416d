/* The loop of step.c with each of its halves once a shard, and sums of gradients before each step of an optimizer. What
 * a shard does follows from seed, step and shard. */
#include "shards.h"
#include "random.h"
#include "step_parts.h"
#include <stdlib.h>
#include <string.h>

/* Running statistics that a network of each kind may have. */
#define MOST_BUFFERS 64

/* ---- opening ---- */

static bool make_sum(const shards *s, clg_shard_sum **sum, clg_tensor *const *params, size_t n, bool tracks) {
  clg_tensor *buffers[MOST_BUFFERS], *t;
  clg_module *const networks[] = {s->m->g, s->m->d};
  size_t n_buffers = 0;
  for (int k = 0; k < 2 && tracks; k++)
    for (size_t i = 0; n_buffers < MOST_BUFFERS && (t = clg_module_buffer(networks[k], i, NULL, 0)); i++)
      buffers[n_buffers++] = t;
  *sum = clg_shard_sum_create(s->m->ctx, params, n, (size_t)s->n);
  return *sum && clg_shard_sum_track(*sum, buffers, n_buffers) == CLG_OK;
}

/* What D's half leaves in G's gradients where nobody drops it. */
static bool make_polluting(shards *s) {
  size_t n;
  clg_tensor *const *params = gan_g_parameters(s->m, &n);
  s->kept = calloc(n, sizeof(clg_tensor *));
  if (!s->kept || !make_sum(s, &s->polluting, params, n, false)) return false;
  for (size_t i = 0; i < n; i++) {
    s->kept[i] = clg_tensor_create(s->m->ctx, clg_tensor_ndim(params[i]), clg_tensor_shape(params[i]), NULL);
    if (!s->kept[i]) return false;
  }
  return true;
}

bool shards_open(shards *s, gan *m, variant v, message *why) {
  size_t n_d, n_g;
  clg_tensor *const *of_d = gan_d_parameters(m, &n_d), *const *of_g = gan_g_parameters(m, &n_g);
  *s = (shards){.m = m, .n = (int)m->spec.shards};
  s->losses = calloc((size_t)s->n, 3 * sizeof *s->losses);
  s->steps = calloc((size_t)s->n, sizeof *s->steps);
  s->positions = calloc((size_t)s->n, sizeof *s->positions);
  if (!s->losses || !s->steps || !s->positions) return fail_no_memory(why);
  clg_set_phase(m->ctx, "setup");
  bool ok = make_sum(s, &s->of_d, of_d, n_d, true) && make_sum(s, &s->of_g, of_g, n_g, true);
  ok = ok && (!step_zeroes_top(v) || make_polluting(s));
  return ok || fail(why, "%s", clg_last_error(m->ctx));
}

void shards_close(shards *s) {
  size_t n = 0;
  if (s->kept) gan_g_parameters(s->m, &n);
  for (size_t i = 0; i < n; i++) clg_tensor_unref(&s->kept[i]);
  clg_shard_sum_unref(&s->of_d);
  clg_shard_sum_unref(&s->of_g);
  clg_shard_sum_unref(&s->polluting);
  free(s->kept);
  free(s->losses);
  free(s->steps);
  free(s->positions);
  *s = (shards){0};
}

/* ---- a step ---- */

/* A shard's own noise, from where it was. */
static void turn_to(const shards *s, int shard, uint64_t noise_seed) {
  clg_set_seed(s->m->ctx, random_mix(noise_seed, (uint64_t)shard), s->positions[shard]);
}

static void turn_from(shards *s, int shard) {
  uint64_t seed;
  clg_get_seed(s->m->ctx, &seed, &s->positions[shard]);
}

static bool add(const shards *s, clg_shard_sum *sum, const char *phase) {
  clg_set_phase(s->m->ctx, phase);
  return clg_shard_sum_add(sum) == CLG_OK;
}

static bool one_d_half(shards *s, feed_batches batches, int shard, int i, bool last) {
  clg_scope *scope = clg_scope_open(s->m->ctx);
  bool ok = step_learn_d(&s->steps[shard], batches, i * s->n + shard, last) && add(s, s->of_d, "D sum");
  if (ok && s->kept) ok = add(s, s->polluting, "G sum");
  return clg_scope_close(scope) == CLG_OK && ok;
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

static bool learn_discriminator(shards *s, feed_batches batches, uint64_t noise_seed, int i, bool last) {
  clg_optim_zero_grad(s->m->opt_d);
  bool ok = clg_shard_sum_begin(s->of_d) == CLG_OK;
  if (ok && s->kept) ok = clg_shard_sum_begin(s->polluting) == CLG_OK;
  for (int k = 0; ok && k < s->n; k++) {
    turn_to(s, k, noise_seed);
    ok = one_d_half(s, batches, k, i, last);
    turn_from(s, k);
  }
  if (ok && s->kept) ok = keep(s, false);
  return ok && step_update(&s->steps[0], "D step", s->m->opt_d);
}

static bool learn_generator(shards *s, uint64_t noise_seed) {
  clg_optim_zero_grad(s->m->opt_g);
  bool ok = clg_shard_sum_begin(s->of_g) == CLG_OK;
  for (int k = 0; ok && k < s->n; k++) {
    turn_to(s, k, noise_seed);
    ok = step_learn_g(&s->steps[k]) && add(s, s->of_g, "G sum");
    step_end(&s->steps[k]);
  }
  if (ok && s->kept) ok = keep(s, true);
  return ok && step_update(&s->steps[0], "G step", s->m->opt_g);
}

static bool run_loop_body(shards *s, feed_batches batches, uint64_t noise_seed) {
  int times = s->m->spec.critic_steps;
  if (s->kept) clg_optim_zero_grad(s->m->opt_g);
  for (int i = 0; i < times; i++)
    if (!learn_discriminator(s, batches, noise_seed, i, i + 1 == times)) return false;
  return learn_generator(s, noise_seed);
}

clg_status shards_step(shards *s, variant v, feed_batches batches, uint64_t noise_seed) {
  memset(s->losses, 0, 3 * (size_t)s->n * sizeof *s->losses);
  memset(s->positions, 0, (size_t)s->n * sizeof *s->positions);
  for (int k = 0; k < s->n; k++) s->steps[k] = step_begin(s->m, v, s->losses + 3 * k);
  clg_scope *scope = clg_scope_open(s->m->ctx);
  bool ok = run_loop_body(s, batches, noise_seed);
  for (int k = 0; k < s->n; k++) step_end(&s->steps[k]);
  return step_close(s->m, scope, ok);
}

static float tree(const float *values, int n) {
  return n == 1 ? values[0] : tree(values, n / 2) + tree(values + 3 * (n / 2), n / 2);
}

void shards_losses(const shards *s, float losses[3]) {
  for (int k = 0; k < 3; k++) losses[k] = tree(s->losses + k, s->n) / (float)s->n;
}
