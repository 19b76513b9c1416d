/* Views, and what copies elements to other places. */
#include "op_table.h"

static void reshaped(const op_attrs *a, const op_array *in, op_array *out) {
  int64_t known = 1, n = array_count(in);
  *out = *in;
  array_shape(out, a->ndim, a->shape);
  for (int d = 0; d < a->ndim; d++) known *= a->shape[d] < 0 ? 1 : a->shape[d];
  for (int d = 0; d < a->ndim; d++)
    if (a->shape[d] < 0) out->dim[d] = n / known;
}
/* out[i] = x at index order^-1 of i: dimension d of out is dimension order[d] of x. */
static void permuted(const op_attrs *a, const op_array *in, op_array *out) {
  out->ndim = in->ndim;
  for (int d = 0; d < in->ndim; d++) out->dim[d] = in->dim[a->dim[d]];
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t to[OP_DIMS], from[OP_DIMS];
    array_unravel(out, i, to);
    for (int d = 0; d < in->ndim; d++) from[a->dim[d]] = to[d];
    out->v[i] = array_get(in, from);
  }
}
static void transposed(const op_attrs *a, const op_array *in, op_array *out) {
  op_attrs order = {.dims = in->ndim};
  for (int d = 0; d < in->ndim; d++) order.dim[d] = d;
  int first = (a->dim[0] + in->ndim) % in->ndim, second = (a->dim[1] + in->ndim) % in->ndim;
  order.dim[first] = second, order.dim[second] = first;
  permuted(&order, in, out);
}
/* out[.., i, ..] = x[.., start + i*step, ..] for i < n */
static void taken(const op_array *in, int dim, int64_t start, int64_t step, int64_t n, op_array *out) {
  dim = (dim + in->ndim) % in->ndim;
  array_shape(out, in->ndim, in->dim);
  out->dim[dim] = n;
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t index[OP_DIMS];
    array_unravel(out, i, index);
    index[dim] = start + index[dim] * step;
    out->v[i] = array_get(in, index);
  }
}
static void narrowed(const op_attrs *a, const op_array *in, op_array *out) {
  taken(in, a->dim[0], a->start, 1, a->length, out);
}
static void sliced(const op_attrs *a, const op_array *in, op_array *out) {
  int64_t n = in->dim[(a->dim[0] + in->ndim) % in->ndim], step = a->step ? a->step : 1;
  int64_t start = a->start < 0 ? a->start + n : a->start, stop = a->stop < 0 ? a->stop + n : a->stop;
  if (stop > n) stop = n;
  taken(in, a->dim[0], start, step, (stop - start + step - 1) / step, out);
}
static void one_part(const op_attrs *a, const op_array *in, int64_t size, op_array *out) {
  int64_t n = in->dim[a->dim[0]], start = a->part * size;
  taken(in, a->dim[0], start, 1, start + size < n ? size : n - start, out);
}
static void part_of_size(const op_attrs *a, const op_array *in, op_array *out) { one_part(a, in, a->length, out); }
static void part_of_number(const op_attrs *a, const op_array *in, op_array *out) {
  one_part(a, in, (in->dim[a->dim[0]] + a->length - 1) / a->length, out);
}
static void part_alone(const op_attrs *a, const op_array *in, op_array *out) {
  one_part(a, in, 1, out);
  for (int d = a->dim[0]; d < in->ndim - 1; d++) out->dim[d] = out->dim[d + 1];
  out->ndim--;
}
static void expanded(const op_attrs *a, const op_array *in, op_array *out) {
  array_shape(out, a->ndim, a->shape);
  for (int d = 0; d < a->ndim; d++)
    if (a->shape[d] < 0) out->dim[d] = in->dim[d - a->ndim + in->ndim];
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t index[OP_DIMS];
    array_unravel(out, i, index);
    out->v[i] = array_broadcast(in, out->ndim, index);
  }
}
static void padded(const op_attrs *a, const op_array *in, op_array *out) {
  const int dim = a->dim[0];
  array_shape(out, in->ndim, in->dim);
  out->dim[dim] += a->start + a->stop;
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t index[OP_DIMS];
    array_unravel(out, i, index);
    index[dim] -= a->start;
    out->v[i] = index[dim] >= 0 && index[dim] < in->dim[dim] ? array_get(in, index) : a->value;
  }
}
/* Around `dim` by `by` places towards its end. */
static void shifted(op_array *x, int dim, int64_t by) {
  static op_array from;
  from = *x;
  for (int64_t i = 0; i < array_count(x); i++) {
    int64_t index[OP_DIMS] = {0};
    array_unravel(x, i, index);
    index[dim] = ((index[dim] + by) % x->dim[dim] + x->dim[dim]) % x->dim[dim];
    *array_at(x, index) = from.v[i];
  }
}
/* shape[k] is the shift along dim[k]; dims 0: over all elements. */
static void rolled(const op_attrs *a, const op_array *in, op_array *out) {
  *out = *in;
  if (!a->dims) array_shape(out, 1, (int64_t[]){array_count(in)});
  for (int k = 0; k < (a->dims ? a->dims : 1); k++) shifted(out, a->dims ? a->dim[k] : 0, a->shape[k]);
  array_shape(out, in->ndim, in->dim);
}
static void flipped(const op_attrs *a, const op_array *in, op_array *out) {
  array_shape(out, in->ndim, in->dim);
  for (int64_t i = 0; i < array_count(in); i++) {
    int64_t index[OP_DIMS] = {0};
    array_unravel(in, i, index);
    for (int k = 0; k < a->dims; k++) index[a->dim[k]] = in->dim[a->dim[k]] - 1 - index[a->dim[k]];
    *array_at(out, index) = in->v[i];
  }
}
static void triangle(const op_attrs *a, const op_array *in, op_array *out, bool lower) {
  array_shape(out, in->ndim, in->dim);
  for (int64_t i = 0; i < array_count(in); i++) {
    const int64_t columns = in->dim[in->ndim - 1], rows = in->dim[in->ndim - 2];
    const int64_t above = i % columns - i / columns % rows;
    out->v[i] = (lower ? above <= a->start : above >= a->start) ? in->v[i] : 0;
  }
}
static void below(const op_attrs *a, const op_array *in, op_array *out) { triangle(a, in, out, true); }
static void above(const op_attrs *a, const op_array *in, op_array *out) { triangle(a, in, out, false); }

