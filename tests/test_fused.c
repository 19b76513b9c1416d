/* Activations fused behind convolutions and norms: the bits of two ops, forward, backward and second order. */
#include "harness.h"
#include "ops/formula.h"
#include "product/product.h"
#include "shared_context.h"
#include <math.h>
#include <string.h>

enum { FIGURES = 8, LARGEST = 2 * 6 * 7 * 5 };
static const int64_t dims[3][4] = {{2, 6, 7, 5}, {6, 6, 3, 3}, {6}};
static const struct {
  clg_act act;
  bool fuses;
} acts[] = {{{"relu", {0}}, true},
            {{"leaky_relu", {0.2f}}, true},
            {{"leaky_relu", {-0.2f}}, false},
            {{"tanh", {0}}, true},
            {{"sigmoid", {0}}, true},
            {{"gelu", {0}}, false},
            {{"softplus", {1.5f, 20}}, false},
            {{"elu", {0.75f}}, false},
            {{"mish", {0}}, false},
            {{"tanh(k*x) - a", {0.5f, 0.125f}}, false},
            {{"sigmoid(k*x)", {2}}, true}};
enum { ACTS = sizeof acts / sizeof *acts };

typedef clg_tensor *(*body)(clg_tensor *const *t, clg_act act);
static bool apart; /* the activation as an op of its own */

static clg_act inside(clg_act act) { return apart ? (clg_act){NULL, {0}} : act; }
static clg_tensor *behind(clg_tensor *y, clg_act act) { return apart ? clg_activate(y, act) : y; }

static clg_tensor *conv2d(clg_tensor *const *t, clg_act act) {
  clg_conv_options o = clg_conv_defaults();
  o.padding[0] = o.padding[1] = 1, o.act = inside(act);
  return behind(clg_conv2d(t[0], t[1], t[2], &o), act);
}
static clg_tensor *conv_transpose2d(clg_tensor *const *t, clg_act act) {
  clg_conv_options o = clg_conv_defaults();
  o.padding[0] = o.padding[1] = 1, o.act = inside(act);
  return behind(clg_conv_transpose2d(t[0], t[1], t[2], &o), act);
}

static clg_tensor *batch_norm_of(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, bool train, clg_act act) {
  float mean[42] = {0.3f, -0.2f, 0, 0.1f}, var[42];
  for (int i = 0; i < 42; i++) var[i] = 0.5f + 0.25f * (float)(i % 5);
  int64_t channels = clg_tensor_dim(x, 1);
  clg_batch_norm_options o = clg_batch_norm_defaults();
  o.training = train, o.act = inside(act);
  o.running_mean = clg_tensor_create(ctx, 1, &channels, mean),
  o.running_var = clg_tensor_create(ctx, 1, &channels, var);
  clg_tensor *y = clg_batch_norm(x, gamma, beta, &o);
  clg_tensor_unref(&o.running_mean);
  clg_tensor_unref(&o.running_var);
  return behind(y, act);
}
/* x [2,6,35] of t[0], gamma and beta of t[1] and t[2]. */
static clg_tensor *batch_norm(clg_tensor *const *t, clg_act act) {
  clg_tensor *gamma = clg_reshape(clg_mean(t[1], (int[]){1, 2, 3}, 3, false), 1, (int64_t[]){6});
  return clg_mul_scalar(batch_norm_of(clg_reshape(t[0], 3, (int64_t[]){2, 6, 35}), gamma, t[2], true, act), 2);
}
/* x [10,42]: as many channels as fill no whole number of vectors. */
static clg_tensor *batch_norm_columns(clg_tensor *const *t, clg_act act) {
  clg_tensor *gamma = clg_reshape(clg_narrow(clg_reshape(t[1], 1, (int64_t[]){324}), 0, 0, 42), 1, (int64_t[]){42});
  clg_tensor *y = batch_norm_of(clg_reshape(t[0], 2, (int64_t[]){10, 42}), gamma, NULL, true, act);
  return clg_mul(y, clg_mean(t[2], NULL, 0, false));
}
static clg_tensor *batch_norm_plain(clg_tensor *const *t, clg_act act) {
  return clg_add(batch_norm_of(t[0], NULL, NULL, true, act),
                 clg_mul(clg_mean(t[1], NULL, 0, false), clg_mean(t[2], NULL, 0, false)));
}
static clg_tensor *batch_norm_eval(clg_tensor *const *t, clg_act act) {
  return clg_mul(batch_norm_of(t[0], t[2], NULL, false, act), clg_mean(t[1], NULL, 0, false));
}

