/* Elementwise ops. */
#include "op_table.h"
#include <math.h>
#include <string.h>

/* log(1 + exp(x)) */
static double soft(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double sigma(double x) { return 1 / (1 + exp(-x)); }
static double normal_below(double x) { return erfc(-x / sqrt(2)) / 2; }

static double relu_of(double x, const float *n) { return (void)n, fmax(x, 0); }
static double leaky_of(double x, const float *n) { return x > 0 ? x : n[0] * x; }
static double tanh_of(double x, const float *n) { return (void)n, tanh(x); }
static double sigmoid_of(double x, const float *n) { return (void)n, sigma(x); }
static double gelu_of(double x, const float *n) { return (void)n, x * normal_below(x); }
static double silu_of(double x, const float *n) { return (void)n, x * sigma(x); }
static double mish_of(double x, const float *n) { return (void)n, x * tanh(soft(x)); }
static double elu_of(double x, const float *n) { return x > 0 ? x : n[0] * expm1(x); }
static double softplus_of(double x, const float *n) { return soft(n[0] * x) / n[0]; }
static double swish_of(double x, const float *n) { return n[0] + x * sigma(n[1] * x); }

double op_activation(clg_act act, double x) {
  static const struct {
    const char *formula;
    double (*of)(double x, const float *numbers);
  } known[] = {
      {"relu", relu_of}, {"leaky_relu", leaky_of}, {"tanh", tanh_of}, {"sigmoid", sigmoid_of},   {"gelu", gelu_of},
      {"silu", silu_of}, {"mish", mish_of},        {"elu", elu_of},   {"softplus", softplus_of}, {OP_SWISH, swish_of},
  };
  for (size_t i = 0; act.formula && i < sizeof known / sizeof *known; i++)
    if (!strcmp(act.formula, known[i].formula)) return known[i].of(x, act.numbers);
  return act.formula ? NAN : x;
}

enum { ONE = 1, OTHER = 2, BOTH = 3, RESULT = OP_RESULT };

EACH(add, clg_add(x, o), x + o, .least = 2, .linear = true)
EACH(sub, clg_sub(x, o), x - o, .least = 2, .linear = true)
EACH(mul, clg_mul(x, o), x *o, .least = 2, .reads = OTHER)
EACH(div, clg_div(x, o), x / o, .least = 2, .reads = OTHER)
EACH(maximum, clg_maximum(x, o), fmax(x, o), .least = 2, .reads = BOTH, .linear = true)
EACH(minimum, clg_minimum(x, o), fmin(x, o), .least = 2, .reads = BOTH, .linear = true)
EACH(add_scalar, clg_add_scalar(x, a->scalar), x + a->scalar, .linear = true, .all = true)
EACH(mul_scalar, clg_mul_scalar(x, a->scalar), x * a->scalar, .linear = true, .all = true)
EACH(pow, clg_pow_scalar(x, a->exponent), pow(x, a->exponent), .reads = ONE)
EACH(neg, clg_neg(x), -x, .linear = true, .all = true)
EACH(abs, clg_abs(x), fabs(x), .reads = ONE, .linear = true, .all = true)
EACH(exp, clg_exp(x), exp(x), .reads = RESULT, .all = true)
EACH(log, clg_log(x), log(x), .reads = ONE)
EACH(sqrt, clg_sqrt(x), sqrt(x), .reads = RESULT)
EACH(rsqrt, clg_rsqrt(x), 1 / sqrt(x), .reads = RESULT)
EACH(square, clg_square(x), x *x, .reads = ONE, .all = true)
EACH(sin, clg_sin(x), sin(x), .reads = ONE, .all = true)
EACH(cos, clg_cos(x), cos(x), .reads = ONE, .all = true)
EACH(tanh, clg_tanh(x), tanh(x), .reads = RESULT, .all = true)
EACH(sigmoid, clg_sigmoid(x), sigma(x), .reads = RESULT, .all = true)
EACH(relu, clg_relu(x), fmax(x, 0), .reads = RESULT, .linear = true, .all = true)
EACH(leaky_relu, clg_leaky_relu(x, a->slope), x > 0 ? x : a->slope * x, .reads = RESULT, .linear = true, .all = true)
EACH(gelu, clg_gelu(x), x *normal_below(x), .reads = ONE, .all = true)
EACH(silu, clg_silu(x), x / (1 + exp(-x)), .reads = ONE, .all = true)
EACH(mish, clg_mish(x), x *tanh(soft(x)), .reads = ONE, .all = true)
EACH(softplus, clg_softplus(x, a->beta, a->threshold), a->beta *x > a->threshold ? x : soft(a->beta * x) / a->beta,
     .reads = ONE, .all = true)
EACH(clamp, clg_clamp(x, a->low, a->high), fmin(fmax(x, a->low), a->high), .reads = ONE, .linear = true, .all = true)
EACH(clamp_min, clg_clamp_min(x, a->low), fmax(x, a->low), .reads = ONE, .linear = true, .all = true)
EACH(clamp_max, clg_clamp_max(x, a->high), fmin(x, a->high), .reads = ONE, .linear = true, .all = true)
EACH(log1p, clg_log1p(x), log1p(x), .reads = ONE)
EACH(expm1, clg_expm1(x), expm1(x), .reads = ONE, .all = true)
EACH(erf, clg_erf(x), erf(x), .reads = ONE, .all = true)
EACH(reciprocal, clg_reciprocal(x), 1 / x, .reads = RESULT)
EACH(sign, clg_sign(x), (x > 0) - (x < 0), .linear = true, .all = true)
EACH(floor, clg_floor(x), floor(x), .linear = true, .all = true)
EACH(gelu_tanh, clg_gelu_tanh(x), 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x))), .reads = ONE,
     .all = true)
