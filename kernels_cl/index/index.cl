/* Reading and adding by index. x is [outer,n,inner]; an index outside [0,n) reads as zero and adds nothing. Nothing
 * here is atomic: each destination has one item that adds what belongs to it, in the order of the indices. On a GPU an
 * item has one element of what is written, on a CPU a piece of it. */
#include "index_runs.clh"
#include "sums.clh"

#if CLG_FORM(index_gather)
/* y[o,j,i] = x[o, index[o,j,i], i]; index, y [outer,m,inner] of `total` elements. */
static inline void gather(__global const float *x, __global const int *index, __global float *y, const uint n,
                          const uint inner, const uint len) {
  for (uint l = 0; l < len; l++) {
    const int k = index[l];
    y[l] = read_if(WITHIN(k, n), x, (size_t)k * inner + (inner > 1 ? l : 0));
  }
}
__kernel void index_gather(__global const float *x, const uint x_o, __global const int *index, const uint index_o,
                           __global float *y, const uint y_o, const uint n, const uint m, const uint inner,
                           const uint total) {
  x += x_o, index += index_o, y += y_o;
  EACH_RUN(m, inner, gather(x + (size_t)o * n * inner + i, index + e, y + e, n, inner, len);)
}
#endif

#if CLG_FORM(index_scatter)
/* sum, rest and the last block of TERM(j), of type T, over all j. */
#define SCATTER_SUM(T, TERM)                                                                                           \
  T sum = 0.0f, rest = 0.0f, block = 0.0f;                                                                             \
  for (uint j = 0; j < m; j++) {                                                                                       \
    block += TERM(j);                                                                                                  \
    if (j % SUM_LONG != SUM_LONG - 1) continue;                                                                        \
    SUM_TAKE(T, sum, rest, block)                                                                                      \
    block = 0.0f;                                                                                                      \
  }
static inline float of_equal(const int i, const int k, const float v) { return i == k ? v : 0.0f; }
/* The sum over j of g[j*inner] where index[j*inner] == k. */
static inline float scatter_at(__global const float *g, __global const int *index, const int k, const uint m,
                               const uint inner) {
#define TERM_AT(j) of_equal(index[(size_t)(j)*inner], k, g[(size_t)(j)*inner])
  SCATTER_SUM(float, TERM_AT)
  SUM_TAKE(float, sum, rest, block)
  return clg_sum_end(sum, rest);
}
#if CLG_CPU
static inline float16 scatter_16(__global const float *g, __global const int *index, const int k, const uint m,
                                 const uint inner) {
#define IS_16(j)   (vload16(0, index + (size_t)(j)*inner) == k)
#define TERM_16(j) as_float16(as_int16(CLG_LOAD16(g + (size_t)(j)*inner)) & IS_16(j))
  SCATTER_SUM(float16, TERM_16)
  if (m < SUM_LONG) return block;
  SUM_TAKE(float16, sum, rest, block)
  return SUM_END(sum, rest);
}
/* dx[0..len), the sums for k and those that follow it, where inner is 1. Terms that are 0 end no block. */
static void scatter_run(__global const float *g, __global const int *index, __global float *dx, const uint k,
                        const uint m, const uint len) {
  float sum[INDEX_PIECE], rest[INDEX_PIECE], block[INDEX_PIECE];
  uint last[INDEX_PIECE];
  for (uint l = 0; l < len; l++) sum[l] = rest[l] = block[l] = 0.0f, last[l] = 0;
  for (uint j = 0; j < m; j++) {
    const uint l = (uint)index[j] - k, turn = j / SUM_LONG;
    if (l >= len) continue;
    if (last[l] != turn) {
      SUM_TAKE(float, sum[l], rest[l], block[l])
      block[l] = 0.0f;
      last[l] = turn;
    }
    block[l] += g[j];
  }
  for (uint l = 0; l < len; l++) {
    SUM_TAKE(float, sum[l], rest[l], block[l])
    dx[l] = clg_sum_end(sum[l], rest[l]);
  }
}
/* With few indices a run has one block, and dx holds it. */
static void scatter_few(__global const float *g, __global const int *index, __global float *dx, const uint k,
                        const uint m, const uint len) {
  for (uint l = 0; l < len; l++) dx[l] = 0.0f;
  for (uint j = 0; j < m; j++) {
    const uint l = (uint)index[j] - k;
    if (l < len) dx[l] += g[j];
  }
}
static void scatter(__global const float *g, __global const int *index, __global float *dx, const uint k, const uint m,
                    const uint inner, const uint len) {
  if (inner == 1 && m <= SUM_LONG) {
    scatter_few(g, index, dx, k, m, len);
  } else if (inner == 1) {
    scatter_run(g, index, dx, k, m, len);
  } else {
    uint l = 0;
    for (; l + 16 <= len; l += 16) CLG_STORE16(scatter_16(g + l, index + l, (int)k, m, inner), dx + l);
    for (; l < len; l++) dx[l] = scatter_at(g + l, index + l, (int)k, m, inner);
  }
}
#else
#define scatter(g, index, dx, k, m, inner, len) *(dx) = scatter_at(g, index, (int)(k), m, inner)
#endif
/* dx[o,k,i] = sum over j of g[o,j,i] where index[o,j,i] == k; `total` elements of dx. */
__kernel void index_scatter(__global const float *g, const uint g_o, __global const int *index, const uint index_o,
                            __global float *dx, const uint dx_o, const uint n, const uint m, const uint inner,
                            const uint total) {
  g += g_o, index += index_o, dx += dx_o;
#define FIRST_OF(t) ((t) + (size_t)o * m * inner + i)
  EACH_RUN(n, inner, scatter(FIRST_OF(g), FIRST_OF(index), dx + e, j, m, inner, len);)
}
#endif

