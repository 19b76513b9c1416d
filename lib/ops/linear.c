/* Linear layers: y = act(x w^T + b) over rows; with z the gradient before the activation dx = z w, dw = z^T x, db = sum
 * of z over the rows. */
#include "ops/fused_act.h"
#include "ops/matmul.h"
#include <clgrad/ops.h>
#include <string.h>

enum { IN_X, IN_W, IN_B };

typedef struct linear_attrs {
  clg_fused_act act;
} linear_attrs;

static bool shapes(clg_op_call *c, clg_shape *out) {
  const clg_tensor *x = c->in[IN_X], *w = c->in[IN_W], *b = c->in[IN_B];
  bool ok = x->ndim >= 1 && w->ndim == 2 && x->shape[x->ndim - 1] == w->shape[1] &&
            (!b || (b->ndim == 1 && b->shape[0] == w->shape[0]));
  if (ok) {
    out[0].dim[x->ndim - 1] = w->shape[0];
    return true;
  }
  char s[3][CLG_SHAPE_TEXT];
  return clg_refuse(c->ctx, CLG_ERR_SHAPE, "linear", "x %s, weight %s, bias %s: want [..,K], [N,K], [N]",
                    clg_tensor_text(x, s[0]), clg_tensor_text(w, s[1]), clg_tensor_text(b, s[2]));
}

static clg_status forward(clg_op_call *c) {
  const linear_attrs *a = c->attrs;
  clg_tensor *b = c->in[IN_B], *bias = NULL;
  clg_matrix m[2] = {{0}};
  const char *epilogue;
  bool ok = clg_fused_act_text(c->ctx, &a->act, clg_formula_epilogue, &epilogue) &&
            clg_matrix_of_rows(&m[0], c->in[IN_X], "linear") && (!b || (bias = clg_tensor_packed(b, "linear"))) &&
            clg_matrix_of(&m[1], c->in[IN_W], "linear");
  clg_status s = ok ? CLG_OK : clg_last_status(c->ctx);
  if (ok) {
    m[1] = clg_transposed(m[1]);
    clg_product p;
    clg_product_set(&p, c->out[0], &m[0], &m[1]);
    if (bias) p.bias = bias->storage->block, p.bias_offset = clg_tensor_at(bias);
    p.epilogue = epilogue, memcpy(p.numbers, a->act.numbers, sizeof p.numbers);
    s = clg_product_run(c->ctx, &p, "linear");
  }
  clg_matrix_drop(m, 2);
  clg_tensor_unref(&bias);
  return s;
}

static uint32_t needs(const clg_op_call *c, int input) {
  static const uint32_t read[] = {[IN_X] = CLG_IN(IN_W), [IN_W] = CLG_IN(IN_X), [IN_B] = 0};
  const linear_attrs *a = c->attrs;
  return read[input] | (a->act.formula ? CLG_OUT(0) : 0);
}

/* That of the result but for the last dimension; w is there where the gradient of x is wanted. */
static void shape_of_x(const clg_op_call *c, int64_t shape[CLG_MAX_DIMS]) {
  memcpy(shape, c->grad->shape, sizeof c->grad->shape);
  shape[c->grad->ndim - 1] = c->in[IN_W]->shape[1];
}

/* t [..,n] as [rows,n], packed: a reference. */
static clg_tensor *rows_of(clg_tensor *t) {
  clg_matrix m;
  if (!clg_matrix_of_rows(&m, t, "linear")) return NULL;
  clg_tensor *rows = clg_tensor_view(m.t->storage, m.t->offset, 2, (int64_t[]){m.rows, m.cols}, NULL);
  clg_matrix_drop(&m, 1);
  return rows;
}

/* db (+)= the sum of z over its rows. Of a fused activation z is written on the way, from y and the gradient g behind
 * it. */
static clg_status bias_gradient(clg_op_call *c, clg_tensor *y, clg_tensor *g, clg_tensor *z) {
  const linear_attrs *a = c->attrs;
  const clg_grad_place *to = clg_op_begin_as(c, IN_B, 1, z->shape + 1);
  if (!to) return clg_last_status(c->ctx);
  clg_status s = a->act.formula
                     ? clg_map_sum_keep(a->act.formula->grad[0].fn, to->t, z, (const clg_tensor *[]){NULL, y, g},
                                        a->act.numbers, to->add, "linear")
                     : clg_map_reduce(clg_maps_of(c->ctx, CLG_MAP_COPY), CLG_REDUCE_SUM, to->t,
                                      (const clg_tensor *[]){z}, NULL, 2, z->shape, 1, to->add, "linear");
  return s == CLG_OK ? clg_op_end(c, IN_B) : s;
}

