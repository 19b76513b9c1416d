/* Group norm of x [N,C,S]: one mean and rstd for each group of `of` channels of an image, which lie side by side: n of
 * S elements, a row. A work-group has a row, WG items sharing sums through local memory, on a GPU; some rows, in
 * vectors, on a CPU. Work-groups of WG. Backward takes an activation's derivative from its argument, made again. */
#include "activation.clh"
#include "rows.clh"

/* Runs BODY(V, LOAD, STORE) at each element j of the row, with gain and offset of its channel; -0 changes nothing. */
#define CHANNEL_OF(c)                                                                                                  \
  const float gain = flags & NORM_GAMMA ? gamma[c] : 1.0f, offset = flags & NORM_BETA ? beta[c] : -0.0f;
#if VW == 16
#define CHANNEL_EACH(BODY)                                                                                             \
  uint j = k * size;                                                                                                   \
  for (; j + VW <= end; j += VW) BODY(VEC, VLOAD, VSTORE)                                                              \
  for (; j < end; j++) BODY(float, LOAD1, STORE1)
#else
#define CHANNEL_EACH(BODY)                                                                                             \
  for (uint j = k * size + lane; j < end; j += WG) BODY(float, LOAD1, STORE1)
#endif
#define ROW_EACH(BODY)                                                                                                 \
  for (uint k = 0; k < of; k++) {                                                                                      \
    CHANNEL_OF(k + group * of)                                                                                         \
    const uint end = (k + 1) * size;                                                                                   \
    CHANNEL_EACH(BODY)                                                                                                 \
  }
/* (x - mean) * rstd, and what an activation is given. */
#define HAT(LOAD) ((LOAD(x + j) - mu) * scale)
#define GIVEN(h)  ((h)*gain + offset)

/* y = act((x - mean) * rstd * gamma + beta); mean and rstd [N,groups] are kept for backward. */
#if CLG_WANT(group_norm_forward)
#define PUT_Y(V, LOAD, STORE) STORE(ACT_##V(GIVEN(HAT(LOAD))), y + j);
CLG_KERNEL void group_norm_forward(ROW_ARGS, const uint rows, const uint groups, const uint of, const uint size,
                                   const float eps, const uint flags, const float2 numbers) {
  ROW_UNPACK
  const uint n = of * size;
  EACH_ROW((uint)CLG_GROUP(0)) {
    const uint group = row % groups;
    ROW_OPEN(n, eps)
    ROW_EACH(PUT_Y)
  }
}
#endif

#if CLG_WANT(group_norm_backward)
/* z, the gradient before the activation, and the sums of z and z * xhat over a run of one channel. */
#define Z(V, LOAD, h)    ACT_GRADIENT_##V(GIVEN(h), LOAD(g + j))
#define Z_TERMS(V, LOAD) const V hat = HAT(LOAD), first = Z(V, LOAD, hat), second = first * hat;
#define PUT_DX(V, LOAD, STORE)                                                                                         \
  {                                                                                                                    \
    const V hat = HAT(LOAD);                                                                                           \
    V d = scale * (Z(V, LOAD, hat) * gain - mean_h - hat * mean_hat);                                                  \
    if (flags & NORM_ADD_X) d += LOAD(dx + j);                                                                         \
    STORE(d, dx + j);                                                                                                  \
  }
/* A work-group has `span` groups of `chunk` images. With z and h = z * gamma: dx (+)= rstd * (h - mean(h) - xhat *
 * mean(h * xhat)), and of each channel the sums over its images of z * xhat and z, into dgamma and dbeta [chunks,C],
 * or added to these: those that flags want. Group ids (span, chunk). */
CLG_KERNEL void group_norm_backward(__global const float *g_all, const uint g_o, __global const float *x_all,
                                    const uint x_o, __global const float *gamma, const uint gamma_o,
                                    __global const float *beta, const uint beta_o, __global const float *mean,
                                    const uint mean_o, __global const float *rstd, const uint rstd_o,
                                    __global float *dx_all, const uint dx_o, __global float *dgamma,
                                    const uint dgamma_o, __global float *dbeta, const uint dbeta_o, const uint images,
                                    const uint groups, const uint of, const uint size, const uint span,
                                    const uint chunk, const uint flags, const float2 numbers) {
  ROW_LOCAL
  const uint lane = CLG_LANE, part = (uint)CLG_GROUP(1), n = of * size;
  const uint first_group = (uint)CLG_GROUP(0) * span, end_group = min(groups, first_group + span);
  const uint first_image = part * chunk, end_image = min(images, first_image + chunk);
  g_all += g_o;
  x_all += x_o;
  dx_all += dx_o;
  gamma += gamma_o;
  beta += beta_o;
  dgamma += dgamma_o + part * groups * of;
  dbeta += dbeta_o + part * groups * of;
  for (uint image = first_image; image < end_image; image++) {
    for (uint group = first_group; group < end_group; group++) {
      const uint row = image * groups + group;
      const float mu = mean[mean_o + row], scale = rstd[rstd_o + row];
      clg_sum sum_h = clg_sum_of(0.0f), sum_hat = clg_sum_of(0.0f);
      for (uint k = 0; k < of; k++) {
        const uint c = group * of + k;
        CHANNEL_OF(c)
        __global const float *x = x_all + ((size_t)row * of + k) * size, *g = g_all + ((size_t)row * of + k) * size;
        float sum_z, sum_z_hat;
        ROW_SUMS(size, Z_TERMS, sum_z, sum_z_hat)
        sum_h = clg_sum_add(sum_h, gain * sum_z);
        sum_hat = clg_sum_add(sum_hat, gain * sum_z_hat);
        const bool begun = image > first_image;
        if (lane == 0 && (flags & NORM_WANT_GAMMA))
          clg_sum_put(dgamma + c, sum_z_hat, begun || (flags & NORM_ADD_GAMMA));
        if (lane == 0 && (flags & NORM_WANT_BETA)) clg_sum_put(dbeta + c, sum_z, begun || (flags & NORM_ADD_BETA));
      }
      if (!(flags & NORM_WANT_X)) continue;
      const float mean_h = clg_div(clg_sum_done(sum_h), (float)n), mean_hat = clg_div(clg_sum_done(sum_hat), (float)n);
      __global const float *x = x_all + (size_t)row * n, *g = g_all + (size_t)row * n;
      __global float *dx = dx_all + (size_t)row * n;
      ROW_EACH(PUT_DX)
    }
  }
}
#endif
