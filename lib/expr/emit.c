/* Expressions as text: OpenCL C statements for kernels, formulas for people. */
#include "expr/arena.h"
#include <math.h>

/* ---- OpenCL C ---- */

typedef struct emitter {
  const clg_arena *a;
  const clg_walk *w; /* memo: the number of a node's temporary */
  const char *prefix;
  clg_str *out;
  bool lanes; /* float16 instead of float */
} emitter;

/* A node as an operand; conditions are ints, and only a select takes one as it is. */
static void operand(emitter *m, clg_expr e, bool as_condition) {
  const clg_enode *k = &m->a->node[e];
  if (k->op == CLG_EX_CONST || k->op == CLG_EX_ABSENT) {
    clg_str_add_float(m->out, (float)k->value);
  } else if (k->op == CLG_EX_VAR) {
    clg_str_add(m->out, k->name);
  } else {
    const char *cast = !as_condition && clg_op_is_condition(k->op) ? "(float)" : "";
    clg_str_addf(m->out, "%s%s%u", cast, m->prefix, (unsigned)m->w->memo[e]);
  }
}

/* Where a number must be a vector: two numbers compare to 1, two vectors to -1, and choices and functions want one
 * type. */
static bool spreads(const emitter *m, const clg_enode *k, int i) {
  bool alike = (k->op == CLG_EX_SELECT && i) || clg_op_is_condition(k->op) || clg_op_rows[k->op].call;
  return m->lanes && alike && clg_op_is_leaf(m->a->node[k->arg[i]].op);
}

/* 1 or 0 is a number made of the condition. As a choice compilers for AVX-512 load the 1 under a mask, and while no lane
 * wants it its page is not there: each load then takes hundreds of cycles to find that it is no fault. */
static bool is_indicator(const emitter *m, const clg_enode *k) {
  return k->op == CLG_EX_SELECT && !m->lanes && clg_expr_is_const(m->a, k->arg[1], 1) &&
         clg_expr_is_const(m->a, k->arg[2], 0);
}

static void operation(emitter *m, const clg_enode *k) {
  const clg_op_row *row = &clg_op_rows[k->op];
  if (is_indicator(m, k)) {
    clg_str_add(m->out, "(float)");
    operand(m, k->arg[0], true);
    return;
  }
  bool infix = !row->call && row->arity == 2;
  if (row->call) clg_str_addf(m->out, "%s(", m->lanes ? row->lanes : row->call);
  if (k->op == CLG_EX_NEG) clg_str_add(m->out, "-");
  for (int i = 0; i < row->arity; i++) {
    if (i && k->op == CLG_EX_SELECT) {
      clg_str_add(m->out, i == 1 ? " ? " : " : ");
    } else if (i && infix) {
      clg_str_addf(m->out, " %s ", row->text);
    } else if (i) {
      clg_str_add(m->out, ", ");
    }
    bool spread = spreads(m, k, i);
    if (spread) clg_str_add(m->out, "(float16)(");
    operand(m, k->arg[i], k->op == CLG_EX_SELECT && i == 0);
    if (spread) clg_str_add(m->out, ")");
  }
  if (row->call) clg_str_add(m->out, ")");
}

static void statements(emitter *m, const clg_walk *w, const clg_expr *roots, const char *const *results, size_t n) {
  const char *wide = m->lanes ? "16" : "";
  uint32_t count = 0;
  for (uint32_t i = 0; i < w->n; i++) {
    const clg_enode *k = &m->a->node[w->node[i]];
    if (clg_op_is_leaf(k->op)) continue;
    w->memo[w->node[i]] = count++;
    clg_str_addf(m->out, "const %s%s %s%u = ", clg_op_is_condition(k->op) ? "int" : "float", wide, m->prefix,
                 (unsigned)(count - 1));
    operation(m, k);
    clg_str_add(m->out, ";\n");
  }
  for (size_t i = 0; i < n; i++) {
    if (!roots[i]) m->out->failed = true;
    clg_str_add(m->out, results[i]);
    operand(m, roots[i], false);
    clg_str_add(m->out, ";\n");
  }
}

void clg_expr_emit(const clg_arena *a, const clg_expr *roots, const char *const *results, size_t n, const char *prefix,
                   clg_str *out) {
  clg_walk w;
  if (!a || !clg_walk_open(&w, a, roots, n)) {
    out->failed = true;
    return;
  }
  emitter m = {a, &w, prefix, out, false};
  statements(&m, &w, roots, results, n);
  clg_walk_close(&w);
}

const char *clg_expr_call(clg_expr_op op) { return clg_op_rows[op].call; }

/* Conditions as conditions alone. */
static bool has_lanes(const clg_arena *a, const clg_walk *w, clg_expr root) {
  bool ok = !clg_op_is_condition(a->node[root].op);
  for (uint32_t i = 0; ok && i < w->n; i++) {
    const clg_enode *k = &a->node[w->node[i]];
    for (int j = k->op == CLG_EX_SELECT; ok && j < clg_op_rows[k->op].arity; j++)
      ok = !clg_op_is_condition(a->node[k->arg[j]].op);
  }
  return ok;
}

