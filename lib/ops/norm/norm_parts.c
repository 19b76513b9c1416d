/* The gradients of a norm's gain and offset. */
#include "ops/norm/norm_parts.h"
#include "kernel/constants.h"
#include "tensor/args.h"

enum { IN_X, IN_GAMMA, IN_BETA, GRADS };

uint32_t clg_norm_wanted(const clg_op_call *c) {
  uint32_t flags = 0;
  for (int i = IN_X; i < GRADS; i++) {
    if (c->to[i].t) flags |= (uint32_t)NORM_WANT_X << i;
    if (c->to[i].t && c->to[i].add) flags |= (uint32_t)NORM_ADD_X << i;
  }
  return flags;
}

clg_status clg_norm_parts(const clg_op_call *c, const clg_at sums[2], uint32_t parts, uint32_t n, uint32_t flags) {
  const clg_at to[] = {clg_tensor_place(c->to[IN_GAMMA].t), clg_tensor_place(c->to[IN_BETA].t)};
  const clg_at any = sums[0].block ? sums[0] : sums[1];
  clg_args args;
  args.n = 0;
  for (int i = 0; i < 4; i++) clg_args_at(&args, i < 2 ? sums[i] : to[i - 2], any);
  clg_args_u32(&args, parts);
  clg_args_u32(&args, n);
  clg_args_u32(&args, flags);
  clg_kernel *k = clg_kernel_get(c->ctx, "norm_parts.cl", NULL, "norm_parts");
  const size_t global[3] = {n, 1, 1};
  return clg_launch(c->ctx, k, c->op->name, &args, global, NULL);
}
