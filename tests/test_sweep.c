/* Every elementwise op, norm and loss over the whole range of a float: zero, the least and the largest
 * numbers, infinity, NaN. Values, first and second gradients against definitions in double. All points of an op are one
 * tensor, since what costs is compiling. $CLGRAD_TEST_CASE, part of a name, leaves everything else out. */
#include "context.h"
#include "harness.h"
#include "sweep_ops.h"
#include "sweep_pairs.h"
#include <clgrad/opencl.h>
#include <float.h>
#include <string.h>

static clg_context *ctx;
static double least; /* what a result may be off by because it is no normal number */
static void open_context(void) {
  ctx = test_context_open();
  cl_device_fp_config config = 0;
  clGetDeviceInfo(clg_context_cl_device(ctx), CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config, NULL);
  least = config & CL_FP_DENORM ? 0x1p-149 : (double)FLT_MIN;
}
static void close_context(void) { test_context_close(&ctx); }

static const float points[] = {0,     1e-45f, -1e-45f, 1e-20f, -1e-20f, 0.5f,  -0.5f, 1,        -1,        3,    -3,
                               5,     -5,     9,       -9,     9.5f,    -9.5f, 10.5f, -10.5f,   12,        -12,  14.5f,
                               -14.5, 20.5f,  -20.5f,  88,     -88,     104,   -104,  1e4f,     -1e4f,     1e8f, -1e8f,
                               1e20f, -1e20f, 3e38f,   -3e38f, 100,     -300,  1e13f, INFINITY, -INFINITY, NAN};
enum { POINTS = sizeof points / sizeof *points, FINITE = POINTS - 3 };

static bool agrees(float got, double want, double term, double slack) {
  if (isnan(want)) return isnan(got);
  if (fabs(want) > (double)FLT_MAX * (1 + 0x1p-25)) return isinf(got) && (got > 0) == (want > 0);
  return fabs((double)got - want) <= 1e-6 * fmax(fabs(want), term) + slack;
}

static void read_all(clg_tensor *t, float *out) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t, out), CLG_OK);
}
static clg_tensor *total(clg_tensor *t) { return clg_sum(t, NULL, 0, false); }
static clg_tensor *leaf(int ndim, const int64_t *shape, const float *v) {
  clg_tensor *t = clg_tensor_create(ctx, ndim, shape, v);
  clg_tensor_set_requires_grad(t, true);
  return t;
}

/* ---- elementwise ops of one tensor ---- */

START_TEST(unary_ops) {
  const unary *u = &unaries[_i];
  static const char *const what[] = {"value", "gradient", "second gradient", "recorded gradient"};
  float got[4][POINTS] = {{0}};
  if (!test_is_wanted(u->name)) return;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(1, (int64_t[]){POINTS}, points), *y = u->op(x), *g = NULL,
             *ones = clg_full(ctx, 1, (int64_t[]){POINTS}, 1);
  read_all(y, got[0]);
  ck_assert_int_eq(clg_backward(y, &(clg_backward_options){.grad = ones, .retain_graph = true}), CLG_OK);
  read_all(clg_tensor_grad(x), got[1]);
  clg_tensor_zero_grad(x);
  ck_assert_int_eq(clg_grad(y, &x, 1, &g, &(clg_backward_options){.grad = ones, .create_graph = true}), CLG_OK);
  read_all(g, got[3]);
  if (clg_tensor_requires_grad(g)) {
    ck_assert_int_eq(clg_backward(g, &(clg_backward_options){.grad = ones}), CLG_OK);
    if (clg_tensor_grad(x)) read_all(clg_tensor_grad(x), got[2]);
  }
  clg_scope_close(s);
  clg_tensor_unref(&x);
  int bad = 0;
  for (int i = 0; i < POINTS; i++)
    for (int k = 0; k < 4; k++) {
      double v = (double)points[i], want = u->f[k % 3 + (k == 3)](v), term = fabs(v) < 21 ? u->term : fmin(u->term, 1);
      if (isinf(v) && isnan(got[k][i]) && !strncmp(u->name, "user_", 5)) continue; /* 0 times infinity, as written */
      if (agrees(got[k][i], want, term, u->low ? (double)FLT_MIN : least)) continue;
      fprintf(stderr, "%s at %g: %s %.9g, not %.9g\n", u->name, v, what[k], (double)got[k][i], want);
      bad++;
    }
  ck_assert_msg(!bad, "%s: %d of %d are wrong", u->name, bad, 4 * POINTS);
}
END_TEST

