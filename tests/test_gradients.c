/* Gradients in users' hands: kept, changed in place, replaced by hooks, given from outside. None of it may reach a
 * later backward. */
#include "harness.h"
#include "shared_context.h"
#include <clgrad/nn.h>
#include <clgrad/optim.h>
#include <math.h>

static clg_tensor *leaf(int64_t n, const float *v) {
  clg_tensor *t = clg_tensor_create(ctx, 1, &n, v);
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}
static clg_tensor *total(clg_tensor *x) { return clg_sum(x, NULL, 0, false); }
static clg_status backward(clg_tensor *root) { return clg_backward(root, NULL); }

/* d(factor * x)/dx after zero_grad, which must be the factor. */
static void still_right(clg_tensor *x, float factor) {
  float g[2] = {0};
  clg_tensor_zero_grad(x);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_int_eq(backward(total(clg_mul_scalar(x, factor))), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(x), g), CLG_OK);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  for (int64_t i = 0; i < clg_tensor_numel(x); i++) ck_assert_float_eq(g[i], factor);
}

START_TEST(asked_for_and_changed) {
  clg_tensor *x = leaf(1, (float[]){3}), *y = leaf(2, (float[]){1, 2}), *g = NULL;
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_int_eq(clg_grad(clg_add_scalar(x, 1), &x, 1, &g, NULL), CLG_OK);
  ck_assert_int_eq(clg_fill_(g, 7), CLG_OK);
  still_right(x, 10);
  clg_tensor *sum = total(y);
  ck_assert_int_eq(clg_grad(sum, &sum, 1, &g, NULL), CLG_OK);
  ck_assert_int_eq(clg_fill_(g, 5), CLG_OK);
  still_right(y, 4);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  still_right(x, 2);
  clg_tensor_unref(&x);
  clg_tensor_unref(&y);
}
END_TEST

static clg_tensor *doubles_in_place(void *user, clg_tensor *grad) {
  (void)user;
  ck_assert_int_eq(clg_map_(grad, "x*2", NULL, 0), CLG_OK);
  return NULL;
}

START_TEST(changed_by_a_hook) {
  clg_tensor *x = leaf(1, (float[]){3});
  for (int i = 0; i < 3; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *y = clg_add_scalar(x, 1);
    ck_assert_uint_ne(clg_tensor_add_hook(y, doubles_in_place, NULL), 0);
    ck_assert_int_eq(backward(y), CLG_OK);
    ck_assert_float_eq(clg_tensor_item(clg_tensor_grad(x)), 2);
    clg_tensor_zero_grad(x);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  clg_tensor_unref(&x);
}
END_TEST

static struct {
  clg_tensor *t;
  uint64_t id[4];
  int calls, adds;
} chain;
static clg_tensor *counts(void *user, clg_tensor *grad) {
  (void)user, (void)grad;
  chain.calls++;
  return NULL;
}
static clg_tensor *removes_all(void *user, clg_tensor *grad) {
  (void)user, (void)grad;
  for (int i = 0; i < 3; i++) ck_assert_int_eq(clg_tensor_remove_hook(chain.t, chain.id[i]), CLG_OK);
  ck_assert_uint_ne(clg_tensor_add_hook(chain.t, counts, NULL), 0);
  chain.adds++;
  return NULL;
}

START_TEST(hooks_that_remove_others) {
  clg_tensor *x = leaf(1, (float[]){3});
  chain.t = x, chain.calls = chain.adds = 0;
  chain.id[0] = clg_tensor_add_hook(x, counts, NULL);
  chain.id[1] = clg_tensor_add_hook(x, removes_all, NULL);
  chain.id[2] = clg_tensor_add_hook(x, counts, NULL);
  still_right(x, 2);
  ck_assert_int_eq(chain.calls, 1); /* not the third, which is gone, nor the one that came */
  still_right(x, 2);
  ck_assert_int_eq(chain.calls, 2);
  ck_assert_int_eq(chain.adds, 1);
  clg_tensor_unref(&x);
}
END_TEST

static clg_tensor *drops(void *user, clg_tensor *grad) {
  (void)grad;
  clg_tensor_unref(user);
  return NULL;
}

/* The root is a leaf, and its hook lets go of the last handle. */
START_TEST(a_hook_drops_the_root) {
  clg_tensor *x = leaf(1, (float[]){3});
  ck_assert_uint_ne(clg_tensor_add_hook(x, drops, &x), 0);
  ck_assert_int_eq(backward(x), CLG_OK);
  ck_assert_ptr_null(x);
}
END_TEST

static clg_tensor *gives(void *user, clg_tensor *grad) {
  (void)grad;
  return clg_tensor_ref(user);
}

START_TEST(foreign_ones_are_refused) {
  clg_context *other = test_context_open();
  clg_tensor *x = leaf(2, (float[]){3, 4});
  int64_t two = 2;
  clg_tensor *ints = clg_tensor_create_i32(ctx, 1, &two, (int32_t[]){1, 2}), *theirs = clg_full(other, 1, &two, 1),
             *both[] = {ints, theirs};
  for (int i = 0; i < 2; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_backward_options o = clg_backward_defaults();
    clg_tensor *y = clg_mul_scalar(x, 2);
    o.grad = both[i];
    ck_assert_int_ne(clg_backward(y, &o), CLG_OK);
    test_expect_error(ctx, CLG_ERR_ARGUMENT, i ? "another context" : "int32");
    uint64_t id = clg_tensor_add_hook(y, gives, both[i]);
    ck_assert_int_ne(backward(total(y)), CLG_OK);
    test_expect_error(ctx, CLG_ERR_ARGUMENT, i ? "another context" : "int32");
    ck_assert_int_eq(clg_tensor_remove_hook(y, id), CLG_OK);
    clg_scope_close(s);
    still_right(x, 3);
  }
  clg_tensor_unref(&x);
  clg_tensor_unref(&ints);
  clg_tensor_unref(&theirs);
  test_context_close(&other);
}
END_TEST

/* zero_grad drops a module's gradient as any other: who holds it keeps its numbers. */
START_TEST(kept_over_zero_grad) {
  clg_module *m = clg_linear_create(ctx, 2, 1, false, NULL);
  float before[2], after[2], fresh[2];
  clg_tensor *held = NULL;
  for (int i = 0; i < 3; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_full(ctx, 2, (int64_t[]){1, 2}, (float)(i + 1)), *y = clg_forward(m, x);
    clg_tensor *w = clg_module_parameters(m, NULL)[0];
    ck_assert_int_eq(backward(total(y)), CLG_OK);
    ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(w), fresh), CLG_OK);
    ck_assert_float_eq(fresh[0], (float)(i + 1));
    if (i == 1) {
      held = clg_tensor_ref(clg_tensor_grad(w));
      ck_assert_int_eq(clg_tensor_read(held, before), CLG_OK);
    }
    clg_tensor_zero_grad(w);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  ck_assert_int_eq(clg_tensor_read(held, after), CLG_OK);
  for (int i = 0; i < 2; i++) ck_assert_float_eq(after[i], before[i]);
  clg_tensor_unref(&held);
  clg_module_unref(&m);
}
END_TEST