static clg_tensor *layer_norm_of(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, clg_act act) {
  return behind(clg_layer_norm(x, gamma, beta, &(clg_norm_options){1e-5f, inside(act)}), act);
}
static clg_tensor *some_of(clg_tensor *t, int64_t from, int64_t n) {
  return clg_narrow(clg_reshape(t, 1, (int64_t[]){-1}), 0, from, n);
}
static clg_tensor *scaled(clg_tensor *y, clg_tensor *t) { return clg_mul(y, clg_mean(t, NULL, 0, false)); }
/* Rows of 42: vectors, and more columns that fill none. */
static clg_tensor *layer_norm(clg_tensor *const *t, clg_act act) {
  clg_tensor *x = clg_reshape(t[0], 2, (int64_t[]){10, 42});
  return scaled(layer_norm_of(x, some_of(t[1], 0, 42), some_of(t[1], 50, 42), act), t[2]);
}
/* Rows of 210: more than a work-group of any shape; [210,2] transposed. */
static clg_tensor *layer_norm_plain(clg_tensor *const *t, clg_act act) {
  clg_tensor *x = clg_transpose(clg_reshape(t[0], 2, (int64_t[]){210, 2}), 0, 1);
  return scaled(scaled(layer_norm_of(x, NULL, NULL, act), t[1]), t[2]);
}
/* Rows of 5, less than a vector. */
static clg_tensor *layer_norm_gamma(clg_tensor *const *t, clg_act act) {
  return scaled(layer_norm_of(t[0], some_of(t[1], 3, 5), NULL, act), t[2]);
}
static clg_tensor *layer_norm_beta(clg_tensor *const *t, clg_act act) {
  clg_tensor *x = clg_permute(t[0], (int[]){3, 0, 2, 1}, 4);
  return scaled(layer_norm_of(x, NULL, t[2], act), t[1]);
}

static clg_tensor *group_norm_of(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int groups, clg_act act) {
  return behind(clg_group_norm(x, gamma, beta, groups, &(clg_norm_options){1e-5f, inside(act)}), act);
}
/* x [3,4,35], two groups of two channels. */
static clg_tensor *group_norm(clg_tensor *const *t, clg_act act) {
  clg_tensor *x = clg_reshape(t[0], 3, (int64_t[]){3, 4, 35});
  return scaled(group_norm_of(x, some_of(t[1], 5, 4), some_of(t[1], 50, 4), 2, act), t[2]);
}
static clg_tensor *instance_norm(clg_tensor *const *t, clg_act act) {
  clg_tensor *x = clg_reshape(t[0], 4, (int64_t[]){2, 6, 5, 7});
  const clg_norm_options o = {1e-5f, inside(act)};
  return scaled(scaled(behind(clg_instance_norm(x, NULL, NULL, &o), act), t[1]), t[2]);
}
/* One group, of [21,20] transposed, without gain. */
static clg_tensor *group_norm_beta(clg_tensor *const *t, clg_act act) {
  clg_tensor *x = clg_transpose(clg_reshape(t[0], 2, (int64_t[]){21, 20}), 0, 1);
  return scaled(group_norm_of(x, NULL, some_of(t[1], 7, 21), 1, act), t[2]);
}

/* The result, the first gradients by recorded ops, the second ones, and those by kernels. */
static void figures(body run, int a, bool fused, float out[FIGURES][LARGEST]) {
  clg_tensor *t[3], *g[3];
  clg_set_seed(ctx, 5, 0);
  for (int i = 0; i < 3; i++) {
    t[i] = clg_tensor_create(ctx, i < 2 ? 4 : 1, dims[i], NULL);
    ck_assert(clg_randn_(t[i], 0, 1) == CLG_OK && clg_tensor_set_requires_grad(t[i], true) == CLG_OK);
  }
  clg_scope *scope = clg_scope_open(ctx);
  apart = !fused;
  clg_tensor *y = run(t, acts[a].act);
  clg_tensor *loss = clg_sum(clg_square(y), NULL, 0, false);
  clg_backward_options o = clg_backward_defaults();
  o.create_graph = true;
  ck_assert_int_eq(clg_grad(loss, t, 3, g, &o), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(y, out[0]), CLG_OK);
  for (int i = 0; i < 3; i++) ck_assert_int_eq(clg_tensor_read(g[i], out[1 + i]), CLG_OK);
  o.create_graph = false, o.retain_graph = true;
  ck_assert_int_eq(clg_backward(loss, &o), CLG_OK);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t[i]), out[4 + i]), CLG_OK);
    clg_tensor_zero_grad(t[i]);
  }
  ck_assert_int_eq(clg_backward(clg_sum(clg_square(g[1]), NULL, 0, false), NULL), CLG_OK);
  for (int i = 0; i < 2; i++) ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t[i]), out[6 + i]), CLG_OK);
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
        ck_assert_msg(!memcmp(got[0][i], got[1][i], sizeof got[0][i]), "%s with activation %s: figure %d differs", name,
                      acts[a].act.formula, i);
      float largest = 0;
      for (int k = 0; k < LARGEST; k++) largest = fmaxf(largest, fabsf(got[0][i][k]));
      for (int k = 0; k < LARGEST; k++)
        ck_assert_msg(fabsf(got[0][i][k] - got[1][i][k]) <= 2e-5f * largest,
                      "%s with activation %s: figure %d is %g, not %g", name, acts[a].act.formula, i,
                      (double)got[1][i][k], (double)got[0][i][k]);
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

