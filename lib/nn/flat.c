/* Makes a module's parameters in one allocation, and room for their gradients in another. Each is a storage of its own,
 * 64-byte aligned; what lies between them is zero, so that an optimizer may run over it. */
#include "nn/flat.h"
#include "base/str.h"
#include "nn/module.h"
#include <stdlib.h>
#include <string.h>

static int64_t numel_of(const clg_param *p) {
  int64_t n = 1;
  for (int d = 0; d < p->ndim; d++) n *= p->shape[d];
  return n;
}

/* Visits m's parameters in order; `path` is the name so far. */
typedef clg_status (*visitor)(void *arg, clg_module *m, clg_param *p, const char *path);
static clg_status walk(clg_module *m, const char *path, visitor fn, void *arg) {
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < m->n_params; i++) s = fn(arg, m, &m->param[i], path);
  for (size_t i = 0; s == CLG_OK && i < m->n_layers; i++) {
    clg_str inner = {0};
    clg_str_addf(&inner, "%s%zu.", path, i);
    s = inner.failed ? clg_fail(m->ctx, CLG_ERR_HOST_MEMORY, m->cls->name, "out of host memory")
                     : walk(m->layer[i], inner.data, fn, arg);
    clg_str_free(&inner);
  }
  return s;
}

typedef struct totals {
  size_t n, floats;
} totals;
static clg_status add_up(void *arg, clg_module *m, clg_param *p, const char *path) {
  (void)m, (void)path;
  totals *t = arg;
  t->n++;
  t->floats += clg_flat_padded(numel_of(p));
  return CLG_OK;
}

typedef struct maker {
  clg_flat *flat;
  clg_tensor *all; /* the whole allocation, as one tensor */
  size_t at;
} maker;

/* A parameter that lived on its own before moves in: its storage is pointed at the new place. */
static clg_status move_in(maker *k, clg_tensor *t) {
  clg_tensor *to = clg_tensor_view(k->all->storage, k->at, t->ndim, t->shape, NULL);
  clg_status s = to ? clg_tensor_assign(to, t, "parameters") : clg_last_status(t->ctx);
  clg_tensor_unref(&to);
  if (s != CLG_OK) return s;
  clg_storage *st = t->storage;
  clg_block *old = st->block;
  st->block = clg_block_ref(k->all->storage->block);
  st->offset = k->at;
  clg_block_unref(old);
  clg_tensor_zero_grad(t);
  if (t->grad) clg_tensor_unref(&t->grad->slice);
  return CLG_OK;
}

static clg_status make_new(maker *k, clg_param *p) {
  clg_context *ctx = k->all->ctx;
  clg_storage *s = clg_storage_slice(ctx, k->all->storage->block, k->at, (size_t)numel_of(p), CLG_ROLE_PARAMETER);
  if (!s) return CLG_ERR_HOST_MEMORY;
  clg_tensor *t = clg_tensor_view(s, 0, p->ndim, p->shape, NULL);
  clg_storage_unref(s);
  if (!t) return CLG_ERR_HOST_MEMORY;
  clg_status st = CLG_OK;
  if (p->bound > 0)
    st = clg_rand_(t, -p->bound, p->bound);
  else if (p->deviation > 0)
    st = clg_randn_(t, 0, p->deviation);
  else if (p->value != 0)
    st = clg_fill_(t, p->value);
  t->storage->version = 0;
  if (st == CLG_OK) st = clg_tensor_set_requires_grad(t, true);
  if (st != CLG_OK) clg_tensor_unref(&t);
  p->tensor = t;
  return st;
}

/* p, which has its tensor, is the next of the list. */
static clg_status list_one(clg_flat *f, const clg_module *m, const clg_param *p, const char *path) {
  clg_str name = {0};
  clg_str_addf(&name, "%s%s", path, p->name);
  if (name.failed) {
    clg_str_free(&name);
    return clg_fail(m->ctx, CLG_ERR_HOST_MEMORY, m->cls->name, "out of host memory");
  }
  f->name[f->n] = name.data;
  f->tensor[f->n++] = p->tensor;
  f->numel += (size_t)p->tensor->numel;
  return CLG_OK;
}

