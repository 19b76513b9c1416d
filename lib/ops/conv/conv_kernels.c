/* Chooses and launches the kernels of a convolution (conv.cl, conv_tile.cl; a matrix product where it is one). */
#include "ops/conv/conv_kernels.h"
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "product/product.h"
#include <string.h>

enum {
  ROW = 32,         /* most outputs of a row in a block */
  WGRAD_TAPS = 256, /* channels x taps of a weight gradient's item */
  FEW_CHANNELS = 4, /* most output channels of the kernel for few */
  FEW_BLOCK = 256,  /* outputs of its blocks */
  ITEMS = 32,       /* fewer leave compute units without work */
  CHUNKS = 16,      /* most parts of a sum */
  LONE_STRIDE = 8   /* of an axis with one output, where any stride gives the same */
};

/* The shapes as conv_shape.clh's `conv` has them, in its order. */
typedef struct kernel_shape {
  int32_t in_ch, out_ch, in[2], out[2], q[2];
  int32_t in_s[2], out_s[2], k[2], pad[2];
  int32_t dil[2], rows, cols, chunk, per, batch, groups;
  int32_t min[2], patch[2], blocks[2], images, spare;
} kernel_shape;
_Static_assert(sizeof(kernel_shape) == 4 * 8 * sizeof(int32_t), "four int8");

static void add_shape(clg_args *l, const kernel_shape *s, uint32_t flags) {
  int32_t all[4][8];
  memcpy(all, s, sizeof all);
  for (int i = 0; i < 4; i++) clg_args_v8(l, all[i], 8, 0);
  clg_args_u32(l, flags);
}

static clg_status launch(clg_context *ctx, const char *epilogue, const char *name, const clg_args *l, size_t x,
                         size_t y, size_t z, const char *op) {
  const size_t groups[3] = {x, y, z};
  const char *file = strstr(name, "_tile") ? "conv_tile.cl" : "conv.cl";
  return clg_launch_groups(ctx, clg_kernel_get(ctx, file, epilogue, name), op, l, groups);
}

static int min(int a, int b) { return a < b ? a : b; }
static int max(int a, int b) { return a > b ? a : b; }

/* ---- the shapes of a gather: fprop from x to y, dgrad from y to x ---- */

/* The range of offsets that the taps of all phases read at, along one axis. */
static void tap_range(const kernel_shape *k, bool dgrad, int a, int *low, int *high) {
  *low = -k->pad[a];
  *high = (k->k[a] - 1) * k->dil[a] - k->pad[a];
  if (!dgrad) return;
  /* Tap t serves the phase r < stride with r + pad - t*dil = stride * offset, if there is one: offset is the quotient
   * rounded up. */
  int first = k->pad[a], last = k->pad[a] - (k->k[a] - 1) * k->dil[a], s = k->out_s[a];
  *high = CLG_CEIL_DIV(first, s);
  *low = CLG_CEIL_DIV(last, s);
}

static kernel_shape shape_of(const clg_conv_shape *c, bool dgrad) {
  const int *in = dgrad ? c->out : c->in, *out = dgrad ? c->in : c->out;
  kernel_shape k = {.in_ch = c->c / c->groups, .out_ch = c->o / c->groups, .batch = c->batch, .groups = c->groups};
  if (dgrad) k.in_ch = c->o / c->groups, k.out_ch = c->c / c->groups;
  for (int a = 0; a < 2; a++) {
    int stride = c->out[a] == 1 ? min(c->stride[a], LONE_STRIDE) : c->stride[a];
    k.in[a] = in[a], k.out[a] = out[a];
    k.in_s[a] = k.out_s[a] = 1;
    *(dgrad ? &k.out_s[a] : &k.in_s[a]) = stride;
    k.q[a] = CLG_CEIL_DIV(k.out[a], k.out_s[a]);
    k.k[a] = c->kernel[a], k.pad[a] = c->padding[a], k.dil[a] = c->dilation[a];
  }
  return k;
}

/* Cuts q into blocks of at most `pixels`, rows of at most ROW, and the channels into chunks so that a patch fits.
 * False: it does not. */
