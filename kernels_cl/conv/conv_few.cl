/* Convolutions of few channels on a CPU, in vectors of pixels instead of channels. An item copies what a block of
 * outputs reads into private memory (the patch), zeros around it, and rows and columns apart by their remainders of the
 * stride: outputs that follow each other then read what follows each other. Sums lie in rows of the patch's pitch, so
 * that vectors run on past the ends of rows; what they sum there is not used. */
#include "conv_patch.clh"

#define FEW_TILE  WHOLE_VECS /* vectors in registers */
#define FEW_SLACK 32         /* floats past the patch that vectors may reach */

/* How the patch of a channel is laid out, [in_sy][in_sx][h][pitch], and what a block of outputs comes to. */
typedef struct few {
  int h, pitch, plane, vectors;
} few;
static few few_of(const conv s, const int rows, const int cols) {
  const int h = (s.patch_h + s.in_sy - 1) / s.in_sy, pitch = (s.patch_w + s.in_sx - 1) / s.in_sx;
  const few f = {h, pitch, s.in_sy * s.in_sx * h * pitch, ((rows - 1) * pitch + cols + LANES - 1) / LANES};
  return f;
}
/* Where the element of row r and column c is. */
static uint few_at(const conv s, const few f, const int r, const int c) {
  return (uint)(((r % s.in_sy * s.in_sx + c % s.in_sx) * f.h + r / s.in_sy) * f.pitch + c / s.in_sx);
}

/* n elements go from column c on to the row at `to`, `apart` by their remainders. */
static void part_row(__global const float *from, const int n, const int c, const int stride, const int apart,
                     float *to) {
  int i = 0;
  if (stride == 1) {
    copy_row(from, to + c, n);
    return;
  }
  if (stride == 2) {
    float *even = to + c % 2 * apart + c / 2, *odd = to + (1 - c % 2) * apart + (c + 1) / 2;
    for (; i + 16 <= n; i += 16) {
      const float16 v = CLG_LOAD16(from + i);
      vstore8(v.even, i / 16, even);
      vstore8(v.odd, i / 16, odd);
    }
    for (; i + 4 <= n; i += 4) {
      const float4 v = vload4(0, from + i);
      vstore2(v.even, i / 4, even);
      vstore2(v.odd, i / 4, odd);
    }
  }
  for (; i < n; i++) to[(c + i) % stride * apart + (c + i) / stride] = from[i];
}
/* The patch of a channel from (y0, x0) of its plane; what lies outside is left as it is. */
static void part_plane(__global const float *in, const conv s, const few f, const int y0, const int x0, float *patch) {
  const int left = clamp(-x0, 0, s.patch_w), n = clamp(s.in_w - x0, left, s.patch_w) - left;
  const int top = clamp(-y0, 0, s.patch_h), bottom = clamp(s.in_h - y0, top, s.patch_h);
  in += (ptrdiff_t)(y0 + top) * s.in_w + x0 + left;
  if (s.in_sy == 1 && s.in_sx == 1) {
    patch += top * f.pitch + left;
    for (int r = top; r < bottom; r++, in += s.in_w, patch += f.pitch) copy_row(in, patch, n);
  } else {
    for (int r = top; r < bottom; r++, in += s.in_w)
      part_row(in, n, left, s.in_sx, f.h * f.pitch, patch + few_at(s, f, r, 0));
  }
}
static void clear(float *to, const int n) {
  for (int i = 0; i < n; i++) to[i] = 0.0f;
}

#if CLG_WANT(conv_few_channels)
/* Vectors of sums at once of a tile of CONV_FEW_ROWS channels. */
#if REGISTER_LANES == 16
#define FEW_TILE_VECS 4
#else
#define FEW_TILE_VECS 1
#endif

