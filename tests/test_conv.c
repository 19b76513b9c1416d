/* Convolutions: a table of shapes feeds each of the three kernels alone, between canaries and NaNs, by the fixed choice
 * and by all others, and then the recorded ops: values, gradients, gradients of gradients and a third order, against
 * sums in double. Then error paths. */
#include "base/context.h"
#include "conv_cases.h"
#include "device/program.h"
#include "harness.h"
#include "ops/conv/conv_plan.h"
#include "shared_context.h"
#include "undeclared.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { X = CLG_CONV_X, W = CLG_CONV_W, Y = CLG_CONV_Y };

static const conv_case *case_of(int i) {
  if (clg_context_device(ctx)->simulator)
    for (size_t k = 0; k < sizeof small / sizeof *small; k++)
      if (!strcmp(small[k].name, cases[i].name)) return &small[k];
  return &cases[i];
}

/* Sums over more channels and taps than an item of the CPU shape takes at a time. The other shape has no path of its
 * own for them, so an interpreter need not spend its time there; and llvmpipe ends all loops of a work-item after 65535
 * turns, silently, where an item that sums a whole tile needs more. */
static bool left_out(const conv_case *c) {
  const int taps = c->kernel[0] * c->kernel[1], in = c->c / c->groups, out = c->o / c->groups;
  if (ctx->shape == CLG_SHAPE_GPU) return test_interpreted(ctx) && taps * (in > out ? in : out) > 512;
  return taps * (in > out ? in : out) > 2048 && strstr(clg_context_device(ctx)->name, "llvmpipe") != NULL;
}

static clg_conv_shape shape_of(const conv_case *c) {
  clg_conv_shape s = {.batch = c->batch, .groups = c->groups, .c = c->c, .o = c->o};
  for (int a = 0; a < 2; a++) {
    s.in[a] = c->in[a], s.kernel[a] = c->kernel[a], s.stride[a] = c->stride[a];
    s.padding[a] = c->padding[a], s.dilation[a] = c->dilation[a];
    s.out[a] =
        (c->in[a] - c->extra[a] + 2 * c->padding[a] - c->dilation[a] * (c->kernel[a] - 1) - 1) / c->stride[a] + 1;
  }
  return s;
}

static void dims_of(const clg_conv_shape *s, int part, int64_t d[4]) {
  const int all[CLG_CONV_OPERANDS][4] = {{s->batch, s->c, s->in[0], s->in[1]},
                                         {s->o, s->c / s->groups, s->kernel[0], s->kernel[1]},
                                         {s->batch, s->o, s->out[0], s->out[1]}};
  for (int i = 0; i < 4; i++) d[i] = all[part][i];
}
static size_t numel_of(const clg_conv_shape *s, int part) {
  int64_t d[4];
  dims_of(s, part, d);
  return (size_t)(d[0] * d[1] * d[2] * d[3]);
}

/* ---- the reference ---- */

/* to += the target from the other two; size += the sum of the absolute products, which bounds the rounding. */
static void reference(const clg_conv_shape *s, int target, const float *x, const float *w, const float *y, double *to,
                      double *size) {
  const int cg = s->c / s->groups, og = s->o / s->groups;
  size_t iy = 0;
  for (int n = 0; n < s->batch; n++)
    for (int o = 0; o < s->o; o++)
      for (int q = 0; q < s->out[0] * s->out[1]; q++, iy++)
        for (int c = 0; c < cg; c++)
          for (int k = 0; k < s->kernel[0] * s->kernel[1]; k++) {
            int h = q / s->out[1] * s->stride[0] - s->padding[0] + k / s->kernel[1] * s->dilation[0];
            int v = q % s->out[1] * s->stride[1] - s->padding[1] + k % s->kernel[1] * s->dilation[1];
            if (h < 0 || h >= s->in[0] || v < 0 || v >= s->in[1]) continue;
            size_t ix = (((size_t)n * (size_t)s->c + (size_t)(o / og * cg + c)) * (size_t)s->in[0] + (size_t)h) *
                            (size_t)s->in[1] +
                        (size_t)v;
            size_t iw = ((size_t)o * (size_t)cg + (size_t)c) * (size_t)(s->kernel[0] * s->kernel[1]) + (size_t)k;
            double p = target == X   ? (double)y[iy] * w[iw]
                       : target == W ? (double)y[iy] * x[ix]
                                     : (double)x[ix] * w[iw];
            size_t at = target == X ? ix : target == W ? iw : iy;
            to[at] += p, size[at] += fabs(p);
          }
}

