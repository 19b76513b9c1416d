/* Reductions of a map (see map.cl for the prelude; one result, r0). REDUCE_MAX chooses the maximum instead of the sum. Result o
 * gathers the n_red elements of its range; chunk c of it goes to r0_p[r0_o + c*n_out + o]. kept and red are the dimensions that
 * stay and that go, innermost first; x_s and x_r the strides of tensor x over them. The order of a sum follows from shapes and
 * strides alone: the same bits each time. Names of ours begin with m_ so that they cannot meet a formula's. */
#ifdef REDUCE_MAX
#define REDUCE_START -INFINITY
#define REDUCE_JOIN(a, b) clg_max(a, b)
#else
#define REDUCE_START 0.0f
#define REDUCE_JOIN(a, b) ((a) + (b))
#endif
#define REDUCE_ARGS                                                                                                         \
  __global float *r0_p, const uint r0_o MAP_INPUTS MAP_INPUT_STRIDES MAP_NUMBERS, const uint8 m_kept, const uint8 m_red,    \
      const uint m_n_out, const uint m_n_red, const uint m_chunk, const uint m_add

/* x_k: where the range of result (first, rest) begins. */
#define REDUCE_KEPT(t) int t##_k = (int)t##_o + (int)m_first * t##_s.s0;
#define REDUCE_KEPT_s1(t) t##_k += m_d * t##_s.s1;
#define REDUCE_KEPT_s2(t) t##_k += m_d * t##_s.s2;
#define REDUCE_KEPT_s3(t) t##_k += m_d * t##_s.s3;
#define REDUCE_KEPT_s4(t) t##_k += m_d * t##_s.s4;
#define REDUCE_KEPT_s5(t) t##_k += m_d * t##_s.s5;
#define REDUCE_KEPT_s6(t) t##_k += m_d * t##_s.s6;
#define REDUCE_KEPT_s7(t) t##_k += m_d * t##_s.s7;
#define REDUCE_KEPT_DIM(D)                                                                                                  \
  if (m_rest) {                                                                                                             \
    const int m_d = (int)(m_rest % m_kept.D);                                                                               \
    m_rest /= m_kept.D;                                                                                                     \
    MAP_INPUT_INDEX(REDUCE_KEPT_##D)                                                                                        \
  }
#define REDUCE_FIND_KEPT                                                                                                    \
  MAP_INPUT_INDEX(REDUCE_KEPT)                                                                                              \
  REDUCE_KEPT_DIM(s1) REDUCE_KEPT_DIM(s2) REDUCE_KEPT_DIM(s3) REDUCE_KEPT_DIM(s4)                                           \
  REDUCE_KEPT_DIM(s5) REDUCE_KEPT_DIM(s6) REDUCE_KEPT_DIM(s7)

/* x_b: where row q of the range begins, from element `at` on. */
#define REDUCE_ROW(t) int t##_b = t##_k + (int)m_at * t##_r.s0;
#define REDUCE_ROW_s1(t) t##_b += m_d * t##_r.s1;
#define REDUCE_ROW_s2(t) t##_b += m_d * t##_r.s2;
#define REDUCE_ROW_s3(t) t##_b += m_d * t##_r.s3;
#define REDUCE_ROW_s4(t) t##_b += m_d * t##_r.s4;
#define REDUCE_ROW_s5(t) t##_b += m_d * t##_r.s5;
#define REDUCE_ROW_s6(t) t##_b += m_d * t##_r.s6;
#define REDUCE_ROW_s7(t) t##_b += m_d * t##_r.s7;
#define REDUCE_ROW_DIM(D)                                                                                                   \
  if (m_rest) {                                                                                                             \
    const int m_d = (int)(m_rest % m_red.D);                                                                                \
    m_rest /= m_red.D;                                                                                                      \
    MAP_INPUT_INDEX(REDUCE_ROW_##D)                                                                                         \
  }
#define REDUCE_FIND_ROW                                                                                                     \
  const uint m_q = m_r / m_red.s0, m_at = m_r - m_q * m_red.s0, m_len = min(m_red.s0 - m_at, m_end - m_r);                  \
  MAP_INPUT_INDEX(REDUCE_ROW)                                                                                               \
  {                                                                                                                         \
    uint m_rest = m_q;                                                                                                      \
    REDUCE_ROW_DIM(s1) REDUCE_ROW_DIM(s2) REDUCE_ROW_DIM(s3) REDUCE_ROW_DIM(s4)                                             \
    REDUCE_ROW_DIM(s5) REDUCE_ROW_DIM(s6) REDUCE_ROW_DIM(s7)                                                                \
  }
#define REDUCE_PUT(m_o, v)                                                                                                  \
  {                                                                                                                         \
    const size_t m_to = (size_t)r0_o + (size_t)m_c * m_n_out + (m_o);                                                       \
    r0_p[m_to] = m_add ? r0_p[m_to] + (v) : (v);                                                                            \
  }

/* The range runs along memory: a work-group a result and chunk, group ids (result, chunk). */
#define REDUCE_INNER(NAME, AT)                                                                                              \
  __kernel void NAME(REDUCE_ARGS) {                                                                                         \
    REDUCE_LOCAL                                                                                                            \
    const uint m_o = (uint)get_group_id(0), m_c = (uint)get_group_id(1), m_lane = (uint)get_local_id(0);                    \
    const uint m_first = m_o % m_kept.s0, m_end = min(m_n_red, (m_c + 1) * m_chunk);                                        \
    uint m_rest = m_o / m_kept.s0;                                                                                          \
    REDUCE_FIND_KEPT                                                                                                        \
    float m_acc[VW];                                                                                                        \
    for (int m_l = 0; m_l < VW; m_l++) m_acc[m_l] = REDUCE_START;                                                           \
    for (uint m_r = m_c * m_chunk; m_r < m_end;) {                                                                          \
      REDUCE_FIND_ROW                                                                                                       \
      uint m_j = m_lane * VW;                                                                                               \
      for (; m_j + VW <= m_len; m_j += WG * VW)                                                                             \
        for (int m_l = 0; m_l < VW; m_l++) {                                                                                \
          const int m_i = (int)m_j + m_l;                                                                                   \
          MAP_INPUT_INDEX(AT)                                                                                               \
          MAP_LOAD                                                                                                          \
          MAP_COMPUTE                                                                                                       \
          m_acc[m_l] = REDUCE_JOIN(m_acc[m_l], r0);                                                                         \
        }                                                                                                                   \
      for (; VW > 1 && m_j < m_len; m_j++) {                                                                                \
        const int m_i = (int)m_j;                                                                                           \
        MAP_INPUT_INDEX(AT)                                                                                                 \
        MAP_LOAD                                                                                                            \
        MAP_COMPUTE                                                                                                         \
        m_acc[0] = REDUCE_JOIN(m_acc[0], r0);                                                                               \
      }                                                                                                                     \
      m_r += m_len;                                                                                                         \
    }                                                                                                                       \
    for (int m_w = VW / 2; m_w; m_w /= 2)                                                                                   \
      for (int m_l = 0; m_l < m_w; m_l++) m_acc[m_l] = REDUCE_JOIN(m_acc[m_l], m_acc[m_l + m_w]);                           \
    REDUCE_SHARE                                                                                                            \
    if (m_lane == 0) REDUCE_PUT(m_o, m_acc[0])                                                                              \
  }
#if WG > 1
#define REDUCE_LOCAL __local float m_part[WG];
#define REDUCE_SHARE                                                                                                        \
  m_part[m_lane] = m_acc[0];                                                                                                \
  for (uint m_w = WG / 2; m_w; m_w /= 2) {                                                                                  \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                           \
    if (m_lane < m_w) m_part[m_lane] = REDUCE_JOIN(m_part[m_lane], m_part[m_lane + m_w]);                                   \
  }                                                                                                                         \
  m_acc[0] = m_part[m_lane];
#else
#define REDUCE_LOCAL
#define REDUCE_SHARE
#endif
#define REDUCE_AT(t) const int t##_i = t##_b + m_i * t##_r.s0;
#define REDUCE_AT_UNIT(t) const int t##_i = t##_b + m_i;
#if CLG_WANT(reduce_inner)
REDUCE_INNER(reduce_inner, REDUCE_AT)
#endif
#if CLG_WANT(reduce_inner_unit)
REDUCE_INNER(reduce_inner_unit, REDUCE_AT_UNIT)
#endif

/* The results run along memory: an item a stripe of VW neighbouring results and chunk, global ids (stripe, chunk). */
#define REDUCE_OUTER(NAME, AT)                                                                                              \
  __kernel void NAME(REDUCE_ARGS) {                                                                                         \
    const uint m_stripes = (m_kept.s0 + VW - 1) / VW, m_s = (uint)get_global_id(0), m_c = (uint)get_global_id(1);           \
    const uint m_first = m_s % m_stripes * VW, m_row = m_s / m_stripes, m_end = min(m_n_red, (m_c + 1) * m_chunk);          \
    uint m_rest = m_row;                                                                                                    \
    const uint m_o = m_row * m_kept.s0 + m_first;                                                                           \
    if (m_o >= m_n_out) return;                                                                                             \
    const int m_width = (int)min(m_kept.s0 - m_first, (uint)VW);                                                            \
    REDUCE_FIND_KEPT                                                                                                        \
    float m_acc[VW];                                                                                                        \
    for (int m_l = 0; m_l < VW; m_l++) m_acc[m_l] = REDUCE_START;                                                           \
    for (uint m_r = m_c * m_chunk; m_r < m_end;) {                                                                          \
      REDUCE_FIND_ROW                                                                                                       \
      for (int m_j = 0; m_j < (int)m_len; m_j++) {                                                                          \
        if (m_width == VW) {                                                                                                \
          for (int m_l = 0; m_l < VW; m_l++) REDUCE_STEP(AT)                                                                \
        } else {                                                                                                            \
          for (int m_l = 0; m_l < m_width; m_l++) REDUCE_STEP(AT)                                                           \
        }                                                                                                                   \
      }                                                                                                                     \
      m_r += m_len;                                                                                                         \
    }                                                                                                                       \
    for (int m_l = 0; m_l < m_width; m_l++) REDUCE_PUT(m_o + m_l, m_acc[m_l])                                               \
  }
#define REDUCE_STEP(AT)                                                                                                     \
  {                                                                                                                         \
    MAP_INPUT_INDEX(AT)                                                                                                     \
    MAP_LOAD                                                                                                                \
    MAP_COMPUTE                                                                                                             \
    m_acc[m_l] = REDUCE_JOIN(m_acc[m_l], r0);                                                                               \
  }
#define REDUCE_ACROSS(t) const int t##_i = t##_b + m_j * t##_r.s0 + m_l * t##_s.s0;
#define REDUCE_ACROSS_UNIT(t) const int t##_i = t##_b + m_j * t##_r.s0 + m_l;
#if CLG_WANT(reduce_outer)
REDUCE_OUTER(reduce_outer, REDUCE_ACROSS)
#endif
#if CLG_WANT(reduce_outer_unit)
REDUCE_OUTER(reduce_outer_unit, REDUCE_ACROSS_UNIT)
#endif
