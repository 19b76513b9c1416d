/* Faults of numbers, one test a kind: what saturates beside what grows, NaN on its way back, ranges that squares leave,
 * shapes that must not broadcast. test_sweep.c has every op over all numbers; these are few, and quick. */
#include "harness.h"
#include "shared_context.h"
#include <float.h>
#include <math.h>
#include <string.h>

#define DIMS(...) ((int64_t[]){__VA_ARGS__})

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
static void backward(clg_tensor *y) { ck_assert_msg(y && clg_backward(y, NULL) == CLG_OK, "%s", clg_last_error(ctx)); }
static bool near(float got, double want) { return fabs((double)got - want) <= 1e-6 * fabs(want); }

/* ---- saturation times growth ---- */

START_TEST(what_saturates_ends_growth) {
  const float x[] = {100, -300, 1e4f, 1e6f, -1e8f, 3e38f, -3e38f};
  enum { N = sizeof x / sizeof *x };
  float y[N], g[N];
  for (int k = 0; k < 2; k++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *t = leaf(N, x);
    clg_tensor *r =
        k ? clg_map(ctx, "0.5*x*(1 + tanh(x)*(erf(x) < 0 ? -erf(x) : erf(x)))", (clg_map_input[]){{"x", t, 0}}, 1)
          : clg_gelu_tanh(t);
    read_all(r, y);
    backward(total(r)), read_all(clg_tensor_grad(t), g);
    for (int i = 0; i < N; i++) {
      ck_assert_msg(y[i] == fmaxf(x[i], 0), "%d at %g: %g", k, (double)x[i], (double)y[i]);
      ck_assert_msg(g[i] == (x[i] > 0 ? 1 : 0), "%d at %g: gradient %g", k, (double)x[i], (double)g[i]);
    }
    clg_scope_close(s);
    clg_tensor_unref(&t);
  }
}
END_TEST

/* ---- NaN on its way back ---- */

START_TEST(gradients_hand_nan_on) {
  float g[3];
  for (int k = 0; k < 4; k++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = leaf(3, (float[]){1, NAN, 2}), *zero = clg_full(ctx, 1, DIMS(3), 0);
    clg_tensor *y = k == 0   ? clg_norm(x, 2, NULL, 0, false)
                    : k == 1 ? clg_norm(x, INFINITY, NULL, 0, false)
                    : k == 2 ? clg_amax(x, NULL, 0, false)
                             : total(clg_maximum(zero, x));
    backward(y), read_all(clg_tensor_grad(x), g);
    ck_assert_msg(isnan(g[1]) || g[1] == 1, "%d: %g", k, (double)g[1]);
    if (k == 2) ck_assert(g[0] == 0 && g[2] == 0);
    if (k == 3) ck_assert(g[0] == 1 && g[2] == 1);
    clg_scope_close(s);
    clg_tensor_unref(&x);
  }
}
END_TEST

/* The gradient to an exponent is 0 at the base 0 but where the exponent, and so the result, is NaN. */
START_TEST(exponents_hand_nan_on) {
  float g[3];
  for (int k = 0; k < 2; k++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *e = leaf(3, (float[]){NAN, 2, 0}), *base = clg_full(ctx, 1, DIMS(3), 0);
    backward(total(k ? clg_scalar_pow(0, e) : clg_pow(base, e))), read_all(clg_tensor_grad(e), g);
    ck_assert_msg(isnan(g[0]) && g[1] == 0 && g[2] == 0, "%d: %g, %g, %g", k, (double)g[0], (double)g[1], (double)g[2]);
    clg_scope_close(s);
    clg_tensor_unref(&e);
  }
}
END_TEST

