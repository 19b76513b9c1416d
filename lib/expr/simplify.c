/* The constructor of operations: folds numbers and removes what does nothing. Nothing is reassociated, and apart from
 * the sign of a zero the bits are those of the formula as written: x - x, 0*x and 0/x stay, since they may be NaN. One
 * pattern is a function of its own, which is more exact: softplus. */
#include "expr/arena.h"
#include <math.h>

double clg_expr_fold(clg_expr_op op, double x, double y, double z) {
  switch (op) {
  case CLG_EX_ABSENT: return 0;
  case CLG_EX_ADD: return x + y;
  case CLG_EX_SUB: return x - y;
  case CLG_EX_MUL: return x * y;
  case CLG_EX_DIV: return x / y;
  case CLG_EX_NEG: return -x;
  case CLG_EX_LT: return x < y;
  case CLG_EX_LE: return x <= y;
  case CLG_EX_EQ: return x == y;
  case CLG_EX_NE: return x != y;
  case CLG_EX_SELECT: return x != 0 ? y : z;
  case CLG_EX_EXP: return exp(x);
  case CLG_EX_EXP2: return exp2(x);
  case CLG_EX_LOG: return log(x);
  case CLG_EX_LOG2: return log2(x);
  case CLG_EX_LOG1P: return log1p(x);
  case CLG_EX_EXPM1: return expm1(x);
  case CLG_EX_SQRT: return sqrt(x);
  case CLG_EX_RSQRT: return 1 / sqrt(x);
  case CLG_EX_TANH: return tanh(x);
  case CLG_EX_SIGMOID: return 1 / (1 + exp(-x));
  case CLG_EX_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
  case CLG_EX_ERF: return erf(x);
  case CLG_EX_ERFC: return erfc(x);
  case CLG_EX_SIN: return sin(x);
  case CLG_EX_COS: return cos(x);
  case CLG_EX_POW: return pow(x, y);
  case CLG_EX_ABS: return fabs(x);
  case CLG_EX_SIGN: return (x > 0) - (x < 0);
  case CLG_EX_MIN: return x < y || isnan(x) ? x : y;
  case CLG_EX_MAX: return x > y || isnan(x) ? x : y;
  case CLG_EX_FLOOR: return floor(x);
  default: return (double)NAN;
  }
}

static clg_expr keep(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr y, clg_expr z) {
  return clg_arena_intern(a, op, (clg_expr[3]){x, y, z}, 0, NULL);
}
/* The commutative ones: IEEE gives both orders the same bits. */
static clg_expr keep_sorted(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr y) {
  return clg_expr_compare(a, x, y) <= 0 ? keep(a, op, x, y, 0) : keep(a, op, y, x, 0);
}

static bool is(const clg_arena *a, clg_expr e, clg_expr_op op) { return a->node[e].op == op; }
static clg_expr under(const clg_arena *a, clg_expr e) { return a->node[e].arg[0]; }
static clg_expr negative(clg_arena *a, clg_expr e) { return clg_unary(a, CLG_EX_NEG, e); }
static bool below_zero(const clg_arena *a, clg_expr e) { return clg_expr_is_number(a, e) && a->node[e].value < 0; }

static clg_expr add(clg_arena *a, clg_expr x, clg_expr y) {
  if (is(a, x, CLG_EX_ABSENT)) return y;
  if (is(a, y, CLG_EX_ABSENT)) return x;
  if (clg_expr_is_const(a, x, 0)) return y;
  if (clg_expr_is_const(a, y, 0)) return x;
  if (x == y) return clg_binary(a, CLG_EX_MUL, clg_expr_const(a, 2), x); /* exact */
  if (is(a, y, CLG_EX_NEG)) return clg_binary(a, CLG_EX_SUB, x, under(a, y));
  if (is(a, x, CLG_EX_NEG)) return clg_binary(a, CLG_EX_SUB, y, under(a, x));
  if (below_zero(a, y)) return clg_binary(a, CLG_EX_SUB, x, negative(a, y));
  if (below_zero(a, x)) return clg_binary(a, CLG_EX_SUB, y, negative(a, x));
  return keep_sorted(a, CLG_EX_ADD, x, y);
}

