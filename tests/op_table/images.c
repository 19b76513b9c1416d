/* Pooling and upsampling. */
#include "op_table.h"
#include <math.h>

/* Of each window the elements inside of x, and how many it would have with the padding. */
static void windows(const op_attrs *a, const op_array *x, op_array *y,
                    double (*of)(const op_attrs *a, const double *v, int n, int all)) {
  const int last = x->ndim - 2;
  array_shape(y, x->ndim, x->dim);
  int stride[2], dilation[2];
  for (int d = 0; d < 2; d++) {
    stride[d] = a->stride[d] ? a->stride[d] : a->kernel[d], dilation[d] = or_one(a->dilation[d]);
    int64_t n = x->dim[last + d], room = n + 2 * a->padding[d] - dilation[d] * (a->kernel[d] - 1) - 1;
    int64_t outs = (a->ceil_mode ? (room + stride[d] - 1) / stride[d] : room / stride[d]) + 1;
    if (a->ceil_mode && (outs - 1) * stride[d] >= n + a->padding[d]) outs--;
    y->dim[last + d] = outs;
  }
  for (int64_t i = 0; i < array_count(y); i++) {
    int64_t to[OP_DIMS], at[OP_DIMS];
    double v[OP_MOST];
    int n = 0, all = 0;
    array_unravel(y, i, to);
    for (int d = 0; d < last; d++) at[d] = to[d];
    for (int r = 0; r < a->kernel[0]; r++)
      for (int c = 0; c < a->kernel[1]; c++) {
        const int k[2] = {r, c};
        bool inside = true, padded = true;
        for (int d = 0; d < 2; d++) {
          at[last + d] = to[last + d] * stride[d] - a->padding[d] + k[d] * dilation[d];
          inside = inside && at[last + d] >= 0 && at[last + d] < x->dim[last + d];
          padded = padded && at[last + d] < x->dim[last + d] + a->padding[d];
        }
        if (inside) v[n++] = array_get(x, at);
        all += padded;
      }
    y->v[i] = of(a, v, n, all);
  }
}
static double greatest(const op_attrs *a, const double *v, int n, int all) {
  double most = -INFINITY;
  (void)a, (void)all;
  for (int i = 0; i < n; i++) most = fmax(most, v[i]);
  return most;
}
static double average(const op_attrs *a, const double *v, int n, int all) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += v[i];
  return sum / (a->exclude_pad ? n : all);
}
static void maxima(const op_attrs *a, const op_array *in, op_array *out) { windows(a, in, out, greatest); }
static void averages(const op_attrs *a, const op_array *in, op_array *out) { windows(a, in, out, average); }

static void repeated(const op_attrs *a, const op_array *in, op_array *out) {
  const int last = in->ndim - 2;
  array_shape(out, in->ndim, in->dim);
  for (int d = 0; d < 2; d++) out->dim[last + d] *= a->scale[d];
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t index[OP_DIMS];
    array_unravel(out, i, index);
    for (int d = 0; d < 2; d++) index[last + d] /= a->scale[d];
    out->v[i] = array_get(in, index);
  }
}

static const clg_pool_options *options_of(const op_attrs *a) {
  static clg_pool_options o;
  o = clg_pool_defaults();
  for (int d = 0; d < 2; d++) {
    o.stride[d] = a->stride[d], o.padding[d] = a->padding[d];
    o.dilation[d] = or_one(a->dilation[d]);
  }
  o.ceil_mode = a->ceil_mode, o.count_include_pad = !a->exclude_pad;
  return &o;
}
OP(max_pool2d, clg_max_pool2d(x, a->kernel[0], a->kernel[1], options_of(a)), .whole = maxima, .linear = true,
   .sums = true, .reads = 1)
OP(avg_pool2d, clg_avg_pool2d(x, a->kernel[0], a->kernel[1], options_of(a)), .whole = averages, .linear = true,
   .sums = true)
OP(upsample, clg_upsample(x, a->scale[0], a->scale[1]), .whole = repeated, .linear = true, .sums = true)

/* ---- rows ---- */

static const op_case cases[] = {
    {&op_max_pool2d, NULL, {S(1, 2, 5, 4)}, -5, 5, {.kernel = {2, 2}}},
    {&op_max_pool2d,
     "of windows that overlap",
     {S(2, 5, 6)},
     -5,
     5,
     {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}, .dilation = {1, 2}, .ceil_mode = true}},
    {&op_avg_pool2d, NULL, {S(2, 1, 4, 5)}, -1, 1, {.kernel = {2, 3}, .stride = {1, 2}, .padding = {1, 1}}},
    {&op_avg_pool2d,
     "without padding",
     {S(2, 5, 4)},
     -1,
     1,
     {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = true, .exclude_pad = true}},
    {&op_upsample, NULL, {S(2, 3, 2)}, -1, 1, {.scale = {2, 3}}},
    {&op_upsample, "of wide rows", {S(2, 23)}, -1, 1, {.scale = {2, 2}}},
    {&op_upsample, "of rows alone", {S(3, 2, 19)}, -1, 1, {.scale = {3, 1}}},
    {&op_upsample, "by many", {S(2, 1, 2)}, -1, 1, {.scale = {6, 5}}},
    {&op_upsample, "by more", {S(1, 2)}, -1, 1, {.scale = {12, 11}}},
};
const op_list image_cases = OP_LIST(cases);
