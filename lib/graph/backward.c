/* Backward: finds what root depends on, then runs it consumers first, releasing saved tensors on the way. */
#include "graph/backward.h"
#include "base/grown.h"
#include "graph/recompute.h"
#include <stdlib.h>

static clg_status grow(clg_context *ctx, void **list, size_t n, size_t *cap) {
  void *p = clg_grown(*list, n, cap, sizeof(void *));
  if (!p) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, "backward", "out of host memory");
  *list = p;
  return CLG_OK;
}

static clg_status visit(clg_backward_pass *pass, clg_node *n) {
  if (n->pass.id == pass->id) return CLG_OK;
  clg_status s = grow(pass->ctx, (void **)&pass->node, pass->n_nodes, &pass->nodes_cap);
  if (s != CLG_OK) return s;
  n->pass.id = pass->id;
  n->pass.needed = !pass->inputs;
  n->pass.capture = 0;
  n->pass.grad = NULL;
  n->pass.recomputed = NULL;
  pass->node[pass->n_nodes++] = n;
  return CLG_OK;
}

static int newer_first(const void *a, const void *b) {
  uint64_t x = (*(clg_node *const *)a)->seq, y = (*(clg_node *const *)b)->seq;
  return (x < y) - (x > y);
}

/* The list of nodes is its own worklist. A chain comes out in order and is not sorted again. */
clg_status clg_pass_collect(clg_backward_pass *pass, clg_node *root) {
  clg_status s = visit(pass, root);
  for (size_t i = 0; s == CLG_OK && i < pass->n_nodes; i++)
    for (int k = 0; s == CLG_OK && k < pass->node[i]->n_edges; k++)
      if (pass->node[i]->edge[k].node) s = visit(pass, pass->node[i]->edge[k].node);
  for (size_t i = 1; s == CLG_OK && i < pass->n_nodes; i++)
    if (pass->node[i]->seq > pass->node[i - 1]->seq) {
      qsort(pass->node, pass->n_nodes, sizeof *pass->node, newer_first);
      break;
    }
  return s;
}

static clg_status find_leaf(clg_backward_pass *pass, clg_tensor *t) {
  struct clg_autograd *a = clg_autograd_of(t);
  if (!a) return CLG_ERR_HOST_MEMORY;
  if (a->pass.id == pass->id) return CLG_OK;
  clg_status s = grow(pass->ctx, (void **)&pass->leaf, pass->n_leaves, &pass->leaves_cap);
  if (s != CLG_OK) return s;
  a->pass.id = pass->id;
  a->pass.edges = a->pass.pending = 0;
  a->pass.capture = 0;
  a->pass.wanted = !pass->inputs && t->requires_grad;
  a->pass.direct = false;
  a->pass.sum = NULL;
  pass->leaf[pass->n_leaves++] = t;
  return CLG_OK;
}

static clg_status mark_inputs(clg_backward_pass *pass) {
  clg_status s = CLG_OK;
  for (size_t i = 0; s == CLG_OK && i < pass->n_inputs; i++) {
    clg_tensor *t = pass->inputs[i];
    if (!t || !t->requires_grad)
      return clg_fail(pass->ctx, CLG_ERR_GRAPH, "backward", "input %zu does not require grad", i);
    if (t->has_graph) {
      if (t->grad->node->pass.id == pass->id) t->grad->node->pass.capture = (int)i + 1;
      continue;
    }
    s = find_leaf(pass, t);
    if (s == CLG_OK) t->grad->pass.wanted = true, t->grad->pass.capture = pass->captured ? (int)i + 1 : 0;
  }
  return s;
}

static bool leads_somewhere(const clg_backward_pass *pass, const clg_edge *e) {
  if (e->node) return e->node->pass.needed || e->node->pass.capture;
  return e->leaf && e->leaf->grad && e->leaf->grad->pass.id == pass->id && e->leaf->grad->pass.wanted;
}

