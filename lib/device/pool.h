/* Device memory: refcounted blocks, each one cl_mem (or, in a plan, nothing), reused by size class once freed. Every
 * block is in the books (memory.h) with role, phase and op.
 *
 * Live counts requested bytes, reserved the size of the cl_mem. Freed buffers are reused at once: the queue is in
 * order. When the driver has no memory left, at allocation or at an enqueue, the pool is emptied, the queue drained,
 * and the call retried once. */
#ifndef CLG_DEVICE_POOL_H
#define CLG_DEVICE_POOL_H

#include "base/context.h"

typedef struct clg_block clg_block;

/* The tensor that a block is made for, which the books remember. */
typedef struct clg_extent {
  clg_dtype dtype;
  int ndim;
  const int64_t *shape;
} clg_extent;

/* A block of `bytes` (> 0), one reference; contents undefined. NULL with the context's error (op, bytes, what is live,
 * what to do). Holds the context. `op` must be static or outlive the context. */
clg_block *clg_block_alloc(clg_context *ctx, size_t bytes, clg_role role, const char *op);
/* The same for a tensor. */
clg_block *clg_block_alloc_for(clg_context *ctx, size_t bytes, clg_role role, const char *op, const clg_extent *what);
/* A block over somebody else's cl_mem (a void * here so that no OpenCL header is needed), retained; counted as live
 * data, not as reserved. */
clg_block *clg_block_wrap(clg_context *ctx, void *cl_mem_handle, size_t bytes, const char *op);
clg_block *clg_block_ref(clg_block *b);
void clg_block_unref(clg_block *b); /* takes NULL */
size_t clg_block_bytes(const clg_block *b);
void *clg_block_mem(const clg_block *b); /* the cl_mem; NULL in a plan */

/* An activation becomes saved and back. Keeps the books, the peak's too. */
void clg_block_set_role(clg_block *b, clg_role role);

/* Distinct storages held by the graph: adds (or with a negative number takes away) bytes to `saved`. Kept apart from
 * the roles, since a saved slice of a block counts its own bytes. */
void clg_books_saved(clg_context *ctx, int64_t bytes);

/* Transfers, offsets in bytes. Non-blocking ones are safe for `clg_finish` later; write copies from `host` before it
 * returns unless `keep` (then host must stay as it is until the next wait). None of them waits except read with `wait`.
 */
clg_status clg_block_write(clg_block *b, size_t offset, size_t bytes, const void *host, bool keep, const char *op);
clg_status clg_block_read(clg_block *b, size_t offset, size_t bytes, void *host, bool wait, const char *op);

/* Private to the device room, and to what calls drivers above it. */
clg_pool *clg_pool_create(uint64_t limit);
void clg_pool_destroy(clg_context *ctx);
clg_context *clg_block_context(const clg_block *b);
/* A cl_mem of the driver's within the context's limit, or NULL in a plan; not in the books. For want of memory it is
 * tried twice, as clg_pool_retry says. Returns OpenCL's code. */
int clg_driver_alloc(clg_context *ctx, uint64_t flags, size_t bytes, void **mem, const char *op);
/* After a failed call (an OpenCL error): true when it was for want of memory and the pool is now empty and the queue
 * drained, so that the call is worth one more try. */
bool clg_pool_retry(clg_context *ctx, int code, const char *op);

#endif
