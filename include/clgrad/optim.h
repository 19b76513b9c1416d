/* Optimizers, PyTorch's formulas and defaults. A step updates in one kernel every maximal run of parameters that lie side
 * by side and have a gradient; parameters without one are skipped (no decay, no moments), and steps are counted per
 * parameter. */
#ifndef CLGRAD_OPTIM_H
#define CLGRAD_OPTIM_H

#include <clgrad/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clg_optim clg_optim;

typedef enum clg_optim_kind { CLG_SGD, CLG_ADAM, CLG_ADAMW, CLG_RMSPROP } clg_optim_kind;

/* Fields that a kind does not name are ignored. Defaults are PyTorch's: see clg_optim_defaults. */
typedef struct clg_optim_options {
  clg_optim_kind kind;
  double lr;
  double weight_decay;                /* SGD, Adam, RMSprop: added to the gradient; AdamW: decoupled */
  double momentum, dampening;         /* SGD; RMSprop: momentum */
  bool nesterov;                     /* SGD */
  double beta1, beta2, eps;           /* Adam, AdamW; RMSprop: eps */
  bool amsgrad;                      /* Adam, AdamW */
  double alpha;                       /* RMSprop */
  bool centered;                     /* RMSprop */
} clg_optim_options;
/* SGD: lr 1e-3, all else 0. Adam: 1e-3, (0.9, 0.999), 1e-8, decay 0. AdamW: the same, decay 1e-2. RMSprop: 1e-2, alpha
 * 0.99, 1e-8. */
CLG_API clg_optim_options clg_optim_defaults(clg_optim_kind kind);

CLG_API clg_optim *clg_optim_create(clg_context *ctx, const clg_optim_options *options, clg_tensor *const *params, size_t n);
/* Over all parameters of a module. */
CLG_API clg_optim *clg_optim_create_for(clg_module *m, const clg_optim_options *options);
CLG_API clg_optim *clg_optim_ref(clg_optim *o);
CLG_API void clg_optim_unref(clg_optim **o);

CLG_API void clg_optim_zero_grad(clg_optim *o); /* drops the gradients */
CLG_API clg_status clg_optim_step(clg_optim *o);
CLG_API void clg_optim_set_lr(clg_optim *o, double lr);
CLG_API double clg_optim_lr(const clg_optim *o);

#ifdef __cplusplus
}
#endif
#endif