static bool cut(kernel_shape *k, bool dgrad, int pixels) {
  int high[2];
  for (int a = 0; a < 2; a++) tap_range(k, dgrad, a, &k->min[a], &high[a]);
  k->images = 1;
  k->cols = CLG_CEIL_DIV(k->q[1], CLG_CEIL_DIV(k->q[1], min(ROW, pixels)));
  k->rows = min(k->q[0], pixels / k->cols);
  k->rows = CLG_CEIL_DIV(k->q[0], CLG_CEIL_DIV(k->q[0], k->rows));
  for (;; k->rows = (k->rows + 1) / 2) {
    k->patch[0] = (k->rows - 1) * k->in_s[0] + high[0] - k->min[0] + 1;
    k->patch[1] = (k->cols - 1) * k->in_s[1] + high[1] - k->min[1] + 1;
    int64_t plane = (int64_t)k->patch[0] * k->patch[1], taps = (int64_t)k->k[0] * k->k[1];
    if (plane <= CONV_PATCH && taps <= CONV_OFFSETS) {
      k->chunk = min(k->in_ch, min((int)(CONV_PATCH / plane), (int)(CONV_OFFSETS / taps)));
      break;
    }
    if (k->rows == 1) return false;
  }
  k->blocks[0] = CLG_CEIL_DIV(k->q[0], k->rows), k->blocks[1] = CLG_CEIL_DIV(k->q[1], k->cols);
  return true;
}

/* ---- fprop and dgrad ---- */

/* Reads the weights as they are: "conv_tile" or "conv_few_channels". */
static clg_status run_plain(clg_context *ctx, const clg_conv_call *c, const kernel_shape *k, clg_conv_operand from,
                            bool few, uint32_t flags, const char *op) {
  clg_args l;
  l.n = 0;
  clg_at out = c->at[c->output];
  clg_args_at(&l, c->at[from], out);
  clg_args_at(&l, c->at[CLG_CONV_W], out);
  clg_args_at(&l, out, out);
  clg_args_at(&l, c->bias, out);
  clg_args_f32x2(&l, c->numbers);
  add_shape(&l, k, flags);
  if (few)
    return launch(ctx, c->epilogue, "conv_few_channels", &l, (size_t)k->batch * (size_t)(k->blocks[0] * k->blocks[1]),
                  (size_t)k->out_ch, (size_t)k->groups, op);
  size_t columns = (size_t)k->batch * (size_t)k->q[0] * (size_t)k->q[1];
  return launch(ctx, c->epilogue, "conv_tile", &l, CLG_CEIL_DIV(columns, TILE),
                (size_t)(CLG_CEIL_DIV(k->out_ch, TILE) * k->groups),
                (size_t)min(k->out_s[0], k->out[0]) * (size_t)min(k->out_s[1], k->out[1]), op);
}

/* Whether the kernel for few output channels is the one; fills in how it cuts the work. */
static bool plan_few_channels(kernel_shape *k, bool dgrad) {
  return k->out_ch <= FEW_CHANNELS && k->in_s[1] == 1 && cut(k, dgrad, FEW_BLOCK) && k->chunk == k->in_ch &&
         CLG_CEIL_DIV(k->cols, LANES) * LANES * k->rows <= CONV_FEW_PIXELS;
}

/* Whether the CPU's kernel can; fills in how it cuts the work. */
static bool plan_gather(kernel_shape *k, bool dgrad) {
  int64_t all = (int64_t)k->out_s[0] * k->out_s[1];
  if (all > CONV_PHASES || !cut(k, dgrad, CONV_PIXELS)) return false;
  int phases = (int)all, pairs = CLG_CEIL_DIV(k->out_ch, CONV_PAIR);
  int blocks = k->batch * k->blocks[0] * k->blocks[1] * k->groups;
  k->per = max(1, pairs / CLG_CEIL_DIV(ITEMS, blocks));
  if (k->chunk == k->in_ch) return phases <= CONV_HELD;
  k->per = min(k->per, CONV_HELD / phases); /* the sums of all of them wait for the next channels */
  return k->per > 0;
}

static clg_status pack_weights(clg_context *ctx, const clg_conv_call *c, const kernel_shape *k, clg_block *packed,
                               uint32_t flags, const char *op) {
  clg_args l;
  l.n = 0;
  clg_args_at(&l, c->at[CLG_CONV_W], (clg_at){NULL, 0});
  clg_args_block(&l, packed);
  add_shape(&l, k, flags);
  return launch(ctx, NULL, "conv_pack", &l, (size_t)(CLG_CEIL_DIV(k->out_ch, LANES) * k->groups), (size_t)k->in_ch, 1,
                op);
}

