/* Batch norm over x [N,C,..]. Saves the input and, a channel each, mean and 1/std. Its kernels: batch_norm_launch.c. */
#include "ops/norm/batch_norm.h"
#include "ops/dims.h"
#include "ops/norm/normalise.h"
#include <clgrad/ops.h>

/* ---- checks ---- */

static bool shapes_ok(clg_tensor *x, clg_tensor *const *in) {
  int bad = 0;
  for (int i = INS - 1; i > 0; i--)
    if (in[i] && (in[i]->ndim != 1 || x->ndim < 2 || in[i]->shape[0] != x->shape[1])) bad = i;
  if (x->ndim >= 2 && !bad) return true;
  static const char *const name[] = {"", ", gamma", ", beta", ", running_mean", ", running_var"};
  char s[CLG_SHAPE_TEXT], other[CLG_SHAPE_TEXT] = "";
  if (bad) clg_tensor_text(in[bad], other);
  return clg_refuse(x->ctx, CLG_ERR_SHAPE, "batch_norm", "x %s%s %s: want [N,C,..], and [C] for the others",
                    clg_tensor_text(x, s), name[bad], other);
}

static bool state_ok(clg_tensor *x, clg_tensor *const *in, const clg_batch_attrs *a) {
  clg_context *ctx = x->ctx;
  if (!in[IN_RUNNING_MEAN] != !in[IN_RUNNING_VAR])
    return clg_refuse(ctx, CLG_ERR_ARGUMENT, "batch_norm", "one running statistic is given without the other");
  if (!a->training && !in[IN_RUNNING_MEAN])
    return clg_refuse(ctx, CLG_ERR_ARGUMENT, "batch_norm", "evaluation needs the running statistics");
  const size_t shards = a->training && a->meeting.gather ? a->meeting.shards : 1;
  if (a->training && a->meeting.gather && (!shards || !x->numel))
    return clg_refuse(ctx, CLG_ERR_ARGUMENT, "batch_norm",
                      "a meeting of shards wants one at least, and values in each");
  if (a->training && x->numel && x->numel == x->shape[1] && shards == 1)
    return clg_refuse(ctx, CLG_ERR_SHAPE, "batch_norm", "training needs more than one value a channel");
  for (int i = IN_RUNNING_MEAN; a->updates && i < INS; i++) {
    if (clg_tensor_changeable(in[i], "batch_norm") != CLG_OK) return false;
    if (!clg_tensor_is_contiguous(in[i]))
      return clg_refuse(ctx, CLG_ERR_ARGUMENT, "batch_norm", "the running statistics must be contiguous");
  }
  return true;
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  clg_batch_attrs *a = c->attrs;
  clg_tensor *x = c->in[IN_X];
  /* A checkpointed segment that runs again has updated them already. */
  a->updates = a->training && c->in[IN_RUNNING_MEAN] && !clg_recomputing(c->ctx);
  if (!shapes_ok(x, c->in) || !state_ok(x, c->in, a)) return false;
  for (int k = OUT_MEAN; k <= OUT_RSTD; k++) out[k].ndim = 1, out[k].dim[0] = x->shape[1];
  return true;
}

/* ---- running it ---- */

static clg_status forward(clg_op_call *c) {
  const clg_batch_attrs *a = c->attrs;
  if (!c->in[IN_X]->numel) return CLG_OK;
  clg_status s = clg_batch_norm_forward(c);
  for (int i = IN_RUNNING_MEAN; s == CLG_OK && a->updates && i < INS; i++)
    clg_storage_changed(c->in[i]->storage, "batch_norm");
  return s;
}

/* Beta: where an activation makes its argument again. */
static uint32_t needs(const clg_op_call *c, int input) {
  const clg_batch_attrs *a = c->attrs;
  (void)input;
  return CLG_IN(IN_X) | CLG_IN(IN_GAMMA) | CLG_OUT(OUT_MEAN) | CLG_OUT(OUT_RSTD) |
         (a->act.formula ? CLG_IN(IN_BETA) : 0);
}
static uint32_t keeps(const clg_op_call *c) {
  (void)c;
  return CLG_IN(IN_GAMMA) | CLG_IN(IN_BETA);
}

static clg_status fill_empty(const clg_op_call *c) {
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < GRADS; i++) {
    clg_grad_place *to = &c->to[i];
    if (to->t && !to->add)
      s = clg_map_run(clg_maps_of(c->ctx, CLG_MAP_FILL), &to->t, NULL, (float[]){0}, false, c->op->name);
  }
  return s;
}

static clg_status backward(clg_op_call *c) { return c->in[IN_X]->numel ? clg_batch_norm_backward(c) : fill_empty(c); }

/* ---- by recorded ops ---- */

