/* Anomaly mode: looks through results and gradients for NaN and Inf. */
#include "graph/graph.h"

/* 1 if an element of t is NaN or infinite. */
static clg_status look(const clg_tensor *t, const char *op, float *found) {
  clg_context *ctx = t->ctx;
  clg_tensor *flag = clg_tensor_new(ctx, 0, NULL, CLG_ROLE_WORKSPACE, op);
  if (!flag) return clg_last_status(ctx);
  clg_status s = clg_map_reduce(clg_maps_of(ctx, CLG_MAP_NOT_FINITE), CLG_REDUCE_MAX, flag, &t, NULL, t->ndim, t->shape,
                                (1u << t->ndim) - 1, false, op);
  if (s == CLG_OK) s = clg_tensor_read(flag, found);
  clg_tensor_unref(&flag);
  return s;
}

/* The op that made t: of its node, or else the one that asked for its memory. */
static const char *maker(const clg_tensor *t) {
  if (t->has_graph && t->grad && t->grad->node) return t->grad->node->op;
  return t->storage->changed_by;
}

clg_status clg_anomaly_check(const clg_tensor *t, const char *op, const char *what) {
  if (!t->numel || t->storage->dtype != CLG_F32) return CLG_OK;
  if (!op) op = maker(t);
  float found = 0;
  clg_context *ctx = t->ctx;
  clg_status s = look(t, op ? op : "anomaly", &found);
  if (s != CLG_OK || found == 0) return s;
  char shape[CLG_SHAPE_TEXT];
  const char *where = clg_in_backward(ctx) ? "backward" : "forward";
  if (clg_recomputing(ctx)) where = "a checkpointed segment that runs again";
  return clg_fail(ctx, CLG_ERR_GRAPH, op, "%s %s holds NaN or Inf, in %s", what, clg_tensor_text(t, shape), where);
}