START_TEST(layer_norms) {
  same("layer_norm", layer_norm, false);
  same("layer_norm without gamma and beta", layer_norm_plain, false);
  same("layer_norm without beta", layer_norm_gamma, false);
  same("layer_norm without gamma", layer_norm_beta, false);
}
END_TEST

START_TEST(group_norms) {
  same("group_norm", group_norm, false);
  same("instance_norm", instance_norm, false);
  same("group_norm without gamma", group_norm_beta, false);
}
END_TEST

/* ---- layer norm alone: every way that its kernels share the work, what it launches and what it saves ---- */

enum { X, GAMMA, BETA, NORM_INPUTS, MOST = 520 * 37 };
static const int64_t norm_sizes[][2] = {{520, 37}, {3, 1100}, {7, 16}, {1, 1}, {0, 5}};
enum { NORM_SIZES = sizeof norm_sizes / sizeof *norm_sizes };

static clg_tensor *random_leaf(int ndim, const int64_t *shape) {
  clg_tensor *t = clg_tensor_create(ctx, ndim, shape, NULL);
  ck_assert(clg_randn_(t, 0, 1) == CLG_OK && clg_tensor_set_requires_grad(t, true) == CLG_OK);
  return t;
}

/* The result and the gradients, summed of two backwards; bit i of `affine`: input 1 + i is given. */
static void norm_figures(const int64_t size[2], int affine, int a, float out[1 + NORM_INPUTS][MOST]) {
  clg_set_seed(ctx, 3, 0);
  clg_tensor *t[] = {random_leaf(2, size), random_leaf(1, size + 1), random_leaf(1, size + 1)};
  clg_tensor *g = random_leaf(2, size);
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *y = layer_norm_of(t[X], affine & 1 ? t[GAMMA] : NULL, affine & 2 ? t[BETA] : NULL, acts[a].act);
  ck_assert_int_eq(clg_tensor_read(y, out[0]), CLG_OK);
  clg_backward_options o = {.grad = clg_detach(g), .retain_graph = true};
  for (int i = 0; i < 2; i++) ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  for (int i = 0; i < NORM_INPUTS; i++)
    if (clg_tensor_grad(t[i])) ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t[i]), out[1 + i]), CLG_OK);
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  for (int i = 0; i < NORM_INPUTS; i++) clg_tensor_unref(&t[i]);
  clg_tensor_unref(&g);
}

START_TEST(layer_norm_shares) {
  static float got[2][1 + NORM_INPUTS][MOST];
  for (int k = 0; k < NORM_SIZES; k++)
    for (int affine = 0; affine < 4; affine++)
      for (int a = 1; a < ACTS; a += 2) {
        memset(got, 0, sizeof got);
        for (int i = 0; i < 2; i++) {
          apart = i;
          norm_figures(norm_sizes[k], affine, a, got[i]);
        }
        for (int i = 0; i <= NORM_INPUTS; i++)
          ck_assert_msg(!memcmp(got[0][i], got[1][i], sizeof got[0][i]), "[%d,%d], affine %d, activation %s: figure %d",
                        (int)norm_sizes[k][0], (int)norm_sizes[k][1], affine, acts[a].act.formula, i);
      }
}
END_TEST

typedef struct costs {
  uint64_t forward, backward, saved;
} costs;

