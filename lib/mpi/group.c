/* A group: its making and end, its failures, and how it waits. */
#include "returning.h"
#include "sum.h"
#include "watch.h"
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT      60
#define BUCKET_BYTES ((size_t)256 << 10)
/* Seconds: a context that waits takes less from one turn to the next. */
#define BETWEEN_TURNS 1e-4

double clg_group_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- failures ---- */

clg_status clg_group_fail(clg_group *g, clg_status status, const char *fmt, ...) {
  va_list ap;
  if (g->status != CLG_OK) return g->status;
  va_start(ap, fmt);
  vsnprintf(g->why, sizeof g->why, fmt, ap);
  va_end(ap);
  return g->status = status;
}

clg_status clg_group_raise(clg_group *g, const char *op) { return clg_raise(g->ctx, g->status, op, g->why); }

clg_status clg_group_check(clg_group *g, int code, const char *call) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int n = 0;
  if (code == MPI_SUCCESS) return CLG_OK;
  MPI_Error_string(code, text, &n);
  return clg_group_fail(g, CLG_ERR_PEER, "rank %d: %s failed: %.300s", g->rank, call, text);
}

/* ---- waiting ---- */

bool clg_group_poll(clg_group *g) {
  if (g->status != CLG_OK) return false;
  bool moved = false;
  for (clg_group_sum *s = g->sums; s; s = clg_sum_next(s)) moved = clg_sum_turn(s) || moved;
  return moved;
}

/* A context waits for its device. What came in is noted by any call of MPI, so that the sums see it. */
static void while_the_device_works(void *user) {
  clg_group *g = user;
  if (clg_group_clock() - g->left > BETWEEN_TURNS) g->idle = 0; /* another wait */
  clg_watch_turn(g, false);
  clg_group_rest(clg_group_poll(g), true, &g->idle);
  g->left = clg_group_clock();
}

/* Others may run here. Where no device does, the first turns ask again at once: what is on its way within a machine
 * takes microseconds. */
void clg_group_rest(bool moved, bool beside_device, unsigned *idle) {
  const unsigned at_once = beside_device ? 0 : 20;
  const unsigned longest = beside_device ? 2000 : 200;
  if (!moved)
    ++*idle;
  else if (!beside_device)
    *idle = 0;
  if (*idle <= at_once) {
    sched_yield();
    return;
  }
  unsigned us = *idle - at_once < longest / 10 ? 10 * (*idle - at_once) : longest;
  nanosleep(&(struct timespec){.tv_nsec = 1000L * (long)us}, NULL);
}

clg_status clg_group_wait(clg_group *g, MPI_Request *requests, int n, const char *call) {
  unsigned idle = 0;
  clg_watch_wait(g);
  for (int done = 0; g->status == CLG_OK;) {
    if (clg_group_check(g, MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE), call) != CLG_OK || done) break;
    bool moved = clg_group_poll(g);
    clg_watch_turn(g, true);
    clg_group_rest(moved, false, &idle);
  }
  return g->status;
}

/* ---- groups ---- */

int clg_group_place(MPI_Comm comm) {
  clg_returning r;
  MPI_Comm node;
  int place = -1;
  if (clg_returning_begin(&r, comm)) return -1;
  if (MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node) == MPI_SUCCESS) {
    if (MPI_Comm_rank(node, &place) != MPI_SUCCESS) place = -1;
    MPI_Comm_free(&node);
  }
  clg_returning_end(&r);
  return place;
}

clg_group_options clg_group_defaults(void) {
  return (clg_group_options){.timeout = TIMEOUT, .bucket_bytes = BUCKET_BYTES};
}

static clg_status join(clg_group *g, MPI_Comm comm) {
  int between = 0;
  if (clg_group_check(g, MPI_Comm_test_inter(comm, &between), "MPI_Comm_test_inter") != CLG_OK) return g->status;
  if (between) return clg_group_fail(g, CLG_ERR_ARGUMENT, "an intercommunicator has ranks of two groups");
  if (clg_group_check(g, MPI_Comm_rank(comm, &g->rank), "MPI_Comm_rank") != CLG_OK) return g->status;
  if (clg_group_check(g, MPI_Comm_size(comm, &g->size), "MPI_Comm_size") != CLG_OK) return g->status;
  if (g->size == 1 || clg_context_is_plan(g->ctx)) return CLG_OK;
  if (clg_group_check(g, MPI_Comm_dup(comm, &g->comm), "MPI_Comm_dup") != CLG_OK) return g->status;
  clg_group_check(g, MPI_Comm_set_errhandler(g->comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  g->watch = g->status == CLG_OK ? clg_watch_create(g) : NULL;
  return g->status == CLG_OK ? clg_set_idle(g->ctx, while_the_device_works, g) : g->status;
}

clg_status clg_group_create(clg_group **out, clg_context *ctx, MPI_Comm comm, const clg_group_options *options) {
  static const char op[] = "group_create";
  if (out) *out = NULL;
  if (!out || !ctx) return clg_raise(ctx, CLG_ERR_ARGUMENT, op, "it was given NULL");
  clg_group *g = calloc(1, sizeof *g);
  if (!g) return clg_raise(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  *g = (clg_group){.refs = 1, .ctx = clg_context_ref(ctx), .comm = MPI_COMM_NULL, .next_tag = CLG_TAG_BUCKETS};
  g->options = options ? *options : clg_group_defaults();
  if (!(g->options.timeout >= 0))
    clg_group_fail(g, CLG_ERR_ARGUMENT, "a timeout of %g seconds is none", g->options.timeout);
  clg_returning r = {.n = 0};
  const char *why = g->status == CLG_OK ? clg_returning_begin(&r, comm) : NULL;
  if (why) clg_group_fail(g, CLG_ERR_ARGUMENT, "%s", why);
  clg_status status = g->status == CLG_OK ? join(g, comm) : g->status;
  clg_returning_end(&r);
  if (status == CLG_OK) {
    *out = g;
  } else {
    clg_group_raise(g, op);
    clg_group_unref(&g);
  }
  return status;
}

clg_group *clg_group_ref(clg_group *g) {
  if (g) g->refs++;
  return g;
}

void clg_group_unref(clg_group **group) {
  if (!group || !*group) return;
  clg_group *g = *group;
  *group = NULL;
  if (--g->refs) return;
  if (g->watch) clg_set_idle(g->ctx, NULL, NULL);
  clg_watch_destroy(g);
  if (g->comm != MPI_COMM_NULL && g->status == CLG_OK) MPI_Comm_free(&g->comm);
  clg_context_unref(&g->ctx);
  free(g);
}

int clg_group_rank(const clg_group *g) { return g ? g->rank : -1; }
int clg_group_size(const clg_group *g) { return g ? g->size : 0; }
clg_group_counters clg_group_counted(const clg_group *g) { return g ? g->count : (clg_group_counters){0}; }

void clg_group_compiling(clg_group *g, bool on) {
  if (g && g->watch) clg_watch_compiling(g, on);
}

void clg_group_give_up(clg_group *g, const char *line) {
  if (g && line && g->watch) clg_watch_give_up(g, line);
}
