/* Layer norm over the last dimension: x [rows,n] -> y [rows,n].
 *
 *   xhat = (x - mean(x)) * rstd     rstd = 1 / sqrt(mean((x - mean)^2) + eps)     y = act(xhat * gamma + beta)
 *
 * Saves x and, a row each, mean and rstd; y for the activation, as that would. With z the gradient before that, and
 * h = z * gamma: dx = rstd * (h - mean(h) - xhat * mean(h * xhat)), dgamma = sum over rows of z * xhat, dbeta that of
 * z, in one launch but for the sums of many rows. */
#include "ops/norm/layer_norm.h"
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/norm/norm_parts.h"
#include "ops/norm/normalise.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

enum { IN_X, IN_GAMMA, IN_BETA };
enum { OUT_Y, OUT_MEAN, OUT_RSTD };

static uint32_t width_of(const clg_tensor *x) { return (uint32_t)x->shape[x->ndim - 1]; }
static uint32_t rows_of(const clg_tensor *x) { return (uint32_t)clg_row_count(x); }

static bool shapes(clg_op_call *c, clg_shape *out) {
  clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA], *beta = c->in[IN_BETA], *const p[] = {gamma, beta};
  bool ok = x->ndim >= 1;
  for (int i = 0; ok && i < 2; i++) ok = !p[i] || (p[i]->ndim == 1 && p[i]->shape[0] == x->shape[x->ndim - 1]);
  if (ok) {
    for (int k = OUT_MEAN; k <= OUT_RSTD; k++) out[k].ndim = 1, out[k].dim[0] = rows_of(x);
    return true;
  }
  char s[3][CLG_SHAPE_TEXT];
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, "layer_norm", "x %s, gamma %s, beta %s: want [..,N], [N], [N]",
                    clg_tensor_text(x, s[0]), clg_tensor_text(gamma, s[1]), clg_tensor_text(beta, s[2]));
}

/* ---- by kernels ---- */

static clg_kernel *kernel_of(clg_context *ctx, const char *prelude, const char *name) {
  return clg_kernel_get(ctx, "layer_norm.cl", prelude, name);
}

/* Work-groups over the rows of x: on a CPU each has as many as make some vectors. */
static size_t row_groups(const clg_tensor *x) {
  const uint32_t rows = rows_of(x), n = width_of(x);
  return x->ctx->shape == CLG_SHAPE_CPU && n < NORM_ROW_WORK ? CLG_CEIL_DIV(rows, NORM_ROW_WORK / n) : rows;
}

static clg_status forward(clg_op_call *c) {
  const clg_layer_norm_attrs *a = c->attrs;
  const clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA], *beta = c->in[IN_BETA];
  const clg_tensor *const t[] = {x, gamma, beta, c->out[OUT_Y], c->out[OUT_MEAN], c->out[OUT_RSTD]};
  const char *prelude;
  if (!clg_fused_act_text(c->ctx, &a->act, clg_formula_epilogue, &prelude)) return clg_last_status(c->ctx);
  if (!x->numel) return CLG_OK;
  uint32_t flags = 0;
  if (gamma) flags |= NORM_GAMMA;
  if (beta) flags |= NORM_BETA;
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, t, 6, x);
  clg_args_u32(&args, rows_of(x));
  clg_args_u32(&args, width_of(x));
  clg_args_f32(&args, a->eps);
  clg_args_u32(&args, flags);
  clg_args_f32x2(&args, a->act.numbers);
  const size_t groups[3] = {row_groups(x), 1, 1};
  return clg_launch_groups(c->ctx, kernel_of(c->ctx, prelude, "norm_forward"), c->op->name, &args, groups);
}

static uint32_t needs(const clg_op_call *c, int input) {
  const clg_layer_norm_attrs *a = c->attrs;
  uint32_t read = CLG_IN(IN_X) | CLG_OUT(OUT_MEAN) | CLG_OUT(OUT_RSTD);
  if (input == IN_X) read |= CLG_IN(IN_GAMMA);
  if (a->act.formula) read |= CLG_OUT(OUT_Y);
  return read;
}
static uint32_t keeps(const clg_op_call *c) {
  (void)c;
  return CLG_IN(IN_GAMMA) | CLG_IN(IN_BETA);
}

