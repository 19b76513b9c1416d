/* Batch norm of x [N,C,S] over N and S, one mean and rstd a channel. A work-group owns a channel: one item in vectors
 * on a CPU, WG items that share their sums through local memory on a GPU. Work-groups of WG; group id: channel. Each
 * image's part is summed by itself first, which keeps the rounding error of large batches down. */
#define GAMMA      1u
#define BETA       2u
#define EVAL       4u
#define UPDATE     8u
#define WANT_X     16u
#define WANT_GAMMA 32u
#define WANT_BETA  64u
#define ADD_X      128u
#define ADD_GAMMA  256u
#define ADD_BETA   512u

#if VW == 16
typedef float16 VEC;
#define VLOAD(p)     vload16(0, p)
#define VSTORE(v, p) vstore16(v, 0, p)
#else
#define VLOAD(p)     (*(p))
#define VSTORE(v, p) (*(p) = (v))
#endif
#define LOAD1(p)     (*(p))
#define STORE1(v, p) (*(p) = (v))

/* Runs BODY(V, LOAD, STORE) at every element `at` of the channel in the first N images, and OPEN and CLOSE around each
 * image (a GPU's lanes run through all images in one sweep). A CPU takes image IMAGE at step i: the pass behind the
 * sums runs backwards, since what they read last is still near. */