bool clg_expr_emit_lanes(const clg_arena *a, clg_expr root, const char *result, const char *prefix, clg_str *out) {
  clg_walk w;
  if (!a || !root || !clg_walk_open(&w, a, &root, 1)) {
    out->failed = true;
    return false;
  }
  bool ok = has_lanes(a, &w, root);
  emitter m = {a, &w, prefix, out, true};
  if (ok) statements(&m, &w, &root, &result, 1);
  clg_walk_close(&w);
  return ok;
}

/* ---- formulas ---- */

/* How tightly text binds: what stands in a place of a higher level needs parentheses. */
enum { CHOICE = 1, COMPARISON, SUM, PRODUCT, SIGNED, ATOM };

/* A formula with shared parts may print without end, and one as deep as its text is long must not recurse as deep. */
#define MOST_TEXT  65536
#define MOST_DEPTH 1000

typedef struct printer {
  const clg_arena *a;
  clg_str *out;
  size_t start;
  int depth;
} printer;

static int level_of(const clg_enode *k) {
  switch (k->op) {
  case CLG_EX_CONST: return k->value < 0 || (k->value == 0 && signbit(k->value)) ? SIGNED : ATOM;
  case CLG_EX_ADD:
  case CLG_EX_SUB: return SUM;
  case CLG_EX_MUL:
  case CLG_EX_DIV: return PRODUCT;
  case CLG_EX_NEG: return SIGNED;
  case CLG_EX_SELECT: return CHOICE;
  default: return clg_op_is_condition(k->op) ? COMPARISON : ATOM;
  }
}

static void print(printer *p, clg_expr e, int place);

static void print_number(printer *p, double v) {
  if (isfinite(v)) {
    clg_str_add_double(p->out, v);
  } else {
    const char *infinite = v < 0 ? "(-1/0)" : "(1/0)";
    clg_str_add(p->out, isnan(v) ? "(0/0)" : infinite);
  }
}

/* Sums and products commute, and comparisons turn round: numbers go where people write them, and the operand that would
 * need parentheses on the right goes to the left. */
static bool swaps(const printer *p, const clg_enode *k) {
  const clg_enode *x = &p->a->node[k->arg[0]], *y = &p->a->node[k->arg[1]];
  bool number = x->op == CLG_EX_CONST || x->op == CLG_EX_ABSENT;
  if (k->op == CLG_EX_MUL) return !number && level_of(y) == PRODUCT && level_of(x) != PRODUCT;
  if (k->op == CLG_EX_ADD) return number || (level_of(y) == SUM && level_of(x) != SUM);
  return number && clg_op_is_condition(k->op);
}

static void print_infix(printer *p, const clg_enode *k) {
  int level = level_of(k);
  bool swap = swaps(p, k);
  const char *symbol = clg_op_rows[k->op].text;
  if (swap && k->op == CLG_EX_LT) symbol = ">";
  if (swap && k->op == CLG_EX_LE) symbol = ">=";
  print(p, k->arg[swap], level == COMPARISON ? SUM : level);
  clg_str_addf(p->out, level == PRODUCT ? "%s" : " %s ", symbol);
  print(p, k->arg[!swap], level + 1);
}

static void print_call(printer *p, const clg_enode *k) {
  clg_str_addf(p->out, "%s(", clg_op_rows[k->op].text);
  for (int i = 0; i < clg_op_rows[k->op].arity; i++) {
    if (i) clg_str_add(p->out, ", ");
    print(p, k->arg[i], CHOICE);
  }
  clg_str_add(p->out, ")");
}

static void print_choice(printer *p, const clg_enode *k) {
  print(p, k->arg[0], COMPARISON);
  clg_str_add(p->out, " ? ");
  print(p, k->arg[1], CHOICE);
  clg_str_add(p->out, " : ");
  print(p, k->arg[2], CHOICE);
}

static void print(printer *p, clg_expr e, int place) {
  const clg_enode *k = &p->a->node[e];
  if (p->out->failed || p->out->len - p->start > MOST_TEXT) return;
  if (p->depth == MOST_DEPTH) {
    clg_str_add(p->out, "...");
    return;
  }
  p->depth++;
  bool parens = level_of(k) < place;
  if (parens) clg_str_add(p->out, "(");
  switch (k->op) {
  case CLG_EX_ABSENT:
  case CLG_EX_CONST: print_number(p, k->value); break;
  case CLG_EX_VAR: clg_str_add(p->out, k->name); break;
  case CLG_EX_SELECT: print_choice(p, k); break;
  case CLG_EX_NEG:
    clg_str_add(p->out, "-");
    print(p, k->arg[0], SIGNED);
    break;
  default:
    if (clg_op_is_infix(k->op)) {
      print_infix(p, k);
    } else {
      print_call(p, k);
    }
  }
  if (parens) clg_str_add(p->out, ")");
  p->depth--;
}

void clg_expr_print(const clg_arena *a, clg_expr e, clg_str *out) {
  printer p = {a, out, out->len, 0};
  if (!a || !e) return;
  print(&p, e, CHOICE);
  if (p.out->len - p.start > MOST_TEXT) clg_str_add(out, "...");
}
