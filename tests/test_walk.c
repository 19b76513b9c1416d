/* The walk over a graph: what it shows of each node before and after a backward, and the picture that is made of it. */
#include "harness.h"
#include "shared_context.h"
#include <stdio.h>
#include <unistd.h>

enum { MOST = 64, TEXT = 400 };

typedef struct seen_node {
  clg_graph_node node; /* with its texts, shapes and lists copied: */
  char op[32], layer[32], phase[32], reason[TEXT];
  int64_t shape[CLG_MAX_DIMS];
  clg_graph_input input[8];
  int64_t input_shape[8][CLG_MAX_DIMS];
  clg_graph_saved saved[8];
} seen_node;

static seen_node nodes[MOST];
static int n_nodes, most_nodes;

static bool on_node(void *user, const clg_graph_node *n) {
  ck_assert_ptr_eq(user, &n_nodes);
  ck_assert_int_lt(n_nodes, MOST);
  seen_node *to = &nodes[n_nodes++];
  *to = (seen_node){.node = *n};
  snprintf(to->op, sizeof to->op, "%s", n->op);
  snprintf(to->layer, sizeof to->layer, "%s", n->layer);
  snprintf(to->phase, sizeof to->phase, "%s", n->phase);
  snprintf(to->reason, sizeof to->reason, "%s", n->reason);
  if (n->ndim > 0) memcpy(to->shape, n->shape, (size_t)n->ndim * sizeof *n->shape);
  for (size_t i = 0; i < n->n_inputs; i++) {
    to->input[i] = n->input[i];
    if (n->input[i].ndim > 0) memcpy(to->input_shape[i], n->input[i].shape, (size_t)n->input[i].ndim * sizeof(int64_t));
  }
  for (size_t i = 0; i < n->n_saved; i++) to->saved[i] = n->saved[i];
  return n_nodes != most_nodes;
}

static uint64_t walk(clg_tensor *root) {
  n_nodes = 0;
  ck_assert_int_eq(clg_graph_walk(root, on_node, &n_nodes), CLG_OK);
  uint64_t bytes = 0;
  for (int i = 0; i < n_nodes; i++) bytes += nodes[i].node.saved_bytes;
  return bytes;
}

static const seen_node *find(const char *op) {
  for (int i = 0; i < n_nodes; i++)
    if (!strcmp(nodes[i].op, op)) return &nodes[i];
  ck_abort_msg("no node of %s", op);
  return NULL;
}

static bool shape_is(int ndim, const int64_t *shape, int64_t a, int64_t b) {
  return ndim == 2 && shape[0] == a && shape[1] == b;
}

static clg_module *make_net(clg_context *c) {
  clg_module *net =
      clg_sequential_create(c,
                            (clg_module *[]){clg_linear_create(c, 4, 6, true, NULL), clg_layer_norm_create(c, 6, NULL),
                                             clg_linear_create(c, 6, 1, false, NULL)},
                            3);
  clg_module_set_name(net, "D");
  return net;
}

static clg_tensor *loss_of(clg_context *c, clg_module *net) {
  clg_tensor *x = clg_rand(c, 2, (int64_t[]){5, 4}, -1, 1);
  return clg_mean(clg_square(clg_forward(net, x)), NULL, 0, false);
}

/* In a plan, and on the device. */
static void shows_each_node(clg_context *c) {
  clg_module *net = make_net(c);
  clg_set_phase(c, "forward");
  clg_scope *s = clg_scope_open(c);
  clg_tensor *loss = loss_of(c, net);
  clg_set_phase(c, NULL);
  ck_assert_uint_eq(walk(loss), clg_memory(c).saved);
  static const char *const order[] = {"mean", "square", "linear", "layer_norm", "linear"};
  static const char *const layer[] = {"", "", "D.2", "D.1", "D.0"};
  ck_assert_int_eq(n_nodes, 5);
  for (int i = 0; i < 5; i++) {
    ck_assert_str_eq(nodes[i].op, order[i]);
    ck_assert_str_eq(nodes[i].layer, layer[i]);
    ck_assert_str_eq(nodes[i].phase, "forward");
    ck_assert_int_eq(nodes[i].node.state, CLG_GRAPH_READY);
    ck_assert_str_eq(nodes[i].reason, "");
    if (i) ck_assert_uint_lt(nodes[i].node.id, nodes[i - 1].node.id);
    if (i) ck_assert_uint_eq(nodes[i - 1].input[0].node, nodes[i].node.id);
  }
  ck_assert_int_eq(nodes[0].node.ndim, 0);
  ck_assert(shape_is(nodes[2].node.ndim, nodes[2].shape, 5, 1));
  const seen_node *first = &nodes[4];
  size_t n;
  clg_tensor *const *p = clg_module_parameters(net, &n);
  ck_assert_uint_eq(first->node.n_inputs, 3);
  ck_assert_ptr_null(first->input[0].leaf); /* data: no gradient goes there */
  ck_assert_uint_eq(first->input[0].node, 0);
  ck_assert(shape_is(first->input[0].ndim, first->input_shape[0], 5, 4));
  ck_assert_ptr_eq(first->input[1].leaf, p[0]);
  ck_assert(shape_is(first->input[1].ndim, first->input_shape[1], 6, 4));
  ck_assert_ptr_eq(first->input[2].leaf, p[1]);
  ck_assert_int_eq(nodes[2].input[2].ndim, -1); /* it has no bias */
  clg_scope_close(s);
  clg_module_unref(&net);
}

