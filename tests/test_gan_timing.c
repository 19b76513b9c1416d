/* The test that says whether two ways to train differ in time. */
#include "harness.h"
#include "timing.h"
#include <math.h>
#include <string.h>

enum { MOST = 15 };

/* Whether the p of differences d is `want`, whichever way round they are. */
static void expect_p(const double *d, size_t n, double want) {
  double a[MOST], b[MOST];
  for (size_t i = 0; i < n; i++) {
    a[i] = 100 + (d[i] > 0 ? d[i] : 0);
    b[i] = 100 - (d[i] < 0 ? d[i] : 0);
  }
  ck_assert_msg(fabs(signed_rank_p(a, b, n) - want) < 1e-12, "%.15g is not %.15g", signed_rank_p(a, b, n), want);
  ck_assert_msg(fabs(signed_rank_p(b, a, n) - want) < 1e-12, "%.15g is not %.15g", signed_rank_p(b, a, n), want);
}

/* What scipy.stats.wilcoxon's documentation has. */
START_TEST(p_is_scipys) {
  const double d[] = {6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75};
  expect_p(d, 15, 0.041259765625);
}
END_TEST

START_TEST(all_on_one_side_is_the_least_p) {
  const double d[] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (size_t n = 1; n <= 8; n++) expect_p(d, n, 2 / pow(2, (double)n));
}
END_TEST

START_TEST(no_difference_is_no_pair) {
  const double none[3] = {0}, some[] = {0, 1, 0, 2, 0, -3, 4};
  expect_p(none, 3, 1);
  expect_p(none, 0, 1);
  expect_p(some, 7, 0.625); /* 3 of 10: {}, {1}, {2}, {3}, {1,2}: 5 of 16 choices of signs, twice */
}
END_TEST

/* Shared ranks, against every choice of signs. */
START_TEST(ties_share_their_ranks) {
  const double d[] = {1, 1, -1, 2, 2, 3}, ranks[] = {2, 2, 2, 4.5, 4.5, 6}, lesser = 2;
  int extreme = 0;
  for (int signs = 0; signs < 64; signs++) {
    double negative = 0;
    for (int i = 0; i < 6; i++) negative += signs >> i & 1 ? ranks[i] : 0;
    extreme += negative <= lesser || 21 - negative <= lesser;
  }
  expect_p(d, 6, extreme / 64.0);
}
END_TEST

START_TEST(spreads_are_quantiles) {
  double values[] = {5, 1, 4, 2, 3}, two[] = {3, 1};
  spread s = spread_of(values, 5);
  ck_assert(s.median == 3 && s.min == 1 && s.low == 2 && s.high == 4 && s.p90 == 5);
  s = spread_of(two, 2);
  ck_assert(s.median == 2 && s.min == 1 && s.low == 1.5 && s.high == 2.5 && s.p90 == 3);
  s = spread_of(NULL, 0);
  ck_assert(s.median == 0 && s.high == 0);
}
END_TEST

/* n blocks of `ratio` times detach's time; those below `odd` the other way round. */
static verdict judged(int n, int odd, double ratio, double floor) {
  timing t = {.blocks = n, .block_steps = 1};
  for (int i = 0; i < n; i++) {
    t.beside[i] = 10 + i;
    t.ms[i] = i < odd ? t.beside[i] / ratio : t.beside[i] * ratio;
  }
  timing_judge(&t, floor);
  return t.verdict;
}

START_TEST(verdicts_are_the_tests) {
  ck_assert_int_eq(judged(20, 0, 1.2, 1), VERDICT_SLOWER);
  ck_assert_int_eq(judged(20, 0, 0.8, 1), VERDICT_FASTER);
  ck_assert_int_eq(judged(8, 0, 0.8, 1), VERDICT_FASTER);
  ck_assert_int_eq(judged(7, 0, 0.8, 1), VERDICT_FEW);
  ck_assert_int_eq(judged(0, 0, 0.8, 1), VERDICT_NONE);
  ck_assert_int_eq(judged(20, 9, 1.2, 1), VERDICT_SAME);     /* now so, now so */
  ck_assert_int_eq(judged(20, 0, 1.0, 1), VERDICT_SAME);     /* nothing at all */
  ck_assert_int_eq(judged(20, 0, 1.02, 1.03), VERDICT_SAME); /* less than detach beside itself */
  ck_assert_int_eq(judged(20, 0, 1.02, 0.96), VERDICT_SAME); /* whichever way that was */
  ck_assert_int_eq(judged(20, 0, 1.05, 0.96), VERDICT_SLOWER);
  ck_assert_str_eq(verdict_name(VERDICT_SAME), "no measurable difference");
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tc = tcase_create("timing");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, p_is_scipys);
  tcase_add_test(tc, all_on_one_side_is_the_least_p);
  tcase_add_test(tc, no_difference_is_no_pair);
  tcase_add_test(tc, ties_share_their_ranks);
  tcase_add_test(tc, spreads_are_quantiles);
  tcase_add_test(tc, verdicts_are_the_tests);
}

CHECK_MAIN("gan_timing", add_cases)
