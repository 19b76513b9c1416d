/* Layers. A module owns its parameters; those of the outermost module lie in one allocation, their gradients in
 * another. Parameters are made at the first use of the outermost module (forward, parameters, an optimizer), in the
 * order of clg_module_parameters, so adopting layers into a Sequential copies nothing. */
#ifndef CLGRAD_NN_H
#define CLGRAD_NN_H

#include <clgrad/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct clg_module clg_module;
CLG_API clg_module *clg_module_ref(clg_module *m);
CLG_API void clg_module_unref(clg_module **m);
/* What records of memory and time and pictures of the graph call the module (copied; NULL: nothing). They call a layer
 * by the names of the modules around it, or its number there where it has none: the first layer of the second block of
 * "G" is "G.1.0". One in no Sequential that has no name is called after its kind, "linear". Files know nothing of it.
 */
CLG_API clg_status clg_module_set_name(clg_module *m, const char *name);
CLG_API const char *clg_module_name(const clg_module *m); /* borrowed; "" when it has none, NULL of no module */

/* Weight [out,in], bias [out]; both uniform in +-1/sqrt(in), PyTorch's default. */
CLG_API clg_module *clg_linear_create(clg_context *ctx, int64_t in, int64_t out, bool bias,
                                      const clg_linear_options *options);
/* gamma 1, beta 0 over the last dimension, `size` long. */
CLG_API clg_module *clg_layer_norm_create(clg_context *ctx, int64_t size, const clg_norm_options *options);
/* An activation as a layer. */
CLG_API clg_module *clg_activation_create(clg_context *ctx, clg_act act);
/* Convolutions over images [N,C,H,W] (ops.h); `options` NULL: the defaults. Weights [out,in/groups,kh,kw], transposed
 * [in,out/groups,kh,kw]; uniform in +-1/sqrt(fan in) as PyTorch's default, the bias likewise. */
CLG_API clg_module *clg_conv2d_create(clg_context *ctx, int64_t in, int64_t out, int64_t kh, int64_t kw, bool bias,
                                      const clg_conv_options *options);
CLG_API clg_module *clg_conv_transpose2d_create(clg_context *ctx, int64_t in, int64_t out, int64_t kh, int64_t kw,
                                                bool bias, const clg_conv_options *options);
/* Batch norm over the channels of [N,C,..], gamma 1 and beta 0; in train mode by the batch's statistics, whose running
 * averages (buffers running_mean, running_var) serve in eval mode. Of the options eps, momentum, act and meeting are
 * looked at. */
CLG_API clg_module *clg_batch_norm_create(clg_context *ctx, int64_t channels, const clg_batch_norm_options *options);
CLG_API clg_module *clg_max_pool2d_create(clg_context *ctx, int64_t kh, int64_t kw, const clg_pool_options *options);
CLG_API clg_module *clg_avg_pool2d_create(clg_context *ctx, int64_t kh, int64_t kw, const clg_pool_options *options);
CLG_API clg_module *clg_upsample_create(clg_context *ctx, int scale_h, int scale_w); /* nearest neighbour */
/* A row of the weight [n,size] for each int32 index [..] -> [..,size]; N(0, 1) as PyTorch's default. */
CLG_API clg_module *clg_embedding_create(clg_context *ctx, int64_t n, int64_t size);
/* Zeroes each element with probability p, in [0, 1], and scales the others by 1/(1 - p), in train mode. */
CLG_API clg_module *clg_dropout_create(clg_context *ctx, float p);
/* [N,...] -> [N,-1] */
CLG_API clg_module *clg_flatten_create(clg_context *ctx);
/* torch.nn.utils.spectral_norm of a Linear or Conv2d that is not used yet: its weight (parameter weight_orig), [out,-1]
 * as a matrix W, is divided by sigma = u^T W v, with gradient. The buffers weight_u and weight_v take one step of power
 * iteration in each forward in train mode, without gradient; in eval mode they stay, and where a checkpointed segment
 * runs again: no other forward of it in train mode may come between a forward and its backward there. Takes over the
 * caller's reference and returns it, so that create calls nest; NULL on error. */
CLG_API clg_module *clg_spectral_norm(clg_module *layer);
/* Runs its layers in order, each in a scope of its own; an activation behind a Linear, a convolution or a norm that
 * has none of its own runs in that one's kernels. Takes over the caller's reference of each layer, so that create calls
 * nest. A layer is in one module, once. Any NULL layer makes it NULL (the others are freed, but for those in another
 * module). */
CLG_API clg_module *clg_sequential_create(clg_context *ctx, clg_module *const *layers, size_t n);

/* From now on the Sequential runs in checkpointed segments of so many layers (0: none): only what goes into a segment
 * is kept, and its layers run again in backward (clg_checkpoint), in the train modes that they had. Such a
 * layer and the activation behind it stay in one segment. The graph holds the module. */
CLG_API clg_status clg_module_checkpoint(clg_module *sequential, size_t layers);

CLG_API clg_tensor *clg_forward(clg_module *m, clg_tensor *x);

/* Train mode (on when made), for the module and everything in it; separate from grad mode. */
CLG_API void clg_module_set_training(clg_module *m, bool on);
CLG_API bool clg_module_training(const clg_module *m);

/* Where batch norms of the module and of everything in it meet those of the batch's other shards, in train mode
 * (copied; NULL: nowhere). */
CLG_API void clg_module_meet(clg_module *m, const clg_meeting *meeting);
/* m, an outermost module that is built as `of` is and not used yet, takes its parameters: the same storage, but leaves
 * of its own, with gradients of its own, for another shard of the batch that runs at the same time. What changes the
 * values changes them for both; buffers and requires_grad are each one's own. CLG_ERR_ARGUMENT if parameters differ in
 * number or shape. */
CLG_API clg_status clg_module_share(clg_module *m, clg_module *of);

/* Parameters in PyTorch's order; the array and the tensors are borrowed. Makes them if need be; NULL on error. */
CLG_API clg_tensor *const *clg_module_parameters(clg_module *m, size_t *n);
/* "0.weight": as in PyTorch's state_dict. Borrowed. NULL if i is out of range. */
CLG_API const char *clg_module_parameter_name(clg_module *m, size_t i);
/* Buffer number i (state that is saved but not trained), borrowed, and its name as in PyTorch's state_dict, cut to
 * `size` bytes
 * (`name` may be NULL). NULL behind the last one. */
CLG_API clg_tensor *clg_module_buffer(clg_module *m, size_t i, char *name, size_t size);
CLG_API size_t clg_module_numel(clg_module *m); /* of all parameters */
/* requires_grad of every parameter: freezing and thawing. */
CLG_API clg_status clg_module_set_requires_grad(clg_module *m, bool on);
CLG_API void clg_module_zero_grad(clg_module *m);
/* All parameters (or gradients; 0 where there is none) one after the other to and from host floats. Reads block. */
CLG_API clg_status clg_module_read(clg_module *m, float *out);
CLG_API clg_status clg_module_read_grad(clg_module *m, float *out);
CLG_API clg_status clg_module_write(clg_module *m, const float *data);

#ifdef __cplusplus
}
#endif
#endif