/* How column sums are split: an item has `width` columns and `chunk` rows. By the shapes alone. */
typedef struct split {
  uint32_t width, stripes, chunk, chunks;
} split;

/* Columns first. Rows are cut too, which costs a second launch, where the columns alone leave a device idle. On a CPU
 * wide stripes read memory in longer runs. */
static split split_sums(const clg_context *ctx, uint32_t rows, uint32_t n) {
  bool cpu = ctx->shape == CLG_SHAPE_CPU, many = rows >= 512;
  uint32_t want = cpu ? 64 : 8192;
  const uint32_t min_rows = cpu ? 64 : 32;
  split s = {.width = 1, .chunks = 1};
  if (cpu) {
    s.width = CLG_CEIL_DIV(CLG_CEIL_DIV(n, want), LANES) * LANES;
    if (many || s.width > NORM_STRIPE) s.width = NORM_STRIPE;
  }
  s.stripes = CLG_CEIL_DIV(n, s.width);
  if (many && s.stripes < want) s.chunks = want / s.stripes < rows / min_rows ? want / s.stripes : rows / min_rows;
  s.chunk = CLG_CEIL_DIV(rows, s.chunks);
  s.chunks = CLG_CEIL_DIV(rows, s.chunk);
  return s;
}

/* dx, and the sums for gamma and beta into `sums` as flags say. */
static clg_status run_backward(const clg_op_call *c, const clg_at sums[2], const split *s, uint32_t flags) {
  const clg_layer_norm_attrs *a = c->attrs;
  const char *prelude;
  if (!clg_fused_act_text(c->ctx, &a->act, clg_formula_gradient, &prelude)) return clg_last_status(c->ctx);
  clg_kernel *k = kernel_of(c->ctx, prelude, "norm_backward");
  const clg_tensor *g = c->grad, *dx = c->to[IN_X].t;
  const uint32_t columns = CLG_CEIL_DIV(s->stripes * s->chunks, (uint32_t)clg_kernel_group(c->ctx, k));
  const clg_tensor *const t[] = {g, c->in[IN_X], c->out[OUT_Y], c->in[IN_GAMMA], c->out[OUT_MEAN], c->out[OUT_RSTD],
                                 dx};
  clg_at at[9];
  for (int i = 0; i < 7; i++) at[i] = clg_tensor_place(t[i]);
  at[7] = sums[0], at[8] = sums[1];
  uint32_t offsets[8];
  for (int i = 0; i < 8; i++) offsets[i] = (uint32_t)at[i].offset;
  uint32_t sizes[8] = {rows_of(g), width_of(g), s->width, s->chunk, columns, flags};
  memcpy(&sizes[6], a->act.numbers, sizeof a->act.numbers);
  clg_args args;
  args.n = 0;
  for (int i = 0; i < 9; i++) clg_args_block(&args, at[i].block ? at[i].block : at[0].block);
  clg_args_packed(&args, offsets);
  clg_args_u32(&args, (uint32_t)at[8].offset);
  clg_args_packed(&args, sizes);
  const size_t groups[3] = {columns + (dx && !(flags & NORM_ROWS) ? row_groups(g) : 0), 1, 1};
  return clg_launch_groups(c->ctx, k, c->op->name, &args, groups);
}

