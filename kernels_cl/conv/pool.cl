/* Pooling of planes: x [planes,H,W] -> y [planes,OH,OW]; window (p,q) covers the elements (p*sy - py + a*dy, q*sx - px
 * + b*dx), a < ky, b < kx, that lie in the plane. Sums run in the order of the windows, each of whose rows is a block.
 * On a GPU an item has one element of what is written, on a CPU `step` rows of it. */
#include "sums.clh"
#define POOL_ARGS const int8 sizes, const int8 window
#define POOL_SIZES                                                                                                     \
  const int H = sizes.s0, W = sizes.s1, OH = sizes.s2, OW = sizes.s3, total = sizes.s4, step = sizes.s5;
#define KY window.s0
#define KX window.s1
#define SY window.s2
#define SX window.s3
#define PY window.s4
#define PX window.s5
#define DY window.s6
#define DX window.s7

/* Runs ROW or ELEMENT for what an item writes: row `r` of plane `plane`, element `c` of the row, and `e` of all. */
#if CLG_CPU
#define POOL_EACH(height, width, ROW, ELEMENT)                                                                         \
  {                                                                                                                    \
    const int start = (int)CLG_ITEM(0) * step, end = min(total / (width), start + step);                               \
    int plane = start / (height), r = start - plane * (height);                                                        \
    for (int at = start; at < end; at++) {                                                                             \
      const size_t e = (size_t)at * (width);                                                                           \
      ROW if (++r == (height)) r = 0, plane++;                                                                         \
    }                                                                                                                  \
  }
#else
#define POOL_EACH(height, width, ROW, ELEMENT)                                                                         \
  {                                                                                                                    \
    const int e = (int)CLG_ITEM(0);                                                                                    \
    if (e >= total) return;                                                                                            \
    const int c = e % (width), r = e / (width) % (height), plane = e / (width) / (height);                             \
    ELEMENT                                                                                                            \
  }
#endif

#if CLG_CPU
/* The windows [s0,s1) of a row that have all columns in the plane, and that window_tap can read 16 at a time. */
static inline int2 whole_windows(const int W, const int OW, const int8 window) {
  const int room = W - 1 + PX - (KX - 1) * DX, spare = SX == 2 && KX == 1;
  if (room < 0 || SX > 2) return (int2)(OW, 0);
  return (int2)((PX + SX - 1) / SX, min(OW, room / SX + 1) - spare);
}
/* Element b of the rows of 16 windows, the first at x: an even one of those that follow, an odd one of those before. */
static inline float16 window_tap(__global const float *x, const int b, const int8 window) {
  if (SX == 1) return CLG_LOAD16(x);
  if (b == 0) return (float16)(CLG_LOAD16(x).even, CLG_LOAD16(x + 16).even);
  return (float16)(CLG_LOAD16(x - 1).odd, CLG_LOAD16(x + 15).odd);
}
/* Any 16 windows: the offsets of their planes, and where they begin in those. */
typedef struct windows {
  int16 plane, i, j;
} windows;
/* Those from e on, the one before `end` again for what is left. */
static windows windows_from(const int e, const int end, POOL_ARGS) {
  POOL_SIZES
  int q = e % OW, p = e / OW % OH, plane = e / OW / OH, planes[16], is[16], js[16];
  for (int l = 0; l < 16; l++) {
    planes[l] = plane * H * W, is[l] = p * SY - PY, js[l] = q * SX - PX;
    if (e + l + 1 >= end || ++q < OW) continue;
    q = 0;
    if (++p == OH) p = 0, plane++;
  }
  const windows w = {vload16(0, planes), vload16(0, is), vload16(0, js)};
  return w;
}
#define WINDOWS_WHOLE(w) all((w.i >= 0) & (w.i + (KY - 1) * DY < H) & (w.j >= 0) & (w.j + (KX - 1) * DX < W))
/* p[at], or 0 where it is not `within`. */
static inline float16 read_within(__global const float *p, const int16 at, const int16 within) {
  const int16 k = at & within;
  return as_float16(as_int16(READ16(p, k)) & within);
}
#define STORE16(T, v, to, n)                                                                                           \
  if ((n) >= 16) {                                                                                                     \
    vstore16(v, 0, to);                                                                                                \
  } else {                                                                                                             \
    T each[16];                                                                                                        \
    vstore16(v, 0, each);                                                                                              \
    for (int l = 0; l < (n); l++) (to)[l] = each[l];                                                                   \
  }
