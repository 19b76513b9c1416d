/* Makes cases ready and runs them. */
#include "op_job.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clg_tensor *labels(clg_context *ctx, const op_shape *s, int classes) {
  int64_t n = 1;
  for (int d = 0; d < s->ndim; d++) n *= s->dim[d];
  int32_t *v = malloc((size_t)n * sizeof *v);
  for (int64_t i = 0; v && i < n; i++) v[i] = rand() % classes;
  clg_tensor *t = v ? clg_tensor_create_i32(ctx, s->ndim, s->dim, v) : NULL;
  free(v);
  return t;
}

static clg_tensor *uniform(const op_job *j, int ndim, const int64_t *dim) {
  clg_tensor *t = clg_tensor_create(j->ctx, ndim, dim, NULL);
  if (t) clg_rand_(t, j->low, j->high);
  return t;
}

/* Of this shape, as part of what the layout says. */
static clg_tensor *laid_out(const op_job *j, const op_shape *s) {
  const bench_layout layout = j->layout;
  if (layout == LAYOUT_FLAT || s->ndim < 2) return uniform(j, s->ndim, s->dim);
  op_shape whole = *s;
  const int64_t rows = s->dim[0], n = s->dim[1];
  if (layout == LAYOUT_CHANNELS) whole.dim[1] *= 2;
  if (layout == LAYOUT_HEADS) whole.dim[1] = s->dim[2], whole.dim[2] = n;
  if (layout == LAYOUT_STEPS) {
    memmove(whole.dim + 1, s->dim, (size_t)s->ndim * sizeof *s->dim);
    whole.ndim++, whole.dim[0] = rows, whole.dim[1] = 4;
  }
  clg_tensor *base = uniform(j, whole.ndim, whole.dim), *part = NULL;
  clg_scope *scope = clg_scope_open(j->ctx);
  if (layout == LAYOUT_CHANNELS) part = clg_narrow(base, 1, 0, n);
  if (layout == LAYOUT_HEADS) part = clg_transpose(base, 1, 2);
  if (layout == LAYOUT_STEPS) {
    clg_tensor *steps[4];
    if (clg_unbind(base, 1, steps, 4) == 4) part = steps[1];
  }
  part = clg_scope_close_with(scope, part);
  clg_tensor_unref(&base);
  return part;
}

/* FILL and AS_FIRST as numbers. */
static void fill(int64_t *dim, int ndim, int64_t floats, int64_t first) {
  int64_t rest = 1;
  for (int d = 1; d < ndim; d++) rest *= dim[d];
  if (ndim && dim[0] == FILL) dim[0] = floats > rest ? floats / rest : 1;
  if (ndim && dim[0] == AS_FIRST) dim[0] = first;
}

static clg_tensor *operand(const op_job *j, int i, int64_t floats) {
  op_shape s = j->c->in[i];
  fill(s.dim, s.ndim, floats, i ? clg_tensor_dim(j->in[0], 0) : 0);
  if (j->c->op->integers >> i & 1) return labels(j->ctx, &s, j->c->below);
  clg_tensor *t = laid_out(j, &s);
  if (t && j->pass != PASS_FORWARD && (j->c->grads >> i & 1)) clg_tensor_set_requires_grad(t, true);
  return t;
}

static clg_tensor *called(const op_job *j) {
  op_call call = j->call;
  return j->c->op->call(&call);
}

bool op_job_begin(clg_context *ctx, op_job *j, const bench_case *b, op_pass pass, int64_t floats) {
  *j = (op_job){.ctx = ctx, .c = &b->c, .layout = b->layout, .pass = pass, .n_in = op_inputs(&b->c)};
  j->low = b->c.low, j->high = b->c.high;
  if (j->low == j->high) j->low = 0.05f, j->high = 0.95f; /* which every op takes */
  for (int i = 0; i < j->n_in; i++)
    if (b->c.in[i].present && !(j->in[i] = operand(j, i, floats))) return false;
  j->attrs = b->c.attrs;
  fill(j->attrs.shape, j->n_in ? 0 : j->attrs.ndim, floats, 0);
  j->call = (op_call){.ctx = ctx, .attrs = &j->attrs, .n_in = j->n_in};
  memcpy(j->call.in, j->in, sizeof j->in);
  j->y = called(j);
  if (!j->y) return false;
  j->g = clg_tensor_create(ctx, clg_tensor_ndim(j->y), clg_tensor_shape(j->y), NULL);
  return j->g && clg_fill_(j->g, 0.5f) == CLG_OK;
}

