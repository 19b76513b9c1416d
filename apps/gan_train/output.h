/* Output files that appear whole or not at all. */
#ifndef GAN_OUTPUT_H
#define GAN_OUTPUT_H

#include "message.h"
#include <stdio.h>

/* Finds out before training whether `path` can be written, and leaves no trace. */
bool output_check(const char *path, message *why);

typedef struct output {
  FILE *file;
  const char *path;
  char temporary[4096]; /* renamed to path when all is written; "" when path is a device or a pipe */
} output;

/* Opens a temporary file beside `path`. */
bool output_open(output *o, const char *path, message *why);
/* Closes the file and puts it in place if everything was `complete`, else removes it. */
bool output_close(output *o, bool complete, message *why);

#endif
