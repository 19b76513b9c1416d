/* Gradient clipping, over spans of gradients. */
#include "nn/flat.h"
#include "ops/norm/norm.h"
#include "optim/gradients.h"
#include <clgrad/ops.h>
#include <clgrad/optim.h>
#include <math.h>
#include <stdlib.h>

/* Every gradient changed by the formula, one kernel a span. */
static clg_status change(clg_tensor *const *g, size_t n, const char *formula, const clg_map_input *in, size_t n_in,
                         const char *op) {
  clg_status s = CLG_OK;
  for (size_t i = 0, end, length; s == CLG_OK && i < n; i = end) {
    end = i + 1;
    if (!g[i] || !g[i]->numel) continue;
    end = clg_span_end(g, n, i, &length);
    clg_tensor *span = clg_span_make(g[i], 0, length);
    s = span ? clg_map_(span, formula, in, n_in) : clg_last_status(g[i]->ctx);
    clg_tensor_unref(&span);
    for (size_t k = i; k < end; k++) clg_storage_changed(g[k]->storage, op);
  }
  return s;
}

/* Large gradients keep their direction by their norm over this, a power of two, where the norm itself is infinite. */
#define OVER 4096

/* [2] the norm of two parts of a vector by theirs. */
static clg_tensor *joined(clg_context *ctx, clg_tensor *a, clg_tensor *b) {
  static const char together[] = "max(a, b)*sqrt(1 + pow(a == b ? 1 : min(a, b)/max(a, b), 2))";
  const clg_map_input in[] = {{"a", a, 0}, {"b", b, 0}};
  return a && b ? clg_map(ctx, together, in, 2) : NULL;
}

/* [2] the norm of all gradients, and that over OVER; in the scope that is open. */
static clg_tensor *norms_of(clg_context *ctx, clg_tensor *const *g, size_t n) {
  clg_tensor *norms = NULL;
  for (size_t i = 0, end, length; i < n; i = end) {
    end = i + 1;
    if (!g[i] || !g[i]->numel) continue;
    end = clg_span_end(g, n, i, &length);
    clg_tensor *span = clg_span_make(g[i], 0, length);
    clg_tensor *part = span ? clg_norm_and_part(span, 1.0f / OVER) : NULL;
    clg_tensor_unref(&span);
    norms = norms ? joined(ctx, norms, part) : part;
    if (!norms) return NULL;
  }
  return norms ? norms : clg_full(ctx, 1, (int64_t[]){2}, 0);
}

static clg_tensor *element(clg_tensor *x, int64_t i) { return clg_reshape(clg_narrow(x, 0, i, 1), 0, NULL); }

clg_tensor *clg_clip_grad_norm(clg_context *ctx, clg_tensor *const *params, size_t n, double max_norm) {
  static const char op[] = "clip_grad_norm";
  if (!ctx || (n && !params)) return clg_null_object(ctx, op);
  if (!(max_norm >= 0)) return clg_fail_object(ctx, CLG_ERR_ARGUMENT, op, "max_norm must not be negative");
  bool mode = clg_set_grad_mode(ctx, false);
  const clg_work before = clg_work_begin(ctx, CLG_BY_OPTIMIZER, op);
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor **g = clg_scope_opened(scope) ? clg_own_gradients(ctx, params, n, op) : NULL;
  clg_tensor *norms = g ? norms_of(ctx, g, n) : NULL, *norm = element(norms, 0), *over = element(norms, 1);
  const clg_map_input in[] = {
      {"over", over, 0}, {"most", NULL, (float)(max_norm / OVER)}, {"eps", NULL, (float)(1e-6 / OVER)}};
  /* The comparison is this way round to let NaN through, as a clamp does; but zeros stay, since spans have them between
   * gradients, and what becomes NaN there would never be cleared. */
  static const char scale[] = "x == 0 ? x : most/(over + eps) > 1 ? x : x/(over + eps)*most";
  if (!over || change(g, n, scale, in, 3, op) != CLG_OK) norm = NULL;
  free(g);
  norm = clg_scope_close_with(scope, norm);
  clg_work_end(ctx, before);
  clg_set_grad_mode(ctx, mode);
  return norm;
}

clg_status clg_clip_grad_value(clg_context *ctx, clg_tensor *const *params, size_t n, double value) {
  static const char op[] = "clip_grad_value";
  if (!ctx || (n && !params)) return clg_null(ctx, op);
  if (!(value >= 0)) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "the value must not be negative");
  clg_tensor **g = clg_own_gradients(ctx, params, n, op);
  if (!g) return clg_last_status(ctx);
  bool mode = clg_set_grad_mode(ctx, false);
  const clg_map_input in[] = {{"most", NULL, (float)value}};
  const clg_work before = clg_work_begin(ctx, CLG_BY_OPTIMIZER, op);
  clg_status s = change(g, n, "x < -most ? -most : x > most ? most : x", in, 1, op);
  clg_work_end(ctx, before);
  clg_set_grad_mode(ctx, mode);
  free(g);
  return s;
}
