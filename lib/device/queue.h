/* The OpenCL objects of a context, and what every call to OpenCL shares: error names, the lost state, flushing. Private
 * to rooms up to context. */
#ifndef CLG_DEVICE_QUEUE_H
#define CLG_DEVICE_QUEUE_H

#include "base/context.h"
#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

/* A host copy that a queued write still reads. */
typedef struct clg_staged {
  struct clg_staged *next;
  unsigned char data[];
} clg_staged;
/* Launches whose time is not read yet, and where it is counted (profile.h). */
typedef struct clg_time clg_time;
typedef struct clg_timed {
  cl_event event, from; /* from: a marker in front; NULL: none */
  clg_time *time;
  uint64_t launches, number; /* number: in a trace; 0: none was written */
} clg_timed;

struct clg_queue {
  cl_device_id device;
  cl_context context;
  cl_command_queue queue;
  bool profile;
  bool rounds;           /* the device promises correctly rounded division and square root, where programs ask for it */
  size_t argument_bytes; /* the most that the arguments of a kernel may have; 0: not known */
  uint32_t unflushed;    /* commands since the last flush or wait */
  clg_staged *staged;    /* added by transfer.c, */
  size_t staged_bytes;
  clg_timed *timed; /* and by profile.c, until the next wait */
  size_t n_timed;
};

/* Opens a context and queue on the device; with `context` retains that; with `queue` too, both. Puts it in ctx->queue.
 */
clg_status clg_queue_open(clg_context *ctx, cl_device_id device, cl_context context, cl_command_queue queue,
                          bool profile);
/* Drains and releases. Takes NULL. */
void clg_queue_close(clg_queue *q);

/* "CL_OUT_OF_RESOURCES"; "unknown error" for codes that OpenCL 1.2 does not have. */
const char *clg_cl_name(cl_int code);
/* Raises "op: `what` failed: CL_... (-5)" with the status that fits. */
clg_status clg_cl_fail(clg_context *ctx, const char *op, const char *what, cl_int code);
/* The same of work on tensors, whose sizes may be at fault. */
clg_status clg_work_fail(clg_context *ctx, const char *op, const char *what, cl_int code);

/* CLG_OK; or, with the error raised, CLG_ERR_LOST, or CLG_ERR_STATE within an idle callback. */
clg_status clg_queue_usable(clg_context *ctx, const char *op);
/* Whether a call failed for want of memory. */
bool clg_cl_wants_memory(cl_int code);
/* Waits for what was queued. CLG_ERR_LOST with the error raised. */
clg_status clg_queue_drain(clg_context *ctx, const char *op);
/* The context is lost: queued work failed with `code`. CLG_ERR_LOST. */
clg_status clg_queue_lose(clg_context *ctx, const char *op, cl_int code);
/* After a command was queued: flushes now and then, since some drivers hoard unflushed commands. */
void clg_queue_sent(clg_queue *q);

/* After a wait: counts the times of launches, and lets go of their events and of the host copies of writes. */
void clg_queue_waited(clg_context *ctx);
/* When it was queued, submitted, begun or ended, of the device's clock; 0: the driver does not say. */
uint64_t clg_event_moment(cl_event e, cl_profiling_info what);

#endif
