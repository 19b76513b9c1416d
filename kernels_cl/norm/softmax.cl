/* Softmax and log softmax of x [outer,n,inner] along the middle, and their gradients. Three shapes of work: rows (inner
 * == 1), a work-group each on a GPU, or some to a CPU's item; rows of at most LANES on a CPU, side by side; columns,
 * one an item, or a stripe of some vectors of them on a CPU. What is left of a row is taken as a padded vector, so that
 * exp is called at one width. */
#include "exp.clm"
#include "item_rows.clh"
#include "log.clm"
#include "sums.clh"
#include "turn.clh"

/* Elements `at` and on of a row of n at p, behind which there are `room` elements to read; past its end `fill`. */
#if VW == 16
static inline float16 part(__global const float *p, const uint at, const uint n, const uint room, const float fill) {
  if (at + 16 <= n) return CLG_LOAD16(p + at);
  if (at + 16 <= room) return LANE_NUMBERS(int16) < (int)(n - at) ? CLG_LOAD16(p + at) : (float16)(fill);
  float t[16];
  for (uint i = 0; i < 16; i++) t[i] = at + i < n ? p[at + i] : fill;
  return vload16(0, t);
}
static inline void put(__global float *p, const uint at, const uint n, const float16 v) {
  if (at + 16 <= n) {
    CLG_STORE16(v, p + at);
    return;
  }
  float t[16];
  vstore16(v, 0, t);
  for (uint i = 0; at + i < n; i++) p[at + i] = t[i];
}
#else
#define part(p, at, n, room, fill) ((p)[at])
#define put(p, at, n, v)           ((p)[at] = (v))
#endif

#define EACH_PART for (uint j = lane * VW; j < n; j += WG * VW)
/* Sums over TERM(j), a block of SUM_LONG of them at a time: total and rest. */
#define VEC_SUM(TERM)                                                                                                  \
  VEC total = 0.0f, rest = 0.0f, block = 0.0f;                                                                         \
  for (uint j = 0; j < n; j += VW) {                                                                                   \
    block += TERM(j);                                                                                                  \
    if (j / VW % SUM_LONG != SUM_LONG - 1) continue;                                                                   \
    SUM_TAKE(VEC, total, rest, block)                                                                                  \
    block = 0.0f;                                                                                                      \
  }                                                                                                                    \
  SUM_TAKE(VEC, total, rest, block)
/* The maximum and the sum of TERM(j) over a row. */
#if VW == 16
#define ROW_LOCAL
#define ROW_MAX(most, TERM)                                                                                            \
  {                                                                                                                    \
    VEC v = -INFINITY;                                                                                                 \
    EACH_PART v = fmax(v, TERM(j));                                                                                    \
    most = clg_lanes_max(v);                                                                                           \
  }
#define ROW_SUM(sum, TERM)                                                                                             \
  {                                                                                                                    \
    VEC_SUM(TERM)                                                                                                      \
    sum = clg_lanes_sum(total);                                                                                        \
    if (n > SUM_LONG * VW) sum = clg_sum_end(sum, clg_lanes_sum(rest)); /* one block alone has no rest */              \
  }
#else
#define ROW_LOCAL __local float row_part[SUM_LANES];
#define ROW_MAX(most, TERM)                                                                                            \
  SUM_EACH_LANE(v, lane) {                                                                                             \
    float m = -INFINITY;                                                                                               \
    for (uint j = v; j < n; j += SUM_LANES) m = fmax(m, TERM(j));                                                      \
    row_part[v] = m;                                                                                                   \
  }                                                                                                                    \
  SUM_JOIN(row_part, lane, CLG_JOIN_MAX)                                                                               \
  most = row_part[0];
#define ROW_SUM(sum, TERM)                                                                                             \
  WG_BARRIER;                                                                                                          \
  SUM_EACH_LANE(v, lane) {                                                                                             \
    clg_sum s = clg_sum_of(0.0f);                                                                                      \
    for (uint j = v; j < n; j += SUM_LANES) s = clg_sum_add(s, TERM(j));                                               \
    row_part[v] = clg_sum_done(s);                                                                                     \
  }                                                                                                                    \
  SUM_JOIN(row_part, lane, CLG_JOIN_SUM)                                                                               \
  sum = row_part[0];
