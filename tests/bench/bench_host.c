/* The host's share of the time, on a plan context, where ops only record, in seconds of this process alone:
 * microseconds of each op's record and backward together, of a node in chains up to a million long, and of a training
 * step of the MLP GAN with its launches and the pool's hits. */
#include "bench.h"
#include "op_job.h"
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_MALLINFO2
#include <malloc.h>
#endif

#define PROGRAM    "bench_host"
#define ROUND_TIME 0.005
#define MAX_CASES  512

typedef struct options {
  int rounds, nodes;
  bool chains;
  FILE *table;
  const char *json, *only;
} options;

/* ---- ops, one at a time: a graph of one op ---- */

static double seconds_of(const op_job *j, int calls) {
  double start = bench_cpu_now();
  for (int i = 0; i < calls; i++)
    if (!op_job_call(j)) return NAN;
  return (bench_cpu_now() - start) / calls;
}

/* NAN with the context's error set. */
static double op_time(clg_context *ctx, const bench_case *c, int rounds) {
  op_job j;
  double t[BENCH_MAX_ROUNDS], once = NAN;
  bool ok =
      op_job_begin(ctx, &j, c, c->c.grads ? PASS_BOTH : PASS_FORWARD, bench_floats(SIZE_CACHE)) && op_job_call(&j);
  if (ok) once = seconds_of(&j, 16);
  int calls = once > 0 ? 1 + (int)(ROUND_TIME / once) : 0;
  for (int r = 0; calls && r < rounds; r++) t[r] = seconds_of(&j, calls);
  op_job_end(&j);
  return calls ? bench_median(t, rounds) : NAN;
}

typedef struct op_times {
  double us[MAX_CASES];
  int n;
  json_t *rows;
} op_times;

/* Ops without a gradient are shown, but the median is of those that record. */
static bool time_case(clg_context *ctx, const bench_case *b, const options *o, op_times *all) {
  const op_case *c = &b->c;
  if (o->only && !strstr(c->op->name, o->only) && !strstr(c->what, o->only)) return true;
  double us = op_time(ctx, b, o->rounds) * 1e6;
  if (!isfinite(us)) return fprintf(stderr, PROGRAM ": %s %s: %s\n", c->op->name, c->what, clg_last_error(ctx)), false;
  fprintf(o->table, "%-16s %-40.40s %8.2f us%s\n", c->op->name, c->what, us, c->grads ? "" : "  forward alone");
  if (c->grads && all->n < MAX_CASES) all->us[all->n++] = us;
  json_array_append_new(all->rows, json_pack("{s:s, s:s, s:b, s:o}", "op", c->op->name, "case", c->what, "backward",
                                             c->grads != 0, "us", bench_number_json(us)));
  return true;
}

static bool bench_ops(clg_context *ctx, const options *o, json_t *to) {
  op_times all = {.rows = json_array()};
  bench_case b, before = {.layout = LAYOUT_FLAT};
  bool ok = true;
  for (size_t i = 0; ok && bench_case_at(i, &b); before = b, i++)
    if (b.layout == LAYOUT_FLAT && (b.c.op != before.c.op || b.c.what != before.c.what))
      ok = time_case(ctx, &b, o, &all);
  double median = all.n ? bench_median(all.us, all.n) : NAN;
  fprintf(o->table, "median of %d ops, record and backward: %.2f us\n\n", all.n, median);
  json_object_set_new(to, "ops", all.rows);
  json_object_set_new(to, "median_us_per_op", bench_number_json(median));
  return ok;
}

/* ---- chains ---- */

static double heap_bytes(void) {
#ifdef HAVE_MALLINFO2
  struct mallinfo2 m = mallinfo2();
  return (double)m.uordblks + (double)m.hblkhd;
#else
  return NAN;
#endif
}

typedef struct chain_figures {
  double forward, backward, bytes; /* a node */
} chain_figures;

static bool run_chain(clg_context *ctx, int nodes, chain_figures *f) {
  clg_tensor *x = clg_tensor_create(ctx, 1, (int64_t[]){16}, NULL),
             *g = clg_tensor_create(ctx, 1, (int64_t[]){16}, NULL);
  if (!x || !g || clg_tensor_set_requires_grad(x, true) != CLG_OK)
    return clg_tensor_unref(&x), clg_tensor_unref(&g), false;
  double heap = heap_bytes(), start = bench_cpu_now();
  clg_tensor *y = clg_tensor_ref(x);
  for (int i = 0; y && i < nodes; i++) {
    clg_tensor *next = i % 2 ? clg_relu(y) : clg_mul_scalar(y, 1.5f);
    clg_tensor_unref(&y);
    y = next;
  }
  double recorded = bench_cpu_now();
  f->bytes = (heap_bytes() - heap) / nodes;
  clg_backward_options o = clg_backward_defaults();
  o.grad = g;
  bool ok = y && clg_backward(y, &o) == CLG_OK;
  clg_tensor_unref(&y);
  double done = bench_cpu_now();
  clg_tensor_unref(&x);
  clg_tensor_unref(&g);
  f->forward = (recorded - start) / nodes;
  f->backward = (done - recorded) / nodes;
  return ok;
}

