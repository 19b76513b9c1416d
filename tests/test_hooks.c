/* Post-accumulate hooks: who is told of which gradient, when, and at what cost. */
#include "graph/graph.h"

#include "harness.h"
#include "shared_context.h"
#include <string.h>

enum { N = 8, PARAMETERS = 4, CELLS = N * N };
static const int64_t square[] = {N, N};

static clg_tensor *leaf(void) {
  clg_tensor *t = clg_tensor_create(ctx, 2, square, NULL);
  ck_assert_int_eq(clg_randn_(t, 0, 1), CLG_OK);
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}
static clg_tensor *total(clg_tensor *x) { return clg_sum(clg_mul(x, x), NULL, 0, false); }

/* ---- gradients that are complete ---- */

/* Whom a hook was told of, and their gradients then. */
typedef struct told {
  int n;
  clg_tensor *leaf[16];
  float grad[16][CELLS];
} told;

static clg_status listen(void *user, clg_tensor *t) {
  told *all = user;
  ck_assert_int_lt(all->n, 16);
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t), all->grad[all->n]), CLG_OK);
  all->leaf[all->n++] = t;
  return CLG_OK;
}
static void listen_to(clg_tensor *t, told *all) {
  ck_assert_uint_ne(clg_tensor_add_post_accumulate_hook(t, listen, all), 0);
}

static bool same_gradient(clg_tensor *t, const float *want) {
  float got[CELLS];
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t), got), CLG_OK);
  return !memcmp(got, want, (size_t)clg_tensor_numel(t) * sizeof *got);
}

static clg_module *network(void) {
  return clg_sequential_create(ctx,
                               (clg_module *[]){clg_linear_create(ctx, N, N, true, NULL),
                                                clg_activation_create(ctx, (clg_act){"relu", {0}}),
                                                clg_linear_create(ctx, N, N, true, NULL)},
                               3);
}

static clg_tensor *pass_on(void *user, clg_tensor *grad) {
  (void)user, (void)grad;
  return NULL;
}

typedef enum listener { NOBODY, AFTER, BEFORE } listener;

/* Two backwards over the network's parameters; the memory at the peak of the second, and the gradients. */
static uint64_t train(listener who, size_t segments, told *all, float grads[PARAMETERS * CELLS]) {
  clg_set_seed(ctx, 5, 0);
  clg_module *m = network();
  ck_assert_int_eq(clg_module_checkpoint(m, segments), CLG_OK);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  ck_assert_uint_eq(n, PARAMETERS);
  for (size_t i = 0; i < n; i++) {
    if (who == AFTER) listen_to(p[i], all);
    if (who == BEFORE) ck_assert_uint_ne(clg_tensor_add_hook(p[i], pass_on, NULL), 0);
  }
  for (int pass = 0; pass < 2; pass++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *y = total(clg_forward(m, clg_randn(ctx, 2, square)));
    clg_memory_reset_peak(ctx);
    all->n = 0;
    ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
    for (int i = 0; i < all->n; i++) ck_assert(same_gradient(all->leaf[i], all->grad[i]));
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  uint64_t peak = clg_memory(ctx).peak_live;
  memset(grads, 0, PARAMETERS * CELLS * sizeof *grads);
  ck_assert_int_eq(clg_module_read_grad(m, grads), CLG_OK);
  clg_module_unref(&m);
  return peak;
}

/* Each parameter once, the last layer's first, with the gradient that stays; bits and memory are those of nobody
 * listening, in segments that run again too. */
START_TEST(parameters_are_complete_one_by_one) {
  static float want[PARAMETERS * CELLS], got[PARAMETERS * CELLS];
  for (size_t segments = 0; segments < 2; segments++) {
    static told all;
    uint64_t plain = train(NOBODY, segments, &all, want), peak = train(AFTER, segments, &all, got);
    ck_assert_int_eq(all.n, PARAMETERS);
    for (int i = 0; i < all.n; i++)
      for (int k = 0; k < i; k++) ck_assert_ptr_ne(all.leaf[i], all.leaf[k]);
    ck_assert(!memcmp(want, got, sizeof want));
    ck_assert_uint_eq(peak, plain);
    ck_assert_uint_gt(train(BEFORE, segments, &all, got), plain); /* as it could be */
  }
}
END_TEST

static uint64_t told_at_stage;
static clg_status note_memory(void *user, clg_tensor *t) {
  (void)user, (void)t;
  told_at_stage = clg_memory(ctx).saved;
  return CLG_OK;
}

/* While the rest of the backward is still to come: what it needs is still saved. */
START_TEST(told_at_once) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *w = leaf(), *v = leaf();
  ck_assert_uint_ne(clg_tensor_add_post_accumulate_hook(v, note_memory, NULL), 0);
  clg_tensor *y = total(clg_matmul(clg_matmul(clg_matmul(w, w), w), v));
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  ck_assert_uint_gt(told_at_stage, 0);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&w);
  clg_tensor_unref(&v);
}
END_TEST

