/* Checkpointing on saved-tensor hooks. In the forward pass pack keeps only a number for each saved tensor; the first
 * unpack runs the segment again, whose own hooks collect the tensors by number, and each is handed out once.
 *
 * A segment keeps its inputs as a node keeps saved tensors: through the hooks around it, so that an inner checkpoint
 * leaves them to the outer one, and with their versions checked. */
#include "base/grown.h"
#include "graph/graph.h"
#include <stdlib.h>

/* A saved tensor by its number. `view` is there between a second run and its use, with the version of its storage then.
 * `fixed` is a parameter's storage and its version, to see that it has not changed since the first run. */
typedef struct slot {
  struct segment *segment;
  bool dropped; /* its node has let it go */
  clg_tensor *view;
  clg_storage *fixed;
  uint32_t version, fixed_version;
} slot;

typedef struct segment {
  uint32_t refs; /* of the forward pass and of every slot that a node holds */
  clg_context *ctx;
  clg_function fn;
  void *user;
  void (*drop)(void *user);
  clg_node *inputs; /* never run: edges and saved tensors are the inputs */
  uint64_t seed, position;
  slot **slot;
  size_t n, cap;
  size_t seen; /* saved so far by the run that is going on */
  bool failed;
} segment;

static void release(slot *s) {
  if (s->view) clg_storage_unsave(s->view->storage);
  clg_tensor_unref(&s->view);
}

static void segment_unref(segment *g) {
  if (--g->refs) return;
  for (size_t i = 0; i < g->n; i++) {
    clg_storage_unref(g->slot[i]->fixed);
    free(g->slot[i]);
  }
  free(g->slot);
  clg_node_unref(g->inputs);
  if (g->drop) g->drop(g->user);
  clg_context *ctx = g->ctx;
  free(g);
  clg_context_release(ctx);
}

/* ---- the first run ---- */

static bool is_parameter(const clg_tensor *t) {
  return t->storage->role == CLG_ROLE_PARAMETER || (t->requires_grad && !t->has_graph);
}

static void *pack_number(void *user, clg_tensor *t) {
  segment *g = user;
  slot **list = clg_grown(g->slot, g->n, &g->cap, sizeof *list), *s = NULL;
  if (list) {
    g->slot = list;
    s = calloc(1, sizeof *s);
  }
  if (!s) return clg_fail_object(g->ctx, CLG_ERR_HOST_MEMORY, "checkpoint", "out of host memory");
  s->segment = g;
  if (is_parameter(t)) s->fixed = clg_storage_ref(t->storage), s->fixed_version = t->storage->version;
  g->refs++;
  return g->slot[g->n++] = s;
}

static void drop_number(void *user, void *packed) {
  (void)user;
  slot *s = packed;
  release(s);
  clg_storage_unref(s->fixed);
  s->fixed = NULL;
  s->dropped = true;
  segment_unref(s->segment);
}

/* ---- the second run ---- */

static void *pack_tensor(void *user, clg_tensor *t) {
  segment *g = user;
  size_t i = g->seen++;
  if (i >= g->n || g->slot[i]->dropped || g->failed) return g;
  slot *s = g->slot[i];
  release(s);
  s->view = clg_tensor_view(t->storage, t->offset, t->ndim, t->shape, t->stride);
  if (!s->view) {
    g->failed = true;
    return g;
  }
  clg_storage_save(t->storage);
  s->version = t->storage->version;
  return g;
}

static clg_tensor *unpack_never(void *user, void *packed) {
  (void)user, (void)packed;
  return NULL;
}

/* The inputs without their graph, but asking for gradients as they did, so that the same ops save the same tensors. */
static clg_status take_inputs(segment *g, clg_tensor **in) {
  for (int i = 0; i < g->inputs->n_saved; i++) {
    if (!(in[i] = clg_node_unpack_view(g->inputs, i))) return clg_last_status(g->ctx);
    const clg_edge *e = &g->inputs->edge[i];
    clg_status s = e->node || e->leaf ? clg_tensor_set_requires_grad(in[i], true) : CLG_OK;
    if (s != CLG_OK) return s;
  }
  return CLG_OK;
}

