/* Activations fused behind convolutions and norms: the bits of two ops, forward, backward and second order. */
#include "context.h"
#include "harness.h"
#include <math.h>
#include <string.h>

static clg_context *ctx;
static void open_context(void) { ctx = test_context_open(); }
static void close_context(void) { test_context_close(&ctx); }

enum { FIGURES = 8, LARGEST = 2 * 6 * 7 * 5 };
static const int64_t dims[3][4] = {{2, 6, 7, 5}, {6, 6, 3, 3}, {6}};
static const struct {
  clg_activation act;
  float slope;
} acts[] = {{CLG_ACT_RELU, 0}, {CLG_ACT_LEAKY_RELU, 0.2f}, {CLG_ACT_LEAKY_RELU, -0.2f},
            {CLG_ACT_TANH, 0}, {CLG_ACT_SIGMOID, 0},       {CLG_ACT_GELU, 0}};
enum { ACTS = sizeof acts / sizeof *acts };

typedef clg_tensor *(*body)(clg_tensor *const *t, clg_activation act, float slope);
static bool apart; /* the activation as an op of its own */

static clg_activation inside(clg_activation act) { return apart ? CLG_ACT_NONE : act; }
static clg_tensor *behind(clg_tensor *y, clg_activation act, float slope) {
  return apart ? clg_activate(y, act, slope) : y;
}

static clg_tensor *conv2d(clg_tensor *const *t, clg_activation act, float slope) {
  clg_conv_options o = CLG_CONV_OPTIONS_INIT;
  o.padding[0] = o.padding[1] = 1, o.act = inside(act), o.slope = slope;
  return behind(clg_conv2d(t[0], t[1], t[2], &o), act, slope);
}
static clg_tensor *conv_transpose2d(clg_tensor *const *t, clg_activation act, float slope) {
  clg_conv_options o = CLG_CONV_OPTIONS_INIT;
  o.padding[0] = o.padding[1] = 1, o.act = inside(act), o.slope = slope;
  return behind(clg_conv_transpose2d(t[0], t[1], t[2], &o), act, slope);
}

static clg_tensor *batch_norm_of(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, bool train, clg_activation act,
                                 float slope) {
  float mean[42] = {0.3f, -0.2f, 0, 0.1f}, var[42];
  for (int i = 0; i < 42; i++) var[i] = 0.5f + 0.25f * (float)(i % 5);
  int64_t channels = clg_tensor_dim(x, 1);
  clg_batch_norm_options o = CLG_BATCH_NORM_OPTIONS_INIT;
  o.train = train, o.act = inside(act), o.slope = slope;
  o.running_mean = clg_tensor_create(ctx, 1, &channels, mean),
  o.running_var = clg_tensor_create(ctx, 1, &channels, var);
  clg_tensor *y = clg_batch_norm(x, gamma, beta, &o);
  clg_tensor_unref(&o.running_mean);
  clg_tensor_unref(&o.running_var);
  return behind(y, act, slope);
}
/* x [2,6,35] of t[0], gamma and beta of t[1] and t[2]. */
static clg_tensor *batch_norm(clg_tensor *const *t, clg_activation act, float slope) {
  clg_tensor *gamma = clg_reshape(clg_mean(t[1], (int[]){1, 2, 3}, 3, false), 1, (int64_t[]){6});
  return clg_mul_scalar(batch_norm_of(clg_reshape(t[0], 3, (int64_t[]){2, 6, 35}), gamma, t[2], true, act, slope), 2);
}
/* x [10,42]: as many channels as fill no whole number of vectors. */
static clg_tensor *batch_norm_columns(clg_tensor *const *t, clg_activation act, float slope) {
  clg_tensor *gamma = clg_reshape(clg_narrow(clg_reshape(t[1], 1, (int64_t[]){324}), 0, 0, 42), 1, (int64_t[]){42});
  clg_tensor *y = batch_norm_of(clg_reshape(t[0], 2, (int64_t[]){10, 42}), gamma, NULL, true, act, slope);
  return clg_mul(y, clg_mean(t[2], NULL, 0, false));
}
static clg_tensor *batch_norm_plain(clg_tensor *const *t, clg_activation act, float slope) {
  return clg_add(batch_norm_of(t[0], NULL, NULL, true, act, slope),
                 clg_mul(clg_mean(t[1], NULL, 0, false), clg_mean(t[2], NULL, 0, false)));
}
static clg_tensor *batch_norm_eval(clg_tensor *const *t, clg_activation act, float slope) {
  return clg_mul(batch_norm_of(t[0], t[2], NULL, false, act, slope), clg_mean(t[1], NULL, 0, false));
}

