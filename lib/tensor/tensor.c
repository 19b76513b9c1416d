/* Tensor handles: references, getters. Elements move in transfer.c. */
#include "tensor/tensor.h"
#include <stdlib.h>
#include <string.h>

static void set_contiguous(clg_tensor *t) {
  int64_t step = 1;
  for (int i = t->ndim; i-- > 0; step *= t->shape[i] ? t->shape[i] : 1) t->stride[i] = step;
}

clg_tensor *clg_tensor_view(clg_storage *s, size_t offset, int ndim, const int64_t *shape, const int64_t *stride) {
  clg_tensor *t = malloc(sizeof *t);
  if (!t) return clg_fail_object(s->ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  t->refs = 1;
  t->ndim = ndim;
  t->ctx = s->ctx;
  t->ctx->tensors++;
  t->storage = clg_storage_ref(s);
  t->offset = offset;
  t->requires_grad = t->has_graph = false;
  t->grad = NULL;
  t->grad_finish = NULL;
  t->numel = 1;
  for (int i = 0; i < ndim; i++) t->numel *= t->shape[i] = shape[i];
  if (stride) {
    memcpy(t->stride, stride, (size_t)ndim * sizeof *stride);
  } else {
    set_contiguous(t);
  }
  return t;
}

clg_tensor *clg_tensor_make(clg_context *ctx, const clg_extent *what, clg_role role, const char *op) {
  int64_t n = clg_shape_numel(ctx, what->ndim, what->shape, op);
  if (n < 0) return NULL;
  clg_storage *s = clg_storage_create(ctx, (size_t)n, role, op, what);
  if (!s) return NULL;
  clg_tensor *t = clg_tensor_view(s, 0, what->ndim, what->shape, NULL);
  clg_storage_unref(s);
  return t;
}

clg_tensor *clg_tensor_new(clg_context *ctx, int ndim, const int64_t *shape, clg_role role, const char *op) {
  return clg_tensor_make(ctx, &(clg_extent){CLG_F32, ndim, shape}, role, op);
}

clg_tensor *clg_tensor_new_i32(clg_context *ctx, int ndim, const int64_t *shape, clg_role role, const char *op) {
  return clg_tensor_make(ctx, &(clg_extent){CLG_I32, ndim, shape}, role, op);
}

bool clg_tensor_holds(const clg_tensor *t, clg_dtype dtype, const char *op) {
  if (t->storage->dtype == dtype) return true;
  return clg_refuse(t->ctx, CLG_ERR_ARGUMENT, op,
                    dtype == CLG_F32
                        ? "takes float32, not int32: int32 tensors are labels and indices (clg_to_float converts)"
                        : "takes int32, not float32: make labels and indices with clg_tensor_create_i32");
}

clg_tensor *clg_tensor_ref(clg_tensor *t) {
  if (t) t->refs++;
  return t;
}

void clg_tensor_unref(clg_tensor **p) {
  if (!p || !*p) return;
  clg_tensor *t = *p;
  *p = NULL;
  if (--t->refs) return;
  if (t->grad) t->grad_finish(t);
  t->ctx->tensors--;
  clg_storage_unref(t->storage);
  free(t);
}

clg_context *clg_tensor_context(const clg_tensor *t) { return t ? t->ctx : NULL; }
clg_dtype clg_tensor_dtype(const clg_tensor *t) { return t ? t->storage->dtype : CLG_F32; }
int clg_tensor_ndim(const clg_tensor *t) { return t ? t->ndim : 0; }
const int64_t *clg_tensor_shape(const clg_tensor *t) { return t ? t->shape : NULL; }
const int64_t *clg_tensor_strides(const clg_tensor *t) { return t ? t->stride : NULL; }
int64_t clg_tensor_numel(const clg_tensor *t) { return t ? t->numel : 0; }
uint32_t clg_tensor_version(const clg_tensor *t) { return t ? t->storage->version : 0; }

int64_t clg_tensor_dim(const clg_tensor *t, int dim) {
  if (!t) return -1;
  int d = dim < 0 ? dim + t->ndim : dim;
  return d < 0 || d >= t->ndim ? -1 : t->shape[d];
}

bool clg_is_contiguous(int ndim, const int64_t *shape, const int64_t *stride) {
  int64_t step = 1;
  for (int i = ndim; i-- > 0; step *= shape[i])
    if (shape[i] != 1 && stride[i] != step) return false;
  return true;
}

bool clg_tensor_is_contiguous(const clg_tensor *t) {
  return t && (clg_is_contiguous(t->ndim, t->shape, t->stride) || t->numel == 0);
}

bool clg_tensor_shares_storage(const clg_tensor *a, const clg_tensor *b) { return a && b && a->storage == b->storage; }

clg_status clg_tensor_changeable(const clg_tensor *t, const char *op) {
  for (int i = 0; i < t->ndim; i++)
    if (t->stride[i] == 0 && t->shape[i] > 1)
      return clg_fail(t->ctx, CLG_ERR_ARGUMENT, op,
                      "an expanded tensor cannot be changed in place, since several of its elements are one: use "
                      "clg_contiguous");
  if (t->ctx->no_grad || !t->requires_grad) return CLG_OK;
  if (!t->has_graph)
    return clg_fail(t->ctx, CLG_ERR_GRAPH, op,
                    "a leaf that requires grad cannot be changed in place in grad mode: switch it "
                    "off with clg_set_grad_mode(ctx, false)");
  return clg_fail(t->ctx, CLG_ERR_GRAPH, op,
                  "a tensor that has a graph cannot be changed in place in grad mode: use an op "
                  "that returns a new tensor, or clg_detach");
}
