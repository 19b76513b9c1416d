/* Views: ops that share the storage of their input, and the copy that makes a view contiguous. */
#include "ops/compose.h"
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <string.h>

/* How the gradient of a view returns to its input. */
typedef enum view_kind { VIEW_RESHAPE, VIEW_PERMUTE, VIEW_NARROW, VIEW_EXPAND } view_kind;
typedef struct view_attrs {
  view_kind kind;
  int ndim; /* of the input */
  int64_t shape[CLG_MAX_DIMS];
  int order[CLG_MAX_DIMS];
  int dim;
  int64_t start;
} view_attrs;

static clg_status give_reshaped(clg_node *n, const view_attrs *a, clg_tensor *g) {
  clg_tensor *p = clg_tensor_packed(g, n->op);
  clg_tensor *back = p ? clg_tensor_view(p->storage, p->offset, a->ndim, a->shape, NULL) : NULL;
  clg_tensor_unref(&p);
  return clg_edge_give(n, 0, back);
}

static clg_status give_permuted(clg_node *n, const view_attrs *a, clg_tensor *g) {
  int64_t stride[CLG_MAX_DIMS];
  for (int d = 0; d < a->ndim; d++) stride[a->order[d]] = g->stride[d];
  return clg_edge_give(n, 0, clg_tensor_view(g->storage, g->offset, a->ndim, a->shape, stride));
}

static clg_status give_part(clg_node *n, const view_attrs *a, clg_tensor *g) {
  clg_window w = clg_window_of(a->ndim, a->shape, a->dim, a->start, 1);
  return clg_edge_add_part(n, 0, a->ndim, a->shape, &w, g);
}

static clg_status give_summed(clg_node *n, const view_attrs *a, clg_tensor *g) {
  uint32_t dims = 0;
  int lead = g->ndim - a->ndim;
  for (int d = 0; d < g->ndim; d++)
    if (d < lead || (a->shape[d - lead] == 1 && g->shape[d] != 1)) dims |= 1u << d;
  bool add;
  clg_tensor *to = clg_edge_begin(n, 0, a->ndim, a->shape, &add);
  const clg_tensor *in[] = {g};
  clg_map_fn *copy = clg_maps_of(n->ctx, CLG_MAP_COPY);
  clg_status s = !to    ? clg_last_status(n->ctx)
                 : dims ? clg_map_reduce(copy, CLG_REDUCE_SUM, to, in, NULL, g->ndim, g->shape, dims, add, n->op)
                        : clg_map_run(copy, &to, in, NULL, add, n->op);
  if (s == CLG_OK) return clg_edge_end(n, 0, to);
  clg_tensor_unref(&to);
  return s;
}

/* With create_graph: the same by recorded ops. */
static clg_tensor *recorded(const view_attrs *a, clg_tensor *g) {
  int order[CLG_MAX_DIMS], dims[CLG_MAX_DIMS], n = 0, lead = g->ndim - a->ndim;
  switch (a->kind) {
  case VIEW_RESHAPE: return clg_reshape(g, a->ndim, a->shape);
  case VIEW_PERMUTE:
    for (int d = 0; d < a->ndim; d++) order[a->order[d]] = d;
    return clg_permute(g, order);
  case VIEW_NARROW: return clg_pad(g, a->dim, a->start, a->shape[a->dim] - a->start - g->shape[a->dim], 0);
  default:
    for (int d = 0; d < g->ndim; d++)
      if (d < lead || (a->shape[d - lead] == 1 && g->shape[d] != 1)) dims[n++] = d;
    return clg_reshape(n ? clg_sum(g, dims, n, false) : g, a->ndim, a->shape);
  }
}

static clg_status give_recorded(clg_node *n, const view_attrs *a, clg_tensor *g) {
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_status s = clg_edge_give(n, 0, clg_tensor_ref(recorded(a, g)));
  clg_scope_close(scope);
  return s;
}

static clg_status view_backward(clg_node *n, clg_tensor *g) {
  const view_attrs *a = n->attrs;
  if (clg_creates_graph(n->ctx)) return give_recorded(n, a, g);
  switch (a->kind) {
  case VIEW_RESHAPE: return give_reshaped(n, a, g);
  case VIEW_PERMUTE: return give_permuted(n, a, g);
  case VIEW_NARROW: return give_part(n, a, g);
  default: return give_summed(n, a, g);
  }
}

