/* Batch norm of x [N,C,S] where few channels are large: one is shared out in parts of `chunk` of its N*S values, and
 * three launches follow each other: sums of each part, their joining a channel, the values. A part is a work-group: one
 * item in vectors on a CPU, WG items on a GPU. Work-groups of WG; group ids (part, channel). What a part leaves lies in
 * work [2,parts,C]. The joining serves batch_norm_columns.cl too, and with NORM_SHARDS a batch in shards, each a part:
 * what they told lies in work [shards,3,C], before the mean its shift, and of sums in [shards,2,C]. */
#include "batch_norm.clh"

/* Runs BODY(V, LOAD, STORE) over the values [from, end) of the channel. */
#if VW == 16
#define PART_RUNS(BODY, STEP, AFTER)                                                                                   \
  for (uint e = from; e < end;) {                                                                                      \
    PART_RUN(e)                                                                                                        \
    RUN(base, len, BODY, STEP)                                                                                         \
    AFTER()                                                                                                            \
    e += len;                                                                                                          \
  }
#define PART_RUN(e)                                                                                                    \
  const uint i = (e) / size, k = (e)-i * size, len = min(min(size - k, end - (e)), MOMENTS_BLOCK);                     \
  const size_t base = ((size_t)i * channels + channel) * size + k;
#define PART(BODY) PART_RUNS(BODY, NO_STEP, NO_STEP)
#define PART_SUMS(BODY, first, second)                                                                                 \
  {                                                                                                                    \
    SUMS_OPEN                                                                                                          \
    PART_RUNS(BODY, SUMS_STEP, SUMS_RUN)                                                                               \
    SUMS_CLOSE(0, first)                                                                                               \
    SUMS_CLOSE(1, second)                                                                                              \
  }
#else
#define PART(BODY)                     VALUES(from + lane, WG, end, BODY)
#define PART_LOOP(FIRST, STEP, BODY)   VALUES(from + FIRST, STEP, end, BODY)
#define PART_SUMS(BODY, first, second) GROUP_SUMS(PART_LOOP, BODY, first, second)
#endif
#define PART_START(PART_ID, CHANNEL_ID)                                                                                \
  const uint lane = (uint)get_local_id(0), part = PART_ID, channel = CHANNEL_ID;                                       \
  const uint from = part * chunk, end = min(images * size, from + chunk);
/* The launches behind the sums go backwards, since what was read last is still near. */
#define FORWARDS PART_START((uint)get_group_id(0), (uint)get_group_id(1))
#define BACKWARDS                                                                                                      \
  PART_START((uint)(get_num_groups(0) - 1 - get_group_id(0)), (uint)(get_num_groups(1) - 1 - get_group_id(1)))

#if CLG_WANT(batch_norm_part)
/* Of each part the mean, from the channel's shift on, and the deviation. */
__kernel void batch_norm_part(__global const float *x, const uint x_o, __global float *work, const uint work_o,
                              const uint images, const uint channels, const uint size, const uint chunk) {
  SUMS_LOCAL
  FORWARDS
  x += x_o;
  work += work_o;
  const float count = (float)(end - from), shift = channel_shift(x, images, channels, size, channel);
  MOMENTS_UNIT(shift)
  float mean, squares;
  for (;; MOMENTS_SHRINK(shift)) {
#if VW == 16
    moments all = moments_of(0.0f, 0.0f, 0.0f);
    for (uint e = from; e < end;) {
      PART_RUN(e)
      all = moments_add(all, x + base, len, unit, origin);
      e += len;
    }
    all = moments_end(all);
    mean = all.mean, squares = all.squares;
#else
    float around = 0.0f;
    PART_SUMS(SUM_AROUND, mean, squares)
    around = clg_div(mean, count);
    PART_SUMS(SUM_AROUND, mean, squares)
    mean = around + clg_div(mean, count);
#endif
    if (unit < 1.0f || (clg_finite(mean) && clg_finite(squares))) break;
  }
  if (lane > 0) return;
  work[part * channels + channel] = clg_div(mean, unit);
  work[((uint)get_num_groups(0) + part) * channels + channel] = clg_div(clg_sqrt(clg_div(squares, count)), unit);
}
#endif

