/* The contract of autograd: recording, release, versions, hooks, inputs, and what backward leaves behind on errors. */
#include "harness.h"
#include "shared_context.h"
#include <clgrad/clgrad.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static clg_tensor *vec(int64_t n, const float *v) { return clg_tensor_create(ctx, 1, &n, v); }
static clg_tensor *leaf(int64_t n, const float *v) {
  clg_tensor *t = vec(n, v);
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}
static clg_tensor *total(clg_tensor *x) { return clg_sum(x, NULL, 0, false); }

static void expect(clg_tensor *t, int n, const float *want) {
  float got[64];
  ck_assert_ptr_nonnull(t);
  ck_assert_int_eq(clg_tensor_numel(t), n);
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  for (int i = 0; i < n; i++) ck_assert_float_eq_tol(got[i], want[i], 1e-5f);
}

/* The same for three elements of any size. */
static void expect_near(clg_tensor *t, const float *want) {
  float got[3];
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  for (int i = 0; i < 3; i++) ck_assert_float_eq_tol(got[i], want[i], 1e-5f * fabsf(want[i]));
}

static const float v3[] = {1, -2, 3}, w3[] = {0.5f, 4, -1};

START_TEST(records_only_what_needs_it) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = vec(3, v3), *w = leaf(3, w3);
  ck_assert(!clg_tensor_requires_grad(clg_add(x, x)));
  clg_tensor *y = clg_mul(x, w);
  ck_assert(clg_tensor_requires_grad(y) && !clg_tensor_is_leaf(y) && clg_tensor_is_leaf(w));
  bool before = clg_set_grad_mode(ctx, false);
  ck_assert(before);
  ck_assert(!clg_tensor_requires_grad(clg_mul(x, w)));
  clg_set_grad_mode(ctx, true);
  ck_assert(!clg_tensor_requires_grad(clg_detach(y)));
  ck_assert_int_eq(clg_tensor_set_requires_grad(y, false), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "clg_detach");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&x);
  clg_tensor_unref(&w);
}
END_TEST

/* A leaf that is frozen between forward and backward gets no gradient, and its ops do nothing, at either order. */
START_TEST(leaves_are_frozen_meanwhile) {
  for (int graph = 0; graph < 2; graph++) {
    clg_tensor *x = leaf(4, (float[]){1, 2, 3, 4}), *w = leaf(4, (float[]){1, 1, 2, 2});
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *y = clg_add(clg_amax(x, NULL, 0, false), clg_norm(x, 2, NULL, 0, false));
    y = clg_add(y, total(clg_add(clg_softmax(x, 0), clg_layer_norm(x, NULL, NULL, NULL))));
    y = clg_add(clg_add(y, clg_max(x, 0, false, NULL)), total(clg_square(w)));
    ck_assert_int_eq(clg_tensor_set_requires_grad(x, false), CLG_OK);
    ck_assert_int_eq(clg_backward(y, &(clg_backward_options){.create_graph = graph}), CLG_OK);
    ck_assert_ptr_null(clg_tensor_grad(x));
    expect(clg_tensor_grad(w), 4, (float[]){2, 2, 4, 4});
    clg_tensor_zero_grad(w);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    clg_tensor_unref(&x);
    clg_tensor_unref(&w);
  }
}
END_TEST

