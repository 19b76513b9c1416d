/* Every loss with every reduction, with weights and without, over rows of every range: values, first and second
 * gradients by the input, and first ones by the target, against definitions in double. $CLGRAD_TEST_CASE, part of
 * a name, leaves everything else out. */
#include "context.h"
#include "harness.h"
#include "ranges.h"
#include <float.h>
#include <string.h>

static clg_context *ctx;
static void open_context(void) { ctx = test_context_open(); }
static void close_context(void) { test_context_close(&ctx); }
#define S(...) ((int64_t[]){__VA_ARGS__})

/* x and target are [N,C]; labels [N]. */
enum { N = 6, C = 4, ALL = N * C, IGNORED = -100 };
typedef struct numbers {
  float x[ALL], t[ALL], weight[ALL], positive[ALL], u[ALL], w[ALL];
  int32_t label[N];
} numbers;
static numbers in;

/* ---- definitions: of ALL inputs and targets, the losses before the reduction; *by: what a mean divides by ---- */

typedef struct how {
  clg_reduction reduction;
  bool weighted;
} how;
typedef int (*definition)(const hyper *x, const hyper *t, how h, hyper *y, double *by);

static double weight_of(how h, int i) { return h.weighted ? (double)in.weight[i] : 1; }
static int def_squared(const hyper *x, const hyper *t, how h, hyper *y, double *by) {
  for (int i = 0; i < ALL; i++) {
    hyper d = hyper_sub(x[i], t[i]);
    y[i] = hyper_scale(hyper_mul(d, d), weight_of(h, i));
  }
  return *by = ALL, ALL;
}
static int def_l1(const hyper *x, const hyper *t, how h, hyper *y, double *by) {
  for (int i = 0; i < ALL; i++) y[i] = hyper_scale(hyper_abs(hyper_sub(x[i], t[i])), weight_of(h, i));
  return *by = ALL, ALL;
}
/* log(1 + exp(x)) */
static hyper softplus(hyper x) {
  double s = 1 / (1 + exp(-x.v));
  return hyper_apply(x, fmax(x.v, 0) + log1p(exp(-fabs(x.v))), s, s * (1 / (1 + exp(x.v))));
}
static int def_bce_logits(const hyper *x, const hyper *t, how h, hyper *y, double *by) {
  for (int i = 0; i < ALL; i++) {
    double p = h.weighted ? (double)in.positive[i] : 1;
    hyper no = hyper_mul(hyper_sub(hyper_of(1), t[i]), softplus(x[i])),
          yes = hyper_mul(hyper_scale(t[i], p), softplus(hyper_scale(x[i], -1)));
    y[i] = hyper_scale(hyper_add(no, yes), weight_of(h, i));
  }
  return *by = ALL, ALL;
}
static hyper clamped_log(hyper x) { return x.v > exp(-100) || isnan(x.v) ? hyper_log(x) : hyper_of(-100); }
static int def_bce(const hyper *x, const hyper *t, how h, hyper *y, double *by) {
  const hyper one = hyper_of(1);
  for (int i = 0; i < ALL; i++) {
    hyper yes = hyper_mul(t[i], clamped_log(x[i])),
          no = hyper_mul(hyper_sub(one, t[i]), clamped_log(hyper_sub(one, x[i])));
    y[i] = hyper_scale(hyper_add(yes, no), -weight_of(h, i));
  }
  return *by = ALL, ALL;
}
static void log_softmax(const hyper *x, hyper *lp) {
  double most = -INFINITY;
  hyper s = hyper_of(0);
  for (int c = 0; c < C; c++) most = fmax(most, x[c].v);
  for (int c = 0; c < C; c++) s = hyper_add(s, hyper_exp(hyper_sub(x[c], hyper_of(most))));
  for (int c = 0; c < C; c++) lp[c] = hyper_sub(hyper_sub(x[c], hyper_of(most)), hyper_log(s));
}
#define SMOOTHING 0.125f
static int def_labels(const hyper *x, const hyper *t, how h, hyper *y, double *by) {
  (void)t;
  *by = 0;
  for (int n = 0; n < N; n++) {
    hyper lp[C];
    log_softmax(x + n * C, lp);
    y[n] = hyper_of(0);
    if (in.label[n] == IGNORED) continue;
    const double smooth = h.weighted ? (double)SMOOTHING : 0;
    for (int c = 0; c < C; c++) {
      double share = (c == in.label[n] ? 1 - smooth : 0) + smooth / C;
      if (share > 0) y[n] = hyper_add(y[n], hyper_scale(lp[c], -share * weight_of(h, c)));
    }
    *by += weight_of(h, in.label[n]);
  }
  return N;
}
static int def_probabilities(const hyper *x, const hyper *t, how h, hyper *y, double *by) {
  for (int n = 0; n < N; n++) {
    hyper lp[C];
    log_softmax(x + n * C, lp);
    y[n] = hyper_of(0);
    for (int c = 0; c < C; c++) y[n] = hyper_add(y[n], hyper_scale(hyper_mul(t[n * C + c], lp[c]), -weight_of(h, c)));
  }
  return *by = N, N;
}

