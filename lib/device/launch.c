/* Sets arguments and enqueues kernels. */
#include "device/launch.h"
#include "device/program.h"
#include "device/queue.h"
#include <string.h>

#define FLAT_GROUP 64

clg_arg clg_arg_packed(const void *bytes) {
  clg_arg a = {.size = sizeof a.u.v8};
  memcpy(a.u.v8, bytes, sizeof a.u.v8);
  return a;
}

clg_arg clg_arg_v8(const int32_t *v, int n, int32_t rest) {
  clg_arg a = {.size = sizeof a.u.v8};
  for (int i = 0; i < 8; i++) a.u.v8[i] = i < n ? v[i] : rest;
  return a;
}

static clg_status set_args(clg_context *ctx, clg_kernel *k, const char *op, const clg_arg *args, int n) {
  for (int i = 0; i < n; i++) {
    cl_mem mem = args[i].size || !args[i].u.block ? NULL : clg_block_mem(args[i].u.block); /* an empty tensor's */
    cl_int code = args[i].size ? clSetKernelArg(k->kernel, (cl_uint)i, args[i].size, &args[i].u)
                               : clSetKernelArg(k->kernel, (cl_uint)i, sizeof mem, &mem);
    if (code != CL_SUCCESS)
      return clg_fail(ctx, CLG_ERR_DEVICE, op, "argument %d of kernel %s: %s (%d)", i, k->name, clg_cl_name(code),
                      (int)code);
  }
  return CLG_OK;
}

/* What no driver would serve, or only some without a word. */
static clg_status check_limits(clg_context *ctx, const clg_kernel *k, const char *op, const clg_arg *args, int n,
                               const size_t group[3]) {
  size_t items = group[0] * group[1] * group[2], bytes = 0;
  for (int i = 0; i < n; i++) bytes += args[i].size ? args[i].size : ctx->info.address_bits / 8;
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

clg_status clg_launch(clg_context *ctx, clg_kernel *k, const char *op, const clg_arg *args, int n_args,
                      const size_t global[3], const size_t local[3]) {
  clg_status usable = clg_queue_usable(ctx, op);
  if (usable != CLG_OK) return usable;
  if (!k) return ctx->error.status != CLG_OK ? ctx->error.latest : clg_fail(ctx, CLG_ERR_BUILD, op, "it has no kernel");
  if (!global[0] || !global[1] || !global[2]) return CLG_OK;
  if (!ctx->queue) {
    ctx->counters.launches++;
    return CLG_OK;
  }
  const size_t flat[3] = {flat_group(ctx, k), 1, 1}, *group = local ? local : flat;
  clg_status s = check_limits(ctx, k, op, args, n_args, group);
  if (s == CLG_OK) s = set_args(ctx, k, op, args, n_args);
  if (s != CLG_OK) return s;
  cl_event event = NULL;
  cl_int code = enqueue(ctx, k, global, group, &event);
  if (code != CL_SUCCESS && clg_pool_retry(ctx, code, op)) code = enqueue(ctx, k, global, group, &event);
  if (ctx->lost) return CLG_ERR_LOST;
  if (code != CL_SUCCESS) return clg_work_fail(ctx, op, k->name, code);
  ctx->counters.launches++;
  clg_queue_sent(ctx->queue);
  return clg_profile_add(ctx, k, event);
}

clg_status clg_launch_groups(clg_context *ctx, clg_kernel *k, const char *op, const clg_arg *args, int n_args,
                             const size_t groups[3]) {
  const size_t wg = clg_kernel_group(ctx, k), global[3] = {groups[0] * wg, groups[1], groups[2]}, local[3] = {wg, 1, 1};
  return clg_launch(ctx, k, op, args, n_args, global, local);
}
