/* Writes safetensors files: collects names and tensors, then header and data in one atomic replacement. Owns the
 * collected names and texts, and holds the tensors. */
#include "io/saver.h"
#include "base/grown.h"
#include "base/text.h"
#include "io/elements.h"
#include "io/json.h"
#include "tensor/tensor.h"
#include <stdlib.h>
#include <string.h>

static const char op[] = "saver";

typedef struct item {
  char *name;
  int type;
  clg_tensor *tensor; /* NULL: a number */
  uint64_t bits;
} item;

typedef struct text {
  char *key, *value;
} text;

struct clg_saver {
  uint32_t refs;
  clg_context *ctx;
  char *path;
  item *item;
  text *text;
  size_t n, n_text, cap, cap_text;
  clg_status failed; /* of the first add that did */
  bool finite;       /* nothing else is written */
};

clg_saver *clg_saver_create(clg_context *ctx, const char *path) {
  if (!ctx) return NULL;
  if (!path || !*path) return clg_fail_object(ctx, CLG_ERR_ARGUMENT, op, "there is no path");
  if (clg_context_is_plan(ctx))
    return clg_fail_object(ctx, CLG_ERR_STATE, op, "cannot write " CLG_PATH ": a plan context has no values to save",
                           path);
  clg_saver *s = calloc(1, sizeof *s);
  if (s) s->path = strdup(path);
  if (!s || !s->path) {
    free(s);
    return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  }
  s->refs = 1;
  s->ctx = ctx;
  clg_context_hold(ctx);
  return s;
}

clg_saver *clg_saver_ref(clg_saver *s) {
  if (s) s->refs++;
  return s;
}

void clg_saver_unref(clg_saver **p) {
  if (!p || !*p) return;
  clg_saver *s = *p;
  *p = NULL;
  if (--s->refs) return;
  for (size_t i = 0; i < s->n; i++) {
    free(s->item[i].name);
    clg_tensor_unref(&s->item[i].tensor);
  }
  for (size_t i = 0; i < s->n_text; i++) {
    free(s->text[i].key);
    free(s->text[i].value);
  }
  clg_context *ctx = s->ctx;
  free(s->item);
  free(s->text);
  free(s->path);
  free(s);
  clg_context_release(ctx);
}

clg_context *clg_saver_context(const clg_saver *s) { return s->ctx; }

clg_status clg_saver_fail(clg_saver *s, clg_status status) {
  if (!s->failed) s->failed = status;
  return status;
}

static clg_status no_memory(clg_saver *s) {
  return clg_saver_fail(s, clg_fail(s->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory"));
}

/* ---- collecting ---- */

static clg_status name_ok(clg_saver *s, const char *name) {
  const char *why = NULL;
  if (!name)
    why = "a name is NULL";
  else if (!strcmp(name, "__metadata__"))
    why = "the name __metadata__ is the format's own";
  else if (!clg_utf8_ok(name, strlen(name)))
    why = "a name or text is no UTF-8";
  return why ? clg_saver_fail(s, clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, CLG_PATH ": %s", s->path, why)) : CLG_OK;
}

/* Takes over a reference of the tensor. */
static clg_status add_item(clg_saver *s, const char *name, item it) {
  clg_status st = name_ok(s, name);
  item *list = st == CLG_OK ? clg_grown(s->item, s->n, &s->cap, sizeof *list) : NULL;
  if (list) s->item = list;
  if (st == CLG_OK && (!list || !(it.name = strdup(name)))) st = no_memory(s);
  if (st == CLG_OK)
    s->item[s->n++] = it;
  else
    clg_tensor_unref(&it.tensor);
  return st;
}

clg_status clg_saver_add_tensor(clg_saver *s, const char *name, clg_tensor *t) {
  if (!s) return CLG_ERR_ARGUMENT;
  if (t && t->ctx == s->ctx)
    return add_item(s, name, (item){.type = clg_elements_type(t), .tensor = clg_tensor_ref(t)});
  char shown[CLG_SHOWN];
  return clg_saver_fail(s, clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, "\"%s\" is NULL or of another context",
                                    clg_shown(name ? name : "NULL", shown)));
}

clg_status clg_saver_add_number(clg_saver *s, const char *name, clg_file_type type, uint64_t bits) {
  return add_item(s, name, (item){.type = type, .bits = bits});
}

clg_status clg_saver_add_metadata(clg_saver *s, const char *key, const char *value) {
  if (!s) return CLG_ERR_ARGUMENT;
  clg_status st = name_ok(s, key);
  if (st == CLG_OK) st = name_ok(s, value);
  if (st != CLG_OK) return st;
  text *list = clg_grown(s->text, s->n_text, &s->cap_text, sizeof *list);
  if (!list) return no_memory(s);
  s->text = list;
  text t = {strdup(key), strdup(value)};
  if (t.key && t.value) {
    s->text[s->n_text++] = t;
    return CLG_OK;
  }
  free(t.key);
  free(t.value);
  return no_memory(s);
}

/* ---- writing ---- */

static uint64_t size_of(const item *it) {
  return it->tensor ? (uint64_t)it->tensor->numel * (uint64_t)clg_file_type_size(it->type)
                    : (uint64_t)clg_file_type_size(it->type);
}

/* Wide types first, so that every tensor is aligned to its own; then by name, so that equal content gives equal files.
 */
