/* The model "mlp": three hidden layers of 256 on either side, AdamW at 1e-3. */
#include "model.h"
#include <string.h>

#define HIDDEN 256
#define SLOPE 0.2f
#define EPS 1e-5f

/* [Linear, LeakyReLU, LayerNorm], three times; writes nine layers. */
static void hidden_layers(clg_context *ctx, int64_t in, clg_module **layers) {
  for (int i = 0; i < 3; i++) {
    *layers++ = clg_linear_create(ctx, i ? HIDDEN : in, HIDDEN, true);
    *layers++ = clg_activation_create(ctx, CLG_ACT_LEAKY_RELU, SLOPE);
    *layers++ = clg_layer_norm_create(ctx, HIDDEN, EPS);
  }
}

/* z [N,latent] -> [N,features] in (0,1) */
static clg_module *generator(clg_context *ctx, int64_t features) {
  clg_module *layers[11];
  hidden_layers(ctx, MODEL_LATENT, layers);
  layers[9] = clg_linear_create(ctx, HIDDEN, features, true);
  layers[10] = clg_activation_create(ctx, CLG_ACT_SIGMOID, 0);
  return clg_sequential_create(ctx, layers, 11);
}

/* x [N,...] -> a logit [N,1] */
static clg_module *discriminator(clg_context *ctx, int64_t features) {
  clg_module *layers[11];
  layers[0] = clg_flatten_create(ctx);
  hidden_layers(ctx, features, layers + 1);
  layers[10] = clg_linear_create(ctx, HIDDEN, 1, true);
  return clg_sequential_create(ctx, layers, 11);
}

bool gan_make(gan *m, clg_context *ctx, int64_t batch, int64_t features, uint64_t seed) {
  *m = (gan){.ctx = ctx, .batch = batch, .features = features};
  clg_set_phase(ctx, "setup");
  clg_seed(ctx, seed, 0);
  m->g = generator(ctx, features);
  m->d = discriminator(ctx, features);
  size_t n;
  if (!m->g || !m->d || !clg_module_parameters(m->g, &n) || !clg_module_parameters(m->d, &n)) return false;
  clg_optim_options adamw = clg_optim_defaults(CLG_ADAMW);
  m->opt_g = clg_optim_create_for(m->g, &adamw);
  m->opt_d = clg_optim_create_for(m->d, &adamw);
  int64_t shape[] = {batch, 1};
  m->ones = clg_full(ctx, 2, shape, 1);
  m->zeros = clg_full(ctx, 2, shape, 0);
  return m->opt_g && m->opt_d && m->ones && m->zeros;
}

void gan_free(gan *m) {
  clg_tensor_unref(&m->err_fake);
  clg_tensor_unref(&m->ones);
  clg_tensor_unref(&m->zeros);
  clg_optim_unref(&m->opt_g);
  clg_optim_unref(&m->opt_d);
  clg_module_unref(&m->g);
  clg_module_unref(&m->d);
}

/* In chunks of a training batch, so that samples never need more memory than a step. */
static clg_status sample_chunks(gan *m, int64_t n, float *out) {
  for (int64_t done = 0; done < n;) {
    int64_t rows = n - done < m->batch ? n - done : m->batch;
    clg_scope *scope = clg_scope_open(m->ctx);
    clg_tensor *fake = clg_forward(m->g, clg_randn(m->ctx, 2, (int64_t[]){rows, MODEL_LATENT}));
    clg_status status = fake ? clg_tensor_read(fake, out + done * m->features) : clg_last_status(m->ctx);
    clg_status closed = clg_scope_close(scope);
    if (status != CLG_OK || closed != CLG_OK) return status != CLG_OK ? status : closed;
    done += rows;
  }
  return CLG_OK;
}

clg_status gan_sample(gan *m, uint64_t noise_seed, int64_t n, float *out) {
  clg_set_phase(m->ctx, "samples");
  bool before = clg_set_grad_mode(m->ctx, false);
  clg_module_train(m->g, false);
  clg_seed(m->ctx, noise_seed, 0);
  clg_status status = sample_chunks(m, n, out);
  clg_module_train(m->g, true);
  clg_set_grad_mode(m->ctx, before);
  return status;
}

size_t gan_numel(gan *m) { return clg_module_numel(m->g) + clg_module_numel(m->d); }

clg_status gan_read(gan *m, float *out) {
  clg_status status = clg_module_read(m->g, out);
  return status ? status : clg_module_read(m->d, out + clg_module_numel(m->g));
}
