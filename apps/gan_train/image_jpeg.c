/* JPEG through libjpeg, which may neither print nor exit: it reports errors by a long jump to image_decode_jpeg. */
#include "image.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* These want stdio.h before them. */
#include <jpeglib.h>

#include <jerror.h>

#define EXIF_MARKER (JPEG_APP0 + 1)
#define EXIF_MOST   0xffff

typedef struct jpeg_reader {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  jmp_buf out;
  bool ended_early;
} jpeg_reader;

static void on_error(j_common_ptr info) {
  jpeg_reader *r = info->client_data;
  longjmp(r->out, 1);
}

static bool is_restart(int marker) { return marker >= JPEG_RST0 && marker <= JPEG_RST0 + 7; }

/* Warnings after which pixels are lost, which libjpeg would leave grey, are errors; odd headers and stray bytes are
 * not. That the file ends early is no loss either if only the end mark is missing: that shows when all is read. */
static void on_message(j_common_ptr info, int level) {
  jpeg_reader *r = info->client_data;
  if (level >= 0) return;
  switch (info->err->msg_code) {
  case JWRN_JPEG_EOF: r->ended_early = true; return;
  case JWRN_EXTRANEOUS_DATA:
    if (!is_restart(info->err->msg_parm.i[1])) return;
    break;
  case JWRN_ARITH_BAD_CODE:
  case JWRN_BOGUS_PROGRESSION:
  case JWRN_HIT_MARKER:
  case JWRN_HUFF_BAD_CODE:
  case JWRN_MUST_RESYNC: break;
  default: return;
  }
  on_error(info);
}

/* Whole, though the end mark may be missing: a file of one scan whose decoder never ran dry, or a progressive one whose
 * scans brought every coefficient to its last bit. */
static bool is_whole(jpeg_reader *r) {
  struct jpeg_decompress_struct *info = &r->info;
  if (!r->ended_early) return true;
  if (info->arith_code) return false; /* its decoder never says that it ran dry */
  if (!info->progressive_mode) return !jpeg_has_multiple_scans(info);
  for (int c = 0; c < info->num_components; c++)
    for (int k = 0; k < DCTSIZE2; k++)
      if (info->coef_bits[c][k]) return false;
  return true;
}

static void note_orientation(jpeg_reader *r, image *i) {
  for (jpeg_saved_marker_ptr m = r->info.marker_list; m; m = m->next)
    if (m->marker == EXIF_MARKER && m->data_length > 6 && !memcmp(m->data, "Exif\0", 6)) {
      i->orientation = exif_orientation(m->data + 6, m->data_length - 6);
      return;
    }
}

static bool decode(jpeg_reader *r, image *i, const char *path, FILE *file, message *why) {
  struct jpeg_decompress_struct *info = &r->info;
  jpeg_stdio_src(info, file);
  jpeg_save_markers(info, EXIF_MARKER, EXIF_MOST);
  jpeg_read_header(info, TRUE);
  note_orientation(r, i);
  if (info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK)
    return fail(why, "%s: a JPEG file in CMYK, colours of print: convert it to RGB first", path);
  i->channels = info->num_components == 1 ? 1 : 3;
  info->out_color_space = i->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  if (!image_make_room(i, path, info->image_width, info->image_height, why)) return false;
  jpeg_start_decompress(info);
  while (info->output_scanline < info->output_height) {
    JSAMPROW row = i->pixels + (size_t)info->output_scanline * i->width * i->channels;
    jpeg_read_scanlines(info, &row, 1);
  }
  if (!is_whole(r)) return fail(why, "%s: damaged JPEG file (it ends too early)", path);
  return true; /* what follows the last row shows nothing */
}

/* Errors that say what a file is, not that it is damaged. */
static bool is_other_kind(int code) {
  return code == JERR_BAD_PRECISION || code == JERR_SOF_UNSUPPORTED || code == JERR_CONVERSION_NOTIMPL ||
         code == JERR_COMPONENT_COUNT || code == JERR_ARITH_NOTIMPL || code == JERR_IMAGE_TOO_BIG ||
         code == JERR_NOT_COMPILED || code == JERR_EMPTY_IMAGE || /* its height stands behind the picture */
         code == JERR_FRACT_SAMPLE_NOTIMPL || code == JERR_CCIR601_NOTIMPL;
}

static bool explain(jpeg_reader *r, image *i, const char *path, message *why) {
  char text[JMSG_LENGTH_MAX];
  int code = r->errors.msg_code;
  i->no_memory = code == JERR_OUT_OF_MEMORY;
  if (i->no_memory) return fail_no_memory(why);
  r->errors.format_message((j_common_ptr)&r->info, text);
  return fail(why,
              is_other_kind(code) ? "%s: a JPEG file of a kind that is not read (%s)" : "%s: damaged JPEG file (%s)",
              path, text);
}

bool image_decode_jpeg(image *i, const char *path, FILE *file, message *why) {
  jpeg_reader *r = calloc(1, sizeof *r);
  i->no_memory = !r;
  if (!r) return fail_no_memory(why);
  r->info.err = jpeg_std_error(&r->errors);
  r->errors.error_exit = on_error;
  r->errors.emit_message = on_message;
  r->info.client_data = r;
  bool ok = false;
  if (setjmp(r->out)) {
    ok = explain(r, i, path, why);
  } else {
    jpeg_create_decompress(&r->info);
    r->info.client_data = r;
    ok = decode(r, i, path, file, why);
  }
  jpeg_destroy_decompress(&r->info);
  free(r);
  return ok;
}
