/* Matrix products, and convolutions. */
#include "op_table.h"
#include <string.h>

/* ---- definitions ---- */

static void swap_last(op_array *x) {
  op_array from = *x;
  int64_t index[OP_DIMS], n = x->dim[x->ndim - 1];
  x->dim[x->ndim - 1] = x->dim[x->ndim - 2], x->dim[x->ndim - 2] = n;
  for (int64_t i = 0; i < array_count(&from); i++) {
    array_unravel(&from, i, index);
    n = index[x->ndim - 1], index[x->ndim - 1] = index[x->ndim - 2], index[x->ndim - 2] = n;
    *array_at(x, index) = from.v[i];
  }
}

/* sum_k a_mk b_kn, batches broadcast; a vector is a row on the left, a column on the right. */
static void product(const op_attrs *attrs, const op_array *in, op_array *out) {
  static op_array a, b;
  a = in[0], b = in[1];
  bool row = a.ndim == 1, column = b.ndim == 1;
  if (attrs->transpose_a) swap_last(&a);
  if (attrs->transpose_b) swap_last(&b);
  if (row) array_shape(&a, 2, (int64_t[]){1, in[0].dim[0]});
  if (column) array_shape(&b, 2, (int64_t[]){in[1].dim[0], 1});
  op_array full = {.ndim = a.ndim > b.ndim ? a.ndim : b.ndim};
  for (int d = 0; d < full.ndim; d++) {
    int da = d - full.ndim + a.ndim, db = d - full.ndim + b.ndim;
    int64_t na = da < 0 ? 1 : a.dim[da], nb = db < 0 ? 1 : b.dim[db];
    full.dim[d] = d == full.ndim - 2 ? na : d == full.ndim - 1 ? nb : na > nb ? na : nb;
  }
  for (int64_t i = 0; i < array_count(&full); i++) {
    int64_t to[OP_DIMS], at[OP_DIMS];
    double sum = 0;
    array_unravel(&full, i, to);
    for (int64_t k = 0; k < a.dim[a.ndim - 1]; k++) {
      memcpy(at, to, sizeof at);
      at[full.ndim - 1] = k;
      double left = array_broadcast(&a, full.ndim, at);
      at[full.ndim - 1] = to[full.ndim - 1], at[full.ndim - 2] = k;
      sum += left * array_broadcast(&b, full.ndim, at);
    }
    out->v[i] = sum;
  }
  out->ndim = 0;
  for (int d = 0; d < full.ndim; d++)
    if (!(row && d == full.ndim - 2) && !(column && d == full.ndim - 1)) out->dim[out->ndim++] = full.dim[d];
}

/* act(sum_k x_k w_nk + b_n) of each row of x */
static void line(const op_attrs *a, const op_array *in, op_array *out) {
  const op_array *x = &in[0], *w = &in[1], *b = &in[2];
  const int64_t n = w->dim[0], k = w->dim[1], rows = array_count(x) / k;
  array_shape(out, x->ndim, x->dim);
  out->dim[x->ndim - 1] = n;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < n; c++) {
      double sum = b->ndim < 0 ? 0 : b->v[c];
      for (int64_t i = 0; i < k; i++) sum += x->v[r * k + i] * w->v[c * k + i];
      out->v[r * n + c] = op_activation(a->act, sum);
    }
}

/* Calls add(user, y's, x's and w's elements) for each product that conv2d sums: y[n,o,q] and x[n,c, q*stride - padding
 * + k*dilation] and w[o,c,k]. For its transpose, x and y change places. */
