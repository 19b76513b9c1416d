/* What saving and loading owe other files, other users and other processes: temporary files that are not ours, locks
 * that never end, pipes where a file is read, and numbers that are none. */
#define _GNU_SOURCE /* unshare */
#include "base/output.h"
#include "context.h"
#include "harness.h"
#include "replaces.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static clg_context *ctx;
static char folder[64], path[96], temp[112], other[96];

static void open_all(void) {
  ctx = test_context_open();
  strcpy(folder, "/tmp/clgrad-files.XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/f", folder);
  snprintf(other, sizeof other, "%s/other", folder);
  snprintf(temp, sizeof temp, "%s.tmp", path);
}
static void close_all(void) {
  test_context_close(&ctx);
  unlink(path);
  unlink(other);
  ck_assert_int_eq(rmdir(folder), 0); /* nothing temporary was left */
}

static void write_text(const char *to, const char *text, mode_t mode) {
  int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ck_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  ck_assert(!fchmod(fd, mode));
  close(fd);
}

static bool holds(const char *file, const char *text) {
  char got[64] = "";
  int fd = open(file, O_RDONLY | O_NONBLOCK);
  bool ok = fd >= 0 && read(fd, got, sizeof got - 1) == (ssize_t)strlen(text) && !strcmp(got, text);
  if (fd >= 0) close(fd);
  return ok;
}

static clg_status save(clg_context *in, const char *to) { return clg_file_save(in, to, "new, longer than old", 20); }

START_TEST(any_file_is_replaced_like_the_others) {
  test_replaces(ctx, save);
  ck_assert_int_eq(clg_file_save(ctx, path, NULL, 0), CLG_OK);
  ck_assert(holds(path, ""));
  ck_assert_int_eq(clg_file_save(ctx, path, NULL, 1), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "NULL");
  ck_assert_int_eq(clg_file_save(NULL, path, NULL, 0), CLG_ERR_ARGUMENT);
  ck_assert_int_eq(clg_file_check(NULL, path), CLG_ERR_ARGUMENT);
}
END_TEST

START_TEST(a_check_leaves_no_trace) {
  struct stat st;
  ck_assert_int_eq(clg_file_check(ctx, path), CLG_OK);
  ck_assert(stat(path, &st) && stat(temp, &st));
  write_text(path, "old", 0640);
  ck_assert_int_eq(clg_file_check(ctx, path), CLG_OK);
  ck_assert(holds(path, "old") && !stat(path, &st) && (st.st_mode & 07777) == 0640 && stat(temp, &st));
  ck_assert_int_eq(clg_file_check(ctx, folder), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "no regular file");
  ck_assert_int_eq(clg_file_check(ctx, "/nowhere/at/all"), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "cannot write /nowhere/at/all");
}
END_TEST

static void expect_kept(const char *part) {
  ck_assert_int_eq(clg_file_check(ctx, path), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, part);
  ck_assert_int_eq(save(ctx, path), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, part);
  ck_assert(holds(path, "old"));
}

/* A file that no rename may replace is refused at once, not when all is written. */
START_TEST(what_a_rename_cannot_replace) {
  write_text(path, "old", 0666);
  write_text(other, "old", 0666);
  if (geteuid()) return; /* only root can make such files */
  ck_assert(!chmod(folder, 01777) && !seteuid(65534));
  expect_kept("only owners replace files");
  ck_assert(!seteuid(0) && !chown(path, 65534, 65534) && !seteuid(65534));
  ck_assert_int_eq(save(ctx, path), CLG_OK);
  ck_assert(!seteuid(0) && !chmod(folder, 0700));
  bool mounts = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  if (!mounts || mount(other, path, NULL, MS_BIND, NULL)) return; /* not in a container without rights */
  expect_kept("mounted by itself");
  ck_assert(!umount(path));
  ck_assert_int_eq(save(ctx, path), CLG_OK);
}
END_TEST

