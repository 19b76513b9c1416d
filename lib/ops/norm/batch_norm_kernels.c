/* Launches the batch norm kernels: which of them, and how channels are shared out. By the shapes alone, so that results
 * and workspace do not depend on the device. */
#include "ops/norm/batch_norm_kernels.h"
#include "base/ceil_div.h"
#include "tensor/args.h"

static const char op[] = "batch_norm";
static const char *const whole = "batch_norm.cl", *const in_columns = "batch_norm_columns.cl",
                         *const split = "batch_norm_split.cl";

/* x as [N,C,S]; `columns`: S is 1. More than one part of `chunk` of a channel's N*S values: three launches. */
typedef struct sharing {
  int64_t images, channels, size;
  bool columns, parted;
  int64_t parts, chunk;
} sharing;

/* Columns are read a vector of each row at a time if an item has whole channels, which is slow once they fit in no
 * cache. Other channels are shared out where they leave a device idle, or where one fits in no cache. */
static bool worth_parts(const sharing *s, bool cpu) {
  int64_t count = s->images * s->size, all = count * s->channels;
  if (s->columns) return count >= 512 && all >= 1 << 18;
  return count >= 1 << 17 && (s->channels < (cpu ? 16 : 128) || (cpu && count > 1 << 20));
}

static sharing share(const clg_tensor *x) {
  bool cpu = x->ctx->shape == CLG_SHAPE_CPU;
  sharing s = {.images = x->shape[0], .channels = x->shape[1]};
  s.size = x->numel / (s.images * s.channels);
  s.columns = s.size == 1;
  if (!(s.parted = worth_parts(&s, cpu))) return s;
  int64_t count = s.images * s.size,
          least = s.columns ? 64
                  : cpu     ? 32768
                            : 4096,
          most = !cpu        ? 256
                 : s.columns ? 128
                             : 1024;
  s.chunk = CLG_CEIL_DIV(count, most) > least ? CLG_CEIL_DIV(count, most) : least;
  s.parts = CLG_CEIL_DIV(count, s.chunk);
  return s;
}

static void add_sizes(clg_args *a, const sharing *s) {
  clg_args_sizes(a, (int64_t[]){s->images, s->channels, s->size}, 3);
}

static uint32_t flags_of(const clg_batch_norm_over *o) {
  return (o->gamma ? NORM_GAMMA : 0) | (o->beta ? NORM_BETA : 0) | o->flags;
}

static void add_activation(clg_args *a, const clg_batch_norm_over *o) {
  clg_args_u32(a, flags_of(o));
  clg_args_f32x2(a, o->numbers);
}

/* Items that have VW channels each. */
static clg_status launch_lanes(clg_context *ctx, const sharing *s, const clg_args *args, const char *file,
                               const char *prelude, const char *name) {
  clg_kernel *k = clg_kernel_get(ctx, file, prelude, name);
  int64_t items = clg_vector_width(ctx) * (int64_t)clg_kernel_group(ctx, k);
  const size_t groups[3] = {(size_t)CLG_CEIL_DIV(s->channels, items), 1, 1};
  return clg_launch_groups(ctx, k, op, args, groups);
}

/* ---- one launch ---- */

/* A work-group a channel, or items that have VW channels each where x is [N,C]. */
static clg_status launch_whole(const clg_batch_norm_over *o, const sharing *s, const clg_args *args, const char *name) {
  if (s->columns) return launch_lanes(o->x->ctx, s, args, in_columns, o->prelude, name);
  clg_kernel *k = clg_kernel_get(o->x->ctx, whole, o->prelude, name);
  return clg_launch_groups(o->x->ctx, k, op, args, (size_t[3]){(size_t)s->channels, 1, 1});
}

static clg_status forward_whole(const clg_batch_norm_over *o, const clg_batch_norm_moving *m, clg_tensor *y,
                                const sharing *s) {
  float count = (float)(s->images * s->size);
  const clg_tensor *const t[] = {o->x, o->gamma, o->beta, m->mean, m->var, y, o->mean, o->rstd};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, t, 8, o->x);
  add_sizes(&args, s);
  clg_args_f32(&args, m->eps);
  clg_args_f32(&args, m->momentum);
  clg_args_f32(&args, count / (count - 1));
  clg_args_u32(&args, flags_of(o));
  clg_args_f32x2(&args, o->numbers);
  return launch_whole(o, s, &args, s->columns ? "batch_norm_columns_forward" : "batch_norm_forward");
}

static clg_status backward_whole(const clg_batch_norm_over *o, clg_tensor *g, clg_tensor *const d[3],
                                 const sharing *s) {
  const clg_tensor *const t[] = {g, o->x, o->gamma, o->beta, o->mean, o->rstd, d[0], d[1], d[2]};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, t, 9, o->x);
  add_sizes(&args, s);
  clg_args_u32(&args, flags_of(o));
  clg_args_f32x2(&args, o->numbers);
  return launch_whole(o, s, &args, s->columns ? "batch_norm_columns_backward" : "batch_norm_backward");
}

/* ---- parts ---- */

