/* Launches, waits and kernel times by phase. Private to rooms up to context. */
#ifndef CLG_DEVICE_PROFILE_H
#define CLG_DEVICE_PROFILE_H

#include "device/queue.h"
#include <clgrad/profile.h>

/* A kernel in a phase. */
struct clg_time {
  clg_time *next;
  clg_kernel_time row;
};

struct clg_profile {
  clg_phase_time *phase;          /* without nanoseconds: the sums of their kernels' */
  size_t n, cap, now;             /* now: the current phase's */
  clg_time *times, *last, *found; /* in the order first seen; found: of the launch before */
};

clg_profile *clg_profile_create(void);
void clg_profile_destroy(clg_profile *p);

/* counts.c: of the current phase, and the context's counters. */
void clg_count_launches(clg_context *ctx, uint64_t n);
void clg_count_wait(clg_context *ctx);

/* What a profiling context times. */
typedef struct clg_launched {
  const char *file, *kernel; /* live as long as the context */
  uint64_t launches;
  uint64_t number;      /* in the trace: clg_profile_launch, before it is queued */
  cl_event from, event; /* from: a marker in front of it; NULL: the event's own start is meant */
} clg_launched;
/* 0: no trace is written, or no time. */
static inline uint64_t clg_profile_launch(clg_context *ctx) {
  return ctx->tracer && ctx->queue->profile ? ctx->tracer->launch(ctx) : 0;
}
/* Takes the events over. Without an event it does nothing. */
clg_status clg_profile_add(clg_context *ctx, const clg_launched *l);
/* A marker in front of work that makes several launches of its own; NULL unless times are recorded. */
cl_event clg_profile_mark(clg_context *ctx);
/* To the log, a line a kernel. */
void clg_profile_report(clg_context *ctx);

#endif
