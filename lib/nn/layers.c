/* The layers: what they ask for and what they run. */
#include "nn/module.h"
#include <math.h>

static clg_tensor *linear_forward(clg_module *m, clg_tensor *x) {
  return clg_linear(x, clg_module_weight(m), m->n_params > 1 ? m->param[1].tensor : NULL);
}
static clg_tensor *linear_act(clg_module *m, clg_tensor *x, clg_activation act, float slope) {
  return clg_linear_act(x, clg_module_weight(m), m->n_params > 1 ? m->param[1].tensor : NULL, act, slope);
}
static const clg_module_class linear_class = {
    .name = "linear", .forward = linear_forward, .forward_act = linear_act, .spectral = true};

clg_module *clg_linear_create(clg_context *ctx, int64_t in, int64_t out, bool bias) {
  if (ctx && (in < 1 || out < 1 || in > INT32_MAX / out))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "linear", "a layer from %lld to %lld is not possible", (long long)in,
                           (long long)out);
  clg_module *m = clg_module_create(ctx, &linear_class);
  if (!m) return NULL;
  float bound = (float)(1.0 / sqrt((double)in));
  m->param[0] = (clg_param){.name = "weight", .ndim = 2, .shape = {out, in}, .bound = bound};
  m->param[1] = (clg_param){.name = "bias", .ndim = 1, .shape = {out}, .bound = bound};
  m->n_params = bias ? 2 : 1;
  return m;
}

static clg_tensor *layer_norm_forward(clg_module *m, clg_tensor *x) {
  return clg_layer_norm(x, m->param[0].tensor, m->param[1].tensor, m->number);
}
static clg_tensor *layer_norm_act(clg_module *m, clg_tensor *x, clg_activation act, float slope) {
  return clg_layer_norm_act(x, m->param[0].tensor, m->param[1].tensor, m->number, act, slope);
}
static const clg_module_class layer_norm_class = {
    .name = "layer_norm", .forward = layer_norm_forward, .forward_act = layer_norm_act};

clg_module *clg_layer_norm_create(clg_context *ctx, int64_t size, float eps) {
  if (ctx && (size < 1 || !(eps >= 0)))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "layer_norm", "size must be positive and eps not negative");
  clg_module *m = clg_module_create(ctx, &layer_norm_class);
  if (!m) return NULL;
  m->number = eps;
  m->param[0] = (clg_param){.name = "weight", .ndim = 1, .shape = {size}, .value = 1};
  m->param[1] = (clg_param){.name = "bias", .ndim = 1, .shape = {size}};
  m->n_params = 2;
  return m;
}

static clg_tensor *activation_forward(clg_module *m, clg_tensor *x) { return clg_activate(x, m->act, m->number); }
const clg_module_class clg_activation_class = {.name = "activation", .forward = activation_forward};

clg_module *clg_activation_create(clg_context *ctx, clg_activation act, float slope) {
  if (ctx && (act < CLG_ACT_NONE || act > CLG_ACT_SOFTPLUS))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "activation", "there is no activation number %d", (int)act);
  clg_module *m = clg_module_create(ctx, &clg_activation_class);
  if (!m) return NULL;
  m->act = act;
  m->number = slope;
  return m;
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

static clg_tensor *dropout_forward(clg_module *m, clg_tensor *x) { return clg_dropout(x, m->number, m->training); }
static const clg_module_class dropout_class = {.name = "dropout", .forward = dropout_forward};

clg_module *clg_dropout_create(clg_context *ctx, float p) {
  if (ctx && !(p >= 0 && p <= 1)) return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "dropout", "p must be in [0, 1]");
  clg_module *m = clg_module_create(ctx, &dropout_class);
  if (m) m->number = p;
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
