/* Division and square roots where the device's own are not rounded correctly: mended from ones that are some units off,
 * and (TEST_DIVIDE=long) all work on top of that. */
#include "context.h"
#include "device.h"
#include "device/divide.h"
#include "faults/work.h"
#include <math.h>

enum { NUMBERS = 1 << 18, WORST = 3 };

static const char mending[] =
    "__kernel void mend(__global const float *a, __global const float *b, __global const float *rough_quotient,\n"
    "                   __global const float *rough_root, __global float *quotient, __global float *root) {\n"
    "  const size_t i = get_global_id(0);\n"
    "  quotient[i] = clg_div_mended(a[i], b[i], rough_quotient[i]);\n"
    "  root[i] = clg_sqrt_mended(b[i], rough_root[i]);\n"
    "}\n";
static const char mending_lanes[] =
    "__kernel void mend_lanes(__global const float *a, __global const float *b, __global float *quotient,\n"
    "                         __global float *root) {\n"
    "  const size_t i = get_global_id(0);\n"
    "  vstore16(clg_div16(vload16(i, a), vload16(i, b)), i, quotient);\n"
    "  vstore16(clg_sqrt16(vload16(i, b)), i, root);\n"
    "}\n";

/* As on a device that rounds otherwise: before the first program is built. */
static clg_context *open_mended(void) {
  clg_context *ctx = open_default();
  ctx->info.divides = false;
  return ctx;
}

static uint32_t state;
static uint32_t draw(void) { return state = state * 1664525u + 1013904223u; }
static float of_bits(uint32_t bits) {
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}
static bool is_same(float a, float b) { return (isnan(a) && isnan(b)) || !memcmp(&a, &b, sizeof a); }

/* Any bits; numbers near to 1; and the ends of ranges. */
static float draw_number(int i) {
  static const float ends[] = {0,        1,         FLT_MIN,  FLT_MAX,        0x1p-149f,       0x1.fffffcp-127f,
                               INFINITY, NAN,       0x1p-60f, 0x1p60f,        0x1.fffffep-61f, 0x1.fffffep60f,
                               3,        0x1p-148f, 0x1p127f, 0x1.fffffep-1f, 0x1.000002p0f,   0x1.fffffep0f};
  const uint32_t bits = draw(), more = draw();
  if (i % 3 == 0) return of_bits((bits >> 16) | (more & 0xffff0000u));
  if (i % 3 == 1) return of_bits((bits >> 9) | ((more >> 26) + 95) << 23);
  const float v = ends[(bits >> 16) % (sizeof ends / sizeof *ends)];
  return more >> 31 ? -v : v;
}

typedef struct numbers {
  float a[NUMBERS], b[NUMBERS], rough_quotient[NUMBERS], rough_root[NUMBERS], quotient[NUMBERS], root[NUMBERS];
} numbers;

/* A number some units off, where it is one and in the range of floats. */
static float off(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  const uint32_t by = (draw() >> 16) % (2 * WORST + 1) - WORST;
  return fabsf(v) > FLT_MIN * 8 && fabsf(v) < FLT_MAX / 8 ? of_bits(bits + by) : v;
}

/* What the kernels take a root of in place of v, so that it is in range: clg_sqrt_scale. */
static float scaled(float v) { return v < 0x1p-60f ? v * 0x1p100f : v > 0x1p60f ? v * 0x1p-100f : v; }

static numbers *draw_all(void) {
  numbers *v = malloc(sizeof *v);
  ck_assert_ptr_nonnull(v);
  state = 5;
  for (int i = 0; i < NUMBERS; i++) {
    v->a[i] = draw_number(i), v->b[i] = draw_number(i / 3);
    v->rough_quotient[i] = off(v->a[i] / v->b[i]), v->rough_root[i] = off(sqrtf(scaled(v->b[i])));
  }
  return v;
}

static clg_block *put(clg_context *ctx, const void *v) {
  clg_block *b = block(ctx, NUMBERS);
  ck_assert_int_eq(clg_block_write(b, 0, NUMBERS * sizeof(float), v, true, "write"), CLG_OK);
  return b;
}

