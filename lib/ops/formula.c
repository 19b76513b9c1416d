/* Compiles formulas for a context: derives gradients, decides what is saved, keeps the compiled ones (slot FORMULAS).
 */
#include "ops/formula.h"
#include "kernel/kernel.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ops_state {
  clg_formula *row[CLG_ROWS];
  clg_formula *user;
} ops_state;

static void formula_free(clg_formula *f) {
  if (!f) return;
  for (int i = 0; i < f->n_in; i++) formula_free(f->grad[i].recorded);
  for (clg_joint_gradients *j = f->joint, *next; j; j = next) next = j->next, free(j);
  free(f->key);
  free(f->epilogue);
  free(f->gradient);
  free(f->both);
  free(f);
}

static void state_destroy(clg_context *ctx, void *p) {
  (void)ctx;
  ops_state *s = p;
  for (int i = 0; i < CLG_ROWS; i++) formula_free(s->row[i]);
  for (clg_formula *f = s->user, *next; f; f = next) next = f->next, formula_free(f);
  free(s);
}

static ops_state *state_of(clg_context *ctx) {
  clg_slot *slot = &ctx->slot[CLG_SLOT_FORMULAS];
  if (slot->state) return slot->state;
  ops_state *s = calloc(1, sizeof *s);
  if (!s) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  *slot = (clg_slot){s, NULL, state_destroy};
  return s;
}

/* Names by position: inputs, then y and g for gradients, then numbers. */
typedef struct names {
  const char *tensor[CLG_FORMULA_INPUTS + 2], *param[CLG_FORMULA_PARAMS];
  int n_in, n_param;
} names;

static uint32_t uses(const clg_arena *a, clg_expr d, const names *n) {
  uint32_t mask = 0;
  for (int i = 0; i <= n->n_in; i++)
    if (clg_expr_mentions(a, d, n->tensor[i])) mask |= 1u << i;
  return mask;
}

/* The result stands in for the forward expression unless that would save more tensors. */
static clg_expr prefer_result(clg_arena *a, clg_expr d, clg_expr f, const names *n) {
  clg_expr with_y = clg_expr_replace(a, d, f, clg_expr_var(a, n->tensor[n->n_in])); /* 0: no memory */
  return __builtin_popcount(uses(a, with_y, n)) <= __builtin_popcount(uses(a, d, n)) ? with_y : d;
}

static clg_expr parse(clg_context *ctx, const char *text, const names *n, bool with_y, const char *op) {
  const char *all[CLG_FORMULA_INPUTS + 1 + CLG_FORMULA_PARAMS];
  size_t count = 0;
  for (int i = 0; i < n->n_in + (with_y ? 1 : 0); i++) all[count++] = n->tensor[i];
  for (int i = 0; i < n->n_param; i++) all[count++] = n->param[i];
  clg_parse_error error;
  clg_expr e = clg_expr_parse(clg_arena_of(ctx), text, all, count, &error);
  if (!e)
    clg_fail(ctx, error.no_memory ? CLG_ERR_HOST_MEMORY : CLG_ERR_PARSE, op, "\"%s\", column %d: %s", text,
             error.column, error.what);
  return e;
}

/* What kernels of gradient i are called. */
#define GRADIENT_NAME 100
static void name_gradient(const clg_formula *f, int i, char name[GRADIENT_NAME]) {
  if (f->n_in == 1)
    snprintf(name, GRADIENT_NAME, "%.60s_backward", f->name);
  else
    snprintf(name, GRADIENT_NAME, "%.60s_backward_%.20s", f->name, f->in[i]);
}

