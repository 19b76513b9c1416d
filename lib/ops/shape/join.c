/* Joining tensors along a dimension that exists (cat) or a new one (stack). */
#include "ops/op.h"
#include <clgrad/ops.h>
#include <stdlib.h>

typedef struct cat_attrs {
  int dim;
} cat_attrs;

/* False, with the error set, unless all are of the first one's dtype. */
static bool types_ok(clg_tensor *const *in, int n, const char *op) {
  for (int i = 1; i < n; i++)
    if (!clg_tensor_holds(in[i], in[0]->storage->dtype, op)) return false;
  return true;
}

/* The same, unless they agree but for dimension d. */
static bool shapes_ok(clg_tensor *const *in, int n, int d) {
  for (int i = 1; i < n; i++) {
    bool fits = in[i]->ndim == in[0]->ndim;
    for (int k = 0; fits && k < in[0]->ndim; k++) fits = k == d || in[i]->shape[k] == in[0]->shape[k];
    if (fits) continue;
    char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
    return clg_refuse(in[0]->ctx, CLG_ERR_SHAPE, "cat", "%s and %s differ in more than dimension %d",
                      clg_tensor_text(in[0], a), clg_tensor_text(in[i], b), d);
  }
  return true;
}

static bool cat_shapes(clg_op_call *c, clg_shape *out) {
  cat_attrs *a = c->attrs;
  if (!types_ok(c->in, c->n, "cat")) return false;
  a->dim = clg_dim_of(c->ctx, a->dim, c->in[0]->ndim, "cat");
  if (a->dim < 0 || !shapes_ok(c->in, c->n, a->dim)) return false;
  for (int i = 1; i < c->n; i++) out->dim[a->dim] += c->in[i]->shape[a->dim];
  out->dtype = c->in[0]->storage->dtype;
  return true;
}

static clg_status cat_forward(clg_op_call *c) {
  int d = ((const cat_attrs *)c->attrs)->dim;
  clg_tensor *y = c->out[0];
  clg_status s = CLG_OK;
  int64_t at = 0;
  for (int i = 0; s == CLG_OK && i < c->n; at += c->in[i++]->shape[d]) {
    clg_tensor *x = c->in[i];
    if (!x->numel) continue;
    clg_tensor *part = clg_tensor_view(y->storage, (size_t)(at * y->stride[d]), y->ndim, x->shape, y->stride);
    s = part ? clg_tensor_assign(part, x, "cat") : clg_last_status(c->ctx);
    clg_tensor_unref(&part);
  }
  return s;
}

static void cat_compose(clg_op_call *c, clg_tensor **d) {
  int dim = ((const cat_attrs *)c->attrs)->dim;
  int64_t at = 0;
  for (int i = 0; i < c->n; i++) {
    int64_t size = clg_op_input(c, i)->dim[dim];
    if (clg_op_wants(c, i)) d[i] = clg_narrow(c->grad, dim, at, size);
    at += size;
  }
}

static const clg_op cat_op = {.name = "cat",
                              .attrs = sizeof(cat_attrs),
                              .traits = CLG_OP_STRIDED | CLG_OP_ANY_TYPE,
                              .shapes = cat_shapes,
                              .forward = cat_forward,
                              .compose = cat_compose};

/* False with the error set. */
static bool count_ok(clg_tensor *const *tensors, size_t n, const char *op) {
  if (!tensors || !n || !tensors[0]) return clg_null(NULL, op) == CLG_OK;
  return n <= UINT16_MAX ||
         clg_refuse(tensors[0]->ctx, CLG_ERR_ARGUMENT, op, "%zu tensors, but at most 65535 can be joined", n);
}

clg_tensor *clg_cat(clg_tensor *const *tensors, size_t n, int dim) {
  return count_ok(tensors, n, "cat") ? clg_op_run(&cat_op, tensors, (int)n, &(cat_attrs){dim}) : NULL;
}

/* The dimension that is new, or -1 with the error set. */
static int stack_dim(clg_tensor *const *in, int n, int dim) {
  if (!clg_inputs_here(in, n, "stack") || !types_ok(in, n, "stack")) return -1;
  clg_context *ctx = in[0]->ctx;
  int ndim = in[0]->ndim + 1, d = clg_dim_of(ctx, dim, ndim, "stack");
  if (d < 0) return -1;
  if (ndim > CLG_MAX_DIMS) {
    clg_fail(ctx, CLG_ERR_SHAPE, "stack", "%d dimensions, but a tensor has 0 to %d", ndim, CLG_MAX_DIMS);
    return -1;
  }
  for (int i = 1; i < n; i++) {
    if (clg_same_shape(in[i], in[0])) continue;
    char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
    clg_fail(ctx, CLG_ERR_SHAPE, "stack", "%s and %s are not of one shape", clg_tensor_text(in[0], a),
             clg_tensor_text(in[i], b));
    return -1;
  }
  return d;
}

clg_tensor *clg_stack(clg_tensor *const *tensors, size_t n, int dim) {
  int d = count_ok(tensors, n, "stack") ? stack_dim(tensors, (int)n, dim) : -1;
  if (d < 0) return NULL;
  clg_context *ctx = tensors[0]->ctx;
  clg_tensor **wide = malloc(n * sizeof *wide);
  if (!wide) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "stack", "out of host memory");
  clg_scope *scope = clg_scope_open(ctx);
  int ndim = tensors[0]->ndim + 1;
  int64_t shape[CLG_MAX_DIMS];
  for (int k = 0; k < ndim; k++) shape[k] = k == d ? 1 : tensors[0]->shape[k - (k > d)];
  for (size_t i = 0; i < n; i++) wide[i] = clg_reshape(tensors[i], ndim, shape);
  clg_tensor *y = clg_cat(wide, n, d);
  free(wide);
  return clg_scope_close_with(scope, y);
}