#endif

/* ELEMENT for each window; on a CPU WHOLE for 16 windows of a row from `c` on, the last of them twice where that does
 * not come out, or, where rows are short, LANES for 16 windows `w`, `n` of which are to be written. */
#if CLG_CPU
#define POOL_WINDOWS(WHOLE, LANES, ELEMENT)                                                                            \
  const int2 whole = whole_windows(W, OW, window);                                                                     \
  const int start = (int)CLG_ITEM(0) * step, end = min(total / OW, start + step);                                      \
  if (whole.y - whole.x < 16) {                                                                                        \
    for (int e = start * OW; e < end * OW; e += 16) {                                                                  \
      const int n = end * OW - e;                                                                                      \
      const windows w = windows_from(e, end * OW, sizes, window);                                                      \
      LANES                                                                                                            \
    }                                                                                                                  \
    return;                                                                                                            \
  }                                                                                                                    \
  for (int row = start; row < end; row++) {                                                                            \
    const int plane = row / OH, r = row - plane * OH;                                                                  \
    for (int at = 0; at < OW;) {                                                                                       \
      const bool in = at >= whole.x && at < whole.y;                                                                   \
      const int c = in ? min(at, whole.y - 16) : at;                                                                   \
      const size_t e = (size_t)row * OW + c;                                                                           \
      if (in) {                                                                                                        \
        WHOLE                                                                                                          \
      } else {                                                                                                         \
        ELEMENT                                                                                                        \
      }                                                                                                                \
      at = in ? c + 16 : c + 1;                                                                                        \
    }                                                                                                                  \
  }
#else
#define POOL_WINDOWS(WHOLE, LANES, ELEMENT) POOL_EACH(OH, OW, , ELEMENT)
#endif

#if CLG_WANT(pool_max)
/* BEST and AT, of type V and N, of the first maximum in a window's row from `first` on, or of TAP(first, b). */
#define MAX_TAKE(V, N, v, at_v)                                                                                        \
  {                                                                                                                    \
    const N take = (v > best) | (v != v) | (at < 0);                                                                   \
    best = take ? v : best;                                                                                            \
    at = take ? at_v : at;                                                                                             \
  }
