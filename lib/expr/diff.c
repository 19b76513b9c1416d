/* Symbolic derivatives. One pass over the DAG, operands first, so that the result grows linearly with the formula;
 * forward subexpressions appear in it as the nodes they are (tanh' = 1 - t*t), so that a result can stand in for its
 * inputs. */
#include "expr/arena.h"
#include <math.h>

static clg_expr number(clg_arena *a, double v) { return clg_expr_const(a, v); }
static bool absent(const clg_arena *a, clg_expr e) { return clg_expr_is_absent(a, e); }
static clg_expr select(clg_arena *a, clg_expr c, clg_expr x, clg_expr y) {
  return clg_expr_make(a, CLG_EX_SELECT, c, x, y);
}

/* ---- products with a derivative: a branch that is absent stays so whatever it is multiplied with ---- */

/* Nested selects that a product is pushed into. Nests of ties would double with every level; beyond this the product is
 * plain. */
#define MOST_SELECTS 32
static bool few_selects(const clg_arena *a, clg_expr d, int *left) {
  const clg_enode *k = &a->node[d];
  return k->op != CLG_EX_SELECT || (--*left >= 0 && few_selects(a, k->arg[1], left) && few_selects(a, k->arg[2], left));
}

/* d op g, or op of each branch of d. */
static clg_expr into_branches(clg_arena *a, clg_expr d, clg_expr_op op, clg_expr g) {
  const clg_enode k = a->node[d];
  if (absent(a, d)) return d; /* and not -0 or NaN */
  if (k.op == CLG_EX_SELECT)
    return select(a, k.arg[0], into_branches(a, k.arg[1], op, g), into_branches(a, k.arg[2], op, g));
  if (op == CLG_EX_MUL && k.op == CLG_EX_DIV && clg_expr_is_const(a, k.arg[0], 1))
    return clg_binary(a, CLG_EX_DIV, g, k.arg[1]);
  if (op == CLG_EX_MUL && k.op == CLG_EX_MUL && clg_expr_is_number(a, k.arg[0]) && fabs(a->node[k.arg[0]].value) >= 1)
    return clg_binary(a, op, k.arg[0], clg_binary(a, op, k.arg[1], g));
  return clg_binary(a, op, d, g);
}

static clg_expr apply(clg_arena *a, clg_expr d, clg_expr_op op, clg_expr g) {
  int left = MOST_SELECTS;
  if (!d || !g) return 0;
  return few_selects(a, d, &left) ? into_branches(a, d, op, g) : clg_binary(a, op, d, g);
}

static clg_expr negative(clg_arena *a, clg_expr d) { return apply(a, d, CLG_EX_MUL, number(a, -1)); }

clg_expr clg_expr_chain(clg_arena *a, clg_expr g, clg_expr d) {
  if (!g || !d) return 0;
  if (a->node[d].op == CLG_EX_NEG) return negative(a, apply(a, a->node[d].arg[0], CLG_EX_MUL, g));
  return apply(a, d, CLG_EX_MUL, g);
}

/* Two derivatives with one condition keep it outermost. */
static clg_expr combine(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr y) {
  if (!x || !y) return 0;
  const clg_enode p = a->node[x], q = a->node[y];
  if (p.op == CLG_EX_SELECT && q.op == CLG_EX_SELECT && p.arg[0] == q.arg[0])
    return select(a, p.arg[0], clg_binary(a, op, p.arg[1], q.arg[1]), clg_binary(a, op, p.arg[2], q.arg[2]));
  if (op == CLG_EX_SUB && absent(a, x)) return negative(a, y);
  return clg_binary(a, op, x, y);
}

/* ---- one rule a function ---- */

#define LN2              0.6931471805599453
#define TWO_OVER_ROOT_PI 1.1283791670955126
/* Beyond it exp(-x*x) is less than any float, and what the next derivative multiplies it with may be infinite. */
#define ERF_FLAT 10.3

