/* Modules and optimizers: initialisation, names, flat allocations, freezing, and memory held by layers. */
#include "harness.h"
#include "shared_context.h"
#include <math.h>
#include <string.h>

static clg_module *mlp(int64_t in, int64_t hidden, int64_t out) {
  return clg_sequential_create(ctx,
                               (clg_module *[]){clg_linear_create(ctx, in, hidden, true, NULL),
                                                clg_activation_create(ctx, (clg_act){"tanh", {0}}),
                                                clg_linear_create(ctx, hidden, out, true, NULL)},
                               3);
}

START_TEST(parameters_have_pytorchs_names_and_bounds) {
  clg_module *m = clg_sequential_create(
      ctx, (clg_module *[]){clg_flatten_create(ctx), mlp(100, 30, 2), clg_layer_norm_create(ctx, 2, NULL)}, 3);
  static const char *const want[] = {"1.0.weight", "1.0.bias", "1.2.weight", "1.2.bias", "2.weight", "2.bias"};
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  ck_assert_uint_eq(n, 6);
  for (size_t i = 0; i < n; i++) ck_assert_str_eq(clg_module_parameter_name(m, i), want[i]);
  ck_assert_ptr_null(clg_module_parameter_name(m, 6));
  ck_assert_uint_eq(clg_module_numel(m), 100 * 30 + 30 + 60 + 2 + 2 + 2);
  float w[3000], most = 0, sum = 0;
  ck_assert_int_eq(clg_tensor_read(p[0], w), CLG_OK);
  for (int i = 0; i < 3000; i++) most = fmaxf(most, fabsf(w[i])), sum += w[i];
  ck_assert_float_le(most, 0.1f);
  ck_assert_float_ge(most, 0.099f);
  ck_assert_float_le(fabsf(sum / 3000), 0.005f);
  ck_assert_int_eq(clg_tensor_read(p[4], w), CLG_OK);
  ck_assert(w[0] == 1 && w[1] == 1);
  /* one allocation for all parameters, one for all gradients */
  uint64_t padded = 3008 + 32 + 64 + 16 + 16 + 16;
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_PARAMETER], 4 * padded);
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_GRADIENT], 4 * padded);
  clg_module_unref(&m);
}
END_TEST

START_TEST(same_seed_same_weights) {
  float a[64], b[64];
  for (int i = 0; i < 2; i++) {
    clg_set_seed(ctx, 42, 0);
    clg_module *m = mlp(3, 4, 2);
    ck_assert_int_eq(clg_module_read(m, i ? b : a), CLG_OK);
    clg_module_unref(&m);
  }
  ck_assert_int_eq(memcmp(a, b, 26 * sizeof *a), 0);
}
END_TEST

START_TEST(a_layer_used_alone_moves_into_its_module) {
  clg_module *l = clg_linear_create(ctx, 3, 2, true, NULL);
  float before[8], after[8];
  ck_assert_int_eq(clg_module_read(l, before), CLG_OK);
  clg_module *m =
      clg_sequential_create(ctx, (clg_module *[]){clg_module_ref(l), clg_linear_create(ctx, 2, 1, false, NULL)}, 2);
  float all[10];
  ck_assert_int_eq(clg_module_read(m, all), CLG_OK);
  ck_assert_int_eq(memcmp(before, all, sizeof before), 0);
  ck_assert_str_eq(clg_module_parameter_name(l, 1), "bias");
  clg_module_unref(&m);
  ck_assert_int_eq(clg_module_read(l, after), CLG_OK);
  ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
  clg_module_unref(&l);
}
END_TEST

START_TEST(bad_modules_are_refused) {
  ck_assert_ptr_null(clg_linear_create(ctx, 0, 3, true, NULL));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "linear"));
  clg_clear_error(ctx);
  ck_assert_ptr_null(clg_sequential_create(
      ctx, (clg_module *[]){clg_linear_create(ctx, 2, 3, true, NULL), clg_linear_create(ctx, 3, -1, true, NULL)}, 2));
  clg_clear_error(ctx);
  clg_module *m = mlp(3, 4, 2);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_ptr_null(clg_forward(m, clg_full(ctx, 2, (int64_t[]){5, 4}, 1)));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "linear: x [5,4], weight [4,3]"));
  ck_assert_int_eq(clg_scope_close(s), CLG_ERR_SHAPE);
  clg_clear_error(ctx);
  clg_module_unref(&m);
  clg_optim_options o = clg_optim_defaults(CLG_SGD);
  o.nesterov = true;
  ck_assert_ptr_null(clg_optim_create(ctx, NULL, 0, &o));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "nesterov"));
  clg_clear_error(ctx);
}
END_TEST

