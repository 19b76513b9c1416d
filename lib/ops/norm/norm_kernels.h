/* Layer norm over the last dimension: x [rows,n] -> y [rows,n], contiguous, one mean and rstd a row.
 *
 *   xhat = (x - mean(x)) * rstd     rstd = 1 / sqrt(mean((x - mean)^2) + eps)     y = xhat * gamma + beta
 *
 * gamma and beta are [n]; a NULL block stands for ones and zeros. An activation may follow: then backward makes z, the
 * gradient before it, from y and g, the gradient behind it; without one z is g. Empty tensors launch nothing. */
#ifndef CLG_OPS_NORM_NORM_KERNELS_H
#define CLG_OPS_NORM_NORM_KERNELS_H

#include "device/launch.h"

typedef struct clg_norm_act {
  const char *prelude; /* forward: clg_formula_epilogue; backward: clg_formula_gradient; NULL: there is none */
  float numbers[2];
} clg_norm_act;

typedef struct clg_norm_forward {
  clg_at x, gamma, beta; /* read */
  clg_at y, mean, rstd;  /* written; mean and rstd [rows] */
  uint32_t rows, n;
  float eps;
  clg_norm_act act;
} clg_norm_forward;
clg_status clg_layer_norm_forward(clg_context *ctx, const clg_norm_forward *f, const char *op);

/* With h = z * gamma: dx (+)= rstd * (h - mean(h) - xhat * mean(h * xhat)), dgamma (+)= sum over rows of z * xhat,
 * dbeta (+)= sum over rows of z, in one launch but for the sums of many rows. A NULL block is not computed. No rows:
 * zeros in dgamma and dbeta where nothing is accumulated. dx must not be g. */
typedef struct clg_norm_backward {
  clg_at g, x, mean, rstd, gamma, y; /* gamma for dx alone; y with an activation alone */
  clg_at dx, dgamma, dbeta;
  uint32_t rows, n;
  bool accumulate_x, accumulate_gamma, accumulate_beta;
  clg_norm_act act;
} clg_norm_backward;
clg_status clg_layer_norm_backward(clg_context *ctx, const clg_norm_backward *b, const char *op);

#endif
