/* Nothing fails without a word: NULL that is handed on, steps after a backward that failed or that was forgotten, and
 * tensors that outlive their context. On plans, which have no kernels to build. */
#include "base/context.h"
#include "harness.h"
#include <clgrad/clgrad.h>
#include <pthread.h>
#include <string.h>

static clg_context *ctx;
static int lines;
static char line[512];

static void on_line(void *user, const char *text) {
  (void)user;
  lines++;
  snprintf(line, sizeof line, "%s", text);
}

static void open_context(void) {
  ck_assert_int_eq(clg_context_create_plan(&ctx, NULL), CLG_OK);
  ctx->log = on_line;
  lines = 0;
  line[0] = 0;
}
static void close_context(void) {
  clg_context_unref(&ctx);
  ck_assert_msg(!lines, "%s", line);
}

static clg_tensor *tensor(clg_context *c) { return clg_tensor_create(c, 2, (int64_t[]){2, 3}, NULL); }

/* ---- NULL ---- */

static void null_op(int i) {
  clg_tensor *none[] = {NULL, NULL}, *grad;
  float v[6];
  switch (i) {
  case 0: clg_relu(NULL); break;
  case 1: clg_add(NULL, NULL); break;
  case 2: clg_matmul(NULL, NULL); break;
  case 3: clg_linear(NULL, NULL, NULL, NULL); break;
  case 4: clg_sum(NULL, NULL, 0, false); break;
  case 5: clg_mean(NULL, NULL, 0, false); break;
  case 6: clg_reshape(NULL, 0, NULL); break;
  case 7: clg_narrow(NULL, 0, 0, 1); break;
  case 8: clg_transpose(NULL, 0, 1); break;
  case 9: clg_detach(NULL); break;
  case 10: clg_cat(none, 2, 0); break;
  case 11: clg_cat(NULL, 0, 0); break;
  case 12: clg_layer_norm(NULL, NULL, NULL, NULL); break;
  case 13: clg_cross_entropy_loss(NULL, NULL, NULL); break;
  case 14: clg_mse_loss(NULL, NULL, NULL); break;
  case 15: clg_softmax(NULL, 0); break;
  case 16: clg_conv2d(NULL, NULL, NULL, NULL); break;
  case 17: clg_max_pool2d(NULL, 2, 2, NULL); break;
  case 18: clg_embedding(NULL, NULL, -1); break;
  case 19: clg_index_select(NULL, 0, NULL); break;
  case 20: clg_forward(NULL, NULL); break;
  case 21: clg_linear_create(NULL, 1, 1, true, NULL); break;
  case 22: clg_randn(NULL, 0, NULL); break;
  case 23: clg_tensor_create(NULL, 0, NULL, NULL); break;
  case 24: clg_tensor_item(NULL); break;
  case 25: clg_tensor_read(NULL, v); break;
  case 26: clg_fill_(NULL, 0); break;
  case 27: clg_optim_step(NULL); break;
  case 28: clg_optim_create_for(NULL, NULL); break;
  case 29: clg_grad(NULL, NULL, 0, &grad, NULL); break;
  case 30: clg_tensor_set_requires_grad(NULL, true); break;
  case 31: clg_dropout(NULL, 0.5f, true); break;
  case 32: clg_where(NULL, NULL, NULL); break;
  default: clg_clamp(NULL, 0, 1); break;
  }
}
enum { NULL_OPS = 34 };

START_TEST(a_scope_reports_calls_that_had_no_context) {
  for (int i = 0; i < NULL_OPS; i++) {
    clg_scope *outer = clg_scope_open(ctx), *s = clg_scope_open(ctx);
    null_op(i);
    ck_assert_str_eq(clg_last_error(ctx), "");
    ck_assert_msg(clg_scope_close(s) == CLG_ERR_ARGUMENT, "call %d", i);
    ck_assert_msg(strstr(clg_last_error(ctx), "NULL") != NULL, "call %d: %s", i, clg_last_error(ctx));
    ck_assert_int_eq(clg_scope_close(outer), CLG_ERR_ARGUMENT);
    clg_clear_error(ctx);
    s = clg_scope_open(ctx);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
}
END_TEST

START_TEST(a_null_beside_a_tensor_is_an_error_at_once) {
  clg_tensor *x = tensor(ctx);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_ptr_null(clg_add(x, NULL));
  ck_assert_int_eq(clg_last_status(ctx), CLG_ERR_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "add"));
  ck_assert_int_eq(clg_scope_close(s), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  clg_module *m = clg_linear_create(ctx, 3, 3, true, NULL);
  ck_assert_ptr_null(clg_optim_create_for(m, NULL));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "optim"));
  clg_clear_error(ctx);
  ck_assert_ptr_null(clg_forward(m, NULL));
  ck_assert_str_ne(clg_last_error(ctx), "");
  clg_clear_error(ctx);
  clg_module_unref(&m);
  clg_tensor_unref(&x);
}
END_TEST

