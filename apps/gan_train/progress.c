/* Progress on standard error. */
#include "progress.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TERMINAL_EVERY_MS 100
#define PIPE_EVERY_MS     5000

double clock_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

void progress_begin(progress *p, bool on, const char *label, int64_t steps) {
  *p = (progress){.on = on, .terminal = isatty(STDERR_FILENO), .label = label, .steps = steps};
  p->last = clock_ms();
}

void progress_step(progress *p, int64_t step, const float losses[3]) {
  if (!p->on) return;
  double now = clock_ms();
  if (step == 1) p->begun = now;
  bool due = now - p->last >= (p->terminal ? TERMINAL_EVERY_MS : PIPE_EVERY_MS);
  if (!due && !(p->terminal && step == p->steps)) return;
  p->last = now;
  p->shown = true;
  /* Short enough for a terminal of 80 columns, where a longer line could not be overwritten. */
  fprintf(stderr, "%s%s %lld/%lld  D %.3f %.3f  G %.3f", p->terminal ? "\r\033[K" : "", p->label, (long long)step,
          (long long)p->steps, (double)losses[0], (double)losses[1], (double)losses[2]);
  if (step > 1) {
    double ms = (now - p->begun) / (double)(step - 1);
    long long left = (long long)(ms * (double)(p->steps - step) * 1e-3 + 0.5);
    fprintf(stderr, "  %.2f ms/step  %lld:%02lld left", ms, left / 60, left % 60);
  }
  fputs(p->terminal ? "" : "\n", stderr);
  fflush(stderr);
}

void progress_end(progress *p) {
  if (!p->on || !p->terminal || !p->shown) return;
  fputs("\r\033[K", stderr);
  fflush(stderr);
}
