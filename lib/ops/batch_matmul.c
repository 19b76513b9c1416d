/* Matrix products of more than two matrices' worth of dimensions: vectors, and batches that broadcast. */
#include "ops/batch_matmul.h"
#include "ops/compose.h"
#include "ops/product.h"
#include <clgrad/ops.h>
#include <string.h>

/* Matrices [..,rows,cols] as a product kernel reads them: rows of a leading dimension, perhaps transposed. */
typedef struct matrices {
  clg_tensor *t; /* a reference */
  bool transposed;
  uint32_t ld;
  int64_t stride[CLG_MAX_DIMS]; /* of the batch dimensions of the product */
} matrices;

/* t as it lies, if one of its last two strides is 1; else a packed copy. Its batch dimensions broadcast to batch[0..n).
 */
static bool matrices_of(matrices *m, clg_tensor *t, int n, const int64_t *batch, const char *op) {
  int r = t->ndim - 2, c = t->ndim - 1;
  bool rows = t->stride[c] == 1 && t->stride[r] >= t->shape[c], cols = t->stride[r] == 1 && t->stride[c] >= t->shape[r];
  m->t = rows || cols ? clg_tensor_ref(t) : clg_tensor_packed(t, op);
  if (!m->t) return false;
  m->transposed = !rows && cols;
  m->ld = (uint32_t)m->t->stride[m->transposed ? c : r];
  for (int i = 1; i <= n; i++) {
    int d = r - i;
    m->stride[n - i] = d < 0 || (t->shape[d] == 1 && batch[n - i] != 1) ? 0 : m->t->stride[d];
  }
  return true;
}

enum { A, B, OUT, OPERANDS };

/* What is contracted in an operand: its rows or its columns; nothing in a result. */
typedef enum contracted { NOTHING, ROWS, COLS } contracted;

/* t over n batch dimensions, those in `summed` beside the matrix's contracted one, since both are summed over, or gone
 * where there is none. Returns where they begin in shape and stride. */
static int gather(const clg_tensor *t, contracted which, uint32_t summed, int n, int64_t *shape, int64_t *stride) {
  int from[CLG_MAX_DIMS], count = 0, lead = n + 2 - t->ndim, at = 0;
  for (int d = 0; d < n; d++)
    if (!(summed >> d & 1)) from[count++] = d;
  if (which != ROWS) from[count++] = n;
  at = count;
  for (int d = 0; d < n; d++)
    if ((summed >> d & 1) && which != NOTHING) from[count++] = d;
  if (which == ROWS) from[count++] = n;
  from[count++] = n + 1;
  for (int i = 0; i < count; i++) {
    shape[i] = from[i] < lead ? 1 : t->shape[from[i] - lead];
    stride[i] = from[i] < lead ? 0 : t->stride[from[i] - lead];
  }
  return at;
}

/* Makes count + 1 dimensions one, the first. False if they are not evenly spaced. */
static bool merge(int64_t *shape, int64_t *stride, int count) {
  int64_t size = 1, step = stride[count];
  bool even = true, empty = false;
  for (int i = count; i >= 0; size *= shape[i--]) {
    empty = empty || !shape[i];
    if (shape[i] == 1) continue;
    even = even && (size == 1 || stride[i] == step * size);
    if (size == 1) step = stride[i];
  }
  if (!even && !empty) return false;
  shape[0] = size;
  stride[0] = step;
  return true;
}

/* The matrices of t, one for each index of the batch dimensions that are not summed over, with their contracted
 * dimension as long as the sum: a view, or where the parts of the sum do not follow each other evenly a copy. */
static clg_tensor *folded(clg_tensor *t, contracted which, uint32_t summed, int n, const char *op) {
  if (!summed) return clg_tensor_ref(t);
  int64_t shape[CLG_MAX_DIMS], stride[CLG_MAX_DIMS];
  int count = __builtin_popcount(summed), kept = n - count + 2, at = gather(t, which, summed, n, shape, stride);
  clg_tensor *from = clg_tensor_ref(t);
  if (which != NOTHING && !merge(shape + at, stride + at, count)) {
    clg_tensor *view = clg_tensor_view(t->storage, t->offset, n + 2, shape, stride);
    clg_tensor_unref(&from);
    from = view ? clg_tensor_packed(view, op) : NULL;
    clg_tensor_unref(&view);
    if (!from) return NULL;
    memcpy(stride, from->stride, sizeof stride);
    merge(shape + at, stride + at, count);
  }
  if (which != NOTHING && at + 1 < kept) { /* the columns, behind the rows that were gathered */
    shape[at + 1] = shape[at + 1 + count];
    stride[at + 1] = stride[at + 1 + count];
  }
  clg_tensor *view = clg_tensor_view(from->storage, from->offset, kept, shape, stride);
  clg_tensor_unref(&from);
  return view;
}

