/* Convolutions. x, w and y of one are bound by a map that is linear in each pair: any one of them is computed from the
 * other two, and the gradient of each such map is again one of the three. So three ops serve to any order: fprop (y,
 * conv2d), dgrad (x, conv_transpose2d) and wgrad (w). By kernels of conv.cl and conv_tile.cl, or as a matrix product
 * where it is one. */
#include "ops/conv/conv.h"
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/fused_act.h"
#include "product/product.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

typedef struct conv_attrs {
  const clg_conv_options *options; /* of a call, while the shape is not known */
  clg_conv_shape shape;
  clg_fused_act act; /* behind the bias */
} conv_attrs;

enum { IN_BIAS = 2 };
static const clg_op conv_op[CLG_CONV_OPERANDS];
/* The first two inputs of each. */
static const clg_conv_operand inputs_of[CLG_CONV_OPERANDS][2] = {[CLG_CONV_X] = {CLG_CONV_Y, CLG_CONV_W},
                                                                 [CLG_CONV_W] = {CLG_CONV_Y, CLG_CONV_X},
                                                                 [CLG_CONV_Y] = {CLG_CONV_X, CLG_CONV_W}};
static clg_conv_operand output_of(const clg_op_call *c) { return (clg_conv_operand)(c->op - conv_op); }

static void dims_of(const clg_conv_shape *s, clg_conv_operand operand, int64_t d[4]) {
  const int size[CLG_CONV_OPERANDS][4] = {
      [CLG_CONV_X] = {s->batch, s->c, s->in[0], s->in[1]},
      [CLG_CONV_W] = {s->o, s->c / s->groups, s->kernel[0], s->kernel[1]},
      [CLG_CONV_Y] = {s->batch, s->o, s->out[0], s->out[1]},
  };
  for (int i = 0; i < 4; i++) d[i] = size[operand][i];
}

/* ---- shapes ---- */

static bool options_ok(const clg_op_call *c, const clg_conv_options *o) {
  for (int a = 0; a < 2; a++) {
    if (o->stride[a] < 1 || o->dilation[a] < 1)
      return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "stride and dilation are 1 or more");
    if (o->padding[a] < 0 || o->output_padding[a] < 0)
      return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "padding and output_padding are not negative");
    if (output_of(c) == CLG_CONV_Y && o->output_padding[a])
      return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "output_padding is for conv_transpose2d alone");
    if (o->output_padding[a] && o->output_padding[a] >= o->stride[a] && o->output_padding[a] >= o->dilation[a])
      return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name,
                        "output_padding is less than the stride or the dilation");
  }
  return o->groups >= 1 || clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "groups is 1 or more");
}

/* Channels of input and output from the weight [O,C/groups,kh,kw] or, transposed, [C,O/groups,kh,kw]. */
static bool ranks_ok(const clg_op_call *c, int64_t groups) {
  const clg_tensor *x = c->in[0], *w = c->in[1], *bias = c->in[IN_BIAS];
  const bool transposed = output_of(c) == CLG_CONV_X;
  bool ok = x->ndim == 4 && w->ndim == 4 && (!bias || bias->ndim == 1);
  for (int d = 0; ok && d < 4; d++) ok = w->shape[d] > 0 && (d == 0 || x->shape[d] > 0);
  if (ok) {
    int64_t in = transposed ? w->shape[0] : w->shape[1] * groups;
    int64_t out = transposed ? w->shape[1] * groups : w->shape[0];
    ok = x->shape[1] == in && in % groups == 0 && out % groups == 0 && (!bias || bias->shape[0] == out);
  }
  if (ok) return true;
  char s[3][CLG_SHAPE_TEXT];
  const char *want = transposed ? "[C,O/groups,kh,kw]" : "[O,C/groups,kh,kw]";
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name,
                    "x %s, weight %s, bias %s, %d group%s: want [N,C,H,W], %s, [O], groups dividing C and O",
                    clg_tensor_text(x, s[0]), clg_tensor_text(w, s[1]), clg_tensor_text(bias, s[2]), (int)groups,
                    groups == 1 ? "" : "s", want);
}

