/* The life of a context: made over a chosen or adopted device, referenced, closed, destroyed. Owns the rooms' slots. */
#include "context/life.h"
#include "base/str.h"
#include "device/books.h"
#include "device/choose.h"
#include "device/divide.h"
#include "device/pool.h"
#include "device/profile.h"
#include "device/program.h"
#include "product/open.h"
#include <clgrad/opencl.h>
#include <clgrad/trace.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

clg_context *clg_context_new(uint64_t seed, uint64_t memory_limit) {
  clg_context *ctx = calloc(1, sizeof *ctx);
  if (!ctx) return NULL;
  ctx->users = 1;
  ctx->end = clg_context_destroy;
  ctx->seed = seed;
  ctx->result_role = CLG_ROLE_ACTIVATION;
  ctx->books = clg_books_create();
  ctx->pool = clg_pool_create(memory_limit);
  ctx->programs = clg_programs_create();
  ctx->profile = clg_profile_create();
  if (ctx->books && ctx->pool && ctx->programs && ctx->profile) return ctx;
  clg_context_destroy(ctx);
  return NULL;
}

void clg_context_report(const clg_error *error, char *message, size_t size) {
  if (message && size) snprintf(message, size, "%s", error->line);
}

/* $CLGRAD_TRACE; NULL: none. */
static const char *traced_file(void) {
  const char *path = getenv("CLGRAD_TRACE");
  return path && *path ? path : NULL;
}

/* A file for each context of the process. */
static void begin_trace(clg_context *ctx, const char *path) {
  static atomic_uint contexts;
  unsigned number = atomic_fetch_add(&contexts, 1) + 1;
  clg_str name = {0};
  clg_str_add(&name, path);
  if (number > 1) clg_str_addf(&name, ".%u", number);
  clg_status s = name.failed ? CLG_ERR_HOST_MEMORY : clg_trace_start(ctx, name.data);
  if (s != CLG_OK) clg_log_line(ctx, "no trace: %s", name.failed ? "out of host memory" : clg_last_error(ctx));
  clg_error_clear(&ctx->error);
  clg_str_free(&name);
}

static clg_status open_on(clg_context **out, const clg_found *found, cl_context context, cl_command_queue queue,
                          const clg_context_options *o, clg_error *error) {
  clg_device_shape shape;
  clg_status s = clg_choose_shape(o->shape, found->info.shape, &shape, error);
  bool fma = false, reproducible = false;
  if (s == CLG_OK) s = clg_choose_reproducible(o->reproducible, &reproducible, error);
  if (s == CLG_OK) s = clg_choose_fma(shape, reproducible, found->info.fma, &fma, error);
  if (s != CLG_OK) return s;
  clg_context *ctx = clg_context_new(o->seed, o->memory_limit);
  if (!ctx) return clg_error_set(error, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  ctx->info = found->info;
  ctx->info.shape = ctx->shape = shape;
  ctx->info.fma = fma;
  ctx->info.reproducible = reproducible;
  ctx->log = o->log;
  ctx->log_user = o->log_user;
  ctx->build = o->build;
  ctx->build_user = o->build_user;
  ctx->reports_times = o->profile;
  if (o->share) clg_programs_share(ctx->programs, o->share->programs);
  const char *trace = traced_file();
  s = clg_queue_open(ctx, found->device, context, queue, o->profile || trace);
  if (s == CLG_OK && !ctx->info.divides) ctx->info.divides = o->share ? o->share->info.divides : clg_divide_tested(ctx);
  if (s == CLG_OK) s = clg_product_open(ctx);
  if (s == CLG_OK && trace) begin_trace(ctx, trace);
  if (s == CLG_OK) {
    *out = ctx;
  } else {
    *error = ctx->error;
    clg_context_destroy(ctx);
  }
  return s;
}

clg_context_options clg_context_defaults(void) { return (clg_context_options){.shape = CLG_SHAPE_AUTO}; }

/* The device of another context, which can be used. */
static clg_status find_shared(const clg_context_options *o, clg_found *out, clg_error *error) {
  const clg_context *from = o->share;
  if (!from->queue)
    return clg_error_set(error, CLG_ERR_ARGUMENT, "context_create", "`share` is a plan, which has no device");
  if (o->device)
    return clg_error_set(error, CLG_ERR_ARGUMENT, "context_create",
                         "the device is that of `share`: leave `device` NULL");
  if (from->lost) return clg_error_set(error, CLG_ERR_LOST, "context_create", "the context to share with is lost");
  *out = (clg_found){.device = from->queue->device};
  clg_describe_device(out->device, from->info.platform_index, from->info.device_index, &out->info);
  return CLG_OK;
}

clg_status clg_context_create(clg_context **out, const clg_context_options *options) {
  const clg_context_options usual = clg_context_defaults(), *o = options ? options : &usual;
  if (!out) return CLG_ERR_ARGUMENT;
  *out = NULL;
  clg_error error = {0};
  clg_found found;
  clg_status s = o->share ? find_shared(o, &found, &error) : clg_choose_device(o->device, o->nth, &found, &error);
  if (s == CLG_OK) s = open_on(out, &found, o->share ? o->share->queue->context : NULL, NULL, o, &error);
  clg_context_report(&error, o->message, o->message_size);
  return s;
}

/* ---- adopting ---- */

static clg_status check_queue(cl_context context, cl_device_id device, cl_command_queue queue, clg_error *error) {
  cl_context its_context = NULL;
  cl_device_id its_device = NULL;
  cl_command_queue_properties properties = 0;
  if (!context || !device || !queue ||
      clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof its_context, &its_context, NULL) != CL_SUCCESS ||
      clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof its_device, &its_device, NULL) != CL_SUCCESS ||
      clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL) != CL_SUCCESS)
    return clg_error_set(error, CLG_ERR_ARGUMENT, "context_adopt", "the context, device or queue is not valid");
  if (its_context != context || its_device != device)
    return clg_error_set(error, CLG_ERR_ARGUMENT, "context_adopt", "the queue is of another context or device");
  if (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
    return clg_error_set(error, CLG_ERR_ARGUMENT, "context_adopt", "the queue must be in order");
  return CLG_OK;
}

