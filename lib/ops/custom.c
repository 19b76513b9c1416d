/* Ops of the user's: forward and backward callbacks as an op of the engine. */
#include "ops/op.h"
#include <clgrad/custom.h>
#include <clgrad/ops.h>
#include <stdlib.h>
#include <string.h>

/* An op of the user's: shared by the call and its node. */
typedef struct owner {
  uint32_t refs;
  clg_op op;
  clg_custom_op user;
} owner;

static void owner_unref(owner *o) {
  if (--o->refs) return;
  if (o->user.drop) o->user.drop(o->user.user);
  free(o);
}

typedef struct custom_attrs {
  owner *owner;
  int ndim; /* of the result, for the call alone */
  const int64_t *shape;
} custom_attrs;

static const clg_custom_op *user_op(const clg_op_call *c) { return &((const custom_attrs *)c->attrs)->owner->user; }

static bool shapes(clg_op_call *c, clg_shape *out) {
  const custom_attrs *a = c->attrs;
  if (clg_shape_numel(c->ctx, a->ndim, a->shape, c->op->name) < 0) return false;
  out->ndim = a->ndim;
  for (int d = 0; d < a->ndim; d++) out->dim[d] = a->shape[d];
  return true;
}

static clg_status forward(clg_op_call *c) {
  const clg_custom_op *op = user_op(c);
  clg_context *ctx = c->ctx;
  clg_scope *scope = clg_scope_open(ctx);
  clg_status s = clg_last_status(ctx);
  const clg_callback call = clg_callback_begin(ctx);
  clg_set_grad_mode(ctx, false);
  if (clg_scope_opened(scope)) s = op->forward(op->user, c->in, (size_t)c->n, c->out[0]);
  clg_callback_end(call);
  clg_status closed = clg_scope_close(scope);
  if (s != CLG_OK && ctx->error.status == CLG_OK) clg_fail(ctx, s, op->name, "its forward failed");
  c->out[0]->storage->version = 0;
  return s != CLG_OK ? s : closed;
}

static uint32_t needs(const clg_op_call *c, int input) {
  const clg_custom_op *op = user_op(c);
  (void)input;
  return op->saves | (op->saves_out ? CLG_OUT(0) : 0);
}

static bool gradient_ok(const clg_op_call *c, int i, const clg_tensor *t) {
  const char *op = c->op->name;
  const clg_input_shape *s = clg_op_input(c, i);
  char got[CLG_SHAPE_TEXT], want[CLG_SHAPE_TEXT];
  if (!t)
    clg_fail(c->ctx, CLG_ERR_GRAPH, op, "its backward gave no gradient of input %d", i);
  else if (t->ctx != c->ctx)
    clg_fail(c->ctx, CLG_ERR_ARGUMENT, op, "its backward gave a gradient of input %d that belongs to another context",
             i);
  else if (!clg_tensor_holds(t, CLG_F32, op))
    return false;
  else if (t->ndim != s->ndim || memcmp(t->shape, s->dim, (size_t)t->ndim * sizeof *t->shape))
    clg_fail(c->ctx, CLG_ERR_SHAPE, op, "its backward gave a gradient %s of input %d, which is %s",
             clg_tensor_text(t, got), i, clg_shape_text(s->ndim, s->dim, want));
  else
    return true;
  return false;
}

/* Contiguous, by a recorded copy under create_graph. */
static bool packed(clg_tensor **t) {
  if (*t && !clg_tensor_is_contiguous(*t)) return (*t = clg_contiguous(*t)) != NULL;
  return true;
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const clg_custom_op *op = user_op(c);
  clg_custom_call call = {.ctx = c->ctx, .user = op->user, .n = (size_t)c->n, .out = c->out[0], .grad = c->grad};
  bool ok = packed(&call.out) && packed(&call.grad);
  for (int i = 0; ok && i < c->n; i++) {
    call.wants[i] = clg_op_wants(c, i);
    call.in[i] = c->in[i];
    ok = packed(&call.in[i]);
  }
  const clg_callback callback = clg_callback_begin(c->ctx);
  clg_status s = ok ? op->backward(&call) : clg_last_status(c->ctx);
  clg_callback_end(callback);
  if (s != CLG_OK && c->ctx->error.status == CLG_OK) clg_fail(c->ctx, s, c->op->name, "its backward failed");
  for (int i = 0; s == CLG_OK && i < c->n; i++) {
    if (!call.wants[i]) continue;
    if (!gradient_ok(c, i, call.in_grad[i])) return;
    d[i] = call.in_grad[i];
  }
}

static void hold(void *attrs) { ((custom_attrs *)attrs)->owner->refs++; }
static void release(void *attrs) { owner_unref(((custom_attrs *)attrs)->owner); }

static const clg_op custom_op = {.attrs = sizeof(custom_attrs),
                                 .traits = CLG_OP_ANY_TYPE,
                                 .shapes = shapes,
                                 .forward = forward,
                                 .needs = needs,
                                 .compose = compose,
                                 .hold = hold,
                                 .release = release};

static bool op_ok(clg_context *ctx, const clg_custom_op *op, size_t n, int ndim, const int64_t *shape) {
  if (n <= CLG_CUSTOM_INPUTS && op->name && op->forward && (!ndim || shape) && !(op->saves >> n)) return true;
  return clg_refuse(ctx, CLG_ERR_ARGUMENT, "custom",
                    "it needs a name, a forward, a shape, and at most %d inputs, of which it saves some",
                    CLG_CUSTOM_INPUTS);
}

clg_tensor *clg_custom_apply(const clg_custom_op *op, clg_tensor *const *in, size_t n, int ndim, const int64_t *shape) {
  if (!op) return clg_null_object(NULL, "custom");
  clg_context *ctx = in && n && in[0] ? in[0]->ctx : NULL;
  owner *own = malloc(sizeof *own);
  if (!own) {
    if (op->drop) op->drop(op->user);
    if (ctx) clg_fail(ctx, CLG_ERR_HOST_MEMORY, "custom", "out of host memory");
    return NULL;
  }
  *own = (owner){1, custom_op, *op};
  own->op.name = op->name;
  if (!op->backward) own->op.traits |= CLG_OP_CONSTANT;
  clg_tensor *y = NULL;
  if (!ctx)
    clg_null(NULL, "custom");
  else if (op_ok(ctx, op, n, ndim, shape))
    y = clg_op_run(&own->op, in, (int)n, &(custom_attrs){own, ndim, shape});
  owner_unref(own);
  return y;
}
