/* Kernel times of a profiling context: one event a launch, read at the next wait. */
#include "device/profile.h"
#include <stdlib.h>
#include <string.h>

/* Unread events keep the driver's memory: no more than these. */
#define PENDING 512

/* Programs launch the same kernels again and again, in the same order: the next row is looked at first. */
static clg_time *time_of(clg_context *ctx, const clg_launched *l) {
  clg_profile *p = ctx->profile;
  const char *phase = clg_phase(ctx);
  clg_time *start = p->found && p->found->next ? p->found->next : p->times, *t = start;
  while (t) {
    if (!strcmp(t->row.kernel, l->kernel) && !strcmp(t->row.phase, phase) && !strcmp(t->row.file, l->file))
      return p->found = t;
    t = t->next ? t->next : p->times;
    if (t == start) break;
  }
  t = calloc(1, sizeof *t);
  if (!t) return NULL;
  t->row = (clg_kernel_time){.phase = phase, .file = l->file, .kernel = l->kernel};
  *(p->last ? &p->last->next : &p->times) = t;
  p->last = t;
  return p->found = t;
}

clg_status clg_profile_add(clg_context *ctx, const clg_launched *l) {
  clg_queue *q = ctx->queue;
  if (!l->event) return CLG_OK;
  if (!q->timed) q->timed = malloc(PENDING * sizeof *q->timed);
  clg_time *time = q->timed ? time_of(ctx, l) : NULL;
  if (!time) {
    clReleaseEvent(l->event);
    if (l->from) clReleaseEvent(l->from);
    return CLG_OK;
  }
  q->timed[q->n_timed++] = (clg_timed){l->event, l->from, time, l->launches, l->number};
  return q->n_timed == PENDING ? clg_finish(ctx) : CLG_OK;
}

cl_event clg_profile_mark(clg_context *ctx) {
  cl_event mark = NULL;
  if (!ctx->queue->profile || clEnqueueMarkerWithWaitList(ctx->queue->queue, 0, NULL, &mark) != CL_SUCCESS) return NULL;
  return mark;
}

bool clg_profiles(const clg_context *ctx) { return ctx && ctx->queue && ctx->queue->profile; }

size_t clg_profile_phases(const clg_context *ctx, clg_phase_time *rows, size_t max) {
  if (!ctx) return 0;
  const clg_profile *p = ctx->profile;
  for (size_t i = 0; rows && i < p->n && i < max; i++) {
    rows[i] = p->phase[i];
    for (const clg_time *t = p->times; t; t = t->next)
      if (!strcmp(t->row.phase, rows[i].phase)) rows[i].nanoseconds += t->row.nanoseconds;
  }
  return p->n;
}

size_t clg_profile_kernels(const clg_context *ctx, clg_kernel_time *rows, size_t max) {
  size_t n = 0;
  for (const clg_time *t = ctx ? ctx->profile->times : NULL; t; t = t->next) {
    if (!t->row.launches) continue;
    if (rows && n < max) rows[n] = t->row;
    n++;
  }
  return n;
}

clg_status clg_profile_reset(clg_context *ctx) {
  if (!ctx) return clg_null(NULL, "profile_reset");
  clg_profile *p = ctx->profile;
  clg_status s = clg_profiles(ctx) ? clg_finish(ctx) : CLG_OK;
  for (size_t i = 0; i < p->n; i++) p->phase[i].launches = p->phase[i].waits = 0;
  for (clg_time *t = p->times; t; t = t->next) t->row.launches = t->row.nanoseconds = 0;
  return s;
}

static bool same_kernel(const clg_time *a, const clg_time *b) {
  return !strcmp(a->row.file, b->row.file) && !strcmp(a->row.kernel, b->row.kernel);
}

/* A kernel's phases together, where the first of them stands. */
static bool add_up(const clg_profile *p, const clg_time *t, clg_kernel_time *sum) {
  *sum = (clg_kernel_time){.file = t->row.file, .kernel = t->row.kernel};
  for (const clg_time *o = p->times; o; o = o->next) {
    if (!same_kernel(o, t)) continue;
    if (o != t && !sum->launches && !sum->nanoseconds && o->row.launches) return false;
    sum->launches += o->row.launches;
    sum->nanoseconds += o->row.nanoseconds;
  }
  return sum->launches > 0;
}

void clg_profile_report(clg_context *ctx) {
  clg_kernel_time sum;
  for (const clg_time *t = ctx->profile->times; t; t = t->next) {
    if (!add_up(ctx->profile, t, &sum)) continue;
    const char *gap = *sum.file ? " " : "";
    clg_log_line(ctx, "%s%s%s: %llu launches, %llu.%03llu ms", sum.file, gap, sum.kernel,
                 (unsigned long long)sum.launches, (unsigned long long)(sum.nanoseconds / 1000000),
                 (unsigned long long)(sum.nanoseconds / 1000 % 1000));
  }
}
