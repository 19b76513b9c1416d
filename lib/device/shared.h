/* Built programs that contexts of one OpenCL context have in common, so that each is built once. Used from several
 * threads. */
#ifndef CLG_DEVICE_SHARED_H
#define CLG_DEVICE_SHARED_H

#include "device/queue.h"

/* What tells programs of one device apart. */
typedef struct clg_shared_key {
  const char *file;                /* one address a name */
  const char *text, *label, *only; /* label: NULL for none */
  size_t group;
  clg_device_shape shape;
  bool fma;
} clg_shared_key;

typedef struct clg_shared clg_shared;
clg_shared *clg_shared_create(void); /* NULL: out of memory */
clg_shared *clg_shared_ref(clg_shared *s);
void clg_shared_unref(clg_shared *s); /* takes NULL */

/* With a reference of the caller's; NULL: there is none. */
cl_program clg_shared_find(clg_shared *s, const clg_shared_key *key);
/* Without memory the program stays the caller's alone. */
void clg_shared_add(clg_shared *s, const clg_shared_key *key, cl_program program);

#endif