typedef struct sums {
  size_t n;
  double *v, *size;
} sums;
static sums sums_of(size_t n) {
  sums s = {n, calloc(n + 1, sizeof(double)), calloc(n + 1, sizeof(double))};
  ck_assert(s.v && s.size);
  return s;
}
static void sums_free(sums *s) { free(s->v), free(s->size); }

static void compare(const char *name, const char *what, const float *got, const sums *want) {
  for (size_t i = 0; i < want->n; i++)
    ck_assert_msg(fabs(got[i] - want->v[i]) <= 2e-6 * want->size[i] + 1e-30, "%s, %s, element %d: %.9g, want %.9g",
                  name, what, (int)i, got[i], want->v[i]);
}

static uint32_t random_state;
static float random_value(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return (float)(random_state >> 8) / 8388608.0f - 1.0f;
}
static float *random_floats(size_t n) {
  float *v = malloc((n + 1) * sizeof *v);
  ck_assert(v != NULL);
  for (size_t i = 0; i < n; i++) v[i] = random_value();
  return v;
}

/* ---- kernels alone ---- */

enum { MARGIN = 37 };

/* v between margins of `rim`. */
static clg_at framed(const float *v, size_t n, float rim) {
  float *all = malloc((n + 2 * MARGIN) * sizeof *all);
  ck_assert(all != NULL);
  for (size_t i = 0; i < n + 2 * MARGIN; i++) all[i] = i < MARGIN || i >= MARGIN + n ? rim : v[i - MARGIN];
  clg_at at = {clg_block_alloc(ctx, (n + 2 * MARGIN) * sizeof *all, CLG_ROLE_DATA, "test"), MARGIN};
  ck_assert(at.block && clg_block_write(at.block, 0, (n + 2 * MARGIN) * sizeof *all, all, false, "test") == CLG_OK);
  free(all);
  return at;
}

static void check_kernel(const conv_case *c, int target, bool accumulate) {
  clg_conv_shape s = shape_of(c);
  float *v[CLG_CONV_OPERANDS], *got;
  clg_conv_call call = {
      .ctx = ctx, .op = "test", .shape = &s, .output = (clg_conv_operand)target, .accumulate = accumulate};
  for (int i = 0; i < CLG_CONV_OPERANDS; i++) {
    v[i] = random_floats(numel_of(&s, i));
    call.at[i] = framed(v[i], numel_of(&s, i), i == target ? 7777 : NAN);
  }
  size_t n = numel_of(&s, target);
  sums want = sums_of(n);
  if (accumulate)
    for (size_t i = 0; i < n; i++) want.v[i] = v[target][i], want.size[i] = fabs(want.v[i]);
  reference(&s, target, v[X], v[W], v[Y], want.v, want.size);
  ck_assert_msg(clg_conv_run(&call) == CLG_OK, "%s: %s", c->name, clg_last_error(ctx));
  got = malloc((n + 2 * MARGIN) * sizeof *got);
  ck_assert(clg_block_read(call.at[target].block, 0, (n + 2 * MARGIN) * sizeof *got, got, true, "test") == CLG_OK);
  compare(c->name, target == X ? "x" : target == W ? "w" : "y", got + MARGIN, &want);
  for (size_t i = 0; i < MARGIN; i++)
    ck_assert_msg(got[i] == 7777 && got[MARGIN + n + i] == 7777, "%s: written outside of the result", c->name);
  free(got), sums_free(&want);
  for (int i = 0; i < CLG_CONV_OPERANDS; i++) free(v[i]), clg_block_unref(call.at[i].block);
}

/* Written and added to; interpreted, one of them, by turns. */
static void check_both(const conv_case *c, int target, int turn) {
  for (int accumulate = 0; accumulate < 2; accumulate++)
    if (!test_interpreted(ctx) || turn % 2 == accumulate) check_kernel(c, target, accumulate);
}

