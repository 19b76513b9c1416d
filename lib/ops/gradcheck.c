/* Gradients against finite differences. What is differentiated is a number: f's result, or at second order its
 * gradients, times fixed weights and summed (on the host in double, to keep what float32 has of the differences). */
#include "graph/graph.h"
#include <clgrad/custom.h>
#include <clgrad/ops.h>
#include <math.h>
#include <stdlib.h>

typedef struct check {
  clg_context *ctx;
  clg_function f;
  void *user;
  clg_tensor *const *in;
  size_t n;
  clg_gradcheck_options o;
  uint64_t seed, position;
} check;

/* In (-1.5, -0.5) or (0.5, 1.5), the same each time. */
static float weight(size_t tensor, int64_t i) {
  uint32_t h = ((uint32_t)i + 1) * 2654435761u ^ ((uint32_t)tensor + 1) * 2246822519u;
  h ^= h >> 15, h *= 2654435761u, h ^= h >> 13;
  float w = 0.5f + (float)(h >> 8) / 16777216;
  return h & 1 ? w : -w;
}

static float *host_of(clg_context *ctx, int64_t n) {
  float *p = malloc((size_t)(n ? n : 1) * sizeof *p);
  if (!p) clg_fail(ctx, CLG_ERR_HOST_MEMORY, "gradcheck", "out of host memory");
  return p;
}

static clg_tensor *weights_of(const clg_tensor *t, size_t number) {
  float *w = host_of(t->ctx, t->numel);
  for (int64_t i = 0; w && i < t->numel; i++) w[i] = weight(number, i);
  clg_tensor *c = w ? clg_result(clg_tensor_create(t->ctx, t->ndim, t->shape, w)) : NULL;
  free(w);
  return c;
}

static clg_status add_weighted(const clg_tensor *t, size_t number, double *sum) {
  float *v = host_of(t->ctx, t->numel);
  clg_status s = v ? clg_tensor_read(t, v) : CLG_ERR_HOST_MEMORY;
  for (int64_t i = 0; s == CLG_OK && i < t->numel; i++) *sum += (double)weight(number, i) * (double)v[i];
  free(v);
  return s;
}

static clg_tensor *run(const check *c) {
  clg_set_seed(c->ctx, c->seed, c->position);
  clg_tensor *y = c->f(c->user, c->in, c->n);
  if (!y && c->ctx->error.status == CLG_OK) clg_fail(c->ctx, CLG_ERR_GRAPH, "gradcheck", "the function gave no result");
  return y;
}

/* d sum(grad * y) / d in[i] (grad NULL: of a one-element y), NULL where y does not depend on it; in the scope that is
 * open. */
static clg_status gradients(const check *c, clg_tensor *y, clg_tensor *grad, bool create, clg_tensor **g) {
  const clg_backward_options o = {.grad = grad, .create_graph = create, .allow_unused = true};
  clg_tensor **list = calloc(c->n, sizeof *list);
  if (!list) return clg_fail(c->ctx, CLG_ERR_HOST_MEMORY, "gradcheck", "out of host memory");
  size_t n = 0;
  for (size_t i = 0; i < c->n; i++)
    if (c->in[i]->requires_grad) list[n++] = c->in[i];
  clg_status s = y->requires_grad ? clg_grad(y, list, n, g, &o) : CLG_OK;
  for (size_t i = c->n; s == CLG_OK && i-- > 0;) g[i] = c->in[i]->requires_grad ? g[--n] : NULL;
  free(list);
  return s;
}

/* The weighted gradients of y, whose gradients are wanted in turn. */
static clg_status second(const check *c, clg_tensor *y, clg_tensor *w, clg_tensor **g, clg_tensor **analytic) {
  clg_status s = gradients(c, y, w, true, g);
  clg_tensor *sum = NULL;
  for (size_t i = 0; s == CLG_OK && i < c->n; i++) {
    if (!g[i] || !g[i]->requires_grad) continue; /* a constant */
    clg_tensor *part = clg_sum(clg_mul(g[i], weights_of(g[i], i + 1)), NULL, 0, false);
    sum = sum ? clg_add(sum, part) : part;
    if (!sum) s = clg_last_status(c->ctx);
  }
  return s == CLG_OK && sum ? gradients(c, sum, NULL, false, analytic) : s;
}

/* The number that is differentiated at this order or, with `analytic`, its gradients by backward. */
static clg_status value(const check *c, int order, double *number, clg_tensor **analytic) {
  clg_tensor *y = run(c), *w = y ? weights_of(y, 0) : NULL;
  clg_tensor **g = w ? calloc(c->n, sizeof *g) : NULL;
  if (!g) return clg_last_status(c->ctx) == CLG_OK ? CLG_ERR_HOST_MEMORY : clg_last_status(c->ctx);
  clg_status s = CLG_OK;
  if (analytic) {
    s = order == 1 ? gradients(c, y, w, false, analytic) : second(c, y, w, g, analytic);
  } else if (order == 1) {
    s = add_weighted(y, 0, number);
  } else {
    s = gradients(c, y, w, false, g);
    for (size_t i = 0; s == CLG_OK && i < c->n; i++)
      if (g[i]) s = add_weighted(g[i], i + 1, number);
  }
  free(g);
  return s;
}