START_TEST(a_layer_is_in_one_module_once) {
  clg_module *l = clg_linear_create(ctx, 3, 2, true, NULL), *m = NULL;
  ck_assert_ptr_null(clg_sequential_create(ctx, (clg_module *[]){l, l}, 2));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "layer 1 is missing");
  l = clg_linear_create(ctx, 3, 2, true, NULL);
  ck_assert_ptr_null(clg_sequential_create(ctx, (clg_module *[]){NULL, l, l}, 3));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "layer 0 is missing");
  ck_assert_ptr_null(clg_sequential_create(ctx, NULL, 1));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "no list");
  l = clg_linear_create(ctx, 3, 2, true, NULL);
  m = clg_sequential_create(ctx, &l, 1);
  ck_assert_ptr_null(clg_sequential_create(ctx, (clg_module *[]){clg_flatten_create(ctx), l}, 2));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "layer 1 is missing");
  ck_assert_uint_eq(clg_module_numel(m), 8);
  clg_module_unref(&m);
}
END_TEST

START_TEST(modules_without_parameters_have_no_optimizer) {
  clg_module *m = clg_flatten_create(ctx);
  clg_optim_options o = clg_optim_defaults(CLG_SGD);
  ck_assert_ptr_null(clg_optim_create_for(m, &o));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "optim: the module has no parameters");
  ck_assert_ptr_null(clg_ema_create(m, 0.9));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "ema: the module has no parameters");
  clg_module_unref(&m);
}
END_TEST

static void values(float *v, int n, int a) {
  for (int i = 0; i < n; i++) v[i] = (float)((i * 7 + a) % 11 - 5) / 8;
}

/* Made with PyTorch 1.13 in float64: 0.bias and 2.weight are frozen, 2.weight thaws before the third step. */
START_TEST(frozen_parameters_are_skipped_as_pytorch_does) {
  static const float want[] = {-0.840839661f, 0.479354409f,  -0.483186548f, 0.827085245f, -0.10576775f,  -0.132663642f,
                               0.368129446f,  -0.204475021f, -0.264181477f, 0.125177453f, 0.114975782f,  -0.845358883f,
                               -0.25f,        0.625f,        0.125f,        -0.375f,      0.117523486f,  -0.494745772f,
                               0.38010047f,   0.148327335f,  -0.641173489f, 0.227951999f, -0.261913116f, -0.474853838f,
                               0.255661617f,  -0.236857769f};
  float w[26], x[15], t[10];
  values(w, 12, 0), values(w + 12, 4, 3), values(w + 16, 8, 6), values(w + 24, 2, 9);
  values(x, 15, 1), values(t, 10, 4);
  clg_module *m = mlp(3, 4, 2);
  ck_assert_int_eq(clg_module_write(m, w), CLG_OK);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  clg_tensor_set_requires_grad(p[1], false), clg_tensor_set_requires_grad(p[2], false);
  clg_optim_options o = clg_optim_defaults(CLG_ADAMW);
  o.lr = 0.05, o.weight_decay = 0.1;
  clg_optim *opt = clg_optim_create_for(m, &o);
  clg_tensor *in = clg_tensor_create(ctx, 2, (int64_t[]){5, 3}, x),
             *to = clg_tensor_create(ctx, 2, (int64_t[]){5, 2}, t);
  for (int i = 0; i < 5; i++) {
    if (i == 2) clg_tensor_set_requires_grad(p[2], true);
    clg_scope *s = clg_scope_open(ctx);
    clg_optim_zero_grad(opt);
    ck_assert_int_eq(clg_backward(clg_mse_loss(clg_forward(m, in), to, NULL), NULL), CLG_OK);
    ck_assert_int_eq(clg_optim_step(opt), CLG_OK);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  ck_assert_int_eq(clg_module_read(m, w), CLG_OK);
  for (int i = 0; i < 26; i++) ck_assert_float_eq_tol(w[i], want[i], 2e-6f);
  clg_tensor_unref(&in);
  clg_tensor_unref(&to);
  clg_optim_unref(&opt);
  clg_module_unref(&m);
}
END_TEST

START_TEST(a_step_is_one_launch) {
  clg_module *m = mlp(30, 40, 2);
  clg_optim_options o = clg_optim_defaults(CLG_ADAM);
  clg_optim *opt = clg_optim_create_for(m, &o);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_int_eq(clg_backward(clg_sum(clg_forward(m, clg_full(ctx, 2, (int64_t[]){5, 30}, 1)), NULL, 0, false), NULL),
                   CLG_OK);
  uint64_t before = clg_context_counters(ctx).launches;
  ck_assert_int_eq(clg_optim_step(opt), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(ctx).launches, before + 1);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_optim_unref(&opt);
  clg_module_unref(&m);
}
END_TEST

/* What the module does layer by layer, by hand with a scope a layer: the peak is the same. */
START_TEST(layers_hold_no_more_than_hand_written_code) {
  uint64_t peak[2];
  clg_module *m = mlp(64, 128, 64);
  clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){256, 64}, NULL);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  for (int grad = 0; grad < 2; grad++) {
    clg_set_grad_mode(ctx, grad);
    for (int by_hand = 0; by_hand < 2; by_hand++) {
      clg_memory_reset_peak(ctx);
      clg_scope *s = clg_scope_open(ctx);
      if (by_hand) {
        clg_scope *layer = clg_scope_open(ctx);
        clg_tensor *h = clg_scope_close_with(layer, clg_linear(x, p[0], p[1], &(clg_linear_options){{"tanh", {0}}}));
        ck_assert_ptr_nonnull(clg_linear(h, p[2], p[3], NULL));
      } else {
        ck_assert_ptr_nonnull(clg_forward(m, x));
      }
      ck_assert_int_eq(clg_scope_close(s), CLG_OK);
      peak[by_hand] = clg_memory(ctx).peak_live;
    }
    ck_assert_uint_eq(peak[0], peak[1]);
  }
  clg_tensor_unref(&x);
  clg_module_unref(&m);
}
END_TEST

