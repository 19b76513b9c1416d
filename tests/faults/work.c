/* Training, files and what surrounds them; and the list of all. */
#include "work.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void reached(results *r, bool done) {
  if (done && r->n < RESULTS_MOST) r->value[r->n++] = 1;
}

void note(results *r, clg_tensor *t) {
  size_t n = (size_t)clg_tensor_numel(t);
  if (t && r->n + n <= RESULTS_MOST && clg_tensor_read(t, r->value + r->n) == CLG_OK) r->n += n;
}

void note_parameters(results *r, clg_module *m) {
  size_t n = 0;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  for (size_t i = 0; p && i < n; i++) note(r, p[i]);
}

/* ---- training ---- */

static void count_calls(void *user) { ++*(long *)user; }

/* A read that is waited for on its own, with an idle callback. */
static void read_beside(clg_context *ctx, results *r, clg_tensor *t) {
  static long calls;
  clg_pinned *value = clg_pinned_create(ctx, sizeof(float)); /* goes behind the read */
  clg_set_idle(ctx, count_calls, &calls);
  clg_status s = clg_tensor_read_async(t, clg_pinned_data(value));
  clg_event *e = clg_event_record(ctx);
  reached(r, s == CLG_OK && clg_event_wait(e) == CLG_OK);
  reached(r, clg_event_done(e));
  clg_event_unref(&e);
  reached(r, clg_finish(ctx) == CLG_OK);
  clg_set_idle(ctx, NULL, NULL);
  clg_pinned_unref(&value);
}

static void train(clg_context *ctx, results *r) {
  clg_module *layers[] = {clg_linear_create(ctx, 4, 3, true, NULL),
                          clg_activation_create(ctx, (clg_act){"leaky_relu", {0.2f}}),
                          clg_linear_create(ctx, 3, 1, true, NULL)};
  clg_module *net = clg_sequential_create(ctx, layers, 3);
  clg_module_checkpoint(net, 1);
  const clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  clg_optim *o = clg_optim_create_for(net, &adam);
  clg_ema *average = clg_ema_create(net, 0.9);
  clg_set_phase(ctx, "step");
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *loss = clg_mse_loss(clg_forward(net, clg_randn(ctx, SHAPE(5, 4))), clg_full(ctx, SHAPE(5, 1), 1), NULL);
  if (clg_backward(loss, NULL) == CLG_OK) {
    size_t n;
    clg_tensor *const *p = clg_module_parameters(net, &n);
    reached(r, clg_clip_grad_norm(ctx, p, n, 1) != NULL);
    reached(r, clg_optim_step(o) == CLG_OK);
    reached(r, clg_ema_update(average, net) == CLG_OK);
    note(r, loss);
    read_beside(ctx, r, loss);
  }
  clg_scope_close(s);
  clg_set_phase(ctx, NULL);
  clg_ema_unref(&average);
  clg_optim_unref(&o);
  clg_module_unref(&net);
}

/* Two batches in shards. */
static void train_in_shards(clg_context *ctx, results *r) {
  const clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  clg_module *net = clg_linear_create(ctx, 4, 3, true, NULL);
  clg_optim *o = clg_optim_create_for(net, &adam);
  size_t n = 0;
  clg_tensor *const *p = clg_module_parameters(net, &n);
  clg_shard_sum *sum = clg_shard_sum_create(ctx, p, n, 4);
  clg_tensor *tracked = clg_zeros(ctx, SHAPE(3));
  reached(r, clg_shard_sum_track(sum, &tracked, 1) == CLG_OK);
  for (int i = 0; i < 8; i++) {
    clg_scope *s = clg_scope_open(ctx);
    if (i % 4 == 0) clg_optim_zero_grad(o);
    if (i % 4 == 0) reached(r, clg_shard_sum_begin(sum) == CLG_OK);
    reached(r, clg_rand_(tracked, 0, 1) == CLG_OK);
    clg_tensor *loss = clg_mean(clg_square(clg_forward(net, clg_randn(ctx, SHAPE(5, 4)))), NULL, 0, false);
    reached(r, clg_backward(loss, NULL) == CLG_OK);
    if (i % 4 == 3) reached(r, clg_shard_sum_add_one(sum, 1) == CLG_OK);
    reached(r, clg_shard_sum_add(sum) == CLG_OK);
    if (i % 4 == 3) reached(r, clg_optim_step(o) == CLG_OK);
    note(r, loss);
    clg_scope_close(s);
  }
  note_parameters(r, net), note(r, tracked);
  clg_shard_sum_unref(&sum), clg_optim_unref(&o), clg_module_unref(&net);
}

