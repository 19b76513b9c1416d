/* Layer norm: x [rows,n], one mean and rstd a row. A work-group owns a row: one item in vectors on a CPU, WG items that
 * share their sums through local memory on a GPU. Work-groups of WG. Backward takes an activation's
 * derivative from its result y. */

#if VW == 16
typedef float16 VEC;
#define VLOAD(p)     vload16(0, p)
#define VSTORE(v, p) vstore16(v, 0, p)
#else
typedef float VEC;
#define VLOAD(p)     (*(p))
#define VSTORE(v, p) (*(p) = (v))
#endif
#include "activation.clh"
#include "moments.clh"

/* Runs BODY over the row, V being VEC for whole vectors, then float for what is left. */
#define ROW_VECTORS(BODY)                                                                                              \
  for (uint j = lane * VW; j + VW <= n; j += WG * VW) BODY
#define ROW_REST(BODY)                                                                                                 \
  if (VW > 1)                                                                                                          \
    for (uint j = n / VW * VW; j < n; j++) BODY

#define LOAD1(p)     (*(p))
#define STORE1(v, p) (*(p) = (v))
#define GAMMA        1u
#define BETA         2u
#define ADD_GAMMA    4u
#define ADD_BETA     8u
#define ADD_X        16u
#define WANT_GAMMA   32u
#define WANT_BETA    64u

/* z, the gradient before the activation. */
#define NORM_Z(V, LOAD) ACT_GRADIENT_##V(LOAD(y + j), LOAD(g + j))

/* Two sums over the row, of terms V first, second that TERMS declares from LOAD and j. */
#if VW == 16
#define ROW_LOCAL
#define ROW_SUMS(TERMS, first_sum, second_sum)                                                                         \
  {                                                                                                                    \
    VEC total_a = 0.0f, total_b = 0.0f, rest_a = 0.0f, rest_b = 0.0f;                                                  \
    float left_a = 0.0f, left_b = 0.0f;                                                                                \
    VEC block_a = 0.0f, block_b = 0.0f;                                                                                \
    uint j = 0;                                                                                                        \
    for (; j + VW <= n; j += VW) {                                                                                     \
      TERMS(VEC, VLOAD)                                                                                                \
      block_a += first;                                                                                                \
      block_b += second;                                                                                               \
      if (j / VW % SUM_LONG != SUM_LONG - 1) continue;                                                                 \
      SUM_TAKE(VEC, total_a, rest_a, block_a)                                                                          \
      SUM_TAKE(VEC, total_b, rest_b, block_b)                                                                          \
      block_a = block_b = 0.0f;                                                                                        \
    }                                                                                                                  \
    SUM_TAKE(VEC, total_a, rest_a, block_a)                                                                            \
    SUM_TAKE(VEC, total_b, rest_b, block_b)                                                                            \
    for (; j < n; j++) {                                                                                               \
      TERMS(float, LOAD1)                                                                                              \
      left_a += first, left_b += second;                                                                               \
    }                                                                                                                  \
    first_sum = clg_lanes_sum(total_a) + left_a, second_sum = clg_lanes_sum(total_b) + left_b;                         \
    if (n >= (SUM_LONG + 1) * VW) { /* one block alone has no rest */                                                  \
      first_sum = clg_sum_end(first_sum, clg_lanes_sum(rest_a));                                                       \
      second_sum = clg_sum_end(second_sum, clg_lanes_sum(rest_b));                                                     \
    }                                                                                                                  \
  }
#else
#define ROW_LOCAL __local float row_part[2][SUM_LANES];
#define ROW_SUMS(TERMS, first_sum, second_sum)                                                                         \
  {                                                                                                                    \
    WG_BARRIER;                                                                                                        \
    SUM_EACH_LANE(v, lane) {                                                                                           \
      clg_sum a = clg_sum_of(0.0f), b = clg_sum_of(0.0f);                                                              \
      for (uint j = v; j < n; j += SUM_LANES) {                                                                        \
        TERMS(float, LOAD1)                                                                                            \
        a = clg_sum_add(a, first), b = clg_sum_add(b, second);                                                         \
      }                                                                                                                \
      row_part[0][v] = clg_sum_done(a), row_part[1][v] = clg_sum_done(b);                                              \
    }                                                                                                                  \
    SUM_JOIN(row_part[0], lane, CLG_JOIN_SUM)                                                                          \
    SUM_JOIN(row_part[1], lane, CLG_JOIN_SUM)                                                                          \
    first_sum = row_part[0][0], second_sum = row_part[1][0];                                                           \
  }
#endif

