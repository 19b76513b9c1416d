/* Sums, means and maxima over dimensions. */
#include "ops/dims.h"
#include "ops/formula.h"
#include <clgrad/ops.h>

bool clg_dims_mask(clg_tensor *x, const int *dims, int n, uint32_t *mask, const char *op) {
  if (n < 0 || (n && !dims)) return clg_refuse(x->ctx, CLG_ERR_ARGUMENT, op, "%d dimensions are no list of them", n);
  *mask = n ? 0 : (1u << x->ndim) - 1;
  for (int i = 0; i < n; i++) {
    int d = clg_dim_of(x->ctx, dims[i], x->ndim, op);
    if (d < 0) return false;
    if (*mask >> d & 1) return clg_refuse(x->ctx, CLG_ERR_SHAPE, op, "dimension %d is given twice", dims[i]);
    *mask |= 1u << d;
  }
  return true;
}

clg_tensor *clg_over_dim(clg_tensor *t, const clg_tensor *x, int d) {
  int64_t shape[CLG_MAX_DIMS];
  for (int k = 0; k < x->ndim; k++) shape[k] = k == d ? x->shape[d] : 1;
  return clg_reshape(t, x->ndim, shape);
}

int clg_mask_dims(const clg_tensor *x, uint32_t mask, int *dims) {
  int n = 0;
  for (int d = 0; d < x->ndim; d++)
    if (mask >> d & 1) dims[n++] = d;
  return n;
}

int64_t clg_mask_numel(const clg_tensor *x, uint32_t mask) {
  int64_t n = 1;
  for (int d = 0; d < x->ndim; d++)
    if (mask >> d & 1) n *= x->shape[d];
  return n;
}

clg_tensor *clg_sum(clg_tensor *x, const int *dims, int n, bool keepdim) {
  uint32_t mask;
  if (!clg_inputs_here(&x, 1, "sum") || !clg_dims_mask(x, dims, n, &mask, "sum")) return NULL;
  return clg_formula_apply(clg_formula_row(x->ctx, CLG_ROW_SUM), &x, NULL, mask, keepdim);
}

clg_tensor *clg_mean(clg_tensor *x, const int *dims, int n, bool keepdim) {
  uint32_t mask;
  if (!clg_inputs_here(&x, 1, "mean") || !clg_dims_mask(x, dims, n, &mask, "mean")) return NULL;
  return clg_formula_mean(clg_formula_row(x->ctx, CLG_ROW_MEAN), &x, (float)clg_mask_numel(x, mask), mask, keepdim);
}

typedef struct amax_attrs {
  uint32_t dims;
  bool keepdim;
  bool least; /* the minimum: the negative of the maximum of -x */
} amax_attrs;

static bool amax_shapes(clg_op_call *c, clg_shape *out) {
  const amax_attrs *a = c->attrs;
  const clg_tensor *x = c->in[0];
  out->ndim = 0;
  for (int d = 0; d < x->ndim; d++) {
    bool gone = a->dims >> d & 1;
    if (a->keepdim || !gone) out->dim[out->ndim++] = gone ? 1 : x->shape[d];
  }
  return true;
}

static clg_status amax_forward(clg_op_call *c) {
  const amax_attrs *a = c->attrs;
  const clg_tensor *x = c->in[0], *in[] = {x}, *negative[] = {c->out[0]};
  clg_formula *f = clg_formula_row(c->ctx, a->least ? CLG_ROW_NEG : CLG_ROW_COPY);
  if (!f) return clg_last_status(c->ctx);
  clg_status s =
      clg_map_reduce(f->forward, CLG_REDUCE_MAX, c->out[0], in, NULL, x->ndim, x->shape, a->dims, false, "amax");
  if (s == CLG_OK && a->least) s = clg_map_run(f->forward, &c->out[0], negative, NULL, false, "amin");
  return s;
}

