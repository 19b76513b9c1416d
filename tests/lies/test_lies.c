/* Devices with less: what liar.c makes of the one that is here. Each lie has a row: families of work come to the bits
 * of an honest device of the shape, or to the error of the row. Nothing is printed. */
#include "../faults/work.h"
#include "../harness.h"
#include "liar.h"
#include <clgrad/opencl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct lie {
  const char *told;
  clg_device_shape shape;
  const char *error; /* NULL: it works; else what the line is like, as for fnmatch */
  const char *work;  /* NULL: all; else the one that comes to the error */
} lie;

/* ---- the rows ---- */

#define AUTO CLG_SHAPE_AUTO
#define CPU  CLG_SHAPE_CPU
#define GPU  CLG_SHAPE_GPU
#define AS(shape, lies)                                                                                                \
  { lies, shape, NULL, NULL }

/* In the order of what they cost: groups of other sizes are other programs. */
static const lie works[] = {
    AS(CPU, "width=0"),
    AS(CPU, "width=1"),
    AS(CPU, "width=2"),
    AS(CPU, "width=3"),
    AS(CPU, "no_fp64"),
    AS(CPU, "no_images"),
    AS(CPU, "no_denorm"),
    AS(CPU, "no_divide"),
    AS(CPU, "bits=32"),
    AS(CPU, "local=0"),
    AS(CPU, "arguments=1024"),
    AS(CPU, "items=1x1x1"),
    AS(AUTO, "type=gpu,local=0"), /* takes the CPU shape */
    AS(AUTO, "type=accelerator,local=0"),
    AS(CPU, "c_version=OpenCL C 1.2 "),
    AS(GPU, "local=16384"),
    AS(GPU, "no_fp64,local=16384"),
    AS(GPU, "no_images,local=16384"),
    AS(GPU, "no_denorm,local=16384"),
    AS(GPU, "no_divide,local=16384"),
    AS(GPU, "bits=32,local=16384"),
    AS(GPU, "width=0,local=16384"),
    AS(GPU, "arguments=1024,local=16384"),
    AS(GPU, "kernel_group=255"),
    AS(GPU, "items=1024x1x1"),
    AS(GPU, "kernel_group=32"),
    AS(GPU, "group=32"),
    AS(GPU, "kernel_group=1"),
    AS(GPU, "items=1x1x1"),
    AS(GPU, "group=48"),
    AS(GPU, "group=16"),
    AS(GPU, "group=8"),
    AS(GPU, "group=1"),
    AS(GPU, "kernel_group=16"),
    AS(GPU, "kernel_group=8"),
    AS(GPU, "kernel_group=7"),
    AS(GPU, "items=2x1x1"),
    AS(GPU, "group=32,kernel_group=8"),
    AS(CPU, "kernel_group=1"),
};

static const lie fails[] = {
    {"not_available", AUTO,
     "* cannot be used: it says that it is not available (CL_DEVICE_AVAILABLE); choose another: *", NULL},
    {"no_compiler", AUTO, "* cannot be used: it has no compiler of OpenCL C (CL_DEVICE_COMPILER_AVAILABLE); choose *",
     NULL},
    {"version=OpenCL 1.0 x", AUTO,
     "* cannot be used: OpenCL 1.2 is needed, and its version is \"OpenCL 1.0 x\"; choose *", NULL},
    {"version=OpenCL 1.1", AUTO, "* cannot be used: OpenCL 1.2 is needed, and its version is \"OpenCL 1.1\"; choose *",
     NULL},
    {"version=", AUTO, "* cannot be used: OpenCL 1.2 is needed, and its version is \"\"; choose *", NULL},
    {"big_endian", AUTO, "* its bytes are in another order than the host's (CL_DEVICE_ENDIAN_LITTLE); choose *", NULL},
    {"memory=0", AUTO, "* cannot be used: it reports no memory (CL_DEVICE_GLOBAL_MEM_SIZE); choose *", NULL},
    {"group=0", AUTO, "* cannot be used: it reports no work-groups (CL_DEVICE_MAX_WORK_GROUP_SIZE); choose *", NULL},
    {"arguments=64", CPU, "*: kernel * takes * bytes of arguments, the device allows 64: use fewer tensors *", "gan"},
    {"arguments=64", GPU, "*: kernel * takes * bytes of arguments, the device allows 64: use fewer tensors *", "gan"},
    {"alloc=1000", CPU, "*: one buffer of * is more than the device allows (at most 1000 B): *", "image_training"},
    {"memory=6000", CPU, "*: the device has no memory for * (live *, reserved * of 5.9 KiB): *", "image_training"},
};
/* By what the driver says of a kernel. */
static const lie fails_of_local[] = {
    {"local=0", GPU, "*: kernel * needs * bytes of local memory, the device has 0: CLGRAD_SHAPE=cpu needs none*",
     "gan"},
    {"local=256", GPU, "*: kernel * bytes of local memory, the device has 256: CLGRAD_SHAPE=cpu needs none*", "gan"},
};

