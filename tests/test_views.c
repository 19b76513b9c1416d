/* Saved-tensor hooks that unpack views, operands of no elements, and layers whose operand is a view: for each op of the
 * table (whose own layouts are test_ops.c's) and each layer. $TEST_VIEWS=long: formulas and second gradients too; a
 * row's own program is what costs. $CLGRAD_TEST_CASE, part of a name or =op, leaves other rows out. */
#include "graph/graph.h"
#include "layer_rows.h"

static bool all_rows(void) {
  const char *which = getenv("TEST_VIEWS");
  return which && !strcmp(which, "long");
}
static size_t row_count(void) { return op_case_count() + LAYER_ROWS; }
static const op_case *row_at(size_t i) {
  return i < op_case_count() ? op_case_at(i) : &layer_rows[i - op_case_count()];
}
/* Formulas all pass by one path through the library. */
static bool is_tried(size_t i) { return is_wanted(row_at(i)) && (all_rows() || !row_at(i)->op->each); }

/* ---- hooks ---- */

static void *pack(void *user, clg_tensor *t) {
  (void)user;
  return clg_tensor_ref(t);
}
static void drop(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  clg_tensor_unref(&t);
}
/* The same elements as every other one of twice as many; between them others that no gradient may contain. */
static clg_tensor *unpack(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  const int64_t n = clg_tensor_numel(t);
  int ndim = clg_tensor_ndim(t);
  int64_t shape[CLG_MAX_DIMS] = {0};
  if (!ndim) return clg_tensor_ref(t);
  memcpy(shape, clg_tensor_shape(t), (size_t)ndim * sizeof *shape);
  float v[OP_MOST], spread[2 * OP_MOST];
  ck_assert_int_le(n, OP_MOST);
  int32_t *k = (int32_t *)v, *wide = (int32_t *)spread;
  bool ints = clg_tensor_dtype(t) == CLG_I32;
  ck_assert_int_eq(ints ? clg_tensor_read_i32(t, k) : clg_tensor_read(t, v), CLG_OK);
  for (int64_t i = 0; i < n; i++) memcpy(&spread[2 * i], &v[i], sizeof(float)), wide[2 * i + 1] = 0;
  for (int64_t i = 0; !ints && i < n; i++) spread[2 * i + 1] = 1000;
  const int64_t length = 2 * shape[ndim - 1];
  shape[ndim - 1] = length;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *base = ints ? clg_tensor_create_i32(ctx, ndim, shape, wide) : clg_tensor_create(ctx, ndim, shape, spread);
  clg_tensor *view = clg_tensor_ref(clg_slice(base, ndim - 1, 0, length, 2));
  clg_scope_close(s);
  clg_tensor_unref(&base);
  return view;
}

/* ---- the checks ---- */

static void same(const trial *t, const char *what, int leaf, const float *got, const float *want, double ulp) {
  for (int k = 0; k < OP_MOST; k++)
    ck_assert_msg(near(got[k], (double)want[k], ulp), "%s: %s %d, element %d: %g, of packed tensors %g", t->title, what,
                  leaf, k, (double)got[k], (double)want[k]);
}
static void compare(const trial *t, const results *got, const results *want) {
  same(t, "result", 0, got->y, want->y, 16);
  for (int i = 0; i < LEAVES; i++) {
    same(t, "gradient of leaf", i, got->first[i], want->first[i], 16);
    if (t->second) same(t, "second gradient of leaf", i, got->second[i], want->second[i], 64);
  }
}

START_TEST(hooks_may_unpack_views) {
  static const clg_saved_hooks hooks = {pack, unpack, drop, NULL};
  static trial t;
  static results got, want;
  prepare(&t, row_at((size_t)_i));
  name_trial(&t, " unpacked as views");
  run(&t, FLAT, &want);
  t.hooks = &hooks;
  run(&t, FLAT, &got);
  compare(&t, &got, &want);
}
END_TEST

