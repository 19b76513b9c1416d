/* Runs one variant in a context of its own, and predicts its memory in another that has no device. */
#ifndef GAN_RUN_H
#define GAN_RUN_H

#include "../building.h"
#include "data.h"
#include "message.h"
#include "model.h"
#include "output.h"
#include "ranks.h"
#include "result.h"

typedef struct run_setup {
  const data *data;
  uint64_t data_hash; /* for --save and --resume */
  model_spec spec;
  int64_t steps;
  uint64_t seed;
  const char *device; /* NULL: the library's choice */
  clg_context *share; /* has the device open: its programs are used; NULL: none */
  clg_device_shape shape;
  const char *tuning; /* a file; NULL: none */
  bool remat;         /* keep formulas instead of tensors: clg_set_remat */
  bool profile;       /* record kernel times, which takes some itself */
  size_t n_samples;   /* items to generate afterwards */
  outputs *out;
  int64_t samples_every; /* numbered pictures on the way; 0: none */
  int64_t save_every;    /* steps; 0: the state afterwards alone */
  const char *resume;    /* file of the state to begin with; NULL: none */
  bool record;           /* a step of the plan: result.record; and its times on the device: result.times */
  team_options team;
  bool quiet;
} run_setup;

/* Trains v. An error of the training itself is a result (r->failed), losses and weights that are no numbers are one
 * too; true is returned, and the variants that must fail take one more step to show that their context still works. A
 * run that is interrupted is whole up to the step that it ended with. False with `why`: no device, no host memory. */
bool run_variant(const run_setup *setup, variant v, result *r, message *why);

/* Opens the setup's device for a training; `compiling` tells of kernels that are compiled, as long as the context
 * lives.
 */
bool run_open(const run_setup *setup, building *compiling, clg_context **ctx, message *why);

/* The first steps of such a run in a context that records times, which is slower: a trace of them in the file. */
bool run_traced(const run_setup *setup, variant v, const char *path, message *why);

/* Fills r's predicted fields and its device (the plan's) without any OpenCL. `like` lends its properties; may be NULL.
 */
bool run_plan(const run_setup *setup, variant v, clg_context *like, result *r, message *why);

#endif
