/* Optimizers: groups of parameters, and one kernel for each run of them that lie side by side. */
#include "graph/graph.h"
#include "nn/flat.h"
#include "nn/module.h"
#include "optim/rules.h"
#include "optim/state.h"
#include <math.h>
#include <stdlib.h>

/* A parameter, its state (slices of one allocation a state), and how often it was stepped. */
typedef struct slot {
  clg_tensor *param;
  size_t at; /* in the states' allocations, in floats */
  uint64_t steps;
} slot;

typedef struct group {
  clg_optim_options options;
  const clg_rule *rule;
  clg_map_fn *map;
  slot *slot;
  size_t n;
  clg_tensor *state[CLG_RULE_STATES];
} group;

struct clg_optim {
  uint32_t refs;
  clg_context *ctx;
  bool idle;    /* the last step found no gradient, and said so */
  group *group; /* at least one */
  size_t n_groups;
};

clg_optim_options clg_optim_defaults(clg_optim_kind kind) {
  clg_optim_options o = {.kind = kind, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .alpha = 0.99};
  if (kind == CLG_ADAMW) o.weight_decay = 1e-2;
  if (kind == CLG_RMSPROP) o.lr = 1e-2;
  return o;
}

static bool options_ok(clg_context *ctx, const clg_optim_options *o) {
  const char *what = NULL;
  if (o->kind < CLG_SGD || o->kind > CLG_RMSPROP)
    what = "there is no such kind of optimizer";
  else if (!(o->lr >= 0))
    what = "lr must not be negative";
  else if (!(o->weight_decay >= 0))
    what = "weight_decay must not be negative";
  else if (!(o->momentum >= 0))
    what = "momentum must not be negative";
  else if (!(o->eps >= 0))
    what = "eps must not be negative";
  else if (!(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1))
    what = "betas must be in [0, 1)";
  else if (!(o->alpha >= 0))
    what = "alpha must not be negative";
  else if (o->kind == CLG_SGD && o->nesterov && (o->momentum <= 0 || o->dampening != 0))
    what = "nesterov needs a momentum and no dampening";
  if (what) clg_fail(ctx, CLG_ERR_ARGUMENT, "optim", "%s", what);
  return !what;
}

static bool has(const clg_optim *o, const clg_tensor *p) {
  for (size_t g = 0; g < o->n_groups; g++)
    for (size_t i = 0; i < o->group[g].n; i++)
      if (o->group[g].slot[i].param == p) return true;
  return false;
}

/* Into the last group. */
static clg_status take_params(clg_optim *o, group *g, clg_tensor *const *params, size_t n) {
  g->slot = calloc(n ? n : 1, sizeof *g->slot);
  if (!g->slot) return clg_fail(o->ctx, CLG_ERR_HOST_MEMORY, "optim", "out of host memory");
  size_t floats = 0;
  for (size_t i = 0; i < n; i++) {
    clg_tensor *p = params[i];
    if (!p || p->has_graph || !clg_tensor_is_contiguous(p) || p->ctx != o->ctx || clg_tensor_dtype(p) != CLG_F32)
      return clg_fail(o->ctx, CLG_ERR_ARGUMENT, "optim",
                      "parameter %zu is not a contiguous float32 leaf of this context", i);
    if (has(o, p)) return clg_fail(o->ctx, CLG_ERR_ARGUMENT, "optim", "parameter %zu is in the optimizer already", i);
    clg_storage_trained(p->storage);
    g->slot[g->n++] = (slot){clg_tensor_ref(p), floats, 0};
    floats += clg_flat_padded(p->numel);
  }
  for (int k = 0; k < g->rule->n_states; k++) {
    g->state[k] = clg_tensor_new(o->ctx, 1, (int64_t[]){(int64_t)floats}, CLG_ROLE_OPTIMIZER, g->rule->name);
    if (!g->state[k] || clg_fill_(g->state[k], 0) != CLG_OK) return clg_last_status(o->ctx);
  }
  return CLG_OK;
}

static void group_finish(group *g) {
  for (size_t i = 0; i < g->n; i++) clg_tensor_unref(&g->slot[i].param);
  for (int k = 0; k < CLG_RULE_STATES; k++) clg_tensor_unref(&g->state[k]);
  free(g->slot);
}

