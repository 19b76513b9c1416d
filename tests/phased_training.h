/* Training whose steps have the phases forward, backward and step. */
#ifndef CLG_TESTS_PHASED_TRAINING_H
#define CLG_TESTS_PHASED_TRAINING_H

#include "harness.h"
#include <clgrad/clgrad.h>

/* A layer of in -> out features and a norm, called "net", on batches of noise. */
static inline void train_in_phases(clg_context *ctx, int64_t batch, int64_t in, int64_t out, int steps) {
  clg_module *net = clg_sequential_create(
      ctx, (clg_module *[]){clg_linear_create(ctx, in, out, true, NULL), clg_layer_norm_create(ctx, out, NULL)}, 2);
  clg_module_set_name(net, "net");
  clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  clg_optim *opt = clg_optim_create_for(net, &adam);
  for (int i = 0; i < steps; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_set_phase(ctx, "forward");
    clg_tensor *x = clg_rand(ctx, 2, (int64_t[]){batch, in}, -1, 1);
    clg_tensor *loss = clg_mean(clg_square(clg_forward(net, x)), NULL, 0, false);
    clg_set_phase(ctx, "backward");
    clg_optim_zero_grad(opt);
    clg_backward(loss, NULL);
    clg_set_phase(ctx, "step");
    clg_optim_step(opt);
    clg_set_phase(ctx, NULL);
    clg_tensor_item(loss);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  }
  clg_optim_unref(&opt);
  clg_module_unref(&net);
}

#endif
