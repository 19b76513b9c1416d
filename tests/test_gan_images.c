/* The decoders of gan_train: every kind of PNG and JPEG comes to the same numbers, upright; what is odd but whole is
 * read, what is cut is refused, and what is another kind is called so. Needs no device. */
#include "data.h"
#include "harness.h"
#include "image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* These want stdio.h before them. */
#include <jpeglib.h>
#include <png.h>

enum { W = 24, H = 16 };

static char folder[64], path[96];

static void set_up(void) {
  strcpy(folder, "/tmp/gan_images_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/picture", folder);
}
static void tear_down(void) {
  unlink(path);
  rmdir(folder);
}

static void write_bytes(const void *bytes, size_t n) {
  FILE *file = fopen(path, "wb");
  ck_assert(file && fwrite(bytes, 1, n, file) == n && !fclose(file));
}

/* ---- writing PNG ---- */

typedef struct png_kind {
  int type, depth;
  double gamma;               /* 0: not stated */
  const uint8_t *transparent; /* tRNS of a palette's first colour */
  int orientation;            /* 0: not stated */
} png_kind;

/* A flat picture of these samples; of 16 bits each is doubled, v becomes v * 257. */
static void write_png(const png_kind *k, const uint8_t *samples) {
  FILE *file = fopen(path, "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  ck_assert(file && png && info && !setjmp(png_jmpbuf(png)));
  png_init_io(png, file);
  png_set_IHDR(png, info, W, H, k->depth, k->type, PNG_INTERLACE_ADAM7, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (k->type == PNG_COLOR_TYPE_PALETTE)
    png_set_PLTE(png, info, (png_color[]){{samples[0], samples[1], samples[2]}, {9, 9, 9}}, 2);
  if (k->transparent) png_set_tRNS(png, info, k->transparent, 1, NULL);
  if (k->gamma > 0) png_set_gAMA(png, info, k->gamma);
#ifdef PNG_eXIf_SUPPORTED
  uint8_t exif[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (uint8_t)k->orientation,
                    0,   0,   0, 0,  0, 0};
  if (k->orientation) png_set_eXIf_1(png, info, sizeof exif, exif);
#endif
  png_write_info(png, info);
  uint8_t row[W * 8];
  size_t channels = png_get_channels(png, info), wide = k->depth == 16 ? 2 : 1;
  for (size_t x = 0; x < W; x++)
    for (size_t b = 0; b < channels * wide; b++)
      row[x * channels * wide + b] = k->type == PNG_COLOR_TYPE_PALETTE ? 0 : samples[b / wide];
  for (int pass = png_set_interlace_handling(png); pass; pass--)
    for (int y = 0; y < H; y++) png_write_row(png, row);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  fclose(file);
}

static void expect_flat(uint32_t channels, const uint8_t *want, int off) {
  image i;
  message why = {""};
  ck_assert_msg(image_read(&i, path, channels, &why), "%s", why.text);
  ck_assert(i.width == W && i.height == H && (!channels || i.channels == channels));
  for (size_t k = 0; k < (size_t)W * H; k++)
    for (uint32_t c = 0; c < i.channels; c++)
      ck_assert_msg(abs(i.pixels[k * i.channels + c] - want[c]) <= off, "channel %u of %zu is %d, want %d", c, k,
                    i.pixels[k * i.channels + c], want[c]);
  image_free(&i);
}

/* Encoded values stay; luma is Rec. 601's of encoded values; what is behind alpha is black. */
START_TEST(all_kinds_come_to_the_same_numbers) {
  static const uint8_t rgb[][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {100, 100, 100}, {200, 120, 40}};
  static const uint8_t luma[] = {76, 150, 29, 100, 135};
  for (size_t i = 0; i < sizeof luma; i++) {
    const uint8_t grey[3] = {luma[i], luma[i], luma[i]};
    uint8_t half[4] = {rgb[i][0], rgb[i][1], rgb[i][2], 128}, behind[3], transparent = 128;
    for (int c = 0; c < 3; c++) behind[c] = (uint8_t)((rgb[i][c] * 128 + 127) / 255);
    for (int depth = 8; depth <= 16; depth += 8)
      for (int stated = 0; stated < 2; stated++) {
        const double gamma = stated ? 0.45455 : 0;
        write_png(&(png_kind){PNG_COLOR_TYPE_RGB, depth, gamma, NULL, 0}, rgb[i]);
        expect_flat(0, rgb[i], 0);
        expect_flat(1, grey, 0);
        write_png(&(png_kind){PNG_COLOR_TYPE_RGB_ALPHA, depth, gamma, NULL, 0}, half);
        expect_flat(3, behind, 0);
        write_png(&(png_kind){PNG_COLOR_TYPE_GRAY, depth, gamma, NULL, 0}, grey);
        expect_flat(0, grey, 0);
        expect_flat(3, grey, 0);
        write_png(&(png_kind){PNG_COLOR_TYPE_GRAY_ALPHA, depth, gamma, NULL, 0}, (uint8_t[]){luma[i], 128});
        expect_flat(1, (uint8_t[]){(uint8_t)((luma[i] * 128 + 127) / 255)}, 0);
      }
    write_png(&(png_kind){PNG_COLOR_TYPE_PALETTE, 8, 0, NULL, 0}, rgb[i]);
    expect_flat(0, rgb[i], 0);
    expect_flat(1, grey, 0);
    write_png(&(png_kind){PNG_COLOR_TYPE_PALETTE, 8, 0, &transparent, 0}, rgb[i]);
    expect_flat(0, behind, 0);
  }
  write_png(&(png_kind){PNG_COLOR_TYPE_GRAY, 8, 1.0, NULL, 0}, (uint8_t[]){55}); /* says that it is linear */
  expect_flat(1, (uint8_t[]){127}, 2);
}
END_TEST

/* ---- writing JPEG ---- */

typedef struct jpeg_kind {
  int space, channels;     /* of the samples */
  bool progressive, scans; /* scans: one a component */
  int restart;             /* rows of blocks */
} jpeg_kind;

static size_t jpeg_size;
static uint8_t jpeg[16384];

/* Pixel (x, y) is `at(x, y)` in all channels, or a flat colour. */
static void make_jpeg(const jpeg_kind *k, uint8_t (*at)(int x, int y), const uint8_t *flat) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  unsigned char *out = NULL;
  unsigned long size = 0;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = W, info.image_height = H;
  info.input_components = k->channels, info.in_color_space = (J_COLOR_SPACE)k->space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  info.restart_in_rows = k->restart;
  static const jpeg_scan_info three[] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  if (k->scans) info.scan_info = three, info.num_scans = 3;
  if (k->progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < H; y++) {
    uint8_t row[W * 4];
    for (int x = 0; x < W * k->channels; x++) row[x] = at ? at(x / k->channels, y) : flat[x % k->channels];
    jpeg_write_scanlines(&info, (JSAMPROW[]){row}, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  ck_assert(size < sizeof jpeg);
  memcpy(jpeg, out, size);
  jpeg_size = size;
  free(out);
}

static void insert(size_t at, const void *bytes, size_t n) {
  memmove(jpeg + at + n, jpeg + at, jpeg_size - at);
  memcpy(jpeg + at, bytes, n);
  jpeg_size += n;
}

/* Where the marker stands. */
static size_t find(uint8_t marker) {
  for (size_t i = 0; i + 1 < jpeg_size; i++)
    if (jpeg[i] == 0xff && jpeg[i + 1] == marker) return i;
  ck_abort_msg("no marker %x", marker);
}

static bool reads(message *why) {
  image i;
  *why = (message){""};
  write_bytes(jpeg, jpeg_size);
  bool ok = image_read(&i, path, 0, why);
  if (ok) image_free(&i);
  return ok;
}

static void expect_refused(const char *part) {
  message why;
  ck_assert(!reads(&why));
  ck_assert_msg(strstr(why.text, part) && strstr(why.text, path), "no '%s' in: %s", part, why.text);
}

static const jpeg_kind grey_kind = {JCS_GRAYSCALE, 1, false, false, 0}, rgb_kind = {JCS_RGB, 3, false, false, 0};
static const jpeg_kind kinds[] = {{JCS_RGB, 3, false, false, 0},
                                  {JCS_GRAYSCALE, 1, false, false, 0},
                                  {JCS_RGB, 3, false, true, 0},
                                  {JCS_RGB, 3, true, false, 0},
                                  {JCS_RGB, 3, false, false, 1}};

static uint8_t noise(int x, int y) { return (uint8_t)((x * 73 + y * 151 + x * y * 31) & 255); }

START_TEST(jpeg_comes_to_the_numbers_of_png) {
  const uint8_t red[3] = {255, 0, 0}, grey[3] = {76, 76, 76};
  make_jpeg(&rgb_kind, NULL, red);
  write_bytes(jpeg, jpeg_size);
  expect_flat(0, red, 2);
  expect_flat(1, grey, 1);
  make_jpeg(&grey_kind, NULL, grey);
  write_bytes(jpeg, jpeg_size);
  expect_flat(0, grey, 1);
  expect_flat(3, grey, 1);
}
END_TEST

/* What loses no pixel: versions and fields nobody needs, stray bytes, no end mark. */
START_TEST(odd_but_whole_jpeg_is_read) {
  message why;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (int odd = 0; odd < 7; odd++) {
      make_jpeg(&kinds[k], noise, NULL);
      size_t jfif = find(0xe0), sos = find(0xda), components = jpeg[sos + 4];
      switch (odd) {
      case 1: jpeg[jfif + 9] = 2; break;                                 /* JFIF 2.01 */
      case 2: jpeg[jfif + 9] = 0, jpeg[jfif + 10] = 2; break;            /* JFIF 0.02 */
      case 3: insert(sos, "\0\0\0\0\0\0\0", 7); break;                   /* stray bytes before a marker */
      case 4: insert(jpeg_size, "trailing rubbish \xff\xd8", 19); break; /* after the end */
      case 5: jpeg_size -= 2; break;                                     /* no end mark */
      case 6:
        if (!kinds[k].progressive) jpeg[sos + 6 + 2 * components] = 0; /* spectral end of a baseline scan */
      }
      if (odd == 5 && kinds[k].scans) continue; /* nothing says whether a scan is missing */
      ck_assert_msg(reads(&why), "kind %zu, oddness %d: %s", k, odd, why.text);
    }
  make_jpeg(&rgb_kind, noise, NULL);
  insert(2, "\xff\xee\0\016Adobe\0\144\0\0\0\0\5", 16); /* a transform nobody knows */
  ck_assert_msg(reads(&why), "%s", why.text);
}
END_TEST

/* Cut anywhere but in the end mark and what the last bytes pad. */
START_TEST(cut_jpeg_is_refused) {
  message why;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    make_jpeg(&kinds[k], noise, NULL);
    for (size_t whole = jpeg_size, cut = 3; cut < 60; cut++) {
      jpeg_size = whole - cut;
      ck_assert_msg(!reads(&why) || cut < 8, "kind %zu cut by %zu", k, cut);
    }
  }
}
END_TEST

START_TEST(other_kinds_are_called_so) {
  static const struct {
    const char *bytes;
    size_t n;
    const char *part;
  } rows[] = {{"GIF89a is another", 17, "it is a GIF file"},
              {"BM6...........", 14, "it is a BMP file"},
              {"RIFF\4\0\0\0WEBPVP8 ", 16, "it is a WebP file"},
              {"II*\0\10\0\0\0\0\0\0\0", 12, "it is a TIFF file"},
              {"\0\0\0\034ftypavif\0\0", 14, "it is an AVIF file"},
              {"\0\0\0\030ftypheic\0\0", 14, "it is a HEIF file"},
              {"", 0, "it is empty"},
              {"hello", 5, "neither a PNG nor a JPEG file"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    memcpy(jpeg, rows[i].bytes, rows[i].n);
    jpeg_size = rows[i].n;
    expect_refused(rows[i].part);
  }
  make_jpeg(&(jpeg_kind){JCS_CMYK, 4, false, false, 0}, NULL, (uint8_t[]){1, 2, 3, 4});
  expect_refused("in CMYK");
  make_jpeg(&grey_kind, noise, NULL);
  jpeg[find(0xc0) + 4] = 12;
  expect_refused("of a kind that is not read");
  make_jpeg(&grey_kind, noise, NULL);
  jpeg[find(0xc0) + 1] = 0xc3; /* lossless */
  expect_refused("of a kind that is not read");
  make_jpeg(&grey_kind, noise, NULL);
  memset(jpeg + find(0xc0) + 5, 0, 2); /* the height is said behind the picture */
  expect_refused("of a kind that is not read");
  /* What Xcode makes of a PNG: its first chunk is one of Apple's own. */
  static const char apples[] = "\211PNG\r\n\032\n\0\0\0\004CgBI\120\0\040\006\054\270\167\146";
  jpeg_size = sizeof apples - 1;
  memcpy(jpeg, apples, jpeg_size);
  expect_refused("a PNG file of a kind that is not read (CgBI");
  unlink(path);
  ck_assert(!mkfifo(path, 0600));
  alarm(20);
  message why = {""};
  image i;
  ck_assert(!image_read(&i, path, 0, &why) && !i.no_memory);
  alarm(0);
  ck_assert_ptr_nonnull(strstr(why.text, "no regular file"));
}
END_TEST

/* ---- the side up ---- */

/* Brightness tells the quarter: top left dark, then rising along the rows. */
static uint8_t quarter(int x, int y) { return (uint8_t)(20 + 70 * ((x >= W / 2) + 2 * (y >= H / 2))); }

/* For each orientation, the quarter of the stored picture that is seen top left, top right, bottom left, bottom right.
 */
static const int seen[9][4] = {{0, 1, 2, 3}, {0, 1, 2, 3}, {1, 0, 3, 2}, {3, 2, 1, 0}, {2, 3, 0, 1},
                               {0, 2, 1, 3}, {2, 0, 3, 1}, {3, 1, 2, 0}, {1, 3, 0, 2}};

static void expect_quarters(int orientation) {
  image i;
  message why = {""};
  ck_assert_msg(image_read(&i, path, 1, &why), "%s", why.text);
  bool swapped = orientation >= 5;
  ck_assert(i.width == (swapped ? H : W) && i.height == (swapped ? W : H));
  for (uint32_t q = 0; q < 4; q++) {
    size_t x = i.width / 4 + q % 2 * i.width / 2, y = i.height / 4 + q / 2 * i.height / 2;
    ck_assert_msg(abs(i.pixels[y * i.width + x] - (20 + 70 * seen[orientation][q])) <= 3, "orientation %d, quarter %u",
                  orientation, q);
  }
  image_free(&i);
}

START_TEST(pictures_are_upright) {
  for (int little = 0; little < 2; little++)
    for (int o = 0; o <= 8; o++) {
      uint8_t big[] = "\xff\xe1\0\x2a"
                      "Exif\0\0MM\0*\0\0\0\x08\0\2\1\0\0\4\0\0\0\1\0\0\0\7\1\x12\0\3\0\0\0\1\0\0\0\0";
      uint8_t small[] = "\xff\xe1\0\x2a"
                        "Exif\0\0II*\0\x08\0\0\0\2\0\0\1\4\0\1\0\0\0\7\0\0\0\x12\1\3\0\1\0\0\0\0\0\0\0";
      big[41] = small[40] = (uint8_t)o;
      make_jpeg(&grey_kind, quarter, NULL);
      insert(2, little ? small : big, 44);
      write_bytes(jpeg, jpeg_size);
      expect_quarters(o);
    }
}
END_TEST

START_TEST(exif_that_lies_is_passed_over) {
  uint8_t block[64];
  ck_assert_int_eq(exif_orientation(NULL, 0), 1);
  for (uint32_t seed = 1; seed < 20000; seed++) {
    uint32_t s = seed * 2654435761u;
    size_t n = s % sizeof block;
    memcpy(block, seed % 2 ? "II*\0\x08\0\0\0\xff\xff" : "MM\0*\0\0\0\x08\xff\xff", 10);
    for (size_t i = 10; i < sizeof block; i++) block[i] = (uint8_t)((s = s * 1664525u + 1013904223u) >> 24);
    if (seed % 3 == 0) block[4 + seed % 4] = 0xff; /* the directory is far beyond the end */
    int o = exif_orientation(block, n);
    ck_assert(o >= 1 && o <= 8);
  }
}
END_TEST

START_TEST(png_is_upright_too) {
#ifdef PNG_eXIf_SUPPORTED
  image i;
  message why = {""};
  write_png(&(png_kind){PNG_COLOR_TYPE_GRAY, 8, 0, NULL, 6}, (uint8_t[]){7});
  ck_assert_msg(image_read(&i, path, 0, &why), "%s", why.text);
  ck_assert(i.width == H && i.height == W);
  image_free(&i);
#endif
}
END_TEST

static void add_cases(Suite *s) {
  TCase *c = tcase_create("images");
  tcase_add_checked_fixture(c, set_up, tear_down);
  tcase_add_test(c, all_kinds_come_to_the_same_numbers);
  tcase_add_test(c, jpeg_comes_to_the_numbers_of_png);
  tcase_add_test(c, odd_but_whole_jpeg_is_read);
  tcase_add_test(c, cut_jpeg_is_refused);
  tcase_add_test(c, other_kinds_are_called_so);
  tcase_add_test(c, pictures_are_upright);
  tcase_add_test(c, png_is_upright_too);
  tcase_add_test(c, exif_that_lies_is_passed_over);
  suite_add_tcase(s, c);
}

CHECK_MAIN("gan_images", add_cases)
