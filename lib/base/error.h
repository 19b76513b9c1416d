/* Errors: one line kept by its owner (a context) until it is cleared; later ones never overwrite it. */
#ifndef CLG_BASE_ERROR_H
#define CLG_BASE_ERROR_H

#include <clgrad/core.h>

typedef struct clg_error {
  clg_status status; /* of the first error kept; CLG_OK: none */
  clg_status latest; /* of the most recent error raised */
  uint64_t raised;   /* errors raised since the owner was made: lets a scope see its own */
  char line[512];
} clg_error;

/* Keeps the line if there is none yet; returns `status`. `op` may be NULL. The line is "op: message". */
clg_status clg_error_set(clg_error *e, clg_status status, const char *op, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void clg_error_clear(clg_error *e);

/* A call that was given NULL alone has no owner to raise an error on. It leaves a mark on its thread, which the scope
 * that closes around it reports. */
typedef struct clg_nulls {
  uint64_t seen;     /* marks since the thread began */
  uint64_t forgiven; /* of these, the ones before the last clear */
  const char *op;    /* of the first mark since then; static */
} clg_nulls;
clg_nulls *clg_nulls_here(void); /* the thread's */
void clg_nulls_mark(const char *op);
void clg_nulls_forgive(void);
/* Makes text that came from outside fit for a line on a terminal, in place: control characters become '?', those that
 * are space a space. */
void clg_one_line(char *text);

#endif
