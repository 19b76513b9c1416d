/* Opens files that are read. */
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) >= 8, "files may be larger than 2 GiB");

int clg_open_regular(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -1;
  int code = fstat(fd, &st) ? errno : 0;
  if (!code && S_ISREG(st.st_mode)) return fd;
  close(fd);
  errno = code;
  return -1;
}

FILE *clg_fopen_regular(const char *path) {
  int fd = clg_open_regular(path);
  FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
  if (fd >= 0 && !f) close(fd);
  return f;
}
