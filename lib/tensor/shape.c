/* Shape arithmetic: counts, broadcasting, dimension numbers, text. */
#include "tensor/tensor.h"
#include <inttypes.h>
#include <string.h>

bool clg_same_shape(const clg_tensor *a, const clg_tensor *b) {
  return a->ndim == b->ndim && !memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof a->shape[0]);
}

const char *clg_shape_text(int ndim, const int64_t *shape, char buf[CLG_SHAPE_TEXT]) {
  size_t at = 0;
  buf[at++] = '[';
  for (int i = 0; i < ndim && at < CLG_SHAPE_TEXT - 24; i++)
    at += (size_t)snprintf(buf + at, CLG_SHAPE_TEXT - at, i ? ",%" PRId64 : "%" PRId64, shape[i]);
  buf[at++] = ']';
  buf[at] = 0;
  return buf;
}

const char *clg_tensor_text(const clg_tensor *t, char buf[CLG_SHAPE_TEXT]) {
  return t ? clg_shape_text(t->ndim, t->shape, buf) : "none";
}

int clg_dim_of(clg_context *ctx, int dim, int ndim, const char *op) {
  int d = dim < 0 ? dim + ndim : dim;
  if (d >= 0 && d < ndim) return d;
  clg_fail(ctx, CLG_ERR_SHAPE, op, "dimension %d is out of range for %d dimensions", dim, ndim);
  return -1;
}

int64_t clg_shape_numel(clg_context *ctx, int ndim, const int64_t *shape, const char *op) {
  char text[CLG_SHAPE_TEXT];
  if (ndim < 0 || ndim > CLG_MAX_DIMS || (ndim && !shape)) {
    clg_fail(ctx, CLG_ERR_SHAPE, op, "%d dimensions, but a tensor has 0 to %d", ndim, CLG_MAX_DIMS);
    return -1;
  }
  /* The non-zero sizes are multiplied first, so that a zero cannot hide an overflow of the strides. */
  int64_t n = 1;
  bool empty = false;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] < 0) {
      clg_fail(ctx, CLG_ERR_SHAPE, op, "shape %s has a negative size", clg_shape_text(ndim, shape, text));
      return -1;
    }
    if (shape[i] == 0) {
      empty = true;
    } else if (shape[i] > INT32_MAX / n) {
      clg_fail(ctx, CLG_ERR_SHAPE, op, "shape %s has 2^31 elements or more", clg_shape_text(ndim, shape, text));
      return -1;
    } else {
      n *= shape[i];
    }
  }
  return empty ? 0 : n;
}

bool clg_broadcast(int *ndim, int64_t *shape, const clg_tensor *t) {
  int n = *ndim > t->ndim ? *ndim : t->ndim;
  int64_t out[CLG_MAX_DIMS];
  for (int i = 1; i <= n; i++) {
    int64_t a = i <= *ndim ? shape[*ndim - i] : 1;
    int64_t b = i <= t->ndim ? t->shape[t->ndim - i] : 1;
    if (a != b && a != 1 && b != 1) return false;
    out[n - i] = a == 1 ? b : a;
  }
  *ndim = n;
  memcpy(shape, out, (size_t)n * sizeof *out);
  return true;
}

uint32_t clg_stretched(int ndim, const int64_t *shape, int in_ndim, const int64_t *in_shape) {
  uint32_t mask = 0;
  int lead = ndim - in_ndim;
  for (int d = 0; d < ndim; d++)
    if (d < lead || (in_shape[d - lead] == 1 && shape[d] != 1)) mask |= 1u << d;
  return mask;
}