/* N vectors of sums from v on of ROWS channels, of which `rows` exist, over a panel of kn steps. */
#define FEW_SUMS(SPACE, ROWS, N)                                                                                       \
  for (; v + N <= vectors; v += N) {                                                                                   \
    SPACE const float *weight[ROWS];                                                                                   \
    float16 s[ROWS][N], x[N];                                                                                          \
    EACH_OF(ROWS, r) {                                                                                                 \
      weight[r] = w + min(r, rows - 1) * ld;                                                                           \
      EACH_OF(N, i) s[r][i] = (float16)(0.0f);                                                                         \
    }                                                                                                                  \
    for (uint p = 0; p < kn; p++) {                                                                                    \
      const float *from = patch + offset[p] + v * LANES;                                                               \
      EACH_OF(N, i) x[i] = LOAD16_OF(__private, from + i * LANES);                                                     \
      EACH_OF(ROWS, r) {                                                                                               \
        const float16 e = (float16)(weight[r][p]);                                                                     \
        EACH_OF(N, i) s[r][i] = FMA(x[i], e, s[r][i]);                                                                 \
      }                                                                                                                \
    }                                                                                                                  \
    EACH_OF(ROWS, r) {                                                                                                 \
      float16 *to = sums + r * apart + v;                                                                              \
      if (r < rows) EACH_OF(N, i) to[i] = first ? s[r][i] : to[i] + s[r][i];                                           \
    }                                                                                                                  \
  }
/* sums [rows][apart], `vectors` of each, from weights [rows][ld]. */
#define FEW_PANEL(NAME, SPACE)                                                                                         \
  static void NAME(const float *patch, const uint *offset, SPACE const float *w, const uint ld, uint rows,             \
                   const uint kn, const bool first, const int vectors, const uint apart, float16 *sums) {              \
    if (rows > 2) {                                                                                                    \
      int v = 0;                                                                                                       \
      FEW_SUMS(SPACE, CONV_FEW_ROWS, FEW_TILE_VECS)                                                                    \
      FEW_SUMS(SPACE, CONV_FEW_ROWS, 1)                                                                                \
      return;                                                                                                          \
    }                                                                                                                  \
    for (; rows; rows--, w += ld, sums += apart) {                                                                     \
      int v = 0;                                                                                                       \
      FEW_SUMS(SPACE, 1, WHOLE_VECS)                                                                                   \
      FEW_SUMS(SPACE, 1, WHOLE_VECS / 2)                                                                               \
      FEW_SUMS(SPACE, 1, 1)                                                                                            \
    }                                                                                                                  \
  }
FEW_PANEL(few_panel, __global)
FEW_PANEL(few_panel_own, __private)

static float16 finished(const sink k, const float16 v) {
  const float2 numbers = k.numbers;
  return ACT_VEC(k.flags & CONV_BIAS ? v + k.bias[k.bias_o] : v);
}
/* n <= 16 values of a row, which begin at `at`. */
static void put16(const sink k, const size_t at, const int n, float16 v) {
  __global float *to = k.out + k.out_o + at;
  float lane[LANES] __attribute__((aligned(64)));
  if (k.flags & CONV_ADD) {
    for (int l = 0; l < LANES; l++) lane[l] = l < n ? to[l] : 0.0f;
    v = LOAD16_OF(__private, lane) + v;
  }
  v = finished(k, v);
  if (n == LANES) {
    CLG_STORE16(v, to);
    return;
  }
  *(float16 *)lane = v;
  for (int l = 0; l < n; l++) to[l] = lane[l];
}
/* A row of `cols` sums of each phase along x, `apart` from one to the next, becomes a row of n results. The last vector
 * of a row covers some of the one before. */
