/* Dimensions that an op reduces, as a bit mask. */
#ifndef CLG_OPS_DIMS_H
#define CLG_OPS_DIMS_H

#include "tensor/tensor.h"

/* A bit mask of dims[0..n), all for n = 0. False with the error set. */
bool clg_dims_mask(clg_tensor *x, const int *dims, int n, uint32_t *mask, const char *op);
/* The dimensions in a mask as a list; returns how many. */
int clg_mask_dims(const clg_tensor *x, uint32_t mask, int *dims);
/* How many elements each range along them has. */
int64_t clg_mask_numel(const clg_tensor *x, uint32_t mask);

#endif
