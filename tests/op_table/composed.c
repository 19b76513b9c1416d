/* Compositions whose graphs are worth a row: one tensor several times, detached, through several views. */
#include "op_table.h"
#include <math.h>

EACH(mul_self, clg_mul(x, x), x *x, .reads = 1)
EACH(thrice, clg_mul(x, clg_add(x, x)), 2 * x * x, .reads = 1)
EACH(fanout, clg_add(clg_add(clg_mul(x, x), clg_exp(x)), x), x *x + exp(x) + x, .reads = 1)
EACH(detach_mul, clg_mul(x, clg_detach(clg_mul_scalar(x, 2))), 2 * x * x, .detached = true)
EACH(detach_partial, clg_mul(clg_detach(clg_mul(x, o)), o), x *o *o, .least = 2, .detached = true)

static void twice(const op_attrs *a, const op_array *in, op_array *out) {
  const int dim = (a->dim[0] + in->ndim) % in->ndim;
  array_shape(out, in->ndim, in->dim);
  out->dim[dim] *= 2;
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t index[OP_DIMS];
    array_unravel(out, i, index);
    index[dim] %= in->dim[dim];
    out->v[i] = array_get(in, index);
  }
}
OP(cat_same, clg_cat((clg_tensor *[]){x, x}, 2, a->dim[0]), .whole = twice, .linear = true)

static double greatest(const op_attrs *a, const double *x, int n) {
  double most = x[0];
  (void)a;
  for (int i = 1; i < n; i++) most = fmax(most, x[i]);
  return most;
}
OP(max_all, clg_amax(x, NULL, 0, false), .over = greatest, .linear = true, .sums = true, .ranks = true)

/* x [k,n,m] -> 2 x [m, kn without the last], turned */
static clg_tensor *chained(clg_tensor *x) {
  const int64_t *s = clg_tensor_shape(x), kn = s[0] * s[1];
  clg_tensor *y = clg_reshape(clg_permute(x, (int[]){2, 0, 1}, 3), 2, (int64_t[]){s[2], kn});
  return clg_mul_scalar(clg_transpose(clg_narrow(y, 1, 1, kn - 1), 0, 1), 2);
}
static void chain(const op_attrs *a, const op_array *in, op_array *out) {
  const int64_t m = in->dim[2], kn = in->dim[0] * in->dim[1];
  (void)a;
  array_shape(out, 2, (int64_t[]){kn - 1, m});
  for (int64_t i = 0; i < (kn - 1) * m; i++) out->v[i] = 2 * in->v[i + m];
}
OP(chain_shape, chained(x), .whole = chain, .linear = true)

static void turned(const op_attrs *a, const op_array *in, op_array *out) {
  (void)a;
  array_shape(out, 2, (int64_t[]){in->dim[1], in->dim[0]});
  for (int64_t i = 0; i < array_count(in); i++) out->v[i % in->dim[1] * in->dim[0] + i / in->dim[1]] = in->v[i];
}
static void every_other(const op_attrs *a, const op_array *in, op_array *out) {
  const int64_t n = in->dim[1], half = n / 2;
  (void)a;
  array_shape(out, 2, (int64_t[]){in->dim[0], half});
  for (int64_t i = 0; i < in->dim[0] * half; i++) out->v[i] = in->v[i / half * n + 2 * (i % half) + 1];
}
OP(copy_transposed, clg_contiguous(clg_transpose(x, 0, 1)), .whole = turned, .linear = true)
OP(copy_slice, clg_contiguous(clg_slice(x, 1, 1, INT64_MAX, 2)), .whole = every_other, .linear = true)

static const op_case cases[] = {
    {&op_mul_self, NULL, {S(3, 5)}, -1, 1},
    {&op_thrice, NULL, {S(3, 5)}, -1, 1},
    {&op_fanout, NULL, {S(3, 5)}, -1, 1},
    {&op_detach_mul, NULL, {S(3, 5)}, -1, 1},
    {&op_detach_partial, NULL, {S(3, 5), S(5)}, -1, 1},
    {&op_cat_same, NULL, {S(3, 5)}, -1, 1, {.dim = {-1}}},
    {&op_max_all, NULL, {S(3, 5)}, -1, 1},
    {&op_copy_transposed, NULL, {S(3, 5)}, -1, 1},
    {&op_copy_slice, NULL, {S(3, 5)}, -1, 1},
    {&op_chain_shape, NULL, {S(3, 2, 4)}, -1, 1},
};
const op_list composed_cases = OP_LIST(cases);
