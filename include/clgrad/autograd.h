/* Automatic differentiation, to PyTorch's semantics (its notes/autograd).
 *
 * An op records a node if grad mode is on and an input requires grad. Graph references run from a result to its inputs
 * only: dropping the last handle of a result frees what nobody else needs. A node releases its saved tensors right
 * after it ran in a backward that does not retain them, so memory falls during backward. */
#ifndef CLGRAD_AUTOGRAD_H
#define CLGRAD_AUTOGRAD_H

#include <clgrad/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Scopes own op results. Results belong to the innermost open scope; closing it drops its handles. With no scope open a
 * result is yours to unref. For want of memory ops within a scope may have no results (NULL), which its close says; the
 * handle is to be closed as any other. */
typedef struct clg_scope clg_scope;
CLG_API clg_scope *clg_scope_open(clg_context *ctx); /* NULL without a context */
/* Closes the scope (and any left open inside it). Returns the last error raised since it opened, or
 * CLG_ERR_ARGUMENT when a call on this thread was given NULL meanwhile; errors that were cleared do not count. NULL is
 * CLG_OK. */
CLG_API clg_status clg_scope_close(clg_scope *scope);
/* Closes the scope but moves `result` to the enclosing scope, or to you when there is none. Returns `result`. */
CLG_API clg_tensor *clg_scope_close_with(clg_scope *scope, clg_tensor *result);

/* Grad mode: on when a context is made. Returns the mode before. */
CLG_API bool clg_set_grad_mode(clg_context *ctx, bool on);
CLG_API bool clg_grad_mode(const clg_context *ctx);

/* Leaves only; a non-leaf always requires grad. */
CLG_API clg_status clg_tensor_set_requires_grad(clg_tensor *t, bool on);
CLG_API bool clg_tensor_requires_grad(const clg_tensor *t);
CLG_API bool clg_tensor_is_leaf(const clg_tensor *t);
/* The gradient, borrowed, or NULL when there is none. */
CLG_API clg_tensor *clg_tensor_grad(const clg_tensor *t);
/* Drops the gradient (set_to_none). */
CLG_API void clg_tensor_zero_grad(clg_tensor *t);
/* Makes a non-leaf keep its gradient too. */
CLG_API clg_status clg_tensor_retain_grad(clg_tensor *t);

/* The same storage and version counter, without the graph. Frees nothing itself. */
CLG_API clg_tensor *clg_detach(clg_tensor *t);

typedef struct clg_backward_options {
  clg_tensor *grad;          /* of the root; may be NULL for a one-element root: 1 */
  bool retain_graph;         /* keep saved tensors for another backward; create_graph implies it */
  bool create_graph;         /* gradients carry a graph themselves: gradients of gradients */
  clg_tensor *const *inputs; /* accumulate into these alone; NULL: into every leaf */
  size_t n_inputs;           /* 0 with inputs != NULL is an error */
  bool allow_unused;         /* clg_grad: NULL for an input that root does not depend on */
} clg_backward_options;
CLG_API clg_backward_options clg_backward_defaults(void);

/* Accumulates d root / d leaf into the leaves. Errors (CLG_ERR_GRAPH): a released saved tensor is needed ("a second
 * time"), a saved tensor was changed in place, root does not require grad. Nodes that `inputs` does not need do not run
 * and keep what they saved. With create_graph a leaf and its gradient refer to each other until the gradient is dropped
 * or the context goes; clg_grad makes no such cycle. */
CLG_API clg_status clg_backward(clg_tensor *root, const clg_backward_options *options);

/* Returns d root / d inputs[i] in grads[i] (op results: they belong to the scope) and leaves .grad alone. An input that
 * root does not depend on is an error, or grads[i] = NULL with allow_unused. `options->inputs` is not used. NULL: the
 * defaults. */
CLG_API clg_status clg_grad(clg_tensor *root, clg_tensor *const *inputs, size_t n, clg_tensor **grads,
                            const clg_backward_options *options);

/* Tensor hooks see the gradient of `t` once it is complete and may replace it: return NULL to keep it, else a new
 * reference. Called in the order they were added, for a leaf before accumulation. Returns an id, 0 on error.
 * Of this as of every callback of this header and of custom ops: the grad mode that it sets ends with it, and it closes
 * no scope but its own (CLG_ERR_STATE). */
typedef clg_tensor *(*clg_tensor_hook)(void *user, clg_tensor *grad);
CLG_API uint64_t clg_tensor_add_hook(clg_tensor *t, clg_tensor_hook hook, void *user);
CLG_API clg_status clg_tensor_remove_hook(clg_tensor *t, uint64_t id);

/* Post-accumulate hooks are told of a leaf when a backward has added all that it adds to the leaf's gradient, while the
 * rest of it is still to come: an all-reduce or an optimizer step can start. The work that makes the gradient is
 * queued, not waited for. Not told of a leaf that gets no gradient in this backward, nor by clg_grad, which accumulates
 * nothing. Gradients are accumulated in place as without one, which a tensor hook on a leaf prevents. The hook may
 * change the gradient in place, drop it, and drop or add hooks; a status other than CLG_OK ends the backward with it.
 * Called in the order they were added, after the leaf's tensor hooks. CLG_ERR_GRAPH unless `leaf` is one that requires
 * grad. Returns an id for clg_tensor_remove_hook, 0 on error. */
