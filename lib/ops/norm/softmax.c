/* Softmax and log softmax along a dimension: their kernels, recorded. Both save their result alone. */
#include "ops/call.h"
#include "ops/compose.h"
#include <clgrad/ops.h>

/* As in softmax.cl. */
enum { LOG_FLAG = 1, ADD_FLAG = 2 };

typedef struct softmax_attrs {
  int dim;
  bool logs;
} softmax_attrs;

static const char *name_of(bool logs) { return logs ? "log_softmax" : "softmax"; }

/* Launches the kernel for rows or columns over contiguous tensors list[0..count). */
static clg_status launch(clg_tensor *const *list, int count, const char *rows, const char *columns,
                         const softmax_attrs *a, uint32_t flags) {
  clg_tensor *x = list[0];
  if (!x->numel) return CLG_OK;
  clg_around s = clg_around_of(x->ndim, x->shape, a->dim);
  clg_call c = {.n = 0};
  for (int i = 0; i < count; i++) clg_call_tensor(&c, list[i], x);
  clg_call_u32(&c, s.n);
  if (s.inner > 1) clg_call_u32(&c, s.inner);
  clg_call_u32(&c, flags | (a->logs ? LOG_FLAG : 0));
  if (s.inner == 1) return clg_call_groups(x->ctx, &c, "softmax.cl", rows, s.outer, 1, name_of(a->logs));
  int64_t width = x->ctx->shape == CLG_SHAPE_CPU ? 16 : 1, stripes = (s.inner + width - 1) / width;
  return clg_call_items(x->ctx, &c, "softmax.cl", columns, stripes, s.outer, name_of(a->logs));
}

/* With create_graph: the same by recorded ops. */
static clg_status give_recorded(clg_node *n, const softmax_attrs *a, clg_tensor *y, clg_tensor *g) {
  clg_scope *scope = clg_scope_open(n->ctx);
  const int dims[] = {a->dim};
  clg_tensor *dx = a->logs ? clg_sub(g, clg_mul(clg_exp(y), clg_sum(g, dims, 1, true)))
                           : clg_mul(y, clg_sub(g, clg_sum(clg_mul(g, y), dims, 1, true)));
  return clg_give_result(n, 0, scope, dx);
}

static clg_status give_computed(clg_node *n, const softmax_attrs *a, clg_tensor *y, clg_tensor *grad) {
  bool add = false;
  clg_tensor *g = clg_tensor_packed(grad, n->op), *dx = g ? clg_edge_begin(n, 0, g->ndim, g->shape, &add) : NULL;
  clg_tensor *const list[] = {g, y, dx};
  clg_status s = dx ? launch(list, 3, "softmax_rows_backward", "softmax_columns_backward", a, add ? ADD_FLAG : 0)
                    : clg_last_status(n->ctx);
  clg_tensor_unref(&g);
  if (s == CLG_OK) return clg_edge_end(n, 0, dx);
  clg_tensor_unref(&dx);
  return s;
}

static clg_status softmax_backward(clg_node *n, clg_tensor *g) {
  const softmax_attrs *a = n->attrs;
  clg_tensor *y = clg_node_unpack(n, 0);
  clg_status s = !y                          ? clg_last_status(n->ctx)
                 : clg_creates_graph(n->ctx) ? give_recorded(n, a, y, g)
                                             : give_computed(n, a, y, g);
  clg_tensor_unref(&y);
  return s;
}
static const clg_node_class softmax_class = {.backward = softmax_backward};

static clg_status softmax_record(clg_tensor *x, clg_tensor *y, const softmax_attrs *a) {
  clg_node *n = clg_node_create(&x, 1, 1, sizeof *a, &softmax_class, name_of(a->logs));
  if (!n) return CLG_ERR_HOST_MEMORY;
  *(softmax_attrs *)n->attrs = *a;
  clg_status s = clg_node_save(n, 0, y, CLG_SAVED_OUTPUT);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

static clg_tensor *softmax(clg_tensor *x, int dim, bool logs) {
  const char *op = name_of(logs);
  softmax_attrs a = {clg_inputs_ok(&x, 1, op) ? clg_dim_of(x->ctx, dim, x->ndim, op) : -1, logs};
  if (a.dim < 0) return NULL;
  clg_tensor *p = clg_tensor_packed(x, op), *y = p ? clg_tensor_like(x, op) : NULL;
  clg_tensor *const list[] = {p, y};
  clg_status s = y ? launch(list, 2, "softmax_rows", "softmax_columns", &a, 0) : clg_last_status(x->ctx);
  clg_tensor_unref(&p);
  if (s == CLG_OK && clg_records(&x, 1)) s = softmax_record(x, y, &a);
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

clg_tensor *clg_softmax(clg_tensor *x, int dim) { return softmax(x, dim, false); }
clg_tensor *clg_log_softmax(clg_tensor *x, int dim) { return softmax(x, dim, true); }
