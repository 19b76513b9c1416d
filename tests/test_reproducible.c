/* Reproducible contexts: how one is asked for, what it refuses, and the order in which its products add, by the host's
 * fma to the last bit. */
#include "device.h"
#include "kept.h"
#include "product/state.h"
#include <clgrad/clgrad.h>
#include <clgrad/tuning.h>
#include <math.h>

static const clg_context_options asked = {.reproducible = true};

/* ---- asking ---- */

START_TEST(it_is_asked_for_by_option_or_environment) {
  kept before = keep_variable("CLGRAD_REPRODUCIBLE"), fma = keep_variable("CLGRAD_FMA");
  unsetenv("CLGRAD_REPRODUCIBLE"), unsetenv("CLGRAD_FMA");
  clg_context *ctx = open_default();
  ck_assert(!clg_context_device(ctx)->reproducible);
  close_clean(&ctx);
  ctx = open_with(asked);
  ck_assert(clg_context_device(ctx)->reproducible && clg_context_device(ctx)->fma);
  close_clean(&ctx);
  setenv("CLGRAD_FMA", "off", 1);
  ck_assert_int_eq(try_open(&ctx, asked), CLG_ERR_ARGUMENT);
  ck_assert_str_eq(message, "without fma bits are not reproducible: unset CLGRAD_FMA");
  unsetenv("CLGRAD_FMA");
  setenv("CLGRAD_REPRODUCIBLE", "on", 1);
  ctx = open_default();
  ck_assert(clg_context_device(ctx)->reproducible);
  close_clean(&ctx);
  setenv("CLGRAD_REPRODUCIBLE", "yes", 1);
  ck_assert_int_eq(try_open(&ctx, asked), CLG_ERR_ARGUMENT);
  ck_assert_str_eq(message, "CLGRAD_REPRODUCIBLE is \"yes\": it must be on or off");
  give_variable_back(before), give_variable_back(fma);
}
END_TEST

START_TEST(a_plan_is_as_its_device) {
  clg_context *ctx = open_with(asked), *plan = NULL;
  clg_plan_options o = clg_plan_defaults();
  o.like = ctx;
  ck_assert_int_eq(clg_context_create_plan(&plan, &o), CLG_OK);
  ck_assert(clg_context_device(plan)->reproducible);
  ck_assert(clg_product_state_of(plan)->no_clblast);
  if (clg_context_device(ctx)->shape == CLG_SHAPE_GPU) ck_assert(clg_product_state_of(ctx)->no_clblast);
  close_clean(&plan);
  close_clean(&ctx);
  ck_assert_int_eq(clg_context_create_plan(&plan, &(clg_plan_options){.reproducible = true}), CLG_OK);
  ck_assert(clg_context_device(plan)->reproducible);
  close_clean(&plan);
}
END_TEST

static char logged[400];
static void keep_line(void *user, const char *line) {
  (void)user;
  snprintf(logged, sizeof logged, "%s", line);
}

START_TEST(no_table_chooses_its_products) {
  kept before = keep_variable("CLGRAD_TUNING");
  setenv("CLGRAD_TUNING", "/nonexistent", 1);
  clg_context_options o = asked;
  o.log = keep_line;
  clg_context *ctx = open_with(o);
  ck_assert_str_eq(logged, "CLGRAD_TUNING is not read: shapes alone choose the kernels of a reproducible context");
  give_variable_back(before);
  ck_assert_int_eq(clg_tuning_set(ctx, &(clg_product_class){.m = 1, .n = 1, .k = 1}, CLG_PRODUCT_DOT), CLG_ERR_STATE);
  expect(ctx, CLG_ERR_STATE, "a reproducible context has no table: shapes alone choose its kernels");
  ck_assert_int_eq(clg_tuning_load(ctx, "/nonexistent"), CLG_ERR_STATE);
  expect(ctx, CLG_ERR_STATE, "a reproducible context has no table");
  close_clean(&ctx);
}
END_TEST

/* ---- the order of products ---- */

enum { PANEL = 256, CPU_LANES = 16, GPU_LANES = 64 };

typedef struct product_case {
  bool ta, tb;
  int m, n, k;
} product_case;
static const product_case cases[] = {
    {false, false, 45, 77, 601},   {true, false, 45, 77, 601}, {false, true, 45, 77, 601},
    {true, true, 45, 77, 601},     {false, false, 1, 77, 601}, {false, false, 2, 200, 1030},
    {false, true, 1, 1, 601},      {false, true, 3, 17, 601},  {false, false, 33, 33, 256},
    {false, false, 40, 130, 4099}, {true, false, 7, 5, 257},   {false, true, 33, 70, 5000},
    {true, false, 520, 513, 300},  {false, false, 77, 1, 601}, {false, true, 9, 30, 4099},
    {true, false, 130, 129, 20},
};
enum { INTERPRETED = 1 << 22 }; /* most multiplications where each is interpreted */

