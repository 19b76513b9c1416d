/* Reductions of a map (see map.cl for the prelude; one result, r0). REDUCE_MAX chooses the maximum instead of the sum.
 * Result o gathers the n_red elements of its range; chunk c of it goes to r0_p[r0_o + c*n_out + o]. kept and red are
 * the dimensions that stay and that go, innermost first; x_s and x_r the strides of tensor x over them. The order of a
 * sum is sums.clh's, from the sizes alone: the same bits each time, whatever the strides. Names of ours begin with mm_
 * so that they cannot meet a formula's. */
#include "sums.clh"

#if VW == 16
#define REDUCE_LOOP CLG_SIXTEEN
#else
#define REDUCE_LOOP
#endif

#ifdef REDUCE_MAX
#define REDUCE_START            -INFINITY
#define REDUCE_JOIN(a, b)       clg_max(a, b)
#define REDUCE_ADD_BLOCK(l, v)  mm_sum[l] = REDUCE_JOIN(mm_sum[l], v);
#define REDUCE_TOTAL(sum, rest) (sum)
#else
#define REDUCE_START            0.0f
#define REDUCE_JOIN(a, b)       ((a) + (b))
#define REDUCE_ADD_BLOCK(l, v)  SUM_TAKE(float, mm_sum[l], mm_rest[l], v)
#define REDUCE_TOTAL(sum, rest) clg_sum_end(sum, rest)
#endif
#define REDUCE_CLOSE(l)                                                                                                \
  {                                                                                                                    \
    REDUCE_ADD_BLOCK(l, mm_block[l])                                                                                   \
    mm_block[l] = REDUCE_START;                                                                                        \
  }
/* REDUCE_KEEP: a reduce_outer over the first dimension of two that also stores the values it sums, at
 * mm_keep_p[mm_keep_o + q*n_out + o]. */
#ifdef REDUCE_KEEP
#define REDUCE_KEPT_ARGS , __global float *mm_keep_p, const uint mm_keep_o
#define REDUCE_STORE(v)  mm_keep_p[mm_keep_o + (size_t)(mm_r + (uint)mm_j) * mm_n_out + mm_o + (uint)mm_l] = v;
#else
#define REDUCE_KEPT_ARGS
#define REDUCE_STORE(v)
#endif
/* REDUCE_MEAN: the sum is divided by mm_by, or in parts multiplied by it, a power of two. A sum that overflows on its
 * way to a finite mean is made again of small terms: by the formula's number, which REDUCE_UNIT names and is 1
 * otherwise, so that its squares stay in range too, or behind a formula that has none. */
#ifdef REDUCE_MEAN
#define REDUCE_SMALL       0x1p-32f
#define REDUCE_BY_ARG      , const float mm_by
#define REDUCE_BY(v, unit) (mm_chunk < mm_n_red ? (v) * (mm_by * (1.0f / (unit))) : (v) / (mm_by * (unit)))
#ifdef REDUCE_UNIT
#define REDUCE_TERM r0
#else
#define REDUCE_UNIT mm_unit
#define REDUCE_TERM (r0 * mm_unit)
#endif
#define REDUCE_TRIES                                                                                                   \
  int mm_again = 1;                                                                                                    \
  for (float REDUCE_UNIT = 1.0f; mm_again; REDUCE_UNIT = REDUCE_SMALL)
#define REDUCE_TRY mm_again = 0;
#define REDUCE_PUT_EACH(FIRST, COUNT, v)                                                                               \
  {                                                                                                                    \
    const size_t mm_to = (size_t)r0_o + (size_t)mm_c * mm_n_out + (FIRST);                                             \
    if (REDUCE_UNIT == 1.0f) {                                                                                         \
      REDUCE_LOOP for (int mm_l = 0; mm_l < (int)(COUNT); mm_l++) r0_p[mm_to + mm_l] = REDUCE_BY(v, 1.0f);             \
      REDUCE_LOOP for (int mm_l = 0; mm_l < (int)(COUNT); mm_l++) mm_again |= !clg_finite(v);                          \
    } else {                                                                                                           \
      for (int mm_l = 0; mm_l < (int)(COUNT); mm_l++)                                                                  \
        if (!clg_finite(r0_p[mm_to + mm_l])) r0_p[mm_to + mm_l] = REDUCE_BY(v, REDUCE_SMALL);                          \
    }                                                                                                                  \
  }
