/* The life of an op: checks, running, recording, and backward. */
#include "ops/op.h"
#include <stdlib.h>
#include <string.h>

/* Inputs that a call has room for without the heap. */
enum { FEW = 16 };

/* A node's attributes: the engine's, behind them the inputs' shapes, behind them the op's own. */
typedef struct record {
  const clg_op *op;
  uint32_t slots;          /* what is saved, by bits, in the order of the node's slots */
  uint32_t own;            /* where the op's own attributes begin, in bytes */
  int n;                   /* inputs; the edges are those that may have a gradient */
  clg_input_shape input[]; /* of each edge, unless CLG_OP_NO_PLACES */
} record;

static record *record_of(const clg_node *n) { return n->attrs; }
const void *clg_op_attrs(const clg_node *n) { return (char *)n->attrs + record_of(n)->own; }

/* Few are set, and not every CPU that this is compiled for can count them at once. */
static int bits_of(uint32_t mask) {
  int n = 0;
  for (; mask; mask &= mask - 1) n++;
  return n;
}

static int slot_number(const record *r, uint32_t slot) { return bits_of(r->slots & (slot - 1)); }

const clg_saved *clg_op_saved(const clg_node *n, uint32_t slot) {
  const record *r = record_of(n);
  return r->slots & slot ? &n->saved[slot_number(r, slot)] : NULL;
}

/* The tensor of a call that a slot stands for. */
static clg_tensor **tensor_of(const clg_op_call *c, int bit) {
  return bit < CLG_OP_SAVED_INPUTS ? &c->in[bit] : &((clg_op_call *)c)->out[31 - bit];
}

/* ---- backward ---- */

const clg_input_shape *clg_op_input(const clg_op_call *c, int i) { return &record_of(c->node)->input[i]; }

clg_grad_place *clg_op_begin_as(clg_op_call *c, int i, int ndim, const int64_t *shape) {
  c->to[i].t = clg_edge_begin(c->node, i, ndim, shape, &c->to[i].add);
  return c->to[i].t ? &c->to[i] : NULL;
}

clg_grad_place *clg_op_begin(clg_op_call *c, int i) {
  const clg_input_shape *s = clg_op_input(c, i);
  return clg_op_begin_as(c, i, s->ndim, s->dim);
}

clg_status clg_op_end(clg_op_call *c, int i) {
  clg_tensor *t = c->to[i].t;
  c->to[i].t = NULL;
  return clg_edge_end(c->node, i, t);
}

static uint32_t needs(const clg_op_call *c, int input) { return c->op->needs ? c->op->needs(c, input) : c->op->reads; }

/* False where each input that required grad is frozen meanwhile. */
static bool wants_any(const clg_op_call *c) {
  for (int i = 0; i < c->node->n_edges; i++)
    if (clg_op_wants(c, i)) return true;
  return false;
}

static clg_status unpack(clg_op_call *c) {
  const record *r = record_of(c->node);
  uint32_t needed = 0;
  for (int i = 0; r->slots && i < c->node->n_edges; i++)
    if (clg_op_wants(c, i)) needed |= needs(c, i);
  needed &= r->slots;
  for (; needed; needed &= needed - 1) {
    int bit = __builtin_ctz(needed), slot = slot_number(r, 1u << bit);
    clg_tensor *t =
        c->op->traits & CLG_OP_STRIDED ? clg_node_unpack_view(c->node, slot) : clg_node_unpack(c->node, slot);
    if (!(*tensor_of(c, bit) = t)) return clg_last_status(c->ctx);
  }
  return CLG_OK;
}

static clg_status compose(clg_op_call *c) {
  clg_tensor *few[FEW] = {NULL}, **d = c->n <= FEW ? few : calloc((size_t)c->n, sizeof *d);
  if (!d) return clg_fail(c->ctx, CLG_ERR_HOST_MEMORY, c->op->name, "out of host memory");
  clg_scope *scope = clg_scope_open(c->ctx);
  clg_status s = clg_scope_opened(scope) ? CLG_OK : clg_last_status(c->ctx);
  if (s == CLG_OK) c->op->compose(c, d);
  for (int i = 0; s == CLG_OK && i < c->node->n_edges; i++)
    if (clg_op_wants(c, i)) s = clg_op_give(c, i, clg_tensor_ref(d[i]));
  clg_scope_close(scope);
  if (d != few) free(d);
  return s;
}

