/* Matrix products beside OpenBLAS and other libraries (--peer): GFLOP/s of all, medians of interleaved rounds.
 *
 * The means leave out products below a million operations, where a launch is all that there is to measure.
 * Set OPENBLAS_NUM_THREADS to the number of compute units. PoCL's threads are pinned (POCL_AFFINITY) unless the
 * environment says otherwise: after a pause the system may run them on one core for many milliseconds. */
#include "bench.h"
#include "device/launch.h"
#include "product/product.h"
#include "peer.h"
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM    "bench_product"
#define ROUND_TIME 0.02
#define ROUND_WORK 2e9 /* operations */
/* Calls that are queued before a wait: about a training step. PoCL takes twice as long over each of thousands. */
#define BURST 256

typedef struct bench {
  clg_context *ctx;
  int rounds;
  FILE *table;
  peers peers;
  json_t *rows;
  double logs[1 + MAX_PEERS]; /* sums over the products that count: OpenBLAS, and each library */
  int counted;
} bench;

typedef struct job {
  clg_context *ctx;
  clg_product p;
  float *a, *b, *c;
  int calls; /* in a round */
} job;

static double round_ours(const job *j) {
  bench_rest();
  clg_product_run(j->ctx, &j->p, "bench");
  clg_finish(j->ctx);
  double start = bench_now();
  for (int i = 0; i < j->calls; i++) {
    clg_product_run(j->ctx, &j->p, "bench");
    if (i % BURST == BURST - 1) clg_finish(j->ctx);
  }
  clg_finish(j->ctx);
  return (bench_now() - start) / j->calls;
}

static double round_blas(const job *j) {
  const clg_product *p = &j->p;
  const bench_gemm g = {p->ta, p->tb, (int)p->m, (int)p->n, (int)p->k, j->a, j->b, j->c};
  double start = 0;
  for (int i = -1; i < j->calls; i++) {
    if (i == 0) start = bench_now();
    bench_gemm_run(&g);
  }
  return bench_has_blas() ? (bench_now() - start) / j->calls : NAN;
}

static clg_block *operand(clg_context *ctx, float **host, size_t n) {
  *host = malloc(n * sizeof(float));
  clg_block *block = clg_block_alloc(ctx, n * sizeof(float), CLG_ROLE_DATA, "bench");
  if (!*host || !block) return NULL;
  for (size_t i = 0; i < n; i++) (*host)[i] = (float)(rand() % 2001 - 1000) / 1000;
  return clg_block_write(block, 0, n * sizeof(float), *host, false, "bench") == CLG_OK ? block : NULL;
}

/* ---- report ---- */

static void report(bench *b, const char *spec, double flops, double ours, double blas) {
  fprintf(b->table, "%-20s", spec);
  bench_cell(b->table, ours * 1e6, 11, 1);
  bench_cell(b->table, flops / ours / 1e9, 10, 1);
  bench_cell(b->table, flops / blas / 1e9, 10, 1);
  bench_cell(b->table, blas / ours, 7, 2);
  if (flops >= 1e6) b->logs[0] += log(blas / ours), b->counted++;
  for (int i = 0; peers_library(&b->peers, i); i++) {
    double us = peers_library_us(&b->peers, i), ratio = us / (ours * 1e6);
    bench_cell(b->table, flops / us / 1e3, 10, 1);
    bench_cell(b->table, ratio, 7, 2);
    if (flops >= 1e6) b->logs[1 + i] += log(ratio);
  }
  fprintf(b->table, "\n");
  fflush(b->table);
  json_array_append_new(b->rows,
                        json_pack("{s:s, s:f, s:f, s:o, s:o}", "product", spec, "flops", flops, "us", ours * 1e6,
                                  "openblas_us", bench_number_json(blas * 1e6), "peers_us", peers_json(&b->peers)));
}

static void print_head(const bench *b) {
  bench_head(b->ctx, b->table);
  peers_print(&b->peers, b->table);
  fprintf(b->table, "GFLOP/s, and the others' times over ours\n%-20s%11s%10s%10s%7s", "product", "us", "clgrad",
          "OpenBLAS", "ratio");
  for (int i = 0; peers_library(&b->peers, i); i++) fprintf(b->table, "%10s%7s", peers_library(&b->peers, i), "ratio");
  fprintf(b->table, "\n");
}

static void print_means(const bench *b) {
  if (!b->counted) return;
  fprintf(b->table, "geometric means of the ratios:%*s", 28, "");
  for (int i = 0; !i || peers_library(&b->peers, i - 1); i++)
    bench_cell(b->table, exp(b->logs[i] / b->counted), i ? 17 : 0, 2);
  fprintf(b->table, "\n");
}

/* ---- products ---- */

static bool parse(const char *spec, clg_product *p) {
  char ta, tb, end;
  *p = (clg_product){0};
  if (sscanf(spec, "%c%c:%ux%ux%u%c", &ta, &tb, &p->m, &p->n, &p->k, &end) != 5 || !p->m || !p->n || !p->k)
    return false;
  p->ta = ta == 't', p->tb = tb == 't';
  p->a_ld = p->ta ? p->m : p->k, p->b_ld = p->tb ? p->k : p->n, p->c_ld = p->n;
  return true;
}

