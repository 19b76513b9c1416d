/* The room's own view of the DAG: nodes, the table of ops, walks. */
#ifndef CLG_EXPR_ARENA_H
#define CLG_EXPR_ARENA_H

#include "expr/expr.h"

/* One row an op: the symbol or function name of a formula, how many operands, and the function that kernels call, and
 * on vectors of sixteen. */
typedef struct clg_op_row {
  const char *text;
  int arity;
  const char *call, *lanes; /* NULL: an operator */
} clg_op_row;
#define CLG_EXPR_OPS (CLG_EX_ABSENT + 1)
extern const clg_op_row clg_op_rows[CLG_EXPR_OPS];

typedef struct clg_enode {
  clg_expr_op op;
  clg_expr arg[3]; /* always older than the node itself: smaller indices */
  double value;    /* of CONST */
  char *name;      /* of VAR; owned by the arena */
  uint32_t depth;  /* leaves: 0 */
  uint64_t hash;   /* of the structure, not of the indices: the same in every arena */
  bool marked;     /* within clg_expr_mentions */
} clg_enode;

struct clg_arena {
  clg_enode *node; /* [0]: no expression */
  uint32_t n, cap;
  clg_expr *slot; /* hash table, open addressing; 0: free */
  uint32_t n_slots;
};

static inline bool clg_op_is_leaf(clg_expr_op op) { return !clg_op_rows[op].arity; }
static inline bool clg_op_is_infix(clg_expr_op op) { return op >= CLG_EX_ADD && op <= CLG_EX_NE && op != CLG_EX_NEG; }
static inline bool clg_op_is_condition(clg_expr_op op) { return op >= CLG_EX_LT && op <= CLG_EX_NE; }
static inline bool clg_expr_is_number(const clg_arena *a, clg_expr e) { return a->node[e].op == CLG_EX_CONST; }

static inline clg_expr clg_unary(clg_arena *a, clg_expr_op op, clg_expr x) { return clg_expr_make(a, op, x, 0, 0); }
static inline clg_expr clg_binary(clg_arena *a, clg_expr_op op, clg_expr x, clg_expr y) {
  return clg_expr_make(a, op, x, y, 0);
}

/* The node with these op, operands, value and name; 0 without memory. Simplifies nothing. */
clg_expr clg_arena_intern(clg_arena *a, clg_expr_op op, const clg_expr arg[3], double value, const char *name);
/* An order of operands that depends on the formulas alone, not on when they were made: numbers, names, then by depth.
 */
int clg_expr_compare(const clg_arena *a, clg_expr x, clg_expr y);
/* The value of an op on numbers. */
double clg_expr_fold(clg_expr_op op, double x, double y, double z);

/* The nodes reachable from some roots, operands first, in an order that depends on the formulas alone. */
typedef struct clg_walk {
  clg_expr *node;
  uint32_t n;
  uint32_t *memo; /* by node, 0 at first: the caller's */
} clg_walk;
bool clg_walk_open(clg_walk *w, const clg_arena *a, const clg_expr *roots, size_t n); /* false: no memory */
void clg_walk_close(clg_walk *w);

#endif
