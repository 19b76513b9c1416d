/* Makes cases ready and runs them. */
#include "op_job.h"
#include <stdlib.h>
#include <string.h>

static int64_t volume(const int64_t *shape, int from, int *ndim) {
  int64_t n = 1;
  for (*ndim = 0; *ndim < CASE_DIMS && shape[*ndim]; ++*ndim)
    if (*ndim >= from) n *= shape[*ndim];
  return n;
}

static clg_tensor *labels(clg_context *ctx, int64_t n, int classes) {
  int32_t *v = malloc((size_t)n * sizeof *v);
  for (int64_t i = 0; v && i < n; i++) v[i] = rand() % classes;
  clg_tensor *t = v ? clg_tensor_create_i32(ctx, 1, &n, v) : NULL;
  free(v);
  return t;
}

/* Uniform in (0.05, 0.95), which every formula of the table takes. */
static clg_tensor *operand(clg_context *ctx, const op_job *j, int i, int mb) {
  int64_t shape[CASE_DIMS];
  memcpy(shape, j->c->in[i], sizeof shape);
  int ndim;
  int64_t rest = volume(shape, 1, &ndim), rows = ((int64_t)mb << 18) / rest;
  if (shape[0] == FILL) shape[0] = rows > 0 ? rows : 1;
  if (shape[0] == AS_FIRST) shape[0] = clg_tensor_dim(j->in[0], 0);
  if (j->c->classes && i == j->n_in - 1) return labels(ctx, shape[0], j->c->classes);
  clg_tensor *t = clg_tensor_create(ctx, ndim, shape, NULL);
  if (t) clg_rand_(t, 0.05f, 0.95f);
  if (t && j->pass != PASS_FORWARD && (j->c->grads >> i & 1)) clg_set_requires_grad(t, true);
  return t;
}

bool op_job_begin(clg_context *ctx, op_job *j, const op_case *c, op_pass pass, int mb) {
  *j = (op_job){.c = c, .pass = pass};
  while (j->n_in < CASE_INPUTS && c->in[j->n_in][0]) j->n_in++;
  for (int i = 0; i < j->n_in; i++)
    if (!(j->in[i] = operand(ctx, j, i, mb))) return false;
  j->y = c->run(c, j->in);
  if (!j->y) return false;
  j->g = clg_tensor_create(ctx, clg_tensor_ndim(j->y), clg_tensor_shape(j->y), NULL);
  return j->g && clg_fill_(j->g, 0.5f) == CLG_OK;
}

void op_job_end(op_job *j) {
  for (int i = 0; i < CASE_INPUTS; i++) clg_tensor_unref(&j->in[i]);
  clg_tensor_unref(&j->y);
  clg_tensor_unref(&j->g);
}

bool op_job_call(const op_job *j) {
  clg_scope *scope = clg_scope_open(clg_tensor_context(j->in[0]));
  clg_tensor *y = j->pass == PASS_BACKWARD ? j->y : j->c->run(j->c, j->in);
  if (j->pass != PASS_FORWARD) {
    clg_tensor *inputs[CASE_INPUTS], *grads[CASE_INPUTS];
    size_t n = 0;
    for (int i = 0; i < j->n_in; i++)
      if (j->c->grads >> i & 1) inputs[n++] = j->in[i];
    clg_backward_options o = CLG_BACKWARD_OPTIONS_INIT;
    o.grad = j->g, o.retain_graph = j->pass == PASS_BACKWARD;
    clg_grad(y, inputs, n, false, &o, grads);
  }
  return clg_scope_close(scope) == CLG_OK;
}

static double bytes_of(const clg_tensor *t) { return 4.0 * (double)clg_tensor_numel(t); }

double op_job_bytes(const op_job *j) {
  bool forward = j->pass != PASS_BACKWARD, backward = j->pass != PASS_FORWARD;
  double bytes = bytes_of(j->y) * (forward + backward); /* written; its gradient read */
  for (int i = 0; i < j->n_in; i++)
    bytes +=
        bytes_of(j->in[i]) * (forward + (backward && (j->c->grads >> i & 1)) + (backward && (j->c->reads >> i & 1)));
  return bytes + (backward && (j->c->reads & RESULT) ? bytes_of(j->y) : 0);
}

/* A gradient of a product is a product as large. */
double op_job_flops(const op_job *j) {
  double of = (double)clg_tensor_numel(j->c->over_x ? j->in[0] : j->y);
  int products = j->pass != PASS_BACKWARD;
  if (j->pass != PASS_FORWARD) products += (int)(j->c->grads & 1) + (int)(j->c->grads >> 1 & 1);
  return 2 * of * (double)j->c->inner * products;
}
