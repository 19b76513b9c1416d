/* Matrix products and layer norm at the level of their launchers, against references in double: every edge of the
 * tiles, any leading dimension and offset, and nothing written outside the result. The shape comes from $CLGRAD_SHAPE.
 */
#include "device/launch.h"
#include "device/program.h"
#include "harness.h"
#include "ops/norm/layer_norm.h"
#include "product/product.h"
#include "shared_context.h"
#include "undeclared.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* $TEST_PRODUCT: a kernel that every class of products takes, where it can. */
static void choose_kernels(void) {
  shared_context_begin();
  const char *want = getenv("TEST_PRODUCT");
  enum { C = CLG_SIZE_CLASSES };
  for (int k = 1; want && k < CLG_PRODUCT_KERNELS; k++)
    for (int i = 0; i < 4 * C * C * C && !strcmp(want, clg_product_kernel_name((clg_product_kernel)k)); i++) {
      clg_product_class c = {i / (2 * C * C * C), i / (C * C * C) % 2, i / (C * C) % C, i / C % C, i % C};
      ck_assert_int_eq(clg_tuning_set(ctx, &c, (clg_product_kernel)k), CLG_OK);
    }
}

/* Oclgrind interprets kernels: there the large cases would take minutes. */
static bool slow_device(void) { return clg_context_device(ctx)->simulator; }

static uint32_t random_state = 1;
static float random_value(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return (float)(random_state >> 8) / (float)(1u << 23) - 1.0f;
}

/* ---- host and device arrays ---- */

typedef struct array {
  float *host;
  clg_block *block;
  size_t size;
} array;

static array array_new(size_t size, float canary) {
  array a = {malloc((size + 1) * sizeof(float)), NULL, size + 1};
  ck_assert_ptr_nonnull(a.host);
  for (size_t i = 0; i < a.size; i++) a.host[i] = isnan(canary) ? canary : random_value();
  return a;
}

static void array_send(array *a) {
  a->block = clg_block_alloc(ctx, a->size * sizeof(float), CLG_ROLE_DATA, "test");
  ck_assert_ptr_nonnull(a->block);
  ck_assert_int_eq(clg_block_write(a->block, 0, a->size * sizeof(float), a->host, false, "test"), CLG_OK);
}

static float *array_fetch(const array *a) {
  float *got = malloc(a->size * sizeof(float));
  ck_assert_ptr_nonnull(got);
  ck_assert_int_eq(clg_block_read(a->block, 0, a->size * sizeof(float), got, true, "test"), CLG_OK);
  return got;
}

static void array_free(array *a) {
  clg_block_unref(a->block);
  free(a->host);
}

/* ---- products ---- */

/* The activations as the elementwise kernels compute them. */
static const char *const epilogues[] = {NULL,
                                        "#define ACTIVATION(v) ((v) > 0.0f ? (v) : (v) * numbers.s0)\n"
                                        "#define ACTIVATION_VEC(v) ((v) > (float16)(0.0f) ? (v) : (v) * numbers.s0)\n",
                                        "#define ACTIVATION(v) sigmoid(v)\n"
                                        "#define ACTIVATION_VEC(v) sigmoids(v)\n"
                                        "inline float sigmoid(const float v) { return 1.0f / (1.0f + exp(-v)); }\n"
                                        "inline float16 sigmoids(const float16 v) {\n"
                                        "  float lane[16];\n"
                                        "  vstore16(v, 0, lane);\n"
                                        "  for (int i = 0; i < 16; i++) lane[i] = sigmoid(lane[i]);\n"
                                        "  return vload16(0, lane);\n"
                                        "}\n"};
enum { PLAIN, LEAKY, SIGMOID };
static const float slope = 0.2f;

static double activation(int which, double v) {
  return which == LEAKY ? (v > 0 ? v : v * slope) : which == SIGMOID ? 1 / (1 + exp(-v)) : v;
}

typedef struct product_case {
  bool ta, tb;
  uint32_t m, n, k;
  bool accumulate, bias;
  int epilogue;
  uint32_t pad; /* added to leading dimensions (times 1, 2, 3) and offsets (times 3, 5, 7) */
  bool clblast;
} product_case;

typedef struct product_data {
  clg_product p;
  array a, b, c, bias;
} product_data;

