/* Long sums: the error of every kernel that adds up, against double precision, over the length. */
#include "graph/graph.h"
#include "harness.h"
#include "shared_context.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define S(...) ((int64_t[]){__VA_ARGS__})
#define D(...) ((int[]){__VA_ARGS__})

/* ---- data: equal numbers, whose roundings all go one way, and others ---- */

static int kind;
static float value(int64_t i, int stream) {
  uint32_t hash = ((uint32_t)i + 977u * (uint32_t)stream) * 2654435761u;
  return kind == 0 ? 0.1f : 0.5f + (float)(hash >> 8) * 0x1p-24f;
}
static float *values(int64_t n, int stream) {
  float *v = malloc((size_t)n * sizeof *v);
  ck_assert_ptr_nonnull(v);
  for (int64_t i = 0; i < n; i++) v[i] = value(i, stream);
  return v;
}
static clg_tensor *tensor(int ndim, const int64_t *shape, int stream) {
  int64_t n = 1;
  for (int d = 0; d < ndim; d++) n *= shape[d];
  float *v = values(n, stream);
  clg_tensor *t = clg_result(clg_tensor_create(ctx, ndim, shape, v));
  free(v);
  return t;
}

/* ---- errors ---- */

static double worst; /* of the run, relative to the sum of the terms' magnitudes */
static void note(double got, double want, double magnitude) {
  double e = fabs(got - want) / magnitude;
  if (!(e <= worst)) worst = e;
}
static float *host(clg_tensor *t) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  float *v = malloc((size_t)clg_tensor_numel(t) * sizeof *v);
  ck_assert_ptr_nonnull(v);
  ck_assert_msg(clg_tensor_read(t, v) == CLG_OK, "%s", clg_last_error(ctx));
  return v;
}
/* y[o] is scale * the sum over r < n of the terms. */
typedef double (*term_fn)(int64_t o, int64_t r, int64_t n);
static void check(clg_tensor *y, int64_t n, double scale, term_fn term) {
  float *got = host(y);
  for (int64_t o = 0; o < clg_tensor_numel(y); o++) {
    double sum = 0, magnitude = 0;
    for (int64_t r = 0; r < n; r++) {
      double t = term(o, r, n);
      sum += t, magnitude += fabs(t);
    }
    note(got[o], scale * sum, scale * magnitude);
  }
  free(got);
}
/* The gradients of the inputs, of sum(y * up), which has no rounding of its own. */
static void gradients(clg_tensor *y, clg_tensor *up, clg_tensor *const *in, clg_tensor **g, size_t n) {
  ck_assert_msg(y && up, "%s", clg_last_error(ctx));
  const clg_backward_options o = {.grad = up};
  ck_assert_msg(clg_grad(y, in, n, g, &o) == CLG_OK, "%s", clg_last_error(ctx));
}
static clg_tensor *wanted(clg_tensor *t) {
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}

/* ---- reductions ---- */

static double along_last(int64_t o, int64_t r, int64_t n) { return value(o * n + r, 0); }
static double along_first(int64_t o, int64_t r, int64_t n) { return (void)n, value(r * 3 + o, 0); }
static double along_middle(int64_t o, int64_t r, int64_t n) { return value((o / 5 * n + r) * 5 + o % 5, 0); }
static double square_last(int64_t o, int64_t r, int64_t n) { return (double)value(o * n + r, 0) * value(o * n + r, 0); }

static void sum_all(int64_t n) { check(clg_sum(tensor(1, S(n), 0), NULL, 0, false), n, 1, along_last); }
static void sum_last(int64_t n) { check(clg_sum(tensor(2, S(3, n), 0), D(1), 1, false), n, 1, along_last); }
static void sum_first(int64_t n) { check(clg_sum(tensor(2, S(n, 3), 0), D(0), 1, false), n, 1, along_first); }
static void sum_middle(int64_t n) { check(clg_sum(tensor(3, S(2, n, 5), 0), D(1), 1, false), n, 1, along_middle); }
static void mean_all(int64_t n) { check(clg_mean(tensor(1, S(n), 0), NULL, 0, false), n, 1 / (double)n, along_last); }
static void mean_first(int64_t n) {
  check(clg_mean(tensor(2, S(n, 3), 0), D(0), 1, false), n, 1 / (double)n, along_first);
}
static void norm_all(int64_t n) {
  float *y = host(clg_norm(tensor(1, S(n), 0), 2, NULL, 0, false));
  double sum = 0;
  for (int64_t r = 0; r < n; r++) sum += square_last(0, r, n);
  note(*y, sqrt(sum), sqrt(sum));
  free(y);
}