/* The module's result is the op's. Frees the module. */
static void same(clg_module *m, clg_tensor *x, clg_tensor *want) {
  float a[64], b[64];
  clg_tensor *y = clg_forward(m, x);
  ck_assert_msg(y && want, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_numel(y), clg_tensor_numel(want));
  ck_assert_int_eq(clg_tensor_read(y, a), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(want, b), CLG_OK);
  for (int64_t i = 0; i < clg_tensor_numel(y); i++) ck_assert_float_eq(a[i], b[i]);
  clg_module_unref(&m);
}

START_TEST(layers_without_parameters_are_their_ops) {
  float v[32];
  values(v, 32, 1);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 4, (int64_t[]){1, 2, 4, 4}, v);
  clg_pool_options o = clg_pool_defaults();
  o.padding[0] = 1, o.stride[0] = 2;
  same(clg_max_pool2d_create(ctx, 3, 2, &o), x, clg_max_pool2d(x, 3, 2, &o));
  same(clg_max_pool2d_create(ctx, 2, 2, NULL), x, clg_max_pool2d(x, 2, 2, NULL));
  same(clg_avg_pool2d_create(ctx, 3, 2, &o), x, clg_avg_pool2d(x, 3, 2, &o));
  same(clg_upsample_create(ctx, 1, 2), x, clg_upsample(x, 1, 2));
  clg_set_seed(ctx, 7, 0);
  clg_tensor *dropped = clg_dropout(x, 0.5f, true);
  clg_set_seed(ctx, 7, 0);
  same(clg_dropout_create(ctx, 0.5f), x, dropped);
  same(clg_dropout_create(ctx, 1), x, clg_mul_scalar(x, 0));
  clg_module *m = clg_dropout_create(ctx, 0.5f);
  clg_module_set_training(m, false);
  same(m, x, x);
  ck_assert_ptr_null(clg_max_pool2d_create(ctx, 0, 2, NULL));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "max_pool2d");
  ck_assert_ptr_null(clg_dropout_create(ctx, 1.5f));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "[0, 1]");
  clg_tensor_unref(&x);
  clg_scope_close(s);
}
END_TEST

START_TEST(embedding_takes_rows) {
  float w[12], got[6];
  values(w, 12, 1);
  clg_module *m = clg_embedding_create(ctx, 4, 3);
  clg_tensor *index = clg_tensor_create_i32(ctx, 1, (int64_t[]){2}, (int32_t[]){3, 1});
  ck_assert_str_eq(clg_module_parameter_name(m, 0), "weight");
  ck_assert_int_eq(clg_module_write(m, w), CLG_OK);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_int_eq(clg_tensor_read(clg_forward(m, index), got), CLG_OK);
  ck_assert(!memcmp(got, w + 9, 3 * sizeof *w) && !memcmp(got + 3, w + 3, 3 * sizeof *w));
  clg_scope_close(s);
  ck_assert_ptr_null(clg_embedding_create(ctx, 0, 3));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "embedding: 0 rows of 3");
  clg_tensor_unref(&index);
  clg_module_unref(&m);
}
END_TEST

