/* The names of pictures on the way: the file's, with a step before the ending. */
#ifndef GAN_NUMBERED_H
#define GAN_NUMBERED_H

#include "message.h"
#include <stddef.h>
#include <stdint.h>

/* "a.png" and 100: "a-000100.png". False: too long. */
bool numbered_path(char *to, size_t size, const char *path, int64_t step, message *why);
/* Whether `other` is, or leads to, such a name of `path` for some step, or the FILE.tmp of one. */
bool numbered_has(const char *path, const char *other);

#endif
