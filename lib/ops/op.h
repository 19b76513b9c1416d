/* The op engine: an op is one constant, and what every op does around its own kernels stands here once: checks,
 * contiguous operands, the results, recording and what that saves, and in backward unpacking, the gradients' places
 * (written, or added to), and the choice between kernels and recorded ops. */
#ifndef CLG_OPS_OP_H
#define CLG_OPS_OP_H

#include "graph/recompute.h"

typedef struct clg_op clg_op;
typedef struct clg_op_call clg_op_call;

/* What a gradient reads, as bits: inputs, and results (0: the op's result; others: what forward made beside it). */
enum { CLG_OP_OUTS = 3, CLG_OP_SAVED_INPUTS = 28 };
#define CLG_IN(i)  (1u << (i))
#define CLG_OUT(k) (1u << (31 - (k)))

typedef struct clg_shape {
  int ndim; /* -1: this result is not made */
  int64_t dim[CLG_MAX_DIMS];
  clg_dtype dtype;
} clg_shape;

typedef enum clg_op_traits {
  CLG_OP_STRIDED = 1,    /* takes operands and gradient as they lie; else they are contiguous */
  CLG_OP_VIEW = 2,       /* the result is a view of input 0, which forward makes */
  CLG_OP_MAKES = 4,      /* forward makes its results, of what shape it likes */
  CLG_OP_ANY_TYPE = 8,   /* inputs may be int32: `shapes` checks them */
  CLG_OP_LATE = 16,      /* backward begins its places itself, when it comes to them: clg_op_begin */
  CLG_OP_NO_PLACES = 32, /* inputs' shapes are not kept: backward hands gradients on that exist, or says the shape of
                            each place itself: clg_op_begin_as */
  CLG_OP_CONSTANT = 64,  /* no input has a gradient */
} clg_op_traits;

struct clg_op {
  const char *name;
  size_t attrs;      /* bytes of the op's own attributes, kept in the node */
  uint32_t traits;   /* clg_op_traits */
  uint32_t optional; /* CLG_IN(i): may be NULL */
  int grads;         /* inputs from this one on have no gradient (indices, running statistics); 0: all may have */
  /* Checks the inputs, completes the attributes, and says what the results are: out[0] is preset to float32 and the
   * shape of input 0, the others to not made. False with the error set. NULL: as preset. */
  bool (*shapes)(clg_op_call *c, clg_shape out[CLG_OP_OUTS]);
  /* Fills out[] from in[]. May change an input that is state, and says so (clg_storage_changed). */
  clg_status (*forward)(clg_op_call *c);
  /* What the gradient of `input` reads. Of all inputs that require grad it is saved, of those that are wanted unpacked;
   * absent inputs do not count. NULL: `reads`, whatever the input. */
  uint32_t (*needs)(const clg_op_call *c, int input);
  uint32_t reads;
  /* What `recompute` reads besides, saved where formulas are kept. May be NULL. */
  uint32_t (*keeps)(const clg_op_call *c);
  /* The gradients that are wanted, by kernels, into their places. NULL: by `compose` always. */
  clg_status (*backward)(clg_op_call *c);
  /* The same by recorded ops (under create_graph, and where there is no `backward`): sets d[i], an op result in the
   * scope that is open, where clg_op_wants. A NULL there is an error that is set. */
  void (*compose)(clg_op_call *c, clg_tensor **d);
  /* The result as an expression over what is saved: clg_node_class. May be NULL. */
  clg_expr (*recompute)(clg_recompute *r, clg_node *n);
  /* A node takes its own reference of what its copy of the attributes refers to, and gives it up. May be NULL. */
  void (*hold)(void *attrs);
  void (*release)(void *attrs);
};

/* Where kernels put a gradient. */
typedef struct clg_grad_place {
  clg_tensor *t; /* contiguous; NULL: not wanted, or not begun */
  bool add;      /* to what is there; else written */
} clg_grad_place;

struct clg_op_call {
  const clg_op *op;
  clg_context *ctx;
  void *attrs;
  int n;           /* inputs, absent ones included */
  clg_tensor **in; /* n; NULL: absent, or in backward not needed */
  clg_tensor *out[CLG_OP_OUTS];
  const clg_shape *shape; /* in forward alone: what `shapes` said of the results */
  /* in backward alone */
  clg_node *node;
  clg_tensor *grad;    /* of out[0] */
  bool grad_is_unique; /* nobody else sees it: it may be written over */
  clg_grad_place *to;  /* n */
};

/* Runs and records it over in[0..n): its result, an op result; NULL with the error set. `attrs` are the caller's. */
clg_tensor *clg_op_run(const clg_op *op, clg_tensor *const *in, int n, void *attrs);
/* The same with out[0..count) as op results, all of which the op makes. False: none is there. */
bool clg_op_run_all(const clg_op *op, clg_tensor *const *in, int n, void *attrs, clg_tensor **out, int count);

/* ---- for backward ---- */

static inline bool clg_op_wants(const clg_op_call *c, int i) {
  return i < c->node->n_edges && clg_node_wants(c->node, i);
}
/* The place of input i's gradient, which is wanted; NULL with the error set. */
clg_grad_place *clg_op_begin(clg_op_call *c, int i);
clg_grad_place *clg_op_begin_as(clg_op_call *c, int i, int ndim, const int64_t *shape);
/* Input i as it was. Not with CLG_OP_NO_PLACES. */
typedef struct clg_input_shape {
  int ndim;
  int64_t dim[CLG_MAX_DIMS];
} clg_input_shape;
const clg_input_shape *clg_op_input(const clg_op_call *c, int i);
/* Hands it on: now, instead of behind backward. */
clg_status clg_op_end(clg_op_call *c, int i);
/* Hands on a gradient that exists (takes the reference; NULL: the error is set). */
static inline clg_status clg_op_give(clg_op_call *c, int i, clg_tensor *t) { return clg_edge_give(c->node, i, t); }

/* ---- for recompute ---- */

const void *clg_op_attrs(const clg_node *n);
/* What the node saved of CLG_IN(i) or CLG_OUT(k); NULL: nothing. */
const clg_saved *clg_op_saved(const clg_node *n, uint32_t slot);

#endif