/* 0*x and 0/x are what they say, and keep nothing for backward. */
START_TEST(products_with_nought) {
  float v[4], g[4];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(4, (float[]){0, 1, INFINITY, NAN}), *y = leaf(4, (float[]){5, 5, 5, 5});
  clg_tensor *z = clg_map(ctx, "x*0 + 0/x + y", (clg_map_input[]){{"x", x, 0}, {"y", y, 0}}, 2);
  read_all(z, v);
  for (int i = 0; i < 4; i++) ck_assert(i == 1 ? v[i] == 5 : isnan(v[i]));
  ck_assert_uint_eq(clg_memory(ctx).saved, 0);
  clg_tensor *up = clg_tensor_create(ctx, 1, DIMS(4), (float[]){1, NAN, 1, 1});
  ck_assert_int_eq(clg_backward(z, &(clg_backward_options){.grad = up}), CLG_OK);
  read_all(clg_tensor_grad(x), g);
  for (int i = 0; i < 4; i++) ck_assert(i == 1 ? isnan(g[i]) : g[i] == 0);
  clg_scope_close(s);
  clg_tensor_unref(&x), clg_tensor_unref(&y), clg_tensor_unref(&up);
}
END_TEST

/* ---- ranges ---- */

/* Many ranges whose sums are in range, others among such, and what is left of them. */
START_TEST(norms_fit_where_squares_do_not) {
  enum { ROWS = 53 };
  static const float few[][2] = {{3e20f, 4e20f}, {3e-25f, -4e-25f}, {0, 0}};
  float v[ROWS][2], y[ROWS], g[ROWS][2];
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < 2; k++) v[i][k] = i < 32 || i % 5 > 2 ? (float)((3 + k) * (i + 1)) : few[i % 5][k];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(ROWS, 2), &v[0][0]);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *n = clg_norm(x, 2, (int[]){1}, 1, false);
  read_all(n, y);
  ck_assert_uint_eq(clg_memory(ctx).saved, ROWS * sizeof(float)); /* y; x is a leaf */
  backward(total(n)), read_all(clg_tensor_grad(x), &g[0][0]);
  for (int i = 0; i < ROWS; i++) {
    double want = hypot((double)v[i][0], (double)v[i][1]);
    ck_assert_msg(near(y[i], want), "%d: %g, not %g", i, (double)y[i], want);
    for (int k = 0; k < 2; k++) ck_assert(near(g[i][k], want > 0 ? (double)v[i][k] / want : 0));
  }
  /* a range that a work-group takes */
  ck_assert(near(clg_tensor_item(clg_norm(clg_full(ctx, 1, DIMS(6400), 1e30f), 2, NULL, 0, false)), 8e31));
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

/* Two parameters, so that their norms are joined. */
START_TEST(deviations_fit_where_variances_do_not) {
  static const float unit[] = {1e-40f, 1e-30f, 1e-20f, 1, 1e20f, 1e30f, 1e38f};
  for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
    const float u = unit[i], slack = u < FLT_MIN ? 1e-3f : 1e-6f;
    float v, g[3], want[] = {-0.5f, 0, 0.5f};
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(1, 3), (float[]){u, 2 * u, 3 * u});
    ck_assert_int_eq(clg_tensor_set_requires_grad(x, true), CLG_OK);
    clg_tensor *y = clg_std(x, (int[]){1}, 1, true, false);
    read_all(y, &v);
    ck_assert_int_eq(clg_backward(clg_sum(y, NULL, 0, false), NULL), CLG_OK);
    read_all(clg_tensor_grad(x), g);
    bool flushed = u < FLT_MIN && v == 0; /* a device without subnormals */
    for (int k = 0; k < 3 && !flushed; k++) ck_assert_float_eq_tol(g[k], want[k], slack);
    if (!flushed) ck_assert_msg(fabsf(v / u - 1) <= slack, "%g of %g", (double)v, (double)u);
    clg_scope_close(s);
    clg_tensor_unref(&x);
  }
}
END_TEST

