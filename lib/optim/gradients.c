/* Gradients that may be changed in place. */
#include "optim/gradients.h"
#include <stdlib.h>

clg_tensor *clg_own_gradient(clg_tensor *p, const char *op) {
  clg_tensor *g = clg_tensor_grad(p);
  bool ours = !g->has_graph && clg_tensor_is_contiguous(g) && (g == p->grad->slice || g->storage->refs == 1);
  if (ours) return g;
  clg_tensor *copy = clg_tensor_new(p->ctx, g->ndim, g->shape, CLG_ROLE_GRADIENT, op);
  if (copy && clg_tensor_assign(copy, g, op) != CLG_OK) clg_tensor_unref(&copy);
  if (copy) clg_grad_set(p, copy);
  return copy;
}

clg_tensor **clg_own_gradients(clg_context *ctx, clg_tensor *const *params, size_t n, const char *op) {
  clg_tensor **g = calloc(n + 1, sizeof *g);
  if (!g) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  bool ok = true;
  for (size_t i = 0; ok && i < n; i++) {
    ok = params[i] && params[i]->ctx == ctx;
    if (!ok) clg_fail(ctx, CLG_ERR_ARGUMENT, op, "parameter %zu is no tensor of this context", i);
    if (ok && clg_tensor_grad(params[i])) ok = (g[i] = clg_own_gradient(params[i], op)) != NULL;
  }
  if (!ok) free(g);
  return ok ? g : NULL;
}
