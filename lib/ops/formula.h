/* Elementwise ops as formulas: one line of text from which forward, gradients, and what to save are derived. */
#ifndef CLG_OPS_FORMULA_H
#define CLG_OPS_FORMULA_H

#include "ops/op.h"
#include <clgrad/ops.h>

#define CLG_FORMULA_INPUTS 8
#define CLG_FORMULA_PARAMS 12
#define CLG_ROW_MOST       5 /* of a row's tensors, and of its numbers */

/* A row of the table (rows.h). `text` is over in[] (tensors) and param[] (numbers). grad[i], where given, states d text
 * / d in[i] over the same names and y, the result: to keep precision, or to save less than the algebra would. */
typedef struct clg_row {
  const char *name, *text;
  const char *in[CLG_ROW_MOST], *param[CLG_ROW_MOST], *grad[CLG_ROW_MOST];
} clg_row;

typedef enum clg_row_id {
#define ROW(id, ...) CLG_ROW_##id,
#include "ops/rows.h"
  CLG_ROWS
} clg_row_id;
extern const clg_row clg_rows[CLG_ROWS];

/* A row, or a user's text, compiled for a context. */
typedef struct clg_formula {
  struct clg_formula *next; /* of the context's list of user formulas */
  const char *name;
  clg_op op; /* apply.c makes it */
  char *key; /* of a user's: its text and names */
  int n_in, n_param;
  const char *in[CLG_FORMULA_INPUTS], *param[CLG_FORMULA_PARAMS]; /* static names */
  clg_expr f;
  clg_map_fn *forward;
  char *epilogue; /* forward as a function for a product kernel; see clg_formula_epilogue */
  char *gradient; /* its gradient from its result; see clg_formula_gradient */
  char *both;     /* forward and its gradient; see clg_formula_both */
  struct {
    clg_expr d;                   /* d f / d in[i], y for f where that saves no more; 0: none */
    clg_map_fn *fn;               /* g times it, over in[], y, g */
    uint32_t uses;                /* tensors that it reads: bit i is in[i], bit n_in is y */
    bool identity;                /* it is 1: the gradient is g itself */
    struct clg_formula *recorded; /* g times it as a formula of its own, for gradients of gradients; made when needed */
    uint32_t inputs;              /* which of in[], y, g are recorded's inputs, in this order */
  } grad[CLG_FORMULA_INPUTS];
  struct clg_joint_gradients *joint; /* several gradients by one kernel, as they were asked for together */
} clg_formula;

typedef struct clg_joint_gradients {
  struct clg_joint_gradients *next;
  uint32_t inputs; /* whose gradients, by bits; in their order */
  clg_map_fn *fn;
} clg_joint_gradients;

clg_formula *clg_formula_row(clg_context *ctx, clg_row_id id); /* NULL with the error set */
/* A user's formula; the names belong to tensors in[0..n_in) and numbers. */
clg_formula *clg_formula_user(clg_context *ctx, const char *text, const char *const *in, int n_in,
                              const char *const *param, int n_param, const char *op);

/* The formula over broadcast inputs, summed over the dimensions in `dims` (0: elementwise), recorded. An op result. A
 * row that is summed must not have a gradient that mentions y, which would be the sum. */
clg_tensor *clg_formula_apply(clg_formula *f, clg_tensor *const *in, const float *params, uint32_t dims, bool keepdim);
/* The same for a row whose one number s scales it, s = 1/by: the sum is divided by `by` behind it instead, and s is
 * that of the gradients. Of no elements NaN. */
clg_tensor *clg_formula_mean(clg_formula *f, clg_tensor *const *in, float by, uint32_t dims, bool keepdim);
/* A reduced tensor over the shape before: the same value for every element that it was made of. With dims = 0 t itself.
 * An op result. */
clg_tensor *clg_expand_reduced(clg_tensor *t, uint32_t dims, int ndim, const int64_t *shape);
/* The other way: t over the dimensions along which it was stretched from `shape`, summed. An op result. */
clg_tensor *clg_sum_to_shape(clg_tensor *t, int ndim, const int64_t *shape);
/* As clg_expand_reduced, a view that is not recorded: a new reference. */
clg_tensor *clg_reduced_view(const clg_tensor *t, uint32_t dims, int ndim, const int64_t *shape);

/* g * d f / d in[i] as an op of its own: an op result that can be differentiated again. tensors is in[] with y and g
 * behind. */
clg_tensor *clg_formula_recorded_gradient(clg_formula *f, int i, clg_tensor *const *tensors, const float *params);
/* Row `id` likewise; the usual case. */
clg_tensor *clg_row_apply(clg_row_id id, clg_tensor *const *in, const float *params);

/* The gradients of those inputs together, over in[], y, g: what they share is computed once, and each has the bits that
 * it has alone. NULL with the error set. */
clg_map_fn *clg_formula_joint(clg_context *ctx, clg_formula *f, uint32_t inputs);
/* grad[i].recorded, made if need be. NULL with the error set. */
clg_formula *clg_formula_recorded(clg_context *ctx, clg_formula *f, int i);
/* The forward expression over other expressions: in[i] for tensor i, number[i] for number i. */
clg_expr clg_formula_over(clg_context *ctx, const clg_formula *f, const clg_expr *in, const clg_expr *number);
/* Whether other kernels can apply it to values of theirs: it has one input, few numbers, and a gradient that its result
 * alone gives, which is saved anyway, or (recomputed) any, where backward makes the values again. */
bool clg_formula_fuses(const clg_formula *f, bool recomputed);
/* OpenCL C for such kernels: ACTIVATION(v), its result for its input v, and ACTIVATION_VEC(v) on vectors, over the
 * kernel's float2 `numbers`. NULL with the error set. */
const char *clg_formula_epilogue(clg_context *ctx, clg_formula *f);
/* ACTIVATION_GRADIENT(v, g), g times its derivative where its result is v, and _VEC likewise. */
const char *clg_formula_gradient(clg_context *ctx, clg_formula *f);
/* That of clg_formula_epilogue, and ACTIVATION_GRADIENT(v, g), g times its derivative where its input is v. */
const char *clg_formula_both(clg_context *ctx, clg_formula *f);

#endif
