/* Resizing of images: separable triangle filter, as wide as a step of the output where that is coarser (bilinear with
 * antialiasing, as Pillow's). */
#ifndef GAN_RESIZE_H
#define GAN_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each place of the output takes from the input, along one side. */
typedef struct resize_side {
  uint32_t in, out, most;  /* most: taps of a place */
  uint32_t *first, *count; /* [out] */
  float *weight;           /* [out, most] */
} resize_side;

typedef struct resizer {
  resize_side rows, columns;
  float *between; /* [rows.in, columns.out] */
} resizer;

/* False: out of memory. resizer_free takes a half-made one too. */
bool resizer_make(resizer *r, uint32_t in_height, uint32_t in_width, uint32_t out_height, uint32_t out_width);
void resizer_free(resizer *r);
/* One plane: pixel (y, x) is at from[y * row + x * pixel]; out is [out_height, out_width]. */
void resizer_run(resizer *r, const uint8_t *from, size_t row, size_t pixel, uint8_t *out);

#endif
