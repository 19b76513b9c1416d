/* Reductions, extremes, softmax and norms over constant, huge, tiny and shifted values, with NaN and infinity among
 * them: values, first and second gradients against definitions in double. All rows of an op are one tensor.
 * $CLGRAD_TEST_CASE, part of a name, leaves everything else out. */
#include "context.h"
#include "harness.h"
#include "ranges.h"
#include <float.h>
#include <string.h>

static clg_context *ctx;
static void open_context(void) { ctx = test_context_open(); }
static void close_context(void) { test_context_close(&ctx); }
#define S(...) ((int64_t[]){__VA_ARGS__})
#define D(...) ((int[]){__VA_ARGS__})

/* ---- definitions: of a row of n, m results ---- */

typedef int (*definition)(const hyper *x, int n, hyper *y);

static hyper sum_of(const hyper *x, int n) {
  hyper s = hyper_of(0);
  for (int i = 0; i < n; i++) s = hyper_add(s, x[i]);
  return s;
}
static int def_sum(const hyper *x, int n, hyper *y) { return *y = sum_of(x, n), 1; }
static int def_mean(const hyper *x, int n, hyper *y) { return *y = hyper_scale(sum_of(x, n), 1.0 / n), 1; }
/* Differences from the mean, exactly 0 for equal elements; returns the sum of their squares. */
static hyper centred(const hyper *x, int n, hyper *d) {
  hyper mean = hyper_of(0), squares = hyper_of(0);
  for (int i = 0; i < n; i++) mean = hyper_add(mean, hyper_scale(hyper_sub(x[i], hyper_of(x[0].v)), 1.0 / n));
  for (int i = 0; i < n; i++) {
    d[i] = hyper_sub(hyper_sub(x[i], hyper_of(x[0].v)), mean);
    squares = hyper_add(squares, hyper_mul(d[i], d[i]));
  }
  return squares;
}
static int def_var(const hyper *x, int n, hyper *y) {
  hyper d[MOST];
  return *y = hyper_scale(centred(x, n, d), 1.0 / n), 1;
}
static int def_var_unbiased(const hyper *x, int n, hyper *y) {
  hyper d[MOST];
  return *y = hyper_scale(centred(x, n, d), 1.0 / (n - 1)), 1;
}
/* Its root; of a deviation of 0 all derivatives are 0. */
static int def_std(const hyper *x, int n, hyper *y) {
  def_var_unbiased(x, n, y);
  return *y = y->v == 0 ? hyper_of(0) : hyper_pow(*y, 0.5), 1;
}
#define EPS 1e-5f
static int def_normalised(const hyper *x, int n, hyper *y) {
  hyper d[MOST], r = hyper_pow(hyper_add(hyper_scale(centred(x, n, d), 1.0 / n), hyper_of((double)EPS)), -0.5);
  for (int i = 0; i < n; i++) y[i] = hyper_mul(d[i], r);
  return n;
}
static hyper power_norm(const hyper *x, int n, double p) {
  hyper s = hyper_of(0);
  for (int i = 0; i < n; i++) s = hyper_add(s, hyper_pow(hyper_abs(x[i]), p));
  return s.v == 0 ? hyper_of(0) : hyper_pow(s, 1 / p);
}
static int def_norm_2(const hyper *x, int n, hyper *y) { return *y = power_norm(x, n, 2), 1; }
static int def_norm_3(const hyper *x, int n, hyper *y) { return *y = power_norm(x, n, 3), 1; }
static int def_norm_1(const hyper *x, int n, hyper *y) { return *y = power_norm(x, n, 1), 1; }
/* log(sum(exp(x - most))) */
static hyper log_sum(const hyper *x, int n, double *most) {
  hyper s = hyper_of(0);
  *most = -INFINITY;
  for (int i = 0; i < n; i++) *most = fmax(*most, x[i].v);
  for (int i = 0; i < n; i++) s = hyper_add(s, hyper_exp(hyper_sub(x[i], hyper_of(*most))));
  return hyper_log(s);
}
static int def_log_softmax(const hyper *x, int n, hyper *y) {
  double most;
  const hyper sum = log_sum(x, n, &most);
  for (int i = 0; i < n; i++) y[i] = hyper_sub(hyper_sub(x[i], hyper_of(most)), sum);
  return n;
}
/* By what is as infinite as the result, inf - inf. */
static int def_logsumexp(const hyper *x, int n, hyper *y) {
  double most;
  const hyper sum = log_sum(x, n, &most);
  *y = hyper_add(isinf(most) ? hyper_of(0) : sum, hyper_of(most));
  for (int i = 0; isinf(most) && i < n; i++)
    if (x[i].v == most && x[i].a != 0) y->a = NAN;
  return 1;
}
static int def_softmax(const hyper *x, int n, hyper *y) {
  def_log_softmax(x, n, y);
  for (int i = 0; i < n; i++) y[i] = hyper_exp(y[i]);
  return n;
}