START_TEST(shows_each_node_of_a_model) { shows_each_node(ctx); }
END_TEST

START_TEST(shows_each_node_in_a_plan) {
  clg_context *plan = NULL;
  ck_assert_int_eq(clg_context_create_plan(&plan, NULL), CLG_OK);
  shows_each_node(plan);
  test_context_close(&plan);
}
END_TEST

START_TEST(what_two_nodes_save_counts_once) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){100}, 0, 1);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = clg_exp(x), *loss = clg_sum(clg_mul(clg_square(y), clg_sin(y)), NULL, 0, false);
  ck_assert_uint_eq(walk(loss), clg_memory(ctx).saved);
  int keep = 0, count = 0;
  for (int i = 0; i < n_nodes; i++)
    for (size_t k = 0; k < nodes[i].node.n_saved; k++) {
      keep++;
      count += nodes[i].saved[k].bytes > 0;
    }
  ck_assert_int_gt(keep, count);
  clg_scope_close(s);
}
END_TEST

START_TEST(shows_what_a_backward_released) {
  clg_module *net = make_net(ctx);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *loss = loss_of(ctx, net);
  clg_backward_options keep = clg_backward_defaults();
  keep.retain_graph = true;
  clg_set_phase(ctx, "first");
  ck_assert_int_eq(clg_backward(loss, &keep), CLG_OK);
  uint64_t saved = clg_memory(ctx).saved;
  ck_assert_uint_eq(walk(loss), saved);
  ck_assert_uint_gt(saved, 0);
  ck_assert_int_eq(find("linear")->node.state, CLG_GRAPH_READY);
  clg_set_phase(ctx, "second");
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_OK);
  clg_set_phase(ctx, NULL);
  ck_assert_uint_eq(walk(loss), 0);
  const seen_node *released = find("linear");
  ck_assert_int_eq(released->node.state, CLG_GRAPH_RELEASED);
  ck_assert_ptr_nonnull(strstr(released->reason, "\"second\""));
  ck_assert_int_eq(find("mean")->node.state, CLG_GRAPH_READY); /* it had saved nothing */
  /* The error of backward is about the first of them. */
  const seen_node *first = nodes;
  while (first->node.state == CLG_GRAPH_READY) first++;
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_ERR_GRAPH);
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), first->reason));
  ck_assert_int_eq(strncmp(clg_last_error(ctx), first->op, strlen(first->op)), 0);
  clg_clear_error(ctx);
  clg_scope_close(s);
  clg_module_unref(&net);
}
END_TEST

START_TEST(shows_what_was_changed_in_place) {
  clg_module *net = make_net(ctx);
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *loss = loss_of(ctx, net);
  size_t n;
  clg_tensor *const *p = clg_module_parameters(net, &n);
  bool mode = clg_set_grad_mode(ctx, false);
  ck_assert_int_eq(clg_fill_(p[4], 1), CLG_OK); /* the last layer's weight */
  clg_set_grad_mode(ctx, mode);
  walk(loss);
  const seen_node *changed = find("linear");
  ck_assert_str_eq(changed->layer, "D.2");
  ck_assert_int_eq(changed->node.state, CLG_GRAPH_CHANGED);
  ck_assert_int_eq(find("layer_norm")->node.state, CLG_GRAPH_READY);
  int found = 0;
  for (size_t i = 0; i < changed->node.n_saved; i++) {
    if (!changed->saved[i].changed) continue;
    ck_assert_int_eq(changed->saved[i].input, 1);
    ck_assert_str_eq(changed->saved[i].changed_by, "fill_");
    found++;
  }
  ck_assert_int_eq(found, 1);
  ck_assert_int_eq(clg_backward(loss, NULL), CLG_ERR_GRAPH);
  ck_assert_ptr_nonnull(strstr(clg_last_error(ctx), changed->reason));
  test_expect_error(ctx, CLG_ERR_GRAPH, "[in layer D.2]");
  clg_scope_close(s);
  clg_module_unref(&net);
}
END_TEST

START_TEST(ends_where_it_is_told_and_at_leaves) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){3}, 0, 1);
  ck_assert_uint_eq(walk(x), 0);
  ck_assert_int_eq(n_nodes, 0);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = clg_sum(clg_detach(clg_exp(x)), NULL, 0, false);
  walk(y);
  ck_assert_int_eq(n_nodes, 0);
  clg_tensor *z = clg_sum(clg_exp(x), NULL, 0, false);
  most_nodes = 1;
  walk(z);
  most_nodes = 0;
  ck_assert_int_eq(n_nodes, 1);
  walk(z);
  ck_assert_int_eq(n_nodes, 2);
  ck_assert_int_eq(clg_backward(z, NULL), CLG_OK);
  clg_scope_close(s);
}
END_TEST