START_TEST(clipped_gradients_keep_their_direction) {
  static const float v[][3] = {
      {3e20f, 4e20f, 0}, {3e38f, -3e38f, 3e38f}, {3e-25f, 4e-25f, 1e-25f}, {3, 4, 12}, {0, 0, 0}};
  for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
    float got[3], none[3] = {0};
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *p[] = {leaf(2, none), leaf(1, none)},
               *w[] = {clg_tensor_create(ctx, 1, DIMS(2), v[i]), clg_tensor_create(ctx, 1, DIMS(1), v[i] + 2)};
    for (int k = 0; k < 2; k++) backward(total(clg_mul(p[k], w[k])));
    double norm = hypot(hypot((double)v[i][0], (double)v[i][1]), (double)v[i][2]), scale = fmin(1, 0.5 / (norm + 1e-6));
    float said = clg_tensor_item(clg_clip_grad_norm(ctx, p, 2, 0.5));
    ck_assert_msg(norm > 3.5e38 ? isinf(said) : near(said, norm), "norm %g, not %g", (double)said, norm);
    read_all(clg_tensor_grad(p[0]), got), read_all(clg_tensor_grad(p[1]), got + 2);
    for (int k = 0; k < 3; k++)
      ck_assert_msg(near(got[k], scale * (double)v[i][k]), "%d,%d: %g", (int)i, k, (double)got[k]);
    clg_scope_close(s);
    for (int k = 0; k < 2; k++) clg_tensor_unref(&p[k]), clg_tensor_unref(&w[k]);
  }
}
END_TEST

/* With create_graph as without: neither squares nor the distance from zero take anything away. */
START_TEST(recorded_gradients_of_norms_keep_their_digits) {
  static const double scale[] = {1, 1, 1e18, 1e25, 1e30, 1e-15}, shift[] = {1e4, 1e6, 0, 1e25, -1e30, 1e-15};
  enum { N = 6, ROWS = sizeof scale / sizeof *scale };
  float v[ROWS * N], u[ROWS * N], g[2][ROWS * N];
  for (int i = 0; i < ROWS * N; i++) {
    v[i] = (float)(shift[i / N] + scale[i / N] * (i * 5 % N)), u[i] = (float)(i * 7 % 11 - 5);
  }
  for (int batch = 0; batch < 2; batch++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(ROWS, N), v), *up = clg_tensor_create(ctx, 2, DIMS(ROWS, N), u), *d;
    clg_tensor_set_requires_grad(x, true);
    clg_batch_norm_options o = clg_batch_norm_defaults();
    o.eps = 1e-30f;
    clg_tensor *y = batch ? clg_transpose(clg_batch_norm(clg_transpose(x, 0, 1), NULL, NULL, &o), 0, 1)
                          : clg_layer_norm(x, NULL, NULL, &(clg_norm_options){.eps = 1e-30f});
    for (int recorded = 0; recorded < 2; recorded++) {
      const clg_backward_options how = {.grad = up, .retain_graph = true, .create_graph = recorded};
      ck_assert_int_eq(clg_grad(y, &x, 1, &d, &how), CLG_OK);
      read_all(d, g[recorded]);
    }
    for (int i = 0; i < ROWS * N; i++)
      ck_assert_msg(fabs((double)g[1][i] - (double)g[0][i]) <= 2e-6 * 3 / scale[i / N],
                    "norm %d of %g + %g: %g, not %g", batch, shift[i / N], scale[i / N], (double)g[1][i],
                    (double)g[0][i]);
    clg_scope_close(s);
    clg_tensor_unref(&x), clg_tensor_unref(&up);
  }
}
END_TEST

static void steps(clg_optim_options o, int count, const float *g, int64_t n, float *w) {
  clg_tensor *p = leaf(n, w), *t = clg_tensor_create(ctx, 1, &n, g);
  clg_optim *opt = clg_optim_create(ctx, &p, 1, &o);
  ck_assert_msg(opt != NULL, "%s", clg_last_error(ctx));
  for (int k = 0; k < count; k++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_optim_zero_grad(opt), backward(total(clg_mul(p, t)));
    ck_assert_int_eq(clg_optim_step(opt), CLG_OK);
    clg_scope_close(s);
  }
  read_all(p, w);
  clg_optim_unref(&opt);
  clg_tensor_unref(&p), clg_tensor_unref(&t);
}

