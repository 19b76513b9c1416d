/* Tries the device's division and square root, in buffers of its own, which no books count. */
#include "device/divide.h"
#include "device/program.h"
#include <math.h>
#include <stdlib.h>

enum { NUMBERS = 4096, OPERANDS = 2, BUFFERS = 4 }; /* a, b; a/b, root of b */

/* Of any mantissa, and so near to 1 that quotients are in the range of floats. */
static float draw(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  const uint32_t mantissa = *state >> 9;
  *state = *state * 1664525u + 1013904223u;
  return ldexpf((float)(mantissa | 1u << 23), (int)(*state >> 26) - 32 - 23);
}

/* v [BUFFERS][NUMBERS]: the last of them are the device's. */
static bool run(const clg_queue *q, cl_kernel kernel, float *v) {
  const size_t bytes = NUMBERS * sizeof *v, global = NUMBERS;
  const cl_uint n = NUMBERS;
  cl_mem buffer[BUFFERS] = {NULL};
  cl_int code = clSetKernelArg(kernel, BUFFERS, sizeof n, &n);
  for (cl_uint i = 0; i < BUFFERS && code == CL_SUCCESS; i++) {
    buffer[i] =
        clCreateBuffer(q->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes, v + (size_t)i * NUMBERS, &code);
    if (code == CL_SUCCESS) code = clSetKernelArg(kernel, i, sizeof buffer[i], &buffer[i]);
  }
  if (code == CL_SUCCESS) code = clEnqueueNDRangeKernel(q->queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL);
  for (size_t i = OPERANDS; i < BUFFERS && code == CL_SUCCESS; i++)
    code = clEnqueueReadBuffer(q->queue, buffer[i], CL_TRUE, 0, bytes, v + i * NUMBERS, 0, NULL, NULL);
  for (int i = 0; i < BUFFERS; i++)
    if (buffer[i]) clReleaseMemObject(buffer[i]);
  return code == CL_SUCCESS;
}

static bool agrees(const float *v) {
  const float *a = v, *b = v + NUMBERS, *quotient = b + NUMBERS, *root = quotient + NUMBERS;
  for (int i = 0; i < NUMBERS; i++)
    if (quotient[i] != a[i] / b[i] || root[i] != sqrtf(b[i])) return false;
  return true;
}

bool clg_divide_tested(clg_context *ctx) {
  const clg_counters before = ctx->counters;
  const clg_kernel *k = clg_kernel_get(ctx, "divide.cl", NULL, "divide_own");
  float *v = calloc(BUFFERS * NUMBERS, sizeof *v);
  uint32_t state = 1;
  for (int i = 0; v && i < OPERANDS * NUMBERS; i++) v[i] = draw(&state);
  const bool ok = k && v && run(ctx->queue, k->kernel, v) && agrees(v);
  free(v);
  clg_error_clear(&ctx->error);
  ctx->counters = before;
  return ok;
}
