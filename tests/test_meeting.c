/* Batch norms of shards that meet: the statistics and gradients of the whole batch, from shards on strands that take
 * turns; and strands and shared parameters by themselves. */
#include "harness.h"
#include "shared_context.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

enum { MOST = 8, CALLER = -1 };

/* ---- shards on threads, one of which runs at a time ---- */

typedef struct shard {
  int k;
  clg_strand *strand;
  pthread_t thread;
  clg_tensor *told;
  bool done;
} shard;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn, n_shards, breaks; /* breaks: 1 + the meeting that gives nothing; 0: none does */
static shard shards[MOST];
static clg_tensor *all;
static void (*work)(int k);

static void hand_to(int whose, int mine) {
  pthread_mutex_lock(&lock);
  turn = whose;
  pthread_cond_broadcast(&turned);
  while (mine != MOST && turn != mine) pthread_cond_wait(&turned, &lock);
  pthread_mutex_unlock(&lock);
}

static void *run_shard(void *user) {
  shard *s = user;
  pthread_mutex_lock(&lock);
  while (turn != s->k) pthread_cond_wait(&turned, &lock);
  pthread_mutex_unlock(&lock);
  work(s->k);
  s->done = true;
  hand_to(CALLER, MOST);
  return NULL;
}

static clg_tensor *gather(void *user, clg_tensor *mine) {
  shard *s = user;
  s->told = mine;
  hand_to(CALLER, s->k);
  return clg_tensor_ref(all);
}

static void join_told(void) {
  clg_tensor *list[MOST];
  clg_tensor_unref(&all);
  if (breaks && !--breaks) return;
  clg_scope *s = clg_scope_open(ctx);
  for (int k = 0; k < n_shards; k++) list[k] = clg_reshape(shards[k].told, 1, (int64_t[]){-1});
  all = clg_tensor_ref(clg_cat(list, (size_t)n_shards, 0));
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
}

static void run(int n, void (*what)(int k)) {
  n_shards = n, work = what, turn = CALLER;
  for (int k = 0; k < n; k++) {
    shards[k] = (shard){.k = k, .strand = clg_strand_create(ctx)};
    ck_assert_ptr_nonnull(shards[k].strand);
    ck_assert_int_eq(pthread_create(&shards[k].thread, NULL, run_shard, &shards[k]), 0);
  }
  for (int done = 0; done < n;) {
    done = 0;
    for (int k = 0; k < n; k++) {
      if (!shards[k].done) {
        ck_assert_int_eq(clg_strand_enter(shards[k].strand), CLG_OK);
        hand_to(k, CALLER);
        clg_strand_leave(shards[k].strand);
      }
      done += shards[k].done;
    }
    ck_assert(!done || done == n);
    if (!done) join_told();
  }
  clg_tensor_unref(&all);
  for (int k = 0; k < n; k++) {
    pthread_join(shards[k].thread, NULL);
    clg_strand_destroy(&shards[k].strand);
  }
}

/* ---- a batch whole, and in shards ---- */

enum { ITEMS = 16, CHANNELS = 19, ROOM = ITEMS * CHANNELS * 300 };

static float x[ROOM], weight[ROOM], gamma_[CHANNELS], beta[CHANNELS];
static int64_t width; /* values of an item's channel */
static bool again;    /* in a checkpointed segment */
typedef struct results {
  float y[ROOM], dx[ROOM], dgamma[CHANNELS], dbeta[CHANNELS], mean[CHANNELS], var[CHANNELS];
} results;
static results whole, parts, others;

static clg_tensor *leaf(const float *data, int ndim, const int64_t *shape) {
  clg_tensor *t = clg_tensor_create(ctx, ndim, shape, data);
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}

typedef struct norm {
  clg_batch_norm_options o;
  clg_tensor *in[5]; /* x, gamma, beta, the running statistics */
} norm;

static clg_tensor *forward(void *user, clg_tensor *const *in, size_t n) {
  (void)n;
  norm *b = user;
  return clg_batch_norm(in[0], in[1], in[2], &b->o);
}

static norm norm_of(int first, int items, const clg_meeting *meeting) {
  const int64_t image[] = {items, CHANNELS, width}, channels = CHANNELS;
  const size_t at = (size_t)first * CHANNELS * (size_t)width;
  norm b = {.o = clg_batch_norm_defaults()};
  b.in[0] = leaf(x + at, width > 1 ? 3 : 2, image);
  b.in[1] = leaf(gamma_, 1, &channels), b.in[2] = leaf(beta, 1, &channels);
  b.in[3] = clg_tensor_create(ctx, 1, &channels, NULL), b.in[4] = clg_tensor_create(ctx, 1, &channels, NULL);
  b.o.running_mean = b.in[3], b.o.running_var = b.in[4], b.o.meeting = meeting;
  b.o.act = (clg_act){"leaky_relu", {0.2f}};
  return b;
}

