/* Maxima and minima along one dimension, with where they are. The whole gradient goes there. */
#include "ops/call.h"
#include "ops/compose.h"
#include "ops/index/indexing.h"
#include <clgrad/ops.h>
#include <string.h>

/* As in index.cl. */
enum { LEAST_FLAG = 2 };

typedef struct extreme_attrs {
  clg_along along;
  int64_t kept[CLG_MAX_DIMS]; /* along.shape with 1 at dim */
} extreme_attrs;

static clg_status extreme_backward(clg_node *n, clg_tensor *g) {
  const extreme_attrs *a = n->attrs;
  clg_tensor *index = clg_node_unpack(n, 0);
  if (!index) return clg_last_status(n->ctx);
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_tensor *wide = clg_reshape(g, a->along.ndim, a->kept);
  clg_status s = clg_give_result(n, 0, scope, wide ? clg_scatter_along(wide, index, &a->along, n->op) : NULL);
  clg_tensor_unref(&index);
  return s;
}
static const clg_node_class extreme_class = {.backward = extreme_backward};

static clg_status record(clg_tensor *x, clg_tensor *index, clg_tensor *y, const extreme_attrs *a, const char *op) {
  clg_node *n = clg_node_create(&x, 1, 1, sizeof *a, &extreme_class, op);
  if (!n) return CLG_ERR_HOST_MEMORY;
  *(extreme_attrs *)n->attrs = *a;
  clg_status s = clg_node_save(n, 0, index, CLG_SAVED_OTHER);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

/* How much of the result is an item of a CPU: as many rows as have some thousands of elements, or a stripe of columns
 * (STRIPE of index.cl). */
static int64_t step_of(const clg_around *s) {
  enum { ITEM = 4096, STRIPE = 128 };
  return s->inner > 1 ? STRIPE : s->n < ITEM ? ITEM / s->n : 1;
}

static clg_status launch(clg_tensor *p, clg_tensor *y, clg_tensor *index, int dim, bool least, const char *op) {
  if (!y->numel) return CLG_OK;
  clg_around s = clg_around_of(p->ndim, p->shape, dim);
  clg_call c = {.n = 0};
  clg_call_tensor(&c, p, y);
  clg_call_tensor(&c, y, y);
  clg_call_tensor(&c, index, y);
  clg_call_u32(&c, s.n);
  clg_call_u32(&c, s.inner);
  clg_call_u32(&c, y->numel);
  clg_call_u32(&c, step_of(&s));
  clg_call_u32(&c, least ? LEAST_FLAG : 0);
  return clg_call_pieces(p->ctx, &c, "index.cl", "index_extreme", y->numel, step_of(&s), op);
}

/* *y (a reference) and *index of shape a->kept. */
static clg_status compute(clg_tensor *x, const extreme_attrs *a, bool least, clg_tensor **y, clg_tensor **index,
                          const char *op) {
  clg_tensor *p = clg_tensor_packed(x, op);
  *y = p ? clg_tensor_new(x->ctx, x->ndim, a->kept, clg_result_role(x->ctx), op) : NULL;
  *index = *y ? clg_tensor_new_i32(x->ctx, x->ndim, a->kept, clg_result_role(x->ctx), op) : NULL;
  clg_status s = *index ? launch(p, *y, *index, a->along.dim, least, op) : clg_last_status(x->ctx);
  clg_tensor_unref(&p);
  return s;
}

/* t of shape a->kept, without the dimension unless keepdim; takes and returns a reference. */
static clg_tensor *squeezed(clg_tensor *t, const extreme_attrs *a, bool keepdim) {
  if (!t || keepdim) return t;
  int64_t shape[CLG_MAX_DIMS];
  int n = 0;
  for (int d = 0; d < t->ndim; d++)
    if (d != a->along.dim) shape[n++] = t->shape[d];
  clg_tensor *view = clg_tensor_view(t->storage, t->offset, n, shape, NULL);
  clg_tensor_unref(&t);
  return view;
}

static clg_tensor *extreme(clg_tensor *x, int dim, bool keepdim, clg_tensor **indices, bool values, bool least,
                           const char *op) {
  if (indices) *indices = NULL;
  int d = clg_inputs_ok(&x, 1, op) ? clg_dim_of(x->ctx, dim, x->ndim, op) : -1;
  if (d < 0) return NULL;
  if (!x->shape[d]) return clg_fail(x->ctx, CLG_ERR_SHAPE, op, "the extreme of no elements does not exist"), NULL;
  extreme_attrs a = {.along = clg_along_of(x, d, CLG_SKIP_NONE)};
  memcpy(a.kept, x->shape, sizeof a.kept);
  a.kept[d] = 1;
  clg_tensor *y = NULL, *index = NULL;
  clg_status s = compute(x, &a, least, &y, &index, op);
  clg_tensor *kept = clg_tensor_ref(index);
  y = squeezed(y, &a, keepdim), index = squeezed(index, &a, keepdim);
  if (s == CLG_OK && (!y || !index)) s = clg_last_status(x->ctx);
  if (s == CLG_OK && values && clg_records(&x, 1)) s = record(x, kept, y, &a, op);
  clg_tensor_unref(&kept);
  if (s != CLG_OK || !values) clg_tensor_unref(&y);
  if (s != CLG_OK || (values && !indices)) clg_tensor_unref(&index);
  if (!values) return clg_result(index);
  if (indices) *indices = clg_result(index);
  return clg_result(y);
}

clg_tensor *clg_max(clg_tensor *x, int dim, bool keepdim, clg_tensor **indices) {
  return extreme(x, dim, keepdim, indices, true, false, "max");
}
clg_tensor *clg_min(clg_tensor *x, int dim, bool keepdim, clg_tensor **indices) {
  return extreme(x, dim, keepdim, indices, true, true, "min");
}
clg_tensor *clg_argmax(clg_tensor *x, int dim, bool keepdim) {
  return extreme(x, dim, keepdim, NULL, false, false, "argmax");
}
clg_tensor *clg_argmin(clg_tensor *x, int dim, bool keepdim) {
  return extreme(x, dim, keepdim, NULL, false, true, "argmin");
}