/* What comes after the first failure is its consequence: the close returns the first one's status. */
START_TEST(null_after_an_error_keeps_that_error) {
  clg_tensor *x = tensor(ctx);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = clg_relu(clg_matmul(x, x));
  clg_backward(clg_sum(clg_add(x, y), NULL, 0, false), NULL);
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "matmul"));
  ck_assert_int_eq(clg_scope_close(s), CLG_ERR_SHAPE);
  clg_clear_error(ctx);
  /* Cleared within the scope, it has been dealt with. */
  s = clg_scope_open(ctx);
  clg_relu(clg_matmul(x, x));
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_relu(NULL); /* before the scope, or between two */
  s = clg_scope_open(ctx);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  /* An inner scope that opens later does not report what is the outer's. */
  s = clg_scope_open(ctx);
  clg_relu(NULL);
  clg_scope *inner = clg_scope_open(ctx);
  ck_assert_int_eq(clg_scope_close(inner), CLG_OK);
  ck_assert_int_eq(clg_scope_close(s), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  clg_tensor_unref(&x);
}
END_TEST

static void *null_elsewhere(void *arg) {
  clg_relu(NULL);
  return arg;
}

START_TEST(a_mark_is_of_its_thread) {
  clg_scope *s = clg_scope_open(ctx);
  pthread_t t;
  ck_assert_int_eq(pthread_create(&t, NULL, null_elsewhere, NULL), 0);
  pthread_join(t, NULL);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST

/* ---- steps ---- */

typedef struct model {
  clg_module *net;
  clg_optim *opt;
  clg_tensor *x;
} model;

static model model_open(void) {
  const clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  model m = {clg_linear_create(ctx, 3, 3, true, NULL), NULL, tensor(ctx)};
  m.opt = clg_optim_create_for(m.net, &sgd);
  return m;
}
static void model_close(model *m) {
  clg_optim_unref(&m->opt);
  clg_module_unref(&m->net);
  clg_tensor_unref(&m->x);
}
static clg_tensor *loss_of(const model *m) { return clg_sum(clg_square(clg_forward(m->net, m->x)), NULL, 0, false); }

/* How a backward may fail: without a root, with one that requires no grad, or half way. */
static void failing_backward(const model *m, int how) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *loss = loss_of(m);
  if (how == 2) ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
  ck_assert_int_ne(clg_backward(how == 0 ? NULL : how == 1 ? m->x : loss, NULL), CLG_OK);
  clg_scope_close(s);
}

static uint64_t launches(void) { return clg_context_counters(ctx).launches; }

START_TEST(a_step_after_a_failed_backward_is_refused) {
  for (int how = 0; how < 3; how++)
    for (int cleared = 0; cleared < 2; cleared++) {
      model m = model_open();
      clg_scope *s = clg_scope_open(ctx);
      ck_assert_int_eq(clg_backward(loss_of(&m), NULL), CLG_OK);
      ck_assert_int_eq(clg_optim_step(m.opt), CLG_OK);
      failing_backward(&m, how);
      clg_status first = clg_last_status(ctx);
      if (cleared) clg_clear_error(ctx);
      uint64_t before = launches();
      clg_status st = clg_optim_step(m.opt);
      ck_assert_msg(st == (cleared || first == CLG_OK ? CLG_ERR_STATE : first), "way %d, %d: %d", how, cleared,
                    (int)st);
      ck_assert_uint_eq(launches(), before);
      ck_assert_int_ne(clg_scope_close(s), CLG_OK);
      clg_clear_error(ctx);
      /* The loop goes on. */
      s = clg_scope_open(ctx);
      clg_optim_zero_grad(m.opt);
      ck_assert_int_eq(clg_backward(loss_of(&m), NULL), CLG_OK);
      before = launches();
      ck_assert_int_eq(clg_optim_step(m.opt), CLG_OK);
      ck_assert_uint_gt(launches(), before);
      ck_assert_int_eq(clg_scope_close(s), CLG_OK);
      model_close(&m);
    }
}
END_TEST

/* Another model's failed backward is none of this one's. */
START_TEST(a_failure_is_of_the_leaves_that_it_was_to_reach) {
  model a = model_open(), b = model_open();
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_int_eq(clg_backward(loss_of(&a), NULL), CLG_OK);
  failing_backward(&b, 2);
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_optim_step(a.opt), CLG_OK);
  ck_assert_int_eq(clg_optim_step(b.opt), CLG_ERR_STATE);
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_backward(loss_of(&b), NULL), CLG_OK); /* on top of half a gradient */
  ck_assert_int_eq(clg_optim_step(b.opt), CLG_ERR_STATE);
  clg_clear_error(ctx);
  clg_scope_close(s);
  model_close(&a);
  model_close(&b);
}
END_TEST

START_TEST(a_step_without_gradients_says_so_once) {
  model m = model_open();
  for (int i = 0; i < 3; i++) ck_assert_int_eq(clg_optim_step(m.opt), CLG_OK);
  ck_assert_int_eq(lines, 1);
  ck_assert_msg(strstr(line, "gradient") != NULL, "%s", line);
  clg_scope *s = clg_scope_open(ctx);
  clg_backward(loss_of(&m), NULL);
  ck_assert_int_eq(clg_optim_step(m.opt), CLG_OK);
  ck_assert_int_eq(lines, 1);
  clg_optim_zero_grad(m.opt);
  ck_assert_int_eq(clg_optim_step(m.opt), CLG_OK);
  ck_assert_int_eq(lines, 2);
  lines = 0;
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  model_close(&m);
}
END_TEST

