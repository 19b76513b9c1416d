/* Checkpointed segments: the bits of the plain run, less memory, the same random numbers, and clear errors. */
#include "harness.h"
#include "nn/module.h"
#include "shared_context.h"
#include <string.h>

static clg_tensor *total(clg_tensor *x) { return clg_sum(x, NULL, 0, false); }

/* ---- a function of two inputs, with a parameter of its own and random numbers ---- */

enum { ROWS = 5, COLS = 7, SIZE = ROWS * COLS };
static const int64_t shape[] = {ROWS, COLS};

typedef struct body {
  clg_tensor *w;
  int runs, drops;
  bool change, backward, inner;
} body;

static void count_drop(void *user) { ((body *)user)->drops++; }

static clg_tensor *inner_part(void *user, clg_tensor *const *in, size_t n) {
  (void)user;
  ck_assert_uint_eq(n, 1);
  clg_tensor *t = clg_tanh(clg_mul(in[0], in[0]));
  return clg_mul(clg_sin(t), clg_rand(ctx, 2, shape, 0.5f, 1.5f));
}

static clg_tensor *forward(void *user, clg_tensor *const *in, size_t n) {
  body *b = user;
  ck_assert_uint_eq(n, 2);
  b->runs++;
  clg_tensor *noise = clg_randn(ctx, 2, shape);
  clg_tensor *h = clg_sigmoid(clg_mul(clg_add(in[0], noise), b->w));
  if (b->change && b->runs > 1) h = clg_exp(h);
  if (b->backward && b->runs > 1) ck_assert_int_eq(clg_backward(total(h), NULL), CLG_ERR_STATE);
  if (b->inner)
    h = clg_checkpoint(ctx, inner_part, NULL, NULL, &h, 1);
  else
    h = inner_part(NULL, &h, 1);
  return clg_mul(clg_gelu(h), clg_exp(in[1]));
}

typedef struct world {
  clg_tensor *x, *y, *w;
  body body;
} world;

static clg_tensor *leaf(void) {
  clg_tensor *t = clg_tensor_create(ctx, 2, shape, NULL);
  ck_assert_int_eq(clg_randn_(t, 0, 1), CLG_OK);
  ck_assert_int_eq(clg_tensor_set_requires_grad(t, true), CLG_OK);
  return t;
}

static void world_open(world *o) {
  clg_set_seed(ctx, 7, 0);
  *o = (world){.x = leaf(), .y = leaf(), .w = leaf()};
  o->body.w = o->w;
}

static void world_close(world *o) {
  clg_tensor_unref(&o->x);
  clg_tensor_unref(&o->y);
  clg_tensor_unref(&o->w);
}

/* The inputs are results themselves, so that gradients flow on behind the segment. */
static clg_tensor *run(world *o, bool checkpoint) {
  clg_tensor *in[] = {clg_mul(o->x, o->x), clg_sin(o->y)};
  clg_tensor *y = checkpoint ? clg_checkpoint(ctx, forward, &o->body, count_drop, in, 2) : forward(&o->body, in, 2);
  return total(clg_square(y));
}

static void grads(const world *o, float out[3][SIZE]) {
  memset(out, 0, 3 * SIZE * sizeof(float));
  clg_tensor *const t[] = {o->x, o->y, o->w};
  for (int i = 0; i < 3; i++)
    if (clg_tensor_grad(t[i])) ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t[i]), out[i]), CLG_OK);
}

typedef enum way { PLAIN, RETAIN, INPUTS, CREATE, WAYS } way;

