/* Draws generated items: a grid of images, or points beside the modes of the ring. */
#include "samples.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>

#define GRID 8
#define GAP 2
#define SCATTER_SIDE 256
#define SCATTER_POINTS 1024

typedef struct picture {
  uint32_t width, height;
  uint8_t *grey; /* [height, width] */
} picture;

size_t samples_wanted(const data *d) { return d->is_ring ? SCATTER_POINTS : GRID * GRID; }

static uint8_t grey_of(float v) { return (uint8_t)(v > 0 ? v < 1 ? v * 255 + 0.5f : 255 : 0); } /* NaN is black */

static bool make_blank(picture *p, uint32_t width, uint32_t height, uint8_t grey) {
  p->width = width, p->height = height;
  p->grey = malloc((size_t)width * height);
  if (p->grey) memset(p->grey, grey, (size_t)width * height);
  return p->grey;
}

static bool draw_grid(picture *p, const data *d, const float *items, size_t n) {
  uint32_t across = d->width + GAP, down = d->height + GAP;
  if (!make_blank(p, GRID * across + GAP, GRID * down + GAP, 255)) return false;
  for (size_t i = 0; i < n; i++, items += d->features) {
    size_t top = GAP + i / GRID * down, left = GAP + i % GRID * across;
    for (uint32_t y = 0; y < d->height; y++)
      for (uint32_t x = 0; x < d->width; x++)
        p->grey[(top + y) * p->width + left + x] = grey_of(items[y * d->width + x]);
  }
  return true;
}

/* A square dot around a point of the unit square, whose y points up. */
static void draw_dot(picture *p, const float xy[2], int radius, uint8_t grey) {
  int cx = (int)(xy[0] * (float)p->width), cy = (int)((1 - xy[1]) * (float)p->height);
  for (int y = cy - radius; y <= cy + radius; y++)
    for (int x = cx - radius; x <= cx + radius; x++)
      if (x >= 0 && y >= 0 && x < (int)p->width && y < (int)p->height) p->grey[(size_t)y * p->width + (size_t)x] = grey;
}

static bool draw_scatter(picture *p, const float *items, size_t n) {
  if (!make_blank(p, SCATTER_SIDE, SCATTER_SIDE, 255)) return false;
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

/* libpng would print. */
static void on_error(png_structp png, png_const_charp text) {
  (void)text;
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

/* libpng reports errors by a long jump: everything it allocates hangs on these two pointers. */
static bool write_png(FILE *to, const picture *p) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
  if (!png) return false;
  png_infop info = png_create_info_struct(png);
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_init_io(png, to);
  png_set_IHDR(png, info, p->width, p->height, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (uint32_t y = 0; y < p->height; y++) png_write_row(png, p->grey + (size_t)y * p->width);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  return true;
}

bool samples_write(FILE *to, const data *d, const result *r, message *why) {
  picture p = {0};
  bool drawn = d->is_ring ? draw_scatter(&p, r->samples, r->n_samples) : draw_grid(&p, d, r->samples, r->n_samples);
  if (!drawn) return fail_no_memory(why);
  bool ok = write_png(to, &p);
  free(p.grey);
  return ok || fail(why, "cannot write the picture of the samples");
}
