/* Launches the kernel of a matrix product: of matmul.cl, or CLBlast's on GPU shapes. */
#include "base/ceil_div.h"
#include "device/launch.h"
#include "product/choice.h"
#include "product/clblast.h"
#include <string.h>

enum {
  PANEL_LEAST = 16, /* rows that are worth a packed panel of their own, */
  BLOCK_LEAST = 64, /* and packed panels of BLOCK_COLS columns */
  DOT_ROWS = 8      /* at least, of an item */
};

/* Multiplications that are worth an item of their own: fewer cost less than handing an item out. */
#define ITEM_WORK 16384u

static uint32_t batch_count(const clg_product *p) {
  uint32_t count = 1;
  for (int i = 0; i < p->batch.n; i++) count *= p->batch.size[i];
  return count;
}

/* `range`: work-groups, or items. */
static clg_status launch(clg_context *ctx, const clg_product *p, const clg_operands *o, const char *name, uint32_t span,
                         const size_t range[2], bool by_items, const char *op) {
  const clg_product_batch *batch = &p->batch;
  const uint32_t offset[8] = {(uint32_t)o->a_offset,    (uint32_t)o->b_offset, (uint32_t)p->c_offset,
                              (uint32_t)p->bias_offset, o->a_step[0],          o->b_step[0],
                              batch->step[2][0]};
  const uint32_t strides[8] = {o->a_rs, o->a_ps, o->b_ps, o->b_cs, o->c_rs, o->c_cs};
  uint32_t sizes[8] = {o->m, o->n, p->k, o->flags, 0, span};
  memcpy(&sizes[4], &p->numbers[0], sizeof p->numbers[0]);
  memcpy(&sizes[6], &p->numbers[1], sizeof p->numbers[1]);
  clg_args args;
  args.n = 0;
  clg_args_block(&args, p->k ? o->a : p->c);
  clg_args_block(&args, p->k ? o->b : p->c);
  clg_args_block(&args, p->c);
  clg_args_block(&args, p->bias ? p->bias : p->c);
  clg_args_packed(&args, offset);
  clg_args_packed(&args, strides);
  clg_args_packed(&args, sizes);
  const bool walks = batch->n > 1;
  if (walks) {
    clg_args_v8(&args, (const int32_t *)batch->size, batch->n, 1);
    clg_args_packed(&args, o->a_step);
    clg_args_packed(&args, o->b_step);
    clg_args_packed(&args, batch->step[2]);
  }
  const char *prelude = walks ? "#define PRODUCT_WALK\n" : p->epilogue;
  clg_kernel *k = clg_kernel_get(ctx, "matmul.cl", prelude, name);
  const size_t all[3] = {range[0], range[1], batch_count(p)};
  if (by_items) return clg_launch(ctx, k, op, &args, all, NULL);
  return clg_launch_groups(ctx, k, op, &args, all);
}

/* Rows that share what is packed for `cols` columns: all that fit, unless that leaves compute units without work. The
 * bits do not depend on it. */
static uint32_t span_of(const clg_context *ctx, const clg_product *p, const clg_operands *o, uint32_t most,
                        uint32_t least, uint32_t cols) {
  uint32_t span = most, want = 4 * (ctx->info.compute_units ? ctx->info.compute_units : 1);
  uint64_t across = (uint64_t)CLG_CEIL_DIV(o->n, cols) * batch_count(p);
  while (span > least && CLG_CEIL_DIV(o->m, span) * across < want) span /= 2;
  return span;
}

/* Rows of dot products that are enough for an item. */
static uint32_t dot_span(const clg_product *p) {
  uint32_t k = p->k ? p->k : 1;
  return k < ITEM_WORK / DOT_ROWS ? ITEM_WORK / DOT_ROWS / k * DOT_ROWS : DOT_ROWS;
}

/* Rows of a tile, an item's: what the device's registers hold. */
static uint32_t tile_rows(const clg_context *ctx) { return PIECE_ROWS_OF(clg_register_lanes(ctx)); }

