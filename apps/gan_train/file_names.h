/* Where the name of a file leads, and whether two names are one file's. */
#ifndef GAN_FILE_NAMES_H
#define GAN_FILE_NAMES_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME_ROOM 4096
/* Links that may lead to one another, as the kernel has it. */
#define FILE_NAME_LINKS 40

/* The file that `path` names or would make: links are followed, so that what replaces it leaves them. False: errno. */
static inline bool file_target(const char *path, char to[FILE_NAME_ROOM]) {
  char link[FILE_NAME_ROOM];
  size_t length = strlen(path);
  errno = ENAMETOOLONG;
  if (length >= FILE_NAME_ROOM) return false;
  memcpy(to, path, length + 1);
  for (int i = 0; i < FILE_NAME_LINKS; i++) {
    ssize_t n = readlink(to, link, sizeof link);
    if (n < 0) return true;
    char *slash = n && *link == '/' ? NULL : strrchr(to, '/');
    size_t folder = slash ? (size_t)(slash + 1 - to) : 0;
    errno = ENAMETOOLONG;
    if (folder + (size_t)n >= FILE_NAME_ROOM) return false;
    memcpy(to + folder, link, (size_t)n);
    to[folder + (size_t)n] = 0;
  }
  errno = ELOOP;
  return false;
}

static inline bool file_add(char path[FILE_NAME_ROOM], const char *end) {
  size_t n = strlen(path), more = strlen(end);
  errno = ENAMETOOLONG;
  if (n + more >= FILE_NAME_ROOM) return false;
  memcpy(path + n, end, more + 1);
  return true;
}

static inline bool file_is(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Splits off the last part; the folder is "." without one. */
static inline const char *file_split(char path[FILE_NAME_ROOM], const char **folder) {
  char *slash = strrchr(path, '/');
  *folder = !slash ? "." : slash == path ? "/" : path;
  if (slash) *slash = 0;
  return slash ? slash + 1 : path;
}

/* Also of a file that is not there yet. */
static inline bool file_same(const char *a, const char *b) {
  struct stat ia, ib;
  bool has_a = stat(a, &ia) == 0, has_b = stat(b, &ib) == 0;
  if (has_a || has_b) return has_a && has_b && file_is(&ia, &ib);
  char ta[FILE_NAME_ROOM], tb[FILE_NAME_ROOM];
  const char *fa, *fb;
  if (!file_target(a, ta) || !file_target(b, tb)) return false;
  if (!strcmp(ta, tb)) return true;
  return !strcmp(file_split(ta, &fa), file_split(tb, &fb)) && stat(fa, &ia) == 0 && stat(fb, &ib) == 0 &&
         file_is(&ia, &ib);
}

#endif
