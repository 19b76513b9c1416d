/* Tensors in parts: views of all kinds whose gradients meet in one buffer, and joining of integers. */
#include "harness.h"
#include "shared_context.h"
#include <string.h>

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})
enum { R = 6, C = 5, N = R * C, MOST = 16 };

static clg_tensor *leaf(int ndim, const int64_t *shape, int n) {
  float v[N];
  for (int i = 0; i < n; i++) v[i] = (float)(i % 7) - 3;
  clg_tensor *x = clg_tensor_create(ctx, ndim, shape, v);
  ck_assert_int_eq(clg_tensor_set_requires_grad(x, true), CLG_OK);
  return x;
}

static void gradient_is(clg_tensor *x, const float *want) {
  float got[N];
  ck_assert_msg(clg_tensor_grad(x) && clg_tensor_read(clg_tensor_grad(x), got) == CLG_OK, "%s", clg_last_error(ctx));
  for (int i = 0; i < (int)clg_tensor_numel(x); i++)
    ck_assert_msg(got[i] == want[i], "%d: %g, not %g", i, (double)got[i], (double)want[i]);
}

/* ---- what the parts are ---- */

static void shapes_are(clg_tensor **part, int n, int dim, const int64_t *sizes) {
  for (int i = 0; i < n; i++) ck_assert_int_eq(clg_tensor_dim(part[i], dim), sizes[i]);
}

START_TEST(parts_are_pytorchs) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(2, DIMS(R, C), N), *p[MOST], *none = clg_full(ctx, 2, DIMS(0, 3), 0);
  float v[N];
  ck_assert_int_eq(clg_split(x, 1, 2, p, MOST), 3);
  shapes_are(p, 3, 1, DIMS(2, 2, 1));
  ck_assert(clg_tensor_shares_storage(p[2], x));
  ck_assert_int_eq(clg_tensor_read(p[2], v), CLG_OK);
  for (int i = 0; i < R; i++) ck_assert_float_eq(v[i], (float)((i * C + 4) % 7) - 3);
  ck_assert_int_eq(clg_split(x, 0, 100, p, 1), 1);
  ck_assert_int_eq(clg_chunk(x, -2, 4, p, MOST), 3); /* of 2: torch.chunk */
  shapes_are(p, 3, 0, DIMS(2, 2, 2));
  ck_assert_int_eq(clg_chunk(x, 1, 3, p, MOST), 3);
  shapes_are(p, 3, 1, DIMS(2, 2, 1));
  ck_assert_int_eq(clg_chunk(x, 1, 9, p, MOST), C);
  ck_assert_int_eq(clg_unbind(x, 1, p, MOST), C);
  ck_assert_int_eq(clg_tensor_ndim(p[3]), 1);
  ck_assert_int_eq(clg_tensor_read(p[3], v), CLG_OK);
  for (int i = 0; i < R; i++) ck_assert_float_eq(v[i], (float)((i * C + 3) % 7) - 3);
  ck_assert_int_eq(clg_split(none, 0, 2, p, MOST), 1);
  ck_assert_int_eq(clg_chunk(none, 0, 3, p, MOST), 3);
  ck_assert_int_eq(clg_unbind(none, 0, p, MOST), 0);
  ck_assert_int_eq(clg_unbind(none, 1, p, MOST), 3);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(what_makes_no_parts_is_refused) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = leaf(2, DIMS(R, C), N), *p[MOST], *scalar = clg_full(ctx, 0, NULL, 1);
  ck_assert_int_eq(clg_split(x, 0, 0, p, MOST), -1);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "split: parts of 0");
  ck_assert_int_eq(clg_chunk(x, 0, -1, p, MOST), -1);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "chunk: -1 chunks");
  ck_assert_int_eq(clg_split(x, 2, 1, p, MOST), -1);
  test_expect_error(ctx, CLG_ERR_SHAPE, "split: dimension 2");
  ck_assert_int_eq(clg_unbind(scalar, 0, p, MOST), -1);
  test_expect_error(ctx, CLG_ERR_SHAPE, "unbind: dimension 0");
  ck_assert_int_eq(clg_unbind(x, 0, p, R - 1), -1);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "there are 6 parts, and room for 5");
  ck_assert_int_eq(clg_unbind(x, 0, NULL, MOST), -1);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "NULL");
  ck_assert_int_eq(clg_split(NULL, 0, 1, p, MOST), -1);
  ck_assert_int_eq(clg_scope_close(s), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "split");
  clg_tensor_unref(&x);
}
END_TEST

