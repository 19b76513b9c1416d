/* The state of a training in a safetensors file, from which a run goes on bit for bit. */
#ifndef GAN_STATE_H
#define GAN_STATE_H

#include "run.h"

/* Writes weights, running statistics, optimizers and `step`, the steps taken since the first, to the file of --save.
 * The context has the error; CLG_ERR_STATE: one of them is no finite number, and the file stays as it was. */
clg_status state_save(gan *m, const run_setup *setup, int64_t step);
/* Fills m and *step from setup->resume. Refuses a file of another model, batch, seed or data,
 * whatever the data is called. */
bool state_load(gan *m, const run_setup *setup, int64_t *step, message *why);

#endif
