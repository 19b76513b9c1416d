/* Group and instance norm over x [N,C,S], a row for each of G groups of channels of an image:
 *
 *   xhat = (x - mean(x)) * rstd     rstd = 1 / sqrt(mean((x - mean)^2) + eps)     y = act(xhat * gamma + beta)
 *
 * Saves x and, a row each, mean and rstd. With z the gradient before the activation, and h = z * gamma: dx = rstd *
 * (h - mean(h) - xhat * mean(h * xhat)); dgamma and dbeta sum z * xhat and z over images, by parts of the batch where
 * they are many. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/fused_act.h"
#include "ops/norm/norm_parts.h"
#include "ops/norm/normalise.h"
#include "tensor/args.h"
#include <clgrad/ops.h>

enum { IN_X, IN_GAMMA, IN_BETA, INS };
enum { OUT_Y, OUT_MEAN, OUT_RSTD };

typedef struct group_norm_attrs {
  float eps;
  int groups;
  clg_fused_act act; /* behind it */
} group_norm_attrs;

/* ---- checks ---- */

static bool shapes(clg_op_call *c, clg_shape *out) {
  const int64_t groups = ((const group_norm_attrs *)c->attrs)->groups;
  clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA], *beta = c->in[IN_BETA], *const p[] = {gamma, beta};
  bool ok = x->ndim >= 2 && groups > 0 && x->shape[1] % groups == 0;
  for (int i = 0; ok && i < 2; i++) ok = !p[i] || (p[i]->ndim == 1 && p[i]->shape[0] == x->shape[1]);
  for (int k = OUT_MEAN; ok && k <= OUT_RSTD; k++) out[k].ndim = 2, out[k].dim[0] = x->shape[0], out[k].dim[1] = groups;
  if (ok) return true;
  char s[3][CLG_SHAPE_TEXT];
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name,
                    "x %s in %d groups, gamma %s, beta %s: want [N,C,..] with C a multiple of the groups, [C], [C]",
                    clg_tensor_text(x, s[0]), (int)groups, clg_tensor_text(gamma, s[1]), clg_tensor_text(beta, s[2]));
}

/* ---- by kernels ---- */

/* x, which is not empty, as kernels see it. */
typedef struct plan {
  int64_t images, channels, groups, of, size; /* `of`: channels a group */
  uint32_t flags;
} plan;

static plan plan_of(const clg_op_call *c) {
  const clg_tensor *x = c->in[IN_X];
  plan p = {.images = x->shape[0], .channels = x->shape[1], .groups = ((const group_norm_attrs *)c->attrs)->groups};
  p.of = p.channels / p.groups;
  p.size = x->numel / (p.images * p.channels);
  if (c->in[IN_GAMMA]) p.flags |= NORM_GAMMA;
  if (c->in[IN_BETA]) p.flags |= NORM_BETA;
  return p;
}

static clg_kernel *kernel_of(const clg_op_call *c, const char *name) {
  const group_norm_attrs *a = c->attrs;
  const char *prelude;
  if (!clg_fused_act_text(c->ctx, &a->act, clg_formula_both, &prelude)) return NULL;
  return clg_kernel_get(c->ctx, "group_norm.cl", prelude, name);
}

static clg_status forward(clg_op_call *c) {
  const group_norm_attrs *a = c->attrs;
  const clg_tensor *x = c->in[IN_X];
  if (!x->numel) return CLG_OK;
  const plan p = plan_of(c);
  const int64_t rows = p.images * p.groups, n = p.of * p.size;
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *const *)c->in, INS, x);
  clg_args_tensors(&args, (const clg_tensor *const *)c->out, OUT_RSTD + 1, x);
  clg_args_sizes(&args, (int64_t[]){rows, p.groups, p.of, p.size}, 4);
  clg_args_f32(&args, a->eps);
  clg_args_u32(&args, p.flags);
  clg_args_f32x2(&args, a->act.numbers);
  clg_kernel *k = kernel_of(c, "group_norm_forward");
  const bool some = c->ctx->shape == CLG_SHAPE_CPU && n < NORM_ROW_WORK;
  const size_t groups[3] = {(size_t)(some ? CLG_CEIL_DIV(rows, NORM_ROW_WORK / n) : rows), 1, 1};
  return clg_launch_groups(c->ctx, k, c->op->name, &args, groups);
}

/* Beta: where an activation makes its argument again. */
static uint32_t needs(const clg_op_call *c, int input) {
  const group_norm_attrs *a = c->attrs;
  uint32_t read = CLG_IN(IN_X) | CLG_OUT(OUT_MEAN) | CLG_OUT(OUT_RSTD);
  if (input == IN_X || a->act.formula) read |= CLG_IN(IN_GAMMA);
  if (a->act.formula) read |= CLG_IN(IN_BETA);
  return read;
}
static uint32_t keeps(const clg_op_call *c) {
  (void)c;
  return CLG_IN(IN_GAMMA) | CLG_IN(IN_BETA);
}

