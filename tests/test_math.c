/* The functions of kernels_cl/math: how far they are from double, that they never turn back where they should not,
 * their limits, and their bits, which are the same on every device. TEST_MATH=strided takes one float of 61,
 * =long all; then, and with =table, the greatest errors and the hashes are printed. =bits takes all, and leaves the
 * errors out, which take most of the time. $CLGRAD_TEST_CASE, part of a function's formula, leaves the others out: all
 * floats of one take a driver whose fma is software ten minutes. */
#include "base/str.h"
#include "device/launch.h"
#include "device/program.h"
#include "harness.h"
#include "kernel/sources.h"
#include "shared_context.h"
#include "undeclared.h"
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double rsqrt(double x) { return 1 / sqrt(x); }
static double reciprocal(double x) { return 1 / x; }
static double quotient(double x, double w) { return x / w; }

/* Those that are called by a name have a form for vectors, which kernels of a CPU's shape call. */
enum { ANYHOW, RISES };
#define EXACT 0.500001 /* the nearest float; double has rounded, too */
typedef struct function {
  const char *formula;
  double (*of)(double), (*of_pair)(double, double);
  double most;          /* units of the last place, at most */
  int way;              /* whether it rises */
  uint64_t all, normal; /* the hashes of the sample's bits, and of those where no operand and no result is subnormal */
} function;
static const function functions[] = {
    {"exp(x)", exp, NULL, 1.1, RISES, 0x9b176268c02df21e, 0x0d21c256ef6b01b4},
    {"exp2(x)", exp2, NULL, 1.1, RISES, 0xf13c9982975bf00c, 0x7c643492e0ce2f51},
    {"expm1(x)", expm1, NULL, 1.5, RISES, 0xf1f8562478e28a5f, 0x5f8e144c7382ca93},
    {"log(x)", log, NULL, 1, RISES, 0xf380f97a4cf58c84, 0x8be134feb0bc0b3c},
    {"log2(x)", log2, NULL, 1.2, RISES, 0x865b1644aecc072b, 0xfa6813ac898e6365},
    {"log1p(x)", log1p, NULL, 1.6, RISES, 0x4952c605959ae6dc, 0xa1b8054d2c886bb8},
    {"tanh(x)", tanh, NULL, 1.4, RISES, 0xd957dfcc8e5edbc9, 0x20f369ac62566f85},
    {"sigmoid(x)", sigmoid, NULL, 1.9, RISES, 0xe45e96532e80a9b4, 0x30e03b1cf4e65b7e},
    {"softplus(x)", softplus, NULL, 1.7, RISES, 0x348bfa4c55845f6c, 0xc4213fbe211decf4},
    {"erf(x)", erf, NULL, 1.2, RISES, 0x020cda277360cf12, 0xee36a2aaf887033a},
    {"erfc(x)", erfc, NULL, 2, ANYHOW, 0xb1213cab95450845, 0xe9f43da89ce89f11},
    {"sin(x)", sin, NULL, 1.6, ANYHOW, 0xb09bc0eeec332267, 0x8df587aa28d80513},
    {"cos(x)", cos, NULL, 1.6, ANYHOW, 0x8de9dbdb926c5971, 0xd95823e0b7f4f28d},
    {"floor(x)", floor, NULL, EXACT, RISES, 0xc5f47430bee2dc45, 0x0d376891027e1c45},
    {"sqrt(x)", sqrt, NULL, EXACT, RISES, 0x81b2bec9b79ca159, 0x0cec60d888fd241e},
    {"rsqrt(x)", rsqrt, NULL, 1.5, ANYHOW, 0x1c1cc8f2263d0d51, 0x3a1b88a5983942b2},
    {"1/x", reciprocal, NULL, EXACT, ANYHOW, 0xe142fc522a064dea, 0xb5e568bc39c6b300},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions, NAMED = FUNCTIONS - 3 };
static const function of_pairs[] = {
    {"pow(x, w)", NULL, pow, 2, ANYHOW, 0x72f75299a79330c3, 0xaa0545c086e7b385},
    {"x/w", NULL, quotient, EXACT, ANYHOW, 0x1321bedaa40adbbd, 0x78060a67844ec707},
};

