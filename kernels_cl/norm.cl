/* The last step of a norm: y = sum^(1/p), where sum has added |x|^p over the n elements of each range. Where that
 * has left the range of a float, or lost what lies below it, the range is gone through again over its maximum: that is
 * rare, and has no need to be fast. kept and red are the dimensions that stay and that go, innermost first; kept_s and
 * red_s the strides of x over them. With `part` > 0 part*y follows behind all y, which is finite for longer. Sums in
 * the second pass are compensated. */
#include "groups.clh"

inline int element(uint i, const uint8 dims, const int8 strides) {
  uint dim[8];
  int stride[8], at = 0;
  vstore8(dims, 0, dim);
  vstore8(strides, 0, stride);
  for (int d = 0; i && d < 8; i /= dim[d++]) at += (int)(i % dim[d]) * stride[d];
  return at;
}

/* Corrected for what 1/p loses, which counts beside a large logarithm: exactly, so by fma on every device. */
inline float root(const float v, const float p) {
  if (p == 2.0f) return sqrt(v);
  const float q = 1.0f / p, rest = fma(-q, p, 1.0f) / p, y = pow(v, q);
  return y + y * (rest * log(v));
}

#define PUT(m, r)                                                                                                      \
  {                                                                                                                    \
    y[y_o + o] = m * r;                                                                                                \
    if (part > 0.0f) y[y_o + ranges + o] = m * part * r;                                                               \
  }

/* `least`: what a sum is at least that has lost nothing that counts. LANES items share a range; JOIN_MAX and JOIN_SUM
 * bring their parts together. */
#define NORM(NAME, LOCAL, RANGE, LANE, LANES, JOIN_MAX, JOIN_SUM)                                                      \
  __kernel void NAME(__global const float *x, const uint x_o, __global const float *sum, const uint sum_o,             \
                     __global float *y, const uint y_o, const int8 kept_s, const int8 red_s, const uint8 kept,         \
                     const uint8 red, const uint ranges, const uint n, const float p, const float least,               \
                     const float part) {                                                                               \
    LOCAL                                                                                                              \
    const uint o = (uint)RANGE, lane = (uint)LANE;                                                                     \
    if (o >= ranges) return;                                                                                           \
    const float s = sum[sum_o + o];                                                                                    \
    if (s >= least && s <= FLT_MAX) {                                                                                  \
      if (lane == 0) PUT(1.0f, root(s, p))                                                                             \
      return;                                                                                                          \
    }                                                                                                                  \
    x += (int)x_o + element(o, kept, kept_s);                                                                          \
    float most = 0.0f, total = 0.0f, lost = 0.0f;                                                                      \
    for (uint i = lane; i < n; i += LANES) most = clg_max(most, fabs(x[element(i, red, red_s)]));                      \
    JOIN_MAX(most)                                                                                                     \
    const bool inside = most > 0.0f && most <= FLT_MAX;                                                                \
    for (uint i = lane; inside && i < n; i += LANES) {                                                                 \
      const float v = fabs(x[element(i, red, red_s)]) / most, term = (p == 2.0f ? v * v : pow(v, p)) - lost,           \
                  next = total + term;                                                                                 \
      lost = (next - total) - term;                                                                                    \
      total = next;                                                                                                    \
    }                                                                                                                  \
    JOIN_SUM(total)                                                                                                    \
    const float over_most = inside ? root(total, p) : 1.0f;                                                            \
    if (lane == 0) PUT(most, over_most)                                                                                \
  }
#define NOTHING(v)

/* An item a range. */
#if CLG_WANT(norm_short)
NORM(norm_short, , get_global_id(0), 0, 1, NOTHING, NOTHING)
#endif
/* A work-group a range. */
#define GROUP_LARGER(a, b) clg_max(a, b)
#define GROUP_MAX(v)       CLG_GROUP_JOIN(lane, v, GROUP_LARGER)
#define GROUP_ADD(v)       CLG_GROUP_SUM(lane, v)
#if CLG_WANT(norm_long)
NORM(norm_long, CLG_GROUP_LOCAL, get_group_id(0), get_local_id(0), WG, GROUP_MAX, GROUP_ADD)
#endif
