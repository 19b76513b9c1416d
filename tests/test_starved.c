/* Every request for host memory fails in turn, on plans: nothing crashes, an error says so, nothing is lost, and the
 * same context does the same work once there is memory. The library's calls are wrapped by the linker. */
#include "harness.h"
#include <clgrad/clgrad.h>
#include <string.h>

/* ---- memory that can run out ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static long calls, fail_at, fail_times, held; /* fail_at 0: never */

static bool has_run_out(void) {
  calls++;
  return fail_at && calls >= fail_at && calls - fail_at < fail_times;
}
static void *counted(void *p) {
  held += p != NULL;
  return p;
}
void *__wrap_malloc(size_t size) { return has_run_out() ? NULL : counted(__real_malloc(size)); }
void *__wrap_calloc(size_t n, size_t size) { return has_run_out() ? NULL : counted(__real_calloc(n, size)); }
char *__wrap_strdup(const char *s) { return has_run_out() ? NULL : counted(__real_strdup(s)); }
void *__wrap_realloc(void *p, size_t size) {
  if (has_run_out()) return NULL;
  void *q = __real_realloc(p, size);
  if (!p) counted(q);
  return q;
}
void __wrap_free(void *p) {
  held -= p != NULL;
  __real_free(p);
}

/* ---- work that asks for most kinds of it ---- */

#define SHAPE(...)                                                                                                     \
  (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }

static clg_tensor *segment(void *user, clg_tensor *const *in, size_t n) {
  (void)user, (void)n;
  return clg_tanh(clg_mul(in[0], in[0]));
}
static void *pack(void *user, clg_tensor *t) { return (void)user, clg_tensor_ref(t); }
static clg_tensor *unpack(void *user, void *packed) { return (void)user, clg_tensor_ref(packed); }
static void drop(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  clg_tensor_unref(&t);
}
static clg_tensor *half(void *user, clg_tensor *g) { return (void)user, clg_tensor_ref(clg_mul_scalar(g, 0.5f)); }

/* Formulas, reductions, kept and remade results, hooks, segments, broadcast products, gradients of gradients. */
static clg_tensor *ops(clg_context *ctx, clg_tensor *x) {
  const clg_saved_hooks hooks = {pack, unpack, drop, NULL};
  const clg_map_input in[] = {{"a", x, 0}, {"s", NULL, 3}};
  clg_tensor *y = clg_map(ctx, "a > 0 ? a*s : log1p(exp(a))", in, 2);
  clg_set_remat(ctx, true);
  y = clg_gelu(clg_layer_norm(clg_mish(y), NULL, NULL, 1e-5f));
  clg_set_remat(ctx, false);
  y = clg_checkpoint(ctx, segment, NULL, NULL, &y, 1);
  if (clg_push_saved_hooks(ctx, &hooks) == CLG_OK) {
    y = clg_softmax(clg_exp(y), -1);
    clg_pop_saved_hooks(ctx);
  }
  y = clg_matmul(clg_reshape(y, SHAPE(3, 1, 2, 2)), clg_reshape(clg_slice(x, 0, 0, 2, 1), SHAPE(1, 2, 2, 2)));
  y = clg_cat((clg_tensor *[]){clg_square(y), clg_transpose(y, 0, 1), clg_dropout(y, 0.5f, true)}, 1, 0);
  return clg_add(clg_sum(y, NULL, 0, false), clg_var(x, NULL, 0, true, false));
}

static clg_status doubled(void *user, clg_tensor *const *in, size_t n, clg_tensor *out) {
  const clg_map_input a[] = {{"a", in[0], 0}};
  return (void)user, (void)n, clg_map_(out, "a + a", a, 1);
}
static clg_status doubled_backward(clg_custom_call *call) {
  call->in_grad[0] = clg_mul_scalar(call->grad, 2);
  return call->in_grad[0] ? CLG_OK : CLG_ERR_HOST_MEMORY;
}

/* Images, labels, indices, an op of the program's own. */
static clg_tensor *image_ops(clg_context *ctx, clg_tensor *x) {
  static const clg_custom_op custom = {.name = "doubled", .forward = doubled, .backward = doubled_backward};
  static const int64_t two[] = {2};
  static const int32_t label[] = {1, 0};
  clg_tensor *labels = clg_tensor_create_i32(ctx, 1, two, label), *where = NULL;
  clg_tensor *y = clg_reshape(clg_cat((clg_tensor *[]){x, x, x}, 3, 0), SHAPE(2, 2, 3, 3));
  y = clg_conv2d(y, clg_full(ctx, SHAPE(4, 1, 2, 2), 1), NULL,
                 &(clg_conv_options){.stride = {1, 1}, .dilation = {1, 1}, .groups = 2});
  y = clg_batch_norm(clg_custom_apply(&custom, &y, 1, SHAPE(2, 4, 2, 2)), NULL, NULL, NULL);
  y = clg_group_norm(clg_upsample_nearest(y, 2, 2), 2, NULL, NULL, 1e-5f);
  y = clg_max_pool2d(y, &(clg_pool_options){.kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}});
  y = clg_reshape(clg_pad(y, 0, 0, 0, 0), SHAPE(2, -1));
  y = clg_add(y, clg_max(clg_index_select(y, 0, labels), 1, true, &where));
  y = clg_cross_entropy(clg_norm(clg_expand(y, SHAPE(3, 2, -1)), 3, (int[]){0}, 1, false), labels, NULL);
  clg_tensor_unref(&labels);
  return y;
}

