/* Layers over images [N,C,H,W]. */
#include "nn/module.h"
#include <math.h>

static clg_tensor *bias_of(const clg_module *m) { return m->n_params > 1 ? m->param[1].tensor : NULL; }

static clg_tensor *conv2d_forward(clg_module *m, clg_tensor *x) {
  return clg_conv2d(x, m->param[0].tensor, bias_of(m), &m->conv);
}
static const clg_module_class conv2d_class = {"conv2d", conv2d_forward};

static clg_tensor *conv_transpose2d_forward(clg_module *m, clg_tensor *x) {
  return clg_conv_transpose2d(x, m->param[0].tensor, bias_of(m), &m->conv);
}
static const clg_module_class conv_transpose2d_class = {"conv_transpose2d", conv_transpose2d_forward};

/* first [.., per group, kh, kw]: PyTorch's fan in is everything behind the weight's first dimension, transposed or not. */
static clg_module *create(clg_context *ctx, const clg_module_class *cls, int64_t first, int64_t second, int64_t biases,
                          const int64_t kernel[2], const clg_conv_options *options, bool bias) {
  static const clg_conv_options defaults = CLG_CONV_OPTIONS_INIT;
  const clg_conv_options *o = options ? options : &defaults;
  bool ok = o->groups > 0 && first > 0 && second > 0 && kernel[0] > 0 && kernel[1] > 0 && first % o->groups == 0 &&
            second % o->groups == 0 && kernel[0] <= INT32_MAX / kernel[1] && first <= INT32_MAX / second &&
            first * second <= INT32_MAX / (kernel[0] * kernel[1]);
  if (ctx && !ok) {
    clg_fail(ctx, CLG_ERR_ARGUMENT, cls->name, "%lld and %lld channels in %d groups with a kernel of %lldx%lld are not possible",
             (long long)first, (long long)second, o->groups, (long long)kernel[0], (long long)kernel[1]);
    return NULL;
  }
  clg_module *m = clg_module_create(ctx, cls);
  if (!m) return NULL;
  m->conv = *o;
  second /= o->groups;
  float bound = (float)(1.0 / sqrt((double)(second * kernel[0] * kernel[1])));
  m->param[0] = (clg_param){.name = "weight", .ndim = 4, .shape = {first, second, kernel[0], kernel[1]}, .bound = bound};
  m->param[1] = (clg_param){.name = "bias", .ndim = 1, .shape = {biases}, .bound = bound};
  m->n_params = bias ? 2 : 1;
  return m;
}

clg_module *clg_conv2d_create(clg_context *ctx, int64_t in, int64_t out, int64_t kh, int64_t kw, const clg_conv_options *options,
                              bool bias) {
  return create(ctx, &conv2d_class, out, in, out, (int64_t[]){kh, kw}, options, bias);
}

clg_module *clg_conv_transpose2d_create(clg_context *ctx, int64_t in, int64_t out, int64_t kh, int64_t kw,
                                        const clg_conv_options *options, bool bias) {
  return create(ctx, &conv_transpose2d_class, in, out, out, (int64_t[]){kh, kw}, options, bias);
}
