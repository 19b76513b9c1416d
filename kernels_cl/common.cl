/* In front of every program. The host defines CLG_CPU (1 or 0), WG (the work-group size of kernels that share work) and
 * VW (the vector width of a work-item). */
#pragma OPENCL FP_CONTRACT OFF

/* Contraction is written out where it is fast, so that the same formula has the same bits in every kernel. */
#if CLG_CPU || defined(FP_FAST_FMAF)
#define FMA(a, b, c) fma(a, b, c)
#else
#define FMA(a, b, c) ((a) * (b) + (c))
#endif

/* exp(-x) may overflow to infinity, which gives the right limit, 0. */
inline float clg_sigmoid(const float x) { return 1.0f / (1.0f + exp(-x)); }
inline float clg_sign(const float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f; }
/* NaN wins, unlike in fmin and fmax. */
inline float clg_min(const float a, const float b) { return a < b || a != a ? a : b; }
inline float clg_max(const float a, const float b) { return a > b || a != a ? a : b; }

/* v joined over the work-group, in every item; `lane` is the item's number. The order is fixed. */
#define CLG_JOIN_SUM(a, b) ((a) + (b))
#define CLG_JOIN_MAX(a, b) fmax(a, b)
#if WG > 1
#define CLG_GROUP_LOCAL __local float group_part[WG];
#define CLG_GROUP_JOIN(lane, v, JOIN)                                                                                  \
  {                                                                                                                    \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    group_part[lane] = v;                                                                                              \
    for (uint w = WG / 2; w; w /= 2) {                                                                                 \
      barrier(CLK_LOCAL_MEM_FENCE);                                                                                    \
      if (lane < w) group_part[lane] = JOIN(group_part[lane], group_part[lane + w]);                                   \
    }                                                                                                                  \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    v = group_part[0];                                                                                                 \
  }
#else
#define CLG_GROUP_LOCAL
#define CLG_GROUP_JOIN(lane, v, JOIN)
#endif
#define CLG_GROUP_SUM(lane, v) CLG_GROUP_JOIN(lane, v, CLG_JOIN_SUM)

/* The sum of a vector's lanes. */
#if VW == 16
inline float clg_lanes_sum(const float16 v) {
  const float8 e = v.lo + v.hi;
  const float4 q = e.lo + e.hi;
  return (q.x + q.y) + (q.z + q.w);
}
#else
#define clg_lanes_sum(v) (v)
#endif
