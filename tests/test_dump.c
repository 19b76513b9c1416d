/* CLGRAD_DUMP: what a training step of a DCGAN builds, as files. Each compiles alone, in lines that are laid out, and
 * the kernels in them are those of the profile. */
#include "context.h"
#include "harness.h"
#include "kept.h"
#include "kernel/kernel.h"
#include <clgrad/opencl.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

enum { MOST_KERNELS = 200, MOST_TEXT = 1 << 20 };
static char profiled[MOST_KERNELS][160];
static int n_profiled;

/* "gelu: 3 launches, 0.010 ms", or with the file in front of the kernel. */
static void read_profile(void *user, const char *line) {
  (void)user;
  if (!strncmp(line, "CLBlast ", 8)) return; /* whose programs are its own */
  const char *end = strstr(line, ": "), *name = end;
  if (!end || !strstr(line, " launches, ")) return;
  while (name > line && name[-1] != ' ') name--;
  ck_assert_int_lt(n_profiled, MOST_KERNELS);
  snprintf(profiled[n_profiled++], sizeof profiled[0], "%.*s", (int)(end - name), name);
}

static clg_tensor *discriminator(clg_tensor *x, clg_tensor *const *w) {
  clg_conv_options o = clg_conv_defaults();
  o.stride[0] = o.stride[1] = 2, o.padding[0] = o.padding[1] = 1, o.act.formula = "leaky_relu", o.act.numbers[0] = 0.2f;
  clg_batch_norm_options n = clg_batch_norm_defaults();
  n.act.formula = "leaky_relu", n.act.numbers[0] = 0.2f;
  clg_tensor *h = clg_conv2d(x, w[0], NULL, &o);
  o.act.formula = NULL;
  h = clg_batch_norm(clg_conv2d(h, w[1], NULL, &o), w[2], w[3], &n);
  return clg_linear(clg_reshape(h, 2, (int64_t[]){4, 32}), w[4], NULL, NULL);
}

/* One step on pictures of 8 x 8, tanh in front, the loss and Adam behind. */
static void train(clg_context *ctx) {
  static const int64_t shape[5][4] = {{4, 1, 4, 4}, {8, 4, 4, 4}, {8}, {8}, {1, 32}};
  static const int ndim[5] = {4, 4, 1, 1, 2};
  clg_tensor *w[5];
  for (int i = 0; i < 5; i++) {
    ck_assert_ptr_nonnull(w[i] = clg_full(ctx, ndim[i], shape[i], 0.1f + 0.1f * (float)i));
    clg_tensor_set_requires_grad(w[i], true);
  }
  clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  clg_optim *optim = clg_optim_create(ctx, w, 5, &adam);
  ck_assert_ptr_nonnull(optim);
  clg_scope *scope = clg_scope_open(ctx);
  clg_tensor *x = clg_tanh(clg_randn(ctx, 4, (int64_t[]){4, 1, 8, 8}));
  clg_tensor *loss = clg_bce_with_logits_loss(discriminator(x, w), clg_full(ctx, 2, (int64_t[]){4, 1}, 1), NULL);
  ck_assert_msg(loss && clg_backward(loss, NULL) == CLG_OK, "%s", clg_last_error(ctx));
  ck_assert_int_eq(clg_optim_step(optim), CLG_OK);
  clg_scope_close(scope);
  clg_optim_unref(&optim);
  for (int i = 0; i < 5; i++) clg_tensor_unref(&w[i]);
  ck_assert_int_eq(clg_finish(ctx), CLG_OK);
}

/* The kernels of a source, ";" around each, appended to `names`. */
static void build_alone(const clg_context *ctx, const char *path, const char *text, char *names, size_t size) {
  cl_int code;
  cl_device_id device = clg_context_cl_device(ctx);
  cl_program p = clCreateProgramWithSource(clg_context_cl_context(ctx), 1, &text, NULL, &code);
  ck_assert_int_eq(code, CL_SUCCESS);
  ck_assert_msg(clBuildProgram(p, 1, &device, "-cl-std=CL1.2 -w", NULL, NULL) == CL_SUCCESS, "%s", path);
  size_t used = strlen(names);
  names[used++] = ';';
  ck_assert_int_eq(clGetProgramInfo(p, CL_PROGRAM_KERNEL_NAMES, size - used - 2, names + used, NULL), CL_SUCCESS);
  strcat(names, ";");
  clReleaseProgram(p);
}

