/* State of optimizers in safetensors files, under PyTorch's names. */
#include "base/str.h"
#include "io/loader.h"
#include "io/saver.h"
#include "optim/state.h"
#include "tensor/tensor.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char op[] = "optim_load";

/* More steps than any run has; figures from here on are damage. */
#define MOST_STEPS (1ull << 53)

/* ---- saving ---- */

static clg_status add_number(clg_saver *s, clg_file_type type, uint64_t bits, const char *prefix, const char *part,
                             size_t i, const char *name) {
  clg_str full = {0};
  clg_str_addf(&full, "%s%s.%zu.%s", prefix, part, i, name);
  clg_status st =
      full.failed
          ? clg_saver_fail(s, clg_fail(clg_saver_context(s), CLG_ERR_HOST_MEMORY, "saver", "out of host memory"))
          : clg_saver_add_number(s, full.data, type, bits);
  clg_str_free(&full);
  return st;
}

static clg_status add_parameter(clg_saver *s, const char *prefix, const clg_optim *o, size_t i) {
  clg_status st = add_number(s, CLG_FILE_I64, clg_optim_steps(o, i), prefix, "state", i, "step");
  const char *state;
  for (int k = 0; st == CLG_OK && (state = clg_optim_state_name(o, i, k)); k++) {
    clg_str name = {0};
    clg_str_addf(&name, "%sstate.%zu.%s", prefix, i, state);
    clg_tensor *t = name.failed ? NULL : clg_optim_state(o, i, k);
    if (name.failed) clg_fail(clg_saver_context(s), CLG_ERR_HOST_MEMORY, "saver", "out of host memory");
    st = t ? clg_saver_add_tensor(s, name.data, t) : clg_saver_fail(s, CLG_ERR_HOST_MEMORY);
    clg_tensor_unref(&t);
    clg_str_free(&name);
  }
  return st;
}

clg_status clg_saver_add_optim(clg_saver *s, const char *prefix, clg_optim *o) {
  if (!s) return CLG_ERR_ARGUMENT;
  clg_context *ctx = clg_saver_context(s);
  if (!o || clg_optim_context(o) != ctx)
    return clg_saver_fail(s, clg_fail(ctx, CLG_ERR_ARGUMENT, "saver", "the optimizer is NULL or of another context"));
  if (!prefix) prefix = "";
  clg_str key = {0};
  clg_str_addf(&key, "%skind", prefix);
  clg_status st = key.failed ? clg_saver_fail(s, clg_fail(ctx, CLG_ERR_HOST_MEMORY, "saver", "out of host memory"))
                             : clg_saver_add_metadata(s, key.data, clg_optim_kind_name(o));
  clg_str_free(&key);
  for (size_t g = 0; st == CLG_OK && g < clg_optim_group_count(o); g++) {
    double lr = clg_optim_group_lr(o, g);
    uint64_t bits;
    memcpy(&bits, &lr, sizeof bits);
    st = add_number(s, CLG_FILE_F64, bits, prefix, "param_groups", g, "lr");
  }
  for (size_t i = 0; st == CLG_OK && i < clg_optim_count(o); i++)
    if (clg_optim_steps(o, i)) st = add_parameter(s, prefix, o, i);
  return st;
}

/* ---- loading: everything is looked at before anything is changed ---- */

enum { MOST_STATES = 4 };

typedef struct plan {
  const clg_loader *loader;
  const char *prefix;
  clg_optim *optim;
  clg_transfer *to;   /* states that are in the file */
  clg_tensor **fresh; /* states of parameters without one: zeros */
  size_t n_to, n_fresh;
  uint64_t *steps; /* of each parameter */
  double *lr;      /* of each group; negative: it keeps its own */
  bool *used;      /* entries of the file that belong to the optimizer */
  bool any;
} plan;

static clg_status refuse(const plan *p, const char *name, const char *what) {
  char shown[CLG_SHOWN];
  return clg_fail(p->loader->ctx, CLG_ERR_SHAPE, op, CLG_PATH " does not fit the optimizer: \"%s\" %.250s",
                  p->loader->in.path, clg_shown(name, shown), what);
}

