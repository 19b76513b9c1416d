/* Runs convolutions: by the kernels of conv.cl, conv_few.cl and conv_tile.cl, or as a matrix product where it is one.
 */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/conv/conv_plan.h"
#include <string.h>

static int min(int a, int b) { return a < b ? a : b; }

static uint32_t flags_of(const clg_conv_call *c) {
  uint32_t flags = c->output == CLG_CONV_X ? CONV_DGRAD : 0;
  if (c->accumulate) flags |= CONV_ADD;
  if (c->bias.block) flags |= CONV_BIAS;
  return flags;
}

static void add_shape(clg_args *l, const clg_conv_plan *s, uint32_t flags) {
  int32_t all[4][8];
  memcpy(all, s, sizeof all);
  for (int i = 0; i < 4; i++) clg_args_v8(l, all[i], 8, 0);
  clg_args_u32(l, flags);
}

/* What fprop and dgrad take behind what they read. */
static void add_output(clg_args *l, const clg_conv_call *c, const clg_conv_plan *k) {
  clg_args_at(l, c->at[c->output], c->at[c->output]);
  clg_args_at(l, c->bias, c->at[c->output]);
  clg_args_f32x2(l, c->numbers);
  add_shape(l, k, flags_of(c));
}

static clg_status launch(const clg_conv_call *c, const char *epilogue, const char *name, const clg_args *l, int64_t x,
                         int64_t y, int64_t z) {
  const size_t groups[3] = {(size_t)x, (size_t)y, (size_t)z};
  const char *file = strstr(name, "_few") ? "conv_few.cl" : "conv.cl";
  if (strstr(name, "_tile")) file = "conv_tile.cl";
  return clg_launch_groups(c->ctx, clg_kernel_get(c->ctx, file, epilogue, name), c->op, l, groups);
}

/* ---- fprop and dgrad ---- */

static clg_at input_of(const clg_conv_call *c) { return c->at[c->output == CLG_CONV_X ? CLG_CONV_Y : CLG_CONV_X]; }

/* Reads the weights as they are: "conv_tile" or "conv_few_channels". */
static clg_status run_plain(const clg_conv_call *c, const clg_conv_plan *k, bool few) {
  clg_args l;
  l.n = 0;
  clg_args_at(&l, input_of(c), c->at[c->output]);
  clg_args_at(&l, c->at[CLG_CONV_W], c->at[c->output]);
  add_output(&l, c, k);
  if (few)
    return launch(c, c->epilogue, "conv_few_channels", &l, clg_conv_plan_blocks(k), CLG_CEIL_DIV(k->groups, k->per), 1);
  int64_t columns = (int64_t)k->batch * k->q[0] * k->q[1];
  int64_t phases = (int64_t)min(k->out_s[0], k->out[0]) * min(k->out_s[1], k->out[1]);
  return launch(c, c->epilogue, "conv_tile", &l, CLG_CEIL_DIV(columns, TILE), CLG_CEIL_DIV(k->out_ch, TILE) * k->groups,
                phases);
}

/* With the weights packed for it. */
static clg_status run_gather(const clg_conv_call *c, const clg_conv_plan *k) {
  const int vectors = CLG_CEIL_DIV(k->out_ch, LANES) * k->groups;
  const size_t floats = (size_t)vectors * LANES * (size_t)k->in_ch * (size_t)k->k[0] * (size_t)k->k[1];
  clg_block *packed = clg_block_alloc(c->ctx, floats * sizeof(float), CLG_ROLE_WORKSPACE, c->op);
  if (!packed) return clg_last_status(c->ctx);
  clg_args l;
  l.n = 0;
  clg_args_at(&l, c->at[CLG_CONV_W], c->at[CLG_CONV_W]);
  clg_args_block(&l, packed);
  add_shape(&l, k, flags_of(c));
  clg_status s = launch(c, NULL, "conv_pack", &l, CLG_CEIL_DIV(k->in_ch, CONV_PACKED), vectors, 1);
  l.n = 0;
  clg_args_at(&l, input_of(c), c->at[c->output]);
  clg_args_block(&l, packed);
  add_output(&l, c, k);
  const int pairs = CLG_CEIL_DIV(k->out_ch, CONV_PAIR);
  if (s == CLG_OK)
    s = launch(c, c->epilogue, "conv_gather", &l, clg_conv_plan_blocks(k), CLG_CEIL_DIV(pairs, k->per), k->groups);
  clg_block_unref(packed);
  return s;
}

