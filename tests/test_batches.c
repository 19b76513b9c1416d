/* Batched products: values and gradients against double, in a number of launches and with memory that follow from what
 * broadcasts alone, and as planned. */
#include "harness.h"
#include "shared_context.h"
#include <math.h>

enum { MOST = 1 << 15, BATCH = 4 };

/* x [batch x.., m, k] times o [batch o.., k, n]; a batch dimension of 0 is not there. `turn` x: its two first batch
 * dimensions lie exchanged in memory. */
typedef struct product_case {
  int64_t x[BATCH], o[BATCH], m, k, n;
  bool tx, to, turn; /* matrices that lie transposed */
} product_case;

static const product_case cases[] = {
    {{6}, {1}, 2, 3, 2, false, false, false},
    {{1}, {6}, 2, 3, 2, false, false, false},
    {{1, 5}, {3, 1}, 1, 2, 1, false, false, false},
    {{4, 1}, {1, 3}, 2, 1, 2, true, false, false},
    {{3, 1, 4}, {1, 2, 4}, 5, 3, 2, false, true, true},
    {{2, 3, 1, 2}, {3, 2, 1}, 2, 3, 4, true, true, true},
    {{1, 2, 1, 3}, {2, 1, 2, 1}, 5, 40, 3, false, false, false},
    {{3, 1}, {1, 2}, 9, 7, 33, false, false, false},
    {{2, 1, 3}, {1, 2, 1}, 2, 5, 40, true, false, true},
    {{3, 2}, {1, 2}, 20, 33, 18, true, false, true},
    {{0}, {3, 2}, 4, 3, 2, false, false, false},
    {{2, 3}, {0}, 2, 3, 4, false, false, true},
};
#define CASES (sizeof cases / sizeof *cases)

static int count_of(const int64_t *batch) {
  int n = 0;
  while (n < BATCH && batch[n]) n++;
  return n;
}

/* The leaf as it lies, and what the product sees of it. */
typedef struct operand {
  clg_tensor *leaf;
  int ndim;
  int64_t shape[BATCH + 2];
  bool transposed, turned;
} operand;

static operand operand_of(const int64_t *batch, int64_t grow, int64_t rows, int64_t cols, bool transposed,
                          bool turned) {
  operand p = {.ndim = count_of(batch), .transposed = transposed, .turned = turned && count_of(batch) > 1};
  for (int d = 0; d < p.ndim; d++) p.shape[d] = batch[d] == 1 ? 1 : batch[d] * grow;
  p.shape[p.ndim] = rows, p.shape[p.ndim + 1] = cols;
  p.ndim += 2;
  return p;
}

static void swap(int64_t *shape, int a, int b) {
  int64_t t = shape[a];
  shape[a] = shape[b], shape[b] = t;
}

static clg_tensor *seen(const operand *p, clg_tensor *t) {
  if (p->transposed) t = clg_transpose(t, -1, -2);
  return p->turned ? clg_transpose(t, 0, 1) : t;
}

static void make_leaf(clg_context *in, operand *p, float from) {
  static float v[MOST];
  int64_t lies[BATCH + 2] = {0}, n = 1;
  for (int d = 0; d < p->ndim; d++) n *= lies[d] = p->shape[d];
  if (p->transposed) swap(lies, p->ndim - 1, p->ndim - 2);
  if (p->turned) swap(lies, 0, 1);
  bool plan = clg_context_is_plan(in);
  ck_assert(plan || n <= MOST);
  for (int64_t i = 0; i < n && !plan; i++) v[i] = from + (float)(i * 7919 % 97) / 64;
  p->leaf = clg_tensor_create(in, p->ndim, lies, plan ? NULL : v);
  ck_assert_int_eq(clg_tensor_set_requires_grad(p->leaf, true), CLG_OK);
}

/* ---- values ---- */

/* Where the matrix of batch `index` (of y's batch dimensions) begins in p's elements, row-major as it is seen. */
static int64_t matrix_at(const operand *p, int n, const int64_t *index) {
  int64_t at = 0;
  for (int d = 0, lead = n - (p->ndim - 2); d < p->ndim - 2; d++)
    at = at * p->shape[d] + (p->shape[d] == 1 ? 0 : index[d + lead]);
  return at * p->shape[p->ndim - 2] * p->shape[p->ndim - 1];
}

typedef struct result {
  double v[MOST], sum[MOST]; /* and the sum of what was added, without signs */
} result;

static void add(result *r, int64_t at, double v) { r->v[at] += v, r->sum[at] += fabs(v); }

