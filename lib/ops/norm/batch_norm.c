/* Batch norm over x [N,C,..]. Saves the input and, a channel each, mean and 1/std. Its kernels go over whole channels
 * in one launch, or over parts of them in three where channels are few and large or lie side by side: by the shapes
 * alone, so that results and workspace do not depend on the device. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/dims.h"
#include "ops/fused_act.h"
#include "ops/norm/normalise.h"
#include "tensor/args.h"
#include <clgrad/ops.h>

enum { IN_X, IN_GAMMA, IN_BETA, IN_RUNNING_MEAN, IN_RUNNING_VAR, INS, GRADS = IN_RUNNING_MEAN };
enum { OUT_Y, OUT_MEAN, OUT_RSTD };

static const char *const whole = "batch_norm.cl", *const in_columns = "batch_norm_columns.cl",
                         *const split = "batch_norm_split.cl";

typedef struct batch_attrs {
  float eps, momentum;
  bool training, updates; /* the running statistics */
  clg_fused_act act;      /* behind it */
} batch_attrs;

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

static bool state_ok(clg_tensor *x, clg_tensor *const *in, const batch_attrs *a) {
  clg_context *ctx = x->ctx;
  if (!in[IN_RUNNING_MEAN] != !in[IN_RUNNING_VAR])
    return clg_refuse(ctx, CLG_ERR_ARGUMENT, "batch_norm", "one running statistic is given without the other");
  if (!a->training && !in[IN_RUNNING_MEAN])
    return clg_refuse(ctx, CLG_ERR_ARGUMENT, "batch_norm", "evaluation needs the running statistics");
  if (a->training && x->numel && x->numel == x->shape[1])
    return clg_refuse(ctx, CLG_ERR_SHAPE, "batch_norm", "training needs more than one value a channel");
  for (int i = IN_RUNNING_MEAN; a->updates && i < INS; i++) {
    if (clg_tensor_changeable(in[i], "batch_norm") != CLG_OK) return false;
    if (!clg_tensor_is_contiguous(in[i]))
      return clg_refuse(ctx, CLG_ERR_ARGUMENT, "batch_norm", "the running statistics must be contiguous");
  }
  return true;
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  batch_attrs *a = c->attrs;
  clg_tensor *x = c->in[IN_X];
  /* A checkpointed segment that runs again has updated them already. */
  a->updates = a->training && c->in[IN_RUNNING_MEAN] && !clg_recomputing(c->ctx);
  if (!shapes_ok(x, c->in) || !state_ok(x, c->in, a)) return false;
  for (int k = OUT_MEAN; k <= OUT_RSTD; k++) out[k].ndim = 1, out[k].dim[0] = x->shape[1];
  return true;
}

/* ---- by kernels ---- */

/* A call over x as [N,C,S], and how it is split; `columns`: S is 1. More than one part of `chunk` of a channel's N*S
 * values: three launches. */
typedef struct batch {
  const clg_op_call *c;
  const char *prelude; /* of the activation */
  uint32_t flags;
  int64_t images, channels, size, count; /* values a channel */
  bool columns, parted;
  int64_t parts, chunk;
} batch;

/* Columns are read a vector of each row at a time if an item has whole channels, which is slow once they fit in no
 * cache. Other channels are split where they leave a device idle, or where one fits in no cache. */
static bool worth_parts(const batch *b, bool cpu) {
  int64_t all = b->count * b->channels;
  if (b->columns) return b->count >= 512 && all >= 1 << 18;
  return b->count >= 1 << 17 && (b->channels < (cpu ? 16 : 128) || (cpu && b->count > 1 << 20));
}

static void split_channels(batch *b, bool cpu) {
  int64_t min_chunk = b->columns ? 64 : 4096, max_parts = 256;
  if (cpu && b->columns) max_parts = 128;
  if (cpu && !b->columns) min_chunk = 32768, max_parts = 1024;
  b->chunk = CLG_CEIL_DIV(b->count, max_parts);
  if (b->chunk < min_chunk) b->chunk = min_chunk;
  b->parts = CLG_CEIL_DIV(b->count, b->chunk);
}

