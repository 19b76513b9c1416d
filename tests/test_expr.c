/* Expressions: parsing, simplification, derivatives and the text that kernels are made of. No device. */
#include "base/str.h"
#include "expr/expr.h"
#include "expr_cases.h"
#include "harness.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static clg_arena *arena;
static const char *const names[] = {"x", "y", "k", "g"};
#define NAMES        (sizeof names / sizeof *names)
#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void open_arena(void) { ck_assert_ptr_nonnull(arena = clg_arena_create()); }
static void close_arena(void) { clg_arena_destroy(arena); }

static clg_expr parse(const char *text) {
  clg_parse_error error;
  clg_expr e = clg_expr_parse(arena, text, names, NAMES, &error);
  ck_assert_msg(e, "%s: column %d: %s", text, error.column, error.what);
  return e;
}

static void expect_print(clg_expr e, const char *want) {
  clg_str s = {0};
  clg_expr_print(arena, e, &s);
  ck_assert_str_eq(s.data, want);
  clg_str_free(&s);
}

static double at(clg_expr e, double x, double y) {
  return clg_expr_eval(arena, e, names, (double[]){x, y, 1.5, 0.75}, NAMES);
}

static bool near(double got, double want, double tolerance) {
  return fabs(got - want) <= tolerance * (1 + fabs(want)) || got == want || (isnan(got) && isnan(want));
}

/* ---- printing gives the node back; constructors simplify ---- */

START_TEST(prints_and_parses_back) {
  clg_expr e = parse(prints[_i].text);
  expect_print(e, prints[_i].print);
  ck_assert_uint_eq(parse(prints[_i].print), e);
  clg_arena *other = clg_arena_create(); /* the order of operands does not depend on what was made before */
  const char *const reversed[] = {"g", "k", "y", "x"};
  for (int i = 0; i < 4; i++) clg_expr_var(other, reversed[i]);
  clg_str s = {0};
  clg_expr_print(other, clg_expr_parse(other, prints[_i].text, reversed, 4, NULL), &s);
  ck_assert_str_eq(s.data, prints[_i].print);
  clg_str_free(&s);
  clg_arena_destroy(other);
}
END_TEST

START_TEST(equal_formulas_are_one_node) {
  ck_assert_uint_eq(parse("x + y"), parse("y + x"));
  ck_assert_uint_eq(parse("x*exp(y)"), parse("exp( y ) * x"));
  ck_assert_uint_eq(parse("x*y + k"), parse("(k + (y*x))"));
  ck_assert_uint_eq(parse("x == y"), parse("y == x"));
  ck_assert_uint_eq(parse("x > y"), parse("y < x"));
  ck_assert_uint_eq(parse("0.5"), parse("5e-1"));
  ck_assert_uint_ne(parse("x - y"), parse("y - x"));
  ck_assert_uint_ne(parse("(x + y) + k"), parse("x + (y + k)"));
  ck_assert_uint_ne(parse("0.1"), parse("0.10000000000000002"));
  ck_assert_int_eq(clg_expr_op_of(arena, parse("x > y")), CLG_EX_LT);
  ck_assert(clg_expr_is_const(arena, parse("2*3"), 6));
  ck_assert(!clg_expr_is_const(arena, parse("x"), 0) && !clg_expr_is_const(arena, 0, 0));
  ck_assert_uint_eq(clg_expr_var(arena, "x"), parse("x"));
  for (int i = 0; i < 3; i++) ck_assert_uint_eq(clg_expr_var(arena, ((const char *[]){"", "2x", "a b"})[i]), 0);
}
END_TEST

/* Hundreds of thousands of nodes: the table grows, and every one is found again. */
START_TEST(large_arena) {
  clg_expr first[1000];
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < 200000; i++) {
      clg_expr e = clg_expr_make(arena, CLG_EX_MUL, clg_expr_const(arena, i + 2), clg_expr_var(arena, "x"), 0);
      ck_assert_uint_ne(e, 0);
      if (i < 1000 && !pass) first[i] = e;
      if (i < 1000) ck_assert_uint_eq(first[i], e);
    }
}
END_TEST

/* ---- errors ---- */