static void go(way how, bool checkpoint, bool inner, float out[3][SIZE], uint64_t *position) {
  world o;
  world_open(&o);
  o.body.inner = inner;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = run(&o, checkpoint), *const only[] = {o.w, o.x};
  clg_backward_options opt = clg_backward_defaults();
  if (how == RETAIN) {
    opt.retain_graph = true;
    ck_assert_int_eq(clg_backward(y, &opt), CLG_OK);
    opt.retain_graph = false;
  }
  if (how == INPUTS) opt.inputs = only, opt.n_inputs = 1;
  if (how == CREATE) {
    clg_tensor *g[2];
    opt.create_graph = true;
    ck_assert_int_eq(clg_grad(y, only, 2, g, &opt), CLG_OK);
    ck_assert(clg_tensor_requires_grad(g[0]));
    y = clg_add(total(clg_square(g[0])), total(clg_mul(g[1], clg_sin(g[1]))));
    opt.create_graph = false;
  }
  ck_assert_msg(clg_backward(y, &opt) == CLG_OK, "%s", clg_last_error(ctx));
  if (how == INPUTS) { /* what the first did not need is still there */
    opt = clg_backward_defaults();
    opt.inputs = &only[1], opt.n_inputs = 1;
    clg_status again = clg_backward(run(&o, checkpoint), &opt);
    ck_assert_int_eq(again, CLG_OK);
  }
  grads(&o, out);
  clg_get_seed(ctx, NULL, position);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  ck_assert_int_eq(o.body.drops, checkpoint ? (how == INPUTS ? 2 : 1) : 0);
  if (checkpoint && how == PLAIN) ck_assert_int_eq(o.body.runs, 2);
  world_close(&o);
  ck_assert_uint_eq(clg_memory(ctx).saved, 0);
}

START_TEST(same_bits_every_way) {
  float want[3][SIZE], got[3][SIZE];
  uint64_t before, after;
  go((way)_i, false, false, want, &before);
  for (int inner = 0; inner < 2; inner++) {
    go((way)_i, true, inner, got, &after);
    ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
    ck_assert_uint_eq(before, after);
  }
}
END_TEST

START_TEST(without_grad_mode_it_is_the_function_alone) {
  world o;
  world_open(&o);
  clg_set_grad_mode(ctx, false);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert(!clg_tensor_requires_grad(run(&o, true)));
  ck_assert_int_eq(o.body.drops, 1);
  ck_assert_int_eq(o.body.runs, 1);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  clg_set_grad_mode(ctx, true);
  world_close(&o);
}
END_TEST

START_TEST(another_run_is_an_error) {
  world o;
  world_open(&o);
  o.body.change = true;
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = run(&o, true);
  uint64_t position, after;
  clg_get_seed(ctx, NULL, &position);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "must do the same each time");
  clg_get_seed(ctx, NULL, &after);
  ck_assert_uint_eq(position, after);
  ck_assert(clg_grad_mode(ctx));
  o.body.change = false; /* the context and the graph work on */
  ck_assert_int_eq(clg_backward(total(clg_square(o.x)), NULL), CLG_OK);
  clg_scope_close(s);
  ck_assert_int_eq(o.body.drops, 1);
  world_close(&o);
}
END_TEST

START_TEST(a_backward_within_is_an_error) {
  world o;
  world_open(&o);
  o.body.backward = true;
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_int_ne(clg_backward(run(&o, true), NULL), CLG_OK);
  test_expect_error(ctx, CLG_ERR_STATE, "must not run a backward");
  clg_scope_close(s);
  world_close(&o);
}
END_TEST

START_TEST(changes_in_place_are_caught) {
  world o;
  world_open(&o);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = run(&o, true);
  clg_set_grad_mode(ctx, false);
  ck_assert_int_eq(clg_fill_(o.w, 1), CLG_OK);
  clg_set_grad_mode(ctx, true);
  ck_assert_int_ne(clg_backward(y, NULL), CLG_OK);
  test_expect_error(ctx, CLG_ERR_GRAPH, "parameter");
  clg_tensor *in[] = {clg_tensor_create(ctx, 2, shape, NULL), o.y};
  y = clg_checkpoint(ctx, forward, &o.body, NULL, in, 2);
  ck_assert_int_eq(clg_fill_(in[0], 1), CLG_OK);
  ck_assert_int_ne(clg_backward(total(y), NULL), CLG_OK);
  test_expect_error(ctx, CLG_ERR_GRAPH, "changed in place by fill_");
  clg_scope_close(s);
  clg_tensor_unref(&in[0]);
  world_close(&o);
}
END_TEST

