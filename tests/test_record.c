/* The record of allocations and releases: that it adds up to the books, on a device as in a plan, and what it says of
 * each allocation. */
#include "context.h"
#include "harness.h"
#include <stdio.h>

enum { MOST = 1000, TEXT = 48 };

/* An event, with its texts copied. */
typedef struct row {
  clg_memory_event e;
  char op[TEXT], layer[TEXT], made_in[TEXT], by_name[TEXT], by_layer[TEXT], phase[TEXT];
  int64_t shape[CLG_MAX_DIMS];
} row;

typedef struct record {
  clg_context *ctx;
  int n;
  uint64_t live, by_role[CLG_ROLE_COUNT];
  uint64_t peak, peak_by_role[CLG_ROLE_COUNT];
  row rows[MOST];
} record;

static record device, plan;

static void copy(char to[TEXT], const char *from) { snprintf(to, TEXT, "%s", from); }

static void sum_up(record *r, const clg_memory_event *e) {
  if (e->kind == CLG_MEMORY_ROLE) {
    r->by_role[e->was] -= e->bytes;
    r->by_role[e->role] += e->bytes;
  } else {
    uint64_t sign = e->kind == CLG_MEMORY_RELEASE ? UINT64_MAX : 1;
    r->live += sign * e->bytes;
    r->by_role[e->role] += sign * e->bytes;
  }
  if (r->live <= r->peak) return;
  r->peak = r->live;
  memcpy(r->peak_by_role, r->by_role, sizeof r->by_role);
}

static void on_event(void *user, const clg_memory_event *e) {
  record *r = user;
  ck_assert_int_lt(r->n, MOST);
  row *to = &r->rows[r->n++];
  *to = (row){.e = *e};
  copy(to->op, e->op), copy(to->layer, e->layer), copy(to->made_in, e->made_in);
  copy(to->by_name, e->by_name), copy(to->by_layer, e->by_layer), copy(to->phase, e->phase);
  if (e->ndim > 0) memcpy(to->shape, e->shape, (size_t)e->ndim * sizeof *e->shape);
  ck_assert((e->role == e->was) == (e->kind != CLG_MEMORY_ROLE));
  sum_up(r, e);
  ck_assert_uint_eq(r->live, e->live);
  if (e->kind == CLG_MEMORY_HELD) return;
  clg_memory_stats now = clg_memory(r->ctx);
  ck_assert_uint_eq(now.live, e->live);
  ck_assert_mem_eq(now.live_by_role, r->by_role, sizeof now.live_by_role);
}

static void begin(record *r, clg_context *ctx) {
  r->ctx = ctx;
  r->n = 0;
  r->live = r->peak = 0;
  memset(r->by_role, 0, sizeof r->by_role);
  clg_memory_reset_peak(ctx);
  clg_memory_trace(ctx, on_event, r);
}

static void end(record *r) { clg_memory_trace(r->ctx, NULL, NULL); }

/* The first event of a kind from `from` on of an allocation by the op; -1: there is none. */
static int find(const record *r, clg_memory_kind kind, const char *op, int from) {
  for (int i = from; i < r->n; i++)
    if (r->rows[i].e.kind == kind && !strcmp(r->rows[i].op, op)) return i;
  return -1;
}

static const row *found(const record *r, clg_memory_kind kind, const char *op, int from) {
  int i = find(r, kind, op, from);
  ck_assert_msg(i >= 0, "no %s of what %s made", clg_memory_kind_name(kind), op);
  return &r->rows[i];
}

static const row *with_id(const record *r, clg_memory_kind kind, uint64_t id) {
  for (int i = 0; i < r->n; i++)
    if (r->rows[i].e.kind == kind && r->rows[i].e.id == id) return &r->rows[i];
  return NULL;
}

static void is_by(const row *r, clg_by by, const char *name, const char *layer, const char *phase) {
  ck_assert_msg(r->e.by == by && !strcmp(r->by_name, name) && !strcmp(r->by_layer, layer) && !strcmp(r->phase, phase),
                "%s of what %s made is by %s \"%s\" in layer \"%s\", phase \"%s\"", clg_memory_kind_name(r->e.kind),
                r->op, clg_by_name(r->e.by), r->by_name, r->by_layer, r->phase);
}

/* ---- a step ---- */

typedef struct model {
  clg_context *ctx;
  clg_module *net;
  clg_optim *opt;
} model;

