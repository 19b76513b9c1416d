/* Convolutions of any shape on any device: a work-group shares a tile of 32 x 32 results through local memory. */
#include "conv_shape.clh"
#include "sums.clh"

#define TILE   32
#define TILE_K 16
#define TILE_X (WG < 8 ? WG : 8)
#define TILE_Y (WG / TILE_X)
#define TILE_FOR(i, j)                                                                                                 \
  for (uint i = 0; i < TILE / TILE_Y; i++)                                                                             \
    for (uint j = 0; j < TILE / TILE_X; j++)
/* `done` counts the steps behind; a panel is one addition. */
#define PANEL_K 256u
#define TILE_MULTIPLY(steps, done)                                                                                     \
  WG_BARRIER;                                                                                                          \
  for (uint p = 0; p < (steps); p++)                                                                                   \
    TILE_FOR(i, j) sum[i][j] = fma(ta[p][y + TILE_Y * i], tb[p][x + TILE_X * j], sum[i][j]);                           \
  WG_BARRIER;                                                                                                          \
  if (((done) + TILE_K) % PANEL_K == 0) TILE_ADD
#define TILE_ADD                                                                                                       \
  TILE_FOR(i, j) {                                                                                                     \
    total[i][j] += sum[i][j];                                                                                          \
    sum[i][j] = 0.0f;                                                                                                  \
  }

#if CLG_FORM(conv_tile)
/* Rows: output channels. Columns: the outputs of a phase of all images. Group ids (tile of columns, tile of rows and
 * group, phase that has an output). */
__attribute__((reqd_work_group_size(WG, 1, 1))) __kernel void
conv_tile(__global const float *in, const ulong in_o, __global const float *w, const ulong w_o, __global float *out,
          const ulong out_o, __global const float *bias, const ulong bias_o, const float param, CONV_SHAPE) {
  __local float ta[TILE_K][TILE + 1], tb[TILE_K][TILE + 1];
  const conv s = conv_of(sa, sb, sc, sd);
  const uint id = (uint)get_local_id(0), x = id % TILE_X, y = id / TILE_X, tiles = (s.out_ch + TILE - 1) / TILE;
  const uint j0 = (uint)get_group_id(0) * TILE, g = (uint)get_group_id(1) / tiles,
             i0 = (uint)get_group_id(1) % tiles * TILE;
  const int across = min(s.out_sx, s.out_w), ry = (int)get_group_id(2) / across, rx = (int)get_group_id(2) % across;
  const taps ty = TAPS_Y(ry), tx = TAPS_X(rx);
  const uint nt = (uint)(ty.n * tx.n), k = (uint)s.in_ch * nt, columns = (uint)(s.batch * s.q_h * s.q_w),
             kk = s.k_h * s.k_w;
  float sum[TILE / TILE_Y][TILE / TILE_X], total[TILE / TILE_Y][TILE / TILE_X];
  TILE_FOR(i, j) sum[i][j] = total[i][j] = 0.0f;
  for (uint p0 = 0; p0 < k; p0 += TILE_K) {
    for (uint e = id; e < TILE * TILE_K; e += WG) {
      const uint p = p0 + e % TILE_K, i = i0 + e / TILE_K;
      float v = 0.0f;
      if (p < k && i < (uint)s.out_ch) {
        const uint c = p / nt, t = p % nt,
                   kat = (ty.first + t / tx.n * ty.every) * s.k_w + tx.first + t % tx.n * tx.every;
        v = w[w_o +
              (flags & CONV_UP ? ((size_t)g * s.in_ch + c) * s.out_ch + i : ((size_t)g * s.out_ch + i) * s.in_ch + c) *
                  kk +
              kat];
      }
      ta[e % TILE_K][e / TILE_K] = v;
    }
    for (uint e = id; e < TILE * TILE_K; e += WG) {
      const uint p = p0 + e / TILE, j = j0 + e % TILE;
      float v = 0.0f;
      if (p < k && j < columns) {
        const uint c = p / nt, t = p % nt, q = j % (uint)(s.q_h * s.q_w), n = j / (uint)(s.q_h * s.q_w);
        const int iy = (int)(q / (uint)s.q_w) * s.in_sy + ty.at + (int)(t / (uint)tx.n) * ty.step;
        const int ix = (int)(q % (uint)s.q_w) * s.in_sx + tx.at + (int)(t % (uint)tx.n) * tx.step;
        if (iy >= 0 && iy < s.in_h && ix >= 0 && ix < s.in_w)
          v = in[in_o + ((((size_t)n * s.groups + g) * s.in_ch + c) * s.in_h + iy) * s.in_w + ix];
      }
      tb[e / TILE][e % TILE] = v;
    }
    TILE_MULTIPLY(min(k - p0, (uint)TILE_K), p0)
  }
  TILE_ADD
  TILE_FOR(i, j) {
    const uint ch = i0 + y + TILE_Y * i, col = j0 + x + TILE_X * j, q = col % (uint)(s.q_h * s.q_w),
               n = col / (uint)(s.q_h * s.q_w);
    const int oy = (int)(q / (uint)s.q_w) * s.out_sy + ry, ox = (int)(q % (uint)s.q_w) * s.out_sx + rx;
    if (ch < (uint)s.out_ch && col < columns && oy < s.out_h && ox < s.out_w) {
      const uint channel = g * s.out_ch + ch;
      CONV_PUT(out_o + (((size_t)n * s.groups * s.out_ch + channel) * s.out_h + oy) * s.out_w + ox, channel,
               total[i][j])
    }
  }
}
#endif