/* Its input, to which it hands no gradient. */
static clg_status give_nothing(clg_node *n, clg_tensor *g) { return n && g ? CLG_OK : CLG_ERR_STATE; }
static clg_tensor *deaf(clg_tensor *x) {
  static const clg_node_class deaf_class = {.backward = give_nothing};
  clg_tensor *y = clg_detach(x);
  clg_node *n = clg_node_create(&x, 1, y, 0, 0, &deaf_class, "deaf");
  ck_assert(y && n);
  ck_assert_int_eq(clg_node_attach(n, y), CLG_OK);
  return y;
}

/* Once however many edges lead to it, and not at all where nothing arrives. */
START_TEST(told_once_or_not_at_all) {
  static told all;
  all.n = 0;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(), *w = leaf(), *unused = leaf(), *cut = leaf(), *g[1];
  clg_tensor *each[] = {x, w, unused, cut};
  for (int i = 0; i < 4; i++) listen_to(each[i], &all);
  clg_tensor *y = total(clg_add(clg_mul(clg_matmul(x, w), x), deaf(cut)));
  clg_backward_options o = clg_backward_defaults();
  o.retain_graph = true;
  ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  ck_assert_int_eq(all.n, 2);
  for (int i = 0; i < 2; i++) ck_assert(same_gradient(all.leaf[i], all.grad[i]));
  ck_assert_ptr_ne(all.leaf[0], all.leaf[1]);
  ck_assert(all.leaf[0] != unused && all.leaf[1] != unused && all.leaf[0] != cut && all.leaf[1] != cut);
  /* Only of inputs; not by clg_grad, which accumulates nothing. */
  o.inputs = &w, o.n_inputs = 1, all.n = 0;
  ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  ck_assert_int_eq(all.n, 1);
  ck_assert_ptr_eq(all.leaf[0], w);
  ck_assert_int_eq(clg_grad(y, &w, 1, g, &o), CLG_OK);
  ck_assert_int_eq(all.n, 1);
  /* A gradient with a graph; a root that is a leaf itself. */
  o = (clg_backward_options){.create_graph = true, .retain_graph = true};
  ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  ck_assert_int_eq(all.n, 3);
  o = (clg_backward_options){.grad = clg_randn(ctx, 2, square)};
  ck_assert_int_eq(clg_backward(unused, &o), CLG_OK);
  ck_assert_int_eq(all.n, 4);
  ck_assert_ptr_eq(all.leaf[3], unused);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  for (int i = 0; i < 4; i++) clg_tensor_zero_grad(each[i]), clg_tensor_unref(&each[i]);
}
END_TEST

/* A training step that is over with the backward: each parameter is updated, and its gradient dropped, as soon as it is
 * complete. */
static clg_status step(void *user, clg_tensor *t) {
  (void)user;
  clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  sgd.lr = 0.1;
  clg_optim *o = clg_optim_create(ctx, &t, 1, &sgd);
  clg_status s = clg_optim_step(o);
  clg_optim_unref(&o);
  clg_tensor_zero_grad(t);
  return s;
}

START_TEST(an_optimizer_steps_within) {
  float want[CELLS], got[CELLS];
  for (int within = 0; within < 2; within++) {
    clg_set_seed(ctx, 6, 0);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *w[] = {leaf(), leaf()};
    for (int i = 0; within && i < 2; i++) ck_assert_uint_ne(clg_tensor_add_post_accumulate_hook(w[i], step, NULL), 0);
    for (int i = 0; i < 2; i++) {
      clg_tensor *y = total(clg_matmul(clg_matmul(clg_randn(ctx, 2, square), w[0]), w[1]));
      ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
      for (int k = 0; !within && k < 2; k++) ck_assert_int_eq(step(NULL, w[k]), CLG_OK);
      ck_assert_ptr_null(clg_tensor_grad(w[0]));
    }
    ck_assert_int_eq(clg_tensor_read(w[0], within ? got : want), CLG_OK);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    for (int i = 0; i < 2; i++) clg_tensor_unref(&w[i]);
  }
  ck_assert(!memcmp(want, got, sizeof want));
}
END_TEST

