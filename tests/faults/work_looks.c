/* What looks at a program: records, walks, pictures and traces. */
#include "work.h"

static void count_event(void *user, const clg_memory_event *e) { *(uint64_t *)user = e->live; }

static bool count_node(void *user, const clg_graph_node *n) {
  *(size_t *)user += n->n_inputs;
  return true;
}

void work_looks(clg_context *ctx, results *r) {
  uint64_t live = 0;
  size_t inputs = 0;
  reached(r, clg_trace_start(ctx, work_file("t.json")) == CLG_OK);
  clg_memory_trace(ctx, count_event, &live);
  clg_set_phase(ctx, "looks");
  clg_module *net = clg_linear_create(ctx, 4, 3, true, NULL);
  reached(r, clg_module_set_name(net, "net") == CLG_OK);
  clg_tensor *y = clg_sum(clg_tanh(clg_forward(net, clg_randn(ctx, SHAPE(5, 4)))), NULL, 0, false);
  reached(r, clg_graph_walk(y, count_node, &inputs) == CLG_OK && inputs == 5);
  reached(r, clg_graph_dot(y, work_file("g.dot")) == CLG_OK);
  reached(r, clg_backward(y, NULL) == CLG_OK);
  note(r, y), note_parameters(r, net);
  clg_module_unref(&net);
  reached(r, clg_memory(ctx).live == live);
  clg_memory_trace(ctx, NULL, NULL);
  clg_set_phase(ctx, NULL);
  reached(r, clg_trace_stop(ctx) == CLG_OK);
}
