/* Recomputation: the result of elementwise nodes as an expression over tensors that the graph keeps anyway, so that a
 * saved tensor can be kept as its formula and made again when backward unpacks it (rematerialisation). */
#ifndef CLG_GRAPH_RECOMPUTE_H
#define CLG_GRAPH_RECOMPUTE_H

#include "graph/graph.h"

enum { CLG_RECOMPUTE_BASES = 8, CLG_RECOMPUTE_NUMBERS = 12, CLG_RECOMPUTE_OPS = 8 };

struct clg_recompute {
  clg_context *ctx;
  int ndim; /* of the result, -1: not known yet */
  int64_t shape[CLG_MAX_DIMS];
  int n_bases, n_numbers, n_ops;
  const clg_saved *base[CLG_RECOMPUTE_BASES]; /* what it reads; strides in the result's shape */
  int64_t stride[CLG_RECOMPUTE_BASES][CLG_MAX_DIMS];
  float number[CLG_RECOMPUTE_NUMBERS];
};

/* ---- for the classes' formulas; 0 and false: the formula can't be written ---- */

/* The shape of the node's result; false if another is wanted. */
bool clg_recompute_shape(clg_recompute *r, int ndim, const int64_t *shape);
/* A saved tensor, broadcast to the result; or by strides of the caller's (in the result's shape). */
clg_expr clg_recompute_base(clg_recompute *r, const clg_saved *s, const int64_t *stride);
clg_expr clg_recompute_number(clg_recompute *r, float value);
/* Input i: as it was saved, or by its producer's formula. */
clg_expr clg_recompute_input(clg_recompute *r, clg_node *n, int i);

/* ---- for the nodes ---- */

/* Whether formulas are kept now: with saved-tensor hooks the hooks see the tensors instead. */
bool clg_recomputes(clg_context *ctx);
/* The node whose formula gives the tensor that n is about to save (input `source` or its own result), or NULL. */
clg_node *clg_recomputed_by(clg_node *n, int source);
/* A tensor that was kept as a formula (a new reference), or NULL with the error set. */
clg_tensor *clg_recomputed(clg_node *n, const clg_saved *s);
/* One of n's own slots is made again by n. */
bool clg_recomputes_itself(const clg_node *n);

#endif
