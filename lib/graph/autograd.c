/* What is asked of a tensor's graph: requires_grad, the gradient, detach, hooks. */
#include "base/grown.h"
#include "graph/graph.h"
#include <stdlib.h>

clg_status clg_tensor_set_requires_grad(clg_tensor *t, bool on) {
  if (!t) return clg_null(NULL, "tensor_set_requires_grad");
  if (t->has_graph) {
    if (on) return CLG_OK;
    return clg_fail(t->ctx, CLG_ERR_GRAPH, "tensor_set_requires_grad",
                    "the result of a recorded op always requires grad: use clg_detach");
  }
  if (on && !clg_tensor_holds(t, CLG_F32, "tensor_set_requires_grad")) return CLG_ERR_ARGUMENT;
  if (on && !clg_autograd_of(t)) return CLG_ERR_HOST_MEMORY;
  if (on && t->storage->role == CLG_ROLE_DATA) clg_storage_trained(t->storage);
  t->requires_grad = on;
  return CLG_OK;
}

bool clg_tensor_requires_grad(const clg_tensor *t) { return t && t->requires_grad; }
bool clg_tensor_is_leaf(const clg_tensor *t) { return t && !t->has_graph; }
clg_tensor *clg_tensor_grad(const clg_tensor *t) { return t && t->grad ? t->grad->grad : NULL; }

void clg_tensor_zero_grad(clg_tensor *t) {
  if (!t || !t->grad) return;
  clg_context *ctx = t->ctx;
  clg_context_hold(ctx); /* a cycle may end with the gradient, and t with it */
  const clg_work before = clg_work_begin(ctx, CLG_BY_ZERO_GRAD, "zero_grad");
  clg_grad_set(t, NULL);
  clg_work_end(ctx, before);
  clg_context_release(ctx);
}

clg_status clg_tensor_retain_grad(clg_tensor *t) {
  if (!t) return clg_null(NULL, "tensor_retain_grad");
  if (!t->requires_grad)
    return clg_fail(t->ctx, CLG_ERR_GRAPH, "tensor_retain_grad", "the tensor does not require grad");
  if (t->has_graph) t->grad->node->retained_grad = t;
  return CLG_OK;
}

clg_tensor *clg_detach(clg_tensor *t) {
  if (!t) return clg_null_object(NULL, "detach");
  return clg_result(clg_tensor_view(t->storage, t->offset, t->ndim, t->shape, t->stride));
}

/* Where hooks on t's gradient hang: a result's on its node, since that is where the gradient arrives. */
static clg_hook **hooks_of(clg_tensor *t) { return t->has_graph ? &t->grad->node->hooks : &t->grad->hooks; }

static uint64_t append(clg_hook **at, clg_context *ctx, clg_hook hook, const char *op) {
  clg_graph *g = clg_graph_of(ctx);
  clg_hook *h = g ? malloc(sizeof *h) : NULL;
  if (!h) {
    clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
    return 0;
  }
  *h = hook;
  h->id = ++g->hook_id;
  while (*at) at = &(*at)->next;
  *at = h;
  return h->id;
}

uint64_t clg_tensor_add_hook(clg_tensor *t, clg_tensor_hook hook, void *user) {
  if (!t || !hook) {
    clg_null(t ? t->ctx : NULL, "tensor_add_hook");
    return 0;
  }
  if (!t->requires_grad) {
    clg_fail(t->ctx, CLG_ERR_GRAPH, "tensor_add_hook", "the tensor does not require grad");
    return 0;
  }
  return append(hooks_of(t), t->ctx, (clg_hook){.fn = hook, .user = user}, "tensor_add_hook");
}

static uint64_t append_accumulated(clg_tensor *leaf, clg_post_accumulate_hook hook, void *user, bool early,
                                   const char *op) {
  if (!leaf || !hook) {
    clg_null(leaf ? leaf->ctx : NULL, op);
    return 0;
  }
  if (!leaf->requires_grad || leaf->has_graph) {
    clg_fail(leaf->ctx, CLG_ERR_GRAPH, op, "the tensor is not a leaf that requires grad");
    return 0;
  }
  const clg_hook made = {.accumulated = hook, .user = user, .early = early};
  return append(&leaf->grad->accumulated_hooks, leaf->ctx, made, op);
}

uint64_t clg_tensor_add_post_accumulate_hook(clg_tensor *leaf, clg_post_accumulate_hook hook, void *user) {
  return append_accumulated(leaf, hook, user, false, "tensor_add_post_accumulate_hook");
}

uint64_t clg_tensor_add_ready_hook(clg_tensor *leaf, clg_post_accumulate_hook hook, void *user) {
  return append_accumulated(leaf, hook, user, true, "tensor_add_ready_hook");
}

static bool removed(clg_hook **at, uint64_t id) {
  while (*at && (*at)->id != id) at = &(*at)->next;
  clg_hook *h = *at;
  if (!h) return false;
  *at = h->next;
  free(h);
  return true;
}

clg_status clg_tensor_remove_hook(clg_tensor *t, uint64_t id) {
  if (!t) return clg_null(NULL, "tensor_remove_hook");
  if (t->grad && (removed(hooks_of(t), id) || removed(&t->grad->accumulated_hooks, id))) return CLG_OK;
  return clg_fail(t->ctx, CLG_ERR_ARGUMENT, "tensor_remove_hook", "the tensor has no such hook");
}

clg_status clg_push_saved_hooks(clg_context *ctx, const clg_saved_hooks *hooks) {
  clg_graph *g = ctx ? clg_graph_of(ctx) : NULL;
  if (!g || !hooks || !hooks->pack || !hooks->unpack) return clg_null(ctx, "push_saved_hooks");
  clg_saved_hooks *list = clg_grown(g->hooks, g->n_hooks, &g->hooks_cap, sizeof *list);
  if (!list) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, "push_saved_hooks", "out of host memory");
  g->hooks = list;
  g->hooks[g->n_hooks++] = *hooks;
  return CLG_OK;
}

clg_status clg_pop_saved_hooks(clg_context *ctx) {
  clg_graph *g = ctx ? clg_graph_of(ctx) : NULL;
  if (!g) return CLG_ERR_ARGUMENT;
  if (!g->n_hooks) return clg_fail(ctx, CLG_ERR_STATE, "pop_saved_hooks", "no hooks are pushed");
  g->n_hooks--;
  return CLG_OK;
}
