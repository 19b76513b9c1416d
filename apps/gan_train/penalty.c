/* A gradient that carries a graph, so that its length can be trained. */
#include "penalty.h"

/* Keeps the square root's own gradient finite where the critic is flat. */
#define TINY 1e-12f

/* Not recorded: neither the generator nor the data learns from the penalty. */
static clg_tensor *between(gan *m, clg_tensor *real, clg_tensor *fake) {
  bool before = clg_set_grad_mode(m->ctx, false);
  clg_tensor *eps = clg_rand(m->ctx, 2, (int64_t[]){m->spec.batch, 1}, 0, 1);
  const clg_map_input inputs[] = {{"eps", eps, 0}, {"real", real, 0}, {"fake", fake, 0}};
  clg_tensor *x = clg_map(m->ctx, "eps*real + (1 - eps)*fake", inputs, 3);
  clg_set_grad_mode(m->ctx, before);
  return x && clg_tensor_set_requires_grad(x, true) == CLG_OK ? x : NULL;
}

clg_tensor *gradient_penalty(gan *m, clg_tensor *real, clg_tensor *fake, clg_tensor *labels) {
  clg_tensor *x = between(m, real, fake), *gradient;
  if (!x) return NULL;
  clg_tensor *total = clg_sum(gan_judge(m, x, labels), NULL, 0, false);
  clg_backward_options how = clg_backward_defaults();
  how.create_graph = true;
  if (clg_grad(total, &x, 1, &gradient, &how) != CLG_OK) return NULL;
  clg_tensor *norms = clg_sqrt(clg_add_scalar(clg_sum(clg_square(gradient), (int[]){1}, 1, false), TINY));
  clg_tensor *off = clg_square(clg_add_scalar(norms, -1));
  return clg_mul_scalar(clg_mean(off, NULL, 0, false), m->spec.lambda);
}
