/* Batch norm of x [N,C]: VW neighbouring channels to an item, whose rows it reads together, in one launch; and, for
 * many rows, the parts of batch_norm_split.cl, which are blocks of rows here. One launch: global id: VW channels. */
#include "batch_norm.clh"

#define COLUMN_BLOCK 32u /* rows of a part that are summed around one guess of their mean */
/* The item's channels from an array of theirs: all of them, or channel l. */
#define LANE_VEC(t)   vload16(0, t)
#define LANE_float(t) (t)[l]
/* The sum over the rows of VALUE(V, LOAD) at `at`, of type V. */
#define ROWS_SUM(V, LOAD, VALUE, first, result)                                                                        \
  {                                                                                                                    \
    V total = 0.0f, rest = 0.0f;                                                                                       \
    for (uint i = 0; i < summed;) {                                                                                    \
      V block = 0.0f;                                                                                                  \
      for (const uint stop = min(summed, i + SUM_LONG); i < stop; i++) {                                               \
        const size_t at = (size_t)i * channels + (first);                                                              \
        block += VALUE(V, LOAD);                                                                                       \
      }                                                                                                                \
      SUM_TAKE(V, total, rest, block)                                                                                  \
    }                                                                                                                  \
    result = SUM_END(total, rest);                                                                                     \
  }
/* BODY(V, LOAD, STORE) at every row. */
#define ROWS_EACH(V, LOAD, STORE, BODY, first)                                                                         \
  for (uint i = 0; i < images; i++) {                                                                                  \
    const size_t at = (size_t)i * channels + (first);                                                                  \
    BODY(V, LOAD, STORE)                                                                                               \
  }
/* Both for the item's w channels: in a vector, if they fill one. */
#define COLUMN_LANES(RUN)                                                                                              \
  for (uint l = 0; l < w; l++) RUN
#if VW == 16
#define COLUMN_SUM(sum, VALUE)                                                                                         \
  if (w == VW) {                                                                                                       \
    VEC all;                                                                                                           \
    ROWS_SUM(VEC, VLOAD, VALUE, first, all)                                                                            \
    vstore16(all, 0, sum);                                                                                             \
  } else {                                                                                                             \
    COLUMN_LANES(ROWS_SUM(float, LOAD1, VALUE, first + l, sum[l]))                                                     \
  }
#define COLUMN_EACH(BODY)                                                                                              \
  if (w == VW) {                                                                                                       \
    ROWS_EACH(VEC, VLOAD, VSTORE, BODY, first)                                                                         \
  } else {                                                                                                             \
    COLUMN_LANES(ROWS_EACH(float, LOAD1, STORE1, BODY, first + l))                                                     \
  }
#else
#define COLUMN_SUM(sum, VALUE) COLUMN_LANES(ROWS_SUM(float, LOAD1, VALUE, first + l, sum[l]))
#define COLUMN_EACH(BODY)      COLUMN_LANES(ROWS_EACH(float, LOAD1, STORE1, BODY, first + l))
#endif
#define COLUMN_START                                                                                                   \
  const uint first = (uint)CLG_ITEM(0) * VW;                                                                           \
  if (first >= channels) return;                                                                                       \
  const uint w = min(channels - first, (uint)VW);
#define COLUMN_G(V, LOAD) ACT_GRADIENT_##V((LOAD(x + at) - LANE_##V(mu)) * LANE_##V(a) + LANE_##V(b), LOAD(g + at))

