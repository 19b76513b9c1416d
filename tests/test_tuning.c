/* Tables of choices for products and convolutions: in files and damaged files, and every choice in turn on products of
 * all classes; and CLBlast's parameters. */
#include "context.h"
#include "harness.h"
#include "replaces.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { C = CLG_SIZE_CLASSES, CLASSES = 4 * C * C * C, ROOM = 1 << 16 };

static clg_context *ctx;
static char path[64], text[ROOM];

static clg_context *open_shape(clg_device_shape shape) {
  clg_context_options o = clg_context_defaults();
  o.shape = shape;
  clg_context *out = NULL;
  ck_assert_int_eq(clg_context_create(&out, &o), CLG_OK);
  return out;
}

static void open_all(void) {
  ctx = open_shape(CLG_SHAPE_CPU);
  strcpy(path, "/tmp/clgrad-tuning.XXXXXX");
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  close(fd);
}
static void close_all(void) {
  test_context_close(&ctx);
  unlink(path);
}

static clg_product_class class_of(int i) {
  return (clg_product_class){i / (2 * C * C * C), i / (C * C * C) % 2, i / (C * C) % C, i / C % C, i % C};
}

static size_t get(void) {
  FILE *f = fopen(path, "rb");
  ck_assert_ptr_nonnull(f);
  size_t n = fread(text, 1, ROOM - 1, f);
  fclose(f);
  text[n] = 0;
  return n;
}

static void put(const char *data, size_t n) {
  FILE *f = fopen(path, "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(data, 1, n, f), n);
  fclose(f);
}

/* A line for every class that a kernel other than the fixed choice can have. */
static void fill(clg_context *to) {
  for (int i = 0; i < CLASSES; i++) {
    clg_product_class c = class_of(i);
    clg_product_kernel k = (clg_product_kernel)(i % CLG_PRODUCT_KERNELS);
    if (clg_product_kernel_serves(to, k, &c)) ck_assert_int_eq(clg_tuning_set(to, &c, k), CLG_OK);
  }
  for (int i = 0, k; i < CLG_CONV_CLASSES; i++)
    if (k = i % CLG_CONV_KERNELS, clg_conv_kernel_serves(to, (clg_conv_kernel)k, i))
      ck_assert_int_eq(clg_tuning_set_conv(to, i, (clg_conv_kernel)k), CLG_OK);
}

START_TEST(a_table_comes_back_as_it_was) {
  for (int shape = CLG_SHAPE_CPU; shape <= CLG_SHAPE_GPU; shape++) {
    clg_context *from = open_shape((clg_device_shape)shape), *to = open_shape((clg_device_shape)shape);
    ck_assert_uint_eq(clg_tuning_hash(from), 0);
    ck_assert_int_eq(clg_tuning_save(from, path), CLG_ERR_STATE);
    clg_clear_error(from);
    fill(from);
    uint64_t hash = clg_tuning_hash(from);
    ck_assert_uint_ne(hash, 0);
    ck_assert_int_eq(clg_tuning_save(from, path), CLG_OK);
    ck_assert_msg(clg_tuning_load(to, path) == CLG_OK, "%s", clg_last_error(to));
    ck_assert_uint_eq(clg_tuning_hash(to), hash);
    for (int i = 0; i < CLASSES; i++) {
      clg_product_class c = class_of(i);
      ck_assert_int_eq(clg_tuning_get(to, &c), clg_tuning_get(from, &c));
    }
    for (int i = 0; i < CLG_CONV_CLASSES; i++)
      ck_assert_int_eq(clg_tuning_get_conv(to, i), clg_tuning_get_conv(from, i));
    clg_product_class c = {0};
    ck_assert_int_eq(clg_tuning_set(to, &c, CLG_PRODUCT_ROW), CLG_OK);
    ck_assert_uint_ne(clg_tuning_hash(to), hash);
    clg_tuning_clear(to);
    ck_assert_uint_eq(clg_tuning_hash(to), 0);
    clg_context_unref(&from);
    clg_context_unref(&to);
  }
}
END_TEST

START_TEST(a_table_replaces_a_file) {
  ck_assert_int_eq(clg_tuning_set(ctx, &(clg_product_class){0}, CLG_PRODUCT_ROW), CLG_OK);
  test_replaces(ctx, clg_tuning_save);
}
END_TEST

START_TEST(what_is_no_class_or_kernel_is_refused) {
  const clg_product_class wrong[] = {{0, 0, C, 0, 0}, {0, 0, 0, -1, 0}, {0, 0, 0, 0, C}}, right = {0};
  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq(clg_tuning_set(ctx, &wrong[i], CLG_PRODUCT_ROW), CLG_ERR_ARGUMENT);
    ck_assert_int_eq(clg_tuning_get(ctx, &wrong[i]), CLG_PRODUCT_FIXED);
    ck_assert(!clg_product_kernel_serves(ctx, CLG_PRODUCT_PANEL, &wrong[i]));
    clg_clear_error(ctx);
  }
  ck_assert_int_eq(clg_tuning_set(ctx, &right, CLG_PRODUCT_CLBLAST), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_tuning_set(ctx, &right, CLG_PRODUCT_KERNELS), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_tuning_load(ctx, NULL), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_tuning_save(ctx, NULL), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_tuning_load(NULL, path), CLG_ERR_ARGUMENT);
  ck_assert_int_eq(clg_tuning_save(NULL, path), CLG_ERR_ARGUMENT);
  for (int c = 0; c < C; c++) ck_assert_int_eq(clg_size_class(clg_size_class_typical(c)), c);
  ck_assert_int_eq(clg_size_class_typical(C), 0);
}
END_TEST

