/* DCGAN for squares of any power of two from 8: each step of its pyramids halves or doubles the side. */
#include "networks.h"
#include <string.h>

#define SLOPE    0.2f
#define EPS      1e-5f
#define MOMENTUM 0.1f
#define STD      0.02f
/* Blocks for the largest image side. */
#define MOST_BLOCKS 12

/* Kernels of 4: `up` and `down` double and halve the side, else 1x1 meets 4x4. */
static const clg_conv_options halving = {.stride = {2, 2}, .padding = {1, 1}, .dilation = {1, 1}, .groups = 1};

static int sides_between(const model_spec *s) {
  int n = 0;
  for (int64_t side = 4; side < s->height; side *= 2) n++;
  return n;
}

static clg_module *up(clg_context *ctx, int64_t in, int64_t out, bool first) {
  return clg_conv_transpose2d_create(ctx, in, out, 4, 4, false, first ? NULL : &halving);
}

static clg_module *down(clg_context *ctx, int64_t in, int64_t out, bool last) {
  return clg_conv2d_create(ctx, in, out, 4, 4, false, last ? NULL : &halving);
}

static clg_module *norm(clg_context *ctx, int64_t channels) {
  return clg_batch_norm_create(ctx, channels, &(clg_batch_norm_options){.eps = EPS, .momentum = MOMENTUM});
}

static clg_module *act(clg_context *ctx, const char *a) { return clg_activation_create(ctx, (clg_act){a, {SLOPE}}); }

/* The last block: a convolution and what shapes its result. */
static clg_module *ending_block(clg_context *ctx, clg_module *conv, clg_module *shaper) {
  return clg_sequential_create(ctx, (clg_module *[]){conv, shaper}, 2);
}

/* ngf * 2^(n-1) channels at 4x4, ngf at half the side, then the image. */
clg_module *dcgan_generator(clg_context *ctx, const model_spec *s) {
  clg_module *blocks[MOST_BLOCKS];
  int n = sides_between(s);
  int64_t in = s->nz + (s->classes ? LABEL_NUMBERS : 0);
  for (int i = 0; i < n; i++) {
    int64_t out = s->ngf << (n - 1 - i);
    clg_module *conv = up(ctx, in, out, i == 0);
    blocks[i] = clg_sequential_create(ctx, (clg_module *[]){conv, norm(ctx, out), act(ctx, "relu")}, 3);
    in = out;
  }
  blocks[n] = ending_block(ctx, up(ctx, in, s->channels, false), act(ctx, "tanh"));
  return clg_sequential_create(ctx, blocks, (size_t)n + 1);
}

/* ndf channels at half the side, doubled with each halving, to one logit; the first block has no norm. */
clg_module *dcgan_discriminator(clg_context *ctx, const model_spec *s) {
  clg_module *blocks[MOST_BLOCKS];
  int n = sides_between(s);
  int64_t in = s->channels + (s->classes ? 1 : 0);
  for (int i = 0; i < n; i++) {
    int64_t out = s->ndf << i;
    clg_module *conv = down(ctx, in, out, false), *relu = act(ctx, "leaky_relu");
    clg_module *layers[] = {conv, i ? norm(ctx, out) : relu, relu};
    blocks[i] = clg_sequential_create(ctx, layers, i ? 3 : 2);
    in = out;
  }
  blocks[n] = ending_block(ctx, down(ctx, in, 1, true), clg_flatten_create(ctx));
  return clg_sequential_create(ctx, blocks, (size_t)n + 1);
}

clg_status dcgan_initialise(clg_module *m) {
  size_t n;
  clg_tensor *const *params = clg_module_parameters(m, &n);
  clg_status status = params ? CLG_OK : CLG_ERR_STATE;
  for (size_t i = 0; status == CLG_OK && i < n; i++) {
    const char *name = clg_module_parameter_name(m, i);
    size_t length = strlen(name);
    if (clg_tensor_ndim(params[i]) == 4)
      status = clg_randn_(params[i], 0, STD);
    else if (length > 4 && !strcmp(name + length - 4, "bias"))
      status = clg_fill_(params[i], 0);
    else
      status = clg_randn_(params[i], 1, STD);
  }
  return status;
}
