/* Events: points in the queue that a program can look at and wait for. Each owns the driver's event until it is known
 * to be over, since some drivers keep memory for those that nobody releases. */
#include "device/pool.h"
#include "device/profile.h"
#include "device/wait.h"
#include <stdlib.h>

struct clg_event {
  uint32_t refs;
  clg_context *ctx;
  cl_event mark; /* NULL: done, as all is in a plan */
};

clg_event *clg_event_record(clg_context *ctx) {
  if (!ctx) return clg_null_object(NULL, "event_record");
  if (clg_queue_usable(ctx, "event_record") != CLG_OK) return NULL;
  clg_event *e = malloc(sizeof *e);
  if (!e) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "event_record", "out of host memory");
  *e = (clg_event){.refs = 1, .ctx = ctx};
  cl_int code = ctx->queue ? clg_mark_queue(ctx->queue, &e->mark) : CL_SUCCESS;
  if (code != CL_SUCCESS && clg_pool_retry(ctx, code, "event_record")) code = clg_mark_queue(ctx->queue, &e->mark);
  if (code != CL_SUCCESS) {
    free(e);
    if (!ctx->lost) clg_cl_fail(ctx, "event_record", "clEnqueueMarkerWithWaitList", code);
    return NULL;
  }
  clg_context_hold(ctx);
  return e;
}

clg_event *clg_event_ref(clg_event *e) {
  if (e) e->refs++;
  return e;
}

static void release(clg_event *e) {
  if (e->mark) clReleaseEvent(e->mark);
  e->mark = NULL;
}

void clg_event_unref(clg_event **event) {
  clg_event *e = event ? *event : NULL;
  if (!e) return;
  *event = NULL;
  if (--e->refs) return;
  clg_context *ctx = e->ctx;
  release(e);
  free(e);
  clg_context_release(ctx);
}

bool clg_event_done(const clg_event *e) { return !e || !e->mark || e->ctx->lost || clg_event_is_over(e->mark); }

clg_status clg_event_wait(clg_event *e) {
  if (!e) return clg_null(NULL, "event_wait");
  clg_status s = clg_queue_usable(e->ctx, "event_wait");
  if (s != CLG_OK) return s;
  clg_count_wait(e->ctx);
  if (!e->mark) return CLG_OK;
  clg_trace_begin(e->ctx, "wait", "event_wait");
  cl_int code = clg_wait_event(e->ctx, e->mark);
  clg_trace_end(e->ctx);
  release(e);
  return code == CL_SUCCESS ? CLG_OK : clg_queue_lose(e->ctx, "event_wait", code);
}
