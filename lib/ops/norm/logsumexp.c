/* log(sum(exp(x))), from the maximum, so that nothing overflows. */
#include "ops/dims.h"
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <math.h>

typedef struct lse_attrs {
  uint32_t dims;
  bool keepdim;
} lse_attrs;

/* Kept as dimensions of size 1; of no elements what a maximum begins from. */
static clg_tensor *maximum(clg_tensor *x, uint32_t mask) {
  int dims[CLG_MAX_DIMS], n = clg_mask_dims(x, mask, dims);
  if (clg_mask_numel(x, mask)) return clg_amax(x, dims, n, true);
  int64_t kept[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) kept[d] = mask >> d & 1 ? 1 : x->shape[d];
  return clg_full(x->ctx, x->ndim, kept, -INFINITY);
}

static clg_tensor *compute(clg_tensor *x, const lse_attrs *a) {
  clg_tensor *most = maximum(x, a->dims);
  clg_formula *f = most ? clg_formula_row(x->ctx, CLG_ROW_LOGSUMEXP_TERM) : NULL;
  clg_tensor *sum = f ? clg_formula_apply(f, (clg_tensor *[]){x, most}, NULL, a->dims, a->keepdim) : NULL;
  if (!sum) return NULL;
  return clg_row_apply(CLG_ROW_LOGSUMEXP, (clg_tensor *[]){sum, clg_reshape(most, sum->ndim, sum->shape)}, NULL);
}

static clg_status forward(clg_op_call *c) {
  clg_scope *scope = clg_scope_open(c->ctx);
  bool mode = clg_set_grad_mode(c->ctx, false);
  c->out[0] = clg_tensor_ref(compute(c->in[0], c->attrs));
  clg_set_grad_mode(c->ctx, mode);
  clg_scope_close(scope);
  return c->out[0] ? CLG_OK : clg_last_status(c->ctx);
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const lse_attrs *a = c->attrs;
  clg_tensor *x = c->in[0], *y = clg_expand_reduced(c->out[0], a->dims, x->ndim, x->shape),
             *g = clg_expand_reduced(c->grad, a->dims, x->ndim, x->shape);
  d[0] = clg_row_apply(CLG_ROW_LOGSUMEXP_GRADIENT, (clg_tensor *[]){g, x, y}, NULL);
}

static const clg_op logsumexp_op = {.name = "logsumexp",
                                    .attrs = sizeof(lse_attrs),
                                    .traits = CLG_OP_STRIDED | CLG_OP_MAKES | CLG_OP_NO_PLACES,
                                    .forward = forward,
                                    .reads = CLG_IN(0) | CLG_OUT(0),
                                    .compose = compose};

clg_tensor *clg_logsumexp(clg_tensor *x, const int *dims, int n, bool keepdim) {
  lse_attrs a = {.keepdim = keepdim};
  if (!clg_inputs_ok(&x, 1, "logsumexp") || !clg_dims_mask(x, dims, n, &a.dims, "logsumexp")) return NULL;
  return clg_op_run(&logsumexp_op, &x, 1, &a);
}