START_TEST(kernels) {
  const conv_case *c = case_of(_i);
  random_state = 5u + (uint32_t)_i;
  if (left_out(c)) return;
  for (int target = 0; target < CLG_CONV_OPERANDS; target++) check_both(c, target, _i + target);
}
END_TEST

/* What is no finite number is in the sums of the taps that meet it alone: here of two, at the ends of rows. */
START_TEST(infinite) {
  const conv_case *c = &(conv_case){"infinite", 1, 1, 1, 1, {4, 18}, {3, 3}, ONE, NONE, ONE, NONE};
  clg_conv_shape s = shape_of(c);
  clg_conv_call call = {.ctx = ctx, .op = "test", .shape = &s, .output = CLG_CONV_W};
  float *v[CLG_CONV_OPERANDS], got[9];
  for (int i = 0; i < CLG_CONV_OPERANDS; i++) {
    v[i] = random_floats(numel_of(&s, i));
    if (i == X) v[i][17] = INFINITY, v[i][3 * 18] = NAN;
    call.at[i] = framed(v[i], numel_of(&s, i), NAN);
  }
  ck_assert(clg_conv_run(&call) == CLG_OK);
  ck_assert(clg_block_read(call.at[W].block, MARGIN * sizeof *got, sizeof got, got, true, "test") == CLG_OK);
  for (int i = 0; i < 9; i++) ck_assert_msg(isfinite(got[i]) == (i != 2 && i != 6), "tap %d: %g", i, got[i]);
  v[X][17] = v[X][3 * 18] = 0;
  sums want = sums_of(9);
  reference(&s, W, v[X], v[W], v[Y], want.v, want.size);
  got[2] = (float)want.v[2], got[6] = (float)want.v[6];
  compare(c->name, "w", got, &want);
  sums_free(&want);
  for (int i = 0; i < CLG_CONV_OPERANDS; i++) free(v[i]), clg_block_unref(call.at[i].block);
}
END_TEST

/* ---- recorded ops ---- */

/* A leaf of the shape; strided: a view whose last dimensions are exchanged in memory. */
static clg_tensor *leaf(const clg_conv_shape *s, int part, const float *v, bool strided, clg_tensor **base) {
  int64_t d[4];
  dims_of(s, part, d);
  if (!strided) {
    *base = clg_tensor_create(ctx, 4, d, v);
  } else {
    int64_t turned[4] = {d[0], d[1], d[3], d[2]};
    float *t = malloc((numel_of(s, part) + 1) * sizeof *t);
    for (int64_t i = 0; i < d[0] * d[1]; i++)
      for (int64_t h = 0; h < d[2]; h++)
        for (int64_t k = 0; k < d[3]; k++) t[(i * d[3] + k) * d[2] + h] = v[(i * d[2] + h) * d[3] + k];
    *base = clg_tensor_create(ctx, 4, turned, t);
    free(t);
  }
  ck_assert(*base && clg_tensor_set_requires_grad(*base, true) == CLG_OK);
  return strided ? clg_transpose(*base, 2, 3) : clg_tensor_ref(*base);
}

static void read_and_compare(const conv_case *c, const char *what, clg_tensor *t, sums *want) {
  ck_assert_msg(t != NULL, "%s, %s: %s", c->name, what, clg_last_error(ctx));
  ck_assert_uint_eq((size_t)clg_tensor_numel(t), want->n);
  float *got = malloc((want->n + 1) * sizeof *got);
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  compare(c->name, what, got, want);
  free(got), sums_free(want);
}

static sums sum_of(const clg_conv_shape *s, int target, const float *x, const float *w, const float *y) {
  sums r = sums_of(numel_of(s, target));
  reference(s, target, x, w, y, r.v, r.size);
  return r;
}

static void add_bias(const clg_conv_shape *s, int part, const float *bias, sums *to) {
  int64_t d[4];
  dims_of(s, part, d);
  for (size_t i = 0; i < to->n; i++) {
    float b = bias[i / (size_t)(d[2] * d[3]) % (size_t)d[1]];
    to->v[i] += b, to->size[i] += fabs(b);
  }
}

static clg_tensor *inner(clg_tensor *a, clg_tensor *b) { return clg_sum(clg_mul(a, b), NULL, 0, false); }

/* The op from `in` (x, or transposed y) to the other side `to`. v: values of x, w, y; u: weights of the gradients'
 * sums, v[to] the gradient from above. L = <u[in], d in> + <u[w], d w>: its gradients are the same maps of other
 * arguments. */
