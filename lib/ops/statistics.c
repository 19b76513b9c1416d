/* Variances and deviations over dimensions. */
#include "ops/dims.h"
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <math.h>

typedef struct var_attrs {
  uint32_t dims;
  float n; /* or n - 1 */
  bool keepdim;
} var_attrs;

/* Where values are measured from: the first of each range, so that equal ones have a variance of 0, and the mean of the
 * differences, without and with a graph. *first is a reference; false with the error set. An empty range has no first.
 */
static bool measure(clg_tensor *x, uint32_t dims, clg_tensor **first, clg_tensor **mean) {
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) shape[d] = dims >> d & 1 && x->numel ? 1 : x->shape[d];
  *first = clg_tensor_view(x->storage, x->offset, x->ndim, shape, x->stride);
  clg_tensor *in[] = {x, *first};
  *mean = *first ? clg_formula_mean(clg_formula_row(x->ctx, CLG_ROW_MEAN_FROM), in, (float)clg_mask_numel(x, dims),
                                    dims, true)
                 : NULL;
  return *mean;
}

static clg_status forward(clg_op_call *c) {
  const var_attrs *a = c->attrs;
  clg_scope *scope = clg_scope_open(c->ctx);
  bool mode = clg_set_grad_mode(c->ctx, false);
  clg_tensor *in[] = {c->in[0], NULL, NULL};
  if (measure(c->in[0], a->dims, &in[1], &in[2]))
    c->out[0] = clg_tensor_ref(clg_formula_mean(clg_formula_row(c->ctx, CLG_ROW_VAR), in, a->n, a->dims, a->keepdim));
  clg_tensor_unref(&in[1]);
  clg_set_grad_mode(c->ctx, mode);
  clg_scope_close(scope);
  return c->out[0] ? CLG_OK : clg_last_status(c->ctx);
}

/* dx = 2/n * (x - mean) * g: the mean is computed again instead of kept. */
static void compose(clg_op_call *c, clg_tensor **d) {
  const var_attrs *a = c->attrs;
  clg_tensor *x = c->in[0], *g = clg_expand_reduced(c->grad, a->dims, x->ndim, x->shape), *first = NULL, *m = NULL;
  if (g && measure(x, a->dims, &first, &m))
    d[0] = clg_row_apply(CLG_ROW_CENTRED, (clg_tensor *[]){x, clg_add(first, m), g}, (float[]){2 / a->n});
  clg_tensor_unref(&first);
}

static const clg_op var_op = {.name = "var",
                              .attrs = sizeof(var_attrs),
                              .traits = CLG_OP_STRIDED | CLG_OP_MAKES | CLG_OP_NO_PLACES,
                              .forward = forward,
                              .reads = CLG_IN(0),
                              .compose = compose};

clg_tensor *clg_var(clg_tensor *x, const int *dims, int n, bool unbiased, bool keepdim) {
  var_attrs a = {.keepdim = keepdim};
  if (!clg_inputs_ok(&x, 1, "var") || !clg_dims_mask(x, dims, n, &a.dims, "var")) return NULL;
  a.n = (float)(clg_mask_numel(x, a.dims) - (unbiased ? 1 : 0));
  return clg_op_run(&var_op, &x, 1, &a);
}

/* ---- deviations: a norm, so that they are in range where squares are not ---- */

static clg_status std_forward(clg_op_call *c) {
  const var_attrs *a = c->attrs;
  int dims[CLG_MAX_DIMS], n = clg_mask_dims(c->in[0], a->dims, dims);
  clg_scope *scope = clg_scope_open(c->ctx);
  bool mode = clg_set_grad_mode(c->ctx, false);
  clg_tensor *in[] = {c->in[0], NULL, NULL}, *y = NULL;
  if (measure(c->in[0], a->dims, &in[1], &in[2]))
    y = clg_norm(clg_row_apply(CLG_ROW_DEVIATION, in, (float[]){1 / sqrtf(a->n)}), 2, dims, n, a->keepdim);
  if (!(a->n > 0)) y = clg_mul_scalar(y, NAN); /* of too few */
  c->out[0] = clg_tensor_ref(y);
  clg_tensor_unref(&in[1]);
  clg_set_grad_mode(c->ctx, mode);
  clg_scope_close(scope);
  return c->out[0] ? CLG_OK : clg_last_status(c->ctx);
}

/* dx = (x - mean)/std * g/n */
static void std_compose(clg_op_call *c, clg_tensor **d) {
  const var_attrs *a = c->attrs;
  clg_tensor *x = c->in[0], *first = NULL, *m = NULL,
             *y = clg_expand_reduced(c->out[0], a->dims, x->ndim, x->shape),
             *g = clg_expand_reduced(clg_mul_scalar(c->grad, 1 / a->n), a->dims, x->ndim, x->shape);
  if (g && measure(x, a->dims, &first, &m))
    d[0] = clg_row_apply(CLG_ROW_STD_GRADIENT, (clg_tensor *[]){x, first, m, y, g}, NULL);
  clg_tensor_unref(&first);
}

static const clg_op std_op = {.name = "std",
                              .attrs = sizeof(var_attrs),
                              .traits = CLG_OP_STRIDED | CLG_OP_MAKES | CLG_OP_NO_PLACES,
                              .forward = std_forward,
                              .reads = CLG_IN(0) | CLG_OUT(0),
                              .compose = std_compose};

clg_tensor *clg_std(clg_tensor *x, const int *dims, int n, bool unbiased, bool keepdim) {
  var_attrs a = {.keepdim = keepdim};
  if (!clg_inputs_ok(&x, 1, "std") || !clg_dims_mask(x, dims, n, &a.dims, "std")) return NULL;
  a.n = (float)(clg_mask_numel(x, a.dims) - (unbiased ? 1 : 0));
  return clg_op_run(&std_op, &x, 1, &a);
}
