/* Modules: references, mode, and the parameters' names, values and gradients. flat.c makes the parameters. */
#include "nn/module.h"
#include "ops/fused_act.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clg_module *clg_module_create(clg_context *ctx, const clg_module_class *cls) {
  if (!ctx) return clg_null_object(NULL, cls->name);
  clg_module *m = calloc(1, sizeof *m);
  if (!m) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, cls->name, "out of host memory");
  *m = (clg_module){.refs = 1, .ctx = ctx, .cls = cls, .training = true};
  clg_context_hold(ctx);
  return m;
}

clg_module *clg_module_ref(clg_module *m) {
  if (m) m->refs++;
  return m;
}

void clg_module_unref(clg_module **p) {
  if (!p || !*p) return;
  clg_module *m = *p;
  *p = NULL;
  if (--m->refs) return;
  clg_context *ctx = m->ctx;
  for (size_t i = 0; i < m->n_layers; i++) {
    m->layer[i]->owner = NULL;
    clg_module_forget_path(m->layer[i]);
    clg_module_unref(&m->layer[i]);
  }
  for (int i = 0; i < m->n_params; i++) clg_tensor_unref(&m->param[i].tensor);
  for (int i = 0; i < m->n_buffers; i++) clg_tensor_unref(&m->buffer[i].tensor);
  clg_flat_finish(&m->flat);
  free(m->layer);
  free(m->name);
  free(m->act_text);
  free(m);
  clg_context_release(ctx);
}

clg_tensor *clg_module_run(clg_module *m, clg_tensor *x) {
  return m->cls->forward_act ? m->cls->forward_act(m, x, m->act) : m->cls->forward(m, x);
}

bool clg_module_take_act(clg_module **p, clg_act act) {
  clg_module *m = *p;
  clg_fused_act found;
  if (!act.formula) return true;
  bool ok = clg_act_find(m->ctx, &act, m->cls->name, &found);
  if (ok && !(m->act_text = strdup(act.formula)))
    ok = clg_refuse(m->ctx, CLG_ERR_HOST_MEMORY, m->cls->name, "out of host memory");
  m->act = (clg_act){m->act_text, {act.numbers[0], act.numbers[1]}};
  if (!ok) clg_module_unref(p);
  return ok;
}

clg_tensor *clg_forward(clg_module *m, clg_tensor *x) {
  if (!m) return clg_null_object(clg_tensor_context(x), "forward");
  if (!x) return clg_null_object(m->ctx, m->cls->name);
  if (x->ctx != m->ctx)
    return clg_fail_object(m->ctx, CLG_ERR_ARGUMENT, m->cls->name, "the input belongs to another context");
  clg_context *ctx = m->ctx;
  const char *around = clg_module_enter(m);
  clg_scope *scope = clg_scope_open(ctx); /* what a layer makes on the way is not left to whoever has none open */
  bool ready = clg_scope_opened(scope) && clg_module_make(m) == CLG_OK;
  clg_tensor *y = clg_scope_close_with(scope, ready ? clg_module_run(m, x) : NULL);
  ctx->layer = around;
  return y;
}

void clg_module_set_training(clg_module *m, bool on) {
  if (!m) return;
  m->training = on;
  for (size_t i = 0; i < m->n_layers; i++) clg_module_set_training(m->layer[i], on);
}

void clg_module_meet(clg_module *m, const clg_meeting *meeting) {
  if (!m) return;
  m->meeting = meeting ? *meeting : (clg_meeting){.gather = NULL};
  for (size_t i = 0; i < m->n_layers; i++) clg_module_meet(m->layer[i], meeting);
}

bool clg_module_training(const clg_module *m) { return m && m->training; }

/* A layer inside a Sequential answers with its own parameters, so they are counted from its own tree. */
static size_t count(const clg_module *m) {
  size_t n = (size_t)m->n_params;
  for (size_t i = 0; i < m->n_layers; i++) n += count(m->layer[i]);
  return n;
}

static clg_tensor *const *find(clg_module *m, clg_tensor *first, size_t *at) {
  clg_module *top = m;
  while (top->owner) top = top->owner;
  *at = 0;
  while (*at < top->flat.n && top->flat.tensor[*at] != first) ++*at;
  return top->flat.tensor;
}