static clg_status collect(segment *g, clg_tensor *const *in) {
  clg_context *ctx = g->ctx;
  clg_graph *graph = clg_graph_of(ctx);
  size_t hooks = graph->n_hooks;
  const clg_saved_hooks collecting = {pack_tensor, unpack_never, NULL, g};
  clg_scope *scope = clg_scope_open(ctx);
  clg_status s = clg_scope_opened(scope) ? clg_push_saved_hooks(ctx, &collecting) : clg_last_status(ctx);
  g->seen = 0;
  g->failed = false;
  const clg_callback call = clg_callback_begin(ctx);
  bool made = s == CLG_OK && g->fn(g->user, in, g->inputs->n_saved);
  clg_callback_end(call);
  graph->n_hooks = hooks;
  if (s == CLG_OK && (!made || g->failed))
    s = clg_fail(ctx, CLG_ERR_GRAPH, "checkpoint", "the segment gave no result when it ran again");
  if (s == CLG_OK && g->seen != g->n)
    s = clg_fail(
        ctx, CLG_ERR_GRAPH, "checkpoint",
        "the segment saved %zu tensors when it ran again, and %zu the first time: it must do the same each time",
        g->seen, g->n);
  clg_status raised = clg_scope_close(scope); /* by an op whose failure the segment did not look at */
  return s == CLG_OK ? raised : s;
}

/* As the forward pass saw it: grad mode, random stream, results that are activations. */
static clg_status run_again(segment *g) {
  clg_context *ctx = g->ctx;
  clg_tensor **in = calloc((size_t)g->inputs->n_saved + 1, sizeof *in);
  if (!in) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, "checkpoint", "out of host memory");
  uint64_t seed, position;
  clg_get_seed(ctx, &seed, &position);
  clg_graph *graph = clg_graph_of(ctx);
  const clg_role role = ctx->result_role;
  bool again = graph->recomputing, mode = clg_set_grad_mode(ctx, true);
  ctx->result_role = CLG_ROLE_ACTIVATION;
  graph->recomputing = true;
  clg_status s = take_inputs(g, in);
  clg_set_seed(ctx, g->seed, g->position);
  if (s == CLG_OK) s = collect(g, in);
  clg_set_seed(ctx, seed, position);
  graph->recomputing = again;
  ctx->result_role = role;
  clg_set_grad_mode(ctx, mode);
  for (int i = 0; i < g->inputs->n_saved; i++) clg_tensor_unref(&in[i]);
  free(in);
  for (size_t i = 0; s != CLG_OK && i < g->n; i++) release(g->slot[i]);
  return s;
}

static clg_tensor *unpack_number(void *user, void *packed) {
  (void)user;
  slot *s = packed;
  segment *g = s->segment;
  if (s->fixed && s->fixed->version != s->fixed_version)
    return clg_fail_object(
        g->ctx, CLG_ERR_GRAPH, "checkpoint",
        "a parameter that the segment needs to run again was changed in place by %s: it had version %u, now %u. "
        "Change it "
        "after backward",
        s->fixed->changed_by, s->fixed_version, s->fixed->version);
  if (!s->view && run_again(g) != CLG_OK) return NULL;
  clg_tensor *t = s->view;
  if (t && t->storage->version == s->version) {
    clg_storage_unsave(t->storage);
    s->view = NULL;
    return t;
  }
  if (t)
    clg_fail(g->ctx, CLG_ERR_GRAPH, "checkpoint",
             "a tensor of the segment was changed in place by %s after an op saved it", t->storage->changed_by);
  release(s);
  return NULL;
}

/* ---- */

