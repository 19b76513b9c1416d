/* The turns of shards' threads. Whoever's turn it is, is alone: nobody else touches the context, nor MPI. */
#include "lockstep.h"
#include <pthread.h>
#include <stdlib.h>

/* Not one of the shards: the thread that runs them. */
#define THE_CALLER -1

typedef struct member {
  lockstep *l;
  int k;
  pthread_t thread;
  clg_strand *strand;
  clg_tensor *told; /* what it tells, while it waits for the others; borrowed */
  bool done, ok;
} member;

struct lockstep {
  clg_context *ctx;
  team *team;
  int n, shards;
  pthread_mutex_t lock;
  pthread_cond_t turned;
  int turn;
  bool (*work)(void *user, int k);
  void *user;
  clg_tensor *all; /* what all told; NULL: one of them failed */
  member member[];
};

/* ---- turns ---- */

static void hand_to(lockstep *l, int whose) {
  pthread_mutex_lock(&l->lock);
  l->turn = whose;
  pthread_cond_broadcast(&l->turned);
  pthread_mutex_unlock(&l->lock);
}

static void wait_for_turn(lockstep *l, int mine) {
  pthread_mutex_lock(&l->lock);
  while (l->turn != mine) pthread_cond_wait(&l->turned, &l->lock);
  pthread_mutex_unlock(&l->lock);
}

/* ---- on a shard's thread ---- */

static void *run_member(void *user) {
  member *m = user;
  wait_for_turn(m->l, m->k);
  m->ok = m->l->work(m->l->user, m->k);
  m->done = true;
  hand_to(m->l, THE_CALLER);
  return NULL;
}

static clg_tensor *gather(void *user, clg_tensor *mine) {
  member *m = user;
  m->told = mine;
  hand_to(m->l, THE_CALLER);
  wait_for_turn(m->l, m->k);
  m->told = NULL;
  return clg_tensor_ref(m->l->all);
}

/* ---- on the caller's ---- */

/* Each goes on, until it meets the others or is done. How many are done. */
static int take_turns(lockstep *l) {
  int done = 0;
  for (int k = 0; k < l->n; k++) {
    member *m = &l->member[k];
    if (!m->done) {
      clg_strand_enter(m->strand); /* an error is the scope's */
      hand_to(l, k);
      wait_for_turn(l, THE_CALLER);
      clg_strand_leave(m->strand);
    }
    done += m->done;
  }
  return done;
}

/* What this process's shards tell, one behind the other; of one that is done nobody hears. */
static clg_tensor *join_mine(lockstep *l) {
  clg_tensor **flat = calloc((size_t)l->n, sizeof(clg_tensor *)), *joined = NULL;
  bool ok = flat;
  for (int k = 0; ok && k < l->n; k++) {
    clg_tensor *told = l->member[k].told;
    flat[k] = told ? clg_reshape(told, 1, (int64_t[]){clg_tensor_numel(told)}) : NULL;
    ok = flat[k];
  }
  if (ok) joined = l->n > 1 ? clg_cat(flat, (size_t)l->n, 0) : flat[0];
  free(flat);
  return joined;
}

static void meet(lockstep *l, bool all_here) {
  clg_scope *scope = clg_scope_open(l->ctx);
  clg_tensor *joined = all_here ? join_mine(l) : NULL;
  clg_tensor_unref(&l->all);
  l->all = joined ? clg_tensor_ref(team_gather_tensor(l->team, joined)) : NULL;
  clg_scope_close(scope);
}

bool lockstep_run(lockstep *l, bool (*work)(void *user, int k), void *user) {
  int started = 0, done = 0;
  l->work = work, l->user = user, l->turn = THE_CALLER;
  for (int k = 0; k < l->n; k++) l->member[k].done = l->member[k].ok = false;
  while (started < l->n && !pthread_create(&l->member[started].thread, NULL, run_member, &l->member[started]))
    started++;
  /* Without all of them none can meet: those that there are run up to there, and fail. */
  for (int k = started; k < l->n; k++) l->member[k].done = true;
  while ((done = take_turns(l)) < l->n) meet(l, !done);
  clg_tensor_unref(&l->all);
  bool ok = true;
  for (int k = 0; k < l->n; k++) ok = ok && l->member[k].ok;
  for (int k = 0; k < started; k++) pthread_join(l->member[k].thread, NULL);
  return ok;
}

/* ---- its life ---- */

clg_meeting lockstep_meeting(lockstep *l, int k) {
  return (clg_meeting){.gather = gather, .user = &l->member[k], .shards = (size_t)l->shards};
}

lockstep *lockstep_open(clg_context *ctx, team *t, int n, int shards, message *why) {
  lockstep *l = calloc(1, sizeof *l + (size_t)n * sizeof *l->member);
  if (!l) {
    fail_no_memory(why);
    return NULL;
  }
  *l = (lockstep){.ctx = ctx, .team = t, .n = n, .shards = shards, .turn = THE_CALLER};
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->turned, NULL);
  bool ok = true;
  for (int k = 0; k < n; k++) {
    l->member[k] = (member){.l = l, .k = k, .strand = ok ? clg_strand_create(ctx) : NULL};
    ok = ok && l->member[k].strand;
  }
  if (!ok) fail(why, "%s", clg_last_error(ctx));
  if (!ok) lockstep_close(&l);
  return l;
}

void lockstep_close(lockstep **at) {
  lockstep *l = *at;
  if (!l) return;
  *at = NULL;
  for (int k = 0; k < l->n; k++) clg_strand_destroy(&l->member[k].strand);
  pthread_cond_destroy(&l->turned);
  pthread_mutex_destroy(&l->lock);
  free(l);
}