/* ---- inputs: a chunk of them at a time, each greater than the one before, but where the sign changes ---- */

enum { CHUNK = 1 << 22 };
static enum { SAMPLED, STRIDED, ALL } inputs;
static bool prints, measures;
static void read_environment(void) {
  const char *set = getenv("TEST_MATH");
  prints = set != NULL;
  measures = !set || strcmp(set, "bits");
  inputs = !set ? SAMPLED : !measures || !strcmp(set, "long") ? ALL : !strcmp(set, "strided") ? STRIDED : SAMPLED;
}

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return x == x ? bits : 0x7fc00000; /* one NaN */
}

/* Number i of all floats, or of a sample: of each exponent the first and last ones and others spread over it. */
enum { PER_EXPONENT = 512, EDGE = 32 };
static uint32_t sampled(uint32_t i) {
  uint32_t exponent = i / PER_EXPONENT, k = i % PER_EXPONENT, spread = (1u << 23) / (PER_EXPONENT - 2 * EDGE);
  uint32_t middle = (k - EDGE) * spread + (i * 2654435761u >> 8) % spread;
  return exponent << 23 | (k < EDGE ? k : k >= PER_EXPONENT - EDGE ? (1u << 23) - PER_EXPONENT + k : middle);
}
enum { SAMPLE = 512 * PER_EXPONENT, STRIDE = 61 };
static uint64_t count(void) {
  const uint64_t all = (uint64_t)1 << 32;
  return inputs == SAMPLED ? SAMPLE : inputs == STRIDED ? all / STRIDE : all;
}
static float input(uint64_t i) {
  return from_bits(inputs == SAMPLED ? sampled((uint32_t)i) : (uint32_t)i * (inputs == STRIDED ? STRIDE : 1));
}

/* ---- checks ---- */

/* How far y is from the number, in units of its last place; infinity where one is a number and the other is not. Most
 * numbers take the first way, which has no calls: there are 2^32 of them. */
static double units(float y, double want) {
  uint64_t bits;
  memcpy(&bits, &want, sizeof bits);
  const int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
  if (exponent > -150 && exponent < 127 && fabsf(y) <= FLT_MAX) {
    const uint64_t scale = (uint64_t)(1023 + 23 - (exponent < -126 ? -126 : exponent)) << 52;
    double per_unit;
    memcpy(&per_unit, &scale, sizeof per_unit);
    return fabs(y - want) * per_unit;
  }
  if (isnan(want) || isnan(y)) return isnan(want) && isnan(y) ? 0 : INFINITY;
  if ((float)want == y && isinf(y)) return 0;
  if (isinf(y) || isinf((float)want)) return INFINITY;
  if (want == 0) return y == 0 && !signbit(want) == !signbit(y) ? 0 : INFINITY;
  return fabs(y - want) * ldexp(1, exponent < -126 ? 149 : 23 - exponent);
}

static bool is_subnormal(float x) { return x != 0 && fabsf(x) < 0x1p-126f; }

typedef struct part {
  const function *f;
  const float *x, *w, *y; /* w: of pairs alone */
  uint32_t n;
  bool flushes;
  double worst;
  float at;
} part;
static void *measure(void *p) {
  part *w = p;
  for (uint32_t i = 0; i < w->n; i++) {
    double want = w->w ? w->f->of_pair(w->x[i], w->w[i]) : w->f->of(w->x[i]);
    if (w->flushes && (is_subnormal(w->x[i]) || (w->w && is_subnormal(w->w[i])) || fabs(want) < 0x1p-126)) continue;
    double off = units(w->y[i], want);
    if (off > w->worst) w->worst = off, w->at = w->x[i];
  }
  return NULL;
}