/* ---- norms: of values around 30; equal ones must give 0 ---- */

static double statistics(const float *v, int64_t from, int64_t step, int64_t n, double *variance) {
  double mean = 0, squares = 0;
  for (int64_t r = 0; r < n; r++) mean += v[from + r * step];
  mean /= (double)n;
  for (int64_t r = 0; r < n; r++) squares += (v[from + r * step] - mean) * (v[from + r * step] - mean);
  *variance = squares / (double)n;
  return mean;
}
/* y from x along ranges of n values `step` apart. */
static void check_normalised(clg_tensor *x, clg_tensor *y, int64_t n, int64_t step) {
  float *v = host(x), *got = host(y);
  for (int64_t o = 0; o < clg_tensor_numel(x) / n; o++) {
    int64_t from = step == 1 ? o * n : o;
    double variance, mean = statistics(v, from, step, n, &variance);
    for (int64_t r = 0; r < n; r++) {
      double want = (v[from + r * step] - mean) / sqrt(variance + 1e-5);
      note(got[from + r * step], want, fmax(1, fabs(want)));
    }
  }
  free(v), free(got);
}
static clg_tensor *far(int ndim, const int64_t *shape) { return clg_add_scalar(tensor(ndim, shape, 0), 30); }
static void var_all(int64_t n) {
  clg_tensor *x = far(1, S(n));
  float *v = host(x), *got = host(clg_var(x, NULL, 0, false, false));
  double variance;
  statistics(v, 0, 1, n, &variance);
  note(*got, variance, fmax(variance, 1e-30));
  free(v), free(got);
}
static void layer_norm(int64_t n) {
  clg_tensor *x = far(2, S(2, n));
  check_normalised(x, clg_layer_norm(x, NULL, NULL, NULL), n, 1);
}
static void batch_norm_rows(int64_t n) {
  clg_tensor *x = far(2, S(n, 3));
  check_normalised(x, clg_batch_norm(x, NULL, NULL, NULL), n, 3);
}
static void batch_norm_planes(int64_t n) {
  clg_tensor *x = far(3, S(1, 2, n));
  check_normalised(x, clg_batch_norm(x, NULL, NULL, NULL), n, 1);
}
static void group_norm(int64_t n) {
  clg_tensor *x = far(3, S(1, 2, n));
  check_normalised(x, clg_group_norm(x, NULL, NULL, 2, NULL), n, 1);
}
static double gain_term(int64_t o, int64_t r, int64_t n) { return (void)n, value(r * 5 + o, 1); }
/* The gradients of gain and offset, sums over rows; with x of one value a row, dgamma is 0. */
static void layer_norm_gradients(int64_t n) {
  clg_tensor *in[] = {wanted(tensor(1, S(5), 2)), wanted(tensor(1, S(5), 3))}, *g[2];
  gradients(clg_layer_norm(tensor(2, S(n, 5), 0), in[0], in[1], NULL), tensor(2, S(n, 5), 1), in, g, 2);
  check(g[1], n, 1, gain_term);
}
static double offset_term(int64_t o, int64_t r, int64_t n) { return (void)n, value(r * 3 + o, 1); }
static void batch_norm_gradients(int64_t n) {
  clg_tensor *in[] = {wanted(tensor(1, S(3), 2)), wanted(tensor(1, S(3), 3))}, *g[2];
  gradients(clg_batch_norm(tensor(2, S(n, 3), 0), in[0], in[1], NULL), tensor(2, S(n, 3), 1), in, g, 2);
  check(g[1], n, 1, offset_term);
}
static double plane_term(int64_t o, int64_t r, int64_t n) { return value(o * n + r, 1); }
static void batch_norm_plane_gradients(int64_t n) {
  clg_tensor *in[] = {wanted(tensor(1, S(2), 2)), wanted(tensor(1, S(2), 3))}, *g[2];
  gradients(clg_batch_norm(tensor(3, S(1, 2, n), 0), in[0], in[1], NULL), tensor(3, S(1, 2, n), 1), in, g, 2);
  check(g[1], n, 1, plane_term);
}

/* ---- products ---- */

