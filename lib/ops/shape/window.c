/* Windows along a dimension: every step-th element, which narrow and slice show as views, and padding, which places a
 * tensor in one. Each is the other's way back. */
#include "ops/op.h"
#include <clgrad/ops.h>
#include <string.h>

/* From the first to the last of n elements that are `step` apart. */
static int64_t span_of(int64_t n, int64_t step) { return n ? (n - 1) * step + 1 : 0; }

/* Zeros with `size` elements along `dim`, and g in the window from `start` on. An op result; NULL for NULL. */
static clg_tensor *place(clg_tensor *g, int dim, int64_t start, int64_t step, int64_t size);

/* ---- narrow ---- */

typedef struct slice_attrs {
  int dim;
  int64_t start, step, length;
} slice_attrs;

static bool narrow_shapes(clg_op_call *c, clg_shape *out) {
  slice_attrs *a = c->attrs;
  a->dim = clg_dim_of(c->ctx, a->dim, c->in[0]->ndim, c->op->name);
  if (a->dim < 0) return false;
  int64_t size = c->in[0]->shape[a->dim];
  if (a->start < 0 || a->length < 0 || a->start > size || a->length > size - a->start)
    return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name, "%lld elements from %lld on are not within %lld",
                      (long long)a->length, (long long)a->start, (long long)size);
  out->dim[a->dim] = a->length;
  return true;
}

static clg_status forward(clg_op_call *c) {
  const slice_attrs *a = c->attrs;
  const clg_tensor *x = c->in[0];
  int64_t stride[CLG_MAX_DIMS];
  memcpy(stride, x->stride, sizeof stride);
  stride[a->dim] *= a->step;
  size_t first = a->length ? (size_t)(a->start * x->stride[a->dim]) : 0;
  c->out[0] = clg_tensor_view(x->storage, x->offset + first, x->ndim, c->shape->dim, stride);
  return c->out[0] ? CLG_OK : clg_last_status(c->ctx);
}

/* Into the window of one sum, which all slices of a tensor share. */
static clg_status backward(clg_op_call *c) {
  const slice_attrs *a = c->attrs;
  const clg_input_shape *x = clg_op_input(c, 0);
  clg_window w;
  int64_t stride = 1;
  for (int d = x->ndim; d-- > 0; stride *= x->dim[d] ? x->dim[d] : 1) w.stride[d] = stride;
  w.offset = (size_t)(a->start * w.stride[a->dim]);
  w.stride[a->dim] *= a->step;
  return clg_edge_add_part(c->node, 0, x->ndim, x->dim, &w, c->grad);
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const slice_attrs *a = c->attrs;
  d[0] = place(c->grad, a->dim, a->start, a->step, clg_op_input(c, 0)->dim[a->dim]);
}

#define SLICE_OP                                                                                                       \
  .attrs = sizeof(slice_attrs), .traits = CLG_OP_VIEW | CLG_OP_STRIDED | CLG_OP_LATE | CLG_OP_ANY_TYPE,                \
  .forward = forward, .backward = backward, .compose = compose
static const clg_op narrow_op = {.name = "narrow", .shapes = narrow_shapes, SLICE_OP};

clg_tensor *clg_narrow(clg_tensor *x, int dim, int64_t start, int64_t length) {
  return clg_op_run(&narrow_op, &x, 1, &(slice_attrs){dim, start, 1, length});
}

/* ---- slice ---- */

static int64_t clamped(int64_t at, int64_t size) {
  if (at < 0) at += size;
  if (at < 0) return 0;
  return at > size ? size : at;
}

/* `length` is where it stops, as the caller counts. */
static bool slice_shapes(clg_op_call *c, clg_shape *out) {
  slice_attrs *a = c->attrs;
  a->dim = clg_dim_of(c->ctx, a->dim, c->in[0]->ndim, c->op->name);
  if (a->dim < 0) return false;
  if (a->step < 1 || a->step > INT32_MAX)
    return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "a step of %lld: it must be 1 or more",
                      (long long)a->step);
  int64_t size = c->in[0]->shape[a->dim], stop = clamped(a->length, size);
  a->start = clamped(a->start, size);
  a->length = stop > a->start ? (stop - a->start + a->step - 1) / a->step : 0;
  out->dim[a->dim] = a->length;
  return true;
}

static const clg_op slice_op = {.name = "slice", .shapes = slice_shapes, SLICE_OP};

clg_tensor *clg_slice(clg_tensor *x, int dim, int64_t start, int64_t stop, int64_t step) {
  return clg_op_run(&slice_op, &x, 1, &(slice_attrs){dim, start, step, stop});
}

/* ---- pad ---- */

typedef struct pad_attrs {
  int dim;
  int64_t before, after, step;
  float value;
} pad_attrs;

static bool pad_shapes(clg_op_call *c, clg_shape *out) {
  pad_attrs *a = c->attrs;
  a->dim = clg_dim_of(c->ctx, a->dim, c->in[0]->ndim, c->op->name);
  if (a->dim < 0) return false;
  if (a->before < 0 || a->after < 0 || a->before > INT32_MAX || a->after > INT32_MAX)
    return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name, "padding must not be negative");
  out->dim[a->dim] = a->before + span_of(c->in[0]->shape[a->dim], a->step) + a->after;
  return true;
}

static clg_status pad_forward(clg_op_call *c) {
  const pad_attrs *a = c->attrs;
  clg_tensor *x = c->in[0], *y = c->out[0];
  int64_t stride[CLG_MAX_DIMS];
  for (int d = 0; d < y->ndim; d++) stride[d] = d == a->dim ? y->stride[d] * a->step : y->stride[d];
  size_t first = x->numel ? (size_t)(a->before * y->stride[a->dim]) : 0;
  clg_tensor *window = clg_tensor_view(y->storage, first, x->ndim, x->shape, stride);
  if (!window) return clg_last_status(c->ctx);
  clg_status s = clg_map_run(clg_maps_of(c->ctx, CLG_MAP_FILL), &y, NULL, &a->value, false, c->op->name);
  if (s == CLG_OK) s = clg_tensor_assign(window, x, c->op->name);
  clg_tensor_unref(&window);
  return s;
}

static void pad_compose(clg_op_call *c, clg_tensor **d) {
  const pad_attrs *a = c->attrs;
  int64_t span = span_of(clg_op_input(c, 0)->dim[a->dim], a->step);
  d[0] = clg_slice(c->grad, a->dim, a->before, a->before + span, a->step);
}

static const clg_op pad_op = {.name = "pad",
                              .attrs = sizeof(pad_attrs),
                              .traits = CLG_OP_STRIDED,
                              .shapes = pad_shapes,
                              .forward = pad_forward,
                              .compose = pad_compose};

clg_tensor *clg_pad(clg_tensor *x, int dim, int64_t before, int64_t after, float value) {
  return clg_op_run(&pad_op, &x, 1, &(pad_attrs){dim, before, after, 1, value});
}

static clg_tensor *place(clg_tensor *g, int dim, int64_t start, int64_t step, int64_t size) {
  int64_t after = g ? size - start - span_of(g->shape[dim], step) : 0;
  return clg_op_run(&pad_op, &g, 1, &(pad_attrs){dim, start, after, step, 0});
}