void op_job_end(op_job *j) {
  for (int i = 0; i < OP_INPUTS; i++) clg_tensor_unref(&j->in[i]);
  for (int i = 0; i < OP_FURTHER; i++) clg_tensor_unref(&j->call.further[i]);
  clg_tensor_unref(&j->y);
  clg_tensor_unref(&j->g);
}

bool op_job_call(const op_job *j) {
  clg_scope *scope = clg_scope_open(j->ctx);
  clg_tensor *y = j->pass == PASS_BACKWARD ? j->y : called(j);
  if (j->pass != PASS_FORWARD) {
    for (int i = 0; i < j->n_in; i++)
      if (j->in[i]) clg_tensor_zero_grad(j->in[i]);
    clg_backward_options o = clg_backward_defaults();
    o.grad = j->g, o.retain_graph = j->pass == PASS_BACKWARD;
    clg_backward(y, &o);
  }
  return clg_scope_close(scope) == CLG_OK;
}

/* Shapes with their values: "32,64~-2,2" of floats, "32,64<10" of integers; what is not dense: "32,64~-2,2@steps". */
void op_job_text(const op_job *j, char *out, size_t size) {
  char attrs[256];
  size_t at = 0;
  bench_attrs_text(&j->attrs, attrs, sizeof attrs);
#define ADD(...) at += at < size ? (size_t)snprintf(out + at, size - at, __VA_ARGS__) : 0
  ADD("op %s|%s|%s|", j->c->op->name, attrs, j->pass == PASS_BACKWARD ? "backward" : "forward");
  for (int i = 0; i < j->n_in; i++) {
    ADD("%s", i ? ";" : "");
    for (int d = 0; j->in[i] && d < clg_tensor_ndim(j->in[i]); d++)
      ADD("%s%lld", d ? "," : "", (long long)clg_tensor_dim(j->in[i], d));
    if (j->c->op->integers >> i & 1)
      ADD("<%d", j->c->below);
    else
      ADD("~%.9g,%.9g", (double)j->low, (double)j->high);
    if (j->layout != LAYOUT_FLAT && j->c->in[i].ndim > 1) ADD("@%s", bench_layouts[j->layout]);
  }
  ADD("|%u", j->pass == PASS_BACKWARD ? j->c->grads : 0);
#undef ADD
}

static double bytes_of(const clg_tensor *t) { return t ? 4.0 * (double)clg_tensor_numel(t) : 0; }

double op_job_bytes(const op_job *j) {
  const bool forward = j->pass != PASS_BACKWARD, backward = j->pass != PASS_FORWARD;
  double bytes = bytes_of(j->y) * (forward + backward); /* written; its gradient read */
  for (int i = 0; i < j->n_in; i++)
    bytes += bytes_of(j->in[i]) *
             (forward + (backward && (j->c->grads >> i & 1)) + (backward && (j->c->op->reads >> i & 1)));
  return bytes + (backward && (j->c->op->reads & OP_RESULT) ? bytes_of(j->y) : 0);
}

/* A gradient of a product is a product as large. */
double op_job_flops(const op_job *j) {
  if (!j->c->op->products) return 0;
  int products = j->pass != PASS_BACKWARD;
  if (j->pass != PASS_FORWARD) products += (int)(j->c->grads & 1) + (int)(j->c->grads >> 1 & 1);
  return 2 * j->c->op->products(&j->call, j->y) * products;
}