/* ---- losses ---- */

typedef enum target { LIKE_X, PROBABILITY, LABEL } target;
typedef enum domain { EVERYWHERE, UNIT_INTERVAL } domain;
static const struct {
  const char *name;
  clg_tensor *(*op)(clg_tensor *x, clg_tensor *t, const clg_loss_options *o);
  definition f;
  target target;
  domain domain;
  bool positive, classes;
} losses[] = {
    {"squared", clg_mse_loss, def_squared, LIKE_X, EVERYWHERE, false, false},
    {"l1", clg_l1_loss, def_l1, LIKE_X, EVERYWHERE, false, false},
    {"bce_with_logits", clg_bce_with_logits_loss, def_bce_logits, PROBABILITY, EVERYWHERE, true, false},
    {"bce", clg_bce_loss, def_bce, PROBABILITY, UNIT_INTERVAL, false, false},
    {"cross_entropy of labels", clg_cross_entropy_loss, def_labels, LABEL, EVERYWHERE, false, true},
    {"cross_entropy of probabilities", clg_cross_entropy_loss, def_probabilities, PROBABILITY, EVERYWHERE, false, true},
};
enum { LOSSES = sizeof losses / sizeof *losses };

static void make_numbers(int loss, int r) {
  fill(r, ALL, 0, in.x), fill(r, ALL, 3, in.t);
  for (int i = 0; i < ALL; i++) {
    double u = unit(i, 4);
    if (losses[loss].domain == UNIT_INTERVAL) in.x[i] = isfinite(in.x[i]) ? (float)(0.5 + 0.49 * unit(i, 0)) : NAN;
    if (losses[loss].target == PROBABILITY) in.t[i] = (float)(0.5 + 0.5 * u);
    in.weight[i] = (float)(0.5 + 0.4 * unit(i, 5)), in.positive[i] = (float)(1 + 0.9 * unit(i, 6));
    in.u[i] = (float)unit(i, 1), in.w[i] = (float)unit(i, 2);
  }
  for (int n = 0; n < N; n++) in.label[n] = n == 2 ? IGNORED : (int32_t)(n * 5 % C);
}

enum { VALUE, BY_X, BY_T, SECOND, RESULTS };
static const char *const result_name[] = {"value", "gradient of x", "gradient of the target", "second gradient of x"};
static float got[RESULTS][ALL];
static double want[RESULTS][ALL];

static void read_all(clg_tensor *t, float *out) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t, out), CLG_OK);
}

static void run(int loss, how h) {
  memset(got, 0, sizeof got);
  clg_scope *s = clg_scope_open(ctx);
  const bool labels = losses[loss].target == LABEL, classes = losses[loss].classes;
  clg_tensor *x = clg_tensor_create(ctx, 2, S(N, C), in.x),
             *t = labels ? clg_tensor_create_i32(ctx, 1, S(N), in.label) : clg_tensor_create(ctx, 2, S(N, C), in.t),
             *weight = clg_tensor_create(ctx, classes ? 1 : 2, classes ? S(C) : S(N, C), in.weight),
             *positive = clg_tensor_create(ctx, 2, S(N, C), in.positive), *w = clg_tensor_create(ctx, 2, S(N, C), in.w),
             *g[2] = {NULL}, *gg = NULL, *by[] = {x, t};
  clg_tensor_set_requires_grad(x, true);
  if (!labels) clg_tensor_set_requires_grad(t, true);
  const clg_loss_options o = {h.reduction, h.weighted ? weight : NULL,
                              h.weighted && losses[loss].positive ? positive : NULL,
                              h.weighted && labels ? SMOOTHING : 0, IGNORED};
  clg_tensor *y = losses[loss].op(x, t, &o);
  read_all(y, got[VALUE]);
  clg_tensor *u = clg_tensor_create(ctx, clg_tensor_ndim(y), clg_tensor_shape(y), in.u);
  const clg_backward_options plain = {.grad = u, .retain_graph = true}, recorded = {.grad = u, .create_graph = true},
                             second = {.grad = w, .allow_unused = true};
  ck_assert_int_eq(clg_grad(y, by, labels ? 1 : 2, g, &plain), CLG_OK);
  read_all(g[0], got[BY_X]);
  if (!labels) read_all(g[1], got[BY_T]);
  ck_assert_int_eq(clg_grad(y, &x, 1, g, &recorded), CLG_OK);
  if (clg_tensor_requires_grad(g[0])) ck_assert_int_eq(clg_grad(g[0], &x, 1, &gg, &second), CLG_OK);
  if (gg) read_all(gg, got[SECOND]);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor *const made[] = {x, t, weight, positive, w, u};
  for (int i = 0; i < 6; i++) clg_tensor_unref(&(clg_tensor *){made[i]});
}

