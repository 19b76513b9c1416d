/* The op table: each row's values, and first and second gradients, against its definition in double; operands one
 * behind the other, stepped, transposed, expanded. $TEST_OPS=long: every layout for second gradients too; a program for
 * each is what costs. $CLGRAD_TEST_CASE, part of a row's name or =op, leaves everything else out. */
#include "device/program.h"
#include "op_run.h"
#include "undeclared.h"

static bool is_long(void) {
  const char *which = getenv("TEST_OPS");
  return which && !strcmp(which, "long");
}

/* ---- against the definition ---- */

static void check_each(const trial *t, const char *what, int i, const float *got, const double *want, int64_t n,
                       int order) {
  for (int64_t k = 0; k < n; k++)
    ck_assert_msg(near(got[k], want[k], allowed(t->c, order)), "%s: %s %d, element %d: %.9g, by definition %.9g",
                  t->title, what, i, (int)k, (double)got[k], want[k]);
}

static void check_values(const trial *t, const results *got) {
  static op_array want[OP_FURTHER + 1];
  op_define(t->c->op, &t->c->attrs, t->in, want);
  bool same = got->ndim == want->ndim;
  for (int d = 0; same && d < got->ndim; d++) same = got->dim[d] == want->dim[d];
  ck_assert_msg(same, "%s: the result has another shape", t->title);
  check_each(t, "value", 0, got->y, want->v, array_count(want), 0);
  for (int k = 0; k < OP_FURTHER; k++)
    if (want[k + 1].ndim >= 0)
      check_each(t, "further result", k, got->further[k], want[k + 1].v, array_count(&want[k + 1]), 0);
}

/* Some elements of a large operand stand for all. */
static int64_t probe_step(int64_t n) { return clg_context_device(ctx)->simulator && n > 2 ? n - 1 : 1 + n / 48; }

static void check_gradients(const trial *t, const results *got) {
  for (int i = 0; i < OP_INPUTS; i++) {
    int64_t n = has_gradient(t->c, i) ? array_count(&t->in[i]) : 0;
    for (int64_t k = 0; k < n; k += probe_step(n)) {
      double first = first_reference(t->c, t->in, t->u, i, k), second = 0;
      bool ok = near(got->first[i][k], first, allowed(t->c, 1));
      ck_assert_msg(ok, "%s: input %d, element %d: gradient %.9g, by definition %.9g", t->title, i, (int)k,
                    (double)got->first[i][k], first);
      if (!t->second) continue;
      second = second_reference(t->c, t->in, t->u, ((trial *)t)->w, i, k);
      ok = near(got->composed[i][k], first, allowed(t->c, 1)) && near(got->second[i][k], second, allowed(t->c, 2));
      ck_assert_msg(ok, "%s: input %d, element %d: composed gradient %.9g, second %.9g, by definition %.9g, %.9g",
                    t->title, i, (int)k, (double)got->composed[i][k], (double)got->second[i][k], first, second);
    }
  }
}

/* Whether the driver rounds one number in several ways, by where it lies: OpenCL lets rsqrt, exp and the like differ by
 * some ulp, and vector code and code of single items may then differ too. All elements are the same here, so nothing
 * but the place can tell one from another. */
static bool rounds_by_place(const trial *t, layout how) {
  static trial same;
  static results packed, other;
  same = *t, same.second = false;
  for (int64_t k = 0; k < OP_MOST; k++) same.u[k] = t->u[0];
  for (int64_t k = 0; k < array_count(&t->in[0]); k++) {
    for (int i = 0; i < OP_INPUTS; i++)
      for (int64_t n = t->c->in[i].present ? array_count(&t->in[i]) : 0, e = 0; e < n; e++)
        same.in[i].v[e] = t->in[i].v[k % n];
    run(&same, FLAT, &packed), run(&same, how, &other);
    if (memcmp(packed.y, other.y, sizeof other.y) || memcmp(packed.first, other.first, sizeof other.first)) return true;
  }
  return false;
}

/* A layout against packed operands: to the bit, but for what sums in the order of memory and what the driver rounds by
 * place. */
static bool is_same(const trial *t, layout how, float got, float want) {
  return !memcmp(&got, &want, sizeof got) ||
         (near(got, want, allowed(t->c, 1)) && (t->c->op->sums || rounds_by_place(t, how)));
}
static void check_same(const trial *t, layout how, const float *got, const float *want, int64_t n, const char *what) {
  for (int64_t k = 0; k < n; k++)
    ck_assert_msg(is_same(t, how, got[k], want[k]), "%s: %s, element %d: %.9g, of packed operands %.9g", t->title, what,
                  (int)k, (double)got[k], (double)want[k]);
}
static void check_layout(const trial *t, layout how, const results *got, const results *packed) {
  int64_t n = 1;
  for (int d = 0; d < got->ndim; d++) n *= got->dim[d];
  check_same(t, how, got->y, packed->y, n, "value");
  for (int i = 0; i < OP_INPUTS; i++)
    if (has_gradient(t->c, i)) check_same(t, how, got->first[i], packed->first[i], array_count(&t->in[i]), "gradient");
}

