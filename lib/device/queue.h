/* The OpenCL objects of a context, and what every call to OpenCL shares: error names, the retry after out-of-memory,
 * the lost state, flushing. Private to the device room. */
#ifndef CLG_DEVICE_QUEUE_H
#define CLG_DEVICE_QUEUE_H

#include "base/context.h"
#include "device/pool.h"
#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

struct clg_queue {
  cl_device_id device;
  cl_context context;
  cl_command_queue queue;
  bool profile;
  size_t argument_bytes;     /* the most that the arguments of a kernel may have; 0: not known */
  bool uses_clblast;         /* gemm.c */
  bool gemm_asked;           /* whether kernels have work-groups as large as CLBlast's: gemm.c */
  uint32_t gemm_generation;  /* of CLBlast's parameters when the profile was asked for: gemm.c */
  uint32_t unflushed;        /* commands since the last flush or wait */
  struct clg_staged *staged; /* host copies that queued writes still read: transfer.c */
  size_t staged_bytes;
  struct clg_timed *timed; /* launches whose times are not read yet: profile.c */
  size_t n_timed;
};

/* Opens a context and queue on the device; or, with `context` and `queue`, retains them. Puts it in ctx->queue. */
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

/* CLG_OK, or CLG_ERR_LOST with the error raised. */
clg_status clg_queue_usable(clg_context *ctx, const char *op);
/* After a failed call: true when it was for want of memory and the pool is now empty and the queue drained, so that the
 * call is worth one more try. */
bool clg_queue_retry(clg_context *ctx, cl_int code, const char *op);
/* After a command was queued: flushes now and then, since some drivers hoard unflushed commands. */
void clg_queue_sent(clg_queue *q);

/* Reads and releases the events of a profiling queue: after a wait. */
void clg_profile_collect(clg_queue *q);
/* Frees the host copies of writes: after a wait. */
void clg_staged_free(clg_queue *q);

/* The context of a block: pool.c. */
clg_context *clg_block_context(const clg_block *b);
/* Gives every cached buffer back to the driver: pool.c. */
void clg_pool_empty(clg_context *ctx);
clg_pool *clg_pool_create(uint64_t limit);
void clg_pool_destroy(clg_context *ctx);

#endif
