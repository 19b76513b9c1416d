/* What the benchmarks share: a clock, medians, a context, and OpenBLAS's side of a comparison. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <clgrad/clgrad.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define BENCH_MAX_ROUNDS 99

double bench_now(void);     /* seconds */
double bench_cpu_now(void); /* seconds that this process has run: others on the machine do not count */
/* The first, or the second where $BENCH_CLOCK is "cpu", as rounds.py reads it too: of a machine that others use. */
double bench_clock(void);
/* Sorts v. */
double bench_median(double *v, int n);
int bench_rounds(int asked); /* brought into 1..BENCH_MAX_ROUNDS, odd or not */
/* A decimal number of at least `least`; false prints what was wrong with the option. */
bool bench_number(const char *program, const char *option, const char *text, int least, int *out);

/* Where the table goes: standard output, or standard error when the JSON goes there ("-"). */
FILE *bench_table(const char *json_path);
void bench_cell(FILE *to, double v, int width, int digits); /* "-" for what is no number */
/* Writes `root` to a file or "-". False prints that it could not. */
bool bench_write_json(const char *program, json_t *root, const char *path);
json_t *bench_number_json(double v); /* null for what JSON has no number for */

/* The device that $CLGRAD_DEVICE names. PoCL's threads are pinned (POCL_AFFINITY) unless the environment says
 * otherwise: after a pause the system may run them on one core for many milliseconds. NULL prints why. */
clg_context *bench_open(const char *program);
/* The lines at the head of each table: the CPU, the device and its vectors, OpenBLAS's kernels; and as JSON. */
void bench_head(clg_context *ctx, FILE *to);
json_t *bench_head_json(clg_context *ctx);

/* OpenBLAS, where it was found. Its threads spin for a while after a call and would take a core from the device: rest
 * before ours is timed. */
bool bench_has_blas(void);
const char *bench_blas_core(void); /* the kernels that it chose, or that $OPENBLAS_CORETYPE chose for it */
void bench_rest(void);
/* op(A) [m,k] op(B) [k,n] -> C [m,n], row-major and packed. */
typedef struct bench_gemm {
  bool ta, tb;
  int m, n, k;
  const float *a, *b;
  float *c;
} bench_gemm;
void bench_gemm_run(const bench_gemm *g);

#endif
