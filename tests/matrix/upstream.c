/* Reduced cases of what drivers do wrong: upstream CASE runs one on $CLGRAD_DEVICE and exits with 0 where it is right,
 * 1 where it is wrong; some crash. Without a case: lists them. */
#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 64, MOST = 16 };

/* A group of `items` runs kernel t(out, in, n); out[0] must be `want`. Or, if `local` is set, the bytes of local memory
 * that the driver says t takes must be `want`; it may say more. */
static const struct test_case {
  const char *name, *what, *source;
  size_t items;
  cl_uint n;
  float in[NUMBERS], want;
  bool local;
} cases[] = {
    {"lost_loop", "a loop right behind a barrier, in a group of one, does not end",
     "__attribute__((reqd_work_group_size(1, 1, 1))) __kernel void t(__global float *out, __global const float *in,\n"
     "                                                               const uint n) {\n"
     "  __local float tile[16][33];\n"
     "  float sum[32][32];\n"
     "  for (uint i = 0; i < 32; i++)\n"
     "    for (uint j = 0; j < 32; j++) sum[i][j] = 0;\n"
     "  for (uint p0 = 0; p0 < n; p0 += 16) {\n"
     "    for (uint e = get_local_id(0); e < 512; e++) tile[e / 32][e % 32] = p0 + e / 32 < n ? in[0] : 0;\n"
     "    barrier(CLK_LOCAL_MEM_FENCE);\n"
     "    for (uint p = 0; p < min(n - p0, 16u); p++)\n"
     "      for (uint i = 0; i < 32; i++)\n"
     "        for (uint j = 0; j < 32; j++) sum[i][j] = fma(tile[p][i], tile[p][j], sum[i][j]);\n"
     "    barrier(CLK_LOCAL_MEM_FENCE);\n"
     "  }\n"
     "  for (uint i = 0; i < 32; i++)\n"
     "    for (uint j = 0; j < 32; j++) out[0] = sum[i][j];\n"
     "}",
     .items = 1, .n = 40, .in = {1}, .want = 40},
    {"hoisted_read", "a read in a branch that is not taken happens, out of range",
     "__kernel void t(__global float *out, __global const float *in, const uint n) {\n"
     "  __local float part[64];\n"
     "  const uint group = (uint)get_group_id(0), lane = (uint)get_local_id(0);\n"
     "  if (group < n) {\n"
     "    out[lane] = 1;\n"
     "  } else {\n"
     "    const uint row = group - n;\n"
     "    const float mean = in[row];\n"
     "    part[lane] = 0;\n"
     "    for (uint i = lane; i < n; i += 64) part[lane] += in[i] - mean;\n"
     "    barrier(CLK_LOCAL_MEM_FENCE);\n"
     "    for (uint i = lane; i < n; i += 64) out[i] = in[i] - mean - part[0];\n"
     "  }\n"
     "}",
     .items = 64, .n = 1, .in = {1}, .want = 1},
    {"scaled_shift", "a compiler for AVX2 fails at a product in a loop that has a barrier",
     "__kernel void t(__global float *out, __global const float *in, const uint n) {\n"
     "  __local float part[64];\n"
     "  const uint lane = (uint)get_local_id(0);\n"
     "  const float a = in[0], b = in[n - 1], c = in[n / 2], low = a < b ? a : b, high = a < b ? b : a;\n"
     "  const float shift = c < low ? low : c > high ? high : c;\n"
     "  float unit = 1, sum;\n"
     "  for (;; unit = 0.5f) {\n"
     "    float left = 0;\n"
     "    for (uint j = lane; j < n; j += 64) {\n"
     "      const float d = fma(in[j], unit, -shift * unit);\n"
     "      left += d * d;\n"
     "    }\n"
     "    part[lane] = left;\n"
     "    barrier(CLK_LOCAL_MEM_FENCE);\n"
     "    sum = part[0];\n"
     "    if (unit < 1 || sum < 100) break;\n"
     "  }\n"
     "  if (lane == 0) out[0] = sum;\n"
     "}",
     .items = 64, .n = 3, .in = {1, 2, 4}, .want = 1},
    {"reordered_sum", "a sum is made in another order than the loop's",
     "#pragma OPENCL FP_CONTRACT OFF\n"
     "__kernel void t(__global float *out, __global const float *in, const uint n) {\n"
     "  float sum = 0;\n"
     "  for (uint i = 0; i < n; i++) sum += in[i];\n"
     "  out[0] = sum;\n"
     "}",
     .items = 1, .n = 15, .in = {0x1p24f, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, .want = 0x1p24f},
    {"short_loops", "an item's loops end after 65,535 turns in all, without an error",
     "__kernel void t(__global float *out, __global const float *in, const uint n) {\n"
     "  float sum = 0;\n"
     "  for (uint i = 0; i < n; i++) sum += in[i % 16];\n"
     "  out[0] = sum;\n"
     "}",
     .items = 1, .n = 100000, .in = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, .want = 100000},
    {"lost_nan", "x * 0 of an infinite x and 0 / 0 are 0",
     "bool is_nan(const float v) { return (as_uint(v) & 0x7fffffffu) > 0x7f800000u; }\n"
     "__kernel void t(__global float *out, __global const float *in, const uint n) {\n"
     "  out[0] = is_nan(in[0] * 0.0f) && is_nan(0.0f / in[1]) ? 1 : 0;\n"
     "}",
     .items = 1, .n = 0, .in = {INFINITY, 0}, .want = 1},
    {"fma_subnormal", "fma takes a subnormal number as 0 (CL_FP_DENORM is optional)",
     "__kernel void t(__global float *out, __global const float *in, const uint n) {\n"
     "  out[0] = fma(in[0], in[1], in[2]);\n"
     "}",
     .items = 1, .n = 0, .in = {0x1p-140f, 0x1p100f, 0}, .want = 0x1p-40f},
    {"untold_local", "a kernel is said to take less local memory than it does",
     "__kernel void t(__global float *out, __global const float *in, const uint n) {\n"
     "  __local float part[64];\n"
     "  const uint lane = (uint)get_local_id(0);\n"
     "  part[lane] = in[lane];\n"
     "  barrier(CLK_LOCAL_MEM_FENCE);\n"
     "  out[lane] = part[n - lane];\n"
     "}",
     .items = 64, .n = 63, .want = 64 * sizeof(float), .local = true},
};
enum { CASES = sizeof cases / sizeof *cases };

static _Noreturn void give_up(const char *why) {
  fprintf(stderr, "upstream: %s\n", why);
  exit(2);
}

/* Whether a platform or device is the one asked for: by part of its name, as the tests name theirs. */
static cl_device_id find_device(const char *wanted) {
  cl_platform_id platforms[MOST];
  cl_uint n = 0;
  if (clGetPlatformIDs(MOST, platforms, &n) != CL_SUCCESS) n = 0;
  for (cl_uint i = 0; i < n && i < MOST; i++) {
    char platform[256] = "", device[256] = "";
    cl_device_id found;
    if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &found, NULL) != CL_SUCCESS) continue;
    clGetPlatformInfo(platforms[i], CL_PLATFORM_NAME, sizeof platform, platform, NULL);
    clGetDeviceInfo(found, CL_DEVICE_NAME, sizeof device, device, NULL);
    if (strstr(platform, wanted) || strstr(device, wanted)) return found;
  }
  give_up("no such device");
}

