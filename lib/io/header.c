/* Reads a safetensors header as hostile input. Owns its text, in which all names lie, and the tables of entries. */
#include "io/header.h"
#include "base/grown.h"
#include "base/text.h"
#include "io/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  unsigned bits;
} types[] = {
    [CLG_FILE_F32] = {"F32", 32},
    [CLG_FILE_I32] = {"I32", 32},
    [CLG_FILE_F64] = {"F64", 64},
    [CLG_FILE_I64] = {"I64", 64},
    [CLG_FILE_OTHER] = {"F16", 16},
    {"BF16", 16},
    {"BOOL", 8},
    {"U8", 8},
    {"I8", 8},
    {"U16", 16},
    {"I16", 16},
    {"U32", 32},
    {"U64", 64},
    {"C64", 64},
    {"F8_E5M2", 8},
    {"F8_E4M3", 8},
    {"F8_E8M0", 8},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"F4", 4},
};
enum { N_TYPES = sizeof types / sizeof *types };

const char *clg_file_type_name(int type) { return types[type].name; }
int clg_file_type_size(int type) { return (int)types[type].bits / 8; }

const char *clg_shown(const char *name, char buf[CLG_SHOWN]) {
  size_t n = 0;
  for (; name[n] && n < CLG_SHOWN - 4; n++) buf[n] = (unsigned char)name[n] < 0x20 || name[n] == 0x7f ? '?' : name[n];
  while (name[n] && n && (name[n] & 0xc0) == 0x80) n--; /* not within a character */
  strcpy(buf + n, name[n] ? "..." : "");
  return buf;
}

const char *clg_entry_shape(const clg_entry *e, char buf[CLG_ENTRY_SHAPE]) {
  size_t n = 0;
  buf[n++] = '[';
  for (int i = 0; i < e->ndim && i < CLG_MAX_DIMS; i++)
    n += (size_t)snprintf(buf + n, CLG_ENTRY_SHAPE - n, "%s%lld", i ? "," : "", (long long)e->shape[i]);
  strcpy(buf + n, e->ndim > CLG_MAX_DIMS ? ",...]" : "]");
  return buf;
}

void clg_header_free(clg_header *h) {
  free(h->text);
  free(h->entry);
  free(h->meta);
  *h = (clg_header){0};
}

/* ---- one tensor ---- */

typedef struct reader {
  clg_json json;
  clg_header *header;
  uint64_t data, data_size; /* where the data starts, and how much there is */
  const char *name;         /* of the tensor at hand, or NULL */
  bool no_memory;
} reader;

static bool refuse(reader *r, const char *problem) {
  if (!r->json.problem) r->json.problem = problem;
  return false;
}

static bool read_type(reader *r, clg_entry *e) {
  char *text;
  if (!clg_json_string(&r->json, &text)) return false;
  e->dtype = text;
  for (e->type = 0; e->type < N_TYPES && strcmp(types[e->type].name, text);) e->type++;
  return true;
}

static bool read_shape(reader *r, clg_entry *e, uint64_t *numel) {
  clg_json *j = &r->json;
  if (!clg_json_want(j, '[')) return false;
  *numel = 1;
  for (e->ndim = 0; !clg_json_is(j, ']'); e->ndim++) {
    int64_t size;
    if ((e->ndim && !clg_json_want(j, ',')) || !clg_json_whole(j, &size))
      return refuse(r, "its shape is no list of sizes");
    if (e->ndim == INT16_MAX) return refuse(r, "its shape has too many dimensions");
    if (size && *numel > (uint64_t)INT64_MAX / (uint64_t)size) return refuse(r, "its shape is too large");
    *numel *= (uint64_t)size;
    if (e->ndim < CLG_MAX_DIMS) e->shape[e->ndim] = size;
  }
  return true;
}

static bool read_offsets(reader *r, clg_entry *e) {
  clg_json *j = &r->json;
  int64_t begin, end;
  if (!clg_json_want(j, '[') || !clg_json_whole(j, &begin) || !clg_json_want(j, ',') || !clg_json_whole(j, &end) ||
      !clg_json_want(j, ']'))
    return refuse(r, "its data_offsets are not two whole numbers");
  if (begin > end) return refuse(r, "its data_offsets are in the wrong order");
  if ((uint64_t)end > r->data_size) return refuse(r, "its data_offsets lie beyond the end of the file");
  e->begin = r->data + (uint64_t)begin;
  e->end = r->data + (uint64_t)end;
  return true;
}

