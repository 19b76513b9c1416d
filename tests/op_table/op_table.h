/* The table of op cases. An op is its call, with the attributes that a row gives, and what it should give, in double
 * and from the definition: never from the text of a formula of the library. A row is one op on operands of given shapes
 * and values. The table feeds the checks of values and of first and second gradients (test_ops.c), the golden runner's
 * ops, and the benches. A test fails when an op of ops.h has no row. */
#ifndef CLG_TESTS_OP_TABLE_H
#define CLG_TESTS_OP_TABLE_H

#include <clgrad/clgrad.h>
#include <stddef.h>

enum { OP_INPUTS = 5, OP_FURTHER = 2, OP_DIMS = 5, OP_MOST = 512 };

/* What an op is told beside its tensors; each op reads its own. 0 is what the headers call the default. */
typedef struct op_attrs {
  float slope, beta, threshold, low, high, exponent, base, alpha, scalar, p, order, eps, momentum, value,
      label_smoothing;
  int dims, dim[OP_DIMS]; /* of a reduction: none means all */
  int ndim;               /* of `shape` */
  int64_t shape[OP_DIMS];
  int64_t start, stop, step, length; /* of pad: start before, stop behind */
  int part;                          /* of several results: which */
  int groups, padding_row, ignored;  /* padding_row and ignored count from 1; 0: none */
  int stride[2], padding[2], output_padding[2], dilation[2], kernel[2], scale[2];
  bool keepdim, unbiased, evaluates, transpose_a, transpose_b, ceil_mode, exclude_pad;
  clg_reduction reduction;
  clg_act act;
} op_attrs;

typedef struct op_call {
  clg_context *ctx;
  const op_attrs *attrs;
  clg_tensor *in[OP_INPUTS]; /* NULL: absent */
  int n_in;
  clg_tensor *further[OP_FURTHER]; /* set by ops of several results: borrowed */
} op_call;

/* A dense array; ndim -1: absent. */
typedef struct op_array {
  int ndim;
  int64_t dim[OP_DIMS];
  double v[OP_MOST];
} op_array;

typedef struct op {
  const char *name;
  clg_tensor *(*call)(op_call *c);
  const char *text;      /* the call's: names the functions of ops.h that are covered */
  const char *inputs[5]; /* the operands' names in golden data; none: by position */
  int least;             /* operands that it must have; 0: one */
  /* What it should give, one of: of each element of inputs that broadcast; of the elements that a reduction joins; of
   * the whole operands, out[0] the result, out[1..] further ones. */
  double (*each)(const op_attrs *a, const double *in);
  double (*over)(const op_attrs *a, const double *in, int n);
  void (*whole)(const op_attrs *a, const op_array *in, op_array *out);
  const char *further[OP_FURTHER];          /* the further results' names in golden data */
  unsigned integers, fixed, mask, in_place; /* bit i: operand i is int32; has no gradient; holds 0, 1 and -2; changes */
  bool all;                                 /* defined for all numbers: tried far from 0 too */
  bool linear;                              /* its second gradient is 0: checked behind y*(y + 1) */
  bool detached;                            /* no gradient, or not that of the definition */
  bool ranks; /* at equal elements, which an expanded operand has, its gradient is a convention that no difference shows
               */
  bool sums;  /* strides change the order of a sum, so that layouts need not agree to the bit */
  /* Errors that are allowed, of the value and the first and second gradients: units of 2^-23 (1 + |value|). 0: 4, 16
   * and 64. */
  double ulp[3];
  /* For benches. `reads`: what backward must read beside the result's gradient: bit i operand i, OP_RESULT the result.
   * `products`: multiplications of one forward pass. */
  unsigned reads;
  double (*products)(const op_call *c, const clg_tensor *y);
  enum { NO_PRODUCT, PRODUCT_NN, PRODUCT_NT } product; /* what a BLAS is asked for beside it: operands 0 and 1 */
} op;
#define OP_RESULT (1u << OP_INPUTS)

typedef struct op_shape {
  bool present;
  int ndim;
  int64_t dim[OP_DIMS];
} op_shape;
/* A shape in a row; SCALAR has no dimensions. */
#define S(...)                                                                                                         \
  {                                                                                                                    \
    true, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), { __VA_ARGS__ }                                   \
  }
#define SCALAR                                                                                                         \
  {                                                                                                                    \
    true, 0, { 0 }                                                                                                     \
  }
#define ABSENT                                                                                                         \
  {                                                                                                                    \
    false, 0, { 0 }                                                                                                    \
  }

/* What holds where the definition alone does not say, or passes through infinity: single elements, their value and
 * gradients. Values of a row stay away from the points of its first operand, but come near. */
typedef struct op_point {
  float in[4];
  double value, grad[4];
} op_point;

