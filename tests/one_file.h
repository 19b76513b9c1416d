/* A context and one temporary file, open for writing, for each case of a suite that loads files. */
#ifndef CLG_TESTS_ONE_FILE_H
#define CLG_TESTS_ONE_FILE_H

#include "context.h"
#include <string.h>
#include <unistd.h>

static clg_context *ctx;
static char path[64];
static int fd;

static void open_all(void) {
  ctx = test_context_open();
  strcpy(path, "/tmp/clgrad-file.XXXXXX");
  fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
}
static void close_all(void) {
  test_context_close(&ctx);
  close(fd);
  unlink(path);
}

#endif
