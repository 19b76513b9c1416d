/* Chooses the kernel of a product: by shapes, the shape of the device and the context's table alone. */
#include "product/choice.h"
#include "product/state.h"

/* Rows of a product that needs no packed panels, columns up to which dot products are faster than tiles, and rows and
 * columns of a product whose operands are worth packing both. */
enum { FEW_ROWS = 32, DOT_COLS = 7, BLOCK_SIDE = 64 };

/* Elements of an operand that a core keeps near: below, the matrix is read in place as fast as a packed copy that no
 * more than PANEL_ROWS rows share. */
#define CACHED (512u * 512)

/* On a GPU, multiplications of a product below which a batch is one launch of ours: a device that CLBlast's kernels
 * would not fill. */
#define BATCH_OWN (256u * 256 * 256)

clg_operands clg_operands_of(const clg_product *p) {
  clg_operands o = {p->a,
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
  if (p->accumulate) o.flags |= PRODUCT_ADD;
  if (p->bias) o.flags |= p->bias_of_rows ? PRODUCT_BIAS | PRODUCT_SWAPPED : PRODUCT_BIAS;
  return o;
}

clg_operands clg_operands_swapped(const clg_operands *o) {
  clg_operands s = {
      o->b,      o->a,    o->b_offset, o->a_offset, o->b_step,
      o->a_step, o->n,    o->m,        o->b_cs,     o->b_ps,
      o->a_ps,   o->a_rs, o->c_cs,     o->c_rs,     o->flags & PRODUCT_BIAS ? o->flags ^ PRODUCT_SWAPPED : o->flags};
  return s;
}

clg_operands clg_operands_rowwise(const clg_operands *o, bool cpu) {
  return o->n == 1 && (!cpu || (o->a_rs == 1 && o->c_rs == 1)) ? clg_operands_swapped(o) : *o;
}

/* Both operands run along k. */
static bool k_contiguous(const clg_operands *o) { return o->a_ps == 1 && o->b_ps == 1; }

bool clg_product_can(const clg_context *ctx, const clg_product *p, const clg_operands *o, clg_product_kernel kernel) {
  bool cpu = ctx->shape == CLG_SHAPE_CPU;
  switch (kernel) {
  case CLG_PRODUCT_DOT: return k_contiguous(o);
  case CLG_PRODUCT_ROW: return !cpu || o->b_cs == 1;
  case CLG_PRODUCT_DIRECT: return cpu && o->b_cs == 1 && o->n >= TILE_COLS;
  case CLG_PRODUCT_PANEL: return cpu;
  case CLG_PRODUCT_BLOCK: return cpu;
  case CLG_PRODUCT_TILE: return !cpu;
  case CLG_PRODUCT_CLBLAST: return !cpu && !p->own && p->k && !clg_product_state_of(ctx)->no_clblast;
  default: return false;
  }
}

/* Rows of A whose elements along k lie so far apart that a core does not keep near what it has read of them, or so many
 * of them that they do not stay near either. */
static bool wants_blocks(const clg_product *p, const clg_operands *o) {
  if (o->a_ps != 1) return o->m >= BLOCK_SIDE && o->n >= BLOCK_SIDE && (uint64_t)p->k * o->a_ps >= CACHED / 4;
  return o->m >= BLOCK_ROWS && o->n >= BLOCK_COLS && p->k >= 4 * PANEL_K;
}

static clg_product_kernel fixed_cpu(const clg_product *p, const clg_operands *o) {
  bool in_place = o->b_cs == 1;
  if (k_contiguous(o) && (o->m <= 4 || o->n <= DOT_COLS)) return CLG_PRODUCT_DOT;
  if (in_place && o->m <= 2) return CLG_PRODUCT_ROW;
  if (wants_blocks(p, o)) return CLG_PRODUCT_BLOCK;
  if (in_place && o->n >= TILE_COLS && (o->m <= FEW_ROWS || (o->m <= PANEL_ROWS && (uint64_t)p->k * o->b_ps < CACHED)))
    return CLG_PRODUCT_DIRECT;
  return CLG_PRODUCT_PANEL;
}

static clg_product_kernel fixed_gpu(const clg_context *ctx, const clg_product *p, const clg_operands *o) {
  if (o->m == 1 || o->n == 1) return k_contiguous(o) ? CLG_PRODUCT_DOT : CLG_PRODUCT_ROW;
  bool small = p->batch.n && (uint64_t)o->m * o->n * p->k < BATCH_OWN;
  return small || !clg_product_can(ctx, p, o, CLG_PRODUCT_CLBLAST) ? CLG_PRODUCT_TILE : CLG_PRODUCT_CLBLAST;
}

clg_product_kernel clg_product_choose(const clg_context *ctx, const clg_product *p, const clg_operands *o) {
  if (clg_product_state_of(ctx)->tuning) {
    clg_product_class c = {p->ta, p->tb, clg_size_class(p->m), clg_size_class(p->n), clg_size_class(p->k)};
    clg_product_kernel tuned = clg_tuning_get(ctx, &c);
    if (clg_product_can(ctx, p, o, tuned)) return tuned;
  }
  return ctx->shape == CLG_SHAPE_CPU ? fixed_cpu(p, o) : fixed_gpu(ctx, p, o);
}

bool clg_product_kernel_serves(const clg_context *ctx, clg_product_kernel kernel, const clg_product_class *c) {
  if (!ctx || !c) return false;
  uint32_t m = (uint32_t)clg_size_class_typical(c->m), n = (uint32_t)clg_size_class_typical(c->n),
           k = (uint32_t)clg_size_class_typical(c->k);
  clg_product p = {.ta = c->ta, .tb = c->tb, .m = m, .n = n, .k = k, .a_ld = k, .b_ld = n, .c_ld = n};
  if (c->ta) p.a_ld = m;
  if (c->tb) p.b_ld = k;
  clg_operands o = clg_operands_of(&p);
  o = clg_operands_rowwise(&o, ctx->shape == CLG_SHAPE_CPU);
  bool is_vector = c->m < 2 || c->n < 2, by_results = kernel == CLG_PRODUCT_DOT || kernel == CLG_PRODUCT_ROW;
  return m && n && k && (is_vector || !by_results) && clg_product_can(ctx, &p, &o, kernel);
}
