/* Inside of batch norm: the op's inputs and attributes, and its launches. */
#ifndef CLG_OPS_NORM_BATCH_NORM_H
#define CLG_OPS_NORM_BATCH_NORM_H

#include "ops/fused_act.h"
#include <clgrad/ops.h>

enum { IN_X, IN_GAMMA, IN_BETA, IN_RUNNING_MEAN, IN_RUNNING_VAR, INS, GRADS = IN_RUNNING_MEAN };
enum { OUT_Y, OUT_MEAN, OUT_RSTD };

typedef struct clg_batch_attrs {
  float eps, momentum;
  bool training, updates; /* the running statistics */
  clg_fused_act act;      /* behind it */
  clg_meeting meeting;    /* gather is NULL: x is the batch */
} clg_batch_attrs;

/* Of x that is not empty. */
clg_status clg_batch_norm_forward(clg_op_call *c);
clg_status clg_batch_norm_backward(clg_op_call *c);

#endif
