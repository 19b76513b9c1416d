/* Norms over dimensions: a sum, and norm.cl behind it, so that a norm is finite where the squares of its elements are
 * not. */
#include "ops/norm/norm.h"
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/formula.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <math.h>

/* Ranges longer than this are a work-group's. */
enum { SHORT = 4096 };
/* A term below 2^-126 may be lost; n of them are nothing beside a sum of n times this. */
#define LEAST 0x1p-100f

typedef struct norm_attrs {
  uint32_t dims;
  float p;
  bool keepdim;
} norm_attrs;

/* The dimensions of x in a mask, or their strides, innermost first; the others are `rest`. */
static void list(clg_args *args, const clg_tensor *x, const int64_t *of, uint32_t mask, int32_t rest) {
  int32_t v[CLG_MAX_DIMS];
  int n = 0;
  for (int d = x->ndim; d-- > 0;)
    if (mask >> d & 1) v[n++] = (int32_t)of[d];
  clg_args_v8(args, v, n, rest);
}

/* y = sum^(1/p), and if part > 0 part times that behind it; x for where the sum is out of range. */
static clg_status take_root(clg_tensor *x, clg_tensor *sum, clg_tensor *y, const norm_attrs *a, float part) {
  int64_t n = clg_mask_numel(x, a->dims);
  if (!sum->numel) return CLG_OK;
  if (!n) return clg_map_run(clg_maps_of(x->ctx, CLG_MAP_FILL), &y, NULL, (float[]){0}, false, "norm");
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){x, sum, y}, 3, sum);
  list(&args, x, x->stride, ~a->dims, 0);
  list(&args, x, x->stride, a->dims, 0);
  list(&args, x, x->shape, ~a->dims, 1);
  list(&args, x, x->shape, a->dims, 1);
  clg_args_sizes(&args, (int64_t[]){sum->numel, n}, 2);
  clg_args_f32(&args, a->p);
  clg_args_f32(&args, LEAST * (float)n);
  clg_args_f32(&args, part);
  const int64_t piece = n < 64 ? NORM_RANGES : LANES; /* a range that is gone through again takes its time */
  clg_args_sizes(&args, &piece, 1);
  clg_kernel *k = clg_kernel_get(x->ctx, "norm.cl", NULL, n <= SHORT ? "norm_short" : "norm_long");
  return n <= SHORT ? clg_launch_pieces(x->ctx, k, "norm", &args, sum->numel, piece)
                    : clg_launch_groups(x->ctx, k, "norm", &args, (size_t[3]){(size_t)sum->numel, 1, 1});
}

/* The norm, not recorded; a reference. With part > 0 (and all of x) [2], part times it behind it. */
static clg_tensor *compute(clg_tensor *x, const norm_attrs *a, bool keepdim, float part) {
  int ndim = 0;
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++)
    if (keepdim || !(a->dims >> d & 1)) shape[ndim++] = a->dims >> d & 1 ? 1 : x->shape[d];
  clg_formula *f = clg_formula_row(x->ctx, a->p == 2 ? CLG_ROW_SQUARE : CLG_ROW_POWER_OF_ABS);
  clg_tensor *sum = f ? clg_tensor_new(x->ctx, ndim, shape, CLG_ROLE_WORKSPACE, "norm") : NULL;
  if (part > 0) shape[ndim++] = 2;
  clg_tensor *y = sum ? clg_tensor_new(x->ctx, ndim, shape, clg_result_role(x->ctx), "norm") : NULL;
  const clg_tensor *in[] = {x};
  clg_status s =
      y ? clg_map_reduce(f->forward, CLG_REDUCE_SUM, sum, in, &a->p, x->ndim, x->shape, a->dims, false, "norm")
        : clg_last_status(x->ctx);
  if (s == CLG_OK) s = take_root(x, sum, y, a, part);
  clg_tensor_unref(&sum);
  if (s != CLG_OK) clg_tensor_unref(&y);
  return y;
}

static clg_status forward(clg_op_call *c) {
  const norm_attrs *a = c->attrs;
  return (c->out[0] = compute(c->in[0], a, a->keepdim, 0)) ? CLG_OK : clg_last_status(c->ctx);
}

/* dx = g*sign(x)*(|x|/n)^(p - 1): each power is of a number up to 1. */
static void compose(clg_op_call *c, clg_tensor **d) {
  const norm_attrs *a = c->attrs;
  clg_tensor *x = c->in[0], *g = clg_expand_reduced(c->grad, a->dims, x->ndim, x->shape),
             *norm = clg_expand_reduced(c->out[0], a->dims, x->ndim, x->shape);
  d[0] =
      clg_row_apply(a->p == 2 ? CLG_ROW_NORM_GRADIENT : CLG_ROW_NORM_P_GRADIENT, (clg_tensor *[]){x, norm, g}, &a->p);
}

static const clg_op norm_op = {.name = "norm",
                               .attrs = sizeof(norm_attrs),
                               .traits = CLG_OP_STRIDED | CLG_OP_MAKES | CLG_OP_NO_PLACES,
                               .forward = forward,
                               .reads = CLG_IN(0) | CLG_OUT(0),
                               .compose = compose};

clg_tensor *clg_norm_and_part(clg_tensor *x, float part) {
  return clg_result(compute(x, &(norm_attrs){.dims = (1u << x->ndim) - 1, .p = 2}, false, part));
}

clg_tensor *clg_norm(clg_tensor *x, float p, const int *dims, int n, bool keepdim) {
  norm_attrs a = {.p = p};
  if (!clg_inputs_ok(&x, 1, "norm") || !clg_dims_mask(x, dims, n, &a.dims, "norm")) return NULL;
  if (!(p > 0)) return clg_fail_object(x->ctx, CLG_ERR_ARGUMENT, "norm", "the order p of a norm must be positive");
  clg_scope *scope = clg_scope_open(x->ctx);
  a.keepdim = keepdim;
  if (x->ndim == 0) {
    x = clg_reshape(x, 1, (int64_t[]){1});
    a.dims = 1, a.keepdim = false, n = 0;
  }
  clg_tensor *y;
  if (isinf(p)) {
    y = clg_amax(clg_row_apply(CLG_ROW_MAGNITUDE, &x, NULL), dims, n, a.keepdim);
  } else if (p == 1) {
    y = x ? clg_formula_apply(clg_formula_row(x->ctx, CLG_ROW_MAGNITUDE), &x, NULL, a.dims, a.keepdim) : NULL;
  } else {
    y = clg_op_run(&norm_op, &x, 1, &a);
  }
  return clg_scope_close_with(scope, y);
}
