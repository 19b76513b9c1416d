/* Choices of kernels for convolutions: classes, the kernel that a choice launches, and what a plan says of its memory.
 */
#include "context.h"
#include "harness.h"

enum { MOST = 16, IMAGES = 3 };

static clg_context *ctx;

static void open_one(void) {
  clg_context_options o = clg_context_defaults();
  o.profile = true;
  ck_assert_int_eq(clg_context_create(&ctx, &o), CLG_OK);
}
static void close_one(void) { test_context_close(&ctx); }

/* Small ones, with edges of tiles. */
static bool is_small(const clg_conv_sizes *s) { return s->in <= 16 && s->out <= 16 && s->pixels <= 196; }

static int side_of(int64_t square) {
  int side = 1;
  while ((int64_t)side * side < square) side++;
  return side;
}

/* Of the class's typical convolution; its weight's gradient is no op of its own, so the forward pass comes before. */
static void run(clg_context *in, int class) {
  const clg_conv_sizes s = clg_conv_class_typical(class);
  const int64_t kernel = side_of(s.taps), out = side_of(s.pixels), padding = kernel / 2;
  const int64_t from = (out - 1) * s.stride + kernel - 2 * padding;
  clg_conv_options o = clg_conv_defaults();
  for (int a = 0; a < 2; a++) o.stride[a] = (int)s.stride, o.padding[a] = (int)padding;
  clg_scope *scope = clg_scope_open(in);
  clg_tensor *x = clg_full(in, 4, (int64_t[]){IMAGES, s.in, from, from}, 1), *gradient,
             *w = clg_full(in, 4, (int64_t[]){s.out, s.in, kernel, kernel}, 1),
             *y = clg_full(in, 4, (int64_t[]){IMAGES, s.out, out, out}, 1);
  if (s.output == CLG_CONV_X) clg_conv_transpose2d(y, w, NULL, &o);
  if (s.output == CLG_CONV_Y) clg_conv2d(x, w, NULL, &o);
  if (s.output == CLG_CONV_W) {
    clg_tensor_set_requires_grad(w, true);
    clg_tensor *root = clg_conv2d(x, w, NULL, &o);
    ck_assert_int_eq(clg_profile_reset(in), CLG_OK);
    clg_memory_reset_peak(in);
    clg_grad(root, &w, 1, &gradient, &(clg_backward_options){.grad = y});
  }
  ck_assert_msg(clg_scope_close(scope) == CLG_OK, "%s", clg_last_error(in));
  ck_assert_int_eq(clg_finish(in), CLG_OK);
}

START_TEST(classes_have_numbers) {
  for (int i = 0; i < CLG_CONV_CLASSES; i++) {
    const clg_conv_sizes s = clg_conv_class_typical(i);
    ck_assert_int_eq(clg_conv_class(&s), i);
    ck_assert(!clg_conv_kernel_serves(ctx, CLG_CONV_FIXED, i) && !clg_conv_kernel_serves(ctx, CLG_CONV_KERNELS, i));
  }
  const clg_conv_sizes right = clg_conv_class_typical(0), wrong[] = {{.taps = 0},
                                                                     {right.output, 1, 1, 0, 1, 1},
                                                                     {right.output, 1, 0, 1, 1, 1},
                                                                     {CLG_CONV_OPERANDS, 1, 1, 1, 1, 1}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) ck_assert_int_eq(clg_conv_class(&wrong[i]), -1);
  for (int i = -1; i <= CLG_CONV_CLASSES; i += CLG_CONV_CLASSES + 1) {
    ck_assert_int_eq(clg_conv_class_typical(i).taps, 0);
    ck_assert(!clg_conv_kernel_serves(ctx, CLG_CONV_PRODUCT, i));
    ck_assert_int_eq(clg_tuning_get_conv(ctx, i), CLG_CONV_FIXED);
    ck_assert_int_eq(clg_tuning_set_conv(ctx, i, CLG_CONV_PRODUCT), CLG_ERR_ARGUMENT);
    test_expect_error(ctx, CLG_ERR_ARGUMENT, "no such class of convolutions");
  }
  const bool cpu = clg_context_device(ctx)->shape == CLG_SHAPE_CPU;
  ck_assert_int_eq(clg_tuning_set_conv(ctx, 0, cpu ? CLG_CONV_TILE : CLG_CONV_PAIRS), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "this shape of device");
  ck_assert_int_eq(clg_tuning_set_conv(ctx, 0, CLG_CONV_KERNELS), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "kernel");
  ck_assert_uint_eq(clg_tuning_hash(ctx), 0);
  ck_assert_str_eq(clg_conv_kernel_name(CLG_CONV_FEW), "few");
  ck_assert_str_eq(clg_conv_kernel_name(CLG_CONV_KERNELS), "");
}
END_TEST