#if CLG_FORM(index_rows)
/* y[0..len) = x[0..len), or 0. */
static inline void copy_words(__global const uint *x, __global uint *y, const uint len, const bool reads) {
  uint l = 0;
#if CLG_CPU
  for (; l + 16 <= len; l += 16) vstore16(reads ? vload16(0, x + l) : (uint16)(0), 0, y + l);
#endif
  for (; l < len; l++) {
    const uint v = x[l];
    y[l] = reads ? v : 0u;
  }
}
static inline void rows_run(__global const uint *x, __global const int *index, __global uint *y, const uint n,
                            const uint inner, const uint i, const uint len, const int skip) {
#if CLG_CPU
  if (inner == 1) {
    for (uint l = 0; l < len; l++) {
      const int k = index[l];
      const bool reads = WITHIN(k, n) && k != skip;
      const uint v = x[reads ? k : 0];
      y[l] = reads ? v : 0u;
    }
    return;
  }
#endif
  const int k = *index;
  const bool reads = WITHIN(k, n) && k != skip;
  copy_words(x + (reads ? (uint)k * inner + i : 0), y, len, reads);
}
/* y[o,j,i] = x[o, index[j], i]; index [m]. An index equal to `skip` reads as zero. Elements are floats or integers:
 * words are copied. */
__kernel void index_rows(__global const uint *x, const uint x_o, __global const int *index, const uint index_o,
                         __global uint *y, const uint y_o, const uint n, const uint m, const uint inner,
                         const uint total, const int skip) {
  x += x_o, index += index_o, y += y_o;
  EACH_RUN(m, inner, rows_run(x + (size_t)o * n * inner, index + j, y + e, n, inner, i, len, skip);)
}
#endif

/* dx[o,k,:] (+)= g[o,j,:] for every j from `from` on with index[j] == k. */
#if CLG_CPU
#define SPREAD 1024u /* columns at a time */
static inline bool any_16(const int16 here) {
  const int8 of8 = here.lo | here.hi;
  const int4 of4 = of8.lo | of8.hi;
  return (of4.x | of4.y | of4.z | of4.w) != 0;
}
/* The first j from `from` on with index[j] == k, or m. */
static inline uint next_row(__global const int *index, const int k, const uint from, const uint m) {
  uint j = from;
#define HERE(at) (vload16(0, index + (at)) == k)
  while (j + 16 <= m && !any_16(HERE(j))) {
    j += 16;
    while (j + 64 <= m && !any_16(HERE(j) | HERE(j + 16) | HERE(j + 32) | HERE(j + 48))) j += 64;
  }
  for (; j < m; j++)
    if (index[j] == k) break;
  return j;
}
/* A block: the sums over the `count` rows j[] of g [.,inner] of w columns, from first[] on, or from 0. They begin the
 * total, or are taken into it. */
