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

static void name_class(const clg_product_class *c, char *to, size_t size) {
  snprintf(to, size, "%c%c %lld x %lld x %lld", "nt"[c->ta], "nt"[c->tb], (long long)clg_size_class_typical(c->m),
           (long long)clg_size_class_typical(c->n), (long long)clg_size_class_typical(c->k));
}

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

void print_text(const clg_context *ctx, const row *rows, const findings *f) {
  const clg_device_info *d = clg_context_device(ctx);
  printf("%s, driver %s, %s shape\n", d->name, d->driver, d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu");
  print_clblast(f);
  int better = 0, measured = 0;
  for (int i = 0; i < CLASSES; i++) {
    const row *r = &rows[i];
    measured += r->seconds[0] > 0;
    if (!r->best) continue;
    char name[64];
    name_class(&r->c, name, sizeof name);
    if (!better++) printf("%-24s %12s %12s %7s  %s\n", "product (M x N x K)", "fixed us", "tuned us", "gain", "kernel");
    printf("%-24s %12.1f %12.1f %7.2f  %s\n", name, r->seconds[0] * 1e6, r->seconds[r->best] * 1e6,
           r->seconds[0] / r->seconds[r->best], clg_product_kernel_name(r->best));
  }
  if (measured) printf("%d of %d measured classes get another kernel than the fixed one\n", better, measured);
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

static json_t *json_row(const row *r) {
  json_t *us = json_object();
  for (int k = 0; k < CLG_PRODUCT_KERNELS; k++)
    if (r->seconds[k] > 0)
      json_object_set_new(us, clg_product_kernel_name((clg_product_kernel)k), json_real(r->seconds[k] * 1e6));
  return json_pack("{s:b, s:b, s:I, s:I, s:I, s:s, s:o}", "ta", (int)r->c.ta, "tb", (int)r->c.tb, "m",
                   (json_int_t)clg_size_class_typical(r->c.m), "n", (json_int_t)clg_size_class_typical(r->c.n), "k",
                   (json_int_t)clg_size_class_typical(r->c.k), "kernel", clg_product_kernel_name(r->best),
                   "microseconds", us);
}

bool print_json(const clg_context *ctx, const row *rows, const findings *f, const char *file) {
  const clg_device_info *d = clg_context_device(ctx);
  json_t *list = json_array();
  char hash[24];
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)clg_tuning_hash(ctx));
  for (int i = 0; i < CLASSES; i++)
    if (rows[i].seconds[0] > 0) json_array_append_new(list, json_row(&rows[i]));
  json_t *all = json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:s, s:o, s:o}", "version", clg_version(), "platform",
                          json_text(d->platform), "device", json_text(d->name), "driver", json_text(d->driver), "shape",
                          d->shape == CLG_SHAPE_CPU ? "cpu" : "gpu", "file", json_text(file), "hash", hash, "clblast",
                          json_clblast(f), "products", list);
  bool ok = all && json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0;
  printf("\n");
  json_decref(all);
  return ok;
}
