/* The memory books' inner side: entries for live allocations, and what is reserved. Private to rooms up to context. */
#ifndef CLG_DEVICE_BOOKS_H
#define CLG_DEVICE_BOOKS_H

#include "device/pool.h"

typedef struct clg_entry clg_entry; /* one live allocation */

clg_books *clg_books_create(void);
void clg_books_destroy(clg_books *books);

/* An allocation begins and ends; `what` NULL: it is no tensor's. NULL: out of host memory. */
clg_entry *clg_books_add(clg_context *ctx, size_t bytes, clg_role role, const char *op, const clg_extent *what);
void clg_books_remove(clg_context *ctx, clg_entry *e);
void clg_books_set_role(clg_context *ctx, clg_entry *e, clg_role role);

/* The live allocations by op and phase, largest first: "2 by linear in D step (4096 bytes), ...", as many as fit.
 * Returns how many there are. */
size_t clg_books_holders(const clg_books *books, char *to, size_t size);

/* A cl_mem was made (bytes > 0) or released (bytes < 0). */
void clg_books_reserved(clg_books *books, int64_t bytes);

#endif
