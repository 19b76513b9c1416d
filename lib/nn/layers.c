/* The layers: what they ask for and what they run. */
#include "nn/module.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static clg_tensor *linear_forward(clg_module *m, clg_tensor *x) {
  return clg_linear(x, clg_module_weight(m), m->n_params > 1 ? m->param[1].tensor : NULL);
}
static clg_tensor *linear_act(clg_module *m, clg_tensor *x, clg_activation act, float slope) {
  return clg_linear_act(x, clg_module_weight(m), m->n_params > 1 ? m->param[1].tensor : NULL, act, slope);
}
static const clg_module_class linear_class = {
    .name = "linear", .forward = linear_forward, .forward_act = linear_act, .spectral = true};

clg_module *clg_linear_create(clg_context *ctx, int64_t in, int64_t out, bool bias) {
  if (ctx && (in < 1 || out < 1 || in > INT32_MAX / out)) {
    clg_fail(ctx, CLG_ERR_ARGUMENT, "linear", "a layer from %lld to %lld is not possible", (long long)in,
             (long long)out);
    return NULL;
  }
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
    return clg_fail(ctx, CLG_ERR_ARGUMENT, "layer_norm", "size must be positive and eps not negative"), NULL;
  clg_module *m = clg_module_create(ctx, &layer_norm_class);
  if (!m) return NULL;
  m->number = eps;
  m->param[0] = (clg_param){.name = "weight", .ndim = 1, .shape = {size}, .value = 1};
  m->param[1] = (clg_param){.name = "bias", .ndim = 1, .shape = {size}};
  m->n_params = 2;
  return m;
}

static clg_tensor *activation_forward(clg_module *m, clg_tensor *x) { return clg_activate(x, m->act, m->number); }
static const clg_module_class activation_class = {.name = "activation", .forward = activation_forward};

clg_module *clg_activation_create(clg_context *ctx, clg_activation act, float slope) {
  if (ctx && (act < CLG_ACT_NONE || act > CLG_ACT_SOFTPLUS))
    return clg_fail(ctx, CLG_ERR_ARGUMENT, "activation", "there is no activation number %d", (int)act), NULL;
  clg_module *m = clg_module_create(ctx, &activation_class);
  if (!m) return NULL;
  m->act = act;
  m->number = slope;
  return m;
}

static clg_tensor *embedding_forward(clg_module *m, clg_tensor *x) { return clg_embedding(m->param[0].tensor, x, -1); }
static const clg_module_class embedding_class = {.name = "embedding", .forward = embedding_forward};

clg_module *clg_embedding_create(clg_context *ctx, int64_t n, int64_t size) {
  if (ctx && (n < 1 || size < 1 || n > INT32_MAX / size))
    return clg_fail(ctx, CLG_ERR_ARGUMENT, "embedding", "%lld rows of %lld are not possible", (long long)n,
                    (long long)size),
           NULL;
  clg_module *m = clg_module_create(ctx, &embedding_class);
  if (!m) return NULL;
  m->param[0] = (clg_param){.name = "weight", .ndim = 2, .shape = {n, size}, .deviation = 1};
  m->n_params = 1;
  return m;
}

static clg_tensor *dropout_forward(clg_module *m, clg_tensor *x) { return clg_dropout(x, m->number, m->train); }
static const clg_module_class dropout_class = {.name = "dropout", .forward = dropout_forward};

clg_module *clg_dropout_create(clg_context *ctx, float p) {
  if (ctx && !(p >= 0 && p <= 1)) return clg_fail(ctx, CLG_ERR_ARGUMENT, "dropout", "p must be in [0, 1]"), NULL;
  clg_module *m = clg_module_create(ctx, &dropout_class);
  if (m) m->number = p;
  return m;
}

