/* Measures which kernel is the fastest for each class of products. */
#include "tune.h"

static clg_product_class class_of(int i) {
  enum { C = CLG_SIZE_CLASSES };
  return (clg_product_class){i / (2 * C * C * C), i / (C * C * C) % 2, i / (C * C) % C, i / C % C, i % C};
}

/* The best of all rounds, which take turns: what else runs on the machine only adds. */
static bool measure(clg_context *ctx, row *r, clg_tensor *a, clg_tensor *b, int rounds) {
  int calls[CLG_PRODUCT_KERNELS] = {0};
  for (int turn = -2; turn < rounds; turn++)
    for (int k = 0; k < CLG_PRODUCT_KERNELS; k++) {
      bool wanted = k == CLG_PRODUCT_FIXED || clg_product_kernel_serves(ctx, (clg_product_kernel)k, &r->c);
      if (!wanted || (turn > -1 && r->seconds[k] > HOPELESS * r->seconds[CLG_PRODUCT_FIXED])) continue;
      if (clg_tuning_set(ctx, &r->c, (clg_product_kernel)k) != CLG_OK) return false;
      double t = round_of(ctx, a, b, turn < 0 ? 1 : calls[k]);
      if (t < 0) return false;
      if (turn == 0 && t > LONG) rounds = 1;
      if (turn == -1) calls[k] = t < ROUND ? (int)(ROUND / (t + 1e-6)) + 1 : 1, r->seconds[k] = t; /* built by now */
      if (turn >= 0) r->seconds[k] = least(turn ? r->seconds[k] : 0, t);
    }
  return true;
}

static void judge(row *r) {
  r->best = CLG_PRODUCT_FIXED;
  for (int k = 1; k < CLG_PRODUCT_KERNELS; k++)
    if (r->seconds[k] > 0 && r->seconds[k] * (r->best ? 1 : GAIN) < r->seconds[r->best])
      r->best = (clg_product_kernel)k;
}

static bool tune_class(clg_context *ctx, row *r, int rounds) {
  int serve = 0;
  for (int k = 1; k < CLG_PRODUCT_KERNELS; k++) serve += clg_product_kernel_serves(ctx, (clg_product_kernel)k, &r->c);
  if (serve < 2) return true;
  int64_t m = clg_size_class_typical(r->c.m), n = clg_size_class_typical(r->c.n), k = clg_size_class_typical(r->c.k);
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *a = operand(ctx, m, k, r->c.ta), *b = operand(ctx, k, n, r->c.tb);
  bool ok = a && b && measure(ctx, r, a, b, rounds);
  judge(r);
  row again = {.c = r->c};
  ok = ok && (!r->best || measure(ctx, &again, a, b, rounds));
  judge(&again);
  if (again.best != r->best) r->best = CLG_PRODUCT_FIXED; /* it was noise */
  ok = clg_scope_close(scope) == CLG_OK && ok;
  return clg_tuning_set(ctx, &r->c, r->best) == CLG_OK && ok;
}

bool tune_classes(clg_context *ctx, row *rows, const options *o) {
  bool ok = true;
  for (int i = 0; ok && i < CLASSES; i++) {
    rows[i].c = class_of(i);
    ok = tune_class(ctx, &rows[i], o->rounds);
    progress(o, "classes", i + 1, CLASSES);
  }
  progress_end(o);
  return ok;
}
