/* Tensors that lie side by side in one allocation, as a module's parameters and gradients do, and spans of several: one
 * kernel does for all. */
#ifndef CLG_NN_FLAT_H
#define CLG_NN_FLAT_H

#include "graph/graph.h"

/* Floats from one parameter of a module to the next: each is 64-byte aligned, and what lies between is zero. */
#define CLG_FLAT_ALIGN 16
static inline size_t clg_flat_padded(int64_t numel) {
  return ((size_t)numel + CLG_FLAT_ALIGN - 1) / CLG_FLAT_ALIGN * CLG_FLAT_ALIGN;
}
/* Whether `next` lies behind `first` in the same allocation, so many floats away. */
bool clg_span_goes_on(const clg_tensor *first, const clg_tensor *next, size_t distance);
/* `n` floats of t's block from `from` floats behind its first element on; a storage of its own, so versions are the
 * caller's. */
clg_tensor *clg_span_make(const clg_tensor *t, size_t from, size_t n);
/* The tensors [i, end) of a list, not NULL and contiguous, that lie side by side: returns end, and how long the span
 * is. */
size_t clg_span_end(clg_tensor *const *list, size_t n, size_t i, size_t *length);

#endif
