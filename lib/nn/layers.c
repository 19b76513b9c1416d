/* The layers: what they ask for and what they run. */
#include "nn/module.h"
#include <math.h>

static clg_tensor *linear_forward(clg_module *m, clg_tensor *x, clg_act act) {
  return clg_linear(x, clg_module_weight(m), m->n_params > 1 ? m->param[1].tensor : NULL, &(clg_linear_options){act});
}
static const clg_module_class linear_class = {.name = "linear", .forward_act = linear_forward, .spectral = true};

clg_module *clg_linear_create(clg_context *ctx, int64_t in, int64_t out, bool bias, const clg_linear_options *options) {
  if (ctx && (in < 1 || out < 1 || in > INT32_MAX / out))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "linear", "a layer from %lld to %lld is not possible", (long long)in,
                           (long long)out);
  clg_module *m = clg_module_create(ctx, &linear_class);
  if (!m || (options && !clg_module_take_act(&m, options->act))) return NULL;
  float bound = (float)(1.0 / sqrt((double)in));
  m->param[0] = (clg_param){.name = "weight", .ndim = 2, .shape = {out, in}, .bound = bound};
  m->param[1] = (clg_param){.name = "bias", .ndim = 1, .shape = {out}, .bound = bound};
  m->n_params = bias ? 2 : 1;
  return m;
}

static clg_tensor *layer_norm_forward(clg_module *m, clg_tensor *x, clg_act act) {
  return clg_layer_norm(x, m->param[0].tensor, m->param[1].tensor, &(clg_norm_options){m->eps, act});
}
static const clg_module_class layer_norm_class = {.name = "layer_norm", .forward_act = layer_norm_forward};

clg_module *clg_layer_norm_create(clg_context *ctx, int64_t size, const clg_norm_options *options) {
  const clg_norm_options usual = clg_norm_defaults(), *o = options ? options : &usual;
  if (ctx && (size < 1 || !(o->eps >= 0)))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "layer_norm", "size must be positive and eps not negative");
  clg_module *m = clg_module_create(ctx, &layer_norm_class);
  if (!m || !clg_module_take_act(&m, o->act)) return NULL;
  m->eps = o->eps;
  m->param[0] = (clg_param){.name = "weight", .ndim = 1, .shape = {size}, .value = 1};
  m->param[1] = (clg_param){.name = "bias", .ndim = 1, .shape = {size}};
  m->n_params = 2;
  return m;
}

static clg_tensor *activation_forward(clg_module *m, clg_tensor *x) { return clg_activate(x, m->act); }
const clg_module_class clg_activation_class = {.name = "activation", .forward = activation_forward};

clg_module *clg_activation_create(clg_context *ctx, clg_act act) {
  clg_module *m = clg_module_create(ctx, &clg_activation_class);
  return m && clg_module_take_act(&m, act) ? m : NULL;
}

static clg_tensor *embedding_forward(clg_module *m, clg_tensor *x) { return clg_embedding(m->param[0].tensor, x, -1); }
static const clg_module_class embedding_class = {.name = "embedding", .forward = embedding_forward};

clg_module *clg_embedding_create(clg_context *ctx, int64_t n, int64_t size) {
  if (ctx && (n < 1 || size < 1 || n > INT32_MAX / size))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "embedding", "%lld rows of %lld are not possible", (long long)n,
                           (long long)size);
  clg_module *m = clg_module_create(ctx, &embedding_class);
  if (!m) return NULL;
  m->param[0] = (clg_param){.name = "weight", .ndim = 2, .shape = {n, size}, .deviation = 1};
  m->n_params = 1;
  return m;
}

static clg_tensor *dropout_forward(clg_module *m, clg_tensor *x) { return clg_dropout(x, m->options.p, m->training); }
static const clg_module_class dropout_class = {.name = "dropout", .forward = dropout_forward};

clg_module *clg_dropout_create(clg_context *ctx, float p) {
  if (ctx && !(p >= 0 && p <= 1)) return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "dropout", "p must be in [0, 1]");
  clg_module *m = clg_module_create(ctx, &dropout_class);
  if (m) m->options.p = p;
  return m;
}

static clg_tensor *flatten_forward(clg_module *m, clg_tensor *x) {
  if (x->ndim < 2) return clg_fail_object(m->ctx, CLG_ERR_SHAPE, "flatten", "the input needs at least 2 dimensions");
  int64_t rest = 1;
  for (int d = 1; d < x->ndim; d++) rest *= x->shape[d];
  return clg_reshape(x, 2, (int64_t[]){x->shape[0], rest});
}
static const clg_module_class flatten_class = {.name = "flatten", .forward = flatten_forward};
clg_module *clg_flatten_create(clg_context *ctx) { return clg_module_create(ctx, &flatten_class); }
