/* Rematerialisation: the bits of the plain run, fewer saved bytes, and the same rules of release and change. */
#include "graph/recompute.h"

#include "harness.h"
#include "shared_context.h"
#include <string.h>

/* Leaves of every model: x [6,8], images [2,4,3,5], two weights [8,8], kernels [4,4,1,1], and two parameters [8] and
 * [4] each. */
enum { X, IMAGES, W1, W2, KERNEL, GAMMA, BETA, CHANNEL_GAMMA, CHANNEL_BETA, LEAVES };
static const struct {
  int ndim;
  int64_t shape[4];
} sizes[LEAVES] = {{2, {6, 8}}, {4, {2, 4, 3, 5}}, {2, {8, 8}}, {2, {8, 8}}, {4, {4, 4, 1, 1}},
                   {1, {8}},    {1, {8}},          {1, {4}},    {1, {4}}};
enum { LARGEST = 2 * 4 * 3 * 5 };

static void leaves_open(clg_tensor **t) {
  clg_set_seed(ctx, 11, 0);
  for (int i = 0; i < LEAVES; i++) {
    t[i] = clg_tensor_create(ctx, sizes[i].ndim, sizes[i].shape, NULL);
    ck_assert_int_eq(clg_randn_(t[i], 0, 1), CLG_OK);
    ck_assert_int_eq(clg_tensor_set_requires_grad(t[i], true), CLG_OK);
    if (i >= GAMMA) t[i]->storage->role = CLG_ROLE_PARAMETER;
  }
}
static void leaves_close(clg_tensor **t) {
  for (int i = 0; i < LEAVES; i++) clg_tensor_unref(&t[i]);
}

/* ---- models; `saves` counts the floats that they save, plain and rematerialised ---- */

static clg_tensor *end(clg_tensor *y) { return clg_sum(clg_sin(y), NULL, 0, false); }
static clg_tensor *norm(clg_tensor **t, clg_tensor *x) { return clg_layer_norm(x, t[GAMMA], t[BETA], NULL); }

static clg_tensor *layer_norm(clg_tensor **t) {
  return end(clg_matmul(norm(t, clg_linear(t[X], t[W1], NULL, &(clg_linear_options){{"leaky_relu", {0.2f}}})), t[W2]));
}
static clg_tensor *batch_norm(clg_tensor **t) {
  clg_batch_norm_options o = clg_batch_norm_defaults();
  o.training = true;
  clg_tensor *h = clg_conv2d(t[IMAGES], t[KERNEL], NULL, NULL);
  h = clg_leaky_relu(clg_batch_norm(h, t[CHANNEL_GAMMA], t[CHANNEL_BETA], &o), 0.2f);
  return end(clg_conv2d(h, t[KERNEL], NULL, NULL));
}
static clg_tensor *in_groups(clg_tensor **t, int groups, clg_tensor *beta) {
  const clg_norm_options o = {1e-5f, {"leaky_relu", {0.2f}}};
  clg_tensor *h = clg_conv2d(t[IMAGES], t[KERNEL], NULL, NULL);
  h = clg_group_norm(h, t[CHANNEL_GAMMA], beta, groups, &o);
  return end(clg_conv2d(h, t[KERNEL], NULL, NULL));
}
static clg_tensor *one_group(clg_tensor **t) { return in_groups(t, 1, t[CHANNEL_BETA]); }
static clg_tensor *two_groups(clg_tensor **t) { return in_groups(t, 2, t[CHANNEL_BETA]); }
static clg_tensor *four_groups(clg_tensor **t) { return in_groups(t, 4, NULL); }
static clg_tensor *activations(clg_tensor **t) {
  clg_tensor *h = norm(t, clg_matmul(t[X], t[W1]));
  return end(clg_matmul(clg_silu(clg_gelu(h)), t[W2]));
}
static clg_tensor *residual(clg_tensor **t) {
  clg_tensor *h = norm(t, clg_matmul(t[X], t[W1]));
  clg_tensor *z = clg_add(clg_relu(h), clg_mul(h, t[GAMMA]));
  return end(clg_add(clg_matmul(z, t[W2]), clg_mul(z, z)));
}
static clg_tensor *through_views(clg_tensor **t) {
  clg_tensor *h = norm(t, clg_matmul(t[X], t[W1]));
  clg_tensor *a = clg_reshape(h, 2, (int64_t[]){6, 8}), *b = clg_transpose(clg_narrow(a, 1, 2, 6), 0, 1); /* [6,6] */
  return clg_add(end(clg_matmul(a, t[W2])), end(clg_matmul(b, h)));
}
static clg_tensor *long_chain(clg_tensor **t) {
  clg_tensor *h = norm(t, clg_matmul(t[X], t[W1]));
  for (int i = 0; i < 13; i++) h = clg_leaky_relu(clg_add(h, t[BETA]), 0.5f);
  return end(clg_matmul(h, t[W2]));
}
static clg_tensor *two_norms(clg_tensor **t) {
  return end(clg_matmul(norm(t, norm(t, clg_matmul(t[X], t[W1]))), t[W2]));
}

