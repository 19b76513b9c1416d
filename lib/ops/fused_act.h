/* The activation behind an op, as its options ask for it: in the op's own kernels where its gradient can be had from
 * its result alone, else as an op of its own behind them. The rule is here; the ops' kernels take the formula. */
#ifndef CLG_OPS_FUSED_ACT_H
#define CLG_OPS_FUSED_ACT_H

#include "graph/recompute.h"
#include "kernel/kernel.h"
#include "ops/formula.h"

/* In the op's kernels. */
typedef struct clg_fused_act {
  clg_formula *formula; /* NULL: none */
  float numbers[CLG_EPILOGUE_NUMBERS];
} clg_fused_act;

/* What a program asks for, compiled. False with the error set. */
bool clg_act_find(clg_context *ctx, const clg_act *act, const char *op, clg_fused_act *out);

/* What becomes of it. */
typedef struct clg_act_choice {
  clg_fused_act fused, apart; /* in the op's kernels, or as an op of its own */
  clg_scope *scope;           /* of what such an op reads */
} clg_act_choice;

/* Decides; false with the error set. `recomputed`: the op's backward makes the values before the activation again.
 * Whatever becomes of the op then, its result y (NULL on error) goes through clg_fused_act_end, which returns the op
 * result of the whole. */
bool clg_fused_act_begin(clg_context *ctx, const clg_act *act, bool recomputed, const char *op, clg_act_choice *c);
clg_tensor *clg_fused_act_end(const clg_act_choice *c, clg_tensor *y);

/* What `write` (clg_formula_epilogue, _gradient, _both) gives the kernels; NULL without an activation. False with the
 * error set. */
static inline bool clg_fused_act_text(clg_context *ctx, const clg_fused_act *act,
                                      const char *(*write)(clg_context *, clg_formula *), const char **text) {
  *text = act->formula ? write(ctx, act->formula) : NULL;
  return *text || !act->formula;
}

/* Where the gradient before it goes: g itself without one, or where it may be written over. A reference. */
clg_tensor *clg_fused_act_space(const clg_fused_act *act, clg_tensor *g, bool is_unique, const char *op);
/* The same with the gradient in it, made by its kernel from the result y and the gradient g behind it. */
clg_tensor *clg_fused_act_backward(const clg_fused_act *act, clg_tensor *y, clg_tensor *g, bool is_unique,
                                   const char *op);
/* The same by recorded ops: an op result. */
clg_tensor *clg_fused_act_compose(const clg_fused_act *act, clg_tensor *y, clg_tensor *g);
/* From its argument v instead of its result. */
clg_tensor *clg_fused_act_compose_from(const clg_fused_act *act, clg_tensor *v, clg_tensor *g);
/* The activation, if there is one, of v in a formula. 0: the formula can't be written. */
clg_expr clg_fused_act_recompute(clg_recompute *r, const clg_fused_act *act, clg_expr v);

#endif