/* As enumerated, for its indices; a device that no platform lists (a sub-device) is described as it is. */
static void find_adopted(cl_device_id device, clg_found *out) {
  clg_found *rows;
  size_t n = clg_find_devices(&rows), i = 0;
  while (i < n && rows[i].device != device) i++;
  if (i < n) {
    *out = rows[i];
  } else {
    out->device = device;
    clg_describe_device(device, -1, -1, &out->info);
  }
  free(rows);
}

clg_status clg_context_adopt(clg_context **out, cl_context context, cl_device_id device, cl_command_queue queue,
                             const clg_context_options *options) {
  const clg_context_options usual = clg_context_defaults(), *o = options ? options : &usual;
  if (!out) return CLG_ERR_ARGUMENT;
  *out = NULL;
  clg_error error = {0};
  clg_status s = check_queue(context, device, queue, &error);
  if (s == CLG_OK && o->share)
    s = clg_error_set(&error, CLG_ERR_ARGUMENT, "context_adopt", "an adopted context takes no `share`");
  if (s == CLG_OK) {
    clg_found found;
    find_adopted(device, &found);
    s = open_on(out, &found, context, queue, o, &error);
  }
  clg_context_report(&error, o->message, o->message_size);
  return s;
}

cl_context clg_context_cl_context(const clg_context *ctx) { return ctx && ctx->queue ? ctx->queue->context : NULL; }
cl_device_id clg_context_cl_device(const clg_context *ctx) { return ctx && ctx->queue ? ctx->queue->device : NULL; }
cl_command_queue clg_context_cl_queue(const clg_context *ctx) { return ctx && ctx->queue ? ctx->queue->queue : NULL; }

/* ---- references ---- */

void clg_context_destroy(clg_context *ctx) {
  /* What pending work uses must not be freed under the device: host memory of transfers, CLBlast's programs. */
  if (ctx->queue) clFinish(ctx->queue->queue);
  for (int i = 0; i < CLG_SLOT_COUNT; i++)
    if (ctx->slot[i].destroy) ctx->slot[i].destroy(ctx, ctx->slot[i].state);
  clg_trace_stop(ctx);
  if (ctx->queue) clg_queue_waited(ctx);
  if (ctx->reports_times) clg_profile_report(ctx);
  clg_pool_destroy(ctx);
  if (ctx->queue && !ctx->lost) clg_programs_save(ctx);
  clg_programs_destroy(ctx->programs);
  clg_queue_close(ctx->queue);
  clg_profile_destroy(ctx->profile);
  clg_books_destroy(ctx->books);
  clg_kept_free(ctx->kept);
  clg_context *like = ctx->like;
  free(ctx);
  if (like) clg_context_release(like);
}

/* No error: tensors may outlive the handle. But what nobody releases is lost memory. */
static void log_held(clg_context *ctx) {
  char where[400] = "";
  size_t n = clg_books_holders(ctx->books, where, sizeof where);
  if (!ctx->log || !(ctx->tensors || n)) return;
  const char *debug = getenv("CLGRAD_DEBUG"), *made = " (CLGRAD_DEBUG=1 says where they were made)";
  if (debug && *debug)
    made = ", made: ";
  else
    *where = 0;
  clg_log_line(ctx, "still held: %zu tensors with %llu bytes in %zu allocations%s%s", ctx->tensors,
               (unsigned long long)clg_memory(ctx).live, n, made, where);
}

/* Held while the slots close, since what they let go may be the last that holds the context. */
void clg_context_unref(clg_context **pctx) {
  clg_context *ctx = pctx ? *pctx : NULL;
  if (!ctx) return;
  if (ctx->users == 1 && clg_within_idle(ctx, "context_unref")) return;
  *pctx = NULL;
  if (--ctx->users) return;
  clg_context_hold(ctx);
  const clg_work before = clg_work_begin(ctx, CLG_BY_CONTEXT, "context_unref");
  for (int i = 0; i < CLG_SLOT_COUNT; i++)
    if (ctx->slot[i].close) ctx->slot[i].close(ctx, ctx->slot[i].state);
  clg_work_end(ctx, before);
  ctx->idle = NULL; /* it is not called while the context ends */
  clg_trace_stop(ctx);
  if (ctx->held > 1) log_held(ctx);
  clg_context_release(ctx);
}
