/* The section `wgan_gp`: critics with a gradient penalty, whose training needs gradients of gradients. */
#include "golden.h"
#include <stdlib.h>
#include <string.h>

typedef struct critic {
  golden *g;
  const json_t *json, *config;
  const char *name;
  clg_module *net;
  clg_optim *opt;
  record real, fake, eps;
  size_t step, steps;
  float *losses; /* steps rows of loss, mean D(real), mean D(fake), penalty */
} critic;

enum { COLUMNS = 4 };

static void count(critic *c, const char *array, bool ok) {
  char label[160];
  snprintf(label, sizeof label, "%s %s", c->name, array);
  if (ok)
    report_pass(&c->g->report);
  else
    report_fail(&c->g->report, "wgan_gp", label, "%s", c->g->why);
}

/* Counts the comparison of host data with the array of this name. */
static void check_host(critic *c, const char *array, const float *got, size_t n) {
  record want;
  bool ok = record_read(c->g, json_object_get(c->json, array), &want);
  if (ok && want.n != n) ok = golden_error(c->g, "%s has another size than the result", array);
  count(c, array, ok && record_compare(c->g, array, got, &want, record_tolerance(&want)));
}

static void check_tensor(critic *c, const char *array, const clg_tensor *got) {
  record want;
  bool ok = got ? record_read(c->g, json_object_get(c->json, array), &want) : golden_clg_error(c->g);
  count(c, array, ok && record_compare_tensor(c->g, array, got, &want, record_tolerance(&want)));
}

/* A module's vector, read by `read`, against the array of this name. */
static void check_module(critic *c, const char *array, clg_status (*read)(clg_module *m, float *out)) {
  size_t n = clg_module_numel(c->net);
  float *got = calloc(n ? n : 1, sizeof *got);
  if (!got)
    golden_error(c->g, "out of memory"), count(c, array, false);
  else if (read(c->net, got) != CLG_OK)
    golden_clg_error(c->g), count(c, array, false);
  else
    check_host(c, array, got, n);
  free(got);
}

/* d penalty / d parameters alone, one after the other; 0 where the penalty does not reach. */
static bool read_penalty_gradient(critic *c, clg_tensor *penalty, float *out) {
  size_t n, at = 0;
  clg_tensor *const *params = clg_module_parameters(c->net, &n);
  clg_tensor **grads = params ? calloc(n ? n : 1, sizeof(clg_tensor *)) : NULL;
  clg_backward_options options = clg_backward_defaults();
  options.retain_graph = true, options.allow_unused = true;
  bool ok = grads && clg_grad(penalty, params, n, grads, &options) == CLG_OK;
  for (size_t i = 0; ok && i < n; i++) {
    if (grads[i]) ok = clg_tensor_read(grads[i], out + at) == CLG_OK;
    at += (size_t)clg_tensor_numel(params[i]);
  }
  free(grads);
  return ok ? true : golden_clg_error(c->g);
}

static void check_penalty_gradient(critic *c, clg_tensor *penalty) {
  size_t n = clg_module_numel(c->net);
  float *got = calloc(n ? n : 1, sizeof *got);
  bool ok = got ? read_penalty_gradient(c, penalty, got) : golden_error(c->g, "out of memory");
  if (ok)
    check_host(c, "grad_gp_only", got, n);
  else
    count(c, "grad_gp_only", false);
  free(got);
}

/* lambda * mean((|d D(x_hat)/d x_hat| - 1)^2) between real and fake. */
static clg_tensor *penalty_of(critic *c, clg_tensor *real, clg_tensor *fake, clg_tensor *eps) {
  const clg_map_input mix[] = {{"e", eps, 0}, {"r", real, 0}, {"f", fake, 0}};
  clg_backward_options options = clg_backward_defaults();
  clg_tensor *x_hat = clg_map(c->g->ctx, "e*r + (1 - e)*f", mix, 3), *g = NULL;
  options.create_graph = true;
  if (!x_hat || clg_tensor_set_requires_grad(x_hat, true) != CLG_OK) return NULL;
  if (clg_grad(clg_sum(clg_forward(c->net, x_hat), NULL, 0, false), &x_hat, 1, &g, &options) != CLG_OK) return NULL;
  clg_tensor *norms = clg_sqrt(clg_sum(clg_square(g), (int[]){1}, 1, false));
  if (c->step == 0) {
    check_tensor(c, "x_hat", x_hat);
    check_tensor(c, "input_grad", g);
    check_tensor(c, "norms", norms);
  }
  clg_tensor *off = clg_square(clg_add_scalar(norms, -1));
  return clg_mul_scalar(clg_mean(off, NULL, 0, false), (float)json_number(c->config, "lambda", 10));
}

