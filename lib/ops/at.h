/* A place on the device: a block and the index of an element in it. */
#ifndef CLG_OPS_AT_H
#define CLG_OPS_AT_H

#include "device/pool.h"

typedef struct clg_at {
  clg_block *block;
  size_t offset; /* in elements */
} clg_at;

#endif