static void add_block(__global const float *g, const uint *j, const uint count, const uint inner, const uint w,
                      __global const float *first, const bool begins, float *total, float *rest) {
#define ROWS_BLOCK(T, LOAD, STORE, c)                                                                                  \
  {                                                                                                                    \
    T sum = first ? LOAD(first + c) : 0.0f;                                                                            \
    for (uint r = 0; r < count; r++) sum += LOAD(g + (size_t)j[r] * inner + c);                                        \
    T all = sum, left = 0.0f;                                                                                          \
    if (!begins) {                                                                                                     \
      all = LOAD(total + c), left = LOAD(rest + c);                                                                    \
      SUM_TAKE(T, all, left, sum)                                                                                      \
    }                                                                                                                  \
    STORE(all, total + c);                                                                                             \
    STORE(left, rest + c);                                                                                             \
  }
#define LOAD16(p)     vload16(0, p)
#define STORE16(v, p) vstore16(v, 0, p)
  uint c = 0;
  for (; c + 16 <= w; c += 16) ROWS_BLOCK(float16, LOAD16, STORE16, c)
  for (; c < w; c++) ROWS_BLOCK(float, LOAD1, STORE1, c)
}
static void add_rows(__global const float *g, __global const int *index, __global float *row, const int k,
                     const uint from, const uint m, const uint inner, const uint lane, const bool add) {
  float total[SPREAD], rest[SPREAD];
  for (uint i = 0; i < inner; i += SPREAD) {
    const uint w = min(inner - i, SPREAD);
    uint j = next_row(index, k, from, m), rows[SUM_LONG];
    bool begins = true;
    if (j == m && !add)
      for (uint c = 0; c < w; c++) row[i + c] = 0.0f;
    while (j < m) {
      uint count = 0;
      for (; j < m && count < SUM_LONG; j = next_row(index, k, j + 1, m)) rows[count++] = j;
      add_block(g + i, rows, count, inner, w, begins && add ? row + i : 0, begins, total, rest);
      begins = false;
    }
    for (uint c = 0; !begins && c < w; c++) row[i + c] = clg_sum_end(total[c], rest[c]);
  }
}
static inline bool any_before(__global const int *index, const int k, const uint j) {
  return next_row(index, k, 0, j) < j;
}
#else
#define SPREAD         4u /* columns of an item at a time; the items of a group share the columns */
/* Unrolled: an array is in registers only if no loop indexes it. */
#define EACH_COLUMN(c) _Pragma("unroll") for (uint c = 0; c < SPREAD; c++) if (c < w)
static inline void add_rows(__global const float *g, __global const int *index, __global float *row, const int k,
                            const uint from, const uint m, const uint inner, const uint lane, const bool add) {
  if (!add)
    for (uint i = lane; i < inner; i += WG) row[i] = 0.0f;
  for (uint i = lane; i < inner; i += WG * SPREAD, row += WG * SPREAD, g += WG * SPREAD) {
    const uint w = min((inner - i + WG - 1) / WG, SPREAD);
    float total[SPREAD], rest[SPREAD], block[SPREAD];
    uint found = 0;
    for (uint j = from; j < m; j++) {
      if (index[j] != k) continue;
      __global const float *v = g + (size_t)j * inner + lane;
      if (found == 0) {
        EACH_COLUMN(c) total[c] = row[lane + c * WG], rest[c] = block[c] = 0.0f;
      }
      if (found++ < SUM_LONG) { /* the first block is the sum */
        EACH_COLUMN(c) total[c] += v[c * WG];
        continue;
      }
      EACH_COLUMN(c) block[c] += v[c * WG];
      if (found % SUM_LONG != 0) continue;
      EACH_COLUMN(c) {
        SUM_TAKE(float, total[c], rest[c], block[c])
        block[c] = 0.0f;
      }
    }
    if (found > SUM_LONG) {
      EACH_COLUMN(c) SUM_TAKE(float, total[c], rest[c], block[c])
    }
    if (found > 0) {
      EACH_COLUMN(c) row[lane + c * WG] = clg_sum_end(total[c], rest[c]);
    }
  }
}
static inline bool any_before(__global const int *index, const int k, const uint j) {
  for (uint before = 0; before < j; before++)
    if (index[before] == k) return true;
  return false;
}
#endif

