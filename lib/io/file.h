/* Files as this room uses them: checked reads at a place; device/output.h writes them. */
#ifndef CLG_IO_FILE_H
#define CLG_IO_FILE_H

#include "device/output.h"

typedef struct clg_input {
  clg_context *ctx;
  const char *op; /* whose errors they are */
  char *path;
  int fd;
  uint64_t size; /* when it was opened */
} clg_input;

/* A regular file; anything else is refused, so that a pipe cannot block. On failure there is nothing to close. */
clg_status clg_input_open(clg_input *in, clg_context *ctx, const char *op, const char *path);
/* Exactly n bytes from `at` on; a file that has become shorter is an error. */
clg_status clg_input_read(const clg_input *in, uint64_t at, void *out, size_t n);
void clg_input_close(clg_input *in);

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