static clg_status run_fprop_dgrad(const clg_conv_call *c, clg_conv_kernel wanted) {
  clg_conv_plan k;
  clg_conv_kernel kernel =
      clg_conv_plan_gather(&k, c->shape, c->output == CLG_CONV_X, c->ctx->shape == CLG_SHAPE_CPU, wanted);
  return kernel == CLG_CONV_PAIRS ? run_gather(c, &k) : run_plain(c, &k, kernel == CLG_CONV_FEW);
}

/* ---- wgrad ---- */

static clg_status launch_wgrad(const clg_conv_call *c, const clg_conv_plan *k, clg_conv_kernel kernel, clg_at out,
                               int chunks, uint32_t flags) {
  clg_args l;
  l.n = 0;
  clg_args_at(&l, c->at[CLG_CONV_X], out);
  clg_args_at(&l, c->at[CLG_CONV_Y], out);
  clg_args_at(&l, out, out);
  add_shape(&l, k, flags);
  if (kernel == CLG_CONV_FEW) return launch(c, NULL, "conv_few_wgrad", &l, k->groups, chunks, 1);
  if (kernel == CLG_CONV_PAIRS)
    return launch(c, NULL, "conv_wgrad", &l, CLG_CEIL_DIV(CLG_CEIL_DIV(k->out_ch, CONV_PAIR), k->panel) * k->groups,
                  CLG_CEIL_DIV(k->in_ch, k->chunk), chunks);
  return launch(c, NULL, "conv_wgrad_tile", &l, CLG_CEIL_DIV(k->in_ch * k->k[0] * k->k[1], TILE),
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

/* Where there are few weights the sum is cut; the chunks' sums are added in order. */
static clg_status run_wgrad(const clg_conv_call *c, clg_conv_kernel wanted) {
  clg_conv_plan k;
  const clg_conv_kernel kernel = clg_conv_plan_wgrad(&k, c->shape, c->ctx->shape == CLG_SHAPE_CPU, wanted);
  const int taps = k.k[0] * k.k[1], chunks = clg_conv_plan_split(&k, kernel);
  uint32_t flags = c->accumulate ? CONV_ADD : 0;
  if (chunks == 1) return launch_wgrad(c, &k, kernel, c->at[CLG_CONV_W], 1, flags);
  size_t n = (size_t)k.out_ch * (size_t)k.groups * (size_t)k.in_ch * (size_t)taps;
  clg_block *parts = clg_block_alloc(c->ctx, n * (size_t)chunks * sizeof(float), CLG_ROLE_WORKSPACE, c->op);
  if (!parts) return clg_last_status(c->ctx);
  clg_status s = launch_wgrad(c, &k, kernel, (clg_at){parts, 0}, chunks, 0);
  if (s == CLG_OK) s = add_chunks(c, parts, c->at[CLG_CONV_W], n, chunks, flags);
  clg_block_unref(parts);
  return s;
}

clg_status clg_conv_run(const clg_conv_call *c) {
  if (!c->shape->batch && c->output != CLG_CONV_W) return CLG_OK;
  if (clg_conv_is_product(c)) return clg_conv_run_product(c);
  const clg_conv_kernel wanted = clg_conv_wanted(c);
  if (wanted == CLG_CONV_PRODUCT && clg_conv_is_pixelwise(c->shape)) return clg_conv_run_pixelwise(c);
  return c->output == CLG_CONV_W ? run_wgrad(c, wanted) : run_fprop_dgrad(c, wanted);
}
