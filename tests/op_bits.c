/* A number of the bits that an elementwise op of the table gives for every float between two: its values, and first and
 * second gradients, 0 and -0 being one. Two builds of the library with one number compute the same there.
 *
 * usage: op_bits OP FROM TO */
#include "op_table/op_table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const op_case *case_of(const char *name) {
  for (size_t i = 0; i < op_case_count(); i++)
    if (!strcmp(op_case_at(i)->op->name, name)) return op_case_at(i);
  return NULL;
}

static uint64_t add(uint64_t sum, clg_tensor *t, float *v, size_t n) {
  if (!t || clg_tensor_read(t, v) != CLG_OK) return 0;
  for (size_t i = 0; i < n; i++) v[i] += 0.0f;
  for (size_t i = 0; i < n * sizeof *v; i++) sum = (sum ^ ((unsigned char *)v)[i]) * 1099511628211u;
  return sum;
}

static uint64_t bits(clg_context *ctx, const op_case *c, float *v, int64_t n) {
  uint64_t sum = 14695981039346656037u;
  op_call call = {.ctx = ctx, .attrs = &c->attrs, .n_in = 1};
  clg_tensor *x = call.in[0] = clg_tensor_create(ctx, 1, &n, v), *g = NULL, *gg = NULL;
  clg_tensor_set_requires_grad(x, true);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = c->op->call(&call);
  const clg_backward_options o = {.create_graph = true, .allow_unused = true};
  sum = add(sum, y, v, (size_t)n);
  clg_grad(clg_sum(y, NULL, 0, false), &x, 1, &g, &o);
  if (sum) sum = add(sum, g, v, (size_t)n);
  if (clg_tensor_requires_grad(g))
    clg_grad(clg_sum(g, NULL, 0, false), &x, 1, &gg, &(clg_backward_options){.allow_unused = true});
  if (sum && gg) sum = add(sum, gg, v, (size_t)n);
  if (clg_scope_close(s) != CLG_OK) sum = 0;
  clg_tensor_unref(&x);
  return sum;
}

int main(int argc, char **argv) {
  const op_case *c = argc == 4 ? case_of(argv[1]) : NULL;
  if (!c) return fputs("usage: op_bits OP FROM TO\n", stderr), 2;
  float from = strtof(argv[2], NULL), to = strtof(argv[3], NULL);
  uint32_t low, high;
  memcpy(&low, &from, sizeof low), memcpy(&high, &to, sizeof high);
  int64_t n = (int64_t)high - low;
  if (n < 0) n = -n, low = high;
  float *v = malloc((size_t)(n + 1) * sizeof *v);
  for (int64_t i = 0; v && i <= n; i++) high = low + (uint32_t)i, memcpy(&v[i], &high, sizeof high);
  clg_context *ctx = NULL;
  clg_context_options o = clg_context_defaults();
  uint64_t sum = v && clg_context_create(&ctx, &o) == CLG_OK ? bits(ctx, c, v, n + 1) : 0;
  if (sum) printf("%016llx of %lld numbers\n", (unsigned long long)sum, (long long)n + 1);
  clg_context_unref(&ctx);
  free(v);
  return !sum;
}
