/* The state of a training in a safetensors file, from which a run goes on bit for bit. */
#ifndef GAN_STATE_H
#define GAN_STATE_H

#include "run.h"

/* Writes weights, running statistics, optimizers and `step`, the steps taken since the first, to setup->save. */
bool state_save(gan *m, const run_setup *setup, int64_t step, message *why);
/* Fills m and *step from setup->resume. Refuses a file of another model, batch, seed or data. */
bool state_load(gan *m, const run_setup *setup, int64_t *step, message *why);

#endif