/* The output's size along axis a; not positive: there is none. */
static int64_t output_size(int64_t size, int64_t reach, const clg_conv_options *o, int a, bool transposed) {
  int64_t padded = size + 2 * (int64_t)o->padding[a];
  if (transposed) return (size - 1) * o->stride[a] - 2 * (int64_t)o->padding[a] + reach + o->output_padding[a];
  return padded < reach ? 0 : (padded - reach) / o->stride[a] + 1;
}

/* The whole shape. Limits keep the kernels' index arithmetic within 32 bits. */
static bool set_shape(clg_conv_shape *s, const clg_op_call *c, const clg_conv_options *o) {
  const int64_t limit = 1 << 28, *x = c->in[0]->shape, *w = c->in[1]->shape;
  const bool transposed = output_of(c) == CLG_CONV_X;
  s->groups = o->groups;
  s->batch = (int)x[0];
  s->o = (int)w[0];
  s->c = (int)(w[1] * o->groups);
  for (int a = 0; a < 2; a++) {
    int64_t size = x[2 + a], reach = (w[2 + a] - 1) * o->dilation[a] + 1;
    int64_t other = output_size(size, reach, o, a, transposed);
    if (size + 2 * (int64_t)o->padding[a] > limit || reach > limit || o->stride[a] > limit || other > limit)
      return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name,
                        "sizes, padding, stride and the kernel's reach are at most 2^28");
    if (other < 1)
      return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name, "%s %d of %s %d leaves no output (padding %d, dilation %d)",
                        a ? "width" : "height", (int)size, "a kernel of", (int)w[2 + a], o->padding[a], o->dilation[a]);
    s->in[a] = (int)(transposed ? other : size);
    s->out[a] = (int)(transposed ? size : other);
    s->kernel[a] = (int)w[2 + a];
    s->stride[a] = o->stride[a], s->padding[a] = o->padding[a], s->dilation[a] = o->dilation[a];
  }
  return true;
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  conv_attrs *a = c->attrs;
  const clg_conv_options *o = a->options;
  if (o && (!options_ok(c, o) || !ranks_ok(c, o->groups) || !set_shape(&a->shape, c, o))) return false;
  a->options = NULL;
  out[0].ndim = 4;
  dims_of(&a->shape, output_of(c), out[0].dim);
  return true;
}

/* ---- kernels ---- */

