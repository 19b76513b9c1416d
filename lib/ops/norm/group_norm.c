/* Group and instance norm: layer norm of a reshaped input, with a gain and an offset a channel behind it. */
#include "ops/dims.h"
#include "ops/formula.h"
#include <clgrad/ops.h>

static bool shapes_ok(clg_tensor *x, int groups, clg_tensor *gamma, clg_tensor *beta, const char *op) {
  clg_tensor *p[] = {gamma, beta};
  bool ok = x->ndim >= 2 && groups > 0 && x->shape[1] % groups == 0;
  for (int i = 0; ok && i < 2; i++) ok = !p[i] || (p[i]->ndim == 1 && p[i]->shape[0] == x->shape[1]);
  if (ok) return true;
  char s[3][CLG_SHAPE_TEXT];
  return clg_refuse(x->ctx, CLG_ERR_SHAPE, op,
                    "x %s in %d groups, gamma %s, beta %s: want [N,C,..] with C a multiple of the groups, [C], [C]",
                    clg_tensor_text(x, s[0]), groups, clg_tensor_text(gamma, s[1]), clg_tensor_text(beta, s[2]));
}

static clg_tensor *group_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int groups,
                              const clg_norm_options *options, const char *op) {
  const clg_norm_options usual = clg_norm_defaults(), *o = options ? options : &usual;
  clg_tensor *all[3] = {x, x, x};
  if (gamma) all[1] = gamma;
  if (beta) all[2] = beta;
  if (!clg_inputs_ok(all, 3, op) || !shapes_ok(x, groups, gamma, beta, op)) return NULL;
  clg_scope *scope = clg_scope_open(x->ctx);
  int64_t width = x->numel && groups ? x->numel / (x->shape[0] * groups) : 0;
  clg_tensor *rows = clg_reshape(x, 3, (int64_t[]){x->shape[0], groups, width});
  clg_tensor *y = clg_reshape(clg_layer_norm(rows, NULL, NULL, &(clg_norm_options){.eps = o->eps}), x->ndim, x->shape);
  clg_tensor *a = gamma ? clg_over_dim(gamma, x, 1) : NULL;
  clg_tensor *b = beta ? clg_over_dim(beta, x, 1) : NULL;
  if (a && b) {
    y = y ? clg_row_apply(CLG_ROW_AFFINE, (clg_tensor *[]){y, a, b}, NULL) : NULL;
  } else if (a || b) {
    y = a ? clg_mul(y, a) : clg_add(y, b);
  }
  return clg_scope_close_with(scope, y && o->act.formula ? clg_activate(y, o->act) : y);
}

clg_tensor *clg_group_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int groups,
                           const clg_norm_options *options) {
  return group_norm(x, gamma, beta, groups, options, "group_norm");
}

clg_tensor *clg_instance_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, const clg_norm_options *options) {
  if (!clg_inputs_ok(&x, 1, "instance_norm")) return NULL;
  if (x->ndim < 3) {
    char text[CLG_SHAPE_TEXT];
    return clg_fail_object(x->ctx, CLG_ERR_SHAPE, "instance_norm",
                           "x %s: want [N,C,..] with at least one more dimension", clg_tensor_text(x, text));
  }
  return group_norm(x, gamma, beta, (int)x->shape[1], options, "instance_norm");
}
