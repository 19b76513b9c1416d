/* Convolutions that are matrix products. */
#include "ops/conv/conv.h"
#include "product/product.h"
#include <string.h>

/* The output as a b, of operands with so many rows and columns each; the sum over `inner`. */
static clg_product product_of(const clg_conv_call *c, clg_conv_operand a, clg_conv_operand b, const uint32_t *rows,
                              const uint32_t *cols, uint32_t inner) {
  const clg_conv_operand out = c->output;
  clg_product p = {.m = rows[out], .n = cols[out], .k = inner, .accumulate = c->accumulate, .epilogue = c->epilogue};
  p.a = c->at[a].block, p.a_offset = c->at[a].offset, p.a_ld = cols[a];
  p.b = c->at[b].block, p.b_offset = c->at[b].offset, p.b_ld = cols[b];
  p.c = c->at[out].block, p.c_offset = c->at[out].offset, p.c_ld = cols[out];
  p.bias = c->bias.block, p.bias_offset = c->bias.offset;
  memcpy(p.numbers, c->numbers, sizeof p.numbers);
  return p;
}

/* ---- the kernel covers the image and y is one pixel ---- */

bool clg_conv_is_product(const clg_conv_call *c) {
  const clg_conv_shape *s = c->shape;
  bool whole = s->groups == 1 && s->batch > 0 && !(c->output == CLG_CONV_X && c->bias.block);
  for (int a = 0; a < 2; a++)
    whole = whole && s->out[a] == 1 && !s->padding[a] && s->kernel[a] == s->in[a] &&
            (s->dilation[a] == 1 || s->kernel[a] == 1);
  return whole;
}

/* x [n,k], w [o,k], y [n,o]: y = x w^T, x = y w, w = y^T x. */
clg_status clg_conv_run_product(const clg_conv_call *c) {
  const clg_conv_shape *s = c->shape;
  const uint32_t n = (uint32_t)s->batch, o = (uint32_t)s->o, k = (uint32_t)(s->c * s->in[0] * s->in[1]);
  const uint32_t rows[] = {[CLG_CONV_X] = n, [CLG_CONV_W] = o, [CLG_CONV_Y] = n},
                 cols[] = {[CLG_CONV_X] = k, [CLG_CONV_W] = k, [CLG_CONV_Y] = o},
                 inner[] = {[CLG_CONV_X] = o, [CLG_CONV_W] = n, [CLG_CONV_Y] = k};
  const clg_conv_operand out = c->output, a = out == CLG_CONV_Y ? CLG_CONV_X : CLG_CONV_Y;
  const clg_conv_operand b = out == CLG_CONV_W ? CLG_CONV_X : CLG_CONV_W;
  clg_product p = product_of(c, a, b, rows, cols, inner[out]);
  p.ta = out == CLG_CONV_W, p.tb = out == CLG_CONV_Y;
  return clg_product_run(c->ctx, &p, c->op);
}

/* ---- the kernel is one pixel ---- */

bool clg_conv_is_pixelwise(const clg_conv_shape *s) {
  bool is = s->groups == 1 && s->batch > 0;
  for (int a = 0; a < 2; a++) is = is && s->kernel[a] == 1 && s->stride[a] == 1 && !s->padding[a];
  return is;
}

/* Of each image x [c,p], w [o,c], y [o,p]: y = w x, x = w^T y, and w the sum of y x^T, image after image. */
clg_status clg_conv_run_pixelwise(const clg_conv_call *c) {
  const clg_conv_shape *s = c->shape;
  const uint32_t o = (uint32_t)s->o, k = (uint32_t)s->c, plane = (uint32_t)(s->in[0] * s->in[1]);
  const uint32_t rows[] = {[CLG_CONV_X] = k, [CLG_CONV_W] = o, [CLG_CONV_Y] = o},
                 cols[] = {[CLG_CONV_X] = plane, [CLG_CONV_W] = k, [CLG_CONV_Y] = plane},
                 inner[] = {[CLG_CONV_X] = o, [CLG_CONV_W] = plane, [CLG_CONV_Y] = k},
                 image[] = {[CLG_CONV_X] = k * plane, [CLG_CONV_W] = 0, [CLG_CONV_Y] = o * plane};
  const clg_conv_operand out = c->output, a = out == CLG_CONV_W ? CLG_CONV_Y : CLG_CONV_W;
  const clg_conv_operand b = out == CLG_CONV_X ? CLG_CONV_Y : CLG_CONV_X;
  clg_product p = product_of(c, a, b, rows, cols, inner[out]);
  p.ta = out == CLG_CONV_X, p.tb = out == CLG_CONV_W;
  p.bias_of_rows = true;
  if (out != CLG_CONV_W) {
    p.batch = (clg_product_batch){1, {(uint32_t)s->batch}, {{image[a]}, {image[b]}, {image[out]}}};
    return clg_product_run(c->ctx, &p, c->op);
  }
  clg_status status = CLG_OK;
  for (int n = 0; status == CLG_OK && n < s->batch; n++) {
    status = clg_product_run(c->ctx, &p, c->op);
    p.a_offset += image[a], p.b_offset += image[b];
    p.accumulate = true;
  }
  return status;
}