START_TEST(errors_name_the_column) {
  clg_parse_error error = {0};
  ck_assert_uint_eq(clg_expr_parse(arena, errors[_i].text, names, NAMES, &error), 0);
  ck_assert_msg(error.column == errors[_i].column, "%s: column %d: %s", errors[_i].text, error.column, error.what);
  ck_assert_msg(strstr(error.what, errors[_i].what), "%s: \"%s\" lacks \"%s\"", errors[_i].text, error.what,
                errors[_i].what);
  ck_assert_uint_eq(clg_expr_parse(arena, errors[_i].text, names, NAMES, NULL), 0);
  ck_assert_uint_eq(clg_expr_parse(arena, "x", names, NAMES, &error), parse("x"));
}
END_TEST

/* `pattern` repeated to at least `size` characters, and its end. */
static char *repeated(const char *pattern, size_t size) {
  size_t n = strlen(pattern);
  char *text = malloc(size + n + 1);
  ck_assert_ptr_nonnull(text);
  for (size_t i = 0; i < size + n; i++) text[i] = pattern[i % n];
  text[size] = '\0';
  return text;
}

START_TEST(hostile_text_is_an_error) {
  static const size_t size[] = {300, 5000, 16384, 16385, 1000000};
  for (int i = 0; i < COUNT(size); i++) {
    clg_parse_error error = {0};
    char *text = repeated(patterns[_i], size[i]);
    clg_expr e = clg_expr_parse(arena, text, names, NAMES, &error);
    ck_assert_uint_eq(e, 0);
    ck_assert(error.column > 0 && error.column <= 16385 && error.what[0]);
    if (size[i] > 16384) ck_assert_ptr_nonnull(strstr(error.what, "longer than 16384"));
    free(text);
  }
}
END_TEST

START_TEST(random_bytes_never_crash) {
  uint32_t state = 1;
  static const char alphabet[] = "xykg0123456789.e+-*/()?:<>=!, expmaxpowsqrt\xe9\n";
  for (int round = 0; round < 20000; round++) {
    char text[40];
    for (int i = 0; i < 39; i++) {
      state = state * 1664525u + 1013904223u;
      text[i] = round % 2 ? alphabet[(state >> 16) % (sizeof alphabet - 1)] : (char)(state >> 24);
    }
    text[39] = '\0';
    clg_parse_error error = {0};
    clg_expr e = clg_expr_parse(arena, text, names, NAMES, &error);
    ck_assert(e ? !error.column : error.column > 0 && error.column <= 40);
  }
}
END_TEST

START_TEST(nesting_and_length_up_to_the_limit) {
  char text[16385];
  for (int i = 0; i < 200; i++) text[i] = '(', text[201 + i] = ')';
  text[200] = 'x';
  text[401] = '\0';
  ck_assert_uint_eq(parse(text), parse("x"));
  /* as deep a DAG as text can make: nothing may recurse on it without a limit */
  for (int i = 0; i < 16383; i++) text[i] = "x+y*"[i % 4];
  text[16383] = '\0';
  clg_expr e = parse(text), d = clg_expr_diff(arena, e, "x");
  ck_assert_uint_ne(clg_expr_diff(arena, d, "x"), 0);
  ck_assert_double_eq(at(e, 2, 1), 8193);
  ck_assert_uint_ne(clg_expr_replace(arena, e, parse("x"), parse("k")), 0);
  clg_str s = {0};
  clg_expr_print(arena, e, &s);
  const char *result = "r = ";
  clg_expr_emit(arena, &e, &result, 1, "t", &s);
  ck_assert(!s.failed);
  clg_str_free(&s);
}
END_TEST

/* ---- derivatives ---- */

START_TEST(derivatives_match_differences) {
  static const double points[][2] = {{0.37, 1.3}, {1.21, 0.45}, {2.6, 0.8}, {0.83, 3.1}};
  const double h = 1e-5;
  clg_expr e = parse(smooth[_i]);
  for (int v = 0; v < 2; v++) {
    clg_expr d = clg_expr_diff(arena, e, names[v]);
    ck_assert_uint_ne(d, 0);
    for (int w = 0; w < 2; w++) {
      clg_expr dd = clg_expr_diff(arena, d, names[w]);
      for (int i = 0; i < COUNT(points); i++) {
        double x = points[i][0], y = points[i][1], hx = v ? 0 : h, hy = v ? h : 0, gx = w ? 0 : h, gy = w ? h : 0;
        double first = (at(e, x + hx, y + hy) - at(e, x - hx, y - hy)) / (2 * h);
        ck_assert_msg(near(at(d, x, y), first, 1e-7), "d %s / d %s at %g %g: %.10g, not %.10g", smooth[_i], names[v], x,
                      y, at(d, x, y), first);
        double second = (at(d, x + gx, y + gy) - at(d, x - gx, y - gy)) / (2 * h);
        ck_assert_msg(near(at(dd, x, y), second, 1e-6), "d2 %s / d %s d %s at %g %g: %.10g, not %.10g", smooth[_i],
                      names[v], names[w], x, y, at(dd, x, y), second);
      }
    }
  }
}
END_TEST

