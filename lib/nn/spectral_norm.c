/* Spectral norm of a layer's weight, as torch.nn.utils.spectral_norm: the weight divided by its largest singular value,
 * which one step of power iteration a forward estimates. */
#include "nn/module.h"

static const char op[] = "spectral_norm";

#define EPS 1e-12f

static clg_tensor *normalise(clg_tensor *x) { return clg_div(x, clg_clamp_min(clg_norm(x, 2, NULL, 0, false), EPS)); }

/* w [h,k], v [k] -> [h] */
static clg_tensor *times(clg_tensor *w, clg_tensor *v) {
  clg_tensor *column = v ? clg_reshape(v, 2, (int64_t[]){-1, 1}) : NULL;
  return clg_reshape(clg_matmul(w, column), 1, (int64_t[]){-1});
}

/* The next u and v. The buffers get copies: the graph keeps these, the next forward changes the buffers in place. */
static bool iterate(clg_module *m, clg_tensor *w, clg_tensor **u, clg_tensor **v) {
  bool mode = clg_set_grad_mode(m->ctx, false);
  *v = normalise(times(clg_transpose(w, 0, 1), *u));
  *u = normalise(times(w, *v));
  bool ok = *u && *v && clg_copy_(m->buffer[0].tensor, *u) == CLG_OK && clg_copy_(m->buffer[1].tensor, *v) == CLG_OK;
  clg_set_grad_mode(m->ctx, mode);
  return ok;
}

clg_tensor *clg_module_weight(clg_module *m) {
  clg_tensor *weight = m->param[0].tensor;
  if (!m->spectral) return weight;
  clg_tensor *u = m->buffer[0].tensor, *v = m->buffer[1].tensor;
  clg_tensor *w = clg_reshape(weight, 2, (int64_t[]){m->param[0].shape[0], -1});
  if (!w || (m->training && !clg_recomputing(m->ctx) && !iterate(m, w, &u, &v))) return NULL;
  clg_tensor *sigma = clg_sum(clg_mul(u, times(w, v)), NULL, 0, false);
  return clg_div(weight, sigma);
}

static clg_status make_vector(clg_module *m, const char *name, int64_t size) {
  clg_param *b = &m->buffer[m->n_buffers++];
  *b = (clg_param){.name = name, .ndim = 1, .shape = {size}};
  b->tensor = clg_tensor_new(m->ctx, 1, &size, CLG_ROLE_PARAMETER, name);
  clg_scope *scope = clg_scope_open(m->ctx);
  bool mode = clg_set_grad_mode(m->ctx, false);
  clg_status s = b->tensor ? clg_copy_(b->tensor, normalise(clg_randn(m->ctx, 1, &size))) : clg_last_status(m->ctx);
  clg_set_grad_mode(m->ctx, mode);
  clg_status closed = clg_scope_close(scope);
  if (s == CLG_OK) b->tensor->storage->version = 0;
  return s == CLG_OK ? closed : s;
}

clg_module *clg_spectral_norm(clg_module *layer) {
  if (!layer) return NULL;
  const clg_param *w = &layer->param[0];
  const char *why = NULL;
  if (!layer->cls->spectral)
    why = "only a Linear or a Conv2d can have it";
  else if (layer->spectral)
    why = "the layer has it already";
  else if (layer->owner || w->tensor)
    why = "it must come before the layer is used or in a module";
  clg_status s = why ? clg_fail(layer->ctx, CLG_ERR_ARGUMENT, op, "%s: %s", layer->cls->name, why) : CLG_OK;
  int64_t behind = 1;
  for (int d = 1; d < w->ndim; d++) behind *= w->shape[d];
  if (s == CLG_OK) s = make_vector(layer, "weight_u", w->shape[0]);
  if (s == CLG_OK) s = make_vector(layer, "weight_v", behind);
  if (s != CLG_OK) {
    clg_module_unref(&layer);
    return NULL;
  }
  layer->param[0].name = "weight_orig";
  layer->spectral = true;
  return layer;
}
