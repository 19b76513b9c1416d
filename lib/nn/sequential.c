/* Sequential: layers run one after the other, in checkpointed segments if asked for. */
#include "nn/module.h"
#include <stdlib.h>

/* A layer that can, and has none of its own, takes the activation behind it into its kernel. */
static bool fuses(const clg_module *m, size_t i) {
  if (i + 1 >= m->n_layers || m->layer[i + 1]->cls != &clg_activation_class) return false;
  return m->layer[i]->cls->forward_act && !m->layer[i]->act.formula;
}

static clg_tensor *run_layer(clg_module *m, size_t *i, clg_tensor *x) {
  clg_module *l = m->layer[*i];
  if (!fuses(m, *i)) return clg_module_run(l, x);
  const clg_module *next = m->layer[++*i];
  return l->cls->forward_act(l, x, next->act);
}

/* Between layers only the running result is held: what nobody saved is gone before the next layer allocates. */
static clg_tensor *run_layers(clg_module *m, size_t from, size_t to, clg_tensor *x) {
  clg_tensor *now = clg_tensor_ref(x);
  for (size_t i = from; now && i < to; i++) {
    const char *around = clg_module_enter(m->layer[i]);
    clg_scope *scope = clg_scope_open(m->ctx);
    clg_tensor *y = clg_scope_opened(scope) ? clg_tensor_ref(run_layer(m, &i, now)) : NULL;
    clg_scope_close(scope);
    m->ctx->layer = around;
    clg_tensor_unref(&now);
    now = y;
  }
  return clg_result(now);
}

/* ---- in checkpointed segments: what a segment must remember to run again as it did ---- */

typedef struct part {
  clg_module *module;
  size_t from, to;
  size_t n;
  bool training[]; /* of every module in the layers, outer ones first */
} part;

/* Visits the modes of m and everything in it: counts them, and copies them to or from `training` where that is given.
 */
static size_t each_mode(clg_module *m, bool *training, bool set) {
  size_t n = 1;
  if (training && set) m->training = *training;
  if (training && !set) *training = m->training;
  for (size_t i = 0; i < m->n_layers; i++) n += each_mode(m->layer[i], training ? training + n : NULL, set);
  return n;
}

static size_t part_modes(const part *p, bool *training, bool set) {
  size_t n = 0;
  for (size_t i = p->from; i < p->to; i++) n += each_mode(p->module->layer[i], training ? training + n : NULL, set);
  return n;
}

static void part_free(void *user) {
  part *p = user;
  clg_module_unref(&p->module);
  free(p);
}

static part *part_create(clg_module *m, size_t from, size_t to) {
  const part range = {.module = m, .from = from, .to = to};
  size_t n = part_modes(&range, NULL, false);
  part *p = malloc(sizeof *p + n * sizeof *p->training);
  if (!p) return clg_fail_object(m->ctx, CLG_ERR_HOST_MEMORY, "sequential", "out of host memory");
  p->module = clg_module_ref(m);
  p->from = from;
  p->to = to;
  p->n = n;
  part_modes(p, p->training, false);
  return p;
}

static clg_tensor *run_part(void *user, clg_tensor *const *in, size_t n) {
  part *p = user;
  (void)n;
  clg_context *ctx = p->module->ctx;
  bool again = clg_recomputing(ctx), *now = again ? malloc(p->n * sizeof *now + 1) : NULL;
  if (again && !now) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, "sequential", "out of host memory");
  if (now) part_modes(p, now, false), part_modes(p, p->training, true);
  clg_tensor *y = run_layers(p->module, p->from, p->to, in[0]);
  if (now) part_modes(p, now, true);
  free(now);
  return y;
}

static clg_tensor *run_checkpointed(clg_module *m, clg_tensor *x) {
  clg_tensor *now = clg_tensor_ref(x);
  for (size_t from = 0, to; now && from < m->n_layers; from = to) {
    to = m->n_layers - from > m->segment ? from + m->segment : m->n_layers;
    if (fuses(m, to - 1)) to++;
    clg_scope *scope = clg_scope_open(m->ctx);
    part *p = clg_scope_opened(scope) ? part_create(m, from, to) : NULL;
    clg_tensor *y = p ? clg_tensor_ref(clg_checkpoint(m->ctx, run_part, p, part_free, &now, 1)) : NULL;
    clg_scope_close(scope);
    clg_tensor_unref(&now);
    now = y;
  }
  return clg_result(now);
}

/* ---- the module ---- */

static clg_tensor *sequential_forward(clg_module *m, clg_tensor *x) {
  return m->segment ? run_checkpointed(m, x) : run_layers(m, 0, m->n_layers, x);
}
static const clg_module_class sequential_class = {.name = "sequential", .forward = sequential_forward};

/* The layers of a call that failed. One in a module is not ours to free; one that is given twice has one reference. */
static void drop(clg_module *const *layers, size_t n) {
  for (size_t i = 0; layers && i < n; i++) {
    clg_module *l = layers[i];
    bool again = false;
    for (size_t k = 0; k < i; k++) again = again || layers[k] == l;
    if (l && !again && !l->owner) clg_module_unref(&l);
  }
}

/* Takes layers until one cannot be had: then none. A layer has its owner at once, so that it is seen the second time.
 */
static bool take(clg_module *m, clg_module *const *layers, size_t n) {
  for (size_t i = 0; i < n; i++) {
    clg_module *l = layers[i];
    if (l && l->ctx == m->ctx && !l->owner) {
      l->owner = m;
      m->layer[m->n_layers++] = l;
      clg_module_forget_path(l);
      continue;
    }
    while (m->n_layers) m->layer[--m->n_layers]->owner = NULL;
    if (!m->ctx->error.status)
      clg_fail(m->ctx, CLG_ERR_ARGUMENT, "sequential",
               "layer %zu is missing, of another context, in a module already, or given twice", i);
    return false;
  }
  return true;
}

clg_module *clg_sequential_create(clg_context *ctx, clg_module *const *layers, size_t n) {
  if (ctx && n && !layers) return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "sequential", "there is no list of layers");
  clg_module *m = clg_module_create(ctx, &sequential_class);
  if (m && n && !(m->layer = calloc(n, sizeof *m->layer))) {
    clg_fail(ctx, CLG_ERR_HOST_MEMORY, "sequential", "out of host memory");
    clg_module_unref(&m);
  }
  if (m && !take(m, layers, n)) clg_module_unref(&m);
  if (!m) drop(layers, n);
  return m;
}

clg_status clg_module_checkpoint(clg_module *m, size_t layers) {
  if (!m) return CLG_ERR_ARGUMENT;
  if (m->cls != &sequential_class)
    return clg_fail(m->ctx, CLG_ERR_ARGUMENT, m->cls->name, "only a Sequential can be checkpointed");
  m->segment = layers;
  return CLG_OK;
}
