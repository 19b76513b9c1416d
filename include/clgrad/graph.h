/* The graph in front of a backward, for looking at: a walk over its nodes, and a picture of it.
 *
 * A node is one op that was recorded: it knows what made its inputs, keeps the tensors that its gradients need, and
 * lets go of them in a backward. Nothing here runs, changes or keeps anything of the graph. */
#ifndef CLGRAD_GRAPH_H
#define CLGRAD_GRAPH_H

#include <clgrad/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum clg_graph_state {
  CLG_GRAPH_READY,    /* a backward can run the node */
  CLG_GRAPH_RELEASED, /* a backward released what it saved: one that needs this again fails, "a second time" */
  CLG_GRAPH_CHANGED   /* a tensor that it saved was changed in place since: a backward that needs this one fails */
} clg_graph_state;
CLG_API const char *clg_graph_state_name(clg_graph_state state); /* "released" */

typedef struct clg_graph_input {
  uint64_t node;          /* that made it; 0: none did, or no gradient goes there */
  const clg_tensor *leaf; /* a leaf whose gradient is asked for; else NULL */
  int ndim;               /* -1: not known */
  const int64_t *shape;
} clg_graph_input;

/* A tensor that the node saved. */
#define CLG_GRAPH_RESULT (-1)
#define CLG_GRAPH_OTHER  (-2)
typedef struct clg_graph_saved {
  int input; /* number of the node's input that it is; CLG_GRAPH_RESULT: its result; CLG_GRAPH_OTHER: what the op made
                besides */
  clg_dtype dtype;
  int ndim;
  const int64_t *shape;
  uint64_t bytes; /* that clg_memory().saved counts for it: 0 where another node of the walk has them already, of
                     parameters and data, when released, and while it is kept as a formula (clg_set_remat) or by
                     saved-tensor hooks or a checkpointed segment */
  bool changed;   /* in place, since it was saved, by this op: */
  const char *changed_by;
} clg_graph_saved;

typedef struct clg_graph_node {
  uint64_t id;                    /* ascends in the order of recording */
  const char *op, *layer, *phase; /* layer as in nn.h, and phase, where it was recorded; "" when none */
  int ndim;                       /* of its result */
  const int64_t *shape;
  size_t n_inputs, n_saved;
  const clg_graph_input *input;
  const clg_graph_saved *saved;
  uint64_t saved_bytes; /* the sum of saved[].bytes */
  clg_graph_state state;
  const char *reason; /* why it is not ready, as the error of backward says; "" when it is */
} clg_graph_node;

/* Shown one node; what it is shown lives during the call, but names as long as the context. It must not change the
 * graph, run a backward or release the root. False ends the walk. */
typedef bool (*clg_graph_fn)(void *user, const clg_graph_node *node);

/* Shows every node that `root` depends on, in the order of a backward: the root's first, each before those that made
 * its inputs. A leaf has none. Works in a plan. With root's graph alone in the context, saved_bytes sum up to
 * clg_memory().saved. CLG_ERR_STATE during a backward, CLG_ERR_HOST_MEMORY. */
CLG_API clg_status clg_graph_walk(clg_tensor *root, clg_graph_fn fn, void *user);

/* The same as a picture in Graphviz' language ("dot -Tsvg FILE"): a box a node with op, shapes and saved bytes, framed
 * by layers; grey where it is released, red where a saved tensor was changed, dashed ellipses for leaves. The file is
 * replaced in one step, as those of io.h are. CLG_ERR_IO when it cannot be written. */
CLG_API clg_status clg_graph_dot(clg_tensor *root, const char *path);
/* The same text to a function, in pieces: n bytes of UTF-8. A status other than CLG_OK ends it, and is returned. */
typedef clg_status (*clg_write_fn)(void *user, const char *text, size_t n);
CLG_API clg_status clg_graph_dot_write(clg_tensor *root, clg_write_fn fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
