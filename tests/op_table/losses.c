/* Losses. */
#include "op_table.h"
#include <math.h>

typedef double (*loss_fn)(double x, double t, double positive);
static double bce_of_logits(double x, double t, double positive) {
  return -(positive * t * -(fmax(-x, 0) + log1p(exp(-fabs(x)))) + (1 - t) * -(fmax(x, 0) + log1p(exp(-fabs(x)))));
}
static double bce_of(double x, double t, double positive) {
  (void)positive;
  return -(t * fmax(log(x), -100) + (1 - t) * fmax(log(1 - x), -100));
}
static double square_of(double x, double t, double positive) { return (void)positive, (x - t) * (x - t); }
static double distance_of(double x, double t, double positive) { return (void)positive, fabs(x - t); }

static void joined(const op_attrs *a, op_array *each, double count) {
  double sum = 0;
  if (a->reduction == CLG_REDUCTION_NONE) return;
  for (int64_t i = 0; i < array_count(each); i++) sum += each->v[i];
  each->ndim = 0;
  each->v[0] = a->reduction == CLG_REDUCTION_SUM ? sum : sum / count;
}
/* in: x, t, weight, weight of the positive targets */
static void loss(const op_attrs *a, const op_array *in, op_array *out, loss_fn of) {
  array_shape(out, in->ndim, in->dim);
  const int64_t n = array_count(out);
  for (int64_t i = 0; i < n; i++) {
    int64_t index[OP_DIMS];
    array_unravel(out, i, index);
    double w = in[2].ndim < 0 ? 1 : array_broadcast(&in[2], out->ndim, index);
    double positive = in[3].ndim < 0 ? 1 : array_broadcast(&in[3], out->ndim, index);
    out->v[i] = w * of(in[0].v[i], in[1].v[i], positive);
  }
  joined(a, out, (double)n);
}
static void bce_logits_loss(const op_attrs *a, const op_array *in, op_array *out) { loss(a, in, out, bce_of_logits); }
static void bce_loss(const op_attrs *a, const op_array *in, op_array *out) { loss(a, in, out, bce_of); }
static void squared_loss(const op_attrs *a, const op_array *in, op_array *out) { loss(a, in, out, square_of); }
static void l1_loss(const op_attrs *a, const op_array *in, op_array *out) { loss(a, in, out, distance_of); }

/* -sum_c t_c weight_c log_softmax(x)_c, t one-hot or given, smoothed; what weighs nothing counts nothing; x [N,C,..] or
 * [C]. */
static void entropy(const op_attrs *a, const op_array *in, op_array *out, bool labels) {
  const op_array *x = &in[0], *t = &in[1], *weight = &in[2];
  const int dim = x->ndim > 1 ? 1 : 0;
  const int64_t classes = x->dim[dim];
  double smooth = a->label_smoothing, count = 0;
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++)
    if (d != dim) out->dim[out->ndim++] = x->dim[d];
  for (int64_t i = 0; i < array_count(out); i++) {
    int64_t to[OP_DIMS], at[OP_DIMS];
    double sum = 0, loss = 0;
    array_unravel(out, i, to);
    for (int d = 0, k = 0; d < x->ndim; d++) at[d] = d == dim ? 0 : to[k++];
    for (at[dim] = 0; at[dim] < classes; at[dim]++) sum += exp(array_get(x, at));
    int label = labels ? (int)t->v[i] : 0;
    bool counts = !labels || label != a->ignored - 1;
    for (at[dim] = 0; at[dim] < classes; at[dim]++) {
      double w = weight->ndim < 0 ? 1 : weight->v[at[dim]], p = labels ? at[dim] == label : array_get(t, at);
      p = p * (1 - smooth) + smooth / (double)classes;
      if (counts && p * w != 0) loss -= p * w * (array_get(x, at) - log(sum));
      if (counts && labels && at[dim] == label) count += w;
    }
    out->v[i] = loss;
    if (!labels) count++;
  }
  joined(a, out, count);
}
static void entropy_of_labels(const op_attrs *a, const op_array *in, op_array *out) { entropy(a, in, out, true); }
static void entropy_of_probabilities(const op_attrs *a, const op_array *in, op_array *out) {
  entropy(a, in, out, false);
}

