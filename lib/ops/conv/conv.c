/* Convolutions. x, w and y of one are bound by a map that is linear in each pair: any one of them is computed from the
 * other two, and the gradient of each such map is again one of the three. So three ops serve to any order: fprop (y,
 * conv2d), dgrad (x, conv_transpose2d) and wgrad (w). conv_run.c computes each. */
#include "ops/conv/conv.h"
#include "ops/fused_act.h"
#include "tensor/args.h"
#include <clgrad/ops.h>
#include <string.h>

typedef struct conv_attrs {
  const clg_conv_options *options; /* of a call, while the shape is not known */
  clg_conv_shape shape;
  clg_fused_act act; /* behind the bias */
} conv_attrs;

enum { IN_BIAS = 2 };
static const clg_op conv_op[CLG_CONV_OPERANDS];
/* The first two inputs of each. */
static const clg_conv_operand inputs_of[CLG_CONV_OPERANDS][2] = {[CLG_CONV_X] = {CLG_CONV_Y, CLG_CONV_W},
                                                                 [CLG_CONV_W] = {CLG_CONV_Y, CLG_CONV_X},
                                                                 [CLG_CONV_Y] = {CLG_CONV_X, CLG_CONV_W}};
static clg_conv_operand output_of(const clg_op_call *c) { return (clg_conv_operand)(c->op - conv_op); }

static void dims_of(const clg_conv_shape *s, clg_conv_operand operand, int64_t d[4]) {
  const int size[CLG_CONV_OPERANDS][4] = {
      [CLG_CONV_X] = {s->batch, s->c, s->in[0], s->in[1]},
      [CLG_CONV_W] = {s->o, s->c / s->groups, s->kernel[0], s->kernel[1]},
      [CLG_CONV_Y] = {s->batch, s->o, s->out[0], s->out[1]},
  };
  for (int i = 0; i < 4; i++) d[i] = size[operand][i];
}

/* ---- shapes ---- */

static bool options_ok(const clg_op_call *c, const clg_conv_options *o) {
  for (int a = 0; a < 2; a++) {
    if (o->stride[a] < 1 || o->dilation[a] < 1)
      return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "stride and dilation are 1 or more");
    if (o->padding[a] < 0 || o->output_padding[a] < 0)
      return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "padding and output_padding are not negative");
    if (output_of(c) == CLG_CONV_Y && o->output_padding[a])
      return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "output_padding is for conv_transpose2d alone");
    if (o->output_padding[a] && o->output_padding[a] >= o->stride[a] && o->output_padding[a] >= o->dilation[a])
      return clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name,
                        "output_padding is less than the stride or the dilation");
  }
  return o->groups >= 1 || clg_refuse(c->ctx, CLG_ERR_ARGUMENT, c->op->name, "groups is 1 or more");
}

/* Channels of input and output from the weight [O,C/groups,kh,kw] or, transposed, [C,O/groups,kh,kw]. */
static bool ranks_ok(const clg_op_call *c, int64_t groups) {
  const clg_tensor *x = c->in[0], *w = c->in[1], *bias = c->in[IN_BIAS];
  const bool transposed = output_of(c) == CLG_CONV_X;
  bool ok = x->ndim == 4 && w->ndim == 4 && (!bias || bias->ndim == 1);
  for (int d = 0; ok && d < 4; d++) ok = w->shape[d] > 0 && (d == 0 || x->shape[d] > 0);
  if (ok) {
    int64_t in = transposed ? w->shape[0] : w->shape[1] * groups;
    int64_t out = transposed ? w->shape[1] * groups : w->shape[0];
    ok = x->shape[1] == in && in % groups == 0 && out % groups == 0 && (!bias || bias->shape[0] == out);
  }
  if (ok) return true;
  char s[3][CLG_SHAPE_TEXT];
  const char *want = transposed ? "[C,O/groups,kh,kw]" : "[O,C/groups,kh,kw]";
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name,
                    "x %s, weight %s, bias %s, %d group%s: want [N,C,H,W], %s, [O], groups dividing C and O",
                    clg_tensor_text(x, s[0]), clg_tensor_text(w, s[1]), clg_tensor_text(bias, s[2]), (int)groups,
                    groups == 1 ? "" : "s", want);
}

