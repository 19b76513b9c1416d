/* Losses that are formulas with a reduction behind them. */
#include "ops/dims.h"
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <string.h>

clg_loss_options clg_loss_defaults(void) { return (clg_loss_options){.ignore_index = -100}; }

/* Row `id`, whose number s scales it, reduced. */
static clg_tensor *reduced(clg_row_id id, clg_tensor *x, clg_tensor *t, clg_reduction reduction) {
  clg_formula *f = clg_formula_row(x->ctx, id);
  if (!f) return NULL;
  clg_tensor *const in[] = {x, t};
  const float one = 1;
  uint32_t all = (1u << x->ndim) - 1;
  if (reduction == CLG_REDUCTION_MEAN) return clg_formula_mean(f, in, (float)x->numel, all, false);
  return clg_formula_apply(f, in, &one, reduction == CLG_REDUCTION_NONE ? 0 : all, false);
}

static clg_tensor *reduce(clg_tensor *y, clg_reduction reduction) {
  if (!y || reduction == CLG_REDUCTION_NONE) return y;
  return reduction == CLG_REDUCTION_SUM ? clg_sum(y, NULL, 0, false) : clg_mean(y, NULL, 0, false);
}

static clg_tensor *weighted(clg_row_id id, clg_tensor *x, clg_tensor *t, const clg_loss_options *o) {
  clg_scope *scope = clg_scope_open(x->ctx);
  clg_tensor *y = o->pos_weight ? clg_row_apply(CLG_ROW_BCE_LOGITS_POS, (clg_tensor *[]){x, t, o->pos_weight}, NULL)
                                : reduced(id, x, t, CLG_REDUCTION_NONE);
  if (o->weight) y = clg_mul(y, o->weight);
  return clg_scope_close_with(scope, reduce(y, o->reduction));
}

/* Broadcasting [N,1] with [N] would compare every element with every other one. */
static bool shapes_ok(clg_tensor *x, clg_tensor *t, const clg_loss_options *o, const char *op) {
  char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
  if (!clg_same_shape(x, t))
    return clg_refuse(x->ctx, CLG_ERR_SHAPE, op,
                      "shapes %s and %s: the target must have that of x (reshape or expand it)", clg_tensor_text(x, a),
                      clg_tensor_text(t, b));
  clg_tensor *const weights[] = {o->weight, o->pos_weight};
  for (int i = 0; i < 2; i++) {
    int ndim = x->ndim;
    int64_t shape[CLG_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    const clg_tensor *w = weights[i];
    if (!w ||
        (clg_broadcast(&ndim, shape, w) && ndim == x->ndim && !memcmp(shape, x->shape, (size_t)ndim * sizeof *shape)))
      continue;
    return clg_refuse(x->ctx, CLG_ERR_SHAPE, op, "weight %s does not broadcast to x %s", clg_tensor_text(w, b),
                      clg_tensor_text(x, a));
  }
  return true;
}

static clg_tensor *loss(clg_row_id id, clg_tensor *x, clg_tensor *t, const clg_loss_options *options) {
  const clg_loss_options usual = clg_loss_defaults(), *o = options ? options : &usual;
  const char *op = clg_rows[id].name;
  if (!clg_inputs_here((clg_tensor *[]){x, t}, 2, op)) return NULL;
  if (o->reduction < CLG_REDUCTION_MEAN || o->reduction > CLG_REDUCTION_NONE)
    return clg_fail_object(x->ctx, CLG_ERR_ARGUMENT, op, "there is no reduction number %d", (int)o->reduction);
  if ((o->pos_weight && id != CLG_ROW_BCE_LOGITS) || o->label_smoothing != 0 || o->ignore_index != usual.ignore_index)
    return clg_fail_object(x->ctx, CLG_ERR_ARGUMENT, op, "an option is set that this loss does not have");
  if (!shapes_ok(x, t, o, op)) return NULL;
  return o->weight || o->pos_weight ? weighted(id, x, t, o) : reduced(id, x, t, o->reduction);
}

clg_tensor *clg_bce_with_logits_loss(clg_tensor *x, clg_tensor *t, const clg_loss_options *o) {
  return loss(CLG_ROW_BCE_LOGITS, x, t, o);
}
clg_tensor *clg_bce_loss(clg_tensor *x, clg_tensor *t, const clg_loss_options *o) { return loss(CLG_ROW_BCE, x, t, o); }
clg_tensor *clg_l1_loss(clg_tensor *x, clg_tensor *t, const clg_loss_options *o) { return loss(CLG_ROW_L1, x, t, o); }
clg_tensor *clg_mse_loss(clg_tensor *x, clg_tensor *t, const clg_loss_options *o) { return loss(CLG_ROW_MSE, x, t, o); }
