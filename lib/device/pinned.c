/* Host memory of the driver's own: a buffer that stays mapped. */
#include "device/books.h"
#include "device/pool.h"
#include "device/profile.h"
#include "device/queue.h"
#include <stdlib.h>

#define ALIGN 64

static const char op[] = "pinned_create";

struct clg_pinned {
  uint32_t refs;
  clg_context *ctx;
  cl_mem mem; /* NULL in a plan, */
  void *own;  /* whose memory this is */
  void *data;
  size_t bytes;
};

static bool map(clg_pinned *p) {
  clg_context *ctx = p->ctx;
  cl_int code;
  clg_count_wait(ctx);
  p->data = clEnqueueMapBuffer(ctx->queue->queue, p->mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, p->bytes, 0, NULL,
                               NULL, &code);
  if (code == CL_SUCCESS) return true;
  clg_work_fail(ctx, op, "clEnqueueMapBuffer", code);
  return false;
}

/* A plan's, too, for programs write to it; of no driver. */
static bool allocate(clg_pinned *p) {
  clg_context *ctx = p->ctx;
  void *mem;
  cl_int code = clg_driver_alloc(ctx, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, p->bytes, &mem, op);
  if (code != CL_SUCCESS) {
    if (!ctx->lost) clg_work_fail(ctx, op, "clCreateBuffer", code);
    return false;
  }
  p->mem = mem;
  if (p->mem && map(p)) return true;
  if (p->mem) {
    clReleaseMemObject(p->mem);
    return false;
  }
  p->own = malloc(p->bytes + ALIGN);
  p->data = (void *)(((uintptr_t)p->own + ALIGN) / ALIGN * ALIGN);
  return p->own || clg_refuse(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
}

clg_pinned *clg_pinned_create(clg_context *ctx, size_t bytes) {
  if (!ctx) return clg_null_object(NULL, op);
  if (!bytes) return clg_fail_object(ctx, CLG_ERR_ARGUMENT, op, "no bytes were asked for");
  if (clg_queue_usable(ctx, op) != CLG_OK) return NULL;
  clg_pinned *p = malloc(sizeof *p);
  if (!p) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  *p = (clg_pinned){.refs = 1, .ctx = ctx, .bytes = bytes};
  if (!allocate(p)) {
    free(p);
    return NULL;
  }
  clg_books_reserved(ctx->books, (int64_t)bytes);
  clg_context_hold(ctx);
  return p;
}

clg_pinned *clg_pinned_ref(clg_pinned *p) {
  if (p) p->refs++;
  return p;
}

/* The queue is in order: what it still copies, it has copied before it unmaps. */
void clg_pinned_unref(clg_pinned **pinned) {
  if (!pinned || !*pinned) return;
  clg_pinned *p = *pinned;
  *pinned = NULL;
  if (--p->refs) return;
  clg_context *ctx = p->ctx;
  if (p->mem) {
    clEnqueueUnmapMemObject(ctx->queue->queue, p->mem, p->data, 0, NULL, NULL);
    clReleaseMemObject(p->mem);
  } else {
    free(p->own);
  }
  clg_books_reserved(ctx->books, -(int64_t)p->bytes);
  free(p);
  clg_context_release(ctx);
}

void *clg_pinned_data(const clg_pinned *p) { return p ? p->data : NULL; }
