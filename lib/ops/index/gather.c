/* Gather, and its adjoint that adds up: an index for every element. */
#include "base/ceil_div.h"
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

/* ---- gather ---- */

static bool gather_shapes(clg_op_call *c, clg_shape *out) {
  const clg_tensor *index = c->in[IN_INDEX];
  memcpy(out->dim, index->shape, sizeof out->dim);
  return true;
}

static clg_status gather_forward(clg_op_call *c) {
  const gather_attrs *a = c->attrs;
  const clg_tensor *x = c->in[IN_VALUES], *index = c->in[IN_INDEX], *y = c->out[0];
  if (!y->numel) return CLG_OK;
  const clg_axis s = clg_axis_of(x->ndim, x->shape, a->dim);
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){x, index, y}, 3, y);
  clg_args_sizes(&args, (int64_t[]){s.n, index->shape[a->dim], s.inner, y->numel}, 4);
  clg_kernel *k = clg_kernel_get(c->ctx, "index.cl", NULL, "index_gather");
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, y->numel, INDEX_PIECE);
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

/* On a CPU, a long column by lists. */
static clg_status scatter_listed(const clg_op_call *c, int64_t n) {
  clg_listed l;
  clg_status s = clg_listed_begin(&l, c->in[IN_INDEX], n, 1, -1, c->in[IN_VALUES], c->out[0], c->op->name);
  return s == CLG_OK ? clg_listed_launch(&l, c->ctx, "index_scatter_listed", 1, c->op->name) : s;
}

/* On a CPU, rows of columns that have one index each. */
static clg_status scatter_one(const clg_op_call *c, const clg_axis *s) {
  const clg_tensor *to = c->out[0];
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){c->in[IN_VALUES], c->in[IN_INDEX], to}, 3, to);
  clg_args_sizes(&args, (int64_t[]){s->n, s->inner, to->numel}, 3);
  clg_kernel *k = clg_kernel_get(c->ctx, "index_add.cl", NULL, "index_scatter_one");
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, to->numel, INDEX_PIECE);
}

/* Columns of a stripe: half as many where that holds the sums of all n rows at once. */
static int64_t stripe_width(int64_t n) {
  const bool half = n * LANES > INDEX_HELD && n * LANES / 2 <= INDEX_HELD;
  return half ? LANES / 2 : LANES;
}

static clg_status scatter_forward(clg_op_call *c) {
  const scatter_attrs *a = c->attrs;
  const clg_tensor *index = c->in[IN_INDEX], *to = c->out[0];
  if (!to->numel) return CLG_OK;
  const clg_axis s = clg_axis_of(a->sum.ndim, a->sum.dim, a->dim);
  const bool cpu = c->ctx->shape == CLG_SHAPE_CPU;
  const int64_t m = index->shape[a->dim];
  if (cpu && s.outer == 1 && s.inner == 1 && s.n > INDEX_HELD) return scatter_listed(c, s.n);
  if (cpu && m == 1 && s.inner >= LANES) return scatter_one(c, &s);
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){c->in[IN_VALUES], index, to}, 3, to);
  clg_args_sizes(&args, (int64_t[]){s.n, m, s.inner}, 3);
  clg_kernel *k = clg_kernel_get(c->ctx, "index_add.cl", NULL, "index_scatter");
  if (!cpu) {
    clg_args_u32(&args, (uint32_t)to->numel);
    return clg_launch(c->ctx, k, c->op->name, &args, (size_t[3]){(size_t)to->numel, 1, 1}, NULL);
  }
  const int64_t width = stripe_width(s.n), wide = s.inner < width ? s.inner : width;
  const int64_t longer = s.n > m ? s.n : m, share = 4 * INDEX_PIECE / (longer * wide) + 1;
  clg_args_sizes(&args, (int64_t[]){s.outer, width, share}, 3);
  const size_t groups[3] = {(size_t)CLG_CEIL_DIV(s.inner, width), (size_t)CLG_CEIL_DIV(s.outer, share), 1};
  return clg_launch_groups(c->ctx, k, c->op->name, &args, groups);
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
