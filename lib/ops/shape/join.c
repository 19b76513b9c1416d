/* Joining tensors along a dimension that exists (cat) or a new one (stack). */
#include "ops/compose.h"
#include <clgrad/ops.h>
#include <stdlib.h>
#include <string.h>

typedef struct cat_attrs {
  int dim;
  int64_t end[]; /* where each input's part ends */
} cat_attrs;

static clg_status cat_backward(clg_node *n, clg_tensor *g) {
  const cat_attrs *a = n->attrs;
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < n->n_edges; i++) {
    if (!clg_node_wants(n, i)) continue;
    int64_t start = i ? a->end[i - 1] : 0;
    clg_scope *scope = clg_scope_open(n->ctx);
    s = clg_give_result(n, i, scope, clg_narrow(g, a->dim, start, a->end[i] - start));
  }
  return s;
}
static const clg_node_class cat_class = {.backward = cat_backward};

static clg_status cat_record(clg_tensor *const *in, int n_in, int dim, clg_tensor *y) {
  clg_node *n = clg_node_create(in, n_in, 0, sizeof(cat_attrs) + (size_t)n_in * sizeof(int64_t), &cat_class, "cat");
  if (!n) return CLG_ERR_HOST_MEMORY;
  cat_attrs *a = n->attrs;
  a->dim = dim;
  for (int i = 0; i < n_in; i++) a->end[i] = (i ? a->end[i - 1] : 0) + in[i]->shape[dim];
  return clg_node_attach(n, y);
}

/* False, with the error set, unless all are of one context and dtype. */
static bool cat_types(clg_tensor *const *in, int n, const char *op) {
  if (!clg_inputs_here(in, n, op)) return false;
  for (int i = 1; i < n; i++)
    if (!clg_tensor_holds(in[i], in[0]->storage->dtype, op)) return false;
  return true;
}

/* False, with the error set, unless the shapes agree but for dimension d, whose sizes are summed. */
static bool cat_shape(clg_tensor *const *in, int n, int d, int64_t *shape) {
  memcpy(shape, in[0]->shape, sizeof in[0]->shape);
  for (int i = 1; i < n; i++) {
    bool fits = in[i]->ndim == in[0]->ndim;
    for (int k = 0; fits && k < in[0]->ndim; k++) fits = k == d || in[i]->shape[k] == shape[k];
    if (!fits) {
      char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
      clg_fail(in[0]->ctx, CLG_ERR_SHAPE, "cat", "%s and %s differ in more than dimension %d",
               clg_shape_text(in[0]->ndim, in[0]->shape, a), clg_shape_text(in[i]->ndim, in[i]->shape, b), d);
      return false;
    }
    shape[d] += in[i]->shape[d];
  }
  return true;
}

static clg_status copy_parts(clg_tensor *const *in, int n, int d, clg_tensor *y) {
  clg_status s = CLG_OK;
  int64_t at = 0;
  for (int i = 0; s == CLG_OK && i < n; at += in[i++]->shape[d]) {
    if (!in[i]->numel) continue;
    clg_tensor *part = clg_tensor_view(y->storage, (size_t)(at * y->stride[d]), y->ndim, in[i]->shape, y->stride);
    s = part ? clg_tensor_assign(part, in[i], "cat") : clg_last_status(y->ctx);
    clg_tensor_unref(&part);
  }
  return s;
}

clg_tensor *clg_cat(clg_tensor *const *tensors, int n, int dim) {
  if (!tensors || n < 1) return clg_null(NULL, "cat"), NULL;
  if (!cat_types(tensors, n, "cat")) return NULL;
  clg_context *ctx = tensors[0]->ctx;
  if (n > UINT16_MAX)
    return clg_fail(ctx, CLG_ERR_ARGUMENT, "cat", "%d tensors, but at most 65535 can be joined", n), NULL;
  int d = clg_dim_of(ctx, dim, tensors[0]->ndim, "cat");
  int64_t shape[CLG_MAX_DIMS];
  if (d < 0 || !cat_shape(tensors, n, d, shape)) return NULL;
  clg_tensor *y = clg_tensor_new(ctx, tensors[0]->ndim, shape, clg_result_role(ctx), "cat");
  if (y) y->storage->dtype = tensors[0]->storage->dtype;
  clg_status s = y ? copy_parts(tensors, n, d, y) : clg_last_status(ctx);
  if (s == CLG_OK && clg_records(tensors, n)) s = cat_record(tensors, n, d, y);
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

clg_tensor *clg_stack(clg_tensor *const *tensors, int n, int dim) {
  if (!tensors || n < 1) return clg_null(NULL, "stack"), NULL;
  if (!cat_types(tensors, n, "stack")) return NULL;
  clg_context *ctx = tensors[0]->ctx;
  int ndim = tensors[0]->ndim + 1, d = clg_dim_of(ctx, dim, ndim, "stack");
  if (d < 0) return NULL;
  if (ndim > CLG_MAX_DIMS)
    return clg_fail(ctx, CLG_ERR_SHAPE, "stack", "%d dimensions, but a tensor has 0 to %d", ndim, CLG_MAX_DIMS), NULL;
  for (int i = 1; i < n; i++)
    if (!clg_same_shape(tensors[i], tensors[0])) {
      char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
      clg_fail(ctx, CLG_ERR_SHAPE, "stack", "%s and %s are not of one shape",
               clg_shape_text(ndim - 1, tensors[0]->shape, a), clg_shape_text(tensors[i]->ndim, tensors[i]->shape, b));
      return NULL;
    }
  clg_tensor **wide = malloc((size_t)n * sizeof *wide);
  if (!wide) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, "stack", "out of host memory"), NULL;
  clg_scope *scope = clg_scope_open(ctx);
  int64_t shape[CLG_MAX_DIMS];
  for (int k = 0; k < ndim; k++) shape[k] = k == d ? 1 : tensors[0]->shape[k - (k > d)];
  for (int i = 0; i < n; i++) wide[i] = clg_reshape(tensors[i], ndim, shape);
  clg_tensor *y = clg_cat(wide, n, d);
  free(wide);
  return clg_scope_close_with(scope, y);
}
