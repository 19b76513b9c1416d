/* Expressions: elementwise formulas as a hash-consed DAG that can be differentiated and printed as OpenCL C. Knows
 * nothing of tensors or devices.
 *
 * An arena owns all its nodes; a clg_expr is an index into it, and equal formulas have equal indices (after
 * simplification; a+b and b+a are the same node, since IEEE addition and multiplication commute, but nothing is
 * reassociated). Index 0 is "no expression": every function given it returns it, so errors are checked once. */
#ifndef CLG_EXPR_EXPR_H
#define CLG_EXPR_EXPR_H

#include "base/str.h"
#include <clgrad/core.h>
#include <stdint.h>

typedef struct clg_arena clg_arena;
typedef uint32_t clg_expr;

clg_arena *clg_arena_create(void);
void clg_arena_destroy(clg_arena *a); /* takes NULL */

typedef enum clg_expr_op {
  CLG_EX_CONST,
  CLG_EX_VAR,
  CLG_EX_ADD,
  CLG_EX_SUB,
  CLG_EX_MUL,
  CLG_EX_DIV,
  CLG_EX_NEG,
  CLG_EX_LT,
  CLG_EX_LE,
  CLG_EX_EQ,
  CLG_EX_NE,     /* conditions: 0 or 1; > and >= are parsed by swapping */
  CLG_EX_SELECT, /* c ? a : b */
  CLG_EX_EXP,
  CLG_EX_EXP2,
  CLG_EX_LOG,
  CLG_EX_LOG2,
  CLG_EX_LOG1P,
  CLG_EX_EXPM1,
  CLG_EX_SQRT,
  CLG_EX_RSQRT,
  CLG_EX_TANH,
  CLG_EX_SIGMOID,
  CLG_EX_SOFTPLUS,
  CLG_EX_ERF,
  CLG_EX_ERFC,
  CLG_EX_SIN,
  CLG_EX_COS,
  CLG_EX_POW,
  CLG_EX_ABS,
  CLG_EX_SIGN,
  CLG_EX_MIN,
  CLG_EX_MAX,
  CLG_EX_FLOOR,
  CLG_EX_ABSENT /* the derivative by what a formula does not mention: worth 0, and absent times anything is absent */
} clg_expr_op;

/* Leaves and nodes; constructors simplify (constants fold, x+0, x*1, x/1, --x, c ? a : a -> a, ...), but only what
 * holds for every float, up to the sign of a zero: 0*x and 0/x stay, since they may be NaN. */
clg_expr clg_expr_absent(clg_arena *a);
clg_expr clg_expr_const(clg_arena *a, double v);
clg_expr clg_expr_var(clg_arena *a, const char *name); /* [A-Za-z_][A-Za-z0-9_]*, copied */
clg_expr clg_expr_make(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr y, clg_expr z); /* unused operands 0 */
clg_expr_op clg_expr_op_of(const clg_arena *a, clg_expr e);
bool clg_expr_is_const(const clg_arena *a, clg_expr e, double v);
bool clg_expr_is_absent(const clg_arena *a, clg_expr e);

/* A parse error: `column` counts from 1. */
typedef struct clg_parse_error {
  int column;
  bool no_memory; /* the formula may be right */
  char what[120]; /* "unknown name 'q' (inputs: x, k)" */
} clg_parse_error;
/* Parses `text`, whose names must be among names[0..n). 0 on error. A comparison is worth 0 or 1, and anything but a
 * comparison before "?" means "is not 0". At most 16384 characters, nested at most 200 deep. `error` may be NULL. */
clg_expr clg_expr_parse(clg_arena *a, const char *text, const char *const *names, size_t n, clg_parse_error *error);

/* d e / d name; absent, whole or in branches, where it does not depend on it. Subgradients at kinks are PyTorch's:
 * abs'(0) = sign(0) = 0; ties of min and max split evenly (one half each), and of a NaN it is the NaN's; floor' and
 * sign' are absent; d(c ? a : b) = c ? a' : b'. In pow(a, b) the derivative by b is absent where a = 0 <= b, and that
 * by a where b = 0. */
clg_expr clg_expr_diff(clg_arena *a, clg_expr e, const char *name);
/* g * d with the product pushed into the branches of selects, so that a branch that is absent stays 0 for a g of
 * infinity or NaN: g*(c ? 1 : absent) becomes c ? g : absent, and g*(1/x) becomes g/x. Through at most 32 selects; with
 * more the product is plain. Numbers from 1 on stay outermost: g*(2*x) is 2*(g*x), where 2*x may overflow. */
clg_expr clg_expr_chain(clg_arena *a, clg_expr g, clg_expr d);
/* Replaces every occurrence of the node `what` in `e`. */
clg_expr clg_expr_replace(clg_arena *a, clg_expr e, clg_expr what, clg_expr with);
bool clg_expr_mentions(const clg_arena *a, clg_expr e, const char *name); /* needs no memory */
bool clg_expr_has(const clg_arena *a, clg_expr e, clg_expr_op op);        /* nor does this */

/* Value on the host, in double; vars by name, NaN for those not named. For tests and constant folding of parameters. */
double clg_expr_eval(const clg_arena *a, clg_expr e, const char *const *names, const double *values, size_t n);

/* Appends OpenCL C statements that compute roots[0..n) from float variables of the vars' names: "const float t0 = ...;"
 * for each node used, then results[i] ("r = ", "return "), the value and ";". Every node is one scalar float operation,
 * constants exact literals, so that the bits do not depend on what else is computed. Temporaries begin with `prefix`.
 * Functions are calls to clg_exp and so on (clg_expr_call), which the kernel's text defines in front. The text depends
 * on the formulas alone, not on what else the arena holds. */
void clg_expr_emit(const clg_arena *a, const clg_expr *roots, const char *const *results, size_t n, const char *prefix,
                   clg_str *out);
/* One root likewise on 16 lanes: from float16 variables, and floats that the lanes share; functions are clg_exp16 and
 * so on. False with nothing appended where the formula takes a condition for a number. */
bool clg_expr_emit_lanes(const clg_arena *a, clg_expr root, const char *result, const char *prefix, clg_str *out);
/* The function that kernels call for an op: "clg_exp", or "fabs" of OpenCL C; NULL: there is none. */
const char *clg_expr_call(clg_expr_op op);
/* A readable formula, for messages and tests: "x*sigmoid(1.702*x)". Parses back to the same node, unless it is very
 * long or deep: then "..." stands for the rest. */
void clg_expr_print(const clg_arena *a, clg_expr e, clg_str *out);

#endif
