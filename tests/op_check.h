/* Checks of one op by a row of a table: finite differences at first and second order on contiguous and strided inputs,
 * the forms of an elementwise op against each other bit for bit, and refusals. Shared by the tests of ops; `ctx` is the
 * test's context. $CLGRAD_TEST_CASE, part of a row's name, leaves everything else out. */
#ifndef CLG_TESTS_OP_CHECK_H
#define CLG_TESTS_OP_CHECK_H

#include "harness.h"
#include "shared_context.h"
#include <math.h>
#include <string.h>

#define MAX 2048

typedef clg_tensor *(*op_fn)(clg_tensor **in);
#define UNARY(name, call)                                                                                              \
  static clg_tensor *op_##name(clg_tensor **in) {                                                                      \
    clg_tensor *x = in[0];                                                                                             \
    return call;                                                                                                       \
  }
#define BINARY(name, call)                                                                                             \
  static clg_tensor *op_##name(clg_tensor **in) {                                                                      \
    clg_tensor *x = in[0], *o = in[1];                                                                                 \
    return call;                                                                                                       \
  }

typedef struct shape {
  int ndim;
  int64_t dim[4];
} shape;
typedef struct op_case {
  const char *name;
  op_fn fn;
  int n_in;
  shape in[3];
  float low, high; /* of the values: away from kinks and poles */
  bool sums;       /* in an order that depends on the strides */
} op_case;

#define S1(a)                                                                                                          \
  {                                                                                                                    \
    1, { a }                                                                                                           \
  }
#define S2(a, b)                                                                                                       \
  {                                                                                                                    \
    2, { a, b }                                                                                                        \
  }
#define S3(a, b, c)                                                                                                    \
  {                                                                                                                    \
    3, { a, b, c }                                                                                                     \
  }

static inline int64_t numel(const shape *s) {
  int64_t n = 1;
  for (int d = 0; d < s->ndim; d++) n *= s->dim[d];
  return n;
}

/* Software devices run each kernel as often as its paths need, not once an element: differences are taken at the first
 * and the last. */
static inline int64_t probe_step(int64_t n) { return clg_context_device(ctx)->simulator && n > 2 ? n - 1 : 1; }

static uint32_t random_state;
static inline float random_in(float low, float high) {
  random_state = random_state * 1664525u + 1013904223u;
  return low + (high - low) * (float)(random_state >> 8) / 16777216.0f;
}

/* x as a view of its leaf: the leaf itself, or a window of a wider one with its dimensions reversed, of a vector every
 * second element, so that no stride is 1 but perhaps the first. */
static inline clg_tensor *view_of(const shape *s, bool strided, clg_tensor *base) {
  if (!strided || !s->ndim) return base;
  if (s->ndim == 1) return clg_slice(base, 0, 1, 1 + 2 * s->dim[0], 2);
  int order[4];
  for (int d = 0; d < s->ndim; d++) order[d] = s->ndim - 1 - d;
  return clg_permute(clg_narrow(base, s->ndim - 1, 1, s->dim[0]), order);
}

static inline clg_tensor *leaf_of(const shape *s, const float *v, bool strided) {
  if (!strided || !s->ndim) return clg_tensor_create(ctx, s->ndim, s->dim, v);
  int64_t wide[4] = {0};
  for (int d = 0; d < s->ndim; d++) wide[d] = s->dim[s->ndim - 1 - d];
  wide[s->ndim - 1] += 3 + (s->ndim == 1 ? s->dim[0] : 0);
  static float spread[MAX];
  for (int i = 0; i < MAX; i++) spread[i] = NAN; /* read by nobody */
  for (int64_t i = 0, n = numel(s); i < n; i++) {
    int64_t rest = i, at = 0, index[4];
    for (int d = s->ndim; d-- > 0; rest /= s->dim[d]) index[d] = rest % s->dim[d];
    for (int d = s->ndim; d-- > 0;) at = at * wide[s->ndim - 1 - d] + index[d] * (s->ndim == 1 ? 2 : 1) + (d == 0);
    spread[at] = v[i];
  }
  return clg_tensor_create(ctx, s->ndim, wide, spread);
}

