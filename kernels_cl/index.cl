/* Reading and adding by index. x is [outer,n,inner]; an index outside [0,n) reads as zero and adds nothing. Nothing
 * here is atomic: each destination has one item that adds what belongs to it, in the order of the indices. */
#include "sums.clh"
#define ADD_FLAG   1u
#define LEAST_FLAG 2u

#define WITHIN(k, n) ((k) >= 0 && (uint)(k) < (n))
/* p[at], or 0. The index is in range either way, since compilers may read ahead of a branch. */
inline float read_if(const bool reads, __global const float *p, const size_t at) {
  const float v = p[reads ? at : 0];
  return reads ? v : 0.0f;
}

#if CLG_FORM(index_gather)
/* y[o,j,i] = x[o, index[o,j,i], i]; index, y [outer,m,inner] of `total` elements. */
__kernel void index_gather(__global const float *x, const uint x_o, __global const int *index, const uint index_o,
                           __global float *y, const uint y_o, const uint n, const uint m, const uint inner,
                           const uint total) {
  const uint e = (uint)get_global_id(0);
  if (e >= total) return;
  const uint i = e % inner, o = e / inner / m;
  const int k = index[index_o + e];
  const bool reads = WITHIN(k, n);
  y[y_o + e] = read_if(reads, x + x_o, ((size_t)o * n + k) * inner + i);
}
#endif

#if CLG_FORM(index_scatter)
/* dx[o,k,i] (+)= sum over j of g[o,j,i] where index[o,j,i] == k; `total` elements of dx. */
__kernel void index_scatter(__global const float *g, const uint g_o, __global const int *index, const uint index_o,
                            __global float *dx, const uint dx_o, const uint n, const uint m, const uint inner,
                            const uint total, const uint flags) {
  const uint e = (uint)get_global_id(0);
  if (e >= total) return;
  const uint i = e % inner, o = e / inner / n;
  const int k = (int)(e / inner % n);
  const size_t first = (size_t)o * m * inner + i;
  float sum = flags & ADD_FLAG ? dx[dx_o + e] : 0.0f, rest = 0.0f, block = 0.0f;
  for (uint j = 0; j < m; j++) {
    const float v = g[g_o + first + (size_t)j * inner];
    block += index[index_o + first + (size_t)j * inner] == k ? v : 0.0f;
    if (j % SUM_LONG != SUM_LONG - 1) continue;
    SUM_TAKE(float, sum, rest, block)
    block = 0.0f;
  }
  SUM_TAKE(float, sum, rest, block)
  dx[dx_o + e] = clg_sum_end(sum, rest);
}
#endif

#if CLG_FORM(index_rows)
/* y[o,j,i] = x[o, index[j], i]; index [m]. An index equal to `skip` reads as zero. Elements are floats or integers:
 * words are copied. */
__kernel void index_rows(__global const uint *x, const uint x_o, __global const int *index, const uint index_o,
                         __global uint *y, const uint y_o, const uint n, const uint m, const uint inner,
                         const uint total, const int skip) {
  const uint e = (uint)get_global_id(0);
  if (e >= total) return;
  const uint row = e / inner, i = e - row * inner, o = row < m ? 0 : row / m, j = row - o * m;
  const int k = index[index_o + j];
  const bool reads = WITHIN(k, n) && k != skip;
  const uint at = reads ? (o * n + (uint)k) * inner + i : 0;
  const uint v = x[x_o + at];
  y[y_o + e] = reads ? v : 0u;
}
#endif

/* dx[o,k,:] += g[o,j,:] for every j from `from` on with index[j] == k; the items of a group share the columns, each
 * SPREAD of them at a time. */
