/* Finds the data set that an option names and hands out batches of it. */
#include "data.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

/* The image file of a folder, plain before gzipped because it reads faster. False: the folder has none. */
static bool image_file(const char *folder, char *path, size_t size) {
  static const char *const names[] = {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    int n = snprintf(path, size, "%s/%s", folder, names[i]);
    if (n > 0 && (size_t)n < size && exists(path)) return true;
  }
  return false;
}

static bool open_fashion(data *d, bool fall_back, bool sizes_only, uint64_t seed, message *why) {
  char path[4096];
  snprintf(d->name, sizeof d->name, "fashion-mnist");
  if (image_file(DATA_FASHION_FOLDER, path, sizeof path)) return idx_read(d, path, sizes_only, why);
  if (sizes_only) {
    d->height = d->width = 28;
    return true;
  }
  if (!fall_back)
    return fail(why, "no images in %s: install dataset-fashion-mnist, or name a folder with --data DIR",
                DATA_FASHION_FOLDER);
  d->found_nothing = true;
  snprintf(d->name, sizeof d->name, "ring");
  return ring_make(d, sizes_only, seed, why);
}

static bool open_folder(data *d, const char *folder, bool sizes_only, message *why) {
  char path[4096];
  struct stat info;
  snprintf(d->name, sizeof d->name, "%s", folder);
  if (stat(folder, &info) != 0)
    return fail(why, "no data set '%s': there are fashion-mnist, ring, or a folder (%s)", folder, strerror(errno));
  if (!S_ISDIR(info.st_mode))
    return fail(why, "%s is not a folder: --data wants one with train-images-idx3-ubyte", folder);
  if (!image_file(folder, path, sizeof path))
    return fail(why, "no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in %s", folder);
  return idx_read(d, path, sizes_only, why);
}

bool data_open(data *d, const char *name, bool sizes_only, uint64_t seed, message *why) {
  memset(d, 0, sizeof *d);
  bool ok;
  if (!name || !strcmp(name, "fashion-mnist")) {
    ok = open_fashion(d, !name, sizes_only, seed, why);
  } else if (!strcmp(name, "ring")) {
    snprintf(d->name, sizeof d->name, "ring");
    ok = ring_make(d, sizes_only, seed, why);
  } else {
    ok = open_folder(d, name, sizes_only, why);
  }
  d->features = (size_t)d->height * d->width;
  if (!ok) data_close(d);
  return ok;
}

void data_close(data *d) {
  free(d->pixels);
  free(d->values);
  d->pixels = NULL, d->values = NULL;
  d->count = 0;
}

void data_gather(const data *d, const uint32_t *order, size_t n, float *out) {
  size_t width = d->features;
  float scaled[256]; /* a look-up is faster than the division, and as exact */
  for (int i = 0; i < 256; i++) scaled[i] = (float)i / 255.0f;
  for (size_t i = 0; i < n; i++, out += width) {
    if (d->values) {
      memcpy(out, d->values + order[i] * width, width * sizeof *out);
    } else {
      const uint8_t *from = d->pixels + order[i] * width;
      for (size_t k = 0; k < width; k++) out[k] = scaled[from[k]];
    }
  }
}
