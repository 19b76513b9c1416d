/* Finds the data set that an option names and hands out batches of it. */
#include "data.h"
#include "file_names.h"
#include "random.h"
#include "resize.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The files of an IDX data set; some archives write the first '-' as a dot. */
typedef struct idx_kind {
  const char *begin, *end;
} idx_kind;
static const idx_kind idx_images = {"train-images", "idx3-ubyte"}, idx_labels = {"train-labels", "idx1-ubyte"};

/* All names that a kind may have: plain before gzipped because it reads faster. */
#define IDX_NAMES 4
static bool idx_path(const idx_kind *kind, int i, const char *folder, char *path, size_t size) {
  int n = snprintf(path, size, "%s/%s%c%s%s", folder, kind->begin, i % 2 ? '.' : '-', kind->end, i / 2 ? ".gz" : "");
  return n > 0 && (size_t)n < size;
}

/* The first of them that is there: *found. False: nobody can tell. */
static bool find_idx(const idx_kind *kind, const char *folder, char *path, size_t size, bool *found, message *why) {
  struct stat info;
  *found = false;
  for (int i = 0; i < IDX_NAMES && !*found; i++) {
    if (!idx_path(kind, i, folder, path, size)) return fail(why, "%.200s: the name is too long", folder);
    *found = stat(path, &info) == 0;
    if (!*found && errno != ENOENT) return fail(why, "%s: cannot read: %s", path, strerror(errno));
  }
  return true;
}

static bool read_labels(data *d, const char *folder, message *why) {
  char path[4096];
  bool found;
  if (!find_idx(&idx_labels, folder, path, sizeof path, &found, why)) return false;
  if (!found)
    return fail(why, "no train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz in %s: --conditional wants labels",
                folder);
  return idx_read_labels(d, path, why);
}

/* Images are resized when they join a batch: all at once might not fit into memory. */
static bool make_fit(data *d, uint32_t side, message *why) {
  d->fit = calloc(1, sizeof *d->fit);
  d->fitted = malloc((size_t)side * side);
  if (d->fit && d->fitted && resizer_make(d->fit, d->height, d->width, side, side)) return true;
  return fail_no_memory(why);
}

/* The images of an IDX file, its labels, and the size that is wanted. */
static bool open_idx(data *d, const char *folder, const char *path, const data_options *o, message *why) {
  if (!idx_read(d, path, o->sizes_only, why)) return false;
  if (o->labels && !read_labels(d, folder, why)) return false;
  d->stored = (size_t)d->height * d->width;
  uint32_t side = o->image_size;
  if (!side || (d->height == side && d->width == side)) return true;
  if (d->count && !make_fit(d, side, why)) return false;
  d->height = d->width = side;
  return true;
}

static bool open_ring(data *d, const data_options *o, message *why) {
  d->name = "ring";
  if (o->labels) d->classes = RING_MODES;
  if (o->point_scale > 0) d->scale = o->point_scale;
  if (!ring_make(d, o->sizes_only, o->seed, why)) return false;
  if (o->labels) return true;
  free(d->labels);
  d->labels = NULL;
  return true;
}

static bool open_fashion(data *d, const data_options *o, message *why) {
  char path[4096];
  bool found;
  d->name = "fashion-mnist";
  if (!find_idx(&idx_images, DATA_FASHION_FOLDER, path, sizeof path, &found, why)) return false;
  if (found) return open_idx(d, DATA_FASHION_FOLDER, path, o, why);
  if (o->sizes_only) {
    d->height = d->width = o->image_size ? o->image_size : 28;
    d->classes = o->labels ? 10 : 0;
    return true;
  }
  return fail(why, "no images in %s: install dataset-fashion-mnist, or name a folder with --data DIR",
              DATA_FASHION_FOLDER);
}

