/* int32 tensors, conventions and edges of ops, and what each of them refuses. */
#include "op_check.h"
#include <clgrad/opencl.h>

static clg_tensor *op_none;
static clg_tensor *ones(int ndim, const int64_t *dims) { return clg_full(ctx, ndim, dims, 1); }
#define DIMS(...) ((int64_t[]){__VA_ARGS__})

/* ---- int32 ---- */

START_TEST(integers_move_as_integers) {
  int32_t v[6] = {1, -1, 1 << 30, 0x00400000, 0x7f800001, INT32_MIN}, got[6]; /* as floats: denormals and NaN */
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *t = clg_tensor_create_i32(ctx, 2, DIMS(2, 3), v), *copy = clg_tensor_create_i32(ctx, 2, DIMS(3, 2), NULL);
  ck_assert_int_eq(clg_tensor_dtype(t), CLG_I32);
  ck_assert_int_eq(clg_tensor_dtype(clg_transpose(t, 0, 1)), CLG_I32);
  ck_assert_int_eq(clg_tensor_read_i32(clg_transpose(t, 0, 1), got), CLG_OK);
  for (int i = 0; i < 6; i++) ck_assert_int_eq(got[i], v[i % 2 * 3 + i / 2]);
  ck_assert_int_eq(clg_copy_(copy, clg_transpose(t, 0, 1)), CLG_OK);
  ck_assert_int_eq(clg_tensor_read_i32(clg_contiguous(clg_transpose(copy, 0, 1)), got), CLG_OK);
  ck_assert_int_eq(memcmp(got, v, sizeof v), 0);
  ck_assert_int_eq(clg_tensor_write_i32(copy, v), CLG_OK);
  ck_assert_int_eq(clg_tensor_read_i32(copy, got), CLG_OK);
  ck_assert_int_eq(memcmp(got, v, sizeof v), 0);
  ck_assert_float_eq(clg_tensor_item(clg_to_float(clg_narrow(clg_reshape(t, 1, DIMS(6)), 0, 2, 1))), 1073741824.0f);
  clg_scope_close(s);
  clg_tensor_unref(&t);
  clg_tensor_unref(&copy);
}
END_TEST

static void refused_status(clg_status got, clg_status want, const char *word) {
  ck_assert_int_eq(got, want);
  refused(NULL, want, word);
}

START_TEST(dtypes_do_not_mix) {
  float f[2];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *i = clg_tensor_create_i32(ctx, 1, DIMS(2), (int32_t[]){0, 1}), *x = ones(1, DIMS(2));
  refused(clg_add(x, i), CLG_ERR_ARGUMENT, "add: takes float32, not int32");
  refused(clg_sum(i, NULL, 0, false), CLG_ERR_ARGUMENT, "float32");
  refused(clg_amax(i, NULL, 0, false), CLG_ERR_ARGUMENT, "float32");
  refused(clg_softmax(i, 0), CLG_ERR_ARGUMENT, "float32");
  refused(clg_pad(i, 0, 1, 1, 0), CLG_ERR_ARGUMENT, "float32");
  refused(clg_gather(x, 0, x), CLG_ERR_ARGUMENT, "clg_tensor_create_i32");
  refused(clg_gather(i, 0, i), CLG_ERR_ARGUMENT, "float32");
  refused(clg_to_float(x), CLG_ERR_ARGUMENT, "int32");
  refused_status(clg_tensor_read(i, f), CLG_ERR_ARGUMENT, "float32");
  refused_status(clg_fill_(i, 1), CLG_ERR_ARGUMENT, "float32");
  refused_status(clg_rand_(i, 0, 1), CLG_ERR_ARGUMENT, "float32");
  refused_status(clg_copy_(i, x), CLG_ERR_ARGUMENT, "int32");
  refused_status(clg_copy_(x, i), CLG_ERR_ARGUMENT, "float32");
  refused_status(clg_tensor_set_requires_grad(i, true), CLG_ERR_ARGUMENT, "float32");
  clg_scope_close(s);
  clg_tensor_unref(&i);
}
END_TEST

/* ---- indices ---- */

