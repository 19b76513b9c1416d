/* The generator's gradient from the discriminator's (Shen et al. 2021, Training Generative Adversarial Networks in One
 * Stage, arXiv 2103.00430). Both losses are functions of D's output s_i of each fake, so that their gradients at the
 * fake differ by the factor L_G'(s_i)/L_D'(s_i): one backward through D serves both. It is exact where D judges each
 * item by itself; batch norm in D mixes them, and the factor is then an approximation unless it is the same for all. */
#ifndef GAN_ONE_STAGE_H
#define GAN_ONE_STAGE_H

#include <clgrad/clgrad.h>

/* gradient [N,..] of D's loss becomes that of G's, in place: item i times `ratio`, a formula of s = out [N,1]'s i-th.
 * In no-grad mode. */
clg_status one_stage_scale(clg_tensor *gradient, clg_tensor *out, const char *ratio);

#endif