/* Before the op queues what is left of its work, a convolution's for its input's gradient; once, of a sum too. */
static clg_status note_launches(void *user, clg_tensor *t) {
  *(uint64_t *)user = clg_context_counters(t->ctx).launches;
  return CLG_OK;
}
START_TEST(ready_is_before_the_op_is_done) {
  static told all;
  uint64_t at = all.n = 0;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *w = clg_randn(ctx, 4, (int64_t[]){3, 3, 3, 3}), *x = clg_randn(ctx, 4, (int64_t[]){2, 3, 6, 6}),
             *y = leaf();
  ck_assert_int_eq(clg_tensor_set_requires_grad(x, true) | clg_tensor_set_requires_grad(w, true), CLG_OK);
  ck_assert(clg_tensor_add_ready_hook(w, note_launches, &at) && clg_tensor_add_ready_hook(y, listen, &all));
  for (int i = 0; i < 2; i++) { /* the second time the op adds to the gradient that is there */
    ck_assert_int_eq(clg_backward(total(clg_matmul(y, y)), NULL), CLG_OK);
    ck_assert_int_eq(clg_backward(total(clg_conv2d(x, w, NULL, NULL)), NULL), CLG_OK);
  }
  ck_assert(at < clg_context_counters(ctx).launches && all.n == 2 && same_gradient(y, all.grad[1]));
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&y);
}
END_TEST

/* ---- its list, and its errors ---- */

typedef struct once {
  uint64_t id;
  int calls;
} once;
static clg_status only_once(void *user, clg_tensor *t) {
  once *o = user;
  o->calls++;
  ck_assert_int_eq(clg_tensor_remove_hook(t, o->id), CLG_OK);
  static told later;
  listen_to(t, &later); /* waits for the next gradient */
  return CLG_OK;
}

static clg_status refuse(void *user, clg_tensor *t) {
  ck_assert_ptr_nonnull(clg_tensor_grad(t));
  ++*(int *)user;
  return CLG_ERR_IO;
}
static clg_status go_back(void *user, clg_tensor *t) {
  (void)user;
  return clg_backward(t, NULL);
}

START_TEST(hooks_come_go_and_fail) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf();
  once first = {0}, second = {0};
  first.id = clg_tensor_add_post_accumulate_hook(x, only_once, &first);
  second.id = clg_tensor_add_post_accumulate_hook(x, only_once, &second);
  ck_assert_uint_lt(first.id, second.id);
  for (int i = 0; i < 2; i++) ck_assert_int_eq(clg_backward(total(x), NULL), CLG_OK);
  ck_assert_int_eq(first.calls, 1);
  ck_assert_int_eq(second.calls, 1);
  ck_assert_int_eq(clg_tensor_remove_hook(x, first.id), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "no such hook");
  clg_tensor_unref(&x);
  /* A failure ends the backward, and the gradients of it are not to be stepped with. */
  int calls = 0;
  x = leaf();
  clg_tensor *early = leaf();
  uint64_t id = clg_tensor_add_post_accumulate_hook(x, refuse, &calls);
  ck_assert_int_eq(clg_backward(total(clg_matmul(clg_matmul(early, early), x)), NULL), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "post-accumulate hook");
  ck_assert_int_eq(calls, 1);
  ck_assert_ptr_null(clg_tensor_grad(early));
  ck_assert_int_eq(step(NULL, x), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "");
  /* One of its own, with its own words. */
  ck_assert_int_eq(clg_tensor_remove_hook(x, id), CLG_OK);
  ck_assert_uint_ne(clg_tensor_add_post_accumulate_hook(x, go_back, NULL), 0);
  ck_assert_int_eq(clg_backward(total(x), NULL), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "already running");
  /* Leaves that require grad, no others. */
  clg_tensor *y = clg_mul(early, early), *plain = clg_tensor_create(ctx, 2, square, NULL);
  ck_assert_uint_eq(clg_tensor_add_post_accumulate_hook(y, listen, NULL), 0);
  test_expect_error(ctx, CLG_ERR_GRAPH, "not a leaf");
  ck_assert_uint_eq(clg_tensor_add_post_accumulate_hook(plain, listen, NULL), 0);
  test_expect_error(ctx, CLG_ERR_GRAPH, "not a leaf");
  ck_assert_uint_eq(clg_tensor_add_post_accumulate_hook(early, NULL, NULL), 0);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "NULL");
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_tensor_unref(&early);
  clg_tensor_unref(&plain);
}
END_TEST

