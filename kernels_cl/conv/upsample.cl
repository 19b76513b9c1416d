/* Planes [H,W] beside planes [H*SY,W*SX] in which each element is SY*SX times, on a CPU: an item has `step` rows of
 * what it writes, `rows` in all. */
#include "lanes.clh"

#if CLG_WANT(upsample_repeat)
/* to[0..W*SX) = each of x[0..W) SX times. */
static inline void repeat_row(__global const float *x, __global float *to, const int W, const int SX) {
  int j = 0;
  if (SX == 1)
    for (; j + 16 <= W; j += 16) CLG_STORE16(CLG_LOAD16(x + j), to + j);
  if (SX == 2)
    for (; j + 16 <= W; j += 16) {
      const float16 v = CLG_LOAD16(x + j);
      CLG_STORE16(v.s0011223344556677, to + 2 * j);
      CLG_STORE16(v.s8899aabbccddeeff, to + 2 * j + 16);
    }
  if (SX == 2)
    for (; j + 4 <= W; j += 4) vstore8(vload4(0, x + j).s00112233, 0, to + 2 * j);
  for (; j < W; j++) {
    const float v = x[j];
    for (int b = 0; b < SX; b++) to[j * SX + b] = v;
  }
}
CLG_KERNEL void upsample_repeat(__global const float *x, const uint x_o, __global float *y, const uint y_o,
                                const uint W, const uint SY, const uint SX, const uint rows, const uint step) {
  const uint first = (uint)CLG_GROUP(0) * step, end = min(rows, first + step);
  uint from = first / SY, turn = first - from * SY;
  y += y_o + (size_t)first * W * SX;
  for (uint row = first; row < end; row++, y += W * SX) {
    repeat_row(x + x_o + (size_t)from * W, y, (int)W, (int)SX);
    if (++turn == SY) turn = 0, from++;
  }
}
#endif

#if CLG_WANT(upsample_sum)
/* Sums are in the order of reductions, whose ranges these were: fewer than 16 terms one by one, of more each sixteen
 * into 16 lanes, which join as a tree, and what is left one by one. The host sees to it that they are fewer than
 * SUM_SPAN. */
static inline float sum_at(__global const float *g, const uint W, const uint SY, const uint SX) {
  const uint n = SY * SX, whole = n / 16 * 16;
  float lane[16], left = 0.0f;
  for (uint l = 0; l < 16; l++) lane[l] = 0.0f;
  for (uint t = 0, a = 0, b = 0; t < n; t++) {
    const float v = g[(size_t)a * W * SX + b];
    if (t < whole)
      lane[t % 16] += v;
    else
      left += v;
    if (++b == SX) b = 0, a++;
  }
  for (uint w = 8; w; w /= 2)
    for (uint l = 0; l < w; l++) lane[l] += lane[l + w];
  return lane[0] + left;
}
/* The same of 2x2, of 16 and of 4 at a time. */
static inline void sums_by_2(__global const float *g, __global float *dx, const uint W, const uint SX, const uint SY,
                             const bool add) {
  uint j = 0;
#define BY_2(T, LOAD, n)                                                                                               \
  for (; j + n <= W; j += n) {                                                                                         \
    T sum = 0.0f;                                                                                                      \
    for (uint a = 0; a < SY; a++) {                                                                                    \
      __global const float *row = g + (size_t)a * W * 2 + 2 * j;                                                       \
      const T v = LOAD(row), w = LOAD(row + n);                                                                        \
      sum += (T)(v.even, w.even);                                                                                      \
      sum += (T)(v.odd, w.odd);                                                                                        \
    }                                                                                                                  \
    DX(T, n)                                                                                                           \
  }
#define LOAD4(p) vload4(0, p)
#define DX(T, n) vstore##n(add ? vload##n(0, dx + j) + sum : sum, 0, dx + j);
  BY_2(float16, CLG_LOAD16, 16)
  BY_2(float4, LOAD4, 4)
  for (; j < W; j++) {
    const float sum = sum_at(g + 2 * j, W, SY, SX);
    dx[j] = add ? dx[j] + sum : sum;
  }
}
/* dx (+)= the sums of g. */
CLG_KERNEL void upsample_sum(__global const float *g, const uint g_o, __global float *dx, const uint dx_o, const uint W,
                             const uint SY, const uint SX, const uint rows, const uint step, const uint add) {
  const uint first = (uint)CLG_GROUP(0) * step, end = min(rows, first + step);
  g += g_o + (size_t)first * W * SY * SX, dx += dx_o + (size_t)first * W;
  for (uint row = first; row < end; row++, g += (size_t)W * SY * SX, dx += W) {
    if (SX == 2 && SY < 8) {
      sums_by_2(g, dx, W, SX, SY, add);
      continue;
    }
    for (uint j = 0; j < W; j++) {
      const float sum = sum_at(g + j * SX, W, SY, SX);
      dx[j] = add ? dx[j] + sum : sum;
    }
  }
}
#endif
