/* Opens files, and reads at a place. Owns descriptors. */
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) >= 8, "files may be larger than 2 GiB");

int clg_open_regular(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -1;
  int code = fstat(fd, &st) ? errno : 0;
  if (!code && S_ISREG(st.st_mode)) return fd;
  close(fd);
  errno = code;
  return -1;
}

FILE *clg_fopen_regular(const char *path) {
  int fd = clg_open_regular(path);
  FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
  if (fd >= 0 && !f) close(fd);
  return f;
}

/* ---- in errors of a context ---- */

clg_status clg_fail_errno(clg_context *ctx, const char *op, const char *what, const char *path) {
  int code = errno;
  char why[128] = "it is no regular file";
  if (code && strerror_r(code, why, sizeof why)) snprintf(why, sizeof why, "error %d", code);
  return clg_fail(ctx, CLG_ERR_IO, op, "cannot %s " CLG_PATH ": %s", what, path, why);
}

static clg_status fail_memory(clg_context *ctx, const char *op) {
  return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
}

clg_status clg_input_open(clg_input *in, clg_context *ctx, const char *op, const char *path) {
  *in = (clg_input){.ctx = ctx, .op = op, .fd = -1};
  if (!path) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "the path is NULL");
  in->fd = clg_open_regular(path);
  if (in->fd < 0) return clg_fail_errno(ctx, op, "read", path);
  struct stat st;
  clg_status s = CLG_OK;
  if (fstat(in->fd, &st))
    s = clg_fail_errno(ctx, op, "read", path);
  else if (!(in->path = strdup(path)))
    s = fail_memory(ctx, op);
  else
    in->size = (uint64_t)st.st_size;
  if (s != CLG_OK) clg_input_close(in);
  return s;
}

clg_status clg_input_read(const clg_input *in, uint64_t at, void *out, size_t n) {
  char *to = out;
  while (n) {
    ssize_t got = pread(in->fd, to, n < 1u << 30 ? n : 1u << 30, (off_t)at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return clg_fail_errno(in->ctx, in->op, "read", in->path);
    if (!got) return clg_fail(in->ctx, CLG_ERR_IO, in->op, CLG_PATH ": the file ends too early", in->path);
    to += got;
    at += (uint64_t)got;
    n -= (size_t)got;
  }
  return CLG_OK;
}

void clg_input_close(clg_input *in) {
  if (in->fd >= 0) close(in->fd);
  in->fd = -1;
  free(in->path);
  in->path = NULL;
}
