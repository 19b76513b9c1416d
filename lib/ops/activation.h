/* The activation behind an op, as its options ask for it: in the op's own kernels where its gradient can be had from
 * its result alone, else as an op of its own behind them. The rule is here; the ops' kernels take the formula. */
#ifndef CLG_OPS_ACTIVATION_H
#define CLG_OPS_ACTIVATION_H

#include "graph/recompute.h"
#include "kernel/kernel.h"
#include "ops/formula.h"

/* In the op's kernels. */
typedef struct clg_act {
  clg_formula *formula; /* NULL: none */
  float numbers[CLG_EPILOGUE_NUMBERS];
} clg_act;

typedef struct clg_behind {
  clg_act fused;
  clg_activation act; /* as an op behind them; CLG_ACT_NONE: none */
  float slope;
  clg_scope *scope; /* of what such an op reads */
} clg_behind;

/* Decides; false with the error set. `remade`: the op's backward makes the values before the activation again. Whatever
 * becomes of the op then, its result y (NULL on error) goes through clg_behind_end, which returns the op result of the
 * whole. */
bool clg_behind_begin(clg_context *ctx, clg_activation act, float slope, bool remade, clg_behind *b);
clg_tensor *clg_behind_end(const clg_behind *b, clg_tensor *y);

/* The gradient before a fused activation with result y from g behind it, by recorded ops. */
clg_tensor *clg_behind_recorded(const clg_act *act, clg_tensor *y, clg_tensor *g);
/* The activation of v in a formula. 0: the formula can't be written. */
clg_expr clg_behind_recompute(clg_recompute *r, const clg_act *act, clg_expr v);

#endif
