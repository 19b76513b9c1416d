/* Fits y = 3x - 1 with a linear layer: the five-minute tour of the README. */
#include <clgrad/clgrad.h>
#include <stdio.h>

int main(void) {
  clg_context *ctx = NULL;
  char why[256];
  clg_context_options options = clg_context_defaults();
  options.message = why;
  options.message_size = sizeof why;
  if (clg_context_create(&ctx, &options) != CLG_OK) return fprintf(stderr, "%s\n", why), 1;

  clg_module *net = clg_linear_create(ctx, 1, 1, true, NULL);
  clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  sgd.lr = 0.3f;
  clg_optim *opt = clg_optim_create_for(net, &sgd);
  const int64_t shape[] = {64, 1};

  for (int step = 0; step <= 100; step++) {
    clg_scope *scope = clg_scope_open(ctx);
    clg_tensor *x = clg_rand(ctx, 2, shape, -1, 1);
    clg_tensor *y = clg_add_scalar(clg_mul_scalar(x, 3), -1);
    clg_tensor *loss = clg_mse_loss(clg_forward(net, x), y, NULL);
    clg_optim_zero_grad(opt);
    clg_backward(loss, NULL);
    clg_optim_step(opt);
    if (step % 20 == 0) printf("step %3d  loss %.6f\n", step, (double)clg_tensor_item(loss));
    if (clg_scope_close(scope) != CLG_OK) return fprintf(stderr, "%s\n", clg_last_error(ctx)), 1;
  }

  float w[2] = {0, 0};
  clg_module_read(net, w);
  printf("y = %.3f x + %.3f on %s\n", (double)w[0], (double)w[1], clg_context_device(ctx)->name);
  clg_optim_unref(&opt);
  clg_module_unref(&net);
  clg_context_unref(&ctx);
  return 0;
}
