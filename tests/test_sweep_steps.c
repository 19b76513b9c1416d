/* Every optimizer's rules over gradients of every size, and gradient clipping over rows of every range, against their
 * definitions in double. $CLGRAD_TEST_CASE, part of a name, leaves everything else out. */
#include "context.h"
#include "harness.h"
#include "ranges.h"
#include <float.h>

static clg_context *ctx;
static void open_context(void) { ctx = test_context_open(); }
static void close_context(void) { test_context_close(&ctx); }
static void read_all(clg_tensor *t, float *out) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t, out), CLG_OK);
}
static clg_tensor *total(clg_tensor *t) { return clg_sum(t, NULL, 0, false); }
static clg_tensor *leaf(int64_t n, const float *v) {
  clg_tensor *t = clg_tensor_create(ctx, 1, &n, v);
  clg_tensor_set_requires_grad(t, true);
  return t;
}

/* ---- optimizers ---- */

static const float strengths[] = {0,      1e-45f, 1e-30f, -1e-20f, 1e-12f, -1e-8f, 1e-5f, -1,     1,   1e5f,
                                  -1e10f, 1e17f,  1e18f,  -1e20f,  1e25f,  -1e30f, 3e37f, -3e38f, NAN, INFINITY};
enum { STRENGTHS = sizeof strengths / sizeof *strengths, SOUND = STRENGTHS - 2, STEPS = 12 };

static const struct {
  const char *name;
  clg_optim_kind kind;
  float momentum;
  bool nesterov, amsgrad, centred;
  double decay, eps, dampening;
} rules[] = {
    {"sgd", CLG_SGD, 0, false, false, false, 0, 1e-8, 0},
    {"sgd with momentum", CLG_SGD, 0.9f, true, false, false, 0.01, 1e-8, 0},
    {"adam", CLG_ADAM, 0, false, false, false, 0, 1e-8, 0},
    {"adam with amsgrad", CLG_ADAM, 0, false, true, false, 0, 1e-50, 0},
    {"adamw", CLG_ADAMW, 0, false, false, false, 0.1, 1e-8, 0},
    {"sgd with dampening", CLG_SGD, 0.9f, false, false, false, 0, 1e-8, 0.25},
    {"sgd with decay", CLG_SGD, 0, false, false, false, 0.1, 1e-8, 0},
    {"adam with decay", CLG_ADAM, 0, false, false, false, 0.01, 1e-8, 0},
    {"adamw with amsgrad", CLG_ADAMW, 0, false, true, false, 0.1, 1e-8, 0},
    {"rmsprop with momentum and decay", CLG_RMSPROP, 0.5f, false, false, false, 0.01, 1e-8, 0},
    {"rmsprop", CLG_RMSPROP, 0, false, false, false, 0, 1e-8, 0},
    {"rmsprop centred", CLG_RMSPROP, 0, false, false, true, 0, 1e-8, 0},
    {"rmsprop centred with momentum", CLG_RMSPROP, 0.5f, false, false, true, 0, 1e-8, 0},
};
enum { RULES = sizeof rules / sizeof *rules };

/* One weight in double, by the papers. */
static double simulated(int rule, double g, double lr) {
  double w = 1, a = 0, b = 0, c = 0, top = 0;
  for (int t = 1; t <= STEPS; t++) {
    double d = g * (t % 3 ? 1 : -0.5) + (rules[rule].kind == CLG_ADAMW ? 0 : rules[rule].decay * w),
           eps = rules[rule].eps;
    double mu = (double)rules[rule].momentum;
    if (rules[rule].kind == CLG_SGD) {
      a = t == 1 ? d : mu * a + (1 - rules[rule].dampening) * d;
      w -= lr * (mu == 0 ? d : rules[rule].nesterov ? d + mu * a : a);
    } else if (rules[rule].kind == CLG_RMSPROP) {
      a = 0.99 * a + 0.01 * d * d, b = 0.99 * b + 0.01 * d;
      double step = d / (sqrt(fmax(a - (rules[rule].centred ? b * b : 0), 0)) + eps);
      c = mu * c + step;
      w -= lr * c;
    } else {
      if (rules[rule].kind == CLG_ADAMW) w -= lr * rules[rule].decay * w;
      a = 0.9 * a + 0.1 * d, b = 0.999 * b + 0.001 * d * d, top = fmax(top, b);
      double root = sqrt((rules[rule].amsgrad ? top : b) / (1 - pow(0.999, t))) + eps;
      w -= lr * a / (1 - pow(0.9, t)) / root;
    }
  }
  return w;
}

/* Averages of squares, and sums of momentum, that no float holds: a step is 0 then, as in PyTorch, but no NaN. */
static bool out_of_range(int rule, double g) {
  return rules[rule].kind == CLG_SGD ? fabs(g) > 3e37 : g * g * (rules[rule].kind == CLG_RMSPROP ? 0.01 : 0.001) > 1e38;
}

