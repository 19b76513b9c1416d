/* Writes HTML. */
#include "html.h"
#include "../../json_text.h"
#include "../grown.h"
#include <stdarg.h>

static bool has_room(html *h, size_t n) {
  if (h->failed) return false;
  char *text = grown(h->text, h->n + n, &h->room, 1);
  h->failed = !text;
  if (text) h->text = text;
  return text;
}

void html_add(html *h, const char *bytes, size_t n) {
  if (!has_room(h, n)) return;
  memcpy(h->text + h->n, bytes, n);
  h->n += n;
  h->text[h->n] = 0;
}

static void put_list(html *h, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  if (n >= 0 && has_room(h, (size_t)n)) h->n += (size_t)vsnprintf(h->text + h->n, (size_t)n + 1, format, again);
  va_end(again);
}

void html_put(html *h, const char *format, ...) {
  va_list args;
  va_start(args, format);
  put_list(h, format, args);
  va_end(args);
}

static void put_character(html *h, char c) {
  static const struct {
    char c;
    const char *entity;
  } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
  for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
    if (c != entities[i].c) continue;
    html_add(h, entities[i].entity, strlen(entities[i].entity));
    return;
  }
  bool control = ((unsigned char)c < 0x20 && c != '\n') || c == 0x7f;
  html_add(h, control ? "?" : &c, 1);
}

void html_text(html *h, const char *text) {
  json_t *valid = json_text(text);
  if (!valid) h->failed = true;
  for (const char *c = valid ? json_string_value(valid) : ""; *c; c++) put_character(h, *c);
  json_decref(valid);
}

void html_name(html *h, const char *name) {
  html_put(h, "<bdi>");
  html_text(h, name);
  html_put(h, "</bdi>");
}

void html_base64(html *h, const void *bytes, size_t n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *in = bytes;
  for (size_t i = 0; i < n; i += 3) {
    unsigned word = (unsigned)in[i] << 16;
    if (i + 1 < n) word |= (unsigned)in[i + 1] << 8;
    if (i + 2 < n) word |= in[i + 2];
    char out[4] = {digits[word >> 18], digits[word >> 12 & 63], i + 1 < n ? digits[word >> 6 & 63] : '=',
                   i + 2 < n ? digits[word & 63] : '='};
    html_add(h, out, 4);
  }
}

void html_figure(html *h, double value, const char *from, const char *format, ...) {
  html_put(h, "<data value=\"%.17g\"", value);
  if (from && *from) html_put(h, " data-from=\"%s\"", from);
  html_put(h, ">");
  va_list args;
  va_start(args, format);
  put_list(h, format, args);
  va_end(args);
  html_put(h, "</data>");
}