enum { DTYPE = 1, SHAPE = 2, DATA_OFFSETS = 4, ALL_MEMBERS = 7 };

/* 0: it is none of a tensor's. */
static unsigned member_of(const char *key) {
  if (!strcmp(key, "dtype")) return DTYPE;
  if (!strcmp(key, "shape")) return SHAPE;
  return !strcmp(key, "data_offsets") ? DATA_OFFSETS : 0;
}

static bool read_member(reader *r, clg_entry *e, unsigned member, uint64_t *numel) {
  switch (member) {
  case DTYPE: return read_type(r, e);
  case SHAPE: return read_shape(r, e, numel);
  default: return read_offsets(r, e);
  }
}

/* {"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, the members in any order, each once. */
static bool read_entry(reader *r, clg_entry *e) {
  clg_json *j = &r->json;
  uint64_t numel = 0;
  unsigned seen = 0;
  if (!clg_json_want(j, '{')) return false;
  while (!clg_json_is(j, '}')) {
    char *key;
    if ((seen && !clg_json_want(j, ',')) || !clg_json_string(j, &key) || !clg_json_want(j, ':')) return false;
    unsigned bit = member_of(key);
    if (!bit) return refuse(r, "it has a member other than dtype, shape and data_offsets");
    if (seen & bit) return refuse(r, "it has a member twice");
    seen |= bit;
    if (!read_member(r, e, bit, &numel)) return false;
  }
  if (seen != ALL_MEMBERS) return refuse(r, "its dtype, shape or data_offsets are missing");
  if (numel > (uint64_t)INT64_MAX / 8) return refuse(r, "its shape is too large");
  /* Of a type that came after this library nobody here knows the size: that tensor alone cannot be read. */
  uint64_t bits = e->type < N_TYPES ? types[e->type].bits : 0, bytes = e->end - e->begin;
  if (bits && (numel % 8 * bits % 8 || numel / 8 * bits + numel % 8 * bits / 8 != bytes))
    return refuse(r, "its data_offsets do not fit its dtype and shape");
  return true;
}

/* ---- the tables ---- */

static bool read_metadata(reader *r) {
  clg_header *h = r->header;
  if (!clg_json_want(&r->json, '{')) return false;
  for (size_t i = 0; !clg_json_is(&r->json, '}'); i++) {
    char *key, *value;
    if ((i && !clg_json_want(&r->json, ',')) || !clg_json_string(&r->json, &key) || !clg_json_want(&r->json, ':') ||
        !clg_json_string(&r->json, &value))
      return refuse(r, "__metadata__ holds more than strings");
    clg_pair *meta = clg_grown(h->meta, h->n_meta, &h->cap_meta, sizeof *meta);
    if (!meta) return !(r->no_memory = true);
    h->meta = meta;
    meta[h->n_meta++] = (clg_pair){key, value};
  }
  return true;
}

static bool read_tensor(reader *r, char *name) {
  clg_header *h = r->header;
  clg_entry *entry = clg_grown(h->entry, h->n, &h->cap, sizeof *entry), e = {.name = name};
  if (!entry) return !(r->no_memory = true);
  h->entry = entry;
  r->name = name;
  if (!read_entry(r, &e)) return false;
  r->name = NULL;
  entry[h->n++] = e;
  return true;
}

static bool read_all(reader *r) {
  clg_json *j = &r->json;
  bool meta_seen = false;
  if (!clg_json_want(j, '{')) return false;
  for (size_t i = 0; !clg_json_is(j, '}'); i++) {
    char *name;
    if ((i && !clg_json_want(j, ',')) || !clg_json_string(j, &name) || !clg_json_want(j, ':')) return false;
    bool meta = !strcmp(name, "__metadata__");
    if (meta && meta_seen) return refuse(r, "__metadata__ stands there twice");
    meta_seen = meta_seen || meta;
    if (meta ? !read_metadata(r) : !read_tensor(r, name)) return false;
  }
  return clg_json_end(j);
}

static int by_place(const void *a, const void *b) {
  const clg_entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}
static int by_name(const void *a, const void *b) {
  return strcmp(((const clg_entry *)a)->name, ((const clg_entry *)b)->name);
}
static int by_key(const void *a, const void *b) {
  return strcmp(((const clg_pair *)a)->key, ((const clg_pair *)b)->key);
}