/* The result, the first gradients by recorded ops, the second ones, and those by kernels. */
static void figures(body run, int a, bool fused, float out[FIGURES][LARGEST]) {
  clg_tensor *t[3], *g[3];
  clg_seed(ctx, 5, 0);
  for (int i = 0; i < 3; i++) {
    t[i] = clg_tensor_create(ctx, i < 2 ? 4 : 1, dims[i], NULL);
    ck_assert(clg_randn_(t[i], 0, 1) == CLG_OK && clg_set_requires_grad(t[i], true) == CLG_OK);
  }
  clg_scope *scope = clg_scope_open(ctx);
  apart = !fused;
  clg_tensor *y = run(t, acts[a].act, acts[a].slope);
  clg_tensor *loss = clg_sum(clg_square(y), NULL, 0, false);
  clg_backward_options o = CLG_BACKWARD_OPTIONS_INIT;
  o.create_graph = true;
  ck_assert_int_eq(clg_grad(loss, t, 3, false, &o, g), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(y, out[0]), CLG_OK);
  for (int i = 0; i < 3; i++) ck_assert_int_eq(clg_tensor_read(g[i], out[1 + i]), CLG_OK);
  o.create_graph = false, o.retain_graph = true;
  ck_assert_int_eq(clg_backward(loss, &o), CLG_OK);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(clg_tensor_read(clg_grad_of(t[i]), out[4 + i]), CLG_OK);
    clg_zero_grad(t[i]);
  }
  ck_assert_int_eq(clg_backward(clg_sum(clg_square(g[1]), NULL, 0, false), NULL), CLG_OK);
  for (int i = 0; i < 2; i++) ck_assert_int_eq(clg_tensor_read(clg_grad_of(t[i]), out[6 + i]), CLG_OK);
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  for (int i = 0; i < 3; i++) clg_tensor_unref(&t[i]);
}

/* The kernels' figures are the same bits; recorded ops make a norm's value in another order. */
static void same(const char *name, body run, bool recorded_too) {
  static float got[2][FIGURES][LARGEST];
  for (int a = 0; a < ACTS; a++) {
    memset(got, 0, sizeof got);
    for (int fused = 0; fused < 2; fused++) figures(run, a, fused, got[fused]);
    for (int i = 0; i < FIGURES; i++) {
      bool bits = recorded_too || i == 0 || i == 4 || i == 5;
      if (bits)
        ck_assert_msg(!memcmp(got[0][i], got[1][i], sizeof got[0][i]), "%s with activation %d: figure %d differs", name,
                      acts[a].act, i);
      float largest = 0;
      for (int k = 0; k < LARGEST; k++) largest = fmaxf(largest, fabsf(got[0][i][k]));
      for (int k = 0; k < LARGEST; k++)
        ck_assert_msg(fabsf(got[0][i][k] - got[1][i][k]) <= 2e-5f * largest,
                      "%s with activation %d: figure %d is %g, not %g", name, acts[a].act, i, (double)got[1][i][k],
                      (double)got[0][i][k]);
      ck_assert_float_gt(largest, 0);
    }
  }
}

START_TEST(convolutions) {
  same("conv2d", conv2d, true);
  same("conv_transpose2d", conv_transpose2d, true);
}
END_TEST

START_TEST(batch_norms) {
  same("batch_norm", batch_norm, false);
  same("batch_norm of vectors", batch_norm_columns, false);
  same("batch_norm without gamma and beta", batch_norm_plain, false);
  same("batch_norm in evaluation", batch_norm_eval, false);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("fused");
  tcase_add_checked_fixture(c, open_context, close_context);
  tcase_add_test(c, convolutions);
  tcase_add_test(c, batch_norms);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("fused", add_cases)