static bool chain_of(clg_context *ctx, int nodes, const options *o, json_t *rows) {
  double forward[BENCH_MAX_ROUNDS], backward[BENCH_MAX_ROUNDS];
  chain_figures f = {0};
  for (int r = 0; r < o->rounds; r++) {
    double sum[2] = {0, 0};
    int times = nodes < 10000 ? 10000 / nodes : 1;
    for (int i = 0; i < times; i++) {
      if (!run_chain(ctx, nodes, &f)) return fprintf(stderr, PROGRAM ": %s\n", clg_last_error(ctx)), false;
      sum[0] += f.forward, sum[1] += f.backward;
    }
    forward[r] = sum[0] / times * 1e6, backward[r] = sum[1] / times * 1e6;
  }
  double a = bench_median(forward, o->rounds), b = bench_median(backward, o->rounds);
  fprintf(o->table,
          "chain of %8d nodes: record %6.3f us, backward and release %6.3f us a node, %6.0f bytes of host memory\n",
          nodes, a, b, f.bytes);
  fflush(o->table);
  json_array_append_new(rows, json_pack("{s:i, s:f, s:f, s:o}", "nodes", nodes, "record_us", a, "backward_us", b,
                                        "host_bytes", bench_number_json(f.bytes)));
  return true;
}

static bool bench_chains(clg_context *ctx, const options *o, json_t *to) {
  json_t *rows = json_array();
  bool ok = true;
  for (int nodes = 100; ok && nodes <= o->nodes; nodes *= 10) ok = chain_of(ctx, nodes, o, rows);
  json_object_set_new(to, "chains", rows);
  fprintf(o->table, "\n");
  return ok;
}

/* ---- a training step: the MLP GAN of gan_train, variant detach, batch 128 ---- */

typedef struct gan {
  clg_context *ctx;
  clg_module *g, *d;
  clg_optim *opt_g, *opt_d;
  clg_tensor *real, *ones, *zeros;
} gan;

static clg_module *network(clg_context *ctx, int64_t in, int64_t out, const char *last) {
  clg_module *block[4];
  for (int i = 0; i < 3; i++)
    block[i] = clg_sequential_create(ctx,
                                     (clg_module *[]){clg_linear_create(ctx, i ? 256 : in, 256, true, NULL),
                                                      clg_activation_create(ctx, (clg_act){"leaky_relu", {0.2f}}),
                                                      clg_layer_norm_create(ctx, 256, NULL)},
                                     3);
  clg_module *linear = clg_linear_create(ctx, 256, out, true, NULL);
  block[3] =
      last == NULL
          ? linear
          : clg_sequential_create(ctx, (clg_module *[]){linear, clg_activation_create(ctx, (clg_act){last, {0}})}, 2);
  return clg_sequential_create(ctx, block, 4);
}

static void gan_begin(gan *n, clg_context *ctx) {
  clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  const int64_t images[] = {128, 784}, logits[] = {128, 1};
  *n = (gan){.ctx = ctx, .g = network(ctx, 128, 784, "sigmoid"), .d = network(ctx, 784, 1, NULL)};
  n->opt_g = clg_optim_create_for(n->g, &adam);
  n->opt_d = clg_optim_create_for(n->d, &adam);
  n->real = clg_tensor_create(ctx, 2, images, NULL);
  n->zeros = clg_tensor_create(ctx, 2, logits, NULL);
  n->ones = clg_tensor_create(ctx, 2, logits, NULL);
  if (n->ones) clg_fill_(n->ones, 1);
}

static void gan_end(gan *n) {
  clg_tensor_unref(&n->real);
  clg_tensor_unref(&n->zeros);
  clg_tensor_unref(&n->ones);
  clg_optim_unref(&n->opt_g);
  clg_optim_unref(&n->opt_d);
  clg_module_unref(&n->g);
  clg_module_unref(&n->d);
}

