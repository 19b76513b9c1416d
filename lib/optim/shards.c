/* Sums of gradients over the shards of a batch: a binary counter of partial sums, each laid out as the gradients are.
 *
 * Level k holds the sum of 2^k shards. Shard i meets as many full levels, from 0 up, as i has ones at its end; what it
 * becomes goes to the next level, or, behind the last shard, stays where the gradients are. */
#include "nn/flat.h"
#include "optim/gradients.h"
#include <clgrad/optim.h>
#include <stdlib.h>

static const char op[] = "shard_sum";

typedef struct slot {
  clg_tensor *param;
  size_t at;  /* in a level, in floats */
  bool added; /* of the last shard, by clg_shard_sum_add_one */
} slot;

struct clg_shard_sum {
  uint32_t refs;
  clg_context *ctx;
  size_t n, shards, next; /* next: the shard that clg_shard_sum_add takes */
  slot *slot;
  clg_tensor **level; /* [n_levels], NULL where there are no parameters */
  size_t n_levels;
};

static clg_status take_params(clg_shard_sum *s, clg_tensor *const *params, size_t n) {
  size_t floats = 0;
  s->slot = calloc(n + 1, sizeof *s->slot);
  s->level = calloc(s->n_levels + 1, sizeof(clg_tensor *));
  if (!s->slot || !s->level) return clg_fail(s->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  for (size_t i = 0; i < n; i++) {
    clg_tensor *p = params[i];
    if (!p || p->ctx != s->ctx || p->has_graph)
      return clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, "parameter %zu is no leaf of this context", i);
    s->slot[s->n++] = (slot){.param = clg_tensor_ref(p), .at = floats};
    floats += clg_flat_padded(p->numel);
  }
  for (size_t k = 0; floats && k < s->n_levels; k++) {
    s->level[k] = clg_tensor_new(s->ctx, 1, (int64_t[]){(int64_t)floats}, CLG_ROLE_GRADIENT, op);
    if (!s->level[k]) return clg_last_status(s->ctx);
  }
  return CLG_OK;
}

clg_shard_sum *clg_shard_sum_create(clg_context *ctx, clg_tensor *const *params, size_t n, size_t shards) {
  if (!ctx || (n && !params)) return clg_null_object(ctx, op);
  if (!shards || shards & (shards - 1))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, op, "%zu shards are no power of two", shards);
  clg_shard_sum *s = calloc(1, sizeof *s);
  if (!s) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  *s = (clg_shard_sum){.refs = 1, .ctx = ctx, .shards = shards};
  while (shards >> (s->n_levels + 1)) s->n_levels++;
  clg_context_hold(ctx);
  if (take_params(s, params, n) != CLG_OK) clg_shard_sum_unref(&s);
  return s;
}

clg_shard_sum *clg_shard_sum_ref(clg_shard_sum *s) {
  if (s) s->refs++;
  return s;
}

void clg_shard_sum_unref(clg_shard_sum **p) {
  if (!p || !*p) return;
  clg_shard_sum *s = *p;
  *p = NULL;
  if (--s->refs) return;
  clg_context *ctx = s->ctx;
  for (size_t i = 0; i < s->n; i++) clg_tensor_unref(&s->slot[i].param);
  for (size_t k = 0; s->level && k < s->n_levels; k++) clg_tensor_unref(&s->level[k]);
  free(s->slot);
  free(s->level);
  free(s);
  clg_context_release(ctx);
}

void clg_shard_sum_reset(clg_shard_sum *s) {
  if (!s) return;
  s->next = 0;
  for (size_t i = 0; i < s->n; i++) s->slot[i].added = false;
}

static bool at_last(const clg_shard_sum *s) { return s->next + 1 == s->shards; }

/* The span g, `length` floats that lie at `at` in a level, through the levels that are full. */
static clg_status count_up(const clg_shard_sum *s, clg_tensor *g, size_t at, size_t length) {
  clg_tensor *sum = clg_tensor_ref(g);
  size_t full = 0;
  clg_status status = CLG_OK;
  while (s->next >> full & 1) full++;
  for (size_t k = 0; status == CLG_OK && k < full; k++) {
    clg_tensor *part = clg_span_make(s->level[k], at, length);
    const clg_tensor *in[] = {part, sum};
    bool home = at_last(s) && k + 1 == full;
    if (part) status = clg_map_run(clg_maps_of(s->ctx, CLG_MAP_ADD), home ? &g : &part, in, NULL, false, op);
    if (!part) status = clg_last_status(s->ctx);
    clg_tensor_unref(&sum);
    sum = part;
  }
  clg_tensor *to = status == CLG_OK && !at_last(s) ? clg_span_make(s->level[full], at, length) : NULL;
  if (to) status = clg_tensor_assign(to, sum, op);
  if (status == CLG_OK && !to && !at_last(s)) status = clg_last_status(s->ctx);
  clg_tensor_unref(&to);
  clg_tensor_unref(&sum);
  return status;
}

