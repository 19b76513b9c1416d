/* Batches of a data set. */
#include "feed.h"
#include "random.h"
#include <stdlib.h>

static void shuffle(feed *f) {
  random_order(random_mix(f->seed, f->epoch), f->order, f->d->count);
  f->next = 0;
}

bool feed_open(feed *f, const data *d, size_t batch, uint64_t seed, message *why) {
  *f = (feed){.d = d, .batch = batch, .seed = seed};
  if (!d->count) return true;
  for (int i = 0; i < 2; i++) {
    f->buffers[i] = calloc(batch, d->features * sizeof(float));
    if (!f->buffers[i]) return fail_no_memory(why);
  }
  f->order = malloc(d->count * sizeof *f->order);
  if (!f->order) return fail_no_memory(why);
  shuffle(f);
  return true;
}

void feed_close(feed *f) {
  free(f->buffers[0]);
  free(f->buffers[1]);
  free(f->order);
  *f = (feed){0};
}

const float *feed_next(feed *f) {
  static const float nothing = 0; /* a plan looks at the address alone */
  if (!f->order) return &nothing;
  float *to = f->buffers[f->turn];
  f->turn = !f->turn;
  if (f->next + f->batch > f->d->count) {
    f->epoch++;
    shuffle(f);
  }
  data_gather(f->d, f->order + f->next, f->batch, to);
  f->next += f->batch;
  return to;
}
