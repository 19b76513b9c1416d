/* Batches in the order of a seed: shuffled anew each epoch, the last partial batch dropped. Two host buffers take
 * turns, so that one can be filled while the device still reads the other. */
#ifndef GAN_FEED_H
#define GAN_FEED_H

#include "data.h"

typedef struct feed {
  const data *d; /* borrowed */
  size_t batch;
  uint64_t seed, epoch;
  uint32_t *order;   /* of this epoch, [count]; NULL when the data has sizes only */
  size_t next;       /* first item of the next batch in `order` */
  float *buffers[2]; /* [batch, features] */
  int turn;
} feed;

/* The batch must not be larger than the data, if the data has a count. feed_close takes a failed feed too. */
bool feed_open(feed *f, const data *d, size_t batch, uint64_t seed, message *why);
void feed_close(feed *f);

/* The next batch; valid until the call after the next one. Not to be read when the data has sizes only. */
const float *feed_next(feed *f);

#endif