static clg_status no_memory(const plan *p) {
  return clg_fail(p->loader->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
}

/* The entry of PREFIX PART.I.NAME, which is used now; NULL if there is none, or without memory, and then *s says so. */
static const clg_entry *find(plan *p, clg_status *s, const char *part, size_t i, const char *name) {
  clg_str full = {0};
  clg_str_addf(&full, "%s%s.%zu.%s", p->prefix, part, i, name);
  const clg_entry *e = full.failed ? NULL : clg_header_find(&p->loader->header, full.data);
  if (full.failed) *s = no_memory(p);
  if (e) p->used[e - p->loader->header.entry] = p->any = true;
  clg_str_free(&full);
  return e;
}

static clg_status read_steps(plan *p, const clg_entry *e, uint64_t *steps) {
  if (e->ndim || (e->type != CLG_FILE_I64 && e->type != CLG_FILE_F32))
    return refuse(p, e->name, "is no I64 or F32 number");
  clg_status s;
  *steps = MOST_STEPS;
  if (e->type == CLG_FILE_I64) {
    s = clg_loader_number(p->loader, e, steps);
  } else {
    float f = 0;
    s = clg_input_read(&p->loader->in, e->begin, &f, sizeof f);
    clg_little_words(&f, 1);
    if (f >= 0 && f < (float)MOST_STEPS && f == floorf(f)) *steps = (uint64_t)f;
  }
  return s == CLG_OK && *steps >= MOST_STEPS ? refuse(p, e->name, "is no number of steps") : s;
}

/* State k of parameter i: from entry e, or zero where it is NULL. */
static clg_status plan_state(plan *p, size_t i, int k, const clg_entry *e) {
  char misfit[CLG_MISFIT];
  clg_tensor *t = clg_optim_state(p->optim, i, k);
  if (!t) return no_memory(p);
  const char *what = e ? clg_loader_misfit(e, t, misfit) : NULL;
  if (what) {
    clg_tensor_unref(&t);
    return refuse(p, e->name, what);
  }
  if (e)
    p->to[p->n_to++] = (clg_transfer){e, t};
  else
    p->fresh[p->n_fresh++] = t;
  return CLG_OK;
}

static clg_status refuse_part(const plan *p, size_t i, const char *name, const char *what) {
  char full[CLG_SHOWN + 64];
  snprintf(full, sizeof full, "%.40sstate.%zu.%s", p->prefix, i, name);
  return refuse(p, full, what);
}

/* A parameter has all of its states and its steps, or none. PyTorch's SGD counts no steps: that there is a state says
 * that there were some. */
static clg_status plan_parameter(plan *p, size_t i) {
  clg_status s = CLG_OK;
  const clg_entry *step = find(p, &s, "state", i, "step"), *state[MOST_STATES] = {NULL};
  uint64_t steps = 0;
  if (step && s == CLG_OK) s = read_steps(p, step, &steps);
  int n = 0, there = 0;
  const char *name, *lacking = NULL;
  for (; s == CLG_OK && n < MOST_STATES && (name = clg_optim_state_name(p->optim, i, n)); n++) {
    state[n] = find(p, &s, "state", i, name);
    if (state[n])
      there++;
    else
      lacking = name;
  }
  if (s != CLG_OK) return s;
  if (lacking && (there || steps)) return refuse_part(p, i, lacking, "is missing");
  if (there && !step && strcmp(clg_optim_kind_name(p->optim), "sgd")) return refuse_part(p, i, "step", "is missing");
  if (there && step && !steps) return refuse(p, step->name, "is 0, but there is a state");
  p->steps[i] = there && !step ? 1 : steps;
  for (int k = 0; s == CLG_OK && k < n; k++) s = plan_state(p, i, k, state[k]);
  return s;
}

static clg_status plan_rate(plan *p, size_t group) {
  clg_status s = CLG_OK;
  p->lr[group] = -1;
  const clg_entry *e = find(p, &s, "param_groups", group, "lr");
  if (!e) return s;
  if (e->ndim || e->type != CLG_FILE_F64) return refuse(p, e->name, "is no F64 number");
  uint64_t bits = 0;
  s = clg_loader_number(p->loader, e, &bits);
  memcpy(&p->lr[group], &bits, sizeof bits);
  return s != CLG_OK || (p->lr[group] >= 0 && isfinite(p->lr[group])) ? s : refuse(p, e->name, "is no learning rate");
}

static clg_status check_kind(const plan *p) {
  clg_str key = {0};
  clg_str_addf(&key, "%skind", p->prefix);
  if (key.failed) return no_memory(p);
  const char *kind = clg_header_meta(&p->loader->header, key.data), *own = clg_optim_kind_name(p->optim);
  char what[CLG_SHOWN + 64], shown[CLG_SHOWN];
  clg_status s = CLG_OK;
  if (kind && strcmp(kind, own)) {
    snprintf(what, sizeof what, "is \"%s\" in the file, %s here", clg_shown(kind, shown), own);
    s = refuse(p, key.data, what);
  } else if (!kind && !p->any) {
    s = clg_fail(p->loader->ctx, CLG_ERR_SHAPE, op, CLG_PATH " holds no optimizer under \"%s\"", p->loader->in.path,
                 clg_shown(p->prefix, shown));
  }
  clg_str_free(&key);
  return s;
}

/* Names that nobody asked for: of another kind of optimizer, or of more parameters or groups. */
static clg_status check_rest(const plan *p) {
  const clg_header *h = &p->loader->header;
  size_t length = strlen(p->prefix);
  for (size_t i = 0; i < h->n; i++) {
    const char *name = h->entry[i].name, *rest = name + length;
    if (p->used[i] || strncmp(name, p->prefix, length)) continue;
    bool rate = !strncmp(rest, "param_groups.", 13) && strlen(rest) > 16 && !strcmp(rest + strlen(rest) - 3, ".lr");
    if (rate || !strncmp(rest, "state.", 6)) return refuse(p, name, "is not in the optimizer");
  }
  return CLG_OK;
}

static clg_status make_plan(plan *p, size_t n, size_t groups) {
  size_t n_entries = p->loader->header.n;
  p->to = calloc(n * MOST_STATES + 1, sizeof *p->to);
  p->fresh = calloc(n * MOST_STATES + 1, sizeof(clg_tensor *));
  p->steps = calloc(n + 1, sizeof *p->steps);
  p->lr = calloc(groups + 1, sizeof *p->lr);
  p->used = calloc(n_entries + 1, sizeof *p->used);
  clg_status s = p->to && p->fresh && p->steps && p->lr && p->used ? CLG_OK : no_memory(p);
  for (size_t g = 0; s == CLG_OK && g < groups; g++) s = plan_rate(p, g);
  for (size_t i = 0; s == CLG_OK && i < n; i++) s = plan_parameter(p, i);
  if (s == CLG_OK) s = check_kind(p);
  return s == CLG_OK ? check_rest(p) : s;
}

static clg_status follow(plan *p, size_t n, size_t groups) {
  clg_status s = clg_loader_transfer(p->loader, p->to, p->n_to);
  for (size_t i = 0; s == CLG_OK && i < p->n_fresh; i++) s = clg_fill_(p->fresh[i], 0);
  for (size_t i = 0; s == CLG_OK && i < n; i++) clg_optim_set_steps(p->optim, i, p->steps[i]);
  for (size_t g = 0; s == CLG_OK && g < groups; g++)
    if (p->lr[g] >= 0) clg_optim_group_set_lr(p->optim, g, p->lr[g]);
  return s;
}

clg_status clg_loader_load_optim(clg_loader *l, const char *prefix, clg_optim *o) {
  if (!l) return CLG_ERR_ARGUMENT;
  if (!o || clg_optim_context(o) != l->ctx)
    return clg_fail(l->ctx, CLG_ERR_ARGUMENT, op, "the optimizer is NULL or of another context");
  plan p = {.loader = l, .prefix = prefix ? prefix : "", .optim = o};
  size_t n = clg_optim_count(o), groups = clg_optim_group_count(o);
  clg_status s = make_plan(&p, n, groups);
  if (s == CLG_OK) s = follow(&p, n, groups);
  for (size_t i = 0; i < p.n_to; i++) clg_tensor_unref(&p.to[i].tensor);
  for (size_t i = 0; i < p.n_fresh; i++) clg_tensor_unref(&p.fresh[i]);
  free(p.to);
  free(p.fresh);
  free(p.steps);
  free(p.lr);
  free(p.used);
  return s;
}
