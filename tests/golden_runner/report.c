/* Counting and printing of cases, and the reasons of failures. */
#include "golden.h"
#include <stdarg.h>
#include <string.h>

void report_pass(report *r) { r->passed++; }

void report_fail(report *r, const char *section, const char *name, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  printf("FAIL %s %s: ", section, name);
  vprintf(fmt, ap);
  printf("\n");
  va_end(ap);
  r->failed++;
}

void report_skip(report *r, const char *section, const char *name, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  printf("skip %s %s: ", section, name);
  vprintf(fmt, ap);
  printf("\n");
  va_end(ap);
  r->skipped++;
}

bool golden_error(golden *g, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(g->why, sizeof g->why, fmt, ap);
  va_end(ap);
  return false;
}

bool golden_clg_error(golden *g) {
  golden_error(g, "%s", clg_last_error(g->ctx)[0] ? clg_last_error(g->ctx) : "no reason given");
  clg_clear_error(g->ctx);
  return false;
}
