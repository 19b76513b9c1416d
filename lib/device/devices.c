/* Enumerates devices, and describes them. Holds nothing but the lock. */
#include "device/devices.h"
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The loader and some drivers set themselves up at their first call, and not for two threads at once. */
static pthread_mutex_t driver = PTHREAD_MUTEX_INITIALIZER;

void clg_driver_lock(void) { pthread_mutex_lock(&driver); }
void clg_driver_unlock(void) { pthread_mutex_unlock(&driver); }

/* ---- what the driver says ---- */

/* Some drivers pad with blanks or count several NULs. */
static void copy_trimmed(char *to, size_t size, const char *from, size_t length) {
  size_t start = 0, end = strnlen(from, length);
  while (start < end && isspace((unsigned char)from[start])) start++;
  while (end > start && isspace((unsigned char)from[end - 1])) end--;
  size_t n = end - start < size - 1 ? end - start : size - 1;
  memcpy(to, from + start, n);
  to[n] = 0;
}

static void device_text(cl_device_id d, cl_device_info what, char *to, size_t size) {
  char text[1024] = "";
  size_t length = 0;
  to[0] = 0;
  if (clGetDeviceInfo(d, what, sizeof text, text, &length) == CL_SUCCESS) copy_trimmed(to, size, text, length);
}

static void platform_text(cl_platform_id p, cl_platform_info what, char *to, size_t size) {
  char text[1024] = "";
  size_t length = 0;
  to[0] = 0;
  if (clGetPlatformInfo(p, what, sizeof text, text, &length) == CL_SUCCESS) copy_trimmed(to, size, text, length);
}

