/* Linear layers and matmul: both gradients of one node, which may share a launch, have the bits of each alone. */
#include "harness.h"
#include "shared_context.h"
#include <string.h>

enum { MOST = 70 * 66 };

/* dx and dw of x [m,k] w [n,k], accumulated twice, asked for by `wants`; returns the launches of a backward. */
static uint64_t gradients(const int64_t size[3], bool matmul, const bool wants[2], float out[2][MOST]) {
  int64_t m = size[0], n = size[1], k = size[2];
  clg_set_seed(ctx, 3, 0);
  clg_tensor *t[2] = {clg_tensor_create(ctx, 2, (int64_t[]){m, k}, NULL),
                      clg_tensor_create(ctx, 2, matmul ? (int64_t[]){k, n} : (int64_t[]){n, k}, NULL)};
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(clg_randn_(t[i], 0, 1), CLG_OK);
    ck_assert_int_eq(clg_tensor_set_requires_grad(t[i], wants[i]), CLG_OK);
  }
  uint64_t launches = 0;
  for (int turn = 0; turn < 2; turn++) {
    clg_scope *scope = clg_scope_open(ctx);
    clg_tensor *y = matmul ? clg_matmul(t[0], t[1]) : clg_linear(t[0], t[1], NULL, NULL);
    clg_backward_options o = clg_backward_defaults();
    clg_tensor *g = clg_randn(ctx, 2, (int64_t[]){m, n});
    o.grad = g;
    launches = clg_context_counters(ctx).launches;
    ck_assert_msg(clg_backward(y, &o) == CLG_OK, "%s", clg_last_error(ctx));
    launches = clg_context_counters(ctx).launches - launches;
    ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  }
  for (int i = 0; i < 2; i++) {
    if (wants[i]) ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t[i]), out[i]), CLG_OK);
    clg_tensor_unref(&t[i]);
  }
  return launches;
}

/* m, n, k; where both products are read in place and their results have columns for a tile, they are one launch. */
static const struct {
  int64_t size[3];
  bool linear_together;
} cases[] = {{{40, 64, 50}, true}, {{37, 45, 33}, true},  {{1, 33, 70}, true},  {{48, 1, 64}, true},
             {{9, 5, 32}, true},   {{40, 50, 31}, false}, {{7, 3, 2}, false},   {{1, 1, 1}, false},
             {{65, 70, 66}, true}, {{33, 32, 40}, true},  {{20, 128, 3}, false}};

START_TEST(together_as_alone) {
  static float both[2][MOST], alone[2][MOST];
  for (int matmul = 0; matmul < 2; matmul++) {
    const int64_t *size = cases[_i].size;
    memset(both, 0, sizeof both), memset(alone, 0, sizeof alone);
    uint64_t launches = gradients(size, matmul, (bool[]){true, true}, both), apart = 0;
    for (int i = 0; i < 2; i++) apart += gradients(size, matmul, (bool[]){i == 0, i == 1}, alone);
    for (int i = 0; i < 2; i++)
      ck_assert_msg(!memcmp(both[i], alone[i], sizeof both[i]), "%s: gradient %d differs", matmul ? "matmul" : "linear",
                    i);
    ck_assert_uint_le(launches, apart);
    if (!matmul && cases[_i].linear_together && clg_context_device(ctx)->shape == CLG_SHAPE_CPU)
      ck_assert_uint_eq(launches, apart - 1);
  }
}
END_TEST

/* The same tensor on both sides: its gradient is the sum of the two. */
START_TEST(both_sides_one_tensor) {
  float x[36 * 36], got[2][36 * 36];
  for (int i = 0; i < 36 * 36; i++) x[i] = (float)(i * 7 % 19) - 9;
  int64_t dims[2] = {36, 36};
  clg_tensor *t[3];
  for (int i = 0; i < 3; i++) {
    t[i] = clg_tensor_create(ctx, 2, dims, x);
    ck_assert_int_eq(clg_tensor_set_requires_grad(t[i], true), CLG_OK);
  }
  clg_scope *scope = clg_scope_open(ctx);
  ck_assert_int_eq(clg_backward(clg_sum(clg_linear(t[0], t[0], NULL, NULL), NULL, 0, false), NULL), CLG_OK);
  ck_assert_int_eq(clg_backward(clg_sum(clg_linear(t[1], t[2], NULL, NULL), NULL, 0, false), NULL), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t[0]), got[0]), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(clg_add(clg_tensor_grad(t[1]), clg_tensor_grad(t[2])), got[1]), CLG_OK);
  for (int i = 0; i < 36 * 36; i++) ck_assert_float_eq(got[0][i], got[1][i]); /* whole numbers: exact */
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  for (int i = 0; i < 3; i++) clg_tensor_unref(&t[i]);
}
END_TEST

/* A layer without outputs: its input has a gradient of zeros, in memory that held something else. */
START_TEST(no_outputs) {
  for (int act = 0; act < 2; act++)
    for (int graph = 0; graph < 2; graph++) {
      float g[6];
      clg_scope *before = clg_scope_open(ctx);
      for (int i = 0; i < 8; i++) ck_assert_ptr_nonnull(clg_full(ctx, 2, (int64_t[]){2, 3}, 7));
      clg_scope_close(before);
      clg_scope *scope = clg_scope_open(ctx);
      clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){2, 3}, NULL),
                 *w = clg_tensor_create(ctx, 2, (int64_t[]){0, 3}, NULL), *to[2];
      clg_tensor_set_requires_grad(x, true), clg_tensor_set_requires_grad(w, true);
      clg_tensor *y =
          clg_sum(act ? clg_linear(x, w, NULL, &(clg_linear_options){{"tanh", {0}}}) : clg_linear(x, w, NULL, NULL),
                  NULL, 0, false);
      clg_backward_options o = clg_backward_defaults();
      o.create_graph = graph;
      ck_assert_msg(clg_grad(y, (clg_tensor *[]){x, w}, 2, to, &o) == CLG_OK, "%s", clg_last_error(ctx));
      ck_assert_int_eq(clg_tensor_read(to[0], g), CLG_OK);
      for (int i = 0; i < 6; i++) ck_assert_float_eq(g[i], 0);
      ck_assert_int_eq(clg_tensor_numel(to[1]), 0);
      clg_scope_close(scope);
      clg_tensor_unref(&x), clg_tensor_unref(&w);
    }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("linear");
  share_context(c);
  tcase_add_loop_test(c, together_as_alone, 0, sizeof cases / sizeof *cases);
  tcase_add_test(c, both_sides_one_tensor);
  tcase_add_test(c, no_outputs);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("linear", add_cases)