/* One gradient; its kernel is built only if it is ever run. */
static bool derive(clg_context *ctx, clg_formula *f, int i, const names *n, const char *stated) {
  clg_arena *a = clg_arena_of(ctx);
  clg_expr d = stated ? parse(ctx, stated, n, true, f->name) : clg_expr_diff(a, f->f, n->tensor[i]);
  if (!d && stated) return false;
  /* A stated 0 means that nothing depends on the input there. */
  if (stated) d = clg_expr_replace(a, d, clg_expr_const(a, 0), clg_expr_absent(a));
  if (d && !stated) d = prefer_result(a, d, f->f, n);
  if (!d) return clg_refuse(ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory");
  f->grad[i].identity = clg_expr_is_const(a, d, 1);
  f->grad[i].uses = uses(a, d, n);
  f->grad[i].d = d;
  clg_expr with_g = clg_expr_chain(a, clg_expr_var(a, n->tensor[n->n_in + 1]), d);
  char name[GRADIENT_NAME];
  name_gradient(f, i, name);
  f->grad[i].fn = clg_map_create(ctx, name, &with_g, 1, n->tensor, n->n_in + 2, n->param, n->n_param);
  return f->grad[i].fn != NULL;
}

/* NULL with the error set; e is 0 for want of memory. */
static clg_formula *compile(clg_context *ctx, const char *name, clg_expr e, const names *n, const char *const *stated) {
  clg_formula *f = e ? calloc(1, sizeof *f) : NULL;
  if (!f) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, name, "out of host memory");
  f->name = name;
  f->n_in = n->n_in;
  f->n_param = n->n_param;
  memcpy(f->in, n->tensor, sizeof f->in);
  memcpy(f->param, n->param, sizeof f->param);
  f->f = e;
  f->forward = clg_map_create(ctx, name, &f->f, 1, n->tensor, n->n_in, n->param, n->n_param);
  bool ok = f->forward != NULL;
  for (int i = 0; ok && i < n->n_in; i++) ok = derive(ctx, f, i, n, stated ? stated[i] : NULL);
  if (ok) return f;
  formula_free(f);
  return NULL;
}

clg_formula *clg_formula_row(clg_context *ctx, clg_row_id id) {
  ops_state *s = state_of(ctx);
  if (!s || s->row[id]) return s ? s->row[id] : NULL;
  const clg_row *r = &clg_rows[id];
  names n = {.n_in = 0};
  while (n.n_in < CLG_ROW_MOST && r->in[n.n_in]) n.tensor[n.n_in] = r->in[n.n_in], n.n_in++;
  while (n.n_param < CLG_ROW_MOST && r->param[n.n_param]) n.param[n.n_param] = r->param[n.n_param], n.n_param++;
  n.tensor[n.n_in] = "y";
  n.tensor[n.n_in + 1] = "g";
  clg_expr e = parse(ctx, r->text, &n, false, r->name);
  return s->row[id] = e ? compile(ctx, r->name, e, &n, r->grad) : NULL;
}

/* "mul_backward" of all inputs, else with the names of these. */
static void name_joint(const clg_formula *f, uint32_t inputs, char name[GRADIENT_NAME]) {
  int at = snprintf(name, GRADIENT_NAME, "%.40s_backward", f->name);
  for (int i = 0; inputs != (1u << f->n_in) - 1 && i < f->n_in; i++)
    if (inputs >> i & 1) at += snprintf(name + at, (size_t)(GRADIENT_NAME - at), "_%.5s", f->in[i]);
}

clg_map_fn *clg_formula_joint(clg_context *ctx, clg_formula *f, uint32_t inputs) {
  clg_joint_gradients *j = f->joint;
  while (j && j->inputs != inputs) j = j->next;
  if (j) return j->fn;
  clg_arena *a = clg_arena_of(ctx);
  const char *in[CLG_FORMULA_INPUTS + 2];
  memcpy(in, f->in, sizeof f->in);
  in[f->n_in] = "y", in[f->n_in + 1] = "g";
  clg_expr with_g[CLG_FORMULA_INPUTS];
  int n = 0;
  for (int i = 0; i < f->n_in; i++)
    if (inputs >> i & 1) with_g[n++] = clg_expr_chain(a, clg_expr_var(a, "g"), f->grad[i].d);
  char name[GRADIENT_NAME];
  name_joint(f, inputs, name);
  clg_map_fn *fn = clg_map_create(ctx, name, with_g, n, in, f->n_in + 2, f->param, f->n_param);
  if (!fn || !(j = malloc(sizeof *j)))
    return fn ? clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory") : NULL;
  *j = (clg_joint_gradients){f->joint, inputs, fn};
  f->joint = j;
  return fn;
}