#if CLG_FORM(index_rows_scatter)
/* dx[o,k,:] (+)= sum over j of g[o,j,:] where index[j] == k, but for k == skip: few rows. Group ids: k, o. */
__kernel void index_rows_scatter(__global const float *g, const uint g_o, __global const int *index, const uint index_o,
                                 __global float *dx, const uint dx_o, const uint n, const uint m, const uint inner,
                                 const int skip, const uint flags) {
  const uint lane = (uint)get_local_id(0), k = (uint)get_group_id(0), o = (uint)get_group_id(1);
  add_rows(g + g_o + (size_t)o * m * inner, index + index_o, dx + dx_o + ((size_t)o * n + k) * inner, (int)k,
           (int)k == skip ? m : 0, m, inner, lane, flags & INDEX_ADD);
}
#endif

#if CLG_FORM(index_rows_scatter_few)
/* The same for more rows than indices, into a dx that holds zeros or what to add to: the first j with its index adds
 * for all of them. Group ids: j, o. */
__kernel void index_rows_scatter_few(__global const float *g, const uint g_o, __global const int *index,
                                     const uint index_o, __global float *dx, const uint dx_o, const uint n,
                                     const uint m, const uint inner, const int skip) {
  const uint lane = (uint)get_local_id(0), j = (uint)get_group_id(0), o = (uint)get_group_id(1);
  index += index_o;
  const int k = index[j];
  if (!WITHIN(k, n) || k == skip || any_before(index, k, j)) return;
  add_rows(g + g_o + (size_t)o * m * inner, index, dx + dx_o + ((size_t)o * n + k) * inner, k, j, m, inner, lane, true);
}
#endif

#if CLG_FORM(index_extreme)
/* best and its position `at` with v at position k, which comes later, in them; NaN wins. Types V, and N of integers. */
#define EXTREME_TAKE(V, N, best, at, v, k)                                                                             \
  {                                                                                                                    \
    const N take = (best == best) & ((v != v) | (flags & INDEX_LEAST ? v < best : v > best));                          \
    best = take ? v : best;                                                                                            \
    at = take ? (N)(k) : at;                                                                                           \
  }
/* y and index of x[0], x[inner] .. n of them. */
static inline void extreme_at(__global const float *x, __global float *y, __global int *index, const uint n,
                              const uint inner, const uint flags) {
  float best = *x;
  int at = 0;
  for (uint k = 1; k < n && best == best; k++) {
    const float v = x[(size_t)k * inner];
    EXTREME_TAKE(float, int, best, at, v, k)
  }
  *y = best;
  *index = at;
}
#if CLG_CPU
/* The better of two, of which lanes of a row have one each: the first where they are alike. */
#define EXTREME_JOIN(V, N, b0, p0, b1, p1, best, at)                                                                   \
  const N nan_##at = (b0 != b0), right_##at = flags & INDEX_LEAST ? b1 < b0 : b1 > b0,                                 \
          alike_##at = (b1 == b0) | (nan_##at & (b1 != b1)),                                                           \
          take_##at = right_##at | (~nan_##at & (b1 != b1)) | (alike_##at & (p1 < p0));                                \
  const V best = take_##at ? b1 : b0;                                                                                  \
  const N at = take_##at ? p1 : p0;
