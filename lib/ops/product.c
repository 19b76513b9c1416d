/* Chooses and launches the kernel of a matrix product (matmul.cl, or CLBlast on GPU shapes). */
#include "ops/product.h"
#include "device/gemm.h"
#include "device/launch.h"
#include "device/tuning.h"
#include <string.h>

/* As in matmul.cl. */
enum { FLAG_ADD = 1, FLAG_BIAS = 2, FLAG_SWAPPED = 4 };
enum {
  TILE_COLS = 32,
  PANEL_ROWS = 256,
  PANEL_LEAST = 16, /* rows that are worth a packed panel of their own */
  FEW_ROWS = 32,    /* and of a product that is */
  BLOCK_ROWS = 256,
  BLOCK_COLS = 512,
  ROW_COLS = 128,
  DOT_ROWS = 8,  /* at least, of an item */
  DOT_COLS = 16, /* more, and tiles that fill their columns are faster */
  GPU_TILE = 32
};

/* Multiplications that are worth an item of their own: fewer cost less than handing an item out. */
#define ITEM_WORK 16384u

/* Elements of an operand that a core keeps near: below, the matrix is read in place as fast as a packed copy. */
#define CACHED (512u * 512)

/* On a GPU, multiplications of a product below which a batch is one launch of ours: a device that CLBlast's kernels
 * would not fill. */
#define BATCH_OWN (256u * 256 * 256)

/* The operands by strides, so that a transposition is only another number. */
typedef struct operands {
  clg_block *a, *b;
  size_t a_offset, b_offset;
  const uint32_t *a_step, *b_step;
  uint32_t m, n, a_rs, a_ps, b_ps, b_cs, c_rs, c_cs, flags;
} operands;

static operands operands_of(const clg_product *p) {
  operands o = {p->a,
                p->b,
                p->a_offset,
                p->b_offset,
                p->batch.step[0],
                p->batch.step[1],
                p->m,
                p->n,
                p->a_ld,
                1,
                p->b_ld,
                1,
                p->c_ld,
                1,
                0};
  if (p->ta) o.a_rs = 1, o.a_ps = p->a_ld;
  if (p->tb) o.b_ps = 1, o.b_cs = p->b_ld;
  o.flags = (p->accumulate ? FLAG_ADD : 0) | (p->bias ? FLAG_BIAS : 0);
  return o;
}

/* C^T = B^T A^T: exchanges the operands; twice is as before. */
static operands swapped(const operands *o) {
  operands s = {
      o->b,      o->a,    o->b_offset, o->a_offset, o->b_step,
      o->a_step, o->n,    o->m,        o->b_cs,     o->b_ps,
      o->a_ps,   o->a_rs, o->c_cs,     o->c_rs,     o->flags & FLAG_BIAS ? o->flags ^ FLAG_SWAPPED : o->flags};
  return s;
}

static uint32_t batch_count(const clg_product *p) {
  uint32_t count = 1;
  for (int i = 0; i < p->batch.n; i++) count *= p->batch.size[i];
  return count;
}

/* `range`: work-groups, or items. */
static clg_status launch(clg_context *ctx, const clg_product *p, const operands *o, const char *name, uint32_t span,
                         const size_t range[2], bool by_items, const char *op) {
  const uint64_t offset[4] = {o->a_offset, o->b_offset, p->c_offset, p->bias_offset};
  const clg_product_batch *batch = &p->batch;
  const uint64_t step[4] = {o->a_step[0], o->b_step[0], batch->step[2][0], 0};
  const uint32_t strides[8] = {o->a_rs, o->a_ps, o->b_ps, o->b_cs, o->c_rs, o->c_cs};
  uint32_t sizes[8] = {o->m, o->n, p->k, o->flags, 0, span};
  memcpy(&sizes[4], &p->epilogue_param, sizeof p->epilogue_param);
  clg_arg arg[] = {clg_arg_block(p->k ? o->a : p->c),
                   clg_arg_block(p->k ? o->b : p->c),
                   clg_arg_block(p->c),
                   clg_arg_block(p->bias ? p->bias : p->c),
                   clg_arg_packed(offset),
                   clg_arg_packed(step),
                   clg_arg_packed(strides),
                   clg_arg_packed(sizes),
                   clg_arg_v8((const int32_t *)batch->size, batch->n, 1),
                   clg_arg_packed(o->a_step),
                   clg_arg_packed(o->b_step),
                   clg_arg_packed(batch->step[2])};
  bool walks = batch->n > 1;
  const char *prelude = walks ? "#define PRODUCT_WALK\n" : p->epilogue;
  clg_kernel *k = clg_kernel_get(ctx, "matmul.cl", prelude, name);
  const size_t all[3] = {range[0], range[1], batch_count(p)};
  if (by_items) return clg_launch(ctx, k, op, arg, walks ? 12 : 8, all, NULL);
  return clg_launch_groups(ctx, k, op, arg, walks ? 12 : 8, all);
}