/* Rows [6], an image [2,4,3,5] = 120, [6,8] = 48; means and rstds 6 + 6 or 4 + 4, or of groups. `end` saves its input:
 * a product, or a norm. */
static const struct {
  const char *name;
  clg_tensor *(*model)(clg_tensor **t);
  int plain, remade;
  bool of_images;
} models[] = {
    {"layer_norm", layer_norm, 48 + 12 + 48 + 48, 48 + 12 + 48, false},
    {"batch_norm", batch_norm, 120 + 8 + 120 + 120, 120 + 8 + 120, true},
    {"activations", activations, 48 + 12 + 48 + 48 + 48 + 48, 48 + 12 + 48, false},
    {"residual", residual, 48 + 12 + 48 + 48 + 48 + 48, 48 + 12 + 48, false},
    {"views", through_views, 48 + 12 + 48 + 48 + 48, 48 + 12 + 48 + 48, false},
    {"long_chain", long_chain, 48 + 12 + 13 * 48 + 48, 0, false},
    {"one_group", one_group, 120 + 4 + 120 + 120, 120 + 4 + 120, true},
    {"two_groups", two_groups, 120 + 8 + 120 + 120, 120 + 8 + 120, true},
    {"four_groups", four_groups, 120 + 16 + 120 + 120, 120 + 16 + 120, true},
    {"two_norms", two_norms, 48 + 12 + 48 + 12 + 48 + 48, 48 + 12 + 12 + 48, false},
};
enum { MODELS = sizeof models / sizeof *models };

typedef enum way { PLAIN, RETAIN, INPUTS, CREATE, WAYS } way;

static void read_all(clg_tensor *const *t, float out[LEAVES][LARGEST]) {
  for (int i = 0; i < LEAVES; i++)
    if (clg_tensor_grad(t[i])) ck_assert_int_eq(clg_tensor_read(clg_tensor_grad(t[i]), out[i]), CLG_OK);
}

/* One backward in the given way; what the graph saved after the forward pass, and the gradients. */
static uint64_t go(int m, way how, bool remat, float out[LEAVES][LARGEST]) {
  clg_tensor *t[LEAVES];
  memset(out, 0, sizeof(float[LEAVES][LARGEST]));
  leaves_open(t);
  ck_assert(!clg_set_remat(ctx, remat));
  ck_assert(clg_remat(ctx) == remat);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = models[m].model(t);
  uint64_t saved = clg_memory(ctx).saved;
  clg_backward_options o = clg_backward_defaults();
  clg_tensor *rows[] = {t[W1], t[GAMMA]}, *images[] = {t[KERNEL], t[CHANNEL_GAMMA]},
             **inputs = models[m].of_images ? images : rows;
  if (how == RETAIN) {
    o.retain_graph = true;
    ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
    ck_assert_uint_eq(clg_memory(ctx).saved, saved);
    o.retain_graph = false;
  }
  if (how == INPUTS) o.inputs = inputs, o.n_inputs = 2;
  if (how == CREATE) {
    clg_tensor *g[2];
    o.create_graph = true;
    ck_assert_int_eq(clg_grad(y, inputs, 2, g, &o), CLG_OK);
    y = clg_add(clg_sum(clg_square(g[0]), NULL, 0, false), clg_sum(clg_square(g[1]), NULL, 0, false));
    o.create_graph = false;
  }
  ck_assert_int_eq(clg_backward(y, &o), CLG_OK);
  read_all(t, out);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  ck_assert_uint_eq(clg_memory(ctx).saved, 0);
  ck_assert(clg_set_remat(ctx, false) == remat);
  leaves_close(t);
  return saved;
}