START_TEST(accumulates_and_drops) {
  clg_tensor *x = leaf(3, v3);
  for (int i = 1; i <= 3; i++) {
    clg_scope *s = clg_scope_open(ctx);
    ck_assert_int_eq(clg_backward(total(clg_mul(x, x)), NULL), CLG_OK);
    expect(clg_tensor_grad(x), 3, (float[]){2.0f * i, -4.0f * i, 6.0f * i});
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  clg_tensor_zero_grad(x);
  ck_assert_ptr_null(clg_tensor_grad(x));
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(second_backward_needs_what_was_released) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *y = total(clg_mul(x, x));
  clg_set_phase(ctx, "first pass");
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_ERR_GRAPH);
  ck_assert(strstr(clg_last_error(ctx), "a second time") && strstr(clg_last_error(ctx), "first pass"));
  ck_assert(strstr(clg_last_error(ctx), "retain_graph") && strstr(clg_last_error(ctx), "clg_detach"));
  test_expect_error(ctx, CLG_ERR_GRAPH, "mul");
  expect(clg_tensor_grad(x), 3, (float[]){2, -4, 6}); /* the failing call added nothing */
  clg_scope_close(s);
  /* Ops that save nothing never raise. */
  s = clg_scope_open(ctx);
  clg_tensor_zero_grad(x);
  y = total(clg_reshape(clg_neg(clg_add(x, x)), 2, (int64_t[]){3, 1}));
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  expect(clg_tensor_grad(x), 3, (float[]){-4, -4, -4});
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(retained_graph_runs_again) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *y = total(clg_mul(x, x));
  clg_backward_options o = clg_backward_defaults();
  o.retain_graph = true;
  ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  ck_assert_uint_gt(clg_memory(ctx).live, 0);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  expect(clg_tensor_grad(x), 3, (float[]){4, -8, 12});
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(inputs_restrict_work_and_release) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *a = leaf(3, v3), *b = leaf(3, w3);
  clg_tensor *inner = clg_mul(a, a), *y = total(clg_mul(inner, b));
  clg_tensor *const only_b[] = {b};
  clg_backward_options o = {.inputs = only_b, .n_inputs = 1};
  ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  ck_assert_ptr_null(clg_tensor_grad(a));
  expect(clg_tensor_grad(b), 3, (float[]){1, 4, 9});
  ck_assert_int_eq(clg_backward(total(inner), NULL), CLG_OK); /* the inner node kept what it saved */
  expect(clg_tensor_grad(a), 3, (float[]){2, -4, 6});
  o.n_inputs = 0;
  ck_assert_int_eq(clg_backward(y, &o), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "empty");
  clg_scope_close(s);
  clg_tensor_unref(&a);
  clg_tensor_unref(&b);
}
END_TEST

START_TEST(changed_saved_tensor_is_caught) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *c = vec(3, w3), *y = total(clg_mul(x, c));
  ck_assert_int_eq(clg_fill_(c, 7), CLG_OK);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_ERR_GRAPH);
  ck_assert(strstr(clg_last_error(ctx), "mul") && strstr(clg_last_error(ctx), "version 0, now 1"));
  test_expect_error(ctx, CLG_ERR_GRAPH, "fill_");
  ck_assert_ptr_null(clg_tensor_grad(x));
  /* through a view, and through a detached tensor */
  clg_tensor *z = total(clg_mul(x, c)), *part = clg_narrow(c, 0, 1, 1);
  ck_assert_int_eq(clg_fill_(part, 1), CLG_OK);
  ck_assert_uint_eq(clg_tensor_version(c), 2);
  ck_assert_int_eq(clg_backward(z, NULL), CLG_ERR_GRAPH);
  clg_clear_error(ctx);
  clg_tensor *d = clg_detach(c);
  ck_assert(clg_tensor_shares_storage(c, d));
  ck_assert_int_eq(clg_fill_(d, 0), CLG_OK);
  ck_assert_uint_eq(clg_tensor_version(c), 3);
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_tensor_unref(&c);
}
END_TEST

START_TEST(in_place_is_refused_where_it_would_lie) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *y = clg_exp(x);
  ck_assert_int_eq(clg_fill_(x, 0), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "leaf");
  ck_assert_int_eq(clg_fill_(y, 0), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "has a graph");
  clg_map_input in[] = {{"o", x, 0}};
  clg_tensor *plain = vec(3, w3);
  ck_assert_int_eq(clg_map_(plain, "x + o", in, 1), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "not recorded");
  clg_set_grad_mode(ctx, false);
  ck_assert_int_eq(clg_fill_(x, 2), CLG_OK);
  ck_assert_int_eq(clg_map_(x, "x*x + 1", NULL, 0), CLG_OK);
  clg_set_grad_mode(ctx, true);
  expect(x, 3, (float[]){5, 5, 5});
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_tensor_unref(&plain);
}
END_TEST

static int hook_calls;
static clg_tensor *doubling(void *user, clg_tensor *g) {
  hook_calls++;
  ck_assert_ptr_eq(user, &hook_calls);
  return clg_tensor_ref(clg_mul_scalar(g, 2));
}
static clg_tensor *watching(void *user, clg_tensor *g) {
  (void)g;
  ++*(int *)user;
  return NULL;
}

