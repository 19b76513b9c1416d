/* Ops of the user's: kernels from source text, and forward and backward callbacks recorded as a node. */
#include "base/str.h"
#include "device/launch.h"
#include "graph/graph.h"
#include <clgrad/custom.h>
#include <clgrad/ops.h>
#include <stdlib.h>
#include <string.h>

/* ---- programs ---- */

struct clg_program {
  uint32_t refs;
  clg_context *ctx;
  char *source; /* after a line that names it */
};

clg_program *clg_program_create(clg_context *ctx, const char *name, const char *source) {
  if (!ctx) return NULL;
  if (!name || !source || strpbrk(name, "\"\\\n"))
    return clg_fail(ctx, CLG_ERR_ARGUMENT, "program", "it needs a source, and a name without quotes and line ends"),
           NULL;
  clg_str text = {0};
  clg_str_addf(&text, "#line 1 \"%s\"\n", name);
  clg_str_add(&text, source);
  clg_str_add(&text, "\n");
  clg_program *p = text.failed ? NULL : calloc(1, sizeof *p);
  if (!p) {
    clg_str_free(&text);
    return clg_fail(ctx, CLG_ERR_HOST_MEMORY, "program", "out of host memory"), NULL;
  }
  *p = (clg_program){1, ctx, text.data};
  clg_context_hold(ctx);
  if (clg_source_build(ctx, p->source) != CLG_OK) clg_program_unref(&p);
  return p;
}

clg_program *clg_program_ref(clg_program *p) {
  if (p) p->refs++;
  return p;
}

void clg_program_unref(clg_program **pp) {
  if (!pp || !*pp) return;
  clg_program *p = *pp;
  *pp = NULL;
  if (--p->refs) return;
  clg_context *ctx = p->ctx;
  free(p->source);
  free(p);
  clg_context_release(ctx);
}

#define MOST_ARGS 64

/* Kernels see nothing of strides and graphs, so tensors that need either are refused. */
static clg_status check_tensor(const clg_program *p, const char *kernel, const clg_kernel_arg *a, size_t i) {
  clg_tensor *t = a->tensor;
  if (!t || t->ctx != p->ctx)
    return clg_fail(p->ctx, CLG_ERR_ARGUMENT, kernel, "argument %zu is no tensor of this context", i);
  if (!clg_tensor_is_contiguous(t))
    return clg_fail(p->ctx, CLG_ERR_SHAPE, kernel, "argument %zu is not contiguous: clg_contiguous makes a copy", i);
  if (t->requires_grad && !p->ctx->no_grad)
    return clg_fail(
        p->ctx, CLG_ERR_GRAPH, kernel,
        "argument %zu requires grad, and a launch is not recorded: use clg_custom_apply, clg_detach, or no grad mode",
        i);
  return CLG_OK;
}

static clg_status add_arg(const clg_program *p, const char *kernel, const clg_kernel_arg *a, size_t i, clg_arg *to,
                          int *n) {
  switch (a->kind) {
  case CLG_ARG_INT: to[(*n)++] = clg_arg_i32(a->i); return CLG_OK;
  case CLG_ARG_UINT: to[(*n)++] = clg_arg_u32(a->u); return CLG_OK;
  case CLG_ARG_FLOAT: to[(*n)++] = clg_arg_f32(a->f); return CLG_OK;
  case CLG_ARG_READ:
  case CLG_ARG_WRITE: break;
  default: return clg_fail(p->ctx, CLG_ERR_ARGUMENT, kernel, "argument %zu is of no known kind", i);
  }
  clg_status s = check_tensor(p, kernel, a, i);
  if (s != CLG_OK) return s;
  to[(*n)++] = clg_arg_block(a->tensor->storage->block);
  to[(*n)++] = clg_arg_u32((uint32_t)clg_tensor_at(a->tensor));
  return CLG_OK;
}

