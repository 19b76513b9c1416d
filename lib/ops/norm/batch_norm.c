/* Batch norm: its kernels, recorded. Saves the input and, a channel each, mean and 1/std. */
#include "ops/activation.h"
#include "ops/compose.h"
#include "ops/norm/batch_norm_kernels.h"
#include "ops/norm/normalise.h"
#include <clgrad/ops.h>

enum { IN_X, IN_GAMMA, IN_BETA };
enum { SAVED_X, SAVED_MEAN, SAVED_RSTD, SAVED_GAMMA, SAVED_BETA, SAVED }; /* beta: for the activation and for recipes */

typedef struct batch_attrs {
  float eps;
  bool train;
  clg_formula *act; /* behind it; NULL: none */
  float slope;
} batch_attrs;

/* The prelude of the kernels; NULL with the error set, or "". */
static const char *prelude_of(clg_context *ctx, clg_formula *act) { return act ? clg_formula_both(ctx, act) : ""; }

/* ---- backward ---- */

/* d[i] (+)= the gradient of input i, where it is not NULL; contiguous all. */
static clg_status backward_kernel(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *x, clg_tensor *g,
                                  clg_tensor *const d[3], const bool add[3]) {
  const batch_attrs *a = n->attrs;
  const char *prelude = prelude_of(n->ctx, a->act);
  if (!prelude) return clg_last_status(n->ctx);
  clg_batch_norm_over o = {x, t[SAVED_GAMMA], t[SAVED_BETA], t[SAVED_MEAN], t[SAVED_RSTD], prelude, a->slope, 0};
  if (!a->train) o.flags |= CLG_BN_EVAL;
  for (uint32_t i = 0; i < 3; i++) o.flags |= (d[i] ? CLG_BN_WANT_X << i : 0) | (add[i] ? CLG_BN_ADD_X << i : 0);
  return clg_batch_norm_backward(&o, g, d);
}

static clg_status fill_empty(clg_tensor *const d[3], const bool add[3], const char *op) {
  clg_status s = CLG_OK;
  for (int i = 0; i < 3 && s == CLG_OK; i++)
    if (d[i] && !add[i]) s = clg_map_run(clg_maps_of(d[i]->ctx, CLG_MAP_FILL), &d[i], NULL, (float[]){0}, false, op);
  return s;
}

static clg_status give_computed(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *grad) {
  clg_tensor *g = clg_tensor_packed(grad, n->op), *x = t[SAVED_X], *d[3] = {NULL};
  bool add[3] = {false, false, false};
  clg_status s = g ? CLG_OK : clg_last_status(n->ctx);
  for (int i = 0; s == CLG_OK && i < 3; i++) {
    if (!clg_node_wants(n, i)) continue;
    d[i] =
        i == IN_X ? clg_edge_begin(n, i, x->ndim, x->shape, &add[i]) : clg_edge_begin(n, i, 1, &x->shape[1], &add[i]);
    if (!d[i]) s = clg_last_status(n->ctx);
  }
  if (s == CLG_OK) s = x->numel ? backward_kernel(n, t, x, g, d, add) : fill_empty(d, add, n->op);
  for (int i = 0; i < 3; i++) {
    if (s == CLG_OK && d[i]) {
      s = clg_edge_end(n, i, d[i]);
    } else {
      clg_tensor_unref(&d[i]);
    }
  }
  clg_tensor_unref(&g);
  return s;
}

/* t [C] as [1,C,1,..]. */
static clg_tensor *over_channels(clg_tensor *t, const clg_tensor *x) {
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < x->ndim; d++) shape[d] = d == 1 ? x->shape[1] : 1;
  return clg_reshape(t, x->ndim, shape);
}

/* The gradient before the activation. */
static clg_tensor *before_activation(const batch_attrs *a, clg_tensor *xhat, clg_tensor *const t[SAVED],
                                     const clg_tensor *x, clg_tensor *g) {
  clg_tensor *v = t[SAVED_GAMMA] ? clg_mul(xhat, over_channels(t[SAVED_GAMMA], x)) : xhat;
  if (t[SAVED_BETA]) v = clg_add(v, over_channels(t[SAVED_BETA], x));
  clg_tensor *y = v ? clg_formula_apply(a->act, &v, &a->slope, 0, false) : NULL;
  return y ? clg_formula_recorded_gradient(a->act, 0, (clg_tensor *[]){v, y, g}, &a->slope) : NULL;
}