/* What stands where the temporary file would. */
enum { PIPE, FOLDER, LINK, HARD_LINK, STRANGERS, STRANGERS_OPEN, KINDS };

static bool put_in_the_way(int kind) {
  write_text(other, "precious", 0600);
  switch (kind) {
  case PIPE: return !mkfifo(temp, 0666);
  case FOLDER: return !mkdir(temp, 0700);
  case LINK: return !symlink(other, temp);
  case HARD_LINK: return !link(other, temp);
  }
  write_text(temp, "somebody's", kind == STRANGERS ? 0600 : 0666);
  if (!chown(temp, 65534, 65534)) return true;
  unlink(temp); /* only root can make another user's file */
  return false;
}

START_TEST(temporary_files_that_are_not_ours_stay) {
  struct stat before, after;
  write_text(path, "old", 0600);
  if (!put_in_the_way(_i)) return;
  ck_assert(!lstat(temp, &before));
  ck_assert_int_eq(clg_file_check(ctx, path), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, ".tmp is in the way");
  ck_assert_int_eq(save(ctx, path), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "f.tmp is in the way: it is not ours");
  ck_assert(holds(path, "old") && holds(other, "precious"));
  ck_assert(!lstat(temp, &after) && before.st_ino == after.st_ino && before.st_mode == after.st_mode &&
            before.st_uid == after.st_uid && before.st_size == after.st_size);
  ck_assert(!(_i == FOLDER ? rmdir(temp) : unlink(temp)));
  ck_assert_int_eq(save(ctx, path), CLG_OK);
}
END_TEST

START_TEST(what_a_killed_save_left_is_replaced) {
  struct stat st;
  const mode_t modes[] = {0600, 0644, 0666, 0777};
  mode_t mask = umask(022);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    write_text(temp, "half of what was to be saved then, and much longer than this time", modes[i]);
    ck_assert_int_eq(save(ctx, path), CLG_OK);
    ck_assert(holds(path, "new, longer than old") && stat(temp, &st));
    ck_assert(!stat(path, &st) && (st.st_mode & 07777) == 0644 && st.st_uid == geteuid()); /* as any new file */
    unlink(path);
  }
  umask(mask);
}
END_TEST

/* Who can open it can lock it, and so hold up every save. */
START_TEST(nobody_else_opens_what_is_being_written) {
  struct stat st;
  for (int there = 0; there < 2; there++) {
    clg_output out;
    ck_assert_int_eq(clg_output_open(&out, ctx, "test", path), CLG_OK);
    ck_assert(!stat(temp, &st) && (st.st_mode & 07777) == 0600);
    clg_output_discard(&out);
    write_text(path, "old", 0666);
  }
}
END_TEST

START_TEST(a_wait_for_a_lock_has_an_end) {
  struct timespec begun, ended;
  write_text(temp, "", 0600);
  int fd = open(temp, O_RDWR);
  ck_assert(fd >= 0 && !flock(fd, LOCK_EX));
  clock_gettime(CLOCK_MONOTONIC, &begun);
  ck_assert_int_eq(save(ctx, path), CLG_ERR_IO);
  clock_gettime(CLOCK_MONOTONIC, &ended);
  ck_assert(ended.tv_sec - begun.tv_sec >= 5 && ended.tv_sec - begun.tv_sec <= 60);
  test_expect_error(ctx, CLG_ERR_IO, "f.tmp is in the way: another process");
  close(fd);
  ck_assert_int_eq(save(ctx, path), CLG_OK);
}
END_TEST

/* ---- reading ---- */

static clg_status read_profile(void) {
  clg_context *plan = NULL;
  clg_plan_options o = {.device_file = path};
  return clg_context_create_plan(&plan, &o);
}

static clg_status read_wanted_table(void) {
  clg_context *plan = NULL;
  setenv("CLGRAD_TUNING", path, 1);
  clg_status s = clg_context_create_plan(&plan, NULL);
  unsetenv("CLGRAD_TUNING");
  return s;
}

