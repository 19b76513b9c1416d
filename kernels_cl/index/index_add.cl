/* Adding by index: an index outside [0,n) adds nothing. Nothing here is atomic: each destination has one item that adds
 * what belongs to it, in the order of the indices. On a GPU items look for what is theirs. On a CPU, where there are
 * few of them, lists say it (index_lists), or an item goes through all indices once for many destinations. */
#include "index_runs.clh"
#include "sums.clh"

#if CLG_CPU

#if CLG_WANT(index_lists)
/* Of the rows that an index in [0,n) but for `skip` has: row[t], with the js of row t in order, from head[t] on by
 * next[j], -1 behind the last. `lists` is head [n], next [m], row [most], how many; `most` the less of n and m. */
__kernel void index_lists(__global const int *index, const uint index_o, __global int *lists, const uint n,
                          const uint m, const uint most, const int skip) {
  __global int *head = lists, *next = head + n, *row = next + m;
  index += index_o;
  for (uint k = 0; k < n; k++) head[k] = -1;
  for (uint j = m; j-- > 0;) {
    const int k = index[j];
    if (!WITHIN(k, n) || k == skip) continue;
    next[j] = head[k];
    head[k] = (int)j;
  }
  uint t = 0;
  for (uint k = 0; k < n; k++) { /* without a branch, since none could be foreseen: row has room for one more */
    const int first = head[k];
    row[t] = (int)k;
    head[t] = first;
    t += first >= 0;
  }
  row[most] = (int)t;
}
#endif
/* A piece of `share` of them: row[t0] to row[t1 - 1], among the rows [k,end), where no other piece has any. */
#define LISTED_PIECE                                                                                                   \
  __global const int *head = lists, *next = head + n, *row = next + m;                                                 \
  const uint listed = (uint)row[most], piece = (uint)CLG_GROUP(0), t0 = piece * share, t1 = min(listed, t0 + share);   \
  if (t0 >= listed && piece) return;                                                                                   \
  uint k = piece ? (uint)row[t0 - 1] + 1 : 0;                                                                          \
  const uint end = t1 == listed ? n : (uint)row[t1 - 1] + 1;
/* Runs ZERO for each run [k,to) of rows that no index has, and EACH for each row k = row[t] that some have. */
#define LISTED_ROWS(ZERO, EACH)                                                                                        \
  {                                                                                                                    \
    LISTED_PIECE                                                                                                       \
    for (uint t = t0; t < t1; t++, k++) {                                                                              \
      const uint to = (uint)row[t];                                                                                    \
      ZERO k = to;                                                                                                     \
      EACH                                                                                                             \
    }                                                                                                                  \
    const uint to = end;                                                                                               \
    ZERO                                                                                                               \
  }
static inline void zero_run(__global float *to, const size_t n) {
  CLG_SIXTEEN
  for (size_t i = 0; i < n; i++) to[i] = 0.0f;
}

