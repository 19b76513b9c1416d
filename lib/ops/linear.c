/* Matrix products and linear layers: the product kernels, recorded. */
#include "ops/activation.h"
#include "ops/batch_matmul.h"
#include "ops/product.h"
#include <clgrad/ops.h>
#include <string.h>

/* A matrix as a product kernel sees it: rows of a leading dimension, perhaps transposed. */
typedef struct matrix {
  clg_tensor *t; /* a reference, where matrix_of made it */
  bool transposed;
  uint32_t ld;
} matrix;

/* t [rows,cols] as it lies, if one of its strides is 1; else a packed copy. */
static bool matrix_of(matrix *m, clg_tensor *t, const char *op) {
  bool rows = t->stride[1] == 1 || t->shape[1] == 1, cols = t->stride[0] == 1 || t->shape[0] == 1;
  int64_t ld = rows ? t->stride[0] : t->stride[1], least = rows ? t->shape[1] : t->shape[0];
  bool usable = (rows || cols) && (ld >= least || (rows ? t->shape[0] : t->shape[1]) == 1);
  m->t = usable ? clg_tensor_ref(t) : clg_tensor_packed(t, op);
  m->transposed = usable && !rows;
  m->ld = (uint32_t)(usable && ld >= least ? ld : usable ? least : t->shape[1]);
  return m->t != NULL;
}

/* c [m,n] = op(a) op(b), all as they lie; c is contiguous. */
static clg_product product_of(const clg_tensor *c, int64_t m, int64_t n, int64_t k, const matrix *a, bool ta,
                              const matrix *b, bool tb) {
  return (clg_product){.ta = ta != a->transposed,
                       .tb = tb != b->transposed,
                       .m = (uint32_t)m,
                       .n = (uint32_t)n,
                       .k = (uint32_t)k,
                       .a = a->t->storage->block,
                       .b = b->t->storage->block,
                       .c = c->storage->block,
                       .a_offset = clg_tensor_at(a->t),
                       .b_offset = clg_tensor_at(b->t),
                       .c_offset = clg_tensor_at(c),
                       .a_ld = a->ld,
                       .b_ld = b->ld,
                       .c_ld = (uint32_t)n};
}

/* The gradient of an input as a product op(a) op(b) [m,n] over k. */
typedef struct gradient {
  int input, ndim;
  const int64_t *shape; /* the input's, ndim */
  int64_t m, n, k;
  clg_tensor *a, *b;
  bool ta, tb;
} gradient;

/* Gives node n's inputs their gradients, two at most: together, since they do not depend on each other. */
static clg_status give_products(clg_node *n, const gradient *g, int count) {
  clg_product p[2];
  clg_tensor *to[2] = {NULL};
  matrix side[4] = {{0}};
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < count; i++) {
    bool add;
    matrix *a = &side[2 * i], *b = &side[2 * i + 1];
    to[i] = clg_edge_begin(n, g[i].input, g[i].ndim, g[i].shape, &add);
    if (!to[i] || !matrix_of(a, g[i].a, n->op) || !matrix_of(b, g[i].b, n->op)) {
      s = clg_last_status(n->ctx);
    } else {
      p[i] = product_of(to[i], g[i].m, g[i].n, g[i].k, a, g[i].ta, b, g[i].tb);
      p[i].accumulate = add;
    }
  }
  if (s == CLG_OK && count) s = (count == 2 ? clg_product_run_two : clg_product_run)(n->ctx, p, n->op);
  for (int i = 0; i < 4; i++) clg_tensor_unref(&side[i].t);
  for (int i = 0; i < count; i++) {
    if (s == CLG_OK)
      s = clg_edge_end(n, g[i].input, to[i]);
    else
      clg_tensor_unref(&to[i]);
  }
  return s;
}

/* ---- matmul: y = a b; da = g b^T, db = a^T g ---- */

