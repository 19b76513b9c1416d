/* The same elements in another order along dimensions: flip, which is its own adjoint, and roll, whose adjoint rolls
 * back. */
#include "ops/dims.h"
#include "ops/op.h"
#include <clgrad/ops.h>
#include <string.h>

typedef struct flip_attrs {
  uint32_t dims;
} flip_attrs;

static bool shapes(clg_op_call *c, clg_shape *out) {
  out->dtype = c->in[0]->storage->dtype;
  return true;
}

/* A copy of a view that runs backwards. */
static clg_status forward(clg_op_call *c) {
  const flip_attrs *a = c->attrs;
  const clg_tensor *x = c->in[0];
  if (!x->numel) return CLG_OK;
  int64_t stride[CLG_MAX_DIMS], first = 0;
  memcpy(stride, x->stride, sizeof stride);
  for (int d = 0; d < x->ndim; d++) {
    if (!(a->dims >> d & 1)) continue;
    first += (x->shape[d] - 1) * stride[d];
    stride[d] = -stride[d];
  }
  clg_tensor *view = clg_tensor_view(x->storage, x->offset + (size_t)first, x->ndim, x->shape, stride);
  clg_status s = view ? clg_tensor_assign(c->out[0], view, "flip") : clg_last_status(c->ctx);
  clg_tensor_unref(&view);
  return s;
}

static void compose(clg_op_call *c, clg_tensor **d);

static const clg_op flip_op = {.name = "flip",
                               .attrs = sizeof(flip_attrs),
                               .traits = CLG_OP_STRIDED | CLG_OP_ANY_TYPE,
                               .shapes = shapes,
                               .forward = forward,
                               .compose = compose};

static void compose(clg_op_call *c, clg_tensor **d) { d[0] = clg_op_run(&flip_op, &c->grad, 1, c->attrs); }

clg_tensor *clg_flip(clg_tensor *x, const int *dims, int n) {
  flip_attrs a = {0};
  if (!clg_inputs_here(&x, 1, "flip") || (n && !clg_dims_mask(x, dims, n, &a.dims, "flip"))) return NULL;
  return clg_op_run(&flip_op, &x, 1, &a);
}

/* ---- roll ---- */

typedef struct roll_attrs {
  int dim;
  int64_t by; /* less than the dimension's size, or 0 */
} roll_attrs;

/* The two parts joined, not recorded: their gradients would be put into zeros one by one. */
static clg_status roll_forward(clg_op_call *c) {
  const roll_attrs *a = c->attrs;
  clg_tensor *x = c->in[0];
  const int64_t rest = x->shape[a->dim] - a->by;
  clg_scope *scope = clg_scope_open(c->ctx);
  bool mode = clg_set_grad_mode(c->ctx, false);
  clg_tensor *const parts[] = {clg_narrow(x, a->dim, rest, a->by), clg_narrow(x, a->dim, 0, rest)};
  c->out[0] = clg_tensor_ref(clg_cat(parts, 2, a->dim));
  clg_set_grad_mode(c->ctx, mode);
  clg_scope_close(scope);
  return c->out[0] ? CLG_OK : clg_last_status(c->ctx);
}

static clg_tensor *roll_one(clg_tensor *x, int64_t shift, int dim);
static void roll_compose(clg_op_call *c, clg_tensor **d) {
  const roll_attrs *a = c->attrs;
  d[0] = roll_one(c->grad, -a->by, a->dim);
}

static const clg_op roll_op = {.name = "roll",
                               .attrs = sizeof(roll_attrs),
                               .traits = CLG_OP_STRIDED | CLG_OP_ANY_TYPE | CLG_OP_MAKES | CLG_OP_NO_PLACES,
                               .forward = roll_forward,
                               .compose = roll_compose};

static clg_tensor *roll_one(clg_tensor *x, int64_t shift, int dim) {
  int d = x ? clg_dim_of(x->ctx, dim, x->ndim, "roll") : -1;
  if (d < 0) return NULL;
  int64_t size = x->shape[d];
  roll_attrs a = {d, size ? shift % size : 0};
  if (a.by < 0) a.by += size;
  return clg_op_run(&roll_op, &x, 1, &a);
}

clg_tensor *clg_roll(clg_tensor *x, const int64_t *shifts, const int *dims, int n) {
  if (!clg_inputs_here(&x, 1, "roll")) return NULL;
  if (n < 0 || !shifts || (n && !dims))
    return clg_fail_object(x->ctx, CLG_ERR_ARGUMENT, "roll", "%d dimensions are no list of them with a shift each", n);
  clg_scope *scope = clg_scope_open(x->ctx);
  clg_tensor *y = x;
  if (!n) y = clg_reshape(roll_one(clg_reshape(x, 1, (int64_t[]){x->numel}), shifts[0], 0), x->ndim, x->shape);
  for (int i = 0; i < n; i++) y = roll_one(y, shifts[i], dims[i]);
  return clg_scope_close_with(scope, y);
}
