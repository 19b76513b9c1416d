/* Maxima and minima along one dimension, with where they are. The whole gradient goes there. */
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/index/indexing.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

typedef struct extreme_attrs {
  int dim;
  bool keepdim, least, index_first; /* out[0] is the index, and out[1] the value */
} extreme_attrs;

enum { OUT_INDEX = 1 };

static bool shapes(clg_op_call *c, clg_shape *out) {
  extreme_attrs *a = c->attrs;
  const clg_tensor *x = c->in[0];
  a->dim = clg_dim_of(c->ctx, a->dim, x->ndim, c->op->name);
  if (a->dim < 0) return false;
  if (!x->shape[a->dim])
    return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name, "the extreme of no elements does not exist");
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if (d != a->dim || a->keepdim) out->dim[out->ndim++] = d == a->dim ? 1 : x->shape[d];
  out[1] = out[0];
  out[a->index_first ? 0 : OUT_INDEX].dtype = CLG_I32;
  return true;
}

/* How much of the result is an item of a CPU: as many rows as have some thousands of elements, or a stripe of columns.
 */
static int64_t step_of(const clg_axis *s) {
  enum { ITEM = 4096, STRIPE = 128 };
  if (s->inner > 1) return STRIPE;
  return s->n < ITEM ? ITEM / s->n : 1;
}

static clg_status forward(clg_op_call *c) {
  const extreme_attrs *a = c->attrs;
  clg_tensor *x = c->in[0], *y = c->out[a->index_first], *index = c->out[!a->index_first];
  if (!y->numel) return CLG_OK;
  const clg_axis s = clg_axis_of(x->ndim, x->shape, a->dim);
  const int64_t step = step_of(&s);
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){x, y, index}, 3, y);
  clg_args_sizes(&args, (int64_t[]){s.n, s.inner, y->numel, step}, 4);
  clg_args_u32(&args, a->least ? INDEX_LEAST : 0);
  clg_kernel *k = clg_kernel_get(c->ctx, "index.cl", NULL, "index_extreme");
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, y->numel, step);
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const extreme_attrs *a = c->attrs;
  const clg_input_shape *x = clg_op_input(c, 0);
  int64_t kept[CLG_MAX_DIMS];
  for (int k = 0; k < x->ndim; k++) kept[k] = k == a->dim ? 1 : x->dim[k];
  d[0] =
      clg_scatter_along(clg_reshape(c->grad, x->ndim, kept), clg_reshape(c->out[OUT_INDEX], x->ndim, kept), a->dim, x);
}

#define EXTREME .attrs = sizeof(extreme_attrs), .shapes = shapes, .forward = forward
#define VALUE   EXTREME, .reads = CLG_OUT(OUT_INDEX), .compose = compose
static const clg_op max_op = {.name = "max", VALUE}, min_op = {.name = "min", VALUE},
                    argmax_op = {.name = "argmax", .traits = CLG_OP_CONSTANT, EXTREME},
                    argmin_op = {.name = "argmin", .traits = CLG_OP_CONSTANT, EXTREME};

static clg_tensor *extreme(const clg_op *op, clg_tensor *x, extreme_attrs a, clg_tensor **indices) {
  clg_tensor *out[2] = {NULL, NULL};
  clg_op_run_all(op, &x, 1, &a, out, indices ? 2 : 1);
  if (indices) *indices = out[OUT_INDEX];
  return out[0];
}

clg_tensor *clg_max(clg_tensor *x, int dim, bool keepdim, clg_tensor **indices) {
  return extreme(&max_op, x, (extreme_attrs){.dim = dim, .keepdim = keepdim}, indices);
}
clg_tensor *clg_min(clg_tensor *x, int dim, bool keepdim, clg_tensor **indices) {
  return extreme(&min_op, x, (extreme_attrs){.dim = dim, .keepdim = keepdim, .least = true}, indices);
}
clg_tensor *clg_argmax(clg_tensor *x, int dim, bool keepdim) {
  return extreme(&argmax_op, x, (extreme_attrs){.dim = dim, .keepdim = keepdim, .index_first = true}, NULL);
}
clg_tensor *clg_argmin(clg_tensor *x, int dim, bool keepdim) {
  const extreme_attrs a = {.dim = dim, .keepdim = keepdim, .least = true, .index_first = true};
  return extreme(&argmin_op, x, a, NULL);
}
