/* Matrix products C = f(C0 + A B + bias): A [m,k], B [k,n], C [m,n], any of them transposed by its strides, and batches
 * of them.
 *
 * Element A(i,p) is a[a_o + i*a_rs + p*a_ps], B(p,j) is b[b_o + p*b_ps + j*b_cs], C(i,j) is c[c_o + i*c_rs + j*c_cs];
 * one of the strides of A and one of B is 1. bias is [n], or [m] with PRODUCT_SWAPPED (operands exchanged, C
 * transposed). ACTIVATION(v), if the prelude defines it, is f. Sums run along k in panels of PANEL_K steps,
 * with one fma a step from 0, and a panel is one addition, whatever the blocking; in product_dot the lanes of a vector
 * or work-group do so each, and are joined at the end. Group id 2 is the batch: offset.sN of operand N (A, B, C, bias)
 * moves by offset.s(4+N) a batch; with PRODUCT_WALK it counts up to six dimensions of walk_size, the fastest first, in
 * which A, B and C move by walk_a, walk_b and walk_c. */

/* Few arguments, since drivers take their time over each: strides are a_rs, a_ps, b_ps, b_cs, c_rs, c_cs, sizes m, n,
 * k, flags, the bits of the activation's first number, span, and those of its second. */
#ifdef PRODUCT_WALK
#define WALK_ARGS  , const uint8 walk_size, const uint8 walk_a, const uint8 walk_b, const uint8 walk_c
#define WALK_START walk_start(offset.lo, walk_size, walk_a, walk_b, walk_c)
#define WALK_DIM(N)                                                                                                    \
  start += (uint4)(a.N, b.N, c.N, 0) * (rest % size.N);                                                                \
  rest /= size.N;
static uint4 walk_start(uint4 start, const uint8 size, const uint8 a, const uint8 b, const uint8 c) {
  uint rest = get_group_id(2);
  WALK_DIM(s0) WALK_DIM(s1) WALK_DIM(s2) WALK_DIM(s3) WALK_DIM(s4) WALK_DIM(s5) return start;
}
#else
#define WALK_ARGS
#define WALK_START offset.lo + offset.hi *(uint)get_group_id(2)
#endif
#define PRODUCT_ARGS                                                                                                   \
  __global const float *a, __global const float *b, __global float *c, __global const float *bias, const uint8 offset, \
      const uint8 strides, const uint8 sizes WALK_ARGS
#define PRODUCT_UNPACK                                                                                                 \
  const uint4 start = WALK_START;                                                                                      \
  const uint a_o = start.s0, b_o = start.s1, c_o = start.s2, bias_o = start.s3;                                        \
  const uint a_rs = strides.s0, a_ps = strides.s1, b_ps = strides.s2, b_cs = strides.s3, c_rs = strides.s4,            \
             c_cs = strides.s5, m = sizes.s0, n = sizes.s1, k = sizes.s2, flags = sizes.s3, span = sizes.s5;           \
  const float2 numbers = (float2)(as_float(sizes.s4), as_float(sizes.s6));

#include "activation.clh"
#include "kernel/constants.h"
#include "sums.clh"

/* C(i,j) from its sum v. */
#define PRODUCT_PUT(i, j, v)                                                                                           \
  {                                                                                                                    \
    const size_t to = c_o + (size_t)(i)*c_rs + (size_t)(j)*c_cs;                                                       \
    float put = (v);                                                                                                   \
    if (flags & PRODUCT_ADD) put = c[to] + put;                                                                        \
    if (flags & PRODUCT_BIAS) put += bias[bias_o + (flags & PRODUCT_SWAPPED ? (i) : (j))];                             \
    c[to] = ACT_float(put);                                                                                            \
  }

#if CLG_CPU
/* A work-item owns tiles of TILE_ROWS x TILE_COLS sums. Columns past the end repeat earlier ones and rows past the end
 * the last one; neither is stored. */
#include "registers.clh"
#define TILE_ROWS PIECE_ROWS
#define PART_ROWS (BLOCK_ROWS + TILE_ROWS) /* of sums: the last tile may reach beyond the block */
#define BLOCK_TILE                                                                                                     \
  (PANEL_K * TILE_ROWS + 16) /* floats of a packed tile of A: no multiple of a page, whose lines share cache sets */
