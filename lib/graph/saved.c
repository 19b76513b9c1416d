/* A saved tensor by itself: whether it is still what it was, and letting go of it. */
#include "graph/graph.h"

void clg_saved_drop(clg_saved *s) {
  if (s->storage) clg_storage_unsave(s->storage);
  if (s->hooks.unpack && s->hooks.drop) s->hooks.drop(s->hooks.user, s->packed);
  s->storage = NULL;
  s->packed = NULL;
  s->hooks.unpack = NULL;
}

bool clg_saved_intact(const clg_saved *s, const char *op) {
  if (s->version == s->storage->version) return true;
  char shape[CLG_SHAPE_TEXT];
  return clg_refuse(
      s->storage->ctx, CLG_ERR_GRAPH, op,
      "a tensor %s that backward needs was changed in place by %s after this op saved it: saved at version %u, now %u. "
      "Change it after backward, or run the forward again",
      clg_shape_text(s->ndim, s->shape, shape), s->storage->changed_by, s->version, s->storage->version);
}
