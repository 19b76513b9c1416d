/* The loop over steps: feeds images, waits once a step, measures. */
#ifndef GAN_TRAIN_H
#define GAN_TRAIN_H

#include "feed.h"
#include "model.h"
#include "run.h"
#include "shards.h"

typedef struct training {
  const run_setup *setup;
  result *r;
  clg_context *ctx; /* borrowed */
  gan model;
  team *team;                 /* NULL: one process */
  team_counters counted_from; /* what it had sent when the first step was over */
  shards shards;              /* where the batch has several */
  feed feed;
  feed_batches batches; /* of the next step */
  int64_t first;        /* steps taken before this run */
  double *step_ms;      /* [steps] */
} training;

/* Makes model and buffers, and resumes if the setup says so; r->v is the variant. False: `why` is the context's error
 * or the host's. train_close takes it half-made. */
bool train_open(training *t, const run_setup *setup, result *r, clg_context *ctx, message *why);
/* Waits for the device, then frees. */
void train_close(training *t);

/* Takes the steps; after a signal, no more of them. `until_settled`, a plan, stops once the peaks no longer grow. An
 * error of the training goes to t->r, others to `why`. */
bool train_run(training *t, bool until_settled, bool show_progress, message *why);
/* Takes n of the setup's steps and nothing else, and times each: ms [n]. False: t->r has the error. */
bool train_steps(training *t, int n, double *ms);
/* After an error: clears it and takes one step of detach in the same context. */
void train_recover(training *t);

/* n new items in [0,1] in *items, to be freed: the same for a seed in every variant with the same weights. */
bool train_sample(training *t, size_t n, float **items, message *why);
/* Writes the state to the file of --save. A state that is not finite makes the run a failed one; a file that cannot be
 * written is reported. */
void train_save(training *t);

#endif
