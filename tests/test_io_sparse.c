/* Files beyond 2 and 4 GiB, with a hole where data would be: what lies behind it is found, and sizes are not taken
 * modulo 2^32. */
#include "harness.h"
#include "one_file.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void put(uint64_t at, const void *data, size_t n) {
  ck_assert_msg(pwrite(fd, data, n, (off_t)at) == (ssize_t)n, "no room for a hole of %llu bytes in /tmp",
                (unsigned long long)at);
}

static void expect(const char *part) {
  ck_assert_msg(strstr(clg_last_error(ctx), part), "\"%s\" is not in: %s", part, clg_last_error(ctx));
  clg_clear_error(ctx);
}

static const uint64_t holes[] = {UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(5) << 30};
enum { HOLES = sizeof holes / sizeof *holes };

/* A tensor of bytes, which no program here loads, before a bias and a weight. */
static void make_safetensors(uint64_t hole, uint64_t more) {
  static const float values[] = {1, 2, 3, 4, 5, 6, 7, 8};
  char text[512] = "";
  unsigned long long at = hole;
  int n = snprintf(text + 8, sizeof text - 8,
                   "{\"hole\":{\"dtype\":\"U8\",\"shape\":[%llu],\"data_offsets\":[0,%llu]},"
                   "\"bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[%llu,%llu]},"
                   "\"weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[%llu,%llu]}}",
                   at, at, at, at + 8, at + 8, at + 32);
  text[0] = (char)(n & 255), text[1] = (char)(n >> 8);
  put(0, text, 8 + (size_t)n);
  put(8 + (uint64_t)n + hole, values, sizeof values);
  if (more) put(8 + (uint64_t)n + hole + sizeof values + more - 1, "", 1);
}

START_TEST(tensors_behind_a_hole) {
  static const float bias[] = {1, 2}, weight[] = {3, 4, 5, 6, 7, 8};
  float got[6];
  make_safetensors(holes[_i], 0);
  clg_loader *l = clg_loader_open(ctx, path);
  ck_assert_msg(l != NULL, "%s", clg_last_error(ctx));
  clg_tensor *w = clg_loader_load_tensor(l, "weight");
  ck_assert_msg(w && clg_tensor_read(w, got) == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert(!memcmp(got, weight, sizeof weight));
  ck_assert_ptr_null(clg_loader_load_tensor(l, "hole"));
  expect("only F32 and I32");
  clg_tensor *b = clg_loader_load_tensor(l, "bias");
  ck_assert_msg(b && clg_tensor_read(b, got) == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert(!memcmp(got, bias, sizeof bias));
  clg_loader_unref(&l);
  clg_tensor_unref(&b);
  clg_tensor_unref(&w);
}
END_TEST

/* Sizes that agree modulo 2^32 alone. */
START_TEST(more_data_than_a_header_says) {
  static const char array[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n";
  char start[128] = "\x93NUMPY\x01";
  make_safetensors(16, UINT64_C(1) << 32);
  ck_assert_ptr_null(clg_loader_open(ctx, path));
  expect("there is more data than its tensors have");
  start[8] = sizeof array - 1;
  memcpy(start + 10, array, sizeof array - 1);
  put(0, start, 10 + sizeof array - 1);
  ck_assert(!ftruncate(fd, (off_t)(10 + sizeof array - 1 + 8 + (UINT64_C(1) << 32))));
  ck_assert_ptr_null(clg_npy_load(ctx, path));
  expect("it has 4294967304 bytes of data, its shape needs 8");
}
END_TEST

/* 2^32 bytes and eight more, which a reader of 32 bits would find in a file of eight. */
START_TEST(less_data_than_a_header_says) {
  static const char text[] = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1073741826],\"data_offsets\":[0,4294967304]}}",
                    array[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1073741826,)}\n";
  char start[256] = {(char)(sizeof text - 1)};
  memcpy(start + 8, text, sizeof text - 1);
  put(0, start, 8 + sizeof text - 1 + 8);
  ck_assert_ptr_null(clg_loader_open(ctx, path));
  expect("lie beyond the end of the file");
  memset(start, 0, sizeof start);
  memcpy(start, "\x93NUMPY\x01", 7);
  start[8] = sizeof array - 1;
  memcpy(start + 10, array, sizeof array - 1);
  put(0, start, 10 + sizeof array - 1 + 8);
  ck_assert(!ftruncate(fd, (off_t)(10 + sizeof array - 1 + 8)));
  ck_assert_ptr_null(clg_npy_load(ctx, path));
  expect("it has 8 bytes of data, its shape needs 4294967304");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("sparse");
  tcase_add_checked_fixture(t, open_all, close_all);
  tcase_add_loop_test(t, tensors_behind_a_hole, 0, HOLES);
  tcase_add_test(t, more_data_than_a_header_says);
  tcase_add_test(t, less_data_than_a_header_says);
  suite_add_tcase(suite, t);
}

CHECK_MAIN("io_sparse", add_cases)
