/* Makers of data, conditions, casts, and ops that move elements: values as PyTorch has them, at the edges too; and
 * gradients by differences. */
#include "graph/graph.h"
#include "op_check.h"
#include <stdlib.h>

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})
#define D(...)    ((const int[]){__VA_ARGS__})
enum { MOST = 4096 };

static clg_tensor *floats(int ndim, const int64_t *dims, const float *v) {
  return clg_result(clg_tensor_create(ctx, ndim, dims, v));
}
static clg_tensor *integers(int ndim, const int64_t *dims, const int32_t *v) {
  return clg_result(clg_tensor_create_i32(ctx, ndim, dims, v));
}

static bool same(float a, float b) { return a == b || (isnan(a) && isnan(b)); }

/* t, which has n elements. */
static void holds(clg_tensor *t, const float *want, int n) {
  float got[MOST];
  ck_assert_msg(t && clg_tensor_numel(t) == n, "%s", t ? "not of that size" : clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_dtype(t), CLG_F32);
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  for (int i = 0; i < n; i++)
    ck_assert_msg(same(got[i], want[i]), "element %d: %.9g, not %.9g", i, (double)got[i], (double)want[i]);
}
static void holds_integers(clg_tensor *t, const int32_t *want, int n) {
  int32_t got[MOST];
  ck_assert_msg(t && clg_tensor_numel(t) == n, "%s", t ? "not of that size" : clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read_i32(t, got), CLG_OK);
  for (int i = 0; i < n; i++) ck_assert_msg(got[i] == want[i], "element %d: %d, not %d", i, got[i], want[i]);
}
static void shape_is(const clg_tensor *t, int ndim, const int64_t *dims) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_ndim(t), ndim);
  for (int d = 0; d < ndim; d++) ck_assert_int_eq(clg_tensor_dim(t, d), dims[d]);
}
/* ---- makers ---- */

