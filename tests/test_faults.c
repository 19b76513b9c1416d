/* What happens when the driver fails. This program's own clFinish and friends stand before the loader's, and fail when
 * told to. */
#define _GNU_SOURCE
#include "device.h"
#include "device/devices.h"
#include "device/program.h"
#include <clgrad/nn.h>
#include <dlfcn.h>
#include <unistd.h>

typedef struct fault {
  int times; /* the next calls fail */
  cl_int code;
} fault;
static fault fail_platforms, fail_buffer, fail_kernel, fail_write, fail_finish, fail_mark, fail_look, fail_wait,
    fail_source, fail_build, fail_create;

static int spared; /* calls that still go well first */

static bool fails(fault *f) {
  if (f->times && spared) return spared--, false;
  return f->times && f->times--;
}
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#pragma GCC diagnostic ignored "-Wpedantic"

cl_int clGetPlatformIDs(cl_uint n, cl_platform_id *ids, cl_uint *count) {
  return fails(&fail_platforms) ? fail_platforms.code : REAL(clGetPlatformIDs)(n, ids, count);
}
cl_mem clCreateBuffer(cl_context c, cl_mem_flags flags, size_t size, void *host, cl_int *code) {
  if (!fails(&fail_buffer)) return REAL(clCreateBuffer)(c, flags, size, host, code);
  *code = fail_buffer.code;
  return NULL;
}
cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset, const size_t *global,
                              const size_t *local, cl_uint n, const cl_event *wait, cl_event *event) {
  return fails(&fail_kernel) ? fail_kernel.code
                             : REAL(clEnqueueNDRangeKernel)(q, k, dims, offset, global, local, n, wait, event);
}
cl_int clEnqueueWriteBuffer(cl_command_queue q, cl_mem m, cl_bool block, size_t offset, size_t size, const void *host,
                            cl_uint n, const cl_event *wait, cl_event *event) {
  return fails(&fail_write) ? fail_write.code
                            : REAL(clEnqueueWriteBuffer)(q, m, block, offset, size, host, n, wait, event);
}
cl_program clCreateProgramWithSource(cl_context c, cl_uint n, const char **text, const size_t *size, cl_int *code) {
  if (!fails(&fail_source)) return REAL(clCreateProgramWithSource)(c, n, text, size, code);
  *code = fail_source.code;
  return NULL;
}
cl_int clBuildProgram(cl_program p, cl_uint n, const cl_device_id *devices, const char *options,
                      void(CL_CALLBACK *done)(cl_program, void *), void *user) {
  return fails(&fail_build) ? fail_build.code : REAL(clBuildProgram)(p, n, devices, options, done, user);
}
cl_kernel clCreateKernel(cl_program p, const char *name, cl_int *code) {
  if (!fails(&fail_create)) return REAL(clCreateKernel)(p, name, code);
  *code = fail_create.code;
  return NULL;
}
cl_int clEnqueueMarkerWithWaitList(cl_command_queue q, cl_uint n, const cl_event *wait, cl_event *event) {
  return fails(&fail_mark) ? fail_mark.code : REAL(clEnqueueMarkerWithWaitList)(q, n, wait, event);
}
cl_int clGetEventInfo(cl_event e, cl_event_info what, size_t size, void *to, size_t *got) {
  return fails(&fail_look) ? fail_look.code : REAL(clGetEventInfo)(e, what, size, to, got);
}
cl_int clWaitForEvents(cl_uint n, const cl_event *e) {
  return fails(&fail_wait) ? fail_wait.code : REAL(clWaitForEvents)(n, e);
}
cl_int clFinish(cl_command_queue q) { return fails(&fail_finish) ? fail_finish.code : REAL(clFinish)(q); }

START_TEST(without_a_platform_the_cause_is_named) {
  clg_context *ctx;
  fail_platforms = (fault){9, -1001};
  ck_assert_int_eq(try_open(&ctx, (clg_context_options){.device = NULL}), CLG_ERR_DEVICE);
  fail_platforms = (fault){0};
  ck_assert_ptr_nonnull(strstr(message, "no OpenCL platform found"));
  ck_assert(strstr(message, "apt install pocl-opencl-icd") || strstr(message, "drivers are installed (")); /* here */
}
END_TEST

START_TEST(allocation_is_retried_with_an_empty_pool) {
  clg_context *ctx = open_default();
  clg_block_unref(block(ctx, 1 << 20));
  ck_assert_uint_eq(clg_memory(ctx).reserved, 4 << 20);
  fail_buffer = (fault){1, CL_MEM_OBJECT_ALLOCATION_FAILURE};
  clg_block *x = block(ctx, 100);
  ck_assert_uint_eq(clg_memory(ctx).reserved, 416);
  fail_buffer = (fault){2, CL_OUT_OF_RESOURCES};
  clg_set_phase(ctx, "G step");
  ck_assert_ptr_null(clg_block_alloc(ctx, (size_t)3 << 19, CLG_ROLE_SAVED, "matmul"));
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), "live 400 B, reserved 416 B of "));
  expect(ctx, CLG_ERR_MEMORY, "matmul: the device has no memory for 1.5 MiB");
  ck_assert_int_eq(scale(ctx, x, 1, 100), CLG_OK);
  check_scaled(x, 1, 100);
  clg_block_unref(x);
  close_clean(&ctx);
}
END_TEST

