/* Steps that make tensors: data, ops, views, losses, changes in place. */
#include "program.h"
#include <string.h>

static bool fits(int n, const int64_t *shape) {
  int64_t all = 1;
  for (int i = 0; i < n; i++) all = shape[i] < 0 || shape[i] > FLOATS || all > FLOATS ? FLOATS + 1 : all * shape[i];
  return n >= 0 && n <= 8 && all <= FLOATS;
}

static void create(program *p) {
  int64_t shape[9];
  int n = a_shape(p, shape);
  keep_own(p, clg_tensor_create(p->ctx, n, shape, fits(n, shape) && one_in(p, 2) ? program_floats : NULL));
}
static void create_i32(program *p) {
  int32_t values[FLOATS];
  int64_t shape[9];
  int n = a_shape(p, shape), least = choose(p, 4) ? 0 : -2;
  for (int i = 0; i < FLOATS; i++) values[i] = least + i % 3;
  keep_own(p, clg_tensor_create_i32(p->ctx, n, shape, fits(n, shape) && !one_in(p, 4) ? values : NULL));
}
static void make(program *p) {
  int64_t shape[9];
  int n = a_shape(p, shape);
  switch (choose(p, 4)) {
  case 0: keep(p, clg_empty(p->ctx, n, shape)); break;
  case 1: keep(p, clg_full(p->ctx, n, shape, a_float(p))); break;
  case 2: keep(p, clg_rand(p->ctx, n, shape, 0, a_float(p))); break;
  default: keep(p, clg_randn(p->ctx, n, shape)); break;
  }
}

static void unary(program *p) {
  static clg_tensor *(*const ops[])(clg_tensor *) = {
      clg_neg,  clg_abs,        clg_exp,   clg_log,       clg_sqrt,       clg_rsqrt,  clg_square,  clg_sin,   clg_cos,
      clg_tanh, clg_sigmoid,    clg_relu,  clg_gelu,      clg_silu,       clg_mish,   clg_log1p,   clg_expm1, clg_erf,
      clg_sign, clg_reciprocal, clg_floor, clg_gelu_tanh, clg_contiguous, clg_detach, clg_to_float};
  keep(p, ops[choose(p, sizeof ops / sizeof *ops)](any(p)));
}
static void binary(program *p) {
  static clg_tensor *(*const ops[])(clg_tensor *, clg_tensor *) = {
      clg_add, clg_sub, clg_mul, clg_div, clg_maximum, clg_minimum, clg_pow, clg_matmul, clg_matmul};
  clg_tensor *a = any(p), *b = any(p);
  keep(p, ops[choose(p, sizeof ops / sizeof *ops)](a, b));
}
static void with_number(program *p) {
  clg_tensor *x = any(p);
  float v = a_float(p);
  switch (choose(p, 9)) {
  case 0: keep(p, clg_add_scalar(x, v)); break;
  case 1: keep(p, clg_mul_scalar(x, v)); break;
  case 2: keep(p, clg_pow_scalar(x, v)); break;
  case 3: keep(p, clg_leaky_relu(x, v)); break;
  case 4: keep(p, clg_softplus(x, v, 20)); break;
  case 5: keep(p, clg_clamp(x, -1, v)); break;
  case 6: keep(p, clg_elu(x, v)); break;
  case 7: keep(p, clg_scalar_pow(v, x)); break;
  default: keep(p, clg_dropout(x, v, one_in(p, 2))); break;
  }
}
static void where(program *p) {
  clg_tensor *c = any(p), *x = any(p), *o = any(p);
  keep(p, clg_where(c, x, o));
}
static void formula(program *p) {
  static const char *const texts[] = {"x*o+1",      "x>0?x:o",
                                      "exp(-x*x)",  "pow(abs(x),o)",
                                      "min(x,o)*k", "x/(1+abs(o))",
                                      "y",          "",
                                      "x*",         "k",
                                      "1/0",        "tanh(x)*sigmoid(o)-floor(k)"};
  clg_map_input in[3] = {{"x", any(p), 0}, {"o", any(p), a_float(p)}, {"k", NULL, a_float(p)}};
  const char *text = texts[choose(p, 12)];
  size_t n = 3 - (size_t)one_in(p, 4);
  if (one_in(p, 3))
    clg_map_(any(p), text, in + 1, n - 1);
  else
    keep(p, clg_map(p->ctx, text, in, n));
}

