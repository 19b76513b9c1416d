/* One list of all outputs is held against all inputs. Owns its names. */
#include "files.h"
#include "data.h"
#include "file_names.h"
#include "grown.h"
#include "numbered.h"
#include <dirent.h>
#include <stdlib.h>

typedef struct entry {
  const char *option;
  char *path;
  bool output;
  bool beside; /* FILE.tmp, which the library writes before it replaces FILE (io.h) */
} entry;

typedef struct list {
  entry *entry;
  size_t n, room;
  bool failed; /* no memory */
} list;

static void add(list *l, const char *option, const char *path, bool output, bool beside) {
  if (!path || !*path || l->failed) return;
  entry *all = grown(l->entry, l->n, &l->room, sizeof *all);
  l->failed = !all;
  if (!all) return;
  l->entry = all;
  entry e = {option, strdup(path), output, beside};
  l->failed = !e.path;
  if (e.path) l->entry[l->n++] = e;
}

static void add_input(list *l, const char *option, const char *path) { add(l, option, path, false, false); }

static void add_output(list *l, const char *option, const char *path) {
  char temporary[FILE_NAME_ROOM];
  add(l, option, path, true, false);
  if (path && file_target(path, temporary) && file_add(temporary, ".tmp")) add(l, option, temporary, true, true);
}

static const char numbered[] = "--samples-every", resume[] = "--resume", save[] = "--save";

/* A number that no step has stands for all; the ones that are there may be links to anything. */
static void add_numbered(list *l, const char *samples) {
  char path[FILE_NAME_ROOM], first[FILE_NAME_ROOM];
  const char *folder;
  message unused = {""};
  if (strlen(samples) >= sizeof path || !numbered_path(first, sizeof first, samples, 0, &unused)) return;
  add_output(l, numbered, first);
  strcpy(path, samples);
  file_split(path, &folder);
  DIR *dir = opendir(folder);
  for (struct dirent *e; dir && (e = readdir(dir));) {
    snprintf(first, sizeof first, "%.2000s/%.1000s", folder, e->d_name);
    if (numbered_has(samples, first)) add_output(l, numbered, first);
  }
  if (dir) closedir(dir);
}

static void add_all(list *l, const options *o) {
  add_input(l, resume, o->resume);
  add_input(l, "--tuning", o->tuning);
  add_input(l, "$CLGRAD_TUNING", getenv("CLGRAD_TUNING"));
  if (!o->json || strcmp(o->json, "-")) add_output(l, "--json", o->json);
  add_output(l, "--report", o->report);
  add_output(l, "--samples", o->samples);
  if (o->samples_every) add_numbered(l, o->samples);
  add_output(l, save, o->save);
  add_output(l, "--trace", o->trace);
}

static bool same(const options *o, const entry *a, const entry *b) {
  if (a->option == b->option || (a->option == resume && b->option == save && !b->beside)) return false;
  return file_same(a->path, b->path) || (a->option == numbered && numbered_has(o->samples, b->path)) ||
         (b->option == numbered && numbered_has(o->samples, a->path));
}

static const char *kind(const entry *e) { return e->beside ? "FILE.tmp of " : ""; }

static bool check_output(const options *o, const list *l, size_t i, message *why) {
  const entry *e = &l->entry[i];
  for (size_t k = 0; k < i; k++) {
    const entry *other = &l->entry[k];
    if (same(o, other, e))
      return fail(why, "%s%s and %s%s name the same file", kind(other), other->option, kind(e), e->option);
  }
  return !data_reads(o->data, e->path) || fail(why, "%s%s names a file of --data: %s", kind(e), e->option, e->path);
}

bool files_check(const options *o, message *why) {
  list l = {0};
  add_all(&l, o);
  bool ok = !l.failed || fail_no_memory(why);
  for (size_t i = 0; ok && i < l.n; i++) ok = !l.entry[i].output || check_output(o, &l, i, why);
  for (size_t i = 0; i < l.n; i++) free(l.entry[i].path);
  free(l.entry);
  return ok;
}
