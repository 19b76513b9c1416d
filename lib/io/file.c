/* Whole files of any content. */
#include "base/output.h"
#include <clgrad/io.h>

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
