/* NumPy's .npy files: one array of float32 or int32 in C order. The header is a Python dictionary; only what the format
 * allows in it is read, and it must agree with the size of the file. */
#include "base/str.h"
#include "io/elements.h"
#include <clgrad/io.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADER = 65536, ALIGN = 64 };
static const char magic[] = "\x93NUMPY";

typedef struct array {
  int type;
  bool fortran;
  int ndim;
  int64_t shape[CLG_MAX_DIMS];
  uint64_t numel;
} array;

/* ---- the header's dictionary ---- */

typedef struct cursor {
  const char *at; /* the text ends with a NUL */
  const char *problem;
} cursor;

static bool refuse(cursor *c, const char *problem) {
  if (!c->problem) c->problem = problem;
  return false;
}

static bool next(cursor *c, char wanted) {
  while (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r') c->at++;
  if (*c->at != wanted || !wanted) return false;
  c->at++;
  return true;
}

/* A quoted string without escapes. */
static bool quoted(cursor *c, const char **text, size_t *n) {
  char quote = next(c, '"') ? '"' : 0;
  if (!quote && next(c, '\'')) quote = '\'';
  const char *end = quote ? strchr(c->at, quote) : NULL;
  if (!end) return refuse(c, "its header is no dictionary of NumPy's");
  *text = c->at;
  *n = (size_t)(end - c->at);
  c->at = end + 1;
  return true;
}

static bool equals(const char *text, size_t n, const char *word) { return n == strlen(word) && !memcmp(text, word, n); }

static bool read_type(cursor *c, array *a) {
  const char *text;
  size_t n;
  if (next(c, '[')) return refuse(c, "its elements are structures: only float32 and int32 can be loaded");
  if (!quoted(c, &text, &n)) return false;
  if (equals(text, n, "<f4"))
    a->type = CLG_FILE_F32;
  else if (equals(text, n, "<i4"))
    a->type = CLG_FILE_I32;
  else
    return refuse(c, "its elements are neither little-endian float32 nor int32");
  return true;
}

static bool read_order(cursor *c, array *a) {
  next(c, ' ');
  a->fortran = !strncmp(c->at, "True", 4);
  if (!a->fortran && strncmp(c->at, "False", 5)) return refuse(c, "its header is no dictionary of NumPy's");
  c->at += a->fortran ? 4 : 5;
  return true;
}

static bool read_size(cursor *c, int64_t *size) {
  const char *start = c->at;
  for (*size = 0; *c->at >= '0' && *c->at <= '9'; c->at++) {
    if (*size > INT32_MAX) return refuse(c, "its shape has more than 2^31 - 1 elements");
    *size = 10 * *size + (*c->at - '0');
  }
  return c->at > start || refuse(c, "its shape is no tuple of sizes");
}

/* (), (3,) or (3, 4) */
static bool read_shape(cursor *c, array *a) {
  if (!next(c, '(')) return refuse(c, "its shape is no tuple of sizes");
  a->numel = 1;
  for (a->ndim = 0; !next(c, ')'); a->ndim++) {
    int64_t size;
    if (a->ndim == CLG_MAX_DIMS) return refuse(c, "its shape has more than 8 dimensions");
    if (!read_size(c, &size)) return false;
    if (size && a->numel > (uint64_t)INT32_MAX / (uint64_t)size)
      return refuse(c, "its shape has more than 2^31 - 1 elements");
    a->numel *= (uint64_t)size;
    a->shape[a->ndim] = size;
    if (!next(c, ',') && *c->at != ')') return refuse(c, "its shape is no tuple of sizes");
    next(c, ' ');
  }
  return true;
}

enum { DESCR = 1, FORTRAN_ORDER = 2, SHAPE = 4, ALL_MEMBERS = 7 };

/* 0: it is none of an array's. */
static unsigned member_of(const char *key, size_t n) {
  if (equals(key, n, "descr")) return DESCR;
  if (equals(key, n, "fortran_order")) return FORTRAN_ORDER;
  return equals(key, n, "shape") ? SHAPE : 0;
}

static bool read_member(cursor *c, array *a, unsigned member) {
  switch (member) {
  case DESCR: return read_type(c, a);
  case FORTRAN_ORDER: return read_order(c, a);
  default: return read_shape(c, a);
  }
}

static bool read_dictionary(cursor *c, array *a) {
  unsigned seen = 0;
  if (!next(c, '{')) return refuse(c, "its header is no dictionary of NumPy's");
  while (!next(c, '}')) {
    const char *key;
    size_t n;
    if (!quoted(c, &key, &n)) return false;
    unsigned bit = member_of(key, n);
    if (!bit || (seen & bit) || !next(c, ':')) return refuse(c, "its header is no dictionary of NumPy's");
    seen |= bit;
    if (!read_member(c, a, bit)) return false;
    if (!next(c, ',') && *c->at != '}') return refuse(c, "its header is no dictionary of NumPy's");
  }
  next(c, ' ');
  if (seen != ALL_MEMBERS || *c->at) return refuse(c, "its header is no dictionary of NumPy's");
  if (a->fortran && a->ndim > 1) return refuse(c, "it is in Fortran order: numpy.ascontiguousarray makes it C order");
  return true;
}

/* ---- loading ---- */

static clg_status fail(const clg_input *in, const char *problem) {
  return clg_fail(in->ctx, CLG_ERR_IO, in->op, CLG_PATH ": %s", in->path, problem);
}

/* Where the dictionary starts and how long it is. */
static clg_status read_start(const clg_input *in, uint64_t *at, size_t *size) {
  unsigned char start[12] = {0};
  if (in->size < sizeof start) return fail(in, "no .npy file: it is too short");
  clg_status s = clg_input_read(in, 0, start, sizeof start);
  if (s != CLG_OK) return s;
  if (memcmp(start, magic, 6)) return fail(in, "no .npy file: it does not start with NumPy's mark");
  if (start[6] < 1 || start[6] > 3 || start[7]) return fail(in, "its format is none of 1.0, 2.0 and 3.0");
  int bytes = start[6] == 1 ? 2 : 4;
  uint64_t length = clg_little_get(start + 8, bytes);
  *at = 8 + (uint64_t)bytes;
  if (length > MOST_HEADER) return fail(in, "its header is longer than 65536 bytes");
  if (length > in->size - *at) return fail(in, "the file ends within its header");
  *size = (size_t)length;
  return CLG_OK;
}

static clg_status read_header(const clg_input *in, array *a, uint64_t *data) {
  uint64_t at = 0;
  size_t size = 0;
  clg_status s = read_start(in, &at, &size);
  char *text = s == CLG_OK ? malloc(size + 1) : NULL;
  if (!text) return s == CLG_OK ? clg_fail(in->ctx, CLG_ERR_HOST_MEMORY, in->op, "out of host memory") : s;
  s = clg_input_read(in, at, text, size);
  text[size] = '\0';
  cursor c = {text, NULL};
  if (s == CLG_OK && strlen(text) != size) s = fail(in, "its header is no dictionary of NumPy's");
  if (s == CLG_OK && !read_dictionary(&c, a)) s = fail(in, c.problem);
  *data = at + size;
  if (s == CLG_OK && in->size - *data != a->numel * 4) {
    s = clg_fail(in->ctx, CLG_ERR_IO, in->op, CLG_PATH ": it has %llu bytes of data, its shape needs %llu", in->path,
                 (unsigned long long)(in->size - *data), (unsigned long long)(a->numel * 4));
  }
  free(text);
  return s;
}

clg_tensor *clg_npy_load(clg_context *ctx, const char *path) {
  if (!ctx) return NULL;
  clg_input in;
  if (clg_input_open(&in, ctx, "npy_load", path) != CLG_OK) return NULL;
  array a = {0};
  uint64_t data = 0;
  clg_tensor *t = read_header(&in, &a, &data) == CLG_OK ? clg_elements_load(&in, a.type, a.ndim, a.shape, data) : NULL;
  clg_input_close(&in);
  return t;
}

/* ---- saving ---- */

/* The dictionary as NumPy writes it; the data behind it is aligned. */
static void make_header(const clg_tensor *t, clg_str *h) {
  clg_str_addf(h, "{'descr': '%s', 'fortran_order': False, 'shape': (",
               clg_elements_type(t) == CLG_FILE_I32 ? "<i4" : "<f4");
  const int64_t *shape = clg_tensor_shape(t);
  int ndim = clg_tensor_ndim(t);
  for (int d = 0; d < ndim; d++) clg_str_addf(h, d ? ", %lld" : "%lld", (long long)shape[d]);
  clg_str_add(h, ndim == 1 ? ",), }" : "), }");
  while (!h->failed && (10 + h->len + 1) % ALIGN) clg_str_add(h, " ");
  clg_str_add(h, "\n");
}

static clg_status write_file(const clg_tensor *t, clg_output *out, const clg_str *h) {
  unsigned char start[10] = {0};
  memcpy(start, magic, 6);
  start[6] = 1;
  clg_little_put(start + 8, 2, h->len);
  void *buffer = NULL;
  size_t room = 0;
  clg_status s = clg_output_write(out, start, sizeof start);
  if (s == CLG_OK) s = clg_output_write(out, h->data, h->len);
  if (s == CLG_OK) s = clg_elements_append(t, out, &buffer, &room);
  free(buffer);
  return s;
}

clg_status clg_npy_save(clg_tensor *t, const char *path) {
  static const char op[] = "npy_save";
  if (!t) return CLG_ERR_ARGUMENT;
  clg_context *ctx = clg_tensor_context(t);
  if (clg_context_is_plan(ctx)) return clg_fail(ctx, CLG_ERR_STATE, op, "a plan context has no values to save");
  clg_str h = {0};
  make_header(t, &h);
  clg_output out;
  clg_status s =
      h.failed ? clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory") : clg_output_open(&out, ctx, op, path);
  if (s == CLG_OK) {
    s = write_file(t, &out, &h);
    if (s == CLG_OK)
      s = clg_output_commit(&out);
    else
      clg_output_discard(&out);
  }
  clg_str_free(&h);
  return s;
}
