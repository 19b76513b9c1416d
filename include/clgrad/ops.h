/* Ops. Each returns a new tensor that belongs to the innermost open scope, or NULL with the context's error set.
 * Elementwise inputs broadcast as NumPy's do: dimensions are aligned at the end, and 1 stretches. */
#ifndef CLGRAD_OPS_H
#define CLGRAD_OPS_H

#include <clgrad/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- makers of data, float32 but for randint ---- */
/* Undefined elements, for something that overwrites them all. Its bytes are data, and gradient within a backward. */
CLG_API clg_tensor *clg_empty(clg_context *ctx, int ndim, const int64_t *shape);
CLG_API clg_tensor *clg_zeros(clg_context *ctx, int ndim, const int64_t *shape);
CLG_API clg_tensor *clg_ones(clg_context *ctx, int ndim, const int64_t *shape);
CLG_API clg_tensor *clg_full(clg_context *ctx, int ndim, const int64_t *shape, float value);
CLG_API clg_tensor *clg_eye(clg_context *ctx, int64_t rows, int64_t columns); /* 1 on the diagonal, else 0 */
/* start + i*step, worked out in double, for i from 0 on as long as it has not reached stop: ceil((stop - start)/step)
 * elements. A step of 0 or away from stop is an error. Copied from the host unless all are integers of 31 bits times
 * one power of two. */
CLG_API clg_tensor *clg_arange(clg_context *ctx, double start, double stop, double step);
/* As clg_rand_, clg_randn_ (mean 0, deviation 1) and clg_randint_ (int32) would fill them. */
CLG_API clg_tensor *clg_rand(clg_context *ctx, int ndim, const int64_t *shape, float low, float high);
CLG_API clg_tensor *clg_randn(clg_context *ctx, int ndim, const int64_t *shape);
CLG_API clg_tensor *clg_randint(clg_context *ctx, int ndim, const int64_t *shape, int32_t low, int32_t high);

/* ---- elementwise: x (and o) any shapes that broadcast -> y of the broadcast shape. A NaN wins every maximum and
 * minimum, and has its gradient. ---- */
CLG_API clg_tensor *clg_add(clg_tensor *x, clg_tensor *o);     /* x + o */
CLG_API clg_tensor *clg_sub(clg_tensor *x, clg_tensor *o);     /* x - o */
CLG_API clg_tensor *clg_mul(clg_tensor *x, clg_tensor *o);     /* x * o */
CLG_API clg_tensor *clg_div(clg_tensor *x, clg_tensor *o);     /* x / o */
CLG_API clg_tensor *clg_maximum(clg_tensor *x, clg_tensor *o); /* max(x, o); ties share the gradient evenly */
CLG_API clg_tensor *clg_minimum(clg_tensor *x, clg_tensor *o);
CLG_API clg_tensor *clg_add_scalar(clg_tensor *x, float s); /* x + s */
CLG_API clg_tensor *clg_mul_scalar(clg_tensor *x, float s); /* x * s */
CLG_API clg_tensor *clg_pow_scalar(clg_tensor *x, float p); /* x ^ p */
CLG_API clg_tensor *clg_neg(clg_tensor *x);
CLG_API clg_tensor *clg_abs(clg_tensor *x); /* gradient 0 at 0 */
CLG_API clg_tensor *clg_exp(clg_tensor *x);
CLG_API clg_tensor *clg_log(clg_tensor *x);
CLG_API clg_tensor *clg_sqrt(clg_tensor *x);
CLG_API clg_tensor *clg_rsqrt(clg_tensor *x);
CLG_API clg_tensor *clg_square(clg_tensor *x);
CLG_API clg_tensor *clg_sin(clg_tensor *x);
CLG_API clg_tensor *clg_cos(clg_tensor *x);
CLG_API clg_tensor *clg_tanh(clg_tensor *x);
CLG_API clg_tensor *clg_sigmoid(clg_tensor *x);
CLG_API clg_tensor *clg_relu(clg_tensor *x);                    /* gradient 0 at 0 */
CLG_API clg_tensor *clg_leaky_relu(clg_tensor *x, float slope); /* x > 0 ? x : slope*x; gradient `slope` at 0 */
CLG_API clg_tensor *clg_gelu(clg_tensor *x);                    /* 0.5*x*(1 + erf(x/sqrt 2)) */
CLG_API clg_tensor *clg_silu(clg_tensor *x);                    /* x*sigmoid(x) */
CLG_API clg_tensor *clg_mish(clg_tensor *x);                    /* x*tanh(log(1 + exp(x))) */
CLG_API clg_tensor *clg_softplus(clg_tensor *x, float beta, float threshold); /* log(1 + exp(beta*x))/beta; x where
                                                                                   beta*x > threshold */
