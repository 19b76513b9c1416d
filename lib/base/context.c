/* The handle of a context: what is said of it and on it, and who refers to it. */
#include "base/context.h"
#include <stdarg.h>
#include <stdio.h>

/* ---- references ---- */

clg_context *clg_context_ref(clg_context *ctx) {
  if (ctx) ctx->users++;
  return ctx;
}

void clg_context_hold(clg_context *ctx) { ctx->held++; }

void clg_context_release(clg_context *ctx) {
  if (!--ctx->held && !ctx->users) ctx->end(ctx);
}

/* ---- what a context says ---- */

bool clg_context_is_plan(const clg_context *ctx) { return ctx && !ctx->queue; }
const clg_device_info *clg_context_device(const clg_context *ctx) { return ctx ? &ctx->info : NULL; }
clg_counters clg_context_counters(const clg_context *ctx) { return ctx ? ctx->counters : (clg_counters){0}; }
clg_status clg_last_status(const clg_context *ctx) { return ctx ? ctx->error.status : CLG_ERR_ARGUMENT; }

const char *clg_last_error(const clg_context *ctx) {
  if (!ctx) return "there is no context: what made it said why";
  return ctx->error.status == CLG_OK ? "" : ctx->error.line;
}

void clg_clear_error(clg_context *ctx) {
  if (!ctx) return;
  clg_error_clear(&ctx->error);
  clg_nulls_forgive();
}

const char *clg_phase(const clg_context *ctx) { return ctx->phase ? ctx->phase : ""; }

static void fail(clg_context *ctx, clg_status status, const char *op, const char *fmt, va_list ap) {
  char text[sizeof ctx->error.line];
  vsnprintf(text, sizeof text, fmt, ap);
  const char *phase = clg_phase(ctx), *layer = clg_layer(ctx);
  if (*phase && *layer)
    clg_error_set(&ctx->error, status, op, "%s [in %s, layer %s]", text, phase, layer);
  else if (*phase)
    clg_error_set(&ctx->error, status, op, "%s [in %s]", text, phase);
  else if (*layer)
    clg_error_set(&ctx->error, status, op, "%s [in layer %s]", text, layer);
  else
    clg_error_set(&ctx->error, status, op, "%s", text);
}

clg_status clg_fail(clg_context *ctx, clg_status status, const char *op, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fail(ctx, status, op, fmt, ap);
  va_end(ap);
  return status;
}

void *clg_fail_object(clg_context *ctx, clg_status status, const char *op, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fail(ctx, status, op, fmt, ap);
  va_end(ap);
  return NULL;
}

bool clg_refuse(clg_context *ctx, clg_status status, const char *op, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fail(ctx, status, op, fmt, ap);
  va_end(ap);
  return false;
}

clg_status clg_raise(clg_context *ctx, clg_status status, const char *op, const char *line) {
  if (!ctx || !line) return clg_null(ctx, "raise");
  if (status == CLG_OK) return clg_fail(ctx, CLG_ERR_ARGUMENT, "raise", "CLG_OK is no error");
  return clg_fail(ctx, status, op, "%s", line);
}

clg_status clg_null(clg_context *ctx, const char *op) {
  if (ctx && ctx->error.status == CLG_OK) return clg_fail(ctx, CLG_ERR_ARGUMENT, op, "it was given NULL");
  clg_nulls_mark(op);
  return CLG_ERR_ARGUMENT;
}

void *clg_null_object(clg_context *ctx, const char *op) {
  clg_null(ctx, op);
  return NULL;
}

bool clg_within_idle(clg_context *ctx, const char *op) {
  if (ctx->idling)
    clg_fail(ctx, CLG_ERR_STATE, op, "called from an idle callback of this context, which is waiting: call it later");
  return ctx->idling;
}

void clg_log_line(clg_context *ctx, const char *fmt, ...) {
  if (!ctx->log) return;
  char line[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(line, sizeof line, fmt, ap);
  va_end(ap);
  clg_one_line(line);
  ctx->log(ctx->log_user, line);
}