START_TEST(hooks_see_and_replace) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *inner = clg_mul(x, x);
  int seen = 0;
  hook_calls = 0;
  uint64_t id = clg_tensor_add_hook(inner, doubling, &hook_calls);
  ck_assert_uint_ne(id, 0);
  ck_assert_uint_ne(clg_tensor_add_hook(x, watching, &seen), 0);
  ck_assert_int_eq(clg_backward(total(clg_add(inner, inner)), NULL), CLG_OK);
  expect(clg_tensor_grad(x), 3, (float[]){8, -16, 24});
  ck_assert_int_eq(hook_calls, 1); /* once, on the complete gradient */
  ck_assert_int_eq(seen, 1);
  clg_tensor *other = clg_mul(x, x);
  id = clg_tensor_add_hook(other, doubling, &hook_calls);
  ck_assert_int_eq(clg_tensor_remove_hook(other, id), CLG_OK);
  ck_assert_int_eq(clg_tensor_remove_hook(other, id), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  clg_tensor_zero_grad(x);
  ck_assert_int_eq(clg_backward(total(other), NULL), CLG_OK);
  expect(clg_tensor_grad(x), 3, (float[]){2, -4, 6});
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(non_leaf_keeps_its_gradient_when_asked) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *y = clg_mul(x, x), *z = clg_mul_scalar(y, 3);
  ck_assert_int_eq(clg_tensor_retain_grad(y), CLG_OK);
  ck_assert_int_eq(clg_backward(total(z), NULL), CLG_OK);
  expect(clg_tensor_grad(y), 3, (float[]){3, 3, 3});
  ck_assert_ptr_null(clg_tensor_grad(z));
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(grad_returns_and_leaves_grad_alone) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *w = leaf(3, w3), *unused = leaf(3, w3);
  clg_tensor *mid = clg_mul(x, w), *y = total(clg_mul(mid, mid)), *g[3];
  clg_backward_options keep = {.retain_graph = true};
  clg_tensor *const in[] = {x, mid, x};
  ck_assert_int_eq(clg_grad(y, in, 3, g, &keep), CLG_OK);
  expect(g[0], 3, (float[]){0.5f, -64, 6});
  expect(g[1], 3, (float[]){1, -16, -6});
  expect(g[2], 3, (float[]){0.5f, -64, 6});
  ck_assert(!clg_tensor_grad(x) && !clg_tensor_grad(w));
  clg_tensor *const two[] = {w, unused};
  keep.allow_unused = true;
  ck_assert_int_eq(clg_grad(y, two, 2, g, &keep), CLG_OK);
  ck_assert(g[0] && !g[1]);
  ck_assert_int_eq(clg_grad(y, two, 2, g, NULL), CLG_ERR_GRAPH);
  ck_assert(!g[0] && !g[1]);
  test_expect_error(ctx, CLG_ERR_GRAPH, "does not depend on input 1");
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_tensor_unref(&w);
  clg_tensor_unref(&unused);
}
END_TEST

START_TEST(roots_are_checked) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *plain = vec(3, v3);
  ck_assert_int_eq(clg_backward(clg_mul(x, x), NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "[3]");
  ck_assert_int_eq(clg_backward(total(plain), NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "does not require grad");
  clg_backward_options o = {.grad = total(plain)};
  ck_assert_int_eq(clg_backward(clg_mul(x, x), &o), CLG_ERR_SHAPE);
  clg_clear_error(ctx);
  o.grad = plain;
  ck_assert_int_eq(clg_backward(clg_mul(x, x), &o), CLG_OK);
  expect(clg_tensor_grad(x), 3, (float[]){2, 8, 18});
  /* a leaf is its own root; its gradient is not the caller's tensor */
  clg_tensor *w = leaf(3, w3);
  o.grad = plain;
  ck_assert_int_eq(clg_backward(w, &o), CLG_OK);
  expect(clg_tensor_grad(w), 3, v3);
  ck_assert(!clg_tensor_shares_storage(clg_tensor_grad(w), plain));
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_tensor_unref(&w);
  clg_tensor_unref(&plain);
}
END_TEST

START_TEST(shared_inputs_are_summed) {
  clg_scope *s = clg_scope_open(ctx);
  int64_t square[] = {2, 2};
  clg_tensor *w = clg_tensor_create(ctx, 2, square, (float[]){1, 2, 3, 4}),
             *x = clg_tensor_create(ctx, 2, square, (float[]){1, 0, 0, 1});
  clg_tensor_set_requires_grad(w, true);
  /* w in two products: d/dw sum((x w^T) w^T) */
  ck_assert_int_eq(clg_backward(total(clg_linear(clg_linear(x, w, NULL, NULL), w, NULL, NULL)), NULL), CLG_OK);
  float g[4], want[4] = {0};
  float W[2][2] = {{1, 2}, {3, 4}};
  for (int a = 0; a < 2; a++) /* f = sum_ij (W^T W^T)_ij */
    for (int b = 0; b < 2; b++) want[2 * a + b] = (W[0][a] + W[1][a]) + (W[b][0] + W[b][1]);
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(w), g), CLG_OK);
  for (int i = 0; i < 4; i++) ck_assert_float_eq_tol(g[i], want[i], 1e-5f);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&w);
  clg_tensor_unref(&x);
}
END_TEST

