/* Sizes at which kernels go other ways: reductions over more than a cache holds, norms in blocks, rows that broadcast.
 * No size is a multiple of a block, a stripe or a vector. */
#include "context.h"
#include "harness.h"
#include <clgrad/clgrad.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static clg_context *ctx;
static clg_scope *scope;
static void open_context(void) { ctx = test_context_open(), scope = clg_scope_open(ctx); }
static void close_context(void) {
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  test_context_close(&ctx);
}

/* Far from zero, so that a difference of mean squares would show. */
static clg_tensor *numbers(int ndim, const int64_t *shape) { return clg_add_scalar(clg_randn(ctx, ndim, shape), 30); }

static float *host(clg_tensor *t) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  float *v = malloc((size_t)clg_tensor_numel(t) * sizeof *v);
  ck_assert_ptr_nonnull(v);
  ck_assert_int_eq(clg_tensor_read(t, v), CLG_OK);
  return v;
}

static void near(double got, double want, double tolerance, int i) {
  ck_assert_msg(fabs(got - want) <= tolerance * fmax(1, fabs(want)), "%d: %.9g is not %.9g", i, got, want);
}

/* x [outer,n,inner], reduced over n. */
static void check_middle(int outer, int n, int inner) {
  clg_tensor *x = numbers(3, (int64_t[]){outer, n, inner});
  float *v = host(x), *sum = host(clg_sum(x, (int[]){1}, 1, false)), *max = host(clg_amax(x, (int[]){1}, 1, false)),
        *again = host(clg_sum(x, (int[]){1}, 1, false));
  /* The same values through strides that no kernel for contiguous memory takes. */
  clg_tensor *pairs = clg_stack((clg_tensor *[]){x, x}, 2, 3);
  float *spread =
      host(clg_sum(clg_reshape(clg_narrow(pairs, 3, 1, 1), 3, (int64_t[]){outer, n, inner}), (int[]){1}, 1, false));
  for (int o = 0; o < outer * inner; o++) {
    double want = 0, most = -INFINITY;
    for (int r = 0; r < n; r++) {
      double e = v[((size_t)(o / inner) * (size_t)n + (size_t)r) * (size_t)inner + (size_t)(o % inner)];
      want += e, most = fmax(most, e);
    }
    near(sum[o], want, 2e-6, o);
    near(max[o], most, 0, o);
    ck_assert(sum[o] == again[o]);
    ck_assert(sum[o] == spread[o]);
  }
  free(v), free(sum), free(max), free(again), free(spread);
}

START_TEST(reductions) {
  check_middle(1, 301, 5003); /* two stripes, the second short */
  check_middle(3, 70, 1501);
  check_middle(1, 9001, 37);
  const int rows[] = {1, 3, 15, 16, 17, 37, 63, 64, 65, 130}; /* short ones, several to an item */
  for (int k = 0; k < 10; k++) check_middle(test_interpreted(ctx) ? 307 : 5003, rows[k], 1);
  check_middle(7, 20011, 1);
  check_middle(1, 300007, 1);
}
END_TEST

/* Mean and biased variance of `images` runs of `size` values, `stride` apart. */
static void moments(const float *v, int images, int size, size_t stride, double *mean, double *var) {
  double s = 0, q = 0, n = (double)images * size;
  for (int i = 0; i < images; i++)
    for (int j = 0; j < size; j++) s += v[(size_t)i * stride + (size_t)j];
  *mean = s / n;
  for (int i = 0; i < images; i++)
    for (int j = 0; j < size; j++) q += pow(v[(size_t)i * stride + (size_t)j] - *mean, 2);
  *var = q / n;
}