static clg_status give_transposed(clg_node *n, int input, clg_tensor *a, bool ta, clg_tensor *b, bool tb) {
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_tensor *y = clg_matmul(ta ? clg_transpose(a, 0, 1) : a, tb ? clg_transpose(b, 0, 1) : b);
  clg_status s = clg_edge_give(n, input, clg_tensor_ref(y));
  clg_scope_close(scope);
  return s;
}

/* With create_graph: the same by recorded ops. */
static clg_status matmul_recorded(clg_node *n, clg_tensor *a, clg_tensor *b, clg_tensor *g) {
  clg_status s = b ? give_transposed(n, 0, g, false, b, true) : CLG_OK;
  return s == CLG_OK && a ? give_transposed(n, 1, a, true, g, false) : s;
}

static clg_status matmul_gradients(clg_node *n, clg_tensor *a, clg_tensor *b, clg_tensor *g) {
  const int64_t rows = g->shape[0], cols = g->shape[1];
  int64_t a_shape[2] = {rows, b ? b->shape[0] : 0}, b_shape[2] = {a ? a->shape[1] : 0, cols};
  gradient give[2];
  int count = 0;
  if (b) give[count++] = (gradient){0, 2, a_shape, rows, a_shape[1], cols, g, b, false, true};
  if (a) give[count++] = (gradient){1, 2, b_shape, b_shape[0], cols, rows, a, g, true, false};
  return give_products(n, give, count);
}

static clg_status matmul_backward(clg_node *n, clg_tensor *g) {
  bool wants_a = clg_node_wants(n, 0), wants_b = clg_node_wants(n, 1);
  clg_tensor *b = wants_a ? clg_node_unpack_view(n, 1) : NULL,
             *a = wants_b && (b || !wants_a) ? clg_node_unpack_view(n, 0) : NULL;
  clg_status s = (wants_a && !b) || (wants_b && !a) ? clg_last_status(n->ctx) : CLG_OK;
  bool recorded = clg_creates_graph(n->ctx);
  if (s == CLG_OK && recorded) s = matmul_recorded(n, a, b, g);
  if (s == CLG_OK && !recorded) s = matmul_gradients(n, a, b, g);
  clg_tensor_unref(&a);
  clg_tensor_unref(&b);
  return s;
}

static const clg_node_class matmul_class = {.backward = matmul_backward};

static clg_status matmul_record(clg_tensor *const in[2], clg_tensor *y) {
  clg_node *n = clg_node_create(in, 2, 2, 0, &matmul_class, "matmul");
  if (!n) return CLG_ERR_HOST_MEMORY;
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < 2; i++) /* each is needed for the other's gradient */
    if (in[1 - i]->requires_grad) s = clg_node_save(n, i, in[i], i);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