START_TEST(commands_are_retried_when_memory_is_short) {
  clg_context *ctx = open_default();
  clg_block *x = block(ctx, 100);
  clg_block_unref(block(ctx, 1000));
  ck_assert_ptr_nonnull(scale_kernel(ctx));
  fail_kernel = (fault){1, CL_MEM_OBJECT_ALLOCATION_FAILURE};
  ck_assert_int_eq(scale(ctx, x, 7, 100), CLG_OK);
  check_scaled(x, 7, 100);
  ck_assert_uint_eq(clg_memory(ctx).reserved, 416);
  fail_kernel = (fault){2, CL_OUT_OF_RESOURCES};
  ck_assert_int_eq(scale(ctx, x, 8, 100), CLG_ERR_MEMORY);
  expect(ctx, CLG_ERR_MEMORY, "CL_OUT_OF_RESOURCES");
  fail_kernel = (fault){1, CL_INVALID_KERNEL_ARGS};
  ck_assert_int_eq(scale(ctx, x, 8, 100), CLG_ERR_DEVICE);
  expect(ctx, CLG_ERR_DEVICE, "CL_INVALID_KERNEL_ARGS (-52)");
  check_scaled(x, 7, 100);
  float v[100] = {0};
  fail_write = (fault){1, CL_OUT_OF_HOST_MEMORY};
  ck_assert_int_eq(clg_block_write(x, 0, sizeof v, v, false, "write"), CLG_OK);
  check_scaled(x, 0, 100);
  fail_write = (fault){2, CL_OUT_OF_HOST_MEMORY};
  ck_assert_int_eq(clg_block_write(x, 0, sizeof v, v, false, "write"), CLG_ERR_MEMORY);
  clg_clear_error(ctx);
  clg_block_unref(x);
  close_clean(&ctx);
}
END_TEST

START_TEST(a_failed_wait_loses_the_context) {
  clg_context *ctx = open_default();
  clg_block *x = block(ctx, 100);
  ck_assert_int_eq(scale(ctx, x, 7, 100), CLG_OK);
  fail_finish = (fault){1, CL_OUT_OF_RESOURCES};
  ck_assert_int_eq(clg_finish(ctx), CLG_ERR_LOST);
  expect(ctx, CLG_ERR_LOST, "lost");
  float v[100];
  ck_assert_int_eq(scale(ctx, x, 7, 100), CLG_ERR_LOST);
  ck_assert_int_eq(clg_block_read(x, 0, sizeof v, v, true, "read"), CLG_ERR_LOST);
  ck_assert_int_eq(clg_finish(ctx), CLG_ERR_LOST);
  ck_assert_ptr_null(clg_block_alloc(ctx, 4, CLG_ROLE_DATA, "x"));
  ck_assert_ptr_null(clg_kernel_get(ctx, "random.cl", NULL, "random_normal"));
  expect(ctx, CLG_ERR_LOST, "only be released");
  clg_block_unref(x);
  close_clean(&ctx);
}
END_TEST

static void count(void *user) { ++*(int *)user; }

/* The same where a wait looks and calls back; one that cannot look waits without. */
START_TEST(a_wait_that_looks_fails_alike) {
  clg_context *ctx = open_default();
  clg_block *x = block(ctx, 100);
  int calls = 0;
  ck_assert_int_eq(clg_set_idle(ctx, count, &calls), CLG_OK);
  fail_mark = (fault){1, CL_INVALID_OPERATION};
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
  ck_assert_int_eq(calls, 0);
  fail_mark = (fault){1, CL_INVALID_OPERATION};
  ck_assert_ptr_null(clg_event_record(ctx));
  expect(ctx, CLG_ERR_DEVICE, "clEnqueueMarkerWithWaitList");
  fail_mark = (fault){1, CL_OUT_OF_RESOURCES}; /* passes, once the pool is empty */
  clg_event *e = clg_event_record(ctx), *late = clg_event_record(ctx);
  ck_assert_ptr_nonnull(e);
  fail_look = (fault){1, CL_OUT_OF_HOST_MEMORY};
  ck_assert(clg_event_done(e));
  ck_assert_str_eq(clg_last_error(ctx), "");
  fail_wait = (fault){1, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST};
  ck_assert_int_eq(clg_event_wait(e), CLG_ERR_LOST);
  expect(ctx, CLG_ERR_LOST, "lost");
  ck_assert(clg_event_done(late)); /* nothing is to be waited for */
  ck_assert_int_eq(clg_event_wait(late), CLG_ERR_LOST);
  ck_assert_ptr_null(clg_event_record(ctx));
  expect(ctx, CLG_ERR_LOST, "only be released");
  clg_event_unref(&e);
  clg_event_unref(&late);
  clg_block_unref(x);
  close_clean(&ctx);
}
END_TEST