START_TEST(makers_fill) {
  clg_scope *s = clg_scope_open(ctx);
  holds(clg_zeros(ctx, 2, DIMS(2, 2)), (float[]){0, 0, 0, 0}, 4);
  holds(clg_ones(ctx, 1, DIMS(3)), (float[]){1, 1, 1}, 3);
  holds(clg_ones(ctx, 0, NULL), (float[]){1}, 1);
  holds(clg_eye(ctx, 2, 3), (float[]){1, 0, 0, 0, 1, 0}, 6);
  holds(clg_eye(ctx, 3, 2), (float[]){1, 0, 0, 1, 0, 0}, 6);
  shape_is(clg_eye(ctx, 0, 3), 2, DIMS(0, 3));
  shape_is(clg_zeros(ctx, 2, DIMS(2, 0)), 2, DIMS(2, 0));
  refused(clg_eye(ctx, -1, 3), CLG_ERR_SHAPE, "eye");
  refused(clg_zeros(ctx, 1, DIMS(-1)), CLG_ERR_SHAPE, "zeros");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

START_TEST(aranges_are_pytorchs) {
  clg_scope *s = clg_scope_open(ctx);
  holds(clg_arange(ctx, 0, 5, 1), (float[]){0, 1, 2, 3, 4}, 5);
  holds(clg_arange(ctx, 5, 0, -2), (float[]){5, 3, 1}, 3);
  holds(clg_arange(ctx, 0, 1, 0.1), (float[]){0, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f}, 10);
  shape_is(clg_arange(ctx, 1, 1, 1), 1, DIMS(0));
  holds(clg_arange(ctx, 16777215, 16777219, 1), (float[]){16777215, 16777216, 16777216, 16777218}, 4);
  refused(clg_arange(ctx, 0, 5, 0), CLG_ERR_ARGUMENT, "steps of 0");
  refused(clg_arange(ctx, 0, 5, -1), CLG_ERR_ARGUMENT, "steps of -1 do not lead from 0 to 5");
  refused(clg_arange(ctx, 0, NAN, 1), CLG_ERR_ARGUMENT, "arange");
  refused(clg_arange(ctx, 0, 1e10, 1), CLG_ERR_SHAPE, "arange: 10000000000 elements");
  refused(clg_arange(ctx, 0, 1, 1e-300), CLG_ERR_SHAPE, "arange: 1e+300 elements");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

START_TEST(aranges_are_rounded_once) {
  static const struct range {
    double start, step;
    int n;
  } cases[] = {
      {0, 1, 5000},
      {-3, 7, 2100},
      {16777211, 1, 40},
      {2147480000, 3, 1000},
      {-2147483647, 1, 50},
      {2147483647, -2e6, 1000},
      {2147483640, 1, 20},
      {1e12, 0.5, 30},
      {0.25, -0.125, 1030},
      {0x1p-63, 0x1p-66, 90},
      {0x1p-140, 0x1p-145, 40},
      {0x1p62, 0x1p58, 100},
      {-0.0, 1, 3},
      {-0.0, -1, 3},
      {0, -1, 3},
      {-2, 1, 5},
      {0.1, 0.1, 70},
      {1, 1e-9, 10},
      {0x1p70, 1, 3},
      {-0x1p30, 0x1p21 + 1, 1000},
  };
  for (int r = 0; r < (int)(sizeof cases / sizeof *cases); r++) {
    const struct range *c = cases + r;
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *t = clg_arange(ctx, c->start, c->start + (c->n - 0.5) * c->step, c->step);
    float found[5000], want[5000];
    ck_assert(t && clg_tensor_numel(t) <= c->n);
    for (int i = 0; i < clg_tensor_numel(t); i++) want[i] = (float)(c->start + (double)i * c->step);
    ck_assert_int_eq(clg_tensor_read(t, found), CLG_OK);
    ck_assert_msg(!memcmp(found, want, (size_t)clg_tensor_numel(t) * sizeof *want), "from %g by %g", c->start, c->step);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
}
END_TEST

START_TEST(random_integers_fill_their_range) {
  clg_scope *s = clg_scope_open(ctx);
  enum { N = 4001, LOW = -3, HIGH = 4 };
  int32_t v[N], again[N];
  int count[HIGH - LOW] = {0};
  clg_set_seed(ctx, 7, 0);
  ck_assert_int_eq(clg_tensor_read_i32(clg_randint(ctx, 1, DIMS(N), LOW, HIGH), v), CLG_OK);
  uint64_t position;
  clg_get_seed(ctx, NULL, &position);
  ck_assert_uint_eq(position, (N + 3) / 4);
  for (int i = 0; i < N; i++) {
    ck_assert(v[i] >= LOW && v[i] < HIGH);
    count[v[i] - LOW]++;
  }
  for (int k = 0; k < HIGH - LOW; k++) ck_assert_int_ge(count[k], N / (HIGH - LOW) * 3 / 4);
  clg_set_seed(ctx, 7, 0);
  clg_tensor *wide = clg_randint(ctx, 2, DIMS(2, N), 0, 1), *column = clg_narrow(wide, 0, 1, 1);
  holds_integers(clg_narrow(column, 1, 0, 3), (int32_t[]){0, 0, 0}, 3);
  clg_set_seed(ctx, 7, 0);
  ck_assert_int_eq(clg_randint_(clg_reshape(column, 1, DIMS(N)), LOW, HIGH), CLG_OK); /* the same wherever they lie */
  ck_assert_int_eq(clg_tensor_read_i32(column, again), CLG_OK);
  ck_assert_mem_eq(v, again, sizeof v);
  ck_assert_int_eq(clg_tensor_read_i32(clg_randint(ctx, 1, DIMS(N), INT32_MIN, INT32_MAX), v), CLG_OK);
  int negative = 0, large = 0;
  for (int i = 0; i < N; i++) negative += v[i]<0, large += v[i]> 1 << 30 || v[i] < -(1 << 30);
  ck_assert(abs(negative - N / 2) < N / 8 && abs(large - N / 2) < N / 8);
  refused(clg_randint(ctx, 1, DIMS(2), 3, 3), CLG_ERR_ARGUMENT, "no integer from 3 on below 3");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

/* ---- conditions ---- */

#define FIVE 5
static const float left[FIVE] = {1, 2, NAN, -INFINITY, 0}, right[FIVE] = {2, 2, NAN, INFINITY, -0.0f};

START_TEST(conditions_are_one_or_zero) {
  typedef clg_tensor *(*relation)(clg_tensor *, clg_tensor *);
  static const struct {
    relation of;
    float want[FIVE];
  } rows[] = {
      {clg_eq, {0, 1, 0, 0, 1}},          {clg_ne, {1, 0, 1, 1, 0}},         {clg_lt, {1, 0, 0, 1, 0}},
      {clg_le, {1, 1, 0, 1, 1}},          {clg_gt, {0, 0, 0, 0, 0}},         {clg_ge, {0, 1, 0, 0, 1}},
      {clg_logical_and, {1, 1, 1, 1, 0}}, {clg_logical_or, {1, 1, 1, 1, 0}}, {clg_logical_xor, {0, 0, 0, 0, 0}}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = floats(1, DIMS(FIVE), left), *o = floats(1, DIMS(FIVE), right);
    holds(rows[i].of(x, o), rows[i].want, FIVE);
    shape_is(rows[i].of(clg_reshape(x, 2, DIMS(FIVE, 1)), o), 2, DIMS(FIVE, FIVE));
    ck_assert_ptr_null(rows[i].of(x, NULL));
    ck_assert_int_eq(clg_last_status(ctx), CLG_ERR_ARGUMENT);
    clg_clear_error(ctx);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = floats(1, DIMS(FIVE), left), *zero = clg_zeros(ctx, 0, NULL);
  holds(clg_logical_not(x), (float[]){0, 0, 0, 0, 1}, FIVE);
  holds(clg_logical_xor(x, zero), (float[]){1, 1, 1, 1, 0}, FIVE);
  holds(clg_logical_and(x, zero), (float[]){0, 0, 0, 0, 0}, FIVE);
  holds(clg_gt(x, zero), (float[]){1, 1, 0, 0, 0}, FIVE);
  refused(clg_gt(x, clg_zeros(ctx, 1, DIMS(3))), CLG_ERR_SHAPE, "gt: shapes [5] and [3]");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

START_TEST(conditions_have_no_gradient) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = floats(1, DIMS(2), (float[]){-1, 2}), *zero = clg_zeros(ctx, 0, NULL);
  ck_assert_int_eq(clg_tensor_set_requires_grad(x, true), CLG_OK);
  clg_tensor *c = clg_gt(x, zero);
  ck_assert(!clg_tensor_requires_grad(c) && !clg_tensor_requires_grad(clg_logical_not(x)) &&
            !clg_tensor_requires_grad(clg_to_int(x)));
  ck_assert(clg_tensor_requires_grad(clg_neg(x))); /* the mode is as before */
  ck_assert_int_eq(clg_backward(clg_sum(clg_where(c, clg_mul(x, x), x), NULL, 0, false), NULL), CLG_OK);
  holds(clg_tensor_grad(x), (float[]){1, 4}, 2);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

/* ---- casts and labels ---- */

START_TEST(casts_round_towards_zero) {
  clg_scope *s = clg_scope_open(ctx);
  const float v[] = {1.9f, -1.9f, 0.5f, -0.5f, 3e9f, -3e9f, INFINITY, -INFINITY, NAN, 16777216};
  holds_integers(clg_to_int(floats(1, DIMS(10), v)),
                 (int32_t[]){1, -1, 0, 0, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, 0, 16777216}, 10);
  const int32_t i[] = {-3, 16777217, INT32_MIN};
  holds(clg_to_float(integers(1, DIMS(3), i)), (float[]){-3, 16777216, -2147483648.0f}, 3);
  shape_is(clg_to_int(clg_zeros(ctx, 2, DIMS(0, 2))), 2, DIMS(0, 2));
  refused(clg_to_int(integers(1, DIMS(3), i)), CLG_ERR_ARGUMENT, "to_int");
  refused(clg_to_float(clg_zeros(ctx, 1, DIMS(3))), CLG_ERR_ARGUMENT, "to_float");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

START_TEST(labels_become_indicators) {
  clg_scope *s = clg_scope_open(ctx);
  const int32_t v[] = {2, 0, 1, 2};
  clg_tensor *label = integers(2, DIMS(2, 2), v), *t = clg_transpose(label, 0, 1), *hot = clg_one_hot(label, 3);
  shape_is(hot, 3, DIMS(2, 2, 3));
  holds(hot, (float[]){0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1}, 12);
  holds(clg_one_hot(t, 3), (float[]){0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1}, 12);
  holds(clg_one_hot(integers(0, NULL, v), 3), (float[]){0, 0, 1}, 3);
  shape_is(clg_one_hot(integers(1, DIMS(0), v), 3), 2, DIMS(0, 3));
  refused(clg_one_hot(label, 2), CLG_ERR_ARGUMENT, "index 2 is out of range: want 0 to 1");
  refused(clg_one_hot(label, 0), CLG_ERR_ARGUMENT, "0 classes");
  refused(clg_one_hot(clg_zeros(ctx, 1, DIMS(2)), 2), CLG_ERR_ARGUMENT, "one_hot");
  holds(clg_one_hot(clg_to_int(floats(1, DIMS(2), (float[]){-1, 1})), 2), (float[]){0, 0, 0, 1}, 4);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

/* ---- elements that move ---- */

enum { A = 3, B = 5, C = 7 };

/* 0, 1, .. as [A,B,C], contiguous or a view of the transposed. */
static clg_tensor *counting(bool strided) {
  clg_tensor *x = clg_reshape(clg_arange(ctx, 0, A * B * C, 1), 3, DIMS(A, B, C));
  if (!strided) return x;
  return clg_transpose(clg_contiguous(clg_transpose(x, 0, 2)), 0, 2);
}

START_TEST(flips_and_rolls_move_every_element) {
  float flipped[A * B * C], rolled[A * B * C], flat[A * B * C];
  for (int a = 0; a < A; a++)
    for (int b = 0; b < B; b++)
      for (int c = 0; c < C; c++) {
        int at = (a * B + b) * C + c;
        flipped[at] = (float)(((A - 1 - a) * B + b) * C + C - 1 - c);
        rolled[at] = (float)((a * B + (b + 2) % B) * C + (c + C - 3) % C);
        flat[at] = (float)((at + A * B * C - 4) % (A * B * C));
      }
  for (int strided = 0; strided < 2; strided++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = counting(strided), *f = clg_flip(x, D(0, -1), 2);
    holds(f, flipped, A * B * C);
    ck_assert(!clg_tensor_shares_storage(f, x) && !clg_tensor_shares_storage(clg_flip(x, NULL, 0), x));
    holds(clg_roll(x, DIMS(-2, 10), D(1, 2), 2), rolled, A * B * C);
    holds(clg_roll(x, DIMS(4), NULL, 0), flat, A * B * C);
    holds(clg_to_float(clg_flip(clg_to_int(x), D(0, 2), 2)), flipped, A * B * C);
    holds(clg_to_float(clg_roll(clg_to_int(x), DIMS(-2, 10), D(1, 2), 2)), rolled, A * B * C);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = counting(false), *none = clg_zeros(ctx, 2, DIMS(0, 3));
  shape_is(clg_flip(none, D(0, 1), 2), 2, DIMS(0, 3));
  shape_is(clg_roll(none, DIMS(1), D(0), 1), 2, DIMS(0, 3));
  holds(clg_flip(clg_ones(ctx, 0, NULL), NULL, 0), (float[]){1}, 1);
  holds(clg_roll(clg_ones(ctx, 0, NULL), DIMS(3), NULL, 0), (float[]){1}, 1);
  refused(clg_flip(x, D(0, -3), 2), CLG_ERR_SHAPE, "flip: dimension -3 is given twice");
  refused(clg_flip(x, D(3), 1), CLG_ERR_SHAPE, "flip: dimension 3");
  refused(clg_roll(x, NULL, D(0), 1), CLG_ERR_ARGUMENT, "roll");
  refused(clg_roll(x, DIMS(1), D(3), 1), CLG_ERR_SHAPE, "roll: dimension 3");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

START_TEST(triangles_are_kept) {
  const int64_t rows[] = {B, 1, 300, 1100}, columns[] = {C, 9, 1, 3}, outer[] = {A, 2, 2, 1};
  static float x[MOST], want[MOST];
  for (int k = 0; k < 4; k++) {
    for (int64_t diagonal = -2; diagonal <= 2; diagonal++) {
      for (int upper = 0; upper < 2; upper++) {
        int64_t n = outer[k] * rows[k] * columns[k];
        for (int64_t i = 0; i < n; i++) {
          int64_t from = i % columns[k] - i / columns[k] % rows[k];
          x[i] = i % 4 ? (float)i : NAN;
          want[i] = (upper ? from >= diagonal : from <= diagonal) ? x[i] : 0;
        }
        clg_scope *s = clg_scope_open(ctx);
        clg_tensor *t = floats(3, DIMS(outer[k], rows[k], columns[k]), x);
        holds(upper ? clg_triu(t, diagonal) : clg_tril(t, diagonal), want, (int)n);
        ck_assert_int_eq(clg_scope_close(s), CLG_OK);
      }
    }
  }
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *t = clg_ones(ctx, 2, DIMS(2, 2)), *i = clg_to_int(t);
  holds_integers(clg_tril(i, 0), (int32_t[]){1, 0, 1, 1}, 4);
  holds(clg_tril(t, INT64_MAX), (float[]){1, 1, 1, 1}, 4);
  holds(clg_triu(t, INT64_MAX), (float[]){0, 0, 0, 0}, 4);
  holds(clg_triu(t, INT64_MIN), (float[]){1, 1, 1, 1}, 4);
  shape_is(clg_tril(clg_zeros(ctx, 2, DIMS(0, 3)), 0), 2, DIMS(0, 3));
  refused(clg_tril(clg_ones(ctx, 1, DIMS(3)), 0), CLG_ERR_SHAPE, "tril: x [3]: want [..,R,C]");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

/* ---- reductions ---- */

START_TEST(logarithms_of_sums_reach_infinity) {
  clg_scope *s = clg_scope_open(ctx);
  const float inf = INFINITY, v[] = {1000, 1000, -inf, -inf, inf, 1, inf, -inf, NAN, 1, -inf, 3, -200, -200, 0, 1};
  const float most[] = {1000 + logf(2), -inf, inf, inf, NAN, 3, -200 + logf(2), 1.31326168751822283f};
  clg_tensor *x = floats(2, DIMS(8, 2), v);
  holds(clg_logsumexp(x, D(-1), 1, false), most, 8);
  shape_is(clg_logsumexp(x, D(0), 1, true), 2, DIMS(1, 2));
  shape_is(clg_logsumexp(x, NULL, 0, false), 0, NULL);
  holds(clg_logsumexp(clg_zeros(ctx, 2, DIMS(2, 0)), D(1), 1, false), (float[]){-inf, -inf}, 2);
  shape_is(clg_logsumexp(clg_zeros(ctx, 2, DIMS(0, 2)), D(1), 1, false), 1, DIMS(0));
  holds(clg_logsumexp(clg_full(ctx, 0, NULL, 5), NULL, 0, false), (float[]){5}, 1);
  ck_assert_int_eq(clg_tensor_set_requires_grad(x, true), CLG_OK);
  ck_assert_int_eq(clg_backward(clg_sum(clg_logsumexp(x, D(1), 1, false), NULL, 0, false), NULL), CLG_OK);
  float g[16];
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(x), g), CLG_OK);
  const float want[] = {0.5f, 0.5f, NAN, NAN, NAN, 0, NAN, 0, NAN, NAN, 0, 1, 0.5f, 0.5f, 0.26894142f, 0.73105858f};
  for (int i = 0; i < 16; i++)
    ck_assert_msg(same(g[i], want[i]) || fabsf(g[i] - want[i]) < 1e-4f, "%d: %g", i, (double)g[i]);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

/* The same to a unit or two of the last place. */
static void nearly(clg_tensor *t, const float *want, int n) {
  float got[MOST];
  ck_assert_msg(t && clg_tensor_numel(t) == n, "%s", t ? "not of that size" : clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  for (int i = 0; i < n; i++)
    ck_assert_msg(fabsf(got[i] - want[i]) <= 2e-7f * fabsf(want[i]), "element %d: %.9g, not %.9g", i, (double)got[i],
                  (double)want[i]);
}

START_TEST(deviations_are_roots) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = floats(2, DIMS(3, 2), (float[]){1, 4, 2, 2, -3, 5}), *one = clg_ones(ctx, 1, DIMS(1));
  nearly(clg_std(x, D(1), 1, false, false), (float[]){1.5f, 0, 4}, 3);
  holds(clg_std(one, NULL, 0, true, false), (float[]){NAN}, 1);
  ck_assert_int_eq(clg_tensor_set_requires_grad(x, true), CLG_OK);
  ck_assert_int_eq(clg_backward(clg_sum(clg_std(x, D(1), 1, false, true), NULL, 0, false), NULL), CLG_OK);
  nearly(clg_tensor_grad(x), (float[]){-0.5f, 0.5f, 0, 0, -0.5f, 0.5f}, 6); /* 0 where all are equal */
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("basics");
  share_context(c);
  tcase_set_timeout(c, 0);
  tcase_add_test(c, makers_fill);
  tcase_add_test(c, aranges_are_pytorchs);
  tcase_add_test(c, aranges_are_rounded_once);
  tcase_add_test(c, random_integers_fill_their_range);
  tcase_add_test(c, conditions_are_one_or_zero);
  tcase_add_test(c, conditions_have_no_gradient);
  tcase_add_test(c, casts_round_towards_zero);
  tcase_add_test(c, labels_become_indicators);
  tcase_add_test(c, flips_and_rolls_move_every_element);
  tcase_add_test(c, triangles_are_kept);
  tcase_add_test(c, logarithms_of_sums_reach_infinity);
  tcase_add_test(c, deviations_are_roots);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("basics", add_cases)
