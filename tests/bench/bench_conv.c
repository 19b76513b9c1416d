/* Convolutions of the DCGAN (64x64x1, nz = 100; ngf = ndf = 16, or --width) beside other libraries (--peer): us and
 * GFLOP/s of each layer's three kernels, medians of interleaved rounds, and what they add up to in a training step of
 * variant detach. PoCL's threads are pinned (POCL_AFFINITY) unless the environment says otherwise. */
#include "bench.h"
#include "ops/conv/conv.h"
#include "peer.h"
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM    "bench_conv"
#define ROUND_TIME 0.02

/* A layer, for a width of 1: x [c,in,in], y [o,out,out], kernel 4; how often a step runs each of the three. Those of
 * the generator are transposed: from y to x. */
typedef struct layer {
  const char *name;
  bool transposed;
  int c, o; /* multiples of the width; below 0: so many whatever it is */
  int in, out, stride, padding;
  int times[CLG_CONV_OPERANDS];
} layer;
static const layer layers[] = {
    {"G  1->4", true, 8, -100, 4, 1, 1, 0, {1, 1, 0}},  {"G  4->8", true, 4, 8, 8, 4, 2, 1, {1, 1, 1}},
    {"G  8->16", true, 2, 4, 16, 8, 2, 1, {1, 1, 1}},   {"G 16->32", true, 1, 2, 32, 16, 2, 1, {1, 1, 1}},
    {"G 32->64", true, -1, 1, 64, 32, 2, 1, {1, 1, 1}}, {"D 64->32", false, -1, 1, 64, 32, 2, 1, {1, 3, 3}},
    {"D 32->16", false, 1, 2, 32, 16, 2, 1, {3, 3, 3}}, {"D 16->8", false, 2, 4, 16, 8, 2, 1, {3, 3, 3}},
    {"D  8->4", false, 4, 8, 8, 4, 2, 1, {3, 3, 3}},    {"D  4->1", false, 8, -1, 4, 1, 1, 0, {3, 3, 3}},
};
static const char *const part_names[CLG_CONV_OPERANDS] = {[CLG_CONV_X] = "x", [CLG_CONV_W] = "w", [CLG_CONV_Y] = "y"};

typedef struct bench {
  clg_context *ctx;
  int rounds, batch, width;
  FILE *table;
  peers peers;
  json_t *rows;
  double ours, theirs[MAX_PEERS], work; /* of a step: us, and operations */
} bench;

static clg_block *operand(clg_context *ctx, size_t n) {
  float *host = malloc(n * sizeof *host);
  clg_block *block = clg_block_alloc(ctx, n * sizeof *host, CLG_ROLE_DATA, "bench");
  for (size_t i = 0; host && i < n; i++) host[i] = (float)(rand() % 2001 - 1000) / 1000;
  if (host && block) clg_block_write(block, 0, n * sizeof *host, host, false, "bench");
  free(host);
  return block;
}

static double round_ours(const clg_conv_call *call, int calls) {
  double start = bench_now();
  for (int i = 0; i < calls; i++)
    if (clg_conv_run(call) != CLG_OK) return NAN;
  return clg_finish(call->ctx) == CLG_OK ? (bench_now() - start) / calls : NAN;
}

static const char *pass_of(const layer *l, clg_conv_operand part) {
  if (part == CLG_CONV_W) return "weight gradient";
  return part == (l->transposed ? CLG_CONV_X : CLG_CONV_Y) ? "forward" : "input gradient";
}

/* Adds to the step's sums; false on an error. */
static bool measure(bench *b, const layer *l, const clg_conv_call *call, double flops) {
  double t[BENCH_MAX_ROUNDS];
  const clg_conv_shape *s = call->shape;
  int calls = 1 + (int)(5e8 / (flops + 1e6));
  char line[128];
  snprintf(line, sizeof line, "conv %s %d %d %d %d %d %d %d %d", part_names[call->output], l->transposed, (int)s->batch,
           (int)s->c, (int)s->o, l->in, l->out, l->stride, l->padding);
  peers_work(&b->peers, line);
  if (!(round_ours(call, 1) > 0)) return false; /* builds kernels */
  for (int r = 0; r < b->rounds; r++) {
    peers_round(&b->peers, r, ROUND_TIME);
    t[r] = round_ours(call, calls);
  }
  peers_summarise(&b->peers, b->rounds);
  double us = bench_median(t, b->rounds) * 1e6;
  fprintf(b->table, "%-9s %4d %4d %-16s", l->name, (int)s->c, (int)s->o, pass_of(l, call->output));
  bench_cell(b->table, us, 11, 1);
  bench_cell(b->table, flops / us / 1e3, 10, 1);
  int times = l->times[call->output];
  b->ours += us * times, b->work += flops * times;
  for (int i = 0; peers_library(&b->peers, i); i++) {
    double theirs = peers_library_us(&b->peers, i);
    bench_cell(b->table, flops / theirs / 1e3, 10, 1);
    bench_cell(b->table, theirs / us, 7, 2);
    b->theirs[i] += times ? theirs * times : 0;
  }
  fprintf(b->table, "\n");
  fflush(b->table);
  json_array_append_new(b->rows, json_pack("{s:s, s:i, s:i, s:s, s:f, s:i, s:o, s:o}", "layer", l->name, "c", (int)s->c,
                                           "o", (int)s->o, "pass", pass_of(l, call->output), "flops", flops, "times",
                                           times, "us", bench_number_json(us), "peers_us", peers_json(&b->peers)));
  return us > 0;
}