/* Between two products, of which the second saves the result. */
static costs norm_costs(bool two, bool remat, int a, float out[4][64]) {
  clg_set_seed(ctx, 3, 0);
  const int64_t square[] = {8, 8};
  clg_tensor *t[] = {random_leaf(2, square), random_leaf(1, square), random_leaf(1, square), random_leaf(2, square)};
  clg_scope *scope = clg_scope_open(ctx);
  apart = two;
  clg_set_remat(ctx, remat);
  clg_tensor *x = clg_matmul(t[0], t[3]);
  uint64_t start = clg_context_counters(ctx).launches;
  clg_tensor *y = layer_norm_of(x, t[GAMMA], t[BETA], acts[a].act);
  costs c = {.forward = clg_context_counters(ctx).launches - start};
  y = clg_matmul(y, t[3]);
  c.saved = clg_memory(ctx).saved;
  start = clg_context_counters(ctx).launches;
  ck_assert_int_eq(clg_backward(clg_sum(y, NULL, 0, false), NULL), CLG_OK);
  c.backward = clg_context_counters(ctx).launches - start;
  clg_set_remat(ctx, false);
  for (int i = 0; i < 4; i++) ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t[i]), out[i]), CLG_OK);
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  for (int i = 0; i < 4; i++) clg_tensor_unref(&t[i]);
  return c;
}

START_TEST(layer_norm_costs) {
  static float want[4][64], got[4][64];
  norm_costs(true, false, 0, want); /* a context's first backward makes what it keeps */
  for (int a = 0; a < ACTS; a++) {
    bool fuses = acts[a].fuses;
    costs two = norm_costs(true, false, a, want), one = norm_costs(false, false, a, got);
    ck_assert(!memcmp(want, got, sizeof want));
    ck_assert_uint_eq(two.forward, 2);
    ck_assert_uint_eq(one.forward, fuses ? 1 : 2);
    ck_assert_uint_eq(one.backward + fuses, two.backward);
    ck_assert_uint_eq(one.saved, two.saved);
    costs remade = norm_costs(false, true, a, got);
    ck_assert_msg(!memcmp(want, got, sizeof want), "activation %s made again: the gradients differ",
                  acts[a].act.formula);
    ck_assert_uint_lt(remade.saved, one.saved);
    ck_assert_uint_le(remade.saved, norm_costs(true, true, a, got).saved);
  }
}
END_TEST

static clg_tensor *checked(void *user, clg_tensor *const *in, size_t n) {
  ck_assert_uint_eq(n, NORM_INPUTS);
  int a = *(int *)user;
  return layer_norm_of(in[X], in[GAMMA], in[BETA], acts[a].act);
}

/* Small gains and large shifts keep clear of the kinks. */
START_TEST(layer_norm_gradients) {
  const int64_t size[] = {3, 19};
  float gain[19], shift[19];
  for (int i = 0; i < 19; i++) gain[i] = 0.2f + 0.005f * (float)i, shift[i] = i % 2 ? 1.5f : -1.5f;
  clg_set_seed(ctx, 3, 0);
  clg_tensor *t[] = {random_leaf(2, size), clg_tensor_create(ctx, 1, size + 1, gain),
                     clg_tensor_create(ctx, 1, size + 1, shift)};
  for (int i = GAMMA; i <= BETA; i++) ck_assert_int_eq(clg_tensor_set_requires_grad(t[i], true), CLG_OK);
  clg_gradcheck_options o = clg_gradcheck_defaults();
  o.order = 2;
  apart = false;
  for (int a = 0; a < ACTS; a++)
    ck_assert_msg(clg_gradcheck(ctx, checked, &a, t, NORM_INPUTS, &o) == CLG_OK, "%s", clg_last_error(ctx));
  for (int i = 0; i < NORM_INPUTS; i++) clg_tensor_unref(&t[i]);
}
END_TEST

START_TEST(layer_norm_module) {
  clg_module *layers[] = {clg_layer_norm_create(ctx, 37, NULL),
                          clg_activation_create(ctx, (clg_act){"leaky_relu", {0.2f, 20}})};
  clg_module *m = clg_sequential_create(ctx, layers, 2);
  clg_set_seed(ctx, 3, 0);
  clg_tensor *x = random_leaf(2, norm_sizes[0]);
  clg_scope *scope = clg_scope_open(ctx);
  static float want[MOST], got[MOST];
  ck_assert_int_eq(clg_tensor_read(clg_leaky_relu(clg_layer_norm(x, NULL, NULL, NULL), 0.2f), want), CLG_OK);
  ck_assert_ptr_nonnull(clg_module_parameters(m, NULL));
  uint64_t start = clg_context_counters(ctx).launches;
  clg_tensor *y = clg_forward(m, x);
  ck_assert_uint_eq(clg_context_counters(ctx).launches, start + 1);
  ck_assert_int_eq(clg_tensor_read(y, got), CLG_OK);
  ck_assert(!memcmp(want, got, sizeof want));
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  clg_tensor_unref(&x);
  clg_module_unref(&m);
}
END_TEST