/* Columns of a tile at a time; those of a packed panel lie together, so that they stay near while rows pass. */
#define EACH_PIECE(h) for (uint h = 0; h < TILE_COLS; h += PIECE_COLS)

/* part [TILE_ROWS][TILE_COLS], PIECE_COLS of it, = (first ? 0 : part) + A B over a panel of kn steps; `last` is the
 * last row that exists. */
#define TILE_PIECE(NAME, A_SPACE, B_SPACE)                                                                             \
  static void NAME(A_SPACE const float *a, const size_t rs, const size_t ps, const uint last, B_SPACE const float *b,  \
                   const size_t bs, const uint kn, const bool first, float *part) {                                    \
    A_SPACE const float *row[TILE_ROWS];                                                                               \
    reg s[TILE_ROWS][PIECE_VECS], w[PIECE_VECS];                                                                       \
    EACH_OF(TILE_ROWS, i) {                                                                                            \
      row[i] = a + min(i, last) * rs;                                                                                  \
      EACH_OF(PIECE_VECS, v) s[i][v] = (reg)(0.0f);                                                                    \
    }                                                                                                                  \
    size_t at = 0;                                                                                                     \
    for (uint p = 0; p < kn; p++) {                                                                                    \
      EACH_OF(PIECE_VECS, v) w[v] = REG_OF(B_SPACE, b + v * REGISTER_LANES);                                           \
      EACH_OF(TILE_ROWS, i) {                                                                                          \
        const reg e = (reg)(row[i][at]);                                                                               \
        EACH_OF(PIECE_VECS, v) s[i][v] = FMA(e, w[v], s[i][v]);                                                        \
      }                                                                                                                \
      at += ps;                                                                                                        \
      b += bs;                                                                                                         \
    }                                                                                                                  \
    PIECE_STORE(TILE_ROWS, PIECE_VECS, TILE_COLS)                                                                      \
  }
TILE_PIECE(piece_in_place, __global, __global)
TILE_PIECE(piece_panel, __global, __private)
TILE_PIECE(piece_block, __private, __private)

/* Lanes from `skip` to `width` of sums v are C(i,j) on: the only place where a vector goes to C. */
static void put16(float16 v, const uint skip, const uint width, const uint i, const uint j, __global float *c,
                  const uint c_o, const uint c_rs, const uint c_cs, __global const float *bias, const uint bias_o,
                  const uint flags, const float2 numbers) {
  if (skip == 0 && width == 16 && c_cs == 1) {
    __global float *to = c + c_o + (size_t)i * c_rs + j;
    if (flags & PRODUCT_ADD) v = vload16(0, to) + v;
    if (flags & PRODUCT_SWAPPED)
      v = flags & PRODUCT_BIAS ? v + bias[bias_o + i] : v;
    else if (flags & PRODUCT_BIAS)
      v += vload16(0, bias + bias_o + j);
    CLG_STORE16(ACT_VEC(v), to);
  } else {
    float lane[16];
    vstore16(v, 0, lane);
    for (uint l = skip; l < width; l++) PRODUCT_PUT(i, j + l, lane[l])
  }
}
#define PUT16(v, skip, width, i, j) put16(v, skip, width, i, j, c, c_o, c_rs, c_cs, bias, bias_o, flags, numbers);

/* Stores `rows` rows of sums at C(i0,j0), lanes from `skip` to `width`. */
static void tile_finish(const float *part, const uint rows, const uint skip, const uint width, const uint i0,
                        const uint j0, __global float *c, const uint c_o, const uint c_rs, const uint c_cs,
                        __global const float *bias, const uint bias_o, const uint flags, const float2 numbers) {
  if (skip == 0 && width == TILE_COLS && c_cs == 1) {
    for (uint i = 0; i < rows; i++) {
      PUT16(vload16(2 * i, part), 0, 16, i0 + i, j0)
      PUT16(vload16(2 * i + 1, part), 0, 16, i0 + i, j0 + 16)
    }
  } else {
    for (uint i = 0; i < rows; i++)
      for (uint l = skip; l < width; l++) PRODUCT_PUT(i0 + i, j0 + l, part[i * TILE_COLS + l])
  }
}

/* First column of panel `g`, moved left where it would pass the end; `skip` columns of it belong to the panel before.
 */
#define PANEL_AT(g)                                                                                                    \
  const uint j0 = n < TILE_COLS ? 0u : min((g)*TILE_COLS, n - TILE_COLS), skip = (g)*TILE_COLS - j0,                   \
             width = min(n - j0, (uint)TILE_COLS);
