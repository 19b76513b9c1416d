/* Losses: formulas with a mean behind them. */
#include "ops/formula.h"
#include <clgrad/ops.h>

static clg_tensor *mean_of(clg_row_id id, clg_tensor *x, clg_tensor *t) {
  if (!x || !t) return NULL;
  clg_formula *f = clg_formula_row(x->ctx, id);
  if (!f) return NULL;
  int ndim = x->ndim;
  int64_t shape[CLG_MAX_DIMS], n = 1;
  for (int d = 0; d < ndim; d++) shape[d] = x->shape[d];
  bool fits = clg_broadcast(&ndim, shape, t);
  for (int d = 0; fits && d < ndim; d++) n *= shape[d];
  float s = 1.0f / (float)n;
  return clg_formula_apply(f, (clg_tensor *[]){x, t}, &s, (1u << ndim) - 1, false);
}

clg_tensor *clg_bce_with_logits(clg_tensor *x, clg_tensor *t) { return mean_of(CLG_ROW_BCE_LOGITS, x, t); }
clg_tensor *clg_mse_loss(clg_tensor *x, clg_tensor *t) { return mean_of(CLG_ROW_MSE, x, t); }