static product_data product_make(const product_case *t) {
  product_data d = {.p = {.ta = t->ta,
                          .tb = t->tb,
                          .m = t->m,
                          .n = t->n,
                          .k = t->k,
                          .accumulate = t->accumulate,
                          .epilogue = epilogues[t->epilogue],
                          .numbers = {slope, 0},
                          .own = !t->clblast}};
  clg_product *p = &d.p;
  uint32_t a_rows = t->ta ? t->k : t->m, b_rows = t->tb ? t->n : t->k;
  p->a_ld = (t->ta ? t->m : t->k) + t->pad;
  p->b_ld = (t->tb ? t->k : t->n) + 2 * t->pad;
  p->c_ld = t->n + 3 * t->pad;
  p->a_offset = 3 * t->pad, p->b_offset = 5 * t->pad, p->c_offset = 7 * t->pad, p->bias_offset = t->pad;
  /* What is not accumulated may hold anything before: NaN. The last row ends where its elements end. */
  d.a = array_new(p->a_offset + (size_t)a_rows * p->a_ld - (a_rows ? t->pad : 0), 0);
  d.b = array_new(p->b_offset + (size_t)b_rows * p->b_ld - (b_rows ? 2 * t->pad : 0), 0);
  d.c = array_new(p->c_offset + (size_t)t->m * p->c_ld, t->accumulate ? 0 : NAN);
  d.bias = array_new(p->bias_offset + t->n, 0);
  array_send(&d.a), array_send(&d.b), array_send(&d.c), array_send(&d.bias);
  p->a = d.a.block, p->b = d.b.block, p->c = d.c.block, p->bias = t->bias ? d.bias.block : NULL;
  return d;
}

static void product_free(product_data *d) {
  array_free(&d->a), array_free(&d->b), array_free(&d->c), array_free(&d->bias);
}

/* The exact C(i,j), and in *scale the sum of the magnitudes that make it up. */
static double product_exact(const product_case *t, const product_data *d, uint32_t i, uint32_t j, double *scale) {
  const clg_product *p = &d->p;
  double v = t->accumulate ? d->c.host[p->c_offset + (size_t)i * p->c_ld + j] : 0;
  *scale = 1 + fabs(v);
  for (uint32_t q = 0; q < t->k; q++) {
    double a = d->a.host[p->a_offset + (t->ta ? (size_t)q * p->a_ld + i : (size_t)i * p->a_ld + q)];
    double b = d->b.host[p->b_offset + (t->tb ? (size_t)j * p->b_ld + q : (size_t)q * p->b_ld + j)];
    v += a * b;
    *scale += fabs(a * b);
  }
  if (t->bias) v += d->bias.host[p->bias_offset + j];
  return activation(t->epilogue, v);
}

static void product_compare(const product_case *t, const product_data *d, const float *got) {
  const clg_product *p = &d->p;
  /* Large results are looked at in rows and columns of their own residue only: the reference is cubic. */
  uint32_t step = (uint64_t)t->m * t->n * t->k > 1u << 24 ? 7 : 1;
  for (size_t e = 0; e < d->c.size; e++) {
    size_t at = e - p->c_offset;
    uint32_t i = (uint32_t)(at / p->c_ld), j = (uint32_t)(at % p->c_ld);
    if (e < p->c_offset || i >= t->m || j >= t->n) {
      ck_assert_msg(!memcmp(&got[e], &d->c.host[e], sizeof(float)),
                    "%ux%ux%u ta %d tb %d: element %zu outside was written", t->m, t->n, t->k, t->ta, t->tb, e);
    } else if (i % step == j % step) {
      double scale, want = product_exact(t, d, i, j, &scale);
      ck_assert_msg(fabs(got[e] - want) <= 4e-7 * scale,
                    "%ux%ux%u ta %d tb %d acc %d bias %d f %d pad %u: (%u,%u) is %g not %g", t->m, t->n, t->k, t->ta,
                    t->tb, t->accumulate, t->bias, t->epilogue, t->pad, i, j, got[e], want);
    }
  }
}

static void product_check(const product_case *t) {
  product_data d = product_make(t);
  ck_assert_msg(clg_product_run(ctx, &d.p, "test") == CLG_OK, "%s", clg_last_error(ctx));
  float *got = array_fetch(&d.c);
  product_compare(t, &d, got);
  if (!t->accumulate) {
    ck_assert_msg(clg_product_run(ctx, &d.p, "test") == CLG_OK, "%s", clg_last_error(ctx));
    float *again = array_fetch(&d.c);
    ck_assert_msg(!memcmp(got, again, d.c.size * sizeof(float)), "%ux%ux%u does not repeat", t->m, t->n, t->k);
    free(again);
  }
  free(got);
  product_free(&d);
}