static clg_expr erf_slope(clg_arena *a, clg_expr x) {
  clg_expr bell = clg_unary(a, CLG_EX_EXP, clg_unary(a, CLG_EX_NEG, clg_binary(a, CLG_EX_MUL, x, x)));
  clg_expr flat = clg_binary(a, CLG_EX_LT, number(a, ERF_FLAT), clg_unary(a, CLG_EX_ABS, x));
  return select(a, flat, clg_expr_absent(a), clg_binary(a, CLG_EX_MUL, number(a, TWO_OVER_ROOT_PI), bell));
}

/* f'(x) of the functions of one operand, where n is f(x). */
static clg_expr slope(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr n) {
  clg_expr unit = number(a, 1);
  switch (op) {
  case CLG_EX_EXP: return n;
  case CLG_EX_EXP2: return clg_binary(a, CLG_EX_MUL, number(a, LN2), n);
  case CLG_EX_EXPM1: return clg_binary(a, CLG_EX_ADD, n, unit);
  case CLG_EX_SQRT: return clg_binary(a, CLG_EX_DIV, number(a, 0.5), n);
  case CLG_EX_RSQRT:
    return clg_binary(a, CLG_EX_MUL, clg_binary(a, CLG_EX_MUL, number(a, -0.5), n), clg_binary(a, CLG_EX_MUL, n, n));
  case CLG_EX_TANH: return clg_binary(a, CLG_EX_SUB, unit, clg_binary(a, CLG_EX_MUL, n, n));
  case CLG_EX_SIGMOID: return clg_binary(a, CLG_EX_MUL, n, clg_binary(a, CLG_EX_SUB, unit, n));
  case CLG_EX_SOFTPLUS: return clg_unary(a, CLG_EX_SIGMOID, x);
  case CLG_EX_ERF: return erf_slope(a, x);
  case CLG_EX_ERFC: return negative(a, erf_slope(a, x));
  case CLG_EX_SIN: return clg_unary(a, CLG_EX_COS, x);
  case CLG_EX_COS: return clg_unary(a, CLG_EX_NEG, clg_unary(a, CLG_EX_SIN, x));
  case CLG_EX_ABS: return clg_unary(a, CLG_EX_SIGN, x);
  default: return clg_expr_absent(a); /* sign, floor */
  }
}

static clg_expr product(clg_arena *a, clg_expr x, clg_expr y, clg_expr dx, clg_expr dy) {
  if (x == y) return clg_expr_chain(a, clg_binary(a, CLG_EX_MUL, number(a, 2), x), dx);
  return combine(a, CLG_EX_ADD, clg_expr_chain(a, y, dx), clg_expr_chain(a, x, dy));
}

/* Of n = x/y: dx/y - n/y*dy; but 0/y is 0 wherever it is a number. */
static clg_expr quotient(clg_arena *a, clg_expr n, clg_expr x, clg_expr y, clg_expr dx, clg_expr dy) {
  clg_expr second = absent(a, dy) || clg_expr_is_const(a, x, 0)
                        ? clg_expr_absent(a)
                        : clg_expr_chain(a, clg_binary(a, CLG_EX_DIV, n, y), dy);
  return combine(a, CLG_EX_SUB, apply(a, dx, CLG_EX_DIV, y), second);
}