/* min(max(x, low), high); passes the gradient at its bounds. NaN everywhere if a bound is NaN. */
CLG_API clg_tensor *clg_clamp(clg_tensor *x, float low, float high);
CLG_API clg_tensor *clg_clamp_min(clg_tensor *x, float low);
CLG_API clg_tensor *clg_clamp_max(clg_tensor *x, float high);
CLG_API clg_tensor *clg_log1p(clg_tensor *x); /* log(1 + x) */
CLG_API clg_tensor *clg_expm1(clg_tensor *x); /* exp(x) - 1 */
CLG_API clg_tensor *clg_erf(clg_tensor *x);
CLG_API clg_tensor *clg_reciprocal(clg_tensor *x);             /* 1 / x */
CLG_API clg_tensor *clg_sign(clg_tensor *x);                   /* -1, 0 or 1; gradient 0 */
CLG_API clg_tensor *clg_floor(clg_tensor *x);                  /* gradient 0 */
CLG_API clg_tensor *clg_gelu_tanh(clg_tensor *x);              /* 0.5*x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x^3))) */
CLG_API clg_tensor *clg_elu(clg_tensor *x, float alpha);       /* x > 0 ? x : alpha*(exp(x) - 1) */
CLG_API clg_tensor *clg_pow(clg_tensor *x, clg_tensor *o);     /* x ^ o */
CLG_API clg_tensor *clg_scalar_pow(float base, clg_tensor *x); /* base ^ x */
CLG_API clg_tensor *clg_where(clg_tensor *c, clg_tensor *x, clg_tensor *o); /* c != 0 ? x : o; no gradient to c */
/* 1 where it holds, else 0, in float32, as clg_where takes its condition; no gradient. NaN equals nothing, itself
 * included, and is neither less nor more. */
CLG_API clg_tensor *clg_eq(clg_tensor *x, clg_tensor *o);
CLG_API clg_tensor *clg_ne(clg_tensor *x, clg_tensor *o);
CLG_API clg_tensor *clg_lt(clg_tensor *x, clg_tensor *o); /* x < o */
CLG_API clg_tensor *clg_le(clg_tensor *x, clg_tensor *o);
CLG_API clg_tensor *clg_gt(clg_tensor *x, clg_tensor *o); /* x > o */
CLG_API clg_tensor *clg_ge(clg_tensor *x, clg_tensor *o);
/* The same of what is not 0, NaN included. */
CLG_API clg_tensor *clg_logical_and(clg_tensor *x, clg_tensor *o);
CLG_API clg_tensor *clg_logical_or(clg_tensor *x, clg_tensor *o);
CLG_API clg_tensor *clg_logical_xor(clg_tensor *x, clg_tensor *o);
CLG_API clg_tensor *clg_logical_not(clg_tensor *x);
/* Training: each element is 0 with probability p, else x/(1 - p), by the context's stream of random numbers; backward
 * draws the same numbers again instead of keeping a mask. Otherwise x itself. p outside [0,1] is an error. */
