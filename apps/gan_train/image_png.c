/* PNG through libpng, which may neither print nor exit: it reports errors by a long jump to image_decode_png. */
#include "image.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>

typedef struct png_reader {
  png_structp png;
  png_infop info;
  png_bytep *rows;
  char text[200];
  bool no_memory;
} png_reader;

static void on_error(png_structp png, png_const_charp text) {
  png_reader *r = png_get_error_ptr(png);
  snprintf(r->text, sizeof r->text, "%s", text);
  png_longjmp(png, 1);
}

/* An odd profile or text, a checksum of what is no pixel. */
static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

/* Grey or colour of 8 bits, with or without alpha. Values stay as they are encoded; a file that says that its own
 * encoding is another than sRGB's is brought to that. */
static void ask_for_bytes(png_reader *r) {
  double gamma;
  png_set_expand(r->png);
  png_set_scale_16(r->png);
  if (png_get_gAMA(r->png, r->info, &gamma)) png_set_gamma(r->png, PNG_DEFAULT_sRGB, gamma);
  png_set_interlace_handling(r->png);
  png_read_update_info(r->png, r->info);
}

static void note_orientation(png_reader *r, image *i) {
#ifdef PNG_eXIf_SUPPORTED
  png_bytep block;
  png_uint_32 n;
  if (png_get_eXIf_1(r->png, r->info, &n, &block)) i->orientation = exif_orientation(block, n);
#else
  (void)r, (void)i;
#endif
}

static bool decode(png_reader *r, image *i, const char *path, FILE *file, message *why) {
  png_init_io(r->png, file);
  png_read_info(r->png, r->info);
  ask_for_bytes(r);
  note_orientation(r, i);
  i->channels = png_get_channels(r->png, r->info);
  if (!image_make_room(i, path, png_get_image_width(r->png, r->info), png_get_image_height(r->png, r->info), why))
    return false;
  r->rows = malloc(i->height * sizeof *r->rows);
  i->no_memory = !r->rows;
  if (!r->rows) return fail_no_memory(why);
  for (size_t y = 0; y < i->height; y++) r->rows[y] = i->pixels + y * i->width * i->channels;
  png_read_image(r->png, r->rows); /* what follows the last row shows nothing */
  return true;
}

bool image_decode_png(image *i, const char *path, FILE *file, message *why) {
  png_reader *r = calloc(1, sizeof *r);
  i->no_memory = !r;
  if (!r) return fail_no_memory(why);
  bool ok = false;
  r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
  if (r->png) r->info = png_create_info_struct(r->png);
  if (!r->info) {
    i->no_memory = true;
    fail_no_memory(why);
  } else if (setjmp(png_jmpbuf(r->png))) {
    ok = false;
    i->no_memory = strstr(r->text, "memory") != NULL;
    /* Such a chunk is an extension of the format, as Xcode's CgBI is. */
    bool other = strstr(r->text, "unhandled critical chunk") != NULL;
    if (i->no_memory)
      fail_no_memory(why);
    else
      fail(why, other ? "%s: a PNG file of a kind that is not read (%s)" : "%s: damaged PNG file (%s)", path, r->text);
  } else {
    ok = decode(r, i, path, file, why);
  }
  png_destroy_read_struct(r->png ? &r->png : NULL, r->info ? &r->info : NULL, NULL);
  free(r->rows);
  free(r);
  return ok;
}
