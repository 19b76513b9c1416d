/* Tensors that lie side by side in one allocation, as a module's parameters and gradients do, treated as one line. */
#ifndef CLG_OPTIM_LINES_H
#define CLG_OPTIM_LINES_H

#include "graph/graph.h"

/* Floats from one parameter of a module to the next; what lies between is zero. */
static inline size_t clg_line_padded(int64_t numel) { return ((size_t)numel + 15) / 16 * 16; }
/* Whether `next` lies behind `first` in the same allocation, so many floats away. */
bool clg_line_goes_on(const clg_tensor *first, const clg_tensor *next, size_t distance);
/* `n` floats of t's block from `from` floats behind its first element on; a storage of its own, so versions are the
 * caller's. */
clg_tensor *clg_line_make(const clg_tensor *t, size_t from, size_t n);
/* The tensors [i, end) of a list, not NULL and contiguous, that lie side by side: returns end, and how long the line
 * is. */
size_t clg_line_end(clg_tensor *const *list, size_t n, size_t i, size_t *length);

#endif
