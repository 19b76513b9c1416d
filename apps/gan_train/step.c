/* The training loop of the article, line by line; each variant differs in one of the small functions below.
 *
 *   D.zero_grad()                                                  learn_discriminator, for a critic several times:
 *   err_real = loss(D(real), 1);           err_real.backward()     learn_real
 *   fake = G(z)                                                     generate
 *   err_fake = loss(D(fake.detach()), 0);  err_fake.backward()     learn_fake
 *   penalty(D, real, fake).backward()                              learn_penalty, a critic's
 *   D.step()
 *   G.zero_grad()
 *   err_g = loss(D(fake), 1);              err_g.backward()        learn_generator
 *   G.step()
 *
 * Every part has a scope of its own, so that nothing lives longer than the loop needs it. What lies between the marks
 * [loop and loop] is what a report shows of each variant: report/loops_html.py puts the answers to s->how in. */
#include "one_stage.h"
#include "penalty.h"
#include "step_parts.h"

/* How a variant's loop differs. */
struct manner {
  bool cut;      /* D is shown fakes without their graph */
  bool no_grad;  /* which were made without one, for D's half */
  bool retain;   /* D's backward of the fakes keeps the graph */
  bool inputs;   /* and goes to D's parameters alone */
  bool zero_top; /* G's gradients are dropped at the top of the loop, not before its own backward */
  bool again;    /* G runs again for its own half: the first graph is gone, or never was */
  bool frozen;   /* D's parameters require no gradient in G's half */
  bool stale;    /* G is judged by D's output of before D's step */
  bool from_d;   /* G's gradient at the fakes is made of D's, which judges them once */
};

static const manner manners[VARIANT_COUNT] = {
    [VARIANT_DETACH] = {.cut = true},
    [VARIANT_RETAIN_GRAPH] = {.retain = true},
    [VARIANT_INPUTS] = {.inputs = true},
    [VARIANT_RECOMPUTE] = {.again = true},
    [VARIANT_NO_GRAD] = {.no_grad = true, .again = true},
    [VARIANT_FROZEN_D] = {.cut = true, .frozen = true},
    [VARIANT_CHECKPOINT] = {.cut = true},
    [VARIANT_POLLUTED] = {.retain = true, .zero_top = true},
    [VARIANT_ONE_STAGE] = {.cut = true, .from_d = true},
    [VARIANT_NAIVE] = {.cut = false},
    [VARIANT_STALE] = {.retain = true, .stale = true},
};

/* What a report shows of the graph, before a backward or behind it. */
static void look(const step *s, const char *when, clg_tensor *root) {
  if (s->m->watch) s->m->watch(s->m->watch_user, when, root);
}

/* A mean over the batch, of which this may be a shard. */
static clg_status backward(const step *s, clg_tensor *root) {
  clg_backward_options how = clg_backward_defaults();
  how.grad = s->m->share;
  return clg_backward(root, &how);
}

/* The backward that follows is the last one of its half: the sums of gradients may go ahead. */
static void announce(const step *s, bool of_g) {
  if (s->announce) s->announce(s->announce_user, of_g);
}

/* ---- what differs ---- */

/* [loop */
/* What the discriminator is shown in its own half: a leaf, or what has the generator's graph. */
static clg_tensor *fake_for_d(const step *s) {
  clg_tensor *shown = s->how->cut ? clg_detach(s->fake) : s->fake;
  if (s->serves_g && clg_tensor_set_requires_grad(shown, true) != CLG_OK) return NULL;
  return shown;
}

/* one_stage: what D's backward left at the fakes, and what G's loss is, of D's one output. */
static bool take_from_d(step *s, clg_tensor *shown, clg_tensor *out) {
  clg_tensor_unref(&s->fake_gradient);
  s->fake_gradient = clg_tensor_ref(clg_tensor_grad(shown));
  bool before = clg_set_grad_mode(s->ctx, false);
  bool ok = one_stage_scale(s->fake_gradient, out, gan_loss_ratio(s->m)) == CLG_OK &&
            clg_tensor_read_async(gan_loss(s->m, out, true), &s->losses[2]) == CLG_OK;
  clg_set_grad_mode(s->ctx, before);
  return ok;
}

/* err_fake.backward(...) */
static clg_status backward_fake(const step *s, clg_tensor *err_fake) {
  clg_backward_options how = clg_backward_defaults();
  how.grad = s->m->share;
  how.retain_graph = s->how->retain;
  if (s->how->inputs) how.inputs = gan_d_parameters(s->m, &how.n_inputs);
  return clg_backward(err_fake, &how);
}

/* What the generator is judged by. */
static clg_tensor *output_for_g(const step *s) {
  return s->how->stale ? s->out_fake : gan_judge(s->m, s->fake, s->labels);
}
/* loop] */

