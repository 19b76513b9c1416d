/* Runs formulas over tensors: broadcasting, the sum behind, recording, and the backward of what was recorded. */
#include "graph/recipe.h"
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <stddef.h>
#include <string.h>

/* A recorded formula. Saved slot i holds in[i], slot n_in the result; only those are filled that a gradient reads. */
typedef struct formula_attrs {
  clg_formula *f;
  float params[CLG_FORMULA_PARAMS];
  uint32_t dims; /* summed over */
  int ndim;      /* of the broadcast shape */
  int64_t shape[CLG_MAX_DIMS];
  int in_ndim[CLG_FORMULA_INPUTS];
  int64_t in_shape[CLG_FORMULA_INPUTS][CLG_MAX_DIMS]; /* last: a node keeps as many as there are inputs */
} formula_attrs;

clg_tensor *clg_unreduced(const clg_tensor *t, uint32_t dims, int ndim, const int64_t *shape) {
  int64_t stride[CLG_MAX_DIMS];
  bool keepdim = t->ndim == ndim;
  for (int d = 0, from = 0; d < ndim; d++) {
    bool gone = dims >> d & 1;
    stride[d] = gone ? 0 : t->stride[from];
    if (!gone || keepdim) from++;
  }
  return clg_tensor_view(t->storage, t->offset, ndim, shape, stride);
}

clg_tensor *clg_respread(clg_tensor *g, uint32_t dims, int ndim, const int64_t *shape) {
  if (!dims) return clg_tensor_ref(g);
  if (!clg_creates_graph(g->ctx)) return clg_unreduced(g, dims, ndim, shape);
  int64_t ones[CLG_MAX_DIMS];
  for (int d = 0; d < ndim; d++) ones[d] = dims >> d & 1 ? 1 : shape[d];
  clg_scope *scope = clg_scope_open(g->ctx);
  clg_tensor *wide = clg_tensor_ref(clg_expand(clg_reshape(g, ndim, ones), ndim, shape));
  clg_scope_close(scope);
  return wide;
}

/* The dimensions along which input i was stretched. */
static uint32_t stretched(const formula_attrs *a, int i) {
  uint32_t mask = 0;
  int lead = a->ndim - a->in_ndim[i];
  for (int d = 0; d < a->ndim; d++)
    if (d < lead || (a->in_shape[i][d - lead] == 1 && a->shape[d] != 1)) mask |= 1u << d;
  return mask;
}

static clg_status give_computed(clg_node *n, const formula_attrs *a, int i, clg_tensor *const *tensors, uint32_t dims) {
  bool add;
  clg_tensor *to = clg_edge_begin(n, i, a->in_ndim[i], a->in_shape[i], &add);
  if (!to) return clg_last_status(n->ctx);
  clg_map_fn *fn = a->f->grad[i].fn;
  const clg_tensor *const *in = (const clg_tensor *const *)tensors;
  clg_status s = dims ? clg_map_reduce(fn, CLG_REDUCE_SUM, to, in, a->params, a->ndim, a->shape, dims, add, n->op)
                      : clg_map_run(fn, &to, in, a->params, add, n->op);
  if (s == CLG_OK) return clg_edge_end(n, i, to);
  clg_tensor_unref(&to);
  return s;
}

clg_tensor *clg_formula_recorded_gradient(clg_formula *f, int i, clg_tensor *const *tensors, const float *params) {
  clg_tensor *g = tensors[f->n_in + 1], *in[CLG_FORMULA_INPUTS];
  clg_formula *r = clg_formula_recorded(g->ctx, f, i);
  if (!r) return NULL;
  for (int k = 0, to = 0; k < f->n_in + 2; k++)
    if (f->grad[i].takes >> k & 1) in[to++] = tensors[k];
  return clg_formula_apply(r, in, params, 0, false);
}

