/* Text from outside as JSON. */
#ifndef CLG_APPS_JSON_TEXT_H
#define CLG_APPS_JSON_TEXT_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of files and drivers' strings need not be UTF-8: a byte that is none is shown as "\xE4". NULL: no memory. */
static inline json_t *json_text(const char *s) {
  char *to = malloc(4 * strlen(s) + 1), *end = to;
  if (!to) return NULL;
  while (*s) {
    size_t n = 1, most = strnlen(s, 4);
    json_t *character = NULL;
    while (n <= most && !(character = json_stringn(s, n))) n++;
    if (character)
      memcpy(end, s, n), end += n, s += n;
    else
      end += sprintf(end, "\\x%02X", (unsigned char)*s++);
    json_decref(character);
  }
  *end = 0;
  json_t *text = json_string(to);
  free(to);
  return text;
}

#endif
