/* Steps of the graph: what requires grad, backward, hooks, segments, modes, scopes. */
#include "program.h"
#include <stdlib.h>

static void require(program *p) {
  clg_tensor *x = any(p);
  clg_tensor_set_requires_grad(x, !one_in(p, 6));
}
static void retain(program *p) { clg_tensor_retain_grad(any(p)); }
static void zero(program *p) { clg_tensor_zero_grad(any(p)); }

static void back(program *p) {
  clg_backward_options o = clg_backward_defaults();
  clg_tensor *x = any(p), *inputs[3];
  clg_scope *s = NULL;
  o.retain_graph = one_in(p, 2), o.create_graph = one_in(p, 4);
  if (!one_in(p, 4)) {
    s = clg_scope_open(p->ctx);
    x = clg_sum(x, NULL, 0, false);
  } else if (one_in(p, 2)) {
    o.grad = any(p);
  }
  if (one_in(p, 4)) {
    o.inputs = inputs, o.n_inputs = (size_t)choose(p, 3);
    for (size_t i = 0; i < o.n_inputs; i++) inputs[i] = any(p);
  }
  const clg_backward_options *options = one_in(p, 3) ? NULL : &o;
  p->cyclic = p->cyclic || (options && o.create_graph);
  clg_backward(x, options);
  clg_scope_close(s);
}
static void gradients(program *p) {
  clg_backward_options o = clg_backward_defaults();
  clg_tensor *x = any(p), *in[3] = {any(p), any(p), any(p)}, *g[3] = {NULL};
  size_t n = 1 + (size_t)choose(p, 3);
  o.retain_graph = one_in(p, 2), o.create_graph = one_in(p, 2), o.allow_unused = one_in(p, 2);
  if (one_in(p, 3)) o.grad = any(p);
  clg_status s = clg_grad(x, in, n, g, one_in(p, 3) ? NULL : &o);
  for (size_t i = 0; i < n; i++) {
    if (s != CLG_OK && g[i]) abort(); /* nobody would release it */
    keep(p, g[i]);
  }
}

/* ---- hooks: well-behaved ones, and what else users do ---- */

static clg_tensor *see(void *user, clg_tensor *g) { return (void)user, (void)g, NULL; }
static clg_tensor *hand_on(void *user, clg_tensor *g) { return (void)user, clg_tensor_ref(g); }
static clg_tensor *scale(void *user, clg_tensor *g) {
  (void)user;
  clg_scope *s = clg_scope_open(clg_tensor_context(g));
  clg_tensor *r = clg_tensor_ref(clg_mul_scalar(g, 2));
  clg_scope_close(s);
  return r;
}
static clg_tensor *misfit(void *user, clg_tensor *g) {
  (void)user;
  return clg_tensor_create(clg_tensor_context(g), 3, (const int64_t[]){3, 1, 3}, NULL);
}
static clg_tensor *back_again(void *user, clg_tensor *g) { return (void)user, clg_backward(g, NULL), NULL; }
static clg_tensor *fill(void *user, clg_tensor *g) { return (void)user, clg_fill_(g, 1), NULL; }
static clg_tensor *drop_some(void *user, clg_tensor *g) {
  program *p = user;
  for (int i = 0; i < TENSORS; i += 3) clg_tensor_unref(&p->tensor[i]);
  return (void)g, NULL;
}
static clg_tensor *zero_all(void *user, clg_tensor *g) {
  program *p = user;
  for (int i = 0; i < TENSORS; i++) clg_tensor_zero_grad(p->tensor[i]);
  return (void)g, NULL;
}
static clg_tensor *remove_it(void *user, clg_tensor *g) {
  program *p = user;
  clg_tensor_remove_hook(p->tensor[p->hooked], p->hook);
  return (void)g, NULL;
}
static clg_tensor *add_one(void *user, clg_tensor *g) {
  program *p = user;
  clg_tensor_add_hook(p->tensor[1], see, NULL);
  return (void)g, NULL;
}
static clg_tensor *leave_open(void *user, clg_tensor *g) {
  (void)user;
  clg_scope *s = clg_scope_open(clg_tensor_context(g));
  clg_scope_open(clg_tensor_context(g));
  clg_neg(g);
  clg_scope_close(s);
  return NULL;
}
static clg_tensor *close_all(void *user, clg_tensor *g) {
  program *p = user;
  for (int i = p->scopes; i > 0; i--) clg_scope_close(p->scope[i - 1]);
  return (void)g, NULL;
}
static clg_tensor *change_modes(void *user, clg_tensor *g) {
  clg_context *ctx = clg_tensor_context(g);
  clg_set_grad_mode(ctx, !clg_grad_mode(ctx)), clg_set_remat(ctx, true);
  return (void)user, NULL;
}

