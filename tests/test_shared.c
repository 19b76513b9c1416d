/* Contexts that share an OpenCL context and its programs: what is common, what stays each one's own. */
#include "device/queue.h"

#include "context.h"
#include "harness.h"
#include <clgrad/opencl.h>
#include <pthread.h>

enum { N = 48, THREADS = 4, ROUNDS = 5 };
static const int64_t square[] = {N, N};

/* NULL with the status where it is refused with `word`. */
static clg_context *sharing(clg_context *with, clg_device_shape shape, clg_status want, const char *word) {
  clg_context *ctx = NULL;
  char message[512] = "";
  clg_context_options o = clg_context_defaults();
  o.share = with;
  o.shape = shape;
  o.message = message;
  o.message_size = sizeof message;
  ck_assert_int_eq(clg_context_create(&ctx, &o), want);
  ck_assert_msg(strstr(message, word), "\"%s\" does not mention \"%s\"", message, word);
  return ctx;
}
static clg_context *shared_with(clg_context *with) { return sharing(with, CLG_SHAPE_AUTO, CLG_OK, ""); }

/* A training step of a small network: products, sums, elementwise ops and random numbers. */
static void step(clg_context *ctx, float gradient[N * N]) {
  clg_scope *s = clg_scope_open(ctx);
  clg_set_seed(ctx, 5, 0);
  clg_tensor *w = clg_tensor_create(ctx, 2, square, NULL);
  ck_assert_int_eq(clg_randn_(w, 0, 1), CLG_OK);
  ck_assert_int_eq(clg_tensor_set_requires_grad(w, true), CLG_OK);
  clg_tensor *y = clg_tanh(clg_matmul(clg_randn(ctx, 2, square), w));
  ck_assert_int_eq(clg_backward(clg_mean(y, NULL, 0, false), NULL), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(w), gradient), CLG_OK);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_tensor_unref(&w);
}

START_TEST(programs_are_built_once) {
  static float first[N * N], second[N * N];
  clg_context *a = test_context_open();
  step(a, first);
  clg_context *b = shared_with(a);
  ck_assert_ptr_eq(clg_context_cl_context(a), clg_context_cl_context(b));
  ck_assert_ptr_ne(clg_context_cl_queue(a), clg_context_cl_queue(b));
  ck_assert_uint_eq(clg_memory(b).reserved, 0);
  step(b, second);
  ck_assert(!memcmp(first, second, sizeof first));
  const clg_counters of_a = clg_context_counters(a), of_b = clg_context_counters(b);
  ck_assert_uint_gt(of_a.builds + of_a.cache_hits, 0);
  ck_assert_uint_eq(of_b.builds + of_b.cache_hits, 0);
  ck_assert_uint_eq(of_a.programs, of_b.programs);
  ck_assert_uint_eq(clg_memory(a).peak_live, clg_memory(b).peak_live);
  ck_assert_uint_eq(clg_memory(a).peak_reserved, clg_memory(b).peak_reserved);
  test_context_close(&b);
  test_context_close(&a);
}
END_TEST

/* Either may go first, and what the other builds is there for a third. */
START_TEST(the_first_may_go_first) {
  static float one[N * N], other[N * N];
  clg_context *a = test_context_open(), *b = shared_with(a);
  test_context_close(&a);
  step(b, one);
  clg_context *c = shared_with(b);
  step(c, other);
  ck_assert(!memcmp(one, other, sizeof one));
  ck_assert_uint_eq(clg_context_counters(c).builds + clg_context_counters(c).cache_hits, 0);
  test_context_close(&c);
  step(b, other);
  test_context_close(&b);
}
END_TEST

/* The kernels of either shape are others. */
START_TEST(shapes_stay_apart) {
  static float one[N * N], other[N * N], alone[N * N];
  const clg_device_shape shapes[] = {CLG_SHAPE_CPU, CLG_SHAPE_GPU};
  clg_context *a = test_context_open();
  for (int k = 0; k < 2; k++) {
    clg_context *b = sharing(a, shapes[k], CLG_OK, ""), *c = sharing(a, shapes[1 - k], CLG_OK, "");
    ck_assert_int_eq(clg_context_device(b)->shape, shapes[k]);
    step(b, k ? other : one);
    step(c, k ? one : other);
    test_context_close(&b);
    test_context_close(&c);
  }
  for (int k = 0; k < 2; k++) {
    clg_context *own = NULL;
    clg_context_options o = clg_context_defaults();
    o.shape = shapes[k];
    ck_assert_int_eq(clg_context_create(&own, &o), CLG_OK);
    step(own, alone);
    ck_assert(!memcmp(alone, k ? other : one, sizeof alone));
    test_context_close(&own);
  }
  test_context_close(&a);
}
END_TEST

START_TEST(what_cannot_be_shared) {
  clg_context *plan = NULL, *none = NULL, *a = test_context_open();
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  ck_assert_ptr_null(sharing(plan, CLG_SHAPE_AUTO, CLG_ERR_ARGUMENT, "a plan"));
  clg_context_unref(&plan);
  char message[512] = "";
  clg_context_options o = clg_context_defaults();
  o.share = a;
  o.message = message;
  o.message_size = sizeof message;
  ck_assert_int_eq(
      clg_context_adopt(&none, clg_context_cl_context(a), clg_context_cl_device(a), clg_context_cl_queue(a), &o),
      CLG_ERR_ARGUMENT);
  ck_assert_msg(strstr(message, "takes no `share`"), "%s", message);
  o.device = "cpu";
  ck_assert_int_eq(clg_context_create(&none, &o), CLG_ERR_ARGUMENT);
  ck_assert_msg(strstr(message, "leave `device` NULL"), "%s", message);
  a->lost = true;
  ck_assert_ptr_null(sharing(a, CLG_SHAPE_AUTO, CLG_ERR_LOST, "lost"));
  a->lost = false;
  test_context_close(&a);
}
END_TEST

/* ---- in several threads ---- */

static pthread_barrier_t start;
typedef struct worker {
  clg_context *with;
  float gradient[N * N];
} worker;

static void *work(void *of) {
  worker *w = of;
  pthread_barrier_wait(&start);
  clg_context *ctx = shared_with(w->with);
  step(ctx, w->gradient);
  test_context_close(&ctx);
  return NULL;
}

START_TEST(threads_build_at_once) {
  static worker all[THREADS];
  for (int round = 0; round < ROUNDS; round++) {
    clg_context *a = test_context_open();
    pthread_t thread[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
      all[i].with = a;
      ck_assert_int_eq(pthread_create(&thread[i], NULL, work, &all[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    for (int i = 1; i < THREADS; i++) ck_assert(!memcmp(all[0].gradient, all[i].gradient, sizeof all[0].gradient));
    pthread_barrier_destroy(&start);
    test_context_close(&a);
  }
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("shared");
  tcase_add_test(c, programs_are_built_once);
  tcase_add_test(c, the_first_may_go_first);
  tcase_add_test(c, shapes_stay_apart);
  tcase_add_test(c, what_cannot_be_shared);
  tcase_add_test(c, threads_build_at_once);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("shared", add_cases)