START_TEST(layer_norms) {
  const int sizes[] = {1023, 1025, 2048, 5003};
  for (int k = 0; k < 4; k++) {
    int n = sizes[k], rows = 3;
    clg_tensor *x = numbers(2, (int64_t[]){rows, n});
    float *v = host(x), *y = host(clg_layer_norm(x, NULL, NULL, NULL));
    for (int r = 0; r < rows; r++) {
      double mean, var;
      moments(v + r * n, 1, n, 0, &mean, &var);
      for (int j = 0; j < n; j++) near(y[r * n + j], (v[r * n + j] - mean) / sqrt(var + 1e-5), 1e-5, r * n + j);
    }
    free(v), free(y);
  }
}
END_TEST

/* y, the running statistics and the gradients of x, gamma and beta. */
enum { RESULTS = 6 };
typedef struct norm_results {
  float *v[RESULTS];
} norm_results;

static norm_results run_batch_norm(clg_tensor *x, clg_tensor *g, const char *act, bool inside, bool train) {
  int64_t c = clg_tensor_dim(x, 1);
  norm_results r;
  clg_set_seed(ctx, 7, 0);
  clg_tensor *in[3] = {clg_detach(x), clg_randn(ctx, 1, &c), clg_randn(ctx, 1, &c)}, *d[3];
  clg_batch_norm_options o = clg_batch_norm_defaults();
  o.training = train, o.act.formula = inside ? act : NULL, o.act.numbers[0] = 0.2f;
  o.running_mean = clg_full(ctx, 1, &c, 30), o.running_var = clg_full(ctx, 1, &c, 1);
  for (int i = 0; i < 3; i++) ck_assert_int_eq(clg_tensor_set_requires_grad(in[i], true), CLG_OK);
  clg_tensor *y = clg_batch_norm(in[0], in[1], in[2], &o);
  if (!inside) y = clg_activate(y, (clg_act){act, {0.2f}});
  ck_assert_int_eq(clg_grad(clg_sum(clg_mul(y, g), NULL, 0, false), in, 3, d, NULL), CLG_OK);
  clg_tensor *const t[RESULTS] = {y, o.running_mean, o.running_var, d[0], d[1], d[2]};
  for (int i = 0; i < RESULTS; i++) r.v[i] = host(t[i]);
  return r;
}

static void free_results(norm_results *r) {
  for (int i = 0; i < RESULTS; i++) free(r->v[i]);
}

/* x [images,channels,n], leaky relu behind it, against double precision. */
static void check_batch_norm(int images, int channels, int n, bool train) {
  const int64_t shape[3] = {images, channels, n};
  clg_tensor *x = numbers(n > 1 ? 3 : 2, shape), *g = clg_randn(ctx, n > 1 ? 3 : 2, shape);
  norm_results r = run_batch_norm(x, g, "leaky_relu", true, train);
  float *v = host(x), *up = host(g);
  clg_set_seed(ctx, 7, 0);
  float *gamma = host(clg_randn(ctx, 1, shape + 1)), *beta = host(clg_randn(ctx, 1, shape + 1));
  size_t stride = (size_t)(channels * n);
  double count = (double)images * n;
  for (int c = 0; c < channels; c++) {
    double mean = 30, var = 1, sums[2] = {0, 0};
    if (train) {
      moments(v + c * n, images, n, stride, &mean, &var);
      near(r.v[1][c], 0.9 * 30 + 0.1 * mean, 1e-6, c);
      near(r.v[2][c], 0.9 + 0.1 * var * count / (count - 1), 1e-5, c);
    }
    double rstd = 1 / sqrt(var + 1e-5);
    for (int pass = 0; pass < 2; pass++)
      for (int i = 0; i < images * n; i++) {
        size_t at = (size_t)(i / n) * stride + (size_t)(c * n + i % n);
        double xhat = (v[at] - mean) * rstd, before = xhat * gamma[c] + beta[c], d = up[at];
        if (r.v[0][at] < 0) d *= 0.2f; /* at the kink either side's gradient is right */
        if (pass == 0) {
          near(r.v[0][at], before < 0 ? before * 0.2f : before, 2e-5, (int)at);
          sums[0] += d, sums[1] += d * xhat;
        } else {
          double most = train ? (sums[0] + xhat * sums[1]) / count : 0;
          near(r.v[3][at], gamma[c] * rstd * (d - most), 2e-4, (int)at);
        }
      }
    near(r.v[4][c], sums[1], 1e-3, c);
    near(r.v[5][c], sums[0], 1e-3, c);
  }
  free(v), free(up), free(gamma), free(beta), free_results(&r);
}

