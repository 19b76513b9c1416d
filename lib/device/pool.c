/* Buffers and their reuse. Owns every cl_mem that the context made, in use or cached.
 *
 * Sizes are rounded up to an eighth of a power of two, so that at most 12.5% is lost and freed buffers fit again. What
 * is taken from the cache follows from the order of requests alone: a plan, which has no cl_mem, reserves the same
 * bytes. */
#include "device/pool.h"
#include "device/books.h"
#include "device/queue.h"
#include <stdio.h>
#include <stdlib.h>

#define SMALLEST 256
#define CLASSES  (8 * 54 + 1)

struct clg_block {
  clg_context *ctx;
  clg_block *next; /* in the cache */
  clg_entry *entry;
  cl_mem mem;
  size_t bytes, capacity; /* capacity 0: somebody else's buffer */
  uint32_t refs;
};

struct clg_pool {
  uint64_t limit; /* 0: none */
  clg_block *cached[CLASSES];
};

clg_pool *clg_pool_create(uint64_t limit) {
  clg_pool *p = calloc(1, sizeof *p);
  if (p) p->limit = limit;
  return p;
}

/* ---- size classes ---- */

/* The class whose size is the smallest that holds `bytes`: class 0 is SMALLEST, then eight to a doubling. */
static int class_of(size_t bytes) {
  if (bytes <= SMALLEST) return 0;
  int octave = 0;
  size_t base = SMALLEST;
  while (bytes > 2 * base) base *= 2, octave++;
  return 8 * octave + (int)((bytes - base + base / 8 - 1) / (base / 8));
}

static size_t class_size(int c) { return ((size_t)SMALLEST << (c / 8)) / 8 * (size_t)(8 + c % 8); }

/* ---- making and releasing cl_mem ---- */

static void destroy(clg_block *b) {
  if (b->mem) clReleaseMemObject(b->mem);
  clg_books_reserved(b->ctx->books, -(int64_t)b->capacity);
  free(b);
}

static void empty(clg_context *ctx) {
  for (int c = 0; c < CLASSES; c++)
    for (clg_block *b; (b = ctx->pool->cached[c]);) {
      ctx->pool->cached[c] = b->next;
      destroy(b);
    }
}

void clg_pool_destroy(clg_context *ctx) {
  if (!ctx->pool) return;
  empty(ctx);
  free(ctx->pool);
  ctx->pool = NULL;
}

clg_status clg_memory_trim(clg_context *ctx) {
  if (!ctx) return CLG_ERR_ARGUMENT;
  clg_status s = clg_finish(ctx);
  empty(ctx);
  return s;
}

bool clg_pool_retry(clg_context *ctx, int code, const char *op) {
  if (!clg_cl_wants_memory(code)) return false;
  clg_log_line(ctx, "%s: %s: emptying the pool and trying once more", op ? op : "", clg_cl_name(code));
  empty(ctx);
  return clg_queue_drain(ctx, op) == CLG_OK;
}

static cl_int driver_alloc(clg_context *ctx, uint64_t flags, size_t capacity, void **mem) {
  *mem = NULL;
  uint64_t limit = ctx->pool->limit;
  if (limit && clg_memory(ctx).reserved + capacity > limit) return CL_MEM_OBJECT_ALLOCATION_FAILURE;
  if (!ctx->queue) return CL_SUCCESS;
  cl_int code = CL_SUCCESS;
  *mem = clCreateBuffer(ctx->queue->context, flags, capacity, NULL, &code);
  return code;
}

int clg_driver_alloc(clg_context *ctx, uint64_t flags, size_t bytes, void **mem, const char *op) {
  cl_int code = driver_alloc(ctx, flags, bytes, mem);
  if (code != CL_SUCCESS && clg_pool_retry(ctx, code, op)) code = driver_alloc(ctx, flags, bytes, mem);
  return code;
}

