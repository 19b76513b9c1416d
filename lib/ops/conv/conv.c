/* Convolutions, recorded. x, w and y of a convolution are bound by a map that is linear in each pair: any one of them
 * is computed from the other two, and the gradient of each such map is again one of the three. So one kind of node
 * serves conv2d (y), conv_transpose2d (x) and the weight gradient (w), to any order. */
#include "ops/activation.h"
#include "ops/conv/conv_kernels.h"
#include <clgrad/ops.h>
#include <string.h>

typedef struct conv_attrs {
  clg_conv_shape shape;
  clg_conv_operand output;
  clg_formula *act; /* behind the bias; NULL: none */
  float slope;
} conv_attrs;

/* The inputs of a map, in order; a bias follows them. */
static const clg_conv_operand inputs_of[CLG_CONV_OPERANDS][2] = {[CLG_CONV_X] = {CLG_CONV_Y, CLG_CONV_W},
                                                                 [CLG_CONV_W] = {CLG_CONV_Y, CLG_CONV_X},
                                                                 [CLG_CONV_Y] = {CLG_CONV_X, CLG_CONV_W}};
static const char *const names[CLG_CONV_OPERANDS] = {
    [CLG_CONV_X] = "conv_transpose2d", [CLG_CONV_W] = "conv2d_weight", [CLG_CONV_Y] = "conv2d"};
enum { IN_BIAS = 2, SAVED = 2, SAVED_RESULT = SAVED, SLOTS };

static void dims_of(const clg_conv_shape *s, clg_conv_operand part, int64_t d[4]) {
  const int x[] = {s->batch, s->c, s->in[0], s->in[1]}, y[] = {s->batch, s->o, s->out[0], s->out[1]};
  const int w[] = {s->o, s->c / s->groups, s->kernel[0], s->kernel[1]};
  const int *from = part == CLG_CONV_X ? x : part == CLG_CONV_Y ? y : w;
  for (int i = 0; i < 4; i++) d[i] = from[i];
}

static clg_at at(const clg_tensor *t) { return t ? (clg_at){t->storage->block, clg_tensor_at(t)} : (clg_at){NULL, 0}; }

/* to (+)= the output from the other two of t and the bias, behind the activation. */
static clg_status compute(const conv_attrs *how, clg_tensor *const t[CLG_CONV_OPERANDS], clg_tensor *bias,
                          clg_tensor *to, bool accumulate, const char *op) {
  clg_conv_operand output = how->output;
  const clg_conv_operand *from = inputs_of[output];
  clg_tensor *a = clg_tensor_packed(t[from[0]], op), *b = a ? clg_tensor_packed(t[from[1]], op) : NULL;
  clg_tensor *c = b && bias ? clg_tensor_packed(bias, op) : NULL;
  const char *epilogue = how->act ? clg_formula_epilogue(to->ctx, how->act) : NULL;
  clg_conv_call call = {.shape = &how->shape,
                        .output = output,
                        .bias = at(c),
                        .accumulate = accumulate,
                        .epilogue = epilogue,
                        .epilogue_param = how->slope};
  call.at[output] = at(to), call.at[from[0]] = at(a), call.at[from[1]] = at(b);
  clg_status status =
      b && (c || !bias) && (epilogue || !how->act) ? clg_conv_run(to->ctx, &call, op) : clg_last_status(to->ctx);
  clg_tensor_unref(&a);
  clg_tensor_unref(&b);
  clg_tensor_unref(&c);
  return status;
}

static clg_tensor *apply(const conv_attrs *how, clg_tensor *const t[CLG_CONV_OPERANDS], clg_tensor *bias);

