/* Chooses and launches the kernel of a matrix product (matmul.cl, or CLBlast on GPU shapes). */
#include "ops/product.h"
#include "device/gemm.h"
#include "device/launch.h"

/* As in matmul.cl. */
enum { FLAG_ADD = 1, FLAG_BIAS = 2, FLAG_SWAPPED = 4 };
enum { TILE_ROWS = 8, TILE_COLS = 32, PANEL_ROWS = 256, BLOCK_ROWS = 256, BLOCK_COLS = 512, GPU_TILE = 32 };

/* Elements of an operand that a core keeps near: below, the matrix is read in place as fast as a packed copy. */
#define CACHED (512u * 512)

/* The operands by strides, so that a transposition is only another number. */
typedef struct operands {
  clg_block *a, *b;
  size_t a_offset, b_offset;
  uint32_t m, n, a_rs, a_ps, b_ps, b_cs, c_rs, c_cs, flags;
} operands;

static operands operands_of(const clg_product *p) {
  operands o = {p->a, p->b, p->a_offset, p->b_offset, p->m, p->n, p->a_ld, 1, p->b_ld, 1, p->c_ld, 1, 0};
  if (p->ta) o.a_rs = 1, o.a_ps = p->a_ld;
  if (p->tb) o.b_ps = 1, o.b_cs = p->b_ld;
  o.flags = (p->accumulate ? FLAG_ADD : 0) | (p->bias ? FLAG_BIAS : 0);
  return o;
}

/* C^T = B^T A^T: exchanges the operands. */
static operands swapped(const operands *o) {
  operands s = {o->b,
                o->a,
                o->b_offset,
                o->a_offset,
                o->n,
                o->m,
                o->b_cs,
                o->b_ps,
                o->a_ps,
                o->a_rs,
                o->c_cs,
                o->c_rs,
                o->flags & FLAG_BIAS ? o->flags | FLAG_SWAPPED : o->flags};
  return s;
}

static clg_status launch(clg_context *ctx, const clg_product *p, const operands *o, const char *name, uint32_t span,
                         const size_t global[3], const size_t local[3], const char *op) {
  clg_arg arg[20] = {clg_arg_block(p->k ? o->a : p->c),
                     clg_arg_u64(o->a_offset),
                     clg_arg_u32(o->a_rs),
                     clg_arg_u32(o->a_ps),
                     clg_arg_block(p->k ? o->b : p->c),
                     clg_arg_u64(o->b_offset),
                     clg_arg_u32(o->b_ps),
                     clg_arg_u32(o->b_cs),
                     clg_arg_block(p->c),
                     clg_arg_u64(p->c_offset),
                     clg_arg_u32(o->c_rs),
                     clg_arg_u32(o->c_cs),
                     clg_arg_u32(o->m),
                     clg_arg_u32(o->n),
                     clg_arg_u32(p->k),
                     clg_arg_block(p->bias ? p->bias : p->c),
                     clg_arg_u64(p->bias_offset),
                     clg_arg_u32(o->flags),
                     clg_arg_f32(p->epilogue_param),
                     clg_arg_u32(span)};
  return clg_launch(ctx, clg_kernel_get(ctx, "matmul.cl", p->epilogue, name), op, arg, span ? 20 : 19, global, local);
}

static uint32_t pieces(uint32_t n, uint32_t piece) { return n / piece + (n % piece != 0); }

/* Rows that share one packed panel: all that fit, unless that leaves compute units without work. The bits do not depend
 * on it. */
static uint32_t panel_span(const clg_context *ctx, const operands *o) {
  uint32_t span = PANEL_ROWS, want = 4 * (ctx->info.compute_units ? ctx->info.compute_units : 1);
  while (span > 2 * TILE_ROWS && (uint64_t)pieces(o->m, span) * pieces(o->n, TILE_COLS) < want) span /= 2;
  return span;
}

static clg_status run_cpu(clg_context *ctx, const clg_product *p, const char *op) {
  operands o = operands_of(p);
  const size_t one[3] = {1, 1, 1};
  bool along = o.a_ps == 1 && o.b_ps == 1; /* both operands run along k */
  uint32_t least = o.m < o.n ? o.m : o.n;
  if (along && least <= 4) {
    if (o.n > o.m) o = swapped(&o);
    const size_t global[3] = {pieces(o.m, TILE_ROWS), o.n, 1};
    return launch(ctx, p, &o, "product_dot", 0, global, one, op);
  }
  /* A column times a transposed matrix reads the matrix by rows if taken as a row times the matrix. */
  if (o.n == 1 && o.a_rs == 1 && o.c_rs == 1) o = swapped(&o);
  if (o.b_cs == 1 && o.n >= TILE_COLS && (o.m <= 4 * TILE_ROWS || (uint64_t)p->k * o.b_ps < CACHED)) {
    const size_t global[3] = {pieces(o.m, TILE_ROWS), pieces(o.n, TILE_COLS), 1};
    return launch(ctx, p, &o, "product_direct", 0, global, one, op);
  }
  if (o.a_ps != 1 && o.m >= 2 * BLOCK_ROWS && o.n >= BLOCK_COLS && (uint64_t)p->k * o.a_ps >= 4 * CACHED) {
    const size_t global[3] = {pieces(o.m, BLOCK_ROWS), pieces(o.n, BLOCK_COLS), 1};
    return launch(ctx, p, &o, "product_block", 0, global, one, op);
  }
  uint32_t span = panel_span(ctx, &o);
  const size_t global[3] = {pieces(o.m, span), pieces(o.n, TILE_COLS), 1};
  return launch(ctx, p, &o, "product_panel", span, global, one, op);
}

static clg_status run_clblast(clg_context *ctx, const clg_product *p, const char *op) {
  clg_gemm_call call = {p->ta,       p->tb,   p->m,    p->n,        p->k,
                        p->a,        p->b,    p->c,    p->a_offset, p->b_offset,
                        p->c_offset, p->a_ld, p->b_ld, p->c_ld,     p->accumulate ? 1.0f : 0.0f};
  clg_status status = clg_gemm_clblast(ctx, &call, op);
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

static clg_status run_gpu(clg_context *ctx, const clg_product *p, const char *op) {
  operands o = operands_of(p);
  const size_t wg = clg_wg(ctx), shared[3] = {wg, 1, 1};
  if (o.m == 1 || o.n == 1) {
    if (o.a_ps == 1 && o.b_ps == 1) {
      const size_t global[3] = {o.m * wg, o.n, 1};
      return launch(ctx, p, &o, "product_dot", 0, global, shared, op);
    }
    if (o.n == 1) o = swapped(&o);
    const size_t global[3] = {o.n, o.m, 1};
    return launch(ctx, p, &o, "product_row", 0, global, NULL, op);
  }
  if (!p->own && p->k) return run_clblast(ctx, p, op);
  const size_t global[3] = {pieces(o.n, GPU_TILE) * wg, pieces(o.m, GPU_TILE), 1};
  return launch(ctx, p, &o, "product_tile", 0, global, shared, op);
}

clg_status clg_product_run(clg_context *ctx, const clg_product *p, const char *op) {
  if (!p->m || !p->n) return CLG_OK;
  return ctx->shape == CLG_SHAPE_CPU ? run_cpu(ctx, p, op) : run_gpu(ctx, p, op);
}
