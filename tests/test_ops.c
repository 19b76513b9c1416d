/* Ops: one table of cases feeds gradient checks by finite differences, on contiguous and strided inputs; then the forms
 * of a formula against each other bit for bit, edge shapes, and error paths. Values against PyTorch's are
 * golden_runner's. */
#include "op_check.h"

/* ---- the table ---- */

UNARY(exp, clg_exp(x))
UNARY(log, clg_log(x))
UNARY(sqrt, clg_sqrt(x))
UNARY(rsqrt, clg_rsqrt(x))
UNARY(square, clg_square(x))
UNARY(sin, clg_sin(x))
UNARY(cos, clg_cos(x))
UNARY(tanh, clg_tanh(x))
UNARY(sigmoid, clg_sigmoid(x))
UNARY(relu, clg_relu(x))
UNARY(leaky, clg_leaky_relu(x, 0.2f))
UNARY(leaky_negative, clg_leaky_relu(x, -0.5f))
UNARY(gelu, clg_gelu(x))
UNARY(silu, clg_silu(x))
UNARY(mish, clg_mish(x))
UNARY(softplus, clg_softplus(x, 2, 5))
UNARY(clamp, clg_clamp(x, 0.6f, 1.3f))
UNARY(neg, clg_neg(x))
UNARY(abs, clg_abs(x))
UNARY(add_scalar, clg_add_scalar(x, 3))
UNARY(mul_scalar, clg_mul_scalar(x, -2))
UNARY(pow, clg_pow_scalar(x, 2.5f))
UNARY(twice, clg_mul(x, clg_add(x, x)))
UNARY(sum, clg_sum(x, (int[]){-1}, 1, false))
UNARY(sum_first, clg_sum(x, (int[]){0}, 1, true))
UNARY(sum_all, clg_sum(x, NULL, 0, false))
UNARY(mean, clg_mean(x, (int[]){0, 1}, 2, false))
UNARY(mean_last, clg_mean(x, (int[]){1}, 1, true))
UNARY(amax, clg_amax(x, (int[]){-1}, 1, false))
UNARY(amax_all, clg_amax(x, NULL, 0, true))
UNARY(reshape, clg_square(clg_reshape(x, 1, (int64_t[]){-1})))
UNARY(transpose, clg_square(clg_transpose(x, 0, -1)))
UNARY(narrow, clg_square(clg_narrow(x, 0, 1, 2)))
UNARY(expand, clg_square(clg_expand(clg_narrow(x, 0, 1, 1), 3, (int64_t[]){2, 4, -1})))
UNARY(contiguous, clg_square(clg_contiguous(clg_transpose(x, 0, 1))))
UNARY(layer_norm, clg_layer_norm(x, NULL, NULL, 1e-3f))
BINARY(add, clg_add(x, o))
BINARY(sub, clg_sub(x, o))
BINARY(mul, clg_mul(x, o))
BINARY(div, clg_div(x, o))
BINARY(maximum, clg_maximum(x, o))
BINARY(minimum, clg_minimum(x, o))
BINARY(bce, clg_bce_with_logits(x, o))
BINARY(mse, clg_mse_loss(x, o))
BINARY(matmul, clg_matmul(x, o))
BINARY(matmul_t, clg_matmul(clg_transpose(x, 0, 1), clg_transpose(o, 0, 1)))
BINARY(linear, clg_linear(x, o, NULL))
static clg_tensor *op_map(clg_tensor **in) {
  clg_map_input i[] = {{"u1", in[0], 0}, {"k", NULL, 1.7f}, {"u0", in[1], 0}};
  return clg_map(ctx, "u1*sigmoid(k*u1) - u0/(1 + u1*u1)", i, 3);
}
static clg_tensor *op_linear_bias(clg_tensor **in) { return clg_linear(in[0], in[1], in[2]); }
static clg_tensor *op_linear_tanh(clg_tensor **in) { return clg_linear_act(in[0], in[1], in[2], CLG_ACT_TANH, 0); }
static clg_tensor *op_linear_leaky(clg_tensor **in) {
  return clg_linear_act(in[0], in[1], in[2], CLG_ACT_LEAKY_RELU, 0.2f);
}
static clg_tensor *op_linear_sigmoid(clg_tensor **in) {
  return clg_linear_act(in[0], in[1], in[2], CLG_ACT_SIGMOID, 0);
}
static clg_tensor *op_norm(clg_tensor **in) { return clg_layer_norm(in[0], in[1], in[2], 1e-3f); }