START_TEST(indices_out_of_range) {
  int32_t v[3] = {0, 7, 1};
  float got[6], want[] = {1, 2, 0, 0, 3, 4};
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *w = clg_tensor_create(ctx, 2, DIMS(2, 2), (float[]){1, 2, 3, 4}),
             *i = clg_tensor_create_i32(ctx, 1, DIMS(3), v);
  clg_tensor_set_requires_grad(w, true);
  refused(clg_embedding(w, i, -1), CLG_ERR_ARGUMENT, "index 7 is out of range: want 0 to 1");
  refused(clg_index_select(w, 0, i), CLG_ERR_ARGUMENT, "index 7");
  ck_assert_ptr_nonnull(clg_embedding(w, clg_narrow(i, 0, 0, 1), -1)); /* the bad one is not in the view */
  ck_assert_int_eq(clg_copy_(i, clg_narrow(i, 0, 0, 3)), CLG_OK);      /* in place: its range is no longer known */
  clg_tensor *y = clg_embedding(w, i, -1);
  read_all(y, got);
  for (int k = 0; k < 6; k++) ck_assert_float_eq(got[k], want[k]);
  ck_assert_int_eq(clg_backward(clg_sum(y, NULL, 0, false), NULL), CLG_OK);
  read_all(clg_tensor_grad(w), got);
  for (int k = 0; k < 4; k++) ck_assert_float_eq(got[k], 1);
  clg_scope_close(s);
  clg_tensor_unref(&w);
  clg_tensor_unref(&i);
}
END_TEST

START_TEST(extremes_tell_where) {
  float v[8] = {1, 5, 5, 0, NAN, 3, 2, NAN}, g[8];
  int32_t at[2];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(2, 4), v), *index = NULL, *y;
  clg_tensor_set_requires_grad(x, true);
  y = clg_max(x, 1, false, &index);
  ck_assert_int_eq(clg_tensor_read_i32(index, at), CLG_OK);
  ck_assert_int_eq(at[0], 1);
  ck_assert_int_eq(at[1], 0);
  ck_assert_int_eq(clg_tensor_read_i32(clg_argmin(x, -1, true), at), CLG_OK);
  ck_assert_int_eq(at[0], 3);
  ck_assert_int_eq(clg_backward(y, &(clg_backward_options){.grad = ones(1, DIMS(2))}), CLG_OK);
  read_all(clg_tensor_grad(x), g);
  for (int i = 0; i < 8; i++) ck_assert_float_eq(g[i], i == 1 || i == 4 ? 1 : 0);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

/* ---- norms, dropout, empty ---- */

