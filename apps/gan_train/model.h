/* A generator and a discriminator with their optimizers: what a step trains. */
#ifndef GAN_MODEL_H
#define GAN_MODEL_H

#include <clgrad/clgrad.h>

#define MODEL_LATENT 128

typedef struct gan {
  clg_context *ctx; /* borrowed */
  int64_t batch, features;
  clg_module *g, *d;
  clg_optim *opt_g, *opt_d;
  clg_tensor *ones, *zeros; /* the labels, [batch,1] */
  /* The loss of the fake batch, as the variable of a loop keeps naming it: whatever graph it has lives until the name
   * is used again. */
  clg_tensor *err_fake;
} gan;

/* Makes the model "mlp" for items of `features` numbers; the weights follow from the seed alone. False: the context has
 * the error. gan_free takes a half-made or zeroed model too. */
bool gan_make(gan *m, clg_context *ctx, int64_t batch, int64_t features, uint64_t seed);
void gan_free(gan *m);

/* Images from noise without a graph, in evaluation mode: out [n, features] host floats. Blocks. */
clg_status gan_sample(gan *m, uint64_t noise_seed, int64_t n, float *out);

/* All parameters, the generator's first. Blocks. */
size_t gan_numel(gan *m);
clg_status gan_read(gan *m, float *out);

#endif
