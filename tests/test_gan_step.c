/* gan_train's steps where they differ from the reference: against golden data and gradients computed apart. */
#include "harness.h"
#include "shared_context.h"
#include <math.h>
#include <stdio.h>
/* Behind the others, which have names of the application for variables and macros of their own. */
#undef fail
#include "one_stage.h"
#include "step.h"

enum { BATCH = 8, NZ = 16, HIDDEN = 32, FEATURES = 64, STEPS = 12 };

/* The sizes of tests/golden/mlp_gan, whose networks are those of --model mlp. */
static const model_spec golden_spec = {.kind = MODEL_MLP,
                                       .batch = BATCH,
                                       .channels = 1,
                                       .height = 1,
                                       .width = FEATURES,
                                       .nz = NZ,
                                       .hidden = HIDDEN,
                                       .critic_steps = 1};

/* n floats of a golden array, to be freed: they end the file. */
static float *golden(const char *name, size_t n) {
  char path[4096];
  snprintf(path, sizeof path, "%s/mlp_gan/%s.npy", GOLDEN, name);
  FILE *file = fopen(path, "rb");
  float *values = malloc(n * sizeof *values);
  ck_assert_msg(file && fseek(file, -(long)(n * sizeof *values), SEEK_END) == 0 &&
                    fread(values, sizeof *values, n, file) == n,
                "cannot read %s", path);
  fclose(file);
  return values;
}

static void write_golden(clg_module *m, const char *name) {
  float *weights = golden(name, clg_module_numel(m));
  ck_assert_int_eq(clg_module_write(m, weights), CLG_OK);
  free(weights);
}

/* As the golden run has it: betas are 0.9 and 0.999. */
static void golden_optimizer(clg_optim **o, clg_module *m) {
  clg_optim_options options = clg_optim_defaults(CLG_ADAMW);
  clg_optim_unref(o);
  *o = clg_optim_create_for(m, &options);
  ck_assert_ptr_nonnull(*o);
}

static void expect_golden(clg_module *m, const char *name) {
  size_t n = clg_module_numel(m);
  float *want = golden(name, n), *got = malloc(n * sizeof *got);
  ck_assert_int_eq(clg_module_read(m, got), CLG_OK);
  for (size_t i = 0; i < n; i++)
    ck_assert_msg(fabsf(got[i] - want[i]) <= 1e-5f, "%s[%zu] is %g, not %g", name, i, (double)got[i], (double)want[i]);
  free(want);
  free(got);
}

static double norm_of_sum(const float *a, const float *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += ((double)a[i] + (double)b[i]) * ((double)a[i] + (double)b[i]);
  return sqrt(sum);
}

static float *g_gradient(gan *m) {
  float *out = malloc(gan_g_numel(m) * sizeof *out);
  ck_assert_int_eq(gan_read_g_gradient(m, out), CLG_OK);
  return out;
}

static void expect_near(double got, double want, double tolerance) {
  ck_assert_msg(fabs(got - want) <= tolerance * want, "%.9g is not %.9g", got, want);
}

START_TEST(pollution_is_pytorchs) {
  gan m;
  float losses[3], *real = golden("real", STEPS * BATCH * FEATURES), *z = golden("z", STEPS * BATCH * NZ);
  ck_assert(gan_make(&m, ctx, &golden_spec, false, 1));
  write_golden(m.g, "G_init");
  write_golden(m.d, "D_init");
  golden_optimizer(&m.opt_g, m.g);
  golden_optimizer(&m.opt_d, m.d);
  size_t n = gan_g_numel(&m);
  for (int i = 0; i < STEPS; i++) {
    feed_batches batch = {.images = real + i * BATCH * FEATURES, .noise = z + i * BATCH * NZ};
    ck_assert_int_eq(gan_step(&m, VARIANT_POLLUTED, batch, 1, losses), CLG_OK);
    if (i) continue;
    float *got = g_gradient(&m), *of_g = golden("step0_G_grad", n);
    float *left = golden("step0_V2_G_grad_after_errD_fake", n), *zero = calloc(n, sizeof *zero);
    expect_near(norm_of_sum(got, zero, n), norm_of_sum(of_g, left, n), 1e-6);
    free(got);
    free(of_g);
    free(left);
    free(zero);
  }
  expect_golden(m.g, "V2p_G_final");
  expect_golden(m.d, "V2p_D_final");
  gan_free(&m);
  free(real);
  free(z);
}
END_TEST