/* The gradients that are not added yet, NULL for those that are. */
static clg_tensor **gradients(const clg_shard_sum *s) {
  clg_tensor **g = calloc(s->n + 1, sizeof *g);
  if (!g) return clg_fail_object(s->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  bool ok = true;
  for (size_t i = 0; ok && i < s->n; i++) {
    clg_tensor *p = s->slot[i].param;
    if (s->slot[i].added) continue;
    if (!clg_grad_finished(p))
      ok = clg_refuse(s->ctx, CLG_ERR_STATE, op,
                      "the last backward failed: zero the gradients and begin the batch anew");
    else if (!clg_tensor_grad(p))
      ok = clg_refuse(s->ctx, CLG_ERR_STATE, op,
                      "parameter %zu has no gradient in shard %zu: each shard's backward must reach all of them", i,
                      s->next);
    else
      ok = (g[i] = clg_own_gradient(p, op)) != NULL;
  }
  if (!ok) free(g);
  return ok ? g : NULL;
}

static clg_status add_spans(const clg_shard_sum *s, clg_tensor *const *g) {
  clg_status status = CLG_OK;
  for (size_t i = 0, end, length; status == CLG_OK && i < s->n; i = end) {
    end = i + 1;
    if (!g[i] || !g[i]->numel) continue;
    end = clg_span_end(g, s->n, i, &length);
    clg_tensor *span = clg_span_make(g[i], 0, length);
    status = span ? count_up(s, span, s->slot[i].at, length) : clg_last_status(s->ctx);
    clg_tensor_unref(&span);
    for (size_t k = i; k < end; k++) clg_storage_changed(g[k]->storage, op);
  }
  return status;
}

static clg_status add_shard(clg_shard_sum *s) {
  clg_tensor **g = gradients(s);
  if (!g) return clg_last_status(s->ctx);
  clg_status status = s->n_levels ? add_spans(s, g) : CLG_OK;
  free(g);
  for (size_t i = 0; status == CLG_OK && !at_last(s) && i < s->n; i++) clg_grad_set(s->slot[i].param, NULL);
  return status;
}

clg_status clg_shard_sum_add(clg_shard_sum *s) {
  if (!s) return clg_null(NULL, op);
  const clg_work before = clg_work_begin(s->ctx, CLG_BY_OPTIMIZER, op);
  clg_status status = add_shard(s);
  clg_work_end(s->ctx, before);
  size_t next = s->next + 1;
  clg_shard_sum_reset(s);
  if (status == CLG_OK && next < s->shards) s->next = next;
  return status;
}

clg_status clg_shard_sum_add_one(clg_shard_sum *s, size_t i) {
  if (!s) return clg_null(NULL, op);
  if (i >= s->n) return clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, "there is no parameter %zu", i);
  slot *one = &s->slot[i];
  if (!at_last(s) || one->added)
    return clg_fail(s->ctx, CLG_ERR_STATE, op, "parameter %zu alone is added in the last shard, and once", i);
  clg_tensor *g = clg_tensor_grad(one->param) ? clg_own_gradient(one->param, op) : NULL;
  if (!g && !clg_tensor_grad(one->param))
    return clg_fail(s->ctx, CLG_ERR_STATE, op, "parameter %zu has no gradient", i);
  if (!g) return clg_last_status(s->ctx);
  clg_tensor *span = g->numel ? clg_span_make(g, 0, (size_t)g->numel) : NULL;
  clg_status status = CLG_OK;
  if (span) status = count_up(s, span, one->at, (size_t)g->numel);
  if (!span && g->numel) status = clg_last_status(s->ctx);
  clg_tensor_unref(&span);
  clg_storage_changed(g->storage, op);
  one->added = status == CLG_OK;
  return status;
}

size_t clg_shard_sum_next(const clg_shard_sum *s) { return s ? s->next : 0; }