static void same(const op_attrs *a, const op_array *in, op_array *out) { (void)a, *out = *in; }

/* Operand k's elements at `at`, `at` + 1, .. of dimension `dim`. */
static void put(const op_array *x, int dim, int64_t at, op_array *out) {
  for (int64_t i = 0; i < array_count(x); i++) {
    int64_t index[OP_DIMS] = {0};
    array_unravel(x, i, index);
    index[dim] += at;
    *array_at(out, index) = x->v[i];
  }
}
static void joined(const op_attrs *a, const op_array *in, op_array *out) {
  const int dim = (a->dim[0] + in->ndim) % in->ndim;
  array_shape(out, in->ndim, in->dim);
  out->dim[dim] = 0;
  for (int k = 0; k < OP_INPUTS && in[k].ndim >= 0; k++) out->dim[dim] += in[k].dim[dim];
  for (int64_t k = 0, at = 0; k < OP_INPUTS && in[k].ndim >= 0; at += in[k++].dim[dim]) put(&in[k], dim, at, out);
}
static void stacked(const op_attrs *a, const op_array *in, op_array *out) {
  static op_array wide[OP_INPUTS];
  op_attrs along = {.dim = {(a->dim[0] + in->ndim + 1) % (in->ndim + 1)}};
  for (int k = 0; k < OP_INPUTS; k++) {
    wide[k] = in[k];
    if (in[k].ndim < 0) continue;
    wide[k].ndim++;
    for (int d = wide[k].ndim - 1; d > along.dim[0]; d--) wide[k].dim[d] = in[k].dim[d - 1];
    wide[k].dim[along.dim[0]] = 1;
  }
  joined(&along, wide, out);
}

/* Part k of the n that are in `parts`. */
static clg_tensor *parts[64];
static clg_tensor *part(int n, int k) { return k < n ? parts[k] : NULL; }
enum { PARTS = sizeof parts / sizeof *parts };

