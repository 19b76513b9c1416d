/* Formulas and copies of views whose innermost strides are 1, -1, 0 or others, at widths around those of vectors, tiles
 * and pieces, against plain loops: to the last bit. */
#include "base/str.h"
#include "device/launch.h"
#include "harness.h"
#include "kernel/sources.h"
#include "shared_context.h"
#include <clgrad/clgrad.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...)     ((int64_t[]){__VA_ARGS__})
#define EACH(v, list) for (const int *v = list; *v; v++)

static const int widths[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 20, 33, 0};
/* Beyond what an item takes of tiles, or of rows. */
static const struct { int rows, columns; } large[] = {{130, 67}, {7, 300}, {257, 19}, {3, 2100}, {2100, 2}};

/* The numbers 0.25, 0.5 and so on, so that sums and products of some are exact. */
static clg_tensor *counted(int ndim, const int64_t *shape, float first) {
  int64_t n = 1;
  for (int d = 0; d < ndim; d++) n *= shape[d];
  float *v = malloc((size_t)n * sizeof *v);
  for (int64_t i = 0; i < n; i++) v[i] = first + 0.25f * (float)i;
  clg_tensor *t = clg_tensor_create(ctx, ndim, shape, v), *own = clg_mul_scalar(t, 1);
  clg_tensor_unref(&t);
  free(v);
  return own;
}
static float number(float first, int64_t i) { return first + 0.25f * (float)i; }

static float *host(const clg_tensor *t) {
  ck_assert_msg(t != NULL, "%s", clg_last_error(ctx));
  float *v = malloc((size_t)clg_tensor_numel(t) * sizeof *v);
  ck_assert_int_eq(clg_tensor_read(t, v), CLG_OK);
  return v;
}

static void check_sizes(void (*check)(int64_t rows, int64_t columns)) {
  EACH(rows, widths) EACH(columns, widths) check(*rows, *columns);
  for (size_t i = 0; i < sizeof large / sizeof *large; i++) check(large[i].rows, large[i].columns);
}

/* One input turned, one along, one a row's, one a column's; then the sum of gradients, which adds to what is there. */
static void check_turned(int64_t rows, int64_t columns) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = counted(2, DIMS(columns, rows), 1), *o = counted(2, DIMS(rows, columns), 2);
  clg_tensor *b = counted(1, DIMS(columns), 3), *c = counted(2, DIMS(rows, 1), 4);
  /* Names that kernels have for something else. */
  const clg_map_input in[] = {{"row", clg_transpose(x, 0, 1), 0}, {"lane", o, 0}, {"start", b, 0}, {"column", c, 0}};
  float *got = host(clg_map(ctx, "row*2 + lane - start + column", in, 4));
  for (int64_t i = 0; i < rows * columns; i++) {
    const int64_t r = i / columns, k = i % columns;
    const float want = number(1, k * rows + r) * 2 + number(2, i) - number(3, k) + number(4, r);
    ck_assert_msg(got[i] == want, "[%ld,%ld] turned: element %ld is %g, not %g", (long)rows, (long)columns, (long)i,
                  (double)got[i], (double)want);
  }
  free(got);
  clg_tensor_set_requires_grad(x = clg_detach(x), true);
  clg_backward_options up = clg_backward_defaults();
  up.grad = o;
  ck_assert_int_eq(
      clg_backward(clg_add(clg_transpose(x, 0, 1), clg_transpose(clg_exp(clg_mul_scalar(x, 0)), 0, 1)), &up), CLG_OK);
  got = host(clg_tensor_grad(x));
  for (int64_t i = 0; i < rows * columns; i++) ck_assert_float_eq(got[i], number(2, i % rows * columns + i / rows));
  free(got);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
START_TEST(turned_inputs) { check_sizes(check_turned); }
END_TEST

