/* From one type of elements to another. */
#include "ops/call.h"
#include "ops/index/indexing.h"
#include <clgrad/ops.h>

static bool integers(clg_op_call *c, clg_shape *out) {
  (void)out;
  return clg_tensor_holds(c->in[0], CLG_I32, c->op->name);
}

static clg_status to_float(clg_op_call *c) {
  clg_tensor *y = c->out[0];
  if (!y->numel) return CLG_OK;
  clg_call args = {.n = 0};
  clg_call_tensor(&args, c->in[0], y);
  clg_call_tensor(&args, y, y);
  clg_call_u32(&args, y->numel);
  return clg_call_pieces(c->ctx, &args, "index.cl", "index_to_float", y->numel, CLG_INDEX_PIECE, c->op->name);
}

static const clg_op to_float_op = {
    .name = "to_float", .traits = CLG_OP_ANY_TYPE | CLG_OP_CONSTANT, .shapes = integers, .forward = to_float};

clg_tensor *clg_to_float(clg_tensor *x) { return clg_op_run(&to_float_op, &x, 1, NULL); }
