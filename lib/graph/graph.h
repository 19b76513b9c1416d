/* Inside of the graph: nodes, what they save, and how their backward hands gradients on. Names no op.
 *
 * A node has one result. It refers to the producers of its inputs (edges) and never to its result, so there is no
 * cycle; an input that is a leaf is held itself. Nodes are numbered as they are made: a consumer's number is always
 * higher than its inputs', so descending order is a valid order for backward. */
#ifndef CLG_GRAPH_GRAPH_H
#define CLG_GRAPH_GRAPH_H

#include "tensor/map.h"
#include "tensor/tensor.h"
#include <clgrad/autograd.h>

typedef struct clg_node clg_node;
typedef struct clg_recompute clg_recompute; /* recompute.h */

/* What a kind of node does. */
typedef struct clg_node_class {
  /* Given d root / d result, hands d root / d input to every input that clg_node_wants. Unpacks what it needs first, so
   * that an error leaves the nodes upstream as they were. */
  clg_status (*backward)(clg_node *n, clg_tensor *grad);
  /* Elementwise kinds: the result as an expression over what the node has saved and over its inputs' formulas, in the
   * same arithmetic as the forward kernel, bit for bit. 0: this node's can't be. NULL: there is none. */
  clg_expr (*recompute)(clg_node *n, clg_recompute *r);
  bool views; /* the result is a view of input 0 */
  /* The shape of an input, and in *ndim its dimensions; left alone where it is not known. NULL: none is. */
  const int64_t *(*input_shape)(const clg_node *n, int i, int *ndim);
} clg_node_class;

/* An input: the node that made it, or the leaf itself, or neither (it needs no gradient). */
typedef struct clg_edge {
  clg_node *node;
  clg_tensor *leaf;
  bool as_made;        /* not changed in place between its producer and this node */
  bool recompute_user; /* counted in node->recompute_users: this node's formula passes through it */
} clg_edge;

/* A saved tensor: its storage and view, or what a saved-tensor hook made of it, or the node whose formula makes it
 * again. */
typedef struct clg_saved {
  clg_storage *storage;
  size_t offset;
  clg_dtype dtype;
  int ndim, source; /* input number, or CLG_SAVED_OUTPUT, or CLG_SAVED_OTHER */
  uint32_t version; /* of the storage when saved */
  int64_t shape[CLG_MAX_DIMS], stride[CLG_MAX_DIMS];
  clg_saved_hooks hooks; /* unpack is NULL: none */
  void *packed;
  clg_node *recomputed_by; /* this node or one upstream, which its edges keep; offset and stride in that one's result */
} clg_saved;
enum { CLG_SAVED_OUTPUT = -1, CLG_SAVED_OTHER = -2 };

/* One of a list, by ascending id. */
typedef struct clg_hook {
  uint64_t id;
  clg_tensor_hook fn;
  clg_post_accumulate_hook accumulated; /* in a list of such: instead of fn */
  bool early;                           /* told when the gradient's work is queued */
  void *user;
  struct clg_hook *next;
} clg_hook;

struct clg_node {
  uint32_t refs;
  uint16_t n_edges, n_saved;
  bool released;             /* its saved tensors are gone, or will be when it has no recompute_users */
  signed char can_recompute; /* it has a formula: 1, or -1: it has none; 0: not known yet */
  unsigned char ndim;        /* of its result: clg_node_shape */
  uint32_t recompute_users;  /* saved tensors and formulas of other nodes that need its formula */
  union {
    uint64_t seq;
    clg_node *next_dead; /* when nobody refers to it any more */
  };
  clg_context *ctx;
  const clg_node_class *cls;
  const char *op, *layer, *phase; /* that recorded it */
  const char *released_in;        /* phase */
  clg_saved *saved;
  void *attrs;
  void (*finish)(clg_node *n); /* frees what attrs points to; may be NULL */
  clg_hook *hooks;             /* on the result's gradient */
  clg_tensor *retained_grad;   /* the result, if it retains its gradient; weak: cleared when the tensor goes */
  struct {                     /* of the backward that runs */
    uint64_t id;
    bool needed; /* runs its backward */
    int capture; /* 1 + its number among the inputs asked for; 0: none */
    clg_tensor *grad;
    clg_tensor *recomputed; /* its result, made again for those that saved it, until it runs itself */
  } pass;
  clg_edge edge[]; /* behind them what is saved, the result's shape, and the attributes: chains may be long */
};
static inline const int64_t *clg_node_shape(const clg_node *n) { return (const int64_t *)(n->saved + n->n_saved); }

