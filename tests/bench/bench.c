/* What the benchmarks share. */
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef HAVE_CBLAS
#include <cblas.h>
#endif

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_now(void) { return seconds(CLOCK_MONOTONIC); }
double bench_cpu_now(void) { return seconds(CLOCK_PROCESS_CPUTIME_ID); }
double bench_clock(void) {
  const char *name = getenv("BENCH_CLOCK");
  return name && !strcmp(name, "cpu") ? bench_cpu_now() : bench_now();
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

double bench_median(double *v, int n) {
  qsort(v, (size_t)n, sizeof *v, by_value);
  return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

int bench_rounds(int asked) { return asked < 1 ? 1 : asked > BENCH_MAX_ROUNDS ? BENCH_MAX_ROUNDS : asked; }

bool bench_number(const char *program, const char *option, const char *text, int least, int *out) {
  char *end;
  long v = strtol(text, &end, 10);
  if (*text && !*end && v >= least && v <= 1 << 30) return *out = (int)v, true;
  fprintf(stderr, "%s: --%s '%s': want a whole number of at least %d\n", program, option, text, least);
  return false;
}

FILE *bench_table(const char *json_path) { return json_path && !strcmp(json_path, "-") ? stderr : stdout; }

bool bench_write_json(const char *program, json_t *root, const char *path) {
  FILE *to = strcmp(path, "-") ? fopen(path, "w") : stdout;
  bool ok = root && to && json_dumpf(root, to, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0 && fputc('\n', to) != EOF;
  if (to && to != stdout) ok = fclose(to) == 0 && ok;
  if (!ok) fprintf(stderr, "%s: cannot write %s\n", program, path);
  return ok;
}

void bench_cell(FILE *to, double v, int width, int digits) {
  if (isfinite(v))
    fprintf(to, "%*.*f", width, digits, v);
  else
    fprintf(to, "%*s", width, "-");
}

json_t *bench_number_json(double v) { return isfinite(v) ? json_real(v) : json_null(); }

clg_context *bench_open(const char *program) {
  setenv("POCL_AFFINITY", "1", 0);
  char message[512] = "";
  clg_context *ctx = NULL;
  clg_context_options o = clg_context_defaults();
  o.message = message, o.message_size = sizeof message;
  if (clg_context_create(&ctx, &o) != CLG_OK) fprintf(stderr, "%s: %s\n", program, message);
  return ctx;
}

void bench_head(clg_context *ctx, FILE *to) {
  const clg_device_info *d = clg_context_device(ctx);
  fprintf(to, "%s (%s %s): %u compute units, vectors of %u floats; OpenBLAS: %s\n", d->name, d->platform, d->driver,
          d->compute_units, d->native_float_width, bench_blas_core());
}

json_t *bench_head_json(clg_context *ctx) {
  const clg_device_info *d = clg_context_device(ctx);
  return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:s}", "device", d->name, "platform", d->platform, "driver",
                   d->driver, "shape", d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu", "compute_units",
                   (int)d->compute_units, "vector_floats", (int)d->native_float_width, "openblas", bench_blas_core());
}

void bench_rest(void) {
  struct timespec t = {0, 40 * 1000000};
  nanosleep(&t, NULL);
}

#ifdef HAVE_CBLAS
bool bench_has_blas(void) { return true; }
const char *bench_blas_core(void) { return openblas_get_corename(); }
void bench_gemm_run(const bench_gemm *g) {
  cblas_sgemm(CblasRowMajor, g->ta ? CblasTrans : CblasNoTrans, g->tb ? CblasTrans : CblasNoTrans, g->m, g->n, g->k, 1,
              g->a, g->ta ? g->m : g->k, g->b, g->tb ? g->k : g->n, 0, g->c, g->n);
}
#else
bool bench_has_blas(void) { return false; }
const char *bench_blas_core(void) { return "none"; }
void bench_gemm_run(const bench_gemm *g) { (void)g; }
#endif