/* ---- files that lie ---- */

/* One line that names the file, and the table that was there stays. */
static void expect_refusal(uint64_t hash, const char *what) {
  ck_assert_msg(clg_tuning_load(ctx, path) == CLG_ERR_IO, "%s was taken", what);
  const char *line = clg_last_error(ctx);
  ck_assert_msg(strstr(line, path) && !strchr(line, '\n'), "%s: %s", what, line);
  clg_clear_error(ctx);
  ck_assert_uint_eq(clg_tuning_hash(ctx), hash);
}

START_TEST(damaged_files_are_refused) {
  for (int i = 0; i < C; i++)
    ck_assert_int_eq(clg_tuning_set(ctx, &(clg_product_class){i % 2, i / 2 % 2, 4 - i, i, 2}, CLG_PRODUCT_PANEL),
                     CLG_OK);
  ck_assert_int_eq(clg_tuning_set_conv(ctx, 1799, CLG_CONV_FEW), CLG_OK);
  ck_assert_int_eq(clg_tuning_save(ctx, path), CLG_OK);
  uint64_t hash = clg_tuning_hash(ctx);
  size_t n = get();
  static char good[ROOM];
  memcpy(good, text, n + 1);
  for (size_t i = 0; i < n; i++) { /* every byte changed */
    memcpy(text, good, n);
    text[i] = (char)(text[i] ^ (i % 3 ? 1 : 0x80));
    put(text, n);
    expect_refusal(hash, "a changed byte");
  }
  for (size_t i = 0; i < n; i += 1 + i % 7) { /* cut off anywhere */
    put(good, i);
    expect_refusal(hash, "a part");
  }
  memcpy(text, good, n), memcpy(text + n, "\n", 1);
  put(text, n + 1);
  expect_refusal(hash, "one line more");
  put("", 0);
  expect_refusal(hash, "nothing");
  memset(text, 'x', ROOM - 1);
  put(text, ROOM - 1);
  expect_refusal(hash, "one long line");
  unlink(path);
  expect_refusal(hash, "no file");
}
END_TEST

/* As somebody would who writes a table by hand: the end is right. */
static unsigned long long fnv(const char *s) {
  unsigned long long h = 0xcbf29ce484222325ull;
  for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
  return h;
}
static void put_table(const char *device, const char *driver, const char *shape, const char *lines) {
  const clg_device_info *d = clg_context_device(ctx);
  int n = snprintf(text, ROOM, "clgrad-tuning 1\nplatform %s\ndevice %s\ndriver %s\nshape %s\n%s", d->platform,
                   device ? device : d->name, driver ? driver : d->driver, shape, lines);
  snprintf(text + n, ROOM - (size_t)n, "end %016llx\n", fnv(text));
  put(text, strlen(text));
}