/* Nobody writes: a reader that waits is ended by the alarm. */
START_TEST(pipes_are_not_read) {
  clg_module *m = clg_linear_create(ctx, 1, 1, true, NULL);
  ck_assert(!mkfifo(path, 0600));
  alarm(30);
  ck_assert_ptr_null(clg_loader_open(ctx, path));
  test_expect_error(ctx, CLG_ERR_IO, "it is no regular file");
  ck_assert_ptr_null(clg_npy_load(ctx, path));
  test_expect_error(ctx, CLG_ERR_IO, "it is no regular file");
  ck_assert_int_eq(clg_module_load(m, path), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "it is no regular file");
  ck_assert_int_eq(clg_tuning_load(ctx, path), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "cannot read");
  ck_assert_int_eq(read_profile(), CLG_ERR_IO);
  ck_assert_int_eq(read_wanted_table(), CLG_ERR_IO);
  alarm(0);
  clg_module_unref(&m);
}
END_TEST

/* ---- numbers ---- */

static clg_status save_finite(clg_tensor *good, clg_tensor *t) {
  clg_saver *s = clg_saver_create(ctx, path);
  clg_saver_refuse_nonfinite(s);
  clg_saver_add_tensor(s, "good", good);
  clg_saver_add_tensor(s, "w", t);
  clg_status status = clg_saver_commit(s);
  clg_saver_unref(&s);
  return status;
}

START_TEST(what_is_no_number_replaces_nothing) {
  const float bad[] = {NAN, -NAN, INFINITY, -INFINITY}, fine[] = {3.4028235e38f, -3.4028235e38f, 1e-45f, -0.0f};
  const int32_t same_bits[] = {0x7f800000, -1};
  const int64_t n = 3, two = 2;
  clg_tensor *good = clg_full(ctx, 1, &n, 1), *whole = clg_tensor_create_i32(ctx, 1, &two, same_bits);
  for (int at = 0; at < 3; at++)
    for (int i = 0; i < 4; i++) {
      float v[3] = {0, 0, 0};
      clg_tensor *t;
      v[at] = fine[i];
      t = clg_tensor_create(ctx, 1, &n, v);
      ck_assert_int_eq(save_finite(good, t), CLG_OK);
      clg_tensor_unref(&t);
      write_text(path, "old", 0600);
      v[at] = bad[i];
      t = clg_tensor_create(ctx, 1, &n, v);
      ck_assert_int_eq(save_finite(good, t), CLG_ERR_STATE);
      test_expect_error(ctx, CLG_ERR_STATE, "is not written: \"w\" has a NaN or an infinity");
      ck_assert(holds(path, "old"));
      ck_assert_int_eq(clg_npy_save(t, path), CLG_OK); /* who has not asked for it gets it */
      clg_tensor_unref(&t);
    }
  ck_assert_int_eq(save_finite(good, whole), CLG_OK); /* int32 has no such numbers */
  clg_tensor_unref(&good);
  clg_tensor_unref(&whole);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("files");
  tcase_add_checked_fixture(c, open_all, close_all);
  tcase_set_timeout(c, 60);
  tcase_add_test(c, any_file_is_replaced_like_the_others);
  tcase_add_test(c, a_check_leaves_no_trace);
  tcase_add_test(c, what_a_rename_cannot_replace);
  tcase_add_loop_test(c, temporary_files_that_are_not_ours_stay, 0, KINDS);
  tcase_add_test(c, what_a_killed_save_left_is_replaced);
  tcase_add_test(c, nobody_else_opens_what_is_being_written);
  tcase_add_test(c, a_wait_for_a_lock_has_an_end);
  tcase_add_test(c, pipes_are_not_read);
  tcase_add_test(c, what_is_no_number_replaces_nothing);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("io_files", add_cases)
