/* Cross entropy of logits with labels or with probabilities: log softmax, and a weighted pick or sum. */
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/formula.h"
#include "ops/index/indexing.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

/* ---- the weight of each label ---- */

enum { IN_LABEL, IN_WEIGHT };

typedef struct weight_attrs {
  int64_t classes;
  int ignore;
} weight_attrs;

static clg_status weights_forward(clg_op_call *c) {
  const weight_attrs *a = c->attrs;
  clg_tensor *w = c->in[IN_WEIGHT], *y = c->out[0];
  if (!y->numel) return CLG_OK;
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){c->in[IN_LABEL], w, y}, 3, y);
  clg_args_u32(&args, (uint32_t)a->classes);
  clg_args_i32(&args, a->ignore);
  clg_args_u32(&args, w != NULL);
  clg_args_u32(&args, (uint32_t)y->numel);
  clg_kernel *k = clg_kernel_get(c->ctx, "elements.cl", NULL, "element_weights");
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, y->numel, INDEX_PIECE);
}

static const clg_op weights_op = {.name = "cross_entropy_loss",
                                  .attrs = sizeof(weight_attrs),
                                  .traits = CLG_OP_ANY_TYPE | CLG_OP_CONSTANT,
                                  .optional = CLG_IN(IN_WEIGHT),
                                  .forward = weights_forward};

/* Of the label's shape. An op result. */
static clg_tensor *label_weights(clg_tensor *label, clg_tensor *weight, int64_t classes, int ignore) {
  return clg_op_run(&weights_op, (clg_tensor *[]){label, weight}, 2, &(weight_attrs){classes, ignore});
}

/* ---- the loss ---- */

/* x times w, but 0 where w is: an ignored label, or a class of probability 0, counts nothing even where its logarithm
 * is -inf. */
static clg_tensor *counted(clg_tensor *x, clg_tensor *w) {
  return x && w ? clg_row_apply(CLG_ROW_COUNTED, (clg_tensor *[]){x, w}, NULL) : NULL;
}

/* The negative loss of each label, with 1 at the classes' dimension d. *mean_weight: their mean weight, which the mean
 * divides by. */
static clg_tensor *by_labels(clg_tensor *lp, clg_tensor *label, int d, const clg_loss_options *o,
                             clg_tensor **mean_weight) {
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, lp->shape, sizeof shape);
  shape[d] = 1;
  label = clg_reshape(label, lp->ndim, shape);
  if (!label) return NULL;
  clg_tensor *w = label_weights(label, o->weight, lp->shape[d], o->ignore_index);
  clg_tensor *y = w ? counted(clg_gather_along(lp, label, d), w) : NULL;
  if (o->reduction == CLG_REDUCTION_MEAN) *mean_weight = clg_mean(w, NULL, 0, false);
  if (o->label_smoothing == 0) return y;
  clg_tensor *counts = o->weight ? label_weights(label, NULL, lp->shape[d], o->ignore_index) : w;
  clg_tensor *all = clg_sum(o->weight ? counted(lp, clg_over_dim(o->weight, lp, d)) : lp, (int[]){d}, 1, true);
  float each = o->label_smoothing / (float)lp->shape[d];
  return clg_add(clg_mul_scalar(y, 1 - o->label_smoothing), clg_mul_scalar(counted(all, counts), each));
}

/* The same for probabilities t of lp's shape. */
static clg_tensor *by_probabilities(clg_tensor *lp, clg_tensor *t, int d, const clg_loss_options *o) {
  if (o->label_smoothing != 0)
    t = clg_add_scalar(clg_mul_scalar(t, 1 - o->label_smoothing), o->label_smoothing / (float)lp->shape[d]);
  if (o->weight) t = clg_mul(t, clg_over_dim(o->weight, lp, d));
  return clg_sum(counted(lp, t), (int[]){d}, 1, true);
}

