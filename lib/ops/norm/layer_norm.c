/* Layer norm: its kernels, recorded. Saves the input and, a row each, mean and 1/std; its result for the activation
 * behind it, as that would. */
#include "ops/activation.h"
#include "ops/norm/norm_kernels.h"
#include "ops/norm/normalise.h"
#include <clgrad/ops.h>

enum { IN_X, IN_GAMMA, IN_BETA };
/* beta: for a recipe alone */
enum { SAVED_X, SAVED_MEAN, SAVED_RSTD, SAVED_GAMMA, SAVED_Y, SAVED, SAVED_BETA = SAVED, SLOTS };

typedef struct norm_attrs {
  float eps;
  bool gamma, beta; /* there are such */
  clg_formula *act; /* behind it; NULL: none */
  float slope;
} norm_attrs;

static clg_at at(const clg_tensor *t) { return t ? (clg_at){t->storage->block, clg_tensor_at(t)} : (clg_at){NULL, 0}; }
static uint32_t width_of(const clg_tensor *x) { return (uint32_t)x->shape[x->ndim - 1]; }
static uint32_t rows_of(const clg_tensor *x) {
  int64_t rows = 1;
  for (int d = 0; d < x->ndim - 1; d++) rows *= x->shape[d];
  return (uint32_t)rows;
}

/* The gradients that are wanted, of x, gamma and beta. */
static clg_status give_all(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *g, clg_norm_act act) {
  const int ndim[] = {g->ndim, 1, 1};
  const int64_t *const shape[] = {g->shape, &g->shape[g->ndim - 1], &g->shape[g->ndim - 1]};
  clg_tensor *d[3] = {NULL};
  bool add[3] = {false};
  clg_status s = CLG_OK;
  for (int i = 0; i < 3 && s == CLG_OK; i++)
    if (clg_node_wants(n, i) && !(d[i] = clg_edge_begin(n, i, ndim[i], shape[i], &add[i]))) s = clg_last_status(n->ctx);
  clg_norm_backward b = {.g = at(g),
                         .x = at(t[SAVED_X]),
                         .mean = at(t[SAVED_MEAN]),
                         .rstd = at(t[SAVED_RSTD]),
                         .gamma = at(t[SAVED_GAMMA]),
                         .y = at(t[SAVED_Y]),
                         .dx = at(d[IN_X]),
                         .dgamma = at(d[IN_GAMMA]),
                         .dbeta = at(d[IN_BETA]),
                         .rows = rows_of(g),
                         .n = width_of(g),
                         .accumulate_x = add[IN_X],
                         .accumulate_gamma = add[IN_GAMMA],
                         .accumulate_beta = add[IN_BETA],
                         .act = act};
  if (s == CLG_OK) s = clg_layer_norm_backward(n->ctx, &b, n->op);
  for (int i = 0; i < 3; i++) {
    if (s == CLG_OK && d[i]) {
      s = clg_edge_end(n, i, d[i]);
    } else {
      clg_tensor_unref(&d[i]);
    }
  }
  return s;
}

/* A number a row, broadcasting to x. */
static clg_tensor *over_rows(clg_tensor *t, const clg_tensor *x) {
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) shape[d] = d == x->ndim - 1 ? 1 : x->shape[d];
  return clg_reshape(t, x->ndim, shape);
}

/* With create_graph: the same by recorded ops. */
static clg_status give_recorded(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *g) {
  const norm_attrs *a = n->attrs;
  clg_tensor *x = t[SAVED_X], *gamma = t[SAVED_GAMMA];
  clg_scope *scope = clg_scope_open(n->ctx);
  const int last[] = {-1};
  clg_tensor *rstd = NULL,
             *xhat = clg_normalise(x, over_rows(t[SAVED_MEAN], x), over_rows(t[SAVED_RSTD], x), last, 1, a->eps, &rstd);
  if (a->act) g = clg_behind_recorded(a->act, a->slope, t[SAVED_Y], g);
  clg_tensor *h = gamma ? clg_mul(g, gamma) : g;
  clg_status s = xhat && h ? CLG_OK : clg_last_status(n->ctx);
  int rows[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim - 1; d++) rows[d] = d;
  for (int i = IN_GAMMA; s == CLG_OK && i <= IN_BETA; i++) {
    if (!clg_node_wants(n, i)) continue;
    clg_tensor *each = i == IN_GAMMA ? clg_mul(g, xhat) : g;
    s = clg_edge_give(n, i, clg_tensor_ref(x->ndim > 1 ? clg_sum(each, rows, x->ndim - 1, false) : each));
  }
  if (s == CLG_OK && clg_node_wants(n, IN_X)) {
    clg_tensor *inner =
        clg_sub(clg_sub(h, clg_mean(h, last, 1, true)), clg_mul(xhat, clg_mean(clg_mul(h, xhat), last, 1, true)));
    s = clg_edge_give(n, IN_X, clg_tensor_ref(clg_mul(rstd, inner)));
  }
  clg_scope_close(scope);
  return s;
}