/* With create_graph: the same by recorded ops. */
static clg_status give_recorded(clg_node *n, const formula_attrs *a, int i, clg_tensor *const *tensors, uint32_t dims) {
  clg_scope *scope = clg_scope_open(n->ctx);
  bool zero = clg_expr_is_absent(clg_arena_of(n->ctx), a->f->grad[i].d);
  clg_tensor *g = zero ? clg_full(n->ctx, a->in_ndim[i], a->in_shape[i], 0)
                       : clg_formula_recorded_gradient(a->f, i, tensors, a->params);
  int list[CLG_MAX_DIMS], count = 0;
  for (int d = 0; d < a->ndim; d++)
    if (!zero && (dims >> d & 1)) list[count++] = d;
  if (count) g = clg_sum(g, list, count, false);
  g = clg_reshape(g, a->in_ndim[i], a->in_shape[i]);
  clg_status s = g ? clg_edge_give(n, i, clg_tensor_ref(g)) : clg_last_status(n->ctx);
  clg_scope_close(scope);
  return s;
}

static clg_status give_gradient(clg_node *n, const formula_attrs *a, int i, clg_tensor *const *tensors) {
  uint32_t dims = stretched(a, i);
  if (a->f->grad[i].passes && !dims) return clg_edge_give(n, i, clg_tensor_ref(tensors[a->f->n_in + 1]));
  return clg_creates_graph(n->ctx) ? give_recorded(n, a, i, tensors, dims) : give_computed(n, a, i, tensors, dims);
}

static clg_status formula_backward(clg_node *n, clg_tensor *grad) {
  const formula_attrs *a = n->attrs;
  clg_tensor *tensors[CLG_FORMULA_INPUTS + 2] = {NULL}, **g = &tensors[a->f->n_in + 1];
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i <= a->f->n_in; i++) {
    bool wanted = false;
    for (int k = 0; k < a->f->n_in; k++) wanted = wanted || (clg_node_wants(n, k) && (a->f->grad[k].uses >> i & 1));
    if (wanted && !(tensors[i] = clg_node_unpack_view(n, i))) s = clg_last_status(n->ctx);
  }
  if (s == CLG_OK && !(*g = clg_respread(grad, a->dims, a->ndim, a->shape))) s = clg_last_status(n->ctx);
  /* A result y of the broadcast shape is used as it is: rows with a sum behind state their gradients without y. */
  for (int i = 0; s == CLG_OK && i < a->f->n_in; i++)
    if (clg_node_wants(n, i)) s = give_gradient(n, a, i, tensors);
  for (int i = 0; i < a->f->n_in + 2; i++) clg_tensor_unref(&tensors[i]);
  return s;
}

static clg_expr formula_recipe(clg_node *n, clg_recipe *r) {
  const formula_attrs *a = n->attrs;
  clg_expr in[CLG_FORMULA_INPUTS], number[CLG_FORMULA_PARAMS];
  bool ok = !a->dims && clg_recipe_shape(r, a->ndim, a->shape);
  for (int i = 0; ok && i < a->f->n_in; i++) ok = (in[i] = clg_recipe_input(r, n, i));
  for (int i = 0; ok && i < a->f->n_param; i++) ok = (number[i] = clg_recipe_number(r, a->params[i]));
  return ok ? clg_formula_over(n->ctx, a->f, in, number) : 0;
}

static const clg_node_class formula_class = {.backward = formula_backward, .recipe = formula_recipe};

static clg_status record(clg_formula *f, clg_tensor *const *in, clg_tensor *y, const formula_attrs *attrs) {
  uint32_t uses = 0;
  for (int i = 0; i < f->n_in; i++)
    if (in[i]->requires_grad) uses |= f->grad[i].uses;
  /* A parameter is there anyway; a recipe may read it. */
  for (int i = 0; !attrs->dims && clg_keeps_recipes(in[0]->ctx) && i < f->n_in; i++)
    if (in[i]->storage->role == CLG_ROLE_PARAMETER) uses |= 1u << i;
  size_t size = offsetof(formula_attrs, in_shape) + (size_t)f->n_in * sizeof attrs->in_shape[0];
  clg_node *n = clg_node_create(in, f->n_in, uses ? f->n_in + 1 : 0, size, &formula_class, f->name);
  if (!n) return CLG_ERR_HOST_MEMORY;
  memcpy(n->attrs, attrs, size);
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i <= f->n_in; i++)
    if (uses >> i & 1) s = clg_node_save(n, i, i < f->n_in ? in[i] : y, i < f->n_in ? i : CLG_SAVED_OUTPUT);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

