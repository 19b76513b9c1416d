/* Shows the nodes that a backward would visit, as they are. */
#include "graph/backward.h"
#include "graph/seen.h"
#include <clgrad/graph.h>
#include <stdio.h>
#include <stdlib.h>

const char *clg_graph_state_name(clg_graph_state state) {
  static const char *const name[] = {"ready", "released", "changed"};
  return (unsigned)state < sizeof name / sizeof *name ? name[state] : "unknown";
}

typedef struct walk {
  clg_context *ctx;
  clg_seen storages; /* whose bytes are counted */
  clg_graph_input *input;
  clg_graph_saved *saved;
  size_t inputs, saveds; /* room for so many */
} walk;

static void show_input(const clg_node *n, int i, clg_graph_input *to) {
  const clg_edge *e = &n->edge[i];
  *to = (clg_graph_input){.ndim = -1};
  if (e->node) {
    *to = (clg_graph_input){.node = e->node->seq, .ndim = e->node->ndim, .shape = clg_node_shape(e->node)};
  } else if (e->leaf) {
    *to = (clg_graph_input){.leaf = e->leaf, .ndim = e->leaf->ndim, .shape = e->leaf->shape};
  } else if (n->cls->input_shape) {
    to->shape = n->cls->input_shape(n, i, &to->ndim);
  }
  for (int k = 0; to->ndim < 0 && k < n->n_saved; k++)
    if (n->saved[k].source == i) to->ndim = n->saved[k].ndim, to->shape = n->saved[k].shape;
}

static bool show_saved(walk *w, const clg_saved *s, clg_graph_saved *to) {
  bool fresh = false;
  *to = (clg_graph_saved){.input = s->source, .dtype = s->dtype, .ndim = s->ndim, .shape = s->shape, .changed_by = ""};
  if (!s->storage) return true;
  if (!clg_seen_number(&w->storages, s->storage, &fresh)) return false;
  if (fresh && clg_storage_counts_as_saved(s->storage)) to->bytes = s->storage->numel * sizeof(float);
  to->changed = s->version != s->storage->version;
  if (to->changed) to->changed_by = s->storage->changed_by;
  return true;
}

/* Room for what a node shows. */
static bool make_room(walk *w, const clg_node *n) {
  if (n->n_edges > w->inputs) {
    clg_graph_input *more = realloc(w->input, n->n_edges * sizeof *more);
    if (!more) return false;
    w->input = more, w->inputs = n->n_edges;
  }
  if (n->n_saved > w->saveds) {
    clg_graph_saved *more = realloc(w->saved, n->n_saved * sizeof *more);
    if (!more) return false;
    w->saved = more, w->saveds = n->n_saved;
  }
  return true;
}

/* The state, and why. */
static clg_graph_state state_of(const clg_node *n, char *reason, size_t size) {
  *reason = 0;
  if (n->released) {
    clg_released_text(n, reason, size);
    return CLG_GRAPH_RELEASED;
  }
  for (int i = 0; i < n->n_saved; i++) {
    const clg_saved *s = &n->saved[i];
    if (!s->storage || s->version == s->storage->version) continue;
    clg_changed_text(s, reason, size);
    return CLG_GRAPH_CHANGED;
  }
  return CLG_GRAPH_READY;
}

static clg_status show(walk *w, const clg_node *n, clg_graph_fn fn, void *user, bool *more) {
  char reason[CLG_REASON_TEXT];
  bool ok = make_room(w, n);
  clg_graph_node node = {.id = n->seq,
                         .op = n->op,
                         .layer = n->layer,
                         .phase = n->phase,
                         .ndim = n->ndim,
                         .shape = clg_node_shape(n),
                         .n_inputs = n->n_edges,
                         .n_saved = n->n_saved,
                         .input = w->input,
                         .saved = w->saved,
                         .reason = reason};
  for (int i = 0; ok && i < n->n_edges; i++) show_input(n, i, &w->input[i]);
  for (int i = 0; ok && i < n->n_saved; i++) {
    ok = show_saved(w, &n->saved[i], &w->saved[i]);
    if (ok) node.saved_bytes += w->saved[i].bytes;
  }
  if (!ok) return clg_fail(w->ctx, CLG_ERR_HOST_MEMORY, "graph_walk", "out of host memory");
  node.state = state_of(n, reason, sizeof reason);
  *more = fn(user, &node);
  return CLG_OK;
}

clg_status clg_graph_walk(clg_tensor *root, clg_graph_fn fn, void *user) {
  static const char op[] = "graph_walk";
  if (!root || !fn) return clg_null(root ? root->ctx : NULL, op);
  clg_context *ctx = root->ctx;
  if (clg_within_idle(ctx, op)) return CLG_ERR_STATE;
  if (clg_in_backward(ctx)) return clg_fail(ctx, CLG_ERR_STATE, op, "a backward is running");
  if (!root->has_graph) return CLG_OK;
  clg_backward_pass pass = {.ctx = ctx, .id = ++clg_graph_of(ctx)->pass};
  walk w = {.ctx = ctx};
  clg_status s = clg_pass_collect(&pass, root->grad->node);
  bool more = true;
  for (size_t i = 0; s == CLG_OK && more && i < pass.n_nodes; i++) s = show(&w, pass.node[i], fn, user, &more);
  clg_pass_finish(&pass);
  clg_seen_free(&w.storages);
  free(w.input);
  free(w.saved);
  return s;
}