/* Files of kernels; what adds chunks of a weight's gradient is nobody's own. */
START_TEST(a_choice_is_launched) {
  static const char *const file[] = {"", "conv_tile.cl", "conv.cl", "conv_few.cl", "matmul.cl"};
  clg_kernel_time rows[MOST];
  for (int i = 0; i < CLG_CONV_CLASSES; i++) {
    const clg_conv_sizes s = clg_conv_class_typical(i);
    for (int k = 1; k < CLG_CONV_KERNELS && is_small(&s); k++) {
      if (!clg_conv_kernel_serves(ctx, (clg_conv_kernel)k, i) || (test_interpreted(ctx) && s.taps > 1)) continue;
      ck_assert_int_eq(clg_tuning_set_conv(ctx, i, (clg_conv_kernel)k), CLG_OK);
      ck_assert_int_eq(clg_tuning_get_conv(ctx, i), k);
      ck_assert_int_eq(clg_profile_reset(ctx), CLG_OK);
      run(ctx, i);
      bool found = false;
      for (size_t l = 0, n = clg_profile_kernels(ctx, rows, MOST); l < n; l++) {
        const bool conv = !strncmp(rows[l].file, "conv", 4) && strcmp(rows[l].kernel, "conv_parts");
        const bool is = !strcmp(rows[l].file, file[k]) || (k == CLG_CONV_PRODUCT && !strcmp(rows[l].file, "CLBlast"));
        ck_assert_msg(is || !conv, "class %d, %s: %s", i, clg_conv_kernel_name((clg_conv_kernel)k), rows[l].kernel);
        found = found || is;
      }
      ck_assert_msg(found, "class %d, %s", i, clg_conv_kernel_name((clg_conv_kernel)k));
    }
  }
  clg_tuning_clear(ctx);
}
END_TEST

/* Packed weights, chunks of sums and CLBlast's copies come and go with the kernel. */
START_TEST(plans_follow_choices) {
  for (int i = 0; i < CLG_CONV_CLASSES; i++) {
    const clg_conv_sizes s = clg_conv_class_typical(i);
    for (int k = 1; k < CLG_CONV_KERNELS && is_small(&s); k++) {
      if (!clg_conv_kernel_serves(ctx, (clg_conv_kernel)k, i) || (test_interpreted(ctx) && s.taps > 1)) continue;
      ck_assert_int_eq(clg_tuning_set_conv(ctx, i, (clg_conv_kernel)k), CLG_OK);
      clg_plan_options o = clg_plan_defaults();
      clg_context *plan = NULL;
      o.like = ctx;
      ck_assert_int_eq(clg_context_create_plan(&plan, &o), CLG_OK);
      clg_memory_reset_peak(ctx);
      run(ctx, i);
      run(plan, i);
      const clg_memory_stats was = clg_memory(ctx), said = clg_memory(plan);
      ck_assert_uint_eq(said.peak_live, was.peak_live);
      ck_assert_uint_eq(said.peak_by_role[CLG_ROLE_WORKSPACE], was.peak_by_role[CLG_ROLE_WORKSPACE]);
      const uint64_t packed = was.peak_by_role[CLG_ROLE_WORKSPACE];
      if (s.output != CLG_CONV_W) ck_assert(k == CLG_CONV_PAIRS ? packed > 0 : packed == 0);
      test_context_close(&plan);
    }
  }
  clg_tuning_clear(ctx);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("conv_choices");
  tcase_add_checked_fixture(t, open_one, close_one);
  tcase_set_timeout(t, 300);
  tcase_add_test(t, classes_have_numbers);
  tcase_add_test(t, a_choice_is_launched);
  tcase_add_test(t, plans_follow_choices);
  suite_add_tcase(suite, t);
}
CHECK_MAIN("conv_choices", add_cases)