static model open_model(clg_context *ctx) {
  model m = {.ctx = ctx};
  m.net = clg_sequential_create(
      ctx,
      (clg_module *[]){clg_linear_create(ctx, 20, 30, true, NULL), clg_activation_create(ctx, (clg_act){"tanh", {0}}),
                       clg_layer_norm_create(ctx, 30, NULL), clg_linear_create(ctx, 30, 1, true, NULL)},
      4);
  ck_assert_int_eq(clg_module_set_name(m.net, "net"), CLG_OK);
  clg_optim_options adam = clg_optim_defaults(CLG_ADAM);
  m.opt = clg_optim_create_for(m.net, &adam);
  ck_assert_ptr_nonnull(m.opt);
  return m;
}

static void close_model(model *m) {
  clg_optim_unref(&m->opt);
  clg_module_unref(&m->net);
}

static void step(model *m) {
  static const int64_t shape[] = {7, 20};
  clg_set_phase(m->ctx, "forward");
  clg_scope *scope = clg_scope_open(m->ctx);
  clg_tensor *x = clg_rand(m->ctx, 2, shape, -1, 1);
  clg_tensor *loss = clg_mean(clg_square(clg_forward(m->net, x)), NULL, 0, false);
  clg_set_phase(m->ctx, "backward");
  clg_optim_zero_grad(m->opt);
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
  clg_set_phase(m->ctx, "step");
  ck_assert_int_eq(clg_optim_step(m->opt), CLG_OK);
  ck_assert_int_eq(clg_scope_close(scope), CLG_OK);
  clg_set_phase(m->ctx, NULL);
}

static void record_step(record *r, clg_context *ctx) {
  model m = open_model(ctx);
  step(&m);
  begin(r, ctx);
  step(&m);
  end(r);
  close_model(&m);
}

START_TEST(a_step_adds_up_to_the_books) {
  clg_context *ctx = test_context_open();
  record_step(&device, ctx);
  clg_memory_stats now = clg_memory(ctx);
  ck_assert_uint_eq(device.peak, now.peak_live);
  uint64_t all = 0;
  for (int i = 0; i < CLG_ROLE_COUNT; i++) all += device.peak_by_role[i];
  ck_assert_uint_eq(all, now.peak_live);
  ck_assert_mem_eq(device.peak_by_role, now.peak_by_role, sizeof now.peak_by_role);
  uint64_t held = 0;
  for (int i = 0; i < device.n && device.rows[i].e.kind == CLG_MEMORY_HELD; i++) held = device.rows[i].e.live;
  ck_assert_uint_gt(held, 0);
  ck_assert_uint_eq(device.live, held); /* a step that leaks nothing ends as it began */
  test_context_close(&ctx);
}
END_TEST

START_TEST(every_allocation_is_told_of_once) {
  clg_context *ctx = test_context_open();
  record_step(&device, ctx);
  uint64_t last = 0;
  for (int i = 0; i < device.n; i++) {
    const row *r = &device.rows[i];
    if (r->e.kind == CLG_MEMORY_HELD || r->e.kind == CLG_MEMORY_ALLOC) {
      ck_assert_uint_gt(r->e.id, last);
      last = r->e.id;
      continue;
    }
    const row *made = with_id(&device, CLG_MEMORY_ALLOC, r->e.id);
    if (!made) made = with_id(&device, CLG_MEMORY_HELD, r->e.id);
    ck_assert_ptr_nonnull(made);
    ck_assert_uint_eq(r->e.bytes, made->e.bytes);
    ck_assert_str_eq(r->op, made->op);
    ck_assert_str_eq(r->layer, made->layer);
    ck_assert_str_eq(r->made_in, made->made_in);
    ck_assert_int_eq(r->e.ndim, made->e.ndim);
    ck_assert_mem_eq(r->shape, made->shape, sizeof r->shape);
  }
  test_context_close(&ctx);
}
END_TEST

static bool same(const row *a, const row *b) {
  return a->e.kind == b->e.kind && a->e.id == b->e.id && a->e.bytes == b->e.bytes && a->e.role == b->e.role &&
         a->e.was == b->e.was && a->e.live == b->e.live && a->e.dtype == b->e.dtype && a->e.ndim == b->e.ndim &&
         a->e.by == b->e.by && !memcmp(a->shape, b->shape, sizeof a->shape) && !strcmp(a->op, b->op) &&
         !strcmp(a->layer, b->layer) && !strcmp(a->made_in, b->made_in) && !strcmp(a->by_name, b->by_name) &&
         !strcmp(a->by_layer, b->by_layer) && !strcmp(a->phase, b->phase);
}