static const model_spec specs[] = {
    {MODEL_MLP, 16, 1, 8, 8, false, 8, 24, 0, 0, 0, 1, 0, 1, 0},
    {MODEL_MLP, 16, 1, 8, 8, false, 8, 24, 0, 0, 3, 1, 0, 1, 0},
    {MODEL_DCGAN, 6, 1, 16, 16, false, 8, 0, 4, 4, 0, 1, 0, 1, 0},
    {MODEL_WGAN_GP, 16, 1, 8, 8, false, 8, 24, 0, 0, 0, 1, 10, 1, 0},
};

enum { SEED = 7, NOISE = 3, MOST_FEATURES = 16 * 16, MOST_BATCH = 16 };

static float images[MOST_BATCH * MOST_FEATURES];
static int32_t labels[MOST_BATCH];

/* Any will do, the same for all. */
static feed_batches some_batch(const model_spec *spec) {
  for (int i = 0; i < MOST_BATCH * MOST_FEATURES; i++) images[i] = sinf((float)i);
  for (int i = 0; i < MOST_BATCH; i++) labels[i] = i % 3;
  return (feed_batches){.images = images, .labels = spec->classes ? labels : NULL};
}

/* G's gradient of the first step of a variant. */
static float *stepped(const model_spec *spec, variant v) {
  gan m;
  float losses[3];
  ck_assert(gan_make(&m, ctx, spec, false, SEED));
  ck_assert_int_eq(gan_step(&m, v, some_batch(spec), NOISE, losses), CLG_OK);
  float *out = g_gradient(&m);
  gan_free(&m);
  return out;
}

/* G's gradient of a loss of D(G(z)) before any step. */
typedef clg_tensor *(*loss_fn)(gan *m, clg_tensor *out);
static float *computed_apart(const model_spec *spec, loss_fn loss) {
  gan m;
  ck_assert(gan_make(&m, ctx, spec, false, SEED));
  clg_scope *scope = clg_scope_open(ctx);
  clg_set_seed(ctx, NOISE, 0);
  clg_tensor *z = clg_randn(ctx, 2, (int64_t[]){spec->batch, spec->nz}), *its = NULL;
  feed_batches batch = some_batch(spec);
  if (spec->classes) its = clg_tensor_create_i32(ctx, 1, &spec->batch, batch.labels);
  clg_tensor *err = loss(&m, gan_judge(&m, gan_generate(&m, z, its), its));
  ck_assert_int_eq(clg_backward(err, NULL), CLG_OK);
  clg_tensor_unref(&its); /* made by us, not by an op */
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  float *out = g_gradient(&m);
  gan_free(&m);
  return out;
}

static clg_tensor *loss_of_d(gan *m, clg_tensor *out) { return gan_loss(m, out, false); }
static clg_tensor *loss_of_g(gan *m, clg_tensor *out) { return gan_loss(m, out, true); }
static clg_tensor *minimax_of_g(gan *m, clg_tensor *out) { return clg_neg(loss_of_d(m, out)); }
static clg_tensor *squares_of_d(gan *m, clg_tensor *out) { return clg_mse_loss(out, m->zeros, NULL); }
static clg_tensor *squares_of_g(gan *m, clg_tensor *out) { return clg_mse_loss(out, m->ones, NULL); }

START_TEST(pollution_is_the_sum_of_both_gradients) {
  const model_spec *spec = &specs[_i];
  gan m;
  ck_assert(gan_make(&m, ctx, spec, false, SEED));
  size_t n = gan_g_numel(&m);
  gan_free(&m);
  float *zero = calloc(n, sizeof *zero), *polluted = stepped(spec, VARIANT_POLLUTED);
  float *of_g = stepped(spec, VARIANT_DETACH), *of_d = computed_apart(spec, loss_of_d);
  expect_near(norm_of_sum(polluted, zero, n), norm_of_sum(of_g, of_d, n), 1e-6);
  free(zero);
  free(polluted);
  free(of_g);
  free(of_d);
}
END_TEST

static void expect_gradient(const float *got, const float *want, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)want[i]));
  ck_assert(most > 0);
  for (size_t i = 0; i < n; i++)
    ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= 1e-5 * most, "gradient %zu is %g, not %g", i,
                  (double)got[i], (double)want[i]);
}

