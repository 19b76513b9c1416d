/* Which device is the best, what a selector means, and what is said where there is none: over a driver that this file
 * makes up, which stands before the loader's. */
#include "base/error.h"
#include "device/choose.h"
#include "harness.h"
#include "kept.h"
#include <string.h>

/* ---- the driver ---- */

typedef struct unit {
  int platform;
  const char *name, *vendor;
  cl_device_type type;
  cl_uint units, clock, unified;
  cl_ulong mib;
} unit;

static const char *platform_names[4];
static cl_uint n_platforms;
static const unit *units;
static int n_units;
static cl_int platforms_code;

static void driver_has(cl_uint platforms, const unit *rows, int n) {
  static const char *const names[4] = {"Vendor A OpenCL", "Vendor B CUDA", "Portable", "Other"};
  for (int i = 0; i < 4; i++) platform_names[i] = names[i];
  n_platforms = platforms;
  units = rows, n_units = n;
  platforms_code = CL_SUCCESS;
}

static cl_int answer(const void *value, size_t n, size_t size, void *to, size_t *had) {
  if (had) *had = n;
  if (!to) return CL_SUCCESS;
  if (size < n) return CL_INVALID_VALUE;
  memcpy(to, value, n);
  return CL_SUCCESS;
}
static cl_int text(const char *t, size_t size, void *to, size_t *had) {
  return answer(t, strlen(t) + 1, size, to, had);
}

cl_int clGetPlatformIDs(cl_uint n, cl_platform_id *to, cl_uint *count) {
  if (platforms_code != CL_SUCCESS) return platforms_code;
  if (count) *count = n_platforms;
  for (cl_uint i = 0; to && i < n && i < n_platforms; i++) to[i] = (cl_platform_id)&platform_names[i];
  return CL_SUCCESS;
}

static int platform_index(cl_platform_id p) { return (int)((const char **)p - platform_names); }

cl_int clGetPlatformInfo(cl_platform_id p, cl_platform_info what, size_t size, void *to, size_t *had) {
  return text(what == CL_PLATFORM_NAME ? platform_names[platform_index(p)] : "OpenCL 3.0", size, to, had);
}

cl_int clGetDeviceIDs(cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *to, cl_uint *count) {
  (void)type;
  cl_uint found = 0;
  for (int i = 0; i < n_units; i++) {
    if (units[i].platform != platform_index(p)) continue;
    if (to && found < n) to[found] = (cl_device_id)&units[i];
    found++;
  }
  if (count) *count = found;
  return found ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

cl_int clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size, void *to, size_t *had) {
  const unit *u = (const unit *)d;
  cl_platform_id p = (cl_platform_id)&platform_names[u->platform];
  cl_ulong bytes = u->mib << 20;
  size_t group = 256;
  cl_uint one = 1;
  switch (what) {
  case CL_DEVICE_NAME: return text(u->name, size, to, had);
  case CL_DEVICE_VENDOR: return text(u->vendor, size, to, had);
  case CL_DEVICE_VERSION: return text("OpenCL 3.0", size, to, had);
  case CL_DRIVER_VERSION: return text("1", size, to, had);
  case CL_DEVICE_PLATFORM: return answer(&p, sizeof p, size, to, had);
  case CL_DEVICE_TYPE: return answer(&u->type, sizeof u->type, size, to, had);
  case CL_DEVICE_MAX_COMPUTE_UNITS: return answer(&u->units, sizeof u->units, size, to, had);
  case CL_DEVICE_MAX_CLOCK_FREQUENCY: return answer(&u->clock, sizeof u->clock, size, to, had);
  case CL_DEVICE_HOST_UNIFIED_MEMORY: return answer(&u->unified, sizeof u->unified, size, to, had);
  case CL_DEVICE_GLOBAL_MEM_SIZE: return answer(&bytes, sizeof bytes, size, to, had);
  case CL_DEVICE_MAX_WORK_GROUP_SIZE: return answer(&group, sizeof group, size, to, had);
  case CL_DEVICE_AVAILABLE:
  case CL_DEVICE_COMPILER_AVAILABLE: return answer(&one, sizeof one, size, to, had);
  default: return CL_INVALID_VALUE;
  }
}

/* ---- ranking ---- */

#define GPU CL_DEVICE_TYPE_GPU
#define CPU CL_DEVICE_TYPE_CPU

