/* Pooling, indices, norms and softmax at widths around those of vectors and blocks, and in few rows and many, against
 * plain loops: where kernels go over from 16 elements at a time to one. */
#include "harness.h"
#include "shared_context.h"
#include <clgrad/clgrad.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...)     ((int64_t[]){__VA_ARGS__})
#define EACH(v, list) for (const int *v = list; *v; v++)

/* In [-1, 1], the same for the same i and salt. */
static float value(int64_t i, unsigned salt) {
  unsigned h = ((unsigned)i + salt * 977u) * 2654435761u;
  h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
  return (float)(h >> 8) / 8388608.0f - 1.0f;
}
static float *values(int64_t n, unsigned salt) {
  float *v = malloc((size_t)(n ? n : 1) * sizeof *v);
  for (int64_t i = 0; i < n; i++) v[i] = value(i, salt);
  return v;
}
static clg_tensor *tensor(int ndim, const int64_t *shape, const float *v) {
  clg_tensor *t = clg_tensor_create(ctx, ndim, shape, v);
  clg_tensor *own = clg_mul_scalar(t, 1); /* an op result, which the scope releases */
  clg_tensor_unref(&t);
  clg_tensor_set_requires_grad(own = clg_detach(own), true);
  return own;
}
static float *host(const clg_tensor *t) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  float *v = malloc((size_t)clg_tensor_numel(t) * sizeof *v);
  ck_assert_int_eq(clg_tensor_read(t, v), CLG_OK);
  return v;
}
static void near(const clg_tensor *t, const double *want, double tolerance, const char *what) {
  float *got = host(t);
  for (int64_t i = 0; i < clg_tensor_numel(t); i++)
    ck_assert_msg(isnan(want[i]) ? isnan(got[i])
                                 : got[i] == want[i] || fabs(got[i] - want[i]) <= tolerance * (1 + fabs(want[i])),
                  "%s: element %ld is %g, not %g", what, (long)i, (double)got[i], want[i]);
  free(got);
}
/* Gradients of t[0..n) for the gradient g of y. */
static void gradients(clg_tensor *y, clg_tensor *g, clg_tensor **t, size_t n, clg_tensor **out) {
  clg_backward_options o = clg_backward_defaults();
  o.grad = g;
  ck_assert_msg(y && clg_grad(y, t, n, out, &o) == CLG_OK, "%s", clg_last_error(ctx));
}
static double *zeros(int64_t n) { return calloc((size_t)(n ? n : 1), sizeof(double)); }

/* ---- pooling ---- */

typedef struct window {
  int k[2], s[2], p[2], d[2];
  bool exclude;
} window;
static const window windows[] = {
    {{2, 2}, {2, 2}, {0, 0}, {1, 1}, false},   {{3, 3}, {2, 2}, {1, 1}, {1, 1}, true},
    {{3, 3}, {1, 1}, {1, 1}, {1, 1}, false},   {{1, 1}, {2, 2}, {0, 0}, {1, 1}, false},
    {{2, 3}, {3, 3}, {0, 1}, {1, 1}, false},   {{5, 5}, {1, 1}, {2, 2}, {1, 1}, false},
    {{5, 5}, {5, 5}, {0, 0}, {1, 1}, false},   {{3, 18}, {1, 2}, {1, 9}, {1, 1}, true},
    {{2, 20}, {2, 20}, {0, 0}, {1, 1}, false}, {{3, 2}, {2, 1}, {1, 1}, {2, 3}, false},
};

/* Runs over the elements of each window: what it covers goes to sum, best and at, what g gives to dx. */
static void pool_reference(const window *w, const float *x, const float *g, int64_t planes, const int64_t in[2],
                           const int64_t out[2], double *average, double *max, double *dx_average, double *dx_max) {
  for (int64_t e = 0; e < planes * out[0] * out[1]; e++) {
    int64_t plane = e / out[1] / out[0] * in[0] * in[1], i0 = e / out[1] % out[0] * w->s[0] - w->p[0],
            j0 = e % out[1] * w->s[1] - w->p[1], at = -1;
    double sum = 0, best = -INFINITY, count = 0;
    for (int pass = 0; pass < 2; pass++)
      for (int a = 0; a < w->k[0]; a++)
        for (int b = 0; b < w->k[1]; b++) {
          int64_t i = i0 + a * w->d[0], j = j0 + b * w->d[1];
          bool in_x = i >= 0 && i < in[0] && j >= 0 && j < in[1];
          if (!pass) count += in_x || (!w->exclude && i < in[0] + w->p[0] && j < in[1] + w->p[1]);
          if (!in_x) continue;
          float v = x[plane + i * in[1] + j];
          if (pass) {
            dx_average[plane + i * in[1] + j] += 2 * g[e] / count;
          } else {
            sum += v;
            if (at < 0 || v > best || isnan(v)) best = v, at = plane + i * in[1] + j;
          }
        }
    average[e] = sum / count, max[e] = best;
    if (at >= 0) dx_max[at] += 2 * g[e];
  }
}