/* Extremes: of `sign` times the elements the greatest, NaN above all; the share of each that equals it, or the first.
 */
static int first_of(const hyper *x, int n, double sign) {
  int at = 0;
  for (int i = 1; i < n; i++)
    if (!isnan(x[at].v) && (isnan(x[i].v) || sign * x[i].v > sign * x[at].v)) at = i;
  return at;
}
static int shared_extreme(const hyper *x, int n, double sign, hyper *y) {
  const double most = x[first_of(x, n, sign)].v;
  int equal = 0;
  *y = hyper_of(0);
  for (int i = 0; i < n; i++) equal += x[i].v == most || isnan(x[i].v);
  for (int i = 0; i < n; i++)
    if (x[i].v == most || isnan(x[i].v)) *y = hyper_add(*y, hyper_scale(x[i], 1.0 / equal));
  return y->v = most, 1;
}
static int def_max(const hyper *x, int n, hyper *y) { return *y = x[first_of(x, n, 1)], 1; }
static int def_min(const hyper *x, int n, hyper *y) { return *y = x[first_of(x, n, -1)], 1; }
static int def_amax(const hyper *x, int n, hyper *y) { return shared_extreme(x, n, 1, y); }
static int def_amin(const hyper *x, int n, hyper *y) { return shared_extreme(x, n, -1, y); }
static int def_argmax(const hyper *x, int n, hyper *y) { return *y = hyper_of(first_of(x, n, 1)), 1; }
static int def_argmin(const hyper *x, int n, hyper *y) { return *y = hyper_of(first_of(x, n, -1)), 1; }

/* ---- ops: x [ROWS,n] -> [ROWS] or [ROWS,n] ---- */

#define OP(name, call)                                                                                                 \
  static clg_tensor *op_##name(clg_tensor *x) {                                                                        \
    const int64_t n = clg_tensor_dim(x, 1);                                                                            \
    (void)n;                                                                                                           \
    return call;                                                                                                       \
  }
OP(sum, clg_sum(x, D(1), 1, false))
OP(mean, clg_mean(x, D(1), 1, false))
OP(var, clg_var(x, D(1), 1, false, false))
OP(var_unbiased, clg_var(x, D(1), 1, true, false))
OP(std, clg_std(x, D(1), 1, true, false))
OP(logsumexp, clg_logsumexp(x, D(1), 1, false))
OP(norm_1, clg_norm(x, 1, D(1), 1, false))
OP(norm_2, clg_norm(x, 2, D(1), 1, false))
OP(norm_3, clg_norm(x, 3, D(1), 1, false))
OP(max, clg_max(x, 1, false, NULL))
OP(min, clg_min(x, 1, false, NULL))
OP(amax, clg_amax(x, D(1), 1, false))
OP(amin, clg_amin(x, D(1), 1, false))
OP(argmax, clg_to_float(clg_argmax(x, 1, false)))
OP(argmin, clg_to_float(clg_argmin(x, 1, false)))
OP(softmax, clg_softmax(x, 1))
OP(log_softmax, clg_log_softmax(x, 1))
OP(softmax_columns, clg_transpose(clg_softmax(clg_transpose(x, 0, 1), 0), 0, 1))
OP(layer_norm, clg_layer_norm(x, NULL, NULL, &(clg_norm_options){.eps = EPS}))
OP(group_norm,
   clg_reshape(clg_group_norm(clg_reshape(x, 3, S(ROWS, 1, n)), NULL, NULL, 1, &(clg_norm_options){.eps = EPS}), 2,
               S(ROWS, n)))
