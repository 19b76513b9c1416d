/* CLGRAD_DUMP=DIR: the source of every program that is needed, one file each, which compiles alone. */
#include "base/str.h"
#include "device/program.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST 10000 /* programs of one name */

/* The source as a person reads it: without the lines that tell compilers' logs where a text is from. */
static void join(const clg_part *parts, size_t n, clg_str *out) {
  for (size_t i = 0; i < n; i++) {
    if (i && parts[i].size && out->len) clg_str_add(out, "\n");
    for (const char *at = parts[i].text, *end = at + parts[i].size; at < end;) {
      const char *newline = memchr(at, '\n', (size_t)(end - at)), *next = newline ? newline + 1 : end;
      bool line = (size_t)(end - at) > 6 && !memcmp(at, "#line ", 6);
      if (!line) clg_str_addf(out, "%.*s", (int)(next - at), at);
      at = next;
    }
  }
}

/* Whether the file holds this text already; *there: there is such a file. */
static bool holds(const char *path, const clg_str *text, bool *there) {
  FILE *f = fopen(path, "rb");
  *there = f != NULL;
  char *had = f ? malloc(text->len + 1) : NULL;
  bool same = had && fread(had, 1, text->len + 1, f) == text->len && !memcmp(had, text->data, text->len);
  free(had);
  if (f) fclose(f);
  return same;
}

static bool write_file(const char *path, const clg_str *text) {
  FILE *f = fopen(path, "wb");
  bool whole = f && fwrite(text->data, 1, text->len, f) == text->len;
  return (!f || !fclose(f)) && whole;
}

void clg_program_dump(clg_context *ctx, const char *name, const clg_part *parts, size_t n) {
  const char *folder = getenv("CLGRAD_DUMP");
  if (!folder || !*folder) return;
  clg_str text = {0}, path = {0};
  join(parts, n, &text);
  bool done = false, there = true;
  if (mkdir(folder, 0777) && errno != EEXIST) there = false;
  for (int i = 1; !done && there && i < MOST; i++) {
    clg_str_free(&path);
    clg_str_addf(&path, "%s/%s", folder, name);
    if (i > 1) clg_str_addf(&path, "-%d", i);
    clg_str_add(&path, ".cl");
    if (text.failed || path.failed) break;
    done = holds(path.data, &text, &there) || (!there && write_file(path.data, &text));
  }
  if (!done) clg_log_line(ctx, "CLGRAD_DUMP: cannot write %s to %s", name, folder);
  clg_str_free(&text), clg_str_free(&path);
}