static inline void max_at(__global const float *x, __global float *y, __global int *index, const int p, const int q,
                          const int H, const int W, const int8 window) {
  float best = -INFINITY;
  int at = -1;
  for (int a = 0; a < KY; a++) {
    const int i = p * SY - PY + a * DY;
    if (i < 0 || i >= H) continue;
    for (int b = 0; b < KX; b++) {
      const int j = q * SX - PX + b * DX;
      if (j < 0 || j >= W) continue;
      const float v = x[i * W + j];
      MAX_TAKE(float, int, v, i *W + j)
    }
  }
  *y = best;
  *index = at;
}
#if CLG_CPU
/* Of 16 whole windows from (p,q) on. */
static inline void max_16(__global const float *x, __global float *y, __global int *index, const int p, const int q,
                          const int H, const int W, const int8 window) {
  const int16 lanes = LANE_NUMBERS(int16) * SX;
  float16 best = -INFINITY;
  int16 at = -1;
  for (int a = 0; a < KY; a++) {
    const int i = p * SY - PY + a * DY;
    if (i < 0 || i >= H) continue;
    for (int b = 0; b < KX; b++) {
      const int first = i * W + q * SX - PX + b * DX;
      const float16 v = window_tap(x + first, b, window);
      MAX_TAKE(float16, int16, v, lanes + first)
    }
  }
  CLG_STORE16(best, y);
  vstore16(at, 0, index);
}
/* Of any. */
static void max_lanes(__global const float *x, __global float *y, __global int *index, const windows w, const int n,
                      const int H, const int W, const int8 window) {
  const int16 first = w.plane + w.i * W + w.j;
  const bool whole = WINDOWS_WHOLE(w);
  float16 best = -INFINITY;
  int16 at = -1;
  for (int a = 0; whole && a < KY; a++)
    for (int b = 0; b < KX; b++) {
      __global const float *from = x + a * DY * W + b * DX;
      const float16 v = READ16(from, first);
      MAX_TAKE(float16, int16, v, first - w.plane + (a * DY * W + b * DX))
    }
  for (int a = 0; !whole && a < KY; a++)
    for (int b = 0; b < KX; b++) {
      const int16 i = w.i + a * DY, j = w.j + b * DX, own = i * W + j;
      const int16 inside = (i >= 0) & (i < H) & (j >= 0) & (j < W);
      const float16 v = read_within(x, w.plane + own, inside);
      const int16 take = inside & ((v > best) | (v != v) | (at < 0));
      best = take ? v : best;
      at = take ? own : at;
    }
  STORE16(float, best, y, n)
  STORE16(int, at, index, n)
}
#endif
/* y and index (within its plane) of the first maximum of each window; NaN wins. A window over padding alone has -inf
 * and index -1. */
CLG_KERNEL void pool_max(__global const float *x, const uint x_o, __global float *y, const uint y_o,
                         __global int *index, const uint index_o, POOL_ARGS) {
  POOL_SIZES
  x += x_o, y += y_o, index += index_o;
  POOL_WINDOWS(max_16(x + (size_t)plane * H * W, y + e, index + e, r, c, H, W, window);
               , max_lanes(x, y + e, index + e, w, n, H, W, window);
               , max_at(x + (size_t)plane * H * W, y + e, index + e, r, c, H, W, window);)
}
#endif

#if CLG_WANT(pool_pick)
/* y = x at the index of each window; 0 where that is -1. */
static inline float pick_at(__global const float *x, const int at) {
  const float v = x[max(at, 0)]; /* in range either way, since compilers may read ahead of a branch */
  return at < 0 ? 0.0f : v;
}
CLG_KERNEL void pool_pick(__global const float *x, const uint x_o, __global float *y, const uint y_o,
                          __global const int *index, const uint index_o, POOL_ARGS) {
  POOL_SIZES
  x += x_o, y += y_o, index += index_o;
  POOL_EACH(OH, OW, for (int q = 0; q < OW; q++) y[e + q] = pick_at(x + (size_t)plane * H * W, index[e + q]);
            , y[e] = pick_at(x + (size_t)plane * H * W, index[e]);)
}
#endif

/* sum and rest, of type T, with TERM for every `at` of [FROM, TO) in them; small windows are one block, and narrow ones
 * keep a loop that compilers make vectors of. */
#define SUM_ROW(T, FROM, TO, TERM)                                                                                     \
  if (KX * KY <= (int)SUM_LONG) {                                                                                      \
    for (int at = FROM; at < (TO); at++) sum += TERM;                                                                  \
  } else if (KX <= (int)SUM_BLOCK) {                                                                                   \
    T block = 0.0f;                                                                                                    \
    for (int at = FROM; at < (TO); at++) block += TERM;                                                                \
    SUM_TAKE(T, sum, rest, block)                                                                                      \
  } else {                                                                                                             \
    for (int clg_from = FROM; clg_from < (TO); clg_from += SUM_BLOCK) {                                                \
      T block = 0.0f;                                                                                                  \
      for (int at = clg_from; at < min(TO, clg_from + (int)SUM_BLOCK); at++) block += TERM;                            \
      SUM_TAKE(T, sum, rest, block)                                                                                    \
    }                                                                                                                  \
  }

