/* Reads of regular files, at a place, and whole files of any content. Owns descriptors. */
#include "io/file.h"
#include "base/file.h"
#include <clgrad/io.h>
#include <errno.h>
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

static clg_status file_save(clg_context *ctx, const char *path, const void *bytes, size_t n, bool keep) {
  static const char op[] = "file_save";
  clg_output out;
  if (!ctx) return CLG_ERR_ARGUMENT;
  if (n && !bytes) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "the bytes are NULL");
  clg_status s = clg_output_open(&out, ctx, op, path);
  if (s != CLG_OK) return s;
  s = clg_output_write(&out, bytes, n);
  if (s == CLG_OK && keep) return clg_output_commit(&out);
  clg_output_discard(&out);
  return s;
}

clg_status clg_file_save(clg_context *ctx, const char *path, const void *bytes, size_t n) {
  return file_save(ctx, path, bytes, n, true);
}

clg_status clg_file_check(clg_context *ctx, const char *path) { return file_save(ctx, path, NULL, 0, false); }
