/* From the command line and the data to what a run needs. */
#ifndef GAN_SETUP_H
#define GAN_SETUP_H

#include "options.h"
#include "run.h"

/* How the data is to be opened. */
data_options setup_data(const options *o);
/* Checks what only the data can tell. `out` is borrowed. */
bool setup_make(run_setup *setup, const options *o, const data *d, outputs *out, message *why);

#endif
