/* The self-test: kernels against the host, in a context as programs have it; and their bits, in a reproducible one. */
#include "self_test.h"
#include "../building.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct numbers {
  float *v;
  clg_tensor *t;
  int64_t n;
} numbers;

/* A tensor of repeatable values in [-2, 2). It and v live until the test's end: the scope and `keep` own them. */
typedef struct test {
  clg_context *ctx;
  float *keep[16];
  int n_keep;
  uint32_t seed;
} test;

static numbers make(test *t, int64_t rows, int64_t columns) {
  int64_t n = (rows ? rows : 1) * columns;
  float *v = malloc((size_t)n * sizeof *v);
  if (!v) return (numbers){0};
  for (int64_t i = 0; i < n; i++) {
    t->seed = t->seed * 1664525u + 1013904223u;
    v[i] = (float)(t->seed >> 8) / 4194304.0f - 2.0f;
  }
  clg_tensor *x = clg_full(t->ctx, rows ? 2 : 1, rows ? (int64_t[]){rows, columns} : (int64_t[]){columns}, 0);
  if (x) clg_tensor_write(x, v);
  t->keep[t->n_keep++] = v;
  return (numbers){v, x, n};
}

/* Reads t and compares; NULL tensors are failures that the context has explained. A plan has no values, and goes on. */
static bool agrees(const clg_tensor *t, const double *want, double tolerance) {
  if (!t) return false;
  if (clg_context_is_plan(clg_tensor_context(t))) return true;
  int64_t n = clg_tensor_numel(t);
  float *got = malloc((size_t)n * sizeof *got);
  bool ok = got && clg_tensor_read(t, got) == CLG_OK;
  for (int64_t i = 0; ok && i < n; i++) ok = fabs((double)got[i] - want[i]) <= tolerance * (1 + fabs(want[i]));
  free(got);
  return ok;
}

static bool test_map(test *t) {
  enum { R = 37, C = 53 };
  numbers x = make(t, R, C), o = make(t, 0, C);
  if (!x.v || !o.v) return false;
  double want[R * C];
  for (int i = 0; i < R * C; i++) {
    double v = (double)x.v[i];
    want[i] = v / (1 + exp(-1.5 * v)) + (double)o.v[i % C];
  }
  clg_map_input in[] = {{"x", x.t, 0}, {"o", o.t, 0}, {"k", NULL, 1.5f}};
  return agrees(clg_map(t->ctx, "x*sigmoid(k*x) + o", in, 3), want, 1e-5);
}

static bool test_sum(test *t) {
  enum { R = 301, C = 67 };
  numbers x = make(t, R, C);
  if (!x.v) return false;
  double rows[R] = {0}, columns[C] = {0};
  for (int i = 0; i < R * C; i++) rows[i / C] += (double)x.v[i], columns[i % C] += (double)x.v[i];
  return agrees(clg_sum(x.t, (int[]){1}, 1, false), rows, 1e-4) &&
         agrees(clg_sum(x.t, (int[]){0}, 1, false), columns, 1e-4);
}

static bool test_linear(test *t) {
  enum { M = 37, N = 75, K = 203 };
  numbers x = make(t, M, K), w = make(t, N, K), b = make(t, 0, N);
  if (!x.v || !w.v || !b.v) return false;
  double want[M * N];
  for (int i = 0; i < M * N; i++) {
    double sum = (double)b.v[i % N];
    for (int k = 0; k < K; k++) sum += (double)x.v[i / N * K + k] * (double)w.v[i % N * K + k];
    want[i] = sum > 0 ? sum : 0.25 * sum;
  }
  return agrees(clg_linear(x.t, w.t, b.t, &(clg_linear_options){{"leaky_relu", {0.25f}}}), want, 1e-4);
}

static bool test_layer_norm(test *t) {
  enum { R = 19, C = 131 };
  numbers x = make(t, R, C), gamma = make(t, 0, C), beta = make(t, 0, C);
  if (!x.v || !gamma.v || !beta.v) return false;
  double want[R * C];
  for (int r = 0; r < R; r++) {
    const float *row = x.v + r * C;
    double mean = 0, var = 0;
    for (int c = 0; c < C; c++) mean += (double)row[c] / C;
    for (int c = 0; c < C; c++) var += ((double)row[c] - mean) * ((double)row[c] - mean) / C;
    for (int c = 0; c < C; c++)
      want[r * C + c] = ((double)row[c] - mean) / sqrt(var + 1e-5) * (double)gamma.v[c] + (double)beta.v[c];
  }
  return agrees(clg_layer_norm(x.t, gamma.t, beta.t, NULL), want, 1e-4);
}

