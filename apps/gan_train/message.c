/* The one line of an error. */
#include "message.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Takes off a character of UTF-8 whose end was cut. */
static void end_whole(char *text) {
  size_t n = strlen(text), begin = n;
  while (begin && n - begin < 3 && ((unsigned char)text[begin - 1] & 0xc0) == 0x80) begin--;
  if (!begin) return;
  unsigned char first = (unsigned char)text[begin - 1];
  size_t wants = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  if (n - begin + 1 < wants) text[begin - 1] = 0;
}

void message_clean(char *text) {
  for (char *c = text; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = *c == '\n' || *c == '\r' || *c == '\t' ? ' ' : '?';
}

bool fail(message *why, const char *format, ...) {
  if (why->text[0]) return false;
  va_list args;
  va_start(args, format);
  int n = vsnprintf(why->text, sizeof why->text, format, args);
  va_end(args);
  if (n >= (int)sizeof why->text) end_whole(why->text);
  message_clean(why->text);
  return false;
}

bool fail_no_memory(message *why) { return fail(why, "out of host memory"); }

void message_print(const message *why) { fprintf(stderr, "gan_train: %s\n", why->text); }
