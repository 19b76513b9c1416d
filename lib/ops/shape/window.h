/* Windows: every step-th element along one dimension. Reading one and placing one are each other's gradients. */
#ifndef CLG_OPS_WINDOW_H
#define CLG_OPS_WINDOW_H

#include <clgrad/ops.h>

/* Zeros with `size` elements along `dim`, and g in the window from `start` on; recorded. An op result; NULL for NULL,
 * with the error set. */
clg_tensor *clg_place(clg_tensor *g, int dim, int64_t start, int64_t step, int64_t size);

/* From the first to the last of n elements that are `step` apart. */
static inline int64_t clg_window_span(int64_t n, int64_t step) { return n ? (n - 1) * step + 1 : 0; }

#endif
