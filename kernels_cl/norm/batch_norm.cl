/* Batch norm of x [N,C,S] over N and S, in one launch. A work-group owns a channel: one item in vectors on a CPU, WG
 * items that share their sums through local memory on a GPU. Work-groups of WG; group id: channel. */
#include "batch_norm.clh"

/* Runs BODY(V, LOAD, STORE) at every element `at` of the channel, from the last image to the first: sums, over the
 * first `summed` images, come before it, and what they read last is still near. */
#if VW == 16
#define CHANNEL(BODY)                                                                                                  \
  for (uint i = images; i-- > 0;) {                                                                                    \
    const size_t base = ((size_t)i * channels + channel) * size;                                                       \
    RUN(base, size, BODY, NO_STEP)                                                                                     \
  }
#define CHANNEL_SUMS(BODY, first, second)                                                                              \
  {                                                                                                                    \
    SUMS_OPEN                                                                                                          \
    for (uint i = 0; i < summed; i++) {                                                                                \
      const size_t base = ((size_t)i * channels + channel) * size;                                                     \
      RUN(base, size, BODY, SUMS_STEP)                                                                                 \
      SUMS_RUN()                                                                                                       \
    }                                                                                                                  \
    SUMS_CLOSE(0, first)                                                                                               \
    SUMS_CLOSE(1, second)                                                                                              \
  }
#else
#define CHANNEL(BODY)                     VALUES(lane, WG, images *size, BODY)
#define CHANNEL_LOOP(FIRST, STEP, BODY)   VALUES(FIRST, STEP, summed *size, BODY)
#define CHANNEL_SUMS(BODY, first, second) GROUP_SUMS(CHANNEL_LOOP, BODY, first, second)
#endif

#if CLG_WANT(batch_norm_forward)
#define LEAST_BLOCK 256 /* where joining costs little beside the sums */
/* y = (x - mean) * rstd * gamma + beta; mean and rstd [C] are kept for backward. Statistics of the batch, or with
 * NORM_EVAL the running ones. With NORM_UPDATE the running ones move by `momentum` towards the batch's (variance times
 * `unbias`). */
CLG_KERNEL void batch_norm_forward(FORWARD_ARGS) {
  SUMS_LOCAL
  const uint lane = CLG_LANE, channel = (uint)CLG_GROUP(0);
  x += x_o;
  y += y_o;
  running_mean += running_mean_o + channel;
  running_var += running_var_o + channel;
  /* With NORM_EVAL the sums are empty. */
  const uint summed = flags & NORM_EVAL ? 0 : images;
  const float count = (float)images * (float)size, shift = channel_shift(x, images, channels, size, channel);
  MOMENTS_UNIT(shift)
  float mean_from, squares;
  for (;; MOMENTS_SHRINK(shift)) {
#if VW == 16
    moments all = moments_of(0.0f, 0.0f, 0.0f);
    for (uint i = 0; size >= LEAST_BLOCK && i < summed; i++)
      for (uint from = 0; from < size; from += MOMENTS_BLOCK)
        all = moments_add(all, x + ((size_t)i * channels + channel) * size + from, min(size - from, MOMENTS_BLOCK),
                          unit, origin);
    all = moments_end(all);
    mean_from = all.mean, squares = all.squares;
    if (size < LEAST_BLOCK) {
#endif
      /* A second pass: the difference of mean squares would cancel. */
      float none;
      CHANNEL_SUMS(SUM_FROM, mean_from, none)
      const float around = clg_div(mean_from, count);
      CHANNEL_SUMS(SUM_SQUARES, none, squares)
      mean_from = around;
#if VW == 16
    }
#endif
    if (unit < 1.0f || clg_finite(squares)) break; /* they are not where the mean is not */
  }
  const float mu = flags & NORM_EVAL ? *running_mean : moments_mean(mean_from, shift, unit);
  const float var = flags & NORM_EVAL ? *running_var : clg_div(clg_div(clg_div(squares, count), unit), unit);
  const float scale = flags & NORM_EVAL ? clg_rsqrt(var + eps) : moments_rstd(clg_div(squares, count), eps, unit);
  const float a = FACTOR_OF(scale, channel), b = OFFSET_OF(channel);
  CHANNEL(NORMALISE)
  if (lane == 0 && (flags & NORM_UPDATE)) running_move(running_mean, running_var, mu, var, momentum, unbias);
  if (lane == 0) {
    mean[mean_o + channel] = mu;
    rstd[rstd_o + channel] = scale;
  }
}
#endif

#if CLG_WANT(batch_norm_backward)
/* With xhat = (x - mean) * rstd: dbeta (+)= sum(g), dgamma (+)= sum(g * xhat), and dx (+)= gamma * rstd * (g - mean(g)
 * - xhat * mean(g * xhat)), or gamma * rstd * g with NORM_EVAL: those that flags want. */
CLG_KERNEL void batch_norm_backward(BACKWARD_ARGS) {
  SUMS_LOCAL
  const uint lane = CLG_LANE, channel = (uint)CLG_GROUP(0);
  g += g_o;
  x += x_o;
  dx += dx_o;
  const float mu = mean[mean_o + channel], scale = rstd[rstd_o + channel];
  const float a = FACTOR_OF(scale, channel), b = OFFSET_OF(channel);
  float sum_g, sum_h;
  /* The barriers stand outside of any condition. */
  const uint summed = !(flags & NORM_EVAL) || (flags & (NORM_WANT_GAMMA | NORM_WANT_BETA)) ? images : 0;
  CHANNEL_SUMS(SUM_BOTH, sum_g, sum_h)
  if (lane == 0 && (flags & NORM_WANT_GAMMA)) clg_sum_put(dgamma + dgamma_o + channel, sum_h, flags & NORM_ADD_GAMMA);
  if (lane == 0 && (flags & NORM_WANT_BETA)) clg_sum_put(dbeta + dbeta_o + channel, sum_g, flags & NORM_ADD_BETA);
  if (!(flags & NORM_WANT_X)) return;
  const float count = (float)images * (float)size;
  const float mean_g = flags & NORM_EVAL ? 0.0f : clg_div(sum_g, count),
              mean_h = flags & NORM_EVAL ? 0.0f : clg_div(sum_h, count);
  CHANNEL(GRADIENT)
}
#endif