/* ---- of two: all pairs ---- */

/* Gradients of the gradient g by x and o, which are 0 where g does not depend on them. */
static void second_of_pair(clg_tensor *g, clg_tensor *const in[2], int64_t n, float *by_x, float *by_o) {
  clg_tensor *d[2] = {NULL};
  const clg_backward_options o = {.grad = clg_full(ctx, 1, &n, 1), .retain_graph = true, .allow_unused = true};
  if (clg_tensor_requires_grad(g)) ck_assert_int_eq(clg_grad(g, in, 2, d, &o), CLG_OK);
  if (d[0] && by_x) read_all(d[0], by_x);
  if (d[1]) read_all(d[1], by_o);
}

START_TEST(binary_ops) {
  const binary *b = &binaries[_i];
  enum { PAIRS = POINTS * POINTS };
  static const char *const what[] = {"value",          "gradient of x",       "gradient of o", "second gradient of x",
                                     "mixed gradient", "second gradient of o"};
  static float x[PAIRS], o[PAIRS], got[6][PAIRS];
  if (!test_is_wanted(b->name)) return;
  int64_t n = 0;
  int m = b->all ? POINTS : FINITE;
  for (int i = 0; i < m; i++)
    for (int k = 0; k < (b->probability ? 3 : m); k++, n++)
      x[n] = points[i], o[n] = b->probability ? (float)k / 2 : points[k];
  memset(got, 0, sizeof got);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *in[] = {leaf(1, &n, x), leaf(1, &n, o)}, *y = b->op(in[0], in[1]), *g[2];
  const clg_backward_options ones = {.grad = clg_full(ctx, 1, &n, 1), .retain_graph = true};
  read_all(y, got[0]);
  ck_assert_int_eq(clg_backward(y, &ones), CLG_OK);
  read_all(clg_tensor_grad(in[0]), got[1]), read_all(clg_tensor_grad(in[1]), got[2]);
  const clg_backward_options recorded = {.grad = ones.grad, .create_graph = true};
  ck_assert_int_eq(clg_grad(y, in, 2, g, &recorded), CLG_OK);
  second_of_pair(g[0], in, n, got[3], got[4]);
  second_of_pair(g[1], in, n, NULL, got[5]);
  clg_scope_close(s);
  clg_tensor_unref(&in[0]), clg_tensor_unref(&in[1]);
  int bad = 0;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 6; k++) {
      double p = (double)x[i], q = (double)o[i], want = b->f[k](p, q);
      if (b->out && b->out(p, q, k)) continue;
      if (agrees(got[k][i], want, k == 0 || k > 2 || (k == 1 && b->probability) ? b->term(p, q) : 0, least)) continue;
      if (bad++ < 20)
        fprintf(stderr, "%s at %g, %g: %s %.9g, not %.9g\n", b->name, p, q, what[k], (double)got[k][i], want);
    }
  ck_assert_msg(!bad, "%s: %d are wrong", b->name, bad);
}
END_TEST

/* ---- conditions: all pairs, 1 or 0, without a gradient ---- */

#define CONDITION(name, value)                                                                                         \
  static bool holds_##name(float x, float o) {                                                                         \
    (void)o;                                                                                                           \
    return value;                                                                                                      \
  }
CONDITION(eq, x == o)
CONDITION(ne, x != o)
CONDITION(lt, x < o)
CONDITION(le, x <= o)
CONDITION(gt, x > o)
CONDITION(ge, x >= o)
CONDITION(logical_and, x != 0 && o != 0)
CONDITION(logical_or, x != 0 || o != 0)
CONDITION(logical_xor, (x != 0) != (o != 0))
CONDITION(logical_not, x == 0)
static clg_tensor *not_first(clg_tensor *x, clg_tensor *o) { return (void)o, clg_logical_not(x); }
static const struct {
  const char *name;
  clg_tensor *(*op)(clg_tensor *x, clg_tensor *o);
  bool (*holds)(float x, float o);
} conditions[] = {
    {"eq", clg_eq, holds_eq},
    {"ne", clg_ne, holds_ne},
    {"lt", clg_lt, holds_lt},
    {"le", clg_le, holds_le},
    {"gt", clg_gt, holds_gt},
    {"ge", clg_ge, holds_ge},
    {"logical_and", clg_logical_and, holds_logical_and},
    {"logical_or", clg_logical_or, holds_logical_or},
    {"logical_xor", clg_logical_xor, holds_logical_xor},
    {"logical_not", not_first, holds_logical_not},
};