static const char *bytes_text(uint64_t bytes, char text[32]) {
  static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int u = 0;
  uint64_t tenths = bytes * 10;
  if (bytes >> 60) return "an absurd size";
  while (u < 4 && tenths >= 10240) tenths = (tenths + 512) / 1024, u++;
  if (u)
    snprintf(text, 32, "%llu.%llu %s", (unsigned long long)tenths / 10, (unsigned long long)tenths % 10, unit[u]);
  else
    snprintf(text, 32, "%llu B", (unsigned long long)bytes);
  return text;
}

/* What makes a tensor of this role smaller. */
static const char *advice(clg_role role) {
  switch (role) {
  case CLG_ROLE_PARAMETER:
  case CLG_ROLE_OPTIMIZER: return "use a smaller model";
  case CLG_ROLE_GRADIENT: return "use a smaller batch or model";
  case CLG_ROLE_DATA: return "use less data at a time";
  default: return "use a smaller batch";
  }
}

static void fail_full(clg_context *ctx, size_t bytes, clg_role role, const char *op) {
  char want[32], live[32], reserved[32], all[32];
  clg_memory_stats now = clg_memory(ctx);
  clg_fail(ctx, CLG_ERR_MEMORY, op, "the device has no memory for %s (live %s, reserved %s of %s): %s",
           bytes_text(bytes, want), bytes_text(now.live, live), bytes_text(now.reserved, reserved),
           bytes_text(ctx->pool->limit ? ctx->pool->limit : ctx->info.global_bytes, all), advice(role));
}

static clg_block *create(clg_context *ctx, size_t bytes, size_t capacity, clg_role role, const char *op) {
  clg_block *b = calloc(1, sizeof *b);
  if (!b) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  void *mem;
  cl_int code = clg_driver_alloc(ctx, CL_MEM_READ_WRITE, capacity, &mem, op);
  b->mem = mem;
  if (code == CL_SUCCESS) {
    b->ctx = ctx;
    b->capacity = capacity;
    clg_books_reserved(ctx->books, (int64_t)capacity);
    ctx->counters.pool_misses++;
    return b;
  }
  if (!ctx->lost) fail_full(ctx, bytes, role, op);
  free(b);
  return NULL;
}

/* A cached buffer of this class, or of one at most a quarter larger. */
static clg_block *take(clg_context *ctx, int class) {
  size_t most = class_size(class) + class_size(class) / 4;
  for (int c = class; c < CLASSES && class_size(c) <= most; c++) {
    clg_block *b = ctx->pool->cached[c];
    if (!b) continue;
    ctx->pool->cached[c] = b->next;
    ctx->counters.pool_hits++;
    return b;
  }
  return NULL;
}

/* Buffers cut down to the device's largest size fit no class and go back to the driver. */
static void give_back(clg_block *b) {
  int class = class_of(b->capacity);
  if (class_size(class) != b->capacity) {
    destroy(b);
    return;
  }
  b->next = b->ctx->pool->cached[class];
  b->ctx->pool->cached[class] = b;
}

/* ---- blocks ---- */

/* Also refuses sizes that no driver could serve, before the classes overflow. */
static bool too_large(clg_context *ctx, size_t bytes, clg_role role, const char *op) {
  uint64_t most = ctx->queue && ctx->info.max_alloc_bytes ? ctx->info.max_alloc_bytes : UINT64_C(1) << 60;
  if (bytes <= most) return false;
  char want[32], allowed[32];
  clg_fail(ctx, CLG_ERR_MEMORY, op, "one buffer of %s is more than the device allows (at most %s): %s",
           bytes_text(bytes, want), bytes_text(most, allowed), advice(role));
  return true;
}

