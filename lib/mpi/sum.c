/* Sums of gradients over the ranks. Each has a vector in pinned memory: first the tensors that shards track, then the
 * host's floats, then gradients, the last parameter's first, as backward completes them. Its pieces go out as soon as
 * the device has copied them, and come back to the device in clg_group_sum_finish. */
#include "sum.h"
#include "pieces.h"
#include "watch.h"
#include <stdlib.h>
#include <string.h>

/* A tensor's place in the vector. */
typedef struct place {
  clg_group_sum *sum;
  size_t i; /* its number among the parameters, or the tracked */
  size_t at, n;
  bool queued;   /* it is being read */
  uint64_t hook; /* a parameter's; 0: none */
} place;

struct clg_group_sum {
  uint32_t refs;
  clg_group *g;
  clg_shard_sum *shards;
  clg_group_sum *next;
  clg_tensor *const *params, *const *tracked; /* of `shards` */
  place *param, *value;                       /* [n_params], [n_tracked] */
  size_t n_params, n_tracked, n_host, n_floats;
  size_t host_at;
  float *host; /* the program's */
  clg_pinned *pinned;
  float *data; /* the vector */
  clg_pieces pieces;
  bool started;
};

clg_group_sum *clg_sum_next(const clg_group_sum *s) { return s->next; }

/* Whether there is anybody to send to. */
static bool is_alone(const clg_group *g) { return g->comm == MPI_COMM_NULL; }

bool clg_sum_turn(clg_group_sum *s) { return clg_pieces_turn(&s->pieces); }

/* ---- from the device ---- */

static clg_status queue_place(clg_group_sum *s, place *p, const clg_tensor *t) {
  p->queued = true;
  if (!p->n) return CLG_OK;
  clg_status status = clg_tensor_read_async(t, s->data + p->at);
  return status == CLG_OK ? clg_pieces_queued(&s->pieces, p->at, p->n) : status;
}

static clg_status queue_values(clg_group_sum *s) {
  clg_status status = CLG_OK;
  for (size_t i = 0; status == CLG_OK && i < s->n_tracked; i++)
    if (!s->value[i].queued) status = queue_place(s, &s->value[i], s->tracked[i]);
  return status == CLG_OK && s->n_host ? clg_pieces_queued(&s->pieces, s->host_at, s->n_host) : status;
}

static clg_status queue_gradient(clg_group_sum *s, size_t i) {
  return queue_place(s, &s->param[i], clg_tensor_grad(s->params[i]));
}

static clg_status on_complete(void *user, clg_tensor *leaf) {
  place *p = user;
  clg_group_sum *s = p->sum;
  (void)leaf;
  if (!s->started || p->queued) return CLG_OK;
  clg_status status = clg_shard_sum_add_one(s->shards, p->i);
  if (status == CLG_OK) status = queue_gradient(s, p->i);
  clg_group_poll(s->g);
  return status;
}

/* ---- making ---- */

static void lay_out(clg_group_sum *s) {
  size_t at = 0;
  for (size_t i = 0; i < s->n_tracked; at += s->value[i++].n)
    s->value[i] = (place){.sum = s, .i = i, .at = at, .n = (size_t)clg_tensor_numel(s->tracked[i])};
  s->host_at = at;
  at += s->n_host;
  for (size_t i = s->n_params; i-- > 0; at += s->param[i].n)
    s->param[i] = (place){.sum = s, .i = i, .at = at, .n = (size_t)clg_tensor_numel(s->params[i])};
  s->n_floats = at;
}

static bool cut(clg_group_sum *s) {
  clg_group_counters *count = &s->g->count;
  const size_t gradients_at = s->host_at + s->n_host;
  return clg_pieces_cut(&s->pieces, 0, s->host_at, NULL, &count->other_bytes) &&
         clg_pieces_cut(&s->pieces, s->host_at, s->n_host, s->host, &count->other_bytes) &&
         clg_pieces_cut(&s->pieces, gradients_at, s->n_floats - gradients_at, NULL, &count->gradient_bytes);
}