/* A number that the device takes for 0. */
static bool is_flushed(float v) { return fabs((double)v) < (double)FLT_MIN && least >= (double)FLT_MIN; }

START_TEST(conditions_of_all_pairs) {
  static float got[POINTS][POINTS];
  if (!test_is_wanted(conditions[_i].name)) return;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(2, (int64_t[]){POINTS, 1}, points), *o = leaf(1, (int64_t[]){POINTS}, points);
  clg_tensor *y = conditions[_i].op(clg_expand(x, 2, (int64_t[]){POINTS, POINTS}), o);
  read_all(y, &got[0][0]);
  ck_assert(!clg_tensor_requires_grad(y));
  for (int i = 0; i < POINTS; i++)
    for (int k = 0; k < POINTS; k++) {
      float p = is_flushed(points[i]) ? 0 : points[i], q = is_flushed(points[k]) ? 0 : points[k];
      ck_assert_msg(got[i][k] == (float)conditions[_i].holds(p, q), "%s of %g and %g is %g", conditions[_i].name,
                    (double)p, (double)q, (double)got[i][k]);
    }
  clg_scope_close(s);
  clg_tensor_unref(&x), clg_tensor_unref(&o);
}
END_TEST

/* ---- norms, extremes and softmax over rows ---- */

enum { WIDE = 5 };
static const float rows[][WIDE] = {
    {0.1f, 0.1f, 0.1f, 0.1f, 0.1f},
    {0, 0, 0, 0, 0},
    {1, -2, 3, -4, 5},
    {12345.678f, 12345.678f, 12345.678f, 12345.678f, 12345.678f},
    {1e4f, 10001, 10002, 9999, 9998},
    {3e20f, 4e20f, 0, 0, 0},
    {3e-25f, -4e-25f, 0, 0, 0},
    {1e20f, 1, 1, 1, -1},
    {3e13f, 4e13f, -1, 1e-20f, 0},
    {3e-16f, 4e-16f, 1e-30f, 0, 0},
    {1e38f, -1e38f, 1e38f, 1e37f, 0},
    {1e-38f, -2e-38f, 3e-38f, 0, 1e-38f},
    {88, -88, 104, -104, 0},
    {-3e38f, 3e38f, 0, 1, 2},
    {1, NAN, 2, -1, 0},
    {INFINITY, 1, 2, 3, 4},
    {-INFINITY, 1, 2, 3, 4},
};
enum { ROWS = sizeof rows / sizeof *rows };

static double norm_of(const float *v, double p) {
  double most = 0, sum = 0;
  for (int i = 0; i < WIDE; i++) {
    if (isnan(v[i])) return NONE;
    most = fmax(most, fabs((double)v[i]));
  }
  if (isinf(p) || most == 0 || isinf(most)) return most;
  for (int i = 0; i < WIDE; i++) sum += pow(fabs((double)v[i]) / most, p);
  return most * pow(sum, 1 / p);
}
/* NaN and infinity hand themselves on; what exactly each element gets is a convention. */
static double norm_gradient(const float *v, double p, int i) {
  double x = (double)v[i], n = norm_of(v, p), sign = (x > 0) - (x < 0);
  if (isinf(p)) {
    int equal = 0;
    for (int k = 0; k < WIDE; k++) equal += fabs((double)v[k]) == n;
    return fabs(x) == n ? sign / equal : 0;
  }
  return x == 0 ? 0 : sign * pow(fabs(x) / n, p - 1);
}

static const struct {
  const char *name;
  float p;
} orders[] = {{"norm 2", 2}, {"norm 1", 1}, {"norm 3", 3}, {"norm 1.5", 1.5f}, {"norm inf", INFINITY}};