/* The windows that may cover coordinate i: first to last. */
static inline int first_window(const int i, const int k, const int s, const int p, const int d) {
  const int low = i + p - (k - 1) * d;
  return low <= 0 ? 0 : (low + s - 1) / s;
}
static inline int last_window(const int i, const int s, const int p, const int n) { return min((i + p) / s, n - 1); }

#if CLG_CPU
/* A CPU adds windows one by one to what they cover, where no element has more of them than a block: BAND for the rows
 * [r0,r1) of a plane, whose elements start at `e`, and whose windows are in rows [p0,p1). Else ELEMENT for each. */
#define POOL_BANDS(BAND, ELEMENT)                                                                                      \
  {                                                                                                                    \
    const int start = (int)CLG_ITEM(0) * step, end = min(total / W, start + step);                                     \
    const bool blocks = KX * KY > (int)SUM_LONG && (SX <= (KX - 1) * DX || SY <= (KY - 1) * DY);                       \
    for (int at = start; at < end;) {                                                                                  \
      const int plane = at / H, r0 = at - plane * H, r1 = min(H, r0 + end - at);                                       \
      const size_t e0 = (size_t)at * W;                                                                                \
      at += r1 - r0;                                                                                                   \
      if (blocks) {                                                                                                    \
        for (int r = r0; r < r1; r++)                                                                                  \
          for (int c = 0; c < W; c++) {                                                                                \
            const size_t e = e0 + (size_t)(r - r0) * W + c;                                                            \
            ELEMENT                                                                                                    \
          }                                                                                                            \
        continue;                                                                                                      \
      }                                                                                                                \
      if (!(flags & POOL_ADD))                                                                                         \
        for (int c = 0; c < (r1 - r0) * W; c++) dx[e0 + c] = 0.0f;                                                     \
      const int p0 = first_window(r0, KY, SY, PY, DY), p1 = last_window(r1 - 1, SY, PY, OH) + 1;                       \
      BAND                                                                                                             \
    }                                                                                                                  \
  }
#else
#define POOL_BANDS(BAND, ELEMENT) POOL_EACH(H, W, , ELEMENT)
#endif

#if CLG_WANT(pool_unpick)
/* *dx (+)= the sum of g over the windows whose index is element (i,j) of the plane. */
static inline void unpick_at(__global const float *g, __global float *dx, __global const int *index, const int i,
                             const int j, POOL_ARGS, const uint flags) {
  POOL_SIZES
  const int own = i * W + j;
  float sum = flags & POOL_ADD ? *dx : 0.0f, rest = 0.0f;
  const int p1 = last_window(i, SY, PY, OH), q0 = first_window(j, KX, SX, PX, DX), q1 = last_window(j, SX, PX, OW);
  for (int p = first_window(i, KY, SY, PY, DY); p <= p1; p++)
    SUM_ROW(float, q0, q1 + 1, (index[p * OW + at] == own ? g[p * OW + at] : 0.0f))
  *dx = clg_sum_end(sum, rest);
}
#if CLG_CPU
/* The same for the `n` elements from `first` on, of all windows [e,end). */
static void unpick_band(__global const float *g, __global float *dx, __global const int *index, const int first,
                        const int n, const int e, const int end) {
  for (int w = e; w < end; w++) {
    const int at = index[w] - first;
    if ((uint)at < (uint)n) dx[at] += g[w];
  }
}
#endif
/* dx (+)= g at the index of each window. total counts dx. */
CLG_KERNEL void pool_unpick(__global const float *g, const uint g_o, __global float *dx, const uint dx_o,
                            __global const int *index, const uint index_o, POOL_ARGS, const uint flags) {
  POOL_SIZES
  g += g_o, dx += dx_o, index += index_o;
#define PLANE_OF(t) ((t) + (size_t)plane * OH * OW)
  POOL_BANDS(unpick_band(PLANE_OF(g), dx + e0, PLANE_OF(index), r0 * W, (r1 - r0) * W, p0 * OW, p1 * OW);
             , unpick_at(PLANE_OF(g), dx + e, PLANE_OF(index), r, c, sizes, window, flags);)
}
#endif

