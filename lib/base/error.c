/* The one-line error that a context keeps: the first until it is cleared, whatever fails after it. */
#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* C1 controls are two bytes in UTF-8: 0xc2 and 0x80 to 0x9f. */
void clg_one_line(char *text) {
  for (unsigned char *c = (unsigned char *)text; *c; c++) {
    if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) c[0] = c[1] = '?';
    if (*c == '\n' || *c == '\r' || *c == '\t') *c = ' ';
    if (*c < ' ' || *c == 0x7f) *c = '?';
  }
}

static clg_status set(clg_error *e, clg_status status, const char *op, const char *fmt, va_list ap) {
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
  clg_one_line(e->line);
  return status;
}

clg_status clg_error_set(clg_error *e, clg_status status, const char *op, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  set(e, status, op, fmt, ap);
  va_end(ap);
  return status;
}

static _Thread_local clg_nulls nulls;

clg_nulls *clg_nulls_here(void) { return &nulls; }

void clg_nulls_mark(const char *op) {
  if (nulls.seen++ == nulls.forgiven) nulls.op = op;
}

void clg_nulls_forgive(void) { nulls.forgiven = nulls.seen; }

void clg_error_clear(clg_error *e) {
  e->status = CLG_OK;
  e->line[0] = 0;
}
