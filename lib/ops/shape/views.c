/* Views: ops that share the storage of their input. */
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <string.h>

#define VIEW_TRAITS (CLG_OP_VIEW | CLG_OP_STRIDED | CLG_OP_LATE | CLG_OP_ANY_TYPE)

/* As a caller asks for it. */
typedef struct wanted_shape {
  int ndim;
  const int64_t *dim;
} wanted_shape;

static clg_status take_view(clg_op_call *c, clg_tensor *view) {
  c->out[0] = view;
  return view ? CLG_OK : clg_last_status(c->ctx);
}

/* ---- reshape ---- */

/* Fills in a -1. */
static bool reshape_shapes(clg_op_call *c, clg_shape *out) {
  const clg_tensor *x = c->in[0];
  const wanted_shape *want = c->attrs;
  int ndim = out->ndim = want->ndim;
  const int64_t *shape = want->dim;
  int64_t known = 1;
  int unknown = -1;
  bool ok = ndim >= 0 && ndim <= CLG_MAX_DIMS && (!ndim || shape);
  for (int d = 0; ok && d < ndim; d++) {
    out->dim[d] = shape[d];
    if (shape[d] == -1 && unknown < 0) {
      unknown = d;
    } else if (shape[d] < 0 || (shape[d] && known > INT32_MAX / shape[d])) {
      ok = false;
    } else {
      known *= shape[d];
    }
  }
  if (ok && unknown >= 0) {
    ok = known > 0 && x->numel % known == 0;
    out->dim[unknown] = ok ? x->numel / known : 0;
    known *= out->dim[unknown];
  }
  /* A 0 may hide sizes. */
  if (ok && known == x->numel) return clg_shape_numel(c->ctx, ndim, out->dim, "reshape") >= 0;
  char from[CLG_SHAPE_TEXT], to[CLG_SHAPE_TEXT];
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, "reshape", "%s cannot be seen as %s", clg_tensor_text(x, from),
                    ndim >= 0 && ndim <= CLG_MAX_DIMS && shape ? clg_shape_text(ndim, shape, to) : "that");
}

/* Strides that show x's elements, in order, as `shape`: false if there are none. Each group of dimensions of the new
 * shape must lie within one run of x that is contiguous in itself. */
static bool same_elements(const clg_tensor *x, int ndim, const int64_t *shape, int64_t *stride) {
  if (!x->numel) return false;
  int to = ndim - 1;
  for (int from = x->ndim - 1; from >= 0;) {
    int64_t run = x->shape[from], step = x->stride[from];
    for (from--; from >= 0 && (x->shape[from] == 1 || x->stride[from] == run * step); from--) run *= x->shape[from];
    int64_t seen = 1;
    for (; to >= 0 && (seen < run || shape[to] == 1); to--) {
      stride[to] = seen * step;
      seen *= shape[to];
    }
    if (seen != run) return false;
  }
  for (; to >= 0; to--) stride[to] = 1;
  return true;
}

/* Of a copy where strides can't show it. */
static clg_status reshape_forward(clg_op_call *c) {
  clg_tensor *x = c->in[0];
  const clg_shape *y = c->shape;
  int64_t stride[CLG_MAX_DIMS];
  if (same_elements(x, y->ndim, y->dim, stride))
    return take_view(c, clg_tensor_view(x->storage, x->offset, y->ndim, y->dim, stride));
  clg_tensor *p = clg_tensor_packed(x, "reshape");
  clg_status s = take_view(c, p ? clg_tensor_view(p->storage, p->offset, y->ndim, y->dim, NULL) : NULL);
  clg_tensor_unref(&p);
  return s;
}

static clg_status reshape_backward(clg_op_call *c) {
  const clg_input_shape *x = clg_op_input(c, 0);
  clg_tensor *p = clg_tensor_packed(c->grad, "reshape");
  clg_tensor *back = p ? clg_tensor_view(p->storage, p->offset, x->ndim, x->dim, NULL) : NULL;
  clg_tensor_unref(&p);
  return clg_op_give(c, 0, back);
}

static void reshape_compose(clg_op_call *c, clg_tensor **d) {
  const clg_input_shape *x = clg_op_input(c, 0);
  d[0] = clg_reshape(c->grad, x->ndim, x->dim);
}

static const clg_op reshape_op = {.name = "reshape",
                                  .traits = VIEW_TRAITS,
                                  .shapes = reshape_shapes,
                                  .forward = reshape_forward,
                                  .backward = reshape_backward,
                                  .compose = reshape_compose};

clg_tensor *clg_reshape(clg_tensor *x, int ndim, const int64_t *shape) {
  return clg_op_run(&reshape_op, &x, 1, &(wanted_shape){ndim, shape});
}

/* ---- permute ---- */

typedef struct permute_attrs {
  int order[CLG_MAX_DIMS];
} permute_attrs;

static bool permute_shapes(clg_op_call *c, clg_shape *out) {
  permute_attrs *a = c->attrs;
  const clg_tensor *x = c->in[0];
  uint32_t seen = 0;
  for (int d = 0; d < x->ndim; d++) {
    a->order[d] = clg_dim_of(c->ctx, a->order[d], x->ndim, "permute");
    if (a->order[d] < 0) return false;
    seen |= 1u << a->order[d];
    out->dim[d] = x->shape[a->order[d]];
  }
  if (seen == (1u << x->ndim) - 1) return true;
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, "permute", "a dimension is given twice");
}