/* Host offload: what is saved leaves the device. */
typedef struct parked {
  int ndim;
  int64_t shape[CLG_MAX_DIMS];
  float data[64];
} parked;
static int packs, unpacks, drops;
static void *park(void *user, clg_tensor *t) {
  parked *p = malloc(sizeof *p);
  (void)user;
  packs++;
  p->ndim = clg_tensor_ndim(t);
  memcpy(p->shape, clg_tensor_shape(t), (size_t)p->ndim * sizeof *p->shape);
  ck_assert_int_eq(clg_tensor_read(t, p->data), CLG_OK);
  return p;
}
static clg_tensor *fetch(void *user, void *packed) {
  parked *p = packed;
  (void)user;
  unpacks++;
  return clg_tensor_create(ctx, p->ndim, p->shape, p->data);
}
static void discard(void *user, void *packed) {
  (void)user;
  drops++;
  free(packed);
}

START_TEST(saved_hooks_pack_and_unpack) {
  clg_saved_hooks hooks = {park, fetch, discard, NULL};
  packs = unpacks = drops = 0;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3);
  ck_assert_int_eq(clg_push_saved_hooks(ctx, &hooks), CLG_OK);
  clg_tensor *y = total(clg_exp(clg_mul(x, x)));
  ck_assert_int_eq(clg_pop_saved_hooks(ctx), CLG_OK);
  ck_assert_int_gt(packs, 0);
  ck_assert_uint_eq(clg_memory(ctx).saved, 0);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  expect_near(clg_tensor_grad(x), (float[]){2 * expf(1), -4 * expf(4), 6 * expf(9)});
  ck_assert_int_eq(unpacks, packs);
  ck_assert_int_eq(drops, packs);
  ck_assert_int_eq(clg_pop_saved_hooks(ctx), CLG_ERR_STATE);
  clg_clear_error(ctx);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(scopes_own_results) {
  uint64_t before = clg_memory(ctx).live;
  clg_scope *outer = clg_scope_open(ctx), *inner = clg_scope_open(ctx);
  clg_tensor *x = vec(3, v3), *kept = clg_exp(clg_exp(x));
  clg_tensor *mine = clg_tensor_ref(clg_neg(kept));
  ck_assert_ptr_eq(clg_scope_close_with(inner, kept), kept);
  expect_near(mine, (float[]){-expf(expf(1)), -expf(expf(-2)), -expf(expf(3))});
  ck_assert_int_eq(clg_scope_close(outer), CLG_OK);
  clg_tensor_unref(&mine);
  clg_tensor_unref(&x);
  ck_assert_uint_eq(clg_memory(ctx).live, before);
  /* errors raised since a scope opened, and not those before */
  outer = clg_scope_open(ctx);
  ck_assert_ptr_null(clg_full(ctx, 1, (int64_t[]){-1}, 0));
  inner = clg_scope_open(ctx);
  ck_assert_int_eq(clg_scope_close(inner), CLG_OK);
  ck_assert_int_eq(clg_scope_close(outer), CLG_ERR_SHAPE);
  clg_clear_error(ctx);
  ck_assert_ptr_null(clg_exp(NULL));
}
END_TEST