/* The output's size along axis a; not positive: there is none. */
static int64_t output_size(int64_t size, int64_t reach, const clg_conv_options *o, int a, bool transposed) {
  int64_t padded = size + 2 * (int64_t)o->padding[a];
  if (transposed) return (size - 1) * o->stride[a] - 2 * (int64_t)o->padding[a] + reach + o->output_padding[a];
  return padded < reach ? 0 : (padded - reach) / o->stride[a] + 1;
}

/* The whole shape. Limits keep the kernels' index arithmetic within 32 bits. */
static bool set_shape(clg_conv_shape *s, const clg_op_call *c, const clg_conv_options *o) {
  const int64_t limit = 1 << 28, *x = c->in[0]->shape, *w = c->in[1]->shape;
  const bool transposed = output_of(c) == CLG_CONV_X;
  s->groups = o->groups;
  s->batch = (int)x[0];
  s->o = (int)w[0];
  s->c = (int)(w[1] * o->groups);
  for (int a = 0; a < 2; a++) {
    int64_t size = x[2 + a], reach = (w[2 + a] - 1) * o->dilation[a] + 1;
    int64_t other = output_size(size, reach, o, a, transposed);
    if (size + 2 * (int64_t)o->padding[a] > limit || reach > limit || o->stride[a] > limit || other > limit)
      return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name,
                        "sizes, padding, stride and the kernel's reach are at most 2^28");
    if (other < 1)
      return clg_refuse(c->ctx, CLG_ERR_SHAPE, c->op->name, "%s %d of %s %d leaves no output (padding %d, dilation %d)",
                        a ? "width" : "height", (int)size, "a kernel of", (int)w[2 + a], o->padding[a], o->dilation[a]);
    s->in[a] = (int)(transposed ? other : size);
    s->out[a] = (int)(transposed ? size : other);
    s->kernel[a] = (int)w[2 + a];
    s->stride[a] = o->stride[a], s->padding[a] = o->padding[a], s->dilation[a] = o->dilation[a];
  }
  return true;
}

static bool shapes(clg_op_call *c, clg_shape *out) {
  conv_attrs *a = c->attrs;
  const clg_conv_options *o = a->options;
  if (o && (!options_ok(c, o) || !ranks_ok(c, o->groups) || !set_shape(&a->shape, c, o))) return false;
  a->options = NULL;
  out[0].ndim = 4;
  dims_of(&a->shape, output_of(c), out[0].dim);
  return true;
}

/* ---- the ops ---- */

static clg_status forward(clg_op_call *c) {
  const conv_attrs *a = c->attrs;
  clg_conv_operand output = output_of(c);
  clg_conv_call call = {.ctx = c->ctx, .op = c->op->name, .shape = &a->shape, .output = output};
  memcpy(call.numbers, a->act.numbers, sizeof call.numbers);
  if (!clg_fused_act_text(c->ctx, &a->act, clg_formula_epilogue, &call.epilogue)) return clg_last_status(c->ctx);
  for (int i = 0; i < 2; i++) call.at[inputs_of[output][i]] = clg_tensor_place(c->in[i]);
  call.at[output] = clg_tensor_place(c->out[0]);
  if (c->n > IN_BIAS) call.bias = clg_tensor_place(c->in[IN_BIAS]);
  return clg_conv_run(&call);
}

static uint32_t needs(const clg_op_call *c, int input) {
  static const uint32_t read[] = {CLG_IN(1), CLG_IN(0), [IN_BIAS] = 0};
  const conv_attrs *a = c->attrs;
  return read[input] | (a->act.formula ? CLG_OUT(0) : 0);
}

/* The bias takes the sum over images and positions. */
static clg_status bias_gradient(clg_op_call *c, const clg_tensor *z) {
  const clg_grad_place *to = clg_op_begin_as(c, IN_BIAS, 1, z->shape + 1);
  if (!to) return clg_last_status(c->ctx);
  const uint32_t dims = 1 | 1 << 2 | 1 << 3;
  clg_status s = clg_map_reduce(clg_maps_of(c->ctx, CLG_MAP_COPY), CLG_REDUCE_SUM, to->t, &z, NULL, 4, z->shape, dims,
                                to->add, c->op->name);
  return s == CLG_OK ? clg_op_end(c, IN_BIAS) : s;
}

