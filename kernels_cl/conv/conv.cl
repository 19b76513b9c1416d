/* Convolutions on a CPU: a work-item copies the piece of the input that its block of outputs reads, zeros around it,
 * into private memory (the patch). Taps are then offsets into it, and the sums a register-tiled product: some pixels
 * (or taps) by 32 channels. */
#include "conv_patch.clh"

/* part [PIECE_ROWS][CONV_PAIR], V vectors of it, = (first ? 0 : part) + patch[row[i] + step[p]] * b[p] over a panel of
 * kn steps. A step of b is LANES floats, and those of the second panel are `bs` steps behind. Rows past `last` are like
 * it, and stored too. */
#define OF_PAIR(l, bs) ((l) / LANES * LANES * (bs) + (l) % LANES)
#define CONV_PIECE(NAME, B_SPACE, V)                                                                                   \
  static void NAME(const float *patch, const uint *row, const uint last, const uint *step, B_SPACE const float *b,     \
                   const size_t bs, const uint kn, const bool first, float *part) {                                    \
    const float *from[PIECE_ROWS];                                                                                     \
    reg s[PIECE_ROWS][V], w[V];                                                                                        \
    EACH_OF(PIECE_ROWS, i) {                                                                                           \
      from[i] = patch + row[min(i, last)];                                                                             \
      EACH_OF(V, v) s[i][v] = (reg)(0.0f);                                                                             \
    }                                                                                                                  \
    for (uint p = 0; p < kn; p++, b += LANES) {                                                                        \
      const size_t at = step[p];                                                                                       \
      EACH_OF(V, v) w[v] = REG_OF(B_SPACE, b + OF_PAIR(v * REGISTER_LANES, bs));                                       \
      EACH_OF(PIECE_ROWS, i) {                                                                                         \
        const reg e = (reg)(from[i][at]);                                                                              \
        EACH_OF(V, v) s[i][v] = FMA(e, w[v], s[i][v]);                                                                 \
      }                                                                                                                \
    }                                                                                                                  \
    PIECE_STORE(PIECE_ROWS, V, CONV_PAIR)                                                                              \
  }
/* The same for `rows` rows and `lanes` columns of the CONV_PAIR; a panel of b stays near while rows pass. */
#define EACH_PIECE(NAME, WIDTH)                                                                                        \
  for (int l = 0; l < lanes; l += WIDTH)                                                                               \
    for (uint i = 0; i < rows; i += PIECE_ROWS)                                                                        \
      NAME(patch, row + i, rows - 1 - i, step, b + OF_PAIR(l, bs), bs, kn, first, part + i * CONV_PAIR + l);
