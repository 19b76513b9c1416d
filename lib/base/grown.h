/* Lists that grow. */
#ifndef CLG_BASE_GROWN_H
#define CLG_BASE_GROWN_H

#include <stdlib.h>

/* The list with room for more than n elements of `size`: itself, or moved. NULL without memory, and it stays as it is.
 */
static inline void *clg_grown(void *list, size_t n, size_t *cap, size_t size) {
  if (n < *cap) return list;
  const size_t more = *cap ? 2 * *cap : 16;
  void *p = realloc(list, more * size);
  if (p) *cap = more;
  return p;
}

#endif
