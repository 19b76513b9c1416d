/* One backward: the nodes it visits, in order, and the leaves it reaches. Shared by backward.c and flow.c. */
#ifndef CLG_GRAPH_BACKWARD_H
#define CLG_GRAPH_BACKWARD_H

#include "graph/graph.h"

typedef struct clg_backward_pass {
  clg_context *ctx;
  uint64_t id;
  bool retain;
  clg_node **node; /* every node that root depends on, consumers first */
  size_t n_nodes, nodes_cap;
  clg_tensor **leaf; /* every leaf that an edge of a needed node leads to */
  size_t n_leaves, leaves_cap;
  clg_tensor *const *inputs; /* asked for; NULL: every leaf */
  size_t n_inputs;
  clg_tensor **captured; /* gradients of inputs, instead of accumulating; NULL: accumulate */
} clg_backward_pass;

/* Lists root and every node that it depends on, consumers first, with the pass's id. */
clg_status clg_pass_collect(clg_backward_pass *pass, clg_node *root);
/* Of a pass that only looked: the list goes. */
void clg_pass_finish(clg_backward_pass *pass);

/* flow.c */
/* Adds t (reference taken) to the sum *into. */
clg_status clg_flow_sum(clg_tensor **into, clg_tensor *t, const char *op);
/* Whether a gradient from outside can be one of tensor `of`; else false with the error set. */
bool clg_flow_fits(const clg_tensor *grad, const clg_tensor *of, const char *op, const char *what);
/* A gradient that may be anybody's: unless create_graph is on, without a graph of its own, which would live on with it.
 * Takes and returns a reference; NULL stays NULL. */
clg_tensor *clg_flow_plain(clg_tensor *t);
/* The gradient after its hooks; takes and returns a reference. */
clg_tensor *clg_flow_hooks(clg_hook *const *list, clg_tensor *grad, const char *op);
/* Tells the leaf's ready hooks, or its post-accumulate hooks. */
clg_status clg_flow_tell(clg_tensor *leaf, bool early);
/* Both of them. */
clg_status clg_flow_accumulated(clg_tensor *leaf);
/* Adds a complete gradient to t's .grad; takes the reference. */
clg_status clg_flow_accumulate(clg_tensor *t, clg_tensor *grad);
/* One edge into the leaf has been served; with the last one the sum is complete. */
clg_status clg_flow_settle(clg_backward_pass *pass, clg_tensor *leaf);

#endif