#if CLG_WANT(index_rows_add)
#define SPREAD 1024u /* columns at a time */
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
/* The same of a block that is all there is. (+ 0.0f, as clg_sum_end adds the rest.) */
static void put_block(__global const float *g, const uint *j, const uint count, const uint inner, const uint w,
                      __global float *row, const bool add) {
#define ROWS_PUT(T, LOAD, STORE)                                                                                       \
  {                                                                                                                    \
    T sum = add ? LOAD(row + c) : 0.0f;                                                                                \
    for (uint r = 0; r < count; r++) sum += LOAD(g + (size_t)j[r] * inner + c);                                        \
    STORE(sum + 0.0f, row + c);                                                                                        \
  }
  uint c = 0;
  for (; c + 16 <= w; c += 16) ROWS_PUT(float16, CLG_LOAD16, CLG_STORE16)
  for (; c < w; c++) ROWS_PUT(float, LOAD1, STORE1)
}
/* row[0..inner) (+)= the sum over the listed js from `first` on of g[j,:]. */
static void add_row(__global const float *g, __global const int *next, const int first, __global float *row,
                    const uint inner, const bool add) {
  float total[SPREAD], rest[SPREAD];
  for (uint i = 0; i < inner; i += SPREAD) {
    const uint w = min(inner - i, SPREAD);
    uint rows[SUM_LONG];
    bool begins = true;
    for (int j = first; j >= 0;) {
      uint count = 0;
      for (; j >= 0 && count < SUM_LONG; j = next[j]) rows[count++] = (uint)j;
      if (begins && j < 0) {
        put_block(g + i, rows, count, inner, w, row + i, add);
        break;
      }
      add_block(g + i, rows, count, inner, w, begins && add ? row + i : 0, begins, total, rest);
      begins = false;
    }
    for (uint c = 0; !begins && c < w; c++) row[i + c] = clg_sum_end(total[c], rest[c]);
  }
}
/* The same of few columns. */
static inline void add_few(__global const float *g, __global const int *next, const int first, __global float *row,
                           const uint inner, const bool add) {
  if (next[first] >= 0) {
    add_row(g, next, first, row, inner, add);
  } else {
    g += (size_t)first * inner;
    for (uint c = 0; c < inner; c++) row[c] = (add ? row[c] : 0.0f) + g[c] + 0.0f;
  }
}
/* dx[o,k,:] (+)= sum over j of g[o,j,:] where index[j] == k, but for k == skip. */
CLG_KERNEL void index_rows_add(__global const float *g, const uint g_o, __global const int *lists, __global float *dx,
                               const uint dx_o, const uint n, const uint m, const uint most, const uint share,
                               const uint inner, const uint flags) {
  const uint o = (uint)CLG_GROUP(1);
  const bool add = flags & INDEX_ADD;
  g += g_o + (size_t)o * m * inner, dx += dx_o + (size_t)o * n * inner;
  if (inner < 16) {
    LISTED_PIECE
    if (!add) zero_run(dx + (size_t)k * inner, (size_t)(end - k) * inner);
    for (uint t = t0; t < t1; t++) add_few(g, next, head[t], dx + (size_t)row[t] * inner, inner, add);
    return;
  }
  LISTED_ROWS(
      {
        if (!add) zero_run(dx + (size_t)k * inner, (size_t)(to - k) * inner);
      },
      add_row(g, next, head[t], dx + (size_t)k * inner, inner, add);)
}
#endif

/* Sums of a column go by blocks of SUM_LONG places of its indices; a block without terms changes nothing. One: its
 * total, rest, block and, as an integer, which block that is, side by side. */
typedef float4 held_sum;
static inline held_sum held_close(held_sum s, const uint next) {
  SUM_TAKE(float, s.x, s.y, s.z)
  return (held_sum)(s.x, s.y, 0.0f, as_float(next));
}
static inline held_sum held_add(held_sum s, const uint j, const float v) {
  if (as_uint(s.w) != j / SUM_LONG) s = held_close(s, j / SUM_LONG);
  s.z += v;
  return s;
}
static inline float held_done(const held_sum s) {
  const held_sum all = held_close(s, 0);
  return clg_sum_end(all.x, all.y);
}

#if CLG_WANT(index_scatter_listed)
static inline float scatter_list(__global const float *g, __global const int *next, const int first) {
  held_sum sum = (held_sum)(0.0f);
  for (int j = first; j >= 0; j = next[j]) sum = held_add(sum, (uint)j, g[j]);
  return held_done(sum);
}
/* dx[k] = sum over j of g[j] where index[j] == k. */
CLG_KERNEL void index_scatter_listed(__global const float *g, const uint g_o, __global const int *lists,
                                     __global float *dx, const uint dx_o, const uint n, const uint m, const uint most,
                                     const uint share) {
  g += g_o, dx += dx_o;
  LISTED_ROWS({ zero_run(dx + k, to - k); }, dx[k] = scatter_list(g, next, head[t]);)
}
#endif