/* In a scope of its own; a's arrays are filled by element. */
static clg_status analytic_on_host(const check *c, int order, float **a) {
  clg_scope *scope = clg_scope_open(c->ctx);
  clg_tensor **g = calloc(c->n, sizeof *g);
  clg_status s = g ? value(c, order, NULL, g) : CLG_ERR_HOST_MEMORY;
  for (size_t i = 0; s == CLG_OK && i < c->n; i++) {
    if (!c->in[i]->requires_grad) continue;
    a[i] = host_of(c->ctx, c->in[i]->numel);
    if (!a[i])
      s = CLG_ERR_HOST_MEMORY;
    else if (g[i])
      s = clg_tensor_read(g[i], a[i]);
    else
      for (int64_t k = 0; k < c->in[i]->numel; k++) a[i][k] = 0;
  }
  free(g);
  clg_status closed = clg_scope_close(scope);
  return s == CLG_OK ? closed : s;
}

static clg_status put(const clg_tensor *t, const float *x) {
  bool mode = clg_set_grad_mode(t->ctx, false);
  clg_status s = clg_tensor_write((clg_tensor *)t, x);
  clg_set_grad_mode(t->ctx, mode);
  return s;
}

/* By five points: (8(f(h) - f(-h)) - (f(2h) - f(-2h)))/12h. */
static clg_status differences(const check *c, int order, size_t i, float *x, int64_t k, double *d) {
  static const int at[] = {1, -1, 2, -2}, factor[] = {8, -8, -1, 1};
  const float from = x[k];
  clg_status s = CLG_OK;
  *d = 0;
  for (int p = 0; s == CLG_OK && p < 4; p++) {
    double v = 0;
    x[k] = from + (float)at[p] * c->o.step;
    s = put(c->in[i], x);
    clg_scope *scope = s == CLG_OK ? clg_scope_open(c->ctx) : NULL;
    if (s == CLG_OK) s = value(c, order, &v, NULL);
    clg_status closed = clg_scope_close(scope);
    if (s == CLG_OK) s = closed;
    *d += factor[p] * v / (12 * (double)c->o.step);
  }
  x[k] = from;
  return s;
}

static clg_status compare(const check *c, int order, size_t i, const float *analytic) {
  const clg_tensor *t = c->in[i];
  float *x = host_of(c->ctx, t->numel);
  clg_status s = x ? clg_tensor_read(t, x) : CLG_ERR_HOST_MEMORY;
  for (int64_t k = 0; s == CLG_OK && k < t->numel; k++) {
    double d;
    s = differences(c, order, i, x, k, &d);
    if (s == CLG_OK && !(fabs((double)analytic[k] - d) <= (double)c->o.atol + (double)c->o.rtol * fabs(d)))
      s = clg_fail(c->ctx, CLG_ERR_GRAPH, "gradcheck",
                   "input %zu, element %lld, order %d: backward gives %.7g, finite differences %.7g", i, (long long)k,
                   order, (double)analytic[k], d);
  }
  if (x) {
    clg_status back = put(t, x);
    if (s == CLG_OK) s = back;
  }
  free(x);
  return s;
}

static clg_status check_order(const check *c, int order) {
  float **a = calloc(c->n, sizeof *a);
  if (!a) return clg_fail(c->ctx, CLG_ERR_HOST_MEMORY, "gradcheck", "out of host memory");
  clg_status s = analytic_on_host(c, order, a);
  for (size_t i = 0; s == CLG_OK && i < c->n; i++)
    if (a[i]) s = compare(c, order, i, a[i]);
  for (size_t i = 0; i < c->n; i++) free(a[i]);
  free(a);
  return s;
}

clg_gradcheck_options clg_gradcheck_defaults(void) {
  return (clg_gradcheck_options){.order = 1, .step = 0.015625f, .rtol = 2e-3f, .atol = 2e-3f};
}

clg_status clg_gradcheck(clg_context *ctx, clg_function f, void *user, clg_tensor *const *in, size_t n,
                         const clg_gradcheck_options *options) {
  if (!ctx) return CLG_ERR_ARGUMENT;
  check c = {.ctx = ctx, .f = f, .user = user, .in = in, .n = n, .o = options ? *options : clg_gradcheck_defaults()};
  bool any = false, ok = f && in && n && c.o.step > 0 && (c.o.order == 1 || c.o.order == 2);
  for (size_t i = 0; ok && i < n; i++) {
    ok = in[i] && in[i]->ctx == ctx && !in[i]->has_graph;
    any = any || (ok && in[i]->requires_grad);
  }
  if (!ok || !any || clg_in_backward(ctx))
    return clg_fail(
        ctx, CLG_ERR_ARGUMENT, "gradcheck",
        "it needs a function, leaves of which one requires grad, a step, and order 1 or 2; not within a backward");
  bool mode = clg_set_grad_mode(ctx, true);
  uint64_t seed, position;
  clg_get_seed(ctx, &seed, &position);
  c.seed = seed, c.position = position;
  clg_status s = CLG_OK;
  for (int order = 1; s == CLG_OK && order <= c.o.order; order++) s = check_order(&c, order);
  clg_set_seed(ctx, seed, position);
  clg_set_grad_mode(ctx, mode);
  return s;
}