/* Inputs first: a node is needed if one of its edges leads to something wanted. Then counts the edges into each leaf.
 */
static clg_status mark(clg_backward_pass *pass) {
  clg_status s = pass->inputs ? mark_inputs(pass) : CLG_OK;
  for (size_t i = pass->n_nodes; pass->inputs && i-- > 0;)
    for (int k = 0; k < pass->node[i]->n_edges; k++)
      if (leads_somewhere(pass, &pass->node[i]->edge[k])) pass->node[i]->pass.needed = true;
  for (size_t i = 0; s == CLG_OK && i < pass->n_nodes; i++)
    for (int k = 0; s == CLG_OK && pass->node[i]->pass.needed && k < pass->node[i]->n_edges; k++) {
      clg_tensor *leaf = pass->node[i]->edge[k].leaf;
      if (!leaf) continue;
      s = find_leaf(pass, leaf);
      if (s == CLG_OK && leaf->grad->pass.wanted) leaf->grad->pass.edges++, leaf->grad->pass.pending++;
    }
  return s;
}

static clg_status keep(clg_backward_pass *pass, clg_node *n, clg_tensor *g) {
  if (n->pass.capture && pass->captured) {
    clg_tensor **to = &pass->captured[n->pass.capture - 1];
    if (!*to) *to = clg_tensor_ref(g);
  } else if (n->pass.capture) {
    clg_status s = clg_flow_accumulate(pass->inputs[n->pass.capture - 1], clg_tensor_ref(g));
    if (s != CLG_OK) return s;
  }
  bool kept = n->pass.capture && !pass->captured && pass->inputs[n->pass.capture - 1] == n->retained_grad;
  return n->retained_grad && !pass->captured && !kept ? clg_flow_accumulate(n->retained_grad, clg_tensor_ref(g))
                                                      : CLG_OK;
}

static clg_status run_node(clg_backward_pass *pass, clg_node *n) {
  clg_tensor *g = n->pass.grad;
  n->pass.grad = NULL;
  if (!clg_recomputes_itself(n)) clg_tensor_unref(&n->pass.recomputed); /* consumers have run */
  clg_status s = CLG_OK;
  if (g && (n->hooks || n->retained_grad || n->pass.capture)) {
    g = clg_flow_hooks(&n->hooks, g, n->op);
    s = g ? keep(pass, n, g) : clg_last_status(pass->ctx);
  }
  if (g && s == CLG_OK && n->pass.needed) {
    s = n->cls->backward(n, g);
    if (s == CLG_OK && !pass->retain) clg_node_release_saved(n);
  }
  clg_tensor_unref(&g);
  for (int k = 0; s == CLG_OK && n->pass.needed && k < n->n_edges; k++)
    if (n->edge[k].leaf && clg_node_wants(n, k)) s = clg_flow_settle(pass, n->edge[k].leaf);
  return s;
}

/* What is made and released meanwhile is the node's. */
static clg_status work_node(clg_backward_pass *pass, clg_node *n) {
  clg_context *ctx = pass->ctx;
  const clg_work before = ctx->work;
  const char *layer = ctx->layer;
  if (before.by == CLG_BY_BACKWARD) ctx->work.name = n->op;
  ctx->layer = n->layer;
  clg_trace_begin(ctx, "node", n->op);
  clg_status s = run_node(pass, n);
  clg_trace_end(ctx);
  ctx->layer = layer;
  ctx->work = before;
  return s;
}

