/* Sums of gradients over the shards of a batch: the bits of one fixed tree, whoever adds. */
#include "harness.h"
#include "shared_context.h"
#include <math.h>
#include <string.h>

enum { IN = 5, OUT = 3, ROWS = 4, LOOSE = 7, MOST = 16, N = IN * OUT + OUT + LOOSE };

/* A module, whose gradients lie side by side, and a leaf that lies elsewhere. */
typedef struct model {
  clg_module *net;
  clg_tensor *loose, *params[3];
} model;

static model make(void) {
  model m = {.net = clg_linear_create(ctx, IN, OUT, true, NULL)};
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m.net, &n);
  ck_assert_uint_eq(n, 2);
  m.loose = clg_tensor_create(ctx, 1, (int64_t[]){LOOSE}, NULL);
  ck_assert_int_eq(clg_randn_(m.loose, 0, 1), CLG_OK);
  ck_assert_int_eq(clg_tensor_set_requires_grad(m.loose, true), CLG_OK);
  m.params[0] = p[0], m.params[1] = m.loose, m.params[2] = p[1];
  return m;
}
static void drop(model *m) {
  clg_tensor_unref(&m->loose);
  clg_module_unref(&m->net);
}

/* The gradients, one behind the other. */
static void read_gradients(const model *m, float *out) {
  for (int i = 0; i < 3; i++) {
    clg_tensor *g = clg_tensor_grad(m->params[i]);
    ck_assert_ptr_nonnull(g);
    ck_assert_int_eq(clg_tensor_read(g, out), CLG_OK);
    out += clg_tensor_numel(g);
  }
}

static void backward(model *m, int shard) {
  clg_set_seed(ctx, 11, (uint64_t)shard * 1000);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = clg_forward(m->net, clg_randn(ctx, 2, (int64_t[]){ROWS, IN}));
  clg_tensor *z = clg_mul(m->loose, clg_randn(ctx, 1, (int64_t[]){LOOSE}));
  clg_tensor *loss = clg_add(clg_mean(clg_square(y), NULL, 0, false), clg_sum(clg_exp(z), NULL, 0, false));
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}

/* By hand: the sum of `n` vectors from v on, as a tree. */
static void tree(const float (*v)[N], int n, float *out) {
  float left[N], right[N];
  if (n == 1) {
    memcpy(out, v[0], sizeof left);
    return;
  }
  tree(v, n / 2, left);
  tree(v + n / 2, n / 2, right);
  for (int i = 0; i < N; i++) out[i] = left[i] + right[i];
}

static float each[MOST][N], want[N], got[N];

/* Each shard's gradients by themselves, and their sum. */
static void by_hand(model *m, int shards) {
  for (int i = 0; i < shards; i++) {
    backward(m, i);
    read_gradients(m, each[i]);
    for (int k = 0; k < 3; k++) clg_tensor_zero_grad(m->params[k]);
  }
  tree((const float(*)[N])each, shards, want);
}

static void add_all(model *m, clg_shard_sum *s, int first, int shards) {
  for (int i = 0; i < shards; i++) {
    ck_assert_uint_eq(clg_shard_sum_next(s), (size_t)i);
    backward(m, first + i);
    ck_assert_int_eq(clg_shard_sum_add(s), CLG_OK);
    for (int k = 0; k < 3; k++) ck_assert((clg_tensor_grad(m->params[k]) != NULL) == (i + 1 == shards));
  }
  ck_assert_uint_eq(clg_shard_sum_next(s), 0);
}

START_TEST(the_sum_is_the_trees) {
  model m = make();
  for (int shards = 1; shards <= MOST; shards *= 2) {
    clg_shard_sum *s = clg_shard_sum_create(ctx, m.params, 3, (size_t)shards);
    by_hand(&m, shards);
    for (int batch = 0; batch < 2; batch++) { /* a second one begins with nothing of the first */
      add_all(&m, s, 0, shards);
      read_gradients(&m, got);
      ck_assert_mem_eq(got, want, sizeof got);
      for (int k = 0; k < 3; k++) clg_tensor_zero_grad(m.params[k]);
    }
    clg_shard_sum_unref(&s);
  }
  drop(&m);
}
END_TEST

/* The order shows in the bits: added one by one the numbers are others. */
START_TEST(the_order_matters) {
  model m = make();
  by_hand(&m, MOST);
  float chain[N];
  memcpy(chain, each[0], sizeof chain);
  for (int i = 1; i < MOST; i++)
    for (int k = 0; k < N; k++) chain[k] += each[i][k];
  ck_assert(memcmp(chain, want, sizeof chain) != 0);
  for (int k = 0; k < N; k++) ck_assert_float_le(fabsf(chain[k] - want[k]), 1e-4f * (1 + fabsf(want[k])));
  drop(&m);
}
END_TEST

