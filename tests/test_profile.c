/* Launches, waits and kernel times by phase. */
#include "context.h"
#include "harness.h"
#include "phased_training.h"
#include <stdio.h>

enum { MOST = 400 };
static clg_phase_time phases[MOST], planned[MOST];
static clg_kernel_time kernels[MOST];

static clg_context *open_with(bool profile, clg_log_fn log) {
  clg_context *ctx = NULL;
  clg_context_options o = clg_context_defaults();
  o.profile = profile;
  o.log = log;
  ck_assert_int_eq(clg_context_create(&ctx, &o), CLG_OK);
  return ctx;
}

/* Products that are large enough for CLBlast where it serves. */
static void train(clg_context *ctx) {
  train_in_phases(ctx, 128, 96, 64, 2);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
}

static size_t read_phases(clg_context *ctx, clg_phase_time *rows) {
  size_t n = clg_profile_phases(ctx, rows, MOST);
  ck_assert_uint_le(n, MOST);
  return n;
}

static void sums_are_the_counters(clg_context *ctx) {
  clg_counters c = clg_context_counters(ctx);
  uint64_t launches = 0, waits = 0;
  size_t n = read_phases(ctx, phases);
  for (size_t i = 0; i < n; i++) launches += phases[i].launches, waits += phases[i].waits;
  ck_assert_uint_eq(launches, c.launches);
  ck_assert_uint_eq(waits, c.waits);
}

START_TEST(a_plan_counts_what_a_device_does) {
  clg_context *ctx = open_with(false, NULL), *plan = NULL;
  clg_plan_options o = clg_plan_defaults();
  o.like = ctx;
  ck_assert_int_eq(clg_context_create_plan(&plan, &o), CLG_OK);
  train(ctx);
  train(plan);
  sums_are_the_counters(plan);
  sums_are_the_counters(ctx);
  size_t n = read_phases(ctx, phases);
  ck_assert_uint_eq(n, 4);
  ck_assert_uint_eq(read_phases(plan, planned), n);
  for (size_t i = 0; i < n; i++) {
    ck_assert_str_eq(phases[i].phase, planned[i].phase);
    ck_assert_uint_eq(phases[i].launches, planned[i].launches);
    ck_assert_uint_eq(phases[i].waits, planned[i].waits);
    ck_assert_uint_eq(phases[i].nanoseconds, 0);
  }
  ck_assert(!clg_profiles(ctx) && !clg_profiles(plan));
  ck_assert_uint_eq(clg_profile_kernels(ctx, kernels, MOST), 0);
  test_context_close(&plan);
  test_context_close(&ctx);
}
END_TEST

START_TEST(kernels_add_up_to_their_phases) {
  clg_context *ctx = open_with(true, NULL);
  ck_assert(clg_profiles(ctx));
  train(ctx);
  sums_are_the_counters(ctx);
  size_t n = read_phases(ctx, phases), n_kernels = clg_profile_kernels(ctx, kernels, MOST);
  ck_assert_uint_gt(n_kernels, 5);
  ck_assert_uint_le(n_kernels, MOST);
  for (size_t i = 0; i < n; i++) {
    uint64_t launches = 0, nanoseconds = 0;
    for (size_t k = 0; k < n_kernels; k++) {
      if (strcmp(kernels[k].phase, phases[i].phase)) continue;
      launches += kernels[k].launches;
      nanoseconds += kernels[k].nanoseconds;
    }
    ck_assert_uint_eq(launches, phases[i].launches);
    ck_assert_uint_eq(nanoseconds, phases[i].nanoseconds);
    if (launches) ck_assert_uint_gt(nanoseconds, 0);
  }
  for (size_t i = 0; i < n_kernels; i++)
    for (size_t k = 0; k < i; k++)
      ck_assert(strcmp(kernels[i].phase, kernels[k].phase) || strcmp(kernels[i].file, kernels[k].file) ||
                strcmp(kernels[i].kernel, kernels[k].kernel));
  size_t few = clg_profile_kernels(ctx, kernels, 1);
  ck_assert_uint_eq(few, n_kernels);
  test_context_close(&ctx);
}
END_TEST