static void each_product(const op_attrs *a, const op_array *x, const op_array *w, op_array *y,
                         void (*add)(const op_array *x, const op_array *w, op_array *y, const int64_t *xi,
                                     const int64_t *wi, const int64_t *yi)) {
  const int64_t out_group = w->dim[0] / or_one(a->groups);
  for (int64_t i = 0; i < array_count(y) * array_count(w) / w->dim[0]; i++) {
    int64_t rest = i, yi[OP_DIMS], wi[OP_DIMS], xi[OP_DIMS];
    for (int d = 3; d > 0; d--) wi[d] = rest % w->dim[d], rest /= w->dim[d];
    array_unravel(y, rest, yi);
    wi[0] = yi[1], xi[0] = yi[0], xi[1] = yi[1] / out_group * w->dim[1] + wi[1];
    bool inside = true;
    for (int d = 0; d < 2; d++) {
      xi[2 + d] = yi[2 + d] * or_one(a->stride[d]) - a->padding[d] + wi[2 + d] * or_one(a->dilation[d]);
      inside = inside && xi[2 + d] >= 0 && xi[2 + d] < x->dim[2 + d];
    }
    if (inside) add(x, w, y, xi, wi, yi);
  }
}
static void add_to_y(const op_array *x, const op_array *w, op_array *y, const int64_t *xi, const int64_t *wi,
                     const int64_t *yi) {
  *array_at(y, yi) += array_get(x, xi) * array_get(w, wi);
}
/* Of the transpose: y is what it is given, x what it makes; `given` is where y's values are. */
static op_array made;
static void add_to_x(const op_array *x, const op_array *w, op_array *y, const int64_t *xi, const int64_t *wi,
                     const int64_t *yi) {
  (void)x;
  *array_at(&made, xi) += array_get(y, yi) * array_get(w, wi);
}
static void add_bias(const op_attrs *a, const op_array *b, op_array *y) {
  for (int64_t i = 0; i < array_count(y); i++) {
    int64_t index[OP_DIMS];
    array_unravel(y, i, index);
    y->v[i] = op_activation(a->act, y->v[i] + (b->ndim < 0 ? 0 : b->v[index[1]]));
  }
}

static void convolved(const op_attrs *a, const op_array *in, op_array *out) {
  const op_array *x = &in[0], *w = &in[1];
  array_shape(out, 4, (int64_t[]){x->dim[0], w->dim[0], 0, 0});
  for (int d = 2; d < 4; d++)
    out->dim[d] = (x->dim[d] + 2 * a->padding[d - 2] - or_one(a->dilation[d - 2]) * (w->dim[d] - 1) - 1) /
                      or_one(a->stride[d - 2]) +
                  1;
  memset(out->v, 0, sizeof out->v);
  each_product(a, x, w, out, add_to_y);
  add_bias(a, &in[2], out);
}
static void convolved_back(const op_attrs *a, const op_array *in, op_array *out) {
  static op_array given;
  const op_array *w = &in[1];
  given = in[0];
  array_shape(&made, 4, (int64_t[]){given.dim[0], w->dim[1] * or_one(a->groups), 0, 0});
  for (int d = 2; d < 4; d++)
    made.dim[d] = (given.dim[d] - 1) * or_one(a->stride[d - 2]) - 2 * a->padding[d - 2] +
                  or_one(a->dilation[d - 2]) * (w->dim[d] - 1) + a->output_padding[d - 2] + 1;
  memset(made.v, 0, sizeof made.v);
  each_product(a, &made, w, &given, add_to_x);
  *out = made;
  add_bias(a, &in[2], out);
}

/* ---- ops ---- */

static double matmul_products(const op_call *c, const clg_tensor *y) {
  return (double)clg_tensor_numel(y) * (double)clg_tensor_dim(c->in[0], -1);
}
static double conv_products(const op_call *c, const clg_tensor *y) {
  return (double)clg_tensor_numel(y) * (double)clg_tensor_numel(c->in[1]) / (double)clg_tensor_dim(c->in[1], 0);
}
static double conv_transpose_products(const op_call *c, const clg_tensor *y) {
  return conv_products(c, ((void)y, c->in[0]));
}

static const clg_conv_options *options_of(const op_attrs *a) {
  static clg_conv_options o;
  o = clg_conv_defaults();
  for (int d = 0; d < 2; d++) {
    o.stride[d] = or_one(a->stride[d]), o.padding[d] = a->padding[d], o.dilation[d] = or_one(a->dilation[d]);
    o.output_padding[d] = a->output_padding[d];
  }
  o.groups = or_one(a->groups), o.act = a->act;
  return &o;
}

