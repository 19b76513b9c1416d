/* The elementwise ops of test_sweep.c beside their definitions in double: the value, the first and the second
 * derivative, each worked out by hand, with the limits at infinity. */
#ifndef CLG_TESTS_SWEEP_OPS_H
#define CLG_TESTS_SWEEP_OPS_H

#include <clgrad/clgrad.h>
#include <math.h>

#define INF  ((double)INFINITY)
#define NONE ((double)NAN)
#define PI   3.14159265358979323846

typedef double (*reference)(double x);
typedef struct unary {
  const char *name;
  clg_tensor *(*op)(clg_tensor *x);
  reference f[3];
  /* The greatest term of the definition where that is more than the result, for small x: what saturates has none. */
  double term;
  int low; /* exp leaves the range of normal numbers on the way: results there may be 0 */
} unary;

/* REF(name, expression): a reference of x. OP(name, call): an op of x. */
#define REF(name, ...)                                                                                                 \
  static double name(double x) {                                                                                       \
    (void)x;                                                                                                           \
    return __VA_ARGS__;                                                                                                \
  }
#define OP(name, call)                                                                                                 \
  static clg_tensor *op_##name(clg_tensor *x) { return call; }

static inline double sigma(double x) { return 1 / (1 + exp(-x)); }
static inline double bell(double x) { return exp(-x * x / 2) / sqrt(2 * PI); }
static inline double sech2(double x) { return 4 * exp(-2 * fabs(x)) / pow(1 + exp(-2 * fabs(x)), 2); }
/* a*b where an a of 0 ends all growth. */
static inline double times(double a, double b) { return a == 0 ? 0 : a * b; }

REF(nought, 0)
REF(one, 1)

OP(neg, clg_neg(x))
REF(neg_0, -x)
REF(minus_one, -1)
OP(abs, clg_abs(x))
REF(abs_0, fabs(x))
REF(sign_0, (x > 0) - (x < 0))
OP(sign, clg_sign(x))
OP(floor, clg_floor(x))
REF(floor_0, floor(x))
OP(add_scalar, clg_add_scalar(x, 3))
REF(add_scalar_0, x + 3)
OP(mul_scalar, clg_mul_scalar(x, -2))
REF(mul_scalar_0, -2 * x)
REF(minus_two, -2)
OP(square, clg_square(x))
REF(square_0, x *x)
REF(square_1, 2 * x)
REF(two, 2)
OP(exp, clg_exp(x))
REF(exp_0, exp(x))
OP(expm1, clg_expm1(x))
REF(expm1_0, expm1(x))
OP(log, clg_log(x))
REF(log_0, log(x))
REF(log_1, 1 / x)
REF(log_2, -1 / (x * x))
OP(log1p, clg_log1p(x))
REF(log1p_0, log1p(x))
REF(log1p_1, 1 / (1 + x))
REF(log1p_2, -1 / ((1 + x) * (1 + x)))
OP(sqrt, clg_sqrt(x))
REF(sqrt_0, sqrt(x))
REF(sqrt_1, 0.5 / sqrt(x))
REF(sqrt_2, -0.25 / (x * sqrt(x)))
OP(rsqrt, clg_rsqrt(x))
REF(rsqrt_0, 1 / sqrt(x))
REF(rsqrt_1, -0.5 / sqrt(x) / x)
REF(rsqrt_2, 0.75 / sqrt(x) / x / x)
OP(reciprocal, clg_reciprocal(x))
REF(reciprocal_1, -1 / (x * x))
REF(reciprocal_2, 2 / (x * x * x))
OP(sin, clg_sin(x))
REF(sin_0, sin(x))
REF(cos_0, cos(x))
REF(sin_2, -sin(x))
OP(cos, clg_cos(x))
REF(cos_2, -cos(x))
OP(tanh, clg_tanh(x))
REF(tanh_0, tanh(x))
REF(tanh_1, isnan(x) ? NONE : sech2(x))
REF(tanh_2, isnan(x) ? NONE : -2 * tanh(x) * sech2(x))
OP(erf, clg_erf(x))
REF(erf_0, erf(x))
REF(erf_1, 2 / sqrt(PI) * exp(-x * x))
REF(erf_2, isnan(x) ? NONE : times(-4 / sqrt(PI) * exp(-x * x), x))
OP(sigmoid, clg_sigmoid(x))
REF(sigmoid_1, sigma(x) * sigma(-x))
REF(sigmoid_2, sigma(x) * sigma(-x) * (sigma(-x) - sigma(x)))
OP(relu, clg_relu(x))
REF(relu_0, isnan(x) ? NONE : fmax(x, 0))
REF(relu_1, x <= 0 ? 0 : 1)
OP(leaky, clg_leaky_relu(x, 0.25f))
REF(leaky_0, x > 0 ? x : 0.25 * x)
REF(leaky_1, x > 0 ? 1 : 0.25)
OP(leaky_negative, clg_leaky_relu(x, -0.5f))
REF(leaky_negative_0, x > 0 ? x : -0.5 * x)
REF(leaky_negative_1, x > 0 ? 1 : -0.5)
OP(clamp, clg_clamp(x, -1, 12))
REF(clamp_0, x<-1 ? -1 : x> 12 ? 12 : x)
REF(clamp_1, x<-1 || x> 12 ? 0 : 1)
OP(elu, clg_elu(x, 0.5f))
REF(elu_0, x > 0 ? x : 0.5 * expm1(x))
REF(elu_1, x > 0 ? 1 : 0.5 * exp(x))
REF(elu_2, x > 0 ? 0 : 0.5 * exp(x))
OP(softplus, clg_softplus(x, 1, 20))
REF(softplus_0, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))
REF(softplus_1, sigma(x))