/* ---- what is printed ---- */

static int true_stderr = -1;
static FILE *printed;

static void listen(void) {
  fflush(stderr);
  printed = tmpfile();
  true_stderr = dup(2);
  ck_assert(printed && true_stderr >= 0 && dup2(fileno(printed), 2) >= 0);
}

static void expect_silence(const char *told) {
  char text[200] = "";
  fflush(stderr);
  dup2(true_stderr, 2);
  close(true_stderr);
  rewind(printed);
  text[fread(text, 1, sizeof text - 1, printed)] = 0;
  fclose(printed);
  ck_assert_msg(!*text, "%s: this was printed: %s", told, text);
}

/* ---- trials ---- */

static char why[512];

static clg_context *open_as(clg_device_shape shape) {
  clg_context *ctx = NULL;
  clg_context_options o = clg_context_defaults();
  o.shape = shape, o.message = why, o.message_size = sizeof why;
  why[0] = 0;
  clg_context_create(&ctx, &o);
  return ctx;
}

/* Rows that work-groups share, longer than those have items: what is noted depends on the order of each sum. */
static void long_rows(clg_context *ctx, results *r) {
  clg_tensor *x = clg_randn(ctx, SHAPE(3, 1000)), *large = clg_mul_scalar(x, 1e30f);
  note(r, clg_norm(large, 2, (int[]){1}, 1, false));
  note(r, clg_sum(x, (int[]){1}, 1, false));
  note(r, clg_softmax(x, 1));
  note(r, clg_matmul(x, clg_transpose(x, 0, 1)));
  note(r, clg_matmul(clg_narrow(x, 0, 0, 1), clg_transpose(x, 0, 1)));
}

static const workload rows = {"rows", long_rows, false};
static const workload *family(size_t i) { return i < workload_count ? &workloads[i] : &rows; }

/* What an honest device comes to, of either shape. Of CLBlast's products it has none, as those that are lied about. */
static const results *right(const workload *w, clg_device_shape shape) {
  static results kept[2][16];
  size_t i = 0;
  while (family(i) != w) i++;
  results *r = &kept[shape == GPU][i];
  if (r->n) return r;
  liar_tell(shape == GPU ? "local=16384" : "");
  clg_context *ctx = open_as(shape);
  ck_assert_msg(ctx && work_run(w, ctx, r) == CLG_OK, "%s: %s%s", w->name, why, clg_last_error(ctx));
  ck_assert_uint_gt(r->n, 0);
  clg_context_unref(&ctx);
  return r;
}

static void expect_works(const lie *l) {
  static results got;
  for (size_t i = 0; i <= workload_count; i++) {
    const workload *w = family(i);
    if (w->saves) continue;
    const results *want = right(w, l->shape == AUTO ? CPU : l->shape);
    listen();
    liar_tell(l->told);
    clg_context *ctx = open_as(l->shape);
    clg_status s = ctx ? work_run(w, ctx, &got) : CLG_ERR_DEVICE;
    ck_assert_msg(s == CLG_OK, "%s, %s: %s%s", l->told, w->name, why, clg_last_error(ctx));
    clg_context_unref(&ctx);
    expect_silence(l->told);
    ck_assert_msg(liar_refusals() == 0, "%s, %s: %lu calls were refused", l->told, w->name, liar_refusals());
    ck_assert_msg(got.n == want->n && !memcmp(got.value, want->value, got.n * sizeof *got.value), "%s, %s: other bits",
                  l->told, w->name);
  }
}

static void expect_line(const lie *l, const char *line) {
  ck_assert_msg(!fnmatch(l->error, line, 0) && !strchr(line, '\n'), "%s: not like \"%s\": %s", l->told, l->error, line);
}

static const workload *named(const char *name) {
  for (size_t i = 0; i < workload_count; i++)
    if (!strcmp(workloads[i].name, name)) return &workloads[i];
  return NULL;
}

/* After the error the context works on, with what the device does have. */
static void expect_fails(const lie *l) {
  static results got;
  listen();
  liar_tell(l->told);
  clg_context *ctx = open_as(l->shape);
  if (!l->work) {
    ck_assert_msg(!ctx, "%s: it can be used", l->told);
    expect_silence(l->told);
    expect_line(l, why);
    return;
  }
  ck_assert_msg(ctx != NULL, "%s", why);
  ck_assert_int_ne(work_run(named(l->work), ctx, &got), CLG_OK);
  expect_silence(l->told);
  expect_line(l, clg_last_error(ctx));
  clg_clear_error(ctx);
  liar_tell("");
  float one = 0;
  clg_tensor *x = clg_full(ctx, 1, (int64_t[]){1}, 1);
  ck_assert_int_eq(clg_tensor_read(x, &one), CLG_OK);
  ck_assert_float_eq(one, 1);
  clg_tensor_unref(&x);
  clg_context_unref(&ctx);
}