clg_tensor *clg_matmul(clg_tensor *a, clg_tensor *b) {
  clg_tensor *const in[] = {a, b};
  if (!clg_inputs_ok(in, 2, "matmul")) return NULL;
  if (a->ndim != 2 || b->ndim != 2) return clg_batch_matmul(a, b);
  if (a->shape[1] != b->shape[0]) {
    char x[CLG_SHAPE_TEXT], y[CLG_SHAPE_TEXT];
    clg_fail(a->ctx, CLG_ERR_SHAPE, "matmul", "%s times %s: want [M,K] times [K,N]",
             clg_shape_text(a->ndim, a->shape, x), clg_shape_text(b->ndim, b->shape, y));
    return NULL;
  }
  clg_tensor *y = clg_tensor_new(a->ctx, 2, (int64_t[]){a->shape[0], b->shape[1]}, clg_result_role(a->ctx), "matmul");
  matrix ma = {0}, mb = {0};
  clg_status s = CLG_OK;
  if (y && matrix_of(&ma, a, "matmul") && matrix_of(&mb, b, "matmul")) {
    clg_product p = product_of(y, a->shape[0], b->shape[1], a->shape[1], &ma, false, &mb, false);
    s = clg_product_run(a->ctx, &p, "matmul");
  } else {
    s = clg_last_status(a->ctx);
  }
  clg_tensor_unref(&ma.t);
  clg_tensor_unref(&mb.t);
  if (s == CLG_OK && clg_records(in, 2)) s = matmul_record(in, y);
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

/* ---- linear: y = act(x w^T + b); with z the gradient behind the activation dx = z w, dw = z^T x, db = sum of z over
 * rows ---- */

enum { IN_X, IN_W, IN_B };
enum { SAVED_X, SAVED_W, SAVED_Y, SAVED };
typedef struct linear_attrs {
  clg_formula *act; /* NULL: none */
  float slope;
  int ndim; /* of x */
  int64_t shape[CLG_MAX_DIMS];
} linear_attrs;

/* The rows of a shape [..,n], also where n is 0. */
static int64_t count_rows(int ndim, const int64_t *shape) {
  int64_t rows = 1;
  for (int d = 0; d < ndim - 1; d++) rows *= shape[d];
  return rows;
}

/* t [..,n] as [rows, n], packed: a reference. */
static clg_tensor *rows_of(clg_tensor *t, const char *op) {
  clg_tensor *p = clg_tensor_packed(t, op);
  const int64_t shape[2] = {count_rows(t->ndim, t->shape), t->shape[t->ndim - 1]};
  clg_tensor *rows = p ? clg_tensor_view(p->storage, p->offset, 2, shape, NULL) : NULL;
  clg_tensor_unref(&p);
  return rows;
}

/* db (+)= the sum of z over its rows; with `act`, z is written on the way: the gradient g behind the activation with
 * result y. */
static clg_status give_bias(clg_node *n, const linear_attrs *a, clg_formula *act, clg_tensor *y, clg_tensor *g,
                            clg_tensor *z) {
  bool add;
  clg_tensor *to = clg_edge_begin(n, IN_B, 1, z->shape + 1, &add);
  const clg_tensor *in[] = {act ? NULL : z, y, g};
  clg_status s = !to   ? clg_last_status(n->ctx)
                 : act ? clg_map_sum_keep(act->grad[0].fn, to, z, in, &a->slope, add, n->op)
                       : clg_map_reduce(clg_maps_of(n->ctx, CLG_MAP_COPY), CLG_REDUCE_SUM, to, in, NULL, 2, z->shape, 1,
                                        add, n->op);
  if (s == CLG_OK) return clg_edge_end(n, IN_B, to);
  clg_tensor_unref(&to);
  return s;
}

/* z [rows, n] from g: a reference. Gives the bias its gradient. */
static clg_tensor *inner_gradient(clg_node *n, const linear_attrs *a, clg_tensor *y, clg_tensor *grad) {
  bool bias = n->n_edges > IN_B && clg_node_wants(n, IN_B);
  bool ours = clg_is_ours(grad);
  clg_tensor *g = rows_of(grad, n->op), *out = NULL, *z = g;
  clg_status s = g ? CLG_OK : clg_last_status(n->ctx);
  if (s == CLG_OK && a->act) {
    out = rows_of(y, n->op);
    z = !out ? NULL : ours ? clg_tensor_ref(g) : clg_tensor_like(g, n->op);
    s = z ? CLG_OK : clg_last_status(n->ctx);
  }
  if (s == CLG_OK && a->act && !bias)
    s = clg_map_run(a->act->grad[0].fn, &z, (const clg_tensor *[]){NULL, out, g}, &a->slope, false, n->op);
  if (s == CLG_OK && bias) s = give_bias(n, a, a->act, out, g, z);
  if (a->act) clg_tensor_unref(&g);
  clg_tensor_unref(&out);
  if (s != CLG_OK) clg_tensor_unref(&z);
  return z;
}

static clg_status linear_gradients(clg_node *n, const linear_attrs *a, clg_tensor *x, clg_tensor *w, clg_tensor *z) {
  int64_t rows = z->shape[0], w_shape[2] = {z->shape[1], a->shape[a->ndim - 1]};
  bool wants_w = clg_node_wants(n, IN_W), wants_x = clg_node_wants(n, IN_X);
  clg_tensor *flat = wants_w ? rows_of(x, n->op) : NULL;
  gradient give[2];
  int count = 0;
  if (wants_w) give[count++] = (gradient){IN_W, 2, w_shape, w_shape[0], w_shape[1], rows, z, flat, true, false};
  if (wants_x) give[count++] = (gradient){IN_X, a->ndim, a->shape, rows, w_shape[1], w_shape[0], z, w, false, false};
  clg_status s = wants_w && !flat ? clg_last_status(n->ctx) : give_products(n, give, count);
  clg_tensor_unref(&flat);
  return s;
}

/* With create_graph: the same by recorded ops. */
static clg_status linear_recorded(clg_node *n, const linear_attrs *a, clg_tensor *const t[SAVED], clg_tensor *g) {
  clg_scope *scope = clg_scope_open(n->ctx);
  int64_t out = g->shape[g->ndim - 1], in = a->shape[a->ndim - 1], rows = count_rows(a->ndim, a->shape);
  clg_tensor *z = a->act ? clg_behind_recorded(a->act, a->slope, t[SAVED_Y], g) : g;
  z = clg_reshape(z, 2, (int64_t[]){rows, out});
  clg_status s = z ? CLG_OK : clg_last_status(n->ctx);
  if (s == CLG_OK && clg_node_wants(n, IN_W)) {
    clg_tensor *x = clg_reshape(t[SAVED_X], 2, (int64_t[]){rows, in});
    s = clg_edge_give(n, IN_W, clg_tensor_ref(clg_matmul(clg_transpose(z, 0, 1), x)));
  }
  if (s == CLG_OK && n->n_edges > IN_B && clg_node_wants(n, IN_B))
    s = clg_edge_give(n, IN_B, clg_tensor_ref(clg_sum(z, (int[]){0}, 1, false)));
  if (s == CLG_OK && clg_node_wants(n, IN_X))
    s = clg_edge_give(n, IN_X, clg_tensor_ref(clg_reshape(clg_matmul(z, t[SAVED_W]), a->ndim, a->shape)));
  clg_scope_close(scope);
  return s;
}

static clg_status linear_backward(clg_node *n, clg_tensor *g) {
  const linear_attrs *a = n->attrs;
  bool need[SAVED] = {clg_node_wants(n, IN_W), clg_node_wants(n, IN_X), a->act != NULL};
  clg_tensor *t[SAVED] = {NULL}, *z = NULL;
  bool recorded = clg_creates_graph(n->ctx);
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < SAVED; i++)
    if (need[i] && !(t[i] = clg_node_unpack_view(n, i))) s = clg_last_status(n->ctx);
  if (s == CLG_OK && recorded) s = linear_recorded(n, a, t, g);
  if (s == CLG_OK && !recorded && !(z = inner_gradient(n, a, t[SAVED_Y], g))) s = clg_last_status(n->ctx);
  if (s == CLG_OK && !recorded) s = linear_gradients(n, a, t[SAVED_X], t[SAVED_W], z);
  for (int i = 0; i < SAVED; i++) clg_tensor_unref(&t[i]);
  clg_tensor_unref(&z);
  return s;
}

