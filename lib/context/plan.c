/* Contexts without a device. */
#include "context/device_file.h"
#include "context/life.h"
#include "device/choose.h"
#include <stdio.h>

/* What the plan stands for: a device here, one described by a file, or none in particular. */
static clg_status model_of(const clg_plan_options *o, clg_device_file *out, clg_error *error) {
  *out = (clg_device_file){.name = "plan", .shape = CLG_SHAPE_CPU, .products = clg_product_model_default()};
  if (o->device_file) return clg_device_file_read(o->device_file, out, error);
  if (!o->like) return CLG_OK;
  clg_context *like = o->like;
  snprintf(out->name, sizeof out->name, "%s", like->info.name);
  out->shape = like->shape;
  out->max_alloc_bytes = like->info.max_alloc_bytes;
  clg_product_model_of(like, &out->products);
  return CLG_OK;
}

static void describe(clg_device_info *info, const clg_device_file *model, clg_device_shape shape) {
  *info = (clg_device_info){.platform_index = -1,
                            .device_index = -1,
                            .type = CLG_DEVICE_PLAN,
                            .shape = shape,
                            .usable = true,
                            .max_alloc_bytes = model->max_alloc_bytes};
  snprintf(info->platform, sizeof info->platform, "plan");
  snprintf(info->name, sizeof info->name, "%s", model->name);
}

clg_plan_options clg_plan_defaults(void) { return (clg_plan_options){.shape = CLG_SHAPE_AUTO}; }

clg_status clg_context_create_plan(clg_context **out, const clg_plan_options *options) {
  const clg_plan_options usual = clg_plan_defaults(), *o = options ? options : &usual;
  if (!out) return CLG_ERR_ARGUMENT;
  *out = NULL;
  clg_error error = {0};
  clg_device_file model;
  clg_device_shape shape = CLG_SHAPE_CPU;
  clg_status s = model_of(o, &model, &error);
  /* A lender's or a file's shape stands whatever the environment says. */
  bool given = o->like || o->device_file;
  if (s == CLG_OK)
    s = clg_choose_shape(o->shape == CLG_SHAPE_AUTO && given ? model.shape : o->shape, CLG_SHAPE_CPU, &shape, &error);
  bool reproducible = false;
  if (s == CLG_OK && o->like)
    reproducible = o->reproducible || o->like->info.reproducible;
  else if (s == CLG_OK)
    s = clg_choose_reproducible(o->reproducible, &reproducible, &error);
  clg_context *ctx = s == CLG_OK ? clg_context_new(o->seed, 0) : NULL;
  if (s == CLG_OK && !ctx) s = clg_error_set(&error, CLG_ERR_HOST_MEMORY, NULL, "out of host memory");
  if (s == CLG_OK) {
    ctx->shape = shape;
    describe(&ctx->info, &model, shape);
    ctx->info.reproducible = reproducible;
    if (o->like) {
      clg_context_hold(ctx->like = o->like);
      ctx->info.native_float_width = o->like->info.native_float_width;
      ctx->info.fma = o->like->info.fma;
      ctx->info.divides = o->like->info.divides;
    }
    s = clg_product_open_plan(ctx, &model.products, o->like);
    if (s != CLG_OK) {
      error = ctx->error;
      clg_context_destroy(ctx);
    } else {
      *out = ctx;
    }
  }
  clg_context_report(&error, o->message, o->message_size);
  return s;
}
