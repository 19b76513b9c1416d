/* Matrix products, also of vectors and of batches that broadcast: y = a b; da = g b^T, db = a^T g. */
#include "ops/matmul.h"
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <string.h>

/* ---- matrices ---- */

bool clg_matrix_of(clg_matrix *m, clg_tensor *t, const char *op) {
  const int64_t *size = t->shape + t->ndim - 2, *stride = t->stride + t->ndim - 2;
  int unit = stride[1] == 1 || size[1] == 1; /* the dimension in which elements follow each other */
  int64_t ld = stride[1 - unit];
  bool follow = unit || stride[0] == 1 || size[0] == 1, apart = ld >= size[unit];
  bool usable = follow && (apart || size[1 - unit] == 1);
  if (!usable)
    unit = 1, ld = size[1];
  else if (!apart)
    ld = size[unit];
  m->t = usable ? clg_tensor_ref(t) : clg_tensor_packed(t, op);
  m->rows = size[0], m->cols = size[1];
  m->transposed = !unit, m->ld = (uint32_t)ld;
  return m->t != NULL;
}

bool clg_matrix_of_rows(clg_matrix *m, clg_tensor *t, const char *op) {
  int64_t cols = t->shape[t->ndim - 1];
  *m = (clg_matrix){.t = clg_tensor_packed(t, op), .rows = clg_row_count(t), .cols = cols, .ld = (uint32_t)cols};
  return m->t != NULL;
}

void clg_matrix_drop(clg_matrix *m, int count) {
  for (int i = 0; i < count; i++) clg_tensor_unref(&m[i].t);
}

void clg_product_set(clg_product *p, const clg_tensor *c, const clg_matrix *a, const clg_matrix *b) {
  memset(p, 0, sizeof *p);
  p->ta = a->transposed, p->tb = b->transposed;
  p->m = (uint32_t)a->rows, p->n = (uint32_t)b->cols, p->k = (uint32_t)a->cols;
  p->a = a->t->storage->block, p->a_offset = clg_tensor_at(a->t), p->a_ld = a->ld;
  p->b = b->t->storage->block, p->b_offset = clg_tensor_at(b->t), p->b_ld = b->ld;
  p->c = c->storage->block, p->c_offset = clg_tensor_at(c), p->c_ld = p->n;
}

clg_status clg_products_run(clg_context *ctx, const clg_product *p, int count, const char *op) {
  if (!count) return CLG_OK;
  return count == 1 ? clg_product_run(ctx, p, op) : clg_product_run_two(ctx, p, op);
}

/* ---- batches of them ---- */

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

/* How far an operand moves in dimension d of batch[0..n), to which it broadcasts. */
static int64_t step_of(const clg_tensor *t, int n, int d) {
  int at = d + t->ndim - 2 - n;
  return at < 0 || t->shape[at] == 1 ? 0 : t->stride[at];
}

/* The batch dimensions of three operands as the kernels take them: those that run on evenly are one. */
static clg_product_batch batch_of(const clg_tensor *const t[OPERANDS], int n, const int64_t *batch) {
  clg_product_batch w = {.n = 0};
  for (int d = n; d-- > 0;) {
    if (batch[d] == 1) continue;
    bool joins = w.n > 0;
    for (int i = 0; joins && i < OPERANDS; i++)
      joins = step_of(t[i], n, d) == (int64_t)w.step[i][w.n - 1] * w.size[w.n - 1];
    if (joins) {
      w.size[w.n - 1] *= (uint32_t)batch[d];
      continue;
    }
    w.size[w.n] = (uint32_t)batch[d];
    for (int i = 0; i < OPERANDS; i++) w.step[i][w.n] = (uint32_t)step_of(t[i], n, d);
    w.n++;
  }
  return w;
}

/* ---- products of them ---- */

typedef struct factor {
  clg_tensor *t;
  bool transposed;
} factor;

/* p: out[b] = f[A][b] f[B][b] for every index b of batch[0..n), in which out moves. m has the references that it needs
 * until it was run. */
