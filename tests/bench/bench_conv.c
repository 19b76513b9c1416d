/* Convolutions of the DCGAN (64x64x1, ngf = ndf = 16, nz = 100): us and GFLOP/s of each layer's three kernels, medians,
 * and what they add up to in a training step of variant detach. tests/bench/peers/conv.py times the same in PyTorch.
 *
 * usage: bench_conv [-r ROUNDS] [-b BATCH]. PoCL's threads are pinned (POCL_AFFINITY) unless the environment says
 * otherwise. */
#include "bench.h"
#include "ops/conv_kernels.h"
#include <stdlib.h>
#include <string.h>

/* A layer: x [c,in,in], y [o,out,out], kernel 4; how often a step runs each of the three. */
typedef struct layer {
  const char *name;
  int c, o, in, out, stride, padding;
  int times[CLG_CONV_PARTS];
} layer;
static const layer layers[] = {
    {"G 100->128   1->4", 128, 100, 4, 1, 1, 0, {1, 1, 0}}, {"G 128->64   4->8", 64, 128, 8, 4, 2, 1, {1, 1, 1}},
    {"G  64->32   8->16", 32, 64, 16, 8, 2, 1, {1, 1, 1}},  {"G  32->16  16->32", 16, 32, 32, 16, 2, 1, {1, 1, 1}},
    {"G  16->1   32->64", 1, 16, 64, 32, 2, 1, {1, 1, 1}},  {"D   1->16  64->32", 1, 16, 64, 32, 2, 1, {1, 3, 3}},
    {"D  16->32  32->16", 16, 32, 32, 16, 2, 1, {3, 3, 3}}, {"D  32->64  16->8", 32, 64, 16, 8, 2, 1, {3, 3, 3}},
    {"D  64->128  8->4", 64, 128, 8, 4, 2, 1, {3, 3, 3}},   {"D 128->1    4->1", 128, 1, 4, 1, 1, 0, {3, 3, 3}},
};

static clg_block *operand(clg_context *ctx, size_t n) {
  float *host = malloc(n * sizeof *host);
  clg_block *block = clg_block_alloc(ctx, n * sizeof *host, CLG_ROLE_DATA, "bench");
  for (size_t i = 0; host && i < n; i++) host[i] = (float)(rand() % 2001 - 1000) / 1000;
  if (host && block) clg_block_write(block, 0, n * sizeof *host, host, false, "bench");
  free(host);
  return block;
}

/* Seconds a call, the median of `rounds`; negative on an error. */
static double measure(clg_context *ctx, const clg_conv_call *call, double flops, int rounds) {
  double t[BENCH_MAX_ROUNDS];
  int calls = 1 + (int)(5e8 / (flops + 1e6));
  for (int r = -1; r < rounds; r++) {
    double start = bench_now();
    for (int i = 0; i < (r < 0 ? 1 : calls); i++)
      if (clg_conv_run(ctx, call, "bench") != CLG_OK) return -1;
    if (clg_finish(ctx) != CLG_OK) return -1;
    if (r >= 0) t[r] = (bench_now() - start) / calls;
  }
  return bench_median(t, rounds);
}

/* Adds to the totals; false on an error. */
static bool bench_layer(clg_context *ctx, const layer *l, int batch, int rounds, double *seconds, double *work) {
  clg_conv_shape s = {.batch = batch,
                      .groups = 1,
                      .c = l->c,
                      .o = l->o,
                      .in = {l->in, l->in},
                      .out = {l->out, l->out},
                      .kernel = {4, 4},
                      .stride = {l->stride, l->stride},
                      .padding = {l->padding, l->padding},
                      .dilation = {1, 1}};
  size_t n[CLG_CONV_PARTS] = {(size_t)(batch * l->c * l->in * l->in), (size_t)(l->c * l->o * 16),
                              (size_t)(batch * l->o * l->out * l->out)};
  clg_conv_call call = {.shape = &s};
  bool ok = true;
  for (int i = 0; i < CLG_CONV_PARTS; i++) ok = (call.at[i].block = operand(ctx, n[i])) && ok;
  double flops = 2.0 * (double)n[CLG_CONV_Y] * l->c * 16;
  printf("%-20s %6.1f MFLOP", l->name, flops / 1e6);
  static const char *names[] = {"x", "w", "y"};
  for (int i = CLG_CONV_PARTS - 1; ok && i >= 0; i--) {
    call.target = (clg_conv_part)i;
    double t = measure(ctx, &call, flops, rounds);
    ok = t > 0;
    printf("   %s %8.1f us %6.1f GFLOP/s", names[i], t * 1e6, flops / t / 1e9);
    *seconds += t * l->times[i], *work += flops * l->times[i];
  }
  printf("\n");
  for (int i = 0; i < CLG_CONV_PARTS; i++) clg_block_unref(call.at[i].block);
  return ok;
}

int main(int argc, char **argv) {
  int rounds = 15, batch = 32;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "-r")) rounds = atoi(argv[i + 1]);
    if (!strcmp(argv[i], "-b")) batch = atoi(argv[i + 1]);
  }
  rounds = bench_rounds(rounds);
  clg_context *ctx = bench_open("bench_conv");
  if (!ctx) return 1;
  double seconds = 0, work = 0;
  bool ok = batch > 0;
  for (size_t i = 0; ok && i < sizeof layers / sizeof *layers; i++)
    ok = bench_layer(ctx, &layers[i], batch, rounds, &seconds, &work);
  if (ok)
    printf("a detach step: %.2f GFLOP in %.2f ms, %.1f GFLOP/s\n", work / 1e9, seconds * 1e3, work / seconds / 1e9);
  else
    fprintf(stderr, "bench_conv: %s\n", clg_last_error(ctx));
  clg_context_unref(&ctx);
  return !ok;
}