#if CLG_WANT(batch_norm_shift)
/* What the mean of a part is measured from. Global id: channel. */
__kernel void batch_norm_shift(__global const float *x, const uint x_o, __global float *shift, const uint shift_o,
                               const uint images, const uint channels, const uint size) {
  const uint channel = (uint)get_global_id(0);
  if (channel < channels) shift[shift_o + channel] = channel_shift(x + x_o, images, channels, size, channel);
}
#endif

#define JOIN_START                                                                                                     \
  const uint first = (uint)get_global_id(0) * VW;                                                                      \
  if (first >= channels) return;                                                                                       \
  const uint w = min(channels - first, (uint)VW);                                                                      \
  work += work_o + first;

#if CLG_WANT(batch_norm_join)
/* mean, from the (first) shift on, and the sum of squares around it of the parts: as moments_join, in lanes. */
static void parts_join(__global const float *work, const uint w, const uint parts, const uint channels,
                       const uint count, const uint chunk, const bool shards, const float unit, float *mean,
                       float *squares) {
  __global const float *shift = work, *first_shift = work, *deviations = work + parts * channels;
  const uint step = shards ? 3 * channels : channels;
  if (shards) work += channels, deviations = work + channels;
  float mean_rest[VW], squares_rest[VW];
  for (uint l = 0; l < VW; l++) mean[l] = squares[l] = mean_rest[l] = squares_rest[l] = 0.0f;
  for (uint p = 0; p < parts; p++, work += step, deviations += step, shift += step) {
    const float done = (float)(p * chunk), n = (float)min(chunk, count - p * chunk), share = clg_div(n, done + n),
                spread = share * done;
    EACH_CHANNEL({
      const float from = shards ? shift[l] * unit - first_shift[l] * unit : 0.0f;
      const float d = from + work[l] * unit - mean[l];
      const float deviation = deviations[l] * unit;
      SUM_TAKE(float, mean[l], mean_rest[l], d *share)
      SUM_TAKE(float, squares[l], squares_rest[l], n *(deviation * deviation) + d * d * spread)
    })
  }
  for (uint l = 0; l < VW; l++) {
    mean[l] = clg_sum_end(mean[l], mean_rest[l]);
    squares[l] = clg_sum_end(squares[l], squares_rest[l]);
  }
}

/* Of the parts, `chunk` of x's values each, mean and rstd; the rest as batch_norm_forward. An item has VW channels;
 * global id: VW channels. */
__kernel void batch_norm_join(__global const float *x, const uint x_o, __global const float *work, const uint work_o,
                              __global float *running_mean, const uint running_mean_o, __global float *running_var,
                              const uint running_var_o, __global float *mean, const uint mean_o, __global float *rstd,
                              const uint rstd_o, const uint parts, const uint images, const uint channels,
                              const uint size, const uint chunk, const float eps, const float momentum,
                              const float unbias, const uint flags) {
  JOIN_START
  running_mean += running_mean_o + first;
  running_var += running_var_o + first;
  const uint count = images * size;
  const bool shards = flags & NORM_SHARDS;
  float means[VW], squares[VW], small_means[VW], small_squares[VW];
  bool again = false;
  if (!(flags & NORM_EVAL)) parts_join(work, w, parts, channels, count, chunk, shards, 1.0f, means, squares);
  for (uint l = 0; l < w; l++) again = again || (!(flags & NORM_EVAL) && !clg_finite(squares[l]));
  if (again) parts_join(work, w, parts, channels, count, chunk, shards, MOMENTS_SMALL, small_means, small_squares);
  for (uint l = 0; l < w; l++) {
    float mu = running_mean[l], var = running_var[l], scale = clg_rsqrt(var + eps);
    if (!(flags & NORM_EVAL)) {
      const bool small = again && !clg_finite(squares[l]);
      const float unit = small ? MOMENTS_SMALL : 1.0f;
      const float shift = shards ? work[l] : channel_shift(x + x_o, images, channels, size, first + l);
      mu = moments_mean(small ? small_means[l] : means[l], shift, unit);
      var = clg_div(small ? small_squares[l] : squares[l], (float)count);
      scale = moments_rstd(var, eps, unit);
      var = clg_div(clg_div(var, unit), unit);
    }
    if (flags & NORM_UPDATE) running_move(running_mean + l, running_var + l, mu, var, momentum, unbias);
    mean[mean_o + first + l] = mu;
    rstd[rstd_o + first + l] = scale;
  }
}
#endif