/* Both transpositions of each size, with what follows the product going round. */
START_TEST(products_edges) {
  static const uint32_t size[] = {1, 2, 3, 5, 7, 13, 17, 31, 33, 127, 129};
  enum { SIZES = sizeof size / sizeof *size };
  uint32_t turn = 0;
  for (int i = 0; i < SIZES; i++)
    for (int j = 0; j < SIZES; j++)
      for (int l = 0; l < SIZES; l++) {
        turn++;
        if (slow_device() && (turn % 31 || (uint64_t)size[i] * size[j] * size[l] > 20000)) continue;
        for (int tr = 0; tr < 4; tr++) {
          uint32_t v = turn * 4 + (uint32_t)tr * 5;
          product_case t = {tr & 1,     tr >> 1,   size[i],          size[j], size[l],
                            v % 3 == 0, v % 5 < 2, (int)(v / 4 % 3), v % 4,   false};
          product_check(&t);
        }
      }
}
END_TEST

static const product_case large[] = {
    {false, true, 128, 256, 784, false, true, LEAKY, 0, false},
    {false, true, 128, 784, 256, false, true, SIGMOID, 0, false},
    {false, true, 128, 1, 256, false, true, PLAIN, 0, false},
    {false, false, 128, 256, 1, false, false, PLAIN, 0, false},
    {true, false, 1, 256, 128, true, false, PLAIN, 0, false},
    {true, false, 256, 784, 128, true, false, PLAIN, 0, false},
    {true, false, 256, 1, 128, false, true, PLAIN, 0, false},
    {true, true, 300, 1, 77, true, true, SIGMOID, 0, false},
    {false, false, 128, 256, 784, true, true, PLAIN, 3, false},
    {false, false, 1, 1000, 300, true, true, LEAKY, 1, false},
    {false, false, 1, 1, 5000, false, false, PLAIN, 0, false},
    {false, true, 3, 1000, 100, true, true, LEAKY, 1, false},
    {false, false, 521, 557, 530, true, true, SIGMOID, 1, false},
    {true, false, 557, 521, 530, false, false, PLAIN, 0, false},
    {false, true, 640, 530, 512, false, true, LEAKY, 0, false},
    {true, true, 515, 640, 600, true, false, PLAIN, 2, false},
    {true, false, 1101, 530, 960, true, true, LEAKY, 3, false},
    {true, true, 1030, 1061, 1027, false, false, PLAIN, 0, false},
};

START_TEST(products_large) {
  product_case t = large[_i];
  if (slow_device())
    t.m = t.m > 40 ? t.m % 40 + 1 : t.m, t.n = t.n > 70 ? t.n % 70 + 1 : t.n, t.k = t.k > 150 ? 150 : t.k;
  product_check(&t);
}
END_TEST

START_TEST(products_empty) {
  for (int tr = 0; tr < 4; tr++)
    for (int v = 0; v < 4; v++) {
      uint64_t before = clg_context_counters(ctx).launches;
      product_case none = {tr & 1, tr >> 1, v & 1 ? 0 : 5, v & 1 ? 40 : 0, 6, false, true, PLAIN, 1, false};
      product_check(&none);
      ck_assert_uint_eq(clg_context_counters(ctx).launches, before);
      product_case no_sum = {tr & 1, tr >> 1, 9, v & 1 ? 40 : 1, 0, v >> 1, true, LEAKY, 1, false};
      product_check(&no_sum);
      no_sum.clblast = true;
      product_check(&no_sum);
    }
}
END_TEST

/* CLBlast: on a CPU shape our kernels again. */
START_TEST(products_clblast) {
  if (slow_device()) return;
  for (int tr = 0; tr < 4; tr++)
    for (int v = 0; v < 4; v++) {
      product_case t = {tr & 1,      tr >> 1, v & 1 ? 33 : 128, v & 2 ? 100 : 17, 50, v & 1, v & 2, v % 3,
                        (uint32_t)v, true};
      product_check(&t);
    }
}
END_TEST

/* An elementwise kernel that applies it. */
static const char separate[] =
    "__kernel void apart(__global float *y, __global const float *x, const float2 numbers, const uint n) {\n"
    "  const size_t i = get_global_id(0);\n"
    "  if (i < n) y[i] = ACTIVATION(x[i]);\n"
    "}\n";

