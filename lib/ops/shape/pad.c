/* Padding: a tensor in a window of another that is filled with one value. */
#include "ops/op.h"
#include "ops/shape/window.h"

typedef struct pad_attrs {
  int dim;
  int64_t before, after, step;
  float value;
} pad_attrs;

static bool shapes(clg_op_call *c, clg_shape *out) {
  pad_attrs *a = c->attrs;
  a->dim = clg_dim_of(c->ctx, a->dim, c->in[0]->ndim, c->op->name);
  if (a->dim < 0) return false;
  if (a->before < 0 || a->after < 0 || a->before > INT32_MAX || a->after > INT32_MAX) {
    clg_fail(c->ctx, CLG_ERR_SHAPE, c->op->name, "padding must not be negative");
    return false;
  }
  out->dim[a->dim] = a->before + clg_window_span(c->in[0]->shape[a->dim], a->step) + a->after;
  return true;
}

static clg_status forward(clg_op_call *c) {
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

static void compose(clg_op_call *c, clg_tensor **d) {
  const pad_attrs *a = c->attrs;
  int64_t span = clg_window_span(clg_op_input(c, 0)->dim[a->dim], a->step);
  d[0] = clg_slice(c->grad, a->dim, a->before, a->before + span, a->step);
}

static const clg_op pad_op = {.name = "pad",
                              .attrs = sizeof(pad_attrs),
                              .traits = CLG_OP_STRIDED,
                              .shapes = shapes,
                              .forward = forward,
                              .compose = compose};

clg_tensor *clg_pad(clg_tensor *x, int dim, int64_t before, int64_t after, float value) {
  return clg_op_run(&pad_op, &x, 1, &(pad_attrs){dim, before, after, 1, value});
}

clg_tensor *clg_place(clg_tensor *g, int dim, int64_t start, int64_t step, int64_t size) {
  int64_t after = g ? size - start - clg_window_span(g->shape[dim], step) : 0;
  return clg_op_run(&pad_op, &g, 1, &(pad_attrs){dim, start, after, step, 0});
}
