/* Tunes CLBlast: tries candidates for its kernels, measures the best of them again, and then from which size on copies
 * pay. All of that in child processes, each of which starts with CLBlast's own parameters, and whose end, should a
 * driver break over a kernel, is one candidate's end. */
#define _DEFAULT_SOURCE
#include "tune.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef bool job_fn(clg_context *ctx, const options *o, volatile job *j);

static void child(job_fn *fn, const options *o, volatile job *j) {
  clg_context *ctx = open_context(o);
  if (ctx) {
    j->serves = clg_context_device(ctx)->shape == CLG_SHAPE_GPU;
    j->done = !j->serves || fn(ctx, o, j);
  }
  clg_context_unref(&ctx);
  fflush(stderr);
  _exit(0);
}

/* Whether the job is done; a trial that it broke over is then known. */
static bool in_child(job_fn *fn, const options *o, volatile job *j) {
  pid_t pid = fork();
  if (pid == 0) child(fn, o, j);
  int status = 0;
  return pid > 0 && waitpid(pid, &status, 0) == pid && j->done;
}

static bool mark_broken(volatile job *j) {
  bool any = false;
  for (int i = 0; i < j->n; i++)
    if (j->trial[i].state == TRIAL_RUNS) j->trial[i].state = TRIAL_REFUSED, any = true;
  return any;
}

/* The job in memory that its process shares. */
static bool run_job(job_fn *fn, const options *o, job *io) {
  volatile job *j = mmap(NULL, sizeof *j, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (j == MAP_FAILED) {
    fprintf(stderr, "clgrad_tune: out of host memory\n");
    return false;
  }
  *j = *io;
  bool done;
  do {
    j->again = false;
    done = in_child(fn, o, j);
  } while (!done && (mark_broken(j) || j->again));
  *io = *j;
  munmap((void *)j, sizeof *j);
  return done;
}

/* ---- the search ---- */

static int best_of(const job *j) {
  int best = -1;
  for (int i = 0; i < j->n; i++)
    if (j->trial[i].state == TRIAL_MEASURED && j->trial[i].gain > (best < 0 ? GAIN : j->trial[best].gain)) best = i;
  return best;
}

/* The best set is measured once more against CLBlast's own: the best of many is the luckiest, too. */
static bool tune_kernel(const options *o, clg_clblast_kernel k, findings *out) {
  job search = {0}, again = {.n = 1};
  for (int i = 0; i < o->candidates && candidate(k, i) && out->n + i < MOST_TRIALS; i++)
    search.trial[search.n++] = (trial){.kernel = k, .candidate = i};
  if (!run_job(trials_job, o, &search)) return false;
  out->serves = search.serves;
  if (!out->serves) return true;
  memcpy(out->trial + out->n, search.trial, (size_t)search.n * sizeof *search.trial);
  int best = best_of(&search), first = out->n;
  out->n += search.n;
  if (best < 0) return true;
  again.trial[0] = (trial){.kernel = k, .candidate = search.trial[best].candidate};
  if (!run_job(trials_job, o, &again)) return false;
  if (best_of(&again) == 0) out->best[k] = first + best, out->gain[k] = again.trial[0].gain;
  return true;
}

static bool find_threshold(const options *o, findings *f) {
  job j = {0};
  for (int k = 0; k < 2; k++)
    if (f->best[k] >= 0) j.trial[j.n++] = f->trial[f->best[k]];
  if (!run_job(threshold_job, o, &j)) return false;
  f->serves = f->split = j.serves;
  f->min_indirect = j.min_indirect;
  f->min_indirect_gain = j.min_indirect_gain;
  return true;
}

bool tune_clblast(const options *o, findings *out) {
  *out = (findings){.serves = o->shape != CLG_SHAPE_CPU && o->parts & PART_CLBLAST, .best = {-1, -1}, .gain = {1, 1}};
  if (out->serves && o->parts & PART_XGEMM && !tune_kernel(o, CLG_CLBLAST_XGEMM, out)) return false;
  if (out->serves && o->parts & PART_DIRECT && !tune_kernel(o, CLG_CLBLAST_XGEMM_DIRECT, out)) return false;
  return !out->serves || !(o->parts & PART_THRESHOLD) || find_threshold(o, out);
}

bool use_findings(clg_context *ctx, const findings *f) {
  for (int k = 0; k < 2; k++)
    if (f->best[k] >= 0 &&
        clg_tuning_set_clblast(ctx, (clg_clblast_kernel)k,
                               candidate((clg_clblast_kernel)k, f->trial[f->best[k]].candidate)) != CLG_OK)
      return false;
  uint32_t values[CLG_CLBLAST_PARAMETERS] = {f->min_indirect};
  return !f->min_indirect || clg_tuning_set_clblast(ctx, CLG_CLBLAST_GEMM_ROUTINE, values) == CLG_OK;
}
