/* Variances over dimensions. */
#include "ops/compose.h"
#include "ops/formula.h"
#include <clgrad/ops.h>

typedef struct var_attrs {
  uint32_t dims;
  float n; /* or n - 1 */
} var_attrs;

/* dx = 2/n * (x - mean) * g: the mean is computed again instead of kept. */
static clg_status var_backward(clg_node *n, clg_tensor *g) {
  const var_attrs *a = n->attrs;
  clg_tensor *x = clg_node_unpack_view(n, 0);
  if (!x) return clg_last_status(n->ctx);
  clg_scope *scope = clg_scope_open(n->ctx);
  int dims[CLG_MAX_DIMS], count = clg_mask_dims(x, a->dims, dims);
  clg_tensor *wide = clg_respread(g, a->dims, x->ndim, x->shape), *m = clg_mean(x, dims, count, true);
  clg_tensor *d = m && wide ? clg_row_apply(CLG_ROW_CENTRED, (clg_tensor *[]){x, m, wide}, (float[]){2 / a->n}) : NULL;
  clg_tensor_unref(&wide);
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
  clg_tensor *in[] = {x, clg_mean(x, dims, n, true)};
  clg_tensor *y = clg_tensor_ref(clg_formula_mean(clg_formula_row(x->ctx, CLG_ROW_VAR), in, a.n, a.dims, keepdim));
  clg_set_grad_mode(x->ctx, mode);
  clg_scope_close(scope);
  if (y && clg_records(&x, 1) && var_record(x, y, a) != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}
