/* The launches of batch norm: over whole channels in one, or over parts of them in three where channels are few and
 * large or lie side by side: by the shapes alone, so that results and workspace do not depend on the device. Of a batch
 * in shards that meet each is a part. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/norm/batch_norm.h"
#include "ops/norm/norm_parts.h"
#include "tensor/args.h"

static const char *const whole = "batch_norm.cl", *const in_columns = "batch_norm_columns.cl",
                         *const split = "batch_norm_split.cl";

/* A call over x as [N,C,S], and how it is split; `columns`: S is 1. More than one part of `chunk` of a channel's N*S
 * values: three launches. */
typedef struct batch {
  const clg_op_call *c;
  const char *prelude; /* of the activation */
  uint32_t flags;
  int64_t images, channels, size, count; /* values a channel */
  bool columns, parted;
  int64_t parts, chunk;
  int64_t shards; /* that meet, each a part; 0: none do */
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
  const clg_batch_attrs *a = c->attrs;
  const clg_tensor *x = c->in[IN_X];
  const bool cpu = c->ctx->shape == CLG_SHAPE_CPU;
  *b = (batch){.c = c, .images = x->shape[0], .channels = x->shape[1], .count = x->numel / x->shape[1]};
  b->size = b->count / b->images;
  b->columns = b->size == 1;
  b->parted = worth_parts(b, cpu);
  if (b->parted) split_channels(b, cpu);
  b->shards = a->training && a->meeting.gather ? (int64_t)a->meeting.shards : 0;
  if (b->shards) b->parts = 1, b->chunk = b->count;
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
  clg_args_f32x2(args, ((const clg_batch_attrs *)b->c->attrs)->act.numbers);
}
/* What the running statistics take. */
static void add_moving(clg_args *args, const batch *b) {
  const clg_batch_attrs *a = b->c->attrs;
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

static clg_status join_sums(const batch *b, const clg_tensor *work, clg_tensor *sums) {
  const clg_op_call *c = b->c;
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){work, sums, c->to[IN_GAMMA].t, c->to[IN_BETA].t}, 4, sums);
  clg_args_sizes(&args, (int64_t[]){b->parts, b->channels}, 2);
  clg_args_u32(&args, b->flags);
  return launch_lanes(b, &args, split, NULL, "batch_norm_join_sums");
}

/* `work` [2,parts,C] */
static clg_status sum_parts(const batch *b, clg_tensor *work, clg_tensor *sums) {
  clg_status s = launch_parts(b, (clg_tensor *[]){b->c->grad, work}, 2, true, "batch_norm_part_sums",
                              "batch_norm_columns_part_sums");
  return s == CLG_OK ? join_sums(b, work, sums) : s;
}

static clg_status write_gradient(const batch *b, clg_tensor *sums) {
  return launch_parts(b, (clg_tensor *[]){b->c->grad, sums, b->c->to[IN_X].t}, 3, true, "batch_norm_gradient",
                      "batch_norm_columns_gradient");
}

static clg_status backward_parts(const batch *b) {
  const clg_op_call *c = b->c;
  clg_tensor *sums = NULL;
  clg_status s = CLG_OK;
  if (!(b->flags & NORM_EVAL) || c->to[IN_GAMMA].t || c->to[IN_BETA].t) {
    if (!(sums = work_of(b, 2))) return clg_last_status(c->ctx);
    clg_tensor *work = work_of(b, 2 * b->parts);
    s = work ? sum_parts(b, work, sums) : clg_last_status(c->ctx);
    clg_tensor_unref(&work);
  }
  if (s == CLG_OK && c->to[IN_X].t) s = write_gradient(b, sums);
  clg_tensor_unref(&sums);
  return s;
}

/* ---- shards that meet: what each of them tells, and what follows from what all told ---- */

/* The whole batch, as the launches see it that join its shards or count its values. */
static batch batch_of_all(const batch *b) {
  batch all = *b;
  all.images *= b->shards;
  all.count *= b->shards;
  all.flags |= NORM_SHARDS;
  return all;
}

