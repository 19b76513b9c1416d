/* Batch norm of x [N,C,S] over N and S, in one launch. A work-group owns a channel: one item in vectors on a CPU, WG
 * items that share their sums through local memory on a GPU. Work-groups of WG; group id: channel. Each image's part is
 * summed by itself first, which keeps the rounding error of large batches down. */
#include "batch_norm.clh"
#include "groups.clh"

/* Runs BODY(V, LOAD, STORE) at every element `at` of the channel in the first N images, and OPEN and CLOSE around each
 * image (a GPU's lanes run through all images in one sweep). A CPU takes image IMAGE at step i: the pass behind the
 * sums runs backwards, since what they read last is still near. */
#if VW == 16
#define CHANNEL(N, IMAGE, OPEN, BODY, CLOSE)                                                                           \
  for (uint i = 0; i < (N); i++) {                                                                                     \
    const size_t base = ((size_t)(IMAGE)*channels + channel) * size;                                                   \
    OPEN;                                                                                                              \
    RUN(base, size, BODY)                                                                                              \
    CLOSE;                                                                                                             \
  }
#else
#define CHANNEL(N, IMAGE, OPEN, BODY, CLOSE)                                                                           \
  {                                                                                                                    \
    OPEN;                                                                                                              \
    for (uint e = lane; e < (N)*size; e += WG) {                                                                       \
      const uint i = e / size;                                                                                         \
      const size_t at = ((size_t)i * channels + channel) * size + (e - i * size);                                      \
      BODY(float, LOAD1, STORE1)                                                                                       \
    }                                                                                                                  \
    CLOSE;                                                                                                             \
  }
#endif

#if CLG_FORM(batch_norm_forward)
#define BLOCK       4096
#define LEAST_BLOCK 256 /* where joining costs little beside the sums */
/* y = (x - mean) * rstd * gamma + beta; mean and rstd [C] are kept for backward. Statistics of the batch, or with EVAL
 * the running ones. With UPDATE the running ones move by `momentum` towards the batch's (variance times `unbias`). */
__kernel void batch_norm_forward(__global const float *x, const uint x_o, __global const float *gamma,
                                 const uint gamma_o, __global const float *beta, const uint beta_o,
                                 __global float *running_mean, const uint running_mean_o, __global float *running_var,
                                 const uint running_var_o, __global float *y, const uint y_o, __global float *mean,
                                 const uint mean_o, __global float *rstd, const uint rstd_o, const uint images,
                                 const uint channels, const uint size, const float eps, const float momentum,
                                 const float unbias, const uint flags, const float param) {
  CLG_GROUP_LOCAL
  const uint lane = (uint)get_local_id(0), channel = (uint)get_group_id(0);
  x += x_o;
  y += y_o;
  running_mean += running_mean_o + channel;
  running_var += running_var_o + channel;
  /* The barriers stand outside of any condition: with EVAL the sums are empty. */
  const uint summed = flags & EVAL ? 0 : images;
  const float count = (float)images * (float)size;
  float sum = 0.0f, mu = 0.0f;
#if VW == 16
  const bool in_blocks = size >= LEAST_BLOCK;
  moments all = {0.0f, 0.0f, 0.0f};
  for (uint i = 0; in_blocks && i < summed; i++)
    for (uint from = 0; from < size; from += BLOCK)
      all = moments_add(all, x + ((size_t)i * channels + channel) * size + from, min(size - from, (uint)BLOCK));
  sum = all.squares;
  mu = all.mean;
  if (!in_blocks) {
#endif
#define SUM(V, LOAD, STORE)                                                                                            \
  {                                                                                                                    \
    const V v = LOAD(x + at);                                                                                          \
    ADD_##V(v)                                                                                                         \
  }
#define CLOSE_SUM sum += TOTAL
    CHANNEL(summed, i, OPEN_SUM, SUM, CLOSE_SUM)
    CLG_GROUP_SUM(lane, sum)
    mu = sum / count;
    /* A second pass: the difference of mean squares would cancel. */
    sum = 0.0f;
#define SUM_SQUARES(V, LOAD, STORE)                                                                                    \
  {                                                                                                                    \
    const V d = LOAD(x + at) - mu;                                                                                     \
    ADD_##V(d *d)                                                                                                      \
  }
    CHANNEL(summed, i, OPEN_SUM, SUM_SQUARES, CLOSE_SUM)
    CLG_GROUP_SUM(lane, sum)
#if VW == 16
  }
#endif
  if (flags & EVAL) mu = *running_mean;
  const float var = flags & EVAL ? *running_var : sum / count;
  const float scale = 1.0f / sqrt(var + eps);
  const float a = flags & GAMMA ? scale * gamma[gamma_o + channel] : scale,
              b = flags & BETA ? beta[beta_o + channel] : 0.0f;
  CHANNEL(images, images - 1 - i, , NORMALISE, )
  if (lane == 0 && (flags & UPDATE)) {
    *running_mean = (1.0f - momentum) * *running_mean + momentum * mu;
    *running_var = (1.0f - momentum) * *running_var + momentum * (var * unbias);
  }
  if (lane == 0) {
    mean[mean_o + channel] = mu;
    rstd[rstd_o + channel] = scale;
  }
}
#endif

