/* Index_select and embedding, and their adjoint that adds up: an index for every row. */
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/index/indexing.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

enum { IN_VALUES, IN_INDEX };
enum { PADDING_NONE = -1 };

typedef struct rows_attrs {
  int dim;
  int padding_index; /* the row whose gradient is 0 */
  bool pads;         /* it reads as 0 too */
} rows_attrs;

/* ---- reading ---- */

/* `dim` of x gives way to the dimensions of index. */
static bool read_shapes(clg_op_call *c, clg_shape *out) {
  const rows_attrs *a = c->attrs;
  const clg_tensor *x = c->in[IN_VALUES], *index = c->in[IN_INDEX];
  out->ndim = x->ndim - 1 + index->ndim;
  out->dtype = x->storage->dtype;
  for (int k = 0; k < index->ndim; k++) out->dim[a->dim + k] = index->shape[k];
  for (int k = a->dim + 1; k < x->ndim; k++) out->dim[k - 1 + index->ndim] = x->shape[k];
  return true;
}

static clg_status read_forward(clg_op_call *c) {
  const rows_attrs *a = c->attrs;
  clg_tensor *x = c->in[IN_VALUES], *index = c->in[IN_INDEX], *y = c->out[0];
  if (!y->numel) return CLG_OK;
  const clg_axis s = clg_axis_of(x->ndim, x->shape, a->dim);
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){x, index, y}, 3, y);
  clg_args_sizes(&args, (int64_t[]){s.n, index->numel, s.inner, y->numel}, 4);
  clg_args_i32(&args, a->pads ? a->padding_index : PADDING_NONE);
  clg_kernel *k = clg_kernel_get(c->ctx, "index.cl", NULL, "index_rows");
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, y->numel, INDEX_PIECE);
}

/* On a CPU, where equal indices are listed first. */
static clg_status add_listed(const clg_op_call *c, const clg_axis *s, const clg_tensor *to, const clg_tensor *g,
                             bool add) {
  const rows_attrs *a = c->attrs;
  clg_listed l;
  clg_status st = clg_listed_begin(&l, c->in[IN_INDEX], s->n, s->inner, a->padding_index, g, to, c->op->name);
  if (st != CLG_OK) return st;
  clg_args_sizes(&l.args, &s->inner, 1);
  clg_args_u32(&l.args, add ? INDEX_ADD : 0);
  return clg_listed_launch(&l, c->ctx, "index_rows_add", s->outer, c->op->name);
}

/* to (+)= g by the index; contiguous all. */
static clg_status add_rows(const clg_op_call *c, clg_tensor *to, clg_tensor *g, bool add) {
  const rows_attrs *a = c->attrs;
  clg_tensor *index = c->in[IN_INDEX];
  const clg_axis s = clg_axis_of(to->ndim, to->shape, a->dim);
  bool few = index->numel < s.n;
  if (!to->numel) return CLG_OK;
  if (c->ctx->shape == CLG_SHAPE_CPU) return add_listed(c, &s, to, g, add);
  if (few && !add) {
    clg_status st = clg_map_run(clg_maps_of(c->ctx, CLG_MAP_FILL), &to, NULL, (float[]){0}, false, c->op->name);
    if (st != CLG_OK) return st;
  }
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){g, index, to}, 3, to);
  clg_args_sizes(&args, (int64_t[]){s.n, index->numel, s.inner}, 3);
  clg_args_i32(&args, a->padding_index);
  if (!few) clg_args_u32(&args, add ? INDEX_ADD : 0);
  const char *name = few ? "index_rows_scatter_few" : "index_rows_scatter";
  const size_t groups[3] = {(size_t)(few ? index->numel : s.n), (size_t)s.outer, 1};
  return clg_launch_groups(c->ctx, clg_kernel_get(c->ctx, "index_add.cl", NULL, name), c->op->name, &args, groups);
}

static clg_status read_backward(clg_op_call *c) { return add_rows(c, c->to[0].t, c->grad, c->to[0].add); }

static void read_compose(clg_op_call *c, clg_tensor **d);

#define READING                                                                                                        \
  .attrs = sizeof(rows_attrs), .traits = CLG_OP_ANY_TYPE, .grads = IN_INDEX, .forward = read_forward,                  \
  .reads = CLG_IN(IN_INDEX), .backward = read_backward, .compose = read_compose

