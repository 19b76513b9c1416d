/* Convolutions of any shape on any device: a work-group shares a tile of 32 x 32 results through local memory. */
#include "conv_shape.clh"
#include "sums.clh"
#include "tile.clh"

/* Rows, columns and steps of a tile lie in tables in local memory, for the sums to have the registers: where a row and
 * a step begin in A, a column and a step in `in`, and what they add to the position there. */
typedef struct place {
  ulong a, in; /* NOWHERE: there is none */
  int y, x;
} place;
#define NOWHERE (1ul << 62)

static float load_a(__global const float *a, const uint a_o, WG_LOCAL const place *row, WG_LOCAL const place *step) {
  const ulong at = row->a + step->a;
  const float v = a[at < NOWHERE ? at : a_o];
  return at < NOWHERE ? v : 0.0f;
}
static float load_in(__global const float *in, const uint in_o, WG_LOCAL const place *column,
                     WG_LOCAL const place *step, const uint h, const uint w) {
  const uint y = (uint)(column->y + step->y), x = (uint)(column->x + step->x);
  const ulong at = column->in + step->in + (size_t)y * w + x;
  const bool is = at < NOWHERE && y < h && x < w;
  const float v = in[is ? at : in_o];
  return is ? v : 0.0f;
}

#if CLG_WANT(conv_tile)
/* Rows: output channels. Columns: the outputs of a phase of all images. Group ids (tile of columns, tile of rows and
 * group, phase that has an output). */
__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void
conv_tile(__global const float *in, const uint in_o, __global const float *w, const uint w_o, __global float *out,
          const uint out_o, __global const float *bias, const uint bias_o, const float2 numbers, CONV_ARGS) {
  WG_LOCAL place line[TILE], step[TILE_K];
  WG_LOCAL ulong to[TILE]; /* a column in out */
  WG_LOCAL taps ty, tx;
  const conv s = conv_of(sa, sb, sc, sd);
  const uint id = (uint)get_local_id(0);
  if (id == 0) {
    const int across = min(s.out_sx, s.out_w);
    ty = TAPS_Y((int)get_group_id(2) / across);
    tx = TAPS_X((int)get_group_id(2) % across);
  }
  const uint tiles = (s.out_ch + TILE - 1) / TILE;
  for (uint l = id; l < TILE; l += WG) {
    const uint g = (uint)get_group_id(1) / tiles, i = (uint)get_group_id(1) % tiles * TILE + l;
    const uint j = (uint)get_group_id(0) * TILE + l, plane = s.q_h * s.q_w, n = j / plane, q = j % plane;
    const int across = min(s.out_sx, s.out_w), qy = (int)(q / (uint)s.q_w), qx = (int)(q % (uint)s.q_w);
    const int y = qy * s.out_sy + (int)get_group_id(2) / across, x = qx * s.out_sx + (int)get_group_id(2) % across;
    const size_t first = flags & CONV_DGRAD ? (size_t)g * s.in_ch * s.out_ch + i : ((size_t)g * s.out_ch + i) * s.in_ch;
    const bool is = n < (uint)s.batch && y < s.out_h && x < s.out_w;
    const place at = {i < (uint)s.out_ch ? w_o + first * s.k_h * s.k_w : NOWHERE,
                      is ? in_o + ((size_t)n * s.groups + g) * s.in_ch * s.in_h * s.in_w : NOWHERE, qy * s.in_sy,
                      qx * s.in_sx};
    line[l] = at;
    to[l] = out_o + (((size_t)n * s.groups + g) * s.out_ch * s.out_h + y) * s.out_w + x;
  }
  WG_BARRIER;
  const uint k = (uint)s.in_ch * (uint)(ty.n * tx.n);
  TILE_BEGIN
  TILE_STEPS(0, k)
  for (uint p = id; p < TILE_K; p += WG) {
    const uint ny = (uint)ty.n, nx = (uint)tx.n, row = (p0 + p) / nx, c = row / ny;
    const int x = (int)((p0 + p) % nx), y = (int)(row % ny);
    const int tap = (ty.first + y * ty.every) * s.k_w + tx.first + x * tx.every;
    const place at = {p0 + p < end ? (size_t)c * (flags & CONV_DGRAD ? s.out_ch : 1) * s.k_h * s.k_w + tap : NOWHERE,
                      p0 + p < end ? (size_t)c * s.in_h * s.in_w : NOWHERE, ty.at + y * ty.step, tx.at + x * tx.step};
    step[p] = at;
  }
  WG_BARRIER;
  TILE_FILL(e) {
    TILE_A(e / TILE_K, e % TILE_K) = load_a(w, w_o, line + e / TILE_K, step + e % TILE_K);
    TILE_B(e / TILE, e % TILE) = load_in(in, in_o, line + e % TILE, step + e / TILE, s.in_h, s.in_w);
  }
  TILE_STEPS_END
  TILE_END
  for (uint e = id; e < TILE * TILE; e += WG) {
    const uint r = e / TILE, l = e % TILE, i = (uint)get_group_id(1) % tiles * TILE + r,
               channel = (uint)get_group_id(1) / tiles * s.out_ch + i;
    if (line[r].a < NOWHERE && line[l].in < NOWHERE)
      CONV_PUT(to[l] + (size_t)i * s.out_h * s.out_w, channel, TILE_C(r, l))
  }
}
#endif