START_TEST(a_reset_counts_from_nothing) {
  clg_context *ctx = open_with(true, NULL);
  train(ctx);
  uint64_t launches = clg_context_counters(ctx).launches;
  ck_assert_int_eq(clg_profile_reset(ctx), CLG_OK);
  ck_assert_uint_eq(clg_profile_kernels(ctx, kernels, MOST), 0);
  size_t n = read_phases(ctx, phases);
  ck_assert_uint_gt(n, 0);
  for (size_t i = 0; i < n; i++) ck_assert(!phases[i].launches && !phases[i].waits && !phases[i].nanoseconds);
  ck_assert_uint_eq(clg_context_counters(ctx).launches, launches);
  train(ctx);
  read_phases(ctx, phases);
  uint64_t since = 0;
  for (size_t i = 0; i < n; i++) since += phases[i].launches;
  ck_assert_uint_eq(since, clg_context_counters(ctx).launches - launches);
  test_context_close(&ctx);
}
END_TEST

/* ---- the report at the context's end ---- */

static char lines[MOST][160];
static int n_lines;

static void on_log(void *user, const char *line) {
  (void)user;
  const char *end = strstr(line, ": ");
  if (!end || !strstr(line, " launches, ")) return;
  ck_assert_int_lt(n_lines, MOST);
  snprintf(lines[n_lines++], sizeof lines[0], "%.*s", (int)(end - line), line);
}

START_TEST(the_report_names_each_kernel_once) {
  clg_context *ctx = open_with(true, on_log);
  train(ctx);
  size_t n = clg_profile_kernels(ctx, kernels, MOST);
  static char names[MOST][160];
  size_t distinct = 0;
  for (size_t i = 0; i < n; i++) {
    char name[160];
    snprintf(name, sizeof name, "%s%s%s", kernels[i].file, *kernels[i].file ? " " : "", kernels[i].kernel);
    size_t k = 0;
    while (k < distinct && strcmp(names[k], name)) k++;
    if (k == distinct) strcpy(names[distinct++], name);
  }
  n_lines = 0;
  test_context_close(&ctx);
  ck_assert_uint_eq((size_t)n_lines, distinct);
  for (int i = 0; i < n_lines; i++) ck_assert_str_eq(lines[i], names[i]);
}
END_TEST

/* What CLBlast launches is timed as a whole. */
START_TEST(products_of_clblast_are_timed) {
  clg_context *ctx = open_with(true, NULL);
  clg_scope *s = clg_scope_open(ctx);
  clg_product_class c = {.m = clg_size_class(256), .n = clg_size_class(256), .k = clg_size_class(256)};
  bool clblast = clg_product_kernel_serves(ctx, CLG_PRODUCT_CLBLAST, &c);
  if (clblast) ck_assert_int_eq(clg_tuning_set(ctx, &c, CLG_PRODUCT_CLBLAST), CLG_OK);
  clg_tensor *x = clg_rand(ctx, 2, (int64_t[]){256, 256}, 0, 1);
  ck_assert_int_eq(clg_profile_reset(ctx), CLG_OK);
  ck_assert_ptr_nonnull(clg_matmul(x, x));
  clg_finish(ctx);
  size_t n = clg_profile_kernels(ctx, kernels, MOST);
  uint64_t launches = 0;
  bool found = false;
  for (size_t i = 0; i < n; i++) {
    launches += kernels[i].launches;
    if (strcmp(kernels[i].file, "CLBlast")) continue;
    ck_assert_str_eq(kernels[i].kernel, "Sgemm");
    ck_assert_uint_gt(kernels[i].nanoseconds, 1000);
    found = true;
  }
  ck_assert(found == clblast);
  read_phases(ctx, phases);
  ck_assert_uint_eq(launches, phases[0].launches);
  clg_scope_close(s);
  test_context_close(&ctx);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("profile");
  tcase_add_test(c, a_plan_counts_what_a_device_does);
  tcase_add_test(c, kernels_add_up_to_their_phases);
  tcase_add_test(c, a_reset_counts_from_nothing);
  tcase_add_test(c, the_report_names_each_kernel_once);
  tcase_add_test(c, products_of_clblast_are_timed);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("profile", add_cases)
