/* Networks of Linear layers. */
#include "networks.h"

#define SLOPE 0.2f
#define EPS   1e-5f

static int64_t with_label(const model_spec *s, int64_t n) { return s->classes ? n + LABEL_NUMBERS : n; }

/* [Linear, LeakyReLU, LayerNorm], three times; writes three blocks. */
static void hidden_blocks(clg_context *ctx, int64_t in, int64_t hidden, clg_module **blocks) {
  for (int i = 0; i < 3; i++)
    blocks[i] =
        clg_sequential_create(ctx,
                              (clg_module *[]){clg_linear_create(ctx, i ? hidden : in, hidden, true, NULL),
                                               clg_activation_create(ctx, (clg_act){"leaky_relu", {SLOPE}}),
                                               clg_layer_norm_create(ctx, hidden, &(clg_norm_options){.eps = EPS})},
                              3);
}

/* [Linear, ReLU], three times. */
static void plain_blocks(clg_context *ctx, int64_t in, int64_t hidden, clg_module **blocks) {
  for (int i = 0; i < 3; i++)
    blocks[i] = clg_sequential_create(ctx,
                                      (clg_module *[]){clg_linear_create(ctx, i ? hidden : in, hidden, true, NULL),
                                                       clg_activation_create(ctx, (clg_act){"relu", {0}})},
                                      2);
}

static clg_module *last_block(clg_context *ctx, int64_t hidden, int64_t out, const char *act) {
  return clg_sequential_create(ctx,
                               (clg_module *[]){clg_linear_create(ctx, hidden, out, true, NULL),
                                                clg_activation_create(ctx, (clg_act){act, {0}})},
                               2);
}

clg_module *mlp_generator(clg_context *ctx, const model_spec *s) {
  clg_module *blocks[4];
  hidden_blocks(ctx, with_label(s, s->nz), s->hidden, blocks);
  blocks[3] = last_block(ctx, s->hidden, model_features(s), "sigmoid");
  return clg_sequential_create(ctx, blocks, 4);
}

clg_module *mlp_discriminator(clg_context *ctx, const model_spec *s) {
  clg_module *blocks[4];
  hidden_blocks(ctx, with_label(s, model_features(s)), s->hidden, blocks);
  blocks[3] = clg_linear_create(ctx, s->hidden, 1, true, NULL);
  return clg_sequential_create(ctx, blocks, 4);
}

clg_module *wgan_generator(clg_context *ctx, const model_spec *s) {
  clg_module *blocks[4];
  plain_blocks(ctx, with_label(s, s->nz), s->hidden, blocks);
  blocks[3] = s->points ? clg_linear_create(ctx, s->hidden, model_features(s), true, NULL)
                        : last_block(ctx, s->hidden, model_features(s), "tanh");
  return clg_sequential_create(ctx, blocks, 4);
}

clg_module *wgan_critic(clg_context *ctx, const model_spec *s) {
  clg_module *blocks[4];
  plain_blocks(ctx, with_label(s, model_features(s)), s->hidden, blocks);
  blocks[3] = clg_linear_create(ctx, s->hidden, 1, true, NULL);
  return clg_sequential_create(ctx, blocks, 4);
}