static uint32_t pieces(uint32_t n, uint32_t piece) { return n / piece + (n % piece != 0); }

/* ---- which kernel ---- */

/* Both operands run along k. */
static bool is_along(const operands *o) { return o->a_ps == 1 && o->b_ps == 1; }

static bool can(const clg_context *ctx, const clg_product *p, const operands *o, clg_product_kernel kernel) {
  bool cpu = ctx->shape == CLG_SHAPE_CPU;
  switch (kernel) {
  case CLG_PRODUCT_DOT: return is_along(o);
  case CLG_PRODUCT_ROW: return !cpu || o->b_cs == 1;
  case CLG_PRODUCT_DIRECT: return cpu && o->b_cs == 1 && o->n >= TILE_COLS;
  case CLG_PRODUCT_PANEL: return cpu;
  case CLG_PRODUCT_BLOCK: return cpu && o->a_rs == 1;
  case CLG_PRODUCT_TILE: return !cpu;
  case CLG_PRODUCT_CLBLAST: return !cpu && !p->own && p->k && !ctx->no_clblast;
  default: return false;
  }
}

static clg_product_kernel fixed_cpu(const clg_product *p, const operands *o) {
  bool in_place = o->b_cs == 1;
  if (is_along(o) && (o->m <= 4 || o->n <= DOT_COLS)) return CLG_PRODUCT_DOT;
  if (in_place && o->m <= 2) return CLG_PRODUCT_ROW;
  if (in_place && o->n >= TILE_COLS && (o->m <= FEW_ROWS || (uint64_t)p->k * o->b_ps < CACHED))
    return CLG_PRODUCT_DIRECT;
  if (o->a_ps != 1 && o->m >= 2 * BLOCK_ROWS && o->n >= BLOCK_COLS && (uint64_t)p->k * o->a_ps >= 4 * CACHED)
    return CLG_PRODUCT_BLOCK;
  return CLG_PRODUCT_PANEL;
}

static clg_product_kernel fixed_gpu(const clg_context *ctx, const clg_product *p, const operands *o) {
  if (o->m == 1 || o->n == 1) return is_along(o) ? CLG_PRODUCT_DOT : CLG_PRODUCT_ROW;
  bool small = p->batch.n && (uint64_t)o->m * o->n * p->k < BATCH_OWN;
  return small || !can(ctx, p, o, CLG_PRODUCT_CLBLAST) ? CLG_PRODUCT_TILE : CLG_PRODUCT_CLBLAST;
}

static clg_product_kernel choose(const clg_context *ctx, const clg_product *p, const operands *o) {
  if (ctx->tuning) {
    clg_product_class c = {p->ta, p->tb, clg_size_class(p->m), clg_size_class(p->n), clg_size_class(p->k)};
    clg_product_kernel tuned = clg_tuning_get(ctx, &c);
    if (can(ctx, p, o, tuned)) return tuned;
  }
  return ctx->shape == CLG_SHAPE_CPU ? fixed_cpu(p, o) : fixed_gpu(ctx, p, o);
}

/* A column times a transposed matrix reads the matrix by rows if taken as a row times the matrix. */
static operands turned(const operands *o, bool cpu) {
  return o->n == 1 && (!cpu || (o->a_rs == 1 && o->c_rs == 1)) ? swapped(o) : *o;
}