/* Hands input i its part: from the gradient in the output's place, and the other input in its own. */
static clg_status give_part(clg_node *n, int i, clg_tensor *const t[CLG_CONV_OPERANDS]) {
  const conv_attrs *a = n->attrs;
  const conv_attrs how = {.shape = a->shape, .output = inputs_of[a->output][i]};
  if (clg_creates_graph(n->ctx)) {
    clg_scope *scope = clg_scope_open(n->ctx);
    clg_tensor *g = apply(&how, t, NULL);
    clg_status s = g ? clg_edge_give(n, i, clg_tensor_ref(g)) : clg_last_status(n->ctx);
    clg_scope_close(scope);
    return s;
  }
  bool add;
  int64_t d[4];
  dims_of(&a->shape, how.output, d);
  clg_tensor *to = clg_edge_begin(n, i, 4, d, &add);
  clg_status s = to ? compute(&how, t, NULL, to, add, n->op) : clg_last_status(n->ctx);
  if (s == CLG_OK) return clg_edge_end(n, i, to);
  clg_tensor_unref(&to);
  return s;
}

/* The bias takes the sum over images and positions. */
static clg_status give_bias(clg_node *n, clg_tensor *g) {
  if (clg_creates_graph(n->ctx)) {
    clg_scope *scope = clg_scope_open(n->ctx);
    clg_tensor *sum = clg_sum(g, (int[]){0, 2, 3}, 3, false);
    clg_status s = sum ? clg_edge_give(n, IN_BIAS, clg_tensor_ref(sum)) : clg_last_status(n->ctx);
    clg_scope_close(scope);
    return s;
  }
  bool add;
  clg_tensor *to = clg_edge_begin(n, IN_BIAS, 1, g->shape + 1, &add);
  const clg_tensor *in[] = {g};
  const uint32_t dims = 1 | 1 << 2 | 1 << 3;
  clg_status s = to ? clg_map_reduce(clg_maps_of(n->ctx, CLG_MAP_COPY), CLG_REDUCE_SUM, to, in, NULL, 4, g->shape, dims,
                                     add, n->op)
                    : clg_last_status(n->ctx);
  if (s == CLG_OK) return clg_edge_end(n, IN_BIAS, to);
  clg_tensor_unref(&to);
  return s;
}

/* The gradient before the activation, from that of its result y: a new reference, and recorded under create_graph. */
static clg_tensor *inner_gradient(clg_node *n, const conv_attrs *a, clg_tensor *y, clg_tensor *g) {
  if (clg_creates_graph(n->ctx)) {
    clg_scope *scope = clg_scope_open(n->ctx);
    clg_tensor *z = clg_tensor_ref(clg_behind_recorded(a->act, a->slope, y, g));
    clg_scope_close(scope);
    return z;
  }
  clg_tensor *z = clg_grad_space(g, n->op);
  if (z && clg_map_run(a->act->grad[0].fn, &z, (const clg_tensor *[]){NULL, y, g}, &a->slope, false, n->op) != CLG_OK)
    clg_tensor_unref(&z);
  return z;
}

static clg_status conv_backward(clg_node *n, clg_tensor *g) {
  const conv_attrs *a = n->attrs;
  const clg_conv_operand *part = inputs_of[a->output];
  clg_tensor *t[CLG_CONV_OPERANDS] = {NULL}, *packed = NULL, *y = NULL, *z = NULL;
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < SAVED; i++)
    if (clg_node_wants(n, 1 - i) && !(t[part[i]] = clg_node_unpack(n, i))) s = clg_last_status(n->ctx);
  if (s == CLG_OK && a->act && !((y = clg_node_unpack_view(n, SAVED_RESULT)) && (z = g = inner_gradient(n, a, y, g))))
    s = clg_last_status(n->ctx);
  /* Packed once for both; under create_graph it must stay the tensor that has the graph. */
  if (s == CLG_OK && !clg_creates_graph(n->ctx) && !(g = packed = clg_tensor_packed(g, n->op)))
    s = clg_last_status(n->ctx);
  t[a->output] = g;
  if (s == CLG_OK && n->n_edges > IN_BIAS && clg_node_wants(n, IN_BIAS)) s = give_bias(n, g);
  for (int i = SAVED - 1; s == CLG_OK && i >= 0; i--)
    if (clg_node_wants(n, i)) s = give_part(n, i, t);
  for (int i = 0; i < SAVED; i++) clg_tensor_unref(&t[part[i]]);
  clg_tensor_unref(&packed);
  clg_tensor_unref(&z);
  clg_tensor_unref(&y);
  return s;
}

