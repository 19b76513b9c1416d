/* The tables of kernels for products: in a context, and in files. A file is lines of text: what it is, whose it is, a
 * line for each kernel of CLBlast that has parameters and for each class that has a choice, and the hash of all that,
 * so that a damaged file is seen. */
#include "device/tuning.h"
#include "base/file.h"
#include "base/output.h"
#include "device/gemm_given.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC   "clgrad-tuning 1"
#define LARGEST (1 << 16)
#define WHY     160

static const char only_gpu[] = "CLBlast serves the GPU shape of device alone";

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

static bool is_of_shape(clg_product_kernel k, clg_device_shape shape) {
  if (k <= CLG_PRODUCT_ROW) return true;
  return (k <= CLG_PRODUCT_BLOCK) == (shape == CLG_SHAPE_CPU) && k < CLG_PRODUCT_KERNELS;
}

/* ---- the table of a context ---- */

static bool is_class(const clg_product_class *c) {
  return c && c->m >= 0 && c->m < CLG_SIZE_CLASSES && c->n >= 0 && c->n < CLG_SIZE_CLASSES && c->k >= 0 &&
         c->k < CLG_SIZE_CLASSES;
}

static void printable(char *to, size_t size, const char *from) {
  size_t n = 0;
  for (; from[n] && n + 1 < size; n++) to[n] = from[n] >= ' ' && from[n] < 127 ? from[n] : '?';
  to[n] = 0;
}

static void of_context(clg_tuning *t, const clg_context *ctx) {
  *t = (clg_tuning){.shape = ctx->shape};
  printable(t->platform, sizeof t->platform, ctx->info.platform);
  printable(t->device, sizeof t->device, ctx->info.name);
  printable(t->driver, sizeof t->driver, ctx->info.driver);
}

static void add_text(clg_str *s, const clg_tuning *t) {
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

/* Nonzero. False: out of memory. */
static bool hash(clg_tuning *t) {
  clg_str s = {0};
  add_text(&s, t);
  t->hash = clg_hash(CLG_HASH_START, s.data ? s.data : "", s.len);
  if (!t->hash) t->hash = 1;
  clg_str_free(&s);
  return !s.failed;
}

clg_product_kernel clg_tuning_get(const clg_context *ctx, const clg_product_class *c) {
  if (!ctx || !ctx->tuning || !is_class(c)) return CLG_PRODUCT_FIXED;
  return (clg_product_kernel)ctx->tuning->kernel[c->ta][c->tb][c->m][c->n][c->k];
}

static clg_status no_memory(clg_context *ctx, const char *op) {
  return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
}

/* An empty table, if there is none. */
static clg_status make(clg_context *ctx, const char *op) {
  if (ctx->tuning) return CLG_OK;
  clg_tuning *t = malloc(sizeof *t);
  if (!t) return no_memory(ctx, op);
  of_context(t, ctx);
  if (!ctx->queue && ctx->gemm) t->before = *ctx->gemm;
  clg_status s = clg_gemm_join(ctx, &t->clblast, op);
  if (s == CLG_OK)
    ctx->tuning = t;
  else
    free(t);
  return s;
}

clg_status clg_tuning_set(clg_context *ctx, const clg_product_class *c, clg_product_kernel kernel) {
  if (!ctx) return CLG_ERR_ARGUMENT;
  if (!is_class(c) || !is_of_shape(kernel, ctx->shape))
    return clg_fail(ctx, CLG_ERR_ARGUMENT, "tuning_set",
                    "no such class of products, or kernel on this shape of device");
  clg_status s = make(ctx, "tuning_set");
  if (s != CLG_OK) return s;
  ctx->tuning->kernel[c->ta][c->tb][c->m][c->n][c->k] = (uint8_t)kernel;
  return hash(ctx->tuning) ? CLG_OK : no_memory(ctx, "tuning_set");
}

void clg_tuning_clear(clg_context *ctx) {
  if (!ctx || !ctx->tuning) return;
  clg_gemm_leave(ctx);
  if (!ctx->queue && ctx->gemm) *ctx->gemm = ctx->tuning->before;
  free(ctx->tuning);
  ctx->tuning = NULL;
}

/* ---- CLBlast's parameters ---- */

static bool fits(const clg_context *ctx, clg_clblast_kernel k, const uint32_t *values, char *why, size_t size) {
  clg_gemm_needs needs = clg_gemm_params_needs(k, values);
  if (!ctx->queue || (needs.items <= ctx->info.max_work_group && needs.local_bytes <= ctx->info.local_bytes))
    return true;
  snprintf(why, size, "%u work-items and %llu bytes of local memory are more than a work-group of the device has",
           needs.items, (unsigned long long)needs.local_bytes);
  return false;
}

bool clg_clblast_fits(const clg_context *ctx, clg_clblast_kernel k, const uint32_t *values) {
  char why[WHY];
  return ctx && values && ctx->shape == CLG_SHAPE_GPU && clg_gemm_params_check(k, values, why, sizeof why) &&
         fits(ctx, k, values, why, sizeof why);
}

/* A plan's profile is what the parameters say; a device is asked. */
static void follow(clg_context *ctx, const clg_gemm_params *p) {
  if (!ctx->queue && ctx->gemm)
    clg_gemm_params_profile(p, ctx->gemm);
  else
    clg_gemm_refresh(ctx);
}

clg_status clg_tuning_set_clblast(clg_context *ctx, clg_clblast_kernel k, const uint32_t *values) {
  static const char op[] = "tuning_set_clblast";
  char why[WHY] = "";
  if (!ctx || !values) return CLG_ERR_ARGUMENT;
  if (ctx->shape != CLG_SHAPE_GPU) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "%s", only_gpu);
  if (!clg_gemm_params_check(k, values, why, sizeof why) || !fits(ctx, k, values, why, sizeof why))
    return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "%s: %s", clg_clblast_kernel_name(k), why);
  clg_status s = make(ctx, op);
  if (s != CLG_OK) return s;
  clg_gemm_params p = ctx->tuning->clblast;
  p.has[k] = true;
  for (int i = 0; i < CLG_CLBLAST_PARAMETERS; i++) p.value[k][i] = *clg_clblast_parameter_name(k, i) ? values[i] : 0;
  s = clg_gemm_give(ctx, &p, false, op);
  if (s != CLG_OK) return s;
  ctx->tuning->clblast = p;
  follow(ctx, &p);
  return hash(ctx->tuning) ? CLG_OK : no_memory(ctx, op);
}

