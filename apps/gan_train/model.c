/* Puts a model together: networks, label embeddings, optimizers, losses. */
#include "model.h"
#include "networks.h"
#include <stdlib.h>
#include <string.h>

int64_t model_features(const model_spec *s) { return s->channels * s->height * s->width; }

/* ---- making ---- */

static void make_networks(gan *m) {
  const model_spec *s = &m->spec;
  clg_module *(*generator)(clg_context *, const model_spec *) = mlp_generator;
  clg_module *(*discriminator)(clg_context *, const model_spec *) = mlp_discriminator;
  if (s->kind == MODEL_DCGAN) generator = dcgan_generator, discriminator = dcgan_discriminator;
  if (s->kind == MODEL_WGAN_GP) generator = wgan_generator, discriminator = wgan_critic;
  m->g = generator(m->ctx, s);
  m->d = discriminator(m->ctx, s);
  if (!s->classes) return;
  /* An image of its own stands for the label before convolutions. */
  int64_t seen_by_d = s->kind == MODEL_DCGAN ? s->height * s->width : LABEL_NUMBERS;
  m->g_labels = clg_embedding_create(m->ctx, s->classes, LABEL_NUMBERS);
  m->d_labels = clg_embedding_create(m->ctx, s->classes, seen_by_d);
}

static bool make_parameters(gan *m) {
  size_t n;
  if (!m->g || !m->d || !clg_module_parameters(m->g, &n) || !clg_module_parameters(m->d, &n)) return false;
  if (m->spec.classes && (!m->g_labels || !m->d_labels)) return false;
  if (m->spec.classes && (!clg_module_parameters(m->g_labels, &n) || !clg_module_parameters(m->d_labels, &n)))
    return false;
  if (m->spec.kind != MODEL_DCGAN) return true;
  bool before = clg_set_grad_mode(m->ctx, false);
  bool ok = dcgan_initialise(m->g) == CLG_OK && dcgan_initialise(m->d) == CLG_OK;
  clg_set_grad_mode(m->ctx, before);
  return ok;
}

/* For records of memory. */
static bool name_networks(gan *m) {
  if (m->spec.classes && (clg_module_set_name(m->g_labels, "G labels") != CLG_OK ||
                          clg_module_set_name(m->d_labels, "D labels") != CLG_OK))
    return false;
  return clg_module_set_name(m->g, "G") == CLG_OK && clg_module_set_name(m->d, "D") == CLG_OK;
}

static clg_optim_options optimizer_of(model_kind kind) {
  clg_optim_options o = clg_optim_defaults(kind == MODEL_MLP ? CLG_ADAMW : CLG_ADAM);
  /* With beta1 0.9 the mlp's discriminator is sure of itself after some hundred steps, and its samples are noise. */
  o.beta1 = 0.5;
  if (kind == MODEL_DCGAN) o.lr = 2e-4;
  if (kind == MODEL_WGAN_GP) o.lr = 5e-4, o.beta1 = 0, o.beta2 = 0.9;
  return o;
}

/* The parameters of a network and its embedding; NULL: out of memory. */
static clg_tensor **parameters_of(clg_module *network, clg_module *labels, size_t *n) {
  size_t first, more = 0;
  clg_tensor *const *a = clg_module_parameters(network, &first);
  clg_tensor *const *b = labels ? clg_module_parameters(labels, &more) : NULL;
  clg_tensor **all = malloc((first + more) * sizeof *all);
  *n = first + more;
  if (!all) return NULL;
  memcpy(all, a, first * sizeof *all);
  if (b) memcpy(all + first, b, more * sizeof *all);
  return all;
}

static bool list_parameters(gan *m) {
  m->g_parameters = parameters_of(m->g, m->g_labels, &m->n_g_parameters);
  m->d_parameters = parameters_of(m->d, m->d_labels, &m->n_d_parameters);
  return m->g_parameters && m->d_parameters;
}

static bool make_optimizers(gan *m) {
  clg_optim_options o = optimizer_of(m->spec.kind);
  m->opt_g = clg_optim_create(m->ctx, m->g_parameters, m->n_g_parameters, &o);
  m->opt_d = clg_optim_create(m->ctx, m->d_parameters, m->n_d_parameters, &o);
  return m->opt_g && m->opt_d;
}

static bool checkpoint_networks(gan *m) {
  return clg_module_checkpoint(m->g, 1) == CLG_OK && clg_module_checkpoint(m->d, 1) == CLG_OK;
}