#define PANEL_FINISH(part, rows, i0)                                                                                   \
  tile_finish(part, rows, skip, width, i0, j0, c, c_o, c_rs, c_cs, bias, bias_o, flags, numbers);

/* The tile of rows from i0 in panel g, with B untransposed and read in place, n >= TILE_COLS. */
#define DIRECT_TILE(i0, g)                                                                                             \
  if ((i0) < m && (g)*TILE_COLS < n) {                                                                                 \
    PANEL_AT(g)                                                                                                        \
    float part[TILE_ROWS * TILE_COLS] __attribute__((aligned(64)));                                                    \
    const uint rows = min(m - (i0), (uint)TILE_ROWS);                                                                  \
    for (uint p = 0; p < k || p == 0; p += PANEL_K) EACH_PIECE(h)                                                      \
    piece_in_place(a + a_o + (size_t)(i0)*a_rs + (size_t)p * a_ps, a_rs, a_ps, rows - 1,                               \
                   b + b_o + j0 + h + (size_t)p * b_ps, b_ps, min(k - p, PANEL_K), p == 0, part + h);                  \
    PANEL_FINISH(part, rows, i0)                                                                                       \
  }

#define DIRECT_TILES(m, n) (((m) + TILE_ROWS - 1) / TILE_ROWS * (((n) + TILE_COLS - 1) / TILE_COLS))

#if CLG_FORM(product_direct)
/* Group ids (tile of rows, panel). */
__kernel void product_direct(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint i0 = (uint)get_group_id(0) * TILE_ROWS, g = (uint)get_group_id(1);
  DIRECT_TILE(i0, g)
}
#endif

#if CLG_FORM(product_two)
/* Two products that do not depend on each other, for what a launch costs; the second may be empty. Offsets are those of
 * a, b, c, and flags; sizes are a_rs, a_ps, b_ps, c_rs, c_cs, m, n, k. Group ids run down the tiles of rows, then along
 * the panels, of the first and then of the second. */
__kernel void product_two(__global const float *first_a, __global const float *first_b, __global float *first_c,
                          const uint8 first_offset, const uint8 first_sizes, __global const float *second_a,
                          __global const float *second_b, __global float *second_c, const uint8 second_offset,
                          const uint8 second_sizes) {
  const uint tiles = DIRECT_TILES(first_sizes.s5, first_sizes.s6);
  const bool second = get_group_id(0) >= tiles;
  __global const float *a = second ? second_a : first_a, *b = second ? second_b : first_b, *bias = a;
  __global float *c = second ? second_c : first_c;
  const uint8 offset = second ? second_offset : first_offset;
  const uint8 sizes = second ? second_sizes : first_sizes;
  const uint a_o = offset.s0, b_o = offset.s1, c_o = offset.s2, bias_o = 0, flags = offset.s3, a_rs = sizes.s0,
             a_ps = sizes.s1, b_ps = sizes.s2, c_rs = sizes.s3, c_cs = sizes.s4, m = sizes.s5, n = sizes.s6,
             k = sizes.s7;
  const float2 numbers = (float2)(0.0f);
  const uint id = (uint)get_group_id(0) - (second ? tiles : 0), down = DIRECT_TILES(m, 1);
  const uint i0 = id % down * TILE_ROWS, g = id / down;
  DIRECT_TILE(i0, g)
}
#endif

/* panel [piece][kn][PIECE_COLS] = B(p, j) for `width` columns, zeros behind them. A piece begins PANEL_K steps behind
 * the one before. */
#define IN_PANEL(l) ((l) / PIECE_COLS * PIECE_COLS * PANEL_K + (l) % PIECE_COLS)
static void pack_panel(__global const float *b, const size_t ps, const size_t cs, const uint kn, const uint width,
                       float *panel) {
  uint p = 0;
  if (width == TILE_COLS && cs == 1) {
    for (; p < kn; p++)
      _Pragma("unroll") for (uint l = 0; l < TILE_COLS; l += REGISTER_LANES)
          REG_AT(panel + IN_PANEL(l) + p * PIECE_COLS) = REG_OF(__global, b + p * ps + l);
  } else if (width == TILE_COLS && ps == 1) {
    p = kn / REGISTER_LANES * REGISTER_LANES;
    for (uint l = 0; l < TILE_COLS; l += REGISTER_LANES)
      for (uint q = 0; q < p; q += REGISTER_LANES)
        transpose_in(b + q + l * cs, cs, REGISTER_LANES - 1, panel + IN_PANEL(l) + q * PIECE_COLS, PIECE_COLS);
  }
  for (; p < kn; p++) {
    for (uint l = 0; l < width; l++) panel[IN_PANEL(l) + p * PIECE_COLS] = b[p * ps + l * cs];
    for (uint l = width; l < TILE_COLS; l++) panel[IN_PANEL(l) + p * PIECE_COLS] = 0.0f;
  }
}

