/* Formulas: parsed, differentiated, chained, emitted; what is printed parses back to the same value. */
#include "base/str.h"
#include "expr/expr.h"
#include "fuzz.h"
#include <math.h>

static const char *const names[] = {"x", "o", "k", "s"};
static const double values[] = {0.5, -1.25, 2, 3};
enum { NAMES = 4 };

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static void emit_all(clg_arena *a, clg_expr f) {
  clg_expr dx = clg_expr_diff(a, f, "x"), dxk = clg_expr_diff(a, dx, "k");
  clg_expr chained = clg_expr_chain(a, clg_expr_var(a, "g"), dx);
  clg_expr shared = clg_expr_replace(a, dx, f, clg_expr_var(a, "y"));
  const clg_expr roots[] = {f, dx, dxk, chained, shared};
  const char *results[] = {"r0 = ", "r1 = ", "r2 = ", "r3 = ", "r4 = "};
  clg_str text = {0};
  clg_expr_emit(a, roots, results, 5, "t", &text);
  FUZZ_REQUIRE(!text.failed || !dx || !dxk || !chained, "nothing is emitted");
  clg_str_free(&text);
  clg_expr_emit_lanes(a, f, "r = ", "t", &text);
  clg_str_free(&text);
  for (int i = 0; i < 5; i++) {
    clg_expr_print(a, roots[i], &text);
    clg_str_free(&text);
  }
}

static void print_and_parse(clg_arena *a, clg_expr f) {
  clg_str text = {0};
  clg_parse_error e;
  clg_expr_print(a, f, &text);
  if (!text.failed && text.len < 16000 && !strstr(text.data, "...")) {
    clg_expr again = clg_expr_parse(a, text.data, names, NAMES, &e);
    FUZZ_REQUIRE(again || strstr(e.what, "nested"), "\"%s\" does not parse back: %s", text.data, e.what);
    double was = clg_expr_eval(a, f, names, values, NAMES), is = clg_expr_eval(a, again, names, values, NAMES);
    FUZZ_REQUIRE(!again || same(was, is), "\"%s\" parses back to another: %g, %g", text.data, was, is);
  }
  clg_str_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  char *text = fuzz_text(data, n);
  clg_arena *a = clg_arena_create();
  clg_parse_error e = {0};
  clg_expr f = clg_expr_parse(a, text, names, NAMES, &e);
  if (f) {
    emit_all(a, f);
    print_and_parse(a, f);
  } else {
    FUZZ_REQUIRE(e.column > 0 && *e.what, "no reason is given");
  }
  clg_arena_destroy(a);
  free(text);
  return 0;
}