typedef struct operands {
  const float *a, *b;
  const product_case *c;
} operands;
static float left(const operands *o, int i, int p) { return o->a[o->c->ta ? p * o->c->m + i : i * o->c->k + p]; }
static float right(const operands *o, int p, int j) { return o->b[o->c->tb ? j * o->c->k + p : p * o->c->n + j]; }

/* The terms first, first + step, .. below last, in panels: each from 0, with one fma a step. */
static float panels(const operands *o, int i, int j, int first, int step, int last) {
  float all = 0;
  for (int p = first; p < last;) {
    float sum = 0;
    for (const int stop = p - first + PANEL + first; p < last && p < stop; p += step)
      sum = fmaf(left(o, i, p), right(o, p, j), sum);
    all += sum;
  }
  return all;
}

/* On a CPU sixteen lanes, joined as a tree, and what they leave one by one behind; on a GPU lanes of a group alone. */
static float dot(const operands *o, int i, int j, bool cpu) {
  const int lanes = cpu ? CPU_LANES : GPU_LANES, k = o->c->k, whole = cpu ? k / lanes * lanes : k;
  float part[GPU_LANES];
  for (int l = 0; l < lanes; l++) part[l] = panels(o, i, j, l, lanes, whole);
  if (!cpu)
    for (int w = lanes / 2; w; w /= 2)
      for (int l = 0; l < w; l++) part[l] += part[l + w];
  if (!cpu) return part[0];
  for (int w = 8; w >= 4; w /= 2)
    for (int l = 0; l < w; l++) part[l] += part[l + w];
  float sum = (part[0] + part[1]) + (part[2] + part[3]);
  for (int p = whole; p < k; p++) sum = fmaf(left(o, i, p), right(o, p, j), sum);
  return sum;
}

/* Dot products serve where both operands run along k: on a CPU of few rows or columns, on a GPU of one. */
static bool is_dot(const product_case *c, bool cpu) {
  const bool along = (!c->ta || c->m == 1) && (c->tb || c->n == 1);
  return cpu ? along && (c->m <= 4 || c->n <= 16) : along && (c->m == 1 || c->n == 1);
}

static clg_tensor *operand(clg_context *ctx, int rows, int columns, bool transposed, float *v) {
  const int64_t shape[2] = {transposed ? columns : rows, transposed ? rows : columns};
  static uint32_t state = 3;
  for (int i = 0; i < rows * columns; i++) {
    state = state * 1664525u + 1013904223u;
    v[i] = (float)(state >> 8) / 8388608.0f - 1;
  }
  clg_tensor *t = clg_empty(ctx, 2, shape);
  ck_assert_int_eq(clg_tensor_write(t, v), CLG_OK);
  return transposed ? clg_transpose(t, 0, 1) : t;
}

START_TEST(products_add_in_this_order) {
  const product_case *c = &cases[_i];
  clg_context *ctx = open_with(asked);
  const bool cpu = clg_context_device(ctx)->shape == CLG_SHAPE_CPU;
  if (clg_context_device(ctx)->simulator && c->m * c->n * c->k > INTERPRETED) {
    close_clean(&ctx);
    return;
  }
  float *a = malloc(sizeof *a * (size_t)(c->m * c->k)), *b = malloc(sizeof *b * (size_t)(c->k * c->n));
  float *got = malloc(sizeof *got * (size_t)(c->m * c->n));
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *x = operand(ctx, c->m, c->k, c->ta, a), *y = operand(ctx, c->k, c->n, c->tb, b);
  ck_assert_int_eq(clg_tensor_read(clg_matmul(x, y), got), CLG_OK);
  const operands o = {a, b, c};
  for (int i = 0; i < c->m; i++)
    for (int j = i % 3; j < c->n; j += 3) {
      const float want = is_dot(c, cpu) ? dot(&o, i, j, cpu) : panels(&o, i, j, 0, 1, c->k);
      ck_assert_msg(got[i * c->n + j] == want, "%d%d %dx%dx%d at %d,%d: %a, not %a", c->ta, c->tb, c->m, c->n, c->k, i,
                    j, (double)got[i * c->n + j], (double)want);
    }
  ck_assert_msg(clg_scope_close(scope) == CLG_OK, "%s", clg_last_error(ctx));
  free(a), free(b), free(got);
  close_clean(&ctx);
}
END_TEST

static void add_cases(Suite *s) {
  TCase *t = tcase_create("reproducible");
  tcase_set_timeout(t, 0);
  tcase_add_test(t, it_is_asked_for_by_option_or_environment);
  tcase_add_test(t, a_plan_is_as_its_device);
  tcase_add_test(t, no_table_chooses_its_products);
  tcase_add_loop_test(t, products_add_in_this_order, 0, (int)(sizeof cases / sizeof *cases));
  suite_add_tcase(s, t);
}

CHECK_MAIN("reproducible", add_cases)
