/* One GAN step, written in each of the variants. */
#ifndef GAN_STEP_H
#define GAN_STEP_H

#include "feed.h"
#include "model.h"
#include "variant.h"

/* The batches and losses (D real, D fake, G) must stay where they are until clg_finish(): the step only queues its
 * work. The same noise_seed gives the same noise in every variant. On an error the context has the message, and the
 * model is as far as it got. */
clg_status gan_step(gan *m, variant v, feed_batches batches, uint64_t noise_seed, float losses[3]);

#endif
