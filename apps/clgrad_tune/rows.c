/* What a row of measurements is about: a class of products or of convolutions, its kernels and its operands. */
#include "tune.h"
#include <stdio.h>

/* Images, and multiplications of all of them, at most: a class of which one image has more is not measured. */
enum { IMAGES = 8, WORK = 1 << 27 };

static bool is_product(const row *r) { return r->kind == PART_PRODUCTS; }

int row_kernels(const row *r) { return is_product(r) ? (int)CLG_PRODUCT_KERNELS : (int)CLG_CONV_KERNELS; }

const char *row_kernel_name(const row *r, int k) {
  return is_product(r) ? clg_product_kernel_name((clg_product_kernel)k) : clg_conv_kernel_name((clg_conv_kernel)k);
}

static int64_t images_of(const clg_conv_sizes *s) {
  const int64_t images = WORK / (s->taps * s->in * s->out * s->pixels);
  return images < IMAGES ? images : IMAGES;
}

bool row_serves(const clg_context *ctx, const row *r, int k) {
  if (is_product(r)) return clg_product_kernel_serves(ctx, (clg_product_kernel)k, &r->product);
  const clg_conv_sizes s = clg_conv_class_typical(r->conv);
  return images_of(&s) && clg_conv_kernel_serves(ctx, (clg_conv_kernel)k, r->conv);
}

bool row_choose(clg_context *ctx, const row *r, int k) {
  clg_status s = is_product(r) ? clg_tuning_set(ctx, &r->product, (clg_product_kernel)k)
                               : clg_tuning_set_conv(ctx, r->conv, (clg_conv_kernel)k);
  return s == CLG_OK;
}

static int side_of(int64_t square) {
  int side = 1;
  while ((int64_t)side * side < square) side++;
  return side;
}

void row_name(const row *r, char *to, size_t size) {
  static const char *const output[] = {[CLG_CONV_X] = "x", [CLG_CONV_W] = "w", [CLG_CONV_Y] = "y"};
  const clg_product_class *c = &r->product;
  const clg_conv_sizes s = clg_conv_class_typical(r->conv);
  const int kernel = side_of(s.taps), side = side_of(s.pixels);
  if (is_product(r))
    snprintf(to, size, "%c%c %lld x %lld x %lld", "nt"[c->ta], "nt"[c->tb], (long long)clg_size_class_typical(c->m),
             (long long)clg_size_class_typical(c->n), (long long)clg_size_class_typical(c->k));
  else
    snprintf(to, size, "%s %dx%d%s, %d to %d, %dx%d", output[s.output], kernel, kernel, s.stride > 1 ? "/2" : "",
             (int)s.in, (int)s.out, side, side);
}

static bool prepare_conv(clg_context *ctx, const row *r, work *w) {
  const clg_conv_sizes s = clg_conv_class_typical(r->conv);
  const int64_t kernel = side_of(s.taps), out = side_of(s.pixels);
  const int padding = (int)kernel / 2;
  const int64_t in = (out - 1) * s.stride + kernel - 2 * padding;
  const int64_t images = images_of(&s);
  const int64_t of_x[] = {images, s.in, in, in}, of_y[] = {images, s.out, out, out};
  w->output = s.output;
  w->options = clg_conv_defaults();
  for (int a = 0; a < 2; a++) w->options.stride[a] = (int)s.stride, w->options.padding[a] = padding;
  w->b = clg_rand(ctx, 4, (int64_t[]){s.out, s.in, kernel, kernel}, -1, 1);
  w->a = clg_rand(ctx, 4, s.output == CLG_CONV_X ? of_y : of_x, -1, 1);
  if (s.output != CLG_CONV_W) return w->a && w->b;
  if (clg_tensor_set_requires_grad(w->b, true) != CLG_OK) return false;
  w->a = clg_conv2d(w->a, w->b, NULL, &w->options);
  w->gradient = clg_rand(ctx, 4, of_y, -1, 1);
  return w->a && w->gradient;
}

bool row_prepare(clg_context *ctx, const row *r, work *w) {
  const clg_product_class *c = &r->product;
  *w = (work){.output = CLG_CONV_OPERANDS};
  if (!is_product(r)) return prepare_conv(ctx, r, w);
  int64_t m = clg_size_class_typical(c->m), n = clg_size_class_typical(c->n), k = clg_size_class_typical(c->k);
  w->a = operand(ctx, m, k, c->ta), w->b = operand(ctx, k, n, c->tb);
  return w->a && w->b;
}