/* What a work-group has of the groups and images. On a CPU some work; of small planes so many images that their sums
 * take an eighth of x at most; and no more images than a block of a sum has terms. */
static void share_out(const clg_context *ctx, const plan *p, int64_t *span, int64_t *chunk) {
  const int64_t most = 16, work = ctx->shape == CLG_SHAPE_CPU ? 8 * NORM_ROW_WORK : 1, n = p->of * p->size;
  *span = CLG_CEIL_DIV(work, n) < p->groups ? CLG_CEIL_DIV(work, n) : p->groups;
  *chunk = CLG_CEIL_DIV(work, *span * n);
  if (*chunk * p->size < most) *chunk = CLG_CEIL_DIV(most, p->size);
  if (*chunk > most) *chunk = most;
  if (*chunk > p->images) *chunk = p->images;
}

/* dx, and of each chunk of images the sums for gamma and beta. */
static clg_status run_backward(const clg_op_call *c, const plan *p, int64_t span, int64_t chunk, const clg_at sums[2],
                               uint32_t flags) {
  const clg_tensor *const t[] = {c->grad,          c->in[IN_X],      c->in[IN_GAMMA], c->in[IN_BETA],
                                 c->out[OUT_MEAN], c->out[OUT_RSTD], c->to[IN_X].t};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, t, 7, c->grad);
  for (int i = 0; i < 2; i++) clg_args_at(&args, sums[i], clg_tensor_place(c->grad));
  clg_args_sizes(&args, (int64_t[]){p->images, p->groups, p->of, p->size, span, chunk}, 6);
  clg_args_u32(&args, flags);
  clg_args_f32x2(&args, ((const group_norm_attrs *)c->attrs)->act.numbers);
  const size_t groups[3] = {(size_t)CLG_CEIL_DIV(p->groups, span), (size_t)CLG_CEIL_DIV(p->images, chunk), 1};
  return clg_launch_groups(c->ctx, kernel_of(c, "group_norm_backward"), c->op->name, &args, groups);
}

static clg_status backward(clg_op_call *c) {
  const uint32_t asked = NORM_WANT_GAMMA | NORM_WANT_BETA, wanted = clg_norm_wanted(c);
  const clg_at to[] = {clg_tensor_place(c->to[IN_GAMMA].t), clg_tensor_place(c->to[IN_BETA].t)};
  if (!c->grad->numel) return wanted & asked ? clg_norm_parts(c, to, 0, (uint32_t)c->grad->shape[1], wanted) : CLG_OK;
  const plan p = plan_of(c);
  int64_t span, chunk;
  share_out(c->ctx, &p, &span, &chunk);
  const int64_t chunks = CLG_CEIL_DIV(p.images, chunk);
  const size_t all = (size_t)(chunks * p.channels);
  if (chunks == 1 || !(wanted & asked)) return run_backward(c, &p, span, chunk, to, p.flags | wanted);
  clg_block *work = clg_block_alloc(c->ctx, 2 * all * sizeof(float), CLG_ROLE_WORKSPACE, c->op->name);
  if (!work) return clg_last_status(c->ctx);
  const clg_at sums[] = {{work, 0}, {work, all}};
  const uint32_t fresh = wanted & ~(uint32_t)(NORM_ADD_GAMMA | NORM_ADD_BETA);
  clg_status s = run_backward(c, &p, span, chunk, sums, p.flags | fresh);
  if (s == CLG_OK) s = clg_norm_parts(c, sums, (uint32_t)chunks, (uint32_t)p.channels, wanted);
  clg_block_unref(work);
  return s;
}

/* ---- by recorded ops ---- */

static void compose(clg_op_call *c, clg_tensor **d) {
  const group_norm_attrs *a = c->attrs;
  clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA], *rstd = NULL;
  const int64_t images = x->shape[0], n = x->numel ? x->numel / (images * a->groups) : 0,
                rows[] = {images, a->groups, n}, row[] = {images, a->groups, 1};
  const int last[] = {-1};
  clg_tensor *hat = clg_normalise(clg_reshape(x, 3, rows), clg_reshape(c->out[OUT_MEAN], 3, row),
                                  clg_reshape(c->out[OUT_RSTD], 3, row), last, 1, a->eps, &rstd);
  clg_tensor *xhat = hat ? clg_reshape(hat, x->ndim, x->shape) : NULL;
  clg_tensor *g = clg_fused_act_compose_from(
      &a->act, a->act.formula ? clg_norm_affine(xhat, gamma, c->in[IN_BETA]) : NULL, c->grad);
  int dims[CLG_MAX_DIMS], count = 0;
  for (int k = 0; k < x->ndim; k++)
    if (k != 1) dims[count++] = k;
  if (clg_op_wants(c, IN_GAMMA)) d[IN_GAMMA] = clg_sum(clg_mul(g, xhat), dims, count, false);
  if (clg_op_wants(c, IN_BETA)) d[IN_BETA] = clg_sum(g, dims, count, false);
  if (!clg_op_wants(c, IN_X)) return;
  clg_tensor *h = gamma ? clg_mul(g, clg_over_dim(gamma, x, 1)) : g;
  clg_tensor *dx = clg_normalised_gradient(clg_reshape(h, 3, rows), hat, rstd, last, 1);
  d[IN_X] = dx ? clg_reshape(dx, x->ndim, x->shape) : NULL;
}

