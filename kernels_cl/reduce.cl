/* Reductions of a map (see map.cl for the prelude; one result, r0). REDUCE_MAX chooses the maximum instead of the sum.
 * Result o gathers the n_red elements of its range; chunk c of it goes to r0_p[r0_o + c*n_out + o]. kept and red are
 * the dimensions that stay and that go, innermost first; x_s and x_r the strides of tensor x over them. The order of a
 * sum follows from shapes and strides alone: the same bits each time. Names of ours begin with mm_ so that they cannot
 * meet a formula's. */
#ifdef REDUCE_MAX
#define REDUCE_START      -INFINITY
#define REDUCE_JOIN(a, b) clg_max(a, b)
#else
#define REDUCE_START      0.0f
#define REDUCE_JOIN(a, b) ((a) + (b))
#endif
/* REDUCE_KEEP: a reduce_outer over the first dimension of two that also stores the values it sums, at
 * mm_keep_p[mm_keep_o + q*n_out + o]. */
#ifdef REDUCE_KEEP
#define REDUCE_KEPT_ARGS , __global float *mm_keep_p, const uint mm_keep_o
#define REDUCE_STORE(v)  mm_keep_p[mm_keep_o + (size_t)(mm_r + (uint)mm_j) * mm_n_out + mm_o + (uint)mm_l] = v;
#else
#define REDUCE_KEPT_ARGS
#define REDUCE_STORE(v)
#endif
/* REDUCE_MEAN: the sum is divided by mm_by. */
#ifdef REDUCE_MEAN
#define REDUCE_BY_ARG , const float mm_by
#define REDUCE_END(v) ((v) / mm_by)
#else
#define REDUCE_BY_ARG
#define REDUCE_END(v) (v)
#endif
#define REDUCE_ARGS                                                                                                    \
  __global float *r0_p, const uint r0_o REDUCE_KEPT_ARGS MAP_INPUTS MAP_INPUT_STRIDES MAP_NUMBERS,                     \
      const uint8 mm_kept, const uint8 mm_red, const uint mm_n_out, const uint mm_n_red, const uint mm_chunk,          \
      const uint mm_share, const uint mm_add REDUCE_BY_ARG

/* Mostly 0, and a division costs as much as a short row. */
#define REDUCE_QUOTIENT(a, b) ((a) < (b) ? 0 : (a) / (b))

