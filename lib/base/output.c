/* Atomic replacement: a new file beside the old one, synced, renamed over it, and the folder synced. Writers of one
 * path take turns. Whenever the process dies, the path names the old file or the new one, whole. Owns the descriptor
 * and the temporary file. */
#define _GNU_SOURCE /* statx */
#include "base/output.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Links that may lead to one another, as the kernel has it. */
#define MOST_LINKS 40
#define PRIVATE    0600
/* For another writer of the same path. */
#define LONGEST_WAIT_MS 10000
#define PAUSE_MS        2

static clg_status fail_memory(clg_context *ctx, const char *op) {
  return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
}

/* Where the file really lies, or will: links are followed, so that they stay links. malloced; NULL without memory. */
static char *target_of(const char *path) {
  char *at = strdup(path), to[4096];
  for (int i = 0; at && i < MOST_LINKS; i++) {
    ssize_t n = readlink(at, to, sizeof to - 1);
    if (n < 0) break;
    to[n] = '\0';
    const char *slash = *to == '/' ? NULL : strrchr(at, '/');
    clg_str next = {0};
    clg_str_addf(&next, "%.*s%s", slash ? (int)(slash + 1 - at) : 0, at, to);
    free(at);
    if (next.failed) clg_str_free(&next);
    at = next.data;
  }
  return at;
}

/* Of a file's path. malloced; NULL without memory. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return strdup(".");
  char *folder = strdup(path);
  if (folder) folder[slash == path ? 1 : slash - path] = '\0';
  return folder;
}

/* Why a rename over the file would be refused, which a save must not learn when all is written; NULL if nothing says
 * so. */
static const char *why_not_replaced(const char *target, const char *folder, const struct stat *st) {
  struct statx more;
  struct stat around;
  uid_t us = geteuid();
  uint64_t set = statx(AT_FDCWD, target, AT_SYMLINK_NOFOLLOW, 0, &more) ? 0 : more.stx_attributes;
  if (set & STATX_ATTR_MOUNT_ROOT) return "a file that is mounted by itself cannot be replaced";
  if (set & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) return "its attributes say that it stays as it is";
  if (!us || us == st->st_uid || stat(folder, &around) || us == around.st_uid || !(around.st_mode & S_ISVTX))
    return NULL;
  return "it is another user's, in a folder where only owners replace files";
}

static clg_status check_replaceable(const clg_output *out, const struct stat *st) {
  char *folder = folder_of(out->path);
  if (!folder) return fail_memory(out->ctx, out->op);
  const char *why = why_not_replaced(out->path, folder, st);
  free(folder);
  return why ? clg_fail(out->ctx, CLG_ERR_IO, out->op, "cannot write " CLG_PATH ": %s", out->path, why) : CLG_OK;
}

/* ---- the temporary file: its name follows from the path, so that the next save finds what a killed one left ---- */

static char *temp_of(const char *target) {
  clg_str temp = {0};
  clg_str_addf(&temp, "%s.tmp", target);
  if (temp.failed) clg_str_free(&temp);
  return temp.data;
}

static bool names(const char *path, int fd) {
  struct stat named, open;
  return !lstat(path, &named) && !fstat(fd, &open) && named.st_ino == open.st_ino && named.st_dev == open.st_dev;
}

/* Takes the lock that says that the file is being written; it ends with its process. False: EWOULDBLOCK, another has
 * it. */
static bool lock(int fd) {
  int failed;
  do failed = flock(fd, LOCK_EX | LOCK_NB);
  while (failed && errno == EINTR);
  return !failed;
}

/* Removes what a killed save left. Nothing else is touched: what is another user's, or no file that saving makes,
 * stays, and so does what is being written. False: errno, EEXIST for what is not ours. */
static bool clear_away(const char *temp) {
  struct stat st;
  int fd = open(temp, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    bool gone = errno == ENOENT;
    if (!gone) errno = EEXIST;
    return gone;
  }
  bool ours = !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid();
  if (!ours) errno = EEXIST;
  bool ok = ours && lock(fd) && (!names(temp, fd) || !unlink(temp));
  int code = errno;
  close(fd);
  errno = code;
  return ok;
}

/* A new file that is ours alone, locked. -1: errno, EWOULDBLOCK while another writer has the name. */
static int make_temp(const char *temp, mode_t mode) {
  int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) {
    if (errno == EEXIST && clear_away(temp)) errno = EWOULDBLOCK; /* there is room now */
    return -1;
  }
  bool locked = lock(fd), mine = locked && names(temp, fd);
  if (mine) return fd;
  int code = locked ? EWOULDBLOCK : errno; /* between making and locking somebody took it for a left one: try again */
  if (code != EWOULDBLOCK) unlink(temp);
  close(fd);
  errno = code;
  return -1;
}