static void check_op(const conv_case *c, bool transposed, bool strided) {
  clg_conv_shape s = shape_of(c);
  const int from = transposed ? Y : X, to = transposed ? X : Y;
  float *v[CLG_CONV_OPERANDS], *u[CLG_CONV_OPERANDS];
  for (int i = 0; i < CLG_CONV_OPERANDS; i++)
    v[i] = random_floats(numel_of(&s, i)), u[i] = random_floats(numel_of(&s, i));
  const int64_t channels = transposed ? s.c : s.o;
  float *b = random_floats((size_t)channels);
  clg_conv_options o = clg_conv_defaults();
  for (int a = 0; a < 2; a++) {
    o.stride[a] = c->stride[a], o.padding[a] = c->padding[a], o.dilation[a] = c->dilation[a];
    if (transposed)
      o.output_padding[a] =
          s.in[a] - ((s.out[a] - 1) * s.stride[a] - 2 * s.padding[a] + s.dilation[a] * (s.kernel[a] - 1) + 1);
  }
  o.groups = s.groups;
  clg_tensor *base[CLG_CONV_OPERANDS], *t[CLG_CONV_OPERANDS], *grad[3], *second[3], *weight[CLG_CONV_OPERANDS];
  clg_scope *scope = clg_scope_open(ctx);
  for (int i = 0; i < CLG_CONV_OPERANDS; i++) {
    int64_t d[4];
    dims_of(&s, i, d);
    t[i] = leaf(&s, i, v[i], strided, &base[i]);
    weight[i] = clg_tensor_create(ctx, 4, d, u[i]);
  }
  clg_tensor *bias = clg_tensor_create(ctx, 1, &channels, b);
  clg_tensor_set_requires_grad(bias, true);
  clg_tensor *y = transposed ? clg_conv_transpose2d(t[from], t[W], bias, &o) : clg_conv2d(t[from], t[W], bias, &o);
  sums want = sum_of(&s, to, v[X], v[W], v[Y]);
  add_bias(&s, to, b, &want);
  read_and_compare(c, "result", y, &want);

  /* v with one or two entries replaced: x, w, y */
#define WITH(part, p, a, q, d)                                                                                         \
  sum_of(&s, part, p == X ? a : q == X ? d : v[X], p == W ? a : q == W ? d : v[W], p == Y ? a : q == Y ? d : v[Y])
  clg_tensor *const in[] = {t[from], t[W], bias};
  clg_backward_options first = {.grad = t[to], .retain_graph = true}, graph = {.grad = t[to], .create_graph = true};
  for (int composed = 0; composed < 2; composed++) {
    ck_assert_msg(clg_grad(y, in, 3, grad, composed ? &graph : &first) == CLG_OK, "%s: %s", c->name,
                  clg_last_error(ctx));
    want = sum_of(&s, from, v[X], v[W], v[Y]);
    read_and_compare(c, "gradient of the input", grad[0], &want);
    want = sum_of(&s, W, v[X], v[W], v[Y]);
    read_and_compare(c, "gradient of the weight", grad[1], &want);
    want = sums_of((size_t)channels);
    for (size_t i = 0, plane = numel_of(&s, to) / (size_t)(s.batch ? s.batch * channels : 1); i < numel_of(&s, to); i++)
      want.v[i / plane % (size_t)channels] += v[to][i], want.size[i / plane % (size_t)channels] += fabs(v[to][i]);
    read_and_compare(c, "gradient of the bias", grad[2], &want);
  }
  clg_tensor *L = clg_add(inner(grad[0], weight[from]), inner(grad[1], weight[W]));
  clg_tensor *const again[] = {t[from], t[W], t[to]};
  clg_backward_options deeper = {.create_graph = true};
  ck_assert_msg(clg_grad(L, again, 3, second, &deeper) == CLG_OK, "%s: %s", c->name, clg_last_error(ctx));
  want = WITH(from, W, u[W], W, NULL);
  read_and_compare(c, "second order, input", second[0], &want);
  want = WITH(W, from, u[from], from, NULL);
  read_and_compare(c, "second order, weight", second[1], &want);
  want = WITH(to, from, u[from], from, NULL);
  reference(&s, to, from == X ? v[X] : NULL, u[W], from == Y ? v[Y] : NULL, want.v, want.size);
  read_and_compare(c, "second order, gradient from above", second[2], &want);
  /* <u[to], d L / d above> depends on w through u[from], and on the input through u[w]. */
  clg_tensor *third[2], *M = inner(second[2], weight[to]);
  ck_assert_msg(clg_grad(M, again, 2, third, NULL) == CLG_OK, "%s: %s", c->name, clg_last_error(ctx));
  want = WITH(from, W, u[W], to, u[to]);
  read_and_compare(c, "third order, input", third[0], &want);
  want = WITH(W, from, u[from], to, u[to]);
  read_and_compare(c, "third order, weight", third[1], &want);

  /* Into leaves, twice: the second time adds to what is there. */
  for (int i = 0; i < 2; i++) ck_assert_int_eq(clg_backward(y, &first), CLG_OK);
  want = sum_of(&s, W, v[X], v[W], v[Y]);
  for (size_t i = 0; i < want.n; i++) want.v[i] *= 2, want.size[i] *= 2;
  clg_tensor *of_w = clg_tensor_grad(base[W]);
  read_and_compare(c, "accumulated", strided ? clg_transpose(of_w, 2, 3) : of_w, &want);
  clg_scope_close(scope);
  clg_tensor_unref(&bias);
  for (int i = 0; i < CLG_CONV_OPERANDS; i++) {
    if (!strided) clg_tensor_unref(&t[i]);
    clg_tensor_unref(&base[i]), clg_tensor_unref(&weight[i]);
    free(v[i]), free(u[i]);
  }
  free(b);
}

