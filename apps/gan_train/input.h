/* Files that are read. */
#ifndef GAN_INPUT_H
#define GAN_INPUT_H

#include "message.h"

/* A descriptor of a regular file, yours to close; -1 with `why` for what is not there, may not be read, or is something
 * else: a pipe would be waited for. */
int input_open(const char *path, message *why);

#endif
