/* A tensor as its parts along a dimension: views. */
#include "graph/graph.h"
#include <clgrad/ops.h>
#include <string.h>

/* Room for n parts; -1 with the error set. */
static int room(clg_tensor *x, int64_t n, clg_tensor **out, size_t max, const char *op) {
  if (n && !out) {
    clg_null(x->ctx, op);
    return -1;
  }
  if ((uint64_t)n > max) {
    clg_fail(x->ctx, CLG_ERR_ARGUMENT, op, "there are %lld parts, and room for %zu", (long long)n, max);
    return -1;
  }
  for (int64_t i = 0; i < n; i++) out[i] = NULL;
  return (int)n;
}

/* The first n parts of `size`, as far as x goes. */
static int parts(clg_tensor *x, int d, int64_t size, int64_t n, clg_tensor **out, size_t max, const char *op) {
  int count = room(x, n, out, max, op);
  for (int i = 0; i < count; i++) {
    int64_t at = i * size, left = x->shape[d] - at;
    out[i] = clg_narrow(x, d, at, left < size ? left : size);
    if (!out[i]) return -1;
  }
  return count;
}

int clg_split(clg_tensor *x, int dim, int64_t size, clg_tensor **out, size_t max) {
  static const char op[] = "split";
  int d = clg_inputs_here(&x, 1, op) ? clg_dim_of(x->ctx, dim, x->ndim, op) : -1;
  if (d < 0) return -1;
  if (size < 1) {
    clg_fail(x->ctx, CLG_ERR_ARGUMENT, op, "parts of %lld: it must be 1 or more", (long long)size);
    return -1;
  }
  int64_t n = x->shape[d];
  return parts(x, d, size, n ? (n - 1) / size + 1 : 1, out, max, op);
}

int clg_chunk(clg_tensor *x, int dim, int64_t chunks, clg_tensor **out, size_t max) {
  static const char op[] = "chunk";
  int d = clg_inputs_here(&x, 1, op) ? clg_dim_of(x->ctx, dim, x->ndim, op) : -1;
  if (d < 0) return -1;
  if (chunks < 1) {
    clg_fail(x->ctx, CLG_ERR_ARGUMENT, op, "%lld chunks: it must be 1 or more", (long long)chunks);
    return -1;
  }
  int64_t n = x->shape[d], size = n ? (n - 1) / chunks + 1 : 0;
  return parts(x, d, size, n ? (n - 1) / size + 1 : chunks, out, max, op);
}

int clg_unbind(clg_tensor *x, int dim, clg_tensor **out, size_t max) {
  static const char op[] = "unbind";
  int d = clg_inputs_here(&x, 1, op) ? clg_dim_of(x->ctx, dim, x->ndim, op) : -1;
  int count = d < 0 ? -1 : room(x, x->shape[d], out, max, op);
  int64_t shape[CLG_MAX_DIMS];
  for (int k = 0; count > 0 && k < x->ndim - 1; k++) shape[k] = x->shape[k + (k >= d)];
  for (int i = 0; i < count; i++) {
    clg_scope *scope = clg_scope_open(x->ctx);
    out[i] = clg_scope_close_with(scope, clg_reshape(clg_narrow(x, d, i, 1), x->ndim - 1, shape));
    if (!out[i]) return -1;
  }
  return count;
}
