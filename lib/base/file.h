/* Files that are read. */
#ifndef CLG_BASE_FILE_H
#define CLG_BASE_FILE_H

#include "base/context.h"
#include <stdio.h>

/* Opens a regular file for reading. -1: errno says why, and is 0 when it is something else; a pipe, where nobody may
 * ever write, is such a thing. */
int clg_open_regular(const char *path);
/* The same as a stream; NULL: as -1. */
FILE *clg_fopen_regular(const char *path);

/* Paths in error lines are cut to this many characters. */
#define CLG_PATH "%.160s"

/* CLG_ERR_IO with errno's text: "op: cannot WHAT PATH: No such file or directory"; 0 is "it is no regular file". */
clg_status clg_fail_errno(clg_context *ctx, const char *op, const char *what, const char *path);

/* A file that is read at a place; its errors are the context's. */
typedef struct clg_input {
  clg_context *ctx;
  const char *op; /* whose errors they are */
  char *path;
  int fd;
  uint64_t size; /* when it was opened */
} clg_input;

/* A regular file; anything else is refused, so that a pipe cannot block. On failure there is nothing to close. */
clg_status clg_input_open(clg_input *in, clg_context *ctx, const char *op, const char *path);
/* Exactly n bytes from `at` on; a file that has become shorter is an error. */
clg_status clg_input_read(const clg_input *in, uint64_t at, void *out, size_t n);
void clg_input_close(clg_input *in);

#endif
