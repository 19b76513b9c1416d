/* Timing rounds: the variants of a comparison take turns, block by block, so that all meet the same weather. */
#ifndef GAN_ROUNDS_H
#define GAN_ROUNDS_H

#include "compare.h"

/* Times the variants that ran to their end, in contexts of their own and from the first weights, and fills their
 * `timing`: all of them in the same rounds where the device has room for all at once, else each with detach. Beside
 * them runs detach a second time, as the control. One that cannot be timed has a reason in its timing.error. After a
 * signal, the rounds that were whole. False with `why`: no host memory. */
bool rounds_run(comparison *c, const run_setup *setup, message *why);

#endif