static clg_status run_kernels(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *grad) {
  const norm_attrs *a = n->attrs;
  clg_norm_act act = {a->act ? clg_formula_gradient(n->ctx, a->act) : NULL, a->slope};
  clg_tensor *g = clg_tensor_packed(grad, n->op);
  clg_status s = g && (!a->act || act.prelude) ? give_all(n, t, g, act) : clg_last_status(n->ctx);
  clg_tensor_unref(&g);
  return s;
}

static clg_status layer_norm_backward(clg_node *n, clg_tensor *grad) {
  const bool needs[SAVED] = {true, true, true, clg_node_wants(n, IN_X) && clg_node_has_saved(n, SAVED_GAMMA),
                             ((norm_attrs *)n->attrs)->act != NULL};
  clg_tensor *t[SAVED] = {NULL};
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < SAVED; i++)
    if (needs[i] && !(t[i] = clg_node_unpack(n, i))) s = clg_last_status(n->ctx);
  if (s == CLG_OK) s = clg_creates_graph(n->ctx) ? give_recorded(n, t, grad) : run_kernels(n, t, grad);
  for (int i = 0; i < SAVED; i++) clg_tensor_unref(&t[i]);
  return s;
}

/* As norm_forward computes it. */
static clg_expr layer_norm_recipe(clg_node *n, clg_recipe *r) {
  clg_arena *a = clg_arena_of(n->ctx);
  const norm_attrs *attrs = n->attrs;
  const clg_saved *x = &n->saved[SAVED_X];
  if (!clg_recipe_shape(r, x->ndim, x->shape)) return 0;
  int64_t row[CLG_MAX_DIMS] = {0}, rows = 1;
  for (int d = x->ndim - 1; d-- > 0;) row[d] = rows, rows *= x->shape[d];
  clg_expr mean = clg_recipe_base(r, &n->saved[SAVED_MEAN], row), rstd = clg_recipe_base(r, &n->saved[SAVED_RSTD], row);
  clg_expr y = clg_expr_make(a, CLG_EX_SUB, clg_recipe_input(r, n, IN_X), mean, 0);
  y = clg_expr_make(a, CLG_EX_MUL, y, rstd, 0);
  if (attrs->gamma) y = clg_expr_make(a, CLG_EX_MUL, y, clg_recipe_base(r, &n->saved[SAVED_GAMMA], NULL), 0);
  if (attrs->beta) y = clg_expr_make(a, CLG_EX_ADD, y, clg_recipe_base(r, &n->saved[SAVED_BETA], NULL), 0);
  return attrs->act ? clg_behind_recipe(r, attrs->act, attrs->slope, y) : y;
}

static const clg_node_class layer_norm_class = {.backward = layer_norm_backward, .recipe = layer_norm_recipe};

