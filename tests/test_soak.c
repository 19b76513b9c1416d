/* A small GAN trains for long: the library's memory, the host's and the counts of programs are what they were after the
 * first steps. TEST_SOAK: how many steps (20,000). */
#include "context.h"
#include "harness.h"
#include <malloc.h>

enum { WARM = 1000, GROWN = 1 << 16 }; /* bytes that the driver's own tables may grow by */
static const int64_t noise[] = {4, 2}, judged[] = {4, 1};

typedef struct gan {
  clg_context *ctx;
  clg_module *g, *d;
  clg_optim *og, *od;
} gan;

static clg_module *net(clg_context *ctx, int64_t out) {
  clg_module *layers[] = {clg_linear_create(ctx, 2, 8, true, NULL), clg_activation_create(ctx, (clg_act){"relu", {0}}),
                          clg_linear_create(ctx, 8, out, true, NULL)};
  return clg_sequential_create(ctx, layers, 3);
}

static clg_tensor *loss_of(gan *t, clg_tensor *x, float as) {
  return clg_bce_with_logits_loss(clg_forward(t->d, x), clg_full(t->ctx, 2, judged, as), NULL);
}

static void step(gan *t, bool reads) {
  const clg_backward_options retaining = {.retain_graph = true};
  clg_scope *s = clg_scope_open(t->ctx);
  clg_optim_zero_grad(t->od);
  clg_backward(loss_of(t, clg_randn(t->ctx, 2, noise), 1), NULL);
  clg_tensor *fake = clg_forward(t->g, clg_randn(t->ctx, 2, noise));
  clg_backward(loss_of(t, fake, 0), &retaining);
  clg_optim_zero_grad(t->og);
  clg_tensor *loss = loss_of(t, fake, 1);
  clg_backward(loss, NULL);
  clg_optim_step(t->od);
  clg_optim_step(t->og);
  if (reads) clg_tensor_item(loss);
  ck_assert_msg(clg_scope_close(s) == CLG_OK, "%s", clg_last_error(t->ctx));
}

static void train(gan *t, long steps) {
  const clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  t->g = net(t->ctx, 2), t->d = net(t->ctx, 1);
  t->og = clg_optim_create_for(t->g, &adam), t->od = clg_optim_create_for(t->d, &adam);
  clg_memory_stats was = {0};
  clg_counters counted = {0};
  size_t host = 0;
  for (long i = 0; i <= steps; i++) {
    step(t, i % 64 == 0);
    if (i != WARM && i != steps) continue;
    ck_assert_int_eq(clg_finish(t->ctx), CLG_OK);
    clg_memory_stats now = clg_memory(t->ctx);
    if (i == WARM) was = now, counted = clg_context_counters(t->ctx), host = mallinfo2().uordblks;
    ck_assert_uint_eq(now.live, was.live);
    ck_assert_uint_eq(now.reserved, was.reserved);
    ck_assert_uint_eq(now.peak_live, was.peak_live);
    ck_assert_uint_eq(clg_context_counters(t->ctx).programs, counted.programs);
    ck_assert_msg(mallinfo2().uordblks <= host + GROWN, "the host's memory grew from %zu to %zu bytes", host,
                  mallinfo2().uordblks);
  }
  clg_optim_unref(&t->og), clg_optim_unref(&t->od), clg_module_unref(&t->g), clg_module_unref(&t->d);
}

static long steps(long factor) {
  const char *text = getenv("TEST_SOAK");
  return factor * (text ? atol(text) : 20000);
}

START_TEST(on_a_device) {
  gan t = {.ctx = test_context_open()};
  train(&t, steps(1));
  test_context_close(&t.ctx);
}
END_TEST

START_TEST(on_a_plan) {
  gan t = {.ctx = NULL};
  ck_assert_int_eq(clg_context_create_plan(&t.ctx, NULL), CLG_OK);
  train(&t, steps(5));
  test_context_close(&t.ctx);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("soak");
  tcase_set_timeout(t, 3600);
  tcase_add_test(t, on_a_device);
  tcase_add_test(t, on_a_plan);
  suite_add_tcase(suite, t);
}

CHECK_MAIN("soak", add_cases)
