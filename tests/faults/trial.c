#include "trial.h"
#include "../harness.h"
#include <CL/cl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char now[160]; /* the fault that is tried */
static char why[512];
static results got;

#ifdef __SANITIZE_ADDRESS__
static void watch(void) {} /* it tells more itself */
#else
/* A crash names it. */
static void on_crash(int which) {
  ssize_t ignored = write(STDERR_FILENO, now, strlen(now));
  (void)ignored;
  signal(which, SIG_DFL);
  raise(which);
}
static void watch(void) {
  signal(SIGSEGV, on_crash), signal(SIGABRT, on_crash), signal(SIGFPE, on_crash), signal(SIGBUS, on_crash);
}
#endif

long trial_stride(long calls, long most) {
  const char *asked = getenv("TEST_FAULTS");
  if (asked) most = strtol(asked, NULL, 10);
  return most <= 0 || calls <= most ? 1 : calls / most;
}

int trial_code(faulty_call call, long at) {
  static const int any[] = {CL_OUT_OF_RESOURCES,   CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_HOST_MEMORY,
                            CL_INVALID_MEM_OBJECT, CL_DEVICE_NOT_AVAILABLE,          CL_INVALID_COMMAND_QUEUE};
  static const int build[] = {CL_BUILD_PROGRAM_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY};
  return call == FAULTY_clBuildProgram ? build[at % 3] : any[at % 6];
}

static void begin(const trial *t) {
  snprintf(now, sizeof now, "%s: %s, call %ld, code %d\n", t->work->name, faulty_name(t->call), t->at, t->code);
  watch();
  faulty_begin(t->call, t->at, t->times, t->code);
}

static bool is_right(const results *right) {
  return got.n == right->n && !memcmp(got.value, right->value, right->n * sizeof(float));
}

static void check_line(const char *line) {
  ck_assert_msg(*line && !strchr(line, '\n'), "%sthe line: \"%s\"", now, line);
}

/* The status of the work under the fault, which its own scope gave. */
static void judge(const trial *t, clg_context *ctx, clg_status s, const results *right, trial_count *count) {
  bool quiet = s == CLG_OK && clg_last_status(ctx) == CLG_OK;
  count->failed++;
  count->tolerated += quiet;
  count->lost += clg_last_status(ctx) == CLG_ERR_LOST;
  ck_assert_msg(s != CLG_OK || is_right(right), "%sother results (%zu for %zu) without a word", now, got.n, right->n);
  if (!quiet) check_line(clg_last_error(ctx));
  if (t->call == FAULTY_memory)
    ck_assert_msg(quiet || s == CLG_ERR_HOST_MEMORY || clg_last_status(ctx) == CLG_ERR_HOST_MEMORY, "%s%s: %s", now,
                  clg_status_name(s), clg_last_error(ctx));
}

/* What is left while only the context lives: the constant that backward starts from. */
static void check_empty(clg_context *ctx) {
  clg_memory_stats m = clg_memory(ctx);
  ck_assert_msg(m.live <= sizeof(float) && !m.saved, "%s%llu bytes are left, %llu saved", now,
                (unsigned long long)m.live, (unsigned long long)m.saved);
}

/* The same context without the fault. What the driver calls a fault of the source stays one. */
static void work_again(const trial *t, clg_context *ctx, const results *right) {
  check_empty(ctx);
  if (clg_last_status(ctx) == CLG_ERR_LOST || t->code == CL_BUILD_PROGRAM_FAILURE) return;
  clg_clear_error(ctx);
  clg_status s = work_run(t->work, ctx, &got);
  ck_assert_msg(s == CLG_OK, "%safterwards: %s", now, clg_last_error(ctx));
  ck_assert_msg(is_right(right), "%sother results afterwards", now);
  check_empty(ctx);
}

bool trial_of_life(const trial *t, const results *right, trial_count *count) {
  long memory = faulty_memory(), objects = faulty_objects();
  why[0] = 0;
  begin(t);
  clg_context *ctx = t->open(why, sizeof why);
  clg_status s = ctx ? work_run(t->work, ctx, &got) : CLG_ERR_DEVICE;
  bool failed = faulty_end();
  if (failed && ctx) judge(t, ctx, s, right, count);
  if (failed && ctx) work_again(t, ctx, right);
  if (!ctx) check_line(why), count->failed++;
  clg_context_unref(&ctx);
  ck_assert_msg(faulty_memory() == memory, "%s%ld pieces of memory are lost", now, faulty_memory() - memory);
  ck_assert_msg(faulty_objects() == objects, "%s%ld objects are lost", now, faulty_objects() - objects);
  return failed;
}

bool trial_of_work(const trial *t, clg_context **ctx, const results *right, trial_count *count) {
  begin(t);
  clg_status s = work_run(t->work, *ctx, &got);
  bool failed = faulty_end();
  if (!failed) return false;
  judge(t, *ctx, s, right, count);
  work_again(t, *ctx, right);
  if (clg_last_status(*ctx) == CLG_OK) return true;
  clg_context_unref(ctx);
  ck_assert_msg(faulty_objects() == 0, "%s%ld objects are lost", now, faulty_objects());
  *ctx = t->open(why, sizeof why);
  ck_assert_msg(*ctx && work_run(t->work, *ctx, &got) == CLG_OK && is_right(right), "%sa new context: %s", now, why);
  return true;
}

clg_context *trial_begin(const trial *t, results *right) {
  why[0] = 0;
  clg_context *ctx = t->open(why, sizeof why);
  ck_assert_msg(ctx != NULL, "%s", why);
  for (int i = 0; i < 2; i++) {
    clg_status s = work_run(t->work, ctx, i ? &got : right);
    ck_assert_msg(s == CLG_OK, "%s: %s", t->work->name, clg_last_error(ctx));
  }
  ck_assert_msg(is_right(right), "%s does not repeat", t->work->name);
  return ctx;
}

void trial_report(const char *title, const trial_count *count) {
  printf("%-26s %6ld faults, %6ld tolerated, %5ld cost the context\n", title, count->failed, count->tolerated,
         count->lost);
  fflush(stdout);
}
