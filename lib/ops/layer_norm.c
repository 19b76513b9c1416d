/* Layer norm: its kernels, recorded. Saves the input and, a row each, mean and 1/std. */
#include "graph/recipe.h"
#include "ops/norm_kernels.h"
#include <clgrad/ops.h>

enum { IN_X, IN_GAMMA, IN_BETA };
enum { SAVED_X, SAVED_MEAN, SAVED_RSTD, SAVED_GAMMA, SAVED, SAVED_BETA = SAVED, SLOTS }; /* beta: for a recipe alone */

static clg_at at(const clg_tensor *t) { return t ? (clg_at){t->storage->block, clg_tensor_at(t)} : (clg_at){NULL, 0}; }
static uint32_t width_of(const clg_tensor *x) { return (uint32_t)x->shape[x->ndim - 1]; }
static uint32_t rows_of(const clg_tensor *x) { return x->numel ? (uint32_t)(x->numel / x->shape[x->ndim - 1]) : 0; }

static clg_status give_x(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *g) {
  bool add;
  clg_tensor *dx = clg_edge_begin(n, IN_X, g->ndim, g->shape, &add);
  if (!dx) return clg_last_status(n->ctx);
  clg_norm_backward_x b = {.g = at(g),
                           .x = at(t[SAVED_X]),
                           .mean = at(t[SAVED_MEAN]),
                           .rstd = at(t[SAVED_RSTD]),
                           .gamma = at(t[SAVED_GAMMA]),
                           .dx = at(dx),
                           .rows = rows_of(g),
                           .n = width_of(g),
                           .accumulate = add};
  clg_status s = clg_layer_norm_backward_x(n->ctx, &b, n->op);
  if (s == CLG_OK) return clg_edge_end(n, IN_X, dx);
  clg_tensor_unref(&dx);
  return s;
}

static clg_status give_params(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *g) {
  bool wants[2] = {clg_node_wants(n, IN_GAMMA), clg_node_wants(n, IN_BETA)}, add[2] = {false, false};
  clg_tensor *d[2] = {NULL, NULL};
  clg_status s = CLG_OK;
  for (int i = 0; i < 2 && s == CLG_OK; i++)
    if (wants[i] && !(d[i] = clg_edge_begin(n, IN_GAMMA + i, 1, &g->shape[g->ndim - 1], &add[i])))
      s = clg_last_status(n->ctx);
  clg_norm_backward_params b = {.g = at(g),
                                .x = at(t[SAVED_X]),
                                .mean = at(t[SAVED_MEAN]),
                                .rstd = at(t[SAVED_RSTD]),
                                .dgamma = at(d[0]),
                                .dbeta = at(d[1]),
                                .rows = rows_of(g),
                                .n = width_of(g),
                                .accumulate_gamma = add[0],
                                .accumulate_beta = add[1]};
  if (s == CLG_OK) s = clg_layer_norm_backward_params(n->ctx, &b, n->op);
  for (int i = 0; i < 2; i++) {
    if (s == CLG_OK && wants[i]) {
      s = clg_edge_end(n, IN_GAMMA + i, d[i]);
    } else {
      clg_tensor_unref(&d[i]);
    }
  }
  return s;
}

typedef struct norm_attrs {
  float eps;
  bool gamma, beta; /* there are such */
} norm_attrs;

