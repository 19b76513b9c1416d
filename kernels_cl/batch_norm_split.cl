/* Batch norm of x [N,C,S] where few channels are large: one is shared out in parts of `chunk` of its N*S values, and
 * three launches follow each other: sums of each part, their joining a channel, the values. A part is a work-group: one
 * item in vectors on a CPU, WG items on a GPU. Work-groups of WG; group ids (part, channel). What a part leaves lies in
 * work [2,parts,C]. The joining serves batch_norm_columns.cl too. */
#include "batch_norm.clh"
#include "groups.clh"

/* Runs BODY(V, LOAD, STORE) over the values [from, end) of the channel, and OPEN and CLOSE around each run that is
 * summed by itself. */
#define LONGEST_RUN 4096u
#if VW == 16
#define PART(OPEN, BODY, CLOSE)                                                                                        \
  for (uint e = from; e < end;) {                                                                                      \
    PART_RUN(e)                                                                                                        \
    OPEN;                                                                                                              \
    RUN(base, len, BODY)                                                                                               \
    CLOSE;                                                                                                             \
    e += len;                                                                                                          \
  }
#define PART_RUN(e)                                                                                                    \
  const uint i = (e) / size, k = (e)-i * size, len = min(min(size - k, end - (e)), LONGEST_RUN);                       \
  const size_t base = ((size_t)i * channels + channel) * size + k;
#else
#define PART(OPEN, BODY, CLOSE)                                                                                        \
  {                                                                                                                    \
    OPEN;                                                                                                              \
    for (uint e = from + lane; e < end; e += WG) {                                                                     \
      const uint i = e / size;                                                                                         \
      const size_t at = ((size_t)i * channels + channel) * size + (e - i * size);                                      \
      BODY(float, LOAD1, STORE1)                                                                                       \
    }                                                                                                                  \
    CLOSE;                                                                                                             \
  }
#endif
#define PART_START(PART_ID, CHANNEL_ID)                                                                                \
  const uint lane = (uint)get_local_id(0), part = PART_ID, channel = CHANNEL_ID;                                       \
  const uint from = part * chunk, end = min(images * size, from + chunk);
/* The launches behind the sums go backwards, since what was read last is still near. */
#define FORWARDS PART_START((uint)get_group_id(0), (uint)get_group_id(1))
#define BACKWARDS                                                                                                      \
  PART_START((uint)(get_num_groups(0) - 1 - get_group_id(0)), (uint)(get_num_groups(1) - 1 - get_group_id(1)))

#if CLG_FORM(batch_norm_part)
/* Mean and squares around it of each part. */
__kernel void batch_norm_part(__global const float *x, const uint x_o, __global float *work, const uint work_o,
                              const uint images, const uint channels, const uint size, const uint chunk) {
  CLG_GROUP_LOCAL
  FORWARDS
  x += x_o;
  work += work_o;
#if VW == 16
  moments all = {0.0f, 0.0f, 0.0f};
  for (uint e = from; e < end;) {
    PART_RUN(e)
    all = moments_add(all, x + base, len);
    e += len;
  }
  const float mu = all.mean, squares = all.squares;
#else
  float mu = 0.0f, squares = 0.0f;
#define SUM(V, LOAD, STORE)         ADD_##V(LOAD(x + at))
#define CLOSE_MEAN                  mu = TOTAL
  PART(OPEN_SUM, SUM, CLOSE_MEAN)
  CLG_GROUP_SUM(lane, mu)
  mu /= (float)(end - from);
#define SUM_SQUARES(V, LOAD, STORE) ADD_##V((LOAD(x + at) - mu) * (LOAD(x + at) - mu))
#define CLOSE_SQUARES               squares = TOTAL
  PART(OPEN_SUM, SUM_SQUARES, CLOSE_SQUARES)
  CLG_GROUP_SUM(lane, squares)
#endif
  if (lane > 0) return;
  work[part * channels + channel] = mu;
  work[((uint)get_num_groups(0) + part) * channels + channel] = squares;
}
#endif

#define JOIN_START                                                                                                     \
  const uint first = (uint)get_global_id(0) * VW;                                                                      \
  if (first >= channels) return;                                                                                       \
  const uint w = min(channels - first, (uint)VW);                                                                      \
  work += work_o + first;

#if CLG_FORM(batch_norm_join)
/* Of the parts, `chunk` of `count` values each, mean and rstd; the rest as batch_norm_forward. An item has VW channels;
 * global id: VW channels. */
