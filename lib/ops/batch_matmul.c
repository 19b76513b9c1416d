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

/* The batch dimensions, those that take one launch a step first; the last `count` products are one launch. */
enum { A, B, OUT, OPERANDS };
typedef struct batch_walk {
  int n; /* dimensions that are walked */
  int64_t size[CLG_MAX_DIMS], stride[CLG_MAX_DIMS][OPERANDS];
  int64_t count, step[OPERANDS];
} batch_walk;

/* Dimensions in which out does not move come first, in their order: there products add up, so they cannot be one
 * launch. */
static batch_walk batch_walk_of(const matrices *m, int n, const int64_t *batch) {
  batch_walk w = {.count = 1};
  for (int moves = 0; moves < 2; moves++)
    for (int d = 0; d < n; d++) {
      if (batch[d] == 1 || (m[OUT].stride[d] != 0) != moves) continue;
      w.size[w.n] = batch[d];
      for (int i = 0; i < OPERANDS; i++) w.stride[w.n][i] = m[i].stride[d];
      w.n++;
    }
  while (w.n && w.stride[w.n - 1][OUT]) {
    const int64_t *stride = w.stride[w.n - 1];
    bool fits = w.count * w.size[w.n - 1] <= INT32_MAX;
    for (int i = 0; i < OPERANDS; i++) fits = fits && (w.count == 1 || stride[i] == w.step[i] * w.count);
    if (!fits) break;
    if (w.count == 1) memcpy(w.step, stride, sizeof w.step);
    w.count *= w.size[--w.n];
  }
  return w;
}

static clg_status launch_walk(const clg_product *all, const batch_walk *w, clg_context *ctx, const char *op) {
  int64_t launches = w->count ? 1 : 0;
  clg_status s = CLG_OK;
  for (int d = 0; d < w->n; d++) launches *= w->size[d];
  for (int64_t i = 0; s == CLG_OK && i < launches; i++) {
    int64_t rest = i, at[OPERANDS] = {0};
    clg_product p = *all;
    for (int d = w->n; d-- > 0; rest /= w->size[d]) {
      int64_t index = rest % w->size[d];
      for (int o = 0; o < OPERANDS; o++) at[o] += index * w->stride[d][o];
      p.accumulate = p.accumulate || (index && !w->stride[d][OUT]);
    }
    p.a_offset += (size_t)at[A], p.b_offset += (size_t)at[B], p.c_offset += (size_t)at[OUT];
    s = clg_product_run(ctx, &p, op);
  }
  return s;
}

/* out[b] (+)= op(a[b]) op(b[b]) for every index b of batch[0..n). Where out does not move with b its products add up.
 */
static clg_status multiply(clg_tensor *out, clg_tensor *a, bool ta, clg_tensor *b, bool tb, int n, const int64_t *batch,
                           bool accumulate, const char *op) {
  matrices m[OPERANDS] = {0};
  bool ok = matrices_of(&m[A], a, n, batch, op) && matrices_of(&m[B], b, n, batch, op) &&
            matrices_of(&m[OUT], out, n, batch, op);
  clg_status s = clg_last_status(out->ctx);
  if (ok) {
    batch_walk w = batch_walk_of(m, n, batch);
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
                     .batch = (uint32_t)w.count,
                     .a_step = (size_t)w.step[A],
                     .b_step = (size_t)w.step[B],
                     .c_step = (size_t)w.step[OUT]};
    s = launch_walk(&p, &w, out->ctx, op);
  }
  for (int i = 0; i < OPERANDS; i++) clg_tensor_unref(&m[i].t);
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
  bool any = g->numel || !to || !to->numel; /* without a batch nobody wrote zeros */
  if (s == CLG_OK && !any && !add)
    s = clg_map_run(clg_maps_of(n->ctx, CLG_MAP_FILL), &to, NULL, (float[]){0}, false, n->op);
  if (s == CLG_OK) return clg_edge_end(n, input, to);
  clg_tensor_unref(&to);
  return s;
}

static clg_status batch_backward(clg_node *n, clg_tensor *g) {
  const batch_attrs *attrs = n->attrs;
  bool wants_a = clg_node_wants(n, 0), wants_b = clg_node_wants(n, 1);
  clg_tensor *b = wants_a ? clg_node_unpack(n, 1) : NULL,
             *a = wants_b && (b || !wants_a) ? clg_node_unpack(n, 0) : NULL;
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
  if (b->ndim == 2 && a->numel) { /* the batches are rows of one product */
    int64_t k = b->shape[0];
    clg_tensor *rows = clg_reshape(a, 2, (int64_t[]){a->numel / k, k});
    c = clg_reshape(clg_matmul(rows, b), n + 2, shape);
  } else {
    c = batched(a, b, n, shape);
  }
  int kept = n;
  if (!row) shape[kept++] = shape[n];
  if (!column) shape[kept++] = shape[n + 1];
  return clg_scope_close_with(scope, row || column ? clg_reshape(c, kept, shape) : c);
}
