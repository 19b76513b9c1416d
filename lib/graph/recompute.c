/* Rematerialisation: decides which saved tensors are kept as formulas, and makes them again. */
#include "graph/recompute.h"
#include "base/grown.h"
#include <stdlib.h>
#include <string.h>

/* A formula, compiled. */
struct clg_recompute_map {
  clg_expr e;
  int n_bases, n_numbers;
  clg_map_fn *fn;
};

static const char *const base_name[CLG_RECOMPUTE_BASES] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};
static const char *const number_name[CLG_RECOMPUTE_NUMBERS] = {"q0", "q1", "q2", "q3", "q4",  "q5",
                                                               "q6", "q7", "q8", "q9", "q10", "q11"};

bool clg_set_remat(clg_context *ctx, bool on) {
  clg_graph *g = ctx ? clg_graph_of(ctx) : NULL;
  if (!g) return false;
  bool before = g->remat;
  g->remat = on;
  return before;
}

bool clg_remat(const clg_context *ctx) { return ctx && clg_remat_is_on(ctx); }

bool clg_recomputes(clg_context *ctx) {
  const clg_graph *g = clg_graph_seen(ctx);
  return g && g->remat && !g->n_hooks;
}

/* ---- writing ---- */

bool clg_recompute_shape(clg_recompute *r, int ndim, const int64_t *shape) {
  if (r->ndim < 0) {
    r->ndim = ndim;
    memcpy(r->shape, shape, (size_t)ndim * sizeof *shape);
    return true;
  }
  return r->ndim == ndim && !memcmp(r->shape, shape, (size_t)ndim * sizeof *shape);
}

static bool broadcasts(const clg_recompute *r, const clg_saved *s, int64_t *stride) {
  int lead = r->ndim - s->ndim;
  for (int d = 0; d < r->ndim; d++) stride[d] = d < lead || s->shape[d - lead] == 1 ? 0 : s->stride[d - lead];
  return lead >= 0;
}

clg_expr clg_recompute_base(clg_recompute *r, const clg_saved *s, const int64_t *stride) {
  int64_t own[CLG_MAX_DIMS] = {0};
  if (!s->storage) return 0;
  if (stride) memcpy(own, stride, (size_t)r->ndim * sizeof *own);
  if (!stride && !broadcasts(r, s, own)) return 0;
  int i = 0;
  while (i < r->n_bases && (r->base[i]->storage != s->storage || r->base[i]->offset != s->offset ||
                            memcmp(r->stride[i], own, sizeof own)))
    i++;
  if (i == CLG_RECOMPUTE_BASES) return 0;
  if (i == r->n_bases) r->n_bases++;
  r->base[i] = s;
  memcpy(r->stride[i], own, sizeof own);
  return clg_expr_var(clg_arena_of(r->ctx), base_name[i]);
}

clg_expr clg_recompute_number(clg_recompute *r, float value) {
  if (r->n_numbers == CLG_RECOMPUTE_NUMBERS) return 0;
  r->number[r->n_numbers] = value;
  return clg_expr_var(clg_arena_of(r->ctx), number_name[r->n_numbers++]);
}

static clg_expr write_formula(clg_recompute *r, clg_node *n) {
  return n->can_recompute >= 0 && n->cls->recompute && ++r->n_ops <= CLG_RECOMPUTE_OPS ? n->cls->recompute(n, r) : 0;
}

/* What n keeps of input i; NULL: nothing. */
static const clg_saved *saved_input(const clg_node *n, int i) {
  for (int k = 0; k < n->n_saved; k++)
    if (n->saved[k].source == i && n->saved[k].storage) return &n->saved[k];
  return NULL;
}

clg_expr clg_recompute_input(clg_recompute *r, clg_node *n, int i) {
  const clg_saved *own = saved_input(n, i);
  if (own) return clg_recompute_base(r, own, NULL);
  const clg_edge *e = &n->edge[i];
  return e->node && e->as_made ? write_formula(r, e->node) : 0;
}

/* ---- deciding ---- */

static bool can_recompute(clg_node *n);

