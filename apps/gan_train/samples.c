/* Draws generated items: a grid of images, or points beside the modes of the ring. */
#include "samples.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>

#define GRID           8
#define GAP            2
#define SCATTER_SIDE   256
#define SCATTER_POINTS 1024

typedef struct picture {
  uint32_t width, height, channels;
  uint8_t *bytes; /* [height, width, channels] */
} picture;

void samples_size(const data *d, uint32_t *width, uint32_t *height) {
  *width = d->is_ring ? SCATTER_SIDE : GRID * (d->width + GAP) + GAP;
  *height = d->is_ring ? SCATTER_SIDE : GRID * (d->height + GAP) + GAP;
}

size_t samples_wanted(const data *d) { return d->is_ring ? SCATTER_POINTS : GRID * GRID; }

static uint8_t byte_of(float v) { return (uint8_t)(v > 0 ? v < 1 ? v * 255 + 0.5f : 255 : 0); } /* NaN is black */

static bool make_blank(picture *p, const data *d, uint32_t channels) {
  samples_size(d, &p->width, &p->height);
  size_t size = (size_t)p->width * p->height * channels;
  p->channels = channels;
  p->bytes = malloc(size);
  if (p->bytes) memset(p->bytes, 255, size);
  return p->bytes;
}

/* An item's planes become the bytes of pixels. */
static void draw_item(picture *p, const data *d, const float *item, size_t top, size_t left) {
  for (uint32_t c = 0; c < d->channels; c++)
    for (uint32_t y = 0; y < d->height; y++)
      for (uint32_t x = 0; x < d->width; x++)
        p->bytes[((top + y) * p->width + left + x) * d->channels + c] = byte_of(*item++);
}

static bool draw_grid(picture *p, const data *d, const float *items, size_t n) {
  uint32_t across = d->width + GAP, down = d->height + GAP;
  if (!make_blank(p, d, d->channels)) return false;
  for (size_t i = 0; i < n; i++)
    draw_item(p, d, items + i * d->features, GAP + i / GRID * down, GAP + i % GRID * across);
  return true;
}

/* A square dot around a point of the unit square, whose y points up. */
static void draw_dot(picture *p, const float xy[2], int radius, uint8_t grey) {
  int cx = (int)(xy[0] * (float)p->width), cy = (int)((1 - xy[1]) * (float)p->height);
  for (int y = cy - radius; y <= cy + radius; y++)
    for (int x = cx - radius; x <= cx + radius; x++)
      if (x >= 0 && y >= 0 && x < (int)p->width && y < (int)p->height)
        p->bytes[(size_t)y * p->width + (size_t)x] = grey;
}

static bool draw_scatter(picture *p, const data *d, const float *items, size_t n) {
  if (!make_blank(p, d, 1)) return false;
  for (int mode = 0; mode < RING_MODES; mode++) {
    float centre[2];
    ring_centre(mode, centre);
    draw_dot(p, centre, 8, 208);
  }
  for (size_t i = 0; i < n; i++) {
    const float *xy = items + 2 * i;
    if (xy[0] >= 0 && xy[0] <= 1 && xy[1] >= 0 && xy[1] <= 1) draw_dot(p, xy, 1, 0);
  }
  return true;
}

/* The picture as a file of its own in memory, to be freed; NULL: no memory. */
static void *encode(const picture *p, size_t *n) {
  png_image png = {.version = PNG_IMAGE_VERSION, .width = p->width, .height = p->height};
  png.format = p->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  void *file = malloc(size);
  bool ok = file && png_image_write_to_memory(&png, file, &size, 0, p->bytes, 0, NULL);
  *n = size;
  if (ok) return file;
  free(file);
  return NULL;
}

void *samples_png(const data *d, const float *items, size_t n, size_t *n_bytes) {
  picture p = {0};
  bool drawn = d->is_ring ? draw_scatter(&p, d, items, n) : draw_grid(&p, d, items, n);
  void *file = drawn ? encode(&p, n_bytes) : NULL;
  free(p.bytes);
  return file;
}

bool samples_save(const outputs *to, const char *path, const data *d, const float *items, size_t n, message *why) {
  size_t size = 0;
  void *file = samples_png(d, items, n, &size);
  bool ok = file ? outputs_write(to, path, file, size, why) : fail_no_memory(why);
  free(file);
  return ok;
}