START_TEST(a_plan_makes_the_same_events) {
  clg_context *ctx = test_context_open(), *like = NULL;
  clg_plan_options o = clg_plan_defaults();
  o.like = ctx;
  ck_assert_int_eq(clg_context_create_plan(&like, &o), CLG_OK);
  record_step(&device, ctx);
  record_step(&plan, like);
  ck_assert_int_eq(device.n, plan.n);
  for (int i = 0; i < device.n; i++)
    ck_assert_msg(same(&device.rows[i], &plan.rows[i]), "event %d: %s of %s, in the plan %s of %s", i,
                  clg_memory_kind_name(device.rows[i].e.kind), device.rows[i].op,
                  clg_memory_kind_name(plan.rows[i].e.kind), plan.rows[i].op);
  test_context_close(&like);
  test_context_close(&ctx);
}
END_TEST

START_TEST(an_event_says_what_made_and_what_released) {
  clg_context *ctx = test_context_open();
  record_step(&device, ctx);
  const row *x = found(&device, CLG_MEMORY_ALLOC, "rand", 0);
  ck_assert_int_eq(x->e.role, CLG_ROLE_DATA);
  ck_assert_int_eq(x->e.ndim, 2);
  ck_assert_int_eq(x->shape[0], 7);
  ck_assert_int_eq(x->shape[1], 20);
  ck_assert_str_eq(x->made_in, "forward");
  is_by(with_id(&device, CLG_MEMORY_RELEASE, x->e.id), CLG_BY_SCOPE, "scope_close", "", "step");

  /* What the first layer makes, its activation with it, is saved at once, and goes with that node's backward. */
  const row *h = found(&device, CLG_MEMORY_ALLOC, "linear", 0);
  ck_assert_str_eq(h->layer, "net.0");
  ck_assert_int_eq(h->e.role, CLG_ROLE_ACTIVATION);
  is_by(h, CLG_BY_OP, "linear", "net.0", "forward");
  const row *saved = with_id(&device, CLG_MEMORY_ROLE, h->e.id);
  ck_assert_ptr_nonnull(saved);
  ck_assert_int_eq(saved->e.was, CLG_ROLE_ACTIVATION);
  ck_assert_int_eq(saved->e.role, CLG_ROLE_SAVED);
  is_by(saved, CLG_BY_OP, "linear", "net.0", "forward");
  is_by(with_id(&device, CLG_MEMORY_RELEASE, h->e.id), CLG_BY_BACKWARD, "linear", "net.0", "backward");

  /* A gradient on the way is made by one node and released by the next. */
  const row *g = found(&device, CLG_MEMORY_ALLOC, "linear", find(&device, CLG_MEMORY_ALLOC, "mean", 0));
  ck_assert_int_eq(g->e.role, CLG_ROLE_GRADIENT);
  is_by(g, CLG_BY_BACKWARD, "linear", "net.3", "backward");
  is_by(with_id(&device, CLG_MEMORY_RELEASE, g->e.id), CLG_BY_BACKWARD, "layer_norm", "net.2", "backward");

  const row *p = found(&device, CLG_MEMORY_HELD, "parameters", 0);
  ck_assert_int_eq(p->e.role, CLG_ROLE_PARAMETER);
  ck_assert_str_eq(p->layer, "net");
  ck_assert_ptr_null(with_id(&device, CLG_MEMORY_RELEASE, p->e.id));
  test_context_close(&ctx);
}
END_TEST

START_TEST(gradients_and_handles_are_released_by_name) {
  clg_context *ctx = test_context_open();
  begin(&device, ctx);
  clg_tensor *w = clg_tensor_create(ctx, 1, (int64_t[]){3}, (float[]){1, 2, 3});
  clg_tensor_set_requires_grad(w, true);
  uint64_t id = device.rows[0].e.id;
  const row *role = with_id(&device, CLG_MEMORY_ROLE, id);
  ck_assert_int_eq(role->e.was, CLG_ROLE_DATA);
  ck_assert_int_eq(role->e.role, CLG_ROLE_PARAMETER);
  clg_scope *s = clg_scope_open(ctx);
  ck_assert_int_eq(clg_backward(clg_sum(clg_square(w), NULL, 0, false), NULL), CLG_OK);
  clg_scope_close(s);
  int before = device.n;
  clg_tensor_zero_grad(w);
  ck_assert_int_eq(device.n, before + 1);
  is_by(&device.rows[before], CLG_BY_ZERO_GRAD, "zero_grad", "", "");
  ck_assert_int_eq(device.rows[before].e.role, CLG_ROLE_GRADIENT);
  clg_tensor_unref(&w);
  is_by(with_id(&device, CLG_MEMORY_RELEASE, id), CLG_BY_OTHER, "", "", "");
  clg_tensor *i = clg_tensor_create_i32(ctx, 1, (int64_t[]){2}, (int32_t[]){1, 2});
  ck_assert_int_eq(device.rows[device.n - 1].e.dtype, CLG_I32);
  clg_tensor_unref(&i);
  before = device.n;
  clg_context_unref(&ctx); /* the gradient of a root, which the context keeps */
  ck_assert_int_eq(device.n, before + 1);
  is_by(&device.rows[before], CLG_BY_CONTEXT, "context_unref", "", "");
  ck_assert_uint_eq(device.live, 0);
}
END_TEST