START_TEST(halves_of_a_tree_are_trees) {
  model m = make();
  by_hand(&m, 8);
  clg_shard_sum *s = clg_shard_sum_create(ctx, m.params, 3, 4);
  float half[2][N];
  for (int h = 0; h < 2; h++) {
    add_all(&m, s, 4 * h, 4);
    read_gradients(&m, half[h]);
    for (int k = 0; k < 3; k++) clg_tensor_zero_grad(m.params[k]);
  }
  for (int i = 0; i < N; i++) got[i] = half[1][i] + half[0][i];
  ck_assert_mem_eq(got, want, sizeof got);
  clg_shard_sum_unref(&s);
  drop(&m);
}
END_TEST

/* Hooks of the last shard, as they come. */
typedef struct early {
  clg_shard_sum *sum;
  model *m;
  int calls;
} early;
static clg_status add_early(void *user, clg_tensor *leaf) {
  early *e = user;
  for (size_t i = 0; i < 3; i++)
    if (e->m->params[i] == leaf && i != 2) {
      e->calls++;
      return clg_shard_sum_add_one(e->sum, i);
    }
  return CLG_OK;
}

START_TEST(parameters_are_added_as_they_come) {
  model m = make();
  for (int shards = 1; shards <= 4; shards *= 2) {
    early e = {.sum = clg_shard_sum_create(ctx, m.params, 3, (size_t)shards), .m = &m};
    uint64_t id[3];
    by_hand(&m, shards);
    for (int i = 0; i + 1 < shards; i++) {
      backward(&m, i);
      ck_assert_int_eq(clg_shard_sum_add(e.sum), CLG_OK);
    }
    for (int k = 0; k < 3; k++) id[k] = clg_tensor_add_post_accumulate_hook(m.params[k], add_early, &e);
    backward(&m, shards - 1);
    ck_assert_int_eq(e.calls, 2);
    ck_assert_int_eq(clg_shard_sum_add_one(e.sum, 0), CLG_ERR_STATE);
    test_expect_error(ctx, CLG_ERR_STATE, "once");
    ck_assert_int_eq(clg_shard_sum_add(e.sum), CLG_OK);
    read_gradients(&m, got);
    ck_assert_mem_eq(got, want, sizeof got);
    for (int k = 0; k < 3; k++) {
      ck_assert_int_eq(clg_tensor_remove_hook(m.params[k], id[k]), CLG_OK);
      clg_tensor_zero_grad(m.params[k]);
    }
    clg_shard_sum_unref(&e.sum);
  }
  drop(&m);
}
END_TEST

START_TEST(what_is_missing_is_said) {
  model m = make();
  ck_assert_ptr_null(clg_shard_sum_create(ctx, m.params, 3, 0));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "0 shards");
  ck_assert_ptr_null(clg_shard_sum_create(ctx, m.params, 3, 6));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "6 shards are no power of two");
  clg_shard_sum *s = clg_shard_sum_create(ctx, m.params, 3, 2);
  backward(&m, 0);
  ck_assert_int_eq(clg_shard_sum_add_one(s, 0), CLG_ERR_STATE); /* not the last */
  test_expect_error(ctx, CLG_ERR_STATE, "last shard");
  ck_assert_int_eq(clg_shard_sum_add_one(s, 3), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "no parameter 3");
  ck_assert_int_eq(clg_shard_sum_add(s), CLG_OK);
  backward(&m, 1);
  clg_tensor_zero_grad(m.loose);
  ck_assert_int_eq(clg_shard_sum_add(s), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "parameter 1 has no gradient in shard 1");
  /* From the start, with the right bits. */
  for (int k = 0; k < 3; k++) clg_tensor_zero_grad(m.params[k]);
  by_hand(&m, 2);
  add_all(&m, s, 0, 2);
  read_gradients(&m, got);
  ck_assert_mem_eq(got, want, sizeof got);
  clg_shard_sum_unref(&s);
  drop(&m);
}
END_TEST

/* ---- against one batch of all shards ---- */

enum { SHARD = 3, BATCH = 8 * SHARD };

/* Of the mean of squares of x W^T + b over [BATCH,OUT], in double; and what rounding may do: eps times the sum of the
 * terms' sizes, once for each addition on the longest way. */
static void reference(const float *x, const float *w, const float *b, double *grad, double *bound) {
  const double eps = 0x1p-24, scale = 2.0 / (BATCH * OUT);
  for (int o = 0; o < OUT; o++)
    for (int i = 0; i <= IN; i++) {
      double sum = 0, size = 0;
      for (int r = 0; r < BATCH; r++) {
        double y = b[o], of_y = fabs(y);
        for (int k = 0; k < IN; k++)
          y += (double)w[o * IN + k] * x[r * IN + k], of_y += fabs((double)w[o * IN + k] * x[r * IN + k]);
        double by = i < IN ? x[r * IN + i] : 1;
        sum += y * by, size += of_y * fabs(by);
      }
      int at = i < IN ? o * IN + i : OUT * IN + o;
      grad[at] = scale * sum, bound[at] = eps * (BATCH + IN + 4) * scale * size;
    }
}