#if CLG_FORM(batch_norm_backward)
/* With xhat = (x - mean) * rstd: dbeta (+)= sum(g), dgamma (+)= sum(g * xhat), and dx (+)= gamma * rstd * (g - mean(g)
 * - xhat * mean(g * xhat)), or gamma * rstd * g with EVAL: those that flags want. */
__kernel void batch_norm_backward(__global const float *g, const uint g_o, __global const float *x, const uint x_o,
                                  __global const float *gamma, const uint gamma_o, __global const float *beta,
                                  const uint beta_o, __global const float *mean, const uint mean_o,
                                  __global const float *rstd, const uint rstd_o, __global float *dx, const uint dx_o,
                                  __global float *dgamma, const uint dgamma_o, __global float *dbeta,
                                  const uint dbeta_o, const uint images, const uint channels, const uint size,
                                  const uint flags, const float param) {
  CLG_GROUP_LOCAL
  const uint lane = (uint)get_local_id(0), channel = (uint)get_group_id(0);
  g += g_o;
  x += x_o;
  dx += dx_o;
  const float mu = mean[mean_o + channel], scale = rstd[rstd_o + channel];
  const float a = flags & GAMMA ? scale * gamma[gamma_o + channel] : scale,
              b = flags & BETA ? beta[beta_o + channel] : 0.0f;
  float sum_g = 0.0f, sum_h = 0.0f;
  /* The barriers stand outside of any condition. */
  const uint summed = !(flags & EVAL) || (flags & (WANT_GAMMA | WANT_BETA)) ? images : 0;
  CHANNEL(summed, i, OPEN_SUMS, SUM_BOTH, CLOSE_SUMS)
  CLG_GROUP_SUM(lane, sum_g)
  CLG_GROUP_SUM(lane, sum_h)
  if (lane == 0 && (flags & WANT_GAMMA))
    dgamma[dgamma_o + channel] = flags & ADD_GAMMA ? dgamma[dgamma_o + channel] + sum_h : sum_h;
  if (lane == 0 && (flags & WANT_BETA))
    dbeta[dbeta_o + channel] = flags & ADD_BETA ? dbeta[dbeta_o + channel] + sum_g : sum_g;
  if (!(flags & WANT_X)) return;
  const float count = (float)images * (float)size;
  const float mean_g = flags & EVAL ? 0.0f : sum_g / count, mean_h = flags & EVAL ? 0.0f : sum_h / count;
  CHANNEL(images, images - 1 - i, , GRADIENT, )
}
#endif