static const op_case cases[] = {
    {"exp", op_exp, 1, {S2(3, 5)}, -1, 1, false},
    {"log", op_log, 1, {S2(3, 5)}, 0.5f, 2, false},
    {"sqrt", op_sqrt, 1, {S2(3, 5)}, 0.5f, 2, false},
    {"rsqrt", op_rsqrt, 1, {S2(3, 5)}, 0.5f, 2, false},
    {"square", op_square, 1, {S2(3, 5)}, -1, 1, false},
    {"sin", op_sin, 1, {S1(17)}, -2, 2, false},
    {"cos", op_cos, 1, {S1(17)}, -2, 2, false},
    {"tanh", op_tanh, 1, {S2(3, 5)}, -2, 2, false},
    {"sigmoid", op_sigmoid, 1, {S2(3, 5)}, -2, 2, false},
    {"relu+", op_relu, 1, {S2(3, 5)}, 0.2f, 2, false},
    {"relu-", op_relu, 1, {S2(3, 5)}, -2, -0.2f, false},
    {"leaky+", op_leaky, 1, {S2(3, 5)}, 0.2f, 2, false},
    {"leaky-", op_leaky, 1, {S2(3, 5)}, -2, -0.2f, false},
    {"leaky of negative slope", op_leaky_negative, 1, {S2(3, 5)}, -2, -0.2f, false},
    {"gelu", op_gelu, 1, {S2(3, 5)}, -2, 2, false},
    {"silu", op_silu, 1, {S2(3, 5)}, -2, 2, false},
    {"mish", op_mish, 1, {S2(3, 5)}, -2, 2, false},
    {"softplus", op_softplus, 1, {S2(3, 5)}, -2, 2, false},
    {"softplus above its threshold", op_softplus, 1, {S2(3, 5)}, 2.6f, 4, false},
    {"clamp within", op_clamp, 1, {S2(3, 5)}, 0.7f, 1.2f, false},
    {"clamp outside", op_clamp, 1, {S2(3, 5)}, 1.4f, 2, false},
    {"neg", op_neg, 1, {S2(3, 5)}, -1, 1, false},
    {"abs", op_abs, 1, {S2(3, 5)}, 0.2f, 1, false},
    {"add_scalar", op_add_scalar, 1, {S2(3, 5)}, -1, 1, false},
    {"mul_scalar", op_mul_scalar, 1, {S2(3, 5)}, -1, 1, false},
    {"pow", op_pow, 1, {S2(3, 5)}, 0.5f, 2, false},
    {"an input used three times", op_twice, 1, {S2(3, 5)}, -1, 1, false},
    {"sum", op_sum, 1, {S3(3, 5, 7)}, -1, 1, true},
    {"sum over the first dimension", op_sum_first, 1, {S3(3, 5, 19)}, -1, 1, true},
    {"sum of all", op_sum_all, 1, {S3(3, 5, 7)}, -1, 1, true},
    {"mean", op_mean, 1, {S3(3, 5, 7)}, -1, 1, true},
    {"mean in the middle", op_mean_last, 1, {S3(3, 5, 7)}, -1, 1, true},
    {"amax", op_amax, 1, {S2(3, 33)}, -1, 1, true},
    {"amax of all", op_amax_all, 1, {S2(3, 5)}, -1, 1, true},
    {"reshape", op_reshape, 1, {S2(3, 5)}, -1, 1, false},
    {"transpose", op_transpose, 1, {S3(3, 5, 2)}, -1, 1, false},
    {"narrow", op_narrow, 1, {S2(3, 5)}, -1, 1, false},
    {"expand", op_expand, 1, {S2(3, 5)}, -1, 1, false},
    {"contiguous", op_contiguous, 1, {S2(3, 5)}, -1, 1, false},
    {"layer_norm", op_layer_norm, 1, {S2(3, 19)}, -1, 1, true},
    {"add", op_add, 2, {S2(3, 5), S2(3, 5)}, -1, 1, false},
    {"add a row", op_add, 2, {S2(3, 5), S1(5)}, -1, 1, false},
    {"sub a column", op_sub, 2, {S2(3, 5), S2(3, 1)}, -1, 1, false},
    {"mul outer", op_mul, 2, {S2(3, 1), S2(1, 5)}, -1, 1, false},
    {"mul in four dimensions", op_mul, 2, {{4, {2, 1, 3, 2}}, {4, {1, 3, 1, 2}}}, -1, 1, false},
    {"mul by one element", op_mul, 2, {S2(3, 5), {0, {0}}}, -1, 1, false},
    {"div", op_div, 2, {S2(3, 5), S2(3, 5)}, 0.5f, 2, false},
    {"div a row", op_div, 2, {S1(5), S2(3, 5)}, 0.5f, 2, false},
    {"maximum", op_maximum, 2, {S2(3, 5), S2(3, 5)}, -1, 1, false},
    {"minimum", op_minimum, 2, {S2(3, 5), S1(5)}, -1, 1, false},
    {"bce", op_bce, 2, {S2(7, 1), S2(7, 1)}, 0.1f, 0.9f, true},
    {"mse", op_mse, 2, {S2(3, 5), S2(3, 5)}, -1, 1, true},
    {"matmul", op_matmul, 2, {S2(3, 7), S2(7, 5)}, -1, 1, true},
    {"matmul of one column", op_matmul, 2, {S2(3, 7), S2(7, 1)}, -1, 1, true},
    {"matmul transposed", op_matmul_t, 2, {S2(7, 3), S2(5, 7)}, -1, 1, true},
    {"linear", op_linear, 2, {S2(3, 7), S2(5, 7)}, -1, 1, true},
    {"linear in three dimensions", op_linear, 2, {S3(2, 3, 7), S2(5, 7)}, -1, 1, true},
    {"linear with bias", op_linear_bias, 3, {S2(3, 7), S2(5, 7), S1(5)}, -1, 1, true},
    {"linear and tanh", op_linear_tanh, 3, {S2(3, 7), S2(17, 7), S1(17)}, -1, 1, true},
    {"linear and leaky", op_linear_leaky, 3, {S2(3, 7), S2(5, 7), S1(5)}, 0.1f, 1, true},
    {"linear and sigmoid", op_linear_sigmoid, 3, {S2(3, 7), S2(1, 7), S1(1)}, -1, 1, true},
    {"layer_norm with gain", op_norm, 3, {S2(5, 19), S1(19), S1(19)}, -1, 1, true},
    {"map", op_map, 2, {S2(3, 5), S1(5)}, -1, 1, false},
};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(second_gradients_match_differences) { check_second(&cases[_i], _i % 2); }
END_TEST

