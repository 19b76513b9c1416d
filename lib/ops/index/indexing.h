/* Reading by int32 indices, and adding back: each other's gradients. */
#ifndef CLG_OPS_INDEXING_H
#define CLG_OPS_INDEXING_H

#include "ops/op.h"

/* False, with the error set, unless index is int32 and, where that is known without waiting for the device, all of it
 * is in [low, high]. */
bool clg_index_within(const clg_tensor *index, int64_t low, int64_t high, const char *op);

/* y[.., j, ..] = x[.., index[.., j, ..], ..], index of x's shape but for `dim`; recorded. An op result, as is that
 * below. */
clg_tensor *clg_gather_along(clg_tensor *x, clg_tensor *index, int dim);
/* Its adjoint: g and index of one shape, summed into zeros of the shape. */
clg_tensor *clg_scatter_along(clg_tensor *g, clg_tensor *index, int dim, const clg_input_shape *shape);

/* On a CPU, for kernels of index_add.cl: lists of which indices in [0,n) but for `skip` (-1: none) are alike. A block to
 * unref; NULL with the error set. `spare` has a block. */
clg_block *clg_index_lists(const clg_tensor *index, int64_t n, int skip, const clg_tensor *spare, const char *op);
/* How many of n rows m indices have at most, and how many of those an item takes, with `inner` elements for each
 * index. */
int64_t clg_index_most(int64_t n, int64_t m);
int64_t clg_index_share(int64_t n, int64_t m, int64_t inner);

#endif
