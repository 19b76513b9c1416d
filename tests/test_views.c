/* Operands that are views, and saved-tensor hooks that unpack views: kernels read contiguous tensors, so each op must
 * give the gradients that packed copies give, on its way forward and back. */
#include "context.h"
#include "harness.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static clg_context *ctx;
static void open_context(void) { ctx = test_context_open(); }
static void close_context(void) { test_context_close(&ctx); }

#define S(...) ((int64_t[]){__VA_ARGS__})
enum { X, GAMMA, BETA, W, INDEX, OPERANDS, FLOATS = INDEX };
static const struct {
  int ndim;
  int64_t shape[2];
} form[OPERANDS] = {{2, {6, 4}}, {1, {4}}, {1, {4}}, {2, {4, 4}}, {2, {6, 4}}};

/* ---- views ---- */

typedef enum layout { STEPPED, TRANSPOSED, EXPANDED, OFFSET, LAYOUTS } layout;
static const char *const layout_name[] = {"stepped", "transposed", "expanded", "offset"};

static clg_tensor *data(int ndim, const int64_t *shape, bool ints) {
  int64_t n = 1;
  for (int d = 0; d < ndim; d++) n *= shape[d];
  float v[64];
  int32_t k[64];
  for (int64_t i = 0; i < n; i++) v[i] = sinf((float)(i * i + 3 * i + ndim)), k[i] = (int32_t)(i * 7 % 4);
  return clg_scope_close_with(clg_scope_open(ctx), ints ? clg_tensor_create_i32(ctx, ndim, shape, k)
                                                        : clg_tensor_create(ctx, ndim, shape, v));
}

/* An operand whose elements do not lie one behind the other; a vector is transposed as a column of a matrix. */
static clg_tensor *view_of(int operand, layout how) {
  const int ndim = form[operand].ndim, last = ndim - 1;
  int64_t shape[2] = {form[operand].shape[0], form[operand].shape[1]};
  const bool ints = operand == INDEX;
  if (how == TRANSPOSED && ndim == 1) return clg_reshape(clg_narrow(data(2, S(shape[0], 3), ints), 1, 1, 1), 1, shape);
  if (how == TRANSPOSED) return clg_transpose(data(2, S(shape[1], shape[0]), ints), 0, 1);
  if (how == EXPANDED) return clg_expand(data(1, S(1), ints), ndim, shape);
  int64_t n = shape[last];
  shape[last] = how == STEPPED ? 2 * n : n + 3;
  clg_tensor *t = data(ndim, shape, ints);
  return how == STEPPED ? clg_slice(t, last, 0, 2 * n, 2) : clg_narrow(t, last, 2, n);
}

/* ---- ops ---- */

typedef struct row {
  const char *name;
  clg_tensor *(*fn)(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, clg_tensor *w, clg_tensor *index);
} row;
#define OP(name, call)                                                                                                 \
  static clg_tensor *op_##name(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, clg_tensor *w, clg_tensor *index) { \
    (void)gamma, (void)beta, (void)w, (void)index;                                                                     \
    return call;                                                                                                       \
  }
#define IMAGE    clg_reshape(x, 4, S(2, 4, 1, 3))
#define PICK(n)  clg_reshape(clg_narrow(index, 1, 0, 1), 1, S(n))
#define POOL     (&(clg_pool_options){{1, 2}, {0, 0}, {0, 0}, {1, 1}, false, false})
#define BATCH(a) (&(clg_batch_norm_options){.train = true, .eps = 1e-2f, .act = (a)})
OP(softmax, clg_softmax(x, 1))
OP(softmax_columns, clg_softmax(x, 0))
OP(log_softmax, clg_log_softmax(x, 1))
OP(layer_norm, clg_layer_norm(x, gamma, beta, 1e-2f))
OP(layer_norm_relu, clg_layer_norm_act(x, gamma, beta, 1e-2f, CLG_ACT_RELU, 0))
OP(batch_norm, clg_batch_norm(x, gamma, beta, BATCH(CLG_ACT_NONE)))
OP(batch_norm_relu, clg_batch_norm(x, gamma, beta, BATCH(CLG_ACT_RELU)))
OP(batch_norm_eval,
   clg_batch_norm(x, gamma, beta,
                  &(clg_batch_norm_options){
                      .running_mean = beta, .running_var = clg_add_scalar(clg_square(gamma), 1), .eps = 1e-2f}))