START_TEST(gradients_match_differences) { check_case(&cases[_i], false); }
END_TEST
START_TEST(strided_gradients_match_differences) { check_case(&cases[_i], true); }
END_TEST

/* ---- forms of one formula ---- */

enum { N = 1000 };
START_TEST(strided_equals_flat_bit_for_bit) { check_strided_bits(&cases[_i]); }
END_TEST
START_TEST(far_from_zero) { check_far(&cases[_i]); }
END_TEST

START_TEST(fused_activation_equals_two_ops) {
  static const clg_activation act[] = {CLG_ACT_RELU, CLG_ACT_LEAKY_RELU, CLG_ACT_TANH, CLG_ACT_SIGMOID};
  enum { M = 37, K = 29, O = 45 };
  static float x[M * K], w[O * K], b[O], u[M * O], out[2][M * O], grad[2][3][M * O];
  random_state = 5;
  fill_random(x, M * K, -1, 1), fill_random(w, O * K, -1, 1), fill_random(b, O, -1, 1), fill_random(u, M * O, -1, 1);
  for (int fused = 0; fused < 2; fused++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *t[] = {clg_tensor_create(ctx, 2, (int64_t[]){M, K}, x), clg_tensor_create(ctx, 2, (int64_t[]){O, K}, w),
                       clg_tensor_create(ctx, 1, (int64_t[]){O}, b), clg_tensor_create(ctx, 2, (int64_t[]){M, O}, u)};
    for (int i = 0; i < 3; i++) clg_set_requires_grad(t[i], true);
    clg_tensor *z = fused ? NULL : clg_linear(t[0], t[1], t[2]);
    clg_tensor *y = fused                           ? clg_linear_act(t[0], t[1], t[2], act[_i], 0.2f)
                    : act[_i] == CLG_ACT_RELU       ? clg_relu(z)
                    : act[_i] == CLG_ACT_LEAKY_RELU ? clg_leaky_relu(z, 0.2f)
                    : act[_i] == CLG_ACT_TANH       ? clg_tanh(z)
                                                    : clg_sigmoid(z);
    read_all(y, out[fused]);
    ck_assert_int_eq(clg_backward(y, &(clg_backward_options){.grad = t[3]}), CLG_OK);
    for (int i = 0; i < 3; i++) read_all(clg_grad_of(t[i]), grad[fused][i]);
    clg_scope_close(s);
    for (int i = 0; i < 4; i++) clg_tensor_unref(&t[i]);
  }
  ck_assert_int_eq(memcmp(out[0], out[1], sizeof out[0]), 0);
  ck_assert_int_eq(memcmp(grad[0], grad[1], sizeof grad[0]), 0);
}
END_TEST