#endif
/* The gradient at `at` of n, from g and y, where sum is that of g * y, or of g for the logarithm. */
#define SOFTMAX_PUT(g, y, dx, at, n, room, sum)                                                                        \
  {                                                                                                                    \
    const VEC u = part(g, at, n, room, 0.0f), w = part(y, at, n, room, 0.0f);                                          \
    VEC d = logs ? u - VEC_OF(clg_exp)(w) * sum : w * (u - sum);                                                       \
    if (flags & SOFTMAX_ADD) d += part(dx, at, n, n, 0.0f);                                                            \
    put(dx, at, n, d);                                                                                                 \
  }

#if CLG_WANT(softmax_rows)
/* SHARE(j), whole vectors of which a CPU keeps in y meanwhile. */
#if VW == 16
static inline float16 keep(__global float *y, const uint at, const uint n, const float16 v) {
  if (at + 16 <= n) CLG_STORE16(v, y + at);
  return v;
}
#define SHARE_KEPT(j) keep(y, j, n, SHARE(j))
#define KEPT(j)       (j + VW <= n ? CLG_LOAD16(y + j) : SHARE(j))
#else
#define SHARE_KEPT SHARE
#define KEPT       SHARE
#endif
/* x, y [rows,n]. Group ids: rows, or ITEM_ROWS of them. */
CLG_KERNEL void softmax_rows(__global const float *x_all, const uint x_o, __global float *y_all, const uint y_o,
                             const uint n, const uint rows, const uint flags) {
  ROW_LOCAL
  const uint lane = CLG_LANE;
  EACH_ROW((uint)CLG_GROUP(0)) {
    __global const float *x = x_all + x_o + (size_t)row * n;
    __global float *y = y_all + y_o + (size_t)row * n;
    const uint room = (rows - row) * n;
    float most, sum;
#define LOGIT(j) part(x, j, n, room, -INFINITY)
    ROW_MAX(most, LOGIT)
#define SHARE(j) VEC_OF(clg_exp)(LOGIT(j) - most)
    if (flags & SOFTMAX_LOG) {
      ROW_SUM(sum, SHARE)
      const float shift = clg_log(sum);
      EACH_PART put(y, j, n, LOGIT(j) - most - shift);
    } else {
      ROW_SUM(sum, SHARE_KEPT)
      EACH_PART put(y, j, n, VEC_DIV(KEPT(j), sum));
    }
  }
}
#endif

#if CLG_WANT(softmax_rows_backward)
/* dx (+)= y * (g - sum(g * y)), or g - exp(y) * sum(g) for the logarithm. Group ids as there. */
CLG_KERNEL void softmax_rows_backward(__global const float *g_all, const uint g_o, __global const float *y_all,
                                      const uint y_o, __global float *dx_all, const uint dx_o, const uint n,
                                      const uint rows, const uint flags) {
  ROW_LOCAL
  const uint lane = CLG_LANE;
  const bool logs = flags & SOFTMAX_LOG;
  EACH_ROW((uint)CLG_GROUP(0)) {
    __global const float *g = g_all + g_o + (size_t)row * n, *y = y_all + y_o + (size_t)row * n;
    __global float *dx = dx_all + dx_o + (size_t)row * n;
    const uint room = (rows - row) * n;
    float sum;
#define WEIGHTED(j) (logs ? part(g, j, n, room, 0.0f) : part(g, j, n, room, 0.0f) * part(y, j, n, room, 0.0f))
    ROW_SUM(sum, WEIGHTED)
    EACH_PART SOFTMAX_PUT(g, y, dx, j, n, room, sum)
  }
}
#endif

#if CLG_CPU
TURN(turn_in, float, __global, __private)
TURN(turn_out, float, __private, __global)
/* The rows of an item, LANES of them at a time. */
#define EACH_SHORT                                                                                                     \
  for (uint first = (uint)CLG_GROUP(0) * SOFTMAX_SHORT, end = min(rows, first + SOFTMAX_SHORT); first < end;           \
       first += LANES)