/* y = x o, dx = u o^T, do = x^T u, for every batch. */
static void reference(const operand *x, const operand *o, const float *xv, const float *ov, const float *u,
                      const clg_tensor *y, result r[3]) {
  int n = clg_tensor_ndim(y) - 2;
  const int64_t *shape = clg_tensor_shape(y), m = shape[n], cols = shape[n + 1], k = x->shape[x->ndim - 1];
  memset(r, 0, 3 * sizeof *r);
  for (int64_t at = 0; at < clg_tensor_numel(y); at += m * cols) {
    int64_t index[BATCH], rest = at / (m * cols);
    for (int d = n; d-- > 0; rest /= shape[d]) index[d] = rest % shape[d];
    int64_t xa = matrix_at(x, n, index), oa = matrix_at(o, n, index);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < cols; j++)
        for (int64_t p = 0; p < k; p++) {
          int64_t xi = xa + i * k + p, oi = oa + p * cols + j, yi = at + i * cols + j;
          add(&r[0], yi, (double)xv[xi] * (double)ov[oi]);
          add(&r[1], xi, (double)u[yi] * (double)ov[oi]);
          add(&r[2], oi, (double)u[yi] * (double)xv[xi]);
        }
  }
}

static void expect_result(clg_tensor *t, const result *r, size_t number, const char *what) {
  static float got[MOST];
  ck_assert_msg(clg_tensor_read(t, got) == CLG_OK, "case %zu, %s: %s", number, what, clg_last_error(ctx));
  for (int64_t i = 0; i < clg_tensor_numel(t); i++)
    ck_assert_msg(fabs((double)got[i] - r->v[i]) <= 1e-6 * r->sum[i], "case %zu, %s[%d]: %.9g, not %.9g", number, what,
                  (int)i, (double)got[i], r->v[i]);
}

static clg_tensor *weights_of(const clg_tensor *y) {
  static float u[MOST];
  for (int64_t i = 0; i < clg_tensor_numel(y); i++) u[i] = (float)(i % 13) / 8 - 0.6f;
  return clg_tensor_create(clg_tensor_context(y), clg_tensor_ndim(y), clg_tensor_shape(y), u);
}

START_TEST(values_and_gradients_are_right) {
  static result r[3];
  static float xv[MOST], ov[MOST], u[MOST];
  for (size_t i = 0; i < CASES; i++) {
    const product_case *c = &cases[i];
    operand x = operand_of(c->x, 1, c->m, c->k, c->tx, c->turn), o = operand_of(c->o, 1, c->k, c->n, c->to, false);
    make_leaf(ctx, &x, -0.7f), make_leaf(ctx, &o, -0.3f);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *a = seen(&x, x.leaf), *b = seen(&o, o.leaf), *y = clg_matmul(a, b);
    ck_assert_msg(y != NULL, "case %zu: %s", i, clg_last_error(ctx));
    clg_tensor *w = weights_of(y);
    const clg_backward_options grad = {.grad = w};
    clg_tensor_read(a, xv), clg_tensor_read(b, ov), clg_tensor_read(w, u);
    reference(&x, &o, xv, ov, u, y, r);
    expect_result(y, &r[0], i, "y");
    for (int pass = 1; pass <= 2; pass++) { /* the second is added */
      ck_assert_int_eq(clg_backward(pass == 1 ? y : clg_matmul(a, b), &grad), CLG_OK);
      expect_result(seen(&x, clg_tensor_grad(x.leaf)), &r[1], i, "dx");
      expect_result(seen(&o, clg_tensor_grad(o.leaf)), &r[2], i, "do");
      for (int64_t k = 0; k < MOST; k++) r[1].v[k] *= 2, r[1].sum[k] *= 2, r[2].v[k] *= 2, r[2].sum[k] *= 2;
      a = seen(&x, x.leaf), b = seen(&o, o.leaf);
    }
    clg_scope_close(s);
    clg_tensor_unref(&w), clg_tensor_unref(&x.leaf), clg_tensor_unref(&o.leaf);
  }
}
END_TEST

/* ---- launches and memory ---- */

typedef struct cost {
  uint64_t launches, again; /* of a step; of gradients of gradients */
  clg_memory_stats memory;
} cost;

static cost cost_of(clg_context *in, const product_case *c, int64_t grow) {
  operand x = operand_of(c->x, grow, c->m, c->k, c->tx, c->turn), o = operand_of(c->o, grow, c->k, c->n, c->to, false);
  make_leaf(in, &x, 1), make_leaf(in, &o, 1);
  clg_scope *s = clg_scope_open(in);
  clg_backward(clg_sum(x.leaf, NULL, 0, false), NULL); /* the constant that it starts from, which the context keeps */
  clg_tensor_zero_grad(x.leaf);
  clg_memory_reset_peak(in);
  uint64_t before = clg_context_counters(in).launches;
  clg_backward(clg_sum(clg_matmul(seen(&x, x.leaf), seen(&o, o.leaf)), NULL, 0, false), NULL);
  cost at = {.launches = clg_context_counters(in).launches - before, .memory = clg_memory(in)};
  before += at.launches;
  clg_tensor *in2[] = {x.leaf, o.leaf}, *g[2];
  const clg_backward_options twice = {.create_graph = true};
  clg_grad(clg_sum(clg_square(clg_matmul(seen(&x, x.leaf), seen(&o, o.leaf))), NULL, 0, false), in2, 2, g, &twice);
  clg_backward(clg_add(clg_sum(g[0], NULL, 0, false), clg_sum(g[1], NULL, 0, false)), NULL);
  at.again = clg_context_counters(in).launches - before;
  clg_scope_close(s);
  ck_assert_str_eq(clg_last_error(in), "");
  clg_tensor_unref(&x.leaf), clg_tensor_unref(&o.leaf);
  return at;
}