/* h = g / (how many elements of each range equal its maximum m), of y's shape. A reference. */
static clg_tensor *shares(clg_tensor *x, clg_tensor *m, clg_tensor *y, clg_tensor *g, uint32_t dims) {
  clg_formula *equal = clg_formula_row(x->ctx, CLG_ROW_EQUAL), *div = clg_formula_row(x->ctx, CLG_ROW_DIV);
  clg_tensor *count = equal && div ? clg_tensor_like(y, "amax") : NULL;
  if (!count) return NULL;
  const clg_tensor *pair[] = {x, m};
  clg_status s =
      clg_map_reduce(equal->forward, CLG_REDUCE_SUM, count, pair, NULL, x->ndim, x->shape, dims, false, "amax");
  const clg_tensor *ratio[] = {g, count};
  if (s == CLG_OK) s = clg_map_run(div->forward, &count, ratio, NULL, false, "amax");
  if (s != CLG_OK) clg_tensor_unref(&count);
  return count;
}

static clg_status amax_backward(clg_op_call *c) {
  const amax_attrs *a = c->attrs;
  clg_tensor *x = c->in[0], *y = c->out[0];
  clg_tensor *m = clg_reduced_view(y, a->dims, x->ndim, x->shape);
  clg_tensor *h = m ? shares(x, m, y, c->grad, a->dims) : NULL;
  clg_tensor *over = h ? clg_reduced_view(h, a->dims, x->ndim, x->shape) : NULL;
  clg_formula *share = over ? clg_formula_row(c->ctx, CLG_ROW_SHARE) : NULL;
  clg_grad_place *to = share ? clg_op_begin(c, 0) : NULL;
  const clg_tensor *in[] = {x, m, over};
  clg_status s = to ? clg_map_run(share->forward, &to->t, in, NULL, to->add, "amax") : clg_last_status(c->ctx);
  clg_tensor_unref(&m);
  clg_tensor_unref(&h);
  clg_tensor_unref(&over);
  return s;
}

/* Each element's share is a constant, times the gradient of its range. */
static void amax_compose(clg_op_call *c, clg_tensor **d) {
  const amax_attrs *a = c->attrs;
  clg_tensor *x = c->in[0];
  bool mode = clg_set_grad_mode(c->ctx, false);
  clg_tensor *pair[] = {x, clg_expand_reduced(c->out[0], a->dims, x->ndim, x->shape)};
  clg_tensor *each = clg_row_apply(CLG_ROW_EQUAL, pair, NULL);
  int list[CLG_MAX_DIMS], count = clg_mask_dims(x, a->dims, list);
  clg_tensor *share = clg_div(each, clg_sum(each, list, count, true));
  clg_set_grad_mode(c->ctx, mode);
  d[0] = clg_mul(clg_expand_reduced(c->grad, a->dims, x->ndim, x->shape), share);
}

static const clg_op amax_op = {.name = "amax",
                               .attrs = sizeof(amax_attrs),
                               .traits = CLG_OP_STRIDED | CLG_OP_LATE,
                               .shapes = amax_shapes,
                               .forward = amax_forward,
                               .reads = CLG_IN(0) | CLG_OUT(0),
                               .backward = amax_backward,
                               .compose = amax_compose};

static clg_tensor *extreme(clg_tensor *x, const int *dims, int n, bool keepdim, bool least) {
  amax_attrs a = {.keepdim = keepdim, .least = least};
  if (!clg_inputs_ok(&x, 1, "amax") || !clg_dims_mask(x, dims, n, &a.dims, "amax")) return NULL;
  return x->ndim ? clg_op_run(&amax_op, &x, 1, &a) : clg_reshape(x, 0, NULL);
}

clg_tensor *clg_amax(clg_tensor *x, const int *dims, int n, bool keepdim) {
  return extreme(x, dims, n, keepdim, false);
}
clg_tensor *clg_amin(clg_tensor *x, const int *dims, int n, bool keepdim) { return extreme(x, dims, n, keepdim, true); }
