/* A variable of the environment that a test changes, and gives back. */
#ifndef CLG_TESTS_KEPT_H
#define CLG_TESTS_KEPT_H

#include <stdlib.h>
#include <string.h>

typedef struct kept {
  const char *name;
  char *value; /* NULL: it was not set */
} kept;

static inline kept keep_variable(const char *name) {
  const char *value = getenv(name);
  return (kept){name, value ? strdup(value) : NULL};
}
static inline void give_variable_back(kept k) {
  if (k.value)
    setenv(k.name, k.value, 1);
  else
    unsetenv(k.name);
  free(k.value);
}

#endif
