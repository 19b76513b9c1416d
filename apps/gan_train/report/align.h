/* Two steps side by side: which allocations are each other's like, and how long they live beside one another. */
#ifndef GAN_REPORT_ALIGN_H
#define GAN_REPORT_ALIGN_H

#include "../record.h"

/* For each item of `a` the first instant of `a` at which it is alive and its like in `b` is not: item.begin for one
 * without a like, more than item.end for one that lives no longer. Likes are of one op, layer, phase, type and shape,
 * in the same order in both (the longest common subsequence); instants are each other's by the likes that are made
 * around them. To be freed; NULL: no memory, or more items than are compared. */
size_t *align_records(const record *a, const record *b);

#endif
