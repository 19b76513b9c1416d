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
/* a*b, which an a of 0 ends, whatever b is. */
static inline double hyper_part(double a, double b) { return a == 0 ? 0 : a * b; }
/* f(x) by f and its first two derivatives at x.v. Directions that x does not depend on stay 0, whatever f does there.
 */
static inline hyper hyper_apply(hyper x, double f, double f1, double f2) {
  return (hyper){f, hyper_part(x.a, f1), hyper_part(x.b, f1),
                 hyper_part(x.ab, f1) + hyper_part(x.a, hyper_part(x.b, f2))};
}
static inline hyper hyper_add(hyper x, hyper y) { return (hyper){x.v + y.v, x.a + y.a, x.b + y.b, x.ab + y.ab}; }
static inline hyper hyper_scale(hyper x, double k) { return (hyper){x.v * k, x.a * k, x.b * k, x.ab * k}; }
static inline hyper hyper_sub(hyper x, hyper y) { return hyper_add(x, hyper_scale(y, -1)); }
static inline hyper hyper_mul(hyper x, hyper y) {
  return (hyper){x.v * y.v, hyper_part(x.a, y.v) + hyper_part(y.a, x.v), hyper_part(x.b, y.v) + hyper_part(y.b, x.v),
                 hyper_part(x.ab, y.v) + hyper_part(x.a, y.b) + hyper_part(y.a, x.b) + hyper_part(y.ab, x.v)};
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
