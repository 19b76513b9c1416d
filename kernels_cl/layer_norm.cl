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
#include "groups.clh"
#include "lanes.clh"

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

#if WG == 1
/* The mean of x[0..n), and the sum of squares around it. */
#define BLOCK 1024
static float block_mean(__global const float *x, const uint n) {
  const uint lane = 0;
  VEC s = 0.0f;
  float r = 0.0f;
  ROW_VECTORS(s += VLOAD(x + j);)
  ROW_REST(r += x[j];)
  return (clg_lanes_sum(s) + r) / (float)n;
}
static float block_squares(__global const float *x, const uint n, const float mu) {
  const uint lane = 0;
  VEC s = 0.0f;
  float r = 0.0f;
  ROW_VECTORS({
    const VEC d = VLOAD(x + j) - mu;
    s += d * d;
  })
  ROW_REST({
    const float d = x[j] - mu;
    r += d * d;
  })
  return clg_lanes_sum(s) + r;
}
#endif

/* y = act((x - mean) * rstd * gamma + beta); mean and rstd [rows] are kept for backward. Group id: row. */
#if CLG_FORM(norm_forward)
__kernel void norm_forward(__global const float *x, const ulong x_o, __global const float *gamma, const ulong gamma_o,
                           __global const float *beta, const ulong beta_o, __global float *y, const ulong y_o,
                           __global float *mean, const ulong mean_o, __global float *rstd, const ulong rstd_o,
                           const uint rows, const uint n, const float eps, const uint flags, const float param) {
  CLG_GROUP_LOCAL
  const uint lane = (uint)get_local_id(0), row = (uint)get_group_id(0);
  x += x_o + (size_t)row * n;
  y += y_o + (size_t)row * n;
  gamma += gamma_o;
  beta += beta_o;
  float mu = 0.0f, var = 0.0f;
#if WG > 1
  for (uint j = lane; j < n; j += WG) mu += x[j];
  CLG_GROUP_SUM(lane, mu)
  mu /= (float)n;
  /* A second pass over the row: the difference of mean squares would cancel. */
  for (uint j = lane; j < n; j += WG) {
    const float d = x[j] - mu;
    var += d * d;
  }
  CLG_GROUP_SUM(lane, var)
#else
  /* Both passes block by block while it is near, joined as by Chan et al. 1979. */
  for (uint done = 0; done < n; done += BLOCK) {
    const uint len = min(n - done, (uint)BLOCK);
    const float mean_b = block_mean(x + done, len), var_b = block_squares(x + done, len, mean_b);
    const float d = mean_b - mu, part = (float)len / (float)(done + len);
    mu = done ? mu + d * part : mean_b;
    var = done ? var + var_b + d * d * (part * (float)done) : var_b;
  }
#endif
  const float scale = 1.0f / sqrt(var / (float)n + eps);
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
  VEC s[STRIPE / VW], t[STRIPE / VW];
  float s_rest[VW], t_rest[VW]; /* of the columns that fill no vector */
  for (uint v = 0; v < w / VW; v++) s[v] = t[v] = 0.0f;
  for (uint l = 0; l < VW; l++) s_rest[l] = t_rest[l] = 0.0f;
  g += (size_t)first * n;
  x += (size_t)first * n;
  y += (size_t)first * n;
#define NORM_COLUMN(V, LOAD, s, t)                                                                                     \
  {                                                                                                                    \
    const V z = NORM_Z(V, LOAD);                                                                                       \
    s += z;                                                                                                            \
    t += z * ((LOAD(x + j) - mean[i]) * rstd[i]);                                                                      \
  }
  if (w == VW) { /* sums that stay in registers */
    const uint j = 0;
    VEC sv = 0.0f, tv = 0.0f;
    for (uint i = first; i < end; i++, g += n, x += n, y += n) NORM_COLUMN(VEC, VLOAD, sv, tv)
    s[0] = sv;
    t[0] = tv;
  } else {
    for (uint i = first; i < end; i++, g += n, x += n, y += n) {
      uint j = 0;
      for (; j + VW <= w; j += VW) NORM_COLUMN(VEC, VLOAD, s[j / VW], t[j / VW])
      for (; j < w; j++) NORM_COLUMN(float, LOAD1, s_rest[j % VW], t_rest[j % VW])
    }
  }
#define NORM_STORE(LOAD, STORE, sum, to, add) STORE((add) ? LOAD(to) + sum : sum, to);
  if (flags & WANT_GAMMA) {
    uint j = 0;
    for (; j + VW <= w; j += VW) NORM_STORE(VLOAD, VSTORE, t[j / VW], dgamma + j, flags & ADD_GAMMA)
    for (; j < w; j++) NORM_STORE(LOAD1, STORE1, t_rest[j % VW], dgamma + j, flags & ADD_GAMMA)
  }
  if (flags & WANT_BETA) {
    uint j = 0;
    for (; j + VW <= w; j += VW) NORM_STORE(VLOAD, VSTORE, s[j / VW], dbeta + j, flags & ADD_BETA)
    for (; j < w; j++) NORM_STORE(LOAD1, STORE1, s_rest[j % VW], dbeta + j, flags & ADD_BETA)
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
  CLG_GROUP_LOCAL
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
    VEC s = 0.0f, t = 0.0f;
    float r = 0.0f, q = 0.0f;
    ROW_VECTORS({
      NORM_H(VEC, VLOAD) s += h;
      t += h * hat;
    })
    ROW_REST({
      NORM_H(float, LOAD1) r += h;
      q += h * hat;
    })
    float mean_h = clg_lanes_sum(s) + r, mean_hat = clg_lanes_sum(t) + q;
    CLG_GROUP_SUM(lane, mean_h)
    CLG_GROUP_SUM(lane, mean_hat)
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
__kernel void norm_parts(__global const float *part_gamma, const ulong part_gamma_o, __global const float *part_beta,
                         const ulong part_beta_o, __global float *dgamma, const ulong dgamma_o, __global float *dbeta,
                         const ulong dbeta_o, const uint chunks, const uint n, const uint flags) {
  const size_t j = get_global_id(0);
  if (j >= n) return;
  part_gamma += part_gamma_o + j;
  part_beta += part_beta_o + j;
  if (flags & WANT_GAMMA) {
    float s = 0.0f;
    for (uint c = 0; c < chunks; c++) s += part_gamma[(size_t)c * n];
    if (flags & ADD_GAMMA) s += dgamma[dgamma_o + j];
    dgamma[dgamma_o + j] = s;
  }
  if (flags & WANT_BETA) {
    float s = 0.0f;
    for (uint c = 0; c < chunks; c++) s += part_beta[(size_t)c * n];
    if (flags & ADD_BETA) s += dbeta[dbeta_o + j];
    dbeta[dbeta_o + j] = s;
  }
}
#endif
