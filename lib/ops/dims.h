/* Dimensions that an op goes along: one, or as a bit mask those that it reduces. */
#ifndef CLG_OPS_DIMS_H
#define CLG_OPS_DIMS_H

#include "tensor/tensor.h"

/* A contiguous tensor seen as [outer, n, inner] by one of its dimensions, as kernels take it. */
typedef struct clg_axis {
  int64_t n, inner, outer;
} clg_axis;
static inline clg_axis clg_axis_of(int ndim, const int64_t *shape, int dim) {
  clg_axis a = {shape[dim], 1, 1};
  for (int d = 0; d < dim; d++) a.outer *= shape[d];
  for (int d = dim + 1; d < ndim; d++) a.inner *= shape[d];
  return a;
}

/* How many rows t [..,n] has, also where n is 0. */
static inline int64_t clg_row_count(const clg_tensor *t) {
  int64_t rows = 1;
  for (int d = 0; d < t->ndim - 1; d++) rows *= t->shape[d];
  return rows;
}
/* t [n], n that of x's dimension d, as [1,..,n,..,1] of x's rank: an op result. */
clg_tensor *clg_over_dim(clg_tensor *t, const clg_tensor *x, int d);

/* A bit mask of dims[0..n), all for n = 0. False with the error set. */
bool clg_dims_mask(clg_tensor *x, const int *dims, int n, uint32_t *mask, const char *op);
/* The dimensions in a mask as a list; returns how many. */
int clg_mask_dims(const clg_tensor *x, uint32_t mask, int *dims);
/* How many elements each range along them has. */
int64_t clg_mask_numel(const clg_tensor *x, uint32_t mask);

#endif