/* [2,rows,columns,3] with the last first, in which three dimensions stay apart; whole numbers as such, too. */
static void check_permuted(int64_t rows, int64_t columns) {
  clg_scope *s = clg_scope_open(ctx);
  const int64_t n = 2 * rows * columns * 3;
  int32_t *whole = malloc((size_t)n * sizeof *whole);
  for (int64_t i = 0; i < n; i++) whole[i] = (int32_t)(i * 7919);
  clg_tensor *x = counted(4, DIMS(2, rows, columns, 3), 1),
             *k = clg_tensor_create_i32(ctx, 4, DIMS(2, rows, columns, 3), whole);
  const int dims[] = {0, 3, 2, 1};
  float *got = host(clg_contiguous(clg_permute(x, dims, 4)));
  int32_t *got_whole = malloc((size_t)n * sizeof *whole);
  ck_assert_int_eq(clg_tensor_read_i32(clg_contiguous(clg_permute(k, dims, 4)), got_whole), CLG_OK);
  for (int64_t i = 0; i < n; i++) {
    const int64_t r = i % rows, c = i / rows % columns, l = i / rows / columns % 3, b = i / rows / columns / 3;
    const int64_t from = ((b * rows + r) * columns + c) * 3 + l;
    ck_assert_float_eq(got[i], number(1, from));
    ck_assert_int_eq(got_whole[i], whole[from]);
  }
  free(got), free(got_whole), free(whole);
  clg_tensor_unref(&k);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
START_TEST(permuted_inputs) { check_sizes(check_permuted); }
END_TEST

/* Backwards along one dimension, or both; of a part of each row, so that rows do not follow each other. */
static void check_flipped(int64_t rows, int64_t columns) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_narrow(counted(2, DIMS(rows, columns + 3), 1), 1, 2, columns);
  const int dims[] = {1, 0};
  for (int n = 1; n <= 2; n++) {
    float *got = host(clg_flip(x, dims, n));
    for (int64_t i = 0; i < rows * columns; i++) {
      const int64_t r = n == 2 ? rows - 1 - i / columns : i / columns;
      ck_assert_float_eq(got[i], number(1, r * (columns + 3) + 2 + columns - 1 - i % columns));
    }
    free(got);
  }
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
START_TEST(flipped_inputs) { check_sizes(check_flipped); }
END_TEST

/* A formula whose sine has a branch, which vectors of sixteen compute: the same bits along a view as of its copy. */
static void check_branches(int64_t rows, int64_t columns) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = counted(3, DIMS(rows, 2, columns), 1), *t = counted(2, DIMS(columns, rows), 1);
  clg_tensor *const views[] = {clg_narrow(x, 1, 1, 1), clg_transpose(t, 0, 1)};
  for (int i = 0; i < 2; i++) {
    float *got = host(clg_sin(views[i])), *want = host(clg_sin(clg_contiguous(views[i])));
    ck_assert_mem_eq(got, want, (size_t)(rows * columns) * sizeof *got);
    free(got), free(want);
  }
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
START_TEST(formulas_with_branches) { check_sizes(check_branches); }
END_TEST

/* Rows that lie apart, in two dimensions that do not join: sums and maxima of them have the bits of their copy's. */
static void check_reduced(int64_t rows, int64_t columns) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_mul_scalar(counted(4, DIMS(2, rows, 3, columns), 1), 1.0f / 3);
  clg_tensor *view = clg_transpose(x, 1, 2), *copy = clg_contiguous(view);
  const int last[] = {-1};
  clg_tensor *(*const reductions[])(clg_tensor *, const int *, int, bool) = {clg_sum, clg_mean, clg_amax};
  for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++) {
    float *got = host(reductions[i](view, last, 1, false)), *want = host(reductions[i](copy, last, 1, false));
    ck_assert_mem_eq(got, want, (size_t)(6 * rows) * sizeof *got);
    free(got), free(want);
  }
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
START_TEST(reduced_rows) { check_sizes(check_reduced); }
END_TEST

