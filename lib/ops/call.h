/* Argument lists for kernels over tensors: each is its buffer and the offset of its first element. */
#ifndef CLG_OPS_CALL_H
#define CLG_OPS_CALL_H

#include "device/launch.h"
#include "tensor/tensor.h"

enum { CLG_CALL_ARGS = 32 };
typedef struct clg_call {
  clg_arg arg[CLG_CALL_ARGS];
  int n;
} clg_call;

static inline void clg_call_u32(clg_call *c, int64_t v) { c->arg[c->n++] = clg_arg_u32((uint32_t)v); }
static inline void clg_call_i32(clg_call *c, int32_t v) { c->arg[c->n++] = clg_arg_i32(v); }
static inline void clg_call_f32(clg_call *c, float v) { c->arg[c->n++] = clg_arg_f32(v); }
static inline void clg_call_f32x2(clg_call *c, const float v[2]) { c->arg[c->n++] = clg_arg_f32x2(v); }
/* `spare` stands in for a tensor that is absent and that the kernel will not touch. */
static inline void clg_call_tensor(clg_call *c, const clg_tensor *t, const clg_tensor *spare) {
  if (!t || !t->storage->block) t = spare;
  c->arg[c->n++] = clg_arg_block(t->storage->block);
  c->arg[c->n++] = clg_arg_u32((uint32_t)clg_tensor_at(t));
}

/* One item an element of `n`, or of [n, m]. */
static inline clg_status clg_call_items(clg_context *ctx, const clg_call *c, const char *file, const char *kernel,
                                        int64_t n, int64_t m, const char *op) {
  const size_t global[3] = {(size_t)n, (size_t)m, 1};
  return clg_launch(ctx, clg_kernel_get(ctx, file, NULL, kernel), op, c->arg, c->n, global, NULL);
}
/* A work-group of WG for each of n, or of [n, m]; `prelude` may be NULL. */
static inline clg_status clg_call_groups_of(clg_context *ctx, const clg_call *c, const char *file, const char *prelude,
                                            const char *kernel, int64_t n, int64_t m, const char *op) {
  const size_t groups[3] = {(size_t)n, (size_t)m, 1};
  return clg_launch_groups(ctx, clg_kernel_get(ctx, file, prelude, kernel), op, c->arg, c->n, groups);
}
static inline clg_status clg_call_groups(clg_context *ctx, const clg_call *c, const char *file, const char *kernel,
                                         int64_t n, int64_t m, const char *op) {
  return clg_call_groups_of(ctx, c, file, NULL, kernel, n, m, op);
}

/* An item for each of n, or on a CPU for `piece` of them. */
static inline clg_status clg_call_pieces(clg_context *ctx, const clg_call *c, const char *file, const char *kernel,
                                         int64_t n, int64_t piece, const char *op) {
  return ctx->shape == CLG_SHAPE_CPU ? clg_call_groups(ctx, c, file, kernel, (n + piece - 1) / piece, 1, op)
                                     : clg_call_items(ctx, c, file, kernel, n, 1, op);
}

/* A contiguous tensor seen as [outer, n, inner] around one of its dimensions. */
typedef struct clg_around {
  int64_t outer, n, inner;
} clg_around;
static inline clg_around clg_around_of(int ndim, const int64_t *shape, int dim) {
  clg_around a = {1, shape[dim], 1};
  for (int d = 0; d < dim; d++) a.outer *= shape[d];
  for (int d = dim + 1; d < ndim; d++) a.inner *= shape[d];
  return a;
}

#endif