OP(instance_norm,
   clg_reshape(clg_instance_norm(clg_reshape(x, 3, S(1, ROWS, n)), NULL, NULL, &(clg_norm_options){.eps = EPS}), 2,
               S(ROWS, n)))
OP(batch_norm_rows, clg_transpose(clg_batch_norm(clg_transpose(x, 0, 1), NULL, NULL, NULL), 0, 1))
OP(batch_norm_planes, clg_reshape(clg_batch_norm(clg_reshape(x, 3, S(1, ROWS, n)), NULL, NULL, NULL), 2, S(ROWS, n)))

typedef enum family { SUMS, EXTREMES, NORMS, EXPONENTIALS, VARIANCES, NORMALISED, DEVIATIONS, LOG_SUMS } family;
static const struct {
  const char *name;
  clg_tensor *(*op)(clg_tensor *x);
  definition f;
  family family;
} ops[] = {
    {"sum", op_sum, def_sum, SUMS},
    {"mean", op_mean, def_mean, SUMS},
    {"var", op_var, def_var, VARIANCES},
    {"var unbiased", op_var_unbiased, def_var_unbiased, VARIANCES},
    {"std", op_std, def_std, DEVIATIONS},
    {"logsumexp", op_logsumexp, def_logsumexp, LOG_SUMS},
    {"norm 1", op_norm_1, def_norm_1, NORMS},
    {"norm 2", op_norm_2, def_norm_2, NORMS},
    {"norm 3", op_norm_3, def_norm_3, NORMS},
    {"max", op_max, def_max, EXTREMES},
    {"min", op_min, def_min, EXTREMES},
    {"amax", op_amax, def_amax, EXTREMES},
    {"amin", op_amin, def_amin, EXTREMES},
    {"argmax", op_argmax, def_argmax, EXTREMES},
    {"argmin", op_argmin, def_argmin, EXTREMES},
    {"softmax", op_softmax, def_softmax, EXPONENTIALS},
    {"softmax columns", op_softmax_columns, def_softmax, EXPONENTIALS},
    {"log_softmax", op_log_softmax, def_log_softmax, EXPONENTIALS},
    {"layer_norm", op_layer_norm, def_normalised, NORMALISED},
    {"group_norm", op_group_norm, def_normalised, NORMALISED},
    {"instance_norm", op_instance_norm, def_normalised, NORMALISED},
    {"batch_norm rows", op_batch_norm_rows, def_normalised, NORMALISED},
    {"batch_norm planes", op_batch_norm_planes, def_normalised, NORMALISED},
};
enum { OPS = sizeof ops / sizeof *ops };

/* ---- the checks ---- */

enum { VALUE, FIRST, RECORDED, SECOND, ORDERS };
static const char *const order_name[] = {"value", "gradient", "recorded gradient", "second gradient"};
typedef struct outcome {
  float x[ROWS][MOST], u[ROWS][MOST], w[ROWS][MOST], got[ORDERS][ROWS][MOST];
  double want[ORDERS][MOST];
} outcome;
static outcome o;

static void read_rows(clg_tensor *t, int m, float to[][MOST]) {
  static float v[ROWS * MOST];
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t, v), CLG_OK);
  for (int r = 0; r < ROWS; r++) memcpy(to[r], v + r * m, (size_t)m * sizeof *v);
}
static clg_tensor *rows_of(float from[][MOST], int m, bool flat) {
  static float v[ROWS * MOST];
  for (int r = 0; r < ROWS; r++) memcpy(v + r * m, from[r], (size_t)m * sizeof *v);
  return clg_tensor_create(ctx, flat ? 1 : 2, S(ROWS, m), v);
}

static void finish(clg_scope *s, clg_tensor *x, clg_tensor *u, clg_tensor *w) {
  ck_assert_msg(clg_scope_close(s) == CLG_OK, "%s", clg_last_error(ctx));
  clg_tensor_unref(&x), clg_tensor_unref(&u), clg_tensor_unref(&w);
}