static clg_expr sub(clg_arena *a, clg_expr x, clg_expr y) {
  if (clg_expr_is_const(a, y, 0) || is(a, y, CLG_EX_ABSENT)) return x;
  if (clg_expr_is_const(a, x, 0) || is(a, x, CLG_EX_ABSENT)) return negative(a, y);
  if (is(a, y, CLG_EX_NEG)) return clg_binary(a, CLG_EX_ADD, x, under(a, y));
  if (below_zero(a, y)) return clg_binary(a, CLG_EX_ADD, x, negative(a, y));
  return keep(a, CLG_EX_SUB, x, y, 0);
}

static clg_expr mul(clg_arena *a, clg_expr x, clg_expr y) {
  if (is(a, x, CLG_EX_ABSENT)) return x;
  if (is(a, y, CLG_EX_ABSENT)) return y;
  if (clg_expr_is_number(a, y)) {
    clg_expr number = y;
    y = x;
    x = number;
  }
  if (clg_expr_is_const(a, x, 1)) return y;
  if (clg_expr_is_const(a, x, -1)) return negative(a, y);
  /* Signs move outwards, so that they meet and cancel; a number takes them in. */
  if (is(a, y, CLG_EX_NEG))
    return clg_expr_is_number(a, x) ? clg_binary(a, CLG_EX_MUL, negative(a, x), under(a, y))
                                    : negative(a, clg_binary(a, CLG_EX_MUL, x, under(a, y)));
  if (is(a, x, CLG_EX_NEG)) return negative(a, clg_binary(a, CLG_EX_MUL, under(a, x), y));
  return keep_sorted(a, CLG_EX_MUL, x, y);
}

static clg_expr divide(clg_arena *a, clg_expr x, clg_expr y) {
  if (is(a, x, CLG_EX_ABSENT)) return x;
  if (clg_expr_is_const(a, y, 1)) return x;
  if (clg_expr_is_const(a, y, -1)) return negative(a, x);
  if (is(a, x, CLG_EX_NEG))
    return clg_expr_is_number(a, y) ? clg_binary(a, CLG_EX_DIV, under(a, x), negative(a, y))
                                    : negative(a, clg_binary(a, CLG_EX_DIV, under(a, x), y));
  if (is(a, y, CLG_EX_NEG))
    return clg_expr_is_number(a, x) ? clg_binary(a, CLG_EX_DIV, negative(a, x), under(a, y))
                                    : negative(a, clg_binary(a, CLG_EX_DIV, x, under(a, y)));
  return keep(a, CLG_EX_DIV, x, y, 0);
}

static clg_expr negate(clg_arena *a, clg_expr x) {
  const clg_enode k = a->node[x];
  if (k.op == CLG_EX_ABSENT) return x;
  if (k.op == CLG_EX_NEG) return k.arg[0];
  if (k.op == CLG_EX_SUB) return clg_binary(a, CLG_EX_SUB, k.arg[1], k.arg[0]);
  if ((k.op == CLG_EX_MUL || k.op == CLG_EX_DIV) && clg_expr_is_number(a, k.arg[0]))
    return clg_binary(a, k.op, negative(a, k.arg[0]), k.arg[1]);
  if (k.op == CLG_EX_DIV && clg_expr_is_number(a, k.arg[1]))
    return clg_binary(a, k.op, k.arg[0], negative(a, k.arg[1]));
  return keep(a, CLG_EX_NEG, x, 0, 0);
}

