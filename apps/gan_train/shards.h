/* A step over a batch in shards, one after the other. */
#ifndef GAN_SHARDS_H
#define GAN_SHARDS_H

#include "message.h"
#include "step.h"

typedef struct shards {
  gan *m;
  int n;
  clg_shard_sum *of_d, *of_g; /* of the gradients of D or of G, and the running statistics that its half moves on */
  clg_shard_sum *polluting;   /* polluted: G's gradients that D's half leaves */
  clg_tensor **kept;          /* [n_g_parameters], and their sum over a step's; else NULL */
  struct step *steps;         /* [n], during a step */
  uint64_t *positions;        /* [n], of their noise */
  float *losses;              /* [n][3], of every shard when a step is done */
} shards;

/* shards_close takes it half-made or zeroed. */
bool shards_open(shards *s, gan *m, variant v, message *why);
void shards_close(shards *s);

/* As gan_step: `batches` are of all shards; losses are there once clg_finish() has returned. */
clg_status shards_step(shards *s, variant v, feed_batches batches, uint64_t noise_seed);
/* The losses (D real, D fake, G) of the whole batch: means over the shards, by the tree. */
void shards_losses(const shards *s, float losses[3]);

#endif
