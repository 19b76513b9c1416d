/* Products, convolutions and their times. */
#include "tune.h"
#include <stdio.h>
#include <time.h>

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

clg_tensor *operand(clg_context *ctx, int64_t rows, int64_t columns, bool transposed) {
  clg_tensor *t = clg_rand(ctx, 2, transposed ? (int64_t[]){columns, rows} : (int64_t[]){rows, columns}, -1, 1);
  return transposed ? clg_transpose(t, 0, 1) : t;
}

static void call(const work *w) {
  const clg_backward_options back = {.grad = w->gradient, .retain_graph = true};
  clg_tensor *gradient;
  switch (w->output) {
  case CLG_CONV_X: clg_conv_transpose2d(w->a, w->b, NULL, &w->options); return;
  case CLG_CONV_W: clg_grad(w->a, &w->b, 1, &gradient, &back); return;
  case CLG_CONV_Y: clg_conv2d(w->a, w->b, NULL, &w->options); return;
  default: clg_matmul(w->a, w->b);
  }
}

double round_of(clg_context *ctx, const work *w, int calls) {
  double start = now();
  for (int i = 0; i < calls; i++) {
    clg_scope *scope = clg_scope_open(ctx);
    call(w);
    if (clg_scope_close(scope) != CLG_OK) return -1;
  }
  return clg_finish(ctx) == CLG_OK ? (now() - start) / calls : -1;
}

double least(double a, double b) { return a == 0 || b < a ? b : a; }

clg_context *open_context(const options *o) {
  char message[512] = "";
  clg_context *ctx = NULL;
  clg_context_options c = clg_context_defaults();
  c.device = o->device, c.shape = o->shape, c.message = message, c.message_size = sizeof message;
  if (clg_context_create(&ctx, &c) == CLG_OK) return ctx;
  fprintf(stderr, "clgrad_tune: %s\n", message);
  return NULL;
}