/* What calls more than declared.clh has is built with the driver's declarations, where those are left out at first. */
START_TEST(what_declares_too_little_is_built_in_full) {
  clg_context *ctx = open_default();
  const bool late = clg_compiles_late(ctx);
  char source[sizeof scale_source + 100];
  ck_assert_ptr_nonnull(scale_kernel(ctx));
  ck_assert(!clg_programs_need_header(ctx->programs));
  snprintf(source, sizeof source, "%s__kernel void far(__global float *x) { *x = hypot(*x, %ld.0f); }", scale_source,
           (long)getpid());
  ck_assert_ptr_nonnull(clg_kernel_get(ctx, "random.cl", source, "far"));
  ck_assert(clg_programs_need_header(ctx->programs) == late);
  close_clean(&ctx);
}
END_TEST

/* Want of memory and troubles of the device pass; only a source that does not compile is remembered as such. */
START_TEST(a_build_that_failed_is_tried_again) {
  static const struct {
    fault *call;
    cl_int code;
    clg_status status;
  } cases[] = {
      {&fail_source, CL_OUT_OF_HOST_MEMORY, CLG_ERR_MEMORY}, {&fail_build, CL_OUT_OF_HOST_MEMORY, CLG_ERR_MEMORY},
      {&fail_build, CL_OUT_OF_RESOURCES, CLG_ERR_MEMORY},    {&fail_build, CL_DEVICE_NOT_AVAILABLE, CLG_ERR_DEVICE},
      {&fail_create, CL_OUT_OF_RESOURCES, CLG_ERR_MEMORY},   {&fail_create, CL_INVALID_PROGRAM, CLG_ERR_DEVICE}};
  clg_context *ctx = open_default();
  char source[sizeof scale_source + 32];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    /* A program of its own, not from the disk cache's: a load would build it. */
    snprintf(source, sizeof source, "%s/* %zu %ld */", scale_source, i, (long)getpid());
    *cases[i].call = (fault){1, cases[i].code};
    ck_assert_ptr_null(clg_kernel_get(ctx, "random.cl", source, "scale"));
    ck_assert_int_eq(cases[i].call->times, 0);
    expect(ctx, cases[i].status, "CL_");
    ck_assert_msg(clg_kernel_get(ctx, "random.cl", source, "scale") != NULL, "case %zu: %s", i, clg_last_error(ctx));
  }
  uint64_t builds = 0;
  for (int i = 0; i < 2; i++) { /* the second time nothing is built */
    if (i) builds = clg_context_counters(ctx).builds;
    ck_assert_ptr_null(clg_kernel_get(ctx, "random.cl", "#error no\n", "scale"));
    expect(ctx, CLG_ERR_BUILD, "does not build");
    ck_assert_ptr_null(clg_kernel_get(ctx, "random.cl", source, "nothing"));
    expect(ctx, CLG_ERR_BUILD, "no such kernel");
  }
  ck_assert_uint_eq(clg_context_counters(ctx).builds, builds);
  close_clean(&ctx);
}
END_TEST

/* The second layer's weight cannot be filled. The next time all is made. */
START_TEST(a_module_that_failed_midway_is_not_made) {
  clg_context *ctx = open_default();
  clg_module *m = clg_sequential_create(
      ctx, (clg_module *[]){clg_linear_create(ctx, 3, 4, true, NULL), clg_linear_create(ctx, 4, 2, true, NULL)}, 2);
  size_t n;
  float v[26];
  for (int i = 0; i < 4; i++) {
    fail_kernel = (fault){1, CL_INVALID_KERNEL_ARGS}, spared = i;
    ck_assert_ptr_null(clg_module_parameters(m, &n));
    ck_assert_uint_eq(n, 0);
    expect(ctx, CLG_ERR_DEVICE, "CL_INVALID_KERNEL_ARGS");
  }
  clg_tensor *const *p = clg_module_parameters(m, &n);
  ck_assert_uint_eq(n, 4);
  for (size_t i = 0; i < n; i++) ck_assert_ptr_nonnull(p[i]);
  ck_assert_str_eq(clg_module_parameter_name(m, 3), "1.bias");
  ck_assert_int_eq(clg_module_read(m, v), CLG_OK);
  for (int i = 0; i < 26; i++) ck_assert(v[i] != 0 && v[i] > -0.6f && v[i] < 0.6f);
  clg_module_unref(&m);
  close_clean(&ctx);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("faults");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, without_a_platform_the_cause_is_named);
  tcase_add_test(t, allocation_is_retried_with_an_empty_pool);
  tcase_add_test(t, commands_are_retried_when_memory_is_short);
  tcase_add_test(t, a_failed_wait_loses_the_context);
  tcase_add_test(t, a_wait_that_looks_fails_alike);
  tcase_add_test(t, a_build_that_failed_is_tried_again);
  tcase_add_test(t, what_declares_too_little_is_built_in_full);
  tcase_add_test(t, a_module_that_failed_midway_is_not_made);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("faults", add_cases)