clg_status clg_program_launch(clg_program *p, const char *kernel, const size_t global[3], const size_t local[3],
                              const clg_kernel_arg *args, size_t n) {
  if (!p || !kernel || !global || (n && !args)) return CLG_ERR_ARGUMENT;
  clg_context *ctx = p->ctx;
  if (n > MOST_ARGS / 2) return clg_fail(ctx, CLG_ERR_ARGUMENT, kernel, "more than %d arguments", MOST_ARGS / 2);
  if (clg_creates_graph(ctx))
    return clg_fail(
        ctx, CLG_ERR_GRAPH, kernel,
        "a kernel's launch cannot be differentiated again: under create_graph a backward must be made of ops");
  clg_arg list[MOST_ARGS];
  int count = 0;
  clg_status s = CLG_OK;
  for (size_t i = 0; s == CLG_OK && i < n; i++) s = add_arg(p, kernel, &args[i], i, list, &count);
  if (s != CLG_OK) return s;
  clg_kernel *k = clg_kernel_of_source(ctx, p->source, kernel);
  if (!k) return clg_last_status(ctx);
  int takes = clg_kernel_args(k);
  if (takes >= 0 && takes != count)
    return clg_fail(ctx, CLG_ERR_ARGUMENT, kernel, "it takes %d arguments, and %d were given (a tensor counts as two)",
                    takes, count);
  s = clg_launch(ctx, k, kernel, list, count, global, local);
  for (size_t i = 0; i < n; i++)
    if (args[i].kind == CLG_ARG_WRITE) clg_storage_changed(args[i].tensor->storage, "a kernel of yours");
  return s;
}

/* ---- ops ---- */

/* The user's part of an op: shared by the call and the node. */
typedef struct owner {
  uint32_t refs;
  void *user;
  void (*drop)(void *user);
} owner;

static void owner_unref(owner *o) {
  if (!o || --o->refs) return;
  if (o->drop) o->drop(o->user);
  free(o);
}

typedef struct custom_attrs {
  clg_custom_op op;
  owner *owner;
  size_t n;
  int ndim[CLG_CUSTOM_INPUTS];
  int64_t shape[CLG_CUSTOM_INPUTS][CLG_MAX_DIMS];
} custom_attrs;

clg_tensor *clg_custom_new(clg_context *ctx, int ndim, const int64_t *shape) {
  return ctx ? clg_result(clg_tensor_new(ctx, ndim, shape, clg_result_role(ctx), "custom_new")) : NULL;
}

/* Contiguous, by a recorded copy under create_graph. In the scope that is open; takes the reference. */
static clg_tensor *packed(clg_tensor *t) {
  if (!t || clg_tensor_is_contiguous(t)) return clg_result(t);
  clg_tensor *c = clg_contiguous(t);
  clg_tensor_unref(&t);
  return c;
}

static clg_status fill_call(clg_node *n, clg_tensor *grad, clg_custom_call *c) {
  const custom_attrs *a = n->attrs;
  c->ctx = n->ctx;
  c->user = a->op.user;
  c->n = a->n;
  for (size_t i = 0; i <= a->n; i++) {
    bool saved = i < a->n ? a->op.saves >> i & 1 : a->op.saves_out;
    if (i < a->n) c->wants[i] = clg_node_wants(n, (int)i);
    if (!saved) continue;
    clg_tensor *t = packed(clg_node_unpack(n, (int)i));
    if (!t) return clg_last_status(n->ctx);
    if (i < a->n)
      c->in[i] = t;
    else
      c->out = t;
  }
  c->grad = packed(clg_tensor_ref(grad));
  return c->grad ? CLG_OK : clg_last_status(n->ctx);
}

static clg_status give(clg_node *n, const custom_attrs *a, const clg_custom_call *c, size_t i) {
  const clg_tensor *t = c->in_grad[i];
  if (!t) return clg_fail(n->ctx, CLG_ERR_GRAPH, n->op, "its backward gave no gradient of input %zu", i);
  char got[CLG_SHAPE_TEXT], want[CLG_SHAPE_TEXT];
  if (!clg_tensor_holds(t, CLG_F32, n->op)) return CLG_ERR_ARGUMENT;
  if (t->ctx != n->ctx || t->ndim != a->ndim[i] || memcmp(t->shape, a->shape[i], (size_t)t->ndim * sizeof *t->shape))
    return clg_fail(n->ctx, CLG_ERR_SHAPE, n->op, "its backward gave a gradient %s of input %zu, which is %s",
                    clg_shape_text(t->ndim, t->shape, got), i, clg_shape_text(a->ndim[i], a->shape[i], want));
  return clg_edge_give(n, (int)i, clg_tensor_ref(c->in_grad[i]));
}

