/* Every op that takes tensors, as a row: called with operands of test_views.c, whose names are those of the arguments.
 * A row's text is searched for the ops it calls, so that test_views.c knows which are missing. */
#ifndef CLG_TESTS_VIEWS_OPS_H
#define CLG_TESTS_VIEWS_OPS_H

#include "harness.h"
#include <clgrad/clgrad.h>

#define S(...) ((int64_t[]){__VA_ARGS__})
#define D(...) ((int[]){__VA_ARGS__})
enum { X, O, GAMMA, BETA, W, MASK, IMAGE, FILTER, INDEX, LABEL, OPERANDS, FLOATS = INDEX };
static const struct {
  int ndim;
  int64_t shape[4];
} form[OPERANDS] = {
    [X] = {2, {6, 4}},     [O] = {2, {6, 4}},    [GAMMA] = {1, {4}},          [BETA] = {1, {4}},
    [W] = {2, {4, 4}},     [MASK] = {2, {6, 4}}, [IMAGE] = {4, {2, 4, 2, 3}}, [FILTER] = {4, {4, 4, 1, 2}},
    [INDEX] = {2, {6, 4}}, [LABEL] = {1, {6}},
};

typedef struct row {
  const char *name;
  clg_tensor *(*fn)(clg_tensor *const t[OPERANDS]);
  const char *text;
  float low, high; /* of the operands' elements */
} row;
#define OP_IN(low, high, name, ...)                                                                                    \
  static clg_tensor *op_##name(clg_tensor *const t[OPERANDS]) {                                                        \
    clg_tensor *x = t[X], *o = t[O], *gamma = t[GAMMA], *beta = t[BETA], *w = t[W], *mask = t[MASK],                   \
               *image = t[IMAGE], *filter = t[FILTER], *index = t[INDEX], *label = t[LABEL];                           \
    clg_context *ctx = clg_tensor_context(x);                                                                          \
    (void)o, (void)gamma, (void)beta, (void)w, (void)mask, (void)image, (void)filter, (void)index, (void)label;        \
    (void)ctx;                                                                                                         \
    return __VA_ARGS__;                                                                                                \
  }                                                                                                                    \
  static const row row_##name = {#name, op_##name, #__VA_ARGS__, low, high};
#define OP(name, ...)       OP_IN(-1, 1, name, __VA_ARGS__)
#define POSITIVE(name, ...) OP_IN(0.25f, 1.75f, name, __VA_ARGS__)

/* ---- what kernels of their own compute, and products ---- */

#define POOL     (&(clg_pool_options){{1, 2}, {0, 0}, {0, 0}, {1, 1}, false, false})
#define BATCH(a) (&(clg_batch_norm_options){.train = true, .eps = 1e-2f, .act = (a)})
#define EVAL     (&(clg_batch_norm_options){.running_mean = beta, .running_var = gamma, .eps = 1e-2f})
OP(softmax, clg_softmax(x, 1))
OP(softmax_columns, clg_softmax(x, 0))
OP(log_softmax, clg_log_softmax(x, 1))
OP(layer_norm, clg_layer_norm(x, gamma, beta, 1e-2f))
OP(layer_norm_relu, clg_layer_norm_act(x, gamma, beta, 1e-2f, CLG_ACT_RELU, 0))
OP(batch_norm, clg_batch_norm(x, gamma, beta, BATCH(CLG_ACT_NONE)))
OP(batch_norm_relu, clg_batch_norm(x, gamma, beta, BATCH(CLG_ACT_RELU)))
OP(batch_norm_image, clg_batch_norm(image, gamma, beta, BATCH(CLG_ACT_NONE)))
POSITIVE(batch_norm_eval, clg_batch_norm(x, gamma, beta, EVAL))
OP(group_norm, clg_group_norm(image, 2, gamma, beta, 1e-2f))
OP(instance_norm, clg_instance_norm(image, gamma, beta, 1e-2f))
OP(max_pool, clg_max_pool2d(image, POOL))
OP(avg_pool, clg_avg_pool2d(image, POOL))
OP(upsample, clg_upsample_nearest(image, 2, 1))
OP(max, clg_max(x, 1, false, NULL))
OP(min, clg_min(x, 0, true, NULL))
OP(argmax, clg_to_float(clg_argmax(x, 1, false)))
OP(argmin, clg_to_float(clg_argmin(x, 0, false)))
OP(amax, clg_amax(x, D(1), 1, false))
OP(amin, clg_amin(x, D(0), 1, false))
OP(gather, clg_gather(x, 1, index))
OP(index_select, clg_index_select(x, 1, label))
OP(embedding, clg_embedding(x, index, -1))
OP(conv, clg_conv2d(image, filter, beta, NULL))
OP(conv_transpose, clg_conv_transpose2d(image, filter, beta, NULL))
OP(linear, clg_linear(x, w, beta))
OP(linear_tanh, clg_linear_act(x, w, beta, CLG_ACT_TANH, 0))
OP(matmul, clg_matmul(x, w))
OP(matmul_batches, clg_matmul(image, clg_transpose(image, 2, 3)))
OP(matmul_vector, clg_matmul(gamma, w))
OP(row_product, clg_mul(clg_mul(x, gamma), clg_exp(beta)))
OP(sum, clg_sum(x, D(0), 1, false))
OP(var, clg_var(x, D(1), 1, true, false))
OP(norm, clg_norm(x, 3, D(1), 1, false))
OP(cross_entropy, clg_cross_entropy(x, label, NULL))
OP(cat, clg_cat((clg_tensor *[]){x, o}, 2, 1))
OP(stack, clg_stack((clg_tensor *[]){x, o, mask}, 3, 1))
OP(pad, clg_pad(x, 1, 1, 2, 0.5f))
OP(to_float, clg_to_float(index))
OP(where, clg_where(mask, x, o))
OP(dropout, clg_dropout(x, 0.5f, true))
#define FORMULA ((clg_map_input[]){{"a", x, 0}, {"b", gamma, 0}, {"c", o, 0}, {"k", NULL, 0.5f}})
OP(map, clg_map(ctx, "a*b + sin(c)*k", FORMULA, 4))

