/* Traces: that they are whole, say what the profile and the books say, and disturb nothing when they cannot be written.
 * The rules of the format are test_trace.py's. */
#include "context.h"
#include "harness.h"
#include "kept.h"
#include "phased_training.h"
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/clgrad-trace-XXXXXX", path[128], temporary[160];

static void make_folder(void) {
  strcpy(folder + sizeof folder - 7, "XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/trace.json", folder);
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
}

static void remove_folder(void) {
  remove(path);
  ck_assert_int_eq(rmdir(folder), 0); /* and nothing else was left in it */
}

static int n_lines;
static char line[512];
static void on_log(void *user, const char *text) {
  (void)user;
  if (!strstr(text, "trace")) return;
  n_lines++;
  snprintf(line, sizeof line, "%s", text);
}

static clg_context *open_with(bool profile) {
  clg_context *ctx = NULL;
  clg_context_options o = clg_context_defaults();
  o.profile = profile;
  o.log = on_log;
  ck_assert_int_eq(clg_context_create(&ctx, &o), CLG_OK);
  n_lines = 0;
  return ctx;
}

static void train(clg_context *ctx, int steps) { train_in_phases(ctx, 7, 20, 30, steps); }

/* ---- reading ---- */

static json_t *trace, *events;

static void read_trace(const char *from) {
  json_error_t error;
  trace = json_load_file(from, 0, &error);
  ck_assert_msg(trace, "%s:%d: %s", from, error.line, error.text);
  events = json_object_get(trace, "traceEvents");
  ck_assert(json_is_array(events));
}

static const char *text_of(const json_t *event, const char *name) {
  const char *text = json_string_value(json_object_get(event, name));
  return text ? text : "";
}

static const json_t *args_of(const json_t *event) { return json_object_get(event, "args"); }

static int count(const char *ph, const char *category, const char *name) {
  int n = 0;
  size_t i;
  json_t *e;
  json_array_foreach(events, i, e) {
    n += !strcmp(text_of(e, "ph"), ph) && (!category || !strcmp(text_of(e, "cat"), category)) &&
         (!name || !strcmp(text_of(e, "name"), name));
  }
  return n;
}

static json_int_t about(const char *name) {
  return json_integer_value(json_object_get(json_object_get(trace, "otherData"), name));
}

/* The kernels of the file are those of the profile, as often. */
static void kernels_are(const clg_kernel_time *rows, size_t n) {
  int found = 0;
  for (size_t k = 0; k < n; k++) {
    uint64_t launches = 0;
    size_t i;
    json_t *e;
    json_array_foreach(events, i, e) {
      launches += !strcmp(text_of(e, "ph"), "X") && !strcmp(text_of(e, "name"), rows[k].kernel) &&
                  !strcmp(text_of(args_of(e), "phase"), rows[k].phase) &&
                  !strcmp(text_of(args_of(e), "file"), rows[k].file);
    }
    found += (int)launches;
    if (strcmp(rows[k].file, "CLBlast")) ck_assert_uint_eq(launches, rows[k].launches);
    ck_assert_uint_gt(launches, 0);
  }
  ck_assert_int_eq(found, count("X", "kernel", NULL));
  ck_assert_int_eq(found, (int)about("kernels"));
  ck_assert_int_eq(found, (int)about("launches"));
}

/* The counters of memory end at `now`, and their largest sum is the peak. */
static void counters_are(const clg_memory_stats *now) {
  uint64_t peak = 0, last[CLG_ROLE_COUNT] = {0};
  size_t i;
  json_t *e;
  json_array_foreach(events, i, e) {
    if (strcmp(text_of(e, "ph"), "C")) continue;
    ck_assert_str_eq(text_of(e, "name"), "memory");
    uint64_t sum = 0;
    for (int r = 0; r < CLG_ROLE_COUNT; r++)
      sum += last[r] = (uint64_t)json_integer_value(json_object_get(args_of(e), clg_role_name((clg_role)r)));
    if (sum > peak) peak = sum;
  }
  ck_assert_uint_eq(peak, now->peak_live);
  ck_assert_mem_eq(last, now->live_by_role, sizeof last);
}

