/* Enumerates devices, ranks them and matches selectors. Holds nothing. */
#include "device/choose.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NO_PLATFORM "no OpenCL platform found: install one, e.g. on Debian: apt install pocl-opencl-icd"

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

static uint64_t device_u64(cl_device_id d, cl_device_info what) {
  cl_ulong v = 0;
  return clGetDeviceInfo(d, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

static uint32_t device_u32(cl_device_id d, cl_device_info what) {
  cl_uint v = 0;
  return clGetDeviceInfo(d, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

static size_t device_size(cl_device_id d, cl_device_info what) {
  size_t v = 0;
  return clGetDeviceInfo(d, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : 0;
}

static bool contains(const char *text, const char *part) {
  size_t n = strlen(part);
  for (; *text; text++)
    if (!strncasecmp(text, part, n)) return true;
  return !n;
}

static bool is_simulator(const clg_device_info *info) {
  static const char *const mark[] = {"oclgrind", "llvmpipe", "softpipe", "swrast", "swiftshader"};
  for (size_t i = 0; i < sizeof mark / sizeof *mark; i++)
    if (contains(info->name, mark[i]) || contains(info->platform, mark[i])) return true;
  return false;
}

/* "OpenCL 1.2 ..." or later. */
static bool is_old(const char *version) {
  int major = 0, minor = 0;
  return sscanf(version, "OpenCL %d.%d", &major, &minor) != 2 || major < 1 || (major == 1 && minor < 2);
}

static void judge(cl_device_id d, clg_device_info *info) {
  const char *problem = "";
  if (!device_u32(d, CL_DEVICE_AVAILABLE))
    problem = "the device says that it is not available";
  else if (!device_u32(d, CL_DEVICE_COMPILER_AVAILABLE))
    problem = "it has no compiler";
  else if (is_old(info->version))
    problem = "OpenCL 1.2 is needed";
  else if (!info->global_bytes || !info->max_work_group)
    problem = "it reports no memory or no work-groups";
  info->usable = !*problem;
  snprintf(info->problem, sizeof info->problem, "%s", problem);
}

static void describe_type(cl_device_id d, clg_device_info *info) {
  cl_device_type type = 0;
  clGetDeviceInfo(d, CL_DEVICE_TYPE, sizeof type, &type, NULL);
  info->type = type & CL_DEVICE_TYPE_GPU   ? CLG_DEVICE_GPU
               : type & CL_DEVICE_TYPE_CPU ? CLG_DEVICE_CPU
                                           : CLG_DEVICE_ACCELERATOR;
  info->shape = info->type == CLG_DEVICE_CPU ? CLG_SHAPE_CPU : CLG_SHAPE_GPU;
}

void clg_describe_device(cl_device_id d, int platform_index, int device_index, clg_device_info *info) {
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
  /* It ends a work-item's loops after 65535 turns, without a word: only the GPU's short ones are safe there. */
  if (strstr(info->name, "llvmpipe")) info->shape = CLG_SHAPE_GPU;
  info->global_bytes = device_u64(d, CL_DEVICE_GLOBAL_MEM_SIZE);
  info->max_alloc_bytes = device_u64(d, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  info->local_bytes = device_u64(d, CL_DEVICE_LOCAL_MEM_SIZE);
  info->compute_units = device_u32(d, CL_DEVICE_MAX_COMPUTE_UNITS);
  info->clock_mhz = device_u32(d, CL_DEVICE_MAX_CLOCK_FREQUENCY);
  info->address_bits = device_u32(d, CL_DEVICE_ADDRESS_BITS);
  info->base_align_bytes = device_u32(d, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
  info->native_float_width = device_u32(d, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
  info->unified_memory = device_u32(d, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
  size_t group = device_size(d, CL_DEVICE_MAX_WORK_GROUP_SIZE), item[16] = {0};
  if (clGetDeviceInfo(d, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof item, item, NULL) == CL_SUCCESS && item[0] &&
      item[0] < group)
    group = item[0];
  info->max_work_group = (uint32_t)group;
  judge(d, info);
}

/* ---- ranking ---- */

static int class_of(const clg_device_info *i) {
  if (!i->usable) return 4;
  if (i->simulator) return 3;
  return i->type == CLG_DEVICE_GPU ? 0 : i->type == CLG_DEVICE_ACCELERATOR ? 1 : 2;
}

static int better_first(const void *pa, const void *pb) {
  const clg_device_info *a = &((const clg_found *)pa)->info, *b = &((const clg_found *)pb)->info;
  if (class_of(a) != class_of(b)) return class_of(a) - class_of(b);
  uint64_t speed_a = (uint64_t)a->compute_units * a->clock_mhz, speed_b = (uint64_t)b->compute_units * b->clock_mhz;
  if (speed_a != speed_b) return speed_a > speed_b ? -1 : 1;
  if (a->platform_index != b->platform_index) return a->platform_index - b->platform_index;
  return a->device_index - b->device_index;
}

static size_t find_on(cl_platform_id platform, int index, clg_found **rows, size_t n) {
  cl_uint count = 0;
  if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count) != CL_SUCCESS || !count) return n;
  cl_device_id *ids = calloc(count, sizeof *ids);
  clg_found *more = ids ? realloc(*rows, (n + count) * sizeof *more) : NULL;
  if (more) *rows = more;
  if (more && clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL) == CL_SUCCESS)
    for (cl_uint i = 0; i < count; i++, n++) {
      more[n].device = ids[i];
      clg_describe_device(ids[i], index, (int)i, &more[n].info);
    }
  free(ids);
  return n;
}

size_t clg_find_devices(clg_found **rows) {
  *rows = NULL;
  cl_uint count = 0;
  if (clGetPlatformIDs(0, NULL, &count) != CL_SUCCESS || !count) return 0;
  cl_platform_id *ids = calloc(count, sizeof *ids);
  size_t n = 0;
  if (ids && clGetPlatformIDs(count, ids, NULL) == CL_SUCCESS)
    for (cl_uint i = 0; i < count; i++) n = find_on(ids[i], (int)i, rows, n);
  free(ids);
  if (n) qsort(*rows, n, sizeof **rows, better_first);
  return n;
}

/* ---- selectors ---- */

static bool is_numbers(const char *s, int *platform, int *device) {
  char end;
  return isdigit((unsigned char)*s) && strspn(s, "0123456789:") == strlen(s) &&
         sscanf(s, "%9d:%9d%c", platform, device, &end) == 2;
}

/* Without a letter it is a place in the list, or nothing: never the digit in a device's name. */
static bool is_numeric(const char *s) {
  while (*s && !isalpha((unsigned char)*s) && (unsigned char)*s < 128) s++;
  return !*s;
}

static bool matches(const clg_device_info *i, const char *selector) {
  int platform, device;
  if (!strcasecmp(selector, "gpu")) return i->type == CLG_DEVICE_GPU && !i->simulator;
  if (!strcasecmp(selector, "cpu")) return i->type == CLG_DEVICE_CPU && !i->simulator;
  if (is_numbers(selector, &platform, &device)) return i->platform_index == platform && i->device_index == device;
  return !is_numeric(selector) && (contains(i->platform, selector) || contains(i->name, selector));
}

static void list_choices(const clg_found *rows, size_t n, char *to, size_t size) {
  size_t used = 0;
  to[0] = 0;
  for (size_t i = 0; i < n && used + 1 < size; i++) {
    const clg_device_info *d = &rows[i].info;
    int k = snprintf(to + used, size - used, "%s%d:%d %s (%s)%s", i ? ", " : "", d->platform_index, d->device_index,
                     d->name, d->platform, d->usable ? "" : " not usable");
    used += k > 0 ? (size_t)k : 0;
  }
}

static clg_status choose(const clg_found *rows, size_t n, const char *selector, clg_found *out, clg_error *error) {
  const clg_found *best = NULL;
  for (size_t i = 0; i < n && !best; i++)
    if (selector ? matches(&rows[i].info, selector) : class_of(&rows[i].info) < 3) best = &rows[i];
  if (best && best->info.usable) {
    *out = *best;
    return CLG_OK;
  }
  char choices[400];
  list_choices(rows, n, choices, sizeof choices);
  if (best)
    return clg_error_set(error, CLG_ERR_DEVICE, NULL, "%s cannot be used: %s", best->info.name, best->info.problem);
  if (!selector)
    return clg_error_set(error, CLG_ERR_DEVICE, NULL, "no device is chosen by default; by name or number there is %s",
                         choices);
  return clg_error_set(error, CLG_ERR_DEVICE, NULL, "no device matches \"%.60s\"%s: there is %s", selector,
                       is_numeric(selector) ? ", a number is PLATFORM:DEVICE" : "", choices);
}

clg_status clg_choose_device(const char *selector, clg_found *out, clg_error *error) {
  if (!selector) selector = getenv("CLGRAD_DEVICE");
  if (selector && !*selector) selector = NULL;
  clg_found *rows;
  size_t n = clg_find_devices(&rows);
  clg_status s =
      n ? choose(rows, n, selector, out, error) : clg_error_set(error, CLG_ERR_DEVICE, NULL, "%s", NO_PLATFORM);
  free(rows);
  return s;
}

clg_status clg_choose_shape(clg_device_shape asked, clg_device_shape fallback, clg_device_shape *out,
                            clg_error *error) {
  *out = asked == CLG_SHAPE_AUTO ? fallback : asked;
  if (asked != CLG_SHAPE_AUTO && asked != CLG_SHAPE_CPU && asked != CLG_SHAPE_GPU)
    return clg_error_set(error, CLG_ERR_ARGUMENT, NULL, "no such device shape: %d", (int)asked);
  const char *text = getenv("CLGRAD_SHAPE");
  if (asked != CLG_SHAPE_AUTO || !text || !*text) return CLG_OK;
  if (!strcmp(text, "cpu"))
    *out = CLG_SHAPE_CPU;
  else if (!strcmp(text, "gpu"))
    *out = CLG_SHAPE_GPU;
  else
    return clg_error_set(error, CLG_ERR_ARGUMENT, NULL, "CLGRAD_SHAPE is \"%.60s\": it must be cpu or gpu", text);
  return CLG_OK;
}

/* With the shapes that contexts would have by default. */
size_t clg_device_list(clg_device_info *rows, size_t max) {
  clg_found *found;
  size_t n = clg_find_devices(&found);
  for (size_t i = 0; rows && i < n && i < max; i++) {
    clg_error ignored = {0};
    rows[i] = found[i].info;
    clg_choose_shape(CLG_SHAPE_AUTO, rows[i].shape, &rows[i].shape, &ignored);
  }
  free(found);
  return n;
}
