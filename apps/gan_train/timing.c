/* Medians, spreads and a test of paired times. */
#include "timing.h"
#include <math.h>
#include <stdlib.h>

/* With fewer blocks no order of signs has a probability below TIMING_P: 2/2^8 is the first. */
#define FEWEST_BLOCKS 8

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Between the two neighbours of rank q*(n - 1). */
static double quantile(const double *sorted, size_t n, double q) {
  double at = q * (double)(n - 1);
  size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
  return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

spread spread_of(double *values, size_t n) {
  if (!n) return (spread){0};
  qsort(values, n, sizeof *values, by_value);
  return (spread){.median = quantile(values, n, 0.5),
                  .min = values[0],
                  .p90 = values[(n * 9 + 9) / 10 - 1],
                  .low = quantile(values, n, 0.25),
                  .high = quantile(values, n, 0.75)};
}

static int by_size(const void *a, const void *b) {
  double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
  return (x > y) - (x < y);
}

/* Twice the rank of each size, so that shared ranks are whole numbers. */
static void double_ranks(const double *sorted, size_t n, int *ranks) {
  for (size_t i = 0; i < n;) {
    size_t end = i;
    while (end < n && fabs(sorted[end]) <= fabs(sorted[i])) end++;
    for (size_t k = i; k < end; k++) ranks[k] = (int)(i + 1 + end);
    i = end;
  }
}

double signed_rank_p(const double *a, const double *b, size_t n) {
  double differences[TIMING_BLOCKS], ways[TIMING_BLOCKS * (TIMING_BLOCKS + 1) + 1] = {1};
  int ranks[TIMING_BLOCKS], total = 0, positive = 0;
  size_t m = 0;
  for (size_t i = 0; i < n; i++)
    if (a[i] < b[i] || a[i] > b[i]) differences[m++] = a[i] - b[i];
  qsort(differences, m, sizeof *differences, by_size);
  double_ranks(differences, m, ranks);
  /* ways[s]: how many of all choices of signs give the positive ones the sum s. */
  for (size_t i = 0; i < m; i++) {
    for (int s = total; s >= 0; s--) ways[s + ranks[i]] += ways[s];
    total += ranks[i];
    if (differences[i] > 0) positive += ranks[i];
  }
  int lesser = positive < total - positive ? positive : total - positive;
  double tail = 0;
  for (int s = 0; s <= lesser; s++) tail += ways[s];
  return fmin(1, 2 * ldexp(tail, -(int)m));
}

void timing_judge(timing *t, double floor) {
  double ratios[TIMING_BLOCKS];
  size_t n = (size_t)t->blocks;
  for (size_t i = 0; i < n; i++) ratios[i] = t->ms[i] / t->beside[i];
  t->ratio = spread_of(ratios, n).median;
  t->p = signed_rank_p(t->ms, t->beside, n);
  if (n < FEWEST_BLOCKS)
    t->verdict = n ? VERDICT_FEW : VERDICT_NONE;
  else if (t->p >= TIMING_P || fabs(log(t->ratio)) <= fabs(log(floor)))
    t->verdict = VERDICT_SAME;
  else
    t->verdict = t->ratio < 1 ? VERDICT_FASTER : VERDICT_SLOWER;
}

const char *verdict_name(verdict v) {
  static const char *const names[] = {"not timed", "too few blocks to tell", "no measurable difference", "faster",
                                      "slower"};
  return names[v];
}
