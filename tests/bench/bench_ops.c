/* Times every op of the op table at the sizes and in the layouts of cases.h, beside yardsticks that are not our own:
 * memcpy and a triad on as many bytes as must move, OpenBLAS for products, and other libraries' ops (--peer). Rounds
 * alternate between all of them; our calls are queued one behind the other with one wait a round. A share is the median
 * over rounds of (bytes that must move / time) over the same of the yardstick, both of that round. Bytes are those of
 * the operands and results, each once, whatever a kernel really does. */
#include "bench.h"
#include "op_job.h"
#include "peer.h"
#include "yardstick.h"
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM    "bench_ops"
#define ROUND_TIME 0.02
#define MAX_WORDS  64

typedef struct options {
  int rounds, mb;          /* 0: what each size says */
  unsigned sizes, layouts; /* bits */
  int words;
  const char *json, *only[MAX_WORDS];
  bool forward, plain;
} options;

typedef struct bench {
  clg_context *ctx;
  const options *o;
  peers peers;
  json_t *rows;
  int failed;
} bench;

/* A case, and the same product for OpenBLAS. */
typedef struct job {
  op_job ours;
  yardstick yard;
  float *a, *b, *c;
} job;

typedef struct figures {
  double us, best_us, gflops, gbs, yard[YARDSTICKS], share[YARDSTICKS], to_blas; /* NAN: does not apply */
} figures;

/* ---- rounds ---- */

/* Seconds a call. */
static double round_of(bench *b, const job *j, int calls) {
  double start = bench_clock();
  for (int i = 0; i < calls; i++)
    if (!op_job_call(&j->ours)) return NAN;
  return clg_finish(b->ctx) == CLG_OK ? (bench_clock() - start) / calls : NAN;
}

static bool blas_operands(job *j) {
  const op_job *o = &j->ours;
  j->a = malloc((size_t)clg_tensor_numel(o->in[0]) * sizeof *j->a);
  j->b = malloc((size_t)clg_tensor_numel(o->in[1]) * sizeof *j->b);
  j->c = calloc((size_t)clg_tensor_numel(o->y), sizeof *j->c);
  return j->a && j->b && j->c && clg_tensor_read(o->in[0], j->a) == CLG_OK && clg_tensor_read(o->in[1], j->b) == CLG_OK;
}

static double round_blas(const job *j, int calls) {
  const op_job *o = &j->ours;
  int64_t k = clg_tensor_dim(o->in[0], -1), m = clg_tensor_dim(o->in[0], -2), n = clg_tensor_dim(o->y, -1);
  int64_t batch = clg_tensor_numel(o->y) / (m * n);
  bench_gemm g = {.tb = o->c->op->product == PRODUCT_NT, .m = (int)m, .n = (int)n, .k = (int)k};
  double start = 0;
  for (int i = -1; i < calls; i++) {
    if (i == 0) start = bench_now();
    for (int64_t p = 0; p < batch; p++) {
      g.a = j->a + p * m * k, g.b = j->b + p * k * n, g.c = j->c + p * m * n;
      bench_gemm_run(&g);
    }
  }
  double t = (bench_now() - start) / calls;
  bench_rest();
  return t;
}

typedef struct rounds {
  double t[BENCH_MAX_ROUNDS], blas[BENCH_MAX_ROUNDS], yard[YARDSTICKS][BENCH_MAX_ROUNDS],
      share[YARDSTICKS][BENCH_MAX_ROUNDS];
} rounds;

/* Peers and OpenBLAS come first: they end with a rest. False with the context's error set. */
static bool run_round(bench *b, const job *j, int calls, bool blas, int r, rounds *all) {
  peers_round(&b->peers, r, ROUND_TIME);
  if (blas) all->blas[r] = round_blas(j, calls);
  for (int k = 0; k < YARDSTICKS; k++)
    all->yard[k][r] = b->o->plain ? NAN : yardstick_round(&j->yard, (yardstick_kind)k, ROUND_TIME / 2);
  all->t[r] = round_of(b, j, calls);
  for (int k = 0; k < YARDSTICKS; k++) all->share[k][r] = op_job_bytes(&j->ours) / all->t[r] / all->yard[k][r];
  all->blas[r] = blas ? all->blas[r] / all->t[r] : NAN;
  return all->t[r] > 0;
}