START_TEST(one_gradient_does_not_depend_on_the_other) {
  static float x[N], o[N], both[N], alone[N];
  random_state = 3;
  fill_random(x, N, 0.5f, 2), fill_random(o, N, 0.5f, 2);
  for (int pass = 0; pass < 2; pass++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *a = clg_tensor_create(ctx, 1, (int64_t[]){N}, x), *b = clg_tensor_create(ctx, 1, (int64_t[]){N}, o);
    clg_set_requires_grad(a, true);
    clg_set_requires_grad(b, pass == 0);
    clg_map_input in[] = {{"a", a, 0}, {"b", b, 0}};
    ck_assert_int_eq(clg_backward(clg_sum(clg_map(ctx, "tanh(a*b)*exp(a)/b", in, 2), NULL, 0, false), NULL), CLG_OK);
    read_all(clg_grad_of(a), pass ? alone : both);
    clg_scope_close(s);
    clg_tensor_unref(&a);
    clg_tensor_unref(&b);
  }
  ck_assert_int_eq(memcmp(both, alone, sizeof both), 0);
}
END_TEST

/* ---- values ---- */

START_TEST(reductions_of_many_shapes) {
  /* `only`, when not 0, is the one mask of dimensions (8: none) for a device that interprets: two passes along memory
   * and across it, and all ways to sum what is small. */
  static const struct {
    int64_t size[3];
    int only;
  } shapes[] = {{{1, 1, 1}, 0},     {{1, 1, 70001}, 4}, {{2, 35003, 1}, 8}, {{40, 50, 60}, 3}, {{300, 1, 400}, 8},
                {{7, 129, 130}, 8}, {{2, 3, 33000}, 8}, {{5, 19, 17}, 0},   {{19, 1, 3}, 0}};
  static float v[200000];
  random_state = 9;
  for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
    const int64_t *d = shapes[k].size, n = d[0] * d[1] * d[2];
    fill_random(v, (int)n, -1, 1);
    clg_tensor *x = clg_tensor_create(ctx, 3, d, v);
    for (int mask = 1; mask < 8; mask++) {
      if (test_interpreted(ctx) && shapes[k].only && mask != shapes[k].only) continue;
      int dims[3], count = 0;
      for (int i = 0; i < 3; i++)
        if (mask >> i & 1) dims[count++] = i;
      int64_t kept[3];
      for (int i = 0; i < 3; i++) kept[i] = mask >> i & 1 ? 1 : d[i];
      int64_t outs = kept[0] * kept[1] * kept[2];
      float *got = malloc((size_t)outs * sizeof *got), *most = malloc((size_t)outs * sizeof *most);
      double *want = calloc((size_t)outs, sizeof *want);
      for (int64_t i = 0; i < outs; i++) most[i] = -INFINITY;
      for (int64_t i = 0; i < n; i++) {
        int64_t a = i / (d[1] * d[2]), b = i / d[2] % d[1], c = i % d[2];
        int64_t to = ((mask & 1 ? 0 : a) * kept[1] + (mask & 2 ? 0 : b)) * kept[2] + (mask & 4 ? 0 : c);
        want[to] += v[i];
        most[to] = fmaxf(most[to], v[i]);
      }
      clg_scope *s = clg_scope_open(ctx);
      read_all(clg_sum(x, dims, count, true), got);
      for (int64_t i = 0; i < outs; i++)
        ck_assert_msg(fabs(got[i] - want[i]) < 2e-3, "sum %zu/%d: %g %g", k, mask, got[i], want[i]);
      read_all(clg_amax(x, dims, count, false), got);
      for (int64_t i = 0; i < outs; i++) ck_assert_float_eq(got[i], most[i]);
      clg_scope_close(s);
      free(got), free(most), free(want);
    }
    clg_tensor_unref(&x);
  }
}
END_TEST