#define CONV_TILE(NAME, B_SPACE)                                                                                       \
  CONV_PIECE(NAME##_piece, B_SPACE, PIECE_VECS)                                                                        \
  CONV_HALF(NAME, B_SPACE)                                                                                             \
  static void NAME(const float *patch, const uint *row, const uint rows, const uint *step, B_SPACE const float *b,     \
                   const size_t bs, const uint kn, const bool first, const int lanes, float *part) {                   \
    if (lanes <= PIECE_COLS - LANES) {                                                                                 \
      EACH_PIECE(HALF_PIECE(NAME), PIECE_COLS - LANES)                                                                 \
    } else {                                                                                                           \
      EACH_PIECE(NAME##_piece, PIECE_COLS)                                                                             \
    }                                                                                                                  \
  }
#if PIECE_COLS > LANES
#define CONV_HALF(NAME, B_SPACE) CONV_PIECE(NAME##_half, B_SPACE, PIECE_VECS / 2)
#define HALF_PIECE(NAME)         NAME##_half
#else
#define CONV_HALF(NAME, B_SPACE)
#define HALF_PIECE(NAME) NAME##_piece
#endif
CONV_TILE(tile_packed, __global)
CONV_TILE(tile_side, __private)

/* to[i][l] = from[l*ld + i] for LANES x LANES elements; rows l past `last` are like it. */
#define TRANSPOSE_TILE(NAME, SPACE, PART)                                                                              \
  static void NAME(SPACE const float *from, const size_t ld, const uint last, float *to) {                             \
    for (uint l = 0; l < LANES; l += REGISTER_LANES)                                                                   \
      for (uint i = 0, row = min(l, last); i < LANES; i += REGISTER_LANES)                                             \
        PART(from + row * ld + i, ld, last - row, to + i * LANES + l, LANES);                                          \
  }
TRANSPOSE_TILE(transpose_tile, __private, transpose_own)
TRANSPOSE_TILE(transpose_planes, __global, transpose_in)

/* patch [channels][h][w] = the input from (y0, x0), zeros outside of it. */
static void fill_patch(__global const float *in, const int in_h, const int in_w, const int y0, const int x0,
                       const int channels, const int h, const int w, float *patch) {
  const int left = clamp(-x0, 0, w), right = clamp(in_w - x0, left, w);
  for (int c = 0; c < channels; c++, in += (size_t)in_h * in_w) {
    for (int r = 0; r < h; r++, patch += w) {
      const int iy = y0 + r;
      const bool inside = iy >= 0 && iy < in_h;
      const int l = inside ? left : w;
      for (int x = 0; x < l; x++) patch[x] = 0.0f;
      if (!inside) continue;
      copy_row(in + (ptrdiff_t)iy * in_w + x0 + left, patch + left, right - left);
      for (int x = right; x < w; x++) patch[x] = 0.0f;
    }
  }
}

#if CLG_WANT(conv_pack)
/* packed [group][panel of 16 output channels][phase][input channel][tap][16], zeros in lanes that do not exist. Group
 * ids (CONV_PACKED input channels, panel of a group): neighbours read on where the one before stopped. */
CLG_KERNEL void conv_pack(__global const float *w, const uint w_o, __global float16 *packed, CONV_ARGS) {
  const conv s = conv_of(sa, sb, sc, sd);
  const int panels = (s.out_ch + LANES - 1) / LANES, i0 = (int)CLG_GROUP(0) * CONV_PACKED, kk = s.k_h * s.k_w;
  const int g = (int)CLG_GROUP(1) / panels, j0 = (int)CLG_GROUP(1) % panels * LANES, lanes = min(s.out_ch - j0, LANES);
  if (g >= s.groups || i0 >= s.in_ch) return;
  const size_t stride = flags & CONV_DGRAD ? kk : (size_t)s.in_ch * kk;
  packed += CLG_GROUP(1) * s.in_ch * kk;
  uint place[CONV_OFFSETS], step[CONV_OFFSETS], before = 0; /* of a tap of channel 0, and from channel to channel */
  for (int ry = 0; ry < s.out_sy; ry++) {
    const taps ty = TAPS_Y(ry);
    for (int rx = 0; rx < s.out_sx; rx++) {
      const taps tx = TAPS_X(rx);
      uint to = before * s.in_ch;
      before += ty.n * tx.n;
      for (int a = 0; a < ty.n; a++)
        for (int b = 0; b < tx.n; b++) {
          const int k = (ty.first + a * ty.every) * s.k_w + tx.first + b * tx.every;
          place[k] = to++;
          step[k] = ty.n * tx.n;
        }
    }
  }
  for (int i = i0; i < min(i0 + CONV_PACKED, s.in_ch); i++) {
    const size_t before_w =
        (flags & CONV_DGRAD ? ((size_t)g * s.in_ch + i) * s.out_ch + j0 : ((size_t)g * s.out_ch + j0) * s.in_ch + i) *
        kk;
    __global const float *from = w + w_o + before_w;
    int k = 0;
    /* Sixteen taps at a time; those of the last may be fewer, if what is read behind them lies in w. */
    const size_t room = (size_t)s.groups * s.out_ch * s.in_ch * kk - before_w;
    for (; lanes == LANES && k + 4 <= kk && (LANES - 1) * stride + k + 16 <= room; k += 16) {
      float r[LANES * LANES] __attribute__((aligned(64)));
      transpose_planes(from + k, stride, LANES - 1, r);
      for (int t = k; t < min(k + 16, kk); t++)
        packed[place[t] + (uint)i * step[t]] = *(const float16 *)(r + (t - k) * LANES);
    }
    for (; k < kk; k++) {
      float lane[LANES];
      for (int l = 0; l < LANES; l++) lane[l] = l < lanes ? from[l * stride + k] : 0.0f;
      packed[place[k] + (uint)i * step[k]] = vload16(0, lane);
    }
  }
}
#endif

/* Where the taps of each phase lie in a plane of the patch: start[phase] is the first of them. */
static void tap_offsets(const conv s, const uint flags, uint *start, uint *at) {
  uint n = 0, phase = 0;
  for (int ry = 0; ry < s.out_sy; ry++) {
    const taps ty = TAPS_Y(ry);
    for (int rx = 0; rx < s.out_sx; rx++) {
      const taps tx = TAPS_X(rx);
      start[phase++] = n;
      for (int a = 0; a < ty.n; a++)
        for (int b = 0; b < tx.n; b++)
          at[n++] = (uint)((ty.at + a * ty.step - s.min_y) * s.patch_w + tx.at + b * tx.step - s.min_x);
    }
  }
  start[phase] = n;
}

/* 16 pixels of 16 channels, of all the phases of a row, of which `along` pixels follow each other in memory:
 * transposed, and two phases put in turn, so that they leave as vectors of `run`. */
static void finish_tile(const float *part, const int held, const sink k, const conv s, const int lanes, const int first,
                        const int along, const int run, const int ry, const size_t corner) {
  float line[2][LANES * LANES] __attribute__((aligned(64)));
  const float2 numbers = k.numbers;
  const int width = along * s.out_sx, runs = 16 * s.out_sx / run;
  size_t at[8];
  for (int i = 0, x = s.out_sx * first; i < runs; i++, x += run)
    at[i] = corner + (size_t)(x / width * s.out_sy + ry) * s.out_w + x % width;
  for (int h = 0; h < s.out_sx; h++)
    transpose_tile(part + (h * held + first) * CONV_PAIR, CONV_PAIR, LANES - 1, line[h]);
  for (int l = 0; l < lanes; l++) {
    const float b = k.flags & CONV_BIAS ? k.bias[k.bias_o + l] : 0.0f;
    __global float *to = k.out + k.out_o + (size_t)l * s.out_h * s.out_w;
    const float16 own = *(const float16 *)(line[0] + l * LANES);
    if (s.out_sx == 1 && run == 16) {
      CLG_STORE16(ACT_VEC(own + b), to + at[0]);
      continue;
    }
    float16 v[2] = {own, own};
    if (s.out_sx == 2) {
      const float16 other = *(const float16 *)(line[1] + l * LANES);
      v[0] = in_turn_low(own, other), v[1] = in_turn_high(own, other);
    }
    for (int h = 0; h < s.out_sx; h++) v[h] = ACT_VEC(v[h] + b);
    for (int i = 0; i < runs; i++) {
      const float *from = (const float *)v + i * run;
      if (run == 16)
        CLG_STORE16(LOAD16_OF(__private, from), to + at[i]);
      else if (run == 8)
        vstore8(vload8(0, from), 0, to + at[i]);
      else
        vstore4(vload4(0, from), 0, to + at[i]);
    }
  }
}

/* Stores the sums of `lanes` channels: part [phase][held][CONV_PAIR], outputs from (qy, qx) of each phase. */
static void conv_finish(const float *part, const int held, const sink k, const conv s, const int lanes, const int rows,
                        const int cols, const int qy, const int qx) {
  const int pixels = rows * cols, along = s.out_sy * s.out_sx == 1 && cols == s.out_w ? pixels : cols;
  bool whole = s.out_sx <= 2 && (along == pixels || along * s.out_sx % 4 == 0) && !(k.flags & CONV_ADD);
  const int run = along == pixels || along * s.out_sx % 16 == 0 ? 16 : along * s.out_sx % 8 == 0 ? 8 : 4;
  whole = whole && (qy + rows) * s.out_sy <= s.out_h && (qx + cols) * s.out_sx <= s.out_w && pixels >= 16;
  for (int ry = 0; ry < s.out_sy; ry++) {
    const float *from = part + (size_t)ry * s.out_sx * held * CONV_PAIR;
    for (int i = 0; whole && i < pixels; i += 16)
      for (int l = 0; l < lanes; l += LANES) {
        const size_t corner = ((size_t)l * s.out_h + qy * s.out_sy) * s.out_w + qx * s.out_sx;
        const sink lower = {k.out, k.bias, k.out_o, k.bias_o + l, k.flags, k.numbers};
        finish_tile(from + l, held, lower, s, min(lanes - l, LANES), min(i, pixels - 16), along, run, ry, corner);
      }
    for (int i = 0; !whole && i < pixels; i++) {
      const int oy = (qy + i / cols) * s.out_sy + ry;
      for (int rx = 0; oy < s.out_h && rx < s.out_sx; rx++) {
        const int ox = (qx + i % cols) * s.out_sx + rx;
        const float *sum = from + (rx * held + i) * CONV_PAIR;
        for (int l = 0; ox < s.out_w && l < lanes; l++) put1(k, ((size_t)l * s.out_h + oy) * s.out_w + ox, l, sum[l]);
      }
    }
  }
}

#if CLG_WANT(conv_gather)
/* fprop and dgrad. An item computes `per` pairs of panels for a block of an image, or `images` whole ones. Group ids
 * (block, slice of the pairs, group). */
CLG_KERNEL void conv_gather(__global const float *in, const uint in_o, __global const float *packed,
                            __global float *out, const uint out_o, __global const float *bias, const uint bias_o,
                            const float2 numbers, CONV_ARGS) {
  const conv s = conv_of(sa, sb, sc, sd);
  const int block = (int)CLG_GROUP(0), g = (int)CLG_GROUP(2), kk = s.k_h * s.k_w, phases = s.out_sy * s.out_sx;
  const int n = block / (s.blocks_y * s.blocks_x) * s.images, images = min(s.images, s.batch - n),
            pairs = (s.out_ch + CONV_PAIR - 1) / CONV_PAIR, panels = (s.out_ch + LANES - 1) / LANES;
  const int qy = block / s.blocks_x % s.blocks_y * s.rows, qx = block % s.blocks_x * s.cols;
  const int p0 = (int)CLG_GROUP(1) * s.per, p1 = min(p0 + s.per, pairs), plane = s.patch_h * s.patch_w;
  if (n >= s.batch || p0 >= pairs || g >= s.groups) return;
  const int rows = min(s.rows, s.q_h - qy), cols = min(s.cols, s.q_w - qx), pixels = rows * cols;
  float patch[CONV_PATCH] __attribute__((aligned(64)));
  float part[CONV_SUMS] __attribute__((aligned(64)));
  uint start[CONV_PHASES + 1], tap[CONV_OFFSETS], offset[CONV_OFFSETS], pixel[CONV_PIXELS];
  tap_offsets(s, flags, start, tap);
  const size_t panel = (size_t)kk * s.in_ch;
  const int held = s.images * s.rows * s.cols + PIECE_ROWS; /* the last piece may reach beyond a phase's sums */
  for (int c = 0; c < s.in_ch; c += s.chunk) {
    const int cn = min(s.chunk, s.in_ch - c);
    for (int m = 0, i = 0; m < images; m++) {
      fill_patch(in + in_o + (((size_t)(n + m) * s.groups + g) * s.in_ch + c) * s.in_h * s.in_w, s.in_h, s.in_w,
                 qy * s.in_sy + s.min_y, qx * s.in_sx + s.min_x, cn, s.patch_h, s.patch_w, patch + m * cn * plane);
      for (int y = 0; y < rows; y++)
        for (int x = 0; x < cols; x++) pixel[i++] = (uint)(m * cn * plane + y * s.in_sy * s.patch_w + x * s.in_sx);
    }
    for (int f = 0; f < phases; f++) {
      uint *to = offset + start[f] * cn;
      for (int i = 0; i < cn; i++)
        for (uint t = start[f]; t < start[f + 1]; t++) *to++ = (uint)(i * plane) + tap[t];
    }
    for (int p = p0; p < p1; p++) {
      const int lanes = min(CONV_PAIR, s.out_ch - p * CONV_PAIR);
      float *sums = part + (s.chunk < s.in_ch ? (p - p0) * phases * held * CONV_PAIR : 0);
      for (int f = 0; f < phases; f++) {
        const uint nt = start[f + 1] - start[f];
        __global const float *b =
            packed + (((size_t)g * panels + 2 * p) * panel + (size_t)start[f] * s.in_ch + c * nt) * LANES;
        const uint steps = nt * cn, whole = nt * s.panel, *from = offset + start[f] * cn;
        uint q = 0;
        do {
          const uint kn = steps ? min(min(steps - q, whole - q % whole), PANEL_K) : 0;
          tile_packed(patch, pixel, images * pixels, from + q, b + q * LANES, panel, kn, c + q == 0, lanes,
                      sums + f * held * CONV_PAIR);
          q += kn;
        } while (q < steps);
      }
      const size_t channel = (size_t)g * s.out_ch + p * CONV_PAIR, plane_out = (size_t)s.out_h * s.out_w;
      for (int m = 0; m < images && c + cn == s.in_ch; m++) {
        const size_t image = ((size_t)(n + m) * s.groups * s.out_ch + channel) * plane_out;
        const sink k = {out, bias, out_o + image, bias_o + channel, flags, numbers};
        conv_finish(sums + m * pixels * CONV_PAIR, held, k, s, lanes, rows, cols, qy, qx);
      }
    }
  }
}
#endif

/* to [pixel][LANES] = rows x cols pixels of `lanes` planes; lanes beyond repeat the last. */
static void pixels_to_rows(__global const float *from, const size_t plane, const int lanes, const int rows,
                           const int cols, const int width, float *to) {
  const bool along = cols == width; /* the rows lie one behind the other */
  const int run = along ? rows * cols : cols;
  for (int y = 0; y < (along ? 1 : rows); y++, from += width) {
    int x = 0;
    for (; x + 16 <= run; x += 16, to += 16 * LANES) transpose_planes(from + x, plane, (uint)lanes - 1, to);
    /* One by one: vectors for it would stay in registers that the sums need. */
    for (; x < run; x++) {
      __global const float *lane = from + x;
      for (int l = 0; l < LANES; l++, lane += l < lanes ? plane : 0) *to++ = *lane;
    }
  }
}

#if CLG_WANT(conv_wgrad)
/* Weight gradient of `chunk` channels of x and `panel` pairs of panels of y, summed over `per` blocks into out
 * [chunk][O][C/groups][kh*kw]. A block has positions of `images` images. Group ids (pairs of a group, chunk of
 * channels, chunk of blocks). */
CLG_KERNEL void conv_wgrad(__global const float *in, const uint in_o, __global const float *g_y, const uint g_o,
                           __global float *out, const uint out_o, CONV_ARGS) {
  const conv s = conv_of(sa, sb, sc, sd);
  const int pairs = (s.out_ch + CONV_PAIR - 1) / CONV_PAIR, slices = (pairs + s.panel - 1) / s.panel,
            g = (int)CLG_GROUP(0) / slices, p0 = (int)CLG_GROUP(0) % slices * s.panel, p1 = min(p0 + s.panel, pairs);
  const int c = (int)CLG_GROUP(1) * s.chunk, cn = min(s.chunk, s.in_ch - c), kk = s.k_h * s.k_w, taken = cn * kk;
  const int held = taken + PIECE_ROWS; /* the last piece may reach beyond a pair's sums */
  const int plane = s.patch_h * s.patch_w, across = s.blocks_y * s.blocks_x;
  const int blocks = (s.batch + s.images - 1) / s.images * across, b0 = (int)CLG_GROUP(2) * s.per,
            b1 = min(b0 + s.per, blocks);
  if (g >= s.groups || cn <= 0) return;
  float patch[CONV_PATCH] __attribute__((aligned(64)));
  float part[(CONV_OFFSETS + PIECE_ROWS) * CONV_PAIR] __attribute__((aligned(64))),
      side[CONV_PAIR * CONV_PIXELS] __attribute__((aligned(64)));
  uint start[2], tap[CONV_OFFSETS], offset[CONV_OFFSETS], pixel[CONV_PIXELS];
  tap_offsets(s, flags, start, tap);
  for (int i = 0; i < cn; i++)
    for (int t = 0; t < kk; t++) offset[i * kk + t] = (uint)(i * plane) + tap[t];
  for (int b = b0; b < b1; b++) {
    const int n0 = b / across * s.images, images = min(s.images, s.batch - n0);
    const int qy = b / s.blocks_x % s.blocks_y * s.rows, qx = b % s.blocks_x * s.cols;
    const int rows = min(s.rows, s.q_h - qy), cols = min(s.cols, s.q_w - qx), pixels = rows * cols;
    for (int m = 0, i = 0; m < images; m++) {
      fill_patch(in + in_o + (((size_t)(n0 + m) * s.groups + g) * s.in_ch + c) * s.in_h * s.in_w, s.in_h, s.in_w,
                 qy * s.in_sy + s.min_y, qx * s.in_sx + s.min_x, cn, s.patch_h, s.patch_w, patch + m * cn * plane);
      for (int y = 0; y < rows; y++)
        for (int x = 0; x < cols; x++) pixel[i++] = (uint)(m * cn * plane + y * s.in_sy * s.patch_w + x * s.in_sx);
    }
    for (int p = p0; p < p1; p++) {
      const int lanes = min(CONV_PAIR, s.out_ch - p * CONV_PAIR);
      const size_t plane_y = (size_t)s.out_h * s.out_w;
      for (int m = 0; m < images; m++) {
        __global const float *from = g_y + g_o +
                                     (((size_t)(n0 + m) * s.groups + g) * s.out_ch + p * CONV_PAIR) * plane_y +
                                     (size_t)qy * s.out_w + qx;
        for (int l = 0; l < lanes; l += LANES, from += LANES * plane_y)
          pixels_to_rows(from, plane_y, min(lanes - l, LANES), rows, cols, s.out_w,
                         side + l * CONV_PIXELS + m * pixels * LANES);
      }
      tile_side(patch, offset, taken, pixel, side, CONV_PIXELS, images * pixels, b == b0, lanes,
                part + (p - p0) * held * CONV_PAIR);
    }
  }
  for (int j = p0 * CONV_PAIR; j < min(p1 * CONV_PAIR, s.out_ch); j++) {
    __global float *to =
        out + out_o + (((size_t)CLG_GROUP(2) * s.groups + g) * s.out_ch + j) * s.in_ch * kk + (size_t)c * kk;
    const float *sum = part + (j / CONV_PAIR - p0) * held * CONV_PAIR + j % CONV_PAIR;
    for (int r = 0; r < taken; r++) to[r] = flags & CONV_ADD ? to[r] + sum[r * CONV_PAIR] : sum[r * CONV_PAIR];
  }
}
#endif
