/* The two clocks of a trace. OpenCL 1.2 has none in common. But a marker on an empty queue is queued during a call of
 * the host's and has ended when it was waited for, so that the device's time of either is known give or take half of
 * what lies between. The first is the shorter, and is taken where the driver's times of both agree. */
#include "device/trace.h"
#include <time.h>

uint64_t clg_trace_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool sync_once(clg_queue *q, clg_sync *to) {
  cl_event mark = NULL;
  uint64_t before = clg_trace_now();
  if (clEnqueueMarkerWithWaitList(q->queue, 0, NULL, &mark) != CL_SUCCESS) return false;
  uint64_t sent = clg_trace_now();
  bool known = clFinish(q->queue) == CL_SUCCESS;
  uint64_t after = clg_trace_now(), queued = 0, ended = 0;
  if (known) {
    queued = clg_event_moment(mark, CL_PROFILING_COMMAND_QUEUED);
    ended = clg_event_moment(mark, CL_PROFILING_COMMAND_END);
  }
  clReleaseEvent(mark);
  bool agree = queued && queued <= ended && ended - queued <= after - before;
  if (agree) after = sent, ended = queued;
  *to = (clg_sync){before + (after - before) / 2, ended, (after - before + 1) / 2};
  return ended != 0;
}

bool clg_trace_sync(clg_context *ctx, int tries, clg_sync *to) {
  bool known = false;
  for (int i = 0; i < tries && ctx->queue && ctx->queue->profile && !ctx->lost; i++) {
    clg_sync one;
    if (!sync_once(ctx->queue, &one)) continue;
    if (!known || one.error < to->error) *to = one;
    known = true;
  }
  return known;
}

uint64_t clg_trace_place(const clg_sync *a, const clg_sync *b, uint64_t device) {
  if (b->device <= a->device || b->host <= a->host) return b->host + device - b->device;
  double rate = (double)(b->host - a->host) / (double)(b->device - a->device);
  double since = ((double)device - (double)a->device) * rate;
  return a->host + (uint64_t)(int64_t)since;
}
