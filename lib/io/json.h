/* The JSON of file headers: a strict reader that decodes in place. */
#ifndef CLG_IO_JSON_H
#define CLG_IO_JSON_H

#include "base/str.h"
#include <stdint.h>

typedef struct clg_json {
  char *at, *end;      /* *end is a NUL that belongs to the text */
  const char *problem; /* the first one, or NULL */
} clg_json;

/* Skips white space; if c comes next, moves past it. */
bool clg_json_is(clg_json *j, char c);
/* The same, but anything else is a problem. */
bool clg_json_want(clg_json *j, char c);
/* A string, decoded where it stands and closed with a NUL. One with U+0000 is refused. */
bool clg_json_string(clg_json *j, char **text);
/* A whole number from 0 to 2^63 - 1. */
bool clg_json_whole(clg_json *j, int64_t *value);
/* Nothing but white space is left. */
bool clg_json_end(clg_json *j);

#endif