/* Element j of the rows is v[j]. */
#define SHORT_READ(v, p)                                                                                               \
  VEC v[LANES];                                                                                                        \
  const uint v##_rows = min(end - first, (uint)LANES);                                                                 \
  if (v##_rows < LANES)                                                                                                \
    for (uint j = 0; j < n; j++) v[j] = 0.0f;                                                                          \
  turn_in(p + (size_t)first * n, n, (float *)v, LANES, v##_rows, n);
#define SHORT_WRITE(v, p) turn_out((const float *)v, LANES, p + (size_t)first * n, n, n, min(end - first, (uint)LANES));
/* As clg_lanes_sum adds a row up that is padded by 0. */
static VEC short_sum(VEC *v, const uint n) {
  for (uint j = n; j < LANES; j++) v[j] = 0.0f;
  for (uint j = 0; j < 8; j++) v[j] += v[j + 8];
  for (uint j = 0; j < 4; j++) v[j] += v[j + 4];
  return (v[0] + v[1]) + (v[2] + v[3]);
}

#if CLG_WANT(softmax_short)
/* x, y [rows,n], n <= LANES. Group id: SOFTMAX_SHORT rows. */
CLG_KERNEL void softmax_short(__global const float *x, const uint x_o, __global float *y, const uint y_o, const uint n,
                              const uint rows, const uint flags) {
  EACH_SHORT {
    SHORT_READ(v, x + x_o)
    VEC most = -INFINITY;
    VEC term[LANES];
    for (uint j = 0; j < n; j++) most = fmax(most, v[j]);
    for (uint j = 0; j < n; j++) v[j] -= most, term[j] = VEC_OF(clg_exp)(v[j]);
    if (flags & SOFTMAX_LOG) {
      const VEC shift = VEC_OF(clg_log)(short_sum(term, n));
      for (uint j = 0; j < n; j++) v[j] -= shift;
    } else {
      for (uint j = 0; j < n; j++) v[j] = term[j];
      const VEC sum = short_sum(term, n);
      for (uint j = 0; j < n; j++) v[j] = VEC_DIV(v[j], sum);
    }
    SHORT_WRITE(v, y + y_o)
  }
}
#endif

#if CLG_WANT(softmax_short_backward)
/* As softmax_rows_backward. Group id: SOFTMAX_SHORT rows. */
CLG_KERNEL void softmax_short_backward(__global const float *g, const uint g_o, __global const float *y, const uint y_o,
                                       __global float *dx, const uint dx_o, const uint n, const uint rows,
                                       const uint flags) {
  EACH_SHORT {
    SHORT_READ(u, g + g_o)
    SHORT_READ(w, y + y_o)
    VEC term[LANES];
    for (uint j = 0; j < n; j++) term[j] = flags & SOFTMAX_LOG ? u[j] : u[j] * w[j];
    const VEC sum = 0.0f + short_sum(term, n);
    for (uint j = 0; j < n; j++) u[j] = flags & SOFTMAX_LOG ? u[j] - VEC_OF(clg_exp)(w[j]) * sum : w[j] * (u[j] - sum);
    if (flags & SOFTMAX_ADD) {
      SHORT_READ(before, dx + dx_o)
      for (uint j = 0; j < n; j++) u[j] += before[j];
    }
    SHORT_WRITE(u, dx + dx_o)
  }
}
#endif
#endif

/* The vectors of an item's columns: a CPU reads memory in runs. */
#if VW == 16
#define STRIPE         (SOFTMAX_STRIPE / LANES)
#define EACH_VECTOR(q) _Pragma("unroll") for (uint q = 0; q < STRIPE; q++) if (c + q * VW < inner)
/* Of p what the eighth row from here on will read, where a column has more rows than a core looks ahead. */
#define AHEAD(p, q) CLG_PREFETCH_AT((p) + c + (q)*VW, 8 * (size_t)inner);
#else
#define STRIPE         1
#define EACH_VECTOR(q) for (uint q = 0; q < STRIPE; q++)
#define AHEAD(p, q)
#endif
#define EACH_OF_COLUMN     for (uint k = 0, room = n * inner; k < n; k++, room -= inner)
#define COLUMN_AT(p, k, q) part((p) + (size_t)(k)*inner, c + (q)*VW, inner, room, 0.0f)
/* The sums of TERM(q) over k, a block of SUM_LONG of them at a time. */
#define COLUMN_SUMS(sum, TERM, LOOK)                                                                                   \
  {                                                                                                                    \
    VEC rest[STRIPE], block[STRIPE];                                                                                   \
    for (uint q = 0; q < STRIPE; q++) sum[q] = rest[q] = block[q] = 0.0f;                                              \
    EACH_OF_COLUMN {                                                                                                   \
      EACH_VECTOR(q) {                                                                                                 \
        LOOK(q)                                                                                                        \
        block[q] += TERM(q);                                                                                           \
      }                                                                                                                \
      if (k % SUM_LONG != SUM_LONG - 1 && k + 1 < n) continue;                                                         \
      EACH_VECTOR(q) {                                                                                                 \
        SUM_TAKE(VEC, sum[q], rest[q], block[q])                                                                       \
        block[q] = 0.0f;                                                                                               \
      }                                                                                                                \
    }                                                                                                                  \
    EACH_VECTOR(q) sum[q] = SUM_END(sum[q], rest[q]);                                                                  \
  }
#define COLUMNS_START                                                                                                  \
  const uint c = (uint)CLG_ITEM(0) * (STRIPE * VW);                                                                    \
  const size_t first = CLG_ITEM(1) * (size_t)n * inner;

#if CLG_WANT(softmax_columns)
/* x, y [outer,n,inner]. Global ids: stripe of columns, outer. */
CLG_KERNEL void softmax_columns(__global const float *x, const uint x_o, __global float *y, const uint y_o,
                                const uint n, const uint inner, const uint flags) {
  COLUMNS_START
  if (c >= inner) return;
  x += x_o + first;
  y += y_o + first;
  VEC most[STRIPE], sum[STRIPE];
  for (uint q = 0; q < STRIPE; q++) most[q] = -INFINITY;
  EACH_OF_COLUMN {
    EACH_VECTOR(q) {
      AHEAD(x + (size_t)k * inner, q)
      most[q] = fmax(most[q], COLUMN_AT(x, k, q));
    }
  }
#define NO_LOOK(q)
#define SHARE_OF(q) VEC_OF(clg_exp)(COLUMN_AT(x, k, q) - most[q])
  COLUMN_SUMS(sum, SHARE_OF, NO_LOOK)
  const bool logs = flags & SOFTMAX_LOG;
  if (logs) EACH_VECTOR(q) sum[q] = VEC_OF(clg_log)(sum[q]);
  EACH_OF_COLUMN {
    EACH_VECTOR(q) {
      const VEC v = COLUMN_AT(x, k, q) - most[q];
      put(y + (size_t)k * inner, c + q * VW, inner, logs ? v - sum[q] : VEC_DIV(VEC_OF(clg_exp)(v), sum[q]));
    }
  }
}
#endif

#if CLG_WANT(softmax_columns_backward)
/* As softmax_rows_backward. Global ids: stripe of columns, outer. */
CLG_KERNEL void softmax_columns_backward(__global const float *g, const uint g_o, __global const float *y,
                                         const uint y_o, __global float *dx, const uint dx_o, const uint n,
                                         const uint inner, const uint flags) {
  COLUMNS_START
  if (c >= inner) return;
  g += g_o + first;
  y += y_o + first;
  dx += dx_o + first;
  const bool logs = flags & SOFTMAX_LOG;
  VEC sum[STRIPE];
#define LOOK_AHEAD(q)                                                                                                  \
  AHEAD(g + (size_t)k * inner, q)                                                                                      \
  AHEAD(y + (size_t)k * inner, q)
  if (logs) {
#define OF_LOGARITHM(q) COLUMN_AT(g, k, q)
    COLUMN_SUMS(sum, OF_LOGARITHM, LOOK_AHEAD)
  } else {
#define WEIGHTED_OF(q) COLUMN_AT(g, k, q) * COLUMN_AT(y, k, q)
    COLUMN_SUMS(sum, WEIGHTED_OF, LOOK_AHEAD)
  }
  EACH_OF_COLUMN {
    const size_t at = (size_t)k * inner;
    EACH_VECTOR(q) SOFTMAX_PUT(g + at, y + at, dx + at, c + q * VW, inner, room, sum[q])
  }
}
#endif
