/* The ops of two tensors of test_sweep.c beside their definitions in double: the value, and the derivative by each. */
#ifndef CLG_TESTS_SWEEP_PAIRS_H
#define CLG_TESTS_SWEEP_PAIRS_H

#include "sweep_ops.h"

typedef struct binary {
  const char *name;
  clg_tensor *(*op)(clg_tensor *x, clg_tensor *o);
  double (*f[3])(double x, double o); /* the value and both derivatives */
  double (*term)(double x, double o);
  bool all;         /* infinity and NaN are defined too */
  bool probability; /* o is taken as 0, 1/2 and 1 alone */
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
OP2(mse, clg_squared_loss(x, o, EACH))
REF2(mse_v, (x - o) * (x - o))
REF2(mse_x, 2 * (x - o))
REF2(mse_o, -2 * (x - o))
OP2(l1, clg_l1_loss(x, o, EACH))
REF2(l1_v, fabs(x - o))
REF2(l1_x, (x > o) - (x < o))
REF2(l1_o, (x < o) - (x > o))

static const binary binaries[] = {
    {"add", two_add, {add_v, unit, unit}, larger, true, false},
    {"sub", two_sub, {sub_v, unit, minus_unit}, larger, true, false},
    {"mul", two_mul, {mul_v, other, first}, no_term, true, false},
    {"div", two_div, {div_v, div_x, div_o}, no_term, true, false},
    {"maximum", two_maximum, {maximum_v, maximum_x, maximum_o}, no_term, true, false},
    {"minimum", two_minimum, {minimum_v, minimum_x, minimum_o}, no_term, true, false},
    {"where", two_where, {where_v, where_x, where_o}, no_term, true, false},
    {"bce_with_logits", two_bce, {bce_v, bce_x, bce_o}, bce_term, false, true},
    {"mse_loss", two_mse, {mse_v, mse_x, mse_o}, no_term, false, false},
    {"l1_loss", two_l1, {l1_v, l1_x, l1_o}, no_term, false, false},
};
enum { BINARIES = sizeof binaries / sizeof *binaries };

#endif