static clg_status run_gather(clg_context *ctx, const clg_conv_call *c, kernel_shape *k, clg_conv_operand from,
                             uint32_t flags, const char *op) {
  size_t vectors =
      (size_t)(CLG_CEIL_DIV(k->out_ch, LANES) * k->groups) * (size_t)k->in_ch * (size_t)k->k[0] * (size_t)k->k[1];
  clg_block *packed = clg_block_alloc(ctx, vectors * LANES * sizeof(float), CLG_ROLE_WORKSPACE, op);
  if (!packed) return clg_last_status(ctx);
  clg_status s = pack_weights(ctx, c, k, packed, flags, op);
  clg_args l;
  l.n = 0;
  clg_args_at(&l, c->at[from], (clg_at){NULL, 0});
  clg_args_block(&l, packed);
  clg_args_at(&l, c->at[c->output], (clg_at){NULL, 0});
  clg_args_at(&l, c->bias, c->at[c->output]);
  clg_args_f32x2(&l, c->numbers);
  add_shape(&l, k, flags);
  if (s == CLG_OK)
    s = launch(ctx, c->epilogue, "conv_gather", &l, (size_t)k->batch * (size_t)(k->blocks[0] * k->blocks[1]),
               (size_t)CLG_CEIL_DIV(CLG_CEIL_DIV(k->out_ch, CONV_PAIR), k->per), (size_t)k->groups, op);
  clg_block_unref(packed);
  return s;
}

static clg_status run_fprop_dgrad(clg_context *ctx, const clg_conv_call *c, const char *op) {
  bool dgrad = c->output == CLG_CONV_X;
  kernel_shape k = shape_of(c->shape, dgrad);
  clg_conv_operand from = dgrad ? CLG_CONV_Y : CLG_CONV_X;
  uint32_t flags = dgrad ? CONV_DGRAD : 0;
  if (c->accumulate) flags |= CONV_ADD;
  if (c->bias.block) flags |= CONV_BIAS;
  bool cpu = ctx->shape == CLG_SHAPE_CPU, few = cpu && plan_few_channels(&k, dgrad);
  if (cpu && !few && plan_gather(&k, dgrad)) return run_gather(ctx, c, &k, from, flags, op);
  return run_plain(ctx, c, &k, from, few, flags, op);
}

/* ---- wgrad ---- */

/* Whether the CPU's kernel can; fills in how it cuts the work, `per` apart. */
static bool plan_wgrad(kernel_shape *k) {
  int taps = k->k[0] * k->k[1], positions = k->q[0] * k->q[1];
  if (taps > CONV_OFFSETS || !cut(k, false, CONV_PIXELS)) return false;
  k->chunk = min(k->chunk, max(1, WGRAD_TAPS / taps));
  if (k->blocks[0] * k->blocks[1] == 1)
    k->images = max(1, min(CONV_PIXELS / positions, CONV_PATCH / (k->chunk * k->patch[0] * k->patch[1])));
  return true;
}

static clg_status launch_wgrad(clg_context *ctx, const clg_conv_call *c, const kernel_shape *k, bool cpu, clg_at out,
                               int chunks, uint32_t flags, const char *op) {
  clg_args l;
  l.n = 0;
  clg_args_at(&l, c->at[CLG_CONV_X], out);
  clg_args_at(&l, c->at[CLG_CONV_Y], out);
  clg_args_at(&l, out, out);
  add_shape(&l, k, flags);
  int taps = k->k[0] * k->k[1];
  if (cpu)
    return launch(ctx, NULL, "conv_wgrad", &l, (size_t)(CLG_CEIL_DIV(k->out_ch, CONV_PAIR) * k->groups),
                  (size_t)CLG_CEIL_DIV(k->in_ch, k->chunk), (size_t)chunks, op);
  return launch(ctx, NULL, "conv_wgrad_tile", &l, (size_t)CLG_CEIL_DIV(k->in_ch * taps, TILE),
                (size_t)(CLG_CEIL_DIV(k->out_ch, TILE) * k->groups), (size_t)chunks, op);
}

static clg_status add_parts(clg_context *ctx, clg_block *parts, clg_at out, size_t n, int chunks, uint32_t flags,
                            const char *op) {
  clg_args l;
  l.n = 0;
  clg_args_block(&l, parts);
  clg_args_at(&l, out, out);
  clg_args_u32(&l, (uint32_t)n);
  clg_args_u32(&l, (uint32_t)chunks);
  clg_args_u32(&l, flags);
  const size_t global[3] = {n, 1, 1};
  return clg_launch(ctx, clg_kernel_get(ctx, "conv_tile.cl", NULL, "conv_parts"), op, &l, global, NULL);
}

