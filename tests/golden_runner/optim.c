/* The section `optim`: the stored gradients are fed to each optimizer, and the weights compared after every step. The
 * loss and gradient of the stored problem are checked through autograd too. */
#include "golden.h"
#include <stdlib.h>
#include <string.h>

bool optim_options(const char *name, const json_t *args, clg_optim_options *out) {
  static const struct {
    const char *name;
    clg_optim_kind kind;
  } kinds[] = {{"SGD", CLG_SGD}, {"Adam", CLG_ADAM}, {"AdamW", CLG_ADAMW}, {"RMSprop", CLG_RMSPROP}};
  const json_t *betas = json_object_get(args, "betas");
  size_t i = 0;
  while (i < sizeof kinds / sizeof *kinds && strcmp(kinds[i].name, name) != 0) i++;
  if (i == sizeof kinds / sizeof *kinds) return false;
  *out = clg_optim_defaults(kinds[i].kind);
  out->lr = (float)json_number(args, "lr", out->lr);
  out->weight_decay = (float)json_number(args, "weight_decay", out->weight_decay);
  out->momentum = (float)json_number(args, "momentum", out->momentum);
  out->dampening = (float)json_number(args, "dampening", out->dampening);
  out->nesterov = json_flag(args, "nesterov", out->nesterov);
  out->eps = (float)json_number(args, "eps", out->eps);
  out->amsgrad = json_flag(args, "amsgrad", out->amsgrad);
  out->alpha = (float)json_number(args, "alpha", out->alpha);
  out->centered = json_flag(args, "centered", out->centered);
  if (json_array_size(betas) == 2) {
    out->beta1 = (float)json_number_value(json_array_get(betas, 0));
    out->beta2 = (float)json_number_value(json_array_get(betas, 1));
  }
  return true;
}

/* Makes `grad` the gradient of w: that of sum(w*grad). */
static bool feed(golden *g, clg_tensor *w, const record *grad) {
  clg_tensor *t = record_tensor(g, grad);
  if (!t) return false;
  clg_scope *scope = clg_scope_open(g->ctx);
  clg_backward(clg_sum(clg_mul(w, t), NULL, 0, false), NULL);
  clg_tensor_unref(&t);
  return clg_scope_close(scope) == CLG_OK ? true : golden_clg_error(g);
}

/* The parameter starts at row 0 of w and must be at row i + 1 after step i. */
static bool run_steps(golden *g, clg_tensor *w, clg_optim *o, const record *path, const record *grads) {
  for (size_t i = 0; i < (size_t)grads->shape[0]; i++) {
    record grad, after;
    char what[40];
    snprintf(what, sizeof what, "w after step %zu", i + 1);
    if (!record_row(g, grads, i, &grad) || !record_row(g, path, i + 1, &after)) return false;
    after.absmax = path->absmax;
    clg_optim_zero_grad(o);
    if (!feed(g, w, &grad)) return false;
    if (clg_optim_step(o) != CLG_OK) return golden_clg_error(g);
    if (!record_compare_tensor(g, what, w, &after, record_tolerance(path))) return false;
  }
  return true;
}

static bool run_fed(golden *g, const json_t *one, const clg_optim_options *options) {
  record path, grads, start;
  if (!record_read(g, json_object_get(one, "w"), &path) || !record_read(g, json_object_get(one, "grad"), &grads) ||
      !record_row(g, &path, 0, &start))
    return false;
  if (grads.ndim < 1) return golden_error(g, "gradients without steps");
  clg_tensor *w = record_tensor(g, &start);
  if (!w) return false;
  clg_optim *o = NULL;
  if (clg_tensor_set_requires_grad(w, true) == CLG_OK) o = clg_optim_create(g->ctx, &w, 1, options);
  bool ok = o ? run_steps(g, w, o, &path, &grads) : golden_clg_error(g);
  clg_optim_unref(&o);
  clg_tensor_unref(&w);
  return ok;
}

/* loss(w) = 0.5*sum((A w - b)^2) + 0.1*sum(w^4) */
static clg_tensor *problem_loss(clg_tensor *a, clg_tensor *b, clg_tensor *w) {
  clg_tensor *r = clg_sub(clg_reshape(clg_matmul(a, clg_reshape(w, 2, (int64_t[]){-1, 1})), 1, (int64_t[]){-1}), b);
  clg_tensor *fit = clg_mul_scalar(clg_sum(clg_square(r), NULL, 0, false), 0.5f);
  return clg_add(fit, clg_mul_scalar(clg_sum(clg_pow_scalar(w, 4), NULL, 0, false), 0.1f));
}

static bool check_problem_at(golden *g, clg_tensor *a, clg_tensor *b, clg_tensor *w, const record *loss,
                             const record *grad) {
  clg_scope *scope = clg_scope_open(g->ctx);
  clg_tensor *l = clg_tensor_set_requires_grad(w, true) == CLG_OK ? problem_loss(a, b, w) : NULL;
  bool ok = l && clg_backward(l, NULL) == CLG_OK && clg_tensor_grad(w);
  if (!ok)
    golden_clg_error(g);
  else
    ok = record_compare_tensor(g, "loss", l, loss, record_tolerance(loss)) &&
         record_compare_tensor(g, "gradient", clg_tensor_grad(w), grad, record_tolerance(grad));
  clg_scope_close(scope);
  return ok;
}

/* Loss and gradient by autograd at each stored w. */
static bool run_problem(golden *g, const json_t *one, const json_t *problem) {
  record ra, rb, path, grads, losses;
  if (!record_read(g, json_object_get(problem, "A"), &ra) || !record_read(g, json_object_get(problem, "b"), &rb) ||
      !record_read(g, json_object_get(one, "w"), &path) || !record_read(g, json_object_get(one, "grad"), &grads) ||
      !record_read(g, json_object_get(one, "loss"), &losses))
    return false;
  clg_tensor *a = record_tensor(g, &ra), *b = record_tensor(g, &rb);
  bool ok = a && b;
  for (size_t i = 0; ok && i < losses.n; i++) {
    record at, grad, loss;
    ok = record_row(g, &path, i, &at) && record_row(g, &grads, i, &grad) && record_row(g, &losses, i, &loss);
    clg_tensor *w = ok ? record_tensor(g, &at) : NULL;
    ok = w && check_problem_at(g, a, b, w, &loss, &grad);
    clg_tensor_unref(&w);
  }
  clg_tensor_unref(&a);
  clg_tensor_unref(&b);
  return ok;
}

void section_optim(golden *g, const json_t *cases) {
  const json_t *problem = json_object_get(g->manifest, "optim_problem");
  size_t i;
  json_t *one;
  json_array_foreach(cases, i, one) {
    const char *name = json_text(one, "name", "unnamed"), *optimizer = json_text(one, "optimizer", "?");
    clg_optim_options options;
    if (!optim_options(optimizer, json_object_get(one, "args"), &options)) {
      report_skip(&g->report, "optim", name, "optimizer %s does not exist", optimizer);
      continue;
    }
    if (run_fed(g, one, &options) && (!problem || run_problem(g, one, problem)))
      report_pass(&g->report);
    else
      report_fail(&g->report, "optim", name, "%s: %s", optimizer, g->why);
  }
}
