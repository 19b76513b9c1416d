/* Sums of gradients over the shards of a batch: a binary counter of partial sums, each laid out as the gradients are.
 *
 * Level k holds the sum of 2^k shards. Shard i meets as many full levels, from 0 up, as i has ones at its end; what it
 * becomes goes to the next level, or, behind the last shard, stays where the gradients are. Tensors that are tracked
 * have levels of their own, and a copy of what they were when the batch began. */
#include "nn/flat.h"
#include "optim/gradients.h"
#include <clgrad/optim.h>
#include <stdlib.h>
#include <string.h>

static const char op[] = "shard_sum";

/* Tensors that are summed: parameters' gradients, or tracked ones themselves. */
typedef struct list {
  clg_tensor **tensor; /* [n] */
  size_t *at;          /* where it is in a level, in floats */
  size_t n;
  clg_tensor **level; /* [n_levels], NULL where nothing is summed */
} list;

struct clg_shard_sum {
  uint32_t refs;
  clg_context *ctx;
  size_t shards, next; /* next: the shard that clg_shard_sum_add takes */
  size_t n_levels;
  list params, tracked;
  bool *added;        /* of the last shard, by clg_shard_sum_add_one */
  clg_tensor *before; /* of the tracked tensors, laid out as a level */
  bool begun, settled;
};

static clg_tensor *make_level(clg_shard_sum *s, size_t floats, clg_role role) {
  return clg_tensor_new(s->ctx, 1, (int64_t[]){(int64_t)floats}, role, op);
}

static void list_finish(list *l, size_t n_levels) {
  for (size_t i = 0; i < l->n; i++) clg_tensor_unref(&l->tensor[i]);
  for (size_t k = 0; l->level && k < n_levels; k++) clg_tensor_unref(&l->level[k]);
  free(l->tensor);
  free(l->at);
  free(l->level);
}

/* The floats of a level. */
static size_t list_make(const clg_shard_sum *s, list *l, clg_tensor *const *tensors, size_t n) {
  size_t floats = 0;
  l->tensor = calloc(n + 1, sizeof(clg_tensor *));
  l->at = calloc(n + 1, sizeof *l->at);
  l->level = calloc(s->n_levels + 1, sizeof(clg_tensor *));
  if (!l->tensor || !l->at || !l->level) {
    clg_fail(s->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
    return 0;
  }
  for (size_t i = 0; i < n; i++) {
    l->tensor[l->n++] = clg_tensor_ref(tensors[i]);
    l->at[i] = floats;
    floats += clg_flat_padded(tensors[i]->numel);
  }
  return floats;
}

static clg_status make_levels(clg_shard_sum *s, list *l, size_t floats, clg_role role) {
  for (size_t k = 0; floats && k < s->n_levels; k++)
    if (!(l->level[k] = make_level(s, floats, role))) return clg_last_status(s->ctx);
  return CLG_OK;
}

static clg_status take_params(clg_shard_sum *s, clg_tensor *const *params, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!params[i] || params[i]->ctx != s->ctx || params[i]->has_graph)
      return clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, "parameter %zu is no leaf of this context", i);
  size_t floats = list_make(s, &s->params, params, n);
  s->added = calloc(n + 1, sizeof *s->added);
  if (!s->added || !s->params.level) return clg_fail(s->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  return make_levels(s, &s->params, floats, CLG_ROLE_GRADIENT);
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

clg_status clg_shard_sum_track(clg_shard_sum *s, clg_tensor *const *tensors, size_t n) {
  if (!s || (n && !tensors)) return clg_null(s ? s->ctx : NULL, op);
  if (s->tracked.tensor || s->begun || s->next)
    return clg_fail(s->ctx, CLG_ERR_STATE, op, "tensors are tracked once, before the first batch");
  for (size_t i = 0; i < n; i++)
    if (!tensors[i] || tensors[i]->ctx != s->ctx || clg_tensor_dtype(tensors[i]) != CLG_F32 ||
        !clg_tensor_is_contiguous(tensors[i]))
      return clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, "tensor %zu is not contiguous, of float32 and of this context", i);
  list made = {0};
  size_t floats = list_make(s, &made, tensors, n);
  clg_status status = made.level ? make_levels(s, &made, floats, CLG_ROLE_WORKSPACE) : CLG_ERR_HOST_MEMORY;
  bool several = status == CLG_OK && s->n_levels && floats;
  if (several && !(s->before = make_level(s, floats, CLG_ROLE_WORKSPACE))) status = clg_last_status(s->ctx);
  if (status == CLG_OK)
    s->tracked = made;
  else
    list_finish(&made, s->n_levels);
  return status;
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
  list_finish(&s->params, s->n_levels);
  list_finish(&s->tracked, s->n_levels);
  clg_tensor_unref(&s->before);
  free(s->added);
  free(s);
  clg_context_release(ctx);
}