static clg_tensor *judged(clg_module *d, clg_tensor *x, float as) {
  return clg_bce_with_logits_loss(clg_forward(d, x), clg_full(clg_tensor_context(x), SHAPE(6, 1), as), NULL);
}

/* The discriminator keeps the generator's graph for the generator's own step. */
static void gan_step(clg_context *ctx, clg_module *g, clg_module *d, clg_optim *og, clg_optim *od, results *r) {
  const clg_backward_options retaining = {.retain_graph = true};
  clg_scope *s = clg_scope_open(ctx);
  clg_set_phase(ctx, "D");
  clg_optim_zero_grad(od);
  clg_tensor *real = judged(d, clg_randn(ctx, SHAPE(6, 2)), 1), *fake = clg_forward(g, clg_randn(ctx, SHAPE(6, 4)));
  clg_backward(real, NULL);
  clg_tensor *caught = judged(d, fake, 0);
  clg_backward(caught, &retaining);
  reached(r, clg_optim_step(od) == CLG_OK);
  clg_set_phase(ctx, "G");
  clg_optim_zero_grad(og);
  clg_tensor *loss = judged(d, fake, 1);
  clg_backward(loss, NULL);
  reached(r, clg_optim_step(og) == CLG_OK);
  note(r, real), note(r, caught), note(r, loss);
  clg_scope_close(s);
  clg_set_phase(ctx, NULL);
}

static void gan(clg_context *ctx, results *r) {
  clg_module *g = clg_sequential_create(
      ctx,
      (clg_module *[]){clg_linear_create(ctx, 4, 9, true, NULL), clg_layer_norm_create(ctx, 9, NULL),
                       clg_activation_create(ctx, (clg_act){"relu", {0}}), clg_linear_create(ctx, 9, 2, true, NULL)},
      4);
  clg_module *d = clg_sequential_create(ctx,
                                        (clg_module *[]){clg_linear_create(ctx, 2, 9, true, NULL),
                                                         clg_activation_create(ctx, (clg_act){"gelu", {0}}),
                                                         clg_linear_create(ctx, 9, 1, true, NULL)},
                                        3);
  const clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  clg_optim *og = clg_optim_create_for(g, &adam), *od = clg_optim_create_for(d, &adam);
  for (int i = 0; i < 2; i++) gan_step(ctx, g, d, og, od, r);
  note_parameters(r, g), note_parameters(r, d);
  clg_optim_unref(&og), clg_optim_unref(&od);
  clg_module_unref(&g), clg_module_unref(&d);
}

static clg_module *image_net(clg_context *ctx) {
  const clg_conv_options down = {.stride = {2, 2}, .padding = {1, 1}, .dilation = {1, 1}, .groups = 1};
  clg_module *layers[] = {clg_conv2d_create(ctx, 2, 4, 4, 4, false, &down),
                          clg_batch_norm_create(ctx, 4, NULL),
                          clg_activation_create(ctx, (clg_act){"relu", {0}}),
                          clg_conv_transpose2d_create(ctx, 4, 2, 4, 4, true, &down),
                          clg_max_pool2d_create(ctx, 2, 2, NULL),
                          clg_dropout_create(ctx, 0.3f),
                          clg_upsample_create(ctx, 2, 2),
                          clg_avg_pool2d_create(ctx, 2, 2, NULL),
                          clg_flatten_create(ctx),
                          clg_spectral_norm(clg_linear_create(ctx, 32, 3, true, NULL))};
  return clg_sequential_create(ctx, layers, sizeof layers / sizeof *layers);
}