static void measure(bench *b, job *j, const char *spec) {
  const clg_product *p = &j->p;
  double flops = 2.0 * p->m * p->n * p->k, ours[BENCH_MAX_ROUNDS], blas[BENCH_MAX_ROUNDS];
  char line[96];
  snprintf(line, sizeof line, "product %c %c %u %u %u", p->ta ? 't' : 'n', p->tb ? 't' : 'n', p->m, p->n, p->k);
  peers_work(&b->peers, line);
  j->calls = 1 + (int)(ROUND_WORK / (flops + 1e5));
  for (int i = 0; i < b->rounds; i++) {
    peers_round(&b->peers, i, ROUND_TIME);
    blas[i] = round_blas(j);
    ours[i] = round_ours(j);
  }
  peers_summarise(&b->peers, b->rounds);
  report(b, spec, flops, bench_median(ours, b->rounds), bench_median(blas, b->rounds));
}

/* False prints why. */
static bool compare(bench *b, const char *spec) {
  job j = {.ctx = b->ctx};
  clg_product *p = &j.p;
  if (!parse(spec, p)) return fprintf(stderr, PROGRAM ": '%s': want for instance nt:128x256x784\n", spec), false;
  p->a = operand(b->ctx, &j.a, (size_t)p->m * p->k);
  p->b = operand(b->ctx, &j.b, (size_t)p->k * p->n);
  p->c = operand(b->ctx, &j.c, (size_t)p->m * p->n);
  bool ok = p->a && p->b && p->c && clg_product_run(b->ctx, p, "bench") == CLG_OK && clg_finish(b->ctx) == CLG_OK;
  if (ok)
    measure(b, &j, spec);
  else
    fprintf(stderr, PROGRAM ": %s: %s\n", spec, clg_last_error(b->ctx));
  clg_block_unref(p->a), clg_block_unref(p->b), clg_block_unref(p->c);
  free(j.a), free(j.b), free(j.c);
  return ok;
}

static bool run(bench *b, char **specs, int n, const char *json) {
  static char *usual[] = {"nt:128x256x784",    "nt:128x256x256",    "nt:128x784x256",    "nt:128x256x128",
                          "nn:128x256x256",    "nn:128x256x784",    "nn:128x784x256",    "tn:256x784x128",
                          "tn:256x256x128",    "tn:784x256x128",    "nt:128x1x256",      "nn:128x256x1",
                          "tn:1x256x128",      "nn:1x256x256",      "tn:256x1x128",      "nn:512x512x512",
                          "nt:512x512x512",    "tn:512x512x512",    "nn:1024x1024x1024", "nt:1024x1024x1024",
                          "tn:1024x1024x1024", "nn:2048x2048x2048", "nt:2048x2048x2048", "tn:2048x2048x2048"};
  if (!n) specs = usual, n = (int)(sizeof usual / sizeof *usual);
  print_head(b);
  for (int i = 0; i < n; i++)
    if (!compare(b, specs[i])) return false;
  print_means(b);
  json_t *all = bench_head_json(b->ctx);
  json_object_set_new(all, "rounds", json_integer(b->rounds));
  json_object_set_new(all, "peers", peers_about_json(&b->peers));
  json_object_set(all, "products", b->rows);
  bool ok = !json || bench_write_json(PROGRAM, all, json);
  json_decref(all);
  return ok;
}

/* ---- command line ---- */

static void usage(FILE *to) {
  fputs("Usage: bench_product [OPTION]... [TRANSPOSES:MxNxK]...\n"
        "Times matrix products, for instance nt:128x256x784, beside OpenBLAS and other libraries.\n\n"
        "  -r, --rounds N of which the medians are taken (default: 15)\n"
        "  --peer COMMAND another library: 'python3 .../peers/rounds.py torch 1' or '... jax'; may be repeated\n"
        "  --json FILE    write the figures too; - is standard output\n"
        "  --help\n",
        to);
}

int main(int argc, char **argv) {
  static const struct option words[] = {{"rounds", required_argument, NULL, 'r'},
                                        {"peer", required_argument, NULL, 'p'},
                                        {"json", required_argument, NULL, 'j'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  bench b = {.rounds = 15, .rows = json_array()};
  const char *json = NULL;
  bool ok = true;
  for (int code; ok && (code = getopt_long(argc, argv, "r:", words, NULL)) != -1;) {
    ok = code != '?';
    if (code == 'r') ok = bench_number(PROGRAM, "rounds", optarg, 1, &b.rounds);
    if (code == 'p') ok = peers_add(&b.peers, optarg);
    if (code == 'j') json = optarg;
    if (code == 'h') return usage(stdout), 0;
  }
  b.rounds = bench_rounds(b.rounds);
  b.table = bench_table(json);
  ok = ok && (b.ctx = bench_open(PROGRAM)) && run(&b, argv + optind, argc - optind, json);
  peers_end(&b.peers);
  json_decref(b.rows);
  clg_context_unref(&b.ctx);
  return !ok;
}
