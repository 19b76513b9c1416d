/* A table of pointers, by open addressing. */
#include "graph/seen.h"
#include <stdint.h>
#include <stdlib.h>

struct clg_seen_entry {
  const void *p; /* NULL: free */
  size_t number;
};

static struct clg_seen_entry *place(struct clg_seen_entry *all, size_t cap, const void *p) {
  size_t i = (size_t)((uint64_t)(uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (cap - 1);
  while (all[i].p && all[i].p != p) i = (i + 1) & (cap - 1);
  return &all[i];
}

static bool grow(clg_seen *s) {
  size_t cap = s->cap ? 2 * s->cap : 64;
  struct clg_seen_entry *more = calloc(cap, sizeof *more);
  if (!more) return false;
  for (size_t i = 0; i < s->cap; i++)
    if (s->entry[i].p) *place(more, cap, s->entry[i].p) = s->entry[i];
  free(s->entry);
  s->entry = more;
  s->cap = cap;
  return true;
}

size_t clg_seen_number(clg_seen *s, const void *p, bool *fresh) {
  *fresh = false;
  if (2 * s->n >= s->cap && !grow(s)) return 0;
  struct clg_seen_entry *e = place(s->entry, s->cap, p);
  *fresh = !e->p;
  if (*fresh) *e = (struct clg_seen_entry){p, ++s->n};
  return e->number;
}

void clg_seen_free(clg_seen *s) {
  free(s->entry);
  *s = (clg_seen){0};
}