START_TEST(foreign_files_are_refused) {
  put_table(NULL, NULL, "cpu", "product nn 0 0 0 row\n");
  ck_assert_msg(clg_tuning_load(ctx, path) == CLG_OK, "%s", clg_last_error(ctx));
  uint64_t hash = clg_tuning_hash(ctx);
  put_table("another", NULL, "cpu", "");
  expect_refusal(hash, "another device's");
  put_table(NULL, "another", "cpu", "");
  expect_refusal(hash, "another driver's");
  put_table(NULL, NULL, "gpu", "");
  expect_refusal(hash, "the other shape's");
  static const char *const lines[] = {"product nn 0 0 0 fixed\n",
                                      "product nn 0 0 0 tile\n",
                                      "product nn 5 0 0 row\n",
                                      "product nn 0 0 0 row \n",
                                      "product nn  0 0 0 row\n",
                                      "product xn 0 0 0 row\n",
                                      "product n 0 0 0 row\n",
                                      "product nn 0 0 row\n",
                                      "product nn 0 0 0 rows\n",
                                      "product nn 00 0 0 row\n",
                                      "product nn -1 0 0 row\n",
                                      "\n",
                                      "product nn 0 0 0 row\nproduct nn 0 0 0 dot\n",
                                      "product nn 0 0 1 row\nproduct nn 0 0 0 row\n",
                                      "product\n",
                                      "product \n",
                                      "product n\n",
                                      "product nn\n",
                                      "conv y 0 0 0 0 0 tile\n",
                                      "conv z 0 0 0 0 0 few\n",
                                      "conv y 0 2 0 0 0 few\n",
                                      "conv y 0 0 0 0 few\n",
                                      "conv y 0 0 0 0 0 few\nproduct nn 0 0 0 row\n"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    put_table(NULL, NULL, "cpu", lines[i]);
    expect_refusal(hash, lines[i]);
  }
}
END_TEST

START_TEST(contexts_and_plans_take_the_variables_table) {
  fill(ctx);
  ck_assert_int_eq(clg_tuning_save(ctx, path), CLG_OK);
  uint64_t hash = clg_tuning_hash(ctx);
  ck_assert(!setenv("CLGRAD_TUNING", path, 1));
  clg_context *other = open_shape(CLG_SHAPE_CPU), *plan = NULL;
  ck_assert_uint_eq(clg_tuning_hash(other), hash);
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  ck_assert_uint_eq(clg_tuning_hash(plan), hash);
  clg_context_unref(&plan);
  clg_context_unref(&other);
  put("nonsense\n", 9);
  char why[256] = "";
  clg_context_options o = clg_context_defaults();
  o.message = why, o.message_size = sizeof why;
  ck_assert_int_eq(clg_context_create(&other, &o), CLG_ERR_IO);
  ck_assert(!other && strstr(why, path));
  clg_plan_options p = clg_plan_defaults();
  p.message = why, p.message_size = sizeof why, *why = 0;
  ck_assert_int_eq(clg_context_create_plan(&plan, &p), CLG_ERR_IO);
  ck_assert(!plan && strstr(why, path));
  unsetenv("CLGRAD_TUNING");
  p.like = ctx;
  ck_assert_int_eq(clg_context_create_plan(&plan, &p), CLG_OK);
  ck_assert_uint_eq(clg_tuning_hash(plan), hash);
  clg_context_unref(&plan);
}
END_TEST

/* ---- every choice in turn ---- */

static clg_tensor *operand(clg_context *in, int64_t rows, int64_t columns, bool transposed, float *host) {
  for (int64_t i = 0; i < rows * columns; i++) host[i] = (float)((i * 7919 + 13) % 257 - 128) / 128;
  const int64_t shape[2] = {transposed ? columns : rows, transposed ? rows : columns};
  clg_tensor *t = clg_full(in, 2, shape, 0);
  ck_assert_int_eq(clg_tensor_write(t, host), CLG_OK);
  return transposed ? clg_transpose(t, 0, 1) : t;
}