CLG_API clg_tensor *clg_dropout(clg_tensor *x, float p, bool training);

/* Your own formula as one differentiable kernel, e.g. clg_map(ctx, "x*sigmoid(k*x)", in, 2) with
 * in = {{"x", x, 0}, {"k", NULL, 1.702f}}: a name is a tensor, or a number when the tensor is NULL.
 * Grammar: numbers, names, + - * /, unary -, < <= > >= == != inside c ? a : b, and
 * exp exp2 expm1 log log2 log1p sqrt rsqrt tanh sigmoid softplus erf erfc sin cos pow(a,b) abs sign min(a,b) max(a,b)
 * floor.
 * At most 8 tensors and 12 numbers. CLG_ERR_PARSE names the column.
 * The formula is computed as written, in float: what has only numbers is worked out beforehand, in double, and what
 * does nothing is left out where that holds for every float, infinite and NaN too, up to the sign of a zero (x + 0 is
 * x; 0*x and 0/x are NaN where they should be), and log(1 + exp(x)) and log1p(exp(x)) are softplus(x), which does not
 * overflow. A branch of c ? a : b that is not taken adds nothing to a gradient,
 * whatever it would be. */
typedef struct clg_map_input {
  const char *name;
  clg_tensor *tensor;
  float value;
} clg_map_input;
CLG_API clg_tensor *clg_map(clg_context *ctx, const char *formula, const clg_map_input *inputs, size_t n);
/* In place: x becomes the formula of itself (named "x") and the inputs, which broadcast to it. Not recorded: refused on
 * a leaf that requires grad outside no-grad, and in grad mode if x or an input has a graph. */
CLG_API clg_status clg_map_(clg_tensor *x, const char *formula, const clg_map_input *inputs, size_t n);

/* ---- reductions over dims[0..n): n = 0 means all; keepdim leaves size 1 ---- */
CLG_API clg_tensor *clg_sum(clg_tensor *x, const int *dims, int n, bool keepdim);
CLG_API clg_tensor *clg_mean(clg_tensor *x, const int *dims, int n, bool keepdim); /* of no elements NaN */
CLG_API clg_tensor *clg_amax(clg_tensor *x, const int *dims, int n, bool keepdim); /* ties share the gradient evenly */
CLG_API clg_tensor *clg_amin(clg_tensor *x, const int *dims, int n, bool keepdim);
/* mean((x - mean(x))^2), times n/(n - 1) if unbiased (Bessel) */
CLG_API clg_tensor *clg_var(clg_tensor *x, const int *dims, int n, bool unbiased, bool keepdim);
/* The square root of that, also where that is out of a float's range. The gradient of a deviation that is 0 is 0. */
CLG_API clg_tensor *clg_std(clg_tensor *x, const int *dims, int n, bool unbiased, bool keepdim);
/* log(sum(exp(x))), from the maximum, so that nothing overflows: -inf of no elements or of nothing but -inf, inf if
 * there is one. The gradient exp(x - y) is NaN where both are the same infinity, as PyTorch's is. */
CLG_API clg_tensor *clg_logsumexp(clg_tensor *x, const int *dims, int n, bool keepdim);
/* sum(|x|^p)^(1/p), p > 0; max |x| for p = INFINITY. Finite wherever a float holds it, also where |x|^p is not. The
 * gradient of a norm that is 0 is 0, and of one that is NaN, NaN. */
CLG_API clg_tensor *clg_norm(clg_tensor *x, float p, const int *dims, int n, bool keepdim);
/* Along one dimension, with the first position of each maximum or minimum, int32, in *indices (an op result too; NULL:
 * not wanted). The gradient goes to that position alone. NaN wins. */
