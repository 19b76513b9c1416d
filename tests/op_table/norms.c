/* Norms: (x - mean)/sqrt(var + eps)*gamma + beta over sets of elements. */
#include "op_table.h"
#include <math.h>
#include <string.h>

/* Which set element `index` of x belongs to, and which element of gamma and beta is its own. */
typedef int64_t (*number_of)(const op_attrs *a, const op_array *x, const int64_t *index);
static int64_t row_of(const op_attrs *a, const op_array *x, const int64_t *index) {
  int64_t row = 0;
  (void)a;
  for (int d = 0; d < x->ndim - 1; d++) row = row * x->dim[d] + index[d];
  return row;
}
static int64_t column_of(const op_attrs *a, const op_array *x, const int64_t *index) {
  return (void)a, index[x->ndim - 1];
}
static int64_t channel_of(const op_attrs *a, const op_array *x, const int64_t *index) {
  return (void)a, (void)x, index[1];
}
static int64_t group_of(const op_attrs *a, const op_array *x, const int64_t *index) {
  return index[0] * a->groups + index[1] / (x->dim[1] / a->groups);
}
static int64_t plane_of(const op_attrs *a, const op_array *x, const int64_t *index) {
  return (void)a, index[0] * x->dim[1] + index[1];
}

typedef struct moments {
  double n[OP_MOST], mean[OP_MOST], var[OP_MOST]; /* by set */
} moments;
static void measure(const op_attrs *a, const op_array *x, number_of set, moments *m) {
  int64_t index[OP_DIMS];
  memset(m, 0, sizeof *m);
  for (int pass = 0; pass < 3; pass++)
    for (int64_t i = 0; i < array_count(x); i++) {
      array_unravel(x, i, index);
      int64_t s = set(a, x, index);
      if (pass == 0) m->n[s]++;
      if (pass == 1) m->mean[s] += x->v[i] / m->n[s];
      if (pass == 2) m->var[s] += pow(x->v[i] - m->mean[s], 2) / m->n[s];
    }
}
static void normalise(const op_attrs *a, const op_array *in, number_of set, number_of own, const moments *m,
                      op_array *y) {
  const op_array *x = &in[0], *gamma = &in[1], *beta = &in[2];
  array_shape(y, x->ndim, x->dim);
  for (int64_t i = 0; i < array_count(x); i++) {
    int64_t index[OP_DIMS];
    array_unravel(x, i, index);
    int64_t s = set(a, x, index), k = own(a, x, index);
    double v = (x->v[i] - m->mean[s]) / sqrt(m->var[s] + op_eps(a));
    v = v * (gamma->ndim < 0 ? 1 : gamma->v[k]) + (beta->ndim < 0 ? 0 : beta->v[k]);
    y->v[i] = op_activation(a->act, v);
  }
}

static void normalised(const op_attrs *a, const op_array *in, number_of set, number_of own, op_array *out) {
  static moments m;
  measure(a, &in[0], set, &m);
  normalise(a, in, set, own, &m, out);
}
static void of_rows(const op_attrs *a, const op_array *in, op_array *out) { normalised(a, in, row_of, column_of, out); }
static void of_groups(const op_attrs *a, const op_array *in, op_array *out) {
  normalised(a, in, group_of, channel_of, out);
}
static void of_planes(const op_attrs *a, const op_array *in, op_array *out) {
  normalised(a, in, plane_of, channel_of, out);
}

/* In training the running statistics move by `momentum` towards the batch's, with the unbiased variance. */
static void of_channels(const op_attrs *a, const op_array *in, op_array *out) {
  static moments m;
  const op_array *mean = &in[3], *var = &in[4];
  if (mean->ndim >= 0) out[1] = *mean, out[2] = *var;
  measure(a, &in[0], channel_of, &m);
  for (int64_t k = 0; mean->ndim >= 0 && k < array_count(mean); k++) {
    double by = a->momentum;
    if (a->evaluates) {
      m.mean[k] = mean->v[k], m.var[k] = var->v[k];
    } else {
      out[1].v[k] = (1 - by) * mean->v[k] + by * m.mean[k];
      out[2].v[k] = (1 - by) * var->v[k] + by * m.var[k] * m.n[k] / (m.n[k] - 1);
    }
  }
  normalise(a, in, channel_of, channel_of, &m, out);
}