START_TEST(derivatives_read_well) {
  expect_print(clg_expr_diff(arena, parse(derivatives[_i].text), "x"), derivatives[_i].derivative);
}
END_TEST

START_TEST(subgradients_at_kinks) {
  double got = at(clg_expr_diff(arena, parse(kinks[_i].text), "x"), kinks[_i].x, kinks[_i].y);
  ck_assert_msg(near(got, kinks[_i].dx, 1e-15), "d %s at %g: %g, not %g", kinks[_i].text, kinks[_i].x, got,
                kinks[_i].dx);
}
END_TEST

/* ---- chain, replace, mentions ---- */

/* g times the formula, in which 0 stands for what is absent. */
static clg_expr chained(const char *text) {
  clg_expr d = clg_expr_replace(arena, parse(text), parse("0"), clg_expr_absent(arena));
  return clg_expr_chain(arena, parse("g"), d);
}

START_TEST(chain_keeps_zeros) {
  static const double g[] = {INFINITY, (double)NAN, 3};
  for (int i = 0; i < COUNT(g); i++) {
    static const char *const zero_at_minus_one[] = {"x > 0 ? x : 0", "-(x > 0 ? x : 0)", "max(x, 0)",
                                                    "x < 0 ? 0 : (x > 2 ? 2 : x)", "sqrt(x > 0 ? x : 0)"};
    for (int k = 0; k < COUNT(zero_at_minus_one); k++) {
      clg_expr d = clg_expr_diff(arena, parse(zero_at_minus_one[k]), "x"), e = clg_expr_chain(arena, parse("g"), d);
      double got = clg_expr_eval(arena, e, names, (double[]){-1, 0, 0, g[i]}, NAMES);
      ck_assert_msg(got == 0, "%s times %g: %g", zero_at_minus_one[k], g[i], got);
    }
  }
  expect_print(chained("x > 0 ? 1 : 0"), "x > 0 ? g : 0");
  expect_print(clg_expr_chain(arena, parse("g"), parse("x > 0 ? 1 : k")), "x > 0 ? g : g*k");
  expect_print(chained("x > 0 ? 1 : (x < k ? 0 : y)"), "x > 0 ? g : x < k ? 0 : g*y");
  expect_print(chained("-(x > 0 ? 1 : 0)"), "x > 0 ? -g : 0");
  expect_print(clg_expr_chain(arena, parse("g"), parse("-x")), "-(g*x)");
  expect_print(clg_expr_chain(arena, parse("g"), parse("1/x")), "g/x");
  expect_print(clg_expr_chain(arena, parse("g"), parse("1")), "g");
  expect_print(clg_expr_chain(arena, parse("g"), parse("0")), "0*g"); /* a factor, which may meet a NaN */
  expect_print(clg_expr_chain(arena, parse("g"), parse("3*x")), "3*(g*x)");
  expect_print(clg_expr_chain(arena, parse("g"), parse("0.5*x")), "0.5*x*g");
  ck_assert(clg_expr_is_absent(arena, chained("0")));
  ck_assert_uint_eq(clg_expr_chain(arena, 0, parse("x")), 0);
  ck_assert_uint_eq(clg_expr_chain(arena, parse("x"), 0), 0);
}
END_TEST

