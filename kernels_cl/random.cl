/* Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11): a block of four numbers for each counter value, keyed by the seed. */
uint4 philox(uint4 c, uint2 k) {
  for (int round = 0; round < 10; round++) {
    const uint h0 = mul_hi(0xD2511F53u, c.s0), l0 = 0xD2511F53u * c.s0;
    const uint h1 = mul_hi(0xCD9E8D57u, c.s2), l1 = 0xCD9E8D57u * c.s2;
    c = (uint4)(h1 ^ c.s1 ^ k.s0, l1, h0 ^ c.s3 ^ k.s1, l0);
    k += (uint2)(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}

/* 24 bits: [0, 1) in steps that float holds exactly, whatever the rounding. */
#define UNIT(u) ((float)((u) >> 8) * 5.9604644775390625e-8f)

/* out[4i..4i+3] of n elements from counter block position + i; one item a block. a, b: low and width, or mean and deviation. */
#define RANDOM(NAME, FOUR)                                                                                                   \
  __kernel void NAME(__global float *out_p, const uint out_o, const uint n, const ulong seed, const ulong position,          \
                     const float a, const float b) {                                                                         \
    const size_t i = get_global_id(0);                                                                                       \
    if (4 * i >= n) return;                                                                                                  \
    const ulong at = position + i;                                                                                           \
    const uint4 u = philox((uint4)((uint)at, (uint)(at >> 32), 0, 0), (uint2)((uint)seed, (uint)(seed >> 32)));              \
    float v[4];                                                                                                              \
    FOUR                                                                                                                     \
    for (size_t e = 0; e < 4 && 4 * i + e < n; e++) out_p[out_o + 4 * i + e] = v[e];                                         \
  }
#define UNIFORM                                                                                                              \
  v[0] = a + b * UNIT(u.s0), v[1] = a + b * UNIT(u.s1), v[2] = a + b * UNIT(u.s2), v[3] = a + b * UNIT(u.s3);
/* Box-Muller: 1 - UNIT is in (0, 1], so that the logarithm is finite. */
#define NORMAL                                                                                                               \
  const float r0 = sqrt(-2.0f * log(1.0f - UNIT(u.s0))), r1 = sqrt(-2.0f * log(1.0f - UNIT(u.s2)));                          \
  const float p0 = 6.28318530717958648f * UNIT(u.s1), p1 = 6.28318530717958648f * UNIT(u.s3);                                \
  v[0] = a + b * (r0 * cos(p0)), v[1] = a + b * (r0 * sin(p0)), v[2] = a + b * (r1 * cos(p1)), v[3] = a + b * (r1 * sin(p1));
#if CLG_WANT(random_uniform)
RANDOM(random_uniform, UNIFORM)
#endif
#if CLG_WANT(random_normal)
RANDOM(random_normal, NORMAL)
#endif
