/* Elements by what they are or where they lie: ranges, casts, labels, triangles. */
#include "index_runs.clh"

#if CLG_WANT(element_range)
/* y[e] = unit * (first + e*step), a power of two times an integer of 32 bits, however large e*step is. */
CLG_KERNEL void element_range(__global float *y, const uint y_o, const int first, const int step, const float unit,
                              const uint n) {
  y += y_o;
  EACH_ELEMENT(n, y[e] = unit * (float)as_int((uint)first + e * (uint)step);)
}
#endif

#if CLG_WANT(element_to_float)
CLG_KERNEL void element_to_float(__global const int *x, const uint x_o, __global float *y, const uint y_o,
                                 const uint n) {
  x += x_o, y += y_o;
  EACH_ELEMENT(n, y[e] = (float)x[e];)
}
#endif

#if CLG_WANT(element_to_int)
/* Towards 0; what no integer holds becomes the nearest, and NaN 0, which not every driver makes of it. */
CLG_KERNEL void element_to_int(__global const float *x, const uint x_o, __global int *y, const uint y_o, const uint n) {
  x += x_o, y += y_o;
  EACH_ELEMENT(n, y[e] = x[e] != x[e] ? 0 : convert_int_sat_rtz(x[e]);)
}
#endif

#if CLG_WANT(element_one_hot)
/* y[j,c] = 1 where label[j] == c, else 0; `total` elements of y. */
static inline void one_hot(__global const int *label, __global float *y, const int c, const uint classes,
                           const uint len) {
  for (uint l = 0; l < len; l++) y[l] = (classes > 1 ? label[0] == c + (int)l : label[l] == 0) ? 1.0f : 0.0f;
}
CLG_KERNEL void element_one_hot(__global const int *label, const uint label_o, __global float *y, const uint y_o,
                                const uint labels, const uint classes, const uint total) {
  label += label_o, y += y_o;
  EACH_RUN(labels, classes, one_hot(label + j, y + e, (int)i, classes, len);)
}
#endif

#if CLG_WANT(element_triangle)
/* y[o,r,c] = x[o,r,c] where c - r is at most k, or with `upper` at least; else 0. x, y [outer,rows,columns] of `total`
 * elements, floats or integers: words are copied. */
static inline void triangle(__global const uint *x, __global uint *y, const uint r, const uint c, const uint columns,
                            const uint len, const int k, const uint upper) {
  for (uint l = 0; l < len; l++) {
    const int from = columns > 1 ? (int)(c + l) - (int)r : -(int)(r + l);
    const uint v = x[l];
    y[l] = (upper ? from >= k : from <= k) ? v : 0u;
  }
}
CLG_KERNEL void element_triangle(__global const uint *x, const uint x_o, __global uint *y, const uint y_o,
                                 const uint rows, const uint columns, const uint total, const int k, const uint upper) {
  x += x_o, y += y_o;
  EACH_RUN(rows, columns, triangle(x + e, y + e, j, i, columns, len, k, upper);)
}
#endif

#if CLG_WANT(element_weights)
/* The weight of each label: 0 for `ignore` and outside [0,classes), else weight[label], or 1 without weights. */
static inline float weight_of(const int k, __global const float *weight, const uint classes, const int ignore,
                              const uint weighted) {
  const bool counts = WITHIN(k, classes) && k != ignore;
  const float w = weighted ? read_if(counts, weight, k) : 1.0f;
  return counts ? w : 0.0f;
}
CLG_KERNEL void element_weights(__global const int *label, const uint label_o, __global const float *weight,
                                const uint weight_o, __global float *y, const uint y_o, const uint classes,
                                const int ignore, const uint weighted, const uint n) {
  label += label_o, weight += weight_o, y += y_o;
  EACH_ELEMENT(n, y[e] = weight_of(label[e], weight, classes, ignore, weighted);)
}
#endif