/* With create_graph: the same by recorded ops. */
static clg_status give_recorded(clg_node *n, clg_tensor *const t[SAVED], clg_tensor *g) {
  const batch_attrs *a = n->attrs;
  clg_tensor *x = t[SAVED_X];
  clg_scope *scope = clg_scope_open(n->ctx);
  int dims[CLG_MAX_DIMS], count = 0;
  for (int d = 0; d < x->ndim; d++)
    if (d != 1) dims[count++] = d;
  clg_tensor *mean = over_channels(t[SAVED_MEAN], x), *rstd = over_channels(t[SAVED_RSTD], x), *xhat;
  xhat = a->train ? clg_normalise(x, mean, rstd, dims, count, a->eps, &rstd) : clg_mul(clg_sub(x, mean), rstd);
  if (a->act) g = before_activation(a, xhat, t, x, g);
  clg_tensor *h = t[SAVED_GAMMA] ? clg_mul(g, over_channels(t[SAVED_GAMMA], x)) : g;
  clg_status s = xhat && h ? CLG_OK : clg_last_status(n->ctx);
  for (int i = IN_GAMMA; s == CLG_OK && i <= IN_BETA; i++)
    if (clg_node_wants(n, i))
      s = clg_edge_give(n, i, clg_tensor_ref(clg_sum(i == IN_GAMMA ? clg_mul(g, xhat) : g, dims, count, false)));
  if (s == CLG_OK && clg_node_wants(n, IN_X)) {
    if (a->train)
      h = clg_sub(clg_sub(h, clg_mean(h, dims, count, true)),
                  clg_mul(xhat, clg_mean(clg_mul(h, xhat), dims, count, true)));
    s = clg_edge_give(n, IN_X, clg_tensor_ref(clg_mul(rstd, h)));
  }
  clg_scope_close(scope);
  return s;
}

static clg_status batch_norm_backward(clg_node *n, clg_tensor *g) {
  clg_tensor *t[SAVED] = {NULL};
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < SAVED; i++)
    if ((i != SAVED_BETA || ((batch_attrs *)n->attrs)->act) && clg_node_has_saved(n, i) &&
        !(t[i] = clg_node_unpack(n, i)))
      s = clg_last_status(n->ctx);
  if (s == CLG_OK) s = clg_creates_graph(n->ctx) ? give_recorded(n, t, g) : give_computed(n, t, g);
  for (int i = 0; i < SAVED; i++) clg_tensor_unref(&t[i]);
  return s;
}

/* A saved [C] along dimension 1 of the result. */
static clg_expr along_channels(clg_recipe *r, const clg_saved *s) {
  return clg_recipe_base(r, s, (int64_t[CLG_MAX_DIMS]){0, s->stride[0]});
}

/* As batch_norm_forward computes it; without beta that adds a zero, which an expression would not. */
static clg_expr batch_norm_recipe(clg_node *n, clg_recipe *r) {
  const clg_saved *s = n->saved;
  if (!s[SAVED_GAMMA].storage || !s[SAVED_BETA].storage || !clg_recipe_shape(r, s[SAVED_X].ndim, s[SAVED_X].shape))
    return 0;
  clg_arena *a = clg_arena_of(n->ctx);
  clg_expr x = clg_recipe_input(r, n, IN_X), mean = along_channels(r, &s[SAVED_MEAN]);
  clg_expr scale =
      clg_expr_make(a, CLG_EX_MUL, along_channels(r, &s[SAVED_RSTD]), along_channels(r, &s[SAVED_GAMMA]), 0);
  clg_expr y = clg_expr_make(a, CLG_EX_MUL, clg_expr_make(a, CLG_EX_SUB, x, mean, 0), scale, 0);
  y = clg_expr_make(a, CLG_EX_ADD, y, along_channels(r, &s[SAVED_BETA]), 0);
  const batch_attrs *attrs = n->attrs;
  return attrs->act ? clg_behind_recipe(r, attrs->act, attrs->slope, y) : y;
}

static const clg_node_class batch_norm_class = {.backward = batch_norm_backward, .recipe = batch_norm_recipe};

