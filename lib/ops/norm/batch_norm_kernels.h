/* Launches the batch norm kernels: one over whole channels, or three over parts of them where channels are few and
 * large or lie side by side. */
#ifndef CLG_OPS_NORM_BATCH_NORM_KERNELS_H
#define CLG_OPS_NORM_BATCH_NORM_KERNELS_H

#include "kernel/constants.h"
#include "tensor/tensor.h"

/* What both directions read, packed: x [N,C,..], not empty; gamma and beta [C] or NULL. `prelude` is that of the
 * activation behind it, or "". */
typedef struct clg_batch_norm_over {
  clg_tensor *x, *gamma, *beta, *mean, *rstd; /* forward writes mean and rstd [C] */
  const char *prelude;
  float numbers[2]; /* of the activation */
  uint32_t flags;   /* NORM_* of kernel/constants.h */
} clg_batch_norm_over;

/* The running statistics may be NULL; flags say whether they are read or updated. */
typedef struct clg_batch_norm_moving {
  clg_tensor *mean, *var;
  float eps, momentum;
} clg_batch_norm_moving;
clg_status clg_batch_norm_forward(const clg_batch_norm_over *o, const clg_batch_norm_moving *moving, clg_tensor *y);

/* d[i] (+)= the gradient of x, gamma, beta, as flags say. */
clg_status clg_batch_norm_backward(const clg_batch_norm_over *o, clg_tensor *g, clg_tensor *const d[3]);

#endif
