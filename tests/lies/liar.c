/* Stands between a program and OpenCL (LD_PRELOAD, or linked before the loader), and lies about the device: what it
 * denies the device has, calls are refused that need it. $LIE is a list of
 *
 *   type=gpu|cpu|accelerator    group=N          work-groups of the device: items
 *   kernel_group=N              of each kernel   items=AxBxC  the same by dimension
 *   alloc=N  memory=N  local=N  bytes            arguments=N  bytes of a kernel's
 *   width=N  bits=N             vectors, addresses
 *   version=TEXT  c_version=TEXT  name=TEXT      fail=N       clGetDeviceInfo(N, ...) fails; hexadecimal as in cl.h
 *   no_fp64  no_images  no_denorm  no_divide  no_compiler  not_available  big_endian
 */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include "liar.h"
#include "real.h"
#include <CL/cl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the lies ---- */

static char told[400];
static bool asked;
static atomic_ulong refusals;
static atomic_bool queried[0x100]; /* of clGetDeviceInfo, from 0x1000 on */
static atomic_ullong buffer_bytes;

void liar_tell(const char *lies) {
  snprintf(told, sizeof told, "%s", lies);
  asked = true;
  refusals = 0;
}

unsigned long liar_refusals(void) { return refusals; }

bool liar_queried(unsigned what) { return what - 0x1000 < 0x100 && queried[what - 0x1000]; }

/* The value of a lie, "" for one without; NULL: the truth is told. */
static const char *lie(const char *key) {
  if (!asked) liar_tell(getenv("LIE") ? getenv("LIE") : "");
  size_t n = strlen(key);
  for (const char *at = told; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (!strncmp(at, key, n) && strchr("=,", at[n])) return at[n] == '=' ? at + n + 1 : "";
  return NULL;
}

static unsigned long long number(const char *key) { return strtoull(lie(key), NULL, 0); }
/* The lesser of what is asked for and told; `most` where nothing is told. */
static unsigned long long limit(const char *key) { return lie(key) ? number(key) : ~0ull; }

static bool refuse(bool so) {
  refusals += so;
  return so;
}

/* ---- what the device says ---- */

static cl_int give(const void *value, size_t size, size_t n, void *to, size_t *needs) {
  if (needs) *needs = size;
  if (to && n < size) return CL_INVALID_VALUE;
  if (to) memcpy(to, value, size);
  return CL_SUCCESS;
}

static cl_int give_number(unsigned long long v, size_t size, size_t n, void *to, size_t *needs) {
  const cl_uint narrow = (cl_uint)v;
  const cl_ulong wide = v;
  return size == sizeof narrow ? give(&narrow, size, n, to, needs) : give(&wide, size, n, to, needs);
}

static cl_int give_text(const char *text, size_t n, void *to, size_t *needs) {
  char copy[sizeof told];
  size_t length = strcspn(text, ",");
  memcpy(copy, text, length);
  copy[length] = 0;
  return give(copy, length + 1, n, to, needs);
}

static void item_sizes(size_t item[3]) {
  const char *at = lie("items");
  for (int i = 0; i < 3; i++) {
    char *end = NULL;
    item[i] = (size_t)limit("group");
    if (at && *at) item[i] = strtoull(at, &end, 0);
    if (end) at = *end == 'x' ? end + 1 : "";
  }
}

static cl_int give_items(size_t n, void *to, size_t *needs) {
  size_t item[3];
  item_sizes(item);
  return give(item, sizeof item, n, to, needs);
}

static cl_int give_type(size_t n, void *to, size_t *needs) {
  const char *is = lie("type");
  return give_number(!strncmp(is, "gpu", 3)   ? CL_DEVICE_TYPE_GPU
                     : !strncmp(is, "cpu", 3) ? CL_DEVICE_TYPE_CPU
                                              : CL_DEVICE_TYPE_ACCELERATOR,
                     sizeof(cl_device_type), n, to, needs);
}

/* Single numbers: the lie's own, or 0 for what the device is said not to have. */
static const struct {
  cl_device_info what;
  const char *key;
  bool has_value;
  size_t size;
} numbers[] = {
    {CL_DEVICE_MAX_WORK_GROUP_SIZE, "group", true, sizeof(size_t)},
    {CL_DEVICE_MAX_MEM_ALLOC_SIZE, "alloc", true, sizeof(cl_ulong)},
    {CL_DEVICE_GLOBAL_MEM_SIZE, "memory", true, sizeof(cl_ulong)},
    {CL_DEVICE_LOCAL_MEM_SIZE, "local", true, sizeof(cl_ulong)},
    {CL_DEVICE_MAX_PARAMETER_SIZE, "arguments", true, sizeof(size_t)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, "width", true, sizeof(cl_uint)},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, "width", true, sizeof(cl_uint)},
    {CL_DEVICE_ADDRESS_BITS, "bits", true, sizeof(cl_uint)},
    {CL_DEVICE_DOUBLE_FP_CONFIG, "no_fp64", false, sizeof(cl_device_fp_config)},
    {CL_DEVICE_IMAGE_SUPPORT, "no_images", false, sizeof(cl_bool)},
    {CL_DEVICE_COMPILER_AVAILABLE, "no_compiler", false, sizeof(cl_bool)},
    {CL_DEVICE_AVAILABLE, "not_available", false, sizeof(cl_bool)},
    {CL_DEVICE_ENDIAN_LITTLE, "big_endian", false, sizeof(cl_bool)},
};

