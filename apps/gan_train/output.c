/* Checks and writes the outputs. */
#include "output.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool no_write(const char *path, message *why) { return fail(why, "cannot write %s: %s", path, strerror(errno)); }

static bool library_fails(const outputs *o, message *why) {
  fail(why, "%s", clg_last_error(o->files));
  clg_clear_error(o->files);
  return false;
}

/* Something that is there and takes what is written as it comes: standard output, a pipe, a device. */
static bool is_stream(const outputs *o, const char *path) {
  struct stat info;
  return path == o->json &&
         (!strcmp(path, "-") || (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)));
}

/* That a file is read-only is somebody's wish, though it could be replaced. */
static bool check(const outputs *o, const char *path, message *why) {
  if (!path || (is_stream(o, path) && !strcmp(path, "-"))) return true;
  if (access(path, F_OK) == 0 && access(path, W_OK) != 0) return no_write(path, why);
  return is_stream(o, path) || clg_file_check(o->files, path) == CLG_OK || library_fails(o, why);
}

bool outputs_open(outputs *o, message *why) {
  char text[1024] = "";
  clg_plan_options options = clg_plan_defaults();
  options.message = text, options.message_size = sizeof text;
  if (clg_context_create_plan(&o->files, &options) != CLG_OK) return fail(why, "%s", text);
  return check(o, o->json, why) && check(o, o->report, why) && check(o, o->samples, why) && check(o, o->save, why) &&
         check(o, o->trace, why);
}

void outputs_close(outputs *o) { clg_context_unref(&o->files); }

void outputs_fail(outputs *o, const message *why) {
  message_print(why);
  o->failed = true;
}

static bool write_stream(const char *path, const void *bytes, size_t n, message *why) {
  bool standard = !strcmp(path, "-");
  FILE *to = standard ? stdout : fopen(path, "wb");
  if (!to) return no_write(path, why);
  bool ok = fwrite(bytes, 1, n, to) == n && fflush(to) == 0;
  if (!ok) no_write(standard ? "to standard output" : path, why);
  if (!standard && fclose(to) != 0 && ok) ok = no_write(path, why);
  return ok;
}

bool outputs_write(const outputs *o, const char *path, const void *bytes, size_t n, message *why) {
  if (is_stream(o, path)) return write_stream(path, bytes, n, why);
  return clg_file_save(o->files, path, bytes, n) == CLG_OK || library_fails(o, why);
}
