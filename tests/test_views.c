/* Operands that are views, and saved-tensor hooks that unpack views: kernels read contiguous tensors, so each op must
 * give what packed copies give, on its way forward and back, also by gradients of gradients. $TEST_VIEWS=long: all ops,
 * and second gradients; a row's own program is what costs. $CLGRAD_TEST_CASE, part of a name, leaves other rows out. */
#include "graph/graph.h"
#include "views_ops.h"

#include "shared_context.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool all_rows(void) {
  const char *which = getenv("TEST_VIEWS");
  return which && !strcmp(which, "long");
}
static const row *wanted_row(int i) {
  const row *r = i < ALWAYS ? always[i] : more[i - ALWAYS];
  const char *part = getenv("CLGRAD_TEST_CASE");
  return !part || strstr(r->name, part) ? r : NULL;
}

/* ---- views ---- */

typedef enum layout { STEPPED, TRANSPOSED, EXPANDED, OFFSET, LAYOUTS } layout;
static const char *const layout_name[] = {"stepped", "transposed", "expanded", "offset"};
enum { MOST = 128 }; /* elements of an operand's base, and of a result */

/* Floats between r's bounds, of a mask 0 and 1; integers below 4. */
static clg_tensor *data(const row *r, int operand, int ndim, const int64_t *shape) {
  int64_t n = 1;
  for (int d = 0; d < ndim; d++) n *= shape[d];
  float v[MOST];
  int32_t k[MOST];
  ck_assert_int_le(n, MOST);
  for (int64_t i = 0; i < n; i++) {
    float u = 0.5f + 0.5f * sinf((float)(i * i + 3 * i + 5 * operand + ndim));
    v[i] = operand == MASK ? (float)(i * 7 % 3 > 0) : r->low + (r->high - r->low) * u;
    k[i] = (int32_t)(i * 7 % 4);
  }
  return clg_result(operand >= FLOATS ? clg_tensor_create_i32(ctx, ndim, shape, k)
                                      : clg_tensor_create(ctx, ndim, shape, v));
}

/* An operand whose elements do not lie one behind the other; a vector is transposed as a column of a matrix. */
static clg_tensor *view_of(const row *r, int operand, layout how) {
  const int ndim = form[operand].ndim, last = ndim - 1;
  int64_t shape[4];
  memcpy(shape, form[operand].shape, sizeof shape);
  if (how == TRANSPOSED && ndim == 1)
    return clg_reshape(clg_narrow(data(r, operand, 2, S(shape[0], 3)), 1, 1, 1), 1, shape);
  if (how == TRANSPOSED) {
    int64_t n = shape[last];
    shape[last] = shape[last - 1], shape[last - 1] = n;
    return clg_transpose(data(r, operand, ndim, shape), last - 1, last);
  }
  if (how == EXPANDED) return clg_expand(data(r, operand, 1, S(1)), ndim, shape);
  int64_t n = shape[last];
  shape[last] = how == STEPPED ? 2 * n : n + (ndim < 4 ? 3 : 1);
  clg_tensor *t = data(r, operand, ndim, shape);
  return how == STEPPED ? clg_slice(t, last, 0, 2 * n, 2) : clg_narrow(t, last, 1, n);
}

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
  float v[128], spread[256];
  ck_assert_int_le(n, 128);
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

enum { WITH_PARAMETERS = FLOATS + 8 };
typedef struct results {
  float y[MOST], first[WITH_PARAMETERS][MOST], second[WITH_PARAMETERS][MOST];
} results;

static void read_each(clg_tensor *const *g, size_t n, float to[][MOST]) {
  for (size_t i = 0; i < n; i++)
    if (g[i]) ck_assert_int_eq(clg_tensor_read(g[i], to[i]), CLG_OK);
}

/* The gradients of the sum of all first gradients, each element times a weight. */
static void second_gradients(const row *r, clg_tensor *y, clg_tensor *up, clg_tensor *line, clg_tensor *const *in,
                             size_t n, results *out) {
  clg_tensor *g[WITH_PARAMETERS] = {NULL}, *gg[WITH_PARAMETERS] = {NULL}, *sum = NULL;
  const clg_backward_options o = {.grad = up, .create_graph = true};
  ck_assert_msg(clg_grad(y, in, n, true, &o, g) == CLG_OK, "%s: %s", r->name, clg_last_error(ctx));
  for (size_t i = 0; i < n; i++) {
    if (!g[i] || !clg_requires_grad(g[i])) continue;
    clg_tensor *w = clg_reshape(clg_narrow(line, 0, 0, clg_tensor_numel(g[i])), clg_tensor_ndim(g[i]),
                                clg_tensor_shape(g[i])),
               *some = clg_sum(clg_mul(g[i], w), NULL, 0, false);
    sum = sum ? clg_add(sum, some) : some;
  }
  if (!sum) return;
  ck_assert_msg(clg_grad(sum, in, n, true, NULL, gg) == CLG_OK, "%s: %s", r->name, clg_last_error(ctx));
  read_each(gg, n, out->second);
}