typedef struct values {
  float v[3][MAX];
} values;

/* sum(u * op(in)) in double, without a graph. */
static inline double weighted(const op_case *c, const values *x, const float *u, bool strided) {
  float out[MAX];
  clg_tensor *base[3], *in[3];
  clg_scope *s = clg_scope_open(ctx);
  bool mode = clg_set_grad_mode(ctx, false);
  for (int i = 0; i < c->n_in; i++) in[i] = view_of(&c->in[i], strided, base[i] = leaf_of(&c->in[i], x->v[i], strided));
  clg_tensor *y = c->fn(in);
  ck_assert_msg(y != NULL, "%s: %s", c->name, clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(y, out), CLG_OK);
  double sum = 0;
  for (int64_t i = 0; i < clg_tensor_numel(y); i++) sum += (double)out[i] * u[i];
  clg_set_grad_mode(ctx, mode);
  clg_scope_close(s);
  for (int i = 0; i < c->n_in; i++) clg_tensor_unref(&base[i]);
  return sum;
}

static inline void gradients(const op_case *c, const values *x, const float *u, bool strided, values *grad) {
  clg_tensor *base[3], *in[3];
  clg_scope *s = clg_scope_open(ctx);
  for (int i = 0; i < c->n_in; i++) {
    base[i] = leaf_of(&c->in[i], x->v[i], strided);
    clg_set_requires_grad(base[i], true);
    in[i] = view_of(&c->in[i], strided, base[i]);
  }
  clg_tensor *y = c->fn(in);
  ck_assert_msg(y != NULL, "%s: %s", c->name, clg_last_error(ctx));
  clg_tensor *up = clg_tensor_create(ctx, clg_tensor_ndim(y), clg_tensor_shape(y), u);
  clg_backward_options o = {.grad = up};
  ck_assert_msg(clg_backward(y, &o) == CLG_OK, "%s: %s", c->name, clg_last_error(ctx));
  for (int i = 0; i < c->n_in; i++)
    ck_assert_int_eq(clg_tensor_read(view_of(&c->in[i], strided, clg_grad_of(base[i])), grad->v[i]), CLG_OK);
  clg_tensor_unref(&up);
  clg_scope_close(s);
  for (int i = 0; i < c->n_in; i++) clg_tensor_unref(&base[i]);
}

static inline void check_case(const op_case *c, bool strided) {
  static values x, grad, moved;
  static float u[MAX];
  random_state = 7;
  for (int i = 0; i < MAX; i++) u[i] = random_in(-1, 1);
  for (int i = 0; i < c->n_in; i++)
    for (int64_t k = 0; k < numel(&c->in[i]); k++) x.v[i][k] = random_in(c->low, c->high);
  gradients(c, &x, u, strided, &grad);
  const float h = 1e-2f;
  for (int i = 0; i < c->n_in; i++)
    for (int64_t k = 0, n = numel(&c->in[i]); k < n; k += probe_step(n)) {
      moved = x;
      moved.v[i][k] = x.v[i][k] + h;
      double up = weighted(c, &moved, u, strided), high = moved.v[i][k];
      moved.v[i][k] = x.v[i][k] - h;
      double want = (up - weighted(c, &moved, u, strided)) / (high - (double)moved.v[i][k]), got = grad.v[i][k];
      ck_assert_msg(fabs(got - want) <= 4e-3 * (1 + fabs(want)),
                    "%s%s: input %d, element %d: gradient %g, differences say %g", c->name, strided ? " (strided)" : "",
                    i, (int)k, got, want);
    }
}

/* ---- second order ---- */

static inline void fill_random(float *v, int n, float low, float high) {
  for (int i = 0; i < n; i++) v[i] = random_in(low, high);
}

/* L = sum over inputs of <w, d<u, y>/d in>; its gradients by create_graph. Also the first gradients, composed of
 * recorded ops. */