static clg_status layer_norm_record(clg_tensor *const in[3], clg_tensor *mean, clg_tensor *rstd, clg_tensor *y,
                                    const norm_attrs *attrs) {
  clg_node *n = clg_node_create(in, 3, SLOTS, sizeof *attrs, &layer_norm_class, "layer_norm");
  if (!n) return CLG_ERR_HOST_MEMORY;
  *(norm_attrs *)n->attrs = *attrs;
  clg_status s = clg_node_save(n, SAVED_X, in[IN_X], IN_X);
  if (s == CLG_OK) s = clg_node_save(n, SAVED_MEAN, mean, CLG_SAVED_OTHER);
  if (s == CLG_OK) s = clg_node_save(n, SAVED_RSTD, rstd, CLG_SAVED_OTHER);
  if (s == CLG_OK && in[IN_GAMMA]) s = clg_node_save(n, SAVED_GAMMA, in[IN_GAMMA], IN_GAMMA);
  if (s == CLG_OK && in[IN_BETA] && clg_keeps_recipes(n->ctx)) s = clg_node_save(n, SAVED_BETA, in[IN_BETA], IN_BETA);
  /* Last: the recipe, if there is one, reads what is saved. */
  if (s == CLG_OK && attrs->act) s = clg_node_save(n, SAVED_Y, y, CLG_SAVED_OUTPUT);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

static bool shapes_ok(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta) {
  clg_tensor *p[] = {gamma, beta};
  bool ok = x->ndim >= 1;
  for (int i = 0; ok && i < 2; i++) ok = !p[i] || (p[i]->ndim == 1 && p[i]->shape[0] == x->shape[x->ndim - 1]);
  if (ok) return true;
  char s[3][CLG_SHAPE_TEXT];
  clg_fail(x->ctx, CLG_ERR_SHAPE, "layer_norm", "x %s, gamma %s, beta %s: want [..,N], [N], [N]",
           clg_shape_text(x->ndim, x->shape, s[0]), gamma ? clg_shape_text(gamma->ndim, gamma->shape, s[1]) : "none",
           beta ? clg_shape_text(beta->ndim, beta->shape, s[2]) : "none");
  return false;
}

/* t[0..3): x, gamma, beta, packed; t[3..6): y, mean, rstd. */
static clg_status run_forward(clg_tensor *const t[6], const norm_attrs *a) {
  clg_norm_forward f = {.x = at(t[0]),
                        .gamma = at(t[1]),
                        .beta = at(t[2]),
                        .y = at(t[3]),
                        .mean = at(t[4]),
                        .rstd = at(t[5]),
                        .rows = rows_of(t[0]),
                        .n = width_of(t[0]),
                        .eps = a->eps};
  f.act = (clg_norm_act){a->act ? clg_formula_epilogue(t[0]->ctx, a->act) : NULL, a->slope};
  if (a->act && !f.act.prelude) return clg_last_status(t[0]->ctx);
  return clg_layer_norm_forward(t[0]->ctx, &f, "layer_norm");
}

/* The inputs are checked. */
static clg_tensor *layer_norm(clg_tensor *const in[3], const norm_attrs *attrs) {
  clg_tensor *x = in[IN_X], *t[6] = {NULL};
  clg_context *ctx = x->ctx;
  bool ok = true;
  for (int i = 0; i < 3; i++) ok = ok && (!in[i] || (t[i] = clg_tensor_packed(in[i], "layer_norm")));
  int64_t rows = ok ? rows_of(x) : 0;
  if (ok) t[3] = clg_tensor_like(x, "layer_norm");
  for (int i = 4; i < 6 && ok; i++) t[i] = clg_tensor_new(ctx, 1, &rows, clg_result_role(ctx), "layer_norm");
  clg_status s = t[3] && t[4] && t[5] ? run_forward(t, attrs) : clg_last_status(ctx);
  if (s == CLG_OK && clg_records(in, 3)) s = layer_norm_record(in, t[4], t[5], t[3], attrs);
  for (int i = 0; i < 6; i++)
    if (i != 3 || s != CLG_OK) clg_tensor_unref(&t[i]);
  return clg_result(t[3]);
}

clg_tensor *clg_layer_norm_act(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, float eps, clg_activation act,
                               float slope) {
  if (!x) return clg_null(NULL, "layer_norm"), NULL;
  clg_tensor *const in[] = {x, gamma, beta}, *const all[] = {x, gamma ? gamma : x, beta ? beta : x};
  clg_behind behind;
  if (!clg_inputs_ok(all, 3, "layer_norm") || !shapes_ok(x, gamma, beta) ||
      !clg_behind_begin(x->ctx, act, slope, &behind))
    return NULL;
  return clg_behind_end(&behind, layer_norm(in, &(norm_attrs){eps, gamma != NULL, beta != NULL, behind.fused, slope}));
}

clg_tensor *clg_layer_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, float eps) {
  return clg_layer_norm_act(x, gamma, beta, eps, CLG_ACT_NONE, 0);
}