/* ---- gradients: every part weighs another number, some overlap, and x is used beside them ---- */

static clg_tensor *weighed(clg_tensor *sum, clg_tensor *part, float weight) {
  clg_tensor *y = clg_mul_scalar(clg_sum(part, NULL, 0, false), weight);
  return sum ? clg_add(sum, y) : y;
}

/* Rows by unbind, columns by split, every other row, and a window within; `first` uses x itself before the parts, so
 * that their gradients come last, or first. */
static clg_tensor *loss_of(clg_tensor *x, bool first) {
  clg_tensor *p[MOST], *sum = first ? weighed(NULL, x, 100) : NULL;
  int n = clg_unbind(x, 0, p, MOST);
  for (int i = 0; i < n; i++) sum = weighed(sum, p[i], (float)(i + 1));
  n = clg_split(x, 1, 2, p, MOST);
  for (int i = 0; i < n; i++) sum = weighed(sum, p[i], (float)(10 * (i + 1)));
  sum = weighed(sum, clg_slice(x, 0, 1, INT64_MAX, 2), 1000);
  sum = weighed(sum, clg_narrow(clg_narrow(x, 0, 1, 3), 1, 2, 2), 2000);
  return first ? sum : weighed(sum, x, 100);
}

static void expected(float *want, float factor) {
  for (int r = 0; r < R; r++)
    for (int c = 0; c < C; c++) {
      float w = 100 + (float)(r + 1) + (float)(10 * (c / 2 + 1)) + (r % 2 ? 1000 : 0);
      if (r >= 1 && r < 4 && c >= 2 && c < 4) w += 2000;
      want[r * C + c] = factor * w;
    }
}

START_TEST(gradients_of_parts_add_up) {
  float want[N], turned[N];
  for (int first = 0; first < 2; first++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = leaf(2, DIMS(R, C), N), *t = leaf(2, DIMS(C, R), N);
    expected(want, 1);
    ck_assert_int_eq(clg_backward(loss_of(x, first), NULL), CLG_OK);
    gradient_is(x, want);
    ck_assert_int_eq(clg_backward(loss_of(clg_mul_scalar(x, 2), first), NULL), CLG_OK); /* not a leaf; accumulated */
    expected(want, 3);
    gradient_is(x, want);
    ck_assert_int_eq(clg_backward(loss_of(clg_transpose(t, 0, 1), first), NULL), CLG_OK);
    expected(want, 1);
    for (int i = 0; i < N; i++) turned[i % C * R + i / C] = want[i];
    gradient_is(t, turned);
    clg_tensor_zero_grad(x);
    clg_backward_options again = clg_backward_defaults();
    again.create_graph = true;
    ck_assert_int_eq(clg_backward(loss_of(x, first), &again), CLG_OK);
    gradient_is(x, want);
    clg_tensor_zero_grad(x);
    clg_tensor *g;
    ck_assert_int_eq(clg_grad(loss_of(x, first), &x, 1, &g, NULL), CLG_OK);
    float got[N];
    ck_assert_int_eq(clg_tensor_read(g, got), CLG_OK);
    ck_assert_int_eq(memcmp(got, want, sizeof got), 0);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    clg_tensor_unref(&x);
    clg_tensor_unref(&t);
  }
}
END_TEST

/* A gradient that others hold is not written into: here both inputs of a sum get the same one. */
START_TEST(a_gradient_that_is_shared_stays) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *a = leaf(1, DIMS(4), 4), *b = leaf(1, DIMS(4), 4), *c = clg_mul_scalar(a, 1);
  clg_tensor *part = clg_narrow(c, 0, 1, 2);
  clg_tensor *sum = clg_add(c, clg_mul_scalar(b, 1));
  clg_tensor *loss = clg_add(clg_sum(sum, NULL, 0, false), weighed(NULL, part, 5));
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
  gradient_is(a, (float[]){1, 6, 6, 1});
  gradient_is(b, (float[]){1, 1, 1, 1});
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&a);
  clg_tensor_unref(&b);
}
END_TEST

/* ---- cost ---- */

static uint64_t allocated;
static void on_memory(void *user, const clg_memory_event *e) {
  (void)user;
  if (e->kind == CLG_MEMORY_ALLOC) allocated += e->bytes;
}

