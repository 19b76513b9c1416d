/* Strands: what a computation has open in its context, put aside while another one goes on. */
#include "graph/graph.h"
#include <stdlib.h>

/* Of the context, its graph's state and its random stream: what follows from where a computation stands. */
struct clg_strand {
  clg_context *ctx;
  bool runs; /* its state is the context's; here is what was there before */
  const char *phase, *layer;
  clg_work work;
  struct clg_scope *scope, unopened, *held;
  uint32_t n_unopened;
  bool no_grad, recomputing, failed;
  clg_role result_role;
  clg_saved_hooks *hooks;
  size_t n_hooks, hooks_cap;
  uint64_t seed, position;
};

clg_strand *clg_strand_create(clg_context *ctx) {
  if (!ctx) return clg_null_object(NULL, "strand_create");
  clg_strand *s = clg_graph_of(ctx) ? calloc(1, sizeof *s) : NULL;
  if (!s) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "strand_create", "out of host memory");
  *s = (clg_strand){.ctx = ctx, .result_role = CLG_ROLE_ACTIVATION};
  clg_get_seed(ctx, &s->seed, &s->position);
  clg_context_hold(ctx);
  return s;
}

#define SWAP(T, a, b)                                                                                                  \
  {                                                                                                                    \
    T before = a;                                                                                                      \
    a = b;                                                                                                             \
    b = before;                                                                                                        \
  }

static void swap(clg_strand *s) {
  clg_context *ctx = s->ctx;
  clg_graph *g = clg_graph_of(ctx);
  uint64_t seed, position;
  const char *phase = ctx->phase;
  clg_set_phase(ctx, s->phase);
  s->phase = phase;
  clg_get_seed(ctx, &seed, &position);
  clg_set_seed(ctx, s->seed, s->position);
  s->seed = seed, s->position = position;
  SWAP(const char *, ctx->layer, s->layer)
  SWAP(clg_work, ctx->work, s->work)
  SWAP(struct clg_scope *, ctx->scope, s->scope)
  SWAP(struct clg_scope, ctx->unopened, s->unopened)
  SWAP(uint32_t, ctx->n_unopened, s->n_unopened)
  SWAP(bool, ctx->no_grad, s->no_grad)
  SWAP(clg_role, ctx->result_role, s->result_role)
  SWAP(struct clg_scope *, g->held, s->held)
  SWAP(bool, g->recomputing, s->recomputing)
  SWAP(bool, g->failed, s->failed)
  SWAP(clg_saved_hooks *, g->hooks, s->hooks)
  SWAP(size_t, g->n_hooks, s->n_hooks)
  SWAP(size_t, g->hooks_cap, s->hooks_cap)
}

clg_status clg_strand_enter(clg_strand *s) {
  static const char op[] = "strand_enter";
  if (!s) return clg_null(NULL, op);
  if (s->runs) return clg_fail(s->ctx, CLG_ERR_STATE, op, "it runs already");
  if (s->ctx->tracer)
    return clg_fail(s->ctx, CLG_ERR_STATE, op, "a trace is being written, whose calls lie in each other");
  if (clg_within_idle(s->ctx, op)) return CLG_ERR_STATE;
  swap(s);
  s->runs = true;
  return CLG_OK;
}

void clg_strand_leave(clg_strand *s) {
  if (!s || !s->runs) return;
  swap(s);
  s->runs = false;
}

void clg_strand_destroy(clg_strand **p) {
  if (!p || !*p) return;
  clg_strand *s = *p;
  clg_context *ctx = s->ctx;
  *p = NULL;
  if (!s->runs) swap(s);
  ctx->n_unopened = 0;
  clg_graph_of(ctx)->held = NULL;
  while (ctx->scope) clg_scope_close(ctx->scope);
  swap(s);
  free(s->hooks);
  free(s);
  clg_context_release(ctx);
}
