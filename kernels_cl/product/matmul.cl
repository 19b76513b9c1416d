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

#include "product.clh"

#if CLG_CPU
#include "product_tiles.clh"

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

#if CLG_WANT(product_direct)
/* Group ids (tile of rows, panel). */
CLG_KERNEL void product_direct(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint i0 = (uint)CLG_GROUP(0) * TILE_ROWS, g = (uint)CLG_GROUP(1);
  DIRECT_TILE(i0, g)
}
#endif

#if CLG_WANT(product_two)
/* Two products that do not depend on each other, for what a launch costs; the second may be empty. Offsets are those of
 * a, b, c, and flags; sizes are a_rs, a_ps, b_ps, c_rs, c_cs, m, n, k. Group ids run down the tiles of rows, then along
 * the panels, of the first and then of the second. */
CLG_KERNEL void product_two(__global const float *first_a, __global const float *first_b, __global float *first_c,
                            const uint8 first_offset, const uint8 first_sizes, __global const float *second_a,
                            __global const float *second_b, __global float *second_c, const uint8 second_offset,
                            const uint8 second_sizes) {
  const uint tiles = DIRECT_TILES(first_sizes.s5, first_sizes.s6);
  const bool second = CLG_GROUP(0) >= tiles;
  __global const float *a = second ? second_a : first_a, *b = second ? second_b : first_b, *bias = a;
  __global float *c = second ? second_c : first_c;
  const uint8 offset = second ? second_offset : first_offset;
  const uint8 sizes = second ? second_sizes : first_sizes;
  const uint a_o = offset.s0, b_o = offset.s1, c_o = offset.s2, bias_o = 0, flags = offset.s3, a_rs = sizes.s0,
             a_ps = sizes.s1, b_ps = sizes.s2, c_rs = sizes.s3, c_cs = sizes.s4, m = sizes.s5, n = sizes.s6,
             k = sizes.s7;
  const float2 numbers = (float2)(0.0f);
  const uint id = (uint)CLG_GROUP(0) - (second ? tiles : 0), down = DIRECT_TILES(m, 1);
  const uint i0 = id % down * TILE_ROWS, g = id / down;
  DIRECT_TILE(i0, g)
}
#endif

#if CLG_WANT(product_panel)
/* A panel of B, packed PANEL_K steps at a time, against `span` rows (<= PANEL_ROWS). Group ids
 * (span, panel). */
CLG_KERNEL void product_panel(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint i0 = (uint)CLG_GROUP(0) * span, g = (uint)CLG_GROUP(1);
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

#if CLG_WANT(product_block)
/* Both operands are packed in blocks, whose elements then lie together however far apart rows are: `span` rows (<=
 * BLOCK_ROWS) x BLOCK_COLS results are an item's. Group ids (span, block of columns). */
CLG_KERNEL void product_block(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint i0 = (uint)CLG_GROUP(0) * span, g0 = (uint)CLG_GROUP(1) * (BLOCK_COLS / TILE_COLS);
  if (i0 >= m || g0 * TILE_COLS >= n) return;
  float tiles[(BLOCK_ROWS + TILE_ROWS - 1) / TILE_ROWS * BLOCK_TILE] __attribute__((aligned(64)));
  float panel[PANEL_K * TILE_COLS] __attribute__((aligned(64)));
  float part[PART_ROWS * BLOCK_COLS] __attribute__((aligned(64)));
  const uint rows = min(m - i0, span);
  const uint end = min(g0 + BLOCK_COLS / TILE_COLS, (n + TILE_COLS - 1) / TILE_COLS);
  const uint held = k > PANEL_K ? PART_ROWS * TILE_COLS : 0; /* the sums of all columns wait for further steps */
  for (uint p = 0; p < k || p == 0; p += PANEL_K) {
    const uint kn = min(k - p, PANEL_K);
    pack_tiles(a + a_o + (size_t)i0 * a_rs + (size_t)p * a_ps, a_rs, a_ps, rows, kn, tiles);
    for (uint g = g0; g < end; g++) {
      PANEL_AT(g)
      float *sums = part + (g - g0) * held;
      pack_panel(b + b_o + (size_t)p * b_ps + (size_t)j0 * b_cs, b_ps, b_cs, kn, width, panel);
      EACH_PIECE(h)
      for (uint i = 0; i < rows; i += TILE_ROWS)
        piece_block(tiles + i / TILE_ROWS * BLOCK_TILE, 1, TILE_ROWS, rows - 1 - i, panel + IN_PANEL(h), PIECE_COLS, kn,
                    p == 0, sums + i * TILE_COLS + h);
      if (p + kn == k) PANEL_FINISH(sums, rows, i0)
    }
  }
}
#endif

#if CLG_WANT(product_dot)
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
CLG_KERNEL void product_dot(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint first = (uint)CLG_GROUP(0) * span, j = (uint)CLG_GROUP(1);
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

#if CLG_WANT(product_row)
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
CLG_KERNEL void product_row(PRODUCT_ARGS) {
  PRODUCT_UNPACK
  const uint i = (uint)CLG_GROUP(1), g = (uint)CLG_GROUP(0) * ROW_COLS;
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

#if CLG_WANT(product_tile)
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

#if CLG_WANT(product_dot)
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

#if CLG_WANT(product_row)
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

#if CLG_WANT(product_finish)
/* What follows a product that another library computed: C is f(C + bias). Global ids (column, row). */
__kernel void product_finish(__global float *c, const uint c_o, const uint c_rs, const uint m, const uint n,
                             __global const float *bias, const uint bias_o, const uint flags, const float2 numbers) {
  const uint j = (uint)get_global_id(0), i = (uint)get_global_id(1);
  if (j >= n || i >= m) return;
  const size_t to = c_o + (size_t)i * c_rs + j;
  float s = c[to];
  if (flags & PRODUCT_BIAS) s += bias[bias_o + (flags & PRODUCT_SWAPPED ? i : j)];
  c[to] = ACT_float(s);
}
#endif
#endif