static clg_tensor *flatten_forward(clg_module *m, clg_tensor *x) {
  if (x->ndim < 2) return clg_fail(m->ctx, CLG_ERR_SHAPE, "flatten", "the input needs at least 2 dimensions"), NULL;
  int64_t rest = 1;
  for (int d = 1; d < x->ndim; d++) rest *= x->shape[d];
  return clg_reshape(x, 2, (int64_t[]){x->shape[0], rest});
}
static const clg_module_class flatten_class = {.name = "flatten", .forward = flatten_forward};
clg_module *clg_flatten_create(clg_context *ctx) { return clg_module_create(ctx, &flatten_class); }

/* A layer that can takes the activation behind it into its kernel. */
bool clg_sequential_fuses(const clg_module *m, size_t i) {
  return i + 1 < m->n_layers && m->layer[i]->cls->forward_act && m->layer[i + 1]->cls == &activation_class;
}

static clg_tensor *run_layer(clg_module *m, size_t *i, clg_tensor *x) {
  clg_module *l = m->layer[*i];
  if (!clg_sequential_fuses(m, *i)) return clg_module_run(l, x);
  const clg_module *next = m->layer[++*i];
  return l->cls->forward_act(l, x, next->act, next->number);
}

/* Between layers only the running result is held: what nobody saved is gone before the next layer allocates. */
clg_tensor *clg_sequential_run(clg_module *m, size_t from, size_t to, clg_tensor *x) {
  clg_tensor *now = clg_tensor_ref(x);
  for (size_t i = from; now && i < to; i++) {
    clg_scope *scope = clg_scope_open(m->ctx);
    clg_tensor *y = clg_scope_opened(scope) ? clg_tensor_ref(run_layer(m, &i, now)) : NULL;
    clg_scope_close(scope);
    clg_tensor_unref(&now);
    now = y;
  }
  return clg_result(now);
}

static clg_tensor *sequential_forward(clg_module *m, clg_tensor *x) {
  return m->segment ? clg_sequential_checkpointed(m, x) : clg_sequential_run(m, 0, m->n_layers, x);
}
const clg_module_class clg_sequential_class = {.name = "sequential", .forward = sequential_forward};

/* The layers of a call that failed. One in a module is not ours to free; one that is given twice has one reference. */
static void drop(clg_module *const *layers, size_t n) {
  for (size_t i = 0; layers && i < n; i++) {
    clg_module *l = layers[i];
    bool again = false;
    for (size_t k = 0; k < i; k++) again = again || layers[k] == l;
    if (l && !again && !l->owner) clg_module_unref(&l);
  }
}

/* Takes layers until one cannot be had: then none. A layer has its owner at once, so that it is seen the second time.
 */
static bool take(clg_module *m, clg_module *const *layers, size_t n) {
  for (size_t i = 0; i < n; i++) {
    clg_module *l = layers[i];
    if (l && l->ctx == m->ctx && !l->owner) {
      l->owner = m;
      m->layer[m->n_layers++] = l;
      continue;
    }
    while (m->n_layers) m->layer[--m->n_layers]->owner = NULL;
    if (!m->ctx->error.status)
      clg_fail(m->ctx, CLG_ERR_ARGUMENT, "sequential",
               "layer %zu is missing, of another context, in a module already, or given twice", i);
    return false;
  }
  return true;
}

clg_module *clg_sequential_create(clg_context *ctx, clg_module *const *layers, size_t n) {
  if (ctx && n && !layers) return clg_fail(ctx, CLG_ERR_ARGUMENT, "sequential", "there is no list of layers"), NULL;
  clg_module *m = clg_module_create(ctx, &clg_sequential_class);
  if (m && n && !(m->layer = calloc(n, sizeof *m->layer))) {
    clg_fail(ctx, CLG_ERR_HOST_MEMORY, "sequential", "out of host memory");
    clg_module_unref(&m);
  }
  if (m && !take(m, layers, n)) clg_module_unref(&m);
  if (!m) drop(layers, n);
  return m;
}
