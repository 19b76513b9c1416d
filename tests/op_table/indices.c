/* Ops that read by int32 indices. One out of range reads as zero. */
#include "op_table.h"

static void gathered(const op_attrs *a, const op_array *in, op_array *out) {
  const op_array *x = &in[0], *at = &in[1];
  const int dim = (a->dim[0] + x->ndim) % x->ndim;
  array_shape(out, at->ndim, at->dim);
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t index[OP_DIMS];
    array_unravel(out, i, index);
    index[dim] = (int64_t)at->v[i];
    out->v[i] = array_get(x, index);
  }
}
static void selected(const op_attrs *a, const op_array *in, op_array *out) {
  const op_array *x = &in[0], *at = &in[1];
  const int dim = (a->dim[0] + x->ndim) % x->ndim;
  array_shape(out, x->ndim, x->dim);
  out->dim[dim] = at->dim[0];
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t index[OP_DIMS];
    array_unravel(out, i, index);
    index[dim] = (int64_t)at->v[index[dim]];
    out->v[i] = array_get(x, index);
  }
}
static void rows_of(const op_attrs *a, const op_array *in, op_array *out) {
  const op_array *w = &in[0], *at = &in[1];
  const int64_t width = w->dim[1];
  (void)a;
  array_shape(out, at->ndim, at->dim);
  out->dim[out->ndim++] = width;
  for (int64_t i = 0; i < array_count(out); i++) out->v[i] = w->v[(int64_t)at->v[i / width] * width + i % width];
}
static void one_hot_of(const op_attrs *a, const op_array *in, op_array *out) {
  const int64_t classes = a->length;
  array_shape(out, in->ndim, in->dim);
  out->dim[out->ndim++] = classes;
  for (int64_t i = 0; i < array_count(out); i++) out->v[i] = (int64_t)in->v[i / classes] == i % classes;
}
static void same_numbers(const op_attrs *a, const op_array *in, op_array *out) { (void)a, *out = in[0]; }

enum { SECOND = 2 };
#define INDEXED .least = 2, .integers = SECOND, .linear = true, .sums = true
OP(gather, clg_gather(x, a->dim[0], o), .whole = gathered, INDEXED)
OP(index_select, clg_index_select(x, a->dim[0], o), .whole = selected, INDEXED)
OP(embedding, clg_embedding(x, o, a->padding_row - 1), .whole = rows_of, INDEXED)
/* The row that pads has no gradient. */
OP(embedding_padded, clg_embedding(x, o, a->padding_row - 1), .whole = rows_of, INDEXED, .detached = true)
OP(one_hot, clg_one_hot(x, a->length), .whole = one_hot_of, .integers = 1, .detached = true)
OP(to_float, clg_to_float(x), .whole = same_numbers, .integers = 1, .detached = true)

/* ---- rows ---- */

static const op_case cases[] = {
    {&op_gather, NULL, {S(3, 5), S(2, 6)}, -1, 1, {.dim = {1}}, .below = 5},
    {&op_gather, "along the first", {S(5, 3, 3), S(2, 3, 2)}, -1, 1, {.dim = {0}}, .below = 5},
    {&op_index_select, NULL, {S(2, 5, 3), S(12)}, -1, 1, {.dim = {1}}, .below = 5},
    {&op_embedding, NULL, {S(5, 3), S(2, 3)}, -1, 1, .below = 5},
    {&op_embedding, "of few", {S(9, 3), S(4)}, -1, 1, .below = 5},
    {&op_embedding_padded, NULL, {S(5, 3), S(2, 3)}, -1, 1, {.padding_row = 5}, .below = 5},
    {&op_one_hot, NULL, {S(2, 3)}, 0, 0, {.length = 5}, .below = 5},
    {&op_one_hot, "of one", {SCALAR}, 0, 0, {.length = 3}, .below = 3},
    {&op_to_float, NULL, {S(4, 5)}, 0, 0, .below = 1000},
};
const op_list index_cases = OP_LIST(cases);
