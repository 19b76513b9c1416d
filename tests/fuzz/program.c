#include "program.h"
#include <math.h>
#include <string.h>

float program_floats[FLOATS];

int choose(program *p, int n) { return n > 0 && p->at < p->n ? p->bytes[p->at++] % n : 0; }
bool one_in(program *p, int n) { return choose(p, n) == n - 1; }

float a_float(program *p) {
  static const float values[] = {0,    1,         -1,       0.5f, 2,     1e-8f, 1e30f, -1e30f,
                                 0.1f, -INFINITY, INFINITY, NAN,  3.25f, 20,    -20,   0.9f};
  return values[choose(p, 16)];
}

int64_t a_size(program *p) {
  static const int64_t usual[] = {1, 2, 3, 4, 2, 3, 4, 1, 8, 0, 5, 7, 16, 33, 6, 2, 3, 4, 2, 3, 1, 2, 3, 4};
  static const int64_t hostile[] = {-1,        -2,       65536, (int64_t)1 << 30, INT32_MAX, (int64_t)INT32_MAX + 1,
                                    INT64_MAX, INT64_MIN};
  int k = choose(p, 64);
  return k < 8 && p->hostile ? hostile[k] : usual[k % 24];
}

int a_dim(program *p) {
  static const int wrong[] = {8, -9, 100000, INT32_MAX, INT32_MIN, 5, -5, 7};
  int k = choose(p, 40);
  return k < 20 ? k % 4 : k < 32 ? -1 - k % 4 : wrong[k - 32];
}

int a_shape(program *p, int64_t shape[9]) {
  static const int wrong[] = {0, 8, 9, -1, 5, 0};
  int k = choose(p, 32), n = k < 26 ? 1 + k % 4 : wrong[k - 26];
  for (int i = 0; i < 9; i++) shape[i] = i < n && i < 5 ? a_size(p) : 1;
  return n;
}

int some_dims(program *p, int dims[10]) {
  static const int wrong[] = {8, 9, -1, 4};
  int k = choose(p, 12);
  for (int i = 0; i < 10; i++) dims[i] = i < 4 ? a_dim(p) : i;
  return k < 8 ? k % 3 : wrong[k - 8];
}

void a_pair(program *p, int pair[2]) {
  static const int values[] = {1, 1, 2, 2, 3, 0, 1, 2, -1, 4, 1000000, INT32_MAX, INT32_MIN, 1, 2, 1};
  for (int i = 0; i < 2; i++) pair[i] = values[choose(p, p->hostile ? 16 : 10)];
}

clg_tensor *any(program *p) {
  int k = choose(p, TENSORS + 1);
  if (k == TENSORS && one_in(p, 8)) return NULL;
  for (int i = 0; i < TENSORS; i++)
    if (p->tensor[(k + i) % TENSORS]) return p->tensor[(k + i) % TENSORS];
  return NULL;
}
clg_tensor *perhaps(program *p) { return one_in(p, 2) ? any(p) : NULL; }

void keep_own(program *p, clg_tensor *t) {
  if (!t) return;
  clg_tensor **place = &p->tensor[choose(p, TENSORS)];
  clg_tensor_unref(place);
  *place = t;
}

void keep(program *p, clg_tensor *t) { keep_own(p, p->scopes ? clg_tensor_ref(t) : t); }

/* Ops twice as often as each of the others. */
static program_step next_step(program *p, int *number) {
  const program_step *steps[] = {op_steps, op_steps, graph_steps, owner_steps};
  const int counts[] = {op_step_count, op_step_count, graph_step_count, owner_step_count};
  int kind = choose(p, 4), k = choose(p, counts[kind]);
  *number = 100 * kind + k;
  return steps[kind][k];
}

void program_run(program *p, void (*after)(void *user, clg_context *ctx, int step), void *user) {
  for (int i = 0; i < FLOATS; i++) program_floats[i] = (float)(i % 7) - 3;
  while (p->at < p->n) {
    int number = 0;
    program_step step = next_step(p, &number);
    step(p);
    if (after) after(user, p->ctx, number);
  }
}

void program_end(program *p) {
  while (p->scopes) clg_scope_close(p->scope[--p->scopes]);
  for (; p->hooks; p->hooks--) clg_pop_saved_hooks(p->ctx);
  for (int i = 0; i < TENSORS; i++) clg_tensor_zero_grad(p->tensor[i]); /* with create_graph it may hold its tensor */
  clg_ema_unref(&p->average);
  for (int i = 0; i < OPTIMS; i++) clg_optim_unref(&p->optim[i]);
  for (int i = 0; i < MODULES; i++) clg_module_zero_grad(p->module[i]), clg_module_unref(&p->module[i]);
  for (int i = 0; i < TENSORS; i++) clg_tensor_unref(&p->tensor[i]);
}