enum { THREADS = 64 };
static void measure_all(part *whole) {
  part parts[THREADS];
  pthread_t thread[THREADS];
  long cores = sysconf(_SC_NPROCESSORS_ONLN), n = cores < 1 || cores > THREADS ? THREADS : cores;
  for (long i = 0; i < n; i++) {
    uint32_t from = (uint32_t)(whole->n * (uint64_t)i / (uint64_t)n),
             to = (uint32_t)(whole->n * (uint64_t)(i + 1) / (uint64_t)n);
    parts[i] = *whole;
    parts[i].x += from, parts[i].y += from, parts[i].n = to - from;
    if (whole->w) parts[i].w += from;
    ck_assert_int_eq(pthread_create(&thread[i], NULL, measure, &parts[i]), 0);
  }
  for (long i = 0; i < n; i++) {
    pthread_join(thread[i], NULL);
    if (parts[i].worst > whole->worst) whole->worst = parts[i].worst, whole->at = parts[i].at;
  }
}

/* ---- what the device does ---- */

/* As llvmpipe's fma does, and any driver may. */
static bool flushes_subnormals(void) {
  static const char source[] = "__kernel void probe(__global float *x, const uint at) {\n"
                               "  x[at] = fma(x[at], 1.0f, x[at + 1]);\n"
                               "}\n";
  float x[2] = {0x1p-130f, 0x1p-131f};
  clg_tensor *t = clg_tensor_create(ctx, 1, (int64_t[]){2}, x);
  clg_program *p = clg_program_create(ctx, "probe.cl", source);
  clg_kernel_arg arg = clg_arg_write(t);
  ck_assert_int_eq(clg_program_launch(p, "probe", (size_t[]){1, 1, 1}, (size_t[]){1, 1, 1}, &arg, 1), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(t, x), CLG_OK);
  clg_program_unref(&p);
  clg_tensor_unref(&t);
  return x[0] != 0x1.8p-130f;
}

/* y = formula(x), or of x and w where there are w. */
static void compute(const char *formula, const float *x, const float *w, float *y, uint32_t n) {
  const int64_t shape[] = {n};
  clg_tensor *in = clg_tensor_create(ctx, 1, shape, x), *more = w ? clg_tensor_create(ctx, 1, shape, w) : NULL;
  clg_tensor *out = clg_map(ctx, formula, (clg_map_input[]){{"x", in, 0}, {"w", more, 0}}, w ? 2 : 1);
  ck_assert_msg(out != NULL, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_tensor_read(out, y), CLG_OK);
  clg_tensor_unref(&in);
  clg_tensor_unref(&more);
  clg_tensor_unref(&out);
}

/* ---- cases ---- */

static uint64_t mix(uint64_t hash, uint32_t bits) { return (hash ^ bits) * 1099511628211u; }

typedef struct result {
  double worst;
  float at, turns; /* NaN: nowhere */
  uint64_t all, normal;
} result;

/* The order and the bits of a chunk behind `last`. */
static void follow(const function *f, const float *x, const float *y, uint32_t n, float *last, result *r) {
  for (uint32_t i = 0; i < n; i++) {
    r->all = mix(r->all, to_bits(y[i]));
    if (!is_subnormal(x[i]) && !is_subnormal(y[i])) r->normal = mix(r->normal, to_bits(y[i]));
    if (x[i] == 0) *last = y[i];
    float way = (float)f->way * (x[i] > 0 ? 1 : -1) * (y[i] - *last);
    if (way < 0) r->turns = x[i];
    if (y[i] == y[i]) *last = y[i];
  }
}

static result run(const function *f, bool flushes) {
  uint32_t size = (uint32_t)(count() < CHUNK ? count() : CHUNK);
  float *x = malloc(size * sizeof *x), *y = malloc(size * sizeof *y), last = 0;
  ck_assert(x && y);
  result r = {0, 0, NAN, 14695981039346656037u, 14695981039346656037u};
  part p = {f, x, NULL, y, 0, flushes, 0, 0};
  for (uint64_t from = 0; from < count(); from += p.n) {
    p.n = (uint32_t)(count() - from < size ? count() - from : size);
    for (uint32_t i = 0; i < p.n; i++) x[i] = input(from + i);
    compute(f->formula, x, NULL, y, p.n);
    if (measures) measure_all(&p);
    follow(f, x, y, p.n, &last, &r);
  }
  r.worst = p.worst, r.at = p.at;
  free(x), free(y);
  return r;
}