/* What is no activation is none for each op and layer, which leave nothing. */
static void refuses(clg_act act, clg_status status, const char *says) {
  const int64_t cube[] = {2, 2, 2, 2};
  clg_tensor *x = random_leaf(4, cube), *flat = random_leaf(2, cube), *rows = random_leaf(3, cube);
  clg_conv_options c = clg_conv_defaults();
  clg_batch_norm_options b = clg_batch_norm_defaults();
  const clg_norm_options n = {1e-5f, act};
  const clg_linear_options l = {act};
  c.act = b.act = act;
  clg_scope *scope = clg_scope_open(ctx);
  for (int i = 0; i < 7; i++) {
    clg_tensor *y = i == 0   ? clg_conv2d(x, x, NULL, &c)
                    : i == 1 ? clg_batch_norm(x, NULL, NULL, &b)
                    : i == 2 ? clg_layer_norm(x, NULL, NULL, &n)
                    : i == 3 ? clg_linear(flat, flat, NULL, &l)
                    : i == 4 ? clg_group_norm(x, NULL, NULL, 1, &n)
                    : i == 5 ? clg_instance_norm(rows, NULL, NULL, &n)
                             : clg_activate(x, act);
    ck_assert_ptr_null(y);
    test_expect_error(ctx, status, says);
  }
  for (int i = 0; i < 6; i++) {
    clg_module *m = i == 0   ? clg_activation_create(ctx, act)
                    : i == 1 ? clg_linear_create(ctx, 2, 2, true, &l)
                    : i == 2 ? clg_conv2d_create(ctx, 2, 2, 1, 1, true, &c)
                    : i == 3 ? clg_conv_transpose2d_create(ctx, 2, 2, 1, 1, true, &c)
                    : i == 4 ? clg_batch_norm_create(ctx, 2, &b)
                             : clg_layer_norm_create(ctx, 2, &n);
    ck_assert_ptr_null(m);
    test_expect_error(ctx, status, says);
  }
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  clg_tensor_unref(&x);
  clg_tensor_unref(&flat);
  clg_tensor_unref(&rows);
}

START_TEST(unknown_activations) {
  refuses((clg_act){"rellu", {0}}, CLG_ERR_ARGUMENT, "no activation \"rellu\"");
  refuses((clg_act){"add", {0}}, CLG_ERR_ARGUMENT, "no activation \"add\"");   /* of two tensors */
  refuses((clg_act){"mean", {0}}, CLG_ERR_ARGUMENT, "no activation \"mean\""); /* a reduction */
  refuses((clg_act){"a*x + b*x + c", {0}}, CLG_ERR_ARGUMENT, "at most 2 numbers");
  refuses((clg_act){"x*", {0}}, CLG_ERR_PARSE, "column 3");
  refuses((clg_act){"", {0}}, CLG_ERR_PARSE, "column 1");
}
END_TEST

/* A layer keeps its own activation, whatever becomes of the text, and fuses none behind it. */
START_TEST(layers_with_activations) {
  static float want[2][MOST], got[MOST];
  char text[] = "tanh(k*x)";
  const clg_act own = {text, {0.5f}};
  const clg_linear_options l = {own};
  const clg_norm_options n = {1e-5f, own};
  clg_tensor *x = random_leaf(2, (int64_t[]){3, 4});
  for (int i = 0; i < 2; i++) {
    strcpy(text, "tanh(k*x)");
    clg_scope *scope = clg_scope_open(ctx);
    clg_set_seed(ctx, 5, 0);
    clg_module *layers[] = {i ? clg_layer_norm_create(ctx, 4, &n) : clg_linear_create(ctx, 4, 4, true, &l),
                            clg_activation_create(ctx, (clg_act){"relu", {0}})};
    clg_module *layer = clg_module_ref(layers[0]), *both = clg_sequential_create(ctx, layers, 2);
    clg_tensor *const *p = clg_module_parameters(both, NULL);
    clg_tensor *y = i ? clg_layer_norm(x, p[0], p[1], NULL) : clg_linear(x, p[0], p[1], NULL);
    ck_assert_int_eq(clg_tensor_read(clg_activate(y, own), want[0]), CLG_OK);
    ck_assert_int_eq(clg_tensor_read(clg_relu(clg_activate(y, own)), want[1]), CLG_OK);
    memset(text, 'z', sizeof text - 1);
    ck_assert_int_eq(clg_tensor_read(clg_forward(layer, x), got), CLG_OK);
    ck_assert(!memcmp(want[0], got, sizeof got));
    ck_assert_int_eq(clg_tensor_read(clg_forward(both, x), got), CLG_OK);
    ck_assert(!memcmp(want[1], got, sizeof got));
    ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
    clg_module_unref(&layer);
    clg_module_unref(&both);
  }
  clg_tensor_unref(&x);
}
END_TEST