static uint64_t device_u64_or(cl_device_id d, cl_device_info what, uint64_t unsaid) {
  cl_ulong v = 0;
  return clGetDeviceInfo(d, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : unsaid;
}
static uint64_t device_u64(cl_device_id d, cl_device_info what) { return device_u64_or(d, what, 0); }

static uint32_t device_u32(cl_device_id d, cl_device_info what) {
  cl_uint v = 0;
  return clGetDeviceInfo(d, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

static size_t device_size(cl_device_id d, cl_device_info what) {
  size_t v = 0;
  return clGetDeviceInfo(d, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

bool clg_text_has(const char *text, const char *part) {
  size_t n = strlen(part);
  for (; *text; text++)
    if (!strncasecmp(text, part, n)) return true;
  return !n;
}

bool clg_is_pocl(const clg_device_info *info) { return !strcmp(info->platform, "Portable Computing Language"); }

/* PoCL compiles a kernel when it is launched, and keeps it in a cache of its own. A plan like a device needs that
 * device's programs. */
bool clg_compiles_late(const clg_context *ctx) {
  const clg_context *of = ctx->like ? ctx->like : ctx;
  return clg_is_pocl(&of->info);
}

static bool is_simulator(const clg_device_info *info) {
  static const char *const mark[] = {"oclgrind", "llvmpipe", "softpipe", "swrast", "swiftshader"};
  for (size_t i = 0; i < sizeof mark / sizeof *mark; i++)
    if (clg_text_has(info->name, mark[i]) || clg_text_has(info->platform, mark[i])) return true;
  return false;
}

/* "OpenCL 1.2 ..." or later. */
static bool is_old(const char *version) {
  int major = 0, minor = 0;
  return sscanf(version, "OpenCL %d.%d", &major, &minor) != 2 || major < 1 || (major == 1 && minor < 2);
}

/* Whether the device says that it has something, or (where it says nothing) `unsaid`. */
static bool device_has(cl_device_id d, cl_device_info what, bool unsaid) {
  cl_bool v = CL_FALSE;
  return clGetDeviceInfo(d, what, sizeof v, &v, NULL) == CL_SUCCESS ? v != CL_FALSE : unsaid;
}

/* Floats go between host and device byte by byte. */
static bool is_foreign(cl_device_id d) {
  const uint16_t one = 1;
  unsigned char little;
  memcpy(&little, &one, 1);
  return device_has(d, CL_DEVICE_ENDIAN_LITTLE, little) != little;
}

static void judge(cl_device_id d, clg_device_info *info) {
  char problem[sizeof info->problem] = "";
  if (!device_has(d, CL_DEVICE_AVAILABLE, false))
    snprintf(problem, sizeof problem, "it says that it is not available (CL_DEVICE_AVAILABLE)");
  else if (!device_has(d, CL_DEVICE_COMPILER_AVAILABLE, false))
    snprintf(problem, sizeof problem, "it has no compiler of OpenCL C (CL_DEVICE_COMPILER_AVAILABLE)");
  else if (is_old(info->version))
    snprintf(problem, sizeof problem, "OpenCL 1.2 is needed, and its version is \"%.60s\"", info->version);
  else if (!info->global_bytes)
    snprintf(problem, sizeof problem, "it reports no memory (CL_DEVICE_GLOBAL_MEM_SIZE)");
  else if (!info->max_work_group)
    snprintf(problem, sizeof problem, "it reports no work-groups (CL_DEVICE_MAX_WORK_GROUP_SIZE)");
  else if (is_foreign(d))
    snprintf(problem, sizeof problem, "its bytes are in another order than the host's (CL_DEVICE_ENDIAN_LITTLE)");
  info->usable = !*problem;
  memcpy(info->problem, problem, sizeof problem);
}

static void describe_type(cl_device_id d, clg_device_info *info) {
  cl_device_type type = 0;
  clGetDeviceInfo(d, CL_DEVICE_TYPE, sizeof type, &type, NULL);
  info->type = CLG_DEVICE_ACCELERATOR;
  if (type & CL_DEVICE_TYPE_CPU) info->type = CLG_DEVICE_CPU;
  if (type & CL_DEVICE_TYPE_GPU) info->type = CLG_DEVICE_GPU;
}

/* What kernels of the GPU shape take of local memory at most (the CPU shape's take none), and what OpenCL promises,
 * where a device says nothing. */
enum { SHARED_BYTES = 16 << 10, LEAST_LOCAL_BYTES = 32 << 10 };

static void choose_shape(clg_device_info *info) {
  info->shape = info->type == CLG_DEVICE_CPU || info->local_bytes < SHARED_BYTES ? CLG_SHAPE_CPU : CLG_SHAPE_GPU;
  /* It ends a work-item's loops after 65535 turns, without a word: only the GPU's short ones are safe there. */
  if (strstr(info->name, "llvmpipe")) info->shape = CLG_SHAPE_GPU;
}

static void describe(cl_device_id d, int platform_index, int device_index, clg_device_info *info) {
  *info = (clg_device_info){.platform_index = platform_index, .device_index = device_index};
  cl_platform_id p = NULL;
  if (clGetDeviceInfo(d, CL_DEVICE_PLATFORM, sizeof p, &p, NULL) == CL_SUCCESS)
    platform_text(p, CL_PLATFORM_NAME, info->platform, sizeof info->platform);
  device_text(d, CL_DEVICE_NAME, info->name, sizeof info->name);
  device_text(d, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
  device_text(d, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
  device_text(d, CL_DEVICE_VERSION, info->version, sizeof info->version);
  describe_type(d, info);
  info->simulator = is_simulator(info);
  info->global_bytes = device_u64(d, CL_DEVICE_GLOBAL_MEM_SIZE);
  info->max_alloc_bytes = device_u64(d, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  info->local_bytes = device_u64_or(d, CL_DEVICE_LOCAL_MEM_SIZE, LEAST_LOCAL_BYTES);
  info->compute_units = device_u32(d, CL_DEVICE_MAX_COMPUTE_UNITS);
  info->clock_mhz = device_u32(d, CL_DEVICE_MAX_CLOCK_FREQUENCY);
  info->address_bits = device_u32(d, CL_DEVICE_ADDRESS_BITS);
  info->base_align_bytes = device_u32(d, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
  info->native_float_width = device_u32(d, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
  /* PoCL means the CPU's instruction; others do not set the flag where fma is as good. */
  info->fma = !clg_is_pocl(info) || device_u64(d, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_FMA;
  info->divides = device_u64(d, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT;
  info->unified_memory = device_u32(d, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
  size_t group = device_size(d, CL_DEVICE_MAX_WORK_GROUP_SIZE), item[16] = {0};
  if (clGetDeviceInfo(d, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof item, item, NULL) == CL_SUCCESS && item[0] &&
      item[0] < group)
    group = item[0];
  info->max_work_group = (uint32_t)group;
  choose_shape(info);
  judge(d, info);
}

void clg_describe_device(cl_device_id d, int platform_index, int device_index, clg_device_info *info) {
  clg_driver_lock();
  describe(d, platform_index, device_index, info);
  clg_driver_unlock();
}

/* ---- all of them ---- */

/* malloced; NULL and *count 0 when there is none. */
static cl_platform_id *platforms(cl_uint *count, cl_int *code) {
  *count = 0;
  *code = clGetPlatformIDs(0, NULL, count);
  cl_platform_id *ids = *code == CL_SUCCESS && *count ? calloc(*count, sizeof *ids) : NULL;
  if (ids && (*code = clGetPlatformIDs(*count, ids, NULL)) != CL_SUCCESS) {
    free(ids);
    ids = NULL;
  }
  if (!ids) *count = 0;
  return ids;
}

size_t clg_platform_names(char *to, size_t size, cl_int *code) {
  clg_driver_lock();
  cl_uint count;
  cl_platform_id *ids = platforms(&count, code);
  size_t used = 0;
  to[0] = 0;
  for (cl_uint i = 0; i < count && used < size; i++) {
    char name[128];
    platform_text(ids[i], CL_PLATFORM_NAME, name, sizeof name);
    if (!*name) snprintf(name, sizeof name, "one without a name");
    int k = snprintf(to + used, size - used, "%s%s", i ? ", " : "", name);
    used += k > 0 ? (size_t)k : 0;
  }
  free(ids);
  clg_driver_unlock();
  return count;
}

static size_t find_on(cl_platform_id platform, int index, clg_found **rows, size_t n) {
  cl_uint count = 0;
  if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count) != CL_SUCCESS || !count) return n;
  cl_device_id *ids = calloc(count, sizeof *ids);
  clg_found *more = ids ? realloc(*rows, (n + count) * sizeof *more) : NULL;
  if (more) *rows = more;
  if (more && clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL) == CL_SUCCESS)
    for (cl_uint i = 0; i < count; i++, n++) {
      more[n] = (clg_found){.device = ids[i]};
      describe(ids[i], index, (int)i, &more[n].info);
    }
  free(ids);
  return n;
}

size_t clg_list_devices(clg_found **rows) {
  *rows = NULL;
  clg_driver_lock();
  cl_uint count;
  cl_int code;
  cl_platform_id *ids = platforms(&count, &code);
  size_t n = 0;
  for (cl_uint i = 0; i < count; i++) n = find_on(ids[i], (int)i, rows, n);
  free(ids);
  clg_driver_unlock();
  return n;
}
