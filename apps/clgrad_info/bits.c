/* Groups of kernels whose results are hashed, and compared with what every device should come to. */
#include "bits.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S(...)                                                                                                         \
  (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }
#define FORMULA "a*b + c/d - sqrt(abs(e)) + a*0"

typedef struct run {
  clg_context *ctx;
  uint32_t seed;
  uint64_t hash;
  bool failed;
} run;

/* ---- values, and hashes of them ---- */

/* Of [-1, 1), repeatable. A leaf, the scope's. */
static clg_tensor *draw(run *r, int ndim, const int64_t *shape) {
  clg_tensor *t = clg_empty(r->ctx, ndim, shape);
  int64_t n = clg_tensor_numel(t);
  float *v = malloc((size_t)n * sizeof *v);
  for (int64_t i = 0; v && i < n; i++) {
    r->seed = r->seed * 1664525u + 1013904223u;
    v[i] = (float)(r->seed >> 8) / 8388608.0f - 1;
  }
  if (!v || clg_tensor_write(t, v) != CLG_OK) r->failed = true;
  free(v);
  clg_tensor_set_requires_grad(t, true);
  return t;
}

/* FNV-1a over the bytes, lowest first. */
static void add(run *r, clg_tensor *t) {
  int64_t n = clg_tensor_numel(t);
  float *v = malloc((size_t)n * sizeof *v);
  bool ok = v && t && clg_tensor_read(t, v) == CLG_OK;
  for (int64_t i = 0; ok && i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &v[i], sizeof bits);
    for (int b = 0; b < 32; b += 8) r->hash = (r->hash ^ (bits >> b & 255)) * 1099511628211u;
  }
  r->failed = r->failed || !ok;
  free(v);
}

/* y, and the gradients of its squares' half by the inputs. */
static void add_all(run *r, clg_tensor *y, clg_tensor *const *in, int n) {
  clg_backward_options from = clg_backward_defaults();
  from.grad = clg_detach(y);
  add(r, y);
  if (clg_backward(y, &from) != CLG_OK) r->failed = true;
  for (int i = 0; i < n; i++) add(r, clg_tensor_grad(in[i]));
}
#define ADD(y, ...)                                                                                                    \
  {                                                                                                                    \
    clg_tensor *in[] = {__VA_ARGS__};                                                                                  \
    add_all(r, y, in, (int)(sizeof in / sizeof *in));                                                                  \
  }

/* ---- the groups ---- */

static clg_tensor *formula(run *r, clg_tensor *const in[5]) {
  const clg_map_input inputs[] = {{"a", in[0], 0}, {"b", in[1], 0}, {"c", in[2], 0}, {"d", in[3], 0}, {"e", in[4], 0}};
  return clg_map(r->ctx, FORMULA, inputs, 5);
}

static void arithmetic(run *r) {
  clg_tensor *in[5];
  for (int i = 0; i < 5; i++) in[i] = draw(r, S(5003));
  add_all(r, formula(r, in), in, 5);
}

/* All functions of formulas; what draws numbers by them; softmax. */
static void functions(run *r) {
  static const char *const formulas[] = {"exp(9*x)*sin(99*x) + expm1(x)*cos(1e6*x)",
                                         "log(abs(x)) + log2(abs(x))*log1p(x) + pow(abs(x), 3*x)",
                                         "tanh(3*x)*sigmoid(9*x) + softplus(9*x)*erf(2*x)", "exp2(20*x)*erfc(3*x)"};
  for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
    clg_tensor *x = draw(r, S(5003));
    add_all(r, clg_map(r->ctx, formulas[i], &(clg_map_input){"x", x, 0}, 1), &x, 1);
  }
  ADD(clg_softmax(in[0], 1), draw(r, S(37, 259)))
  clg_set_seed(r->ctx, 7, 0);
  add(r, clg_randn(r->ctx, S(5003)));
}

static void sums(run *r) {
  ADD(clg_sum(in[0], (int[]){1}, 1, false), draw(r, S(37, 1237)))
  ADD(clg_mean(in[0], (int[]){0}, 1, false), draw(r, S(1237, 37)))
  ADD(clg_norm(in[0], 2, NULL, 0, false), draw(r, S(40009)))
}

