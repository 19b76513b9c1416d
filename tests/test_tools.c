/* Anomaly mode, finite differences, kernels and ops of the user's own. */
#include "harness.h"
#include "shared_context.h"
#include <clgrad/custom.h>
#include <math.h>
#include <string.h>

static clg_tensor *total(clg_tensor *x) { return clg_sum(x, NULL, 0, false); }
static clg_tensor *leaf(int64_t n, const float *v) {
  clg_tensor *t = clg_tensor_create(ctx, 1, &n, v);
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}
static clg_tensor *random_leaf(int ndim, const int64_t *shape) {
  clg_tensor *t = clg_tensor_create(ctx, ndim, shape, NULL);
  ck_assert_int_eq(clg_randn_(t, 0, 1), CLG_OK);
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}

/* ---- anomaly mode ---- */

START_TEST(anomaly_names_the_forward_op) {
  clg_tensor *x = leaf(3, (float[]){1, -1, 2});
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_ptr_nonnull(clg_exp(clg_log(x)));
  ck_assert(!clg_set_anomaly(ctx, true));
  clg_set_phase(ctx, "D real");
  ck_assert_ptr_nonnull(clg_exp(x));
  ck_assert_ptr_null(clg_exp(clg_log(x)));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "log: "));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "forward"));
  test_expect_error(ctx, CLG_ERR_GRAPH, "D real");
  clg_set_grad_mode(ctx, false);
  ck_assert_ptr_null(clg_div(x, clg_mul_scalar(x, 0))); /* not recorded: still named */
  test_expect_error(ctx, CLG_ERR_GRAPH, "div: its result [3] holds NaN or Inf");
  clg_set_grad_mode(ctx, true);
  ck_assert(clg_anomaly(ctx));
  ck_assert(clg_set_anomaly(ctx, false));
  ck_assert(!clg_anomaly(ctx));
  ck_assert_ptr_nonnull(clg_log(x));
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(anomaly_names_the_backward_op) {
  clg_tensor *x = leaf(3, (float[]){4, 0, 1}), *w = leaf(3, (float[]){1, 1, 1});
  clg_scope *s = clg_scope_open(ctx);
  clg_set_anomaly(ctx, true);
  /* 0 * d sqrt(0) is NaN in backward alone; mul comes first and is clean */
  clg_tensor *y = total(clg_mul(clg_sqrt(clg_mul(x, w)), clg_relu(x)));
  ck_assert_ptr_nonnull(y);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_ERR_GRAPH);
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "gradient of its input 0"));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "in backward"));
  test_expect_error(ctx, CLG_ERR_GRAPH, "sqrt");
  /* straight into a leaf's gradient */
  clg_tensor_zero_grad(x);
  ck_assert_int_eq(clg_backward(total(clg_sqrt(x)), NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "sqrt");
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_tensor_unref(&w);
}
END_TEST

/* ---- gradcheck ---- */

static clg_tensor *smooth(void *user, clg_tensor *const *in, size_t n) {
  (void)user, (void)n;
  clg_tensor *noise = clg_rand(ctx, 2, (int64_t[]){3, 4}, 0.5f, 1);
  return clg_matmul(clg_mul(clg_tanh(in[0]), noise), clg_sin(in[1]));
}
/* Its gradient stops where it should not. */
static clg_tensor *wrong(void *user, clg_tensor *const *in, size_t n) {
  (void)user, (void)n;
  return clg_mul(in[0], clg_detach(clg_square(in[0])));
}
static clg_tensor *unfit(void *user, clg_tensor *const *in, size_t n) {
  (void)user, (void)n;
  return clg_add(in[0], in[1]);
}

