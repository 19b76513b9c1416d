/* Ops. Each returns a new tensor that belongs to the innermost open scope, or NULL with the context's error set.
 * Elementwise inputs broadcast as NumPy's do: dimensions are aligned at the end, and 1 stretches. */
#ifndef CLGRAD_OPS_H
#define CLGRAD_OPS_H

#include <clgrad/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- elementwise: x (and o) any shapes that broadcast -> y of the broadcast shape ---- */
CLG_API clg_tensor *clg_add(clg_tensor *x, clg_tensor *o);   /* x + o */
CLG_API clg_tensor *clg_sub(clg_tensor *x, clg_tensor *o);   /* x - o */
CLG_API clg_tensor *clg_mul(clg_tensor *x, clg_tensor *o);   /* x * o */
CLG_API clg_tensor *clg_div(clg_tensor *x, clg_tensor *o);   /* x / o */
CLG_API clg_tensor *clg_maximum(clg_tensor *x, clg_tensor *o); /* max(x, o); ties share the gradient evenly */
CLG_API clg_tensor *clg_minimum(clg_tensor *x, clg_tensor *o);
CLG_API clg_tensor *clg_add_scalar(clg_tensor *x, float s);  /* x + s */
CLG_API clg_tensor *clg_mul_scalar(clg_tensor *x, float s);  /* x * s */
CLG_API clg_tensor *clg_pow_scalar(clg_tensor *x, float p);  /* x ^ p */
CLG_API clg_tensor *clg_neg(clg_tensor *x);
CLG_API clg_tensor *clg_abs(clg_tensor *x);     /* gradient 0 at 0 */
CLG_API clg_tensor *clg_exp(clg_tensor *x);
CLG_API clg_tensor *clg_log(clg_tensor *x);
CLG_API clg_tensor *clg_sqrt(clg_tensor *x);
CLG_API clg_tensor *clg_rsqrt(clg_tensor *x);
CLG_API clg_tensor *clg_square(clg_tensor *x);
CLG_API clg_tensor *clg_sin(clg_tensor *x);
CLG_API clg_tensor *clg_cos(clg_tensor *x);
CLG_API clg_tensor *clg_tanh(clg_tensor *x);
CLG_API clg_tensor *clg_sigmoid(clg_tensor *x);
CLG_API clg_tensor *clg_relu(clg_tensor *x);    /* gradient 0 at 0 */
CLG_API clg_tensor *clg_leaky_relu(clg_tensor *x, float slope); /* x > 0 ? x : slope*x; gradient `slope` at 0 */
CLG_API clg_tensor *clg_gelu(clg_tensor *x);    /* 0.5*x*(1 + erf(x/sqrt 2)) */
CLG_API clg_tensor *clg_silu(clg_tensor *x);    /* x*sigmoid(x) */
CLG_API clg_tensor *clg_softplus(clg_tensor *x, float beta, float threshold); /* log(1 + exp(beta*x))/beta; x where
                                                                                   beta*x > threshold */
CLG_API clg_tensor *clg_clamp(clg_tensor *x, float low, float high); /* passes the gradient at its bounds */

/* Your own formula as one differentiable kernel, e.g. clg_map(ctx, "x*sigmoid(k*x)", in, 2) with
 * in = {{"x", x, 0}, {"k", NULL, 1.702f}}: a name is a tensor, or a number when the tensor is NULL.
 * Grammar: numbers, names, + - * /, unary -, < <= > >= == != inside c ? a : b, and
 * exp log log1p expm1 sqrt rsqrt tanh sigmoid erf sin cos pow(a,b) abs sign min(a,b) max(a,b) floor.
 * At most 8 tensors and 12 numbers. CLG_ERR_PARSE names the column. */
typedef struct clg_map_input {
  const char *name;
  clg_tensor *tensor;
  float value;
} clg_map_input;
CLG_API clg_tensor *clg_map(clg_context *ctx, const char *formula, const clg_map_input *inputs, size_t n);
/* In place: x becomes the formula of itself (named "x") and the inputs, which broadcast to it. Not recorded: refused on a
 * leaf that requires grad outside no-grad, and in grad mode if x or an input has a graph. */
CLG_API clg_status clg_map_(clg_tensor *x, const char *formula, const clg_map_input *inputs, size_t n);

/* ---- reductions over dims[0..n): n = 0 means all; keepdim leaves size 1 ---- */
CLG_API clg_tensor *clg_sum(clg_tensor *x, const int *dims, int n, bool keepdim);
CLG_API clg_tensor *clg_mean(clg_tensor *x, const int *dims, int n, bool keepdim);
CLG_API clg_tensor *clg_amax(clg_tensor *x, const int *dims, int n, bool keepdim); /* ties share the gradient evenly */