/* Where the formula of the result reads what is saved: over x's shape if a group is one channel or all, else over
 * [N,groups,of,S], in which the mean of a group has strides too. */
typedef struct reads {
  int64_t row[CLG_MAX_DIMS], channel[CLG_MAX_DIMS], own[CLG_MAX_DIMS];
  bool split;
} reads;

static bool find_reads(clg_recompute *r, const clg_saved *x, int64_t groups, reads *to) {
  const int64_t of = x->shape[1] / groups;
  *to = (reads){.row = {groups, of == 1}, .channel = {0, 1}, .split = groups > 1 && of > 1};
  if (!to->split) return clg_recompute_shape(r, x->ndim, x->shape);
  int64_t size = 1;
  for (int k = 2; k < x->ndim; k++) size *= x->shape[k];
  *to = (reads){
      .row = {groups, 1}, .channel = {0, of, 1}, .own = {groups * of * size, of * size, size, 1}, .split = true};
  return clg_is_contiguous(x->ndim, x->shape, x->stride) &&
         clg_recompute_shape(r, 4, (int64_t[]){x->shape[0], groups, of, size});
}

/* As group_norm_forward computes it. */
static clg_expr recompute(clg_recompute *r, clg_node *n) {
  clg_arena *arena = clg_arena_of(n->ctx);
  const group_norm_attrs *a = clg_op_attrs(n);
  const clg_saved *x = clg_op_saved(n, CLG_IN(IN_X)), *gamma = clg_op_saved(n, CLG_IN(IN_GAMMA)),
                  *beta = clg_op_saved(n, CLG_IN(IN_BETA));
  reads at;
  if (!x || !find_reads(r, x, a->groups, &at)) return 0;
  clg_expr mean = clg_recompute_base(r, clg_op_saved(n, CLG_OUT(OUT_MEAN)), at.row),
           rstd = clg_recompute_base(r, clg_op_saved(n, CLG_OUT(OUT_RSTD)), at.row),
           y = at.split ? clg_recompute_base(r, x, at.own) : clg_recompute_input(r, n, IN_X);
  y = clg_expr_make(arena, CLG_EX_MUL, clg_expr_make(arena, CLG_EX_SUB, y, mean, 0), rstd, 0);
  if (gamma) y = clg_expr_make(arena, CLG_EX_MUL, y, clg_recompute_base(r, gamma, at.channel), 0);
  if (beta) y = clg_expr_make(arena, CLG_EX_ADD, y, clg_recompute_base(r, beta, at.channel), 0);
  return clg_fused_act_recompute(r, &a->act, y);
}

#define OP(NAME)                                                                                                       \
  {                                                                                                                    \
    .name = NAME, .attrs = sizeof(group_norm_attrs), .optional = CLG_IN(IN_GAMMA) | CLG_IN(IN_BETA), .shapes = shapes, \
    .forward = forward, .needs = needs, .keeps = keeps, .backward = backward, .compose = compose,                      \
    .recompute = recompute                                                                                             \
  }
static const clg_op group_norm_op = OP("group_norm"), instance_norm_op = OP("instance_norm");

static clg_tensor *norm(const clg_op *op, clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int groups,
                        const clg_norm_options *options) {
  const clg_norm_options usual = clg_norm_defaults(), *o = options ? options : &usual;
  clg_act_choice choice;
  if (!clg_fused_act_begin(x->ctx, &o->act, true, op->name, &choice)) return NULL;
  group_norm_attrs a = {o->eps, groups, choice.fused};
  return clg_fused_act_end(&choice, clg_op_run(op, (clg_tensor *[]){x, gamma, beta}, INS, &a));
}

clg_tensor *clg_group_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int groups,
                           const clg_norm_options *options) {
  return x ? norm(&group_norm_op, x, gamma, beta, groups, options) : clg_null_object(NULL, "group_norm");
}

clg_tensor *clg_instance_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, const clg_norm_options *options) {
  if (!x) return clg_null_object(NULL, "instance_norm");
  if (x->ndim < 3) {
    char text[CLG_SHAPE_TEXT];
    return clg_fail_object(x->ctx, CLG_ERR_SHAPE, "instance_norm",
                           "x %s: want [N,C,..] with at least one more dimension", clg_tensor_text(x, text));
  }
  return norm(&instance_norm_op, x, gamma, beta, (int)x->shape[1], options);
}