static void put_row(const sink k, const size_t at, const float *sums, const int apart, const int phases, const int n) {
  __global float *to = k.out + k.out_o + at;
  const bool add = k.flags & CONV_ADD;
  if (phases == 1 && n >= 8 && n < LANES && !add) {
    vstore8(finished(k, LOAD16_OF(__private, sums)).lo, 0, to);
    vstore8(finished(k, LOAD16_OF(__private, sums + n - 8)).lo, 0, to + n - 8);
  } else if (phases == 1 && n >= 4 && n < 8 && !add) {
    vstore4(finished(k, LOAD16_OF(__private, sums)).lo.lo, 0, to);
    vstore4(finished(k, LOAD16_OF(__private, sums + n - 4)).lo.lo, 0, to + n - 4);
  } else if (phases == 1) {
    const int last = n < LANES || add ? n : n - LANES;
    for (int x = 0; x < n; x += LANES) {
      const int first = min(x, last);
      put16(k, at + first, min(n - first, LANES), LOAD16_OF(__private, sums + first));
    }
  } else if (phases == 2) {
    for (int x = 0; x < n; x += 2 * LANES) {
      const float16 a = LOAD16_OF(__private, sums + x / 2), b = LOAD16_OF(__private, sums + apart + x / 2);
      put16(k, at + x, min(n - x, LANES), in_turn_low(a, b));
      if (n - x > LANES) put16(k, at + x + LANES, min(n - x - LANES, LANES), in_turn_high(a, b));
    }
  } else {
    for (int x = 0; x < n; x++) put1(k, at + x, 0, sums[x % phases * apart + x / phases]);
  }
}

/* `per` groups; CONV_FEW_ROWS output channels at a time, and `chunk` input channels: all of them where there are more
 * output channels. Group ids (block of an image, groups). */