START_TEST(bad_calls_still_drop) {
  body b = {.runs = 0};
  ck_assert_ptr_null(clg_checkpoint(ctx, forward, &b, count_drop, NULL, 0));
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "inputs");
  ck_assert_int_eq(b.drops, 1);
}
END_TEST

/* ---- modules ---- */

static clg_module *act(const char *a) { return clg_activation_create(ctx, (clg_act){a, {0.2f}}); }
static clg_module *linear(int64_t in, int64_t out) { return clg_linear_create(ctx, in, out, true, NULL); }
static clg_module *net(void) {
  clg_set_seed(ctx, 3, 0);
  return clg_sequential_create(ctx,
                               (clg_module *[]){linear(24, 32), act("leaky_relu"), clg_layer_norm_create(ctx, 32, NULL),
                                                linear(32, 32), act("tanh"), linear(32, 32), act("relu"),
                                                linear(32, 3)},
                               8);
}

START_TEST(a_module_in_segments) {
  enum { N = 24 * 32 + 32 + 64 + 2 * (32 * 32 + 32) + 32 * 3 + 3 };
  static float want[2][N], got[2][N];
  uint64_t peak[4], all = 0;
  for (size_t layers = 0; layers < 4; layers++) {
    clg_module *m = net();
    ck_assert_uint_eq(clg_module_numel(m), N);
    ck_assert_int_eq(clg_module_checkpoint(m, layers), CLG_OK);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *x = clg_randn(ctx, 2, (int64_t[]){200, 24});
    clg_tensor *loss = clg_mean(clg_square(clg_forward(m, x)), NULL, 0, false);
    peak[layers] = clg_memory(ctx).saved;
    if (!layers) all = peak[0];
    ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
    ck_assert_int_eq(clg_module_read_grad(m, layers ? got[0] : want[0]), CLG_OK);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    if (layers) ck_assert_int_eq(memcmp(want[0], got[0], sizeof want[0]), 0);
    clg_module_unref(&m);
  }
  /* segments of three: [linear act norm] [linear act, linear act] [linear]: two inputs of 200 x 32, and the loss's own
   */
  ck_assert_uint_eq(peak[3], 2 * 200 * 32 * 4 + 200 * 3 * 4);
  ck_assert_uint_lt(5 * peak[3], 3 * all);
  clg_module *l = linear(2, 2);
  ck_assert_int_eq(clg_module_checkpoint(l, 1), CLG_ERR_ARGUMENT);
  test_expect_error(ctx, CLG_ERR_ARGUMENT, "Sequential");
  clg_module_unref(&l);
}
END_TEST

/* Peaks are less than half of the plain run's, and known beforehand to the byte. */
START_TEST(peaks_are_less_and_predicted) {
  clg_context *const device = ctx;
  clg_memory_stats seen[2][2];
  for (int plan = 0; plan < 2; plan++)
    for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
      if (plan) ck_assert_int_eq(clg_context_create_plan(&ctx, NULL), CLG_OK);
      clg_module *layer[24];
      for (int i = 0; i < 24; i++)
        layer[i] = i % 3 == 0 ? linear(64, 64) : i % 3 == 1 ? act("tanh") : clg_layer_norm_create(ctx, 64, NULL);
      clg_module *m = clg_sequential_create(ctx, layer, 24);
      ck_assert_int_eq(clg_module_checkpoint(m, checkpoint ? 6 : 0), CLG_OK);
      clg_memory_reset_peak(ctx);
      clg_scope *s = clg_scope_open(ctx);
      clg_tensor *loss = clg_mean(clg_forward(m, clg_randn(ctx, 2, (int64_t[]){512, 64})), NULL, 0, false);
      ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
      ck_assert_int_eq(clg_scope_close(s), CLG_OK);
      seen[plan][checkpoint] = clg_memory(ctx);
      clg_module_unref(&m);
      if (plan) test_context_close(&ctx);
      ctx = device;
    }
  for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
    ck_assert_uint_eq(seen[0][checkpoint].peak_saved, seen[1][checkpoint].peak_saved);
    ck_assert_uint_eq(seen[0][checkpoint].peak_live, seen[1][checkpoint].peak_live);
  }
  ck_assert_uint_le(2 * seen[0][1].peak_saved, seen[0][0].peak_saved);
  ck_assert_uint_lt(seen[0][1].peak_live, seen[0][0].peak_live);
}
END_TEST

