/* Draws generated items: a grid of images, or points beside the modes of the ring. */
#include "samples.h"
#include "output.h"
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

size_t samples_wanted(const data *d) { return d->is_ring ? SCATTER_POINTS : GRID * GRID; }

static uint8_t byte_of(float v) { return (uint8_t)(v > 0 ? v < 1 ? v * 255 + 0.5f : 255 : 0); } /* NaN is black */

static bool make_blank(picture *p, uint32_t width, uint32_t height, uint32_t channels) {
  size_t size = (size_t)width * height * channels;
  p->width = width, p->height = height, p->channels = channels;
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
  if (!make_blank(p, GRID * across + GAP, GRID * down + GAP, d->channels)) return false;
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

static bool draw_scatter(picture *p, const float *items, size_t n) {
  if (!make_blank(p, SCATTER_SIDE, SCATTER_SIDE, 1)) return false;
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
  png_set_IHDR(png, info, p->width, p->height, 8, p->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (uint32_t y = 0; y < p->height; y++) png_write_row(png, p->bytes + (size_t)y * p->width * p->channels);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  return true;
}

bool samples_save(const char *path, const data *d, const float *items, size_t n, message *why) {
  picture p = {0};
  output out;
  if (!(d->is_ring ? draw_scatter(&p, items, n) : draw_grid(&p, d, items, n))) return fail_no_memory(why);
  bool ok = output_open(&out, path, false, why);
  if (ok) {
    ok = write_png(out.file, &p) || fail(why, "%s: cannot write the picture", path);
    ok = output_close(&out, ok, why) && ok;
  }
  free(p.bytes);
  return ok;
}

bool samples_path(char *to, size_t size, const char *path, int64_t step, message *why) {
  const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
  if (!dot || (slash && dot < slash)) dot = path + strlen(path);
  int n = snprintf(to, size, "%.*s-%06lld%s", (int)(dot - path), path, (long long)step, dot);
  return (n > 0 && (size_t)n < size) || fail(why, "the name of an output file is too long");
}
