/* Lays out generated OpenCL C: lines are indented by their braces and broken where they are long. */
#include "kernel/kernel.h"
#include <string.h>

#define WIDTH 120

static void indent(clg_str *out, int spaces) { clg_str_addf(out, "%*s", spaces, ""); }

static int braces(const char *line) {
  int n = 0;
  for (; *line; line++) n += (*line == '{') - (*line == '}');
  return n;
}

/* Where a line of more than `room` characters breaks: behind the last comma that fits, else the last space; 0: nowhere.
 */
static size_t break_at(const char *line, size_t room) {
  size_t at = 0;
  if (strlen(line) <= room) return 0;
  for (size_t i = 1; i < room; i++)
    if (line[i] == ' ' && line[i - 1] == ',') at = i;
  for (size_t i = room - 1; !at && i; i--)
    if (line[i] == ' ') at = i;
  return at;
}

/* The column behind the last parenthesis that is open at the end of `line`, which begins at column `from`; else
 * `plain`.
 */
static int open_column(const char *line, size_t n, int from, int plain) {
  int depth = 0;
  for (size_t i = n; i-- > 0;) {
    depth += (line[i] == ')') - (line[i] == '(');
    if (depth < 0) return from + (int)i + 1;
  }
  return plain;
}

static void broken(clg_str *out, const char *line, int spaces) {
  size_t at;
  indent(out, spaces);
  for (int from = spaces, plain = spaces + 4; (at = break_at(line, (size_t)(WIDTH - from))); line += at + 1) {
    plain = open_column(line, at, from, plain);
    from = plain = plain > WIDTH / 2 ? spaces + 4 : plain;
    clg_str_addf(out, "%.*s\n", (int)at, line);
    indent(out, from);
  }
  clg_str_addf(out, "%s\n", line);
}

void clg_layout_line(clg_layout *l, const char *line) {
  line += strspn(line, " ");
  int closing = *line == '}';
  int spaces = 2 * (l->depth - closing);
  if (*line == '*') spaces++; /* inside of a comment */
  if (*line) {
    broken(l->out, line, spaces);
  } else {
    clg_str_add(l->out, "\n");
  }
  l->depth += braces(line);
}

void clg_layout_comment(clg_layout *l, const char *text) {
  const int spaces = 2 * l->depth;
  const size_t room = (size_t)(WIDTH - spaces - 6);
  indent(l->out, spaces);
  clg_str_add(l->out, "/* ");
  for (size_t at; (at = break_at(text, room)); text += at + 1) {
    clg_str_addf(l->out, "%.*s\n", (int)at, text);
    indent(l->out, spaces);
    clg_str_add(l->out, " * ");
  }
  clg_str_addf(l->out, "%s */\n", text);
}
