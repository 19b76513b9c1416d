/* Parameter groups, gradient clipping, schedules and moving averages, against PyTorch 1.13's figures (computed in
 * float64). */
#include "harness.h"
#include "shared_context.h"
#include <math.h>
#include <string.h>

static const float adamw_groups[] = {
    -0.414701709f, 0.0503804534f,  -0.0818866661f, 0.414989026f, -0.00318552247f, -0.171312349f, -0.394671125f,
    0.468025774f,  0.0649760816f,  -0.434902748f,  0.439881408f, -0.0599950396f,  -0.559866192f, 0.314915418f,
    -0.184965881f, -0.684823714f,  0.189946567f,   -0.30993549f, 0.564842873f,    0.0649760816f, -0.434902748f,
    0.439881408f,  -0.0599950396f, -0.559866192f,  0.314915418f, -0.184965881f,   -0.684823714f, 0.189946567f};
static const float sgd_groups[] = {
    -0.430325063f, 0.197630402f,   -0.233244546f, 0.300390003f,  0.0984582371f,  -0.236586866f, -0.306164315f,
    0.34226792f,   0.0326684132f,  -0.4458152f,   0.405650948f,  -0.0889480981f, -0.562276224f, 0.27998907f,
    -0.209210055f, -0.677615101f,  0.155650812f,  -0.328148984f, 0.532581547f,   0.0326684132f, -0.4458152f,
    0.405650948f,  -0.0889480981f, -0.562276224f, 0.27998907f,   -0.209210055f,  -0.677615101f, 0.155650812f};
static const float rmsprop_groups[] = {
    -0.359210165f, 0.0393680596f, -0.0924445133f, 0.363174645f,  0.0253710067f,  -0.135319944f, -0.520755388f,
    0.425339175f,  -0.545626782f, -1.01456227f,   -0.191013319f, -0.663752871f,  -1.12901185f,  -0.3090537f,
    -0.781482026f, -1.24105573f,  -0.427326484f,  -0.898540952f, -0.0734383125f, -0.545626782f, -1.01456227f,
    -0.191013319f, -0.663752871f, -1.12901185f,   -0.3090537f,   -0.781482026f,  -1.24105573f,  -0.427326484f};
static const float clip_norm[] = {
    8.64428324f,   0.610049063f,   0.09760785f,   0.09760785f,   0.610049063f,  0.0244019625f, 0.219617663f,
    -0.173525067f, 0.433812667f,   0.0867625333f, -0.2602876f,   0.347050133f,  0.0f,          -0.347050133f,
    0.2602876f,    -0.0867625333f, -0.433812667f, 0.173525067f,  -0.173525067f, 0.433812667f,  0.0867625333f,
    -0.2602876f,   0.347050133f,   0.0f,          -0.347050133f, 0.2602876f,    -0.0867625333f};
static const float clip_norm_large[] = {8.64428324f, 3.515625f, 0.5625f, 0.5625f, 3.515625f, 0.140625f, 1.265625f,
                                        -1.0f,       2.5f,      0.5f,    -1.5f,   2.0f,      0.0f,      -2.0f,
                                        1.5f,        -0.5f,     -2.5f,   1.0f,    -1.0f,     2.5f,      0.5f,
                                        -1.5f,       2.0f,      0.0f,    -2.0f,   1.5f,      -0.5f};
static const float clip_value[] = {0.7f,  0.5625f, 0.5625f, 0.7f,  0.140625f, 0.7f,  -0.7f, 0.7f, 0.5f,
                                   -0.7f, 0.7f,    0.0f,    -0.7f, 0.7f,      -0.5f, -0.7f, 0.7f, -0.7f,
                                   0.7f,  0.5f,    -0.7f,   0.7f,  0.0f,      -0.7f, 0.7f,  -0.5f};