/* A batch with NaN spoils its own gradients, not the next ones, whatever lies between parameters. */
START_TEST(clipping_forgets_nan) {
  clg_module *m = clg_linear_create(ctx, 3, 5, true, NULL);
  float norm[3];
  for (int i = 0; i < 3; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *const *p = clg_module_parameters(m, NULL);
    clg_tensor *y = clg_forward(m, clg_full(ctx, 2, (int64_t[]){2, 3}, i == 1 ? NAN : 1));
    ck_assert_int_eq(backward(total(y)), CLG_OK);
    norm[i] = clg_tensor_item(clg_clip_grad_norm(ctx, p, 2, 1));
    for (int k = 0; k < 2; k++) clg_tensor_zero_grad(p[k]);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  ck_assert_float_nan(norm[1]);
  ck_assert_float_eq(norm[0], norm[2]);
  clg_module_unref(&m);
}
END_TEST

/* Several elements that are one cannot take several values. */
START_TEST(expanded_tensors_are_not_changed) {
  clg_tensor *x = clg_full(ctx, 1, (int64_t[]){1}, 1);
  float v[3] = {1, 2, 3};
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *e = clg_expand(x, 1, (int64_t[]){3}), *one = clg_expand(x, 2, (int64_t[]){1, 1});
  ck_assert_int_eq(clg_map_(e, "x + 1", NULL, 0), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "map_: an expanded tensor");
  ck_assert_int_eq(clg_fill_(e, 2), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "expanded");
  ck_assert_int_eq(clg_tensor_write(e, v), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "expanded");
  ck_assert_int_eq(clg_randn_(e, 0, 1), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "expanded");
  ck_assert_int_eq(clg_copy_(e, clg_full(ctx, 1, (int64_t[]){3}, 1)), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "expanded");
  ck_assert_int_eq(clg_fill_(one, 5), CLG_OK);
  ck_assert_float_eq(clg_tensor_item(x), 5);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

/* NaN goes through relu, its gradient too, alone and behind a layer: divergence is not hidden. */
START_TEST(relu_lets_nan_through) {
  float v[4] = {NAN, -1, 0, 2}, y[4], g[4];
  int64_t four = 4;
  for (int fused = 0; fused < 2; fused++) {
    clg_tensor *x = leaf(4, v), *eye = clg_full(ctx, 2, (int64_t[]){1, 1}, 1);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *out =
        fused ? clg_linear(clg_reshape(x, 2, (int64_t[]){4, 1}), eye, NULL, &(clg_linear_options){{"relu", {0}}})
              : clg_relu(x);
    out = clg_reshape(out, 1, &four);
    ck_assert_int_eq(backward(total(out)), CLG_OK);
    ck_assert_int_eq(clg_tensor_read(out, y), CLG_OK);
    ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(x), g), CLG_OK);
    ck_assert_float_nan(y[0]);
    ck_assert_float_eq(g[0], 1);
    for (int i = 1; i < 4; i++) ck_assert(y[i] == (i == 3 ? 2 : 0) && g[i] == (i == 3));
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    clg_tensor_unref(&x);
    clg_tensor_unref(&eye);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("gradients");
  share_context(c);
  tcase_add_test(c, asked_for_and_changed);
  tcase_add_test(c, changed_by_a_hook);
  tcase_add_test(c, hooks_that_remove_others);
  tcase_add_test(c, a_hook_drops_the_root);
  tcase_add_test(c, foreign_ones_are_refused);
  tcase_add_test(c, kept_over_zero_grad);
  tcase_add_test(c, clipping_forgets_nan);
  tcase_add_test(c, expanded_tensors_are_not_changed);
  tcase_add_test(c, relu_lets_nan_through);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("gradients", add_cases)
