/* Slices with a step: a view, and the gradient that spreads back over it. */
#include "ops/compose.h"
#include <clgrad/ops.h>
#include <string.h>

typedef struct slice_attrs {
  int dim;
  int64_t start, step, length;
  int64_t size; /* of the sliced dimension before */
} slice_attrs;

static clg_tensor *unslice(clg_tensor *g, slice_attrs a);

static clg_status slice_backward(clg_node *n, clg_tensor *g) {
  const slice_attrs *a = n->attrs;
  if (clg_creates_graph(n->ctx)) {
    clg_scope *scope = clg_scope_open(n->ctx);
    return clg_give_result(n, 0, scope, unslice(g, *a));
  }
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, g->shape, sizeof shape);
  shape[a->dim] = a->size;
  clg_window w = clg_window_of(g->ndim, shape, a->dim, g->numel ? a->start : 0, a->step);
  return clg_edge_add_part(n, 0, g->ndim, shape, &w, g);
}
static clg_status unslice_backward(clg_node *n, clg_tensor *g) {
  slice_attrs a = *(slice_attrs *)n->attrs;
  clg_scope *scope = clg_scope_open(n->ctx);
  int64_t stop = a.length ? a.start + (a.length - 1) * a.step + 1 : a.start;
  return clg_give_result(n, 0, scope, clg_slice(g, a.dim, a.start, stop, a.step));
}
static const clg_node_class slice_class = {.backward = slice_backward}, unslice_class = {.backward = unslice_backward};

static clg_tensor *recorded(clg_tensor *x, clg_tensor *y, slice_attrs a, const clg_node_class *cls) {
  if (!y || !clg_records(&x, 1)) return clg_result(y);
  clg_node *n = clg_node_create(&x, 1, 0, sizeof a, cls, "slice");
  if (n) *(slice_attrs *)n->attrs = a;
  if (!n || clg_node_attach(n, y) != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

static clg_tensor *window(clg_tensor *x, slice_attrs a) {
  int64_t shape[CLG_MAX_DIMS], stride[CLG_MAX_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  memcpy(stride, x->stride, sizeof stride);
  shape[a.dim] = a.length;
  stride[a.dim] = x->stride[a.dim] * a.step;
  size_t first = a.length ? (size_t)(a.start * x->stride[a.dim]) : 0;
  return clg_tensor_view(x->storage, x->offset + first, x->ndim, shape, stride);
}

/* Zeros of the size before, with g in the window. */
static clg_tensor *unslice(clg_tensor *g, slice_attrs a) {
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, g->shape, sizeof shape);
  shape[a.dim] = a.size;
  clg_tensor *y = clg_tensor_new(g->ctx, g->ndim, shape, clg_result_role(g->ctx), "slice");
  clg_map_fn *fill = clg_maps_of(g->ctx, CLG_MAP_FILL);
  clg_tensor *w = y && clg_map_run(fill, &y, NULL, (float[]){0}, false, "slice") == CLG_OK ? window(y, a) : NULL;
  if (!w || clg_tensor_assign(w, g, "slice") != CLG_OK) clg_tensor_unref(&y);
  clg_tensor_unref(&w);
  return recorded(g, y, a, &unslice_class);
}

static int64_t clamped(int64_t at, int64_t size) {
  if (at < 0) at += size;
  return at < 0 ? 0 : at > size ? size : at;
}

clg_tensor *clg_slice(clg_tensor *x, int dim, int64_t start, int64_t stop, int64_t step) {
  int d = clg_inputs_here(&x, 1, "slice") ? clg_dim_of(x->ctx, dim, x->ndim, "slice") : -1;
  if (d < 0) return NULL;
  if (step < 1 || step > INT32_MAX)
    return clg_fail(x->ctx, CLG_ERR_ARGUMENT, "slice", "a step of %lld: it must be 1 or more", (long long)step), NULL;
  slice_attrs a = {d, clamped(start, x->shape[d]), step, 0, x->shape[d]};
  int64_t end = clamped(stop, x->shape[d]);
  a.length = end > a.start ? (end - a.start + step - 1) / step : 0;
  if (step == 1) return clg_narrow(x, d, a.start, a.length);
  return recorded(x, window(x, a), a, &slice_class);
}