static void first_is(const char *name) {
  clg_found *rows;
  size_t n = clg_find_devices(&rows);
  ck_assert_uint_eq(n, (size_t)n_units);
  ck_assert_str_eq(rows[0].info.name, name);
  free(rows);
}

START_TEST(a_discrete_gpu_comes_before_an_integrated_one) {
  const unit laptop[] = {{0, "many small units", "A", GPU, 96, 1350, 1, 12288},
                         {1, "few large units", "B", GPU, 28, 1777, 0, 6144}};
  driver_has(2, laptop, 2);
  first_is("few large units");
  const unit one_platform[] = {{0, "integrated", "A", GPU, 96, 1350, 1, 30000},
                               {0, "discrete", "A", GPU, 32, 2000, 0, 8192}};
  driver_has(1, one_platform, 2);
  first_is("discrete");
  const unit only[] = {{0, "cpu", "A", CPU, 64, 4000, 1, 60000}, {1, "integrated", "A", GPU, 8, 300, 1, 2000}};
  driver_has(2, only, 2);
  first_is("integrated");
}
END_TEST

START_TEST(units_and_clocks_compare_one_vendor_only) {
  const unit two[] = {{0, "small", "A", GPU, 20, 1500, 0, 4096}, {0, "large", "A", GPU, 80, 1500, 0, 4096}};
  driver_has(1, two, 2);
  first_is("large");
  const unit vendors[] = {{0, "16 units, 16 GiB", "A", GPU, 512, 2400, 0, 16384},
                          {1, "82 units, 24 GiB", "B", GPU, 82, 1700, 0, 24576}};
  driver_has(2, vendors, 2);
  first_is("82 units, 24 GiB");
  const unit one_platform[] = {{0, "many", "A", GPU, 512, 2400, 0, 8192}, {0, "few", "B", GPU, 20, 1700, 0, 24576}};
  driver_has(1, one_platform, 2);
  first_is("few");
}
END_TEST

/* The host's memory, and what a driver says of a CPU's clock, decide nothing. */
START_TEST(devices_that_share_the_host_stay_in_the_platforms_order) {
  const unit cpus[] = {{0, "first", "A", CPU, 8, 2000, 1, 1000}, {1, "second", "B", CPU, 8, 3000, 1, 64000}};
  driver_has(2, cpus, 2);
  first_is("first");
  const unit gpus[] = {{0, "first", "A", GPU, 8, 900, 1, 1000}, {1, "second", "B", GPU, 96, 3000, 1, 64000}};
  driver_has(2, gpus, 2);
  first_is("first");
}
END_TEST

/* A total order, whatever the order of the rows: vendors stay together. */
START_TEST(the_order_does_not_depend_on_the_rows) {
  const unit rows[] = {{0, "a1", "A", GPU, 10, 1000, 0, 8192}, {0, "a2", "A", GPU, 40, 1000, 0, 8192},
                       {1, "b1", "B", GPU, 90, 1000, 0, 4096}, {1, "b2", "B", GPU, 20, 1000, 0, 8192},
                       {2, "c", "C", CPU, 64, 4000, 1, 99999}, {0, "i", "A", GPU, 99, 9000, 1, 99999}};
  const char *want[] = {"a2", "a1", "b1", "b2", "i", "c"};
  driver_has(3, rows, 6);
  clg_found *found;
  ck_assert_uint_eq(clg_find_devices(&found), 6);
  for (int turn = 0; turn < 6; turn++) {
    for (int i = 0; i < 6; i++) ck_assert_str_eq(found[i].info.name, want[i]);
    clg_found first = found[turn];
    found[turn] = found[0], found[0] = first;
    clg_rank_devices(found, 6);
  }
  free(found);
}
END_TEST

/* ---- selectors ---- */

static const char *nth_chosen(const char *selector, size_t nth, clg_error *error) {
  clg_found found;
  static char name[128];
  *error = (clg_error){0};
  if (clg_choose_device(selector, nth, &found, error) != CLG_OK) return NULL;
  strcpy(name, found.info.name);
  return name;
}

static const char *chosen(const char *selector, clg_error *error) { return nth_chosen(selector, 0, error); }