/* False with the context's error set. */
static bool measure(bench *b, job *j, figures *f) {
  rounds all;
  bool blas = !b->o->plain && bench_has_blas() && j->ours.c->op->product && j->ours.pass == PASS_FORWARD;
  if (!op_job_call(&j->ours) || clg_finish(b->ctx) != CLG_OK) return false; /* builds kernels */
  if (blas && !blas_operands(j)) return false;
  if (!b->o->plain && !yardstick_begin(&j->yard, op_job_bytes(&j->ours)))
    return fputs(PROGRAM ": out of memory\n", stderr), false;
  char work[512];
  op_job_text(&j->ours, work, sizeof work);
  peers_work(&b->peers, work);
  double first = round_of(b, j, 2);
  int calls = (int)fmin(10000, fmax(2, ROUND_TIME / first)), n = b->o->rounds;
  for (int r = 0; r < n; r++)
    if (!run_round(b, j, calls, blas, r, &all)) return false;
  double s = bench_median(all.t, n), flops = op_job_flops(&j->ours);
  peers_summarise(&b->peers, n);
  *f = (figures){.us = s * 1e6,
                 .best_us = all.t[0] * 1e6,
                 .gflops = flops > 0 ? flops / s / 1e9 : NAN,
                 .gbs = op_job_bytes(&j->ours) / s / 1e9,
                 .to_blas = blas ? bench_median(all.blas, n) : NAN};
  for (int k = 0; k < YARDSTICKS; k++) {
    f->yard[k] = bench_median(all.yard[k], n) / 1e9;
    f->share[k] = bench_median(all.share[k], n);
  }
  return true;
}

/* ---- report ---- */

static void print_head(const bench *b, FILE *to) {
  bench_head(b->ctx, to);
  peers_print(&b->peers, to);
  fprintf(to, "/name: the time of name over ours; of memcpy and triad: the share of their bytes a second\n");
  fprintf(to, "%-16s %-30s %-9s%-9s%-8s%11s%9s%9s%8s%7s%10s", "op", "case", "pass", "layout", "size", "us", "GFLOP/s",
          "GB/s", "/memcpy", "/triad", "/OpenBLAS");
  for (int i = 0; peers_library(&b->peers, i); i++) fprintf(to, "%4s/%-5s", "", peers_library(&b->peers, i));
  fprintf(to, "\n");
}

static const char *pass_of(const job *j) { return j->ours.pass == PASS_BACKWARD ? "backward" : "forward"; }

static json_t *row_json(const bench *b, const bench_case *c, const job *j, const figures *f) {
  const yardstick_kind copy = YARDSTICK_MEMCPY, triad = YARDSTICK_TRIAD;
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "op",
                   c->c.op->name, "case", c->c.what, "pass", pass_of(j), "layout", bench_layouts[c->layout], "size",
                   bench_sizes[c->size], "mb", op_job_bytes(&j->ours) / (1 << 20), "us", bench_number_json(f->us),
                   "best_us", bench_number_json(f->best_us), "gflops", bench_number_json(f->gflops), "gb_per_s",
                   bench_number_json(f->gbs), "memcpy_gb_per_s", bench_number_json(f->yard[copy]), "triad_gb_per_s",
                   bench_number_json(f->yard[triad]), "of_memcpy", bench_number_json(f->share[copy]), "of_triad",
                   bench_number_json(f->share[triad]), "of_openblas", bench_number_json(f->to_blas), "peers_us",
                   peers_json(&b->peers));
}

static void report(bench *b, const bench_case *c, const job *j, const figures *f) {
  FILE *to = bench_table(b->o->json);
  fprintf(to, "%-16.16s %-30.30s %-9s%-9s%-8s", c->c.op->name, c->c.what, pass_of(j), bench_layouts[c->layout],
          bench_sizes[c->size]);
  bench_cell(to, f->us, 11, 1);
  bench_cell(to, f->gflops, 9, 1);
  bench_cell(to, f->gbs, 9, 1);
  bench_cell(to, f->share[YARDSTICK_MEMCPY], 8, 2);
  bench_cell(to, f->share[YARDSTICK_TRIAD], 7, 2);
  bench_cell(to, f->to_blas, 10, 2);
  for (int i = 0; peers_library(&b->peers, i); i++) bench_cell(to, peers_library_us(&b->peers, i) / f->us, 10, 2);
  fprintf(to, "\n");
  fflush(to);
  json_array_append_new(b->rows, row_json(b, c, j, f));
}

/* A word that begins with = is a whole name. */
static bool wanted(const bench *b, const bench_case *c) {
  const options *o = b->o;
  if (!(o->sizes >> c->size & 1) || !(o->layouts >> c->layout & 1)) return false;
  for (int i = 0; i < o->words; i++) {
    const char *word = o->only[i], *name = c->c.op->name;
    if (*word == '=' ? !strcmp(word + 1, name) : strstr(name, word) || strstr(c->c.what, word)) return true;
  }
  return !o->words;
}

