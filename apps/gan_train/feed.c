/* Batches of a data set. */
#include "feed.h"
#include "random.h"
#include <stdlib.h>

static void shuffle(feed *f) {
  random_order(random_mix(f->seed, f->epoch), f->order, f->d->count);
  f->next = 0;
}

bool feed_open(feed *f, const data *d, size_t batch, size_t per_step, uint64_t seed, message *why) {
  *f = (feed){.d = d, .batch = batch, .part = batch, .per_step = per_step, .seed = seed};
  if (!d->count) return true;
  for (int i = 0; i < 2; i++) {
    f->buffers[i] = calloc(batch * per_step, d->features * sizeof(float));
    if (!f->buffers[i]) return fail_no_memory(why);
    if (!d->labels) continue;
    f->labels[i] = calloc(batch * per_step, sizeof *f->labels[i]);
    if (!f->labels[i]) return fail_no_memory(why);
  }
  f->order = malloc(d->count * sizeof *f->order);
  if (!f->order) return fail_no_memory(why);
  shuffle(f);
  return true;
}

void feed_close(feed *f) {
  for (int i = 0; i < 2; i++) {
    free(f->buffers[i]);
    free(f->labels[i]);
  }
  free(f->order);
  *f = (feed){0};
}

void feed_take_part(feed *f, size_t first, size_t part) { f->first = first, f->part = part; }

void feed_seek(feed *f, uint64_t steps) {
  if (!f->order) return;
  uint64_t batches = steps * f->per_step, per_epoch = f->d->count / f->batch;
  f->epoch = batches / per_epoch;
  shuffle(f);
  f->next = (size_t)(batches % per_epoch) * f->batch;
}

feed_batches feed_next(feed *f) {
  static const float nothing = 0; /* a plan looks at the address alone */
  if (!f->order) return (feed_batches){.images = &nothing};
  float *images = f->buffers[f->turn];
  int32_t *labels = f->labels[f->turn];
  f->turn = !f->turn;
  for (size_t i = 0; i < f->per_step; i++) {
    if (f->next + f->batch > f->d->count) {
      f->epoch++;
      shuffle(f);
    }
    data_gather(f->d, f->order + f->next + f->first, f->part, images + i * f->part * f->d->features,
                labels ? labels + i * f->part : NULL);
    f->next += f->batch;
  }
  return (feed_batches){.images = images, .labels = labels};
}
