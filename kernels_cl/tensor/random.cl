/* Random numbers by Philox. An item has VW blocks, one a lane; all lanes are computed, so that a number's bits do not
 * depend on how many are asked for. */
#include "cos.clm"
#include "log.clm"
#include "philox.clh"
#include "sin.clm"
#include "turn.clh"

/* The four numbers of each block. */
#if VW == 16
#define TO_FLOATS convert_float16
TURN(spread_float, float, __private, __global)
TURN(spread_int, int, __private, __global)
#define SPREAD(T, v, to) spread_##T((const T *)(v), VW, to, 4, 4, VW);
#else
#define TO_FLOATS convert_float
#define SPREAD(T, v, to)                                                                                               \
  for (uint e = 0; e < 4; e++) (to)[e] = (v)[e];
#endif

/* 24 bits: [0, 1) in steps that float holds exactly, whatever the rounding. */
#define UNIT(u) (TO_FLOATS((u) >> 8) * 5.9604644775390625e-8f)

/* out[4i..4i+3] of n elements from counter block position + i; one item a VW blocks. a, b: low and width, none above
 * `most`; or mean and deviation; both times `scale`. */
#define RANDOM_ARGS                                                                                                    \
  __global float *out_p, const uint out_o, const uint n, const ulong seed, const ulong position, const float a,        \
      const float b, const float most, const float scale
#define RANDOM(FOUR)                                                                                                   \
  const size_t i = CLG_ITEM(0) * VW;                                                                                   \
  if (4 * i >= n) return;                                                                                              \
  const ulong at = position + i;                                                                                       \
  UINTS u[4];                                                                                                          \
  VEC v[4];                                                                                                            \
  philox(at, 0, seed, u);                                                                                              \
  FOUR const size_t to = out_o + 4 * i;                                                                                \
  if (4 * (i + VW) <= n) { /* without a condition around each */                                                       \
    SPREAD(float, v, out_p + to)                                                                                       \
  } else {                                                                                                             \
    const float *lane = (const float *)v;                                                                              \
    for (uint e = 0; 4 * i + e < n; e++) out_p[to + e] = lane[e % 4 * VW + e / 4];                                     \
  }
#define UNIFORM                                                                                                        \
  for (int e = 0; e < 4; e++) v[e] = min((a + b * UNIT(u[e])) * scale, (VEC)(most));
/* Box-Muller: 1 - UNIT is in (0, 1], so that the logarithm is finite. */
#define NORMAL                                                                                                         \
  for (int e = 0; e < 4; e += 2) {                                                                                     \
    const VEC r = VEC_SQRT(-2.0f * VEC_OF(clg_log)(1.0f - UNIT(u[e])));                                                \
    const VEC p = 6.28318530717958648f * UNIT(u[e + 1]);                                                               \
    v[e] = (a + b * (r * VEC_OF(clg_cos)(p))) * scale, v[e + 1] = (a + b * (r * VEC_OF(clg_sin)(p))) * scale;          \
  }
#if CLG_WANT(random_uniform)
CLG_KERNEL void random_uniform(RANDOM_ARGS) { RANDOM(UNIFORM) }
#endif
#if CLG_WANT(random_normal)
CLG_KERNEL void random_normal(RANDOM_ARGS) { RANDOM(NORMAL) }
#endif
#if CLG_WANT(random_integers)
/* The same with integers from `low` on, `width` of them: the high half of a product. */
CLG_KERNEL void random_integers(__global int *out_p, const uint out_o, const uint n, const ulong seed,
                                const ulong position, const int low, const uint width) {
  const size_t i = CLG_ITEM(0) * VW;
  if (4 * i >= n) return;
  const ulong at = position + i;
  UINTS u[4], v[4];
  philox(at, 0, seed, u);
  for (int e = 0; e < 4; e++) v[e] = (uint)low + mul_hi(u[e], (UINTS)(width));
  if (4 * (i + VW) <= n) {
    SPREAD(int, v, out_p + out_o + 4 * i)
  } else {
    const int *lane = (const int *)v;
    for (uint e = 0; 4 * i + e < n; e++) out_p[out_o + 4 * i + e] = lane[e % 4 * VW + e / 4];
  }
}
#endif