static clg_expr choose(clg_arena *a, clg_expr c, clg_expr x, clg_expr y) {
  if (clg_expr_is_number(a, c)) return a->node[c].value != 0 ? x : y;
  if (x == y) return x;
  if (!clg_op_is_condition(a->node[c].op)) {
    clg_expr true_if = clg_binary(a, CLG_EX_NE, c, clg_expr_const(a, 0));
    return clg_expr_make(a, CLG_EX_SELECT, true_if, x, y);
  }
  if (is(a, x, CLG_EX_SELECT) && under(a, x) == c) return clg_expr_make(a, CLG_EX_SELECT, c, a->node[x].arg[1], y);
  if (is(a, y, CLG_EX_SELECT) && under(a, y) == c) return clg_expr_make(a, CLG_EX_SELECT, c, x, a->node[y].arg[2]);
  return keep(a, CLG_EX_SELECT, c, x, y);
}

static clg_expr power(clg_arena *a, clg_expr x, clg_expr y) {
  if (clg_expr_is_const(a, y, 0) || clg_expr_is_const(a, x, 1)) return clg_expr_const(a, 1);
  if (clg_expr_is_const(a, y, 1)) return x;
  if (clg_expr_is_const(a, y, 2)) return clg_binary(a, CLG_EX_MUL, x, x);
  return keep(a, CLG_EX_POW, x, y, 0);
}

/* log(1 + exp(x)), which may overflow or lose all of exp(x), is softplus. */
static clg_expr logarithm(clg_arena *a, clg_expr x) {
  const clg_enode k = a->node[x];
  bool softplus = k.op == CLG_EX_ADD && clg_expr_is_const(a, k.arg[0], 1) && is(a, k.arg[1], CLG_EX_EXP);
  return softplus ? clg_unary(a, CLG_EX_SOFTPLUS, under(a, k.arg[1])) : keep(a, CLG_EX_LOG, x, 0, 0);
}

static clg_expr simplified(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr y, clg_expr z) {
  switch (op) {
  case CLG_EX_ADD: return add(a, x, y);
  case CLG_EX_SUB: return sub(a, x, y);
  case CLG_EX_MUL: return mul(a, x, y);
  case CLG_EX_DIV: return divide(a, x, y);
  case CLG_EX_NEG: return negate(a, x);
  case CLG_EX_SELECT: return choose(a, x, y, z);
  case CLG_EX_POW: return power(a, x, y);
  case CLG_EX_EQ:
  case CLG_EX_NE:
    /* "is this condition false or true" is a condition already */
    if (op == CLG_EX_NE && clg_op_is_condition(a->node[x].op) && clg_expr_is_const(a, y, 0)) return x;
    return keep_sorted(a, op, x, y);
  case CLG_EX_MIN:
  case CLG_EX_MAX: return x == y ? x : keep(a, op, x, y, 0);
  case CLG_EX_LOG: return logarithm(a, x);
  case CLG_EX_LOG1P: return is(a, x, CLG_EX_EXP) ? clg_unary(a, CLG_EX_SOFTPLUS, under(a, x)) : keep(a, op, x, 0, 0);
  case CLG_EX_ABS:
    if (is(a, x, CLG_EX_NEG)) return clg_unary(a, CLG_EX_ABS, under(a, x));
    return is(a, x, CLG_EX_ABS) ? x : keep(a, op, x, 0, 0);
  default: return keep(a, op, x, y, z);
  }
}

clg_expr clg_expr_make(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr y, clg_expr z) {
  int arity = clg_op_rows[op].arity;
  if (!a || !arity || !x || (arity > 1 && !y) || (arity > 2 && !z)) return 0;
  const clg_enode *n = a->node;
  bool fixed =
      clg_expr_is_number(a, x) && (arity < 2 || clg_expr_is_number(a, y)) && (arity < 3 || clg_expr_is_number(a, z));
  if (fixed) return clg_expr_const(a, clg_expr_fold(op, n[x].value, n[y].value, n[z].value));
  if (arity < 2) y = 0;
  if (arity < 3) z = 0;
  return simplified(a, op, x, y, z);
}
