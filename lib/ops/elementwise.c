/* The elementwise ops by name, and user formulas. */
#include "ops/formula.h"
#include <clgrad/ops.h>
#include <math.h>
#include <string.h>

static clg_tensor *one(clg_row_id id, clg_tensor *x, const float *params) { return clg_row_apply(id, &x, params); }
static clg_tensor *two(clg_row_id id, clg_tensor *x, clg_tensor *o) {
  return clg_row_apply(id, (clg_tensor *[]){x, o}, NULL);
}

clg_tensor *clg_add(clg_tensor *x, clg_tensor *o) { return two(CLG_ROW_ADD, x, o); }
clg_tensor *clg_sub(clg_tensor *x, clg_tensor *o) { return two(CLG_ROW_SUB, x, o); }
clg_tensor *clg_mul(clg_tensor *x, clg_tensor *o) { return two(CLG_ROW_MUL, x, o); }
clg_tensor *clg_div(clg_tensor *x, clg_tensor *o) { return two(CLG_ROW_DIV, x, o); }
clg_tensor *clg_maximum(clg_tensor *x, clg_tensor *o) { return two(CLG_ROW_MAXIMUM, x, o); }
clg_tensor *clg_minimum(clg_tensor *x, clg_tensor *o) { return two(CLG_ROW_MINIMUM, x, o); }
clg_tensor *clg_add_scalar(clg_tensor *x, float s) { return one(CLG_ROW_ADD_SCALAR, x, &s); }
clg_tensor *clg_mul_scalar(clg_tensor *x, float s) { return one(CLG_ROW_MUL_SCALAR, x, &s); }
clg_tensor *clg_pow_scalar(clg_tensor *x, float p) {
  static const struct {
    float p;
    clg_row_id row;
  } plain[] = {{2, CLG_ROW_POW_2},        {3, CLG_ROW_POW_3},       {4, CLG_ROW_POW_4},
               {-1, CLG_ROW_POW_MINUS_1}, {0.5f, CLG_ROW_POW_HALF}, {1.5f, CLG_ROW_POW_3_HALVES},
               {-2, CLG_ROW_POW_MINUS_2}};
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (p == plain[i].p) return one(plain[i].row, x, NULL);
  return one(CLG_ROW_POW_SCALAR, x, &p);
}
clg_tensor *clg_neg(clg_tensor *x) { return one(CLG_ROW_NEG, x, NULL); }
clg_tensor *clg_abs(clg_tensor *x) { return one(CLG_ROW_ABS, x, NULL); }
clg_tensor *clg_exp(clg_tensor *x) { return one(CLG_ROW_EXP, x, NULL); }
clg_tensor *clg_log(clg_tensor *x) { return one(CLG_ROW_LOG, x, NULL); }
clg_tensor *clg_sqrt(clg_tensor *x) { return one(CLG_ROW_SQRT, x, NULL); }
clg_tensor *clg_rsqrt(clg_tensor *x) { return one(CLG_ROW_RSQRT, x, NULL); }
clg_tensor *clg_square(clg_tensor *x) { return one(CLG_ROW_SQUARE, x, NULL); }
clg_tensor *clg_sin(clg_tensor *x) { return one(CLG_ROW_SIN, x, NULL); }
clg_tensor *clg_cos(clg_tensor *x) { return one(CLG_ROW_COS, x, NULL); }
clg_tensor *clg_tanh(clg_tensor *x) { return one(CLG_ROW_TANH, x, NULL); }
clg_tensor *clg_sigmoid(clg_tensor *x) { return one(CLG_ROW_SIGMOID, x, NULL); }
clg_tensor *clg_relu(clg_tensor *x) { return one(CLG_ROW_RELU, x, NULL); }
clg_tensor *clg_gelu(clg_tensor *x) { return one(CLG_ROW_GELU, x, NULL); }
clg_tensor *clg_silu(clg_tensor *x) { return one(CLG_ROW_SILU, x, NULL); }
clg_tensor *clg_mish(clg_tensor *x) { return one(CLG_ROW_MISH, x, NULL); }

