/* The training loop of the article, line by line; each variant differs in one of the small functions below.
 *
 *   D.zero_grad()
 *   err_real = loss(D(real), 1);           err_real.backward()     learn_real
 *   fake = G(z)                                                     generate
 *   err_fake = loss(D(fake.detach()), 0);  err_fake.backward()     learn_fake
 *   D.step()
 *   G.zero_grad()
 *   err_g = loss(D(fake), 1);              err_g.backward()        learn_generator
 *   G.step()
 *
 * Every part has a scope of its own, so that nothing lives longer than the loop needs it. */
#include "step.h"

typedef struct step {
  gan *m;
  clg_context *ctx;
  variant v;
  float *losses;
  clg_tensor *z;        /* the step's scope has it */
  clg_tensor *fake;     /* ours */
  clg_tensor *out_fake; /* stale's, ours: D's output of before its step */
} step;

/* ---- what differs ---- */

/* no_grad makes the discriminator's fakes without a graph. */
static bool first_fake_has_graph(const step *s) { return s->v != VARIANT_NO_GRAD; }

/* What the discriminator is shown in its own half. */
static clg_tensor *fake_for_d(const step *s) {
  return s->v == VARIANT_DETACH || s->v == VARIANT_FROZEN_D ? clg_detach(s->fake) : s->fake;
}

/* err_fake.backward(...) */
static clg_status backward_fake(const step *s, clg_tensor *err_fake) {
  clg_backward_options how = CLG_BACKWARD_OPTIONS_INIT;
  how.retain_graph = s->v == VARIANT_RETAIN_GRAPH || s->v == VARIANT_STALE;
  if (s->v == VARIANT_INPUTS) how.inputs = clg_module_parameters(s->m->d, &how.n_inputs);
  return clg_backward(err_fake, &how);
}

/* recompute and no_grad need G(z) again: the first one's graph is gone, or never was. */
static bool needs_new_fake(const step *s) { return s->v == VARIANT_RECOMPUTE || s->v == VARIANT_NO_GRAD; }

/* What the generator is judged by. */
static clg_tensor *output_for_g(const step *s) {
  return s->v == VARIANT_STALE ? s->out_fake : clg_forward(s->m->d, s->fake);
}

/* ---- the parts of the loop ---- */

/* A new tensor a step, gone when its half is: one batch of images on the device at a time. */
static clg_tensor *upload(const step *s, const float *images) {
  clg_tensor *real = clg_tensor_create(s->ctx, 2, (int64_t[]){s->m->batch, s->m->features}, NULL);
  if (real && clg_tensor_write_async(real, images) != CLG_OK) clg_tensor_unref(&real);
  return real;
}

static bool learn_real(step *s, const float *images) {
  clg_set_phase(s->ctx, "D real forward");
  clg_tensor *real = upload(s, images);
  clg_scope *scope = clg_scope_open(s->ctx);
  clg_tensor *err_real = clg_bce_with_logits(clg_forward(s->m->d, real), s->m->ones);
  clg_set_phase(s->ctx, "D real backward");
  bool ok = clg_backward(err_real, NULL) == CLG_OK && clg_tensor_read_async(err_real, &s->losses[0]) == CLG_OK;
  ok = clg_scope_close(scope) == CLG_OK && ok;
  clg_tensor_unref(&real);
  return ok;
}

static bool make_noise(step *s, uint64_t seed) {
  clg_set_phase(s->ctx, "G forward");
  clg_seed(s->ctx, seed, 0);
  s->z = clg_randn(s->ctx, 2, (int64_t[]){s->m->batch, MODEL_LATENT});
  return s->z;
}

static bool generate(step *s, bool with_graph) {
  clg_set_phase(s->ctx, "G forward");
  clg_tensor_unref(&s->fake);
  clg_scope *scope = clg_scope_open(s->ctx);
  bool before = clg_set_grad_mode(s->ctx, with_graph);
  clg_tensor *fake = clg_forward(s->m->g, s->z);
  clg_set_grad_mode(s->ctx, before);
  if (fake) s->fake = clg_tensor_ref(fake);
  return clg_scope_close(scope) == CLG_OK && s->fake;
}

static bool learn_fake(step *s) {
  clg_set_phase(s->ctx, "D fake forward");
  clg_tensor_unref(&s->m->err_fake); /* the name is about to stand for this step's loss */
  clg_scope *scope = clg_scope_open(s->ctx);
  clg_tensor *out = clg_forward(s->m->d, fake_for_d(s));
  clg_tensor *err_fake = clg_bce_with_logits(out, s->m->zeros);
  clg_set_phase(s->ctx, "D fake backward");
  bool ok = backward_fake(s, err_fake) == CLG_OK && clg_tensor_read_async(err_fake, &s->losses[1]) == CLG_OK;
  if (ok) s->m->err_fake = clg_tensor_ref(err_fake);
  if (ok && s->v == VARIANT_STALE) s->out_fake = clg_tensor_ref(out);
  return clg_scope_close(scope) == CLG_OK && ok;
}

static bool learn_generator(step *s) {
  clg_set_phase(s->ctx, "G: D forward");
  if (s->v == VARIANT_FROZEN_D) clg_module_set_requires_grad(s->m->d, false);
  clg_scope *scope = clg_scope_open(s->ctx);
  clg_tensor *err_g = clg_bce_with_logits(output_for_g(s), s->m->ones);
  clg_set_phase(s->ctx, "G backward");
  bool ok = clg_backward(err_g, NULL) == CLG_OK && clg_tensor_read_async(err_g, &s->losses[2]) == CLG_OK;
  ok = clg_scope_close(scope) == CLG_OK && ok;
  if (s->v == VARIANT_FROZEN_D) clg_module_set_requires_grad(s->m->d, true);
  return ok;
}

static bool update(step *s, const char *phase, clg_optim *optimizer) {
  clg_set_phase(s->ctx, phase);
  return clg_optim_step(optimizer) == CLG_OK;
}

static bool run_loop_body(step *s, const float *images, uint64_t noise_seed) {
  clg_optim_zero_grad(s->m->opt_d);
  if (!learn_real(s, images)) return false;
  if (!make_noise(s, noise_seed) || !generate(s, first_fake_has_graph(s))) return false;
  if (!learn_fake(s)) return false;
  if (!update(s, "D step", s->m->opt_d)) return false;
  clg_optim_zero_grad(s->m->opt_g);
  if (needs_new_fake(s) && !generate(s, true)) return false;
  if (!learn_generator(s)) return false;
  return update(s, "G step", s->m->opt_g);
}

clg_status gan_step(gan *m, variant v, const float *images, uint64_t noise_seed, float losses[3]) {
  step s = {.m = m, .ctx = m->ctx, .v = v, .losses = losses};
  clg_scope *scope = clg_scope_open(m->ctx);
  bool ok = run_loop_body(&s, images, noise_seed);
  clg_tensor_unref(&s.fake);
  clg_tensor_unref(&s.out_fake);
  clg_status closed = clg_scope_close(scope);
  if (ok || closed != CLG_OK) return closed;
  return clg_last_status(m->ctx) != CLG_OK ? clg_last_status(m->ctx) : CLG_ERR_STATE;
}
