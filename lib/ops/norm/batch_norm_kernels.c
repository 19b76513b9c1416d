/* Launches the batch norm kernels: which of them, and how channels are shared out. By the shapes alone, so that results
 * and workspace do not depend on the device. */
#include "ops/norm/batch_norm_kernels.h"
#include "ops/call.h"

enum { GAMMA = 1, BETA = 2 };
static const char op[] = "batch_norm";
static const char *const whole = "batch_norm.cl", *const in_columns = "batch_norm_columns.cl",
                         *const split = "batch_norm_split.cl";

/* x as [N,C,S]; `columns`: S is 1. More than one part of `chunk` of a channel's N*S values: three launches. */
typedef struct sharing {
  int64_t images, channels, size;
  bool columns, parted;
  int64_t parts, chunk;
} sharing;

static int64_t pieces(int64_t n, int64_t piece) { return n / piece + (n % piece != 0); }

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
  s.chunk = pieces(count, most) > least ? pieces(count, most) : least;
  s.parts = pieces(count, s.chunk);
  return s;
}

static void call_sizes(clg_call *c, const sharing *s) {
  clg_call_u32(c, s->images);
  clg_call_u32(c, s->channels);
  clg_call_u32(c, s->size);
}

static uint32_t flags_of(const clg_batch_norm_over *o) {
  return (o->gamma ? GAMMA : 0) | (o->beta ? BETA : 0) | o->flags;
}

/* Items that have VW channels each. */
static clg_status launch_lanes(clg_context *ctx, const sharing *s, const clg_call *c, const char *file,
                               const char *prelude, const char *name) {
  clg_kernel *k = clg_kernel_get(ctx, file, prelude, name);
  int64_t items = clg_vector_width(ctx) * (int64_t)clg_kernel_group(ctx, k);
  const size_t groups[3] = {(size_t)pieces(s->channels, items), 1, 1};
  return clg_launch_groups(ctx, k, op, c->arg, c->n, groups);
}

/* ---- one launch ---- */

/* A work-group a channel, or items that have VW channels each where x is [N,C]. */
static clg_status launch_whole(const clg_batch_norm_over *o, const sharing *s, const clg_call *c, const char *name) {
  if (s->columns) return launch_lanes(o->x->ctx, s, c, in_columns, o->prelude, name);
  return clg_call_groups_of(o->x->ctx, c, whole, o->prelude, name, s->channels, 1, op);
}

static clg_status forward_whole(const clg_batch_norm_over *o, const clg_batch_norm_moving *m, clg_tensor *y,
                                const sharing *s) {
  float count = (float)(s->images * s->size);
  clg_tensor *const t[] = {o->x, o->gamma, o->beta, m->mean, m->var, y, o->mean, o->rstd};
  clg_call c = {.n = 0};
  for (int i = 0; i < 8; i++) clg_call_tensor(&c, t[i], o->x);
  call_sizes(&c, s);
  clg_call_f32(&c, m->eps);
  clg_call_f32(&c, m->momentum);
  clg_call_f32(&c, count / (count - 1));
  clg_call_u32(&c, flags_of(o));
  clg_call_f32x2(&c, o->numbers);
  return launch_whole(o, s, &c, s->columns ? "batch_norm_columns_forward" : "batch_norm_forward");
}

static clg_status backward_whole(const clg_batch_norm_over *o, clg_tensor *g, clg_tensor *const d[3],
                                 const sharing *s) {
  clg_tensor *const t[] = {g, o->x, o->gamma, o->beta, o->mean, o->rstd, d[0], d[1], d[2]};
  clg_call c = {.n = 0};
  for (int i = 0; i < 9; i++) clg_call_tensor(&c, t[i], o->x);
  call_sizes(&c, s);
  clg_call_u32(&c, flags_of(o));
  clg_call_f32x2(&c, o->numbers);
  return launch_whole(o, s, &c, s->columns ? "batch_norm_columns_backward" : "batch_norm_backward");
}