static void check(const numbers *v, const char *how) {
  for (int i = 0; i < NUMBERS; i++) {
    ck_assert_msg(is_same(v->quotient[i], v->a[i] / v->b[i]), "%s: %a / %a is %a", how, (double)v->a[i],
                  (double)v->b[i], (double)v->quotient[i]);
    ck_assert_msg(is_same(v->root[i], sqrtf(v->b[i])), "%s: the root of %a is %a", how, (double)v->b[i],
                  (double)v->root[i]);
  }
}

static void run(clg_context *ctx, numbers *v, bool lanes) {
  enum { BUFFERS = 6, ROUGH = 2, RESULTS = 4 };
  clg_block *b[] = {put(ctx, v->a),          put(ctx, v->b),      put(ctx, v->rough_quotient),
                    put(ctx, v->rough_root), block(ctx, NUMBERS), block(ctx, NUMBERS)};
  clg_args args = {.n = 0};
  for (int i = 0; i < BUFFERS; i++)
    if (!lanes || i < ROUGH || i >= RESULTS) clg_args_block(&args, b[i]);
  clg_kernel *k = lanes ? clg_kernel_get(ctx, "divide.cl", mending_lanes, "mend_lanes")
                        : clg_kernel_get(ctx, "divide.cl", mending, "mend");
  const size_t items = lanes ? NUMBERS / 16 : NUMBERS;
  ck_assert_msg(clg_launch(ctx, k, "mend", &args, (size_t[3]){items, 1, 1}, NULL) == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_block_read(b[RESULTS], 0, sizeof v->quotient, v->quotient, true, "read"), CLG_OK);
  ck_assert_int_eq(clg_block_read(b[RESULTS + 1], 0, sizeof v->root, v->root, true, "read"), CLG_OK);
  for (int i = 0; i < BUFFERS; i++) clg_block_unref(b[i]);
}

START_TEST(quotients_and_roots_that_are_off_are_mended) {
  clg_context *ctx = open_mended();
  numbers *v = draw_all();
  run(ctx, v, false);
  check(v, "mended");
  run(ctx, v, true);
  check(v, "on vectors");
  free(v);
  close_clean(&ctx);
}
END_TEST

START_TEST(a_device_that_promises_passes_the_test) {
  clg_context *ctx = open_default();
  const clg_counters before = ctx->counters;
  ck_assert_int_eq(clg_divide_tested(ctx), ctx->info.divides);
  ck_assert_mem_eq(&ctx->counters, &before, sizeof before);
  close_clean(&ctx);
}
END_TEST

START_TEST(work_has_the_same_bits_mended) {
  static results plain, mended;
  const workload *w = &workloads[_i];
  clg_context *ctx = open_default();
  ck_assert_msg(work_run(w, ctx, &plain) == CLG_OK, "%s", clg_last_error(ctx));
  clg_context_unref(&ctx);
  ctx = open_mended();
  ck_assert_msg(work_run(w, ctx, &mended) == CLG_OK, "%s", clg_last_error(ctx));
  clg_context_unref(&ctx);
  ck_assert_uint_eq(plain.n, mended.n);
  for (size_t i = 0; i < plain.n; i++)
    ck_assert_msg(is_same(plain.value[i], mended.value[i]), "%s, %zu: %a, mended %a", w->name, i,
                  (double)plain.value[i], (double)mended.value[i]);
}
END_TEST

static void add_cases(Suite *s) {
  TCase *t = tcase_create("divide");
  tcase_set_timeout(t, 0);
  tcase_add_unchecked_fixture(t, work_files_make, work_files_remove);
  tcase_add_test(t, quotients_and_roots_that_are_off_are_mended);
  tcase_add_test(t, a_device_that_promises_passes_the_test);
  if (getenv("TEST_DIVIDE")) tcase_add_loop_test(t, work_has_the_same_bits_mended, 0, (int)workload_count);
  suite_add_tcase(s, t);
}

CHECK_MAIN("divide", add_cases)