static void drop(norm *b) {
  for (int i = 0; i < 5; i++) clg_tensor_unref(&b->in[i]);
}

/* Items [first, first + items): results go to their place in r, dgamma and dbeta to the k-th row of the lists. */
static void compute(int first, int items, const clg_meeting *meeting, results *r, float *dgamma, float *dbeta) {
  const size_t at = (size_t)first * CHANNELS * (size_t)width;
  norm b = norm_of(first, items, meeting);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = again ? clg_checkpoint(ctx, forward, &b, NULL, b.in, 3) : forward(&b, b.in, 3);
  clg_tensor *w = clg_tensor_create(ctx, clg_tensor_ndim(y), clg_tensor_shape(y), weight + at);
  clg_tensor *loss = clg_sum(clg_mul(clg_square(y), w), NULL, 0, false);
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(y, r->y + at), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(b.in[0]), r->dx + at), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(b.in[1]), dgamma), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(b.in[2]), dbeta), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(b.in[3], r->mean), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(b.in[4], r->var), CLG_OK);
  clg_tensor_unref(&w);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  drop(&b);
}

static float dgammas[MOST][CHANNELS], dbetas[MOST][CHANNELS];
static void compute_shard(int k) {
  const clg_meeting meeting = {gather, &shards[k], (size_t)n_shards};
  const int items = ITEMS / n_shards;
  compute(k * items, items, &meeting, &parts, dgammas[k], dbetas[k]);
}

static void compute_in_shards(int n) {
  memset(&parts, 0, sizeof parts);
  run(n, compute_shard);
  for (int c = 0; c < CHANNELS; c++)
    for (int k = 0; k < n; k++) parts.dgamma[c] += dgammas[k][c], parts.dbeta[c] += dbetas[k][c];
}

static void near(const char *what, const float *a, const float *b, size_t n, float tolerance) {
  double most = 0, scale = 1e-30;
  for (size_t i = 0; i < n; i++) {
    most = fmax(most, fabs((double)a[i] - b[i]));
    scale = fmax(scale, fabs((double)b[i]));
  }
  ck_assert_msg(most <= tolerance * scale, "%s: %g apart, of up to %g", what, most, scale);
}

static void compare(int64_t size, float offset, float scale, float tolerance) {
  width = size;
  const size_t n = (size_t)(ITEMS * CHANNELS * width);
  for (size_t i = 0; i < n; i++) {
    x[i] = offset + scale * (float)((i * 7919 + i / 31) % 1009) / 500;
    weight[i] = (float)((i * 104729) % 211) / 211 - 0.4f;
  }
  for (int c = 0; c < CHANNELS; c++) gamma_[c] = 1 + 0.1f * (float)c, beta[c] = 0.3f * (float)(c - 9);
  compute(0, ITEMS, NULL, &whole, whole.dgamma, whole.dbeta);
  for (int shards_of_all = 1; shards_of_all <= MOST; shards_of_all *= 2) {
    compute_in_shards(shards_of_all);
    near("y", parts.y, whole.y, n, tolerance);
    near("dx", parts.dx, whole.dx, n, 2 * tolerance);
    near("dgamma", parts.dgamma, whole.dgamma, CHANNELS, tolerance);
    near("dbeta", parts.dbeta, whole.dbeta, CHANNELS, tolerance);
    near("running mean", parts.mean, whole.mean, CHANNELS, tolerance);
    near("running variance", parts.var, whole.var, CHANNELS, tolerance);
  }
}

START_TEST(shards_that_meet_are_the_batch) {
  compare(36, 0, 1, 3e-6f);
  compare(300, -3, 1, 3e-6f);
  compare(1, 2, 1, 3e-6f);     /* columns; of 8 shards, two rows each */
  compare(9, 1e4f, 1, 2e-3f);  /* far from zero, where a sum of squares would have lost everything */
  compare(9, 0, 1e30f, 3e-6f); /* whose squares overflow */
}
END_TEST