static const clg_node_class conv_class = {.backward = conv_backward};

static clg_status record(const conv_attrs *attrs, clg_tensor *const in[3], clg_tensor *y) {
  clg_node *n = clg_node_create(in, in[IN_BIAS] ? 3 : 2, SLOTS, sizeof *attrs, &conv_class, names[attrs->output]);
  if (!n) return CLG_ERR_HOST_MEMORY;
  memcpy(n->attrs, attrs, sizeof *attrs);
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && i < SAVED; i++) /* each is needed for the other's gradient */
    if (in[1 - i]->requires_grad) s = clg_node_save(n, i, in[i], i);
  if (s == CLG_OK && attrs->act) s = clg_node_save(n, SAVED_RESULT, y, CLG_SAVED_OUTPUT);
  if (s == CLG_OK) return clg_node_attach(n, y);
  clg_node_unref(n);
  return s;
}

/* The output as an op result. */
static clg_tensor *apply(const conv_attrs *how, clg_tensor *const t[CLG_CONV_OPERANDS], clg_tensor *bias) {
  clg_conv_operand output = how->output;
  clg_tensor *const in[] = {t[inputs_of[output][0]], t[inputs_of[output][1]], bias};
  clg_context *ctx = in[0]->ctx;
  int64_t d[4];
  dims_of(&how->shape, output, d);
  clg_tensor *y = clg_tensor_new(ctx, 4, d, clg_result_role(ctx), names[output]);
  clg_status status = y ? compute(how, t, bias, y, false, names[output]) : clg_last_status(ctx);
  if (status == CLG_OK && clg_records(in, bias ? 3 : 2)) status = record(how, in, y);
  if (status != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

/* ---- checks ---- */

static bool refuse(clg_tensor *x, clg_status status, const char *op, const char *what) {
  clg_fail(x->ctx, status, op, "%s", what);
  return false;
}

static bool options_ok(clg_tensor *x, const clg_conv_options *o, bool transposed, const char *op) {
  for (int a = 0; a < 2; a++) {
    if (o->stride[a] < 1 || o->dilation[a] < 1)
      return refuse(x, CLG_ERR_ARGUMENT, op, "stride and dilation are 1 or more");
    if (o->padding[a] < 0 || o->output_padding[a] < 0)
      return refuse(x, CLG_ERR_ARGUMENT, op, "padding and output_padding are not negative");
    if (!transposed && o->output_padding[a])
      return refuse(x, CLG_ERR_ARGUMENT, op, "output_padding is for conv_transpose2d alone");
    if (o->output_padding[a] && o->output_padding[a] >= o->stride[a] && o->output_padding[a] >= o->dilation[a])
      return refuse(x, CLG_ERR_ARGUMENT, op, "output_padding is less than the stride or the dilation");
  }
  return o->groups >= 1 || refuse(x, CLG_ERR_ARGUMENT, op, "groups is 1 or more");
}

/* Channels of input and output from the weight [O,C/groups,kh,kw] or, transposed, [C,O/groups,kh,kw]. */
static bool ranks_ok(clg_tensor *x, clg_tensor *w, clg_tensor *bias, int64_t groups, bool transposed, const char *op) {
  bool ok = x->ndim == 4 && w->ndim == 4 && (!bias || bias->ndim == 1);
  for (int d = 0; ok && d < 4; d++) ok = w->shape[d] > 0 && (d == 0 || x->shape[d] > 0);
  if (ok) {
    int64_t in = transposed ? w->shape[0] : w->shape[1] * groups, out = transposed ? w->shape[1] * groups : w->shape[0];
    ok = x->shape[1] == in && in % groups == 0 && out % groups == 0 && (!bias || bias->shape[0] == out);
  }
  if (ok) return true;
  char s[3][CLG_SHAPE_TEXT];
  clg_fail(x->ctx, CLG_ERR_SHAPE, op,
           "x %s, weight %s, bias %s, %d group%s: want [N,C,H,W], %s, [O], groups dividing C and O",
           clg_shape_text(x->ndim, x->shape, s[0]), clg_shape_text(w->ndim, w->shape, s[1]),
           bias ? clg_shape_text(bias->ndim, bias->shape, s[2]) : "none", (int)groups, groups == 1 ? "" : "s",
           transposed ? "[C,O/groups,kh,kw]" : "[O,C/groups,kh,kw]");
  return false;
}

/* The sizes on both sides. Limits keep the kernels' index arithmetic within 32 bits. */
static bool sizes_of(clg_conv_shape *s, clg_tensor *x, clg_tensor *w, const clg_conv_options *o, bool transposed,
                     const char *op) {
  const int64_t limit = 1 << 28;
  for (int a = 0; a < 2; a++) {
    int64_t size = x->shape[2 + a], reach = (w->shape[2 + a] - 1) * o->dilation[a] + 1,
            pad = 2 * (int64_t)o->padding[a];
    int64_t other = transposed           ? (size - 1) * o->stride[a] - pad + reach + o->output_padding[a]
                    : size + pad < reach ? 0
                                         : (size + pad - reach) / o->stride[a] + 1;
    if (size + pad > limit || reach > limit || o->stride[a] > limit || other > limit)
      return refuse(x, CLG_ERR_SHAPE, op, "sizes, padding, stride and the kernel's reach are at most 2^28");
    if (other < 1) {
      clg_fail(x->ctx, CLG_ERR_SHAPE, op, "%s %d of %s %d leaves no output (padding %d, dilation %d)",
               a ? "width" : "height", (int)size, "a kernel of", (int)w->shape[2 + a], o->padding[a], o->dilation[a]);
      return false;
    }
    s->in[a] = (int)(transposed ? other : size), s->out[a] = (int)(transposed ? size : other);
    s->kernel[a] = (int)w->shape[2 + a];
    s->stride[a] = o->stride[a], s->padding[a] = o->padding[a], s->dilation[a] = o->dilation[a];
  }
  return true;
}

static clg_tensor *convolve(clg_tensor *x, clg_tensor *w, clg_tensor *bias, const clg_conv_options *options,
                            bool transposed) {
  static const clg_conv_options usual = CLG_CONV_OPTIONS_INIT;
  const clg_conv_options *o = options ? options : &usual;
  clg_conv_operand output = transposed ? CLG_CONV_X : CLG_CONV_Y;
  const char *op = names[output];
  clg_tensor *const in[] = {x, w, bias};
  conv_attrs how = {.shape = {.groups = o->groups}, .output = output, .slope = o->slope};
  clg_conv_shape *s = &how.shape;
  clg_behind behind;
  if (!clg_inputs_ok(in, bias ? 3 : 2, op) || !options_ok(x, o, transposed, op) ||
      !ranks_ok(x, w, bias, o->groups, transposed, op) || !sizes_of(s, x, w, o, transposed, op))
    return NULL;
  s->batch = (int)x->shape[0];
  s->o = (int)w->shape[0];
  s->c = (int)(w->shape[1] * o->groups);
  clg_tensor *t[CLG_CONV_OPERANDS] = {NULL};
  t[inputs_of[output][0]] = x, t[inputs_of[output][1]] = w;
  if (!clg_behind_begin(x->ctx, o->act, o->slope, &behind)) return NULL;
  how.act = behind.fused;
  return clg_behind_end(&behind, apply(&how, t, bias));
}

clg_tensor *clg_conv2d(clg_tensor *x, clg_tensor *w, clg_tensor *bias, const clg_conv_options *options) {
  return convolve(x, w, bias, options, false);
}

clg_tensor *clg_conv_transpose2d(clg_tensor *x, clg_tensor *w, clg_tensor *bias, const clg_conv_options *options) {
  return convolve(x, w, bias, options, true);
}
