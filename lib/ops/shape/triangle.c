/* The lower and the upper triangle of matrices. Each is its own adjoint. */
#include "kernel/constants.h"
#include "ops/index/indexing.h"
#include "tensor/args.h"
#include <clgrad/ops.h>

typedef struct triangle_attrs {
  int64_t diagonal;
} triangle_attrs;

static bool shapes(clg_op_call *c, clg_shape *out) {
  const clg_tensor *x = c->in[0];
  out->dtype = x->storage->dtype;
  if (x->ndim >= 2) return true;
  char text[CLG_SHAPE_TEXT];
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name, "x %s: want [..,R,C]", clg_tensor_text(x, text));
}

/* A diagonal beyond all corners is one at a corner. */
static int32_t clamped(int64_t diagonal) {
  if (diagonal < -INT32_MAX) return -INT32_MAX;
  return diagonal > INT32_MAX ? INT32_MAX : (int32_t)diagonal;
}

static clg_status run(clg_op_call *c, bool upper) {
  const triangle_attrs *a = c->attrs;
  clg_tensor *x = c->in[0], *y = c->out[0];
  if (!y->numel) return CLG_OK;
  clg_args args;
  args.n = 0;
  clg_args_tensor(&args, x);
  clg_args_tensor(&args, y);
  clg_args_sizes(&args, x->shape + x->ndim - 2, 2);
  clg_args_u32(&args, (uint32_t)y->numel);
  clg_args_i32(&args, clamped(a->diagonal));
  clg_args_u32(&args, upper);
  clg_kernel *k = clg_kernel_get(c->ctx, "elements.cl", NULL, "element_triangle");
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, y->numel, INDEX_PIECE);
}
static clg_status lower(clg_op_call *c) { return run(c, false); }
static clg_status upper(clg_op_call *c) { return run(c, true); }

static void compose_lower(clg_op_call *c, clg_tensor **d) {
  d[0] = clg_tril(c->grad, ((const triangle_attrs *)c->attrs)->diagonal);
}
static void compose_upper(clg_op_call *c, clg_tensor **d) {
  d[0] = clg_triu(c->grad, ((const triangle_attrs *)c->attrs)->diagonal);
}

#define TRIANGLE .attrs = sizeof(triangle_attrs), .traits = CLG_OP_ANY_TYPE, .shapes = shapes
static const clg_op tril_op = {.name = "tril", .forward = lower, .compose = compose_lower, TRIANGLE},
                    triu_op = {.name = "triu", .forward = upper, .compose = compose_upper, TRIANGLE};

clg_tensor *clg_tril(clg_tensor *x, int64_t diagonal) {
  return clg_op_run(&tril_op, &x, 1, &(triangle_attrs){diagonal});
}
clg_tensor *clg_triu(clg_tensor *x, int64_t diagonal) {
  return clg_op_run(&triu_op, &x, 1, &(triangle_attrs){diagonal});
}