static const double step_rates[] = {0.3, 0.3, 0.3, 0.03, 0.03, 0.03, 0.003, 0.003, 0.003, 0.0003};
static const double cosine_rates[] = {0.3,   0.288962532214137, 0.257530483272049,  0.210489097692938,
                                      0.155, 0.099510902307062, 0.0524695167279506, 0.0210374677858634,
                                      0.01,  0.0210374677858634};
static const double warmup_rates[] = {0.075, 0.12, 0.165, 0.21, 0.255, 0.3, 0.3, 0.3, 0.3, 0.3};
static const float averages[] = {
    -0.638428874f,    0.25731561f,   -0.256107278f, 0.63111495f,   0.121810554f,  -0.37449926f,   0.497515019f,
    -1.90281617e-05f, -0.493700791f, 0.362314952f,  -0.117280931f, -0.635850161f, -0.223154225f,  0.617619628f,
    0.112363525f,     -0.337861539f, 0.129925164f,  -0.407347636f, 0.484756567f,  0.00391714832f, -0.509656451f,
    0.343741701f,     -0.128273539f, -0.600506972f, 0.447374024f,  -0.0713427069f};

static void values(float *v, int n, int a) {
  for (int i = 0; i < n; i++) v[i] = (float)((i * 7 + a) % 11 - 5) / 8;
}

static clg_tensor *tensor(int ndim, const int64_t *shape, int a) {
  float v[64];
  int n = 1;
  for (int d = 0; d < ndim; d++) n *= (int)shape[d];
  values(v, n, a);
  return clg_tensor_create(ctx, ndim, shape, v);
}

static clg_tensor *leaf(int ndim, const int64_t *shape, int a) {
  clg_tensor *t = tensor(ndim, shape, a);
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}

static clg_tensor *total(clg_tensor *x) { return clg_sum(x, NULL, 0, false); }

/* Compares t's elements with the next ones of a list. */
static void next_are(const clg_tensor *t, const float **want, float tolerance) {
  float got[64];
  ck_assert_ptr_nonnull(t);
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  for (int64_t i = 0; i < clg_tensor_numel(t); i++) ck_assert_float_eq_tol(got[i], *(*want)++, tolerance);
}

/* ---- groups ---- */

typedef struct group_case {
  clg_optim_options first, second;
  const float *want;
} group_case;

static group_case group_case_of(int i) {
  static const clg_optim_kind kind[] = {CLG_ADAMW, CLG_SGD, CLG_RMSPROP};
  static const float *const want[] = {adamw_groups, sgd_groups, rmsprop_groups};
  group_case c = {clg_optim_defaults(kind[i]), clg_optim_defaults(kind[i]), want[i]};
  if (kind[i] == CLG_ADAMW) {
    c.first.lr = 0.05, c.first.weight_decay = 0.1;
    c.second.lr = 0.02, c.second.weight_decay = 0, c.second.amsgrad = true, c.second.beta1 = 0.5, c.second.beta2 = 0.9;
  } else if (kind[i] == CLG_SGD) {
    c.first.lr = 0.05, c.first.momentum = 0.9;
    c.second.lr = 0.1, c.second.weight_decay = 0.1;
  } else {
    c.first.lr = 0.01;
    c.second.lr = 0.02, c.second.centered = true, c.second.momentum = 0.5;
  }
  return c;
}