/* x_k: where the range of result (first, rest) begins. */
#define REDUCE_KEPT(t)    int t##_k = (int)t##_o + (int)mm_first * t##_s.s0;
#define REDUCE_KEPT_s1(t) t##_k += mm_d * t##_s.s1;
#define REDUCE_KEPT_s2(t) t##_k += mm_d * t##_s.s2;
#define REDUCE_KEPT_s3(t) t##_k += mm_d * t##_s.s3;
#define REDUCE_KEPT_s4(t) t##_k += mm_d * t##_s.s4;
#define REDUCE_KEPT_s5(t) t##_k += mm_d * t##_s.s5;
#define REDUCE_KEPT_s6(t) t##_k += mm_d * t##_s.s6;
#define REDUCE_KEPT_s7(t) t##_k += mm_d * t##_s.s7;
#define REDUCE_KEPT_DIM(D)                                                                                             \
  if (mm_rest) {                                                                                                       \
    const int mm_d = (int)(mm_rest % mm_kept.D);                                                                       \
    mm_rest /= mm_kept.D;                                                                                              \
    MAP_INPUT_INDEX(REDUCE_KEPT_##D)                                                                                   \
  }
#define REDUCE_FIND_KEPT                                                                                               \
  MAP_INPUT_INDEX(REDUCE_KEPT)                                                                                         \
  if (mm_rest) {                                                                                                       \
    REDUCE_KEPT_DIM(s1)                                                                                                \
    REDUCE_KEPT_DIM(s2)                                                                                                \
    REDUCE_KEPT_DIM(s3) REDUCE_KEPT_DIM(s4) REDUCE_KEPT_DIM(s5) REDUCE_KEPT_DIM(s6) REDUCE_KEPT_DIM(s7)                \
  }

/* x_b: where row q of the range begins, from element `at` on. */
#define REDUCE_ROW(t)    int t##_b = t##_k + (int)mm_at * t##_r.s0;
#define REDUCE_ROW_s1(t) t##_b += mm_d * t##_r.s1;
#define REDUCE_ROW_s2(t) t##_b += mm_d * t##_r.s2;
#define REDUCE_ROW_s3(t) t##_b += mm_d * t##_r.s3;
#define REDUCE_ROW_s4(t) t##_b += mm_d * t##_r.s4;
#define REDUCE_ROW_s5(t) t##_b += mm_d * t##_r.s5;
#define REDUCE_ROW_s6(t) t##_b += mm_d * t##_r.s6;
#define REDUCE_ROW_s7(t) t##_b += mm_d * t##_r.s7;
#define REDUCE_ROW_DIM(D)                                                                                              \
  if (mm_rest) {                                                                                                       \
    const int mm_d = (int)(mm_rest % mm_red.D);                                                                        \
    mm_rest /= mm_red.D;                                                                                               \
    MAP_INPUT_INDEX(REDUCE_ROW_##D)                                                                                    \
  }
#define REDUCE_FIND_ROW                                                                                                \
  const uint mm_q = REDUCE_QUOTIENT(mm_r, mm_red.s0), mm_at = mm_r - mm_q * mm_red.s0,                                 \
             mm_len = min(mm_red.s0 - mm_at, mm_end - mm_r);                                                           \
  MAP_INPUT_INDEX(REDUCE_ROW)                                                                                          \
  if (mm_q) {                                                                                                          \
    uint mm_rest = mm_q;                                                                                               \
    REDUCE_ROW_DIM(s1)                                                                                                 \
    REDUCE_ROW_DIM(s2) REDUCE_ROW_DIM(s3) REDUCE_ROW_DIM(s4) REDUCE_ROW_DIM(s5) REDUCE_ROW_DIM(s6) REDUCE_ROW_DIM(s7)  \
  }
#define REDUCE_PUT(mm_o, v)                                                                                            \
  {                                                                                                                    \
    const size_t mm_to = (size_t)r0_o + (size_t)mm_c * mm_n_out + (mm_o);                                              \
    const float mm_v = REDUCE_END(v);                                                                                  \
    r0_p[mm_to] = mm_add ? r0_p[mm_to] + mm_v : mm_v;                                                                  \
  }

/* A vector's lanes into the first; loops of known counts, which become vectors. */
#define REDUCE_HALF(n)                                                                                                 \
  for (int mm_l = 0; mm_l < n; mm_l++) mm_acc[mm_l] = REDUCE_JOIN(mm_acc[mm_l], mm_acc[mm_l + n]);
#if VW == 16
#define REDUCE_LANES REDUCE_HALF(8) REDUCE_HALF(4) REDUCE_HALF(2) REDUCE_HALF(1)
#else
#define REDUCE_LANES
#endif

/* The range runs along memory: a work-group a result and chunk, group ids (result, chunk). On a CPU it takes mm_share
 * results one after the other, since starting a group costs more than a short row. */
#define REDUCE_INNER(NAME, AT)                                                                                         \
  __kernel void NAME(REDUCE_ARGS) {                                                                                    \
    REDUCE_LOCAL                                                                                                       \
    const uint mm_c = (uint)get_group_id(1), mm_lane = (uint)get_local_id(0);                                          \
    const uint mm_end = min(mm_n_red, (mm_c + 1) * mm_chunk);                                                          \
    REDUCE_EACH {                                                                                                      \
      uint mm_rest = REDUCE_QUOTIENT(mm_o, mm_kept.s0);                                                                \
      const uint mm_first = mm_o - mm_rest * mm_kept.s0;                                                               \
      REDUCE_FIND_KEPT                                                                                                 \
      float mm_acc[VW];                                                                                                \
      for (int mm_l = 0; mm_l < VW; mm_l++) mm_acc[mm_l] = REDUCE_START;                                               \
      for (uint mm_r = mm_c * mm_chunk; mm_r < mm_end;) {                                                              \
        REDUCE_FIND_ROW                                                                                                \
        uint mm_j = mm_lane * VW;                                                                                      \
        for (; mm_j + VW <= mm_len; mm_j += WG * VW)                                                                   \
          for (int mm_l = 0; mm_l < VW; mm_l++) {                                                                      \
            const int mm_i = (int)mm_j + mm_l;                                                                         \
            MAP_INPUT_INDEX(AT)                                                                                        \
            MAP_LOAD                                                                                                   \
            MAP_COMPUTE                                                                                                \
            mm_acc[mm_l] = REDUCE_JOIN(mm_acc[mm_l], r0);                                                              \
          }                                                                                                            \
        for (; VW > 1 && mm_j < mm_len; mm_j++) {                                                                      \
          const int mm_i = (int)mm_j;                                                                                  \
          MAP_INPUT_INDEX(AT)                                                                                          \
          MAP_LOAD                                                                                                     \
          MAP_COMPUTE                                                                                                  \
          mm_acc[0] = REDUCE_JOIN(mm_acc[0], r0);                                                                      \
        }                                                                                                              \
        mm_r += mm_len;                                                                                                \
      }                                                                                                                \
      REDUCE_LANES                                                                                                     \
      REDUCE_SHARE                                                                                                     \
      if (mm_lane == 0) REDUCE_PUT(mm_o, mm_acc[0])                                                                    \
    }                                                                                                                  \
  }
#if WG > 1
#define REDUCE_LOCAL __local float mm_part[WG];
#define REDUCE_EACH  const uint mm_o = (uint)get_group_id(0);
#define REDUCE_SHARE                                                                                                   \
  mm_part[mm_lane] = mm_acc[0];                                                                                        \
  for (uint mm_w = WG / 2; mm_w; mm_w /= 2) {                                                                          \
    WG_BARRIER;                                                                                                        \
    if (mm_lane < mm_w) mm_part[mm_lane] = REDUCE_JOIN(mm_part[mm_lane], mm_part[mm_lane + mm_w]);                     \
  }                                                                                                                    \
  mm_acc[0] = mm_part[mm_lane];
#else
#define REDUCE_LOCAL
#define REDUCE_SHARE
#define REDUCE_EACH                                                                                                    \
  for (uint mm_o = (uint)get_group_id(0) * mm_share; mm_o < min(mm_n_out, ((uint)get_group_id(0) + 1) * mm_share);     \
       mm_o++)
#endif
#define REDUCE_AT(t)      const int t##_i = t##_b + mm_i * t##_r.s0;
#define REDUCE_AT_UNIT(t) const int t##_i = t##_b + mm_i;
#if CLG_WANT(reduce_inner)
REDUCE_INNER(reduce_inner, REDUCE_AT)
#endif
#if CLG_WANT(reduce_inner_unit)
REDUCE_INNER(reduce_inner_unit, REDUCE_AT_UNIT)
#endif

/* The same on a CPU for short rows side by side: mm_share rows to an item, REDUCE_ROWS of them at a time, since the
 * steps of one row wait for each other. The joins and their order are reduce_inner's. */
#define REDUCE_ROWS     16
#define REDUCE_TOGETHER 4u /* more would read from too many places at once */
#if CLG_WANT(reduce_rows)
#define REDUCE_ROW_BASE(t) const int t##_b = (int)t##_o + (int)(mm_first + mm_k) * t##_s.s0;
#define REDUCE_ADD(TO)                                                                                                 \
  {                                                                                                                    \
    MAP_INPUT_INDEX(REDUCE_AT_UNIT)                                                                                    \
    MAP_LOAD                                                                                                           \
    MAP_COMPUTE                                                                                                        \
    TO = REDUCE_JOIN(TO, r0);                                                                                          \
  }
/* Loops of known counts become vectors. */
#define REDUCE_LAST(ROWS)                                                                                              \
  for (uint mm_k = 0; mm_k < (ROWS); mm_k++) {                                                                         \
    for (int mm_l = 0; mm_l < 8; mm_l++) mm_acc[mm_k][mm_l] = REDUCE_JOIN(mm_acc[mm_k][mm_l], mm_acc[mm_k][mm_l + 8]); \
    for (int mm_l = 0; mm_l < 4; mm_l++)                                                                               \
      mm_four[4 * mm_k + mm_l] = REDUCE_JOIN(mm_acc[mm_k][mm_l], mm_acc[mm_k][mm_l + 4]);                              \
  }                                                                                                                    \
  for (uint mm_k = 0; mm_k < (ROWS); mm_k++)                                                                           \
    mm_all[mm_k] = REDUCE_JOIN(REDUCE_JOIN(mm_four[4 * mm_k], mm_four[4 * mm_k + 2]),                                  \
                               REDUCE_JOIN(mm_four[4 * mm_k + 1], mm_four[4 * mm_k + 3]));
__kernel void reduce_rows(REDUCE_ARGS) {
  const uint mm_end = min(mm_n_out, ((uint)get_group_id(0) + 1) * mm_share), mm_c = 0;
  for (uint mm_first = (uint)get_group_id(0) * mm_share; mm_first < mm_end; mm_first += REDUCE_ROWS) {
    const uint mm_rows = min(mm_end - mm_first, (uint)REDUCE_ROWS);
    float mm_acc[REDUCE_ROWS][16], mm_four[4 * REDUCE_ROWS], mm_all[REDUCE_ROWS];
    for (uint mm_k = 0; mm_k < REDUCE_ROWS; mm_k++)
      for (int mm_l = 0; mm_l < 16; mm_l++) mm_acc[mm_k][mm_l] = REDUCE_START;
    for (uint mm_q = 0; mm_q < mm_rows; mm_q += REDUCE_TOGETHER) {
      const uint mm_last = min(mm_rows, mm_q + REDUCE_TOGETHER);
      uint mm_j = 0;
      for (; mm_j + 16 <= mm_n_red; mm_j += 16)
        for (uint mm_k = mm_q; mm_k < mm_last; mm_k++) {
          MAP_INPUT_INDEX(REDUCE_ROW_BASE)
          for (int mm_l = 0; mm_l < 16; mm_l++) {
            const int mm_i = (int)mm_j + mm_l;
            REDUCE_ADD(mm_acc[mm_k][mm_l])
          }
        }
      for (; mm_j < mm_n_red; mm_j++) {
        const int mm_i = (int)mm_j;
        for (uint mm_k = mm_q; mm_k < mm_last; mm_k++) {
          MAP_INPUT_INDEX(REDUCE_ROW_BASE)
          REDUCE_ADD(mm_acc[mm_k][0])
        }
      }
    }
    if (mm_rows == REDUCE_ROWS) {
      REDUCE_LAST(REDUCE_ROWS)
    } else {
      REDUCE_LAST(mm_rows)
    }
    for (uint mm_k = 0; mm_k < mm_rows; mm_k++) REDUCE_PUT(mm_first + mm_k, mm_all[mm_k])
  }
}
#endif

/* The results run along memory: an item a stripe of VW neighbouring results and chunk, global ids (stripe, chunk). */
#define REDUCE_OUTER(NAME, AT)                                                                                         \
  __kernel void NAME(REDUCE_ARGS) {                                                                                    \
    const uint mm_stripes = (mm_kept.s0 + VW - 1) / VW, mm_s = (uint)get_global_id(0), mm_c = (uint)get_global_id(1);  \
    const uint mm_first = mm_s % mm_stripes * VW, mm_row = mm_s / mm_stripes,                                          \
               mm_end = min(mm_n_red, (mm_c + 1) * mm_chunk);                                                          \
    uint mm_rest = mm_row;                                                                                             \
    const uint mm_o = mm_row * mm_kept.s0 + mm_first;                                                                  \
    if (mm_o >= mm_n_out) return;                                                                                      \
    const int mm_width = (int)min(mm_kept.s0 - mm_first, (uint)VW);                                                    \
    REDUCE_FIND_KEPT                                                                                                   \
    float mm_acc[VW];                                                                                                  \
    for (int mm_l = 0; mm_l < VW; mm_l++) mm_acc[mm_l] = REDUCE_START;                                                 \
    for (uint mm_r = mm_c * mm_chunk; mm_r < mm_end;) {                                                                \
      REDUCE_FIND_ROW                                                                                                  \
      for (int mm_j = 0; mm_j < (int)mm_len; mm_j++) {                                                                 \
        if (mm_width == VW) {                                                                                          \
          float mm_v[VW]; /* before any is stored: they are read as one vector */                                      \
          for (int mm_l = 0; mm_l < VW; mm_l++) REDUCE_VALUE(AT, mm_v[mm_l] = r0;)                                     \
          for (int mm_l = 0; mm_l < VW; mm_l++) REDUCE_TAKE(mm_v[mm_l])                                                \
        } else {                                                                                                       \
          for (int mm_l = 0; mm_l < mm_width; mm_l++) REDUCE_VALUE(AT, REDUCE_TAKE(r0))                                \
        }                                                                                                              \
      }                                                                                                                \
      mm_r += mm_len;                                                                                                  \
    }                                                                                                                  \
    for (int mm_l = 0; mm_l < mm_width; mm_l++) REDUCE_PUT(mm_o + mm_l, mm_acc[mm_l])                                  \
  }
#define REDUCE_VALUE(AT, THEN)                                                                                         \
  {                                                                                                                    \
    MAP_INPUT_INDEX(AT)                                                                                                \
    MAP_LOAD                                                                                                           \
    MAP_COMPUTE                                                                                                        \
    THEN                                                                                                               \
  }
#define REDUCE_TAKE(v)                                                                                                 \
  {                                                                                                                    \
    REDUCE_STORE(v)                                                                                                    \
    mm_acc[mm_l] = REDUCE_JOIN(mm_acc[mm_l], v);                                                                       \
  }
#define REDUCE_ACROSS(t)      const int t##_i = t##_b + mm_j * t##_r.s0 + mm_l * t##_s.s0;
#define REDUCE_ACROSS_UNIT(t) const int t##_i = t##_b + mm_j * t##_r.s0 + mm_l;
#if CLG_WANT(reduce_outer)
REDUCE_OUTER(reduce_outer, REDUCE_ACROSS)
#endif
#if CLG_WANT(reduce_outer_unit)
REDUCE_OUTER(reduce_outer_unit, REDUCE_ACROSS_UNIT)
#endif

/* The same for a CPU, where reading a few columns of many rows would touch a page for each: an item sums a stripe of
 * mm_share neighbouring results, at most REDUCE_WIDE, row by row. */
#define REDUCE_WIDE 4096
#if CLG_WANT(reduce_outer_wide)
__kernel void reduce_outer_wide(REDUCE_ARGS) {
  const uint mm_stripes = (mm_kept.s0 + mm_share - 1) / mm_share, mm_s = (uint)get_global_id(0),
             mm_c = (uint)get_global_id(1);
  const uint mm_first = mm_s % mm_stripes * mm_share, mm_row = mm_s / mm_stripes,
             mm_end = min(mm_n_red, (mm_c + 1) * mm_chunk);
  uint mm_rest = mm_row;
  const uint mm_o = mm_row * mm_kept.s0 + mm_first;
  if (mm_o >= mm_n_out) return;
  const int mm_width = (int)min(mm_kept.s0 - mm_first, mm_share);
  REDUCE_FIND_KEPT
  float mm_acc[REDUCE_WIDE];
  for (int mm_l = 0; mm_l < mm_width; mm_l++) mm_acc[mm_l] = REDUCE_START;
  for (uint mm_r = mm_c * mm_chunk; mm_r < mm_end;) {
    REDUCE_FIND_ROW
    for (int mm_j = 0; mm_j < (int)mm_len; mm_j++)
      for (int mm_l = 0; mm_l < mm_width; mm_l++) REDUCE_VALUE(REDUCE_ACROSS_UNIT, REDUCE_TAKE(r0))
    mm_r += mm_len;
  }
  for (int mm_l = 0; mm_l < mm_width; mm_l++) REDUCE_PUT(mm_o + mm_l, mm_acc[mm_l])
}
#endif
