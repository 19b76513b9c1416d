/* Reductions, and softmax. */
#include "op_table.h"
#include <math.h>

static double total(const op_attrs *a, const double *x, int n) {
  double sum = 0;
  (void)a;
  for (int i = 0; i < n; i++) sum += x[i];
  return sum;
}
static double average(const op_attrs *a, const double *x, int n) { return total(a, x, n) / n; }
static double greatest(const op_attrs *a, const double *x, int n) {
  double most = x[0];
  (void)a;
  for (int i = 1; i < n; i++) most = fmax(most, x[i]);
  return most;
}
static double least(const op_attrs *a, const double *x, int n) {
  double least = x[0];
  (void)a;
  for (int i = 1; i < n; i++) least = fmin(least, x[i]);
  return least;
}
static double variance(const op_attrs *a, const double *x, int n) {
  double mean = average(a, x, n), sum = 0;
  for (int i = 0; i < n; i++) sum += pow(x[i] - mean, 2);
  return sum / (a->unbiased ? n - 1 : n);
}
static double deviation(const op_attrs *a, const double *x, int n) { return sqrt(variance(a, x, n)); }
static double log_of_exponentials(const op_attrs *a, const double *x, int n) {
  double sum = 0;
  (void)a;
  for (int i = 0; i < n; i++) sum += exp(x[i]);
  return log(sum);
}
static double norm(const op_attrs *a, const double *x, int n) {
  double sum = 0, most = 0;
  for (int i = 0; i < n; i++) sum += pow(fabs(x[i]), a->order), most = fmax(most, fabs(x[i]));
  return isinf(a->order) ? most : pow(sum, 1.0 / a->order);
}
static double place_of_greatest(const op_attrs *a, const double *x, int n) {
  int at = 0;
  (void)a;
  for (int i = 1; i < n; i++)
    if (x[i] > x[at]) at = i;
  return at;
}
static double place_of_least(const op_attrs *a, const double *x, int n) {
  int at = 0;
  (void)a;
  for (int i = 1; i < n; i++)
    if (x[i] < x[at]) at = i;
  return at;
}

static void both(double (*value)(const op_attrs *, const double *, int),
                 double (*place)(const op_attrs *, const double *, int), const op_attrs *a, const op_array *in,
                 op_array *out) {
  const op values = {.over = value}, places = {.over = place};
  op_array one[OP_FURTHER + 1];
  op_define(&places, a, in, one);
  op_define(&values, a, in, out);
  out[1] = one[0];
}
static void greatest_and_place(const op_attrs *a, const op_array *in, op_array *out) {
  both(greatest, place_of_greatest, a, in, out);
}
static void least_and_place(const op_attrs *a, const op_array *in, op_array *out) {
  both(least, place_of_least, a, in, out);
}

/* exp(x)/sum(exp(x)) along a dimension, or its logarithm. */
static void softmaxes(const op_attrs *a, const op_array *x, op_array *y, bool logarithm) {
  *y = *x;
  int dim = (a->dim[0] + x->ndim) % x->ndim;
  for (int64_t i = 0; i < array_count(x); i++) {
    int64_t index[OP_DIMS];
    double sum = 0;
    array_unravel(x, i, index);
    for (index[dim] = 0; index[dim] < x->dim[dim]; index[dim]++) sum += exp(array_get(x, index));
    y->v[i] = logarithm ? x->v[i] - log(sum) : exp(x->v[i]) / sum;
  }
}
static void softmax_of(const op_attrs *a, const op_array *in, op_array *out) { softmaxes(a, in, out, false); }
static void log_softmax_of(const op_attrs *a, const op_array *in, op_array *out) { softmaxes(a, in, out, true); }

enum { X = 1, RESULT = OP_RESULT };
#define DIMS a->dim, a->dims, a->keepdim
OP(sum, clg_sum(x, DIMS), .over = total, .linear = true, .sums = true)
OP(mean, clg_mean(x, DIMS), .over = average, .linear = true, .sums = true)
OP(amax, clg_amax(x, DIMS), .over = greatest, .linear = true, .sums = true, .ranks = true, .reads = X)
OP(amin, clg_amin(x, DIMS), .over = least, .linear = true, .sums = true, .ranks = true, .reads = X)
OP(var, clg_var(x, a->dim, a->dims, a->unbiased, a->keepdim), .over = variance, .sums = true, .reads = X)
OP(std, clg_std(x, a->dim, a->dims, a->unbiased, a->keepdim), .over = deviation, .sums = true, .reads = X | RESULT)
OP(logsumexp, clg_logsumexp(x, DIMS), .over = log_of_exponentials, .sums = true, .reads = X)
OP(norm, clg_norm(x, a->order, DIMS), .over = norm, .sums = true, .reads = X)
OP(max_dim, clg_max(x, a->dim[0], a->keepdim, &c->further[0]), .whole = greatest_and_place, .further = {"indices"},
   .linear = true, .sums = true, .ranks = true)