START_TEST(layers_take_views) {
  static trial t;
  static results got, want;
  for (int how = STEPPED; how < LAYOUTS; how++) {
    prepare(&t, &layer_rows[_i]);
    name_trial(&t, layout_name[how]);
    t.second = all_rows();
    if (how == EXPANDED) stretch(&t.in[0]);
    run(&t, FLAT, &want);
    run(&t, (layout)how, &got);
    compare(&t, &got, &want);
  }
}
END_TEST

/* All dimensions of that size are 0: an op gives what it gives for nothing, to second gradients, or says what it wants.
 */
static void try_empty(const op_case *c, int64_t size, const char *title) {
  op_call call = {.ctx = ctx, .attrs = &c->attrs, .n_in = op_inputs(c)};
  clg_tensor *by[OP_INPUTS], *g[OP_INPUTS] = {NULL}, *gg[OP_INPUTS] = {NULL};
  size_t n = 0;
  bool none = false;
  clg_scope *s = clg_scope_open(ctx);
  for (int i = 0; i < OP_INPUTS; i++) {
    op_shape in = c->in[i];
    if (!in.present) continue;
    for (int d = 0; d < in.ndim; d++) in.dim[d] = in.dim[d] == size ? 0 : in.dim[d], none = none || !in.dim[d];
    bool integers = c->op->integers >> i & 1;
    static const int32_t zeros[OP_MOST];
    call.in[i] = clg_result(integers ? clg_tensor_create_i32(ctx, in.ndim, in.dim, zeros)
                                     : clg_tensor_create(ctx, in.ndim, in.dim, NULL));
    if (!integers) clg_fill_(call.in[i], 0.5f);
    if (has_gradient(c, i)) clg_tensor_set_requires_grad(by[n++] = call.in[i], true);
  }
  clg_tensor *y = none ? c->op->call(&call) : NULL;
  if (y && clg_tensor_dtype(y) == CLG_I32) y = clg_to_float(y);
  clg_tensor *sum = y ? clg_sum(y, NULL, 0, false) : NULL;
  bool fails = none && !y && clg_last_status(ctx) != CLG_OK;
  ck_assert_msg(!none || y || fails || strstr(c->op->text, "part("), "%s of no elements says nothing", title);
  if (sum && n && clg_tensor_requires_grad(sum)) {
    const clg_backward_options o = {.create_graph = true, .allow_unused = true};
    ck_assert_msg(clg_grad(sum, by, n, g, &o) == CLG_OK, "%s: %s", title, clg_last_error(ctx));
    for (size_t i = 0; i < n; i++) {
      if (!g[i] || !clg_tensor_requires_grad(g[i])) continue;
      clg_tensor *all = clg_sum(g[i], NULL, 0, false);
      ck_assert_msg(clg_grad(all, by, n, gg, &(clg_backward_options){.retain_graph = true, .allow_unused = true}) ==
                        CLG_OK,
                    "%s: %s", title, clg_last_error(ctx));
    }
  }
  ck_assert_msg((clg_scope_close(s) != CLG_OK) == fails, "%s of no elements: %s", title, clg_last_error(ctx));
  clg_clear_error(ctx);
  clg_module_unref(&layer);
}

START_TEST(operands_may_be_empty) {
  char title[120];
  op_title(row_at((size_t)_i), title);
  for (int64_t size = 1; size <= 6; size++) try_empty(row_at((size_t)_i), size, title);
}
END_TEST

START_TEST(every_layer_has_a_row) {
  all_called(CLG_INCLUDE "/nn.h", (const char *const[]){"clg_module_", "clg_forward", NULL}, row_count(), row_at);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("views");
  tcase_set_timeout(t, 0);
  share_context(t);
  tcase_add_test(t, every_layer_has_a_row);
  for (int i = 0; i < LAYER_ROWS; i++)
    if (is_wanted(&layer_rows[i])) tcase_add_loop_test(t, layers_take_views, i, i + 1);
  for (int i = 0; i < (int)row_count(); i++) {
    if (!is_tried((size_t)i)) continue;
    tcase_add_loop_test(t, hooks_may_unpack_views, i, i + 1);
    tcase_add_loop_test(t, operands_may_be_empty, i, i + 1);
  }
  suite_add_tcase(suite, t);
}

CHECK_MAIN("views", add_cases)