static bool open_folder(data *d, const data_options *o, message *why) {
  char path[4096];
  struct stat info;
  bool found;
  d->name = o->name;
  if (stat(o->name, &info) != 0)
    return fail(why, "no data set '%s': there are fashion-mnist, ring, or a folder (%s)", o->name, strerror(errno));
  if (!S_ISDIR(info.st_mode))
    return fail(why, "%s is not a folder: --data wants one with train-images-idx3-ubyte, PNG or JPEG files", o->name);
  if (!find_idx(&idx_images, o->name, path, sizeof path, &found, why)) return false;
  return found ? open_idx(d, o->name, path, o, why) : folder_read(d, o->name, o, why);
}

bool data_is_ring(const data_options *o) {
  char path[4096];
  bool found;
  message unused = {""};
  if (o->name) return !strcmp(o->name, "ring");
  if (o->sizes_only || o->image_size) return false;
  return find_idx(&idx_images, DATA_FASHION_FOLDER, path, sizeof path, &found, &unused) && !found;
}

bool data_open(data *d, const data_options *o, message *why) {
  *d = (data){.channels = 1, .low = o->low, .scale = 1};
  bool ring = data_is_ring(o), ok;
  d->found_nothing = ring && !o->name;
  if (ring)
    ok = open_ring(d, o, why);
  else if (!o->name || !strcmp(o->name, "fashion-mnist"))
    ok = open_fashion(d, o, why);
  else
    ok = open_folder(d, o, why);
  d->features = (size_t)d->channels * d->height * d->width;
  if (!ok) data_close(d);
  return ok;
}

bool data_reads(const char *name, const char *path) {
  static const idx_kind *const kinds[] = {&idx_images, &idx_labels};
  const char *folder = name && strcmp(name, "fashion-mnist") ? name : DATA_FASHION_FOLDER;
  char at[4096];
  bool idx = false;
  message unused = {""};
  if (!strcmp(folder, "ring")) return false;
  for (int i = 0; i < 2 * IDX_NAMES; i++)
    if (idx_path(kinds[i / IDX_NAMES], i % IDX_NAMES, folder, at, sizeof at) && file_same(at, path)) return true;
  return find_idx(&idx_images, folder, at, sizeof at, &idx, &unused) && !idx && folder_reads(folder, path);
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
  const uint8_t *from = bytes;
  for (; n >= 8; from += 8, n -= 8) {
    uint64_t word;
    memcpy(&word, from, 8);
    hash = random_mix(hash, word);
  }
  for (; n; n--) hash = random_mix(hash, *from++);
  return hash;
}

uint64_t data_hash(const data *d) {
  uint64_t hash = random_mix(d->count, d->stored);
  if (d->pixels) hash = hash_bytes(hash, d->pixels, d->count * d->stored);
  if (d->values) hash = hash_bytes(hash, d->values, d->count * d->features * sizeof *d->values);
  if (d->labels) hash = hash_bytes(hash, d->labels, d->count);
  return hash;
}

void data_close(data *d) {
  free(d->pixels);
  free(d->values);
  free(d->labels);
  if (d->fit) resizer_free(d->fit);
  free(d->fit);
  free(d->fitted);
  d->pixels = d->labels = d->fitted = NULL, d->values = NULL, d->fit = NULL;
  d->count = 0;
}

void data_gather(const data *d, const uint32_t *order, size_t n, float *out, int32_t *labels) {
  size_t width = d->features;
  const float low = d->low;
  for (size_t i = 0; i < n; i++, out += width) {
    if (labels) labels[i] = d->labels[order[i]];
    if (d->values) {
      for (size_t k = 0; k < width; k++) out[k] = (d->values[order[i] * width + k] * (1 - low) + low) * d->scale;
    } else {
      const uint8_t *from = d->pixels + order[i] * d->stored;
      if (d->fit) resizer_run(d->fit, from, d->fit->columns.in, 1, d->fitted);
      if (d->fit) from = d->fitted;
      for (size_t k = 0; k < width; k++) out[k] = (float)from[k] / 255.0f * (1 - low) + low;
    }
  }
}