#if CLG_CPU
#define SPREAD 1024u
#else
#define SPREAD 16u
#endif
inline void add_rows(__global const float *g, __global const int *index, __global float *row, const int k,
                     const uint from, const uint m, const uint inner, const uint lane) {
  for (uint i = lane; i < inner; i += WG * SPREAD, row += WG * SPREAD, g += WG * SPREAD) {
    const uint w = min((inner - i + WG - 1) / WG, SPREAD);
    float total[SPREAD], rest[SPREAD], block[SPREAD];
    uint found = 0;
    for (uint j = from; j < m; j++) {
#if VW == 16
      if (j + 16 <= m && !any(vload16(0, index + j) == k)) {
        j += 15;
        continue;
      }
#endif
      if (index[j] != k) continue;
      __global const float *v = g + (size_t)j * inner + lane;
      if (found == 0)
        for (uint c = 0; c < w; c++) total[c] = row[lane + c * WG], rest[c] = block[c] = 0.0f;
      if (found++ < SUM_LONG) { /* the first block is the sum */
        for (uint c = 0; c < w; c++) total[c] += v[c * WG];
        continue;
      }
      for (uint c = 0; c < w; c++) block[c] += v[c * WG];
      if (found % SUM_LONG != 0) continue;
      for (uint c = 0; c < w; c++) {
        SUM_TAKE(float, total[c], rest[c], block[c])
        block[c] = 0.0f;
      }
    }
    if (found > SUM_LONG)
      for (uint c = 0; c < w; c++) SUM_TAKE(float, total[c], rest[c], block[c])
    if (found > 0)
      for (uint c = 0; c < w; c++) row[lane + c * WG] = clg_sum_end(total[c], rest[c]);
  }
}

#if CLG_FORM(index_rows_scatter)
/* dx[o,k,:] (+)= sum over j of g[o,j,:] where index[j] == k, but for k == skip: few rows. Group ids: k, o. */
__kernel void index_rows_scatter(__global const float *g, const uint g_o, __global const int *index, const uint index_o,
                                 __global float *dx, const uint dx_o, const uint n, const uint m, const uint inner,
                                 const int skip, const uint flags) {
  const uint lane = (uint)get_local_id(0), k = (uint)get_group_id(0), o = (uint)get_group_id(1);
  __global float *row = dx + dx_o + ((size_t)o * n + k) * inner;
  if (!(flags & ADD_FLAG))
    for (uint i = lane; i < inner; i += WG) row[i] = 0.0f;
  if ((int)k != skip) add_rows(g + g_o + (size_t)o * m * inner, index + index_o, row, (int)k, 0, m, inner, lane);
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
  if (!WITHIN(k, n) || k == skip) return;
  for (uint before = 0; before < j; before++)
    if (index[before] == k) return;
  add_rows(g + g_o + (size_t)o * m * inner, index, dx + dx_o + ((size_t)o * n + k) * inner, k, j, m, inner, lane);
}
#endif

#if CLG_FORM(index_extreme)
/* The maximum (or minimum) of each range and its first position; NaN wins. y, index [outer,inner] of `total` elements.
 */
__kernel void index_extreme(__global const float *x, const uint x_o, __global float *y, const uint y_o,
                            __global int *index, const uint index_o, const uint n, const uint inner, const uint total,
                            const uint flags) {
  const uint e = (uint)get_global_id(0);
  if (e >= total) return;
  x += x_o + (size_t)(e / inner) * n * inner + e % inner;
  float best = x[0];
  int at = 0;
  for (uint k = 1; k < n && best == best; k++) {
    const float v = x[(size_t)k * inner];
    if (v != v || (flags & LEAST_FLAG ? v < best : v > best)) {
      best = v;
      at = (int)k;
    }
  }
  y[y_o + e] = best;
  index[index_o + e] = at;
}
#endif

#if CLG_FORM(index_to_float)
__kernel void index_to_float(__global const int *x, const uint x_o, __global float *y, const uint y_o, const uint n) {
  const size_t i = get_global_id(0);
  if (i < n) y[y_o + i] = (float)x[x_o + i];
}
#endif

#if CLG_FORM(index_weights)
/* The weight of each label: 0 for `ignore` and outside [0,classes), else weight[label], or 1 without weights. */
__kernel void index_weights(__global const int *label, const uint label_o, __global const float *weight,
                            const uint weight_o, __global float *y, const uint y_o, const uint classes,
                            const int ignore, const uint weighted, const uint n) {
  const size_t i = get_global_id(0);
  if (i >= n) return;
  const int k = label[label_o + i];
  const bool counts = WITHIN(k, classes) && k != ignore;
  const float w = weighted ? read_if(counts, weight + weight_o, k) : 1.0f;
  y[y_o + i] = counts ? w : 0.0f;
}
#endif
