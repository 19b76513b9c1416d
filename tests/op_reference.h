/* Values for a row of the op table, and what its definition in double says of gradients: differences of the fourth
 * order. */
#ifndef CLG_TESTS_OP_REFERENCE_H
#define CLG_TESTS_OP_REFERENCE_H

#include "op_table/op_table.h"
#include <math.h>
#include <string.h>

#define NEAR 0.004 /* of values that come near to a kink; differences stay nearer */
#define STEP 5e-4

static uint32_t random_state;
static inline double random_unit(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return (double)(random_state >> 8) * 0x1p-24;
}
static inline void random_weights(float *v, int n) {
  for (int i = 0; i < n; i++) v[i] = (float)(2 * random_unit() - 1);
}

static inline bool is_float(const op_case *c, int i) { return c->in[i].present && !(c->op->integers >> i & 1); }
static inline bool has_gradient(const op_case *c, int i) {
  return is_float(c, i) && !c->op->detached && !(c->op->fixed >> i & 1);
}

/* Beside 0 and each point of the row, where the first operand's range has them. */
static inline void come_near(const op_case *c, op_array *x) {
  const int64_t n = array_count(x);
  for (int k = -1, at = 0; k < c->n_points; k++) {
    float kink = k < 0 ? 0 : c->points[k].in[0];
    for (int64_t i = 0; i < n; i++)
      if (fabs(x->v[i] - kink) < 2 * NEAR) x->v[i] = kink + 3 * NEAR;
    if (!(kink > c->low && kink < c->high)) continue;
    for (int side = -1; side < 2 && at < n; side += 2) x->v[at++] = kink + side * NEAR;
  }
}

/* Floats between the row's bounds, no two of them equal, in an order by chance; integers below its bound. */
static inline void draw(const op_case *c, op_array *in) {
  int64_t all = 0, next = 0;
  int order[OP_INPUTS * OP_MOST];
  for (int i = 0; i < OP_INPUTS; i++) {
    in[i].ndim = -1;
    if (!c->in[i].present) continue;
    array_shape(&in[i], c->in[i].ndim, c->in[i].dim);
    all += array_count(&in[i]);
  }
  for (int64_t i = 0; i < all; i++) {
    int64_t k = (int64_t)(random_unit() * (double)(i + 1));
    order[i] = order[k], order[k] = (int)i;
  }
  for (int i = 0; i < OP_INPUTS; i++) {
    for (int64_t k = 0; in[i].ndim >= 0 && k < array_count(&in[i]); k++, next++) {
      double v = c->low + (c->high - c->low) * (order[next] + 0.37) / (double)all;
      if (c->op->integers >> i & 1) v = order[next] % c->below;
      if (c->op->mask >> i & 1) v = (const double[]){0, 1, -2}[k % 3];
      in[i].v[k] = (float)v;
    }
  }
  if (is_float(c, 0) && !(c->op->mask & 1)) come_near(c, &in[0]);
  for (int64_t k = 0; is_float(c, 0) && k < array_count(&in[0]); k++) in[0].v[k] = (float)in[0].v[k];
  for (int k = 0; k < c->n_set; k++) in[c->set[k].operand].v[c->set[k].element] = c->set[k].value;
}

/* The sum of the weighted results; of a linear op, of y*(y + 1). */
static inline double weighted(const op_case *c, const op_array *in, const float *u) {
  static op_array out[OP_FURTHER + 1];
  double sum = 0;
  op_define(c->op, &c->attrs, in, out);
  for (int64_t i = 0; i < array_count(&out[0]); i++) sum += u[i] * out[0].v[i] * (c->op->linear ? out[0].v[i] + 1 : 1);
  return sum;
}

static const double stencil[] = {1, -8, 0, 8, -1};
/* By element k of operand i. */
static inline double first_reference(const op_case *c, const op_array *in, const float *u, int i, int64_t k) {
  static op_array moved[OP_INPUTS];
  double sum = 0;
  memcpy(moved, in, sizeof moved);
  for (int s = -2; s <= 2; s++) {
    moved[i].v[k] = in[i].v[k] + s * STEP;
    if (s) sum += stencil[s + 2] * weighted(c, moved, u);
  }
  return sum / (12 * STEP);
}
/* Of the first gradients, each element times w, the sum's gradient by element k of operand i. */
static inline double second_reference(const op_case *c, const op_array *in, const float *u, float w[][OP_MOST], int i,
                                      int64_t k) {
  static op_array moved[OP_INPUTS];
  double sum = 0;
  memcpy(moved, in, sizeof moved);
  for (int s = -2; s <= 2; s++) {
    for (int j = 0; j < OP_INPUTS; j++)
      for (int64_t e = 0; has_gradient(c, j) && e < array_count(&in[j]); e++)
        moved[j].v[e] = in[j].v[e] + s * STEP * w[j][e];
    if (s) sum += stencil[s + 2] * first_reference(c, moved, u, i, k);
  }
  return sum / (12 * STEP);
}

/* Within `ulp` units of 2^-23 (1 + |want|); what no float holds is infinite. */
static inline bool near(float got, double want, double ulp) {
  if (isnan(want)) return isnan(got);
  if (fabs(want) > 3.4e38) return isinf(got) && (got > 0) == (want > 0);
  return fabs((double)got - want) <= ulp * 0x1p-23 * (1 + fabs(want));
}

#endif