static void products(run *r) {
  ADD(clg_matmul(in[0], in[1]), draw(r, S(45, 601)), draw(r, S(601, 77)))
  ADD(clg_matmul(in[0], in[1]), draw(r, S(1, 601)), draw(r, S(601, 77)))
}

static void convolutions(run *r) {
  clg_conv_options o = clg_conv_defaults();
  o.stride[0] = o.stride[1] = 2, o.padding[0] = o.padding[1] = 1;
  ADD(clg_conv2d(in[0], in[1], in[2], &o), draw(r, S(3, 19, 13, 11)), draw(r, S(37, 19, 4, 4)), draw(r, S(37)))
}

static void norms(run *r) {
  ADD(clg_layer_norm(in[0], in[1], in[2], NULL), draw(r, S(37, 259)), draw(r, S(259)), draw(r, S(259)))
  const clg_batch_norm_options o = clg_batch_norm_defaults();
  ADD(clg_batch_norm(in[0], in[1], in[2], &o), draw(r, S(6, 19, 7, 9)), draw(r, S(19)), draw(r, S(19)))
}

/* Steps of a small network, which needs all of the above and an optimizer. */
static void training(run *r) {
  clg_tensor *w[] = {draw(r, S(67, 20)), draw(r, S(67)), draw(r, S(67)), draw(r, S(67)), draw(r, S(5, 67))};
  enum { WEIGHTS = sizeof w / sizeof *w, STEPS = 5 };
  const clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  const clg_linear_options leaky = {{"leaky_relu", {0.2f}}};
  clg_optim *optim = clg_optim_create(r->ctx, w, WEIGHTS, &adam);
  for (int i = 0; i < STEPS; i++) {
    clg_scope *step = clg_scope_open(r->ctx);
    clg_tensor *h = clg_linear(clg_detach(draw(r, S(33, 20))), w[0], w[1], &leaky);
    h = clg_linear(clg_layer_norm(h, w[2], w[3], NULL), w[4], NULL, NULL);
    clg_optim_zero_grad(optim);
    const bool ok = clg_backward(clg_mse_loss(h, clg_detach(draw(r, S(33, 5))), NULL), NULL) == CLG_OK &&
                    clg_optim_step(optim) == CLG_OK;
    r->failed = clg_scope_close(step) != CLG_OK || !ok || r->failed;
  }
  clg_optim_unref(&optim);
  for (int i = 0; i < WEIGHTS; i++) add(r, w[i]);
}

/* The hashes of the CPU and of the GPU shape. Where a kernel is to have other bits from now on, clgrad_info --json
 * gives the new ones. */
static const struct {
  const char *name;
  void (*run)(run *r);
  uint64_t cpu, gpu;
} groups[BITS_GROUPS] = {
    {"arithmetic", arithmetic, 0x114ca7605bd65ad6, 0x114ca7605bd65ad6},
    {"functions", functions, 0xdf28a2dc2c686b77, 0xc3b2abf466c5a45c},
    {"sums", sums, 0x89663238e208bbcc, 0x3fc4f17738a89b60},
    {"products", products, 0x6304ca70384dbcaf, 0x31e2ab964960e120},
    {"convolutions", convolutions, 0xebb307ebd3003b9c, 0xe1cc1a0f719bf81c},
    {"norms", norms, 0xcf116e7bf2df75e3, 0x41e3a3a10ae1aedd},
    {"training", training, 0x2faad9710686c232, 0xf128b6ed8a2f8ad2},
};

const char *bits_group(int i) { return groups[i].name; }

/* ---- what may be wrong with a device's arithmetic ---- */

static const struct {
  float a, b, c, d, want;
  const char *why;
} probes[] = {
    {0x1.001p0f, 0x1.001p0f, -0x1.002p0f, 1, 0, "a product and a sum are contracted"},
    {0x1p-100f, 0x1p-30f, 0, 1, 0x1p-130f, "products that are subnormal are 0"},
    {0x1p-130f, 0x1p20f, 0, 1, 0x1p-110f, "subnormal factors are 0"},
    {0, 1, 0x1p-100f, 0x1p30f, 0x1p-130f, "quotients that are subnormal are 0"},
    {0x1p-80f, 0x1p-46f, -0x1p-127f, 1, 0x1p-127f, "subnormal sums are 0"},
    {INFINITY, 0, 0, 1, NAN, "infinity times 0 is a number"},
    {INFINITY, 1, 0, 1, NAN, "infinity times 0 is a number"},
    {0, 1, 0, 0, NAN, "0/0 is a number"},
};
enum { PROBES = sizeof probes / sizeof *probes, SIDE = 64 };