START_TEST(kinks_follow_pytorch) {
  const float nan = NAN, inf = INFINITY;
  struct {
    op_fn fn;
    float x, up, want;
  } k[] = {{op_relu, 0, 1, 0},    {op_relu, -1, inf, 0},     {op_leaky, 0, 1, 0.2f},
           {op_abs, 0, 1, 0},     {op_clamp, 0.6f, 1, 1},    {op_clamp, 1.3f, 1, 1},
           {op_clamp, 2, inf, 0}, {op_softplus, 2.6f, 1, 1}, {op_relu, -1, nan, 0}};
  for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_tensor_create(ctx, 1, (int64_t[]){1}, &k[i].x),
               *up = clg_tensor_create(ctx, 1, (int64_t[]){1}, &k[i].up);
    clg_set_requires_grad(x, true);
    ck_assert_int_eq(clg_backward(k[i].fn(&x), &(clg_backward_options){.grad = up}), CLG_OK);
    ck_assert_float_eq(clg_tensor_item(clg_grad_of(x)), k[i].want);
    clg_scope_close(s);
    clg_tensor_unref(&x);
    clg_tensor_unref(&up);
  }
  /* ties share evenly */
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 1, (int64_t[]){4}, (float[]){2, 1, 2, 2});
  clg_set_requires_grad(x, true);
  float g[4];
  ck_assert_int_eq(clg_backward(clg_amax(x, NULL, 0, false), NULL), CLG_OK);
  read_all(clg_grad_of(x), g);
  for (int i = 0; i < 4; i++) ck_assert_float_eq_tol(g[i], i == 1 ? 0 : 1.0f / 3, 1e-6f);
  clg_zero_grad(x);
  ck_assert_int_eq(clg_backward(clg_sum(clg_maximum(x, clg_detach(x)), NULL, 0, false), NULL), CLG_OK);
  read_all(clg_grad_of(x), g);
  for (int i = 0; i < 4; i++) ck_assert_float_eq(g[i], 0.5f);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(empty_tensors_flow_through) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){0, 5}, NULL),
             *w = clg_tensor_create(ctx, 2, (int64_t[]){3, 5}, NULL);
  clg_set_requires_grad(w, true);
  clg_tensor *y = clg_sum(clg_relu(clg_linear(x, w, NULL)), NULL, 0, false);
  ck_assert_float_eq(clg_tensor_item(y), 0);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  float g[15];
  read_all(clg_grad_of(w), g);
  for (int i = 0; i < 15; i++) ck_assert_float_eq(g[i], 0);
  read_all(clg_sum(x, (int[]){0}, 1, false), g);
  for (int i = 0; i < 5; i++) ck_assert_float_eq(g[i], 0);
  ck_assert_ptr_null(clg_amax(x, NULL, 0, false));
  clg_clear_error(ctx);
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_tensor_unref(&w);
}
END_TEST

/* ---- error paths ---- */

