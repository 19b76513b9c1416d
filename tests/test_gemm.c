/* CLBlast's products: results against the host, workspace and kernels as predicted, also by a plan. */
#define _GNU_SOURCE
#include "device.h"
#include "device/queue.h"
#include "product/clblast.h"
#include "product/workspace.h"
#include <clblast_c.h>
#include <dlfcn.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

/* Kernels enqueued in this process, CLBlast's included: this one stands before the loader's. */
static unsigned enqueued;
static bool
    flat_groups; /* no others: CLBlast's have two dimensions, of sizes that differ between devices and versions */
#pragma GCC diagnostic ignored "-Wpedantic"
cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset, const size_t *global,
                              const size_t *local, cl_uint n, const cl_event *wait, cl_event *event) {
  if (flat_groups && local && dims > 1 && local[1] > 1) return CL_INVALID_WORK_GROUP_SIZE;
  enqueued++;
  __typeof__(&clEnqueueNDRangeKernel) real = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
  return real(q, k, dims, offset, global, local, n, wait, event);
}

/* CLBlast keeps parameters by maker and name. */
static bool by_nobody;
cl_int clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t size, void *value, size_t *needed) {
  static const char nobody[] = "nobody's";
  __typeof__(&clGetDeviceInfo) real = dlsym(RTLD_NEXT, "clGetDeviceInfo");
  if (!by_nobody || (what != CL_DEVICE_VENDOR && what != CL_DEVICE_NAME))
    return real(device, what, size, value, needed);
  if (needed) *needed = sizeof nobody;
  if (value && size < sizeof nobody) return CL_INVALID_VALUE;
  if (value) memcpy(value, nobody, sizeof nobody);
  return CL_SUCCESS;
}

typedef struct matrix {
  float *host;
  clg_block *block;
  size_t floats;
} matrix;

static matrix matrix_of(clg_context *ctx, size_t floats, uint32_t seed) {
  matrix m = {malloc(floats * sizeof(float)), block(ctx, floats), floats};
  for (size_t i = 0; i < floats; i++) {
    seed = seed * 1664525u + 1013904223u;
    m.host[i] = (float)((int)(seed >> 24) - 128) / 128.0f;
  }
  ck_assert_int_eq(clg_block_write(m.block, 0, floats * sizeof(float), m.host, true, "write"), CLG_OK);
  return m;
}

static void matrix_free(matrix *m) {
  free(m->host);
  clg_block_unref(m->block);
}

typedef struct shape {
  uint32_t m, n, k;
  bool ta, tb;
  size_t a_offset, b_offset, c_offset;
  uint32_t a_pad, b_pad, c_pad;
  bool accumulate;
} shape;

static clg_product call_of(const shape *s) {
  return (clg_product){.ta = s->ta,
                       .tb = s->tb,
                       .m = s->m,
                       .n = s->n,
                       .k = s->k,
                       .a_offset = s->a_offset,
                       .b_offset = s->b_offset,
                       .c_offset = s->c_offset,
                       .a_ld = (s->ta ? s->m : s->k) + s->a_pad,
                       .b_ld = (s->tb ? s->k : s->n) + s->b_pad,
                       .c_ld = s->n + s->c_pad,
                       .accumulate = s->accumulate};
}

/* Entry (i, j) of what the call makes, in double. */
static double entry(const clg_product *c, const float *a, const float *b, const float *before, uint32_t i, uint32_t j) {
  double sum = 0;
  for (uint32_t p = 0; p < c->k; p++) {
    size_t at_a = c->a_offset + (c->ta ? (size_t)p * c->a_ld + i : (size_t)i * c->a_ld + p);
    size_t at_b = c->b_offset + (c->tb ? (size_t)j * c->b_ld + p : (size_t)p * c->b_ld + j);
    sum += (double)a[at_a] * (double)b[at_b];
  }
  return sum + (c->accumulate ? (double)before[c->c_offset + (size_t)i * c->c_ld + j] : 0.0);
}

