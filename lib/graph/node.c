/* Nodes: recording an op, saving and unpacking its tensors, and freeing long chains without recursion. And the graph's
 * part of a tensor, which holds the node that made it, and which it goes with. */
#include "graph/recompute.h"
#include <stdlib.h>
#include <string.h>

bool clg_inputs_here(clg_tensor *const *in, int n, const char *op) {
  clg_context *ctx = NULL;
  int nulls = 0;
  for (int i = 0; i < n; i++)
    if (in[i])
      ctx = in[i]->ctx;
    else
      nulls++;
  if (nulls) {
    clg_null(ctx, op);
    return false;
  }
  for (int i = 1; i < n; i++)
    if (in[i]->ctx != in[0]->ctx)
      return clg_refuse(in[0]->ctx, CLG_ERR_ARGUMENT, op, "its inputs belong to different contexts");
  return true;
}

bool clg_inputs_ok(clg_tensor *const *in, int n, const char *op) {
  if (!clg_inputs_here(in, n, op)) return false;
  for (int i = 0; i < n; i++)
    if (!clg_tensor_holds(in[i], CLG_F32, op)) return false;
  return true;
}

bool clg_records(clg_tensor *const *in, int n) {
  for (int i = 0; i < n; i++)
    if (in[i] && in[i]->requires_grad && !in[i]->ctx->no_grad) return true;
  return false;
}

clg_node *clg_node_create(clg_tensor *const *in, int n_in, const clg_tensor *y, int n_saved, size_t attr,
                          const clg_node_class *cls, const char *op) {
  clg_context *ctx = NULL;
  for (int i = 0; i < n_in && !ctx; i++) ctx = in[i] ? in[i]->ctx : NULL;
  clg_graph *g = clg_graph_of(ctx);
  size_t edges = (size_t)n_in * sizeof(clg_edge), saved = (size_t)n_saved * sizeof(clg_saved);
  size_t shape = y ? (size_t)y->ndim * sizeof *y->shape : 0;
  char *memory = g ? calloc(1, sizeof(clg_node) + edges + saved + shape + attr) : NULL;
  if (!memory) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  clg_node *n = (clg_node *)memory;
  n->refs = 1;
  n->ctx = ctx;
  n->cls = cls;
  n->op = op;
  n->layer = clg_layer(ctx);
  n->phase = clg_phase(ctx);
  n->seq = ++g->seq;
  n->n_edges = (uint16_t)n_in;
  n->n_saved = (uint16_t)n_saved;
  n->saved = (clg_saved *)(memory + sizeof *n + edges);
  n->attrs = memory + sizeof *n + edges + saved + shape;
  if (shape) {
    n->ndim = (unsigned char)y->ndim;
    memcpy(memory + sizeof *n + edges + saved, y->shape, shape);
  }
  for (int i = 0; i < n_in; i++) {
    if (!in[i] || !in[i]->requires_grad) continue;
    n->edge[i].as_made = !in[i]->storage->version;
    if (in[i]->has_graph) {
      n->edge[i].node = in[i]->grad->node;
      n->edge[i].node->refs++;
    } else {
      n->edge[i].leaf = clg_tensor_ref(in[i]);
    }
  }
  clg_context_hold(ctx);
  return n;
}

static void drop_saved(clg_node *n);
static void drop_recompute_user(clg_node *n) {
  if (--n->recompute_users == 0 && n->released) drop_saved(n);
}

/* What others need of it goes with the last of them. */
static void drop_saved(clg_node *n) {
  for (int i = 0; i < n->n_saved; i++) {
    clg_node *by = n->saved[i].recomputed_by;
    n->saved[i].recomputed_by = NULL;
    if (by && by != n) drop_recompute_user(by);
  }
  if (n->recompute_users) return;
  for (int i = 0; i < n->n_saved; i++) clg_saved_drop(&n->saved[i]);
  for (int i = 0; n->can_recompute > 0 && i < n->n_edges; i++) {
    bool counted = n->edge[i].recompute_user;
    n->edge[i].recompute_user = false;
    if (counted) drop_recompute_user(n->edge[i].node);
  }
}

void clg_node_release_saved(clg_node *n) {
  if (n->released || (!n->n_saved && n->can_recompute <= 0)) return;
  n->released = true;
  n->released_in = clg_phase(n->ctx);
  drop_saved(n);
}

static void free_hooks(clg_hook *h) {
  for (clg_hook *next; h; h = next) next = h->next, free(h);
}