OP(min_dim, clg_min(x, a->dim[0], a->keepdim, &c->further[0]), .whole = least_and_place, .further = {"indices"},
   .linear = true, .sums = true, .ranks = true)
OP(argmax, clg_argmax(x, a->dim[0], a->keepdim), .over = place_of_greatest, .detached = true, .sums = true)
OP(argmin, clg_argmin(x, a->dim[0], a->keepdim), .over = place_of_least, .detached = true, .sums = true)
OP(softmax, clg_softmax(x, a->dim[0]), .whole = softmax_of, .sums = true, .reads = RESULT)
OP(log_softmax, clg_log_softmax(x, a->dim[0]), .whole = log_softmax_of, .sums = true, .reads = RESULT)

/* ---- rows ---- */

#define OVER(...) .dims = (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), .dim = {__VA_ARGS__}
#define ALONG(d)  .dims = 1, .dim = {d}
static const op_case cases[] = {
    {&op_sum, NULL, {S(3, 5, 7)}, -1, 1, {OVER(-1)}},
    {&op_sum, "over the first dimension", {S(3, 5, 19)}, -1, 1, {OVER(0), .keepdim = true}},
    {&op_sum, "of all", {S(3, 5, 7)}, -1, 1, {0}},
    {&op_mean, NULL, {S(3, 5, 7)}, -1, 1, {OVER(0, 1)}},
    {&op_mean, "in the middle", {S(3, 5, 7)}, -1, 1, {OVER(1), .keepdim = true}},
    {&op_amax, NULL, {S(3, 33)}, -1, 1, {OVER(-1)}, POINTS({{NAN}, NAN, {1}})},
    {&op_amax, "of all", {S(3, 5)}, -1, 1, {.keepdim = true}},
    {&op_amin, NULL, {S(3, 9)}, -1, 1, {OVER(-1)}, POINTS({{NAN}, NAN, {1}})},
    {&op_var, NULL, {S(3, 5, 3)}, -1, 1, {OVER(1), .unbiased = true}},
    {&op_var, "of all", {S(3, 5)}, -1, 1, {.keepdim = true}},
    {&op_std, NULL, {S(3, 5)}, -1, 1, {OVER(1), .unbiased = true}},
    {&op_std, "of all", {S(3, 5)}, -1, 1, {.keepdim = true}, POINTS({{2}, 0, {0}})},
    {&op_logsumexp, NULL, {S(3, 5, 2)}, -2, 2, {OVER(1)}, .set = {{0, 3, 200}}, .n_set = 1},
    {&op_logsumexp,
     "of all",
     {S(3, 5)},
     -2,
     2,
     {OVER(0, -1), .keepdim = true},
     POINTS({{INFINITY}, INFINITY, {NAN}}, {{-INFINITY}, -INFINITY, {NAN}})},
    {&op_norm, NULL, {S(3, 5)}, 0.3f, 1, {.order = 2, OVER(-1), .keepdim = true}, POINTS({{0}, 0, {0}})},
    {&op_norm, "of order 1", {S(3, 5)}, 0.3f, 1, {.order = 1}, POINTS({{0}, 0, {0}})},
    {&op_norm, "of order 3", {S(5, 3)}, 0.3f, 1, {.order = 3, OVER(0)}, POINTS({{0}, 0, {0}})},
    {&op_norm, "of order inf", {S(3, 5)}, 1, 9, {.order = INFINITY, OVER(1)}, POINTS({{0}, 0, {0}})},
    {&op_max_dim, NULL, {S(3, 5, 2)}, -2, 2, {ALONG(1)}},
    {&op_min_dim, NULL, {S(5, 3)}, -2, 2, {ALONG(0), .keepdim = true}},
    {&op_argmax, NULL, {S(3, 5)}, -2, 2, {ALONG(1)}},
    {&op_argmin, NULL, {S(3, 5, 2)}, -2, 2, {ALONG(0)}},
    {&op_softmax, NULL, {S(3, 19)}, -1, 1, {ALONG(-1)}},
    {&op_softmax, "in the middle", {S(2, 5, 3)}, -1, 1, {ALONG(1)}},
    {&op_log_softmax, NULL, {S(3, 19)}, -1, 1, {ALONG(-1)}},
    {&op_log_softmax, "over the first", {S(3, 18)}, -1, 1, {ALONG(0)}},
};
const op_list reduction_cases = OP_LIST(cases);