static bool product_each(clg_product *p, clg_matrix m[2], const clg_tensor *out, const factor f[2], int n,
                         const int64_t *batch, const char *op) {
  for (int i = A; i <= B; i++) {
    if (!clg_matrix_of(&m[i], f[i].t, op)) return false;
    if (f[i].transposed) m[i] = clg_transposed(m[i]);
  }
  clg_product_set(p, out, &m[A], &m[B]);
  if (n) p->batch = batch_of((const clg_tensor *[]){m[A].t, m[B].t, out}, n, batch);
  if (!out->numel) p->m = 0; /* nor has an empty batch anything to compute */
  return true;
}

/* The same where out need not move with b: there its products add up, as one over a longer contracted dimension, which
 * both have there. */
static bool product_over(clg_product *p, clg_matrix m[2], clg_tensor *out, const factor f[2], int n,
                         const int64_t *batch, const char *op) {
  uint32_t summed = 0;
  int64_t kept[CLG_MAX_DIMS];
  int count = 0, lead = n + 2 - out->ndim;
  for (int d = 0; d < n; d++)
    if (batch[d] != 1 && (d < lead || out->shape[d - lead] == 1))
      summed |= 1u << d;
    else
      kept[count++] = batch[d];
  if (!summed) return product_each(p, m, out, f, n, batch, op);
  clg_tensor *to = folded(out, NOTHING, summed, n, op);
  factor each[2] = {f[A], f[B]};
  bool ok = to != NULL;
  for (int i = A; i <= B; i++) {
    contracted which = (i == A) == f[i].transposed ? ROWS : COLS;
    each[i].t = ok ? folded(f[i].t, which, summed, n, op) : NULL;
    ok = each[i].t != NULL;
  }
  ok = ok && product_each(p, m, to, each, count, kept, op);
  clg_tensor_unref(&to);
  for (int i = A; i <= B; i++) clg_tensor_unref(&each[i].t);
  return ok;
}

/* ---- the op, of two dimensions or more ---- */

/* The result's shape. False if the batch dimensions or the inner sizes do not fit. */
static bool fits(const clg_tensor *a, const clg_tensor *b, clg_shape *y) {
  if (a->shape[a->ndim - 1] != b->shape[b->ndim - 2]) return false;
  y->ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
  int n = y->ndim - 2;
  for (int i = 1; i <= n; i++) {
    int64_t l = i <= a->ndim - 2 ? a->shape[a->ndim - 2 - i] : 1;
    int64_t r = i <= b->ndim - 2 ? b->shape[b->ndim - 2 - i] : 1;
    if (l != r && l != 1 && r != 1) return false;
    y->dim[n - i] = l == 1 ? r : l;
  }
  y->dim[n] = a->shape[a->ndim - 2];
  y->dim[n + 1] = b->shape[b->ndim - 1];
  return true;
}

static void refuse(const clg_tensor *a, const clg_tensor *b) {
  char l[CLG_SHAPE_TEXT], r[CLG_SHAPE_TEXT];
  clg_fail(a->ctx, CLG_ERR_SHAPE, "matmul", "%s times %s: want %s", clg_tensor_text(a, l), clg_tensor_text(b, r),
           a->ndim == 2 && b->ndim == 2 ? "[M,K] times [K,N]" : "[..,M,K] times [..,K,N]");
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  bool ok = fits(c->in[A], c->in[B], &out[0]);
  if (!ok) refuse(c->in[A], c->in[B]);
  return ok;
}

static clg_status forward(clg_op_call *c) {
  clg_tensor *y = c->out[0];
  const factor f[] = {{c->in[A], false}, {c->in[B], false}};
  clg_product p;
  clg_matrix m[2] = {{0}};
  bool ok = product_over(&p, m, y, f, y->ndim - 2, y->shape, "matmul");
  clg_status s = ok ? clg_product_run(c->ctx, &p, "matmul") : clg_last_status(c->ctx);
  clg_matrix_drop(m, 2);
  return s;
}

static uint32_t needs(const clg_op_call *c, int input) {
  (void)c;
  return CLG_IN(input == A ? B : A);
}

/* The product that an input's gradient is. */
static void factors_of(const clg_op_call *c, int input, factor f[2]) {
  f[A] = input == A ? (factor){c->grad, false} : (factor){c->in[A], true};
  f[B] = input == A ? (factor){c->in[B], true} : (factor){c->grad, false};
}