#define NAME_MAX_LENGTH 64
static bool valid_name(const char *s) {
  if (!s || !((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_')) return false;
  size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
  return n < NAME_MAX_LENGTH && !s[n];
}

/* A user's names become u0, u1, ... and p0, p1, ..., so that they cannot meet ours in the kernel's text. They pass
 * through names that are too long to be theirs, so that exchanging u0 and u1 works. */
static clg_expr rename_to(clg_arena *a, clg_expr e, const char *const *from, int n, char kind) {
  char between[2 * NAME_MAX_LENGTH], to[16];
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < n; i++) {
      snprintf(between, sizeof between, "%c%0*d", kind, NAME_MAX_LENGTH, i);
      snprintf(to, sizeof to, "%c%d", kind, i);
      const char *ends[] = {from[i], between, to};
      e = clg_expr_replace(a, e, clg_expr_var(a, ends[pass]), clg_expr_var(a, ends[pass + 1]));
    }
  return e;
}

static const char *const user_in[] = {"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"};
static const char *const user_param[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"};

static clg_formula *compile_user(clg_context *ctx, const char *text, const names *theirs, const char *op) {
  clg_arena *a = clg_arena_of(ctx);
  clg_expr e = parse(ctx, text, theirs, false, op);
  if (!e) return NULL;
  e = rename_to(a, rename_to(a, e, theirs->tensor, theirs->n_in, 'u'), theirs->param, theirs->n_param, 'p');
  names n = {.n_in = theirs->n_in, .n_param = theirs->n_param};
  memcpy(n.tensor, user_in, sizeof user_in);
  memcpy(n.param, user_param, sizeof user_param);
  n.tensor[n.n_in] = "y";
  n.tensor[n.n_in + 1] = "g";
  return compile(ctx, "map", e, &n, NULL);
}

clg_formula *clg_formula_recorded(clg_context *ctx, clg_formula *f, int i) {
  if (f->grad[i].recorded) return f->grad[i].recorded;
  clg_arena *a = clg_arena_of(ctx);
  clg_expr e = clg_expr_chain(a, clg_expr_var(a, "g"), f->grad[i].d);
  const char *all[CLG_FORMULA_INPUTS + 2], *from[CLG_FORMULA_INPUTS + 2];
  int n = 0;
  memcpy(all, f->in, sizeof f->in);
  all[f->n_in] = "y", all[f->n_in + 1] = "g";
  for (int k = 0; k < f->n_in + 2; k++) {
    if (!clg_expr_mentions(a, e, all[k])) continue;
    from[n++] = all[k];
    f->grad[i].inputs |= 1u << k;
  }
  if (n > CLG_FORMULA_INPUTS)
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, f->name,
                           "a formula of so many tensors has no gradient of its gradient");
  e = rename_to(a, rename_to(a, e, from, n, 'u'), f->param, f->n_param, 'p');
  names ours = {.n_in = n, .n_param = f->n_param};
  memcpy(ours.tensor, user_in, sizeof user_in);
  memcpy(ours.param, user_param, sizeof user_param);
  ours.tensor[n] = "y";
  ours.tensor[n + 1] = "g";
  return f->grad[i].recorded = compile(ctx, f->name, e, &ours, NULL);
}

clg_formula *clg_formula_user(clg_context *ctx, const char *text, const char *const *in, int n_in,
                              const char *const *param, int n_param, const char *op) {
  ops_state *s = state_of(ctx);
  if (!s) return NULL;
  names theirs = {.n_in = n_in, .n_param = n_param};
  for (int i = 0; i < n_in + n_param; i++) {
    const char *name = i < n_in ? in[i] : param[i - n_in];
    if (!valid_name(name))
      return clg_fail_object(ctx, CLG_ERR_ARGUMENT, op, "\"%s\" is not a name", name ? name : "NULL");
  }
  clg_str key = {0};
  clg_str_add(&key, text);
  for (int i = 0; i < n_in; i++) clg_str_addf(&key, "\n%s", theirs.tensor[i] = in[i]);
  for (int i = 0; i < n_param; i++) clg_str_addf(&key, "\r%s", theirs.param[i] = param[i]);
  clg_formula *f = s->user;
  if (key.failed) {
    clg_str_free(&key);
    return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  }
  while (f && strcmp(f->key, key.data)) f = f->next;
  if (!f && (f = compile_user(ctx, text, &theirs, op))) {
    f->key = key.data;
    f->next = s->user;
    return s->user = f;
  }
  clg_str_free(&key);
  return f;
}

/* The new names are the graph's, which no formula uses. */
clg_expr clg_formula_over(clg_context *ctx, const clg_formula *f, const clg_expr *in, const clg_expr *number) {
  clg_arena *a = clg_arena_of(ctx);
  clg_expr e = f->f;
  for (int i = 0; i < f->n_in; i++) e = clg_expr_replace(a, e, clg_expr_var(a, f->in[i]), in[i]);
  for (int i = 0; i < f->n_param; i++) e = clg_expr_replace(a, e, clg_expr_var(a, f->param[i]), number[i]);
  return e;
}

bool clg_formula_fuses(const clg_formula *f, bool recomputed) {
  return f->n_in == 1 && f->n_param <= CLG_EPILOGUE_NUMBERS && (recomputed || !(f->grad[0].uses & 1));
}

/* e as functions of NAME: over `of` and, a gradient, g. Numbers stay by their places, used or not. */
static void write_epilogue(clg_context *ctx, const clg_formula *f, clg_expr e, const char *of, bool gradient,
                           clg_str *s) {
  const char *const in[] = {of, "g"};
  char gradient_name[GRADIENT_NAME];
  clg_str name = {0};
  name_gradient(f, 0, gradient_name);
  clg_kernel_name(gradient ? gradient_name : f->name, &name);
  const clg_kernel_formula kernel = {.name = name.data,
                                     .arena = clg_arena_of(ctx),
                                     .out = &e,
                                     .in = in,
                                     .number = f->param,
                                     .n_out = 1,
                                     .n_in = gradient ? 2 : 1,
                                     .n_number = f->n_param};
  s->failed |= name.failed || !e;
  if (!s->failed) clg_kernel_write_epilogue(&kernel, gradient, s);
  clg_str_free(&name);
}

static const char *finish_text(clg_context *ctx, const clg_formula *f, clg_str *s) {
  if (!s->failed) return s->data;
  clg_str_free(s);
  return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, f->name, "out of host memory");
}

const char *clg_formula_epilogue(clg_context *ctx, clg_formula *f) {
  if (f->epilogue) return f->epilogue;
  clg_str s = {0};
  write_epilogue(ctx, f, f->f, f->in[0], false, &s);
  return f->epilogue = (char *)finish_text(ctx, f, &s);
}

/* g times the derivative, with `y` for the result. */
static clg_expr gradient_with(clg_arena *a, const clg_formula *f, clg_expr y) {
  return clg_expr_chain(a, clg_expr_var(a, "g"), clg_expr_replace(a, f->grad[0].d, clg_expr_var(a, "y"), y));
}

const char *clg_formula_gradient(clg_context *ctx, clg_formula *f) {
  if (f->gradient) return f->gradient;
  clg_arena *a = clg_arena_of(ctx);
  clg_str s = {0};
  write_epilogue(ctx, f, gradient_with(a, f, clg_expr_var(a, "y")), "y", true, &s);
  return f->gradient = (char *)finish_text(ctx, f, &s);
}

const char *clg_formula_both(clg_context *ctx, clg_formula *f) {
  const char *forward = f->both ? NULL : clg_formula_epilogue(ctx, f);
  if (!forward) return f->both;
  clg_str s = {0};
  clg_str_add(&s, forward);
  write_epilogue(ctx, f, gradient_with(clg_arena_of(ctx), f, f->f), f->in[0], true, &s);
  return f->both = (char *)finish_text(ctx, f, &s);
}