/* ---- views ---- */

static clg_tensor *parts[6];
static bool no_part;
/* Part i of the n that are in `parts`; NULL, and no_part, of fewer. */
static clg_tensor *part(int n, int i) {
  no_part = n <= i;
  return no_part ? NULL : parts[i];
}
OP(reshape, clg_reshape(x, 3, S(2, 3, 4)))
OP(reshape_across, clg_reshape(x, 2, S(4, 6)))
OP(transpose, clg_transpose(x, 0, 1))
OP(permute, clg_permute(image, D(3, 0, 2, 1)))
OP(narrow, clg_narrow(x, 0, 1, 3))
OP(slice, clg_slice(x, 0, 1, 6, 2))
OP(split, part(clg_split(x, 0, 4, parts, 6), 1))
OP(chunk, part(clg_chunk(x, 1, 2, parts, 6), 0))
OP(unbind, part(clg_unbind(x, 1, parts, 6), 3))
OP(expand, clg_expand(gamma, 3, S(2, 3, 4)))
OP(contiguous, clg_contiguous(x))

/* ---- formulas: one path through the library ---- */

OP(add, clg_add(x, gamma))
OP(sub, clg_sub(x, o))
OP(mul, clg_mul(x, o))
POSITIVE(div, clg_div(x, o))
OP(maximum, clg_maximum(x, o))
OP(minimum, clg_minimum(x, gamma))
OP(add_scalar, clg_add_scalar(x, 3))
OP(mul_scalar, clg_mul_scalar(x, -2))
POSITIVE(pow_scalar, clg_pow_scalar(x, 2.5f))
OP(neg, clg_neg(x))
OP(abs, clg_abs(x))
OP(exp, clg_exp(x))
POSITIVE(log, clg_log(x))
POSITIVE(sqrt, clg_sqrt(x))
POSITIVE(rsqrt, clg_rsqrt(x))
OP(square, clg_square(x))
OP(sin, clg_sin(x))
OP(cos, clg_cos(x))
OP(tanh, clg_tanh(x))
OP(sigmoid, clg_sigmoid(x))
OP(relu, clg_relu(x))
OP(leaky_relu, clg_leaky_relu(x, 0.25f))
OP(gelu, clg_gelu(x))
OP(silu, clg_silu(x))
OP(mish, clg_mish(x))
OP(softplus, clg_softplus(x, 2, 20))
OP(clamp, clg_clamp(x, -0.5f, 0.5f))
OP(clamp_min, clg_clamp_min(x, -0.5f))
OP(clamp_max, clg_clamp_max(x, 0.5f))
POSITIVE(log1p, clg_log1p(x))
OP(expm1, clg_expm1(x))
OP(erf, clg_erf(x))
POSITIVE(reciprocal, clg_reciprocal(x))
OP(sign, clg_sign(x))
OP(floor, clg_floor(x))
OP(gelu_tanh, clg_gelu_tanh(x))
OP(elu, clg_elu(x, 0.5f))
POSITIVE(pow, clg_pow(x, o))
OP(scalar_pow, clg_scalar_pow(2, x))
OP(activate, clg_activate(x, CLG_ACT_SOFTPLUS, 3))
OP(mean, clg_mean(x, D(1), 1, true))
OP(var_columns, clg_var(x, D(0), 1, false, false))
OP(norm_columns, clg_norm(x, 2, D(0), 1, false))
OP(norm_magnitudes, clg_norm(x, 1, D(0), 1, false))
OP(norm_greatest, clg_norm(x, INFINITY, D(1), 1, false))

