/* Names of the pictures on the way. */
#include "numbered.h"
#include "file_names.h"

/* The name up to where the number comes: before the ending. */
static int stem(const char *path) {
  const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
  return (int)(dot && !(slash && dot < slash) ? (size_t)(dot - path) : strlen(path));
}

bool numbered_path(char *to, size_t size, const char *path, int64_t step, message *why) {
  int n = snprintf(to, size, "%.*s-%06lld%s", stem(path), path, (long long)step, path + stem(path));
  return (n > 0 && (size_t)n < size) || fail(why, "the name of an output file is too long");
}

/* By its name alone: writes over `path`. */
static bool has_number(const char *pattern, char path[FILE_NAME_ROOM]) {
  char mine[FILE_NAME_ROOM];
  const char *my_folder, *its_folder;
  struct stat a, b;
  strcpy(mine, pattern);
  const char *my_name = file_split(mine, &my_folder), *name = file_split(path, &its_folder);
  size_t n = (size_t)stem(my_name);
  if (strncmp(name, my_name, n) || name[n] != '-') return false;
  size_t digits = strspn(name + n + 1, "0123456789");
  const char *end = name + n + 1 + digits, *suffix = my_name + n;
  if (digits < 6 || strncmp(end, suffix, strlen(suffix))) return false;
  end += strlen(suffix);
  if (*end && strcmp(end, ".tmp")) return false;
  return stat(my_folder, &a) == 0 && stat(its_folder, &b) == 0 && file_is(&a, &b);
}

bool numbered_has(const char *path, const char *other) {
  char name[FILE_NAME_ROOM], target[FILE_NAME_ROOM];
  if (strlen(path) >= sizeof name || strlen(other) >= sizeof name) return false;
  strcpy(name, other);
  return has_number(path, name) || (file_target(other, target) && has_number(path, target));
}