/* Of one of the first two inputs: from z in the output's place, and the other input in its own. */
static clg_status input_gradient(clg_op_call *c, int i, const clg_tensor *z) {
  const conv_attrs *a = c->attrs;
  clg_conv_operand output = output_of(c);
  const clg_conv_operand *inputs = inputs_of[output];
  int64_t d[4];
  dims_of(&a->shape, inputs[i], d);
  const clg_grad_place *to = clg_op_begin_as(c, i, 4, d);
  if (!to) return clg_last_status(c->ctx);
  clg_conv_call call = {
      .ctx = c->ctx, .op = c->op->name, .shape = &a->shape, .output = inputs[i], .accumulate = to->add};
  call.at[output] = clg_tensor_place(z);
  call.at[inputs[1 - i]] = clg_tensor_place(c->in[1 - i]);
  call.at[inputs[i]] = clg_tensor_place(to->t);
  clg_status s = clg_conv_run(&call);
  return s == CLG_OK ? clg_op_end(c, i) : s;
}

static clg_status backward(clg_op_call *c) {
  const conv_attrs *a = c->attrs;
  clg_tensor *z = clg_fused_act_backward(&a->act, c->out[0], c->grad, c->grad_is_unique, c->op->name);
  clg_status s = z ? CLG_OK : clg_last_status(c->ctx);
  if (s == CLG_OK && clg_op_wants(c, IN_BIAS)) s = bias_gradient(c, z);
  for (int i = 1; s == CLG_OK && i >= 0; i--)
    if (clg_op_wants(c, i)) s = input_gradient(c, i, z);
  clg_tensor_unref(&z);
  return s;
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const conv_attrs *a = c->attrs;
  const clg_conv_operand *inputs = inputs_of[output_of(c)];
  clg_tensor *z = clg_fused_act_compose(&a->act, c->out[0], c->grad);
  clg_tensor *t[CLG_CONV_OPERANDS] = {NULL};
  t[inputs[0]] = c->in[0], t[inputs[1]] = c->in[1], t[output_of(c)] = z;
  if (clg_op_wants(c, IN_BIAS)) d[IN_BIAS] = clg_sum(z, (int[]){0, 2, 3}, 3, false);
  for (int i = 1; i >= 0; i--) {
    if (!clg_op_wants(c, i)) continue;
    const clg_conv_operand *from = inputs_of[inputs[i]];
    conv_attrs inner = {.shape = a->shape};
    d[i] = clg_op_run(&conv_op[inputs[i]], (clg_tensor *[]){t[from[0]], t[from[1]]}, 2, &inner);
  }
}

#define CONV_OP                                                                                                        \
  .attrs = sizeof(conv_attrs), .traits = CLG_OP_NO_PLACES, .optional = CLG_IN(IN_BIAS), .shapes = shapes,              \
  .forward = forward, .needs = needs, .backward = backward, .compose = compose
static const clg_op conv_op[CLG_CONV_OPERANDS] = {[CLG_CONV_Y] = {.name = "conv2d", CONV_OP},
                                                  [CLG_CONV_X] = {.name = "conv_transpose2d", CONV_OP},
                                                  [CLG_CONV_W] = {.name = "conv2d_weight", CONV_OP}};

clg_conv_options clg_conv_defaults(void) {
  return (clg_conv_options){.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
}

static clg_tensor *convolve(clg_conv_operand output, clg_tensor *x, clg_tensor *w, clg_tensor *bias,
                            const clg_conv_options *options) {
  const clg_conv_options usual = clg_conv_defaults(), *o = options ? options : &usual;
  clg_act_choice choice;
  if (!clg_inputs_here((clg_tensor *[]){x, w}, 2, conv_op[output].name) ||
      !clg_fused_act_begin(x->ctx, &o->act, false, conv_op[output].name, &choice))
    return NULL;
  conv_attrs attrs = {.options = o, .act = choice.fused};
  return clg_fused_act_end(&choice, clg_op_run(&conv_op[output], (clg_tensor *[]){x, w, bias}, 3, &attrs));
}

clg_tensor *clg_conv2d(clg_tensor *x, clg_tensor *w, clg_tensor *bias, const clg_conv_options *options) {
  return convolve(CLG_CONV_Y, x, w, bias, options);
}

clg_tensor *clg_conv_transpose2d(clg_tensor *x, clg_tensor *w, clg_tensor *bias, const clg_conv_options *options) {
  return convolve(CLG_CONV_X, x, w, bias, options);
}
