/* The op table: each row's values, and first and second gradients, against its definition in double; operands one
 * behind the other, stepped, transposed, expanded. $TEST_OPS=long: every layout for second gradients too; a program for
 * each is what costs. $CLGRAD_TEST_CASE, part of a row's name or =op, leaves everything else out. */
#include "op_layout.h"
#include "op_reference.h"
#include "shared_context.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_long(void) {
  const char *which = getenv("TEST_OPS");
  return which && !strcmp(which, "long");
}

/* ---- a row on the device ---- */

typedef struct results {
  int ndim;
  int64_t dim[OP_DIMS];
  float y[OP_MOST], further[OP_FURTHER][OP_MOST];
  float first[OP_INPUTS][OP_MOST], composed[OP_INPUTS][OP_MOST], second[OP_INPUTS][OP_MOST];
} results;

/* What a row runs on, and the weights that its gradients are summed with. */
typedef struct trial {
  const op_case *c;
  char title[160];
  op_array in[OP_INPUTS];
  float u[OP_MOST], w[OP_INPUTS][OP_MOST];
  bool squared, second;
} trial;

static void read_floats(const trial *t, clg_tensor *from, float *to) {
  ck_assert_msg(from != NULL, "%s: %s", t->title, clg_last_error(ctx));
  ck_assert_int_le(clg_tensor_numel(from), OP_MOST);
  if (clg_tensor_dtype(from) == CLG_I32) from = clg_to_float(from);
  ck_assert_int_eq(clg_tensor_read(from, to), CLG_OK);
}

static clg_tensor *constant(clg_tensor *like, const float *v) {
  return clg_tensor_create(ctx, clg_tensor_ndim(like), clg_tensor_shape(like), v);
}

/* The gradients of the sum of all first gradients, each element times a weight. */
static void second_gradients(const trial *t, clg_tensor *z, clg_tensor *up, clg_tensor *const *by, const int *number,
                             size_t n, results *out) {
  clg_tensor *g[OP_INPUTS], *gg[OP_INPUTS] = {NULL}, *w[OP_INPUTS], *sum = NULL;
  const clg_backward_options o = {.grad = up, .create_graph = true};
  ck_assert_msg(clg_grad(z, by, n, false, &o, g) == CLG_OK, "%s: %s", t->title, clg_last_error(ctx));
  for (size_t i = 0; i < n; i++) {
    read_floats(t, g[i], out->composed[number[i]]);
    clg_tensor *some = clg_sum(clg_mul(g[i], w[i] = constant(g[i], t->w[number[i]])), NULL, 0, false);
    sum = sum ? clg_add(sum, some) : some;
  }
  if (clg_requires_grad(sum))
    ck_assert_msg(clg_grad(sum, by, n, true, NULL, gg) == CLG_OK, "%s: %s", t->title, clg_last_error(ctx));
  for (size_t i = 0; i < n; i++) {
    if (gg[i]) read_floats(t, gg[i], out->second[number[i]]);
    clg_tensor_unref(&w[i]);
  }
}

static void gradients(const trial *t, clg_tensor *y, clg_tensor *const *by, const int *number, size_t n, results *out) {
  clg_tensor *z = t->squared ? clg_square(y) : y, *up = constant(y, t->u), *g[OP_INPUTS] = {NULL};
  const clg_backward_options o = {.grad = up, .retain_graph = t->second};
  ck_assert_msg(clg_grad(z, by, n, false, &o, g) == CLG_OK, "%s: %s", t->title, clg_last_error(ctx));
  for (size_t i = 0; i < n; i++) read_floats(t, g[i], out->first[number[i]]);
  if (t->second) second_gradients(t, z, up, by, number, n, out);
  clg_tensor_unref(&up);
}

static void run(const trial *t, layout how, results *out) {
  clg_tensor *base[OP_INPUTS] = {NULL}, *by[OP_INPUTS];
  int number[OP_INPUTS];
  size_t n = 0;
  op_call call = {.ctx = ctx, .attrs = &t->c->attrs, .n_in = op_inputs(t->c)};
  memset(out, 0, sizeof *out);
  clg_scope *s = clg_scope_open(ctx);
  for (int i = 0; i < OP_INPUTS; i++) {
    if (!t->c->in[i].present) continue;
    bool changes = t->c->op->in_place >> i & 1 && !t->c->attrs.evaluates;
    call.in[i] = operand(ctx, &t->in[i], t->c->op->integers >> i & 1, changes ? FLAT : how, &base[i]);
    if (!has_gradient(t->c, i)) continue;
    ck_assert_int_eq(clg_set_requires_grad(call.in[i], true), CLG_OK);
    by[n] = call.in[i], number[n++] = i;
  }
  clg_tensor *y = t->c->op->call(&call);
  read_floats(t, y, out->y);
  out->ndim = clg_tensor_ndim(y);
  memcpy(out->dim, clg_tensor_shape(y), (size_t)out->ndim * sizeof *out->dim);
  for (int k = 0; k < OP_FURTHER; k++)
    if (call.further[k]) read_floats(t, call.further[k], out->further[k]);
  if (n) gradients(t, y, by, number, n, out);
  ck_assert_msg(clg_scope_close(s) == CLG_OK, "%s: %s", t->title, clg_last_error(ctx));
  for (int i = 0; i < OP_INPUTS; i++) clg_tensor_unref(&base[i]);
}

