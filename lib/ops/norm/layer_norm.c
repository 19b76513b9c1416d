/* Layer norm. Saves the input and, a row each, mean and 1/std; its result for the activation behind it, as that would.
 */
#include "ops/activation.h"
#include "ops/norm/norm_kernels.h"
#include "ops/norm/normalise.h"
#include "ops/op.h"
#include "tensor/args.h"
#include <clgrad/ops.h>

enum { IN_X, IN_GAMMA, IN_BETA };
enum { OUT_Y, OUT_MEAN, OUT_RSTD };

typedef struct norm_attrs {
  float eps;
  clg_act act; /* behind it */
} norm_attrs;

static uint32_t width_of(const clg_tensor *x) { return (uint32_t)x->shape[x->ndim - 1]; }
static uint32_t rows_of(const clg_tensor *x) {
  int64_t rows = 1;
  for (int d = 0; d < x->ndim - 1; d++) rows *= x->shape[d];
  return (uint32_t)rows;
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA], *beta = c->in[IN_BETA], *const p[] = {gamma, beta};
  bool ok = x->ndim >= 1;
  for (int i = 0; ok && i < 2; i++) ok = !p[i] || (p[i]->ndim == 1 && p[i]->shape[0] == x->shape[x->ndim - 1]);
  if (ok) {
    for (int k = OUT_MEAN; k <= OUT_RSTD; k++) out[k].ndim = 1, out[k].dim[0] = rows_of(x);
    return true;
  }
  char s[3][CLG_SHAPE_TEXT];
  clg_fail(c->ctx, CLG_ERR_SHAPE, "layer_norm", "x %s, gamma %s, beta %s: want [..,N], [N], [N]",
           clg_shape_text(x->ndim, x->shape, s[0]), gamma ? clg_shape_text(gamma->ndim, gamma->shape, s[1]) : "none",
           beta ? clg_shape_text(beta->ndim, beta->shape, s[2]) : "none");
  return false;
}

static clg_status forward(clg_op_call *c) {
  const norm_attrs *a = c->attrs;
  const clg_norm_act act = {a->act.formula ? clg_formula_epilogue(c->ctx, a->act.formula) : NULL,
                            {a->act.numbers[0], a->act.numbers[1]}};
  if (a->act.formula && !act.prelude) return clg_last_status(c->ctx);
  const clg_norm_forward f = {.x = clg_tensor_place(c->in[IN_X]),
                              .gamma = clg_tensor_place(c->in[IN_GAMMA]),
                              .beta = clg_tensor_place(c->in[IN_BETA]),
                              .y = clg_tensor_place(c->out[OUT_Y]),
                              .mean = clg_tensor_place(c->out[OUT_MEAN]),
                              .rstd = clg_tensor_place(c->out[OUT_RSTD]),
                              .rows = rows_of(c->in[IN_X]),
                              .n = width_of(c->in[IN_X]),
                              .eps = a->eps,
                              .act = act};
  return clg_layer_norm_forward(c->ctx, &f, "layer_norm");
}

static uint32_t needs(const clg_op_call *c, int input) {
  const norm_attrs *a = c->attrs;
  const uint32_t x = CLG_IN(IN_X) | CLG_OUT(OUT_MEAN) | CLG_OUT(OUT_RSTD);
  return x | (input == IN_X ? CLG_IN(IN_GAMMA) : 0) | (a->act.formula ? CLG_OUT(OUT_Y) : 0);
}
static uint32_t keeps(const clg_op_call *c) {
  (void)c;
  return CLG_IN(IN_GAMMA) | CLG_IN(IN_BETA);
}

static clg_status backward(clg_op_call *c) {
  const norm_attrs *a = c->attrs;
  const clg_norm_act act = {a->act.formula ? clg_formula_gradient(c->ctx, a->act.formula) : NULL,
                            {a->act.numbers[0], a->act.numbers[1]}};
  if (a->act.formula && !act.prelude) return clg_last_status(c->ctx);
  const clg_norm_backward b = {.g = clg_tensor_place(c->grad),
                               .x = clg_tensor_place(c->in[IN_X]),
                               .mean = clg_tensor_place(c->out[OUT_MEAN]),
                               .rstd = clg_tensor_place(c->out[OUT_RSTD]),
                               .gamma = clg_tensor_place(c->in[IN_GAMMA]),
                               .y = clg_tensor_place(c->out[OUT_Y]),
                               .dx = clg_tensor_place(c->to[IN_X].t),
                               .dgamma = clg_tensor_place(c->to[IN_GAMMA].t),
                               .dbeta = clg_tensor_place(c->to[IN_BETA].t),
                               .rows = rows_of(c->grad),
                               .n = width_of(c->grad),
                               .accumulate_x = c->to[IN_X].add,
                               .accumulate_gamma = c->to[IN_GAMMA].add,
                               .accumulate_beta = c->to[IN_BETA].add,
                               .act = act};
  return clg_layer_norm_backward(c->ctx, &b, "layer_norm");
}

