/* Runs formulas over tensors: broadcasting, the sum behind, and the op that they are. */
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <string.h>

typedef struct formula_attrs {
  clg_formula *f;
  float params[CLG_FORMULA_PARAMS];
  uint32_t dims; /* summed over */
  bool keepdim, divides;
  float by; /* what the sum is divided by, if it is */
  int ndim; /* of the broadcast shape */
  int64_t shape[CLG_MAX_DIMS];
} formula_attrs;

clg_tensor *clg_reduced_view(const clg_tensor *t, uint32_t dims, int ndim, const int64_t *shape) {
  int64_t stride[CLG_MAX_DIMS];
  bool keepdim = t->ndim == ndim;
  for (int d = 0, from = 0; d < ndim; d++) {
    bool gone = dims >> d & 1;
    stride[d] = gone ? 0 : t->stride[from];
    if (!gone || keepdim) from++;
  }
  return clg_tensor_view(t->storage, t->offset, ndim, shape, stride);
}

clg_tensor *clg_expand_reduced(clg_tensor *t, uint32_t dims, int ndim, const int64_t *shape) {
  if (!dims) return t;
  int64_t ones[CLG_MAX_DIMS];
  for (int d = 0; d < ndim; d++) ones[d] = dims >> d & 1 ? 1 : shape[d];
  return clg_expand(clg_reshape(t, ndim, ones), ndim, shape);
}

/* The dimensions along which input i was stretched. */
static uint32_t stretched(const clg_op_call *c, int i) {
  const formula_attrs *a = c->attrs;
  const clg_input_shape *s = clg_op_input(c, i);
  return clg_stretched(a->ndim, a->shape, s->ndim, s->dim);
}

static bool broadcast_all(clg_op_call *c) {
  formula_attrs *a = c->attrs;
  for (int i = 0; i < c->n; i++) {
    if (clg_broadcast(&a->ndim, a->shape, c->in[i])) continue;
    char x[CLG_SHAPE_TEXT], y[CLG_SHAPE_TEXT];
    return clg_refuse(c->ctx, CLG_ERR_SHAPE, a->f->name, "shapes %s and %s do not broadcast",
                      clg_shape_text(a->ndim, a->shape, x), clg_tensor_text(c->in[i], y));
  }
  /* Without a sum it is the result's shape, which is checked. */
  return !a->dims || clg_shape_numel(c->ctx, a->ndim, a->shape, a->f->name) >= 0;
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  const formula_attrs *a = c->attrs;
  if (!broadcast_all(c)) return false;
  out->ndim = 0;
  for (int d = 0; d < a->ndim; d++) {
    bool gone = a->dims >> d & 1;
    if (!gone || a->keepdim) out->dim[out->ndim++] = gone ? 1 : a->shape[d];
  }
  return true;
}

static clg_status forward(clg_op_call *c) {
  const formula_attrs *a = c->attrs;
  clg_map_fn *fn = a->f->forward;
  const clg_tensor *const *in = (const clg_tensor *const *)c->in;
  clg_tensor *y = c->out[0];
  const float one = 1;
  if (!a->dims) return clg_map_run(fn, &y, in, a->params, false, a->f->name);
  if (a->divides) return clg_map_mean(fn, a->by, y, in, &one, a->ndim, a->shape, a->dims, a->f->name);
  return clg_map_reduce(fn, CLG_REDUCE_SUM, y, in, a->params, a->ndim, a->shape, a->dims, false, a->f->name);
}

static uint32_t needs(const clg_op_call *c, int input) {
  const clg_formula *f = ((const formula_attrs *)c->attrs)->f;
  uint32_t uses = f->grad[input].uses, result = uses >> f->n_in & 1;
  return (uses & ((1u << f->n_in) - 1)) | (result ? CLG_OUT(0) : 0);
}

/* A parameter is there anyway; a formula may read it. */
static uint32_t keeps(const clg_op_call *c) {
  uint32_t slots = 0;
  for (int i = 0; !((const formula_attrs *)c->attrs)->dims && i < c->n; i++)
    if (c->in[i]->storage->role == CLG_ROLE_PARAMETER) slots |= CLG_IN(i);
  return slots;
}

/* Gradient i by its kernel over in[], y, g. */
static clg_status run_gradient(clg_op_call *c, int i, const clg_tensor *const *tensors) {
  const formula_attrs *a = c->attrs;
  clg_map_fn *fn = a->f->grad[i].fn;
  const uint32_t dims = stretched(c, i);
  clg_grad_place *to = c->to[i].t ? &c->to[i] : clg_op_begin(c, i);
  if (!to) return clg_last_status(c->ctx);
  clg_status s =
      dims ? clg_map_reduce(fn, CLG_REDUCE_SUM, to->t, tensors, a->params, a->ndim, a->shape, dims, to->add, a->f->name)
           : clg_map_run(fn, &to->t, tensors, a->params, to->add, a->f->name);
  return s == CLG_OK ? clg_op_end(c, i) : s;
}