#if CLG_WANT(index_scatter)
/* A stripe of w columns at dx, of rows [k,k + rows). */
static inline void scatter_stripe(__global const float *g, __global const int *index, __global float *dx, const uint k,
                                  const uint rows, const uint m, const uint inner, const uint w) {
  held_sum sum[INDEX_HELD];
  for (uint e = 0; e < rows * w; e++) sum[e] = (held_sum)(0.0f);
  for (uint j = 0; j < m; j++, g += inner, index += inner)
    for (uint c = 0; c < w; c++) {
      const uint r = (uint)index[c] - k, e = r * w + c;
      if (r < rows) sum[e] = held_add(sum[e], j, g[c]);
    }
  for (uint r = 0, e = 0; r < rows; r++, dx += inner)
    for (uint c = 0; c < w; c++, e++) dx[c] = held_done(sum[e]);
}
/* The same of one column, with a vector of each part of its sums. */
static inline void scatter_column(__global const float *g, __global const int *index, __global float *dx, const uint k,
                                  const uint rows, const uint m) {
  float sum[INDEX_HELD], rest[INDEX_HELD], block[INDEX_HELD];
  uint last[INDEX_HELD];
  for (uint r = 0; r < rows; r++) sum[r] = rest[r] = block[r] = 0.0f, last[r] = 0;
  for (uint j = 0; j < m; j++) {
    const uint r = (uint)index[j] - k, turn = j / SUM_LONG;
    if (r >= rows) continue;
    if (last[r] != turn) {
      SUM_TAKE(float, sum[r], rest[r], block[r])
      block[r] = 0.0f;
      last[r] = turn;
    }
    block[r] += g[j];
  }
  for (uint r = 0; r < rows; r++) {
    SUM_TAKE(float, sum[r], rest[r], block[r])
    dx[r] = clg_sum_end(sum[r], rest[r]);
  }
}
/* Of all n rows where there is one block, which dx holds. */
static inline void scatter_few(__global const float *g, __global const int *index, __global float *dx, const uint n,
                               const uint m, const uint inner, const uint w) {
  for (uint k = 0; k < n; k++)
    for (uint c = 0; c < w; c++) dx[(size_t)k * inner + c] = 0.0f;
  for (uint j = 0; j < m; j++, g += inner, index += inner)
    for (uint c = 0; c < w; c++)
      if (WITHIN(index[c], n)) dx[(size_t)index[c] * inner + c] += g[c];
}
/* dx[o,k,i] = sum over j of g[o,j,i] where index[o,j,i] == k. An item has a stripe of `width` columns of `share` os,
 * and goes through their indices once for as many rows as it can hold the sums of. Group ids: stripe, piece of os. */
CLG_KERNEL void index_scatter(__global const float *g, const uint g_o, __global const int *index, const uint index_o,
                              __global float *dx, const uint dx_o, const uint n, const uint m, const uint inner,
                              const uint outer, const uint width, const uint share) {
  g += g_o, index += index_o, dx += dx_o;
  const uint i = (uint)CLG_GROUP(0) * width, w = min(inner - i, width), held = INDEX_HELD / w;
  const uint o0 = (uint)CLG_GROUP(1) * share, o1 = min(outer, o0 + share);
  for (uint o = o0; o < o1; o++) {
    const size_t from = (size_t)o * m * inner + i, to = (size_t)o * n * inner + i;
    if (m <= SUM_LONG) {
      if (inner == 1) /* written out, which spares the loops */
        scatter_few(g + from, index + from, dx + to, n, m, 1, 1);
      else
        scatter_few(g + from, index + from, dx + to, n, m, inner, w);
      continue;
    }
    for (uint k = 0; k < n; k += held)
      if (inner == 1)
        scatter_column(g + from, index + from, dx + to + k, k, min(held, n - k), m);
      else
        scatter_stripe(g + from, index + from, dx + to + (size_t)k * inner, k, min(held, n - k), m, inner, w);
  }
}
#endif

