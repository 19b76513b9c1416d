/* The ops of two tensors of test_sweep.c beside their definitions in double: the value, and the
 * first and second derivatives. */
#ifndef CLG_TESTS_SWEEP_PAIRS_H
#define CLG_TESTS_SWEEP_PAIRS_H

#include "sweep_ops.h"

typedef struct binary {
  const char *name;
  clg_tensor *(*op)(clg_tensor *x, clg_tensor *o);
  double (*f[6])(double x, double o); /* the value, by x, by o; by x twice, by both, by o twice */
  double (*term)(double x, double o);
  bool all;                               /* infinity and NaN are defined too */
  bool probability;                       /* o is taken as 0, 1/2 and 1 alone */
  bool (*out)(double x, double o, int k); /* f[k] passes through numbers that no float holds; NULL: never */
} binary;
#define REF2(name, ...)                                                                                                \
  static double name(double x, double o) {                                                                             \
    (void)x, (void)o;                                                                                                  \
    return __VA_ARGS__;                                                                                                \
  }
#define OP2(name, call)                                                                                                \
  static clg_tensor *two_##name(clg_tensor *x, clg_tensor *o) { return call; }
#define EACH (&(clg_loss_options){CLG_REDUCTION_NONE, NULL, NULL, 0, -100})

REF2(no_term, 0)
REF2(unit, 1)
REF2(minus_unit, -1)
OP2(add, clg_add(x, o))
REF2(add_v, x + o)
REF2(larger, fmax(fabs(x), fabs(o)))
OP2(sub, clg_sub(x, o))
REF2(sub_v, x - o)
OP2(mul, clg_mul(x, o))
REF2(mul_v, x *o)
REF2(first, x)
REF2(other, o)
OP2(div, clg_div(x, o))
REF2(div_v, x / o)
REF2(div_x, 1 / o)
REF2(div_o, -(x / o) / o)
OP2(maximum, clg_maximum(x, o))
REF2(maximum_v, isnan(x) || isnan(o) ? NONE : fmax(x, o))
REF2(maximum_x, isnan(o) ? 0 : isnan(x) || x > o ? 1 : x == o ? 0.5 : 0)
REF2(maximum_o, 1 - maximum_x(x, o))
OP2(minimum, clg_minimum(x, o))
REF2(minimum_v, isnan(x) || isnan(o) ? NONE : fmin(x, o))
REF2(minimum_x, isnan(o) ? 0 : isnan(x) || x < o ? 1 : x == o ? 0.5 : 0)
REF2(minimum_o, 1 - minimum_x(x, o))
OP2(where, clg_where(x, x, o))
REF2(where_v, x != 0 ? x : o)
REF2(where_x, x != 0)
REF2(where_o, x == 0)
/* logits and targets */
OP2(bce, clg_bce_with_logits_loss(x, o, EACH))
REF2(bce_v, fmax(x, 0) - x * o + log1p(exp(-fabs(x))))
REF2(bce_x, sigma(x) - o)
REF2(bce_o, -x)
REF2(bce_term, 1)
OP2(mse, clg_mse_loss(x, o, EACH))
REF2(mse_v, (x - o) * (x - o))
REF2(mse_x, 2 * (x - o))
REF2(mse_o, -2 * (x - o))
OP2(l1, clg_l1_loss(x, o, EACH))
REF2(l1_v, fabs(x - o))
REF2(l1_x, (x > o) - (x < o))
REF2(l1_o, (x < o) - (x > o))

/* x^o. By o there is a logarithm of x, of which a power of 0 has none left. */
OP2(pow, clg_pow(x, o))
REF2(pow_v, pow(x, o))
REF2(pow_x, o == 0 ? 0 : o * pow(x, o - 1))
REF2(pow_o, x == 0 && o >= 0 ? 0 : pow(x, o) * log(x))
REF2(pow_xx, o == 0 || o == 1 ? 0 : o * (o - 1) * pow(x, o - 2))
REF2(pow_xo, pow(x, o - 1) + (x == 0 && o >= 1 ? 0 : o * pow(x, o - 1) * log(x)))
REF2(pow_oo, x == 0 && o >= 0 ? 0 : pow(x, o) * log(x) * log(x))
static inline bool pow_out(double x, double o, int k) {
  if (k == 0) return false;
  if (!isfinite(x) || !isfinite(o)) return true;
  for (int less = 0; less <= (k > 2 ? 2 : 1); less++) {
    double p = fabs(pow(x, o - less));
    if (p != 0 && (p > 3.4e38 || p < 1.2e-38)) return true;
  }
  return (float)(o - 1) == (float)o || fabs(o) < 1e-30;
}
/* Quotients of quotients: each must be in range. */
static inline bool div_out(double x, double o, int k) {
  double step[] = {1 / o, x / o, 1 / o / o, x / o / o};
  if (k < 3) return false;
  for (int i = 0; i < 4; i++)
    if (step[i] != 0 && !(fabs(step[i]) < 3.4e38 && fabs(step[i]) > 1.2e-38)) return true;
  return false;
}
REF2(div_xo, -1 / o / o)
REF2(div_oo, 2 * (x / o) / o / o)
REF2(bce_xx, sigma(x) * sigma(-x))
REF2(plus_two, 2)
REF2(minus_two_each, -2)

static const binary binaries[] = {
    {"add", two_add, {add_v, unit, unit, no_term, no_term, no_term}, larger, true, false, NULL},
    {"sub", two_sub, {sub_v, unit, minus_unit, no_term, no_term, no_term}, larger, true, false, NULL},
    {"mul", two_mul, {mul_v, other, first, no_term, unit, no_term}, no_term, true, false, NULL},
    {"div", two_div, {div_v, div_x, div_o, no_term, div_xo, div_oo}, no_term, true, false, div_out},
    {"pow", two_pow, {pow_v, pow_x, pow_o, pow_xx, pow_xo, pow_oo}, no_term, true, false, pow_out},
    {"maximum", two_maximum, {maximum_v, maximum_x, maximum_o, no_term, no_term, no_term}, no_term, true, false, NULL},
    {"minimum", two_minimum, {minimum_v, minimum_x, minimum_o, no_term, no_term, no_term}, no_term, true, false, NULL},
    {"where", two_where, {where_v, where_x, where_o, no_term, no_term, no_term}, no_term, true, false, NULL},
    {"bce_with_logits", two_bce, {bce_v, bce_x, bce_o, bce_xx, minus_unit, no_term}, bce_term, false, true, NULL},
    {"mse_loss", two_mse, {mse_v, mse_x, mse_o, plus_two, minus_two_each, plus_two}, no_term, false, false, NULL},
    {"l1_loss", two_l1, {l1_v, l1_x, l1_o, no_term, no_term, no_term}, no_term, false, false, NULL},
};
enum { BINARIES = sizeof binaries / sizeof *binaries };

#endif
