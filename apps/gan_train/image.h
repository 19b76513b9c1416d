/* Decodes picture files of people: PNG and JPEG, told apart by their first bytes. All come to the same numbers by one
 * way: values as the file encodes them (16 bits rounded to 8), transparency over black, colour to grey by Rec. 601's
 * luma, the side up that Exif says is up. */
#ifndef GAN_IMAGE_H
#define GAN_IMAGE_H

#include "message.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Most pixels of a picture that is decoded. */
#define IMAGE_MAX_PIXELS ((size_t)1 << 26)

typedef struct image {
  uint32_t width, height, channels; /* 1: grey, 3: red, green, blue; while it is decoded, 2 and 4 have alpha behind */
  uint8_t *pixels;                  /* [height, width, channels] */
  int orientation;                  /* Exif's; 1: as it is, which is what image_read leaves */
  bool no_memory;                   /* why it could not be read: it is not the file's fault */
} image;

/* `channels` 1 or 3 converts; 0 keeps grey grey and makes all else 3. */
bool image_read(image *i, const char *path, uint32_t channels, message *why);
void image_free(image *i);

/* ---- the decoders: channels and pixels as the file has them; what was allocated is image_read's to free ---- */

bool image_decode_png(image *i, const char *path, FILE *file, message *why);
bool image_decode_jpeg(image *i, const char *path, FILE *file, message *why);
/* Memory for the pixels of an image whose channels are set. */
bool image_make_room(image *i, const char *path, uint32_t width, uint32_t height, message *why);
/* The orientation that a block of Exif data states; 1 if it states none. */
int exif_orientation(const uint8_t *block, size_t n);

#endif