START_TEST(running_statistics_move) {
  float got[2];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(3, 2), (float[]){0, 1, 3, 1, 6, 4}), *m = ones(1, DIMS(2)),
             *v = ones(1, DIMS(2));
  clg_batch_norm_options o = clg_batch_norm_defaults();
  o.running_mean = m, o.running_var = v, o.momentum = 0.5f;
  uint32_t version = clg_tensor_version(m);
  ck_assert_ptr_nonnull(clg_batch_norm(x, NULL, NULL, &o));
  ck_assert_uint_gt(clg_tensor_version(m), version);
  read_all(m, got);
  ck_assert_float_eq_tol(got[0], 2, 1e-6f);
  ck_assert_float_eq_tol(got[1], 1.5f, 1e-6f);
  read_all(v, got);
  ck_assert_float_eq_tol(got[0], 5, 1e-5f); /* unbiased 9 */
  ck_assert_float_eq_tol(got[1], 2, 1e-6f); /* unbiased 3 */
  version = clg_tensor_version(m);
  o.training = false;
  ck_assert_ptr_nonnull(clg_batch_norm(x, NULL, NULL, &o));
  ck_assert_uint_eq(clg_tensor_version(m), version);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(dropout_drops_its_share) {
  enum { COUNT = 2000 };
  static float y[COUNT], g[COUNT];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 1, DIMS(COUNT), NULL);
  clg_set_grad_mode(ctx, false), clg_fill_(x, 3), clg_set_grad_mode(ctx, true);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *d = clg_dropout(x, 0.25f, true), *next = clg_dropout(x, 0.25f, true);
  read_all(d, y);
  ck_assert_int_eq(clg_backward(clg_sum(d, NULL, 0, false), NULL), CLG_OK);
  read_all(clg_tensor_grad(x), g);
  int dropped = 0;
  for (int i = 0; i < COUNT; i++) {
    dropped += y[i] == 0;
    ck_assert_float_eq(g[i], y[i] == 0 ? 0 : 1 / 0.75f);
  }
  ck_assert_int_gt(dropped, 400);
  ck_assert_int_lt(dropped, 600);
  read_all(next, g);
  ck_assert_int_ne(memcmp(y, g, sizeof y), 0);
  ck_assert_float_eq(clg_tensor_item(clg_sum(clg_dropout(x, 1, true), NULL, 0, false)), 0);
  ck_assert_ptr_eq(clg_dropout(x, 0.5f, false), x);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(empty_tensors_and_zero_norms) {
  float g[4];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(0, 4), NULL), *zero = clg_tensor_create(ctx, 1, DIMS(4), NULL);
  clg_tensor_set_requires_grad(x, true), clg_tensor_set_requires_grad(zero, true);
  clg_tensor *y =
      clg_cat((clg_tensor *[]){clg_softmax(x, 1), clg_slice(x, 1, 0, 4, 1), clg_dropout(x, 0.5f, true)}, 3, 0);
  ck_assert_int_eq(clg_backward(clg_sum(y, NULL, 0, false), NULL), CLG_OK);
  ck_assert_int_eq(clg_tensor_numel(clg_matmul(clg_reshape(x, 3, DIMS(0, 2, 2)), ones(2, DIMS(2, 3)))), 0);
  ck_assert_int_eq(clg_backward(clg_norm(zero, 2, NULL, 0, false), NULL), CLG_OK);
  read_all(clg_tensor_grad(zero), g);
  for (int i = 0; i < 4; i++) ck_assert_float_eq(g[i], 0);
  for (int k = 0; k < 4; k++) { /* of nothing */
    float p = (const float[]){1, 2, 3, 0.5f}[k];
    ck_assert_float_eq(clg_tensor_item(clg_norm(x, p, NULL, 0, false)), 0);
    read_all(clg_norm(x, p, (int[]){0}, 1, true), g);
    for (int i = 0; i < 4; i++) ck_assert_float_eq(g[i], 0);
    ck_assert_int_eq(clg_backward(clg_norm(x, p, NULL, 0, false), NULL), CLG_OK);
  }
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_tensor_unref(&zero);
}
END_TEST

static void all_nan(clg_tensor *t) {
  float v = 0;
  ck_assert_msg(t && clg_tensor_numel(t) == 1, "%s", clg_last_error(ctx));
  read_all(t, &v);
  ck_assert(isnan(v));
}

START_TEST(means_divide_behind_the_sum) {
  cl_device_fp_config config = 0;
  clGetDeviceInfo(clg_context_cl_device(ctx), CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config, NULL);
  float slack = config & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT ? 1e-9f : 4e-7f;
  for (int64_t n = 1; n < 300; n += test_interpreted(ctx) ? 92 : 1) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = ones(1, &n);
    ck_assert_float_eq_tol(clg_tensor_item(clg_mean(x, NULL, 0, false)), 1, slack);
    if (n % 20 == 1) ck_assert_float_eq_tol(clg_tensor_item(clg_mse_loss(x, clg_mul_scalar(x, 2), NULL)), 1, slack);
    clg_scope_close(s);
  }
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *none = clg_full(ctx, 2, DIMS(1, 0), 0), *large = ones(2, DIMS(2, 70001));
  ck_assert_float_eq_tol(clg_tensor_item(clg_mean(large, NULL, 0, false)), 1, slack); /* in two passes */
  all_nan(clg_mean(none, NULL, 0, false));
  all_nan(clg_mean(none, (int[]){1}, 1, true));
  all_nan(clg_var(none, NULL, 0, false, false));
  all_nan(clg_var(none, NULL, 0, true, false));
  all_nan(clg_std(none, NULL, 0, false, false));
  all_nan(clg_var(ones(1, DIMS(1)), NULL, 0, true, false));
  all_nan(clg_mse_loss(none, none, NULL));
  ck_assert_int_eq(clg_tensor_numel(clg_mean(none, (int[]){0}, 1, false)), 0);
  clg_scope_close(s);
}
END_TEST