/* Of n = x^y: y*x^(y - 1)*dx, which is 0 for y = 0, plus n*log(x)*dy, which is 0 for x = 0 and y >= 0. */
static clg_expr power(clg_arena *a, clg_expr n, clg_expr x, clg_expr y, clg_expr dx, clg_expr dy) {
  clg_expr zero = number(a, 0), none = clg_expr_absent(a), first = none, second = none;
  if (!absent(a, dx)) {
    clg_expr lower = clg_binary(a, CLG_EX_POW, x, clg_binary(a, CLG_EX_SUB, y, number(a, 1)));
    first = clg_expr_chain(a, clg_binary(a, CLG_EX_MUL, y, lower), dx);
    first = select(a, clg_binary(a, CLG_EX_EQ, y, zero), none, first);
  }
  if (!absent(a, dy)) {
    second = clg_expr_chain(a, clg_binary(a, CLG_EX_MUL, n, clg_unary(a, CLG_EX_LOG, x)), dy);
    clg_expr at_zero = select(a, clg_binary(a, CLG_EX_LE, zero, y), none, second);
    second = select(a, clg_binary(a, CLG_EX_EQ, x, zero), at_zero, second);
  }
  return combine(a, CLG_EX_ADD, first, second);
}

/* Of the one that wins; equal ones share evenly. Against NaN nothing compares: the gradient is the NaN's, as the value
 * is. */
static clg_expr extremum(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr y, clg_expr dx, clg_expr dy) {
  if (clg_expr_is_number(a, x)) return extremum(a, op, y, x, dy, dx);
  clg_expr half = clg_expr_chain(a, number(a, 0.5), combine(a, CLG_EX_ADD, dx, dy));
  clg_expr loses = op == CLG_EX_MAX ? clg_binary(a, CLG_EX_LT, x, y) : clg_binary(a, CLG_EX_LT, y, x);
  clg_expr rest = select(a, clg_binary(a, CLG_EX_EQ, y, y), dx, dy);
  return select(a, loses, dy, select(a, clg_binary(a, CLG_EX_EQ, x, y), half, rest));
}

/* The derivative of node n, given those of its operands. */
static clg_expr derive(clg_arena *a, clg_expr n, const clg_expr *d) {
  const clg_enode k = a->node[n];
  const clg_expr x = k.arg[0], y = k.arg[1], z = k.arg[2], dx = d[x], dy = d[y], dz = d[z];
  if (clg_op_is_condition(k.op)) return clg_expr_absent(a);
  bool none = k.op == CLG_EX_SELECT || absent(a, dx);
  for (int i = 1; i < clg_op_rows[k.op].arity; i++) none = none && absent(a, d[k.arg[i]]);
  if (none || !clg_op_rows[k.op].arity) return clg_expr_absent(a);
  switch (k.op) {
  case CLG_EX_ADD:
  case CLG_EX_SUB: return combine(a, k.op, dx, dy);
  case CLG_EX_MUL: return product(a, x, y, dx, dy);
  case CLG_EX_DIV: return quotient(a, n, x, y, dx, dy);
  case CLG_EX_NEG: return negative(a, dx);
  case CLG_EX_SELECT: return select(a, x, dy, dz);
  case CLG_EX_POW: return power(a, n, x, y, dx, dy);
  case CLG_EX_MIN:
  case CLG_EX_MAX: return extremum(a, k.op, x, y, dx, dy);
  case CLG_EX_LOG: return apply(a, dx, CLG_EX_DIV, x);
  case CLG_EX_LOG2: return apply(a, dx, CLG_EX_DIV, clg_binary(a, CLG_EX_MUL, number(a, LN2), x));
  case CLG_EX_LOG1P: return apply(a, dx, CLG_EX_DIV, clg_binary(a, CLG_EX_ADD, number(a, 1), x));
  default: return clg_expr_chain(a, slope(a, k.op, x, n), dx);
  }
}

clg_expr clg_expr_diff(clg_arena *a, clg_expr e, const char *name) {
  clg_expr by = e ? clg_expr_var(a, name) : 0;
  clg_walk w;
  if (!by || !clg_walk_open(&w, a, &e, 1)) return 0;
  clg_expr last = 0;
  for (uint32_t i = 0; i < w.n; i++) {
    last = w.node[i] == by ? number(a, 1) : derive(a, w.node[i], w.memo);
    if (!last) break;
    w.memo[w.node[i]] = last;
  }
  clg_walk_close(&w);
  return last;
}
