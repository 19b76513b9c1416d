/* UTF-8, and quoted strings for what the library writes. */
#ifndef CLG_BASE_TEXT_H
#define CLG_BASE_TEXT_H

#include "base/str.h"

/* Well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
bool clg_utf8_ok(const char *text, size_t n);
/* Adds `text` escaped as in a JSON string, a byte that is no UTF-8 as the four characters \xE4. */
void clg_str_add_escaped(clg_str *s, const char *text);
/* The same in quotes. */
void clg_str_add_quoted(clg_str *s, const char *text);

#endif