enum {
  ROW = 32,         /* most outputs of a row in a block */
  WGRAD_TAPS = 256, /* channels x taps of a weight gradient's item */
  FEW_CHANNELS = 4, /* most output channels of the kernel for few */
  FEW_BLOCK = 256,  /* outputs of its blocks */
  ITEMS = 32,       /* fewer leave compute units without work */
  CHUNKS = 16,      /* most of a sum */
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

static uint32_t flags_of(const clg_conv_call *c) {
  uint32_t flags = c->output == CLG_CONV_X ? CONV_DGRAD : 0;
  if (c->accumulate) flags |= CONV_ADD;
  if (c->bias.block) flags |= CONV_BIAS;
  return flags;
}

static void add_shape(clg_args *l, const kernel_shape *s, uint32_t flags) {
  int32_t all[4][8];
  memcpy(all, s, sizeof all);
  for (int i = 0; i < 4; i++) clg_args_v8(l, all[i], 8, 0);
  clg_args_u32(l, flags);
}

/* What fprop and dgrad take behind what they read. */
static void add_output(clg_args *l, const clg_conv_call *c, const kernel_shape *k) {
  clg_args_at(l, c->at[c->output], c->at[c->output]);
  clg_args_at(l, c->bias, c->at[c->output]);
  clg_args_f32x2(l, c->numbers);
  add_shape(l, k, flags_of(c));
}

static clg_status launch(const clg_conv_call *c, const char *epilogue, const char *name, const clg_args *l, int64_t x,
                         int64_t y, int64_t z) {
  const size_t groups[3] = {(size_t)x, (size_t)y, (size_t)z};
  const char *file = strstr(name, "_tile") ? "conv_tile.cl" : "conv.cl";
  return clg_launch_groups(c->ctx, clg_kernel_get(c->ctx, file, epilogue, name), c->op, l, groups);
}

static int min(int a, int b) { return a < b ? a : b; }
static int max(int a, int b) { return a > b ? a : b; }

/* ---- what a gather reads: fprop from x to y, dgrad from y to x ---- */

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
  kernel_shape k = {.in_ch = c->c / c->groups, .out_ch = c->o / c->groups, .batch = c->batch, .groups = c->groups};
  if (dgrad) k.in_ch = c->o / c->groups, k.out_ch = c->c / c->groups;
  for (int a = 0; a < 2; a++) {
    int stride = c->out[a] == 1 ? min(c->stride[a], LONE_STRIDE) : c->stride[a];
    k.in[a] = dgrad ? c->out[a] : c->in[a];
    k.out[a] = dgrad ? c->in[a] : c->out[a];
    k.in_s[a] = dgrad ? 1 : stride;
    k.out_s[a] = dgrad ? stride : 1;
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

static clg_at input_of(const clg_conv_call *c) { return c->at[c->output == CLG_CONV_X ? CLG_CONV_Y : CLG_CONV_X]; }
static int64_t blocks_of(const kernel_shape *k) { return (int64_t)k->batch * k->blocks[0] * k->blocks[1]; }

/* Reads the weights as they are: "conv_tile" or "conv_few_channels". */
static clg_status run_plain(const clg_conv_call *c, const kernel_shape *k, bool few) {
  clg_args l;
  l.n = 0;
  clg_args_at(&l, input_of(c), c->at[c->output]);
  clg_args_at(&l, c->at[CLG_CONV_W], c->at[c->output]);
  add_output(&l, c, k);
  if (few) return launch(c, c->epilogue, "conv_few_channels", &l, blocks_of(k), k->out_ch, k->groups);
  int64_t columns = (int64_t)k->batch * k->q[0] * k->q[1];
  int64_t phases = (int64_t)min(k->out_s[0], k->out[0]) * min(k->out_s[1], k->out[1]);
  return launch(c, c->epilogue, "conv_tile", &l, CLG_CEIL_DIV(columns, TILE), CLG_CEIL_DIV(k->out_ch, TILE) * k->groups,
                phases);
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

/* With the weights packed for it. */
static clg_status run_gather(const clg_conv_call *c, const kernel_shape *k) {
  const int vectors = CLG_CEIL_DIV(k->out_ch, LANES) * k->groups;
  const size_t floats = (size_t)vectors * LANES * (size_t)k->in_ch * (size_t)k->k[0] * (size_t)k->k[1];
  clg_block *packed = clg_block_alloc(c->ctx, floats * sizeof(float), CLG_ROLE_WORKSPACE, c->op);
  if (!packed) return clg_last_status(c->ctx);
  clg_args l;
  l.n = 0;
  clg_args_at(&l, c->at[CLG_CONV_W], c->at[CLG_CONV_W]);
  clg_args_block(&l, packed);
  add_shape(&l, k, flags_of(c));
  clg_status s = launch(c, NULL, "conv_pack", &l, vectors, k->in_ch, 1);
  l.n = 0;
  clg_args_at(&l, input_of(c), c->at[c->output]);
  clg_args_block(&l, packed);
  add_output(&l, c, k);
  const int pairs = CLG_CEIL_DIV(k->out_ch, CONV_PAIR);
  if (s == CLG_OK) s = launch(c, c->epilogue, "conv_gather", &l, blocks_of(k), CLG_CEIL_DIV(pairs, k->per), k->groups);
  clg_block_unref(packed);
  return s;
}

static clg_status run_fprop_dgrad(const clg_conv_call *c) {
  bool dgrad = c->output == CLG_CONV_X, cpu = c->ctx->shape == CLG_SHAPE_CPU;
  kernel_shape k = shape_of(c->shape, dgrad);
  bool few = cpu && plan_few_channels(&k, dgrad);
  return cpu && !few && plan_gather(&k, dgrad) ? run_gather(c, &k) : run_plain(c, &k, few);
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

static clg_status launch_wgrad(const clg_conv_call *c, const kernel_shape *k, bool cpu, clg_at out, int chunks,
                               uint32_t flags) {
  clg_args l;
  l.n = 0;
  clg_args_at(&l, c->at[CLG_CONV_X], out);
  clg_args_at(&l, c->at[CLG_CONV_Y], out);
  clg_args_at(&l, out, out);
  add_shape(&l, k, flags);
  int taps = k->k[0] * k->k[1];
  if (cpu)
    return launch(c, NULL, "conv_wgrad", &l, CLG_CEIL_DIV(k->out_ch, CONV_PAIR) * k->groups,
                  CLG_CEIL_DIV(k->in_ch, k->chunk), chunks);
  return launch(c, NULL, "conv_wgrad_tile", &l, CLG_CEIL_DIV(k->in_ch * taps, TILE),
                CLG_CEIL_DIV(k->out_ch, TILE) * k->groups, chunks);
}

static clg_status add_chunks(const clg_conv_call *c, clg_block *parts, clg_at out, size_t n, int chunks,
                             uint32_t flags) {
  clg_args l;
  l.n = 0;
  clg_args_block(&l, parts);
  clg_args_at(&l, out, out);
  clg_args_u32(&l, (uint32_t)n);
  clg_args_u32(&l, (uint32_t)chunks);
  clg_args_u32(&l, flags);
  const size_t global[3] = {n, 1, 1};
  return clg_launch(c->ctx, clg_kernel_get(c->ctx, "conv_tile.cl", NULL, "conv_parts"), c->op, &l, global, NULL);
}

/* How many chunks the sum over batch and positions is cut into; k->per: blocks of positions, or positions, of each. */
static int split_sum(kernel_shape *k, bool cpu) {
  int taps = k->k[0] * k->k[1], units, items, want = CHUNKS, min_units = 2;
  if (cpu) {
    units = CLG_CEIL_DIV(k->batch, k->images) * k->blocks[0] * k->blocks[1];
    items = CLG_CEIL_DIV(k->out_ch, CONV_PAIR) * k->groups * CLG_CEIL_DIV(k->in_ch, k->chunk);
  } else {
    units = k->batch * k->q[0] * k->q[1], want *= 16, min_units = 256;
    items = CLG_CEIL_DIV(k->in_ch * taps, TILE) * CLG_CEIL_DIV(k->out_ch, TILE) * k->groups;
  }
  k->per = max(1, CLG_CEIL_DIV(units, min(CLG_CEIL_DIV(want, items), max(1, units / min_units))));
  return max(1, CLG_CEIL_DIV(units, k->per));
}

/* Where there are few weights the sum is cut; the chunks' sums are added in order. */
static clg_status run_wgrad(const clg_conv_call *c) {
  kernel_shape k = shape_of(c->shape, false);
  bool cpu = c->ctx->shape == CLG_SHAPE_CPU && k.batch && plan_wgrad(&k);
  int taps = k.k[0] * k.k[1], chunks = split_sum(&k, cpu);
  uint32_t flags = c->accumulate ? CONV_ADD : 0;
  if (chunks == 1) return launch_wgrad(c, &k, cpu, c->at[CLG_CONV_W], 1, flags);
  size_t n = (size_t)k.out_ch * (size_t)k.groups * (size_t)k.in_ch * (size_t)taps;
  clg_block *parts = clg_block_alloc(c->ctx, n * (size_t)chunks * sizeof(float), CLG_ROLE_WORKSPACE, c->op);
  if (!parts) return clg_last_status(c->ctx);
  clg_status s = launch_wgrad(c, &k, cpu, (clg_at){parts, 0}, chunks, 0);
  if (s == CLG_OK) s = add_chunks(c, parts, c->at[CLG_CONV_W], n, chunks, flags);
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

/* x [n,k], w [o,k], y [n,o]: y = x w^T, x = y w, w = y^T x. */
static clg_status run_product(const clg_conv_call *c) {
  const clg_conv_shape *s = c->shape;
  const uint32_t n = (uint32_t)s->batch, o = (uint32_t)s->o, k = (uint32_t)(s->c * s->in[0] * s->in[1]);
  const uint32_t rows[] = {[CLG_CONV_X] = n, [CLG_CONV_W] = o, [CLG_CONV_Y] = n},
                 cols[] = {[CLG_CONV_X] = k, [CLG_CONV_W] = k, [CLG_CONV_Y] = o},
                 inner[] = {[CLG_CONV_X] = o, [CLG_CONV_W] = n, [CLG_CONV_Y] = k};
  const clg_conv_operand out = c->output, a = out == CLG_CONV_Y ? CLG_CONV_X : CLG_CONV_Y;
  const clg_conv_operand b = out == CLG_CONV_W ? CLG_CONV_X : CLG_CONV_W;
  clg_product p = {.ta = out == CLG_CONV_W, .tb = out == CLG_CONV_Y};
  p.m = rows[out], p.n = cols[out], p.k = inner[out];
  p.a = c->at[a].block, p.a_offset = c->at[a].offset, p.a_ld = cols[a];
  p.b = c->at[b].block, p.b_offset = c->at[b].offset, p.b_ld = cols[b];
  p.c = c->at[out].block, p.c_offset = c->at[out].offset, p.c_ld = cols[out];
  p.bias = c->bias.block, p.bias_offset = c->bias.offset;
  p.accumulate = c->accumulate, p.epilogue = c->epilogue;
  memcpy(p.numbers, c->numbers, sizeof p.numbers);
  return clg_product_run(c->ctx, &p, c->op);
}

clg_status clg_conv_run(const clg_conv_call *c) {
  if (!c->shape->batch && c->output != CLG_CONV_W) return CLG_OK;
  if (is_product(c)) return run_product(c);
  return c->output == CLG_CONV_W ? run_wgrad(c) : run_fprop_dgrad(c);
}

/* ---- the ops ---- */

static clg_status forward(clg_op_call *c) {
  const conv_attrs *a = c->attrs;
  clg_conv_operand output = output_of(c);
  clg_conv_call call = {.ctx = c->ctx, .op = c->op->name, .shape = &a->shape, .output = output};
  memcpy(call.numbers, a->act.numbers, sizeof call.numbers);
  if (!clg_fused_act_text(c->ctx, &a->act, clg_formula_epilogue, &call.epilogue)) return clg_last_status(c->ctx);
  for (int i = 0; i < 2; i++) call.at[inputs_of[output][i]] = clg_tensor_place(c->in[i]);
  call.at[output] = clg_tensor_place(c->out[0]);
  if (c->n > IN_BIAS) call.bias = clg_tensor_place(c->in[IN_BIAS]);
  return clg_conv_run(&call);
}

static uint32_t needs(const clg_op_call *c, int input) {
  static const uint32_t read[] = {CLG_IN(1), CLG_IN(0), [IN_BIAS] = 0};
  const conv_attrs *a = c->attrs;
  return read[input] | (a->act.formula ? CLG_OUT(0) : 0);
}

/* The bias takes the sum over images and positions. */
static clg_status bias_gradient(clg_op_call *c, const clg_tensor *z) {
  const clg_grad_place *to = clg_op_begin_as(c, IN_BIAS, 1, z->shape + 1);
  if (!to) return clg_last_status(c->ctx);
  const uint32_t dims = 1 | 1 << 2 | 1 << 3;
  clg_status s = clg_map_reduce(clg_maps_of(c->ctx, CLG_MAP_COPY), CLG_REDUCE_SUM, to->t, &z, NULL, 4, z->shape, dims,
                                to->add, c->op->name);
  return s == CLG_OK ? clg_op_end(c, IN_BIAS) : s;
}

/* Of one of the first two inputs: from z in the output's place, and the other input in its own. */
static clg_status input_gradient(clg_op_call *c, int i, const clg_tensor *z) {
  const conv_attrs *a = c->attrs;
  clg_conv_operand output = output_of(c);
  const clg_conv_operand *inputs = inputs_of[output];
  int64_t d[4];
  dims_of(&a->shape, inputs[i], d);
  const clg_grad_place *to = clg_op_begin_as(c, i, 4, d);
  if (!to) return clg_last_status(c->ctx);
  clg_conv_call call = {
      .ctx = c->ctx, .op = c->op->name, .shape = &a->shape, .output = inputs[i], .accumulate = to->add};
  call.at[output] = clg_tensor_place(z);
  call.at[inputs[1 - i]] = clg_tensor_place(c->in[1 - i]);
  call.at[inputs[i]] = clg_tensor_place(to->t);
  clg_status s = clg_conv_run(&call);
  return s == CLG_OK ? clg_op_end(c, i) : s;
}

static clg_status backward(clg_op_call *c) {
  const conv_attrs *a = c->attrs;
  clg_tensor *z = clg_fused_act_backward(&a->act, c->out[0], c->grad, c->grad_is_unique, c->op->name);
  clg_status s = z ? CLG_OK : clg_last_status(c->ctx);
  if (s == CLG_OK && clg_op_wants(c, IN_BIAS)) s = bias_gradient(c, z);
  for (int i = 1; s == CLG_OK && i >= 0; i--)
    if (clg_op_wants(c, i)) s = input_gradient(c, i, z);
  clg_tensor_unref(&z);
  return s;
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const conv_attrs *a = c->attrs;
  const clg_conv_operand *inputs = inputs_of[output_of(c)];
  clg_tensor *z = clg_fused_act_compose(&a->act, c->out[0], c->grad);
  clg_tensor *t[CLG_CONV_OPERANDS] = {NULL};
  t[inputs[0]] = c->in[0], t[inputs[1]] = c->in[1], t[output_of(c)] = z;
  if (clg_op_wants(c, IN_BIAS)) d[IN_BIAS] = clg_sum(z, (int[]){0, 2, 3}, 3, false);
  for (int i = 1; i >= 0; i--) {
    if (!clg_op_wants(c, i)) continue;
    const clg_conv_operand *from = inputs_of[inputs[i]];
    conv_attrs inner = {.shape = a->shape};
    d[i] = clg_op_run(&conv_op[inputs[i]], (clg_tensor *[]){t[from[0]], t[from[1]]}, 2, &inner);
  }
}

#define CONV_OP                                                                                                        \
  .attrs = sizeof(conv_attrs), .traits = CLG_OP_NO_PLACES, .optional = CLG_IN(IN_BIAS), .shapes = shapes,              \
  .forward = forward, .needs = needs, .backward = backward, .compose = compose
static const clg_op conv_op[CLG_CONV_OPERANDS] = {[CLG_CONV_Y] = {.name = "conv2d", CONV_OP},
                                                  [CLG_CONV_X] = {.name = "conv_transpose2d", CONV_OP},
                                                  [CLG_CONV_W] = {.name = "conv2d_weight", CONV_OP}};

clg_conv_options clg_conv_defaults(void) {
  return (clg_conv_options){.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
}

static clg_tensor *convolve(clg_conv_operand output, clg_tensor *x, clg_tensor *w, clg_tensor *bias,
                            const clg_conv_options *options) {
  const clg_conv_options usual = clg_conv_defaults(), *o = options ? options : &usual;
  clg_act_choice choice;
  if (!clg_inputs_here((clg_tensor *[]){x, w}, 2, conv_op[output].name) ||
      !clg_fused_act_begin(x->ctx, &o->act, false, conv_op[output].name, &choice))
    return NULL;
  conv_attrs attrs = {.options = o, .act = choice.fused};
  return clg_fused_act_end(&choice, clg_op_run(&conv_op[output], (clg_tensor *[]){x, w, bias}, 3, &attrs));
}

clg_tensor *clg_conv2d(clg_tensor *x, clg_tensor *w, clg_tensor *bias, const clg_conv_options *options) {
  return convolve(CLG_CONV_Y, x, w, bias, options);
}

clg_tensor *clg_conv_transpose2d(clg_tensor *x, clg_tensor *w, clg_tensor *bias, const clg_conv_options *options) {
  return convolve(CLG_CONV_X, x, w, bias, options);
}
