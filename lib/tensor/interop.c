/* Tensors over other people's buffers, and ours for other people. */
#include "tensor/tensor.h"
#include <clgrad/opencl.h>

/* Kernels count a buffer's elements in 32 bits. */
#define REACH ((size_t)INT32_MAX + 1)

clg_tensor *clg_tensor_wrap(clg_context *ctx, cl_mem buffer, size_t offset, int ndim, const int64_t *shape) {
  if (!ctx || !buffer) return clg_null_object(ctx, "tensor_wrap");
  int64_t n = clg_shape_numel(ctx, ndim, shape, "tensor_wrap");
  if (n < 0) return NULL;
  size_t bytes = 0, first = offset / sizeof(float), size = (size_t)n * sizeof(float);
  if (first > REACH || (size_t)n > REACH - first)
    return clg_fail_object(ctx, CLG_ERR_SHAPE, "tensor_wrap",
                           "%lld elements from byte %zu reach beyond the first 2^31 of the buffer", (long long)n,
                           offset);
  if (ctx->queue) clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
  if (offset % sizeof(float) || offset > bytes || size > bytes - offset)
    return clg_fail_object(ctx, CLG_ERR_SHAPE, "tensor_wrap",
                           "the buffer has %zu bytes, and %zu from byte %zu (a multiple of 4) are asked for", bytes,
                           size, offset);
  clg_block *block = clg_block_wrap(ctx, buffer, bytes, "tensor_wrap");
  clg_storage *s = block ? clg_storage_slice(ctx, block, first, (size_t)n, CLG_ROLE_DATA) : NULL;
  clg_block_unref(block);
  clg_tensor *t = s ? clg_tensor_view(s, 0, ndim, shape, NULL) : NULL;
  clg_storage_unref(s);
  return t;
}

cl_mem clg_tensor_cl_mem(const clg_tensor *t, size_t *offset) {
  if (!t || !t->storage->block) return NULL;
  if (offset) *offset = clg_tensor_at(t) * sizeof(float);
  return clg_block_mem(t->storage->block);
}

void clg_tensor_mark_changed(clg_tensor *t) {
  if (t) clg_storage_changed(t->storage, "other OpenCL code");
}