/* The batch dimensions of three operands as the kernels take them: those that run on evenly are one. */
static clg_product_batch batch_of(const matrices *m, int n, const int64_t *batch) {
  clg_product_batch w = {.n = 0};
  for (int d = n; d-- > 0;) {
    if (batch[d] == 1) continue;
    bool joins = w.n > 0;
    for (int i = 0; joins && i < OPERANDS; i++) joins = m[i].stride[d] == (int64_t)w.step[i][w.n - 1] * w.size[w.n - 1];
    if (joins) {
      w.size[w.n - 1] *= (uint32_t)batch[d];
      continue;
    }
    w.size[w.n] = (uint32_t)batch[d];
    for (int i = 0; i < OPERANDS; i++) w.step[i][w.n] = (uint32_t)m[i].stride[d];
    w.n++;
  }
  return w;
}

/* out[b] (+)= op(a[b]) op(b[b]) for every index b of batch[0..n), in which out moves: one launch. */
static clg_status multiply_each(clg_tensor *out, clg_tensor *a, bool ta, clg_tensor *b, bool tb, int n,
                                const int64_t *batch, bool accumulate, const char *op) {
  matrices m[OPERANDS] = {0};
  bool ok = matrices_of(&m[A], a, n, batch, op) && matrices_of(&m[B], b, n, batch, op) &&
            matrices_of(&m[OUT], out, n, batch, op);
  clg_status s = ok ? CLG_OK : clg_last_status(out->ctx);
  if (ok && out->numel) {
    clg_product p = {.ta = ta != m[A].transposed,
                     .tb = tb != m[B].transposed,
                     .m = (uint32_t)out->shape[out->ndim - 2],
                     .n = (uint32_t)out->shape[out->ndim - 1],
                     .k = (uint32_t)a->shape[a->ndim - (ta ? 2 : 1)],
                     .a = m[A].t->storage->block,
                     .b = m[B].t->storage->block,
                     .c = out->storage->block,
                     .a_offset = clg_tensor_at(m[A].t),
                     .b_offset = clg_tensor_at(m[B].t),
                     .c_offset = clg_tensor_at(out),
                     .a_ld = m[A].ld,
                     .b_ld = m[B].ld,
                     .c_ld = (uint32_t)out->shape[out->ndim - 1],
                     .accumulate = accumulate,
                     .batch = batch_of(m, n, batch)};
    s = clg_product_run(out->ctx, &p, op);
  }
  for (int i = 0; i < OPERANDS; i++) clg_tensor_unref(&m[i].t);
  return s;
}

/* out[b] (+)= op(a[b]) op(b[b]) for every index b of batch[0..n). Where out does not move with b its products add up:
 * as one product over a longer contracted dimension, which a and b both have there. */
static clg_status multiply(clg_tensor *out, clg_tensor *a, bool ta, clg_tensor *b, bool tb, int n, const int64_t *batch,
                           bool accumulate, const char *op) {
  uint32_t summed = 0;
  int64_t kept[CLG_MAX_DIMS];
  int count = 0, lead = n + 2 - out->ndim;
  for (int d = 0; d < n; d++)
    if (batch[d] != 1 && (d < lead || out->shape[d - lead] == 1))
      summed |= 1u << d;
    else
      kept[count++] = batch[d];
  clg_tensor *to = folded(out, NOTHING, summed, n, op), *l = folded(a, ta ? ROWS : COLS, summed, n, op),
             *r = l ? folded(b, tb ? COLS : ROWS, summed, n, op) : NULL;
  clg_status s =
      to && l && r ? multiply_each(to, l, ta, r, tb, count, kept, accumulate, op) : clg_last_status(out->ctx);
  clg_tensor_unref(&to);
  clg_tensor_unref(&l);
  clg_tensor_unref(&r);
  return s;
}

typedef struct batch_attrs {
  int ndim[2];
  int64_t shape[2][CLG_MAX_DIMS];
} batch_attrs;

/* With create_graph: the product by recorded ops, summed over the batches that were broadcast. */
static clg_status give_recorded(clg_node *n, int input, const batch_attrs *a, clg_tensor *l, bool tl, clg_tensor *r,
                                bool tr) {
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_tensor *y = clg_matmul(tl ? clg_transpose(l, -1, -2) : l, tr ? clg_transpose(r, -1, -2) : r);
  int dims[CLG_MAX_DIMS], count = 0, lead = y ? y->ndim - a->ndim[input] : 0;
  for (int d = 0; y && d < y->ndim - 2; d++)
    if (d < lead || (a->shape[input][d - lead] == 1 && y->shape[d] != 1)) dims[count++] = d;
  if (count) y = clg_sum(y, dims, count, true);
  return clg_give_result(n, input, scope, clg_reshape(y, a->ndim[input], a->shape[input]));
}

static clg_status give(clg_node *n, int input, const batch_attrs *a, clg_tensor *l, bool tl, clg_tensor *r, bool tr,
                       clg_tensor *g) {
  if (clg_creates_graph(n->ctx)) return give_recorded(n, input, a, l, tl, r, tr);
  bool add;
  clg_tensor *to = clg_edge_begin(n, input, a->ndim[input], a->shape[input], &add);
  clg_status s = to ? multiply(to, l, tl, r, tr, g->ndim - 2, g->shape, add, n->op) : clg_last_status(n->ctx);
  if (s == CLG_OK) return clg_edge_end(n, input, to);
  clg_tensor_unref(&to);
  return s;
}