/* How many chunks the sum over batch and positions is cut into; k->per: blocks of positions, or positions, of each. */
static int split_sum(kernel_shape *k, bool cpu) {
  int taps = k->k[0] * k->k[1], units, items, want = CHUNKS, fewest = 2;
  if (cpu) {
    units = CLG_CEIL_DIV(k->batch, k->images) * k->blocks[0] * k->blocks[1];
    items = CLG_CEIL_DIV(k->out_ch, CONV_PAIR) * k->groups * CLG_CEIL_DIV(k->in_ch, k->chunk);
  } else {
    units = k->batch * k->q[0] * k->q[1], want *= 16, fewest = 256;
    items = CLG_CEIL_DIV(k->in_ch * taps, TILE) * CLG_CEIL_DIV(k->out_ch, TILE) * k->groups;
  }
  k->per = max(1, CLG_CEIL_DIV(units, min(CLG_CEIL_DIV(want, items), max(1, units / fewest))));
  return max(1, CLG_CEIL_DIV(units, k->per));
}

/* Where there are few weights the sum is cut; the chunks' sums are added in order. */
static clg_status run_wgrad(clg_context *ctx, const clg_conv_call *c, const char *op) {
  kernel_shape k = shape_of(c->shape, false);
  bool cpu = ctx->shape == CLG_SHAPE_CPU && k.batch && plan_wgrad(&k);
  int taps = k.k[0] * k.k[1], chunks = split_sum(&k, cpu);
  uint32_t flags = c->accumulate ? CONV_ADD : 0;
  if (chunks == 1) return launch_wgrad(ctx, c, &k, cpu, c->at[CLG_CONV_W], 1, flags, op);
  size_t n = (size_t)k.out_ch * (size_t)k.groups * (size_t)k.in_ch * (size_t)taps;
  clg_block *parts = clg_block_alloc(ctx, n * (size_t)chunks * sizeof(float), CLG_ROLE_WORKSPACE, op);
  if (!parts) return clg_last_status(ctx);
  clg_status s = launch_wgrad(ctx, c, &k, cpu, (clg_at){parts, 0}, chunks, 0, op);
  if (s == CLG_OK) s = add_parts(ctx, parts, c->at[CLG_CONV_W], n, chunks, flags, op);
  clg_block_unref(parts);
  return s;
}

/* ---- a matrix product where the kernel covers the image and y is one pixel ---- */

static bool is_product(const clg_conv_call *c) {
  const clg_conv_shape *s = c->shape;
  bool whole = s->groups == 1 && s->batch > 0 && !(c->output == CLG_CONV_X && c->bias.block);
  for (int a = 0; a < 2; a++)
    whole = whole && s->out[a] == 1 && !s->padding[a] && s->kernel[a] == s->in[a] &&
            (s->dilation[a] == 1 || s->kernel[a] == 1);
  return whole;
}

static clg_status run_product(clg_context *ctx, const clg_conv_call *c, const char *op) {
  const clg_conv_shape *s = c->shape;
  uint32_t n = (uint32_t)s->batch, o = (uint32_t)s->o, k = (uint32_t)(s->c * s->in[0] * s->in[1]);
  const clg_at *x = &c->at[CLG_CONV_X], *w = &c->at[CLG_CONV_W], *y = &c->at[CLG_CONV_Y], *a = y, *b = w;
  clg_product p;
  switch (c->output) {
  case CLG_CONV_Y:
    p = (clg_product){.tb = true, .m = n, .n = o, .k = k, .a_ld = k, .b_ld = k, .c_ld = o};
    a = x;
    break;
  case CLG_CONV_X: p = (clg_product){.m = n, .n = k, .k = o, .a_ld = o, .b_ld = k, .c_ld = k}; break;
  default:
    p = (clg_product){.ta = true, .m = o, .n = k, .k = n, .a_ld = o, .b_ld = k, .c_ld = k};
    b = x;
    break;
  }
  const clg_at *to = &c->at[c->output];
  p.a = a->block, p.b = b->block, p.c = to->block;
  p.a_offset = a->offset, p.b_offset = b->offset, p.c_offset = to->offset;
  p.bias = c->bias.block, p.bias_offset = c->bias.offset;
  p.accumulate = c->accumulate, p.epilogue = c->epilogue, memcpy(p.numbers, c->numbers, sizeof p.numbers);
  return clg_product_run(ctx, &p, op);
}

clg_status clg_conv_run(clg_context *ctx, const clg_conv_call *c, const char *op) {
  if (!c->shape->batch && c->output != CLG_CONV_W) return CLG_OK;
  if (is_product(c)) return run_product(ctx, c, op);
  return c->output == CLG_CONV_W ? run_wgrad(ctx, c, op) : run_fprop_dgrad(ctx, c, op);
}
