/* Dropout. Elements go by DROPOUT_RUN, for which there are LANES blocks of random numbers: element 16q + l of a run has
 * one half of block l's word q/2, which decides alone unless it is the half of the threshold; then sixteen bits of
 * further blocks do. */
#include "kernel/constants.h"
#include "philox.clh"

#if VW == LANES
#define INTS    int16
#define AS_INTS as_int16
static inline int least_of(const int16 v) {
  const int8 e = min(v.lo, v.hi);
  const int4 q = min(e.lo, e.hi);
  return min(min(q.x, q.y), min(q.z, q.w));
}
#else
#define INTS        int
#define AS_INTS     as_int
#define least_of(v) (v)
#endif
#define LINES        (DROPOUT_RUN / LANES)
#define EACH_LINE(q) _Pragma("unroll") for (uint q = 0; q < LINES; q++)
#define HALF(u, q)   AS_INTS((q) % 2 ? (u)[(q) / 2] >> 16 : (u)[(q) / 2] & 0xFFFFu)

#define DROP(V, LOAD, STORE, keeps, adds, j)                                                                           \
  {                                                                                                                    \
    V d = (keeps) ? LOAD(x + (j)) * k : (V)(0.0f);                                                                     \
    if (adds) d += LOAD(y + (j));                                                                                      \
    STORE(d, y + (j));                                                                                                 \
  }
#define DROP_LINE(q, adds)                                                                                             \
  CLG_PREFETCH(x + LANES * (q));                                                                                       \
  CLG_PREFETCH(y + LANES * (q));                                                                                       \
  DROP(VEC, VLOAD, VSTORE, HALF(u, q) > high, adds, LANES * (q))

/* y[i] (+)= x[i] * k, or 0 with a probability of (high * 2^16 + low) / 2^32, over n elements, from counter block
 * `position` on. An item has a run on a CPU, and what a lane has of it on a GPU. Global id: LANES / VW a run. */
CLG_KERNEL void dropout(__global const float *x, const uint x_o, __global float *y, const uint y_o, const uint n,
                        const ulong seed, const ulong position, const int high, const int low, const float k,
                        const uint add) {
  const size_t block = CLG_ITEM(0) * VW, first = block / LANES * DROPOUT_RUN;
  if (first >= n) return;
  x += x_o + first;
  y += y_o + first;
  UINTS u[4], further[4];
  philox(position + block, 0, seed, u);
  INTS off = HALF(u, 0) ^ high;
  EACH_LINE(q) off = min(off, HALF(u, q) ^ high);
  const bool ties = least_of(off) == 0;
#if VW == LANES
  if (first + DROPOUT_RUN <= n && !ties) {
    if (add) {
      EACH_LINE(q) { DROP_LINE(q, true) }
    } else {
      EACH_LINE(q) { DROP_LINE(q, false) }
    }
    return;
  }
#endif
  if (ties) philox(position + block, 1, seed, further);
  INTS kept[LINES];
  EACH_LINE(q) {
    kept[q] = HALF(u, q) > high;
    if (ties) kept[q] |= (HALF(u, q) == high) & (HALF(further, q) >= low);
  }
  const int *each = (const int *)kept;
  for (uint e = 0, i = block % LANES; e < LINES * VW; e++, i += LANES / VW)
    if (first + i < n) DROP(float, LOAD1, STORE1, each[e], add, i)
}
