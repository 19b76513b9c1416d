/* Growing strings, numbers as text in every locale, and the hash. Owns nothing but each string's data. */
#include "base/str.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for `more` characters and the NUL. */
static bool reserve(clg_str *s, size_t more) {
  if (s->failed) return false;
  if (more < s->cap - s->len) return true; /* cap - len counts the NUL */
  size_t cap = s->cap ? s->cap : 64;
  while (cap - s->len <= more) {
    if (cap > (size_t)-1 / 2) return !(s->failed = true);
    cap *= 2;
  }
  char *data = realloc(s->data, cap);
  if (!data) return !(s->failed = true);
  s->data = data;
  s->cap = cap;
  return true;
}

static void add_n(clg_str *s, const char *text, size_t n) {
  if (!reserve(s, n)) return;
  memcpy(s->data + s->len, text, n);
  s->len += n;
  s->data[s->len] = '\0';
}

void clg_str_add(clg_str *s, const char *text) { add_n(s, text, strlen(text)); }

void clg_str_addf(clg_str *s, const char *fmt, ...) {
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  if (n < 0) {
    s->failed = true;
  } else if (reserve(s, (size_t)n)) {
    vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
    s->len += (size_t)n;
  }
  va_end(again);
  va_end(ap);
}

void clg_str_free(clg_str *s) {
  free(s->data);
  *s = (clg_str){0};
}

/* v > 0 as digits d, dd, ddd, ... and the power of ten of the first one: the fewest that read back as v. snprintf's
 * decimal point may be anything: only digits are taken from its text, and the text read back is a whole number with an
 * exponent. */
#define MOST_DIGITS 17
static int shortest(double v, bool single, char digits[MOST_DIGITS + 1], int *power) {
  int n = 0;
  for (int want = 1; want <= MOST_DIGITS; want++) {
    char text[48], whole[48];
    snprintf(text, sizeof text, "%.*e", want - 1, v);
    const char *c = text;
    for (n = 0; *c && *c != 'e'; c++)
      if (*c >= '0' && *c <= '9' && n < MOST_DIGITS) digits[n++] = *c;
    digits[n] = '\0';
    *power = *c ? (int)strtol(c + 1, NULL, 10) : 0;
    snprintf(whole, sizeof whole, "%se%d", digits, *power - (n - 1));
    if (single ? strtof(whole, NULL) == (float)v : strtod(whole, NULL) == v) break;
  }
  return n;
}

/* Plain digits for powers of ten in [-5, most), an exponent outside. */
static void add_decimal(clg_str *s, double v, bool single) {
  const int most = single ? 9 : 15;
  char digits[MOST_DIGITS + 1];
  int power = 0, n = 1;
  if (signbit(v)) clg_str_add(s, "-");
  if (v == 0) {
    strcpy(digits, "0");
  } else {
    n = shortest(fabs(v), single, digits, &power);
  }
  if (power < -5 || power >= most) {
    add_n(s, digits, 1);
    if (n > 1) clg_str_addf(s, ".%s", digits + 1);
    clg_str_addf(s, "e%d", power);
  } else if (power < 0) {
    clg_str_addf(s, "0.%.*s%s", -power - 1, "0000", digits);
  } else if (n > power + 1) {
    add_n(s, digits, (size_t)power + 1);
    clg_str_addf(s, ".%s", digits + power + 1);
  } else {
    clg_str_add(s, digits);
    for (int i = n; i <= power; i++) clg_str_add(s, "0");
    if (single) clg_str_add(s, ".0");
  }
  if (single) clg_str_add(s, "f");
}

static bool add_special(clg_str *s, double v) {
  if (isfinite(v)) return false;
  if (v < 0) clg_str_add(s, "-");
  clg_str_add(s, isnan(v) ? "NAN" : "INFINITY");
  return true;
}

void clg_str_add_float(clg_str *s, float v) {
  if (!add_special(s, (double)v)) add_decimal(s, (double)v, true);
}

void clg_str_add_double(clg_str *s, double v) {
  if (!add_special(s, v)) add_decimal(s, v, false);
}

unsigned long long clg_hash(unsigned long long h, const void *data, size_t n) {
  const unsigned char *byte = data;
  for (size_t i = 0; i < n; i++) h = (h ^ byte[i]) * 0x100000001b3ull;
  return h;
}