/* Small ones whole, of large ones some rows; what lies between the rows of C must stay. */
static void check_result(const clg_product *c, const matrix *a, const matrix *b, const matrix *r) {
  float *got = malloc(r->floats * sizeof(float));
  ck_assert_int_eq(clg_block_read(r->block, 0, r->floats * sizeof(float), got, true, "read"), CLG_OK);
  uint32_t step = c->m > 100 ? 97 : 1;
  for (uint32_t i = 0; i < c->m; i += step)
    for (uint32_t j = 0; j < c->n; j += step)
      ck_assert_double_eq_tol((double)got[c->c_offset + (size_t)i * c->c_ld + j],
                              entry(c, a->host, b->host, r->host, i, j), 2e-6 * c->k + 1e-5);
  for (size_t at = 0; at < c->c_offset; at++) ck_assert_float_eq(got[at], r->host[at]);
  for (uint32_t i = 0; i + 1 < c->m; i += step)
    for (uint32_t j = c->n; j < c->c_ld; j++) {
      size_t at = c->c_offset + (size_t)i * c->c_ld + j;
      ck_assert_float_eq(got[at], r->host[at]);
    }
  free(got);
}

static const shape shapes[] = {
    {1, 1, 1, false, false, 0, 0, 0, 0, 0, 0, false},     {5, 7, 3, false, false, 0, 0, 0, 0, 0, 0, false},
    {33, 65, 17, true, false, 3, 0, 1, 0, 2, 5, true},    {64, 64, 64, false, true, 0, 0, 0, 0, 0, 0, true},
    {40, 9, 130, true, true, 0, 7, 0, 1, 1, 1, true},     {896, 896, 896, false, false, 0, 0, 0, 0, 0, 0, false},
    {896, 896, 896, true, false, 0, 0, 0, 0, 0, 0, true}, {900, 897, 899, false, false, 0, 0, 0, 0, 0, 0, true},
    {900, 897, 899, true, true, 1, 2, 3, 4, 5, 6, false}, {4096, 512, 512, false, true, 0, 0, 0, 0, 0, 0, false},
};

static void try_shape(clg_context *ctx, clg_context *plan, const shape *s) {
  clg_product c = call_of(s);
  matrix a = matrix_of(ctx, c.a_offset + (size_t)(c.ta ? c.k : c.m) * c.a_ld, 1);
  matrix b = matrix_of(ctx, c.b_offset + (size_t)(c.tb ? c.n : c.k) * c.b_ld, 2);
  matrix r = matrix_of(ctx, c.c_offset + (size_t)c.m * c.c_ld, 3);
  c.a = a.block, c.b = b.block, c.c = r.block;
  clg_memory_reset_peak(ctx);
  enqueued = 0;
  uint64_t launches = clg_context_counters(ctx).launches, planned = clg_context_counters(plan).launches;
  ck_assert_msg(clg_gemm_clblast(ctx, &c, "matmul") == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert_uint_eq(clg_context_counters(ctx).launches - launches, enqueued);
  ck_assert_uint_eq(clg_memory(ctx).peak_by_role[CLG_ROLE_WORKSPACE], clg_gemm_workspace(ctx, &c));
  ck_assert_uint_eq(clg_gemm_workspace(plan, &c), clg_gemm_workspace(ctx, &c));
  ck_assert_int_eq(clg_gemm_clblast(plan, &c, "matmul"), CLG_OK);
  ck_assert_uint_eq(clg_context_counters(plan).launches - planned, enqueued);
  check_result(&c, &a, &b, &r);
  matrix_free(&a);
  matrix_free(&b);
  matrix_free(&r);
}

START_TEST(products_are_right_and_as_predicted) {
  clg_context *ctx = open_with((clg_context_options){.shape = CLG_SHAPE_GPU}), *plan = NULL;
  clg_plan_options o = {.like = ctx};
  ck_assert_int_eq(clg_context_create_plan(&plan, &o), CLG_OK);
  ck_assert(clg_product_state_of(ctx)->gemm_known);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) try_shape(ctx, plan, &shapes[i]);
  ck_assert_uint_gt(clg_memory(plan).peak_live, 0);
  close_clean(&plan);
  close_clean(&ctx);
}
END_TEST

