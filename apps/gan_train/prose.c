/* Words, and lines of them. */
#include "prose.h"
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

void say(prose *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->words + t->n, sizeof t->words - t->n, format, args);
  va_end(args);
  t->n = n < 0 || (size_t)n >= sizeof t->words - t->n ? sizeof t->words - 1 : t->n + (size_t)n;
}

const char *prose_separator(int i, int n) {
  if (!i) return "";
  return i + 1 == n ? " and " : ", ";
}

void prose_print(FILE *to, const char *words, int indent, int width) {
  int column = indent;
  bool first = true;
  while (*words) {
    int n = (int)strcspn(words, " ");
    if (!first && column + 1 + n > width) {
      fprintf(to, "\n%*s", indent, "");
      column = indent;
      first = true;
    }
    column += fprintf(to, "%s%.*s", first ? "" : " ", n, words);
    first = false;
    words += n + (words[n] == ' ');
  }
  fputc('\n', to);
}