#if CLG_FORM(conv_weight_tile)
/* Weight gradient. Rows: channels of y. Columns: channels of x and taps. The sum over `per` of all images' positions
 * goes to out [chunk][O][C/groups][kh*kw]. Group ids (tile of columns, tile of rows and group, chunk). */
__attribute__((reqd_work_group_size(WG, 1, 1))) __kernel void
conv_weight_tile(__global const float *in, const ulong in_o, __global const float *g_y, const ulong g_o,
                 __global float *out, const ulong out_o, CONV_SHAPE) {
  __local float ta[TILE_K][TILE + 1], tb[TILE_K][TILE + 1];
  const conv s = conv_of(sa, sb, sc, sd);
  const uint id = (uint)get_local_id(0), x = id % TILE_X, y = id / TILE_X, tiles = (s.out_ch + TILE - 1) / TILE;
  const uint j0 = (uint)get_group_id(0) * TILE, g = (uint)get_group_id(1) / tiles,
             i0 = (uint)get_group_id(1) % tiles * TILE;
  const uint kk = s.k_h * s.k_w, columns = s.in_ch * kk, plane = s.out_h * s.out_w, all = s.batch * plane;
  const uint first = (uint)get_group_id(2) * s.per, end = min(first + s.per, all);
  float sum[TILE / TILE_Y][TILE / TILE_X], total[TILE / TILE_Y][TILE / TILE_X];
  TILE_FOR(i, j) sum[i][j] = total[i][j] = 0.0f;
  for (uint p0 = first; p0 < end; p0 += TILE_K) {
    for (uint e = id; e < TILE * TILE_K; e += WG) {
      const uint p = p0 + e % TILE_K, i = i0 + e / TILE_K, j = j0 + e / TILE_K, n = p / plane, q = p % plane;
      ta[e % TILE_K][e / TILE_K] =
          p < end && i < (uint)s.out_ch ? g_y[g_o + (((size_t)n * s.groups + g) * s.out_ch + i) * plane + q] : 0.0f;
      float v = 0.0f;
      if (p < end && j < columns) {
        const int iy = (int)(q / s.out_w) * s.in_sy - s.pad_y + (int)(j % kk / s.k_w) * s.dil_y;
        const int ix = (int)(q % s.out_w) * s.in_sx - s.pad_x + (int)(j % kk % s.k_w) * s.dil_x;
        if (iy >= 0 && iy < s.in_h && ix >= 0 && ix < s.in_w)
          v = in[in_o + ((((size_t)n * s.groups + g) * s.in_ch + j / kk) * s.in_h + iy) * s.in_w + ix];
      }
      tb[e % TILE_K][e / TILE_K] = v;
    }
    TILE_MULTIPLY(min(end - p0, (uint)TILE_K), p0 - first)
  }
  TILE_ADD
  TILE_FOR(i, j) {
    const uint ch = i0 + y + TILE_Y * i, col = j0 + x + TILE_X * j;
    const size_t to = out_o + (((size_t)get_group_id(2) * s.groups + g) * s.out_ch + ch) * columns + col;
    if (ch < (uint)s.out_ch && col < columns) out[to] = flags & CONV_ADD ? out[to] + total[i][j] : total[i][j];
  }
}
#endif

#if CLG_FORM(conv_parts)
/* out[i] (+)= the sum of parts [chunks][n], in their order. */
__kernel void conv_parts(__global const float *parts, __global float *out, const ulong out_o, const uint n,
                         const uint chunks, const uint flags) {
  const uint i = (uint)get_global_id(0);
  if (i >= n) return;
  clg_sum s = clg_sum_of(0.0f);
  for (uint c = 0; c < chunks; c++) s = clg_sum_add(s, parts[(size_t)c * n + i]);
  const float sum = clg_sum_done(s);
  out[out_o + i] = flags & CONV_ADD ? out[out_o + i] + sum : sum;
}
#endif