static void reduce(program *p) {
  int dims[10], n = some_dims(p, dims);
  clg_tensor *x = any(p);
  bool keepdim = one_in(p, 2);
  switch (choose(p, 7)) {
  case 0: keep(p, clg_sum(x, dims, n, keepdim)); break;
  case 1: keep(p, clg_mean(x, dims, n, keepdim)); break;
  case 2: keep(p, clg_amax(x, dims, n, keepdim)); break;
  case 3: keep(p, clg_amin(x, dims, n, keepdim)); break;
  case 4: keep(p, clg_var(x, dims, n, one_in(p, 2), keepdim)); break;
  case 5: keep(p, clg_norm(x, a_float(p), dims, n, keepdim)); break;
  default: keep(p, clg_sum(x, NULL, 0, keepdim)); break;
  }
}
static void along(program *p) {
  clg_tensor *x = any(p), *at = NULL;
  int dim = a_dim(p);
  switch (choose(p, 6)) {
  case 0: keep(p, clg_max(x, dim, one_in(p, 2), &at)), keep(p, at); break;
  case 1: keep(p, clg_min(x, dim, one_in(p, 2), NULL)); break;
  case 2: keep(p, clg_argmax(x, dim, one_in(p, 2))); break;
  case 3: keep(p, clg_argmin(x, dim, one_in(p, 2))); break;
  case 4: keep(p, clg_softmax(x, dim)); break;
  default: keep(p, clg_log_softmax(x, dim)); break;
  }
}
static void pick_out(program *p) {
  clg_tensor *x = any(p), *index = any(p);
  int dim = a_dim(p);
  switch (choose(p, 3)) {
  case 0: keep(p, clg_gather(x, dim, index)); break;
  case 1: keep(p, clg_index_select(x, dim, index)); break;
  default: keep(p, clg_embedding(x, index, dim)); break;
  }
}

static void reshape(program *p) {
  int64_t shape[9];
  int n = a_shape(p, shape);
  clg_tensor *x = any(p);
  if (one_in(p, 2)) n = 2, shape[0] = clg_tensor_numel(x) % 2 ? 1 : 2, shape[1] = -1;
  keep(p, clg_reshape(x, n, shape));
}
static void turn(program *p) {
  int order[8];
  clg_tensor *x = any(p);
  int n = clg_tensor_ndim(x), a = a_dim(p), b = a_dim(p);
  for (int i = 0; i < 8; i++) order[i] = i < n ? n - 1 - i : a;
  if (one_in(p, 8)) order[0] = a;
  keep(p, one_in(p, 2) ? clg_transpose(x, a, b) : clg_permute(x, order, one_in(p, 9) ? a_dim(p) : n));
}
static void cut(program *p) {
  clg_tensor *x = any(p), *part[8] = {NULL};
  int dim = a_dim(p), n = 0;
  int64_t a = a_size(p), b = a_size(p);
  switch (choose(p, 5)) {
  case 0: keep(p, clg_narrow(x, dim, a > 0 ? a - 1 : a, b)); return;
  case 1: keep(p, clg_slice(x, dim, a > 1 ? a - 2 : a, b, 1 + choose(p, 3))); return;
  case 2: n = clg_split(x, dim, a, part, 8); break;
  case 3: n = clg_chunk(x, dim, a, part, 8); break;
  default: n = clg_unbind(x, dim, part, 8); break;
  }
  for (int i = 0; i < n && i < 8; i++) keep(p, part[i]);
}
static void widen(program *p) {
  int64_t shape[9];
  clg_tensor *x = any(p);
  int n = a_shape(p, shape), dims = clg_tensor_ndim(x), more = choose(p, 2);
  if (one_in(p, 2)) {
    n = dims + more;
    for (int i = 0; i < n && i < 9; i++) shape[i] = i < more ? 2 : clg_tensor_shape(x)[i - more] == 1 ? 3 : -1;
  }
  keep(p, clg_expand(x, n, shape));
}
static void join(program *p) {
  clg_tensor *list[6] = {any(p)};
  int n = choose(p, 6), dim = a_dim(p);
  for (int i = 1; i < n; i++) list[i] = one_in(p, 3) ? any(p) : list[0];
  keep(p, one_in(p, 2) ? clg_cat(list, n, dim) : clg_stack(list, n, dim));
}
static void pad(program *p) {
  clg_tensor *x = any(p);
  int dim = a_dim(p);
  int64_t before = a_size(p), after = a_size(p);
  keep(p, clg_pad(x, dim, before, after, a_float(p)));
}

clg_act an_activation(program *p) {
  static const char *const known[] = {"relu",      "leaky_relu", "tanh",    "sigmoid", "gelu",
                                      "silu",      "softplus",   "elu",     "none",    "x*sigmoid(a*x) + b",
                                      "pow(x, a)", "x*(",        "a*b*c*x", "x"};
  clg_act act = {one_in(p, 2) ? known[choose(p, sizeof known / sizeof *known)] : NULL, {a_float(p), a_float(p)}};
  return act;
}

