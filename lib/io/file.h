/* Files as this room uses them: checked reads at a place, and output that replaces a file in one step. */
#ifndef CLG_IO_FILE_H
#define CLG_IO_FILE_H

#include "device/context.h"

/* Paths in error lines are cut to this many characters. */
#define CLG_PATH "%.160s"

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

typedef struct clg_output {
  clg_context *ctx;
  const char *op;
  char *path, *temp;
  int fd;
} clg_output;

/* Opens a new file beside `path` (beside what it links to); waits while another writer of the same path has it open. On
 * failure there is nothing to discard. */
clg_status clg_output_open(clg_output *out, clg_context *ctx, const char *op, const char *path);
clg_status clg_output_write(clg_output *out, const void *data, size_t n);
/* Puts the new file in the place of the old one once it is on the disk. Ends the output, on failure too. */
clg_status clg_output_commit(clg_output *out);
/* Removes the new file; nothing to do after commit. */
void clg_output_discard(clg_output *out);

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
