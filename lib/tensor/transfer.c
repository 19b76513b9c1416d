/* Elements between host and device, in-place fills and copies, printing. */
#include "tensor/map.h"
#include "tensor/tensor.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static clg_tensor *copy_of(const clg_tensor *t, const char *op) {
  clg_tensor *copy = clg_tensor_like(t, op);
  if (copy && clg_tensor_assign(copy, t, op) != CLG_OK) clg_tensor_unref(&copy);
  return copy;
}

clg_tensor *clg_tensor_packed(clg_tensor *t, const char *op) {
  if (clg_tensor_is_contiguous(t)) return clg_tensor_ref(t);
  return copy_of(t, op);
}

clg_tensor *clg_tensor_apart(clg_tensor *src, const clg_tensor *dst, const char *op) {
  bool same = src->storage != dst->storage || (src->offset == dst->offset && clg_same_shape(src, dst) &&
                                               !memcmp(src->stride, dst->stride, (size_t)src->ndim * sizeof *src->stride));
  return same ? clg_tensor_ref(src) : copy_of(src, op);
}

clg_status clg_tensor_assign(clg_tensor *dst, const clg_tensor *src, const char *op) {
  const clg_tensor *in[] = {src};
  return clg_map_run(clg_maps_of(dst->ctx, CLG_MAP_COPY), &dst, in, NULL, false, op);
}

static clg_status read_into(const clg_tensor *t, float *out, bool wait, const char *op) {
  if (!t || !out) return CLG_ERR_ARGUMENT;
  if (!t->numel) return CLG_OK;
  clg_tensor *p = clg_tensor_packed((clg_tensor *)t, op);
  if (!p) return clg_last_status(t->ctx);
  clg_status s = clg_block_read(p->storage->block, clg_tensor_at(p) * sizeof *out, (size_t)p->numel * sizeof *out, out, wait,
                                op);
  clg_tensor_unref(&p);
  return s;
}

clg_status clg_tensor_read(const clg_tensor *t, float *out) { return read_into(t, out, true, "tensor_read"); }
clg_status clg_tensor_read_async(const clg_tensor *t, float *out) { return read_into(t, out, false, "tensor_read_async"); }

static clg_status write_from(clg_tensor *t, const float *data, bool keep, const char *op) {
  if (!t || !data) return CLG_ERR_ARGUMENT;
  clg_status s = clg_tensor_changeable(t, op);
  if (s != CLG_OK || !t->numel) return s;
  clg_tensor *to = clg_tensor_is_contiguous(t) ? clg_tensor_ref(t) : clg_tensor_like(t, op);
  if (!to) return clg_last_status(t->ctx);
  s = clg_block_write(to->storage->block, clg_tensor_at(to) * sizeof *data, (size_t)t->numel * sizeof *data, data, keep, op);
  if (s == CLG_OK && to != t) s = clg_tensor_assign(t, to, op);
  clg_tensor_unref(&to);
  clg_storage_changed(t->storage, op);
  return s;
}

clg_status clg_tensor_write(clg_tensor *t, const float *data) { return write_from(t, data, false, "tensor_write"); }
clg_status clg_tensor_write_async(clg_tensor *t, const float *data) { return write_from(t, data, true, "tensor_write_async"); }

float clg_tensor_item(const clg_tensor *t) {
  float v = NAN;
  if (!t) return v;
  if (t->numel != 1) {
    char text[CLG_SHAPE_TEXT];
    clg_fail(t->ctx, CLG_ERR_SHAPE, "tensor_item", "a tensor of shape %s has more or less than one element",
             clg_shape_text(t->ndim, t->shape, text));
    return v;
  }
  return clg_tensor_read(t, &v) == CLG_OK ? v : NAN;
}

clg_status clg_fill_(clg_tensor *t, float value) {
  if (!t) return CLG_ERR_ARGUMENT;
  clg_status s = clg_tensor_changeable(t, "fill_");
  if (s == CLG_OK) s = clg_map_run(clg_maps_of(t->ctx, CLG_MAP_FILL), &t, NULL, &value, false, "fill_");
  if (s == CLG_OK) clg_storage_changed(t->storage, "fill_");
  return s;
}

clg_status clg_copy_(clg_tensor *dst, const clg_tensor *src) {
  if (!dst || !src) return CLG_ERR_ARGUMENT;
  clg_status s = clg_tensor_changeable(dst, "copy_");
  int ndim = dst->ndim;
  int64_t shape[CLG_MAX_DIMS];
  for (int i = 0; i < ndim; i++) shape[i] = dst->shape[i];
  bool fits = clg_broadcast(&ndim, shape, src) && ndim == dst->ndim;
  for (int i = 0; fits && i < ndim; i++) fits = shape[i] == dst->shape[i];
  if (s == CLG_OK && !fits) {
    char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
    s = clg_fail(dst->ctx, CLG_ERR_SHAPE, "copy_", "%s does not broadcast to %s", clg_shape_text(src->ndim, src->shape, a),
                 clg_shape_text(dst->ndim, dst->shape, b));
  }
  clg_tensor *from = s == CLG_OK ? clg_tensor_apart((clg_tensor *)src, dst, "copy_") : NULL;
  if (s == CLG_OK) s = from ? clg_tensor_assign(dst, from, "copy_") : clg_last_status(dst->ctx);
  clg_tensor_unref(&from);
  if (s == CLG_OK) clg_storage_changed(dst->storage, "copy_");
  return s;
}

clg_status clg_tensor_print(const clg_tensor *t, FILE *to) {
  if (!t || !to) return CLG_ERR_ARGUMENT;
  char text[CLG_SHAPE_TEXT];
  fprintf(to, "tensor %s\n", clg_shape_text(t->ndim, t->shape, text));
  if (!t->numel) return CLG_OK;
  float *v = malloc((size_t)t->numel * sizeof *v);
  if (!v) return clg_fail(t->ctx, CLG_ERR_HOST_MEMORY, "tensor_print", "out of host memory");
  clg_status s = clg_tensor_read(t, v);
  int64_t width = t->ndim ? t->shape[t->ndim - 1] : 1, rows = t->numel / width;
  for (int64_t r = 0; s == CLG_OK && r < rows && r < 6; r++) {
    for (int64_t c = 0; c < width && c < 6; c++) fprintf(to, " %11.5g", (double)v[r * width + c]);
    fprintf(to, width > 6 ? " ...\n" : "\n");
  }
  if (s == CLG_OK && rows > 6) fprintf(to, " ...\n");
  free(v);
  return s;
}