static clg_tensor *mean_of_squares(clg_module *net, const float *x, int rows) {
  clg_tensor *in = clg_tensor_create(ctx, 2, (int64_t[]){rows, IN}, x), *y = clg_forward(net, in);
  clg_tensor_unref(&in);
  return clg_mean(clg_square(y), NULL, 0, false);
}

static void within(clg_module *net, const double *want_of, const double *bound, const char *what) {
  float g[OUT * IN + OUT];
  ck_assert_int_eq(clg_module_read_grad(net, g), CLG_OK);
  for (int i = 0; i < OUT * IN + OUT; i++)
    ck_assert_msg(fabs(g[i] - want_of[i]) <= bound[i], "%s: gradient %d is %.9g, not %.9g +- %.2g", what, i,
                  (double)g[i], want_of[i], bound[i]);
}

/* A wrong mean, or a sum for one, is off by factors. */
START_TEST(shards_are_the_batch) {
  clg_module *net = clg_linear_create(ctx, IN, OUT, true, NULL);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(net, &n), *share = clg_tensor_create(ctx, 0, NULL, (float[]){0.125f});
  float x[BATCH * IN], w[OUT * IN + OUT];
  double grad[OUT * IN + OUT], bound[OUT * IN + OUT];
  clg_tensor *all = clg_tensor_create(ctx, 2, (int64_t[]){BATCH, IN}, NULL);
  ck_assert_int_eq(clg_randn_(all, 1, 2), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(all, x), CLG_OK);
  ck_assert_int_eq(clg_module_read(net, w), CLG_OK);
  reference(x, w, w + OUT * IN, grad, bound);
  clg_scope *scope = clg_scope_open(ctx);
  ck_assert_int_eq(clg_backward(mean_of_squares(net, x, BATCH), NULL), CLG_OK);
  within(net, grad, bound, "one batch");
  clg_module_zero_grad(net);
  clg_shard_sum *s = clg_shard_sum_create(ctx, p, n, 8);
  for (int i = 0; i < 8; i++) {
    const clg_backward_options how = {.grad = share};
    ck_assert_int_eq(clg_backward(mean_of_squares(net, x + i * SHARD * IN, SHARD), &how), CLG_OK);
    ck_assert_int_eq(clg_shard_sum_add(s), CLG_OK);
  }
  within(net, grad, bound, "eight shards");
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  clg_shard_sum_unref(&s);
  clg_tensor_unref(&all), clg_tensor_unref(&share);
  clg_module_unref(&net);
}
END_TEST

/* ---- tracked tensors ---- */

enum { STATS = 5 };

/* As a forward in train mode would: s*0.75 + what the shard has. */
static void change(clg_tensor *t, int shard) {
  clg_scope *s = clg_scope_open(ctx);
  clg_set_seed(ctx, 12, (uint64_t)shard * 1000);
  const clg_map_input in[] = {{"r", clg_randn(ctx, 1, (int64_t[]){STATS}), 0}};
  ck_assert_int_eq(clg_map_(t, "0.75*x + r", in, 1), CLG_OK);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}

/* Each shard begins with what was before the batch; behind the last there is the mean, by the tree. */
START_TEST(tracked_tensors_become_their_means) {
  model m = make();
  clg_tensor *t = clg_tensor_create(ctx, 1, (int64_t[]){STATS}, (float[]){1, -2, 3, 1e6f, 0});
  for (int shards = 1; shards <= 8; shards *= 2) {
    clg_shard_sum *s = clg_shard_sum_create(ctx, m.params, 3, (size_t)shards);
    ck_assert_int_eq(clg_shard_sum_track(s, &t, 1), CLG_OK);
    for (int batch = 0; batch < 2; batch++) {
      float before[STATS], now[STATS];
      ck_assert_int_eq(clg_tensor_read(t, before), CLG_OK);
      for (int i = 0; i < shards; i++) {
        ck_assert_int_eq(clg_tensor_write(t, before), CLG_OK);
        change(t, i);
        memset(each[i], 0, sizeof each[i]);
        ck_assert_int_eq(clg_tensor_read(t, each[i]), CLG_OK);
      }
      tree((const float(*)[N])each, shards, want);
      ck_assert_int_eq(clg_tensor_write(t, before), CLG_OK);
      ck_assert_int_eq(clg_shard_sum_begin(s), CLG_OK);
      for (int i = 0; i < shards; i++) {
        ck_assert_int_eq(clg_tensor_read(t, now), CLG_OK);
        ck_assert_mem_eq(now, before, sizeof now);
        change(t, i);
        if (i + 1 == shards && batch) ck_assert_int_eq(clg_shard_sum_settle(s), CLG_OK);
        backward(&m, i);
        ck_assert_int_eq(clg_shard_sum_add(s), CLG_OK);
      }
      ck_assert_int_eq(clg_tensor_read(t, now), CLG_OK);
      for (int k = 0; k < STATS; k++) ck_assert_float_eq(now[k], want[k] / (float)shards);
      for (int k = 0; k < 3; k++) clg_tensor_zero_grad(m.params[k]);
    }
    clg_shard_sum_unref(&s);
  }
  clg_tensor_unref(&t);
  drop(&m);
}
END_TEST

