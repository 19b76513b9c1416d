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
/* Side that the images of a folder are brought to when none is asked for. */
#define DATA_FOLDER_SIDE 64

typedef struct data {
  const char *name;                 /* "fashion-mnist", "ring" or the folder: borrowed from the options */
  bool is_ring;                     /* points in the unit square, not images */
  bool found_nothing;               /* the default data set was not there: this is the ring instead */
  uint32_t channels, height, width; /* of an image; 1 x 1 x 2 for a point */
  size_t features;                  /* channels * height * width */
  float low;                        /* what 0 becomes in a batch; 1 stays 1 */
  float scale;                      /* and what both are multiplied with: 1 for images */
  size_t count;                     /* 0: only the sizes are known */
  uint8_t *pixels;                  /* [count, stored], or NULL */
  size_t stored;                    /* bytes of an image in `pixels`: [channels, height, width] unless it is fitted */
  struct resizer *fit;              /* brings one to its size when it joins a batch; NULL: they have it */
  uint8_t *fitted;                  /* [features], room for one; NULL without fit */
  float *values;                    /* [count, features] of the ring in [0,1], or NULL */
  uint8_t *labels;                  /* [count], or NULL when none were wanted */
  uint32_t classes;                 /* labels are less; 0 when none were wanted */
  size_t skipped;                   /* pictures that were left out; `skip_why` says what was wrong with the first */
  message skip_why;
} data;

typedef struct data_options {
  const char *name;    /* "fashion-mnist", "ring" or a folder; NULL: the first of the two that is there */
  bool sizes_only;     /* reads no image, and takes Fashion-MNIST's sizes when its folder is missing */
  uint64_t seed;       /* of the ring */
  uint32_t image_size; /* images are brought to this square; 0: as they are, a folder's to DATA_FOLDER_SIDE */
  uint32_t channels;   /* of a folder's images, 1 or 3; 0: as its first */
  bool labels;         /* to be read too; it is an error when there are none */
  bool skip;           /* leave out pictures that cannot be read, where it is an error otherwise */
  float low;
  float point_scale; /* of the ring; 0: 1 */
} data_options;

/* Whether that is the ring: named, or in the place of Fashion-MNIST. */
bool data_is_ring(const data_options *o);
/* A folder has train-images-idx3-ubyte[.gz] (and train-labels-idx1-ubyte[.gz]; "train-images.idx3-ubyte" is the same),
 * or PNG and JPEG files, either in it or in sub-folders that are the classes. */
bool data_open(data *d, const data_options *o, message *why);
void data_close(data *d);
/* Whether `path` is one of the files that a data set is read from, or would be one if it were there. */
bool data_reads(const char *name, const char *path);
/* A number that follows from all items and labels, whatever the data set is called and wherever it lies. */
uint64_t data_hash(const data *d);

/* out [n, features] = the items order[0..n), scaled from [0,1] to [low,1] * scale; labels [n] unless it is NULL.
 */
void data_gather(const data *d, const uint32_t *order, size_t n, float *out, int32_t *labels);

/* ---- the sources; each fills sizes and elements of a zeroed `data` ---- */

/* A file of images in IDX format, gzipped or not: big-endian magic 0x00000803, count, height, width, then one byte a
 * pixel. A file that is truncated, damaged, longer or shorter than its header says is refused. */
bool idx_read(data *d, const char *path, bool sizes_only, message *why);
/* A file of labels, magic 0x00000801: count, then one byte a label. Their number must be d->count unless that is 0. */
bool idx_read_labels(data *d, const char *path, message *why);

/* PNG and JPEG files; centre-cropped to a square and resized as they are read. */
bool folder_read(data *d, const char *folder, const data_options *o, message *why);
/* Whether `path` is one of those that would be read from it, or would be if it were there. */
bool folder_reads(const char *folder, const char *path);

#define RING_MODES  8
#define RING_POINTS 16384
#define RING_RADIUS 0.4f
#define RING_SIGMA  0.01f
/* Eight Gaussians on a circle around the centre of the unit square; the mode is the label. */
bool ring_make(data *d, bool sizes_only, uint64_t seed, message *why);
/* The centre of a mode. */
void ring_centre(int mode, float xy[2]);

/* How well points [n, 2] of the unit square keep to the ring: a point is good within RING_GOOD_SIGMAS of a centre, and
 * a mode is covered when it has a quarter of its even share of the points or more, all good. */
#define RING_GOOD_SIGMAS 4
typedef struct ring_quality {
  int modes;   /* covered */
  double good; /* share of the points */
} ring_quality;
ring_quality ring_judge(const float *points, size_t n);

#endif
