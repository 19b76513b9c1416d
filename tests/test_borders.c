/* Where the library meets its user's side of a device: buffers that are wrapped, and the callback on compilations. */
#include "device.h"
#include "device/queue.h"
#include "kept.h"
#include <stdio.h>

START_TEST(buffers_that_do_not_fit_are_refused) {
  clg_context *ctx = open_default(), *other = open_default();
  cl_context c = clg_context_cl_context(ctx);
  cl_int code;
  const struct {
    cl_context context;
    cl_mem_flags flags;
    const char *part; /* NULL: it is taken */
  } row[] = {{c, CL_MEM_READ_WRITE, NULL},
             {clg_context_cl_context(other), CL_MEM_READ_WRITE, "another OpenCL context"},
             {c, CL_MEM_READ_ONLY, "read-only"},
             {c, CL_MEM_WRITE_ONLY, "write-only"},
             {c, CL_MEM_READ_WRITE | CL_MEM_HOST_NO_ACCESS, "closed to the host"},
             {c, CL_MEM_READ_WRITE | CL_MEM_HOST_READ_ONLY, "closed to the host"},
             {c, CL_MEM_READ_WRITE | CL_MEM_HOST_WRITE_ONLY, "closed to the host"}};
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    cl_mem whole = clCreateBuffer(row[i].context, row[i].flags, 8192, NULL, &code);
    const cl_buffer_region region = {4096, 4096};
    cl_mem part = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    for (int sub = 0; sub < 2; sub++) {
      clg_tensor *t = clg_tensor_wrap(ctx, sub ? part : whole, 0, 1, (int64_t[]){1000});
      ck_assert_msg(!t == !!row[i].part, "row %zu", i);
      if (!t) expect(ctx, CLG_ERR_ARGUMENT, row[i].part);
      clg_tensor_unref(&t);
    }
    clReleaseMemObject(part);
    clReleaseMemObject(whole);
  }
  const cl_image_format format = {CL_R, CL_FLOAT};
  const cl_image_desc desc = {.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 64, .image_height = 64};
  cl_mem image = clCreateImage(c, CL_MEM_READ_WRITE, &format, &desc, NULL, &code);
  if (image) {
    ck_assert_ptr_null(clg_tensor_wrap(ctx, image, 0, 1, (int64_t[]){16}));
    expect(ctx, CLG_ERR_ARGUMENT, "an image");
    clReleaseMemObject(image);
  }
  close_clean(&other);
  close_clean(&ctx);
}
END_TEST

/* ---- compilations ---- */

typedef struct heard {
  int begun, over;
  uint64_t done;
  char name[64];
} heard;
static void on_build(void *user, uint64_t done, const char *name) {
  heard *h = user;
  h->begun += name != NULL, h->over += name == NULL;
  h->done = done;
  if (name) snprintf(h->name, sizeof h->name, "%s", name);
}

/* Before each compilation and after it, also of a source at fault; a plan counts the same programs and builds none. */
START_TEST(compilations_are_reported) {
  heard h = {0};
  clg_context *ctx = open_with((clg_context_options){.build = on_build, .build_user = &h}), *plan = NULL;
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  h = (heard){0}; /* of a device whose division is tried */
  static const char other[] = "__kernel void scale(__global float *x, const float s, const uint n) { x[0] = s + n; }\n";
  kept before = keep_variable("CLGRAD_CACHE");
  setenv("CLGRAD_CACHE", "off", 1);
  for (int again = 0; again < 2; again++) {
    ck_assert_ptr_nonnull(scale_kernel(ctx));
    ck_assert_ptr_nonnull(scale_kernel(plan));
    ck_assert_int_eq(h.begun, 1);
    ck_assert_int_eq(h.over, 1);
    ck_assert_str_eq(h.name, "random.cl");
    ck_assert_uint_eq(h.done, 0);
  }
  ck_assert_ptr_nonnull(clg_kernel_get(ctx, "random.cl", other, "scale"));
  ck_assert_ptr_nonnull(clg_kernel_get(plan, "random.cl", other, "scale"));
  ck_assert_int_eq(h.over, 2);
  ck_assert_uint_eq(h.done, 1);
  ck_assert_uint_eq(clg_context_counters(ctx).programs, 2);
  ck_assert_uint_eq(clg_context_counters(plan).programs, 2);
  ck_assert_uint_eq(clg_context_counters(plan).builds, 0);
  ck_assert_ptr_null(clg_kernel_get(ctx, "random.cl", "float broken(void) { return nonsense; }\n", "scale"));
  clg_clear_error(ctx);
  ck_assert_int_eq(h.over, 3);
  ck_assert_uint_eq(clg_context_counters(ctx).programs, 2);
  close_clean(&plan);
  close_clean(&ctx);
  give_variable_back(before);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("borders");
  tcase_set_timeout(c, 0);
  tcase_add_test(c, buffers_that_do_not_fit_are_refused);
  tcase_add_test(c, compilations_are_reported);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("borders", add_cases)