/* Takes turns with other writers of the path, which may be as long as writing is. */
static int open_temp(const char *temp, mode_t mode) {
  const struct timespec pause = {0, PAUSE_MS * 1000000L};
  for (int waited = 0;; waited += PAUSE_MS) {
    int fd = make_temp(temp, mode);
    if (fd >= 0 || errno != EWOULDBLOCK || waited >= LONGEST_WAIT_MS) return fd;
    nanosleep(&pause, NULL);
  }
}

static clg_status fail_temp(const clg_output *out) {
  const char *why = errno == EWOULDBLOCK ? "another process is writing it, or holds its lock: end that one first"
                                         : "it is not ours: remove it, or save in a folder of your own";
  if (errno != EWOULDBLOCK && errno != EEXIST) return clg_fail_errno(out->ctx, out->op, "write", out->path);
  return clg_fail(out->ctx, CLG_ERR_IO, out->op, "cannot write " CLG_PATH ": %.160s.tmp is in the way: %s", out->path,
                  out->path, why);
}

clg_status clg_output_open(clg_output *out, clg_context *ctx, const char *op, const char *path) {
  *out = (clg_output){.ctx = ctx, .op = op, .fd = -1};
  if (!path || !*path) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "there is no path");
  struct stat st;
  bool replaces = !stat(path, &st);
  if (!replaces && errno != ENOENT) return clg_fail_errno(ctx, op, "write", path);
  if (replaces && !S_ISREG(st.st_mode))
    return clg_fail(ctx, CLG_ERR_IO, op, "cannot write " CLG_PATH ": it is no regular file", path);
  out->path = target_of(path);
  char *temp = out->path ? temp_of(out->path) : NULL;
  clg_status s = temp ? CLG_OK : fail_memory(ctx, op);
  if (s == CLG_OK && replaces) s = check_replaceable(out, &st);
  if (s == CLG_OK) {
    out->fd = open_temp(temp, replaces ? PRIVATE : 0666);
    if (out->fd < 0) s = fail_temp(out);
  }
  if (s != CLG_OK) {
    free(temp);
    clg_output_discard(out);
    return s;
  }
  out->temp = temp;
  /* Until it is whole nobody else may open it, and so lock it, or read what replaces a private file. */
  if (replaces || !fstat(out->fd, &st)) out->mode = st.st_mode & 07777;
  fchmod(out->fd, PRIVATE);
  return CLG_OK;
}

clg_status clg_output_write(clg_output *out, const void *data, size_t n) {
  const char *from = data;
  while (n) {
    ssize_t put = write(out->fd, from, n < 1u << 30 ? n : 1u << 30);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return clg_fail_errno(out->ctx, out->op, "write", out->path);
    from += put;
    n -= (size_t)put;
  }
  return CLG_OK;
}

/* Makes the rename last. Some file systems cannot sync a folder and say EINVAL. */
static clg_status sync_folder(const clg_output *out) {
  char *folder = folder_of(out->path);
  if (!folder) return fail_memory(out->ctx, out->op);
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = fd >= 0 && (!fsync(fd) || errno == EINVAL);
  clg_status s = ok ? CLG_OK : clg_fail_errno(out->ctx, out->op, "sync the folder of", out->path);
  if (fd >= 0) close(fd);
  free(folder);
  return s;
}

/* The file stays open, and so locked, until it has its name. */
clg_status clg_output_commit(clg_output *out) {
  clg_status s = CLG_OK;
  fchmod(out->fd, out->mode); /* where there are no modes to keep it fails, and that is right */
  if (fsync(out->fd) || rename(out->temp, out->path)) {
    s = clg_fail_errno(out->ctx, out->op, "write", out->path);
  } else {
    free(out->temp);
    out->temp = NULL;
    s = sync_folder(out);
  }
  clg_output_discard(out);
  return s;
}

void clg_output_discard(clg_output *out) {
  if (out->temp) unlink(out->temp);
  if (out->fd >= 0) close(out->fd);
  out->fd = -1;
  free(out->temp);
  free(out->path);
  out->temp = out->path = NULL;
}

clg_status clg_output_all(clg_context *ctx, const char *op, const char *path, const clg_str *text) {
  if (text->failed) return fail_memory(ctx, op);
  clg_output out;
  clg_status s = clg_output_open(&out, ctx, op, path);
  if (s != CLG_OK) return s;
  s = clg_output_write(&out, text->data, text->len);
  if (s == CLG_OK) return clg_output_commit(&out);
  clg_output_discard(&out);
  return s;
}