/* False with the error set. */
static bool begin(batch *b, const clg_op_call *c) {
  const batch_attrs *a = c->attrs;
  const clg_tensor *x = c->in[IN_X];
  const bool cpu = c->ctx->shape == CLG_SHAPE_CPU;
  *b = (batch){.c = c, .images = x->shape[0], .channels = x->shape[1], .count = x->numel / x->shape[1]};
  b->size = b->count / b->images;
  b->columns = b->size == 1;
  b->parted = worth_parts(b, cpu);
  if (b->parted) split_channels(b, cpu);
  if (c->in[IN_GAMMA]) b->flags |= NORM_GAMMA;
  if (c->in[IN_BETA]) b->flags |= NORM_BETA;
  if (!a->training) b->flags |= NORM_EVAL;
  return clg_fused_act_text(c->ctx, &a->act, clg_formula_both, &b->prelude);
}

static void add_sizes(clg_args *args, const batch *b) {
  clg_args_sizes(args, (int64_t[]){b->images, b->channels, b->size}, 3);
}
static void add_flags(clg_args *args, const batch *b) {
  clg_args_u32(args, b->flags);
  clg_args_f32x2(args, ((const batch_attrs *)b->c->attrs)->act.numbers);
}
/* What the running statistics take. */
static void add_moving(clg_args *args, const batch *b) {
  const batch_attrs *a = b->c->attrs;
  clg_args_f32(args, a->eps);
  clg_args_f32(args, a->momentum);
  clg_args_f32(args, (float)b->count / ((float)b->count - 1));
}

/* Items that have VW channels each. */
static clg_status launch_lanes(const batch *b, const clg_args *args, const char *file, const char *prelude,
                               const char *name) {
  clg_context *ctx = b->c->ctx;
  clg_kernel *k = clg_kernel_get(ctx, file, prelude, name);
  int64_t items = clg_vector_width(ctx) * (int64_t)clg_kernel_group(ctx, k);
  const size_t groups[3] = {(size_t)CLG_CEIL_DIV(b->channels, items), 1, 1};
  return clg_launch_groups(ctx, k, b->c->op->name, args, groups);
}

/* ---- one launch ---- */

/* A work-group a channel, or items that have VW channels each where x is [N,C]. */
static clg_status launch_whole(const batch *b, const clg_args *args, const char *name, const char *columns_name) {
  if (b->columns) return launch_lanes(b, args, in_columns, b->prelude, columns_name);
  clg_kernel *k = clg_kernel_get(b->c->ctx, whole, b->prelude, name);
  return clg_launch_groups(b->c->ctx, k, b->c->op->name, args, (size_t[3]){(size_t)b->channels, 1, 1});
}

static clg_status forward_whole(const batch *b) {
  const clg_op_call *c = b->c;
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *const *)c->in, INS, c->in[IN_X]);
  clg_args_tensors(&args, (const clg_tensor *const *)c->out, OUT_RSTD + 1, c->in[IN_X]);
  add_sizes(&args, b);
  add_moving(&args, b);
  add_flags(&args, b);
  return launch_whole(b, &args, "batch_norm_forward", "batch_norm_columns_forward");
}

static clg_status backward_whole(const batch *b) {
  const clg_op_call *c = b->c;
  const clg_tensor *const t[] = {c->grad,          c->in[IN_X],   c->in[IN_GAMMA],   c->in[IN_BETA],  c->out[OUT_MEAN],
                                 c->out[OUT_RSTD], c->to[IN_X].t, c->to[IN_GAMMA].t, c->to[IN_BETA].t};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, t, 9, c->in[IN_X]);
  add_sizes(&args, b);
  add_flags(&args, b);
  return launch_whole(b, &args, "batch_norm_backward", "batch_norm_columns_backward");
}

/* ---- parts ---- */