static clg_status run_kernels(clg_op_call *c, clg_tensor *grad) {
  clg_tensor *packed = NULL;
  c->grad_is_unique = clg_is_unique(grad);
  if (!(c->op->traits & CLG_OP_STRIDED)) {
    if (!(packed = clg_tensor_packed(grad, c->op->name))) return clg_last_status(c->ctx);
    c->grad_is_unique = c->grad_is_unique || packed != grad;
    c->grad = packed;
  }
  clg_status s = CLG_OK;
  for (int i = 0; s == CLG_OK && !(c->op->traits & (CLG_OP_LATE | CLG_OP_NO_PLACES)) && i < c->node->n_edges; i++)
    if (clg_op_wants(c, i) && !clg_op_begin(c, i)) s = clg_last_status(c->ctx);
  if (s == CLG_OK) s = c->op->backward(c);
  for (int i = 0; i < c->n; i++) {
    if (!c->to[i].t) continue;
    if (s == CLG_OK)
      s = clg_op_end(c, i);
    else
      clg_tensor_unref(&c->to[i].t);
  }
  clg_tensor_unref(&packed);
  return s;
}

/* Field by field, as calls are many: an initializer would clear it all first. */
static void begin_call(clg_op_call *c, const clg_op *op, clg_context *ctx, void *attrs, int n) {
  c->op = op;
  c->ctx = ctx;
  c->attrs = attrs;
  c->n = n;
  for (int k = 0; k < CLG_OP_OUTS; k++) c->out[k] = NULL;
}

static clg_status op_backward(clg_node *n, clg_tensor *grad) {
  clg_tensor *few[FEW];
  clg_grad_place few_to[FEW];
  const record *r = record_of(n);
  clg_op_call c;
  begin_call(&c, r->op, n->ctx, (void *)clg_op_attrs(n), r->n);
  c.node = n, c.grad = grad, c.in = few, c.to = few_to;
  if (c.n > FEW) {
    c.in = malloc((size_t)c.n * (sizeof *c.in + sizeof *c.to));
    if (!c.in) return clg_fail(n->ctx, CLG_ERR_HOST_MEMORY, n->op, "out of host memory");
    c.to = (clg_grad_place *)(c.in + c.n);
  }
  for (int i = 0; i < c.n; i++) c.in[i] = NULL, c.to[i] = (clg_grad_place){NULL, false};
  bool any = wants_any(&c);
  clg_status s = unpack(&c);
  if (s == CLG_OK && any) s = clg_creates_graph(n->ctx) || !r->op->backward ? compose(&c) : run_kernels(&c, grad);
  for (int i = 0; i < c.n; i++)
    if (c.in[i]) clg_tensor_unref(&c.in[i]);
  for (int k = 0; k < CLG_OP_OUTS; k++)
    if (c.out[k]) clg_tensor_unref(&c.out[k]);
  if (c.in != few) free(c.in);
  return s;
}

/* ---- recording ---- */

static clg_expr op_recompute(clg_node *n, clg_recompute *r) {
  const clg_op *op = record_of(n)->op;
  return op->recompute ? op->recompute(r, n) : 0;
}

static void op_finish(clg_node *n) { record_of(n)->op->release((void *)clg_op_attrs(n)); }

static const int64_t *op_input_shape(const clg_node *n, int i, int *ndim) {
  const record *r = record_of(n);
  if (r->op->traits & CLG_OP_NO_PLACES) return NULL;
  *ndim = r->input[i].ndim;
  return r->input[i].dim;
}

static const clg_node_class op_class = {.backward = op_backward,
                                        .recompute = op_recompute,
                                        .input_shape = op_input_shape},
                            view_class = {.backward = op_backward, .views = true, .input_shape = op_input_shape};

