/* Measures which kernel is the fastest for each class of products and of convolutions. */
#include "tune.h"

static clg_product_class product_class(int i) {
  enum { C = CLG_SIZE_CLASSES };
  return (clg_product_class){i / (2 * C * C * C), i / (C * C * C) % 2, i / (C * C) % C, i / C % C, i % C};
}

/* The best of all rounds, which take turns: what else runs on the machine only adds. */
static bool measure(clg_context *ctx, row *r, const work *w, int rounds) {
  int calls[MOST_KERNELS] = {0};
  for (int turn = -2; turn < rounds; turn++)
    for (int k = 0; k < row_kernels(r); k++) {
      bool wanted = k == FIXED || row_serves(ctx, r, k);
      if (!wanted || (turn > -1 && r->seconds[k] > HOPELESS * r->seconds[FIXED])) continue;
      if (!row_choose(ctx, r, k)) return false;
      double t = round_of(ctx, w, turn < 0 ? 1 : calls[k]);
      if (t < 0) return false;
      if (turn == 0 && t > LONG) rounds = 1;
      if (turn == -1) calls[k] = t < ROUND ? (int)(ROUND / (t + 1e-6)) + 1 : 1, r->seconds[k] = t; /* built by now */
      if (turn >= 0) r->seconds[k] = least(turn ? r->seconds[k] : 0, t);
    }
  return true;
}

static void judge(row *r) {
  r->best = FIXED;
  for (int k = 1; k < row_kernels(r); k++)
    if (r->seconds[k] > 0 && r->seconds[k] * (r->best ? 1 : GAIN) < r->seconds[r->best]) r->best = k;
}

static bool tune_class(clg_context *ctx, row *r, int rounds) {
  int serve = r->kind == PART_CONVOLUTIONS; /* of products the fixed choice is one of those that serve */
  for (int k = 1; k < row_kernels(r); k++) serve += row_serves(ctx, r, k);
  if (serve < 2) return true;
  clg_scope *scope = clg_scope_open(ctx);
  work w;
  bool ok = row_prepare(ctx, r, &w) && measure(ctx, r, &w, rounds);
  judge(r);
  row again = {.kind = r->kind, .product = r->product, .conv = r->conv};
  ok = ok && (!r->best || measure(ctx, &again, &w, rounds));
  judge(&again);
  if (again.best != r->best) r->best = FIXED; /* it was noise */
  ok = clg_scope_close(scope) == CLG_OK && ok;
  return row_choose(ctx, r, r->best) && ok;
}

bool tune_classes(clg_context *ctx, row *rows, const options *o) {
  bool ok = true;
  for (int i = 0; ok && i < CLASSES; i++) {
    row *r = &rows[i];
    *r = i < PRODUCT_CLASSES ? (row){.kind = PART_PRODUCTS, .product = product_class(i)}
                             : (row){.kind = PART_CONVOLUTIONS, .conv = i - PRODUCT_CLASSES};
    if (o->parts & r->kind) ok = tune_class(ctx, r, o->rounds);
    progress(o, "classes", i + 1, CLASSES);
  }
  progress_end(o);
  return ok;
}
