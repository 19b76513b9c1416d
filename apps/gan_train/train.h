/* The loop over steps: feeds images, waits once a step, measures. */
#ifndef GAN_TRAIN_H
#define GAN_TRAIN_H

#include "feed.h"
#include "model.h"
#include "run.h"

typedef struct training {
  const run_setup *setup;
  result *r;
  clg_context *ctx; /* borrowed */
  gan model;
  feed feed;
  double *step_ms; /* [steps] */
} training;

/* Makes model and buffers. False: `why` is the context's error or the host's. train_close takes it half-made. */
bool train_open(training *t, const run_setup *setup, result *r, clg_context *ctx, message *why);
/* Waits for the device, then frees. */
void train_close(training *t);

/* Takes the steps. `until_settled` stops once the peaks no longer grow. An error goes to t->r. */
void train_run(training *t, bool until_settled, bool show_progress);
/* After an error: clears it and takes one step of detach in the same context. */
void train_recover(training *t);

#endif