static void check_pool(const window *w, int64_t planes, int64_t height, int64_t width, bool nan) {
  clg_pool_options o = clg_pool_defaults();
  memcpy(o.stride, w->s, sizeof w->s);
  memcpy(o.padding, w->p, sizeof w->p), memcpy(o.dilation, w->d, sizeof w->d);
  o.count_include_pad = !w->exclude;
  int64_t in[2] = {height, width}, out[2];
  for (int i = 0; i < 2; i++) {
    int64_t room = in[i] + 2 * w->p[i] - w->d[i] * (w->k[i] - 1) - 1;
    if (room < 0) return;
    out[i] = room / w->s[i] + 1;
  }
  int64_t n = planes * in[0] * in[1], m = planes * out[0] * out[1];
  float *x = values(n, 1), *g = values(m, 2);
  for (int64_t i = 0; i < n; i++) x[i] = nan && i % 23 == 5 ? NAN : nan && i % 3 ? -INFINITY : x[i];
  double *want[4] = {zeros(m), zeros(m), zeros(n), zeros(n)};
  pool_reference(w, x, g, planes, in, out, want[0], want[1], want[2], want[3]);
  for (int average = 0; average < 2; average++) {
    if (average && (nan || w->d[0] > 1)) continue;
    char what[100];
    snprintf(what, sizeof what, "%s of %dx%d at %dx%d in %ldx%ld", average ? "average" : "maximum", w->k[0], w->k[1],
             w->s[0], w->s[1], (long)height, (long)width);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *t = tensor(3, DIMS(planes, height, width), x), *to = tensor(3, DIMS(planes, out[0], out[1]), g), *dx;
    clg_tensor *y = average ? clg_avg_pool2d(t, w->k[0], w->k[1], &o) : clg_max_pool2d(t, w->k[0], w->k[1], &o);
    near(y, want[!average], 1e-6, what);
    gradients(clg_add(y, average ? clg_avg_pool2d(t, w->k[0], w->k[1], &o) : clg_max_pool2d(t, w->k[0], w->k[1], &o)),
              to, &t, 1, &dx); /* adds to dx */
    near(dx, want[average ? 2 : 3], 4e-6, what);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  for (int i = 0; i < 4; i++) free(want[i]);
  free(x), free(g);
}
START_TEST(pooling) {
  static const int widths[] = {1, 2, 15, 16, 17, 18, 31, 32, 33, 35, 67, 0};
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) EACH(width, widths) {
      check_pool(&windows[i], 3, 6, *width, false);
      check_pool(&windows[i], 1, 1, *width, false);
    }
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
    check_pool(&windows[i], 2, 9, 40, true);
    check_pool(&windows[i], 70, 9, 9, false); /* several pieces of rows */
    check_pool(&windows[i], 37, 5, 5, false); /* of windows that are whole planes, too */
    check_pool(&windows[i], 1, 150, 70, false);
    check_pool(&windows[i], 2, 3, 1100, false);
  }
}
END_TEST

/* ---- indices ---- */

static int32_t *indices(int64_t n, int64_t below, unsigned salt) {
  int32_t *v = malloc((size_t)n * sizeof *v);
  for (int64_t i = 0; i < n; i++) v[i] = (int32_t)((value(i, salt) + 1) / 2.0001f * (float)below);
  return v;
}
static clg_tensor *index_tensor(int ndim, const int64_t *shape, const int32_t *v) {
  return clg_tensor_create_i32(ctx, ndim, shape, v);
}

