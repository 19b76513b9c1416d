/* Ops beside their table (test_ops.c): forms of one op against each other bit for bit, reductions of many shapes, edge
 * shapes, and error paths. */
#include "op_check.h"

enum { N = 1000 };
START_TEST(fused_activation_equals_two_ops) {
  static const char *act[] = {"relu", "leaky_relu", "tanh", "sigmoid"};
  enum { M = 37, K = 29, O = 45 };
  static float x[M * K], w[O * K], b[O], u[M * O], out[2][M * O], grad[2][3][M * O];
  random_state = 5;
  fill_random(x, M * K, -1, 1), fill_random(w, O * K, -1, 1), fill_random(b, O, -1, 1), fill_random(u, M * O, -1, 1);
  for (int fused = 0; fused < 2; fused++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *t[] = {clg_tensor_create(ctx, 2, (int64_t[]){M, K}, x), clg_tensor_create(ctx, 2, (int64_t[]){O, K}, w),
                       clg_tensor_create(ctx, 1, (int64_t[]){O}, b), clg_tensor_create(ctx, 2, (int64_t[]){M, O}, u)};
    for (int i = 0; i < 3; i++) clg_tensor_set_requires_grad(t[i], true);
    clg_tensor *z = fused ? NULL : clg_linear(t[0], t[1], t[2], NULL);
    clg_tensor *y = fused     ? clg_linear(t[0], t[1], t[2], &(clg_linear_options){{act[_i], {0.2f}}})
                    : _i == 0 ? clg_relu(z)
                    : _i == 1 ? clg_leaky_relu(z, 0.2f)
                    : _i == 2 ? clg_tanh(z)
                              : clg_sigmoid(z);
    read_all(y, out[fused]);
    ck_assert_int_eq(clg_backward(y, &(clg_backward_options){.grad = t[3]}), CLG_OK);
    for (int i = 0; i < 3; i++) read_all(clg_tensor_grad(t[i]), grad[fused][i]);
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
    clg_tensor_set_requires_grad(a, true);
    clg_tensor_set_requires_grad(b, pass == 0);
    clg_map_input in[] = {{"a", a, 0}, {"b", b, 0}};
    ck_assert_int_eq(clg_backward(clg_sum(clg_map(ctx, "tanh(a*b)*exp(a)/b", in, 2), NULL, 0, false), NULL), CLG_OK);
    read_all(clg_tensor_grad(a), pass ? alone : both);
    clg_scope_close(s);
    clg_tensor_unref(&a);
    clg_tensor_unref(&b);
  }
  ck_assert_int_eq(memcmp(both, alone, sizeof both), 0);
}
END_TEST

/* Of eight tensors: some parts of one, whose gradients are alike, one broadcast, one twice. One
 * kernel makes those that no sum is behind, and each has the bits that it has when it is asked for alone. */
START_TEST(many_gradients_at_once_are_those_of_each) {
  enum { R = 7, C = 33 };
  static float v[6][R * 3 * C], all[6][R * 3 * C], one[R * 3 * C];
  static const int64_t shapes[6][2] = {{R, 3 * C}, {R, 2 * C}, {R, C}, {1, C}, {R, C}, {R, C}};
  clg_tensor *t[6], *g = NULL;
  random_state = 11;
  for (int i = 0; i < 6; i++) {
    fill_random(v[i], R * 3 * C, 0.5f, 2);
    t[i] = clg_tensor_create(ctx, 2, shapes[i], v[i]);
    clg_tensor_set_requires_grad(t[i], true);
  }
  clg_scope *s = clg_scope_open(ctx);
  clg_map_input in[] = {{"a", clg_narrow(t[0], 1, 0, C), 0},
                        {"b", clg_narrow(t[1], 1, 0, C), 0},
                        {"c", clg_narrow(t[0], 1, C, C), 0},
                        {"d", clg_narrow(t[1], 1, C, C), 0},
                        {"e", clg_mul_scalar(t[2], 2), 0},
                        {"f", t[3], 0},
                        {"g", t[4], 0},
                        {"h", t[5], 0}};
  clg_tensor *y = clg_map(ctx, "sigmoid(a + b)*tanh(c - d)*e + f*g*exp(h)/(1 + e*e)", in, 8), *up = clg_detach(y);
  clg_backward_options o = clg_backward_defaults();
  o.grad = up, o.retain_graph = true;
  ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  for (int i = 0; i < 6; i++) read_all(clg_tensor_grad(t[i]), all[i]);
  for (int i = 0; i < 6; i++) {
    ck_assert_int_eq(clg_grad(y, &t[i], 1, &g, &o), CLG_OK);
    read_all(g, one);
    ck_assert_int_eq(memcmp(one, all[i], (size_t)clg_tensor_numel(t[i]) * sizeof *one), 0);
  }
  clg_tensor *const both[] = {t[4], t[5]};
  clg_tensor *grads[2];
  uint64_t before = clg_context_counters(ctx).launches;
  ck_assert_int_eq(clg_grad(y, both, 2, grads, &o), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(ctx).launches - before, 1);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  for (int i = 0; i < 6; i++) clg_tensor_unref(&t[i]);
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

/* What comes back to a branch that was not taken does nothing there, whatever it is; what holds at kinks themselves is
 * the op table's. */
START_TEST(branches_not_taken_add_nothing) {
  const struct {
    bool clamp;
    float x, up;
  } k[] = {{false, -1, INFINITY}, {true, 2, INFINITY}, {false, -1, NAN}};
  for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_tensor_create(ctx, 1, (int64_t[]){1}, &k[i].x),
               *up = clg_tensor_create(ctx, 1, (int64_t[]){1}, &k[i].up);
    clg_tensor_set_requires_grad(x, true);
    clg_tensor *y = k[i].clamp ? clg_clamp(x, 0.6f, 1.3f) : clg_relu(x);
    ck_assert_int_eq(clg_backward(y, &(clg_backward_options){.grad = up}), CLG_OK);
    ck_assert_float_eq(clg_tensor_item(clg_tensor_grad(x)), 0);
    clg_scope_close(s);
    clg_tensor_unref(&x);
    clg_tensor_unref(&up);
  }
}
END_TEST

