/* How gradients flow between nodes: sums, hooks, accumulation into leaves. */
#include "graph/backward.h"
#include <stdio.h>
#include <string.h>

bool clg_is_unique(const clg_tensor *t) { return t->refs == 1 && t->storage->refs == 1 && clg_tensor_is_contiguous(t); }

clg_tensor *clg_grad_space(clg_tensor *grad, const char *op) {
  return clg_is_unique(grad) ? clg_tensor_ref(grad) : clg_tensor_like(grad, op);
}

/* A sum that is recorded hands its gradient to both sides. */
static clg_status sum_backward(clg_node *n, clg_tensor *g) {
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < 2; i++)
    if (clg_node_wants(n, i)) s = clg_edge_give(n, i, clg_tensor_ref(g));
  return s;
}
static const clg_node_class sum_class = {.backward = sum_backward};

/* a + b, in a's place where nobody else can see it. */
static clg_tensor *sum_of(clg_tensor *a, clg_tensor *b, const char *op) {
  clg_tensor *const in[] = {a, b};
  bool recorded = clg_records(in, 2);
  clg_tensor *sum = !recorded && clg_is_unique(a) ? clg_tensor_ref(a) : clg_tensor_like(a, op);
  const clg_tensor *const *from = (const clg_tensor *const *)in;
  if (sum && clg_map_run(clg_maps_of(a->ctx, CLG_MAP_ADD), &sum, from, NULL, false, op) != CLG_OK)
    clg_tensor_unref(&sum);
  if (!sum) return NULL;
  clg_node *n = recorded ? clg_node_create(in, 2, sum, 0, 0, &sum_class, "accumulate") : NULL;
  if (recorded && (!n || clg_node_attach(n, sum) != CLG_OK)) clg_tensor_unref(&sum);
  return sum;
}

clg_status clg_flow_sum(clg_tensor **into, clg_tensor *t, const char *op) {
  clg_tensor *sum = *into ? sum_of(*into, t, op) : clg_tensor_ref(t);
  clg_context *ctx = t->ctx;
  clg_tensor_unref(&t);
  if (!sum) return clg_last_status(ctx);
  clg_tensor_unref(into);
  *into = sum;
  return CLG_OK;
}

bool clg_flow_fits(const clg_tensor *grad, const clg_tensor *of, const char *op, const char *what) {
  char a[CLG_SHAPE_TEXT], b[CLG_SHAPE_TEXT];
  if (grad->ctx != of->ctx)
    clg_fail(of->ctx, CLG_ERR_ARGUMENT, op, "%s is of another context", what);
  else if (!clg_same_shape(grad, of))
    clg_fail(of->ctx, CLG_ERR_SHAPE, op, "%s is %s: want %s", what, clg_tensor_text(grad, a), clg_tensor_text(of, b));
  else if (grad->storage->dtype != CLG_F32)
    clg_fail(of->ctx, CLG_ERR_ARGUMENT, op, "%s is int32: want float32", what);
  else
    return true;
  return false;
}

clg_tensor *clg_flow_plain(clg_tensor *t) {
  if (!t || !t->requires_grad || clg_creates_graph(t->ctx)) return t;
  clg_tensor *plain = clg_tensor_view(t->storage, t->offset, t->ndim, t->shape, t->stride);
  clg_tensor_unref(&t);
  return plain;
}

/* Found anew each time: a hook may remove itself and others, and what it adds waits for the next gradient. */
static const clg_hook *next_hook(const clg_hook *h, uint64_t after, uint64_t last) {
  while (h && h->id <= after) h = h->next;
  return h && h->id <= last ? h : NULL;
}

clg_tensor *clg_flow_hooks(clg_hook *const *list, clg_tensor *grad, const char *op) {
  uint64_t last = 0, id = 0;
  for (const clg_hook *h = *list; h; h = h->next) last = h->id;
  for (const clg_hook *h; grad && (h = next_hook(*list, id, last));) {
    id = h->id;
    const clg_callback call = clg_callback_begin(grad->ctx);
    clg_tensor *other = h->fn(h->user, grad);
    clg_callback_end(call);
    if (!other) continue;
    if (!clg_flow_fits(other, grad, op, "the gradient of a hook")) clg_tensor_unref(&other);
    clg_tensor_unref(&grad);
    grad = clg_flow_plain(other);
  }
  return grad;
}

static clg_tensor *copy_of(clg_tensor *t) {
  clg_tensor *copy = clg_tensor_like(t, "accumulate");
  if (copy && clg_tensor_assign(copy, t, "accumulate") != CLG_OK) clg_tensor_unref(&copy);
  return copy;
}