/* ---- against the definition ---- */

static double allowed(const op_case *c, int order) {
  static const double usual[] = {4, 16, 64};
  return c->op->ulp[order] > 0 ? c->op->ulp[order] : usual[order];
}

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

/* A layout against another: to the bit, but for what sums in the order of memory. */
static void check_same(const trial *t, const float *got, const float *want, int64_t n, const char *what) {
  for (int64_t k = 0; k < n; k++)
    ck_assert_msg(t->c->op->sums ? near(got[k], want[k], allowed(t->c, 1)) : !memcmp(&got[k], &want[k], sizeof *got),
                  "%s: %s, element %d: %.9g, of packed operands %.9g", t->title, what, (int)k, (double)got[k],
                  (double)want[k]);
}
static void check_layout(const trial *t, const results *got, const results *packed) {
  int64_t n = 1;
  for (int d = 0; d < got->ndim; d++) n *= got->dim[d];
  check_same(t, got->y, packed->y, n, "value");
  for (int i = 0; i < OP_INPUTS; i++)
    if (has_gradient(t->c, i)) check_same(t, got->first[i], packed->first[i], array_count(&t->in[i]), "gradient");
}

static void prepare(trial *t, const op_case *c) {
  memset(t, 0, sizeof *t);
  t->c = c, t->squared = c->op->linear;
  random_state = 7;
  random_weights(t->u, OP_MOST);
  for (int i = 0; i < OP_INPUTS; i++) random_weights(t->w[i], OP_MOST);
  draw(c, t->in);
}
static void name_trial(trial *t, const char *where) {
  char title[120];
  op_title(t->c, title);
  snprintf(t->title, sizeof t->title, "%s%s", title, where);
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
    if (how == FLAT || t.second) check_gradients(&t, how == FLAT ? &flat : &got);
    if (how == EXPANDED) t.second = false, run(&t, FLAT, &flat);
    if (how != FLAT) check_layout(&t, &got, &flat);
    if (how == EXPANDED) prepare(&t, t.c);
  }
}
END_TEST

/* Single elements where the definition does not say, or passes through infinity. */
START_TEST(points_are_as_stated) {
  static trial t;
  static results got;
  prepare(&t, op_case_at((size_t)_i));
  op_case single = *t.c;
  t.squared = false, t.c = &single, t.u[0] = 1;
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
      ck_assert_msg(!has_gradient(t.c, i) || isnan(p->grad[i]) || near(got.first[i][0], p->grad[i], allowed(t.c, 1)),
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
  t.squared = t.second = false, t.c = &row;
  name_trial(&t, " far from zero");
  for (int i = 0; i < OP_MOST; i++) t.u[i] = 1;
  for (int64_t k = 0; k < array_count(&t.in[0]); k++) t.in[0].v[k] = k % 2 ? -100.25 : 100.25;
  run(&t, FLAT, &got);
  check_values(&t, &got);
  for (int i = 1; i < OP_INPUTS; i++) one[i].ndim = -1;
  op plain = *single.op;
  plain.linear = false, single.op = &plain;
  for (int64_t k = 0; k < 2 && has_gradient(t.c, 0); k++) {
    one[0].ndim = 0, one[0].v[0] = t.in[0].v[k];
    double want = first_reference(&single, one, t.u, 0, 0);
    ck_assert_msg(near(got.first[0][k], want, allowed(t.c, 1)), "%s: the gradient at %g is %g, by definition %g",
                  t.title, t.in[0].v[k], (double)got.first[0][k], want);
  }
}
END_TEST

/* ---- no op is forgotten ---- */

static bool is_called(const char *name, size_t length) {
  for (size_t i = 0; i < op_case_count(); i++)
    for (const char *at = op_case_at(i)->op->text; (at = strstr(at, "clg_")); at += 4)
      if (!strncmp(at, name, length) && at[length] == '(') return true;
  return false;
}

START_TEST(every_op_has_a_row) {
  static char text[65536];
  FILE *f = fopen(CLG_INCLUDE "/ops.h", "r");
  ck_assert_msg(f != NULL, "cannot read ops.h");
  text[fread(text, 1, sizeof text - 1, f)] = 0;
  fclose(f);
  int found = 0, missing = 0;
  for (const char *at = text; (at = strstr(at, "CLG_API")); found++) {
    at = strchr(at, '(');
    const char *name = at;
    while (isalnum((unsigned char)name[-1]) || name[-1] == '_') name--;
    if (is_called(name, (size_t)(at - name))) continue;
    fprintf(stderr, "%.*s: no row in tests/op_table\n", (int)(at - name), name);
    missing++;
  }
  ck_assert_msg(found > 90 && !missing, "%d of %d functions have no row", missing, found);
}
END_TEST

/* Part of a row's name, or =op: all rows of that op. */
static bool is_wanted(const op_case *c) {
  const char *wanted = getenv("CLGRAD_TEST_CASE");
  char title[120];
  op_title(c, title);
  return !wanted || (*wanted == '=' ? !strcmp(wanted + 1, c->op->name) : strstr(title, wanted) != NULL);
}

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
}
CHECK_MAIN("ops", add_cases)