#if CLG_FORM(product_panel)
/* A panel of B, packed PANEL_K steps at a time, against `span` rows (<= PANEL_ROWS). Group ids
 * (span, panel). */
__kernel void product_panel(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint i0 = (uint)get_group_id(0) * span, g = (uint)get_group_id(1);
  if (i0 >= m || g * TILE_COLS >= n) return;
  PANEL_AT(g)
  float panel[PANEL_K * TILE_COLS] __attribute__((aligned(64)));
  float part[(PANEL_ROWS + TILE_ROWS) * TILE_COLS] __attribute__((aligned(64)));
  const uint rows = min(m - i0, span);
  for (uint p = 0; p < k || p == 0; p += PANEL_K) {
    const uint kn = min(k - p, PANEL_K);
    pack_panel(b + b_o + (size_t)p * b_ps + (size_t)j0 * b_cs, b_ps, b_cs, kn, width, panel);
    EACH_PIECE(h)
    for (uint i = 0; i < rows; i += TILE_ROWS)
      piece_panel(a + a_o + (size_t)(i0 + i) * a_rs + (size_t)p * a_ps, a_rs, a_ps, rows - 1 - i, panel + IN_PANEL(h),
                  PIECE_COLS, kn, p == 0, part + i * TILE_COLS + h);
  }
  PANEL_FINISH(part, rows, i0)
}
#endif

/* tiles [][PANEL_K][TILE_ROWS], BLOCK_TILE apart: `rows` columns of a stored [k,m] matrix. */
static void pack_tiles(__global const float *a, const size_t ps, const uint rows, const uint kn, float *tiles) {
  for (uint p = 0; p < kn; p++, a += ps) {
    float *to = tiles;
    uint i = 0;
    /* Eight at a time: the next step writes over what is not of the tile. */
    for (; i + 8 <= rows; i += TILE_ROWS, to += BLOCK_TILE) vstore8(vload8(0, a + i), 0, to + p * TILE_ROWS);
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS, to += BLOCK_TILE)
      for (uint l = 0; l < TILE_ROWS; l++) to[p * TILE_ROWS + l] = a[i + l];
    for (uint l = 0; i + l < rows; l++) to[p * TILE_ROWS + l] = a[i + l];
  }
}

#if CLG_FORM(product_block)
/* A transposed, and so large that its rows lie too far apart to be read in place: blocks of both operands are packed,
 * and BLOCK_ROWS x BLOCK_COLS results are an item's. Group ids (block of rows, block of columns). */
__kernel void product_block(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint i0 = (uint)get_group_id(0) * BLOCK_ROWS, g0 = (uint)get_group_id(1) * (BLOCK_COLS / TILE_COLS);
  if (i0 >= m || g0 * TILE_COLS >= n) return;
  float tiles[(BLOCK_ROWS + TILE_ROWS - 1) / TILE_ROWS * BLOCK_TILE] __attribute__((aligned(64)));
  float panel[PANEL_K * TILE_COLS] __attribute__((aligned(64)));
  float part[PART_ROWS * BLOCK_COLS] __attribute__((aligned(64)));
  const uint rows = min(m - i0, (uint)BLOCK_ROWS);
  const uint end = min(g0 + BLOCK_COLS / TILE_COLS, (n + TILE_COLS - 1) / TILE_COLS);
  for (uint p = 0; p < k || p == 0; p += PANEL_K) {
    const uint kn = min(k - p, PANEL_K);
    pack_tiles(a + a_o + i0 + (size_t)p * a_ps, a_ps, rows, kn, tiles);
    for (uint g = g0; g < end; g++) {
      PANEL_AT(g)
      pack_panel(b + b_o + (size_t)p * b_ps + (size_t)j0 * b_cs, b_ps, b_cs, kn, width, panel);
      EACH_PIECE(h)
      for (uint i = 0; i < rows; i += TILE_ROWS)
        piece_block(tiles + i / TILE_ROWS * BLOCK_TILE, 1, TILE_ROWS, rows - 1 - i, panel + IN_PANEL(h), PIECE_COLS, kn,
                    p == 0, part + ((g - g0) * PART_ROWS + i) * TILE_COLS + h);
    }
  }
  for (uint g = g0; g < end; g++) {
    PANEL_AT(g)
    PANEL_FINISH(part + (g - g0) * PART_ROWS * TILE_COLS, rows, i0)
  }
}
#endif

