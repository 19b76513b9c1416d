/* How each op of the manifest is called here: one adapter an op, found by name. */
#include "golden.h"
#include <math.h>
#include <string.h>

/* ---- helpers ---- */

static clg_tensor *in(const op_case *c, const char *name) {
  for (size_t i = 0; i < c->n; i++)
    if (strcmp(c->names[i], name) == 0) return c->inputs[i];
  return NULL;
}

static float number(const op_case *c, const char *key, float otherwise) {
  return (float)json_number(c->attrs, key, otherwise);
}

static clg_tensor *skip(op_case *c, const char *why) {
  c->skip = why;
  return NULL;
}

/* A list of integers; a lone number or null counts as one or none. Returns how many. */
static int integers(const op_case *c, const char *key, int64_t out[CLG_MAX_DIMS]) {
  const json_t *list = json_object_get(c->attrs, key);
  if (json_is_integer(list)) {
    out[0] = json_integer_value(list);
    return 1;
  }
  size_t n = json_array_size(list);
  for (size_t i = 0; i < n && i < CLG_MAX_DIMS; i++) out[i] = json_integer_value(json_array_get(list, i));
  return n < CLG_MAX_DIMS ? (int)n : CLG_MAX_DIMS;
}

static int dims(const op_case *c, const char *key, int out[CLG_MAX_DIMS]) {
  int64_t wide[CLG_MAX_DIMS];
  int n = integers(c, key, wide);
  for (int i = 0; i < n; i++) out[i] = (int)wide[i];
  return n;
}

static clg_loss_options loss_options(const op_case *c) {
  clg_loss_options o = CLG_LOSS_OPTIONS_INIT;
  const char *how = json_text(c->attrs, "reduction", "mean");
  if (strcmp(how, "none") == 0) o.reduction = CLG_REDUCTION_NONE;
  if (strcmp(how, "sum") == 0) o.reduction = CLG_REDUCTION_SUM;
  o.weight = in(c, "weight");
  o.pos_weight = in(c, "pos_weight");
  o.label_smoothing = number(c, "label_smoothing", 0);
  o.ignore_index = (int)number(c, "ignore_index", -100);
  return o;
}

/* ---- elementwise ---- */

#define UNARY(op)                                                                                                      \
  static clg_tensor *run_##op(op_case *c) { return clg_##op(c->inputs[0]); }
#define BINARY(op)                                                                                                     \
  static clg_tensor *run_##op(op_case *c) { return clg_##op(c->inputs[0], c->inputs[1]); }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div) BINARY(maximum) BINARY(minimum) UNARY(neg) UNARY(abs) UNARY(exp) UNARY(log) UNARY(sqrt) UNARY(rsqrt)
    UNARY(square) UNARY(sin) UNARY(cos) UNARY(tanh) UNARY(sigmoid) UNARY(relu) UNARY(silu) UNARY(log1p) UNARY(expm1)
        UNARY(erf) UNARY(reciprocal) UNARY(sign) UNARY(floor)

            static clg_tensor *run_mul_self(op_case *c) {
  return clg_mul(c->inputs[0], c->inputs[0]);
}

static clg_tensor *run_fanout(op_case *c) {
  clg_tensor *a = c->inputs[0];
  return clg_add(clg_add(clg_mul(a, a), clg_exp(a)), a);
}

static clg_tensor *run_detach_mul(op_case *c) {
  return clg_mul(c->inputs[0], clg_detach(clg_mul_scalar(c->inputs[0], 2)));
}

static clg_tensor *run_detach_partial(op_case *c) {
  return clg_mul(clg_detach(clg_mul(c->inputs[0], c->inputs[1])), c->inputs[1]);
}

static clg_tensor *run_leaky_relu(op_case *c) {
  return clg_leaky_relu(c->inputs[0], number(c, "negative_slope", 0.01f));
}

static clg_tensor *run_gelu(op_case *c) {
  if (strcmp(json_text(c->attrs, "approximate", "none"), "none") == 0) return clg_gelu(c->inputs[0]);
  return clg_gelu_tanh(c->inputs[0]);
}

static clg_tensor *run_softplus(op_case *c) {
  return clg_softplus(c->inputs[0], number(c, "beta", 1), number(c, "threshold", 20));
}

