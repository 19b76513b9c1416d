/* Reading by index, and where extremes are. x is [outer,n,inner]; an index outside [0,n) reads as zero. On a GPU an
 * item has one element of what is written, on a CPU a piece of it. */
#include "index_runs.clh"
#include "lanes.clh"

#if CLG_WANT(index_gather)
/* y[l] = x[index[l], l] of a run; `pitch` is from one element of it to the next in x. */
static inline void gather(__global const float *x, __global const int *index, __global float *y, const uint n,
                          const uint inner, const uint pitch, const uint len) {
  uint l = 0;
#if CLG_CPU
  for (; l + 16 <= len; l += 16) {
    const int16 k = vload16(0, index + l), within = (k >= 0) & (k < (int)n);
    const int16 at = (k * (int)inner + ((int)l + LANE_NUMBERS(int16)) * (int)pitch) & within;
    CLG_STORE16(as_float16(as_int16(READ16(x, at)) & within), y + l);
  }
#endif
  for (; l < len; l++) {
    const int k = index[l];
    y[l] = read_if(WITHIN(k, n), x, (size_t)k * inner + l * pitch);
  }
}
/* y[o,j,i] = x[o, index[o,j,i], i]; index, y [outer,m,inner] of `total` elements. Of one from each row the os are a
 * run.
 */
CLG_KERNEL void index_gather(__global const float *x, const uint x_o, __global const int *index, const uint index_o,
                             __global float *y, const uint y_o, const uint n, const uint m, const uint inner,
                             const uint total) {
  x += x_o, index += index_o, y += y_o;
  const bool picks = m * inner == 1;
  const uint pitch = inner > 1 ? 1 : picks ? n : 0;
  EACH_RUN(picks ? total : m, inner,
           gather(x + (picks ? (size_t)j * n : (size_t)o * n * inner + i), index + e, y + e, n, inner, pitch, len);)
}
#endif

#if CLG_WANT(index_rows)
/* y[0..len) = x[0..len), or 0. */
static inline void copy_words(__global const uint *x, __global uint *y, const uint len, const bool reads) {
  uint l = 0;
#if CLG_CPU
#define COPY(n)                                                                                                        \
  for (; l + n <= len; l += n) vstore##n(reads ? vload##n(0, x + l) : (uint##n)(0), 0, y + l);
  COPY(16)
  COPY(8)
  COPY(4)
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
    uint l = 0;
    for (; l + 16 <= len; l += 16) {
      const int16 k = vload16(0, index + l), reads = (k >= 0) & (k < (int)n) & (k != skip), at = k & reads;
      vstore16(READ16_OF(uint16, x, at) & as_uint16(reads), 0, y + l);
    }
    for (; l < len; l++) {
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
CLG_KERNEL void index_rows(__global const uint *x, const uint x_o, __global const int *index, const uint index_o,
                           __global uint *y, const uint y_o, const uint n, const uint m, const uint inner,
                           const uint total, const int skip) {
  x += x_o, index += index_o, y += y_o;
  EACH_RUN(m, inner, rows_run(x + (size_t)o * n * inner, index + j, y + e, n, inner, i, len, skip);)
}
#endif

#if CLG_WANT(index_extreme)
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
CLG_KERNEL void index_extreme(__global const float *x, const uint x_o, __global float *y, const uint y_o,
                              __global int *index, const uint index_o, const uint n, const uint inner, const uint total,
                              const uint step, const uint flags) {
  x += x_o, y += y_o, index += index_o;
#if CLG_CPU
  uint e = (uint)CLG_ITEM(0) * step, o = e / inner, i = e - o * inner;
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
  const uint e = (uint)CLG_ITEM(0);
  if (e < total) extreme_at(x + (size_t)(e / inner) * n * inner + e % inner, y + e, index + e, n, inner, flags);
#endif
}
#endif