/* What an op adds to the kernels above does not depend on the sizes: an interpreter takes the small cases. */
static bool op_left_out(const conv_case *c) {
  clg_conv_shape s = shape_of(c);
  size_t taps = (size_t)(c->kernel[0] * c->kernel[1] * c->c / c->groups);
  return left_out(c) || (test_interpreted(ctx) && (numel_of(&s, Y) * taps > 6000 || numel_of(&s, X) > 600));
}

START_TEST(conv2d) {
  const conv_case *c = case_of(_i);
  random_state = 50u + (uint32_t)_i;
  if (c->extra[0] < c->stride[0] && !op_left_out(c)) check_op(c, false, _i % 2);
}
END_TEST
START_TEST(conv_transpose2d) {
  const conv_case *c = case_of(_i);
  random_state = 90u + (uint32_t)_i;
  if (!op_left_out(c)) check_op(c, true, _i % 2 == 0);
}
END_TEST

/* ---- other choices of kernels ---- */

static int class_of(const clg_conv_shape *s, int target) {
  return clg_conv_class(&(clg_conv_sizes){.output = (clg_conv_operand)target,
                                          .taps = s->kernel[0] * s->kernel[1],
                                          .stride = s->stride[0] > s->stride[1] ? s->stride[0] : s->stride[1],
                                          .in = s->c,
                                          .out = s->o,
                                          .pixels = s->out[0] * s->out[1]});
}

static clg_conv_kernel taken(const clg_conv_shape *s, int target, clg_conv_kernel wanted) {
  const bool cpu = ctx->shape == CLG_SHAPE_CPU;
  clg_conv_plan p;
  if (wanted == CLG_CONV_PRODUCT && clg_conv_is_pixelwise(s)) return wanted;
  return target == W ? clg_conv_plan_wgrad(&p, s, cpu, wanted) : clg_conv_plan_gather(&p, s, target == X, cpu, wanted);
}

/* Kernels where the fixed choice is another; what a kernel cannot do is left to that. */
START_TEST(choices) {
  const conv_case *c = case_of(_i);
  const clg_conv_shape s = shape_of(c);
  random_state = 30u + (uint32_t)_i;
  if (left_out(c) || s.groups > 1 || ctx->info.reproducible) return;
  for (int target = 0; target < CLG_CONV_OPERANDS; target++)
    for (int k = 1; k < CLG_CONV_KERNELS; k++) {
      const clg_conv_kernel kernel = (clg_conv_kernel)k, fixed = taken(&s, target, CLG_CONV_FIXED);
      const clg_conv_kernel takes = taken(&s, target, kernel);
      ck_assert(takes == kernel || takes == fixed);
      if (takes == fixed) continue;
      ck_assert_int_eq(clg_tuning_set_conv(ctx, class_of(&s, target), kernel), CLG_OK);
      check_both(c, target, _i + target + k);
    }
  clg_tuning_clear(ctx);
}
END_TEST

