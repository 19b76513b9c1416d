/* Times every row of the op table and every family of ops: microseconds, GFLOP/s, GB/s, the share of the device's own
 * copy bandwidth, and for products OpenBLAS's time over ours. Rounds alternate between the yardsticks and the op; calls
 * are queued one behind the other with one wait a round. A share is the median over rounds of (bytes that must move /
 * time) over the same of a copy, both of that round. Bytes are those of the operands and results, each once, whatever a
 * kernel really does. */
#include "bench.h"
#include "op_job.h"
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM    "bench_ops"
#define COPY_CALLS 3
#define ROUND_TIME 0.02

typedef struct options {
  int rounds, mb;
  const char *json, *only;
} options;

typedef struct bench {
  clg_context *ctx;
  const options *o;
  clg_tensor *copy_from, *copy_to;
  json_t *rows;
  int failed;
} bench;

/* A case, and the same product for OpenBLAS. */
typedef struct job {
  op_job ours;
  float *a, *b, *c;
} job;

typedef struct figures {
  double us, best_us, gflops, gbs, share, to_blas; /* NAN: does not apply */
} figures;

/* ---- rounds ---- */

/* Seconds a call. */
static double round_of(bench *b, const job *j, int calls) {
  double start = bench_now();
  for (int i = 0; i < calls; i++)
    if (!op_job_call(&j->ours)) return NAN;
  return clg_finish(b->ctx) == CLG_OK ? (bench_now() - start) / calls : NAN;
}

static double round_copy(bench *b) {
  double start = bench_now();
  for (int i = 0; i < COPY_CALLS; i++) clg_copy_(b->copy_to, b->copy_from);
  clg_finish(b->ctx);
  return 8.0 * (double)clg_tensor_numel(b->copy_from) * COPY_CALLS / (bench_now() - start);
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
  int64_t k = o->c->inner, m = clg_tensor_dim(o->in[0], -2), n = clg_tensor_dim(o->y, -1);
  int64_t batch = clg_tensor_numel(o->y) / (m * n);
  bench_gemm g = {.tb = o->c->product == PRODUCT_NT, .m = (int)m, .n = (int)n, .k = (int)k};
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

/* False with the context's error set. */
static bool measure(bench *b, job *j, figures *f) {
  double t[BENCH_MAX_ROUNDS], share[BENCH_MAX_ROUNDS], ratio[BENCH_MAX_ROUNDS], bytes = op_job_bytes(&j->ours),
                                                                                flops = op_job_flops(&j->ours);
  bool blas = bench_has_blas() && j->ours.c->product && j->ours.pass == PASS_FORWARD;
  if (!op_job_call(&j->ours) || clg_finish(b->ctx) != CLG_OK) return false; /* builds kernels */
  if (blas && !blas_operands(j)) return false;
  double first = round_of(b, j, 2);
  int calls = (int)fmin(10000, fmax(2, ROUND_TIME / first)), n = b->o->rounds;
  for (int r = 0; r < n; r++) {
    if (blas) ratio[r] = round_blas(j, calls);
    double copy = round_copy(b);
    t[r] = round_of(b, j, calls);
    if (!(t[r] > 0)) return false;
    share[r] = bytes / t[r] / copy;
    if (blas) ratio[r] /= t[r];
  }
  double s = bench_median(t, n);
  *f = (figures){.us = s * 1e6,
                 .best_us = t[0] * 1e6,
                 .gflops = flops > 0 ? flops / s / 1e9 : NAN,
                 .gbs = bytes / s / 1e9,
                 .share = bench_median(share, n),
                 .to_blas = blas ? bench_median(ratio, n) : NAN};
  return true;
}

/* ---- report ---- */

static void print_number(FILE *to, double v, int width, int digits) {
  if (isfinite(v))
    fprintf(to, "%*.*f", width, digits, v);
  else
    fprintf(to, "%*s", width, "-");
}

static void report(bench *b, const op_job *j, const figures *f) {
  FILE *to = bench_table(b->o->json);
  const char *pass = j->pass == PASS_BACKWARD ? "backward" : "forward";
  fprintf(to, "%-16s %-34.34s %-8s", j->c->family, j->c->name, pass);
  print_number(to, f->us, 11, 1);
  print_number(to, f->gflops, 9, 1);
  print_number(to, f->gbs, 9, 1);
  print_number(to, f->share, 7, 2);
  print_number(to, f->to_blas, 9, 2);
  fprintf(to, "\n");
  fflush(to);
  json_array_append_new(b->rows, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "op", j->c->family, "case",
                                           j->c->name, "pass", pass, "us", bench_number_json(f->us), "best_us",
                                           bench_number_json(f->best_us), "gflops", bench_number_json(f->gflops),
                                           "gb_per_s", bench_number_json(f->gbs), "of_copy",
                                           bench_number_json(f->share), "of_openblas", bench_number_json(f->to_blas)));
}