#if CLG_WANT(batch_norm_columns_forward)
CLG_KERNEL void batch_norm_columns_forward(FORWARD_ARGS) {
  COLUMN_START
  x += x_o;
  y += y_o;
  running_mean += running_mean_o + first;
  running_var += running_var_o + first;
  const uint summed = flags & NORM_EVAL ? 0 : images;
  const float count = (float)images;
  float shift[VW], around[VW], sum[VW], mu[VW], var[VW], scale[VW], a[VW], b[VW];
  for (uint l = 0; l < VW; l++) {
    shift[l] = around[l] = sum[l] = mu[l] = var[l] = scale[l] = a[l] = b[l] = 0.0f;
    if (l < w) shift[l] = channel_shift(x, images, channels, 1, first + l);
  }
  bool again = true;
  for (float unit = 1.0f; again; unit = MOMENTS_SMALL) {
#define FROM_SHIFT_OF(V, LOAD) FMA(LOAD(x + at), (V)(unit), -LANE_##V(shift) * unit)
    COLUMN_SUM(sum, FROM_SHIFT_OF)
    for (uint l = 0; l < VW; l++) around[l] = clg_div(sum[l], count);
#define AROUND_OF(V, LOAD) (FROM_SHIFT_OF(V, LOAD) - LANE_##V(around))
#define SQUARE_OF(V, LOAD) (AROUND_OF(V, LOAD) * AROUND_OF(V, LOAD))
    COLUMN_SUM(sum, SQUARE_OF)
    again = false;
    for (uint l = 0; l < w; l++) {
      if (unit < 1.0f && clg_finite(var[l])) continue;
      again = again || (unit == 1.0f && !clg_finite(sum[l])); /* as it is where the mean is */
      mu[l] = moments_mean(around[l], shift[l], unit);
      var[l] = clg_div(clg_div(clg_div(sum[l], count), unit), unit);
      scale[l] = moments_rstd(clg_div(sum[l], count), eps, unit);
    }
  }
  for (uint l = 0; l < w; l++) {
    const uint c = first + l;
    if (flags & NORM_EVAL) {
      mu[l] = running_mean[l], var[l] = running_var[l];
      scale[l] = clg_rsqrt(var[l] + eps);
    }
    a[l] = FACTOR_OF(scale[l], c), b[l] = OFFSET_OF(c);
    if (flags & NORM_UPDATE) running_move(running_mean + l, running_var + l, mu[l], var[l], momentum, unbias);
    mean[mean_o + c] = mu[l];
    rstd[rstd_o + c] = scale[l];
  }
#define COLUMN_RESULT(V, LOAD, STORE)                                                                                  \
  {                                                                                                                    \
    const V v = (LOAD(x + at) - LANE_##V(mu)) * LANE_##V(a) + LANE_##V(b);                                             \
    STORE(ACT_##V(v), y + at);                                                                                         \
  }
  COLUMN_EACH(COLUMN_RESULT)
}
#endif

#if CLG_WANT(batch_norm_columns_backward)
CLG_KERNEL void batch_norm_columns_backward(BACKWARD_ARGS) {
  COLUMN_START
  g += g_o;
  x += x_o;
  dx += dx_o;
  const uint summed = !(flags & NORM_EVAL) || (flags & (NORM_WANT_GAMMA | NORM_WANT_BETA)) ? images : 0;
  const float count = (float)images;
  float mu[VW], scale[VW], a[VW], b[VW], sum_g[VW], sum_h[VW];
  for (uint l = 0; l < VW; l++) {
    const bool here = l < w;
    sum_g[l] = sum_h[l] = 0.0f;
    mu[l] = here ? mean[mean_o + first + l] : 0.0f;
    scale[l] = here ? rstd[rstd_o + first + l] : 0.0f;
    a[l] = here && (flags & NORM_GAMMA) ? scale[l] * gamma[gamma_o + first + l] : scale[l];
    b[l] = here && (flags & NORM_BETA) ? beta[beta_o + first + l] : 0.0f;
  }
#define COLUMN_G_HAT(V, LOAD) (COLUMN_G(V, LOAD) * ((LOAD(x + at) - LANE_##V(mu)) * LANE_##V(scale)))
  COLUMN_SUM(sum_g, COLUMN_G)
  COLUMN_SUM(sum_h, COLUMN_G_HAT)
  for (uint l = 0; l < w; l++) {
    const uint c = first + l;
    if (flags & NORM_WANT_GAMMA) clg_sum_put(dgamma + dgamma_o + c, sum_h[l], flags & NORM_ADD_GAMMA);
    if (flags & NORM_WANT_BETA) clg_sum_put(dbeta + dbeta_o + c, sum_g[l], flags & NORM_ADD_BETA);
    sum_g[l] = flags & NORM_EVAL ? 0.0f : clg_div(sum_g[l], count);
    sum_h[l] = flags & NORM_EVAL ? 0.0f : clg_div(sum_h[l], count);
  }
#define COLUMN_GRADIENT(V, LOAD, STORE)                                                                                \
  {                                                                                                                    \
    V d = LANE_##V(a) *                                                                                                \
          (COLUMN_G(V, LOAD) - LANE_##V(sum_g) - (LOAD(x + at) - LANE_##V(mu)) * LANE_##V(scale) * LANE_##V(sum_h));   \
    if (flags & NORM_ADD_X) d += LOAD(dx + at);                                                                        \
    STORE(d, dx + at);                                                                                                 \
  }
  if (!(flags & NORM_WANT_X)) return;
  COLUMN_EACH(COLUMN_GRADIENT)
}
#endif

/* In parts: an item has a stripe of WIDE channels, so that it reads memory in long runs, and `chunk` rows. Global ids
 * (stripe, part). */
#if CLG_CPU
#define WIDE NORM_STRIPE
#define SPAN (WIDE + 32u) /* WIDE alone would put an item's arrays, and rows, into the same sets of a cache */
#else
#define WIDE 1u
#define SPAN WIDE
#endif
#define STRIPE_START(PART_ID)                                                                                          \
  const uint first = (uint)get_global_id(0) * WIDE, part = PART_ID;                                                    \
  if (first >= channels) return;                                                                                       \
  const uint w = WIDE == 1 ? 1 : min(channels - first, WIDE), from = part * chunk, end = min(images, from + chunk);
#define STRIPE_CHANNELS                                                                                                \
  float mu[SPAN], scale[SPAN], a[SPAN], b[SPAN];                                                                       \
  for (uint l = 0; l < w; l++) {                                                                                       \
    mu[l] = mean[mean_o + first + l];                                                                                  \
    scale[l] = rstd[rstd_o + first + l];                                                                               \
    a[l] = FACTOR_OF(scale[l], first + l);                                                                             \
    b[l] = OFFSET_OF(first + l);                                                                                       \
  }
#define STRIPE_G(at) ACT_GRADIENT_float((x[at] - mu[l]) * a[l] + b[l], g[at])
/* PUT(at, VALUE(at)) at every element of channel l in the rows [FROM, TO). Plain loops, which compilers make vectors
 * of. */
#define STRIPE_ROWS(FROM, TO, VALUE, PUT)                                                                              \
  SUM_IN_ORDER                                                                                                         \
  for (uint i = (FROM); i < (TO); i++) {                                                                               \
    const size_t row = (size_t)i * channels + first;                                                                   \
    for (uint l = 0; l < w; l++) {                                                                                     \
      const float v = VALUE(row + l);                                                                                  \
      PUT(row + l, v)                                                                                                  \
    }                                                                                                                  \
  }
/* The same, where four rows can share what they read of a channel: with no more than two buffers that might overlap. */
#define STRIPE_FOURS(FROM, TO, VALUE, PUT)                                                                             \
  {                                                                                                                    \
    uint four = (FROM);                                                                                                \
    SUM_IN_ORDER                                                                                                       \
    for (; four + 4 <= (TO); four += 4) {                                                                              \
      const size_t row = (size_t)four * channels + first;                                                              \
      for (uint l = 0; l < w; l++) {                                                                                   \
        const size_t at0 = row + l, at1 = at0 + channels, at2 = at1 + channels, at3 = at2 + channels;                  \
        const float v0 = VALUE(at0), v1 = VALUE(at1), v2 = VALUE(at2), v3 = VALUE(at3);                                \
        PUT(at0, v0)                                                                                                   \
        PUT(at1, v1)                                                                                                   \
        PUT(at2, v2)                                                                                                   \
        PUT(at3, v3)                                                                                                   \
      }                                                                                                                \
    }                                                                                                                  \
    STRIPE_ROWS(four, TO, VALUE, PUT)                                                                                  \
  }
/* The launch behind the sums goes backwards, since what was read last is still near. */
#define FROM_THE_LAST (uint)(get_global_size(1) - 1 - get_global_id(1))

#if CLG_WANT(batch_norm_columns_part)
__kernel void batch_norm_columns_part(__global const float *x, const uint x_o, __global float *work, const uint work_o,
                                      const uint images, const uint channels, const uint size, const uint chunk) {
  STRIPE_START((uint)get_global_id(1))
  x += x_o;
  __global float *part_mean = work + work_o + first + part * channels,
                 *deviation = part_mean + (uint)get_global_size(1) * channels;
  float shift[SPAN], mean[SPAN], squares[SPAN], rest[SPAN], sum[SPAN], around[SPAN];
  for (uint l = 0; l < w; l++) shift[l] = channel_shift(x, images, channels, 1, first + l);
  bool again = true;
  for (float unit = 1.0f; again; unit = MOMENTS_SMALL) {
    for (uint l = 0; l < w; l++) {
      mean[l] = FMA(x[(size_t)from * channels + first + l], unit, -shift[l] * unit);
      squares[l] = rest[l] = 0.0f;
    }
    for (uint block = from; block < end; block += COLUMN_BLOCK) {
      const uint last = min(end, block + COLUMN_BLOCK);
      for (uint l = 0; l < w; l++) sum[l] = around[l] = 0.0f;
#define FROM_MEAN(at) (FMA(x[at], unit, -shift[l] * unit) - mean[l])
#define ADD_MOMENTS(at, d)                                                                                             \
  sum[l] += d;                                                                                                         \
  around[l] = FMA(d, d, around[l]);
      STRIPE_FOURS(block, last, FROM_MEAN, ADD_MOMENTS)
      /* What was done before leaves its mean as the guess; the first block's is its first row. */
      for (uint l = 0; l < w; l++) {
        const float done = (float)(block - from);
        const moments m = moments_join(moments_of(done, mean[l], squares[l]),
                                       moments_around((float)(last - block), mean[l], sum[l], around[l]));
        mean[l] = m.mean;
        squares[l] = m.squares;
        rest[l] += m.squares_rest;
      }
    }
    int lost = 0;
    if (unit == 1.0f) {
      for (uint l = 0; l < w; l++) {
        part_mean[l] = mean[l];
        deviation[l] = clg_sqrt(clg_div(clg_sum_end(squares[l], rest[l]), (float)(end - from)));
      }
      for (uint l = 0; l < w; l++) lost |= !clg_finite(squares[l]); /* as they are where the mean is */
    } else {
      for (uint l = 0; l < w; l++) {
        if (clg_finite(deviation[l])) continue;
        part_mean[l] = clg_div(mean[l], unit);
        deviation[l] = clg_div(clg_sqrt(clg_div(clg_sum_end(squares[l], rest[l]), (float)(end - from))), unit);
      }
    }
    again = lost;
  }
}
#endif

#if CLG_WANT(batch_norm_columns_apply)
__kernel void batch_norm_columns_apply(__global float *y, const uint y_o, CHANNEL_ARGS) {
  STRIPE_START(FROM_THE_LAST)
  x += x_o;
  y += y_o;
  STRIPE_CHANNELS
#define NORMALISED(at)    ACT_float((x[at] - mu[l]) * a[l] + b[l])
#define PUT_RESULT(at, v) y[at] = v;
  STRIPE_FOURS(from, end, NORMALISED, PUT_RESULT)
}
#endif

#if CLG_WANT(batch_norm_columns_part_sums)
__kernel void batch_norm_columns_part_sums(__global const float *g, const uint g_o, __global float *work,
                                           const uint work_o, CHANNEL_ARGS) {
  STRIPE_START((uint)get_global_id(1))
  g += g_o;
  x += x_o;
  work += work_o + first;
  STRIPE_CHANNELS
  float sum_g[SPAN], sum_h[SPAN], rest_g[SPAN], rest_h[SPAN], block_g[SPAN], block_h[SPAN];
  for (uint l = 0; l < w; l++) sum_g[l] = sum_h[l] = rest_g[l] = rest_h[l] = 0.0f;
  for (uint block = from; block < end; block += SUM_LONG) {
    const uint last = min(end, block + SUM_LONG);
    for (uint l = 0; l < w; l++) block_g[l] = block_h[l] = 0.0f;
#define ADD_BOTH(at, v)                                                                                                \
  block_g[l] += v;                                                                                                     \
  block_h[l] += v * ((x[at] - mu[l]) * scale[l]);
    STRIPE_FOURS(block, last, STRIPE_G, ADD_BOTH)
    for (uint l = 0; l < w; l++) {
      SUM_TAKE(float, sum_g[l], rest_g[l], block_g[l])
      SUM_TAKE(float, sum_h[l], rest_h[l], block_h[l])
    }
  }
  for (uint l = 0; l < w; l++) {
    work[part * channels + l] = clg_sum_end(sum_g[l], rest_g[l]);
    work[((uint)get_global_size(1) + part) * channels + l] = clg_sum_end(sum_h[l], rest_h[l]);
  }
}
#endif

#if CLG_WANT(batch_norm_columns_gradient)
__kernel void batch_norm_columns_gradient(__global const float *g, const uint g_o, __global const float *sums,
                                          const uint sums_o, __global float *dx, const uint dx_o, CHANNEL_ARGS) {
  STRIPE_START(FROM_THE_LAST)
  g += g_o;
  x += x_o;
  dx += dx_o;
  sums += sums_o + first;
  STRIPE_CHANNELS
  float mean_g[SPAN], mean_h[SPAN];
  for (uint l = 0; l < w; l++) {
    mean_g[l] = flags & NORM_EVAL ? 0.0f : clg_div(sums[l], (float)images);
    mean_h[l] = flags & NORM_EVAL ? 0.0f : clg_div(sums[channels + l], (float)images);
  }
#define OF_X(at)            (a[l] * (STRIPE_G(at) - mean_g[l] - (x[at] - mu[l]) * scale[l] * mean_h[l]))
#define PUT_GRADIENT(at, d) dx[at] = flags & NORM_ADD_X ? dx[at] + d : d;
  STRIPE_ROWS(from, end, OF_X, PUT_GRADIENT)
}
#endif
