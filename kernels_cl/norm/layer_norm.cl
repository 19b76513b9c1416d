/* Layer norm: x [rows,n], one mean and rstd a row. A work-group owns a row whose WG items share their sums through
 * local memory on a GPU, or some rows that its one item takes in vectors on a CPU. Work-groups of WG. Backward takes an
 * activation's derivative from its result y. */
#include "activation.clh"
#include "rows.clh"

/* z, the gradient before the activation. */
#define NORM_Z(V, LOAD) ACT_GRADIENT_##V(LOAD(y + j), LOAD(g + j))

/* y = act((x - mean) * rstd * gamma + beta); mean and rstd [rows] are kept for backward. */
#if CLG_WANT(norm_forward)
CLG_KERNEL void norm_forward(ROW_ARGS, const uint rows, const uint n, const float eps, const uint flags,
                             const float2 numbers) {
  ROW_UNPACK
  EACH_ROW((uint)CLG_GROUP(0)) {
    ROW_OPEN(n, eps)
#define NORM_Y(V, LOAD, STORE)                                                                                         \
  {                                                                                                                    \
    V v = (LOAD(x + j) - mu) * scale;                                                                                  \
    if (flags & NORM_GAMMA) v *= LOAD(gamma + j);                                                                      \
    if (flags & NORM_BETA) v += LOAD(beta + j);                                                                        \
    STORE(ACT_##V(v), y + j);                                                                                          \
  }
    ROW_VECTORS(n, NORM_Y(VEC, VLOAD, VSTORE))
    if (VW > 1 && n > VW && n % VW) { /* some elements again */
      const uint j = n - VW;
      NORM_Y(VEC, VLOAD, VSTORE)
    } else {
      ROW_REST(n, NORM_Y(float, LOAD1, STORE1))
    }
  }
}
#endif

/* The sums t and s of a column at dgamma[c] and dbeta[c], or added to them, as flags ask for. */
#define NORM_PUT(V, LOAD, STORE, t, s, c)                                                                              \
  if (flags & NORM_WANT_GAMMA) STORE(flags &NORM_ADD_GAMMA ? LOAD(dgamma + (c)) + (t) : (t), dgamma + (c));            \
  if (flags & NORM_WANT_BETA) STORE(flags &NORM_ADD_BETA ? LOAD(dbeta + (c)) + (s) : (s), dbeta + (c));

#if CLG_WANT(norm_backward)
#define NORM_COLUMN(V, LOAD, s, t)                                                                                     \
  {                                                                                                                    \
    const V z = NORM_Z(V, LOAD);                                                                                       \
    s += z;                                                                                                            \
    t += z * ((LOAD(x + j) - mu) * scale);                                                                             \
  }
#define NORM_ROW(i) const float mu = mean[i], scale = rstd[i];
/* Both over the rows [FROM, TO), the first at j, in blocks: all_s, all_t, and what rounding took from them. */
#define NORM_COLUMN_SUMS(V, LOAD, FROM, TO)                                                                            \
  V all_s = 0.0f, all_t = 0.0f, more_s = 0.0f, more_t = 0.0f;                                                          \
  for (uint i = FROM; i < (TO);) {                                                                                     \
    V s = 0.0f, t = 0.0f;                                                                                              \
    for (const uint stop = min(TO, i + SUM_LONG); i < stop; i++, j += n) {                                             \
      NORM_ROW(i)                                                                                                      \
      NORM_COLUMN(V, LOAD, s, t)                                                                                       \
    }                                                                                                                  \
    SUM_TAKE(V, all_s, more_s, s)                                                                                      \
    SUM_TAKE(V, all_t, more_t, t)                                                                                      \
  }

/* dx of a row. */
#define NORM_H(V, LOAD)                                                                                                \
  const V hat = (LOAD(x + j) - mu) * scale;                                                                            \
  V h = NORM_Z(V, LOAD);                                                                                               \
  if (has & NORM_GAMMA) h *= LOAD(gamma + j);
#define NORM_H_TERMS(V, LOAD) NORM_H(V, LOAD) const V first = h, second = h * hat;
#define NORM_DX(V, LOAD, STORE)                                                                                        \
  {                                                                                                                    \
    NORM_H(V, LOAD)                                                                                                    \
    V d = scale * (h - mean_h - hat * mean_hat);                                                                       \
    if (has & NORM_ADD_X) d += LOAD(dx + j);                                                                           \
    STORE(d, dx + j);                                                                                                  \
  }
#define BACKWARD_ROW                                                                                                   \
  {                                                                                                                    \
    __global const float *g = g_all + (size_t)row * n, *x = x_all + (size_t)row * n, *y = y_all + (size_t)row * n;     \
    __global float *dx = dx_all + (size_t)row * n;                                                                     \
    const float mu = mean[row], scale = rstd[row];                                                                     \
    float mean_h, mean_hat;                                                                                            \
    ROW_SUMS(n, NORM_H_TERMS, mean_h, mean_hat)                                                                        \
    mean_h = clg_div(mean_h, (float)n);                                                                                \
    mean_hat = clg_div(mean_hat, (float)n);                                                                            \
    ROW_VECTORS(n, NORM_DX(VEC, VLOAD, VSTORE))                                                                        \
    ROW_REST(n, NORM_DX(float, LOAD1, STORE1))                                                                         \
  }
#if CLG_CPU
static void norm_rows(__global const float *g_all, __global const float *x_all, __global const float *y_all,
                      __global const float *gamma, __global const float *mean, __global const float *rstd,
                      __global float *dx_all, const uint first, const uint end, const uint n, const uint flags,
                      const float2 numbers) {
  const uint lane = 0;
  if ((flags & (NORM_GAMMA | NORM_ADD_X)) == NORM_GAMMA) { /* known flags leave no branch in the loops */
    const uint has = NORM_GAMMA;
    for (uint row = first; row < end; row++) BACKWARD_ROW
  } else {
    const uint has = flags;
    for (uint row = first; row < end; row++) BACKWARD_ROW
  }
}
#endif

/* Column sums over rows [first,end): dgamma (+)= sum z * xhat, dbeta (+)= sum z, those that flags ask for; all pointers
 * are at the column. */
static void norm_column(__global const float *g, __global const float *x, __global const float *y,
                        __global const float *mean, __global const float *rstd, __global float *dgamma,
                        __global float *dbeta, const uint first, const uint end, const uint w, const uint n,
                        const uint flags, const float2 numbers) {
  size_t j = (size_t)first * n;
  NORM_COLUMN_SUMS(float, LOAD1, first, end)
  for (uint c = 0; c < w; c++) {
    NORM_PUT(float, LOAD1, STORE1, clg_sum_end(all_t, more_t), clg_sum_end(all_s, more_s), 0)
  }
}

#if CLG_CPU
/* Of a vector of columns: the sums s of z and t of z * xhat of a block, those of all blocks, and what rounding took
 * from them. (As arrays of each they would share sets of a cache.) */
typedef struct stripe_vector {
  VEC s, t, all_s, all_t, more_s, more_t;
} stripe_vector;
/* Columns that fill no vector are the end of one that others have a part of too, the last. */
typedef struct stripe {
  int vectors, all, w;
  stripe_vector of[NORM_STRIPE / VW + 1];
} stripe;
#define STRIPE_AT(v) min((v)*VW, p->w - VW)

/* Adds ROWS rows from row i on to a block's sums. `opens`: it begins with them; `ends`: they are its last ones, and it
 * is taken into the others', if there are any. */
#define STRIPE_ADD(NAME, ROWS)                                                                                         \
  static void NAME(stripe *p, __global const float *g, __global const float *x, __global const float *y,               \
                   __global const float *mean, __global const float *rstd, const size_t n, const bool opens,           \
                   const bool ends, const bool begins, const float2 numbers) {                                         \
    for (int v = 0; v < p->all; v++) {                                                                                 \
      VEC s = 0.0f, t = 0.0f;                                                                                          \
      if (!opens) s = p->of[v].s, t = p->of[v].t;                                                                      \
      _Pragma("unroll") for (uint r = 0; r < ROWS; r++) {                                                              \
        NORM_ROW(r)                                                                                                    \
        const long j = (long)(r * n) + STRIPE_AT(v);                                                                   \
        NORM_COLUMN(VEC, VLOAD, s, t)                                                                                  \
      }                                                                                                                \
      if (!ends) {                                                                                                     \
        p->of[v].s = s, p->of[v].t = t;                                                                                \
      } else if (begins) {                                                                                             \
        p->of[v].all_s = s, p->of[v].all_t = t, p->of[v].more_s = p->of[v].more_t = 0.0f;                              \
      } else {                                                                                                         \
        SUM_TAKE(VEC, p->of[v].all_s, p->of[v].more_s, s)                                                              \
        SUM_TAKE(VEC, p->of[v].all_t, p->of[v].more_t, t)                                                              \
      }                                                                                                                \
    }                                                                                                                  \
  }
STRIPE_ADD(stripe_add4, 4)
STRIPE_ADD(stripe_add1, 1)

/* A stripe of one vector, whose sums stay in registers, over `rows` rows. */
static void stripe_narrow(stripe *p, __global const float *g, __global const float *x, __global const float *y,
                          __global const float *mean, __global const float *rstd, const size_t n, const uint rows,
                          const float2 numbers) {
  long j = STRIPE_AT(0);
  NORM_COLUMN_SUMS(VEC, VLOAD, 0, rows)
  p->of[0].all_s = all_s, p->of[0].all_t = all_t, p->of[0].more_s = more_s, p->of[0].more_t = more_t;
}

static void stripe_store(const stripe *p, __global float *dgamma, __global float *dbeta, const uint flags) {
  for (int v = 0; v < p->all; v++) {
    const VEC t = SUM_END(p->of[v].all_t, p->of[v].more_t), s = SUM_END(p->of[v].all_s, p->of[v].more_s);
    if (v < p->vectors) {
      NORM_PUT(VEC, VLOAD, VSTORE, t, s, v * VW)
      continue;
    }
    float each_t[VW], each_s[VW];
    vstore16(t, 0, each_t);
    vstore16(s, 0, each_s);
    for (int c = v * VW; c < p->w; c++) {
      const int l = c - STRIPE_AT(v);
      NORM_PUT(float, LOAD1, STORE1, each_t[l], each_s[l], c)
    }
  }
}

/* The same of `w` <= NORM_STRIPE neighbouring columns from j0 on. With NORM_ROWS, which wants all of more than one
 * vector, dx too: of each block of rows before their sums, for which they are near then. */
static void norm_columns(__global const float *g, __global const float *x, __global const float *y,
                         __global const float *gamma, __global const float *mean, __global const float *rstd,
                         __global float *dx, __global float *dgamma, __global float *dbeta, const uint first,
                         const uint end, const uint j0, const uint w, const uint n, const uint flags,
                         const float2 numbers) {
  if (j0 + w < VW) {
    for (uint c = 0; c < w; c++)
      norm_column(g + c, x + c, y + c, mean, rstd, dgamma + c, dbeta + c, first, end, 1, n, flags, numbers);
    return;
  }
  stripe p;
  p.w = (int)w, p.vectors = (int)(w / VW), p.all = p.vectors + (w % VW > 0);
  g += (size_t)first * n, x += (size_t)first * n, y += (size_t)first * n;
  if (p.all == 1) stripe_narrow(&p, g, x, y, mean + first, rstd + first, n, end - first, numbers);
  for (uint i = p.all == 1 ? end : first, rows; i < end; i += rows, g += rows * n, x += rows * n, y += rows * n) {
    const uint done = (i - first) % SUM_LONG;
    rows = n >= 2048 && i + 4 <= end ? 4 : 1;
    const bool opens = done == 0, ends = done + rows == SUM_LONG || i + rows == end, begins = i - first < SUM_LONG;
    if (opens && (flags & NORM_ROWS))
      norm_rows(g, x, y, gamma, mean + i, rstd + i, dx + (size_t)i * n, 0, min(SUM_LONG, end - i), n, flags, numbers);
    /* Flags that are known leave no branch in most rows' loops. */
#define ADD_AS(ADD)                                                                                                    \
  if (opens && !ends) {                                                                                                \
    ADD(&p, g, x, y, mean + i, rstd + i, n, true, false, false, numbers);                                              \
  } else if (!opens && !ends) {                                                                                        \
    ADD(&p, g, x, y, mean + i, rstd + i, n, false, false, false, numbers);                                             \
  } else {                                                                                                             \
    ADD(&p, g, x, y, mean + i, rstd + i, n, opens, ends, begins, numbers);                                             \
  }
    if (rows == 4) {
      ADD_AS(stripe_add4)
    } else {
      ADD_AS(stripe_add1)
    }
  }
  stripe_store(&p, dgamma, dbeta, flags);
}
#else
#define norm_columns(g, x, y, gamma, mean, rstd, dx, dgamma, dbeta, first, end, j0, w, n, flags, numbers)              \
  norm_column(g, x, y, mean, rstd, dgamma, dbeta, first, end, w, n, flags, numbers)
#endif

/* Both do not depend on each other, so they are one launch. The first `column_groups` work-groups: an item has a stripe
 * of `width` columns and a chunk of rows; with several chunks the results are parts [chunks,n] for norm_parts. The
 * others have rows: dx (+)= rstd * (h - mean(h) - xhat * mean(h * xhat)), h = z * gamma. Offsets in the order of
 * the buffers, the last apart; sizes are rows, n, width, chunk, column_groups, flags and the bits of the activation's
 * numbers. */
CLG_KERNEL void norm_backward(__global const float *g_all, __global const float *x_all, __global const float *y_all,
                              __global const float *gamma, __global const float *mean, __global const float *rstd,
                              __global float *dx_all, __global float *dgamma, __global float *dbeta,
                              const uint8 offsets, const uint dbeta_o, const uint8 sizes) {
  ROW_LOCAL
  const uint lane = CLG_LANE, group = (uint)CLG_GROUP(0), rows = sizes.s0, n = sizes.s1, column_groups = sizes.s4,
             flags = sizes.s5;
  const float2 numbers = (float2)(as_float(sizes.s6), as_float(sizes.s7));
  /* No branch is needed for this to be a row: Intel's CPU runtime reads mean[row] ahead of the branch that uses it. */
  const uint row_group = max(group, column_groups) - column_groups;
  g_all += offsets.s0, x_all += offsets.s1, y_all += offsets.s2, gamma += offsets.s3, mean += offsets.s4;
  rstd += offsets.s5, dx_all += offsets.s6, dgamma += offsets.s7, dbeta += dbeta_o;
  if (group < column_groups) {
    const uint width = sizes.s2, chunk = sizes.s3, stripes = (n + width - 1) / width;
    const uint item = group * WG + lane, c = item / stripes, j0 = item % stripes * width, first = c * chunk;
    const size_t part = (size_t)c * n + j0;
    /* Known by number too: PoCL runs items without rows through loops that others have. */
    const uint w = first < rows ? min(width, n - j0) : 0;
    if (first < rows)
      norm_columns(g_all + j0, x_all + j0, y_all + j0, gamma, mean, rstd, dx_all, dgamma + part, dbeta + part, first,
                   min(rows, first + chunk), j0, w, n, flags, numbers);
  } else {
#if CLG_CPU
    const uint from = row_group * ITEM_ROWS;
    norm_rows(g_all, x_all, y_all, gamma, mean, rstd, dx_all, from, min(rows, from + ITEM_ROWS), n, flags, numbers);
#else
    const uint has = flags;
    EACH_ROW(row_group) BACKWARD_ROW
#endif
  }
}
#endif
