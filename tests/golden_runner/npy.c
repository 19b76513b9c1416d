/* .npy files (NumPy format 1.0 to 3.0), only what the golden folders hold: little-endian float32 in C order. Headers
 * and sizes are checked against the file; names may not leave the folder. */
#include "golden.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 65536, MAX_BYTES = 1 << 30 };

static bool name_is_safe(const char *name) { return name[0] && name[0] != '/' && !strstr(name, ".."); }

/* The product of "(12, 8, 16)" or 1 for "()"; false when it is no such list or too large. */
static bool shape_numel(const char *text, size_t *numel) {
  *numel = 1;
  for (text++; *text && *text != ')';) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    unsigned long long size = strtoull(text, &end, 10);
    if (size && *numel > (size_t)MAX_BYTES / size) return false;
    *numel *= size;
    for (text = end; *text == ',' || *text == ' '; text++) continue;
  }
  return *text == ')';
}

/* Reads the header up to the data; false when the file is of another kind. */
static bool read_header(FILE *file, size_t *numel) {
  unsigned char start[12];
  if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0) return false;
  size_t size = start[8] | (size_t)start[9] << 8;
  if (start[6] > 1) {
    if (fread(start + 10, 1, 2, file) != 2) return false;
    size |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
  }
  if (size == 0 || size > MAX_HEADER) return false;
  char *text = malloc(size + 1);
  if (!text) return false;
  bool ok = fread(text, 1, size, file) == size;
  text[ok ? size : 0] = '\0';
  const char *shape = strstr(text, "'shape': (");
  ok = ok && strstr(text, "'descr': '<f4'") && strstr(text, "'fortran_order': False") && shape &&
       shape_numel(shape + strlen("'shape': "), numel);
  free(text);
  return ok;
}

/* True if the rest of the file is exactly n floats, which *data then holds. */
static bool read_data(FILE *file, size_t n, float **data) {
  long at = ftell(file);
  if (at < 0 || fseek(file, 0, SEEK_END) != 0) return false;
  long end = ftell(file);
  if (end < at || (size_t)(end - at) != n * sizeof(float) || fseek(file, at, SEEK_SET) != 0) return false;
  *data = malloc(n ? n * sizeof(float) : 1);
  if (!*data) return false;
  if (fread(*data, sizeof(float), n, file) == n) return true;
  free(*data);
  *data = NULL;
  return false;
}

static npy *read_file(golden *g, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    golden_error(g, "cannot open %s", path);
    return NULL;
  }
  npy *f = calloc(1, sizeof *f);
  bool ok = f && read_header(file, &f->n) && read_data(file, f->n, &f->data);
  fclose(file);
  if (ok) return f;
  golden_error(g, "%s is not a float32 .npy file of the size that its header says", path);
  free(f);
  return NULL;
}

const npy *npy_open(golden *g, const char *name) {
  for (const npy *f = g->files; f; f = f->next)
    if (strcmp(f->name, name) == 0) return f;
  if (!name_is_safe(name)) {
    golden_error(g, "file name \"%s\" leaves the folder", name);
    return NULL;
  }
  size_t size = strlen(g->folder) + strlen(name) + 2;
  char *path = malloc(size);
  if (!path) {
    golden_error(g, "out of memory");
    return NULL;
  }
  snprintf(path, size, "%s/%s", g->folder, name);
  npy *f = read_file(g, path);
  free(path);
  if (!f) return NULL;
  f->name = strdup(name);
  if (!f->name) {
    golden_error(g, "out of memory");
    free(f->data);
    free(f);
    return NULL;
  }
  f->next = g->files;
  g->files = f;
  return f;
}

void npy_close_all(golden *g) {
  while (g->files) {
    npy *f = g->files;
    g->files = f->next;
    free(f->name);
    free(f->data);
    free(f);
  }
}
