/* Scopes: who owns the handles of op results. Also the graph's per-context state, grad mode and anomaly mode. */
#include "base/grown.h"
#include "graph/graph.h"
#include <stdlib.h>

static void graph_close(clg_context *ctx, void *state) {
  clg_graph *g = state;
  ctx->n_unopened = 0;
  g->held = NULL;
  while (ctx->scope) clg_scope_close(ctx->scope);
  if (g->end_cycles) g->end_cycles(g);
  clg_tensor_unref(&g->one);
}

static void graph_destroy(clg_context *ctx, void *state) {
  (void)ctx;
  clg_graph *g = state;
  free(g->hooks);
  free(g->maps);
  free(g);
}

clg_graph *clg_graph_of(clg_context *ctx) {
  clg_slot *slot = &ctx->slot[CLG_SLOT_GRAPH];
  if (slot->state) return slot->state;
  clg_graph *g = calloc(1, sizeof *g);
  if (!g) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  *slot = (clg_slot){g, graph_close, graph_destroy};
  return g;
}

/* Without memory the context's own struct stands for the scope, and for every one that is opened within it, until it is
 * closed: nobody could own results meanwhile, so ops have none, and the close says why. */
clg_scope *clg_scope_open(clg_context *ctx) {
  if (!ctx) return clg_null_object(NULL, "scope_open");
  const clg_nulls *nulls = clg_nulls_here();
  const clg_scope opened = {
      .ctx = ctx, .parent = ctx->scope, .errors = ctx->error.raised, .nulls = nulls, .marks = nulls->seen};
  bool idle = clg_within_idle(ctx, "scope_open");
  clg_scope *s = !idle && !ctx->n_unopened && clg_graph_of(ctx) ? calloc(1, sizeof *s) : NULL;
  if (s) {
    *s = opened;
    return ctx->scope = s;
  }
  if (!ctx->n_unopened++) ctx->unopened = opened;
  if (!idle) clg_fail(ctx, CLG_ERR_HOST_MEMORY, "scope_open", "out of host memory");
  return &ctx->unopened;
}

/* An error that was cleared meanwhile has been dealt with. */
static clg_status status_of(const clg_scope *s) {
  const clg_error *e = &s->ctx->error;
  if (e->status != CLG_OK && e->raised != s->errors) return e->latest;
  const clg_nulls *n = clg_nulls_here();
  if (n != s->nulls || n->seen <= s->marks || n->seen == n->forgiven) return CLG_OK;
  return clg_fail(s->ctx, CLG_ERR_ARGUMENT, n->op, "it was given NULL");
}

clg_callback clg_callback_begin(clg_context *ctx) {
  clg_graph *g = clg_graph_of(ctx);
  const clg_callback call = {ctx, g ? g->held : NULL, ctx->no_grad};
  if (g) g->held = ctx->scope;
  return call;
}

void clg_callback_end(clg_callback call) {
  call.ctx->no_grad = call.no_grad;
  if (clg_graph_of(call.ctx)) clg_graph_of(call.ctx)->held = call.held;
}

/* Refused, with the error set: whoever runs the callback still uses it. */
static bool is_held(const clg_scope *scope) {
  const clg_graph *g = clg_graph_seen(scope->ctx);
  const clg_scope *s = g ? g->held : NULL;
  while (s && s != scope) s = s->parent;
  return s && !clg_refuse(scope->ctx, CLG_ERR_STATE, "scope_close",
                          "the scope was open before the callback that runs: it closes those that it opened");
}

clg_status clg_scope_close(clg_scope *scope) {
  if (!scope) return CLG_OK;
  clg_context *ctx = scope->ctx;
  if (!clg_scope_opened(scope)) {
    if (ctx->n_unopened) ctx->n_unopened--;
    return status_of(scope);
  }
  if (clg_within_idle(ctx, "scope_close") || is_held(scope)) return CLG_ERR_STATE;
  ctx->n_unopened = 0;
  while (ctx->scope != scope) clg_scope_close(ctx->scope);
  clg_status status = status_of(scope);
  ctx->scope = scope->parent;
  /* Last made, first dropped: consumers go before what they were made of. */
  clg_context_hold(ctx);
  const clg_work before = clg_work_begin(ctx, CLG_BY_SCOPE, "scope_close");
  while (scope->n) clg_tensor_unref(&scope->own[--scope->n]);
  clg_work_end(ctx, before);
  free(scope->own);
  free(scope);
  clg_context_release(ctx);
  return status;
}

static clg_tensor *own(clg_scope *s, clg_tensor *t) {
  if (!s || !t) return t;
  clg_tensor **list = clg_grown(s->own, s->n, &s->cap, sizeof *list);
  if (!list) {
    clg_fail(t->ctx, CLG_ERR_HOST_MEMORY, "scope", "out of host memory");
    clg_tensor_unref(&t);
    return NULL;
  }
  s->own = list;
  return s->own[s->n++] = t;
}

/* 1 + where among the scope's own, 0: it is not. */
static size_t place_of(const clg_scope *s, const clg_tensor *t) {
  size_t i = s->n;
  while (i && s->own[i - 1] != t) i--;
  return i;
}

bool clg_scope_owns(const clg_scope *s, const clg_tensor *t) { return place_of(s, t) > 0; }

clg_tensor *clg_scope_close_with(clg_scope *scope, clg_tensor *result) {
  if (!scope) return result;
  clg_context *ctx = scope->ctx;
  if (!clg_scope_opened(scope) || ctx->idling || is_held(scope)) {
    clg_scope_close(scope);
    return result;
  }
  ctx->n_unopened = 0;
  while (ctx->scope != scope) clg_scope_close_with(ctx->scope, result);
  size_t i = result ? place_of(scope, result) : 0;
  bool mine = i > 0;
  if (mine) {
    for (; i < scope->n; i++) scope->own[i - 1] = scope->own[i];
    scope->n--;
  }
  clg_scope_close(scope);
  return mine ? own(ctx->scope, result) : result;
}

clg_tensor *clg_result(clg_tensor *t) {
  if (t && t->ctx->n_unopened) {
    clg_fail(t->ctx, CLG_ERR_HOST_MEMORY, "scope", "there was no memory to open it: close it and try again");
    clg_tensor_unref(&t);
  }
  if (t && clg_anomaly_is_on(t->ctx) && clg_anomaly_check(t, NULL, "its result") != CLG_OK) clg_tensor_unref(&t);
  return t ? own(t->ctx->scope, t) : NULL;
}

bool clg_set_grad_mode(clg_context *ctx, bool on) {
  if (!ctx) return false;
  bool before = !ctx->no_grad;
  ctx->no_grad = !on;
  return before;
}

bool clg_grad_mode(const clg_context *ctx) { return ctx && !ctx->no_grad; }

bool clg_set_anomaly(clg_context *ctx, bool on) {
  clg_graph *g = ctx ? clg_graph_of(ctx) : NULL;
  if (!g) return false;
  bool before = g->anomaly;
  g->anomaly = on;
  return before;
}

bool clg_anomaly(const clg_context *ctx) { return ctx && clg_anomaly_is_on(ctx); }
