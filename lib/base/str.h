/* A growing string that remembers failure: append freely, look at `failed` once. */
#ifndef CLG_BASE_STR_H
#define CLG_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

typedef struct clg_str {
  char *data; /* NUL-terminated once anything was added; NULL before */
  size_t len, cap;
  bool failed; /* out of host memory: data is incomplete */
} clg_str;

void clg_str_add(clg_str *s, const char *text);
/* printf; never use it for floating-point numbers, whose text follows the locale: clg_str_add_float. */
void clg_str_addf(clg_str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The shortest decimal that reads back as the same float, with '.' in every locale: "0.2f". Infinities and NaN as
 * INFINITY, NAN. */
void clg_str_add_float(clg_str *s, float v);
/* The same for a double, without the suffix: "0.1", "2", "1e-8". */
void clg_str_add_double(clg_str *s, double v);
void clg_str_free(clg_str *s);

/* 64-bit FNV-1a, continued from `h` (start with CLG_HASH_START). */
#define CLG_HASH_START 0xcbf29ce484222325ull
unsigned long long clg_hash(unsigned long long h, const void *data, size_t n);

#endif