static const clg_loss_options *options_of(const op_call *c) {
  static clg_loss_options o;
  o = clg_loss_defaults();
  o.reduction = c->attrs->reduction, o.weight = c->in[2], o.pos_weight = c->in[3];
  o.label_smoothing = c->attrs->label_smoothing;
  if (c->attrs->ignored) o.ignore_index = c->attrs->ignored - 1;
  return &o;
}

#define LOSS .least = 2, .sums = true, .reads = 3, .inputs = {"x", "y", "weight", "pos_weight"}
OP(bce_with_logits_loss, clg_bce_with_logits_loss(x, o, options_of(c)), .whole = bce_logits_loss, LOSS)
OP(bce_loss, clg_bce_loss(x, o, options_of(c)), .whole = bce_loss, LOSS)
OP(mse_loss, clg_mse_loss(x, o, options_of(c)), .whole = squared_loss, LOSS)
OP(l1_loss, clg_l1_loss(x, o, options_of(c)), .whole = l1_loss, LOSS)
OP(cross_entropy_loss, clg_cross_entropy_loss(x, o, options_of(c)), .whole = entropy_of_labels, LOSS, .integers = 2,
   .fixed = 4)
OP(cross_entropy_prob_loss, clg_cross_entropy_loss(x, o, options_of(c)), .whole = entropy_of_probabilities, LOSS,
   .fixed = 4)

/* ---- rows ---- */

#define FEW  S(3, 5)
#define SUM  .reduction = CLG_REDUCTION_SUM
#define NONE .reduction = CLG_REDUCTION_NONE
static const op_case cases[] = {
    {&op_bce_with_logits_loss, NULL, {S(7, 1), S(7, 1)}, -1, 1},
    {&op_bce_with_logits_loss, "summed", {FEW, FEW}, 0.1f, 0.9f, {SUM}},
    {&op_bce_with_logits_loss, "with a weight of the positive", {FEW, FEW, ABSENT, S(5)}, -1, 1},
    {&op_bce_with_logits_loss, "with weights", {FEW, FEW, S(5)}, 0.1f, 0.9f, {NONE}},
    {&op_bce_loss,
     NULL,
     {FEW, FEW},
     0.2f,
     0.8f,
     {0},
     POINTS({{0, 0.5f}, 50, {-0.5e12f, 100}}, {{1, 0.5f}, 50, {0.5e12f, -100}},
            {{1e-13f, 1}, 29.9336062f, {-1e12f, 29.9336062f}})},
    {&op_l1_loss, NULL, {FEW, FEW}, -1, 1, {NONE}, POINTS({{2, 2}, 0, {0, 0}})},
    {&op_mse_loss, NULL, {FEW, FEW}, -1, 1},
    {&op_mse_loss, "with weights", {FEW, FEW, S(5)}, -1, 1, {SUM}},
    {&op_cross_entropy_loss, NULL, {S(4, 5), S(4)}, -1, 1, {0}, .below = 5},
    {&op_cross_entropy_loss,
     "of planes",
     {S(2, 5, 3), S(2, 3)},
     -1,
     1,
     {SUM, .label_smoothing = 0.1f, .ignored = 3},
     .below = 5},
    {&op_cross_entropy_loss,
     "with all options",
     {S(12, 5), S(12), S(5)},
     0.25f,
     1.75f,
     {.label_smoothing = 0.2f, .ignored = 2},
     .below = 5},
    {&op_cross_entropy_loss,
     "of weights that are nothing, and next to it",
     {S(4, 5), S(4), S(5)},
     0.25f,
     1.75f,
     {.label_smoothing = 0.2f},
     .below = 5,
     .set = {{0, 6, -INFINITY}, {2, 1, 0}, {2, 3, 0.01f}},
     .n_set = 3},
    {&op_cross_entropy_loss, "of one", {S(5), SCALAR}, -1, 1, {NONE}, .below = 5},
    {&op_cross_entropy_prob_loss, NULL, {S(4, 5), S(4, 5)}, 0.1f, 0.9f, {.label_smoothing = 0.1f}},
};
const op_list loss_cases = OP_LIST(cases);
