/* Dropout: keeps no mask. Its gradient is dropout again, at the same place of the random stream. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/op.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <math.h>

typedef struct dropout_attrs {
  float p;
  uint64_t seed, position;
} dropout_attrs;

/* Of random numbers. */
static size_t blocks_of(int64_t n) { return CLG_CEIL_DIV((size_t)n, DROPOUT_RUN) * LANES; }

/* The same elements dropped, from one tensor into another, which it may be added to. */
static clg_status run(const clg_op_call *c, const clg_tensor *from, const clg_tensor *to, bool add) {
  const dropout_attrs *a = c->attrs;
  const uint64_t threshold = (uint64_t)ldexp((double)a->p, 32);
  const size_t blocks = blocks_of(from->numel), items[3] = {blocks / clg_vector_width(c->ctx), 1, 1};
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, (const clg_tensor *[]){from, to}, 2, from);
  clg_args_u32(&args, (uint32_t)from->numel);
  clg_args_u64(&args, a->seed);
  clg_args_u64(&args, a->position);
  clg_args_i32(&args, (int32_t)(threshold >> 16));
  clg_args_i32(&args, (int32_t)(threshold & 0xFFFF));
  clg_args_f32(&args, a->p < 1 ? 1 / (1 - a->p) : 0);
  clg_args_u32(&args, add);
  if (!from->numel) return CLG_OK;
  clg_kernel *k = clg_kernel_get(c->ctx, "dropout.cl", NULL, "dropout");
  return clg_launch(c->ctx, k, c->op->name, &args, items, NULL);
}

/* Moves the stream. */
static clg_status forward(clg_op_call *c) {
  const dropout_attrs *a = c->attrs;
  clg_set_seed(c->ctx, a->seed, a->position + blocks_of(c->in[0]->numel));
  return run(c, c->in[0], c->out[0], false);
}

static clg_status backward(clg_op_call *c) { return run(c, c->grad, c->to[0].t, c->to[0].add); }

static void compose(clg_op_call *c, clg_tensor **d);

static const clg_op dropout_op = {
    .name = "dropout", .attrs = sizeof(dropout_attrs), .forward = forward, .backward = backward, .compose = compose};

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