static void bury(clg_node *n) {
  clg_context *ctx = n->ctx;
  drop_saved(n);
  for (int i = 0; i < n->n_edges; i++) {
    clg_tensor_unref(&n->edge[i].leaf);
    clg_node_unref(n->edge[i].node);
  }
  free_hooks(n->hooks);
  if (n->finish) n->finish(n);
  free(n);
  clg_context_release(ctx);
}

void clg_node_unref(clg_node *n) {
  if (!n || --n->refs) return;
  clg_graph *g = n->ctx->slot[CLG_SLOT_GRAPH].state;
  n->next_dead = g->dead;
  g->dead = n;
  if (g->burying) return;
  clg_context *ctx = n->ctx;
  clg_context_hold(ctx);
  g->burying = true;
  while ((n = g->dead)) {
    g->dead = n->next_dead;
    bury(n);
  }
  g->burying = false;
  clg_context_release(ctx);
}

/* ---- the graph's part of a tensor ---- */

/* The context closes. */
static void end_cycles(clg_graph *g) {
  while (g->cyclic) {
    clg_tensor *t = clg_tensor_ref(g->cyclic);
    clg_grad_set(t, NULL);
    clg_tensor_unref(&t);
  }
}

void clg_grad_set(clg_tensor *t, clg_tensor *grad) {
  struct clg_autograd *a = t->grad;
  clg_tensor *old = a->grad;
  if (a->at_cyclic) {
    *a->at_cyclic = a->next_cyclic;
    if (a->next_cyclic) a->next_cyclic->grad->at_cyclic = a->at_cyclic;
    a->at_cyclic = NULL;
  }
  if (!grad || !old) a->unfinished = false;
  a->grad = grad;
  if (grad && grad->has_graph) {
    clg_graph *g = t->ctx->slot[CLG_SLOT_GRAPH].state;
    a->next_cyclic = g->cyclic;
    a->at_cyclic = &g->cyclic;
    if (g->cyclic) g->cyclic->grad->at_cyclic = &a->next_cyclic;
    g->cyclic = t;
    g->end_cycles = end_cycles;
  }
  clg_tensor_unref(&old); /* last: it may be what holds t */
}

static void finish(clg_tensor *t) {
  struct clg_autograd *a = t->grad;
  clg_grad_set(t, NULL);
  t->grad = NULL;
  if (a->node && a->node->retained_grad == t) a->node->retained_grad = NULL;
  clg_node_unref(a->node);
  clg_tensor_unref(&a->slice);
  free_hooks(a->hooks);
  free_hooks(a->accumulated_hooks);
  free(a);
}

