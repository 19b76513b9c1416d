/* Numbers of second order (hyper-dual numbers, Fike and Alonso 2011), in double: a definition that is written in them
 * gives the value, its derivatives along two directions a and b, and the mixed second derivative, without differences.
 */
#ifndef CLG_TESTS_HYPER_H
#define CLG_TESTS_HYPER_H

#include <math.h>

typedef struct hyper {
  double v, a, b, ab;
} hyper;

static inline hyper hyper_of(double v) { return (hyper){v, 0, 0, 0}; }
/* f(x) by f and its first two derivatives at x.v. Directions that x does not depend on stay 0, whatever f does there.
 */
static inline hyper hyper_apply(hyper x, double f, double f1, double f2) {
  return (hyper){f, x.a == 0 ? 0 : f1 * x.a, x.b == 0 ? 0 : f1 * x.b,
                 (x.ab == 0 ? 0 : f1 * x.ab) + (x.a == 0 || x.b == 0 ? 0 : f2 * x.a * x.b)};
}
static inline hyper hyper_add(hyper x, hyper y) { return (hyper){x.v + y.v, x.a + y.a, x.b + y.b, x.ab + y.ab}; }
static inline hyper hyper_scale(hyper x, double k) { return (hyper){x.v * k, x.a * k, x.b * k, x.ab * k}; }
static inline hyper hyper_sub(hyper x, hyper y) { return hyper_add(x, hyper_scale(y, -1)); }
static inline hyper hyper_mul(hyper x, hyper y) {
  return (hyper){x.v * y.v, x.a * y.v + x.v * y.a, x.b * y.v + x.v * y.b,
                 x.ab * y.v + x.a * y.b + x.b * y.a + x.v * y.ab};
}
static inline hyper hyper_pow(hyper x, double p) {
  return hyper_apply(x, pow(x.v, p), p * pow(x.v, p - 1), p * (p - 1) * pow(x.v, p - 2));
}
static inline hyper hyper_div(hyper x, hyper y) { return hyper_mul(x, hyper_pow(y, -1)); }
static inline hyper hyper_exp(hyper x) { return hyper_apply(x, exp(x.v), exp(x.v), exp(x.v)); }
static inline hyper hyper_log(hyper x) { return hyper_apply(x, log(x.v), 1 / x.v, -1 / (x.v * x.v)); }
static inline hyper hyper_abs(hyper x) {
  return hyper_apply(x, fabs(x.v), isnan(x.v) ? x.v : (x.v > 0) - (x.v < 0), 0);
}

#endif
