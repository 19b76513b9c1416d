/* What to train on: bytes of images, or points of the plane, in host memory. A batch becomes floats only when it is
 * about to be uploaded. */
#ifndef GAN_DATA_H
#define GAN_DATA_H

#include "message.h"
#include <stddef.h>
#include <stdint.h>

#define DATA_FASHION_FOLDER "/usr/share/datasets/fashion-mnist"
/* Largest side of an image that is believed. */
#define DATA_MAX_SIDE 4096

typedef struct data {
  char name[256];         /* "fashion-mnist", "ring" or the folder */
  bool is_ring;           /* points in the unit square, not images */
  bool found_nothing;     /* the default data set was not there: this is the ring instead */
  uint32_t height, width; /* of an image; 1 x 2 for a point */
  size_t features;        /* height * width */
  size_t count;           /* 0: only the sizes are known */
  uint8_t *pixels;        /* [count, features], or NULL */
  float *values;          /* [count, features] of the ring, or NULL */
} data;

/* Opens "fashion-mnist", "ring", a folder with train-images-idx3-ubyte[.gz], or with NULL the first of fashion-mnist
 * and ring that is there. `sizes_only` reads no image, and takes Fashion-MNIST's sizes when its folder is missing. */
bool data_open(data *d, const char *name, bool sizes_only, uint64_t seed, message *why);
void data_close(data *d);

/* out [n, features] = the items order[0..n), images scaled to [0,1]. */
void data_gather(const data *d, const uint32_t *order, size_t n, float *out);

/* ---- the sources; each fills sizes and elements of a zeroed `data` ---- */

/* A file of images in IDX format, gzipped or not: big-endian magic 0x00000803, count, height, width, then one byte a
 * pixel. A file that is truncated, damaged, longer or shorter than its header says is refused. */
bool idx_read(data *d, const char *path, bool sizes_only, message *why);

#define RING_MODES 8
#define RING_POINTS 16384
#define RING_RADIUS 0.4f
#define RING_SIGMA 0.01f
/* Eight Gaussians on a circle around the centre of the unit square. */
bool ring_make(data *d, bool sizes_only, uint64_t seed, message *why);
/* The centre of a mode. */
void ring_centre(int mode, float xy[2]);

#endif