bool gan_make(gan *m, clg_context *ctx, const model_spec *spec, bool checkpoint, uint64_t seed) {
  *m = (gan){.ctx = ctx, .spec = *spec};
  clg_set_phase(ctx, "setup");
  clg_set_seed(ctx, seed, 0);
  make_networks(m);
  if (!make_parameters(m) || !name_networks(m)) return false;
  if ((checkpoint && !checkpoint_networks(m)) || !list_parameters(m) || !make_optimizers(m)) return false;
  int64_t shape[] = {spec->batch, 1};
  m->ones = clg_full(ctx, 2, shape, 1);
  m->zeros = clg_full(ctx, 2, shape, 0);
  if (spec->shards > 1) m->share = clg_tensor_create(ctx, 0, NULL, (float[]){1 / (float)spec->shards});
  return m->ones && m->zeros && (spec->shards <= 1 || m->share);
}

bool gan_make_twin(gan *twin, const gan *of, bool checkpoint) {
  *twin = (gan){.ctx = of->ctx, .spec = of->spec};
  gan *m = twin;
  clg_set_phase(m->ctx, "setup");
  make_networks(m);
  clg_module *const mine[] = {m->g, m->d, m->g_labels, m->d_labels}, *const its[] = {of->g, of->d, of->g_labels,
                                                                                     of->d_labels};
  for (int i = 0; i < 4 && its[i]; i++)
    if (clg_module_share(mine[i], its[i]) != CLG_OK) return false;
  if ((checkpoint && !checkpoint_networks(m)) || !name_networks(m) || !list_parameters(m)) return false;
  m->ones = clg_tensor_ref(of->ones);
  m->zeros = clg_tensor_ref(of->zeros);
  m->share = clg_tensor_ref(of->share);
  return true;
}

void gan_meet(gan *m, const clg_meeting *meeting) {
  clg_module_meet(m->g, meeting);
  clg_module_meet(m->d, meeting);
}

void gan_zero_grad(const gan *m, bool of_g) {
  size_t n = of_g ? m->n_g_parameters : m->n_d_parameters;
  for (size_t i = 0; i < n; i++) clg_tensor_zero_grad(of_g ? m->g_parameters[i] : m->d_parameters[i]);
}

void gan_free(gan *m) {
  clg_tensor_unref(&m->err_fake);
  clg_tensor_unref(&m->ones);
  clg_tensor_unref(&m->zeros);
  clg_tensor_unref(&m->share);
  clg_optim_unref(&m->opt_g);
  clg_optim_unref(&m->opt_d);
  free(m->d_parameters);
  free(m->g_parameters);
  m->d_parameters = m->g_parameters = NULL;
  clg_module_unref(&m->g_labels);
  clg_module_unref(&m->d_labels);
  clg_module_unref(&m->g);
  clg_module_unref(&m->d);
}

/* ---- using ---- */

/* x joined by the label's embedding, shaped as x is but for dimension 1. */
static clg_tensor *with_labels(clg_module *embedding, clg_tensor *x, clg_tensor *labels) {
  clg_tensor *e = clg_forward(embedding, labels);
  if (clg_tensor_ndim(x) == 4) {
    const int64_t *shape = clg_tensor_shape(x);
    e = clg_reshape(e, 4, (int64_t[]){shape[0], -1, shape[2], shape[3]});
  }
  return clg_cat((clg_tensor *[]){x, e}, 2, 1);
}

clg_tensor *gan_generate(gan *m, clg_tensor *z, clg_tensor *labels) {
  if (m->g_labels) z = with_labels(m->g_labels, z, labels);
  if (z && m->spec.kind == MODEL_DCGAN) z = clg_reshape(z, 4, (int64_t[]){clg_tensor_dim(z, 0), -1, 1, 1});
  return clg_forward(m->g, z);
}

clg_tensor *gan_judge(gan *m, clg_tensor *items, clg_tensor *labels) {
  if (m->d_labels && items) items = with_labels(m->d_labels, items, labels);
  return clg_forward(m->d, items);
}

clg_tensor *gan_loss(gan *m, clg_tensor *out, bool real) {
  if (m->spec.kind != MODEL_WGAN_GP) return clg_bce_with_logits_loss(out, real ? m->ones : m->zeros, NULL);
  clg_tensor *mean = clg_mean(out, NULL, 0, false);
  return real ? clg_neg(mean) : mean;
}

const char *gan_loss_ratio(const gan *m) { return m->spec.kind == MODEL_WGAN_GP ? "-1" : "-exp(min(-s, 88))"; }

