/* Decodes PNG through libpng's simplified interface and JPEG through libjpeg. Neither may print or exit: libjpeg
 * reports errors by a long jump to read_jpeg. */
#include "image.h"
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* jpeglib.h wants stdio.h before it. */
#include <jpeglib.h>

static bool make_room(image *i, const char *path, uint32_t width, uint32_t height, message *why) {
  if (!width || !height || (size_t)height > IMAGE_MAX_PIXELS / width)
    return fail(why, "%s: %ux%u pixels are not possible here", path, (unsigned)width, (unsigned)height);
  i->width = width, i->height = height;
  i->pixels = malloc((size_t)width * height * i->channels);
  return i->pixels || fail_no_memory(why);
}

/* ---- PNG ---- */

static bool read_png(image *i, const char *path, FILE *file, uint32_t channels, message *why) {
  png_image png = {.version = PNG_IMAGE_VERSION};
  const png_color black = {0, 0, 0};
  bool ok = png_image_begin_read_from_stdio(&png, file) && !PNG_IMAGE_FAILED(png);
  if (ok) {
    i->channels = channels ? channels : png.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
    png.format = i->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    if (!make_room(i, path, png.width, png.height, why)) return png_image_free(&png), false;
    ok = png_image_finish_read(&png, &black, i->pixels, 0, NULL) && !PNG_IMAGE_FAILED(png);
  }
  if (!ok) fail(why, "%s: damaged PNG file (%s)", path, png.message);
  png_image_free(&png);
  return ok;
}

/* ---- JPEG ---- */

typedef struct jpeg_reader {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  jmp_buf out;
  char text[JMSG_LENGTH_MAX];
} jpeg_reader;

static void jpeg_fails(j_common_ptr info) {
  jpeg_reader *r = info->client_data;
  info->err->format_message(info, r->text);
  longjmp(r->out, 1);
}

/* A file that ends early or is damaged would only be a warning, and grey below. */
static void jpeg_warns(j_common_ptr info, int level) {
  if (level < 0) jpeg_fails(info);
}

static bool decode_jpeg(jpeg_reader *r, image *i, const char *path, FILE *file, uint32_t channels, message *why) {
  jpeg_stdio_src(&r->info, file);
  jpeg_read_header(&r->info, TRUE);
  i->channels = channels ? channels : r->info.num_components == 1 ? 1 : 3;
  r->info.out_color_space = i->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  if (!make_room(i, path, r->info.image_width, r->info.image_height, why)) return false;
  jpeg_start_decompress(&r->info);
  while (r->info.output_scanline < r->info.output_height) {
    JSAMPROW row = i->pixels + (size_t)r->info.output_scanline * i->width * i->channels;
    jpeg_read_scanlines(&r->info, &row, 1);
  }
  jpeg_finish_decompress(&r->info);
  return true;
}

static bool read_jpeg(image *i, const char *path, FILE *file, uint32_t channels, message *why) {
  jpeg_reader *r = calloc(1, sizeof *r);
  if (!r) return fail_no_memory(why);
  r->info.err = jpeg_std_error(&r->errors);
  r->errors.error_exit = jpeg_fails;
  r->errors.emit_message = jpeg_warns;
  r->info.client_data = r;
  bool ok = false;
  if (setjmp(r->out)) {
    fail(why, "%s: damaged JPEG file (%s)", path, r->text);
  } else {
    jpeg_create_decompress(&r->info);
    r->info.client_data = r;
    ok = decode_jpeg(r, i, path, file, channels, why);
  }
  jpeg_destroy_decompress(&r->info);
  free(r);
  return ok;
}

bool image_read(image *i, const char *path, uint32_t channels, message *why) {
  uint8_t head[8] = {0};
  *i = (image){0};
  FILE *file = fopen(path, "rb");
  if (!file) return fail(why, "%s: cannot open: %s", path, strerror(errno));
  size_t n = fread(head, 1, sizeof head, file);
  bool ok = !ferror(file) && fseek(file, 0, SEEK_SET) == 0;
  if (!ok)
    fail(why, "%s: cannot read", path);
  else if (n == sizeof head && !png_sig_cmp(head, 0, sizeof head))
    ok = read_png(i, path, file, channels, why);
  else if (n > 2 && head[0] == 0xff && head[1] == 0xd8)
    ok = read_jpeg(i, path, file, channels, why);
  else
    ok = fail(why, "%s: neither a PNG nor a JPEG file", path);
  fclose(file);
  if (!ok) image_free(i);
  return ok;
}

void image_free(image *i) {
  free(i->pixels);
  i->pixels = NULL;
}