static const clg_node_class view_class = {.backward = view_backward, .views = true};

/* Records `view` of x, which it takes, and returns it as an op's result. */
static clg_tensor *viewed(clg_tensor *x, clg_tensor *view, view_attrs a, const char *op) {
  if (!view || !clg_records(&x, 1)) return clg_result(view);
  clg_node *n = clg_node_create(&x, 1, 0, sizeof a, &view_class, op);
  a.ndim = x->ndim;
  memcpy(a.shape, x->shape, sizeof a.shape);
  if (n) memcpy(n->attrs, &a, sizeof a);
  if (!n || clg_node_attach(n, view) != CLG_OK) clg_tensor_unref(&view);
  return clg_result(view);
}

/* Fills in a -1. False with the error set if the shape does not hold x's elements. */
static bool infer(clg_tensor *x, int ndim, const int64_t *shape, int64_t *out) {
  int64_t known = 1;
  int unknown = -1;
  bool ok = ndim >= 0 && ndim <= CLG_MAX_DIMS && (!ndim || shape);
  for (int d = 0; ok && d < ndim; d++) {
    out[d] = shape[d];
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
    out[unknown] = ok ? x->numel / known : 0;
    known *= out[unknown];
  }
  if (ok && known == x->numel) return clg_shape_numel(x->ctx, ndim, out, "reshape") >= 0; /* a 0 may hide sizes */
  char from[CLG_SHAPE_TEXT], to[CLG_SHAPE_TEXT];
  clg_fail(x->ctx, CLG_ERR_SHAPE, "reshape", "%s cannot be seen as %s", clg_shape_text(x->ndim, x->shape, from),
           ndim >= 0 && ndim <= CLG_MAX_DIMS && shape ? clg_shape_text(ndim, shape, to) : "that");
  return false;
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

clg_tensor *clg_reshape(clg_tensor *x, int ndim, const int64_t *shape) {
  int64_t want[CLG_MAX_DIMS];
  if (!clg_inputs_here(&x, 1, "reshape") || !infer(x, ndim, shape, want)) return NULL;
  int64_t stride[CLG_MAX_DIMS];
  bool fits = same_elements(x, ndim, want, stride);
  clg_tensor *p = fits ? clg_tensor_ref(x) : clg_tensor_packed(x, "reshape");
  clg_tensor *view = p ? clg_tensor_view(p->storage, p->offset, ndim, want, fits ? stride : NULL) : NULL;
  clg_tensor_unref(&p);
  return viewed(x, view, (view_attrs){.kind = VIEW_RESHAPE}, "reshape");
}

clg_tensor *clg_permute(clg_tensor *x, const int *order) {
  if (!x || (x->ndim && !order)) return clg_null(x ? x->ctx : NULL, "permute"), NULL;
  view_attrs a = {.kind = VIEW_PERMUTE};
  int64_t shape[CLG_MAX_DIMS], stride[CLG_MAX_DIMS];
  uint32_t seen = 0;
  for (int d = 0; d < x->ndim; d++) {
    int from = clg_dim_of(x->ctx, order[d], x->ndim, "permute");
    if (from < 0) return NULL;
    seen |= 1u << from;
    a.order[d] = from;
    shape[d] = x->shape[from];
    stride[d] = x->stride[from];
  }
  if (seen != (1u << x->ndim) - 1)
    return clg_fail(x->ctx, CLG_ERR_SHAPE, "permute", "the order names a dimension twice"), NULL;
  return viewed(x, clg_tensor_view(x->storage, x->offset, x->ndim, shape, stride), a, "permute");
}

clg_tensor *clg_transpose(clg_tensor *x, int dim0, int dim1) {
  if (!x) return clg_null(NULL, "transpose"), NULL;
  int a = clg_dim_of(x->ctx, dim0, x->ndim, "transpose"),
      b = a < 0 ? a : clg_dim_of(x->ctx, dim1, x->ndim, "transpose");
  if (a < 0 || b < 0) return NULL;
  int order[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) order[d] = d == a ? b : d == b ? a : d;
  return clg_permute(x, order);
}

clg_tensor *clg_narrow(clg_tensor *x, int dim, int64_t start, int64_t length) {
  int d = clg_inputs_here(&x, 1, "narrow") ? clg_dim_of(x->ctx, dim, x->ndim, "narrow") : -1;
  if (d < 0) return NULL;
  if (start < 0 || length < 0 || start > x->shape[d] || length > x->shape[d] - start) {
    clg_fail(x->ctx, CLG_ERR_SHAPE, "narrow", "%lld elements from %lld on are not within %lld", (long long)length,
             (long long)start, (long long)x->shape[d]);
    return NULL;
  }
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[d] = length;
  clg_tensor *view = clg_tensor_view(x->storage, x->offset + (size_t)(start * x->stride[d]), x->ndim, shape, x->stride);
  return viewed(x, view, (view_attrs){.kind = VIEW_NARROW, .dim = d, .start = start}, "narrow");
}

/* The gradient of padding is the window. */
typedef struct pad_attrs {
  int dim;
  int64_t before, length;
} pad_attrs;

static clg_status pad_backward(clg_node *n, clg_tensor *g) {
  const pad_attrs *a = n->attrs;
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_status s = clg_edge_give(n, 0, clg_tensor_ref(clg_narrow(g, a->dim, a->before, a->length)));
  clg_scope_close(scope);
  return s;
}
static const clg_node_class pad_class = {.backward = pad_backward};

clg_tensor *clg_pad(clg_tensor *x, int dim, int64_t before, int64_t after, float value) {
  int d = clg_inputs_ok(&x, 1, "pad") ? clg_dim_of(x->ctx, dim, x->ndim, "pad") : -1;
  if (d < 0) return NULL;
  if (before < 0 || after < 0 || before > INT32_MAX || after > INT32_MAX)
    return clg_fail(x->ctx, CLG_ERR_SHAPE, "pad", "padding must not be negative"), NULL;
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[d] += before + after;
  clg_tensor *y = clg_tensor_new(x->ctx, x->ndim, shape, clg_result_role(x->ctx), "pad");
  clg_tensor *window =
      y ? clg_tensor_view(y->storage, (size_t)(before * y->stride[d]), x->ndim, x->shape, y->stride) : NULL;
  clg_status s =
      window ? clg_map_run(clg_maps_of(x->ctx, CLG_MAP_FILL), &y, NULL, &value, false, "pad") : clg_last_status(x->ctx);
  if (s == CLG_OK) s = clg_tensor_assign(window, x, "pad");
  clg_tensor_unref(&window);
  if (s == CLG_OK && clg_records(&x, 1)) {
    clg_node *n = clg_node_create(&x, 1, 0, sizeof(pad_attrs), &pad_class, "pad");
    if (n) *(pad_attrs *)n->attrs = (pad_attrs){d, before, x->shape[d]};
    s = n ? clg_node_attach(n, y) : CLG_ERR_HOST_MEMORY;
  }
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

clg_tensor *clg_expand(clg_tensor *x, int ndim, const int64_t *shape) {
  if (!x) return clg_null(NULL, "expand"), NULL;
  int64_t want[CLG_MAX_DIMS], stride[CLG_MAX_DIMS];
  int lead = ndim - x->ndim;
  bool ok = ndim <= CLG_MAX_DIMS && lead >= 0 && (!ndim || shape);
  for (int d = 0; ok && d < ndim; d++) {
    int64_t own = d < lead ? 1 : x->shape[d - lead];
    want[d] = shape[d] == -1 && d >= lead ? own : shape[d];
    ok = want[d] >= 0 && (own == want[d] || own == 1);
    stride[d] = d < lead || (own == 1 && want[d] != 1) ? 0 : x->stride[d - lead];
  }
  if (!ok) {
    char text[CLG_SHAPE_TEXT];
    clg_fail(x->ctx, CLG_ERR_SHAPE, "expand", "%s does not broadcast to the shape asked for",
             clg_shape_text(x->ndim, x->shape, text));
    return NULL;
  }
  if (clg_shape_numel(x->ctx, ndim, want, "expand") < 0) return NULL;
  return viewed(x, clg_tensor_view(x->storage, x->offset, ndim, want, stride), (view_attrs){.kind = VIEW_EXPAND},
                "expand");
}

clg_tensor *clg_contiguous(clg_tensor *x) {
  if (x && (clg_tensor_is_contiguous(x) || x->storage->dtype == CLG_I32))
    return clg_result(clg_tensor_packed(x, "contiguous"));
  return clg_row_apply(CLG_ROW_COPY, &x, NULL);
}