/* x [outer,n,inner] read by m indices a range: each of its own, or the same for all. */
static void check_reads(int64_t outer, int64_t n, int64_t m, int64_t inner, bool rows) {
  char what[100];
  snprintf(what, sizeof what, "%s of %ld in [%ld,%ld,%ld]", rows ? "rows" : "elements", (long)m, (long)outer, (long)n,
           (long)inner);
  int64_t count = outer * m * inner, all = outer * n * inner;
  float *x = values(all, 3), *g = values(count, 4);
  int32_t *index = indices(rows ? m : count, n, 5);
  double *y = zeros(count), *dx = zeros(all);
  for (int64_t e = 0; e < count; e++) {
    int64_t i = e % inner, j = e / inner % m, o = e / inner / m, k = index[rows ? j : e];
    y[e] = x[(o * n + k) * inner + i];
    dx[(o * n + k) * inner + i] += 2 * (double)g[e];
  }
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *at = rows ? index_tensor(1, DIMS(m), index) : index_tensor(3, DIMS(outer, m, inner), index);
  clg_tensor *t = tensor(3, DIMS(outer, n, inner), x), *to = tensor(3, DIMS(outer, m, inner), g), *grad;
  clg_tensor *got = rows ? clg_index_select(t, 1, at) : clg_gather(t, 1, at);
  near(got, y, 0, what);
  gradients(clg_add(got, rows ? clg_index_select(t, 1, at) : clg_gather(t, 1, at)), to, &t, 1, &grad);
  near(grad, dx, 1e-5, what);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&at);
  free(x), free(g), free(index), free(y), free(dx);
}