START_TEST(bits_are_kept) {
  static float want[LEAVES][LARGEST], got[LEAVES][LARGEST];
  for (int m = 0; m < MODELS; m++)
    for (way how = PLAIN; how < WAYS; how++) {
      uint64_t plain = go(m, how, false, want), remade = go(m, how, true, got);
      ck_assert_msg(!memcmp(want, got, sizeof want), "%s, way %d: the gradients differ", models[m].name, how);
      ck_assert_msg(plain == 4u * (unsigned)models[m].plain, "%s saves %d floats", models[m].name, (int)plain / 4);
      if (models[m].remade)
        ck_assert_msg(remade == 4u * (unsigned)models[m].remade, "%s saves %d floats", models[m].name, (int)remade / 4);
      ck_assert_uint_lt(remade, plain);
    }
}
END_TEST

/* ---- the rules ---- */

/* Two roots over one norm: the first backward releases it, the second's own weight is still to be had, and no more than
 * that. */
START_TEST(released_late) {
  static float want[LEAVES][LARGEST], got[LEAVES][LARGEST];
  for (int remat = 0; remat < 2; remat++) {
    float(*out)[LARGEST] = remat ? got : want;
    clg_tensor *t[LEAVES];
    leaves_open(t);
    clg_set_remat(ctx, remat);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *h = norm(t, clg_matmul(t[X], t[W1]));
    clg_tensor *a = end(clg_matmul(h, t[W1])), *b = end(clg_matmul(h, t[W2])), *c = end(clg_matmul(h, t[W2]));
    ck_assert_int_eq(clg_backward(a, NULL), CLG_OK);
    clg_backward_options o = clg_backward_defaults();
    o.inputs = &t[W2], o.n_inputs = 1;
    ck_assert_int_eq(clg_backward(b, &o), CLG_OK);
    ck_assert_int_eq(clg_backward(c, NULL), CLG_ERR_GRAPH);
    test_expect_error(ctx, CLG_ERR_GRAPH, "second time");
    read_all(t, out);
    clg_scope_close(s);
    clg_set_remat(ctx, false);
    leaves_close(t);
  }
  ck_assert(!memcmp(want, got, sizeof want));
}
END_TEST

/* A result that is used again after its backward has no formula any more. */
START_TEST(used_after_release) {
  clg_tensor *t[LEAVES];
  leaves_open(t);
  clg_set_remat(ctx, true);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *h = norm(t, clg_matmul(t[X], t[W1]));
  ck_assert_int_eq(clg_backward(end(clg_matmul(h, t[W2])), NULL), CLG_OK);
  clg_backward_options o = clg_backward_defaults();
  o.inputs = &t[W2], o.n_inputs = 1;
  ck_assert_int_eq(clg_backward(end(clg_matmul(h, t[W2])), &o), CLG_OK);
  ck_assert_int_eq(clg_scope_close(s), CLG_OK);
  leaves_close(t);
}
END_TEST

static clg_status double_it(clg_tensor *t) {
  bool mode = clg_set_grad_mode(ctx, false);
  clg_status s = clg_map_(t, "2*x", NULL, 0);
  clg_set_grad_mode(ctx, mode);
  return s;
}

START_TEST(changed_in_place) {
  static float want[LEAVES][LARGEST], got[LEAVES][LARGEST];
  clg_tensor *t[LEAVES];
  /* A parameter of the formula. */
  leaves_open(t);
  clg_set_remat(ctx, true);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *y = layer_norm(t);
  ck_assert_int_eq(double_it(t[BETA]), CLG_OK);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_ERR_GRAPH);
  test_expect_error(ctx, CLG_ERR_GRAPH, "changed in place by map_");
  clg_scope_close(s);
  leaves_close(t);
  /* The result, before it is saved: what is saved is the changed one, as without. */
  for (int remat = 0; remat < 2; remat++) {
    leaves_open(t);
    clg_set_remat(ctx, remat);
    s = clg_scope_open(ctx);
    clg_tensor *h = norm(t, clg_matmul(t[X], t[W1]));
    ck_assert_int_eq(double_it(h), CLG_OK);
    ck_assert_int_eq(clg_backward(end(clg_matmul(clg_relu(h), t[W2])), NULL), CLG_OK);
    read_all(t, remat ? got : want);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    leaves_close(t);
  }
  ck_assert(!memcmp(want, got, sizeof want));
}
END_TEST