static clg_block *begin(clg_block *b, size_t bytes, clg_role role, const char *op, const clg_extent *what) {
  b->entry = clg_books_add(b->ctx, bytes, role, op, what);
  if (!b->entry) return clg_fail_object(b->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  b->bytes = bytes;
  b->refs = 1;
  clg_context_hold(b->ctx);
  return b;
}

clg_block *clg_block_alloc_for(clg_context *ctx, size_t bytes, clg_role role, const char *op, const clg_extent *what) {
  if (clg_queue_usable(ctx, op) != CLG_OK || too_large(ctx, bytes, role, op)) return NULL;
  int class = class_of(bytes);
  size_t capacity = class_size(class);
  if (ctx->info.max_alloc_bytes && capacity > ctx->info.max_alloc_bytes) capacity = bytes;
  clg_block *b = capacity == class_size(class) ? take(ctx, class) : NULL;
  if (!b) b = create(ctx, bytes, capacity, role, op);
  if (!b || begin(b, bytes, role, op, what)) return b;
  give_back(b);
  return NULL;
}

clg_block *clg_block_alloc(clg_context *ctx, size_t bytes, clg_role role, const char *op) {
  return clg_block_alloc_for(ctx, bytes, role, op, NULL);
}

/* What kernels and transfers would stumble over later on, or not at all: what it is, or NULL. */
static const char *unfit(const clg_context *ctx, cl_mem mem) {
  cl_context context = NULL;
  cl_mem_object_type type = 0;
  if (clGetMemObjectInfo(mem, CL_MEM_CONTEXT, sizeof context, &context, NULL) != CL_SUCCESS ||
      clGetMemObjectInfo(mem, CL_MEM_TYPE, sizeof type, &type, NULL) != CL_SUCCESS)
    return "no memory object";
  if (context != ctx->queue->context) return "of another OpenCL context";
  if (type != CL_MEM_OBJECT_BUFFER) return "an image or pipe, no buffer";
  for (cl_mem at = mem; at;) { /* a sub-buffer, then what it is part of */
    cl_mem_flags flags = 0;
    cl_mem whole = NULL;
    clGetMemObjectInfo(at, CL_MEM_FLAGS, sizeof flags, &flags, NULL);
    clGetMemObjectInfo(at, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof whole, &whole, NULL);
    if (flags & (CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY)) return "read-only or write-only for kernels";
    if (flags & (CL_MEM_HOST_NO_ACCESS | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY))
      return "closed to the host, for reading or for writing";
    at = whole;
  }
  return NULL;
}

clg_block *clg_block_wrap(clg_context *ctx, void *cl_mem_handle, size_t bytes, const char *op) {
  const char *problem = ctx->queue ? unfit(ctx, cl_mem_handle) : NULL;
  if (problem)
    return clg_fail_object(
        ctx, CLG_ERR_ARGUMENT, op,
        "the buffer is %s: it must be a CL_MEM_READ_WRITE buffer of this context that the host may read and write",
        problem);
  clg_block *b = calloc(1, sizeof *b);
  if (!b) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  b->ctx = ctx;
  cl_int code = clRetainMemObject(cl_mem_handle);
  if (code == CL_SUCCESS)
    b->mem = cl_mem_handle;
  else
    clg_cl_fail(ctx, op, "clRetainMemObject", code);
  if (b->mem && begin(b, bytes, CLG_ROLE_DATA, op, NULL)) return b;
  destroy(b);
  return NULL;
}

clg_block *clg_block_ref(clg_block *b) {
  b->refs++;
  return b;
}

void clg_block_unref(clg_block *b) {
  if (!b || --b->refs) return;
  clg_context *ctx = b->ctx;
  clg_books_remove(ctx, b->entry);
  b->entry = NULL;
  if (b->capacity)
    give_back(b);
  else
    destroy(b);
  clg_context_release(ctx);
}

clg_context *clg_block_context(const clg_block *b) { return b->ctx; }
size_t clg_block_bytes(const clg_block *b) { return b->bytes; }
void *clg_block_mem(const clg_block *b) { return b->mem; }
void clg_block_set_role(clg_block *b, clg_role role) { clg_books_set_role(b->ctx, b->entry, role); }