/* Tiles read in place, for which product_two serves, one or two at a time: it is a program less to build. */
static bool is_plain(const clg_product *p) { return p->k && !p->bias && !p->epilogue && !p->batch.n; }

static clg_status run_plain(clg_context *ctx, const clg_product *p, const clg_operands *o, int count, const char *op) {
  clg_args args;
  args.n = 0;
  size_t tiles = 0;
  for (int i = 0; i < 2; i++) {
    const clg_operands *t = &o[i < count ? i : 0];
    const clg_product *q = &p[i < count ? i : 0];
    const uint32_t m = i < count ? t->m : 0;
    const uint32_t offset[8] = {(uint32_t)t->a_offset, (uint32_t)t->b_offset, (uint32_t)q->c_offset, t->flags};
    const uint32_t sizes[8] = {t->a_rs, t->a_ps, t->b_ps, t->c_rs, t->c_cs, m, t->n, q->k};
    clg_args_block(&args, t->a);
    clg_args_block(&args, t->b);
    clg_args_block(&args, q->c);
    clg_args_packed(&args, offset);
    clg_args_packed(&args, sizes);
    tiles += (size_t)CLG_CEIL_DIV(m, tile_rows(ctx)) * CLG_CEIL_DIV(t->n, TILE_COLS);
  }
  const size_t global[3] = {tiles, 1, 1}, local[3] = {1, 1, 1};
  return clg_launch(ctx, clg_kernel_get(ctx, "matmul.cl", NULL, "product_two"), op, &args, global, local);
}

static clg_status run_cpu(clg_context *ctx, const clg_product *p, clg_operands o, clg_product_kernel kernel,
                          const char *op) {
  uint32_t span = 0;
  switch (kernel) {
  case CLG_PRODUCT_DOT:
    if (o.n > o.m) o = clg_operands_swapped(&o);
    span = dot_span(p);
    return launch(ctx, p, &o, "product_dot", span, (size_t[]){CLG_CEIL_DIV(o.m, span), o.n}, false, op);
  case CLG_PRODUCT_ROW:
    return launch(ctx, p, &o, "product_row", 0, (size_t[]){CLG_CEIL_DIV(o.n, ROW_COLS), o.m}, false, op);
  case CLG_PRODUCT_DIRECT:
    if (is_plain(p)) return run_plain(ctx, p, &o, 1, op);
    return launch(ctx, p, &o, "product_direct", 0,
                  (size_t[]){CLG_CEIL_DIV(o.m, tile_rows(ctx)), CLG_CEIL_DIV(o.n, TILE_COLS)}, false, op);
  case CLG_PRODUCT_BLOCK:
    span = span_of(ctx, p, &o, BLOCK_ROWS, BLOCK_LEAST, BLOCK_COLS);
    return launch(ctx, p, &o, "product_block", span, (size_t[]){CLG_CEIL_DIV(o.m, span), CLG_CEIL_DIV(o.n, BLOCK_COLS)},
                  false, op);
  default:
    span = span_of(ctx, p, &o, PANEL_ROWS, PANEL_LEAST, TILE_COLS);
    return launch(ctx, p, &o, "product_panel", span, (size_t[]){CLG_CEIL_DIV(o.m, span), CLG_CEIL_DIV(o.n, TILE_COLS)},
                  false, op);
  }
}

static clg_status run_tile(clg_context *ctx, const clg_product *p, const clg_operands *o, const char *op) {
  size_t groups[2] = {CLG_CEIL_DIV(o->n, TILE), CLG_CEIL_DIV(o->m, TILE)};
  return launch(ctx, p, o, "product_tile", 0, groups, false, op);
}