static void *pack(void *user, clg_tensor *t) {
  ++*(int *)user;
  return clg_tensor_ref(t);
}
static clg_tensor *unpack(void *user, void *packed) {
  (void)user;
  return clg_tensor_ref(packed);
}
static void drop(void *user, void *packed) {
  (void)user;
  clg_tensor *t = packed;
  clg_tensor_unref(&t);
}

/* Hooks see what they see without it. */
START_TEST(hooks_come_first) {
  int count[2] = {0, 0};
  for (int remat = 0; remat < 2; remat++) {
    clg_tensor *t[LEAVES];
    leaves_open(t);
    clg_set_remat(ctx, remat);
    clg_scope *s = clg_scope_open(ctx);
    clg_saved_hooks hooks = {pack, unpack, drop, &count[remat]};
    ck_assert_int_eq(clg_push_saved_hooks(ctx, &hooks), CLG_OK);
    clg_tensor *y = layer_norm(t);
    ck_assert_int_eq(clg_pop_saved_hooks(ctx), CLG_OK);
    ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    leaves_close(t);
  }
  ck_assert_int_gt(count[0], 0);
  ck_assert_int_eq(count[0], count[1]);
}
END_TEST

/* Nodes number their slots as they like: this one is x - w of a result x and a parameter w, and saves w alone, in slot
 * 0. */
static clg_status difference_backward(clg_node *n, clg_tensor *g) {
  clg_tensor *w = clg_node_unpack(n, 0); /* what it saves is there until it has run */
  clg_status s = w && clg_node_wants(n, 0) ? clg_edge_give(n, 0, clg_tensor_ref(g)) : clg_last_status(n->ctx);
  clg_tensor_unref(&w);
  return s;
}
static clg_expr difference_recompute(clg_node *n, clg_recompute *r) {
  bool fits = clg_recompute_shape(r, 2, sizes[X].shape);
  clg_expr x = fits ? clg_recompute_input(r, n, 0) : 0, w = x ? clg_recompute_input(r, n, 1) : 0;
  return w ? clg_expr_make(clg_arena_of(r->ctx), CLG_EX_SUB, x, w, 0) : 0;
}
static clg_tensor *difference(clg_tensor *x, clg_tensor *w) {
  static const clg_node_class difference_class = {.backward = difference_backward, .recompute = difference_recompute};
  clg_tensor *in[] = {x, w}, *y = clg_detach(clg_sub(clg_detach(x), clg_detach(w)));
  clg_node *n = clg_node_create(in, 2, y, 1, 0, &difference_class, "difference");
  ck_assert(y && n);
  ck_assert_int_eq(clg_node_save(n, 0, w, 1), CLG_OK);
  ck_assert_int_eq(clg_node_attach(n, y), CLG_OK);
  return y;
}

START_TEST(inputs_are_found_in_any_slot) {
  static float want[LEAVES][LARGEST], got[LEAVES][LARGEST];
  uint64_t saved[2];
  for (int remat = 0; remat < 2; remat++) {
    clg_tensor *t[LEAVES];
    leaves_open(t);
    clg_set_remat(ctx, remat);
    clg_scope *s = clg_scope_open(ctx);
    clg_tensor *h = difference(norm(t, clg_matmul(t[X], t[W1])), t[GAMMA]);
    clg_tensor *y = end(clg_matmul(clg_relu(h), t[W2]));
    saved[remat] = clg_memory(ctx).saved;
    ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
    read_all(t, remat ? got : want);
    ck_assert_int_eq(clg_scope_close(s), CLG_OK);
    clg_set_remat(ctx, false);
    leaves_close(t);
  }
  ck_assert(!memcmp(want, got, sizeof want));
  ck_assert_uint_lt(saved[1], saved[0]);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("remat");
  share_context(c);
  tcase_add_test(c, bits_are_kept);
  tcase_add_test(c, released_late);
  tcase_add_test(c, inputs_are_found_in_any_slot);
  tcase_add_test(c, used_after_release);
  tcase_add_test(c, changed_in_place);
  tcase_add_test(c, hooks_come_first);
  suite_add_tcase(suite, c);
}

CHECK_MAIN("remat", add_cases)
