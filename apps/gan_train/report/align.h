/* Two steps side by side: which allocations are each other's like, and how long they live beside one another. */
#ifndef GAN_REPORT_ALIGN_H
#define GAN_REPORT_ALIGN_H

#include "../record.h"

typedef struct aligned {
  size_t first; /* instant of `a` at which the item is alive and its like in `b` is not: its begin for one without a
                   like, more than its end for one that lives no longer */
  bool passing; /* it is gone before the next allocation that both make: of work that b does not do */
} aligned;

/* One for each item of `a`. Likes are of one op, layer, phase, type and shape, in the same order in both (the longest
 * common subsequence); instants are each other's by the likes that are made around them. To be freed; NULL: no
 * memory. */
aligned *align_records(const record *a, const record *b);
/* Whether they are short enough for that. */
bool align_can(const record *a, const record *b);

#endif