CLG_KERNEL void conv_few_channels(__global const float *in, const uint in_o, __global const float *w, const uint w_o,
                                  __global float *out, const uint out_o, __global const float *bias, const uint bias_o,
                                  const float2 numbers, CONV_ARGS) {
  const conv s = conv_of(sa, sb, sc, sd);
  const int block = (int)CLG_GROUP(0), n = block / (s.blocks_y * s.blocks_x), kk = s.k_h * s.k_w;
  const int g0 = (int)CLG_GROUP(1) * s.per, g1 = min(g0 + s.per, s.groups), phases = s.out_sy * s.out_sx;
  if (n >= s.batch) return;
  const int qy = block / s.blocks_x % s.blocks_y * s.rows, qx = block % s.blocks_x * s.cols;
  const int rows = min(s.rows, s.q_h - qy), cols = min(s.cols, s.q_w - qx);
  const few f = few_of(s, rows, cols);
  float patch[CONV_PATCH + FEW_SLACK] __attribute__((aligned(64))), weight[CONV_FEW_ROWS * CONV_OFFSETS];
  float16 sums[CONV_FEW_SUMS / LANES + 2];
  uint start[CONV_PHASES + 1], tap[CONV_OFFSETS], which[CONV_OFFSETS], offset[CONV_OFFSETS];
  uint taps_n = 0;
  for (int ry = 0; ry < s.out_sy; ry++)
    for (int rx = 0; rx < s.out_sx; rx++) {
      const taps ty = TAPS_Y(ry), tx = TAPS_X(rx);
      start[ry * s.out_sx + rx] = taps_n;
      for (int a = 0; a < ty.n; a++)
        for (int b = 0; b < tx.n; b++) {
          which[taps_n] = (uint)((ty.first + a * ty.every) * s.k_w + tx.first + b * tx.every);
          tap[taps_n++] = few_at(s, f, ty.at + a * ty.step - s.min_y, tx.at + b * tx.step - s.min_x);
        }
    }
  start[phases] = taps_n;
  clear(patch, s.chunk * f.plane + FEW_SLACK);
  for (int g = g0; g < g1; g++) {
    for (int j = 0; j < s.out_ch; j += CONV_FEW_ROWS) {
      const int together = min(s.out_ch - j, CONV_FEW_ROWS);
      for (int c = 0; c < s.in_ch; c += s.chunk) {
        const int cn = min(s.chunk, s.in_ch - c);
        for (int i = 0; i < cn && j == 0; i++)
          part_plane(in + in_o + (((size_t)n * s.groups + g) * s.in_ch + c + i) * s.in_h * s.in_w, s, f,
                     qy * s.in_sy + s.min_y, qx * s.in_sx + s.min_x, patch + i * f.plane);
        for (int ph = 0; ph < phases; ph++) {
          const uint nt = start[ph + 1] - start[ph], count = nt * cn;
          uint *at = offset + start[ph] * cn;
          if ((j == 0 && g == g0) || s.chunk < s.in_ch)
            for (int i = 0; i < cn; i++)
              for (uint t = 0; t < nt; t++) at[i * nt + t] = (uint)(i * f.plane) + tap[start[ph] + t];
          if (flags & CONV_DGRAD)
            for (int r = 0; r < together; r++)
              for (int i = 0; i < cn; i++) {
                __global const float *from = w + w_o + (((size_t)g * s.in_ch + c + i) * s.out_ch + j + r) * kk;
                for (uint t = 0; t < nt; t++) weight[r * count + i * nt + t] = from[which[start[ph] + t]];
              }
          __global const float *own = w + w_o + (((size_t)g * s.out_ch + j) * s.in_ch + c) * kk;
          for (uint p = 0; p < count || (p == 0 && c == 0); p += PANEL_K) {
            const uint kn = min(count - p, PANEL_K), apart = (uint)(phases * f.vectors);
            float16 *to = sums + ph * f.vectors;
            if (flags & CONV_DGRAD)
              few_panel_own(patch, at + p, weight + p, count, together, kn, c + p == 0, f.vectors, apart, to);
            else
              few_panel(patch, at + p, own + p, s.in_ch * kk, together, kn, c + p == 0, f.vectors, apart, to);
          }
        }
      }
      for (int r = 0; r < together; r++) {
        const size_t channel = (size_t)g * s.out_ch + j + r;
        const sink k = {
            out,   bias,   out_o + ((size_t)n * s.groups * s.out_ch + channel) * s.out_h * s.out_w, bias_o + channel,
            flags, numbers};
        const int width = min(cols * s.out_sx, s.out_w - qx * s.out_sx);
        for (int ry = 0; ry < s.out_sy; ry++) {
          const float *row = (const float *)(sums + (r * phases + ry * s.out_sx) * f.vectors);
          for (int oy = qy * s.out_sy + ry; oy < min((qy + rows) * s.out_sy, s.out_h); oy += s.out_sy, row += f.pitch)
            put_row(k, (size_t)oy * s.out_w + qx * s.out_sx, row, f.vectors * LANES, s.out_sx, width);
        }
      }
    }
  }
}
#endif

#if CLG_WANT(conv_few_wgrad)
static bool is_finite(const float v) { return v - v == 0.0f; }
/* total [N] from tap t on += the products of a channel's patch and of gradients in rows of its pitch, 0 between them,
 * each lane's own. */
#define FEW_DOTS(N)                                                                                                    \
  for (; t + N <= kk; t += N) {                                                                                        \
    float16 s[N];                                                                                                      \
    EACH_OF(N, i) s[i] = (float16)(0.0f);                                                                              \
    for (int v = 0; v < vectors; v++) {                                                                                \
      const float16 d = g[v];                                                                                          \
      EACH_OF(N, i) s[i] = FMA(LOAD16_OF(__private, patch + tap[t + i] + v * LANES), d, s[i]);                         \
    }                                                                                                                  \
    EACH_OF(N, i) total[t + i] += s[i];                                                                                \
  }