/* ---- the parts of the loop ---- */

/* A critic's own. */
static bool has_penalty(const step *s) { return s->m->spec.kind == MODEL_WGAN_GP; }

/* A new tensor a step, gone when its half is: one batch of images on the device at a time. */
static bool upload(step *s, const float *images, const int32_t *labels) {
  int64_t shape[4], batch = s->m->spec.batch;
  int ndim = gan_item_shape(s->m, batch, shape);
  clg_scope *scope = clg_scope_open(s->ctx);
  s->real = clg_tensor_ref(clg_empty(s->ctx, ndim, shape));
  clg_scope_close(scope);
  if (s->m->spec.classes) {
    clg_tensor_unref(&s->labels);
    s->labels = clg_tensor_create_i32(s->ctx, 1, &batch, labels);
    if (!s->labels) return false;
  }
  return s->real && clg_tensor_write_async(s->real, images) == CLG_OK;
}

static bool learn_real(step *s, const float *images, const int32_t *labels) {
  clg_set_phase(s->ctx, "D real forward");
  if (!upload(s, images, labels)) return false;
  clg_scope *scope = clg_scope_open(s->ctx);
  clg_tensor *err_real = gan_loss(s->m, gan_judge(s->m, s->real, s->labels), true);
  clg_set_phase(s->ctx, "D real backward");
  look(s, "before D's backward of the real batch", err_real);
  bool ok = backward(s, err_real) == CLG_OK && clg_tensor_read_async(err_real, &s->losses[0]) == CLG_OK;
  ok = clg_scope_close(scope) == CLG_OK && ok;
  if (!has_penalty(s)) clg_tensor_unref(&s->real);
  return ok;
}

static bool make_noise(step *s, const float *given) {
  const int64_t shape[] = {s->m->spec.batch, s->m->spec.nz};
  clg_set_phase(s->ctx, "G forward");
  clg_tensor_unref(&s->z);
  s->z = given ? clg_tensor_create(s->ctx, 2, shape, given) : clg_tensor_ref(clg_randn(s->ctx, 2, shape));
  return s->z;
}

static bool generate(step *s, bool with_graph) {
  clg_set_phase(s->ctx, "G forward");
  clg_tensor_unref(&s->fake);
  clg_scope *scope = clg_scope_open(s->ctx);
  bool before = clg_set_grad_mode(s->ctx, with_graph);
  clg_tensor *fake = gan_generate(s->m, s->z, s->labels);
  clg_set_grad_mode(s->ctx, before);
  if (fake) s->fake = clg_tensor_ref(fake);
  return clg_scope_close(scope) == CLG_OK && s->fake;
}

/* [loop */
static bool learn_fake(step *s) {
  clg_set_phase(s->ctx, "D fake forward");
  clg_tensor_unref(&s->m->err_fake); /* the name is about to stand for this step's loss */
  clg_tensor_unref(&s->out_fake);
  clg_scope *scope = clg_scope_open(s->ctx);
  clg_tensor *shown = fake_for_d(s), *out = gan_judge(s->m, shown, s->labels);
  clg_tensor *err_fake = gan_loss(s->m, out, false);
  clg_set_phase(s->ctx, "D fake backward");
  look(s, "before D's backward of the fake batch", err_fake);
  if (!has_penalty(s)) announce(s, false);
  bool ok = backward_fake(s, err_fake) == CLG_OK && clg_tensor_read_async(err_fake, &s->losses[1]) == CLG_OK;
  look(s, "behind D's backward of the fake batch", err_fake);
  look(s, "behind it: the graph of the fakes", s->fake);
  if (ok) s->m->err_fake = clg_tensor_ref(err_fake);
  if (ok && s->how->stale) s->out_fake = clg_tensor_ref(out);
  if (ok && s->serves_g) ok = take_from_d(s, shown, out);
  return clg_scope_close(scope) == CLG_OK && ok;
}
/* loop] */

static bool learn_penalty(step *s) {
  clg_set_phase(s->ctx, "D penalty forward");
  clg_scope *scope = clg_scope_open(s->ctx);
  clg_tensor *penalty = gradient_penalty(s->m, s->real, s->fake, s->labels);
  clg_set_phase(s->ctx, "D penalty backward");
  look(s, "before the penalty's backward", penalty);
  announce(s, false);
  bool ok = backward(s, penalty) == CLG_OK;
  clg_tensor_unref(&s->real);
  return clg_scope_close(scope) == CLG_OK && ok;
}

static bool update(step *s, const char *phase, clg_optim *optimizer) {
  clg_set_phase(s->ctx, phase);
  return clg_optim_step(optimizer) == CLG_OK;
}