static void reset(clg_shard_sum *s) {
  s->next = 0;
  s->begun = s->settled = false;
  for (size_t i = 0; i < s->params.n; i++) s->added[i] = false;
}

/* ---- spans ---- */

/* `n` floats of `a` from `at` on become those of `b` from `from` on. */
static clg_status copy_span(clg_tensor *a, size_t at, const clg_tensor *b, size_t from, size_t n) {
  clg_tensor *to = clg_span_make(a, at, n), *of = clg_span_make(b, from, n);
  clg_status status = to && of ? clg_tensor_assign(to, of, op) : clg_last_status(a->ctx);
  clg_tensor_unref(&to);
  clg_tensor_unref(&of);
  return status;
}

static bool at_last(const clg_shard_sum *s) { return s->next + 1 == s->shards; }

/* The span g, `length` floats that lie at `at` in a level, through the levels that are full. */
static clg_status count_up(const clg_shard_sum *s, clg_tensor *const *level, clg_tensor *g, size_t at, size_t length) {
  clg_tensor *sum = clg_tensor_ref(g);
  size_t full = 0;
  clg_status status = CLG_OK;
  while (s->next >> full & 1) full++;
  for (size_t k = 0; status == CLG_OK && k < full; k++) {
    clg_tensor *part = clg_span_make(level[k], at, length);
    const clg_tensor *in[] = {part, sum};
    bool home = at_last(s) && k + 1 == full;
    if (part) status = clg_map_run(clg_maps_of(s->ctx, CLG_MAP_ADD), home ? &g : &part, in, NULL, false, op);
    if (!part) status = clg_last_status(s->ctx);
    clg_tensor_unref(&sum);
    sum = part;
  }
  if (status == CLG_OK && !at_last(s)) status = copy_span(level[full], at, sum, 0, length);
  clg_tensor_unref(&sum);
  return status;
}

/* ---- tracked tensors ---- */

static clg_status begin_tracked(const clg_shard_sum *s) {
  const list *l = &s->tracked;
  clg_status status = CLG_OK;
  for (size_t i = 0; status == CLG_OK && s->before && i < l->n; i++)
    if (l->tensor[i]->numel) status = copy_span(s->before, l->at[i], l->tensor[i], 0, (size_t)l->tensor[i]->numel);
  return status;
}

static clg_status take_tracked(const clg_shard_sum *s, size_t i) {
  clg_tensor *t = s->tracked.tensor[i];
  size_t n = (size_t)t->numel, at = s->tracked.at[i];
  if (!n || !s->before) return CLG_OK;
  clg_tensor *span = clg_span_make(t, 0, n);
  clg_status status = span ? count_up(s, s->tracked.level, span, at, n) : clg_last_status(s->ctx);
  const float part = 1 / (float)s->shards;
  const clg_tensor *in[] = {span};
  if (status == CLG_OK && at_last(s))
    status = clg_map_run(clg_maps_of(s->ctx, CLG_MAP_MUL_SCALAR), &span, in, &part, false, op);
  else if (status == CLG_OK)
    status = copy_span(t, 0, s->before, at, n);
  clg_tensor_unref(&span);
  clg_storage_changed(t->storage, op);
  return status;
}

static clg_status take_all_tracked(clg_shard_sum *s) {
  clg_status status = CLG_OK;
  for (size_t i = 0; status == CLG_OK && !s->settled && i < s->tracked.n; i++) status = take_tracked(s, i);
  s->settled = at_last(s);
  return status;
}

clg_status clg_shard_sum_begin(clg_shard_sum *s) {
  if (!s) return clg_null(NULL, op);
  reset(s);
  clg_status status = begin_tracked(s);
  s->begun = status == CLG_OK;
  return status;
}

static clg_status check_begun(const clg_shard_sum *s) {
  if (s->begun || !s->tracked.n) return CLG_OK;
  return clg_fail(s->ctx, CLG_ERR_STATE, op,
                  "the batch was not begun: tensors are tracked from clg_shard_sum_begin on");
}