static void linear(program *p) {
  clg_tensor *x = any(p), *w = any(p), *b = perhaps(p);
  const clg_linear_options o = {an_activation(p)};
  keep(p, one_in(p, 4) ? clg_activate(x, o.act) : clg_linear(x, w, b, &o));
}
static void convolve(program *p) {
  clg_conv_options o = clg_conv_defaults();
  clg_tensor *x = any(p), *w = any(p), *b = perhaps(p);
  if (one_in(p, 2)) a_pair(p, o.stride), a_pair(p, o.padding);
  if (one_in(p, 3)) a_pair(p, o.dilation), a_pair(p, o.output_padding);
  if (one_in(p, 4)) o.groups = a_dim(p);
  o.act = an_activation(p);
  const clg_conv_options *options = one_in(p, 3) ? NULL : &o;
  keep(p, one_in(p, 2) ? clg_conv2d(x, w, b, options) : clg_conv_transpose2d(x, w, b, options));
}
static void normalise(program *p) {
  clg_batch_norm_options o = clg_batch_norm_defaults();
  clg_tensor *x = any(p), *gamma = perhaps(p), *beta = perhaps(p);
  const clg_norm_options n = {one_in(p, 4) ? a_float(p) : 1e-5f, an_activation(p)};
  switch (choose(p, 4)) {
  case 0: keep(p, clg_layer_norm(x, gamma, beta, &n)); break;
  case 1:
    if (one_in(p, 2)) o.running_mean = any(p), o.running_var = any(p);
    o.training = !one_in(p, 3), o.act = an_activation(p);
    keep(p, clg_batch_norm(x, gamma, beta, &o));
    break;
  case 2: keep(p, clg_group_norm(x, gamma, beta, a_dim(p), &n)); break;
  default: keep(p, clg_instance_norm(x, gamma, beta, &n)); break;
  }
}
static void loss(program *p) {
  clg_loss_options o = clg_loss_defaults();
  clg_tensor *x = any(p), *t = any(p);
  o.reduction = (clg_reduction)choose(p, 4);
  if (one_in(p, 3)) o.weight = any(p);
  if (one_in(p, 4)) o.pos_weight = any(p);
  if (one_in(p, 4)) o.label_smoothing = a_float(p), o.ignore_index = a_dim(p);
  const clg_loss_options *options = one_in(p, 3) ? NULL : &o;
  switch (choose(p, 5)) {
  case 0: keep(p, clg_bce_with_logits_loss(x, t, options)); break;
  case 1: keep(p, clg_bce_loss(x, t, options)); break;
  case 2: keep(p, clg_l1_loss(x, t, options)); break;
  case 3: keep(p, clg_mse_loss(x, t, options)); break;
  default: keep(p, clg_cross_entropy_loss(x, t, options)); break;
  }
}
static void pool(program *p) {
  clg_pool_options o = clg_pool_defaults();
  clg_tensor *x = any(p);
  int kernel[2] = {1, 1};
  a_pair(p, kernel);
  if (one_in(p, 2)) a_pair(p, o.stride), a_pair(p, o.padding);
  if (one_in(p, 4)) a_pair(p, o.dilation);
  o.ceil_mode = one_in(p, 2), o.count_include_pad = one_in(p, 2);
  if (one_in(p, 3))
    keep(p, clg_upsample(x, a_dim(p), a_dim(p)));
  else
    keep(p, one_in(p, 2) ? clg_max_pool2d(x, kernel[0], kernel[1], &o) : clg_avg_pool2d(x, kernel[0], kernel[1], &o));
}

static void change(program *p) {
  clg_tensor *x = any(p), *o = any(p);
  switch (choose(p, 4)) {
  case 0: clg_fill_(x, a_float(p)); break;
  case 1: clg_copy_(x, o); break;
  case 2: clg_rand_(x, 0, a_float(p)); break;
  default: clg_randn_(x, 0, a_float(p)); break;
  }
}
static void transfer(program *p) {
  static float floats[FLOATS];
  static int32_t ints[FLOATS];
  clg_tensor *x = any(p);
  if (!x || clg_tensor_numel(x) > FLOATS) return;
  switch (choose(p, 6)) {
  case 0: clg_tensor_write(x, program_floats); break;
  case 1: clg_tensor_write_async(x, program_floats); break;
  case 2: clg_tensor_write_i32(x, memset(ints, 0, sizeof ints)); break;
  case 3: clg_tensor_read(x, floats); break;
  case 4: clg_tensor_read_i32(x, ints); break;
  default: clg_tensor_item(x); break;
  }
  clg_finish(p->ctx);
}
static void drop(program *p) { clg_tensor_unref(&p->tensor[choose(p, TENSORS)]); }

const program_step op_steps[] = {
    create, create,  create_i32, make,     make,      unary,    unary,   binary, binary, binary,   with_number,
    where,  formula, reduce,     reduce,   along,     pick_out, reshape, turn,   cut,    widen,    join,
    pad,    linear,  convolve,   convolve, normalise, loss,     loss,    pool,   change, transfer, drop};
const int op_step_count = sizeof op_steps / sizeof *op_steps;