static clg_context *plan_like(clg_context *like) {
  clg_context *plan = NULL;
  clg_plan_options o = clg_plan_defaults();
  o.like = like;
  ck_assert_int_eq(clg_context_create_plan(&plan, &o), CLG_OK);
  return plan;
}

START_TEST(launches_do_not_grow_with_the_batch) {
  for (size_t i = 0; i < CASES; i++) {
    clg_context *plan = plan_like(ctx);
    cost small = cost_of(plan, &cases[i], 1), large = cost_of(plan, &cases[i], 5);
    /* A long sum takes two launches for one. */
    ck_assert_msg(large.launches <= small.launches + 2 && large.launches < 24, "case %zu: %d launches, then %d", i,
                  (int)small.launches, (int)large.launches);
    ck_assert_msg(large.again <= small.again + 8, "case %zu: %d launches, then %d", i, (int)small.again,
                  (int)large.again);
    test_context_close(&plan);
  }
}
END_TEST

START_TEST(memory_is_as_planned) {
  for (size_t i = 0; i < CASES; i++) {
    clg_context *plan = plan_like(ctx), *real = test_context_open();
    cost planned = cost_of(plan, &cases[i], 1), measured = cost_of(real, &cases[i], 1);
    ck_assert_msg(!memcmp(&planned.memory, &measured.memory, sizeof planned.memory), "case %zu", i);
    ck_assert_uint_eq(planned.launches, measured.launches);
    test_context_close(&real), test_context_close(&plan);
  }
}
END_TEST

/* The batch of a matrix that is the same for all is rows of one product, whatever stands in front of it. */
START_TEST(ones_in_front_cost_nothing) {
  const product_case flat = {{1000}, {0}, 4, 4, 4, false, false, false},
                     ones = {{1000}, {1}, 4, 4, 4, false, false, false};
  clg_context *plan = plan_like(ctx);
  cost a = cost_of(plan, &flat, 1), b = cost_of(plan, &ones, 1);
  ck_assert_uint_eq(a.launches, b.launches);
  ck_assert_uint_eq(a.memory.peak_live, b.memory.peak_live);
  test_context_close(&plan);
}
END_TEST

/* A sum over no batches, or of no products, is 0. */
START_TEST(empty_batches_give_zeros) {
  enum { SHAPES = 5, DIMS = 4 };
  const int64_t x[][DIMS] = {{0, 2, 2, 3}, {2, 1, 2, 0}, {2, 1, 0, 3}, {2, 0, 2, 3}, {3, 2, 0, 1}},
                o[][DIMS] = {{1, 2, 3, 2}, {1, 2, 0, 2}, {1, 2, 3, 2}, {1, 1, 3, 2}, {1, 1, 1, 2}};
  for (int i = 0; i < 2 * SHAPES; i++) { /* and turned round */
    int64_t l[DIMS], r[DIMS];
    memcpy(l, i < SHAPES ? x[i] : o[i - SHAPES], sizeof l);
    memcpy(r, i < SHAPES ? o[i] : x[i - SHAPES], sizeof r);
    if (i >= SHAPES) swap(l, 2, 3), swap(r, 2, 3);
    clg_tensor *a = clg_tensor_create(ctx, DIMS, l, NULL), *b = clg_tensor_create(ctx, DIMS, r, NULL);
    clg_tensor_set_requires_grad(a, true), clg_tensor_set_requires_grad(b, true);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *y = clg_matmul(a, b);
    ck_assert_msg(y != NULL, "case %d: %s", i, clg_last_error(ctx));
    const clg_backward_options grad = {.grad = clg_full(ctx, DIMS, clg_tensor_shape(y), 1)};
    ck_assert_int_eq(clg_backward(y, &grad), CLG_OK);
    clg_tensor *const both[] = {clg_tensor_grad(a), clg_tensor_grad(b), y};
    for (int k = 0; k < 3; k++) {
      float v[64];
      ck_assert_int_eq(clg_tensor_read(both[k], v), CLG_OK);
      for (int64_t e = 0; e < clg_tensor_numel(both[k]); e++) ck_assert_float_eq(v[e], 0);
    }
    clg_scope_close(s);
    clg_tensor_unref(&a), clg_tensor_unref(&b);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("batches");
  tcase_set_timeout(c, 300);
  share_context(c);
  tcase_add_test(c, values_and_gradients_are_right);
  tcase_add_test(c, launches_do_not_grow_with_the_batch);
  tcase_add_test(c, memory_is_as_planned);
  tcase_add_test(c, ones_in_front_cost_nothing);
  tcase_add_test(c, empty_batches_give_zeros);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("batches", add_cases)