/* G's gradient by one backward through D, of `of_d`, and this ratio at the fakes. */
static float *scaled(const model_spec *spec, loss_fn of_d, const char *ratio, size_t *n) {
  gan m;
  ck_assert(gan_make(&m, ctx, spec, false, SEED));
  clg_scope *scope = clg_scope_open(ctx);
  clg_set_seed(ctx, NOISE, 0);
  clg_tensor *fake = gan_generate(&m, clg_randn(ctx, 2, (int64_t[]){spec->batch, spec->nz}), NULL);
  clg_tensor *shown = clg_detach(fake);
  ck_assert_int_eq(clg_tensor_set_requires_grad(shown, true), CLG_OK);
  clg_tensor *out = gan_judge(&m, shown, NULL);
  ck_assert_int_eq(clg_backward(of_d(&m, out), NULL), CLG_OK);
  clg_set_grad_mode(ctx, false);
  ck_assert_int_eq(one_stage_scale(clg_tensor_grad(shown), out, ratio), CLG_OK);
  clg_set_grad_mode(ctx, true);
  clg_backward_options how = clg_backward_defaults();
  how.grad = clg_tensor_grad(shown);
  ck_assert_int_eq(clg_backward(fake, &how), CLG_OK);
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  *n = gan_g_numel(&m);
  float *out_gradient = g_gradient(&m);
  gan_free(&m);
  return out_gradient;
}

/* Batch norm mixes the items: there the ratio must be the same for all. */
static const struct {
  int spec;
  loss_fn of_d, of_g;
  const char *ratio;
} one_stage_rows[] = {
    {0, loss_of_d, loss_of_g, "-exp(min(-s, 88))"},
    {0, loss_of_d, minimax_of_g, "-1"},
    {0, squares_of_d, squares_of_g, "(s - 1)/s"},
    {3, loss_of_d, loss_of_g, "-1"},
    {2, loss_of_d, minimax_of_g, "-1"},
};

START_TEST(one_backward_through_d_serves_both) {
  const model_spec *spec = &specs[one_stage_rows[_i].spec];
  size_t n;
  float *got = scaled(spec, one_stage_rows[_i].of_d, one_stage_rows[_i].ratio, &n);
  float *want = computed_apart(spec, one_stage_rows[_i].of_g);
  expect_gradient(got, want, n);
  free(got);
  free(want);
}
END_TEST

/* The whole step: autograd's gradient at the weights before it, with labels and without; of DCGAN the scaled one. */
START_TEST(one_stage_steps_by_it) {
  const model_spec *spec = &specs[_i];
  gan m;
  ck_assert(gan_make(&m, ctx, spec, false, SEED));
  size_t n = gan_g_numel(&m);
  bool mixes = spec->kind == MODEL_DCGAN;
  float *got = stepped(spec, VARIANT_ONE_STAGE);
  float *want = mixes ? scaled(spec, loss_of_d, gan_loss_ratio(&m), &n) : computed_apart(spec, loss_of_g);
  gan_free(&m);
  expect_gradient(got, want, n);
  free(got);
  free(want);
}
END_TEST

/* What a discriminator that is sure of itself leaves is no infinity. */
START_TEST(the_ratio_is_finite) {
  const gan bce = {.spec = {.kind = MODEL_MLP}};
  float x[10], s[] = {-200, -88, 0, 88, 200}, want[] = {-expf(88), -expf(88), -1, -expf(-88), -expf(-200)};
  for (int i = 0; i < 10; i++) x[i] = i % 2 ? 2 : 1;
  clg_tensor *gradient = clg_tensor_create(ctx, 2, (int64_t[]){5, 2}, x);
  clg_tensor *out = clg_tensor_create(ctx, 2, (int64_t[]){5, 1}, s);
  clg_scope *scope = clg_scope_open(ctx);
  ck_assert_int_eq(one_stage_scale(gradient, out, gan_loss_ratio(&bce)), CLG_OK);
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(gradient, x), CLG_OK);
  for (int i = 0; i < 10; i++)
    ck_assert_msg(fabsf(x[i] - (i % 2 ? 2 : 1) * want[i / 2]) <= 1e-5f * fabsf(x[i]), "%g beside %g", (double)x[i],
                  (double)want[i / 2]);
  clg_tensor_unref(&gradient);
  clg_tensor_unref(&out);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *tc = tcase_create("steps");
  share_context(tc);
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, pollution_is_pytorchs);
  tcase_add_loop_test(tc, pollution_is_the_sum_of_both_gradients, 0, (int)(sizeof specs / sizeof *specs));
  tcase_add_loop_test(tc, one_backward_through_d_serves_both, 0, sizeof one_stage_rows / sizeof *one_stage_rows);
  tcase_add_loop_test(tc, one_stage_steps_by_it, 0, (int)(sizeof specs / sizeof *specs));
  tcase_add_test(tc, the_ratio_is_finite);
}

CHECK_MAIN("gan_step", add_cases)
