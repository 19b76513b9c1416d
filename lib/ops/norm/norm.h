/* What clipping takes of norms. */
#ifndef CLG_OPS_NORM_NORM_H
#define CLG_OPS_NORM_NORM_H

#include "tensor/tensor.h"

/* The Euclidean norm of all of x and `part` times it, which may be finite where the norm is not: [2]. An op result, not
 * recorded. */
clg_tensor *clg_norm_and_part(clg_tensor *x, float part);

#endif