/* One launch over the parts: `first` of its arguments, and what belongs to the channels or no more than x's sizes. */
static clg_status launch_parts(const batch *b, clg_tensor *const *first, int n, bool channels, const char *name,
                               const char *columns_name) {
  const clg_op_call *c = b->c;
  const clg_tensor *const t[] = {c->in[IN_X], c->in[IN_GAMMA], c->in[IN_BETA], c->out[OUT_MEAN], c->out[OUT_RSTD]};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *const *)first, n, t[0]);
  if (channels) clg_args_tensors(&args, t, 5, t[0]);
  add_sizes(&args, b);
  clg_args_u32(&args, (uint32_t)b->chunk);
  if (channels) add_flags(&args, b);
  const char *prelude = channels ? b->prelude : NULL;
  clg_kernel *k = b->columns ? clg_kernel_get(c->ctx, in_columns, prelude, columns_name)
                             : clg_kernel_get(c->ctx, split, prelude, name);
  const size_t parts = (size_t)b->parts, all = (size_t)b->channels;
  if (!b->columns) return clg_launch_groups(c->ctx, k, c->op->name, &args, (size_t[3]){parts, all, 1});
  const bool cpu = c->ctx->shape == CLG_SHAPE_CPU;
  const size_t one[3] = {1, 1, 1}, global[3] = {cpu ? CLG_CEIL_DIV(all, NORM_STRIPE) : all, parts, 1};
  return clg_launch(c->ctx, k, c->op->name, &args, global, cpu ? one : NULL);
}

static clg_tensor *work_of(const batch *b, int64_t rows) {
  return clg_tensor_new(b->c->ctx, 2, (int64_t[]){rows, b->channels}, CLG_ROLE_WORKSPACE, b->c->op->name);
}

static clg_status join(const batch *b, const clg_tensor *work) {
  const clg_op_call *c = b->c;
  const clg_tensor *const t[] = {c->in[IN_X],     work, c->in[IN_RUNNING_MEAN], c->in[IN_RUNNING_VAR], c->out[OUT_MEAN],
                                 c->out[OUT_RSTD]};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, t, 6, t[0]);
  clg_args_u32(&args, work ? (uint32_t)b->parts : 0);
  add_sizes(&args, b);
  clg_args_u32(&args, (uint32_t)b->chunk);
  add_moving(&args, b);
  clg_args_u32(&args, b->flags);
  return launch_lanes(b, &args, split, NULL, "batch_norm_join");
}

static clg_status forward_parts(const batch *b) {
  const clg_op_call *c = b->c;
  clg_tensor *work = NULL;
  clg_status s = CLG_OK;
  if (!(b->flags & NORM_EVAL)) {
    if (!(work = work_of(b, 2 * b->parts))) return clg_last_status(c->ctx);
    s = launch_parts(b, (clg_tensor *[]){c->in[IN_X], work}, 2, false, "batch_norm_part", "batch_norm_columns_part");
  }
  if (s == CLG_OK) s = join(b, work);
  clg_tensor_unref(&work);
  if (s != CLG_OK) return s;
  return launch_parts(b, &c->out[OUT_Y], 1, true, "batch_norm_apply", "batch_norm_columns_apply");
}

static clg_status sum_parts(const batch *b, clg_tensor *sums) {
  const clg_op_call *c = b->c;
  clg_tensor *work = work_of(b, 2 * b->parts);
  if (!work) return clg_last_status(c->ctx);
  clg_status s =
      launch_parts(b, (clg_tensor *[]){c->grad, work}, 2, true, "batch_norm_part_sums", "batch_norm_columns_part_sums");
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){work, sums, c->to[IN_GAMMA].t, c->to[IN_BETA].t}, 4, sums);
  clg_args_sizes(&args, (int64_t[]){b->parts, b->channels}, 2);
  clg_args_u32(&args, b->flags);
  if (s == CLG_OK) s = launch_lanes(b, &args, split, NULL, "batch_norm_join_sums");
  clg_tensor_unref(&work);
  return s;
}

static clg_status backward_parts(const batch *b) {
  const clg_op_call *c = b->c;
  clg_tensor *sums = NULL, *dx = c->to[IN_X].t;
  clg_status s = CLG_OK;
  if (!(b->flags & NORM_EVAL) || c->to[IN_GAMMA].t || c->to[IN_BETA].t) {
    if (!(sums = work_of(b, 2))) return clg_last_status(c->ctx);
    s = sum_parts(b, sums);
  }
  if (s == CLG_OK && dx)
    s = launch_parts(b, (clg_tensor *[]){c->grad, sums, dx}, 3, true, "batch_norm_gradient",
                     "batch_norm_columns_gradient");
  clg_tensor_unref(&sums);
  return s;
}

/* ---- which ---- */

