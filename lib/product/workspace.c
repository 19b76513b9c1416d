/* CLBlast's workspace formula: each operand is copied to a buffer padded to whole tiles unless it already has just the
 * layout that the kernel wants. Small products take a kernel that copies nothing. */
#include "product/workspace.h"

const clg_gemm_profile clg_gemm_default = {32, 32, 32, 0, 896};

static size_t ceiled(size_t v, size_t tile) { return (v + tile - 1) / tile * tile; }

/* An operand of x rows and y columns in column-major memory, or rotated: y and x. */
typedef struct operand {
  size_t one, two, one_i, two_i; /* as given, and as the kernel wants it */
  bool in_place;
} operand;

static operand lay_out(size_t x, size_t y, size_t x_tile, size_t y_tile, bool rotated, bool wanted, size_t offset,
                       size_t ld) {
  const size_t size[] = {x, y}, tiles[] = {ceiled(x, x_tile), ceiled(y, y_tile)};
  operand o = {size[rotated], size[!rotated], tiles[wanted], tiles[!wanted], false};
  o.in_place = rotated == wanted && o.one == o.one_i && o.two == o.two_i && ld == o.one && !offset;
  return o;
}

/* The product as the kernel sees it: column-major memory holds the transposed product of row-major memory. */
static clg_product as_called(const clg_product *c, bool columns) {
  clg_product p = *c;
  if (!columns) return p;
  p.m = c->n, p.n = c->m;
  p.ta = c->tb, p.a_offset = c->b_offset, p.a_ld = c->b_ld;
  p.tb = c->ta, p.b_offset = c->a_offset, p.b_ld = c->a_ld;
  return p;
}

clg_gemm_cut clg_gemm_cut_of(const clg_gemm_profile *g, const clg_product *c, bool columns) {
  const clg_product p = as_called(c, columns);
  clg_gemm_cut out = {0, 1, columns};
  uint64_t least = g->min_indirect;
  if ((uint64_t)p.m * p.n * p.k < least * least * least) return out;
  bool rotating = g->kernel_id == 1;
  operand a = lay_out(p.m, p.k, g->mwg, g->kwg, p.ta == columns, rotating, p.a_offset, p.a_ld);
  operand b = lay_out(p.k, p.n, g->kwg, g->nwg, p.tb == columns, true, p.b_offset, p.b_ld);
  operand r = lay_out(p.m, p.n, g->mwg, g->nwg, !columns, rotating, p.c_offset, p.c_ld);
  if (!a.in_place) out.bytes += a.one_i * a.two_i, out.kernels++;
  if (!b.in_place) out.bytes += b.one_i * b.two_i, out.kernels++;
  if (!r.in_place) out.bytes += r.one_i * r.two_i, out.kernels += c->accumulate ? 2 : 1;
  out.bytes *= sizeof(float);
  return out;
}

clg_gemm_cut clg_gemm_cut_best(const clg_gemm_profile *p, const clg_product *c) {
  clg_gemm_cut rows = clg_gemm_cut_of(p, c, false), columns = clg_gemm_cut_of(p, c, true);
  return columns.bytes < rows.bytes ? columns : rows;
}
