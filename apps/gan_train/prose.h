/* Sentences put together from figures. */
#ifndef GAN_PROSE_H
#define GAN_PROSE_H

#include <stddef.h>
#include <stdio.h>

typedef struct prose {
  char words[4096];
  size_t n;
} prose;

/* Adds to the end; what has no room is left out. */
void say(prose *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "", " and " or ", ": what stands before item i of n in "a, b and c". */
const char *prose_separator(int i, int n);
/* Breaks lines between words, `indent` columns from the left but for the first, at most `width` wide. */
void prose_print(FILE *to, const char *words, int indent, int width);

#endif