/* Behind products, convolutions and layer norms, and behind batch norms: also formulas of users. */
START_TEST(which_formulas_fuse) {
  static const char *const in[] = {"x", "o"}, *const number[] = {"k", "a", "b"};
  static const struct {
    const char *text;
    int n_in, n_number;
    bool fuses, remade;
  } cases[] = {{"exp(k*x)", 1, 1, true, true},        {"k*x + a", 1, 2, true, true},
               {"sigmoid(x)", 1, 0, true, true},      {"x*x", 1, 0, false, true},
               {"x*sigmoid(k*x)", 1, 1, false, true}, {"x*o", 2, 0, false, false},
               {"k*x + a + b", 1, 3, false, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const clg_formula *f = clg_formula_user(ctx, cases[i].text, in, cases[i].n_in, number, cases[i].n_number, "test");
    ck_assert_msg(f != NULL, "%s", clg_last_error(ctx));
    ck_assert_msg(clg_formula_fuses(f, false) == cases[i].fuses, "%s", cases[i].text);
    ck_assert_msg(clg_formula_fuses(f, true) == cases[i].remade, "%s, remade", cases[i].text);
  }
}
END_TEST

/* A product with a user's formula behind it has the bits of both apart. */
START_TEST(a_users_formula) {
  const int64_t shape[3][2] = {{5, 40}, {19, 40}, {5, 19}};
  clg_formula *f = clg_formula_user(ctx, "exp(k*x)", (const char *[]){"x"}, 1, (const char *[]){"k"}, 1, "test");
  clg_tensor *t[3];
  for (int i = 0; i < 3; i++) t[i] = random_leaf(2, shape[i]);
  clg_product p = {.tb = true, .m = 5, .n = 19, .k = 40, .a_ld = 40, .b_ld = 40, .c_ld = 19};
  p.a = t[0]->storage->block, p.b = t[1]->storage->block, p.c = t[2]->storage->block;
  p.numbers[0] = 0.3f;
  float fused[5 * 19], separate[5 * 19];
  ck_assert_ptr_nonnull(p.epilogue = clg_formula_epilogue(ctx, f));
  ck_assert_msg(clg_product_run(ctx, &p, "test") == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t[2], fused), CLG_OK);
  p.epilogue = NULL;
  ck_assert_int_eq(clg_product_run(ctx, &p, "test"), CLG_OK);
  clg_tensor *y = clg_formula_apply(f, &t[2], p.numbers, 0, false);
  ck_assert_msg(y && clg_tensor_read(y, separate) == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert_int_eq(memcmp(fused, separate, sizeof fused), 0);
  clg_tensor_unref(&y);
  for (int i = 0; i < 3; i++) clg_tensor_unref(&t[i]);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("fused");
  share_context(c);
  tcase_add_test(c, convolutions);
  tcase_add_test(c, batch_norms);
  tcase_add_test(c, group_norms);
  tcase_add_test(c, unknown_activations);
  tcase_add_test(c, layers_with_activations);
  tcase_add_test(c, which_formulas_fuse);
  tcase_add_test(c, a_users_formula);
  suite_add_tcase(suite, c);
  TCase *norm = tcase_create("layer_norm");
  share_context(norm);
  tcase_add_test(norm, layer_norms);
  tcase_add_test(norm, layer_norm_shares);
  tcase_add_test(norm, layer_norm_costs);
  tcase_add_test(norm, layer_norm_gradients);
  tcase_add_test(norm, layer_norm_module);
  suite_add_tcase(suite, norm);
}

CHECK_MAIN("fused", add_cases)
