/* A Sequential in checkpointed segments: what a segment must remember to run again as it did. */
#include "nn/module.h"
#include <stdlib.h>

typedef struct part {
  clg_module *module;
  size_t from, to;
  size_t n;
  bool train[]; /* of every module in the layers, outer ones first */
} part;

/* Visits the modes of m and everything in it: counts them, and copies them to or from `train` where that is given. */
static size_t each_mode(clg_module *m, bool *train, bool set) {
  size_t n = 1;
  if (train && set) m->train = *train;
  if (train && !set) *train = m->train;
  for (size_t i = 0; i < m->n_layers; i++) n += each_mode(m->layer[i], train ? train + n : NULL, set);
  return n;
}

static size_t part_modes(const part *p, bool *train, bool set) {
  size_t n = 0;
  for (size_t i = p->from; i < p->to; i++) n += each_mode(p->module->layer[i], train ? train + n : NULL, set);
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
  part *p = malloc(sizeof *p + n * sizeof *p->train);
  if (!p) return clg_fail(m->ctx, CLG_ERR_HOST_MEMORY, "sequential", "out of host memory"), NULL;
  p->module = clg_module_ref(m);
  p->from = from;
  p->to = to;
  p->n = n;
  part_modes(p, p->train, false);
  return p;
}

static clg_tensor *run_part(void *user, clg_tensor *const *in, size_t n) {
  part *p = user;
  (void)n;
  clg_context *ctx = p->module->ctx;
  bool *now = ctx->recomputing ? malloc(p->n * sizeof *now + 1) : NULL;
  if (ctx->recomputing && !now) return clg_fail(ctx, CLG_ERR_HOST_MEMORY, "sequential", "out of host memory"), NULL;
  if (now) part_modes(p, now, false), part_modes(p, p->train, true);
  clg_tensor *y = clg_sequential_run(p->module, p->from, p->to, in[0]);
  if (now) part_modes(p, now, true);
  free(now);
  return y;
}

clg_tensor *clg_sequential_checkpointed(clg_module *m, clg_tensor *x) {
  clg_tensor *now = clg_tensor_ref(x);
  for (size_t from = 0, to; now && from < m->n_layers; from = to) {
    to = m->n_layers - from > m->segment ? from + m->segment : m->n_layers;
    if (clg_sequential_fuses(m, to - 1)) to++;
    clg_scope *scope = clg_scope_open(m->ctx);
    part *p = clg_scope_opened(scope) ? part_create(m, from, to) : NULL;
    clg_tensor *y = p ? clg_tensor_ref(clg_checkpoint(m->ctx, run_part, p, part_free, &now, 1)) : NULL;
    clg_scope_close(scope);
    clg_tensor_unref(&now);
    now = y;
  }
  return clg_result(now);
}

clg_status clg_module_checkpoint(clg_module *m, size_t layers) {
  if (!m) return CLG_ERR_ARGUMENT;
  if (m->cls != &clg_sequential_class)
    return clg_fail(m->ctx, CLG_ERR_ARGUMENT, m->cls->name, "only a Sequential can be checkpointed");
  m->segment = layers;
  return CLG_OK;
}
