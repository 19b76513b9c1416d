/* Lists that grow. */
#ifndef GAN_GROWN_H
#define GAN_GROWN_H

#include <stdlib.h>

/* The list with room for more than n elements of `size`: itself, or moved. NULL without memory, and it stays as it is.
 */
static inline void *grown(void *list, size_t n, size_t *room, size_t size) {
  if (n < *room) return list;
  size_t more = 2 * n + 64;
  void *moved = realloc(list, more * size);
  if (moved) *room = more;
  return moved;
}

#endif