static clg_module *spectral_net(void) {
  return clg_sequential_create(ctx,
                               (clg_module *[]){clg_spectral_norm(clg_conv2d_create(ctx, 2, 3, 2, 2, true, NULL)),
                                                clg_activation_create(ctx, (clg_act){"leaky_relu", {0.2f}}),
                                                clg_flatten_create(ctx),
                                                clg_spectral_norm(clg_linear_create(ctx, 12, 2, true, NULL))},
                               4);
}

/* Made with PyTorch 1.13 in float64: three steps of SGD, a forward in train mode, one in eval mode. */
static void check_spectral_net(clg_module *m) {
  static const float want[] = {
      -0.61133779f,     0.213363088f,  -0.214835883f, 0.660776978f,  0.115448863f,  -0.401697456f, 0.455428936f,
      -0.000947344687f, -0.490162132f, 0.380611356f,  -0.123848721f, -0.648166689f, 0.242014973f,  -0.223068517f,
      0.635238321f,     0.0984216157f, -0.34306054f,  0.467941157f,  0.0366182528f, -0.54341021f,  0.344647568f,
      -0.112985622f,    -0.657728938f, 0.288566711f,  -0.321249882f, 0.648990884f,  0.0673083932f, 0.07043924f,
      -0.3633767f,      0.445813808f,  0.0316845136f, -0.586203648f, 0.373519363f,  -0.204412619f, -0.636205326f,
      0.249822754f,     -0.262479685f, 0.618466638f,  0.131794876f,  -0.317018119f, 0.482329597f,  0.0591270262f,
      -0.538452696f,    0.45411348f,   -0.135289793f, -0.547912396f, 0.243965176f,  -0.256176097f, 0.637972201f,
      0.126520489f,     -0.382827434f, 0.428146195f,  0.0504865317f};
  static const float want_state[] = {-0.713947741f, 0.0796781697f, 0.695650783f, 0.15100604f,   0.146510331f,
                                     0.138841197f,  -0.742624203f, 0.129891206f, 0.166361387f,  -0.561393865f,
                                     0.158913202f,  -0.696285095f, 0.717765328f, -0.172260995f, 0.373421196f,
                                     -0.167307031f, -0.254363004f, 0.457642018f, -0.222762261f, -0.155994825f,
                                     0.385470325f,  -0.223025555f, 0.399121974f, -0.212219447f, -0.228328138f};
  static const float want_y[] = {-0.015588635f, -0.0551233358f, -0.0655516455f, 0.0799869899f};
  float w[53], x[36], u[12], y[4];
  values(w, 24, 0), values(w + 24, 3, 3), values(w + 27, 24, 6), values(w + 51, 2, 9), values(x, 36, 2),
      values(u, 3, 1);
  ck_assert_int_eq(clg_module_write(m, w), CLG_OK);
  ck_assert_int_eq(clg_tensor_write(clg_module_buffer(m, 0, NULL, 0), u), CLG_OK);
  ck_assert_int_eq(clg_tensor_write(clg_module_buffer(m, 2, NULL, 0), u), CLG_OK);
  clg_optim_options o = clg_optim_defaults(CLG_SGD);
  o.lr = 0.5;
  clg_optim *opt = clg_optim_create_for(m, &o);
  clg_tensor *in = clg_tensor_create(ctx, 4, (int64_t[]){2, 2, 3, 3}, x);
  for (int i = 0; i < 5; i++) {
    if (i == 4) clg_module_set_training(m, false);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *out = clg_forward(m, in);
    clg_optim_zero_grad(opt);
    if (i < 3) ck_assert_int_eq(clg_backward(clg_mean(clg_square(out), NULL, 0, false), NULL), CLG_OK);
    if (i < 3) ck_assert_int_eq(clg_optim_step(opt), CLG_OK);
    if (i == 4) ck_assert_int_eq(clg_tensor_read(out, y), CLG_OK);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  ck_assert_int_eq(clg_module_read(m, w), CLG_OK);
  for (int i = 0; i < 53; i++) ck_assert_float_eq_tol(w[i], want[i], 2e-6f);
  for (int i = 0; i < 4; i++) ck_assert_float_eq_tol(y[i], want_y[i], 2e-6f);
  const float *next = want_state;
  for (size_t i = 0; i < 4; i++) {
    clg_tensor *t = clg_module_buffer(m, i, NULL, 0);
    ck_assert_int_eq(clg_tensor_read(t, u), CLG_OK);
    for (int64_t k = 0; k < clg_tensor_numel(t); k++) ck_assert_float_eq_tol(u[k], *next++, 2e-6f);
  }
  clg_tensor_unref(&in);
  clg_optim_unref(&opt);
}

START_TEST(spectral_norm_is_pytorchs) {
  for (int checkpointed = 0; checkpointed < 2; checkpointed++) {
    clg_module *m = spectral_net();
    if (checkpointed) ck_assert_int_eq(clg_module_checkpoint(m, 1), CLG_OK);
    check_spectral_net(m);
    clg_module_unref(&m);
  }
}
END_TEST

/* What a layer makes on the way is nobody's where no scope is open. */
START_TEST(a_layer_alone_leaves_nothing_but_its_result) {
  clg_tensor *x = clg_tensor_create(ctx, 2, (const int64_t[]){2, 3}, NULL);
  clg_module *m = clg_spectral_norm(clg_linear_create(ctx, 3, 4, true, NULL));
  bool mode = clg_set_grad_mode(ctx, false);
  clg_tensor *y = clg_forward(m, x);
  clg_tensor_unref(&y);
  uint64_t live = clg_memory(ctx).live;
  y = clg_forward(m, x);
  ck_assert_uint_eq(clg_memory(ctx).live, live + 8 * sizeof(float));
  clg_set_grad_mode(ctx, mode);
  clg_tensor_unref(&y), clg_tensor_unref(&x);
  clg_module_unref(&m);
}
END_TEST

START_TEST(spectral_norm_has_pytorchs_names_and_starts_with_unit_vectors) {
  static const char *const parameters[] = {"0.weight_orig", "0.bias", "3.weight_orig", "3.bias"};
  static const char *const buffers[] = {"0.weight_u", "0.weight_v", "3.weight_u", "3.weight_v"};
  static const int sizes[] = {3, 8, 2, 12};
  clg_module *m = spectral_net();
  for (size_t i = 0; i < 4; i++) {
    char name[32];
    float v[12], square = 0;
    ck_assert_str_eq(clg_module_parameter_name(m, i), parameters[i]);
    clg_tensor *t = clg_module_buffer(m, i, name, sizeof name);
    ck_assert_str_eq(name, buffers[i]);
    ck_assert_int_eq(clg_tensor_numel(t), sizes[i]);
    ck_assert_int_eq(clg_tensor_read(t, v), CLG_OK);
    for (int k = 0; k < sizes[i]; k++) square += v[k] * v[k];
    ck_assert_float_eq_tol(square, 1, 1e-6f);
  }
  clg_module_unref(&m);
}
END_TEST

START_TEST(spectral_norm_is_refused_where_it_makes_no_sense) {
  ck_assert_ptr_null(clg_spectral_norm(NULL));
  ck_assert_ptr_null(clg_spectral_norm(clg_flatten_create(ctx)));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "flatten: only a Linear or a Conv2d"));
  clg_clear_error(ctx);
  ck_assert_ptr_null(clg_spectral_norm(clg_spectral_norm(clg_linear_create(ctx, 3, 2, true, NULL))));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "already"));
  clg_clear_error(ctx);
  clg_module *used = clg_linear_create(ctx, 3, 2, true, NULL);
  ck_assert_ptr_nonnull(clg_module_parameters(used, NULL));
  ck_assert_ptr_null(clg_spectral_norm(used));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "before the layer is used"));
  clg_clear_error(ctx);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("nn");
  share_context(c);
  tcase_add_test(c, parameters_have_pytorchs_names_and_bounds);
  tcase_add_test(c, same_seed_same_weights);
  tcase_add_test(c, a_layer_used_alone_moves_into_its_module);
  tcase_add_test(c, bad_modules_are_refused);
  tcase_add_test(c, a_layer_is_in_one_module_once);
  tcase_add_test(c, modules_without_parameters_have_no_optimizer);
  tcase_add_test(c, layers_without_parameters_are_their_ops);
  tcase_add_test(c, embedding_takes_rows);
  tcase_add_test(c, frozen_parameters_are_skipped_as_pytorch_does);
  tcase_add_test(c, a_step_is_one_launch);
  tcase_add_test(c, layers_hold_no_more_than_hand_written_code);
  tcase_add_test(c, spectral_norm_is_pytorchs);
  tcase_add_test(c, a_layer_alone_leaves_nothing_but_its_result);
  tcase_add_test(c, spectral_norm_has_pytorchs_names_and_starts_with_unit_vectors);
  tcase_add_test(c, spectral_norm_is_refused_where_it_makes_no_sense);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("nn", add_cases)