EACH(elu, clg_elu(x, a->alpha), x > 0 ? x : a->alpha * (exp(x) - 1), .reads = ONE, .all = true)
EACH(pow_tensor, clg_pow(x, o), pow(x, o), .least = 2, .reads = BOTH)
EACH(scalar_pow, clg_scalar_pow(a->base, x), pow(a->base, x), .reads = RESULT, .all = true)
EACH(where, clg_where(x, o, c->in[2]), x != 0 ? o : in[2], .least = 3, .mask = ONE, .fixed = ONE, .linear = true,
     .reads = ONE)
EACH(activate, clg_activate(x, a->act), op_activation(a->act, x), .reads = ONE)
EACH(map,
     clg_map(c->ctx, "u1*sigmoid(k*u1) - u0/(1 + u1*u1)",
             (clg_map_input[]){{"u1", x, 0}, {"k", NULL, 1.7f}, {"u0", o, 0}}, 3),
     x / (1 + exp(-1.7f * x)) - o / (1 + x * x), .least = 2, .reads = BOTH)

#define CONDITION .least = 2, .mask = BOTH, .detached = true
EACH(eq, clg_eq(x, o), x == o, CONDITION)
EACH(ne, clg_ne(x, o), x != o, CONDITION)
EACH(lt, clg_lt(x, o), x < o, CONDITION)
EACH(le, clg_le(x, o), x <= o, CONDITION)
EACH(gt, clg_gt(x, o), x > o, CONDITION)
EACH(ge, clg_ge(x, o), x >= o, CONDITION)
EACH(logical_and, clg_logical_and(x, o), x &&o, CONDITION)
EACH(logical_or, clg_logical_or(x, o), x || o, CONDITION)
EACH(logical_xor, clg_logical_xor(x, o), !x != !o, CONDITION)
EACH(logical_not, clg_logical_not(x), !x, .mask = ONE, .detached = true)
EACH(to_int, clg_to_int(x), trunc(x), .detached = true)

/* A copy of x that no graph knows, which a formula changes. */
static clg_tensor *target;
static clg_tensor *target_of(clg_tensor *x) {
  clg_set_grad_mode(clg_tensor_context(x), false);
  return target = clg_mul_scalar(x, 1);
}
static clg_tensor *changed(clg_context *ctx, clg_status s) {
  clg_set_grad_mode(ctx, true);
  return s == CLG_OK ? target : NULL;
}
EACH(map_in_place, changed(c->ctx, clg_map_(target_of(x), "x*o + 1", (clg_map_input[]){{"o", o, 0}}, 1)), x *o + 1,
     .least = 2, .detached = true)

static void dropped(const op_attrs *a, const op_array *in, op_array *out) {
  *out = in[0];
  for (int64_t i = 0; i < array_count(out); i++)
    out->v[i] = a->evaluates ? in->v[i] : op_random_of_dropout(i) < a->p ? 0 : in->v[i] / (1 - (double)a->p);
}
OP(dropout, (clg_set_seed(c->ctx, OP_SEED, OP_POSITION), clg_dropout(x, a->p, !a->evaluates)), .whole = dropped,
   .linear = true)

/* ---- rows ---- */

#define FEW  S(3, 5)
#define SOME S(17)
/* Of equals, of less and greater, with NaN on either side and on both, of zeros of two signs. */
#define RELATED(equal, less, nan, zero)                                                                                \
  POINTS({{2, 2}, equal}, {{-INFINITY, INFINITY}, less}, {{NAN, 1}, nan}, {{1, NAN}, nan}, {{NAN, NAN}, nan},          \
         {{0, -0.0f}, zero})
