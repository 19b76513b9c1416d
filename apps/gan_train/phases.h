/* Where the time of a step goes on the device, phase by phase, by its own clock. */
#ifndef GAN_PHASES_H
#define GAN_PHASES_H

#include "compare.h"

/* Fills the `times` of the variants that ran to their end from steps of their own, in contexts that record times, which
 * costs time itself: the other figures of a step are not from there. The variants take turns, or where the device has
 * no room for all at once, one comes after the other. One without times has a reason in its times_error. */
void phases_measure(comparison *c, const run_setup *setup);

#endif
