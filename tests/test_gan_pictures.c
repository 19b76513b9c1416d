/* The pictures of gan_train: PNG and JPEG files that are right and that are damaged, folders and classes of them,
 * resizing. Needs no device. */
#include "data.h"
#include "harness.h"
#include "resize.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* These want stdio.h before them. */
#include <jpeglib.h>
#include <png.h>

static char folder[64];

static void set_up(void) {
  strcpy(folder, "/tmp/gan_pictures_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down(void) { rmdir(folder); }

/* A path in the folder; good until the fourth call from this one. */
static const char *in_folder(const char *name) {
  static char full[4][192];
  static int turn;
  char *to = full[turn++ % 4];
  snprintf(to, sizeof full[0], "%s/%s", folder, name);
  return to;
}

static void write_text(const char *name, const char *text) {
  FILE *file = fopen(in_folder(name), "wb");
  ck_assert_ptr_nonnull(file);
  fputs(text, file);
  fclose(file);
}

/* ---- pictures ---- */

enum { ACROSS = 12, DOWN = 8 };

/* A picture whose pixels are `red`, green 128, blue 0; grey ones are `red`. */
static void fill_picture(uint8_t *pixels, int channels, uint8_t red) {
  for (int i = 0; i < ACROSS * DOWN; i++)
    for (int c = 0; c < channels; c++) pixels[i * channels + c] = c == 0 ? red : c == 1 ? 128 : 0;
}

static void write_png_file(const char *name, int channels, uint8_t red) {
  uint8_t pixels[ACROSS * DOWN * 3];
  png_image image = {.version = PNG_IMAGE_VERSION, .width = ACROSS, .height = DOWN};
  image.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  fill_picture(pixels, channels, red);
  ck_assert(png_image_write_to_file(&image, name, 0, pixels, 0, NULL));
}

static void write_jpeg_file(const char *name, int channels, uint8_t red) {
  uint8_t pixels[ACROSS * DOWN * 3];
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  FILE *file = fopen(name, "wb");
  fill_picture(pixels, channels, red);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, file);
  info.image_width = ACROSS, info.image_height = DOWN;
  info.input_components = channels;
  info.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < DOWN; y++) jpeg_write_scanlines(&info, (JSAMPROW[]){pixels + y * ACROSS * channels}, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  fclose(file);
}

static void expect_level(const data *d, size_t item, uint32_t channel, int level, int off) {
  size_t area = (size_t)d->height * d->width;
  for (size_t i = 0; i < area; i++)
    ck_assert_int_le(abs(d->pixels[item * d->features + channel * area + i] - level), off);
}

START_TEST(reads_pictures) {
  message why = {""};
  data d;
  write_png_file(in_folder("a.png"), 3, 200);
  write_jpeg_file(in_folder("b.JPG"), 3, 100);
  write_png_file(in_folder("c.png"), 1, 60);
  write_text("notes.txt", "not a picture, and not named as one");
  const data_options o = {.name = folder, .image_size = 16};
  ck_assert_msg(data_open(&d, &o, &why), "%s", why.text);
  ck_assert(d.count == 3 && d.channels == 3 && d.height == 16 && d.width == 16 && d.features == 768);
  expect_level(&d, 0, 0, 200, 0);
  expect_level(&d, 0, 1, 128, 0);
  expect_level(&d, 0, 2, 0, 0);
  expect_level(&d, 1, 0, 100, 3);
  for (uint32_t c = 0; c < 3; c++) expect_level(&d, 2, c, 60, 0);
  data_close(&d);
  const data_options grey = {.name = folder, .channels = 1};
  ck_assert_msg(data_open(&d, &grey, &why), "%s", why.text);
  ck_assert(d.channels == 1 && d.height == DATA_FOLDER_SIDE);
  expect_level(&d, 2, 0, 60, 0);
  data_close(&d);
  const data_options sizes = {.name = folder, .sizes_only = true};
  ck_assert(data_open(&d, &sizes, &why) && d.channels == 3 && !d.count);
  data_close(&d);
  const data_options labels = {.name = folder, .labels = true};
  ck_assert(!data_open(&d, &labels, &why));
  ck_assert_ptr_nonnull(strstr(why.text, "sub-folders"));
  const char *const names[] = {"a.png", "b.JPG", "c.png", "notes.txt"};
  for (int i = 0; i < 4; i++) unlink(in_folder(names[i]));
}
END_TEST

START_TEST(reads_classes) {
  message why = {""};
  data d;
  const char *const folders[] = {"cats", "dogs", "empty"};
  for (int i = 0; i < 3; i++) ck_assert_int_eq(mkdir(in_folder(folders[i]), 0700), 0);
  write_png_file(in_folder("dogs/1.png"), 1, 2);
  write_png_file(in_folder("cats/2.png"), 1, 1);
  write_png_file(in_folder("cats/1.png"), 1, 0);
  const data_options o = {.name = folder, .image_size = 8, .labels = true};
  ck_assert_msg(data_open(&d, &o, &why), "%s", why.text);
  ck_assert(d.count == 3 && d.classes == 2 && d.channels == 1);
  ck_assert_mem_eq(d.labels, ((uint8_t[]){0, 0, 1}), 3);
  for (int i = 0; i < 3; i++) expect_level(&d, (size_t)i, 0, i, 0);
  data_close(&d);
  unlink(in_folder("dogs/1.png"));
  unlink(in_folder("cats/2.png"));
  unlink(in_folder("cats/1.png"));
  for (int i = 0; i < 3; i++) rmdir(in_folder(folders[i]));
}
END_TEST

/* A picture cut anywhere, and with any byte flipped, is refused in one line or reads. */
static void spoil(const char *name) {
  static uint8_t bytes[4096];
  FILE *file = fopen(in_folder(name), "rb");
  size_t n = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  ck_assert(n > 20 && n < sizeof bytes);
  for (size_t at = 0; at < 2 * n; at++) {
    uint8_t keep = bytes[at % n];
    if (at >= n) bytes[at % n] ^= 0x55;
    file = fopen(in_folder(name), "wb");
    fwrite(bytes, 1, at < n ? at : n, file);
    fclose(file);
    bytes[at % n] = keep;
    message why = {""};
    data d;
    const data_options o = {.name = folder, .image_size = 8};
    bool ok = data_open(&d, &o, &why);
    ck_assert_msg(ok || (strstr(why.text, name) && !strchr(why.text, '\n')), "%zu: %s", at, why.text);
    ck_assert(!ok || at + 20 >= n); /* the last bytes of a PNG are only its end mark */
    if (ok) data_close(&d);
  }
  unlink(in_folder(name));
}

START_TEST(refuses_damaged_pictures) {
  write_png_file(in_folder("a.png"), 3, 200);
  spoil("a.png");
  write_jpeg_file(in_folder("a.jpeg"), 3, 200);
  spoil("a.jpeg");
  write_text("x.png", "GIF89a is another format");
  message why = {""};
  data d;
  const data_options o = {.name = folder};
  ck_assert(!data_open(&d, &o, &why));
  ck_assert_ptr_nonnull(strstr(why.text, "x.png: neither a PNG nor a JPEG"));
  unlink(in_folder("x.png"));
}
END_TEST

/* ---- resizing ---- */

START_TEST(resizes) {
  uint8_t in[8 * 6], out[16 * 16];
  resizer r;
  for (int i = 0; i < 48; i++) in[i] = (uint8_t)(i * 5);
  ck_assert(resizer_make(&r, 6, 8, 6, 8)); /* as it is */
  resizer_run(&r, in, 8, 1, out);
  ck_assert_mem_eq(in, out, sizeof in);
  resizer_free(&r);
  ck_assert(resizer_make(&r, 3, 4, 3, 4)); /* every second pixel and row */
  resizer_run(&r, in, 16, 2, out);
  for (int y = 0; y < 3; y++)
    for (int x = 0; x < 4; x++) ck_assert_uint_eq(out[4 * y + x], in[16 * y + 2 * x]);
  resizer_free(&r);
  memset(in, 77, sizeof in); /* flat stays flat, smaller and larger */
  for (uint32_t side = 1; side <= 16; side++) {
    ck_assert(resizer_make(&r, 6, 8, side, side));
    resizer_run(&r, in, 8, 1, out);
    for (uint32_t i = 0; i < side * side; i++) ck_assert_uint_eq(out[i], 77);
    resizer_free(&r);
  }
  for (int i = 0; i < 48; i++) in[i] = i % 2 ? 200 : 0; /* fine stripes become their mean, not themselves */
  ck_assert(resizer_make(&r, 6, 8, 3, 2));
  resizer_run(&r, in, 8, 1, out);
  for (int i = 0; i < 6; i++) ck_assert_int_le(abs(out[i] - 100), 15);
  resizer_free(&r);
}
END_TEST

static void add_cases(Suite *s) {
  TCase *files = tcase_create("files");
  tcase_add_checked_fixture(files, set_up, tear_down);
  tcase_add_test(files, reads_pictures);
  tcase_add_test(files, reads_classes);
  tcase_add_test(files, refuses_damaged_pictures);
  suite_add_tcase(s, files);
  TCase *host = tcase_create("host");
  tcase_add_test(host, resizes);
  suite_add_tcase(s, host);
}

CHECK_MAIN("gan_pictures", add_cases)
