/* The parser: recursive descent over a closed grammar, so that a formula from a file is safe input.
 *
 *   choice  = compare [ "?" choice ":" choice ]          anything as a condition means "is not 0"
 *   compare = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
 *   sum     = product { ("+" | "-") product }
 *   product = signed { ("*" | "/") signed }
 *   signed  = "-" signed | atom
 *   atom    = number | name | function "(" choice { "," choice } ")" | "(" choice ")"
 *
 * Text and nesting are limited; a comparison used as a value is 0 or 1. */
#include "expr/arena.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TEXT   16384
#define MOST_NESTED 200
#define MOST_DIGITS 60

typedef struct parser {
  clg_arena *a;
  const char *text, *at;
  const char *const *names;
  size_t n;
  int nested;
  clg_parse_error error; /* column 0: none yet */
} parser;

/* The first error stays. Returns 0, the expression that is none. */
static clg_expr fail(parser *p, const char *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static clg_expr fail(parser *p, const char *at, const char *fmt, ...) {
  if (p->error.column) return 0;
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(p->error.what, sizeof p->error.what, fmt, ap);
  va_end(ap);
  p->error.column = (int)(at - p->text) + 1;
  return 0;
}

/* ---- characters, independent of the locale ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static size_t name_length(const char *c) {
  size_t n = 0;
  if (starts_name(*c))
    while (starts_name(c[n]) || is_digit(c[n])) n++;
  return n;
}

static char peek(parser *p) {
  while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r') p->at++;
  return *p->at;
}

static bool take(parser *p, const char *symbol) {
  peek(p);
  if (strncmp(p->at, symbol, strlen(symbol))) return false;
  p->at += strlen(symbol);
  return true;
}

/* Says what stands here and what should. */
static clg_expr unexpected(parser *p, const char *wanted) {
  char c = peek(p);
  if (!c) return fail(p, p->at, "the formula ends here; %s", wanted);
  if (starts_name(c)) return fail(p, p->at, "'%.*s' does not belong here; %s", (int)name_length(p->at), p->at, wanted);
  if (c == '^' || !strncmp(p->at, "**", 2)) return fail(p, p->at, "powers are written pow(a, b)");
  if (c == '=') return fail(p, p->at, "'=' does not belong here; equality is written ==");
  if (c == '&' || c == '|' || c == '!') return fail(p, p->at, "'%c' does not belong here; nest c ? a : b instead", c);
  if (c < ' ' || c > '~')
    return fail(p, p->at, "byte 0x%02x does not belong here; %s", (unsigned)(unsigned char)c, wanted);
  return fail(p, p->at, "'%c' does not belong here; %s", c, wanted);
}

/* ---- the grammar ---- */

static clg_expr choice(parser *p);

/* All recursion passes here. */
static clg_expr nest(parser *p, clg_expr (*rule)(parser *)) {
  if (p->nested == MOST_NESTED) return fail(p, p->at, "nested more than %d deep", MOST_NESTED);
  p->nested++;
  clg_expr e = rule(p);
  p->nested--;
  return e;
}

/* The digits go to strtod without a decimal point, the only character of a number that depends on the locale. */
static clg_expr number(parser *p) {
  char digits[MOST_DIGITS + 16];
  int n = 0, power = 0, written = 0;
  const char *start = p->at;
  bool point = false;
  for (; is_digit(*p->at) || (*p->at == '.' && !point); p->at++) {
    point |= *p->at == '.';
    if (*p->at == '.') continue;
    written++;
    power -= point;
    if (n == 0 && *p->at == '0') continue;
    if (n == MOST_DIGITS) return fail(p, start, "a number with more than %d digits", MOST_DIGITS);
    digits[n++] = *p->at;
  }
  if (!written) return fail(p, start, "a number needs a digit");
  if (*p->at == 'e' || *p->at == 'E') {
    bool minus = p->at[1] == '-';
    p->at += p->at[1] == '-' || p->at[1] == '+' ? 2 : 1;
    if (!is_digit(*p->at)) return fail(p, p->at, "an exponent needs a digit");
    int e = 0;
    for (; is_digit(*p->at); p->at++)
      if (e < 100000) e = 10 * e + (*p->at - '0');
    power += minus ? -e : e;
  }
  if (starts_name(*p->at) || *p->at == '.') return unexpected(p, "an operator is missing");
  snprintf(digits + n, sizeof digits - (size_t)n, "%se%d", n ? "" : "0", power);
  double v = strtod(digits, NULL);
  return isfinite(v) ? clg_expr_const(p->a, v) : fail(p, start, "a number too large");
}

static clg_expr unknown_name(parser *p, const char *at, size_t length) {
  char known[100] = "";
  size_t used = 0;
  for (size_t i = 0; i < p->n && used < sizeof known; i++)
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", p->names[i]);
  int shown = length < 30 ? (int)length : 30;
  return fail(p, at, "unknown name '%.*s' (inputs: %s)", shown, at, p->n ? known : "none");
}

static clg_expr_op function_named(const char *name, size_t length) {
  for (int op = CLG_EX_EXP; op < CLG_EXPR_OPS; op++)
    if (strlen(clg_op_rows[op].text) == length && !memcmp(clg_op_rows[op].text, name, length)) return (clg_expr_op)op;
  return CLG_EX_CONST;
}

static clg_expr call(parser *p, const char *name, size_t length) {
  clg_expr_op op = function_named(name, length);
  int shown = length < 30 ? (int)length : 30, n = 0;
  if (op == CLG_EX_CONST) return fail(p, name, "unknown function '%.*s'", shown, name);
  clg_expr arg[3] = {0};
  do {
    clg_expr e = nest(p, choice);
    if (!e) return 0;
    if (n < 3) arg[n] = e;
    n++;
  } while (take(p, ","));
  if (!take(p, ")")) return unexpected(p, "')' is missing");
  int arity = clg_op_rows[op].arity;
  if (n != arity)
    return fail(p, name, "%s takes %d argument%s, not %d", clg_op_rows[op].text, arity, arity > 1 ? "s" : "", n);
  return clg_expr_make(p->a, op, arg[0], arg[1], arg[2]);
}

static clg_expr named(parser *p) {
  const char *name = p->at;
  size_t length = name_length(name);
  p->at += length;
  if (take(p, "(")) return call(p, name, length);
  for (size_t i = 0; i < p->n; i++)
    if (strlen(p->names[i]) == length && !memcmp(p->names[i], name, length)) return clg_expr_var(p->a, p->names[i]);
  if (function_named(name, length))
    return fail(p, name, "%.*s is a function: its argument is missing", (int)length, name);
  return unknown_name(p, name, length);
}

static clg_expr atom(parser *p) {
  char c = peek(p);
  if (is_digit(c) || c == '.') return number(p);
  if (starts_name(c)) return named(p);
  if (!take(p, "(")) return unexpected(p, "a number, a name or '(' is missing");
  clg_expr e = nest(p, choice);
  if (e && !take(p, ")")) return unexpected(p, "')' is missing");
  return e;
}

static clg_expr signed_atom(parser *p) {
  if (!take(p, "-")) return atom(p);
  clg_expr e = nest(p, signed_atom);
  return clg_unary(p->a, CLG_EX_NEG, e);
}

static clg_expr product(parser *p) {
  clg_expr e = signed_atom(p);
  for (char c; e && (((c = peek(p)) == '*' && p->at[1] != '*') || c == '/');) {
    p->at++;
    e = clg_binary(p->a, c == '*' ? CLG_EX_MUL : CLG_EX_DIV, e, signed_atom(p));
  }
  return e;
}

static clg_expr sum(parser *p) {
  clg_expr e = product(p);
  for (char c; e && ((c = peek(p)) == '+' || c == '-');) {
    p->at++;
    e = clg_binary(p->a, c == '+' ? CLG_EX_ADD : CLG_EX_SUB, e, product(p));
  }
  return e;
}

/* Longer symbols first. `turned` are those that exist with their operands exchanged. */
static const struct {
  char symbol[3];
  clg_expr_op op;
  bool turned;
} comparisons[] = {
    {"<=", CLG_EX_LE, false}, {">=", CLG_EX_LE, true}, {"==", CLG_EX_EQ, false},
    {"!=", CLG_EX_NE, false}, {"<", CLG_EX_LT, false}, {">", CLG_EX_LT, true},
};
#define COMPARISONS (sizeof comparisons / sizeof *comparisons)

static clg_expr compare(parser *p) {
  clg_expr e = sum(p);
  for (size_t i = 0; e && i < COMPARISONS; i++) {
    if (!take(p, comparisons[i].symbol)) continue;
    clg_expr right = sum(p);
    e = comparisons[i].turned ? clg_binary(p->a, comparisons[i].op, right, e)
                              : clg_binary(p->a, comparisons[i].op, e, right);
    for (size_t j = 0; e && j < COMPARISONS; j++)
      if (take(p, comparisons[j].symbol))
        return fail(p, p->at - strlen(comparisons[j].symbol), "comparisons do not chain; use parentheses");
    break;
  }
  return e;
}

static clg_expr choice(parser *p) {
  clg_expr c = compare(p);
  if (!c || !take(p, "?")) return c;
  clg_expr x = nest(p, choice);
  if (x && !take(p, ":")) return unexpected(p, "':' is missing");
  clg_expr y = x ? nest(p, choice) : 0;
  return clg_expr_make(p->a, CLG_EX_SELECT, c, x, y);
}

clg_expr clg_expr_parse(clg_arena *a, const char *text, const char *const *names, size_t n, clg_parse_error *error) {
  if (!text) text = "";
  parser p = {.a = a, .text = text, .at = text, .names = names, .n = n};
  clg_expr e = 0;
  if (memchr(text, '\0', MOST_TEXT + 1)) {
    e = choice(&p);
    if (e && peek(&p)) e = unexpected(&p, "an operator is missing");
  } else {
    fail(&p, text + MOST_TEXT, "the formula is longer than %d characters", MOST_TEXT);
  }
  if (!e && !p.error.column) {
    p.error.no_memory = true;
    fail(&p, p.at, "out of host memory");
  }
  if (error) *error = p.error;
  return e;
}