static void check_product(clg_context *in, const clg_product_class *c, int64_t m, int64_t n, int64_t k) {
  float *a = malloc((size_t)(m * k) * sizeof *a), *b = malloc((size_t)(k * n) * sizeof *b);
  float *got = malloc((size_t)(m * n) * sizeof *got), *again = malloc((size_t)(m * n) * sizeof *again);
  clg_scope *scope = clg_scope_open(in);
  clg_tensor *x = operand(in, m, k, c->ta, a), *y = operand(in, k, n, c->tb, b);
  ck_assert_int_eq(clg_tensor_read(clg_matmul(x, y), got), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(clg_matmul(x, y), again), CLG_OK);
  ck_assert(!memcmp(got, again, (size_t)(m * n) * sizeof *got));
  int64_t step = m * n * k > 1 << 18 ? 11 : 1;
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = i % step; j < n; j += step) {
      double want = 0, scale = 1;
      for (int64_t p = 0; p < k; p++) {
        double v = (double)a[c->ta ? p * m + i : i * k + p] * (double)b[c->tb ? j * k + p : p * n + j];
        want += v, scale += fabs(v);
      }
      ck_assert_msg(fabs((double)got[i * n + j] - want) <= 4e-7 * scale, "%d%d %lldx%lldx%lld at %lld,%lld", c->ta,
                    c->tb, (long long)m, (long long)n, (long long)k, (long long)i, (long long)j);
    }
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  free(a), free(b), free(got), free(again);
}

/* Odd sizes of each class; the largest class is left to the kernels' own suite. */
START_TEST(every_choice_gives_the_product) {
  static const int64_t odd[C] = {1, 17, 67, 193, 641};
  for (int shape = CLG_SHAPE_CPU; shape <= CLG_SHAPE_GPU; shape++) {
    clg_context *in = open_shape((clg_device_shape)shape);
    for (int k = 1; k < CLG_PRODUCT_KERNELS; k++)
      for (int i = 0; i < CLASSES; i++) {
        clg_product_class c = class_of(i);
        if (!clg_product_kernel_serves(in, (clg_product_kernel)k, &c) || c.m + c.n + c.k > 8) continue;
        ck_assert_int_eq(clg_tuning_set(in, &c, (clg_product_kernel)k), CLG_OK);
        check_product(in, &c, odd[c.m], odd[c.n], odd[c.k]);
      }
    clg_context_unref(&in);
  }
}
END_TEST

/* ---- batches ---- */

START_TEST(a_batch_is_one_launch) {
  for (int shape = CLG_SHAPE_CPU; shape <= CLG_SHAPE_GPU; shape++) {
    clg_context *in = open_shape((clg_device_shape)shape);
    clg_scope *scope = clg_scope_open(in);
    clg_tensor *a = clg_full(in, 4, (int64_t[]){3, 5, 17, 20}, 1), *b = clg_full(in, 4, (int64_t[]){3, 5, 20, 33}, 2);
    clg_tensor *shared = clg_full(in, 3, (int64_t[]){5, 20, 33}, 2);
    uint64_t before = clg_context_counters(in).launches;
    clg_tensor *y = clg_matmul(a, b);
    ck_assert_uint_eq(clg_context_counters(in).launches - before, 1);
    clg_tensor *z = clg_matmul(a, shared); /* moves with the inner dimension alone */
    ck_assert_uint_eq(clg_context_counters(in).launches - before, 2);
    float got[3 * 5 * 17 * 33];
    for (int i = 0; i < 2; i++) {
      ck_assert_int_eq(clg_tensor_read(i ? z : y, got), CLG_OK);
      for (size_t e = 0; e < sizeof got / sizeof *got; e++) ck_assert_float_eq(got[e], 40);
    }
    ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
    clg_context_unref(&in);
  }
}
END_TEST

/* ---- CLBlast's parameters ---- */

#define XGEMM                                                                                                          \
  "clblast Xgemm GEMMK 0 KREG 1 KWG 16 KWI 2 MDIMA 8 MDIMC 8 MWG 64 NDIMB 8 NDIMC 8 NWG 32 SA 1 SB 1 STRM 0 STRN 0 "   \
  "VWM 4 VWN 2\n"