#define MOVES .linear = true
OP(reshape, clg_reshape(x, a->ndim, a->shape), .whole = reshaped, MOVES)
OP(transpose, clg_transpose(x, a->dim[0], a->dim[1]), .whole = transposed, MOVES)
OP(permute, clg_permute(x, a->dim, clg_tensor_ndim(x)), .whole = permuted, MOVES)
OP(narrow, clg_narrow(x, a->dim[0], a->start, a->length), .whole = narrowed, MOVES)
OP(slice, clg_slice(x, a->dim[0], a->start, a->stop, a->step ? a->step : 1), .whole = sliced, MOVES)
OP(split, part(clg_split(x, a->dim[0], a->length, parts, PARTS), a->part), .whole = part_of_size, MOVES)
OP(chunk, part(clg_chunk(x, a->dim[0], a->length, parts, PARTS), a->part), .whole = part_of_number, MOVES)
OP(unbind, part(clg_unbind(x, a->dim[0], parts, PARTS), a->part), .whole = part_alone, MOVES)
OP(expand, clg_expand(x, a->ndim, a->shape), .whole = expanded, MOVES, .sums = true)
OP(pad, clg_pad(x, a->dim[0], a->start, a->stop, a->value), .whole = padded, MOVES)
OP(contiguous, clg_contiguous(x), .whole = same, MOVES)
OP(flip, clg_flip(x, a->dim, a->dims), .whole = flipped, MOVES)
OP(roll, clg_roll(x, a->shape, a->dim, a->dims), .whole = rolled, MOVES)
OP(tril, clg_tril(x, a->start), .whole = below, MOVES)
OP(triu, clg_triu(x, a->start), .whole = above, MOVES)
OP(cat, clg_cat(c->in, c->n_in, a->dim[0]), .whole = joined, MOVES)
OP(stack, clg_stack(c->in, c->n_in, a->dim[0]), .whole = stacked, MOVES)

/* ---- rows ---- */

#define TO(...) .ndim = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .shape = {__VA_ARGS__}
static const op_case cases[] = {
    {&op_reshape, NULL, {S(3, 5)}, -1, 1, {TO(-1)}},
    {&op_reshape, "of more dimensions", {S(6, 4)}, -1, 1, {TO(2, -1, 4)}},
    {&op_transpose, NULL, {S(3, 5, 2)}, -1, 1, {.dim = {0, -1}}},
    {&op_permute, NULL, {S(2, 4, 2, 3)}, -1, 1, {.dim = {3, 0, 2, 1}}},
    {&op_narrow, NULL, {S(3, 5)}, -1, 1, {.dim = {0}, .start = 1, .length = 2}},
    {&op_slice, NULL, {S(3, 8)}, -1, 1, {.dim = {1}, .start = 1, .stop = -1, .step = 2}},
    {&op_slice, "to the end", {S(5, 3)}, -1, 1, {.dim = {0}, .stop = 99, .step = 2}},
    {&op_split, NULL, {S(6, 4)}, -1, 1, {.dim = {0}, .length = 4, .part = 1}},
    {&op_chunk, NULL, {S(3, 5)}, -1, 1, {.dim = {1}, .length = 2, .part = 1}},
    {&op_unbind, NULL, {S(3, 5, 2)}, -1, 1, {.dim = {1}, .part = 3}},
    {&op_expand, NULL, {S(1, 5)}, -1, 1, {TO(2, 4, -1)}},
    {&op_pad, NULL, {S(3, 5)}, -1, 1, {.dim = {1}, .start = 1, .stop = 2, .value = 0.5f}},
    {&op_contiguous, NULL, {S(3, 5)}, -1, 1},
    {&op_flip, NULL, {S(2, 3, 5)}, -1, 1, {.dims = 2, .dim = {0, 2}}},
    {&op_roll, NULL, {S(2, 3, 5)}, -1, 1, {.dims = 2, .dim = {1, 2}, .shape = {2, -1}}},
    {&op_roll, "of all", {S(3, 5)}, -1, 1, {.shape = {3}}},
    {&op_tril, NULL, {S(2, 4, 3)}, -1, 1, {.start = 1}},
    {&op_tril, "below the diagonal", {S(3, 5)}, -1, 1, {.start = -1}},
    {&op_triu, NULL, {S(3, 5)}, -1, 1, {.start = -1}},
    {&op_triu, "above the diagonal", {S(2, 4, 3)}, -1, 1, {.start = 1}},
    {&op_cat, NULL, {S(3, 2, 2), S(3, 5, 2)}, -1, 1, {.dim = {1}}},
    {&op_cat, "of three", {S(3, 5), S(3, 5), S(3, 2)}, -1, 1, {.dim = {-1}}},
    {&op_stack, NULL, {S(3, 5), S(3, 5), S(3, 5)}, -1, 1, {.dim = {1}}},
};
const op_list shape_cases = OP_LIST(cases);
