/* Launches and waits, in the context's counters and by phase. */
#include "device/profile.h"
#include <stdlib.h>
#include <string.h>

clg_profile *clg_profile_create(void) { return calloc(1, sizeof(clg_profile)); }

void clg_profile_destroy(clg_profile *p) {
  if (!p) return;
  for (clg_time *t = p->times, *next; t; t = next) next = t->next, free(t);
  free(p->phase);
  free(p);
}

/* The current phase's; NULL without memory. The books keep one name for each, so mostly the pointer tells. */
static clg_phase_time *counts_of(clg_context *ctx) {
  clg_profile *p = ctx->profile;
  const char *name = clg_phase(ctx);
  if (p->n && p->phase[p->now].phase == name) return &p->phase[p->now];
  for (p->now = 0; p->now < p->n; p->now++) {
    if (strcmp(p->phase[p->now].phase, name)) continue;
    p->phase[p->now].phase = name;
    return &p->phase[p->now];
  }
  p->now = 0;
  if (p->n == p->cap) {
    size_t cap = p->cap ? 2 * p->cap : 16;
    clg_phase_time *more = realloc(p->phase, cap * sizeof *more);
    if (!more) return NULL;
    p->phase = more;
    p->cap = cap;
  }
  p->phase[p->n] = (clg_phase_time){.phase = name};
  p->now = p->n++;
  return &p->phase[p->now];
}

void clg_count_launches(clg_context *ctx, uint64_t n) {
  clg_phase_time *counts = counts_of(ctx);
  ctx->counters.launches += n;
  if (counts) counts->launches += n;
}

void clg_count_wait(clg_context *ctx) {
  clg_phase_time *counts = counts_of(ctx);
  ctx->counters.waits++;
  if (counts) counts->waits++;
}