static const clg_node_class linear_class = {.backward = linear_backward};

static clg_status linear_record(clg_tensor *const in[3], clg_tensor *y, const linear_attrs *attrs) {
  clg_node *n = clg_node_create(in, in[IN_B] ? 3 : 2, SAVED, sizeof *attrs, &linear_class, "linear");
  if (!n) return CLG_ERR_HOST_MEMORY;
  memcpy(n->attrs, attrs, sizeof *attrs);
  clg_status s = CLG_OK;
  if (in[IN_W]->requires_grad) s = clg_node_save(n, SAVED_X, in[IN_X], IN_X);
  if (s == CLG_OK && in[IN_X]->requires_grad) s = clg_node_save(n, SAVED_W, in[IN_W], IN_W);
  if (s == CLG_OK && attrs->act) s = clg_node_save(n, SAVED_Y, y, CLG_SAVED_OUTPUT);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

static bool linear_shapes_ok(clg_tensor *x, clg_tensor *w, clg_tensor *b) {
  bool ok = x->ndim >= 1 && w->ndim == 2 && x->shape[x->ndim - 1] == w->shape[1] &&
            (!b || (b->ndim == 1 && b->shape[0] == w->shape[0]));
  if (ok) return true;
  char s[3][CLG_SHAPE_TEXT];
  clg_fail(x->ctx, CLG_ERR_SHAPE, "linear", "x %s, weight %s, bias %s: want [..,K], [N,K], [N]",
           clg_shape_text(x->ndim, x->shape, s[0]), clg_shape_text(w->ndim, w->shape, s[1]),
           b ? clg_shape_text(b->ndim, b->shape, s[2]) : "none");
  return false;
}

static clg_status linear_forward(clg_tensor *x, clg_tensor *w, clg_tensor *b, const linear_attrs *a, clg_tensor *y) {
  clg_context *ctx = x->ctx;
  const char *epilogue = a->act ? clg_formula_epilogue(ctx, a->act) : NULL;
  clg_tensor *bias = b ? clg_tensor_packed(b, "linear") : NULL;
  int64_t k = w->shape[1], n = w->shape[0];
  matrix mx = {.t = x, .ld = (uint32_t)k}, mw = {0};
  if ((a->act && !epilogue) || (b && !bias) || !matrix_of(&mw, w, "linear"))
    return clg_tensor_unref(&bias), clg_last_status(ctx);
  clg_product p = product_of(y, n ? y->numel / n : 0, n, k, &mx, false, &mw, true);
  if (bias) p.bias = bias->storage->block, p.bias_offset = clg_tensor_at(bias);
  p.epilogue = epilogue, p.epilogue_param = a->slope;
  clg_status s = clg_product_run(ctx, &p, "linear");
  clg_tensor_unref(&mw.t);
  clg_tensor_unref(&bias);
  return s;
}

static clg_tensor *linear(clg_tensor *x, clg_tensor *w, clg_tensor *b, clg_formula *act, float slope) {
  clg_tensor *const in[] = {x, w, b};
  if (!clg_inputs_ok(in, b ? 3 : 2, "linear") || !linear_shapes_ok(x, w, b)) return NULL;
  linear_attrs a = {.act = act, .slope = slope, .ndim = x->ndim};
  memcpy(a.shape, x->shape, sizeof a.shape);
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim - 1] = w->shape[0];
  clg_tensor *p = clg_tensor_packed(x, "linear");
  clg_tensor *y = p ? clg_tensor_new(x->ctx, x->ndim, shape, clg_result_role(x->ctx), "linear") : NULL;
  clg_status s = y ? linear_forward(p, w, b, &a, y) : clg_last_status(x->ctx);
  if (s == CLG_OK && clg_records(in, b ? 3 : 2)) s = linear_record(in, y, &a);
  clg_tensor_unref(&p);
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

clg_tensor *clg_linear(clg_tensor *x, clg_tensor *w, clg_tensor *b) { return linear(x, w, b, NULL, 0); }

clg_tensor *clg_linear_act(clg_tensor *x, clg_tensor *w, clg_tensor *b, clg_activation act, float slope) {
  clg_behind behind;
  if (!clg_inputs_here(&x, 1, "linear_act") || !clg_behind_begin(x->ctx, act, slope, &behind)) return NULL;
  return clg_behind_end(&behind, linear(x, w, b, behind.fused, slope));
}