static clg_tensor *run_pow(op_case *c) { return clg_pow_scalar(c->inputs[0], number(c, "exponent", 1)); }
static clg_tensor *run_pow_tensor(op_case *c) { return clg_pow(c->inputs[0], c->inputs[1]); }
static clg_tensor *run_scalar_pow(op_case *c) { return clg_scalar_pow(number(c, "base", 1), c->inputs[0]); }
static clg_tensor *run_where(op_case *c) { return clg_where(c->inputs[0], c->inputs[1], c->inputs[2]); }
static clg_tensor *run_elu(op_case *c) { return clg_elu(c->inputs[0], number(c, "alpha", 1)); }

static clg_tensor *run_clamp(op_case *c) {
  return clg_clamp(c->inputs[0], number(c, "min", -INFINITY), number(c, "max", INFINITY));
}

/* ---- reductions and losses ---- */

#define REDUCTION(op)                                                                                                  \
  static clg_tensor *run_##op(op_case *c) {                                                                            \
    int d[CLG_MAX_DIMS], n = dims(c, "dim", d);                                                                        \
    return clg_##op(c->inputs[0], d, n, json_flag(c->attrs, "keepdim", false));                                        \
  }
REDUCTION(sum)
REDUCTION(mean)
REDUCTION(amax)

static clg_tensor *run_max_all(op_case *c) { return clg_amax(c->inputs[0], NULL, 0, false); }

static clg_tensor *run_var(op_case *c) {
  int d[CLG_MAX_DIMS], n = dims(c, "dim", d);
  return clg_var(c->inputs[0], d, n, json_flag(c->attrs, "unbiased", true), json_flag(c->attrs, "keepdim", false));
}

#define EXTREME(op)                                                                                                    \
  static clg_tensor *run_##op##_dim(op_case *c) {                                                                      \
    c->extra_names[0] = "indices";                                                                                     \
    return clg_##op(c->inputs[0], (int)number(c, "dim", 0), json_flag(c->attrs, "keepdim", false), &c->extra[0]);      \
  }
EXTREME(max)
EXTREME(min)

#define LOSS(op, call)                                                                                                 \
  static clg_tensor *run_##op(op_case *c) {                                                                            \
    clg_loss_options o = loss_options(c);                                                                              \
    return call(c->inputs[0], c->inputs[1], &o);                                                                       \
  }
LOSS(bce_with_logits, clg_bce_with_logits_loss)
LOSS(bce, clg_bce_loss)
LOSS(mse, clg_squared_loss) LOSS(l1, clg_l1_loss) LOSS(cross_entropy, clg_cross_entropy)
    LOSS(cross_entropy_prob, clg_cross_entropy)

#define ALONG(op)                                                                                                      \
  static clg_tensor *run_##op(op_case *c) { return clg_##op(c->inputs[0], (int)number(c, "dim", -1)); }
        ALONG(softmax) ALONG(log_softmax)

    /* ---- products and normalisation ---- */

    static clg_tensor *run_matmul(op_case *c) {
  clg_tensor *a = c->inputs[0], *b = c->inputs[1];
  if (json_flag(c->attrs, "transpose_a", false)) a = clg_transpose(a, -1, -2);
  if (json_flag(c->attrs, "transpose_b", false)) b = clg_transpose(b, -1, -2);
  return clg_matmul(a, b);
}

static clg_tensor *run_linear(op_case *c) { return clg_linear(in(c, "x"), in(c, "w"), in(c, "b")); }

static clg_tensor *run_layer_norm(op_case *c) {
  clg_tensor *x = in(c, "x"), *w = in(c, "w"), *b = in(c, "b");
  float eps = number(c, "eps", 1e-5f);
  int64_t tail[CLG_MAX_DIMS], n = integers(c, "normalized_shape", tail), width = 1;
  if (n == 1) return clg_layer_norm(x, w, b, eps);
  for (int i = 0; i < n; i++) width *= tail[i];
  clg_tensor *rows = clg_reshape(x, 2, (int64_t[]){-1, width});
  if (w) w = clg_reshape(w, 1, &width);
  if (b) b = clg_reshape(b, 1, &width);
  return clg_reshape(clg_layer_norm(rows, w, b, eps), clg_tensor_ndim(x), clg_tensor_shape(x));
}

/* ---- convolutions ---- */