/* Gradients that one kernel makes: as large as the result, and written, not added. Of equal ones that go to nodes the
 * first serves all. */
typedef struct joint {
  uint32_t made;
  int same_as[CLG_FORMULA_INPUTS];
  clg_tensor *held[CLG_FORMULA_INPUTS]; /* for those that are the same */
} joint;

static void find_joint(const clg_op_call *c, joint *j) {
  const formula_attrs *a = c->attrs;
  j->made = 0;
  for (int i = 0; i < c->n; i++) {
    j->same_as[i] = i, j->held[i] = NULL;
    if (!clg_op_wants(c, i) || a->f->grad[i].identity || stretched(c, i)) continue;
    if (clg_expr_is_absent(clg_arena_of(c->ctx), a->f->grad[i].d)) continue; /* zeros, of no tensor */
    for (int k = 0; k < i && c->node->edge[i].node; k++)
      if ((j->made >> k & 1) && c->node->edge[k].node && a->f->grad[k].d == a->f->grad[i].d) j->same_as[i] = k;
    if (j->same_as[i] == i) j->made |= 1u << i;
  }
}

/* Into their places. Those that add to what is there are left alone, and a single one too. */
static clg_status run_joint(clg_op_call *c, joint *j, const clg_tensor *const *tensors) {
  const formula_attrs *a = c->attrs;
  clg_tensor *to[CLG_FORMULA_INPUTS];
  int n = 0;
  find_joint(c, j);
  for (int i = 0; (j->made & (j->made - 1)) && i < c->n; i++) {
    if (!(j->made >> i & 1)) continue;
    if (!clg_op_begin(c, i)) return clg_last_status(c->ctx);
    if (c->to[i].add)
      j->made &= ~(1u << i);
    else
      to[n++] = c->to[i].t;
  }
  if (n < 2) {
    j->made = 0;
    return CLG_OK;
  }
  for (int i = 0; i < c->n; i++) {
    clg_tensor **held = &j->held[j->same_as[i]];
    if (j->same_as[i] != i && !*held) *held = clg_tensor_ref(c->to[j->same_as[i]].t);
  }
  clg_map_fn *fn = clg_formula_joint(c->ctx, a->f, j->made);
  return fn ? clg_map_run(fn, to, tensors, a->params, false, a->f->name) : clg_last_status(c->ctx);
}

/* In the order of the inputs, which is that of sums. A result y of the broadcast shape is used as it is: rows with a
 * sum behind state their gradients without y. */
static clg_status hand_on(clg_op_call *c, const joint *j, const clg_tensor *const *tensors) {
  const formula_attrs *a = c->attrs;
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < c->n; i++) {
    if (!clg_op_wants(c, i)) continue;
    clg_tensor *same = j->same_as[i] != i ? j->held[j->same_as[i]] : NULL;
    if (j->made >> i & 1)
      s = clg_op_end(c, i);
    else if (same || (a->f->grad[i].identity && !stretched(c, i)))
      s = clg_op_give(c, i, clg_tensor_ref(same ? same : (clg_tensor *)tensors[c->n + 1]));
    else
      s = run_gradient(c, i, tensors);
  }
  return s;
}

static clg_status backward(clg_op_call *c) {
  const formula_attrs *a = c->attrs;
  clg_tensor *g = a->dims ? clg_reduced_view(c->grad, a->dims, a->ndim, a->shape) : clg_tensor_ref(c->grad);
  if (!g) return clg_last_status(c->ctx);
  const clg_tensor *tensors[CLG_FORMULA_INPUTS + 2];
  for (int i = 0; i < c->n; i++) tensors[i] = c->in[i];
  tensors[c->n] = c->out[0], tensors[c->n + 1] = g;
  joint j;
  clg_status s = run_joint(c, &j, tensors);
  if (s == CLG_OK) s = hand_on(c, &j, tensors);
  for (int i = 0; i < c->n; i++) clg_tensor_unref(&j.held[i]);
  clg_tensor_unref(&g);
  return s;
}