START_TEST(groups_have_their_own_options) {
  group_case k = group_case_of(_i);
  clg_tensor *p[] = {leaf(2, (int64_t[]){2, 3}, 0), leaf(1, (int64_t[]){2}, 3), leaf(2, (int64_t[]){5, 4}, 6)};
  clg_tensor *x = tensor(2, (int64_t[]){3, 2}, 1);
  clg_optim *o = clg_optim_create(ctx, p, 2, &k.first);
  ck_assert_int_eq(clg_optim_add_group(o, &p[2], 1, &k.second), CLG_OK);
  ck_assert_uint_eq(clg_optim_group_count(o), 2);
  for (int step = 0; step < 4; step++) {
    if (step == 2) ck_assert_int_eq(clg_optim_group_set_lr(o, 1, clg_optim_group_lr(o, 1) / 2), CLG_OK);
    clg_scope *s = clg_scope_open(ctx);
    clg_optim_zero_grad(o);
    clg_tensor *loss = total(clg_square(clg_tanh(clg_matmul(x, p[0]))));
    if (step != 1) loss = clg_add(loss, total(clg_mul(p[1], clg_square(p[1]))));
    loss = clg_add(loss, clg_mul_scalar(total(clg_sin(p[2])), 0.3f));
    ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
    ck_assert_int_eq(clg_optim_step(o), CLG_OK);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  for (int i = 0; i < 3; i++) next_are(p[i], &k.want, 2e-6f);
  clg_optim_set_lr(o, 0.5);
  ck_assert_double_eq(clg_optim_group_lr(o, 1), 0.5);
  clg_optim_unref(&o);
  for (int i = 0; i < 3; i++) clg_tensor_unref(&p[i]);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(bad_groups_change_nothing) {
  clg_tensor *p[] = {leaf(1, (int64_t[]){3}, 2), leaf(1, (int64_t[]){4}, 2)};
  clg_tensor *integers = clg_tensor_create_i32(ctx, 1, (int64_t[]){3}, NULL);
  clg_optim_options a = clg_optim_defaults(CLG_ADAM), b = clg_optim_defaults(CLG_SGD);
  clg_optim *o = clg_optim_create(ctx, p, 1, &a);
  ck_assert_int_eq(clg_optim_add_group(o, &p[1], 1, &b), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "one kind");
  ck_assert_int_eq(clg_optim_add_group(o, (clg_tensor *[]){p[1], p[0]}, 2, &a), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "parameter 1 is in the optimizer already");
  ck_assert_int_eq(clg_optim_add_group(o, (clg_tensor *[]){p[1], integers}, 2, &a), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "parameter 1 is not a contiguous float32 leaf");
  a.lr = -1;
  ck_assert_int_eq(clg_optim_add_group(o, &p[1], 1, &a), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "lr");
  ck_assert_uint_eq(clg_optim_group_count(o), 1);
  ck_assert_int_eq(clg_optim_group_set_lr(o, 1, 1), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "no group 1");
  ck_assert(isnan(clg_optim_group_lr(o, 1)));
  clg_optim_unref(&o);
  clg_tensor_unref(&integers);
  clg_tensor_unref(&p[0]);
  clg_tensor_unref(&p[1]);
}
END_TEST

/* The gradient of a sum is one number seen everywhere: a view that no kernel may take for a line. */
START_TEST(a_gradient_with_a_graph_steps_too) {
  clg_tensor *p = leaf(1, (int64_t[]){5}, 0);
  clg_optim_options o = clg_optim_defaults(CLG_SGD);
  o.lr = 0.5;
  clg_optim *opt = clg_optim_create(ctx, &p, 1, &o);
  clg_scope *s = clg_scope_open(ctx);
  const clg_backward_options create = {.create_graph = true};
  ck_assert_int_eq(clg_backward(total(p), &create), CLG_OK);
  float norm = clg_tensor_item(clg_clip_grad_norm(ctx, &p, 1, 100));
  ck_assert_float_eq_tol(norm, sqrtf(5), 1e-6f);
  ck_assert_int_eq(clg_optim_step(opt), CLG_OK);
  float want[5], *w = want;
  values(want, 5, 0);
  for (int i = 0; i < 5; i++) want[i] -= 0.5f;
  next_are(p, (const float **)&w, 1e-6f);
  clg_optim_zero_grad(opt);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_optim_unref(&opt);
  clg_tensor_unref(&p);
}
END_TEST

/* ---- clipping ---- */

static void with_gradients(clg_tensor *p[3]) {
  p[0] = leaf(1, (int64_t[]){6}, 0), p[1] = leaf(1, (int64_t[]){20}, 3), p[2] = leaf(1, (int64_t[]){3}, 1);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *cubes = total(clg_mul(p[0], clg_square(p[0]))), *squares = total(clg_square(p[1]));
  ck_assert_int_eq(clg_backward(clg_add(clg_mul_scalar(cubes, 3), clg_mul_scalar(squares, 2)), NULL), CLG_OK);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}

START_TEST(clips_by_norm_and_value) {
  const float *const lists[] = {clip_norm, clip_norm_large, clip_value}, *want = lists[_i];
  clg_tensor *p[3];
  with_gradients(p);
  clg_scope *s = clg_scope_open(ctx);
  if (_i < 2) {
    uint64_t waits = clg_context_counters(ctx).waits;
    clg_tensor *norm = clg_clip_grad_norm(ctx, p, 3, _i ? 1000 : 1.5);
    ck_assert_uint_eq(clg_context_counters(ctx).waits, waits);
    ck_assert(!clg_tensor_requires_grad(norm));
    next_are(norm, &want, 1e-5f);
  } else {
    ck_assert_int_eq(clg_clip_grad_value(ctx, p, 3, 0.7), CLG_OK);
  }
  next_are(clg_tensor_grad(p[0]), &want, 1e-6f);
  next_are(clg_tensor_grad(p[1]), &want, 1e-6f);
  ck_assert_ptr_null(clg_tensor_grad(p[2]));
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  for (int i = 0; i < 3; i++) clg_tensor_unref(&p[i]);
}
END_TEST

START_TEST(clipping_at_the_edges) {
  clg_tensor *p = leaf(1, (int64_t[]){3}, 0), *a = tensor(1, (int64_t[]){3}, 0);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_float_eq(clg_tensor_item(clg_clip_grad_norm(ctx, &p, 1, 1)), 0); /* no gradient at all */
  ck_assert_ptr_null(clg_clip_grad_norm(ctx, &p, 1, -1));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "max_norm");
  ck_assert_int_eq(clg_clip_grad_value(ctx, &p, 1, -1), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "value");
  ck_assert_int_eq(clg_tensor_write(a, (float[]){1, NAN, 2}), CLG_OK);
  ck_assert_int_eq(clg_backward(total(clg_mul(p, a)), NULL), CLG_OK);
  float g[3];
  ck_assert_int_eq(clg_clip_grad_value(ctx, &p, 1, 1.5), CLG_OK);
  clg_tensor_read(clg_tensor_grad(p), g);
  ck_assert(g[0] == 1 && isnan(g[1]) && g[2] == 1.5f);
  ck_assert(isnan(clg_tensor_item(clg_clip_grad_norm(ctx, &p, 1, 1))));
  clg_tensor_read(clg_tensor_grad(p), g);
  ck_assert(isnan(g[0]) && isnan(g[2]));
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&p);
  clg_tensor_unref(&a);
}
END_TEST