CLG_API clg_tensor *clg_max(clg_tensor *x, int dim, bool keepdim, clg_tensor **indices);
CLG_API clg_tensor *clg_min(clg_tensor *x, int dim, bool keepdim, clg_tensor **indices);
CLG_API clg_tensor *clg_argmax(clg_tensor *x, int dim, bool keepdim); /* int32; no gradient */
CLG_API clg_tensor *clg_argmin(clg_tensor *x, int dim, bool keepdim);
/* exp(x)/sum(exp(x)) along `dim`, and its logarithm; both shifted by the maximum, so that nothing overflows */
CLG_API clg_tensor *clg_softmax(clg_tensor *x, int dim);
CLG_API clg_tensor *clg_log_softmax(clg_tensor *x, int dim);

/* ---- indices: int32, counted from 0. One out of range is an error where that is known without waiting for the device,
 * which is so for a whole tensor made by clg_tensor_create_i32 and not changed since; elsewhere it reads as zero and
 * adds nothing to a gradient. Gradients are summed in the order of the indices: the same bits each time. ---- */
/* y[i,j,k] = x[i, index[i,j,k], k] for dim = 1, and so on: index has x's dimensions, none but `dim` larger -> index's
 * shape. The gradient costs x's elements times index's size along `dim`. */
CLG_API clg_tensor *clg_gather(clg_tensor *x, int dim, clg_tensor *index);
/* x [..,n,..], float32 or int32, index [M] -> [..,M,..]. The gradient costs M times the less of M and n, in
 * comparisons. */
CLG_API clg_tensor *clg_index_select(clg_tensor *x, int dim, clg_tensor *index);
/* weight [V,D], index [..] -> [..,D]: rows. Row padding_idx (-1: none) gets no gradient. */
CLG_API clg_tensor *clg_embedding(clg_tensor *weight, clg_tensor *index, int padding_idx);
CLG_API clg_tensor *clg_to_float(clg_tensor *x); /* int32 -> float32, exact up to 2^24 */
/* float32 -> int32, towards 0: the nearest integer where it would leave the range, and 0 for NaN. No gradient. */
CLG_API clg_tensor *clg_to_int(clg_tensor *x);
/* label [..] -> float32 [..,classes]: 1 at each label, else 0; a label out of range has no 1. No gradient. */
CLG_API clg_tensor *clg_one_hot(clg_tensor *label, int64_t classes);

/* ---- views: share the storage; nothing is copied ---- */
CLG_API clg_tensor *clg_reshape(clg_tensor *x, int ndim,
                                const int64_t *shape); /* one -1 is inferred; copies if it must */
CLG_API clg_tensor *clg_transpose(clg_tensor *x, int dim0, int dim1);
CLG_API clg_tensor *clg_permute(clg_tensor *x, const int *dims, int n); /* a permutation of 0..ndim-1, n = ndim */
CLG_API clg_tensor *clg_narrow(clg_tensor *x, int dim, int64_t start, int64_t length);
/* x[.., start:stop:step, ..] as in Python: negative positions count from the end, both are clamped; step >= 1 */
CLG_API clg_tensor *clg_slice(clg_tensor *x, int dim, int64_t start, int64_t stop, int64_t step);
/* x as its parts along `dim`, in order: of `size` (the last one may be smaller); as many as `chunks`, of one size but
 * for the last, or fewer where that does not come out (torch.chunk); every element on its own, without the dimension.
 * Parts go to out[0..max), which must hold them all (CLG_ERR_ARGUMENT). Returns how many there are, -1 on error.
 * Gradients of parts, slices and narrowed views of one tensor are added up in one buffer. */
CLG_API int clg_split(clg_tensor *x, int dim, int64_t size, clg_tensor **out, size_t max);
CLG_API int clg_chunk(clg_tensor *x, int dim, int64_t chunks, clg_tensor **out, size_t max);
CLG_API int clg_unbind(clg_tensor *x, int dim, clg_tensor **out, size_t max);
CLG_API clg_tensor *clg_expand(clg_tensor *x, int ndim, const int64_t *shape); /* broadcast view; -1 keeps a size */
CLG_API clg_tensor *clg_pad(clg_tensor *x, int dim, int64_t before, int64_t after,
                            float value); /* copies; one dimension */
