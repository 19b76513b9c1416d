/* The one-line error that a context keeps: the first until it is cleared, whatever fails after it. */
#include "core/error.h"
#include <stdio.h>
#include <string.h>

clg_status clg_error_setv(clg_error *e, clg_status status, const char *op, const char *fmt, va_list ap) {
  e->raised++;
  e->latest = status;
  if (e->status != CLG_OK) return status;
  e->status = status;
  size_t used = 0;
  e->line[0] = 0;
  if (op && *op) {
    snprintf(e->line, sizeof e->line, "%s: ", op);
    used = strlen(e->line);
  }
  vsnprintf(e->line + used, sizeof e->line - used, fmt, ap);
  for (char *c = e->line; *c; c++)
    if (*c == '\n' || *c == '\r') *c = ' ';
  return status;
}

clg_status clg_error_set(clg_error *e, clg_status status, const char *op, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  clg_error_setv(e, status, op, fmt, ap);
  va_end(ap);
  return status;
}

void clg_error_clear(clg_error *e) {
  e->status = CLG_OK;
  e->line[0] = 0;
}
