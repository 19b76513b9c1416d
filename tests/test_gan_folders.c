/* Folders as gan_train's data: what they may be called, what cannot be read in them, what identifies them, and which
 * outputs would fall on them. Needs no device. */
#include "data.h"
#include "harness.h"
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#undef fail /* Check's */

static char folder[64], back[4096];

/* Each case works in a folder of its own. */
static void set_up(void) {
  strcpy(folder, "/tmp/gan_folders_XXXXXX");
  ck_assert(getcwd(back, sizeof back) && mkdtemp(folder) && !chdir(folder));
  alarm(60); /* what waits for a pipe is ended */
}
static void tear_down(void) {
  char command[256];
  alarm(0);
  ck_assert(!chdir(back));
  snprintf(command, sizeof command, "chmod -R u+rwx %s && rm -r %s", folder, folder);
  ck_assert(!system(command));
}

static void write_bytes(const char *name, const void *bytes, size_t n) {
  FILE *file = fopen(name, "wb");
  ck_assert(file && fwrite(bytes, 1, n, file) == n && !fclose(file));
}

static void write_picture(const char *name, uint8_t grey) {
  uint8_t pixels[64];
  png_image png = {.version = PNG_IMAGE_VERSION, .width = 8, .height = 8, .format = PNG_FORMAT_GRAY};
  memset(pixels, grey, sizeof pixels);
  ck_assert(png_image_write_to_file(&png, name, 0, pixels, 0, NULL));
}

static const data_options usual = {.name = "d", .image_size = 8};
static message why;

static bool opens(data *d, const data_options *o) {
  why = (message){""};
  return data_open(d, o, &why);
}
static void expect_refused(const data_options *o, const char *part) {
  data d;
  ck_assert(!opens(&d, o));
  ck_assert_msg(strstr(why.text, part) && !strchr(why.text, '\n'), "no '%s' in: %s", part, why.text);
}

/* ---- IDX ---- */

static const uint8_t images[16 + 3 * 4] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2,  0,  0,
                                           0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t labels[8 + 3] = {0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 1};
static const char *const image_names[] = {"d/train-images-idx3-ubyte", "d/train-images.idx3-ubyte"};
static const char *const label_names[] = {"d/train-labels-idx1-ubyte", "d/train-labels.idx1-ubyte"};

START_TEST(idx_files_have_either_name) {
  const data_options o = {.name = "d", .labels = true};
  data d;
  mkdir("d", 0700);
  for (int i = 0; i < 4; i++) {
    write_bytes(image_names[i / 2], images, sizeof images);
    write_bytes(label_names[i % 2], labels, sizeof labels);
    ck_assert_msg(opens(&d, &o), "%s", why.text);
    ck_assert(d.count == 3 && d.classes == 3 && d.pixels[11] == 12);
    data_close(&d);
    char command[200];
    snprintf(command, sizeof command, "gzip %s %s", image_names[i / 2], label_names[i % 2]);
    ck_assert(!system(command));
    ck_assert_msg(opens(&d, &o), "%s", why.text);
    ck_assert(d.count == 3 && d.labels[0] == 2);
    data_close(&d);
    ck_assert(!system("rm d/*"));
  }
}
END_TEST

/* Memory grows with the bytes that arrive, not with the number that is claimed. */
START_TEST(counts_that_claim_cost_nothing) {
  uint8_t lie[sizeof labels];
  struct rlimit before, small;
  mkdir("d", 0700);
  memcpy(lie, labels, sizeof lie);
  memcpy(lie + 4, "\xff\xff\xff\xf0", 4);
  write_bytes(image_names[0], images, sizeof images);
  write_bytes(label_names[0], lie, sizeof lie);
  ck_assert(!getrlimit(RLIMIT_AS, &before));
  small = before, small.rlim_cur = (rlim_t)1 << 30;
#if !defined(__SANITIZE_ADDRESS__)
  ck_assert(!setrlimit(RLIMIT_AS, &small));
#endif
  data d;
  const data_options o = {.name = "d", .labels = true, .sizes_only = true};
  bool ok = opens(&d, &o);
  ck_assert(!setrlimit(RLIMIT_AS, &before));
  ck_assert(!ok);
  ck_assert_msg(strstr(why.text, "promises 4294967280 labels, the file has 3"), "%s", why.text);
}
END_TEST

/* ---- what cannot be read ---- */

