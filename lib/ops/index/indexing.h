/* Reading by int32 indices, and adding back: each other's gradients. */
#ifndef CLG_OPS_INDEXING_H
#define CLG_OPS_INDEXING_H

#include "graph/graph.h"

/* Elements that an item of a CPU has, as in index.cl. */
enum { CLG_INDEX_PIECE = 1024 };

/* False, with the error set, unless both belong to one context, x is float32, index is int32, and, where that is known
 * without waiting for the device, all indices are in [low, high]. */
bool clg_index_ok(clg_tensor *x, clg_tensor *index, int64_t low, int64_t high, const char *op);
/* The same for ops that read int32 too. */
bool clg_index_fits(clg_tensor *x, clg_tensor *index, int64_t low, int64_t high, const char *op);

/* Around dimension `dim` of a tensor of this shape. */
typedef struct clg_along {
  int ndim, dim;
  int64_t shape[CLG_MAX_DIMS];
  int skip; /* rows only: the index that reads zero and adds nothing */
} clg_along;
#define CLG_SKIP_NONE (-1)
clg_along clg_along_of(const clg_tensor *x, int dim, int skip);

/* y[.., j, ..] = x[.., index[.., j, ..], ..], index of x's shape but for `dim`; recorded. Op results, as are those
 * below. */
clg_tensor *clg_gather_along(clg_tensor *x, clg_tensor *index, int dim, const char *op);
/* Its adjoint: g and index of one shape, summed into zeros of a.shape. */
clg_tensor *clg_scatter_along(clg_tensor *g, clg_tensor *index, const clg_along *a, const char *op);

#endif
