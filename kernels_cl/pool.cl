/* Pooling of planes: x [planes,H,W] -> y [planes,OH,OW]; window (p,q) covers the elements (p*sy - py + a*dy, q*sx - px
 * + b*dx), a < ky, b < kx, that lie in the plane. One item an element of what is written; sums run in the order of the
 * windows, each of whose rows is a block. */
#include "sums.clh"
#define ADD_FLAG    1u
#define INCLUDE_PAD 2u
#define POOL_SHAPE  const int8 sizes, const int8 window
#define POOL_SIZES  const int H = sizes.s0, W = sizes.s1, OH = sizes.s2, OW = sizes.s3, total = sizes.s4;
#define KY          window.s0
#define KX          window.s1
#define SY          window.s2
#define SX          window.s3
#define PY          window.s4
#define PX          window.s5
#define DY          window.s6
#define DX          window.s7

#if CLG_FORM(pool_max)
/* y and index (within its plane) of the first maximum of each window; NaN wins. A window over padding alone has -inf
 * and index -1. */
__kernel void pool_max(__global const float *x, const uint x_o, __global float *y, const uint y_o, __global int *index,
                       const uint index_o, POOL_SHAPE) {
  POOL_SIZES
  const int e = (int)get_global_id(0);
  if (e >= total) return;
  const int q = e % OW, p = e / OW % OH;
  x += x_o + (size_t)(e / OW / OH) * H * W;
  float best = -INFINITY;
  int at = -1;
  for (int a = 0; a < KY; a++) {
    const int i = p * SY - PY + a * DY;
    if (i < 0 || i >= H) continue;
    for (int b = 0; b < KX; b++) {
      const int j = q * SX - PX + b * DX;
      if (j < 0 || j >= W) continue;
      const float v = x[i * W + j];
      if (at < 0 || v > best || v != v) {
        best = v;
        at = i * W + j;
      }
    }
  }
  y[y_o + e] = best;
  index[index_o + e] = at;
}
#endif

#if CLG_FORM(pool_pick)
/* y = x at the index of each window; 0 where that is -1. */
__kernel void pool_pick(__global const float *x, const uint x_o, __global float *y, const uint y_o,
                        __global const int *index, const uint index_o, POOL_SHAPE) {
  POOL_SIZES
  const int e = (int)get_global_id(0);
  if (e >= total) return;
  const int at = index[index_o + e];
  /* The index is in range either way, since compilers may read ahead of a branch. */
  const float v = x[x_o + (size_t)(e / OW / OH) * H * W + max(at, 0)];
  y[y_o + e] = at < 0 ? 0.0f : v;
}
#endif

/* sum and rest with TERM for every `at` of [FROM, TO) in them; small windows are one block, and narrow ones keep a loop
 * that compilers make vectors of. */
#define SUM_ROW(FROM, TO, TERM)                                                                                        \
  if (KX * KY <= (int)SUM_LONG) {                                                                                      \
    for (int at = FROM; at < (TO); at++) sum += TERM;                                                                  \
  } else if (KX <= (int)SUM_BLOCK) {                                                                                   \
    float block = 0.0f;                                                                                                \
    for (int at = FROM; at < (TO); at++) block += TERM;                                                                \
    SUM_TAKE(float, sum, rest, block)                                                                                  \
  } else {                                                                                                             \
    for (int from = FROM; from < (TO); from += SUM_BLOCK) {                                                            \
      float block = 0.0f;                                                                                              \
      for (int at = from; at < min(TO, from + (int)SUM_BLOCK); at++) block += TERM;                                    \
      SUM_TAKE(float, sum, rest, block)                                                                                \
    }                                                                                                                  \
  }

/* The windows that may cover coordinate i: first to last. */
inline int first_window(const int i, const int k, const int s, const int p, const int d) {
  const int low = i + p - (k - 1) * d;
  return low <= 0 ? 0 : (low + s - 1) / s;
}
inline int last_window(const int i, const int s, const int p, const int n) { return min((i + p) / s, n - 1); }

#if CLG_FORM(pool_unpick)
/* dx (+)= the sum of g over the windows whose index is the element. total counts dx. */
__kernel void pool_unpick(__global const float *g, const uint g_o, __global float *dx, const uint dx_o,
                          __global const int *index, const uint index_o, POOL_SHAPE, const uint flags) {
  POOL_SIZES
  const int e = (int)get_global_id(0);
  if (e >= total) return;
  const int j = e % W, i = e / W % H, own = i * W + j;
  const size_t plane = (size_t)(e / W / H) * OH * OW;
  g += g_o + plane;
  index += index_o + plane;
  float sum = flags & ADD_FLAG ? dx[dx_o + e] : 0.0f, rest = 0.0f;
  const int p1 = last_window(i, SY, PY, OH), q0 = first_window(j, KX, SX, PX, DX), q1 = last_window(j, SX, PX, OW);
  for (int p = first_window(i, KY, SY, PY, DY); p <= p1; p++)
    SUM_ROW(q0, q1 + 1, index[p * OW + at] == own ? g[p * OW + at] : 0.0f)
  dx[dx_o + e] = clg_sum_end(sum, rest);
}
#endif

/* What a window's sum is divided by. */
inline float divisor(const int p, const int q, const int H, const int W, const int8 window, const uint flags) {
  const int i0 = p * SY - PY, j0 = q * SX - PX;
  if (flags & INCLUDE_PAD) return (float)((min(i0 + KY, H + PY) - i0) * (min(j0 + KX, W + PX) - j0));
  return (float)((min(i0 + KY, H) - max(i0, 0)) * (min(j0 + KX, W) - max(j0, 0)));
}

#if CLG_FORM(pool_average)
__kernel void pool_average(__global const float *x, const uint x_o, __global float *y, const uint y_o, POOL_SHAPE,
                           const uint flags) {
  POOL_SIZES
  const int e = (int)get_global_id(0);
  if (e >= total) return;
  const int q = e % OW, p = e / OW % OH, i0 = p * SY - PY, j0 = q * SX - PX;
  x += x_o + (size_t)(e / OW / OH) * H * W;
  float sum = 0.0f, rest = 0.0f;
  for (int i = max(i0, 0); i < min(i0 + KY, H); i++) SUM_ROW(max(j0, 0), min(j0 + KX, W), x[i * W + at])
  y[y_o + e] = clg_sum_end(sum, rest) / divisor(p, q, H, W, window, flags);
}
#endif

#if CLG_FORM(pool_spread)
/* dx (+)= the sum of g over the windows that cover the element, each divided as in pool_average. total counts dx. */
__kernel void pool_spread(__global const float *g, const uint g_o, __global float *dx, const uint dx_o, POOL_SHAPE,
                          const uint flags) {
  POOL_SIZES
  const int e = (int)get_global_id(0);
  if (e >= total) return;
  const int j = e % W, i = e / W % H;
  g += g_o + (size_t)(e / W / H) * OH * OW;
  float sum = flags & ADD_FLAG ? dx[dx_o + e] : 0.0f, rest = 0.0f;
  const int p1 = last_window(i, SY, PY, OH), q0 = first_window(j, KX, SX, PX, 1), q1 = last_window(j, SX, PX, OW);
  for (int p = first_window(i, KY, SY, PY, 1); p <= p1; p++)
    SUM_ROW(q0, q1 + 1, g[p * OW + at] / divisor(p, at, H, W, window, flags))
  dx[dx_o + e] = clg_sum_end(sum, rest);
}
#endif