static void hook(program *p) {
  static const clg_tensor_hook hooks[] = {see,       hand_on,  scale,     misfit,  back_again, fill,
                                          drop_some, zero_all, remove_it, add_one, leave_open, change_modes, close_all};
  int k = choose(p, TENSORS);
  uint64_t id = clg_tensor_add_hook(p->tensor[k], hooks[choose(p, 13)], p);
  if (id) p->hook = id, p->hooked = k;
}
static void unhook(program *p) { clg_tensor_remove_hook(p->tensor[p->hooked], p->hook - (uint64_t)choose(p, 2)); }

static void *pack(void *user, clg_tensor *t) { return (void)user, clg_tensor_ref(t); }
static void *pack_nothing(void *user, clg_tensor *t) { return (void)user, (void)t, NULL; }
static clg_tensor *unpack(void *user, void *packed) { return (void)user, clg_tensor_ref(packed); }
static clg_tensor *unpack_nothing(void *user, void *packed) { return (void)user, (void)packed, NULL; }
static clg_tensor *unpack_misfit(void *user, void *packed) {
  (void)user;
  clg_context *ctx = clg_tensor_context(packed);
  return ctx ? clg_tensor_create(ctx, 4, (const int64_t[]){2, 1, 2, 1}, NULL) : NULL;
}
static void drop_packed(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  clg_tensor_unref(&t);
}
static void push_hooks(program *p) {
  clg_tensor *(*const unpacks[])(void *, void *) = {unpack, unpack, unpack, unpack_nothing, unpack_misfit};
  clg_saved_hooks h = {one_in(p, 5) ? pack_nothing : pack, unpacks[choose(p, 5)], drop_packed, p};
  if (p->hooks < 4 && clg_push_saved_hooks(p->ctx, &h) == CLG_OK) p->hooks++;
}
static void pop_hooks(program *p) {
  if (clg_pop_saved_hooks(p->ctx) == CLG_OK) p->hooks--;
}

/* ---- segments ---- */

typedef struct segment {
  int kind, runs;
} segment;

static clg_tensor *run_segment(void *user, clg_tensor *const *x, size_t n) {
  segment *s = user;
  clg_tensor *y = n ? x[0] : NULL;
  s->runs++;
  switch (s->kind) {
  case 0: return clg_tanh(clg_mul(y, n > 1 ? x[1] : y));
  case 1: return NULL;
  case 2: return s->runs > 1 ? clg_tanh(clg_sigmoid(y)) : clg_tanh(y); /* not the same twice */
  case 3: return y;
  case 4: return clg_dropout(clg_square(y), 0.5f, true);
  case 5: clg_backward(clg_sum(clg_square(y), NULL, 0, false), NULL); return clg_exp(y);
  case 6: return clg_checkpoint(clg_tensor_context(y), run_segment, calloc(1, sizeof(segment)), free, x, n);
  case 7: return clg_matmul(y, n > 1 ? x[1] : y);
  default: return s->runs > 1 ? NULL : clg_exp(y);
  }
}
static void checkpoint(program *p) {
  segment *s = calloc(1, sizeof *s);
  clg_tensor *in[2] = {any(p), any(p)};
  s->kind = choose(p, 9);
  keep(p, clg_checkpoint(p->ctx, run_segment, s, free, in, (size_t)choose(p, 3)));
}

/* ---- modes and scopes ---- */

static void modes(program *p) {
  switch (choose(p, 3)) {
  case 0: clg_set_grad_mode(p->ctx, !one_in(p, 5)); break;
  case 1: clg_set_remat(p->ctx, one_in(p, 2)); break;
  default: clg_set_anomaly(p->ctx, p->hostile && one_in(p, 6)); break; /* a plan has no values to see */
  }
}
static void open_scope(program *p) {
  if (p->scopes < SCOPES) p->scope[p->scopes++] = clg_scope_open(p->ctx);
}
static void close_scope(program *p) {
  if (!p->scopes) return;
  int k = one_in(p, 4) ? choose(p, p->scopes) : p->scopes - 1; /* those inside go with it */
  clg_tensor *with = one_in(p, 4) ? clg_neg(any(p)) : NULL, *moved = NULL;
  if (with && k == p->scopes - 1)
    moved = clg_scope_close_with(p->scope[k], with);
  else
    clg_scope_close(p->scope[k]);
  p->scopes = k;
  if (!p->scopes) clg_tensor_unref(&moved); /* ours now */
}

const program_step graph_steps[] = {require,    require,    require,    require,     retain,     zero,      back,
                                    back,       back,       back,       back,        back,       gradients, gradients,
                                    hook,       unhook,     modes,      push_hooks,  pop_hooks,  pop_hooks, checkpoint,
                                    checkpoint, open_scope, open_scope, close_scope, close_scope};
const int graph_step_count = sizeof graph_steps / sizeof *graph_steps;