/* ---- schedules ---- */

START_TEST(schedules_are_pytorchs) {
  for (uint64_t t = 0; t < 10; t++) {
    ck_assert_double_eq_tol(clg_lr_step(0.3, t, 3, 0.1), step_rates[t], 1e-14);
    ck_assert_double_eq_tol(clg_lr_cosine(0.3, t, 8, 0.01), cosine_rates[t], 1e-14);
    ck_assert_double_eq_tol(clg_lr_warmup(0.3, t, 5, 0.25), warmup_rates[t], 1e-14);
  }
  ck_assert_double_eq(clg_lr_step(0.3, 7, 0, 0.1), 0.3);
  ck_assert_double_eq(clg_lr_cosine(0.3, 7, 0, 0.1), 0.3);
  ck_assert_double_eq(clg_lr_warmup(0.3, 0, 0, 0.1), 0.3);
}
END_TEST

/* ---- moving averages, and what flat modules cost ---- */

static clg_module *net(void) {
  float w[26];
  values(w, 12, 0), values(w + 12, 4, 3), values(w + 16, 8, 6), values(w + 24, 2, 9);
  clg_module *m = clg_sequential_create(ctx,
                                        (clg_module *[]){clg_linear_create(ctx, 3, 4, true, NULL),
                                                         clg_activation_create(ctx, (clg_act){"tanh", {0}}),
                                                         clg_linear_create(ctx, 4, 2, true, NULL)},
                                        3);
  ck_assert_int_eq(clg_module_write(m, w), CLG_OK);
  return m;
}

