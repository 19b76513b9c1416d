/* Runs the variants of a command line, each in a fresh context from the same weights, data and noise. */
#ifndef GAN_COMPARE_H
#define GAN_COMPARE_H

#include "options.h"
#include "run.h"

typedef struct comparison {
  result results[VARIANT_COUNT]; /* in the order asked for */
  int n;                         /* after a signal: those that took a step */
  result reference;              /* detach, when it is not among the results */
  result *base;                  /* detach's result; NULL when one variant runs alone */
  timing control;                /* detach timed beside itself: what a difference must exceed */
  bool in_pairs;                 /* each was timed with detach alone: all at once have no room on the device */
  bool plan;                     /* predicted fields only */
} comparison;

/* False with `why` when a run could not be made, or the reference failed. compare_free takes what there is. */
bool compare_run(comparison *c, const options *o, const run_setup *setup, message *why);
void compare_free(comparison *c);

/* True if every run ended as its variant should, unless it was interrupted. */
bool compare_as_expected(const comparison *c);
/* The result of v when it is among those that ran to their end, else NULL. */
const result *compare_ok(const comparison *c, variant v);
/* The first result with the losses of r, to the bit: r itself when it shares them with none before. */
const result *compare_losses(const comparison *c, const result *r);
/* The result whose samples are shown. */
const result *compare_sampled(const comparison *c);

#endif