static bool gan_step(const gan *n) {
  clg_scope *step = clg_scope_open(n->ctx);
  clg_optim_zero_grad(n->opt_d);
  clg_backward(clg_bce_with_logits_loss(clg_forward(n->d, n->real), n->ones, NULL), NULL);
  clg_tensor *fake = clg_forward(n->g, clg_randn(n->ctx, 2, (int64_t[]){128, 128}));
  clg_backward(clg_bce_with_logits_loss(clg_forward(n->d, clg_detach(fake)), n->zeros, NULL), NULL);
  clg_optim_step(n->opt_d);
  clg_optim_zero_grad(n->opt_g);
  clg_backward(clg_bce_with_logits_loss(clg_forward(n->d, fake), n->ones, NULL), NULL);
  clg_optim_step(n->opt_g);
  return clg_scope_close(step) == CLG_OK;
}

static bool bench_step(clg_context *ctx, const options *o, json_t *to) {
  enum { WARM = 3, STEPS = 50 };
  gan n;
  gan_begin(&n, ctx);
  bool ok = true;
  double t[BENCH_MAX_ROUNDS];
  for (int i = 0; ok && i < WARM; i++) ok = gan_step(&n);
  clg_counters before = clg_context_counters(ctx);
  for (int r = 0; ok && r < o->rounds; r++) {
    double start = bench_cpu_now();
    for (int i = 0; ok && i < STEPS; i++) ok = gan_step(&n);
    t[r] = (bench_cpu_now() - start) / STEPS * 1e6;
  }
  clg_counters after = clg_context_counters(ctx);
  gan_end(&n);
  if (!ok) return fprintf(stderr, PROGRAM ": %s\n", clg_last_error(ctx)), false;
  double us = bench_median(t, o->rounds), steps = (double)STEPS * o->rounds;
  double launches = (double)(after.launches - before.launches) / steps;
  double hits = (double)(after.pool_hits - before.pool_hits), misses = (double)(after.pool_misses - before.pool_misses);
  fprintf(o->table, "MLP GAN step: %.0f us of host time, %.1f launches, %.1f allocations, %.2f%% from the pool\n", us,
          launches, (hits + misses) / steps, 100 * hits / (hits + misses));
  json_object_set_new(to, "gan_step",
                      json_pack("{s:f, s:f, s:f, s:f}", "host_us", us, "launches", launches, "allocations",
                                (hits + misses) / steps, "pool_hit_rate", hits / (hits + misses)));
  return true;
}

/* ---- command line ---- */

static void usage(FILE *to) {
  fputs("Usage: bench_host [OPTION]...\n"
        "Times the host's side of ops, graphs and a training step; needs no OpenCL device.\n\n"
        "  --only TEXT    these ops alone\n"
        "  --chains       the chains alone\n"
        "  --nodes N      of the longest chain (default: 1000000)\n"
        "  --rounds N     of which the medians are taken (default: 7)\n"
        "  --json FILE    write the figures too; - is standard output\n"
        "  --help\n",
        to);
}

int main(int argc, char **argv) {
  static const struct option words[] = {{"only", required_argument, NULL, 'o'},
                                        {"nodes", required_argument, NULL, 'n'},
                                        {"rounds", required_argument, NULL, 'r'},
                                        {"json", required_argument, NULL, 'j'},
                                        {"chains", no_argument, NULL, 'c'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  options o = {.rounds = 7, .nodes = 1000000};
  for (int code; (code = getopt_long(argc, argv, "", words, NULL)) != -1;) {
    bool ok = code != '?';
    if (code == 'o') o.only = optarg;
    if (code == 'j') o.json = optarg;
    if (code == 'n') ok = bench_number(PROGRAM, "nodes", optarg, 1, &o.nodes);
    if (code == 'r') ok = bench_number(PROGRAM, "rounds", optarg, 1, &o.rounds);
    if (code == 'c') o.chains = true;
    if (code == 'h') return usage(stdout), 0;
    if (!ok) return 1;
  }
  if (optind < argc) return usage(stderr), 1;
  o.rounds = bench_rounds(o.rounds);
  o.table = bench_table(o.json);
  clg_context *ctx = NULL;
  if (clg_context_create_plan(&ctx, NULL) != CLG_OK) return fprintf(stderr, PROGRAM ": no plan context\n"), 1;
  json_t *all = json_object();
  bool ok = o.chains || bench_ops(ctx, &o, all);
  if (!o.only) ok = ok && bench_chains(ctx, &o, all);
  if (!o.only && !o.chains) ok = ok && bench_step(ctx, &o, all);
  if (o.json) ok = bench_write_json(PROGRAM, all, o.json) && ok;
  json_decref(all);
  clg_context_unref(&ctx);
  return !ok;
}
