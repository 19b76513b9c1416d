/* Upsampling by repetition, and its adjoint, the sums over what repeats: each other's gradients, as ops. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/op.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

enum { UP, DOWN, KINDS };
static const clg_op upsample_op[KINDS];
static int kind_of(const clg_op_call *c) { return (int)(c->op - upsample_op); }

typedef struct upsample_attrs {
  int scale[2];
  bool known;
  int ndim; /* of x [..,H,W] */
  int64_t small[CLG_MAX_DIMS], large[CLG_MAX_DIMS];
} upsample_attrs;

static bool complete(const clg_op_call *c, upsample_attrs *a) {
  const clg_tensor *x = c->in[0];
  if (x->ndim < 2) {
    char text[CLG_SHAPE_TEXT];
    return clg_refuse(c->ctx, CLG_ERR_SHAPE, "upsample", "x %s: want [..,H,W]", clg_tensor_text(x, text));
  }
  if (a->scale[0] < 1 || a->scale[1] < 1)
    return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, "upsample", "scales %d and %d: each must be 1 or more", a->scale[0],
                      a->scale[1]);
  a->ndim = x->ndim;
  memcpy(a->small, x->shape, sizeof a->small);
  memcpy(a->large, x->shape, sizeof a->large);
  for (int i = 0; i < 2; i++) a->large[a->ndim - 2 + i] *= a->scale[i];
  return a->known = clg_shape_numel(c->ctx, a->ndim, a->large, "upsample") >= 0;
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  upsample_attrs *a = c->attrs;
  if (!a->known && !complete(c, a)) return false;
  out->ndim = a->ndim;
  memcpy(out->dim, kind_of(c) == UP ? a->large : a->small, sizeof out->dim);
  return true;
}

/* ---- kernels ---- */

/* Where a CPU's kernels are the ones: sums are short. */
enum { MOST_TERMS = 128, ITEM = 4096 };
static bool has_kernel(const clg_op_call *c, const upsample_attrs *a) {
  return c->ctx->shape == CLG_SHAPE_CPU && (int64_t)a->scale[0] * a->scale[1] < MOST_TERMS;
}

/* An item has `step` rows of `to`; upsample_sum also takes whether it adds. */
static clg_status run_kernel(const clg_op_call *c, const upsample_attrs *a, bool sums, const clg_tensor *from,
                             const clg_tensor *to, bool add) {
  const int64_t width = a->small[a->ndim - 1], rows = to->numel / to->shape[a->ndim - 1];
  const int64_t each = sums ? width * a->scale[0] * a->scale[1] : width * a->scale[1], step = CLG_CEIL_DIV(ITEM, each);
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){from, to}, 2, to);
  clg_args_sizes(&args, (int64_t[]){width, a->scale[0], a->scale[1], rows, step}, 5);
  if (sums) clg_args_u32(&args, add);
  clg_kernel *k = clg_kernel_get(c->ctx, "upsample.cl", NULL, sums ? "upsample_sum" : "upsample_repeat");
  return clg_launch_groups(c->ctx, k, c->op->name, &args, (size_t[3]){(size_t)CLG_CEIL_DIV(rows, step), 1, 1});
}

/* Planes as [planes,H,SY,W,SX]: the large ones t, or the small ones, whose elements repeat. */
static clg_tensor *apart_large(const upsample_attrs *a, const clg_tensor *t) {
  const int64_t h = a->small[a->ndim - 2], w = a->small[a->ndim - 1], sy = a->scale[0], sx = a->scale[1];
  return clg_tensor_view(t->storage, t->offset, 5, (int64_t[]){t->numel / (h * sy * w * sx), h, sy, w, sx}, NULL);
}
static clg_tensor *apart_small(const upsample_attrs *a, const clg_tensor *t) {
  const int64_t h = a->small[a->ndim - 2], w = a->small[a->ndim - 1];
  return clg_tensor_view(t->storage, t->offset, 5, (int64_t[]){t->numel / (h * w), h, a->scale[0], w, a->scale[1]},
                         (int64_t[]){h * w, w, 0, 1, 0});
}

static clg_status repeat(const clg_op_call *c, const upsample_attrs *a, clg_tensor *x, clg_tensor *y) {
  if (!y->numel) return CLG_OK;
  if (has_kernel(c, a)) return run_kernel(c, a, false, x, y, false);
  clg_tensor *from = apart_small(a, x), *to = apart_large(a, y);
  const clg_tensor *in[] = {from};
  clg_status s = from && to ? clg_map_run(clg_maps_of(c->ctx, CLG_MAP_COPY), &to, in, NULL, false, c->op->name)
                            : clg_last_status(c->ctx);
  clg_tensor_unref(&from);
  clg_tensor_unref(&to);
  return s;
}

static clg_status sum(const clg_op_call *c, const upsample_attrs *a, clg_tensor *g, clg_tensor *dx, bool add) {
  if (!dx->numel) return CLG_OK;
  if (has_kernel(c, a)) return run_kernel(c, a, true, g, dx, add);
  clg_tensor *from = apart_large(a, g);
  const clg_tensor *in[] = {from};
  if (!from) return clg_last_status(c->ctx);
  clg_status s = clg_map_reduce(clg_maps_of(c->ctx, CLG_MAP_COPY), CLG_REDUCE_SUM, dx, in, NULL, 5, from->shape,
                                1 << 2 | 1 << 4, add, c->op->name);
  clg_tensor_unref(&from);
  return s;
}

/* ---- the ops ---- */

static clg_status forward(clg_op_call *c) {
  return kind_of(c) == UP ? repeat(c, c->attrs, c->in[0], c->out[0]) : sum(c, c->attrs, c->in[0], c->out[0], false);
}

static clg_status up_backward(clg_op_call *c) { return sum(c, c->attrs, c->grad, c->to[0].t, c->to[0].add); }

static void compose(clg_op_call *c, clg_tensor **d) {
  d[0] = clg_op_run(&upsample_op[kind_of(c) == UP ? DOWN : UP], &c->grad, 1, c->attrs);
}

#define UPSAMPLE_OP                                                                                                    \
  .name = "upsample", .attrs = sizeof(upsample_attrs), .shapes = shapes, .forward = forward, .compose = compose
static const clg_op upsample_op[KINDS] = {[UP] = {UPSAMPLE_OP, .backward = up_backward}, [DOWN] = {UPSAMPLE_OP}};

clg_tensor *clg_upsample(clg_tensor *x, int scale_h, int scale_w) {
  return clg_op_run(&upsample_op[UP], &x, 1, &(upsample_attrs){.scale = {scale_h, scale_w}});
}