#if CLG_FORM(product_dot)
/* Dot products of rows that both run along k: DOT_ROWS rows of A against one column of B, `span` such rows an item.
 * Group ids (span, column). */
#define DOT_ROWS WHOLE_VECS
static void dots(__global const float *a, const uint a_rs, const uint rows, __global const float *y, const uint k,
                 float *sum) {
  __global const float *row[DOT_ROWS];
  float16 s[DOT_ROWS], all[DOT_ROWS];
  EACH_OF(DOT_ROWS, i) {
    row[i] = a + (size_t)min(i, rows - 1) * a_rs;
    s[i] = all[i] = (float16)(0.0f);
  }
  uint p = 0;
  for (; p + 16 <= k; p += 16) {
    const float16 v = CLG_LOAD16(y + p);
    EACH_OF(DOT_ROWS, i) s[i] = FMA(CLG_LOAD16(row[i] + p), v, s[i]);
    if ((p + 16) % PANEL_K != 0) continue;
    EACH_OF(DOT_ROWS, i) {
      all[i] += s[i];
      s[i] = (float16)(0.0f);
    }
  }
  EACH_OF(DOT_ROWS, i) all[i] += s[i];
  EACH_OF(DOT_ROWS, i) sum[i] = clg_lanes_sum(all[i]);
  for (; p < k; p++)
    for (uint i = 0; i < DOT_ROWS; i++) sum[i] = FMA(row[i][p], y[p], sum[i]);
}
__kernel void product_dot(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint first = (uint)get_group_id(0) * span, j = (uint)get_group_id(1);
  if (first >= m || j >= n) return;
  const uint last = first + min(m - first, span);
  for (uint i0 = first; i0 < last; i0 += DOT_ROWS) {
    const uint rows = min(last - i0, (uint)DOT_ROWS);
    float sum[DOT_ROWS];
    dots(a + a_o + (size_t)i0 * a_rs, a_rs, rows, b + b_o + (size_t)j * b_cs, k, sum);
    for (uint i = 0; i < rows; i++) PRODUCT_PUT(i0 + i, j, sum[i])
  }
}
#endif

#if CLG_FORM(product_row)
/* all [N] of the sums of the columns from `first` on, each of type V. */
#define ROW_SUMS(V, N, LOAD, first)                                                                                    \
  V s[N], all[N];                                                                                                      \
  EACH_OF(N, h) all[h] = (V)(0.0f);                                                                                    \
  for (uint p = 0; p < k;) {                                                                                           \
    EACH_OF(N, h) s[h] = (V)(0.0f);                                                                                    \
    for (const uint stop = min(k, p + PANEL_K); p < stop; p++) {                                                       \
      const V v = (V)(x[(size_t)p * a_ps]);                                                                            \
      EACH_OF(N, h) s[h] = FMA(v, LOAD(h, y + (size_t)p * b_ps + first), s[h]);                                        \
    }                                                                                                                  \
    EACH_OF(N, h) all[h] += s[h];                                                                                      \
  }
#define ROW_LOAD16(h, p) CLG_LOAD16((p) + 16 * (h))
/* A row of A against ROW_COLS columns of an untransposed B: for few rows. Group ids (columns, row). */
__kernel void product_row(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint i = (uint)get_group_id(1), g = (uint)get_group_id(0) * ROW_COLS;
  if (i >= m || g >= n) return;
  const uint end = g + min(n - g, (uint)ROW_COLS);
  __global const float *x = a + a_o + (size_t)i * a_rs, *y = b + b_o;
  if (end - g == ROW_COLS) {
    for (uint j = g; j < end; j += 16 * WHOLE_VECS) {
      ROW_SUMS(float16, WHOLE_VECS, ROW_LOAD16, j)
      for (uint h = 0; h < WHOLE_VECS; h++) PUT16(all[h], 0, 16, i, j + 16 * h)
    }
  } else if (n >= 16) {
    for (uint j = g; j < end; j += 16) {
      const uint at = min(j, n - 16);
      ROW_SUMS(float16, 1, ROW_LOAD16, at)
      PUT16(all[0], j - at, 16, i, at)
    }
  } else {
    for (uint j = 0; j < n; j++) {
#define ROW_LOAD1(h, p) (*(p))
      ROW_SUMS(float, 1, ROW_LOAD1, j)
      PRODUCT_PUT(i, j, all[0])
    }
  }
}
#endif