/* The graph's part of a tensor. */
struct clg_autograd {
  clg_node *node;                       /* producer; NULL: a leaf */
  clg_tensor *grad;                     /* complete gradient, or NULL */
  clg_tensor *slice;                    /* where a module's parameter keeps its gradient; may be NULL */
  clg_hook *hooks, *accumulated_hooks;  /* of a leaf */
  bool unfinished;                      /* a backward that failed was to add to the gradient, and may have or not */
  clg_tensor *next_cyclic, **at_cyclic; /* in the list of leaves whose gradient has a graph */
  struct {                              /* of the backward that runs, for a leaf */
    uint64_t id;
    uint32_t edges, pending; /* edges that lead here, and those still to come */
    int capture;
    bool wanted;
    bool direct; /* its one edge has written the gradient itself */
    clg_tensor *sum;
  } pass;
};

/* What a context keeps: slot GRAPH. */
typedef struct clg_graph {
  uint64_t seq, pass, hook_id;
  bool recomputing; /* a checkpointed segment runs again */
  bool remat;       /* formulas are kept instead of tensors where that can be */
  bool anomaly;     /* results and gradients are looked through for NaN and Inf */
  bool failed;      /* the last backward, before it had found its leaves */
  clg_scope *held;  /* while a callback runs: the innermost scope that it found open */
  clg_node *dead;   /* nodes waiting to be freed, so that long chains do not recurse */
  bool burying;
  clg_tensor *one; /* the gradient of a root; its version as filled */
  uint32_t one_version;
  clg_tensor *cyclic;                      /* leaves that their gradients' graphs refer to, */
  void (*end_cycles)(struct clg_graph *g); /* which end when the context closes */
  clg_saved_hooks *hooks;
  size_t n_hooks, hooks_cap;
  struct clg_recompute_map *maps; /* compiled formulas: recompute.c */
  size_t n_maps, maps_cap;
} clg_graph;
clg_graph *clg_graph_of(clg_context *ctx); /* NULL with the error set */
/* The same where it is only looked at; NULL: there is none yet, and its modes are off. */
static inline const clg_graph *clg_graph_seen(const clg_context *ctx) { return ctx->slot[CLG_SLOT_GRAPH].state; }

/* A backward runs: new results are gradients, not activations. */
static inline bool clg_in_backward(const clg_context *ctx) { return ctx->result_role == CLG_ROLE_GRADIENT; }
/* A checkpointed segment runs again: what a forward changes on the side must stay as it is. */
static inline bool clg_recomputing(const clg_context *ctx) {
  const clg_graph *g = clg_graph_seen(ctx);
  return g && g->recomputing;
}
static inline bool clg_remat_is_on(const clg_context *ctx) {
  const clg_graph *g = clg_graph_seen(ctx);
  return g && g->remat;
}
static inline bool clg_anomaly_is_on(const clg_context *ctx) {
  const clg_graph *g = clg_graph_seen(ctx);
  return g && g->anomaly;
}

/* Around a function of the user's: the grad mode that it sets ends with it, and scopes that were open before it cannot
 * be closed in it. */
typedef struct clg_callback {
  clg_context *ctx;
  clg_scope *held;
  bool no_grad;
} clg_callback;
clg_callback clg_callback_begin(clg_context *ctx);
void clg_callback_end(clg_callback call);

/* False: there was no memory for it, and ops within it have no results. */
static inline bool clg_scope_opened(const clg_scope *s) { return s != &s->ctx->unopened; }
bool clg_scope_owns(const clg_scope *s, const clg_tensor *t);

struct clg_autograd *clg_autograd_of(clg_tensor *t); /* made if need be */
/* Gives t a gradient (reference taken) in place of the one it has. NULL drops it. */
void clg_grad_set(clg_tensor *t, clg_tensor *grad);
/* Whether t's gradient is what a whole backward made of it. Not if one failed that was to add to it, until it is
 * zeroed; nor if the last one failed before it knew its leaves. */