/* What lib/kernel wrote, which is behind its header. */
static void check_lines(const char *path, const char *text) {
  const char *written = strstr(text, "\n\n/* ");
  while (written && strstr(written + 1, "\n\n/* ")) written = strstr(written + 1, "\n\n/* ");
  for (const char *line = written; line && *line; line += strcspn(line, "\n") + 1)
    if (strcspn(line, "\n") > 120) ck_abort_msg("%s: %.*s", path, (int)strcspn(line, "\n"), line);
}

static int check_files(const clg_context *ctx, const char *folder, char *names, size_t size) {
  DIR *dir = opendir(folder);
  ck_assert_ptr_nonnull(dir);
  static char text[MOST_TEXT];
  int files = 0;
  for (struct dirent *e; (e = readdir(dir));) {
    if (!strstr(e->d_name, ".cl")) continue;
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    build_alone(ctx, path, text, names, size);
    if (strstr(text, "/* In front of ")) check_lines(path, text);
    /* Which PoCL compiles as a function, not three times. */
    const char *shape = getenv("CLGRAD_SHAPE");
    if (shape && !strcmp(shape, "cpu") && strstr(text, "/* All tensors contiguous"))
      ck_assert_msg(strstr(text, "\nCLG_KERNEL(") != NULL, "%s", path);
    unlink(path);
    files++;
  }
  closedir(dir);
  return files;
}

START_TEST(a_step_as_files) {
  char folder[] = "/tmp/clgrad-dump-XXXXXX";
  static char names[1 << 16];
  ck_assert_ptr_nonnull(mkdtemp(folder));
  kept before = keep_variable("CLGRAD_DUMP");
  setenv("CLGRAD_DUMP", folder, 1);
  clg_context *ctx = NULL;
  clg_context_options o = clg_context_defaults();
  o.profile = true, o.log = read_profile;
  ck_assert_int_eq(clg_context_create(&ctx, &o), CLG_OK);
  train(ctx);
  uint64_t programs = clg_context_counters(ctx).programs;
  give_variable_back(before);
  test_context_close(&ctx);
  ctx = test_context_open();
  names[0] = '\0';
  ck_assert_int_ge(check_files(ctx, folder, names, sizeof names) + 1, (int)programs); /* CLBlast's count as one */
  test_context_close(&ctx);
  rmdir(folder);
  ck_assert_int_gt(n_profiled, 5);
  for (int i = 0; i < n_profiled; i++) {
    char word[200];
    snprintf(word, sizeof word, ";%.150s;", profiled[i]);
    ck_assert_msg(strstr(names, word), "no file has the kernel %s", profiled[i]);
  }
  static const char *const expected[] = {"tanh_each", "adam"};
  for (int i = 0; i < 2; i++) {
    bool there = false;
    for (int k = 0; k < n_profiled; k++) there = there || !strcmp(profiled[k], expected[i]);
    ck_assert_msg(there, "the profile does not name %s", expected[i]);
  }
}
END_TEST

START_TEST(names_are_identifiers) {
  static const char *const cases[][2] = {{"gelu", "gelu"},   {"exp", "exp_each"}, {"half", "half_each"},
                                         {"a b/c", "a_b_c"}, {"3d", "_3d"},       {"", "_"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    clg_str s = {0};
    clg_kernel_name(cases[i][0], &s);
    ck_assert_str_eq(s.data, cases[i][1]);
    clg_str_free(&s);
  }
}
END_TEST

/* A formula's names that the kernel has for something else get another. */
START_TEST(names_do_not_meet) {
  clg_arena *a = clg_arena_create();
  static const char *const in[] = {"count", "out"}, *const number[] = {"i"};
  clg_expr e = clg_expr_parse(a, "count*out + i", (const char *[]){"count", "out", "i"}, 3, NULL);
  const clg_kernel_formula f = {"f", a, &e, in, number, 1, 2, 1, false};
  const clg_kernel_form form = {.file = "map_flat.clt", .kernel = "f"};
  clg_str s = {0};
  clg_kernel_write(&f, &form, &s);
  ck_assert_ptr_nonnull(strstr(s.data, "out[out_at + i] = f_of(count_[count__at + i], out_[out__at + i], i_);"));
  clg_str_free(&s);
  clg_arena_destroy(a);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("dump");
  tcase_add_test(c, a_step_as_files);
  tcase_add_test(c, names_are_identifiers);
  tcase_add_test(c, names_do_not_meet);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("dump", add_cases)