bool clg_tuning_get_clblast(const clg_context *ctx, clg_clblast_kernel k, uint32_t *values) {
  if ((unsigned)k >= CLG_CLBLAST_KERNELS || !ctx || !ctx->tuning || !ctx->tuning->clblast.has[k] || !values)
    return false;
  memcpy(values, ctx->tuning->clblast.value[k], sizeof ctx->tuning->clblast.value[k]);
  return true;
}

/* ---- the rest of the table ---- */

uint64_t clg_tuning_hash(const clg_context *ctx) { return ctx && ctx->tuning ? ctx->tuning->hash : 0; }

clg_status clg_tuning_copy(clg_context *to, const clg_context *from) {
  if (!from->tuning) return CLG_OK;
  to->tuning = malloc(sizeof *to->tuning);
  if (!to->tuning) return no_memory(to, NULL);
  *to->tuning = *from->tuning;
  if (!to->queue && to->gemm) to->tuning->before = *to->gemm; /* the lender's: with the table */
  return CLG_OK;
}

/* ---- files ---- */

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
  if (kernel == CLG_PRODUCT_KERNELS || !is_of_shape((clg_product_kernel)kernel, t->shape) || *to) return false;
  *to = (uint8_t)kernel;
  return true;
}

/* The number of the line that is wrong, and why where that is more than damage; 0: none. The last says the hash of what
 * it should be: anything that is not written as we would write it shows there. */
static int parse(char *text, clg_tuning *t, char *why, size_t size) {
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
      last = hash(t);
      snprintf(end, sizeof end, "end %016llx", (unsigned long long)t->hash);
      ok = last && !strcmp(line, end) && !line[n + 1];
    }
    if (!ok || last) return ok ? 0 : number;
    line += n + 1;
  }
}

/* malloced, with a NUL behind; NULL: it is not there, too large, or holds a NUL. */
static char *read_text(const char *path) {
  FILE *f = clg_fopen_regular(path);
  char *text = f ? malloc(LARGEST + 1) : NULL;
  size_t n = text ? fread(text, 1, LARGEST, f) : 0;
  bool ok = n && n < LARGEST && !ferror(f) && !memchr(text, 0, n);
  if (f) fclose(f);
  if (text) text[n] = 0;
  if (ok) return text;
  free(text);
  return NULL;
}

