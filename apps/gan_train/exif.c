/* The one field of Exif data that decides what a picture shows: TIFF's tag 274 in the first directory. */
#include "image.h"
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3

typedef struct tiff {
  const uint8_t *bytes;
  size_t n;
  bool little;
} tiff;

/* 0 beyond the end. */
static uint32_t word(const tiff *t, size_t at, size_t size) {
  uint32_t v = 0;
  if (at > t->n || t->n - at < size) return 0;
  for (size_t i = 0; i < size; i++) v = v << 8 | t->bytes[at + (t->little ? size - 1 - i : i)];
  return v;
}

int exif_orientation(const uint8_t *block, size_t n) {
  tiff t = {block, n, n && *block == 'I'};
  if (n < 8 || (memcmp(block, "II*\0", 4) && memcmp(block, "MM\0*", 4))) return 1;
  size_t at = word(&t, 4, 4);
  uint32_t entries = word(&t, at, 2);
  at += 2;
  for (; entries && at < n; entries--, at += 12)
    if (word(&t, at, 2) == TAG_ORIENTATION && word(&t, at + 2, 2) == TYPE_SHORT) {
      uint32_t value = word(&t, at + 8, 2);
      return value >= 1 && value <= 8 ? (int)value : 1;
    }
  return 1;
}