START_TEST(crossed_bounds_give_the_upper) {
  float v[4] = {0, 1, 1.5f, 3}, g[4];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 1, DIMS(4), v);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = clg_clamp(x, 2, 1);
  read_all(y, v);
  ck_assert_int_eq(clg_backward(clg_sum(y, NULL, 0, false), NULL), CLG_OK);
  read_all(clg_tensor_grad(x), g);
  for (int i = 0; i < 4; i++) ck_assert(v[i] == 1 && g[i] == 0);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(bounds_of_nan_give_nan) {
  float v[3], g[3];
  clg_tensor *x = clg_tensor_create(ctx, 1, DIMS(3), (float[]){-2, 0, 2});
  for (int k = 0; k < 4; k++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor_set_requires_grad(x, true);
    clg_tensor_zero_grad(x);
    clg_tensor *y =
        (clg_tensor *[]){clg_clamp(x, NAN, 1), clg_clamp(x, -1, NAN), clg_clamp_min(x, NAN), clg_clamp_max(x, NAN)}[k];
    read_all(y, v);
    ck_assert_int_eq(clg_backward(clg_sum(y, NULL, 0, false), NULL), CLG_OK);
    read_all(clg_tensor_grad(x), g);
    for (int i = 0; i < 3; i++) ck_assert(isnan(v[i]) && g[i] == 1);
    clg_scope_close(s);
  }
  clg_tensor_unref(&x);
}
END_TEST

/* Windows that see nothing of x: -inf, and nothing passes, at either order. */
START_TEST(windows_over_padding_alone) {
  float v[3];
  const clg_pool_options o = {{1, 1}, {1, 1}, {3, 3}, false, true};
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 3, DIMS(3, 2, 2), NULL), *u = clg_tensor_create(ctx, 3, DIMS(3, 1, 1), NULL),
             *w = clg_tensor_create(ctx, 3, DIMS(3, 2, 2), (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), *d, *dd;
  clg_tensor_set_requires_grad(x, true), clg_tensor_set_requires_grad(u, true);
  clg_tensor *y = clg_max_pool2d(x, 2, 2, &o);
  read_all(y, v);
  for (int i = 0; i < 3; i++) ck_assert(isinf(v[i]) && v[i] < 0);
  clg_backward_options graph = {.grad = u, .create_graph = true};
  ck_assert_int_eq(clg_grad(y, &x, 1, &d, &graph), CLG_OK);
  ck_assert_float_eq(clg_tensor_item(clg_sum(clg_abs(d), NULL, 0, false)), 0);
  ck_assert_int_eq(clg_grad(clg_sum(clg_mul(d, w), NULL, 0, false), &u, 1, &dd, NULL), CLG_OK);
  read_all(dd, v);
  for (int i = 0; i < 3; i++) ck_assert_float_eq(v[i], 0);
  clg_scope_close(s);
  clg_tensor_unref(&x), clg_tensor_unref(&u), clg_tensor_unref(&w);
}
END_TEST

/* A row whose label is ignored, with a probability of 0: the loss and the gradient are those of the other row. */
START_TEST(ignored_labels_count_nothing) {
  for (int i = 0; i < 4; i++) {
    float g[6], alone[3];
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_tensor_create(ctx, 2, DIMS(2, 3), (float[]){-INFINITY, 0, 0, 0, 1, 2}),
               *weight = i & 1 ? clg_tensor_create(ctx, 1, DIMS(3), (float[]){1, 2, 3}) : NULL,
               *label = clg_tensor_create_i32(ctx, 1, DIMS(2), (int32_t[]){0, 1});
    clg_tensor_set_requires_grad(x, true);
    const clg_loss_options o = {CLG_REDUCTION_MEAN, weight, NULL, i & 2 ? 0.1f : 0, 0};
    clg_tensor *loss = clg_cross_entropy_loss(x, label, &o);
    ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
    read_all(clg_tensor_grad(x), g);
    clg_tensor_zero_grad(x);
    clg_tensor *want = clg_cross_entropy_loss(clg_narrow(x, 0, 1, 1), clg_narrow(label, 0, 1, 1), &o);
    ck_assert_float_eq_tol(clg_tensor_item(loss), clg_tensor_item(want), 1e-6f);
    ck_assert_int_eq(clg_backward(want, NULL), CLG_OK);
    read_all(clg_narrow(clg_tensor_grad(x), 0, 1, 1), alone);
    for (int k = 0; k < 3; k++) {
      ck_assert_float_eq(g[k], 0);
      ck_assert_float_eq_tol(g[3 + k], alone[k], 1e-6f);
    }
    clg_scope_close(s);
    clg_tensor_unref(&x), clg_tensor_unref(&weight), clg_tensor_unref(&label);
  }
}
END_TEST

