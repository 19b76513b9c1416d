/* Storages: slices of device blocks with a version counter, and the books of what the graph holds. */
#include "tensor/tensor.h"
#include <stdlib.h>

clg_storage *clg_storage_slice(clg_context *ctx, clg_block *block, size_t offset, size_t numel, clg_role role) {
  clg_storage *s = calloc(1, sizeof *s);
  if (!s) return clg_fail_object(ctx, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  *s = (clg_storage){.refs = 1,
                     .ctx = ctx,
                     .block = block ? clg_block_ref(block) : NULL,
                     .offset = offset,
                     .numel = numel,
                     .role = role};
  clg_context_hold(ctx);
  return s;
}

clg_storage *clg_storage_create(clg_context *ctx, size_t numel, clg_role role, const char *op, const clg_extent *what) {
  clg_block *block = numel ? clg_block_alloc_for(ctx, numel * sizeof(float), role, op, what) : NULL;
  if (numel && !block) return NULL;
  clg_storage *s = clg_storage_slice(ctx, block, 0, numel, role);
  clg_block_unref(block);
  if (s) s->changed_by = op, s->dtype = what->dtype;
  return s;
}

clg_storage *clg_storage_ref(clg_storage *s) {
  s->refs++;
  return s;
}

void clg_storage_unref(clg_storage *s) {
  if (!s || --s->refs) return;
  clg_context *ctx = s->ctx;
  clg_block_unref(s->block);
  free(s);
  clg_context_release(ctx);
}

/* Parameters, images, noise and labels exist whether or not a graph looks at them. */
bool clg_storage_counts_as_saved(const clg_storage *s) {
  return s->block && s->role != CLG_ROLE_PARAMETER && s->role != CLG_ROLE_DATA;
}

void clg_storage_trained(clg_storage *s) {
  if (s->role == CLG_ROLE_PARAMETER) return;
  if (s->saved && clg_storage_counts_as_saved(s)) clg_books_saved(s->ctx, -(int64_t)(s->numel * sizeof(float)));
  s->role = CLG_ROLE_PARAMETER;
  if (s->block) clg_block_set_role(s->block, CLG_ROLE_PARAMETER);
}

void clg_storage_save(clg_storage *s) {
  clg_storage_ref(s);
  if (s->saved++ || !clg_storage_counts_as_saved(s)) return;
  if (s->role == CLG_ROLE_ACTIVATION) clg_block_set_role(s->block, CLG_ROLE_SAVED);
  clg_books_saved(s->ctx, (int64_t)(s->numel * sizeof(float)));
}

void clg_storage_unsave(clg_storage *s) {
  if (--s->saved == 0 && clg_storage_counts_as_saved(s)) {
    if (s->role == CLG_ROLE_ACTIVATION) clg_block_set_role(s->block, CLG_ROLE_ACTIVATION);
    clg_books_saved(s->ctx, -(int64_t)(s->numel * sizeof(float)));
  }
  clg_storage_unref(s);
}
