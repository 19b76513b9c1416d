/* Matrix products beside OpenBLAS: GFLOP/s of both, medians of interleaved rounds.
 *
 * usage: bench_product [-r ROUNDS] [TRANSPOSES:MxNxK ...]    for instance nt:128x256x784
 * The mean leaves out products below a million operations, where a launch is all that there is to measure.
 * Set OPENBLAS_NUM_THREADS to the number of compute units. PoCL's threads are pinned (POCL_AFFINITY) unless the
 * environment says otherwise: after a pause the system may run them on one core for many milliseconds. */
#include "bench.h"
#include "device/launch.h"
#include "ops/product.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Calls that are queued before a wait: about a training step. PoCL takes twice as long over each of thousands. */
#define BURST 256

typedef struct bench {
  clg_context *ctx;
  clg_product p;
  float *a, *b, *c;
  int calls; /* in a round */
} bench;

static double round_ours(const bench *b) {
  bench_rest();
  clg_product_run(b->ctx, &b->p, "bench");
  clg_finish(b->ctx);
  double start = bench_now();
  for (int i = 0; i < b->calls; i++) {
    clg_product_run(b->ctx, &b->p, "bench");
    if (i % BURST == BURST - 1) clg_finish(b->ctx);
  }
  clg_finish(b->ctx);
  return (bench_now() - start) / b->calls;
}

static double round_blas(const bench *b) {
  const clg_product *p = &b->p;
  const bench_gemm g = {p->ta, p->tb, (int)p->m, (int)p->n, (int)p->k, b->a, b->b, b->c};
  double start = 0;
  for (int i = -1; i < b->calls; i++) {
    if (i == 0) start = bench_now();
    bench_gemm_run(&g);
  }
  return (bench_now() - start) / b->calls;
}

static clg_block *operand(clg_context *ctx, float **host, size_t n) {
  *host = malloc(n * sizeof(float));
  clg_block *block = clg_block_alloc(ctx, n * sizeof(float), CLG_ROLE_DATA, "bench");
  if (!*host || !block) return NULL;
  for (size_t i = 0; i < n; i++) (*host)[i] = (float)(rand() % 2001 - 1000) / 1000;
  return clg_block_write(block, 0, n * sizeof(float), *host, false, "bench") == CLG_OK ? block : NULL;
}

/* Returns OpenBLAS's time over ours: above 1 we are faster. 0: an error. */
static double compare(clg_context *ctx, const char *spec, int rounds, bool *counts) {
  bench b = {.ctx = ctx};
  char ta, tb;
  if (sscanf(spec, "%c%c:%ux%ux%u", &ta, &tb, &b.p.m, &b.p.n, &b.p.k) != 5) return 0;
  clg_product *p = &b.p;
  p->ta = ta == 't', p->tb = tb == 't';
  p->a_ld = p->ta ? p->m : p->k, p->b_ld = p->tb ? p->k : p->n, p->c_ld = p->n;
  p->a = operand(ctx, &b.a, (size_t)p->m * p->k);
  p->b = operand(ctx, &b.b, (size_t)p->k * p->n);
  p->c = operand(ctx, &b.c, (size_t)p->m * p->n);
  double flops = 2.0 * p->m * p->n * p->k, ours[BENCH_MAX_ROUNDS], blas[BENCH_MAX_ROUNDS], ratio = 0;
  *counts = flops >= 1e6;
  b.calls = 1 + (int)(2e9 / (flops + 1e5));
  if (p->a && p->b && p->c && clg_product_run(ctx, p, "bench") == CLG_OK && clg_finish(ctx) == CLG_OK) {
    for (int i = 0; i < rounds; i++) ours[i] = round_ours(&b), blas[i] = round_blas(&b);
    double t = bench_median(ours, rounds), u = bench_median(blas, rounds);
    ratio = u / t;
    printf("%-18s %9.1f us  %7.1f GFLOP/s  (best %7.1f)   OpenBLAS %7.1f  (best %7.1f)   ratio %.2f\n", spec, t * 1e6,
           flops / t / 1e9, flops / ours[0] / 1e9, flops / u / 1e9, flops / blas[0] / 1e9, ratio);
    fflush(stdout);
  }
  clg_block_unref(p->a), clg_block_unref(p->b), clg_block_unref(p->c);
  free(b.a), free(b.b), free(b.c);
  return ratio;
}

int main(int argc, char **argv) {
  static const char *usual[] = {"nt:128x256x784",    "nt:128x256x256",    "nt:128x784x256",    "nt:128x256x128",
                                "nn:128x256x256",    "nn:128x256x784",    "nn:128x784x256",    "tn:256x784x128",
                                "tn:256x256x128",    "tn:784x256x128",    "nt:128x1x256",      "nn:128x256x1",
                                "tn:1x256x128",      "nn:1x256x256",      "tn:256x1x128",      "nn:512x512x512",
                                "nt:512x512x512",    "tn:512x512x512",    "nn:1024x1024x1024", "nt:1024x1024x1024",
                                "tn:1024x1024x1024", "nn:2048x2048x2048", "nt:2048x2048x2048", "tn:2048x2048x2048"};
  int rounds = 15, first = 1;
  if (argc > 2 && !strcmp(argv[1], "-r")) rounds = atoi(argv[2]), first = 3;
  rounds = bench_rounds(rounds);
  clg_context *ctx = bench_open("bench_product");
  if (!ctx) return 1;
  int n = first < argc ? argc - first : (int)(sizeof usual / sizeof *usual), status = 0, counted = 0;
  double sum = 0;
  for (int i = 0; i < n && !status; i++) {
    const char *spec = first < argc ? argv[first + i] : usual[i];
    bool counts = false;
    double ratio = compare(ctx, spec, rounds, &counts);
    if (ratio > 0 && counts)
      sum += log(ratio), counted++;
    else if (ratio <= 0)
      status = fprintf(stderr, "bench_product: %s: %s\n", spec, clg_last_error(ctx)) != 0;
  }
  if (!status && counted) printf("geometric mean of the ratios: %.3f\n", exp(sum / counted));
  clg_context_unref(&ctx);
  return status;
}
