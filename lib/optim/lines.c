/* Lines: several tensors of one allocation as one, so that one kernel does for all. */
#include "optim/lines.h"

bool clg_line_goes_on(const clg_tensor *first, const clg_tensor *next, size_t distance) {
  return first->storage->block == next->storage->block && clg_tensor_at(next) == clg_tensor_at(first) + distance;
}

clg_tensor *clg_line_make(const clg_tensor *t, size_t from, size_t n) {
  clg_storage *s = clg_storage_slice(t->ctx, t->storage->block, clg_tensor_at(t) + from, n, t->storage->role);
  clg_tensor *v = s ? clg_tensor_view(s, 0, 1, (int64_t[]){(int64_t)n}, NULL) : NULL;
  clg_storage_unref(s);
  return v;
}

size_t clg_line_end(clg_tensor *const *list, size_t n, size_t i, size_t *length) {
  size_t end = i + 1, distance = clg_line_padded(list[i]->numel);
  *length = (size_t)list[i]->numel;
  for (; end < n && list[end] && list[end]->numel && clg_tensor_is_contiguous(list[end]); end++) {
    if (!clg_line_goes_on(list[i], list[end], distance)) break;
    *length = distance + (size_t)list[end]->numel;
    distance += clg_line_padded(list[end]->numel);
  }
  return end;
}
