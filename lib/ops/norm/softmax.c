/* Softmax and log softmax along a dimension. Both save their result alone. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/op.h"
#include "tensor/args.h"
#include <clgrad/ops.h>

typedef struct softmax_attrs {
  int dim;
  bool logs;
} softmax_attrs;

/* kernel[0] for rows, [1] for short ones on a CPU, [2] for columns, over contiguous tensors list[0..count). */
static clg_status launch(const clg_op_call *c, const char *const kernel[3], clg_tensor *const *list, int count,
                         uint32_t flags) {
  const softmax_attrs *a = c->attrs;
  clg_tensor *x = list[0];
  if (!x->numel) return CLG_OK;
  const clg_axis s = clg_axis_of(x->ndim, x->shape, a->dim);
  const bool rows = s.inner == 1;
  clg_args args;
  args.n = 0;
  for (int i = 0; i < count; i++) clg_args_tensor(&args, list[i]);
  clg_args_sizes(&args, (int64_t[]){s.n, rows ? s.outer : s.inner}, 2);
  clg_args_u32(&args, flags | (a->logs ? SOFTMAX_LOG : 0));
  const bool cpu = c->ctx->shape == CLG_SHAPE_CPU, side_by_side = cpu && s.n <= LANES;
  clg_kernel *k = clg_kernel_get(c->ctx, "softmax.cl", NULL, kernel[rows ? side_by_side : 2]);
  const size_t outer = (size_t)s.outer, in_item = NORM_ROW_WORK / (size_t)s.n;
  size_t share = cpu && in_item ? in_item : 1;
  if (side_by_side) share = SOFTMAX_SHORT;
  if (rows) return clg_launch_groups(c->ctx, k, c->op->name, &args, (size_t[3]){CLG_CEIL_DIV(outer, share), 1, 1});
  const size_t stripes = CLG_CEIL_DIV((size_t)s.inner, cpu ? SOFTMAX_STRIPE : 1), one[3] = {1, 1, 1};
  return clg_launch(c->ctx, k, c->op->name, &args, (size_t[3]){stripes, outer, 1}, cpu ? one : NULL);
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  softmax_attrs *a = c->attrs;
  (void)out;
  return (a->dim = clg_dim_of(c->ctx, a->dim, c->in[0]->ndim, c->op->name)) >= 0;
}

static clg_status forward(clg_op_call *c) {
  static const char *const kernel[] = {"softmax_rows", "softmax_short", "softmax_columns"};
  return launch(c, kernel, (clg_tensor *[]){c->in[0], c->out[0]}, 2, 0);
}

static clg_status backward(clg_op_call *c) {
  static const char *const kernel[] = {"softmax_rows_backward", "softmax_short_backward", "softmax_columns_backward"};
  return launch(c, kernel, (clg_tensor *[]){c->grad, c->out[0], c->to[0].t}, 3, c->to[0].add ? SOFTMAX_ADD : 0);
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const softmax_attrs *a = c->attrs;
  clg_tensor *y = c->out[0], *g = c->grad;
  const int dims[] = {a->dim};
  d[0] = a->logs ? clg_sub(g, clg_mul(clg_exp(y), clg_sum(g, dims, 1, true)))
                 : clg_mul(y, clg_sub(g, clg_sum(clg_mul(g, y), dims, 1, true)));
}

#define SOFTMAX_OP                                                                                                     \
  .attrs = sizeof(softmax_attrs), .shapes = shapes, .forward = forward, .reads = CLG_OUT(0), .backward = backward,     \
  .compose = compose
static const clg_op softmax_op = {.name = "softmax", SOFTMAX_OP}, log_softmax_op = {.name = "log_softmax", SOFTMAX_OP};

clg_tensor *clg_softmax(clg_tensor *x, int dim) { return clg_op_run(&softmax_op, &x, 1, &(softmax_attrs){dim, false}); }
clg_tensor *clg_log_softmax(clg_tensor *x, int dim) {
  return clg_op_run(&log_softmax_op, &x, 1, &(softmax_attrs){dim, true});
}
