/* Says why there is no device: what the loader found, and what is likely to keep a driver from its devices. */
#include "base/str.h"
#include "device/choose.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VENDORS            "/etc/OpenCL/vendors"
#define RENDER             "/dev/dri"
#define PLATFORM_NOT_FOUND (-1001) /* CL_PLATFORM_NOT_FOUND_KHR */

/* The loaders' variables that replace the system's list of drivers. */
static const char *const lists[] = {"OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH"};
/* Folders that drivers want to write to. */
static const char *const homes[] = {"HOME", "XDG_CACHE_HOME", "POCL_CACHE_DIR"};

static const char *list_in_use(void) {
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    if (getenv(lists[i])) return lists[i];
  return NULL;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && !strcmp(text + n - m, end);
}

/* "a.icd, b.icd": the drivers that are installed. How many. */
static int add_drivers(clg_str *s) {
  DIR *d = opendir(VENDORS);
  int n = 0;
  for (struct dirent *e; d && (e = readdir(d));)
    if (ends_with(e->d_name, ".icd")) clg_str_addf(s, "%s%s", n++ ? ", " : "", e->d_name);
  if (d) closedir(d);
  return n;
}

/* A GPU's file that this user may not open, or "". */
static void refused_file(char *to, size_t size) {
  DIR *d = opendir(RENDER);
  to[0] = 0;
  for (struct dirent *e; d && !*to && (e = readdir(d));) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", RENDER, e->d_name);
    if (!strncmp(e->d_name, "renderD", 7) && access(path, R_OK | W_OK) && errno == EACCES)
      snprintf(to, size, "%s", path);
  }
  if (d) closedir(d);
}

/* What is most often wrong where a driver is there, with what is known to be so here. */
static void add_causes(clg_str *s) {
  char file[300];
  refused_file(file, sizeof file);
  clg_str_add(s, "may this user open /dev/dri/renderD* (group render or video)?");
  if (*file) clg_str_addf(s, " %s is refused.", file);
  clg_str_add(s, " can the driver write to its cache in HOME?");
  if (!getenv("HOME")) clg_str_add(s, " HOME is not set.");
  for (size_t i = 0; i < sizeof homes / sizeof *homes; i++) {
    const char *path = getenv(homes[i]);
    if (path && access(path, W_OK | X_OK)) clg_str_addf(s, " %s (%.100s) cannot be written to.", homes[i], path);
  }
}

static void add_no_platform(clg_str *s, cl_int code) {
  clg_str drivers = {0};
  const char *list = list_in_use();
  int n = list ? 0 : add_drivers(&drivers);
  clg_str_add(s, "no OpenCL platform found");
  if (code != CL_SUCCESS && code != PLATFORM_NOT_FOUND) clg_str_addf(s, " (%s, %d)", clg_cl_name(code), (int)code);
  if (list)
    clg_str_addf(s, ": %s (%.100s) replaces the system's list of drivers; unset it, or", list, getenv(list));
  else if (n)
    clg_str_addf(s, ", although drivers are installed (%.150s): is a library of theirs missing? ",
                 drivers.data ? drivers.data : "");
  if (n)
    add_causes(s);
  else
    clg_str_addf(s, "%s install one, e.g. on Debian: apt install pocl-opencl-icd", list ? "" : ":");
  clg_str_free(&drivers);
}

clg_status clg_no_device(clg_error *error) {
  char names[200];
  cl_int code;
  size_t n = clg_platform_names(names, sizeof names, &code);
  clg_str s = {0};
  if (n) {
    if (n == 1)
      clg_str_addf(&s, "1 OpenCL platform found (%s), but no device on it: ", names);
    else
      clg_str_addf(&s, "%zu OpenCL platforms found (%s), but no device on any: ", n, names);
    add_causes(&s);
  } else {
    add_no_platform(&s, code);
  }
  clg_status status =
      clg_error_set(error, CLG_ERR_DEVICE, NULL, "%s", s.data && !s.failed ? s.data : "no OpenCL device");
  clg_str_free(&s);
  return status;
}