static int channels(int of, int width) { return of < 0 ? -of : of * width; }

static bool bench_layer(bench *b, const layer *l) {
  int c = channels(l->c, b->width), o = channels(l->o, b->width), batch = b->batch;
  clg_conv_shape s = {.batch = batch,
                      .groups = 1,
                      .c = c,
                      .o = o,
                      .in = {l->in, l->in},
                      .out = {l->out, l->out},
                      .kernel = {4, 4},
                      .stride = {l->stride, l->stride},
                      .padding = {l->padding, l->padding},
                      .dilation = {1, 1}};
  size_t n[CLG_CONV_OPERANDS] = {(size_t)(batch * c * l->in * l->in), (size_t)(c * o * 16),
                                 (size_t)(batch * o * l->out * l->out)};
  clg_conv_call call = {.ctx = b->ctx, .op = "bench", .shape = &s};
  bool ok = true;
  for (int i = 0; i < CLG_CONV_OPERANDS; i++) ok = (call.at[i].block = operand(b->ctx, n[i])) && ok;
  for (int i = CLG_CONV_OPERANDS - 1; ok && i >= 0; i--) {
    call.output = (clg_conv_operand)i;
    ok = measure(b, l, &call, 2.0 * (double)n[CLG_CONV_Y] * c * 16);
  }
  for (int i = 0; i < CLG_CONV_OPERANDS; i++) clg_block_unref(call.at[i].block);
  return ok;
}

/* ---- report ---- */

static void print_head(const bench *b) {
  bench_head(b->ctx, b->table);
  peers_print(&b->peers, b->table);
  fprintf(b->table, "GFLOP/s, and the others' times over ours\n%-9s %4s %4s %-16s%11s%10s", "layer", "c", "o", "pass",
          "us", "clgrad");
  for (int i = 0; peers_library(&b->peers, i); i++) fprintf(b->table, "%10s%7s", peers_library(&b->peers, i), "ratio");
  fprintf(b->table, "\n");
}

static void print_step(const bench *b) {
  fprintf(b->table, "a detach step: %.2f GFLOP in %.2f ms, %.1f GFLOP/s", b->work / 1e9, b->ours / 1e3,
          b->work / b->ours / 1e3);
  for (int i = 0; peers_library(&b->peers, i); i++)
    fprintf(b->table, "; %s %.2f ms, ratio %.2f", peers_library(&b->peers, i), b->theirs[i] / 1e3,
            b->theirs[i] / b->ours);
  fprintf(b->table, "\n");
}

static bool run(bench *b, const char *json) {
  print_head(b);
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    if (!bench_layer(b, &layers[i])) return fprintf(stderr, PROGRAM ": %s\n", clg_last_error(b->ctx)), false;
  print_step(b);
  json_t *all = bench_head_json(b->ctx);
  json_object_set_new(all, "rounds", json_integer(b->rounds));
  json_object_set_new(all, "batch", json_integer(b->batch));
  json_object_set_new(all, "width", json_integer(b->width));
  json_object_set_new(all, "peers", peers_about_json(&b->peers));
  json_object_set(all, "convolutions", b->rows);
  bool ok = !json || bench_write_json(PROGRAM, all, json);
  json_decref(all);
  return ok;
}

/* ---- command line ---- */

static void usage(FILE *to) {
  fputs("Usage: bench_conv [OPTION]...\n"
        "Times the DCGAN's convolutions and their gradients beside other libraries.\n\n"
        "  -r, --rounds N of which the medians are taken (default: 15)\n"
        "  -b, --batch N  (default: 32)\n"
        "  --width N      ngf and ndf (default: 16)\n"
        "  --peer COMMAND another library: 'python3 .../peers/rounds.py torch 1' or '... jax'; may be repeated\n"
        "  --json FILE    write the figures too; - is standard output\n"
        "  --help\n",
        to);
}

int main(int argc, char **argv) {
  static const struct option words[] = {{"rounds", required_argument, NULL, 'r'},
                                        {"batch", required_argument, NULL, 'b'},
                                        {"width", required_argument, NULL, 'w'},
                                        {"peer", required_argument, NULL, 'p'},
                                        {"json", required_argument, NULL, 'j'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  bench b = {.rounds = 15, .batch = 32, .width = 16, .rows = json_array()};
  const char *json = NULL;
  bool ok = true;
  for (int code; ok && (code = getopt_long(argc, argv, "r:b:", words, NULL)) != -1;) {
    ok = code != '?';
    if (code == 'r') ok = bench_number(PROGRAM, "rounds", optarg, 1, &b.rounds);
    if (code == 'b') ok = bench_number(PROGRAM, "batch", optarg, 1, &b.batch);
    if (code == 'w') ok = bench_number(PROGRAM, "width", optarg, 1, &b.width);
    if (code == 'p') ok = peers_add(&b.peers, optarg);
    if (code == 'j') json = optarg;
    if (code == 'h') return usage(stdout), 0;
  }
  b.rounds = bench_rounds(b.rounds);
  b.table = bench_table(json);
  ok = ok && (b.ctx = bench_open(PROGRAM)) && run(&b, json);
  peers_end(&b.peers);
  json_decref(b.rows);
  clg_context_unref(&b.ctx);
  return !ok;
}