/* The data is laid side by side from the first byte to the last, as the format demands; leaves the tables sorted by
 * name. */
static bool check_tables(reader *r) {
  clg_header *h = r->header;
  uint64_t at = r->data;
  if (h->n) qsort(h->entry, h->n, sizeof *h->entry, by_place);
  for (size_t i = 0; i < h->n; i++) {
    const clg_entry *e = &h->entry[i];
    r->name = e->name;
    if (e->begin < at) return refuse(r, "its data overlaps another tensor's");
    if (e->begin > at) return refuse(r, "there is a hole before its data");
    at = e->end;
  }
  r->name = NULL;
  if (at != r->data + r->data_size) return refuse(r, "there is more data than its tensors have");
  if (h->n) qsort(h->entry, h->n, sizeof *h->entry, by_name);
  for (size_t i = 1; i < h->n; i++) {
    r->name = h->entry[i].name;
    if (!by_name(&h->entry[i - 1], &h->entry[i])) return refuse(r, "it stands there twice");
  }
  if (h->n_meta) qsort(h->meta, h->n_meta, sizeof *h->meta, by_key);
  for (size_t i = 1; i < h->n_meta; i++) {
    r->name = h->meta[i].key;
    if (!by_key(&h->meta[i - 1], &h->meta[i])) return refuse(r, "this key of __metadata__ stands there twice");
  }
  return true;
}

/* ---- the file ---- */

static clg_status read_text(clg_header *h, const clg_input *in, uint64_t *size) {
  unsigned char start[8];
  if (in->size < sizeof start)
    return clg_fail(in->ctx, CLG_ERR_IO, in->op, CLG_PATH ": no safetensors file: it has only %d bytes", in->path,
                    (int)in->size);
  clg_status s = clg_input_read(in, 0, start, sizeof start);
  if (s != CLG_OK) return s;
  *size = clg_little_get(start, 8);
  if (*size > CLG_HEADER_MOST)
    return clg_fail(in->ctx, CLG_ERR_IO, in->op,
                    CLG_PATH ": no safetensors file: a header of %llu bytes is more than 100 MB", in->path,
                    (unsigned long long)*size);
  if (*size > in->size - sizeof start)
    return clg_fail(in->ctx, CLG_ERR_IO, in->op, CLG_PATH ": the file ends within its header", in->path);
  h->text = malloc((size_t)*size + 1);
  if (!h->text) return clg_fail(in->ctx, CLG_ERR_HOST_MEMORY, in->op, "out of host memory");
  h->text[*size] = '\0';
  s = clg_input_read(in, sizeof start, h->text, (size_t)*size);
  if (s == CLG_OK && !clg_utf8_ok(h->text, (size_t)*size))
    s = clg_fail(in->ctx, CLG_ERR_IO, in->op, CLG_PATH ": the header is no UTF-8 text", in->path);
  return s;
}

clg_status clg_header_read(clg_header *h, const clg_input *in) {
  *h = (clg_header){0};
  uint64_t size = 0;
  clg_status s = read_text(h, in, &size);
  if (s == CLG_OK) {
    reader r = {
        .json = {h->text, h->text + size, NULL}, .header = h, .data = 8 + size, .data_size = in->size - 8 - size};
    char shown[CLG_SHOWN];
    if (read_all(&r) && check_tables(&r)) return CLG_OK;
    if (r.no_memory)
      s = clg_fail(in->ctx, CLG_ERR_HOST_MEMORY, in->op, "out of host memory");
    else if (r.name)
      s = clg_fail(in->ctx, CLG_ERR_IO, in->op, CLG_PATH ": \"%s\": %s", in->path, clg_shown(r.name, shown),
                   r.json.problem);
    else
      s = clg_fail(in->ctx, CLG_ERR_IO, in->op, CLG_PATH ": the header: %s", in->path, r.json.problem);
  }
  clg_header_free(h);
  return s;
}

const clg_entry *clg_header_find(const clg_header *h, const char *name) {
  clg_entry wanted = {.name = name};
  return h->n ? bsearch(&wanted, h->entry, h->n, sizeof *h->entry, by_name) : NULL;
}

const char *clg_header_meta(const clg_header *h, const char *key) {
  clg_pair wanted = {key, NULL};
  const clg_pair *found = h->n_meta ? bsearch(&wanted, h->meta, h->n_meta, sizeof *h->meta, by_key) : NULL;
  return found ? found->value : NULL;
}