/* ---- views: share the storage; nothing is copied ---- */
CLG_API clg_tensor *clg_reshape(clg_tensor *x, int ndim, const int64_t *shape); /* one -1 is inferred; copies if it must */
CLG_API clg_tensor *clg_transpose(clg_tensor *x, int dim0, int dim1);
CLG_API clg_tensor *clg_permute(clg_tensor *x, const int *order); /* a permutation of 0..ndim-1 */
CLG_API clg_tensor *clg_narrow(clg_tensor *x, int dim, int64_t start, int64_t length);
CLG_API clg_tensor *clg_expand(clg_tensor *x, int ndim, const int64_t *shape); /* broadcast view; -1 keeps a size */
CLG_API clg_tensor *clg_pad(clg_tensor *x, int dim, int64_t before, int64_t after, float value); /* copies; one dimension */
CLG_API clg_tensor *clg_contiguous(clg_tensor *x); /* x itself (a new handle) if it already is, else a copy */

/* ---- products ---- */
typedef enum clg_activation {
  CLG_ACT_NONE,
  CLG_ACT_RELU,
  CLG_ACT_LEAKY_RELU,
  CLG_ACT_TANH,
  CLG_ACT_SIGMOID
} clg_activation;
CLG_API clg_tensor *clg_matmul(clg_tensor *a, clg_tensor *b); /* a [M,K], b [K,N] -> [M,N]; views may be transposed */
/* y = x w^T + b: x [..,K], w [N,K], b [N] or NULL -> [..,N] (torch.nn.functional.linear) */
CLG_API clg_tensor *clg_linear(clg_tensor *x, clg_tensor *w, clg_tensor *b);
/* act(x w^T + b) in one kernel; `slope` is leaky ReLU's. Bit for bit what the two ops give one after the other. */
CLG_API clg_tensor *clg_linear_act(clg_tensor *x, clg_tensor *w, clg_tensor *b, clg_activation act, float slope);

/* ---- convolutions over images [N,C,H,W] (torch.nn.functional; cross-correlations). [0] is the height's, [1] the width's ---- */
typedef struct clg_conv_options {
  int stride[2], padding[2];
  int output_padding[2]; /* conv_transpose2d alone: rows and columns more at the end; less than the stride or the dilation */
  int dilation[2];
  int groups;            /* divides both numbers of channels; output channels see the input channels of their group */
} clg_conv_options;
#define CLG_CONV_OPTIONS_INIT {{1, 1}, {0, 0}, {0, 0}, {1, 1}, 1}
/* y[n,o,q] = b[o] + sum over c and k of x[n,c, q*stride - padding + k*dilation] w[o,c,k]; zero outside of x.
 * x [N,C,H,W], w [O,C/groups,kh,kw], b [O] or NULL -> [N,O,OH,OW], OH = (H + 2 padding - dilation (kh - 1) - 1)/stride + 1 rounded
 * down. `options` NULL: the defaults. */
CLG_API clg_tensor *clg_conv2d(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_conv_options *options);
/* The map whose matrix is conv2d's transposed: y[n,o,i] = b[o] + sum over c, q, k with q*stride - padding + k*dilation = i of
 * x[n,c,q] w[c,o,k]. x [N,C,H,W], w [C,O/groups,kh,kw], b [O] or NULL -> [N,O,OH,OW],
 * OH = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1. */
CLG_API clg_tensor *clg_conv_transpose2d(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_conv_options *options);

/* ---- normalisation ---- */
/* (x - mean)/sqrt(var + eps)*gamma + beta over the last dimension: x [..,N], gamma and beta [N] or NULL -> [..,N]
 * (Ba et al. 2016; biased variance, as PyTorch) */
CLG_API clg_tensor *clg_layer_norm(clg_tensor *x, clg_tensor *gamma, clg_tensor *beta, float eps);

/* ---- losses: the mean over all elements, zero-dimensional ---- */
/* max(x,0) - x*t + log(1 + exp(-|x|)): x logits, t targets in [0,1], same shape or broadcast */
CLG_API clg_tensor *clg_bce_with_logits(clg_tensor *x, clg_tensor *t);
CLG_API clg_tensor *clg_mse_loss(clg_tensor *x, clg_tensor *t); /* (x - t)^2 */

#ifdef __cplusplus
}
#endif
#endif