static void image_training(clg_context *ctx, results *r) {
  static const int32_t class_of[] = {0, 2, 1};
  clg_module *net = image_net(ctx);
  clg_optim_options sgd = clg_optim_defaults(CLG_SGD);
  sgd.momentum = 0.9;
  clg_module_checkpoint(net, 3);
  clg_optim *o = clg_optim_create_for(net, &sgd);
  clg_ema *average = clg_ema_create(net, 0.9);
  clg_tensor *labels = clg_tensor_create_i32(ctx, SHAPE(3), class_of);
  for (int i = 0; i < 2; i++) {
    clg_scope *s = clg_scope_open(ctx);
    clg_optim_zero_grad(o);
    clg_tensor *loss = clg_cross_entropy_loss(clg_forward(net, clg_rand(ctx, SHAPE(3, 2, 8, 8), -1, 1)), labels, NULL);
    clg_backward(loss, NULL);
    size_t n = 0;
    clg_tensor *const *p = clg_module_parameters(net, &n);
    reached(r, p && clg_clip_grad_value(ctx, p, n, 0.1) == CLG_OK);
    reached(r, clg_optim_step(o) == CLG_OK && clg_ema_update(average, net) == CLG_OK);
    note(r, loss);
    clg_scope_close(s);
  }
  reached(r, clg_ema_copy_to(average, net) == CLG_OK);
  note_parameters(r, net);
  clg_tensor_unref(&labels);
  clg_ema_unref(&average), clg_optim_unref(&o), clg_module_unref(&net);
}

/* ---- files ---- */

static char folder[] = "/tmp/clgrad-faults-XXXXXX";
static const char *const files[] = {
    "given.safetensors", "given.npy", "s.safetensors", "m.safetensors", "t.npy", "b.txt",
    "p.device",          "t.table",   "t.json",        "g.dot"};

const char *work_file(const char *name) {
  static char path[64];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void give(const char *name, const void *bytes, size_t n) {
  FILE *f = fopen(work_file(name), "wb");
  if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) abort();
}