static clg_status save_inputs(segment *g, clg_tensor *const *in, size_t n) {
  static const clg_node_class never = {.backward = NULL};
  g->inputs = clg_node_create(in, (int)n, NULL, (int)n, 0, &never, "checkpoint");
  clg_status s = g->inputs ? CLG_OK : clg_last_status(g->ctx);
  for (size_t i = 0; s == CLG_OK && i < n; i++) s = clg_node_save(g->inputs, (int)i, in[i], CLG_SAVED_OTHER);
  return s;
}

static segment *segment_create(clg_context *ctx, clg_function fn, void *user, clg_tensor *const *in, size_t n) {
  segment *g = calloc(1, sizeof *g);
  if (!g) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "checkpoint", "out of host memory");
  *g = (segment){.refs = 1, .ctx = ctx, .fn = fn, .user = user};
  clg_context_hold(ctx);
  clg_get_seed(ctx, &g->seed, &g->position);
  if (save_inputs(g, in, n) == CLG_OK) return g;
  segment_unref(g);
  return NULL;
}

static clg_status same_backward(clg_node *n, clg_tensor *g) { return clg_edge_give(n, 0, clg_tensor_ref(g)); }
static const clg_node_class same_class = {.backward = same_backward, .views = true};

/* A result of its own, as of any op, where the segment hands on a tensor that was there before, its input say. */
static clg_tensor *same_again(clg_tensor *x) {
  clg_tensor *y = clg_tensor_view(x->storage, x->offset, x->ndim, x->shape, x->stride);
  if (!y || !clg_records(&x, 1)) return clg_result(y);
  clg_node *n = clg_node_create(&x, 1, y, 0, 0, &same_class, "checkpoint");
  if (!n || clg_node_attach(n, y) != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

static bool is_given(const clg_tensor *y, clg_tensor *const *in, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (in[i] == y) return true;
  return false;
}

static bool are_inputs(clg_context *ctx, clg_tensor *const *in, size_t n) {
  if (!clg_inputs_here(in, (int)n, "checkpoint")) return false;
  if (in[0]->ctx == ctx) return true;
  return clg_refuse(ctx, CLG_ERR_ARGUMENT, "checkpoint", "its inputs belong to another context");
}

/* Parameters that fn reaches by itself make a segment recorded too, so grad mode alone decides. */
clg_tensor *clg_checkpoint(clg_context *ctx, clg_function fn, void *user, void (*drop)(void *user),
                           clg_tensor *const *in, size_t n) {
  if (!ctx || !fn || !in || !n || n > UINT16_MAX || !are_inputs(ctx, in, n)) {
    if (ctx && ctx->error.status == CLG_OK)
      clg_fail(ctx, CLG_ERR_ARGUMENT, "checkpoint", "it needs a function and inputs");
    if (drop) drop(user);
    return NULL;
  }
  clg_scope *scope = clg_scope_open(ctx);
  const clg_callback call = clg_callback_begin(ctx);
  clg_tensor *y = NULL;
  segment *g = clg_grad_mode(ctx) ? segment_create(ctx, fn, user, in, n) : NULL;
  if (g) {
    g->drop = drop;
    const clg_saved_hooks numbering = {pack_number, unpack_number, drop_number, g};
    size_t hooks = clg_graph_of(ctx)->n_hooks;
    if (clg_push_saved_hooks(ctx, &numbering) == CLG_OK) y = fn(user, in, n);
    clg_graph_of(ctx)->n_hooks = hooks;
  } else if (!clg_grad_mode(ctx)) {
    y = fn(user, in, n);
  }
  clg_callback_end(call);
  if (y && y->ctx != ctx) {
    clg_fail(ctx, CLG_ERR_ARGUMENT, "checkpoint", "its result belongs to another context");
    y = NULL;
  }
  if (y && (is_given(y, in, n) || !clg_scope_owns(scope, y))) y = same_again(y);
  y = clg_scope_close_with(scope, y);
  if (g)
    segment_unref(g);
  else if (drop)
    drop(user);
  return y;
}
