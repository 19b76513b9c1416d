/* The disk cache of built programs: $CLGRAD_CACHE, else $XDG_CACHE_HOME/clgrad, else ~/.cache/clgrad. An entry is a
 * header, the full key and the binary; whatever is wrong with one, the program is built from source and the entry
 * replaced. */
#include "base/file.h"
#include "base/str.h"
#include "device/devices.h"
#include "device/program.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST ((size_t)256 << 20)

typedef struct header {
  char magic[8];
  uint64_t key_size, binary_size, checksum; /* of key and binary */
} header;
static const char magic[8] = "clgrad1";

/* ---- where ---- */

/* The folder, or NULL when there is none or caching is off. malloced. */
static char *folder(void) {
  const char *own = getenv("CLGRAD_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  clg_str s = {0};
  if (own && *own) {
    if (!strcmp(own, "off")) return NULL;
    clg_str_add(&s, own);
  } else if (xdg && *xdg == '/') {
    clg_str_addf(&s, "%s/clgrad", xdg);
  } else if (home && *home) {
    clg_str_addf(&s, "%s/.cache/clgrad", home);
  }
  if (!s.failed) return s.data;
  clg_str_free(&s);
  return NULL;
}

static void make_folders(char *path) {
  for (char *c = path + 1; *c; c++)
    if (*c == '/') {
      *c = 0;
      mkdir(path, 0700);
      *c = '/';
    }
  mkdir(path, 0700);
}

/* The entry's path: the name is two hashes of the key, which is compared in full on reading. malloced. */
static char *entry_path(const clg_part *key, size_t n, bool make) {
  char *dir = folder();
  if (!dir) return NULL;
  if (make) make_folders(dir);
  unsigned long long a = CLG_HASH_START, b = clg_hash(CLG_HASH_START, "second", 6);
  for (size_t i = 0; i < n; i++) a = clg_hash(a, key[i].text, key[i].size), b = clg_hash(b, key[i].text, key[i].size);
  clg_str s = {0};
  clg_str_addf(&s, "%s/%016llx%016llx.bin", dir, a, b);
  free(dir);
  if (!s.failed) return s.data;
  clg_str_free(&s);
  return NULL;
}

static size_t key_size(const clg_part *key, size_t n) {
  size_t size = 0;
  for (size_t i = 0; i < n; i++) size += key[i].size;
  return size;
}

/* ---- reading ---- */

/* The driver runs what is in an entry, so nobody else may have written it. */
static bool is_trusted(const struct stat *st) {
  return (st->st_uid == geteuid() || !st->st_uid) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static unsigned char *read_whole(const char *path, size_t *size) {
  int fd = clg_open_regular(path); /* a pipe there would be waited for */
  if (fd < 0) return NULL;
  struct stat st;
  unsigned char *data = NULL;
  if (!fstat(fd, &st) && is_trusted(&st) && st.st_size > 0 && (uint64_t)st.st_size <= LARGEST) {
    *size = (size_t)st.st_size;
    data = malloc(*size);
  }
  for (size_t done = 0; data && done < *size;) {
    ssize_t n = read(fd, data + done, *size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      free(data);
      data = NULL;
    } else {
      done += (size_t)n;
    }
  }
  close(fd);
  return data;
}

/* Where the binary starts, or NULL when the entry is not one of ours, is damaged, or is of another key. */
static const unsigned char *check_entry(const unsigned char *data, size_t size, const clg_part *key, size_t n,
                                        size_t *binary_size) {
  header h;
  if (size < sizeof h) return NULL;
  memcpy(&h, data, sizeof h);
  size_t body = size - sizeof h;
  if (memcmp(h.magic, magic, sizeof magic) || h.key_size != key_size(key, n) || h.key_size >= body ||
      h.binary_size != body - h.key_size || h.checksum != clg_hash(CLG_HASH_START, data + sizeof h, body))
    return NULL;
  const unsigned char *at = data + sizeof h;
  for (size_t i = 0; i < n; at += key[i++].size)
    if (memcmp(at, key[i].text, key[i].size)) return NULL;
  *binary_size = (size_t)h.binary_size;
  return at;
}

static cl_program program_of(clg_context *ctx, const unsigned char *binary, size_t size, const char *options) {
  cl_int status = CL_SUCCESS, code = CL_SUCCESS;
  cl_device_id device = ctx->queue->device;
  cl_program p = clCreateProgramWithBinary(ctx->queue->context, 1, &device, &size, &binary, &status, &code);
  if (code != CL_SUCCESS) return NULL;
  cl_uint kernels = 0;
  if (status == CL_SUCCESS && clBuildProgram(p, 1, &device, options, NULL, NULL) == CL_SUCCESS &&
      clCreateKernelsInProgram(p, 0, NULL, &kernels) == CL_SUCCESS && kernels)
    return p;
  clReleaseProgram(p);
  return NULL;
}

cl_program clg_cache_load(clg_context *ctx, const clg_part *key, size_t n, const char *options) {
  char *path = entry_path(key, n, false);
  size_t size = 0, binary_size = 0;
  unsigned char *data = path ? read_whole(path, &size) : NULL;
  const unsigned char *binary = data ? check_entry(data, size, key, n, &binary_size) : NULL;
  cl_program p = binary ? program_of(ctx, binary, binary_size, options) : NULL;
  if (p)
    ctx->counters.cache_hits++;
  else if (data)
    clg_log_line(ctx, "cache entry %s cannot be used: building from source", path);
  free(data);
  free(path);
  return p;
}

/* ---- writing ---- */

/* Some drivers compile only when kernels are made, so they are before the binary is asked for. */
static void touch_kernels(cl_program p) {
  cl_uint n = 0;
  if (clCreateKernelsInProgram(p, 0, NULL, &n) != CL_SUCCESS || !n) return;
  cl_kernel *kernels = calloc(n, sizeof *kernels);
  if (kernels && clCreateKernelsInProgram(p, n, kernels, NULL) == CL_SUCCESS)
    for (cl_uint i = 0; i < n; i++) clReleaseKernel(kernels[i]);
  free(kernels);
}

/* Adopted contexts may have several devices: the binary is looked for among theirs. malloced; NULL when there is none.
 */
static unsigned char *binary_of(clg_context *ctx, cl_program p, size_t *size) {
  enum { MOST = 64 };
  cl_device_id devices[MOST];
  size_t sizes[MOST] = {0}, bytes = 0;
  unsigned char *binaries[MOST] = {0}, *found = NULL;
  if (clGetProgramInfo(p, CL_PROGRAM_DEVICES, sizeof devices, devices, &bytes) != CL_SUCCESS ||
      clGetProgramInfo(p, CL_PROGRAM_BINARY_SIZES, sizeof sizes, sizes, NULL) != CL_SUCCESS)
    return NULL;
  size_t n = bytes / sizeof *devices;
  for (size_t i = 0; i < n; i++)
    if (devices[i] == ctx->queue->device && sizes[i] && sizes[i] < LARGEST) {
      *size = sizes[i];
      found = binaries[i] = malloc(sizes[i]);
    }
  if (found && clGetProgramInfo(p, CL_PROGRAM_BINARIES, n * sizeof *binaries, binaries, NULL) == CL_SUCCESS)
    return found;
  free(found);
  return NULL;
}

static bool write_entry(int fd, const clg_part *key, size_t n, const unsigned char *binary, size_t size) {
  FILE *f = fdopen(fd, "wb");
  if (!f) {
    close(fd);
    return false;
  }
  header h = {.key_size = key_size(key, n), .binary_size = size, .checksum = CLG_HASH_START};
  memcpy(h.magic, magic, sizeof magic);
  for (size_t i = 0; i < n; i++) h.checksum = clg_hash(h.checksum, key[i].text, key[i].size);
  h.checksum = clg_hash(h.checksum, binary, size);
  bool ok = fwrite(&h, sizeof h, 1, f) == 1;
  for (size_t i = 0; i < n; i++) ok = ok && fwrite(key[i].text, 1, key[i].size, f) == key[i].size;
  ok = ok && fwrite(binary, 1, size, f) == size;
  return fclose(f) == 0 && ok;
}

/* PoCL takes as long over a binary as over a build: it compiles each kernel once more, for any work-group size. */
static bool driver_keeps(const clg_context *ctx) {
  const char *on = getenv("POCL_KERNEL_CACHE");
  return clg_compiles_late(ctx) && (!on || strcmp(on, "0"));
}

void clg_cache_save(clg_context *ctx, cl_program p, const clg_part *key, size_t n) {
  char *path = driver_keeps(ctx) ? NULL : entry_path(key, n, true);
  if (!path) return;
  touch_kernels(p);
  size_t size = 0;
  unsigned char *binary = binary_of(ctx, p, &size);
  clg_str temp = {0};
  clg_str_addf(&temp, "%s.XXXXXX", path);
  int fd = binary && !temp.failed ? mkstemp(temp.data) : -1;
  if (fd >= 0 && (!write_entry(fd, key, n, binary, size) || rename(temp.data, path))) unlink(temp.data);
  clg_str_free(&temp);
  free(binary);
  free(path);
}