typedef clg_status (*clg_post_accumulate_hook)(void *user, clg_tensor *leaf);
CLG_API uint64_t clg_tensor_add_post_accumulate_hook(clg_tensor *leaf, clg_post_accumulate_hook hook, void *user);

/* As a post-accumulate hook, but told earlier where that can be: as soon as the work that makes the gradient is queued,
 * though the op that makes it may still have work to queue that reads the leaf, a convolution its input's gradient say.
 * So the hook leaves the leaf as it is, and does not drop the gradient. For gradients that are to leave the device. */
CLG_API uint64_t clg_tensor_add_ready_hook(clg_tensor *leaf, clg_post_accumulate_hook hook, void *user);

/* Saved-tensor hooks: while pushed, each tensor that an op saves is handed to `pack`, which returns what to keep
 * instead; `unpack` gives a tensor of the same shape back (a new reference), once per use; `drop` frees what pack
 * returned. The innermost pair is used. Parameters and other leaves are packed too. `pack` sees results without their
 * graph, in no-grad mode, so it may keep the tensor itself; `unpack` may return what it kept. */
typedef struct clg_saved_hooks {
  void *(*pack)(void *user, clg_tensor *t);
  clg_tensor *(*unpack)(void *user, void *packed);
  void (*drop)(void *user, void *packed);
  void *user;
} clg_saved_hooks;
CLG_API clg_status clg_push_saved_hooks(clg_context *ctx, const clg_saved_hooks *hooks);
CLG_API clg_status clg_pop_saved_hooks(clg_context *ctx);

/* Anomaly mode: the first NaN or Inf in an op's result, or in a gradient that an op hands on in backward, is an error
 * (CLG_ERR_GRAPH) that names the op, the phase, and whether it was forward or backward. For finding faults: every op
 * waits for the device. In-place changes and data that you made yourself are seen at the first op that takes them up.
 * Off when a context is made, and then of no cost. Returns the mode before. */
CLG_API bool clg_set_anomaly(clg_context *ctx, bool on);
CLG_API bool clg_anomaly(const clg_context *ctx);

/* Rematerialisation: a tensor that an op would save, and that is an elementwise formula of tensors that the graph or a
 * module keeps anyway (an activation of a norm of a layer's output), is kept as its formula and made again when
 * backward unpacks it: fewer saved bytes, one more kernel a tensor, gradients bit for bit the same. What is recorded
 * while it is on is kept so; a plan predicts it. While saved-tensor hooks are pushed (a checkpointed segment, too) the
 * hooks get the tensors as always. A parameter in such a formula (a norm's beta, say) must not change between forward
 * and backward: CLG_ERR_GRAPH. In return a result that was changed in place after it was saved is no error: its formula
 * gives the value before. Off when a context is made. Returns the mode before. */
CLG_API bool clg_set_remat(clg_context *ctx, bool on);
CLG_API bool clg_remat(const clg_context *ctx);

/* A function of tensors: an op result of any shape, made of in[0..n) by recorded ops; NULL on error. */
typedef clg_tensor *(*clg_function)(void *user, clg_tensor *const *in, size_t n);

/* Checkpointing (Chen et al. 2016; PyTorch's non-reentrant form): a segment of a model runs without keeping what its
 * ops save, and again in backward when the first of them is asked for. `fn` makes the segment's result from in[0..n);
 * it must do the same each time: same ops, parameters unchanged, no backward inside. The second run sees the same
 * random numbers and does not update running statistics. The graph keeps the inputs and owns `user`: `drop` (may be
 * NULL) is called when no backward can need it. Results and gradients are bit for bit those of the plain run; works
 * with inputs, retain_graph (each backward runs the segment again), create_graph, and one inside the other. When
 * nothing is recorded it is fn alone. CLG_ERR_GRAPH in backward if the second run saves another number of tensors. */
CLG_API clg_tensor *clg_checkpoint(clg_context *ctx, clg_function fn, void *user, void (*drop)(void *user),
                                   clg_tensor *const *in, size_t n);

/* Strands: several computations on one context that take turns, each at any place within it, a callback in the midst of
 * its backward, say: shards of a batch that meet (clg_meeting). What a computation has open is its strand's: scopes,
 * grad mode, random stream, phase, saved-tensor hooks, the backward or the segment that runs. The stacks that they run
 * on, threads or coroutines, are the program's; one goes on at a time. Leaves that several backwards add to at the same
 * time are each strand's own (clg_module_share). Errors are the context's. */
typedef struct clg_strand clg_strand;
/* With nothing open, grad mode on, and the random stream where the context's is. NULL on error. */
CLG_API clg_strand *clg_strand_create(clg_context *ctx);
/* From here on the context is at the strand's place, until it is left: then where it was before. CLG_ERR_STATE while it
 * runs, and while a trace is written. Not one within another. */
CLG_API clg_status clg_strand_enter(clg_strand *s);
CLG_API void clg_strand_leave(clg_strand *s);
/* Closes scopes that it left open. */
CLG_API void clg_strand_destroy(clg_strand **s);

#ifdef __cplusplus
}
#endif
#endif