static inline void second_gradients(const op_case *c, const values *x, const float *u, const values *w, bool strided,
                                    values *first, values *grad) {
  clg_tensor *base[3], *in[3], *g[3], *L = NULL, *up, *weight[3];
  clg_scope *s = clg_scope_open(ctx);
  for (int i = 0; i < c->n_in; i++) {
    base[i] = leaf_of(&c->in[i], x->v[i], strided);
    clg_set_requires_grad(base[i], true);
    in[i] = view_of(&c->in[i], strided, base[i]);
    weight[i] = clg_tensor_create(ctx, c->in[i].ndim, c->in[i].dim, w->v[i]);
  }
  clg_tensor *y = c->fn(in);
  up = clg_tensor_create(ctx, clg_tensor_ndim(y), clg_tensor_shape(y), u);
  clg_backward_options o = {.grad = up, .create_graph = true};
  ck_assert_msg(clg_grad(y, in, (size_t)c->n_in, false, &o, g) == CLG_OK, "%s: %s", c->name, clg_last_error(ctx));
  for (int i = 0; i < c->n_in; i++) {
    clg_tensor *part = clg_sum(clg_mul(g[i], weight[i]), NULL, 0, false);
    L = L ? clg_add(L, part) : part;
    ck_assert_int_eq(clg_tensor_read(g[i], first->v[i]), CLG_OK);
  }
  if (clg_requires_grad(L)) ck_assert_msg(clg_backward(L, NULL) == CLG_OK, "%s: %s", c->name, clg_last_error(ctx));
  for (int i = 0; i < c->n_in; i++) {
    memset(grad->v[i], 0, sizeof grad->v[i]);
    clg_tensor *d = clg_grad_of(base[i]);
    if (d) ck_assert_int_eq(clg_tensor_read(view_of(&c->in[i], strided, d), grad->v[i]), CLG_OK);
  }
  clg_scope_close(s);
  clg_tensor_unref(&up);
  for (int i = 0; i < c->n_in; i++) clg_tensor_unref(&base[i]), clg_tensor_unref(&weight[i]);
}

static inline double weighted_gradients(const op_case *c, const values *x, const float *u, const values *w,
                                        bool strided) {
  static values g;
  double sum = 0;
  gradients(c, x, u, strided, &g);
  for (int i = 0; i < c->n_in; i++)
    for (int64_t k = 0; k < numel(&c->in[i]); k++) sum += (double)g.v[i][k] * w->v[i][k];
  return sum;
}

static inline void check_second(const op_case *c, bool strided) {
  static values x, w, first, fused, grad, moved;
  static float u[MAX];
  random_state = 23;
  fill_random(u, MAX, -1, 1);
  for (int i = 0; i < c->n_in; i++) {
    fill_random(x.v[i], (int)numel(&c->in[i]), c->low, c->high);
    fill_random(w.v[i], (int)numel(&c->in[i]), -1, 1);
  }
  gradients(c, &x, u, strided, &fused);
  second_gradients(c, &x, u, &w, strided, &first, &grad);
  const float h = 2e-3f;
  for (int i = 0; i < c->n_in; i++)
    for (int64_t k = 0; k < numel(&c->in[i]); k++)
      ck_assert_msg(fabs((double)first.v[i][k] - fused.v[i][k]) <= 1e-5 * (1 + fabs(fused.v[i][k])),
                    "%s: input %d, element %d: composed gradient %g, fused %g", c->name, i, (int)k, first.v[i][k],
                    fused.v[i][k]);
  for (int i = 0; i < c->n_in; i++)
    for (int64_t k = 0, n = numel(&c->in[i]); k < n; k += probe_step(n)) {
      moved = x;
      moved.v[i][k] = x.v[i][k] + h;
      double up = weighted_gradients(c, &moved, u, &w, strided), high = moved.v[i][k];
      moved.v[i][k] = x.v[i][k] - h;
      double want = (up - weighted_gradients(c, &moved, u, &w, strided)) / (high - (double)moved.v[i][k]),
             got = grad.v[i][k];
      ck_assert_msg(fabs(got - want) <= 1e-2 * (1 + fabs(want)),
                    "%s%s: input %d, element %d: second gradient %g, differences say %g", c->name,
                    strided ? " (strided)" : "", i, (int)k, got, want);
    }
}