static clg_status custom_backward(clg_node *n, clg_tensor *grad) {
  const custom_attrs *a = n->attrs;
  clg_custom_call c = {.n = 0};
  clg_scope *scope = clg_scope_open(n->ctx);
  clg_status s = clg_scope_opened(scope) ? fill_call(n, grad, &c) : clg_last_status(n->ctx);
  if (s == CLG_OK) s = a->op.backward(&c);
  if (s != CLG_OK && n->ctx->error.status == CLG_OK) s = clg_fail(n->ctx, s, n->op, "its backward failed");
  for (size_t i = 0; s == CLG_OK && i < a->n; i++)
    if (c.wants[i]) s = give(n, a, &c, i);
  clg_scope_close(scope);
  return s;
}

static void custom_finish(clg_node *n) { owner_unref(((custom_attrs *)n->attrs)->owner); }

static const clg_node_class custom_class = {.backward = custom_backward};

static clg_status record(const clg_custom_op *op, owner *own, clg_tensor *const *in, size_t n, clg_tensor *y) {
  clg_node *node = clg_node_create(in, (int)n, (int)n + 1, sizeof(custom_attrs), &custom_class, op->name);
  if (!node) return clg_last_status(y->ctx);
  custom_attrs *a = node->attrs;
  a->op = *op;
  a->owner = own;
  a->n = n;
  own->refs++;
  node->finish = custom_finish;
  clg_status s = CLG_OK;
  for (size_t i = 0; s == CLG_OK && i < n; i++) {
    a->ndim[i] = in[i]->ndim;
    memcpy(a->shape[i], in[i]->shape, sizeof in[i]->shape);
    if (op->saves >> i & 1) s = clg_node_save(node, (int)i, in[i], (int)i);
  }
  if (s == CLG_OK && op->saves_out) s = clg_node_save(node, (int)n, y, CLG_SAVED_OUTPUT);
  if (s == CLG_OK) return clg_node_attach(node, y);
  clg_node_unref(node);
  return s;
}

static clg_tensor *run_forward(const clg_custom_op *op, clg_tensor *const *in, size_t n, int ndim,
                               const int64_t *shape) {
  clg_context *ctx = in[0]->ctx;
  clg_tensor *all[CLG_CUSTOM_INPUTS] = {NULL};
  bool ok = true;
  for (size_t i = 0; ok && i < n; i++) ok = (all[i] = clg_tensor_packed(in[i], op->name)) != NULL;
  clg_tensor *y = ok ? clg_tensor_new(ctx, ndim, shape, clg_result_role(ctx), op->name) : NULL;
  if (y) {
    bool mode = clg_set_grad_mode(ctx, false);
    clg_scope *scope = clg_scope_open(ctx);
    clg_status s = clg_scope_opened(scope) ? op->forward(op->user, all, n, y) : clg_last_status(ctx);
    clg_status closed = clg_scope_close(scope);
    clg_set_grad_mode(ctx, mode);
    if (s != CLG_OK && ctx->error.status == CLG_OK) clg_fail(ctx, s, op->name, "its forward failed");
    if (s != CLG_OK || closed != CLG_OK)
      clg_tensor_unref(&y);
    else
      y->storage->version = 0;
  }
  for (size_t i = 0; i < n; i++) clg_tensor_unref(&all[i]);
  return y;
}

clg_tensor *clg_custom_apply(const clg_custom_op *op, clg_tensor *const *in, size_t n, int ndim, const int64_t *shape) {
  if (!op) return clg_null(NULL, "custom"), NULL;
  owner *own = malloc(sizeof *own);
  clg_context *ctx = in && n && in[0] ? in[0]->ctx : NULL;
  if (!own) {
    if (op->drop) op->drop(op->user);
    return ctx ? (clg_fail(ctx, CLG_ERR_HOST_MEMORY, "custom", "out of host memory"), NULL) : NULL;
  }
  *own = (owner){1, op->user, op->drop};
  clg_tensor *y = NULL;
  if (!ctx)
    clg_null(NULL, "custom");
  else if (n > CLG_CUSTOM_INPUTS || !op->name || !op->forward || (ndim && !shape) || op->saves >> n)
    clg_fail(ctx, CLG_ERR_ARGUMENT, "custom",
             "it needs a name, a forward, a shape, and at most %d inputs, of which it saves some", CLG_CUSTOM_INPUTS);
  else if (clg_inputs_here(in, (int)n, op->name))
    y = run_forward(op, in, n, ndim, shape);
  if (y && op->backward && clg_records(in, (int)n) && record(op, own, in, n, y) != CLG_OK) clg_tensor_unref(&y);
  owner_unref(own);
  return clg_result(y);
}