/* With a bias, and all orders. */
START_TEST(pixelwise_products) {
  static const conv_case c = {"1x1", 3, 1, 5, 19, {5, 4}, ONE, ONE, NONE, ONE, NONE};
  const clg_conv_shape s = shape_of(&c);
  if (ctx->info.reproducible) return;
  for (int target = 0; target < CLG_CONV_OPERANDS; target++)
    ck_assert_int_eq(clg_tuning_set_conv(ctx, class_of(&s, target), CLG_CONV_PRODUCT), CLG_OK);
  random_state = 70u;
  check_op(&c, _i, _i);
  clg_tuning_clear(ctx);
}
END_TEST

/* However the work is cut, an image has the same bits alone and in a batch, of which items take several and fewer
 * channels of each. */
static const conv_case batch_cases[] = {
    {"batch", 3, 1, 20, 40, {8, 8}, {4, 4}, {2, 2}, ONE, ONE, NONE},
    {"batch of small images", 40, 1, 100, 34, {7, 7}, {3, 3}, ONE, ONE, ONE, NONE},
};
START_TEST(batches) {
  const conv_case *c = &batch_cases[_i];
  if (test_interpreted(ctx) && _i) return;
  clg_scope *scope = clg_scope_open(ctx);
  random_state = 3;
  clg_conv_shape s = shape_of(c);
  const size_t one = numel_of(&s, Y) / (size_t)c->batch;
  float *x = random_floats(numel_of(&s, X)), *w = random_floats(numel_of(&s, W)), *all = random_floats(numel_of(&s, Y)),
        *alone = random_floats(one);
  int64_t d[2][4];
  dims_of(&s, X, d[0]), dims_of(&s, W, d[1]);
  clg_tensor *tx = clg_tensor_create(ctx, 4, d[0], x), *tw = clg_tensor_create(ctx, 4, d[1], w);
  clg_conv_options o = clg_conv_defaults();
  for (int i = 0; i < 2; i++) o.stride[i] = c->stride[i], o.padding[i] = c->padding[i];
  ck_assert_int_eq(clg_tensor_read(clg_conv2d(tx, tw, NULL, &o), all), CLG_OK);
  for (int n = 0; n < c->batch; n++) {
    ck_assert_int_eq(clg_tensor_read(clg_conv2d(clg_narrow(tx, 0, n, 1), tw, NULL, &o), alone), CLG_OK);
    ck_assert_msg(memcmp(all + (size_t)n * one, alone, one * sizeof *alone) == 0, "%s, image %d", c->name, n);
  }
  clg_scope_close(scope);
  clg_tensor_unref(&tx), clg_tensor_unref(&tw);
  free(x), free(w), free(all), free(alone);
}
END_TEST

/* ---- errors ---- */

static void expect(clg_tensor *got, clg_status status, const char *part) {
  ck_assert_ptr_null(got);
  ck_assert_int_eq(clg_last_status(ctx), status);
  ck_assert_msg(strstr(clg_last_error(ctx), part) != NULL, "\"%s\" is not in: %s", part, clg_last_error(ctx));
  ck_assert_ptr_null(strchr(clg_last_error(ctx), '\n'));
  clg_clear_error(ctx);
}

