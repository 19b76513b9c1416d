/* How the kernels of convolutions cut their work: by shapes alone, so that the order of sums is theirs too. */
#ifndef CLG_OPS_CONV_CONV_PLAN_H
#define CLG_OPS_CONV_CONV_PLAN_H

#include "ops/conv/conv.h"

/* What conv_shape.clh's `conv` has, in its order, of what a kernel reads and writes: fprop from x to y, dgrad from y to
 * x, wgrad as fprop. Pairs are rows and columns. */
typedef struct clg_conv_plan {
  int32_t in_ch, out_ch, in[2], out[2], q[2];
  int32_t in_s[2], out_s[2], k[2], pad[2];
  int32_t dil[2], rows, cols, chunk, per, batch, groups;
  int32_t min[2], patch[2], blocks[2], images, panel;
} clg_conv_plan;
_Static_assert(sizeof(clg_conv_plan) == 4 * 8 * sizeof(int32_t), "four int8");

/* The kernel of a shape, and its plan: that of any device (tile), or one of a CPU's, for a pair of panels of output
 * channels or for few of them. The wanted one if it can, else by the fixed choice. */
clg_conv_kernel clg_conv_plan_gather(clg_conv_plan *p, const clg_conv_shape *shape, bool dgrad, bool cpu,
                                     clg_conv_kernel wanted);
clg_conv_kernel clg_conv_plan_wgrad(clg_conv_plan *p, const clg_conv_shape *shape, bool cpu, clg_conv_kernel wanted);
/* Blocks of results of all images. */
int64_t clg_conv_plan_blocks(const clg_conv_plan *p);
/* How many chunks the sum over batch and positions is cut into; p->per: blocks of positions, positions or images of
 * each. */
int clg_conv_plan_split(clg_conv_plan *p, clg_conv_kernel kernel);

#endif