/* A pair from a list or a lone number. */
static void pair(const op_case *c, const char *key, int out[2]) {
  int d[CLG_MAX_DIMS] = {0}, n = dims(c, key, d);
  if (n) out[0] = d[0], out[1] = n > 1 ? d[1] : d[0];
}

static clg_conv_options conv_options(const op_case *c) {
  clg_conv_options o = CLG_CONV_OPTIONS_INIT;
  pair(c, "stride", o.stride);
  pair(c, "padding", o.padding);
  pair(c, "output_padding", o.output_padding);
  pair(c, "dilation", o.dilation);
  o.groups = (int)json_number(c->attrs, "groups", 1);
  return o;
}

static clg_tensor *run_conv2d(op_case *c) {
  clg_conv_options o = conv_options(c);
  return clg_conv2d(in(c, "x"), in(c, "w"), in(c, "b"), &o);
}

static clg_tensor *run_conv_transpose2d(op_case *c) {
  clg_conv_options o = conv_options(c);
  return clg_conv_transpose2d(in(c, "x"), in(c, "w"), in(c, "b"), &o);
}

static clg_tensor *run_batch_norm(op_case *c) {
  clg_batch_norm_options o = CLG_BATCH_NORM_OPTIONS_INIT;
  o.running_mean = in(c, "running_mean");
  o.running_var = in(c, "running_var");
  o.train = json_flag(c->attrs, "training", true);
  o.momentum = number(c, "momentum", 0.1f);
  o.eps = number(c, "eps", 1e-5f);
  c->extra_names[0] = "running_mean_after", c->extra[0] = o.running_mean;
  c->extra_names[1] = "running_var_after", c->extra[1] = o.running_var;
  return clg_batch_norm(in(c, "x"), in(c, "w"), in(c, "b"), &o);
}

static clg_pool_options pool_options(const op_case *c) {
  clg_pool_options o = CLG_POOL_OPTIONS_INIT;
  pair(c, "kernel_size", o.kernel);
  pair(c, "stride", o.stride);
  pair(c, "padding", o.padding);
  pair(c, "dilation", o.dilation);
  o.ceil_mode = json_flag(c->attrs, "ceil_mode", false);
  o.exclude_pad = !json_flag(c->attrs, "count_include_pad", true);
  return o;
}
#define POOL(op)                                                                                                       \
  static clg_tensor *run_##op(op_case *c) {                                                                            \
    clg_pool_options o = pool_options(c);                                                                              \
    return clg_##op(c->inputs[0], &o);                                                                                 \
  }
POOL(max_pool2d)
POOL(avg_pool2d)

/* ---- views ---- */

static clg_tensor *run_reshape(op_case *c) {
  int64_t shape[CLG_MAX_DIMS];
  int n = integers(c, "shape", shape);
  return clg_reshape(c->inputs[0], n, shape);
}

static clg_tensor *run_expand(op_case *c) {
  int64_t shape[CLG_MAX_DIMS];
  int n = integers(c, "shape", shape);
  return clg_expand(c->inputs[0], n, shape);
}

static clg_tensor *run_transpose(op_case *c) {
  int d[CLG_MAX_DIMS] = {0, 1};
  dims(c, "dims", d);
  return clg_transpose(c->inputs[0], d[0], d[1]);
}

static clg_tensor *run_permute(op_case *c) {
  int d[CLG_MAX_DIMS];
  if (dims(c, "dims", d) != clg_tensor_ndim(c->inputs[0])) return skip(c, "dims do not fit the input");
  return clg_permute(c->inputs[0], d);
}

static clg_tensor *run_narrow(op_case *c) {
  return clg_narrow(c->inputs[0], (int)json_number(c->attrs, "dim", 0), (int64_t)json_number(c->attrs, "start", 0),
                    (int64_t)json_number(c->attrs, "length", 0));
}

static clg_tensor *run_slice(op_case *c) {
  return clg_slice(c->inputs[0], (int)number(c, "dim", 0), (int64_t)json_number(c->attrs, "start", 0),
                   (int64_t)json_number(c->attrs, "stop", INT32_MAX), (int64_t)json_number(c->attrs, "step", 1));
}