static void extreme_row(__global const float *x, __global float *y, __global int *index, const uint n,
                        const uint flags) {
  float16 best = CLG_LOAD16(x);
  int16 at = LANE_NUMBERS(int16), here = at;
  uint k = 16;
  for (; k + 16 <= n; k += 16) {
    const float16 v = CLG_LOAD16(x + k);
    here += 16;
    EXTREME_TAKE(float16, int16, best, at, v, here)
  }
  EXTREME_JOIN(float8, int8, best.lo, at.lo, best.hi, at.hi, b8, p8)
  EXTREME_JOIN(float4, int4, b8.lo, p8.lo, b8.hi, p8.hi, b4, p4)
  EXTREME_JOIN(float2, int2, b4.lo, p4.lo, b4.hi, p4.hi, b2, p2)
  const float2 other = b2.yx;
  const int2 others = p2.yx;
  EXTREME_JOIN(float2, int2, b2, p2, other, others, b1, p1)
  float b = b1.x;
  int p = p1.x;
  for (; k < n; k++) {
    const float v = x[k];
    EXTREME_TAKE(float, int, b, p, v, k)
  }
  *y = b;
  *index = p;
}
/* The same of 16 rows that are shorter than that. */
static void extreme_rows(__global const float *x, __global float *y, __global int *index, const uint n,
                         const uint flags) {
#define ROWS16(p)                                                                                                      \
  (float16)((p)[0], (p)[n], (p)[2 * n], (p)[3 * n], (p)[4 * n], (p)[5 * n], (p)[6 * n], (p)[7 * n], (p)[8 * n],        \
            (p)[9 * n], (p)[10 * n], (p)[11 * n], (p)[12 * n], (p)[13 * n], (p)[14 * n], (p)[15 * n])
  float16 best = ROWS16(x);
  int16 at = 0;
  for (uint k = 1; k < n; k++) {
    const float16 v = ROWS16(x + k);
    EXTREME_TAKE(float16, int16, best, at, v, (int)k)
  }
  vstore16(best, 0, y);
  vstore16(at, 0, index);
}
/* The same of `len` columns: 8 rows of 16 of them at a time. */
static void extreme_columns(__global const float *x, __global float *y, __global int *index, const uint n,
                            const uint inner, const uint len, const uint flags) {
  const uint whole = len / 16 * 16;
  for (uint c = 0; c < whole; c += 16) {
    CLG_STORE16(CLG_LOAD16(x + c), y + c);
    vstore16((int16)(0), 0, index + c);
  }
  for (uint k0 = 1; k0 < n; k0 += 8)
    for (uint c = 0; c < whole; c += 16) {
      float16 best = CLG_LOAD16(y + c);
      int16 at = vload16(0, index + c);
      for (uint k = k0; k < min(n, k0 + 8); k++) {
        const float16 v = CLG_LOAD16(x + (size_t)k * inner + c);
        EXTREME_TAKE(float16, int16, best, at, v, (int)k)
      }
      CLG_STORE16(best, y + c);
      vstore16(at, 0, index + c);
    }
  for (uint c = whole; c < len; c++) extreme_at(x + c, y + c, index + c, n, inner, flags);
}
#endif
/* The maximum (or minimum) of each range and its first position; NaN wins. y, index [outer,inner] of `total` elements,
 * `step` of which are a CPU's item. */
__kernel void index_extreme(__global const float *x, const uint x_o, __global float *y, const uint y_o,
                            __global int *index, const uint index_o, const uint n, const uint inner, const uint total,
                            const uint step, const uint flags) {
  x += x_o, y += y_o, index += index_o;
#if CLG_CPU
  uint e = (uint)get_global_id(0) * step, o = e / inner, i = e - o * inner;
  const uint end = min(total, e + step);
  while (e < end) {
    __global const float *from = x + (size_t)o * n * inner + i;
    const bool row = inner == 1 && n >= 16, rows = inner == 1 && !row && e + 16 <= end;
    const uint len = row ? 1 : rows ? 16 : min(end - e, inner - i);
    if (row) {
      extreme_row(from, y + e, index + e, n, flags);
    } else if (rows) {
      extreme_rows(from, y + e, index + e, n, flags);
    } else {
      extreme_columns(from, y + e, index + e, n, inner, len, flags);
    }
    e += len, i = 0, o += rows ? 16 : 1;
  }
#else
  const uint e = (uint)get_global_id(0);
  if (e < total) extreme_at(x + (size_t)(e / inner) * n * inner + e % inner, y + e, index + e, n, inner, flags);
#endif
}
#endif