START_TEST(gradcheck_finds_right_and_wrong) {
  clg_set_seed(ctx, 5, 0);
  clg_tensor *in[] = {random_leaf(2, (int64_t[]){3, 4}), random_leaf(2, (int64_t[]){4, 2})};
  float before[12], after[12];
  uint64_t position, then;
  clg_tensor_read(in[0], before);
  clg_get_seed(ctx, NULL, &position);
  clg_gradcheck_options o = clg_gradcheck_defaults();
  o.order = 2;
  ck_assert_msg(clg_gradcheck(ctx, smooth, NULL, in, 2, &o) == CLG_OK, "%s", clg_last_error(ctx));
  clg_tensor_read(in[0], after);
  clg_get_seed(ctx, NULL, &then);
  ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
  ck_assert_uint_eq(position, then);
  ck_assert_ptr_null(clg_tensor_grad(in[0]));
  ck_assert_int_eq(clg_gradcheck(ctx, wrong, NULL, in, 1, NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "input 0, element 0, order 1: backward gives");
  ck_assert_int_eq(clg_gradcheck(ctx, unfit, NULL, in, 2, NULL), CLG_ERR_SHAPE);
  test_expect_error(ctx, CLG_ERR_SHAPE, "add");
  o.order = 3;
  ck_assert_int_eq(clg_gradcheck(ctx, smooth, NULL, in, 2, &o), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "order 1 or 2");
  clg_tensor_unref(&in[0]);
  clg_tensor_unref(&in[1]);
}
END_TEST

/* ---- kernels ---- */

static const char swish[] =
    "__kernel void forward(__global const float *x, const uint x_at, __global float *y, const uint y_at, const float "
    "k,\n"
    "                      const uint n) {\n"
    "  const size_t i = get_global_id(0);\n"
    "  if (i < n) { const float v = x[x_at + i]; y[y_at + i] = v / (1 + exp(-k * v)); }\n"
    "}\n"
    "__kernel void backward(__global const float *x, const uint x_at, __global const float *g, const uint g_at,\n"
    "                       __global float *d, const uint d_at, const float k, const uint n) {\n"
    "  const size_t i = get_global_id(0);\n"
    "  if (i < n) {\n"
    "    const float v = x[x_at + i], s = 1 / (1 + exp(-k * v));\n"
    "    d[d_at + i] = g[g_at + i] * s * (1 + k * v * (1 - s));\n"
    "  }\n"
    "}\n";

START_TEST(kernels_run_on_tensors) {
  clg_program *p = clg_program_create(ctx, "swish.cl", swish);
  ck_assert_msg(p != NULL, "%s", clg_last_error(ctx));
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){101}, -2, 2), *y = clg_full(ctx, 1, (int64_t[]){200}, 7),
             *part = clg_narrow(y, 0, 50, 101);
  clg_kernel_arg args[] = {clg_arg_read(x), clg_arg_write(part), clg_arg_float(1.5f), clg_arg_uint(101)};
  ck_assert_msg(clg_program_launch(p, "forward", (size_t[3]){101, 1, 1}, NULL, args, 4) == CLG_OK, "%s",
                clg_last_error(ctx));
  ck_assert_uint_eq(clg_tensor_version(y), 1 + clg_tensor_version(x));
  float in[101], out[200];
  clg_tensor_read(x, in);
  clg_tensor_read(y, out);
  for (int i = 0; i < 200; i++) {
    float v = i < 50 || i >= 151 ? 7 : in[i - 50] / (1 + expf(-1.5f * in[i - 50]));
    ck_assert_float_eq_tol(out[i], v, 1e-5f);
  }
  clg_kernel_arg none[] = {clg_arg_read(clg_full(ctx, 1, (int64_t[]){0}, 0)), args[1], args[2], clg_arg_uint(0)};
  ck_assert_int_eq(clg_program_launch(p, "forward", (size_t[3]){101, 1, 1}, NULL, none, 4), CLG_OK);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
  ck_assert_int_eq(clg_program_launch(p, "forwards", (size_t[3]){101, 1, 1}, NULL, args, 4), CLG_ERR_BUILD);
  test_expect_error(ctx, CLG_ERR_BUILD, "forwards");
  ck_assert_int_eq(clg_program_launch(p, "forward", (size_t[3]){101, 1, 1}, NULL, args, 3), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "takes 6 arguments, and 5");
  args[0].tensor = clg_expand(clg_narrow(x, 0, 0, 1), 1, (int64_t[]){101});
  ck_assert_int_eq(clg_program_launch(p, "forward", (size_t[3]){101, 1, 1}, NULL, args, 4), CLG_ERR_SHAPE);
  test_expect_error(ctx, CLG_ERR_SHAPE, "contiguous");
  clg_tensor *l = random_leaf(1, (int64_t[]){101});
  args[0].tensor = l;
  ck_assert_int_eq(clg_program_launch(p, "forward", (size_t[3]){101, 1, 1}, NULL, args, 4), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "not recorded");
  clg_scope_close(s);
  clg_tensor_unref(&l);
  clg_program_unref(&p);
  ck_assert_ptr_null(
      clg_program_create(ctx, "bad.cl", "__kernel void f(__global float *x) {\n  x[0] = nonsense;\n}\n"));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "bad.cl:2"));
  test_expect_error(ctx, CLG_ERR_BUILD, "nonsense");
}
END_TEST

