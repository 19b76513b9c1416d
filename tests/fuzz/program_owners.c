/* Steps of what owns tensors: modules, optimizers, averages, the context itself. */
#include "program.h"

static clg_module *a_module(program *p);

static clg_module *a_container(program *p) {
  clg_module *layers[6];
  size_t n = (size_t)choose(p, 6);
  if (one_in(p, 4)) return clg_spectral_norm(a_module(p));
  for (size_t i = 0; i < n; i++) layers[i] = a_module(p);
  if (n > 1 && one_in(p, 12)) clg_module_unref(&layers[0]), layers[0] = layers[1]; /* one layer twice */
  return clg_sequential_create(p->ctx, layers, n);
}

static clg_module *an_image_layer(program *p) {
  clg_conv_options o = clg_conv_defaults();
  int64_t in = a_size(p), out = a_size(p), kernel = a_size(p);
  if (one_in(p, 2)) a_pair(p, o.stride), a_pair(p, o.padding);
  int w[2] = {1, 1};
  a_pair(p, w);
  switch (choose(p, 6)) {
  case 0: return clg_conv2d_create(p->ctx, in, out, kernel, kernel, one_in(p, 2), &o);
  case 1: return clg_conv_transpose2d_create(p->ctx, in, out, kernel, kernel, one_in(p, 2), &o);
  case 2: return clg_batch_norm_create(p->ctx, in, &(clg_batch_norm_options){.eps = 1e-5f, .momentum = a_float(p)});
  case 3: return clg_max_pool2d_create(p->ctx, w[0], w[1], NULL);
  case 4: return clg_avg_pool2d_create(p->ctx, w[0], w[1], NULL);
  default: return clg_upsample_create(p->ctx, a_dim(p), a_dim(p));
  }
}

static clg_module *a_module(program *p) {
  if (p->nested > 3) return NULL;
  p->nested++;
  clg_module *m = NULL;
  switch (choose(p, 12)) {
  case 0:
  case 1: {
    int64_t in = a_size(p), out = a_size(p);
    m = clg_linear_create(p->ctx, in, out, one_in(p, 2), NULL);
    break;
  }
  case 2: m = clg_layer_norm_create(p->ctx, a_size(p), NULL); break;
  case 3: m = clg_activation_create(p->ctx, an_activation(p)); break;
  case 4: m = clg_dropout_create(p->ctx, a_float(p)); break;
  case 5: m = clg_flatten_create(p->ctx); break;
  case 6: {
    int64_t n = a_size(p), size = a_size(p);
    m = clg_embedding_create(p->ctx, n, size);
    break;
  }
  case 7:
  case 8: m = an_image_layer(p); break;
  default: m = a_container(p); break;
  }
  p->nested--;
  return m;
}

static clg_module *any_module(program *p) { return p->module[choose(p, MODULES)]; }

static void new_module(program *p) {
  clg_module *m = a_module(p), **place = &p->module[choose(p, MODULES)];
  clg_module_unref(place);
  *place = m;
}
static void forward(program *p) {
  clg_module *m = any_module(p);
  keep(p, clg_forward(m, any(p)));
}
static void of_module(program *p) {
  static float floats[FLOATS];
  clg_module *m = any_module(p);
  size_t n = 0;
  char name[16];
  switch (choose(p, 8)) {
  case 0: clg_module_set_training(m, one_in(p, 2)); break;
  case 1: clg_module_checkpoint(m, (size_t)choose(p, 5)); break;
  case 2: clg_module_set_requires_grad(m, !one_in(p, 3)); break;
  case 3: clg_module_zero_grad(m); break;
  case 4:
    if (clg_module_numel(m) <= FLOATS)
      clg_module_read(m, floats), clg_module_read_grad(m, floats), clg_module_write(m, floats);
    break;
  case 5: {
    clg_tensor *const *t = clg_module_parameters(m, &n);
    if (t && n) keep_own(p, clg_tensor_ref(t[choose(p, (int)n)]));
    break;
  }
  case 6: keep_own(p, clg_tensor_ref(clg_module_buffer(m, (size_t)choose(p, 2), name, (size_t)choose(p, 16)))); break;
  default: clg_module_unref(&p->module[choose(p, MODULES)]); break;
  }
}

