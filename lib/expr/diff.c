/* Symbolic derivatives. One pass over the DAG, operands first, so that the result grows linearly with the formula;
 * forward subexpressions appear in it as the nodes they are (tanh' = 1 - t*t), so that a result can stand in for its
 * inputs. */
#include "expr/arena.h"

static clg_expr number(clg_arena *a, double v) { return clg_expr_const(a, v); }
static bool zero(const clg_arena *a, clg_expr e) { return clg_expr_is_const(a, e, 0); }
static clg_expr select(clg_arena *a, clg_expr c, clg_expr x, clg_expr y) {
  return clg_expr_make(a, CLG_EX_SELECT, c, x, y);
}

/* ---- products with a derivative: a branch that is 0 must stay 0 whatever it is multiplied with ---- */

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
  if (zero(a, d)) return number(a, 0); /* and not -0 or NaN */
  if (k.op == CLG_EX_SELECT)
    return select(a, k.arg[0], into_branches(a, k.arg[1], op, g), into_branches(a, k.arg[2], op, g));
  if (op == CLG_EX_MUL && k.op == CLG_EX_DIV && clg_expr_is_const(a, k.arg[0], 1))
    return clg_binary(a, CLG_EX_DIV, g, k.arg[1]);
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
  if (op == CLG_EX_SUB && zero(a, x)) return negative(a, y);
  return clg_binary(a, op, x, y);
}

/* ---- one rule a function ---- */

#define TWO_OVER_ROOT_PI 1.1283791670955126

/* f'(x) of the functions of one operand, where n is f(x). */
static clg_expr slope(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr n) {
  clg_expr unit = number(a, 1);
  switch (op) {
  case CLG_EX_EXP: return n;
  case CLG_EX_EXPM1: return clg_binary(a, CLG_EX_ADD, n, unit);
  case CLG_EX_SQRT: return clg_binary(a, CLG_EX_DIV, number(a, 0.5), n);
  case CLG_EX_RSQRT:
    return clg_binary(a, CLG_EX_MUL, clg_binary(a, CLG_EX_MUL, number(a, -0.5), n), clg_binary(a, CLG_EX_MUL, n, n));
  case CLG_EX_TANH: return clg_binary(a, CLG_EX_SUB, unit, clg_binary(a, CLG_EX_MUL, n, n));
  case CLG_EX_SIGMOID: return clg_binary(a, CLG_EX_MUL, n, clg_binary(a, CLG_EX_SUB, unit, n));
  case CLG_EX_ERF:
    return clg_binary(a, CLG_EX_MUL, number(a, TWO_OVER_ROOT_PI),
                      clg_unary(a, CLG_EX_EXP, clg_unary(a, CLG_EX_NEG, clg_binary(a, CLG_EX_MUL, x, x))));
  case CLG_EX_SIN: return clg_unary(a, CLG_EX_COS, x);
  case CLG_EX_COS: return clg_unary(a, CLG_EX_NEG, clg_unary(a, CLG_EX_SIN, x));
  case CLG_EX_ABS: return clg_unary(a, CLG_EX_SIGN, x);
  default: return number(a, 0); /* sign, floor */
  }
}

static clg_expr product(clg_arena *a, clg_expr x, clg_expr y, clg_expr dx, clg_expr dy) {
  if (x == y) return clg_expr_chain(a, clg_binary(a, CLG_EX_MUL, number(a, 2), x), dx);
  return combine(a, CLG_EX_ADD, clg_expr_chain(a, y, dx), clg_expr_chain(a, x, dy));
}

/* Of n = x/y: dx/y - n/y*dy. */
static clg_expr quotient(clg_arena *a, clg_expr n, clg_expr y, clg_expr dx, clg_expr dy) {
  clg_expr second = zero(a, dy) ? dy : clg_expr_chain(a, clg_binary(a, CLG_EX_DIV, n, y), dy);
  return combine(a, CLG_EX_SUB, apply(a, dx, CLG_EX_DIV, y), second);
}

/* Of n = x^y: y*x^(y - 1)*dx, which is 0 for y = 0, plus n*log(x)*dy, which is 0 for x = 0 and y >= 0. */
static clg_expr power(clg_arena *a, clg_expr n, clg_expr x, clg_expr y, clg_expr dx, clg_expr dy) {
  clg_expr none = number(a, 0), first = none, second = none;
  if (!zero(a, dx)) {
    clg_expr lower = clg_binary(a, CLG_EX_POW, x, clg_binary(a, CLG_EX_SUB, y, number(a, 1)));
    first = clg_expr_chain(a, clg_binary(a, CLG_EX_MUL, y, lower), dx);
    first = select(a, clg_binary(a, CLG_EX_EQ, y, none), none, first);
  }
  if (!zero(a, dy)) {
    second = clg_expr_chain(a, clg_binary(a, CLG_EX_MUL, n, clg_unary(a, CLG_EX_LOG, x)), dy);
    clg_expr at_zero = select(a, clg_binary(a, CLG_EX_LT, y, none), second, none);
    second = select(a, clg_binary(a, CLG_EX_EQ, x, none), at_zero, second);
  }
  return combine(a, CLG_EX_ADD, first, second);
}

/* Of the larger one if `first` says that it is x; equal ones share evenly. */
static clg_expr extremum(clg_arena *a, clg_expr first, clg_expr x, clg_expr y, clg_expr dx, clg_expr dy) {
  clg_expr half = clg_expr_chain(a, number(a, 0.5), combine(a, CLG_EX_ADD, dx, dy));
  return select(a, first, dx, select(a, clg_binary(a, CLG_EX_EQ, x, y), half, dy));
}

/* The derivative of node n, given those of its operands. */
static clg_expr derive(clg_arena *a, clg_expr n, const clg_expr *d) {
  const clg_enode k = a->node[n];
  const clg_expr x = k.arg[0], y = k.arg[1], z = k.arg[2], dx = d[x], dy = d[y], dz = d[z];
  if (clg_op_is_condition(k.op)) return number(a, 0);
  bool none = k.op == CLG_EX_SELECT || zero(a, dx);
  for (int i = 1; i < clg_op_rows[k.op].arity; i++) none = none && zero(a, d[k.arg[i]]);
  if (none || !clg_op_rows[k.op].arity) return number(a, 0);
  switch (k.op) {
  case CLG_EX_ADD:
  case CLG_EX_SUB: return combine(a, k.op, dx, dy);
  case CLG_EX_MUL: return product(a, x, y, dx, dy);
  case CLG_EX_DIV: return quotient(a, n, y, dx, dy);
  case CLG_EX_NEG: return negative(a, dx);
  case CLG_EX_SELECT: return select(a, x, dy, dz);
  case CLG_EX_POW: return power(a, n, x, y, dx, dy);
  case CLG_EX_MIN: return extremum(a, clg_binary(a, CLG_EX_LT, x, y), x, y, dx, dy);
  case CLG_EX_MAX: return extremum(a, clg_binary(a, CLG_EX_LT, y, x), x, y, dx, dy);
  case CLG_EX_LOG: return apply(a, dx, CLG_EX_DIV, x);
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
