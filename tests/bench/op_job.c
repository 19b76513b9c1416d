/* Makes cases ready and runs them. */
#include "op_job.h"
#include <stdlib.h>
#include <string.h>

static clg_tensor *labels(clg_context *ctx, int64_t n, int classes) {
  int32_t *v = malloc((size_t)n * sizeof *v);
  for (int64_t i = 0; v && i < n; i++) v[i] = rand() % classes;
  clg_tensor *t = v ? clg_tensor_create_i32(ctx, 1, &n, v) : NULL;
  free(v);
  return t;
}

/* Uniform in (0.05, 0.95), which every op of the table takes. */
static clg_tensor *operand(clg_context *ctx, const op_job *j, int i, int mb) {
  op_shape s = j->c->in[i];
  int64_t rest = 1;
  for (int d = 1; d < s.ndim; d++) rest *= s.dim[d] == AS_FIRST ? clg_tensor_dim(j->in[0], 0) : s.dim[d];
  int64_t rows = ((int64_t)mb << 18) / rest;
  if (s.ndim && s.dim[0] == FILL) s.dim[0] = rows > 0 ? rows : 1;
  if (s.ndim && s.dim[0] == AS_FIRST) s.dim[0] = clg_tensor_dim(j->in[0], 0);
  if (j->c->op->integers >> i & 1) return labels(ctx, s.dim[0], j->c->below);
  clg_tensor *t = clg_tensor_create(ctx, s.ndim, s.dim, NULL);
  if (t) clg_rand_(t, 0.05f, 0.95f);
  if (t && j->pass != PASS_FORWARD && (j->c->grads >> i & 1)) clg_tensor_set_requires_grad(t, true);
  return t;
}

static clg_tensor *called(const op_job *j) {
  op_call call = j->call;
  return j->c->op->call(&call);
}

bool op_job_begin(clg_context *ctx, op_job *j, const op_case *c, op_pass pass, int mb) {
  *j = (op_job){.c = c, .pass = pass, .n_in = op_inputs(c)};
  for (int i = 0; i < j->n_in; i++)
    if (c->in[i].present && !(j->in[i] = operand(ctx, j, i, mb))) return false;
  j->call = (op_call){.ctx = ctx, .attrs = &c->attrs, .n_in = j->n_in};
  memcpy(j->call.in, j->in, sizeof j->in);
  j->y = called(j);
  if (!j->y) return false;
  j->g = clg_tensor_create(ctx, clg_tensor_ndim(j->y), clg_tensor_shape(j->y), NULL);
  return j->g && clg_fill_(j->g, 0.5f) == CLG_OK;
}

void op_job_end(op_job *j) {
  for (int i = 0; i < OP_INPUTS; i++) clg_tensor_unref(&j->in[i]);
  clg_tensor_unref(&j->y);
  clg_tensor_unref(&j->g);
}

bool op_job_call(const op_job *j) {
  clg_scope *scope = clg_scope_open(clg_tensor_context(j->in[0]));
  clg_tensor *y = j->pass == PASS_BACKWARD ? j->y : called(j);
  if (j->pass != PASS_FORWARD) {
    clg_tensor *inputs[OP_INPUTS], *grads[OP_INPUTS];
    size_t n = 0;
    for (int i = 0; i < j->n_in; i++)
      if (j->c->grads >> i & 1) inputs[n++] = j->in[i];
    clg_backward_options o = clg_backward_defaults();
    o.grad = j->g, o.retain_graph = j->pass == PASS_BACKWARD;
    clg_grad(y, inputs, n, grads, &o);
  }
  return clg_scope_close(scope) == CLG_OK;
}

static double bytes_of(const clg_tensor *t) { return t ? 4.0 * (double)clg_tensor_numel(t) : 0; }

double op_job_bytes(const op_job *j) {
  bool forward = j->pass != PASS_BACKWARD, backward = j->pass != PASS_FORWARD;
  double bytes = bytes_of(j->y) * (forward + backward); /* written; its gradient read */
  for (int i = 0; i < j->n_in; i++)
    bytes += bytes_of(j->in[i]) *
             (forward + (backward && (j->c->grads >> i & 1)) + (backward && (j->c->op->reads >> i & 1)));
  return bytes + (backward && (j->c->op->reads & OP_RESULT) ? bytes_of(j->y) : 0);
}

/* A gradient of a product is a product as large. */
double op_job_flops(const op_job *j) {
  int products = j->pass != PASS_BACKWARD;
  if (!j->c->op->products) return 0;
  if (j->pass != PASS_FORWARD) products += (int)(j->c->grads & 1) + (int)(j->c->grads >> 1 & 1);
  return 2 * j->c->op->products(&j->call, j->y) * products;
}