static clg_tensor *walks(void *user, clg_tensor *grad) {
  (void)grad;
  ck_assert_int_eq(clg_graph_walk(user, on_node, &n_nodes), CLG_ERR_STATE);
  return NULL;
}

START_TEST(not_while_a_backward_runs) {
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){3}, 0, 1);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = clg_sum(clg_exp(x), NULL, 0, false);
  clg_tensor_add_hook(x, walks, y);
  ck_assert_int_eq(clg_backward(y, NULL), CLG_OK);
  ck_assert_ptr_nonnull(clg_tensor_grad(x));
  test_expect_error(ctx, CLG_ERR_STATE, "backward");
  clg_scope_close(s);
}
END_TEST

/* ---- the picture ---- */

static char text[1 << 16];
static size_t n_text;

static clg_status on_text(void *user, const char *part, size_t n) {
  if (user) return CLG_ERR_IO;
  ck_assert_uint_lt(n_text + n, sizeof text);
  memcpy(text + n_text, part, n);
  text[n_text += n] = 0;
  return CLG_OK;
}

static int count(const char *what) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, what)); at++) n++;
  return n;
}

/* Braces, brackets and quotes close, as Graphviz reads them. */
static void is_closed(void) {
  int depth = 0;
  bool quoted = false;
  for (const char *c = text; *c; c++) {
    if (quoted && *c == '\\')
      ck_assert(*++c);
    else if (*c == '"')
      quoted = !quoted;
    else if (!quoted)
      depth += (*c == '{' || *c == '[') - (*c == '}' || *c == ']');
    ck_assert_int_ge(depth, 0);
  }
  ck_assert(!quoted && !depth);
}

START_TEST(the_picture_has_each_node_and_leaf) {
  clg_module *net = make_net(ctx);
  clg_module_set_name(net, "a \"name\"];\\ with \xff\n{ brackets");
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *loss = loss_of(ctx, net);
  n_text = 0;
  ck_assert_int_eq(clg_graph_dot_write(loss, on_text, NULL), CLG_OK);
  is_closed();
  ck_assert_int_eq(count("label=\"linear"), 2);
  ck_assert_int_eq(count("label=\"layer_norm"), 1);
  ck_assert_int_eq(count("shape=ellipse"), 5);
  ck_assert_int_eq(count(" -> "), 9); /* four between nodes, five from leaves */
  ck_assert_int_eq(count("a \\\"name\\\"];\\\\ with \\\\xFF\\u000a{ brackets.1\""), 2);
  ck_assert_int_eq(count("saves 120 bytes"), 1); /* the norm's input */
  ck_assert_int_eq(clg_graph_dot_write(loss, on_text, ctx), CLG_ERR_IO);
  ck_assert_str_eq(clg_last_error(ctx), "");
  clg_backward(loss, NULL);
  n_text = 0;
  ck_assert_int_eq(clg_graph_dot_write(loss, on_text, NULL), CLG_OK);
  is_closed();
  ck_assert_int_eq(count("\\nreleased\""), 4);
  clg_scope_close(s);
  clg_module_unref(&net);
}
END_TEST

START_TEST(the_picture_replaces_a_file) {
  char path[] = "/tmp/clgrad-test-walk-XXXXXX", read[sizeof text];
  close(mkstemp(path));
  clg_scope *s = clg_scope_open(ctx);
  clg_tensor *x = clg_rand(ctx, 1, (int64_t[]){3}, 0, 1);
  clg_tensor_set_requires_grad(x, true);
  clg_tensor *y = clg_exp(x);
  ck_assert_int_eq(clg_graph_dot(y, path), CLG_OK);
  n_text = 0;
  ck_assert_int_eq(clg_graph_dot_write(y, on_text, NULL), CLG_OK);
  FILE *f = fopen(path, "r");
  size_t n = fread(read, 1, sizeof read - 1, f);
  fclose(f);
  read[n] = 0;
  ck_assert_str_eq(read, text);
  remove(path);
  ck_assert_int_eq(clg_graph_dot(y, "/nowhere/at/all.dot"), CLG_ERR_IO);
  test_expect_error(ctx, CLG_ERR_IO, "/nowhere/at/all.dot");
  ck_assert_int_eq(clg_graph_dot(y, NULL), CLG_ERR_ARGUMENT);
  clg_clear_error(ctx);
  clg_scope_close(s);
}
END_TEST

static void add_cases(Suite *suite) {
  TCase *c = tcase_create("walk");
  share_context(c);
  tcase_add_test(c, shows_each_node_of_a_model);
  tcase_add_test(c, shows_each_node_in_a_plan);
  tcase_add_test(c, what_two_nodes_save_counts_once);
  tcase_add_test(c, shows_what_a_backward_released);
  tcase_add_test(c, shows_what_was_changed_in_place);
  tcase_add_test(c, ends_where_it_is_told_and_at_leaves);
  tcase_add_test(c, not_while_a_backward_runs);
  tcase_add_test(c, the_picture_has_each_node_and_leaf);
  tcase_add_test(c, the_picture_replaces_a_file);
  suite_add_tcase(suite, c);
}
CHECK_MAIN("walk", add_cases)
