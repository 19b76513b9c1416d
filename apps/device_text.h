/* A driver's string as JSON. */
#ifndef CLG_APPS_DEVICE_TEXT_H
#define CLG_APPS_DEVICE_TEXT_H

#include <jansson.h>

/* Drivers' strings need not be UTF-8. */
static inline json_t *device_text(const char *s) {
  char clean[600];
  size_t n = 0;
  for (; s[n] && n + 1 < sizeof clean; n++)
    clean[n] = (unsigned char)s[n] < 128 && (unsigned char)s[n] >= 32 ? s[n] : '?';
  clean[n] = 0;
  return json_string(clean);
}

#endif