/* What is saved: of in[], the inputs as they were given. */
static uint32_t slots_of(const clg_op_call *c, clg_tensor *const *in, int edges) {
  uint32_t slots = 0;
  for (int i = 0; i < edges; i++)
    if (in[i] && in[i]->requires_grad) slots |= needs(c, i);
  if (c->op->keeps && clg_remat_is_on(c->ctx) && clg_recomputes(c->ctx)) slots |= c->op->keeps(c);
  uint32_t present = CLG_OUT(0) | CLG_OUT(1) | CLG_OUT(2);
  for (int i = 0; slots && i < c->n && i < CLG_OP_SAVED_INPUTS; i++)
    if (in[i]) present |= CLG_IN(i);
  return slots & present;
}

static void write_record(record *r, const clg_op_call *c, clg_tensor *const *in, int inputs) {
  for (int i = 0; i < inputs; i++) {
    r->input[i].ndim = in[i] ? in[i]->ndim : -1;
    if (!in[i]) continue;
    memcpy(r->input[i].dim, in[i]->shape, sizeof in[i]->shape);
  }
  if (c->op->attrs) memcpy((char *)r + r->own, c->attrs, c->op->attrs);
}

static clg_status record_call(const clg_op_call *c, clg_tensor *const *in, int edges) {
  const clg_op *op = c->op;
  int inputs = op->traits & CLG_OP_NO_PLACES ? 0 : edges;
  uint32_t slots = slots_of(c, in, edges);
  size_t own = sizeof(record) + (size_t)inputs * sizeof(clg_input_shape);
  clg_node *n = clg_node_create(in, edges, c->out[0], bits_of(slots), own + op->attrs,
                                op->traits & CLG_OP_VIEW ? &view_class : &op_class, op->name);
  if (!n) return CLG_ERR_HOST_MEMORY;
  record *r = record_of(n);
  r->op = op, r->slots = slots, r->own = (uint32_t)own, r->n = c->n;
  write_record(r, c, in, inputs);
  if (op->hold) op->hold((void *)clg_op_attrs(n));
  if (op->release) n->finish = op_finish;
  clg_status s = CLG_OK;
  /* The result last: its formula reads what is saved. */
  for (int slot = 0; s == CLG_OK && slots; slots &= slots - 1) {
    int bit = __builtin_ctz(slots), source = bit < edges ? bit : CLG_SAVED_OTHER;
    if (bit == 31) source = CLG_SAVED_OUTPUT;
    s = clg_node_save(n, slot++, bit < CLG_OP_SAVED_INPUTS ? in[bit] : c->out[31 - bit], source);
  }
  if (s == CLG_OK) return clg_node_attach(n, c->out[0]);
  clg_node_unref(n);
  return s;
}

/* ---- forward ---- */

static bool may_lack(const clg_op *op, int i) { return i < CLG_OP_SAVED_INPUTS && op->optional & CLG_IN(i); }

/* As the op takes them: NULL where it may be, of one context, float32. Their context; NULL with the error set. */
static clg_context *check_inputs(const clg_op *op, clg_tensor *const *in, int n) {
  clg_tensor *first = NULL, *other = NULL, *integer = NULL;
  bool lacks = false;
  for (int i = 0; i < n; i++) {
    if (!in[i]) {
      lacks = lacks || !may_lack(op, i);
      continue;
    }
    if (!first) first = in[i];
    if (in[i]->ctx != first->ctx) other = in[i];
    if (in[i]->storage->dtype != CLG_F32 && !integer) integer = in[i];
  }
  clg_context *ctx = first ? first->ctx : NULL;
  if (ctx && !lacks && !other && (!integer || op->traits & CLG_OP_ANY_TYPE)) return ctx;
  if (!ctx || lacks)
    clg_null(ctx, op->name);
  else if (other)
    clg_fail(ctx, CLG_ERR_ARGUMENT, op->name, "its inputs belong to different contexts");
  else
    clg_tensor_holds(integer, CLG_F32, op->name);
  return NULL;
}

static clg_tensor *result_of(const clg_op_call *c, const clg_shape *s) {
  clg_role role = clg_result_role(c->ctx);
  return s->dtype == CLG_I32 ? clg_tensor_new_i32(c->ctx, s->ndim, s->dim, role, c->op->name)
                             : clg_tensor_new(c->ctx, s->ndim, s->dim, role, c->op->name);
}