int gan_item_shape(const gan *m, int64_t rows, int64_t shape[4]) {
  const model_spec *s = &m->spec;
  const int64_t image[] = {rows, s->channels, s->height, s->width}, flat[] = {rows, model_features(s)};
  bool is_image = s->kind == MODEL_DCGAN;
  memcpy(shape, is_image ? image : flat, is_image ? sizeof image : sizeof flat);
  return is_image ? 4 : 2;
}

clg_tensor *const *gan_d_parameters(const gan *m, size_t *n) {
  *n = m->n_d_parameters;
  return m->d_parameters;
}

clg_tensor *const *gan_g_parameters(const gan *m, size_t *n) {
  *n = m->n_g_parameters;
  return m->g_parameters;
}

void gan_freeze_d(gan *m, bool frozen) {
  clg_module_set_requires_grad(m->d, !frozen);
  if (m->d_labels) clg_module_set_requires_grad(m->d_labels, !frozen);
}

/* ---- samples ---- */

static clg_tensor *sample_labels(gan *m, int64_t first, int64_t rows) {
  int32_t *labels = malloc((size_t)rows * sizeof *labels);
  if (!labels) return NULL;
  for (int64_t i = 0; i < rows; i++) labels[i] = (int32_t)((first + i) % m->spec.classes);
  clg_tensor *t = clg_tensor_create_i32(m->ctx, 1, &rows, labels);
  free(labels);
  return t;
}

static clg_status sample_rows(gan *m, int64_t first, int64_t rows, float *out) {
  clg_scope *scope = clg_scope_open(m->ctx);
  clg_tensor *labels = m->spec.classes ? sample_labels(m, first, rows) : NULL;
  clg_tensor *fake = gan_generate(m, clg_randn(m->ctx, 2, (int64_t[]){rows, m->spec.nz}), labels);
  clg_status status = fake ? clg_tensor_read(fake, out) : clg_last_status(m->ctx);
  clg_tensor_unref(&labels);
  clg_status closed = clg_scope_close(scope);
  return status != CLG_OK ? status : closed;
}

/* In chunks of a training batch, so that samples never need more memory than a step. */
static clg_status sample_chunks(gan *m, int64_t n, float *out) {
  int64_t width = model_features(&m->spec);
  for (int64_t done = 0; done < n; done += m->spec.batch) {
    int64_t rows = n - done < m->spec.batch ? n - done : m->spec.batch;
    clg_status status = sample_rows(m, done, rows, out + done * width);
    if (status != CLG_OK) return status;
  }
  float low = model_low(m->spec.kind), scale = m->spec.points ? model_point_scale(m->spec.kind) : 1;
  if (low == 0 && scale == 1) return CLG_OK;
  for (int64_t i = 0; i < n * width; i++) out[i] = (out[i] / scale - low) / (1 - low);
  return CLG_OK;
}

clg_status gan_sample(gan *m, uint64_t noise_seed, int64_t n, float *out) {
  clg_set_phase(m->ctx, "samples");
  bool before = clg_set_grad_mode(m->ctx, false);
  clg_module_set_training(m->g, false);
  clg_set_seed(m->ctx, noise_seed, 0);
  clg_status status = sample_chunks(m, n, out);
  clg_module_set_training(m->g, true);
  clg_set_grad_mode(m->ctx, before);
  return status;
}

/* ---- weights ---- */

size_t gan_numel(gan *m) {
  size_t n = clg_module_numel(m->g) + clg_module_numel(m->d);
  return m->spec.classes ? n + clg_module_numel(m->g_labels) + clg_module_numel(m->d_labels) : n;
}

clg_status gan_read(gan *m, float *out) {
  clg_module *const modules[] = {m->g, m->d, m->g_labels, m->d_labels};
  clg_status status = CLG_OK;
  for (int i = 0; i < 4 && modules[i] && status == CLG_OK; i++) {
    status = clg_module_read(modules[i], out);
    out += clg_module_numel(modules[i]);
  }
  return status;
}

size_t gan_g_numel(gan *m) { return clg_module_numel(m->g) + (m->g_labels ? clg_module_numel(m->g_labels) : 0); }

clg_status gan_read_g_gradient(gan *m, float *out) {
  clg_status status = clg_module_read_grad(m->g, out);
  if (status != CLG_OK || !m->g_labels) return status;
  return clg_module_read_grad(m->g_labels, out + clg_module_numel(m->g));
}