static clg_optim_options optim_options(program *p) {
  clg_optim_options o = clg_optim_defaults((clg_optim_kind)choose(p, 5));
  if (one_in(p, 2)) o.momentum = (double)a_float(p), o.weight_decay = (double)a_float(p), o.beta1 = (double)a_float(p);
  if (one_in(p, 3)) o.nesterov = one_in(p, 2), o.amsgrad = one_in(p, 2), o.centered = one_in(p, 2);
  return o;
}
static void new_optim(program *p) {
  clg_optim_options o = optim_options(p);
  clg_tensor *list[4] = {any(p), any(p), any(p), any(p)};
  clg_optim *made =
      one_in(p, 2) ? clg_optim_create_for(any_module(p), &o) : clg_optim_create(p->ctx, list, (size_t)choose(p, 5), &o);
  clg_optim **place = &p->optim[choose(p, OPTIMS)];
  clg_optim_unref(place);
  *place = made;
}
static void of_optim(program *p) {
  clg_optim *o = p->optim[choose(p, OPTIMS)];
  clg_tensor *list[2] = {any(p), any(p)};
  clg_optim_options more;
  switch (choose(p, 6)) {
  case 0: clg_optim_zero_grad(o); break;
  case 1: more = optim_options(p), clg_optim_add_group(o, list, 1 + (size_t)choose(p, 2), &more); break;
  case 2: clg_optim_group_set_lr(o, (size_t)choose(p, 3), (double)a_float(p)), clg_optim_set_lr(o, 0.01); break;
  default: clg_optim_step(o); break;
  }
}
static void clip(program *p) {
  clg_tensor *list[3] = {any(p), any(p), any(p)};
  size_t n = (size_t)choose(p, 4);
  if (one_in(p, 2))
    keep(p, clg_clip_grad_norm(p->ctx, list, n, (double)a_float(p)));
  else
    clg_clip_grad_value(p->ctx, list, n, (double)a_float(p));
}
static void averages(program *p) {
  clg_module *m = any_module(p);
  switch (choose(p, 4)) {
  case 0: clg_ema_unref(&p->average), p->average = clg_ema_create(m, (double)a_float(p)); break;
  case 1: clg_ema_update(p->average, m); break;
  case 2: clg_ema_copy_to(p->average, m); break;
  default: clg_ema_copy_from(p->average, m); break;
  }
}

/* ---- an op of the user's ---- */

enum { RIGHT, REFUSES, GIVES_NOTHING, MISFIT, FAILS, KINDS };
static int kinds[KINDS] = {RIGHT, REFUSES, GIVES_NOTHING, MISFIT, FAILS};
static clg_status copy_first(void *user, clg_tensor *const *in, size_t n, clg_tensor *out) {
  if (*(int *)user == REFUSES) return CLG_ERR_SHAPE;
  return n ? clg_copy_(out, in[0]) : clg_fill_(out, 1);
}
static clg_status copy_back(clg_custom_call *c) {
  int kind = *(int *)c->user;
  for (size_t i = 0; i < c->n; i++)
    if (c->wants[i] && kind != GIVES_NOTHING)
      c->in_grad[i] = kind == MISFIT ? clg_empty(c->ctx, 1, (const int64_t[]){2}) : clg_mul_scalar(c->grad, 2);
  return kind == FAILS ? CLG_ERR_STATE : CLG_OK;
}
static void custom(program *p) {
  clg_custom_op op = {"copy", copy_first, copy_back, (uint32_t)choose(p, 4), one_in(p, 2), NULL, NULL};
  clg_tensor *in[2] = {any(p), any(p)};
  int64_t shape[9];
  int n = clg_tensor_ndim(in[0]);
  for (int i = 0; i < n; i++) shape[i] = clg_tensor_shape(in[0])[i];
  op.user = &kinds[choose(p, KINDS)];
  keep(p, clg_custom_apply(&op, in, (size_t)choose(p, 3), n, shape));
}

static void context(program *p) {
  clg_memory_row rows[8];
  clg_phase_row phases[4];
  switch (choose(p, 7)) {
  case 0: clg_memory_reset_peak(p->ctx); break;
  case 1: clg_memory_trim(p->ctx); break;
  case 2: clg_memory_at_peak(p->ctx, rows, 8); break;
  case 3: clg_memory_phases(p->ctx, phases, 4); break;
  case 4: clg_set_phase(p->ctx, one_in(p, 2) ? "phase" : NULL); break;
  case 5: clg_finish(p->ctx); break;
  default: clg_set_seed(p->ctx, (uint64_t)choose(p, 9), (uint64_t)choose(p, 9)); break;
  }
}

const program_step owner_steps[] = {new_module, new_module, forward,   forward,  forward,  of_module,
                                    of_module,  new_optim,  new_optim, of_optim, of_optim, of_optim,
                                    clip,       averages,   custom,    context};
const int owner_step_count = sizeof owner_steps / sizeof *owner_steps;