/* What the sum of the window at (i0,j0), of type T, integers or vectors of them, is divided by. (Minima of vectors and
 * a number are wrong under Oclgrind.) */
#define CLIPPED(T, from, k, n, p)                                                                                      \
  (flags & POOL_INCLUDE_PAD ? min((from) + (k), (T)((n) + (p))) - (from)                                               \
                            : min((from) + (k), (T)(n)) - max(from, (T)(0)))
#define DIVISOR(T, i0, j0) (CLIPPED(T, i0, KY, H, PY) * CLIPPED(T, j0, KX, W, PX))

#if CLG_WANT(pool_average)
static inline float average_at(__global const float *x, const int p, const int q, const int H, const int W,
                               const int8 window, const uint flags) {
  const int i0 = p * SY - PY, j0 = q * SX - PX;
  float sum = 0.0f, rest = 0.0f;
  for (int i = max(i0, 0); i < min(i0 + KY, H); i++) SUM_ROW(float, max(j0, 0), min(j0 + KX, W), x[i * W + at])
  return clg_div(clg_sum_end(sum, rest), (float)DIVISOR(int, i0, j0));
}
#if CLG_CPU
/* Of 16 whole windows from (p,q) on. */
static inline float16 average_16(__global const float *x, const int p, const int q, const int H, const int W,
                                 const int8 window, const uint flags) {
  const int i0 = p * SY - PY, j0 = q * SX - PX;
  float16 sum = 0.0f, rest = 0.0f;
  for (int i = max(i0, 0); i < min(i0 + KY, H); i++)
    SUM_ROW(float16, 0, KX, window_tap(x + i * W + j0 + at, at, window))
  return clg_div16(SUM_END(sum, rest), (float16)((float)DIVISOR(int, i0, j0)));
}
#include "pool_planes.clh"
/* Of 16 planes each, or n where they are fewer. */
static void average_planes(__global const float *x, __global float *y, const int n, const int H, const int W) {
  const int8 window = (int8)(H, W, 1, 1, 0, 0, 1, 1);
  float16 turned[PLANES_MOST], sum = 0.0f, rest = 0.0f;
  planes_turn(x, H * W, min(n, LANES) - 1, (float *)turned);
  for (int a = 0; a < KY; a++) SUM_ROW(float16, 0, KX, turned[a * W + at])
  const float16 mean = clg_div16(SUM_END(sum, rest), (float16)((float)(H * W)));
  STORE16(float, mean, y, n)
}
/* Of any. */
static void average_lanes(__global const float *x, __global float *y, const windows w, const int n, const int H,
                          const int W, const int8 window, const uint flags) {
  const int16 first = w.plane + w.i * W + w.j, left = max(w.j, (int16)(0)), end = min(w.j + KX, (int16)(W));
  const bool whole = WINDOWS_WHOLE(w);
  if (whole && KY == H && KX == W && W * H >= LANES && W * H <= PLANES_MOST) {
    average_planes(x + w.plane.s0, y, n, H, W);
    return;
  }
  float16 sum = 0.0f, rest = 0.0f;
  for (int a = 0; whole && a < KY; a++) SUM_ROW(float16, 0, KX, READ16(x + a * W + at, first))
  for (int a = 0; !whole && a < KY; a++) {
    const int16 i = w.i + a, inside = (i >= 0) & (i < H);
    SUM_ROW(float16, 0, KX, read_within(x, w.plane + i * W + left + at, inside & (left + at < end)))
  }
  const float16 mean = clg_div16(SUM_END(sum, rest), convert_float16(DIVISOR(int16, w.i, w.j)));
  STORE16(float, mean, y, n)
}
#endif
CLG_KERNEL void pool_average(__global const float *x, const uint x_o, __global float *y, const uint y_o, POOL_ARGS,
                             const uint flags) {
  POOL_SIZES
  x += x_o, y += y_o;
  POOL_WINDOWS(CLG_STORE16(average_16(x + (size_t)plane * H * W, r, c, H, W, window, flags), y + e);
               , average_lanes(x, y + e, w, n, H, W, window, flags);
               , y[e] = average_at(x + (size_t)plane * H * W, r, c, H, W, window, flags);)
}
#endif