/* The same order and number of calls without a device. */
START_TEST(a_plan_tells_too) {
  static told real, planned;
  static float grads[PARAMETERS * CELLS];
  uint64_t peak = train(AFTER, 0, &real, grads);
  clg_context *device = ctx;
  clg_plan_options o = clg_plan_defaults();
  o.like = device;
  ck_assert_int_eq(clg_context_create_plan(&ctx, &o), CLG_OK);
  ck_assert_uint_eq(train(AFTER, 0, &planned, grads), peak);
  ck_assert_int_eq(planned.n, real.n);
  test_context_close(&ctx);
  ctx = device;
}
END_TEST

/* ---- all of it: gradients leave for the host as they are complete ---- */

typedef struct bucket {
  clg_tensor *leaf;
  clg_event *read;
  float grad[CELLS];
} bucket;
typedef struct exchange {
  int n, arrived;
  bucket at[PARAMETERS];
} exchange;

static clg_status send(void *user, clg_tensor *t) {
  exchange *x = user;
  bucket *b = &x->at[x->n++];
  b->leaf = t;
  clg_status s = clg_tensor_read_async(clg_tensor_grad(t), b->grad);
  b->read = clg_event_record(ctx);
  return s == CLG_OK && !b->read ? clg_last_status(ctx) : s;
}
static void look(void *user) {
  exchange *x = user;
  while (x->arrived < x->n && clg_event_done(x->at[x->arrived].read)) x->arrived++;
}

START_TEST(gradients_leave_as_they_are_complete) {
  exchange x = {0};
  clg_module *m = network();
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  for (size_t i = 0; i < n; i++) ck_assert_uint_ne(clg_tensor_add_post_accumulate_hook(p[i], send, &x), 0);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_int_eq(clg_backward(total(clg_forward(m, clg_randn(ctx, 2, square))), NULL), CLG_OK);
  clg_set_idle(ctx, look, &x);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
  clg_set_idle(ctx, NULL, NULL);
  look(&x);
  ck_assert_int_eq(x.arrived, PARAMETERS);
  for (int i = 0; i < PARAMETERS; i++) {
    ck_assert(same_gradient(x.at[i].leaf, x.at[i].grad));
    clg_event_unref(&x.at[i].read);
  }
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_module_unref(&m);
}
END_TEST

/* ---- whoever is called leaves grad mode and scopes as they were ---- */

static clg_scope *outer;
static int meddled;
static void meddle(void) {
  meddled++;
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_scope_close(outer), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "before the callback");
  clg_tensor *none = clg_ones(ctx, 2, square);
  ck_assert_ptr_eq(clg_scope_close_with(outer, none), none);
  test_expect_error(ctx, CLG_ERR_STATE, "before the callback");
  clg_scope *own = clg_scope_open(ctx);
  ck_assert_int_eq(clg_scope_close(own), CLG_OK);
  clg_set_grad_mode(ctx, !clg_grad_mode(ctx));
}
static clg_tensor *meddling_hook(void *user, clg_tensor *g) { return meddle(), (void)user, (void)g, NULL; }
static clg_status meddling_listener(void *user, clg_tensor *t) { return meddle(), (void)user, (void)t, CLG_OK; }
static void *meddling_pack(void *user, clg_tensor *t) { return meddle(), (void)user, clg_tensor_ref(t); }
static clg_tensor *meddling_unpack(void *user, void *t) { return meddle(), (void)user, clg_tensor_ref(t); }
static void drop_packed(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  clg_tensor_unref(&t);
}
static clg_tensor *meddling_segment(void *user, clg_tensor *const *x, size_t n) {
  clg_tensor *y = clg_mul(x[0], x[n - 1]);
  return meddle(), (void)user, y;
}
static clg_status meddling_forward(void *user, clg_tensor *const *in, size_t n, clg_tensor *out) {
  meddle();
  return (void)user, (void)n, clg_copy_(out, in[0]);
}
static clg_status meddling_backward(clg_custom_call *c) {
  meddle();
  bool on = clg_set_grad_mode(c->ctx, false);
  c->in_grad[0] = clg_mul_scalar(c->grad, 1);
  clg_set_grad_mode(c->ctx, on);
  return CLG_OK;
}

enum { HOOK, LISTENER, SAVED, SEGMENT, CUSTOM, MEDDLERS };

