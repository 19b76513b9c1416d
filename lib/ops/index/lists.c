/* Lists of equal indices. */
#include "base/ceil_div.h"
#include "kernel/constants.h"
#include "ops/index/indexing.h"
#include "tensor/args.h"

int64_t clg_index_most(int64_t n, int64_t m) { return n < m ? n : m; }

int64_t clg_index_share(int64_t n, int64_t m, int64_t inner) {
  const int64_t share = 4 * INDEX_PIECE / (CLG_CEIL_DIV(m, n) * inner + 1);
  return share > 1 ? share : 1;
}

clg_block *clg_index_lists(const clg_tensor *index, int64_t n, int skip, const clg_tensor *spare, const char *op) {
  clg_context *ctx = index->ctx;
  const int64_t m = index->numel, most = clg_index_most(n, m);
  clg_block *lists = clg_block_alloc(ctx, (size_t)(n + m + most + 1) * sizeof(int32_t), CLG_ROLE_WORKSPACE, op);
  if (!lists) return NULL;
  clg_args args;
  args.n = 0;
  clg_args_tensors(&args, &index, 1, spare);
  clg_args_block(&args, lists);
  clg_args_sizes(&args, (int64_t[]){n, m, most}, 3);
  clg_args_i32(&args, skip);
  clg_kernel *k = clg_kernel_get(ctx, "index_add.cl", NULL, "index_lists");
  if (clg_launch_groups(ctx, k, op, &args, (size_t[3]){1, 1, 1}) != CLG_OK) clg_block_unref(lists), lists = NULL;
  return lists;
}