bool clg_product_kernel_serves(const clg_context *ctx, clg_product_kernel kernel, const clg_product_class *c) {
  if (!ctx || !c) return false;
  uint32_t m = (uint32_t)clg_size_class_typical(c->m), n = (uint32_t)clg_size_class_typical(c->n),
           k = (uint32_t)clg_size_class_typical(c->k);
  clg_product p = {
      .ta = c->ta, .tb = c->tb, .m = m, .n = n, .k = k, .a_ld = c->ta ? m : k, .b_ld = c->tb ? k : n, .c_ld = n};
  operands o = operands_of(&p);
  o = turned(&o, ctx->shape == CLG_SHAPE_CPU);
  bool thin = c->m < 2 || c->n < 2, by_results = kernel == CLG_PRODUCT_DOT || kernel == CLG_PRODUCT_ROW;
  return m && n && k && (thin || !by_results) && can(ctx, &p, &o, kernel);
}

/* ---- running it ---- */

/* Rows that share one packed panel: all that fit, unless that leaves compute units without work. The bits do not depend
 * on it. */
static uint32_t panel_span(const clg_context *ctx, const clg_product *p, const operands *o) {
  uint32_t span = PANEL_ROWS, want = 4 * (ctx->info.compute_units ? ctx->info.compute_units : 1);
  uint64_t panels = (uint64_t)pieces(o->n, TILE_COLS) * batch_count(p);
  while (span > PANEL_LEAST && pieces(o->m, span) * panels < want) span /= 2;
  return span;
}

/* Rows of dot products that are enough for an item. */
static uint32_t dot_span(const clg_product *p) {
  uint32_t k = p->k ? p->k : 1;
  return k < ITEM_WORK / DOT_ROWS ? ITEM_WORK / DOT_ROWS / k * DOT_ROWS : DOT_ROWS;
}

/* Rows of a tile, an item's: what the device's registers hold. As PIECE_ROWS in registers.clh. */
static uint32_t tile_rows(const clg_context *ctx) {
  unsigned lanes = clg_register_lanes(ctx);
  return lanes == 16 ? 8 : lanes == 8 ? 6 : 4;
}

/* Tiles read in place, for which product_two serves, one or two at a time: it is a program less to build. */
static bool is_plain(const clg_product *p) { return p->k && !p->bias && !p->epilogue && !p->batch.n; }

static clg_status run_plain(clg_context *ctx, const clg_product *p, const operands *o, int count, const char *op) {
  clg_arg arg[10], *next = arg;
  size_t tiles = 0;
  for (int i = 0; i < 2; i++) {
    const operands *t = &o[i < count ? i : 0];
    const clg_product *q = &p[i < count ? i : 0];
    const uint32_t m = i < count ? t->m : 0;
    const uint64_t offset[4] = {t->a_offset, t->b_offset, q->c_offset, t->flags};
    const uint32_t sizes[8] = {t->a_rs, t->a_ps, t->b_ps, t->c_rs, t->c_cs, m, t->n, q->k};
    *next++ = clg_arg_block(t->a), *next++ = clg_arg_block(t->b), *next++ = clg_arg_block(q->c);
    *next++ = clg_arg_packed(offset), *next++ = clg_arg_packed(sizes);
    tiles += (size_t)pieces(m, tile_rows(ctx)) * pieces(t->n, TILE_COLS);
  }
  const size_t global[3] = {tiles, 1, 1}, local[3] = {1, 1, 1};
  return clg_launch(ctx, clg_kernel_get(ctx, "matmul.cl", NULL, "product_two"), op, arg, 10, global, local);
}

