/* Reads the JSON of file headers. No recursion, no allocation while reading: headers are hostile input. */
#include "io/json.h"
#include <string.h>

static bool problem(clg_json *j, const char *text) {
  if (!j->problem) j->problem = text;
  return false;
}

static void skip_space(clg_json *j) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) j->at++;
}

bool clg_json_is(clg_json *j, char c) {
  skip_space(j);
  if (j->problem || j->at >= j->end || *j->at != c) return false;
  j->at++;
  return true;
}

bool clg_json_want(clg_json *j, char c) {
  if (clg_json_is(j, c)) return true;
  switch (c) {
  case '{': return problem(j, "'{' is missing");
  case '}': return problem(j, "',' or '}' is missing");
  case ']': return problem(j, "',' or ']' is missing");
  case '[': return problem(j, "'[' is missing");
  case ':': return problem(j, "':' is missing");
  default: return problem(j, "',' is missing");
  }
}

bool clg_json_end(clg_json *j) {
  skip_space(j);
  return !j->problem && (j->at == j->end || problem(j, "there is more after its end"));
}

bool clg_json_whole(clg_json *j, int64_t *value) {
  skip_space(j);
  const char *start = j->at;
  int64_t v = 0;
  for (; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++) {
    int digit = *j->at - '0';
    if (v > (INT64_MAX - digit) / 10) return problem(j, "a number is too large");
    v = 10 * v + digit;
  }
  if (j->at == start || (*start == '0' && j->at - start > 1)) return problem(j, "a whole number is missing");
  *value = v;
  return !j->problem;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static long hex4(clg_json *j) {
  long v = 0;
  if (j->end - j->at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex(*j->at++);
    if (digit < 0) return -1;
    v = v << 4 | digit;
  }
  return v;
}

static char *put_utf8(char *to, unsigned long c) {
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xc0 | c >> 6);
    *to++ = (char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *to++ = (char)(0xe0 | c >> 12);
    *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    *to++ = (char)(0x80 | (c & 0x3f));
  } else {
    *to++ = (char)(0xf0 | c >> 18);
    *to++ = (char)(0x80 | (c >> 12 & 0x3f));
    *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    *to++ = (char)(0x80 | (c & 0x3f));
  }
  return to;
}

/* After "\u". The text never grows: six characters become three bytes at most, twelve become four. NULL: not valid. */
static char *unicode_escape(clg_json *j, char *to) {
  long c = hex4(j);
  if (c >= 0xd800 && c < 0xdc00 && j->end - j->at >= 6 && j->at[0] == '\\' && j->at[1] == 'u') {
    j->at += 2;
    long low = hex4(j);
    if (low < 0xdc00 || low > 0xdfff) return NULL;
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  }
  return c <= 0 || (c >= 0xd800 && c < 0xe000) ? NULL : put_utf8(to, (unsigned long)c);
}

static char *escape(clg_json *j, char *to) {
  static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
  char c = *j->at++; /* at worst the NUL at the end */
  if (c == 'u') return unicode_escape(j, to);
  const char *found = c ? strchr(from, c) : NULL;
  if (!found) return NULL;
  *to = into[found - from];
  return to + 1;
}

bool clg_json_string(clg_json *j, char **text) {
  if (!clg_json_is(j, '"')) return problem(j, "a string is missing");
  char *to = *text = j->at;
  while (j->at < j->end && *j->at != '"') {
    if ((unsigned char)*j->at < 0x20) return problem(j, "a string holds a control character");
    if (*j->at != '\\') {
      *to++ = *j->at++;
      continue;
    }
    j->at++;
    to = escape(j, to);
    if (!to || j->at > j->end) return problem(j, "a string holds an escape that is not valid");
  }
  if (j->at >= j->end) return problem(j, "a string is not closed");
  j->at++;
  *to = '\0';
  return true;
}