static void bench_one(bench *b, const bench_case *c) {
  const int64_t floats = b->o->mb ? (int64_t)b->o->mb << 18 : bench_floats(c->size);
  const bool backward = c->c.grads && !b->o->forward;
  for (op_pass pass = PASS_FORWARD; pass <= (backward ? PASS_BACKWARD : PASS_FORWARD); pass++) {
    job j = {.a = NULL};
    figures f;
    if (op_job_begin(b->ctx, &j.ours, c, pass, floats) && measure(b, &j, &f)) {
      report(b, c, &j, &f);
    } else {
      b->failed++;
      fprintf(stderr, PROGRAM ": %s %s: %s\n", c->c.op->name, c->c.what, clg_last_error(b->ctx));
      clg_clear_error(b->ctx);
    }
    op_job_end(&j.ours);
    yardstick_end(&j.yard);
    free(j.a), free(j.b), free(j.c);
  }
}

static bool write_json(const bench *b) {
  json_t *all = bench_head_json(b->ctx);
  json_object_set_new(all, "rounds", json_integer(b->o->rounds));
  json_object_set_new(all, "peers", peers_about_json(&b->peers));
  json_object_set(all, "ops", b->rows);
  bool ok = bench_write_json(PROGRAM, all, b->o->json);
  json_decref(all);
  return ok;
}

static bool run(bench *b) {
  bench_case c;
  print_head(b, bench_table(b->o->json));
  for (size_t i = 0; bench_case_at(i, &c); i++)
    if (wanted(b, &c)) bench_one(b, &c);
  return (!b->o->json || write_json(b)) && !b->failed;
}

/* ---- command line ---- */

static void usage(FILE *to) {
  fputs("Usage: bench_ops [OPTION]...\n"
        "Times every op beside memcpy, a triad in C, OpenBLAS and other libraries.\n\n"
        "  --only TEXT    ops or cases whose name contains it; =TEXT: the op of that name; may be repeated\n"
        "  --forward      no gradients\n"
        "  --plain        no yardsticks\n"
        "  --size NAME    cache (1 MB), memory (64 MB) or rows (many short ones); may be repeated\n"
        "  --layout NAME  flat, channels, heads or steps: which parts of tensors operands are; may be repeated\n"
        "  --mb N         length of the operands that have no size of their own\n"
        "  --rounds N     of which the medians are taken (default: 7)\n"
        "  --peer COMMAND another library: 'python3 .../peers/rounds.py torch 1' or '... jax'; may be repeated\n"
        "  --json FILE    write the figures too; - is standard output\n"
        "  --help\n",
        to);
}

/* Adds the bit of a name. */
static bool choose(const char *const *names, int n, const char *option, const char *name, unsigned *bits) {
  for (int i = 0; i < n; i++)
    if (!strcmp(names[i], name)) return *bits |= 1u << i, true;
  return fprintf(stderr, PROGRAM ": --%s %s: no such %s\n", option, name, option), false;
}

int main(int argc, char **argv) {
  static const struct option words[] = {{"only", required_argument, NULL, 'o'},
                                        {"mb", required_argument, NULL, 'm'},
                                        {"rounds", required_argument, NULL, 'r'},
                                        {"json", required_argument, NULL, 'j'},
                                        {"peer", required_argument, NULL, 'p'},
                                        {"size", required_argument, NULL, 's'},
                                        {"layout", required_argument, NULL, 'l'},
                                        {"forward", no_argument, NULL, 'f'},
                                        {"plain", no_argument, NULL, 'P'},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};
  options o = {.rounds = 7};
  bench b = {.o = &o, .rows = json_array()};
  bool ok = true;
  for (int code; ok && (code = getopt_long(argc, argv, "", words, NULL)) != -1;) {
    ok = code != '?' && (code != 'o' || o.words < MAX_WORDS);
    if (code == 'o' && ok) o.only[o.words++] = optarg;
    if (code == 's') ok = choose(bench_sizes, SIZES, "size", optarg, &o.sizes);
    if (code == 'l') ok = choose(bench_layouts, LAYOUTS, "layout", optarg, &o.layouts);
    if (code == 'f') o.forward = true;
    if (code == 'P') o.plain = true;
    if (code == 'j') o.json = optarg;
    if (code == 'm') ok = bench_number(PROGRAM, "mb", optarg, 1, &o.mb);
    if (code == 'r') ok = bench_number(PROGRAM, "rounds", optarg, 1, &o.rounds);
    if (code == 'p') ok = peers_add(&b.peers, optarg);
    if (code == 'h') return usage(stdout), 0;
  }
  if (ok && (optind < argc || o.mb > 1024)) usage(stderr), ok = false;
  o.rounds = bench_rounds(o.rounds);
  if (!o.sizes) o.sizes = ~0u;
  if (!o.layouts) o.layouts = ~0u;
  ok = ok && (b.ctx = bench_open(PROGRAM)) && b.rows && run(&b);
  peers_end(&b.peers);
  json_decref(b.rows);
  clg_context_unref(&b.ctx);
  return !ok;
}