/* Maxima and minima of x [outer,n,inner], which has equal numbers, and with `nan` some NaN. */
static void check_extremes(int64_t outer, int64_t n, int64_t inner, int nan) {
  int64_t count = outer * inner, all = count * n;
  float *x = values(all, 6), *g = values(count, 7);
  for (int64_t i = 0; i < all; i++) x[i] = nan && (i * 7 + nan) % 41 == 0 ? NAN : roundf(x[i] * 8) / 8;
  double *y = zeros(count), *dx = zeros(all);
  int32_t *got = malloc((size_t)count * sizeof *got);
  for (int least = 0; least < 2; least++) {
    char what[100];
    snprintf(what, sizeof what, "extremes of [%ld,%ld,%ld]", (long)outer, (long)n, (long)inner);
    memset(dx, 0, (size_t)all * sizeof *dx);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *t = tensor(3, DIMS(outer, n, inner), x), *to = tensor(2, DIMS(outer, inner), g), *at, *grad;
    clg_tensor *best = least ? clg_min(t, 1, false, &at) : clg_max(t, 1, false, &at);
    ck_assert_msg(best && clg_tensor_read_i32(at, got) == CLG_OK, "%s", clg_last_error(ctx));
    for (int64_t e = 0; e < count; e++) {
      const float *from = x + e / inner * n * inner + e % inner;
      int64_t first = 0;
      for (int64_t k = 1; k < n && !isnan(from[first * inner]); k++) {
        float v = from[k * inner], b = from[first * inner];
        if (isnan(v) || (least ? v < b : v > b)) first = k;
      }
      ck_assert_msg(got[e] == first, "%s: %ld is at %d, not %ld", what, (long)e, got[e], (long)first);
      y[e] = from[first * inner];
      dx[(e / inner * n + first) * inner + e % inner] = g[e];
    }
    near(best, y, 0, what);
    gradients(best, to, &t, 1, &grad);
    near(grad, dx, 0, what);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  free(x), free(g), free(y), free(dx), free(got);
}

static const int inners[] = {1, 3, 15, 16, 17, 33, 0}, lengths[] = {1, 2, 15, 16, 17, 31, 33, 70, 0},
                 reads[] = {1, 16, 17, 70, 0};
START_TEST(reading_by_index) {
  EACH(inner, inners)
  EACH(n, lengths) EACH(m, reads) {
    check_reads(*n % 3 + 1, *n, *m, *inner, false);
    check_reads(*n % 3 + 1, *n, *m, *inner, true);
  }
  check_reads(2, 1500, 40, 1, false);
  check_reads(2, 40, 1500, 1, false);
  check_reads(1, 3, 300, 1100, true); /* long rows, many of each */
  check_reads(1, 300, 3, 1100, true);
  check_reads(40, 60, 50, 1, true);
}
END_TEST
START_TEST(extremes) {
  EACH(inner, inners)
  EACH(n, lengths) for (int nan = 0; nan < 3; nan++) check_extremes(*n % 4 * 9 + 1, *n, *inner, nan);
  check_extremes(3, 20, 300, 1);
  check_extremes(1, 5000, 1, 2);
}
END_TEST

/* ---- norms ---- */

/* The norm of `groups` of numbers; gamma and beta of element k, or in batch norm of the group, or in group norm, which
 * has several groups an image and `size` elements a channel, of the channel. Sets y, dx, dgamma, dbeta. */
typedef struct norm_case {
  int64_t groups, n, outer_step, run,
      run_step; /* element k: k / run * run_step + k % run, from group * outer_step on */
  enum { LAYER, BATCH, GROUP } kind;
  int64_t an_image, size;
} norm_case;
static int64_t parameter_of(const norm_case *c, int64_t group, int64_t k) {
  return c->kind == LAYER ? k : c->kind == BATCH ? group : group % c->an_image * (c->n / c->size) + k / c->size;
}
static void norm_reference(const norm_case *c, const float *x, const float *g, const float *gamma, const float *beta,
                           double *const out[4]) {
  for (int64_t i = 0; i < c->groups; i++) {
    double mean = 0, var = 0, sum = 0, sum_hat = 0;
#define AT(k)    (i * c->outer_step + (k) / c->run * c->run_step + (k) % c->run)
#define PARAM(k) parameter_of(c, i, k)
    for (int64_t k = 0; k < c->n; k++) mean += x[AT(k)] / (double)c->n;
    for (int64_t k = 0; k < c->n; k++) var += pow(x[AT(k)] - mean, 2) / (double)c->n;
    double rstd = 1 / sqrt(var + (double)1e-5f);
    for (int64_t k = 0; k < c->n; k++) {
      double hat = (x[AT(k)] - mean) * rstd, h = (double)g[AT(k)] * gamma[PARAM(k)];
      out[0][AT(k)] = hat * gamma[PARAM(k)] + beta[PARAM(k)];
      out[2][PARAM(k)] += g[AT(k)] * hat, out[3][PARAM(k)] += g[AT(k)];
      sum += h / (double)c->n, sum_hat += h * hat / (double)c->n;
    }
    for (int64_t k = 0; k < c->n; k++)
      out[1][AT(k)] = rstd * ((double)g[AT(k)] * gamma[PARAM(k)] - sum - (x[AT(k)] - mean) * rstd * sum_hat);
  }
}
static clg_tensor *normalised(const norm_case *c, clg_tensor *const *t) {
  return c->kind == LAYER   ? clg_layer_norm(t[0], t[1], t[2], NULL)
         : c->kind == BATCH ? clg_batch_norm(t[0], t[1], t[2], NULL)
                            : clg_group_norm(t[0], t[1], t[2], (int)c->an_image, NULL);
}
static void check_norm(const norm_case *c, int ndim, const int64_t *shape) {
  static const char *const names[] = {"layer", "batch", "group"};
  int64_t all = c->groups * c->n, params = shape[c->kind == LAYER ? ndim - 1 : 1];
  char what[100];
  snprintf(what, sizeof what, "%s norm of %ld groups of %ld, %ld in each image, planes of %ld", names[c->kind],
           (long)c->groups, (long)c->n, (long)c->an_image, (long)c->size);
  float *v[4] = {values(all, 8), values(all, 9), values(params, 10), values(params, 11)};
  double *want[4] = {zeros(all), zeros(all), zeros(params), zeros(params)};
  norm_reference(c, v[0], v[1], v[2], v[3], want);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *t[3] = {tensor(ndim, shape, v[0]), tensor(1, &params, v[2]), tensor(1, &params, v[3])}, *d[3];
  clg_tensor *y = normalised(c, t);
  near(y, want[0], 2e-5, what);
  gradients(clg_add(y, normalised(c, t)), tensor(ndim, shape, v[1]), t, 3, d); /* written, then added to */
  for (int64_t i = 0; i < all; i++) want[1][i] *= 2;
  for (int64_t i = 0; i < 2 * params; i++) want[2 + i / params][i % params] *= 2;
  for (int i = 0; i < 3; i++) near(d[i], want[1 + i], c->n < 4 ? 2e-2 : 4e-5, what); /* of two numbers: 1/sqrt(eps) */
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  for (int i = 0; i < 4; i++) free(v[i]), free(want[i]);
}
static const int norm_widths[] = {1, 15, 16, 17, 31, 33, 63, 65, 100, 255, 257, 0},
                 norm_rows[] = {1, 2, 17, 40, 300, 0};
START_TEST(layer_norms) {
  EACH(n, norm_widths)
  EACH(rows, norm_rows) check_norm(&(norm_case){*rows, *n, *n, *n, *n, LAYER, 0, 0}, 2, DIMS(*rows, *n));
  check_norm(&(norm_case){3, 9000, 9000, 9000, 9000, LAYER, 0, 0}, 2, DIMS(3, 9000));
  check_norm(&(norm_case){70, 1100, 1100, 1100, 1100, LAYER, 0, 0}, 2, DIMS(70, 1100));
}
END_TEST
START_TEST(batch_norms) {
  EACH(channels, norm_widths)
  EACH(images, norm_rows) {
    if (*images == 1) continue;
    check_norm(&(norm_case){*channels, *images, 1, 1, *channels, BATCH, 0, 0}, 2, DIMS(*images, *channels));
  }
  check_norm(&(norm_case){520, 520, 1, 1, 520, BATCH, 0, 0}, 2, DIMS(520, 520)); /* in parts */
  EACH(size, norm_widths)
  check_norm(&(norm_case){3, 5 * *size, *size, *size, 3 * *size, BATCH, 0, 0}, 3, DIMS(5, 3, *size));
  check_norm(&(norm_case){2, 3 * 50001, 50001, 50001, 2 * 50001, BATCH, 0, 0}, 3, DIMS(3, 2, 50001));
}
END_TEST

/* Planes of fewer elements than a vector, and of more than a block; channels that several groups share; as many images
 * as are summed in several parts. */
static void check_groups(int64_t images, int64_t groups, int64_t of, int64_t size) {
  const int64_t n = of * size;
  check_norm(&(norm_case){images * groups, n, n, n, n, GROUP, groups, size}, 3, DIMS(images, groups * of, size));
}
START_TEST(group_norms) {
  static const int64_t of[][3] = {{1, 1, 1}, {3, 2, 3}, {40, 2, 2}, {17, 3, 1}, {2, 1, 20}, {300, 2, 3}};
  for (size_t i = 0; i < sizeof of / sizeof *of; i++)
    EACH(size, norm_widths) check_groups(of[i][0], of[i][1], of[i][2], *size);
  check_groups(3, 2, 2, 9000);
  check_groups(2, 50, 1, 1100);
  check_groups(5, 1, 700, 1);
}
END_TEST

/* ---- softmax ---- */

/* Along the middle of [outer,n,inner], of 9x, with a gradient that is added to that of 2x; the logarithm's. */
static void check_softmax(int64_t outer, int64_t n, int64_t inner, bool logs) {
  const int64_t all = outer * n * inner;
  float *x = values(all, 3), *g = values(all, 4);
  double *y = zeros(all), *dx = zeros(all);
  for (int64_t r = 0; r < outer * inner; r++) {
    const int64_t first = r / inner * n * inner + r % inner, end = first + n * inner;
    double sum = 0, weighted = 0;
    for (int64_t i = first; i < end; i += inner) sum += exp((double)x[i] * 9);
    for (int64_t i = first; i < end; i += inner) {
      const double share = exp((double)x[i] * 9) / sum;
      y[i] = logs ? log(share) : share, dx[i] = share, weighted += (logs ? 1 : share) * (double)g[i];
    }
    for (int64_t i = first; i < end; i += inner)
      dx[i] = 9 * (logs ? (double)g[i] - dx[i] * weighted : dx[i] * ((double)g[i] - weighted)) + 2 * (double)g[i];
  }
  char what[100];
  snprintf(what, sizeof what, "%s of [%ld,%ld,%ld]", logs ? "log softmax" : "softmax", (long)outer, (long)n,
           (long)inner);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *t = tensor(3, DIMS(outer, n, inner), x), *up = tensor(3, DIMS(outer, n, inner), g), *d;
  clg_tensor *by = clg_mul_scalar(t, 9), *z = logs ? clg_log_softmax(by, 1) : clg_softmax(by, 1);
  near(z, y, 4e-6, what);
  gradients(clg_add(clg_mul_scalar(t, 2), z), up, &t, 1, &d);
  near(d, dx, 1e-5, what);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  free(x), free(g), free(y), free(dx);
}
START_TEST(softmax_of_rows) {
  static const int ns[] = {1, 2, 3, 4, 5, 7, 8, 10, 12, 15, 16, 17, 31, 32, 33, 300, 0},
                   counts[] = {1, 3, 15, 16, 17, 63, 64, 65, 150, 0};
  EACH(n, ns) EACH(rows, counts) {
    check_softmax(*rows, *n, 1, false);
    check_softmax(*rows, *n, 1, true);
  }
}
END_TEST
START_TEST(softmax_of_columns) {
  static const int ns[] = {1, 5, 16, 17, 40, 0}, widths[] = {2, 15, 16, 17, 48, 63, 64, 65, 130, 0};
  EACH(n, ns) EACH(inner, widths) for (int64_t outer = 1; outer < 4; outer += 2) {
    check_softmax(outer, *n, *inner, false);
    check_softmax(outer, *n, *inner, true);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("widths");
  share_context(c);
  tcase_set_timeout(c, 0);
  tcase_add_test(c, pooling);
  tcase_add_test(c, reading_by_index);
  tcase_add_test(c, extremes);
  tcase_add_test(c, layer_norms);
  tcase_add_test(c, batch_norms);
  tcase_add_test(c, group_norms);
  tcase_add_test(c, softmax_of_rows);
  tcase_add_test(c, softmax_of_columns);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("widths", add_cases)
