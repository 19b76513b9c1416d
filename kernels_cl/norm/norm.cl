/* The last step of a norm: y = sum^(1/p), where sum has added |x|^p over the n elements of each range. Where that
 * has left the range of a float, or lost what lies below it, the range is gone through again over its maximum: that is
 * rare, and has no need to be fast. kept and red are the dimensions that stay and that go, innermost first; kept_s and
 * red_s the strides of x over them. With `part` > 0 part*y follows behind all y, which is finite for longer. Sums in
 * the second pass are compensated. */
#include "log.clm"
#include "pow.clm"
#include "sums.clh"

static inline int element(uint i, const uint8 dims, const int8 strides) {
  uint dim[8];
  int stride[8], at = 0;
  vstore8(dims, 0, dim);
  vstore8(strides, 0, stride);
  for (int d = 0; i && d < 8; i /= dim[d++]) at += (int)(i % dim[d]) * stride[d];
  return at;
}

/* Corrected for what 1/p loses, which counts beside a large logarithm: exactly, so by fma on every device. */
static inline float root(const float v, const float p) {
  if (p == 2.0f) return clg_sqrt(v);
  const float q = clg_div(1.0f, p), rest = clg_div(fma(-q, p, 1.0f), p), y = clg_pow(v, q);
  return y + y * (rest * clg_log(v));
}

#define PUT(m, r)                                                                                                      \
  {                                                                                                                    \
    y[y_o + o] = m * r;                                                                                                \
    if (part > 0.0f) y[y_o + ranges + o] = m * part * r;                                                               \
  }

#define NORM_ARGS                                                                                                      \
  __global const float *x, const uint x_o, __global const float *sum, const uint sum_o, __global float *y,             \
      const uint y_o, const int8 kept_s, const int8 red_s, const uint8 kept, const uint8 red, const uint ranges,       \
      const uint n, const float p, const float least, const float part, const uint piece
#define IN_RANGE(s) (((s) >= least) & ((s) <= FLT_MAX))
/* Of range `o`; `least` is what a sum is at least that has lost nothing that counts. EACH_LANE(v) is over the lanes of
 * the range that are this item's, STEP in all; PUT_LANE keeps what one comes to, and JOIN brings them together. */
#define NORM(STEP, EACH_LANE, PUT_LANE, JOIN)                                                                          \
  const float s = sum[sum_o + o];                                                                                      \
  if (IN_RANGE(s)) {                                                                                                   \
    if (lane == 0) PUT(1.0f, root(s, p))                                                                               \
    return;                                                                                                            \
  }                                                                                                                    \
  x += (int)x_o + element(o, kept, kept_s);                                                                            \
  float most, total;                                                                                                   \
  EACH_LANE(v) {                                                                                                       \
    float m = 0.0f;                                                                                                    \
    for (uint i = v; i < n; i += STEP) m = clg_max(m, fabs(x[element(i, red, red_s)]));                                \
    PUT_LANE(v, most, m)                                                                                               \
  }                                                                                                                    \
  JOIN(most, clg_max)                                                                                                  \
  const bool inside = most > 0.0f && most <= FLT_MAX;                                                                  \
  EACH_LANE(v) {                                                                                                       \
    float t = 0.0f, lost = 0.0f;                                                                                       \
    for (uint i = v; inside && i < n; i += STEP) {                                                                     \
      const float q = clg_div(fabs(x[element(i, red, red_s)]), most);                                                  \
      const float term = (p == 2.0f ? q * q : clg_pow(q, p)) - lost, next = t + term;                                  \
      lost = (next - t) - term;                                                                                        \
      t = next;                                                                                                        \
    }                                                                                                                  \
    PUT_LANE(v, total, t)                                                                                              \
  }                                                                                                                    \
  JOIN(total, CLG_JOIN_SUM)                                                                                            \
  const float over_most = inside ? root(total, p) : 1.0f;                                                              \
  if (lane == 0) PUT(most, over_most)

#define ITEM_EACH_LANE(v)       for (uint v = 0; v < 1; v++)
#define ITEM_PUT_LANE(v, to, m) to = m;
#define ITEM_JOIN(to, F)
/* By one item. */
static void norm_of(const uint o, NORM_ARGS) {
  const uint lane = 0;
  NORM(1, ITEM_EACH_LANE, ITEM_PUT_LANE, ITEM_JOIN)
}

#if CLG_WANT(norm_short)
/* Of short ranges an item has one, on a CPU `piece`. */
CLG_KERNEL void norm_short(NORM_ARGS) {
#if CLG_CPU
  uint o = (uint)CLG_ITEM(0) * piece;
  for (const uint end = min(ranges, o + piece); o < end;) {
    if (p == 2.0f && part == 0.0f && o + LANES <= end) {
      const float16 s = vload16(0, sum + sum_o + o);
      if (all(IN_RANGE(s))) {
        vstore16(clg_sqrt16(s), 0, y + y_o + o);
        o += LANES;
        continue;
      }
    }
    norm_of(o++, NORM_NAMES);
  }
#else
  const uint o = (uint)get_global_id(0);
  if (o < ranges) norm_of(o, NORM_NAMES);
#endif
}
#endif

#if CLG_WANT(norm_long)
/* Of long ones a work-group has one. */
#if CLG_CPU
CLG_KERNEL void norm_long(NORM_ARGS) { norm_of((uint)CLG_GROUP(0), NORM_NAMES); }
#else
#define GROUP_EACH_LANE(v)       SUM_EACH_LANE(v, lane)
#define GROUP_PUT_LANE(v, to, m) lanes[v] = m;
#define GROUP_JOIN(to, F)                                                                                              \
  SUM_JOIN(lanes, lane, F)                                                                                             \
  to = lanes[0];                                                                                                       \
  WG_BARRIER;
__kernel void norm_long(NORM_ARGS) {
  __local float lanes[SUM_LANES];
  const uint o = (uint)get_group_id(0), lane = (uint)get_local_id(0);
  NORM(SUM_LANES, GROUP_EACH_LANE, GROUP_PUT_LANE, GROUP_JOIN)
}
#endif
#endif