clg_tensor *clg_leaky_relu(clg_tensor *x, float slope) {
  return one(slope > 0 ? CLG_ROW_LEAKY_RELU : CLG_ROW_LEAKY_RELU_ANY, x, &slope);
}
clg_tensor *clg_softplus(clg_tensor *x, float beta, float threshold) {
  return one(CLG_ROW_SOFTPLUS, x, (float[]){beta, threshold});
}
clg_tensor *clg_clamp(clg_tensor *x, float low, float high) {
  if (isnan(low) || isnan(high)) return clg_add_scalar(x, NAN); /* a NaN wins, as a bound too */
  if (!x || !(low > high)) return one(CLG_ROW_CLAMP, x, (float[]){low, high});
  clg_scope *s = clg_scope_open(x->ctx); /* `high`, and no gradient */
  return clg_scope_close_with(s, clg_clamp_max(clg_clamp_min(x, low), high));
}
clg_tensor *clg_clamp_min(clg_tensor *x, float low) { return clg_clamp(x, low, INFINITY); }
clg_tensor *clg_clamp_max(clg_tensor *x, float high) { return clg_clamp(x, -INFINITY, high); }
clg_tensor *clg_log1p(clg_tensor *x) { return one(CLG_ROW_LOG1P, x, NULL); }
clg_tensor *clg_expm1(clg_tensor *x) { return one(CLG_ROW_EXPM1, x, NULL); }
clg_tensor *clg_erf(clg_tensor *x) { return one(CLG_ROW_ERF, x, NULL); }
clg_tensor *clg_reciprocal(clg_tensor *x) { return one(CLG_ROW_RECIPROCAL, x, NULL); }
clg_tensor *clg_sign(clg_tensor *x) { return one(CLG_ROW_SIGN, x, NULL); }
clg_tensor *clg_floor(clg_tensor *x) { return one(CLG_ROW_FLOOR, x, NULL); }
clg_tensor *clg_gelu_tanh(clg_tensor *x) { return one(CLG_ROW_GELU_TANH, x, NULL); }
clg_tensor *clg_elu(clg_tensor *x, float alpha) { return one(CLG_ROW_ELU, x, &alpha); }
clg_tensor *clg_pow(clg_tensor *x, clg_tensor *o) { return two(CLG_ROW_POW, x, o); }
clg_tensor *clg_scalar_pow(float base, clg_tensor *x) { return one(CLG_ROW_SCALAR_POW, x, &base); }
clg_tensor *clg_where(clg_tensor *c, clg_tensor *x, clg_tensor *o) {
  return clg_row_apply(CLG_ROW_WHERE, (clg_tensor *[]){c, x, o}, NULL);
}

clg_tensor *clg_contiguous(clg_tensor *x) {
  if (x && (clg_tensor_is_contiguous(x) || x->storage->dtype == CLG_I32))
    return clg_result(clg_tensor_packed(x, "contiguous"));
  return clg_row_apply(CLG_ROW_COPY, &x, NULL);
}

/* Rows that are 1 or 0: constants, as a condition has no gradient. */
static clg_tensor *condition(clg_row_id id, clg_tensor *x, clg_tensor *o) {
  clg_context *ctx = x ? x->ctx : NULL;
  bool mode = ctx && clg_set_grad_mode(ctx, false);
  clg_tensor *y = two(id, x, o);
  if (ctx) clg_set_grad_mode(ctx, mode);
  return y;
}
clg_tensor *clg_eq(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_EQ, x, o); }
clg_tensor *clg_ne(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_NE, x, o); }
clg_tensor *clg_lt(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_LT, x, o); }
clg_tensor *clg_le(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_LE, x, o); }
clg_tensor *clg_gt(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_GT, x, o); }
clg_tensor *clg_ge(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_GE, x, o); }
clg_tensor *clg_logical_and(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_LOGICAL_AND, x, o); }
clg_tensor *clg_logical_or(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_LOGICAL_OR, x, o); }
clg_tensor *clg_logical_xor(clg_tensor *x, clg_tensor *o) { return condition(CLG_ROW_LOGICAL_XOR, x, o); }
clg_tensor *clg_logical_not(clg_tensor *x) { return condition(CLG_ROW_LOGICAL_NOT, x, NULL); }

/* A user's inputs sorted into tensors and numbers. */
typedef struct sorted {
  const char *in[CLG_FORMULA_INPUTS + 1], *param[CLG_FORMULA_PARAMS];
  clg_tensor *tensor[CLG_FORMULA_INPUTS + 1];
  float value[CLG_FORMULA_PARAMS];
  int n_in, n_param;
} sorted;