/* Copies, x float32 or int32: in reverse along dims[0..n) (n = 0: along none, a plain copy); shifted by shifts[i]
 * towards the end of dims[i], around it, and n = 0 by shifts[0] over all elements in order; x [..,R,C] where its
 * columns minus its rows are at most (tril) or at least (triu) `diagonal`, else 0. */
CLG_API clg_tensor *clg_flip(clg_tensor *x, const int *dims, int n);
CLG_API clg_tensor *clg_roll(clg_tensor *x, const int64_t *shifts, const int *dims, int n);
CLG_API clg_tensor *clg_tril(clg_tensor *x, int64_t diagonal);
CLG_API clg_tensor *clg_triu(clg_tensor *x, int64_t diagonal);
CLG_API clg_tensor *clg_contiguous(clg_tensor *x); /* x itself (a new handle) if it already is, else a copy */

/* ---- joining: copies ---- */
/* n >= 1 tensors of one dtype, float32 or int32, whose shapes agree but for `dim`, one behind the other along it */
CLG_API clg_tensor *clg_cat(clg_tensor *const *tensors, size_t n, int dim);
/* n >= 1 tensors of one shape [..] along a new dimension `dim` of the result [..,n,..] */
CLG_API clg_tensor *clg_stack(clg_tensor *const *tensors, size_t n, int dim);

/* ---- activations: of a layer's or an op's result, by the name of an op over one tensor as above ("relu",
 * "leaky_relu", "elu", "mish", ..), or as a formula of x in clg_map's grammar, whose other names are numbers. `numbers`
 * are the op's, or the formula's in the order in which they first appear:
 *   {"gelu", {0}}  {"leaky_relu", {0.2f}}  {"softplus", {1, 20}}  {"x*sigmoid(k*x)", {1.702f}}
 * NULL: none. The text is borrowed; a layer keeps a copy. CLG_ERR_ARGUMENT: there is no such op, or there are more
 * numbers; CLG_ERR_PARSE as clg_map has it. ---- */
typedef struct clg_act {
  const char *formula;
  float numbers[2];
} clg_act;
/* As an op of its own. Behind another (`act` in its options) it runs in that one's kernels where its gradient can be
 * had from its result, as of relu, leaky_relu of a positive slope, tanh, sigmoid, and behind batch norm always: bit for
 * bit what the two ops give one after the other. */
CLG_API clg_tensor *clg_activate(clg_tensor *x, clg_act act);

/* ---- products ---- */
/* a [M,K], b [K,N] -> [M,N]; views may be transposed. More dimensions in front are batches, which broadcast: a
 * [..,M,K], b [..,K,N] -> [..,M,N]. A vector is a row on the left and a column on the right; that dimension is left out
 * of the result (torch.matmul). The gradient of what broadcasts may take copies of the gradient and the other operand
 * as workspace. */
CLG_API clg_tensor *clg_matmul(clg_tensor *a, clg_tensor *b);
/* y = act(x w^T + b): x [..,K], w [N,K], b [N] or NULL -> [..,N] (torch.nn.functional.linear) */
typedef struct clg_linear_options {
  clg_act act;
} clg_linear_options;
CLG_API clg_linear_options clg_linear_defaults(void);
CLG_API clg_tensor *clg_linear(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_linear_options *options);

/* ---- convolutions over images [N,C,H,W] (torch.nn.functional; cross-correlations). [0] is the height's, [1] the
 * width's ---- */
