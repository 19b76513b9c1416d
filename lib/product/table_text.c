/* A table of kernels for products as text: what it is, whose it is, a line for each kernel of CLBlast that has
 * parameters and for each class that has a choice, and the hash of all that, so that a damaged file is seen. */
#include "product/table.h"
#include <stdio.h>
#include <string.h>

#define MAGIC "clgrad-tuning 1"

static const char *const names[CLG_PRODUCT_KERNELS] = {"fixed", "dot",   "row",  "direct",
                                                       "panel", "block", "tile", "clblast"};
static const int64_t typical[CLG_SIZE_CLASSES] = {1, 16, 128, 256, 1024};
static const int64_t largest[CLG_SIZE_CLASSES] = {1, 31, 191, 639, INT64_MAX};

const char *clg_product_kernel_name(clg_product_kernel k) { return (unsigned)k < CLG_PRODUCT_KERNELS ? names[k] : ""; }

int clg_size_class(int64_t size) {
  int c = 0;
  while (size > largest[c]) c++;
  return c;
}

int64_t clg_size_class_typical(int c) { return c >= 0 && c < CLG_SIZE_CLASSES ? typical[c] : 0; }

bool clg_tuning_serves(clg_product_kernel k, clg_device_shape shape) {
  if (k <= CLG_PRODUCT_ROW) return true;
  return (k <= CLG_PRODUCT_BLOCK) == (shape == CLG_SHAPE_CPU) && k < CLG_PRODUCT_KERNELS;
}

static void printable(char *to, size_t size, const char *from) {
  size_t n = 0;
  for (; from[n] && n + 1 < size; n++) to[n] = from[n] >= ' ' && from[n] < 127 ? from[n] : '?';
  to[n] = 0;
}

void clg_tuning_begin(clg_tuning *t, const clg_context *ctx) {
  *t = (clg_tuning){.shape = ctx->shape};
  printable(t->platform, sizeof t->platform, ctx->info.platform);
  printable(t->device, sizeof t->device, ctx->info.name);
  printable(t->driver, sizeof t->driver, ctx->info.driver);
}

static void print(clg_str *s, const clg_tuning *t) {
  clg_str_addf(s, "%s\nplatform %s\ndevice %s\ndriver %s\nshape %s\n", MAGIC, t->platform, t->device, t->driver,
               t->shape == CLG_SHAPE_CPU ? "cpu" : "gpu");
  clg_gemm_params_print(&t->clblast, s);
  const uint8_t *kernel = &t->kernel[0][0][0][0][0];
  enum { C = CLG_SIZE_CLASSES };
  for (int i = 0; i < 4 * C * C * C; i++)
    if (kernel[i])
      clg_str_addf(s, "product %c%c %d %d %d %s\n", "nt"[i / (2 * C * C * C)], "nt"[i / (C * C * C) % 2],
                   i / (C * C) % C, i / C % C, i % C, names[kernel[i]]);
}

bool clg_tuning_rehash(clg_tuning *t) {
  clg_str s = {0};
  print(&s, t);
  t->hash = clg_hash(CLG_HASH_START, s.data ? s.data : "", s.len);
  if (!t->hash) t->hash = 1;
  clg_str_free(&s);
  return !s.failed;
}

void clg_tuning_print(const clg_tuning *t, clg_str *to) {
  print(to, t);
  clg_str_addf(to, "end %016llx\n", (unsigned long long)t->hash);
}

/* ---- read back ---- */

static bool text_line(const char *line, const char *key, char *to, size_t size) {
  size_t n = strlen(key);
  if (strncmp(line, key, n) || strlen(line + n) >= size) return false;
  printable(to, size, line + n);
  return !strcmp(to, line + n);
}

static bool digit(const char **at, int end, int *out) {
  *out = (*at)[0] - '0';
  if ((*at)[0] < '0' || *out >= end || (*at)[1] != ' ') return false;
  *at += 2;
  return true;
}

/* "product nt 2 3 3 panel" */
static bool product_line(const char *line, clg_tuning *t) {
  static const char key[] = "product ";
  const char *at = line + sizeof key - 1;
  if (strncmp(line, key, sizeof key - 1) || !*at || !strchr("nt", at[0]) || !at[1] || !strchr("nt", at[1]) ||
      at[2] != ' ')
    return false;
  int ta = at[0] == 't', tb = at[1] == 't', m, n, k, kernel = 1;
  at += 3;
  if (!digit(&at, CLG_SIZE_CLASSES, &m) || !digit(&at, CLG_SIZE_CLASSES, &n) || !digit(&at, CLG_SIZE_CLASSES, &k))
    return false;
  while (kernel < CLG_PRODUCT_KERNELS && strcmp(at, names[kernel])) kernel++;
  uint8_t *to = &t->kernel[ta][tb][m][n][k];
  if (kernel == CLG_PRODUCT_KERNELS || !clg_tuning_serves((clg_product_kernel)kernel, t->shape) || *to) return false;
  *to = (uint8_t)kernel;
  return true;
}

/* The last line says the hash of what it should be: anything that is not written as we would write it shows there. */
int clg_tuning_parse(char *text, clg_tuning *t, char *why, size_t size) {
  char end[32] = "", shape[8] = "", *line = text;
  *t = (clg_tuning){0};
  for (int number = 1;; number++) {
    size_t n = strcspn(line, "\n");
    bool ok = line[n] == '\n', last = false;
    line[n] = 0;
    if (ok && number == 1)
      ok = !strcmp(line, MAGIC);
    else if (ok && number == 2)
      ok = text_line(line, "platform ", t->platform, sizeof t->platform);
    else if (ok && number == 3)
      ok = text_line(line, "device ", t->device, sizeof t->device);
    else if (ok && number == 4)
      ok = text_line(line, "driver ", t->driver, sizeof t->driver);
    else if (ok && number == 5) {
      ok = text_line(line, "shape ", shape, sizeof shape) && (!strcmp(shape, "cpu") || !strcmp(shape, "gpu"));
      t->shape = *shape == 'c' ? CLG_SHAPE_CPU : CLG_SHAPE_GPU;
    } else if (ok && !strncmp(line, "clblast ", 8)) {
      ok = t->shape == CLG_SHAPE_GPU && clg_gemm_params_read(line + 8, &t->clblast, why, size);
    } else if (ok && !product_line(line, t)) {
      last = clg_tuning_rehash(t);
      snprintf(end, sizeof end, "end %016llx", (unsigned long long)t->hash);
      ok = last && !strcmp(line, end) && !line[n + 1];
    }
    if (!ok || last) return ok ? 0 : number;
    line += n + 1;
  }
}
