/* UTF-8, and quoted strings. */
#include "base/text.h"
#include <string.h>

/* The bytes of a character that follow its first; -1: none begins so. */
static int utf8_more(unsigned char first) {
  if (first < 0x80) return 0;
  if (first < 0xc2 || first >= 0xf5) return -1;
  if (first < 0xe0) return 1;
  return first < 0xf0 ? 2 : 3;
}

/* The bytes of the character that n bytes begin with; 0: of none. */
static size_t utf8_character(const char *text, size_t n) {
  const unsigned char *c = (const unsigned char *)text;
  int more = utf8_more(*c);
  if (more < 0 || n <= (size_t)more) return 0;
  for (int i = 1; i <= more; i++)
    if ((c[i] & 0xc0) != 0x80) return 0;
  if ((*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) || (*c == 0xf0 && c[1] < 0x90) ||
      (*c == 0xf4 && c[1] > 0x8f))
    return 0;
  return (size_t)more + 1;
}

bool clg_utf8_ok(const char *text, size_t n) {
  for (size_t at = 0, size; at < n; at += size)
    if (!(size = utf8_character(text + at, n - at))) return false;
  return true;
}

/* As it stands: how many bytes from the first on. */
static size_t plain(const char *text) {
  size_t n = 0, left = strnlen(text, 4096 + 4);
  for (size_t size; n < left && n < 4096; n += size)
    if ((unsigned char)text[n] < 0x20 || text[n] == '"' || text[n] == '\\' ||
        !(size = utf8_character(text + n, left - n)))
      break;
  return n;
}

void clg_str_add_escaped(clg_str *s, const char *text) {
  while (*text) {
    size_t n = plain(text);
    unsigned char c = (unsigned char)text[n];
    clg_str_addf(s, "%.*s", (int)n, text);
    text += n;
    if (n >= 4096 || !c) continue;
    if (c == '"' || c == '\\')
      clg_str_addf(s, "\\%c", c);
    else
      clg_str_addf(s, c < 0x20 ? "\\u%04x" : "\\\\x%02X", (unsigned)c);
    text++;
  }
}

void clg_str_add_quoted(clg_str *s, const char *text) {
  clg_str_add(s, "\"");
  clg_str_add_escaped(s, text);
  clg_str_add(s, "\"");
}