/* A segment that runs again meets again, with the same bits, and does not move the running statistics twice. */
START_TEST(a_checkpointed_segment_meets_again) {
  width = 25;
  for (int i = 0; i < ITEMS * CHANNELS * 25; i++) x[i] = (float)(i % 97) / 97, weight[i] = (float)(i % 13);
  compute_in_shards(4);
  others = parts;
  again = true;
  compute_in_shards(4);
  again = false;
  ck_assert_mem_eq(&parts, &others, sizeof parts);
}
END_TEST

static clg_tensor *same(void *user, clg_tensor *mine) {
  (void)user;
  return clg_tensor_ref(mine);
}

START_TEST(what_cannot_be_is_said) {
  width = 4;
  clg_meeting alone = {same, NULL, 2};
  norm b = norm_of(0, 2, &alone);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_ptr_null(forward(&b, b.in, 3));
  test_expect_error(ctx, CLG_ERR_SHAPE, "57 numbers came of 2 shards that told 57 each");
  alone.shards = 0;
  ck_assert_ptr_null(forward(&b, b.in, 3));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "meeting");
  alone.shards = 1;
  clg_tensor *y = forward(&b, b.in, 3), *grads[1];
  const clg_backward_options twice = {.create_graph = true};
  ck_assert_int_eq(clg_grad(clg_sum(y, NULL, 0, false), b.in, 1, grads, &twice), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "gradients of gradients");
  clg_scope_close(s);
  drop(&b);
}
END_TEST

static void fail_to_meet(int k) {
  const clg_meeting meeting = {gather, &shards[k], (size_t)n_shards};
  norm b = norm_of(k, 2, &meeting);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_ptr_null(forward(&b, b.in, 3));
  ck_assert_int_ne(clg_scope_close(s), CLG_OK);
  drop(&b);
}

START_TEST(a_meeting_that_fails_is_an_error_of_all) {
  width = 4, breaks = 1;
  run(2, fail_to_meet);
  test_expect_error(ctx, CLG_ERR_STATE, "did not meet");
}
END_TEST

/* ---- strands ---- */

START_TEST(a_strand_has_its_own_place) {
  clg_strand *s = clg_strand_create(ctx);
  uint64_t seed, position;
  clg_set_seed(ctx, 3, 4);
  clg_set_grad_mode(ctx, false);
  clg_scope *outer = clg_scope_open(ctx);
  ck_assert_int_eq(clg_strand_enter(s), CLG_OK);
  ck_assert(clg_grad_mode(ctx));
  ck_assert_int_eq(clg_strand_enter(s), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "runs already");
  clg_set_seed(ctx, 5, 6);
  clg_set_phase(ctx, "within");
  clg_scope *inner = clg_scope_open(ctx);
  clg_tensor *kept = clg_randn(ctx, 1, (int64_t[]){4});
  ck_assert_ptr_nonnull(kept);
  clg_strand_leave(s);
  clg_strand_leave(s); /* of no effect */
  ck_assert(!clg_grad_mode(ctx));
  clg_get_seed(ctx, &seed, &position);
  ck_assert(seed == 3 && position == 4);
  ck_assert_int_eq(clg_scope_close(outer), CLG_OK); /* the strand's stays open */
  ck_assert_int_eq(clg_strand_enter(s), CLG_OK);
  clg_get_seed(ctx, &seed, &position);
  ck_assert(seed == 5 && position == 7);
  ck_assert_int_eq(clg_tensor_numel(kept), 4);
  ck_assert_int_eq(clg_scope_close(inner), CLG_OK);
  clg_scope_open(ctx);
  clg_randn(ctx, 1, (int64_t[]){4}); /* goes with the strand */
  clg_strand_leave(s);
  clg_strand_destroy(&s);
  clg_strand_destroy(&s);
  clg_set_grad_mode(ctx, true);
  clg_set_seed(ctx, 0, 0);
}
END_TEST

START_TEST(a_trace_follows_no_strand) {
  clg_strand *s = clg_strand_create(ctx);
  ck_assert_int_eq(clg_trace_start(ctx, "clgrad-meeting.trace"), CLG_OK);
  ck_assert_int_eq(clg_strand_enter(s), CLG_ERR_STATE);
  test_expect_error(ctx, CLG_ERR_STATE, "trace");
  ck_assert_int_eq(clg_trace_stop(ctx), CLG_OK);
  remove("clgrad-meeting.trace");
  clg_strand_destroy(&s);
}
END_TEST

/* ---- shared parameters ---- */

static clg_module *network(int64_t hidden) {
  return clg_sequential_create(
      ctx,
      (clg_module *[]){clg_linear_create(ctx, 3, hidden, true, NULL), clg_linear_create(ctx, hidden, 2, true, NULL)},
      2);
}