static bool shapes_ok(clg_tensor *x, clg_tensor *t, int d, const clg_loss_options *o) {
  bool labels = t->storage->dtype == CLG_I32, ok = x->ndim >= 1 && t->ndim == x->ndim - (labels ? 1 : 0);
  for (int k = 0; ok && k < t->ndim; k++) ok = t->shape[k] == x->shape[labels && k >= d ? k + 1 : k];
  if (ok && o->weight) ok = o->weight->ndim == 1 && o->weight->shape[0] == x->shape[d];
  if (ok) return true;
  char s[3][CLG_SHAPE_TEXT];
  return clg_refuse(
      x->ctx, CLG_ERR_SHAPE, "cross_entropy_loss",
      "x %s, target %s, weight %s: want [N,C,..] or [C], int32 labels [N,..] or float32 probabilities of x's "
      "shape, [C]",
      clg_tensor_text(x, s[0]), clg_tensor_text(t, s[1]), clg_tensor_text(o->weight, s[2]));
}

static bool inputs_ok(clg_tensor *x, clg_tensor *t, int d, const clg_loss_options *o) {
  clg_context *ctx = x->ctx;
  clg_tensor *const floats[] = {x, o->weight ? o->weight : x};
  if (!clg_inputs_ok(floats, 2, "cross_entropy_loss") || !shapes_ok(x, t, d, o)) return false;
  if (o->reduction < CLG_REDUCTION_MEAN || o->reduction > CLG_REDUCTION_NONE)
    return clg_refuse(ctx, CLG_ERR_ARGUMENT, "cross_entropy_loss", "there is no reduction number %d",
                      (int)o->reduction);
  if (!(o->label_smoothing >= 0 && o->label_smoothing <= 1))
    return clg_refuse(ctx, CLG_ERR_ARGUMENT, "cross_entropy_loss", "label_smoothing must be in [0,1]");
  if (o->pos_weight)
    return clg_refuse(ctx, CLG_ERR_ARGUMENT, "cross_entropy_loss", "pos_weight is bce_with_logits_loss's");
  if (t->storage->dtype == CLG_F32) return clg_inputs_ok((clg_tensor *[]){x, t}, 2, "cross_entropy_loss");
  int64_t ignore = o->ignore_index, low = 0, high = x->shape[d] - 1;
  if (ignore < low) low = ignore;
  if (ignore > high) high = ignore;
  return clg_index_within(t, low, high, "cross_entropy_loss");
}

/* Reduces the negative losses y, with 1 at dimension d.  */
static clg_tensor *finish(clg_tensor *y, int d, clg_reduction reduction, clg_tensor *mean_weight) {
  if (!y) return NULL;
  if (reduction == CLG_REDUCTION_NONE) {
    int64_t shape[CLG_MAX_DIMS];
    int n = 0;
    for (int k = 0; k < y->ndim; k++)
      if (k != d) shape[n++] = y->shape[k];
    return clg_neg(clg_reshape(y, n, shape));
  }
  if (reduction == CLG_REDUCTION_SUM) return clg_neg(clg_sum(y, NULL, 0, false));
  /* A quotient of means: the sums may leave the range of a float. */
  y = clg_mean(y, NULL, 0, false);
  return clg_neg(mean_weight ? clg_div(y, mean_weight) : y);
}

clg_tensor *clg_cross_entropy_loss(clg_tensor *x, clg_tensor *target, const clg_loss_options *options) {
  const clg_loss_options usual = clg_loss_defaults(), *o = options ? options : &usual;
  if (!clg_inputs_here((clg_tensor *[]){x, target}, 2, "cross_entropy_loss")) return NULL;
  int d = x->ndim > 1 ? 1 : 0;
  if (!inputs_ok(x, target, d, o)) return NULL;
  clg_scope *scope = clg_scope_open(x->ctx);
  clg_tensor *lp = clg_log_softmax(x, d), *mean_weight = NULL, *y = NULL;
  bool labels = target->storage->dtype == CLG_I32;
  if (lp) y = labels ? by_labels(lp, target, d, o, &mean_weight) : by_probabilities(lp, target, d, o);
  if (y && labels && o->reduction == CLG_REDUCTION_MEAN && !mean_weight) y = NULL;
  return clg_scope_close_with(scope, finish(y, d, o->reduction, mean_weight));
}