/* u weights results for the first gradients, w those for the second. */
static void run(int k, int n, int m) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = rows_of(o.x, n, false), *u = rows_of(o.u, m, m == 1), *w = rows_of(o.w, n, false), *g = NULL,
             *gg = NULL;
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = ops[k].op(x);
  read_rows(y, m, o.got[VALUE]);
  for (int order = FIRST; order < ORDERS; order++) memset(o.got[order], 0, sizeof o.got[order]);
  if (!clg_tensor_requires_grad(y)) {
    finish(s, x, u, w);
    return;
  }
  ck_assert_int_eq(clg_grad(y, &x, 1, &g, &(clg_backward_options){.grad = u, .retain_graph = true}), CLG_OK);
  read_rows(g, n, o.got[FIRST]);
  ck_assert_int_eq(clg_grad(y, &x, 1, &g, &(clg_backward_options){.grad = u, .create_graph = true}), CLG_OK);
  read_rows(g, n, o.got[RECORDED]);
  if (clg_tensor_requires_grad(g)) {
    ck_assert_int_eq(clg_grad(g, &x, 1, &gg, &(clg_backward_options){.grad = w, .allow_unused = true}), CLG_OK);
    if (gg) read_rows(gg, n, o.got[SECOND]);
  }
  finish(s, x, u, w);
}

/* Of one row: for each element a pass with that as direction a, and w as b. */
static void define(int k, int r, int n) {
  hyper x[MOST], y[MOST];
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) x[j] = (hyper){(double)o.x[r][j], j == i, (double)o.w[r][j], 0};
    int m = ops[k].f(x, n, y);
    o.want[FIRST][i] = o.want[SECOND][i] = 0;
    for (int j = 0; j < m; j++) {
      o.want[VALUE][j] = y[j].v;
      o.want[FIRST][i] += (double)o.u[r][j] * y[j].a, o.want[SECOND][i] += (double)o.u[r][j] * y[j].ab;
    }
    o.want[RECORDED][i] = o.want[FIRST][i];
  }
}

/* What rounding may take from the results of an order: 1e-6 and so on of the greatest term. Of x - mean the mean, a
 * float, is one. */
static double tolerance(int k, int r, int n, int order) {
  static const double part[ORDERS] = {1e-6, 2e-6, 2e-6, 5e-6};
  double size = 0, mean = 0, variance = 0, peak = 0, value = 0;
  for (int i = 0; i < n; i++) size += fabs((double)o.x[r][i]), mean += (double)o.x[r][i] / n;
  if (ranges[r].kind == EQUAL) mean = (double)o.x[r][0];
  for (int i = 0; i < n; i++) {
    double d = (double)o.x[r][i] - mean;
    variance += d * d / n, peak = fmax(peak, fabs(d)), value = fmax(value, fabs(o.want[VALUE][i]));
  }
  const double sd = variance > 0 ? sqrt(variance) : INFINITY, nsd = n * sd; /* equal elements: nothing to round */
  const double rstd = 1 / sqrt(variance + (double)EPS), hat = peak * rstd,
               rounded = ranges[r].kind == EQUAL ? 0 : 0x1p-24 * fabs(mean),
               lost = fmin(expm1(0x1p-23 * value), n); /* exp(x - y) of a y that is rounded, as PyTorch has it */
  const double term[][ORDERS] = {[SUMS] = {0.25 * (ops[k].f == def_mean ? size / n : size), 1, 1, 1},
                                 [EXTREMES] = {0, 1, 1, 0},
                                 [NORMS] = {value, 1, 1, 2 / fmax(value, 1e-200)},
                                 [EXPONENTIALS] = {fmax(value, 1), 1, 1, 1},
                                 [VARIANCES] = {variance, 2 * peak / n, 2 * peak / n, 2.0 / n},
                                 [NORMALISED] = {hat, rstd, rstd, rstd * rstd * fmax(1, hat)},
                                 [DEVIATIONS] = {sqrt(variance), peak / nsd, peak / nsd,
                                                 (1 + peak / sd * (peak / sd)) / nsd},
                                 [LOG_SUMS] = {fmax(value, 1), 1, 1, 1}},
               also[][ORDERS] = {[VARIANCES] = {0, 2 * rounded / n, 2 * rounded / n, 0},
                                 [NORMALISED] = {rounded * rstd, 4 * rounded * rstd * rstd, 4 * rounded * rstd * rstd,
                                                 8 * rounded * rstd * rstd * rstd},
                                 [DEVIATIONS] = {0, rounded / nsd, rounded / nsd, 4 * rounded * peak / sd / sd / nsd},
                                 [LOG_SUMS] = {0, lost, lost, 2 * lost}};
  const family of = ops[k].family;
  return part[order] * term[of][order] + (of >= VARIANCES ? also[of][order] : 0) + 2 * (double)FLT_MIN;
}

