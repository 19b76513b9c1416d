/* Reading by int32 indices, and adding back: each other's gradients. */
#ifndef CLG_OPS_INDEXING_H
#define CLG_OPS_INDEXING_H

#include "ops/op.h"
#include "tensor/args.h"

/* False, with the error set, unless index is int32 and, where that is known without waiting for the device, all of it
 * is in [low, high]. */
bool clg_index_within(const clg_tensor *index, int64_t low, int64_t high, const char *op);

/* y[.., j, ..] = x[.., index[.., j, ..], ..], index of x's shape but for `dim`; recorded. An op result, as is that
 * below. */
clg_tensor *clg_gather_along(clg_tensor *x, clg_tensor *index, int dim);
/* Its adjoint: g and index of one shape, summed into zeros of the shape. */
clg_tensor *clg_scatter_along(clg_tensor *g, clg_tensor *index, int dim, const clg_input_shape *shape);

/* On a CPU, a launch of a kernel of index_add.cl by lists of which indices are alike. */
typedef struct clg_listed {
  clg_block *lists;
  clg_args args;
  size_t pieces;
} clg_listed;
/* Lists the indices in [0,n) but for `skip` (-1: none), each with `inner` elements of g, and begins the arguments: g,
 * lists, to, and the sizes that all such kernels take. The kernel's others are added to l->args, if it has any. */
clg_status clg_listed_begin(clg_listed *l, const clg_tensor *index, int64_t n, int64_t inner, int skip,
                            const clg_tensor *g, const clg_tensor *to, const char *op);
/* `outer` times over the lists, which then go. */
clg_status clg_listed_launch(clg_listed *l, clg_context *ctx, const char *kernel, int64_t outer, const char *op);

#endif
