/* The parts of a step, for who runs a batch in shards: one of these for each shard. */
#ifndef GAN_STEP_PARTS_H
#define GAN_STEP_PARTS_H

#include "step.h"

typedef struct manner manner;

typedef struct step {
  gan *m;
  clg_context *ctx;
  const manner *how;
  float *losses;
  clg_tensor *z, *real, *labels, *fake; /* ours; labels NULL when the model is not conditional */
  clg_tensor *out_fake;                 /* stale's, ours: D's output of before its step */
  bool serves_g;                        /* one_stage's D step is the last: its backward is G's too */
  clg_tensor *fake_gradient;            /* and then ours: of G's loss */
  /* Told before the last backward of D's half, and of G's; NULL: nobody is. */
  void (*announce)(void *user, bool of_g);
  void *announce_user;
} step;

step step_begin(gan *m, variant v, float *losses);
/* Lets go of its tensors. */
void step_end(step *s);

/* D's half with the i-th of the batches, without zero_grad and D's step; `last`: of several times in a step. */
bool step_learn_d(step *s, feed_batches batches, int i, bool last);
/* G's half, without zero_grad and G's step. */
bool step_learn_g(step *s);
bool step_update(step *s, const char *phase, clg_optim *optimizer);
/* Whether G's gradients are dropped at the top of the loop, and not before its own half. */
bool step_zeroes_top(variant v);
/* Closes the scope around a step that went `ok`, or did not: what became of it. */
clg_status step_close(gan *m, clg_scope *scope, bool ok);

#endif