static clg_status run_cpu(clg_context *ctx, const clg_product *p, operands o, clg_product_kernel kernel,
                          const char *op) {
  uint32_t span = 0;
  switch (kernel) {
  case CLG_PRODUCT_DOT:
    if (o.n > o.m) o = swapped(&o);
    span = dot_span(p);
    return launch(ctx, p, &o, "product_dot", span, (size_t[]){pieces(o.m, span), o.n}, false, op);
  case CLG_PRODUCT_ROW: return launch(ctx, p, &o, "product_row", 0, (size_t[]){pieces(o.n, ROW_COLS), o.m}, false, op);
  case CLG_PRODUCT_DIRECT:
    if (is_plain(p)) return run_plain(ctx, p, &o, 1, op);
    return launch(ctx, p, &o, "product_direct", 0, (size_t[]){pieces(o.m, tile_rows(ctx)), pieces(o.n, TILE_COLS)},
                  false, op);
  case CLG_PRODUCT_BLOCK:
    return launch(ctx, p, &o, "product_block", 0, (size_t[]){pieces(o.m, BLOCK_ROWS), pieces(o.n, BLOCK_COLS)}, false,
                  op);
  default:
    span = panel_span(ctx, p, &o);
    return launch(ctx, p, &o, "product_panel", span, (size_t[]){pieces(o.m, span), pieces(o.n, TILE_COLS)}, false, op);
  }
}

static clg_status run_tile(clg_context *ctx, const clg_product *p, const operands *o, const char *op) {
  size_t groups[2] = {pieces(o->n, GPU_TILE), pieces(o->m, GPU_TILE)};
  return launch(ctx, p, o, "product_tile", 0, groups, false, op);
}

static clg_status run_clblast_one(clg_context *ctx, const clg_product *p, const char *op) {
  clg_gemm_call call = {p->ta,       p->tb,   p->m,    p->n,        p->k,
                        p->a,        p->b,    p->c,    p->a_offset, p->b_offset,
                        p->c_offset, p->a_ld, p->b_ld, p->c_ld,     p->accumulate ? 1.0f : 0.0f};
  clg_status status = clg_gemm_clblast(ctx, &call, op);
  if (status == CLG_ERR_STATE && ctx->no_clblast) {
    operands o = operands_of(p);
    return run_tile(ctx, p, &o, op);
  }
  if (status != CLG_OK || (!p->bias && !p->epilogue)) return status;
  clg_kernel *kernel = clg_kernel_get(ctx, "matmul.cl", p->epilogue, "product_finish");
  clg_arg arg[] = {clg_arg_block(p->c),
                   clg_arg_u64(p->c_offset),
                   clg_arg_u32(p->c_ld),
                   clg_arg_u32(p->m),
                   clg_arg_u32(p->n),
                   clg_arg_block(p->bias ? p->bias : p->c),
                   clg_arg_u64(p->bias_offset),
                   clg_arg_u32(p->bias ? FLAG_BIAS : 0),
                   clg_arg_f32(p->epilogue_param)};
  const size_t global[3] = {p->n, p->m, 1};
  return clg_launch(ctx, kernel, op, arg, 9, global, NULL);
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

static clg_status run_gpu(clg_context *ctx, const clg_product *p, operands o, clg_product_kernel kernel,
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
  operands o = operands_of(p);
  o = turned(&o, cpu);
  clg_product_kernel kernel = choose(ctx, p, &o);
  return cpu ? run_cpu(ctx, p, o, kernel, op) : run_gpu(ctx, p, o, kernel, op);
}

/* Rows have the bits of tiles. */
static bool is_direct(const clg_context *ctx, const clg_product *p, const operands *o) {
  clg_product_kernel kernel = choose(ctx, p, o);
  return is_plain(p) && can(ctx, p, o, CLG_PRODUCT_DIRECT) &&
         (kernel == CLG_PRODUCT_DIRECT || kernel == CLG_PRODUCT_ROW);
}

clg_status clg_product_run_two(clg_context *ctx, const clg_product p[2], const char *op) {
  operands o[2];
  bool together = ctx->shape == CLG_SHAPE_CPU;
  for (int i = 0; together && i < 2; i++) {
    operands given = operands_of(&p[i]);
    o[i] = turned(&given, true);
    together = p[i].m && p[i].n && is_direct(ctx, &p[i], &o[i]);
  }
  if (together) return run_plain(ctx, p, o, 2, op);
  clg_status s = clg_product_run(ctx, &p[0], op);
  return s == CLG_OK ? clg_product_run(ctx, &p[1], op) : s;
}
