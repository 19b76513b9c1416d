/* Whether an activation goes into the kernels of the op in front of it, and what the ops that take it share. */
#include "ops/activation.h"

/* Its row; false: there is none. A leaky slope that loses the sign needs the value before it. */
static bool row_of(clg_activation act, float slope, clg_row_id *row) {
  switch (act) {
  case CLG_ACT_RELU: return *row = CLG_ROW_RELU, true;
  case CLG_ACT_LEAKY_RELU: return *row = slope > 0 ? CLG_ROW_LEAKY_RELU : CLG_ROW_LEAKY_RELU_ANY, true;
  case CLG_ACT_TANH: return *row = CLG_ROW_TANH, true;
  case CLG_ACT_SIGMOID: return *row = CLG_ROW_SIGMOID, true;
  case CLG_ACT_GELU: return *row = CLG_ROW_GELU, true;
  case CLG_ACT_SILU: return *row = CLG_ROW_SILU, true;
  case CLG_ACT_SOFTPLUS: return *row = CLG_ROW_SOFTPLUS, true;
  default: return false;
  }
}

bool clg_behind_begin(clg_context *ctx, clg_activation act, float slope, bool remade, clg_behind *b) {
  clg_row_id row;
  *b = (clg_behind){.act = CLG_ACT_NONE, .slope = slope};
  if (act == CLG_ACT_NONE) return true;
  clg_formula *f = NULL;
  if (row_of(act, slope, &row) && !(f = clg_formula_row(ctx, row))) return false;
  if (f && clg_formula_fuses(f, remade)) {
    b->fused = (clg_act){f, {slope, CLG_SOFTPLUS_LINEAR}};
    return true;
  }
  b->act = act;
  if (clg_scope_opened(b->scope = clg_scope_open(ctx))) return true;
  clg_scope_close(b->scope);
  return false;
}

clg_tensor *clg_behind_end(const clg_behind *b, clg_tensor *y) {
  return b->act == CLG_ACT_NONE ? y : clg_scope_close_with(b->scope, clg_activate(y, b->act, b->slope));
}

clg_tensor *clg_behind_recorded(const clg_act *act, clg_tensor *y, clg_tensor *g) {
  return clg_formula_recorded_gradient(act->formula, 0, (clg_tensor *[]){NULL, y, g}, act->numbers);
}

clg_expr clg_behind_recompute(clg_recompute *r, const clg_act *act, clg_expr v) {
  clg_expr number[CLG_EPILOGUE_NUMBERS];
  bool ok = v != 0;
  for (int i = 0; ok && i < act->formula->n_param; i++)
    ok = (number[i] = clg_recompute_number(r, act->numbers[i])) != 0;
  return ok ? clg_formula_over(r->ctx, act->formula, &v, number) : 0;
}
