/* Whether an activation goes into the kernels of the op in front of it, and what the ops that take it share. */
#include "ops/fused_act.h"

/* Its row; false: there is none. A leaky slope that loses the sign needs the value before it. */
static bool row_of(clg_activation act, float slope, clg_row_id *row) {
  static const clg_row_id rows[] = {[CLG_ACT_RELU] = CLG_ROW_RELU,        [CLG_ACT_LEAKY_RELU] = CLG_ROW_LEAKY_RELU,
                                    [CLG_ACT_TANH] = CLG_ROW_TANH,        [CLG_ACT_SIGMOID] = CLG_ROW_SIGMOID,
                                    [CLG_ACT_GELU] = CLG_ROW_GELU,        [CLG_ACT_SILU] = CLG_ROW_SILU,
                                    [CLG_ACT_SOFTPLUS] = CLG_ROW_SOFTPLUS};
  if (act <= CLG_ACT_NONE || act > CLG_ACT_SOFTPLUS) return false;
  *row = act == CLG_ACT_LEAKY_RELU && !(slope > 0) ? CLG_ROW_LEAKY_RELU_ANY : rows[act];
  return true;
}

bool clg_fused_act_begin(clg_context *ctx, clg_activation act, float slope, bool recomputed, clg_act_choice *c) {
  clg_row_id row;
  *c = (clg_act_choice){.act = CLG_ACT_NONE, .slope = slope};
  if (act == CLG_ACT_NONE) return true;
  clg_formula *f = NULL;
  if (row_of(act, slope, &row) && !(f = clg_formula_row(ctx, row))) return false;
  if (f && clg_formula_fuses(f, recomputed)) {
    c->fused = (clg_fused_act){f, {slope, CLG_SOFTPLUS_LINEAR}};
    return true;
  }
  c->act = act;
  if (clg_scope_opened(c->scope = clg_scope_open(ctx))) return true;
  clg_scope_close(c->scope);
  return false;
}

clg_tensor *clg_fused_act_end(const clg_act_choice *c, clg_tensor *y) {
  return c->act == CLG_ACT_NONE ? y : clg_scope_close_with(c->scope, clg_activate(y, c->act, c->slope));
}

clg_tensor *clg_fused_act_space(const clg_fused_act *act, clg_tensor *g, bool is_unique, const char *op) {
  return act->formula && !is_unique ? clg_tensor_like(g, op) : clg_tensor_ref(g);
}

clg_tensor *clg_fused_act_backward(const clg_fused_act *act, clg_tensor *y, clg_tensor *g, bool is_unique,
                                   const char *op) {
  clg_tensor *z = clg_fused_act_space(act, g, is_unique, op);
  const clg_tensor *in[] = {NULL, y, g};
  if (z && act->formula && clg_map_run(act->formula->grad[0].fn, &z, in, act->numbers, false, op) != CLG_OK)
    clg_tensor_unref(&z);
  return z;
}

clg_tensor *clg_fused_act_compose(const clg_fused_act *act, clg_tensor *y, clg_tensor *g) {
  if (!act->formula) return g;
  return clg_formula_recorded_gradient(act->formula, 0, (clg_tensor *[]){NULL, y, g}, act->numbers);
}

clg_expr clg_fused_act_recompute(clg_recompute *r, const clg_fused_act *act, clg_expr v) {
  if (!act->formula || !v) return v;
  clg_expr number[CLG_EPILOGUE_NUMBERS];
  for (int i = 0; i < act->formula->n_param; i++)
    if (!(number[i] = clg_recompute_number(r, act->numbers[i]))) return 0;
  return clg_formula_over(r->ctx, act->formula, &v, number);
}
