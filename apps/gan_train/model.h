/* A generator and a discriminator with their optimizers: what a step trains. */
#ifndef GAN_MODEL_H
#define GAN_MODEL_H

#include "model_kind.h"
#include <clgrad/clgrad.h>

/* All that weights and memory follow from, beside the seed and the variant. */
typedef struct model_spec {
  model_kind kind;
  int64_t batch;
  int64_t channels, height, width; /* of an item */
  bool points;                     /* items are points of the plane, no images */
  int64_t nz;                      /* numbers of noise */
  int64_t hidden;                  /* width of the hidden layers; 0: dcgan */
  int64_t ngf, ndf;                /* dcgan's: channels beside the images, of generator and discriminator */
  int64_t classes;                 /* of a conditional model; 0: it is not */
  int critic_steps;                /* discriminator steps for one of the generator */
  float lambda;                    /* weight of wgan_gp's penalty */
  bool sync_batch_norm;            /* by the statistics of the batch, not of a shard */
  int64_t shards;                  /* of a batch, which is that of one shard if there are more than one */
} model_spec;

/* channels * height * width */
int64_t model_features(const model_spec *s);

typedef struct gan {
  clg_context *ctx; /* borrowed */
  model_spec spec;
  clg_module *g, *d;
  clg_module *g_labels, *d_labels; /* embeddings of a conditional model's labels, else NULL */
  clg_tensor **d_parameters;       /* [n_d_parameters] what opt_d trains; ours, the tensors are the modules' */
  clg_tensor **g_parameters;
  size_t n_d_parameters, n_g_parameters;
  clg_optim *opt_g, *opt_d;
  clg_tensor *ones, *zeros; /* the targets, [batch,1] */
  clg_tensor *share;        /* 1/shards: of a mean over the batch, what one over a shard counts; NULL: 1 */
  /* The loss of the fake batch, as the variable of a loop keeps naming it: whatever graph it has lives until the name
   * is used again. */
  clg_tensor *err_fake;
  /* Told of the root of a backward, before it or behind it; NULL: nobody is. */
  void (*watch)(void *user, const char *when, clg_tensor *root);
  void *watch_user;
} gan;

/* Weights follow from the seed alone. `checkpoint`: activations are recomputed, block by block. False: the context has
 * the error. gan_free takes a half-made or zeroed model too. */
bool gan_make(gan *m, clg_context *ctx, const model_spec *spec, bool checkpoint, uint64_t seed);
void gan_free(gan *m);
/* For another shard of the batch that runs at the same time: networks with m's parameters, but gradients of their own,
 * and no optimizers. */
bool gan_make_twin(gan *twin, const gan *of, bool checkpoint);
/* Where the batch norms of its networks meet those of other shards. */
void gan_meet(gan *m, const clg_meeting *meeting);
/* Drops the gradients of the generator, or else of the discriminator. */
void gan_zero_grad(const gan *m, bool of_g);

/* Noise z [N,nz] (and labels int32 [N], NULL when not conditional) -> items, shaped as gan_item_shape says. */
clg_tensor *gan_generate(gan *m, clg_tensor *z, clg_tensor *labels);
/* Items -> [N,1]: logits, or scores of a critic. */
clg_tensor *gan_judge(gan *m, clg_tensor *items, clg_tensor *labels);
/* The loss of outputs [N,1] of gan_judge that should say "real" or "fake": binary cross-entropy, or the critic's
 * -mean and mean. Zero-dimensional. */
clg_tensor *gan_loss(gan *m, clg_tensor *out, bool real);
/* L_G'(s)/L_D'(s), a formula of the output s that the discriminator gives a fake: how G's loss of it changes for D's.
 * -exp(-s) of cross-entropy, at most e^88, and -1 of a critic. */
const char *gan_loss_ratio(const gan *m);
/* Writes the shape of `rows` items; returns the number of dimensions. */
int gan_item_shape(const gan *m, int64_t rows, int64_t shape[4]);

/* All that an optimizer trains: borrowed. And requires_grad of the discriminator's. */
clg_tensor *const *gan_d_parameters(const gan *m, size_t *n);
clg_tensor *const *gan_g_parameters(const gan *m, size_t *n);
void gan_freeze_d(gan *m, bool frozen);

/* Items from noise without a graph, in evaluation mode: out [n, features] host floats in [0,1]. Item i has label i
 * modulo classes. Blocks. */
clg_status gan_sample(gan *m, uint64_t noise_seed, int64_t n, float *out);

/* All parameters, the generator's first. Blocks. */
size_t gan_numel(gan *m);
clg_status gan_read(gan *m, float *out);
/* The generator's gradients, as its optimizer sees them: out [gan_g_numel()], 0 where there is none. Blocks. */
size_t gan_g_numel(gan *m);
clg_status gan_read_g_gradient(gan *m, float *out);

#endif