clg_tensor *clg_formula_recorded_gradient(clg_formula *f, int i, clg_tensor *const *tensors, const float *params) {
  clg_tensor *g = tensors[f->n_in + 1], *in[CLG_FORMULA_INPUTS];
  clg_formula *r = g ? clg_formula_recorded(g->ctx, f, i) : NULL;
  if (!r) return NULL;
  for (int k = 0, to = 0; k < f->n_in + 2; k++)
    if (f->grad[i].inputs >> k & 1) in[to++] = tensors[k];
  return clg_formula_apply(r, in, params, 0, false);
}

clg_tensor *clg_sum_to_shape(clg_tensor *t, int ndim, const int64_t *shape) {
  if (!t) return NULL;
  uint32_t dims = clg_stretched(t->ndim, t->shape, ndim, shape);
  if (dims) t = clg_formula_apply(clg_formula_row(t->ctx, CLG_ROW_SUM), &t, NULL, dims, false);
  return clg_reshape(t, ndim, shape);
}

static clg_tensor *composed_gradient(clg_op_call *c, int i, clg_tensor *const *tensors) {
  const formula_attrs *a = c->attrs;
  const clg_input_shape *s = clg_op_input(c, i);
  if (clg_expr_is_absent(clg_arena_of(c->ctx), a->f->grad[i].d)) return clg_full(c->ctx, s->ndim, s->dim, 0);
  if (a->f->grad[i].identity && !stretched(c, i)) return tensors[c->n + 1];
  return clg_sum_to_shape(clg_formula_recorded_gradient(a->f, i, tensors, a->params), s->ndim, s->dim);
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const formula_attrs *a = c->attrs;
  clg_tensor *tensors[CLG_FORMULA_INPUTS + 2];
  memcpy(tensors, c->in, (size_t)c->n * sizeof *tensors);
  tensors[c->n] = c->out[0];
  tensors[c->n + 1] = clg_expand_reduced(c->grad, a->dims, a->ndim, a->shape);
  for (int i = 0; i < c->n; i++)
    if (clg_op_wants(c, i)) d[i] = composed_gradient(c, i, tensors);
}

static clg_expr recompute(clg_recompute *r, clg_node *n) {
  const formula_attrs *a = clg_op_attrs(n);
  clg_expr in[CLG_FORMULA_INPUTS], number[CLG_FORMULA_PARAMS];
  bool ok = !a->dims && clg_recompute_shape(r, a->ndim, a->shape);
  for (int i = 0; ok && i < a->f->n_in; i++) ok = (in[i] = clg_recompute_input(r, n, i));
  for (int i = 0; ok && i < a->f->n_param; i++) ok = (number[i] = clg_recompute_number(r, a->params[i]));
  return ok ? clg_formula_over(n->ctx, a->f, in, number) : 0;
}

static const clg_op formula_op = {.attrs = sizeof(formula_attrs),
                                  .traits = CLG_OP_STRIDED | CLG_OP_LATE,
                                  .shapes = shapes,
                                  .forward = forward,
                                  .needs = needs,
                                  .keeps = keeps,
                                  .backward = backward,
                                  .compose = compose,
                                  .recompute = recompute};

/* by != NULL: the sum is divided by it. */
static clg_tensor *apply(clg_formula *f, clg_tensor *const *in, const float *params, uint32_t dims, bool keepdim,
                         const float *by) {
  if (!f) return NULL;
  if (!f->op.name) {
    f->op = formula_op;
    f->op.name = f->name;
  }
  formula_attrs a;
  a.f = f;
  a.dims = dims;
  a.keepdim = keepdim;
  a.divides = by != NULL;
  a.by = by ? *by : 1;
  a.ndim = 0;
  if (f->n_param) memcpy(a.params, params, (size_t)f->n_param * sizeof *params);
  return clg_op_run(&f->op, in, f->n_in, &a);
}

clg_tensor *clg_formula_apply(clg_formula *f, clg_tensor *const *in, const float *params, uint32_t dims, bool keepdim) {
  return apply(f, in, params, dims, keepdim, NULL);
}

clg_tensor *clg_formula_mean(clg_formula *f, clg_tensor *const *in, float by, uint32_t dims, bool keepdim) {
  const float s = 1 / by;
  return apply(f, in, &s, dims, keepdim, &by);
}

clg_tensor *clg_row_apply(clg_row_id id, clg_tensor *const *in, const float *params) {
  const clg_row *row = &clg_rows[id];
  const clg_tensor *any = in[0];
  for (int i = 1; !any && i < CLG_ROW_MOST && row->in[i]; i++) any = in[i];
  if (!any) return clg_null_object(NULL, row->name);
  return clg_formula_apply(clg_formula_row(any->ctx, id), in, params, 0, false);
}