/* Bytes that a backward through one part a time step allocates: on a plan, which allocates as a device does. */
static uint64_t cost(int steps, int how) {
  clg_context *plan = NULL;
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  clg_scope *s = clg_scope_open(plan);
  clg_tensor *x = clg_tensor_create(plan, 2, DIMS(steps, 1000), NULL), *all[1024], *h = NULL;
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = clg_mul_scalar(x, 2);
  if (how == 1) clg_unbind(y, 0, all, 1024);
  for (int i = 0; i < steps; i++) {
    clg_tensor *p = how == 1 ? all[i] : how == 2 ? clg_slice(y, 0, i, i + 1, 2) : clg_narrow(y, 0, i, 1);
    clg_tensor *e = clg_sum(clg_square(p), NULL, 0, false);
    h = h ? clg_add(h, e) : e;
  }
  allocated = 0;
  clg_memory_trace(plan, on_memory, NULL);
  ck_assert_int_eq(clg_backward(h, NULL), CLG_OK);
  clg_memory_trace(plan, NULL, NULL);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&x);
  clg_context_unref(&plan);
  return allocated;
}

START_TEST(a_part_in_each_time_step_costs_what_it_is) {
  for (int how = 0; how < 3; how++) {
    uint64_t few = cost(64, how), many = cost(512, how);
    ck_assert_msg(many <= 9 * few, "way %d: %llu bytes for 64 steps, %llu for 512", how, (unsigned long long)few,
                  (unsigned long long)many);
  }
}
END_TEST

/* ---- integers ---- */

START_TEST(integers_are_joined_and_selected) {
  const int32_t v[6] = {1, -1, 1 << 30, 0x00400000, 0x7f800001, INT32_MIN}; /* as floats: subnormals and NaN */
  int32_t got[12];
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *a = clg_tensor_create_i32(ctx, 2, DIMS(2, 3), v),
             *rows = clg_tensor_create_i32(ctx, 1, DIMS(3), (int32_t[]){2, 0, 2});
  clg_tensor *x = clg_full(ctx, 2, DIMS(2, 3), 1), *p[3];
  clg_tensor *y = clg_cat((clg_tensor *[]){a, clg_transpose(clg_reshape(a, 2, DIMS(3, 2)), 0, 1)}, 2, 0);
  ck_assert_int_eq(clg_tensor_dtype(y), CLG_I32);
  ck_assert_int_eq(clg_tensor_read_i32(y, got), CLG_OK);
  for (int i = 0; i < 12; i++) ck_assert_int_eq(got[i], i < 6 ? v[i] : v[(i - 6) % 3 * 2 + (i - 6) / 3]);
  y = clg_stack((clg_tensor *[]){a, a}, 2, 1);
  ck_assert_int_eq(clg_tensor_read_i32(y, got), CLG_OK);
  for (int i = 0; i < 12; i++) ck_assert_int_eq(got[i], v[i / 6 * 3 + i % 3]);
  y = clg_index_select(a, 1, rows);
  ck_assert_int_eq(clg_tensor_dtype(y), CLG_I32);
  ck_assert_int_eq(clg_tensor_read_i32(y, got), CLG_OK);
  for (int i = 0; i < 6; i++) ck_assert_int_eq(got[i], v[i / 3 * 3 + (i % 3 == 1 ? 0 : 2)]);
  ck_assert_int_eq(clg_unbind(a, 1, p, 3), 3);
  ck_assert_int_eq(clg_tensor_read_i32(p[2], got), CLG_OK);
  ck_assert_int_eq(got[0], v[2]);
  ck_assert_int_eq(got[1], v[5]);
  ck_assert_ptr_null(clg_cat((clg_tensor *[]){x, a}, 2, 0));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "float32");
  ck_assert_ptr_null(clg_stack((clg_tensor *[]){a, x}, 2, 0));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "int32");
  clg_scope_close(s);
  clg_tensor_unref(&a);
  clg_tensor_unref(&rows);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("slices");
  share_context(c);
  tcase_set_timeout(c, 0);
  tcase_add_test(c, parts_are_pytorchs);
  tcase_add_test(c, what_makes_no_parts_is_refused);
  tcase_add_test(c, gradients_of_parts_add_up);
  tcase_add_test(c, a_gradient_that_is_shared_stays);
  tcase_add_test(c, a_part_in_each_time_step_costs_what_it_is);
  tcase_add_test(c, integers_are_joined_and_selected);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("slices", add_cases)