static int64_t columns;
static double product_term(int64_t o, int64_t r, int64_t n) {
  return (double)value(o / columns * n + r, 0) * value(r * columns + o % columns, 1);
}
static void product(int64_t n, int64_t rows, int64_t cols) {
  columns = cols;
  check(clg_matmul(tensor(2, S(rows, n), 0), tensor(2, S(n, cols), 1)), n, 1, product_term);
}
static void dot(int64_t n) { product(n, 1, 1); }
static void row_product(int64_t n) { product(n, 1, 17); }
static void matmul(int64_t n) { product(n, 3, 5); }
static void tile_product(int64_t n) { product(n, 9, 33); }
static double dot_row_term(int64_t o, int64_t r, int64_t n) { return (double)value(r, 0) * value(o * n + r, 1); }
static void linear(int64_t n) {
  check(clg_linear(tensor(2, S(1, n), 0), tensor(2, S(3, n), 1), NULL, NULL), n, 1, dot_row_term);
}
static double weight_term(int64_t o, int64_t r, int64_t n) {
  return (void)n, (double)value(r * 3 + o % 3, 0) * value(r * 5 + o / 3, 1);
}
static double bias_term(int64_t o, int64_t r, int64_t n) { return (void)n, value(r * 5 + o, 1); }
static void linear_gradients(int64_t n) {
  clg_tensor *in[] = {wanted(tensor(2, S(5, 3), 2)), wanted(tensor(1, S(5), 3))}, *g[2];
  gradients(clg_linear(tensor(2, S(n, 3), 0), in[0], in[1], NULL), tensor(2, S(n, 5), 1), in, g, 2);
  check(g[0], n, 1, weight_term);
  check(g[1], n, 1, bias_term);
}

/* ---- images: n as side x side positions ---- */

static int64_t side_of(int64_t n) { return (int64_t)sqrt((double)n); }
/* out channel o/2, in channel o%2, one tap. */
static double conv_weight_term(int64_t o, int64_t r, int64_t n) {
  return (double)value(o % 2 * n + r, 0) * value(o / 2 * n + r, 1);
}
static void conv_gradients(int64_t n) {
  int64_t a = side_of(n);
  clg_tensor *in[] = {wanted(tensor(4, S(3, 2, 1, 1), 2)), wanted(tensor(1, S(3), 3))}, *g[2];
  gradients(clg_conv2d(tensor(4, S(1, 2, a, a), 0), in[0], in[1], NULL), tensor(4, S(1, 3, a, a), 1), in, g, 2);
  check(g[0], a * a, 1, conv_weight_term);
  check(g[1], a * a, 1, plane_term);
}
/* Channels are the long dimension: x [1,n,2,3], w [2,n,1,1]. */
static double conv_term(int64_t o, int64_t r, int64_t n) {
  return (double)value(r * 6 + o % 6, 0) * value(o / 6 * n + r, 1);
}
static void conv(int64_t n) {
  check(clg_conv2d(tensor(4, S(1, n, 2, 3), 0), tensor(4, S(2, n, 1, 1), 1), NULL, NULL), n, 1, conv_term);
}
static double conv_many_term(int64_t o, int64_t r, int64_t n) {
  return (double)value(r * 6 + o % 6, 0) * value(o / 6 * n + r, 1);
}
static void conv_many(int64_t n) {
  check(clg_conv2d(tensor(4, S(1, n, 2, 3), 0), tensor(4, S(6, n, 1, 1), 1), NULL, NULL), n, 1, conv_many_term);
}
static void pool(int64_t n) {
  int64_t a = side_of(n);
  check(clg_avg_pool2d(tensor(2, S(a, a), 0), a, a, NULL), a * a, 1 / (double)(a * a), along_last);
}

/* ---- softmax and losses ---- */

