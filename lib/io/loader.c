/* Reads safetensors files: the header when opened, tensors when asked for. Owns the open file and its header. */
#include "io/loader.h"
#include "io/elements.h"
#include "tensor/tensor.h"
#include <clgrad/autograd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char op[] = "loader";

clg_loader *clg_loader_open(clg_context *ctx, const char *path) {
  if (!ctx) return NULL;
  clg_loader *l = calloc(1, sizeof *l);
  if (!l) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  clg_status s = clg_input_open(&l->in, ctx, op, path);
  if (s == CLG_OK) {
    s = clg_header_read(&l->header, &l->in);
    if (s != CLG_OK) clg_input_close(&l->in);
  }
  if (s != CLG_OK) {
    free(l);
    return NULL;
  }
  l->refs = 1;
  l->ctx = ctx;
  clg_context_hold(ctx);
  return l;
}

clg_loader *clg_loader_ref(clg_loader *l) {
  if (l) l->refs++;
  return l;
}

void clg_loader_unref(clg_loader **p) {
  if (!p || !*p) return;
  clg_loader *l = *p;
  *p = NULL;
  if (--l->refs) return;
  clg_context *ctx = l->ctx;
  clg_header_free(&l->header);
  clg_input_close(&l->in);
  free(l);
  clg_context_release(ctx);
}

size_t clg_loader_count(const clg_loader *l) { return l ? l->header.n : 0; }
const char *clg_loader_name(const clg_loader *l, size_t i) {
  return l && i < l->header.n ? l->header.entry[i].name : NULL;
}
bool clg_loader_has(const clg_loader *l, const char *name) { return l && name && clg_header_find(&l->header, name); }
const char *clg_loader_metadata(const clg_loader *l, const char *key) {
  return l && key ? clg_header_meta(&l->header, key) : NULL;
}

clg_tensor *clg_loader_load_tensor(clg_loader *l, const char *name) {
  if (!l) return NULL;
  char shown[CLG_SHOWN], dtype[CLG_SHOWN], shape[CLG_ENTRY_SHAPE];
  const clg_entry *e = name ? clg_header_find(&l->header, name) : NULL;
  if (!e)
    return clg_fail_object(l->ctx, CLG_ERR_ARGUMENT, op, CLG_PATH ": there is no tensor \"%s\"", l->in.path,
                           clg_shown(name ? name : "NULL", shown));
  clg_shown(name, shown);
  if (e->type != CLG_FILE_F32 && e->type != CLG_FILE_I32)
    return clg_fail_object(l->ctx, CLG_ERR_SHAPE, op, CLG_PATH ": \"%s\" is %s: only F32 and I32 can be loaded",
                           l->in.path, shown, clg_shown(e->dtype, dtype));
  if (e->ndim > CLG_MAX_DIMS || (e->end - e->begin) / 4 > INT32_MAX)
    return clg_fail_object(l->ctx, CLG_ERR_SHAPE, op,
                           CLG_PATH ": \"%s\" of shape %s has more than %d dimensions or 2^31 - 1 elements", l->in.path,
                           shown, clg_entry_shape(e, shape), CLG_MAX_DIMS);
  return clg_elements_load(&l->in, e->type, e->ndim, e->shape, e->begin);
}

clg_status clg_loader_number(const clg_loader *l, const clg_entry *e, uint64_t *bits) {
  unsigned char bytes[8];
  clg_status s = clg_input_read(&l->in, e->begin, bytes, sizeof bytes);
  if (s == CLG_OK) *bits = clg_little_get(bytes, 8);
  return s;
}

const char *clg_loader_misfit(const clg_entry *e, const clg_tensor *t, char buf[CLG_MISFIT]) {
  char there[CLG_ENTRY_SHAPE], here[CLG_SHAPE_TEXT], dtype[CLG_SHOWN];
  int type = clg_elements_type(t);
  if (e->type != type) {
    snprintf(buf, CLG_MISFIT, "is %s in the file, and must be %s", clg_shown(e->dtype, dtype),
             clg_file_type_name(type));
    return buf;
  }
  bool same = e->ndim == t->ndim;
  for (int d = 0; same && d < t->ndim; d++) same = e->shape[d] == t->shape[d];
  if (same) return NULL;
  snprintf(buf, CLG_MISFIT, "is %s in the file, %s here", clg_entry_shape(e, there), clg_tensor_text(t, here));
  return buf;
}

static clg_status write_all(const clg_transfer *t, size_t n, char *data) {
  clg_context *ctx = t->tensor->ctx;
  bool mode = clg_set_grad_mode(ctx, false);
  clg_status s = CLG_OK;
  for (size_t i = 0; s == CLG_OK && i < n; data += (size_t)t[i++].tensor->numel * 4) {
    clg_tensor *to = t[i].tensor;
    clg_little_words(data, (size_t)to->numel);
    s = clg_tensor_dtype(to) == CLG_I32 ? clg_tensor_write_i32(to, (const void *)data)
                                        : clg_tensor_write(to, (const void *)data);
  }
  clg_set_grad_mode(ctx, mode);
  return s;
}

clg_status clg_loader_transfer(const clg_loader *l, const clg_transfer *t, size_t n) {
  size_t bytes = 0;
  for (size_t i = 0; i < n; i++) bytes += (size_t)t[i].tensor->numel * 4;
  if (!bytes) return CLG_OK;
  char *data = malloc(bytes), *to = data;
  if (!data) return clg_fail(l->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  clg_status s = CLG_OK;
  for (size_t i = 0; s == CLG_OK && i < n; to += (size_t)t[i++].tensor->numel * 4)
    s = clg_input_read(&l->in, t[i].entry->begin, to, (size_t)t[i].tensor->numel * 4);
  if (s == CLG_OK) s = write_all(t, n, data);
  free(data);
  return s;
}
