/* Operands of the op table in memory: the same elements one behind the other, or as views whose elements lie apart. */
#ifndef CLG_TESTS_OP_LAYOUT_H
#define CLG_TESTS_OP_LAYOUT_H

#include "harness.h"
#include "op_table/op_table.h"
#include <math.h>

typedef enum layout { FLAT, STEPPED, TRANSPOSED, EXPANDED, OFFSET, LAYOUTS } layout;
static const char *const layout_name[] = {"", " (stepped)", " (transposed)", " (expanded)", " (offset)"};

/* What holds the elements of a view: its dimensions, and where element `index` of the view lies in it. */
static inline void base_shape(const op_array *x, layout how, op_array *base) {
  const int last = x->ndim - 1;
  array_shape(base, x->ndim, x->dim);
  if (how == TRANSPOSED && x->ndim == 1) base->ndim = 2, base->dim[1] = 3;
  if (how == TRANSPOSED && x->ndim > 1) base->dim[last] = x->dim[last - 1], base->dim[last - 1] = x->dim[last];
  if (how == EXPANDED) base->dim[0] = 1;
  if (how == STEPPED || (how == EXPANDED && last > 0)) base->dim[last] = 2 * x->dim[last] + 1;
  if (how == OFFSET) base->dim[last] += 3;
}
static inline void base_index(const op_array *x, layout how, int64_t *index) {
  const int last = x->ndim - 1;
  int64_t n = index[last];
  if (how == TRANSPOSED && x->ndim == 1) index[1] = 1;
  if (how == TRANSPOSED && x->ndim > 1) index[last] = index[last - 1], index[last - 1] = n;
  if (how == EXPANDED) index[0] = 0;
  if (how == STEPPED || (how == EXPANDED && last > 0)) index[last] = 2 * n + 1;
  if (how == OFFSET) index[last]++;
}
static inline clg_tensor *view_of(const op_array *x, layout how, clg_tensor *base) {
  const int last = x->ndim - 1;
  if (how == TRANSPOSED && x->ndim == 1) return clg_reshape(clg_narrow(base, 1, 1, 1), 1, x->dim);
  if (how == TRANSPOSED) return clg_transpose(base, -1, -2);
  if (how == OFFSET) return clg_narrow(base, last, 1, x->dim[last]);
  clg_tensor *t = base;
  if (how == STEPPED || (how == EXPANDED && last > 0)) t = clg_slice(base, last, 1, 2 * x->dim[last] + 1, 2);
  return how == EXPANDED ? clg_expand(t, x->ndim, x->dim) : t;
}

/* x's elements as a view; `base` is yours. Between them lies what nobody may read. */
static inline clg_tensor *operand(clg_context *ctx, const op_array *x, bool integers, layout how, clg_tensor **base) {
  static op_array b;
  static float v[4 * OP_MOST];
  static int32_t k[4 * OP_MOST];
  if (!x->ndim) how = FLAT;
  base_shape(x, how, &b);
  for (int64_t i = 0; i < array_count(&b); i++) v[i] = NAN, k[i] = 0;
  for (int64_t i = 0; i < array_count(x); i++) {
    int64_t index[OP_DIMS], at = 0;
    array_unravel(x, i, index);
    if (how != FLAT) base_index(x, how, index);
    for (int d = 0; d < b.ndim; d++) at = at * b.dim[d] + index[d];
    v[at] = (float)x->v[i], k[at] = (int32_t)x->v[i];
  }
  *base = integers ? clg_tensor_create_i32(ctx, b.ndim, b.dim, k) : clg_tensor_create(ctx, b.ndim, b.dim, v);
  return how == FLAT ? *base : view_of(x, how, *base);
}

/* The elements that x has when it is EXPANDED: those of index 0 along the first dimension. */
static inline void stretch(op_array *x) {
  int64_t n = array_count(x), inner = x->ndim ? n / x->dim[0] : n;
  for (int64_t i = inner; i < n; i++) x->v[i] = x->v[i - inner];
}

#endif
