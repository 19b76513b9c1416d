/* Parameters of modules in safetensors files. */
#include "io/loader.h"
#include "io/saver.h"
#include "core/str.h"
#include "nn/module.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char op[] = "module_load";

static clg_status fail_memory(clg_context *ctx) { return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory"); }

clg_status clg_saver_add_module(clg_saver *s, const char *prefix, clg_module *m) {
  if (!s) return CLG_ERR_ARGUMENT;
  size_t n;
  clg_tensor *const *p = m ? clg_module_parameters(m, &n) : NULL;
  if (!p && !m) clg_fail(clg_saver_context(s), CLG_ERR_ARGUMENT, "saver", "the module is NULL");
  if (!p) return clg_saver_fail(s, clg_last_status(clg_saver_context(s)));
  clg_status st = CLG_OK;
  for (size_t i = 0; st == CLG_OK && i < n; i++) {
    clg_str name = {0};
    clg_str_addf(&name, "%s%s", prefix ? prefix : "", clg_module_parameter_name(m, i));
    st = name.failed ? clg_saver_fail(s, fail_memory(clg_saver_context(s))) : clg_saver_add_tensor(s, name.data, p[i]);
    clg_str_free(&name);
  }
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

/* Finds each parameter's entry; `used` marks those found. */
static clg_status match(const clg_loader *l, const char *prefix, clg_module *m, clg_transfer *to, bool *used, differences *d) {
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  for (size_t i = 0; i < n; i++) {
    clg_str name = {0};
    char misfit[CLG_MISFIT];
    clg_str_addf(&name, "%s%s", prefix, clg_module_parameter_name(m, i));
    if (name.failed) return clg_str_free(&name), fail_memory(l->ctx);
    const clg_entry *e = clg_header_find(&l->header, name.data);
    const char *what = e ? clg_loader_misfit(e, p[i], misfit) : "is missing";
    if (e) used[e - l->header.entry] = true;
    if (what) differ(d, name.data, what);
    to[i] = (clg_transfer){e, p[i]};
    clg_str_free(&name);
  }
  return CLG_OK;
}

/* PyTorch's count of batches serves a BatchNorm without momentum alone. */
static bool passed_over(const clg_entry *e) {
  static const char tail[] = "num_batches_tracked";
  size_t n = strlen(e->name), k = sizeof tail - 1;
  return e->type == CLG_FILE_I64 && !e->ndim && n >= k && !strcmp(e->name + n - k, tail) && (n == k || e->name[n - k - 1] == '.');
}

static void find_unexpected(const clg_loader *l, const char *prefix, const bool *used, differences *d) {
  for (size_t i = 0; i < l->header.n; i++) {
    const clg_entry *e = &l->header.entry[i];
    if (!used[i] && !strncmp(e->name, prefix, strlen(prefix)) && !passed_over(e)) differ(d, e->name, "is not in the module");
  }
}

static clg_status report(const clg_loader *l, differences *d) {
  if (!d->n) return CLG_OK;
  char more[48] = "";
  if (d->n > MOST_NAMED) snprintf(more, sizeof more, "; and %zu more", d->n - MOST_NAMED);
  if (d->text.failed) return fail_memory(l->ctx);
  return clg_fail(l->ctx, CLG_ERR_SHAPE, op, CLG_PATH " does not fit the module: %.300s%s", l->in.path, d->text.data, more);
}

clg_status clg_loader_load_module(clg_loader *l, const char *prefix, clg_module *m) {
  if (!l) return CLG_ERR_ARGUMENT;
  if (!m) return clg_fail(l->ctx, CLG_ERR_ARGUMENT, op, "the module is NULL");
  size_t n;
  if (!clg_module_parameters(m, &n)) n = 0;
  if (m->ctx != l->ctx) return clg_fail(l->ctx, CLG_ERR_ARGUMENT, op, "the module belongs to another context");
  if (!prefix) prefix = "";
  clg_transfer *to = calloc(n ? n : 1, sizeof *to);
  bool *used = calloc(l->header.n ? l->header.n : 1, sizeof *used);
  differences d = {.n = 0};
  clg_status s = to && used ? match(l, prefix, m, to, used, &d) : fail_memory(l->ctx);
  if (s == CLG_OK) find_unexpected(l, prefix, used, &d);
  if (s == CLG_OK) s = report(l, &d);
  if (s == CLG_OK) s = clg_loader_transfer(l, to, n);
  clg_str_free(&d.text);
  free(used);
  free(to);
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