/* The way back from adding. */
static const clg_op padded_rows_op = {.name = "index_select", .shapes = read_shapes, READING};

/* ---- adding ---- */

typedef struct add_attrs {
  rows_attrs rows;
  clg_input_shape sum; /* the result */
} add_attrs;

static bool add_shapes(clg_op_call *c, clg_shape *out) {
  const add_attrs *a = c->attrs;
  out->ndim = a->sum.ndim;
  memcpy(out->dim, a->sum.dim, sizeof out->dim);
  return true;
}

static clg_status add_forward(clg_op_call *c) { return add_rows(c, c->out[0], c->in[IN_VALUES], false); }

static void add_compose(clg_op_call *c, clg_tensor **d) {
  rows_attrs a = ((const add_attrs *)c->attrs)->rows;
  a.pads = true;
  d[0] = clg_op_run(&padded_rows_op, (clg_tensor *[]){c->grad, c->in[IN_INDEX]}, 2, &a);
}

static const clg_op index_add_op = {.name = "index_add",
                                    .attrs = sizeof(add_attrs),
                                    .traits = CLG_OP_ANY_TYPE,
                                    .grads = IN_INDEX,
                                    .shapes = add_shapes,
                                    .forward = add_forward,
                                    .reads = CLG_IN(IN_INDEX),
                                    .compose = add_compose};

static void read_compose(clg_op_call *c, clg_tensor **d) {
  add_attrs a = {*(const rows_attrs *)c->attrs, *clg_op_input(c, 0)};
  d[0] = clg_op_run(&index_add_op, (clg_tensor *[]){c->grad, c->in[IN_INDEX]}, 2, &a);
}

/* ---- the public calls ---- */

static bool select_shapes(clg_op_call *c, clg_shape *out) {
  rows_attrs *a = c->attrs;
  const clg_tensor *x = c->in[IN_VALUES], *index = c->in[IN_INDEX];
  a->dim = clg_dim_of(c->ctx, a->dim, x->ndim, "index_select");
  if (a->dim < 0 || !clg_index_within(index, 0, x->shape[a->dim] - 1, "index_select")) return false;
  if (index->ndim == 1) return read_shapes(c, out);
  char text[CLG_SHAPE_TEXT];
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, "index_select", "index %s: want [M]", clg_tensor_text(index, text));
}
static const clg_op index_select_op = {.name = "index_select", .shapes = select_shapes, READING};

clg_tensor *clg_index_select(clg_tensor *x, int dim, clg_tensor *index) {
  rows_attrs a = {.dim = dim, .padding_index = PADDING_NONE};
  return clg_op_run(&index_select_op, (clg_tensor *[]){x, index}, 2, &a);
}

static bool embedding_shapes(clg_op_call *c, clg_shape *out) {
  const rows_attrs *a = c->attrs;
  const clg_tensor *weight = c->in[IN_VALUES], *index = c->in[IN_INDEX];
  char text[CLG_SHAPE_TEXT];
  if (weight->ndim != 2)
    return clg_refuse(c->ctx, CLG_ERR_SHAPE, "embedding", "weight %s: want [V,D]", clg_tensor_text(weight, text));
  int64_t last = weight->shape[0] - 1;
  if (!clg_tensor_holds(weight, CLG_F32, "embedding") || !clg_index_within(index, 0, last, "embedding")) return false;
  if (a->padding_index < PADDING_NONE || a->padding_index > last)
    return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, "embedding", "padding_idx %d is no row, and not -1 (none)",
                      a->padding_index);
  if (index->ndim < CLG_MAX_DIMS) return read_shapes(c, out);
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, "embedding", "an index of %d dimensions leaves none for the result",
                    index->ndim);
}
static const clg_op embedding_op = {.name = "embedding", .shapes = embedding_shapes, READING};

clg_tensor *clg_embedding(clg_tensor *weight, clg_tensor *index, int padding_idx) {
  rows_attrs a = {.padding_index = padding_idx};
  return clg_op_run(&embedding_op, (clg_tensor *[]){weight, index}, 2, &a);
}
