/* Variances over dimensions. */
#include "ops/compose.h"
#include "ops/formula.h"
#include <clgrad/ops.h>

typedef struct var_attrs {
  uint32_t dims;
  float n; /* or n - 1 */
} var_attrs;

/* Where values are measured from: the first of each range, so that equal ones have a variance of 0, and the mean of the
 * differences. References, without and with a graph; false with the error set. An empty range has no first. */
static bool measure(clg_tensor *x, uint32_t dims, clg_tensor **first, clg_tensor **mean) {
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) shape[d] = dims >> d & 1 && x->numel ? 1 : x->shape[d];
  *first = clg_tensor_view(x->storage, x->offset, x->ndim, shape, x->stride);
  clg_tensor *in[] = {x, *first};
  *mean = *first ? clg_tensor_ref(clg_formula_mean(clg_formula_row(x->ctx, CLG_ROW_MEAN_FROM), in,
                                                   (float)clg_mask_numel(x, dims), dims, true))
                 : NULL;
  return *mean;
}

/* dx = 2/n * (x - mean) * g: the mean is computed again instead of kept. */
static clg_status var_backward(clg_node *n, clg_tensor *g) {
  const var_attrs *a = n->attrs;
  clg_tensor *x = clg_node_unpack_view(n, 0);
  if (!x) return clg_last_status(n->ctx);
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_tensor *wide = clg_respread(g, a->dims, x->ndim, x->shape), *first = NULL, *m = NULL, *d = NULL;
  if (wide && measure(x, a->dims, &first, &m))
    d = clg_row_apply(CLG_ROW_CENTRED, (clg_tensor *[]){x, clg_add(first, m), wide}, (float[]){2 / a->n});
  clg_tensor_unref(&wide);
  clg_tensor_unref(&first);
  clg_tensor_unref(&m);
  clg_status s = clg_give_result(n, 0, scope, d);
  clg_tensor_unref(&x);
  return s;
}
static const clg_node_class var_class = {.backward = var_backward};

static clg_status var_record(clg_tensor *x, clg_tensor *y, var_attrs attrs) {
  clg_node *n = clg_node_create(&x, 1, 1, sizeof attrs, &var_class, "var");
  if (!n) return CLG_ERR_HOST_MEMORY;
  *(var_attrs *)n->attrs = attrs;
  clg_status s = clg_node_save(n, 0, x, 0);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

clg_tensor *clg_var(clg_tensor *x, const int *dims, int n, bool unbiased, bool keepdim) {
  var_attrs a = {0};
  if (!clg_inputs_ok(&x, 1, "var") || !clg_dims_mask(x, dims, n, &a.dims, "var")) return NULL;
  a.n = (float)(clg_mask_numel(x, a.dims) - (unbiased ? 1 : 0));
  clg_scope *scope = clg_scope_open(x->ctx);
  bool mode = clg_set_grad_mode(x->ctx, false);
  clg_tensor *in[] = {x, NULL, NULL}, *y = NULL;
  if (measure(x, a.dims, &in[1], &in[2]))
    y = clg_tensor_ref(clg_formula_mean(clg_formula_row(x->ctx, CLG_ROW_VAR), in, a.n, a.dims, keepdim));
  clg_tensor_unref(&in[1]);
  clg_tensor_unref(&in[2]);
  clg_set_grad_mode(x->ctx, mode);
  clg_scope_close(scope);
  if (y && clg_records(&x, 1) && var_record(x, y, a) != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}