#if CLG_WANT(index_scatter_one)
/* y[l] = 0 + g[l] where index[l] == k, else 0. */
static inline void put_equal(__global const float *g, __global const int *index, __global float *y, const int k,
                             const uint len) {
  uint l = 0;
  for (; l + 16 <= len; l += 16) {
    const float16 v = CLG_LOAD16(g + l) + 0.0f;
    CLG_STORE16(vload16(0, index + l) == k ? v : (float16)(0.0f), y + l);
  }
  for (; l < len; l++) y[l] = index[l] == k ? g[l] + 0.0f : 0.0f;
}
/* dx[o,k,i] = g[o,i] where index[o,i] == k: of one index a column. `total` elements of dx, which are written in order.
 */
CLG_KERNEL void index_scatter_one(__global const float *g, const uint g_o, __global const int *index,
                                  const uint index_o, __global float *dx, const uint dx_o, const uint n,
                                  const uint inner, const uint total) {
  g += g_o, index += index_o, dx += dx_o;
  EACH_RUN(n, inner, put_equal(g + (size_t)o * inner + i, index + (size_t)o * inner + i, dx + e, (int)j, len);)
}
#endif

#else

#if CLG_WANT(index_scatter)
static inline float of_equal(const int i, const int k, const float v) { return i == k ? v : 0.0f; }
/* dx[o,k,i] = sum over j of g[o,j,i] where index[o,j,i] == k; `total` elements of dx. */
__kernel void index_scatter(__global const float *g, const uint g_o, __global const int *index, const uint index_o,
                            __global float *dx, const uint dx_o, const uint n, const uint m, const uint inner,
                            const uint total) {
  const uint e = (uint)get_global_id(0), row = e / inner, i = e - row * inner, o = row / n;
  if (e >= total) return;
  const int k = (int)(row - o * n);
  const size_t from = (size_t)o * m * inner + i;
  g += g_o + from, index += index_o + from;
  float sum = 0.0f, rest = 0.0f, block = 0.0f;
  for (uint j = 0; j < m; j++, g += inner, index += inner) {
    block += of_equal(*index, k, *g);
    if (j % SUM_LONG != SUM_LONG - 1) continue;
    SUM_TAKE(float, sum, rest, block)
    block = 0.0f;
  }
  SUM_TAKE(float, sum, rest, block)
  dx[dx_o + e] = clg_sum_end(sum, rest);
}
#endif

#define SPREAD         4u /* columns of an item at a time; the items of a group share the columns */
/* Unrolled: an array is in registers only if no loop indexes it. */
#define EACH_COLUMN(c) _Pragma("unroll") for (uint c = 0; c < SPREAD; c++) if (c < w)
/* row[:] (+)= g[j,:] for every j from `from` on with index[j] == k. */
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

#if CLG_WANT(index_rows_scatter)
/* dx[o,k,:] (+)= sum over j of g[o,j,:] where index[j] == k, but for k == skip: few rows. Group ids: k, o. */
__kernel void index_rows_scatter(__global const float *g, const uint g_o, __global const int *index, const uint index_o,
                                 __global float *dx, const uint dx_o, const uint n, const uint m, const uint inner,
                                 const int skip, const uint flags) {
  const uint lane = (uint)get_local_id(0), k = (uint)get_group_id(0), o = (uint)get_group_id(1);
  add_rows(g + g_o + (size_t)o * m * inner, index + index_o, dx + dx_o + ((size_t)o * n + k) * inner, (int)k,
           (int)k == skip ? m : 0, m, inner, lane, flags & INDEX_ADD);
}
#endif

#if CLG_WANT(index_rows_scatter_few)
static inline bool any_before(__global const int *index, const int k, const uint j) {
  for (uint before = 0; before < j; before++)
    if (index[before] == k) return true;
  return false;
}
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

#endif