static void check(const function *f, const result *r, bool flushes) {
  const bool fma = clg_context_device(ctx)->fma;
  if (prints)
    printf("%s: %.2f at %a, 0x%016llx, 0x%016llx\n", f->formula, r->worst, (double)r->at, (unsigned long long)r->all,
           (unsigned long long)r->normal);
  /* Without an fma polynomials round twice a step. */
  const double most = fma || f->most <= EXACT ? f->most : 2 * f->most;
  ck_assert_msg(r->worst <= most, "%s is off by %.2f units at %a", f->formula, r->worst, (double)r->at);
  ck_assert_msg(isnan(r->turns) || flushes, "%s turns back at %a", f->formula, (double)r->turns);
  if (!fma || inputs != SAMPLED) return;
  ck_assert_msg(r->normal == f->normal, "%s has other bits", f->formula);
  ck_assert_msg(r->all == f->all || flushes, "%s has other bits where it is subnormal", f->formula);
}

START_TEST(functions_are_exact) {
  if (!test_is_wanted(functions[_i].formula)) return;
  const bool flushes = flushes_subnormals();
  const result r = run(&functions[_i], flushes);
  check(&functions[_i], &r, flushes);
}
END_TEST

/* Floats that come nearest to quarters of a turn, which samples miss: the sine or the cosine of the first ones is
 * less than 3e-8. */
START_TEST(sines_near_zero_are_exact) {
  static const float near[] = {0x1.f37c8ap+95, 0x1.47d0fep+34, 0x1.f37c8ap+96, 0x1.47d0fep+35, 0x1.f37c8ap+97,
                               0x1.32ede2p+85, 0x1.628d4cp+40, 0x1.13093p+76,  0x1.47d0fep+36, 0x1.b08c4ap+111,
                               0x1.4665d2p+25, 0x1.abb4bp+89,  0x1.f37c8ap+98, 0x1.32ede2p+86, 0x1.7b9b4p+126};
  enum { NEAR = sizeof near / sizeof *near };
  float y[NEAR];
  for (int i = 0; i < FUNCTIONS; i++) {
    if (functions[i].of != sin && functions[i].of != cos) continue;
    compute(functions[i].formula, near, NULL, y, NEAR);
    for (int k = 0; k < NEAR; k++)
      ck_assert_msg(units(y[k], functions[i].of(near[k])) < 2, "%s at %a: %a", functions[i].formula, (double)near[k],
                    (double)y[k]);
  }
}
END_TEST

/* Pairs: of numbers at the ends of ranges; any; near to 1 and large; and such that powers are in a float's range. */
static uint32_t state;
static uint32_t draw(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8 | (state * 2654435761u) >> 24 << 24;
}
static void draw_pair(uint64_t i, float *x, float *w) {
  static const float ends[] = {
      0,        1,        2,        3,      33,    127,      149,       0.5f,          1.5f,           0x1p-149f,
      FLT_MIN,  FLT_MAX,  INFINITY, NAN,    1e10f, 0x1p-41f, 8388607.5, 0x1.fffffep0f, 0x1.fffffep-1f, 16777215,
      16777216, 16777218, 0x1p40f,  0x1p41f};
  enum { ENDS = sizeof ends / sizeof *ends };
  uint32_t a = draw(), b = draw();
  *x = from_bits(a), *w = from_bits(b);
  if (i < 4 * ENDS * ENDS) {
    *x = ends[i / 4 % ENDS] * (i & 1 ? -1 : 1), *w = ends[i / 4 / ENDS] * (i & 2 ? -1 : 1);
  } else if (i % 4 == 1) {
    *x = from_bits(0x3f000000 + (a >> 8)), *w = (float)(int32_t)b * 0x1p-24f;
  } else if (i % 4 == 2) {
    *x = from_bits(0x3f7f0000 + (a >> 15)), *w = (float)(int32_t)b * 0x1p-14f;
  } else if (i % 4 == 3) {
    *x = from_bits(a >> 1);
    *w = (float)(int32_t)b * 0x1p-31f * 300 / (1 + fabsf((float)(a >> 24) - 127) * 2);
  }
}