enum { READS = 3 };
#define TURNED(t, flag) ((flag) ? clg_transpose(t, -1, -2) : (t))
OP(matmul, clg_matmul(TURNED(x, a->transpose_a), TURNED(o, a->transpose_b)), .whole = product, .least = 2, .sums = true,
   .reads = READS, .products = matmul_products, .product = PRODUCT_NN)
OP(linear, clg_linear(x, o, c->in[2], NULL), .whole = line, .least = 2, .sums = true, .reads = READS,
   .products = matmul_products, .product = PRODUCT_NT)
OP(linear_act, clg_linear(x, o, c->in[2], &(clg_linear_options){a->act}), .whole = line, .least = 2, .sums = true,
   .reads = READS | OP_RESULT, .products = matmul_products)
OP(conv2d, clg_conv2d(x, o, c->in[2], options_of(a)), .whole = convolved, .least = 2, .sums = true, .reads = READS,
   .products = conv_products)
OP(conv_transpose2d, clg_conv_transpose2d(x, o, c->in[2], options_of(a)), .whole = convolved_back, .least = 2,
   .sums = true, .reads = READS, .products = conv_transpose_products)

/* ---- rows ---- */

static const op_case cases[] = {
    {&op_matmul, NULL, {S(3, 7), S(7, 5)}, -1, 1},
    {&op_matmul, "of one column", {S(3, 7), S(7, 1)}, -1, 1},
    {&op_matmul, "transposed", {S(7, 3), S(5, 7)}, -1, 1, {.transpose_a = true, .transpose_b = true}},
    {&op_matmul, "of batches", {S(2, 3, 4), S(2, 4, 5)}, -1, 1},
    {&op_matmul, "of broadcast batches", {S(3, 1, 2, 4), S(2, 4, 3)}, -1, 1},
    {&op_matmul, "of transposed batches", {S(2, 4, 3), S(2, 5, 4)}, -1, 1, {.transpose_a = true, .transpose_b = true}},
    {&op_matmul, "of batches by a matrix", {S(2, 3, 4), S(4, 5)}, -1, 1},
    {&op_matmul, "of a matrix by batches", {S(3, 4), S(2, 4, 5)}, -1, 1},
    {&op_matmul, "of vectors", {S(7), S(7)}, -1, 1},
    {&op_matmul, "of a vector by batches", {S(4), S(2, 4, 3)}, -1, 1},
    {&op_matmul, "of batches by a vector", {S(2, 3, 4), S(4)}, -1, 1},
    {&op_linear, NULL, {S(3, 7), S(5, 7)}, -1, 1},
    {&op_linear, "in three dimensions", {S(2, 3, 7), S(5, 7)}, -1, 1},
    {&op_linear, "with bias", {S(3, 7), S(5, 7), S(5)}, -1, 1},
    {&op_linear_act, "tanh", {S(3, 7), S(17, 7), S(17)}, -1, 1, {.act = {"tanh", {0}}}},
    {&op_linear_act, "leaky_relu", {S(3, 7), S(5, 7), S(5)}, 0.1f, 1, {.act = {"leaky_relu", {0.2f}}}},
    {&op_linear_act, "sigmoid", {S(3, 7), S(1, 7), S(1)}, -1, 1, {.act = {"sigmoid", {0}}}},
    {&op_conv2d, NULL, {S(2, 4, 2, 3), S(4, 4, 1, 2), S(4)}, -1, 1},
    {&op_conv2d,
     "with all options",
     {S(2, 4, 5, 4), S(2, 2, 3, 2), S(2)},
     -1,
     1,
     {.stride = {2, 1}, .padding = {1, 2}, .dilation = {1, 2}, .groups = 2, .act = {"tanh", {0}}}},
    {&op_conv_transpose2d, NULL, {S(2, 4, 2, 3), S(4, 4, 1, 2), S(4)}, -1, 1},
    {&op_conv_transpose2d,
     "with all options",
     {S(2, 4, 2, 3), S(4, 1, 3, 2), S(2)},
     -1,
     1,
     {.stride = {2, 2}, .padding = {1, 1}, .output_padding = {1, 0}, .dilation = {1, 2}, .groups = 2}},
};
const op_list product_cases = OP_LIST(cases);
