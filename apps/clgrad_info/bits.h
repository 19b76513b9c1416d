/* Whether a device comes to the bits that every device of its shape should, in a reproducible context. */
#ifndef CLGRAD_INFO_BITS_H
#define CLGRAD_INFO_BITS_H

#include <clgrad/clgrad.h>

enum { BITS_GROUPS = 7 };

typedef struct bits_result {
  bool ran;
  uint64_t hash[BITS_GROUPS];
  int differ;       /* groups that have other bits than the reference's */
  char groups[160]; /* their names */
  char why[400];    /* what is wrong with the device's arithmetic: "" for nothing; where it is not met, bits agree */
} bits_result;

const char *bits_group(int i);
/* Computes all groups in the context, which is reproducible. `ran` is false where something failed: the context's error
 * says what. In a plan nothing is computed, and `ran` true. */
bits_result bits_test(clg_context *ctx);

#endif
