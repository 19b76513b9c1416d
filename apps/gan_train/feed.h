/* Batches in the order of a seed: shuffled anew each epoch, the last partial batch dropped. Two host buffers take
 * turns, so that one can be filled while the device still reads the other. */
#ifndef GAN_FEED_H
#define GAN_FEED_H

#include "data.h"

/* What one step wants: `per_step` batches, one behind the other. */
typedef struct feed_batches {
  const float *images;   /* [per_step, part, features] */
  const int32_t *labels; /* [per_step, part]; NULL without labels */
  const float *noise;    /* [per_step, part, nz]; NULL, as feed_next leaves it: the step draws its own */
} feed_batches;

typedef struct feed {
  const data *d; /* borrowed */
  size_t batch, per_step;
  size_t first, part; /* of each batch: what is fed of it; all of it at first */
  uint64_t seed, epoch;
  uint32_t *order;   /* of this epoch, [count]; NULL when the data has sizes only */
  size_t next;       /* first item of the next batch in `order` */
  float *buffers[2]; /* [per_step, batch, features] */
  int32_t *labels[2];
  int turn;
} feed;

/* The batch must not be larger than the data, if the data has a count. feed_close takes a failed feed too. */
bool feed_open(feed *f, const data *d, size_t batch, size_t per_step, uint64_t seed, message *why);
void feed_close(feed *f);

/* From now on feeds the `part` items from `first` on of each batch. */
void feed_take_part(feed *f, size_t first, size_t part);

/* As if `steps` steps had been fed since it was opened. */
void feed_seek(feed *f, uint64_t steps);

/* The next step's; valid until the call after the next one. Not to be read when the data has sizes only. */
feed_batches feed_next(feed *f);

#endif