/* The result and its gradients by the operands, which are views, or packed copies of them, and by a layer's
 * parameters. */
static void run(const row *r, layout how, bool packs, bool hooked, results *out) {
  clg_seed(ctx, 7, 0);
  memset(out, 0, sizeof *out);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *in[OPERANDS], *by[WITH_PARAMETERS], *g[WITH_PARAMETERS] = {NULL};
  for (int i = 0; i < OPERANDS; i++) {
    in[i] = view_of(r, i, how);
    if (packs) in[i] = clg_contiguous(in[i]);
    if (i < FLOATS) ck_assert_int_eq(clg_set_requires_grad(by[i] = in[i], true), CLG_OK);
  }
  const clg_saved_hooks hooks = {pack, unpack, drop, NULL};
  if (hooked) ck_assert_int_eq(clg_push_saved_hooks(ctx, &hooks), CLG_OK);
  clg_tensor *y = r->fn(in);
  if (hooked) clg_pop_saved_hooks(ctx);
  ck_assert_msg(y != NULL, "%s: %s", r->name, clg_last_error(ctx));
  ck_assert_int_le(clg_tensor_numel(y), MOST);
  ck_assert_int_eq(clg_tensor_read(y, out->y), CLG_OK);
  size_t n = FLOATS, parameters = 0;
  clg_tensor *const *p = layer ? clg_module_parameters(layer, &parameters) : NULL;
  for (size_t i = 0; i < parameters && n < WITH_PARAMETERS; i++) by[n++] = p[i];
  if (clg_requires_grad(y)) {
    float u[MOST];
    for (int i = 0; i < MOST; i++) u[i] = cosf((float)(i * i));
    clg_tensor *line = clg_tensor_create(ctx, 1, S(MOST), u),
               *up = clg_reshape(clg_narrow(line, 0, 0, clg_tensor_numel(y)), clg_tensor_ndim(y), clg_tensor_shape(y));
    const clg_backward_options o = {.grad = up, .retain_graph = all_rows()};
    ck_assert_msg(clg_grad(y, by, n, true, &o, g) == CLG_OK, "%s: %s", r->name, clg_last_error(ctx));
    read_each(g, n, out->first);
    if (all_rows() && !hooked) second_gradients(r, y, up, line, by, n, out);
    clg_tensor_unref(&line);
  }
  clg_scope_close(s);
  clg_module_unref(&layer);
}

static void same(const row *r, const char *how, const char *what, int operand, const float *got, const float *want,
                 float tolerance) {
  for (int k = 0; k < MOST; k++)
    ck_assert_msg(fabsf(got[k] - want[k]) <= tolerance * (1 + fabsf(want[k])),
                  "%s, %s: %s %d, element %d: %g, of packed copies %g", r->name, how, what, operand, k, (double)got[k],
                  (double)want[k]);
}
static void compare(const row *r, const char *how, const results *got, const results *want) {
  same(r, how, "result", 0, got->y, want->y, 2e-6f);
  for (int i = 0; i < WITH_PARAMETERS; i++) {
    same(r, how, "gradient of operand", i, got->first[i], want->first[i], 2e-6f);
    same(r, how, "second gradient of operand", i, got->second[i], want->second[i], 1e-5f);
  }
}

START_TEST(operands_may_be_views) {
  static results got, want;
  const row *r = wanted_row(_i);
  for (int how = 0; r && how < LAYOUTS; how++) {
    run(r, (layout)how, true, false, &want);
    run(r, (layout)how, false, false, &got);
    compare(r, layout_name[how], &got, &want);
  }
}
END_TEST

START_TEST(hooks_may_unpack_views) {
  static results got, want;
  const row *r = wanted_row(_i);
  if (!r) return;
  run(r, OFFSET, true, false, &want);
  run(r, OFFSET, true, true, &got);
  memcpy(want.second, got.second, sizeof want.second);
  compare(r, "unpacked as a view", &got, &want);
}
END_TEST

