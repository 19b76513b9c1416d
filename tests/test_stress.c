/* What user code may do to the graph and the borders of the library: hooks that keep what they see, gradients that come
 * with a graph, segments that hand on what they get, tensors of another context, shapes that do not fit 64 bits, text
 * for a terminal. On plans, whose books are as exact as a device's. */
#include "context.h"
#include "harness.h"

enum { SIZE = 1000, BYTES = SIZE * sizeof(float) };
static const int64_t size[] = {SIZE};
static clg_context *ctx, *other;

static clg_context *open_plan(void) {
  clg_context *plan = NULL;
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  return plan;
}
static void open_contexts(void) { ctx = open_plan(), other = open_plan(); }
static void close_contexts(void) { test_context_close(&other), test_context_close(&ctx); }

static clg_tensor *leaf(clg_context *in) {
  clg_tensor *x = clg_tensor_create(in, 1, size, NULL);
  ck_assert_int_eq(clg_tensor_set_requires_grad(x, true), CLG_OK);
  return x;
}
static clg_tensor *total(clg_tensor *x) { return clg_sum(x, NULL, 0, false); }

/* The leaf, what `more` says, and the constant that backward starts from. */
static void expect_left(uint64_t more) { ck_assert_uint_le(clg_memory(ctx).live, BYTES + more + sizeof(float)); }

/* ---- saved-tensor hooks ---- */

static void *keep_it(void *user, clg_tensor *t) { return (void)user, clg_tensor_ref(t); }
static void *keep_detached(void *user, clg_tensor *t) {
  (void)user;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *d = clg_tensor_ref(clg_detach(t));
  clg_scope_close(s);
  return d;
}
/* A result of ops on what it sees: must not be recorded. */
static void *keep_scaled(void *user, clg_tensor *t) {
  (void)user;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *d = clg_tensor_ref(clg_mul_scalar(t, 2));
  ck_assert(!clg_grad_mode(ctx) && !clg_tensor_requires_grad(d));
  clg_scope_close(s);
  return d;
}
static clg_tensor *give_it(void *user, void *packed) {
  ck_assert(clg_tensor_is_leaf(packed));
  return (void)user, clg_tensor_ref(packed);
}
static clg_tensor *give_indices(void *user, void *packed) {
  const clg_tensor *t = packed;
  (void)user;
  return clg_tensor_create_i32(ctx, clg_tensor_ndim(t), clg_tensor_shape(t), NULL);
}
static clg_tensor *give_foreign(void *user, void *packed) {
  const clg_tensor *t = packed;
  (void)user;
  return clg_tensor_create(other, clg_tensor_ndim(t), clg_tensor_shape(t), NULL);
}
static void drop_it(void *user, void *packed) {
  clg_tensor *t = packed;
  (void)user;
  clg_tensor_unref(&t);
}

static void *(*const packs[])(void *, clg_tensor *) = {keep_it, keep_detached, keep_scaled};
/* Of inputs, results, and both. */
static clg_tensor *saves(clg_tensor *x) { return clg_mul(clg_sigmoid(clg_square(clg_tanh(x))), x); }

START_TEST(hooks_that_keep_what_they_see_leave_nothing) {
  for (int how = 0; how < 4 * 3; how++) { /* no backward, plain, retained, create_graph */
    clg_tensor *x = leaf(ctx), *g = NULL;
    const clg_saved_hooks hooks = {packs[how / 4], give_it, drop_it, NULL};
    for (int i = 0; i < 3; i++) {
      clg_scope *s = clg_scope_open(ctx);
      clg_push_saved_hooks(ctx, &hooks);
      clg_tensor *y = total(saves(x));
      clg_pop_saved_hooks(ctx);
      const clg_backward_options o = {.retain_graph = how % 4 == 2, .create_graph = how % 4 == 3};
      if (how % 4) ck_assert_int_eq(clg_grad(y, &x, 1, &g, &o), CLG_OK);
      if (how % 4 == 3) ck_assert_int_eq(clg_backward(total(g), NULL), CLG_OK);
      clg_tensor_zero_grad(x);
      clg_scope_close(s);
      expect_left(0);
    }
    clg_tensor_unref(&x);
    ck_assert_uint_le(clg_memory(ctx).live, sizeof(float));
  }
}
END_TEST

