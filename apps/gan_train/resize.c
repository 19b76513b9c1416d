/* Resizes planes of bytes. */
#include "resize.h"
#include <math.h>
#include <stdlib.h>

static double triangle(double x) { return fabs(x) < 1 ? 1 - fabs(x) : 0; }

static void fill_place(resize_side *s, uint32_t i) {
  double scale = (double)s->in / s->out, wide = scale > 1 ? scale : 1;
  double centre = (i + 0.5) * scale;
  double low = centre - wide + 0.5, high = centre + wide + 0.5, sum = 0;
  uint32_t first = low > 0 ? (uint32_t)low : 0, end = high < s->in ? (uint32_t)high : s->in;
  float *weight = s->weight + (size_t)i * s->most;
  s->first[i] = first, s->count[i] = end - first;
  for (uint32_t k = first; k < end; k++) sum += triangle((k - centre + 0.5) / wide);
  for (uint32_t k = first; k < end; k++) weight[k - first] = (float)(triangle((k - centre + 0.5) / wide) / sum);
}

static bool make_side(resize_side *s, uint32_t in, uint32_t out) {
  uint32_t most = 2 * (in / out + 1) + 1; /* 2 * wide + 1, rounded up */
  *s = (resize_side){.in = in, .out = out, .most = most};
  s->first = malloc(out * sizeof *s->first);
  s->count = malloc(out * sizeof *s->count);
  s->weight = malloc((size_t)out * most * sizeof *s->weight);
  if (!s->first || !s->count || !s->weight) return false;
  for (uint32_t i = 0; i < out; i++) fill_place(s, i);
  return true;
}

static void free_side(resize_side *s) {
  free(s->first);
  free(s->count);
  free(s->weight);
}

bool resizer_make(resizer *r, uint32_t in_height, uint32_t in_width, uint32_t out_height, uint32_t out_width) {
  *r = (resizer){0};
  r->between = malloc((size_t)in_height * out_width * sizeof *r->between);
  return make_side(&r->rows, in_height, out_height) && make_side(&r->columns, in_width, out_width) && r->between;
}

void resizer_free(resizer *r) {
  free_side(&r->rows);
  free_side(&r->columns);
  free(r->between);
}

static void run_columns(resizer *r, const uint8_t *from, size_t row, size_t pixel) {
  const resize_side *c = &r->columns;
  for (uint32_t y = 0; y < r->rows.in; y++)
    for (uint32_t x = 0; x < c->out; x++) {
      const uint8_t *at = from + y * row + c->first[x] * pixel;
      const float *weight = c->weight + (size_t)x * c->most;
      float sum = 0;
      for (uint32_t k = 0; k < c->count[x]; k++) sum += weight[k] * (float)at[k * pixel];
      r->between[(size_t)y * c->out + x] = sum;
    }
}

void resizer_run(resizer *r, const uint8_t *from, size_t row, size_t pixel, uint8_t *out) {
  const resize_side *rows = &r->rows;
  uint32_t width = r->columns.out;
  run_columns(r, from, row, pixel);
  for (uint32_t y = 0; y < rows->out; y++)
    for (uint32_t x = 0; x < width; x++) {
      const float *at = r->between + (size_t)rows->first[y] * width + x;
      const float *weight = rows->weight + (size_t)y * rows->most;
      float sum = 0.5f;
      for (uint32_t k = 0; k < rows->count[y]; k++) sum += weight[k] * at[(size_t)k * width];
      out[(size_t)y * width + x] = (uint8_t)(sum < 255 ? sum : 255);
    }
}