clg_status clg_optim_add_group(clg_optim *o, clg_tensor *const *params, size_t n, const clg_optim_options *options) {
  if (!o || !options || (n && !params)) return clg_null(o ? o->ctx : NULL, "optim");
  if (!options_ok(o->ctx, options)) return CLG_ERR_ARGUMENT;
  if (o->n_groups && options->kind != o->group[0].options.kind)
    return clg_fail(o->ctx, CLG_ERR_ARGUMENT, "optim", "all groups are of one kind of optimizer");
  group *list = realloc(o->group, (o->n_groups + 1) * sizeof *list);
  if (!list) return clg_fail(o->ctx, CLG_ERR_HOST_MEMORY, "optim", "out of host memory");
  o->group = list;
  group *g = &list[o->n_groups++];
  *g = (group){.options = *options, .rule = clg_rule_of(options)};
  g->map = clg_rule_compile(o->ctx, g->rule);
  clg_status s = g->map ? take_params(o, g, params, n) : clg_last_status(o->ctx);
  if (s == CLG_OK) return s;
  group_finish(g);
  o->n_groups--;
  return s;
}

clg_optim *clg_optim_create(clg_context *ctx, clg_tensor *const *params, size_t n, const clg_optim_options *options) {
  if (!ctx || !options || (n && !params)) return clg_null_object(ctx, "optim");
  clg_optim *o = calloc(1, sizeof *o);
  if (!o) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "optim", "out of host memory");
  *o = (clg_optim){.refs = 1, .ctx = ctx};
  clg_context_hold(ctx);
  if (clg_optim_add_group(o, params, n, options) != CLG_OK) clg_optim_unref(&o);
  return o;
}

clg_optim *clg_optim_create_for(clg_module *m, const clg_optim_options *options) {
  size_t n;
  if (!m) return clg_null_object(NULL, "optim");
  if (clg_module_make(m) != CLG_OK) return NULL;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  if (!n) return clg_fail_object(m->ctx, CLG_ERR_ARGUMENT, "optim", "the module has no parameters");
  return clg_optim_create(m->ctx, p, n, options);
}

clg_optim *clg_optim_ref(clg_optim *o) {
  if (o) o->refs++;
  return o;
}

void clg_optim_unref(clg_optim **p) {
  if (!p || !*p) return;
  clg_optim *o = *p;
  *p = NULL;
  if (--o->refs) return;
  for (size_t g = 0; g < o->n_groups; g++) group_finish(&o->group[g]);
  clg_context *ctx = o->ctx;
  free(o->group);
  free(o);
  clg_context_release(ctx);
}

void clg_optim_zero_grad(clg_optim *o) {
  for (size_t g = 0; o && g < o->n_groups; g++)
    for (size_t i = 0; i < o->group[g].n; i++) clg_tensor_zero_grad(o->group[g].slot[i].param);
}

size_t clg_optim_group_count(const clg_optim *o) { return o ? o->n_groups : 0; }
double clg_optim_group_lr(const clg_optim *o, size_t g) { return o && g < o->n_groups ? o->group[g].options.lr : NAN; }
double clg_optim_lr(const clg_optim *o) { return clg_optim_group_lr(o, 0); }

clg_status clg_optim_group_set_lr(clg_optim *o, size_t g, double lr) {
  if (!o) return clg_null(NULL, "optim");
  if (g >= o->n_groups) return clg_fail(o->ctx, CLG_ERR_ARGUMENT, "optim", "there is no group %zu", g);
  if (!(lr >= 0)) return clg_fail(o->ctx, CLG_ERR_ARGUMENT, "optim", "lr must not be negative");
  o->group[g].options.lr = lr;
  return CLG_OK;
}

void clg_optim_set_lr(clg_optim *o, double lr) {
  clg_status s = CLG_OK;
  for (size_t g = 0; o && s == CLG_OK && g < o->n_groups; g++) s = clg_optim_group_set_lr(o, g, lr);
}

/* The parameters from i on that one kernel can step: side by side, all with a gradient, equally often stepped. */
static size_t run_end(const group *o, size_t i) {
  size_t end = i + 1;
  const slot *a = &o->slot[i];
  const clg_tensor *g = clg_tensor_grad(a->param);
  for (; end < o->n; end++) {
    const slot *b = &o->slot[end];
    const clg_tensor *h = clg_tensor_grad(b->param);
    size_t d = b->at - a->at;
    if (!h || b->steps != a->steps || !clg_span_goes_on(a->param, b->param, d) || !clg_span_goes_on(g, h, d)) break;
    if (!clg_tensor_is_contiguous(g) || !clg_tensor_is_contiguous(h)) break;
  }
  return end;
}

