/* The table of kernels that a context has, and its files. */
#include "product/table.h"
#include "base/file.h"
#include "base/output.h"
#include "product/clblast.h"
#include "product/given.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST (1 << 16)
#define WHY     160

static clg_tuning *table_of(const clg_context *ctx) { return clg_product_state_of(ctx)->tuning; }

static int get(const clg_context *ctx, clg_tuning_of of, int class) {
  const clg_tuning *t = ctx ? table_of(ctx) : NULL;
  return t && class >= 0 && class < clg_tuning_kinds[of].classes ? t->kernel[of][class] : 0;
}

clg_product_kernel clg_tuning_get(const clg_context *ctx, const clg_product_class *c) {
  return (clg_product_kernel)get(ctx, CLG_TUNING_PRODUCT, clg_tuning_class_of_product(c));
}

clg_conv_kernel clg_tuning_get_conv(const clg_context *ctx, int class) {
  return (clg_conv_kernel)get(ctx, CLG_TUNING_CONV, class);
}

static clg_status no_memory(clg_context *ctx, const char *op) {
  return clg_fail(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
}

/* Whether the context may have a table. */
static clg_status may_have(clg_context *ctx, const char *op) {
  if (!ctx->info.reproducible) return CLG_OK;
  return clg_fail(ctx, CLG_ERR_STATE, op, "a reproducible context has no table: shapes alone choose its kernels");
}

/* An empty table, if there is none. */
static clg_status make(clg_context *ctx, const char *op) {
  clg_product_state *state = clg_product_state_of(ctx);
  if (state->tuning) return CLG_OK;
  if (may_have(ctx, op) != CLG_OK) return CLG_ERR_STATE;
  clg_tuning *t = malloc(sizeof *t);
  if (!t) return no_memory(ctx, op);
  clg_tuning_begin(t, ctx);
  if (!ctx->queue) t->before = state->gemm;
  clg_status s = clg_gemm_join(ctx, &t->clblast, op);
  if (s == CLG_OK)
    state->tuning = t;
  else
    free(t);
  return s;
}

static clg_status set(clg_context *ctx, clg_tuning_of of, int class, int kernel, const char *op) {
  if (class < 0 || class >= clg_tuning_kinds[of].classes || !clg_tuning_serves(of, kernel, ctx->shape))
    return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "no such class of %ss, or kernel on this shape of device",
                    of == CLG_TUNING_PRODUCT ? "product" : "convolution");
  clg_status s = make(ctx, op);
  if (s != CLG_OK) return s;
  clg_tuning *t = table_of(ctx);
  t->kernel[of][class] = (uint8_t)kernel;
  return clg_tuning_rehash(t) ? CLG_OK : no_memory(ctx, op);
}

clg_status clg_tuning_set(clg_context *ctx, const clg_product_class *c, clg_product_kernel kernel) {
  if (!ctx) return CLG_ERR_ARGUMENT;
  return set(ctx, CLG_TUNING_PRODUCT, clg_tuning_class_of_product(c), (int)kernel, "tuning_set");
}

clg_status clg_tuning_set_conv(clg_context *ctx, int class, clg_conv_kernel kernel) {
  if (!ctx) return CLG_ERR_ARGUMENT;
  return set(ctx, CLG_TUNING_CONV, class, (int)kernel, "tuning_set_conv");
}

void clg_tuning_clear(clg_context *ctx) {
  clg_product_state *state = ctx ? clg_product_state_of(ctx) : NULL;
  if (!state || !state->tuning) return;
  clg_gemm_leave(ctx);
  if (!ctx->queue) state->gemm = state->tuning->before;
  free(state->tuning);
  state->tuning = NULL;
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
  if (!ctx->queue)
    clg_gemm_params_profile(p, &clg_product_state_of(ctx)->gemm);
  else
    clg_gemm_refresh(ctx);
}

clg_status clg_tuning_set_clblast(clg_context *ctx, clg_clblast_kernel k, const uint32_t *values) {
  static const char op[] = "tuning_set_clblast";
  char why[WHY] = "";
  if (!ctx || !values) return CLG_ERR_ARGUMENT;
  if (ctx->shape != CLG_SHAPE_GPU)
    return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "CLBlast serves the GPU shape of device alone");
  if (!clg_gemm_params_check(k, values, why, sizeof why) || !fits(ctx, k, values, why, sizeof why))
    return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "%s: %s", clg_clblast_kernel_name(k), why);
  clg_status s = make(ctx, op);
  if (s != CLG_OK) return s;
  clg_tuning *t = table_of(ctx);
  clg_gemm_params p = t->clblast;
  p.has[k] = true;
  for (int i = 0; i < CLG_CLBLAST_PARAMETERS; i++) p.value[k][i] = *clg_clblast_parameter_name(k, i) ? values[i] : 0;
  s = clg_gemm_give(ctx, &p, false, op);
  if (s != CLG_OK) return s;
  t->clblast = p;
  follow(ctx, &p);
  return clg_tuning_rehash(t) ? CLG_OK : no_memory(ctx, op);
}

bool clg_tuning_get_clblast(const clg_context *ctx, clg_clblast_kernel k, uint32_t *values) {
  const clg_tuning *t = ctx ? table_of(ctx) : NULL;
  if ((unsigned)k >= CLG_CLBLAST_KERNELS || !t || !t->clblast.has[k] || !values) return false;
  memcpy(values, t->clblast.value[k], sizeof t->clblast.value[k]);
  return true;
}

