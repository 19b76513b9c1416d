/* Parameters and buffers of modules in safetensors files. */
#include "base/str.h"
#include "io/loader.h"
#include "io/saver.h"
#include "nn/module.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char op[] = "module_load";

static clg_status fail_memory(clg_context *ctx) { return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory"); }

/* ---- what a module is in a file: its parameters and buffers, under PyTorch's names ---- */

typedef struct state {
  char **name;
  clg_tensor **tensor; /* borrowed */
  size_t n;
} state;

static void state_free(state *s) {
  for (size_t i = 0; i < s->n; i++) free(s->name[i]);
  free(s->name);
  free(s->tensor);
}

static size_t count(const clg_module *m) {
  size_t n = (size_t)m->n_params + (size_t)m->n_buffers;
  for (size_t i = 0; i < m->n_layers; i++) n += count(m->layer[i]);
  return n;
}

static clg_status add(state *s, const char *path, const clg_param *p) {
  if (!p->tensor) return CLG_OK;
  clg_str name = {0};
  clg_str_addf(&name, "%s%s", path, p->name);
  if (name.failed) {
    clg_str_free(&name);
    return fail_memory(p->tensor->ctx);
  }
  s->name[s->n] = name.data;
  s->tensor[s->n++] = p->tensor;
  return CLG_OK;
}

static clg_status collect(state *s, const char *path, const clg_module *m) {
  clg_status st = CLG_OK;
  for (int i = 0; st == CLG_OK && i < m->n_params; i++) st = add(s, path, &m->param[i]);
  for (int i = 0; st == CLG_OK && i < m->n_buffers; i++) st = add(s, path, &m->buffer[i]);
  for (size_t i = 0; st == CLG_OK && i < m->n_layers; i++) {
    clg_str inner = {0};
    clg_str_addf(&inner, "%s%zu.", path, i);
    st = inner.failed ? fail_memory(m->ctx) : collect(s, inner.data, m->layer[i]);
    clg_str_free(&inner);
  }
  return st;
}

/* Makes the parameters if need be. To be freed, on failure too. */
static clg_status state_of(state *s, const char *prefix, clg_module *m) {
  *s = (state){0};
  clg_status st = clg_module_make(m);
  if (st != CLG_OK) return st;
  size_t n = count(m);
  s->name = calloc(n + 1, sizeof *s->name);
  s->tensor = calloc(n + 1, sizeof(clg_tensor *));
  if (!s->name || !s->tensor) return fail_memory(m->ctx);
  return collect(s, prefix ? prefix : "", m);
}

clg_status clg_saver_add_module(clg_saver *s, const char *prefix, clg_module *m) {
  if (!s) return CLG_ERR_ARGUMENT;
  if (!m) return clg_saver_fail(s, clg_fail(clg_saver_context(s), CLG_ERR_ARGUMENT, "saver", "the module is NULL"));
  state all;
  clg_status st = clg_saver_fail(s, state_of(&all, prefix, m));
  for (size_t i = 0; st == CLG_OK && i < all.n; i++) st = clg_saver_add_tensor(s, all.name[i], all.tensor[i]);
  state_free(&all);
  return st;
}

/* ---- what does not fit, as one line ---- */

enum { MOST_NAMED = 4 };
typedef struct differences {
  clg_str text;
  size_t n;
} differences;

static void differ(differences *d, const char *name, const char *what) {
  char shown[CLG_SHOWN];
  if (d->n++ < MOST_NAMED) clg_str_addf(&d->text, "%s\"%s\" %s", d->n > 1 ? "; " : "", clg_shown(name, shown), what);
}

/* Finds the entry of each name; `used` marks those found. */
static void match(const clg_loader *l, const state *all, clg_transfer *to, bool *used, differences *d) {
  for (size_t i = 0; i < all->n; i++) {
    char misfit[CLG_MISFIT];
    const clg_entry *e = clg_header_find(&l->header, all->name[i]);
    const char *what = e ? clg_loader_misfit(e, all->tensor[i], misfit) : "is missing";
    if (e) used[e - l->header.entry] = true;
    if (what) differ(d, all->name[i], what);
    to[i] = (clg_transfer){e, all->tensor[i]};
  }
}

/* PyTorch's count of batches serves a BatchNorm without momentum alone. */
static bool passed_over(const clg_entry *e) {
  static const char tail[] = "num_batches_tracked";
  size_t n = strlen(e->name), k = sizeof tail - 1;
  return e->type == CLG_FILE_I64 && !e->ndim && n >= k && !strcmp(e->name + n - k, tail) &&
         (n == k || e->name[n - k - 1] == '.');
}

static void find_unexpected(const clg_loader *l, const char *prefix, const bool *used, differences *d) {
  for (size_t i = 0; i < l->header.n; i++) {
    const clg_entry *e = &l->header.entry[i];
    if (!used[i] && !strncmp(e->name, prefix, strlen(prefix)) && !passed_over(e))
      differ(d, e->name, "is not in the module");
  }
}

static clg_status report(const clg_loader *l, differences *d) {
  if (!d->n) return CLG_OK;
  char more[48] = "";
  if (d->n > MOST_NAMED) snprintf(more, sizeof more, "; and %zu more", d->n - MOST_NAMED);
  if (d->text.failed) return fail_memory(l->ctx);
  return clg_fail(l->ctx, CLG_ERR_SHAPE, op, CLG_PATH " does not fit the module: %.300s%s", l->in.path, d->text.data,
                  more);
}

static clg_status load(const clg_loader *l, const char *prefix, const state *all) {
  clg_transfer *to = calloc(all->n + 1, sizeof *to);
  bool *used = calloc(l->header.n + 1, sizeof *used);
  differences d = {.n = 0};
  clg_status s = CLG_ERR_HOST_MEMORY;
  if (to && used) {
    match(l, all, to, used, &d);
    find_unexpected(l, prefix, used, &d);
    s = report(l, &d);
    if (s == CLG_OK) s = clg_loader_transfer(l, to, all->n);
  } else {
    fail_memory(l->ctx);
  }
  clg_str_free(&d.text);
  free(used);
  free(to);
  return s;
}

clg_status clg_loader_load_module(clg_loader *l, const char *prefix, clg_module *m) {
  if (!l) return CLG_ERR_ARGUMENT;
  if (!m || m->ctx != l->ctx) return clg_fail(l->ctx, CLG_ERR_ARGUMENT, op, "the module is NULL or of another context");
  state all;
  clg_status s = state_of(&all, prefix, m);
  if (s == CLG_OK) s = load(l, prefix ? prefix : "", &all);
  state_free(&all);
  return s;
}

/* ---- a file of its own ---- */

clg_status clg_module_save(clg_module *m, const char *path) {
  if (!m) return CLG_ERR_ARGUMENT;
  clg_saver *s = clg_saver_create(m->ctx, path);
  if (!s) return clg_last_status(m->ctx);
  clg_saver_add_module(s, NULL, m);
  clg_status st = clg_saver_commit(s);
  clg_saver_unref(&s);
  return st;
}

clg_status clg_module_load(clg_module *m, const char *path) {
  if (!m) return CLG_ERR_ARGUMENT;
  clg_loader *l = clg_loader_open(m->ctx, path);
  if (!l) return clg_last_status(m->ctx);
  clg_status s = clg_loader_load_module(l, NULL, m);
  clg_loader_unref(&l);
  return s;
}
