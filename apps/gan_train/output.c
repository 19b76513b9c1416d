/* Writes beside the target and renames, so that a failure leaves the old file as it was. */
#include "output.h"
#include <stdlib.h>

static bool no_write(const char *path, message *why) {
  return fail(why, "%s: cannot write: %s", path, strerror(errno));
}

/* What is there now; `there`: anything. */
static bool look(const char *path, bool stream, struct stat *info, bool *there, message *why) {
  *there = stat(path, info) == 0;
  if (!*there) return errno == ENOENT || no_write(path, why);
  if (S_ISDIR(info->st_mode)) return fail(why, "%s: cannot write: it is a folder", path);
  return S_ISREG(info->st_mode) || stream || fail(why, "%s: cannot write: it is no regular file", path);
}

bool output_check(const char *path, bool stream, message *why) {
  struct stat info;
  bool there;
  output probe;
  if (!look(path, stream, &info, &there, why)) return false;
  if (there && access(path, W_OK) != 0) return no_write(path, why);
  if (there && !S_ISREG(info.st_mode)) return true;
  return output_open(&probe, path, false, why) && output_close(&probe, false, why);
}

bool output_check_save(const char *path, message *why) {
  char temporary[FILE_NAME_ROOM];
  if (!output_check(path, false, why)) return false;
  if (!file_temporary(path, temporary)) return no_write(path, why);
  return !file_in_the_way(temporary) || fail(why, "%s: cannot write: %s is in the way", path, temporary);
}

bool output_open(output *o, const char *path, bool stream, message *why) {
  struct stat info;
  bool there;
  o->path = path;
  o->temporary[0] = 0;
  if (!look(path, stream, &info, &there, why)) return false;
  if (there && !S_ISREG(info.st_mode)) {
    o->file = fopen(path, "wb");
    return o->file || no_write(path, why);
  }
  if (!file_target(path, o->target) || !file_target(path, o->temporary) || !file_add(o->temporary, ".XXXXXX"))
    return no_write(path, why);
  int fd = mkstemp(o->temporary);
  if (fd < 0) return no_write(path, why);
  mode_t mask = umask(0);
  umask(mask);
  fchmod(fd, there ? info.st_mode & 07777 : 0666 & ~mask); /* mkstemp keeps files private */
  o->file = fdopen(fd, "wb");
  if (o->file) return true;
  close(fd);
  unlink(o->temporary);
  return fail_no_memory(why);
}

bool output_close(output *o, bool complete, message *why) {
  bool ok = true, renamed = o->temporary[0];
  if (complete && (fflush(o->file) != 0 || ferror(o->file))) ok = no_write(o->path, why);
  if (complete && ok && renamed && fsync(fileno(o->file)) != 0) ok = no_write(o->path, why);
  if (fclose(o->file) != 0 && complete && ok) ok = no_write(o->path, why);
  o->file = NULL;
  if (!renamed) return ok;
  if (ok && complete && rename(o->temporary, o->target) == 0) return true;
  if (ok && complete) ok = no_write(o->path, why);
  unlink(o->temporary);
  return ok;
}