static clg_tensor *root_gradient(clg_graph *g, clg_tensor *root, const clg_backward_options *o) {
  char a[CLG_SHAPE_TEXT];
  if (o && o->grad) {
    return clg_flow_fits(o->grad, root, "backward", "the gradient given") ? clg_tensor_ref(o->grad) : NULL;
  }
  if (root->numel != 1)
    return clg_fail_object(root->ctx, CLG_ERR_GRAPH, "backward",
                           "a root of shape %s needs a gradient: only one-element roots have a default",
                           clg_tensor_text(root, a));
  /* A user may hold the last one, as a gradient that was asked for, or have changed it in a hook. */
  if (g->one && (g->one->storage->refs > 1 || clg_tensor_version(g->one) != g->one_version)) clg_tensor_unref(&g->one);
  if (!g->one) {
    g->one = clg_tensor_new(root->ctx, 0, NULL, CLG_ROLE_DATA, "backward");
    if (g->one && clg_fill_(g->one, 1) != CLG_OK) clg_tensor_unref(&g->one);
    g->one_version = clg_tensor_version(g->one);
  }
  return g->one ? clg_tensor_view(g->one->storage, 0, root->ndim, root->shape, NULL) : NULL;
}

/* A call without a root belongs to no context. */
static _Thread_local bool rootless;

bool clg_grad_finished(const clg_tensor *t) {
  const clg_graph *g = t->ctx->slot[CLG_SLOT_GRAPH].state;
  return !rootless && !(g && g->failed) && !(t->grad && t->grad->unfinished);
}

static void finish(clg_backward_pass *pass, clg_status s) {
  for (size_t i = 0; i < pass->n_nodes; i++) {
    clg_tensor_unref(&pass->node[i]->pass.grad);
    clg_tensor_unref(&pass->node[i]->pass.recomputed);
    pass->node[i]->pass.id = 0;
  }
  for (size_t i = 0; i < pass->n_leaves; i++) {
    if (s != CLG_OK && !pass->captured && pass->leaf[i]->grad->pass.wanted) pass->leaf[i]->grad->unfinished = true;
    clg_tensor_unref(&pass->leaf[i]->grad->pass.sum);
    pass->leaf[i]->grad->pass.id = 0;
  }
  free(pass->node);
  free(pass->leaf);
}

void clg_pass_finish(clg_backward_pass *pass) { finish(pass, CLG_OK); }

static clg_status run_leaf_root(clg_backward_pass *pass, clg_tensor *root, clg_tensor *g) {
  bool wanted = !pass->inputs;
  for (size_t i = 0; i < pass->n_inputs; i++)
    if (pass->inputs[i] == root) {
      wanted = true;
      if (pass->captured && !pass->captured[i]) pass->captured[i] = clg_tensor_ref(g);
    }
  if (wanted && !pass->captured) {
    clg_tensor_ref(root); /* a hook may drop it */
    if (root->grad) g = clg_flow_hooks(&root->grad->hooks, g, "backward");
    clg_status s = g ? clg_flow_accumulate(root, g) : clg_last_status(pass->ctx);
    if (s == CLG_OK) s = clg_flow_accumulated(root);
    clg_tensor_unref(&root);
    return s;
  }
  clg_tensor_unref(&g);
  return CLG_OK;
}

static clg_status run_graph(clg_backward_pass *pass, clg_tensor *root, clg_tensor *g) {
  clg_node *top = root->grad->node;
  top->refs++; /* a hook may drop the root */
  clg_status s = clg_pass_collect(pass, top);
  if (s == CLG_OK) s = mark(pass);
  if (s == CLG_OK) {
    top->pass.grad = g;
    g = NULL;
  }
  for (size_t i = 0; s == CLG_OK && i < pass->n_nodes; i++)
    if (pass->node[i]->pass.needed || pass->node[i]->pass.capture) s = work_node(pass, pass->node[i]);
  clg_tensor_unref(&g);
  finish(pass, s);
  clg_node_unref(top);
  return s;
}

/* A hook may drop what the caller asks for. */
static void hold_inputs(const clg_backward_pass *pass) {
  for (size_t i = 0; i < pass->n_inputs; i++) clg_tensor_ref(pass->inputs[i]);
}
static void release_inputs(const clg_backward_pass *pass) {
  for (size_t i = 0; i < pass->n_inputs; i++) {
    clg_tensor *t = pass->inputs[i];
    clg_tensor_unref(&t);
  }
}

