/* Normalisation by recorded ops. The result does not depend on the point that x is measured from, nor on the unit, so
 * both are constants: with the saved mean little cancels, and with the saved 1/std no square leaves the range of
 * a float. */
#include "ops/norm/normalise.h"
#include "ops/dims.h"
#include "ops/formula.h"
#include <clgrad/ops.h>

/* x - its mean, in units of the deviation. */
static clg_tensor *centred(clg_tensor *x, clg_tensor *mean, clg_tensor *inverse, const int *dims, int count) {
  clg_scope *scope = clg_scope_open(x->ctx);
  clg_tensor *d = mean && inverse ? clg_row_apply(CLG_ROW_MEASURED, (clg_tensor *[]){x, mean, inverse}, NULL) : NULL;
  return clg_scope_close_with(scope, d ? clg_sub(d, clg_mean(d, dims, count, true)) : NULL);
}

clg_tensor *clg_normalise(clg_tensor *x, clg_tensor *mean, clg_tensor *inverse, const int *dims, int count, float eps,
                          clg_tensor **rstd) {
  clg_tensor *d = centred(x, mean, inverse, dims, count),
             *variance = d ? clg_mean(clg_square(d), dims, count, true) : NULL;
  clg_tensor *root = variance ? clg_row_apply(CLG_ROW_RSTD, (clg_tensor *[]){variance, inverse}, &eps) : NULL;
  *rstd = root ? clg_mul(root, inverse) : NULL;
  return *rstd ? clg_mul(d, root) : NULL;
}

clg_tensor *clg_norm_affine(clg_tensor *xhat, clg_tensor *gamma, clg_tensor *beta) {
  clg_tensor *y = xhat && gamma ? clg_mul(xhat, clg_over_dim(gamma, xhat, 1)) : xhat;
  return y && beta ? clg_add(y, clg_over_dim(beta, y, 1)) : y;
}

clg_tensor *clg_normalised_gradient(clg_tensor *h, clg_tensor *xhat, clg_tensor *rstd, const int *dims, int count) {
  clg_tensor *along = clg_mul(xhat, clg_mean(clg_mul(h, xhat), dims, count, true));
  return clg_mul(rstd, clg_sub(clg_sub(h, clg_mean(h, dims, count, true)), along));
}