START_TEST(hooks_that_give_other_tensors_are_refused) {
  clg_tensor *(*const gives[])(void *, void *) = {give_indices, give_foreign};
  for (int i = 0; i < 2; i++) {
    clg_tensor *x = leaf(ctx);
    const clg_saved_hooks hooks = {keep_it, gives[i], drop_it, NULL};
    clg_scope *s = clg_scope_open(ctx);
    clg_push_saved_hooks(ctx, &hooks);
    clg_tensor *y = total(clg_tanh(x));
    clg_pop_saved_hooks(ctx);
    ck_assert_int_eq(clg_backward(y, NULL), CLG_ERR_ARGUMENT);
    test_expect_error(ctx, CLG_ERR_ARGUMENT, "saved-tensor hook unpacked a tensor of another");
    clg_scope_close(s);
    clg_tensor_unref(&x);
  }
}
END_TEST

/* ---- gradients with a graph ---- */

static clg_tensor *given; /* what a hook, or a custom op's backward, gives for a gradient */
static clg_tensor *give_given(void *user, clg_tensor *g) { return (void)user, (void)g, clg_tensor_ref(given); }
static clg_status nothing(void *user, clg_tensor *const *in, size_t n, clg_tensor *out) {
  return (void)user, (void)in, (void)n, (void)out, CLG_OK;
}
static clg_status given_backward(clg_custom_call *c) {
  c->in_grad[0] = given;
  return CLG_OK;
}

START_TEST(gradients_are_kept_without_the_graph_they_come_with) {
  static const clg_custom_op custom = {.name = "given", .forward = nothing, .backward = given_backward};
  for (int how = 0; how < 6; how++) {
    clg_tensor *x = leaf(ctx), *g = NULL;
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *y = clg_add_scalar(x, 0), *root = total(y);
    clg_backward_options o = clg_backward_defaults();
    given = how == 5 ? x : clg_tanh(y);
    if (how == 0 || how == 5) root = y, o.grad = given;                    /* the root's */
    if (how == 1) clg_tensor_add_hook(x, give_given, NULL);                /* a leaf's hook */
    if (how == 2) clg_tensor_add_hook(y, give_given, NULL);                /* a result's hook */
    if (how == 3) root = total(clg_custom_apply(&custom, &y, 1, 1, size)); /* an op's */
    if (how == 4) root = x, o.grad = given;                                /* a leaf is the root */
    clg_tensor_retain_grad(y);
    ck_assert_int_eq(clg_backward(root, &o), CLG_OK);
    ck_assert_msg(clg_tensor_is_leaf(clg_tensor_grad(x)) && !clg_tensor_requires_grad(clg_tensor_grad(x)), "case %d",
                  how);
    ck_assert_msg(!clg_tensor_grad(y) || clg_tensor_is_leaf(clg_tensor_grad(y)), "case %d", how);
    y = clg_add_scalar(x, 0);
    o.grad = given;
    ck_assert_int_eq(clg_grad(y, &y, 1, &g, &o), CLG_OK); /* the root itself */
    ck_assert(!clg_tensor_requires_grad(g));
    clg_scope_close(s);
    expect_left(BYTES); /* the gradient */
    clg_tensor_unref(&x);
    ck_assert_uint_le(clg_memory(ctx).live, sizeof(float));
  }
}
END_TEST

