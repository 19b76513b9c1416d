/* A saved tensor by itself: whether it is still what it was, and letting go of it. */
#include "graph/graph.h"
#include <stdio.h>

void clg_saved_drop(clg_saved *s) {
  if (s->storage) clg_storage_unsave(s->storage);
  if (s->hooks.unpack && s->hooks.drop) s->hooks.drop(s->hooks.user, s->packed);
  s->storage = NULL;
  s->packed = NULL;
  s->hooks.unpack = NULL;
}

void clg_released_text(const clg_node *n, char *to, size_t size) {
  const char *mark = *n->released_in ? "\"" : "";
  snprintf(to, size, "the tensors that this op saved were released by the backward %s%s%s",
           *n->released_in ? "in phase \"" : "before", n->released_in, mark);
}

void clg_changed_text(const clg_saved *s, char *to, size_t size) {
  char shape[CLG_SHAPE_TEXT];
  snprintf(to, size,
           "a tensor %s that backward needs was changed in place by %s after this op saved it: saved at version %u, "
           "now %u",
           clg_shape_text(s->ndim, s->shape, shape), s->storage->changed_by, s->version, s->storage->version);
}

bool clg_saved_intact(const clg_saved *s, const char *op) {
  if (s->version == s->storage->version) return true;
  char why[CLG_REASON_TEXT];
  clg_changed_text(s, why, sizeof why);
  return clg_refuse(s->storage->ctx, CLG_ERR_GRAPH, op, "%s. Change it after backward, or run the forward again", why);
}
