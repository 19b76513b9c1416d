/* Classes of products and convolutions that a table has a choice for, and the kernels that it chooses between. */
#include "product/table.h"
#include <string.h>

enum { C = CLG_SIZE_CLASSES, CHANNELS = 5, TAPS = 3, PIXELS = 4 };

static const int64_t typical[C] = {1, 16, 128, 256, 1024};
static const int64_t largest[C] = {1, 31, 191, 639, INT64_MAX};

static const int64_t typical_channels[CHANNELS] = {3, 16, 64, 256, 512};
static const int64_t largest_channels[CHANNELS] = {4, 16, 64, 256, INT64_MAX};
static const int64_t typical_taps[TAPS] = {1, 9, 49};
static const int64_t largest_taps[TAPS] = {1, 25, INT64_MAX};
static const int64_t typical_pixels[PIXELS] = {7 * 7, 14 * 14, 28 * 28, 56 * 56};
static const int64_t largest_pixels[PIXELS] = {64, 256, 1024, INT64_MAX};

const clg_tuning_kind clg_tuning_kinds[CLG_TUNING_KINDS] = {
    [CLG_TUNING_PRODUCT] = {.form = "product ?? ? ? ? ",
                            .field = {"nt", "nt", "01234", "01234", "01234"},
                            .classes = CLG_PRODUCT_CLASSES,
                            .kernels = CLG_PRODUCT_KERNELS,
                            .names = {"fixed", "dot", "row", "direct", "panel", "block", "tile", "clblast"},
                            .own = {[CLG_SHAPE_CPU] =
                                        1 << CLG_PRODUCT_DIRECT | 1 << CLG_PRODUCT_PANEL | 1 << CLG_PRODUCT_BLOCK,
                                    [CLG_SHAPE_GPU] = 1 << CLG_PRODUCT_TILE | 1 << CLG_PRODUCT_CLBLAST}},
    [CLG_TUNING_CONV] =
        {.form = "conv ? ? ? ? ? ? ",
         .field = {"xwy", "012", "01", "01234", "01234", "0123"},
         .classes = CLG_CONV_CLASSES,
         .kernels = CLG_CONV_KERNELS,
         .names = {"fixed", "tile", "pairs", "few", "product"},
         .own = {[CLG_SHAPE_CPU] = 1 << CLG_CONV_PAIRS | 1 << CLG_CONV_FEW, [CLG_SHAPE_GPU] = 1 << CLG_CONV_TILE}},
};

bool clg_tuning_serves(clg_tuning_of of, int kernel, clg_device_shape shape) {
  const clg_tuning_kind *kind = &clg_tuning_kinds[of];
  const clg_device_shape other = shape == CLG_SHAPE_CPU ? CLG_SHAPE_GPU : CLG_SHAPE_CPU;
  return kernel >= 0 && kernel < kind->kernels && !(kind->own[other] >> kernel & 1);
}

int clg_tuning_class(clg_tuning_of of, const int *digit) {
  int class = 0;
  for (int f = 0; f < CLG_TUNING_FIELDS && clg_tuning_kinds[of].field[f]; f++) {
    const int end = (int)strlen(clg_tuning_kinds[of].field[f]);
    if (digit[f] < 0 || digit[f] >= end) return -1;
    class = class * end + digit[f];
  }
  return class;
}

void clg_tuning_digits(clg_tuning_of of, int class, int *digit) {
  for (int f = CLG_TUNING_FIELDS - 1; f >= 0; f--) {
    const char *field = clg_tuning_kinds[of].field[f];
    const int end = field ? (int)strlen(field) : 1;
    digit[f] = class % end;
    class /= end;
  }
}

static const char *name_of(clg_tuning_of of, int kernel) {
  return kernel >= 0 && kernel < clg_tuning_kinds[of].kernels ? clg_tuning_kinds[of].names[kernel] : "";
}

static int class_of(int64_t size, const int64_t *most) {
  int c = 0;
  while (size > most[c]) c++;
  return c;
}

/* ---- products ---- */

const char *clg_product_kernel_name(clg_product_kernel k) { return name_of(CLG_TUNING_PRODUCT, (int)k); }

int clg_size_class(int64_t size) { return class_of(size, largest); }

int64_t clg_size_class_typical(int c) { return c >= 0 && c < C ? typical[c] : 0; }

int clg_tuning_class_of_product(const clg_product_class *c) {
  return c ? clg_tuning_class(CLG_TUNING_PRODUCT, (int[]){c->ta, c->tb, c->m, c->n, c->k}) : -1;
}

/* ---- convolutions ---- */

const char *clg_conv_kernel_name(clg_conv_kernel k) { return name_of(CLG_TUNING_CONV, (int)k); }

int clg_conv_class(const clg_conv_sizes *s) {
  if (!s || s->taps < 1 || s->stride < 1 || s->in < 1 || s->out < 1 || s->pixels < 1) return -1;
  const int digit[] = {(int)s->output,
                       class_of(s->taps, largest_taps),
                       s->stride > 1,
                       class_of(s->in, largest_channels),
                       class_of(s->out, largest_channels),
                       class_of(s->pixels, largest_pixels)};
  return clg_tuning_class(CLG_TUNING_CONV, digit);
}

clg_conv_sizes clg_conv_class_typical(int class) {
  if (class < 0 || class >= CLG_CONV_CLASSES) return (clg_conv_sizes){.taps = 0};
  int d[CLG_TUNING_FIELDS];
  clg_tuning_digits(CLG_TUNING_CONV, class, d);
  return (clg_conv_sizes){.output = (clg_conv_operand)d[0],
                          .taps = typical_taps[d[1]],
                          .stride = d[2] + 1,
                          .in = typical_channels[d[3]],
                          .out = typical_channels[d[4]],
                          .pixels = typical_pixels[d[5]]};
}
