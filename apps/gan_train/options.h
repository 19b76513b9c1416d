/* The command line. */
#ifndef GAN_OPTIONS_H
#define GAN_OPTIONS_H

#include "message.h"
#include "model_kind.h"
#include "variant.h"
#include <clgrad/clgrad.h>
#include <stdint.h>
#include <stdio.h>

/* Sides of square images: a power of two for dcgan. */
#define IMAGE_SIZE_MIN 8
#define IMAGE_SIZE_MAX 1024

typedef struct options {
  char *const *words;              /* of the command line, NULL behind the last */
  variant variants[VARIANT_COUNT]; /* in the order given */
  int n_variants;
  bool compare;
  model_kind model; /* MODEL_COUNT while none is given: as the data wants it */
  const char *data; /* NULL: the first data set that is there */
  bool sync_batch_norm;
  bool conditional;
  bool skip_unreadable;         /* pictures */
  int64_t image_size, channels; /* 0: as the data is */
  int64_t nz, lambda;           /* 0: as model and data want it */
  int64_t hidden, ngf, ndf, critic_steps;
  int64_t batch;
  int64_t shards;               /* of a batch; 0: as the ranks want it */
  int64_t bucket, rank_timeout; /* KiB, 0: no overlap; seconds, 0: none */
  int64_t steps, epochs;        /* 0: not given; at most one of them is */
  uint64_t seed;
  const char *device; /* NULL: the library's choice */
  clg_device_shape shape;
  const char *tuning; /* a table of clgrad_tune; NULL: none */
  bool plan, remat;
  bool wide;                 /* the comparison's second table */
  const char *json;          /* a file or "-"; NULL: none */
  const char *report;        /* NULL: none */
  const char *samples;       /* NULL: none */
  const char *trace;         /* NULL: none */
  int64_t samples_every;     /* 0: at the end alone */
  const char *save, *resume; /* NULL: none */
  int64_t save_every;        /* 0: at the end alone */
  bool quiet, help, version;
} options;

/* Fills every field. False: what was wrong is in `why`. The strings are argv's. */
bool options_parse(options *o, int argc, char **argv, message *why);
void options_help(FILE *to);

#endif