static void check_log_softmax(clg_tensor *y, int64_t n, int64_t outer, int64_t step) {
  float *got = host(y);
  for (int64_t o = 0; o < outer; o++) {
    double sum = 0;
    int64_t from = step == 1 ? o * n : o;
    for (int64_t r = 0; r < n; r++) sum += exp((double)value(from + r * step, 0));
    for (int64_t r = 0; r < n; r += 1 + n / 50)
      note(got[from + r * step], (double)value(from + r * step, 0) - log(sum), 1 + log(sum));
  }
  free(got);
}
static void log_softmax(int64_t n) { check_log_softmax(clg_log_softmax(tensor(2, S(2, n), 0), 1), n, 2, 1); }
static void log_softmax_columns(int64_t n) { check_log_softmax(clg_log_softmax(tensor(2, S(n, 3), 0), 0), n, 3, 3); }
/* dx of log softmax at equal x: g - mean(g). */
static void softmax_gradient(int64_t n) {
  clg_tensor *x = wanted(clg_full(ctx, 2, S(1, n), 0)), *dx = NULL;
  gradients(clg_log_softmax(x, 1), tensor(2, S(1, n), 1), &x, &dx, 1);
  double mean = 0;
  for (int64_t r = 0; r < n; r++) mean += value(r, 1) / (double)n;
  float *got = host(dx);
  for (int64_t r = 0; r < n; r += 1 + n / 50) note(got[r], value(r, 1) - mean, mean);
  free(got);
}
static double square_term(int64_t o, int64_t r, int64_t n) { return square_last(o, r, n); }
static void mse(int64_t n) {
  check(clg_mse_loss(tensor(1, S(n), 0), clg_full(ctx, 1, S(n), 0), NULL), n, 1 / (double)n, square_term);
}
static void l1(int64_t n) {
  check(clg_l1_loss(tensor(1, S(n), 0), clg_full(ctx, 1, S(n), 0), NULL), n, 1 / (double)n, along_last);
}
static double bce_term(int64_t o, int64_t r, int64_t n) { return log1p(exp((double)value(o * n + r, 0))); }
static void bce(int64_t n) {
  check(clg_bce_with_logits_loss(tensor(1, S(n), 0), clg_full(ctx, 1, S(n), 0), NULL), n, 1 / (double)n, bce_term);
}
static clg_tensor *zeros_i32(int ndim, const int64_t *shape) {
  int64_t n = 1;
  for (int d = 0; d < ndim; d++) n *= shape[d];
  int32_t *v = calloc((size_t)n, sizeof *v);
  ck_assert_ptr_nonnull(v);
  clg_tensor *t = clg_result(clg_tensor_create_i32(ctx, ndim, shape, v));
  free(v);
  return t;
}
static double cross_term(int64_t o, int64_t r, int64_t n) {
  (void)o, (void)n;
  double a = value(2 * r, 0), b = value(2 * r + 1, 0);
  return log(exp(a) + exp(b)) - a;
}
static void cross_entropy(int64_t n) {
  check(clg_cross_entropy_loss(tensor(2, S(n, 2), 0), zeros_i32(1, S(n)), NULL), n, 1 / (double)n, cross_term);
}

/* ---- indices: n of the same ---- */

static void embedding(int64_t n) {
  clg_tensor *table = wanted(tensor(2, S(2, 5), 2)), *g = NULL;
  gradients(clg_embedding(table, zeros_i32(1, S(n)), -1), tensor(2, S(n, 5), 1), &table, &g, 1);
  check(clg_narrow(g, 0, 0, 1), n, 1, bias_term);
}
static void embedding_of_many(int64_t n) {
  clg_tensor *table = wanted(clg_full(ctx, 2, S(n + 1, 5), 0)), *g = NULL;
  gradients(clg_embedding(table, zeros_i32(1, S(n)), -1), tensor(2, S(n, 5), 1), &table, &g, 1);
  check(clg_contiguous(clg_narrow(g, 0, 0, 1)), n, 1, bias_term);
}
static void gather(int64_t n) {
  clg_tensor *x = wanted(tensor(1, S(2), 2)), *g = NULL;
  gradients(clg_gather(x, 0, zeros_i32(1, S(n))), tensor(1, S(n), 1), &x, &g, 1);
  check(clg_narrow(g, 0, 0, 1), n, 1, plane_term);
}

/* ---- ranges ---- */

/* Shapes that take each way through the norms: rows and channels, short and in blocks, in one launch and in parts. */
typedef struct range {
  int ndim;
  int64_t shape[3];
} range;
static const range ranges[] = {{2, {3, 768}},   {2, {2, 5003}},   {2, {77, 9}},      {2, {1030, 300}},
                               {3, {5, 3, 64}}, {3, {3, 2, 401}}, {3, {2, 2, 70001}}};

