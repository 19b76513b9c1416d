/* Upsampling by repetition: a broadcast view, copied. Its gradient is the sum over the copies. */
#include "graph/graph.h"
#include <clgrad/ops.h>
#include <string.h>

clg_tensor *clg_upsample(clg_tensor *x, int scale_h, int scale_w) {
  if (!clg_inputs_ok(&x, 1, "upsample")) return NULL;
  if (x->ndim < 2) {
    char text[CLG_SHAPE_TEXT];
    return clg_fail_object(x->ctx, CLG_ERR_SHAPE, "upsample", "x %s: want [..,H,W]", clg_tensor_text(x, text));
  }
  if (scale_h < 1 || scale_w < 1)
    return clg_fail_object(x->ctx, CLG_ERR_ARGUMENT, "upsample", "scales %d and %d: each must be 1 or more", scale_h,
                           scale_w);
  int64_t h = x->shape[x->ndim - 2], w = x->shape[x->ndim - 1], planes = h && w ? x->numel / (h * w) : 0;
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim - 2] *= scale_h;
  shape[x->ndim - 1] *= scale_w;
  if (clg_shape_numel(x->ctx, x->ndim, shape, "upsample") < 0) return NULL;
  clg_scope *scope = clg_scope_open(x->ctx);
  clg_tensor *apart = clg_reshape(x, 5, (int64_t[]){planes, h, 1, w, 1});
  clg_tensor *wide = apart ? clg_expand(apart, 5, (int64_t[]){planes, h, scale_h, w, scale_w}) : NULL;
  return clg_scope_close_with(scope, clg_reshape(wide, x->ndim, shape));
}