/* A parameter's slice, unless somebody still holds the gradient that was there before. */
static clg_tensor *free_slice(const struct clg_autograd *a) {
  return a->slice && a->slice->refs == 1 ? a->slice : NULL;
}

/* The first gradient is taken over when nobody else holds it; a parameter's goes to its slice. One with a graph stays
 * what it is, since a graph refers to it. */
static clg_status first_gradient(clg_tensor *t, clg_tensor *grad) {
  clg_tensor *slice = free_slice(t->grad), *kept;
  if (grad->has_graph || (!slice && clg_is_unique(grad))) {
    kept = clg_tensor_ref(grad);
  } else if (!slice) {
    kept = copy_of(grad);
  } else {
    clg_status s = clg_tensor_assign(slice, grad, "accumulate");
    clg_storage_changed(slice->storage, "accumulate");
    kept = s == CLG_OK ? clg_tensor_ref(slice) : NULL;
  }
  if (!kept) return clg_last_status(t->ctx);
  clg_grad_set(t, kept);
  return CLG_OK;
}

/* Later ones are added in place, unless a graph is involved or somebody shares the storage. */
static clg_status next_gradient(clg_tensor *t, clg_tensor *grad) {
  clg_tensor *have = t->grad->grad;
  bool in_place = !have->has_graph && !grad->has_graph && (have == t->grad->slice || have->storage->refs == 1);
  const clg_tensor *in[] = {have, grad};
  if (in_place) {
    clg_storage_changed(have->storage, "accumulate");
    return clg_map_run(clg_maps_of(t->ctx, CLG_MAP_ADD), &have, in, NULL, false, "accumulate");
  }
  clg_tensor_ref(have); /* keeps the sum from being made in its place */
  clg_tensor *sum = sum_of(have, grad, "accumulate");
  clg_tensor_unref(&have);
  if (!sum) return clg_last_status(t->ctx);
  clg_grad_set(t, sum);
  return CLG_OK;
}

clg_status clg_flow_accumulate(clg_tensor *t, clg_tensor *grad) {
  struct clg_autograd *a = clg_autograd_of(t);
  clg_status s = CLG_ERR_HOST_MEMORY;
  if (a) s = a->grad ? next_gradient(t, grad) : first_gradient(t, grad);
  clg_tensor_unref(&grad);
  return s;
}

clg_status clg_flow_tell(clg_tensor *leaf, bool early) {
  clg_hook *const *list = &leaf->grad->accumulated_hooks;
  uint64_t last = 0, id = 0;
  for (const clg_hook *h = *list; h; h = h->next) last = h->id;
  clg_status s = CLG_OK;
  for (const clg_hook *h; s == CLG_OK && (h = next_hook(*list, id, last));) {
    id = h->id;
    if (h->early != early) continue;
    const clg_callback call = clg_callback_begin(leaf->ctx);
    s = h->accumulated(h->user, leaf);
    clg_callback_end(call);
  }
  if (s != CLG_OK && clg_last_status(leaf->ctx) == CLG_OK)
    clg_fail(leaf->ctx, s, "backward", "a post-accumulate hook gave up: %s", clg_status_name(s));
  return s;
}

clg_status clg_flow_accumulated(clg_tensor *leaf) {
  clg_status s = clg_flow_tell(leaf, true);
  return s == CLG_OK ? clg_flow_tell(leaf, false) : s;
}

clg_status clg_flow_settle(clg_backward_pass *pass, clg_tensor *leaf) {
  struct clg_autograd *a = leaf->grad;
  if (--a->pass.pending) return CLG_OK;
  if (a->pass.direct) return clg_flow_tell(leaf, false);
  if (!a->pass.sum) return CLG_OK;
  clg_tensor *g = clg_flow_hooks(&a->hooks, a->pass.sum, "backward");
  a->pass.sum = NULL;
  if (!g) return clg_last_status(pass->ctx);
  if (pass->captured) {
    pass->captured[a->pass.capture - 1] = g;
    return CLG_OK;
  }
  clg_status s = clg_flow_accumulate(leaf, g);
  return s == CLG_OK ? clg_flow_accumulated(leaf) : s;
}

bool clg_node_wants(const clg_node *n, int input) {
  const clg_edge *e = &n->edge[input];
  if (e->node) return e->node->pass.id == n->pass.id && (e->node->pass.needed || e->node->pass.capture);
  return e->leaf && e->leaf->grad && e->leaf->grad->pass.id == n->pass.id && e->leaf->grad->pass.wanted;
}

