/* Tensors of what the host has, elements between host and device, in-place fills and copies, printing. */
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
  bool same =
      src->storage != dst->storage || (src->offset == dst->offset && clg_same_shape(src, dst) &&
                                       !memcmp(src->stride, dst->stride, (size_t)src->ndim * sizeof *src->stride));
  return same ? clg_tensor_ref(src) : copy_of(src, op);
}

clg_status clg_tensor_assign(clg_tensor *dst, const clg_tensor *src, const char *op) {
  const clg_tensor *in[] = {src};
  clg_map_builtin copy = dst->storage->dtype == CLG_I32 ? CLG_MAP_COPY_I32 : CLG_MAP_COPY;
  return clg_map_run(clg_maps_of(dst->ctx, copy), &dst, in, NULL, false, op);
}

/* Both dtypes have elements of four bytes. */
static clg_status read_into(const clg_tensor *t, void *out, clg_dtype dtype, bool wait, const char *op) {
  if (!t || !out) return clg_null(t ? t->ctx : NULL, op);
  if (!clg_tensor_holds(t, dtype, op)) return CLG_ERR_ARGUMENT;
  if (!t->numel) return CLG_OK;
  clg_tensor *p = clg_tensor_packed((clg_tensor *)t, op);
  if (!p) return clg_last_status(t->ctx);
  clg_status s = clg_block_read(p->storage->block, clg_tensor_at(p) * sizeof(float), (size_t)p->numel * sizeof(float),
                                out, wait, op);
  clg_tensor_unref(&p);
  return s;
}

clg_status clg_tensor_read(const clg_tensor *t, float *out) { return read_into(t, out, CLG_F32, true, "tensor_read"); }
clg_status clg_tensor_read_i32(const clg_tensor *t, int32_t *out) {
  return read_into(t, out, CLG_I32, true, "tensor_read_i32");
}
clg_status clg_tensor_read_async(const clg_tensor *t, float *out) {
  return read_into(t, out, CLG_F32, false, "tensor_read_async");
}

static clg_status write_from(clg_tensor *t, const void *data, clg_dtype dtype, bool keep, const char *op) {
  if (!t || !data) return clg_null(t ? t->ctx : NULL, op);
  if (!clg_tensor_holds(t, dtype, op)) return CLG_ERR_ARGUMENT;
  clg_status s = clg_tensor_changeable(t, op);
  if (s != CLG_OK || !t->numel) return s;
  clg_tensor *to = clg_tensor_is_contiguous(t) ? clg_tensor_ref(t) : clg_tensor_like(t, op);
  if (!to) return clg_last_status(t->ctx);
  s = clg_block_write(to->storage->block, clg_tensor_at(to) * sizeof(float), (size_t)t->numel * sizeof(float), data,
                      keep, op);
  if (s == CLG_OK && to != t) s = clg_tensor_assign(t, to, op);
  clg_tensor_unref(&to);
  clg_storage_changed(t->storage, op);
  return s;
}

clg_status clg_tensor_write(clg_tensor *t, const float *data) {
  return write_from(t, data, CLG_F32, false, "tensor_write");
}
clg_status clg_tensor_write_async(clg_tensor *t, const float *data) {
  return write_from(t, data, CLG_F32, true, "tensor_write_async");
}

static void remember_range(clg_storage *s, int64_t n, const int32_t *v) {
  s->ranged = n > 0;
  s->low = s->high = n ? v[0] : 0;
  for (int64_t i = 1; i < n; i++) {
    if (v[i] < s->low) s->low = v[i];
    if (v[i] > s->high) s->high = v[i];
  }
}

clg_status clg_tensor_write_i32(clg_tensor *t, const int32_t *data) {
  clg_status s = write_from(t, data, CLG_I32, false, "tensor_write_i32");
  if (s == CLG_OK && clg_tensor_is_contiguous(t) && (size_t)t->numel == t->storage->numel)
    remember_range(t->storage, t->numel, data);
  return s;
}

clg_tensor *clg_tensor_create_i32(clg_context *ctx, int ndim, const int64_t *shape, const int32_t *data) {
  clg_tensor *t = ctx ? clg_tensor_new_i32(ctx, ndim, shape, CLG_ROLE_DATA, "tensor_create_i32") : NULL;
  if (!t || !t->numel) return t;
  static const char op[] = "tensor_create_i32";
  const float zero = 0; /* all bits 0, as the integer's */
  clg_status s = CLG_OK;
  if (data) {
    s = clg_block_write(t->storage->block, 0, (size_t)t->numel * sizeof *data, data, false, op);
    remember_range(t->storage, t->numel, data);
  } else {
    s = clg_map_run(clg_maps_of(ctx, CLG_MAP_FILL), &t, NULL, &zero, false, op);
    remember_range(t->storage, 1, &(const int32_t){0});
  }
  if (s != CLG_OK) clg_tensor_unref(&t);
  return t;
}