/* Whether the table is of the context's device; a plan has none. */
static bool is_of(const clg_tuning *t, const clg_context *ctx) {
  clg_tuning mine;
  of_context(&mine, ctx);
  return !ctx->queue ||
         (!strcmp(t->platform, mine.platform) && !strcmp(t->device, mine.device) && !strcmp(t->driver, mine.driver));
}

/* Whether a table that was read can be the context's. */
static clg_status suits(clg_context *ctx, const clg_tuning *t, const char *path, const char *op) {
  char why[WHY];
  if (!is_of(t, ctx))
    return clg_fail(ctx, CLG_ERR_IO, op, "%.160s is of another device or driver: %.90s, driver %.60s", path, t->device,
                    t->driver);
  if (t->shape != ctx->shape)
    return clg_fail(ctx, CLG_ERR_IO, op, "%.200s is of the %s shape of device, not the %s shape", path,
                    t->shape == CLG_SHAPE_CPU ? "CPU" : "GPU", ctx->shape == CLG_SHAPE_CPU ? "CPU" : "GPU");
  for (int k = 0; k < CLG_CLBLAST_KERNELS; k++)
    if (t->clblast.has[k] && !fits(ctx, (clg_clblast_kernel)k, t->clblast.value[k], why, sizeof why))
      return clg_fail(ctx, CLG_ERR_IO, op, "%.200s: %s: %s", path, clg_clblast_kernel_name((clg_clblast_kernel)k), why);
  return CLG_OK;
}

static clg_status read_table(clg_context *ctx, const char *path, clg_tuning *t, const char *op) {
  char why[WHY] = "", *text = read_text(path);
  if (!text) return clg_fail(ctx, CLG_ERR_IO, op, "cannot read a table of clgrad_tune from %.200s", path);
  int wrong = parse(text, t, why, sizeof why);
  free(text);
  if (*why) return clg_fail(ctx, CLG_ERR_IO, op, "%.200s: line %d: %s", path, wrong, why);
  if (wrong)
    return clg_fail(ctx, CLG_ERR_IO, op, "%.200s is no table of clgrad_tune, or is damaged: line %d", path, wrong);
  return suits(ctx, t, path, op);
}

clg_status clg_tuning_load(clg_context *ctx, const char *path) {
  static const char op[] = "tuning_load";
  if (!ctx || !path) return ctx ? clg_fail(ctx, CLG_ERR_ARGUMENT, op, "it needs a path") : CLG_ERR_ARGUMENT;
  clg_tuning *t = malloc(sizeof *t);
  if (!t) return no_memory(ctx, op);
  clg_status s = read_table(ctx, path, t, op);
  if (s == CLG_OK) s = clg_gemm_give(ctx, &t->clblast, !ctx->tuning, op);
  if (s != CLG_OK) {
    free(t);
    return s;
  }
  if (!ctx->queue && ctx->gemm) t->before = ctx->tuning ? ctx->tuning->before : *ctx->gemm;
  if (!ctx->queue && ctx->gemm) *ctx->gemm = t->before;
  free(ctx->tuning);
  ctx->tuning = t;
  follow(ctx, &t->clblast);
  return CLG_OK;
}

clg_status clg_tuning_load_wanted(clg_context *ctx) {
  const char *path = getenv("CLGRAD_TUNING");
  return path && *path ? clg_tuning_load(ctx, path) : CLG_OK;
}

clg_status clg_tuning_save(clg_context *ctx, const char *path) {
  static const char op[] = "tuning_save";
  if (!ctx || !path) return ctx ? clg_fail(ctx, CLG_ERR_ARGUMENT, op, "it needs a path") : CLG_ERR_ARGUMENT;
  if (!ctx->tuning) return clg_fail(ctx, CLG_ERR_STATE, op, "there is no table to save");
  clg_str text = {0};
  add_text(&text, ctx->tuning);
  clg_str_addf(&text, "end %016llx\n", (unsigned long long)ctx->tuning->hash);
  clg_status s = clg_output_all(ctx, op, path, &text);
  clg_str_free(&text);
  return s;
}
