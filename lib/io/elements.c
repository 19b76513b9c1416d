/* Moves the elements of float32 and int32 tensors to and from files. */
#include "io/elements.h"
#include "tensor/tensor.h"
#include <stdlib.h>

int clg_elements_type(const clg_tensor *t) { return clg_tensor_dtype(t) == CLG_I32 ? CLG_FILE_I32 : CLG_FILE_F32; }

clg_status clg_elements_append(const clg_tensor *t, clg_output *out, void **buffer, size_t *room) {
  size_t n = (size_t)clg_tensor_numel(t), bytes = n * 4;
  if (!n) return CLG_OK;
  if (bytes > *room) {
    void *more = realloc(*buffer, bytes);
    if (!more) return clg_fail(out->ctx, CLG_ERR_HOST_MEMORY, out->op, "out of host memory");
    *buffer = more;
    *room = bytes;
  }
  clg_status s = clg_tensor_dtype(t) == CLG_I32 ? clg_tensor_read_i32(t, *buffer) : clg_tensor_read(t, *buffer);
  clg_little_words(*buffer, n);
  return s == CLG_OK ? clg_output_write(out, *buffer, bytes) : s;
}

clg_tensor *clg_elements_load(const clg_input *in, int type, int ndim, const int64_t *shape, uint64_t at) {
  int64_t n = clg_shape_numel(in->ctx, ndim, shape, in->op);
  if (n < 0) return NULL;
  void *data = malloc(n ? (size_t)n * 4 : 1);
  if (!data) return clg_fail_object(in->ctx, CLG_ERR_HOST_MEMORY, in->op, "out of host memory");
  clg_tensor *t = NULL;
  if (clg_input_read(in, at, data, (size_t)n * 4) == CLG_OK) {
    clg_little_words(data, (size_t)n);
    t = type == CLG_FILE_I32 ? clg_tensor_create_i32(in->ctx, ndim, shape, data)
                             : clg_tensor_create(in->ctx, ndim, shape, data);
  }
  free(data);
  return t;
}
