/* The models' names, and what a model asks of its data. */
#ifndef GAN_MODEL_KIND_H
#define GAN_MODEL_KIND_H

#include <stdbool.h>
#include <stddef.h>

typedef enum model_kind { MODEL_MLP, MODEL_DCGAN, MODEL_WGAN_GP, MODEL_COUNT } model_kind;

const char *model_name(model_kind kind);
/* What it is, for --help. */
const char *model_summary(model_kind kind);
/* MODEL_COUNT if there is none of this name. */
model_kind model_find(const char *name);
/* The one that finds something to show in data of that kind: an mlp trained as a plain GAN loses modes of the ring. */
model_kind model_default(bool is_ring);

/* What 0 of an image becomes: -1 where items are in [-1,1]. */
float model_low(model_kind kind);
/* What points of the plane are multiplied with then: a critic's slope of 1 is one of the data's unit, and where modes
 * are less than a unit apart the penalty outweighs what is to be told apart. */
float model_point_scale(model_kind kind);
/* Points of the plane want less noise than images. */
int model_default_nz(model_kind kind, bool is_ring);
int model_default_lambda(void);
int model_default_batch(model_kind kind);
int model_default_critic_steps(model_kind kind);
/* Steps of each variant in a comparison: the mlp's samples look like clothes then, and wgan_gp covers the modes of the
 * ring; a dcgan's take longer than one waits for. */
int model_compare_steps(model_kind kind, bool is_ring);

#endif
