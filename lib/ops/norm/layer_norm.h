/* Layer norm as an op, for what runs its kernels alone. */
#ifndef CLG_OPS_NORM_LAYER_NORM_H
#define CLG_OPS_NORM_LAYER_NORM_H

#include "ops/fused_act.h"

/* Over x [..,n], gamma [n] and beta [n], which may be absent; with y it makes the mean and 1/std of each row. */
typedef struct clg_layer_norm_attrs {
  float eps;
  clg_fused_act act; /* behind it */
} clg_layer_norm_attrs;
extern const clg_op clg_layer_norm_op;

#endif