static clg_status record(clg_tensor *const in[3], clg_tensor *mean, clg_tensor *rstd, clg_tensor *y,
                         batch_attrs attrs) {
  clg_node *n = clg_node_create(in, 3, SAVED, sizeof attrs, &batch_norm_class, "batch_norm");
  if (!n) return CLG_ERR_HOST_MEMORY;
  *(batch_attrs *)n->attrs = attrs;
  clg_status s = clg_node_save(n, SAVED_X, in[IN_X], IN_X);
  if (s == CLG_OK) s = clg_node_save(n, SAVED_MEAN, mean, CLG_SAVED_OTHER);
  if (s == CLG_OK) s = clg_node_save(n, SAVED_RSTD, rstd, CLG_SAVED_OTHER);
  if (s == CLG_OK && in[IN_GAMMA]) s = clg_node_save(n, SAVED_GAMMA, in[IN_GAMMA], IN_GAMMA);
  if (s == CLG_OK && in[IN_BETA] && (attrs.act || clg_keeps_recipes(n->ctx)))
    s = clg_node_save(n, SAVED_BETA, in[IN_BETA], IN_BETA);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

/* ---- forward ---- */

static bool shapes_ok(clg_tensor *x, clg_tensor *const all[5]) {
  bool ok = x->ndim >= 2;
  for (int i = 1; ok && i < 5; i++) ok = !all[i] || (all[i]->ndim == 1 && all[i]->shape[0] == x->shape[1]);
  if (ok) return true;
  static const char *const name[] = {"x", "gamma", "beta", "running_mean", "running_var"};
  char s[CLG_SHAPE_TEXT], other[CLG_SHAPE_TEXT] = "";
  int bad = 0;
  for (int i = 4; i > 0; i--)
    if (all[i] && (all[i]->ndim != 1 || x->ndim < 2 || all[i]->shape[0] != x->shape[1])) bad = i;
  if (bad) clg_shape_text(all[bad]->ndim, all[bad]->shape, other);
  clg_fail(x->ctx, CLG_ERR_SHAPE, "batch_norm", "x %s%s%s %s: want [N,C,..], and [C] for the others",
           clg_shape_text(x->ndim, x->shape, s), bad ? ", " : "", bad ? name[bad] : "", other);
  return false;
}

static bool options_ok(clg_tensor *x, const clg_batch_norm_options *o, bool updates) {
  clg_context *ctx = x->ctx;
  if (!o->running_mean != !o->running_var)
    return clg_fail(ctx, CLG_ERR_ARGUMENT, "batch_norm", "one running statistic is given without the other"), false;
  if (!o->train && !o->running_mean)
    return clg_fail(ctx, CLG_ERR_ARGUMENT, "batch_norm", "evaluation needs the running statistics"), false;
  if (o->train && x->numel && x->numel == x->shape[1])
    return clg_fail(ctx, CLG_ERR_SHAPE, "batch_norm", "training needs more than one value a channel"), false;
  if (!updates) return true;
  clg_tensor *running[] = {o->running_mean, o->running_var};
  for (int i = 0; i < 2; i++) {
    if (clg_tensor_changeable(running[i], "batch_norm") != CLG_OK) return false;
    if (!clg_tensor_is_contiguous(running[i]))
      return clg_fail(ctx, CLG_ERR_ARGUMENT, "batch_norm", "the running statistics must be contiguous"), false;
  }
  return true;
}

/* in[0..5): x, gamma, beta, running mean and variance, packed or NULL; out: y, mean, rstd. */
static clg_status forward_kernel(clg_tensor *const in[5], clg_tensor *const out[3], const clg_batch_norm_options *o,
                                 clg_formula *act, bool updates) {
  clg_tensor *x = in[0];
  if (!x->numel) return CLG_OK;
  const char *prelude = prelude_of(x->ctx, act);
  if (!prelude) return clg_last_status(x->ctx);
  clg_batch_norm_over over = {x, in[1], in[2], out[1], out[2], prelude, o->slope, 0};
  if (!o->train) over.flags |= CLG_BN_EVAL;
  if (updates) over.flags |= CLG_BN_UPDATE;
  clg_batch_norm_moving moving = {in[3], in[4], o->eps, o->momentum};
  clg_status s = clg_batch_norm_forward(&over, &moving, out[0]);
  for (int i = 3; i < 5 && s == CLG_OK && updates; i++) clg_storage_changed(in[i]->storage, "batch_norm");
  return s;
}

clg_tensor *clg_batch_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, const clg_batch_norm_options *options) {
  static const clg_batch_norm_options defaults = CLG_BATCH_NORM_OPTIONS_INIT;
  const clg_batch_norm_options *o = options ? options : &defaults;
  if (!x) return clg_null(NULL, "batch_norm"), NULL;
  clg_tensor *const all[5] = {x, gamma, beta, o->running_mean, o->running_var};
  clg_tensor *const given[5] = {x, gamma ? gamma : x, beta ? beta : x, all[3] ? all[3] : x, all[4] ? all[4] : x};
  /* A checkpointed segment that runs again has updated them already. */
  bool updates = o->train && o->running_mean && !clg_recomputing(x->ctx);
  if (!clg_inputs_ok(given, 5, "batch_norm") || !shapes_ok(x, all) || !options_ok(x, o, updates)) return NULL;
  clg_context *ctx = x->ctx;
  clg_behind behind;
  if (!clg_behind_begin(ctx, o->act, o->slope, &behind)) return NULL;
  clg_tensor *in[5] = {NULL}, *out[3] = {NULL};
  bool ok = true;
  for (int i = 0; i < 5; i++) ok = ok && (!all[i] || (in[i] = clg_tensor_packed(all[i], "batch_norm")));
  if (ok) out[0] = clg_tensor_like(x, "batch_norm");
  for (int i = 1; i < 3 && out[0]; i++)
    out[i] = clg_tensor_new(ctx, 1, &x->shape[1], clg_result_role(ctx), "batch_norm");
  clg_status s = out[1] && out[2] ? forward_kernel(in, out, o, behind.fused, updates) : clg_last_status(ctx);
  if (s == CLG_OK && clg_records(all, 3))
    s = record(all, out[1], out[2], out[0], (batch_attrs){o->eps, o->train, behind.fused, o->slope});
  for (int i = 0; i < 5; i++) clg_tensor_unref(&in[i]);
  for (int i = s == CLG_OK ? 1 : 0; i < 3; i++) clg_tensor_unref(&out[i]);
  return clg_behind_end(&behind, clg_result(out[0]));
}