/* With create_graph the graph is wanted: a gradient that depends on x is differentiated. */
START_TEST(with_create_graph_they_keep_it) {
  clg_tensor *x = leaf(ctx), *g = NULL;
  clg_scope *s = clg_scope_open(ctx);
  const clg_backward_options o = {.grad = clg_tanh(x), .create_graph = true};
  ck_assert_int_eq(clg_grad(clg_add_scalar(x, 0), &x, 1, &g, &o), CLG_OK);
  ck_assert(clg_tensor_requires_grad(g) && !clg_tensor_is_leaf(g));
  ck_assert_int_eq(clg_backward(total(g), NULL), CLG_OK);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

/* ---- checkpoints ---- */

static clg_tensor *hand_on(void *user, clg_tensor *const *in, size_t n) { return (void)user, in[n - 1]; }
static clg_tensor *hand_out(void *user, clg_tensor *const *in, size_t n) { return (void)in, (void)n, user; }
static clg_tensor *nested(void *user, clg_tensor *const *in, size_t n) {
  return clg_checkpoint(ctx, hand_on, user, NULL, in, n);
}
static clg_tensor *of_tanh(void *user, clg_tensor *const *in, size_t n) { return (void)user, (void)n, clg_tanh(in[0]); }

START_TEST(a_segment_that_hands_on_a_tensor_has_a_result_of_its_own) {
  clg_function const how[] = {hand_on, hand_out, nested};
  for (int i = 0; i < 3 * 2 * 2; i++) {
    clg_tensor *in[] = {leaf(ctx), leaf(ctx)}, *user = leaf(ctx);
    clg_tensor *from = how[i % 3] == hand_out ? user : in[1];
    clg_set_grad_mode(ctx, i / 3 % 2);
    clg_scope *s = i / 6 ? clg_scope_open(ctx) : NULL; /* without one the result is ours */
    clg_tensor *y = clg_checkpoint(ctx, how[i % 3], user, NULL, in, 2);
    ck_assert(y && y != from && clg_tensor_shares_storage(y, from));
    ck_assert_int_eq(clg_tensor_requires_grad(y), i / 3 % 2);
    if (i / 3 % 2) {
      const clg_backward_options o = {.grad = user};
      ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
      ck_assert_ptr_nonnull(clg_tensor_grad(from));
    }
    if (!s) clg_tensor_unref(&y);
    clg_scope_close(s);
    clg_set_grad_mode(ctx, true);
    clg_tensor_unref(&in[0]), clg_tensor_unref(&in[1]), clg_tensor_unref(&user);
    ck_assert_uint_le(clg_memory(ctx).live, sizeof(float));
  }
}
END_TEST

START_TEST(blocks_that_pass_their_input_on_are_checkpointed_too) {
  for (size_t layers = 1; layers <= 4; layers++) {
    clg_module *l[] = {clg_dropout_create(ctx, 0.5f), clg_sequential_create(ctx, NULL, 0), clg_dropout_create(ctx, 0)};
    clg_module *m = clg_sequential_create(ctx, l, 3);
    clg_module_set_training(m, false);
    ck_assert_int_eq(clg_module_checkpoint(m, layers), CLG_OK);
    clg_tensor *x = leaf(ctx), *y = clg_forward(m, x);
    ck_assert_ptr_nonnull(y);
    const clg_backward_options o = {.grad = y};
    ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
    ck_assert_ptr_nonnull(clg_tensor_grad(x));
    clg_tensor_unref(&y);
    ck_assert_int_eq(clg_tensor_numel(x), SIZE); /* still there */
    clg_tensor_unref(&x);
    clg_module_unref(&m);
    ck_assert_uint_le(clg_memory(ctx).live, sizeof(float));
  }
}
END_TEST

/* ---- two contexts ---- */

static void expect_refusal(bool result, const char *call) {
  ck_assert_msg(!result && clg_last_status(ctx) == CLG_ERR_ARGUMENT, "%s: %s", call, clg_last_error(ctx));
  ck_assert_str_eq(clg_last_error(other), "");
  clg_clear_error(ctx);
}
#define refused(call) expect_refusal(call, #call)

START_TEST(tensors_of_another_context_are_refused_on_the_one_that_is_asked) {
  clg_tensor *x = leaf(ctx), *theirs = leaf(other);
  clg_tensor *const both[] = {x, theirs};
  clg_scope *s = clg_scope_open(ctx);
  const clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  clg_module *m = clg_linear_create(ctx, SIZE, 1, true, NULL),
             *their_module = clg_linear_create(other, SIZE, 1, true, NULL);
  clg_optim *o = clg_optim_create_for(m, &sgd);
  clg_ema *e = clg_ema_create(m, 0.9);
  const clg_backward_options foreign = {.grad = theirs};
  const clg_map_input in[] = {{"a", theirs, 0}};
  refused(clg_checkpoint(ctx, of_tanh, NULL, NULL, &theirs, 1));
  refused(clg_checkpoint(ctx, of_tanh, NULL, NULL, both, 2));
  refused(clg_checkpoint(ctx, hand_out, theirs, NULL, &x, 1));
  refused(clg_map(ctx, "a*a", in, 1));
  clg_tensor *z = clg_full(ctx, 1, size, 0);
  refused(clg_map_(z, "x*a", in, 1) == CLG_OK);
  refused(clg_mul(x, theirs));
  refused(clg_cat(both, 2, 0));
  refused(clg_copy_(z, theirs) == CLG_OK);
  refused(clg_backward(clg_tanh(x), &foreign) == CLG_OK);
  refused(clg_optim_create(ctx, both, 2, &sgd));
  refused(clg_optim_create(ctx, &theirs, 1, &sgd));
  refused(clg_optim_add_group(o, &theirs, 1, &sgd) == CLG_OK);
  refused(clg_forward(m, theirs));
  refused(clg_ema_update(e, their_module) == CLG_OK);
  refused(clg_gradcheck(ctx, of_tanh, NULL, &theirs, 1, NULL) == CLG_OK);
  clg_scope_close(s);
  clg_ema_unref(&e), clg_optim_unref(&o), clg_module_unref(&m), clg_module_unref(&their_module);
  clg_tensor_unref(&x), clg_tensor_unref(&theirs);
}
END_TEST

/* ---- shapes, parameters, dimensions ---- */

START_TEST(sizes_that_a_zero_hides_are_refused) {
  static const int64_t none[] = {0}, wide[][3] = {{0, INT64_MAX, 7}, {INT64_MAX, 0, INT64_MAX}, {0, 1 << 30, 2}};
  clg_tensor *x = clg_tensor_create(ctx, 1, none, NULL), *one = clg_tensor_create(ctx, 0, NULL, NULL);
  for (int i = 0; i < 3; i++) {
    clg_tensor *made[] = {clg_reshape(x, 3, wide[i]), clg_expand(one, 3, wide[i]), clg_empty(ctx, 3, wide[i]),
                          clg_full(ctx, 3, wide[i], 0), clg_rand(ctx, 3, wide[i], 0, 1)};
    for (int k = 0; k < 5; k++) ck_assert_msg(!made[k], "shape %d, function %d", i, k);
    test_expect_error(ctx, CLG_ERR_SHAPE, "reshape");
  }
  clg_tensor *y = clg_reshape(x, 3, (int64_t[]){7, 0, 1 << 20});
  ck_assert_int_eq(clg_tensor_dim(y, 2), 1 << 20);
  clg_tensor_unref(&y), clg_tensor_unref(&x), clg_tensor_unref(&one);
}
END_TEST

START_TEST(a_module_without_parameters_has_none) {
  clg_module *m[] = {clg_activation_create(ctx, (clg_act){"relu", {0}}), clg_sequential_create(ctx, NULL, 0),
                     clg_flatten_create(ctx)};
  for (int i = 0; i < 3; i++) {
    size_t n = 99;
    float value = 0;
    ck_assert_ptr_null(clg_module_parameters(m[i], &n));
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(clg_module_read(m[i], &value) | clg_module_write(m[i], &value), CLG_OK);
    ck_assert_int_eq(clg_module_set_requires_grad(m[i], false), CLG_OK);
    ck_assert_ptr_null(clg_module_parameter_name(m[i], 0));
    clg_module_unref(&m[i]);
  }
  /* Behind a layer that has some. */
  clg_module *layers[] = {clg_linear_create(ctx, 2, 2, true, NULL), clg_flatten_create(ctx)};
  clg_module *net = clg_sequential_create(ctx, layers, 2);
  size_t n = 99;
  ck_assert_ptr_null(clg_module_parameters(layers[1], &n));
  ck_assert_uint_eq(n, 0);
  clg_module_unref(&net);
}
END_TEST

START_TEST(lists_with_holes_are_refused) {
  clg_tensor *x = leaf(ctx), *const hole[] = {x, NULL};
  clg_scope *s = clg_scope_open(ctx);
  const clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  const clg_backward_options inputs = {.inputs = hole, .n_inputs = 2};
  clg_tensor *grads[2];
  ck_assert_ptr_null(clg_cat(hole, 2, 0));
  ck_assert_ptr_null(clg_stack(hole, 2, 0));
  ck_assert_ptr_null(clg_checkpoint(ctx, of_tanh, NULL, NULL, hole, 2));
  ck_assert_ptr_null(clg_optim_create(ctx, hole, 2, &sgd));
  ck_assert_int_ne(clg_backward(total(x), &inputs), CLG_OK);
  ck_assert_int_ne(clg_grad(total(x), hole, 2, grads, NULL), CLG_OK);
  ck_assert_int_ne(clg_clip_grad_value(ctx, hole, 2, 1), CLG_OK);
  ck_assert_ptr_null(clg_sum(x, (int[]){0}, -1, false));
  clg_clear_error(ctx);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

/* ---- what reaches a terminal ---- */

static void expect_plain(const char *line) {
  for (const unsigned char *c = (const unsigned char *)line; *c; c++)
    ck_assert_msg(*c >= ' ' && *c != 127 && !(c[0] == 0xc2 && c[1] < 0xa0), "byte 0x%02x in \"%s\"", *c, line);
}

START_TEST(control_characters_do_not_reach_messages) {
  static const char evil[] = "a\033[31m\a\b\t\n\r\177\302\233m", umlaut[] = "\303\274";
  clg_tensor *x = clg_tensor_create(ctx, 1, size, NULL);
  for (int k = 0; k < 6; k++) {
    if (k == 0) clg_map(ctx, "x+q", (clg_map_input[]){{"x", x, 0}, {evil, NULL, 1}}, 2);
    if (k == 1) clg_map(ctx, evil, (clg_map_input[]){{"x", x, 0}}, 1);
    if (k == 2) clg_npy_load(ctx, evil);
    if (k == 3) clg_tuning_load(ctx, evil);
    if (k == 4) clg_set_phase(ctx, evil), clg_reshape(x, 1, (int64_t[]){5}), clg_set_phase(ctx, NULL);
    if (k == 5) clg_npy_load(ctx, umlaut);
    ck_assert_str_ne(clg_last_error(ctx), "");
    expect_plain(clg_last_error(ctx));
    if (k == 5) ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), umlaut)); /* letters stay */
    clg_clear_error(ctx);
  }
  clg_tensor_unref(&x);
  char why[256] = "";
  clg_context *none = NULL;
  clg_context_options o = clg_context_defaults();
  o.device = evil, o.message = why, o.message_size = sizeof why;
  ck_assert_int_ne(clg_context_create(&none, &o), CLG_OK);
  expect_plain(why);
  ck_assert_str_ne(clg_last_error(none), "");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("stress");
  tcase_add_checked_fixture(c, open_contexts, close_contexts);
  tcase_add_test(c, hooks_that_keep_what_they_see_leave_nothing);
  tcase_add_test(c, hooks_that_give_other_tensors_are_refused);
  tcase_add_test(c, gradients_are_kept_without_the_graph_they_come_with);
  tcase_add_test(c, with_create_graph_they_keep_it);
  tcase_add_test(c, a_segment_that_hands_on_a_tensor_has_a_result_of_its_own);
  tcase_add_test(c, blocks_that_pass_their_input_on_are_checkpointed_too);
  tcase_add_test(c, tensors_of_another_context_are_refused_on_the_one_that_is_asked);
  tcase_add_test(c, sizes_that_a_zero_hides_are_refused);
  tcase_add_test(c, a_module_without_parameters_has_none);
  tcase_add_test(c, lists_with_holes_are_refused);
  tcase_add_test(c, control_characters_do_not_reach_messages);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("stress", add_cases)
