/* Every layer as a row like those of the op table, but without a definition: test_views.c compares its layouts with
 * each other. */
#ifndef CLG_TESTS_LAYER_ROWS_H
#define CLG_TESTS_LAYER_ROWS_H

#include "op_run.h"

static inline clg_tensor *through(clg_module *m, clg_tensor *x) {
  float v[128];
  for (int i = 0; i < 128; i++) v[i] = 0.5f + 0.25f * sinf((float)(i * i));
  ck_assert_ptr_nonnull(m);
  ck_assert_uint_le(clg_module_numel(m), 128);
  if (clg_module_numel(m)) ck_assert_int_eq(clg_module_write(m, v), CLG_OK);
  return clg_forward(layer = m, x);
}
#define LAYER(name, make, ...) OP(name, through(make, x), .sums = true, __VA_ARGS__)
LAYER(linear_layer, clg_linear_create(c->ctx, 4, 3, true, NULL), .least = 1)
LAYER(layer_norm_layer, clg_layer_norm_create(c->ctx, 4, &(clg_norm_options){.eps = 1e-2f}), .least = 1)
LAYER(activation_layer, clg_activation_create(c->ctx, (clg_act){"silu", {0}}), .least = 1)
LAYER(conv2d_layer, clg_conv2d_create(c->ctx, 4, 3, 1, 2, true, NULL), .least = 1)
LAYER(conv_transpose2d_layer, clg_conv_transpose2d_create(c->ctx, 4, 3, 1, 2, true, NULL), .least = 1)
LAYER(batch_norm2d_layer, clg_batch_norm_create(c->ctx, 4, &(clg_batch_norm_options){.eps = 1e-2f, .momentum = 0.1f}),
      .least = 1)
LAYER(max_pool2d_layer, clg_max_pool2d_create(c->ctx, 1, 2, NULL), .linear = true)
LAYER(avg_pool2d_layer, clg_avg_pool2d_create(c->ctx, 1, 2, NULL), .linear = true)
LAYER(upsample_layer, clg_upsample_create(c->ctx, 1, 2), .linear = true)
LAYER(embedding_layer, clg_embedding_create(c->ctx, 4, 3), .integers = 1)
LAYER(dropout_layer, clg_dropout_create((clg_set_seed(c->ctx, 5, 3), c->ctx), 0.5f), .linear = true)
LAYER(flatten_layer, clg_flatten_create(c->ctx), .linear = true)
LAYER(spectral_layer, clg_spectral_norm(clg_linear_create((clg_set_seed(c->ctx, 5, 3), c->ctx), 4, 3, false, NULL)),
      .least = 1)
#define LAYERS                                                                                                         \
  ((clg_module *[]){clg_linear_create(c->ctx, 4, 4, true, NULL),                                                       \
                    clg_activation_create(c->ctx, (clg_act){"tanh", {0}}),                                             \
                    clg_layer_norm_create(c->ctx, 4, &(clg_norm_options){.eps = 1e-2f})})
LAYER(sequential, clg_sequential_create(c->ctx, LAYERS, 3), .least = 1)

#define ROWS  .in = {S(6, 4)}, .low = -1, .high = 1
#define IMAGE .in = {S(2, 4, 2, 3)}, .low = -1, .high = 1
static const op_case layer_rows[] = {
    {.op = &op_linear_layer, ROWS},
    {.op = &op_layer_norm_layer, ROWS},
    {.op = &op_activation_layer, ROWS},
    {.op = &op_conv2d_layer, IMAGE},
    {.op = &op_conv_transpose2d_layer, IMAGE},
    {.op = &op_batch_norm2d_layer, IMAGE},
    {.op = &op_max_pool2d_layer, IMAGE},
    {.op = &op_avg_pool2d_layer, IMAGE},
    {.op = &op_upsample_layer, IMAGE},
    {.op = &op_embedding_layer, .in = {S(6, 4)}, .below = 4},
    {.op = &op_dropout_layer, ROWS},
    {.op = &op_flatten_layer, IMAGE},
    {.op = &op_spectral_layer, ROWS},
    {.op = &op_sequential, ROWS},
};
enum { LAYER_ROWS = sizeof layer_rows / sizeof *layer_rows };

#endif