START_TEST(ties_share_evenly) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 1, (int64_t[]){4}, (float[]){2, 1, 2, 2});
  clg_tensor_set_requires_grad(x, true);
  float g[4];
  ck_assert_int_eq(clg_backward(clg_amax(x, NULL, 0, false), NULL), CLG_OK);
  read_all(clg_tensor_grad(x), g);
  for (int i = 0; i < 4; i++) ck_assert_float_eq_tol(g[i], i == 1 ? 0 : 1.0f / 3, 1e-6f);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(empty_tensors_flow_through) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){0, 5}, NULL),
             *w = clg_tensor_create(ctx, 2, (int64_t[]){3, 5}, NULL);
  clg_tensor_set_requires_grad(w, true);
  clg_tensor *y = clg_sum(clg_relu(clg_linear(x, w, NULL, NULL)), NULL, 0, false);
  ck_assert_float_eq(clg_tensor_item(y), 0);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  float g[15];
  read_all(clg_tensor_grad(w), g);
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
  refused(clg_linear(a, v, NULL, NULL), CLG_ERR_SHAPE, "linear");
  refused(clg_linear(a, b, clg_full(ctx, 1, (int64_t[]){3}, 0), NULL), CLG_ERR_SHAPE, "bias [3]");
  refused(clg_layer_norm(a, v, NULL, NULL), CLG_ERR_SHAPE, "gamma [4]");
  refused(clg_sum(a, (int[]){2}, 1, false), CLG_ERR_SHAPE, "dimension 2");
  refused(clg_mean(a, (int[]){1, -1}, 2, false), CLG_ERR_SHAPE, "twice");
  refused(clg_amax(a, (int[]){-3}, 1, false), CLG_ERR_SHAPE, "dimension -3");
  refused(clg_reshape(a, 2, (int64_t[]){4, 4}), CLG_ERR_SHAPE, "[3,5]");
  refused(clg_reshape(a, 2, (int64_t[]){-1, 4}), CLG_ERR_SHAPE, "reshape");
  refused(clg_permute(a, (int[]){0, 0}, 2), CLG_ERR_SHAPE, "twice");
  refused(clg_transpose(a, 0, 2), CLG_ERR_SHAPE, "dimension 2");
  refused(clg_narrow(a, 0, 2, 2), CLG_ERR_SHAPE, "narrow");
  refused(clg_expand(a, 2, (int64_t[]){3, 6}), CLG_ERR_SHAPE, "expand");
  refused(clg_full(ctx, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 0), CLG_ERR_SHAPE, "9 dimensions");
  refused(clg_full(ctx, 2, (int64_t[]){1 << 20, 1 << 20}, 0), CLG_ERR_SHAPE, "2^31");
  refused(clg_linear(a, b, NULL, &(clg_linear_options){{"rellu", {0}}}), CLG_ERR_ARGUMENT, "rellu");
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
  tcase_add_loop_test(c, fused_activation_equals_two_ops, 0, 4);
  tcase_add_test(c, one_gradient_does_not_depend_on_the_other);
  tcase_add_test(c, many_gradients_at_once_are_those_of_each);
  tcase_add_test(c, reductions_of_many_shapes);
  tcase_add_test(c, branches_not_taken_add_nothing);
  tcase_add_test(c, ties_share_evenly);
  tcase_add_test(c, empty_tensors_flow_through);
  tcase_add_test(c, bad_arguments_are_refused);
  tcase_add_test(c, in_place_formulas_do_not_race_with_themselves);
}
CHECK_MAIN("ops_forms", add_cases)