/* A gradient that has a graph may be any view: it is packed first. */
static clg_status step_run(group *o, size_t i, size_t end) {
  const slot *first = &o->slot[i], *last = &o->slot[end - 1];
  size_t n = last->at - first->at + (size_t)last->param->numel;
  clg_context *ctx = first->param->ctx;
  clg_tensor *g = clg_tensor_packed(clg_tensor_grad(first->param), o->rule->name);
  clg_tensor *t[2 + CLG_RULE_STATES] = {clg_span_make(first->param, 0, n), g ? clg_span_make(g, 0, n) : NULL};
  bool ok = t[0] && t[1];
  for (int k = 0; k < o->rule->n_states; k++) ok = (t[2 + k] = clg_span_make(o->state[k], first->at, n)) && ok;
  float numbers[CLG_NUMBERS];
  clg_rule_numbers(&o->options, first->steps + 1, numbers);
  clg_tensor *out[1 + CLG_RULE_STATES] = {t[0], t[2], t[3], t[4]};
  clg_status s =
      ok ? clg_map_run(o->map, out, (const clg_tensor *const *)t, numbers, false, o->rule->name) : clg_last_status(ctx);
  for (int k = 0; k < 2 + CLG_RULE_STATES; k++) clg_tensor_unref(&t[k]);
  clg_tensor_unref(&g);
  for (; s == CLG_OK && i < end; i++) {
    o->slot[i].steps++;
    clg_storage_changed(o->slot[i].param->storage, o->rule->name);
  }
  return s;
}

/* Gradients that a failed backward left behind are old, or half of what they should be. The error that is there already
 * says more than this one. */
static clg_status check_gradients(clg_optim *o, bool *any) {
  *any = false;
  for (size_t k = 0; k < o->n_groups; k++)
    for (size_t i = 0; i < o->group[k].n; i++) {
      const clg_tensor *p = o->group[k].slot[i].param;
      *any = *any || clg_tensor_grad(p);
      if (clg_grad_finished(p)) continue;
      if (o->ctx->error.status != CLG_OK) return o->ctx->error.latest;
      return clg_fail(o->ctx, CLG_ERR_STATE, "optim_step",
                      "the last backward failed, so gradients are old or incomplete: zero them and run backward again");
    }
  return CLG_OK;
}

clg_status clg_optim_step(clg_optim *o) {
  if (!o) return clg_null(NULL, "optim_step");
  bool any;
  clg_status s = check_gradients(o, &any);
  if (s != CLG_OK) return s;
  if (!any && !o->idle)
    clg_log_line(o->ctx, "optim_step: no parameter has a gradient, so none is changed: did backward reach them?");
  o->idle = !any;
  const clg_work before = clg_work_begin(o->ctx, CLG_BY_OPTIMIZER, clg_optim_kind_name(o));
  for (size_t k = 0; k < o->n_groups; k++) {
    group *g = &o->group[k];
    for (size_t i = 0, end; s == CLG_OK && i < g->n; i = end) {
      const clg_tensor *grad = clg_tensor_grad(g->slot[i].param);
      end = grad && grad->numel ? run_end(g, i) : i + 1;
      if (grad && grad->numel) s = step_run(g, i, end);
    }
  }
  clg_work_end(o->ctx, before);
  return s;
}

/* ---- what saving and loading sees: parameters in order, group by group ---- */

static group *group_of(const clg_optim *o, size_t i, size_t *within) {
  size_t g = 0;
  for (; i >= o->group[g].n; g++) i -= o->group[g].n;
  *within = i;
  return &o->group[g];
}

clg_context *clg_optim_context(const clg_optim *o) { return o->ctx; }
const char *clg_optim_kind_name(const clg_optim *o) { return o->group[0].rule->name; }

size_t clg_optim_count(const clg_optim *o) {
  size_t n = 0;
  for (size_t g = 0; g < o->n_groups; g++) n += o->group[g].n;
  return n;
}

uint64_t clg_optim_steps(const clg_optim *o, size_t i) {
  const group *g = group_of(o, i, &i);
  return g->slot[i].steps;
}

void clg_optim_set_steps(clg_optim *o, size_t i, uint64_t steps) {
  const group *g = group_of(o, i, &i);
  g->slot[i].steps = steps;
}

const char *clg_optim_state_name(const clg_optim *o, size_t i, int k) {
  const group *g = group_of(o, i, &i);
  return k < g->rule->n_states ? clg_rule_state_name(g->rule, k) : NULL;
}

clg_tensor *clg_optim_state(const clg_optim *o, size_t i, int k) {
  const group *g = group_of(o, i, &i);
  const clg_tensor *p = g->slot[i].param;
  return clg_tensor_view(g->state[k]->storage, g->slot[i].at, p->ndim, p->shape, NULL);
}