START_TEST(shared_parameters_have_gradients_of_their_own) {
  clg_module *m = network(5), *twin = network(5), *other = network(6), *few = clg_linear_create(ctx, 3, 5, true, NULL);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  ck_assert_int_eq(clg_module_share(other, m), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "0.weight");
  ck_assert_int_eq(clg_module_share(few, m), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "2 parameters, the other 4");
  ck_assert_ptr_nonnull(clg_module_parameters(other, NULL)); /* is as it was */
  uint64_t before = clg_memory(ctx).live_by_role[CLG_ROLE_PARAMETER];
  ck_assert_int_eq(clg_module_share(twin, m), CLG_OK);
  ck_assert_int_eq(clg_module_share(twin, m), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "not used yet");
  clg_tensor *const *q = clg_module_parameters(twin, NULL);
  ck_assert_uint_eq(clg_memory(ctx).live_by_role[CLG_ROLE_PARAMETER], before);
  ck_assert_str_eq(clg_module_parameter_name(twin, 3), "1.bias");
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *in = clg_ones(ctx, 2, (int64_t[]){4, 3});
  ck_assert_int_eq(clg_backward(clg_sum(clg_forward(twin, in), NULL, 0, false), NULL), CLG_OK);
  for (size_t i = 0; i < n; i++) ck_assert(!clg_tensor_grad(p[i]) && clg_tensor_grad(q[i]) && p[i] != q[i]);
  float a[15], b[15];
  ck_assert_int_eq(clg_fill_(clg_detach(p[0]), 2), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(p[0], a), CLG_OK);
  ck_assert_int_eq(clg_tensor_read(q[0], b), CLG_OK);
  ck_assert_mem_eq(a, b, sizeof a);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_module_unref(&m);
  clg_module_unref(&twin); /* the values stay as long as one of them */
  clg_module_unref(&other);
  clg_module_unref(&few);
}
END_TEST

/* Two shards with leaves of their own have the sum of two that share theirs. */
START_TEST(sums_over_leaves_of_each_shard) {
  clg_module *m = network(5), *twin = network(5);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m, &n);
  ck_assert_int_eq(clg_module_share(twin, m), CLG_OK);
  clg_tensor *const *q = clg_module_parameters(twin, NULL);
  clg_shard_sum *s = clg_shard_sum_create(ctx, p, n, 2);
  float sums[2][64];
  for (int way = 0; way < 2; way++) {
    for (int k = 0; k < 2; k++) {
      clg_scope *scope = clg_scope_open(ctx);
      clg_module *its = way && !k ? twin : m;
      clg_tensor *in = clg_full(ctx, 2, (int64_t[]){4, 3}, 0.3f + (float)k);
      ck_assert_int_eq(clg_backward(clg_sum(clg_square(clg_forward(its, in)), NULL, 0, false), NULL), CLG_OK);
      ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
      ck_assert_int_eq(way ? clg_shard_sum_add_of(s, k ? p : q) : clg_shard_sum_add(s), CLG_OK);
    }
    ck_assert_int_eq(clg_module_read_grad(m, sums[way]), CLG_OK);
    ck_assert_ptr_null(clg_tensor_grad(q[0]));
    clg_module_zero_grad(m);
  }
  ck_assert_mem_eq(sums[0], sums[1], clg_module_numel(m) * sizeof(float));
  ck_assert_int_eq(clg_shard_sum_add_of(s, q), CLG_ERR_STATE); /* no gradients */
  test_expect_error(ctx, CLG_ERR_STATE, "has no gradient");
  clg_shard_sum_unref(&s);
  s = clg_shard_sum_create(ctx, p, n, 1);
  ck_assert_int_eq(clg_shard_sum_add_of(s, q), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "last shard");
  clg_shard_sum_unref(&s);
  clg_module_unref(&twin);
  clg_module_unref(&m);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("meeting");
  share_context(c);
  tcase_add_test(c, shards_that_meet_are_the_batch);
  tcase_add_test(c, a_checkpointed_segment_meets_again);
  tcase_add_test(c, what_cannot_be_is_said);
  tcase_add_test(c, a_meeting_that_fails_is_an_error_of_all);
  tcase_add_test(c, a_strand_has_its_own_place);
  tcase_add_test(c, a_trace_follows_no_strand);
  tcase_add_test(c, shared_parameters_have_gradients_of_their_own);
  tcase_add_test(c, sums_over_leaves_of_each_shard);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("meeting", add_cases)
