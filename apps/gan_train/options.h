/* The command line. */
#ifndef GAN_OPTIONS_H
#define GAN_OPTIONS_H

#include "message.h"
#include "variant.h"
#include <clgrad/clgrad.h>
#include <stdint.h>
#include <stdio.h>

typedef struct options {
  variant variants[VARIANT_COUNT]; /* in the order given */
  int n_variants;
  bool compare;
  const char *model;
  const char *data; /* NULL: the first data set that is there */
  int64_t batch;
  int64_t steps, epochs; /* 0: not given; at most one of them is */
  uint64_t seed;
  const char *device; /* NULL: the library's choice */
  clg_device_shape shape;
  bool plan;
  const char *json;    /* a file or "-"; NULL: none */
  const char *samples; /* NULL: none */
  bool quiet, help, version;
} options;

/* Fills every field. False: what was wrong is in `why`. The strings are argv's. */
bool options_parse(options *o, int argc, char **argv, message *why);
void options_help(FILE *to);

#endif
