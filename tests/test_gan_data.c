/* The data readers of gan_train: IDX files that are right and that are wrong in each way, the ring, batches. Needs no
 * device. */
#include "data.h"
#include "feed.h"
#include "harness.h"
#include "random.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char folder[64], path[128], path_gz[192];

static void set_up(void) {
  strcpy(folder, "/tmp/gan_data_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
  snprintf(path_gz, sizeof path_gz, "%s.gz", path);
}

static void tear_down(void) {
  unlink(path);
  unlink(path_gz);
  rmdir(folder);
}

static bool open_data(data *d, const char *name, bool sizes_only, uint64_t seed, message *why) {
  const data_options o = {.name = name, .sizes_only = sizes_only, .seed = seed};
  return data_open(d, &o, why);
}

/* ---- files ---- */

enum { COUNT = 5, HEIGHT = 3, WIDTH = 4, HEADER = 16, WHOLE = HEADER + COUNT * HEIGHT * WIDTH };

static void put_word(uint8_t *to, uint32_t v) {
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* A right file; the caller spoils it. Pixel i is 7*i mod 256. */
static void make_idx(uint8_t bytes[WHOLE + 16]) {
  const uint32_t head[] = {0x803, COUNT, HEIGHT, WIDTH};
  memset(bytes, 0, WHOLE + 16);
  for (int i = 0; i < 4; i++) put_word(bytes + 4 * i, head[i]);
  for (int i = HEADER; i < WHOLE; i++) bytes[i] = (uint8_t)((i - HEADER) * 7);
}

static void write_plain(const uint8_t *bytes, size_t n) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
  fclose(file);
}

static void write_gz(const uint8_t *bytes, size_t n) {
  gzFile file = gzopen(path_gz, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(gzwrite(file, bytes, (unsigned)n), (int)n);
  ck_assert_int_eq(gzclose(file), Z_OK);
}

static void check_pixels(data *d) {
  ck_assert_uint_eq(d->count, COUNT);
  ck_assert_uint_eq(d->height, HEIGHT);
  ck_assert_uint_eq(d->width, WIDTH);
  ck_assert_uint_eq(d->features, HEIGHT * WIDTH);
  for (int i = 0; i < COUNT * HEIGHT * WIDTH; i++) ck_assert_uint_eq(d->pixels[i], (uint8_t)(i * 7));
  data_close(d);
}

START_TEST(reads_plain_and_gzipped) {
  uint8_t bytes[WHOLE + 16];
  message why = {""};
  data d;
  make_idx(bytes);
  write_gz(bytes, WHOLE);
  ck_assert_msg(open_data(&d, folder, false, 1, &why), "%s", why.text);
  check_pixels(&d);
  unlink(path_gz);
  write_plain(bytes, WHOLE);
  ck_assert_msg(open_data(&d, folder, false, 1, &why), "%s", why.text);
  check_pixels(&d);
}
END_TEST

START_TEST(reads_sizes_only) {
  uint8_t bytes[WHOLE + 16];
  message why = {""};
  data d;
  make_idx(bytes);
  write_plain(bytes, HEADER); /* the images are not looked at */
  ck_assert(open_data(&d, folder, true, 1, &why));
  ck_assert_uint_eq(d.features, HEIGHT * WIDTH);
  ck_assert_uint_eq(d.count, 0);
  data_close(&d);
}
END_TEST

/* The message names the file, is one line and says `part`; nothing is kept. */
static void refuses(const char *file, const char *part) {
  message why = {""};
  data d;
  ck_assert(!open_data(&d, folder, false, 1, &why));
  ck_assert_msg(strstr(why.text, file) != NULL, "no name in: %s", why.text);
  ck_assert_msg(strstr(why.text, part) != NULL, "no '%s' in: %s", part, why.text);
  ck_assert(!strchr(why.text, '\n'));
  ck_assert_ptr_null(d.pixels);
}

static const struct {
  size_t length; /* of the file */
  int word;      /* of the header that lies; -1: none */
  uint32_t value;
  const char *part;
} wrong[] = {
    {0, -1, 0, "truncated"},
    {3, -1, 0, "truncated"},
    {HEADER - 1, -1, 0, "truncated"},
    {HEADER, -1, 0, "truncated"},
    {WHOLE - 1, -1, 0, "truncated"},
    {WHOLE + 1, -1, 0, "more in the file"},
    {WHOLE + 16, -1, 0, "more in the file"},
    {WHOLE, 0, 0x801, "magic 0x00000801"},
    {WHOLE, 0, 0x03080000, "magic 0x03080000"},
    {WHOLE, 1, 0, "not possible"},
    {WHOLE, 1, COUNT + 1, "truncated"},
    {WHOLE, 1, COUNT - 1, "more in the file"},
    {WHOLE, 1, UINT32_MAX, "truncated"},
    {WHOLE, 2, 0, "not possible"},
    {WHOLE, 2, UINT32_MAX, "not possible"},
    {WHOLE, 3, DATA_MAX_SIDE, "truncated"},
    {WHOLE, 3, DATA_MAX_SIDE + 1, "not possible"},
};

START_TEST(refuses_wrong_files) {
  uint8_t bytes[WHOLE + 16];
  make_idx(bytes);
  if (wrong[_i].word >= 0) put_word(bytes + 4 * wrong[_i].word, wrong[_i].value);
  write_plain(bytes, wrong[_i].length);
  refuses(path, wrong[_i].part);
  unlink(path);
  write_gz(bytes, wrong[_i].length);
  refuses(path_gz, wrong[_i].part);
}
END_TEST

/* Beyond 4 GiB, most of it a hole: the sizes are read, and what the header does not promise is refused. */
START_TEST(refuses_a_huge_file) {
  uint8_t bytes[WHOLE + 16];
  make_idx(bytes);
  write_plain(bytes, WHOLE);
  ck_assert(!truncate(path, (off_t)(WHOLE + (UINT64_C(1) << 32))));
  refuses(path, "more in the file");
  data d;
  message why = {""};
  ck_assert_msg(open_data(&d, folder, true, 1, &why), "%s", why.text);
  ck_assert_uint_eq(d.features, HEIGHT * WIDTH);
  data_close(&d);
}
END_TEST

/* A gzip file cut anywhere, and with any byte flipped, is refused or reads right: never garbage. */
START_TEST(refuses_damaged_gzip) {
  uint8_t bytes[WHOLE + 16], packed[512];
  make_idx(bytes);
  write_gz(bytes, WHOLE);
  FILE *file = fopen(path_gz, "rb");
  size_t n = fread(packed, 1, sizeof packed, file);
  fclose(file);
  for (size_t at = 0; at < 2 * n; at++) {
    uint8_t keep = packed[at % n];
    if (at >= n) packed[at % n] ^= 0x55;
    file = fopen(path_gz, "wb");
    fwrite(packed, 1, at < n ? at : n, file);
    fclose(file);
    packed[at % n] = keep;
    message why = {""};
    data d;
    if (open_data(&d, folder, false, 1, &why))
      check_pixels(&d); /* a flipped time stamp, say */
    else
      ck_assert_msg(strstr(why.text, path_gz) != NULL, "%s", why.text);
    ck_assert((at >= n || why.text[0]) && !strstr(why.text, "<fd:"));
  }
}
END_TEST

START_TEST(refuses_other_names) {
  message why = {""};
  data d;
  ck_assert(!open_data(&d, "/nonexistent/folder", false, 1, &why));
  ck_assert_ptr_nonnull(strstr(why.text, "fashion-mnist, ring"));
  refuses(folder, "no train-images-idx3-ubyte");
  write_plain((const uint8_t *)"x", 1);
  why.text[0] = 0;
  ck_assert(!open_data(&d, path, false, 1, &why));
  ck_assert_ptr_nonnull(strstr(why.text, "not a folder"));
  unlink(path);
  ck_assert_int_eq(mkdir(path, 0700), 0);
  refuses(path, "is a folder");
  rmdir(path);
}
END_TEST

/* ---- labels ---- */

static const uint8_t label_bytes[8 + COUNT] = {0, 0, 8, 1, 0, 0, 0, COUNT, 3, 0, 1, 9, 2};

static bool open_with_labels(data *d, size_t length, size_t at, uint8_t value, message *why) {
  uint8_t bytes[WHOLE + 16], labels[8 + COUNT + 1] = {0};
  char file[160];
  make_idx(bytes);
  write_plain(bytes, WHOLE);
  memcpy(labels, label_bytes, sizeof label_bytes);
  labels[at] = value;
  snprintf(file, sizeof file, "%s/train-labels-idx1-ubyte", folder);
  FILE *to = fopen(file, "wb");
  fwrite(labels, 1, length, to);
  fclose(to);
  const data_options o = {.name = folder, .labels = true};
  bool ok = data_open(d, &o, why);
  unlink(file);
  return ok;
}

START_TEST(reads_labels) {
  message why = {""};
  data d;
  ck_assert_msg(open_with_labels(&d, sizeof label_bytes, 0, 0, &why), "%s", why.text);
  ck_assert_uint_eq(d.classes, 10);
  ck_assert_mem_eq(d.labels, label_bytes + 8, COUNT);
  data_close(&d);
}
END_TEST

static const struct {
  size_t length, at;
  uint8_t value;
  const char *part;
} wrong_labels[] = {
    {0, 0, 0, "truncated"},          {7, 0, 0, "truncated"},
    {7 + COUNT, 0, 0, "truncated"},  {9 + COUNT, 0, 0, "more in"},
    {8 + COUNT, 3, 3, "0x00000803"}, {8 + COUNT, 7, 4, "4 labels for 5 images"},
    {8 + COUNT, 7, 0, "0 labels"},   {8 + COUNT, 4, 255, "labels for 5 images"},
};

START_TEST(refuses_wrong_labels) {
  message why = {""};
  data d;
  ck_assert(!open_with_labels(&d, wrong_labels[_i].length, wrong_labels[_i].at, wrong_labels[_i].value, &why));
  ck_assert_msg(strstr(why.text, wrong_labels[_i].part) != NULL, "%s", why.text);
  ck_assert_ptr_null(d.labels);
}
END_TEST

/* ---- the ring ---- */

START_TEST(ring_has_eight_modes) {
  message why = {""};
  data d;
  int seen[RING_MODES] = {0};
  ck_assert(open_data(&d, "ring", false, 1, &why));
  ck_assert_uint_eq(d.features, 2);
  for (size_t i = 0; i < d.count; i++) {
    const float *xy = d.values + 2 * i;
    int near = -1;
    for (int m = 0; m < RING_MODES; m++) {
      float c[2];
      ring_centre(m, c);
      if (hypotf(xy[0] - c[0], xy[1] - c[1]) < 6 * RING_SIGMA) near = m;
    }
    ck_assert_int_ge(near, 0);
    ck_assert(xy[0] > 0 && xy[0] < 1 && xy[1] > 0 && xy[1] < 1);
    seen[near]++;
  }
  for (int m = 0; m < RING_MODES; m++) ck_assert_int_gt(seen[m], RING_POINTS / RING_MODES * 4 / 5);
  data_close(&d);
}
END_TEST

START_TEST(ring_follows_its_seed) {
  message why = {""};
  data a, b, c;
  ck_assert(open_data(&a, "ring", false, 7, &why) && open_data(&b, "ring", false, 7, &why));
  ck_assert(open_data(&c, "ring", false, 8, &why));
  ck_assert_mem_eq(a.values, b.values, RING_POINTS * 2 * sizeof(float));
  ck_assert_mem_ne(a.values, c.values, RING_POINTS * 2 * sizeof(float));
  data_close(&a);
  data_close(&b);
  data_close(&c);
}
END_TEST

START_TEST(ring_is_judged) {
  message why = {""};
  data d;
  ck_assert(open_data(&d, "ring", false, 1, &why));
  ring_quality q = ring_judge(d.values, d.count);
  ck_assert_int_eq(q.modes, RING_MODES);
  ck_assert(q.good > 0.99);
  for (size_t i = 0; i < d.count; i += 2) ring_centre(3, d.values + 2 * i); /* half of them in one place */
  for (size_t i = 1; i < d.count; i += 2) d.values[2 * i] = d.values[2 * i + 1] = 0.5f;
  q = ring_judge(d.values, d.count);
  ck_assert_int_eq(q.modes, 1);
  ck_assert(fabs(q.good - 0.5) < 1e-9);
  data_close(&d);
}
END_TEST

/* ---- batches ---- */

START_TEST(order_is_a_permutation) {
  enum { N = 1000 };
  uint32_t order[N], again[N];
  uint8_t seen[N] = {0};
  random_order(random_mix(1, 0), order, N);
  random_order(random_mix(1, 0), again, N);
  ck_assert_mem_eq(order, again, sizeof order);
  for (int i = 0; i < N; i++) seen[order[i]]++;
  for (int i = 0; i < N; i++) ck_assert_uint_eq(seen[i], 1);
  random_order(random_mix(1, 1), again, N);
  ck_assert_mem_ne(order, again, sizeof order);
}
END_TEST

/* Two batches of two of the five images an epoch: the fifth is dropped, none comes twice. */
START_TEST(feed_drops_the_last_partial_batch) {
  uint8_t pixels[COUNT] = {0, 51, 102, 153, 255};
  data d = {.height = 1, .width = 1, .features = 1, .stored = 1, .count = COUNT, .pixels = pixels};
  message why = {""};
  feed f;
  ck_assert(feed_open(&f, &d, 2, 1, 1, &why));
  bool same_order = true;
  float first[4] = {0};
  for (int epoch = 0; epoch < 20; epoch++) {
    float got[4];
    for (int b = 0; b < 2; b++) memcpy(got + 2 * b, feed_next(&f).images, 2 * sizeof(float));
    for (int i = 0; i < 4; i++)
      for (int k = 0; k < i; k++) ck_assert(got[i] != got[k]);
    for (int i = 0; i < 4; i++) {
      bool known = false;
      for (int k = 0; k < COUNT; k++) known = known || got[i] == (float)pixels[k] / 255.0f;
      ck_assert(known);
    }
    if (!epoch)
      memcpy(first, got, sizeof got);
    else
      same_order = same_order && !memcmp(first, got, sizeof got);
  }
  ck_assert(!same_order);
  feed_close(&f);
}
END_TEST

/* Images get their size and range as they join a batch. */
START_TEST(gathers_other_sizes) {
  uint8_t bytes[WHOLE + 16];
  message why = {""};
  data d;
  float got[2 * 64];
  make_idx(bytes);
  memset(bytes + HEADER, 51, COUNT * HEIGHT * WIDTH);
  write_plain(bytes, WHOLE);
  const data_options o = {.name = folder, .image_size = 8, .low = -1};
  ck_assert_msg(data_open(&d, &o, &why), "%s", why.text);
  ck_assert(d.features == 64 && d.height == 8 && d.width == 8);
  data_gather(&d, (const uint32_t[]){4, 0}, 2, got, NULL);
  for (int i = 0; i < 128; i++) ck_assert(fabsf(got[i] + 0.6f) < 1e-6f);
  data_close(&d);
}
END_TEST

/* The device may still read a batch while the next one is made. */
START_TEST(feed_keeps_the_batch_before) {
  message why = {""};
  data d;
  feed f;
  float copy[64];
  ck_assert(open_data(&d, "ring", false, 1, &why) && feed_open(&f, &d, 32, 1, 1, &why));
  const float *before = feed_next(&f).images;
  memcpy(copy, before, sizeof copy);
  for (int i = 0; i < 1000; i++) {
    const float *now = feed_next(&f).images;
    ck_assert_ptr_ne(now, before);
    ck_assert_mem_eq(before, copy, sizeof copy);
    before = now;
    memcpy(copy, now, sizeof copy);
  }
  feed_close(&f);
  data_close(&d);
}
END_TEST

START_TEST(points_are_scaled) {
  message why = {""};
  const uint32_t order[] = {0, 7, 16383};
  float plain[6], scaled[6];
  for (int i = 0; i < 2; i++) {
    data d;
    const data_options o = {.name = "ring", .seed = 1, .low = -1, .point_scale = i ? 10 : 0};
    ck_assert(data_open(&d, &o, &why));
    data_gather(&d, order, 3, i ? scaled : plain, NULL);
    data_close(&d);
  }
  for (int i = 0; i < 6; i++) ck_assert(plain[i] != 0 && scaled[i] == plain[i] * 10);
}
END_TEST

/* What a run that goes on is fed is what an uninterrupted one would have been. */
START_TEST(feed_seeks) {
  message why = {""};
  data d;
  feed straight, other;
  const data_options o = {.name = "ring", .seed = 1, .labels = true, .low = -1};
  ck_assert(data_open(&d, &o, &why) && d.classes == RING_MODES);
  ck_assert(feed_open(&straight, &d, 1000, 3, 1, &why)); /* 16 batches an epoch: steps straddle two */
  for (uint64_t step = 0; step < 20; step++) {
    feed_batches a = feed_next(&straight);
    ck_assert(feed_open(&other, &d, 1000, 3, 1, &why));
    feed_seek(&other, step);
    feed_batches b = feed_next(&other);
    ck_assert_mem_eq(a.images, b.images, 6000 * sizeof(float));
    ck_assert_mem_eq(a.labels, b.labels, 3000 * sizeof(int32_t));
    feed_close(&other);
  }
  feed_close(&straight);
  data_close(&d);
}
END_TEST

static void add_cases(Suite *s) {
  TCase *files = tcase_create("files");
  tcase_add_checked_fixture(files, set_up, tear_down);
  tcase_add_test(files, reads_plain_and_gzipped);
  tcase_add_test(files, reads_sizes_only);
  tcase_add_loop_test(files, refuses_wrong_files, 0, (int)(sizeof wrong / sizeof *wrong));
  tcase_add_test(files, refuses_a_huge_file);
  tcase_add_test(files, refuses_damaged_gzip);
  tcase_add_test(files, refuses_other_names);
  tcase_add_test(files, gathers_other_sizes);
  tcase_add_test(files, reads_labels);
  tcase_add_loop_test(files, refuses_wrong_labels, 0, (int)(sizeof wrong_labels / sizeof *wrong_labels));
  suite_add_tcase(s, files);
  TCase *host = tcase_create("host");
  tcase_add_test(host, ring_has_eight_modes);
  tcase_add_test(host, ring_follows_its_seed);
  tcase_add_test(host, ring_is_judged);
  tcase_add_test(host, order_is_a_permutation);
  tcase_add_test(host, feed_drops_the_last_partial_batch);
  tcase_add_test(host, feed_keeps_the_batch_before);
  tcase_add_test(host, feed_seeks);
  tcase_add_test(host, points_are_scaled);
  suite_add_tcase(s, host);
}

CHECK_MAIN("gan_data", add_cases)