START_TEST(tracking_has_an_order) {
  model m = make();
  clg_tensor *t = clg_tensor_create(ctx, 1, (int64_t[]){STATS}, NULL);
  clg_shard_sum *s = clg_shard_sum_create(ctx, m.params, 3, 2);
  size_t n;
  ck_assert_int_eq(clg_shard_sum_track(s, &t, 1), CLG_OK);
  ck_assert_ptr_eq(clg_shard_sum_tracked(s, &n)[0], t);
  ck_assert_uint_eq(n, 1);
  ck_assert_ptr_eq(clg_shard_sum_params(s, &n)[2], m.params[2]);
  ck_assert_uint_eq(n, 3);
  ck_assert_int_eq(clg_shard_sum_track(s, &t, 1), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "once");
  backward(&m, 0);
  ck_assert_int_eq(clg_shard_sum_add(s), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "clg_shard_sum_begin");
  ck_assert_int_eq(clg_shard_sum_begin(s), CLG_OK);
  ck_assert_int_eq(clg_shard_sum_settle(s), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "last shard");
  ck_assert_int_eq(clg_shard_sum_add(s), CLG_OK);
  ck_assert_int_eq(clg_shard_sum_begin(s), CLG_OK); /* anew */
  ck_assert_uint_eq(clg_shard_sum_next(s), 0);
  clg_shard_sum_unref(&s);
  clg_tensor_unref(&t);
  drop(&m);
}
END_TEST

/* A gradient that somebody else holds is not changed under them. */
START_TEST(a_gradient_that_is_held_stays) {
  model m = make();
  clg_shard_sum *s = clg_shard_sum_create(ctx, m.params, 3, 2);
  float before[LOOSE], after[LOOSE];
  by_hand(&m, 2);
  backward(&m, 0);
  ck_assert_int_eq(clg_shard_sum_add(s), CLG_OK);
  backward(&m, 1);
  clg_tensor *held = clg_tensor_ref(clg_detach(clg_tensor_grad(m.loose))), *view = held;
  ck_assert_int_eq(clg_tensor_read(held, before), CLG_OK);
  ck_assert_int_eq(clg_shard_sum_add(s), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(held, after), CLG_OK);
  ck_assert_mem_eq(before, after, sizeof before);
  read_gradients(&m, got);
  ck_assert_mem_eq(got, want, sizeof got);
  clg_tensor_unref(&held);
  clg_tensor_unref(&view);
  clg_shard_sum_unref(&s);
  drop(&m);
}
END_TEST

/* log2(shards) buffers, each 64-byte aligned as a module's gradients are. */
START_TEST(memory_is_log2_buffers) {
  model m = make();
  const uint64_t one = (16 + 16 + 16) * sizeof(float);
  for (int shards = 1, levels = 0; shards <= MOST; shards *= 2, levels++) {
    uint64_t before = clg_memory(ctx).live;
    clg_shard_sum *s = clg_shard_sum_create(ctx, m.params, 3, (size_t)shards), *again = clg_shard_sum_ref(s);
    ck_assert_uint_eq(clg_memory(ctx).live - before, (uint64_t)levels * one);
    clg_shard_sum_unref(&s);
    clg_shard_sum_unref(&again);
    ck_assert_uint_eq(clg_memory(ctx).live, before);
  }
  drop(&m);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("shards");
  share_context(c);
  tcase_add_test(c, the_sum_is_the_trees);
  tcase_add_test(c, the_order_matters);
  tcase_add_test(c, halves_of_a_tree_are_trees);
  tcase_add_test(c, parameters_are_added_as_they_come);
  tcase_add_test(c, what_is_missing_is_said);
  tcase_add_test(c, a_gradient_that_is_held_stays);
  tcase_add_test(c, shards_are_the_batch);
  tcase_add_test(c, tracked_tensors_become_their_means);
  tcase_add_test(c, tracking_has_an_order);
  tcase_add_test(c, memory_is_log2_buffers);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("shards", add_cases)
