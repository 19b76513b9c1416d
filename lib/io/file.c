/* Reads of regular files, at a place. Owns descriptors. */
#include "io/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static clg_status fail_memory(clg_context *ctx, const char *op) {
  return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
}

clg_status clg_input_open(clg_input *in, clg_context *ctx, const char *op, const char *path) {
  *in = (clg_input){.ctx = ctx, .op = op, .fd = -1};
  if (!path) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "the path is NULL");
  in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (in->fd < 0) return clg_fail_errno(ctx, op, "read", path);
  struct stat st;
  clg_status s = CLG_OK;
  if (fstat(in->fd, &st))
    s = clg_fail_errno(ctx, op, "read", path);
  else if (!S_ISREG(st.st_mode))
    s = clg_fail(ctx, CLG_ERR_IO, op, "cannot read " CLG_PATH ": it is no regular file", path);
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