#if CLG_WANT(pool_spread)
/* *dx (+)= the sum of g over the windows that cover element (i,j), each divided as in pool_average. */
static inline void spread_at(__global const float *g, __global float *dx, const int i, const int j, POOL_ARGS,
                             const uint flags) {
  POOL_SIZES
  float sum = flags & POOL_ADD ? *dx : 0.0f, rest = 0.0f;
  const int p1 = last_window(i, SY, PY, OH), q0 = first_window(j, KX, SX, PX, 1), q1 = last_window(j, SX, PX, OW);
  for (int p = first_window(i, KY, SY, PY, 1); p <= p1; p++)
    SUM_ROW(float, q0, q1 + 1, clg_div(g[p * OW + at], (float)DIVISOR(int, p *SY - PY, at * SX - PX)))
  *dx = clg_sum_end(sum, rest);
}
#if CLG_CPU
/* The same for the rows [r0,r1) of the plane, the first at dx, of the windows in row p. Of those that cover an element
 * the first has it as its last column, so columns are added from the last to the first. */
#define SPREAD_RUN 256
static void spread_band(__global const float *g, __global float *dx, const int p, const int r0, const int r1, POOL_ARGS,
                        const uint flags) {
  POOL_SIZES
  const int i0 = p * SY - PY;
  if (OW == 1) { /* whose columns lie side by side; those of whole rows, one behind the other */
    const float v = clg_div(g[p], (float)DIVISOR(int, i0, -PX));
    const int left = max(-PX, 0), width = min(KX - PX, W) - left, top = max(i0, r0), rows = min(i0 + KY, r1) - top;
    const int runs = width == W ? min(rows, 1) : rows, len = width == W ? rows * W : width;
    for (int i = 0; i < runs; i++)
      for (int l = 0; l < len; l++) dx[(top - r0 + i) * W + left + l] += v;
    return;
  }
  float v[SPREAD_RUN];
  for (int q = 0; q < OW; q += SPREAD_RUN) {
    const int n = min(SPREAD_RUN, OW - q), j0 = q * SX - PX;
    for (int l = 0; l < n; l++) v[l] = clg_div(g[p * OW + q + l], (float)DIVISOR(int, i0, j0 + l * SX));
    for (int b = KX - 1; b >= 0; b--) {
      const int left = j0 + b < 0 ? (SX - 1 - j0 - b) / SX : 0, room = W - 1 - j0 - b;
      const int right = room < 0 ? 0 : min(n, room / SX + 1);
      for (int i = max(i0, r0); i < min(i0 + KY, r1); i++) {
        __global float *to = dx + (i - r0) * W + j0 + b;
        if (SX == 1) {
          for (int l = left; l < right; l++) to[l] += v[l];
        } else {
          for (int l = left; l < right; l++) to[l * SX] += v[l];
        }
      }
    }
  }
}
#endif
/* dx (+)= g over what each window covers, divided as in pool_average. total counts dx. */
CLG_KERNEL void pool_spread(__global const float *g, const uint g_o, __global float *dx, const uint dx_o, POOL_ARGS,
                            const uint flags) {
  POOL_SIZES
  g += g_o, dx += dx_o;
#define PLANE_OF_G (g + (size_t)plane * OH * OW)
  POOL_BANDS(for (int p = p0; p < p1; p++) spread_band(PLANE_OF_G, dx + e0, p, r0, r1, sizes, window, flags);
             , spread_at(PLANE_OF_G, dx + e, r, c, sizes, window, flags);)
}
#endif