struct clg_autograd *clg_autograd_of(clg_tensor *t) {
  if (t->grad) return t->grad;
  t->grad = calloc(1, sizeof *t->grad);
  if (!t->grad) return clg_fail_object(t->ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  t->grad_finish = finish;
  return t->grad;
}

clg_status clg_node_attach(clg_node *n, clg_tensor *y) {
  struct clg_autograd *a = clg_autograd_of(y);
  if (!a) {
    clg_node_unref(n);
    return CLG_ERR_HOST_MEMORY;
  }
  a->node = n;
  y->requires_grad = y->has_graph = true;
  return CLG_OK;
}

/* ---- saving and unpacking ---- */

/* The hook sees a handle without the graph, and makes none: a result that its own node keeps would keep the node. A
 * leaf is seen itself. */
static clg_status pack_hooked(clg_node *n, clg_saved *s, clg_tensor *t, const clg_saved_hooks *hooks) {
  bool leaf = t->requires_grad && !t->has_graph && s->source != CLG_SAVED_OUTPUT;
  clg_tensor *seen = leaf ? clg_tensor_ref(t) : clg_tensor_view(t->storage, t->offset, t->ndim, t->shape, t->stride);
  if (!seen) return clg_last_status(n->ctx);
  const clg_callback call = clg_callback_begin(n->ctx);
  clg_set_grad_mode(n->ctx, false);
  const clg_saved_hooks used = *hooks; /* the hook may push others */
  s->packed = used.pack(used.user, seen);
  clg_callback_end(call);
  clg_tensor_unref(&seen);
  if (!s->packed) return clg_fail(n->ctx, CLG_ERR_GRAPH, n->op, "the saved-tensor hook packed nothing");
  s->hooks = used;
  return CLG_OK;
}

clg_status clg_node_save(clg_node *n, int slot, clg_tensor *t, int source) {
  clg_saved *s = &n->saved[slot];
  clg_graph *g = clg_graph_of(n->ctx);
  s->source = source;
  s->dtype = t->storage->dtype;
  s->ndim = t->ndim;
  memcpy(s->shape, t->shape, sizeof s->shape);
  if (g->n_hooks) return pack_hooked(n, s, t, &g->hooks[g->n_hooks - 1]);
  s->offset = t->offset;
  memcpy(s->stride, t->stride, sizeof s->stride);
  if (clg_remat_is_on(n->ctx) && (s->recomputed_by = clg_recomputed_by(n, source))) {
    if (s->recomputed_by != n) s->recomputed_by->recompute_users++;
    return CLG_OK;
  }
  s->storage = t->storage;
  clg_storage_save(t->storage);
  s->version = t->storage->version;
  return CLG_OK;
}

bool clg_node_has_saved(const clg_node *n, int slot) {
  const clg_saved *s = &n->saved[slot];
  return s->storage || s->hooks.unpack || s->recomputed_by || n->released;
}

/* A handle of the node's own over what the hook gave, which may be anybody's: the graph is attached to it. */
static clg_tensor *unpack_hooked(clg_node *n, clg_saved *s) {
  const clg_callback call = clg_callback_begin(n->ctx);
  clg_tensor *t = s->hooks.unpack(s->hooks.user, s->packed), *own = NULL;
  clg_callback_end(call);
  char want[CLG_SHAPE_TEXT], got[CLG_SHAPE_TEXT];
  if (!t) {
    clg_fail(n->ctx, CLG_ERR_GRAPH, n->op, "the saved-tensor hook unpacked nothing");
  } else if (t->ctx != n->ctx) {
    clg_fail(n->ctx, CLG_ERR_ARGUMENT, n->op, "the saved-tensor hook unpacked a tensor of another context");
  } else if (t->storage->dtype != s->dtype) {
    clg_fail(n->ctx, CLG_ERR_ARGUMENT, n->op, "the saved-tensor hook unpacked a tensor of another type");
  } else if (t->ndim != s->ndim || memcmp(t->shape, s->shape, (size_t)s->ndim * sizeof *s->shape)) {
    clg_fail(n->ctx, CLG_ERR_GRAPH, n->op, "the saved-tensor hook unpacked %s instead of %s", clg_tensor_text(t, got),
             clg_shape_text(s->ndim, s->shape, want));
  } else {
    own = clg_tensor_view(t->storage, t->offset, t->ndim, t->shape, t->stride);
  }
  clg_tensor_unref(&t);
  return own;
}

/* An unpacked tensor is the input or result again, graph and all, for gradients of gradients. */
static clg_tensor *reattach(clg_node *n, clg_saved *s, clg_tensor *t) {
  if (!t || n->ctx->no_grad || s->source == CLG_SAVED_OTHER) return t;
  clg_edge *e = s->source >= 0 ? &n->edge[s->source] : NULL;
  if (e && e->leaf) {
    clg_tensor_unref(&t);
    return clg_tensor_ref(e->leaf);
  }
  clg_node *producer = e ? e->node : n;
  if (!producer) return t;
  producer->refs++;
  if (clg_node_attach(producer, t) != CLG_OK) clg_tensor_unref(&t);
  return t;
}

clg_tensor *clg_node_unpack_view(clg_node *n, int slot) {
  clg_saved *s = &n->saved[slot];
  if (n->released) {
    char why[CLG_REASON_TEXT];
    clg_released_text(n, why, sizeof why);
    return clg_fail_object(n->ctx, CLG_ERR_GRAPH, n->op,
                           "backward through the graph a second time: %s. "
                           "Detach its input (clg_detach), keep the graph (retain_graph), or run the forward again",
                           why);
  }
  if (s->hooks.unpack) return reattach(n, s, unpack_hooked(n, s));
  if (s->recomputed_by) return reattach(n, s, clg_recomputed(n, s));
  if (!clg_saved_intact(s, n->op)) return NULL;
  return reattach(n, s, clg_tensor_view(s->storage, s->offset, s->ndim, s->shape, s->stride));
}

clg_tensor *clg_node_unpack(clg_node *n, int slot) {
  clg_tensor *t = clg_node_unpack_view(n, slot);
  if (!t || (clg_creates_graph(n->ctx) && n->saved[slot].source != CLG_SAVED_OTHER)) return t;
  clg_tensor *packed = clg_tensor_packed(t, n->op);
  clg_tensor_unref(&t);
  return packed;
}