/* One launch over the parts: `first` of its arguments, and `over` the channels' or no more than x's sizes. */
static clg_status launch_parts(const clg_batch_norm_over *o, const sharing *s, clg_tensor *const *first, int n,
                               bool over, const char *name) {
  clg_context *ctx = o->x->ctx;
  const clg_tensor *const t[] = {o->x, o->gamma, o->beta, o->mean, o->rstd};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *const *)first, n, o->x);
  if (over) clg_args_tensors(&args, t, 5, o->x);
  add_sizes(&args, s);
  clg_args_u32(&args, (uint32_t)s->chunk);
  if (over) add_activation(&args, o);
  const char *prelude = over ? o->prelude : NULL;
  clg_kernel *k = clg_kernel_get(ctx, s->columns ? in_columns : split, prelude, name);
  if (!s->columns) return clg_launch_groups(ctx, k, op, &args, (size_t[3]){(size_t)s->parts, (size_t)s->channels, 1});
  bool cpu = ctx->shape == CLG_SHAPE_CPU;
  const size_t one[3] = {1, 1, 1},
               global[3] = {(size_t)CLG_CEIL_DIV(s->channels, cpu ? NORM_STRIPE : 1), (size_t)s->parts, 1};
  return clg_launch(ctx, k, op, &args, global, cpu ? one : NULL);
}

static clg_tensor *work_of(const sharing *s, clg_context *ctx, int64_t rows) {
  return clg_tensor_new(ctx, 2, (int64_t[]){rows, s->channels}, CLG_ROLE_WORKSPACE, op);
}

static clg_status join(const clg_batch_norm_over *o, const clg_batch_norm_moving *m, clg_tensor *work,
                       const sharing *s) {
  int64_t count = s->images * s->size;
  const clg_tensor *const t[] = {o->x, work, m->mean, m->var, o->mean, o->rstd};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, t, 6, o->x);
  clg_args_u32(&args, (uint32_t)(work ? s->parts : 0));
  add_sizes(&args, s);
  clg_args_u32(&args, (uint32_t)s->chunk);
  clg_args_f32(&args, m->eps);
  clg_args_f32(&args, m->momentum);
  clg_args_f32(&args, (float)count / ((float)count - 1));
  clg_args_u32(&args, flags_of(o));
  return launch_lanes(o->x->ctx, s, &args, split, NULL, "batch_norm_join");
}

static clg_status forward_parts(const clg_batch_norm_over *o, const clg_batch_norm_moving *m, clg_tensor *y,
                                const sharing *s) {
  clg_context *ctx = o->x->ctx;
  clg_tensor *work = NULL;
  clg_status status = CLG_OK;
  if (!(o->flags & NORM_EVAL)) {
    if (!(work = work_of(s, ctx, 2 * s->parts))) return clg_last_status(ctx);
    status = launch_parts(o, s, (clg_tensor *[]){o->x, work}, 2, false,
                          s->columns ? "batch_norm_columns_part" : "batch_norm_part");
  }
  if (status == CLG_OK) status = join(o, m, work, s);
  clg_tensor_unref(&work);
  if (status != CLG_OK) return status;
  return launch_parts(o, s, &y, 1, true, s->columns ? "batch_norm_columns_apply" : "batch_norm_apply");
}

static clg_status sum_parts(const clg_batch_norm_over *o, clg_tensor *g, clg_tensor *const d[3], clg_tensor *sums,
                            const sharing *s) {
  clg_context *ctx = o->x->ctx;
  clg_tensor *work = work_of(s, ctx, 2 * s->parts);
  if (!work) return clg_last_status(ctx);
  clg_status status = launch_parts(o, s, (clg_tensor *[]){g, work}, 2, true,
                                   s->columns ? "batch_norm_columns_part_sums" : "batch_norm_part_sums");
  const clg_tensor *const t[] = {work, sums, d[1], d[2]};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, t, 4, sums);
  clg_args_u32(&args, (uint32_t)s->parts);
  clg_args_u32(&args, (uint32_t)s->channels);
  clg_args_u32(&args, flags_of(o));
  if (status == CLG_OK) status = launch_lanes(ctx, s, &args, split, NULL, "batch_norm_join_sums");
  clg_tensor_unref(&work);
  return status;
}

static clg_status backward_parts(const clg_batch_norm_over *o, clg_tensor *g, clg_tensor *const d[3],
                                 const sharing *s) {
  clg_tensor *sums = NULL;
  clg_status status = CLG_OK;
  if (!(o->flags & NORM_EVAL) || d[1] || d[2]) {
    if (!(sums = work_of(s, o->x->ctx, 2))) return clg_last_status(o->x->ctx);
    status = sum_parts(o, g, d, sums, s);
  }
  if (status == CLG_OK && d[0])
    status = launch_parts(o, s, (clg_tensor *[]){g, sums, d[0]}, 3, true,
                          s->columns ? "batch_norm_columns_gradient" : "batch_norm_gradient");
  clg_tensor_unref(&sums);
  return status;
}

/* ---- which ---- */

clg_status clg_batch_norm_forward(const clg_batch_norm_over *o, const clg_batch_norm_moving *moving, clg_tensor *y) {
  sharing s = share(o->x);
  return s.parted ? forward_parts(o, moving, y, &s) : forward_whole(o, moving, y, &s);
}

clg_status clg_batch_norm_backward(const clg_batch_norm_over *o, clg_tensor *g, clg_tensor *const d[3]) {
  sharing s = share(o->x);
  return s.parted ? backward_parts(o, g, d, &s) : backward_whole(o, g, d, &s);
}