static clg_status permute_forward(clg_op_call *c) {
  const permute_attrs *a = c->attrs;
  const clg_tensor *x = c->in[0];
  int64_t stride[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) stride[d] = x->stride[a->order[d]];
  return take_view(c, clg_tensor_view(x->storage, x->offset, x->ndim, c->shape->dim, stride));
}

static clg_status permute_backward(clg_op_call *c) {
  const permute_attrs *a = c->attrs;
  const clg_input_shape *x = clg_op_input(c, 0);
  const clg_tensor *g = c->grad;
  int64_t stride[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) stride[a->order[d]] = g->stride[d];
  return clg_op_give(c, 0, clg_tensor_view(g->storage, g->offset, x->ndim, x->dim, stride));
}

static void permute_compose(clg_op_call *c, clg_tensor **d) {
  const permute_attrs *a = c->attrs;
  int inverse[CLG_MAX_DIMS];
  for (int k = 0; k < c->grad->ndim; k++) inverse[a->order[k]] = k;
  d[0] = clg_permute(c->grad, inverse, c->grad->ndim);
}

static const clg_op permute_op = {.name = "permute",
                                  .attrs = sizeof(permute_attrs),
                                  .traits = VIEW_TRAITS,
                                  .shapes = permute_shapes,
                                  .forward = permute_forward,
                                  .backward = permute_backward,
                                  .compose = permute_compose};

clg_tensor *clg_permute(clg_tensor *x, const int *dims, int n) {
  permute_attrs a;
  if (!x || (n && !dims)) return clg_null_object(x ? x->ctx : NULL, "permute");
  if (n != x->ndim)
    return clg_fail_object(x->ctx, CLG_ERR_SHAPE, "permute", "%d dimensions are given, x has %d", n, x->ndim);
  for (int d = 0; d < n; d++) a.order[d] = dims[d];
  return clg_op_run(&permute_op, &x, 1, &a);
}

clg_tensor *clg_transpose(clg_tensor *x, int dim0, int dim1) {
  if (!clg_inputs_here(&x, 1, "transpose")) return NULL;
  int a = clg_dim_of(x->ctx, dim0, x->ndim, "transpose"),
      b = a < 0 ? a : clg_dim_of(x->ctx, dim1, x->ndim, "transpose");
  if (a < 0 || b < 0) return NULL;
  int order[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) order[d] = d;
  order[a] = b, order[b] = a;
  return clg_permute(x, order, x->ndim);
}

/* ---- expand ---- */

static bool expand_shapes(clg_op_call *c, clg_shape *out) {
  const clg_tensor *x = c->in[0];
  const wanted_shape *want = c->attrs;
  int lead = want->ndim - x->ndim;
  bool ok = want->ndim <= CLG_MAX_DIMS && lead >= 0 && (!want->ndim || want->dim);
  for (int d = 0; ok && d < want->ndim; d++) {
    int64_t own = d < lead ? 1 : x->shape[d - lead];
    out->dim[d] = want->dim[d] == -1 && d >= lead ? own : want->dim[d];
    ok = out->dim[d] >= 0 && (own == out->dim[d] || own == 1);
  }
  out->ndim = want->ndim;
  if (ok) return clg_shape_numel(c->ctx, out->ndim, out->dim, "expand") >= 0;
  char text[CLG_SHAPE_TEXT];
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, "expand", "%s does not broadcast to the shape asked for",
                    clg_tensor_text(x, text));
}

static clg_status expand_forward(clg_op_call *c) {
  const clg_tensor *x = c->in[0];
  const clg_shape *y = c->shape;
  int lead = y->ndim - x->ndim;
  int64_t stride[CLG_MAX_DIMS];
  for (int d = 0; d < y->ndim; d++) stride[d] = d < lead || x->shape[d - lead] != y->dim[d] ? 0 : x->stride[d - lead];
  return take_view(c, clg_tensor_view(x->storage, x->offset, y->ndim, y->dim, stride));
}

static clg_status expand_backward(clg_op_call *c) {
  const clg_tensor *in[] = {c->grad};
  const clg_grad_place *to = &c->to[0];
  clg_map_fn *copy = clg_maps_of(c->ctx, CLG_MAP_COPY);
  const clg_input_shape *x = clg_op_input(c, 0);
  uint32_t dims = clg_stretched(c->grad->ndim, c->grad->shape, x->ndim, x->dim);
  if (!dims) return clg_map_run(copy, &to->t, in, NULL, to->add, "expand");
  return clg_map_reduce(copy, CLG_REDUCE_SUM, to->t, in, NULL, c->grad->ndim, c->grad->shape, dims, to->add, "expand");
}

static void expand_compose(clg_op_call *c, clg_tensor **d) {
  const clg_input_shape *x = clg_op_input(c, 0);
  d[0] = clg_sum_to_shape(c->grad, x->ndim, x->dim);
}

static const clg_op expand_op = {.name = "expand",
                                 .traits = VIEW_TRAITS & ~(uint32_t)CLG_OP_LATE,
                                 .shapes = expand_shapes,
                                 .forward = expand_forward,
                                 .backward = expand_backward,
                                 .compose = expand_compose};

clg_tensor *clg_expand(clg_tensor *x, int ndim, const int64_t *shape) {
  return clg_op_run(&expand_op, &x, 1, &(wanted_shape){ndim, shape});
}
