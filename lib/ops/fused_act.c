/* Whether an activation goes into the kernels of the op in front of it, and what the ops that take it share. */
#include "ops/fused_act.h"

bool clg_fused_act_begin(clg_context *ctx, const clg_act *act, bool recomputed, const char *op, clg_act_choice *c) {
  clg_fused_act found;
  *c = (clg_act_choice){.scope = NULL};
  if (!clg_act_find(ctx, act, op, &found)) return false;
  bool fuses = !found.formula || clg_formula_fuses(found.formula, recomputed);
  *(fuses ? &c->fused : &c->apart) = found;
  if (fuses || clg_scope_opened(c->scope = clg_scope_open(ctx))) return true;
  clg_scope_close(c->scope);
  return false;
}

clg_tensor *clg_fused_act_end(const clg_act_choice *c, clg_tensor *y) {
  if (!c->apart.formula) return y;
  return clg_scope_close_with(c->scope, y ? clg_formula_apply(c->apart.formula, &y, c->apart.numbers, 0, false) : NULL);
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

clg_tensor *clg_fused_act_compose_from(const clg_fused_act *act, clg_tensor *v, clg_tensor *g) {
  if (!act->formula) return g;
  clg_tensor *y = v ? clg_formula_apply(act->formula, &v, act->numbers, 0, false) : NULL;
  return y ? clg_formula_recorded_gradient(act->formula, 0, (clg_tensor *[]){v, y, g}, act->numbers) : NULL;
}

clg_expr clg_fused_act_recompute(clg_recompute *r, const clg_fused_act *act, clg_expr v) {
  if (!act->formula || !v) return v;
  clg_expr number[CLG_EPILOGUE_NUMBERS];
  for (int i = 0; i < act->formula->n_param; i++)
    if (!(number[i] = clg_recompute_number(r, act->numbers[i]))) return 0;
  return clg_formula_over(r->ctx, act->formula, &v, number);
}