/* What the shards told, one behind the other, in place of `mine`, which goes. NULL with the error set. */
static clg_tensor *gather(const batch *b, clg_tensor *mine) {
  const clg_op_call *c = b->c;
  const clg_meeting *m = &((const clg_batch_attrs *)c->attrs)->meeting;
  const clg_callback call = clg_callback_begin(c->ctx);
  clg_tensor *all = m->gather(m->user, mine);
  clg_callback_end(call);
  bool fits = all && clg_tensor_is_contiguous(all) && all->numel == b->shards * mine->numel;
  if (!all && clg_last_status(c->ctx) == CLG_OK)
    clg_fail(c->ctx, CLG_ERR_STATE, c->op->name, "the shards did not meet");
  if (all && !fits) {
    clg_fail(c->ctx, CLG_ERR_SHAPE, c->op->name, "%lld numbers came of %lld shards that told %lld each",
             (long long)all->numel, (long long)b->shards, (long long)mine->numel);
    clg_tensor_unref(&all);
  }
  clg_tensor_unref(&mine);
  return all;
}

/* [3,C]: what the mean is measured from, the mean, the deviation. */
static clg_tensor *tell_moments(const batch *b) {
  const clg_op_call *c = b->c;
  clg_tensor *mine = work_of(b, 3), *x = c->in[IN_X];
  clg_tensor *rest = mine ? clg_tensor_view(mine->storage, (size_t)b->channels, 1, &b->channels, NULL) : NULL;
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){x, mine}, 2, x);
  add_sizes(&args, b);
  clg_kernel *k = clg_kernel_get(c->ctx, split, NULL, "batch_norm_shift");
  const size_t channels[3] = {(size_t)b->channels, 1, 1};
  clg_status s = rest ? clg_launch(c->ctx, k, c->op->name, &args, channels, NULL) : clg_last_status(c->ctx);
  if (s == CLG_OK)
    s = launch_parts(b, (clg_tensor *[]){x, rest}, 2, false, "batch_norm_part", "batch_norm_columns_part");
  clg_tensor_unref(&rest);
  if (s != CLG_OK) clg_tensor_unref(&mine);
  return mine;
}

static clg_status forward_shards(const batch *b) {
  const clg_op_call *c = b->c;
  batch all = batch_of_all(b);
  clg_tensor *mine = tell_moments(b), *told = mine ? gather(b, mine) : NULL;
  all.parts = b->shards;
  clg_status s = told ? join(&all, told) : clg_last_status(c->ctx);
  clg_tensor_unref(&told);
  if (s != CLG_OK) return s;
  return launch_parts(b, &c->out[OUT_Y], 1, true, "batch_norm_apply", "batch_norm_columns_apply");
}

/* gamma's and beta's gradients are the shard's own. */
static clg_status backward_shards(const batch *b) {
  const clg_op_call *c = b->c;
  batch all = batch_of_all(b);
  clg_tensor *sums = work_of(b, 2), *mine = sums ? work_of(b, 2) : NULL, *told = NULL;
  clg_status s = mine ? sum_parts(b, mine, sums) : clg_last_status(c->ctx);
  if (s == CLG_OK && c->to[IN_X].t) {
    told = gather(b, mine);
    mine = NULL;
    all.flags &= ~(uint32_t)(NORM_WANT_GAMMA | NORM_WANT_BETA);
    all.parts = b->shards;
    s = told ? join_sums(&all, told, sums) : clg_last_status(c->ctx);
    all.parts = 1;
    if (s == CLG_OK) s = write_gradient(&all, sums);
  }
  clg_tensor_unref(&told);
  clg_tensor_unref(&mine);
  clg_tensor_unref(&sums);
  return s;
}

/* ---- which ---- */

clg_status clg_batch_norm_forward(clg_op_call *c) {
  const clg_batch_attrs *a = c->attrs;
  batch b;
  if (!begin(&b, c)) return clg_last_status(c->ctx);
  if (a->updates) b.flags |= NORM_UPDATE;
  if (b.shards) return forward_shards(&b);
  return b.parted ? forward_parts(&b) : forward_whole(&b);
}

clg_status clg_batch_norm_backward(clg_op_call *c) {
  batch b;
  if (!begin(&b, c)) return clg_last_status(c->ctx);
  b.flags |= clg_norm_wanted(c);
  if (b.shards) return backward_shards(&b);
  return b.parted ? backward_parts(&b) : backward_whole(&b);
}