static inline void read_all(clg_tensor *t, float *out) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t, out), CLG_OK);
}

/* Flat and strided kernels, forward and gradient, of a case that is elementwise. */
static inline void check_strided_bits(const op_case *c) {
  if (c->sums) return;
  static values x, a, b;
  static float u[MAX], ya[MAX], yb[MAX];
  random_state = 11;
  fill_random(u, MAX, -1, 1);
  for (int i = 0; i < c->n_in; i++) fill_random(x.v[i], (int)numel(&c->in[i]), c->low, c->high);
  gradients(c, &x, u, false, &a);
  gradients(c, &x, u, true, &b);
  for (int i = 0; i < c->n_in; i++)
    ck_assert_msg(!memcmp(a.v[i], b.v[i], (size_t)numel(&c->in[i]) * sizeof(float)), "%s: gradient %d differs", c->name,
                  i);
  for (int strided = 0; strided < 2; strided++) {
    clg_tensor *base[3], *in[3];
    clg_scope *s = clg_scope_open(ctx);
    for (int i = 0; i < c->n_in; i++)
      in[i] = view_of(&c->in[i], strided, base[i] = leaf_of(&c->in[i], x.v[i], strided));
    clg_tensor *y = c->fn(in);
    read_all(y, strided ? yb : ya);
    if (strided)
      ck_assert_msg(!memcmp(ya, yb, (size_t)clg_tensor_numel(y) * sizeof(float)), "%s: result differs", c->name);
    clg_scope_close(s);
    for (int i = 0; i < c->n_in; i++) clg_tensor_unref(&base[i]);
  }
}

/* A formula that overflows on the way to a finite result has a gradient of NaN there. For ops of one input that take
 * any number, as rows that begin at -1 or below do. */
static inline void check_far(const op_case *c) {
  if (c->n_in != 1 || c->sums || c->low > -0.9f) return;
  static values x, grad;
  static float u[MAX], y[MAX];
  for (int i = 0; i < MAX; i++) u[i] = 1, x.v[0][i] = i % 2 ? -100 : 100;
  gradients(c, &x, u, false, &grad);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *in = clg_tensor_create(ctx, c->in[0].ndim, c->in[0].dim, x.v[0]), *out = c->fn(&in);
  bool finite = true;
  read_all(out, y);
  for (int64_t k = 0; k < clg_tensor_numel(out); k++) {
    ck_assert_msg(!isnan(y[k]), "%s: element %d is NaN", c->name, (int)k);
    finite = finite && isfinite(y[k]);
  }
  for (int64_t k = 0; finite && k < numel(&c->in[0]); k++)
    ck_assert_msg(isfinite(grad.v[0][k]), "%s at %g: the gradient is %g", c->name, x.v[0][k], grad.v[0][k]);
  clg_scope_close(s);
  clg_tensor_unref(&in);
}

static inline void refused(clg_tensor *t, clg_status status, const char *word) {
  ck_assert_ptr_null(t);
  ck_assert_msg(clg_last_status(ctx) == status && strstr(clg_last_error(ctx), word), "\"%s\" (%s) lacks \"%s\"",
                clg_last_error(ctx), clg_status_name(clg_last_status(ctx)), word);
  clg_clear_error(ctx);
}

/* The checks that every row goes through; false if only some rows are wanted, so that the caller adds nothing more. */
static inline bool add_rows(TCase *t, const op_case *cases, int n, const TTest *const *checks, int n_checks) {
  const char *wanted = getenv("CLGRAD_TEST_CASE");
  for (int k = 0; k < n_checks; k++)
    for (int i = 0; i < n; i++)
      if (!wanted || strstr(cases[i].name, wanted)) tcase_add_loop_test(t, checks[k], i, i + 1);
  return !wanted;
}

#endif