__kernel void batch_norm_join(__global const float *work, const uint work_o, __global float *running_mean,
                              const uint running_mean_o, __global float *running_var, const uint running_var_o,
                              __global float *mean, const uint mean_o, __global float *rstd, const uint rstd_o,
                              const uint parts, const uint channels, const uint count, const uint chunk,
                              const float eps, const float momentum, const float unbias, const uint flags) {
  JOIN_START
  float done = 0.0f, means[VW], squares[VW];
  for (uint l = 0; l < VW; l++) means[l] = squares[l] = 0.0f;
  for (uint p = 0; p < parts; p++, work += channels) {
    const float n = (float)min(chunk, count - p * chunk);
    LANES({
      const moments all =
          moments_join(moments_of(done, means[l], squares[l]), moments_of(n, work[l], work[parts * channels + l]));
      means[l] = all.mean;
      squares[l] = all.squares;
    })
    done += n;
  }
  running_mean += running_mean_o + first;
  running_var += running_var_o + first;
  for (uint l = 0; l < w; l++) {
    const float mu = flags & EVAL ? running_mean[l] : means[l];
    const float var = flags & EVAL ? running_var[l] : squares[l] / done;
    if (flags & UPDATE) {
      running_mean[l] = (1.0f - momentum) * running_mean[l] + momentum * mu;
      running_var[l] = (1.0f - momentum) * running_var[l] + momentum * (var * unbias);
    }
    mean[mean_o + first + l] = mu;
    rstd[rstd_o + first + l] = 1.0f / sqrt(var + eps);
  }
}
#endif

#define CHANNEL_ARGS                                                                                                   \
  __global const float *x, const uint x_o, __global const float *gamma, const uint gamma_o,                            \
      __global const float *beta, const uint beta_o, __global const float *mean, const uint mean_o,                    \
      __global const float *rstd, const uint rstd_o, const uint images, const uint channels, const uint size,          \
      const uint chunk, const uint flags, const float param
#define CHANNEL_START                                                                                                  \
  x += x_o;                                                                                                            \
  const float mu = mean[mean_o + channel], scale = rstd[rstd_o + channel];                                             \
  const float a = flags & GAMMA ? scale * gamma[gamma_o + channel] : scale,                                            \
              b = flags & BETA ? beta[beta_o + channel] : 0.0f;

#if CLG_FORM(batch_norm_apply)
__kernel void batch_norm_apply(__global float *y, const uint y_o, CHANNEL_ARGS) {
  BACKWARDS
  CHANNEL_START
  y += y_o;
  PART(, NORMALISE, )
}
#endif

#if CLG_FORM(batch_norm_part_sums)
/* Sums of g and of g * xhat of each part. */
__kernel void batch_norm_part_sums(__global const float *g, const uint g_o, __global float *work, const uint work_o,
                                   CHANNEL_ARGS) {
  CLG_GROUP_LOCAL
  FORWARDS
  CHANNEL_START
  g += g_o;
  work += work_o;
  float sum_g = 0.0f, sum_h = 0.0f;
  PART(OPEN_SUMS, SUM_BOTH, CLOSE_SUMS)
  CLG_GROUP_SUM(lane, sum_g)
  CLG_GROUP_SUM(lane, sum_h)
  if (lane > 0) return;
  work[part * channels + channel] = sum_g;
  work[((uint)get_num_groups(0) + part) * channels + channel] = sum_h;
}
#endif

#if CLG_FORM(batch_norm_join_sums)
/* dgamma and dbeta as batch_norm_backward, and sums [2,C]: of g, of g * xhat. Global id: VW channels. */
__kernel void batch_norm_join_sums(__global const float *work, const uint work_o, __global float *sums,
                                   const uint sums_o, __global float *dgamma, const uint dgamma_o,
                                   __global float *dbeta, const uint dbeta_o, const uint parts, const uint channels,
                                   const uint flags) {
  JOIN_START
  float sum_g[VW], sum_h[VW];
  for (uint l = 0; l < VW; l++) sum_g[l] = sum_h[l] = 0.0f;
  for (uint p = 0; p < parts; p++, work += channels)
    LANES({
      sum_g[l] += work[l];
      sum_h[l] += work[parts * channels + l];
    })
  dgamma += dgamma_o + first;
  dbeta += dbeta_o + first;
  sums += sums_o + first;
  for (uint l = 0; l < w; l++) {
    if (flags & WANT_GAMMA) dgamma[l] = flags & ADD_GAMMA ? dgamma[l] + sum_h[l] : sum_h[l];
    if (flags & WANT_BETA) dbeta[l] = flags & ADD_BETA ? dbeta[l] + sum_g[l] : sum_g[l];
    sums[l] = sum_g[l];
    sums[channels + l] = sum_h[l];
  }
}
#endif

#if CLG_FORM(batch_norm_gradient)
__kernel void batch_norm_gradient(__global const float *g, const uint g_o, __global const float *sums,
                                  const uint sums_o, __global float *dx, const uint dx_o, CHANNEL_ARGS) {
  BACKWARDS
  CHANNEL_START
  g += g_o;
  dx += dx_o;
  const float count = (float)images * (float)size;
  const float mean_g = flags & EVAL ? 0.0f : sums[sums_o + channel] / count,
              mean_h = flags & EVAL ? 0.0f : sums[sums_o + channels + channel] / count;
  PART(, GRADIENT, )
}
#endif