/* Whether the driver says what a kernel takes of local memory (PoCL 6 does not). */
static bool tells_local(void) {
  static const char *source = "__kernel void t(__global float *x) {\n"
                              "  __local float part[64];\n"
                              "  part[get_local_id(0)] = x[get_local_id(0)];\n"
                              "  barrier(CLK_LOCAL_MEM_FENCE);\n"
                              "  x[get_local_id(0)] = part[63 - get_local_id(0)];\n"
                              "}";
  liar_tell("");
  clg_context *ctx = open_as(AUTO);
  ck_assert_msg(ctx != NULL, "%s", why);
  cl_device_id d = clg_context_cl_device(ctx);
  cl_program p = clCreateProgramWithSource(clg_context_cl_context(ctx), 1, &source, NULL, NULL);
  ck_assert_int_eq(clBuildProgram(p, 1, &d, "-cl-std=CL1.2", NULL, NULL), CL_SUCCESS);
  cl_kernel k = clCreateKernel(p, "t", NULL);
  cl_ulong bytes = 0;
  cl_int code = clGetKernelWorkGroupInfo(k, d, CL_KERNEL_LOCAL_MEM_SIZE, sizeof bytes, &bytes, NULL);
  clReleaseKernel(k), clReleaseProgram(p);
  clg_context_unref(&ctx);
  return code == CL_SUCCESS && bytes >= 64 * sizeof(float);
}

/* What the driver does not tell, nobody can refuse. */
static void expect_as_told(const lie *l) { (tells_local() ? expect_fails : expect_works)(l); }

/* ---- cases ---- */

static bool is_of(const lie *l) {
  const char *shape = getenv("CLGRAD_SHAPE");
  return !shape || (l->shape == GPU) == !strcmp(shape, "gpu");
}

static void with_free_shape(void (*expect)(const lie *), const lie *l) {
  const char *shape = getenv("CLGRAD_SHAPE");
  char kept[8] = "";
  if (!is_of(l)) return;
  if (shape) snprintf(kept, sizeof kept, "%s", shape), unsetenv("CLGRAD_SHAPE");
  expect(l);
  liar_tell("");
  if (*kept) setenv("CLGRAD_SHAPE", kept, 1);
}

START_TEST(a_device_with_less_works) { with_free_shape(expect_works, &works[_i]); }
END_TEST
START_TEST(what_is_lacking_is_named) { with_free_shape(expect_fails, &fails[_i]); }
END_TEST
START_TEST(local_memory_that_is_lacking_is_named) { with_free_shape(expect_as_told, &fails_of_local[_i]); }
END_TEST

/* The device is used, or the line says why not. */
static void expect_either(const lie *l) {
  const workload *w = named("gan");
  static results got;
  listen();
  liar_tell(l->told);
  clg_context *ctx = open_as(l->shape);
  if (ctx && work_run(w, ctx, &got) == CLG_OK) {
    expect_silence(l->told);
    clg_context_unref(&ctx);
    return;
  }
  expect_silence(l->told);
  const char *line = ctx ? clg_last_error(ctx) : why;
  ck_assert_msg(strlen(line) > 10 && !strchr(line, '\n'), "%s: \"%s\"", l->told, line);
  ck_assert_msg(!ctx, "%s: %s", l->told, line);
}

/* Those that the library, CLBlast or the loader has for the driver on the way. */
static void expect_each_question(const lie *l) {
  enum { FIRST = 0x1000, LAST = 0x10ff };
  right(named("gan"), l->shape);
  for (unsigned what = FIRST; what <= LAST; what++) {
    char told[32];
    snprintf(told, sizeof told, "fail=0x%x", what);
    if (liar_queried(what)) expect_either(&(lie){told, l->shape, NULL, NULL});
  }
}

START_TEST(every_question_may_fail) {
  with_free_shape(expect_each_question, &(lie){"", CPU, NULL, NULL});
  with_free_shape(expect_each_question, &(lie){"", GPU, NULL, NULL});
}
END_TEST

#define COUNT(rows) (int)(sizeof rows / sizeof *rows)

static void add_cases(Suite *suite) {
  TCase *t = tcase_create("lies");
  tcase_set_timeout(t, 3600);
  tcase_add_unchecked_fixture(t, work_files_make, work_files_remove);
  tcase_add_loop_test(t, a_device_with_less_works, 0, COUNT(works));
  tcase_add_loop_test(t, what_is_lacking_is_named, 0, COUNT(fails));
  tcase_add_loop_test(t, local_memory_that_is_lacking_is_named, 0, COUNT(fails_of_local));
  tcase_add_test(t, every_question_may_fail);
  suite_add_tcase(suite, t);
}

CHECK_MAIN("lies", add_cases)
