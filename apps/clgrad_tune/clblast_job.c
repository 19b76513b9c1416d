/* Measures CLBlast with one set of parameters after another. Runs in a process of its own, since CLBlast never gives
 * its own parameters back: they are measured first. */
#include "tune.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* So that all products, or none, are large to CLBlast. */
enum { ALWAYS = 1, NEVER = 1 << 15 };
/* The work is worth a word before it from this many seconds on. */
#define WORTH_SAYING 20.0

/* The first has sizes that are no multiples of a tile: it need only come out right. */
#define MOST_CASES 8
static const product_case large_cases[] = {{0, 0, 257, 130, 70},
                                           {0, 0, 512, 512, 512},
                                           {0, 1, 512, 1024, 768},
                                           {0, 0, 1024, 1024, 1024},
                                           {1, 0, 2048, 2048, 1024}};
static const product_case small_cases[] = {
    {1, 1, 67, 130, 71}, {0, 0, 128, 256, 256}, {0, 1, 128, 784, 256}, {1, 0, 256, 784, 128}, {0, 0, 384, 384, 384}};
static const int64_t cubes[] = {64, 128, 192, 256, 384, 512, 768, 1024};

/* A case's operands, and its product by a kernel of ours. */
typedef struct prepared {
  clg_tensor *a, *b;
  float *right;
  size_t floats;
  clg_product_class c;
  double base; /* seconds with CLBlast's own parameters */
} prepared;

static bool fail(clg_context *ctx) {
  if (*clg_last_error(ctx)) fprintf(stderr, "clgrad_tune: %s\n", clg_last_error(ctx));
  return false;
}

static bool set_threshold(clg_context *ctx, uint32_t size) {
  uint32_t values[CLG_CLBLAST_PARAMETERS] = {size};
  return clg_tuning_set_clblast(ctx, CLG_CLBLAST_GEMM_ROUTINE, values) == CLG_OK || fail(ctx);
}

/* ---- one case ---- */

static bool compute(clg_context *ctx, prepared *p, clg_product_kernel kernel, float *to) {
  clg_scope *scope = clg_scope_open(ctx);
  bool ok = clg_tuning_set(ctx, &p->c, kernel) == CLG_OK && clg_tensor_read(clg_matmul(p->a, p->b), to) == CLG_OK;
  return clg_scope_close(scope) == CLG_OK && ok;
}

/* The operands live in the scope that is open. */
static bool prepare(clg_context *ctx, const product_case *c, prepared *p) {
  *p = (prepared){.a = operand(ctx, c->m, c->k, c->ta),
                  .b = operand(ctx, c->k, c->n, c->tb),
                  .floats = (size_t)(c->m * c->n),
                  .c = {c->ta, c->tb, clg_size_class(c->m), clg_size_class(c->n), clg_size_class(c->k)}};
  p->right = malloc(p->floats * sizeof *p->right);
  return (p->a && p->b && p->right && compute(ctx, p, CLG_PRODUCT_TILE, p->right)) || fail(ctx);
}

static bool is_right(const prepared *p, const float *got, int64_t k) {
  float most = 1e-6f * (float)k + 1e-5f; /* operands are at most 1, so a wrong sum is off by far more */
  for (size_t i = 0; i < p->floats; i++)
    if (!(fabsf(got[i] - p->right[i]) <= most)) return false;
  return true;
}

static trial_state try_product(clg_context *ctx, prepared *p, int64_t k) {
  float *got = malloc(p->floats * sizeof *got);
  bool ok = got && compute(ctx, p, CLG_PRODUCT_CLBLAST, got);
  trial_state s = !ok ? TRIAL_REFUSED : is_right(p, got, k) ? TRIAL_MEASURED : TRIAL_WRONG;
  free(got);
  return s;
}

/* Seconds of the best round; negative on an error. `limit`: not measured further if slower; 0: none. */
static double seconds(clg_context *ctx, prepared *p, int rounds, double limit) {
  const work w = {.a = p->a, .b = p->b, .output = CLG_CONV_OPERANDS};
  double t = round_of(ctx, &w, 1), best = 0;
  int calls = t > 0 && t < ROUND ? (int)(ROUND / (t + 1e-6)) + 1 : 1;
  for (int i = 0; t >= 0 && i < rounds; i++) {
    t = round_of(ctx, &w, calls);
    best = least(best, t);
    if (i && (t > LONG || (limit > 0 && best > limit))) break;
  }
  return t < 0 ? t : best;
}

/* ---- a kernel's trials ---- */

typedef struct bench {
  const product_case *c;
  int n;
  prepared p[MOST_CASES];
} bench;

static void bench_free(bench *b) {
  for (int i = 0; i < b->n; i++) free(b->p[i].right);
}

/* CLBlast's own parameters: its errors are not to be passed over. Cases that take too long are left out. */
static bool measure_own(clg_context *ctx, const options *o, bench *b) {
  double largest = 0;
  for (int i = 0; i < b->n; i++) {
    prepared *p = &b->p[i];
    if (largest > LONG && i > 1) {
      b->n = i;
      return true;
    }
    if (!prepare(ctx, &b->c[i], p)) return false;
    trial_state s = try_product(ctx, p, b->c[i].k);
    if (s == TRIAL_REFUSED) return fail(ctx);
    p->base = s == TRIAL_WRONG ? HUGE_VAL : seconds(ctx, p, o->rounds, 0); /* anything is better than a wrong product */
    if (p->base < 0) return fail(ctx);
    largest = p->base;
  }
  return true;
}