/* A bias and a weight, and an array: a plan reads files, but has no values to write. */
void work_files_make(void) {
  static const char header[] = "{\"bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                               "\"weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]}}";
  static const char array[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n";
  char whole[256] = {(char)(sizeof header - 1)};
  strcpy(folder + sizeof folder - 7, "XXXXXX");
  if (!mkdtemp(folder)) abort();
  memcpy(whole + 8, header, sizeof header - 1);
  give("given.safetensors", whole, 8 + sizeof header - 1 + 32);
  memset(whole, 0, sizeof whole);
  memcpy(whole, "\x93NUMPY\x01", 7);
  whole[8] = sizeof array - 1;
  memcpy(whole + 10, array, sizeof array - 1);
  give("given.npy", whole, 10 + sizeof array - 1 + 8);
}

void work_files_remove(void) {
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(work_file(files[i]));
  if (rmdir(folder)) abort(); /* something else is there */
}

static void load(clg_context *ctx, results *r) {
  clg_module *m = clg_linear_create(ctx, 3, 2, true, NULL);
  clg_loader *l = clg_loader_open(ctx, work_file("given.safetensors"));
  clg_tensor *w = clg_loader_load_tensor(l, "weight"), *x = clg_npy_load(ctx, work_file("given.npy"));
  reached(r, clg_loader_load_module(l, NULL, m) == CLG_OK);
  note(r, w), note(r, x), note_parameters(r, m);
  reached(r, clg_module_load(m, work_file("given.safetensors")) == CLG_OK);
  clg_tensor_unref(&w), clg_tensor_unref(&x);
  clg_loader_unref(&l);
  clg_module_unref(&m);
}

static clg_status save_state(clg_context *ctx, clg_module *m, clg_optim *o, clg_tensor *x) {
  clg_saver *s = clg_saver_create(ctx, work_file("s.safetensors"));
  clg_saver_add_module(s, "m.", m);
  clg_saver_add_optim(s, "o.", o);
  clg_saver_add_random(s, "r.");
  clg_saver_add_tensor(s, "x", x);
  clg_saver_add_metadata(s, "k", "v");
  clg_saver_refuse_nonfinite(s);
  clg_status status = clg_saver_commit(s);
  clg_saver_unref(&s);
  return status;
}

static void resume(clg_context *ctx, clg_module *m, clg_optim *o, results *r) {
  clg_loader *l = clg_loader_open(ctx, work_file("s.safetensors"));
  reached(r, clg_loader_load_module(l, "m.", m) == CLG_OK);
  reached(r, clg_loader_load_optim(l, "o.", o) == CLG_OK);
  reached(r, clg_loader_load_random(l, "r.") == CLG_OK);
  clg_loader_unref(&l);
}

static void save(clg_context *ctx, results *r) {
  const clg_optim_options adamw = clg_optim_defaults(CLG_ADAMW);
  const clg_product_class class = {.m = 2, .n = 2, .k = 2};
  clg_module *m = clg_sequential_create(
      ctx, (clg_module *[]){clg_linear_create(ctx, 3, 4, true, NULL), clg_batch_norm_create(ctx, 4, NULL)}, 2);
  clg_optim *o = clg_optim_create_for(m, &adamw);
  clg_tensor *x = clg_tensor_create(ctx, SHAPE(5), (float[]){1, 2, 3, 4, 5});
  clg_scope *s = clg_scope_open(ctx);
  clg_backward(clg_mean(clg_square(clg_forward(m, clg_randn(ctx, SHAPE(6, 3)))), NULL, 0, false), NULL);
  clg_optim_step(o);
  clg_scope_close(s);
  if (save_state(ctx, m, o, x) == CLG_OK) resume(ctx, m, o, r);
  if (clg_module_save(m, work_file("m.safetensors")) == CLG_OK)
    reached(r, clg_module_load(m, work_file("m.safetensors")) == CLG_OK);
  reached(r, clg_npy_save(x, work_file("t.npy")) == CLG_OK);
  reached(r, clg_file_check(ctx, work_file("b.txt")) == CLG_OK);
  reached(r, clg_file_save(ctx, work_file("b.txt"), "bytes", 5) == CLG_OK);
  reached(r, clg_device_save(ctx, work_file("p.device")) == CLG_OK);
  clg_product_kernel kernel = clg_context_device(ctx)->shape == CLG_SHAPE_GPU ? CLG_PRODUCT_TILE : CLG_PRODUCT_PANEL;
  if (clg_tuning_set(ctx, &class, kernel) == CLG_OK && clg_tuning_save(ctx, work_file("t.table")) == CLG_OK)
    reached(r, clg_tuning_load(ctx, work_file("t.table")) == CLG_OK);
  clg_tuning_clear(ctx);
  note(r, x), note_parameters(r, m);
  clg_tensor_unref(&x), clg_optim_unref(&o), clg_module_unref(&m);
}

/* ---- all ---- */

const workload workloads[] = {
    {"formulas", work_formulas, false},
    {"images", work_images, false},
    {"second", work_second, false},
    {"parts", work_parts, false},
    {"kernels", work_kernels, false},
    {"train", train, false},
    {"train_in_shards", train_in_shards, false},
    {"gan", gan, false},
    {"image_training", image_training, false},
    {"looks", work_looks, false},
    {"load", load, false},
    {"save", save, true},
};
const size_t workload_count = sizeof workloads / sizeof *workloads;

clg_status work_run(const workload *w, clg_context *ctx, results *r) {
  r->n = 0;
  clg_set_seed(ctx, 7, 0);
  clg_scope *s = clg_scope_open(ctx);
  w->run(ctx, r);
  clg_status status = clg_scope_close(s), ended = clg_finish(ctx);
  return status != CLG_OK ? status : ended;
}
