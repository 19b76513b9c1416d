/* Opens files that are read. */
#include "input.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) >= 8, "files may be larger than 2 GiB");

int input_open(const char *path, message *why) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 || fstat(fd, &info) != 0)
    fail(why, "%s: cannot open: %s", path, strerror(errno));
  else if (S_ISDIR(info.st_mode))
    fail(why, "%s: cannot read: it is a folder", path);
  else if (!S_ISREG(info.st_mode))
    fail(why, "%s: cannot read: it is no regular file", path);
  else
    return fd;
  if (fd >= 0) close(fd);
  return -1;
}
