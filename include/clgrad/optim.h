/* Optimizers, PyTorch's formulas and defaults. A step updates in one kernel every maximal run of parameters that lie
 * side by side and have a gradient; parameters without one are skipped (no decay, no moments), and steps are counted
 * per parameter. */
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
  double weight_decay;        /* SGD, Adam, RMSprop: added to the gradient; AdamW: decoupled */
  double momentum, dampening; /* SGD; RMSprop: momentum */
  bool nesterov;              /* SGD */
  double beta1, beta2, eps;   /* Adam, AdamW; RMSprop: eps */
  bool amsgrad;               /* Adam, AdamW */
  double alpha;               /* RMSprop */
  bool centered;              /* RMSprop */
} clg_optim_options;
/* SGD: lr 1e-3, all else 0. Adam: 1e-3, (0.9, 0.999), 1e-8, decay 0. AdamW: the same, decay 1e-2. RMSprop: 1e-2, alpha
 * 0.99, 1e-8. */
CLG_API clg_optim_options clg_optim_defaults(clg_optim_kind kind);

CLG_API clg_optim *clg_optim_create(clg_context *ctx, clg_tensor *const *params, size_t n,
                                    const clg_optim_options *options);
/* Over all parameters of a module. */
CLG_API clg_optim *clg_optim_create_for(clg_module *m, const clg_optim_options *options);
CLG_API clg_optim *clg_optim_ref(clg_optim *o);
CLG_API void clg_optim_unref(clg_optim **o);

CLG_API void clg_optim_zero_grad(clg_optim *o); /* drops the gradients */
/* CLG_ERR_STATE after a backward that failed, until the gradients are zeroed and it is run again. A step that finds no
 * gradient at all changes nothing, and says so once through the context's log. */
CLG_API clg_status clg_optim_step(clg_optim *o);
CLG_API void clg_optim_set_lr(clg_optim *o, double lr); /* of every group */
CLG_API double clg_optim_lr(const clg_optim *o);        /* of the first group */

/* Parameter groups: more parameters with options of their own (the same kind of optimizer). A parameter is in one
 * group. Groups are numbered from 0, the one made by _create. On an error the optimizer stays as it was. */
CLG_API clg_status clg_optim_add_group(clg_optim *o, clg_tensor *const *params, size_t n,
                                       const clg_optim_options *options);
CLG_API size_t clg_optim_group_count(const clg_optim *o);
CLG_API double clg_optim_group_lr(const clg_optim *o, size_t group); /* NaN if there is no such group */
CLG_API clg_status clg_optim_group_set_lr(clg_optim *o, size_t group, double lr);

/* ---- gradient clipping (torch.nn.utils), before the step; parameters without a gradient are left out ---- */

/* Scales all gradients by min(1, max_norm/(norm + 1e-6)), norm being the 2-norm of all of them as one vector. Returns
 * the norm before, a zero-dimensional op result; does not block. Finite gradients keep their direction also where no
 * float holds their norm, which is infinity then. A norm that is NaN makes every gradient NaN but
 * zeros. A gradient that has a graph is replaced by one that has none. */
CLG_API clg_tensor *clg_clip_grad_norm(clg_context *ctx, clg_tensor *const *params, size_t n, double max_norm);
/* Clamps each element of the gradients to [-value, value]. */
CLG_API clg_status clg_clip_grad_value(clg_context *ctx, clg_tensor *const *params, size_t n, double value);

/* ---- a batch in shards, before the step ---- */

/* The gradients of a batch that is cut into shards, which run one after the other, summed in one binary tree over the
 * shards: of four (g0 + g1) + (g2 + g3), each sum rounded once. A half of the tree is a tree itself, so that several
 * processes with a part of the shards each have the same bits as one with all (clgrad/mpi.h). Means over shards are
 * sums of losses divided by their number, an exact power of two: clg_backward_options.grad.
 *
 * Partial sums lie in log2(shards) buffers of the gradients' size, role gradient, which are made at once. */
