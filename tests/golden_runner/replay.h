/* Replays of GAN training, variant by variant: what the steps (replay.c) and the checks (gan.c) share. */
#ifndef GOLDEN_RUNNER_REPLAY_H
#define GOLDEN_RUNNER_REPLAY_H

#include "golden.h"

/* How a variant's step differs; the names are those of the folder's README. */
typedef struct variant {
  const char *name;
  bool detach;   /* D sees the fake batch without its graph */
  bool retain;   /* D's backward keeps the graph for G's */
  bool no_grad;  /* D's fake batch is made without a graph */
  bool again;    /* G runs again for its own step ... */
  bool fresh;    /* ... on other noise */
  bool frozen;   /* D requires no gradient in G's step */
  bool zero_top; /* G's gradients are dropped at the top of the loop, not before its own backward */
} variant;

typedef clg_tensor *(*loss_fn)(clg_tensor *x, clg_tensor *target, const clg_loss_options *options);

typedef struct replay {
  golden *g;
  const char *section;
  const json_t *gan;
  const variant *v;
  clg_module *G, *D;
  clg_optim *opt_g, *opt_d;
  loss_fn loss;
  record real, z, z_fresh;
  float *losses; /* steps rows of D real, D fake, G */
  size_t steps, step;
} replay;

/* One training step; false with golden.why. Calls replay_point at each point that the folder may hold an array for. */
bool replay_step(replay *r);
/* A step that must fail: no detach, plain backward, and G's loss through the same graph. True if it failed as it
 * should. */
bool replay_naive_fails(replay *r);

/* Compares the gradient of `m`, or the tensor `t`, with the array of this name, if there is one for this step and
 * variant. */
void replay_point(replay *r, const char *name, clg_module *m, const clg_tensor *t);

#endif
