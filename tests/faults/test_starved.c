/* Every request for host memory fails in turn, on plans, from a context's creation to its end: nothing crashes, an
 * error says so, nothing is lost, and the same context does the same work once there is memory. */
#include "../harness.h"
#include "trial.h"

static clg_device_shape shape;
static clg_context *open_plan(char *why, size_t size) {
  clg_context *ctx = NULL;
  clg_plan_options o = clg_plan_defaults();
  o.shape = shape, o.message = why, o.message_size = size;
  clg_context_create_plan(&ctx, &o);
  return ctx;
}

static void all_trials(clg_device_shape of, long times, long stride) {
  static results right;
  trial_count count = {0, 0, 0};
  shape = of;
  for (size_t i = 0; i < workload_count; i++) {
    trial t = {.work = &workloads[i], .open = open_plan, .call = FAULTY_memory, .at = 1, .times = times};
    if (t.work->saves) continue;
    clg_context *ctx = trial_begin(&t, &right);
    clg_context_unref(&ctx);
    while (trial_of_life(&t, &right, &count)) t.at += stride;
    ck_assert_int_gt(t.at, 50);
  }
  trial_report(of == CLG_SHAPE_CPU ? "memory, in turn" : "memory, from there on", &count);
  ck_assert_int_gt(count.failed, 1000);
}

START_TEST(each_request_fails) { all_trials(CLG_SHAPE_CPU, 1, 1); }
END_TEST

START_TEST(memory_runs_out_for_good) { all_trials(CLG_SHAPE_GPU, 1000000000, 3); }
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("starved");
  tcase_set_timeout(t, 600);
  tcase_add_unchecked_fixture(t, work_files_make, work_files_remove);
  tcase_add_test(t, each_request_fails);
  tcase_add_test(t, memory_runs_out_for_good);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("starved", add_cases)
