/* Gather, index_select and embedding: their kernels, recorded. The gradient of reading is adding, and the reverse. */
#include "ops/index/indexing.h"
#include "ops/call.h"
#include "ops/compose.h"
#include <clgrad/ops.h>
#include <string.h>

/* As in index.cl. */
enum { ADD_FLAG = 1 };

/* The storage's range is the index's own only if it is seen whole. */
static bool seen_whole(const clg_tensor *t) {
  for (int d = 0; d < t->ndim; d++)
    if (t->shape[d] > 1 && !t->stride[d]) return false;
  return (size_t)t->numel == t->storage->numel;
}

bool clg_index_fits(clg_tensor *x, clg_tensor *index, int64_t low, int64_t high, const char *op) {
  if (!clg_inputs_here((clg_tensor *[]){x, index}, 2, op) || !clg_tensor_holds(index, CLG_I32, op)) return false;
  const clg_storage *s = index->storage;
  if (!s->ranged || (s->low >= low && s->high <= high) || !seen_whole(index)) return true;
  clg_fail(x->ctx, CLG_ERR_ARGUMENT, op, "index %ld is out of range: want %ld to %ld",
           (long)(s->low < low ? s->low : s->high), (long)low, (long)high);
  return false;
}

bool clg_index_ok(clg_tensor *x, clg_tensor *index, int64_t low, int64_t high, const char *op) {
  return (!x || clg_tensor_holds(x, CLG_F32, op)) && clg_index_fits(x, index, low, high, op);
}

clg_along clg_along_of(const clg_tensor *x, int dim, int skip) {
  clg_along a = {.ndim = x->ndim, .dim = dim, .skip = skip};
  memcpy(a.shape, x->shape, sizeof a.shape);
  return a;
}