static clg_status backward(clg_op_call *c) {
  const uint32_t rows = rows_of(c->grad), n = width_of(c->grad), adds = NORM_ADD_GAMMA | NORM_ADD_BETA,
                 wanted = clg_norm_wanted(c), asked = wanted & (NORM_WANT_GAMMA | NORM_WANT_BETA);
  uint32_t flags = wanted;
  if (c->in[IN_GAMMA]) flags |= NORM_GAMMA;
  const clg_at to[] = {clg_tensor_place(c->to[IN_GAMMA].t), clg_tensor_place(c->to[IN_BETA].t)};
  split s = {.width = 1, .chunk = 1};
  if (!n || !wanted) return CLG_OK;
  if (!rows) return asked ? clg_norm_parts(c, to, 0, n, wanted) : CLG_OK;
  if (asked) s = split_sums(c->ctx, rows, n);
  if (s.chunks <= 1) return run_backward(c, to, &s, flags);
  flags &= ~adds;
  /* Whole rows are read once. */
  if (c->ctx->shape == CLG_SHAPE_CPU && wanted & NORM_WANT_X && s.stripes == 1 && n > LANES) flags |= NORM_ROWS;
  const size_t all = (size_t)s.chunks * n;
  clg_block *work = clg_block_alloc(c->ctx, 2 * all * sizeof(float), CLG_ROLE_WORKSPACE, c->op->name);
  if (!work) return clg_last_status(c->ctx);
  const clg_at sums[] = {{work, 0}, {work, all}};
  clg_status status = run_backward(c, sums, &s, flags);
  if (status == CLG_OK) status = clg_norm_parts(c, sums, s.chunks, n, wanted);
  clg_block_unref(work);
  return status;
}

/* ---- by recorded ops ---- */

/* A number a row, broadcasting to x. */
static clg_tensor *over_rows(clg_tensor *t, const clg_tensor *x) {
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) shape[d] = d == x->ndim - 1 ? 1 : x->shape[d];
  return clg_reshape(t, x->ndim, shape);
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const clg_layer_norm_attrs *a = c->attrs;
  clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA], *rstd = NULL;
  const int last[] = {-1};
  clg_tensor *xhat =
      clg_normalise(x, over_rows(c->out[OUT_MEAN], x), over_rows(c->out[OUT_RSTD], x), last, 1, a->eps, &rstd);
  clg_tensor *g = clg_fused_act_compose(&a->act, c->out[OUT_Y], c->grad);
  int rows[CLG_MAX_DIMS];
  for (int k = 0; k < x->ndim - 1; k++) rows[k] = k;
  for (int i = IN_GAMMA; i <= IN_BETA; i++) {
    if (!clg_op_wants(c, i)) continue;
    clg_tensor *each = i == IN_GAMMA ? clg_mul(g, xhat) : g;
    d[i] = x->ndim > 1 ? clg_sum(each, rows, x->ndim - 1, false) : each;
  }
  if (!clg_op_wants(c, IN_X)) return;
  d[IN_X] = clg_normalised_gradient(gamma ? clg_mul(g, gamma) : g, xhat, rstd, last, 1);
}

/* As norm_forward computes it. */
static clg_expr recompute(clg_recompute *r, clg_node *n) {
  clg_arena *a = clg_arena_of(n->ctx);
  const clg_layer_norm_attrs *attrs = clg_op_attrs(n);
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
  return clg_fused_act_recompute(r, &attrs->act, y);
}

const clg_op clg_layer_norm_op = {.name = "layer_norm",
                                  .attrs = sizeof(clg_layer_norm_attrs),
                                  .optional = CLG_IN(IN_GAMMA) | CLG_IN(IN_BETA),
                                  .shapes = shapes,
                                  .forward = forward,
                                  .needs = needs,
                                  .keeps = keeps,
                                  .backward = backward,
                                  .compose = compose,
                                  .recompute = recompute};

clg_norm_options clg_norm_defaults(void) { return (clg_norm_options){.eps = 1e-5f}; }

clg_tensor *clg_layer_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, const clg_norm_options *options) {
  const clg_norm_options usual = clg_norm_defaults(), *o = options ? options : &usual;
  clg_act_choice choice;
  if (!x) return clg_null_object(NULL, "layer_norm");
  if (!clg_fused_act_begin(x->ctx, &o->act, false, "layer_norm", &choice)) return NULL;
  clg_layer_norm_attrs a = {o->eps, choice.fused};
  return clg_fused_act_end(&choice, clg_op_run(&clg_layer_norm_op, (clg_tensor *[]){x, gamma, beta}, 3, &a));
}