/* As before a batch. */
static void reset(clg_group_sum *s) {
  clg_pieces_reset(&s->pieces);
  for (size_t i = 0; i < s->n_params; i++) s->param[i].queued = false;
  for (size_t i = 0; i < s->n_tracked; i++) s->value[i].queued = false;
  s->started = false;
}

/* A plan takes the same memory of the context, and sends nothing. */
static clg_status make(clg_group_sum *s) {
  clg_group *g = s->g;
  if (!s->n_floats || g->size == 1) return CLG_OK;
  s->pinned = clg_pinned_create(g->ctx, s->n_floats * sizeof(float));
  if (!s->pinned) return clg_last_status(g->ctx);
  s->data = clg_pinned_data(s->pinned);
  if (is_alone(g)) return CLG_OK;
  if (!cut(s)) return clg_raise(g->ctx, CLG_ERR_HOST_MEMORY, "group_sum", "out of host memory");
  clg_status status = clg_pieces_place(&s->pieces, s->data);
  if (status != CLG_OK) return status;
  for (size_t i = 0; i < s->n_params; i++) {
    s->param[i].hook = clg_tensor_add_ready_hook(s->params[i], on_complete, &s->param[i]);
    if (!s->param[i].hook) return clg_last_status(g->ctx);
  }
  s->next = g->sums;
  g->sums = s;
  return CLG_OK;
}

static clg_group_sum *refuse(clg_group *g, clg_status status, const char *line) {
  clg_raise(g->ctx, status, "group_sum", line);
  return NULL;
}

clg_group_sum *clg_group_sum_create(clg_group *g, clg_shard_sum *shards, float *host, size_t n_host) {
  if (!g) return NULL;
  if (!shards || (n_host && !host)) return refuse(g, CLG_ERR_ARGUMENT, "it was given NULL");
  if (g->size & (g->size - 1))
    return refuse(g, CLG_ERR_ARGUMENT, "the number of ranks is no power of two: it must divide that of the shards");
  clg_group_sum *s = calloc(1, sizeof *s);
  if (!s) return refuse(g, CLG_ERR_HOST_MEMORY, "out of host memory");
  *s = (clg_group_sum){.refs = 1, .g = clg_group_ref(g), .shards = clg_shard_sum_ref(shards)};
  s->pieces.g = g;
  s->host = host, s->n_host = n_host;
  s->params = clg_shard_sum_params(shards, &s->n_params);
  s->tracked = clg_shard_sum_tracked(shards, &s->n_tracked);
  s->param = calloc(s->n_params + 1, sizeof *s->param);
  s->value = calloc(s->n_tracked + 1, sizeof *s->value);
  if (!s->param || !s->value) {
    refuse(g, CLG_ERR_HOST_MEMORY, "out of host memory");
    clg_group_sum_unref(&s);
    return NULL;
  }
  lay_out(s);
  if (make(s) != CLG_OK) clg_group_sum_unref(&s);
  return s;
}

clg_group_sum *clg_group_sum_ref(clg_group_sum *s) {
  if (s) s->refs++;
  return s;
}

void clg_group_sum_unref(clg_group_sum **sum) {
  if (!sum || !*sum) return;
  clg_group_sum *s = *sum;
  *sum = NULL;
  if (--s->refs) return;
  for (clg_group_sum **at = &s->g->sums; *at; at = &(*at)->next)
    if (*at == s) {
      *at = s->next;
      break;
    }
  for (size_t i = 0; s->param && i < s->n_params; i++)
    if (s->param[i].hook) clg_tensor_remove_hook(s->params[i], s->param[i].hook);
  if (clg_pieces_drop(&s->pieces)) clg_pinned_unref(&s->pinned);
  free(s->param);
  free(s->value);
  clg_shard_sum_unref(&s->shards);
  clg_group_unref(&s->g);
  free(s);
}

/* ---- a batch ---- */