START_TEST(epilogue_bits) {
  static const uint32_t size[][3] = {{128, 256, 100}, {37, 43, 19}, {40, 3, 50}, {64, 1, 128}, {5, 96, 7}};
  for (size_t i = 0; i < sizeof size / sizeof *size; i++)
    for (int f = LEAKY; f <= SIGMOID; f++) {
      product_case t = {false, true, size[i][0], size[i][1], size[i][2], false, true, f, 0, false};
      if (slow_device()) t.m = t.m % 32 + 1, t.n = t.n % 64;
      product_data d = product_make(&t);
      ck_assert_msg(clg_product_run(ctx, &d.p, "test") == CLG_OK, "%s", clg_last_error(ctx));
      float *fused = array_fetch(&d.c);
      d.p.epilogue = NULL;
      ck_assert_msg(clg_product_run(ctx, &d.p, "test") == CLG_OK, "%s", clg_last_error(ctx));
      char prelude[2048];
      snprintf(prelude, sizeof prelude, "%s%s", epilogues[f], separate);
      uint32_t n = t.m * t.n;
      clg_args args = {.n = 0};
      clg_args_block(&args, d.c.block);
      clg_args_block(&args, d.c.block);
      clg_args_f32x2(&args, (float[]){slope, 0});
      clg_args_u32(&args, n);
      const size_t global[3] = {n, 1, 1};
      clg_kernel *k = clg_kernel_written(ctx, &(clg_written){"map.clh", "apart", prelude}, "apart");
      ck_assert_int_eq(clg_launch(ctx, k, "test", &args, global, NULL), CLG_OK);
      float *apart = array_fetch(&d.c);
      ck_assert_msg(!memcmp(fused, apart, n * sizeof(float)), "%ux%ux%u f %d: bits differ", t.m, t.n, t.k, f);
      free(fused), free(apart);
      product_free(&d);
    }
}
END_TEST

/* The direct, panel and block kernels sum in the same order: fewer rows of the same product have the same bits. */
START_TEST(products_same_bits) {
  if (slow_device() || ctx->shape != CLG_SHAPE_CPU) return;
  product_case t = {_i, false, 1024, 1024, 1024, false, false, PLAIN, 0, false};
  product_data d = product_make(&t);
  ck_assert_msg(clg_product_run(ctx, &d.p, "test") == CLG_OK, "%s", clg_last_error(ctx));
  float *whole = array_fetch(&d.c);
  static const uint32_t rows[] = {8, 100, 300};
  for (int i = 0; i < 3; i++) {
    d.p.m = rows[i];
    ck_assert_msg(clg_product_run(ctx, &d.p, "test") == CLG_OK, "%s", clg_last_error(ctx));
    float *some = array_fetch(&d.c);
    ck_assert(!memcmp(whole, some, (size_t)t.m * t.n * sizeof(float)));
    free(some);
  }
  free(whole);
  product_free(&d);
}
END_TEST

/* ---- layer norm ---- */

typedef struct norm_case {
  uint32_t rows, n;
  bool gamma, beta, accumulate;
  uint32_t pad; /* of offsets */
} norm_case;

typedef struct norm_data {
  array x, g, gamma, beta, y, mean, rstd, dx, dgamma, dbeta;
} norm_data;
enum { NORM_ARRAYS = sizeof(norm_data) / sizeof(array) };

static norm_data norm_make(const norm_case *t) {
  size_t all = (size_t)t->rows * t->n + t->pad, row = t->rows + t->pad, column = t->n + t->pad;
  norm_data d = {.x = array_new(all, 0),
                 .g = array_new(all, 0),
                 .gamma = array_new(column, 0),
                 .beta = array_new(column, 0),
                 .y = array_new(all, NAN),
                 .mean = array_new(row, NAN),
                 .rstd = array_new(row, NAN),
                 .dx = array_new(all, t->accumulate ? 0 : NAN),
                 .dgamma = array_new(column, t->accumulate ? 0 : NAN),
                 .dbeta = array_new(column, t->accumulate ? 0 : NAN)};
  /* A mean far from zero, as a difference of squares would not survive. */
  for (size_t i = 0; i < d.x.size; i++) d.x.host[i] = d.x.host[i] * 2 + 50;
  for (int i = 0; i < NORM_ARRAYS; i++) array_send((array *)&d + i);
  return d;
}