/* A number a row, broadcasting to x. */
static clg_tensor *over_rows(clg_tensor *t, const clg_tensor *x) {
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) shape[d] = d == x->ndim - 1 ? 1 : x->shape[d];
  return clg_reshape(t, x->ndim, shape);
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const norm_attrs *a = c->attrs;
  clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA], *rstd = NULL;
  const int last[] = {-1};
  clg_tensor *xhat =
      clg_normalise(x, over_rows(c->out[OUT_MEAN], x), over_rows(c->out[OUT_RSTD], x), last, 1, a->eps, &rstd);
  clg_tensor *g = a->act.formula ? clg_behind_recorded(&a->act, c->out[OUT_Y], c->grad) : c->grad;
  int rows[CLG_MAX_DIMS];
  for (int k = 0; k < x->ndim - 1; k++) rows[k] = k;
  for (int i = IN_GAMMA; i <= IN_BETA; i++) {
    if (!clg_op_wants(c, i)) continue;
    clg_tensor *each = i == IN_GAMMA ? clg_mul(g, xhat) : g;
    d[i] = x->ndim > 1 ? clg_sum(each, rows, x->ndim - 1, false) : each;
  }
  if (!clg_op_wants(c, IN_X)) return;
  clg_tensor *h = gamma ? clg_mul(g, gamma) : g;
  d[IN_X] = clg_mul(
      rstd, clg_sub(clg_sub(h, clg_mean(h, last, 1, true)), clg_mul(xhat, clg_mean(clg_mul(h, xhat), last, 1, true))));
}

/* As norm_forward computes it. */
static clg_expr recompute(clg_recompute *r, clg_node *n) {
  clg_arena *a = clg_arena_of(n->ctx);
  const norm_attrs *attrs = clg_op_attrs(n);
  const clg_saved *x = clg_op_saved(n, CLG_IN(IN_X)), *gamma = clg_op_saved(n, CLG_IN(IN_GAMMA)),
                  *beta = clg_op_saved(n, CLG_IN(IN_BETA));
  if (!x || !clg_recompute_shape(r, x->ndim, x->shape)) return 0;
  int64_t row[CLG_MAX_DIMS] = {0}, rows = 1;
  for (int d = x->ndim - 1; d-- > 0; rows *= x->shape[d]) row[d] = rows;
  clg_expr mean = clg_recompute_base(r, clg_op_saved(n, CLG_OUT(OUT_MEAN)), row),
           rstd = clg_recompute_base(r, clg_op_saved(n, CLG_OUT(OUT_RSTD)), row);
  clg_expr y = clg_expr_make(a, CLG_EX_SUB, clg_recompute_input(r, n, IN_X), mean, 0);
  y = clg_expr_make(a, CLG_EX_MUL, y, rstd, 0);
  if (gamma) y = clg_expr_make(a, CLG_EX_MUL, y, clg_recompute_base(r, gamma, NULL), 0);
  if (beta) y = clg_expr_make(a, CLG_EX_ADD, y, clg_recompute_base(r, beta, NULL), 0);
  return attrs->act.formula ? clg_behind_recompute(r, &attrs->act, y) : y;
}

static const clg_op layer_norm_op = {.name = "layer_norm",
                                     .attrs = sizeof(norm_attrs),
                                     .optional = CLG_IN(IN_GAMMA) | CLG_IN(IN_BETA),
                                     .shapes = shapes,
                                     .forward = forward,
                                     .needs = needs,
                                     .keeps = keeps,
                                     .backward = backward,
                                     .compose = compose,
                                     .recompute = recompute};

clg_tensor *clg_layer_norm_act(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, float eps, clg_activation act,
                               float slope) {
  if (!x) return clg_null(NULL, "layer_norm"), NULL;
  clg_behind behind;
  if (!clg_behind_begin(x->ctx, act, slope, false, &behind)) return NULL;
  clg_tensor *const in[] = {x, gamma, beta};
  return clg_behind_end(&behind, clg_op_run(&layer_norm_op, in, 3, &(norm_attrs){eps, behind.fused}));
}

clg_tensor *clg_layer_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, float eps) {
  return clg_layer_norm_act(x, gamma, beta, eps, CLG_ACT_NONE, 0);
}
