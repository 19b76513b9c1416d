/* What the fuzz targets share. A target is LLVMFuzzerTestOneInput: libFuzzer's when clang builds it, replay.c's loop
 * over files otherwise. What is wrong aborts, with a line that says so. */
#ifndef CLG_FUZZ_H
#define CLG_FUZZ_H

#include <clgrad/clgrad.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FUZZ_REQUIRE(holds, ...)                                                                                       \
  do {                                                                                                                 \
    if (!(holds)) {                                                                                                    \
      fprintf(stderr, "WRONG: " __VA_ARGS__);                                                                          \
      fputc('\n', stderr);                                                                                             \
      abort();                                                                                                         \
    }                                                                                                                  \
  } while (0)

/* A path that reads as these bytes, until the next. */
const char *fuzz_file(const void *bytes, size_t n);
/* The bytes as text, malloced. */
char *fuzz_text(const uint8_t *data, size_t n);
clg_context *fuzz_plan(clg_device_shape shape);
clg_context *fuzz_device(void);
/* An error is one line that no terminal obeys; clears it. */
void fuzz_check_line(const char *line);
void fuzz_clear(clg_context *ctx);

#endif