START_TEST(optimizers_stay_finite) {
  enum { N = 400 };
  float g[N], w[N] = {0};
  for (int i = 0; i < N; i++) g[i] = expf(-7 + 0.04f * (float)i) * (i & 1 ? -1 : 1);
  clg_optim_options o = clg_optim_defaults(CLG_RMSPROP);
  o.centered = true, o.alpha = 0.9, o.lr = 0.01;
  steps(o, test_interpreted(ctx) ? 20 : 400, g, N, w);
  for (int i = 0; i < N; i++)
    ck_assert_msg(isfinite(w[i]), "constant gradient %.9g: weight %g", (double)g[i], (double)w[i]);
  o = clg_optim_defaults(CLG_ADAM);
  o.eps = 1e-50; /* which no float holds */
  float few[4] = {1, 1, 1, 1};
  steps(o, 3, (float[]){0, 1, 1e20f, -1e20f}, 4, few);
  const double want[] = {1, 1 - 3e-3, 1 - 3e-3, 1 + 3e-3};
  for (int i = 0; i < 4; i++) ck_assert_msg(fabs((double)few[i] - want[i]) < 1e-5, "%d: %g", i, (double)few[i]);
}
END_TEST

START_TEST(probability_nought_at_minus_infinity) {
  float g[3], gt[3];
  const double z = 1 + exp(1), want[2] = {0.5632616875, 0.5632616875 - 0.5 * 0.75 * (log(z) - 1)};
  for (int weights = 0; weights < 2; weights++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(1, 3), (float[]){-INFINITY, 0, 1}),
               *t = clg_tensor_create(ctx, 2, DIMS(1, 3), (float[]){0, 0.25f, 0.75f}),
               *w = clg_tensor_create(ctx, 1, DIMS(3), (float[]){0, 1, 0.5f});
    clg_tensor_set_requires_grad(x, true), clg_tensor_set_requires_grad(t, true);
    const clg_loss_options o = {CLG_REDUCTION_MEAN, weights ? w : NULL, NULL, 0, -100};
    clg_tensor *loss = clg_cross_entropy_loss(x, t, &o);
    ck_assert_msg(near(clg_tensor_item(loss), want[weights]), "%.9g", (double)clg_tensor_item(loss));
    backward(loss), read_all(clg_tensor_grad(x), g), read_all(clg_tensor_grad(t), gt);
    double share = weights ? 0.25 + 0.375 : 1;
    ck_assert(g[0] == 0 && fabs((double)g[1] - (share / z - 0.25)) < 1e-6);
    ck_assert(near(gt[1], log(z)));
    clg_scope_close(s);
    clg_tensor_unref(&x), clg_tensor_unref(&t), clg_tensor_unref(&w);
  }
}
END_TEST

START_TEST(losses_of_huge_and_infinite_logits) {
  enum { ROWS = 40 };
  float v[2 * ROWS], g[2 * ROWS], l[4];
  int32_t label[ROWS];
  for (int i = 0; i < ROWS; i++) v[2 * i] = 1.5e38f, v[2 * i + 1] = -1.5e38f, label[i] = i & 1;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(ROWS, 2), v), *t = clg_tensor_create_i32(ctx, 1, DIMS(ROWS), label);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *loss = clg_cross_entropy_loss(x, t, NULL);
  ck_assert_msg(near(clg_tensor_item(loss), 1.5e38), "%g", (double)clg_tensor_item(loss)); /* a sum has no room */
  backward(loss), read_all(clg_tensor_grad(x), g);
  for (int i = 0; i < 2 * ROWS; i++) ck_assert(near(g[i], i / 2 % 2 ? (i % 2 ? -1.0 : 1.0) / ROWS : 0));
  const float z[] = {INFINITY, -INFINITY, INFINITY, -INFINITY}, target[] = {0.5f, 0.5f, 0, 1};
  const clg_loss_options each = {CLG_REDUCTION_NONE, NULL, NULL, 0, -100};
  clg_tensor *a = clg_tensor_create(ctx, 1, DIMS(4), z), *b = clg_tensor_create(ctx, 1, DIMS(4), target);
  read_all(clg_bce_with_logits_loss(a, b, &each), l);
  for (int i = 0; i < 4; i++) ck_assert_msg(isinf(l[i]) && l[i] > 0, "%d: %g", i, (double)l[i]);
  clg_scope_close(s);
  clg_tensor_unref(&x), clg_tensor_unref(&t), clg_tensor_unref(&a), clg_tensor_unref(&b);
}
END_TEST

