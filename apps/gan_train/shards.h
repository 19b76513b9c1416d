/* A step over a batch in shards: of a rank those that it owns, one after the other, or in lock step. The same bits
 * whoever owns which. */
#ifndef GAN_SHARDS_H
#define GAN_SHARDS_H

#include "lockstep.h"
#include "step.h"

/* Which shards of a batch are this process's: first .. first + mine - 1 of n. */
typedef struct shards_cut {
  int n, first, mine;
} shards_cut;

/* Sums of the gradients of D or of G, with the running statistics that its half moves on. */
typedef struct shards_sum {
  clg_shard_sum *mine;
  team_sum *all; /* over the ranks; NULL: there is one */
} shards_sum;

typedef struct shards {
  gan *m;
  lockstep *together; /* with synchronised batch norm; NULL: one after the other */
  gan *twins;         /* [mine], and then of m for all shards but the last; NULL else */
  shards_cut cut;
  team *team; /* borrowed; NULL: one process */
  shards_sum of_d, of_g;
  shards_sum polluting; /* polluted: G's gradients that D's half leaves */
  clg_tensor **kept;    /* [n_g_parameters], and their sum over a step's; else NULL */
  struct step *steps;   /* [mine], during a step */
  uint64_t *positions;  /* [mine], of their noise */
  int running;          /* of mine, the one that runs */
  float *losses; /* [n][3], of every shard when a step is done; then [n], of each rank the signal that it noted */
  size_t n_losses;
} shards;

/* shards_close takes it half-made or zeroed. */
bool shards_open(shards *s, gan *m, variant v, shards_cut cut, team *t, message *why);
void shards_close(shards *s);

/* As gan_step: `batches` are of this process's shards; losses are there once clg_finish() has returned. */
clg_status shards_step(shards *s, variant v, feed_batches batches, uint64_t noise_seed);
/* The losses (D real, D fake, G) of the whole batch: means over the shards, by the tree. */
void shards_losses(const shards *s, float losses[3]);
/* The signal that one of the ranks had noted when the step ended; 0: none. The same on all of them. */
int shards_signal(const shards *s);

#endif
