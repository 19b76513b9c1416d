/* Optimizers: one kernel for each run of parameters that lie side by side. */
#include "graph/graph.h"
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

struct clg_optim {
  uint32_t refs;
  clg_context *ctx;
  clg_optim_options options;
  const clg_rule *rule;
  clg_map_fn *map;
  slot *slot;
  size_t n;
  clg_tensor *state[CLG_RULE_STATES];
};

clg_optim_options clg_optim_defaults(clg_optim_kind kind) {
  clg_optim_options o = {.kind = kind, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .alpha = 0.99};
  if (kind == CLG_ADAMW) o.weight_decay = 1e-2;
  if (kind == CLG_RMSPROP) o.lr = 1e-2;
  return o;
}

static bool options_ok(clg_context *ctx, const clg_optim_options *o) {
  const char *what = NULL;
  if (o->kind < CLG_SGD || o->kind > CLG_RMSPROP) what = "there is no such kind of optimizer";
  else if (!(o->lr >= 0)) what = "lr must not be negative";
  else if (!(o->weight_decay >= 0)) what = "weight_decay must not be negative";
  else if (!(o->momentum >= 0)) what = "momentum must not be negative";
  else if (!(o->eps >= 0)) what = "eps must not be negative";
  else if (!(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1)) what = "betas must be in [0, 1)";
  else if (!(o->alpha >= 0)) what = "alpha must not be negative";
  else if (o->kind == CLG_SGD && o->nesterov && (o->momentum <= 0 || o->dampening != 0))
    what = "nesterov needs a momentum and no dampening";
  if (what) clg_fail(ctx, CLG_ERR_ARGUMENT, "optim", "%s", what);
  return !what;
}

static clg_status take_params(clg_optim *o, clg_tensor *const *params, size_t n) {
  o->slot = calloc(n ? n : 1, sizeof *o->slot);
  if (!o->slot) return clg_fail(o->ctx, CLG_ERR_HOST_MEMORY, "optim", "out of host memory");
  size_t floats = 0;
  for (size_t i = 0; i < n; i++) {
    clg_tensor *p = params[i];
    if (!p || p->has_graph || !clg_tensor_is_contiguous(p) || p->ctx != o->ctx)
      return clg_fail(o->ctx, CLG_ERR_ARGUMENT, "optim", "parameter %zu is not a contiguous leaf of this context", i);
    o->slot[i] = (slot){clg_tensor_ref(p), floats, 0};
    o->n++;
    floats += ((size_t)p->numel + 15) / 16 * 16; /* as the parameters of a module lie */
  }
  for (int k = 0; k < o->rule->n_states; k++) {
    o->state[k] = clg_tensor_new(o->ctx, 1, (int64_t[]){(int64_t)floats}, CLG_ROLE_OPTIMIZER, o->rule->name);
    if (!o->state[k] || clg_fill_(o->state[k], 0) != CLG_OK) return clg_last_status(o->ctx);
  }
  return CLG_OK;
}

clg_optim *clg_optim_create(clg_context *ctx, const clg_optim_options *options, clg_tensor *const *params, size_t n) {
  if (!ctx || !options || (n && !params) || !options_ok(ctx, options)) return NULL;
  clg_optim *o = calloc(1, sizeof *o);
  if (!o) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, "optim", "out of host memory"), NULL;
  *o = (clg_optim){.refs = 1, .ctx = ctx, .options = *options, .rule = clg_rule_of(options)};
  clg_context_hold(ctx);
  o->map = clg_rule_compile(ctx, o->rule);
  if (!o->map || take_params(o, params, n) != CLG_OK) clg_optim_unref(&o);
  return o;
}

clg_optim *clg_optim_create_for(clg_module *m, const clg_optim_options *options) {
  size_t n;
  clg_tensor *const *p = m ? clg_module_parameters(m, &n) : NULL;
  return p ? clg_optim_create(m->ctx, options, p, n) : NULL;
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
  for (size_t i = 0; i < o->n; i++) clg_tensor_unref(&o->slot[i].param);
  for (int k = 0; k < CLG_RULE_STATES; k++) clg_tensor_unref(&o->state[k]);
  clg_context *ctx = o->ctx;
  free(o->slot);
  free(o);
  clg_context_release(ctx);
}

void clg_optim_zero_grad(clg_optim *o) {
  for (size_t i = 0; o && i < o->n; i++) clg_zero_grad(o->slot[i].param);
}

void clg_optim_set_lr(clg_optim *o, double lr) {
  if (!o) return;
  if (lr >= 0) o->options.lr = lr;
  else clg_fail(o->ctx, CLG_ERR_ARGUMENT, "optim", "lr must not be negative");
}

