/* How far the weights of each variant are from detach's, step by step. */
#ifndef GAN_APART_H
#define GAN_APART_H

#include "compare.h"

/* Trains the variants that ran to their end and are the same algorithm anew beside detach, a step each in turn, and
 * fills their `apart`: nobody times these steps. One that cannot be has a reason in its apart_error. After a signal,
 * the steps that were whole. */
void apart_run(comparison *c, const run_setup *setup);

#endif
