/* Numbers as this room's files have them. */
#ifndef CLG_IO_LITTLE_ENDIAN_H
#define CLG_IO_LITTLE_ENDIAN_H

#include <stddef.h>
#include <stdint.h>

/* The files are little-endian: turns n words of 4 bytes around where the host is not. */
static inline void clg_little_words(void *words, size_t n) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  uint32_t *w = words;
  for (size_t i = 0; i < n; i++) w[i] = __builtin_bswap32(w[i]);
#else
  (void)words, (void)n;
#endif
}
static inline uint64_t clg_little_get(const unsigned char *bytes, int n) {
  uint64_t v = 0;
  for (int i = n; i-- > 0;) v = v << 8 | bytes[i];
  return v;
}
static inline void clg_little_put(unsigned char *bytes, int n, uint64_t v) {
  for (int i = 0; i < n; i++, v >>= 8) bytes[i] = (unsigned char)v;
}

#endif