double clg_optim_lr(const clg_optim *o) { return o ? o->options.lr : NAN; }

/* Whether `next` lies behind `first` in the same allocation, as far away as their states do. */
static bool beside(const clg_tensor *first, const clg_tensor *next, size_t distance) {
  return first->storage->block == next->storage->block && clg_tensor_at(next) == clg_tensor_at(first) + distance;
}

/* The parameters from i on that one kernel can step: side by side, all with a gradient, equally often stepped. */
static size_t run_end(const clg_optim *o, size_t i) {
  size_t end = i + 1;
  const slot *a = &o->slot[i];
  const clg_tensor *g = clg_grad_of(a->param);
  for (; end < o->n; end++) {
    const slot *b = &o->slot[end];
    const clg_tensor *h = clg_grad_of(b->param);
    size_t d = b->at - a->at;
    if (!h || b->steps != a->steps || !beside(a->param, b->param, d) || !beside(g, h, d)) break;
  }
  return end;
}

/* `n` floats of t's block from its first element on, as one line. */
static clg_tensor *line(const clg_tensor *t, size_t from, size_t n) {
  clg_storage *s = clg_storage_slice(t->ctx, t->storage->block, clg_tensor_at(t) + from, n, t->storage->role);
  clg_tensor *v = s ? clg_tensor_view(s, 0, 1, (int64_t[]){(int64_t)n}, NULL) : NULL;
  clg_storage_unref(s);
  return v;
}

static clg_status step_run(clg_optim *o, size_t i, size_t end) {
  const slot *first = &o->slot[i], *last = &o->slot[end - 1];
  size_t n = last->at - first->at + (size_t)last->param->numel;
  clg_tensor *t[2 + CLG_RULE_STATES] = {line(first->param, 0, n), line(clg_grad_of(first->param), 0, n)};
  bool ok = t[0] && t[1];
  for (int k = 0; k < o->rule->n_states; k++) ok = (t[2 + k] = line(o->state[k], first->at, n)) && ok;
  float numbers[CLG_NUMBERS];
  clg_rule_numbers(&o->options, first->steps + 1, numbers);
  clg_tensor *out[1 + CLG_RULE_STATES] = {t[0], t[2], t[3], t[4]};
  clg_status s = ok ? clg_map_run(o->map, out, (const clg_tensor *const *)t, numbers, false, o->rule->name)
                    : clg_last_status(o->ctx);
  for (int k = 0; k < 2 + CLG_RULE_STATES; k++) clg_tensor_unref(&t[k]);
  for (; s == CLG_OK && i < end; i++) {
    o->slot[i].steps++;
    clg_storage_changed(o->slot[i].param->storage, o->rule->name);
  }
  return s;
}

clg_status clg_optim_step(clg_optim *o) {
  if (!o) return CLG_ERR_ARGUMENT;
  clg_status s = CLG_OK;
  for (size_t i = 0, end; s == CLG_OK && i < o->n; i = end) {
    clg_tensor *g = clg_grad_of(o->slot[i].param);
    end = i + 1;
    if (!g || !g->numel) continue;
    end = run_end(o, i);
    s = step_run(o, i, end);
  }
  return s;
}

/* ---- what saving and loading sees ---- */

clg_context *clg_optim_context(const clg_optim *o) { return o->ctx; }
const char *clg_optim_kind_name(const clg_optim *o) { return o->rule->name; }
size_t clg_optim_count(const clg_optim *o) { return o->n; }
uint64_t clg_optim_steps(const clg_optim *o, size_t i) { return o->slot[i].steps; }
void clg_optim_set_steps(clg_optim *o, size_t i, uint64_t steps) { o->slot[i].steps = steps; }
size_t clg_optim_group_count(const clg_optim *o) { return (void)o, 1; }
double clg_optim_group_lr(const clg_optim *o, size_t group) { return (void)group, o->options.lr; }
void clg_optim_group_set_lr(clg_optim *o, size_t group, double lr) { (void)group, o->options.lr = lr; }

const char *clg_optim_state_name(const clg_optim *o, size_t i, int k) {
  return (void)i, k < o->rule->n_states ? clg_rule_state_name(o->rule, k) : NULL;
}

clg_tensor *clg_optim_state(const clg_optim *o, size_t i, int k) {
  const clg_tensor *p = o->slot[i].param;
  return clg_tensor_view(o->state[k]->storage, o->slot[i].at, p->ndim, p->shape, NULL);
}
