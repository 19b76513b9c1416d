/* The gradient penalty of a critic (Gulrajani et al. 2017). */
#ifndef GAN_PENALTY_H
#define GAN_PENALTY_H

#include "model.h"

/* lambda * mean((|d D(x)/dx| - 1)^2) at points x between the items, each eps*real + (1-eps)*fake with an eps of its own
 * from the context's stream: zero-dimensional, with a graph to D's parameters alone. NULL on error. */
clg_tensor *gradient_penalty(gan *m, clg_tensor *real, clg_tensor *fake, clg_tensor *labels);

#endif
