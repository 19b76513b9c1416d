/* Reads a folder of pictures. Sub-folders are the classes, in the order of their names. */
#include "data.h"
#include "file_names.h"
#include "grown.h"
#include "image.h"
#include "resize.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Labels are bytes. */
#define MAX_CLASSES 256

typedef struct names {
  char **name;
  size_t n, room;
} names;

static void names_free(names *list) {
  for (size_t i = 0; i < list->n; i++) free(list->name[i]);
  free(list->name);
  *list = (names){0};
}

static bool names_add(names *list, const char *folder, const char *name) {
  char **all = grown(list->name, list->n, &list->room, sizeof *all);
  if (!all) return false;
  list->name = all;
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = malloc(size);
  if (!path) return false;
  snprintf(path, size, "%s/%s", folder, name);
  list->name[list->n++] = path;
  return true;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool is_picture(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && name[0] != '.' && (!strcasecmp(dot, ".png") || !strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"));
}

/* The pictures of a folder, or its sub-folders, in order. */
static bool list_folder(names *list, const char *folder, bool folders, message *why) {
  DIR *dir = opendir(folder);
  if (!dir) return fail(why, "%s: cannot read: %s", folder, strerror(errno));
  bool ok = true;
  size_t begun = list->n;
  struct stat info;
  for (struct dirent *entry; ok && (entry = readdir(dir));) {
    if (folders ? entry->d_name[0] == '.' : !is_picture(entry->d_name)) continue;
    ok = names_add(list, folder, entry->d_name) || fail_no_memory(why);
    if (!ok || !folders) continue;
    char *path = list->name[list->n - 1];
    bool there = stat(path, &info) == 0;
    if (!there && errno == EACCES) ok = fail(why, "%s: cannot read: %s", path, strerror(errno));
    if (!there || !S_ISDIR(info.st_mode)) free(list->name[--list->n]);
  }
  closedir(dir);
  if (list->n > begun) qsort(list->name + begun, list->n - begun, sizeof *list->name, by_name);
  return ok;
}

/* Whether a file of that path would lie in the folder. */
static bool is_in(const char *path, const char *folder) {
  char target[FILE_NAME_ROOM];
  const char *its;
  struct stat a, b;
  if (!file_target(path, target)) return false;
  file_split(target, &its);
  return stat(its, &a) == 0 && stat(folder, &b) == 0 && file_is(&a, &b);
}

/* Where there are classes, a picture beside them would hide them. */
bool folder_reads(const char *folder, const char *path) {
  names list = {0}, below = {0};
  message unused = {""};
  char target[FILE_NAME_ROOM];
  const char *unused_folder;
  bool new = file_target(path, target) && is_picture(file_split(target, &unused_folder));
  bool found = new &&is_in(path, folder);
  list_folder(&list, folder, false, &unused);
  if (!list.n && list_folder(&below, folder, true, &unused))
    for (size_t i = 0; i < below.n; i++) {
      found = found || (new &&is_in(path, below.name[i]));
      list_folder(&list, below.name[i], false, &unused);
    }
  for (size_t i = 0; !found && i < list.n; i++) found = file_same(list.name[i], path);
  names_free(&list);
  names_free(&below);
  return found;
}

/* All pictures; begins[c] is the first of class c. */
static bool list_all(names *list, const char *folder, size_t begins[MAX_CLASSES + 1], uint32_t *classes, message *why) {
  names below = {0};
  *classes = 0;
  if (!list_folder(list, folder, false, why)) return false;
  if (list->n) return true;
  bool ok = list_folder(&below, folder, true, why);
  for (size_t i = 0; ok && i < below.n; i++) {
    size_t before = list->n;
    ok = list_folder(list, below.name[i], false, why);
    if (list->n == before) continue;
    if (ok && *classes == MAX_CLASSES) ok = fail(why, "%s: more than %d classes", folder, MAX_CLASSES);
    if (ok) begins[(*classes)++] = before;
  }
  begins[*classes] = list->n;
  names_free(&below);
  if (!ok || list->n) return ok;
  return fail(why, "no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in %s, and no PNG or JPEG files", folder);
}

/* The middle square of a picture, brought to d's size, a plane a channel. */
static bool take(data *d, const image *i, uint8_t *out) {
  resizer r;
  uint32_t side = i->width < i->height ? i->width : i->height;
  size_t row = (size_t)i->width * i->channels;
  const uint8_t *from = i->pixels + (i->height - side) / 2 * row + (size_t)((i->width - side) / 2) * i->channels;
  bool ok = resizer_make(&r, side, side, d->height, d->width);
  for (uint32_t c = 0; ok && c < i->channels; c++)
    resizer_run(&r, from + c, row, i->channels, out + (size_t)c * d->height * d->width);
  resizer_free(&r);
  return ok;
}

/* The picture, or *skipped: it cannot be read, and that is allowed and counted. */
static bool read_one(data *d, image *to, const char *path, const data_options *o, bool *skipped, message *why) {
  message mine = {""};
  *skipped = false;
  if (image_read(to, path, d->channels, &mine)) return true;
  *skipped = o->skip && !to->no_memory;
  if (!*skipped) return fail(why, "%s", mine.text);
  if (!d->skipped++) d->skip_why = mine;
  return true;
}

/* The first that can be read says what the others become. */
static bool choose_channels(data *d, const names *list, const data_options *o, message *why) {
  bool skipped = true;
  d->channels = o->channels;
  for (size_t i = 0; skipped && !d->channels && i < list->n; i++) {
    image one;
    if (!read_one(d, &one, list->name[i], o, &skipped, why)) return false;
    if (skipped) continue;
    d->channels = one.channels;
    image_free(&one);
  }
  return d->channels || fail(why, "no picture in %s can be read: %s", d->name, d->skip_why.text);
}

/* Labels follow the pictures that are kept. */
static bool read_all(data *d, const names *list, const data_options *o, message *why) {
  d->pixels = calloc(list->n, d->features);
  if (!d->pixels) return fail_no_memory(why);
  d->skipped = 0;
  for (size_t i = 0; i < list->n; i++) {
    image one;
    bool skipped;
    if (!read_one(d, &one, list->name[i], o, &skipped, why)) return false;
    if (skipped) continue;
    bool ok = take(d, &one, d->pixels + d->count * d->features);
    image_free(&one);
    if (!ok) return fail_no_memory(why);
    if (d->labels) d->labels[d->count] = d->labels[i];
    d->count++;
  }
  return d->count || fail(why, "no picture in %s can be read: %s", d->name, d->skip_why.text);
}

static bool label_all(data *d, const names *list, const size_t *begins, uint32_t classes, message *why) {
  if (!classes)
    return fail(why, "%s has no sub-folders with pictures: --conditional wants one for each class", d->name);
  d->classes = classes;
  d->labels = malloc(list->n);
  if (!d->labels) return fail_no_memory(why);
  for (uint32_t c = 0; c < classes; c++) memset(d->labels + begins[c], (int)c, begins[c + 1] - begins[c]);
  return true;
}

bool folder_read(data *d, const char *folder, const data_options *o, message *why) {
  names list = {0};
  size_t begins[MAX_CLASSES + 1];
  uint32_t classes;
  bool ok = list_all(&list, folder, begins, &classes, why) && choose_channels(d, &list, o, why);
  d->height = d->width = o->image_size ? o->image_size : DATA_FOLDER_SIDE;
  d->features = d->stored = (size_t)d->channels * d->height * d->width;
  if (ok && o->labels) ok = label_all(d, &list, begins, classes, why);
  if (ok && !o->sizes_only) ok = read_all(d, &list, o, why);
  names_free(&list);
  return ok;
}