START_TEST(uniform_numbers_of_any_width) {
  static const float range[][2] = {{-3e38f, 3e38f}, {-2e38f, 3.4e38f}, {0, 3.4e38f}, {-1, 1}};
  enum { N = 20000 };
  static float v[N];
  for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
    double low = (double)range[i][0], high = (double)range[i][1], mean = 0, square = 0;
    clg_scope *s = clg_scope_open(ctx);
    read_all(clg_rand(ctx, 1, DIMS(N), range[i][0], range[i][1]), v);
    for (int k = 0; k < N; k++) {
      ck_assert_msg(v[k] >= range[i][0] && v[k] < range[i][1], "%g", (double)v[k]);
      double u = ((double)v[k] - low) / (high - low);
      mean += u / N, square += u * u / N;
    }
    ck_assert_msg(fabs(mean - 0.5) < 0.012 && fabs(square - 1.0 / 3) < 0.012, "mean %g, square %g", mean, square);
    clg_scope_close(s);
  }
}
END_TEST

START_TEST(numbers_from_no_range_are_refused) {
  static const float range[][2] = {{2, 1}, {NAN, 1}, {0, NAN}, {-INFINITY, 0}, {0, INFINITY}, {INFINITY, INFINITY}};
  static const float deviation[] = {-1, -1e-30f, NAN};
  float v[2] = {7, 8};
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_full(ctx, 1, DIMS(2), 5);
  for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
    ck_assert_int_eq(clg_rand_(x, range[i][0], range[i][1]), CLG_ERR_ARGUMENT);
    test_expect_error(ctx, CLG_ERR_ARGUMENT, "no range of numbers");
    ck_assert_ptr_null(clg_rand(ctx, 1, DIMS(2), range[i][0], range[i][1]));
    test_expect_error(ctx, CLG_ERR_ARGUMENT, "no range of numbers");
  }
  for (size_t i = 0; i < sizeof deviation / sizeof *deviation; i++) {
    ck_assert_int_eq(clg_randn_(x, 0, deviation[i]), CLG_ERR_ARGUMENT);
    test_expect_error(ctx, CLG_ERR_ARGUMENT, "a deviation of");
  }
  read_all(x, v);
  ck_assert(v[0] == 5 && v[1] == 5);
  ck_assert_int_eq(clg_rand_(x, 2, 2), CLG_OK);
  read_all(x, v);
  ck_assert(v[0] == 2 && v[1] == 2);
  clg_scope_close(s);
}
END_TEST

/* ---- shapes ---- */

static void refused(clg_tensor *t, const char *word) {
  ck_assert_ptr_null(t);
  test_expect_error(ctx, CLG_ERR_SHAPE, word);
}

