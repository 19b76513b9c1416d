/* Normalisation by recorded ops, for gradients of the gradients of norms. */
#ifndef CLG_OPS_NORMALISE_H
#define CLG_OPS_NORMALISE_H

#include "graph/graph.h"

/* (x - mean)/sqrt(var + eps) over dims[0..count), and *rstd = 1/sqrt(var + eps): op results in the scope that is open,
 * NULL with the error set. `mean` and `inverse` are the saved mean and 1/std, which broadcast to x. */
clg_tensor *clg_normalise(clg_tensor *x, clg_tensor *mean, clg_tensor *inverse, const int *dims, int count, float eps,
                          clg_tensor **rstd);
/* xhat*gamma + beta, [C] along dimension 1, or absent. */
clg_tensor *clg_norm_affine(clg_tensor *xhat, clg_tensor *gamma, clg_tensor *beta);
/* The gradient of x where h is that of the normalised xhat: rstd*(h - mean(h) - xhat*mean(h*xhat)). */
clg_tensor *clg_normalised_gradient(clg_tensor *h, clg_tensor *xhat, clg_tensor *rstd, const int *dims, int count);

#endif