START_TEST(errors) {
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *x = clg_full(ctx, 4, (int64_t[]){2, 4, 5, 5}, 1), *w = clg_full(ctx, 4, (int64_t[]){6, 4, 3, 3}, 1);
  clg_tensor *b = clg_full(ctx, 1, (int64_t[]){5}, 1), *flat = clg_full(ctx, 2, (int64_t[]){4, 4}, 1);
  clg_tensor *empty = clg_full(ctx, 4, (int64_t[]){2, 4, 0, 5}, 1),
             *large = clg_full(ctx, 4, (int64_t[]){6, 4, 6, 3}, 1);
#define OPTIONS(...) (&(clg_conv_options){__VA_ARGS__, {NULL, {0}}})
  expect(clg_conv2d(NULL, w, NULL, NULL), CLG_ERR_ARGUMENT, "NULL");
  expect(clg_conv2d(flat, w, NULL, NULL), CLG_ERR_SHAPE, "x [4,4]");
  expect(clg_conv2d(x, flat, NULL, NULL), CLG_ERR_SHAPE, "weight [4,4]");
  expect(clg_conv2d(x, w, b, NULL), CLG_ERR_SHAPE, "bias [5]");
  expect(clg_conv2d(x, w, flat, NULL), CLG_ERR_SHAPE, "bias [4,4]");
  expect(clg_conv2d(empty, w, NULL, NULL), CLG_ERR_SHAPE, "x [2,4,0,5]");
  expect(clg_conv_transpose2d(x, w, NULL, NULL), CLG_ERR_SHAPE, "[C,O/groups,kh,kw]");
  expect(clg_conv2d(x, w, NULL, OPTIONS({1, 1}, {0, 0}, {0, 0}, {1, 1}, 2)), CLG_ERR_SHAPE, "2 groups");
  expect(clg_conv2d(x, w, NULL, OPTIONS({1, 1}, {0, 0}, {0, 0}, {1, 1}, 0)), CLG_ERR_ARGUMENT, "groups");
  expect(clg_conv2d(x, w, NULL, OPTIONS({0, 1}, {0, 0}, {0, 0}, {1, 1}, 1)), CLG_ERR_ARGUMENT, "stride");
  expect(clg_conv2d(x, w, NULL, OPTIONS({1, 1}, {0, 0}, {0, 0}, {1, 0}, 1)), CLG_ERR_ARGUMENT, "dilation");
  expect(clg_conv2d(x, w, NULL, OPTIONS({1, 1}, {0, -1}, {0, 0}, {1, 1}, 1)), CLG_ERR_ARGUMENT, "padding");
  expect(clg_conv2d(x, w, NULL, OPTIONS({2, 2}, {0, 0}, {1, 1}, {1, 1}, 1)), CLG_ERR_ARGUMENT, "output_padding");
  expect(clg_conv_transpose2d(x, clg_transpose(w, 0, 1), NULL, OPTIONS({2, 2}, {0, 0}, {2, 0}, {1, 1}, 1)),
         CLG_ERR_ARGUMENT, "output_padding");
  expect(clg_conv2d(x, large, NULL, NULL), CLG_ERR_SHAPE, "height 5");
  expect(clg_conv2d(x, w, NULL, OPTIONS({1, 1}, {0, 0}, {0, 0}, {1, 3}, 1)), CLG_ERR_SHAPE, "width 5");
  expect(clg_conv2d(x, w, NULL, OPTIONS({1, 1}, {INT32_MAX, 0}, {0, 0}, {1, 1}, 1)), CLG_ERR_SHAPE, "2^28");
  expect(clg_conv_transpose2d(x, clg_transpose(w, 0, 1), NULL, OPTIONS({INT32_MAX, 1}, {0, 0}, {0, 0}, {1, 1}, 1)),
         CLG_ERR_SHAPE, "2^28");
  expect(clg_conv_transpose2d(x, clg_transpose(w, 0, 1), NULL, OPTIONS({1 << 20, 1 << 20}, {0, 0}, {0, 0}, {1, 1}, 1)),
         CLG_ERR_SHAPE, "2^31");
  expect(clg_conv_transpose2d(x, clg_transpose(w, 0, 1), NULL, OPTIONS({1, 1}, {4, 0}, {0, 0}, {1, 1}, 1)),
         CLG_ERR_SHAPE, "height 5");
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("conv");
  share_context(t);
  tcase_set_timeout(t, 300);
  tcase_add_loop_test(t, kernels, 0, CASES);
  tcase_add_test(t, infinite);
  tcase_add_loop_test(t, conv2d, 0, CASES);
  tcase_add_loop_test(t, conv_transpose2d, 0, CASES);
  tcase_add_loop_test(t, choices, 0, CASES);
  tcase_add_loop_test(t, pixelwise_products, 0, 2);
  tcase_add_loop_test(t, batches, 0, sizeof batch_cases / sizeof *batch_cases);
  tcase_add_test(t, errors);
  tcase_add_test(t, what_kernels_call_is_declared);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("conv", add_cases)