enum { ALL = 7 };
static int achieved; /* of all that the work is for */
static void achieve(bool done) { achieved += done; }

static void differentiate(clg_context *ctx) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_full(ctx, SHAPE(3, 4), 0.5f), *g = NULL;
  clg_set_requires_grad(x, true);
  achieve(clg_add_hook(x, half, NULL) != 0);
  achieve(clg_backward(ops(ctx, x), NULL) == CLG_OK);
  achieve(clg_backward(image_ops(ctx, x), NULL) == CLG_OK);
  const clg_backward_options twice = {.create_graph = true};
  clg_grad(clg_sum(clg_mish(x), NULL, 0, false), &x, 1, false, &twice, &g);
  achieve(clg_backward(clg_sum(g, NULL, 0, false), NULL) == CLG_OK);
  clg_scope_close(s);
}

static void train(clg_context *ctx) {
  clg_module *layers[] = {clg_linear_create(ctx, 4, 3, true), clg_activation_create(ctx, CLG_ACT_LEAKY_RELU, 0.2f),
                          clg_linear_create(ctx, 3, 1, true)};
  clg_module *net = clg_sequential_create(ctx, layers, 3);
  clg_module_checkpoint(net, 1);
  const clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  clg_optim *o = clg_optim_create_for(net, &adam);
  clg_ema *average = clg_ema_create(net, 0.9);
  clg_set_phase(ctx, "step");
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *loss = clg_mse_loss(clg_forward(net, clg_randn(ctx, SHAPE(5, 4))), clg_full(ctx, SHAPE(5, 1), 1));
  if (clg_backward(loss, NULL) == CLG_OK) {
    size_t n;
    clg_tensor *const *p = clg_module_parameters(net, &n);
    achieve(clg_clip_grad_norm(ctx, p, n, 1) != NULL);
    achieve(clg_optim_step(o) == CLG_OK);
    achieve(clg_ema_update(average, net) == CLG_OK);
  }
  clg_scope_close(s);
  clg_set_phase(ctx, NULL);
  clg_ema_unref(&average);
  clg_optim_unref(&o);
  clg_module_unref(&net);
}

/* As a program would that looks at the close of its scope alone. */
static clg_status work(clg_context *ctx) {
  clg_scope *s = clg_scope_open(ctx);
  achieved = 0;
  differentiate(ctx);
  train(ctx);
  return clg_scope_close(s);
}

/* ---- the trials ---- */

static clg_context *open_plan(clg_device_shape shape) {
  clg_plan_options o = CLG_PLAN_OPTIONS_INIT;
  clg_context *ctx = NULL;
  o.shape = shape;
  ck_assert_int_eq(clg_context_create_plan(&ctx, &o), CLG_OK);
  return ctx;
}

/* What is left while only the context lives: the constant that backward starts from. */
static void check_empty(clg_context *ctx, long at) {
  ck_assert_msg(clg_memory(ctx).live <= sizeof(float), "request %ld: %llu bytes are left", at,
                (unsigned long long)clg_memory(ctx).live);
  ck_assert_msg(clg_memory(ctx).saved == 0, "request %ld: %llu saved bytes are left", at,
                (unsigned long long)clg_memory(ctx).saved);
}

/* Request `at` and the next times - 1 of a context's work fail. False: there is no such request. */
static bool trial(clg_device_shape shape, long at, long times) {
  long before = held;
  clg_context *ctx = open_plan(shape);
  calls = 0, fail_at = at, fail_times = times;
  clg_status s = work(ctx);
  bool reached = calls >= at;
  fail_at = 0;
  ck_assert_msg(s != CLG_OK || achieved == ALL, "request %ld: lost without a word", at);
  ck_assert_msg(s == CLG_OK || s == CLG_ERR_HOST_MEMORY || clg_last_status(ctx) == CLG_ERR_HOST_MEMORY,
                "request %ld: %s: %s", at, clg_status_name(s), clg_last_error(ctx));
  check_empty(ctx, at);
  clg_clear_error(ctx);
  s = work(ctx);
  ck_assert_msg(s == CLG_OK && achieved == ALL, "after request %ld failed: %s", at, clg_last_error(ctx));
  check_empty(ctx, at);
  clg_context_unref(&ctx);
  ck_assert_msg(held == before, "request %ld: %ld pieces of host memory are lost", at, held - before);
  return reached;
}

static void all_trials(clg_device_shape shape, long times, long stride) {
  long at = 1;
  while (trial(shape, at, times)) at += stride;
  ck_assert_int_gt(at, 1000);
}

START_TEST(each_request_fails) { all_trials(CLG_SHAPE_CPU, 1, 1); }
END_TEST

START_TEST(memory_runs_out_for_good) { all_trials(CLG_SHAPE_GPU, 1000000000, 3); }
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("starved");
  tcase_set_timeout(t, 600);
  tcase_add_test(t, each_request_fails);
  tcase_add_test(t, memory_runs_out_for_good);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("starved", add_cases)