START_TEST(optimizers) {
  float w[STRENGTHS], ones[STRENGTHS];
  const double lr = 0.01;
  const int64_t n = STRENGTHS;
  if (!test_is_wanted(rules[_i].name)) return;
  for (int i = 0; i < STRENGTHS; i++) ones[i] = 1;
  clg_tensor *p = leaf(n, ones), *g = clg_tensor_create(ctx, 1, &n, strengths);
  clg_optim_options o = clg_optim_defaults(rules[_i].kind);
  o.lr = lr, o.momentum = (double)rules[_i].momentum, o.nesterov = rules[_i].nesterov, o.amsgrad = rules[_i].amsgrad;
  o.centered = rules[_i].centred, o.weight_decay = rules[_i].decay, o.eps = rules[_i].eps;
  o.dampening = rules[_i].dampening;
  clg_optim *opt = clg_optim_create(ctx, &p, 1, &o);
  ck_assert_msg(opt != NULL, "%s", clg_last_error(ctx));
  for (int t = 1; t <= STEPS; t++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_optim_zero_grad(opt);
    ck_assert_int_eq(clg_backward(total(clg_mul(p, clg_mul_scalar(g, t % 3 ? 1 : -0.5f))), NULL), CLG_OK);
    ck_assert_int_eq(clg_optim_step(opt), CLG_OK);
    clg_scope_close(s);
  }
  read_all(p, w);
  for (int i = 0; i < STRENGTHS; i++) {
    double want = simulated(_i, (double)strengths[i], lr), size = fmax(fabs(want), 1);
    /* A square that is less than any float is 0, and an eps below floats the least one: then a step may be anything. */
    if (i < SOUND && rules[_i].eps < 1e-40 && strengths[i] != 0 && fabsf(strengths[i]) < 1e-15f) continue;
    if (i < SOUND && out_of_range(_i, (double)strengths[i])) {
      ck_assert_msg(rules[_i].kind == CLG_SGD || isfinite(w[i]), "%s, gradient %g: weight %g", rules[_i].name,
                    (double)strengths[i], (double)w[i]);
      continue;
    }
    ck_assert_msg(i < SOUND ? fabs((double)w[i] - want) <= 1e-5 * size : !isfinite(w[i]),
                  "%s, gradient %g: weight %.9g, not %.9g", rules[_i].name, (double)strengths[i], (double)w[i], want);
  }
  clg_optim_unref(&opt);
  clg_tensor_unref(&p), clg_tensor_unref(&g);
}
END_TEST

/* ---- clipping: two parameters, so that norms are joined ---- */

enum { FIRST = 300, BOTH = 307 };
static clg_tensor *params[2], *weights[2];
static void give_gradients(const float *g) {
  static const float none[BOTH] = {0};
  for (int k = 0; k < 2; k++) {
    const int64_t n = k ? BOTH - FIRST : FIRST;
    params[k] = leaf(n, none), weights[k] = clg_tensor_create(ctx, 1, &n, g + k * FIRST);
    ck_assert_int_eq(clg_backward(total(clg_mul(params[k], weights[k])), NULL), CLG_OK);
  }
}
static void take_gradients(float *g) {
  for (int k = 0; k < 2; k++) read_all(clg_tensor_grad(params[k]), g + k * FIRST);
  for (int k = 0; k < 2; k++) clg_tensor_unref(&params[k]), clg_tensor_unref(&weights[k]);
}

START_TEST(clipping_by_norm) {
  float v[BOTH], got[BOTH];
  double squares = 0;
  int bad = 0;
  if (!test_is_wanted("clip")) return;
  fill(_i, BOTH, 0, v);
  for (int i = 0; i < BOTH; i++) squares += pow((double)v[i], 2);
  const double norm = sqrt(squares), scale = fmin(1, 0.5 / (norm + 1e-6));
  clg_scope *s = clg_scope_open(ctx);
  give_gradients(v);
  const double said = (double)clg_tensor_item(clg_clip_grad_norm(ctx, params, 2, 0.5));
  take_gradients(got);
  clg_scope_close(s);
  ck_assert_msg(isnan(norm)              ? isnan(said)
                : norm > (double)FLT_MAX ? isinf(said)
                                         : fabs(said - norm) <= 2e-6 * norm,
                "row %s: norm %.9g, not %.9g", ranges[_i].name, said, norm);
  for (int i = 0; i < BOTH; i++) {
    double want = isnan(norm) ? NAN : isinf(v[i]) ? NAN : scale * (double)v[i];
    if (isnan(want) ? isnan(got[i]) : fabs((double)got[i] - want) <= 2e-6 * fabs(want) + (double)FLT_MIN) continue;
    if (bad++ < 3)
      fprintf(stderr, "row %s: gradient %d of %g is %.9g, not %.9g\n", ranges[_i].name, i, (double)v[i], (double)got[i],
              want);
  }
  ck_assert_msg(!bad, "row %s: %d gradients are wrong", ranges[_i].name, bad);
}
END_TEST

START_TEST(clipping_by_value) {
  float v[BOTH], got[BOTH];
  if (!test_is_wanted("clip")) return;
  fill(_i, BOTH, 0, v);
  clg_scope *s = clg_scope_open(ctx);
  give_gradients(v);
  ck_assert_int_eq(clg_clip_grad_value(ctx, params, 2, 0.5), CLG_OK);
  take_gradients(got);
  clg_scope_close(s);
  for (int i = 0; i < BOTH; i++) {
    float want = v[i] > 0.5f ? 0.5f : v[i] < -0.5f ? -0.5f : v[i];
    ck_assert_msg(isnan(want) ? isnan(got[i]) : got[i] == want || (fabsf(want) < FLT_MIN && got[i] == 0),
                  "row %s: gradient %d of %g is %g", ranges[_i].name, i, (double)v[i], (double)got[i]);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("sweep_steps");
  tcase_add_checked_fixture(c, open_context, close_context);
  tcase_set_timeout(c, 0);
  tcase_add_loop_test(c, optimizers, 0, RULES);
  tcase_add_loop_test(c, clipping_by_norm, 0, ROWS);
  tcase_add_loop_test(c, clipping_by_value, 0, ROWS);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("sweep_steps", add_cases)