START_TEST(memory_falls_during_backward) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(3, v3), *y = total(clg_exp(clg_exp(clg_exp(x))));
  ck_assert_uint_eq(clg_memory(ctx).saved, 3 * 12);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  ck_assert_uint_eq(clg_memory(ctx).saved, 0);
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_SAVED], 0);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&x);
}
END_TEST

/* A chain this long would overflow the stack of anything that recurses. */
static void run_chain(clg_context *c, int n) {
  clg_tensor *x = clg_tensor_create(c, 1, (int64_t[]){3}, v3), *up = clg_tensor_create(c, 1, (int64_t[]){3}, w3);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = clg_tensor_ref(x);
  for (int i = 0; y && i < n; i++) {
    clg_tensor *next = clg_neg(y); /* no scope is open: the result is ours */
    clg_tensor_unref(&y);
    y = next;
  }
  ck_assert_ptr_nonnull(y);
  ck_assert_int_eq(clg_backward(y, &(clg_backward_options){.grad = up}), CLG_OK);
  if (!clg_context_is_plan(c)) expect(clg_tensor_grad(x), 3, w3);
  clg_tensor_unref(&up);
  clg_tensor_unref(&y);
  clg_tensor_unref(&x);
}

START_TEST(long_chains_do_not_recurse) {
  run_chain(ctx, 50000);
  clg_context *plan = NULL;
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  run_chain(plan, 1000000);
  test_context_close(&plan);
}
END_TEST

/* The article's step with nothing done about it: D's plain backward has released G's graph. */
START_TEST(naive_step_fails_and_leaves_a_usable_context) {
  clg_set_seed(ctx, 3, 0);
  clg_module *G = clg_linear_create(ctx, 4, 5, true, NULL);
  clg_module *D = clg_sequential_create(ctx,
                                        (clg_module *[]){clg_linear_create(ctx, 5, 6, true, NULL),
                                                         clg_activation_create(ctx, (clg_act){"tanh", {0}}),
                                                         clg_linear_create(ctx, 6, 1, true, NULL)},
                                        3);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *z = clg_randn(ctx, 2, (int64_t[]){8, 4}), *fake = clg_tanh(clg_forward(G, z));
  ck_assert_int_eq(clg_backward(total(clg_forward(D, fake)), NULL), CLG_OK);
  clg_module_zero_grad(D);
  clg_module_zero_grad(G);
  clg_tensor *loss = total(clg_forward(D, fake));
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "tanh");
  size_t n;
  clg_tensor *const *p = clg_module_parameters(D, &n);
  for (size_t i = 0; i < n; i++) ck_assert_ptr_nonnull(clg_tensor_grad(p[i]));
  p = clg_module_parameters(G, &n);
  for (size_t i = 0; i < n; i++) ck_assert_ptr_null(clg_tensor_grad(p[i]));
  ck_assert_int_eq(clg_backward(total(clg_forward(D, clg_forward(G, z))), NULL), CLG_OK);
  clg_scope_close(s);
  clg_module_unref(&G);
  clg_module_unref(&D);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("graph");
  share_context(c);
  tcase_add_test(c, records_only_what_needs_it);
  tcase_add_test(c, leaves_are_frozen_meanwhile);
  tcase_add_test(c, accumulates_and_drops);
  tcase_add_test(c, second_backward_needs_what_was_released);
  tcase_add_test(c, retained_graph_runs_again);
  tcase_add_test(c, inputs_restrict_work_and_release);
  tcase_add_test(c, changed_saved_tensor_is_caught);
  tcase_add_test(c, in_place_is_refused_where_it_would_lie);
  tcase_add_test(c, hooks_see_and_replace);
  tcase_add_test(c, non_leaf_keeps_its_gradient_when_asked);
  tcase_add_test(c, grad_returns_and_leaves_grad_alone);
  tcase_add_test(c, roots_are_checked);
  tcase_add_test(c, shared_inputs_are_summed);
  tcase_add_test(c, saved_hooks_pack_and_unpack);
  tcase_add_test(c, scopes_own_results);
  tcase_add_test(c, memory_falls_during_backward);
  tcase_add_test(c, long_chains_do_not_recurse);
  tcase_add_test(c, naive_step_fails_and_leaves_a_usable_context);
  tcase_set_timeout(c, 120);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("graph", add_cases)