static clg_tensor *recorded(clg_tensor *x, clg_tensor *index, clg_tensor *y, const clg_along *a,
                            const clg_node_class *cls, const char *op) {
  if (!y || !clg_records(&x, 1)) return clg_result(y);
  clg_node *n = clg_node_create(&x, 1, 1, sizeof *a, cls, op);
  if (n) *(clg_along *)n->attrs = *a;
  clg_status s = n ? clg_node_save(n, 0, index, CLG_SAVED_OTHER) : CLG_ERR_HOST_MEMORY;
  if (s == CLG_OK) {
    s = clg_node_attach(n, y);
  } else {
    clg_node_unref(n);
  }
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

/* Launches `kernel` from contiguous `from` and index to `to`. m: how many indices a range of n has. */
static clg_status launch(const char *kernel, clg_tensor *from, clg_tensor *index, clg_tensor *to, const clg_along *a,
                         int64_t m, bool rows, const char *op) {
  if (!to->numel) return CLG_OK;
  clg_around s = clg_around_of(a->ndim, a->shape, a->dim);
  clg_call c = {.n = 0};
  clg_call_tensor(&c, from, to);
  clg_call_tensor(&c, index, to);
  clg_call_tensor(&c, to, to);
  clg_call_u32(&c, s.n);
  clg_call_u32(&c, m);
  clg_call_u32(&c, s.inner);
  clg_call_u32(&c, to->numel);
  if (rows) clg_call_i32(&c, a->skip);
  return clg_call_pieces(to->ctx, &c, "index.cl", kernel, to->numel, CLG_INDEX_PIECE, op);
}

/* A kernel from packed copies of `from` and index to a new tensor of the shape. */
static clg_tensor *run(const char *kernel, clg_tensor *from, clg_tensor *index, int ndim, const int64_t *shape,
                       const clg_along *a, int64_t m, bool rows, const char *op) {
  clg_tensor *p = clg_tensor_packed(from, op), *i = p ? clg_tensor_packed(index, op) : NULL;
  clg_tensor *to = i ? clg_tensor_new(from->ctx, ndim, shape, clg_result_role(from->ctx), op) : NULL;
  if (to) to->storage->dtype = from->storage->dtype;
  if (to && launch(kernel, p, i, to, a, m, rows, op) != CLG_OK) clg_tensor_unref(&to);
  clg_tensor_unref(&p);
  clg_tensor_unref(&i);
  return to;
}

/* ---- an index for every element ---- */

static clg_status gather_backward(clg_node *n, clg_tensor *g) {
  clg_tensor *index = clg_node_unpack(n, 0);
  if (!index) return clg_last_status(n->ctx);
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_status s = clg_give_result(n, 0, scope, clg_scatter_along(g, index, n->attrs, n->op));
  clg_tensor_unref(&index);
  return s;
}
static clg_status scatter_backward(clg_node *n, clg_tensor *g) {
  clg_tensor *index = clg_node_unpack(n, 0);
  if (!index) return clg_last_status(n->ctx);
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_status s = clg_give_result(n, 0, scope, clg_gather_along(g, index, ((clg_along *)n->attrs)->dim, n->op));
  clg_tensor_unref(&index);
  return s;
}
static const clg_node_class gather_class = {.backward = gather_backward},
                            scatter_class = {.backward = scatter_backward};

clg_tensor *clg_gather_along(clg_tensor *x, clg_tensor *index, int dim, const char *op) {
  clg_along a = clg_along_of(x, dim, CLG_SKIP_NONE);
  clg_tensor *y = run("index_gather", x, index, index->ndim, index->shape, &a, index->shape[dim], false, op);
  return recorded(x, index, y, &a, &gather_class, op);
}

clg_tensor *clg_scatter_along(clg_tensor *g, clg_tensor *index, const clg_along *a, const char *op) {
  clg_tensor *dx = run("index_scatter", g, index, a->ndim, a->shape, a, g->shape[a->dim], false, op);
  return recorded(g, index, dx, a, &scatter_class, op);
}

clg_tensor *clg_gather(clg_tensor *x, int dim, clg_tensor *index) {
  int d = clg_inputs_here(&x, 1, "gather") ? clg_dim_of(x->ctx, dim, x->ndim, "gather") : -1;
  if (d < 0 || !clg_index_ok(x, index, 0, x->shape[d] - 1, "gather")) return NULL;
  bool fits = index->ndim == x->ndim;
  for (int k = 0; fits && k < x->ndim; k++) fits = k == d || index->shape[k] <= x->shape[k];
  if (!fits) {
    char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
    clg_fail(x->ctx, CLG_ERR_SHAPE, "gather", "index %s does not lie within x %s but for dimension %d",
             clg_shape_text(index->ndim, index->shape, a), clg_shape_text(x->ndim, x->shape, b), d);
    return NULL;
  }
  clg_scope *scope = clg_scope_open(x->ctx);
  for (int k = 0; x && k < index->ndim; k++)
    if (k != d && index->shape[k] < x->shape[k]) x = clg_narrow(x, k, 0, index->shape[k]);
  return clg_scope_close_with(scope, x ? clg_gather_along(x, index, d, "gather") : NULL);
}

/* ---- an index for every row ---- */

static clg_tensor *rows_gather(clg_tensor *x, clg_tensor *index, const clg_along *a, const char *op);

/* to (+)= g by the index; contiguous all. */
static clg_status add_rows(clg_tensor *to, clg_tensor *g, clg_tensor *index, const clg_along *a, bool add,
                           const char *op) {
  clg_around s = clg_around_of(a->ndim, a->shape, a->dim);
  bool few = index->numel < s.n;
  if (!to->numel) return CLG_OK;
  if (few && !add) {
    clg_status st = clg_map_run(clg_maps_of(to->ctx, CLG_MAP_FILL), &to, NULL, (float[]){0}, false, op);
    if (st != CLG_OK) return st;
  }
  clg_call c = {.n = 0};
  clg_call_tensor(&c, g, to);
  clg_call_tensor(&c, index, to);
  clg_call_tensor(&c, to, to);
  clg_call_u32(&c, s.n);
  clg_call_u32(&c, index->numel);
  clg_call_u32(&c, s.inner);
  clg_call_i32(&c, a->skip);
  if (!few) clg_call_u32(&c, add ? ADD_FLAG : 0);
  return clg_call_groups(to->ctx, &c, "index.cl", few ? "index_rows_scatter_few" : "index_rows_scatter",
                         few ? index->numel : s.n, s.outer, op);
}

static clg_status rows_scatter_backward(clg_node *n, clg_tensor *g) {
  clg_tensor *index = clg_node_unpack(n, 0);
  if (!index) return clg_last_status(n->ctx);
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_status s = clg_give_result(n, 0, scope, rows_gather(g, index, n->attrs, n->op));
  clg_tensor_unref(&index);
  return s;
}
static const clg_node_class rows_scatter_class = {.backward = rows_scatter_backward};

static clg_status give_rows_recorded(clg_node *n, clg_tensor *g, clg_tensor *index, const clg_along *a) {
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_tensor *p = clg_tensor_packed(g, n->op);
  clg_tensor *to = p ? clg_tensor_new(n->ctx, a->ndim, a->shape, clg_result_role(n->ctx), n->op) : NULL;
  if (to && add_rows(to, p, index, a, false, n->op) != CLG_OK) clg_tensor_unref(&to);
  clg_tensor_unref(&p);
  return clg_give_result(n, 0, scope, recorded(g, index, to, a, &rows_scatter_class, n->op));
}

static clg_status give_rows_computed(clg_node *n, clg_tensor *grad, clg_tensor *index, const clg_along *a) {
  bool add = false;
  clg_tensor *g = clg_tensor_packed(grad, n->op);
  clg_tensor *to = g ? clg_edge_begin(n, 0, a->ndim, a->shape, &add) : NULL;
  clg_status s = to ? add_rows(to, g, index, a, add, n->op) : clg_last_status(n->ctx);
  clg_tensor_unref(&g);
  if (s == CLG_OK) return clg_edge_end(n, 0, to);
  clg_tensor_unref(&to);
  return s;
}

static clg_status rows_gather_backward(clg_node *n, clg_tensor *g) {
  clg_tensor *index = clg_node_unpack(n, 0);
  clg_status s = !index                      ? clg_last_status(n->ctx)
                 : clg_creates_graph(n->ctx) ? give_rows_recorded(n, g, index, n->attrs)
                                             : give_rows_computed(n, g, index, n->attrs);
  clg_tensor_unref(&index);
  return s;
}
static const clg_node_class rows_gather_class = {.backward = rows_gather_backward};

/* Reads rows of x, whose shape is a's; the gradient skips a->skip, and so does reading if `skips`. */
static clg_tensor *read_rows(clg_tensor *x, clg_tensor *index, const clg_along *a, bool skips, const char *op) {
  clg_along reading = *a;
  if (!skips) reading.skip = CLG_SKIP_NONE;
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, a->shape, sizeof shape);
  shape[a->dim] = index->numel;
  clg_tensor *y = run("index_rows", x, index, a->ndim, shape, &reading, index->numel, true, op);
  return recorded(x, index, y, a, &rows_gather_class, op);
}
static clg_tensor *rows_gather(clg_tensor *x, clg_tensor *index, const clg_along *a, const char *op) {
  return read_rows(x, index, a, true, op);
}

