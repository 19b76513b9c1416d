/* A comparison in three lines, for a hurried reader. */
#ifndef GAN_SUMMARY_H
#define GAN_SUMMARY_H

#include "compare.h"

#define SUMMARY_LINES 3
#define SUMMARY_ROOM  400

typedef struct summary {
  char lines[SUMMARY_LINES][SUMMARY_ROOM];
} summary;

/* "Correctness", "Speed", "Memory". */
const char *summary_title(int line);
summary summary_of(const comparison *c);

#endif