static const clg_batch_norm_options *options_of(op_call *c) {
  static clg_batch_norm_options o;
  o = clg_batch_norm_defaults();
  o.running_mean = c->further[0] = c->in[3], o.running_var = c->further[1] = c->in[4];
  o.training = !c->attrs->evaluates, o.momentum = c->attrs->momentum, o.eps = op_eps(c->attrs);
  o.act = c->attrs->act;
  return &o;
}

enum { X = 1, RUNNING = 1 << 3 | 1 << 4 };
#define NORM .sums = true, .reads = X, .ulp = {8, 32, 128}
OP(layer_norm, clg_layer_norm(x, o, c->in[2], &(clg_norm_options){.eps = op_eps(a)}), .whole = of_rows, NORM)
OP(layer_norm_act, clg_layer_norm(x, o, c->in[2], &(clg_norm_options){op_eps(a), a->act}), .whole = of_rows, NORM)
OP(batch_norm, clg_batch_norm(x, o, c->in[2], options_of(c)), .whole = of_channels, NORM, .fixed = RUNNING,
   .in_place = RUNNING, .inputs = {"x", "w", "b", "running_mean", "running_var"},
   .further = {"running_mean_after", "running_var_after"})
OP(group_norm, clg_group_norm(x, o, c->in[2], a->groups, &(clg_norm_options){.eps = op_eps(a)}), .whole = of_groups,
   NORM)
OP(instance_norm, clg_instance_norm(x, o, c->in[2], &(clg_norm_options){.eps = op_eps(a)}), .whole = of_planes, NORM)

/* ---- rows ---- */

static const op_case cases[] = {
    {&op_layer_norm, NULL, {S(3, 19)}, -1, 1, {.eps = 1e-3f}},
    {&op_layer_norm, "with gain", {S(5, 19), S(19), S(19)}, -1, 1, {.eps = 1e-3f}},
    {&op_layer_norm_act, "sigmoid", {S(3, 19), S(19), S(19)}, -1, 1, {.eps = 1e-3f, .act = {"sigmoid", {0}}}},
    {&op_batch_norm, NULL, {S(2, 3, 3, 2), S(3), S(3)}, -1, 1, {.eps = 1e-5f}},
    {&op_batch_norm, "of wide planes", {S(2, 2, 18), S(2), S(2)}, -1, 1, {.eps = 1e-2f}},
    {&op_batch_norm, "of vectors", {S(7, 3)}, -1, 1, {.eps = 1e-2f}},
    {&op_batch_norm,
     "with running statistics",
     {S(7, 3), S(3), S(3), S(3), S(3)},
     0.25f,
     1.75f,
     {.eps = 1e-2f, .momentum = 0.3f}},
    {&op_batch_norm,
     "in evaluation",
     {S(2, 3, 5), S(3), S(3), S(3), S(3)},
     0.25f,
     1.75f,
     {.eps = 1e-3f, .evaluates = true}},
    {&op_batch_norm, "and tanh", {S(2, 3, 5), S(3), S(3)}, -1, 1, {.eps = 1e-2f, .act = {"tanh", {0}}}},
    {&op_group_norm, NULL, {S(2, 4, 5), S(4), S(4)}, -1, 1, {.groups = 2, .eps = 1e-2f}},
    {&op_group_norm, "without offset", {S(2, 3, 2, 2), S(3)}, -1, 1, {.groups = 3, .eps = 1e-2f}},
    {&op_instance_norm, NULL, {S(2, 3, 7)}, -1, 1, {.eps = 1e-2f}},
};
const op_list norm_cases = OP_LIST(cases);