static void because(bits_result *to, const char *why) {
  size_t used = strlen(to->why);
  if (used && strstr(to->why, why)) return;
  snprintf(to->why + used, sizeof to->why - used, "%s%s", used ? "; " : "", why);
}

static bool same(float a, float b) { return a == b || (isnan(a) && isnan(b)); }

static void probe_formula(run *r, bits_result *to) {
  float v[5][PROBES], got[PROBES];
  clg_tensor *in[5];
  for (int i = 0; i < PROBES; i++)
    v[0][i] = probes[i].a, v[1][i] = probes[i].b, v[2][i] = probes[i].c, v[3][i] = probes[i].d, v[4][i] = 0;
  for (int i = 0; i < 5; i++) {
    in[i] = clg_empty(r->ctx, S(PROBES));
    if (clg_tensor_write(in[i], v[i]) != CLG_OK) r->failed = true;
  }
  if (clg_tensor_read(formula(r, in), got) != CLG_OK) r->failed = true;
  for (int i = 0; !r->failed && i < PROBES; i++)
    if (!same(got[i], probes[i].want)) because(to, probes[i].why);
}

/* A product of two steps, 1 * c and a * b, is fma(a, b, c). */
static void probe_fma(run *r, bits_result *to) {
  static float a[SIDE][2], b[2][SIDE], got[SIDE][SIDE];
  for (int i = 0; i < SIDE; i++) {
    for (int k = 0; k < 3; k++) {
      r->seed = r->seed * 1664525u + 1013904223u;
      const float v = ldexpf((float)(r->seed >> 8 | 1u << 23), -24 - (k == 0 ? (int)(r->seed % 25) : 0));
      if (k < 2)
        a[i][k] = k ? v : -v;
      else
        b[1][i] = v;
    }
    b[0][i] = 1;
  }
  a[0][0] = 0, a[0][1] = 0x1p-140f, b[1][0] = 0x1p100f;
  clg_tensor *x = clg_empty(r->ctx, S(SIDE, 2)), *y = clg_empty(r->ctx, S(2, SIDE));
  if (clg_tensor_write(x, a[0]) != CLG_OK || clg_tensor_write(y, b[0]) != CLG_OK ||
      clg_tensor_read(clg_matmul(x, y), got[0]) != CLG_OK)
    r->failed = true;
  if (r->failed) return;
  if (got[0][0] != 0x1p-40f) because(to, "fma takes subnormal numbers as 0");
  for (int i = 1; i < SIDE; i++)
    for (int j = 1; j < SIDE; j++)
      if (got[i][j] != fmaf(a[i][1], b[1][j], a[i][0])) because(to, "fma rounds more than once");
}

/* ---- all of it ---- */

static void compare(clg_context *ctx, bits_result *to) {
  const bool cpu = clg_context_device(ctx)->shape == CLG_SHAPE_CPU;
  for (int i = 0; i < BITS_GROUPS; i++) {
    if (to->hash[i] == (cpu ? groups[i].cpu : groups[i].gpu)) continue;
    size_t used = strlen(to->groups);
    snprintf(to->groups + used, sizeof to->groups - used, "%s%s", used ? ", " : "", groups[i].name);
    to->differ++;
  }
}

bits_result bits_test(clg_context *ctx) {
  bits_result to = {0};
  run r = {.ctx = ctx};
  const bool plan = clg_context_is_plan(ctx);
  for (int i = 0; i < BITS_GROUPS + 1; i++) {
    clg_scope *scope = clg_scope_open(ctx);
    r.seed = 1, r.hash = 14695981039346656037u;
    if (i < BITS_GROUPS) {
      groups[i].run(&r);
      to.hash[i] = r.hash;
    } else {
      probe_formula(&r, &to);
      probe_fma(&r, &to);
    }
    if (clg_scope_close(scope) != CLG_OK) r.failed = true;
  }
  to.ran = !r.failed;
  if (plan) *to.why = 0;
  if (!plan && to.ran) compare(ctx, &to);
  return to;
}
