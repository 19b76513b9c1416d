/* Adding by index, in the forms that kernels differ in: few rows and many, wide and narrow, more than an item holds the
 * sums of, long lists of one index, indices that no row has; beside sums in double. */
#include "device/program.h"
#include "op_check.h"
#include "undeclared.h"
#include <stdlib.h>

/* x [outer,n,inner], and m indices: a row each (index_select along 1), or one for each column (gather along 1). */
typedef struct index_case {
  const char *name;
  int64_t outer, n, inner, m;
  int distinct; /* indices are below it; more than n: some of no row */
  bool gathers;
} index_case;

static const index_case cases[] = {
    {"rows, each some times", 1, 30, 40, 500, 30, false},
    {"rows, most of them never", 1, 700, 17, 50, 700, false},
    {"rows of one column", 3, 100, 1, 70, 100, false},
    {"rows of seven columns, two of them often", 2, 9, 7, 400, 2, false},
    {"rows wider than an item goes through at a time", 1, 5, 1500, 70, 5, false},
    {"rows, some indices of none", 2, 30, 20, 100, 45, false},
    {"a short column each", 40, 100, 1, 16, 100, true},
    {"one of each row", 70, 10, 1, 1, 10, true},
    {"long columns", 2, 9000, 1, 3000, 9000, true},
    {"one long column", 1, 20000, 1, 9000, 20000, true},
    {"one long column, two places of it often", 1, 9000, 1, 700, 2, true},
    {"one of each column", 3, 9, 40, 1, 9, true},
    {"one of each column, some of none", 2, 9, 37, 1, 12, true},
    {"stripes", 3, 30, 37, 100, 30, true},
    {"stripes of few rows", 2, 5, 20, 10, 5, true},
    {"stripes of more rows than are held", 1, 1100, 17, 300, 1100, true},
    {"stripes of half the width", 1, 600, 20, 200, 600, true},
    {"stripes, some indices of none", 1, 20, 18, 50, 30, true},
};
enum { CASES = sizeof cases / sizeof *cases };

static int64_t places(const index_case *c) { return c->m * (c->gathers ? c->outer * c->inner : 1); }

/* As whole numbers that a kernel made, whose range nobody knows; -1 is among those of none. */
static clg_tensor *indices(const index_case *c, int32_t *at) {
  const int64_t count = places(c), dim[] = {c->outer, c->m, c->inner};
  float *v = malloc((size_t)count * sizeof *v);
  fill_random(v, (int)count, 0, (float)c->distinct);
  for (int64_t i = 0; i < count; i++) {
    at[i] = (int32_t)v[i] < c->distinct ? (int32_t)v[i] : 0;
    if (c->distinct > c->n && at[i] == c->n) at[i] = -1;
    v[i] = (float)at[i];
  }
  clg_tensor *t = clg_tensor_create(ctx, c->gathers ? 3 : 1, c->gathers ? dim : &count, v), *whole = clg_to_int(t);
  clg_tensor_unref(&t);
  free(v);
  return whole;
}

/* Twice what should be there, since a second backward adds to the first one's gradient. */
static double *expected(const index_case *c, const int32_t *at, const float *g) {
  double *sum = calloc((size_t)(c->outer * c->n * c->inner), sizeof *sum);
  for (int64_t o = 0; o < c->outer; o++)
    for (int64_t j = 0; j < c->m; j++)
      for (int64_t i = 0; i < c->inner; i++) {
        const int64_t from = (o * c->m + j) * c->inner + i;
        const int32_t k = c->gathers ? at[from] : at[j];
        if (k >= 0 && k < c->n) sum[(o * c->n + k) * c->inner + i] += 2 * (double)g[from];
      }
  return sum;
}

START_TEST(gradients_are_the_sums_of_what_was_read) {
  const index_case *c = &cases[_i];
  const int64_t shape[] = {c->outer, c->n, c->inner}, read[] = {c->outer, c->m, c->inner},
                n = c->outer * c->n * c->inner, m = c->outer * c->m * c->inner;
  int32_t *at = malloc((size_t)places(c) * sizeof *at);
  float *g = malloc((size_t)m * sizeof *g), *got = malloc((size_t)n * sizeof *got);
  random_state = 7;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_full(ctx, 3, shape, 1), *index = indices(c, at), *up = clg_full(ctx, 3, read, 0);
  fill_random(g, (int)m, 0.5f, 1.5f);
  ck_assert_int_eq(clg_tensor_write(up, g), CLG_OK);
  clg_tensor_set_requires_grad(x, true);
  clg_backward_options o = clg_backward_defaults();
  o.grad = up;
  for (int pass = 0; pass < 2; pass++) {
    clg_tensor *y = c->gathers ? clg_gather(x, 1, index) : clg_index_select(x, 1, index);
    ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  }
  read_all(clg_tensor_grad(x), got);
  double *want = expected(c, at, g);
  for (int64_t e = 0; e < n; e++)
    ck_assert_msg(fabs(got[e] - want[e]) <= 4e-7 * want[e], "%s: element %ld is %.9g, not %.9g", c->name, (long)e,
                  (double)got[e], want[e]);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  free(want), free(at), free(g), free(got);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("indices");
  share_context(c);
  tcase_set_timeout(c, 0);
  tcase_add_loop_test(c, gradients_are_the_sums_of_what_was_read, 0, CASES);
  tcase_add_test(c, what_kernels_call_is_declared);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("indices", add_cases)