clg_status clg_shard_sum_settle(clg_shard_sum *s) {
  if (!s) return clg_null(NULL, op);
  if (!at_last(s)) return clg_fail(s->ctx, CLG_ERR_STATE, op, "tracked tensors are settled in the last shard");
  clg_status status = check_begun(s);
  return status == CLG_OK ? take_all_tracked(s) : status;
}

/* ---- gradients ---- */

/* The gradients that are not added yet, NULL for those that are, of the shard's own parameters. */
static clg_tensor **gradients(const clg_shard_sum *s, clg_tensor *const *params) {
  const list *l = &s->params;
  clg_tensor **g = calloc(l->n + 1, sizeof *g);
  if (!g) return clg_fail_object(s->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  bool ok = true;
  for (size_t i = 0; ok && i < l->n; i++) {
    clg_tensor *p = params[i];
    if (s->added[i]) continue;
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
  const list *l = &s->params;
  clg_status status = CLG_OK;
  for (size_t i = 0, end, length; status == CLG_OK && i < l->n; i = end) {
    end = i + 1;
    if (!g[i] || !g[i]->numel) continue;
    end = clg_span_end(g, l->n, i, &length);
    clg_tensor *span = clg_span_make(g[i], 0, length);
    status = span ? count_up(s, l->level, span, l->at[i], length) : clg_last_status(s->ctx);
    clg_tensor_unref(&span);
    for (size_t k = i; k < end; k++) clg_storage_changed(g[k]->storage, op);
  }
  return status;
}

static clg_status add_shard(clg_shard_sum *s, clg_tensor *const *params) {
  clg_tensor **g = check_begun(s) == CLG_OK ? gradients(s, params) : NULL;
  if (!g) return clg_last_status(s->ctx);
  clg_status status = s->n_levels ? add_spans(s, g) : CLG_OK;
  free(g);
  if (status == CLG_OK) status = take_all_tracked(s);
  for (size_t i = 0; status == CLG_OK && !at_last(s) && i < s->params.n; i++) clg_grad_set(params[i], NULL);
  return status;
}

clg_status clg_shard_sum_add(clg_shard_sum *s) { return clg_shard_sum_add_of(s, s ? s->params.tensor : NULL); }

clg_status clg_shard_sum_add_of(clg_shard_sum *s, clg_tensor *const *params) {
  if (!s || !params) return clg_null(s ? s->ctx : NULL, op);
  if (at_last(s) && params != s->params.tensor && memcmp(params, s->params.tensor, s->params.n * sizeof *params) != 0)
    return clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, "the last shard's parameters are those that the sum was made for");
  const clg_work before = clg_work_begin(s->ctx, CLG_BY_OPTIMIZER, op);
  clg_status status = add_shard(s, params);
  clg_work_end(s->ctx, before);
  if (status == CLG_OK && !at_last(s))
    s->next++;
  else
    reset(s);
  return status;
}

clg_status clg_shard_sum_add_one(clg_shard_sum *s, size_t i) {
  if (!s) return clg_null(NULL, op);
  if (i >= s->params.n) return clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, "there is no parameter %zu", i);
  clg_tensor *p = s->params.tensor[i];
  if (!at_last(s) || s->added[i])
    return clg_fail(s->ctx, CLG_ERR_STATE, op, "parameter %zu alone is added in the last shard, and once", i);
  clg_tensor *g = clg_tensor_grad(p) ? clg_own_gradient(p, op) : NULL;
  if (!g && !clg_tensor_grad(p)) return clg_fail(s->ctx, CLG_ERR_STATE, op, "parameter %zu has no gradient", i);
  if (!g) return clg_last_status(s->ctx);
  clg_tensor *span = g->numel ? clg_span_make(g, 0, (size_t)g->numel) : NULL;
  clg_status status = CLG_OK;
  if (span) status = count_up(s, s->params.level, span, s->params.at[i], (size_t)g->numel);
  if (!span && g->numel) status = clg_last_status(s->ctx);
  clg_tensor_unref(&span);
  clg_storage_changed(g->storage, op);
  s->added[i] = status == CLG_OK;
  return status;
}

size_t clg_shard_sum_next(const clg_shard_sum *s) { return s ? s->next : 0; }

clg_tensor *const *clg_shard_sum_params(const clg_shard_sum *s, size_t *n) {
  if (n) *n = s ? s->params.n : 0;
  return s ? s->params.tensor : NULL;
}

clg_tensor *const *clg_shard_sum_tracked(const clg_shard_sum *s, size_t *n) {
  if (n) *n = s ? s->tracked.n : 0;
  return s ? s->tracked.tensor : NULL;
}
