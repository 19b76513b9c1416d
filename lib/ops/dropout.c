/* Dropout: keeps no mask. Its gradient is dropout again, at the same place of the random stream. */
#include "ops/compose.h"
#include "ops/formula.h"
#include <clgrad/ops.h>

typedef struct dropout_attrs {
  float p;
  uint64_t seed, position;
} dropout_attrs;

static clg_tensor *dropout_at(clg_tensor *x, dropout_attrs a);

static clg_status dropout_backward(clg_node *n, clg_tensor *g) {
  clg_scope *scope = clg_scope_open(n->ctx);
  return clg_give_result(n, 0, scope, dropout_at(g, *(dropout_attrs *)n->attrs));
}
static const clg_node_class dropout_class = {.backward = dropout_backward};

/* x with the elements dropped that the stream at a says; moves the stream. */
static clg_tensor *drop(clg_tensor *x, dropout_attrs a) {
  clg_context *ctx = x->ctx;
  clg_scope *scope = clg_scope_open(ctx);
  bool mode = clg_set_grad_mode(ctx, false);
  clg_seed(ctx, a.seed, a.position);
  clg_tensor *u = clg_rand(ctx, x->ndim, x->shape, 0, 1);
  float params[] = {a.p, a.p < 1 ? 1 / (1 - a.p) : 0};
  clg_tensor *y = clg_tensor_ref(clg_row_apply(CLG_ROW_DROPOUT, (clg_tensor *[]){x, u}, params));
  clg_set_grad_mode(ctx, mode);
  clg_scope_close(scope);
  return y;
}

static clg_tensor *recorded(clg_tensor *x, clg_tensor *y, dropout_attrs a) {
  if (!y || !clg_records(&x, 1)) return clg_result(y);
  clg_node *n = clg_node_create(&x, 1, 0, sizeof a, &dropout_class, "dropout");
  if (n) *(dropout_attrs *)n->attrs = a;
  if (!n || clg_node_attach(n, y) != CLG_OK) clg_tensor_unref(&y);
  return clg_result(y);
}

static clg_tensor *dropout_at(clg_tensor *x, dropout_attrs a) {
  uint64_t seed, position;
  clg_seed_get(x->ctx, &seed, &position);
  clg_tensor *y = drop(x, a);
  clg_seed(x->ctx, seed, position);
  return recorded(x, y, a);
}

clg_tensor *clg_dropout(clg_tensor *x, float p, bool training) {
  if (!clg_inputs_ok(&x, 1, "dropout")) return NULL;
  if (!(p >= 0 && p <= 1))
    return clg_fail(x->ctx, CLG_ERR_ARGUMENT, "dropout", "the probability must be in [0,1]"), NULL;
  if (!training || p == 0) return clg_result(clg_tensor_ref(x));
  dropout_attrs a = {.p = p};
  clg_seed_get(x->ctx, &a.seed, &a.position);
  return recorded(x, drop(x, a), a);
}