bool clg_grad_finished(const clg_tensor *t);
/* Gradients that are computed now are to carry a graph: backward composes recorded ops. */
static inline bool clg_creates_graph(const clg_context *ctx) { return clg_in_backward(ctx) && !ctx->no_grad; }

/* Anomaly mode: whether t is free of NaN and Inf; if not, the error says so of `what` ("its result"). A wait. */
clg_status clg_anomaly_check(const clg_tensor *t, const char *op, const char *what);

/* ---- recording ---- */

/* Results belong to the innermost scope. Takes the reference; returns t, or NULL with the error set. NULL stays NULL.
 */
clg_tensor *clg_result(clg_tensor *t);
/* Checks an op's inputs: false if one is NULL (the error is already set), they are of different contexts, or one is
 * int32. */
bool clg_inputs_ok(clg_tensor *const *in, int n, const char *op);
/* The same for ops that take int32 too. */
bool clg_inputs_here(clg_tensor *const *in, int n, const char *op);
/* Whether an op on these inputs is recorded. */
bool clg_records(clg_tensor *const *in, int n);
/* A node over in[0..n_in) (NULL entries: none), whose result will be y (NULL: of no shape), with room for n_saved
 * tensors and attr bytes (zeroed). NULL with the error set. */
clg_node *clg_node_create(clg_tensor *const *in, int n_in, const clg_tensor *y, int n_saved, size_t attr,
                          const clg_node_class *cls, const char *op);
/* Saves t in a slot; source says what it is to the node. */
clg_status clg_node_save(clg_node *n, int slot, clg_tensor *t, int source);
/* Makes y the node's result, and takes the node's reference. */
clg_status clg_node_attach(clg_node *n, clg_tensor *y);
void clg_node_unref(clg_node *n);
void clg_node_release_saved(clg_node *n);

/* ---- within a class's backward ---- */

/* A tensor that nobody else can see, so that it may be changed in place. */
bool clg_is_unique(const clg_tensor *t);
/* Where an elementwise gradient made from `grad` goes: grad itself where it is ours, else a new tensor like it. A
 * reference. */
clg_tensor *clg_grad_space(clg_tensor *grad, const char *op);
bool clg_node_wants(const clg_node *n, int input);
/* The saved tensor (a new reference), contiguous, since kernels read it by its offset alone; under create_graph with
 * its graph and as it lies, since recorded ops read it. NULL with the error set: released, or changed in place. */
clg_tensor *clg_node_unpack(clg_node *n, int slot);
/* The same as it lies, for a backward that takes any strides. */
clg_tensor *clg_node_unpack_view(clg_node *n, int slot);
bool clg_node_has_saved(const clg_node *n, int slot);
/* Why backward can no longer use what a node saved: released, or changed in place. */
#define CLG_REASON_TEXT 400
void clg_released_text(const clg_node *n, char *to, size_t size);
void clg_changed_text(const clg_saved *s, char *to, size_t size);
/* False, with an error that names `op`, if the storage was changed in place since it was saved. */
bool clg_saved_intact(const clg_saved *s, const char *op);
/* Lets go of the storage, or of what a hook packed. */
void clg_saved_drop(clg_saved *s);
/* Where the gradient of an input is to be written: a fresh tensor, or straight the leaf's gradient, then perhaps with
 * *accumulate (add to what is there). Contiguous. Give it back to clg_edge_end, or unref it on failure. */
clg_tensor *clg_edge_begin(clg_node *n, int input, int ndim, const int64_t *shape, bool *accumulate);
clg_status clg_edge_end(clg_node *n, int input, clg_tensor *t);
/* The gradient of an input of which g is that of a part (borrowed): added to a view of the sum so far, which is zeros
 * at first. So slices of one tensor, however many, share one buffer. `window` is the part's place in the contiguous
 * sum: the first element, and strides. */
typedef struct clg_window {
  size_t offset;
  int64_t stride[CLG_MAX_DIMS];
} clg_window;
clg_status clg_edge_add_part(clg_node *n, int input, int ndim, const int64_t *shape, const clg_window *window,
                             clg_tensor *g);
/* Hands on a gradient that exists (takes the reference; NULL is an error that is already set). */
clg_status clg_edge_give(clg_node *n, int input, clg_tensor *t);

#endif