START_TEST(a_product_without_a_profile_asks) {
  clg_context *ctx = open_with((clg_context_options){.shape = CLG_SHAPE_GPU});
  clg_product_state *state = clg_product_state_of(ctx);
  clg_product c = {.m = 1000, .n = 1000, .k = 1000, .a_ld = 1000, .b_ld = 1000, .c_ld = 1000};
  size_t known = clg_gemm_cut_of(&state->gemm, &c, false).bytes;
  state->gemm_known = false;
  ck_assert_uint_eq(clg_gemm_workspace(ctx, &c), known);
  state->gemm_known = true;
  close_clean(&ctx);
}
END_TEST

/* The library takes CLBlast's word over its own formula. */
START_TEST(a_wrong_profile_does_not_break_a_product) {
  clg_context *ctx = open_with((clg_context_options){.shape = CLG_SHAPE_GPU});
  matrix a = matrix_of(ctx, 900 * 900, 1), r = matrix_of(ctx, 900 * 900, 2);
  clg_product c = {
      .m = 900, .n = 900, .k = 900, .a_ld = 900, .b_ld = 900, .c_ld = 900, .a = a.block, .b = a.block, .c = r.block};
  clg_product_state_of(ctx)->gemm = (clg_gemm_profile){1, 1, 1, 0, 1};
  ck_assert_msg(clg_gemm_clblast(ctx, &c, "matmul") == CLG_OK, "%s", clg_last_error(ctx));
  check_result(&c, &a, &a, &r);
  matrix_free(&a);
  matrix_free(&r);
  close_clean(&ctx);
}
END_TEST

static int given_up;
static void on_log(void *user, const char *line) {
  (void)user;
  if (strstr(line, "CLBlast's kernels do not run on this device")) given_up++;
}

/* Batches, a bias and what was in C stay right. */
START_TEST(kernels_of_ours_serve_where_clblasts_do_not_run) {
  clg_context *ctx = open_with((clg_context_options){.shape = CLG_SHAPE_GPU, .log = on_log});
  const shape s = {900, 897, 899, true, false, 1, 0, 3, 4, 5, 6, true};
  clg_product c = call_of(&s);
  matrix a = matrix_of(ctx, c.a_offset + (size_t)c.k * c.a_ld, 1), b = matrix_of(ctx, (size_t)c.k * c.b_ld, 2);
  matrix r = matrix_of(ctx, c.c_offset + (size_t)c.m * c.c_ld, 3);
  c.a = a.block, c.b = b.block, c.c = r.block;
  flat_groups = true;
  given_up = 0;
  ck_assert_msg(clg_product_run(ctx, &c, "matmul") == CLG_OK, "%s", clg_last_error(ctx));
  check_result(&c, &a, &b, &r);
  ck_assert_int_eq(clg_block_write(r.block, 0, r.floats * sizeof(float), r.host, true, "write"), CLG_OK);
  ck_assert_int_eq(clg_product_run(ctx, &c, "matmul"), CLG_OK);
  check_result(&c, &a, &b, &r);
  flat_groups = false;
  ck_assert_int_eq(given_up, 1);
  ck_assert(clg_product_state_of(ctx)->no_clblast);
  matrix_free(&a);
  matrix_free(&b);
  matrix_free(&r);
  close_clean(&ctx);
}
END_TEST

START_TEST(a_device_with_small_groups_is_asked_first) {
  clg_context *ctx = open_with((clg_context_options){.shape = CLG_SHAPE_GPU});
  ck_assert(clg_gemm_fits(ctx));
  const clg_device_info kept = ctx->info;
  for (uint32_t most = 1; most < 256; most *= 2) {
    ctx->info.max_work_group = most;
    ck_assert(!clg_gemm_fits(ctx));
  }
  ctx->info = kept;
  ctx->info.local_bytes = 16 << 10;
  ck_assert(!clg_gemm_fits(ctx));
  ctx->info = kept;
  close_clean(&ctx);
}
END_TEST