/* With create_graph: the same by recorded ops, from x alone. */
static clg_status give_recorded(clg_node *n, clg_tensor *x, clg_tensor *gamma, clg_tensor *g) {
  clg_scope *scope = clg_scope_open(n->ctx);
  const int last[] = {-1};
  clg_tensor *centred = clg_sub(x, clg_mean(x, last, 1, true));
  clg_tensor *rstd =
      clg_rsqrt(clg_add_scalar(clg_mean(clg_square(centred), last, 1, true), ((norm_attrs *)n->attrs)->eps));
  clg_tensor *xhat = clg_mul(centred, rstd), *h = gamma ? clg_mul(g, gamma) : g;
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

static clg_status run_kernels(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *grad, bool wants_x,
                              bool wants_params) {
  clg_tensor *g = clg_tensor_packed(grad, n->op), *x = g ? clg_tensor_packed(t[SAVED_X], n->op) : NULL;
  clg_tensor *const packed[SAVED] = {x, t[SAVED_MEAN], t[SAVED_RSTD], t[SAVED_GAMMA]};
  clg_status s = x ? CLG_OK : clg_last_status(n->ctx);
  if (s == CLG_OK && wants_params) s = give_params(n, packed, g);
  if (s == CLG_OK && wants_x) s = give_x(n, packed, g);
  clg_tensor_unref(&g);
  clg_tensor_unref(&x);
  return s;
}

static clg_status layer_norm_backward(clg_node *n, clg_tensor *grad) {
  bool wants_x = clg_node_wants(n, IN_X), wants_params = clg_node_wants(n, IN_GAMMA) || clg_node_wants(n, IN_BETA);
  clg_tensor *t[SAVED] = {NULL};
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < SAVED; i++) {
    bool needed = i == SAVED_GAMMA ? wants_x && clg_node_has_saved(n, i) : wants_x || wants_params;
    if (needed && !(t[i] = clg_node_unpack(n, i))) s = clg_last_status(n->ctx);
  }
  if (s == CLG_OK)
    s = clg_creates_graph(n->ctx) ? give_recorded(n, t[SAVED_X], t[SAVED_GAMMA], grad)
                                  : run_kernels(n, t, grad, wants_x, wants_params);
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
  return attrs->beta ? clg_expr_make(a, CLG_EX_ADD, y, clg_recipe_base(r, &n->saved[SAVED_BETA], NULL), 0) : y;
}

static const clg_node_class layer_norm_class = {.backward = layer_norm_backward, .recipe = layer_norm_recipe};

static clg_status layer_norm_record(clg_tensor *const in[3], clg_tensor *mean, clg_tensor *rstd, clg_tensor *y,
                                    float eps) {
  clg_node *n = clg_node_create(in, 3, SLOTS, sizeof(norm_attrs), &layer_norm_class, "layer_norm");
  if (!n) return CLG_ERR_HOST_MEMORY;
  *(norm_attrs *)n->attrs = (norm_attrs){eps, in[IN_GAMMA] != NULL, in[IN_BETA] != NULL};
  clg_status s = clg_node_save(n, SAVED_X, in[IN_X], IN_X);
  if (s == CLG_OK) s = clg_node_save(n, SAVED_MEAN, mean, CLG_SAVED_OTHER);
  if (s == CLG_OK) s = clg_node_save(n, SAVED_RSTD, rstd, CLG_SAVED_OTHER);
  if (s == CLG_OK && in[IN_GAMMA]) s = clg_node_save(n, SAVED_GAMMA, in[IN_GAMMA], IN_GAMMA);
  if (s == CLG_OK && in[IN_BETA] && clg_keeps_recipes(n->ctx)) s = clg_node_save(n, SAVED_BETA, in[IN_BETA], IN_BETA);
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
static clg_status run_forward(clg_tensor *const t[6], float eps) {
  clg_norm_forward f = {.x = at(t[0]),
                        .gamma = at(t[1]),
                        .beta = at(t[2]),
                        .y = at(t[3]),
                        .mean = at(t[4]),
                        .rstd = at(t[5]),
                        .rows = rows_of(t[0]),
                        .n = width_of(t[0]),
                        .eps = eps};
  return clg_layer_norm_forward(t[0]->ctx, &f, "layer_norm");
}

clg_tensor *clg_layer_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, float eps) {
  if (!x) return NULL;
  clg_tensor *const in[] = {x, gamma, beta}, *const all[] = {x, gamma ? gamma : x, beta ? beta : x};
  if (!clg_inputs_ok(all, 3, "layer_norm") || !shapes_ok(x, gamma, beta)) return NULL;
  clg_context *ctx = x->ctx;
  clg_tensor *t[6] = {NULL};
  bool ok = true;
  for (int i = 0; i < 3; i++) ok = ok && (!in[i] || (t[i] = clg_tensor_packed(in[i], "layer_norm")));
  int64_t rows = ok ? rows_of(x) : 0;
  if (ok) t[3] = clg_tensor_like(x, "layer_norm");
  for (int i = 4; i < 6 && ok; i++) t[i] = clg_tensor_new(ctx, 1, &rows, clg_result_role(ctx), "layer_norm");
  clg_status s = t[3] && t[4] && t[5] ? run_forward(t, eps) : clg_last_status(ctx);
  if (s == CLG_OK && clg_records(in, 3)) s = layer_norm_record(in, t[4], t[5], t[3], eps);
  for (int i = 0; i < 6; i++)
    if (i != 3 || s != CLG_OK) clg_tensor_unref(&t[i]);
  return clg_result(t[3]);
}