/* What overflows on the way, in PyTorch's float32 too: sums of both signs; what is divided by an infinite norm; a
 * square that is a term of a variance. */
static bool beyond(int k, int r, int n, int order) {
  double size = 0, sum = 0, peak = 0;
  for (int i = 0; i < n; i++) {
    double x = (double)o.x[r][i];
    size += fabs(x), sum += x, peak = fmax(peak, fabs(x));
  }
  if (!isfinite(size)) return false;
  return ops[k].family == SUMS    ? order == VALUE && size > (double)FLT_MAX && fabs(sum) < size
         : ops[k].family == NORMS ? order != VALUE && o.want[VALUE][0] > (double)FLT_MAX
                                  : false;
}

static int check_row(int k, int r, int n, int order) {
  const int m = order == VALUE ? ops[k].f((hyper[MOST]){{0}}, n, (hyper[MOST]){{0}}) : n;
  const double slack = tolerance(k, r, n, order);
  int nans = 0, bad = 0;
  bool lost = false; /* which gradients are NaN where the result is, is a convention; that one is, is not */
  for (int i = 0; i < m; i++)
    nans += isnan(o.got[order][r][i]), lost = lost || (ops[k].family > EXTREMES && isnan(o.want[VALUE][i]));
  if (beyond(k, r, n, order)) return 0;
  for (int i = 0; i < m; i++) {
    double want = o.want[order][i], got = (double)o.got[order][r][i];
    if (order != VALUE && lost) {
      if (nans) continue;
      want = NAN;
    }
    if (isnan(want)                    ? isnan(got)
        : fabs(want) > (double)FLT_MAX ? got == copysign(INFINITY, want)
                                       : fabs(got - want) <= slack)
      continue;
    if (bad++ < 2)
      fprintf(stderr, "%s of %d in row %s, %s %d: %.9g, not %.9g (+-%.2g)\n", ops[k].name, n, ranges[r].name,
              order_name[order], i, got, want, slack);
  }
  return bad > 0;
}

START_TEST(rows_of_all_ranges) {
  static const int lengths[] = {7, MOST};
  int bad = 0;
  if (!test_is_wanted(ops[_i].name)) return;
  for (int l = 0; l < 2; l++) {
    const int n = lengths[l], m = ops[_i].f((hyper[MOST]){{0}}, n, (hyper[MOST]){{0}});
    for (int r = 0; r < ROWS; r++) {
      fill(r, n, 0, o.x[r]);
      for (int i = 0; i < n; i++) o.u[r][i] = (float)unit(i + r, 1), o.w[r][i] = (float)unit(i + r, 2);
    }
    run(_i, n, m);
    for (int r = 0; r < ROWS; r++) {
      memset(o.want, 0, sizeof o.want);
      define(_i, r, n);
      for (int order = 0; order < (ranges[r].kind == NOT_FINITE ? SECOND : ORDERS); order++)
        bad += check_row(_i, r, n, order);
    }
  }
  ck_assert_msg(!bad, "%s: %d rows are wrong", ops[_i].name, bad);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("sweep_rows");
  tcase_add_checked_fixture(c, open_context, close_context);
  tcase_set_timeout(c, 0);
  tcase_add_loop_test(c, rows_of_all_ranges, 0, OPS);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("sweep_rows", add_cases)