static clg_status forward(clg_op_call *c) {
  const batch_attrs *a = c->attrs;
  batch b;
  if (!c->in[IN_X]->numel) return CLG_OK;
  if (!begin(&b, c)) return clg_last_status(c->ctx);
  if (a->updates) b.flags |= NORM_UPDATE;
  clg_status s = b.parted ? forward_parts(&b) : forward_whole(&b);
  for (int i = IN_RUNNING_MEAN; s == CLG_OK && a->updates && i < INS; i++)
    clg_storage_changed(c->in[i]->storage, "batch_norm");
  return s;
}

/* Beta: where an activation makes its argument again. */
static uint32_t needs(const clg_op_call *c, int input) {
  const batch_attrs *a = c->attrs;
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

static clg_status backward(clg_op_call *c) {
  batch b;
  if (!c->in[IN_X]->numel) return fill_empty(c);
  if (!begin(&b, c)) return clg_last_status(c->ctx);
  for (int i = 0; i < GRADS; i++) {
    if (c->to[i].t) b.flags |= (uint32_t)NORM_WANT_X << i;
    if (c->to[i].t && c->to[i].add) b.flags |= (uint32_t)NORM_ADD_X << i;
  }
  return b.parted ? backward_parts(&b) : backward_whole(&b);
}

/* ---- by recorded ops ---- */

/* The gradient before the activation. */
static clg_tensor *before_activation(const clg_op_call *c, clg_tensor *xhat) {
  const batch_attrs *a = c->attrs;
  clg_tensor *x = c->in[IN_X], *v = xhat;
  if (c->in[IN_GAMMA]) v = clg_mul(v, clg_over_dim(c->in[IN_GAMMA], x, 1));
  if (c->in[IN_BETA]) v = clg_add(v, clg_over_dim(c->in[IN_BETA], x, 1));
  clg_tensor *y = v ? clg_formula_apply(a->act.formula, &v, a->act.numbers, 0, false) : NULL;
  return y ? clg_formula_recorded_gradient(a->act.formula, 0, (clg_tensor *[]){v, y, c->grad}, a->act.numbers) : NULL;
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const batch_attrs *a = c->attrs;
  clg_tensor *x = c->in[IN_X], *gamma = c->in[IN_GAMMA];
  int dims[CLG_MAX_DIMS], count = 0;
  for (int k = 0; k < x->ndim; k++)
    if (k != 1) dims[count++] = k;
  clg_tensor *mean = clg_over_dim(c->out[OUT_MEAN], x, 1), *rstd = clg_over_dim(c->out[OUT_RSTD], x, 1), *xhat;
  xhat = a->training ? clg_normalise(x, mean, rstd, dims, count, a->eps, &rstd) : clg_mul(clg_sub(x, mean), rstd);
  clg_tensor *g = a->act.formula ? before_activation(c, xhat) : c->grad;
  if (clg_op_wants(c, IN_GAMMA)) d[IN_GAMMA] = clg_sum(clg_mul(g, xhat), dims, count, false);
  if (clg_op_wants(c, IN_BETA)) d[IN_BETA] = clg_sum(g, dims, count, false);
  if (!clg_op_wants(c, IN_X)) return;
  clg_tensor *h = gamma ? clg_mul(g, clg_over_dim(gamma, x, 1)) : g;
  if (a->training)
    h = clg_sub(clg_sub(h, clg_mean(h, dims, count, true)),
                clg_mul(xhat, clg_mean(clg_mul(h, xhat), dims, count, true)));
  d[IN_X] = clg_mul(rstd, h);
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
  const batch_attrs *attrs = clg_op_attrs(n);
  clg_expr scale = clg_expr_make(a, CLG_EX_MUL, along_channels(r, rstd), along_channels(r, gamma), 0);
  clg_expr y = clg_expr_make(a, CLG_EX_SUB, clg_recompute_input(r, n, IN_X), along_channels(r, mean), 0);
  y = clg_expr_make(a, CLG_EX_MUL, y, scale, 0);
  y = clg_expr_make(a, CLG_EX_ADD, y, along_channels(r, beta), 0);
  return clg_fused_act_recompute(r, &attrs->act, y);
}

static const clg_op batch_norm_op = {.name = "batch_norm",
                                     .attrs = sizeof(batch_attrs),
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
  batch_attrs a = {.eps = o->eps, .momentum = o->momentum, .training = o->training, .act = choice.fused};
  return clg_fused_act_end(&choice, clg_op_run(&batch_norm_op, in, INS, &a));
}
