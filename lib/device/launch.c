/* Sets arguments and enqueues kernels. */
#include "device/launch.h"
#include "base/ceil_div.h"
#include "device/profile.h"
#include "device/program.h"
#include "device/queue.h"
#include <string.h>

#define FLAT_GROUP 64

void clg_args_f32x2(clg_args *a, const float v[2]) { memcpy(clg_args_next(a, 8)->u.f32x2, v, 8); }

void clg_args_packed(clg_args *a, const void *bytes) { memcpy(clg_args_next(a, 32)->u.v8, bytes, 32); }

void clg_args_v8(clg_args *a, const int32_t *v, int n, int32_t rest) {
  int32_t *to = clg_args_next(a, 32)->u.v8;
  for (int i = 0; i < 8; i++) to[i] = i < n ? v[i] : rest;
}

void clg_args_sizes(clg_args *a, const int64_t *v, int n) {
  for (int i = 0; i < n; i++) clg_args_u32(a, (uint32_t)v[i]);
}

void clg_args_at(clg_args *a, clg_at at, clg_at spare) {
  if (!at.block) at = spare;
  clg_args_block(a, at.block);
  clg_args_u32(a, (uint32_t)at.offset);
}

static clg_status set_args(clg_context *ctx, clg_kernel *k, const char *op, const clg_args *args) {
  for (int i = 0; i < args->n; i++) {
    const struct clg_arg *a = &args->arg[i];
    cl_mem mem = a->size || !a->u.block ? NULL : clg_block_mem(a->u.block); /* an empty tensor's */
    cl_int code = a->size ? clSetKernelArg(k->kernel, (cl_uint)i, a->size, &a->u)
                          : clSetKernelArg(k->kernel, (cl_uint)i, sizeof mem, &mem);
    if (code != CL_SUCCESS)
      return clg_fail(ctx, CLG_ERR_DEVICE, op, "argument %d of kernel %s: %s (%d)", i, k->name, clg_cl_name(code),
                      (int)code);
  }
  return CLG_OK;
}

/* What no driver would serve, or only some without a word. */
static clg_status check_limits(clg_context *ctx, const clg_kernel *k, const char *op, const clg_args *args,
                               const size_t group[3]) {
  size_t items = group[0] * group[1] * group[2], bytes = 0;
  for (int i = 0; i < args->n; i++) bytes += args->arg[i].size ? args->arg[i].size : ctx->info.address_bits / 8;
  if (k->max_group && items > k->max_group)
    return clg_fail(
        ctx, CLG_ERR_DEVICE, op,
        "work-groups of %zu items are more than the device allows kernel %s (at most %zu): use smaller ones", items,
        k->name, k->max_group);
  if (k->local_bytes > ctx->info.local_bytes)
    return clg_fail(ctx, CLG_ERR_DEVICE, op, "kernel %s needs %llu bytes of local memory, the device has %llu%s",
                    k->name, (unsigned long long)k->local_bytes, (unsigned long long)ctx->info.local_bytes,
                    ctx->shape == CLG_SHAPE_GPU ? ": CLGRAD_SHAPE=cpu needs none" : "");
  if (ctx->queue->argument_bytes && bytes > ctx->queue->argument_bytes)
    return clg_fail(ctx, CLG_ERR_DEVICE, op,
                    "kernel %s takes %zu bytes of arguments, the device allows %zu: use fewer tensors or dimensions in "
                    "a formula, or another device",
                    k->name, bytes, ctx->queue->argument_bytes);
  return CLG_OK;
}

static size_t flat_group(const clg_context *ctx, const clg_kernel *k) {
  size_t group = FLAT_GROUP;
  while (group > 1 && (group > ctx->info.max_work_group || (k->max_group && group > k->max_group))) group /= 2;
  return group;
}

/* NULL events unless profiling: some drivers hoard what an unreleased event refers to. */
static cl_int enqueue(clg_context *ctx, const clg_kernel *k, const size_t global[3], const size_t group[3],
                      cl_event *event) {
  size_t range[3];
  for (int i = 0; i < 3; i++) range[i] = (global[i] + group[i] - 1) / group[i] * group[i];
  cl_uint dims = 3;
  while (dims > 1 && range[dims - 1] == 1) dims--;
  return clEnqueueNDRangeKernel(ctx->queue->queue, k->kernel, dims, NULL, range, group, 0, NULL,
                                ctx->queue->profile ? event : NULL);
}

clg_status clg_launch(clg_context *ctx, clg_kernel *k, const char *op, const clg_args *args, const size_t global[3],
                      const size_t local[3]) {
  clg_status usable = clg_queue_usable(ctx, op);
  if (usable != CLG_OK) return usable;
  if (!k) return ctx->error.status != CLG_OK ? ctx->error.latest : clg_fail(ctx, CLG_ERR_BUILD, op, "it has no kernel");
  if (k->args >= 0 && k->args != args->n)
    return clg_fail(ctx, CLG_ERR_ARGUMENT, op,
                    "kernel %s takes %d arguments, and %d were given (a tensor counts as two)", k->name, k->args,
                    args->n);
  if (!global[0] || !global[1] || !global[2]) return CLG_OK;
  if (!ctx->queue) {
    clg_count_launches(ctx, 1);
    return CLG_OK;
  }
  const size_t flat[3] = {flat_group(ctx, k), 1, 1}, *group = local ? local : flat;
  clg_status s = check_limits(ctx, k, op, args, group);
  if (s == CLG_OK) s = set_args(ctx, k, op, args);
  if (s != CLG_OK) return s;
  cl_event event = NULL;
  const uint64_t number = clg_profile_launch(ctx);
  cl_int code = enqueue(ctx, k, global, group, &event);
  if (code != CL_SUCCESS && clg_pool_retry(ctx, code, op)) code = enqueue(ctx, k, global, group, &event);
  if (ctx->lost) return CLG_ERR_LOST;
  if (code != CL_SUCCESS) return clg_work_fail(ctx, op, k->name, code);
  clg_count_launches(ctx, 1);
  clg_queue_sent(ctx->queue);
  return event ? clg_profile_add(ctx, &(clg_launched){k->file, k->name, 1, number, NULL, event}) : CLG_OK;
}

clg_status clg_launch_groups(clg_context *ctx, clg_kernel *k, const char *op, const clg_args *args,
                             const size_t groups[3]) {
  const size_t wg = clg_kernel_group(ctx, k), global[3] = {groups[0] * wg, groups[1], groups[2]}, local[3] = {wg, 1, 1};
  return clg_launch(ctx, k, op, args, global, local);
}

clg_status clg_launch_pieces(clg_context *ctx, clg_kernel *k, const char *op, const clg_args *args, int64_t n,
                             int64_t piece) {
  if (ctx->shape == CLG_SHAPE_GPU) return clg_launch(ctx, k, op, args, (size_t[3]){(size_t)n, 1, 1}, NULL);
  return clg_launch_groups(ctx, k, op, args, (size_t[3]){(size_t)CLG_CEIL_DIV(n, piece), 1, 1});
}
