/* What happens to every picture, whatever decodes it. */
#include "image.h"
#include "input.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool image_make_room(image *i, const char *path, uint32_t width, uint32_t height, message *why) {
  if (!width || !height || (size_t)height > IMAGE_MAX_PIXELS / width)
    return fail(why, "%s: %ux%u pixels are not possible here", path, (unsigned)width, (unsigned)height);
  i->width = width, i->height = height;
  i->pixels = malloc((size_t)width * height * i->channels);
  i->no_memory = !i->pixels;
  return i->pixels || fail_no_memory(why);
}

/* ---- to the channels that are wanted, in place ---- */

static uint8_t over_black(uint8_t v, uint8_t alpha) { return (uint8_t)((v * alpha + 127) / 255); }

/* Of encoded values, in libjpeg's fixed point. */
static uint8_t luma(const uint8_t rgb[3]) {
  return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

static void convert(image *i, uint32_t channels) {
  uint32_t from = i->channels, colours = from < 3 ? 1 : 3;
  size_t area = (size_t)i->width * i->height;
  uint8_t *to = i->pixels;
  for (size_t k = 0; k < area; k++, to += channels) {
    uint8_t pixel[4];
    memcpy(pixel, i->pixels + k * from, from);
    for (uint32_t c = 0; from > colours && c < colours; c++) pixel[c] = over_black(pixel[c], pixel[colours]);
    if (channels < colours) pixel[0] = luma(pixel);
    memcpy(to, pixel, channels);
  }
  i->channels = channels;
}

/* Grey becomes colour in new memory: it grows. */
static bool spread(image *i) {
  size_t area = (size_t)i->width * i->height;
  uint8_t *wide = malloc(area * 3);
  i->no_memory = !wide;
  if (!wide) return false;
  for (size_t k = 0; k < area * 3; k++) wide[k] = i->pixels[k / 3];
  free(i->pixels);
  i->pixels = wide;
  i->channels = 3;
  return true;
}

/* ---- the side up ---- */

/* Exif's orientations: 5 to 8 swap the axes; then columns, or rows, run backward. */
static bool turn(image *i) {
  int o = i->orientation;
  bool swap = o >= 5, back_x = o == 2 || o == 3 || o == 6 || o == 7, back_y = o == 3 || o == 4 || o == 7 || o == 8;
  uint32_t width = swap ? i->height : i->width, height = swap ? i->width : i->height, n = i->channels;
  uint8_t *turned = o > 1 ? malloc((size_t)width * height * n) : NULL;
  i->no_memory = o > 1 && !turned;
  if (!turned) return o <= 1;
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++) {
      size_t fx = back_x ? width - 1 - x : x, fy = back_y ? height - 1 - y : y;
      size_t from = swap ? fx * i->width + fy : fy * i->width + fx;
      memcpy(turned + ((size_t)y * width + x) * n, i->pixels + from * n, n);
    }
  free(i->pixels);
  i->pixels = turned, i->width = width, i->height = height, i->orientation = 1;
  return true;
}

/* ---- files ---- */

/* What people name .png and .jpg all the same. */
static const char *other_kind(const uint8_t head[12]) {
  if (!memcmp(head, "GIF8", 4)) return "a GIF";
  if (!memcmp(head, "BM", 2)) return "a BMP";
  if (!memcmp(head, "II*\0", 4) || !memcmp(head, "MM\0*", 4)) return "a TIFF";
  if (!memcmp(head, "RIFF", 4) && !memcmp(head + 8, "WEBP", 4)) return "a WebP";
  if (!memcmp(head + 4, "ftypavif", 8)) return "an AVIF";
  if (!memcmp(head + 4, "ftyphei", 7) || !memcmp(head + 4, "ftypmif", 7)) return "a HEIF";
  if (!memcmp(head, "\0\0\0\014jP  ", 8)) return "a JPEG 2000";
  return NULL;
}

static bool decode(image *i, const char *path, FILE *file, message *why) {
  uint8_t head[12] = {0};
  size_t n = fread(head, 1, sizeof head, file);
  if (ferror(file) || fseek(file, 0, SEEK_SET) != 0) return fail(why, "%s: cannot read", path);
  if (!memcmp(head, "\211PNG\r\n\032\n", 8)) return image_decode_png(i, path, file, why);
  if (head[0] == 0xff && head[1] == 0xd8) return image_decode_jpeg(i, path, file, why);
  const char *kind = other_kind(head);
  if (kind) return fail(why, "%s: neither a PNG nor a JPEG file: it is %s file", path, kind);
  return fail(why, "%s: neither a PNG nor a JPEG file%s", path, n ? "" : ": it is empty");
}

static bool finish(image *i, uint32_t channels, message *why) {
  if (!channels) channels = i->channels < 3 ? 1 : 3;
  bool grows = channels == 3 && i->channels < 3;
  convert(i, grows ? 1 : channels);
  return (!grows || spread(i)) && turn(i) ? true : fail_no_memory(why);
}

bool image_read(image *i, const char *path, uint32_t channels, message *why) {
  *i = (image){.orientation = 1};
  int fd = input_open(path, why);
  if (fd < 0) return false;
  FILE *file = fdopen(fd, "rb");
  i->no_memory = !file;
  if (!file) return close(fd), fail_no_memory(why);
  bool ok = decode(i, path, file, why) && finish(i, channels, why);
  fclose(file);
  if (!ok) image_free(i);
  return ok;
}

void image_free(image *i) {
  free(i->pixels);
  i->pixels = NULL;
}
