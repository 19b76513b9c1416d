/* Output files that appear whole or not at all: what was there stays until then, a link stays a link, and a file keeps
 * its mode. */
#ifndef GAN_OUTPUT_H
#define GAN_OUTPUT_H

#include "../file_names.h"
#include "message.h"

/* Find out before training whether `path` can be written, and leave no trace. With `stream`, a pipe or a device will do
 * too. */
bool output_check(const char *path, bool stream, message *why);
/* The same for a file that the library saves. */
bool output_check_save(const char *path, message *why);

typedef struct output {
  FILE *file;
  const char *path;
  char target[FILE_NAME_ROOM], temporary[FILE_NAME_ROOM]; /* renamed to the target when all is written; "": a stream */
} output;

/* Opens a temporary file beside `path`. */
bool output_open(output *o, const char *path, bool stream, message *why);
/* Closes the file and puts it in place if everything was `complete`, else removes it. */
bool output_close(output *o, bool complete, message *why);

#endif
