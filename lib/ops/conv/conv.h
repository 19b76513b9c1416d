/* Convolutions over images, one kernel for each of the three that the other two determine (conv.cl, conv_tile.cl):
 *
 *   y[n,o,q] = sum over c, k of x[n,c, q*stride - padding + k*dilation] w[o,c,k]      fprop
 *   x[n,c,i] = sum over o, k, q of y[n,o,q] w[o,c,k] where q*stride - padding + k*dilation = i      dgrad
 *   w[o,c,k] = sum over n, q of y[n,o,q] x[n,c, q*stride - padding + k*dilation]      wgrad
 *
 * x [N,C,H,W], w [O,C/groups,kh,kw], y [N,O,OH,OW], contiguous; channels o and c are of the same group. A
 * transposed convolution is dgrad. Each is the gradient of another: bilinear maps, closed under differentiation.
 */
#ifndef CLG_OPS_CONV_CONV_H
#define CLG_OPS_CONV_CONV_H

#include "device/launch.h"
#include <clgrad/tuning.h>

/* Sizes of the three, all positive but the batch; [0] is y, [1] is x. */
typedef struct clg_conv_shape {
  int batch, groups, c, o; /* all channels, not those of a group */
  int in[2], out[2];       /* H, W and OH, OW */
  int kernel[2], stride[2], padding[2], dilation[2];
} clg_conv_shape;

typedef struct clg_conv_call {
  clg_context *ctx;
  const char *op; /* that errors name */
  const clg_conv_shape *shape;
  clg_conv_operand output; /* which one is computed: at[output] */
  clg_at at[CLG_CONV_OPERANDS];
  clg_at bias;          /* one number a channel of x or y; block NULL: none. Not for w */
  bool accumulate;      /* adds to what is there */
  const char *epilogue; /* as in product.h; not for w */
  float numbers[2];
} clg_conv_call;

/* Queues it. Workspace (packed weights, partial sums) depends on the shapes, the shape of the device and the context's
 * table of choices (clgrad/tuning.h) alone; where it is a product, as product.h says. Errors are those of clg_launch and
 * clg_block_alloc, raised on the context. */
clg_status clg_conv_run(const clg_conv_call *call);

/* The choice of the context's table: conv_choice.c. */
clg_conv_kernel clg_conv_wanted(const clg_conv_call *call);

/* ---- conv_product.c: convolutions that are matrix products ---- */

/* The kernel covers the image: one product. */
bool clg_conv_is_product(const clg_conv_call *call);
clg_status clg_conv_run_product(const clg_conv_call *call);
/* The kernel is one pixel that goes over all of them: a product an image. */
bool clg_conv_is_pixelwise(const clg_conv_shape *shape);
clg_status clg_conv_run_pixelwise(const clg_conv_call *call);

#endif