START_TEST(pipes_are_not_waited_for) {
  const data_options with_labels = {.name = "d", .labels = true};
  mkdir("d", 0700);
  for (int i = 0; i < 2; i++) {
    ck_assert(!mkfifo(image_names[i], 0600));
    expect_refused(&usual, "no regular file");
    ck_assert(!unlink(image_names[i]));
  }
  ck_assert(!mkfifo("d/train-images-idx3-ubyte.gz", 0600));
  expect_refused(&usual, "no regular file");
  ck_assert(!unlink("d/train-images-idx3-ubyte.gz"));
  write_bytes(image_names[0], images, sizeof images);
  ck_assert(!mkfifo(label_names[0], 0600));
  expect_refused(&with_labels, "no regular file");
  ck_assert(!unlink(image_names[0]) && !mkfifo("d/a.png", 0600));
  expect_refused(&usual, "d/a.png: cannot read: it is no regular file");
  ck_assert(!symlink("/dev/zero", "d/0.png"));
  expect_refused(&usual, "d/0.png: cannot read: it is no regular file");
}
END_TEST

/* Root reads everything: the case is another user then. */
static void expect_forbidden(const char *part) {
  bool root = !geteuid();
  ck_assert(!chmod(".", 0755) && (!root || !seteuid(65534)));
  data d;
  bool ok = opens(&d, &usual);
  ck_assert(!root || !seteuid(0));
  ck_assert_msg(!ok && strstr(why.text, part) && strstr(why.text, "Permission denied"), "no '%s' in: %s", part,
                why.text);
}

START_TEST(what_may_not_be_read_is_not_empty) {
  mkdir("d", 0755), mkdir("d/cats", 0755), mkdir("d/dogs", 0755);
  write_picture("d/cats/a.png", 1);
  write_picture("d/dogs/a.png", 2);
  ck_assert(!chmod("d", 0));
  expect_forbidden("d");
  ck_assert(!chmod("d", 0755) && !chmod("d/dogs", 0));
  expect_forbidden("d/dogs");
  ck_assert(!chmod("d/dogs", 0755) && !chmod("d", 0444));
  expect_forbidden("d");
  ck_assert(!chmod("d", 0755) && !chmod("d/cats/a.png", 0));
  expect_forbidden("d/cats/a.png");
}
END_TEST

START_TEST(what_cannot_be_read_can_be_left_out) {
  const data_options skip = {.name = "d", .image_size = 8, .skip = true, .labels = true};
  data d;
  mkdir("d", 0700), mkdir("d/0", 0700), mkdir("d/1", 0700);
  write_bytes("d/0/a.png", "not a picture", 13); /* the first, which would say what the others become */
  write_picture("d/0/b.png", 10);
  write_picture("d/1/a.png", 20);
  write_bytes("d/1/b.jpg", "", 0);
  mkfifo("d/1/c.png", 0600);
  write_picture("d/1/d.png", 30);
  expect_refused(&usual, "d/0/a.png: neither");
  ck_assert_msg(opens(&d, &skip), "%s", why.text);
  ck_assert(d.count == 3 && d.skipped == 3 && d.channels == 1 && strstr(d.skip_why.text, "d/0/a.png"));
  ck_assert_mem_eq(d.labels, ((uint8_t[]){0, 1, 1}), 3);
  for (int i = 0; i < 3; i++) ck_assert_uint_eq(d.pixels[64 * i], 10 * (i + 1));
  data_close(&d);
  ck_assert(!system("rm d/0/b.png d/1/a.png d/1/d.png"));
  expect_refused(&skip, "no picture in d can be read: d/0/a.png");
}
END_TEST

/* ---- identity ---- */

static uint64_t hash_of(const char *name, bool with_labels) {
  data d;
  const data_options o = {.name = name, .image_size = 8, .labels = with_labels};
  ck_assert_msg(opens(&d, &o), "%s", why.text);
  uint64_t hash = data_hash(&d);
  data_close(&d);
  return hash;
}