#else
#define REDUCE_BY_ARG
#define REDUCE_TERM r0
#define REDUCE_TRIES
#define REDUCE_TRY
#define REDUCE_PUT_EACH(FIRST, COUNT, v)                                                                               \
  {                                                                                                                    \
    const size_t mm_to = (size_t)r0_o + (size_t)mm_c * mm_n_out + (FIRST);                                             \
    REDUCE_LOOP for (int mm_l = 0; mm_l < (int)(COUNT); mm_l++) r0_p[mm_to + mm_l] =                                   \
        mm_add ? r0_p[mm_to + mm_l] + (v) : (v);                                                                       \
  }
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
  if (mm_rest_of) {                                                                                                    \
    const int mm_d = (int)(mm_rest_of % mm_kept.D);                                                                    \
    mm_rest_of /= mm_kept.D;                                                                                           \
    MAP_INPUT_INDEX(REDUCE_KEPT_##D)                                                                                   \
  }
#define REDUCE_FIND_KEPT                                                                                               \
  MAP_INPUT_INDEX(REDUCE_KEPT)                                                                                         \
  if (mm_rest_of) {                                                                                                    \
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
  if (mm_row_rest) {                                                                                                   \
    const int mm_d = (int)(mm_row_rest % mm_red.D);                                                                    \
    mm_row_rest /= mm_red.D;                                                                                           \
    MAP_INPUT_INDEX(REDUCE_ROW_##D)                                                                                    \
  }
#define REDUCE_FIND_ROW                                                                                                \
  const uint mm_q = REDUCE_QUOTIENT(mm_r, mm_red.s0), mm_at = mm_r - mm_q * mm_red.s0,                                 \
             mm_len = min(mm_red.s0 - mm_at, mm_end - mm_r);                                                           \
  MAP_INPUT_INDEX(REDUCE_ROW)                                                                                          \
  if (mm_q) {                                                                                                          \
    uint mm_row_rest = mm_q;                                                                                           \
    REDUCE_ROW_DIM(s1)                                                                                                 \
    REDUCE_ROW_DIM(s2) REDUCE_ROW_DIM(s3) REDUCE_ROW_DIM(s4) REDUCE_ROW_DIM(s5) REDUCE_ROW_DIM(s6) REDUCE_ROW_DIM(s7)  \
  }

/* REDUCE_ZERO: in the kernels of unit stride, the tensors by their bits whose stride is 0 instead. */
#ifndef REDUCE_ZERO
#define REDUCE_ZERO 0u
#endif
#define REDUCE_AT(t, n)      const int t##_i = t##_b + mm_i * t##_r.s0;
#define REDUCE_AT_UNIT(t, n) const int t##_i = t##_b + (REDUCE_ZERO >> n & 1 ? 0 : mm_i);
#define REDUCE_VALUE(AT, THEN)                                                                                         \
  {                                                                                                                    \
    MAP_INPUT_NUMBER(AT)                                                                                               \
    MAP_LOAD                                                                                                           \
    MAP_COMPUTE                                                                                                        \
    THEN                                                                                                               \
  }
/* Loops of known counts, which become vectors. */
#define REDUCE_EACH_LANE REDUCE_LOOP for (int mm_l = 0; mm_l < VW; mm_l++)
#define REDUCE_BEGIN     REDUCE_EACH_LANE mm_sum[mm_l] = mm_block[mm_l] = REDUCE_START, mm_rest[mm_l] = 0.0f;

/* The range runs along memory: a work-group a result and chunk, group ids (result, chunk). On a CPU it takes mm_share
 * results one after the other, since starting a group costs more than a short row. */
#if VW == 16
/* Terms that fill no sixteen wait in mm_part: for the others of theirs, or as the last of all, which follow one by one.
 */
#define REDUCE_GATHER(AT)                                                                                              \
  for (uint mm_r = mm_from; mm_r < mm_end;) {                                                                          \
    REDUCE_FIND_ROW                                                                                                    \
    uint mm_pos = mm_r - mm_from;                                                                                      \
    mm_r += mm_len;                                                                                                    \
    for (uint mm_j = 0; mm_j < mm_len;) {                                                                              \
      const uint mm_stop = min(mm_len, mm_j + SUM_SPAN - mm_pos % SUM_SPAN), mm_was = mm_j;                            \
      for (; mm_pos % 16 == 0 && mm_j + 16 <= mm_stop; mm_j += 16) REDUCE_EACH_LANE {                                  \
          const int mm_i = (int)mm_j + mm_l;                                                                           \
          REDUCE_VALUE(AT, mm_block[mm_l] = REDUCE_JOIN(mm_block[mm_l], REDUCE_TERM);)                                 \
        }                                                                                                              \
      mm_pos += mm_j - mm_was;                                                                                         \
      for (; mm_j < mm_stop && (mm_pos % 16 != 0 || mm_j + 16 > mm_stop); mm_j++) {                                    \
        const int mm_i = (int)mm_j;                                                                                    \
        REDUCE_VALUE(AT, mm_part[mm_pos % 16] = REDUCE_TERM;)                                                          \
        if (++mm_pos % 16 == 0) REDUCE_EACH_LANE mm_block[mm_l] = REDUCE_JOIN(mm_block[mm_l], mm_part[mm_l]);          \
      }                                                                                                                \
      if (mm_pos % SUM_SPAN == 0) REDUCE_EACH_LANE REDUCE_CLOSE(mm_l)                                                  \
    }                                                                                                                  \
  }
/* The lanes and what is left; one block alone has no rest. */
#define REDUCE_HALF(of, n)                                                                                             \
  for (int mm_l = 0; mm_l < n; mm_l++) of[mm_l] = REDUCE_JOIN(of[mm_l], of[mm_l + n]);
#define REDUCE_ALL(of)                                                                                                 \
  REDUCE_HALF(of, 8)                                                                                                   \
  REDUCE_HALF(of, 4) REDUCE_HALF(of, 2) REDUCE_HALF(of, 1)
#define REDUCE_JOIN_LANES                                                                                              \
  const bool mm_short = mm_end - mm_from < SUM_SPAN;                                                                   \
  if (mm_short) {                                                                                                      \
    REDUCE_EACH_LANE mm_sum[mm_l] = mm_block[mm_l];                                                                    \
  } else {                                                                                                             \
    if ((mm_end - mm_from) % SUM_SPAN >= 16) {                                                                         \
      REDUCE_EACH_LANE REDUCE_CLOSE(mm_l)                                                                              \
    }                                                                                                                  \
    for (int mm_l = 0; mm_l < 8; mm_l++) mm_rest[mm_l] += mm_rest[mm_l + 8];                                           \
    for (int mm_l = 0; mm_l < 4; mm_l++) mm_rest[mm_l] += mm_rest[mm_l + 4];                                           \
    mm_rest[0] = (mm_rest[0] + mm_rest[2]) + (mm_rest[1] + mm_rest[3]);                                                \
  }                                                                                                                    \
  REDUCE_ALL(mm_sum)                                                                                                   \
  float mm_left = REDUCE_START;                                                                                        \
  SUM_IN_ORDER                                                                                                         \
  for (uint mm_l = 0; mm_l < (mm_end - mm_from) % 16; mm_l++) mm_left = REDUCE_JOIN(mm_left, mm_part[mm_l]);           \
  mm_sum[0] = REDUCE_JOIN(mm_sum[0], mm_left);                                                                         \
  if (!mm_short) mm_sum[0] = REDUCE_TOTAL(mm_sum[0], mm_rest[0]);
#define REDUCE_INNER(NAME, AT)                                                                                         \
  __kernel void NAME(REDUCE_ARGS) {                                                                                    \
    const uint mm_c = (uint)get_group_id(1), mm_from = mm_c * mm_chunk, mm_end = min(mm_n_red, mm_from + mm_chunk),    \
               mm_last = min(mm_n_out, ((uint)get_group_id(0) + 1) * mm_share);                                        \
    for (uint mm_o = (uint)get_group_id(0) * mm_share; mm_o < mm_last; mm_o++) {                                       \
      uint mm_rest_of = REDUCE_QUOTIENT(mm_o, mm_kept.s0);                                                             \
      const uint mm_first = mm_o - mm_rest_of * mm_kept.s0;                                                            \
      REDUCE_FIND_KEPT                                                                                                 \
      REDUCE_TRIES {                                                                                                   \
        REDUCE_TRY                                                                                                     \
        float mm_sum[16], mm_rest[16], mm_block[16], mm_part[16];                                                      \
        REDUCE_BEGIN                                                                                                   \
        REDUCE_GATHER(AT)                                                                                              \
        REDUCE_JOIN_LANES                                                                                              \
        REDUCE_PUT_EACH(mm_o, 1, mm_sum[mm_l])                                                                         \
      }                                                                                                                \
    }                                                                                                                  \
  }
#else
/* A lane's total; of a mean also that of small terms, which stays finite. */
#define REDUCE_GATHER(AT)                                                                                              \
  {                                                                                                                    \
    uint mm_steps = 0;                                                                                                 \
    for (uint mm_r = mm_from; mm_r < mm_end;) {                                                                        \
      REDUCE_FIND_ROW                                                                                                  \
      for (uint mm_j = (mm_v - (mm_r - mm_from)) % SUM_LANES; mm_j < mm_len; mm_j += SUM_LANES) {                      \
        const int mm_i = (int)mm_j;                                                                                    \
        REDUCE_VALUE(AT, mm_block[0] = REDUCE_JOIN(mm_block[0], REDUCE_TERM);)                                         \
        if (++mm_steps % SUM_BLOCK == 0) REDUCE_CLOSE(0)                                                               \
      }                                                                                                                \
      mm_r += mm_len;                                                                                                  \
    }                                                                                                                  \
    REDUCE_CLOSE(0)                                                                                                    \
    mm_sum[0] = REDUCE_TOTAL(mm_sum[0], mm_rest[0]);                                                                   \
  }
#ifdef REDUCE_MEAN
#define REDUCE_LOCAL __local float mm_part[SUM_LANES], mm_low[SUM_LANES];
#define REDUCE_LANE                                                                                                    \
  if (REDUCE_UNIT == 1.0f) mm_part[mm_v] = mm_sum[0];                                                                  \
  mm_again = REDUCE_UNIT == 1.0f && !clg_finite(mm_sum[0]);                                                            \
  mm_low[mm_v] = REDUCE_UNIT == 1.0f ? mm_sum[0] * REDUCE_SMALL : mm_sum[0];
#define REDUCE_SHARE                                                                                                   \
  SUM_JOIN(mm_part, mm_lane, REDUCE_JOIN)                                                                              \
  SUM_JOIN(mm_low, mm_lane, REDUCE_JOIN)                                                                               \
  const float mm_v = clg_finite(mm_part[0]) ? REDUCE_BY(mm_part[0], 1.0f) : REDUCE_BY(mm_low[0], REDUCE_SMALL);        \
  if (mm_lane == 0) r0_p[(size_t)r0_o + (size_t)mm_c * mm_n_out + mm_o] = mm_v;
#else
#define REDUCE_LOCAL __local float mm_part[SUM_LANES];
#define REDUCE_LANE  mm_part[mm_v] = mm_sum[0];
#define REDUCE_SHARE                                                                                                   \
  SUM_JOIN(mm_part, mm_lane, REDUCE_JOIN)                                                                              \
  if (mm_lane == 0) REDUCE_PUT_EACH(mm_o, 1, mm_part[mm_l])
#endif
#define REDUCE_INNER(NAME, AT)                                                                                         \
  __kernel void NAME(REDUCE_ARGS) {                                                                                    \
    REDUCE_LOCAL                                                                                                       \
    const uint mm_c = (uint)get_group_id(1), mm_lane = (uint)get_local_id(0), mm_o = (uint)get_group_id(0),            \
               mm_from = mm_c * mm_chunk, mm_end = min(mm_n_red, mm_from + mm_chunk);                                  \
    uint mm_rest_of = REDUCE_QUOTIENT(mm_o, mm_kept.s0);                                                               \
    const uint mm_first = mm_o - mm_rest_of * mm_kept.s0;                                                              \
    REDUCE_FIND_KEPT                                                                                                   \
    SUM_EACH_LANE(mm_v, mm_lane) {                                                                                     \
      REDUCE_TRIES {                                                                                                   \
        float mm_sum[1], mm_rest[1], mm_block[1];                                                                      \
        REDUCE_BEGIN                                                                                                   \
        REDUCE_GATHER(AT)                                                                                              \
        REDUCE_LANE                                                                                                    \
      }                                                                                                                \
    }                                                                                                                  \
    REDUCE_SHARE                                                                                                       \
  }
#endif
#if CLG_WANT(reduce_inner)
REDUCE_INNER(reduce_inner, REDUCE_AT)
#endif
#if CLG_WANT(reduce_inner_unit)
REDUCE_INNER(reduce_inner_unit, REDUCE_AT_UNIT)
#endif

/* The same on a CPU for rows of at most SUM_SPAN side by side: mm_share rows to an item, REDUCE_ROWS of them at a time,
 * since the steps of one row wait for each other. The joins and their order are reduce_inner's. */
#define REDUCE_ROWS     16
#define REDUCE_TOGETHER 4u /* more would read from too many places at once */
#if CLG_WANT(reduce_rows)
#define REDUCE_ROW_BASE(t) const int t##_b = (int)t##_o + (int)(mm_first + mm_k) * t##_s.s0;
#define REDUCE_LAST(ROWS)                                                                                              \
  for (uint mm_k = 0; mm_k < (ROWS); mm_k++) {                                                                         \
    for (int mm_l = 0; mm_l < 8; mm_l++) mm_acc[mm_k][mm_l] = REDUCE_JOIN(mm_acc[mm_k][mm_l], mm_acc[mm_k][mm_l + 8]); \
    for (int mm_l = 0; mm_l < 4; mm_l++)                                                                               \
      mm_four[4 * mm_k + mm_l] = REDUCE_JOIN(mm_acc[mm_k][mm_l], mm_acc[mm_k][mm_l + 4]);                              \
  }                                                                                                                    \
  for (uint mm_k = 0; mm_k < (ROWS); mm_k++) {                                                                         \
    const float mm_even = REDUCE_JOIN(mm_four[4 * mm_k], mm_four[4 * mm_k + 2]),                                       \
                mm_odd = REDUCE_JOIN(mm_four[4 * mm_k + 1], mm_four[4 * mm_k + 3]);                                    \
    mm_left[mm_k] = REDUCE_JOIN(REDUCE_JOIN(mm_even, mm_odd), mm_left[mm_k]);                                          \
  }
__kernel void reduce_rows(REDUCE_ARGS) {
  const uint mm_end = min(mm_n_out, ((uint)get_group_id(0) + 1) * mm_share), mm_c = 0;
  for (uint mm_first = (uint)get_group_id(0) * mm_share; mm_first < mm_end; mm_first += REDUCE_ROWS) {
    const uint mm_rows = min(mm_end - mm_first, (uint)REDUCE_ROWS);
    REDUCE_TRIES {
      REDUCE_TRY
      float mm_acc[REDUCE_ROWS][16], mm_four[4 * REDUCE_ROWS], mm_left[REDUCE_ROWS];
      for (uint mm_k = 0; mm_k < REDUCE_ROWS; mm_k++) {
        mm_left[mm_k] = REDUCE_START;
        REDUCE_EACH_LANE mm_acc[mm_k][mm_l] = REDUCE_START;
      }
      for (uint mm_q = 0; mm_q < mm_rows; mm_q += REDUCE_TOGETHER) {
        const uint mm_last = min(mm_rows, mm_q + REDUCE_TOGETHER);
        uint mm_j = 0;
        for (; mm_j + 16 <= mm_n_red; mm_j += 16)
          for (uint mm_k = mm_q; mm_k < mm_last; mm_k++) {
            MAP_INPUT_INDEX(REDUCE_ROW_BASE)
            REDUCE_EACH_LANE {
              const int mm_i = (int)mm_j + mm_l;
              REDUCE_VALUE(REDUCE_AT_UNIT, mm_acc[mm_k][mm_l] = REDUCE_JOIN(mm_acc[mm_k][mm_l], REDUCE_TERM);)
            }
          }
        for (; mm_j < mm_n_red; mm_j++) {
          const int mm_i = (int)mm_j;
          for (uint mm_k = mm_q; mm_k < mm_last; mm_k++) {
            MAP_INPUT_INDEX(REDUCE_ROW_BASE)
            REDUCE_VALUE(REDUCE_AT_UNIT, mm_left[mm_k] = REDUCE_JOIN(mm_left[mm_k], REDUCE_TERM);)
          }
        }
      }
      if (mm_rows == REDUCE_ROWS) {
        REDUCE_LAST(REDUCE_ROWS)
        REDUCE_PUT_EACH(mm_first, REDUCE_ROWS, mm_left[mm_l])
      } else {
        REDUCE_LAST(mm_rows)
        REDUCE_PUT_EACH(mm_first, mm_rows, mm_left[mm_l])
      }
    }
  }
}
#endif

/* The results run along memory: an item a stripe of neighbouring results and chunk, global ids (stripe, chunk); what
 * it adds is SUM_LONG rows at a time. */
#define REDUCE_STRIPE(STRIPE)                                                                                          \
  const uint mm_stripes = (mm_kept.s0 + STRIPE - 1) / STRIPE, mm_s = (uint)get_global_id(0),                           \
             mm_c = (uint)get_global_id(1);                                                                            \
  const uint mm_first = mm_s % mm_stripes * STRIPE, mm_row = mm_s / mm_stripes, mm_from = mm_c * mm_chunk,             \
             mm_end = min(mm_n_red, mm_from + mm_chunk);                                                               \
  uint mm_rest_of = mm_row;                                                                                            \
  const uint mm_o = mm_row * mm_kept.s0 + mm_first;                                                                    \
  if (mm_o >= mm_n_out) return;                                                                                        \
  const int mm_width = (int)min(mm_kept.s0 - mm_first, (uint)STRIPE);                                                  \
  REDUCE_FIND_KEPT
#define REDUCE_EACH_RESULT REDUCE_LOOP for (int mm_l = 0; mm_l < mm_width; mm_l++)
#define REDUCE_TAKE(v)                                                                                                 \
  {                                                                                                                    \
    REDUCE_STORE(v)                                                                                                    \
    mm_block[mm_l] = REDUCE_JOIN(mm_block[mm_l], v);                                                                   \
  }
#define REDUCE_ACROSS(t, n)      const int t##_i = t##_b + mm_j * t##_r.s0 + mm_l * t##_s.s0;
#define REDUCE_ACROSS_UNIT(t, n) const int t##_i = t##_b + mm_j * t##_r.s0 + (REDUCE_ZERO >> n & 1 ? 0 : mm_l);
#define REDUCE_OUTER(NAME, AT)                                                                                         \
  __kernel void NAME(REDUCE_ARGS) {                                                                                    \
    REDUCE_STRIPE(VW)                                                                                                  \
    REDUCE_TRIES {                                                                                                     \
      REDUCE_TRY                                                                                                       \
      float mm_sum[VW], mm_rest[VW], mm_block[VW];                                                                     \
      REDUCE_BEGIN                                                                                                     \
      for (uint mm_r = mm_from; mm_r < mm_end;) {                                                                      \
        REDUCE_FIND_ROW                                                                                                \
        for (int mm_j = 0; mm_j < (int)mm_len; mm_j++) {                                                               \
          if (mm_width == VW) {                                                                                        \
            float mm_v[VW]; /* before any is stored: they are read as one vector */                                    \
            REDUCE_EACH_LANE REDUCE_VALUE(AT, mm_v[mm_l] = REDUCE_TERM;) REDUCE_EACH_LANE REDUCE_TAKE(mm_v[mm_l])      \
          } else {                                                                                                     \
            REDUCE_EACH_RESULT REDUCE_VALUE(AT, REDUCE_TAKE(REDUCE_TERM))                                              \
          }                                                                                                            \
          if ((mm_r + (uint)mm_j - mm_from) % SUM_LONG == SUM_LONG - 1) REDUCE_EACH_LANE REDUCE_CLOSE(mm_l)            \
        }                                                                                                              \
        mm_r += mm_len;                                                                                                \
      }                                                                                                                \
      if ((mm_end - mm_from) % SUM_LONG) {                                                                             \
        REDUCE_EACH_LANE REDUCE_CLOSE(mm_l)                                                                            \
      }                                                                                                                \
      if (mm_width == VW) {                                                                                            \
        REDUCE_PUT_EACH(mm_o, VW, REDUCE_TOTAL(mm_sum[mm_l], mm_rest[mm_l]))                                           \
      } else {                                                                                                         \
        REDUCE_PUT_EACH(mm_o, mm_width, REDUCE_TOTAL(mm_sum[mm_l], mm_rest[mm_l]))                                     \
      }                                                                                                                \
    }                                                                                                                  \
  }
#if CLG_WANT(reduce_outer)
REDUCE_OUTER(reduce_outer, REDUCE_ACROSS)
#endif
#if CLG_WANT(reduce_outer_unit)
REDUCE_OUTER(reduce_outer_unit, REDUCE_ACROSS_UNIT)
#endif

/* The same for a CPU, where reading a few columns of many rows would touch a page for each: a stripe of mm_share
 * results, at most REDUCE_WIDE, row by row, since memory is fastest that way. A block's first row starts it and its
 * last one closes it, without passes of their own; the first block is the sum. The odd sizes keep the three from the
 * same sets of a cache. */
#define REDUCE_WIDE 4096
#define REDUCE_WIDE_ROW(START, END)                                                                                    \
  REDUCE_EACH_RESULT {                                                                                                 \
    REDUCE_VALUE(REDUCE_ACROSS_UNIT, {                                                                                 \
      REDUCE_STORE(REDUCE_TERM)                                                                                        \
      const float mm_v = REDUCE_JOIN(START, REDUCE_TERM);                                                              \
      END                                                                                                              \
    })                                                                                                                 \
  }
#if CLG_WANT(reduce_outer_wide)
__kernel void reduce_outer_wide(REDUCE_ARGS) {
  REDUCE_STRIPE(mm_share)
  REDUCE_TRIES {
    REDUCE_TRY
    float mm_sum[REDUCE_WIDE + 16], mm_rest[REDUCE_WIDE + 16], mm_block[REDUCE_WIDE + 16];
    REDUCE_EACH_RESULT mm_rest[mm_l] = 0.0f;
    for (uint mm_r = mm_from; mm_r < mm_end;) {
      REDUCE_FIND_ROW
      for (int mm_j = 0; mm_j < (int)mm_len; mm_j++) {
        const uint mm_pos = mm_r + (uint)mm_j - mm_from, mm_step = mm_pos % SUM_LONG;
        float *mm_into = mm_pos < SUM_LONG ? mm_sum : mm_block;
        if (mm_step == 0) {
          REDUCE_WIDE_ROW(REDUCE_START, mm_into[mm_l] = mm_v;)
        } else if (mm_step < SUM_LONG - 1 || mm_pos < SUM_LONG) {
          REDUCE_WIDE_ROW(mm_into[mm_l], mm_into[mm_l] = mm_v;)
        } else {
          REDUCE_WIDE_ROW(mm_block[mm_l], REDUCE_ADD_BLOCK(mm_l, mm_v))
        }
      }
      mm_r += mm_len;
    }
    const uint mm_rows = mm_end - mm_from;
    if (mm_rows > SUM_LONG && mm_rows % SUM_LONG) {
      REDUCE_EACH_RESULT { REDUCE_ADD_BLOCK(mm_l, mm_block[mm_l]) }
    }
    REDUCE_PUT_EACH(mm_o, mm_width, REDUCE_TOTAL(mm_sum[mm_l], mm_rest[mm_l]))
  }
}
#endif