#else
#include "tile.clh"

#if CLG_FORM(product_tile)
/* Group ids (panel, tile of rows). */
__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void product_tile(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint id = (uint)get_local_id(0), j0 = (uint)get_group_id(0) * TILE, i0 = (uint)get_group_id(1) * TILE;
  TILE_BEGIN
  TILE_STEPS(0, k)
  TILE_FILL(e) {
    /* Neighbouring items read along the stride that is 1. */
    const uint ai = a_ps == 1 ? e / TILE_K : e % TILE, ap = a_ps == 1 ? e % TILE_K : e / TILE;
    const uint bj = b_ps == 1 ? e / TILE_K : e % TILE, bp = b_ps == 1 ? e % TILE_K : e / TILE;
    TILE_A(ai, ap) = i0 + ai < m && p0 + ap < k ? a[a_o + (size_t)(i0 + ai) * a_rs + (size_t)(p0 + ap) * a_ps] : 0.0f;
    TILE_B(bp, bj) = j0 + bj < n && p0 + bp < k ? b[b_o + (size_t)(p0 + bp) * b_ps + (size_t)(j0 + bj) * b_cs] : 0.0f;
  }
  TILE_STEPS_END
  TILE_END
  for (uint e = id; e < TILE * TILE; e += WG) {
    const uint i = c_cs == 1 ? e / TILE : e % TILE, j = c_cs == 1 ? e % TILE : e / TILE;
    if (i0 + i < m && j0 + j < n) PRODUCT_PUT(i0 + i, j0 + j, TILE_C(i, j))
  }
}
#endif

#if CLG_FORM(product_dot)
/* Both operands run along k: a work-group a result. Group ids (row, column). */
__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void product_dot(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  __local float part[SUM_LANES];
  const uint id = (uint)get_local_id(0), i = (uint)get_group_id(0), j = (uint)get_group_id(1);
  SUM_EACH_LANE(v, id) {
    float all = 0.0f;
    for (uint p = v; p < k;) {
      float s = 0.0f;
      for (const uint stop = min(k, p - v + PANEL_K); p < stop; p += SUM_LANES)
        s = FMA(a[a_o + (size_t)i * a_rs + p], b[b_o + (size_t)j * b_cs + p], s);
      all += s;
    }
    part[v] = all;
  }
  SUM_JOIN(part, id, CLG_JOIN_SUM)
  if (id == 0) PRODUCT_PUT(i, j, part[0])
}
#endif

#if CLG_FORM(product_row)
/* One row or few: an item a result. Global ids (column, row). */
__kernel void product_row(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint j = (uint)get_global_id(0), i = (uint)get_global_id(1);
  if (j >= n || i >= m) return;
  float all = 0.0f;
  for (uint p = 0; p < k;) {
    float s = 0.0f;
    for (const uint stop = min(k, p + PANEL_K); p < stop; p++)
      s = FMA(a[a_o + (size_t)i * a_rs + (size_t)p * a_ps], b[b_o + (size_t)p * b_ps + (size_t)j * b_cs], s);
    all += s;
  }
  PRODUCT_PUT(i, j, all)
}
#endif

#if CLG_FORM(product_finish)
/* What follows a product that another library computed: C is f(C + bias). Global ids (column, row). */
__kernel void product_finish(__global float *c, const uint c_o, const uint c_rs, const uint m, const uint n,
                             __global const float *bias, const uint bias_o, const uint flags, const float2 numbers) {
  const uint j = (uint)get_global_id(0), i = (uint)get_global_id(1);
  if (j >= n || i >= m) return;
  const size_t to = c_o + (size_t)i * c_rs + j;
  float s = c[to];
  if (flags & PRODUCT_BIAS) s += bias[bias_o + j];
  c[to] = ACT_float(s);
}
#endif
#endif