static clg_status batch_backward(clg_node *n, clg_tensor *g) {
  const batch_attrs *attrs = n->attrs;
  bool wants_a = clg_node_wants(n, 0), wants_b = clg_node_wants(n, 1);
  clg_tensor *b = wants_a ? clg_node_unpack_view(n, 1) : NULL,
             *a = wants_b && (b || !wants_a) ? clg_node_unpack_view(n, 0) : NULL;
  clg_status s = (wants_a && !b) || (wants_b && !a) ? clg_last_status(n->ctx) : CLG_OK;
  if (s == CLG_OK && wants_a) s = give(n, 0, attrs, g, false, b, true, g);
  if (s == CLG_OK && wants_b) s = give(n, 1, attrs, a, true, g, false, g);
  clg_tensor_unref(&a);
  clg_tensor_unref(&b);
  return s;
}
static const clg_node_class batch_class = {.backward = batch_backward};

static clg_status batch_record(clg_tensor *const in[2], clg_tensor *y) {
  clg_node *n = clg_node_create(in, 2, 2, sizeof(batch_attrs), &batch_class, "matmul");
  if (!n) return CLG_ERR_HOST_MEMORY;
  batch_attrs *a = n->attrs;
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < 2; i++) { /* each is needed for the other's gradient */
    a->ndim[i] = in[i]->ndim;
    memcpy(a->shape[i], in[i]->shape, sizeof in[i]->shape);
    if (in[1 - i]->requires_grad) s = clg_node_save(n, i, in[i], i);
  }
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

/* The batch dimensions of the result. False if they or the inner sizes do not fit. */
static bool batches(const clg_tensor *a, const clg_tensor *b, int *n, int64_t *shape) {
  if (a->shape[a->ndim - 1] != b->shape[b->ndim - 2]) return false;
  *n = (a->ndim > b->ndim ? a->ndim : b->ndim) - 2;
  for (int i = 1; i <= *n; i++) {
    int64_t x = i <= a->ndim - 2 ? a->shape[a->ndim - 2 - i] : 1, y = i <= b->ndim - 2 ? b->shape[b->ndim - 2 - i] : 1;
    if (x != y && x != 1 && y != 1) return false;
    shape[*n - i] = x == 1 ? y : x;
  }
  shape[*n] = a->shape[a->ndim - 2];
  shape[*n + 1] = b->shape[b->ndim - 1];
  return true;
}

static clg_tensor *batched(clg_tensor *a, clg_tensor *b, int n, const int64_t *shape) {
  clg_tensor *const in[] = {a, b};
  clg_tensor *y = clg_tensor_new(a->ctx, n + 2, shape, clg_result_role(a->ctx), "matmul");
  clg_status s = y ? multiply(y, a, false, b, false, n, shape, false, "matmul") : clg_last_status(a->ctx);
  if (s == CLG_OK && clg_records(in, 2)) s = batch_record(in, y);
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

clg_tensor *clg_batch_matmul(clg_tensor *a, clg_tensor *b) {
  clg_context *ctx = a->ctx;
  char x[CLG_SHAPE_TEXT], y[CLG_SHAPE_TEXT];
  clg_shape_text(a->ndim, a->shape, x), clg_shape_text(b->ndim, b->shape, y);
  clg_scope *scope = clg_scope_open(ctx);
  bool row = a->ndim == 1, column = b->ndim == 1;
  if (row) a = clg_reshape(a, 2, (int64_t[]){1, a->shape[0]});
  if (column) b = clg_reshape(b, 2, (int64_t[]){b->shape[0], 1});
  int n;
  int64_t shape[CLG_MAX_DIMS];
  if (!a || !b || a->ndim < 2 || b->ndim < 2 || !batches(a, b, &n, shape)) {
    clg_fail(ctx, CLG_ERR_SHAPE, "matmul", "%s times %s: want [..,M,K] times [..,K,N]", x, y);
    return clg_scope_close_with(scope, NULL);
  }
  clg_tensor *c;
  int64_t k = b->shape[b->ndim - 2], columns = b->shape[b->ndim - 1];
  if (b->numel == k * columns && a->numel) { /* the batches are rows of one product */
    clg_tensor *rows = clg_reshape(a, 2, (int64_t[]){a->numel / k, k});
    if (b->ndim > 2) b = clg_reshape(b, 2, (int64_t[]){k, columns});
    c = clg_reshape(clg_matmul(rows, b), n + 2, shape);
  } else {
    c = batched(a, b, n, shape);
  }
  int kept = n;
  if (!row) shape[kept++] = shape[n];
  if (!column) shape[kept++] = shape[n + 1];
  return clg_scope_close_with(scope, row || column ? clg_reshape(c, kept, shape) : c);
}
