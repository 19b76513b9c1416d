/* Writes beside the target and renames, so that a failure leaves the old file as it was. */
#include "output.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool no_write(const char *path, message *why) {
  return fail(why, "%s: cannot write: %s", path, strerror(errno));
}

bool output_check(const char *path, message *why) {
  struct stat info;
  bool there = stat(path, &info) == 0;
  if (there && S_ISDIR(info.st_mode)) return fail(why, "%s: cannot write: it is a folder", path);
  if (there && access(path, W_OK) != 0) return no_write(path, why);
  if (there && !S_ISREG(info.st_mode)) return true;
  output probe;
  return output_open(&probe, path, why) && output_close(&probe, false, why);
}

bool output_open(output *o, const char *path, message *why) {
  struct stat info;
  o->path = path;
  o->temporary[0] = 0;
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
    o->file = fopen(path, "wb");
    return o->file || no_write(path, why);
  }
  int n = snprintf(o->temporary, sizeof o->temporary, "%s.XXXXXX", path);
  if (n < 0 || (size_t)n >= sizeof o->temporary) return fail(why, "the name of an output file is too long");
  int fd = mkstemp(o->temporary);
  if (fd < 0) return no_write(path, why);
  mode_t mask = umask(0);
  umask(mask);
  fchmod(fd, 0666 & ~mask); /* mkstemp keeps files private */
  o->file = fdopen(fd, "wb");
  if (o->file) return true;
  close(fd);
  unlink(o->temporary);
  return fail_no_memory(why);
}

bool output_close(output *o, bool complete, message *why) {
  bool ok = true;
  if (complete && (fflush(o->file) != 0 || ferror(o->file))) ok = no_write(o->path, why);
  if (fclose(o->file) != 0 && complete && ok) ok = no_write(o->path, why);
  o->file = NULL;
  if (!o->temporary[0]) return ok;
  if (ok && complete && rename(o->temporary, o->path) == 0) return true;
  if (ok && complete) ok = no_write(o->path, why);
  unlink(o->temporary);
  return ok;
}