static bool wanted(const bench *b, const op_case *c) {
  const char *only = b->o->only;
  return !only || strstr(c->family, only) || strstr(c->name, only);
}

static void bench_case(bench *b, const op_case *c) {
  for (op_pass pass = PASS_FORWARD; pass < (c->grads && !c->idle ? PASS_BOTH : PASS_BACKWARD); pass++) {
    job j = {.a = NULL};
    figures f;
    if (op_job_begin(b->ctx, &j.ours, c, pass, b->o->mb) && measure(b, &j, &f)) {
      report(b, &j.ours, &f);
    } else {
      b->failed++;
      fprintf(stderr, PROGRAM ": %s %s: %s\n", c->family, c->name, clg_last_error(b->ctx));
      clg_clear_error(b->ctx);
    }
    op_job_end(&j.ours);
    free(j.a), free(j.b), free(j.c);
  }
}

static void copy_bandwidth(bench *b, double *out) {
  double v[BENCH_MAX_ROUNDS];
  round_copy(b);
  for (int r = 0; r < b->o->rounds; r++) v[r] = round_copy(b);
  *out = bench_median(v, b->o->rounds) / 1e9;
}

static bool write_json(const bench *b, double copy) {
  const clg_device_info *d = clg_context_device(b->ctx);
  json_t *all = json_pack("{s:s, s:s, s:s, s:i, s:i, s:f, s:O}", "device", d->name, "platform", d->platform, "shape",
                          d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu", "mb", b->o->mb, "rounds", b->o->rounds,
                          "copy_gb_per_s", copy, "ops", b->rows);
  bool ok = bench_write_json(PROGRAM, all, b->o->json);
  json_decref(all);
  return ok;
}

static bool run(bench *b) {
  int64_t n = (int64_t)b->o->mb << 18;
  b->copy_from = clg_tensor_create(b->ctx, 1, &n, NULL);
  b->copy_to = clg_tensor_create(b->ctx, 1, &n, NULL);
  if (!b->copy_from || !b->copy_to) return fprintf(stderr, PROGRAM ": %s\n", clg_last_error(b->ctx)), false;
  double copy;
  copy_bandwidth(b, &copy);
  FILE *to = bench_table(b->o->json);
  fprintf(to, "%s, %s: a copy of %d MB runs at %.1f GB/s\n%-16s %-34s %-8s%11s%9s%9s%7s%9s\n",
          clg_context_device(b->ctx)->name, clg_context_device(b->ctx)->platform, b->o->mb, copy, "op", "case", "pass",
          "us", "GFLOP/s", "GB/s", "/copy", "/OpenBLAS");
  op_case row;
  for (int i = 0; op_case_row(b->ctx, i, &row); i++)
    if (wanted(b, &row)) bench_case(b, &row);
  for (size_t i = 0; i < n_op_cases; i++)
    if (wanted(b, &op_cases[i])) bench_case(b, &op_cases[i]);
  return (!b->o->json || write_json(b, copy)) && !b->failed;
}

/* ---- command line ---- */

static void usage(FILE *to) {
  fputs("Usage: bench_ops [OPTION]...\n"
        "Times every op against a copy, and products against OpenBLAS.\n\n"
        "  --only TEXT    ops or cases whose name contains it\n"
        "  --mb N         length of the large operands (default: 64)\n"
        "  --rounds N     of which the medians are taken (default: 7)\n"
        "  --json FILE    write the figures too; - is standard output\n"
        "  --help\n",
        to);
}

int main(int argc, char **argv) {
  static const struct option words[] = {
      {"only", required_argument, NULL, 'o'},   {"mb", required_argument, NULL, 'm'},
      {"rounds", required_argument, NULL, 'r'}, {"json", required_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},         {0}};
  options o = {.rounds = 7, .mb = 64};
  for (int code; (code = getopt_long(argc, argv, "", words, NULL)) != -1;) {
    bool ok = code != '?';
    if (code == 'o') o.only = optarg;
    if (code == 'j') o.json = optarg;
    if (code == 'm') ok = bench_number(PROGRAM, "mb", optarg, 1, &o.mb);
    if (code == 'r') ok = bench_number(PROGRAM, "rounds", optarg, 1, &o.rounds);
    if (code == 'h') return usage(stdout), 0;
    if (!ok) return 1;
  }
  if (optind < argc || o.mb > 1024) return usage(stderr), 1;
  o.rounds = bench_rounds(o.rounds);
  bench b = {.ctx = bench_open(PROGRAM), .o = &o, .rows = json_array()};
  bool ok = b.ctx && b.rows && run(&b);
  clg_tensor_unref(&b.copy_from);
  clg_tensor_unref(&b.copy_to);
  json_decref(b.rows);
  clg_context_unref(&b.ctx);
  return !ok;
}