static int by_size_and_name(const void *a, const void *b) {
  const item *x = a, *y = b;
  int wide = clg_file_type_size(y->type) - clg_file_type_size(x->type);
  return wide ? wide : strcmp(x->name, y->name);
}
static int by_name(const void *a, const void *b) { return strcmp(((const item *)a)->name, ((const item *)b)->name); }
static int by_key(const void *a, const void *b) { return strcmp(((const text *)a)->key, ((const text *)b)->key); }

static clg_status sort_items(clg_saver *s) {
  const char *twice = NULL;
  if (s->n) qsort(s->item, s->n, sizeof *s->item, by_name);
  for (size_t i = 1; i < s->n; i++)
    if (!by_name(&s->item[i - 1], &s->item[i])) twice = s->item[i].name;
  if (s->n_text) qsort(s->text, s->n_text, sizeof *s->text, by_key);
  for (size_t i = 1; i < s->n_text; i++)
    if (!by_key(&s->text[i - 1], &s->text[i])) twice = s->text[i].key;
  if (s->n) qsort(s->item, s->n, sizeof *s->item, by_size_and_name);
  char shown[CLG_SHOWN];
  if (!twice) return CLG_OK;
  return clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, CLG_PATH ": \"%s\" is added twice", s->path, clg_shown(twice, shown));
}

static void add_header_item(clg_str *h, const item *it, uint64_t begin) {
  clg_str_add_quoted(h, it->name);
  clg_str_addf(h, ":{\"dtype\":\"%s\",\"shape\":[", clg_file_type_name(it->type));
  for (int d = 0; it->tensor && d < it->tensor->ndim; d++)
    clg_str_addf(h, d ? ",%lld" : "%lld", (long long)it->tensor->shape[d]);
  clg_str_addf(h, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
               (unsigned long long)(begin + size_of(it)));
}

/* Padded with spaces to 8 bytes, so that the data is aligned. */
static void make_header(const clg_saver *s, clg_str *h) {
  uint64_t at = 0;
  clg_str_add(h, "{");
  for (size_t i = 0; i < s->n_text; i++) {
    clg_str_add(h, i ? "," : "\"__metadata__\":{");
    clg_str_add_quoted(h, s->text[i].key);
    clg_str_add(h, ":");
    clg_str_add_quoted(h, s->text[i].value);
  }
  if (s->n_text) clg_str_add(h, s->n ? "}," : "}");
  for (size_t i = 0; i < s->n; at += size_of(&s->item[i++])) {
    if (i) clg_str_add(h, ",");
    add_header_item(h, &s->item[i], at);
  }
  clg_str_add(h, "}");
  while (!h->failed && h->len % 8) clg_str_add(h, " ");
}

void clg_saver_refuse_nonfinite(clg_saver *s) {
  if (s) s->finite = true;
}

/* Of the words as they are in the file. */
static clg_status check_finite(const clg_saver *s, const item *it, const unsigned char *words) {
  enum { EXPONENT = 0x7f800000 };
  if (!s->finite || it->type != CLG_FILE_F32) return CLG_OK;
  for (int64_t i = 0; i < it->tensor->numel; i++)
    if ((clg_little_get(words + 4 * i, 4) & EXPONENT) == EXPONENT) {
      char shown[CLG_SHOWN];
      return clg_fail(s->ctx, CLG_ERR_STATE, op, CLG_PATH " is not written: \"%s\" has a NaN or an infinity", s->path,
                      clg_shown(it->name, shown));
    }
  return CLG_OK;
}

static clg_status write_items(const clg_saver *s, clg_output *out) {
  clg_status st = CLG_OK;
  void *buffer = NULL;
  size_t room = 0;
  for (size_t i = 0; st == CLG_OK && i < s->n; i++) {
    const item *it = &s->item[i];
    unsigned char bytes[8];
    clg_little_put(bytes, 8, it->bits);
    st = it->tensor ? clg_elements_append(it->tensor, out, &buffer, &room) : clg_output_write(out, bytes, sizeof bytes);
    if (st == CLG_OK && it->tensor) st = check_finite(s, it, buffer);
  }
  free(buffer);
  return st;
}

static clg_status write_file(clg_saver *s, const clg_str *header) {
  if (header->failed) return clg_fail(s->ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  if (header->len > CLG_HEADER_MOST)
    return clg_fail(s->ctx, CLG_ERR_ARGUMENT, op, CLG_PATH ": the names and texts are more than 100 MB", s->path);
  clg_output out;
  clg_status st = clg_output_open(&out, s->ctx, op, s->path);
  if (st != CLG_OK) return st;
  unsigned char start[8];
  clg_little_put(start, 8, header->len);
  st = clg_output_write(&out, start, sizeof start);
  if (st == CLG_OK) st = clg_output_write(&out, header->data, header->len);
  if (st == CLG_OK) st = write_items(s, &out);
  if (st == CLG_OK) return clg_output_commit(&out);
  clg_output_discard(&out);
  return st;
}

clg_status clg_saver_commit(clg_saver *s) {
  if (!s) return CLG_ERR_ARGUMENT;
  clg_status st = s->failed ? s->failed : sort_items(s);
  if (st != CLG_OK) return st;
  clg_str header = {0};
  make_header(s, &header);
  st = write_file(s, &header);
  clg_str_free(&header);
  return st;
}