static clg_status make_one(void *arg, clg_module *m, clg_param *p, const char *path) {
  maker *k = arg;
  clg_status s = p->tensor ? move_in(k, p->tensor) : make_new(k, p);
  if (s == CLG_OK) s = list_one(k->flat, m, p, path);
  if (s == CLG_OK) k->at += clg_flat_padded(p->tensor->numel);
  return s;
}

static clg_tensor *zeros(clg_context *ctx, size_t floats, clg_role role, const char *op) {
  clg_tensor *t = clg_tensor_new(ctx, 1, (int64_t[]){(int64_t)floats}, role, op);
  if (t && clg_fill_(t, 0) != CLG_OK) clg_tensor_unref(&t);
  return t;
}

void clg_flat_finish(clg_flat *f) {
  for (size_t i = 0; i < f->n; i++) free(f->name[i]);
  free(f->name);
  free(f->tensor);
  *f = (clg_flat){0};
}

static clg_status begin_flat(const clg_module *top, clg_flat *f, size_t n) {
  f->tensor = calloc(n, sizeof *f->tensor);
  f->name = calloc(n, sizeof *f->name);
  if (f->tensor && f->name) return CLG_OK;
  return clg_fail(top->ctx, CLG_ERR_HOST_MEMORY, top->cls->name, "out of host memory");
}

static clg_status fill_flat(clg_module *top, clg_flat *f, const totals *t) {
  if (begin_flat(top, f, t->n) != CLG_OK) return clg_last_status(top->ctx);
  maker k = {.flat = f, .all = zeros(top->ctx, t->floats, CLG_ROLE_PARAMETER, "parameters")};
  if (!k.all) return clg_last_status(top->ctx);
  bool mode = clg_set_grad_mode(top->ctx, false);
  clg_status s = walk(top, "", make_one, &k);
  clg_set_grad_mode(top->ctx, mode);
  clg_tensor_unref(&k.all);
  return s;
}

/* All or none of the list: a module that has one counts as made. Parameters that were made before a failure move in the
 * next time. */
static clg_status make_parameters(clg_module *top) {
  totals t = {0, 0};
  clg_status s = walk(top, "", add_up, &t);
  if (s != CLG_OK || !t.n) return s;
  clg_flat f = {0};
  s = fill_flat(top, &f, &t);
  if (s == CLG_OK)
    top->flat = f;
  else
    clg_flat_finish(&f);
  return s;
}

static clg_status make_gradients(clg_module *top) {
  clg_flat *f = &top->flat;
  bool wanted = false;
  size_t floats = 0;
  for (size_t i = 0; i < f->n; i++) {
    wanted = wanted || f->tensor[i]->requires_grad;
    floats += clg_flat_padded(f->tensor[i]->numel);
  }
  if (f->grads || !wanted) return CLG_OK;
  clg_tensor *all = zeros(top->ctx, floats, CLG_ROLE_GRADIENT, "gradients");
  clg_status s = all ? CLG_OK : clg_last_status(top->ctx);
  for (size_t i = 0, at = 0; s == CLG_OK && i < f->n; at += clg_flat_padded(f->tensor[i++]->numel)) {
    clg_tensor *p = f->tensor[i];
    struct clg_autograd *a = clg_autograd_of(p);
    clg_storage *st =
        a ? clg_storage_slice(top->ctx, all->storage->block, at, (size_t)p->numel, CLG_ROLE_GRADIENT) : NULL;
    if (st) {
      clg_tensor_unref(&a->slice); /* of a time before that failed midway */
      a->slice = clg_tensor_view(st, 0, p->ndim, p->shape, NULL);
    }
    clg_storage_unref(st);
    if (!st || !a->slice) s = CLG_ERR_HOST_MEMORY;
  }
  clg_tensor_unref(&all);
  f->grads = s == CLG_OK;
  return s;
}

