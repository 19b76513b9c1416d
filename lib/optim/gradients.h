/* Gradients of a list of parameters, as what runs before an optimizer's step takes them. Private to this room. */
#ifndef CLG_OPTIM_GRADIENTS_H
#define CLG_OPTIM_GRADIENTS_H

#include "graph/graph.h"

/* p's gradient, which it has, such that it may be changed in place: another than p's own allocation may be seen by a
 * graph or by another parameter, and is replaced by a copy. NULL with the error set. */
clg_tensor *clg_own_gradient(clg_tensor *p, const char *op);
/* The same of a list, NULL where there is none; the caller frees the list. NULL with the error set. */
clg_tensor **clg_own_gradients(clg_context *ctx, clg_tensor *const *params, size_t n, const char *op);

#endif
