/* What a run leaves behind. A file appears whole or not at all, by the library's clg_file_save. One that cannot be
 * written is reported at once and takes no other with it: the run goes on, and fails in the end. */
#ifndef GAN_OUTPUT_H
#define GAN_OUTPUT_H

#include "message.h"
#include <clgrad/clgrad.h>

typedef struct outputs {
  const char *json, *report, *samples, *save, *trace; /* NULL: not wanted; json "-" is standard output */
  clg_context *files;                                 /* a plan, without a device: lends its errors */
  bool failed;                                        /* one could not be written, and that was said */
} outputs;

/* Finds out before training whether all of them can be written, and leaves no trace. */
bool outputs_open(outputs *o, message *why);
void outputs_close(outputs *o);
/* Says what went wrong with one of them. */
void outputs_fail(outputs *o, const message *why);

/* Replaces a file; `path` may be a pipe or a device if it is the JSON's. */
bool outputs_write(const outputs *o, const char *path, const void *bytes, size_t n, message *why);

#endif
