/* How gradients flow between nodes: sums, hooks, accumulation into leaves. */
#include "graph/backward.h"
#include <string.h>

/* A tensor that nobody else can see, so that it may be added to in place. */
static bool is_ours(const clg_tensor *t) {
  return t->refs == 1 && t->storage->refs == 1 && clg_tensor_is_contiguous(t);
}

clg_status clg_flow_sum(clg_tensor **into, clg_tensor *t, const char *op) {
  if (!*into) {
    *into = t;
    return CLG_OK;
  }
  clg_tensor *sum = is_ours(*into) ? clg_tensor_ref(*into) : clg_tensor_like(*into, op);
  const clg_tensor *in[] = {*into, t};
  clg_status s = sum ? clg_map_run(clg_maps_of(t->ctx, CLG_MAP_ADD), &sum, in, NULL, false, op) : clg_last_status(t->ctx);
  clg_tensor_unref(&t);
  if (s != CLG_OK) {
    clg_tensor_unref(&sum);
    return s;
  }
  clg_tensor_unref(into);
  *into = sum;
  return CLG_OK;
}

clg_tensor *clg_flow_hooks(clg_hook *h, clg_tensor *grad, const char *op) {
  for (clg_hook *next; h && grad; h = next) {
    next = h->next; /* a hook may remove itself */
    clg_tensor *other = h->fn(h->user, grad);
    if (!other) continue;
    if (!clg_same_shape(other, grad)) {
      clg_fail(grad->ctx, CLG_ERR_SHAPE, op, "a hook replaced the gradient by one of another shape");
      clg_tensor_unref(&other);
    }
    clg_tensor_unref(&grad);
    grad = other;
  }
  return grad;
}

static clg_status add_into(clg_tensor *dst, const clg_tensor *src) {
  const clg_tensor *in[] = {dst, src};
  clg_status s = clg_map_run(clg_maps_of(dst->ctx, CLG_MAP_ADD), &dst, in, NULL, false, "accumulate");
  clg_storage_changed(dst->storage, "accumulate");
  return s;
}

/* The first gradient is taken over when nobody else holds it; a parameter's goes to its slice. */
static clg_status first_gradient(struct clg_autograd *a, clg_tensor *grad) {
  clg_status s = CLG_OK;
  if (a->slice) {
    s = clg_tensor_assign(a->slice, grad, "accumulate");
    clg_storage_changed(a->slice->storage, "accumulate");
    if (s == CLG_OK) a->grad = clg_tensor_ref(a->slice);
  } else if (is_ours(grad)) {
    a->grad = clg_tensor_ref(grad);
  } else {
    clg_tensor *copy = clg_tensor_like(grad, "accumulate");
    s = copy ? clg_tensor_assign(copy, grad, "accumulate") : clg_last_status(grad->ctx);
    if (s == CLG_OK) {
      a->grad = copy;
    } else {
      clg_tensor_unref(&copy);
    }
  }
  return s;
}

clg_status clg_flow_accumulate(clg_tensor *t, clg_tensor *grad) {
  struct clg_autograd *a = clg_autograd_of(t);
  clg_status s = !a ? CLG_ERR_HOST_MEMORY : a->grad ? add_into(a->grad, grad) : first_gradient(a, grad);
  clg_tensor_unref(&grad);
  return s;
}

clg_status clg_flow_settle(clg_run *r, clg_tensor *leaf) {
  struct clg_autograd *a = leaf->grad;
  if (--a->now.pending || !a->now.sum) return CLG_OK;
  clg_tensor *g = clg_flow_hooks(a->hooks, a->now.sum, "backward");
  a->now.sum = NULL;
  if (!g) return clg_last_status(r->ctx);
  if (!r->captured) return clg_flow_accumulate(leaf, g);
  r->captured[a->now.capture - 1] = g;
  return CLG_OK;
}

bool clg_node_wants(const clg_node *n, int input) {
  const clg_edge *e = &n->edge[input];
  if (e->node) return e->node->now.run == n->now.run && (e->node->now.needed || e->node->now.capture);
  return e->leaf && e->leaf->grad && e->leaf->grad->now.run == n->now.run && e->leaf->grad->now.wanted;
}

/* A leaf that this edge alone leads to, with nobody looking at the gradient on its way, takes it directly. */
static clg_tensor *direct(const clg_edge *e, int ndim, const int64_t *shape) {
  if (!e->leaf) return NULL;
  struct clg_autograd *a = e->leaf->grad;
  clg_tensor *t = a->grad ? a->grad : a->slice;
  if (!t || a->now.edges != 1 || a->hooks || a->now.capture || t->has_graph || !clg_tensor_is_contiguous(t)) return NULL;
  return t->ndim == ndim && !memcmp(t->shape, shape, (size_t)ndim * sizeof *shape) ? t : NULL;
}

clg_tensor *clg_edge_begin(clg_node *n, int input, int ndim, const int64_t *shape, bool *accumulate) {
  clg_tensor *t = direct(&n->edge[input], ndim, shape);
  *accumulate = t && n->edge[input].leaf->grad->grad;
  return t ? clg_tensor_ref(t) : clg_tensor_new(n->ctx, ndim, shape, CLG_ROLE_GRADIENT, n->op);
}

clg_status clg_edge_end(clg_node *n, int input, clg_tensor *t) {
  if (!t) return clg_last_status(n->ctx);
  struct clg_autograd *a = n->edge[input].leaf ? n->edge[input].leaf->grad : NULL;
  if (!a || (t != a->grad && t != a->slice)) return clg_edge_give(n, input, t);
  clg_storage_changed(t->storage, n->op);
  if (a->grad) {
    clg_tensor_unref(&t);
  } else {
    a->grad = t;
  }
  return CLG_OK;
}

clg_status clg_edge_give(clg_node *n, int input, clg_tensor *t) {
  if (!t) return clg_last_status(n->ctx);
  clg_edge *e = &n->edge[input];
  return clg_flow_sum(e->leaf ? &e->leaf->grad->now.sum : &e->node->now.grad, t, n->op);
}