static void few_dots(const float *patch, const float16 *g, const uint *tap, const int kk, const int vectors,
                     float16 *total) {
  int t = 0;
  FEW_DOTS(FEW_TILE)
  FEW_DOTS(1)
}
/* The same in the same order, but that what lies between rows is left out, which may be no finite number. */
static void few_dots_within(const float *patch, const float16 *g, const uint *tap, const int kk, const int rows,
                            const int cols, const int pitch, float16 *total) {
  for (int t = 0; t < kk; t++) {
    float s[LANES] __attribute__((aligned(64)));
    clear(s, LANES);
    for (int y = 0; y < rows; y++)
      for (int i = y * pitch; i < y * pitch + cols; i++)
        s[i % LANES] = FMA(patch[tap[t] + i], ((const float *)g)[i], s[i % LANES]);
    total[t] += *(const float16 *)s;
  }
}

/* Weight gradient of a group, few channels on both sides, summed over `per` images into out
 * [chunk][O][C/groups][kh*kw]. Group ids (group, chunk of images). */
CLG_KERNEL void conv_few_wgrad(__global const float *in, const uint in_o, __global const float *g_y, const uint g_o,
                               __global float *out, const uint out_o, CONV_ARGS) {
  const conv s = conv_of(sa, sb, sc, sd);
  const int g = (int)CLG_GROUP(0), kk = s.k_h * s.k_w, n0 = (int)CLG_GROUP(1) * s.per, n1 = min(n0 + s.per, s.batch),
            all = s.out_ch * s.in_ch * kk;
  if (g >= s.groups) return;
  float patch[CONV_PATCH + FEW_SLACK] __attribute__((aligned(64)));
  float16 side[CONV_FEW_SUMS / LANES + 2], total[CONV_FEW_SUMS / LANES];
  uint tap[CONV_OFFSETS];
  float *to_side = (float *)side;
  bool within = false, finite;
  do {
    for (int t = 0; t < all; t++) total[t] = (float16)(0.0f);
    for (int b = 0; b < s.blocks_y * s.blocks_x; b++) {
      const int qy = b / s.blocks_x * s.rows, qx = b % s.blocks_x * s.cols;
      const int rows = min(s.rows, s.q_h - qy), cols = min(s.cols, s.q_w - qx);
      const few f = few_of(s, rows, cols);
      for (int t = 0; t < kk; t++) tap[t] = few_at(s, f, t / s.k_w * s.dil_y, t % s.k_w * s.dil_x);
      clear(patch, s.in_ch * f.plane + FEW_SLACK);
      clear(to_side, s.out_ch * f.vectors * LANES);
      for (int n = n0; n < n1; n++) {
        const size_t image = (size_t)n * s.groups + g;
        for (int i = 0; i < s.in_ch; i++)
          part_plane(in + in_o + (image * s.in_ch + i) * s.in_h * s.in_w, s, f, qy * s.in_sy + s.min_y,
                     qx * s.in_sx + s.min_x, patch + i * f.plane);
        for (int j = 0; j < s.out_ch; j++) {
          __global const float *from = g_y + g_o + ((image * s.out_ch + j) * s.out_h + qy) * s.out_w + qx;
          for (int y = 0; y < rows; y++)
            copy_row(from + (size_t)y * s.out_w, to_side + j * f.vectors * LANES + y * f.pitch, cols);
          for (int i = 0; i < s.in_ch; i++) {
            float16 *sum = total + (j * s.in_ch + i) * kk;
            if (within)
              few_dots_within(patch + i * f.plane, side + j * f.vectors, tap, kk, rows, cols, f.pitch, sum);
            else
              few_dots(patch + i * f.plane, side + j * f.vectors, tap, kk, f.vectors, sum);
          }
        }
      }
    }
    finite = true;
    for (int t = 0; t < all; t++) finite = finite && is_finite(clg_lanes_sum(total[t]));
    within = !within;
  } while (!finite && within);
  out += out_o + ((size_t)CLG_GROUP(1) * s.groups + g) * all;
  for (int t = 0; t < all; t++) {
    const float sum = clg_lanes_sum(total[t]);
    out[t] = flags & CONV_ADD ? out[t] + sum : sum;
  }
}
#endif
