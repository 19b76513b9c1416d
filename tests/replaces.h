/* What every function that saves to a path owes the file that is there. */
#ifndef CLG_TESTS_REPLACES_H
#define CLG_TESTS_REPLACES_H

#include "harness.h"
#include <clgrad/context.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void replaces_fails(clg_context *ctx, clg_status s) {
  ck_assert_int_eq(s, CLG_ERR_IO);
  ck_assert_int_eq(clg_last_status(ctx), CLG_ERR_IO);
  clg_clear_error(ctx);
}

/* Links stay, a mode stays, a full disk loses nothing, a device is left alone. */
static inline void test_replaces(clg_context *ctx, clg_status (*save)(clg_context *ctx, const char *path)) {
  char folder[] = "/tmp/clgrad-replaces.XXXXXX", back[4096];
  struct stat before, after;
  ck_assert(getcwd(back, sizeof back) && mkdtemp(folder) && !chdir(folder));
  FILE *old = fopen("file", "w");
  ck_assert(old && fputs("old", old) >= 0 && !fclose(old) && !chmod("file", 0640));
  ck_assert(!symlink("file", "link") && !symlink("new", "to_new") && !symlink("loop", "loop"));
  ck_assert(!symlink("/dev/full", "device"));

  ck_assert_msg(save(ctx, "link") == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert(!lstat("link", &after) && S_ISLNK(after.st_mode));
  ck_assert(!lstat("file", &before) && before.st_size > 3 && (before.st_mode & 07777) == 0640);
  ck_assert_msg(save(ctx, "to_new") == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert(!lstat("to_new", &after) && S_ISLNK(after.st_mode) && !lstat("new", &after) && S_ISREG(after.st_mode));

  struct rlimit most, small;
  ck_assert(!getrlimit(RLIMIT_FSIZE, &most));
  small = most;
  small.rlim_cur = 4;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  ck_assert(!setrlimit(RLIMIT_FSIZE, &small));
  clg_status s = save(ctx, "file");
  ck_assert(!setrlimit(RLIMIT_FSIZE, &most));
  signal(SIGXFSZ, handler);
  replaces_fails(ctx, s);
  ck_assert(!lstat("file", &after) && after.st_ino == before.st_ino && after.st_size == before.st_size);

  replaces_fails(ctx, save(ctx, "device"));
  replaces_fails(ctx, save(ctx, "loop"));
  static const char *const all[] = {"file", "link", "to_new", "new", "loop", "device"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) ck_assert_msg(!unlink(all[i]), "%s is gone", all[i]);
  ck_assert(!chdir(back) && !rmdir(folder)); /* nothing temporary was left */
}

#endif