/* ---- ops ---- */

typedef struct swish_op {
  clg_program *program;
  float k;
  int drops;
  bool composed, lazy, misshapen;
  clg_tensor *given; /* as the gradient, if not NULL */
} swish_op;

static clg_status swish_forward(void *user, clg_tensor *const *in, size_t n, clg_tensor *out) {
  const swish_op *o = user;
  ck_assert_uint_eq(n, 1);
  size_t numel = (size_t)clg_tensor_numel(out);
  const clg_kernel_arg args[] = {clg_arg_read(in[0]), clg_arg_write(out), clg_arg_float(o->k),
                                 clg_arg_uint((uint32_t)numel)};
  return clg_program_launch(o->program, "forward", (size_t[3]){numel, 1, 1}, NULL, args, 4);
}

static clg_status swish_backward(clg_custom_call *c) {
  const swish_op *o = c->user;
  clg_tensor *x = c->in[0];
  if (o->lazy) return CLG_OK;
  if (o->given) {
    c->in_grad[0] = o->given;
    return CLG_OK;
  }
  if (o->misshapen) return (c->in_grad[0] = total(c->grad)) ? CLG_OK : CLG_ERR_GRAPH;
  if (o->composed) {
    clg_tensor *s = clg_sigmoid(clg_mul_scalar(x, o->k));
    clg_tensor *slope = clg_mul(s, clg_add_scalar(clg_mul(clg_mul_scalar(x, o->k), clg_add_scalar(clg_neg(s), 1)), 1));
    c->in_grad[0] = clg_mul(c->grad, slope);
    return c->in_grad[0] ? CLG_OK : clg_last_status(c->ctx);
  }
  size_t numel = (size_t)clg_tensor_numel(x);
  c->in_grad[0] = clg_empty(c->ctx, clg_tensor_ndim(x), clg_tensor_shape(x));
  const clg_kernel_arg args[] = {clg_arg_read(x), clg_arg_read(c->grad), clg_arg_write(c->in_grad[0]),
                                 clg_arg_float(o->k), clg_arg_uint((uint32_t)numel)};
  return clg_program_launch(o->program, "backward", (size_t[3]){numel, 1, 1}, NULL, args, 5);
}

static void swish_drop(void *user) { ((swish_op *)user)->drops++; }

static clg_tensor *apply(swish_op *o, clg_tensor *x) {
  const clg_custom_op op = {
      .name = "swish", .forward = swish_forward, .backward = swish_backward, .saves = 1, .user = o, .drop = swish_drop};
  return clg_custom_apply(&op, &x, 1, clg_tensor_ndim(x), clg_tensor_shape(x));
}

/* A transposed input and a gradient that is a broadcast view: both reach the kernels contiguous. */
static clg_tensor *through(void *user, clg_tensor *const *in, size_t n) {
  (void)n;
  return clg_sum(apply(user, clg_transpose(in[0], 0, 1)), (int[]){0}, 1, false);
}