typedef struct clg_conv_options {
  int stride[2], padding[2];
  int output_padding[2]; /* conv_transpose2d alone: rows and columns more at the end; less than the stride or the
                            dilation */
  int dilation[2];
  int groups;  /* divides both numbers of channels; output channels see the input channels of their group */
  clg_act act; /* behind the bias */
} clg_conv_options;
CLG_API clg_conv_options clg_conv_defaults(void);
/* y[n,o,q] = b[o] + sum over c and k of x[n,c, q*stride - padding + k*dilation] w[o,c,k]; zero outside of x.
 * x [N,C,H,W], w [O,C/groups,kh,kw], b [O] or NULL -> [N,O,OH,OW], OH = (H + 2 padding - dilation (kh - 1) - 1)/stride
 * + 1 rounded down. `options` NULL: the defaults. */
CLG_API clg_tensor *clg_conv2d(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_conv_options *options);
/* The map whose matrix is conv2d's transposed: y[n,o,i] = b[o] + sum over c, q, k with q*stride - padding + k*dilation
 * = i of x[n,c,q] w[c,o,k]. x [N,C,H,W], w [C,O/groups,kh,kw], b [O] or NULL -> [N,O,OH,OW], OH = (H - 1) stride - 2
 * padding + dilation (kh - 1) + output_padding + 1. */
CLG_API clg_tensor *clg_conv_transpose2d(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_conv_options *options);

/* ---- normalisation ---- */
typedef struct clg_norm_options {
  float eps;
  clg_act act;
} clg_norm_options;
CLG_API clg_norm_options clg_norm_defaults(void); /* 1e-5, none */
/* act((x - mean)/sqrt(var + eps)*gamma + beta) over the last dimension: x [..,N], gamma and beta [N] or NULL -> [..,N]
 * (Ba et al. 2016; biased variance, as PyTorch) */
CLG_API clg_tensor *clg_layer_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, const clg_norm_options *options);
/* x [N,C,..]: over each of `groups` groups of channels (C divides by it) and all that follows, then times gamma [C] or
 * NULL plus beta [C] or NULL, then act (Wu and He 2018; biased variance) */
CLG_API clg_tensor *clg_group_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, int groups,
                                   const clg_norm_options *options);
/* group_norm with a group a channel: x [N,C,..] with at least one more dimension (Ulyanov et al. 2016) */
CLG_API clg_tensor *clg_instance_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta,
                                      const clg_norm_options *options);

/* Where the shards of a batch, of one size, put their statistics together, wherever each runs (clg_strand,
 * clgrad/mpi.h): each tells its own to all, and then every one computes with those of the whole batch, from the same
 * numbers in the same order, so that results do not depend on where shards run. */
typedef struct clg_meeting {
  /* Given `mine`, what this shard tells (contiguous, borrowed), returns what all told, one behind the other in their
   * order: contiguous, a new reference; NULL on error. All shards call it equally often. NULL: nobody meets. */
  clg_tensor *(*gather)(void *user, clg_tensor *mine);
  void *user; /* lives as long as graphs that were recorded with it */
  size_t shards;
} clg_meeting;
/* x [N,C,..] -> the same, a channel c at a time:  act((x - mean)/sqrt(var + eps)*gamma + beta), gamma and beta [C] or
 * NULL (Ioffe and Szegedy 2015). Training: mean and biased variance over all but C, which needs more than one value a
 * channel; the running statistics [C], if given, change in place, running = (1 - momentum)*running + momentum*batch's
 * (the unbiased variance), but not when a checkpointed segment runs again. Evaluation: the running statistics, without
 * a gradient to them. With a meeting x is a shard, and the statistics (and the sums of gradients that backward makes of
 * them) are those of the batch: shards meet once in forward and once in backward, in training; no create_graph. */
typedef struct clg_batch_norm_options {
  clg_tensor *running_mean, *running_var; /* both or none */
  bool training;
  float momentum, eps;
  clg_act act;
  const clg_meeting *meeting; /* copied; NULL: x is the batch */
} clg_batch_norm_options;
CLG_API clg_batch_norm_options clg_batch_norm_defaults(void); /* training, 0.1, 1e-5, none */
CLG_API clg_tensor *clg_batch_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta,
                                   const clg_batch_norm_options *options);