/* In place: a view that steps becomes a formula of views. */
static clg_tensor *target_of(clg_context *ctx) {
  clg_set_grad_mode(ctx, false);
  return parts[0] = clg_slice(clg_full(ctx, 2, S(6, 8), 2), 1, 1, 8, 2);
}
static clg_tensor *changed(clg_status s) {
  clg_set_grad_mode(clg_tensor_context(parts[0]), true);
  return s == CLG_OK ? parts[0] : NULL;
}
#define ADDED ((clg_map_input[]){{"b", gamma, 0}, {"c", o, 0}})
OP(map_in_place, changed(clg_map_(target_of(ctx), "x*c + b", ADDED, 2)))

/* ---- losses, with weights ---- */

#define LOSS(...) (&(clg_loss_options){.ignore_index = -100, __VA_ARGS__})
OP_IN(0.1f, 0.9f, bce_with_logits, clg_bce_with_logits(x, o))
OP_IN(0.1f, 0.9f, bce_with_logits_weights,
      clg_bce_with_logits_loss(x, o, LOSS(.weight = mask, .pos_weight = gamma, .reduction = CLG_REDUCTION_NONE)))
OP(mse, clg_mse_loss(x, o))
OP(squared_weights, clg_squared_loss(x, o, LOSS(.weight = gamma, .reduction = CLG_REDUCTION_SUM)))
OP_IN(0.1f, 0.9f, bce_weights, clg_bce_loss(x, o, LOSS(.weight = gamma)))
OP(l1_weights, clg_l1_loss(x, o, LOSS(.weight = mask)))
POSITIVE(cross_entropy_weights, clg_cross_entropy(x, label, LOSS(.weight = gamma, .label_smoothing = 0.1f)))
POSITIVE(cross_entropy_of_probabilities,
         clg_cross_entropy(x, o, LOSS(.weight = gamma, .reduction = CLG_REDUCTION_NONE)))

/* ---- layers: the parameters are theirs, and packed ---- */

static clg_module *layer; /* of the row that runs */
static clg_tensor *through(clg_module *m, clg_tensor *x) {
  float v[128];
  for (int i = 0; i < 128; i++) v[i] = 0.5f + 0.25f * sinf((float)(i * i));
  ck_assert_ptr_nonnull(m);
  ck_assert_uint_le(clg_module_numel(m), 128);
  if (clg_module_numel(m)) ck_assert_int_eq(clg_module_write(m, v), CLG_OK);
  return clg_forward(layer = m, x);
}
#define LAYER(make, x) through(make, x)
OP(linear_layer, LAYER(clg_linear_create(ctx, 4, 3, true), x))
OP(layer_norm_layer, LAYER(clg_layer_norm_create(ctx, 4, 1e-2f), x))
OP(activation_layer, LAYER(clg_activation_create(ctx, CLG_ACT_SILU, 0), x))
OP(conv2d_layer, LAYER(clg_conv2d_create(ctx, 4, 3, 1, 2, NULL, true), image))
OP(conv_transpose2d_layer, LAYER(clg_conv_transpose2d_create(ctx, 4, 3, 1, 2, NULL, true), image))
OP(batch_norm2d_layer, LAYER(clg_batch_norm2d_create(ctx, 4, 1e-2f, 0.1f), image))
OP(max_pool2d_layer, LAYER(clg_max_pool2d_create(ctx, POOL), image))
OP(avg_pool2d_layer, LAYER(clg_avg_pool2d_create(ctx, POOL), image))
OP(upsample_layer, LAYER(clg_upsample_create(ctx, 1, 2), image))
OP(embedding_layer, LAYER(clg_embedding_create(ctx, 4, 3), index))
OP(dropout_layer, LAYER(clg_dropout_create(ctx, 0.5f), x))
OP(flatten_layer, LAYER(clg_flatten_create(ctx), image))
OP(spectral_layer, LAYER(clg_spectral_norm(clg_linear_create(ctx, 4, 3, false)), x))
#define LAYERS                                                                                                         \
  ((clg_module *[]){clg_linear_create(ctx, 4, 4, true), clg_activation_create(ctx, CLG_ACT_TANH, 0),                   \
                    clg_layer_norm_create(ctx, 4, 1e-2f)})