OP(group_norm, clg_group_norm(clg_reshape(x, 3, S(2, 4, 3)), 2, gamma, beta, 1e-2f))
OP(instance_norm, clg_instance_norm(clg_reshape(x, 3, S(2, 4, 3)), gamma, beta, 1e-2f))
OP(max_pool, clg_max_pool2d(clg_reshape(x, 3, S(1, 4, 6)), POOL))
OP(avg_pool, clg_avg_pool2d(clg_reshape(x, 3, S(1, 4, 6)), POOL))
OP(max, clg_max(x, 1, false, NULL))
OP(amax, clg_amax(x, (int[]){1}, 1, false))
OP(gather, clg_gather(x, 1, index))
OP(index_select, clg_index_select(x, 1, PICK(6)))
OP(embedding, clg_embedding(x, index, -1))
OP(conv, clg_conv2d(IMAGE, clg_reshape(w, 4, S(4, 4, 1, 1)), beta, NULL))
OP(conv_transpose, clg_conv_transpose2d(IMAGE, clg_reshape(w, 4, S(4, 4, 1, 1)), beta, NULL))
OP(linear, clg_linear(x, w, beta))
OP(linear_tanh, clg_linear_act(x, w, beta, CLG_ACT_TANH, 0))
OP(matmul, clg_matmul(x, w))
OP(matmul_batches, clg_matmul(clg_reshape(x, 3, S(2, 3, 4)), clg_reshape(w, 3, S(2, 4, 2))))
OP(row_product, clg_mul(clg_mul(x, gamma), clg_exp(beta)))
OP(var, clg_var(x, (int[]){1}, 1, true, false))
OP(norm, clg_norm(x, 3, (int[]){1}, 1, false))
OP(cross_entropy, clg_cross_entropy(x, PICK(6), NULL))
#define ROW(name)                                                                                                      \
  { #name, op_##name }
static const row rows[] = {ROW(softmax),
                           ROW(softmax_columns),
                           ROW(log_softmax),
                           ROW(layer_norm),
                           ROW(layer_norm_relu),
                           ROW(batch_norm),
                           ROW(batch_norm_relu),
                           ROW(batch_norm_eval),
                           ROW(group_norm),
                           ROW(instance_norm),
                           ROW(max_pool),
                           ROW(avg_pool),
                           ROW(max),
                           ROW(amax),
                           ROW(gather),
                           ROW(index_select),
                           ROW(embedding),
                           ROW(conv),
                           ROW(conv_transpose),
                           ROW(linear),
                           ROW(linear_tanh),
                           ROW(matmul),
                           ROW(matmul_batches),
                           ROW(row_product),
                           ROW(var),
                           ROW(norm),
                           ROW(cross_entropy)};

/* ---- hooks ---- */

static void *pack(void *user, clg_tensor *t) {
  (void)user;
  return clg_tensor_ref(t);
}
static void drop(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  clg_tensor_unref(&t);
}
/* The same elements as every other one of twice as many; between them others that no gradient may contain. */
static clg_tensor *unpack(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  const int64_t n = clg_tensor_numel(t);
  int ndim = clg_tensor_ndim(t);
  int64_t shape[CLG_MAX_DIMS] = {0};
  if (!ndim) return clg_tensor_ref(t);
  memcpy(shape, clg_tensor_shape(t), (size_t)ndim * sizeof *shape);
  float v[128], spread[256];
  ck_assert_int_le(n, 128);
  int32_t *k = (int32_t *)v, *wide = (int32_t *)spread;
  bool ints = clg_tensor_dtype(t) == CLG_I32;
  ck_assert_int_eq(ints ? clg_tensor_read_i32(t, k) : clg_tensor_read(t, v), CLG_OK);
  for (int64_t i = 0; i < n; i++) memcpy(&spread[2 * i], &v[i], sizeof(float)), wide[2 * i + 1] = 0;
  for (int64_t i = 0; !ints && i < n; i++) spread[2 * i + 1] = 1000;
  const int64_t length = 2 * shape[ndim - 1];
  shape[ndim - 1] = length;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *base = ints ? clg_tensor_create_i32(ctx, ndim, shape, wide) : clg_tensor_create(ctx, ndim, shape, spread);
  clg_tensor *view = clg_tensor_ref(clg_slice(base, ndim - 1, 0, length, 2));
  clg_scope_close(s);
  clg_tensor_unref(&base);
  return view;
}

/* ---- the checks ---- */

typedef struct results {
  float v[FLOATS][64];
} results;

/* The gradients of sum(y * u) by the operands, which are views, or packed copies of them. */
static void gradients(const row *r, layout how, bool packs, bool hooked, results *out) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *in[OPERANDS], *g[FLOATS] = {NULL};
  for (int i = 0; i < OPERANDS; i++) {
    in[i] = view_of(i, how);
    if (packs) in[i] = clg_contiguous(in[i]);
    if (i < FLOATS) ck_assert_int_eq(clg_set_requires_grad(in[i], true), CLG_OK);
  }
  const clg_saved_hooks hooks = {pack, unpack, drop, NULL};
  if (hooked) ck_assert_int_eq(clg_push_saved_hooks(ctx, &hooks), CLG_OK);
  clg_tensor *y = r->fn(in[X], in[GAMMA], in[BETA], in[W], in[INDEX]);
  if (hooked) clg_pop_saved_hooks(ctx);
  ck_assert_msg(y != NULL, "%s: %s", r->name, clg_last_error(ctx));
  float u[128];
  for (int i = 0; i < 128; i++) u[i] = cosf((float)(i * i));
  ck_assert_int_le(clg_tensor_numel(y), 128);
  clg_tensor *up = clg_tensor_create(ctx, clg_tensor_ndim(y), clg_tensor_shape(y), u);
  const clg_backward_options o = {.grad = up};
  ck_assert_msg(clg_grad(y, in, FLOATS, true, &o, g) == CLG_OK, "%s: %s", r->name, clg_last_error(ctx));
  memset(out, 0, sizeof *out);
  for (int i = 0; i < FLOATS; i++)
    if (g[i]) ck_assert_int_eq(clg_tensor_read(g[i], out->v[i]), CLG_OK);
  clg_tensor_unref(&up);
  clg_scope_close(s);
}