START_TEST(an_optimizer_releases_what_it_needs) {
  clg_context *ctx = test_context_open();
  model m = open_model(ctx);
  step(&m);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(m.net, &n);
  begin(&device, ctx);
  clg_tensor *norm = clg_clip_grad_norm(ctx, p, n, 1);
  clg_tensor_unref(&norm);
  end(&device);
  int released = 0;
  for (int i = 0; i < device.n - 1; i++) {
    if (device.rows[i].e.kind != CLG_MEMORY_RELEASE) continue;
    is_by(&device.rows[i], CLG_BY_OPTIMIZER, "clip_grad_norm", "", "");
    released++;
  }
  ck_assert_int_gt(released, 0);
  close_model(&m);
  test_context_close(&ctx);
}
END_TEST

/* ---- layers ---- */

static const char *layer_of_relu(clg_context *ctx, clg_module *net, const char *op) {
  clg_tensor *x = clg_tensor_create(ctx, 2, (int64_t[]){1, 2}, NULL);
  begin(&device, ctx);
  clg_tensor *y = clg_forward(net, x);
  end(&device);
  ck_assert_ptr_nonnull(y);
  clg_tensor_unref(&y);
  clg_tensor_unref(&x);
  return found(&device, CLG_MEMORY_ALLOC, op, 0)->layer;
}

START_TEST(layers_are_called_by_path_name_or_kind) {
  clg_context *ctx = test_context_open();
  clg_module *layer = clg_linear_create(ctx, 2, 2, true, NULL);
  ck_assert_str_eq(layer_of_relu(ctx, layer, "linear"), "linear");
  clg_module *block = clg_sequential_create(ctx, (clg_module *[]){clg_module_ref(layer)}, 1);
  ck_assert_str_eq(layer_of_relu(ctx, block, "linear"), "0");
  clg_module *net =
      clg_sequential_create(ctx, (clg_module *[]){clg_activation_create(ctx, (clg_act){"relu", {0}}), block}, 2);
  ck_assert_str_eq(layer_of_relu(ctx, net, "linear"), "1.0");
  ck_assert_str_eq(layer_of_relu(ctx, net, "relu"), "0");
  clg_module_set_name(net, "G");
  ck_assert_str_eq(layer_of_relu(ctx, net, "linear"), "G.1.0");
  clg_module_set_name(block, "head");
  ck_assert_str_eq(layer_of_relu(ctx, net, "linear"), "G.head.0");
  ck_assert_str_eq(layer_of_relu(ctx, layer, "linear"), "G.head.0");
  ck_assert_str_eq(clg_module_name(block), "head");
  clg_module_set_name(net, NULL);
  ck_assert_str_eq(clg_module_name(net), "");
  clg_module_set_name(block, "");
  ck_assert_str_eq(layer_of_relu(ctx, net, "linear"), "1.0");
  clg_module_unref(&net);
  ck_assert_str_eq(layer_of_relu(ctx, layer, "linear"), "linear");
  clg_module_unref(&layer);
  test_context_close(&ctx);
}
END_TEST

/* A segment runs again within a backward, whose node takes what it releases; its layers keep their names. */
START_TEST(layers_that_run_again_keep_their_names) {
  clg_context *ctx = test_context_open();
  model m = open_model(ctx);
  clg_module_checkpoint(m.net, 2);
  step(&m);
  begin(&device, ctx);
  step(&m);
  end(&device);
  int again = 0;
  for (int i = 0; i < device.n; i++) {
    const row *r = &device.rows[i];
    again += r->e.kind == CLG_MEMORY_ALLOC && r->e.role == CLG_ROLE_ACTIVATION && !strcmp(r->op, "linear") &&
             !strcmp(r->layer, "net.0") && r->e.by == CLG_BY_BACKWARD;
  }
  ck_assert_int_eq(again, 1);
  close_model(&m);
  test_context_close(&ctx);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("record");
  tcase_add_test(c, a_step_adds_up_to_the_books);
  tcase_add_test(c, every_allocation_is_told_of_once);
  tcase_add_test(c, a_plan_makes_the_same_events);
  tcase_add_test(c, an_event_says_what_made_and_what_released);
  tcase_add_test(c, gradients_and_handles_are_released_by_name);
  tcase_add_test(c, an_optimizer_releases_what_it_needs);
  tcase_add_test(c, layers_are_called_by_path_name_or_kind);
  tcase_add_test(c, layers_that_run_again_keep_their_names);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("record", add_cases)