/* Thousands of segments one behind the other run and are freed without deep recursion. */
static clg_tensor *link_of_chain(void *user, clg_tensor *const *in, size_t n) {
  (void)user, (void)n;
  return clg_sin(clg_mul(in[0], in[0]));
}

START_TEST(a_long_chain) {
  clg_tensor *x = leaf();
  for (int backward = 0; backward < 2; backward++) {
    clg_tensor *y = clg_tensor_ref(x);
    for (int i = 0; i < 3000; i++) {
      clg_tensor *z = clg_checkpoint(ctx, link_of_chain, NULL, NULL, &y, 1);
      clg_tensor_unref(&y);
      y = z;
    }
    clg_tensor *sum = total(y);
    clg_tensor_unref(&y);
    if (backward) ck_assert_int_eq(clg_backward(sum, NULL), CLG_OK);
    clg_tensor_unref(&sum);
  }
  clg_tensor_unref(&x);
}
END_TEST

/* A layer that does one thing in train mode and another in eval mode, and counts what it changes on the side. */
static int side;
static clg_tensor *moody_forward(clg_module *m, clg_tensor *x) {
  if (!clg_recomputing(m->ctx)) side++;
  return m->training ? clg_exp(x) : clg_square(clg_sin(x));
}
static const clg_module_class moody_class = {.name = "moody", .forward = moody_forward};

START_TEST(modes_are_those_of_the_first_run) {
  float g[2][SIZE];
  for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
    clg_module *a = clg_module_create(ctx, &moody_class), *b = clg_module_create(ctx, &moody_class);
    clg_module *inner = clg_sequential_create(ctx, &b, 1);
    clg_module *m = clg_sequential_create(ctx, (clg_module *[]){a, inner}, 2);
    ck_assert_int_eq(clg_module_checkpoint(m, checkpoint ? 5 : 0), CLG_OK);
    clg_module_set_training(b, false);
    clg_set_seed(ctx, 1, 0);
    clg_tensor *x = leaf();
    side = 0;
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *y = total(clg_forward(m, x));
    clg_module_set_training(m, true);
    clg_module_unref(&m); /* the graph holds it */
    ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
    ck_assert_int_eq(side, 2);
    ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(x), g[checkpoint]), CLG_OK);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    clg_tensor_unref(&x);
  }
  ck_assert_int_eq(memcmp(g[0], g[1], sizeof g[0]), 0);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("checkpoint");
  tcase_set_timeout(c, 60);
  share_context(c);
  tcase_add_loop_test(c, same_bits_every_way, PLAIN, WAYS);
  tcase_add_test(c, without_grad_mode_it_is_the_function_alone);
  tcase_add_test(c, another_run_is_an_error);
  tcase_add_test(c, a_backward_within_is_an_error);
  tcase_add_test(c, changes_in_place_are_caught);
  tcase_add_test(c, bad_calls_still_drop);
  tcase_add_test(c, a_module_in_segments);
  tcase_add_test(c, peaks_are_less_and_predicted);
  tcase_add_test(c, a_long_chain);
  tcase_add_test(c, modes_are_those_of_the_first_run);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("checkpoint", add_cases)
