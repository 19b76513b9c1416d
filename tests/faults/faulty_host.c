/* The host's side of faulty.h: the linker sends the calls of this program here, the library's among them. */
#include "faulty.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static void *held(void *p) {
  faulty_hold_memory(p != NULL);
  return p;
}
void *__wrap_malloc(size_t size) { return faulty_now(FAULTY_memory) ? NULL : held(__real_malloc(size)); }
void *__wrap_calloc(size_t n, size_t size) { return faulty_now(FAULTY_memory) ? NULL : held(__real_calloc(n, size)); }
char *__wrap_strdup(const char *s) { return faulty_now(FAULTY_memory) ? NULL : held(__real_strdup(s)); }
void *__wrap_realloc(void *p, size_t size) {
  if (faulty_now(FAULTY_memory)) return NULL;
  void *q = __real_realloc(p, size);
  if (!p) held(q);
  return q;
}
void __wrap_free(void *p) {
  faulty_hold_memory(-(p != NULL));
  __real_free(p);
}

/* ---- files ---- */

#define WRAP(type, name, parameters, arguments, bad, error)                                                            \
  type __real_##name parameters;                                                                                       \
  type __wrap_##name parameters;                                                                                       \
  type __wrap_##name parameters {                                                                                      \
    if (!faulty_now(FAULTY_##name)) return __real_##name arguments;                                                    \
    errno = error;                                                                                                     \
    return bad;                                                                                                        \
  }
WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL, ENOMEM)
WRAP(ssize_t, readlink, (const char *path, char *to, size_t n), (path, to, n), -1, EACCES)
WRAP(int, flock, (int fd, int what), (fd, what), -1, ENOLCK)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), -1, EPERM)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), -1, EROFS)
WRAP(ssize_t, read, (int fd, void *to, size_t n), (fd, to, n), -1, EIO)
WRAP(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n), -1, ENOSPC)
WRAP(int, fsync, (int fd), (fd), -1, EIO)
WRAP(int, rename, (const char *from, const char *to), (from, to), -1, EACCES)

/* A stream that failed says so afterwards, and is closed even where closing fails. */
static FILE *broken;
int __real_ferror(FILE *f);
int __wrap_ferror(FILE *f);
int __wrap_ferror(FILE *f) { return f == broken || __real_ferror(f); }
int __real_fclose(FILE *f);
int __wrap_fclose(FILE *f);
int __wrap_fclose(FILE *f) {
  bool fails = faulty_now(FAULTY_fclose);
  if (f == broken) broken = NULL;
  int status = __real_fclose(f);
  if (fails) errno = ENOSPC;
  return fails ? EOF : status;
}
WRAP(size_t, fread, (void *to, size_t size, size_t n, FILE *f), (to, size, n, f), (broken = f, 0), EIO)
WRAP(char *, fgets, (char *to, int n, FILE *f), (to, n, f), (broken = f, NULL), EIO)
WRAP(size_t, fwrite, (const void *from, size_t size, size_t n, FILE *f), (from, size, n, f), (broken = f, 0), ENOSPC)

/* Names of calls with offsets of 64 bits. */
#define WRAP_64(type, name, parameters, arguments, bad, error)                                                         \
  type __real_##name##64 parameters;                                                                                   \
  type __wrap_##name##64 parameters;                                                                                   \
  type __wrap_##name##64 parameters {                                                                                  \
    if (!faulty_now(FAULTY_##name)) return __real_##name##64 arguments;                                                \
    errno = error;                                                                                                     \
    return bad;                                                                                                        \
  }
#ifdef __GLIBC__
WRAP_64(ssize_t, pread, (int fd, void *to, size_t n, off_t at), (fd, to, n, at), -1, EIO)
WRAP_64(int, mkstemp, (char *name), (name), -1, EACCES)
WRAP_64(int, fstat, (int fd, struct stat *s), (fd, s), -1, EIO)
WRAP_64(int, lstat, (const char *path, struct stat *s), (path, s), -1, EACCES)
int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  va_list more;
  va_start(more, flags);
  if (flags & O_CREAT) mode = va_arg(more, mode_t);
  va_end(more);
  if (!faulty_now(FAULTY_open)) return __real_open64(path, flags, mode);
  errno = EMFILE;
  return -1;
}
#endif
