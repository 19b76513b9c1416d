/* What clgrad_tune says, as text and as JSON. */
#include "../json_text.h"
#include "tune.h"
#include <stdio.h>
#include <unistd.h>

void progress(const options *o, const char *what, int done, int of) {
  if (!o->quiet && isatty(STDERR_FILENO)) fprintf(stderr, "\r%s: %d of %d", what, done, of);
}

void progress_end(const options *o) {
  if (!o->quiet && isatty(STDERR_FILENO)) fprintf(stderr, "\r%40s\r", "");
}

/* ---- text ---- */

static const char *const states[] = {"not tried", "broken off", "measured", "does not fit", "refused", "wrong product"};

static int count(const findings *f, int kernel, trial_state state) {
  int n = 0;
  for (int i = 0; i < f->n; i++) n += (int)f->trial[i].kernel == kernel && f->trial[i].state == state;
  return n;
}

static void print_values(clg_clblast_kernel k, const uint32_t *values) {
  for (int i = 0; *clg_clblast_parameter_name(k, i); i++) printf(" %s %u", clg_clblast_parameter_name(k, i), values[i]);
}

static void print_clblast(const findings *f) {
  if (!f->serves) return;
  for (int k = 0; k < 2; k++) {
    bool tried = false;
    for (int i = 0; i < f->n; i++) tried = tried || (int)f->trial[i].kernel == k;
    if (!tried) continue;
    const char *name = clg_clblast_kernel_name((clg_clblast_kernel)k);
    printf("CLBlast's %s: %d sets measured, %d refused or wrong, %d do not fit; ", name, count(f, k, TRIAL_MEASURED),
           count(f, k, TRIAL_REFUSED) + count(f, k, TRIAL_WRONG), count(f, k, TRIAL_NO_FIT));
    if (f->best[k] < 0) {
      printf("its own stays\n");
      continue;
    }
    printf("%.2f times as fast with", f->gain[k]);
    print_values((clg_clblast_kernel)k, candidate((clg_clblast_kernel)k, f->trial[f->best[k]].candidate));
    printf("\n");
  }
  if (f->min_indirect)
    printf("CLBlast's Xgemm from %u on: up to %.2f times as fast\n", f->min_indirect, f->min_indirect_gain);
  else if (f->split)
    printf("CLBlast's Xgemm from where it did\n");
}

static void print_classes(const row *rows, int n, const char *what) {
  int better = 0, measured = 0;
  for (int i = 0; i < n; i++) {
    const row *r = &rows[i];
    measured += r->seconds[FIXED] > 0;
    if (!r->best) continue;
    char name[64];
    row_name(r, name, sizeof name);
    if (!better++) printf("%-28s %12s %12s %7s  %s\n", what, "fixed us", "tuned us", "gain", "kernel");
    printf("%-28s %12.1f %12.1f %7.2f  %s\n", name, r->seconds[FIXED] * 1e6, r->seconds[r->best] * 1e6,
           r->seconds[FIXED] / r->seconds[r->best], row_kernel_name(r, r->best));
  }
  if (measured) printf("%d of %d measured classes get another kernel than the fixed one\n", better, measured);
}

void print_text(const clg_context *ctx, const row *rows, const findings *f) {
  const clg_device_info *d = clg_context_device(ctx);
  printf("%s, driver %s, %s shape\n", d->name, d->driver, d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu");
  print_clblast(f);
  print_classes(rows, PRODUCT_CLASSES, "product (M x N x K)");
  print_classes(rows + PRODUCT_CLASSES, CLG_CONV_CLASSES, "convolution");
}

/* ---- JSON ---- */

static json_t *json_values(clg_clblast_kernel k, const uint32_t *values) {
  json_t *all = json_object();
  for (int i = 0; *clg_clblast_parameter_name(k, i); i++)
    json_object_set_new(all, clg_clblast_parameter_name(k, i), json_integer(values[i]));
  return all;
}

static json_t *json_kernel(const findings *f, clg_clblast_kernel k) {
  json_t *tried = json_array(), *best = json_null();
  for (int i = 0; i < f->n; i++) {
    const trial *t = &f->trial[i];
    if (t->kernel != k) continue;
    json_array_append_new(tried, json_pack("{s:o, s:s, s:o}", "parameters", json_values(k, candidate(k, t->candidate)),
                                           "result", states[t->state], "gain",
                                           t->state == TRIAL_MEASURED ? json_real(t->gain) : json_null()));
  }
  if (f->best[k] >= 0) best = json_values(k, candidate(k, f->trial[f->best[k]].candidate));
  return json_pack("{s:o, s:f, s:o}", "parameters", best, "gain", f->best[k] >= 0 ? f->gain[k] : 1.0, "tried", tried);
}

static json_t *json_clblast(const findings *f) {
  if (!f->serves) return json_null();
  return json_pack("{s:o, s:o, s:o}", "Xgemm", json_kernel(f, CLG_CLBLAST_XGEMM), "XgemmDirect",
                   json_kernel(f, CLG_CLBLAST_XGEMM_DIRECT), "XGEMM_MIN_INDIRECT_SIZE",
                   f->min_indirect ? json_integer(f->min_indirect) : json_null());
}

static json_t *json_product(const clg_product_class *c) {
  return json_pack("{s:b, s:b, s:I, s:I, s:I}", "ta", (int)c->ta, "tb", (int)c->tb, "m",
                   (json_int_t)clg_size_class_typical(c->m), "n", (json_int_t)clg_size_class_typical(c->n), "k",
                   (json_int_t)clg_size_class_typical(c->k));
}

static json_t *json_conv(int conv) {
  static const char *const output[] = {[CLG_CONV_X] = "x", [CLG_CONV_W] = "w", [CLG_CONV_Y] = "y"};
  const clg_conv_sizes s = clg_conv_class_typical(conv);
  return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "output", output[s.output], "taps", (json_int_t)s.taps, "stride",
                   (json_int_t)s.stride, "in", (json_int_t)s.in, "out", (json_int_t)s.out, "pixels",
                   (json_int_t)s.pixels);
}

static json_t *json_rows(const row *rows, int n) {
  json_t *list = json_array();
  for (const row *r = rows; r < rows + n; r++) {
    if (r->seconds[FIXED] <= 0) continue;
    json_t *us = json_object(), *one = r->kind == PART_PRODUCTS ? json_product(&r->product) : json_conv(r->conv);
    for (int k = 0; k < row_kernels(r); k++)
      if (r->seconds[k] > 0) json_object_set_new(us, row_kernel_name(r, k), json_real(r->seconds[k] * 1e6));
    json_object_set_new(one, "kernel", json_string(row_kernel_name(r, r->best)));
    json_object_set_new(one, "microseconds", us);
    json_array_append_new(list, one);
  }
  return list;
}

bool print_json(const clg_context *ctx, const row *rows, const findings *f, const char *file) {
  const clg_device_info *d = clg_context_device(ctx);
  char hash[24];
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)clg_tuning_hash(ctx));
  json_t *all = json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:s, s:o, s:o, s:o}", "version", clg_version(), "platform",
                          json_text(d->platform), "device", json_text(d->name), "driver", json_text(d->driver), "shape",
                          d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu", "file", json_text(file), "hash", hash, "clblast",
                          json_clblast(f), "products", json_rows(rows, PRODUCT_CLASSES), "convolutions",
                          json_rows(rows + PRODUCT_CLASSES, CLG_CONV_CLASSES));
  bool ok = all && json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0;
  printf("\n");
  json_decref(all);
  return ok;
}
