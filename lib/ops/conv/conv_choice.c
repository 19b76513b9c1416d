/* Which kernel a convolution takes by the context's table. */
#include "ops/conv/conv_plan.h"

static int max(int a, int b) { return a > b ? a : b; }

clg_conv_kernel clg_conv_wanted(const clg_conv_call *c) {
  const clg_conv_shape *s = c->shape;
  const clg_conv_sizes sizes = {.output = c->output,
                                .taps = (int64_t)s->kernel[0] * s->kernel[1],
                                .stride = max(s->stride[0], s->stride[1]),
                                .in = s->c,
                                .out = s->o,
                                .pixels = (int64_t)s->out[0] * s->out[1]};
  return s->groups == 1 ? clg_tuning_get_conv(c->ctx, clg_conv_class(&sizes)) : CLG_CONV_FIXED;
}

static int root(int64_t n) {
  int r = 1;
  while ((int64_t)r * r < n) r++;
  return r;
}

/* Square, and of one image: what a kernel can does not depend on how many there are. */
static clg_conv_shape shape_of(const clg_conv_sizes *c) {
  const int kernel = root(c->taps), out = root(c->pixels), stride = (int)c->stride;
  clg_conv_shape s = {.batch = 1, .groups = 1, .c = (int)c->in, .o = (int)c->out};
  for (int a = 0; a < 2; a++) {
    s.kernel[a] = kernel, s.stride[a] = stride, s.padding[a] = kernel / 2, s.dilation[a] = 1;
    s.out[a] = out, s.in[a] = (out - 1) * stride + kernel - 2 * s.padding[a];
  }
  return s;
}

static clg_conv_kernel planned(const clg_conv_shape *s, clg_conv_operand output, bool cpu, clg_conv_kernel wanted) {
  clg_conv_plan plan;
  if (output == CLG_CONV_W) return clg_conv_plan_wgrad(&plan, s, cpu, wanted);
  return clg_conv_plan_gather(&plan, s, output == CLG_CONV_X, cpu, wanted);
}

bool clg_conv_kernel_serves(const clg_context *ctx, clg_conv_kernel kernel, int class) {
  const clg_conv_sizes sizes = clg_conv_class_typical(class);
  if (!ctx || !sizes.taps) return false;
  const clg_conv_shape s = shape_of(&sizes);
  const bool cpu = ctx->shape == CLG_SHAPE_CPU;
  if (kernel == CLG_CONV_PRODUCT) return clg_conv_is_pixelwise(&s);
  return planned(&s, sizes.output, cpu, kernel) == kernel && planned(&s, sizes.output, cpu, CLG_CONV_FIXED) != kernel;
}