START_TEST(rows_follow_their_definitions) {
  static trial t;
  static results got, flat;
  prepare(&t, op_case_at((size_t)_i));
  for (int how = FLAT; how < (is_long() ? LAYOUTS : OFFSET); how++) {
    name_trial(&t, layout_name[how]);
    if (how == EXPANDED)
      for (int i = 0; i < OP_INPUTS; i++)
        if (t.in[i].ndim > 0) stretch(&t.in[i]);
    t.second = is_long() || how == (_i % 2 ? STEPPED : FLAT);
    run(&t, (layout)how, how == FLAT ? &flat : &got);
    check_values(&t, how == FLAT ? &flat : &got);
    if (how == FLAT || (t.second && !(how == EXPANDED && t.c->op->ranks)))
      check_gradients(&t, how == FLAT ? &flat : &got);
    if (how == EXPANDED) t.second = false, run(&t, FLAT, &flat);
    if (how != FLAT) check_layout(&t, (layout)how, &got, &flat);
    if (how == EXPANDED) prepare(&t, t.c), run(&t, FLAT, &flat); /* of what the next layouts hold */
  }
}
END_TEST

/* Single elements where the definition does not say, or passes through infinity. */
START_TEST(points_are_as_stated) {
  static trial t;
  static results got;
  prepare(&t, op_case_at((size_t)_i));
  op_case single = *t.c;
  t.bent = false, t.c = &single, t.u[0] = 1;
  for (int i = 0; i < OP_INPUTS; i++)
    for (int d = 0; d < single.in[i].ndim; d++) single.in[i].dim[d] = t.in[i].dim[d] = 1;
  for (int k = 0; k < single.n_points; k++) {
    const op_point *p = &single.points[k];
    name_trial(&t, " at a point");
    for (int i = 0; i < 4; i++) t.in[i].v[0] = p->in[i];
    run(&t, FLAT, &got);
    ck_assert_msg(near(got.y[0], p->value, allowed(t.c, 0)), "%s: at (%g, %g) %g, not %g", t.title, (double)p->in[0],
                  (double)p->in[1], (double)got.y[0], p->value);
    for (int i = 0; i < 4; i++)
      ck_assert_msg(!has_gradient(t.c, i) || near(got.first[i][0], p->grad[i], allowed(t.c, 1)),
                    "%s: at (%g, %g) gradient %d is %g, not %g", t.title, (double)p->in[0], (double)p->in[1], i,
                    (double)got.first[i][0], p->grad[i]);
  }
}
END_TEST

/* A formula that overflows on the way to a finite result has a gradient of NaN there. */
START_TEST(far_from_zero) {
  static trial t;
  static results got;
  static op_array one[OP_INPUTS];
  prepare(&t, op_case_at((size_t)_i));
  if (!t.c->op->all) return;
  op_case row = *t.c, single = *t.c;
  t.bent = t.second = false, t.c = &row;
  name_trial(&t, " far from zero");
  for (int i = 0; i < OP_MOST; i++) t.u[i] = 1;
  for (int64_t k = 0; k < array_count(&t.in[0]); k++) t.in[0].v[k] = k % 2 ? -110.25 : 110.25;
  run(&t, FLAT, &got);
  check_values(&t, &got);
  for (int i = 1; i < OP_INPUTS; i++) one[i].ndim = -1;
  op plain = *single.op;
  plain.linear = false, single.op = &plain;
  for (int64_t k = 0; k < 2 && has_gradient(t.c, 0); k++) {
    one[0].ndim = 0, one[0].v[0] = t.in[0].v[k];
    double want = first_reference(&single, one, t.u, 0, 0);
    /* a difference of two infinities says nothing */
    ck_assert_msg((isnan(want) && isinf(got.y[k])) || near(got.first[0][k], want, allowed(t.c, 1)),
                  "%s: the gradient at %g is %g, by definition %g", t.title, t.in[0].v[k], (double)got.first[0][k], want);
  }
}
END_TEST

/* ---- no op is forgotten ---- */

START_TEST(every_op_has_a_row) {
  all_called(CLG_INCLUDE "/ops.h", (const char *const[]){NULL}, op_case_count(), op_case_at);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("ops");
  const TTest *const checks[] = {rows_follow_their_definitions, points_are_as_stated, far_from_zero};
  share_context(t);
  tcase_set_timeout(t, 0);
  suite_add_tcase(suite, t);
  if (!getenv("CLGRAD_TEST_CASE")) tcase_add_test(t, every_op_has_a_row);
  for (size_t k = 0; k < sizeof checks / sizeof *checks; k++)
    for (size_t i = 0; i < op_case_count(); i++)
      if (is_wanted(op_case_at(i))) tcase_add_loop_test(t, checks[k], (int)i, (int)i + 1);
  tcase_add_test(t, what_kernels_call_is_declared);
}
CHECK_MAIN("ops", add_cases)