/* A leaf that this edge alone leads to, with nobody looking at the gradient on its way, takes it directly. */
static clg_tensor *direct(const clg_edge *e, int ndim, const int64_t *shape) {
  if (!e->leaf || clg_creates_graph(e->leaf->ctx)) return NULL;
  struct clg_autograd *a = e->leaf->grad;
  clg_tensor *t = a->grad ? a->grad : free_slice(a);
  if (!t || a->pass.edges != 1 || a->hooks || a->pass.capture || t->has_graph || !clg_tensor_is_contiguous(t))
    return NULL;
  return t->ndim == ndim && !memcmp(t->shape, shape, (size_t)ndim * sizeof *shape) ? t : NULL;
}

clg_tensor *clg_edge_begin(clg_node *n, int input, int ndim, const int64_t *shape, bool *accumulate) {
  clg_tensor *t = direct(&n->edge[input], ndim, shape);
  *accumulate = t && n->edge[input].leaf->grad->grad;
  return t ? clg_tensor_ref(t) : clg_tensor_new(n->ctx, ndim, shape, CLG_ROLE_GRADIENT, n->op);
}

static clg_status check_gradient(clg_node *n, int input, const clg_tensor *t) {
  char what[64];
  snprintf(what, sizeof what, "the gradient of its input %d", input);
  return clg_anomaly_check(t, n->op, what);
}

clg_status clg_edge_end(clg_node *n, int input, clg_tensor *t) {
  if (!t) return clg_last_status(n->ctx);
  struct clg_autograd *a = n->edge[input].leaf ? n->edge[input].leaf->grad : NULL;
  if (!a || (t != a->grad && t != a->slice)) return clg_edge_give(n, input, t);
  clg_status s = clg_anomaly_is_on(n->ctx) ? check_gradient(n, input, t) : CLG_OK;
  clg_storage_changed(t->storage, n->op);
  a->pass.direct = true;
  if (a->grad) {
    clg_tensor_unref(&t);
  } else {
    clg_grad_set(n->edge[input].leaf, t);
  }
  return s == CLG_OK ? clg_flow_tell(n->edge[input].leaf, true) : s;
}

/* The sum so far where nobody else sees it. */
static clg_status own_sum(clg_tensor **sum, clg_node *n, int ndim, const int64_t *shape, bool *fresh) {
  *fresh = !*sum;
  if (*sum && clg_is_unique(*sum)) return CLG_OK;
  clg_tensor *own = clg_tensor_new(n->ctx, ndim, shape, CLG_ROLE_GRADIENT, n->op);
  if (!own) return clg_last_status(n->ctx);
  clg_status s = *sum ? clg_tensor_assign(own, *sum, n->op) : clg_fill_(own, 0);
  if (s == CLG_OK) {
    clg_tensor_unref(sum);
    *sum = own;
  } else {
    clg_tensor_unref(&own);
  }
  return s;
}

clg_status clg_edge_add_part(clg_node *n, int input, int ndim, const int64_t *shape, const clg_window *window,
                             clg_tensor *g) {
  clg_edge *e = &n->edge[input];
  clg_tensor **sum = e->leaf ? &e->leaf->grad->pass.sum : &e->node->pass.grad;
  bool fresh;
  clg_status s = clg_anomaly_is_on(n->ctx) ? check_gradient(n, input, g) : CLG_OK;
  if (s == CLG_OK) s = own_sum(sum, n, ndim, shape, &fresh);
  if (s != CLG_OK || !g->numel) return s;
  clg_tensor *part = clg_tensor_view((*sum)->storage, (*sum)->offset + window->offset, ndim, g->shape, window->stride);
  if (!part) return clg_last_status(n->ctx);
  const clg_tensor *in[] = {part, g};
  s = fresh ? clg_tensor_assign(part, g, n->op)
            : clg_map_run(clg_maps_of(n->ctx, CLG_MAP_ADD), &part, in, NULL, false, n->op);
  clg_tensor_unref(&part);
  return s;
}

clg_status clg_edge_give(clg_node *n, int input, clg_tensor *t) {
  if (!(t = clg_flow_plain(t))) return clg_last_status(n->ctx);
  clg_status s = clg_anomaly_is_on(n->ctx) ? check_gradient(n, input, t) : CLG_OK;
  if (s != CLG_OK) {
    clg_tensor_unref(&t);
    return s;
  }
  clg_edge *e = &n->edge[input];
  return clg_flow_sum(e->leaf ? &e->leaf->grad->pass.sum : &e->node->pass.grad, t, n->op);
}
