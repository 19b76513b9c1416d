/* Launches the layer norm kernels (layer_norm.cl). */
#include "ops/norm/norm_kernels.h"
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include <string.h>

static clg_kernel *kernel_of(clg_context *ctx, const char *prelude, const char *name) {
  return clg_kernel_get(ctx, "layer_norm.cl", prelude, name);
}

/* Work-groups over rows of n: on a CPU each has as many as make some vectors. */
static size_t row_groups(const clg_context *ctx, uint32_t rows, uint32_t n) {
  return ctx->shape == CLG_SHAPE_CPU && n < NORM_ROW_WORK ? CLG_CEIL_DIV(rows, NORM_ROW_WORK / n) : rows;
}

clg_status clg_layer_norm_forward(clg_context *ctx, const clg_norm_forward *f, const char *op) {
  if (!f->rows || !f->n) return CLG_OK;
  clg_args l;
  l.n = 0;
  clg_args_at(&l, f->x, f->x);
  clg_args_at(&l, f->gamma, f->x);
  clg_args_at(&l, f->beta, f->x);
  clg_args_at(&l, f->y, f->x);
  clg_args_at(&l, f->mean, f->x);
  clg_args_at(&l, f->rstd, f->x);
  clg_args_u32(&l, f->rows);
  clg_args_u32(&l, f->n);
  clg_args_f32(&l, f->eps);
  clg_args_u32(&l, (f->gamma.block ? NORM_GAMMA : 0) | (f->beta.block ? NORM_BETA : 0));
  clg_args_f32x2(&l, f->act.numbers);
  const size_t groups[3] = {row_groups(ctx, f->rows, f->n), 1, 1};
  return clg_launch_groups(ctx, kernel_of(ctx, f->act.prelude, "norm_forward"), op, &l, groups);
}

/* How column sums are shared out: an item has `width` columns and `chunk` rows. By the shapes alone. */
typedef struct sharing {
  uint32_t width, stripes, chunk, chunks;
} sharing;

/* Columns first. Rows are cut too, which costs a second launch, where the columns alone leave a device idle. On a CPU
 * wide stripes read memory in longer runs. */
static sharing share(const clg_context *ctx, uint32_t rows, uint32_t n) {
  bool cpu = ctx->shape == CLG_SHAPE_CPU, many = rows >= 512;
  uint32_t want = cpu ? 64 : 8192, least_rows = cpu ? 64 : 32;
  sharing s = {.width = 1, .chunks = 1};
  if (cpu) {
    s.width = CLG_CEIL_DIV(CLG_CEIL_DIV(n, want), LANES) * LANES;
    if (many || s.width > NORM_STRIPE) s.width = NORM_STRIPE;
  }
  s.stripes = CLG_CEIL_DIV(n, s.width);
  if (many && s.stripes < want) s.chunks = want / s.stripes < rows / least_rows ? want / s.stripes : rows / least_rows;
  s.chunk = CLG_CEIL_DIV(rows, s.chunks);
  s.chunks = CLG_CEIL_DIV(rows, s.chunk);
  return s;
}

/* dx, and the sums into `dgamma` and `dbeta` as flags say. */
static clg_status run_backward(clg_context *ctx, const clg_norm_backward *b, clg_at dgamma, clg_at dbeta,
                               const sharing *s, uint32_t flags, const char *op) {
  clg_kernel *k = kernel_of(ctx, b->act.prelude, "norm_backward");
  const uint32_t columns = CLG_CEIL_DIV(s->stripes * s->chunks, (uint32_t)clg_kernel_group(ctx, k));
  const clg_at at[] = {b->g, b->x, b->y, b->gamma, b->mean, b->rstd, b->dx, dgamma, dbeta};
  const uint64_t offset[3][4] = {{b->g.offset, b->x.offset, b->y.offset, b->gamma.offset},
                                 {b->mean.offset, b->rstd.offset},
                                 {b->dx.offset, dgamma.offset, dbeta.offset}};
  uint32_t sizes[8] = {b->rows, b->n, s->width, s->chunk, columns, flags};
  memcpy(&sizes[6], b->act.numbers, sizeof b->act.numbers);
  clg_args l;
  l.n = 0;
  for (int i = 0; i < 9; i++) clg_args_block(&l, at[i].block ? at[i].block : b->g.block);
  for (int i = 0; i < 3; i++) clg_args_packed(&l, offset[i]);
  clg_args_packed(&l, sizes);
  const size_t groups[3] = {columns + (b->dx.block ? row_groups(ctx, b->rows, b->n) : 0), 1, 1};
  return clg_launch_groups(ctx, k, op, &l, groups);
}

static clg_status add_parts(clg_context *ctx, const clg_norm_backward *b, clg_at gamma, clg_at beta, uint32_t chunks,
                            uint32_t flags, const char *op) {
  clg_at any = gamma.block ? gamma : beta;
  clg_args l;
  l.n = 0;
  clg_args_at(&l, gamma, any);
  clg_args_at(&l, beta, any);
  clg_args_at(&l, b->dgamma, any);
  clg_args_at(&l, b->dbeta, any);
  clg_args_u32(&l, chunks);
  clg_args_u32(&l, b->n);
  clg_args_u32(&l, flags);
  const size_t global[3] = {b->n, 1, 1};
  return clg_launch(ctx, kernel_of(ctx, NULL, "norm_parts"), op, &l, global, NULL);
}

clg_status clg_layer_norm_backward(clg_context *ctx, const clg_norm_backward *b, const char *op) {
  uint32_t asked = (b->dgamma.block ? NORM_WANT_GAMMA : 0) | (b->dbeta.block ? NORM_WANT_BETA : 0);
  uint32_t flags = asked | (b->gamma.block ? NORM_GAMMA : 0) | (b->accumulate_x ? NORM_ADD_X : 0);
  uint32_t adds = (b->accumulate_gamma ? NORM_ADD_GAMMA : 0) | (b->accumulate_beta ? NORM_ADD_BETA : 0);
  sharing s = {.width = 1, .chunk = 1};
  if (!b->n || (!asked && !b->dx.block)) return CLG_OK;
  if (!b->rows) return asked ? add_parts(ctx, b, b->dgamma, b->dbeta, 0, asked | adds, op) : CLG_OK;
  if (asked) s = share(ctx, b->rows, b->n);
  if (s.chunks <= 1) return run_backward(ctx, b, b->dgamma, b->dbeta, &s, flags | adds, op);
  size_t part = (size_t)s.chunks * b->n;
  clg_block *work = clg_block_alloc(ctx, 2 * part * sizeof(float), CLG_ROLE_WORKSPACE, op);
  if (!work) return clg_last_status(ctx);
  clg_at gamma = {work, 0}, beta = {work, part};
  clg_status status = run_backward(ctx, b, gamma, beta, &s, flags, op);
  if (status == CLG_OK) status = add_parts(ctx, b, gamma, beta, s.chunks, asked | adds, op);
  clg_block_unref(work);
  return status;
}