#define DIRECT  "clblast XgemmDirect KWID 8 MDIMAD 8 MDIMCD 8 NDIMBD 8 NDIMCD 8 PADA 1 PADB 1 VWMD 2 VWND 2 WGD 32\n"
#define ROUTINE "clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE 256\n"

START_TEST(parameters_that_do_not_fit_are_refused) {
  static const char *const lines[][2] = {
      {"clblast Xgem MWG 64\n", "no kernel 'Xgem'"},
      {"clblast GemmRoutine\n", "XGEMM_MIN_INDIRECT_SIZE is missing"},
      {"clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE 0\n", "XGEMM_MIN_INDIRECT_SIZE is 0"},
      {"clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE 99999\n", "more than 32768"},
      {"clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE 4294967552\n", "is no number"},
      {"clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE -1\n", "is no number"},
      {"clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE\n", "is no number"},
      {"clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE 256 XGEMM_MIN_INDIRECT_SIZE 256\n", "comes twice"},
      {"clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE 256 MWG 64\n", "no parameter 'MWG'"},
      {"clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE  256\n", "is no number"},
      {ROUTINE ROUTINE, "GemmRoutine comes twice"},
      {"clblast XgemmDirect KWID 8 MDIMAD 8 MDIMCD 8 NDIMBD 8 NDIMCD 8 PADA 1 PADB 1 VWMD 2 VWND 2 WGD 8\n", "MDIMCD"},
      {"clblast XgemmDirect KWID 8 MDIMAD 8 MDIMCD 8 NDIMBD 8 NDIMCD 8 PADA 2 PADB 1 VWMD 2 VWND 2 WGD 32\n",
       "more than 1"},
      {"clblast XgemmDirect KWID 8 MDIMAD 8 MDIMCD 8 NDIMBD 8 NDIMCD 8 PADA 1 PADB 1 VWMD 3 VWND 2 WGD 48\n", "VWMD"},
      {"clblast XgemmDirect KWID 1 MDIMAD 32 MDIMCD 8 NDIMBD 8 NDIMCD 2 PADA 1 PADB 1 VWMD 1 VWND 1 WGD 32\n",
       "MDIMCD * NDIMCD / MDIMAD"},
      {"clblast XgemmDirect KWID 8 MDIMAD 8 MDIMCD 8 NDIMBD 8 NDIMCD 8 PADA 1 PADB 1 VWMD 2 VWND 2 WGD 1024\n",
       "local memory"},
      {"clblast Xgemm GEMMK 1 KREG 1 KWG 16 KWI 2 MDIMA 8 MDIMC 8 MWG 64 NDIMB 8 NDIMC 8 NWG 32 SA 1 SB 1 STRM 0 "
       "STRN 0 VWM 4 VWN 2\n",
       "GEMMK 1"},
      {"clblast Xgemm GEMMK 0 KREG 1 KWG 0 KWI 2 MDIMA 8 MDIMC 8 MWG 64 NDIMB 8 NDIMC 8 NWG 32 SA 1 SB 1 STRM 0 "
       "STRN 0 VWM 4 VWN 2\n",
       "KWG is 0"},
      {"clblast \n", "no kernel ''"},
  };
  clg_context *cpu = ctx;
  ctx = open_shape(CLG_SHAPE_GPU);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    put_table(NULL, NULL, "gpu", lines[i][0]);
    ck_assert_int_eq(clg_tuning_load(ctx, path), CLG_ERR_IO);
    ck_assert_msg(strstr(clg_last_error(ctx), lines[i][1]), "%s: %s", lines[i][0], clg_last_error(ctx));
    expect_refusal(0, lines[i][0]);
  }
  uint32_t values[CLG_CLBLAST_PARAMETERS] = {0};
  ck_assert_int_eq(clg_tuning_set_clblast(ctx, CLG_CLBLAST_XGEMM, values), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "Xgemm: KREG is 0");
  ck_assert_int_eq(clg_tuning_set_clblast(ctx, CLG_CLBLAST_KERNELS, values), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  ck_assert(!clg_clblast_fits(ctx, CLG_CLBLAST_KERNELS, values) && !clg_tuning_get_clblast(ctx, 0, values));
  ck_assert_str_eq(clg_clblast_kernel_name(CLG_CLBLAST_KERNELS), "");
  ck_assert_str_eq(clg_clblast_parameter_name(CLG_CLBLAST_GEMM_ROUTINE, 1), "");
  ck_assert_uint_eq(clg_tuning_hash(ctx), 0);
  clg_context_unref(&ctx);
  ctx = cpu;
  put_table(NULL, NULL, "cpu", ROUTINE);
  expect_refusal(0, "parameters for the other shape");
  *values = 256;
  ck_assert_int_eq(clg_tuning_set_clblast(ctx, CLG_CLBLAST_GEMM_ROUTINE, values), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
}
END_TEST

/* Bytes of workspace of a product that CLBlast does by way of copies from 256 on, but not at its own 896. */
static uint64_t workspace(clg_context *in) {
  clg_scope *scope = clg_scope_open(in);
  clg_tensor *a = clg_full(in, 2, (int64_t[]){270, 300}, 1), *b = clg_full(in, 2, (int64_t[]){300, 310}, 1);
  clg_matmul(a, b);
  ck_assert_msg(clg_scope_close(scope) == CLG_OK, "%s", clg_last_error(in));
  return clg_memory(in).peak_by_role[CLG_ROLE_WORKSPACE];
}

static void expect_state(clg_context *in, const char *lines, const char *word) {
  uint64_t hash = clg_tuning_hash(in);
  put_table(NULL, NULL, "gpu", lines);
  ck_assert_int_eq(clg_tuning_load(in, path), CLG_ERR_STATE);
  test_expect_error(in, CLG_ERR_STATE, word);
  ck_assert_uint_eq(clg_tuning_hash(in), hash);
}

/* The last test: what CLBlast has been given stays in this process. */
START_TEST(parameters_reach_clblast_and_plans) {
  clg_context *tuned = open_shape(CLG_SHAPE_GPU), *other = open_shape(CLG_SHAPE_GPU), *plan = NULL;
  put_table(NULL, NULL, "gpu", DIRECT ROUTINE);
  clg_plan_options o = clg_plan_defaults();
  o.shape = CLG_SHAPE_GPU;
  ck_assert_int_eq(clg_context_create_plan(&plan, &o),
                   CLG_OK); /* before the device has them: a plan goes by the table */
  put_table(NULL, NULL, "gpu", XGEMM DIRECT ROUTINE "product nn 3 3 3 clblast\n");
  ck_assert_msg(clg_tuning_load(plan, path) == CLG_OK, "%s", clg_last_error(plan));
  ck_assert_msg(clg_tuning_load(tuned, path) == CLG_OK, "%s", clg_last_error(tuned));
  uint64_t hash = clg_tuning_hash(tuned), need = workspace(tuned);
  ck_assert_uint_eq(need, 4 * (320 * 304 + 304 * 288 + 320 * 288)); /* 310 in 64s, 270 in 32s, 300 in 16s */
  ck_assert_uint_eq(workspace(plan), need);
  clg_tuning_clear(plan);
  clg_context_unref(&plan);
  o = clg_plan_defaults();
  o.like = tuned;
  ck_assert_int_eq(clg_context_create_plan(&plan, &o), CLG_OK);
  ck_assert_uint_eq(workspace(plan), need);
  ck_assert_uint_eq(clg_tuning_hash(plan), hash);
  ck_assert_uint_eq(clg_memory(plan).peak_reserved, clg_memory(tuned).peak_reserved);
  clg_context_unref(&plan);
  check_product(tuned, &(clg_product_class){0, 0, 3, 3, 3}, 270, 310, 300); /* by way of copies */
  check_product(tuned, &(clg_product_class){0, 1, 2, 2, 2}, 67, 130, 71);   /* in place */
  check_product(tuned, &(clg_product_class){1, 0, 3, 3, 3}, 257, 258, 259);
  ck_assert_uint_eq(workspace(other), need); /* it shares the device */

  uint32_t values[CLG_CLBLAST_PARAMETERS];
  ck_assert(clg_tuning_get_clblast(tuned, CLG_CLBLAST_GEMM_ROUTINE, values) && *values == 256);
  ck_assert_int_eq(clg_tuning_save(tuned, path), CLG_OK);
  ck_assert_msg(clg_tuning_load(other, path) == CLG_OK, "%s", clg_last_error(other)); /* the same */
  ck_assert_uint_eq(clg_tuning_hash(other), hash);
  expect_state(other, XGEMM DIRECT "clblast GemmRoutine XGEMM_MIN_INDIRECT_SIZE 257\n", "another context");
  expect_state(other, XGEMM ROUTINE, "XgemmDirect");
  *values = 300;
  ck_assert_int_eq(clg_tuning_set_clblast(other, CLG_CLBLAST_GEMM_ROUTINE, values), CLG_ERR_STATE);
  clg_clear_error(other);
  clg_tuning_clear(tuned);
  ck_assert_uint_eq(workspace(tuned), need);
  ck_assert_int_eq(clg_tuning_set_clblast(other, CLG_CLBLAST_GEMM_ROUTINE, values), CLG_OK);
  ck_assert_uint_ne(clg_tuning_hash(other), hash);
  expect_state(tuned, XGEMM DIRECT ROUTINE, "another context");
  ck_assert_int_eq(clg_tuning_set(tuned, &(clg_product_class){0}, CLG_PRODUCT_FIXED), CLG_OK);
  ck_assert(clg_tuning_get_clblast(tuned, CLG_CLBLAST_GEMM_ROUTINE, values) && *values == 300);
  clg_context_unref(&other);
  clg_context_unref(&tuned);
}
END_TEST

/* Of spans, panels and registers that are cut off. */
START_TEST(tiles_have_the_same_bits) {
  static const int64_t size[][3] = {{70, 76, 300}, {261, 545, 37}, {23, 40, 523},
                                    {9, 8, 8},     {40, 16, 270},  {65, 11, 259}};
  const int64_t m = size[_i / 4][0], n = size[_i / 4][1], k = size[_i / 4][2];
  const bool ta = _i % 2, tb = _i / 2 % 2;
  const clg_product_class class = {ta, tb, clg_size_class(m), clg_size_class(n), clg_size_class(k)};
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *a = clg_randn(ctx, 2, (int64_t[]){ta ? k : m, ta ? m : k}),
             *b = clg_randn(ctx, 2, (int64_t[]){tb ? n : k, tb ? k : n});
  if (ta) a = clg_transpose(a, 0, 1);
  if (tb) b = clg_transpose(b, 0, 1);
  static const clg_product_kernel kernels[] = {CLG_PRODUCT_PANEL, CLG_PRODUCT_BLOCK, CLG_PRODUCT_DIRECT};
  static float first[261 * 545], other[261 * 545];
  for (int i = 0; i < (tb || n < 32 ? 2 : 3); i++) {
    ck_assert_int_eq(clg_tuning_set(ctx, &class, kernels[i]), CLG_OK);
    ck_assert_int_eq(clg_tensor_read(clg_matmul(a, b), i ? other : first), CLG_OK);
    if (i) ck_assert(!memcmp(first, other, (size_t)(m * n) * sizeof *other));
  }
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("tuning");
  tcase_add_checked_fixture(t, open_all, close_all);
  tcase_set_timeout(t, 300);
  tcase_add_test(t, a_table_comes_back_as_it_was);
  tcase_add_test(t, a_table_replaces_a_file);
  tcase_add_test(t, what_is_no_class_or_kernel_is_refused);
  tcase_add_test(t, damaged_files_are_refused);
  tcase_add_test(t, foreign_files_are_refused);
  tcase_add_test(t, contexts_and_plans_take_the_variables_table);
  tcase_add_test(t, every_choice_gives_the_product);
  tcase_add_loop_test(t, tiles_have_the_same_bits, 0, 6 * 4);
  tcase_add_test(t, a_batch_is_one_launch);
  tcase_add_test(t, parameters_that_do_not_fit_are_refused);
  tcase_add_test(t, parameters_reach_clblast_and_plans);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("tuning", add_cases)
