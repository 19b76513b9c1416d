/* Files that are read. */
#ifndef CLG_BASE_FILE_H
#define CLG_BASE_FILE_H

#include <stdio.h>

/* Opens a regular file for reading. -1: errno says why, and is 0 when it is something else; a pipe, where nobody may
 * ever write, is such a thing. */
int clg_open_regular(const char *path);
/* The same as a stream; NULL: as -1. */
FILE *clg_fopen_regular(const char *path);

#endif
