/* The networks of the models. Each is a Sequential of blocks, themselves Sequentials, so that a segment of one layer is
 * a block. */
#ifndef GAN_NETWORKS_H
#define GAN_NETWORKS_H

#include "model.h"

/* z [N, nz + LABEL_NUMBERS if conditional] -> [N,features] */
clg_module *mlp_generator(clg_context *ctx, const model_spec *s);
/* [N, features + LABEL_NUMBERS if conditional] -> [N,1] */
clg_module *mlp_discriminator(clg_context *ctx, const model_spec *s);
/* The same without norms, which a penalty for each item alone rules out in a critic. */
clg_module *wgan_generator(clg_context *ctx, const model_spec *s);
clg_module *wgan_critic(clg_context *ctx, const model_spec *s);

/* [N, nz + LABEL_NUMBERS if conditional, 1, 1] -> [N,channels,size,size] in (-1,1) (Radford et al. 2016) */
clg_module *dcgan_generator(clg_context *ctx, const model_spec *s);
/* [N, channels + 1 if conditional, size, size] -> logits [N,1] */
clg_module *dcgan_discriminator(clg_context *ctx, const model_spec *s);
/* N(0, 0.02) for convolutions, N(1, 0.02) and 0 for batch norm. */
clg_status dcgan_initialise(clg_module *m);

/* Length of the embedding of a label that joins noise and flat images. */
#define LABEL_NUMBERS 16

#endif