cl_int clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t n, void *to, size_t *needs) {
  if (what - 0x1000 < 0x100) queried[what - 0x1000] = true;
  if (refuse(lie("fail") && number("fail") == what)) return CL_INVALID_VALUE;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (numbers[i].what == what && lie(numbers[i].key))
      return give_number(numbers[i].has_value ? number(numbers[i].key) : 0, numbers[i].size, n, to, needs);
  if (what == CL_DEVICE_TYPE && lie("type")) return give_type(n, to, needs);
  if (what == CL_DEVICE_NAME && lie("name")) return give_text(lie("name"), n, to, needs);
  if (what == CL_DEVICE_VERSION && lie("version")) return give_text(lie("version"), n, to, needs);
  if (what == CL_DEVICE_OPENCL_C_VERSION && lie("c_version")) return give_text(lie("c_version"), n, to, needs);
  if (what == CL_DEVICE_MAX_WORK_ITEM_SIZES && (lie("items") || lie("group"))) return give_items(n, to, needs);
  cl_int code = REAL(clGetDeviceInfo)(d, what, n, to, needs);
  if (what == CL_DEVICE_SINGLE_FP_CONFIG && to) {
    cl_device_fp_config hidden = 0;
    if (lie("no_denorm")) hidden |= CL_FP_DENORM;
    if (lie("no_divide")) hidden |= CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT;
    *(cl_device_fp_config *)to &= ~hidden;
  }
  return code;
}

/* ---- kernels ---- */

static unsigned long long kernel_group(void) {
  unsigned long long of_kernel = limit("kernel_group"), of_device = limit("group");
  return of_kernel < of_device ? of_kernel : of_device;
}

cl_int clGetKernelWorkGroupInfo(cl_kernel k, cl_device_id d, cl_kernel_work_group_info what, size_t n, void *to,
                                size_t *needs) {
  if (what == CL_KERNEL_WORK_GROUP_SIZE && kernel_group() != ~0ull)
    return give_number(kernel_group(), sizeof(size_t), n, to, needs);
  return REAL(clGetKernelWorkGroupInfo)(k, d, what, n, to, needs);
}

static cl_int check_group(cl_uint dims, const size_t *local) {
  size_t item[3], all = 1;
  item_sizes(item);
  for (cl_uint i = 0; local && i < dims; i++) {
    all *= local[i];
    if (refuse(local[i] > item[i])) return CL_INVALID_WORK_ITEM_SIZE;
  }
  return refuse(all > kernel_group()) ? CL_INVALID_WORK_GROUP_SIZE : CL_SUCCESS;
}

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset, const size_t *global,
                              const size_t *local, cl_uint n, const cl_event *wait, cl_event *event) {
  cl_int code = check_group(dims, local);
  if (code != CL_SUCCESS) return code;
  cl_device_id d = NULL;
  cl_ulong takes = 0;
  REAL(clGetCommandQueueInfo)(q, CL_QUEUE_DEVICE, sizeof d, &d, NULL);
  REAL(clGetKernelWorkGroupInfo)(k, d, CL_KERNEL_LOCAL_MEM_SIZE, sizeof takes, &takes, NULL);
  if (refuse(takes > limit("local"))) return CL_OUT_OF_RESOURCES;
  return REAL(clEnqueueNDRangeKernel)(q, k, dims, offset, global, local, n, wait, event);
}

/* Arguments are set from the first to the last. */
cl_int clSetKernelArg(cl_kernel k, cl_uint i, size_t n, const void *value) {
  static _Thread_local size_t bytes;
  bytes = i ? bytes + n : n;
  if (refuse(bytes > limit("arguments"))) return CL_OUT_OF_RESOURCES;
  return REAL(clSetKernelArg)(k, i, n, value);
}

/* ---- buffers ---- */

static size_t size_of(cl_mem m) {
  size_t bytes = 0;
  REAL(clGetMemObjectInfo)(m, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
  return bytes;
}

cl_mem clCreateBuffer(cl_context c, cl_mem_flags flags, size_t size, void *host, cl_int *code) {
  cl_int no = refuse(size > limit("alloc"))                   ? CL_INVALID_BUFFER_SIZE
              : refuse(buffer_bytes + size > limit("memory")) ? CL_MEM_OBJECT_ALLOCATION_FAILURE
                                                              : CL_SUCCESS;
  if (no != CL_SUCCESS) {
    if (code) *code = no;
    return NULL;
  }
  cl_mem m = REAL(clCreateBuffer)(c, flags, size, host, code);
  if (m) buffer_bytes += size;
  return m;
}

cl_int clReleaseMemObject(cl_mem m) {
  cl_uint count = 0;
  REAL(clGetMemObjectInfo)(m, CL_MEM_REFERENCE_COUNT, sizeof count, &count, NULL);
  if (count == 1) buffer_bytes -= size_of(m);
  return REAL(clReleaseMemObject)(m);
}

/* What is compiled is refused where it needs what the device is said not to have. */
cl_int clBuildProgram(cl_program p, cl_uint n, const cl_device_id *d, const char *options,
                      void(CL_CALLBACK *f)(cl_program, void *), void *user) {
  if (refuse(lie("no_compiler") != NULL)) return CL_COMPILER_NOT_AVAILABLE;
  return REAL(clBuildProgram)(p, n, d, options, f, user);
}