/* A hopeless one is not tried on the larger cases. */
static trial_state measure_trial(clg_context *ctx, const options *o, bench *b, double *gain) {
  double logs = 0;
  int n = 0;
  for (bool hopeless = false; n < b->n && !hopeless; n++) {
    prepared *p = &b->p[n];
    trial_state s = try_product(ctx, p, b->c[n].k);
    if (s != TRIAL_MEASURED) return s;
    if (!n) continue;
    double t = seconds(ctx, p, o->rounds, HOPELESS * p->base);
    if (t < 0) return TRIAL_REFUSED;
    hopeless = t > HOPELESS * p->base;
    logs += isinf(p->base) ? 1 : log(p->base / t);
  }
  *gain = n < b->n ? 1 / HOPELESS : exp(logs / (n - 1));
  return TRIAL_MEASURED;
}

static void announce(const options *o, volatile job *j, double build) {
  int n = 0;
  for (int i = 0; i < j->n; i++) n += j->trial[i].state == TRIAL_WAITS;
  if (!o->quiet && build * n > WORTH_SAYING)
    fprintf(stderr, "clgrad_tune: to build and measure CLBlast's %s in %d ways takes about %.0f s\n",
            clg_clblast_kernel_name(j->trial[0].kernel), n, build * n);
}

/* False: the device is lost; the trial stays marked as the one that ran. */
static bool run_trial(clg_context *ctx, const options *o, volatile trial *t, bench *b) {
  const uint32_t *values = candidate(t->kernel, t->candidate);
  double gain = 0;
  trial_state s = TRIAL_NO_FIT;
  t->state = TRIAL_RUNS;
  if (clg_clblast_fits(ctx, t->kernel, values))
    s = clg_tuning_set_clblast(ctx, t->kernel, values) == CLG_OK ? measure_trial(ctx, o, b, &gain) : TRIAL_REFUSED;
  if (clg_last_status(ctx) == CLG_ERR_LOST) return false;
  clg_clear_error(ctx);
  t->gain = gain;
  t->state = s;
  return true;
}

bool trials_job(clg_context *ctx, const options *o, volatile job *j) {
  bool large = j->trial[0].kernel == CLG_CLBLAST_XGEMM;
  bench b = {.c = large ? large_cases : small_cases, .n = 5};
  pid_t parent = getppid();
  double start = now();
  clg_scope *scope = clg_scope_open(ctx);
  bool ok = set_threshold(ctx, large ? ALWAYS : NEVER) && measure_own(ctx, o, &b);
  if (ok) announce(o, j, now() - start);
  for (int i = 0; ok && i < j->n; i++) {
    progress(o, "sets of parameters", i, j->n);
    if (j->trial[i].state != TRIAL_WAITS) continue;
    ok = run_trial(ctx, o, &j->trial[i], &b) && getppid() == parent;
    if (j->trial[i].state == TRIAL_WRONG) ok = !(j->again = true);
  }
  progress_end(o);
  bench_free(&b);
  clg_scope_close(scope);
  return ok;
}

/* ---- the threshold between the two kernels ---- */

enum { CUBES = sizeof cubes / sizeof *cubes };

/* False: a product failed. */
static bool measure_cubes(clg_context *ctx, const options *o, prepared *p, double *t) {
  for (int i = 0; i < CUBES; i++) {
    t[i] = clg_tuning_set(ctx, &p[i].c, CLG_PRODUCT_CLBLAST) == CLG_OK ? seconds(ctx, &p[i], o->rounds, 0) : -1;
    if (t[i] < 0) return fail(ctx);
  }
  return true;
}

/* The first cube that is large; CUBES: none is. */
static int best_split(const double *in_place, const double *copied) {
  double cost[CUBES + 1] = {0};
  int best = 0;
  for (int split = 0; split <= CUBES; split++) {
    for (int i = 0; i < CUBES; i++) cost[split] += log(i < split ? in_place[i] : copied[i]);
    if (cost[split] < cost[best]) best = split;
  }
  return best;
}

bool threshold_job(clg_context *ctx, const options *o, volatile job *j) {
  for (int i = 0; i < j->n; i++) {
    const uint32_t *values = candidate(j->trial[i].kernel, j->trial[i].candidate);
    if (clg_tuning_set_clblast(ctx, j->trial[i].kernel, values) != CLG_OK) return fail(ctx);
  }
  prepared p[CUBES];
  double own[CUBES], in_place[CUBES], copied[CUBES], gain = 1, loss = 1;
  clg_scope *scope = clg_scope_open(ctx);
  bool ok = true;
  int ready = 0;
  for (; ok && ready < CUBES; ready++)
    ok = prepare(ctx, &(product_case){0, 0, cubes[ready], cubes[ready], cubes[ready]}, &p[ready]);
  ok = ok && measure_cubes(ctx, o, p, own) && set_threshold(ctx, ALWAYS) && measure_cubes(ctx, o, p, copied) &&
       set_threshold(ctx, NEVER) && measure_cubes(ctx, o, p, in_place);
  int split = ok ? best_split(in_place, copied) : 0;
  for (int i = 0; ok && i < CUBES; i++) {
    double ratio = own[i] / (i < split ? in_place[i] : copied[i]);
    gain = fmax(gain, ratio);
    loss = fmax(loss, 1 / ratio);
  }
  if (ok && gain > GAIN && loss < GAIN) {
    j->min_indirect = (uint32_t)(split < CUBES ? cubes[split] : 2 * cubes[CUBES - 1]);
    j->min_indirect_gain = gain;
  }
  for (int i = 0; i < ready; i++) free(p[i].right);
  clg_scope_close(scope);
  return ok;
}