clg_tensor *clg_index_select(clg_tensor *x, int dim, clg_tensor *index) {
  int d = clg_inputs_here(&x, 1, "index_select") ? clg_dim_of(x->ctx, dim, x->ndim, "index_select") : -1;
  if (d < 0 || !clg_index_fits(x, index, 0, x->shape[d] - 1, "index_select")) return NULL;
  if (index->ndim != 1) {
    char text[CLG_SHAPE_TEXT];
    clg_fail(x->ctx, CLG_ERR_SHAPE, "index_select", "index %s: want [M]",
             clg_shape_text(index->ndim, index->shape, text));
    return NULL;
  }
  clg_along a = clg_along_of(x, d, CLG_SKIP_NONE);
  return read_rows(x, index, &a, false, "index_select");
}

clg_tensor *clg_embedding(clg_tensor *weight, clg_tensor *index, int padding_idx) {
  if (!weight) return clg_null(NULL, "embedding"), NULL;
  char text[CLG_SHAPE_TEXT];
  if (weight->ndim != 2) {
    clg_fail(weight->ctx, CLG_ERR_SHAPE, "embedding", "weight %s: want [V,D]",
             clg_shape_text(weight->ndim, weight->shape, text));
    return NULL;
  }
  if (!clg_index_ok(weight, index, 0, weight->shape[0] - 1, "embedding")) return NULL;
  if (padding_idx < -1 || padding_idx >= weight->shape[0])
    return clg_fail(weight->ctx, CLG_ERR_ARGUMENT, "embedding", "padding_idx %d is no row, and not -1 (none)",
                    padding_idx),
           NULL;
  if (index->ndim == CLG_MAX_DIMS)
    return clg_fail(weight->ctx, CLG_ERR_SHAPE, "embedding", "an index of %d dimensions leaves none for the result",
                    index->ndim),
           NULL;
  clg_along a = clg_along_of(weight, 0, padding_idx);
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, index->shape, sizeof shape);
  shape[index->ndim] = weight->shape[1];
  clg_scope *scope = clg_scope_open(weight->ctx);
  clg_tensor *flat = clg_reshape(index, 1, (int64_t[]){index->numel});
  clg_tensor *rows = flat ? read_rows(weight, flat, &a, false, "embedding") : NULL;
  return clg_scope_close_with(scope, clg_reshape(rows, index->ndim + 1, shape));
}

clg_tensor *clg_to_float(clg_tensor *x) {
  if (!clg_inputs_here(&x, 1, "to_float") || !clg_tensor_holds(x, CLG_I32, "to_float")) return NULL;
  clg_tensor *p = clg_tensor_packed(x, "to_float");
  clg_tensor *y = p ? clg_tensor_new(x->ctx, x->ndim, x->shape, clg_result_role(x->ctx), "to_float") : NULL;
  clg_call c = {.n = 0};
  if (y && y->numel) {
    clg_call_tensor(&c, p, y);
    clg_call_tensor(&c, y, y);
    clg_call_u32(&c, y->numel);
    if (clg_call_pieces(x->ctx, &c, "index.cl", "index_to_float", y->numel, CLG_INDEX_PIECE, "to_float") != CLG_OK)
      clg_tensor_unref(&y);
  }
  clg_tensor_unref(&p);
  return clg_result(y);
}
