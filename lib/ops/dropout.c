/* Dropout: keeps no mask. Its gradient is dropout again, at the same place of the random stream. */
#include "ops/formula.h"
#include <clgrad/ops.h>

typedef struct dropout_attrs {
  float p;
  uint64_t seed, position;
} dropout_attrs;

/* x with the elements dropped that the stream at the place says; moves the stream. */
static clg_status forward(clg_op_call *c) {
  const dropout_attrs *a = c->attrs;
  clg_tensor *x = c->in[0];
  const float params[] = {a->p, a->p < 1 ? 1 / (1 - a->p) : 0};
  clg_scope *scope = clg_scope_open(c->ctx);
  bool mode = clg_set_grad_mode(c->ctx, false);
  clg_set_seed(c->ctx, a->seed, a->position);
  clg_tensor *u = clg_rand(c->ctx, x->ndim, x->shape, 0, 1);
  c->out[0] = clg_tensor_ref(clg_row_apply(CLG_ROW_DROPOUT, (clg_tensor *[]){x, u}, params));
  clg_set_grad_mode(c->ctx, mode);
  clg_scope_close(scope);
  return c->out[0] ? CLG_OK : clg_last_status(c->ctx);
}

static void compose(clg_op_call *c, clg_tensor **d);

static const clg_op dropout_op = {.name = "dropout",
                                  .attrs = sizeof(dropout_attrs),
                                  .traits = CLG_OP_MAKES | CLG_OP_STRIDED,
                                  .forward = forward,
                                  .compose = compose};

static void compose(clg_op_call *c, clg_tensor **d) {
  uint64_t seed, position;
  clg_get_seed(c->ctx, &seed, &position);
  d[0] = clg_op_run(&dropout_op, &c->grad, 1, c->attrs);
  clg_set_seed(c->ctx, seed, position);
}

clg_tensor *clg_dropout(clg_tensor *x, float p, bool training) {
  if (!clg_inputs_ok(&x, 1, "dropout")) return NULL;
  if (!(p >= 0 && p <= 1))
    return clg_fail_object(x->ctx, CLG_ERR_ARGUMENT, "dropout", "the probability must be in [0,1]");
  if (!training || p == 0) return clg_result(clg_tensor_ref(x));
  dropout_attrs a = {.p = p};
  clg_get_seed(x->ctx, &a.seed, &a.position);
  return clg_op_run(&dropout_op, &x, 1, &a);
}