/* x*P(x) for a distribution P of density p: P + x*p, and 2*p + x*p'. */
#define WEIGHTED(name, P, p, slope)                                                                                    \
  REF(name##_0, isnan(x) ? NONE : times(P, x))                                                                         \
  REF(name##_1, isnan(x) ? NONE : (P) + times(p, x))                                                                   \
  REF(name##_2, isnan(x) ? NONE : 2 * (p) + times(slope, x))
OP(silu, clg_silu(x))
WEIGHTED(silu, sigma(x), sigmoid_1(x), sigmoid_2(x))
OP(gelu, clg_gelu(x))
WEIGHTED(gelu, 0.5 * erfc(-x / sqrt(2)), bell(x), times(-bell(x), x))
static inline double inner(double x) { return sqrt(2 / PI) * (x + 0.044715 * x * x * x); }
static inline double inner_1(double x) { return sqrt(2 / PI) * (1 + 3 * 0.044715 * x * x); }
static inline double inner_2(double x) { return sqrt(2 / PI) * 6 * 0.044715 * x; }
OP(gelu_tanh, clg_gelu_tanh(x))
WEIGHTED(gelu_tanh, sigma(2 * inner(x)), times(sech2(inner(x)), inner_1(x) / 2),
         times(sech2(inner(x)), inner_2(x) / 2) -
             times(times(sech2(inner(x)), tanh(inner(x)) * inner_1(x)), inner_1(x)))
OP(mish, clg_mish(x))
static inline double soft(double x) { return softplus_0(x); }
WEIGHTED(mish, tanh(soft(x)), sech2(soft(x)) * sigma(x),
         sech2(soft(x)) * (sigmoid_1(x) - 2 * tanh(soft(x)) * sigma(x) * sigma(x)))

/* Powers: the derivative by the base. */
#define POWER(name, p)                                                                                                 \
  OP(name, clg_pow_scalar(x, (float)(p)))                                                                              \
  REF(name##_0, pow(x, p))                                                                                             \
  REF(name##_1, (p) == 0 ? 0 : (p)*pow(x, (p)-1))                                                                      \
  REF(name##_2, (p) * ((p)-1) == 0 ? 0 : (p) * ((p)-1) * pow(x, (p)-2))
POWER(pow_0, 0)
POWER(pow_1, 1)
POWER(pow_2, 2)
POWER(pow_3, 3)
POWER(pow_half, 0.5)
POWER(pow_2half, 2.5)
POWER(pow_minus, -1)
OP(scalar_pow, clg_scalar_pow(2, x))
REF(scalar_pow_0, pow(2, x))
REF(scalar_pow_1, log(2) * pow(2, x))
REF(scalar_pow_2, log(2) * log(2) * pow(2, x))

/* Users' formulas in which something that saturates meets something that grows. */
static inline clg_tensor *user(clg_tensor *x, const char *text) {
  return clg_map(clg_tensor_context(x), text, (clg_map_input[]){{"x", x, 0}}, 1);
}
OP(user_tail, user(x, "x*(1 + tanh(x))"))
WEIGHTED(user_tail, 2 * sigma(2 * x), sech2(x), -2 * tanh(x) * sech2(x))
OP(user_erf, user(x, "x*(1 - erf(x))"))
WEIGHTED(user_erf, erfc(x), -erf_1(x), -erf_2(x))
OP(user_bump, user(x, "x*(1 - tanh(x)*tanh(x))"))
WEIGHTED(user_bump, sech2(x), -2 * tanh(x) * sech2(x), sech2(x) * (4 * tanh(x) * tanh(x) - 2 * sech2(x)))
OP(user_gauss, user(x, "exp(-x*x)"))
REF(user_gauss_0, exp(-x *x))
REF(user_gauss_1, isnan(x) ? NONE : times(-2 * exp(-x * x), x))
REF(user_gauss_2, isnan(x) ? NONE : times(times(4 * exp(-x * x), x), x) - 2 * exp(-x * x))
OP(user_nought, user(x, "x*0 + 0/x"))
REF(user_nought_0, x * 0 + 0 / x)
OP(user_max, user(x, "max(x, 1) + min(2*x, 3)"))
REF(user_max_0, isnan(x) ? NONE : fmax(x, 1) + fmin(2 * x, 3))
REF(user_max_1, isnan(x) ? 3 : (x > 1 ? 1 : x == 1 ? 0.5 : 0) + (x < 1.5 ? 2 : 0))

#define ROW(name, f, d, dd, term, low)                                                                                 \
  { #name, op_##name, {f, d, dd }, term, low }
#define ROW3(name, term, low) ROW(name, name##_0, name##_1, name##_2, term, low)
static const unary unaries[] = {
    ROW(neg, neg_0, minus_one, nought, 0, 0),
    ROW(abs, abs_0, sign_0, nought, 0, 0),
    ROW(sign, sign_0, nought, nought, 0, 0),
    ROW(floor, floor_0, nought, nought, 0, 0),
    ROW(add_scalar, add_scalar_0, one, nought, 0, 0),
    ROW(mul_scalar, mul_scalar_0, minus_two, nought, 0, 0),
    ROW(square, square_0, square_1, two, 0, 0),
    ROW(exp, exp_0, exp_0, exp_0, 0, 1),
    ROW(expm1, expm1_0, exp_0, exp_0, 1, 1),
    ROW3(log, 0, 0),
    ROW3(log1p, 0, 0),
    ROW3(sqrt, 0, 0),
    ROW3(rsqrt, 0, 0),
    ROW(reciprocal, log_1, reciprocal_1, reciprocal_2, 0, 0),
    ROW(sin, sin_0, cos_0, sin_2, 1, 0),
    ROW(cos, cos_0, sin_2, cos_2, 1, 0),
    ROW3(tanh, 1, 0),
    ROW3(erf, 1, 1),
    ROW(sigmoid, sigma, sigmoid_1, sigmoid_2, 1, 1),
    ROW(relu, relu_0, relu_1, nought, 0, 0),
    ROW(leaky, leaky_0, leaky_1, nought, 0, 0),
    ROW(leaky_negative, leaky_negative_0, leaky_negative_1, nought, 0, 0),
    ROW(clamp, clamp_0, clamp_1, nought, 0, 0),
    ROW3(elu, 1, 1),
    ROW(softplus, softplus_0, softplus_1, sigmoid_1, 1, 1),
    ROW3(silu, 1, 1),
    ROW3(gelu, 16, 1),
    ROW3(gelu_tanh, 16, 1),
    ROW3(mish, 16, 1),
    ROW3(pow_0, 0, 0),
    ROW3(pow_1, 0, 0),
    ROW3(pow_2, 0, 0),
    ROW3(pow_3, 0, 0),
    ROW3(pow_half, 0, 0),
    ROW3(pow_2half, 0, 0),
    ROW3(pow_minus, 0, 0),
    ROW3(scalar_pow, 0, 1),
    ROW3(user_tail, 16, 1),
    ROW3(user_erf, 16, 1),
    ROW3(user_bump, 16, 1),
    ROW3(user_gauss, 1, 1),
    ROW(user_nought, user_nought_0, nought, nought, 0, 0),
    ROW(user_max, user_max_0, user_max_1, nought, 0, 0),
};
enum { UNARIES = sizeof unaries / sizeof *unaries };

#endif