static clg_status begin(clg_op_call *c, int input, clg_product *p, clg_matrix m[2]) {
  const clg_tensor *g = c->grad;
  factor f[2];
  factors_of(c, input, f);
  const clg_grad_place *to = clg_op_begin(c, input);
  if (!to || !product_over(p, m, to->t, f, g->ndim - 2, g->shape, "matmul")) return clg_last_status(c->ctx);
  p->accumulate = to->add;
  return CLG_OK;
}

/* Both in one launch; with a batch one behind the other, since each may need copies of its own. */
static clg_status backward(clg_op_call *c) {
  bool together = c->grad->ndim == 2;
  clg_product p[2];
  clg_matrix m[4] = {{0}};
  clg_status s = CLG_OK;
  int count = 0;
  for (int i = A; s == CLG_OK && i <= B; i++) {
    if (!clg_op_wants(c, i)) continue;
    s = begin(c, i, &p[count], &m[2 * count]);
    count++;
    if (s != CLG_OK || together) continue;
    s = clg_products_run(c->ctx, p, count, "matmul");
    clg_matrix_drop(m, 2 * count);
    if (s == CLG_OK) s = clg_op_end(c, i);
    count = 0;
  }
  if (s == CLG_OK) s = clg_products_run(c->ctx, p, count, "matmul");
  clg_matrix_drop(m, 2 * count);
  return s;
}

/* Summed over the batches to which the input was broadcast. */
static void compose(clg_op_call *c, clg_tensor **d) {
  for (int i = A; i <= B; i++) {
    if (!clg_op_wants(c, i)) continue;
    factor f[2];
    factors_of(c, i, f);
    for (int k = A; k <= B; k++)
      if (f[k].transposed) f[k].t = clg_transpose(f[k].t, -1, -2);
    const clg_input_shape *in = clg_op_input(c, i);
    d[i] = clg_sum_to_shape(clg_matmul(f[A].t, f[B].t), in->ndim, in->dim);
  }
}

static const clg_op matmul_op = {.name = "matmul",
                                 .traits = CLG_OP_STRIDED | CLG_OP_LATE,
                                 .shapes = shapes,
                                 .forward = forward,
                                 .needs = needs,
                                 .backward = backward,
                                 .compose = compose};

static clg_tensor *matrices(clg_tensor *a, clg_tensor *b) {
  return clg_op_run(&matmul_op, (clg_tensor *[]){a, b}, 2, NULL);
}

/* A vector is a row or a column, which the result then lacks. */
static clg_tensor *with_vectors(clg_tensor *a, clg_tensor *b) {
  bool row = a->ndim == 1, column = b->ndim == 1;
  clg_tensor *l = row ? clg_reshape(a, 2, (int64_t[]){1, a->shape[0]}) : a;
  clg_tensor *r = column ? clg_reshape(b, 2, (int64_t[]){b->shape[0], 1}) : b;
  clg_shape y;
  if (!l || !r || l->ndim < 2 || r->ndim < 2 || !fits(l, r, &y)) {
    refuse(a, b);
    return NULL;
  }
  clg_tensor *c;
  int n = y.ndim - 2;
  int64_t k = r->shape[r->ndim - 2], columns = r->shape[r->ndim - 1];
  if (r->numel == k * columns && l->numel) { /* the batches are rows of one product */
    clg_tensor *rows = clg_reshape(l, 2, (int64_t[]){l->numel / k, k});
    if (r->ndim > 2) r = clg_reshape(r, 2, (int64_t[]){k, columns});
    c = clg_reshape(matrices(rows, r), y.ndim, y.dim);
  } else {
    c = matrices(l, r);
  }
  if (!row && !column) return c;
  y.ndim = n;
  if (!row) y.ndim++;
  if (!column) y.dim[y.ndim++] = columns;
  return clg_reshape(c, y.ndim, y.dim);
}

clg_tensor *clg_matmul(clg_tensor *a, clg_tensor *b) {
  if (!a || !b || (a->ndim == 2 && b->ndim == 2)) return matrices(a, b);
  if (!clg_inputs_ok((clg_tensor *[]){a, b}, 2, "matmul")) return NULL;
  clg_scope *scope = clg_scope_open(a->ctx);
  return clg_scope_close_with(scope, with_vectors(a, b));
}
