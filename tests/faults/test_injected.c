/* Every call that the library makes of OpenCL, of files and for memory fails in turn, on the device. Some calls of each
 * function, and over a context's life half of the families in each shape; TEST_FAULTS=0: all of them, by hand. */
#include "../harness.h"
#include "trial.h"

/* Faults of each function: a step is quick, a context builds its programs. */
enum { A_STEP = 5, A_LIFE = 2, FOR_GOOD = 1000000000 };

static clg_context *open_device(char *why, size_t size) {
  clg_context *ctx = NULL;
  clg_context_options o = clg_context_defaults();
  o.message = why, o.message_size = size;
  clg_context_create(&ctx, &o);
  return ctx;
}

static void count_calls(long calls[FAULTY_COUNT]) {
  for (int i = 0; i < FAULTY_COUNT; i++) calls[i] = faulty_calls((faulty_call)i);
}

/* How often a wait asks for an event is the clock's. */
static bool is_polled(faulty_call call) { return !strcmp(faulty_name(call), "clGetEventInfo"); }

/* The programs are built: what is left are the calls that a step makes. */
static void in_one_context(const workload *w, trial_count *count) {
  static results right;
  long calls[FAULTY_COUNT];
  trial t = {.work = w, .open = open_device, .times = 1};
  clg_context *ctx = trial_begin(&t, &right);
  faulty_begin(FAULTY_memory, 0, 0, 0);
  work_run(w, ctx, &right);
  count_calls(calls);
  for (t.call = 0; t.call < FAULTY_COUNT; t.call++) {
    long stride = trial_stride(calls[t.call], A_STEP);
    for (t.at = 1; t.at <= calls[t.call]; t.at += stride) {
      t.code = trial_code(t.call, t.at / stride);
      t.times = t.at / stride % 3 == 2 ? FOR_GOOD : 1;
      bool made = trial_of_work(&t, &ctx, &right, count);
      ck_assert_msg(made || is_polled(t.call), "%s: of %ld calls of %s number %ld was not made", w->name, calls[t.call],
                    faulty_name(t.call), t.at);
    }
  }
  clg_context_unref(&ctx);
}

static void over_its_life(const workload *w, trial_count *count) {
  static results right;
  long calls[FAULTY_COUNT];
  trial t = {.work = w, .open = open_device, .times = 1};
  clg_context *ctx = trial_begin(&t, &right);
  clg_context_unref(&ctx);
  trial_of_life(&t, &right, count);
  count_calls(calls);
  for (t.call = 0; t.call < FAULTY_COUNT; t.call++) {
    long stride = trial_stride(calls[t.call], A_LIFE);
    for (t.at = 1; t.at <= calls[t.call]; t.at += stride) {
      t.code = trial_code(t.call, t.at / stride);
      trial_of_life(&t, &right, count); /* one that was tolerated may make fewer calls */
    }
  }
}

START_TEST(each_call_of_a_step_fails) {
  trial_count count = {0, 0, 0};
  in_one_context(&workloads[_i], &count);
  trial_report(workloads[_i].name, &count);
}
END_TEST

/* A life is seconds of work. */
static bool is_of_shape(int family) {
  const char *shape = getenv("CLGRAD_SHAPE");
  return getenv("TEST_FAULTS") || !shape || family % 2 == !strcmp(shape, "gpu");
}

START_TEST(each_call_of_a_context_fails) {
  if (!is_of_shape(_i)) return;
  trial_count count = {0, 0, 0};
  over_its_life(&workloads[_i], &count);
  trial_report(workloads[_i].name, &count);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("step");
  tcase_set_timeout(t, 3600);
  tcase_add_unchecked_fixture(t, work_files_make, work_files_remove);
  tcase_add_loop_test(t, each_call_of_a_step_fails, 0, (int)workload_count);
  suite_add_tcase(suite, t);
  t = tcase_create("life");
  tcase_set_timeout(t, 3600);
  tcase_add_unchecked_fixture(t, work_files_make, work_files_remove);
  tcase_add_loop_test(t, each_call_of_a_context_fails, 0, (int)workload_count);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("injected", add_cases)
