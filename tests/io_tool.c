/* What the scripts that test files run: copies tensors, trains a step from a file to a file, saves again and again. */
#include <clgrad/clgrad.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clg_context *ctx;

static int report(clg_status s) {
  if (s != CLG_OK) fprintf(stderr, "%s\n", clg_last_error(ctx));
  return s == CLG_OK ? 0 : 1;
}

/* copy IN OUT: every tensor of a safetensors file, and the text of "note". */
static int copy(const char *in, const char *out) {
  clg_loader *l = clg_loader_open(ctx, in);
  clg_saver *s = l ? clg_saver_create(ctx, out) : NULL;
  for (size_t i = 0; s && i < clg_loader_count(l); i++) {
    clg_tensor *t = clg_loader_load_tensor(l, clg_loader_name(l, i));
    clg_saver_add_tensor(s, clg_loader_name(l, i), t);
    clg_tensor_unref(&t);
  }
  if (s && clg_loader_metadata(l, "note")) clg_saver_add_metadata(s, "note", clg_loader_metadata(l, "note"));
  int code = report(s ? clg_saver_commit(s) : clg_last_status(ctx));
  clg_saver_unref(&s);
  clg_loader_unref(&l);
  return code;
}

/* npy IN OUT */
static int copy_npy(const char *in, const char *out) {
  clg_tensor *t = clg_npy_load(ctx, in);
  int code = report(t ? clg_npy_save(t, out) : clg_last_status(ctx));
  clg_tensor_unref(&t);
  return code;
}

static clg_module *network(void) {
  return clg_sequential_create(ctx,
                               (clg_module *[]){clg_linear_create(ctx, 5, 7, true, NULL),
                                                clg_activation_create(ctx, (clg_act){"leaky_relu", {0.2f}}),
                                                clg_layer_norm_create(ctx, 7, NULL),
                                                clg_linear_create(ctx, 7, 3, true, NULL)},
                               4);
}

static bool options_of(const char *kind, clg_optim_options *o) {
  static const char *const names[] = {"sgd", "adam", "adamw", "rmsprop"};
  for (int i = 0; i < 4; i++)
    if (!strcmp(names[i], kind)) {
      *o = clg_optim_defaults((clg_optim_kind)i);
      o->momentum = i == CLG_SGD || i == CLG_RMSPROP ? 0.9 : 0;
      o->centered = i == CLG_RMSPROP;
      o->amsgrad = i == CLG_ADAMW;
      return true;
    }
  return false;
}

static void train(clg_module *m, clg_optim *o, clg_tensor *x, int steps) {
  for (int i = 0; i < steps; i++) {
    clg_scope *scope = clg_scope_open(ctx);
    clg_optim_zero_grad(o);
    clg_backward(clg_mean(clg_square(clg_forward(m, x)), NULL, 0, false), NULL);
    clg_optim_step(o);
    clg_scope_close(scope);
  }
}

/* train KIND STEPS IN OUT: goes on from a file with "model.", "x" and perhaps "optimizer." in it. */
static int resume(const char *kind, int steps, const char *in, const char *out) {
  clg_optim_options options;
  if (!options_of(kind, &options)) return 2;
  clg_module *m = network();
  clg_optim *o = clg_optim_create_for(m, &options);
  clg_loader *l = clg_loader_open(ctx, in);
  clg_tensor *x = clg_loader_load_tensor(l, "x");
  clg_loader_load_module(l, "model.", m);
  bool state = false;
  for (size_t i = 0; i < clg_loader_count(l); i++) state = state || !strncmp(clg_loader_name(l, i), "optimizer.", 10);
  if (state) clg_loader_load_optim(l, "optimizer.", o);
  if (clg_last_status(ctx) == CLG_OK) train(m, o, x, steps);
  clg_saver *s = clg_last_status(ctx) == CLG_OK ? clg_saver_create(ctx, out) : NULL;
  clg_saver_add_tensor(s, "x", x);
  clg_saver_add_module(s, "model.", m);
  clg_saver_add_optim(s, "optimizer.", o);
  int code = report(s ? clg_saver_commit(s) : clg_last_status(ctx));
  clg_saver_unref(&s);
  clg_loader_unref(&l);
  clg_tensor_unref(&x);
  clg_optim_unref(&o);
  clg_module_unref(&m);
  return code;
}

/* forever PATH: one file after the other, each of one number only, until somebody ends it. */
static int save_forever(const char *path) {
  clg_module *m = clg_sequential_create(
      ctx,
      (clg_module *[]){clg_linear_create(ctx, 600, 1200, true, NULL), clg_linear_create(ctx, 1200, 300, true, NULL)},
      2);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  clg_set_grad_mode(ctx, false);
  for (int k = 1; clg_last_status(ctx) == CLG_OK; k++) {
    for (size_t i = 0; i < n; i++) clg_fill_(p[i], (float)k);
    if (clg_module_save(m, path) == CLG_OK && k == 1) puts("saved"), fflush(stdout);
  }
  clg_module_unref(&m);
  return report(clg_last_status(ctx));
}

int main(int argc, char **argv) {
  char why[512] = "";
  clg_context_options options = clg_context_defaults();
  options.message = why;
  options.message_size = sizeof why;
  if (clg_context_create(&ctx, &options) != CLG_OK) return fprintf(stderr, "%s\n", why), 1;
  int code = 2;
  if (argc == 4 && !strcmp(argv[1], "copy")) code = copy(argv[2], argv[3]);
  if (argc == 4 && !strcmp(argv[1], "npy")) code = copy_npy(argv[2], argv[3]);
  if (argc == 6 && !strcmp(argv[1], "train")) code = resume(argv[2], atoi(argv[3]), argv[4], argv[5]);
  if (argc == 3 && !strcmp(argv[1], "forever")) code = save_forever(argv[2]);
  clg_context_unref(&ctx);
  return code;
}
