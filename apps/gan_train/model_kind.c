/* Names and defaults of the models. */
#include "model_kind.h"
#include <string.h>

#define RING_STEPS 1000

static const struct {
  const char *name, *summary;
  float low, point_scale;
  int nz, batch, critic_steps, compare_steps;
} rows[MODEL_COUNT] = {
    [MODEL_MLP] = {"mlp", "three hidden layers of 256 on either side, AdamW 1e-3 (0.5, 0.999)", 0, 1, 128, 128, 1,
                   1000},
    [MODEL_DCGAN] = {"dcgan", "convolutions with batch norm, Adam 2e-4 (0.5, 0.999)", -1, 1, 100, 128, 1, 200},
    [MODEL_WGAN_GP] = {"wgan_gp", "a critic with gradient penalty, Adam 5e-4 (0, 0.9)", -1, 10, 128, 128, 5, 200},
};

const char *model_name(model_kind kind) { return rows[kind].name; }
const char *model_summary(model_kind kind) { return rows[kind].summary; }
float model_low(model_kind kind) { return rows[kind].low; }
float model_point_scale(model_kind kind) { return rows[kind].point_scale; }
int model_default_nz(model_kind kind, bool is_ring) { return is_ring && kind == MODEL_WGAN_GP ? 2 : rows[kind].nz; }
int model_default_lambda(void) { return 10; }
int model_default_batch(model_kind kind) { return rows[kind].batch; }
int model_default_critic_steps(model_kind kind) { return rows[kind].critic_steps; }
int model_compare_steps(model_kind kind, bool is_ring) { return is_ring ? RING_STEPS : rows[kind].compare_steps; }

model_kind model_default(bool is_ring) { return is_ring ? MODEL_WGAN_GP : MODEL_MLP; }

model_kind model_find(const char *name) {
  int k = 0;
  while (k < MODEL_COUNT && strcmp(rows[k].name, name)) k++;
  return (model_kind)k;
}