/* [loop */
static bool learn_both(step *s, feed_batches batch) {
  if (!learn_real(s, batch.images, batch.labels)) return false;
  if (!make_noise(s, batch.noise) || !generate(s, !s->how->no_grad)) return false;
  if (!learn_fake(s)) return false;
  return !has_penalty(s) || learn_penalty(s);
}

static bool learn_discriminator(step *s, feed_batches batch) {
  clg_optim_zero_grad(s->m->opt_d);
  return learn_both(s, batch) && update(s, "D step", s->m->opt_d);
}

/* one_stage: the rest of the chain rule, behind D. */
static bool learn_generator_from_d(step *s) {
  clg_set_phase(s->ctx, "G backward");
  look(s, "before G's backward", s->fake);
  announce(s, true);
  clg_backward_options how = clg_backward_defaults();
  how.grad = s->fake_gradient;
  return clg_backward(s->fake, &how) == CLG_OK;
}

static bool learn_generator(step *s) {
  clg_set_phase(s->ctx, "G: D forward");
  if (s->how->frozen) gan_freeze_d(s->m, true);
  clg_scope *scope = clg_scope_open(s->ctx);
  clg_tensor *err_g = gan_loss(s->m, output_for_g(s), true);
  clg_set_phase(s->ctx, "G backward");
  look(s, "before G's backward", err_g);
  bool ok = clg_tensor_read_async(err_g, &s->losses[2]) == CLG_OK;
  announce(s, true);
  ok = ok && backward(s, err_g) == CLG_OK;
  ok = clg_scope_close(scope) == CLG_OK && ok;
  if (s->how->frozen) gan_freeze_d(s->m, false);
  return ok;
}
/* loop] */

/* [loop */
static bool learn_g(step *s) {
  if (s->how->again && !generate(s, true)) return false;
  return s->how->from_d ? learn_generator_from_d(s) : learn_generator(s);
}
/* loop] */

/* The i-th of a step's batches. */
static feed_batches batch_of(const model_spec *spec, feed_batches all, int i) {
  int64_t at = i * spec->batch;
  return (feed_batches){.images = all.images + at * model_features(spec),
                        .labels = all.labels ? all.labels + at : NULL,
                        .noise = all.noise ? all.noise + at * spec->nz : NULL};
}

/* [loop */
static bool run_loop_body(step *s, feed_batches batches) {
  const model_spec *spec = &s->m->spec;
  if (s->how->zero_top) clg_optim_zero_grad(s->m->opt_g);
  for (int i = 0; i < spec->critic_steps; i++) {
    clg_scope *scope = clg_scope_open(s->ctx);
    s->serves_g = s->how->from_d && i + 1 == spec->critic_steps;
    bool ok = learn_discriminator(s, batch_of(spec, batches, i));
    if (clg_scope_close(scope) != CLG_OK || !ok) return false;
  }
  if (!s->how->zero_top) clg_optim_zero_grad(s->m->opt_g);
  return learn_g(s) && update(s, "G step", s->m->opt_g);
}
/* loop] */

/* ---- a step, and its parts for shards.c ---- */

step step_begin(gan *m, variant v, float *losses) {
  return (step){.m = m, .ctx = m->ctx, .how = &manners[v], .losses = losses};
}

void step_end(step *s) {
  clg_tensor **mine[] = {&s->z, &s->real, &s->labels, &s->fake, &s->out_fake, &s->fake_gradient};
  for (size_t i = 0; i < sizeof mine / sizeof *mine; i++) clg_tensor_unref(mine[i]);
}

bool step_learn_d(step *s, feed_batches batches, int i, bool last) {
  s->serves_g = s->how->from_d && last;
  return learn_both(s, batch_of(&s->m->spec, batches, i));
}

bool step_learn_g(step *s) { return learn_g(s); }
bool step_update(step *s, const char *phase, clg_optim *optimizer) { return update(s, phase, optimizer); }
bool step_zeroes_top(variant v) { return manners[v].zero_top; }

clg_status step_close(gan *m, clg_scope *scope, bool ok) {
  clg_status closed = clg_scope_close(scope);
  if (ok || closed != CLG_OK) return closed;
  return clg_last_status(m->ctx) != CLG_OK ? clg_last_status(m->ctx) : CLG_ERR_STATE;
}

clg_status gan_step(gan *m, variant v, feed_batches batches, uint64_t noise_seed, float losses[3]) {
  step s = step_begin(m, v, losses);
  clg_scope *scope = clg_scope_open(m->ctx);
  clg_set_seed(m->ctx, noise_seed, 0);
  bool ok = run_loop_body(&s, batches);
  step_end(&s);
  return step_close(m, scope, ok);
}