/* Columns beside others that are NaN, which the sums of narrow ones may read too. */
static void check_columns(int64_t rows, int64_t columns, int64_t before) {
  const int64_t wide = columns + 7;
  clg_scope *s = clg_scope_open(ctx);
  float *v = malloc((size_t)(rows * wide) * sizeof *v), *want = calloc((size_t)columns, sizeof *want);
  for (int64_t i = 0; i < rows * wide; i++) {
    const int64_t r = i / wide, k = i % wide - before;
    v[i] = k < 0 || k >= columns ? NAN : number(1, r * columns + k);
    if (k >= 0 && k < columns) want[k] += v[i];
  }
  clg_tensor *own = clg_tensor_create(ctx, 2, DIMS(rows, wide), v), *x = clg_narrow(own, 1, before, columns);
  clg_tensor *row = clg_narrow(x, 0, 0, 1), *same = clg_expand(row, 2, DIMS(rows, columns));
  const int down[] = {0};
  float *sum = host(clg_sum(x, down, 1, false)), *most = host(clg_amax(x, down, 1, false)),
        *equal = host(clg_sum(same, down, 1, false));
  for (int64_t k = 0; k < columns; k++) {
    ck_assert_msg(sum[k] == want[k], "[%ld,%ld] behind %ld: column %ld is %g, not %g", (long)rows, (long)columns,
                  (long)before, (long)k, (double)sum[k], (double)want[k]);
    ck_assert(most[k] == number(1, (rows - 1) * columns + k) && equal[k] == (float)rows * number(1, k));
  }
  free(v), free(want), free(sum), free(most), free(equal);
  clg_tensor_unref(&own);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
static void check_first_columns(int64_t rows, int64_t columns) { check_columns(rows, columns, 0); }
static void check_last_columns(int64_t rows, int64_t columns) { check_columns(rows, columns, 7); }
/* Of rows that vectors are read of, none reads behind the last element; one more would. */
START_TEST(rows_that_are_vectors) {
  enum { MOST = 24, N = 16 * MOST * MOST };
  if (clg_vector_width(ctx) != 16) return;
  clg_str source = {0};
  clg_str_add(&source, clg_source_find("reduce.clh")->text);
  clg_str_addf(&source,
               "__kernel void whole(__global int *y, const uint at) {\n"
               "  const int i = (int)get_global_id(0), most = %d;\n"
               "  y[at + i] = reduce_whole(i / 16 %% most, i %% 16 + 1, i / 16 / most + 1);\n"
               "}\n",
               MOST);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = clg_to_int(clg_zeros(ctx, 1, DIMS(N)));
  clg_program *p = clg_program_create(ctx, "whole.cl", source.data);
  ck_assert_msg(p && y, "%s", clg_last_error(ctx));
  const clg_kernel_arg args[] = {clg_arg_write(y)};
  static int32_t got[N];
  ck_assert_int_eq(clg_program_launch(p, "whole", (size_t[]){N, 1, 1}, NULL, args, 1), CLG_OK);
  ck_assert_int_eq(clg_tensor_read_i32(y, got), CLG_OK);
  for (int i = 0; i < N; i++) {
    const int len = i / 16 % MOST, width = i % 16 + 1, along = i / 16 / MOST + 1, size = (len - 1) * along + width;
    int want = 0;
    while (want < len && want * along + 16 <= size) want++;
    ck_assert_msg(got[i] == (width == 16 ? len : want), "%d of %d rows of %d, %d apart", got[i], len, width, along);
  }
  clg_program_unref(&p);
  clg_str_free(&source);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}
END_TEST
START_TEST(summed_columns) { check_sizes(check_first_columns), check_sizes(check_last_columns); }
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("strides");
  share_context(c);
  tcase_set_timeout(c, 0);
  tcase_add_test(c, turned_inputs);
  tcase_add_test(c, permuted_inputs);
  tcase_add_test(c, flipped_inputs);
  tcase_add_test(c, formulas_with_branches);
  tcase_add_test(c, reduced_rows);
  tcase_add_test(c, summed_columns);
  tcase_add_test(c, rows_that_are_vectors);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("strides", add_cases)
