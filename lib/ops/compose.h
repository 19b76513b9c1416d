/* Ops made of other ops: small helpers for forwards and backwards that call the public ones. Under create_graph such a
 * backward is recorded, otherwise it just runs, so one text serves both. */
#ifndef CLG_OPS_COMPOSE_H
#define CLG_OPS_COMPOSE_H

#include "graph/graph.h"

/* Hands `input` of n the op result g (NULL: the error is set), and closes the scope that it was made in. */
static inline clg_status clg_give_result(clg_node *n, int input, clg_scope *scope, clg_tensor *g) {
  clg_status s = clg_edge_give(n, input, clg_tensor_ref(g));
  clg_scope_close(scope);
  return s;
}

/* A bit mask of dims[0..n), all for n = 0. False with the error set. */
bool clg_dims_mask(clg_tensor *x, const int *dims, int n, uint32_t *mask, const char *op);
/* The dimensions in a mask as a list; returns how many. */
int clg_mask_dims(const clg_tensor *x, uint32_t mask, int *dims);
/* How many elements each range along them has. */
int64_t clg_mask_numel(const clg_tensor *x, uint32_t mask);

/* The Euclidean norm of all of x and `part` times it, which may be finite where the norm is not: [2]. An op result, not
 * recorded. */
clg_tensor *clg_norm_and_part(clg_tensor *x, float part);

#endif
