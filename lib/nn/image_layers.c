/* Layers over images [N,C,H,W]. */
#include "nn/module.h"
#include <math.h>

static clg_tensor *bias_of(const clg_module *m) { return m->n_params > 1 ? m->param[1].tensor : NULL; }

static clg_tensor *conv2d_forward(clg_module *m, clg_tensor *x, clg_act act) {
  clg_conv_options o = m->options.conv;
  o.act = act;
  return clg_conv2d(x, clg_module_weight(m), bias_of(m), &o);
}
static clg_tensor *conv_transpose2d_forward(clg_module *m, clg_tensor *x, clg_act act) {
  clg_conv_options o = m->options.conv;
  o.act = act;
  return clg_conv_transpose2d(x, m->param[0].tensor, bias_of(m), &o);
}
static const clg_module_class conv2d_class = {.name = "conv2d", .forward_act = conv2d_forward, .spectral = true},
                              conv_transpose2d_class = {.name = "conv_transpose2d",
                                                        .forward_act = conv_transpose2d_forward};

/* first [.., per group, kh, kw]: PyTorch's fan in is everything behind the weight's first dimension, transposed or not.
 */
static clg_module *create(clg_context *ctx, const clg_module_class *cls, int64_t first, int64_t second, int64_t biases,
                          const int64_t kernel[2], const clg_conv_options *options, bool bias) {
  const clg_conv_options usual = clg_conv_defaults(), *o = options ? options : &usual;
  bool ok = o->groups > 0 && first > 0 && second > 0 && kernel[0] > 0 && kernel[1] > 0 && first % o->groups == 0 &&
            second % o->groups == 0 && kernel[0] <= INT32_MAX / kernel[1] && first <= INT32_MAX / second &&
            first * second <= INT32_MAX / (kernel[0] * kernel[1]);
  if (ctx && !ok)
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, cls->name,
                           "%lld and %lld channels in %d groups with a kernel of %lldx%lld are not possible",
                           (long long)first, (long long)second, o->groups, (long long)kernel[0], (long long)kernel[1]);
  clg_module *m = clg_module_create(ctx, cls);
  if (!m || !clg_module_take_act(&m, o->act)) return NULL;
  m->options.conv = *o;
  second /= o->groups;
  float bound = (float)(1.0 / sqrt((double)(second * kernel[0] * kernel[1])));
  m->param[0] =
      (clg_param){.name = "weight", .ndim = 4, .shape = {first, second, kernel[0], kernel[1]}, .bound = bound};
  m->param[1] = (clg_param){.name = "bias", .ndim = 1, .shape = {biases}, .bound = bound};
  m->n_params = bias ? 2 : 1;
  return m;
}

clg_module *clg_conv2d_create(clg_context *ctx, int64_t in, int64_t out, int64_t kh, int64_t kw, bool bias,
                              const clg_conv_options *options) {
  return create(ctx, &conv2d_class, out, in, out, (int64_t[]){kh, kw}, options, bias);
}

clg_module *clg_conv_transpose2d_create(clg_context *ctx, int64_t in, int64_t out, int64_t kh, int64_t kw, bool bias,
                                        const clg_conv_options *options) {
  return create(ctx, &conv_transpose2d_class, in, out, out, (int64_t[]){kh, kw}, options, bias);
}

static clg_tensor *batch_norm_forward(clg_module *m, clg_tensor *x, clg_act act) {
  const clg_batch_norm_options o = {m->buffer[0].tensor,
                                    m->buffer[1].tensor,
                                    m->training,
                                    m->momentum,
                                    m->eps,
                                    act,
                                    m->meeting.gather ? &m->meeting : NULL};
  return clg_batch_norm(x, m->param[0].tensor, m->param[1].tensor, &o);
}
static const clg_module_class batch_norm_class = {.name = "batch_norm", .forward_act = batch_norm_forward};

static clg_status make_buffer(clg_module *m, const char *name, int64_t size, float value) {
  clg_param *b = &m->buffer[m->n_buffers++];
  *b = (clg_param){.name = name, .ndim = 1, .shape = {size}};
  b->tensor = clg_tensor_new(m->ctx, 1, &size, CLG_ROLE_PARAMETER, name);
  clg_status s = b->tensor ? clg_fill_(b->tensor, value) : clg_last_status(m->ctx);
  if (s == CLG_OK) b->tensor->storage->version = 0;
  return s;
}

clg_module *clg_batch_norm_create(clg_context *ctx, int64_t channels, const clg_batch_norm_options *options) {
  const clg_batch_norm_options usual = clg_batch_norm_defaults(), *o = options ? options : &usual;
  if (ctx && (channels < 1 || !(o->eps >= 0) || !(o->momentum >= 0 && o->momentum <= 1)))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "batch_norm",
                           "channels must be positive, eps not negative, momentum in [0, 1]");
  clg_module *m = clg_module_create(ctx, &batch_norm_class);
  if (!m || !clg_module_take_act(&m, o->act)) return NULL;
  m->eps = o->eps;
  m->momentum = o->momentum;
  if (o->meeting) m->meeting = *o->meeting;
  m->param[0] = (clg_param){.name = "weight", .ndim = 1, .shape = {channels}, .value = 1};
  m->param[1] = (clg_param){.name = "bias", .ndim = 1, .shape = {channels}};
  m->n_params = 2;
  if (make_buffer(m, "running_mean", channels, 0) != CLG_OK || make_buffer(m, "running_var", channels, 1) != CLG_OK)
    clg_module_unref(&m);
  return m;
}

static clg_tensor *max_pool_forward(clg_module *m, clg_tensor *x) {
  return clg_max_pool2d(x, m->size[0], m->size[1], &m->options.pool);
}
static const clg_module_class max_pool_class = {.name = "max_pool2d", .forward = max_pool_forward};
static clg_tensor *avg_pool_forward(clg_module *m, clg_tensor *x) {
  return clg_avg_pool2d(x, m->size[0], m->size[1], &m->options.pool);
}
static const clg_module_class avg_pool_class = {.name = "avg_pool2d", .forward = avg_pool_forward};

static clg_module *pool_create(clg_context *ctx, const clg_module_class *cls, int64_t kh, int64_t kw,
                               const clg_pool_options *options) {
  if (ctx && (kh < 1 || kw < 1))
    return clg_fail_object(ctx, CLG_ERR_ARGUMENT, cls->name, "a kernel of %lldx%lld is not possible", (long long)kh,
                           (long long)kw);
  clg_module *m = clg_module_create(ctx, cls);
  if (!m) return NULL;
  m->options.pool = options ? *options : clg_pool_defaults();
  m->size[0] = kh;
  m->size[1] = kw;
  return m;
}

clg_module *clg_max_pool2d_create(clg_context *ctx, int64_t kh, int64_t kw, const clg_pool_options *options) {
  return pool_create(ctx, &max_pool_class, kh, kw, options);
}
clg_module *clg_avg_pool2d_create(clg_context *ctx, int64_t kh, int64_t kw, const clg_pool_options *options) {
  return pool_create(ctx, &avg_pool_class, kh, kw, options);
}

static clg_tensor *upsample_forward(clg_module *m, clg_tensor *x) {
  return clg_upsample(x, (int)m->size[0], (int)m->size[1]);
}
static const clg_module_class upsample_class = {.name = "upsample", .forward = upsample_forward};

clg_module *clg_upsample_create(clg_context *ctx, int scale_h, int scale_w) {
  clg_module *m = clg_module_create(ctx, &upsample_class);
  if (m) m->size[0] = scale_h, m->size[1] = scale_w;
  return m;
}