START_TEST(says_what_the_profile_and_the_books_say) {
  static clg_kernel_time kernels[200];
  clg_context *ctx = open_with(true);
  ck_assert(!clg_tracing(ctx));
  ck_assert_int_eq(clg_trace_start(ctx, path), CLG_OK);
  ck_assert(clg_tracing(ctx));
  train(ctx, 3);
  clg_finish(ctx);
  size_t n = clg_profile_kernels(ctx, kernels, 200);
  uint64_t waits = clg_context_counters(ctx).waits;
  ck_assert_int_eq(clg_trace_stop(ctx), CLG_OK);
  ck_assert(!clg_tracing(ctx));
  clg_memory_stats now = clg_memory(ctx);
  read_trace(path);
  kernels_are(kernels, n);
  counters_are(&now);
  ck_assert_int_eq(count("B", "phase", "backward"), 3);
  ck_assert_int_eq(count("B", "op", "mean"), 3);
  ck_assert_int_eq(count("B", "backward", "backward"), 3);
  ck_assert_int_eq(count("B", "node", "layer_norm"), 3);
  ck_assert_int_eq(count("B", "optimizer", "adam"), 3);
  ck_assert_int_eq(count("B", "wait", NULL), (int)waits); /* the one before it began, and the one that ended it */
  ck_assert_int_eq(count("B", NULL, NULL), count("E", NULL, NULL));
  ck_assert_int_gt(json_real_value(json_object_get(json_object_get(trace, "otherData"), "clock_error_us")) * 1000, 0);
  json_decref(trace);
  test_context_close(&ctx);
}
END_TEST

START_TEST(without_times_there_is_the_host) {
  clg_context *ctx = open_with(false), *plan = NULL;
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  for (int i = 0; i < 2; i++) {
    clg_context *c = i ? plan : ctx;
    ck_assert_int_eq(clg_trace_start(c, path), CLG_OK);
    train(c, 1);
    clg_memory_stats now = clg_memory(c);
    ck_assert_int_eq(clg_trace_stop(c), CLG_OK);
    read_trace(path);
    counters_are(&now);
    ck_assert_int_eq(count("B", "op", "mean"), 1);
    ck_assert_int_eq(count("X", NULL, NULL), 0);
    ck_assert_int_eq(count("s", NULL, NULL), 0);
    ck_assert_ptr_null(json_object_get(json_object_get(trace, "otherData"), "clock_error_us"));
    json_decref(trace);
  }
  test_context_close(&plan);
  test_context_close(&ctx);
}
END_TEST

static void not_now(void *user) {
  (void)user;
  ck_abort_msg("an idle callback while the context ends");
}

START_TEST(ends_with_its_context) {
  clg_context *ctx = open_with(true);
  ck_assert_int_eq(clg_trace_start(ctx, path), CLG_OK);
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){100}, 0, 1);
  ck_assert_int_ne(access(path, F_OK), 0);
  clg_set_idle(ctx, not_now, NULL);
  clg_context_unref(&ctx);
  read_trace(path);
  ck_assert_int_eq(count("X", "kernel", NULL), 1);
  json_decref(trace);
  clg_tensor_unref(&x); /* outlives the handle */
}
END_TEST

START_TEST(is_written_as_it_goes) {
  clg_context *ctx = open_with(true);
  ck_assert_int_eq(clg_trace_start(ctx, path), CLG_OK);
  train(ctx, 20);
  struct stat st;
  ck_assert_int_eq(stat(temporary, &st), 0);
  off_t before = st.st_size;
  ck_assert_int_gt(before, 64 << 10);
  train(ctx, 20);
  ck_assert_int_eq(stat(temporary, &st), 0);
  ck_assert_int_gt(st.st_size, before);
  ck_assert_int_eq(clg_trace_stop(ctx), CLG_OK);
  read_trace(path);
  json_decref(trace);
  test_context_close(&ctx);
}
END_TEST

static clg_tensor *starts(void *user, clg_tensor *grad) {
  (void)grad;
  ck_assert_int_eq(clg_trace_start(user, path), CLG_OK);
  return NULL;
}

/* What had begun before it ends in it, and what it ends with goes on behind it. */
START_TEST(may_begin_and_end_anywhere) {
  clg_context *ctx = open_with(true);
  clg_set_phase(ctx, "a \"phase\"\\ \xff\n");
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){3}, 0, 1);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = clg_exp(x);
  clg_tensor_add_hook(y, starts, ctx);
  ck_assert_int_eq(clg_backward(clg_sum(clg_square(y), NULL, 0, false), NULL), CLG_OK);
  ck_assert_int_eq(clg_trace_stop(ctx), CLG_OK);
  clg_scope_close(s);
  read_trace(path);
  ck_assert_int_eq(count("B", NULL, NULL), count("E", NULL, NULL));
  ck_assert_int_eq(count("B", "phase", "a \"phase\"\\ \\xFF\n"), 1);
  json_decref(trace);
  clg_set_phase(ctx, NULL);
  test_context_close(&ctx);
}
END_TEST