START_TEST(data_is_known_by_its_content) {
  mkdir("d", 0700), mkdir("d/0", 0700), mkdir("d/1", 0700);
  write_picture("d/0/a.png", 1), write_picture("d/0/b.png", 2), write_picture("d/1/c.png", 3);
  uint64_t hash = hash_of("d", false), labelled = hash_of("d", true);
  ck_assert(hash_of("d/", false) == hash && hash_of("./d", false) == hash && labelled != hash);
  ck_assert(!rename("d", "other name") && hash_of("other name", false) == hash && !rename("other name", "d"));
  ck_assert(!rename("d/0/b.png", "d/1/b.png")); /* the same items in the same order, another label */
  ck_assert(hash_of("d", false) == hash && hash_of("d", true) != labelled);
  ck_assert(!rename("d/0/a.png", "d/1/z.png")); /* another order */
  ck_assert(hash_of("d", false) != hash);
  ck_assert(!rename("d/1/z.png", "d/0/a.png") && hash_of("d", false) == hash);
  write_picture("d/1/c.png", 4);
  ck_assert(hash_of("d", false) != hash);
  ck_assert(hash_of("ring", false) != hash);
}
END_TEST

/* ---- outputs ---- */

START_TEST(outputs_that_would_fall_on_data) {
  static const struct {
    const char *path;
    bool flat, classes, idx; /* whether it belongs to a data set of this kind */
  } rows[] = {{"d/new.png", true, true, false},
              {"d/a.PNG", true, true, false},
              {"d/./new.jpg", true, true, false},
              {"link/new.jpeg", true, true, false},
              {"to_new.png", true, true, false},
              {"hard", true, false, false},
              {"d/c/new.png", false, true, false},
              {"d/c/deep/new.png", false, false, false},
              {"d/new.json", false, false, false},
              {"new.png", false, false, false},
              {"d/train-images-idx3-ubyte", true, true, true},
              {"d/train-labels.idx1-ubyte.gz", true, true, true}};
  mkdir("d", 0700), mkdir("d/c", 0700), mkdir("d/c/deep", 0700);
  ck_assert(!symlink("d", "link") && !symlink("d/new.png", "to_new.png"));
  for (int kind = 0; kind < 3; kind++) {
    if (kind == 0) {
      write_picture("d/x.png", 0);
      ck_assert(!link("d/x.png", "hard"));
    }
    if (kind == 1) {
      ck_assert(!unlink("d/x.png"));
      write_picture("d/c/y.png", 0);
    }
    if (kind == 2) write_bytes("d/train-images-idx3-ubyte", images, sizeof images);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
      bool want = kind == 0 ? rows[i].flat : kind == 1 ? rows[i].classes : rows[i].idx;
      ck_assert_msg(data_reads("d", rows[i].path) == want, "%s, kind %d", rows[i].path, kind);
      ck_assert(!data_reads("ring", rows[i].path));
    }
  }
}
END_TEST

/* ---- messages ---- */

START_TEST(messages_are_whole_lines) {
  static const char *const characters[] = {"a", "\xc3\xa9", "\xe8\xaa\x9e", "\xf0\x9f\x98\x80"};
  char text[4096];
  for (size_t k = 0; k < 4; k++)
    for (size_t before = 0; before < 8; before++) {
      size_t n = strlen(characters[k]), room = sizeof why.text - 1 - before;
      memset(text, 'x', before);
      for (size_t i = 0; i < 600 * 4 / n; i++) memcpy(text + before + i * n, characters[k], n + 1);
      why = (message){""};
      ck_assert(!fail(&why, "%s", text));
      ck_assert_uint_eq(strlen(why.text), before + room / n * n); /* as many as fit, the last one whole */
      ck_assert_mem_eq(why.text, text, strlen(why.text));
    }
  for (int c = 1; c < 256; c++) {
    char one[2] = {(char)c, 0};
    why = (message){""};
    fail(&why, "<%s>", one);
    ck_assert_uint_eq(strlen(why.text), 3);
    ck_assert(c < 0x20 || c == 0x7f ? why.text[1] == '?' || why.text[1] == ' ' : why.text[1] == (char)c);
  }
}
END_TEST

static void add_cases(Suite *s) {
  TCase *c = tcase_create("folders");
  tcase_add_checked_fixture(c, set_up, tear_down);
  tcase_add_test(c, idx_files_have_either_name);
  tcase_add_test(c, counts_that_claim_cost_nothing);
  tcase_add_test(c, pipes_are_not_waited_for);
  tcase_add_test(c, what_may_not_be_read_is_not_empty);
  tcase_add_test(c, what_cannot_be_read_can_be_left_out);
  tcase_add_test(c, data_is_known_by_its_content);
  tcase_add_test(c, outputs_that_would_fall_on_data);
  tcase_add_test(c, messages_are_whole_lines);
  suite_add_tcase(s, c);
}

CHECK_MAIN("gan_folders", add_cases)