#if VW == 16
#define CHANNEL(N, IMAGE, OPEN, BODY, CLOSE)                                                                           \
  for (uint i = 0; i < (N); i++) {                                                                                     \
    const size_t base = ((size_t)(IMAGE)*channels + channel) * size;                                                   \
    OPEN;                                                                                                              \
    for (uint j = 0; j + VW <= size; j += VW) {                                                                        \
      const size_t at = base + j;                                                                                      \
      BODY(VEC, VLOAD, VSTORE)                                                                                         \
    }                                                                                                                  \
    for (uint j = size / VW * VW; j < size; j++) {                                                                     \
      const size_t at = base + j;                                                                                      \
      BODY(float, LOAD1, STORE1)                                                                                       \
    }                                                                                                                  \
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

/* The sums of an image: whole vectors and what is left, by the type of what is added. */
#if VW == 16
#define OPEN_SUM                                                                                                       \
  VEC part = 0.0f;                                                                                                     \
  float rest = 0.0f
#define TOTAL (clg_lanes_sum(part) + rest)
#define OPEN_SUM_H                                                                                                     \
  VEC part_h = 0.0f;                                                                                                   \
  float rest_h = 0.0f
#define TOTAL_H        (clg_lanes_sum(part_h) + rest_h)
#define ADD_VEC(v)     part += v;
#define ADD_float(v)   rest += v;
#define ADD_H_VEC(v)   part_h += v;
#define ADD_H_float(v) rest_h += v;
#else
#define OPEN_SUM       float rest = 0.0f
#define TOTAL          rest
#define OPEN_SUM_H     float rest_h = 0.0f
#define TOTAL_H        rest_h
#define ADD_float(v)   rest += v;
#define ADD_H_float(v) rest_h += v;
#endif

/* The activation behind it, CLG_EPILOGUE of the prelude: of v, and the gradient at `at` before it. It is called on
 * scalars, as the elementwise kernel does. */
#ifdef CLG_EPILOGUE
#define ACT_float(v)  CLG_EPILOGUE(v, param)
#define G_float(LOAD) CLG_EPILOGUE_GRADIENT((x[at] - mu) * a + b, param, g[at])
#if VW == 16
static float16 act_lanes(const float16 v, const float param) {
  float lane[16];
  vstore16(v, 0, lane);
  for (int l = 0; l < 16; l++) lane[l] = CLG_EPILOGUE(lane[l], param);
  return vload16(0, lane);
}
static float16 gradient_lanes(const float16 v, const float param, const float16 g) {
  float lane[16], d[16];
  vstore16(v, 0, lane);
  vstore16(g, 0, d);
  for (int l = 0; l < 16; l++) d[l] = CLG_EPILOGUE_GRADIENT(lane[l], param, d[l]);
  return vload16(0, d);
}
#define ACT_VEC(v)  act_lanes(v, param)
#define G_VEC(LOAD) gradient_lanes((LOAD(x + at) - mu) * a + b, param, LOAD(g + at))
#endif
#else
#define ACT_float(v)  (v)
#define ACT_VEC(v)    (v)
#define G_float(LOAD) LOAD(g + at)
#define G_VEC(LOAD)   LOAD(g + at)
#endif

#if CLG_WANT(batch_norm_forward)
#if VW == 16
/* The mean of x[0..n), and the sum of squares around it. */
#define BLOCK       1024
#define LEAST_BLOCK 256 /* where joining costs little beside the sums */
inline float block_mean(__global const float *x, const uint n) {
  OPEN_SUM;
  uint j = 0;
  for (; j + VW <= n; j += VW) part += VLOAD(x + j);
  for (; j < n; j++) rest += x[j];
  return TOTAL / (float)n;
}
inline float block_squares(__global const float *x, const uint n, const float mu) {
  OPEN_SUM;
  uint j = 0;
  for (; j + VW <= n; j += VW) {
    const VEC d = VLOAD(x + j) - mu;
    part += d * d;
  }
  for (; j < n; j++) rest += (x[j] - mu) * (x[j] - mu);
  return TOTAL;
}
#endif
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
  /* Both passes block by block while it is near, joined as by Chan et al. 1979. */
  float done = 0.0f;
  for (uint i = 0; in_blocks && i < summed; i++)
    for (uint from = 0; from < size; from += BLOCK) {
      __global const float *p = x + ((size_t)i * channels + channel) * size + from;
      const uint len = min(size - from, (uint)BLOCK);
      const float mean_b = block_mean(p, len), squares_b = block_squares(p, len, mean_b);
      const float d = mean_b - mu, part = (float)len / (done + (float)len);
      sum = done > 0.0f ? sum + squares_b + d * d * (part * done) : squares_b;
      mu = done > 0.0f ? mu + d * part : mean_b;
      done += (float)len;
    }
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
#define NORMALISE(V, LOAD, STORE)                                                                                      \
  {                                                                                                                    \
    const V v = (LOAD(x + at) - mu) * a + b;                                                                           \
    STORE(ACT_##V(v), y + at);                                                                                         \
  }
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

#if CLG_WANT(batch_norm_backward)
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
#define SUM_BOTH(V, LOAD, STORE)                                                                                       \
  {                                                                                                                    \
    const V v = G_##V(LOAD);                                                                                           \
    ADD_##V(v) ADD_H_##V(v *((LOAD(x + at) - mu) * scale))                                                             \
  }
#define OPEN_SUMS                                                                                                      \
  OPEN_SUM;                                                                                                            \
  OPEN_SUM_H
#define CLOSE_SUMS                                                                                                     \
  sum_g += TOTAL;                                                                                                      \
  sum_h += TOTAL_H
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
#define GRADIENT(V, LOAD, STORE)                                                                                       \
  {                                                                                                                    \
    V d = a * (G_##V(LOAD) - mean_g - (LOAD(x + at) - mu) * scale * mean_h);                                           \
    if (flags & ADD_X) d += LOAD(dx + at);                                                                             \
    STORE(d, dx + at);                                                                                                 \
  }
  CHANNEL(images, images - 1 - i, , GRADIENT, )
}
#endif

/* The same for x [N,C]: an item has VW neighbouring channels, whose rows it reads together. Global id: VW channels.
 * Sums are made of blocks of rows, which keeps the rounding error of many rows down. */
#define COLUMN_BLOCK 64u
/* Runs BODY for each of the item's channels l; whole vectors at a known count, so that they stay vectors. */
#define LANES(BODY)                                                                                                    \
  if (w == VW) {                                                                                                       \
    for (uint l = 0; l < VW; l++) BODY                                                                                 \
  } else {                                                                                                             \
    for (uint l = 0; l < w; l++) BODY                                                                                  \
  }
#define COLUMN_SUM(sum, VALUE)                                                                                         \
  for (uint from = 0; from < summed; from += COLUMN_BLOCK) {                                                           \
    float block[VW];                                                                                                   \
    for (uint l = 0; l < VW; l++) block[l] = 0.0f;                                                                     \
    for (uint i = from; i < min(summed, from + COLUMN_BLOCK); i++) {                                                   \
      const size_t row = (size_t)i * channels + first;                                                                 \
      LANES({                                                                                                          \
        const size_t at = row + l;                                                                                     \
        block[l] += VALUE;                                                                                             \
      })                                                                                                               \
    }                                                                                                                  \
    for (uint l = 0; l < VW; l++) sum[l] += block[l];                                                                  \
  }
#define COLUMN_START                                                                                                   \
  const uint first = (uint)get_global_id(0) * VW;                                                                      \
  if (first >= channels) return;                                                                                       \
  const uint w = min(channels - first, (uint)VW);
#ifdef CLG_EPILOGUE
#define COLUMN_G CLG_EPILOGUE_GRADIENT((x[at] - mu[l]) * a[l] + b[l], param, g[at])
#else
#define COLUMN_G g[at]
#endif

#if CLG_WANT(batch_norm_columns_forward)
__kernel void batch_norm_columns_forward(__global const float *x, const uint x_o, __global const float *gamma,
                                         const uint gamma_o, __global const float *beta, const uint beta_o,
                                         __global float *running_mean, const uint running_mean_o,
                                         __global float *running_var, const uint running_var_o, __global float *y,
                                         const uint y_o, __global float *mean, const uint mean_o, __global float *rstd,
                                         const uint rstd_o, const uint images, const uint channels, const uint size,
                                         const float eps, const float momentum, const float unbias, const uint flags,
                                         const float param) {
  COLUMN_START
  x += x_o;
  y += y_o;
  running_mean += running_mean_o + first;
  running_var += running_var_o + first;
  const uint summed = flags & EVAL ? 0 : images;
  const float count = (float)images;
  float sum[VW], mu[VW], a[VW], b[VW];
  for (uint l = 0; l < VW; l++) sum[l] = mu[l] = a[l] = b[l] = 0.0f;
  COLUMN_SUM(sum, x[at])
  LANES(mu[l] = flags & EVAL ? running_mean[l] : sum[l] / count;)
  for (uint l = 0; l < VW; l++) sum[l] = 0.0f;
  COLUMN_SUM(sum, (x[at] - mu[l]) * (x[at] - mu[l]))
  for (uint l = 0; l < w; l++) {
    const uint c = first + l;
    const float var = flags & EVAL ? running_var[l] : sum[l] / count, scale = 1.0f / sqrt(var + eps);
    a[l] = flags & GAMMA ? scale * gamma[gamma_o + c] : scale;
    b[l] = flags & BETA ? beta[beta_o + c] : 0.0f;
    if (flags & UPDATE) {
      running_mean[l] = (1.0f - momentum) * running_mean[l] + momentum * mu[l];
      running_var[l] = (1.0f - momentum) * running_var[l] + momentum * (var * unbias);
    }
    mean[mean_o + c] = mu[l];
    rstd[rstd_o + c] = scale;
  }
  for (uint i = 0; i < images; i++) {
    const size_t row = (size_t)i * channels + first;
    LANES(y[row + l] = ACT_float((x[row + l] - mu[l]) * a[l] + b[l]);)
  }
}
#endif

#if CLG_WANT(batch_norm_columns_backward)
__kernel void batch_norm_columns_backward(__global const float *g, const uint g_o, __global const float *x,
                                          const uint x_o, __global const float *gamma, const uint gamma_o,
                                          __global const float *beta, const uint beta_o, __global const float *mean,
                                          const uint mean_o, __global const float *rstd, const uint rstd_o,
                                          __global float *dx, const uint dx_o, __global float *dgamma,
                                          const uint dgamma_o, __global float *dbeta, const uint dbeta_o,
                                          const uint images, const uint channels, const uint size, const uint flags,
                                          const float param) {
  COLUMN_START
  g += g_o;
  x += x_o;
  dx += dx_o;
  const uint summed = !(flags & EVAL) || (flags & (WANT_GAMMA | WANT_BETA)) ? images : 0;
  const float count = (float)images;
  float mu[VW], scale[VW], a[VW], b[VW], sum_g[VW], sum_h[VW];
  for (uint l = 0; l < VW; l++) {
    const bool here = l < w;
    sum_g[l] = sum_h[l] = 0.0f;
    mu[l] = here ? mean[mean_o + first + l] : 0.0f;
    scale[l] = here ? rstd[rstd_o + first + l] : 0.0f;
    a[l] = here && (flags & GAMMA) ? scale[l] * gamma[gamma_o + first + l] : scale[l];
    b[l] = here && (flags & BETA) ? beta[beta_o + first + l] : 0.0f;
  }
  COLUMN_SUM(sum_g, COLUMN_G)
  COLUMN_SUM(sum_h, COLUMN_G * ((x[at] - mu[l]) * scale[l]))
  for (uint l = 0; l < w; l++) {
    const uint c = first + l;
    if (flags & WANT_GAMMA) dgamma[dgamma_o + c] = flags & ADD_GAMMA ? dgamma[dgamma_o + c] + sum_h[l] : sum_h[l];
    if (flags & WANT_BETA) dbeta[dbeta_o + c] = flags & ADD_BETA ? dbeta[dbeta_o + c] + sum_g[l] : sum_g[l];
    sum_g[l] = flags & EVAL ? 0.0f : sum_g[l] / count;
    sum_h[l] = flags & EVAL ? 0.0f : sum_h[l] / count;
  }
  for (uint i = 0; (flags & WANT_X) && i < images; i++) {
    const size_t row = (size_t)i * channels + first;
    LANES({
      const size_t at = row + l;
      const float d = a[l] * (COLUMN_G - sum_g[l] - (x[at] - mu[l]) * scale[l] * sum_h[l]);
      dx[at] = flags & ADD_X ? dx[at] + d : d;
    })
  }
}
#endif