/* The same bits whether the activation is in the kernels, and each time. */
static void same_batch_norm(int images, int channels, int n, const char *act) {
  const int64_t shape[3] = {images, channels, n};
  clg_tensor *x = numbers(n > 1 ? 3 : 2, shape), *g = clg_randn(ctx, n > 1 ? 3 : 2, shape);
  norm_results one = run_batch_norm(x, g, act, true, true), two = run_batch_norm(x, g, act, false, true);
  for (int i = 0; i < RESULTS; i++) {
    size_t length = (size_t)(i == 0 || i == 3 ? images * channels * n : channels);
    ck_assert_msg(!memcmp(one.v[i], two.v[i], length * sizeof(float)), "result %d differs", i);
  }
  free_results(&one), free_results(&two);
}

START_TEST(batch_norms) {
  const int sizes[] = {9, 255, 257, 2501, 4099};
  for (int k = 0; k < 5; k++) check_batch_norm(5, 3, sizes[k], true);
  check_batch_norm(37, 19, 1, true);
}
END_TEST

/* Channels that are shared out: one, several with short and long runs, and side by side. */
START_TEST(batch_norms_in_parts) {
  const int shapes[][3] = {{5, 1, 27011}, {2, 3, 66003}, {4517, 2, 31}, {1031, 261, 1}, {515, 1033, 1}};
  for (int k = 0; k < 5; k++) {
    check_batch_norm(shapes[k][0], shapes[k][1], shapes[k][2], true);
    if (test_interpreted(ctx)) continue;
    check_batch_norm(shapes[k][0], shapes[k][1], shapes[k][2], false);
    same_batch_norm(shapes[k][0], shapes[k][1], shapes[k][2], "leaky_relu");
    same_batch_norm(shapes[k][0], shapes[k][1], shapes[k][2], "tanh");
  }
}
END_TEST

/* A row, a column and one value against a matrix, and what four dimensions and odd strides make of them: the bits of
 * flat memory. */
START_TEST(broadcasts) {
  const int64_t shape[] = {7, 5, 67, 130},
                parts[][4] = {{1, 1, 1, 130}, {7, 5, 67, 1}, {7, 1, 67, 1}, {1, 5, 1, 130}, {1, 1, 1, 1}};
  clg_tensor *x = numbers(4, shape);
  for (int k = 0; k < 5; k++) {
    clg_tensor *p = clg_randn(ctx, 4, parts[k]), *full = clg_contiguous(clg_expand(p, 4, shape));
    clg_tensor *turned = clg_transpose(clg_contiguous(clg_transpose(x, 1, 3)), 1, 3);
    float *want = host(clg_mul(x, full)), *got = host(clg_mul(x, p)), *odd = host(clg_mul(turned, p)),
          *back = host(full);
    float *small = host(p);
    for (int64_t i = 0; i < clg_tensor_numel(x); i++) {
      ck_assert(want[i] == got[i] && want[i] == odd[i]);
      int64_t rest = i, at = 0, step = 1;
      for (int d = 3; d >= 0; d--) {
        at += rest % shape[d] % parts[k][d] * step;
        rest /= shape[d], step *= parts[k][d];
      }
      ck_assert(back[i] == small[at]);
    }
    free(want), free(got), free(odd), free(back), free(small);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("large");
  tcase_add_checked_fixture(c, open_context, close_context);
  tcase_set_timeout(c, 300);
  tcase_add_test(c, reductions);
  tcase_add_test(c, layer_norms);
  tcase_add_test(c, batch_norms);
  tcase_add_test(c, batch_norms_in_parts);
  tcase_add_test(c, broadcasts);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("large", add_cases)
