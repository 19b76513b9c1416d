#define _GNU_SOURCE
#include "fuzz.h"
#include <sys/mman.h>
#include <unistd.h>

const char *fuzz_file(const void *bytes, size_t n) {
  static int fd = -1;
  static char path[64];
  if (fd < 0) fd = memfd_create("fuzz", 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (ftruncate(fd, 0) || (n && pwrite(fd, bytes, n, 0) != (ssize_t)n)) abort();
  return path;
}

char *fuzz_text(const uint8_t *data, size_t n) {
  char *text = malloc(n + 1);
  if (!text) abort();
  memcpy(text, data, n);
  text[n] = 0;
  return text;
}

clg_context *fuzz_plan(clg_device_shape shape) {
  clg_context *ctx = NULL;
  clg_plan_options o = clg_plan_defaults();
  o.shape = shape;
  if (clg_context_create_plan(&ctx, &o) != CLG_OK) abort();
  return ctx;
}

clg_context *fuzz_device(void) {
  clg_context *ctx = NULL;
  char why[512] = "";
  clg_context_options o = clg_context_defaults();
  o.message = why, o.message_size = sizeof why;
  clg_context_create(&ctx, &o);
  FUZZ_REQUIRE(ctx, "%s", why);
  return ctx;
}

void fuzz_check_line(const char *line) {
  for (const char *c = line; *c; c++)
    FUZZ_REQUIRE((unsigned char)*c >= ' ' && *c != 0x7f, "a control character in \"%s\"", line);
}

void fuzz_clear(clg_context *ctx) {
  FUZZ_REQUIRE(clg_last_status(ctx) == CLG_OK || *clg_last_error(ctx), "an error without a line");
  fuzz_check_line(clg_last_error(ctx));
  clg_clear_error(ctx);
}