START_TEST(averages_follow_the_weights) {
  clg_module *m = net(), *other = net();
  clg_ema *e = clg_ema_create(m, 0.9);
  clg_optim_options options = clg_optim_defaults(CLG_SGD);
  options.lr = 0.5;
  clg_optim *o = clg_optim_create_for(m, &options);
  clg_tensor *x = tensor(2, (int64_t[]){5, 3}, 1), *t = tensor(2, (int64_t[]){5, 2}, 4);
  for (int i = 0; i < 3; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_optim_zero_grad(o);
    ck_assert_int_eq(clg_backward(clg_mse_loss(clg_forward(m, x), t, NULL), NULL), CLG_OK);
    size_t n;
    clg_tensor *const *p = clg_module_parameters(m, &n);
    uint64_t before = clg_context_counters(ctx).launches;
    ck_assert_ptr_nonnull(clg_clip_grad_norm(ctx, p, n, 1e9));
    ck_assert_uint_eq(clg_context_counters(ctx).launches, before + 3); /* sum of squares, root, scale */
    ck_assert_int_eq(clg_optim_step(o), CLG_OK);
    before = clg_context_counters(ctx).launches;
    ck_assert_int_eq(clg_ema_update(e, m), CLG_OK);
    ck_assert_uint_eq(clg_context_counters(ctx).launches, before + 1);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  float trained[26], got[26], again[26];
  ck_assert_int_eq(clg_module_read(m, trained), CLG_OK);
  ck_assert_int_eq(clg_ema_copy_to(e, other), CLG_OK);
  ck_assert_int_eq(clg_module_read(other, got), CLG_OK);
  for (int i = 0; i < 26; i++) ck_assert_float_eq_tol(got[i], averages[i], 1e-6f);
  ck_assert_int_eq(clg_ema_copy_from(e, m), CLG_OK);
  ck_assert_int_eq(clg_ema_copy_to(e, other), CLG_OK);
  ck_assert_int_eq(clg_module_read(other, again), CLG_OK);
  ck_assert_int_eq(memcmp(trained, again, sizeof again), 0);
  clg_module *small = clg_linear_create(ctx, 3, 4, true, NULL);
  ck_assert_int_eq(clg_ema_update(e, small), CLG_ERR_SHAPE);
  test_expect_error(ctx, CLG_ERR_SHAPE, "averages");
  ck_assert_ptr_null(clg_ema_create(m, 1.5));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "decay");
  clg_module_unref(&small);
  clg_ema_unref(&e);
  clg_optim_unref(&o);
  clg_tensor_unref(&x);
  clg_tensor_unref(&t);
  clg_module_unref(&m);
  clg_module_unref(&other);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("optim");
  tcase_set_timeout(c, 60);
  share_context(c);
  tcase_add_loop_test(c, groups_have_their_own_options, 0, 3);
  tcase_add_test(c, bad_groups_change_nothing);
  tcase_add_test(c, a_gradient_with_a_graph_steps_too);
  tcase_add_loop_test(c, clips_by_norm_and_value, 0, 3);
  tcase_add_test(c, clipping_at_the_edges);
  tcase_add_test(c, schedules_are_pytorchs);
  tcase_add_test(c, averages_follow_the_weights);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("optim", add_cases)