START_TEST(replace_and_mentions) {
  clg_expr s = parse("sigmoid(x)"), d = clg_expr_diff(arena, s, "x"), y = parse("y");
  ck_assert_uint_eq(clg_expr_replace(arena, d, s, y), parse("y*(1 - y)"));
  ck_assert_uint_eq(clg_expr_replace(arena, s, s, y), y);
  ck_assert_uint_eq(clg_expr_replace(arena, d, parse("k"), y), d);
  ck_assert_uint_eq(clg_expr_replace(arena, parse("x + y"), parse("y"), parse("0")), parse("x"));
  ck_assert_uint_eq(clg_expr_replace(arena, parse("x*x + exp(x)"), parse("x"), parse("k + 1")),
                    parse("(k + 1)*(k + 1) + exp(k + 1)"));
  ck_assert(clg_expr_mentions(arena, d, "x") && !clg_expr_mentions(arena, d, "y") && !clg_expr_mentions(arena, 0, "x"));
  ck_assert(clg_expr_mentions(arena, parse("x < 0 ? 1 : 2"), "x"));
  /* what is not mentioned is absent, and what is multiplied with 0 is not, but needs nothing kept */
  ck_assert(clg_expr_mentions(arena, parse("x*0 + y"), "x"));
  ck_assert(clg_expr_is_const(arena, clg_expr_diff(arena, parse("x*0 + y"), "x"), 0));
  ck_assert(!clg_expr_is_absent(arena, clg_expr_diff(arena, parse("x*0 + y"), "x")));
  static const char *const independent[] = {"y", "k*y + 1", "sign(x)*y", "floor(x)", "x < y", "y > 0 ? y : 0/y"};
  for (int i = 0; i < COUNT(independent); i++)
    ck_assert(clg_expr_is_absent(arena, clg_expr_diff(arena, parse(independent[i]), i == 2 ? "k" : "x")));
  ck_assert_uint_eq(clg_expr_replace(arena, 0, s, y), 0);
  ck_assert_uint_eq(clg_expr_replace(arena, d, 0, y), 0);
  ck_assert_uint_eq(clg_expr_replace(arena, d, s, 0), 0);
}
END_TEST

START_TEST(no_expression_stays_none) {
  for (int op = CLG_EX_ADD; op <= CLG_EX_FLOOR; op++)
    ck_assert_uint_eq(clg_expr_make(arena, (clg_expr_op)op, 0, 0, 0), 0);
  ck_assert_uint_eq(clg_expr_make(arena, CLG_EX_ADD, parse("x"), 0, 0), 0);
  ck_assert_uint_eq(clg_expr_make(arena, CLG_EX_SELECT, parse("x"), parse("y"), 0), 0);
  ck_assert_uint_eq(clg_expr_make(arena, CLG_EX_CONST, parse("x"), 0, 0), 0);
  ck_assert_uint_eq(clg_expr_diff(arena, 0, "x"), 0);
  ck_assert(isnan(clg_expr_eval(arena, 0, names, NULL, 0)));
  ck_assert(isnan(clg_expr_eval(arena, parse("x + 1"), names, NULL, 0)));
  ck_assert_uint_eq(clg_expr_parse(NULL, "x", names, NAMES, NULL), 0);
  clg_arena_destroy(NULL);
}
END_TEST

/* ---- emitted text ---- */

START_TEST(emits_one_statement_a_node) {
  clg_expr e = parse(emitted[_i].text);
  const char *result = "r = ";
  clg_str s = {0};
  clg_expr_emit(arena, &e, &result, 1, "t", &s);
  ck_assert_str_eq(s.data, emitted[_i].code);
  clg_str_free(&s);
}
END_TEST

START_TEST(emits_lanes) {
  clg_str s = {0};
  ck_assert(clg_expr_emit_lanes(arena, parse("(x > 0 ? 1 : k)*y"), "r = ", "t", &s));
  ck_assert_str_eq(s.data, "const int16 t0 = (float16)(0.0f) < (float16)(x);\n"
                           "const float16 t1 = t0 ? (float16)(1.0f) : (float16)(k);\n"
                           "const float16 t2 = y * t1;\n"
                           "r = t2;\n");
  s.len = 0;
  ck_assert(clg_expr_emit_lanes(arena, parse("max(tanh(x), 1) + abs(x)"), "r = ", "t", &s));
  ck_assert_str_eq(s.data, "const float16 t0 = fabs((float16)(x));\n"
                           "const float16 t1 = clg_tanh16((float16)(x));\n"
                           "const float16 t2 = clg_max16(t1, (float16)(1.0f));\n"
                           "const float16 t3 = t0 + t2;\n"
                           "r = t3;\n");
  size_t len = s.len;
  static const char *const without[] = {"x < y", "(x < y)*k", "x < y ? x < k : y"};
  for (size_t i = 0; i < COUNT(without); i++)
    ck_assert(!clg_expr_emit_lanes(arena, parse(without[i]), "r = ", "t", &s));
  ck_assert(s.len == len && !s.failed);
  ck_assert(!clg_expr_emit_lanes(arena, 0, "r = ", "t", &s) && s.failed);
  clg_str_free(&s);
}
END_TEST

