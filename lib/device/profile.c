/* Kernel times of a profiling context: one event a launch, read at the next wait, reported through the log when the
 * context goes. */
#include "device/program.h"
#include <stdlib.h>

/* Unread events keep the driver's memory: no more than these. */
#define PENDING 512

clg_status clg_profile_add(clg_context *ctx, clg_kernel *k, cl_event event) {
  clg_queue *q = ctx->queue;
  if (!event) return CLG_OK;
  if (!q->timed) q->timed = malloc(PENDING * sizeof *q->timed);
  if (!q->timed) {
    clReleaseEvent(event);
    return CLG_OK;
  }
  q->timed[q->n_timed++] = (clg_timed){event, &k->launches, &k->nanoseconds};
  return q->n_timed == PENDING ? clg_finish(ctx) : CLG_OK;
}

void clg_profile_report(clg_context *ctx, const char *file, const clg_kernel *k) {
  if (!k->launches) return;
  const char *gap = file ? " " : "";
  clg_log_line(ctx, "%s%s%s: %llu launches, %llu.%03llu ms", file ? file : "", gap, k->name,
               (unsigned long long)k->launches, (unsigned long long)(k->nanoseconds / 1000000),
               (unsigned long long)(k->nanoseconds / 1000 % 1000));
}