/* ---- losses of x against targets: by the options the mean over all elements, zero-dimensional, their sum, or each.
 * Targets have the shape of x, but for labels: [N,1] against [N] is an error, not N*N pairs. ---- */
typedef enum clg_reduction { CLG_REDUCTION_MEAN, CLG_REDUCTION_SUM, CLG_REDUCTION_NONE } clg_reduction;
/* What a loss does not have stays at its default. */
typedef struct clg_loss_options {
  clg_reduction reduction;
  clg_tensor *weight;     /* times each element's loss, broadcast to x */
  clg_tensor *pos_weight; /* bce_with_logits_loss: times the loss of t = 1, broadcast to x */
  float label_smoothing;  /* cross_entropy_loss */
  int ignore_index;       /* cross_entropy_loss */
} clg_loss_options;
CLG_API clg_loss_options clg_loss_defaults(void); /* the mean, no weights, no smoothing, -100 */
CLG_API clg_tensor *clg_mse_loss(clg_tensor *x, clg_tensor *t, const clg_loss_options *options); /* (x - t)^2 */
CLG_API clg_tensor *clg_l1_loss(clg_tensor *x, clg_tensor *t,
                                const clg_loss_options *options); /* |x - t|; gradient 0 at 0 */
/* max(x,0) - x*t + log(1 + exp(-|x|)): x logits, t targets in [0,1] */
CLG_API clg_tensor *clg_bce_with_logits_loss(clg_tensor *x, clg_tensor *t, const clg_loss_options *options);
/* -(t*log(x) + (1 - t)*log(1 - x)), x in [0,1]; logarithms are clamped at -100, and the gradient's denominator x*(1 -
 * x) at 1e-12 */
CLG_API clg_tensor *clg_bce_loss(clg_tensor *x, clg_tensor *t, const clg_loss_options *options);
/* x [N,C,..] or [C], logits. target int32 [N,..]: the class of each; or float32 of x's shape: the probability of each
 * class. -sum_c t_c*weight_c*log_softmax(x)_c,   t one-hot or target, times 1 - label_smoothing, plus label_smoothing/C
 * weight [C]. A class of ignore_index counts nothing, nor does one of probability or weight 0, even at a logit of -inf;
 * the mean is over the weights of the labels, or over N and what follows C for probabilities. (A label that is neither
 * a class nor between the classes and ignore_index is an error where that is known.) */
CLG_API clg_tensor *clg_cross_entropy_loss(clg_tensor *x, clg_tensor *target, const clg_loss_options *options);

/* ---- images ---- */
/* Over windows of kh x kw of x [..,H,W] -> [..,H',W'], H' = (H + 2*padding - dilation*(kh - 1) - 1)/stride + 1, rounded
 * down, or up with ceil_mode (a window must begin in x or its padding in front). Pairs are rows and columns; padding is
 * at most half the kernel. */
typedef struct clg_pool_options {
  int stride[2]; /* 0: the kernel's size */
  int padding[2];
  int dilation[2]; /* of a maximum */
  bool ceil_mode;
  bool count_include_pad; /* an average divides by the elements of the padding too, not by those of x alone */
} clg_pool_options;
CLG_API clg_pool_options clg_pool_defaults(void); /* 0, 0, 1, false, true */
CLG_API clg_tensor *clg_max_pool2d(clg_tensor *x, int64_t kh, int64_t kw,
                                   const clg_pool_options *options); /* the gradient goes to the first maximum */
CLG_API clg_tensor *clg_avg_pool2d(clg_tensor *x, int64_t kh, int64_t kw, const clg_pool_options *options);
/* x [..,H,W] -> [..,H*scale_h,W*scale_w], each element repeated (nearest neighbour) */
CLG_API clg_tensor *clg_upsample(clg_tensor *x, int scale_h, int scale_w);

#ifdef __cplusplus
}
#endif
#endif
