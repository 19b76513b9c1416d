/* Waiting, and what goes on meanwhile: events in the queue, and an idle callback. */
#include "harness.h"
#include "shared_context.h"
#include <clgrad/opencl.h>
#include <pthread.h>
#include <sched.h>

enum { N = 8, CELLS = N * N };
static const int64_t square[] = {N, N};

static clg_tensor *total(clg_tensor *x) { return clg_sum(clg_mul(x, x), NULL, 0, false); }
static clg_module *network(void) {
  return clg_sequential_create(ctx,
                               (clg_module *[]){clg_linear_create(ctx, N, N, true, NULL),
                                                clg_activation_create(ctx, (clg_act){"relu", {0}}),
                                                clg_linear_create(ctx, N, N, true, NULL)},
                               3);
}

/* ---- time while the device works ---- */

/* A closed gate in the queue: what comes behind it is not done before it is opened. None for Oclgrind, which runs the
 * queue within clFlush. */
static cl_event gate;
static void close_gate(void) {
  cl_int code;
  gate = clCreateUserEvent(clg_context_cl_context(ctx), &code);
  ck_assert_int_eq(code, CL_SUCCESS);
  ck_assert_int_eq(clEnqueueBarrierWithWaitList(clg_context_cl_queue(ctx), 1, &gate, NULL), CL_SUCCESS);
}
static void open_gate(void) {
  ck_assert_int_eq(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
  clReleaseEvent(gate);
  gate = NULL;
}

/* The gate opens at a call, the third say. */
typedef struct idler {
  int calls, opens;
  pthread_t thread;
  void (*then)(void *user);
  void *user;
} idler;
static void idle(void *user) {
  idler *i = user;
  i->thread = pthread_self();
  if (++i->calls == 1 && i->then) i->then(i->user);
  if (i->calls == i->opens) open_gate();
}

static void by_finish(clg_tensor *t) {
  (void)t;
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
}
static void by_event(clg_tensor *t) {
  (void)t;
  clg_event *e = clg_event_record(ctx);
  ck_assert(!clg_event_done(e));
  ck_assert_int_eq(clg_event_wait(e), CLG_OK);
  ck_assert(clg_event_done(e));
  ck_assert_int_eq(clg_event_wait(e), CLG_OK);
  clg_event_unref(&e);
}
static void by_read(clg_tensor *t) {
  float got[CELLS];
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  ck_assert_float_eq(got[CELLS - 1], 3);
}
static void by_trim(clg_tensor *t) {
  (void)t;
  ck_assert_int_eq(clg_memory_trim(ctx), CLG_OK);
}
static void (*const waits[])(clg_tensor *t) = {by_finish, by_event, by_read, by_trim};
enum { WAITS = sizeof waits / sizeof *waits };

START_TEST(every_wait_calls_back) {
  if (test_interpreted(ctx)) return;
  clg_tensor *t = clg_tensor_create(ctx, 2, square, NULL);
  for (int w = 0; w < WAITS; w++) {
    idler i = {.opens = 3};
    ck_assert_int_eq(clg_fill_(t, 3), CLG_OK);
    close_gate();
    ck_assert_int_eq(clg_set_idle(ctx, idle, &i), CLG_OK);
    waits[w](t);
    ck_assert_int_ge(i.calls, 3);
    ck_assert(pthread_equal(i.thread, pthread_self()));
    /* Nobody to call any more. */
    int calls = i.calls;
    ck_assert_int_eq(clg_set_idle(ctx, NULL, NULL), CLG_OK);
    by_read(t);
    ck_assert_int_eq(i.calls, calls);
  }
  clg_tensor_unref(&t);
}
END_TEST

static void stop_calling(void *user) {
  (void)user;
  clg_set_idle(ctx, NULL, NULL);
  open_gate();
}

START_TEST(a_callback_may_end_itself) {
  if (test_interpreted(ctx)) return;
  idler i = {.then = stop_calling};
  close_gate();
  clg_set_idle(ctx, idle, &i);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
  ck_assert_int_eq(i.calls, 1);
}
END_TEST

/* An op that has to wait for memory waits as others do. */
START_TEST(a_wait_for_memory_calls_back) {
  if (test_interpreted(ctx)) return;
  clg_context *before = ctx;
  clg_context_options o = clg_context_defaults();
  o.memory_limit = 4096;
  ck_assert_int_eq(clg_context_create(&ctx, &o), CLG_OK);
  idler i = {.opens = 2};
  close_gate();
  clg_set_idle(ctx, idle, &i);
  ck_assert_ptr_null(clg_empty(ctx, 1, (int64_t[]){4096}));
  test_expect_error(ctx, CLG_ERR_MEMORY, "no memory");
  ck_assert_int_ge(i.calls, 2);
  test_context_close(&ctx);
  ctx = before;
}
END_TEST

/* ---- what a callback must not do ---- */

typedef struct midst {
  clg_tensor *x, *root;
  clg_scope *scope;
  clg_module *net;
  clg_optim *optim;
  clg_event *event;
  int done; /* bits: calls that were refused */
} midst;

static void refused(midst *m, int call) {
  bool said = clg_last_status(ctx) == CLG_ERR_STATE && strstr(clg_last_error(ctx), "idle callback");
  m->done |= said << call;
  clg_clear_error(ctx);
}

static void do_what_is_refused(void *user) {
  midst *m = user;
  float v[CELLS];
  int call = 0;
  uint64_t before = clg_memory(ctx).live;
  ck_assert_ptr_null(clg_tensor_create(ctx, 2, square, NULL));
  refused(m, call++);
  ck_assert_int_eq(clg_tensor_read(m->x, v), CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_int_eq(clg_tensor_read_async(m->x, v), CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_int_eq(clg_tensor_write(m->x, v), CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_int_eq(clg_fill_(m->x, 1), CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_ptr_null(clg_mul(m->x, m->x));
  refused(m, call++);
  ck_assert_ptr_null(clg_forward(m->net, m->x));
  refused(m, call++);
  ck_assert_int_eq(clg_backward(m->root, NULL), CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_int_eq(clg_grad(m->root, &m->x, 1, &(clg_tensor *){NULL}, &(clg_backward_options){.allow_unused = true}),
                   CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_int_ne(clg_optim_step(m->optim), CLG_OK);
  refused(m, call++);
  ck_assert_int_eq(clg_finish(ctx), CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_int_eq(clg_memory_trim(ctx), CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_ptr_null(clg_event_record(ctx));
  refused(m, call++);
  ck_assert_int_eq(clg_event_wait(m->event), CLG_ERR_STATE);
  refused(m, call++);
  clg_scope *s = clg_scope_open(ctx);
  refused(m, call++);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  ck_assert_int_eq(clg_scope_close(m->scope), CLG_ERR_STATE);
  refused(m, call++);
  ck_assert_ptr_eq(clg_scope_close_with(m->scope, m->x), m->x);
  refused(m, call++);
  clg_context *mine = ctx;
  clg_context_unref(&mine);
  ck_assert_ptr_eq(mine, ctx);
  refused(m, call++);
  ck_assert_uint_eq(clg_memory(ctx).live, before);
  m->done |= 1 << call;
}
enum { ALL_REFUSED = (1 << 19) - 1 };

/* The call that waits is in the midst of something: all of it is an error there, and none of it does harm. */
START_TEST(what_needs_the_device_is_refused) {
  if (test_interpreted(ctx)) return;
  clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  midst m = {.net = network()};
  m.optim = clg_optim_create_for(m.net, &sgd);
  m.scope = clg_scope_open(ctx);
  m.x = clg_randn(ctx, 2, square);
  ck_assert_int_eq(clg_backward(total(clg_forward(m.net, m.x)), NULL), CLG_OK);
  m.root = total(clg_forward(m.net, m.x));
  clg_tensor *const *p = clg_module_parameters(m.net, &(size_t){0});
  m.event = clg_event_record(ctx);
  ck_assert_int_eq(clg_fill_(m.x, 3), CLG_OK);
  for (int w = 0; w < WAITS; w++) {
    idler i = {.opens = 2, .then = do_what_is_refused, .user = &m};
    m.done = 0;
    close_gate();
    clg_set_idle(ctx, idle, &i);
    waits[w](m.x);
    clg_set_idle(ctx, NULL, NULL);
    ck_assert_int_eq(m.done, ALL_REFUSED);
  }
  clg_event_unref(&m.event);
  /* As if nothing had been: the gradients are those of the one backward, and good for a step. */
  ck_assert_ptr_nonnull(clg_tensor_grad(p[0]));
  ck_assert_int_eq(clg_optim_step(m.optim), CLG_OK);
  clg_module_zero_grad(m.net);
  m.root = total(clg_forward(m.net, m.x));
  ck_assert_int_eq(clg_backward(m.root, NULL), CLG_OK);
  ck_assert_int_eq(clg_optim_step(m.optim), CLG_OK);
  ck_assert_int_eq(clg_scope_close(m.scope), CLG_OK);
  clg_optim_unref(&m.optim);
  clg_module_unref(&m.net);
}
END_TEST

/* Another context is at its disposal. */
static void use_another(void *user) {
  clg_context *other = user;
  float got[CELLS];
  clg_tensor *t = clg_tensor_create(other, 2, square, NULL);
  ck_assert_int_eq(clg_fill_(t, 2), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  ck_assert_float_eq(got[0], 2);
  clg_tensor_unref(&t);
}

START_TEST(another_context_works_meanwhile) {
  if (test_interpreted(ctx)) return;
  clg_context *other = test_context_open();
  idler i = {.opens = 2, .then = use_another, .user = other};
  close_gate();
  clg_set_idle(ctx, idle, &i);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
  clg_set_idle(ctx, NULL, NULL);
  test_context_close(&other);
}
END_TEST

/* ---- reads that are complete ---- */

START_TEST(an_event_is_a_point_in_the_queue) {
  if (test_interpreted(ctx)) return;
  float got[CELLS] = {0};
  clg_tensor *t = clg_tensor_create(ctx, 2, square, NULL);
  ck_assert_int_eq(clg_fill_(t, 1), CLG_OK);
  clg_event *before = clg_event_record(ctx), *again = clg_event_ref(before);
  close_gate();
  ck_assert_int_eq(clg_fill_(t, 2), CLG_OK);
  ck_assert_int_eq(clg_tensor_read_async(t, got), CLG_OK);
  clg_event *read = clg_event_record(ctx);
  ck_assert_int_eq(clg_fill_(t, 3), CLG_OK); /* of no concern to the read */
  clg_tensor_unref(&t);
  uint64_t count = clg_context_counters(ctx).waits;
  ck_assert_int_eq(clg_event_wait(before), CLG_OK); /* and not for what came later */
  ck_assert_uint_eq(clg_context_counters(ctx).waits, count + 1);
  ck_assert(!clg_event_done(read));
  open_gate();
  while (!clg_event_done(read)) sched_yield();
  ck_assert_uint_eq(clg_context_counters(ctx).waits, count + 1);
  for (int i = 0; i < CELLS; i++) ck_assert_float_eq(got[i], 2);
  clg_event_unref(&before);
  ck_assert_ptr_null(before);
  ck_assert(clg_event_done(again));
  clg_event_unref(&again);
  clg_event_unref(&read);
  ck_assert(clg_event_done(NULL));
  ck_assert_int_eq(clg_event_wait(NULL), CLG_ERR_ARGUMENT);
}
END_TEST

/* A view is packed first, in a buffer that nobody else holds. */
START_TEST(a_view_is_read) {
  float want[CELLS], got[CELLS];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *t = clg_randn(ctx, 2, square), *turned = clg_transpose(t, 0, 1);
  ck_assert_int_eq(clg_tensor_read(turned, want), CLG_OK);
  ck_assert_int_eq(clg_tensor_read_async(turned, got), CLG_OK);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_event *e = clg_event_record(ctx);
  ck_assert_int_eq(clg_event_wait(e), CLG_OK);
  ck_assert(!memcmp(want, got, sizeof want));
  clg_event_unref(&e);
}
END_TEST

/* Pinned memory is read to and written from; it goes when its copies are done, and counts as reserved. */
START_TEST(pinned_memory_is_copied_to_and_from) {
  clg_context *plan, *both[2];
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  both[0] = ctx, both[1] = plan;
  for (int i = 0; i < 2; i++) {
    const uint64_t before = clg_memory(both[i]).reserved, live = clg_memory(both[i]).live;
    clg_pinned *p = clg_pinned_create(both[i], sizeof(float[CELLS])), *again = clg_pinned_ref(p);
    float *host = clg_pinned_data(p), got[CELLS];
    ck_assert_uint_eq((uintptr_t)host % 64, 0);
    ck_assert_uint_eq(clg_memory(both[i]).reserved, before + sizeof got);
    ck_assert_uint_eq(clg_memory(both[i]).live, live);
    clg_tensor *a = clg_tensor_create(both[i], 2, square, NULL), *b = clg_tensor_create(both[i], 2, square, NULL);
    ck_assert_int_eq(clg_fill_(a, 5), CLG_OK);
    ck_assert_int_eq(clg_tensor_read_async(a, host), CLG_OK);
    ck_assert_int_eq(clg_finish(both[i]), CLG_OK);
    for (int k = 0; k < CELLS; k++) ck_assert_float_eq(host[k], i ? 0 : 5);
    ck_assert_int_eq(clg_tensor_write_async(b, host), CLG_OK);
    clg_pinned_unref(&p);
    ck_assert_ptr_null(p);
    clg_pinned_unref(&again); /* the copy is under way */
    ck_assert_int_eq(clg_tensor_read(b, got), CLG_OK);
    for (int k = 0; k < CELLS; k++) ck_assert_float_eq(got[k], i ? 0 : 5);
    clg_tensor_unref(&a);
    clg_tensor_unref(&b);
    ck_assert_int_eq(clg_memory_trim(both[i]), CLG_OK);
    ck_assert_uint_le(clg_memory(both[i]).reserved, before);
    ck_assert_ptr_null(clg_pinned_create(both[i], 0));
    test_expect_error(both[i], CLG_ERR_ARGUMENT, "no bytes");
  }
  ck_assert_ptr_null(clg_pinned_data(NULL));
  test_context_close(&plan);
}
END_TEST

/* It keeps to the context's limit, and holds the context. */
START_TEST(pinned_memory_has_limits) {
  clg_context *small;
  clg_context_options o = clg_context_defaults();
  o.memory_limit = 4096;
  ck_assert_int_eq(clg_context_create(&small, &o), CLG_OK);
  clg_pinned *p = clg_pinned_create(small, 4096);
  ck_assert_ptr_nonnull(p);
  ck_assert_ptr_null(clg_pinned_create(small, 1));
  test_expect_error(small, CLG_ERR_MEMORY, "clCreateBuffer");
  clg_context_unref(&small);
  memset(clg_pinned_data(p), 0, 4096);
  clg_pinned_unref(&p);
}
END_TEST

/* An event holds the context, whatever its owner does; and one that nobody waits for is no leak. */
START_TEST(events_outlive_their_owner) {
  clg_context *other = test_context_open();
  clg_event *e = clg_event_record(other), *unseen = clg_event_record(other);
  clg_event_unref(&unseen);
  clg_context_unref(&other);
  ck_assert_int_eq(clg_event_wait(e), CLG_OK);
  ck_assert(clg_event_done(e));
  clg_event_unref(&e);
}
END_TEST

START_TEST(a_plan_is_always_done) {
  clg_context *plan;
  idler i = {0};
  float got[CELLS];
  memset(got, 1, sizeof got);
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  ck_assert_int_eq(clg_set_idle(plan, idle, &i), CLG_OK);
  clg_tensor *t = clg_full(plan, 2, square, 2);
  ck_assert_int_eq(clg_tensor_read_async(t, got), CLG_OK);
  for (int k = 0; k < CELLS; k++) ck_assert_float_eq(got[k], 0);
  clg_event *e = clg_event_record(plan);
  ck_assert(clg_event_done(e));
  ck_assert_int_eq(clg_event_wait(e), CLG_OK);
  ck_assert_int_eq(clg_finish(plan), CLG_OK);
  ck_assert_int_eq(i.calls, 0);
  clg_event_unref(&e);
  clg_tensor_unref(&t);
  test_context_close(&plan);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("idle");
  share_context(c);
  tcase_add_test(c, every_wait_calls_back);
  tcase_add_test(c, a_callback_may_end_itself);
  tcase_add_test(c, a_wait_for_memory_calls_back);
  tcase_add_test(c, what_needs_the_device_is_refused);
  tcase_add_test(c, another_context_works_meanwhile);
  suite_add_tcase(suite, c);
  c = tcase_create("events");
  share_context(c);
  tcase_add_test(c, an_event_is_a_point_in_the_queue);
  tcase_add_test(c, a_view_is_read);
  tcase_add_test(c, pinned_memory_is_copied_to_and_from);
  tcase_add_test(c, pinned_memory_has_limits);
  tcase_add_test(c, events_outlive_their_owner);
  tcase_add_test(c, a_plan_is_always_done);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("waiting", add_cases)
