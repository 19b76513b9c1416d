/* Whether an activation goes into the kernels of the op in front of it, and what the ops that take it share. */
#include "ops/activation.h"

/* A leaky slope that loses the sign needs the value before it. */
static bool fuses(clg_activation act, float slope, clg_row_id *row) {
  switch (act) {
  case CLG_ACT_RELU: return *row = CLG_ROW_RELU, true;
  case CLG_ACT_LEAKY_RELU: return *row = CLG_ROW_LEAKY_RELU, slope > 0;
  case CLG_ACT_TANH: return *row = CLG_ROW_TANH, true;
  case CLG_ACT_SIGMOID: return *row = CLG_ROW_SIGMOID, true;
  default: return false;
  }
}

bool clg_behind_begin(clg_context *ctx, clg_activation act, float slope, clg_behind *b) {
  clg_row_id row;
  *b = (clg_behind){.act = CLG_ACT_NONE, .slope = slope};
  if (act == CLG_ACT_NONE) return true;
  if (fuses(act, slope, &row)) return (b->fused = clg_formula_row(ctx, row)) != NULL;
  b->act = act;
  if (clg_scope_opened(b->scope = clg_scope_open(ctx))) return true;
  clg_scope_close(b->scope);
  return false;
}

clg_tensor *clg_behind_end(const clg_behind *b, clg_tensor *y) {
  return b->act == CLG_ACT_NONE ? y : clg_scope_close_with(b->scope, clg_activate(y, b->act, b->slope));
}

clg_tensor *clg_behind_recorded(clg_formula *act, float slope, clg_tensor *y, clg_tensor *g) {
  return clg_formula_recorded_gradient(act, 0, (clg_tensor *[]){NULL, y, g}, &slope);
}

clg_expr clg_behind_recompute(clg_recompute *r, const clg_formula *act, float slope, clg_expr v) {
  clg_expr number = act->n_param ? clg_recompute_number(r, slope) : 0;
  return v && (number || !act->n_param) ? clg_formula_over(r->ctx, act, &v, &number) : 0;
}