static clg_status run_clblast_one(clg_context *ctx, const clg_product *p, const char *op) {
  clg_status status = clg_gemm_clblast(ctx, p, op);
  if (status == CLG_ERR_STATE && clg_product_state_of(ctx)->no_clblast) {
    clg_operands o = clg_operands_of(p);
    return run_tile(ctx, p, &o, op);
  }
  if (status != CLG_OK || (!p->bias && !p->epilogue)) return status;
  clg_kernel *kernel = clg_kernel_get(ctx, "matmul.cl", p->epilogue, "product_finish");
  const clg_at c = {p->c, p->c_offset}, bias = {p->bias, p->bias_offset};
  clg_args args;
  args.n = 0;
  clg_args_at(&args, c, c);
  clg_args_u32(&args, p->c_ld);
  clg_args_u32(&args, p->m);
  clg_args_u32(&args, p->n);
  clg_args_at(&args, bias, c);
  clg_args_u32(&args, clg_operands_of(p).flags);
  clg_args_f32x2(&args, p->numbers);
  const size_t global[3] = {p->n, p->m, 1};
  return clg_launch(ctx, kernel, op, &args, global, NULL);
}

/* A product of a batch after the other: CLBlast's batched calls take workspace that nobody counts. */
static clg_status run_clblast(clg_context *ctx, const clg_product *p, const char *op) {
  clg_status s = CLG_OK;
  for (uint32_t i = 0, count = batch_count(p); s == CLG_OK && i < count; i++) {
    clg_product one = *p;
    one.batch.n = 0;
    for (uint32_t d = 0, rest = i; d < (uint32_t)p->batch.n; rest /= p->batch.size[d++]) {
      size_t at = rest % p->batch.size[d];
      one.a_offset += at * p->batch.step[0][d];
      one.b_offset += at * p->batch.step[1][d];
      one.c_offset += at * p->batch.step[2][d];
    }
    s = run_clblast_one(ctx, &one, op);
  }
  return s;
}

static clg_status run_gpu(clg_context *ctx, const clg_product *p, clg_operands o, clg_product_kernel kernel,
                          const char *op) {
  switch (kernel) {
  case CLG_PRODUCT_DOT: return launch(ctx, p, &o, "product_dot", 0, (size_t[]){o.m, o.n}, false, op);
  case CLG_PRODUCT_ROW: return launch(ctx, p, &o, "product_row", 0, (size_t[]){o.n, o.m}, true, op);
  case CLG_PRODUCT_CLBLAST: return run_clblast(ctx, p, op);
  default: return run_tile(ctx, p, &o, op);
  }
}

clg_status clg_product_run(clg_context *ctx, const clg_product *p, const char *op) {
  if (!p->m || !p->n) return CLG_OK;
  bool cpu = ctx->shape == CLG_SHAPE_CPU;
  clg_operands o = clg_operands_of(p);
  o = clg_operands_rowwise(&o, cpu);
  clg_product_kernel kernel = clg_product_choose(ctx, p, &o);
  return cpu ? run_cpu(ctx, p, o, kernel, op) : run_gpu(ctx, p, o, kernel, op);
}

/* Rows have the bits of tiles. */
static bool is_direct(const clg_context *ctx, const clg_product *p, const clg_operands *o) {
  clg_product_kernel kernel = clg_product_choose(ctx, p, o);
  return is_plain(p) && clg_product_can(ctx, p, o, CLG_PRODUCT_DIRECT) &&
         (kernel == CLG_PRODUCT_DIRECT || kernel == CLG_PRODUCT_ROW);
}

clg_status clg_product_run_two(clg_context *ctx, const clg_product p[2], const char *op) {
  clg_operands o[2];
  bool together = ctx->shape == CLG_SHAPE_CPU;
  for (int i = 0; together && i < 2; i++) {
    clg_operands given = clg_operands_of(&p[i]);
    o[i] = clg_operands_rowwise(&given, true);
    together = p[i].m && p[i].n && is_direct(ctx, &p[i], &o[i]);
  }
  if (together) return run_plain(ctx, p, o, 2, op);
  clg_status s = clg_product_run(ctx, &p[0], op);
  return s == CLG_OK ? clg_product_run(ctx, &p[1], op) : s;
}