/* An element of x or of the target at a time as direction a, w as b. */
static int define(int loss, how h) {
  hyper x[ALL], t[ALL], y[ALL];
  int m = 0;
  memset(want, 0, sizeof want);
  for (int k = 0; k < 2 * ALL; k++) {
    double by = 1;
    for (int i = 0; i < ALL; i++) {
      x[i] = (hyper){(double)in.x[i], i == k, (double)in.w[i], 0};
      t[i] = (hyper){(double)in.t[i], i + ALL == k, 0, 0};
    }
    m = losses[loss].f(x, t, h, y, &by);
    if (h.reduction != CLG_REDUCTION_NONE) {
      hyper sum = hyper_of(0);
      for (int i = 0; i < m; i++) sum = hyper_add(sum, y[i]);
      y[0] = hyper_scale(sum, h.reduction == CLG_REDUCTION_MEAN ? 1 / by : 1);
      m = 1;
    }
    for (int i = 0; i < m; i++) {
      want[VALUE][i] = y[i].v;
      want[k < ALL ? BY_X : BY_T][k % ALL] += (double)in.u[i] * y[i].a;
      if (k < ALL) want[SECOND][k] += (double)in.u[i] * y[i].ab;
    }
  }
  return m;
}

/* Where the loss is no number neither are its gradients, at least one of them; but a sign is 0 there, as in PyTorch. */
static int compare(int loss, how h, const char *range, int m) {
  static const char *const reductions[] = {"mean", "sum", "none"};
  int bad = 0;
  bool lost = false;
  for (int i = 0; i < m; i++) lost = lost || isnan(want[VALUE][i]);
  const int results = !lost ? RESULTS : losses[loss].f == def_l1 ? BY_X : BY_T;
  for (int k = 0; k < results; k++) {
    double term = k == SECOND ? 1 : 0, sizes = 0;
    int count = k == VALUE ? m : ALL, nans = 0;
    for (int i = 0; i < count; i++)
      nans += isnan(got[k][i]), term = isnan(want[k][i]) ? term : fmax(term, fabs(want[k][i]));
    for (int i = 0; i < ALL; i++) sizes = isfinite(in.x[i]) ? fmax(sizes, fabs((double)in.x[i])) : sizes;
    if (k == VALUE || k == BY_T) term = fmax(term, fmin(sizes + 1, 1e30) * (losses[loss].target != LIKE_X));
    if (k == BY_X && losses[loss].target != LIKE_X) term = fmax(term, 1);
    for (int i = 0; i < count && !(lost && k && nans); i++) {
      double v = lost && k ? NAN : want[k][i];
      bool fine = isnan(v) ? isnan(got[k][i])
                  : fabs(v) > (double)FLT_MAX
                      ? (double)got[k][i] == copysign(INFINITY, v)
                      : fabs((double)got[k][i] - v) <= 2e-6 * fmin(term, 1e38) + (double)FLT_MIN;
      if (fine || bad++ > 1) continue;
      fprintf(stderr, "%s, %s%s, row %s: %s %d: %.9g, not %.9g\n", losses[loss].name, reductions[h.reduction],
              h.weighted ? " with weights" : "", range, result_name[k], i, (double)got[k][i], v);
    }
  }
  return bad > 0;
}

START_TEST(losses_of_all_ranges) {
  int bad = 0;
  if (!test_is_wanted(losses[_i].name)) return;
  for (int r = 0; r < ROWS; r++) {
    make_numbers(_i, r);
    for (int reduction = CLG_REDUCTION_MEAN; reduction <= CLG_REDUCTION_NONE; reduction++)
      for (int weighted = 0; weighted < 2; weighted++) {
        const how h = {(clg_reduction)reduction, weighted};
        run(_i, h);
        bad += compare(_i, h, ranges[r].name, define(_i, h));
      }
  }
  ck_assert_msg(!bad, "%s: %d are wrong", losses[_i].name, bad);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("sweep_losses");
  tcase_add_checked_fixture(c, open_context, close_context);
  tcase_set_timeout(c, 0);
  tcase_add_loop_test(c, losses_of_all_ranges, 0, LOSSES);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("sweep_losses", add_cases)
