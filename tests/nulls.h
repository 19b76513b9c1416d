/* Runs the calls that tools/make_nulls.py writes, each in a process of its own: none may crash, none may call an error
 * success. On plans of both shapes; what opens files is run on the device. */
#ifndef CLG_TESTS_NULLS_H
#define CLG_TESTS_NULLS_H

#include <clgrad/clgrad.h>
#include <clgrad/opencl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct null_call {
  const char *name;
  void (*call)(void);
  bool device; /* cannot be forked from a process that has used one */
} null_call;

/* ---- valid arguments ---- */

static clg_device_shape plan_shape; /* AUTO: a device */

static inline clg_context *a_context(void) {
  static clg_context *ctx;
  clg_plan_options o = clg_plan_defaults();
  o.shape = plan_shape;
  if (!ctx && plan_shape == CLG_SHAPE_AUTO) clg_context_create(&ctx, NULL);
  if (!ctx && plan_shape != CLG_SHAPE_AUTO) clg_context_create_plan(&ctx, &o);
  return ctx;
}
static inline clg_tensor *a_tensor(void) { return clg_tensor_create(a_context(), 2, (int64_t[]){2, 2}, NULL); }
static inline clg_tensor **some_tensors(void) {
  static clg_tensor *list[8];
  for (int i = 0; i < 8; i++) list[i] = a_tensor();
  return list;
}
static inline clg_module *a_module(void) { return clg_linear_create(a_context(), 2, 2, true, NULL); }
static inline clg_optim *an_optim(void) {
  const clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  return clg_optim_create_for(a_module(), &adam);
}
static inline clg_ema *an_ema(void) { return clg_ema_create(a_module(), 0.5); }
static inline clg_shard_sum *a_shard_sum(void) { return clg_shard_sum_create(a_context(), some_tensors(), 2, 2); }
static inline clg_program *a_program(void) { return clg_program_create(a_context(), "p", "__kernel void k(void) {}"); }

static const char state_path[] = "clgrad-nulls.safetensors";
static inline clg_saver *a_saver(void) {
  clg_saver *s = clg_saver_create(a_context(), state_path);
  clg_saver_add_tensor(s, "x", a_tensor());
  return s;
}
static inline clg_loader *a_loader(void) {
  clg_saver *s = a_saver();
  clg_saver_commit(s);
  clg_saver_unref(&s);
  clg_loader *l = clg_loader_open(a_context(), state_path);
  unlink(state_path);
  return l;
}

/* ---- running ---- */

enum { GAVE_A_RESULT = 3 };
static inline void must(bool right) {
  if (!right) _exit(GAVE_A_RESULT);
}
static inline void must_give_nothing(const void *p) { must(!p); }

static inline void be_quiet(void) {
  must(freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr));
  alarm(60);
}

/* What is wrong, NULL: nothing. */
static inline const char *wrong(int status) {
  if (WIFSIGNALED(status)) return strsignal(WTERMSIG(status));
  return !WEXITSTATUS(status) ? NULL : WEXITSTATUS(status) == GAVE_A_RESULT ? "no error" : "ended";
}

static inline bool passes(const char *self, const null_call *all, size_t i) {
  char number[24];
  snprintf(number, sizeof number, "%zu", i);
  int status = -1;
  pid_t child = fork();
  if (!child && all[i].device) execl(self, self, number, (char *)NULL);
  if (!child) {
    be_quiet();
    all[i].call();
    _exit(0);
  }
  const char *why = child > 0 && waitpid(child, &status, 0) == child ? wrong(status) : "not run";
  if (why) printf("%s on %s: %s\n", all[i].name, plan_shape == CLG_SHAPE_GPU ? "gpu" : "cpu", why);
  return !why;
}

static inline int run_nulls(int argc, char **argv, const null_call *all, size_t n) {
  if (argc > 1) {
    be_quiet();
    all[strtoul(argv[1], NULL, 10) % n].call();
    _exit(0); /* nobody releases the arguments */
  }
  size_t failed = 0;
  for (plan_shape = CLG_SHAPE_CPU; plan_shape <= CLG_SHAPE_GPU; plan_shape++)
    for (size_t i = 0; i < n; i++)
      if (plan_shape == CLG_SHAPE_CPU || !all[i].device) fflush(stdout), failed += !passes(argv[0], all, i);
  printf("%zu calls, %zu wrong\n", n, failed);
  return failed || n < 500;
}

#endif
