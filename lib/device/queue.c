/* The OpenCL context and queue of a clg_context: opening, waiting, failing. Owns the objects in clg_queue, and what
 * they keep until the next wait. */
#include "device/queue.h"
#include "device/devices.h"
#include "device/profile.h"
#include "device/wait.h"
#include <stdlib.h>

#define FLUSH_EVERY 256

static const struct {
  cl_int code;
  const char *name;
} code_names[] = {
#define CODE(c)                                                                                                        \
  { c, #c }
    CODE(CL_SUCCESS),
    CODE(CL_DEVICE_NOT_FOUND),
    CODE(CL_DEVICE_NOT_AVAILABLE),
    CODE(CL_COMPILER_NOT_AVAILABLE),
    CODE(CL_MEM_OBJECT_ALLOCATION_FAILURE),
    CODE(CL_OUT_OF_RESOURCES),
    CODE(CL_OUT_OF_HOST_MEMORY),
    CODE(CL_PROFILING_INFO_NOT_AVAILABLE),
    CODE(CL_MEM_COPY_OVERLAP),
    CODE(CL_IMAGE_FORMAT_MISMATCH),
    CODE(CL_IMAGE_FORMAT_NOT_SUPPORTED),
    CODE(CL_BUILD_PROGRAM_FAILURE),
    CODE(CL_MAP_FAILURE),
    CODE(CL_MISALIGNED_SUB_BUFFER_OFFSET),
    CODE(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
    CODE(CL_COMPILE_PROGRAM_FAILURE),
    CODE(CL_LINKER_NOT_AVAILABLE),
    CODE(CL_LINK_PROGRAM_FAILURE),
    CODE(CL_DEVICE_PARTITION_FAILED),
    CODE(CL_KERNEL_ARG_INFO_NOT_AVAILABLE),
    CODE(CL_INVALID_VALUE),
    CODE(CL_INVALID_DEVICE_TYPE),
    CODE(CL_INVALID_PLATFORM),
    CODE(CL_INVALID_DEVICE),
    CODE(CL_INVALID_CONTEXT),
    CODE(CL_INVALID_QUEUE_PROPERTIES),
    CODE(CL_INVALID_COMMAND_QUEUE),
    CODE(CL_INVALID_HOST_PTR),
    CODE(CL_INVALID_MEM_OBJECT),
    CODE(CL_INVALID_IMAGE_FORMAT_DESCRIPTOR),
    CODE(CL_INVALID_IMAGE_SIZE),
    CODE(CL_INVALID_SAMPLER),
    CODE(CL_INVALID_BINARY),
    CODE(CL_INVALID_BUILD_OPTIONS),
    CODE(CL_INVALID_PROGRAM),
    CODE(CL_INVALID_PROGRAM_EXECUTABLE),
    CODE(CL_INVALID_KERNEL_NAME),
    CODE(CL_INVALID_KERNEL_DEFINITION),
    CODE(CL_INVALID_KERNEL),
    CODE(CL_INVALID_ARG_INDEX),
    CODE(CL_INVALID_ARG_VALUE),
    CODE(CL_INVALID_ARG_SIZE),
    CODE(CL_INVALID_KERNEL_ARGS),
    CODE(CL_INVALID_WORK_DIMENSION),
    CODE(CL_INVALID_WORK_GROUP_SIZE),
    CODE(CL_INVALID_WORK_ITEM_SIZE),
    CODE(CL_INVALID_GLOBAL_OFFSET),
    CODE(CL_INVALID_EVENT_WAIT_LIST),
    CODE(CL_INVALID_EVENT),
    CODE(CL_INVALID_OPERATION),
    CODE(CL_INVALID_GL_OBJECT),
    CODE(CL_INVALID_BUFFER_SIZE),
    CODE(CL_INVALID_MIP_LEVEL),
    CODE(CL_INVALID_GLOBAL_WORK_SIZE),
    CODE(CL_INVALID_PROPERTY),
    CODE(CL_INVALID_IMAGE_DESCRIPTOR),
    CODE(CL_INVALID_COMPILER_OPTIONS),
    CODE(CL_INVALID_LINKER_OPTIONS),
    CODE(CL_INVALID_DEVICE_PARTITION_COUNT),
#undef CODE
};

const char *clg_cl_name(cl_int code) {
  for (size_t i = 0; i < sizeof code_names / sizeof *code_names; i++)
    if (code_names[i].code == code) return code_names[i].name;
  return "unknown error";
}

bool clg_cl_wants_memory(cl_int code) {
  return code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES || code == CL_OUT_OF_HOST_MEMORY;
}

clg_status clg_cl_fail(clg_context *ctx, const char *op, const char *what, cl_int code) {
  if (clg_cl_wants_memory(code))
    return clg_fail(ctx, CLG_ERR_MEMORY, op, "%s failed for want of memory: %s (%d)", what, clg_cl_name(code),
                    (int)code);
  return clg_fail(ctx, CLG_ERR_DEVICE, op, "%s failed: %s (%d)", what, clg_cl_name(code), (int)code);
}

clg_status clg_work_fail(clg_context *ctx, const char *op, const char *what, cl_int code) {
  if (!clg_cl_wants_memory(code)) return clg_cl_fail(ctx, op, what, code);
  return clg_fail(ctx, CLG_ERR_MEMORY, op, "%s failed for want of memory: %s (%d): use a smaller batch", what,
                  clg_cl_name(code), (int)code);
}

/* Says which call failed. In an OpenCL context of its own, or in that of another clg_context. */
static cl_int make(clg_queue *q, cl_context context, bool profile, const char **what) {
  cl_int code = CL_SUCCESS;
  *what = context ? "clRetainContext" : "clCreateContext";
  if (context)
    code = clRetainContext(context);
  else
    context = clCreateContext(NULL, 1, &q->device, NULL, NULL, &code);
  if (code != CL_SUCCESS) return code;
  q->context = context;
  *what = "clCreateCommandQueue";
  q->queue = clCreateCommandQueue(q->context, q->device, profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
  q->profile = profile;
  return code;
}

/* Kernels can be timed only if the queue was made for it. */
static cl_int adopt(clg_queue *q, cl_context context, cl_command_queue queue, bool profile, const char **what) {
  cl_command_queue_properties properties = 0;
  *what = "clRetainContext";
  cl_int code = clRetainContext(context);
  if (code != CL_SUCCESS) return code;
  q->context = context;
  *what = "clRetainCommandQueue";
  code = clRetainCommandQueue(queue);
  if (code != CL_SUCCESS) return code;
  q->queue = queue;
  *what = "clGetCommandQueueInfo";
  code = clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
  q->profile = profile && properties & CL_QUEUE_PROFILING_ENABLE;
  return code;
}

clg_status clg_queue_open(clg_context *ctx, cl_device_id device, cl_context context, cl_command_queue queue,
                          bool profile) {
  clg_queue *q = calloc(1, sizeof *q);
  if (!q) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  q->device = device;
  q->rounds = ctx->info.divides;
  if (clGetDeviceInfo(device, CL_DEVICE_MAX_PARAMETER_SIZE, sizeof q->argument_bytes, &q->argument_bytes, NULL) !=
      CL_SUCCESS)
    q->argument_bytes = 0;
  const char *what;
  clg_driver_lock();
  cl_int code = queue ? adopt(q, context, queue, profile, &what) : make(q, context, profile, &what);
  clg_driver_unlock();
  if (code == CL_SUCCESS) {
    ctx->queue = q;
    return CLG_OK;
  }
  clg_queue_close(q);
  return clg_cl_fail(ctx, NULL, what, code);
}

uint64_t clg_event_moment(cl_event e, cl_profiling_info what) {
  cl_ulong t = 0;
  return clGetEventProfilingInfo(e, what, sizeof t, &t, NULL) == CL_SUCCESS ? t : 0;
}

static void count_time(const clg_timed *t) {
  uint64_t end = clg_event_moment(t->event, CL_PROFILING_COMMAND_END);
  uint64_t start = t->from ? clg_event_moment(t->from, CL_PROFILING_COMMAND_END)
                           : clg_event_moment(t->event, CL_PROFILING_COMMAND_START);
  if (start && end > start) t->time->row.nanoseconds += end - start;
  t->time->row.launches += t->launches;
}

static void drop_staged(clg_queue *q) {
  for (clg_staged *s = q->staged, *next; s; s = next) next = s->next, free(s);
  q->staged = NULL;
  q->staged_bytes = 0;
}

void clg_queue_waited(clg_context *ctx) {
  clg_queue *q = ctx->queue;
  if (ctx->tracer) ctx->tracer->timed(ctx, q->timed, q->n_timed);
  for (size_t i = 0; i < q->n_timed; i++) {
    count_time(&q->timed[i]);
    clReleaseEvent(q->timed[i].event);
    if (q->timed[i].from) clReleaseEvent(q->timed[i].from);
  }
  q->n_timed = 0;
  drop_staged(q);
}

void clg_queue_close(clg_queue *q) {
  if (!q) return;
  if (q->queue) {
    clFinish(q->queue);
    clReleaseCommandQueue(q->queue);
  }
  if (q->context) clReleaseContext(q->context);
  drop_staged(q);
  free(q->timed);
  free(q);
}

clg_status clg_queue_usable(clg_context *ctx, const char *op) {
  if (!ctx->lost && !ctx->idling) return CLG_OK;
  if (clg_within_idle(ctx, op)) return CLG_ERR_STATE;
  return clg_fail(ctx, CLG_ERR_LOST, op, "the device lost queued work earlier: this context can only be released");
}

/* What was queued can neither be named nor repeated once a wait fails. */
clg_status clg_queue_lose(clg_context *ctx, const char *op, cl_int code) {
  ctx->lost = true;
  return clg_fail(ctx, CLG_ERR_LOST, op, "queued work failed (%s, %d): this context is lost and can only be released",
                  clg_cl_name(code), (int)code);
}

clg_status clg_queue_drain(clg_context *ctx, const char *op) {
  clg_count_wait(ctx);
  if (!ctx->queue) return CLG_OK;
  clg_trace_begin(ctx, "wait", op ? op : "wait");
  cl_int code = clg_wait_all(ctx);
  clg_trace_end(ctx);
  ctx->queue->unflushed = 0;
  clg_queue_waited(ctx);
  return code == CL_SUCCESS ? CLG_OK : clg_queue_lose(ctx, op, code);
}

clg_status clg_finish(clg_context *ctx) {
  if (!ctx) return CLG_ERR_ARGUMENT;
  clg_status s = clg_queue_usable(ctx, "finish");
  return s == CLG_OK ? clg_queue_drain(ctx, "finish") : s;
}

void clg_queue_sent(clg_queue *q) {
  if (++q->unflushed < FLUSH_EVERY) return;
  q->unflushed = 0;
  clFlush(q->queue);
}