static clg_tensor *run_cat(op_case *c) { return clg_cat(c->inputs, (int)c->n, (int)number(c, "dim", 0)); }
static clg_tensor *run_stack(op_case *c) { return clg_stack(c->inputs, (int)c->n, (int)number(c, "dim", 0)); }
static clg_tensor *run_cat_same(op_case *c) {
  return clg_cat((clg_tensor *[]){c->inputs[0], c->inputs[0]}, 2, (int)number(c, "dim", 0));
}

/* ---- indices ---- */

static clg_tensor *run_embedding(op_case *c) {
  return clg_embedding(c->inputs[0], c->inputs[1], (int)number(c, "padding_idx", -1));
}
static clg_tensor *run_gather(op_case *c) { return clg_gather(c->inputs[0], (int)number(c, "dim", 0), c->inputs[1]); }
static clg_tensor *run_index_select(op_case *c) {
  return clg_index_select(c->inputs[0], (int)number(c, "dim", 0), c->inputs[1]);
}

static clg_tensor *run_chain_shape(op_case *c) {
  const int64_t *s = clg_tensor_shape(c->inputs[0]), kn = s[0] * s[1];
  clg_tensor *y = clg_reshape(clg_permute(c->inputs[0], (int[]){2, 0, 1}), 2, (int64_t[]){s[2], kn});
  return clg_mul_scalar(clg_transpose(clg_narrow(y, 1, 1, kn - 1), 0, 1), 2);
}

/* ---- table ---- */

/* `least` inputs are needed: a manifest that gives fewer must not crash an adapter. */
#define ROW(op, least)                                                                                                 \
  { #op, run_##op, least }
static const struct {
  const char *name;
  op_adapter run;
  size_t least;
} table[] = {
    ROW(add, 2),
    ROW(sub, 2),
    ROW(mul, 2),
    ROW(div, 2),
    ROW(maximum, 2),
    ROW(minimum, 2),
    ROW(neg, 1),
    ROW(abs, 1),
    ROW(exp, 1),
    ROW(log, 1),
    ROW(sqrt, 1),
    ROW(rsqrt, 1),
    ROW(square, 1),
    ROW(sin, 1),
    ROW(cos, 1),
    ROW(tanh, 1),
    ROW(sigmoid, 1),
    ROW(relu, 1),
    ROW(silu, 1),
    ROW(sum, 1),
    ROW(mean, 1),
    ROW(amax, 1),
    ROW(mul_self, 1),
    ROW(fanout, 1),
    ROW(detach_mul, 1),
    ROW(detach_partial, 2),
    ROW(leaky_relu, 1),
    ROW(gelu, 1),
    ROW(softplus, 1),
    ROW(pow, 1),
    ROW(pow_tensor, 2),
    ROW(scalar_pow, 1),
    ROW(clamp, 1),
    ROW(max_all, 1),
    ROW(bce_with_logits, 2),
    ROW(mse, 2),
    ROW(l1, 2),
    ROW(matmul, 2),
    ROW(linear, 2),
    ROW(layer_norm, 1),
    ROW(conv2d, 2),
    ROW(conv_transpose2d, 2),
    ROW(reshape, 1),
    ROW(expand, 1),
    ROW(transpose, 1),
    ROW(permute, 1),
    ROW(narrow, 1),
    ROW(slice, 1),
    ROW(chain_shape, 1),
    ROW(log1p, 1),
    ROW(expm1, 1),
    ROW(erf, 1),
    ROW(reciprocal, 1),
    ROW(sign, 1),
    ROW(floor, 1),
    ROW(where, 3),
    ROW(elu, 1),
    ROW(var, 1),
    ROW(max_dim, 1),
    ROW(min_dim, 1),
    ROW(bce, 2),
    ROW(cross_entropy, 2),
    ROW(cross_entropy_prob, 2),
    ROW(softmax, 1),
    ROW(log_softmax, 1),
    ROW(cat, 1),
    ROW(stack, 1),
    ROW(cat_same, 1),
    ROW(embedding, 2),
    ROW(gather, 2),
    ROW(index_select, 2),
    ROW(batch_norm, 3),
    ROW(max_pool2d, 1),
    ROW(avg_pool2d, 1),
};

op_adapter op_find(const char *op, size_t *least) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, op) != 0) continue;
    *least = table[i].least;
    return table[i].run;
  }
  return NULL;
}