typedef struct clg_shard_sum clg_shard_sum;
/* Of params[0..n), leaves, over so many shards, a power of two. */
CLG_API clg_shard_sum *clg_shard_sum_create(clg_context *ctx, clg_tensor *const *params, size_t n, size_t shards);
CLG_API clg_shard_sum *clg_shard_sum_ref(clg_shard_sum *s);
CLG_API void clg_shard_sum_unref(clg_shard_sum **s);
/* Tracks tensors that a shard's forward changes in place, as running statistics: contiguous, float32. Each shard finds
 * them as they were when the batch began, and behind the last they are the mean over the shards, summed in the same
 * tree. Once, before the first batch; takes one buffer more than the gradients do, role workspace. */
CLG_API clg_status clg_shard_sum_track(clg_shard_sum *s, clg_tensor *const *tensors, size_t n);

/* A batch begins: shards find tracked tensors as they are now. Needed where some are tracked; what was added of a batch
 * that came to no end is forgotten. */
CLG_API clg_status clg_shard_sum_begin(clg_shard_sum *s);
/* Takes the gradients as those of the next shard, whose backwards are done, and drops them. Those of the last shard it
 * replaces by the sums, and the batch is over. Each parameter has a gradient in each shard (CLG_ERR_STATE). After an
 * error the next shard is the first again. */
CLG_API clg_status clg_shard_sum_add(clg_shard_sum *s);
/* The same of the gradients of params[0..n), which stand for the sum's parameters in this shard: where each shard has
 * leaves of its own (clg_module_share). The last shard's are the sum's own. */
CLG_API clg_status clg_shard_sum_add_of(clg_shard_sum *s, clg_tensor *const *params);
/* In the last shard: puts the sum into the gradient of params[i] alone, from its post-accumulate hook, say, while other
 * gradients are still to come. clg_shard_sum_add then does the others. */
CLG_API clg_status clg_shard_sum_add_one(clg_shard_sum *s, size_t i);
/* In the last shard, when its forwards are done: puts the means into the tracked tensors. clg_shard_sum_add would. */
CLG_API clg_status clg_shard_sum_settle(clg_shard_sum *s);

/* The shard that is added next, from 0. */
CLG_API size_t clg_shard_sum_next(const clg_shard_sum *s);
/* Borrowed lists, and their lengths. */
CLG_API clg_tensor *const *clg_shard_sum_params(const clg_shard_sum *s, size_t *n);
CLG_API clg_tensor *const *clg_shard_sum_tracked(const clg_shard_sum *s, size_t *n);

/* ---- learning rates at step t (from 0), for clg_optim_set_lr: pure functions ---- */

CLG_API double clg_lr_step(double lr, uint64_t t, uint64_t every, double gamma); /* lr*gamma^floor(t/every): StepLR */
/* lr_min + (lr - lr_min)*(1 + cos(pi*t/t_max))/2: CosineAnnealingLR */
CLG_API double clg_lr_cosine(double lr, uint64_t t, uint64_t t_max, double lr_min);
/* lr*(start + (1 - start)*min(t, steps)/steps): LinearLR, a linear warm-up */
CLG_API double clg_lr_warmup(double lr, uint64_t t, uint64_t steps, double start);

/* ---- exponential moving average of a module's parameters ---- */

typedef struct clg_ema clg_ema;
/* Starts from the parameters as they are. decay in [0, 1]. */
CLG_API clg_ema *clg_ema_create(clg_module *m, double decay);
CLG_API clg_ema *clg_ema_ref(clg_ema *e);
CLG_API void clg_ema_unref(clg_ema **e);
/* average = decay*average + (1 - decay)*parameter */
CLG_API clg_status clg_ema_update(clg_ema *e, clg_module *m);
/* Puts the averages into m's parameters (the same module, or one of the same shapes), or takes the parameters as
 * averages. */
CLG_API clg_status clg_ema_copy_to(const clg_ema *e, clg_module *m);
CLG_API clg_status clg_ema_copy_from(clg_ema *e, clg_module *m);

#ifdef __cplusplus
}
#endif
#endif