START_TEST(custom_ops_are_recorded) {
  swish_op o = {.program = clg_program_create(ctx, "swish.cl", swish), .k = 1.25f};
  clg_set_seed(ctx, 9, 0);
  clg_tensor *x = random_leaf(2, (int64_t[]){3, 5});
  clg_gradcheck_options options = clg_gradcheck_defaults();
  ck_assert_msg(clg_gradcheck(ctx, through, &o, &x, 1, &options) == CLG_OK, "%s", clg_last_error(ctx));
  /* kernels cannot be differentiated again, ops can */
  options.order = 2;
  ck_assert_int_eq(clg_gradcheck(ctx, through, &o, &x, 1, &options), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "create_graph");
  o.composed = true;
  ck_assert_msg(clg_gradcheck(ctx, through, &o, &x, 1, &options) == CLG_OK, "%s", clg_last_error(ctx));
  o.composed = false;
  /* drop comes with the last of the graph, and once */
  o.drops = 0;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = total(apply(&o, x));
  ck_assert_int_eq(o.drops, 0);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "swish: backward through the graph a second time");
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  ck_assert_int_eq(o.drops, 1);
  clg_tensor_unref(&x);
  clg_program_unref(&o.program);
}
END_TEST

START_TEST(bad_custom_ops_are_errors) {
  swish_op o = {.program = clg_program_create(ctx, "swish.cl", swish), .k = 1};
  clg_tensor *x = random_leaf(1, (int64_t[]){5});
  clg_scope *s = clg_scope_open(ctx);
  o.lazy = true;
  ck_assert_int_eq(clg_backward(total(apply(&o, x)), NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "swish: its backward gave no gradient of input 0");
  o.lazy = false, o.misshapen = true;
  ck_assert_int_eq(clg_backward(total(apply(&o, x)), NULL), CLG_ERR_SHAPE);
  test_expect_error(ctx, CLG_ERR_SHAPE, "[5]");
  o.misshapen = false;
  clg_context *other = NULL;
  ck_assert_int_eq(clg_context_create_plan(&other, NULL), CLG_OK);
  o.given = clg_tensor_create_i32(other, 1, (int64_t[]){5}, NULL);
  ck_assert_int_eq(clg_backward(total(apply(&o, x)), NULL), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "swish: its backward gave a gradient of input 0 that belongs to another");
  ck_assert_str_eq(clg_last_error(other), "");
  clg_tensor_unref(&o.given);
  clg_context_unref(&other);
  o.drops = 0;
  const clg_custom_op nameless = {.forward = swish_forward, .user = &o, .drop = swish_drop};
  ck_assert_ptr_null(clg_custom_apply(&nameless, &x, 1, 1, (int64_t[]){5}));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "name");
  ck_assert_int_eq(o.drops, 1);
  clg_scope_close(s);
  clg_tensor_unref(&x);
  clg_program_unref(&o.program);
}
END_TEST

START_TEST(custom_ops_under_checkpoint_and_plan) {
  clg_context *device = ctx;
  for (int plan = 0; plan < 2; plan++) {
    if (plan) ck_assert_int_eq(clg_context_create_plan(&ctx, NULL), CLG_OK);
    swish_op o = {.program = clg_program_create(ctx, "swish.cl", swish), .k = 1};
    clg_tensor *x = random_leaf(2, (int64_t[]){3, 5});
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *y = clg_checkpoint(ctx, through, &o, NULL, &x, 1);
    ck_assert_int_eq(clg_backward(total(y), NULL), CLG_OK);
    ck_assert_ptr_nonnull(clg_tensor_grad(x));
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    clg_tensor_unref(&x);
    clg_program_unref(&o.program);
    if (plan) test_context_close(&ctx);
  }
  ctx = device;
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("tools");
  tcase_set_timeout(c, 120);
  share_context(c);
  tcase_add_test(c, anomaly_names_the_forward_op);
  tcase_add_test(c, anomaly_names_the_backward_op);
  tcase_add_test(c, gradcheck_finds_right_and_wrong);
  tcase_add_test(c, kernels_run_on_tensors);
  tcase_add_test(c, custom_ops_are_recorded);
  tcase_add_test(c, bad_custom_ops_are_errors);
  tcase_add_test(c, custom_ops_under_checkpoint_and_plan);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("tools", add_cases)
