/* Reads and writes of blocks. */
#include "device/pool.h"
#include "device/queue.h"
#include <stdlib.h>
#include <string.h>

/* More copies than this wait for the device first. */
#define STAGED_MOST ((size_t)64 << 20)

static clg_status check(clg_context *ctx, size_t size, size_t offset, size_t bytes, const void *host, const char *op) {
  clg_status s = clg_queue_usable(ctx, op);
  if (s != CLG_OK) return s;
  if (!host) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "no host memory was given");
  if (offset > size || bytes > size - offset)
    return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "%zu bytes at %zu do not lie in a block of %zu", bytes, offset, size);
  return CLG_OK;
}

static clg_status sent(clg_context *ctx, const char *op, const char *what, cl_int code) {
  if (ctx->lost) return CLG_ERR_LOST;
  if (code != CL_SUCCESS) return clg_work_fail(ctx, op, what, code);
  clg_queue_sent(ctx->queue);
  return CLG_OK;
}

static clg_status write_now(clg_context *ctx, cl_mem mem, size_t offset, size_t bytes, const void *host,
                            const char *op) {
  cl_command_queue q = ctx->queue->queue;
  cl_int code = clEnqueueWriteBuffer(q, mem, CL_FALSE, offset, bytes, host, 0, NULL, NULL);
  if (code != CL_SUCCESS && clg_pool_retry(ctx, code, op))
    code = clEnqueueWriteBuffer(q, mem, CL_FALSE, offset, bytes, host, 0, NULL, NULL);
  return sent(ctx, op, "clEnqueueWriteBuffer", code);
}

/* The copy joins the list only when the write is queued: a wait on the way (retry) frees the list. */
static clg_status write_copy(clg_context *ctx, cl_mem mem, size_t offset, size_t bytes, const void *host,
                             const char *op) {
  clg_queue *q = ctx->queue;
  if (q->staged_bytes + bytes > STAGED_MOST && q->staged) {
    clg_status s = clg_finish(ctx);
    if (s != CLG_OK) return s;
  }
  clg_staged *copy = malloc(sizeof *copy + bytes);
  if (!copy) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory for a copy of %zu bytes", bytes);
  memcpy(copy->data, host, bytes);
  clg_status s = write_now(ctx, mem, offset, bytes, copy->data, op);
  if (s != CLG_OK) {
    free(copy);
    return s;
  }
  copy->next = q->staged;
  q->staged = copy;
  q->staged_bytes += bytes;
  return CLG_OK;
}

clg_status clg_block_write(clg_block *b, size_t offset, size_t bytes, const void *host, bool keep, const char *op) {
  clg_context *ctx = clg_block_context(b);
  clg_status s = check(ctx, clg_block_bytes(b), offset, bytes, host, op);
  if (s != CLG_OK || !bytes || !ctx->queue) return s;
  cl_mem mem = clg_block_mem(b);
  if (keep) return write_now(ctx, mem, offset, bytes, host, op);
  if (bytes <= STAGED_MOST) return write_copy(ctx, mem, offset, bytes, host, op);
  s = write_now(ctx, mem, offset, bytes, host, op);
  return s == CLG_OK ? clg_finish(ctx) : s;
}

clg_status clg_block_read(clg_block *b, size_t offset, size_t bytes, void *host, bool wait, const char *op) {
  clg_context *ctx = clg_block_context(b);
  clg_status s = check(ctx, clg_block_bytes(b), offset, bytes, host, op);
  if (s != CLG_OK || !bytes) return s;
  if (!ctx->queue) {
    memset(host, 0, bytes);
    return wait ? clg_finish(ctx) : CLG_OK;
  }
  cl_command_queue q = ctx->queue->queue;
  cl_mem mem = clg_block_mem(b);
  cl_int code = clEnqueueReadBuffer(q, mem, CL_FALSE, offset, bytes, host, 0, NULL, NULL);
  if (code != CL_SUCCESS && clg_pool_retry(ctx, code, op))
    code = clEnqueueReadBuffer(q, mem, CL_FALSE, offset, bytes, host, 0, NULL, NULL);
  s = sent(ctx, op, "clEnqueueReadBuffer", code);
  return s == CLG_OK && wait ? clg_finish(ctx) : s;
}