static void same(const row *r, const char *how, const results *got, const results *want) {
  for (int i = 0; i < FLOATS; i++)
    for (int k = 0; k < 64; k++)
      ck_assert_msg(fabsf(got->v[i][k] - want->v[i][k]) <= 2e-6f * (1 + fabsf(want->v[i][k])),
                    "%s, %s: gradient of operand %d, element %d: %g, of packed copies %g", r->name, how, i, k,
                    (double)got->v[i][k], (double)want->v[i][k]);
}

START_TEST(operands_may_be_views) {
  results got, want;
  for (int how = 0; how < LAYOUTS; how++) {
    gradients(&rows[_i], (layout)how, true, false, &want);
    gradients(&rows[_i], (layout)how, false, false, &got);
    same(&rows[_i], layout_name[how], &got, &want);
  }
}
END_TEST

START_TEST(hooks_may_unpack_views) {
  results got, want;
  gradients(&rows[_i], OFFSET, true, false, &want);
  gradients(&rows[_i], OFFSET, true, true, &got);
  same(&rows[_i], "unpacked as a view", &got, &want);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("views");
  tcase_set_timeout(t, 900);
  tcase_add_unchecked_fixture(t, open_context, close_context);
  tcase_add_loop_test(t, operands_may_be_views, 0, sizeof rows / sizeof *rows);
  tcase_add_loop_test(t, hooks_may_unpack_views, 0, sizeof rows / sizeof *rows);
  suite_add_tcase(suite, t);
}

CHECK_MAIN("views", add_cases)