/* ---- parts ---- */

/* One launch over the parts: `first` of its arguments, and `over` the channels' or no more than x's sizes. */
static clg_status launch_parts(const clg_batch_norm_over *o, const sharing *s, clg_tensor *const *first, int n,
                               bool over, const char *name) {
  enum { STRIPE = 1024 }; /* WIDE of batch_norm_columns.cl */
  clg_context *ctx = o->x->ctx;
  clg_tensor *const t[] = {o->x, o->gamma, o->beta, o->mean, o->rstd};
  clg_call c = {.n = 0};
  for (int i = 0; i < n; i++) clg_call_tensor(&c, first[i], o->x);
  for (int i = 0; over && i < 5; i++) clg_call_tensor(&c, t[i], o->x);
  call_sizes(&c, s);
  clg_call_u32(&c, s->chunk);
  if (over) clg_call_u32(&c, flags_of(o)), clg_call_f32x2(&c, o->numbers);
  const char *prelude = over ? o->prelude : NULL;
  if (!s->columns) return clg_call_groups_of(ctx, &c, split, prelude, name, s->parts, s->channels, op);
  bool cpu = ctx->shape == CLG_SHAPE_CPU;
  const size_t one[3] = {1, 1, 1}, global[3] = {(size_t)pieces(s->channels, cpu ? STRIPE : 1), (size_t)s->parts, 1};
  return clg_launch(ctx, clg_kernel_get(ctx, in_columns, prelude, name), op, c.arg, c.n, global, cpu ? one : NULL);
}

static clg_tensor *work_of(const sharing *s, clg_context *ctx, int64_t rows) {
  return clg_tensor_new(ctx, 2, (int64_t[]){rows, s->channels}, CLG_ROLE_WORKSPACE, op);
}

static clg_status join(const clg_batch_norm_over *o, const clg_batch_norm_moving *m, clg_tensor *work,
                       const sharing *s) {
  int64_t count = s->images * s->size;
  clg_tensor *const t[] = {o->x, work, m->mean, m->var, o->mean, o->rstd};
  clg_call c = {.n = 0};
  for (int i = 0; i < 6; i++) clg_call_tensor(&c, t[i], o->x);
  clg_call_u32(&c, work ? s->parts : 0);
  call_sizes(&c, s);
  clg_call_u32(&c, s->chunk);
  clg_call_f32(&c, m->eps);
  clg_call_f32(&c, m->momentum);
  clg_call_f32(&c, (float)count / ((float)count - 1));
  clg_call_u32(&c, flags_of(o));
  return launch_lanes(o->x->ctx, s, &c, split, NULL, "batch_norm_join");
}

static clg_status forward_parts(const clg_batch_norm_over *o, const clg_batch_norm_moving *m, clg_tensor *y,
                                const sharing *s) {
  clg_context *ctx = o->x->ctx;
  clg_tensor *work = NULL;
  clg_status status = CLG_OK;
  if (!(o->flags & CLG_BN_EVAL)) {
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
  clg_tensor *const t[] = {work, sums, d[1], d[2]};
  clg_call c = {.n = 0};
  for (int i = 0; i < 4; i++) clg_call_tensor(&c, t[i], sums);
  clg_call_u32(&c, s->parts);
  clg_call_u32(&c, s->channels);
  clg_call_u32(&c, flags_of(o));
  if (status == CLG_OK) status = launch_lanes(ctx, s, &c, split, NULL, "batch_norm_join_sums");
  clg_tensor_unref(&work);
  return status;
}

static clg_status backward_parts(const clg_batch_norm_over *o, clg_tensor *g, clg_tensor *const d[3],
                                 const sharing *s) {
  clg_tensor *sums = NULL;
  clg_status status = CLG_OK;
  if (!(o->flags & CLG_BN_EVAL) || d[1] || d[2]) {
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