/* Contiguous inputs in c->in, and undefined results. */
static clg_status prepare(clg_op_call *c, clg_tensor *const *in, const clg_shape *shape) {
  bool ok = true;
  for (int i = 0; ok && !(c->op->traits & CLG_OP_STRIDED) && i < c->n; i++)
    if (in[i]) ok = (c->in[i] = clg_tensor_packed(in[i], c->op->name)) != NULL;
  for (int k = 0; ok && !(c->op->traits & (CLG_OP_VIEW | CLG_OP_MAKES)) && k < CLG_OP_OUTS; k++)
    if (shape[k].ndim >= 0) ok = (c->out[k] = result_of(c, &shape[k])) != NULL;
  return ok ? CLG_OK : clg_last_status(c->ctx);
}

/* c->in[] has room for n, unless the op takes them as they are. */
static clg_status run(clg_op_call *c, clg_tensor *const *in) {
  bool packs = !(c->op->traits & CLG_OP_STRIDED);
  clg_tensor **packed = c->in;
  clg_shape shape[CLG_OP_OUTS];
  for (int k = 0; k < CLG_OP_OUTS; k++) shape[k].ndim = -1, shape[k].dtype = CLG_F32;
  if (in[0]) {
    shape[0].ndim = in[0]->ndim;
    memcpy(shape[0].dim, in[0]->shape, sizeof shape[0].dim);
  }
  c->in = (clg_tensor **)in;
  if (c->op->shapes && !c->op->shapes(c, shape)) return clg_last_status(c->ctx);
  c->shape = shape;
  if (packs) c->in = packed;
  for (int i = 0; packs && i < c->n; i++) packed[i] = NULL;
  clg_status s = prepare(c, in, shape);
  if (s == CLG_OK) s = c->op->forward(c);
  int grads = c->op->grads && c->op->grads < c->n ? c->op->grads : c->n;
  if (s == CLG_OK && !(c->op->traits & CLG_OP_CONSTANT) && clg_records(in, grads)) s = record_call(c, in, grads);
  for (int i = 0; packs && i < c->n; i++)
    if (packed[i]) clg_tensor_unref(&packed[i]);
  return s;
}

/* Results become op results; a failure leaves none. */
static bool hand_out(clg_op_call *c, clg_status s, clg_tensor **out, int count) {
  bool ok = s == CLG_OK;
  for (int k = 0; k < CLG_OP_OUTS; k++) {
    if (!c->out[k]) continue;
    if (ok && k < count)
      ok = (out[k] = clg_result(c->out[k])) != NULL;
    else
      clg_tensor_unref(&c->out[k]);
  }
  for (int k = 0; !ok && k < count; k++) {
    if (!c->ctx->scope) clg_tensor_unref(&out[k]);
    out[k] = NULL;
  }
  return ok;
}

/* out[] is cleared. */
static bool call(const clg_op *op, clg_tensor *const *in, int n, void *attrs, clg_tensor **out, int count) {
  clg_tensor *few[FEW];
  clg_op_call c;
  clg_context *ctx = check_inputs(op, in, n);
  if (!ctx) return false;
  begin_call(&c, op, ctx, attrs, n);
  c.in = few;
  if (n > FEW && !(op->traits & CLG_OP_STRIDED)) c.in = malloc((size_t)n * sizeof *c.in);
  if (!c.in) return clg_refuse(ctx, CLG_ERR_HOST_MEMORY, op->name, "out of host memory");
  clg_tensor **own = c.in;
  const clg_work before = clg_work_begin(ctx, CLG_BY_OP, op->name);
  bool ok = hand_out(&c, run(&c, in), out, count);
  clg_work_end(ctx, before);
  if (own != few) free(own);
  return ok;
}

bool clg_op_run_all(const clg_op *op, clg_tensor *const *in, int n, void *attrs, clg_tensor **out, int count) {
  for (int k = 0; k < count; k++) out[k] = NULL;
  return call(op, in, n, attrs, out, count);
}

clg_tensor *clg_op_run(const clg_op *op, clg_tensor *const *in, int n, void *attrs) {
  clg_tensor *y = NULL;
  return call(op, in, n, attrs, &y, 1) ? y : NULL;
}
