/* Lists of equal indices, and launches that go by them. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/index/indexing.h"

static const char file[] = "index_add.cl";

static clg_status list(const clg_listed *l, const clg_tensor *index, const int64_t sizes[3], int skip,
                       const clg_tensor *spare, const char *op) {
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, &index, 1, spare);
  clg_args_block(&args, l->lists);
  clg_args_sizes(&args, sizes, 3);
  clg_args_i32(&args, skip);
  clg_kernel *k = clg_kernel_get(index->ctx, file, NULL, "index_lists");
  return clg_launch_groups(index->ctx, k, op, &args, (size_t[3]){1, 1, 1});
}

clg_status clg_listed_begin(clg_listed *l, const clg_tensor *index, int64_t n, int64_t inner, int skip,
                            const clg_tensor *g, const clg_tensor *to, const char *op) {
  const int64_t m = index->numel, most = n < m ? n : m, some = 4 * INDEX_PIECE / (CLG_CEIL_DIV(m, n) * inner + 1);
  const int64_t share = some > 1 ? some : 1, sizes[] = {n, m, most, share};
  l->lists = clg_block_alloc(index->ctx, (size_t)(n + m + most + 1) * sizeof(int32_t), CLG_ROLE_WORKSPACE, op);
  if (!l->lists) return clg_last_status(index->ctx);
  const clg_status s = list(l, index, sizes, skip, to, op);
  l->pieces = most ? (size_t)CLG_CEIL_DIV(most, share) : 1;
  l->args.n = 0;
  clg_args_tensors(&l->args, &g, 1, to);
  clg_args_block(&l->args, l->lists);
  clg_args_tensor(&l->args, to);
  clg_args_sizes(&l->args, sizes, 4);
  if (s != CLG_OK) clg_block_unref(l->lists);
  return s;
}

clg_status clg_listed_launch(clg_listed *l, clg_context *ctx, const char *kernel, int64_t outer, const char *op) {
  const size_t groups[3] = {l->pieces, (size_t)outer, 1};
  const clg_status s = clg_launch_groups(ctx, clg_kernel_get(ctx, file, NULL, kernel), op, &l->args, groups);
  clg_block_unref(l->lists);
  return s;
}
