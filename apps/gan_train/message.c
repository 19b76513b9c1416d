/* The one line of an error. */
#include "message.h"
#include <stdarg.h>
#include <stdio.h>

bool fail(message *why, const char *format, ...) {
  if (why->text[0]) return false;
  va_list args;
  va_start(args, format);
  vsnprintf(why->text, sizeof why->text, format, args);
  va_end(args);
  /* File names and options come from outside: one line stays one line. */
  for (char *c = why->text; *c; c++)
    if (*c == '\n' || *c == '\r') *c = ' ';
  return false;
}

bool fail_no_memory(message *why) { return fail(why, "out of host memory"); }