static clg_status run(clg_backward_pass *pass, clg_tensor *root, const clg_backward_options *options) {
  clg_context *ctx = pass->ctx;
  clg_graph *graph = clg_graph_of(ctx);
  if (!graph) return CLG_ERR_HOST_MEMORY;
  if (!root->requires_grad)
    return clg_fail(ctx, CLG_ERR_GRAPH, "backward",
                    "the root does not require grad: none of what it was made from does, or grad "
                    "mode was off");
  if (clg_in_backward(ctx) || graph->recomputing)
    return clg_fail(ctx, CLG_ERR_STATE, "backward",
                    graph->recomputing ? "a checkpointed segment must not run a backward"
                                       : "a backward is already running");
  const clg_work before = clg_work_begin(ctx, CLG_BY_BACKWARD, "backward");
  clg_tensor *g = root_gradient(graph, root, options);
  pass->id = ++graph->pass;
  pass->retain = options && (options->retain_graph || options->create_graph);
  bool mode = clg_set_grad_mode(ctx, options && options->create_graph);
  ctx->result_role = CLG_ROLE_GRADIENT;
  hold_inputs(pass);
  g = clg_flow_plain(g);
  clg_status s = clg_last_status(ctx);
  if (g) s = root->has_graph ? run_graph(pass, root, g) : run_leaf_root(pass, root, g);
  release_inputs(pass);
  ctx->result_role = CLG_ROLE_ACTIVATION;
  clg_set_grad_mode(ctx, mode);
  clg_work_end(ctx, before);
  return s;
}

clg_backward_options clg_backward_defaults(void) { return (clg_backward_options){.grad = NULL}; }

clg_status clg_backward(clg_tensor *root, const clg_backward_options *options) {
  if (!root) {
    rootless = true;
    return clg_null(NULL, "backward");
  }
  if (clg_within_idle(root->ctx, "backward")) return CLG_ERR_STATE;
  clg_backward_pass pass = {.ctx = root->ctx};
  if (options && options->inputs) {
    if (!options->n_inputs) return clg_fail(root->ctx, CLG_ERR_GRAPH, "backward", "the list of inputs is empty");
    pass.inputs = options->inputs;
    pass.n_inputs = options->n_inputs;
  }
  clg_status s = run(&pass, root, options); /* a hook may release the root */
  clg_graph *graph = clg_graph_of(pass.ctx);
  if (graph) graph->failed = s != CLG_OK && !pass.n_leaves;
  if (s == CLG_OK) rootless = false;
  return s;
}

clg_status clg_grad(clg_tensor *root, clg_tensor *const *inputs, size_t n, clg_tensor **grads,
                    const clg_backward_options *options) {
  if (!root || !inputs || !n || !grads) return clg_null(root ? root->ctx : NULL, "grad");
  for (size_t i = 0; i < n; i++) grads[i] = NULL;
  if (clg_within_idle(root->ctx, "grad")) return CLG_ERR_STATE;
  clg_backward_pass pass = {.ctx = root->ctx, .inputs = inputs, .n_inputs = n, .captured = grads};
  clg_status s = run(&pass, root, options);
  for (size_t i = 0; i < n && s == CLG_OK; i++) {
    for (size_t k = 0; k < i && !grads[i]; k++) /* asked for twice */
      if (inputs[k] == inputs[i]) grads[i] = clg_tensor_ref(grads[k]);
    for (size_t k = i + 1; k < n && !grads[i]; k++)
      if (inputs[k] == inputs[i]) grads[i] = clg_tensor_ref(grads[k]);
    if (!grads[i] && !(options && options->allow_unused))
      s = clg_fail(pass.ctx, CLG_ERR_GRAPH, "grad",
                   "the root does not depend on input %zu (allow_unused gives NULL for it)", i);
  }
  for (size_t i = 0; i < n; i++) {
    if (s != CLG_OK) clg_tensor_unref(&grads[i]);
    if (grads[i]) grads[i] = clg_result(grads[i]);
  }
  return s;
}