OP(sequential, LAYER(clg_sequential_create(ctx, LAYERS, 3), x))

/* Each time, since each has a kernel, or a path, of its own; and in the suite 'long' alone, since formulas are programs
 * of their own, and all pass by the same path. */
static const row *const always[] = {
    &row_softmax,
    &row_softmax_columns,
    &row_log_softmax,
    &row_layer_norm,
    &row_layer_norm_relu,
    &row_batch_norm,
    &row_batch_norm_relu,
    &row_batch_norm_image,
    &row_batch_norm_eval,
    &row_group_norm,
    &row_instance_norm,
    &row_max_pool,
    &row_avg_pool,
    &row_upsample,
    &row_max,
    &row_min,
    &row_argmax,
    &row_argmin,
    &row_amax,
    &row_amin,
    &row_gather,
    &row_index_select,
    &row_embedding,
    &row_conv,
    &row_conv_transpose,
    &row_linear,
    &row_linear_tanh,
    &row_matmul,
    &row_matmul_batches,
    &row_matmul_vector,
    &row_row_product,
    &row_sum,
    &row_var,
    &row_norm,
    &row_cross_entropy,
    &row_cat,
    &row_stack,
    &row_pad,
    &row_to_float,
    &row_where,
    &row_dropout,
    &row_map,
    &row_reshape,
    &row_reshape_across,
    &row_transpose,
    &row_permute,
    &row_narrow,
    &row_slice,
    &row_split,
    &row_chunk,
    &row_unbind,
    &row_expand,
    &row_contiguous,
};
static const row *const more[] = {
    &row_add,
    &row_sub,
    &row_mul,
    &row_div,
    &row_maximum,
    &row_minimum,
    &row_add_scalar,
    &row_mul_scalar,
    &row_pow_scalar,
    &row_neg,
    &row_abs,
    &row_exp,
    &row_log,
    &row_sqrt,
    &row_rsqrt,
    &row_square,
    &row_sin,
    &row_cos,
    &row_tanh,
    &row_sigmoid,
    &row_relu,
    &row_leaky_relu,
    &row_gelu,
    &row_silu,
    &row_mish,
    &row_softplus,
    &row_clamp,
    &row_clamp_min,
    &row_clamp_max,
    &row_log1p,
    &row_expm1,
    &row_erf,
    &row_reciprocal,
    &row_sign,
    &row_floor,
    &row_gelu_tanh,
    &row_elu,
    &row_pow,
    &row_scalar_pow,
    &row_activate,
    &row_mean,
    &row_var_columns,
    &row_norm_columns,
    &row_norm_magnitudes,
    &row_norm_greatest,
    &row_map_in_place,
    &row_bce_with_logits,
    &row_bce_with_logits_weights,
    &row_mse,
    &row_squared_weights,
    &row_bce_weights,
    &row_l1_weights,
    &row_cross_entropy_weights,
    &row_cross_entropy_of_probabilities,
    &row_linear_layer,
    &row_layer_norm_layer,
    &row_activation_layer,
    &row_conv2d_layer,
    &row_conv_transpose2d_layer,
    &row_batch_norm2d_layer,
    &row_max_pool2d_layer,
    &row_avg_pool2d_layer,
    &row_upsample_layer,
    &row_embedding_layer,
    &row_dropout_layer,
    &row_flatten_layer,
    &row_spectral_layer,
    &row_sequential,
};
enum { ALWAYS = sizeof always / sizeof *always, MORE = sizeof more / sizeof *more };

#endif