/* y = act((x - mean) * rstd * gamma + beta); mean and rstd [rows] are kept for backward. Group id: row. */
#if CLG_FORM(norm_forward)
#define SHORT_ROW 256 /* of which two passes cost less than joining blocks */
__kernel void norm_forward(__global const float *x, const ulong x_o, __global const float *gamma, const ulong gamma_o,
                           __global const float *beta, const ulong beta_o, __global float *y, const ulong y_o,
                           __global float *mean, const ulong mean_o, __global float *rstd, const ulong rstd_o,
                           const uint rows, const uint n, const float eps, const uint flags, const float param) {
  ROW_LOCAL
  const uint lane = (uint)get_local_id(0), row = (uint)get_group_id(0);
  x += x_o + (size_t)row * n;
  y += y_o + (size_t)row * n;
  gamma += gamma_o;
  beta += beta_o;
  const float shift = MOMENTS_SHIFT(x, n);
  float mean_from = 0.0f, squares = 0.0f, unit = 1.0f;
  for (;; unit = MOMENTS_SMALL) {
#if VW == 16
    if (n < SHORT_ROW) {
#define NORM_FROM(V, LOAD) FMA(LOAD(x + j), (V)(unit), (V)(-shift * unit))
      VEC sum = 0.0f, around = 0.0f;
      float left = 0.0f, left_around = 0.0f;
      ROW_VECTORS(sum += NORM_FROM(VEC, VLOAD);)
      ROW_REST(left += NORM_FROM(float, LOAD1);)
      mean_from = (clg_lanes_sum(sum) + left) / (float)n;
      ROW_VECTORS({
        const VEC d = NORM_FROM(VEC, VLOAD) - mean_from;
        around = FMA(d, d, around);
      })
      ROW_REST({
        const float d = NORM_FROM(float, LOAD1) - mean_from;
        left_around = FMA(d, d, left_around);
      })
      squares = clg_lanes_sum(around) + left_around;
    } else {
      moments all = moments_of(0.0f, 0.0f, 0.0f);
      for (uint done = 0; done < n; done += MOMENTS_BLOCK)
        all = moments_add(all, x + done, min(n - done, MOMENTS_BLOCK), shift, unit);
      all = moments_end(all);
      mean_from = all.mean, squares = all.squares;
    }
#else
    /* A second pass over the row: the difference of mean squares would cancel. It also corrects the mean. */
    float sum, around;
#define NORM_FROM(V, LOAD)   const V first = MOMENTS_FROM(LOAD(x + j), shift, unit), second = 0.0f;
    ROW_SUMS(NORM_FROM, sum, squares)
    around = sum / (float)n;
#define NORM_AROUND(V, LOAD) const V first = MOMENTS_FROM(LOAD(x + j), shift, unit) - around, second = first * first;
    ROW_SUMS(NORM_AROUND, sum, squares)
    mean_from = around + sum / (float)n;
#endif
    if (unit < 1.0f || clg_finite(squares)) break; /* they are not where the mean is not */
  }
  const float mu = moments_mean(mean_from, shift, unit), scale = moments_rstd(squares / (float)n, eps, unit);
#define NORM_Y(V, LOAD, STORE)                                                                                         \
  {                                                                                                                    \
    V v = (LOAD(x + j) - mu) * scale;                                                                                  \
    if (flags & GAMMA) v *= LOAD(gamma + j);                                                                           \
    if (flags & BETA) v += LOAD(beta + j);                                                                             \
    STORE(ACT_##V(v), y + j);                                                                                          \
  }
  ROW_VECTORS(NORM_Y(VEC, VLOAD, VSTORE))
  ROW_REST(NORM_Y(float, LOAD1, STORE1))
  if (lane == 0) {
    mean[mean_o + row] = mu;
    rstd[rstd_o + row] = scale;
  }
}
#endif

#if CLG_CPU
#define STRIPE 1024
#else
#define STRIPE 1
#endif
#if CLG_FORM(norm_backward)
/* Column sums over rows [first,end): dgamma (+)= sum z * xhat, dbeta (+)= sum z, those that flags ask for, of `w` <=
 * STRIPE neighbouring columns; all pointers are at the first of them. */
static void norm_columns(__global const float *g, __global const float *x, __global const float *y,
                         __global const float *mean, __global const float *rstd, __global float *dgamma,
                         __global float *dbeta, const uint first, const uint end, const uint w, const uint n,
                         const uint flags, const float param) {
  /* Of the columns that fill vectors, and of the others: a block's sums, all blocks', what rounding took from those. */
  VEC s[STRIPE / VW], t[STRIPE / VW], all_s[STRIPE / VW], all_t[STRIPE / VW], more_s[STRIPE / VW], more_t[STRIPE / VW];
  float s1[VW], t1[VW], all_s1[VW], all_t1[VW], more_s1[VW], more_t1[VW];
  const uint vectors = w / VW, left = w % VW;
  for (uint v = 0; v < vectors; v++) all_s[v] = all_t[v] = more_s[v] = more_t[v] = 0.0f;
  for (uint l = 0; l < left; l++) all_s1[l] = all_t1[l] = more_s1[l] = more_t1[l] = 0.0f;
  g += (size_t)first * n;
  x += (size_t)first * n;
  y += (size_t)first * n;
#define NORM_COLUMN(V, LOAD, s, t)                                                                                     \
  {                                                                                                                    \
    const V z = NORM_Z(V, LOAD);                                                                                       \
    s += z;                                                                                                            \
    t += z * ((LOAD(x + j) - mu) * scale);                                                                             \
  }
#define NORM_ROW(i) const float mu = mean[i], scale = rstd[i];
  if (w == VW) { /* sums that stay in registers */
    const uint j = 0;
    VEC all_sv = 0.0f, all_tv = 0.0f, more_sv = 0.0f, more_tv = 0.0f;
    for (uint i = first; i < end;) {
      VEC sv = 0.0f, tv = 0.0f;
      for (const uint stop = min(end, i + SUM_LONG); i < stop; i++, g += n, x += n, y += n) {
        NORM_ROW(i)
        NORM_COLUMN(VEC, VLOAD, sv, tv)
      }
      SUM_TAKE(VEC, all_sv, more_sv, sv)
      SUM_TAKE(VEC, all_tv, more_tv, tv)
    }
    all_s[0] = all_sv, all_t[0] = all_tv, more_s[0] = more_sv, more_t[0] = more_tv;
  } else {
#define NORM_COLUMNS(s, t, s1, t1)                                                                                     \
  {                                                                                                                    \
    uint j = 0;                                                                                                        \
    for (; j + VW <= w; j += VW) NORM_COLUMN(VEC, VLOAD, s[j / VW], t[j / VW])                                         \
    for (; j < w; j++) NORM_COLUMN(float, LOAD1, s1[j % VW], t1[j % VW])                                               \
  }
    for (uint i = first; i < end; i++, g += n, x += n, y += n) {
      NORM_ROW(i)
      if (i - first < SUM_LONG) { /* the first block is the sum */
        NORM_COLUMNS(all_s, all_t, all_s1, all_t1)
        continue;
      }
      const uint step = (i - first) % SUM_LONG;
      if (step == 0) {
        for (uint v = 0; v < vectors; v++) s[v] = t[v] = 0.0f;
        for (uint l = 0; l < left; l++) s1[l] = t1[l] = 0.0f;
      }
      NORM_COLUMNS(s, t, s1, t1)
      if (step < SUM_LONG - 1 && i + 1 < end) continue;
      for (uint v = 0; v < vectors; v++) {
        SUM_TAKE(VEC, all_s[v], more_s[v], s[v])
        SUM_TAKE(VEC, all_t[v], more_t[v], t[v])
      }
      for (uint l = 0; l < left; l++) {
        SUM_TAKE(float, all_s1[l], more_s1[l], s1[l])
        SUM_TAKE(float, all_t1[l], more_t1[l], t1[l])
      }
    }
  }
#define NORM_STORE(V, LOAD, STORE, all, more, to, add)                                                                 \
  {                                                                                                                    \
    const V sum = SUM_END(all, more);                                                                                  \
    STORE((add) ? LOAD(to) + sum : sum, to);                                                                           \
  }
  if (flags & WANT_GAMMA) {
    for (uint v = 0; v < vectors; v++)
      NORM_STORE(VEC, VLOAD, VSTORE, all_t[v], more_t[v], dgamma + v * VW, flags & ADD_GAMMA)
    for (uint l = 0; l < left; l++)
      NORM_STORE(float, LOAD1, STORE1, all_t1[l], more_t1[l], dgamma + vectors * VW + l, flags & ADD_GAMMA)
  }
  if (flags & WANT_BETA) {
    for (uint v = 0; v < vectors; v++)
      NORM_STORE(VEC, VLOAD, VSTORE, all_s[v], more_s[v], dbeta + v * VW, flags & ADD_BETA)
    for (uint l = 0; l < left; l++)
      NORM_STORE(float, LOAD1, STORE1, all_s1[l], more_s1[l], dbeta + vectors * VW + l, flags & ADD_BETA)
  }
}

/* Both do not depend on each other, so they are one launch. The first `column_groups` work-groups: an item has a stripe
 * of `width` columns and a chunk of rows; with several chunks the results are parts [chunks,n] for norm_parts. The
 * others have a row each: dx (+)= rstd * (h - mean(h) - xhat * mean(h * xhat)), h = z * gamma. Offsets in the order of
 * the buffers; sizes are rows, n, width, chunk, column_groups, flags and the bits of the activation's parameter. */
__kernel void norm_backward(__global const float *g, __global const float *x, __global const float *y,
                            __global const float *gamma, __global const float *mean, __global const float *rstd,
                            __global float *dx, __global float *dgamma, __global float *dbeta, const ulong4 read_o,
                            const ulong4 row_o, const ulong4 written_o, const uint8 sizes) {
  ROW_LOCAL
  const uint lane = (uint)get_local_id(0), group = (uint)get_group_id(0), n = sizes.s1, column_groups = sizes.s4,
             flags = sizes.s5;
  const float param = as_float(sizes.s6);
  /* No branch is needed for this to be a row: Intel's CPU runtime reads mean[row] ahead of the branch that uses it. */
  const uint row = max(group, column_groups) - column_groups;
  g += read_o.s0, x += read_o.s1, y += read_o.s2, gamma += read_o.s3, mean += row_o.s0, rstd += row_o.s1;
  dx += written_o.s0, dgamma += written_o.s1, dbeta += written_o.s2;
  if (group < column_groups) {
    const uint rows = sizes.s0, width = sizes.s2, chunk = sizes.s3, stripes = (n + width - 1) / width;
    const uint item = group * WG + lane, c = item / stripes, j0 = item % stripes * width, first = c * chunk;
    const size_t part = (size_t)c * n + j0;
    if (first < rows)
      norm_columns(g + j0, x + j0, y + j0, mean, rstd, dgamma + part, dbeta + part, first, min(rows, first + chunk),
                   min(width, n - j0), n, flags, param);
  } else {
    g += (size_t)row * n;
    x += (size_t)row * n;
    y += (size_t)row * n;
    dx += (size_t)row * n;
    const float mu = mean[row], scale = rstd[row];
#define NORM_H(V, LOAD)                                                                                                \
  const V hat = (LOAD(x + j) - mu) * scale;                                                                            \
  V h = NORM_Z(V, LOAD);                                                                                               \
  if (flags & GAMMA) h *= LOAD(gamma + j);
#define NORM_H_TERMS(V, LOAD) NORM_H(V, LOAD) const V first = h, second = h * hat;
    float mean_h, mean_hat;
    ROW_SUMS(NORM_H_TERMS, mean_h, mean_hat)
    mean_h /= (float)n;
    mean_hat /= (float)n;
#define NORM_DX(V, LOAD, STORE)                                                                                        \
  {                                                                                                                    \
    NORM_H(V, LOAD)                                                                                                    \
    V d = scale * (h - mean_h - hat * mean_hat);                                                                       \
    if (flags & ADD_X) d += LOAD(dx + j);                                                                              \
    STORE(d, dx + j);                                                                                                  \
  }
    ROW_VECTORS(NORM_DX(VEC, VLOAD, VSTORE))
    ROW_REST(NORM_DX(float, LOAD1, STORE1))
  }
}
#endif

/* Adds up the chunks' parts [chunks,n]. Global id: column. */
#if CLG_FORM(norm_parts)
#define PARTS_TAKE(part)                                                                                               \
  SUM_TAKE(float, total_##part, rest_##part, block_##part)                                                             \
  block_##part = 0.0f;
__kernel void norm_parts(__global const float *part_gamma, const ulong part_gamma_o, __global const float *part_beta,
                         const ulong part_beta_o, __global float *dgamma, const ulong dgamma_o, __global float *dbeta,
                         const ulong dbeta_o, const uint chunks, const uint n, const uint flags) {
  const size_t j = get_global_id(0);
  if (j >= n) return;
  part_gamma += part_gamma_o + j;
  part_beta += part_beta_o + j;
  float total_gamma = 0.0f, total_beta = 0.0f, rest_gamma = 0.0f, rest_beta = 0.0f, block_gamma = 0.0f,
        block_beta = 0.0f;
  for (uint c = 0; c < chunks; c++) {
    block_gamma += part_gamma[(size_t)c * n];
    block_beta += part_beta[(size_t)c * n];
    if (c % SUM_LONG != SUM_LONG - 1) continue;
    PARTS_TAKE(gamma)
    PARTS_TAKE(beta)
  }
  PARTS_TAKE(gamma)
  PARTS_TAKE(beta)
  const float sum_gamma = clg_sum_end(total_gamma, rest_gamma), sum_beta = clg_sum_end(total_beta, rest_beta);
  if (flags & WANT_GAMMA) dgamma[dgamma_o + j] = flags & ADD_GAMMA ? sum_gamma + dgamma[dgamma_o + j] : sum_gamma;
  if (flags & WANT_BETA) dbeta[dbeta_o + j] = flags & ADD_BETA ? sum_beta + dbeta[dbeta_o + j] : sum_beta;
}
#endif