clg_status clg_module_make(clg_module *m) {
  while (m->owner) m = m->owner;
  const char *around = clg_module_enter(m);
  clg_status s = m->flat.n ? CLG_OK : make_parameters(m);
  if (s == CLG_OK && clg_grad_mode(m->ctx)) s = make_gradients(m);
  m->ctx->layer = around;
  return s;
}

/* ---- parameters of another module ---- */

typedef struct sharer {
  const clg_flat *of;
  clg_flat flat;
} sharer;

static clg_status share_one(void *arg, clg_module *m, clg_param *p, const char *path) {
  sharer *k = arg;
  const clg_tensor *t = k->flat.n < k->of->n ? k->of->tensor[k->flat.n] : NULL;
  if (p->tensor || !t || t->ndim != p->ndim || memcmp(t->shape, p->shape, (size_t)p->ndim * sizeof *p->shape) != 0)
    return clg_fail(m->ctx, CLG_ERR_ARGUMENT, "module_share", "%s%s is used already, or not as the other's", path,
                    p->name);
  p->tensor = clg_tensor_view(t->storage, t->offset, t->ndim, t->shape, t->stride);
  if (!p->tensor) return clg_last_status(m->ctx);
  clg_status s = clg_tensor_set_requires_grad(p->tensor, true);
  return s == CLG_OK ? list_one(&k->flat, m, p, path) : s;
}

static clg_status drop_one(void *arg, clg_module *m, clg_param *p, const char *path) {
  (void)arg, (void)m, (void)path;
  clg_tensor_unref(&p->tensor);
  return CLG_OK;
}

clg_status clg_module_share(clg_module *m, clg_module *of) {
  static const char op[] = "module_share";
  const clg_module *given = m ? m : of;
  if (!m || !of) return clg_null(given ? given->ctx : NULL, op);
  if (m->ctx != of->ctx || m->owner || of->owner || m->flat.n)
    return clg_fail(m->ctx, CLG_ERR_ARGUMENT, op, "it takes two outermost modules of one context, one not used yet");
  clg_status s = clg_module_make(of);
  totals t = {0, 0};
  if (s == CLG_OK) s = walk(m, "", add_up, &t);
  if (s == CLG_OK && t.n != of->flat.n)
    s = clg_fail(m->ctx, CLG_ERR_ARGUMENT, op, "it has %zu parameters, the other %zu", t.n, of->flat.n);
  if (s != CLG_OK || !t.n) return s;
  sharer k = {.of = &of->flat};
  s = begin_flat(m, &k.flat, t.n);
  if (s == CLG_OK) s = walk(m, "", share_one, &k);
  if (s == CLG_OK) {
    m->flat = k.flat;
    return CLG_OK;
  }
  walk(m, "", drop_one, NULL);
  clg_flat_finish(&k.flat);
  return s;
}

/* ---- spans ---- */

bool clg_span_goes_on(const clg_tensor *first, const clg_tensor *next, size_t distance) {
  return first->storage->block == next->storage->block && clg_tensor_at(next) == clg_tensor_at(first) + distance;
}

clg_tensor *clg_span_make(const clg_tensor *t, size_t from, size_t n) {
  clg_storage *s = clg_storage_slice(t->ctx, t->storage->block, clg_tensor_at(t) + from, n, t->storage->role);
  clg_tensor *v = s ? clg_tensor_view(s, 0, 1, (int64_t[]){(int64_t)n}, NULL) : NULL;
  clg_storage_unref(s);
  return v;
}

size_t clg_span_end(clg_tensor *const *list, size_t n, size_t i, size_t *length) {
  size_t end = i + 1, distance = clg_flat_padded(list[i]->numel);
  *length = (size_t)list[i]->numel;
  for (; end < n && list[end] && list[end]->numel && clg_tensor_is_contiguous(list[end]); end++) {
    if (!clg_span_goes_on(list[i], list[end], distance)) break;
    *length = distance + (size_t)list[end]->numel;
    distance += clg_flat_padded(list[end]->numel);
  }
  return end;
}