static void compose(clg_op_call *c, clg_tensor **d) {
  const clg_batch_attrs *a = c->attrs;
  if (a->training && a->meeting.gather) {
    clg_fail(c->ctx, CLG_ERR_GRAPH, "batch_norm", "statistics of shards that meet have no gradients of gradients");
    return;
  }
  clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA];
  int dims[CLG_MAX_DIMS], count = 0;
  for (int k = 0; k < x->ndim; k++)
    if (k != 1) dims[count++] = k;
  clg_tensor *mean = clg_over_dim(c->out[OUT_MEAN], x, 1), *rstd = clg_over_dim(c->out[OUT_RSTD], x, 1), *xhat;
  xhat = a->training ? clg_normalise(x, mean, rstd, dims, count, a->eps, &rstd) : clg_mul(clg_sub(x, mean), rstd);
  clg_tensor *g = clg_fused_act_compose_from(
      &a->act, a->act.formula ? clg_norm_affine(xhat, gamma, c->in[IN_BETA]) : NULL, c->grad);
  if (clg_op_wants(c, IN_GAMMA)) d[IN_GAMMA] = clg_sum(clg_mul(g, xhat), dims, count, false);
  if (clg_op_wants(c, IN_BETA)) d[IN_BETA] = clg_sum(g, dims, count, false);
  if (!clg_op_wants(c, IN_X)) return;
  clg_tensor *h = gamma ? clg_mul(g, clg_over_dim(gamma, x, 1)) : g;
  d[IN_X] = a->training ? clg_normalised_gradient(h, xhat, rstd, dims, count) : clg_mul(rstd, h);
}

/* A saved [C] along dimension 1 of the result. */
static clg_expr along_channels(clg_recompute *r, const clg_saved *s) {
  return clg_recompute_base(r, s, (int64_t[CLG_MAX_DIMS]){0, s->stride[0]});
}

/* As batch_norm_forward computes it; without beta that adds a zero, which an expression would not. */
static clg_expr recompute(clg_recompute *r, clg_node *n) {
  const clg_saved *x = clg_op_saved(n, CLG_IN(IN_X)), *gamma = clg_op_saved(n, CLG_IN(IN_GAMMA)),
                  *beta = clg_op_saved(n, CLG_IN(IN_BETA)), *mean = clg_op_saved(n, CLG_OUT(OUT_MEAN)),
                  *rstd = clg_op_saved(n, CLG_OUT(OUT_RSTD));
  bool all = x && gamma && beta && gamma->storage && beta->storage;
  if (!all || !clg_recompute_shape(r, x->ndim, x->shape)) return 0;
  clg_arena *a = clg_arena_of(n->ctx);
  const clg_batch_attrs *attrs = clg_op_attrs(n);
  clg_expr scale = clg_expr_make(a, CLG_EX_MUL, along_channels(r, rstd), along_channels(r, gamma), 0);
  clg_expr y = clg_expr_make(a, CLG_EX_SUB, clg_recompute_input(r, n, IN_X), along_channels(r, mean), 0);
  y = clg_expr_make(a, CLG_EX_MUL, y, scale, 0);
  y = clg_expr_make(a, CLG_EX_ADD, y, along_channels(r, beta), 0);
  return clg_fused_act_recompute(r, &attrs->act, y);
}

static const clg_op batch_norm_op = {.name = "batch_norm",
                                     .attrs = sizeof(clg_batch_attrs),
                                     .optional = CLG_IN(IN_GAMMA) | CLG_IN(IN_BETA) | CLG_IN(IN_RUNNING_MEAN) |
                                                 CLG_IN(IN_RUNNING_VAR),
                                     .grads = GRADS,
                                     .shapes = shapes,
                                     .forward = forward,
                                     .needs = needs,
                                     .keeps = keeps,
                                     .backward = backward,
                                     .compose = compose,
                                     .recompute = recompute};

clg_batch_norm_options clg_batch_norm_defaults(void) {
  return (clg_batch_norm_options){.training = true, .momentum = 0.1f, .eps = 1e-5f};
}

clg_tensor *clg_batch_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, const clg_batch_norm_options *options) {
  const clg_batch_norm_options usual = clg_batch_norm_defaults(), *o = options ? options : &usual;
  clg_act_choice choice;
  if (!x) return clg_null_object(NULL, "batch_norm");
  if (!clg_fused_act_begin(x->ctx, &o->act, true, "batch_norm", &choice)) return NULL;
  clg_tensor *const in[INS] = {x, gamma, beta, o->running_mean, o->running_var};
  clg_batch_attrs a = {.eps = o->eps, .momentum = o->momentum, .training = o->training, .act = choice.fused};
  if (o->meeting) a.meeting = *o->meeting;
  return clg_fused_act_end(&choice, clg_op_run(&batch_norm_op, in, INS, &a));
}