/* ---- what is left ---- */

START_TEST(tensors_that_are_left_are_said_once) {
  for (int debug = 0; debug < 2; debug++) {
    open_context();
    clg_set_phase(ctx, "D step");
    clg_tensor *a = tensor(ctx), *view = clg_transpose(a, 0, 1), *b = clg_exp(a);
    if (debug) setenv("CLGRAD_DEBUG", "1", 1);
    clg_context *again = clg_context_ref(ctx);
    clg_context_unref(&ctx);
    ck_assert_int_eq(lines, 0);
    clg_context_unref(&again);
    unsetenv("CLGRAD_DEBUG");
    ck_assert_int_eq(lines, 1);
    ck_assert_msg(strstr(line, "still held: 3 tensors with 48 bytes") != NULL, "%s", line);
    ck_assert_msg(!debug == !strstr(line, "1 by exp in D step (24 bytes)"), "%s", line);
    ck_assert_msg(!debug == !strstr(line, "1 by tensor_create in D step (24 bytes)"), "%s", line);
    clg_tensor_unref(&a);
    clg_tensor_unref(&view);
    clg_tensor_unref(&b);
    ck_assert_int_eq(lines, 1);
  }
  lines = 0;
}
END_TEST

START_TEST(nothing_is_said_where_nothing_is_left) {
  model m = model_open();
  clg_scope *s = clg_scope_open(ctx);
  clg_backward(loss_of(&m), NULL);
  clg_scope_close(s);
  model_close(&m);
  clg_module *bare = clg_linear_create(ctx, 3, 3, true, NULL); /* its parameters are not made yet */
  clg_context_unref(&ctx);
  ck_assert_int_eq(lines, 0);
  clg_module_unref(&bare);
}
END_TEST

/* ---- roles and phases ---- */

START_TEST(raw_parameters_are_parameters) {
  clg_tensor *w = tensor(ctx);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *frozen = tensor(ctx), *u = clg_mul_scalar(frozen, 0.1f);
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_PARAMETER], 0);
  clg_tensor_set_requires_grad(w, true);
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_PARAMETER], 24);
  clg_tensor_set_requires_grad(u, true); /* an input whose gradient is asked for, until an optimizer has it */
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_PARAMETER], 24);
  clg_tensor *loss = clg_sum(clg_square(u), NULL, 0, false);
  uint64_t saved = clg_memory(ctx).saved;
  const clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  clg_optim *o = clg_optim_create(ctx, (clg_tensor *[]){w, u}, 2, &sgd);
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_PARAMETER], 48);
  ck_assert_uint_eq(clg_memory(ctx).saved, saved - 24);
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
  ck_assert_uint_eq(clg_memory(ctx).saved, 0);
  clg_optim_unref(&o);
  clg_tensor_unref(&w);
  clg_tensor_unref(&frozen);
  clg_scope_close(s);
}
END_TEST

static char seen[2][32];
static void on_memory(void *user, const clg_memory_event *e) {
  (void)user;
  if (e->kind == CLG_MEMORY_HELD) return; /* of other cases */
  ck_assert_str_eq(e->op, "tensor_create");
  snprintf(seen[e->kind == CLG_MEMORY_RELEASE], sizeof seen[0], "%s", e->phase);
}

START_TEST(a_release_is_of_the_phase_it_happens_in) {
  clg_memory_trace(ctx, on_memory, NULL);
  clg_set_phase(ctx, "makes");
  clg_tensor *x = clg_tensor_create(ctx, 1, (int64_t[]){5}, NULL);
  clg_set_phase(ctx, "releases");
  clg_tensor_unref(&x);
  ck_assert_str_eq(seen[0], "makes");
  ck_assert_str_eq(seen[1], "releases");
  clg_memory_trace(ctx, NULL, NULL);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("silence"), *own = tcase_create("held");
  tcase_add_checked_fixture(c, open_context, close_context);
  tcase_add_test(c, a_scope_reports_calls_that_had_no_context);
  tcase_add_test(c, a_null_beside_a_tensor_is_an_error_at_once);
  tcase_add_test(c, null_after_an_error_keeps_that_error);
  tcase_add_test(c, a_mark_is_of_its_thread);
  tcase_add_test(c, a_step_after_a_failed_backward_is_refused);
  tcase_add_test(c, a_failure_is_of_the_leaves_that_it_was_to_reach);
  tcase_add_test(c, a_step_without_gradients_says_so_once);
  tcase_add_test(c, nothing_is_said_where_nothing_is_left);
  tcase_add_test(c, raw_parameters_are_parameters);
  tcase_add_test(c, a_release_is_of_the_phase_it_happens_in);
  tcase_add_test(own, tensors_that_are_left_are_said_once);
  suite_add_tcase(suite, c);
  suite_add_tcase(suite, own);
}

CHECK_MAIN("silence", add_cases)