START_TEST(bad_arguments_are_refused) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *a = clg_full(ctx, 2, (int64_t[]){3, 5}, 1), *b = clg_full(ctx, 2, (int64_t[]){4, 5}, 1),
             *v = clg_full(ctx, 1, (int64_t[]){4}, 1);
  refused(clg_add(a, b), CLG_ERR_SHAPE, "[3,5] and [4,5]");
  refused(clg_matmul(a, b), CLG_ERR_SHAPE, "matmul: [3,5] times [4,5]");
  refused(clg_matmul(a, v), CLG_ERR_SHAPE, "[4]");
  refused(clg_linear(a, v, NULL), CLG_ERR_SHAPE, "linear");
  refused(clg_linear(a, b, clg_full(ctx, 1, (int64_t[]){3}, 0)), CLG_ERR_SHAPE, "bias [3]");
  refused(clg_layer_norm(a, v, NULL, 1e-5f), CLG_ERR_SHAPE, "gamma [4]");
  refused(clg_sum(a, (int[]){2}, 1, false), CLG_ERR_SHAPE, "dimension 2");
  refused(clg_mean(a, (int[]){1, -1}, 2, false), CLG_ERR_SHAPE, "twice");
  refused(clg_amax(a, (int[]){-3}, 1, false), CLG_ERR_SHAPE, "dimension -3");
  refused(clg_reshape(a, 2, (int64_t[]){4, 4}), CLG_ERR_SHAPE, "[3,5]");
  refused(clg_reshape(a, 2, (int64_t[]){-1, 4}), CLG_ERR_SHAPE, "reshape");
  refused(clg_permute(a, (int[]){0, 0}), CLG_ERR_SHAPE, "twice");
  refused(clg_transpose(a, 0, 2), CLG_ERR_SHAPE, "dimension 2");
  refused(clg_narrow(a, 0, 2, 2), CLG_ERR_SHAPE, "narrow");
  refused(clg_expand(a, 2, (int64_t[]){3, 6}), CLG_ERR_SHAPE, "expand");
  refused(clg_full(ctx, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 0), CLG_ERR_SHAPE, "9 dimensions");
  refused(clg_full(ctx, 2, (int64_t[]){1 << 20, 1 << 20}, 0), CLG_ERR_SHAPE, "2^31");
  refused(clg_linear_act(a, b, NULL, (clg_activation)77, 0), CLG_ERR_ARGUMENT, "77");
  clg_map_input in[] = {{"x", a, 0}, {"k", NULL, 2}};
  refused(clg_map(ctx, "x*kk", in, 2), CLG_ERR_PARSE, "column 3");
  refused(clg_map(ctx, "x*(k + 1", in, 2), CLG_ERR_PARSE, "column");
  in[1].name = "x";
  refused(clg_map(ctx, "x", in, 2), CLG_ERR_ARGUMENT, "twice");
  in[1].name = "a b";
  refused(clg_map(ctx, "x", in, 2), CLG_ERR_ARGUMENT, "not a name");
  ck_assert_int_eq(clg_copy_(v, a), CLG_ERR_SHAPE);
  clg_clear_error(ctx);
  clg_context *other = test_context_open();
  clg_tensor *far = clg_full(other, 2, (int64_t[]){3, 5}, 1);
  refused(clg_add(a, far), CLG_ERR_ARGUMENT, "different contexts");
  clg_tensor_unref(&far);
  test_context_close(&other);
  clg_scope_close(s);
}
END_TEST

START_TEST(in_place_formulas_do_not_race_with_themselves) {
  float v[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, want[9] = {2, 6, 10, 6, 10, 14, 10, 14, 18};
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){3, 3}, v);
  clg_map_input in[] = {{"t", clg_transpose(x, 0, 1), 0}};
  ck_assert_int_eq(clg_map_(x, "x + t", in, 1), CLG_OK);
  read_all(x, v);
  for (int i = 0; i < 9; i++) ck_assert_float_eq(v[i], want[i]);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("ops");
  share_context(c);
  tcase_set_timeout(c, 0);
  suite_add_tcase(suite, c);
  const TTest *const checks[] = {gradients_match_differences, strided_gradients_match_differences,
                                 second_gradients_match_differences, strided_equals_flat_bit_for_bit, far_from_zero};
  if (!add_rows(c, cases, CASES, checks, 5)) return;
  tcase_add_loop_test(c, fused_activation_equals_two_ops, 0, 4);
  tcase_add_test(c, one_gradient_does_not_depend_on_the_other);
  tcase_add_test(c, reductions_of_many_shapes);
  tcase_add_test(c, kinks_follow_pytorch);
  tcase_add_test(c, empty_tensors_flow_through);
  tcase_add_test(c, bad_arguments_are_refused);
  tcase_add_test(c, in_place_formulas_do_not_race_with_themselves);
}
CHECK_MAIN("ops", add_cases)