/* ---- the rest of the table ---- */

uint64_t clg_tuning_hash(const clg_context *ctx) {
  const clg_tuning *t = ctx ? table_of(ctx) : NULL;
  return t ? t->hash : 0;
}

clg_status clg_tuning_copy(clg_context *to, const clg_context *from) {
  clg_product_state *state = clg_product_state_of(to);
  const clg_tuning *t = table_of(from);
  if (!t) return CLG_OK;
  state->tuning = malloc(sizeof *state->tuning);
  if (!state->tuning) return no_memory(to, NULL);
  *state->tuning = *t;
  if (!to->queue) state->tuning->before = state->gemm; /* the lender's: with the table */
  return CLG_OK;
}

/* ---- files ---- */

/* malloced, with a NUL behind; NULL: it is not there, too large, or holds a NUL. */
/* A short text without zeros: yours, or NULL with the error set. */
static char *read_text(clg_context *ctx, const char *path, const char *op) {
  errno = 0;
  FILE *f = clg_fopen_regular(path);
  char *text = f ? malloc(LARGEST + 1) : NULL;
  bool no_memory = f ? !text : errno == ENOMEM;
  size_t n = text ? fread(text, 1, LARGEST, f) : 0;
  bool ok = n && n < LARGEST && !ferror(f) && !memchr(text, 0, n);
  if (f) fclose(f);
  if (text) text[n] = 0;
  if (ok) return text;
  free(text);
  if (no_memory) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, op, "out of host memory");
  return clg_fail_object(ctx, CLG_ERR_IO, op, "cannot read a table of clgrad_tune from %.200s", path);
}

/* Whether the table is of the context's device; a plan has none. */
static bool is_of(const clg_tuning *t, const clg_context *ctx) {
  clg_tuning mine;
  clg_tuning_begin(&mine, ctx);
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
    return clg_fail(ctx, CLG_ERR_IO, op,
                    t->shape == CLG_SHAPE_CPU ? "%.200s is of the CPU shape of device, not the GPU shape"
                                              : "%.200s is of the GPU shape of device, not the CPU shape",
                    path);
  for (int k = 0; k < CLG_CLBLAST_KERNELS; k++)
    if (t->clblast.has[k] && !fits(ctx, (clg_clblast_kernel)k, t->clblast.value[k], why, sizeof why))
      return clg_fail(ctx, CLG_ERR_IO, op, "%.200s: %s: %s", path, clg_clblast_kernel_name((clg_clblast_kernel)k), why);
  return CLG_OK;
}

static clg_status read_table(clg_context *ctx, const char *path, clg_tuning *t, const char *op) {
  char why[WHY] = "", *text = read_text(ctx, path, op);
  if (!text) return clg_last_status(ctx);
  int wrong = clg_tuning_parse(text, t, why, sizeof why);
  free(text);
  if (*why) return clg_fail(ctx, CLG_ERR_IO, op, "%.200s: line %d: %s", path, wrong, why);
  if (wrong)
    return clg_fail(ctx, CLG_ERR_IO, op, "%.200s is no table of clgrad_tune, or is damaged: line %d", path, wrong);
  return suits(ctx, t, path, op);
}

clg_status clg_tuning_load(clg_context *ctx, const char *path) {
  static const char op[] = "tuning_load";
  if (!ctx || !path) return ctx ? clg_fail(ctx, CLG_ERR_ARGUMENT, op, "it needs a path") : CLG_ERR_ARGUMENT;
  if (may_have(ctx, op) != CLG_OK) return CLG_ERR_STATE;
  clg_product_state *state = clg_product_state_of(ctx);
  clg_tuning *t = malloc(sizeof *t);
  if (!t) return no_memory(ctx, op);
  clg_status s = read_table(ctx, path, t, op);
  if (s == CLG_OK) s = clg_gemm_give(ctx, &t->clblast, !state->tuning, op);
  if (s != CLG_OK) {
    free(t);
    return s;
  }
  if (!ctx->queue) t->before = state->tuning ? state->tuning->before : state->gemm;
  if (!ctx->queue) state->gemm = t->before;
  free(state->tuning);
  state->tuning = t;
  follow(ctx, &t->clblast);
  return CLG_OK;
}

clg_status clg_tuning_load_wanted(clg_context *ctx) {
  const char *path = getenv("CLGRAD_TUNING");
  if (!path || !*path) return CLG_OK;
  if (!ctx->info.reproducible) return clg_tuning_load(ctx, path);
  clg_log_line(ctx, "CLGRAD_TUNING is not read: shapes alone choose the kernels of a reproducible context");
  return CLG_OK;
}

clg_status clg_tuning_save(clg_context *ctx, const char *path) {
  static const char op[] = "tuning_save";
  if (!ctx || !path) return ctx ? clg_fail(ctx, CLG_ERR_ARGUMENT, op, "it needs a path") : CLG_ERR_ARGUMENT;
  const clg_tuning *t = table_of(ctx);
  if (!t) return clg_fail(ctx, CLG_ERR_STATE, op, "there is no table to save");
  clg_str text = {0};
  clg_tuning_print(t, &text);
  clg_status s = clg_output_all(ctx, op, path, &text);
  clg_str_free(&text);
  return s;
}