START_TEST(emits_shared_nodes_once) {
  clg_expr roots[] = {parse("exp(x) + 1"), parse("exp(x)"), parse("exp(x)*y")};
  static const char *const results[] = {"a[0] = ", "b = ", "c = "};
  clg_str s = {0};
  clg_expr_emit(arena, roots, results, 3, "q_", &s);
  ck_assert_str_eq(s.data, "const float q_0 = clg_exp(x);\nconst float q_1 = 1.0f + q_0;\nconst float q_2 = y * q_0;\n"
                           "a[0] = q_1;\nb = q_0;\nc = q_2;\n");
  clg_str_free(&s);
}
END_TEST

static int statements(clg_expr e) {
  const char *result = "r = ";
  clg_str s = {0};
  clg_expr_emit(arena, &e, &result, 1, "t", &s);
  int n = 0;
  for (const char *c = s.data; c && *c; c++) n += *c == '\n';
  clg_str_free(&s);
  return n;
}

/* Nested functions, products and ties: twice as deep, twice as long, not its square. */
START_TEST(derivatives_grow_linearly) {
  static const char *const shape[] = {"(x + %d)*(%s)", "tanh(%d*x*(%s))", "max(0.5*(%s), x - %d)"};
  clg_expr e[2];
  for (int deep = 0; deep < 2; deep++) {
    clg_expr f = parse("x");
    for (int i = 0; i < (deep ? 40 : 20); i++) {
      clg_expr x = parse("x"), n = clg_expr_const(arena, i + 2);
      if (_i == 0) f = clg_expr_make(arena, CLG_EX_MUL, clg_expr_make(arena, CLG_EX_ADD, x, n, 0), f, 0);
      if (_i == 1)
        f = clg_expr_make(arena, CLG_EX_TANH,
                          clg_expr_make(arena, CLG_EX_MUL, clg_expr_make(arena, CLG_EX_MUL, n, x, 0), f, 0), 0, 0);
      if (_i == 2)
        f = clg_expr_make(arena, CLG_EX_MAX, clg_expr_make(arena, CLG_EX_MUL, clg_expr_const(arena, 0.5), f, 0),
                          clg_expr_make(arena, CLG_EX_SUB, x, n, 0), 0);
    }
    e[deep] = f;
  }
  for (int order = 0; order < 3; order++) {
    int less = statements(e[0]), more = statements(e[1]);
    ck_assert_msg(more <= 3 * less && more <= 40 * 150, "%s, order %d: %d, then %d statements", shape[_i], order, less,
                  more);
    for (int k = 0; k < 2; k++) ck_assert_uint_ne(e[k] = clg_expr_diff(arena, e[k], "x"), 0);
  }
}
END_TEST

START_TEST(printing_shared_parts_ends) {
  clg_expr e = parse("x + y");
  for (int i = 0; i < 100; i++) e = clg_expr_make(arena, CLG_EX_MUL, e, e, 0);
  clg_str s = {0};
  clg_expr_print(arena, e, &s);
  ck_assert(!s.failed && s.len < 100000 && strstr(s.data, "..."));
  clg_str_free(&s);
}
END_TEST

/* ---- numbers as text ---- */

static void check_numbers(void) {
  for (int i = 0; i < COUNT(floats); i++) {
    clg_str s = {0};
    clg_str_add_float(&s, floats[i].v);
    ck_assert_str_eq(s.data, floats[i].text);
    clg_str_free(&s);
  }
  clg_str s = {0};
  for (double v = 0.1; v < 1; v += 0.2) clg_str_add_double(&s, v), clg_str_add(&s, " ");
  clg_str_add_double(&s, -1234567890123456789.0);
  ck_assert_str_eq(s.data, "0.1 0.30000000000000004 0.5 0.7 0.8999999999999999 -1.2345678901234568e18");
  clg_str_free(&s);
  expect_print(parse("1.5*x + 2.5e-3"), "1.5*x + 0.0025");
  ck_assert(clg_expr_is_const(arena, parse("0.7071067811865476"), 0.7071067811865476));
  ck_assert(clg_expr_is_const(arena, parse("1234.5678e-4"), 0.12345678));
  ck_assert(clg_expr_is_const(arena, parse("00012.500"), 12.5) && clg_expr_is_const(arena, parse(".5"), 0.5));
  ck_assert(clg_expr_is_const(arena, parse("5."), 5) && clg_expr_is_const(arena, parse("0.0"), 0));
  ck_assert(clg_expr_is_const(arena, parse("1e-400"), 0) && clg_expr_is_const(arena, parse("2E+3"), 2000));
}