/* Of a power: its values and gradients at 0 and infinity of both signs. Between those below 0 it has none. */
#define ROOTS(zero, d_zero, most, d_most)                                                                              \
  POINTS({{0}, zero, {d_zero}}, {{-0.0f}, zero, {d_zero}}, {{-INFINITY}, most, {d_most}},                              \
         {{INFINITY}, most, {d_most}}, {{-3e38f}, NAN, {NAN}})
static const op_case cases[] = {
    {&op_add, NULL, {FEW, FEW}, -1, 1},
    {&op_add, "a row", {FEW, S(5)}, -1, 1},
    {&op_sub, "a column", {FEW, S(3, 1)}, -1, 1},
    {&op_mul, "outer", {S(3, 1), S(1, 5)}, -1, 1},
    {&op_mul, "in four dimensions", {S(2, 1, 3, 2), S(1, 3, 1, 2)}, -1, 1},
    {&op_mul, "by one element", {FEW, SCALAR}, -1, 1},
    {&op_div, NULL, {FEW, FEW}, 0.5f, 2},
    {&op_div, "a row", {S(5), FEW}, 0.5f, 2},
    {&op_maximum, NULL, {FEW, FEW}, -1, 1, POINTS({{2, 2}, 2, {0.5f, 0.5f}}, {{NAN, 1}, NAN, {1, 0}})},
    {&op_minimum, "a row", {FEW, S(5)}, -1, 1, POINTS({{2, 2}, 2, {0.5f, 0.5f}}, {{1, NAN}, NAN, {0, 1}})},
    {&op_add_scalar, NULL, {FEW}, -1, 1, {.scalar = 3}},
    {&op_mul_scalar, NULL, {FEW}, -1, 1, {.scalar = -2}},
    {&op_pow, "3/2", {FEW}, 0.5f, 2, {.exponent = 1.5f}, ROOTS(0, 0, INFINITY, INFINITY)},
    {&op_pow, "2.5", {FEW}, 0.5f, 2, {.exponent = 2.5f}},
    {&op_pow, "0", {FEW}, 0.5f, 2, {.exponent = 0}, POINTS({{0}, 1, {0}})},
    {&op_pow, "2", {FEW}, -2, 2, {.exponent = 2}, POINTS({{0}, 0, {0}}, {{-INFINITY}, INFINITY, {-INFINITY}})},
    {&op_pow, "4", {FEW}, -2, 2, {.exponent = 4}, POINTS({{0}, 0, {0}}, {{-INFINITY}, INFINITY, {-INFINITY}})},
    {&op_pow, "-1", {FEW}, 0.5f, 2, {.exponent = -1}, POINTS({{-0.0f}, -INFINITY, {-INFINITY}}, {{-INFINITY}, 0, {0}})},
    {&op_pow, "-2", {FEW}, 0.5f, 2, {.exponent = -2}, POINTS({{-0.0f}, INFINITY, {INFINITY}}, {{-INFINITY}, 0, {0}})},
    {&op_pow, "1/2", {FEW}, 0.5f, 2, {.exponent = 0.5f}, ROOTS(0, INFINITY, INFINITY, 0)},
    {&op_pow, "3", {FEW}, -2, 2, {.exponent = 3}, POINTS({{0}, 0, {0}}, {{-INFINITY}, -INFINITY, {INFINITY}})},
    {&op_neg, NULL, {FEW}, -1, 1},
    {&op_abs, NULL, {FEW}, -1, 1, POINTS({{0}, 0, {0}})},
    {&op_exp, NULL, {FEW}, -1, 1},
    {&op_log, NULL, {FEW}, 0.5f, 2},
    {&op_sqrt, NULL, {FEW}, 0.5f, 2},
    {&op_rsqrt, NULL, {FEW}, 0.5f, 2},
    {&op_square, NULL, {FEW}, -1, 1},
    {&op_sin, NULL, {SOME}, -2, 2},
    {&op_cos, NULL, {SOME}, -2, 2},
    {&op_tanh, NULL, {FEW}, -2, 2},
    {&op_sigmoid, NULL, {FEW}, -2, 2},
    {&op_relu, NULL, {FEW}, -2, 2, POINTS({{0}, 0, {0}})},
    {&op_leaky_relu, NULL, {FEW}, -2, 2, {.slope = 0.2f}, POINTS({{0}, 0, {0.2f}})},
    {&op_leaky_relu, "of negative slope", {FEW}, -2, 2, {.slope = -0.5f}, POINTS({{0}, 0, {-0.5f}})},
    {&op_gelu, NULL, {FEW}, -2, 2},
    {&op_silu, NULL, {FEW}, -2, 2},
    {&op_mish, NULL, {FEW}, -2, 2},
    {&op_softplus, NULL, {FEW}, -2, 2, {.beta = 1, .threshold = 20}},
    {&op_softplus, "to its threshold", {FEW}, -2, 4, {.beta = 2, .threshold = 5}, POINTS({{2.6f}, 2.6f, {1}})},
    {&op_clamp, NULL, {FEW}, 0, 1, {.low = 0.25f, .high = 0.75f}, POINTS({{0.25f}, 0.25f, {1}}, {{0.75f}, 0.75f, {1}})},
    {&op_clamp_min, NULL, {FEW}, -1, 1, {.low = 0.1f}, POINTS({{0.1f}, 0.1f, {1}})},
    {&op_clamp_max, NULL, {FEW}, -1, 1, {.high = 0.1f}, POINTS({{0.1f}, 0.1f, {1}})},
    {&op_log1p, NULL, {FEW}, -0.5f, 2},
    {&op_expm1, NULL, {FEW}, -1, 1},
    {&op_erf, NULL, {FEW}, -1, 1},
    {&op_reciprocal, NULL, {FEW}, 0.5f, 2},
    {&op_sign, NULL, {FEW}, -1, 1, POINTS({{0}, 0, {0}})},
    {&op_floor, NULL, {FEW}, -1.2f, 1.6f, POINTS({{-1}, -1, {0}}, {{0}, 0, {0}}, {{1}, 1, {0}})},
    {&op_gelu_tanh, NULL, {FEW}, -2, 2},
    {&op_elu, NULL, {FEW}, -2, 2, {.alpha = 0.7f}, POINTS({{0}, 0, {0.7f}})},
    {&op_pow_tensor, NULL, {FEW, S(5)}, 0.5f, 2},
    {&op_scalar_pow, NULL, {FEW}, -2, 2, {.base = 2}},
    {&op_scalar_pow, "of 0", {FEW}, 0.5f, 2, {.base = 0},
     POINTS({{-1}, INFINITY, {-INFINITY}}, {{0}, 1, {0}}, {{2}, 0, {0}}, {{NAN}, NAN, {NAN}})},
    {&op_where, NULL, {S(5), FEW, S(3, 1)}, -1, 1, POINTS({{0, NAN, 2}, 2, {0, 0, 1}}, {{NAN, 3, 2}, 3, {0, 1, 0}})},
    {&op_activate, "none", {FEW}, -2, 2},
    {&op_activate, "softplus", {FEW}, -2, 2, {.act = {"softplus", {3, 20}}}},
    {&op_activate, "mish", {FEW}, -2, 2, {.act = {"mish", {0}}}},
    {&op_activate, "elu", {FEW}, 0.1f, 2, {.act = {"elu", {0.5f}}}},
    {&op_activate, "a formula", {FEW}, -2, 2, {.act = {OP_SWISH, {1.5f, 0.25f}}}},
    {&op_eq, NULL, {FEW, S(5)}, RELATED(1, 0, 0, 1)},
    {&op_ne, NULL, {FEW, S(5)}, RELATED(0, 1, 1, 0)},
    {&op_lt, NULL, {FEW, S(5)}, RELATED(0, 1, 0, 0)},
    {&op_le, NULL, {FEW, S(5)}, RELATED(1, 1, 0, 1)},
    {&op_gt, NULL, {FEW, S(5)}, RELATED(0, 0, 0, 0)},
    {&op_ge, NULL, {FEW, S(5)}, RELATED(1, 0, 0, 1)},
    {&op_logical_and, NULL, {FEW, S(5)}, POINTS({{NAN, 1}, 1}, {{NAN, 0}, 0})},
    {&op_logical_or, NULL, {FEW, S(5)}, POINTS({{0, NAN}, 1}, {{-0.0f, 0}, 0})},
    {&op_logical_xor, NULL, {FEW, S(5)}, POINTS({{0, NAN}, 1}, {{NAN, NAN}, 0})},
    {&op_logical_not, NULL, {FEW}, POINTS({{NAN}, 0}, {{-0.0f}, 1})},
    {&op_to_int, NULL, {FEW}, -3, 3, POINTS({{NAN}, 0}, {{INFINITY}, INT32_MAX}, {{-3e9f}, INT32_MIN})},
    {&op_map, NULL, {FEW, S(5)}, -1, 1},
    {&op_map_in_place, NULL, {FEW, S(5)}, -1, 1},
    {&op_dropout, NULL, {FEW}, -1, 1, {.p = 0.4f}},
    {&op_dropout, "where half a number ties, and is kept", {FEW}, -1, 1, {.p = 0xCE33p-17f}},
    {&op_dropout, "where half a number ties, and is dropped", {FEW}, -1, 1, {.p = 0xFE8Dp-17f}},
    {&op_dropout, "of more elements than numbers come at once", {S(3, 131)}, -1, 1, {.p = 0.25f}},
    {&op_dropout, "in evaluation", {FEW}, -1, 1, {.p = 0.4f, .evaluates = true}},
};
const op_list elementwise_cases = OP_LIST(cases);
