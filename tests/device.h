/* What the tests of the device room share: contexts, blocks, and a small kernel of their own. */
#ifndef CLG_TESTS_DEVICE_H
#define CLG_TESTS_DEVICE_H

#include "device/launch.h"
#include "harness.h"
#include <clgrad/opencl.h>
#include <string.h>

static char message[512];

static inline clg_status try_open(clg_context **ctx, clg_context_options o) {
  o.message = message;
  o.message_size = sizeof message;
  message[0] = 0;
  return clg_context_create(ctx, &o);
}
static inline clg_context *open_with(clg_context_options o) {
  clg_context *ctx = NULL;
  ck_assert_msg(try_open(&ctx, o) == CLG_OK, "%s", message);
  return ctx;
}
static inline clg_context *open_default(void) { return open_with(clg_context_defaults()); }

static inline void close_clean(clg_context **ctx) {
  ck_assert_str_eq(clg_last_error(*ctx), "");
  ck_assert_uint_eq(clg_memory(*ctx).live, 0);
  clg_context_unref(ctx);
  ck_assert_ptr_null(*ctx);
}

/* Expects the error, and clears it. */
static inline void expect(clg_context *ctx, clg_status status, const char *part) {
  ck_assert_int_eq(clg_last_status(ctx), status);
  ck_assert_msg(strstr(clg_last_error(ctx), part) != NULL, "\"%s\" is not in: %s", part, clg_last_error(ctx));
  clg_clear_error(ctx);
}

/* Kernels for tests come in the prelude. */
static const char scale_source[] = "__kernel void scale(__global float *x, const float s, const uint n) {\n"
                                   "  const size_t i = get_global_id(0);\n"
                                   "  if (i < n) x[i] = s * (float)i;\n"
                                   "}\n";

static inline clg_kernel *scale_kernel(clg_context *ctx) {
  return clg_kernel_get(ctx, "random.cl", scale_source, "scale");
}

static inline clg_status scale(clg_context *ctx, clg_block *x, float s, uint32_t n) {
  clg_args args = {.n = 0};
  clg_args_block(&args, x);
  clg_args_f32(&args, s);
  clg_args_u32(&args, n);
  return clg_launch(ctx, scale_kernel(ctx), "scale", &args, (size_t[3]){n, 1, 1}, NULL);
}

static inline void check_scaled(clg_block *x, float s, uint32_t n) {
  float *v = malloc(n * sizeof *v);
  ck_assert_int_eq(clg_block_read(x, 0, n * sizeof *v, v, true, "read"), CLG_OK);
  for (uint32_t i = 0; i < n; i++) ck_assert_float_eq(v[i], s * (float)i);
  free(v);
}

static inline clg_block *block(clg_context *ctx, size_t floats) {
  clg_block *b = clg_block_alloc(ctx, floats * sizeof(float), CLG_ROLE_ACTIVATION, "test");
  ck_assert_msg(b != NULL, "%s", clg_last_error(ctx));
  return b;
}

#endif
