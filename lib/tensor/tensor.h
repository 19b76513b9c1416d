/* Inside of tensors: storages, shapes, and makers that know nothing of scopes or graphs. */
#ifndef CLG_TENSOR_TENSOR_H
#define CLG_TENSOR_TENSOR_H

#include "device/pool.h"
#include <clgrad/tensor.h>

/* Elements on the device: a slice of a block, with its own version counter. Views and detached tensors share it. */
typedef struct clg_storage {
  uint32_t refs;
  uint32_t saved; /* how often the graph holds it */
  clg_context *ctx;
  clg_block *block; /* NULL when empty */
  size_t offset;    /* of the first element, in elements of the block */
  size_t numel;
  uint32_t version;
  const char *changed_by; /* op of the last in-place change, or that made it; NULL: a slice */
  clg_role role;          /* as made; the block says SAVED while the graph holds an activation */
  clg_dtype dtype;
  bool ranged;       /* int32 that came from the host and was not changed since: */
  int32_t low, high; /* its least and largest element */
} clg_storage;

struct clg_autograd; /* the graph room's part of a tensor */

struct clg_tensor {
  uint32_t refs;
  int ndim;
  clg_context *ctx;
  clg_storage *storage;
  size_t offset; /* of element 0, in elements of the storage */
  int64_t numel;
  int64_t shape[CLG_MAX_DIMS], stride[CLG_MAX_DIMS];
  bool requires_grad;                       /* a leaf that asked for it, or any result that has a graph */
  bool has_graph;                           /* not a leaf */
  struct clg_autograd *grad;                /* gradient, hooks, producer; NULL: none of them */
  void (*grad_finish)(struct clg_tensor *); /* frees them; set with `grad` */
};

clg_storage *clg_storage_create(clg_context *ctx, size_t numel, clg_role role, const char *op, const clg_extent *what);
/* A slice of a block that exists (referenced). */
clg_storage *clg_storage_slice(clg_context *ctx, clg_block *block, size_t offset, size_t numel, clg_role role);
clg_storage *clg_storage_ref(clg_storage *s);
void clg_storage_unref(clg_storage *s);
/* The graph takes and gives up hold of a storage: keeps roles and the saved count. */
void clg_storage_save(clg_storage *s);
void clg_storage_unsave(clg_storage *s);
/* Whether it counts while the graph holds it. */
bool clg_storage_counts_as_saved(const clg_storage *s);
/* It is trained from now on: counted as a parameter. */
void clg_storage_trained(clg_storage *s);
/* An in-place change by `op`. */
static inline void clg_storage_changed(clg_storage *s, const char *op) {
  s->version++, s->changed_by = op, s->ranged = false;
}

/* Results of ops: activations, or gradients during backward. */
static inline clg_role clg_result_role(const clg_context *ctx) { return ctx->result_role; }
/* A new contiguous tensor with undefined elements; one reference, in no scope. Checks the shape. */
clg_tensor *clg_tensor_make(clg_context *ctx, const clg_extent *what, clg_role role, const char *op);
clg_tensor *clg_tensor_new(clg_context *ctx, int ndim, const int64_t *shape, clg_role role, const char *op);
clg_tensor *clg_tensor_new_i32(clg_context *ctx, int ndim, const int64_t *shape, clg_role role, const char *op);
/* Of t's shape and dtype. */
static inline clg_tensor *clg_tensor_like(const clg_tensor *t, const char *op) {
  return clg_tensor_make(t->ctx, &(clg_extent){t->storage->dtype, t->ndim, t->shape}, clg_result_role(t->ctx), op);
}
/* A tensor over a storage (referenced). `stride` NULL: contiguous. */
clg_tensor *clg_tensor_view(clg_storage *s, size_t offset, int ndim, const int64_t *shape, const int64_t *stride);
/* Whether elements follow each other in memory, the last dimension's closest. */
bool clg_is_contiguous(int ndim, const int64_t *shape, const int64_t *stride);
/* A contiguous tensor of t's elements: t itself with one more reference, or a copy. */
clg_tensor *clg_tensor_packed(clg_tensor *t, const char *op);
/* src for an in-place change of dst: src itself with one more reference, or a copy where it is another view of the same
 * storage, which the kernel would read while it writes. */
clg_tensor *clg_tensor_apart(clg_tensor *src, const clg_tensor *dst, const char *op);
/* dst = src, element by element; dst of any strides, src broadcasts. Does not touch the version. */
clg_status clg_tensor_assign(clg_tensor *dst, const clg_tensor *src, const char *op);

/* False, with an error that names `op`, unless t is of the dtype. */
bool clg_tensor_holds(const clg_tensor *t, clg_dtype dtype, const char *op);
/* An in-place change by `op` is allowed: t has no graph and does not require grad, or grad mode is off. */
clg_status clg_tensor_changeable(const clg_tensor *t, const char *op);

/* First element within the block. */
static inline size_t clg_tensor_at(const clg_tensor *t) { return t->storage->offset + t->offset; }
bool clg_same_shape(const clg_tensor *a, const clg_tensor *b);
/* Writes "[128,1,28,28]"; returns buf. */
#define CLG_SHAPE_TEXT 128
const char *clg_shape_text(int ndim, const int64_t *shape, char buf[CLG_SHAPE_TEXT]);
/* The same of a tensor; of NULL "none". */
const char *clg_tensor_text(const clg_tensor *t, char buf[CLG_SHAPE_TEXT]);
/* -1 counts from the end. Negative result: out of range, and the error is set. */
int clg_dim_of(clg_context *ctx, int dim, int ndim, const char *op);
/* The number of elements, or -1 with the error set: too many dimensions, negative sizes, 2^31 elements and more. */
int64_t clg_shape_numel(clg_context *ctx, int ndim, const int64_t *shape, const char *op);
/* Broadcasts `shape` of rank *ndim with t's shape. False if they do not fit. */
bool clg_broadcast(int *ndim, int64_t *shape, const clg_tensor *t);
/* The dimensions of `shape` along which `in_shape` was stretched by broadcasting. */
uint32_t clg_stretched(int ndim, const int64_t *shape, int in_ndim, const int64_t *in_shape);

#endif
