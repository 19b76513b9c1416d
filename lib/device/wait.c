/* Waiting for the device, with time for others. */
#include "device/wait.h"
#include <sched.h>

clg_status clg_set_idle(clg_context *ctx, clg_idle_fn idle, void *user) {
  if (!ctx) return clg_null(NULL, "context_set_idle");
  ctx->idle = idle;
  ctx->idle_user = user;
  return CLG_OK;
}

bool clg_event_is_over(cl_event e) {
  cl_int state = CL_COMPLETE; /* or below: it failed */
  if (clGetEventInfo(e, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL) == CL_SUCCESS)
    return state <= CL_COMPLETE;
  clWaitForEvents(1, &e);
  return true;
}

cl_int clg_mark_queue(clg_queue *q, cl_event *e) {
  cl_int code = clEnqueueMarkerWithWaitList(q->queue, 0, NULL, e);
  if (code != CL_SUCCESS) return code;
  q->unflushed = 0;
  code = clFlush(q->queue); /* nobody may wait: what is not sent would never be done */
  if (code != CL_SUCCESS) clReleaseEvent(*e);
  return code;
}

/* The callback may set another, or none. The processor goes round: kernels may run on it. */
static void idle_until(clg_context *ctx, cl_event e) {
  while (ctx->idle && !clg_event_is_over(e)) {
    ctx->idling = true;
    ctx->idle(ctx->idle_user);
    ctx->idling = false;
    sched_yield();
  }
}

cl_int clg_wait_all(clg_context *ctx) {
  cl_event mark;
  if (ctx->idle && clg_mark_queue(ctx->queue, &mark) == CL_SUCCESS) {
    idle_until(ctx, mark);
    clReleaseEvent(mark);
  }
  return clFinish(ctx->queue->queue);
}

cl_int clg_wait_event(clg_context *ctx, cl_event e) {
  idle_until(ctx, e);
  return clWaitForEvents(1, &e);
}