/* z [rows,n] from g [rows,n]: a reference. The bias takes its gradient on the way. */
static clg_tensor *inner_gradient(clg_op_call *c, clg_tensor *g) {
  const linear_attrs *a = c->attrs;
  const bool bias = clg_op_wants(c, IN_B);
  clg_tensor *y = NULL, *z;
  if (a->act.formula && !(y = rows_of(c->out[0]))) return NULL;
  z = bias ? clg_fused_act_space(&a->act, g, c->grad_is_unique, "linear")
           : clg_fused_act_backward(&a->act, y, g, c->grad_is_unique, "linear");
  if (z && bias && bias_gradient(c, y, g, z) != CLG_OK) clg_tensor_unref(&z);
  clg_tensor_unref(&y);
  return z;
}

/* The place of dx or dw. */
static const clg_grad_place *begin(clg_op_call *c, int i) {
  const clg_tensor *g = c->grad;
  int64_t shape[CLG_MAX_DIMS];
  if (i == IN_W) {
    const clg_tensor *x = c->in[IN_X];
    return clg_op_begin_as(c, i, 2, (int64_t[]){g->shape[g->ndim - 1], x->shape[x->ndim - 1]});
  }
  shape_of_x(c, shape);
  return clg_op_begin_as(c, i, g->ndim, shape);
}

/* dw and dx, in one launch. */
static clg_status products(clg_op_call *c, clg_tensor *z) {
  clg_product p[2];
  clg_matrix m[4] = {{0}};
  int count = 0;
  bool ok = true;
  for (int i = IN_W; ok && i >= IN_X; i--) {
    if (!clg_op_wants(c, i)) continue;
    clg_matrix *l = &m[2 * count], *r = l + 1;
    ok = clg_matrix_of_rows(l, z, "linear") &&
         (i == IN_W ? clg_matrix_of_rows(r, c->in[IN_X], "linear") : clg_matrix_of(r, c->in[IN_W], "linear"));
    const clg_grad_place *to = ok ? begin(c, i) : NULL;
    ok = to != NULL;
    if (!ok) break;
    if (i == IN_W) *l = clg_transposed(*l);
    clg_product_set(&p[count], to->t, l, r);
    p[count++].accumulate = to->add;
  }
  clg_status s = ok ? clg_products_run(c->ctx, p, count, "linear") : clg_last_status(c->ctx);
  clg_matrix_drop(m, 4);
  return s;
}

static clg_status backward(clg_op_call *c) {
  clg_tensor *g = rows_of(c->grad), *z = g ? inner_gradient(c, g) : NULL;
  clg_tensor_unref(&g);
  clg_status s = z ? products(c, z) : clg_last_status(c->ctx);
  clg_tensor_unref(&z);
  return s;
}

static clg_tensor *flat(clg_tensor *t) {
  return t ? clg_reshape(t, 2, (int64_t[]){clg_row_count(t), t->shape[t->ndim - 1]}) : NULL;
}

static void compose(clg_op_call *c, clg_tensor **d) {
  const linear_attrs *a = c->attrs;
  clg_tensor *g = c->grad, *z = flat(clg_fused_act_compose(&a->act, c->out[0], g));
  if (clg_op_wants(c, IN_W)) d[IN_W] = clg_matmul(clg_transpose(z, 0, 1), flat(c->in[IN_X]));
  if (clg_op_wants(c, IN_B)) d[IN_B] = clg_sum(z, (int[]){0}, 1, false);
  if (!clg_op_wants(c, IN_X)) return;
  int64_t shape[CLG_MAX_DIMS];
  shape_of_x(c, shape);
  d[IN_X] = clg_reshape(clg_matmul(z, c->in[IN_W]), g->ndim, shape);
}

static const clg_op linear_op = {.name = "linear",
                                 .attrs = sizeof(linear_attrs),
                                 .traits = CLG_OP_STRIDED | CLG_OP_NO_PLACES,
                                 .optional = CLG_IN(IN_B),
                                 .shapes = shapes,
                                 .forward = forward,
                                 .needs = needs,
                                 .backward = backward,
                                 .compose = compose};

clg_linear_options clg_linear_defaults(void) { return (clg_linear_options){.act = {NULL, {0}}}; }

clg_tensor *clg_linear(clg_tensor *x, clg_tensor *w, clg_tensor *b, const clg_linear_options *options) {
  const clg_linear_options usual = clg_linear_defaults(), *o = options ? options : &usual;
  clg_act_choice choice;
  if (!clg_inputs_here(&x, 1, "linear") || !clg_fused_act_begin(x->ctx, &o->act, false, "linear", &choice)) return NULL;
  linear_attrs a = {choice.fused};
  return clg_fused_act_end(&choice, clg_op_run(&linear_op, (clg_tensor *[]){x, w, b}, 3, &a));
}