#define CHANNEL_START                                                                                                  \
  x += x_o;                                                                                                            \
  const float mu = mean[mean_o + channel], scale = rstd[rstd_o + channel];                                             \
  const float a = FACTOR_OF(scale, channel), b = OFFSET_OF(channel);

#if CLG_WANT(batch_norm_apply)
__kernel void batch_norm_apply(__global float *y, const uint y_o, CHANNEL_ARGS) {
  BACKWARDS
  CHANNEL_START
  y += y_o;
  PART(NORMALISE)
}
#endif

#if CLG_WANT(batch_norm_part_sums)
/* Sums of g and of g * xhat of each part. */
__kernel void batch_norm_part_sums(__global const float *g, const uint g_o, __global float *work, const uint work_o,
                                   CHANNEL_ARGS) {
  SUMS_LOCAL
  FORWARDS
  CHANNEL_START
  g += g_o;
  work += work_o;
  float sum_g, sum_h;
  PART_SUMS(SUM_BOTH, sum_g, sum_h)
  if (lane > 0) return;
  work[part * channels + channel] = sum_g;
  work[((uint)get_num_groups(0) + part) * channels + channel] = sum_h;
}
#endif

#if CLG_WANT(batch_norm_join_sums)
/* dgamma and dbeta as batch_norm_backward, and sums [2,C]: of g, of g * xhat. Global id: VW channels. */
__kernel void batch_norm_join_sums(__global const float *work, const uint work_o, __global float *sums,
                                   const uint sums_o, __global float *dgamma, const uint dgamma_o,
                                   __global float *dbeta, const uint dbeta_o, const uint parts, const uint channels,
                                   const uint flags) {
  JOIN_START
  const bool shards = flags & NORM_SHARDS;
  const uint step = shards ? 2 * channels : channels, second = shards ? channels : parts * channels;
  float sum_g[VW], sum_h[VW], rest_g[VW], rest_h[VW], block_g[VW], block_h[VW];
  for (uint l = 0; l < VW; l++) sum_g[l] = sum_h[l] = rest_g[l] = rest_h[l] = block_g[l] = block_h[l] = 0.0f;
  for (uint p = 0; p < parts; p++, work += step) {
    EACH_CHANNEL({
      block_g[l] += work[l];
      block_h[l] += work[second + l];
    })
    if (p % SUM_LONG != SUM_LONG - 1 && p + 1 < parts) continue;
    for (uint l = 0; l < VW; l++) {
      SUM_TAKE(float, sum_g[l], rest_g[l], block_g[l])
      SUM_TAKE(float, sum_h[l], rest_h[l], block_h[l])
      block_g[l] = block_h[l] = 0.0f;
    }
  }
  dgamma += dgamma_o + first;
  dbeta += dbeta_o + first;
  sums += sums_o + first;
  for (uint l = 0; l < w; l++) {
    const float all_g = clg_sum_end(sum_g[l], rest_g[l]), all_h = clg_sum_end(sum_h[l], rest_h[l]);
    if (flags & NORM_WANT_GAMMA) clg_sum_put(dgamma + l, all_h, flags & NORM_ADD_GAMMA);
    if (flags & NORM_WANT_BETA) clg_sum_put(dbeta + l, all_g, flags & NORM_ADD_BETA);
    sums[l] = all_g;
    sums[channels + l] = all_h;
  }
}
#endif

#if CLG_WANT(batch_norm_gradient)
__kernel void batch_norm_gradient(__global const float *g, const uint g_o, __global const float *sums,
                                  const uint sums_o, __global float *dx, const uint dx_o, CHANNEL_ARGS) {
  BACKWARDS
  CHANNEL_START
  g += g_o;
  dx += dx_o;
  const float count = (float)images * (float)size;
  const float mean_g = flags & NORM_EVAL ? 0.0f : clg_div(sums[sums_o + channel], count),
              mean_h = flags & NORM_EVAL ? 0.0f : clg_div(sums[sums_o + channels + channel], count);
  PART(GRADIENT)
}
#endif