static clg_tensor *meddled_with(int who, clg_tensor *x) {
  const clg_saved_hooks saved = {meddling_pack, meddling_unpack, drop_packed, NULL};
  const clg_custom_op op = {.name = "meddling", .forward = meddling_forward, .backward = meddling_backward};
  clg_tensor *y = NULL;
  switch (who) {
  case HOOK: ck_assert_uint_ne(clg_tensor_add_hook(y = clg_mul(x, x), meddling_hook, NULL), 0); break;
  case LISTENER: ck_assert_uint_ne(clg_tensor_add_post_accumulate_hook(x, meddling_listener, NULL), 0); break;
  case SAVED:
    ck_assert_int_eq(clg_push_saved_hooks(ctx, &saved), CLG_OK);
    y = clg_mul(x, x);
    ck_assert_int_eq(clg_pop_saved_hooks(ctx), CLG_OK);
    break;
  case SEGMENT: y = clg_checkpoint(ctx, meddling_segment, NULL, NULL, &x, 1); break;
  default: y = clg_custom_apply(&op, &x, 1, 2, square); break;
  }
  return y ? y : clg_mul(x, x);
}

/* Before, a mode that was turned on within backward recorded a graph of gradients, which held their leaves. */
START_TEST(callbacks_leave_modes_and_scopes) {
  for (int who = 0; who < MEDDLERS; who++) {
    uint64_t before = clg_memory(ctx).live;
    outer = clg_scope_open(ctx);
    meddled = 0;
    clg_tensor *x = leaf();
    clg_tensor *y = total(meddled_with(who, x));
    ck_assert(clg_grad_mode(ctx));
    ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
    ck_assert(clg_grad_mode(ctx));
    ck_assert_int_gt(meddled, 0);
    ck_assert(!clg_tensor_requires_grad(clg_tensor_grad(x)));
    clg_clear_error(ctx);
    ck_assert_int_eq(clg_scope_close(outer), CLG_OK);
    clg_tensor_unref(&x);
    ck_assert_uint_le(clg_memory(ctx).live, before + sizeof(float)); /* the root's gradient stays */
  }
}
END_TEST

/* ---- a hook drops what the call was given ---- */

typedef struct dropped {
  clg_tensor *root, *inner;
} dropped;
static clg_tensor *drop_all(void *user, clg_tensor *g) {
  dropped *d = user;
  clg_tensor_unref(&d->root);
  clg_tensor_unref(&d->inner);
  return (void)g, NULL;
}

START_TEST(hooks_may_drop_what_was_given) {
  for (int how = 0; how < 3; how++) {
    clg_tensor *x = leaf(), *other = leaf(), *grads[2] = {NULL};
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *inner = clg_mul(x, x), *root = clg_sum(inner, NULL, 0, false);
    dropped d = {clg_tensor_ref(root), clg_tensor_ref(inner)};
    ck_assert_uint_ne(clg_tensor_add_hook(inner, drop_all, &d), 0);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK); /* the hook has the last references */
    clg_tensor *inputs[] = {d.inner, how == 2 ? other : x};
    clg_backward_options o = clg_backward_defaults();
    o.inputs = inputs, o.n_inputs = 2;
    s = clg_scope_open(ctx);
    if (!how) {
      ck_assert_int_eq(clg_backward(d.root, &o), CLG_OK);
      ck_assert_ptr_nonnull(clg_tensor_grad(x));
    } else {
      ck_assert_int_eq(clg_grad(d.root, inputs, 2, grads, NULL), how == 1 ? CLG_OK : CLG_ERR_GRAPH);
      ck_assert_int_eq(grads[0] != NULL, how == 1);
    }
    ck_assert_ptr_null(d.inner);
    clg_clear_error(ctx);
    clg_scope_close(s);
    clg_tensor_unref(&x);
    clg_tensor_unref(&other);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("gradients");
  share_context(c);
  tcase_add_test(c, parameters_are_complete_one_by_one);
  tcase_add_test(c, told_at_once);
  tcase_add_test(c, told_once_or_not_at_all);
  tcase_add_test(c, an_optimizer_steps_within);
  tcase_add_test(c, ready_is_before_the_op_is_done);
  tcase_add_test(c, hooks_come_go_and_fail);
  tcase_add_test(c, a_plan_tells_too);
  tcase_add_test(c, gradients_leave_as_they_are_complete);
  tcase_add_test(c, callbacks_leave_modes_and_scopes);
  tcase_add_test(c, hooks_may_drop_what_was_given);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("hooks", add_cases)