static float told_local(cl_kernel kernel, cl_device_id device, float want) {
  cl_ulong bytes = 0;
  clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof bytes, &bytes, NULL);
  return (float)bytes > want ? want : (float)bytes;
}

static float run(const struct test_case *c) {
  const char *wanted = getenv("CLGRAD_DEVICE");
  cl_device_id device = find_device(wanted ? wanted : "");
  cl_int e;
  cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &e);
  if (!context) give_up("no context");
  cl_command_queue queue = clCreateCommandQueue(context, device, 0, &e);
  cl_program program = clCreateProgramWithSource(context, 1, (const char *[]){c->source}, NULL, &e);
  if (clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL) != CL_SUCCESS) give_up("it does not build");
  cl_kernel kernel = clCreateKernel(program, "t", &e);
  float in[NUMBERS], out[NUMBERS] = {0};
  memcpy(in, c->in, sizeof in);
  cl_mem from = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof in, in, &e);
  cl_mem to = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof out, out, &e);
  clSetKernelArg(kernel, 0, sizeof to, &to);
  clSetKernelArg(kernel, 1, sizeof from, &from);
  clSetKernelArg(kernel, 2, sizeof c->n, &c->n);
  e = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &c->items, &c->items, 0, NULL, NULL);
  if (e == CL_SUCCESS) e = clEnqueueReadBuffer(queue, to, CL_TRUE, 0, sizeof out, out, 0, NULL, NULL);
  if (e != CL_SUCCESS) give_up("it does not run");
  if (c->local) out[0] = told_local(kernel, device, c->want);
  clReleaseMemObject(to), clReleaseMemObject(from);
  clReleaseKernel(kernel), clReleaseProgram(program), clReleaseCommandQueue(queue), clReleaseContext(context);
  return out[0];
}

int main(int argc, char **argv) {
  for (int i = 0; i < CASES; i++) {
    const struct test_case *c = &cases[i];
    if (argc < 2) printf("%s: %s\n", c->name, c->what);
    if (argc < 2 || strcmp(argv[1], c->name) != 0) continue;
    float got = run(c);
    printf("%s: %s: %a, right is %a\n", c->name, got == c->want ? "right" : "WRONG", (double)got, (double)c->want);
    return got == c->want ? 0 : 1;
  }
  if (argc >= 2) give_up("no such case");
  return 0;
}