static bool step_on(critic *c, clg_tensor *real, clg_tensor *fake, clg_tensor *eps) {
  clg_scope *scope = clg_scope_open(c->g->ctx);
  clg_tensor *d_real = clg_mean(clg_forward(c->net, real), NULL, 0, false);
  clg_tensor *d_fake = clg_mean(clg_forward(c->net, fake), NULL, 0, false);
  clg_tensor *penalty = penalty_of(c, real, fake, eps);
  clg_tensor *loss = clg_add(clg_sub(d_fake, d_real), penalty);
  if (loss) {
    clg_tensor *const columns[COLUMNS] = {loss, d_real, d_fake, penalty};
    for (size_t i = 0; i < COLUMNS; i++) c->losses[c->step * COLUMNS + i] = clg_tensor_item(columns[i]);
    if (c->step == 0) check_penalty_gradient(c, penalty);
    clg_optim_zero_grad(c->opt);
    clg_backward(loss, NULL);
    if (c->step == 0) check_module(c, "grad_total", clg_module_read_grad);
    clg_optim_step(c->opt);
  }
  return clg_scope_close(scope) == CLG_OK ? true : golden_clg_error(c->g);
}

static clg_tensor *batch_of(critic *c, const record *all) {
  record row;
  return record_row(c->g, all, c->step, &row) ? record_tensor(c->g, &row) : NULL;
}

static bool train(critic *c) {
  bool ok = true;
  for (c->step = 0; ok && c->step < c->steps; c->step++) {
    clg_tensor *real = batch_of(c, &c->real), *fake = batch_of(c, &c->fake), *eps = batch_of(c, &c->eps);
    ok = real && fake && eps && step_on(c, real, fake, eps);
    clg_tensor_unref(&real);
    clg_tensor_unref(&fake);
    clg_tensor_unref(&eps);
  }
  return ok;
}

/* False with golden.why; *missing when a layer does not exist. */
static bool critic_open(critic *c, bool *missing) {
  golden *g = c->g;
  record init;
  clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  adam.lr = (float)json_number(c->config, "lr", adam.lr);
  adam.eps = (float)json_number(c->config, "adam_eps", adam.eps);
  adam.beta1 = 0;
  adam.beta2 = 0.9f;
  c->steps = (size_t)json_number(c->config, "steps", 0);
  c->net = arch_build(g, json_text(c->json, "arch", ""), missing);
  if (!c->net) return false;
  if (!record_read(g, json_object_get(c->json, "params_init"), &init) ||
      !record_read(g, json_object_get(c->json, "real"), &c->real) ||
      !record_read(g, json_object_get(c->json, "fake"), &c->fake) ||
      !record_read(g, json_object_get(c->json, "eps"), &c->eps))
    return false;
  if (c->real.ndim < 1 || c->steps == 0 || (size_t)c->real.shape[0] < c->steps)
    return golden_error(g, "fewer batches than steps");
  if (init.n != clg_module_numel(c->net)) return golden_error(g, "initial weights of another size than the model");
  if (clg_module_write(c->net, init.data) != CLG_OK) return golden_clg_error(g);
  c->opt = clg_optim_create_for(c->net, &adam);
  if (!c->opt) return golden_clg_error(g);
  c->losses = calloc(c->steps * COLUMNS, sizeof *c->losses);
  return c->losses ? true : golden_error(g, "out of memory");
}

static void run_critic(golden *g, const json_t *json) {
  const json_t *config = json_object_get(json, "config");
  critic c = {.g = g, .json = json, .config = config, .name = json_text(config, "name", "unnamed")};
  bool missing;
  if (!critic_open(&c, &missing)) {
    if (missing)
      report_skip(&g->report, "wgan_gp", c.name, "%s", g->why);
    else
      report_fail(&g->report, "wgan_gp", c.name, "%s", g->why);
  } else if (!train(&c)) {
    count(&c, "training", false);
  } else {
    check_host(&c, "losses", c.losses, c.steps * COLUMNS);
    check_module(&c, "params_final", clg_module_read);
  }
  free(c.losses);
  clg_optim_unref(&c.opt);
  clg_module_unref(&c.net);
  clg_clear_error(g->ctx);
}

void section_wgan_gp(golden *g, const json_t *cases) {
  size_t i;
  json_t *one;
  json_array_foreach(cases, i, one) run_critic(g, one);
}