typedef clg_tensor *(*norm_fn)(clg_tensor *x);
static clg_tensor *by_layer(clg_tensor *x) { return clg_layer_norm(x, NULL, NULL, &(clg_norm_options){.eps = 1e-12f}); }
static clg_tensor *by_batch(clg_tensor *x) {
  clg_batch_norm_options o = clg_batch_norm_defaults();
  o.eps = 1e-12f;
  return clg_batch_norm(x, NULL, NULL, &o);
}
static clg_tensor *by_group(clg_tensor *x) {
  return clg_group_norm(x, NULL, NULL, 1, &(clg_norm_options){.eps = 1e-12f});
}
static clg_tensor *by_instance(clg_tensor *x) {
  return clg_tensor_ndim(x) < 3 ? by_group(x) : clg_instance_norm(x, NULL, NULL, &(clg_norm_options){.eps = 1e-12f});
}
static const norm_fn norms[] = {by_layer, by_batch, by_group, by_instance};
enum { NORMS = sizeof norms / sizeof *norms, RANGES = sizeof ranges / sizeof *ranges };

START_TEST(equal_values_have_no_deviation) {
  const range *r = &ranges[_i];
  const float values[] = {1.1f, 1234.567f, -12345.678f, 3.3e7f, 1.7e30f, 3e-30f};
  for (int k = 0; k < 6; k++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_full(ctx, r->ndim, r->shape, values[k]);
    for (int i = 0; i < NORMS + 2; i++) {
      clg_tensor *y = i < NORMS ? norms[i](x) : clg_var(x, D(i - NORMS), 1, false, false);
      float *got = host(y);
      for (int64_t e = 0; e < clg_tensor_numel(y); e++)
        ck_assert_msg(got[e] == 0, "norm %d of %g in range %d: %g", i, (double)values[k], _i, (double)got[e]);
      free(got);
    }
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
}
END_TEST

/* Layer and batch norm alone: the others are layer norms. */
START_TEST(huge_values_are_normalised) {
  const range *r = &ranges[_i];
  const float scale[] = {1e18f, 1e25f, 1e30f, 1e37f, 1e-15f};
  kind = 1;
  for (int k = 0; k < 5; k++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_mul_scalar(clg_add_scalar(tensor(r->ndim, r->shape, 0), -0.9f), scale[k]);
    float *v = host(x), *layer = host(clg_layer_norm(x, NULL, NULL, NULL)),
          *batch = host(clg_batch_norm(x, NULL, NULL, NULL));
    int64_t n = r->shape[r->ndim - 1], rows = clg_tensor_numel(x) / n, channels = r->shape[1],
            size = r->ndim == 3 ? n : 1, count = r->shape[0] * size;
    worst = 0;
    for (int64_t o = 0; o < rows; o++) {
      double variance, mean = statistics(v, o * n, 1, n, &variance);
      for (int64_t e = 0; e < n; e++) note(layer[o * n + e], (v[o * n + e] - mean) / sqrt(variance + 1e-5), 1);
    }
    float *line = malloc((size_t)count * sizeof *line), *y = malloc((size_t)count * sizeof *y);
    for (int64_t c = 0; c < channels && count > 1; c++) {
      for (int64_t i = 0; i < r->shape[0]; i++)
        for (int64_t e = 0; e < size; e++) {
          line[i * size + e] = v[(i * channels + c) * size + e];
          y[i * size + e] = batch[(i * channels + c) * size + e];
        }
      double variance, mean = statistics(line, 0, 1, count, &variance);
      for (int64_t e = 0; e < count; e++) note(y[e], (line[e] - mean) / sqrt(variance + 1e-5), 1);
    }
    ck_assert_msg(worst <= 4e-6, "range %d of values of %g: error %g", _i, (double)scale[k], worst);
    free(v), free(layer), free(batch), free(line), free(y);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
}
END_TEST

/* One value a range, whose square a float does not hold where its share of the mean is one: as far as that of its part
 * of the range is, too. */
static void note_variances_of_peaks(const range *r, float *v) {
  for (int d = 0; d < 2; d++) {
    const int64_t n = r->shape[d], step = d ? 1 : r->shape[1];
    if (n > 6000) continue;
    memset(v, 0, (size_t)(r->shape[0] * r->shape[1]) * sizeof *v);
    for (int64_t o = 0; o < r->shape[1 - d]; o++) v[(d ? o * n : o) + n / 2 * step] = 5e18f * sqrtf((float)n);
    clg_tensor *x = clg_tensor_create(ctx, 2, r->shape, v);
    float *got = host(clg_var(x, D(d), 1, false, false));
    for (int64_t o = 0; o < r->shape[1 - d]; o++) {
      double variance;
      statistics(v, d ? o * n : o, step, n, &variance);
      note(got[o], variance, variance);
    }
    free(got);
    clg_tensor_unref(&x);
  }
}

/* Sums that a float does not hold, of means that it does. */
START_TEST(means_of_huge_values) {
  static const range shape[] = {{2, {40, 60}},  {2, {3, 5003}},  {2, {2, 200001}},
                                {2, {5003, 3}}, {2, {70001, 2}}, {2, {300, 1700}}};
  const range *r = &shape[_i];
  kind = 1;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_mul_scalar(tensor(2, r->shape, 0), 2e38f);
  float *v = host(x), *last = host(clg_mean(x, D(1), 1, false)), *first = host(clg_mean(x, D(0), 1, false));
  worst = 0;
  for (int d = 0; d < 2; d++)
    for (int64_t o = 0; o < r->shape[1 - d]; o++) {
      double variance, mean = statistics(v, d ? o * r->shape[1] : o, d ? 1 : r->shape[1], r->shape[d], &variance);
      note((d ? last : first)[o], mean, mean);
    }
  float *var = host(clg_var(clg_mul_scalar(x, 1e-20f), NULL, 0, false, false));
  for (int64_t e = 0; e < clg_tensor_numel(x); e++) v[e] *= 1e-20f;
  double variance;
  statistics(v, 0, 1, clg_tensor_numel(x), &variance);
  note(*var, variance, variance);
  ck_assert_msg(worst <= 4e-7, "shape %d: error %g", _i, worst);
  note_variances_of_peaks(r, v);
  ck_assert_msg(worst <= 1e-6, "shape %d: error %g", _i, worst);
  free(v), free(last), free(first), free(var);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

/* ---- the table: for 1e2, 1e3, .. 1e6 terms, BOUNDS ---- */
#include "sums_bounds.h"

/* CLBlast adds up to 4096 equal terms in a row; only what is beyond is cut. */
#define CLBLAST 5e-5

/* $TEST_SUMS: "long" for all lengths, "table" to print the errors too, "1e8" to print those of a sum and a product of
 * so many terms, which nothing bounds. */
static bool chosen(const char *mode) {
  const char *which = getenv("TEST_SUMS");
  return which && !strcmp(which, mode);
}

static void measure(int row, int decade) {
  int64_t n = 1;
  for (int i = 0; i < decade; i++) n *= 10;
  worst = 0;
  for (kind = 0; kind < 2; kind++) {
    clg_scope *s = clg_scope_open(ctx);
    rows[row].run(n);
    ck_assert_msg(clg_scope_close(s) == CLG_OK, "%s", clg_last_error(ctx));
  }
  if (chosen("table") || chosen("1e8")) printf("%s 1e%d %.1e\n", rows[row].name, decade, worst);
}

static void run(int row, int decade) {
  measure(row, decade);
  double bound = rows[row].bound[decade - 2];
  if (rows[row].run == matmul || rows[row].run == tile_product || rows[row].run == linear_gradients)
    if (clg_context_device(ctx)->shape == CLG_SHAPE_GPU) bound = fmax(bound, CLBLAST);
  ck_assert_msg(worst <= bound, "%s of 1e%d terms: relative error %.3g, more than %.3g", rows[row].name, decade, worst,
                bound);
}

START_TEST(short_sums) { run(_i, 2), run(_i, 4); }
END_TEST
START_TEST(long_sums) {
  for (int decade = 2; decade <= 6; decade++) run(_i, decade);
}
END_TEST

START_TEST(sums_of_1e8) {
  if (rows[_i].run == sum_all || rows[_i].run == dot) measure(_i, 8);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("sums");
  tcase_set_timeout(t, 1800);
  const TTest *const sums = chosen("1e8") ? sums_of_1e8 : chosen("long") || chosen("table") ? long_sums : short_sums;
  share_context(t);
  tcase_add_loop_test(t, sums, 0, N_ROWS);
  if (sums != sums_of_1e8) {
    tcase_add_loop_test(t, equal_values_have_no_deviation, 0, RANGES);
    tcase_add_loop_test(t, huge_values_are_normalised, 0, RANGES);
    tcase_add_loop_test(t, means_of_huge_values, 0, 6);
  }
  suite_add_tcase(suite, t);
}

CHECK_MAIN("sums", add_cases)
