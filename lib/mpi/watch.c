/* Words between rank 0 and each other rank: that it is alive, that it compiles, that it gives up and why, that it is
 * done. A rank waits for few others by itself, but rank 0 hears of all, and says so. */
#include "watch.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words in a timeout; and the longest time between two turns that counts as silence: what lies between may be that this
 * process was stopped itself. */
#define WORDS   8
#define LONGEST 0.25
/* Seconds that a rank that is done, or gives up, waits for others to say so too. */
#define PATIENCE 5

typedef enum word_kind { ALIVE, COMPILING, GIVES_UP, DONE } word_kind;

typedef struct word {
  int kind, rank; /* rank: whom it is of */
  char line[400];
} word;

typedef struct peer {
  int rank;
  double silent; /* seconds that were waited since its last word */
  bool compiling, done;
  MPI_Request request; /* of what is on its way, `out` */
  word out, next;
  bool has_next;
} peer;

struct clg_watch {
  peer *peer; /* whom this rank hears */
  int n;
  word in;
  MPI_Request request;
  double period, said, looked; /* looked: at the clock, while waiting; 0: not yet */
};

/* ---- saying ---- */

static void say(clg_group *g, peer *p, const word *w) {
  int sent = 1;
  if (p->request != MPI_REQUEST_NULL) MPI_Test(&p->request, &sent, MPI_STATUS_IGNORE);
  if (!sent) { /* a later word says more, but none hides a reason */
    if (!p->has_next || p->next.kind != GIVES_UP) p->next = *w;
    p->has_next = true;
    return;
  }
  p->out = *w;
  p->has_next = false;
  int bytes = (int)(offsetof(word, line) + strlen(w->line) + 1);
  g->count.other_bytes += (uint64_t)bytes;
  clg_group_check(g, MPI_Isend(&p->out, bytes, MPI_BYTE, p->rank, CLG_TAG_WATCH, g->comm, &p->request), "MPI_Isend");
}

static void say_all(clg_group *g, const word *w) {
  clg_watch *watch = g->watch;
  for (int i = 0; i < watch->n; i++)
    if (watch->peer[i].rank != w->rank) say(g, &watch->peer[i], w);
  watch->said = clg_group_clock();
}

static void say_kind(clg_group *g, word_kind kind) {
  word w = {.kind = kind, .rank = g->rank};
  say_all(g, &w);
}

/* ---- hearing ---- */

static bool listen(clg_group *g) {
  clg_watch *w = g->watch;
  int from = g->rank ? 0 : MPI_ANY_SOURCE;
  return clg_group_check(g, MPI_Irecv(&w->in, sizeof w->in, MPI_BYTE, from, CLG_TAG_WATCH, g->comm, &w->request),
                         "MPI_Irecv") == CLG_OK;
}

static void take(clg_group *g, const word *w, int from) {
  peer *p = &g->watch->peer[g->rank ? 0 : from - 1];
  p->silent = 0;
  p->compiling = w->kind == COMPILING;
  p->done = p->done || w->kind == DONE;
  if (w->kind != GIVES_UP) return;
  if (!g->rank) say_all(g, w); /* the others hear of it from here */
  clg_group_fail(g, CLG_ERR_PEER, "rank %d: %.*s", w->rank, (int)sizeof w->line - 1, w->line);
}

static void hear(clg_group *g) {
  clg_watch *w = g->watch;
  MPI_Status from;
  for (int came = 1; came && w->request != MPI_REQUEST_NULL && g->status == CLG_OK;) {
    if (clg_group_check(g, MPI_Test(&w->request, &came, &from), "MPI_Test") != CLG_OK || !came) break;
    word heard = w->in;
    heard.line[sizeof heard.line - 1] = 0;
    take(g, &heard, from.MPI_SOURCE);
    if (g->status == CLG_OK) listen(g);
  }
}

/* ---- turns ---- */

void clg_watch_wait(clg_group *g) {
  if (g->watch) g->watch->looked = 0;
}

