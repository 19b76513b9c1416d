/* Atomic replacement: a new file beside the old one, synced, renamed over it, and the folder synced. Writers of one
 * path take turns. Whenever the process dies, the path names the old file or the new one, whole. Owns the descriptor
 * and the temporary file. */
#include "device/output.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Links that may lead to one another, as the kernel has it. */
#define MOST_LINKS 40
#define PRIVATE    0600

clg_status clg_fail_errno(clg_context *ctx, const char *op, const char *what, const char *path) {
  int code = errno;
  char why[128] = "";
  if (strerror_r(code, why, sizeof why)) snprintf(why, sizeof why, "error %d", code);
  return clg_fail(ctx, CLG_ERR_IO, op, "cannot %s " CLG_PATH ": %s", what, path, why);
}

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

/* Waits until nobody else writes the file. A lock ends with its process, so what a dead one left can be taken over. */
static bool lock(int fd) {
  int failed;
  do failed = flock(fd, LOCK_EX);
  while (failed && errno == EINTR);
  return !failed;
}

/* Empties a file that is ours. `moved`: while we waited, its writer has put it in place or removed it. */
static bool take_over(int fd, const char *name, bool *moved) {
  struct stat open, named;
  if (!lock(fd) || fstat(fd, &open)) return false;
  *moved = lstat(name, &named) || named.st_ino != open.st_ino || named.st_dev != open.st_dev;
  if (*moved) return false;
  if (S_ISREG(open.st_mode) && open.st_nlink == 1) return !ftruncate(fd, 0);
  errno = EEXIST; /* nobody that saves has made it */
  return false;
}

/* The temporary file. Its name follows from the path, so that the next save replaces what a killed one left. */
static int open_temp(const char *path, mode_t mode, char **name) {
  clg_str temp = {0};
  clg_str_addf(&temp, "%s.tmp", path);
  for (;;) {
    bool moved = false;
    int fd = temp.failed ? -1 : open(temp.data, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
    if (temp.failed) errno = ENOMEM;
    if (fd >= 0 && take_over(fd, temp.data, &moved)) return *name = temp.data, fd;
    int code = errno;
    if (fd >= 0) close(fd);
    if (moved) continue;
    clg_str_free(&temp);
    errno = code;
    return -1;
  }
}

clg_status clg_output_open(clg_output *out, clg_context *ctx, const char *op, const char *path) {
  *out = (clg_output){.ctx = ctx, .op = op, .fd = -1};
  if (!path || !*path) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "there is no path");
  struct stat st;
  out->replaces = !stat(path, &st);
  if (!out->replaces && errno != ENOENT) return clg_fail_errno(ctx, op, "write", path);
  if (out->replaces && !S_ISREG(st.st_mode))
    return clg_fail(ctx, CLG_ERR_IO, op, "cannot write " CLG_PATH ": it is no regular file", path);
  out->path = target_of(path);
  if (!out->path) return fail_memory(ctx, op);
  out->fd = open_temp(out->path, out->replaces ? PRIVATE : 0666, &out->temp);
  /* What replaces a private file is never open to others, and never read-only, so that a later save can take it over.
   */
  if (out->fd >= 0 && out->replaces) fchmod(out->fd, PRIVATE);
  if (out->replaces) out->mode = st.st_mode & 07777;
  if (out->fd >= 0) return CLG_OK;
  clg_status s = clg_fail_errno(ctx, op, "write", path);
  clg_output_discard(out);
  return s;
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
  char *folder = strdup(out->path);
  if (!folder) return fail_memory(out->ctx, out->op);
  char *slash = strrchr(folder, '/');
  if (slash) slash[slash == folder] = '\0';
  int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = fd >= 0 && (!fsync(fd) || errno == EINVAL);
  clg_status s = ok ? CLG_OK : clg_fail_errno(out->ctx, out->op, "sync the folder of", out->path);
  if (fd >= 0) close(fd);
  free(folder);
  return s;
}

/* The file stays open, and so locked, until it has its name. */
clg_status clg_output_commit(clg_output *out) {
  clg_status s = CLG_OK;
  if (out->replaces) fchmod(out->fd, out->mode); /* where there are no modes to keep it fails, and that is right */
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
