/* A text that grows: HTML. Markup is ours; what comes from outside goes through html_text. Without memory for more it
 * is marked as failed, and stays as it was. */
#ifndef GAN_REPORT_HTML_H
#define GAN_REPORT_HTML_H

#include <stdbool.h>
#include <stddef.h>

typedef struct html {
  char *text; /* ends with a NUL unless NULL; to be freed */
  size_t n, room;
  bool failed; /* no memory */
} html;

void html_add(html *h, const char *bytes, size_t n);
/* Markup; strings among the arguments are ours. */
void html_put(html *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text of any kind: what means something in HTML is escaped, bytes that are no UTF-8 are shown as "\xE4", control
 * characters but newlines as "?". It may stand in an attribute between double quotes. */
void html_text(html *h, const char *text);
/* The same in an element that keeps its direction of writing to itself: names of files and devices. */
void html_name(html *h, const char *name);
void html_base64(html *h, const void *bytes, size_t n);
/* A figure with the number behind it, and where in the JSON that is: a pointer, or two with "-" or "/" between. */
void html_figure(html *h, double value, const char *from, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