static void norm_free(norm_data *d) {
  for (int i = 0; i < NORM_ARRAYS; i++) array_free((array *)d + i);
}

/* An array as a contiguous tensor behind its offset; NULL: it is not there. */
static clg_tensor *at(const array *a, const norm_case *t, uint32_t rows, uint32_t n, bool there) {
  if (!there) return NULL;
  clg_storage *s = clg_storage_slice(ctx, a->block, t->pad, (size_t)rows * n, CLG_ROLE_DATA);
  ck_assert_ptr_nonnull(s);
  clg_tensor *view = clg_tensor_view(s, 0, rows == 1 ? 1 : 2, rows == 1 ? (int64_t[]){n} : (int64_t[]){rows, n}, NULL);
  clg_storage_unref(s);
  ck_assert_ptr_nonnull(view);
  return view;
}

static void norm_run(const norm_case *t, const norm_data *d) {
  enum { IN = 3, OUT = 3 };
  clg_layer_norm_attrs a = {.eps = 1e-5f};
  clg_tensor *in[IN] = {at(&d->x, t, t->rows, t->n, true), at(&d->gamma, t, 1, t->n, t->gamma),
                        at(&d->beta, t, 1, t->n, t->beta)};
  clg_op_call c = {.op = &clg_layer_norm_op, .ctx = ctx, .attrs = &a, .n = IN, .in = in};
  c.out[0] = at(&d->y, t, t->rows, t->n, true);
  c.out[1] = at(&d->mean, t, 1, t->rows, true);
  c.out[2] = at(&d->rstd, t, 1, t->rows, true);
  ck_assert_int_eq(c.op->forward(&c), CLG_OK);
  clg_grad_place to[IN] = {{at(&d->dx, t, t->rows, t->n, true), t->accumulate},
                           {at(&d->dgamma, t, 1, t->n, t->gamma), t->accumulate},
                           {at(&d->dbeta, t, 1, t->n, t->beta), t->accumulate}};
  c.grad = at(&d->g, t, t->rows, t->n, true);
  c.to = to;
  ck_assert_int_eq(c.op->backward(&c), CLG_OK);
  clg_tensor_unref(&c.grad);
  for (int i = 0; i < IN; i++) clg_tensor_unref(&in[i]), clg_tensor_unref(&to[i].t);
  for (int i = 0; i < OUT; i++) clg_tensor_unref(&c.out[i]);
}

/* The whole array: `want` from the offset on, untouched outside. */
static void norm_compare(const char *what, const norm_case *t, const array *a, const double *want, size_t n,
                         double tolerance) {
  float *got = array_fetch(a);
  for (size_t i = 0; i < a->size; i++) {
    if (i < t->pad || i >= t->pad + n)
      ck_assert_msg(!memcmp(&got[i], &a->host[i], sizeof(float)), "%s %ux%u: element %zu outside was written", what,
                    t->rows, t->n, i);
    else
      ck_assert_msg(fabs(got[i] - want[i - t->pad]) <= tolerance * (1 + fabs(want[i - t->pad])),
                    "%s %ux%u: %zu is %g not %g", what, t->rows, t->n, i - t->pad, got[i], want[i - t->pad]);
  }
  free(got);
}

typedef struct norm_exact {
  double *y, *mean, *rstd, *dx, *dgamma, *dbeta, steepest;
} norm_exact;

static void norm_exact_row(const norm_case *t, const norm_data *d, norm_exact *e, uint32_t r) {
  const float *x = d->x.host + t->pad + (size_t)r * t->n, *g = d->g.host + t->pad + (size_t)r * t->n;
  const float *gamma = d->gamma.host + t->pad, *beta = d->beta.host + t->pad,
              *dx = d->dx.host + t->pad + (size_t)r * t->n;
  double mean = 0, var = 0, mean_h = 0, mean_hat = 0;
  for (uint32_t j = 0; j < t->n; j++) mean += x[j] / (double)t->n;
  for (uint32_t j = 0; j < t->n; j++) var += (x[j] - mean) * (x[j] - mean) / t->n;
  double rstd = 1 / sqrt(var + 1e-5f);
  e->mean[r] = mean, e->rstd[r] = rstd, e->steepest = fmax(e->steepest, rstd);
  for (uint32_t j = 0; j < t->n; j++) {
    double hat = (x[j] - mean) * rstd, h = g[j] * (t->gamma ? gamma[j] : 1.0);
    e->y[(size_t)r * t->n + j] = hat * (t->gamma ? gamma[j] : 1.0) + (t->beta ? beta[j] : 0.0);
    mean_h += h / t->n, mean_hat += h * hat / t->n;
    e->dgamma[j] += g[j] * hat, e->dbeta[j] += g[j];
  }
  for (uint32_t j = 0; j < t->n; j++) {
    double hat = (x[j] - mean) * rstd, h = g[j] * (t->gamma ? gamma[j] : 1.0);
    e->dx[(size_t)r * t->n + j] = (t->accumulate ? dx[j] : 0.0) + rstd * (h - mean_h - hat * mean_hat);
  }
}

