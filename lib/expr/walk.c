/* Walks over the DAG, none of them recursive: order, replacement, mention, value. */
#include "expr/arena.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Visits what is below `root` and not yet done. memo[e] counts the operands of e that were looked at, plus one. Done
 * nodes fill node[] from the front; those on the way down, which are others, are stacked at its end. */
static void visit(clg_walk *w, const clg_arena *a, clg_expr root, size_t size) {
  if (!root || w->memo[root]) return;
  size_t top = size;
  w->node[--top] = root;
  w->memo[root] = 1;
  while (top < size) {
    clg_expr e = w->node[top];
    int next = (int)w->memo[e]++ - 1;
    if (next == clg_op_rows[a->node[e].op].arity) {
      top++;
      w->node[w->n++] = e;
      continue;
    }
    clg_expr below = a->node[e].arg[next];
    if (w->memo[below]) continue;
    w->node[--top] = below;
    w->memo[below] = 1;
  }
}

bool clg_walk_open(clg_walk *w, const clg_arena *a, const clg_expr *roots, size_t n) {
  size_t size = 1;
  for (size_t i = 0; i < n; i++)
    if (roots[i] >= size) size = (size_t)roots[i] + 1;
  *w = (clg_walk){calloc(size, sizeof *w->node), 0, calloc(size, sizeof *w->memo)};
  if (!w->node || !w->memo) {
    clg_walk_close(w);
    return false;
  }
  for (size_t i = 0; i < n; i++) visit(w, a, roots[i], size);
  memset(w->memo, 0, size * sizeof *w->memo);
  return true;
}

void clg_walk_close(clg_walk *w) {
  free(w->node);
  free(w->memo);
  *w = (clg_walk){0};
}

/* A copy of e with the operands that map[] gives. */
static clg_expr rebuild(clg_arena *a, clg_expr e, const clg_expr *map) {
  clg_expr arg[3] = {0};
  bool changed = false;
  for (int i = 0; i < clg_op_rows[a->node[e].op].arity; i++) {
    arg[i] = map[a->node[e].arg[i]];
    changed |= arg[i] != a->node[e].arg[i];
  }
  return changed ? clg_expr_make(a, a->node[e].op, arg[0], arg[1], arg[2]) : e;
}

clg_expr clg_expr_replace(clg_arena *a, clg_expr e, clg_expr what, clg_expr with) {
  clg_walk w;
  if (!e || !what || !with || !clg_walk_open(&w, a, &e, 1)) return 0;
  clg_expr last = 0;
  for (uint32_t i = 0; i < w.n; i++) {
    last = w.node[i] == what ? with : rebuild(a, w.node[i], w.memo);
    if (!last) break;
    w.memo[w.node[i]] = last;
  }
  clg_walk_close(&w);
  return last;
}

/* Whether there is such a node, of this name if one is given. Downwards from e, since operands are older: marks in the
 * nodes, taken back on the way, need no memory. */
static bool has_node(const clg_arena *a, clg_expr e, clg_expr_op op, const char *name) {
  bool found = false;
  a->node[e].marked = e != 0;
  for (clg_expr i = e; i; i--) {
    clg_enode *k = &a->node[i];
    if (!k->marked) continue;
    k->marked = false;
    found = found || (k->op == op && (!name || !strcmp(k->name, name)));
    for (int j = 0; j < clg_op_rows[k->op].arity; j++) a->node[k->arg[j]].marked = true;
  }
  return found;
}

bool clg_expr_mentions(const clg_arena *a, clg_expr e, const char *name) { return has_node(a, e, CLG_EX_VAR, name); }
bool clg_expr_has(const clg_arena *a, clg_expr e, clg_expr_op op) { return has_node(a, e, op, NULL); }

static double value_of(const char *name, const char *const *names, const double *values, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!strcmp(name, names[i])) return values[i];
  return (double)NAN;
}

double clg_expr_eval(const clg_arena *a, clg_expr e, const char *const *names, const double *values, size_t n) {
  clg_walk w;
  if (!e || !clg_walk_open(&w, a, &e, 1)) return (double)NAN;
  double result = (double)NAN, *v = malloc((w.n + 1) * sizeof *v); /* by place in the walk, which memo holds */
  for (uint32_t i = 0; v && i < w.n; i++) {
    const clg_enode *k = &a->node[w.node[i]];
    w.memo[w.node[i]] = i;
    double arg[3] = {0};
    for (int j = 0; j < clg_op_rows[k->op].arity; j++) arg[j] = v[w.memo[k->arg[j]]];
    if (k->op == CLG_EX_CONST)
      result = k->value;
    else if (k->op == CLG_EX_VAR)
      result = value_of(k->name, names, values, n);
    else
      result = clg_expr_fold(k->op, arg[0], arg[1], arg[2]);
    v[i] = result;
  }
  free(v);
  clg_walk_close(&w);
  return result;
}
