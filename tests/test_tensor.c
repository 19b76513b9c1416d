/* Tensors: shapes, views, transfers, random numbers, and sharing with other OpenCL code. */
#include "harness.h"
#include "shared_context.h"
#include <clgrad/opencl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void expect(clg_tensor *t, const float *want) {
  float got[64];
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(t, got), CLG_OK);
  for (int64_t i = 0; i < clg_tensor_numel(t); i++) ck_assert_float_eq(got[i], want[i]);
}

static const float count[24] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};

START_TEST(views_share_storage) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 3, (int64_t[]){2, 3, 4}, count);
  uint64_t live = clg_memory(ctx).live;
  clg_tensor *t = clg_transpose(x, 1, 2), *n = clg_narrow(t, -1, 1, 2), *r = clg_reshape(x, 2, (int64_t[]){-1, 4});
  clg_tensor *split = clg_reshape(clg_narrow(x, 2, 1, 2), 2, (int64_t[]){4, 3}),
             *e = clg_expand(clg_narrow(r, 0, 2, 1), 3, (int64_t[]){2, 2, -1});
  ck_assert_uint_eq(clg_memory(ctx).live, live + 12 * 4); /* `split` alone had to copy */
  ck_assert(clg_tensor_shares_storage(x, n) && clg_tensor_shares_storage(x, r) && !clg_tensor_shares_storage(x, split));
  expect(n, (float[]){4, 8, 5, 9, 6, 10, 7, 11, 16, 20, 17, 21, 18, 22, 19, 23});
  expect(split, (float[]){1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22});
  expect(e, (float[]){8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11});
  ck_assert(!clg_tensor_is_contiguous(t) && clg_tensor_is_contiguous(r));
  ck_assert_int_eq(clg_tensor_dim(x, -1), 4);
  ck_assert_int_eq(clg_tensor_dim(x, 3), -1);
  /* a window's rows split without a copy, and a permuted tensor's dimension of one goes */
  clg_tensor *w = clg_narrow(r, 1, 0, 2);
  ck_assert(clg_tensor_shares_storage(x, clg_reshape(w, 3, (int64_t[]){2, 3, 2})));
  ck_assert(clg_tensor_shares_storage(x, clg_reshape(clg_narrow(t, 1, 0, 1), 2, (int64_t[]){2, 3})));
  expect(clg_reshape(clg_narrow(clg_transpose(r, 0, 1), 0, 1, 1), 1, (int64_t[]){6}), (float[]){1, 5, 9, 13, 17, 21});
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(in_place_writes_reach_every_view) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){3, 4}, count), *column = clg_narrow(x, 1, 2, 1);
  ck_assert_int_eq(clg_fill_(column, -1), CLG_OK);
  ck_assert_int_eq(clg_tensor_write(clg_narrow(clg_transpose(x, 0, 1), 0, 0, 1), (float[]){50, 51, 52}), CLG_OK);
  ck_assert_int_eq(clg_copy_(clg_narrow(x, 0, 2, 1), clg_narrow(x, 0, 0, 1)), CLG_OK);
  expect(x, (float[]){50, 1, -1, 3, 51, 5, -1, 7, 50, 1, -1, 3});
  ck_assert_uint_eq(clg_tensor_version(x), 3);
  clg_scope_close(s);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(transfers_queue_and_wait_once) {
  enum { N = 1000 };
  static float in[N], out[N];
  for (int i = 0; i < N; i++) in[i] = (float)i;
  clg_tensor *x = clg_tensor_create(ctx, 1, (int64_t[]){N}, NULL);
  uint64_t waits = clg_context_counters(ctx).waits;
  ck_assert_int_eq(clg_tensor_write(x, in), CLG_OK);
  for (int i = 0; i < N; i++) in[i] = -1; /* was copied */
  ck_assert_int_eq(clg_tensor_read_async(x, out), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(ctx).waits, waits);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(ctx).waits, waits + 1);
  for (int i = 0; i < N; i++) ck_assert_float_eq(out[i], (float)i);
  ck_assert(isnan(clg_tensor_item(x)));
  ck_assert_int_eq(clg_last_status(ctx), CLG_ERR_SHAPE);
  clg_clear_error(ctx);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(random_numbers_are_philox) {
  float a[2000], b[2000];
  clg_set_seed(ctx, 0, 0);
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){4}, 0, 1);
  ck_assert_int_eq(clg_tensor_read(x, a), CLG_OK);
  static const uint32_t known[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c,
                                   0x9b00dbd8}; /* of counter 0, key 0 (SC'11 reference) */
  for (int i = 0; i < 4; i++) ck_assert_float_eq(a[i], (float)(known[i] >> 8) / 16777216.0f);
  clg_tensor_unref(&x);
  /* the stream goes on: one draw of 2000 is 7 and then 1993 of the next blocks */
  uint64_t seed, at;
  clg_set_seed(ctx, 12345678901234567ull, 3);
  clg_tensor *whole = clg_randn(ctx, 2, (int64_t[]){40, 50});
  clg_get_seed(ctx, &seed, &at);
  ck_assert(seed == 12345678901234567ull && at == 503);
  clg_set_seed(ctx, seed, 3);
  clg_tensor *head = clg_randn(ctx, 1, (int64_t[]){8}), *rest = clg_randn(ctx, 1, (int64_t[]){1992});
  ck_assert_int_eq(clg_tensor_read(whole, a), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(head, b), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(rest, b + 8), CLG_OK);
  ck_assert_int_eq(memcmp(a, b, sizeof a), 0);
  double sum = 0, squares = 0;
  for (int i = 0; i < 2000; i++) sum += a[i], squares += (double)a[i] * a[i];
  ck_assert_double_le(fabs(sum / 2000), 0.08);
  ck_assert_double_le(fabs(squares / 2000 - 1), 0.12);
  clg_tensor_unref(&whole);
  clg_tensor_unref(&head);
  clg_tensor_unref(&rest);
}
END_TEST

