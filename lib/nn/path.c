/* What records call a layer: the names or numbers of the modules around it and its own. */
#include "base/str.h"
#include "nn/module.h"
#include <stdlib.h>
#include <string.h>

static size_t place_of(const clg_module *m) {
  size_t i = 0;
  while (m->owner->layer[i] != m) i++;
  return i;
}

/* A layer of its own is called what it is. */
static const char *outermost(const clg_module *m) {
  if (m->name) return m->name;
  return m->n_layers ? "" : m->cls->name;
}

const char *clg_module_path(clg_module *m) {
  if (m->path) return m->path;
  clg_str path = {0};
  const char *around = m->owner ? clg_module_path(m->owner) : "";
  const char *dot = *around ? "." : "";
  if (!m->owner)
    clg_str_add(&path, outermost(m));
  else if (m->name)
    clg_str_addf(&path, "%s%s%s", around, dot, m->name);
  else
    clg_str_addf(&path, "%s%s%zu", around, dot, place_of(m));
  if (!path.failed) m->path = clg_keep(m->ctx, path.data ? path.data : "");
  clg_str_free(&path);
  return m->path ? m->path : "";
}

void clg_module_forget_path(clg_module *m) {
  m->path = NULL;
  for (size_t i = 0; i < m->n_layers; i++) clg_module_forget_path(m->layer[i]);
}

clg_status clg_module_set_name(clg_module *m, const char *name) {
  if (!m) return clg_null(NULL, "module_set_name");
  char *copy = name && *name ? strdup(name) : NULL;
  if (name && *name && !copy) return clg_fail(m->ctx, CLG_ERR_HOST_MEMORY, "module_set_name", "out of host memory");
  free(m->name);
  m->name = copy;
  clg_module_forget_path(m);
  return CLG_OK;
}

const char *clg_module_name(const clg_module *m) {
  if (!m) return NULL;
  return m->name ? m->name : "";
}
