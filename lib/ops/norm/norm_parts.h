/* What norms whose gains and offsets lie along x's channels or columns have in common: x, gamma and beta are inputs 0
 * to 2, their gradients' flags (kernel/constants.h) and the sums of parts of a batch. */
#ifndef CLG_OPS_NORM_NORM_PARTS_H
#define CLG_OPS_NORM_NORM_PARTS_H

#include "device/launch.h"
#include "ops/op.h"

/* Which gradients are wanted, and which of them are added to what is there. */
uint32_t clg_norm_wanted(const clg_op_call *c);
/* The gradients of gamma and beta [n], as `flags` say, from sums [parts,n] of each. */
clg_status clg_norm_parts(const clg_op_call *c, const clg_at sums[2], uint32_t parts, uint32_t n, uint32_t flags);

#endif