float clg_tensor_item(const clg_tensor *t) {
  float v = NAN;
  if (!t) {
    clg_null(NULL, "tensor_item");
    return v;
  }
  if (t->numel != 1) {
    char text[CLG_SHAPE_TEXT];
    clg_fail(t->ctx, CLG_ERR_SHAPE, "tensor_item", "a tensor of shape %s has more or less than one element",
             clg_tensor_text(t, text));
    return v;
  }
  return clg_tensor_read(t, &v) == CLG_OK ? v : NAN;
}

clg_status clg_fill_(clg_tensor *t, float value) {
  if (!t) return clg_null(NULL, "fill_");
  if (!clg_tensor_holds(t, CLG_F32, "fill_")) return CLG_ERR_ARGUMENT;
  clg_status s = clg_tensor_changeable(t, "fill_");
  if (s == CLG_OK) s = clg_map_run(clg_maps_of(t->ctx, CLG_MAP_FILL), &t, NULL, &value, false, "fill_");
  if (s == CLG_OK) clg_storage_changed(t->storage, "fill_");
  return s;
}

clg_tensor *clg_tensor_create(clg_context *ctx, int ndim, const int64_t *shape, const float *data) {
  if (!ctx) return clg_null_object(NULL, "tensor_create");
  clg_tensor *t = clg_tensor_new(ctx, ndim, shape, CLG_ROLE_DATA, "tensor_create");
  if (!t || !t->numel) return t;
  clg_status s =
      data ? clg_block_write(t->storage->block, 0, (size_t)t->numel * sizeof *data, data, false, "tensor_create")
           : clg_fill_(t, 0);
  if (s != CLG_OK) clg_tensor_unref(&t);
  if (t) t->storage->version = 0;
  return t;
}

clg_status clg_copy_(clg_tensor *dst, const clg_tensor *src) {
  if (!dst) return clg_null(clg_tensor_context(src), "copy_");
  if (!src) return clg_null(dst->ctx, "copy_");
  if (src->ctx != dst->ctx) return clg_fail(dst->ctx, CLG_ERR_ARGUMENT, "copy_", "the source is of another context");
  if (!clg_tensor_holds(src, dst->storage->dtype, "copy_")) return CLG_ERR_ARGUMENT;
  clg_status s = clg_tensor_changeable(dst, "copy_");
  int ndim = dst->ndim;
  int64_t shape[CLG_MAX_DIMS];
  for (int i = 0; i < ndim; i++) shape[i] = dst->shape[i];
  bool fits = clg_broadcast(&ndim, shape, src) && ndim == dst->ndim;
  for (int i = 0; fits && i < ndim; i++) fits = shape[i] == dst->shape[i];
  if (s == CLG_OK && !fits) {
    char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
    s = clg_fail(dst->ctx, CLG_ERR_SHAPE, "copy_", "%s does not broadcast to %s", clg_tensor_text(src, a),
                 clg_tensor_text(dst, b));
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
  fprintf(to, "tensor %s\n", clg_tensor_text(t, text));
  if (!t->numel) return CLG_OK;
  bool ints = t->storage->dtype == CLG_I32;
  float *v = malloc((size_t)t->numel * sizeof *v);
  int32_t *i = (int32_t *)(void *)v;
  if (!v) return clg_fail(t->ctx, CLG_ERR_HOST_MEMORY, "tensor_print", "out of host memory");
  clg_status s = read_into(t, v, t->storage->dtype, true, "tensor_print");
  int64_t width = t->ndim ? t->shape[t->ndim - 1] : 1, rows = t->numel / width;
  for (int64_t r = 0; s == CLG_OK && r < rows && r < 6; r++) {
    for (int64_t c = 0; c < width && c < 6; c++) {
      if (ints)
        fprintf(to, " %11ld", (long)i[r * width + c]);
      else
        fprintf(to, " %11.5g", (double)v[r * width + c]);
    }
    fprintf(to, width > 6 ? " ...\n" : "\n");
  }
  if (s == CLG_OK && rows > 6) fprintf(to, " ...\n");
  free(v);
  return s;
}