#if CLG_WANT(conv_wgrad_tile)
/* Weight gradient. Rows: channels of y. Columns: channels of x and taps. The sum over `per` of all images' positions
 * goes to out [chunk][O][C/groups][kh*kw]. Group ids (tile of columns, tile of rows and group, chunk). */
__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void conv_wgrad_tile(__global const float *in, const uint in_o,
                                                                              __global const float *g_y, const uint g_o,
                                                                              __global float *out, const uint out_o,
                                                                              CONV_ARGS) {
  WG_LOCAL place line[TILE], step[TILE_K];
  const conv s = conv_of(sa, sb, sc, sd);
  const uint id = (uint)get_local_id(0), tiles = (s.out_ch + TILE - 1) / TILE;
  const uint kk = s.k_h * s.k_w, columns = s.in_ch * kk, plane = s.out_h * s.out_w;
  for (uint l = id; l < TILE; l += WG) {
    const uint g = (uint)get_group_id(1) / tiles, i = (uint)get_group_id(1) % tiles * TILE + l;
    const uint j = (uint)get_group_id(0) * TILE + l, t = j % kk;
    const place at = {i < (uint)s.out_ch ? g_o + ((size_t)g * s.out_ch + i) * plane : NOWHERE,
                      j < columns ? in_o + ((size_t)g * s.in_ch + j / kk) * s.in_h * s.in_w : NOWHERE,
                      (int)(t / s.k_w) * s.dil_y - s.pad_y, (int)(t % s.k_w) * s.dil_x - s.pad_x};
    line[l] = at;
  }
  const uint first = (uint)get_group_id(2) * s.per, last = min(first + s.per, s.batch * plane);
  TILE_BEGIN
  TILE_STEPS(first, last)
  for (uint p = id; p < TILE_K; p += WG) {
    const uint n = (p0 + p) / plane, q = (p0 + p) % plane;
    const place at = {p0 + p < end ? (size_t)n * s.groups * s.out_ch * plane + q : NOWHERE,
                      p0 + p < end ? (size_t)n * s.groups * s.in_ch * s.in_h * s.in_w : NOWHERE,
                      (int)(q / s.out_w) * s.in_sy, (int)(q % s.out_w) * s.in_sx};
    step[p] = at;
  }
  WG_BARRIER;
  TILE_FILL(e) {
    TILE_A(e / TILE_K, e % TILE_K) = load_a(g_y, g_o, line + e / TILE_K, step + e % TILE_K);
    TILE_B(e % TILE_K, e / TILE_K) = load_in(in, in_o, line + e / TILE_K, step + e % TILE_K, s.in_h, s.in_w);
  }
  TILE_STEPS_END
  TILE_END
  for (uint e = id; e < TILE * TILE; e += WG) {
    const uint r = e / TILE, l = e % TILE, j = (uint)get_group_id(0) * TILE + l;
    const uint i = (uint)get_group_id(1) / tiles * s.out_ch + (uint)get_group_id(1) % tiles * TILE + r;
    const size_t to = out_o + ((size_t)get_group_id(2) * s.groups * s.out_ch + i) * columns + j;
    if (line[r].a < NOWHERE && line[l].in < NOWHERE) out[to] = flags & CONV_ADD ? out[to] + TILE_C(r, l) : TILE_C(r, l);
  }
}
#endif

#if CLG_WANT(conv_parts)
/* out[i] (+)= the sum of parts [chunks][n], in their order. */
__kernel void conv_parts(__global const float *parts, __global float *out, const uint out_o, const uint n,
                         const uint chunks, const uint flags) {
  const uint i = (uint)get_global_id(0);
  if (i >= n) return;
  clg_sum s = clg_sum_of(0.0f);
  for (uint c = 0; c < chunks; c++) s = clg_sum_add(s, parts[(size_t)c * n + i]);
  const float sum = clg_sum_done(s);
  out[out_o + i] = flags & CONV_ADD ? out[out_o + i] + sum : sum;
}
#endif