static clg_tensor *first_of(const clg_module *m) {
  if (m->n_params) return m->param[0].tensor;
  clg_tensor *t = NULL;
  for (size_t i = 0; i < m->n_layers && !t; i++) t = first_of(m->layer[i]);
  return t;
}

clg_tensor *const *clg_module_parameters(clg_module *m, size_t *n) {
  size_t at;
  if (n) *n = 0;
  if (!m || clg_module_make(m) != CLG_OK) return NULL;
  if (n) *n = count(m);
  clg_tensor *first = first_of(m), *const *all = find(m, first, &at);
  return first ? all + at : NULL;
}

const char *clg_module_parameter_name(clg_module *m, size_t i) {
  if (!m || clg_module_make(m) != CLG_OK || i >= count(m)) return NULL;
  size_t at;
  find(m, first_of(m), &at);
  clg_module *top = m;
  const char *name;
  size_t depth = 0;
  for (; top->owner; top = top->owner) depth++;
  name = top->flat.name[at + i];
  while (depth--) name = strchr(name, '.') + 1; /* without the numbers of the modules around it */
  return name;
}

/* Counts i down to the buffer asked for; writes the part of the name that is m's. */
static clg_tensor *find_buffer(clg_module *m, size_t *i, char *name, size_t size) {
  if (*i < (size_t)m->n_buffers) {
    if (size) snprintf(name, size, "%s", m->buffer[*i].name);
    return m->buffer[*i].tensor;
  }
  *i -= (size_t)m->n_buffers;
  for (size_t k = 0; k < m->n_layers; k++) {
    int at = size ? snprintf(name, size, "%zu.", k) : 0;
    size_t used = at > 0 && (size_t)at < size ? (size_t)at : size;
    clg_tensor *t = find_buffer(m->layer[k], i, used < size ? name + used : NULL, size - used);
    if (t) return t;
  }
  return NULL;
}

clg_tensor *clg_module_buffer(clg_module *m, size_t i, char *name, size_t size) {
  if (!name) size = 0;
  return m ? find_buffer(m, &i, name, size) : NULL;
}

size_t clg_module_numel(clg_module *m) {
  size_t n, total = 0;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  for (size_t i = 0; i < n; i++) total += (size_t)p[i]->numel;
  return total;
}

clg_status clg_module_set_requires_grad(clg_module *m, bool on) {
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  if (!m) return CLG_ERR_ARGUMENT;
  clg_status s = p ? CLG_OK : clg_last_status(m->ctx);
  for (size_t i = 0; s == CLG_OK && i < n; i++) s = clg_tensor_set_requires_grad(p[i], on);
  return s;
}

void clg_module_zero_grad(clg_module *m) {
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  for (size_t i = 0; i < n; i++) clg_tensor_zero_grad(p[i]);
}

/* The copies are queued one after the other and waited for once. */
static clg_status read_all(clg_module *m, float *out, bool grads) {
  size_t n;
  clg_tensor *const *p = out ? clg_module_parameters(m, &n) : NULL;
  if (!p) return m ? clg_last_status(m->ctx) : CLG_ERR_ARGUMENT;
  clg_status s = CLG_OK;
  for (size_t i = 0; s == CLG_OK && i < n; out += p[i++]->numel) {
    clg_tensor *t = grads ? clg_tensor_grad(p[i]) : p[i];
    if (t) {
      s = clg_tensor_read_async(t, out);
    } else {
      memset(out, 0, (size_t)p[i]->numel * sizeof *out);
    }
  }
  return s == CLG_OK ? clg_finish(m->ctx) : s;
}

clg_status clg_module_read(clg_module *m, float *out) { return read_all(m, out, false); }
clg_status clg_module_read_grad(clg_module *m, float *out) { return read_all(m, out, true); }

clg_status clg_module_write(clg_module *m, const float *data) {
  size_t n;
  clg_tensor *const *p = data ? clg_module_parameters(m, &n) : NULL;
  if (!p) return m ? clg_last_status(m->ctx) : CLG_ERR_ARGUMENT;
  bool mode = clg_set_grad_mode(m->ctx, false);
  clg_status s = CLG_OK;
  for (size_t i = 0; s == CLG_OK && i < n; data += p[i++]->numel) s = clg_tensor_write(p[i], data);
  clg_set_grad_mode(m->ctx, mode);
  return s;
}
