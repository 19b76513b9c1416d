/* What a walk has seen: pointers, numbered from 1 on in the order they came. Private to this room. */
#ifndef CLG_GRAPH_SEEN_H
#define CLG_GRAPH_SEEN_H

#include <stdbool.h>
#include <stddef.h>

typedef struct clg_seen {
  struct clg_seen_entry *entry;
  size_t n, cap; /* cap: a power of two, at least twice n */
} clg_seen;

/* The pointer's number; *fresh: it is seen the first time. 0: out of host memory. */
size_t clg_seen_number(clg_seen *s, const void *p, bool *fresh);
void clg_seen_free(clg_seen *s);

#endif