/* Bytes of workspace, in CLBlast's own words. */
static size_t asked(clg_context *ctx, const clg_product *c, bool columns) {
  CLBlastTranspose a = c->ta ? CLBlastTransposeYes : CLBlastTransposeNo,
                   b = c->tb ? CLBlastTransposeYes : CLBlastTransposeNo;
  cl_command_queue q = ctx->queue->queue;
  size_t bytes = 0;
  CLBlastStatusCode code =
      columns ? CLBlastSGemmTempBufferSize(CLBlastLayoutColMajor, b, a, c->n, c->m, c->k, c->b_offset, c->b_ld,
                                           c->a_offset, c->a_ld, c->c_offset, c->c_ld, &q, &bytes)
              : CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, a, b, c->m, c->n, c->k, c->a_offset, c->a_ld,
                                           c->b_offset, c->b_ld, c->c_offset, c->c_ld, &q, &bytes);
  ck_assert_int_eq(code, CLBlastSuccess);
  return bytes;
}

START_TEST(the_profile_is_the_devices) {
  clg_context *ctx = open_default();
  clg_gemm_profile p;
  ck_assert(clg_gemm_probe(ctx, &p));
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int columns = 0; columns < 2; columns++) {
      clg_product c = call_of(&shapes[i]);
      ck_assert_uint_eq(clg_gemm_cut_of(&p, &c, columns).bytes, asked(ctx, &c, columns));
    }
  close_clean(&ctx);
}
END_TEST

/* But for the size from which on CLBlast copies, which differs between its versions (1.5.3: 896, 1.6.3: 960). CLBlast
 * looks parameters up once a process: in one of its own, forked before this one uses OpenCL. */
START_TEST(the_default_profile_is_that_of_unknown_devices) {
  pid_t child = fork();
  if (!child) {
    by_nobody = true;
    clg_context *ctx = NULL;
    clg_gemm_profile p = {0};
    bool same = try_open(&ctx, clg_context_defaults()) == CLG_OK && clg_gemm_probe(ctx, &p);
    same = same && p.mwg == clg_gemm_default.mwg && p.nwg == clg_gemm_default.nwg && p.kwg == clg_gemm_default.kwg &&
           p.kernel_id == clg_gemm_default.kernel_id;
    if (!same) fprintf(stderr, "%s%u %u %u %u %u\n", message, p.mwg, p.nwg, p.kwg, p.kernel_id, p.min_indirect);
    _exit(same ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  int status = 0;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}
END_TEST

/* A tuned profile of the other kernel, which wants all matrices rotated. */
START_TEST(the_layout_with_less_workspace_is_taken) {
  const clg_gemm_profile p = {64, 32, 16, 0, 448}, q = {64, 32, 16, 1, 448};
  clg_product c = {.m = 1024, .n = 2048, .k = 512, .a_ld = 512, .b_ld = 2048, .c_ld = 2048};
  ck_assert(clg_gemm_cut_best(&p, &c).columns);
  ck_assert_uint_eq(clg_gemm_cut_best(&p, &c).bytes, 4 * 1024 * 512);
  ck_assert_uint_eq(clg_gemm_cut_best(&q, &c).bytes, 0);
  ck_assert(!clg_gemm_cut_best(&q, &c).columns);
  c.m = 10;
  c.k = c.a_ld = 100;
  ck_assert_uint_eq(clg_gemm_cut_best(&p, &c).bytes, 0); /* small: nothing is copied */
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("gemm");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, the_default_profile_is_that_of_unknown_devices);
  tcase_add_test(t, products_are_right_and_as_predicted);
  tcase_add_test(t, a_product_without_a_profile_asks);
  tcase_add_test(t, a_wrong_profile_does_not_break_a_product);
  tcase_add_test(t, kernels_of_ours_serve_where_clblasts_do_not_run);
  tcase_add_test(t, a_device_with_small_groups_is_asked_first);
  tcase_add_test(t, the_profile_is_the_devices);
  tcase_add_test(t, the_layout_with_less_workspace_is_taken);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("gemm", add_cases)