/* Sums that round up to the end of the range. */
START_TEST(random_numbers_are_below_high) {
  float v[1000];
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){1000}, 1e6f, 1e6f + 1);
  ck_assert_int_eq(clg_tensor_read(x, v), CLG_OK);
  for (int i = 0; i < 1000; i++) ck_assert(v[i] >= 1e6f && v[i] < 1e6f + 1);
  ck_assert_int_eq(clg_rand_(x, 3, 3), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(x, v), CLG_OK);
  for (int i = 0; i < 1000; i++) ck_assert_float_eq(v[i], 3);
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(prints_shape_and_corner) {
  char text[2048] = "";
  FILE *f = fmemopen(text, sizeof text, "w");
  clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){3, 8}, count);
  ck_assert_int_eq(clg_tensor_print(x, f), CLG_OK);
  fclose(f);
  ck_assert_ptr_eq(strstr(text, "tensor [3,8]\n"), text);
  ck_assert(strstr(text, " 21 ...\n") && !strstr(text, "22"));
  clg_tensor_unref(&x);
}
END_TEST

START_TEST(buffers_are_shared_with_other_opencl_code) {
  cl_context c = clg_context_cl_context(ctx);
  cl_command_queue q = clg_context_cl_queue(ctx);
  cl_int err;
  float v[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  cl_mem buffer = clCreateBuffer(c, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof v, v, &err);
  ck_assert_int_eq(err, CL_SUCCESS);
  uint64_t reserved = clg_memory(ctx).reserved;
  clg_tensor *x = clg_tensor_wrap(ctx, buffer, 8, 2, (int64_t[]){2, 3});
  ck_assert_uint_eq(clg_memory(ctx).reserved, reserved);
  expect(x, (float[]){2, 3, 4, 5, 6, 7});
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = clg_mul_scalar(clg_narrow(x, 1, 1, 2), 2);
  size_t offset = 1;
  cl_mem mem = clg_tensor_cl_mem(y, &offset);
  ck_assert_int_eq(clEnqueueReadBuffer(q, mem, CL_TRUE, offset, 4 * sizeof *v, v, 0, NULL, NULL), CL_SUCCESS);
  ck_assert(v[0] == 6 && v[1] == 8 && v[2] == 12 && v[3] == 14);
  mem = clg_tensor_cl_mem(clg_narrow(x, 0, 1, 1), &offset);
  ck_assert(mem == buffer && offset == 8 + 12);
  clg_tensor_mark_changed(x);
  ck_assert_uint_eq(clg_tensor_version(x), 1);
  clg_scope_close(s);
  ck_assert_ptr_null(clg_tensor_wrap(ctx, buffer, 8, 1, (int64_t[]){7}));
  clg_clear_error(ctx);
  ck_assert_ptr_null(clg_tensor_wrap(ctx, buffer, 2, 1, (int64_t[]){1}));
  clg_clear_error(ctx);
  ck_assert_ptr_null(clg_tensor_wrap(ctx, buffer, (size_t)-4, 1, (int64_t[]){1}));
  test_expect_error(ctx, CLG_ERR_SHAPE, "2^31");
  ck_assert_ptr_null(clg_tensor_wrap(ctx, buffer, 8, 1, (int64_t[]){INT32_MAX}));
  test_expect_error(ctx, CLG_ERR_SHAPE, "2^31");
  ck_assert_ptr_null(clg_tensor_wrap(ctx, buffer, 4, 1, (int64_t[]){INT32_MAX}));
  test_expect_error(ctx, CLG_ERR_SHAPE, "the buffer has 32 bytes");
  clg_tensor_unref(&x);
  clReleaseMemObject(buffer);
}
END_TEST

START_TEST(tensors_outlive_the_users_context) {
  clg_context *other = test_context_open();
  clg_tensor *x = clg_full(other, 1, (int64_t[]){3}, 2);
  clg_context *borrowed = other;
  clg_context_unref(&other);
  float v[3];
  ck_assert_int_eq(clg_tensor_read(x, v), CLG_OK);
  ck_assert(v[2] == 2 && clg_tensor_context(x) == borrowed);
  clg_tensor_unref(&x);
}
END_TEST

/* ---- where vectors, work-groups and pieces of an item end ---- */

enum { LONGEST = 4097, ROWS = 3, BESIDE = 5, CELLS = ROWS * (LONGEST + 2 * BESIDE) };
static const int64_t lengths[] = {1,   15,  16,   17,   31,   32,   33,   63,   64,   65,
                                  127, 129, 1023, 1025, 2047, 2048, 2049, 4095, 4096, LONGEST};
#define EACH_LENGTH(n)                                                                                                 \
  for (size_t l_ = 0, n = 1; l_ < sizeof lengths / sizeof *lengths && (n = (size_t)lengths[l_], 1); l_++)

static float numbers[CELLS], seen[CELLS];

/* whole [rows, n + 2*BESIDE] is 0.5 but for n columns from `offset` on, which are those of want [rows, n]. */
static void only_is_written(clg_tensor *whole, size_t rows, size_t n, size_t offset, const float *want) {
  const size_t width = n + 2 * BESIDE;
  ck_assert_int_eq(clg_tensor_read(whole, seen), CLG_OK);
  for (size_t i = 0; i < rows * width; i++) {
    const size_t at = i % width - offset; /* wraps before it */
    const float right = at < n ? want[i / width * n + at] : 0.5f;
    ck_assert_msg(seen[i] == right, "%zu of offset %zu, %zu: %g, not %g", n, offset, i, (double)seen[i], (double)right);
  }
}

START_TEST(nothing_is_written_beside_a_view) {
  for (size_t i = 0; i < CELLS; i++) numbers[i] = (float)(i % 1009) - 500;
  EACH_LENGTH(n)
  for (size_t offset = 0; offset <= BESIDE; offset += offset ? 2 : 1)
    for (size_t rows = 1; rows <= ROWS; rows += 2) {
      clg_scope *s = clg_scope_open(ctx);
      const int64_t shape[] = {(int64_t)rows, (int64_t)n + 2 * BESIDE}, tight[] = {(int64_t)rows, (int64_t)n};
      clg_tensor *whole = clg_full(ctx, 2, shape, 0.5f), *part = clg_narrow(whole, 1, (int64_t)offset, (int64_t)n);
      clg_tensor *from = clg_tensor_create(ctx, 2, tight, numbers);
      ck_assert_int_eq(clg_copy_(part, from), CLG_OK);
      only_is_written(whole, rows, n, offset, numbers);
      ck_assert_int_eq(clg_fill_(part, 0.25f), CLG_OK);
      ck_assert_int_eq(clg_copy_(part, clg_expand(clg_narrow(from, 0, 0, 1), 2, tight)), CLG_OK);
      for (size_t r = 1; r < rows; r++) memcpy(numbers + r * n, numbers, n * sizeof *numbers);
      only_is_written(whole, rows, n, offset, numbers);
      ck_assert_int_eq(clg_rand_(part, 2, 3), CLG_OK);
      ck_assert_int_eq(clg_tensor_read(part, numbers), CLG_OK);
      for (size_t i = 0; i < rows * n; i++) ck_assert(numbers[i] >= 2 && numbers[i] < 3);
      only_is_written(whole, rows, n, offset, numbers);
      for (size_t i = 0; i < CELLS; i++) numbers[i] = (float)(i % 1009) - 500;
      clg_scope_close(s);
      clg_tensor_unref(&from);
    }
}
END_TEST

/* Columns of any number and height: the strided kernels, where a work-item may take several short rows. */
START_TEST(transposed_copies_are_whole) {
  for (size_t i = 0; i < CELLS; i++) numbers[i] = (float)i;
  EACH_LENGTH(n)
  for (size_t rows = 2; rows <= ROWS; rows++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){(int64_t)rows, (int64_t)n}, numbers);
    ck_assert_int_eq(clg_tensor_read(clg_contiguous(clg_transpose(x, 0, 1)), seen), CLG_OK);
    for (size_t i = 0; i < rows * n; i++) ck_assert_float_eq(seen[i], numbers[i % rows * n + i / rows]);
    clg_tensor *tall = clg_tensor_create(ctx, 2, (int64_t[]){(int64_t)n, (int64_t)rows}, numbers);
    ck_assert_int_eq(clg_tensor_read(clg_contiguous(clg_transpose(tall, 0, 1)), seen), CLG_OK);
    for (size_t i = 0; i < rows * n; i++) ck_assert_float_eq(seen[i], numbers[i % n * rows + i / n]);
    clg_scope_close(s);
    clg_tensor_unref(&x);
    clg_tensor_unref(&tall);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("tensor");
  share_context(c);
  tcase_add_test(c, views_share_storage);
  tcase_add_test(c, in_place_writes_reach_every_view);
  tcase_add_test(c, transfers_queue_and_wait_once);
  tcase_add_test(c, random_numbers_are_philox);
  tcase_add_test(c, random_numbers_are_below_high);
  tcase_add_test(c, prints_shape_and_corner);
  tcase_add_test(c, buffers_are_shared_with_other_opencl_code);
  tcase_add_test(c, tensors_outlive_the_users_context);
  tcase_add_test(c, nothing_is_written_beside_a_view);
  tcase_add_test(c, transposed_copies_are_whole);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("tensor", add_cases)