START_TEST(one_at_a_time) {
  clg_context *ctx = open_with(false);
  ck_assert_int_eq(clg_trace_stop(ctx), CLG_OK);
  ck_assert_int_eq(clg_trace_start(ctx, "/nowhere/at/all.json"), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "/nowhere/at/all.json");
  ck_assert_int_eq(clg_trace_start(ctx, NULL), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  ck_assert_int_eq(clg_trace_start(ctx, path), CLG_OK);
  ck_assert_int_eq(clg_trace_start(ctx, path), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "stop it first");
  ck_assert_int_eq(clg_trace_stop(ctx), CLG_OK);
  ck_assert_int_eq(clg_trace_start(ctx, path), CLG_OK);
  ck_assert_int_eq(clg_trace_stop(ctx), CLG_OK);
  ck_assert_int_eq(n_lines, 0);
  test_context_close(&ctx);
}
END_TEST

/* The disk is full halfway: one line, and the training knows nothing of it. */
START_TEST(a_full_disk_ends_the_trace_alone) {
  clg_context *ctx = open_with(true);
  train(ctx, 1); /* the driver's files are written */
  struct rlimit before, little;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_IGN);
  ck_assert_int_eq(clg_trace_start(ctx, path), CLG_OK);
  little = before;
  little.rlim_cur = 100000;
  setrlimit(RLIMIT_FSIZE, &little);
  train(ctx, 30);
  ck_assert_int_eq(n_lines, 1);
  ck_assert_ptr_nonnull(strstr(line, "no trace: "));
  ck_assert_ptr_nonnull(strstr(line, path));
  ck_assert_str_eq(clg_last_error(ctx), "");
  ck_assert_int_ne(access(temporary, F_OK), 0);
  ck_assert_int_eq(clg_trace_stop(ctx), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "File too large");
  ck_assert_int_eq(n_lines, 1);
  setrlimit(RLIMIT_FSIZE, &before);
  ck_assert_int_ne(access(path, F_OK), 0);
  test_context_close(&ctx);
}
END_TEST

/* ---- the variable ---- */

START_TEST(a_variable_traces_every_context) {
  kept variable = keep_variable("CLGRAD_TRACE");
  setenv("CLGRAD_TRACE", path, 1);
  char second[sizeof path + 4];
  snprintf(second, sizeof second, "%s.2", path);
  clg_context *a = open_with(false), *plan = NULL, *b = open_with(false);
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  ck_assert(clg_tracing(a) && clg_tracing(b) && clg_profiles(b) && !clg_tracing(plan));
  train(a, 1);
  test_context_close(&a);
  test_context_close(&b);
  test_context_close(&plan);
  read_trace(path);
  ck_assert_int_eq(count("B", "op", "mean"), 1);
  ck_assert_int_gt(count("X", "kernel", NULL), 5);
  json_decref(trace);
  read_trace(second);
  ck_assert_int_eq(count("X", NULL, NULL), 0);
  json_decref(trace);
  remove(second);
  /* One line, and all else is as without. */
  setenv("CLGRAD_TRACE", "/nowhere/at/all.json", 1);
  clg_context_options o = clg_context_defaults();
  o.log = on_log;
  n_lines = 0;
  ck_assert_int_eq(clg_context_create(&a, &o), CLG_OK);
  ck_assert_int_eq(n_lines, 1);
  ck_assert_ptr_nonnull(strstr(line, "no trace: trace: cannot write /nowhere/at/all.json"));
  ck_assert(!clg_tracing(a));
  train(a, 1);
  test_context_close(&a);
  give_variable_back(variable);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("trace");
  tcase_add_checked_fixture(c, make_folder, remove_folder);
  tcase_add_test(c, says_what_the_profile_and_the_books_say);
  tcase_add_test(c, without_times_there_is_the_host);
  tcase_add_test(c, ends_with_its_context);
  tcase_add_test(c, is_written_as_it_goes);
  tcase_add_test(c, may_begin_and_end_anywhere);
  tcase_add_test(c, one_at_a_time);
  tcase_add_test(c, a_full_disk_ends_the_trace_alone);
  tcase_add_test(c, a_variable_traces_every_context);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("trace", add_cases)