START_TEST(functions_of_pairs_are_exact) {
  const function *f = &of_pairs[_i];
  if (!test_is_wanted(f->formula)) return;
  const uint64_t pairs = (uint64_t)1 << (inputs == SAMPLED ? 18 : inputs == STRIDED ? 26 : 30);
  const uint32_t size = (uint32_t)(inputs == SAMPLED ? pairs : CHUNK);
  const bool flushes = flushes_subnormals();
  float *x = malloc(size * sizeof *x), *w = malloc(size * sizeof *w), *y = malloc(size * sizeof *y);
  ck_assert(x && w && y);
  result r = {0, 0, NAN, 14695981039346656037u, 14695981039346656037u};
  part p = {f, x, w, y, size, flushes, 0, 0};
  state = 1;
  for (uint64_t from = 0; from < pairs; from += size) {
    for (uint32_t i = 0; i < size; i++) draw_pair(from + i, &x[i], &w[i]);
    compute(f->formula, x, w, y, size);
    if (measures) measure_all(&p);
    for (uint32_t i = 0; i < size; i++) {
      r.all = mix(r.all, to_bits(y[i]));
      if (!is_subnormal(x[i]) && !is_subnormal(w[i]) && !is_subnormal(y[i])) r.normal = mix(r.normal, to_bits(y[i]));
    }
  }
  free(x), free(w), free(y);
  r.worst = p.worst, r.at = p.at;
  check(f, &r, flushes);
}
END_TEST

/* The form for vectors, which kernels of a CPU's shape call. */
START_TEST(vectors_have_the_same_bits) {
  if (inputs != SAMPLED || clg_vector_width(ctx) != 16) return;
  char name[20], file[30];
  snprintf(name, sizeof name, "%.*s", (int)strcspn(functions[_i].formula, "("), functions[_i].formula);
  snprintf(file, sizeof file, "%s.clm", name);
  clg_str source = {0};
  clg_str_add(&source, clg_source_find(file)->text);
  clg_str_addf(
      &source,
      "__kernel void each(__global float *x, const uint at, __global float *y, const uint y_at, const uint n) {\n"
      "  const uint i = 16 * (uint)get_global_id(0);\n"
      "  if (i < n) vstore16(clg_%s16(vload16(0, x + at + i)), 0, y + y_at + i);\n"
      "}\n",
      name);
  enum { N = SAMPLE };
  float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y), *z = malloc(N * sizeof *z);
  ck_assert(x && y && z && !source.failed);
  for (uint32_t i = 0; i < N; i++) x[i] = input(i);
  compute(functions[_i].formula, x, NULL, y, N);
  clg_tensor *in = clg_tensor_create(ctx, 1, (int64_t[]){N}, x), *out = clg_tensor_create(ctx, 1, (int64_t[]){N}, y);
  clg_program *p = clg_program_create(ctx, "vectors.cl", source.data);
  ck_assert_msg(p != NULL, "%s", clg_last_error(ctx));
  const clg_kernel_arg args[] = {clg_arg_write(in), clg_arg_write(out), clg_arg_uint(N)};
  ck_assert_int_eq(clg_program_launch(p, "each", (size_t[]){N / 16, 1, 1}, NULL, args, 3), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(out, z), CLG_OK);
  for (uint32_t i = 0; i < N; i++)
    ck_assert_msg(to_bits(y[i]) == to_bits(z[i]), "%s at %a: %a, not %a", name, (double)x[i], (double)z[i],
                  (double)y[i]);
  clg_program_unref(&p);
  clg_tensor_unref(&in);
  clg_tensor_unref(&out);
  free(x), free(y), free(z);
  clg_str_free(&source);
}
END_TEST

static void add_cases(Suite *suite) {
  read_environment();
  TCase *c = tcase_create("functions");
  share_context(c);
  tcase_add_loop_test(c, functions_are_exact, 0, FUNCTIONS);
  tcase_add_test(c, sines_near_zero_are_exact);
  tcase_add_loop_test(c, functions_of_pairs_are_exact, 0, sizeof of_pairs / sizeof *of_pairs);
  tcase_add_loop_test(c, vectors_have_the_same_bits, 0, NAMED);
  tcase_add_test(c, what_kernels_call_is_declared);
  suite_add_tcase(suite, c);
  tcase_set_timeout(c, 0);
}

CHECK_MAIN("math", add_cases)