START_TEST(norms) {
  float p = orders[_i].p, y[ROWS], g[ROWS][WIDE];
  if (!test_is_wanted(orders[_i].name)) return;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(2, (int64_t[]){ROWS, WIDE}, &rows[0][0]), *n = clg_norm(x, p, (int[]){1}, 1, false);
  read_all(n, y);
  ck_assert_int_eq(clg_backward(total(n), NULL), CLG_OK);
  read_all(clg_tensor_grad(x), &g[0][0]);
  for (int r = 0; r < ROWS; r++) {
    double want = norm_of(rows[r], (double)p);
    ck_assert_msg(agrees(y[r], want, 0, least), "%s of row %d: %.9g, not %.9g", orders[_i].name, r, (double)y[r], want);
    bool lost = isnan(want), passed = false, outside = want > (double)FLT_MAX;
    for (int i = 0; i < WIDE; i++) {
      passed = passed || isnan(g[r][i]);
      if (!isfinite(want) || outside || (isinf(p) && want == 0)) continue;
      double d = norm_gradient(rows[r], (double)p, i);
      ck_assert_msg(agrees(g[r][i], d, 4, least), "%s of row %d, element %d: gradient %.9g, not %.9g", orders[_i].name,
                    r, i, (double)g[r][i], d);
    }
    ck_assert_msg(!lost || passed, "%s of row %d: no gradient is NaN", orders[_i].name, r);
  }
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

/* The whole of a long tensor, in a size that takes a work-group and one that takes an item. */
START_TEST(norms_of_much) {
  static const float scale[] = {1, 1e25f, 1e-30f, 0};
  enum { MUCH = 100003 };
  static float v[MUCH];
  for (size_t k = 0; test_is_wanted("norm") && k < sizeof scale / sizeof *scale; k++)
    for (int64_t n = 999; n <= MUCH; n += MUCH - 999) {
      double want = 0;
      for (int i = 0; i < n; i++) v[i] = scale[k] * (float)(i % 100 - 50), want += (double)v[i] * (double)v[i];
      clg_scope *s = clg_scope_open(ctx);
      clg_tensor *x = clg_tensor_create(ctx, 1, &n, v);
      double got = (double)clg_tensor_item(clg_norm(x, 2, NULL, 0, false));
      ck_assert_msg(fabs(got - sqrt(want)) <= 2e-6 * sqrt(want), "%d of scale %g: %.9g, not %.9g", (int)n,
                    (double)scale[k], got, sqrt(want));
      clg_scope_close(s);
      clg_tensor_unref(&x);
    }
}
END_TEST

/* Along memory, across it and over all: norm takes strides of its own. */
START_TEST(norms_of_views) {
  float v[2 * 3 * 4], got[12];
  if (!test_is_wanted("norm")) return;
  for (int i = 0; i < 24; i++) v[i] = (float)(i + 1) * 1e25f;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 3, (int64_t[]){2, 3, 4}, v), *t = clg_permute(x, (int[]){2, 0, 1}, 3);
  read_all(clg_norm(t, 2, (int[]){0, 2}, 2, true), got); /* of x[a,:,:] */
  for (int a = 0; a < 2; a++) {
    double want = 0;
    for (int i = 0; i < 12; i++) want += pow((double)v[12 * a + i], 2);
    ck_assert(agrees(got[a], sqrt(want), 0, 0));
  }
  read_all(clg_norm(clg_slice(t, 0, 1, 4, 2), 2, (int[]){1}, 1, false), got); /* [2,3]: x[:,b,c] for c = 1 and 3 */
  for (int c = 0; c < 2; c++)
    for (int b = 0; b < 3; b++) {
      double p = (double)v[4 * b + 2 * c + 1], q = (double)v[12 + 4 * b + 2 * c + 1];
      ck_assert(agrees(got[3 * c + b], hypot(p, q), 0, 0));
    }
  ck_assert(agrees(clg_tensor_item(clg_norm(clg_full(ctx, 0, NULL, -3e30f), 2, NULL, 0, false)), 3e30, 1e30, 0));
  ck_assert_float_eq(clg_tensor_item(clg_norm(clg_full(ctx, 1, (int64_t[]){0}, 0), 2, NULL, 0, false)), 0);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(softmax_and_its_logarithm) {
  float y[2][ROWS][WIDE], g[2][ROWS][WIDE], u[ROWS][WIDE];
  if (!test_is_wanted("softmax")) return;
  for (int i = 0; i < ROWS * WIDE; i++) u[i / WIDE][i % WIDE] = (float)(i * 7 % 5 - 2);
  for (int logs = 0; logs < 2; logs++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = leaf(2, (int64_t[]){ROWS, WIDE}, &rows[0][0]),
               *z = logs ? clg_log_softmax(x, 1) : clg_softmax(x, 1),
               *up = clg_tensor_create(ctx, 2, (int64_t[]){ROWS, WIDE}, &u[0][0]);
    read_all(z, &y[logs][0][0]);
    ck_assert_int_eq(clg_backward(z, &(clg_backward_options){.grad = up}), CLG_OK);
    read_all(clg_tensor_grad(x), &g[logs][0][0]);
    clg_scope_close(s);
    clg_tensor_unref(&x), clg_tensor_unref(&up);
  }
  for (int r = 0; r < ROWS; r++) {
    double most = -INF, sum = 0, p[WIDE], weighted = 0, all = 0;
    bool bad = false;
    for (int i = 0; i < WIDE; i++) most = fmax(most, (double)rows[r][i]), bad = bad || isnan(rows[r][i]);
    bad = bad || isinf(most);
    for (int i = 0; i < WIDE; i++) sum += p[i] = exp((double)rows[r][i] - most);
    for (int i = 0; i < WIDE; i++) p[i] /= sum, weighted += p[i] * (double)u[r][i], all += (double)u[r][i];
    for (int i = 0; i < WIDE; i++) {
      double up = (double)u[r][i], log_p = (double)rows[r][i] - most - log(sum);
      ck_assert_msg(agrees(y[0][r][i], bad ? NONE : p[i], 0, 2 * (double)FLT_MIN), "softmax of row %d: %g", r,
                    (double)y[0][r][i]);
      ck_assert_msg(agrees(y[1][r][i], bad ? NONE : log_p, 1, 0), "log_softmax of row %d: %g", r, (double)y[1][r][i]);
      ck_assert_msg(agrees(g[0][r][i], bad ? NONE : p[i] * (up - weighted), 4, 0), "gradient of row %d: %g", r,
                    (double)g[0][r][i]);
      ck_assert_msg(agrees(g[1][r][i], bad ? NONE : up - p[i] * all, 4, 0), "gradient of row %d: %g", r,
                    (double)g[1][r][i]);
    }
  }
}
END_TEST

START_TEST(extremes_and_means) {
  float y[3][ROWS], g[3][ROWS][WIDE];
  if (!test_is_wanted("extremes")) return;
  for (int k = 0; k < 3; k++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = leaf(2, (int64_t[]){ROWS, WIDE}, &rows[0][0]);
    clg_tensor *z = k == 0   ? clg_amax(x, (int[]){1}, 1, false)
                    : k == 1 ? clg_amin(x, (int[]){1}, 1, false)
                             : clg_mean(x, (int[]){1}, 1, false);
    read_all(z, y[k]);
    ck_assert_int_eq(clg_backward(total(z), NULL), CLG_OK);
    read_all(clg_tensor_grad(x), &g[k][0][0]);
    clg_scope_close(s);
    clg_tensor_unref(&x);
  }
  for (int r = 0; r < ROWS; r++) {
    double most = -INF, little = INF, sum = 0, size = 0;
    int nans = 0, top = 0, bottom = 0;
    for (int i = 0; i < WIDE; i++) {
      double v = (double)rows[r][i];
      nans += isnan(v), most = fmax(most, v), little = fmin(little, v), sum += v, size = fmax(size, fabs(v));
    }
    for (int i = 0; i < WIDE; i++) top += (double)rows[r][i] == most, bottom += (double)rows[r][i] == little;
    ck_assert(agrees(y[0][r], nans ? NONE : most, 0, 0) && agrees(y[1][r], nans ? NONE : little, 0, 0));
    ck_assert(agrees(y[2][r], sum / WIDE, isinf(size) ? 0 : size, least));
    for (int i = 0; i < WIDE; i++) {
      double v = (double)rows[r][i];
      ck_assert(agrees(g[0][r][i], nans ? (isnan(v) ? 1.0 / nans : 0) : v == most ? 1.0 / top : 0, 0, 0));
      ck_assert(agrees(g[1][r][i], nans ? (isnan(v) ? 1.0 / nans : 0) : v == little ? 1.0 / bottom : 0, 0, 0));
      ck_assert(agrees(g[2][r][i], 1.0 / WIDE, 0, 0));
    }
  }
}
END_TEST

/* ---- losses of probabilities and of classes ---- */

START_TEST(bce_of_probabilities) {
  static const float p[] = {0, 1e-45f, 1e-38f, 1e-20f, 0.25f, 0.5f, 0.99999994f, 1};
  enum { N = 3 * sizeof p / sizeof *p };
  float x[N], t[N], y[N], g[2][N];
  if (!test_is_wanted("bce_loss")) return;
  for (int i = 0; i < N; i++) x[i] = p[i / 3], t[i] = (float)(i % 3) / 2;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *tx = leaf(1, (int64_t[]){N}, x), *tt = leaf(1, (int64_t[]){N}, t), *l = clg_bce_loss(tx, tt, EACH);
  read_all(l, y);
  ck_assert_int_eq(clg_backward(total(l), NULL), CLG_OK);
  read_all(clg_tensor_grad(tx), g[0]), read_all(clg_tensor_grad(tt), g[1]);
  for (int i = 0; i < N; i++) {
    double v = (double)x[i], w = (double)t[i], yes = fmax(log(v), -100), no = fmax(log1p(-v), -100);
    ck_assert_msg(agrees(y[i], -(w * yes + (1 - w) * no), 1, 0), "%g, %g: %g", v, w, (double)y[i]);
    ck_assert(agrees(g[0][i], (v - w) / fmax(v * (1 - v), 1e-12), 0, 0) && agrees(g[1][i], no - yes, 1, 0));
  }
  clg_scope_close(s);
  clg_tensor_unref(&tx), clg_tensor_unref(&tt);
}
END_TEST

START_TEST(cross_entropy_of_classes) {
  float y[ROWS], g[ROWS][WIDE];
  int32_t label[ROWS];
  if (!test_is_wanted("cross_entropy")) return;
  for (int r = 0; r < ROWS; r++) label[r] = r % WIDE;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(2, (int64_t[]){ROWS, WIDE}, &rows[0][0]),
             *t = clg_tensor_create_i32(ctx, 1, (int64_t[]){ROWS}, label), *l = clg_cross_entropy_loss(x, t, EACH);
  read_all(l, y);
  ck_assert_int_eq(clg_backward(total(l), NULL), CLG_OK);
  read_all(clg_tensor_grad(x), &g[0][0]);
  for (int r = 0; r < ROWS; r++) {
    double most = -INF, sum = 0, of = (double)rows[r][label[r]];
    bool bad = false;
    for (int i = 0; i < WIDE; i++) most = fmax(most, (double)rows[r][i]), bad = bad || isnan(rows[r][i]);
    bad = bad || isinf(most);
    for (int i = 0; i < WIDE; i++) sum += exp((double)rows[r][i] - most);
    ck_assert_msg(agrees(y[r], bad ? NONE : most - of + log(sum), 1, 0), "row %d: %g", r, (double)y[r]);
    for (int i = 0; i < WIDE; i++)
      ck_assert(agrees(g[r][i], bad ? NONE : exp((double)rows[r][i] - most) / sum - (i == label[r]), 1, 0));
  }
  clg_scope_close(s);
  clg_tensor_unref(&x), clg_tensor_unref(&t);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("sweep");
  tcase_add_checked_fixture(c, open_context, close_context);
  tcase_set_timeout(c, 0);
  tcase_add_loop_test(c, unary_ops, 0, UNARIES);
  tcase_add_loop_test(c, binary_ops, 0, BINARIES);
  tcase_add_loop_test(c, conditions_of_all_pairs, 0, sizeof conditions / sizeof *conditions);
  tcase_add_loop_test(c, norms, 0, sizeof orders / sizeof *orders);
  tcase_add_test(c, norms_of_much);
  tcase_add_test(c, norms_of_views);
  tcase_add_test(c, softmax_and_its_logarithm);
  tcase_add_test(c, extremes_and_means);
  tcase_add_test(c, bce_of_probabilities);
  tcase_add_test(c, cross_entropy_of_classes);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("sweep", add_cases)