/* An element of an operand that has this value, whatever is drawn. */
typedef struct op_element {
  int operand, element;
  float value;
} op_element;

typedef struct op_case {
  const op *op;
  const char *what; /* tells rows of one op apart */
  op_shape in[OP_INPUTS];
  float low, high; /* of the values: away from poles; no two are equal */
  op_attrs attrs;
  int below; /* int32 operands hold 0 .. below - 1 */
  const op_point *points;
  int n_points;
  op_element set[3];
  int n_set;
  unsigned grads; /* benches: bit i: operand i gets a gradient; 0: backward is not timed */
} op_case;
#define POINTS(...)                                                                                                    \
  .points = (const op_point[]){__VA_ARGS__},                                                                           \
  .n_points = (int)(sizeof((const op_point[]){__VA_ARGS__}) / sizeof(op_point))

typedef struct op_list {
  const op_case *cases;
  size_t n;
} op_list;
#define OP_LIST(cases)                                                                                                 \
  { cases, sizeof(cases) / sizeof *(cases) }
extern const op_list elementwise_cases, reduction_cases, product_cases, norm_cases, image_cases, index_cases,
    shape_cases, loss_cases, maker_cases, composed_cases;

size_t op_case_count(void);
const op_case *op_case_at(size_t i);
const op *op_named(const char *name); /* NULL: none */
int op_inputs(const op_case *c);      /* operands, absent ones between them too */
void op_title(const op_case *c, char out[static 120]);

/* ---- to write ops with ---- */

#define OP_CALL(NAME, ...)                                                                                             \
  static clg_tensor *NAME##_call(op_call *c) {                                                                         \
    const op_attrs *a = c->attrs;                                                                                      \
    clg_tensor *x = c->in[0], *o = c->in[1];                                                                           \
    (void)a, (void)x, (void)o;                                                                                         \
    return __VA_ARGS__;                                                                                                \
  }
/* EACH(name, call, definition, options): an elementwise op over x, o and a. `options` begin with what backward reads.
 */
#define EACH(NAME, CALL, DEFINITION, ...)                                                                              \
  OP_CALL(NAME, CALL)                                                                                                  \
  static double NAME##_each(const op_attrs *a, const double *in) {                                                     \
    const double x = in[0], o = in[1];                                                                                 \
    (void)a, (void)x, (void)o;                                                                                         \
    return DEFINITION;                                                                                                 \
  }                                                                                                                    \
  static const op op_##NAME = {.name = #NAME, .call = NAME##_call, .text = #CALL, .each = NAME##_each, __VA_ARGS__};
/* OP(name, call, options): one whose definition is a function, given as .over or .whole. */
#define OP(NAME, CALL, ...)                                                                                            \
  OP_CALL(NAME, CALL)                                                                                                  \
  static const op op_##NAME = {.name = #NAME, .call = NAME##_call, .text = #CALL, __VA_ARGS__};

static inline int64_t array_count(const op_array *x) {
  int64_t n = 1;
  for (int d = 0; d < x->ndim; d++) n *= x->dim[d];
  return n;
}
static inline void array_unravel(const op_array *x, int64_t i, int64_t *index) {
  for (int d = x->ndim; d-- > 0; i /= x->dim[d]) index[d] = i % x->dim[d];
}
static inline double *array_at(op_array *x, const int64_t *index) {
  int64_t at = 0;
  for (int d = 0; d < x->ndim; d++) at = at * x->dim[d] + index[d];
  return &x->v[at];
}
static inline double array_get(const op_array *x, const int64_t *index) {
  int64_t at = 0;
  for (int d = 0; d < x->ndim; d++) at = at * x->dim[d] + index[d];
  return x->v[at];
}
static inline void array_shape(op_array *x, int ndim, const int64_t *dim) {
  x->ndim = ndim;
  for (int d = 0; d < ndim; d++) x->dim[d] = dim[d];
}
/* The element of x that element `index` of a larger array, to which x broadcasts, reads. */
double array_broadcast(const op_array *x, int ndim, const int64_t *index);
static inline int or_one(int v) { return v ? v : 1; }
static inline float op_eps(const op_attrs *a) { return a->eps ? a->eps : 1e-5f; }
/* What an op should give of operands in[0..OP_INPUTS): out[0], and out[1..] of ops with further results. */
void op_define(const op *o, const op_attrs *a, const op_array *in, op_array *out);
/* Where calls that draw numbers begin, and the numbers in [0,1) from there on. */
enum { OP_SEED = 5, OP_POSITION = 3 };
double op_random_unit(int64_t i);
double op_random_of_dropout(int64_t i);
/* An activation by its definition: see clg_activate. */
#define OP_SWISH "shift + x*sigmoid(k*x)" /* of two numbers */
double op_activation(clg_act act, double x);

#endif