START_TEST(numbers_are_platform_and_device_or_an_error) {
  const unit rows[] = {{0, "skylake-avx512", "A", CPU, 2, 2500, 1, 8192},
                       {1, "RTX 3060", "B", GPU, 28, 1777, 0, 12288}};
  driver_has(2, rows, 2);
  clg_error e;
  ck_assert_str_eq(chosen("0:0", &e), "skylake-avx512");
  ck_assert_str_eq(chosen("1:0", &e), "RTX 3060");
  ck_assert_str_eq(chosen("avx512", &e), "skylake-avx512");
  ck_assert_str_eq(chosen("rtx 3060", &e), "RTX 3060");
  const char *const bad[] = {"0",  "1", "2",  "5",  "512", "3060", "-1", "+1",    " 1",
                             "1 ", ":", "0:", ":0", "0.0", "-",    " ",  "1:0:0", "99999999999:0"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_msg(!chosen(bad[i], &e), "\"%s\" chooses a device", bad[i]);
    ck_assert_msg(strstr(e.line, "PLATFORM:DEVICE") && strstr(e.line, "1:0 RTX 3060"), "%s", e.line);
  }
}
END_TEST

/* Several processes on one machine take the devices of one kind in turn, best first, and then again the first. */
START_TEST(the_nth_is_counted_among_its_kind) {
  static const unit rows[] = {{0, "large", "A", GPU, 80, 1500, 0, 8192},
                              {0, "small", "A", GPU, 20, 1500, 0, 8192},
                              {1, "large too", "B", GPU, 80, 1500, 0, 4096},
                              {0, "inside", "A", GPU, 8, 1000, 1, 8192},
                              {2, "cpu", "C", CPU, 64, 4000, 1, 99999}};
  driver_has(3, rows, 5);
  clg_error e;
  kept named = keep_variable("CLGRAD_DEVICE");
  unsetenv("CLGRAD_DEVICE");
  for (size_t nth = 0; nth < 6; nth++) {
    ck_assert_str_eq(nth_chosen(NULL, nth, &e), nth % 2 ? "small" : "large");
    ck_assert_str_eq(nth_chosen("gpu", nth, &e), nth % 2 ? "small" : "large");
    ck_assert_str_eq(nth_chosen("too", nth, &e), "large too");
    ck_assert_str_eq(nth_chosen("0:1", nth, &e), "small");
    ck_assert_str_eq(nth_chosen("cpu", nth, &e), "cpu");
  }
  give_variable_back(named);
}
END_TEST

/* ---- none ---- */

START_TEST(what_is_missing_is_said) {
  clg_error e;
  driver_has(2, NULL, 0);
  ck_assert_ptr_null(chosen(NULL, &e));
  ck_assert_int_eq(e.status, CLG_ERR_DEVICE);
  ck_assert_msg(strstr(e.line, "Vendor A OpenCL, Vendor B CUDA") && strstr(e.line, "group") && strstr(e.line, "HOME") &&
                    !strstr(e.line, "install"),
                "%s", e.line);
  setenv("XDG_CACHE_HOME", "/dev/null/nowhere", 1);
  ck_assert_ptr_null(chosen(NULL, &e));
  ck_assert_msg(strstr(e.line, "XDG_CACHE_HOME (/dev/null/nowhere)") != NULL, "%s", e.line);
  unsetenv("XDG_CACHE_HOME");
  driver_has(0, NULL, 0);
  platforms_code = -1001;
  setenv("OCL_ICD_VENDORS", "/nonexistent", 1);
  ck_assert_ptr_null(chosen(NULL, &e));
  ck_assert_msg(strstr(e.line, "no OpenCL platform") && strstr(e.line, "OCL_ICD_VENDORS (/nonexistent)") &&
                    strstr(e.line, "install"),
                "%s", e.line);
  unsetenv("OCL_ICD_VENDORS");
  platforms_code = CL_OUT_OF_HOST_MEMORY;
  ck_assert_ptr_null(chosen(NULL, &e));
  ck_assert_msg(strstr(e.line, "CL_OUT_OF_HOST_MEMORY") != NULL, "%s", e.line);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("choose");
  tcase_add_test(c, a_discrete_gpu_comes_before_an_integrated_one);
  tcase_add_test(c, units_and_clocks_compare_one_vendor_only);
  tcase_add_test(c, devices_that_share_the_host_stay_in_the_platforms_order);
  tcase_add_test(c, the_order_does_not_depend_on_the_rows);
  tcase_add_test(c, numbers_are_platform_and_device_or_an_error);
  tcase_add_test(c, the_nth_is_counted_among_its_kind);
  tcase_add_test(c, what_is_missing_is_said);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("choose", add_cases)