/* For what an earlier batch began that came to no end: it did on all ranks. */
static clg_status wait_for_begun(clg_group_sum *s) {
  unsigned idle = 0;
  clg_watch_wait(s->g);
  for (bool open = true; open && s->g->status == CLG_OK;) {
    clg_watch_turn(s->g, true);
    bool moved = clg_group_poll(s->g);
    open = clg_pieces_open(&s->pieces, true);
    if (open) clg_group_rest(moved, false, &idle);
  }
  return s->g->status;
}

clg_status clg_group_sum_start(clg_group_sum *s) {
  static const char op[] = "group_sum_start";
  if (!s) return CLG_ERR_ARGUMENT;
  clg_group *g = s->g;
  clg_status status = clg_shard_sum_settle(s->shards);
  if (status != CLG_OK || !s->pieces.n) return status;
  if (s->started && wait_for_begun(s) == CLG_OK) reset(s);
  if (g->status != CLG_OK) return clg_group_raise(g, op);
  s->started = g->options.bucket_bytes > 0;
  return s->started ? queue_values(s) : CLG_OK;
}

/* What no hook has told of, or all. */
static clg_status queue_rest(clg_group_sum *s) {
  clg_status status = s->started ? CLG_OK : queue_values(s);
  for (size_t i = s->n_params; status == CLG_OK && i-- > 0;)
    if (!s->param[i].queued) status = queue_gradient(s, i);
  return status;
}

/* What came of tracked tensors is a sum of the ranks' means. */
static clg_status write_back(clg_group_sum *s) {
  clg_status status = CLG_OK;
  for (size_t i = 0; i < s->host_at; i++) s->data[i] *= 1 / (float)s->g->size;
  for (size_t i = s->n_params; status == CLG_OK && i-- > 0;)
    if (s->param[i].n) status = clg_tensor_write_async(clg_tensor_grad(s->params[i]), s->data + s->param[i].at);
  for (size_t i = 0; status == CLG_OK && i < s->n_tracked; i++)
    if (s->value[i].n) status = clg_tensor_write_async(s->tracked[i], s->data + s->value[i].at);
  if (s->n_host) memcpy(s->host, s->data + s->host_at, s->n_host * sizeof(float));
  return status;
}

/* Waits for the messages; `end` is when the device has nothing left to do. */
static clg_status wait_and_count(clg_group_sum *s, clg_event *end) {
  clg_group *g = s->g;
  double idle_since = 0;
  unsigned idle = 0;
  clg_watch_wait(g);
  while (g->status == CLG_OK && clg_pieces_open(&s->pieces, false)) {
    clg_watch_turn(g, true);
    bool moved = clg_group_poll(g);
    if (!(idle_since > 0) && clg_event_done(end)) idle_since = clg_group_clock();
    if (clg_pieces_open(&s->pieces, false)) clg_group_rest(moved, !(idle_since > 0), &idle);
  }
  if (g->status != CLG_OK) return clg_group_raise(g, "group_sum_finish");
  const double from = idle_since > s->pieces.since ? idle_since : s->pieces.since;
  g->count.sums++;
  g->count.seconds += s->pieces.seconds;
  if (idle_since > 0 && from < s->pieces.until) g->count.exposed_seconds += s->pieces.until - from;
  return clg_event_wait(end);
}

clg_status clg_group_sum_finish(clg_group_sum *s) {
  static const char op[] = "group_sum_finish";
  if (!s) return CLG_ERR_ARGUMENT;
  clg_group *g = s->g;
  if (clg_shard_sum_next(s->shards))
    return clg_raise(g->ctx, CLG_ERR_STATE, op, "this rank's shards are not all added: clg_shard_sum_add comes first");
  if (!s->pieces.n) return CLG_OK;
  if (g->status != CLG_OK) return clg_group_raise(g, op);
  clg_status status = queue_rest(s);
  clg_event *end = status == CLG_OK ? clg_event_record(g->ctx) : NULL;
  if (status == CLG_OK && !end) status = clg_last_status(g->ctx);
  if (status == CLG_OK) status = wait_and_count(s, end);
  if (status == CLG_OK) status = write_back(s);
  clg_event_unref(&end);
  if (status == CLG_OK) reset(s);
  return status;
}
