/* The GAN step in its variants, in the order of the folder's README. */
#include "replay.h"

static clg_tensor *batch_of(replay *r, const record *all) {
  record row;
  return record_row(r->g, all, r->step, &row) ? record_tensor(r->g, &row) : NULL;
}

/* The loss of D's output against one label, kept in the row of this step. */
static clg_tensor *loss_of(replay *r, clg_tensor *output, float label, int column) {
  if (!output) return NULL;
  clg_tensor *target = clg_full(r->g->ctx, clg_tensor_ndim(output), clg_tensor_shape(output), label);
  clg_tensor *loss = r->loss(output, target, NULL);
  if (loss) r->losses[3 * r->step + (size_t)column] = clg_tensor_item(loss);
  return loss;
}

static clg_tensor *step_d(replay *r, clg_tensor *real, clg_tensor *z) {
  const variant *v = r->v;
  clg_backward_options options = clg_backward_defaults();
  clg_optim_zero_grad(r->opt_d);
  if (v->zero_top) clg_optim_zero_grad(r->opt_g);
  clg_backward(loss_of(r, clg_forward(r->D, real), 1, 0), NULL);
  replay_point(r, "D_grad_after_real", r->D, NULL);
  if (v->no_grad) clg_set_grad_mode(r->g->ctx, false);
  clg_tensor *fake = clg_forward(r->G, z);
  clg_set_grad_mode(r->g->ctx, true);
  replay_point(r, "fake", NULL, fake);
  options.retain_graph = v->retain;
  clg_backward(loss_of(r, clg_forward(r->D, v->detach ? clg_detach(fake) : fake), 0, 1), &options);
  replay_point(r, "D_grad_after_fake", r->D, NULL);
  replay_point(r, "G_grad_after_errD_fake", r->G, NULL);
  clg_optim_step(r->opt_d);
  return fake;
}

static void step_g(replay *r, clg_tensor *fake, clg_tensor *z, clg_tensor *z_fresh) {
  const variant *v = r->v;
  if (v->again) fake = clg_forward(r->G, v->fresh ? z_fresh : z);
  if (!v->zero_top) clg_optim_zero_grad(r->opt_g);
  if (v->frozen) clg_module_set_requires_grad(r->D, false);
  clg_backward(loss_of(r, clg_forward(r->D, fake), 1, 2), NULL);
  if (v->frozen) clg_module_set_requires_grad(r->D, true);
  /* The stored gradient belongs to the same noise and to gradients that started at none. */
  if (!v->fresh && !v->zero_top) replay_point(r, "G_grad", r->G, NULL);
  replay_point(r, "D_grad_after_errG", r->D, NULL);
  clg_optim_step(r->opt_g);
}

bool replay_step(replay *r) {
  clg_tensor *real = batch_of(r, &r->real), *z = batch_of(r, &r->z);
  clg_tensor *z_fresh = r->v->fresh ? batch_of(r, &r->z_fresh) : NULL;
  bool ok = real && z && (z_fresh || !r->v->fresh);
  if (ok) {
    clg_scope *scope = clg_scope_open(r->g->ctx);
    clg_tensor *fake = step_d(r, real, z);
    step_g(r, fake, z, z_fresh);
    if (clg_scope_close(scope) != CLG_OK) ok = golden_clg_error(r->g);
  }
  clg_tensor_unref(&real);
  clg_tensor_unref(&z);
  clg_tensor_unref(&z_fresh);
  return ok;
}

bool replay_naive_fails(replay *r) {
  clg_tensor *z = batch_of(r, &r->z);
  if (!z) return false;
  clg_scope *scope = clg_scope_open(r->g->ctx);
  clg_tensor *fake = clg_forward(r->G, z);
  clg_status first = clg_backward(loss_of(r, clg_forward(r->D, fake), 0, 1), NULL);
  clg_status second = clg_backward(loss_of(r, clg_forward(r->D, fake), 1, 2), NULL);
  clg_scope_close(scope);
  clg_tensor_unref(&z);
  if (first != CLG_OK) return golden_clg_error(r->g);
  clg_clear_error(r->g->ctx);
  return second == CLG_ERR_GRAPH ? true : golden_error(r->g, "the second backward is not refused");
}