static void norm_check(const norm_case *t) {
  norm_data d = norm_make(t);
  size_t all = (size_t)t->rows * t->n;
  double *mem = calloc(2 * all + 2 * t->rows + 2 * t->n + 1, sizeof(double));
  ck_assert_ptr_nonnull(mem);
  norm_exact e = {mem,
                  mem + 2 * all,
                  mem + 2 * all + t->rows,
                  mem + all,
                  mem + 2 * all + 2 * t->rows,
                  mem + 2 * all + 2 * t->rows + t->n,
                  1};
  for (uint32_t j = 0; j < t->n && t->accumulate; j++)
    e.dgamma[j] = d.dgamma.host[t->pad + j], e.dbeta[j] = d.dbeta.host[t->pad + j];
  for (uint32_t r = 0; r < t->rows; r++) norm_exact_row(t, &d, &e, r);
  norm_run(t, &d);
  /* Around 50 a float is good to 4e-6, and so is the mean; rstd, which may be large, multiplies that once in xhat and
   * twice in dx. A row of one has no spread at all. */
  double once = 4e-6 * e.steepest, twice = once * e.steepest;
  norm_compare("mean", t, &d.mean, e.mean, t->n ? t->rows : 0, 1e-6);
  if (t->n > 1) norm_compare("rstd", t, &d.rstd, e.rstd, t->rows, once);
  if (t->n > 1) norm_compare("y", t, &d.y, e.y, all, 2 * once);
  if (t->n > 1) norm_compare("dx", t, &d.dx, e.dx, all, 4 * twice);
  if (t->gamma && t->n > 1) norm_compare("dgamma", t, &d.dgamma, e.dgamma, t->n, 2 * once * sqrt(t->rows + 1.0));
  if (t->beta) norm_compare("dbeta", t, &d.dbeta, e.dbeta, t->n, 4e-6 * sqrt(t->rows + 1.0));
  free(mem);
  norm_free(&d);
}

START_TEST(norms) {
  static const uint32_t rows[] = {0, 1, 3, 17, 128, 1500}, n[] = {0, 1, 3, 5, 15, 16, 17, 33, 64, 129, 256, 300};
  uint32_t v = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (size_t j = 0; j < sizeof n / sizeof *n; j++, v++) {
      if (slow_device() && ((uint64_t)rows[i] * n[j] > 6000 || v % 2)) continue;
      norm_case t = {rows[i], n[j], v % 3 != 0, v % 4 != 0, v % 5 < 2, v % 3};
      norm_check(&t);
    }
}
END_TEST

START_TEST(norms_need_no_parameters) {
  norm_case t = {40, 50, false, false, true, 1};
  norm_check(&t);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *products = tcase_create("products");
  tcase_add_unchecked_fixture(products, NULL, shared_context_unref);
  tcase_add_checked_fixture(products, choose_kernels, shared_context_end);
  tcase_set_timeout(products, 300);
  tcase_add_test(products, products_edges);
  tcase_add_loop_test(products, products_large, 0, (int)(sizeof large / sizeof *large));
  tcase_add_test(products, products_empty);
  tcase_add_test(products, products_clblast);
  tcase_add_loop_test(products, products_same_bits, 0, 2);
  tcase_add_test(products, epilogue_bits);
  suite_add_tcase(suite, products);
  TCase *norm = tcase_create("layer_norm");
  share_context(norm);
  tcase_set_timeout(norm, 300);
  tcase_add_test(norm, norms);
  tcase_add_test(norm, norms_need_no_parameters);
  tcase_add_test(norm, what_kernels_call_is_declared);
  suite_add_tcase(suite, norm);
}
CHECK_MAIN("kernels", add_cases)