static bool broadcast_all(formula_attrs *a, clg_formula *f, clg_tensor *const *in) {
  for (int i = 0; i < f->n_in; i++) {
    a->in_ndim[i] = in[i]->ndim;
    memcpy(a->in_shape[i], in[i]->shape, sizeof in[i]->shape);
    if (clg_broadcast(&a->ndim, a->shape, in[i])) continue;
    char x[CLG_SHAPE_TEXT], y[CLG_SHAPE_TEXT];
    clg_fail(in[0]->ctx, CLG_ERR_SHAPE, f->name, "shapes %s and %s do not broadcast",
             clg_shape_text(a->ndim, a->shape, x), clg_shape_text(in[i]->ndim, in[i]->shape, y));
    return false;
  }
  return clg_shape_numel(in[0]->ctx, a->ndim, a->shape, f->name) >= 0;
}

static clg_tensor *result_tensor(const formula_attrs *a, clg_context *ctx, bool keepdim) {
  int ndim = 0;
  int64_t shape[CLG_MAX_DIMS];
  for (int d = 0; d < a->ndim; d++) {
    bool gone = a->dims >> d & 1;
    if (!gone || keepdim) shape[ndim++] = gone ? 1 : a->shape[d];
  }
  return clg_tensor_new(ctx, ndim, shape, clg_result_role(ctx), a->f->name);
}

/* `by` is NULL unless the sum is divided. */
static clg_status run_forward(const formula_attrs *a, clg_tensor *const *in, const float *by, clg_tensor *y) {
  clg_map_fn *fn = a->f->forward;
  const clg_tensor *const *from = (const clg_tensor *const *)in;
  const float one = 1;
  if (!a->dims) return clg_map_run(fn, &y, from, a->params, false, a->f->name);
  return by ? clg_map_mean(fn, *by, y, from, &one, a->ndim, a->shape, a->dims, a->f->name)
            : clg_map_reduce(fn, CLG_REDUCE_SUM, y, from, a->params, a->ndim, a->shape, a->dims, false, a->f->name);
}

static clg_tensor *apply(clg_formula *f, clg_tensor *const *in, const float *params, const float *by, uint32_t dims,
                         bool keepdim) {
  if (!f || !clg_inputs_ok(in, f->n_in, f->name)) return NULL;
  clg_context *ctx = in[0]->ctx;
  formula_attrs a = {.f = f, .dims = dims};
  if (!broadcast_all(&a, f, in)) return NULL;
  memcpy(a.params, params ? params : (const float[1]){0}, (size_t)f->n_param * sizeof *params);
  clg_tensor *y = result_tensor(&a, ctx, keepdim);
  if (!y) return NULL;
  clg_status s = run_forward(&a, in, by, y);
  if (s == CLG_OK && clg_records(in, f->n_in)) s = record(f, in, y, &a);
  if (s != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

clg_tensor *clg_formula_apply(clg_formula *f, clg_tensor *const *in, const float *params, uint32_t dims, bool keepdim) {
  return apply(f, in, params, NULL, dims, keepdim);
}

clg_tensor *clg_formula_mean(clg_formula *f, clg_tensor *const *in, float by, uint32_t dims, bool keepdim) {
  const float s = 1 / by;
  return apply(f, in, &s, &by, dims, keepdim);
}

clg_tensor *clg_row_apply(clg_row_id id, clg_tensor *const *in, const float *params) {
  int n = 0;
  while (n < 3 && clg_rows[id].in[n]) n++;
  if (!clg_inputs_here(in, n, clg_rows[id].name)) return NULL;
  return clg_formula_apply(clg_formula_row(in[0]->ctx, id), in, params, 0, false);
}