static void count_silence(clg_group *g, double now) {
  clg_watch *w = g->watch;
  double passed = w->looked > 0 ? now - w->looked : 0;
  w->looked = now;
  if (passed > LONGEST) passed = LONGEST;
  for (int i = 0; i < w->n && g->options.timeout > 0; i++) {
    peer *p = &w->peer[i];
    if (!p->compiling) p->silent += passed;
    if (p->silent > g->options.timeout && !p->done)
      clg_group_fail(g, CLG_ERR_PEER, "rank %d has been silent for %.3g seconds: it is stopped, or its machine is gone",
                     p->rank, g->options.timeout);
  }
}

static void say_again(clg_group *g) {
  clg_watch *w = g->watch;
  for (int i = 0; i < w->n; i++) {
    word next = w->peer[i].next;
    if (w->peer[i].has_next) say(g, &w->peer[i], &next);
  }
}

void clg_watch_turn(clg_group *g, bool waiting) {
  clg_watch *w = g->watch;
  if (!w || g->status != CLG_OK) return;
  double now = clg_group_clock();
  hear(g);
  say_again(g);
  if (now - w->said >= w->period) say_kind(g, ALIVE);
  if (waiting)
    count_silence(g, now);
  else
    w->looked = 0;
}

void clg_watch_compiling(clg_group *g, bool on) {
  if (g->status != CLG_OK) return;
  hear(g);
  say_kind(g, on ? COMPILING : ALIVE);
}

/* Whether all that was said is on its way. */
static bool all_said(clg_watch *w) {
  bool all = true;
  for (int i = 0; i < w->n; i++) {
    int sent = 1;
    if (w->peer[i].request != MPI_REQUEST_NULL) MPI_Test(&w->peer[i].request, &sent, MPI_STATUS_IGNORE);
    all = all && sent && !w->peer[i].has_next;
  }
  return all;
}

void clg_watch_give_up(clg_group *g, const char *line) {
  word w = {.kind = GIVES_UP, .rank = g->rank};
  unsigned idle = 0;
  if (g->status != CLG_OK) return;
  snprintf(w.line, sizeof w.line, "%s", line);
  say_all(g, &w);
  for (double begun = clg_group_clock(); !all_said(g->watch) && clg_group_clock() - begun < PATIENCE;) {
    say_again(g);
    clg_group_rest(false, false, &idle);
  }
  clg_group_fail(g, CLG_ERR_PEER, "rank %d: %s", g->rank, line);
}

/* ---- beginning and end ---- */

clg_watch *clg_watch_create(clg_group *g) {
  clg_watch *w = calloc(1, sizeof *w);
  peer *list = calloc((size_t)g->size, sizeof *list);
  if (!w || !list) {
    free(w);
    free(list);
    clg_group_fail(g, CLG_ERR_HOST_MEMORY, "out of host memory");
    return NULL;
  }
  *w = (clg_watch){.peer = list, .n = g->rank ? 1 : g->size - 1, .request = MPI_REQUEST_NULL};
  for (int i = 0; i < w->n; i++) list[i] = (peer){.rank = g->rank ? 0 : i + 1, .request = MPI_REQUEST_NULL};
  w->period = g->options.timeout > 0 ? g->options.timeout / WORDS : 1;
  g->watch = w;
  say_kind(g, ALIVE); /* connects them, before one compiles for long */
  listen(g);
  return w;
}

static bool all_done(const clg_watch *w) {
  bool all = true;
  for (int i = 0; i < w->n; i++) all = all && w->peer[i].done;
  return all;
}

static void wait_for_all(clg_group *g) {
  unsigned idle = 0;
  say_kind(g, DONE);
  clg_watch_wait(g);
  while (g->status == CLG_OK && !(all_done(g->watch) && all_said(g->watch))) {
    clg_watch_turn(g, true);
    clg_group_rest(false, false, &idle);
  }
}

void clg_watch_destroy(clg_group *g) {
  clg_watch *w = g->watch;
  if (!w) return;
  if (g->status == CLG_OK) wait_for_all(g);
  if (w->request != MPI_REQUEST_NULL) {
    MPI_Cancel(&w->request);
    MPI_Wait(&w->request, MPI_STATUS_IGNORE);
  }
  bool said = all_said(w);
  if (said) free(w->peer); /* else MPI still reads it */
  if (said) free(w);
  g->watch = NULL;
}