/* ---- refusals ---- */

START_TEST(bad_arguments_are_refused) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = ones(2, DIMS(3, 5)), *v = ones(1, DIMS(4)), *im = ones(4, DIMS(1, 2, 4, 4)),
             *many = ones(3, DIMS(2, 5, 3));
  clg_tensor *i = clg_tensor_create_i32(ctx, 1, DIMS(3), (int32_t[]){0, 1, 2});
  clg_loss_options lo = clg_loss_defaults();
  clg_pool_options po = clg_pool_defaults();
  clg_batch_norm_options bo = clg_batch_norm_defaults();
  refused(clg_softmax(x, 2), CLG_ERR_SHAPE, "softmax: dimension 2");
  refused(clg_max(x, -3, false, NULL), CLG_ERR_SHAPE, "max: dimension -3");
  refused(clg_argmax(clg_narrow(x, 0, 0, 0), 0, false), CLG_ERR_SHAPE, "no elements");
  refused(clg_var(x, (int[]){0, 0}, 2, true, false), CLG_ERR_SHAPE, "twice");
  refused(clg_norm(x, 0, NULL, 0, false), CLG_ERR_ARGUMENT, "positive");
  refused(clg_dropout(x, 1.5f, true), CLG_ERR_ARGUMENT, "[0,1]");
  refused(clg_slice(x, 0, 0, 3, 0), CLG_ERR_ARGUMENT, "step of 0");
  refused(clg_cat((clg_tensor *[]){x, v}, 2, 0), CLG_ERR_SHAPE, "[3,5] and [4]");
  refused(clg_stack((clg_tensor *[]){x, v}, 2, 0), CLG_ERR_SHAPE, "[3,5] and [4]");
  refused(clg_stack((clg_tensor *[]){x, x}, 2, 3), CLG_ERR_SHAPE, "dimension 3");
  refused(clg_matmul(x, v), CLG_ERR_SHAPE, "matmul: [3,5] times [4]");
  refused(clg_matmul(many, many), CLG_ERR_SHAPE, "matmul: [2,5,3] times [2,5,3]");
  refused(clg_gather(x, 0, i), CLG_ERR_SHAPE, "index [3]");
  refused(clg_index_select(x, 1, clg_reshape(i, 2, DIMS(1, 3))), CLG_ERR_SHAPE, "index [1,3]");
  refused(clg_embedding(v, i, -1), CLG_ERR_SHAPE, "weight [4]");
  refused(clg_embedding(x, i, 3), CLG_ERR_ARGUMENT, "padding_idx 3");
  refused(clg_group_norm(im, NULL, NULL, 3, NULL), CLG_ERR_SHAPE, "3 groups");
  refused(clg_instance_norm(x, NULL, NULL, NULL), CLG_ERR_SHAPE, "x [3,5]");
  refused(clg_batch_norm(im, v, NULL, NULL), CLG_ERR_SHAPE, "gamma [4]");
  refused(clg_batch_norm(v, NULL, NULL, NULL), CLG_ERR_SHAPE, "x [4]");
  refused(clg_batch_norm(ones(2, DIMS(1, 3)), NULL, NULL, NULL), CLG_ERR_SHAPE, "more than one value");
  bo.training = false;
  refused(clg_batch_norm(im, NULL, NULL, &bo), CLG_ERR_ARGUMENT, "running statistics");
  bo.running_mean = v;
  refused(clg_batch_norm(im, NULL, NULL, &bo), CLG_ERR_SHAPE, "running_mean [4]");
  refused(clg_max_pool2d(im, 5, 5, NULL), CLG_ERR_SHAPE, "smaller than the window 5");
  po.padding[0] = 3;
  refused(clg_avg_pool2d(im, 5, 5, &po), CLG_ERR_ARGUMENT, "padding 3");
  refused(clg_avg_pool2d(v, 5, 5, &po), CLG_ERR_SHAPE, "x [4]");
  po = (clg_pool_options){{0, 0}, {0, 0}, {2, 2}, false, true};
  refused(clg_avg_pool2d(im, 2, 2, &po), CLG_ERR_ARGUMENT, "dilation");
  refused(clg_max_pool2d(im, 2, 0, NULL), CLG_ERR_ARGUMENT, "kernel 0");
  refused(clg_max_pool2d(im, 1 + (INT64_C(1) << 32), 2, NULL), CLG_ERR_ARGUMENT, "kernel 4294967297");
  po.stride[1] = -1;
  refused(clg_max_pool2d(im, 2, 2, &po), CLG_ERR_ARGUMENT, "stride -1");
  refused(clg_permute(im, (int[]){0, 1, 2}, 3), CLG_ERR_SHAPE, "3 dimensions are given, x has 4");
  refused(clg_cat((clg_tensor *[]){x}, 65536, 0), CLG_ERR_ARGUMENT, "65536 tensors");
  refused(clg_stack((clg_tensor *[]){x}, SIZE_MAX, 0), CLG_ERR_ARGUMENT, "at most 65535");
  refused(clg_upsample(im, 0, 2), CLG_ERR_ARGUMENT, "scales 0 and 2");
  refused(clg_upsample(v, 2, 2), CLG_ERR_SHAPE, "x [4]");
  refused(clg_cross_entropy_loss(x, clg_narrow(i, 0, 0, 2), NULL), CLG_ERR_SHAPE, "target [2]");
  refused(clg_cross_entropy_loss(clg_narrow(x, 1, 0, 2), i, NULL), CLG_ERR_ARGUMENT, "index 2");
  lo.label_smoothing = 2;
  refused(clg_cross_entropy_loss(x, i, &lo), CLG_ERR_ARGUMENT, "label_smoothing");
  refused(clg_l1_loss(x, x, &lo), CLG_ERR_ARGUMENT, "an option is set");
  lo = (clg_loss_options){(clg_reduction)9, NULL, NULL, 0, -100};
  refused(clg_bce_loss(x, x, &lo), CLG_ERR_ARGUMENT, "reduction number 9");
  refused(clg_mse_loss(x, v, NULL), CLG_ERR_SHAPE, "[3,5] and [4]");
  lo = (clg_loss_options){CLG_REDUCTION_MEAN, v, NULL, 0, -100};
  refused(clg_cross_entropy_loss(x, i, &lo), CLG_ERR_SHAPE, "weight [4]");
  ck_assert_ptr_null(clg_softmax(op_none, 0));
  ck_assert_int_eq(clg_scope_close(s), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  clg_tensor_unref(&i);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("edges");
  share_context(c);
  tcase_set_timeout(c, 0);
  tcase_add_test(c, integers_move_as_integers);
  tcase_add_test(c, dtypes_do_not_mix);
  tcase_add_test(c, indices_out_of_range);
  tcase_add_test(c, extremes_tell_where);
  tcase_add_test(c, running_statistics_move);
  tcase_add_test(c, dropout_drops_its_share);
  tcase_add_test(c, empty_tensors_and_zero_norms);
  tcase_add_test(c, means_divide_behind_the_sum);
  tcase_add_test(c, crossed_bounds_give_the_upper);
  tcase_add_test(c, bounds_of_nan_give_nan);
  tcase_add_test(c, windows_over_padding_alone);
  tcase_add_test(c, ignored_labels_count_nothing);
  tcase_add_test(c, bad_arguments_are_refused);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("ops_edges", add_cases)