START_TEST(losses_do_not_broadcast) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_full(ctx, 2, DIMS(4, 1), 0.5f);
  clg_tensor *const other[] = {clg_full(ctx, 1, DIMS(4), 0.5f), clg_full(ctx, 2, DIMS(4, 4), 0.5f),
                               clg_full(ctx, 2, DIMS(1, 1), 0.5f), clg_full(ctx, 0, NULL, 0.5f)};
  for (int i = 0; i < 4; i++) {
    clg_tensor *t = other[i];
    refused(clg_bce_with_logits_loss(x, t, NULL), "shapes [4,1] and [");
    refused(clg_mse_loss(x, t, NULL), "must have that of x");
    refused(clg_bce_with_logits_loss(x, t, NULL), "[4,1]");
    refused(clg_bce_loss(x, t, NULL), "[4,1]");
    refused(clg_l1_loss(x, t, NULL), "[4,1]");
    refused(clg_mse_loss(x, t, NULL), "[4,1]");
  }
  /* a weight broadcasts to x, and not further */
  clg_loss_options o = clg_loss_defaults();
  o.weight = other[0];
  refused(clg_l1_loss(x, x, &o), "weight [4] does not broadcast to x [4,1]");
  o.weight = NULL, o.pos_weight = other[1];
  refused(clg_bce_with_logits_loss(x, x, &o), "weight [4,4]");
  ck_assert_float_eq(clg_tensor_item(clg_mse_loss(x, clg_expand(other[3], 2, DIMS(4, 1)), NULL)), 0);
  clg_scope_close(s);
}
END_TEST

/* PyTorch's sizes: a window that begins inside is one, however far it reaches. */
START_TEST(pooling_windows_reach_beyond) {
  static const struct {
    int64_t size, out; /* 0: refused */
    int kernel, stride, padding;
    bool ceil;
  } cases[] = {{1, 1, 2, 2, 0, true}, {1, 0, 2, 2, 0, false}, {1, 1, 3, 3, 0, true}, {1, 0, 3, 1, 0, true},
               {2, 1, 3, 2, 0, true}, {1, 1, 3, 2, 1, true},  {0, 0, 2, 3, 0, true}, {5, 3, 2, 2, 0, true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int k = cases[i].kernel, st = cases[i].stride, p = cases[i].padding;
    const clg_pool_options o = {{st, st}, {p, p}, {1, 1}, cases[i].ceil, true};
    for (int average = 0; average < 2; average++) {
      clg_scope *s = clg_scope_open(ctx);
      int64_t n = cases[i].size;
      clg_tensor *x = clg_full(ctx, 3, DIMS(1, n, n), 3),
                 *y = average ? clg_avg_pool2d(x, k, k, &o) : clg_max_pool2d(x, k, k, &o);
      if (!cases[i].out) {
        refused(y, "smaller than the window");
      } else {
        ck_assert_msg(y && clg_tensor_dim(y, 1) == cases[i].out && clg_tensor_dim(y, 2) == cases[i].out, "case %d",
                      (int)i);
        if (n == 1 && !p) ck_assert_float_eq(clg_tensor_item(y), 3);
      }
      clg_scope_close(s);
    }
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("numbers");
  share_context(c);
  tcase_set_timeout(c, 0);
  tcase_add_test(c, what_saturates_ends_growth);
  tcase_add_test(c, gradients_hand_nan_on);
  tcase_add_test(c, exponents_hand_nan_on);
  tcase_add_test(c, products_with_nought);
  tcase_add_test(c, norms_fit_where_squares_do_not);
  tcase_add_test(c, deviations_fit_where_variances_do_not);
  tcase_add_test(c, clipped_gradients_keep_their_direction);
  tcase_add_test(c, recorded_gradients_of_norms_keep_their_digits);
  tcase_add_test(c, optimizers_stay_finite);
  tcase_add_test(c, probability_nought_at_minus_infinity);
  tcase_add_test(c, losses_of_huge_and_infinite_logits);
  tcase_add_test(c, uniform_numbers_of_any_width);
  tcase_add_test(c, numbers_from_no_range_are_refused);
  tcase_add_test(c, losses_do_not_broadcast);
  tcase_add_test(c, pooling_windows_reach_beyond);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("numbers", add_cases)
