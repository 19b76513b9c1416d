/* Output that replaces a file in one step: the only way in which the library writes files that its caller names. */
#ifndef CLG_BASE_OUTPUT_H
#define CLG_BASE_OUTPUT_H

#include "base/file.h"
#include "base/str.h"
#include <sys/types.h>

typedef struct clg_output {
  clg_context *ctx;
  const char *op;
  char *path, *temp;
  int fd;
  mode_t mode; /* that the file will have */
} clg_output;

/* Opens a new file beside `path` (beside what it links to); waits some seconds while another writer of the same path
 * has it open. What is there and no regular file is refused, and so is a temporary file that is not ours. On failure
 * there is nothing to discard. */
clg_status clg_output_open(clg_output *out, clg_context *ctx, const char *op, const char *path);
clg_status clg_output_write(clg_output *out, const void *data, size_t n);
/* Puts the new file in the place of the old one, with its mode, once it is on the disk. Ends the output, on failure
 * too. */
clg_status clg_output_commit(clg_output *out);
/* Removes the new file; nothing to do after commit. */
void clg_output_discard(clg_output *out);
/* All of it at once: the text's whole file, or an error and the old one. */
clg_status clg_output_all(clg_context *ctx, const char *op, const char *path, const clg_str *text);

#endif
