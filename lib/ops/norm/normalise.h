/* Normalisation by recorded ops, for gradients of the gradients of layer and batch norm. */
#ifndef CLG_OPS_NORMALISE_H
#define CLG_OPS_NORMALISE_H

#include "graph/graph.h"

/* (x - mean)/sqrt(var + eps) over dims[0..count), and *rstd = 1/sqrt(var + eps): op results in the scope that is open,
 * NULL with the error set. `mean` and `inverse` are the saved mean and 1/std, which broadcast to x. */
clg_tensor *clg_normalise(clg_tensor *x, clg_tensor *mean, clg_tensor *inverse, const int *dims, int count, float eps,
                          clg_tensor **rstd);

#endif
