/* Where the time of a step goes on the device, phase by phase, by its own clock. */
#ifndef GAN_PHASES_H
#define GAN_PHASES_H

#include "result.h"
#include "run.h"

/* Fills r->times from a run of its own, in a context that records times, which costs time itself: the step's other
 * figures are not from there. Without room for it there are none. */
void phases_measure(const run_setup *setup, result *r);

#endif
