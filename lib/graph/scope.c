/* Scopes: who owns the handles of op results. Also the graph's per-context state and grad mode. */
#include "graph/graph.h"
#include <stdlib.h>

struct clg_scope {
  clg_context *ctx;
  clg_scope *parent;
  clg_tensor **own;
  size_t n, cap;
  uint64_t errors; /* raised when it opened */
};

static void graph_close(clg_context *ctx, void *state) {
  clg_graph *g = state;
  while (ctx->scope) clg_scope_close(ctx->scope);
  while (g->cyclic) {
    clg_tensor *t = clg_tensor_ref(g->cyclic);
    clg_zero_grad(t);
    clg_tensor_unref(&t);
  }
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
  if (!g) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory"), NULL;
  *slot = (clg_slot){g, graph_close, graph_destroy};
  return g;
}

clg_scope *clg_scope_open(clg_context *ctx) {
  if (!ctx || !clg_graph_of(ctx)) return NULL;
  clg_scope *s = calloc(1, sizeof *s);
  if (!s) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, "scope_open", "out of host memory"), NULL;
  *s = (clg_scope){.ctx = ctx, .parent = ctx->scope, .errors = ctx->error.raised};
  return ctx->scope = s;
}

clg_status clg_scope_close(clg_scope *scope) {
  if (!scope) return CLG_OK;
  clg_context *ctx = scope->ctx;
  while (ctx->scope != scope) clg_scope_close(ctx->scope);
  /* An error that was cleared meanwhile has been dealt with. */
  bool failed = ctx->error.status != CLG_OK && ctx->error.raised != scope->errors;
  clg_status status = failed ? ctx->error.latest : CLG_OK;
  ctx->scope = scope->parent;
  /* Last made, first dropped: consumers go before what they were made of. */
  clg_context_hold(ctx);
  while (scope->n) clg_tensor_unref(&scope->own[--scope->n]);
  free(scope->own);
  free(scope);
  clg_context_release(ctx);
  return status;
}

static clg_tensor *own(clg_scope *s, clg_tensor *t) {
  if (!s || !t) return t;
  if (s->n == s->cap) {
    size_t cap = s->cap ? 2 * s->cap : 16;
    clg_tensor **list = realloc(s->own, cap * sizeof *list);
    if (!list) {
      clg_fail(t->ctx, CLG_ERR_HOST_MEMORY, "scope", "out of host memory");
      clg_tensor_unref(&t);
      return NULL;
    }
    s->own = list, s->cap = cap;
  }
  return s->own[s->n++] = t;
}

clg_tensor *clg_scope_close_with(clg_scope *scope, clg_tensor *result) {
  if (!scope) return result;
  clg_context *ctx = scope->ctx;
  while (ctx->scope != scope) clg_scope_close_with(ctx->scope, result);
  size_t i = scope->n;
  while (result && i && scope->own[i - 1] != result) i--;
  bool mine = result && i;
  if (mine) {
    for (; i < scope->n; i++) scope->own[i - 1] = scope->own[i];
    scope->n--;
  }
  clg_scope_close(scope);
  return mine ? own(ctx->scope, result) : result;
}

clg_tensor *clg_result(clg_tensor *t) {
  if (t && t->ctx->anomaly && clg_anomaly_check(t, NULL, "its result") != CLG_OK) clg_tensor_unref(&t);
  return t ? own(t->ctx->scope, t) : NULL;
}

bool clg_set_grad_mode(clg_context *ctx, bool on) {
  bool before = !ctx->no_grad;
  ctx->no_grad = !on;
  return before;
}

bool clg_grad_mode(const clg_context *ctx) { return !ctx->no_grad; }