static clg_status sort_inputs(clg_context *ctx, sorted *s, const clg_map_input *inputs, size_t n, const char *op) {
  for (size_t i = 0; i < n; i++) {
    bool tensor = inputs[i].tensor != NULL;
    if (tensor ? s->n_in == CLG_FORMULA_INPUTS : s->n_param == CLG_FORMULA_PARAMS)
      return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "at most %d tensors and %d numbers", CLG_FORMULA_INPUTS,
                      CLG_FORMULA_PARAMS);
    if (tensor && inputs[i].tensor->ctx != ctx)
      return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "input %zu belongs to another context", i);
    for (size_t k = 0; k < i; k++)
      if (inputs[i].name && inputs[k].name && !strcmp(inputs[i].name, inputs[k].name))
        return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "the name \"%s\" is given twice", inputs[i].name);
    if (tensor) {
      s->in[s->n_in] = inputs[i].name;
      s->tensor[s->n_in++] = inputs[i].tensor;
    } else {
      s->param[s->n_param] = inputs[i].name;
      s->value[s->n_param++] = inputs[i].value;
    }
  }
  return CLG_OK;
}

clg_tensor *clg_map(clg_context *ctx, const char *formula, const clg_map_input *inputs, size_t n) {
  if (!ctx || !formula || (n && !inputs)) return clg_null_object(ctx, "map");
  sorted s = {.n_in = 0};
  if (sort_inputs(ctx, &s, inputs, n, "map") != CLG_OK) return NULL;
  if (!s.n_in) return clg_fail_object(ctx, CLG_ERR_ARGUMENT, "map", "a formula needs at least one tensor");
  clg_formula *f = clg_formula_user(ctx, formula, s.in, s.n_in, s.param, s.n_param, "map");
  return f ? clg_formula_apply(f, s.tensor, s.value, 0, false) : NULL;
}

static clg_status check_in_place(clg_tensor *x, const sorted *s) {
  clg_status st = clg_tensor_changeable(x, "map_");
  if (st != CLG_OK) return st;
  if (!clg_inputs_ok(s->tensor, s->n_in, "map_")) return CLG_ERR_ARGUMENT;
  if (clg_records(s->tensor, s->n_in))
    return clg_fail(x->ctx, CLG_ERR_GRAPH, "map_",
                    "an in-place formula is not recorded: in grad mode its inputs must not require grad");
  int ndim = x->ndim;
  int64_t shape[CLG_MAX_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  for (int i = 1; i < s->n_in; i++) {
    if (s->in[i] && !strcmp(s->in[i], "x"))
      return clg_fail(x->ctx, CLG_ERR_ARGUMENT, "map_", "the name \"x\" is the result's own");
    if (!clg_broadcast(&ndim, shape, s->tensor[i]) || ndim != x->ndim ||
        memcmp(shape, x->shape, (size_t)ndim * sizeof *shape))
      return clg_fail(x->ctx, CLG_ERR_SHAPE, "map_", "input \"%s\" does not broadcast to the result", s->in[i]);
  }
  return CLG_OK;
}

clg_status clg_map_(clg_tensor *x, const char *formula, const clg_map_input *inputs, size_t n) {
  if (!x || !formula || (n && !inputs)) return clg_null(x ? x->ctx : NULL, "map_");
  clg_context *ctx = x->ctx;
  sorted s = {.in = {"x"}, .tensor = {x}, .n_in = 1};
  clg_status st = sort_inputs(ctx, &s, inputs, n, "map_");
  if (st == CLG_OK) st = check_in_place(x, &s);
  if (st != CLG_OK) return st;
  clg_formula *f = clg_formula_user(ctx, formula, s.in, s.n_in, s.param, s.n_param, "map_");
  clg_tensor *apart[CLG_FORMULA_INPUTS + 1] = {NULL};
  for (int i = 0; f && i < s.n_in; i++)
    if (!(apart[i] = clg_tensor_apart(s.tensor[i], x, "map_"))) f = NULL;
  st = f ? clg_map_run(f->forward, &x, (const clg_tensor *const *)apart, s.value, false, "map_") : clg_last_status(ctx);
  for (int i = 0; i < s.n_in; i++) clg_tensor_unref(&apart[i]);
  if (st == CLG_OK) clg_storage_changed(x->storage, "map_");
  return st;
}
