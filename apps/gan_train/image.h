/* Decodes picture files of people: PNG and JPEG, told apart by their first bytes. */
#ifndef GAN_IMAGE_H
#define GAN_IMAGE_H

#include "message.h"
#include <stddef.h>
#include <stdint.h>

/* Most pixels of a picture that is decoded. */
#define IMAGE_MAX_PIXELS ((size_t)1 << 26)

typedef struct image {
  uint32_t width, height, channels; /* 1: grey, 3: red, green, blue */
  uint8_t *pixels;                  /* [height, width, channels] */
} image;

/* `channels` 1 or 3 converts; 0 keeps grey grey and makes all else 3. Transparent places are black. */
bool image_read(image *i, const char *path, uint32_t channels, message *why);
void image_free(image *i);

#endif