static bool test_backward(test *t) {
  enum { N = 1000 };
  numbers x = make(t, 0, N);
  clg_tensor *target = clg_full(t->ctx, 1, (int64_t[]){N}, 0.75f);
  if (!x.v || !x.t || !target || clg_tensor_set_requires_grad(x.t, true) != CLG_OK) return false;
  double loss = 0, gradient[N];
  for (int i = 0; i < N; i++) {
    double v = (double)x.v[i];
    loss += (fmax(v, 0) - 0.75 * v + log1p(exp(-fabs(v)))) / N;
    gradient[i] = (1 / (1 + exp(-v)) - 0.75) / N;
  }
  clg_tensor *got = clg_bce_with_logits_loss(x.t, target, NULL);
  return agrees(got, &loss, 1e-5) && clg_backward(got, NULL) == CLG_OK && agrees(clg_tensor_grad(x.t), gradient, 1e-8);
}

/* Moments of 40,000 normal numbers, with six standard errors of room. */
static bool test_random(test *t) {
  enum { N = 40000 };
  clg_set_seed(t->ctx, 1, 0);
  clg_tensor *x = clg_randn(t->ctx, 1, (int64_t[]){N});
  double zero = 0, one = 1;
  return agrees(clg_mean(x, NULL, 0, false), &zero, 0.03) &&
         agrees(clg_mean(clg_square(x), NULL, 0, false), &one, 0.022);
}

static const struct {
  const char *name;
  bool (*run)(test *t);
} tests[SELF_TESTS] = {{"elementwise", test_map},       {"reduction", test_sum},     {"product", test_linear},
                       {"layer norm", test_layer_norm}, {"backward", test_backward}, {"random", test_random}};
static void run_test(clg_context *ctx, int i, result *r) {
  test t = {.ctx = ctx, .seed = 1};
  clg_scope *scope = clg_scope_open(ctx);
  bool ok = tests[i].run(&t);
  ok = clg_scope_close(scope) == CLG_OK && ok;
  for (int k = 0; k < t.n_keep; k++) free(t.keep[k]);
  r->passed += ok;
  size_t used = strlen(r->failed);
  if (!ok) snprintf(r->failed + used, sizeof r->failed - used, "%s%s", used ? ", " : "", tests[i].name);
  if (!ok && !*r->message) snprintf(r->message, sizeof r->message, "%s", clg_last_error(ctx));
  clg_clear_error(ctx);
}

static clg_context *open_on(const clg_device_info *d, bool reproducible, building *compiling, char *message,
                            size_t size) {
  char selector[32];
  snprintf(selector, sizeof selector, "%d:%d", d->platform_index, d->device_index);
  clg_context_options o = clg_context_defaults();
  o.device = selector;
  o.reproducible = reproducible;
  o.message = message;
  o.message_size = size;
  o.build = building_note;
  o.build_user = compiling;
  clg_context *ctx = NULL;
  clg_context_create(&ctx, &o);
  return ctx;
}

/* How many programs the tests, or the groups of bits, need: a plan makes the same calls. 0: not known. */
static uint64_t count_programs(clg_context *like) {
  clg_plan_options o = clg_plan_defaults();
  o.like = like;
  clg_context *plan = NULL;
  result ignored = {0};
  if (clg_context_create_plan(&plan, &o) != CLG_OK) return 0;
  if (clg_context_device(plan)->reproducible)
    bits_test(plan);
  else
    for (int i = 0; i < SELF_TESTS; i++) run_test(plan, i, &ignored);
  uint64_t n = clg_context_counters(plan).programs;
  clg_context_unref(&plan);
  return n;
}

static void test_values(const clg_device_info *d, bool show, result *r) {
  building compiling;
  building_begin(&compiling, show, 0);
  clg_context *ctx = open_on(d, false, &compiling, r->message, sizeof r->message);
  if (!ctx) snprintf(r->failed, sizeof r->failed, "all");
  if (ctx) compiling.total = count_programs(ctx);
  for (int i = 0; ctx && i < SELF_TESTS; i++) run_test(ctx, i, r);
  clg_context_unref(&ctx);
}

static void test_bits(const clg_device_info *d, bool show, result *r) {
  building compiling;
  building_begin(&compiling, show, 0);
  clg_context *ctx = open_on(d, true, &compiling, r->bits_message, sizeof r->bits_message);
  if (!ctx) return;
  compiling.total = count_programs(ctx);
  r->bits = bits_test(ctx);
  if (!r->bits.ran) snprintf(r->bits_message, sizeof r->bits_message, "%s", clg_last_error(ctx));
  clg_context_unref(&ctx);
}

result self_test(const clg_device_info *d, bool show) {
  result r = {.ran = true};
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  test_values(d, show, &r);
  if (!*r.failed) test_bits(d, show, &r);
  building_clear();
  clock_gettime(CLOCK_MONOTONIC, &end);
  r.milliseconds = (int)((end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000);
  return r;
}