/* What a formula reads through an edge must stay as long as the formula may be used. */
static void count_recompute_users(clg_node *n) {
  for (int i = 0; i < n->n_edges; i++) {
    clg_edge *e = &n->edge[i];
    if (saved_input(n, i) || !e->node || !can_recompute(e->node)) continue;
    e->recompute_user = true;
    e->node->recompute_users++;
  }
}

static bool can_recompute(clg_node *n) {
  if (!n->can_recompute && n->cls->recompute) {
    clg_recompute r = {.ctx = n->ctx, .ndim = -1};
    n->can_recompute = write_formula(&r, n) ? 1 : -1;
    if (n->can_recompute > 0) count_recompute_users(n);
  }
  return n->can_recompute > 0 && !n->released;
}

clg_node *clg_recomputed_by(clg_node *n, int source) {
  if (source == CLG_SAVED_OUTPUT) return can_recompute(n) ? n : NULL;
  const clg_edge *e = source >= 0 ? &n->edge[source] : NULL;
  while (e && e->node && e->as_made && e->node->cls->views) e = &e->node->edge[0];
  return e && e->node && e->as_made && can_recompute(e->node) ? e->node : NULL;
}

bool clg_recomputes_itself(const clg_node *n) {
  for (int i = 0; n->can_recompute > 0 && i < n->n_saved; i++)
    if (n->saved[i].recomputed_by == n) return true;
  return false;
}

/* ---- making ---- */

static clg_map_fn *compiled(clg_context *ctx, clg_expr e, const clg_recompute *r, const char *op) {
  clg_graph *g = clg_graph_of(ctx);
  for (size_t i = 0; i < g->n_maps; i++)
    if (g->maps[i].e == e && g->maps[i].n_bases == r->n_bases && g->maps[i].n_numbers == r->n_numbers)
      return g->maps[i].fn;
  struct clg_recompute_map *maps = clg_grown(g->maps, g->n_maps, &g->maps_cap, sizeof *maps);
  if (!maps) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  g->maps = maps;
  clg_map_fn *fn = clg_map_create(ctx, op, &e, 1, base_name, r->n_bases, number_name, r->n_numbers);
  if (fn) g->maps[g->n_maps++] = (struct clg_recompute_map){e, r->n_bases, r->n_numbers, fn};
  return fn;
}

static clg_tensor *run(const clg_recompute *r, clg_map_fn *fn, const char *op) {
  clg_tensor *y = clg_tensor_new(r->ctx, r->ndim, r->shape, CLG_ROLE_ACTIVATION, op);
  clg_tensor *in[CLG_RECOMPUTE_BASES] = {NULL};
  bool ok = y;
  for (int i = 0; ok && i < r->n_bases; i++) {
    const clg_saved *s = r->base[i];
    ok = clg_saved_intact(s, op) && (in[i] = clg_tensor_view(s->storage, s->offset, r->ndim, r->shape, r->stride[i]));
  }
  if (!ok || clg_map_run(fn, &y, (const clg_tensor *const *)in, r->number, false, op) != CLG_OK) clg_tensor_unref(&y);
  for (int i = 0; i < r->n_bases; i++) clg_tensor_unref(&in[i]);
  return y;
}

static clg_tensor *make(clg_node *n) {
  clg_recompute r = {.ctx = n->ctx, .ndim = -1};
  clg_expr e = write_formula(&r, n);
  clg_map_fn *fn = e ? compiled(n->ctx, e, &r, n->op) : NULL;
  if (!e) clg_fail(n->ctx, CLG_ERR_HOST_MEMORY, n->op, "out of host memory");
  return fn ? run(&r, fn, n->op) : NULL;
}

/* Those that saved the same result share it during a backward; the node itself comes last and takes it. */
clg_tensor *clg_recomputed(clg_node *n, const clg_saved *s) {
  clg_node *by = s->recomputed_by;
  bool running = clg_in_backward(n->ctx) && by->pass.id == clg_graph_of(n->ctx)->pass;
  clg_tensor *whole = running ? by->pass.recomputed : NULL;
  if (running) by->pass.recomputed = NULL;
  if (!whole && !(whole = make(by))) return NULL;
  clg_tensor *t = clg_tensor_view(whole->storage, s->offset, s->ndim, s->shape, s->stride);
  if (running && by != n) {
    by->pass.recomputed = whole;
  } else {
    clg_tensor_unref(&whole);
  }
  return t;
}