/* ---- operands of no elements ---- */

/* All dimensions of that size are 0: an op gives what it gives for nothing, to second gradients, or says what it wants.
 */
START_TEST(operands_may_be_empty) {
  const row *r = wanted_row(_i);
  for (int64_t size = 1; r && size <= 6; size++) {
    clg_seed(ctx, 7, 0);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *in[OPERANDS], *g[OPERANDS] = {NULL}, *gg[OPERANDS] = {NULL};
    bool none = no_part = false;
    for (int i = 0; i < OPERANDS; i++) {
      int64_t shape[4];
      for (int d = 0; d < form[i].ndim; d++) shape[d] = form[i].shape[d] == size ? 0 : form[i].shape[d];
      for (int d = 0; d < form[i].ndim; d++) none = none || !shape[d];
      in[i] = data(r, i, form[i].ndim, shape);
      if (i < FLOATS) clg_set_requires_grad(in[i], true);
    }
    clg_tensor *y = none ? r->fn(in) : NULL, *some = y ? clg_sum(y, NULL, 0, false) : NULL;
    const clg_backward_options o = {.create_graph = true};
    bool fails = none && !y && !no_part;
    if (some && clg_requires_grad(some)) {
      ck_assert_msg(clg_grad(some, in, FLOATS, true, &o, g) == CLG_OK, "%s: %s", r->name, clg_last_error(ctx));
      for (int i = 0; i < FLOATS; i++) {
        if (!g[i] || !clg_requires_grad(g[i])) continue;
        clg_tensor *sum = clg_sum(g[i], NULL, 0, false);
        ck_assert_msg(clg_grad(sum, in, FLOATS, true, &(clg_backward_options){.retain_graph = true}, gg) == CLG_OK,
                      "%s: %s", r->name, clg_last_error(ctx));
      }
    }
    ck_assert_msg(!fails || strlen(clg_last_error(ctx)) > 0, "%s says nothing", r->name);
    clg_status end = clg_scope_close(s);
    ck_assert_msg((end != CLG_OK) == fails, "%s: %d", r->name, (int)end);
    clg_clear_error(ctx);
    clg_module_unref(&layer);
  }
}
END_TEST

/* ---- no op is forgotten ---- */

static bool is_called(const char *name, size_t length) {
  for (int i = 0; i < ALWAYS + MORE; i++) {
    const char *text = i < ALWAYS ? always[i]->text : more[i - ALWAYS]->text;
    for (const char *at = text; (at = strstr(at, "clg_")); at += 4)
      if (!strncmp(at, name, length) && at[length] == '(') return true;
  }
  return false;
}

/* Every function that a header declares, but for those that hold a word of `others`, is called by a row. */
static void all_called(const char *file, const char *const *others) {
  static char text[65536];
  FILE *f = fopen(file, "r");
  ck_assert_msg(f != NULL, "cannot read %s", file);
  text[fread(text, 1, sizeof text - 1, f)] = 0;
  fclose(f);
  int found = 0, missing = 0;
  for (const char *at = text; (at = strstr(at, "CLG_API"));) {
    at = strchr(at, '(');
    const char *name = at;
    while (isalnum((unsigned char)name[-1]) || name[-1] == '_') name--;
    size_t length = (size_t)(at - name);
    bool other = false;
    for (const char *const *o = others; *o; o++) other = other || !strncmp(name, *o, strlen(*o));
    found++;
    if (other || is_called(name, length)) continue;
    fprintf(stderr, "%.*s: no row in views_ops.h\n", (int)length, name);
    missing++;
  }
  ck_assert_msg(found > 20, "%s: only %d functions found", file, found);
  ck_assert_msg(!missing, "%s: %d functions have no row", file, missing);
}

START_TEST(every_op_has_a_row) {
  all_called(CLG_INCLUDE "/ops.h", (const char *const[]){NULL});
  all_called(CLG_INCLUDE "/nn.h", (const char *const[]){"clg_module_", "clg_forward", NULL});
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("views");
  tcase_set_timeout(t, 900);
  share_context(t);
  tcase_add_test(t, every_op_has_a_row);
  int n = all_rows() ? ALWAYS + MORE : ALWAYS;
  tcase_add_loop_test(t, operands_may_be_views, 0, n);
  tcase_add_loop_test(t, hooks_may_unpack_views, 0, n);
  tcase_add_loop_test(t, operands_may_be_empty, 0, n);
  suite_add_tcase(suite, t);
}

CHECK_MAIN("views", add_cases)
