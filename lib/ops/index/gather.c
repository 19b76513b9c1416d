/* Gather, and its adjoint that adds up: an index for every element. */
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/index/indexing.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

/* The storage's range is the index's own only if it is seen whole. */
static bool seen_whole(const clg_tensor *t) {
  for (int d = 0; d < t->ndim; d++)
    if (t->shape[d] > 1 && !t->stride[d]) return false;
  return (size_t)t->numel == t->storage->numel;
}

bool clg_index_within(const clg_tensor *index, int64_t low, int64_t high, const char *op) {
  if (!clg_tensor_holds(index, CLG_I32, op)) return false;
  const clg_storage *s = index->storage;
  if (!s->ranged || (s->low >= low && s->high <= high) || !seen_whole(index)) return true;
  return clg_refuse(index->ctx, CLG_ERR_ARGUMENT, op, "index %ld is out of range: want %ld to %ld",
                    (long)(s->low < low ? s->low : s->high), (long)low, (long)high);
}

enum { IN_VALUES, IN_INDEX };

typedef struct gather_attrs {
  int dim;
} gather_attrs;
typedef struct scatter_attrs {
  int dim;
  clg_input_shape sum; /* the result */
} scatter_attrs;

/* From the values to out[0]; the indices point into `shape` along `dim`. */
static clg_status launch(const clg_op_call *c, const char *kernel, int dim, int ndim, const int64_t *shape) {
  clg_tensor *index = c->in[IN_INDEX], *to = c->out[0];
  if (!to->numel) return CLG_OK;
  const clg_axis s = clg_axis_of(ndim, shape, dim);
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){c->in[IN_VALUES], index, to}, 3, to);
  clg_args_sizes(&args, (int64_t[]){s.n, index->shape[dim], s.inner, to->numel}, 4);
  clg_kernel *k = clg_kernel_get(c->ctx, "index.cl", NULL, kernel);
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, to->numel, INDEX_PIECE);
}

/* ---- gather ---- */

static bool gather_shapes(clg_op_call *c, clg_shape *out) {
  const clg_tensor *index = c->in[IN_INDEX];
  memcpy(out->dim, index->shape, sizeof out->dim);
  return true;
}

static clg_status gather_forward(clg_op_call *c) {
  const gather_attrs *a = c->attrs;
  const clg_tensor *x = c->in[IN_VALUES];
  return launch(c, "index_gather", a->dim, x->ndim, x->shape);
}

static void gather_compose(clg_op_call *c, clg_tensor **d) {
  const gather_attrs *a = c->attrs;
  d[0] = clg_scatter_along(c->grad, c->in[IN_INDEX], a->dim, clg_op_input(c, 0));
}

static const clg_op gather_op = {.name = "gather",
                                 .attrs = sizeof(gather_attrs),
                                 .traits = CLG_OP_ANY_TYPE,
                                 .grads = IN_INDEX,
                                 .shapes = gather_shapes,
                                 .forward = gather_forward,
                                 .reads = CLG_IN(IN_INDEX),
                                 .compose = gather_compose};

clg_tensor *clg_gather_along(clg_tensor *x, clg_tensor *index, int dim) {
  return clg_op_run(&gather_op, (clg_tensor *[]){x, index}, 2, &(gather_attrs){dim});
}

/* ---- scatter ---- */

static bool scatter_shapes(clg_op_call *c, clg_shape *out) {
  const scatter_attrs *a = c->attrs;
  memcpy(out->dim, a->sum.dim, sizeof out->dim);
  return true;
}

static clg_status scatter_forward(clg_op_call *c) {
  const scatter_attrs *a = c->attrs;
  return launch(c, "index_scatter", a->dim, a->sum.ndim, a->sum.dim);
}

static void scatter_compose(clg_op_call *c, clg_tensor **d) {
  const scatter_attrs *a = c->attrs;
  d[0] = clg_gather_along(c->grad, c->in[IN_INDEX], a->dim);
}

static const clg_op scatter_op = {.name = "scatter",
                                  .attrs = sizeof(scatter_attrs),
                                  .traits = CLG_OP_ANY_TYPE,
                                  .grads = IN_INDEX,
                                  .shapes = scatter_shapes,
                                  .forward = scatter_forward,
                                  .reads = CLG_IN(IN_INDEX),
                                  .compose = scatter_compose};

clg_tensor *clg_scatter_along(clg_tensor *g, clg_tensor *index, int dim, const clg_input_shape *shape) {
  return clg_op_run(&scatter_op, (clg_tensor *[]){g, index}, 2, &(scatter_attrs){dim, *shape});
}

/* ---- the public call ---- */

/* False, with the error set, unless index lies within x but for dimension d. */
static bool lies_within(clg_tensor *x, const clg_tensor *index, int d) {
  bool fits = index->ndim == x->ndim;
  for (int k = 0; fits && k < x->ndim; k++) fits = k == d || index->shape[k] <= x->shape[k];
  if (fits) return true;
  char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
  return clg_refuse(x->ctx, CLG_ERR_SHAPE, "gather", "index %s does not lie within x %s but for dimension %d",
                    clg_tensor_text(index, a), clg_tensor_text(x, b), d);
}

clg_tensor *clg_gather(clg_tensor *x, int dim, clg_tensor *index) {
  if (!clg_inputs_here((clg_tensor *[]){x, index}, 2, "gather")) return NULL;
  int d = clg_dim_of(x->ctx, dim, x->ndim, "gather");
  if (d < 0 || !clg_tensor_holds(x, CLG_F32, "gather") || !clg_index_within(index, 0, x->shape[d] - 1, "gather") ||
      !lies_within(x, index, d))
    return NULL;
  clg_scope *scope = clg_scope_open(x->ctx);
  for (int k = 0; x && k < index->ndim; k++)
    if (k != d && index->shape[k] < x->shape[k]) x = clg_narrow(x, k, 0, index->shape[k]);
  return clg_scope_close_with(scope, x ? clg_gather_along(x, index, d) : NULL);
}
