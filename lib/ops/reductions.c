/* Sums, means and maxima over dimensions. */
#include "ops/compose.h"
#include "ops/formula.h"
#include <clgrad/ops.h>

bool clg_dims_mask(clg_tensor *x, const int *dims, int n, uint32_t *mask, const char *op) {
  if (n < 0 || (n && !dims))
    return clg_fail(x->ctx, CLG_ERR_ARGUMENT, op, "%d dimensions are no list of them", n), false;
  *mask = n ? 0 : (1u << x->ndim) - 1;
  for (int i = 0; i < n; i++) {
    int d = clg_dim_of(x->ctx, dims[i], x->ndim, op);
    if (d < 0) return false;
    if (*mask >> d & 1) return clg_fail(x->ctx, CLG_ERR_SHAPE, op, "dimension %d is given twice", dims[i]), false;
    *mask |= 1u << d;
  }
  return true;
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
} amax_attrs;

/* h = g / (how many elements of each range equal its maximum), of y's shape. */
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

static clg_status amax_gradient(clg_node *n, clg_tensor *x, clg_tensor *y, clg_tensor *g, uint32_t dims) {
  clg_tensor *m = clg_unreduced(y, dims, x->ndim, x->shape), *h = m ? shares(x, m, y, g, dims) : NULL,
             *over = h ? clg_unreduced(h, dims, x->ndim, x->shape) : NULL;
  clg_formula *share = over ? clg_formula_row(x->ctx, CLG_ROW_SHARE) : NULL;
  bool add = false;
  clg_tensor *to = share ? clg_edge_begin(n, 0, x->ndim, x->shape, &add) : NULL;
  const clg_tensor *in[] = {x, m, over};
  clg_status s = to ? clg_map_run(share->forward, &to, in, NULL, add, "amax") : clg_last_status(n->ctx);
  if (s == CLG_OK) {
    s = clg_edge_end(n, 0, to);
  } else {
    clg_tensor_unref(&to);
  }
  clg_tensor_unref(&m);
  clg_tensor_unref(&h);
  clg_tensor_unref(&over);
  return s;
}

/* With create_graph: each element's share is a constant, times the gradient of its range by recorded ops. */
static clg_status amax_recorded(clg_node *n, clg_tensor *x, clg_tensor *y, clg_tensor *g, uint32_t dims) {
  clg_scope *scope = clg_scope_open(n->ctx);
  bool mode = clg_set_grad_mode(n->ctx, false);
  clg_tensor *m = clg_unreduced(y, dims, x->ndim, x->shape),
             *each = clg_row_apply(CLG_ROW_EQUAL, (clg_tensor *[]){x, m}, NULL);
  int list[CLG_MAX_DIMS], count = clg_mask_dims(x, dims, list);
  clg_tensor *share = clg_div(each, clg_sum(each, list, count, true));
  clg_set_grad_mode(n->ctx, mode);
  clg_tensor *wide = clg_respread(g, dims, x->ndim, x->shape);
  clg_status s = clg_edge_give(n, 0, clg_tensor_ref(clg_mul(wide, share)));
  clg_tensor_unref(&wide);
  clg_tensor_unref(&m);
  clg_scope_close(scope);
  return s;
}

static clg_status amax_backward(clg_node *n, clg_tensor *g) {
  const amax_attrs *a = n->attrs;
  clg_tensor *x = clg_node_unpack_view(n, 0), *y = x ? clg_node_unpack_view(n, 1) : NULL;
  clg_status s = !y                          ? clg_last_status(n->ctx)
                 : clg_creates_graph(n->ctx) ? amax_recorded(n, x, y, g, a->dims)
                                             : amax_gradient(n, x, y, g, a->dims);
  clg_tensor_unref(&x);
  clg_tensor_unref(&y);
  return s;
}

static const clg_node_class amax_class = {.backward = amax_backward};

static clg_status amax_record(clg_tensor *x, clg_tensor *y, uint32_t dims) {
  clg_node *n = clg_node_create(&x, 1, 2, sizeof(amax_attrs), &amax_class, "amax");
  if (!n) return CLG_ERR_HOST_MEMORY;
  ((amax_attrs *)n->attrs)->dims = dims;
  clg_status s = clg_node_save(n, 0, x, 0);
  if (s == CLG_OK) s = clg_node_save(n, 1, y, CLG_SAVED_OUTPUT);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

/* The maximum, or with `least` the minimum: the negative of the maximum of -x. */
static clg_tensor *extreme(clg_tensor *x, const int *dims, int n, bool keepdim, bool least) {
  uint32_t mask;
  if (!clg_inputs_ok(&x, 1, "amax") || !clg_dims_mask(x, dims, n, &mask, "amax")) return NULL;
  if (x->ndim == 0) return clg_reshape(x, 0, NULL);
  int ndim = 0;
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++)
    if (keepdim || !(mask >> d & 1)) shape[ndim++] = mask >> d & 1 ? 1 : x->shape[d];
  clg_tensor *y = clg_tensor_new(x->ctx, ndim, shape, clg_result_role(x->ctx), "amax");
  const clg_tensor *in[] = {x};
  clg_formula *f = y ? clg_formula_row(x->ctx, least ? CLG_ROW_NEG : CLG_ROW_COPY) : NULL;
  clg_status s = f ? clg_map_reduce(f->forward, CLG_REDUCE_MAX, y, in, NULL, x->ndim, x->shape, mask, false, "amax")
                   : clg_last_status(x->ctx);
  const clg_tensor *negative[] = {y};
  if (s == CLG_OK && least) s = clg_map_run(f->forward, &y, negative, NULL, false, "amin");
  if (s == CLG_OK && clg_records(&x, 1)) s = amax_record(x, y, mask);
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

clg_tensor *clg_amax(clg_tensor *x, const int *dims, int n, bool keepdim) {
  return extreme(x, dims, n, keepdim, false);
}
clg_tensor *clg_amin(clg_tensor *x, const int *dims, int n, bool keepdim) { return extreme(x, dims, n, keepdim, true); }