/* In every locale that writes 0,5, if the machine has one. */
START_TEST(numbers_ignore_the_locale) {
  static const char *const commas[] = {"C", "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "pl_PL.UTF-8", "ps_AF.UTF-8"};
  for (int i = 0; i < COUNT(commas); i++)
    if (setlocale(LC_NUMERIC, commas[i])) check_numbers();
  setlocale(LC_NUMERIC, "C");
}
END_TEST

/* Random bit patterns: every float reads back. */
START_TEST(floats_round_trip) {
  uint32_t bits = 12345;
  for (int i = 0; i < 20000; i++) {
    bits = bits * 1664525u + 1013904223u;
    uint32_t mixed = bits ^ bits >> 15;
    float v, back;
    memcpy(&v, &mixed, sizeof v);
    if (!isfinite(v)) continue;
    clg_str s = {0};
    clg_str_add_float(&s, v);
    char *end;
    back = strtof(s.data, &end);
    ck_assert_str_eq(end, "f");
    ck_assert_msg(!memcmp(&back, &v, sizeof v), "%s is not %.9g", s.data, (double)v);
    ck_assert_msg(strpbrk(s.data, ".e"), "%s is an integer", s.data);
    clg_str_free(&s);
  }
}
END_TEST

START_TEST(strings_grow) {
  clg_str s = {0};
  for (int i = 0; i < 10000; i++) clg_str_addf(&s, "%d,%s;", i, "text");
  ck_assert_uint_eq(s.len, strlen(s.data));
  ck_assert(!strncmp(s.data, "0,text;1,text;", 14) && !strcmp(s.data + s.len - 10, "9999,text;"));
  clg_str_free(&s);
  ck_assert_ptr_null(s.data);
  clg_str_add(&s, "");
  ck_assert_str_eq(s.data, "");
  clg_str_free(&s);
  ck_assert_uint_eq(clg_hash(CLG_HASH_START, "", 0), CLG_HASH_START);
  ck_assert_uint_eq(clg_hash(CLG_HASH_START, "a", 1), 0xaf63dc4c8601ec8cull);
  ck_assert_uint_eq(clg_hash(clg_hash(CLG_HASH_START, "foo", 3), "bar", 3), 0x85944171f73967e8ull);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("expr");
  tcase_add_checked_fixture(c, open_arena, close_arena);
  tcase_set_timeout(c, 60);
  tcase_add_loop_test(c, prints_and_parses_back, 0, COUNT(prints));
  tcase_add_test(c, equal_formulas_are_one_node);
  tcase_add_test(c, large_arena);
  tcase_add_loop_test(c, errors_name_the_column, 0, COUNT(errors));
  tcase_add_loop_test(c, hostile_text_is_an_error, 0, COUNT(patterns));
  tcase_add_test(c, random_bytes_never_crash);
  tcase_add_test(c, nesting_and_length_up_to_the_limit);
  tcase_add_loop_test(c, derivatives_match_differences, 0, COUNT(smooth));
  tcase_add_loop_test(c, derivatives_read_well, 0, COUNT(derivatives));
  tcase_add_loop_test(c, subgradients_at_kinks, 0, COUNT(kinks));
  tcase_add_test(c, chain_keeps_zeros);
  tcase_add_test(c, replace_and_mentions);
  tcase_add_test(c, no_expression_stays_none);
  tcase_add_loop_test(c, emits_one_statement_a_node, 0, COUNT(emitted));
  tcase_add_test(c, emits_lanes);
  tcase_add_test(c, emits_shared_nodes_once);
  tcase_add_loop_test(c, derivatives_grow_linearly, 0, 3);
  tcase_add_test(c, printing_shared_parts_ends);
  tcase_add_test(c, numbers_ignore_the_locale);
  tcase_add_test(c, floats_round_trip);
  tcase_add_test(c, strings_grow);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("expr", add_cases)
