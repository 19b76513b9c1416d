/* From one type of elements to another, and labels as indicators. No gradient. */
#include "kernel/constants.h"
#include "ops/index/indexing.h"
#include "tensor/args.h"
#include <clgrad/ops.h>

/* `kernel` from in[0] to out[0], whose `classes` elements, unless 0, an element of in[0] has. */
static clg_status launch(const clg_op_call *c, const char *kernel, int64_t classes) {
  clg_tensor *y = c->out[0];
  if (!y->numel) return CLG_OK;
  clg_args args;
  args.n = 0;
  clg_args_tensor(&args, c->in[0]);
  clg_args_tensor(&args, y);
  if (classes) clg_args_sizes(&args, (int64_t[]){c->in[0]->numel, classes}, 2);
  clg_args_u32(&args, (uint32_t)y->numel);
  clg_kernel *k = clg_kernel_get(c->ctx, "elements.cl", NULL, kernel);
  return clg_launch_pieces(c->ctx, k, c->op->name, &args, y->numel, INDEX_PIECE);
}

/* ---- casts ---- */

static bool from_integers(clg_op_call *c, clg_shape *out) {
  (void)out;
  return clg_tensor_holds(c->in[0], CLG_I32, c->op->name);
}
static clg_status to_float(clg_op_call *c) { return launch(c, "element_to_float", 0); }
static const clg_op to_float_op = {
    .name = "to_float", .traits = CLG_OP_ANY_TYPE | CLG_OP_CONSTANT, .shapes = from_integers, .forward = to_float};

clg_tensor *clg_to_float(clg_tensor *x) { return clg_op_run(&to_float_op, &x, 1, NULL); }

static bool to_integers(clg_op_call *c, clg_shape *out) {
  (void)c;
  out->dtype = CLG_I32;
  return true;
}
static clg_status to_int(clg_op_call *c) { return launch(c, "element_to_int", 0); }
static const clg_op to_int_op = {.name = "to_int", .traits = CLG_OP_CONSTANT, .shapes = to_integers, .forward = to_int};

clg_tensor *clg_to_int(clg_tensor *x) { return clg_op_run(&to_int_op, &x, 1, NULL); }

/* ---- one_hot ---- */

typedef struct one_hot_attrs {
  int64_t classes;
} one_hot_attrs;

static bool one_hot_shapes(clg_op_call *c, clg_shape *out) {
  const one_hot_attrs *a = c->attrs;
  const clg_tensor *label = c->in[0];
  if (a->classes < 1 || a->classes > INT32_MAX)
    return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, "one_hot", "%lld classes: it must be 1 or more", (long long)a->classes);
  if (label->ndim == CLG_MAX_DIMS)
    return clg_refuse(c->ctx, CLG_ERR_SHAPE, "one_hot", "labels of %d dimensions leave none for the classes",
                      label->ndim);
  out->dim[out->ndim++] = a->classes;
  return clg_index_within(label, 0, a->classes - 1, "one_hot");
}
static clg_status one_hot(clg_op_call *c) {
  return launch(c, "element_one_hot", ((const one_hot_attrs *)c->attrs)->classes);
}
static const clg_op one_hot_op = {.name = "one_hot",
                                  .attrs = sizeof(one_hot_attrs),
                                  .traits = CLG_OP_ANY_TYPE | CLG_OP_CONSTANT,
                                  .shapes = one_hot_shapes,
                                  .forward = one_hot};

clg_tensor *clg_one_hot(clg_tensor *label, int64_t classes) {
  return clg_op_run(&one_hot_op, &label, 1, &(one_hot_attrs){classes});
}
